"""Newton's method on a table that fits into the processor's cache: `optimizer="auto"` for smooth losses there.

The same steepest descent in the norm of the curvature as `newton.py`, on NumPy's arrays. Where steps gain only a constant
factor each, as on classes of which only some can be told apart, a step that was taken whole is lengthened as long as the
objective falls further: it doubles each time. Where θ tells all rows apart, so does any multiple of it, and without a penalty
the loss falls to 0 along θ itself: that is the last step. (Boyd and Vandenberghe, Convex Optimization, 9.5; a search that
lengthens: Nocedal and Wright, Numerical Optimization, 3.5.)
"""

from __future__ import annotations

from math import inf
from typing import Any, final

import numpy as np

from steepest.descent.newton import IDLE_STEPS, SEPARATED
from steepest.descent.rule import Again, Memory, Newton
from steepest.model.small_objective import SmallObjective

REFINED = 1e-7
"""A step that promises less than this part of F is taken in 32 digits, and so are all after it."""

SLOW = 0.1
"""Part of what the last step promised from which on a step is lengthened."""

DOUBLINGS, ATTEMPTS = 8, 60


@final
class SmallNewton(Newton):
    """d = −(H + λ·U)⁻¹g in an orthonormal basis, U = diag(max(Hᵢᵢ, mean curvature of a row's loss)).

    λ is 0 as long as whole steps lower F by 1e-4 of what g promises (Armijo); else it is raised tenfold until one does, and
    lowered again after a step that did at once. Source: Marquardt, An algorithm for least-squares estimation of nonlinear
    parameters (1963).
    """

    def __init__(self, objective: SmallObjective):
        self.objective = objective

    def start(self, theta: np.ndarray) -> Memory:
        """Memory: F at the start, what the last step promised, the damping, the steps without a gain, and the lowest F."""
        return [self.objective.whole(theta), inf, 0.0, 0, inf]

    def update(self, theta: np.ndarray, grad: np.ndarray, memory: Memory, lr: Any, again: Again) -> None:
        objective = self.objective
        first, before, damping = memory[:3]
        value = objective.whole(theta)
        if objective.told_apart(theta):
            longer = self._lengthened(np.zeros_like(theta), theta, SEPARATED * first)
            if (least := objective.whole(longer)) < value or least <= SEPARATED * first:
                theta[:] = longer
                self.arrived = least <= SEPARATED * first
                return
        g = objective.slopes(theta)
        hessian, mean = objective.curvature(theta)
        unit = np.maximum(np.diag(hessian), mean or objective.loss.bound or 1.0)
        floor = max(abs(value), 1e-12 * first) * np.finfo(np.float64).eps
        promised, negligible, attempt, moved = inf, False, 0, None
        for attempt in range(ATTEMPTS):  # noqa: B007 (it is asked below)
            step = _solved(hessian, damping * unit, g)
            if step is not None:
                fall = -float(g @ step)
                if promised == inf:
                    promised, negligible = fall, fall <= 4 * floor
                there = objective.moved(theta, step)
                if objective.whole(there) <= value - 1e-4 * fall + (4 * floor if negligible else floor):
                    moved = there
                    break
                if negligible:  # shorter steps would gain no more
                    damping = 0.0
                    break
            damping = max(10 * damping, 1e-9)
        else:
            damping, negligible = 0.0, True
        if moved is not None and attempt == 0 and damping == 0.0 and not negligible and promised > SLOW * before:
            moved = self._lengthened(theta, moved, SEPARATED * first)
        theta[:] = theta if moved is None else moved
        memory[1:3] = promised, 0.0 if damping < 1e-8 else damping / (10 if attempt == 0 else 2)
        self._arrive(value, first, promised, negligible, memory)

    def _lengthened(self, theta: np.ndarray, moved: np.ndarray, enough: float) -> np.ndarray:
        """θ after the step that is twice as long, four times and so on, as long as F falls."""
        objective = self.objective
        best, kept = objective.whole(moved), objective.seen
        for power in range(1, DOUBLINGS):
            further = theta + 2.0**power * (moved - theta)
            if best <= enough or not (value := objective.whole(further)) < best:
                break
            best, kept = value, objective.seen
        objective.seen = kept
        assert kept is not None
        return kept.theta

    def _arrive(self, value: float, first: float, promised: float, negligible: bool, memory: Memory) -> None:
        """Whether it has: nothing but rounding is left to gain, or classes are told apart. With 32 digits, where it may."""
        objective = self.objective
        if objective.loss.classes and value <= SEPARATED * first:
            self.arrived = True
            return
        if value < memory[4] * (1 - 1e-9):
            memory[3:5] = 0, value
        else:
            memory[3] += 1
        done = negligible or memory[3] >= IDLE_STEPS
        if objective.of_digits and not objective.fine:
            if done or promised <= REFINED * abs(value):
                objective.refine()
                memory[3] = 0
        else:
            self.arrived = done


def _solved(hessian: np.ndarray, damping: np.ndarray, g: np.ndarray) -> np.ndarray | None:
    """−(H + diag(damping))⁻¹g by Cholesky; None where that is not positive definite."""
    from scipy.linalg import lapack  # not before a table is fitted

    whole = hessian + np.diag(damping) if damping.any() else hessian
    _, found, failed = lapack.dposv(whole, -g, lower=1)  # pyrefly: ignore (it is there)
    return None if failed or not np.isfinite(found).all() else found
