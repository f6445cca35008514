"""The group lasso: Newton's method whose quadratic model is minimised with the penalty in it, in standardised columns.

Each step is exact (`numerics/group_set.py`); of `mse` the first one is there but for rounding, and the next ones take that away.
The certificate is the worst violation of the conditions of optimality, relative to the largest slope at the start; a value of
Fenchel's dual problem bounds the gap beside it (`analysis/duality.py`).
"""

from __future__ import annotations

import numpy as np

from steepest.analysis.exact import certificate as certify
from steepest.analysis.exact.answer import Exact
from steepest.analysis.exact.smooth import Smooth, begin, shortened
from steepest.model.linear import LinearProblem
from steepest.model.preconditioners import standardised
from steepest.numerics import group_set

MOST_STEPS = 100


def solve(problem: LinearProblem) -> Exact:
    """The best answer of a loss with a curvature under a group penalty."""
    frame = standardised(problem)
    objective = Smooth(problem, frame.basis, frame.matrix)
    norms = objective.penalty.norms
    assert norms is not None
    # adding the same to every class's intercept changes nothing: their sum is held
    common = np.where(problem.penalised > 0.0, 0.0, 1.0 / problem.outputs) * problem.loss.coupled
    c = begin(objective)
    predicted = objective.prediction(c)
    slopes = objective.gradient(c, predicted)
    at_start = float(np.abs(slopes).max())
    best, idle = (norms.violation(slopes, c), c), 0
    for _ in range(MOST_STEPS):
        if best[0] == 0.0 or (idle >= 3 and best[0] <= 1e-9 * at_start):
            break
        hessian = objective.hessian(predicted) + np.outer(common, common)
        step = group_set.minimum(hessian, slopes, norms, c)
        grown = norms.value(norms.scales * (c + step)) - norms.value(norms.scales * c)
        c = shortened(objective, c, step, float(slopes @ step + grown))
        predicted = objective.prediction(c)
        slopes = objective.gradient(c, predicted)
        worst = norms.violation(slopes, c)
        idle = 0 if worst < 0.5 * best[0] else idle + 1
        best = (worst, c) if worst < best[0] else best
    worst, c = best
    method = "block active set" if problem.loss.quadratic else "proximal Newton (block active set)"
    return Exact(objective.theta(c), objective.value(c), method, certify.relative(worst, at_start))
