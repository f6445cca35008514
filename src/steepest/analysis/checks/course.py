"""A descent that is over, told so that it can be walked again in another way: the counterfactual.

    course = course_of(fit)                              reading.py makes it from the fit
    course.again([0.1, 0.01])                            the gaps after as many steps at other rates
    course.again([0.1], "cosine")                        … under another schedule
    replace(course, coordinates="standardize").again(…)  … in other coordinates

Where F is a quadratic (`mse` and full batches under sgd or momentum) the gaps are those of the theory. All others are found
by walking: the same rule on the same batches, all ways side by side, as long as that takes about a second. Descents
too long for it are foretold by the valley at the optimum where the loss has one, and else are not foretold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from steepest.analysis import convergence, curvature
from steepest.analysis.checks import walking
from steepest.analysis.checks.column_scales import Shape, sampled, shape_of
from steepest.analysis.checks.wording import rounded_down
from steepest.data.batching import Batching
from steepest.descent import rules, schedules
from steepest.descent.stopping import CLOSED, CLOSED_KINKED, Stopper
from steepest.model import preconditioners as frames
from steepest.model.linear import LinearProblem
from steepest.model.linear_objective import LinearObjective
from steepest.settings import Spec

SECONDS = 0.8
"""What walking again may take at a time."""

NEAR_FALLING, NEAR_NOISY, NEAR_KINK, NEAR_SCALED = 1e-3, 1e-4, 1e-5, 1e-6
"""Relative gaps at or below which nothing is said of a descent that cannot close it: with minibatches or a kink under a rate
that falls, with minibatches under any other, with full batches on a kink, and under a rule that scales each parameter."""


@dataclass(frozen=True)
class Course:
    """How a descent of the linear family went.

    batching: as it was asked for. steps: updates that were asked for. best: F*. began: F at the start; ended: at the
    end, inf where it diverged.
    enough: the gap at or below which it has arrived.
    """

    spec: Spec
    problem: LinearProblem
    terms: tuple[str, ...]
    rule: Any
    coordinates: str
    start: np.ndarray
    optimum: np.ndarray | None
    lr: float
    schedule: Any
    steps: int
    batching: Batching
    clip: float | None
    best: float
    began: float
    ended: float

    @property
    def gap(self) -> float:
        """F − F* at the end; inf where it diverged."""
        return self.ended - self.best

    @property
    def first(self) -> float:
        """F − F* at the start."""
        return self.began - self.best

    @property
    def lost(self) -> float:
        """The gap that remedies are measured by: the present one, or the first one if it diverged."""
        return self.gap if np.isfinite(self.gap) else self.first

    @property
    def enough(self) -> float:
        """The gap at or below which the descent counts as arrived."""
        closed = CLOSED if self.problem.loss.bound is not None else CLOSED_KINKED
        return closed * max(self.best, 1e-12 * self.began)

    @property
    def worth_saying(self) -> float:
        """The gap from which something is said; above `enough` for descents that only come near their optimum."""
        if self.settles:
            return self.enough
        if self.size is None and self.problem.loss.bound is not None:
            near = NEAR_SCALED
        else:
            near = NEAR_FALLING if self.falls else NEAR_KINK if self.size is None else NEAR_NOISY
        return near * max(self.best, 1e-12 * self.began)

    @property
    def plain(self) -> bool:
        """Whether steps are in proportion to the gradient."""
        return self.rule.plain

    @property
    def settles(self) -> bool:
        """Whether the descent comes to rest at a constant rate: a smooth loss, full batches, a plain rule."""
        return self.plain and self.problem.loss.bound is not None and self.size is None

    @property
    def size(self) -> int | None:
        """Rows a batch; None for all."""
        return self.batching.size

    @cached_property
    def factors(self) -> np.ndarray:
        """The schedule's factor of each step, `[T]`."""
        return self._factors(self.schedule, self.steps)

    @property
    def falls(self) -> bool:
        """Whether the rate ends far below where it was."""
        return bool(self.factors[-1] <= 0.2 * self.factors.max())

    def _factors(self, schedule: Any, steps: int) -> np.ndarray:
        t = np.arange(steps)
        return schedules.factors_at(schedules.schedule(schedule, steps), t, t // self.batching.steps_per_epoch)

    @cached_property
    def frame(self) -> frames.Coordinates | None:
        """The coordinates of the descent, of all rows."""
        return frame_of(self.coordinates, self.problem)

    @cached_property
    def objective(self) -> LinearObjective:
        """F in those coordinates."""
        return LinearObjective(self.problem, (), self.frame, self.start)

    @cached_property
    def few(self) -> LinearProblem:
        """The problem, or some of its rows where it is large: what valleys are made of."""
        return sampled(self.problem)

    @cached_property
    def valley(self) -> convergence.Valley | None:
        """The valley at the optimum; None where there is none (a kink, or no optimum known)."""
        return self.valley_from(self.start)

    def valley_from(self, start: np.ndarray) -> convergence.Valley | None:
        """The valley at the optimum, as a descent from `start` sees it."""
        if self.optimum is None or self.problem.penalty.l1 or self.problem.loss.bound is None:
            return None
        found = convergence.valley(self.few, frame_of(self.coordinates, self.few), start, self.optimum)
        return found if np.isfinite(found.values).all() and np.isfinite(found.gaps).all() else None

    @cached_property
    def shape(self) -> Shape:
        """The valley's shape by its columns."""
        return shape_of(self.problem, self.terms)

    @cached_property
    def condition(self) -> float:
        """The valley's condition number; nan without a valley."""
        return float("nan") if self.valley is None else self.valley.condition

    @cached_property
    def steepest(self) -> float:
        """L: a curvature that holds everywhere, in these coordinates; inf for a loss with a kink."""
        return curvature.smoothness(self.few, self.size, frame_of(self.coordinates, self.few))

    @cached_property
    def limit(self) -> float:
        """The rate that holds at the optimum for full batches; nan for rules and losses that have none."""
        if self.valley is None or self.clip is not None:
            return float("nan")
        return convergence.largest_rate(self.valley.values, self.rule)

    @cached_property
    def best_rate(self) -> float:
        """The rate with the fastest contraction at the optimum; nan where there is none."""
        return float("nan") if self.valley is None else convergence.best_rate(self.valley.values, self.rule)

    @property
    def auto_rate(self) -> float:
        """The rate of lr="auto" for plain rules on smooth losses: 1/L, half of it for minibatches."""
        momentum = 0.0 if self.size is None else self.rule.momentum
        steep = self.steepest * (1.0 if self.size is None else 2.0)
        return (1.0 - momentum) / steep if 0.0 < steep < np.inf else 1.0

    @cached_property
    def anchors(self) -> np.ndarray:
        """Rates that make sense here, whatever the descent's own was.

        1/L and nearly 2/L and the best one where there are such; for rules that scale each parameter what takes θ as far as
        the optimum lies in these steps; with a kink ‖c₀ − c*‖/(G·√T), which is best against the worst case (Shor 1964).
        """
        start, steps = self.objective, max(self.factors.sum(), 1.0)
        found = [0.5 * self.auto_rate, self.auto_rate, 1.8 * self.auto_rate] if self.settles else []
        if self.settles and np.isfinite(self.best_rate):
            found.append(self.best_rate)
        elif self.plain and np.isfinite(self.steepest):
            found += [0.1 * self.auto_rate, self.auto_rate]
        away = self.away
        if not self.plain and away is not None:
            found += [away * factor / steps for factor in (3.0, 10.0, 30.0)] + [0.1 * away, 0.01 * away]
        if self.plain and self.problem.loss.bound is None and away is not None:
            slope = float(start.value_and_grad(start.theta)[1].norm())
            found += [factor * away / (slope * steps**0.5) for factor in (1.0, 10.0)] if slope > 0.0 else []
        return np.array([rate for rate in found if 0.0 < rate < np.inf])

    @cached_property
    def away(self) -> float | None:
        """The longest way that a coordinate has to go, or with a plain rule the way in all; None if that is not known."""
        if self.optimum is None:
            return None
        moved = (self.optimum - self.start).reshape(self.problem.outputs, -1)
        if self.frame is not None:
            moved = np.linalg.lstsq(self.frame.matrix, moved.T, rcond=None)[0].T
        return float(np.linalg.norm(moved) if self.plain else np.abs(moved).max())

    @cached_property
    def ladder(self) -> tuple[np.ndarray, np.ndarray]:
        """Rates `[k]`, rising, and the gaps `[k]` they would have led to under the same schedule."""
        if isinstance(self.rule, rules.Accelerated):
            return np.zeros(0), np.zeros(0)
        steps = 10.0 ** np.arange(-3.0, 3.1, 0.5)
        rates = np.unique(np.concatenate([self.lr * steps[steps != 1.0], self.anchors]))
        return rates, self.again(rates)

    @cached_property
    def best_of_ladder(self) -> float:
        """The least gap that any rate would have led to, the descent's own included."""
        known = self.ladder[1][~np.isnan(self.ladder[1])]
        return float(min([*known.tolist(), self.gap]))

    def does(self, gap: float) -> bool:
        """Whether so small a gap would be as good as none."""
        return gap <= max(self.worth_saying, 1e-6 * self.first)

    def elsewhere(self, name: str) -> tuple[dict[str, Any], float]:
        """The settings that go over to other coordinates, `standardize` or `orthonormal`, and the gap; nan if nobody can tell.

        The rate is lr="auto", or a number where that would be tried under another schedule than it then runs under.
        """
        remedy: dict[str, Any] = {"precondition": name, "lr": "auto"}
        if name == "orthonormal" and self.problem.penalty.l1:
            return remedy, float("nan")
        there, rule = replace(self, coordinates=name), self.rule
        if (
            self.spec.optimizer == "auto"
            and self.size is None
            and self.clip is None
            and self.problem.loss.bound is not None
        ):
            if name == "orthonormal":
                return remedy, 0.0  # curvature steps
            rule = rules.Accelerated()
        there = replace(there, rule=rule)
        schedule = self.schedule
        if self.spec.schedule == "auto":
            schedule = "constant" if there.settles else "cosine"
        smooth = there.plain and self.problem.loss.bound is not None
        rates = np.array([there.auto_rate]) if smooth else there.anchors
        gaps = there.again(rates, schedule)
        if not gaps.size or np.isnan(gaps).all():
            return remedy, float("nan")
        place = int(np.nanargmin(gaps))
        if not smooth and self.spec.schedule != "auto":
            remedy["lr"] = rounded_down(rates[place])
        other = "constant" if there.settles else "cosine"
        if schedule not in (other, "cosine") and not self.does(gaps[place]):
            others = there.again(rates, other)
            if np.nanmin(others) <= 0.3 * gaps[place]:
                return {**remedy, "lr": "auto", "schedule": other}, float(np.nanmin(others))
        return remedy, float(gaps[place])

    def share(self, gap: float) -> float:
        """How much of the gap would be gone."""
        if not np.isfinite(gap) or not self.lost > 0.0:
            return 0.0
        return float(np.clip(1.0 - max(gap, 0.0) / self.lost, 0.0, 1.0))

    # ---- walked again ------------------------------------------------------------------------------

    def again(self, given: Sequence[float] | np.ndarray, schedule: Any = None, steps: int | None = None) -> np.ndarray:
        """The gap at the end `[k]`, had the rate been each of those given `[k]`; nan where nobody can tell.

        schedule: another one than the descent's. steps: another number of updates.
        """
        rates = np.asarray(given, dtype=np.float64)
        schedule = self.schedule if schedule is None else schedule
        steps = self.steps if steps is None else steps
        quadratic = self.problem.loss.quadratic and self.foretold
        constant = schedule == "constant"
        if quadratic and (constant or steps * len(rates) <= 20_000):
            return self._by_theory(rates, schedule, steps)
        rule = self._wrapped
        batching = replace(self.batching, epochs=None, max_steps=steps)
        if walking.seconds(self.objective, rule, batching, len(rates)) <= SECONDS:
            pace = schedules.schedule(schedule, steps)
            return walking.ends(self.objective, rule, rates, pace, batching) - self.best
        if self.foretold and (constant or steps * len(rates) <= 200_000):
            return self._by_theory(rates, schedule, steps)
        return np.full(len(rates), np.nan)

    @property
    def foretold(self) -> bool:
        """Whether the theory knows this rule and loss."""
        return self.rule.linear and self.size is None and self.clip is None and self.valley is not None

    def _by_theory(self, rates: np.ndarray, schedule: Any, steps: int) -> np.ndarray:
        assert self.valley is not None
        if schedule == "constant":
            return np.array([float(convergence.gaps_after(self.valley, self.rule, rate, steps)) for rate in rates])
        pace = self._factors(schedule, steps)
        courses = [convergence.predicted_gaps(self.valley, self.rule, rate * pace) for rate in rates]
        # what grew out of bounds was ended there, whatever would have come of it
        return np.array([gaps[-1] if gaps.max() <= Stopper.GROWTH * self.first else np.inf for gaps in courses])

    @property
    def _wrapped(self) -> Any:
        return rules.rule(self.rule, self.objective, self.clip)


def frame_of(name: str, problem: LinearProblem) -> frames.Coordinates | None:
    """The coordinates of that name; None for user units."""
    if name == "none":
        return None
    return frames.standardised(problem) if name == "standardize" else frames.orthonormal(problem)
