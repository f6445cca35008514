"""The linear family on a GPU: the loop's own steps, many of them handed over at once as a CUDA graph.

`Graphed` shows what `fused.Fused` shows, on the device where the objective lies:

    for block in Graphed(objective, rule).descend(256, "rows", seed, epochs, lr=0.1, schedule=constant):
        …                      a Block, its columns on the CPU; at the end one Step, as the loop's

A small step takes a GPU less time than Python needs to ask for it. So the operations of some steps, those of
`LinearObjective` and of the rule just as the loop does them, are captured once and replayed: which rows and which rates
they use stands in tensors that are filled before. On a CPU nothing is captured, and the same operations are done in turn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from typing import Any, NamedTuple, TypeGuard

import numpy as np
import torch
from torch import Tensor

from steepest.data.batching import Batch, Batching
from steepest.descent.chunk import Block
from steepest.descent.loop import Step
from steepest.descent.schedules import Schedule, constant, factors
from steepest.engines import batched
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
        and batched.can_run(objective, rule)
    )


class Graphed:
    """A linear objective and an elementwise rule, to be replayed. θ is the objective's own, moved in place."""

    def __init__(self, objective: LinearObjective, rule: Any):
        self.objective, self.rule, like = objective, rule, objective.theta
        # a count of steps is a tensor here, or it would be captured as it is
        self.memory = [
            part if isinstance(part, Tensor) else torch.tensor(float(part), dtype=torch.float64, device=like.device)
            for part in rule.start(like)
        ]
        self._made: dict[tuple[int, int | None], tuple[_Room, Callable[[], None]]] = {}

    def descend(self, batching: Batching, *, lr: float = 0.1, schedule: Schedule = constant) -> Iterator[Block | Step]:
        """The steps of `descend()` on these batches, in blocks.

        As in the loop a last Step carries θ_N, with the loss and gradient over all rows.
        """
        t, epoch, rate, whole = 0, 0, lr, batching.size is None
        for batch, rows, many in self._dealt(batching):
            many = many if batching.steps is None else min(many, batching.steps - t)
            if not many:
                break
            rates = lr * factors(schedule, t, batch.epoch, many, whole)
            theta, numbers = self._walk(None if rows is None else rows[:many], rates)
            block = Block(t, batch, whole, rates, theta, *numbers)
            yield block
            t, epoch, rate = t + many, block.epoch(many - 1) + 1, float(rates[-1])
        loss, grad = self.objective.value_and_grad(self.objective.theta)
        yield Step(t, epoch, rate, self.objective.theta, loss, grad, None)

    def _dealt(self, batching: Batching) -> Iterator[tuple[Batch, Tensor | None, int]]:
        """For one block after another: its first batch, its rows `[T, size]` (None: all of them), and T."""
        for epoch in count(step=STEPS if batching.size is None else 1):
            if batching.epochs is not None and epoch >= batching.epochs:
                return
            if batching.size is None:
                yield Batch(epoch, 0), None, STEPS if batching.epochs is None else min(STEPS, batching.epochs - epoch)
                continue
            first = 0
            # a batch shorter than the others, the last one or among shuffled blocks, is a block by itself
            for rows in _even(batching.epoch(epoch)):
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
        like = self.objective.theta
        room = _Room(
            None if size is None else torch.zeros((steps, size), dtype=torch.int64, device=like.device),
            like.new_zeros(steps),
            like.new_zeros((steps, len(like))),
            like.new_zeros((3, steps)),
        )

        def walk() -> None:
            for i in range(steps):
                self._step(room, i)

        if not like.is_cuda:
            return room, walk
        moved = [like, *(part for part in self.memory if isinstance(part, Tensor))]
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
        room.theta[i] = theta
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
