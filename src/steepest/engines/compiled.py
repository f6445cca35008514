"""The linear family compiled: the loop's own path, many steps a call, of one run or of many.

    for chunk in chunks(descents):
        …                      a Chunk: columns [runs, T], written again by the one after the next

It is an optimisation of the loop and no second meaning: from the same θ and memory every update agrees to rounding.
A small step of a run takes less time than handing its numbers to PyTorch would, so each run goes through a chunk by
itself (`kernels.walk_runs`), a share of the runs on each thread; while a chunk is looked at, the next one is under way.
Chunks are short enough (`WORK`) that whoever looks at them can stop a descent soon.

- Rows are copied into panels (`kernels.py`) once where batches are contiguous; shuffled rows are gathered into panels
  ahead: threads fetch those of the next chunks while this one is walked, and deal the next epoch. Where runs have seeds
  of their own, each thread gathers for its runs.
- Large batches of few runs are cut among all threads, one step a call.
- Rows of a stream are read window by window, and each batch is added up in its parts (`kernel_parts.py`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from itertools import count, groupby, pairwise
from math import inf
from typing import Any, NamedTuple

import numpy as np

from steepest.data.batching import Batch, Batching
from steepest.data.windows import Windows
from steepest.descent.chunk import Chunk
from steepest.engines import kernel_args, kernel_parts, kernel_rules, kernels
from steepest.engines.descents import Descents
from steepest.engines.kernel_rows import Rows, gather
from steepest.lazy import torch
from steepest.ranks.group import current
from steepest.ranks.tree import PARTS

ROOM, ROOM_OF_ALL = 2**18, 2**21
"""Entries of θ that a chunk holds at most, one θ a step: of a run, and of all runs together."""

WORK = 2**27
"""Entries of the design that a chunk's steps read at most (about a tenth of a second)."""

GATHERED = 2**19
"""Entries of the design that are gathered at a time: they should stay in a shared cache until they are used."""

AHEAD = 2
"""Chunks that are gathered ahead."""

WIDE = 2**20
"""Entries of a batch from which it is cut among threads."""

SMALL = 2**16
"""Entries of the design that a chunk's steps read up to which they are not worth handing to other threads."""


class _Dealt(NamedTuple):
    """The steps of a chunk: its first batch, and for each seed where its batches begin and how long they are, `[seeds, T]`.

    orders: rows still to be gathered, `[seeds, …]`; none where they lie in `room`. count: of a stream the rows of a batch; starts
    and lengths are then those of its parts, `[parts, T]`.
    """

    batch: Batch
    room: Rows | None
    orders: np.ndarray
    starts: np.ndarray
    lengths: np.ndarray
    count: int = 0


def chunks(work: Descents) -> Iterator[Chunk]:
    """The steps of `descend()` of every run, in chunks that end with an epoch at the latest (unless an epoch is a step)."""
    return Compiled(work).chunks()


class Compiled:
    """Descents of a linear objective made ready to be run by `kernels.py`.

    state: θ, the rules' memories and room for gradients, `[runs, k, r]`. counts: updates of each run that were made.
    """

    def __init__(self, work: Descents):
        objective, runs = work.objective, len(work)
        self.work, self.objective, self.batching = work, objective, work.batching
        self.loss, self.penalty = kernel_args.loss_code(objective.loss), kernel_args.penalty_code(objective)
        self.rows = kernel_args.rows_as_they_lie(objective)
        self.shape = objective.outputs, objective.basis.shape[1]
        each = {id(rule): kernel_args.rule_code(objective, rule) for rule in work.kinds}
        self.codes = [each[id(rule)] for rule in work.rules]
        coded = np.array(self.codes, dtype=np.float64)
        self.kinds, self.numbers = coded[:, :2].astype(np.int64), np.ascontiguousarray(coded[:, 2:])
        free = np.zeros((objective.outputs, self.penalty.mask.shape[1]), self.rows.panels.dtype)
        formulas = [rule.innermost.kind for rule in work.rules if rule.innermost.kind]
        self.state = kernel_args.state_of(work.theta.numpy(), (runs, *self.shape), free, formulas)
        self.formulas = formulas
        self.reduced = self.batching.size is not None and any(kind.keeps for kind in formulas)
        self.tables = kernel_args.table_of(work.theta, objective, self.state, formulas if self.reduced else ())
        self.counts = np.zeros(runs, dtype=np.int64)
        self.first = work.begins_with(self._moved())
        seeds, self.which = np.unique(np.array(work.seeds, dtype=np.uint64), return_inverse=True)
        if self.batching.size is None or self.batching.shuffle == "none":
            seeds, self.which = seeds[:1], np.zeros_like(self.which)
        self.each = [replace(self.batching, seed=int(seed)) for seed in seeds]
        self.threads = max(1, torch.get_num_threads())

    def _moved(self) -> list[np.ndarray]:
        """All that steps move: θ, the rules' memories, and the counts of updates."""
        return [*self.state[: 1 + self.state.MEMORIES], *([self.tables] if self.tables.size else []), self.counts]

    def chunks(self) -> Iterator[Chunk]:
        """All steps of the runs that are alive."""
        t, shown, done = self.first[0], None, []
        last = inf if self.batching.steps is None else self.batching.steps
        records: dict[tuple[int, int], Any] = {}  # two of a kind: one to be looked at, one to be written
        with ThreadPoolExecutor(max(self.threads, 2)) as pool:
            try:
                for turn, dealt in enumerate(self._dealt(pool)):
                    many = int(min(dealt.starts.shape[1], last - t))
                    if not many or not self.work.alive.any():
                        break
                    starts, lengths = (np.ascontiguousarray(part[:, :many]) for part in (dealt.starts, dealt.lengths))
                    rates, key = self.work.rates(t, dealt.batch.epoch, many), (many, turn % 2)
                    if key not in records:
                        records[key] = kernel_args.record_of((len(rates), many), self.shape, self.rows.panels.dtype)
                    record = records[key]
                    wait(done)
                    if self.reduced and dealt.batch.index == 0:
                        kernel_args.take_snapshots(self.work, self.state, self.formulas)
                    before = [part.copy() for part in self._moved()] if self.work.kept else None
                    done = self._walk(pool, dealt._replace(starts=starts, lengths=lengths), rates, record)
                    if shown is not None:  # while it is looked at, the next one is walked already
                        yield shown
                    theta, whole = record.theta.reshape(len(rates), many, -1), self.batching.size is None
                    columns = record.loss, record.grad_norm, record.penalty
                    shown = Chunk(t, dealt.batch, whole, rates, theta, *columns, before)
                    t += many
                    if not done:
                        yield shown
                        shown = None
                wait(done)
                if shown is not None:
                    yield shown
                self._end()
            finally:
                pool.shutdown(cancel_futures=True)

    def _end(self) -> None:
        """θ becomes the answer, of rules whose answer is another."""
        for run, kind in enumerate(self.formulas):
            if kind.answer:
                self.state.theta[run] = self.state[1 + kind.memories.index(kind.answer)][run]

    def _dealt(self, pool: ThreadPoolExecutor) -> Iterator[_Dealt]:
        """One chunk after another, without end but for what is gathered ahead."""
        n, size = self.batching.rows, self.batching.size or self.batching.rows
        entries = self.shape[0] * self.shape[1]
        runs = len(self.work)
        most = max(1, min(ROOM // entries, ROOM_OF_ALL // (runs * entries), WORK // (size * entries * runs)))
        if self.batching.windows is not None:
            yield from self._streamed(size, min(most, max(1, GATHERED // self.shape[1] // size)))
            return
        if self.batching.size is not None and self.batching.shuffle in ("rows", "draws"):
            if len(self.each) == 1 and not self.tables.size:  # which has to know the rows' numbers
                yield from self._gathered(pool, size, min(most, max(1, GATHERED // self.shape[1] // size)))
            else:
                yield from self._to_gather(size, most)
            return
        room, nothing = (
            laid(pool, self.threads, self.rows, self.shape[1], size),
            np.zeros((len(self.each), 0), np.int64),
        )
        if self.batching.size is None:
            most = min(most, self.batching.steps or most)
            for epoch in count(self.first[0], step=most):
                yield _Dealt(Batch(epoch, 0), room, nothing, np.zeros((1, most), np.int64), np.full((1, most), n))
        for epoch in count(self.first[1]):
            starts = np.stack([one.order(epoch) for one in self.each]) * size
            for first in range(self._begin(epoch), starts.shape[1], most):
                part = starts[:, first : first + most]
                yield _Dealt(Batch(epoch, first), room, nothing, part, np.minimum(size, n - part))

    def _streamed(self, size: int, most: int) -> Iterator[_Dealt]:
        """Rows that are read from files, window by window; those to come are decoded, permuted and laid out meanwhile."""
        assert self.batching.windows is not None
        pieces = self._laid_out(self.batching.windows, size, most)
        try:
            with ThreadPoolExecutor(1) as reader:
                coming = reader.submit(next, pieces, None)
                while (dealt := coming.result()) is not None:
                    coming = reader.submit(next, pieces, None)
                    yield dealt
        finally:  # its thread has ended
            pieces.close()

    def _laid_out(self, windows: Windows, size: int, most: int) -> Generator[_Dealt]:
        """The rows of some steps at a time, copied out of the windows before these go on."""
        width, nothing = self.shape[1], np.zeros((1, 0), dtype=np.int64)
        rooms = list[Rows]()  # in turns: one is walked while the other is filled
        for epoch, steps, held, orders in windows.orders(self.batching, self.first[0], self.batching.steps):
            source = kernel_args.rows_of(held, self.objective) if held else self.rows  # this rank has no part of these
            for first in range(0, steps.count, most):
                parts = [order[first : first + most] for order in orders]
                order = np.concatenate([part.ravel() for part in parts])
                if len(rooms) < 2:
                    rooms.append(kernel_args.room_for(source, width, most * size, -(-size // PARTS)))
                rooms.reverse()
                room = rooms[0]
                lengths = np.array([[part.shape[1]] * len(part) for part in parts])
                starts = (np.cumsum(lengths) - lengths.ravel()).reshape(lengths.shape)
                begin = 0
                for rows, alike in groupby(parts, lambda part: part.shape[1]):
                    end = begin + sum(part.size for part in alike)
                    if rows:
                        gather(source, width, order, begin, end, rows, room)
                    begin = end
                yield _Dealt(Batch(epoch, steps.first + first), room, nothing, starts, lengths, steps.rows)

    def _begin(self, epoch: int) -> int:
        """The place of the first batch in an epoch."""
        return self.first[2] if epoch == self.first[1] else 0

    def _to_gather(self, size: int, most: int) -> Iterator[_Dealt]:
        """Shuffled rows, others for each seed."""
        for epoch in count(self.first[1]):
            orders = np.stack([one.order(epoch) for one in self.each])
            for first in range(self._begin(epoch) * size, orders.shape[1], most * size):
                part = np.ascontiguousarray(orders[:, first : first + most * size])
                starts = np.arange(0, part.shape[1], size)[None].repeat(len(part), 0)
                yield _Dealt(Batch(epoch, first // size), None, part, starts, np.minimum(size, part.shape[1] - starts))

    def _gathered(self, pool: ThreadPoolExecutor, size: int, most: int) -> Iterator[_Dealt]:
        """Shuffled rows, the same for all runs: gathered by the pool, `AHEAD` chunks at a time."""
        width, nothing = self.shape[1], np.zeros((1, 0), dtype=np.int64)
        # the last one may still be walked while others are gathered
        rooms = [kernel_args.room_for(self.rows, self.shape[1], most * size, size) for _ in range(AHEAD + 2)]
        under_way: deque[tuple[Future[None], _Dealt]] = deque()

        def next_one() -> _Dealt:
            done, dealt = under_way.popleft()
            done.result()
            return dealt

        number = 0
        for epoch, order in _orders(pool, self.each[0], self.first[1]):
            for first in range(self._begin(epoch) * size, len(order), most * size):
                if len(under_way) > AHEAD:
                    yield next_one()
                part, room = order[first : first + most * size], rooms[number % len(rooms)]
                done = pool.submit(gather, self.rows, width, part, 0, len(part), size, room)
                starts = np.arange(0, len(part), size)[None]
                dealt = _Dealt(Batch(epoch, first // size), room, nothing, starts, np.minimum(size, len(part) - starts))
                under_way.append((done, dealt))
                number += 1
        while under_way:
            yield next_one()

    def _walk(self, pool: ThreadPoolExecutor, dealt: _Dealt, rates: np.ndarray, record: Any) -> list[Future[None]]:
        """One chunk of all runs that are alive, those with the same rows after one another: begun, or done already."""
        if self.batching.windows is not None:
            self._walk_parts(dealt, rates[0], record)
            return []
        turns = np.flatnonzero(self.work.alive)
        turns = turns[np.argsort(self.which[turns], kind="stable")]
        counts, size = self.counts.copy(), self.batching.size or self.batching.rows
        self.counts += rates.shape[1]
        entries = self.shape[0] * self.shape[1]
        if (
            not self.reduced
            and dealt.room is not None
            and len(turns) < self.threads
            and int(dealt.lengths[0, 0]) * entries >= WIDE
        ):
            for run in turns.tolist():
                self._walk_wide(pool, dealt, run, rates[run], int(counts[run]), record)
            return []

        def job(part: np.ndarray) -> None:
            room = dealt.room
            if room is None:
                room = kernel_args.room_for(self.rows, self.shape[1], dealt.orders.shape[1], size)
            kernels.walk_runs(
                self.state, self.rows, dealt.orders, size, room, dealt.starts, dealt.lengths, rates, counts, self.loss,
                self.penalty, self.kinds, self.numbers, self.which, part, record, self.reduced, self.tables,
            )  # fmt: skip

        if len(turns) == 1 or len(turns) * int(dealt.lengths.max(0).sum()) * entries <= SMALL:
            job(turns)
            return []
        return [pool.submit(job, part) for part in np.array_split(turns, self.threads)]

    def _walk_parts(self, dealt: _Dealt, rates: np.ndarray, record: Any) -> None:
        """One chunk of the one run that there is, each batch added up in its parts."""
        group, rows = current(), dealt.room
        assert rows is not None

        def exchange(grad: np.ndarray, total: np.ndarray) -> None:
            grad[...], total[...] = group.merged([grad, total])

        *moved, grad, free = self.state
        kernel_parts.walk_parts(
            kernel_rules.State._make([*(part[0] for part in moved), grad, free]), rows, dealt.starts, dealt.lengths,
            dealt.count, rates, int(self.counts[0]), self.loss, self.penalty, self.codes[0],
            kernel_rules.Record(*(part[0] for part in record)), exchange if group.size > 1 else None,
        )  # fmt: skip
        self.counts += len(rates)

    def _walk_wide(
        self, pool: ThreadPoolExecutor, dealt: _Dealt, run: int, rates: np.ndarray, count: int, record: Any
    ) -> None:
        """One chunk of one run, each batch cut among the threads."""
        *moved, grad, free = self.state
        state = kernel_rules.State._make([*(part[run] for part in moved), np.empty_like(grad, shape=self.shape), free])
        own = kernel_rules.Record(*(part[run] for part in record))
        seed = self.which[run]
        for i, (start, length) in enumerate(
            zip(dealt.starts[seed].tolist(), dealt.lengths[seed].tolist(), strict=True)
        ):
            total = self._gradient(pool, dealt.room, start, length, state)
            kernel_rules.advance(state, total, length, rates[i], count + i + 1, self.penalty, self.codes[run], own, i)

    def _gradient(self, pool: ThreadPoolExecutor, rows: Any, start: int, length: int, state: Any) -> float:
        """Fill state.grad with the gradient's sum over a batch, cut among the threads; the sum of the losses."""
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


def wait(jobs: Sequence[Future[None]]) -> None:
    """Until all are done; what went wrong in one is raised here."""
    for job in jobs:
        job.result()


def laid(pool: ThreadPoolExecutor, threads: int, rows: Rows, width: int, size: int) -> Rows:
    """All rows in panels for contiguous batches of `size` rows; where panels lie row after row nothing is copied."""
    tile, across = kernel_args.tiling(width, size)
    if not across:
        return rows._replace(tile=tile)
    n = rows.panels.size // width
    room = kernel_args.room_for(rows, width, n, size)
    order = np.arange(n)
    cuts = _cuts(n, tile if size == n else size, threads)
    wait([pool.submit(gather, rows, width, order, low, high, size, room) for low, high in pairwise(cuts)])
    return room


def _cuts(length: int, unit: int, parts: int) -> np.ndarray:
    """0, …, length: about even cuts at whole units, at most `parts` + 1 of them."""
    units = -(-length // unit)
    parts = min(parts, units)
    return np.minimum(np.arange(parts + 1) * units // parts * unit, length)


def _orders(pool: ThreadPoolExecutor, batching: Batching, first: int) -> Iterator[tuple[int, np.ndarray]]:
    """Each epoch from one on and the rows that it looks at, in order; the next epoch is dealt by the pool meanwhile."""
    steps = inf if batching.steps is None else batching.steps
    coming = pool.submit(batching.order, first)
    for epoch in count(first):
        if epoch * batching.steps_per_epoch >= steps:
            return
        order = coming.result()
        if (epoch + 1) * batching.steps_per_epoch < steps:
            coming = pool.submit(batching.order, epoch + 1)
        yield epoch, order
