"""Many descents of one linear objective, compiled: what `sweep.walk` shows, run after run instead of side by side.

    for block in FusedRuns(objective, rules, theta).descend(10, "rows", seeds, lr=rates, schedules=each):
        …                      Blocks: columns [runs, T]; at the end one Step, as the loop's

A small step of a single run takes less time than handing its numbers to PyTorch would, so each run goes through a block
by itself (`kernels.walk_runs`), a share of the runs on each thread. What it does is what `fused.Fused` does for it alone,
to the last bit but for the order in which very large batches are summed. Runs with the same seed share their rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from steepest.data.batching import Batch, Batching
from steepest.descent.chunk import Blocks
from steepest.descent.loop import Step
from steepest.descent.schedules import Schedule, factors
from steepest.engines import kernel_args
from steepest.engines.compiled import LOOP_ENTRY, WORTH, contiguous, laid, record_of, steps_a_block
from steepest.model.linear_objective import LinearObjective

ROOM = 2**21
"""Entries of θ that a block holds at most, of all runs and steps together."""

SMALL = 2**16
"""Entries of the design that a block's steps read up to which they are not worth handing to other threads."""


SIDE_BY_SIDE = 1e-6
"""Seconds that a run's step takes more side by side in PyTorch, beside those for its entries."""


def pays(objective: LinearObjective, size: int | None, updates: float) -> bool:
    """Whether so many updates of all runs together win back the time to load compiled code."""
    batch = min(size or objective.rows, objective.rows)
    return updates * (SIDE_BY_SIDE + LOOP_ENTRY * batch * len(objective.theta)) >= WORTH


class FusedRuns:
    """Many descents from θ `[runs, k·r]` (moved in place), each by a rule of its own.

    `alive` `[runs]` says which go on; a run that has ended may be moved for one block more, unseen.
    """

    def __init__(self, objective: LinearObjective, rules: Sequence[Any], theta: Tensor):
        self.objective, self.theta, runs = objective, theta, len(theta)
        self.loss, self.penalty = kernel_args.loss_code(objective.loss), kernel_args.penalty_code(objective)
        self.rows = kernel_args.rows_as_they_lie(objective)
        self.shape = objective.outputs, objective.basis.shape[1]
        distinct = {id(rule): rule for rule in rules}
        place = {key: number for number, key in enumerate(distinct)}
        each = np.array([kernel_args.rule_code(objective, rule) for rule in distinct.values()], dtype=np.float64)
        coded = each[[place[id(rule)] for rule in rules]]
        self.kinds, self.numbers = coded[:, :2].astype(np.int64), np.ascontiguousarray(coded[:, 2:])
        free = np.zeros((objective.outputs, self.penalty.mask.shape[1]), self.rows.panels.dtype)
        memory = [torch.zeros_like(theta), torch.zeros_like(theta)]
        self.state = kernel_args.state_of(theta.numpy(), memory, (runs, *self.shape), free)
        self.alive = np.ones(runs, dtype=bool)
        self.threads = max(1, torch.get_num_threads())

    def descend(
        self, batching: Batching, seeds: Sequence[int], *, lr: np.ndarray, schedules: Sequence[Schedule]
    ) -> Iterator[Blocks | Step]:
        """The steps of every run, in blocks that end with an epoch at the latest (unless an epoch is a step).

        Args:
            seeds: one a run, of its batches.
            lr: `[runs]`. schedules: one a run.

        As in the loop a last Step carries θ_N `[runs, k·r]`, with the loss and gradient of all rows. A block's arrays are
        written again by the one after the next.
        """
        size, steps = batching.size, batching.steps
        distinct, which = np.unique(np.array(seeds, dtype=np.uint64), return_inverse=True)
        if size is None or batching.shuffle == "none":
            distinct, which = distinct[:1], np.zeros_like(which)
        each = list(dict.fromkeys(schedules))
        own = np.array([each.index(schedule) for schedule in schedules])
        lr = np.asarray(lr, dtype=np.float64)
        n, t, epoch = self.objective.rows, 0, 0
        rates = lr[:, None]
        with ThreadPoolExecutor(self.threads) as pool:
            done, shown = [], None
            records: dict[tuple[int, int], Any] = {}  # two of a kind: one to be looked at, one to be written
            for turn, dealt in enumerate(self._dealt(pool, batching, distinct)):
                batch, orders, room, starts, lengths = dealt
                if steps is not None:
                    starts, lengths = starts[:, : steps - t], lengths[:, : steps - t]
                many, whole = starts.shape[1], size is None
                if not many or not self.alive.any():
                    break
                paces = np.stack([factors(schedule, t, batch.epoch, many, whole) for schedule in each])
                rates = lr[:, None] * paces[own]
                key = many, turn % 2
                if key not in records:
                    records[key] = record_of((len(lr), many), self.shape, self.rows.panels.dtype)
                record = records[key]
                wait(done)
                done = self._walk(pool, orders, room, size or n, starts, lengths, rates, t, which, record)
                if shown is not None:  # while it is looked at, the next one is walked already
                    yield shown
                theta = record.theta.reshape(len(lr), many, -1)
                shown = Blocks(t, batch, whole, rates, theta, record.loss, record.grad_norm, record.penalty)
                t, epoch = t + many, shown.epoch(many - 1) + 1
            wait(done)
            if shown is not None:
                yield shown
            loss, grad = self._at_the_end(pool)
        yield Step(t, epoch, rates[:, -1:], self.theta, loss, grad, None)

    def _dealt(
        self, pool: ThreadPoolExecutor, batching: Batching, seeds: np.ndarray
    ) -> Iterator[tuple[Batch, np.ndarray, Any, np.ndarray, np.ndarray]]:
        """For one block after another: its first batch, the rows to gather `[seeds, …]` (none: they lie in the room
        already), the room, and where each batch begins and how long it is, `[seeds, T]`."""
        n, runs, size, epochs = self.objective.rows, len(self.theta), batching.size, batching.epochs
        a_block = max(
            1, min(ROOM // (runs * self.shape[0] * self.shape[1]), steps_a_block(self.shape, size or n, runs))
        )
        nothing = np.zeros((len(seeds), 0), dtype=np.int64)
        epoch = 0
        if size is None:
            room = laid(pool, self.threads, self.rows, self.shape[1], n)
            while epochs is None or epoch < epochs:
                many = a_block if epochs is None else min(a_block, epochs - epoch)
                yield Batch(epoch, 0), nothing, room, np.zeros((1, many), np.int64), np.full((1, many), n)
                epoch += many
            return
        each = [replace(batching, seed=int(seed)) for seed in seeds]
        gathered = batching.shuffle in ("rows", "draws")
        room = None if gathered else laid(pool, self.threads, self.rows, self.shape[1], size)
        while epochs is None or epoch < epochs:
            if gathered:
                orders = np.stack([one.order(epoch) for one in each])
                starts = np.arange(0, orders.shape[1], size)[None].repeat(len(seeds), 0)
                lengths = np.minimum(size, orders.shape[1] - starts)
            else:
                orders = nothing
                pairs = [contiguous(one, epoch) for one in each]
                starts, lengths = (np.stack(column) for column in zip(*pairs, strict=True))
            for first in range(0, starts.shape[1], a_block):
                part = slice(first, first + a_block)
                begins = starts[:, part] - (first * size if gathered else 0)
                rows = orders[:, first * size : (first + a_block) * size]
                yield Batch(epoch, first), np.ascontiguousarray(rows), room, begins.copy(), lengths[:, part].copy()
            epoch += 1

    def _walk(
        self,
        pool: ThreadPoolExecutor,
        orders: np.ndarray,
        room: Any,
        size: int,
        starts: np.ndarray,
        lengths: np.ndarray,
        rates: np.ndarray,
        t: int,
        which: np.ndarray,
        record: Any,
    ) -> list[Future[None]]:
        """One block of all runs that are alive, those with the same rows after one another: begun, or done already."""
        from steepest.engines import kernels

        turns = np.flatnonzero(self.alive)
        turns = turns[np.argsort(which[turns], kind="stable")]
        counts = np.full(len(which), t)

        def job(part: np.ndarray) -> None:
            place = room
            if place is None:
                place = kernel_args.room_for(self.rows, self.shape[1], orders.shape[1], size)
            kernels.walk_runs(
                self.state, self.rows, orders, size, place, starts, lengths, rates, counts, self.loss, self.penalty,
                self.kinds, self.numbers, which, part, record,
            )  # fmt: skip

        work = len(turns) * int(lengths.max(0).sum()) * self.shape[0] * self.shape[1]
        return self._share(pool, job, turns, work)

    def _at_the_end(self, pool: ThreadPoolExecutor) -> tuple[Tensor, Tensor]:
        """The loss `[runs]` and gradient `[runs, k·r]` over all rows, of the runs that are alive; NaN for the others."""
        n, thetas = self.objective.rows, self.state.theta
        losses, grads = np.full(len(thetas), np.nan, thetas.dtype), np.full_like(thetas, np.nan)
        turns = np.flatnonzero(self.alive)
        if turns.size:
            from steepest.engines import kernels

            rows = laid(pool, self.threads, self.rows, self.shape[1], n)
            work = len(turns) * n * self.shape[0] * self.shape[1]

            def job(part: np.ndarray) -> None:
                kernels.gradient_runs(thetas, rows, n, self.loss, part, losses, grads)

            wait(self._share(pool, job, turns, work))
        grad = torch.from_numpy(grads.reshape(len(grads), -1)) / n
        return torch.from_numpy(losses) / n, self.objective.with_penalty(grad, self.theta)

    def _share(
        self, pool: ThreadPoolExecutor, job: Callable[[np.ndarray], None], turns: np.ndarray, work: int
    ) -> list[Future[None]]:
        """Begin a job for all of `turns`, shared among the threads; where there is little to do, do it here."""
        if work <= SMALL:
            job(turns)
            return []
        return [pool.submit(job, part) for part in np.array_split(turns, self.threads)]


def wait(jobs: Sequence[Future[None]]) -> None:
    """Until all are done; what went wrong in one is raised here."""
    for job in jobs:
        job.result()
