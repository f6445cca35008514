"""What a fit would have come to under other settings: its descent made again with something changed.

    what_if(fit, lr=0.1)                                 the gap after as many steps at that rate
    what_if(fit, schedule="cosine", precondition="standardize")
    descent_of(fit).gaps([0.1, 0.01], steps=500)         many rates at once

Where F is a quadratic (`mse` and full batches under sgd or momentum) the gaps are those of the theory. All others are found
by making the steps: the same rule on the same batches, all rates side by side, up to a cost that is counted and not timed
(`step_cost.py`). Descents too long for it are predicted by the quadratic at the optimum where the loss has one, and else not
at all. Where no optimum is known F* counts as 0, so that a gap is F itself, and of a long descent only the first steps are
made.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, TypeVar

import numpy as np

from steepest.analysis import convergence
from steepest.analysis.finding import Fitted
from steepest.analysis.fit_settings import PRECONDITIONERS, coordinates_of, rule_of, start_of
from steepest.analysis.step_cost import cost_of_step
from steepest.data.batching import Batching
from steepest.descent import schedule_factors, torch_rules
from steepest.descent.averaging import begins
from steepest.descent.loop import descend
from steepest.descent.schedule_factors import Schedule
from steepest.descent.stopping import Status, Stopper
from steepest.engines.choice import choose, shown_of
from steepest.engines.descents import Descents
from steepest.lazy import nn, torch
from steepest.model.linear import LinearProblem
from steepest.model.linear_objective import LinearObjective
from steepest.model.module_objective import ModuleObjective
from steepest.model.objective import Objective
from steepest.model.of_fit import module_objective
from steepest.model.preconditioners import Coordinates

MOST_PARAMETERS = 2_000  # parameters up to which a descent to a known optimum is made again, or predicted
MOST_COST, FIRST_COST, LEAST_STEPS = 0.8, 0.2, 10
"""What whole descents may cost at a time; what the first steps of one may; and how many of these are made all the same."""

LOAD = 0.3  # cost to be saved from which compiled code, which takes about as long to compile, is worth it here
MOST_PREDICTED, MOST_PREDICTED_AFTER = 20_000, 200_000
"""Steps up to which a falling rate is gone through by theory: on a quadratic, and where steps would take too long."""


def what_if(
    fit: Fitted, *, lr: float | None = None, schedule: Any = None, steps: int | None = None, shuffle: str = "", **changed: Any
) -> float:  # fmt: skip
    """The gap of a fit after as many steps (or so many) under another rate, schedule, `clip`, `shuffle` or `precondition`.

    Returns:
        F − F*, or F where no optimum is known; inf where it diverges, nan where it cannot be told.

    >>> from steepest.fitting import fit
    >>> found = fit([0.0, 1.0, 2.0], [1.0, 3.0, 5.0], optimizer="sgd", lr=0.01, epochs=10)
    >>> there = fit([0.0, 1.0, 2.0], [1.0, 3.0, 5.0], optimizer="sgd", lr=0.3, epochs=10)
    >>> bool(abs(what_if(found, lr=0.3) / there.gap - 1.0) < 1e-9)
    True
    """
    descent = descent_of(fit)
    if descent is None:
        return float("nan")
    batching = replace(descent.batching, shuffle=shuffle or descent.batching.shuffle)
    return replace(descent, batching=batching, **changed).gap_at(lr, schedule, steps)


Linear = TypeVar("Linear", bound="LinearDescent")


@dataclass(frozen=True, kw_only=True)
class Descent(ABC):
    """A finished descent, ready to be made again.

    batching: as it was asked for. steps: updates asked for. first_steps: those of them that are made again.
    """

    fit: Fitted
    rule: Any
    lr: float
    schedule: Any
    steps: int
    first_steps: int = 0
    batching: Batching
    clip: float | None
    best: float = 0.0
    """F*, 0 where it is not known."""

    known: dict[Any, float] = field(default_factory=dict, init=False, compare=False)

    @abstractmethod
    def objective(self) -> Objective:
        """F at its start, anew."""

    @property
    def whole(self) -> bool:
        """Whether all of its steps can be made again."""
        return self.first_steps == self.steps

    @property
    def size(self) -> int | None:
        """Rows a batch; None for all."""
        return self.batching.size

    def factors_of(self, schedule: Any, steps: int) -> np.ndarray:
        """A schedule's factor of each step, `[T]`."""
        t = np.arange(steps)
        return schedule_factors.factors_at(
            schedule_factors.schedule(schedule, steps), t, t // self.batching.steps_per_epoch
        )

    def gaps(self, lrs: Sequence[float] | np.ndarray, schedule: Any = None, steps: int | None = None) -> np.ndarray:
        """F − F* at the end `[k]`, had the learning rate been each of those given `[k]`; nan where it cannot be told.

        schedule: another one than the descent's. steps: another number of updates.
        """
        pace = schedule_factors.schedule(self.schedule if schedule is None else schedule, steps or self.steps)
        batching, ends = replace(self.batching, epochs=None, max_steps=steps or self.first_steps), []
        for lr in np.asarray(lrs, dtype=np.float64).tolist():
            objective = self.objective()
            rule = torch_rules.rule(self.rule, objective, self.clip)
            ends.append(after_steps(objective, rule, batching, lr, pace))
        return np.array(ends) - self.best

    def gap_at(self, lr: float | None = None, schedule: Any = None, steps: int | None = None) -> float:
        """The same for one rate, by default the descent's own."""
        key = lr, schedule, steps
        if key not in self.known:
            self.known[key] = float(self.gaps([self.lr if lr is None else lr], schedule, steps)[0])
        return self.known[key]


def after_steps(objective: Objective, rule: Any, batching: Batching, lr: float, pace: Schedule) -> float:
    """F after these batches, its θ moved; inf where it diverges, as a fit would."""
    limit = Stopper.GROWTH * (abs(whole_objective(objective)) + 1e-300)
    for step in descend(objective, rule, batching, lr=lr, schedule=pace):
        if not abs(float(step.loss)) <= limit:  # a fit would be ended here, whatever came of it
            return float("inf")
    value = whole_objective(objective)
    return value if np.isfinite(value) else float("inf")


def whole_objective(objective: Objective) -> float:
    """F at the θ of an objective: its mean loss over all rows and its penalty."""
    return float(objective.value(objective.theta) + objective.penalty(objective.theta))


@dataclass(frozen=True, kw_only=True)
class LinearDescent(Descent):
    """A descent of the linear family. start: θ₀, optimum: θ*, `[k·p]` in user units.

    optimum_known: whether F* is known; it may be an infimum, without any θ*.
    """

    problem: LinearProblem
    precondition: str
    start: np.ndarray
    dtype: torch.dtype | None = None
    optimum_known: bool = False
    optimum: np.ndarray | None = None

    @cached_property
    def coordinates(self) -> Coordinates | None:
        """The coordinates of the descent, of all rows."""
        return coordinates_of(self.precondition, self.problem)

    def objective(self) -> LinearObjective:
        return LinearObjective(self.problem, (), self.coordinates, self.start, self.dtype)

    @cached_property
    def at_start(self) -> LinearObjective:
        """F in those coordinates, for many θ at once."""
        return self.objective()

    @cached_property
    def few(self) -> LinearProblem:
        """The problem, or some of its rows where it is large: what quadratics are made of."""
        return self.problem.sampled

    @cached_property
    def quadratic(self) -> convergence.Quadratic | None:
        """F near the optimum, a quadratic; None where there is none (a kink, or no optimum known)."""
        return self.quadratic_from(self.start)

    def quadratic_from(self, start: np.ndarray) -> convergence.Quadratic | None:
        """The same, as a descent from `start` sees it."""
        if self.optimum is None or self.problem.penalty.kinked or not self.problem.loss.smooth:
            return None
        found = convergence.quadratic_at(self.few, coordinates_of(self.precondition, self.few), start, self.optimum)
        return found if np.isfinite(found.values).all() and np.isfinite(found.gaps).all() else None

    @property
    def predictable(self) -> bool:
        """Whether the theory knows this rule and loss."""
        return self.rule.linear and self.size is None and self.clip is None and self.quadratic is not None

    def gaps(self, lrs: Sequence[float] | np.ndarray, schedule: Any = None, steps: int | None = None) -> np.ndarray:
        if not self.optimum_known:
            return super().gaps(lrs, schedule, steps)
        lrs = np.asarray(lrs, dtype=np.float64)
        schedule = self.schedule if schedule is None else schedule
        steps = self.steps if steps is None else steps
        gone_through = 0 if schedule == "constant" else steps * len(lrs)
        if self.problem.loss.quadratic and self.predictable and gone_through <= MOST_PREDICTED:
            return self._predicted(lrs, schedule, steps)
        pace = schedule_factors.schedule(schedule, steps)
        ends = self._side_by_side(lrs, [pace] * len(lrs), steps)
        if ends is not None:
            return ends - self.best
        told = self.predictable and gone_through <= MOST_PREDICTED_AFTER
        return self._predicted(lrs, schedule, steps) if told else np.full(len(lrs), np.nan)

    def gaps_beside(self, lrs: np.ndarray, schedule: str) -> np.ndarray:
        """The gaps `[k]` at rates `[k]`; where steps are made for them, so is one descent more: the own rate under a schedule.

        What that came to is known to `gap_at` from then on, and cost hardly anything beside the others.
        """
        if not self.optimum_known or not len(lrs) or (self.problem.loss.quadratic and self.predictable):
            return self.gaps(lrs)
        own, other = (schedule_factors.schedule(pace, self.steps) for pace in (self.schedule, schedule))
        ends = self._side_by_side(np.append(lrs, self.lr), [own] * len(lrs) + [other], self.steps)
        if ends is None:
            return self.gaps(lrs)
        self.known[None, schedule, None] = float(ends[-1]) - self.best
        return ends[:-1] - self.best

    def averaged(self, averages: Sequence[str]) -> np.ndarray | None:
        """The gaps `[k]` at the end of its own steps, had their average been each of those; None where it takes too long."""
        pace = schedule_factors.schedule(self.schedule, self.steps)
        first = [begins(each, self.steps) for each in averages]
        ends = self._side_by_side(np.full(len(first), self.lr), [pace] * len(first), self.steps, first)
        return None if ends is None else ends - self.best

    def _predicted(self, lrs: np.ndarray, schedule: Any, steps: int) -> np.ndarray:
        assert self.quadratic is not None
        if schedule == "constant":
            return np.array([float(convergence.gaps_after(self.quadratic, self.rule, lr, steps)) for lr in lrs])
        pace, first = self.factors_of(schedule, steps), whole_objective(self.at_start) - self.best
        curves = [convergence.predicted_gaps(self.quadratic, self.rule, lr * pace) for lr in lrs]
        # what grew out of bounds was ended there, whatever would have come of it
        return np.array([gaps[-1] if gaps.max() <= Stopper.GROWTH * first else np.inf for gaps in curves])

    def _side_by_side(
        self, lrs: np.ndarray, paces: list[Schedule], steps: int, averages: Any = None
    ) -> np.ndarray | None:
        """F `[k]` after so many steps at rates `[k]` under schedules `[k]`; inf where it diverged. None where that takes long."""
        objective, many = self.at_start, len(lrs)
        if not many:
            return lrs
        theta, batching = objective.theta.clone().repeat(many, 1), replace(self.batching, epochs=None, max_steps=steps)
        ours, seeds = [torch_rules.rule(self.rule, objective, self.clip) for _ in lrs], [batching.seed] * many
        work = Descents(objective, theta, ours, lrs, paces, batching, seeds, together=objective, averages=averages)
        engine = choose(work, worth=LOAD)
        if engine.cost(work, work.updates) > MOST_COST:
            return None
        with np.errstate(all="ignore"):
            for _ in shown_of(work, engine):
                pass
            found = (objective.value(theta) + objective.penalty(theta)).numpy()
        return np.where(np.isfinite(found), found, np.inf)


@dataclass(frozen=True, kw_only=True)
class ModuleDescent(Descent):
    """A descent of a module, as it is in `module`, from θ₀ `[p]`."""

    module: nn.Module
    start: np.ndarray

    def objective(self) -> ModuleObjective:
        assert self.fit.train is not None
        return module_objective(self.fit, self.fit.train, module=copy.deepcopy(self.module), theta=self.start)


# ---- of a fit --------------------------------------------------------------------------------------


def descent_of(fit: Fitted) -> Descent | None:
    """How a fit went down; None where its rule, rate, coordinates, batches or rows are not known."""
    return to_optimum(fit, LinearDescent) or linear_descent(fit) or module_descent(fit)


def to_optimum(fit: Fitted, kind: type[Linear], rule: Any = None) -> Linear | None:
    """A descent of the linear family to an optimum that is known, by a rule of ours that goes there, as that class.

    rule: another one than the fit's.
    """
    problem, exact, rule = fit.problem, fit.exact, rule_of(fit) if rule is None else rule
    if problem is None or problem.parameters > MOST_PARAMETERS or exact is None or exact.separable or fit.gap is None:
        return None
    ours = isinstance(rule, torch_rules.Rule) and not rule.is_torch and fit.precondition in PRECONDITIONERS
    if not ours or (rule.kind is not None and rule.kind.split(rule.numbers)[1]):
        return None
    given = _given(fit, rule, len(problem.design))
    return kind(
        **given, first_steps=given["steps"], best=exact.objective, optimum_known=True, optimum=exact.theta,
        problem=problem, precondition=fit.precondition, start=start_of(fit),
    )  # fmt: skip


def linear_descent(fit: Fitted) -> LinearDescent | None:
    """Any descent of the linear family, its optimum left aside: as many of its first steps as can be made soon."""
    problem, rule = fit.problem, rule_of(fit)
    if problem is None or fit.precondition not in PRECONDITIONERS or not is_ours(fit, rule, len(problem.design)):
        return None
    given = _given(fit, rule, len(problem.design))
    few, dtype = problem if given["batching"].size else problem.sampled, getattr(torch, fit.spec.dtype)
    return _begun(LinearDescent(**given, problem=few, precondition=fit.precondition, start=start_of(fit), dtype=dtype))


def module_descent(fit: Fitted) -> ModuleDescent | None:
    """A descent of a module."""
    data, rule = fit.train, rule_of(fit)
    if fit.network is None or data is None or fit.terms is not None or fit.trace.theta.shape[1] != len(fit.theta):
        return None
    if not is_ours(fit, rule, data.rows):
        return None
    module = copy.deepcopy(fit.network).to(getattr(torch, fit.spec.dtype))
    return _begun(ModuleDescent(**_given(fit, rule, data.rows), module=module, start=fit.trace.theta[0]))


def _given(fit: Fitted, rule: Any, rows: int) -> dict[str, Any]:
    """What every kind of descent is told by."""
    batching = Batching.of(fit.spec, rows)
    steps = fit.steps if fit.status is Status.SECONDS else batching.steps or 0
    return {
        "fit": fit, "rule": rule, "lr": fit.lr, "schedule": schedule_factors.of_fit(fit), "steps": steps, "batching": batching,
        "clip": fit.spec.clip,
    }  # fmt: skip


def _begun(descent: Any) -> Any:
    """With so many of its first steps as are made again: by what one costs, so that the same fit is always judged alike."""
    affordable = max(FIRST_COST / cost_of_step(descent.objective(), descent.size), LEAST_STEPS)
    return replace(descent, first_steps=int(min(descent.steps, affordable)))


def is_ours(fit: Fitted, rule: Any, rows: int) -> bool:
    """Whether the rule is known and the batches were ours, on this machine, and not the user's own."""
    per_epoch = Batching.of(fit.spec, rows).steps_per_epoch
    return rule is not None and fit.spec.device == "cpu" and abs(fit.steps - fit.epochs * per_epoch) <= per_epoch
