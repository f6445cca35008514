"""Coefficients within bounds: Newton's method with the bounds in each step, in standardised columns.

Each step minimises the quadratic model of the objective within the bounds exactly (`numerics/box.py`); of `mse` the first one is
there but for rounding. The certificate is the worst violation of the conditions of optimality, relative to the largest slope at
the start: no slope at a coefficient between its bounds, and none that leads inside at one of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from steepest.analysis.exact.answer import Exact
from steepest.analysis.exact.smooth import Smooth, begin, penalised, shortened
from steepest.model.linear import LinearProblem
from steepest.model.preconditioners import standardised
from steepest.numerics import box

ARRIVED = 1e-8
CROSSED = 1e-11  # by which share of it a coefficient is beyond a bound, and not by rounding
NONE = "There is no exact answer: no minimum was found within these bounds. penalty='l2:0.001' gives one."


def solve(problem: LinearProblem) -> Exact:
    """The best answer of a loss with a curvature within bounds, under any penalty."""
    frame = standardised(problem)
    objective = Smooth(problem, frame.basis, frame.matrix)
    limits = objective.penalty.box
    assert limits is not None
    low, high = limits
    thresholds = np.asarray(objective.penalty.thresholds)

    def moved(c: np.ndarray, predicted: np.ndarray, slopes: np.ndarray) -> np.ndarray:
        step = box.minimum(objective.hessian(predicted), slopes, low - c, high - c, thresholds, c)
        promised = float(slopes @ step + thresholds @ (np.abs(c + step) - np.abs(c)))
        return shortened(objective, c, step, promised)

    def violation(slopes: np.ndarray, c: np.ndarray) -> float:
        return box.violation(slopes, c, low, high, thresholds)

    c, certificate = penalised(objective, np.clip(begin(objective), low, high), violation, moved)
    if not certificate <= ARRIVED:
        return Exact(None, float("nan"), "", float("nan"), NONE)
    theta = problem.penalty.within(objective.theta(c))
    return Exact(theta, objective.value(c), "Newton within bounds (active set)", certificate)


def of_programme(problem: LinearProblem, solver: Callable[[LinearProblem], Exact]) -> Exact:
    """The best answer of a piecewise linear loss: that of a programme without bounds, then with those that it crosses, until
    it crosses none. What is optimal with some of the bounds, and within the others, is so with all of them."""
    limits = np.array(problem.penalty.bounds).T
    used, crossed = np.zeros(limits.shape, bool), np.zeros(limits.shape, bool)
    while True:
        used |= crossed
        some = np.where(used, limits, [[-np.inf], [np.inf]])
        bounds = tuple(map(tuple, some.T.tolist())) if used.any() else None
        found = solver(replace(problem, penalty=replace(problem.penalty, bounds=bounds)))
        if found.theta is None:
            return found
        room = CROSSED * np.maximum(np.abs(limits), np.abs(found.theta))
        crossed = np.stack([found.theta < limits[0] - room[0], found.theta > limits[1] + room[1]]) & ~used
        if not crossed.any():
            return replace(found, theta=problem.penalty.within(found.theta))
