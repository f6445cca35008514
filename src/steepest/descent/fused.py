"""The linear family compiled: the loop's own path, many steps a call.

`Fused` runs what `descend()` runs, on the same batches and in the same order, and shows its steps in blocks:

    for block in Fused(objective, rule).descend(256, "rows", seed, epochs, lr=0.1, schedule=constant):
        …                      a Block: columns with one entry a step; at the end one Step, as the loop's

It is an optimisation of the loop and no second meaning: from the same θ and memory every update agrees to rounding.
Blocks are short enough (`WORK`) that whoever looks at them can stop a descent soon.

- Shuffled rows are gathered ahead: threads copy the rows of the next blocks side by side while this one is walked,
  and deal the next epoch. Contiguous blocks are used where they lie.
- Large batches are cut among all threads, one step a call.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from math import inf
from typing import TYPE_CHECKING, Any, NamedTuple, TypeGuard

import numpy as np
import torch
from torch import Tensor

from steepest.descent import rules
from steepest.descent.loop import Step
from steepest.descent.objective import LinearObjective
from steepest.descent.schedules import Schedule, constant
from steepest.problem import batches, losses
from steepest.problem.batches import Batch

if TYPE_CHECKING:
    from steepest.descent import kernels

ROOM = 2**18
"""Entries of θ that a block holds at most, one θ a step."""

WORK = 2**27
"""Entries of the design that a block's steps read at most (about a tenth of a second)."""

GATHERED = 2**20
"""Entries of the design that are gathered at a time: they should stay in a shared cache until they are used."""

AHEAD = 2
"""Blocks that are gathered ahead."""

WIDE = 2**20
"""Entries of a batch from which it is cut among threads."""

LOOP_STEP, LOOP_ENTRY = 60e-6, 1e-9
"""Seconds that the loop needs more for a step, and for an entry of a batch."""

WORTH = 2.0
"""Seconds to be saved from which compiled code pays: it takes half a second to load, and several to compile once."""


class Block(NamedTuple):
    """T steps in a row; columns `[T]`, θ `[T, k·r]` before each update.

    batch: the first step's. whole: whether each step saw all rows (then an epoch is a step). penalty: of θ.
    """

    t: int
    batch: Batch
    whole: bool
    lr: np.ndarray
    theta: np.ndarray
    loss: np.ndarray
    grad_norm: np.ndarray
    penalty: np.ndarray

    def __len__(self) -> int:
        return len(self.loss)

    def epoch(self, i: int) -> int:
        """The epoch of the i-th step."""
        return self.batch.epoch + i if self.whole else self.batch.epoch

    def step(self, i: int) -> Step:
        """The i-th step as the loop would show it, but without its gradient."""
        batch = Batch(self.epoch(i), 0 if self.whole else self.batch.index + i)
        theta, loss = torch.from_numpy(self.theta[i]), torch.tensor(self.loss[i])
        return Step(self.t + i, batch.epoch, float(self.lr[i]), theta, loss, torch.empty(0), batch)


def can_run(objective: Any, rule: Any) -> TypeGuard[LinearObjective]:
    """Whether there is compiled code for this objective and rule: the linear family, losses and rules of our own."""
    return (
        isinstance(objective, LinearObjective)
        and objective.basis.device.type == "cpu"
        and objective.theta.ndim == 1
        and isinstance(objective.loss, tuple(_LOSSES))
        and _unwrapped(objective, rule) is not None
    )


def pays(objective: LinearObjective, size: int | None, epochs: int | None, steps: int | None) -> bool:
    """Whether a descent is long enough for compiled code to win back the time to load it."""
    batch = min(size or objective.rows, objective.rows)
    updates = inf if epochs is None else epochs * -(-objective.rows // batch)
    updates = min(updates, inf if steps is None else steps)
    return updates * (LOOP_STEP + LOOP_ENTRY * batch * len(objective.theta)) >= WORTH


class Fused:
    """A linear objective and a rule made ready to be run by `kernels.py`. θ is the objective's own, moved in place.

    memory: the rule's, as `rule.start` makes it; it may be set before a descent, to go on from another one's.
    """

    def __init__(self, objective: LinearObjective, rule: Any):
        from steepest.descent import kernels

        parts = _unwrapped(objective, rule)
        if parts is None or not can_run(objective, rule):
            raise ValueError("There is no compiled code for this objective and rule; can_run() tells.")
        self.kernels, self.objective = kernels, objective
        self.memory = rule.start(objective.theta)
        self.rows = _rows(objective)
        self.loss = kernels.LossCode(*_loss_code(objective.loss))
        self.penalty = _penalty_code(objective, rule)
        self.rule = kernels.RuleCode(*_rule_code(parts[1]), parts[0])
        self.shape = (objective.outputs, self.rows.basis.shape[1])
        self.free = np.zeros((objective.outputs, len(self.penalty.mask[0])), self.rows.basis.dtype)
        self.threads = max(1, torch.get_num_threads())

    def descend(
        self,
        size: int | None = None,
        shuffle: str = "rows",
        seed: int = 0,
        epochs: int | None = None,
        steps: int | None = None,
        *,
        lr: float = 0.1,
        schedule: Schedule = constant,
    ) -> Iterator[Block | Step]:
        """The steps of `descend()` on `minibatches(rows, size, shuffle, seed, epochs)` (None: full batches), in blocks.

        `steps` ends it earlier. As in the loop a last Step carries θ_N, with the loss and gradient over all rows.
        """
        t, epoch, rate = 0, 0, lr
        with ThreadPoolExecutor(max(self.threads, 2)) as pool:
            try:
                for rows, batch, starts, lengths in self._dealt(pool, size, shuffle, seed, epochs, steps):
                    starts, lengths = (a[: None if steps is None else steps - t] for a in (starts, lengths))
                    if not len(starts):
                        break
                    whole = size is None
                    rates = [lr * schedule(t + i, batch.epoch + i * whole) for i in range(len(starts))]
                    block = self._walk(pool, rows, batch, starts, lengths, np.array(rates, dtype=np.float64), t, whole)
                    yield block
                    t, epoch, rate = t + len(block), block.epoch(len(block) - 1) + 1, rates[-1]
            finally:
                pool.shutdown(cancel_futures=True)
        loss, grad = self.objective.value_and_grad(self.objective.theta)
        yield Step(t, epoch, rate, self.objective.theta, loss, grad, None)

    def _dealt(
        self,
        pool: ThreadPoolExecutor,
        size: int | None,
        shuffle: str,
        seed: int,
        epochs: int | None,
        steps: int | None,
    ) -> Iterator[tuple[kernels.Rows, Batch, np.ndarray, np.ndarray]]:
        """One block after another: rows, the first batch, where each batch begins in the rows and how long it is."""
        rows = self.objective.rows
        if size is None:
            many = self._steps_a_block(rows)
            epoch = 0
            while epochs is None or epoch < epochs:
                count = many if epochs is None else min(many, epochs - epoch)
                yield self.rows, Batch(epoch, 0), np.zeros(count, np.int64), np.full(count, rows)
                epoch += count
            return
        size = min(size, rows)
        a_block = self._steps_a_block(size)
        if shuffle not in ("rows", "draws"):
            epoch = 0
            while epochs is None or epoch < epochs:
                starts = batches.dealt(rows, size, shuffle, seed, epoch) * size
                lengths = np.minimum(size, rows - starts)
                for first in range(0, len(starts), a_block):
                    part = slice(first, first + a_block)
                    yield self.rows, Batch(epoch, first), starts[part], lengths[part]
                epoch += 1
            return
        a_block = min(a_block, max(1, GATHERED // self.shape[1] // size))
        rooms = [_like(self.rows, a_block * size) for _ in range(AHEAD + 1)]
        for count, (epoch, first, order) in _ahead(
            pool, self._gathers(pool, rooms, size, a_block, shuffle, seed, epochs, steps)
        ):
            starts = np.arange(0, len(order), size)
            yield rooms[count % len(rooms)], Batch(epoch, first), starts, np.minimum(size, len(order) - starts)

    def _gathers(
        self,
        pool: ThreadPoolExecutor,
        rooms: list[kernels.Rows],
        size: int,
        a_block: int,
        shuffle: str,
        seed: int,
        epochs: int | None,
        steps: int | None,
    ) -> Iterator[Callable[[], tuple[int, int, np.ndarray]]]:
        """Jobs that gather the rows of one block after another, every epoch; the next one is dealt meanwhile."""

        def gather(room: kernels.Rows, epoch: int, first: int, order: np.ndarray) -> tuple[int, int, np.ndarray]:
            _take(self.rows, order, room)
            return epoch, first, order

        rows, epoch, count, left = self.objective.rows, 0, 0, inf if steps is None else steps
        coming = pool.submit(batches.dealt, rows, size, shuffle, seed, 0)
        while left > 0 and (epochs is None or epoch < epochs):
            order = coming.result()
            left -= -(-len(order) // size)
            if left > 0 and (epochs is None or epoch + 1 < epochs):
                coming = pool.submit(batches.dealt, rows, size, shuffle, seed, epoch + 1)
            for first in range(0, len(order), a_block * size):
                part = order[first : first + a_block * size]
                yield partial(gather, rooms[count % len(rooms)], epoch, first // size, part)
                count += 1
            epoch += 1

    def _steps_a_block(self, size: int) -> int:
        outputs, width = self.shape
        return max(1, min(ROOM // (outputs * width), WORK // (size * outputs * width)))

    def _walk(
        self,
        pool: ThreadPoolExecutor,
        rows: kernels.Rows,
        batch: Batch,
        starts: np.ndarray,
        lengths: np.ndarray,
        rates: np.ndarray,
        t: int,
        whole: bool,
    ) -> Block:
        count = len(starts)
        dtype = rows.basis.dtype
        columns = (np.empty(count, dtype) for _ in range(3))
        record = self.kernels.Record(np.empty((count, *self.shape), dtype), *columns)
        state = self._state()
        before = self.memory[2] if len(self.memory) == 3 else 0
        if self.threads > 1 and lengths[0] * self.shape[0] * self.shape[1] >= WIDE:
            for i in range(count):
                total = self._gradient(pool, rows, int(starts[i]), int(lengths[i]), state)
                self.kernels.advance(
                    state, total, lengths[i], rates[i], before + i + 1, self.penalty, self.rule, record, i
                )
        else:
            self.kernels.walk(
                state, rows, starts, lengths, rates, before, self.loss, self.penalty, self.rule, record, 0
            )
        if len(self.memory) == 3:
            self.memory[2] += count
        theta = record.theta.reshape(count, -1)
        return Block(t, batch, whole, rates, theta, record.loss, record.grad_norm, record.penalty)

    def _gradient(
        self, pool: ThreadPoolExecutor, rows: kernels.Rows, start: int, length: int, state: kernels.State
    ) -> float:
        """Fill state.grad with the gradient's sum over a batch, cut among the threads; the sum of the losses."""
        cuts = [start + length * i // self.threads for i in range(self.threads + 1)]
        parts = [np.empty_like(state.grad) for _ in range(self.threads - 1)]
        rest = [
            pool.submit(
                self.kernels.gradient, state.theta, rows, cuts[i + 1], cuts[i + 2] - cuts[i + 1], self.loss, part
            )
            for i, part in enumerate(parts)
        ]
        total = self.kernels.gradient(state.theta, rows, cuts[0], cuts[1] - cuts[0], self.loss, state.grad)
        for future, part in zip(rest, parts, strict=True):
            total += future.result()
            state.grad[:] += part
        return total

    def _state(self) -> kernels.State:
        tensors = [part.numpy().reshape(self.shape) for part in self.memory if isinstance(part, Tensor)]
        none = np.empty((0, 0), self.rows.basis.dtype)
        first, second = (*tensors, none, none)[:2]
        theta = self.objective.theta.numpy().reshape(self.shape)
        return self.kernels.State(theta, first, second, np.empty_like(theta), self.free)


def _ahead(pool: ThreadPoolExecutor, jobs: Iterable[Callable[[], Any]]) -> Iterator[tuple[int, Any]]:
    """The results of jobs in their order, numbered, with `AHEAD` of them always under way."""
    jobs, under_way, count = iter(jobs), deque[Future[Any]](), 0
    while True:
        while len(under_way) <= AHEAD and (job := next(jobs, None)) is not None:
            under_way.append(pool.submit(job))
        if not under_way:
            return
        yield count, under_way.popleft().result()
        count += 1


_LOSSES = (losses.MSE, losses.L1, losses.Huber, losses.Quantile, losses.Logistic, losses.CrossEntropy)


def _loss_code(loss: Any) -> tuple[int, float]:
    """The loss's number in `kernels.py`, and its own."""
    number = getattr(loss, "width", getattr(loss, "level", 0.0))
    return _LOSSES.index(type(loss)), float(number)


def _unwrapped(objective: LinearObjective, rule: Any) -> tuple[float, Any] | None:
    """The longest gradient let through, and the rule itself; None where it is none of ours, or wrapped otherwise."""
    if (isinstance(rule, rules.WithProximal) and rule.proximal == objective.proximal) or (
        isinstance(rule, rules.WithSubgradient) and rule.subgradient == objective.subgradient
    ):
        rule = rule.rule
    clip = inf
    if isinstance(rule, rules.Clipped):
        clip, rule = rule.norm, rule.rule
    return (
        (clip, rule)
        if isinstance(rule, (rules.SGD, rules.Momentum, rules.Adagrad, rules.RMSprop, rules.Adam))
        else None
    )


def _rule_code(rule: Any) -> tuple[int, float, float, float, float]:
    """kind, β₁, β₂ (rmsprop's α), ε, decay."""
    from steepest.descent import kernels

    if isinstance(rule, rules.Momentum):
        return kernels.NESTEROV if rule.nesterov else kernels.MOMENTUM, rule.beta, 0.0, 0.0, 0.0
    if isinstance(rule, rules.Adagrad):
        return kernels.ADAGRAD, 0.0, 0.0, rule.epsilon, 0.0
    if isinstance(rule, rules.RMSprop):
        return kernels.RMSPROP, 0.0, rule.alpha, rule.epsilon, 0.0
    if isinstance(rule, rules.Adam):
        return kernels.ADAM, rule.beta1, rule.beta2, rule.epsilon, rule.decay
    return kernels.SGD, 0.0, 0.0, 0.0, 0.0


def _penalty_code(objective: LinearObjective, rule: Any) -> kernels.PenaltyCode:
    from steepest.descent import kernels

    outputs, width = objective.outputs, objective.basis.shape[1]
    dtype = objective.basis.numpy().dtype
    term = objective._penalty
    if term is None:
        nothing = np.zeros((outputs, 0), dtype)
        none = np.zeros((0, 0), dtype)
        return kernels.PenaltyCode(0.0, 0.0, kernels.SMOOTH_ONLY, 1.0, nothing, none, none, none, none)
    mask = term.mask.numpy().reshape(outputs, -1)
    matrix = np.zeros((0, 0), dtype) if term.matrix is None else np.ascontiguousarray(term.matrix.numpy())
    origin = np.zeros_like(mask) if term.offset is None else term.offset.numpy().reshape(mask.shape)
    how, gain, shape = kernels.SMOOTH_ONLY, 1.0, (outputs, width)
    thresholds = shift = np.zeros(shape, dtype)
    if isinstance(rule, rules.WithSubgradient):
        how = kernels.SUBGRADIENT
    elif isinstance(rule, rules.WithProximal):
        how, gain = kernels.PROXIMAL, rule.gain
        thresholds = np.ascontiguousarray(term.thresholds.numpy().reshape(shape))
        shift = shift if term.shift is None else np.ascontiguousarray(term.shift.numpy().reshape(shape))
    return kernels.PenaltyCode(
        float(term.l1), float(term.l2), how, float(gain), mask, matrix, origin, thresholds, shift
    )


def _rows(objective: LinearObjective) -> kernels.Rows:
    from steepest.descent import kernels

    basis = np.ascontiguousarray(objective.basis.numpy())
    codes = isinstance(objective.loss, losses.CrossEntropy)

    def across(tensor: Tensor | None) -> np.ndarray:
        if tensor is None:
            return np.empty((0, 0), basis.dtype)
        return np.ascontiguousarray(tensor.numpy().reshape(len(basis), -1).T)

    return kernels.Rows(
        basis,
        across(None if codes else objective.target),
        objective.target.numpy() if codes else np.empty(0, np.int64),
        np.empty(0, basis.dtype) if objective.weights is None else objective.weights.numpy(),
        across(objective.offset),
    )


def _like(rows: kernels.Rows, count: int) -> kernels.Rows:
    """Room for `count` rows of the same kind."""
    return type(rows)(
        np.empty((count, rows.basis.shape[1]), rows.basis.dtype),
        *(np.empty((*part.shape[:-1], count if part.size else 0), part.dtype) for part in rows[1:]),
    )


def _take(rows: kernels.Rows, order: np.ndarray, room: kernels.Rows) -> None:
    """Copy the rows `order` into room, side by side (mode="clip": checking every number costs as much as the copy)."""
    np.take(rows.basis, order, axis=0, out=room.basis[: len(order)], mode="clip")
    for part, out in zip(rows[1:], room[1:], strict=True):
        if part.size:
            for one, to in zip(np.atleast_2d(part), np.atleast_2d(out), strict=True):
                np.take(one, order, out=to[: len(order)], mode="clip")
