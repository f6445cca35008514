"""What stopped or stunted a descent: a tolerance, impatience, clipped gradients, unshuffled rows, single precision.

Each is taken away by itself, and the descent walked again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from steepest.analysis.checks.learning_rate import more_steps, steps_needed
from steepest.analysis.checks.measured_descent import MeasuredDescent
from steepest.analysis.checks.recorded_descent import IN_ORDER, kept_in_order, order_of
from steepest.analysis.finding import Finding, Fitted, Kind
from steepest.analysis.needs import BATCHES, CLIP, OPTIMUM, SINGLE, TOL, check
from steepest.descent.stopping import Status
from steepest.text.numbers import number, rounded_down, rounded_up


@check("descent", finds=(Kind.TOLERANCE,), needs=(TOL, OPTIMUM))
def tolerance(descent: MeasuredDescent, fit: Fitted, need: float) -> Iterator[Finding]:
    """TOLERANCE: `tol` ended a descent that was still going down."""
    if fit.status is not Status.TOLERANCE or not descent.fit.spec.tol:
        return
    remedy: dict[str, float] = {"tol": 0.0}
    gap = descent.gap_at()
    if not descent.share(gap) >= 0.9:
        needed, gap = steps_needed(descent, fit)
        if not np.isfinite(needed) or needed > 100 * descent.steps or not descent.share(gap) >= 0.9:
            return
        remedy |= more_steps(descent, needed)
    known = fit.trace.objective[~np.isnan(fit.trace.objective)]
    change = abs(known[-1] - known[-2]) / abs(known[-2]) if len(known) > 1 and known[-2] else 0.0
    yield descent.finding(
        Kind.TOLERANCE,
        f"tol={descent.fit.spec.tol:g} ended the descent after {fit.steps:,} of {descent.steps:,} steps.",
        f"The last change of the objective was {number(change)} of it, and {number(descent.gap / max(descent.best, 1e-300))} "
        "of the optimum was still to go.",
        remedy, gap,
    )  # fmt: skip


def patience(descent: MeasuredDescent, fit: Fitted) -> Iterator[Finding]:
    """PATIENCE: a validation loss that goes up and down, and few epochs of that ended the descent."""
    if fit.status is not Status.PATIENCE or descent.settles:
        return
    waited = descent.fit.spec.patience or 10
    epochs = descent.steps / descent.batching.steps_per_epoch
    gap = descent.gap_at()
    if fit.epochs > 0.5 * epochs or waited >= 0.25 * epochs or not descent.share(gap) >= 0.5:
        return
    yield descent.finding(
        Kind.PATIENCE,
        f"patience={waited} ended the descent after {fit.epochs:,} of {epochs:,.0f} epochs.",
        "Such a descent goes up and down from epoch to epoch, and the validation loss with it; the gap on the training "
        f"rows was still {number(descent.gap / descent.first)} of the first one.",
        {"patience": longer_patience(descent)}, gap,
    )  # fmt: skip


def longer_patience(descent: MeasuredDescent) -> int:
    """Epochs to wait in place of those that ended the descent: all that were asked for, which is what is walked again.

    Under noise the lowest validation loss may come early by luck, and any shorter wait may end there.
    """
    return max(1, descent.steps // descent.batching.steps_per_epoch)


@check("descent", finds=(Kind.CLIPPED,), needs=(CLIP, OPTIMUM))
def clipped(descent: MeasuredDescent, fit: Fitted, need: float) -> Iterator[Finding]:
    """CLIPPED: nearly every step is cut to the same length, and whole steps would have got down."""
    clip = descent.clip
    if clip is None:
        return
    sizes = fit.trace.grad_norm[np.isfinite(fit.trace.grad_norm)]
    share = float(np.mean(sizes > clip)) if sizes.size else 0.0
    if share < 0.5:
        return
    largest = float(sizes.max())
    remedy: dict[str, float] = {}
    for times in (2.0, 20.0, 200.0):
        free = replace(descent, clip=rounded_up(times * largest))
        gap = free.gap_at()
        if descent.share(gap) >= need:
            break
    else:
        rates, gaps = free.other_rates
        rate, gap = free.chosen(rates, gaps)
        if np.isnan(gaps).any() or not descent.share(gap) >= need or descent.share(descent.best_of_rates) >= need:
            return
        remedy = {"lr": rounded_down(rate)}
    yield descent.finding(
        Kind.CLIPPED,
        f"clip={clip:g} cuts {share:.0%} of the steps: their gradients are up to {number(largest)} long.",
        f"Cut steps of lr={descent.lr:g} go no further than {number(descent.lr * clip)} each, "
        f"{number(descent.lr * clip * float(descent.factors.sum()))} together.",
        {"clip": rounded_up(free.clip or 0.0), **remedy}, gap,
    )  # fmt: skip


@check("descent", finds=(Kind.SORTED,), needs=(BATCHES, OPTIMUM))
def in_order(descent: MeasuredDescent, fit: Fitted, need: float) -> Iterator[Finding]:
    """SORTED: batches of rows that lie in order pull one after the other in different directions."""
    if descent.size is None or descent.batching.shuffle not in ("none", "blocks"):
        return
    target = np.asarray(descent.problem.target, dtype=np.float64).reshape(len(descent.problem.design), -1)[:, 0]
    order = order_of(target, descent.size)
    if not order >= IN_ORDER:
        return
    gap = replace(descent, batching=replace(descent.batching, shuffle="rows")).gap_at()
    if not descent.share(gap) >= 0.5:
        return
    said = kept_in_order(descent.batching.shuffle, descent.size, order)
    yield descent.finding(Kind.SORTED, *said, {"shuffle": "rows"}, gap)


@check("descent", finds=(Kind.FLOAT32,), needs=(SINGLE, OPTIMUM))
def single(descent: MeasuredDescent, fit: Fitted, need: float) -> Iterator[Finding]:
    """FLOAT32: in double precision the same steps get further."""
    if descent.fit.spec.dtype != "float32":
        return
    gap = descent.gap_at()
    if not descent.share(gap) >= 0.9:
        return
    yield single_precision(fit, descent.outcome(gap), descent.share(gap))


def single_precision(fit: Fitted, predicted: str, share: float) -> Finding:
    """The finding, with the digits of the objective at the end."""
    smallest = float(np.finfo(np.float32).eps) * abs(fit.objective_value)
    return Finding(
        Kind.FLOAT32, "float32 sees no further change, and the gap is still open.",
        f"The gap is {number(fit.gap or 0.0)}; near {number(fit.objective_value)} float32 tells no numbers apart that "
        f"are closer than {number(smallest)}.",
        {"dtype": "float64"}, predicted, share,
    )  # fmt: skip
