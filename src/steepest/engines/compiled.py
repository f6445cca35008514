"""The linear family compiled: the loop's own path, many steps a call.

`Fused` runs what `descend()` runs, on the same batches and in the same order, and shows its steps in blocks:

    for block in Fused(objective, rule).descend(256, "rows", seed, epochs, lr=0.1, schedule=constant):
        …                      a Block: columns with one entry a step; at the end one Step, as the loop's

It is an optimisation of the loop and no second meaning: from the same θ and memory every update agrees to rounding.
Blocks are short enough (`WORK`) that whoever looks at them can stop a descent soon.

- Rows are copied into panels (`kernels.py`) once where batches are contiguous; shuffled rows are gathered into panels
  ahead: threads fetch those of the next blocks while this one is walked, and deal the next epoch.
- Large batches are cut among all threads, one step a call.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import count, pairwise
from math import inf
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from steepest.data.batching import Batch, Batching
from steepest.descent.chunk import Block
from steepest.descent.loop import Step
from steepest.descent.schedules import Schedule, constant, factors
from steepest.engines import kernel_args
from steepest.engines.kernel_args import can_run
from steepest.model.linear_objective import LinearObjective

if TYPE_CHECKING:
    from steepest.engines import kernel_rules as kernel_steps
    from steepest.engines import kernels

__all__ = ["Fused", "can_run", "pays"]

ROOM = 2**18
"""Entries of θ that a block holds at most, one θ a step."""

WORK = 2**27
"""Entries of the design that a block's steps read at most (about a tenth of a second)."""

GATHERED = 2**19
"""Entries of the design that are gathered at a time: they should stay in a shared cache until they are used."""

AHEAD = 2
"""Blocks that are gathered ahead."""

WIDE = 2**20
"""Entries of a batch from which it is cut among threads."""

LOOP_STEP, LOOP_ENTRY = 80e-6, 1e-9
"""Seconds that the loop needs more for a step, and for an entry of a batch."""

WORTH = 1.0
"""Seconds to be saved from which compiled code pays: it takes half a second to load, and some ten to compile once."""


def pays(objective: LinearObjective, batching: Batching) -> bool:
    """Whether a descent is long enough for compiled code to win back the time to load it."""
    updates = inf if batching.steps is None else batching.steps
    return updates * (LOOP_STEP + LOOP_ENTRY * (batching.size or batching.rows) * len(objective.theta)) >= WORTH


class Fused:
    """A linear objective and a rule made ready to be run by `kernels.py`. θ is the objective's own, moved in place.

    memory: the rule's, as `rule.start` makes it; it may be set before a descent, to go on from another one's.
    """

    def __init__(self, objective: LinearObjective, rule: Any):
        self.rule = kernel_args.rule_code(objective, rule)
        self.objective, self.memory = objective, rule.start(objective.theta)
        self.loss, self.penalty = kernel_args.loss_code(objective.loss), kernel_args.penalty_code(objective)
        self.rows = kernel_args.rows_as_they_lie(objective)
        self.shape = objective.outputs, objective.basis.shape[1]
        self.free = np.zeros((objective.outputs, self.penalty.mask.shape[1]), self.rows.panels.dtype)
        self.threads = max(1, torch.get_num_threads())

    def descend(self, batching: Batching, *, lr: float = 0.1, schedule: Schedule = constant) -> Iterator[Block | Step]:
        """The steps of `descend()` on these batches, in blocks.

        As in the loop a last Step carries θ_N, with the loss and gradient over all rows.
        """
        t, epoch, rate, whole = 0, 0, lr, batching.size is None
        steps = batching.steps
        with ThreadPoolExecutor(max(self.threads, 2)) as pool:
            try:
                for rows, batch, starts, lengths in self._dealt(pool, batching):
                    starts, lengths = (a[: None if steps is None else steps - t] for a in (starts, lengths))
                    if not len(starts):
                        break
                    rates = lr * factors(schedule, t, batch.epoch, len(starts), whole)
                    block = self._walk(pool, rows, batch, starts, lengths, rates, t, whole)
                    yield block
                    t, epoch, rate = t + len(block), block.epoch(len(block) - 1) + 1, float(rates[-1])
            finally:
                pool.shutdown(cancel_futures=True)
        loss, grad = self.objective.value_and_grad(self.objective.theta)
        yield Step(t, epoch, rate, self.objective.theta, loss, grad, None)

    def _dealt(
        self, pool: ThreadPoolExecutor, batching: Batching
    ) -> Iterator[tuple[kernels.Rows, Batch, np.ndarray, np.ndarray]]:
        """One block after another: rows, the first batch, where each batch begins in the rows and how long it is."""
        n, size, epochs = self.objective.rows, batching.size, batching.epochs
        a_block = steps_a_block(self.shape, size or n)
        if size is not None and batching.shuffle in ("rows", "draws"):
            a_block = min(a_block, max(1, GATHERED // self.shape[1] // size))
            yield from self._gathered(pool, batching, size, a_block)
            return
        rows = laid(pool, self.threads, self.rows, self.shape[1], size or n)
        if size is None:
            epoch = 0
            while epochs is None or epoch < epochs:
                many = a_block if epochs is None else min(a_block, epochs - epoch)
                yield rows, Batch(epoch, 0), np.zeros(many, np.int64), np.full(many, n)
                epoch += many
            return
        for epoch in count() if epochs is None else range(epochs):
            starts, lengths = contiguous(batching, epoch)
            for first in range(0, len(starts), a_block):
                part = slice(first, first + a_block)
                yield rows, Batch(epoch, first), starts[part], lengths[part]

    def _gathered(
        self, pool: ThreadPoolExecutor, batching: Batching, size: int, a_block: int
    ) -> Iterator[tuple[kernels.Rows, Batch, np.ndarray, np.ndarray]]:
        """What `_dealt` gives where rows are shuffled: gathered ahead by the pool, `AHEAD` blocks at a time."""
        from steepest.engines import kernels

        design = self.rows.panels.reshape(-1, self.shape[1])
        rooms = [kernel_args.room_for(self.rows, self.shape[1], a_block * size, size) for _ in range(AHEAD + 1)]
        under_way: deque[tuple[Future[None], kernels.Rows, Batch, np.ndarray]] = deque()

        def next_one() -> tuple[kernels.Rows, Batch, np.ndarray, np.ndarray]:
            done, room, batch, order = under_way.popleft()
            done.result()
            starts = np.arange(0, len(order), size)
            return room, batch, starts, np.minimum(size, len(order) - starts)

        number = 0
        for epoch, order in _orders(pool, batching):
            for first in range(0, len(order), a_block * size):
                if len(under_way) > AHEAD:
                    yield next_one()
                part, room = order[first : first + a_block * size], rooms[number % len(rooms)]
                done = pool.submit(kernels.gather, design, self.rows, part, 0, len(part), size, room)
                under_way.append((done, room, Batch(epoch, first // size), part))
                number += 1
        while under_way:
            yield next_one()

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
        from steepest.engines import kernel_rules as kernel_steps
        from steepest.engines import kernels

        many, before = len(starts), self.memory[2] if len(self.memory) == 3 else 0
        record = record_of((many,), self.shape, rows.panels.dtype)
        state = kernel_args.state_of(self.objective.theta.numpy(), self.memory, self.shape, self.free)
        rest = self.loss, self.penalty, self.rule, record
        if self.threads > 1 and lengths[0] * self.shape[0] * self.shape[1] >= WIDE:
            for i in range(many):
                total = self._gradient(pool, rows, int(starts[i]), int(lengths[i]), state)
                kernel_steps.advance(state, total, lengths[i], rates[i], before + i + 1, *rest[1:], i)
        else:
            kernels.walk(state, rows, starts, lengths, rates, before, *rest)
        if len(self.memory) == 3:
            self.memory[2] += many
        theta = record.theta.reshape(many, -1)
        return Block(t, batch, whole, rates, theta, record.loss, record.grad_norm, record.penalty)

    def _gradient(
        self, pool: ThreadPoolExecutor, rows: kernels.Rows, start: int, length: int, state: kernel_steps.State
    ) -> float:
        """Fill state.grad with the gradient's sum over a batch, cut among the threads; the sum of the losses."""
        from steepest.engines import kernels

        cuts = _cuts(length, rows.tile, self.threads) + start
        parts = [np.empty_like(state.grad) for _ in cuts[2:]]
        rest = [
            pool.submit(kernels.gradient, state.theta, rows, low, high - low, self.loss, part)
            for low, high, part in zip(cuts[1:], cuts[2:], parts, strict=False)
        ]
        total = kernels.gradient(state.theta, rows, cuts[0], cuts[1] - cuts[0], self.loss, state.grad)
        for future, part in zip(rest, parts, strict=True):
            total += future.result()
            state.grad[:] += part
        return total


def steps_a_block(shape: tuple[int, int], size: int, runs: int = 1) -> int:
    """How many steps fit into a block."""
    outputs, width = shape
    return max(1, min(ROOM // (outputs * width), WORK // (size * outputs * width * runs)))


def record_of(lead: tuple[int, ...], shape: tuple[int, int], dtype: Any) -> kernel_steps.Record:
    """Room for the record of a block: `lead` is (T,) or (runs, T)."""
    from steepest.engines.kernel_rules import Record

    return Record(np.empty((*lead, *shape), dtype), *(np.empty(lead, dtype) for _ in range(3)))


def contiguous(batching: Batching, epoch: int) -> tuple[np.ndarray, np.ndarray]:
    """Where the batches of an epoch begin and how long they are, for `blocks` and `none`."""
    size = batching.size or batching.rows
    starts = batching.order(epoch) * size
    return starts, np.minimum(size, batching.rows - starts)


def laid(pool: ThreadPoolExecutor, threads: int, rows: kernels.Rows, width: int, size: int) -> kernels.Rows:
    """All rows in panels for contiguous batches of `size` rows; where panels lie row after row nothing is copied."""
    from steepest.engines import kernels

    tile, across = kernel_args.tiling(width, size)
    if not across:
        return rows._replace(tile=tile)
    n = rows.panels.size // width
    room = kernel_args.room_for(rows, width, n, size)
    design, order = rows.panels.reshape(-1, width), np.arange(n)
    cuts = _cuts(n, tile if size == n else size, threads)
    jobs = [pool.submit(kernels.gather, design, rows, order, low, high, size, room) for low, high in pairwise(cuts)]
    for job in jobs:
        job.result()
    return room


def _cuts(length: int, unit: int, parts: int) -> np.ndarray:
    """0, …, length: about even cuts at whole units, at most `parts` + 1 of them."""
    units = -(-length // unit)
    parts = min(parts, units)
    return np.minimum(np.arange(parts + 1) * units // parts * unit, length)


def _orders(pool: ThreadPoolExecutor, batching: Batching) -> Iterator[tuple[int, np.ndarray]]:
    """Each epoch and the rows that it looks at, in order; the next epoch is dealt by the pool meanwhile."""
    steps = inf if batching.steps is None else batching.steps
    coming = pool.submit(batching.order, 0)
    for epoch in count():
        if epoch * batching.steps_per_epoch >= steps:
            return
        order = coming.result()
        if (epoch + 1) * batching.steps_per_epoch < steps:
            coming = pool.submit(batching.order, epoch + 1)
        yield epoch, order
