"""Least squares with an l1 penalty on a tall table: `optimizer="auto"` where a pass over the rows is what costs.

A proximal Newton step in the columns that take part: those whose coefficient is not 0, and those that the gradient shows would
not stay there. Only their squares are summed, and the minimum in them is found exactly. The next pass gives the gradient of all
columns, which shows whether any was missed, and proves how far the minimum is.

Source: Johnson and Guestrin, Blitz: a principled meta-algorithm for scaling sparse optimization (2015).
"""

from __future__ import annotations

from typing import Any, final

import numpy as np

from steepest.checkpoints.tree import like
from steepest.descent.rule import Again, Memory, Newton
from steepest.model.tall_curvature import Curvature, numbers_of
from steepest.model.tall_objective import TallObjective
from steepest.numerics.active_set import feature_sign

MOST_NEW = 100
"""Columns that enter at once, where fewer than so many take part."""


@final
class TallLasso(Newton):
    """θ ← argmin g·d + ½·dᵀHd + l1·Σ|θ + d| over the columns that take part. One instance serves one descent."""

    def __init__(self, objective: TallObjective):
        assert objective.penalty_term is not None
        self.objective, self.first = objective, objective.first
        self.thresholds = objective.penalty_term.thresholds
        self.index = np.arange(self.first)  # of the coefficients that take part, the intercept first
        self.curvature: Curvature | None = None

    def start(self, theta: np.ndarray) -> Memory:
        """Memory: F at the start."""
        return [self.objective.whole(theta)]

    def update(self, theta: np.ndarray, grad: np.ndarray, memory: Memory, lr: Any, again: Again) -> None:
        value = self.objective.whole(theta)
        floor = max(abs(value), 1e-12 * memory[0]) * np.finfo(np.float64).eps
        found, promised = self._minimum(theta, grad)
        moved = theta.copy()
        moved[self.index] = found
        self.arrived = promised <= 4 * floor or self.objective.whole(moved) > value + floor
        if not self.arrived:
            theta[:] = moved

    def packed(self, memory: Memory) -> Any:
        """The memory, and the columns that take part with their Hessian."""
        curvature = None if self.curvature is None else self.curvature.state()
        return {"memory": memory, "arrived": self.arrived, "index": self.index, "curvature": curvature}

    def unpacked(self, memory: Memory, packed: Any) -> Memory:
        own = {"memory": memory, "arrived": False, "index": None, "curvature": None}
        given, width = like(own, packed, "memory"), len(self.objective.theta)
        numbers_of(given["index"], width, "memory.index")
        self.arrived, self.index = given["arrived"], given["index"]
        if given["curvature"] is not None:
            self.curvature = Curvature.of_state(given["curvature"], len(self.index), width)
        return given["memory"]

    def _minimum(self, here: np.ndarray, g: np.ndarray) -> tuple[np.ndarray, float]:
        """The coefficients that take part, where the local model has its minimum in them, and how far F falls to there."""
        self._take_in(here, g)
        if self.curvature is None or not len(self.index):
            return here[self.index], 0.0
        sizes, index = self.curvature.sizes, self.index
        slope, thresholds, start = g[index] / sizes, self.thresholds[index] / sizes, here[index] * sizes
        found = feature_sign(self.curvature.factor.T, slope, thresholds, start)
        fall = slope @ (start - found) + thresholds @ (np.abs(start) - np.abs(found))
        return found / sizes, float(fall)

    def _take_in(self, here: np.ndarray, g: np.ndarray) -> None:
        """Columns that would move join those that take part, and squares of all of these are summed."""
        excess = np.where(here == 0.0, np.abs(g) - self.thresholds, np.inf)
        excess[self.index] = -np.inf
        most = max(MOST_NEW, len(self.index), np.count_nonzero(excess == np.inf))
        new = np.argsort(-excess)[: min(most, np.count_nonzero(excess > 0.0))]
        if len(new) or self.curvature is None:
            self.index = np.sort(np.append(self.index, new))
            self.curvature = self.objective.squares_of(self.index)
