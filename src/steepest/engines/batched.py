"""Many descents at once: the loop with a leading axis.

    θ [runs, p] · lr [runs, 1] · the same rules, their numbers [runs, 1] where runs differ

`Together` is the objective of all runs: each run's own rows where the runs are dealt other batches, one call of autograd
for all of them. `chunks()` is `descend()` on it, its steps collected. What each run does is what it does alone: nothing here
lets one run see another.

A run that diverges or is done goes on being moved, unseen: whoever looks at the chunks knows where each one ends.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, replace
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any, final

import numpy as np

from steepest.data.batching import Batch, Batching
from steepest.data.randomness import seeded
from steepest.descent.chunk import Chunk
from steepest.descent.loop import descend
from steepest.descent.rule import Rule
from steepest.descent.schedule_factors import constant
from steepest.descent.torch_rules import Elementwise
from steepest.engines.descents import Descents
from steepest.engines.threads import in_threads
from steepest.lazy import Tensor, torch
from steepest.model.calling import evaluating
from steepest.model.linear_objective import LinearObjective
from steepest.model.module_objective import ModuleObjective
from steepest.model.objective import Objective, matched

if TYPE_CHECKING:
    from steepest.engines.traced import Tape

ROOM = 2**21
"""Entries of θ that a chunk holds at most, of all runs and steps together."""

MOST_STEPS = 256
"""Steps of a chunk at most, so that whoever looks at them can stop a descent soon."""

OFTEN = 4_000
"""Runs times calls from which it pays to write an objective's operations down."""

CACHED = 2**19
"""Numbers of a layer that are computed at a time: few enough to stay in a shared cache, and so many that an operation takes
longer than to ask for it."""

HELD = 2**22
"""Numbers of a layer that are held at a time where nothing is written down."""


@final
class Together(Objective):
    """An objective of many runs at once: `value_and_grad(theta [runs, p], batch)` → `[runs]`, `[runs, p]`.

    A batch's rows are the same for all runs, or `[runs, b]`. The gradient is autograd's, of the sum over the runs; of the linear
    family on rows that all share its closed form. Called often, its operations are written down once (`traced.py`) and from then
    on done without autograd, for as many runs at a time as stay in the cache, on all threads.
    """

    def __init__(self, one: LinearObjective | ModuleObjective):
        self.one, self.names, self.rows, self.kinked, self.proximal = one, one.names, one.rows, one.kinked, one.proximal
        self.theta, self.loss = one.theta, one.loss
        self.penalty_term = one.penalty_term
        if isinstance(one, ModuleObjective):
            self._mean: Callable[..., Tensor] = self._mean_of_module
            self._data = (one.x, one.y, one.weights)
            self.width = max((p.shape[0] for p in one.module.parameters() if p.ndim), default=1)
        else:
            self._mean = self._mean_of_line
            self._data = (one.basis, one.target, one.weights, one.offset)
            self.width = one.outputs
        self.threads = torch.get_num_threads()
        self._calls = 0
        self._written: dict[Any, Tape | None] = {}

    def value_and_grad(self, theta: Tensor, batch: Batch | None = None) -> tuple[Tensor, Tensor]:
        data, lead = self._at(batch)
        self._calls += 1
        found = self._written_down(theta, data, lead) if self._calls * len(theta) > OFTEN else None
        values, grad = self._by_autograd(theta, data, lead) if found is None else found
        return values, self.with_penalty(grad, theta)

    def value(self, theta: Tensor) -> Tensor:
        most = self.at_a_time(theta, self.rows)
        many = torch.func.vmap(self._mean, in_dims=(0, *(None for _ in self._data)))
        with self._evaluating(), torch.no_grad():
            return torch.cat([many(part, *self._data) for part in theta.split(most)])

    def at_a_time(self, theta: Tensor, rows: int, numbers: int | None = None) -> int:
        """How many runs may look at so many rows at once, to hold no more than `numbers` (HELD) of a layer; at least 1."""
        return max(1, min(len(theta), (numbers or HELD) // (max(rows, 1) * self.width)))

    def on(self, x: Tensor, y: Tensor, weights: Tensor | None = None) -> Together:
        """The same module on other rows."""
        other = copy.copy(self)
        other._data = (x, y, weights)
        return other

    def _at(self, batch: Batch | None) -> tuple[list[Tensor | None], list[int | None]]:
        """The data of a batch, and which of their axes is the runs'."""
        rows = None if batch is None else batch.rows
        data = [part if rows is None or part is None else part[rows] for part in self._data]
        own = isinstance(rows, Tensor) and rows.ndim == 2
        return data, [0 if own and part is not None else None for part in data]

    def _by_autograd(
        self, theta: Tensor, data: Sequence[Tensor | None], lead: Sequence[int | None]
    ) -> tuple[Tensor, Tensor]:
        done, most = [], self.at_a_time(theta, _rows(data, lead))
        closed = isinstance(self.one, LinearObjective) and not self.loss.custom and all(axis is None for axis in lead)
        for start in range(0, len(theta), most):
            if closed:
                done.append(self._closed(theta[start : start + most], *data))  # pyrefly: ignore (the first two are there)
                continue
            with self._evaluating(), torch.enable_grad():
                free = theta[start : start + most].detach().requires_grad_()
                values = torch.func.vmap(self._mean, in_dims=(0, *lead))(free, *_part(data, lead, start, start + most))
                done.append((values.detach(), torch.autograd.grad(values.sum(), free)[0]))
        values, grads = zip(*done, strict=True)
        return torch.cat(values), torch.cat(grads)

    def _closed(
        self, theta: Tensor, basis: Tensor, target: Tensor, weights: Tensor | None, offset: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """The same of the linear family on rows that all runs share: its closed form."""
        one = self.one
        assert isinstance(one, LinearObjective)
        if one.outputs > 1:
            return one.of_rows(basis, target, weights, one.predicted(theta, basis, offset))
        prediction = (basis @ theta.T).T
        return one.of_rows(basis, target, weights, prediction if offset is None else prediction + offset)

    def _written_down(
        self, theta: Tensor, data: Sequence[Tensor | None], lead: Sequence[int | None]
    ) -> tuple[Tensor, Tensor] | None:
        """The same by operations that were written down; None where that cannot be done."""
        most = len(theta) if theta.is_cuda else self.at_a_time(theta, _rows(data, lead), CACHED)
        pieces = -(-len(theta) // most)
        bounds = [len(theta) * i // pieces for i in range(pieces + 1)]
        jobs = []
        for start, end in pairwise(bounds):
            part = _part(data, lead, start, end)
            key = (end - start, tuple(lead), *(None if p is None else p.shape for p in part))
            if key not in self._written:
                self._written[key] = self._write_down(theta[start:end], part, lead)
            tape = self._written[key]
            if tape is None:
                return None
            jobs.append(partial(tape, theta[start:end], *(p for p in part if p is not None)))
        values, grads = zip(*in_threads(jobs, self.threads), strict=True)
        return torch.cat(values), torch.cat(grads)

    def _write_down(self, theta: Tensor, data: Sequence[Tensor | None], lead: Sequence[int | None]) -> Tape | None:
        from steepest.engines.traced import write  # which imports PyTorch

        there = [part is not None for part in data]

        def both(theta: Tensor, *given: Tensor) -> tuple[Tensor, Tensor]:
            left = iter(given)
            return self._by_autograd(theta, [next(left) if here else None for here in there], lead)

        given = [part for part in data if part is not None]
        tape = write(both, theta, *given)
        # a function that is not plain would show it on other numbers
        other = 1.01 * theta + 1e-3
        close = 1e3 * torch.finfo(theta.dtype).eps
        pairs = zip(tape(other, *given), both(other, *given), strict=True)
        return tape if all(torch.allclose(a, b, close, close, equal_nan=True) for a, b in pairs) else None

    def _mean_of_line(
        self, theta: Tensor, basis: Tensor, target: Tensor, weights: Tensor | None, offset: Tensor | None
    ) -> Tensor:
        outputs = self.one.outputs  # pyrefly: ignore
        prediction = basis @ theta if outputs == 1 else basis @ theta.unflatten(-1, (outputs, -1)).T
        return self.loss.mean(prediction if offset is None else prediction + offset, target, weights)

    def _mean_of_module(self, theta: Tensor, x: Tensor, y: Tensor, weights: Tensor | None) -> Tensor:
        prediction = matched(self.one.balanced(self.one.predict(theta, x)), y, self.loss)  # pyrefly: ignore
        return self.loss.mean(prediction, y, weights)

    def _evaluating(self) -> Any:
        return evaluating(self.one.module) if isinstance(self.one, ModuleObjective) else torch.no_grad()


def _part(data: Sequence[Tensor | None], lead: Sequence[int | None], start: int, end: int) -> list[Tensor | None]:
    """The data of some of the runs."""
    return [p if axis is None or p is None else p[start:end] for p, axis in zip(data, lead, strict=True)]


def _rows(data: Sequence[Tensor | None], lead: Sequence[int | None]) -> int:
    """How many rows a run looks at."""
    return next(p.shape[0 if axis is None else 1] for p, axis in zip(data, lead, strict=True) if p is not None)


def can_run(objective: Any, rule: Any) -> bool:
    """Whether many descents of this kind can be run at once, each as it would be alone."""
    if not rule.innermost.elementwise:
        return False
    if isinstance(objective, LinearObjective):
        return not objective.loss.custom or _is_for_many(objective)
    return isinstance(objective, ModuleObjective) and _is_function(objective)


def _is_function(objective: ModuleObjective) -> bool:
    """Whether a module is a plain function of its parameters and a row: no chance, no memory, the same in training as in
    evaluation, and nothing that `vmap` refuses."""
    module, x = copy.deepcopy(objective.module), objective.x
    if x is None:
        return False
    before = {name: value.clone() for name, value in module.state_dict().items()}
    with torch.no_grad(), seeded(0, x.device):
        trained = module.train()(x[: max(2, min(len(x), 8))])
        same = all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
        if not same or not torch.equal(trained, module.eval()(x[: len(trained)])):
            return False
    return _is_for_many(objective)


def _is_for_many(objective: LinearObjective | ModuleObjective) -> bool:
    """Whether `vmap` takes an objective to many runs, and does not only repeat an operation for each, as it warns then."""
    theta = objective.theta.repeat(2, 1)
    few = Batch(0, 0, torch.arange(min(objective.rows, 8), device=theta.device).repeat(2, 1))
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("error", "There is a performance drop", UserWarning)
            together = Together(objective)
            found = together.value_and_grad(theta, few)[0]
            together.value(theta)
    except (RuntimeError, ValueError, TypeError, UserWarning):  # whatever it does, vmap cannot do it for many
        return False
    return bool(torch.isfinite(found).all())


def stacked(each: Sequence[Rule], like: Tensor) -> Rule:
    """One rule for many runs: of the same kind, its numbers `[runs, 1]` where they differ.

    >>> from steepest.descent.torch_rules import rule
    >>> stacked([rule("momentum:0.5"), rule("momentum:0.9")], torch.zeros(1)).numbers[0].tolist()
    [[0.5], [0.8999999761581421]]
    """
    each = _of_one_kind(each)
    first = each[0]
    if any(type(rule) is not type(first) or rule.kind is not first.kind for rule in each):
        raise ValueError("Rules of several kinds cannot be one.")
    if all(rule is first for rule in each):
        return first

    def of_all(values: Sequence[Any]) -> Any:
        if isinstance(values[0], Rule):
            return stacked(values, like)
        if all(value == values[0] for value in values):
            return values[0]
        if isinstance(values[0], tuple):
            return tuple(map(of_all, zip(*values, strict=True)))
        return torch.tensor(values, dtype=like.dtype, device=like.device)[:, None]

    names = [entry.name for entry in fields(first)]  # pyrefly: ignore (all of ours are dataclasses)
    return replace(first, **{name: of_all([getattr(rule, name) for rule in each]) for name in names})  # pyrefly: ignore


def _of_one_kind(each: Sequence[Rule]) -> Sequence[Rule]:
    """Rules of one formula as one kind: one without decay is one whose decay is 0."""
    decaying = next((rule.kind for rule in each if rule.kind is not None and rule.kind.decays), None)
    if decaying is None:
        return each
    return [
        Elementwise(decaying, (*rule.numbers, 0.0))
        if isinstance(rule, Elementwise) and rule.kind is not decaying and rule.kind.formula is decaying.formula
        else rule
        for rule in each
    ]


def deal(batching: Batching, seeds: Sequence[int], device: str = "cpu") -> Iterator[Batch]:
    """The batches of many runs, each dealt by its own seed: rows `[runs, b]`, or one list for all where they are the same."""
    distinct, which = np.unique(np.array(seeds, dtype=np.uint64), return_inverse=True)
    each = [replace(batching, seed=int(seed)) for seed in distinct]
    if len(each) == 1 or batching.size is None or batching.shuffle == "none":
        yield from each[0]
        return
    own, parts = torch.as_tensor(which, device=device), ()
    for batch in batching:
        if batch.index == 0:  # batches of the same lengths; `alike` keeps others apart
            dealt = [torch.cat([part.rows for part in one.epoch(batch.epoch)]) for one in each]  # pyrefly: ignore
            parts = torch.stack(dealt).to(device).split(batching.size, 1)
        yield batch._replace(rows=parts[batch.index][own])


def alike(batching: Batching) -> bool:
    """Whether runs of different seeds have batches of the same lengths at each step."""
    return batching.size is None or batching.shuffle != "blocks" or batching.rows % batching.size == 0


def chunks(work: Descents) -> Iterator[Chunk]:
    """The steps of `descend()` for many runs, in chunks that end with an epoch at the latest (unless an epoch is a step).

    A chunk's arrays are written again by the next one.
    """
    objective, (runs, width) = work.together or Together(work.objective), work.theta.shape
    rates = _Rates(work)
    room = max(1, min(MOST_STEPS, ROOM // (runs * width)))
    numbers = work.theta.new_zeros((3, room, runs))
    path, lr = work.theta.new_empty((room, runs, width)), np.empty((room, runs))
    count, first = 0, Batch(0, 0)

    def chunk(t: int) -> Chunk:
        loss, grad_norm, penalty = numbers[:, :count].transpose(1, 2).cpu().numpy()
        theta = path[:count].transpose(0, 1).cpu().numpy()
        return Chunk(t - count, first, first.rows is None, lr[:count].T, theta, loss, grad_norm, penalty)

    rule, dealt = stacked(work.rules, work.theta), deal(work.batching, work.seeds, str(work.theta.device))
    for step in descend(objective, rule, dealt, lr=1.0, schedule=rates, theta=work.theta):
        batch = step.batch
        if count and (batch is None or count == room or (batch.index == 0 and batch.rows is not None)):
            yield chunk(step.t)
            count = 0
        if batch is None:
            return
        if not count:
            first = batch
        path[count] = step.theta
        numbers[0, count] = step.loss
        numbers[1, count] = torch.linalg.vector_norm(step.grad, dim=-1)
        numbers[2, count] = objective.penalty(step.theta)
        lr[count] = rates.latest
        count += 1


class _Rates:
    """The learning rates of many runs as a schedule, `[runs, 1]`. latest: the last ones, in double precision."""

    elementwise = True

    def __init__(self, work: Descents):
        self.work, self.constant = work, set(work.schedules) == {constant}
        self.latest, self.tensor = work.lr, self._tensor(work.lr)

    def __call__(self, step: int, epoch: int) -> Tensor:
        if not self.constant:
            self.latest = self.work.rates(step, epoch, 1)[:, 0]
            self.tensor = self._tensor(self.latest)
        return self.tensor

    def _tensor(self, rates: np.ndarray) -> Tensor:
        return torch.from_numpy(rates).to(self.work.theta)[:, None]
