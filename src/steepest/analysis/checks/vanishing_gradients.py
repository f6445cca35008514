"""VANISHING: gradients that shrink from layer to layer on their way back, so that the first layers stand still.

Each weight matrix's gradient at the start and at the end, as a root mean square over its entries (a pass of autograd over
an even sample of at most 1,000 rows). It is found in a first layer whose gradient is less than a thousandth of the last
one's, under a rule that takes gradients as they are (adam and its kin divide by them); at the end only while the last
one's is a thousandth of what it was at least. Sigmoid shrinks a gradient by ¼ or more a layer; tanh and sigmoid of large
inputs are flat (Hochreiter 1991; Glorot and Bengio 2010). Tried in this order, as in `rerun.py`, and found only where it
lowers the objective by at least a tenth: standardised columns; adam, from the first start under which the gradient arrives
(a hundredth of the last layer's at the first): its own, or normal draws of 1, 1.5, 2.5 or 4 over the square root of a
unit's inputs (4 is what makes up for a sigmoid's slope of ¼); fewer layers of an mlp.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from steepest.analysis.checks.rerun import Rerun, left_at_end, mlp, placed, rerun, widths_of, wrapped
from steepest.analysis.diagnosis import check
from steepest.analysis.finding import Finding, Fitted, Kind
from steepest.analysis.fit_settings import pinned
from steepest.analysis.needs import NETWORK, WHOLE_TRACE
from steepest.formulas.rules import formula_of
from steepest.model import modules
from steepest.model.module_objective import ModuleObjective

SMALL = 1e-3
BETTER = 0.9
ARRIVES = 1e-2
RATES = (0.01, 0.003, 0.03)
GAINS = (1.0, 1.5, 2.5, 4.0)
LARGE = 5.0
LITTLE = 0.1


def layer_gradients(objective: ModuleObjective) -> dict[str, float]:
    """Root mean square of the gradient of each weight matrix at θ, in the module's order; vectors (biases) left out."""
    _, gradient = objective.value_and_grad(objective.theta)
    names = [name.removeprefix("module.") for name, p in objective.module.named_parameters() if p.requires_grad]
    parts = zip(names, objective.views(gradient), strict=True)
    return {name: float(part.square().mean().sqrt()) for name, part in parts if part.ndim > 1}


@check("fit", finds=(Kind.VANISHING,), needs=(NETWORK, WHOLE_TRACE))
def vanishing(fit: Fitted) -> Iterator[Finding]:
    """A first layer whose gradient is many orders below the last one's, and what moves it."""
    formula = formula_of(fit.optimizer)
    there = left_at_end(fit) if formula is None or formula.linear else None
    if there is None:
        return
    ended, value = there
    start, end = layer_gradients(placed(fit)), layer_gradients(ended)
    names = list(start)
    if len(names) < 3:
        return
    moving = end[names[-1]] >= SMALL * start[names[-1]]
    if not (_vanishes(start) or (moving and _vanishes(end))):
        return
    norms, when = (start, "start") if _vanishes(start) else (end, "end")
    for remedy, run, cause in _tried(fit, value):
        if run is None or not run.value <= BETTER * value:
            continue
        first, last = norms[names[0]], norms[names[-1]]
        yield Finding(
            Kind.VANISHING, f"The gradient all but vanishes on its way to the first layer: {cause}.",
            f"At the {when} it is {first:.1e} at {names[0]!r} and {last:.1e} at {names[-1]!r} (root mean square of an entry), "
            f"through {len(names)} layers.",
            remedy, f"After {run.steps:,} steps the objective is {run.value:.3g}; it is {value:.3g} now.", run.gain(value),
        )  # fmt: skip
        return


def _vanishes(norms: dict[str, float]) -> bool:
    values = list(norms.values())
    return bool(np.isfinite(values).all() and values[0] < SMALL * values[-1])


def _tried(fit: Fitted, value: float) -> Iterator[tuple[dict[str, Any], Rerun | None, str]]:
    """Remedies, what each gave, and what was at fault if it helps; only those under which the gradient arrives."""
    assert fit.train is not None
    if fit.precondition == "none" and fit.train.x.ndim == 2:
        size = np.sqrt(np.mean(fit.train.x**2, axis=0))
        largest = int(np.argmax(size))
        if size[largest] > LARGE and not _vanishes(layer_gradients(placed(fit, standardize=True))):
            name = fit.train.names[largest]
            cause = f"{name!r} is of size {size[largest]:.3g}, where the activations are flat"
            yield {"precondition": "standardize"}, rerun(fit, placed(fit, standardize=True)), cause
    best: tuple[dict[str, Any], Rerun] | None = None
    own, theta = _arriving(fit)
    for lr in RATES:
        run = rerun(fit, placed(fit, theta), lr=lr, rule="adam")
        if run is not None and (best is None or run.value < best[1].value):
            best = pinned({"optimizer": "adam", "lr": lr, **own}, fit), run
        if best is not None and best[1].value <= LITTLE * value:
            break
    if best is not None:
        yield *best, f"each layer shrinks it, and {fit.optimizer} takes it as it is"
    widths = widths_of(fit)
    for count in range(min(len(widths) - 1, 3), 0, -1):
        objective = wrapped(fit, mlp(fit, widths[:count], fit.spec.seed))
        if not _vanishes(layer_gradients(objective)):
            model = "mlp:" + ",".join(map(str, widths[:count]))
            yield {"model": model}, rerun(fit, objective), f"{len(widths) + 1} layers shrink it one after another"


def _arriving(fit: Fitted) -> tuple[dict[str, Any], np.ndarray | None]:
    """The first start under which the gradient arrives at the first layer, or nearly: as a setting, and its θ."""
    nearest, most = ({}, None), 0.0
    for gain in (None, *GAINS):
        init = None if gain is None else f"normal:{gain / np.sqrt(_inputs(fit)):.2g}"
        theta = None if init is None else modules.start(init, tuple(fit.names), fit.spec.seed)
        norms = list(layer_gradients(placed(fit, theta)).values())
        arrives = norms[0] / norms[-1] if np.isfinite(norms).all() and norms[-1] > 0 else 0.0
        if arrives > most:
            nearest, most = ({} if init is None else {"init": init}, theta), arrives
        if arrives >= ARRIVES:
            break
    return nearest


def _inputs(fit: Fitted) -> float:
    """How many inputs a unit of the hidden layers has, as a median."""
    assert fit.network is not None
    weights = [p for p in fit.network.parameters() if p.requires_grad and p.ndim > 1][1:]
    return float(np.median([p[0].numel() for p in weights]))
