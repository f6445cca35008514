"""Descents of the linear family of which no optimum is known, or no theory: measured by what other ways down reach.

So it is for a loss and penalty without an exact answer, a loss or rule of one's own, AdamW, and more parameters than a descent
is predicted for; modules are in `module_descent.py`. Progress is F(start) − F(end). A learning rate is far too low or too high
only where another, ten times away, makes at least twice the progress; a descent that merely could be a little lower has
nothing wrong with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from steepest.analysis.checks.measured_descent import NEAR_NOISY, NEAR_SCALED
from steepest.analysis.checks.recorded_descent import late_objective, lay_between
from steepest.analysis.checks.rounding import loss_level
from steepest.analysis.finding import Finding, FittedRows, Kind
from steepest.analysis.fit_settings import pinned
from steepest.analysis.what_if import Descent, linear_descent, whole_objective
from steepest.descent.stopping import Status
from steepest.text.numbers import number, rounded_down

OTHERS = (1e-3, 1e-2, 1e-1, 1e1, 1e2, 1e3)  # other learning rates that are tried, in units of the descent's own
FURTHEST = 1e12  # how many times larger or smaller a learning rate is tried at most, where the way there leads down

Check = Callable[[FittedRows, Descent, float, float], Finding | None]


def without_theory(fit: FittedRows) -> Iterator[Finding]:
    """RATE_TOO_HIGH, RATE_TOO_LOW, NOISE, KINK or TOO_FEW_STEPS of the linear family: at most one, the likeliest."""
    if fit.status in (Status.CONVERGED, Status.PATIENCE, Status.INTERRUPTED):
        return
    near = NEAR_SCALED if fit.spec.batch_size == "full" else NEAR_NOISY
    if fit.relative_gap is None or fit.relative_gap > near:
        yield from likeliest(fit, linear_descent(fit), (off_rate, restless, unfinished))


def likeliest(fit: FittedRows, descent: Descent | None, checks: Sequence[Check]) -> Iterator[Finding]:
    """What the first of the checks says that has something to say."""
    if descent is None:
        return
    diverged = fit.status is Status.DIVERGED or not np.isfinite(fit.objective_value)
    first, now = whole_objective(descent.objective()), float("inf") if diverged else float(fit.objective_value)
    if not descent.whole and fit.status is not Status.DIVERGED:
        now = descent.gap_at()
    if np.isinf(now) and fit.status is not Status.DIVERGED:
        return
    if now <= loss_level(fit.loss_function, fit.train.y):
        return
    found = next((found for check in checks if (found := check(fit, descent, first, now))), None)
    if found is not None:
        yield replace(found, remedy=pinned(found.remedy, fit))


def off_rate(fit: FittedRows, descent: Descent, first: float, now: float) -> Finding | None:
    """The rate is ten times too high or too low."""
    ends = at_other_rates(descent, first, now)
    best = min([*ends.values(), first])
    times = min(ends, key=lambda each: (ends[each], abs(np.log(each))))
    # of rates that do about as well the nearest one
    fine = [each for each, end in ends.items() if end <= best + 0.1 * (first - best) and (each < 1.0) == (times < 1.0)]
    times = min(fine, key=lambda each: abs(np.log(each)), default=times)
    progress, possible = first - now, first - ends[times]
    if not possible > 0.0 or progress > 0.5 * possible:
        return None
    rate = rounded_down(times * descent.lr)
    share = 1.0 if np.isinf(now) else float(np.clip((now - ends[times]) / max(now - best, 1e-300), 0.0, 1.0))
    kind, what = (Kind.RATE_TOO_HIGH, "far too high") if times < 1.0 else (Kind.RATE_TOO_LOW, "far too low")
    steps = f"{descent.steps:,} steps" if descent.whole else f"the first {descent.first_steps:,} steps"
    after = "diverged" if np.isinf(now) else f"went from {number(first)} to {number(now)}"
    return Finding(
        kind, f"lr={descent.lr:g} is {what}.",
        f"In {steps} the objective {after}; at lr={rate:g} it goes to {number(ends[times])}.",
        {"lr": rate}, f"An objective of about {number(ends[times])} after {steps}.", share,
    )  # fmt: skip


def at_other_rates(descent: Descent, first: float, now: float) -> dict[float, float]:
    """F at the end at other rates, by how many times the descent's own they are; lower ones only where it diverged.

    They go on up while the highest is the best, and down while the descent went up and none of them leads down.
    """
    ends = {times: descent.gap_at(times * descent.lr) for times in OTHERS if times < 1.0 or np.isfinite(now)}
    while now > first and min(ends.values()) >= first and min(ends) > 1.0 / FURTHEST:
        times = 0.1 * min(ends)
        ends[times] = descent.gap_at(times * descent.lr)
    while 1.0 < (most := max(ends)) < FURTHEST and ends[most] < min(first, *(ends[one] for one in ends if one < most)):
        ends[10.0 * most] = descent.gap_at(10.0 * most * descent.lr)
    return ends


def gone(now: float, end: float) -> float:
    """Which share of the objective would be gone."""
    return float(np.clip((now - end) / max(abs(now), 1e-300), 0.0, 1.0))


def restless(fit: FittedRows, descent: Descent, first: float, now: float) -> Finding | None:
    """A constant rate keeps the objective going up and down, and one that falls would end below all of it."""
    if descent.schedule != "constant" or not descent.whole:
        return None
    late = late_objective(fit)
    if len(late) < 8 or np.mean(np.diff(late) > 0) < 0.2 or late.max() < 1.5 * late.min():
        return None
    end = descent.gap_at(schedule="cosine")
    if not end <= min(float(late.min()), 0.7 * float(np.median(late))):
        return None
    kind, what = Kind.KINK, "At a constant rate the descent bounces."
    if descent.size:
        kind, what = Kind.NOISE, "Batches at a constant rate keep the objective up."
    return Finding(
        kind, what,
        f"{lay_between(late)}.",
        {"schedule": "cosine"}, f"An objective of about {number(end)} after as many steps.",
        gone(now, end),
    )  # fmt: skip


def unfinished(fit: FittedRows, descent: Descent, first: float, now: float) -> Finding | None:
    """Three times as many steps make far more progress."""
    if not descent.whole or fit.status not in (Status.EPOCHS, Status.STEPS):
        return None
    end = descent.gap_at(steps=3 * descent.steps)
    if not 0.0 < first - now <= 0.7 * (first - end) or number(now) == number(end):
        return None
    unit = 1 if fit.status is Status.STEPS else descent.batching.steps_per_epoch
    setting, value = "max_steps" if fit.status is Status.STEPS else "epochs", 10 * descent.steps // unit
    return Finding(
        Kind.TOO_FEW_STEPS, f"{fit.steps:,} steps are too few: the objective is still falling fast.",
        f"It went from {number(first)} to {number(now)}, and in three times as many steps goes to {number(end)}.",
        {setting: max(1, value)}, f"An objective below {number(end)}.", gone(now, end),
    )  # fmt: skip
