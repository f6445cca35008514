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

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from steepest.analysis.checks.module_code import shown
from steepest.analysis.checks.rerun import Rerun, inner_of, left_at_end, mlp, placed, rerun, widths_of, wrapped
from steepest.analysis.constant_model import constant_loss
from steepest.analysis.finding import Finding, FittedModule, Kind
from steepest.analysis.fit_settings import pinned
from steepest.analysis.needs import NETWORK, WHOLE_TRACE, check
from steepest.formulas.rules import formula_of
from steepest.lazy import nn
from steepest.model import modules
from steepest.model.module_objective import ModuleObjective

SMALL = 1e-3
BETTER = 0.9
ARRIVES = 1e-2
RATES = (0.01, 0.003, 0.03)
GAINS = (1.0, 1.5, 2.5, 4.0)
LARGE = 5.0
LITTLE = 0.1
STUCK = 0.5
WELL, HALF = 0.2, 0.5
BUILT = "its layers shrink it one after another"
AT_CONSTANT = 0.95
FEWER = (
    "Use fewer layers, nn.ReLU() in the place of tanh and sigmoid, or residual connections: h = h + torch.tanh(self.layer(h)) in "
    "the place of h = torch.tanh(self.layer(h))."
)


def layer_gradients(objective: ModuleObjective) -> dict[str, float]:
    """Root mean square of the gradient of each weight matrix at θ, in the module's order; vectors (biases) left out."""
    _, gradient = objective.value_and_grad(objective.theta)
    names = [name.removeprefix("module.") for name, p in objective.module.named_parameters() if p.requires_grad]
    parts = zip(names, objective.views(gradient), strict=True)
    return {name: float(part.square().mean().sqrt()) for name, part in parts if part.ndim > 1}


@dataclass(frozen=True)
class Tried:
    """What was changed, as settings or as lines of code, what it gave, and what was at fault if it helps."""

    remedy: Mapping[str, Any]
    run: Rerun | None
    cause: str
    advice: str = ""


@check("fit", finds=(Kind.VANISHING,), needs=(NETWORK, WHOLE_TRACE), trials=True)
def vanishing(fit: FittedModule) -> Iterator[Finding]:
    """A first layer whose gradient is many orders below the last one's, and what moves it."""
    there = left_at_end(fit)
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
    constant = constant_loss(ended)
    if _divides(fit) and not value >= STUCK * constant:
        return
    norms, when = (start, "start") if _vanishes(start) else (end, "end")
    one = _best(fit, value)
    if one is None:
        if not (_vanishes(start) and value >= AT_CONSTANT * constant):
            return
        one = Tried({}, None, f"{len(names)} layers shrink it one after another", FEWER)
    first, last = norms[names[0]], norms[names[-1]]
    run = one.run
    yield Finding(
        Kind.VANISHING, f"The gradient all but vanishes on its way to the first layer: {one.cause}.",
        f"At the {when} it is {first:.1e} at {names[0]!r} and {last:.1e} at {names[-1]!r} (root mean square of an entry), "
        f"through {len(names)} layers. The best constant has a loss of {constant:.3g}.",
        one.remedy,
        "" if run is None else f"After {run.steps:,} steps the objective is {run.value:.3g}; it is {value:.3g} now.",
        1.0 if run is None else run.gain(value), advice=one.advice,
    )  # fmt: skip


def _best(fit: FittedModule, value: float) -> Tried | None:
    """The first settings that help, or another module where that leads to half as much or less."""
    helps = (one for one in _tried(fit, value) if one.run is not None and one.run.value <= BETTER * value)
    settings = next(helps, None)
    reached = value if settings is None or settings.run is None else settings.run.value
    if settings is not None and reached <= WELL * value:
        return settings
    built = [Tried({}, rerun(fit, wrapped(fit, module)), BUILT, advice) for advice, module in _built(fit)]
    best = min(
        (one for one in built if one.run is not None), key=lambda one: one.run.value if one.run else 0.0, default=None
    )
    limit = BETTER * value if settings is None else HALF * reached
    return best if best is not None and best.run is not None and best.run.value <= limit else settings


def _divides(fit: FittedModule) -> bool:
    """Whether the rule divides a gradient by its size, so that a small one alone does not keep a layer where it is."""
    formula = formula_of(fit.optimizer)
    return formula is None or not formula.linear


def _vanishes(norms: dict[str, float]) -> bool:
    values = list(norms.values())
    return bool(np.isfinite(values).all() and values[0] < SMALL * values[-1])


def _tried(fit: FittedModule, value: float) -> Iterator[Tried]:
    """Remedies, the settings first; only those under which the gradient arrives."""
    if fit.precondition == "none" and fit.train.x.ndim == 2:
        size = np.sqrt(np.mean(fit.train.x**2, axis=0))
        largest = int(np.argmax(size))
        if size[largest] > LARGE and not _vanishes(layer_gradients(placed(fit, standardize=True))):
            name = fit.train.names[largest]
            cause = f"{name!r} is of size {size[largest]:.3g}, where the activations are flat"
            yield Tried({"precondition": "standardize"}, rerun(fit, placed(fit, standardize=True)), cause)
    yield from _started(fit, value)
    widths = widths_of(fit)
    for count in range(min(len(widths) - 1, 3), 0, -1):
        objective = wrapped(fit, mlp(fit, widths[:count], fit.spec.seed))
        if not _vanishes(layer_gradients(objective)):
            model = "mlp:" + ",".join(map(str, widths[:count]))
            cause = f"{len(widths) + 1} layers shrink it one after another"
            yield Tried({"model": model}, rerun(fit, objective), cause)


def _started(fit: FittedModule, value: float) -> Iterator[Tried]:
    """The rule and the start that lead furthest down."""
    best: Tried | None = None
    own, theta = _arriving(fit)
    divides = _divides(fit)
    for lr in (fit.lr,) if divides else RATES:
        run = rerun(fit, placed(fit, theta), lr=lr, rule=None if divides else "adam")
        remedy = own if divides else pinned({"optimizer": "adam", "lr": lr, **own}, fit)
        cause = "each layer shrinks it" + ("" if divides else f", and {fit.optimizer} takes it as it is")
        if run is not None and remedy and (best is None or best.run is None or run.value < best.run.value):
            best = Tried(remedy, run, cause)
        if best is not None and best.run is not None and best.run.value <= LITTLE * value:
            break
    if best is not None:
        yield best


def _built(fit: FittedModule) -> Iterator[tuple[str, nn.Module]]:
    """Modules built otherwise: with fewer layers, where they stand in a row, and with batch normalization."""
    module = inner_of(fit, fit.trace.theta[0])
    if isinstance(module, nn.Sequential):
        layers = [(place, part) for place, part in enumerate(module) if isinstance(part, nn.Linear)]
        square = [place for place, part in layers if part.in_features == part.out_features]
        dropped = {place + ahead for place in square[1:] for ahead in (0, 1)}
        few = nn.Sequential(*(part for place, part in enumerate(module) if place not in dropped))
        if dropped and max(dropped) < len(module) - 1:
            yield f"Use fewer layers: nn.Sequential({', '.join(map(shown, few))}).", copy.deepcopy(few)
    layers = [(name, part) for name, part in module.named_modules() if isinstance(part, nn.Linear) and name]
    for name, part in layers[:-1]:
        where, _, last = name.rpartition(".")
        setattr(module.get_submodule(where), last, nn.Sequential(part, nn.BatchNorm1d(part.out_features)))
    if layers[1:] and fit.train.x.ndim == 2:
        name, part = layers[0]
        line = f"nn.Sequential({shown(part)}, nn.BatchNorm1d({part.out_features}))"
        yield (
            f"Put batch normalization after each linear layer but the last: {line} in the place of {name!r}, and so on.",
            module,
        )


def _arriving(fit: FittedModule) -> tuple[dict[str, Any], np.ndarray | None]:
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


def _inputs(fit: FittedModule) -> float:
    """How many inputs a unit of the hidden layers has, as a median."""
    weights = [p for p in fit.network.parameters() if p.requires_grad and p.ndim > 1][1:]
    return float(np.median([p[0].numel() for p in weights]))
