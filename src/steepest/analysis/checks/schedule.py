"""The schedule: a rate that falls before the descent has arrived, or that does not fall where it would have to.

decay   the rates that are left sum up to too little: Σ lrₜ·λ_min is the logarithm of what is left of the error
noise   minibatches at a constant rate come to rest at a floor, where the noise of a step undoes what it gains
kink    so do full batches where slopes do not shrink: a loss with a kink, a rule that scales each parameter by itself
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from steepest.analysis.checks.course import Course
from steepest.analysis.checks.learning_rate import chosen
from steepest.analysis.checks.outcome import outcome
from steepest.analysis.finding import Finding, Fitted, Kind
from steepest.analysis.noise import Floor, floor_and_halves
from steepest.analysis.registry import check
from steepest.errors import SpecError
from steepest.text.numbers import number, rounded_down

MUCH = 0.5
"""Mean of a schedule's factors up to which it counts as falling fast."""


@check("descent")
def decay(course: Course, fit: Fitted, need: float) -> Iterator[Finding]:
    """DECAY: under a constant rate (or a cosine, where a descent must come to rest) the same steps would have done."""
    if course.schedule in ("constant", "cosine") or course.factors.mean() > MUCH or not course.falls:
        return
    other = "constant" if course.settles else "cosine"
    remedy: dict[str, Any] = {"schedule": other}
    gap = course.gap_at(schedule=other)
    if not course.share(gap) >= need:
        rates = course.ladder[0]
        gaps = course.gaps(rates, other)
        known = ~np.isnan(gaps)
        if not known.any():
            return
        rate, gap = chosen(rates[known], gaps[known], course)
        remedy["lr"] = rounded_down(rate)
    # a schedule is not to blame where another rate under it does as well
    if not course.share(gap) >= need or ("lr" in remedy and course.does(course.best_of_ladder)):
        return
    total = course.lr * float(course.factors.sum())
    constant = course.lr * course.steps
    evidence = (
        f"The rates of all {course.steps:,} steps sum to {number(total)}; at a constant lr to {number(constant)}."
    )
    if course.valley is not None:
        steep = course.valley.values[course.valley.values > 0.0]
        needed = np.log(max(course.first / max(course.enough, 1e-300), 1.0)) / (2.0 * steep[-1])
        evidence += (
            f" Along the flattest direction, of curvature {number(steep[-1])}, they need to be about {number(needed)}."
        )
    yield Finding(
        Kind.DECAY, f"schedule={str(course.schedule)!r} takes the rate away before the descent has arrived.", evidence,
        remedy, outcome(replace(course, schedule=other), gap, remedy.get("lr", course.lr)), course.share(gap),
    )  # fmt: skip


@check("descent")
def bouncing(course: Course, fit: Fitted, need: float) -> Iterator[Finding]:
    """NOISE or KINK: a rate that does not fall keeps the descent above its optimum, one that falls would not."""
    if course.settles or course.falls or np.isinf(course.gap):
        return
    remedy: dict[str, Any] = {"schedule": "cosine"}
    gap = course.gap_at(schedule="cosine")
    if not course.share(gap) >= min(need, 0.8):
        rates = course.ladder[0]
        rates = rates[(rates >= 0.03 * course.lr) & (rates <= 1.01 * course.lr)]
        gaps = course.gaps(rates, "cosine") if rates.size else rates
        if not rates.size or np.isnan(gaps).all():
            return
        rate, gap = chosen(rates[~np.isnan(gaps)], gaps[~np.isnan(gaps)], course)
        remedy["lr"] = rounded_down(rate)
    if not course.share(gap) >= min(need, 0.8):
        return
    low, high = swing(fit)
    evidence = (
        f"Over the last half of the descent the objective lay between {number(low)} and {number(high)}; "
        f"the optimum is {number(course.best)}."
    )
    if course.size is None:
        why = "the slopes of this loss do not shrink near its optimum"
        if course.problem.loss.bound is not None:
            why = "this rule's steps do not shrink with the gradient"
        what = f"At a constant rate the descent bounces around the optimum: {why}."
        yield Finding(Kind.KINK, what, evidence, remedy, outcome(course, gap), course.share(gap))
        return
    floor = floor_of(course)
    if floor is not None:
        evidence += (
            f" At this rate a gap of {number(floor.gap)} is expected to stay; it is {number(course.gap)}. "
            f"lr={number(floor.half_lr)} or batches of {floor.half_batch_size:,} rows would halve it."
        )
    what = f"At a constant rate batches of {course.size:,} rows keep the descent above the optimum."
    yield Finding(Kind.NOISE, what, evidence, remedy, outcome(course, gap), course.share(gap))


def swing(fit: Fitted) -> tuple[float, float]:
    """The least and the largest objective over the last half of the descent."""
    known = fit.trace.objective[~np.isnan(fit.trace.objective)]
    late = known[len(known) // 2 :]
    return float(late.min()), float(late.max())


def floor_of(course: Course) -> Floor | None:
    """The gap at which minibatches are expected to rest, and what halves it; None where nobody can tell."""
    if course.valley is None or course.optimum is None or course.few is not course.problem or course.size is None:
        return None
    try:
        return floor_and_halves(
            course.problem,
            course.coordinates,
            course.optimum,
            course.rule,
            course.lr,
            course.size,
            course.batching.shuffle,
        )
    except SpecError:
        return None
