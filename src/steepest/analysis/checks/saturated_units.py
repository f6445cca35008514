"""SATURATED and SCALES of a module: inputs, or first weights, of a size that its layers are not started for.

Weights start as if all columns were of size 1. Looked at are the tanh, sigmoid and their kin inside a module (a sample of at
most 1,000 rows): a unit is saturated for a row where its slope is less than a hundredth of its largest. Where four fifths are,
at the end and at the start, the units are; their inputs' columns are to blame where standardised ones would free them, and else
the weights. Where units are not saturated, columns of a size 30 times smaller or larger than 1 or than another are on different
scales.

Tried (`rerun.py`) are standardised columns, at the fit's own rate and at the usual one, and for weights other starts; what
lowers the objective by at least three tenths is found, and by at least a twentieth of what there is to learn beyond the constant
model: a fit that is all but through lacks nothing, however small its loss can be made on the rows that it was fitted to.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from steepest.analysis.checks.rerun import Rerun, as_asked, placed, rerun
from steepest.analysis.constant_model import constant_loss
from steepest.analysis.finding import Finding, FittedModule, Kind
from steepest.analysis.fit_settings import pinned
from steepest.analysis.needs import NETWORK, WHOLE_TRACE, check
from steepest.analysis.what_if import whole_objective
from steepest.descent.stopping import Status
from steepest.descent.torch_optim import brings_rate
from steepest.lazy import Tensor, torch
from steepest.model import modules
from steepest.model.calling import evaluating
from steepest.model.module_objective import ModuleObjective
from steepest.text.numbers import number

SLOPES = {
    "tanh": lambda a: 1.0 - a**2,
    "sigmoid": lambda a: 4.0 * a * (1.0 - a),
    "softsign": lambda a: (1.0 - a.abs()) ** 2,
    "hardtanh": lambda a: ((a > -1.0) & (a < 1.0)).to(a.dtype),
    "hardsigmoid": lambda a: ((a > 0.0) & (a < 1.0)).to(a.dtype),
}
"""Slopes of these functions, in units of the largest, by their values."""

FLAT, MOST = 0.01, 0.8
APART = 30.0
BETTER, LEAST = 0.7, 0.05
USUAL = 0.01  # what lr="auto" is for a module


def saturated(objective: ModuleObjective) -> float:
    """The largest share, among the functions inside a module, of the values where the function is flat; 0 without any."""
    return max(
        (float((SLOPES[name](value) < FLAT).double().mean()) for name, value in flattened(objective)), default=0.0
    )


def flattened(objective: ModuleObjective) -> list[tuple[str, Tensor]]:
    """The functions inside a module that flatten large values, and what they give; what the module ends in is left out."""
    from steepest.analysis.replaced_calls import Seen  # which imports PyTorch

    with evaluating(objective.module), torch.no_grad(), Seen(frozenset(SLOPES)) as seen:
        output = objective.module(objective.data[0])
    return [(name, value) for name, _, value in seen.found if value.shape != output.shape or not value.equal(output)]


@check("fit", finds=(Kind.SATURATED, Kind.SCALES), needs=(NETWORK, WHOLE_TRACE), trials=True)
def sizes(fit: FittedModule) -> Iterator[Finding]:
    """Saturated units or columns on different scales, and what mends them."""
    from steepest.model.wrapped_modules import embeds  # which imports PyTorch

    fit, data, network = as_asked(fit), fit.train, fit.network
    start = placed(fit)
    shares = saturated(start), saturated(placed(fit, fit.theta)) if np.isfinite(fit.theta).all() else 1.0
    flat = min(shares) >= MOST
    columns = fit.precondition == "none" and data.x.ndim == 2 and not embeds(network)
    spread = np.sqrt((data.x**2).mean(0)) if columns else np.ones(1)
    live = spread[spread > 0]
    if columns and flat and saturated(placed(fit, standardize=True)) < MOST:
        yield from _standardised(fit, Kind.SATURATED, shares, spread)
    elif flat:
        yield from _started(fit, shares)
    elif columns and live.size and (live.max() / min(live.min(), 1.0) > APART or live.max() > APART):
        yield from _standardised(fit, Kind.SCALES, shares, spread)


def _standardised(fit: FittedModule, kind: Kind, shares: tuple[float, float], spread: np.ndarray) -> Iterator[Finding]:
    """Columns of a wrong size, where standardised ones lead further down."""
    now = _now(fit)
    found = _best(now, _rates(fit))
    if found is None:
        return
    remedy, run = found
    live = np.flatnonzero(spread > 0.0)
    names, order = fit.train.names, live[np.argsort(spread[live])]
    small, large = int(order[0]), int(order[-1])
    place = large if spread[large] >= 1.0 / max(spread[small], 1e-300) else small
    evidence = f"{names[place]!r} is of size {number(float(spread[place]))}"
    if len(order) > 1:
        other = small if place == large else large
        evidence += f", {names[other]!r} of {number(float(spread[other]))}"
    evidence += "; a module's weights start as if all were of size 1."
    what = f"The columns are on different scales, above all {names[place]!r}."
    if kind is Kind.SATURATED:
        what = f"Inputs of size {number(float(spread[place]))} saturate the units: their slopes are next to 0."
        evidence = f"{_flat(shares)} {evidence}"
    columns = () if kind is Kind.SATURATED else (names[place],)
    yield Finding(kind, what, evidence, remedy, _predicted(run, now), run.gain(now), columns=columns)


def _started(fit: FittedModule, shares: tuple[float, float]) -> Iterator[Finding]:
    """Weights of a wrong size, where another start leads further down."""
    now = _now(fit)
    found = _best(now, _starts(fit))
    if found is None:
        return
    remedy, run = found
    size = float(np.sqrt(np.mean(fit.trace.theta[0] ** 2)))
    yield Finding(
        Kind.SATURATED,
        "The units start saturated: the weights are so large that their slopes are next to 0 for nearly all rows.",
        f"{_flat(shares)} The parameters start at a size of {number(size)}.",
        remedy, _predicted(run, now), run.gain(now),
    )  # fmt: skip


def _flat(shares: tuple[float, float]) -> str:
    return f"A unit's slope is below a hundredth for {shares[0]:.0%} of the values at the start and {shares[1]:.0%} at the end."


def _predicted(run: Rerun, now: float) -> str:
    beside = f"it is {number(now)} now" if np.isfinite(now) else "it diverges now"
    return f"After {run.steps:,} steps the objective is {number(run.value)}; {beside}."


def _now(fit: FittedModule) -> float:
    """F at the end on the sample of rows; inf where it diverged."""
    if not np.isfinite(fit.theta).all() or fit.status is Status.DIVERGED:
        return float("inf")
    return whole_objective(placed(fit, fit.theta))


def _best(
    now: float, tried: Iterator[tuple[Mapping[str, Any], Rerun | None]]
) -> tuple[Mapping[str, Any], Rerun] | None:
    """The remedy that leads furthest down, if that is far enough, also of the way from the constant model."""
    found = [(remedy, run) for remedy, run in tried if run is not None and run.value <= BETTER * now]
    best = min(found, key=lambda one: one[1].value, default=None)
    if best is None or not np.isfinite(now):
        return best
    value, constant = best[1].value, constant_loss(best[1].objective)
    return best if now - value >= LEAST * (max(constant, now) - value) else None


def _rates(fit: FittedModule) -> Iterator[tuple[Mapping[str, Any], Rerun | None]]:
    """Standardised columns, at the fit's own rate and at the usual one."""
    yield pinned({"precondition": "standardize"}, fit), rerun(fit, placed(fit, standardize=True))
    if fit.spec.lr != "auto" and not brings_rate(fit.spec.optimizer):
        rule = "adam" if fit.spec.optimizer == "auto" else None
        usual = {"precondition": "standardize", "lr": "auto"}
        yield usual, rerun(fit, placed(fit, standardize=True), lr=USUAL, rule=rule)


def _starts(fit: FittedModule) -> Iterator[tuple[Mapping[str, Any], Rerun | None]]:
    """Normal draws over the square root of a unit's inputs."""
    inputs = np.median([p[0].numel() for p in fit.network.parameters() if p.requires_grad and p.ndim > 1])
    for gain in (1.0, 0.5):
        init = f"normal:{gain / np.sqrt(inputs):.2g}"
        yield {"init": init}, rerun(fit, placed(fit, modules.start(init, tuple(fit.names), fit.spec.seed)))
