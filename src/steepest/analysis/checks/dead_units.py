"""DEAD_UNITS: ReLU units that give 0 for every training row, so that no gradient reaches their weights any more.

The outputs of every ReLU, layer or function, are looked at (an even sample of at most 1,000 rows) at the start and at the end.
Some dead units are normal, above all where there are few inputs; a layer is sick where three quarters of its units were dead at
the start, or a third died on the way, and the fit leaves a tenth of the best constant's loss or more. What is to blame is
tried (`rerun.py`), and only what helps is found, the objective at least a tenth lower with fewer units dead; but a layer of
which no unit is left, so that the prediction no longer depends on the rows, is told in any case:

    died on the way     a smaller rate
    dead at the start   standardised columns, where they were not; another seed of an mlp; another start (init) of any module
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from steepest.analysis.checks.network_graph import functional_relus, graph_of, last_of, watched
from steepest.analysis.checks.rerun import Rerun, left_at_end, mlp, placed, rerun, widths_of, wrapped
from steepest.analysis.constant_model import constant_loss
from steepest.analysis.finding import Finding, FittedModule, Kind
from steepest.analysis.fit_settings import pinned
from steepest.analysis.needs import NETWORK, WHOLE_TRACE, check
from steepest.lazy import Tensor, nn
from steepest.model import modules
from steepest.model.module_objective import ModuleObjective

AT_START = 0.75
ON_THE_WAY = 1.0 / 3.0
BETTER = 0.9
LEFT = 0.1
ENOUGH = 0.1  # of the objective
SLOWER = (10.0, 100.0, 1000.0)
GLANCE = 0.2  # share of the steps after which a rate that killed its units is given up
STARTS = ("normal:0.5", "normal:0.2", "normal:1")
SEEDS = 5


def silent(module: nn.Module, x: Tensor) -> dict[str, np.ndarray]:
    """For every ReLU layer of a module which units `[units]` give 0 for all rows x (of a convolution: channels).

    >>> import torch
    >>> layer = nn.Sequential(nn.Linear(1, 2), nn.ReLU()).double()
    >>> _ = layer[0].weight.data.copy_(torch.tensor([[1.0], [1.0]])), layer[0].bias.data.copy_(torch.tensor([0.0, -9.0]))
    >>> silent(layer, torch.tensor([[1.0], [2.0]], dtype=torch.float64))
    {'1': array([False,  True])}
    """
    found: dict[str, np.ndarray] = {}

    def look(name: str, output: Tensor) -> None:
        if output.ndim < 2:
            return
        units = (output == 0).transpose(0, 1).flatten(1).all(1).cpu().numpy()
        again = sum(other.partition(" (")[0] == name for other in found)
        found[name if not again else f"{name} ({again + 1})"] = units

    layers = [(name, layer) for name, layer in module.named_modules() if isinstance(layer, nn.ReLU | nn.ReLU6)]
    with watched(layers, look):
        graph = graph_of(module, x)
    return found | functional_relus(graph)


@check("fit", finds=(Kind.DEAD_UNITS,), needs=(NETWORK, WHOLE_TRACE), trials=True)
def dead_units(fit: FittedModule) -> Iterator[Finding]:
    """Layers of which many units are dead, why, and what keeps them alive."""
    there = left_at_end(fit)
    if there is None:
        return
    ended, value = there
    start, end = _silent(placed(fit)), _silent(ended)
    if not end or start.keys() != end.keys():
        return
    died = {name: end[name] & ~start[name] for name in end}
    on_the_way = _most(died) >= ON_THE_WAY
    if not on_the_way and _most(start) < AT_START:
        return
    worst = max(end, key=lambda name: (died if on_the_way else end)[name].mean())
    if end[worst].mean() < (ON_THE_WAY if on_the_way else AT_START):
        return
    if not value >= LEFT * constant_loss(ended) or _ends_in_relu(fit, ended):
        return
    limit = BETTER * value if np.isfinite(value) else np.inf
    tried = _slower(fit, start, ENOUGH * value) if on_the_way else None
    if tried is None or tried.run.value > limit:
        tried = _other_starts(fit, limit) if _most(start) >= AT_START else None
    now, total = _count(end), sum(len(units) for units in end.values())
    if tried is not None and _count(tried.left) >= now:
        tried = None
    if tried is None and not end[worst].all():
        return
    what = f"{int(end[worst].sum())} of the {len(end[worst])} units of layer {worst!r} give 0 for every row, so that no gradient "
    when = f"{int(died[worst].sum())} of them died during the descent" if on_the_way else "they were dead at the start"
    evidence = (
        f"Of {total} ReLU units {_count(start)} were dead at the start and {now} are at the end ({ended.rows:,} rows looked at); "
        f"in layer {worst!r} {when}."
    )
    if tried is None:
        advice = "Start again with another seed, or with nn.LeakyReLU, whose units do not die."
        yield Finding(Kind.DEAD_UNITS, f"{what}reaches them.", evidence, {}, "", advice=advice)
        return
    yield Finding(
        Kind.DEAD_UNITS, f"{what}reaches them: {tried.cause}.", evidence, tried.remedy,
        f"After {tried.run.steps:,} steps {_count(tried.left)} of {total} units are dead, and the objective is "
        f"{tried.run.value:.3g} instead of {value:.3g}.",
        tried.run.gain(value),
    )  # fmt: skip


@dataclass(frozen=True)
class Tried:
    """A remedy, what it gave, which units it left dead, and what was at fault."""

    remedy: Mapping[str, Any]
    run: Rerun
    left: dict[str, np.ndarray]
    cause: str


def _slower(fit: FittedModule, start: Mapping[str, np.ndarray], enough: float) -> Tried | None:
    """Of smaller rates at which few units die the one that comes down furthest, or the first that comes far enough."""
    best: Tried | None = None
    for divisor in SLOWER:
        lr = float(f"{fit.lr / divisor:.2g}")
        run = rerun(replace(fit, steps=max(1, int(GLANCE * fit.steps))), placed(fit), lr=lr)
        if run is not None and (run.value <= enough or _most(_silent(run.objective), start) < ON_THE_WAY):
            run = rerun(fit, placed(fit), lr=lr)
        if run is None or (_most(left := _silent(run.objective), start) >= ON_THE_WAY and run.value > enough):
            continue
        if best is not None and run.value >= best.run.value:
            break  # slower still would get less far
        best = Tried(pinned({"lr": lr}, fit), run, left, f"steps at lr={fit.lr:.3g} are too long")
        if run.value <= enough:
            break
    return best


def _other_starts(fit: FittedModule, limit: float) -> Tried | None:
    """Standardised columns, another seed or another start: the first that leaves few units dead and comes down."""
    for remedy, objective, cause in _starts(fit):
        run = rerun(fit, objective) if _most(_silent(objective)) < AT_START else None
        if run is not None and run.value <= limit and _most(left := _silent(run.objective)) < AT_START:
            return Tried(pinned(remedy, fit), run, left, cause)
    return None


def _starts(fit: FittedModule) -> Iterator[tuple[dict[str, Any], ModuleObjective, str]]:
    if fit.precondition == "none" and fit.train.x.ndim == 2:
        yield {"precondition": "standardize"}, placed(fit, standardize=True), "the columns are not centred on 0"
    if widths_of(fit) and str(fit.spec.init) == "zeros":
        for seed in range(fit.spec.seed + 1, fit.spec.seed + 1 + SEEDS):
            yield {"seed": seed}, wrapped(fit, mlp(fit, widths_of(fit), seed)), f"seed {fit.spec.seed} starts them so"
    for init in STARTS:
        theta = modules.start(init, tuple(fit.names), fit.spec.seed)
        yield {"init": init}, placed(fit, theta), "they start with weights and biases that no row lifts above 0"


def _ends_in_relu(fit: FittedModule, ended: ModuleObjective) -> bool:
    """Whether the outputs themselves are a ReLU's, and targets are below 0: then that is to be told (`output_layer.py`)."""
    last = last_of(graph_of(ended.module, ended.data[0]))
    return last is not None and last.name == "Relu" and bool((fit.train.y < 0).any())


def _silent(objective: ModuleObjective) -> dict[str, np.ndarray]:
    return silent(objective.module, objective.data[0])


def _most(layers: Mapping[str, np.ndarray], before: Mapping[str, np.ndarray] | None = None) -> float:
    """The largest share of a layer's units, without those that were dead before; 1 where no layer is known."""
    died = (units if before is None else units & ~before[name] for name, units in layers.items())
    return float(max((units.mean() for units in died), default=1.0))


def _count(layers: Mapping[str, np.ndarray]) -> int:
    return int(sum(units.sum() for units in layers.values()))
