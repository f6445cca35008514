"""The linear family on a GPU: the loop's own steps, many of them handed over at once as a CUDA graph.

It shows what `compiled.py` shows, of one run on the device where the objective lies.

A small step takes a GPU less time than Python needs to ask for it. So the operations of some steps, those of
`LinearObjective` and of the rule just as the loop does them, are captured once and replayed: which rows and which rates
they use stands in tensors that are filled before. On a CPU nothing is captured, and the same operations are done in turn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count, islice
from math import inf
from typing import Any, NamedTuple, TypeGuard

import numpy as np

from steepest.data.batching import Batch, Batching
from steepest.descent.chunk import Chunk
from steepest.engines import batched
from steepest.engines.descents import Descents
from steepest.lazy import Tensor, torch
from steepest.model.linear_objective import LinearObjective

STEPS = 64
"""Steps that a graph holds at most."""


class _Room(NamedTuple):
    """What the captured operations read and write: rows `[T, size]` and rates `[T]`; θ `[T, p]`, and `[3, T]` of loss,
    gradient's length and penalty."""

    rows: Tensor | None
    rates: Tensor
    theta: Tensor
    numbers: Tensor


def can_run(objective: Any, rule: Any) -> TypeGuard[LinearObjective]:
    """Whether this objective and rule can be captured: the linear family on a GPU, losses and rules of our own."""
    return (
        isinstance(objective, LinearObjective)
        and objective.basis.is_cuda
        and not objective.loss.custom
        and not (rule.innermost.kind and (rule.innermost.kind.looks_again or rule.innermost.kind.keeps))
        and batched.can_run(objective, rule)
    )


def chunks(work: Descents) -> Iterator[Chunk]:
    """The steps of `descend()`, many at a time, their columns on the CPU."""
    return Graphed(work).chunks()


class Graphed:
    """A descent of a linear objective by an elementwise rule, to be replayed."""

    def __init__(self, work: Descents):
        self.work, self.objective, self.rule = work, work.objective, work.rules[0]
        theta = work.objective.theta
        # a count of steps is a tensor here, or it would be captured as it is
        self.memory = [
            part if isinstance(part, Tensor) else torch.tensor(float(part), dtype=torch.float64, device=theta.device)
            for part in self.rule.start(theta)
        ]
        self.first = work.begins_with(self._moved())
        self._made: dict[tuple[int, int | None], tuple[_Room, Callable[[], None]]] = {}

    def _moved(self) -> list[Tensor]:
        """All that steps move: θ and the rule's memory."""
        return [self.objective.theta, *self.memory]

    def chunks(self) -> Iterator[Chunk]:
        """All steps."""
        t, batching = self.first[0], self.work.batching
        last = inf if batching.steps is None else batching.steps
        for batch, rows, many in self._dealt(batching):
            many = int(min(many, last - t))
            if not many:
                break
            rates = self.work.rates(t, batch.epoch, many)
            before = [part.clone() for part in self._moved()] if self.work.kept else None
            theta, numbers = self._walk(None if rows is None else rows[:many], rates[0])
            loss, grad_norm, penalty = numbers[:, None]
            yield Chunk(t, batch, batching.size is None, rates, theta[None], loss, grad_norm, penalty, before)
            t += many
        self.rule.end(self.objective.theta, self.memory)

    def _dealt(self, batching: Batching) -> Iterator[tuple[Batch, Tensor | None, int]]:
        """For one chunk after another, without end: its first batch, its rows `[T, size]` (None: all of them), and T."""
        if batching.size is None:
            yield from ((Batch(epoch, 0), None, STEPS) for epoch in count(self.first[0], step=STEPS))
        for epoch in count(self.first[1]):
            first = self.first[2] if epoch == self.first[1] else 0
            # a batch shorter than the others, the last one or among shuffled blocks, is a chunk by itself
            for rows in _even(islice(batching.epoch(epoch), first, None)):
                yield Batch(epoch, first), rows.to(self.objective.theta.device), len(rows)
                first += len(rows)

    def _walk(self, rows: Tensor | None, rates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Some steps; θ `[T, p]` before each, and `[3, T]` of loss, gradient's length and penalty."""
        key = len(rates), None if rows is None else rows.shape[1]
        if key not in self._made:
            self._made[key] = self._ready(*key)
        room, replay = self._made[key]
        room.rates.copy_(torch.from_numpy(rates))
        if room.rows is not None and rows is not None:
            room.rows.copy_(rows)
        replay()
        return room.theta.cpu().numpy().copy(), room.numbers.cpu().numpy().copy()

    def _ready(self, steps: int, size: int | None) -> tuple[_Room, Callable[[], None]]:
        """Room for so many steps with batches of so many rows, and what takes them."""
        theta = self.objective.theta
        room = _Room(
            None if size is None else torch.zeros((steps, size), dtype=torch.int64, device=theta.device),
            theta.new_zeros(steps),
            theta.new_zeros((steps, len(theta))),
            theta.new_zeros((3, steps)),
        )

        def walk() -> None:
            for i in range(steps):
                self._step(room, i)

        if not theta.is_cuda:
            return room, walk
        moved = [theta, *(part for part in self.memory if isinstance(part, Tensor))]
        before = [part.clone() for part in moved]
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(
            aside
        ):  # libraries make room for themselves at their first use, which cannot be captured
            walk()
        torch.cuda.current_stream().wait_stream(aside)
        for part, kept in zip(moved, before, strict=True):
            part.copy_(kept)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            walk()
        return room, graph.replay

    def _step(self, room: _Room, i: int) -> None:
        """One turn of the loop, recorded."""
        theta, objective = self.objective.theta, self.objective
        batch = Batch(0, 0, None if room.rows is None else room.rows[i])
        room.theta[i] = self.rule.answer(theta, self.memory)
        loss, grad = objective.value_and_grad(theta, batch)
        room.numbers[0, i] = loss
        room.numbers[1, i] = torch.linalg.vector_norm(grad)
        room.numbers[2, i] = objective.penalty(theta)
        self.rule.update(theta, grad, self.memory, room.rates[i], _once)


def _once() -> tuple[Tensor, Tensor]:
    raise ValueError("A rule that looks twice cannot be captured; can_run() tells.")


def _even(dealt: Iterator[Batch]) -> Iterator[Tensor]:
    """Batches put together, up to `STEPS` of the same length: rows `[T, size]`."""
    together: list[Tensor] = []
    for batch in dealt:
        rows = torch.as_tensor(batch.rows)
        if together and (len(together) == STEPS or len(rows) != len(together[0])):
            yield torch.stack(together)
            together = []
        together.append(rows)
    if together:
        yield torch.stack(together)
