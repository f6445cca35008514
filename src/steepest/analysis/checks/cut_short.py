"""What stopped or stunted a descent: a tolerance, impatience, clipped gradients, unshuffled rows, single precision.

Each is taken away by itself, and the descent walked again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from steepest.analysis.checks.course import Course
from steepest.analysis.checks.learning_rate import chosen, more_steps, steps_needed
from steepest.analysis.checks.outcome import outcome
from steepest.analysis.finding import Finding, Fitted, Kind
from steepest.analysis.registry import check
from steepest.descent.stopping import Status
from steepest.text.numbers import number, rounded_down, rounded_up

IN_ORDER = 0.3
"""Correlation of a row's target with that of the row a batch later, from which rows count as in order."""


@check("descent")
def tolerance(course: Course, fit: Fitted, need: float) -> Iterator[Finding]:
    """TOLERANCE: `tol` ended a descent that was still going down."""
    if fit.status is not Status.TOLERANCE or not course.fit.spec.tol:
        return
    remedy: dict[str, float] = {"tol": 0.0}
    gap = course.gap_at()
    if not course.share(gap) >= 0.9:
        needed, gap = steps_needed(course, fit)
        if not np.isfinite(needed) or needed > 100 * course.steps or not course.share(gap) >= 0.9:
            return
        remedy |= more_steps(course, needed)
    known = fit.trace.objective[~np.isnan(fit.trace.objective)]
    change = abs(known[-1] - known[-2]) / abs(known[-2]) if len(known) > 1 and known[-2] else 0.0
    yield Finding(
        Kind.TOLERANCE,
        f"tol={course.fit.spec.tol:g} ended the descent after {fit.steps:,} of {course.steps:,} steps.",
        f"The last change of the objective was {number(change)} of it, and {number(course.gap / max(course.best, 1e-300))} "
        "of the optimum was still to go.",
        remedy, outcome(course, gap), course.share(gap),
    )  # fmt: skip


def patience(course: Course, fit: Fitted) -> Iterator[Finding]:
    """PATIENCE: a validation loss that goes up and down, and few epochs of that ended the descent."""
    if fit.status is not Status.PATIENCE or course.settles:
        return
    waited = course.fit.spec.patience or 10
    epochs = course.steps / course.batching.steps_per_epoch
    gap = course.gap_at()
    if fit.epochs > 0.5 * epochs or waited >= 0.25 * epochs or not course.share(gap) >= 0.5:
        return
    longer = longer_patience(course)
    yield Finding(
        Kind.PATIENCE,
        f"patience={waited} ended the descent after {fit.epochs:,} of {epochs:,.0f} epochs.",
        "Such a descent goes up and down from epoch to epoch, and the validation loss with it; the gap on the training "
        f"rows was still {number(course.gap / course.first)} of the first one.",
        {"patience": longer}, outcome(course, gap), course.share(gap),
    )  # fmt: skip


def longer_patience(course: Course) -> int:
    """Epochs to wait in place of those that ended the descent: all that were asked for, which is what is walked again.

    Under noise the lowest validation loss may come early by luck, and any shorter wait may end there.
    """
    return max(1, course.steps // course.batching.steps_per_epoch)


@check("descent")
def clipped(course: Course, fit: Fitted, need: float) -> Iterator[Finding]:
    """CLIPPED: nearly every step is cut to the same length, and whole steps would have got down."""
    clip = course.clip
    if clip is None:
        return
    sizes = fit.trace.grad_norm[np.isfinite(fit.trace.grad_norm)]
    share = float(np.mean(sizes > clip)) if sizes.size else 0.0
    if share < 0.5:
        return
    largest = float(sizes.max())
    remedy: dict[str, float] = {}
    for times in (2.0, 20.0, 200.0):
        free = replace(course, clip=rounded_up(times * largest))
        gap = free.gap_at()
        if course.share(gap) >= need:
            break
    else:
        rates, gaps = free.ladder
        if not rates.size or np.isnan(gaps).any():
            return
        rate, gap = chosen(rates, gaps, free)
        remedy = {"lr": rounded_down(rate)}
        if not course.share(gap) >= need or course.share(course.best_of_ladder) >= need:
            return
    yield Finding(
        Kind.CLIPPED,
        f"clip={clip:g} cuts {share:.0%} of the steps: their gradients are up to {number(largest)} long.",
        f"Cut steps of lr={course.lr:g} go no further than {number(course.lr * clip)} each, "
        f"{number(course.lr * clip * float(course.factors.sum()))} together.",
        {"clip": rounded_up(free.clip or 0.0), **remedy}, outcome(course, gap), course.share(gap),
    )  # fmt: skip


@check("descent")
def in_order(course: Course, fit: Fitted, need: float) -> Iterator[Finding]:
    """SORTED: batches of rows that lie in order pull one after the other in different directions."""
    if course.size is None or course.batching.shuffle not in ("none", "blocks"):
        return
    target = np.asarray(course.problem.target, dtype=np.float64)
    target = target if target.ndim == 1 else target[:, 0]
    lag = course.size
    if len(target) <= 2 * lag or not target.std() > 0.0:
        return
    one = np.corrcoef(target[:-lag], target[lag:])[0, 1]
    if not one >= IN_ORDER:
        return
    gap = replace(course, batching=replace(course.batching, shuffle="rows")).gap_at()
    if not course.share(gap) >= 0.5:
        return
    yield Finding(
        Kind.SORTED,
        f"The rows lie in order and shuffle={course.batching.shuffle!r} keeps them so: each batch pulls its own way.",
        f"The target of a row correlates by {one:.2f} with that of the row {lag:,} further on, one batch later.",
        {"shuffle": "rows"}, outcome(course, gap), course.share(gap),
    )  # fmt: skip


@check("descent")
def single(course: Course, fit: Fitted, need: float) -> Iterator[Finding]:
    """FLOAT32: in double precision the same steps get further."""
    if course.fit.spec.dtype != "float32":
        return
    gap = course.gap_at()
    if not course.share(gap) >= 0.9:
        return
    yield single_precision(fit, outcome(course, gap), course.share(gap))


def single_precision(fit: Fitted, predicted: str, share: float) -> Finding:
    """The finding, with the digits of the objective at the end."""
    smallest = float(np.finfo(np.float32).eps) * abs(fit.objective_value)
    return Finding(
        Kind.FLOAT32, "float32 sees no further change, and the gap is still open.",
        f"The gap is {number(fit.gap or 0.0)}; near {number(fit.objective_value)} float32 tells no numbers apart that "
        f"are closer than {number(smallest)}.",
        {"dtype": "float64"}, predicted, share,
    )  # fmt: skip
