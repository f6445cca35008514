"""Descents of one objective, side by side: what an engine is given, whichever it is.

Each has a start, a rule, a learning rate, a schedule and a seed of its own; the objective and the kind of batches they
share. A fit is one of them. Every engine takes the same steps, and shows them in chunks (`descent/chunk.py`):

    for chunk in choice.choose(descents).chunks(descents):
        …                      at the end θ_N lies in descents.theta
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import inf
from typing import Any

import numpy as np

from steepest.checkpoints.tree import like
from steepest.data.batching import Batching
from steepest.descent.averaging import NEVER
from steepest.descent.loop import Position
from steepest.descent.rule import Rule
from steepest.descent.schedule_factors import Schedule, constant, factors
from steepest.lazy import Tensor
from steepest.model.objective import Objective


@dataclass
class Descents:
    """What is to be done, and how far it is.

    theta: where each starts, `[runs, p]`; moved in place. rules, lr, schedules, seeds (of the batches): one a run.
    batching: until when the longest of them goes. given: batches of the user's, in the place of ours.
    averages: for each after how many updates the first θ is one of the answer's mean; None where none is.
    together: the objective of all runs at once, `[runs, p]` → `[runs]`; None for a single run from the objective's own θ.
    kept: whether chunks are to carry the state that they begin with. resume: where it was interrupted, to go on from there.
    alive: `[runs]`, which go on; one that has ended may be moved on, unseen.
    """

    objective: Any
    theta: Tensor
    rules: Sequence[Rule]
    lr: np.ndarray
    schedules: Sequence[Schedule]
    batching: Batching
    seeds: Sequence[int]
    given: Iterable[Any] | None = None
    together: Objective | None = None
    averages: Sequence[int] | None = None
    kept: bool = False
    resume: Position | None = None
    alive: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.lr = np.asarray(self.lr, dtype=np.float64)
        self.alive = np.ones(len(self.theta), dtype=bool)
        if self.averages is not None and min(self.averages) >= NEVER:
            self.averages = None

    @classmethod
    def one(
        cls,
        objective: Any,
        rule: Rule,
        batching: Batching,
        lr: float = 0.1,
        schedule: Schedule = constant,
        given: Any = None,
        averages: int = NEVER,
    ) -> Descents:
        """A single one. θ is the objective's own."""
        theta = objective.theta[None]
        rates, seeds = np.array([lr]), [batching.seed]
        return cls(objective, theta, [rule], rates, [schedule], batching, seeds, given, None, [averages])

    def __len__(self) -> int:
        return len(self.theta)

    def begins_with(self, moved: Sequence[Any]) -> tuple[int, int, int]:
        """The step, epoch and batch to begin with; what moves is put where it was when the descents were interrupted there."""
        if self.resume is None:
            return 0, 0, 0
        for part, kept in zip(moved, like(moved, self.resume.state), strict=True):
            part[...] = kept
        return self.resume[:3]

    @property
    def updates(self) -> float:
        """Steps of all runs together, where none ends before the others; inf without an end."""
        return inf if self.batching.steps is None else float(len(self) * self.batching.steps)

    @property
    def apart(self) -> bool:
        """Whether the θ that is shown is another one than that of the loss and the gradient beside it."""
        return self.averages is not None or any(
            rule.innermost.kind and rule.innermost.kind.answer for rule in self.kinds
        )

    @property
    def kinds(self) -> Iterable[Rule]:
        """The rules, each once."""
        return {id(rule): rule for rule in self.rules}.values()

    def rates(self, t: int, epoch: int, count: int) -> np.ndarray:
        """The learning rates `[runs, count]` of the steps from `t` on, all in one epoch or with the full batch in one each."""
        distinct, which = self._schedules
        each = [factors(schedule, t, epoch, count, self.batching.size is None) for schedule in distinct]
        return self.lr[:, None] * np.stack(each)[which]

    @cached_property
    def _schedules(self) -> tuple[list[Schedule], np.ndarray]:
        """The schedules, each once, and for each run which of them is its own."""
        distinct = list(dict.fromkeys(self.schedules))
        return distinct, np.array([distinct.index(schedule) for schedule in self.schedules])
