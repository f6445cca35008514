"""Coefficients within bounds: Newton's method with the bounds in each step, in standardised columns.

Each step minimises the quadratic model of the objective within the bounds exactly (`numerics/box.py`); of `mse` the first one is
there but for rounding. The certificate is the worst violation of the conditions of optimality, relative to the largest slope at
the start: no slope at a coefficient between its bounds, and none that leads inside at one of them.
"""

from __future__ import annotations

import numpy as np

from steepest.analysis.exact import certificate as certify
from steepest.analysis.exact.answer import Exact
from steepest.analysis.exact.smooth import Smooth, begin
from steepest.model.linear import LinearProblem
from steepest.model.preconditioners import standardised
from steepest.numerics import box

MOST_STEPS = 100
ARRIVED = 1e-8
NONE = "There is no exact answer: no minimum was found within these bounds. penalty='l2:0.001' gives one."


def solve(problem: LinearProblem) -> Exact:
    """The best answer of a loss with a curvature within bounds, without penalty or with l2."""
    frame = standardised(problem)
    objective = Smooth(problem, frame.basis, frame.matrix)
    limits = objective.penalty.box
    assert limits is not None
    low, high = limits
    c = np.clip(begin(objective), low, high)
    predicted = objective.prediction(c)
    slopes = objective.gradient(c, predicted)
    at_start = float(np.abs(slopes).max())
    best, idle = (box.violation(slopes, c, low, high), c), 0
    for _ in range(MOST_STEPS):
        if best[0] == 0.0 or (idle >= 3 and best[0] <= 1e-9 * at_start):
            break
        step = box.minimum(objective.hessian(predicted), slopes, low - c, high - c)
        c = _shortened(objective, c, step, float(slopes @ step))
        predicted = objective.prediction(c)
        slopes = objective.gradient(c, predicted)
        worst = box.violation(slopes, c, low, high)
        idle = 0 if worst < 0.5 * best[0] else idle + 1
        best = (worst, c) if worst < best[0] else best
    certificate = certify.relative(best[0], at_start)
    if not certificate <= ARRIVED:
        return Exact(None, float("nan"), "", float("nan"), NONE)
    theta = problem.penalty.within(objective.theta(best[1]))
    return Exact(theta, objective.value(best[1]), "Newton within bounds (active set)", certificate)


def _shortened(objective: Smooth, c: np.ndarray, step: np.ndarray, promised: float) -> np.ndarray:
    """c after the step, or after a part of it where the objective would not fall as it should."""
    here = objective.value(c)
    slack, length = 8.0 * np.finfo(float).eps * abs(here), 1.0
    for _ in range(60):
        if objective.value(c + length * step) <= here + 1e-4 * length * promised + slack:
            return c + length * step
        length *= 0.5
    return c
