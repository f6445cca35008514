"""The learning rate: over what the curvature allows, far under it, or right with too few steps.

    too high   lr over 2/λ (in momentum's measure 2(1 + β)/λ): the largest eigenvalue's direction swings, or grows
    too low    at a tenth of the best rate or less, and with the best these steps would have done
    too few    rate, coordinates and schedule are fine; the gap needs more steps

What each would have led to is asked of the course: foretold where F is a quadratic, else walked again.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from steepest.analysis import convergence
from steepest.analysis.checks.course import Course
from steepest.analysis.checks.outcome import outcome, steepest_column
from steepest.analysis.finding import Finding, Fitted, Kind
from steepest.analysis.registry import check
from steepest.descent.stopping import Status
from steepest.text.numbers import count, number, rounded_down, rounded_up

FAR = 9.0
"""How many times larger the best rate is where a rate is far too low."""

MANY = (3, 10, 30, 100)
"""How many times as many steps are tried where no theory tells."""


@check("descent")
def too_high(course: Course, fit: Fitted, need: float) -> Iterator[Finding]:
    """RATE_TOO_HIGH: the descent diverged or swings, and a lower rate would have got down."""
    rates, gaps = course.ladder
    lower = (rates < 0.97 * course.lr) & ~np.isnan(gaps)
    if not (lower.any() and swings(course)):
        return
    rate, gap = chosen(rates[lower], gaps[lower], course)
    share = course.share(gap)
    if share < (0.5 if np.isinf(course.gap) else need):
        return
    rate = rounded_down(rate)
    what = f"lr={course.lr:g} is over the largest rate that holds."
    evidence = [began(fit)]
    if np.isfinite(course.limit):
        times = course.lr * course.factors.max() / course.limit
        over = f"{number(times)} times" if times >= 1.0 else "just under"
        what = f"lr={course.lr:g} is {over} the largest rate that holds, {number(course.limit)}."
        assert course.valley is not None
        evidence.insert(0, f"The largest curvature is {number(course.valley.values[0])}{steepest_column(course)}.")
    elif np.isfinite(course.gap):
        evidence.insert(0, f"The gap at the end is {number(course.gap)}, at the start it was {number(course.first)}.")
    yield Finding(
        Kind.RATE_TOO_HIGH, what, " ".join(part for part in evidence if part), {"lr": rate},
        outcome(course, gap, rate), share,
    )  # fmt: skip


def swings(course: Course) -> bool:
    """Whether the rate is over what holds: diverged, no better than half the start, over the limit to the end, or, where
    each parameter moves by about lr, further in one step than the whole way."""
    if np.isinf(course.gap) or course.gap >= 0.5 * course.first:
        return True
    if course.rule.kind is not None and course.rule.kind.moves_by_lr and course.away is not None:
        return course.lr * course.factors.max() > 3.0 * course.away
    last = course.lr * course.factors[-max(1, course.steps // 4) :].max()
    return course.settles and last >= 0.9 * course.limit


def began(fit: Fitted) -> str:
    """When the objective was at its least, if it is far higher now."""
    known = np.flatnonzero(~np.isnan(fit.trace.objective))
    values = np.where(np.isfinite(fit.trace.objective[known]), fit.trace.objective[known], np.inf)
    least = int(np.argmin(values))
    if least == len(values) - 1 or not values[-1] > values[least]:
        return ""
    return f"The loss was lowest at step {int(fit.trace.step[known[least]]):,} and grew from there."


@check("descent")
def too_low(course: Course, fit: Fitted, need: float) -> Iterator[Finding]:
    """RATE_TOO_LOW: a tenth of the best rate or less, and with that these steps would have done."""
    rates, gaps = course.ladder
    higher = (rates > 1.03 * course.lr) & ~np.isnan(gaps)
    if np.isinf(course.gap) or not higher.any():
        return
    rate, gap = chosen(rates[higher], gaps[higher], course)
    best = course.best_rate if course.settles and np.isfinite(course.best_rate) else rate
    if best < FAR * course.lr or course.share(gap) < need:
        return
    rate = rounded_down(rate)
    evidence = ""
    if course.predictable and course.valley is not None:
        needed = convergence.steps_to(course.valley, course.rule, course.lr * course.factors.mean(), course.enough)
        evidence = f"At this rate it takes about {count(needed)} steps; {course.steps:,} were asked for."
        evidence += f" The largest curvature is {number(course.valley.values[0])}{steepest_column(course)}."
        evidence += f" Rates hold below {number(course.limit)}."
    elif course.away is not None and not course.plain and course.rule.own_rate(course.at_start.theta) is None:
        reach = course.lr * course.factors.sum()
        evidence = (
            f"{course.steps:,} steps of lr={course.lr:g} move a parameter by about {number(reach)} at most; "
            f"the optimum is {number(course.away)} away."
        )
    yield Finding(
        Kind.RATE_TOO_LOW,
        f"lr={course.lr:g} is {number(rate / course.lr)} times smaller than a rate that does it in these steps.",
        evidence or f"The gap fell from {number(course.first)} to {number(course.gap)} only.",
        {"lr": rate}, outcome(course, gap, rate), course.share(gap),
    )  # fmt: skip


def chosen(rates: np.ndarray, gaps: np.ndarray, course: Course) -> tuple[float, float]:
    """The rate to take: of those that lead about as low as any, the one in the middle, or the best rate of the theory."""
    fine = np.flatnonzero(gaps <= max(course.enough, 1.2 * float(np.min(gaps))))
    theirs = [i for i in fine if abs(rates[i] - course.best_rate) <= 1e-9 * rates[i]]
    place = theirs[0] if theirs else fine[(len(fine) - 1) // 2]
    return float(rates[place]), float(gaps[place])


def too_few(course: Course, fit: Fitted) -> Iterator[Finding]:
    """TOO_FEW_STEPS: as it goes, it arrives later."""
    if np.isinf(course.gap) or fit.status not in (Status.EPOCHS, Status.STEPS):
        return
    needed, gap = steps_needed(course, fit)
    share = course.share(gap)
    if not np.isfinite(needed) or share < 0.5:
        return
    remedy = more_steps(course, needed)
    yield Finding(
        Kind.TOO_FEW_STEPS,
        f"{course.steps:,} steps are too few: at this rate it takes about {count(needed)}.",
        f"The gap fell from {number(course.first)} to {number(course.gap)} and is still falling.",
        remedy, outcome(course, gap), share,
    )  # fmt: skip


def steps_needed(course: Course, fit: Fitted) -> tuple[float, float]:
    """How many steps in all close the gap at the present rate, and the gap that they leave; inf if nobody can tell."""
    if course.predictable and course.schedule in ("constant", "cosine"):
        here = course.valley_from(fit.theta)
        more = float("inf") if here is None else convergence.steps_to(here, course.rule, course.lr, 0.5 * course.enough)
        needed = fit.steps + more if course.schedule == "constant" else 2.5 * (fit.steps + more)
        for _ in range(6 if needed < 1e12 else 0):
            # the valley is not the whole way, and momentum does not begin at rest in its middle
            if not course.gap_at(steps=int(needed)) > 0.5 * course.enough:
                break
            needed *= 1.15
        if needed < 1e12:
            return needed, 0.0
    found: list[tuple[float, float]] = []
    for times in MANY:
        gap = course.gap_at(steps=times * course.steps)
        if np.isnan(gap):
            break
        found.append((gap, float(times * course.steps)))
        if gap <= max(course.worth_saying, 0.1 * course.gap):
            break
    least = min(found, default=(float("nan"), 0.0))[0]
    near = [(steps, gap) for gap, steps in found if gap <= 1.5 * least]
    return near[0] if near else (float("inf"), float("nan"))


def more_steps(course: Course, needed: float) -> dict[str, int]:
    """The setting that gives so many steps: epochs, or max_steps where that was the limit."""
    spec, found = course.fit.spec, {}
    epochs = int(rounded_up(np.ceil(needed / course.batching.steps_per_epoch)))
    if spec.max_steps is not None and spec.max_steps < needed:
        found["max_steps"] = int(rounded_up(needed))
    if (spec.epochs or np.inf) < epochs or (spec.epochs is None and spec.max_steps is None):
        found["epochs"] = epochs
    return found
