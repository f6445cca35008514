"""A descent watched: every step recorded, the full objective known where it is due, and a reason found to end.

Here the steps come one by one from the loop; `monitor_blocks.py` sees the same in blocks, of one run or many.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from math import inf

import numpy as np
import torch
from torch import Tensor

from steepest.analysis.learning_rate import steady_lr
from steepest.data.batching import Batching
from steepest.data.dataset import Dataset
from steepest.defaults import Plan
from steepest.descent.loop import Step
from steepest.descent.rules import Rule
from steepest.descent.stopping import Status, Stopper, interruptible
from steepest.descent.trace import Recorder, Trace
from steepest.engines.batched import Together
from steepest.errors import DataError, FitError, SpecError
from steepest.model.linear_objective import LinearObjective
from steepest.model.module_objective import ModuleObjective
from steepest.model.objective import Objective
from steepest.model.of_fit import linear_problem, tensors
from steepest.settings import Spec

RECORD = 10_000
"""Rows that a trace keeps where `record` names parameters instead."""

GLANCE = 16
"""Steps between two looks at the recorded losses for signs of divergence."""

IDLE_LOOKS = 5
"""Looks in a row without any change at which nothing is taken to change any more (`enough_looks`)."""

TEST_LOOKS = 200
"""How often at most the held-out loss is taken in one descent (where epochs are steps)."""


Progress = Callable[[Step, float], None]


@dataclass(frozen=True)
class Ending:
    """How a descent ended: the status, what is to be said beyond its sentence, and what would help."""

    status: Status
    detail: str = ""
    advice: str = ""


def held_out(data: Dataset, fraction: float, seed: int) -> tuple[Dataset, Dataset]:
    """The rows to fit, and a share of them held out to stop by; each in its own order."""
    order = np.random.default_rng([seed, 1]).permutation(data.rows)
    count = max(1, round(fraction * data.rows))
    if count >= data.rows:
        raise DataError(f"validation={fraction} leaves no row of {data.rows} to fit.")
    return data.take(np.sort(order[count:])), data.take(np.sort(order[:count]))


class Watcher:
    """Consumes the steps: records them, and says when to stop and why."""

    def __init__(
        self,
        spec: Spec,
        made: Plan,
        test: Dataset | None,
        validation: Dataset | None,
        budget: int | None = None,
    ):
        self.plan, self.seconds = made, spec.max_seconds
        self.recorder = recorder_of(spec, made, budget=budget)
        tol = 0.0 if made.full_batch and spec.tol is None and made.rule.arrived is None else spec.tol
        looks = enough_looks(spec.tol, spec.patience, made.rule, made.full_batch)
        self.stopper = Stopper(tol, looks, spec.patience, scale_of(made))
        self.test = None if test is None else scorer(spec, made, test, made.objective)
        self.validation = None if validation is None else scorer(spec, made, validation, made.objective)
        self.steps = self.epochs = self.seen = 0
        self.every = every_so_often(made.batching)

    def drain(self, steps: Iterator[Step], progress: Progress | None) -> tuple[Ending, np.ndarray]:
        """Look at every step until one is the last; the ending and the last θ (in the descent's coordinates)."""
        ending = None
        known = float("nan")
        with interruptible(self.seconds) as reason:
            for step in steps:
                at_end = step.batch is None
                value = self._objective(step)
                test_loss = None
                if self.test is not None and value is not None and (at_end or step.epoch % self.every == 0):
                    test_loss = self.test(step.theta)
                if value is not None:
                    known = float(value)
                    ending = self._look(step, known)
                elif step.t - self.seen >= GLANCE:
                    self.seen = step.t
                    if not self.stopper.within(float(step.loss)):
                        ending = Ending(Status.DIVERGED)
                if ending is None and (why := reason()):
                    ending = Ending(why, f"{step.t:,} steps are done.")
                stop = ending is not None or at_end
                if stop and value is None:
                    value = self._full(step.theta)
                if stop and self.test is not None and test_loss is None:
                    test_loss = self.test(step.theta)
                self.recorder.add(step, value, test_loss, last=stop)
                if progress is not None:
                    progress(step, known)
                if stop:
                    break
        self.steps, self.epochs = step.t, step.epoch  # pyrefly: ignore[unbound-name] (the last Step always comes)
        if ending is None:
            epochs = self.plan.batching.epochs
            limit = epochs is not None and step.epoch >= epochs
            ending = Ending(Status.EPOCHS if limit else Status.STEPS)
        return ending, step.theta.detach().to("cpu", torch.float64).numpy().copy()

    def _objective(self, step: Step) -> Tensor | float | None:
        """F(θ) where it is due: for free with a full batch, else at the start of each epoch and at the end."""
        if step.batch is None or (step.batch.rows is None and step.batch.data is None):
            return step.loss + self.plan.objective.penalty(step.theta)
        return self._full(step.theta) if step.batch.index == 0 else None

    def _full(self, theta: Tensor) -> Tensor | float:
        return self.plan.objective.value(theta) + self.plan.objective.penalty(theta)

    def _look(self, step: Step, value: float) -> Ending | None:
        diverged, settled = self.stopper.look(value)
        if diverged:
            return Ending(Status.DIVERGED)
        if self.plan.rule.arrived:
            return Ending(Status.CONVERGED)
        if self.validation is not None and step.t > 0:
            if self.stopper.validate(float(self.validation(step.theta)), step.epoch):
                return Ending(Status.PATIENCE, f"It was best after epoch {self.stopper.best_epoch}.")
            return None
        if settled:
            return Ending(Status.STALLED if self.stopper.tol == 0.0 else Status.TOLERANCE)
        return None


def enough_looks(tol: float | None, patience: int | None, rule: Rule, full_batch: bool) -> int:
    """How many looks in a row without a change end a descent.

    Without a tolerance of the user's only a full batch that changes no longer at all ends early. Where F must not change
    at all, plain steps on all rows that leave it as it is will do so again. Others may pass two values that are the same
    on their way: momentum at lr·λ = 1 + β walks θ, −βθ, −βθ, β²θ, β²θ, …

    >>> from steepest.descent.rules import rule
    >>> [enough_looks(0.0, None, rule(name), True) for name in ("sgd", "momentum")]
    [1, 5]
    """
    if tol is None:
        return IDLE_LOOKS
    at_once = tol > 0.0 or (full_batch and rule.innermost.linear and not rule.innermost.momentum)
    return patience or (1 if at_once else IDLE_LOOKS)


def recorder_of(
    spec: Spec, made: Plan, runs: int | None = None, budget: int | None = None, steps: float = inf
) -> Recorder:
    """A recorder of what `record` asks for, of so many updates. SpecError if it names parameters that there are none of."""
    chosen = _chosen(spec, made)
    rows = spec.record if isinstance(spec.record, int) else RECORD
    # in other coordinates every entry of c is in every parameter, so that they are chosen afterwards
    keep = chosen if made.to_user is None else []
    return Recorder(len(made.objective.theta), made.objective.theta, rows, keep, runs, budget, steps)


def trace_of(spec: Spec, made: Plan, recorder: Recorder) -> Trace:
    """What was recorded, θ in user units; of the parameters only those chosen, if any were."""
    chosen = _chosen(spec, made)
    names = [made.names[i] for i in chosen] if chosen else made.names
    if made.to_user is None or not chosen:
        return recorder.trace(names, made.to_user)
    whole = recorder.trace(made.names, made.to_user)
    return replace(whole, names=tuple(names), theta=whole.theta[:, chosen])


def _chosen(spec: Spec, made: Plan) -> list[int]:
    names = spec.record if isinstance(spec.record, tuple) else ()
    known = made.user_names or made.names
    if unknown := [name for name in names if name not in known]:
        raise SpecError(f"record= names {unknown[0]!r}, which is no parameter here: {', '.join(known[:8])}.")
    if known != made.names:
        return []  # each of them is made of all that are recorded
    return [made.names.index(name) for name in names]


def every_so_often(batching: Batching) -> int:
    """Epochs from one look at the held-out loss to the next."""
    return max(1, (batching.epochs or batching.max_steps or TEST_LOOKS) // TEST_LOOKS)


def scale_of(made: Plan) -> float | None:
    """The mean loss of predicting nothing: what a loss is large or small against. None for a module."""
    if made.problem is None:
        return None
    plain = LinearObjective(made.problem)
    scale = float(plain.value(plain.theta))
    return scale if 0.0 < scale < np.inf else None


def scorer(spec: Spec, made: Plan, rows: Dataset, objective: Objective) -> Callable[[Tensor], Tensor]:
    """The mean loss on other rows, as a function of θ in the coordinates of the descent.

    objective: the plan's, or for many runs of a module the one of all of them.
    """
    like = made.objective.theta
    if made.terms is not None:
        problem = linear_problem(replace_penalty(spec), rows, made.terms, made.loss)
        frame = origin = None
        if isinstance(made.objective, LinearObjective) and made.objective.coordinates is not None:
            frame = replace(made.objective.coordinates, basis=problem.design @ made.objective.coordinates.matrix)
            origin = made.objective.origin
        return LinearObjective(problem, made.names, frame, origin, like.dtype, str(like.device)).value
    if not isinstance(objective, (ModuleObjective, Together)):
        raise FitError("There is no model to score.")
    return objective.on(*tensors(rows, made.loss, like.dtype, like.device)).value


def replace_penalty(spec: Spec) -> Spec:
    """The same description without a penalty: what scores held-out rows."""
    return spec.model_copy(update={"penalty": "none"})


def last_finite(trace: Trace, theta: np.ndarray) -> np.ndarray:
    """θ, or if it is not finite the last recorded one that is."""
    if np.isfinite(theta).all() or not trace.theta.shape[1]:
        return theta
    fine = np.isfinite(trace.theta).all(1)
    return trace.theta[fine][-1] if fine.any() else trace.theta[0]


def why_diverged(spec: Spec, made: Plan, recorder: Recorder) -> tuple[str, str]:
    """When it began; and what is at fault, with a rate that would hold."""
    trace = recorder.trace(made.names)
    bad = ~np.isfinite(trace.loss) | (trace.loss > 10 * max(trace.objective[0], trace.loss[0]))
    began = int(trace.step[np.argmax(bad)]) if bad.any() else int(trace.step[-1])
    safe = _rate_that_holds(spec, made, trace)
    advice = f"Lower the learning rate: lr={safe:.2g} is stable." if safe > 0.0 else "Lower the learning rate."
    if made.problem is not None and made.precondition == "none":
        squares = (made.problem.design**2).mean(0)
        worst = int(np.argmax(squares))
        if squares[worst] > 10 * np.median(squares):
            name = made.terms.names[worst] if made.terms is not None else str(worst)
            advice = f"Try precondition='standardize', lr='auto': the column {name!r} has by far the largest values."
    return f"It began to grow at step {began}.", advice


def _rate_that_holds(spec: Spec, made: Plan, trace: Trace) -> float:
    """Where the curvature is known the rate of lr="auto"; else one whose first step would at most win all of F."""
    if not trace.theta.shape[1]:
        return made.lr / 100.0
    start = torch.as_tensor(trace.theta[0]).to(made.objective.theta)
    inner = made.rule.innermost
    linear = made.objective
    if isinstance(linear, LinearObjective) and inner.linear:
        safe = steady_lr(linear, start, made.batching.size)
        return 0.9 * safe * (1.0 - inner.momentum)
    made.objective.theta.copy_(start)
    gradient = made.objective.value_and_grad(made.objective.theta)[1]
    length = float(gradient.square().sum() if inner.linear else gradient.abs().sum())
    return min(float(trace.objective[0]) / length, made.lr / 100.0) if length > 0.0 else made.lr / 100.0
