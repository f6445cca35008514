"""Newton's method on a tall table: `optimizer="auto"` where a pass over the rows is what costs.

The same steepest descent in the norm of the curvature as `newton.py`, with as few passes as it takes. A smooth loss begins
at the minimum on some thousand rows; their Hessian stands for that of all, is corrected by what each step does to the gradient
(BFGS), and is measured on all rows where that does not do. (Boyd and Vandenberghe, Convex Optimization, 9.5; Nocedal and
Wright, Numerical Optimization, 6.1; on some of the rows: Erdogdu and Montanari, Convergence rates of sub-sampled Newton
methods, 2015.)
"""

from __future__ import annotations

from math import inf, isfinite
from typing import Any, final

import numpy as np

from steepest.checkpoints.tree import like
from steepest.descent.rule import Again, Memory, Newton
from steepest.model.extended_squares import ExtendedSquares
from steepest.model.tall_curvature import IllConditioned
from steepest.model.tall_objective import TallObjective
from steepest.model.tall_state import state_of, take_up

ROWS = 16_000
"""Rows on which the start is found, or so many for each parameter: `EACH`."""

EACH = 160

SLOW, SLOW_CLASSES = 0.1, 0.7
"""What a step must make of the decrement gᵀH⁻¹g at least, or the Hessian is measured on all rows. That of several classes costs
as much as a hundred passes."""

NARROW = 200
"""Parameters up to which the Hessian of all rows costs no more than the passes that it saves."""

ENOUGH = 1e-4
"""The minimum on some rows is near enough where a step promises less than this part of F."""

HALVINGS = 40


@final
class TallNewton(Newton):
    """d = −H⁻¹g, taken whole if F falls by 1e-4 of what g promises (Armijo), else halved until it does."""

    def __init__(self, objective: TallObjective | ExtendedSquares):
        self.objective = objective

    def start(self, theta: np.ndarray) -> Memory:
        """Memory: F at the start, the last decrement, and θ and the gradient before the last step."""
        return [self.objective.whole(theta), inf, None]

    def update(self, theta: np.ndarray, grad: np.ndarray, memory: Memory, lr: Any, again: Again) -> None:
        objective, here, g = self.objective, theta, grad
        value = self.objective.whole(here)
        if isinstance(objective, TallObjective) and objective.model is None and self._begin(objective, here, value):
            return
        before = memory[1]
        step, decrement = self._direction(here, g, memory)
        memory[1:] = decrement, (here.copy(), g.copy())
        floor = max(abs(value), 1e-12 * memory[0]) * np.finfo(np.float64).eps
        if decrement <= 4 * floor:
            # with 32 digits steps go on until they grow no shorter: θ has its last digits then
            self.arrived = not objective.extended or decrement > before / 16 or np.array_equal(here + step, here)
        slack = (
            0.0 if objective.extended else floor
        )  # F has 32 digits there: where it does not fall, θ can do no better
        for _ in range(HALVINGS):
            there = here + step
            if decrement <= 4 * floor or self.objective.whole(there) <= value - 1e-4 * decrement + slack:
                self.arrived = self.arrived or np.array_equal(there, here)
                here[:] = there
                return
            step, decrement = step / 2, decrement / 2
        self.arrived = True

    def packed(self, memory: Memory) -> Any:
        """The memory, and what the objective has measured."""
        return {"memory": memory, "arrived": self.arrived, "measured": state_of(self.objective)}

    def unpacked(self, memory: Memory, packed: Any) -> Memory:
        first, before, _ = memory
        given = like({"memory": [first, before, None], "arrived": False, "measured": None}, packed, "memory")
        take_up(self.objective, given["measured"])
        if given["memory"][2] is not None:
            theta = self.objective.theta
            like((theta, theta), given["memory"][2], "memory.2")
        self.arrived = given["arrived"]
        return given["memory"]

    def _begin(self, objective: TallObjective, here: np.ndarray, value: float) -> bool:
        """Go to the minimum on some rows, and take their Hessian for that of all; False where that is no better."""
        rows = some_rows(objective)
        found, known = here, None
        for part in () if rows is None else (rows[: len(rows) // (4 if objective.loss.coupled else 8)], rows):
            some = objective.of_rows(part)
            some.model = known if objective.loss.coupled else None  # a Hessian that costs as much as many passes
            found = None if found is None else minimum(some, found)
            known = some.model
        if rows is None or found is None or not self.objective.whole(found) < value:
            objective.curve(objective.at(here).prediction)
            return False
        here[:] = found
        if not objective.loss.coupled and objective.size <= NARROW:
            objective.model = known  # for one step, after which that of all rows is measured
            return True
        try:
            objective.curve(objective.at(here).prediction, rows)
        except IllConditioned:  # of all rows they may be fine
            objective.curve(objective.at(here).prediction)
        return True

    def _direction(self, here: np.ndarray, g: np.ndarray, memory: Memory) -> tuple[np.ndarray, float]:
        """The step, and what it promises twice: gᵀH⁻¹g."""
        objective = self.objective
        assert objective.model is not None
        if isinstance(objective, ExtendedSquares) or objective.loss.quadratic:
            return objective.model.newton(g)
        if memory[2] is not None and objective.proof is None:
            objective.curve(objective.at(here).prediction)
        elif memory[2] is not None:
            before, gradient = memory[2]
            objective.learn(here - before, g - gradient)
        step, decrement = objective.model.newton(g)
        if decrement > (SLOW_CLASSES if objective.loss.coupled else SLOW) * memory[1]:
            objective.curve(objective.at(here).prediction)
            step, decrement = objective.model.newton(g)
        return step, decrement


def some_rows(objective: TallObjective) -> np.ndarray | None:
    """Numbers of rows that stand for all, always the same ones and in no order; None where all are not many more."""
    count = max(ROWS, EACH * objective.size) // (2 if objective.loss.coupled else 1)
    if objective.rows < 2 * count:
        return None
    return np.random.default_rng(0).permutation(objective.rows)[:count]


def minimum(objective: TallObjective, theta: np.ndarray) -> np.ndarray | None:
    """The minimum of F from θ on, near enough, by Newton steps; None where they do not get there."""
    found, value, before = theta.copy(), inf, 0.0
    last: tuple[np.ndarray, np.ndarray] | None = None
    slow, most = (SLOW_CLASSES, 60) if objective.loss.coupled else (SLOW, 20)
    for _ in range(most):
        seen = objective.at(found)
        higher, value = value, objective.whole(found)
        if not (isfinite(value) and value <= higher):
            return None
        grad = objective.with_penalty(seen.grad.ravel(), found)
        if last is not None:
            objective.learn(found - last[0], grad - last[1])
        try:
            if objective.model is None or (last is not None and objective.model.newton(grad)[1] > slow * before):
                objective.curve(seen.prediction)
        except IllConditioned:
            return None
        assert objective.model is not None
        last = found, grad
        step, before = objective.model.newton(grad)
        found = found + step
        if before <= ENOUGH * value:
            return found
    return None
