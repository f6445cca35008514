"""The loop. Everything that Steepest fits goes through it.

    for each batch:
        loss, gradient at θ            rule.estimate, of objective.value_and_grad
        show the step                  yield
        move θ against the gradient    rule.update

It is a generator: whoever wants to record, stop, draw or save looks at the steps as they come. Three ways to use it:

    for step in descend(objective, "sgd", lr=0.1):                            # a full batch, until you break
    for step in descend(objective, "adam", Batching(n, 10), lr=0.1):          # minibatches
    for step in descend(objective, "adam", loader, lr=0.1, epochs=10):        # a DataLoader, ten times
    for step in descend(objective(f, theta0), torch.optim.LBFGS, lr=1.0):     # any function, any optimiser

With θ of shape `[runs, p]` and lr of shape `[runs, 1]` the same lines run many descents at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from steepest.checkpoints.tree import Unlike, like
from steepest.data.batching import Batch, Batching, External
from steepest.data.in_memory import start_of
from steepest.descent import schedule_factors, torch_rules
from steepest.descent.plateau import Plateau
from steepest.errors import DataError, SpecError
from steepest.lazy import Tensor
from steepest.model.objective import Objective

OWN: Any = object()
"""The learning rate that a rule has by itself, as optimisers of PyTorch's do; 0.1 for the others."""


@dataclass(slots=True)
class Step:
    """Where the descent stands before update `t`: θ is live and moves on, `copy()` keeps it.

    Attributes:
        t: the updates so far.
        epoch: counted from 0.
        lr: the learning rate of the update to come, its schedule's factor within it.
        theta: `[p]`, or `[runs, p]`.
        loss: the batch's mean loss at θ (of all rows in the last step, which has no batch and no update).
        grad: its gradient, as `theta`.
        batch: the rows that it is of.
        memory, schedule: the rule's memory, and the schedule, live.

    A rule whose answer is not where it takes the gradient, as schedule_free_sgd, shows its answer as θ; loss and gradient are of
    where it looks. Of objectives that need no PyTorch θ and its gradient are NumPy's arrays.
    """

    t: int
    epoch: int
    lr: Any
    theta: Any
    loss: Any
    grad: Any
    batch: Batch | None
    memory: Any = None
    schedule: Any = None

    def copy(self) -> Step:
        """The same step with a θ and gradient of its own.

        Example:
            >>> from steepest.model.objective_factory import objective
            >>> f = objective(lambda theta: (theta**2).sum(), [1.0])
            >>> kept = [step.copy() for step in descend(f, lr=0.25, max_steps=2)]
            >>> [float(step.theta[0]) for step in kept]
            [1.0, 0.5, 0.25]
        """
        theta, loss, grad = map(copied, (self.theta, self.loss, self.grad))
        return Step(self.t, self.epoch, self.lr, theta, loss, grad, self.batch)


class Position(NamedTuple):
    """Where a descent stands: before update `t`, at a batch by its epoch and its place there; and what it takes to go on."""

    t: int
    epoch: int
    index: int
    state: Any


def descend(
    objective: Objective,
    rule: Any = "sgd",
    batches: Iterable[Any] | None = None,
    *,
    lr: Any = OWN,
    schedule: Any = None,
    theta: Tensor | None = None,
    epochs: int | None = None,
    max_steps: int | None = None,
    resume: Position | None = None,
) -> Iterator[Step]:
    """Descend, one Step an update, and one more at the end that carries θ_N.

    Args:
        objective: what to minimise.
        rule: a rule's name, a Rule, or a `torch.optim` class.
        batches: a Batching, or a re-iterable of (x, y) as a DataLoader is, gone through again and again, once an epoch; None is
            the full batch, an epoch each step. Without `epochs` or `max_steps` neither ends: it goes on until you break.
        lr: the learning rate; `[runs, 1]` for many runs. By default that of an optimiser which brings one, else 0.1.
        schedule: a name or a callable (step, epoch) → factor on lr.
        theta: where to start, `[p]` or `[runs, p]`; moved in place. None: the objective's own start.
        epochs, max_steps: passes over the batches, and updates, after which it ends.
        resume: where an earlier one stood, by `held`: it begins with the step that this one had shown last.

    Raises:
        SpecError: a rate, a limit or a start that no descent can have. DataError: batches that are used up.

    >>> from steepest.model.objective_factory import objective
    >>> from itertools import islice
    >>> f = objective(lambda theta: (theta**2).sum(), [1.0])
    >>> [float(step.loss) for step in islice(descend(f, lr=0.25), 4)]
    [1.0, 0.25, 0.0625, 0.015625]
    """
    if not isinstance(objective, Objective):
        kind = type(objective).__name__
        raise SpecError(
            f"descend() takes an objective, and this is a {kind}: descend(st.objective(model, loss, x, y), …)."
        )
    rule = torch_rules.rule(rule, objective)
    lr = (rule.innermost.own_rate(objective.theta) or 0.1) if lr is OWN else lr
    _check(lr, epochs, max_steps)
    if batches is None or isinstance(batches, Batching):
        batches = batches or Batching(objective.rows)
        batches = batches if epochs is None else replace(batches, epochs=epochs)
    pace = schedule_factors.schedule(schedule, _planned(batches, epochs, max_steps))
    theta = objective.theta if theta is None else _start(theta, objective.theta)
    schedule = schedule_factors.of_descent(pace, lr, objective, theta)
    memory, known, first = rule.start(theta), None, 0
    if resume is not None:
        memory, known = _taken_up(resume.state, theta, rule, memory, objective, schedule)
        known = known if rule.together is None else None  # it is that of another rank's rows
        first = resume.t
    t, rate, batch = first - 1, lr, None

    def again() -> tuple[Tensor, Tensor]:
        loss, grad = objective.value_and_grad(theta, batch)
        return loss + objective.penalty(theta), grad

    left = None if max_steps is None else max(max_steps - first, 0)
    for t, batch in enumerate(islice(_dealt(batches, epochs, resume), left), first):
        rate = lr * schedule(t, batch.epoch)
        loss, grad = known or rule.estimate(objective, theta, batch, memory)
        known = None
        yield Step(t, batch.epoch, rate, rule.answer(theta, memory), loss, grad, batch, memory, schedule)
        rule.update(theta, grad, memory, rate, again)

    rule.end(theta, memory)
    loss, grad = objective.value_and_grad(theta, None if objective.rows else batch)
    yield Step(t + 1, batch.epoch + 1 if batch else 0, rate, theta, loss, grad, None)


def held(step: Step, rule: Any, objective: Objective) -> dict[str, Any]:
    """What it takes to go on from a step as if nothing had been: nothing in it is copied yet. θ is the objective's own."""
    parts = {"theta": objective.theta, "loss": step.loss, "grad": step.grad}
    waiting = step.schedule.state() if isinstance(step.schedule, Plateau) else None
    return parts | {"memory": rule.packed(step.memory), "objective": objective.state(), "schedule": waiting}


def _taken_up(
    state: Any, theta: Any, rule: Any, memory: list[Any], objective: Objective, schedule: Any
) -> tuple[list[Any], tuple[Any, Any]]:
    """θ and the objective moved to where they were; the rule's memory, and the loss with its gradient. Unlike for others."""
    if not isinstance(state, dict) or set(state) != {"theta", "loss", "grad", "memory", "objective", "schedule"}:
        raise Unlike("it is not the state of the loop")
    theta[...] = like(theta, state["theta"], "theta")
    objective.take_up(state["objective"])
    if isinstance(schedule, Plateau):
        schedule.take_up(state["schedule"])
    loss = like(theta.sum(), state["loss"], "loss") if isinstance(theta, Tensor) else like(0.0, state["loss"], "loss")
    return rule.unpacked(memory, state["memory"]), (loss, like(theta, state["grad"], "grad"))


def copied(given: Any) -> Any:
    """A copy of a tensor, an array or a number."""
    return given.clone() if isinstance(given, Tensor) else np.copy(given)


def _start(theta: Any, like: Tensor) -> Tensor:
    """θ₀ as the objective's own; a tensor is moved in place. SpecError for another number of entries."""
    start = theta if isinstance(theta, Tensor) else start_of(theta).to(like)
    if start.ndim == 0 or start.shape[-1] != like.shape[-1]:
        raise SpecError(f"theta has the shape {list(start.shape)}; the objective has {like.shape[-1]} parameters.")
    return start


def _planned(batches: Any, epochs: int | None, max_steps: int | None) -> int | None:
    """How many updates there will be, where that is known beforehand."""
    count = batches.steps if isinstance(batches, Batching) else None
    if epochs is not None and hasattr(batches, "__len__"):
        count = epochs * len(batches)
    return min((number for number in (count, max_steps) if number), default=None)


def _dealt(batches: Any, epochs: int | None, resume: Position | None) -> Iterable[Batch]:
    """Batches from where a descent stood; anything else that can be iterated gives (x, y), one iteration an epoch."""
    if hasattr(batches, "since"):
        return batches if resume is None else batches.since(resume.epoch, resume.index)
    if not isinstance(batches, Iterable) and not hasattr(batches, "__getitem__"):
        raise SpecError(
            f"batches={batches!r}: it must be Batches, or anything that gives (x, y) again and again, as a DataLoader."
        )
    if not isinstance(batches, Iterator):
        return _dealt(External(batches, epochs), epochs, resume)
    given = map(_batch, batches)
    return given if epochs is None else _of_epochs(given, epochs)


def _of_epochs(batches: Iterator[Batch], epochs: int) -> Iterator[Batch]:
    """The batches of so many epochs, from the first one's on."""
    first = None
    for batch in batches:
        first = batch.epoch if first is None else first
        if batch.epoch >= first + epochs:
            return
        yield batch


def _check(lr: Any, epochs: Any, max_steps: Any) -> None:
    """SpecError for a rate or a limit that no descent can have."""
    if isinstance(lr, (list, tuple)):
        raise SpecError(f"lr={lr!r}: a descent has one rate; several at once are for st.sweep().")
    rates = np.asarray(lr.detach().cpu() if isinstance(lr, Tensor) else lr)
    if rates.dtype.kind not in "fiu" or not (np.isfinite(rates) & (rates > 0)).all():
        raise SpecError(f"lr={lr!r}: it must be a number greater than 0.")
    for name, value in (("epochs", epochs), ("max_steps", max_steps)):
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 0):
            raise SpecError(f"{name}={value!r}: it must be a whole number.")


def _batch(entry: Any) -> Batch:
    if not isinstance(entry, Batch):
        raise DataError(
            f"An iterator gave {type(entry).__name__} in place of a Batch. It would be used up after one epoch: give a "
            "list of (x, y), a DataLoader, or anything else that can be iterated again."
        )
    return entry
