"""Newton's method on a stream: `optimizer="auto"` where every look at the rows is a pass over files.

A pass gives the loss, its gradient and its curvature at once. Least squares takes the sums of the first pass, a step, and a
pass that measures what it leaves over; a smooth loss begins at the minimum on some rows, from which two or three passes do.
(Boyd and Vandenberghe, Convex Optimization, 9.5.)
"""

from __future__ import annotations

from typing import Any, final

import numpy as np

from steepest.descent.rule import Again, Memory, Newton
from steepest.descent.tall_newton import HALVINGS, minimum
from steepest.errors import DataError
from steepest.model.of_fit import targets
from steepest.model.stream_objective import StreamObjective
from steepest.model.tall_curvature import IllConditioned
from steepest.model.tall_objective import TallObjective

SMALL = 1e-26
"""Part of F that a step must promise to be worth a pass: θ moves by no more than its 13th digit otherwise."""


@final
class StreamNewton(Newton):
    """d = −H⁻¹g, taken whole if F falls by 1e-4 of what g promises (Armijo), else halved until it does."""

    def __init__(self, objective: StreamObjective):
        self.objective = objective

    def start(self, theta: np.ndarray) -> Memory:
        """Memory: F at the start, once it is known, and whether the first step was taken."""
        return [0.0, False]

    def update(self, theta: np.ndarray, grad: np.ndarray, memory: Memory, lr: Any, again: Again) -> None:
        objective = self.objective
        value = objective.whole(theta)
        memory[0] = memory[0] if memory[1] else value
        if not memory[1] and not objective.loss.quadratic:
            memory[1] = True
            found = self._on_some_rows()
            if found is not None and objective.whole(found) < value:
                theta[:] = found
                return
        memory[1] = True
        seen = objective.at(theta)
        step, decrement = seen.curvature.newton(grad)
        floor = max(abs(value), 1e-12 * memory[0]) * np.finfo(np.float64).eps
        if decrement <= max(SMALL * abs(value), floor * np.finfo(np.float64).eps):
            self.arrived = True
            return
        for _ in range(HALVINGS):
            if objective.whole(theta + step) <= value - 1e-4 * decrement + floor:
                theta += step
                return
            if decrement <= 4 * floor:
                break
            step, decrement = step / 2, decrement / 2
        objective.seen = seen
        self.arrived = True

    def _on_some_rows(self) -> np.ndarray | None:
        """The minimum on some rows, which is near that on all of them; None where it is not found."""
        objective, sample = self.objective, self.objective.sample
        design = objective.terms.design(sample.x)[:, objective.first :]
        target, outputs = targets(sample, objective.loss)
        given = objective.loss, objective.penalty_given, bool(objective.first), sample.relative_weights, objective.names
        try:
            some = TallObjective(design, target, *given, outputs=outputs)
            found = minimum(some, some.theta)
        except (IllConditioned, DataError, np.linalg.LinAlgError):
            return None
        return None if found is None else objective.from_user(some.to_user(found))
