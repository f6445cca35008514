"""Descents of which no optimum is known, or no theory: measured by what other ways down from the same start reach.

    walks = Walks(spec, make, …)        how a descent went, ready to be walked again
    walks.end(lr=0.1)                   F at the end, had the rate been that
    walks.end(schedule="cosine")        … had the schedule been that
    likeliest(fit, walks, signs)        the likeliest sign of what kept it up

Progress is F(start) − F(end). A rate is far too low or too high only where another, ten times away, makes at least
twice the progress; a descent that merely could be a little lower has nothing wrong with it. Long descents are walked for as
many of their first steps as take a fifth of a second each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from steepest.analysis.checks.reading import pinned
from steepest.analysis.checks.rounding import loss_level
from steepest.analysis.checks.step_cost import seconds_a_step
from steepest.analysis.checks.wording import number, rounded_down
from steepest.analysis.finding import Finding, Fitted, Kind
from steepest.data.batching import Batching
from steepest.descent import rules, schedules
from steepest.descent.loop import descend
from steepest.descent.stopping import Status, Stopper
from steepest.model.objective import Objective
from steepest.settings import Spec

SECONDS, LEAST_STEPS = 0.2, 10
"""What a walk may take, by what its steps cost; and how many are walked all the same."""

OTHERS = (1e-3, 1e-2, 1e-1, 1e1, 1e2, 1e3)
"""Other rates that are walked, in units of the descent's own."""

FURTHEST = 1e12
"""How many times larger or smaller a rate is tried at most, where the way there leads down."""


@dataclass
class Walks:
    """How a descent went. make: its objective, at its start, anew. whole: whether all of its steps can be walked again."""

    spec: Spec
    make: Callable[[], Objective]
    rule: Any
    lr: float
    schedule: Any
    batching: Batching
    steps: int = 0
    known: dict[Any, float] = field(default_factory=dict)

    @property
    def asked(self) -> int:
        """How many updates were asked for."""
        return self.batching.steps or 0

    @property
    def whole(self) -> bool:
        """Whether the walks are as long as the descent."""
        return self.steps == self.asked

    def end(self, lr: float | None = None, schedule: Any = None, times: int = 1) -> float:
        """F after the steps; inf if it diverges. times: as many steps."""
        key = lr, schedule, times
        if key not in self.known:
            self.known[key] = self._walk(lr or self.lr, schedule or self.schedule, times)
        return self.known[key]

    def first(self) -> float:
        """F at the start."""
        objective = self.make()
        return float(objective.value(objective.theta) + objective.penalty(objective.theta))

    def _walk(self, lr: float, schedule: Any, times: int) -> float:
        objective = self.make()
        rule = rules.rule(self.rule, objective, self.spec.clip)
        dealt = replace(self.batching, epochs=None, max_steps=times * self.steps)
        pace = schedules.schedule(schedule, times * self.asked)
        limit = Stopper.GROWTH * (abs(self.first()) + 1e-300)
        for step in descend(objective, rule, dealt, lr=lr, schedule=pace):
            if not abs(float(step.loss)) <= limit:  # a fit would be ended here, whatever came of it
                return float("inf")
        value = float(objective.value(objective.theta) + objective.penalty(objective.theta))
        return value if np.isfinite(value) else float("inf")

    def measure(self) -> None:
        """Settle how many steps are walked: by what a step costs, so that the same fit is always judged alike."""
        self.steps = int(min(self.asked, max(SECONDS / seconds_a_step(self.make(), self.batching.size), LEAST_STEPS)))


Sign = Callable[[Fitted, Walks, float, float], Finding | None]


def likeliest(fit: Fitted, walks: Walks, signs: Sequence[Sign]) -> Iterator[Finding]:
    """What the first of the signs says that has something to say."""
    first = walks.first()
    now = ended(fit) if walks.whole or fit.status is Status.DIVERGED else walks.end()
    if np.isinf(now) and fit.status is not Status.DIVERGED:
        return
    if fit.train is not None and now <= loss_level(fit.loss_function, fit.train.y):
        return
    for sign in signs:
        found = sign(fit, walks, first, now)
        if found is not None:
            yield replace(found, remedy=pinned(found.remedy, fit))
            return


def ended(fit: Fitted) -> float:
    """F at the end; inf where it diverged."""
    value = float(fit.objective_value)
    return float("inf") if fit.status is Status.DIVERGED or not np.isfinite(value) else value


def off_rate(fit: Fitted, walks: Walks, first: float, now: float) -> Finding | None:
    """The rate is ten times too high or too low."""
    ends = ladder(walks, first, now)
    best = min([*ends.values(), first])
    times = min(ends, key=lambda each: (ends[each], abs(np.log(each))))
    # of rates that do about as well the nearest one
    fine = [each for each, end in ends.items() if end <= best + 0.1 * (first - best) and (each < 1.0) == (times < 1.0)]
    times = min(fine, key=lambda each: abs(np.log(each)), default=times)
    progress, possible = first - now, first - ends[times]
    if not possible > 0.0 or progress > 0.5 * possible:
        return None
    rate = rounded_down(times * walks.lr)
    share = 1.0 if np.isinf(now) else float(np.clip((now - ends[times]) / max(now - best, 1e-300), 0.0, 1.0))
    kind = Kind.RATE_TOO_HIGH if times < 1.0 else Kind.RATE_TOO_LOW
    what = "far too high" if times < 1.0 else "far too low"
    steps = f"{walks.steps:,} steps" if walks.whole else f"the first {walks.steps:,} steps"
    after = "diverged" if np.isinf(now) else f"went from {number(first)} to {number(now)}"
    return Finding(
        kind, f"lr={walks.lr:g} is {what}.",
        f"In {steps} the objective {after}; at lr={rate:g} it goes to {number(ends[times])}.",
        {"lr": rate}, f"An objective of about {number(ends[times])} after {steps}.", share,
    )  # fmt: skip


def ladder(walks: Walks, first: float, now: float) -> dict[float, float]:
    """F at the end at other rates, by how many times the descent's own they are; lower ones only where it diverged.

    They go on up while the highest is the best, and down while the descent went up and none of them leads down.
    """
    ends = {times: walks.end(lr=times * walks.lr) for times in OTHERS if times < 1.0 or np.isfinite(now)}
    while now > first and min(ends.values()) >= first and min(ends) > 1.0 / FURTHEST:
        times = 0.1 * min(ends)
        ends[times] = walks.end(lr=times * walks.lr)
    while 1.0 < max(ends) < FURTHEST and ends[max(ends)] < min(
        first, *(ends[each] for each in ends if each < max(ends))
    ):
        times = 10.0 * max(ends)
        ends[times] = walks.end(lr=times * walks.lr)
    return ends


def gone(now: float, end: float) -> float:
    """Which share of the objective would be gone."""
    return float(np.clip((now - end) / max(abs(now), 1e-300), 0.0, 1.0))


def restless(fit: Fitted, walks: Walks, first: float, now: float) -> Finding | None:
    """A constant rate keeps the objective going up and down, and one that falls would end below all of it."""
    if walks.schedule != "constant" or not walks.whole:
        return None
    known = fit.trace.objective[np.isfinite(fit.trace.objective)]
    late = known[len(known) // 2 :]
    if len(late) < 8 or np.mean(np.diff(late) > 0) < 0.2 or late.max() < 1.5 * late.min():
        return None
    end = walks.end(schedule="cosine")
    if not end <= min(float(late.min()), 0.7 * float(np.median(late))):
        return None
    what = (
        "Batches at a constant rate keep the objective up."
        if walks.batching.size
        else "At a constant rate the descent bounces."
    )
    return Finding(
        Kind.NOISE if walks.batching.size else Kind.KINK, what,
        f"Over the last half of the descent the objective lay between {number(late.min())} and {number(late.max())}.",
        {"schedule": "cosine"}, f"An objective of about {number(end)} after as many steps.",
        gone(now, end),
    )  # fmt: skip


def unfinished(fit: Fitted, walks: Walks, first: float, now: float) -> Finding | None:
    """Three times as many steps make far more progress."""
    if not walks.whole or fit.status not in (Status.EPOCHS, Status.STEPS):
        return None
    end = walks.end(times=3)
    if not 0.0 < first - now <= 0.7 * (first - end) or number(now) == number(end):
        return None
    many = 10 * walks.asked
    setting, value = "epochs", many // walks.batching.steps_per_epoch
    if fit.status is Status.STEPS:
        setting, value = "max_steps", many
    return Finding(
        Kind.TOO_FEW_STEPS, f"{fit.steps:,} steps are too few: the objective is still falling fast.",
        f"It went from {number(first)} to {number(now)}, and in three times as many steps goes to {number(end)}.",
        {setting: max(1, value)}, f"An objective below {number(end)}.", gone(now, end),
    )  # fmt: skip
