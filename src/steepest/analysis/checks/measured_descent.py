"""How good a descent to a known optimum was, and what other rates and coordinates would have come to: what checks go by.

descent = measured(fit)
descent.gaps([0.1, 0.01])                                the gaps after as many steps at other rates (`what_if.py`)
descent.other_rates                                      … at all the rates that are worth a try
descent.elsewhere("standardize")                         … in other coordinates, and the settings that lead there
descent.finding(kind, what, evidence, remedy, gap)       a finding whose remedy leaves that gap
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from steepest.analysis import convergence, stable_rate
from steepest.analysis.checks.column_scales import Shape, shape_of
from steepest.analysis.finding import Finding, Fitted, Kind
from steepest.analysis.fit_settings import coordinates_of
from steepest.analysis.learning_rate import plain_lr
from steepest.analysis.what_if import LinearDescent, to_optimum
from steepest.descent import torch_rules
from steepest.descent.stopping import CLOSED, CLOSED_KINKED, Status
from steepest.model.linear_objective import LinearObjective
from steepest.text.numbers import count, number, rounded_down

NEAR_FALLING, NEAR_NOISY, NEAR_KINK, NEAR_SCALED = 1e-3, 1e-4, 1e-5, 1e-6
"""Relative gaps at or below which nothing is said of a descent that cannot close it: with minibatches or a kink under a rate
that falls, with minibatches under any other, with full batches on a kink, and under a rule that scales each parameter."""


@dataclass(frozen=True, kw_only=True)
class MeasuredDescent(LinearDescent):
    """A descent to a known optimum, measured by its gap."""

    @property
    def terms(self) -> tuple[str, ...]:
        """The names of the design's columns."""
        return () if self.fit.terms is None else self.fit.terms.names

    @property
    def began(self) -> float:
        """F at the start."""
        return float(self.fit.trace.objective[0])

    @cached_property
    def gap(self) -> float:
        """F − F* at the end; inf where it diverged."""
        diverged = self.fit.status is Status.DIVERGED or not np.isfinite(self.fit.objective_value)
        return float("inf") if diverged or self.fit.gap is None else self.fit.gap

    @property
    def first(self) -> float:
        """F − F* at the start."""
        return self.began - self.best

    @property
    def enough(self) -> float:
        """The gap at or below which the descent counts as arrived."""
        return (CLOSED_KINKED if self.problem.loss.kinked else CLOSED) * self.unit

    @property
    def unit(self) -> float:
        """The gap that is a relative gap of 1."""
        return max(self.best, 1e-12 * self.began)

    @property
    def worth_saying(self) -> float:
        """The gap from which something is said; above `enough` for descents that only come near their optimum."""
        if self.settles:
            return self.enough
        if self.size is None and self.problem.loss.smooth:
            near = NEAR_SCALED
        else:
            near = NEAR_FALLING if self.falls else NEAR_KINK if self.size is None else NEAR_NOISY
        return near * self.unit

    @property
    def settles(self) -> bool:
        """Whether the descent comes to rest at a constant rate: a smooth loss, full batches, a plain rule."""
        return self.rule.plain and self.problem.loss.smooth and self.size is None

    @cached_property
    def factors(self) -> np.ndarray:
        """The schedule's factor of each step, `[T]`."""
        return self.factors_of(self.schedule, self.steps)

    @property
    def falls(self) -> bool:
        """Whether the rate ends far below where it was."""
        return bool(self.factors[-1] <= 0.2 * self.factors.max())

    @cached_property
    def shape(self) -> Shape:
        """The condition of the design by its columns."""
        return shape_of(self.problem, self.terms)

    @cached_property
    def limit(self) -> float:
        """The rate that holds at the optimum for full batches; nan for rules and losses that have none."""
        if self.quadratic is None or self.clip is not None:
            return float("nan")
        return stable_rate.largest_rate(self.quadratic.values, self.rule)

    @cached_property
    def best_rate(self) -> float:
        """The rate with the fastest contraction at the optimum; nan where there is none."""
        return float("nan") if self.quadratic is None else stable_rate.best_rate(self.quadratic.values, self.rule)

    @cached_property
    def auto_rate(self) -> float:
        """The rate of lr="auto" for a plain rule on a smooth loss."""
        few = LinearObjective(self.few, coordinates=coordinates_of(self.precondition, self.few))
        return plain_lr(few, self.rule, self.size)

    @cached_property
    def anchors(self) -> np.ndarray:
        """Rates that make sense here, whatever the descent's own was.

        1/L and nearly 2/L and the best one where there are such; for rules that scale each parameter what takes θ as far as
        the optimum lies in these steps; with a kink ‖c₀ − c*‖/(G·√T), which is best against the worst case (Shor 1964).
        """
        start, steps = self.at_start, max(self.factors.sum(), 1.0)
        found = [0.5 * self.auto_rate, self.auto_rate, 1.8 * self.auto_rate] if self.settles else []
        if self.settles and np.isfinite(self.best_rate):
            found.append(self.best_rate)
        elif self.rule.plain and self.problem.loss.smooth:
            found += [0.1 * self.auto_rate, self.auto_rate]
        away = self.away
        if not self.rule.plain and away is not None:
            move = 1.0 if self.rule.kind is None else self.rule.kind.first_move
            found += [share * away / move for share in (3.0 / steps, 10.0 / steps, 30.0 / steps, 0.1, 0.01)]
        if self.rule.plain and self.problem.loss.kinked and away is not None:
            slope = float(start.value_and_grad(start.theta)[1].norm())
            found += [factor * away / (slope * steps**0.5) for factor in (1.0, 10.0)] if slope > 0.0 else []
        return np.array([rate for rate in found if 0.0 < rate < np.inf])

    @cached_property
    def away(self) -> float | None:
        """The longest way that a coordinate has to go, or with a plain rule the way in all; None if that is not known."""
        if self.optimum is None:
            return None
        moved = (self.optimum - self.start).reshape(self.problem.outputs, -1)
        if self.coordinates is not None:
            moved = np.linalg.lstsq(self.coordinates.matrix, moved.T, rcond=None)[0].T
        return float(np.linalg.norm(moved) if self.rule.plain else np.abs(moved).max())

    @cached_property
    def other_rates(self) -> tuple[np.ndarray, np.ndarray]:
        """Rates `[k]`, rising, and the gaps `[k]` they would have led to under the same schedule."""
        if isinstance(self.rule, torch_rules.Accelerated):
            return np.zeros(0), np.zeros(0)
        steps = 10.0 ** np.arange(-3.0, 3.1, 0.5)
        rates = np.unique(np.concatenate([self.lr * steps[steps != 1.0], self.anchors]))
        return rates, self.gaps(rates) if self.settles or self.falls else self.gaps_beside(rates, "cosine")

    @cached_property
    def best_of_rates(self) -> float:
        """The least gap that any rate would have led to, the descent's own included."""
        known = self.other_rates[1][~np.isnan(self.other_rates[1])]
        return float(min([*known.tolist(), self.gap]))

    def chosen(self, rates: np.ndarray, gaps: np.ndarray) -> tuple[float, float]:
        """The rate to take and its gap: of those that lead about as low as any, the one in the middle, or the theory's best.

        Rates whose gaps are not known do not count; nan for both where none is.
        """
        rates, gaps = rates[~np.isnan(gaps)], gaps[~np.isnan(gaps)]
        if not rates.size:
            return float("nan"), float("nan")
        fine = np.flatnonzero(gaps <= max(self.enough, 1.2 * float(np.min(gaps))))
        theirs = [i for i in fine if abs(rates[i] - self.best_rate) <= 1e-9 * rates[i]]
        place = theirs[0] if theirs else fine[(len(fine) - 1) // 2]
        return float(rates[place]), float(gaps[place])

    def does(self, gap: float) -> bool:
        """Whether so small a gap would be as good as none."""
        return gap <= max(self.worth_saying, 1e-6 * self.first)

    def elsewhere(self, name: str) -> tuple[dict[str, Any], float]:
        """The settings that go over to other coordinates, `standardize` or `orthonormal`, and the gap; nan if nobody can tell.

        The rate is lr="auto", or a number where that would be tried under another schedule than it then runs under.
        """
        remedy: dict[str, Any] = {"precondition": name, "lr": "auto"}
        if name == "orthonormal" and self.problem.penalty.kinked:
            return remedy, float("nan")
        there, rule = replace(self, precondition=name), self.rule
        smooth = self.problem.loss.smooth
        if self.fit.spec.optimizer == "auto" and self.size is None and self.clip is None and smooth:
            if name == "orthonormal":
                return remedy, 0.0  # curvature steps
            rule = torch_rules.Accelerated()
        there = replace(there, rule=rule)
        other = "constant" if there.settles else "cosine"
        schedule = other if self.fit.spec.schedule == "auto" else self.schedule
        by_curvature = there.rule.plain and smooth
        rates = np.array([there.auto_rate]) if by_curvature else there.anchors
        gaps = there.gaps(rates, schedule)
        if not gaps.size or np.isnan(gaps).all():
            return remedy, float("nan")
        place = int(np.nanargmin(gaps))
        if not by_curvature and self.fit.spec.schedule != "auto":
            remedy["lr"] = rounded_down(rates[place])
        if schedule not in (other, "cosine") and not self.does(gaps[place]):
            others = there.gaps(rates, other)
            if np.nanmin(others) <= 0.3 * gaps[place]:
                return {**remedy, "lr": "auto", "schedule": other}, float(np.nanmin(others))
        return remedy, float(gaps[place])

    def share(self, gap: float) -> float:
        """How much of the gap would be gone; of the first gap if it diverged."""
        now = self.gap if np.isfinite(self.gap) else self.first
        return float(np.clip(1.0 - max(gap, 0.0) / now, 0.0, 1.0)) if np.isfinite(gap) and now > 0.0 else 0.0

    def finding(
        self, kind: Kind, what: str, evidence: str, remedy: Mapping[str, Any], gap: float, rate: float | None = None,
        columns: tuple[str, ...] = (),
    ) -> Finding:  # fmt: skip
        """A finding whose remedy leaves that gap. rate: the descent's then, where its steps can be told."""
        return Finding(kind, what, evidence, remedy, self.outcome(gap, rate), self.share(gap), columns=columns)

    def outcome(self, gap: float, rate: float | None = None) -> str:
        """What is left after a remedy, in words."""
        if gap <= self.enough:
            if rate is not None and self.predictable and self.quadratic is not None and self.schedule == "constant":
                steps = convergence.steps_to(self.quadratic, self.rule, rate, self.enough)
                if np.isfinite(steps):
                    return f"The gap is closed after about {count(steps)} steps."
            return "The gap is closed."
        now = "it diverged" if np.isinf(self.gap) else f"it is {number(self.gap / self.unit)}"
        return f"The relative gap is about {number(gap / self.unit)} after the same number of steps; {now} now."


def measured(fit: Fitted) -> MeasuredDescent | None:
    """How a fit's descent went; None for a module, a rule that is not ours, and where no optimum is known."""
    return None if fit.status is Status.INTERRUPTED else to_optimum(fit, MeasuredDescent)
