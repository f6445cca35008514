"""The schedule that waits: the rate is lowered where the objective no longer falls, as PyTorch's `ReduceLROnPlateau` does it.

It looks at F of all training rows, penalty included, after each epoch (with a full batch after each step), so that it is
known only on the way: such a descent goes by the loop itself.
"""

from __future__ import annotations

from math import inf
from typing import Any

from steepest.checkpoints.tree import like

THRESHOLD = 1e-4
"""The share of the best F by which it must have fallen to count as lower, as in PyTorch."""


class Plateau:
    """The factor on the rate, times `factor` after more than `patience` epochs in which F was not lower; then it waits anew.

    Not yet of a descent it is 1 everywhere. PyTorch lowers no rate by less than 1e-8; here any is, since rates have units.

    Example:
        >>> waiting = Plateau(0.5, 1)
        >>> [waiting.seen(value) for value in (3.0, 2.0, 2.0, 2.0, 2.0, 1.0)]
        [1.0, 1.0, 1.0, 0.5, 0.5, 0.5]
    """

    def __init__(self, factor: float, patience: float):
        self.lower, self.patience = factor, patience
        self.best, self.bad, self.now, self.epoch = inf, 0, 1.0, 0
        self.objective: Any = None
        self.theta: Any = None

    def of(self, objective: Any, theta: Any) -> Plateau:
        """The same at the beginning of a descent, whose θ it looks at."""
        own = Plateau(self.lower, self.patience)
        own.objective, own.theta = objective, theta
        return own

    def state(self) -> dict[str, Any]:
        """What was seen so far."""
        return {"best": self.best, "bad": self.bad, "now": self.now, "epoch": self.epoch}

    def take_up(self, state: Any) -> None:
        """Go on from what another one has seen. Unlike where that is something else."""
        vars(self).update(like(self.state(), state, "schedule"))

    def seen(self, value: float) -> float:
        """The factor after an epoch that ended at F = value."""
        if value < self.best * (1.0 - THRESHOLD):
            self.best, self.bad = value, 0
        else:
            self.bad += 1
        if self.bad > self.patience:
            self.now, self.bad = self.now * self.lower, 0
        return self.now

    def __call__(self, step: int, epoch: int) -> float:
        if self.objective is not None and epoch != self.epoch:
            self.epoch = epoch
            self.seen(float(self.objective.value(self.theta) + self.objective.penalty(self.theta)))
        return self.now
