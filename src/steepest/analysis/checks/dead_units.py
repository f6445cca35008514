"""DEAD_UNITS: ReLU units that give 0 for every training row, so that no gradient reaches their weights any more.

The outputs of every ReLU, layer or function, are looked at (an even sample of at most 1,000 rows) at the start and at the end.
Some dead units are normal, above all where there are few inputs; a layer is sick where three quarters of its units were dead at
the start, or a third died on the way. What is to blame is tried (`rerun.py`), and only what helps is found, the objective at
least a tenth lower with fewer units dead; but a layer of which no unit is left, so that the prediction no longer depends on
the rows, is told in any case:

    died on the way     a smaller rate
    dead at the start   standardised columns, where they were not; another seed of an mlp; another start (init) of any module
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor, nn

from steepest.analysis.checks.network_graph import functional_relus, graph_of
from steepest.analysis.checks.rerun import Rerun, mlp, placed, rerun, widths_of, wrapped
from steepest.analysis.checks.rounding import loss_level
from steepest.analysis.diagnosis import check
from steepest.analysis.finding import Finding, Fitted, Kind
from steepest.analysis.fit_settings import pinned
from steepest.model import modules
from steepest.model.module_objective import ModuleObjective

AT_START = 0.75
ON_THE_WAY = 1.0 / 3.0
BETTER = 0.9
SLOWER = (3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)
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

    def look(name: str) -> Any:
        def after(layer: nn.Module, inputs: Any, output: Tensor) -> None:
            if output.ndim < 2:
                return
            units = (output == 0).transpose(0, 1).flatten(1).all(1).cpu().numpy()
            again = sum(other.partition(" (")[0] == name for other in found)
            found[name if not again else f"{name} ({again + 1})"] = units

        return after

    layers = [(name, layer) for name, layer in module.named_modules() if isinstance(layer, nn.ReLU | nn.ReLU6)]
    hooks = [layer.register_forward_hook(look(name.removeprefix("module."))) for name, layer in layers]
    try:
        graph = graph_of(module, x)
    finally:
        for hook in hooks:
            hook.remove()
    return found | functional_relus(graph)


@check("fit")
def dead_units(fit: Fitted) -> Iterator[Finding]:
    """Layers of which many units are dead, why, and what keeps them alive."""
    if fit.network is None or fit.train is None or fit.trace.theta.shape[1] != len(fit.theta):
        return
    if not np.isfinite(fit.theta).all():
        return
    began, ended = placed(fit), placed(fit, fit.theta)
    start, end = _silent(began), _silent(ended)
    if start is None or end is None or not end or start.keys() != end.keys():
        return
    died = {name: end[name] & ~start[name] for name in end}
    on_the_way = max((died[name].mean() for name in end), default=0.0) >= ON_THE_WAY
    if not on_the_way and max(units.mean() for units in start.values()) < AT_START:
        return
    worst = max(end, key=lambda name: (died if on_the_way else end)[name].mean())
    if end[worst].mean() < (ON_THE_WAY if on_the_way else AT_START):
        return
    value = float(ended.value(ended.theta) + ended.penalty(ended.theta))
    if value <= loss_level(fit.loss_function, fit.train.y):
        return
    limit = BETTER * value if np.isfinite(value) else np.inf
    slower = _slower(fit) if on_the_way else None
    tried = slower if slower is not None and slower.run.value <= limit else _other_starts(fit, limit)
    now = _count(end)
    if tried is not None and _count(tried.left) >= now:
        tried = None
    if tried is None and not end[worst].all():
        return
    layer = f"{int(end[worst].sum())} of the {len(end[worst])} units of layer {worst!r}"
    when = f"{int(died[worst].sum())} of them died during the descent" if on_the_way else "they were dead at the start"
    total = sum(len(units) for units in end.values())
    yield Finding(
        Kind.DEAD_UNITS,
        what=f"{layer} give 0 for every row, so that no gradient reaches them{'' if tried is None else f': {tried.cause}'}.",
        evidence=f"Of {total} ReLU units {_count(start)} were dead at the start and {now} are at the end "
        f"({ended.rows:,} rows looked at); in layer {worst!r} {when}.",
        remedy={} if tried is None else tried.remedy,
        predicted=""
        if tried is None
        else f"After {tried.run.steps:,} steps {_count(tried.left)} of {total} units are dead, and the objective is "
        f"{tried.run.value:.3g} instead of {value:.3g}.",
        share=_gone(tried, value),
        advice=""
        if tried is not None
        else "Start again with another seed, or with nn.LeakyReLU, whose units do not die.",
    )


@dataclass(frozen=True)
class Tried:
    """A remedy, what it gave, which units it left dead, and what was at fault."""

    remedy: Mapping[str, Any]
    run: Rerun
    left: dict[str, np.ndarray]
    cause: str


def _slower(fit: Fitted) -> Tried | None:
    """The smaller rate at which fewest units die, of those the one that comes down furthest."""
    best: Tried | None = None
    for divisor in SLOWER:
        lr = float(f"{fit.lr / divisor:.2g}")
        run = rerun(fit, placed(fit), lr=lr)
        left = None if run is None else _silent(run.objective)
        if run is None or left is None or max(units.mean() for units in left.values()) >= ON_THE_WAY:
            continue
        tried = Tried(pinned({"lr": lr}, fit), run, left, f"steps at lr={fit.lr:.3g} are too long")
        if best is None or run.value < best.run.value:
            best = tried
    return best


def _other_starts(fit: Fitted, limit: float) -> Tried | None:
    """Standardised columns, another seed or another start: the first that leaves few units dead and comes down."""
    for remedy, objective, cause in _starts(fit):
        first = _silent(objective)
        if first is None or max(units.mean() for units in first.values()) >= AT_START:
            continue
        run = rerun(fit, objective)
        left = None if run is None else _silent(run.objective)
        if (
            run is not None
            and left is not None
            and run.value <= limit
            and max(u.mean() for u in left.values()) < AT_START
        ):
            return Tried(remedy, run, left, cause)
    return None


def _starts(fit: Fitted) -> Iterator[tuple[dict[str, Any], ModuleObjective, str]]:
    rows = fit.train
    assert rows is not None
    if fit.precondition == "none" and rows.x.ndim == 2:
        inputs = "the columns are not centred on 0"
        yield {"precondition": "standardize"}, placed(fit, standardize=True), inputs
    model, standardize = fit.spec.model, fit.precondition == "standardize"
    if isinstance(model, str) and model.startswith("mlp:") and str(fit.spec.init) == "zeros":
        for seed in range(fit.spec.seed + 1, fit.spec.seed + 1 + SEEDS):
            other = mlp(fit, widths_of(fit), seed)
            yield {"seed": seed}, wrapped(fit, other, None, standardize), f"seed {fit.spec.seed} starts them so"
    for init in STARTS:
        theta = modules.start(init, tuple(fit.names), fit.spec.seed)
        yield {"init": init}, placed(fit, theta), "they start with weights and biases that no row lifts above 0"


def _silent(objective: ModuleObjective) -> dict[str, np.ndarray] | None:
    assert objective.x is not None
    found = silent(objective.module, objective.x)
    return found or None


def _gone(tried: Tried | None, value: float) -> float:
    """Which share of the objective the remedy takes away."""
    if tried is None:
        return 0.0
    return float(np.clip(1.0 - tried.run.value / value, 0.0, 1.0)) if np.isfinite(value) and value > 0 else 1.0


def _count(layers: Mapping[str, np.ndarray]) -> int:
    return int(sum(units.sum() for units in layers.values()))
