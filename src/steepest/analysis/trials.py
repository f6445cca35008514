"""Trials: a module's descent made again with something changed, judged on rows that the trial has not seen.

    trials = trials_of(fit)
    trials.now                                   the loss of the fit, trials.constant that of the constant model
    trials.run({"lr": 0.01}, lr=0.01)            a descent from the same start at another rate
    trials.missing(trial)                        which share of what it learned the fit did not learn
    trials.ahead((3, 10, 30))                    the fit's own descent so many times as far

A fit learns too little where another descent knows more of unseen rows than the fit does of the rows that it was fitted to.
So more steps that only fit noise are no better, however low they bring the training loss. The unseen rows are a fifth of
the training rows; trials of few rows are judged where they were fitted. Descents of full batches see at most 1,000 rows. What
they cost is taken from the budget of all checks (`budget.py`). One that is far behind the fit halfway is broken off.
"""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from steepest.analysis.budget import MOST_ROWS, Budget, budget_for
from steepest.analysis.constant_model import constant_loss
from steepest.analysis.finding import Fitted
from steepest.analysis.step_cost import cost_of_step
from steepest.analysis.what_if import ModuleDescent, module_descent
from steepest.data.batching import Batching
from steepest.data.dataset import Dataset
from steepest.data.randomness import seeded
from steepest.data.thinning import evenly, sampled
from steepest.descent import schedule_factors, torch_rules
from steepest.descent.averaging import averaged, begins
from steepest.descent.loop import Step, descend
from steepest.descent.stopping import Status, Stopper
from steepest.errors import SteepestError
from steepest.lazy import torch
from steepest.model.calling import evaluating
from steepest.model.module_objective import ModuleObjective
from steepest.model.objective import matched
from steepest.model.of_fit import module_objective

MOST_UNSEEN = 2_000
LEAST_UNSEEN = 10  # rows from which unseen ones are a measure
GLANCE = 20  # steps from one look at the loss of a trial to the next
TAIL = 0.1  # share of the rows at each end whose differences count as those at the edge of the others
SMALLER = 0.95  # share of the loss of the fit up to which that of a trial is worth saying
LEAST_RECORDED = 16
MUCH_BETTER = 0.5  # loss, in that of the constant model
FELL, ROSE = 0.01, 0.02  # shares of the objective at the end
HALFWAY, BEHIND = 0.5, 0.5
"""Share of its steps after which a trial is broken off, if it has learned less than so much of what the fit had by then."""

WORSE, BEGUN = 1.1, 0.9  # share of the loss of the fit, and of that of the constant model, between which a trial ends
FEW_ROWS = 4
ERRORS = 2.0  # standard errors that a mean may be off by chance


@dataclass(frozen=True)
class Trial:
    """One descent. remedy: the settings that make it; steps: how many it made of those that are planned.

    each: the loss of each row that it is judged by, `[n]`; inf where it diverged. onward: whether it went on from the fit's end.
    """

    remedy: Mapping[str, Any]
    steps: int
    planned: int
    each: torch.Tensor
    onward: bool = False

    @property
    def loss(self) -> float:
        """Its mean."""
        value = float(self.each.mean())
        return value if np.isfinite(value) else float("inf")

    @property
    def whole(self) -> bool:
        """Whether all the steps that the settings ask for were made."""
        return self.steps >= self.planned


@dataclass
class Trials:
    """A module's fit and what is known of other descents from its start."""

    fit: Fitted
    descent: ModuleDescent
    kept: Dataset
    unseen: Dataset
    budget: Budget

    @cached_property
    def start(self) -> ModuleObjective:
        """F on the rows of a trial, at the fit's start."""
        found = self._on(self.kept, self.descent.start)
        found.random = _draws(found)
        return found

    @cached_property
    def judge(self) -> ModuleObjective:
        """The rows that trials are judged by, with the module at the fit's end."""
        return self._on(self.unseen, self.fit.theta)

    def _on(self, rows: Dataset, theta: np.ndarray | None = None) -> ModuleObjective:
        """F on some rows, of a copy of the descent's module, at θ."""
        return module_objective(self.fit, rows, module=copy.deepcopy(self.descent.module), theta=theta)

    @property
    def diverged(self) -> bool:
        """Whether the fit did."""
        return self.fit.status is Status.DIVERGED or not np.isfinite(self.fit.objective_value)

    @cached_property
    def each(self) -> torch.Tensor:
        """The loss of the fit in each of the rows, `[n]`."""
        if self.diverged:
            return torch.full((self.unseen.rows,), torch.inf, dtype=torch.float64)
        return row_losses(self.judge, self.judge)

    @cached_property
    def now(self) -> float:
        """The mean loss of the fit, of all the rows that it was fitted to."""
        return float("inf") if self.diverged or not np.isfinite(self.fit.loss) else float(self.fit.loss)

    @property
    def here(self) -> float:
        """The mean loss of the fit in the rows that trials are judged by."""
        return float(self.each.mean())

    @cached_property
    def constant(self) -> float:
        """The mean loss of the constant model."""
        return constant_loss(self.judge)

    @cached_property
    def late(self) -> np.ndarray:
        """The objective as it was recorded over the last half of the descent; empty where that is hardly known."""
        known = self.fit.trace.objective
        known = known[np.isfinite(known)]
        return known[len(known) // 2 :] if len(known) >= LEAST_RECORDED else known[:0]

    @property
    def learned(self) -> bool:
        """Whether the fit does much better than the constant model."""
        return not self.diverged and self.now < MUCH_BETTER * self.constant

    @property
    def arrived(self) -> bool:
        """Whether the objective no longer falls: neither more steps nor longer ones are worth a trial."""
        edge = max(1, len(self.late) // 4)
        falls = self.late.size == 0 or np.median(self.late[:edge]) > (1.0 + FELL) * np.median(self.late[-edge:])
        return self.learned and not falls

    @property
    def calm(self) -> bool:
        """Whether the objective hardly ever rose at the end: shorter steps are not worth a trial."""
        return self.learned and self.late.size > 0 and bool(np.diff(self.late).max() <= ROSE * self.late[-1])

    @cached_property
    def step_cost(self) -> float:
        """Of a step of the descent's own batches."""
        return cost_of_step(self.start, self.descent.size, self.descent.rule)

    @property
    def batching(self) -> Batching:
        """The fit's batches, of the rows of a trial."""
        return replace(self.descent.batching, rows=self.kept.rows)

    def run(
        self, remedy: Mapping[str, Any], *, steps: int | None = None, share: float = 1.0, **changed: Any
    ) -> Trial | None:
        """A trial; None where less is left than it takes. steps: so many, and not as many as the fit's settings ask for.

        share: of what is left, the most that it may cost. changed: lr, schedule, rule, clip, size, shuffle or averaging.
        """
        batching = replace(
            self.batching, size=changed.get("size", self.descent.batching.size),
            shuffle=changed.get("shuffle", self.descent.batching.shuffle),
        )  # fmt: skip
        planned = steps or batching.steps or 0
        cost = self.step_cost if "size" not in changed else cost_of_step(self.start, changed["size"], self.descent.rule)
        made = self.budget.steps(planned, cost, share)
        if not made:
            return None
        self.budget.spend(made * cost)
        objective, halfway = self._fresh(), int(HALFWAY * made)
        lost = Trial(remedy, made, planned, torch.full_like(self.each, torch.inf))
        try:
            for step in self._steps(objective, batching, planned, made, changed):
                if step is None or (step.t == halfway and self._behind(objective, halfway / planned)):
                    self.budget.spend(-(made - (made if step is None else step.t)) * cost)
                    return lost
        except SteepestError:  # such batches the module does not take
            return None
        if step is not None and "averaging" in changed:
            objective.theta.copy_(torch.as_tensor(step.theta).to(objective.theta))
        return Trial(remedy, made, planned, row_losses(objective, self.judge))

    def onward(self, remedy: Mapping[str, Any], share: float = 1.0) -> Trial | None:
        """The steps that the fit did not make, from its end on, as many as a share of what is left allows.

        It is judged by rows that the fit has seen and these steps have not, which speaks for the fit. The steps of the
        trial are counted with those of the fit. None where nothing is left to make, or to spend.
        """
        planned = self.descent.steps
        made = self.budget.steps(planned - self.fit.steps, self.step_cost, share)
        if self.diverged or made <= 0:
            return None
        self.budget.spend(made * self.step_cost)
        objective = self._on(self.kept, self.fit.theta)
        objective.random = self.start.random
        last = deque(self._steps(objective, self.batching, planned, made, {}), maxlen=1)[0]
        lost = torch.full_like(self.each, torch.inf)
        each = lost if last is None else row_losses(objective, self.judge)
        return Trial(remedy, self.fit.steps + made, planned, each, onward=True)

    def ahead(self, times: tuple[int, ...]) -> list[tuple[int, Trial]]:
        """The fit's own descent so many times as far (rising), as far as the cost goes."""
        steps, found, done = self.batching.steps or 0, [], 0
        objective, walked = self.start, iter([])
        for each in times:
            again = not done or self.descent.schedule != "constant"  # another length is another schedule
            done = 0 if again else done
            if not steps or (each * steps - done) * self.step_cost > self.budget.left:
                break
            if again:
                objective = self._fresh()
                walked = self._steps(objective, self.batching, each * steps, times[-1] * steps, {})
            self.budget.spend((each * steps - done) * self.step_cost)
            step = next((step for step in walked if step is None or step.t == each * steps), None)
            if step is None:
                break
            done = each * steps
            found.append((each, Trial({}, done, done, row_losses(objective, self.judge))))
            if not self.goes_on(found[-1][1]):
                break
        return found

    def goes_on(self, trial: Trial) -> bool:
        """Whether a descent that is this far has not lost what the fit learned, or has not begun to learn."""
        return trial.loss < WORSE * self.here or trial.loss > BEGUN * self.constant

    def missing(self, trial: Trial) -> float:
        """Which share of what a trial learned beyond the constant model the fit did not; 0 where that may be chance.

        In the same rows; or in all of those of the fit, where its loss is more than twice that of the trial in unseen ones.
        """
        if not np.isfinite(trial.loss):
            return 0.0
        if np.isinf(self.now):
            return float(trial.loss <= 1.5 * self.constant)
        difference = self.each - trial.each
        if difference.numel() > 2:  # a few rows far away would hide what all the others show
            edges = torch.quantile(difference, torch.tensor([TAIL, 1.0 - TAIL], dtype=difference.dtype))
            difference = difference.clamp(edges[0], edges[1])
        shares = [
            (now - trial.loss) / (max(self.constant, now) - trial.loss)
            for now, clearly in (
                (self.here, float(difference.mean()) > _error(difference)),
                (self.now, self.halved(trial)),
            )
            if clearly and max(self.constant, now) > trial.loss and trial.loss < SMALLER * now
        ]
        return max(shares, default=0.0)

    def halved(self, trial: Trial) -> bool:
        """Whether its loss in unseen rows is clearly less than half of that of the fit in all of its own."""
        return self.now > 2.0 * (trial.loss + _error(trial.each))

    def gained(self, trial: Trial, best: float) -> float:
        """How much of the way from the fit's loss to the best one a trial goes."""
        here = 1.5 * self.constant if np.isinf(self.now) else self.here
        return (here - trial.loss) / max(here - best, 1e-300)

    @cached_property
    def _looked_at(self) -> ModuleObjective:
        """Some of the rows of a trial, by which it is judged on its way."""
        return self._on(sampled(self.kept, MOST_ROWS))

    def _behind(self, objective: ModuleObjective, way: float) -> bool:
        """Whether a trial, after such a share of its steps, has learned far less than the fit had by then."""
        trace = self.fit.trace
        known = np.isfinite(trace.objective)
        if self.diverged or objective.rows < LEAST_UNSEEN or np.count_nonzero(known) < 2:
            return False
        then = float(np.interp(way * self.fit.steps, trace.step[known], trace.objective[known]))
        learned = self.constant - then
        here = float(row_losses(objective, self._looked_at).mean())
        return learned > 0.0 and not self.constant - here >= BEHIND * learned

    def _fresh(self) -> ModuleObjective:
        """The start anew, on the same rows."""
        found = self._on(self.kept, self.descent.start)
        found.random = self.start.random
        return found

    def _steps(
        self, objective: ModuleObjective, batching: Batching, planned: int, made: int, changed: Mapping[str, Any]
    ) -> Iterator[Step | None]:
        """The steps of a descent, None at last where it diverged."""
        descent = self.descent
        rule = torch_rules.rule(changed.get("rule", descent.rule), objective, changed.get("clip", descent.clip))
        pace = schedule_factors.schedule(changed.get("schedule", descent.schedule), planned)
        limit = Stopper.GROWTH * (abs(float(objective.value(objective.theta))) + 1e-300)
        batching = replace(batching, epochs=None, max_steps=made)
        steps: Iterator[Step] = descend(objective, rule, batching, lr=changed.get("lr", descent.lr), schedule=pace)
        averaging = changed.get("averaging", "none")
        for step in averaged(steps, objective, begins(averaging, planned)) if averaging != "none" else steps:
            if (step.t % GLANCE == 0 or step.batch is None) and not abs(float(step.loss)) <= limit:
                yield None
                return
            yield step


def trials_of(fit: Fitted) -> Trials | None:
    """The trials of a module's fit; None for any other fit, and one that cannot be made again."""
    descent = module_descent(fit)
    if descent is None or fit.train is None or not descent.steps:
        return None
    return Trials(fit, descent, *_parted(fit.train, descent.size), budget_for(fit))


def _draws(objective: ModuleObjective) -> bool:
    """Whether a module draws random numbers in training, for which a step needs a seed of its own."""
    module = copy.deepcopy(objective.module).train()
    with seeded(0), torch.no_grad():
        before = torch.default_generator.get_state()
        module(objective.data[0][:FEW_ROWS])
        return not torch.equal(before, torch.default_generator.get_state())


def _parted(rows: Dataset, size: int | None) -> tuple[Dataset, Dataset]:
    """The rows of a trial, in their order, and those that it is judged by. No batch of `size` is left with a single row."""
    count = rows.rows // 5
    if count < LEAST_UNSEEN:
        return rows, rows
    order = np.random.default_rng(0).permutation(rows.rows)
    rows, held = rows.take(np.sort(order[count:])), rows.take(np.sort(order[:count]))
    if size is None and rows.rows > MOST_ROWS:
        rows = rows.take(evenly(rows.rows, MOST_ROWS))
    if size is not None and size > 1 and rows.rows % size == 1:  # BatchNorm knows no variance of one row
        rows = rows.take(np.arange(rows.rows - 1))
    return rows, held if held.rows <= MOST_UNSEEN else held.take(evenly(held.rows, MOST_UNSEEN))


def row_losses(objective: ModuleObjective, rows: ModuleObjective) -> torch.Tensor:
    """The loss of each row `[n]`, times its weight, where an objective stands."""
    x, y = rows.data
    with evaluating(objective.module), torch.no_grad():
        each = rows.loss.rows(matched(objective.predict(objective.theta, x), y, rows.loss), y).double()
    each = each.reshape(len(y), -1).mean(1)
    return each if rows.weights is None else each * rows.weights.double()


def _error(each: torch.Tensor) -> float:
    """How far a mean of rows may be off by chance."""
    return ERRORS * float(each.std()) / len(each) ** 0.5 if len(each) > 1 else 0.0
