"""The group lasso: Newton's method whose quadratic model is minimised with the penalty in it, in standardised columns.

Each step is exact (`numerics/group_set.py`); of `mse` the first one is there but for rounding, and the next ones take that away.
Where a step does not lower the objective as it should, as where huber is flat, the model is bent more (Levenberg and Marquardt).
The certificate is the worst violation of the conditions of optimality, relative to the largest slope at the start; a value of
Fenchel's dual problem bounds the gap beside it (`analysis/duality.py`).
"""

from __future__ import annotations

import numpy as np

from steepest.analysis.exact import certificate as certify
from steepest.analysis.exact.answer import Exact
from steepest.analysis.exact.smooth import Smooth, begin
from steepest.model.group_norms import GroupNorms
from steepest.model.linear import LinearProblem
from steepest.model.preconditioners import standardised
from steepest.numerics import group_set

MOST_STEPS, MOST_TRIED = 200, 40
MOST_LEFT = 1e-6
"""Certificate above which an answer is none."""

NOT_ARRIVED = (
    "There is no exact answer: the solver left {:.0e} of the largest slope, since columns of a group are of too unlike sizes, "
    "or nearly depend on one another. Columns of one size have one."
)


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
    best, idle, damping = (norms.violation(slopes, c), c), 0, 0.0
    for _ in range(MOST_STEPS):
        if best[0] == 0.0 or (idle >= 3 and best[0] <= 1e-9 * at_start):
            break
        hessian = objective.hessian(predicted) + np.outer(common, common)
        flat = float(np.abs(objective.curvature(predicted)).mean()) or problem.loss.bound or 1.0
        unit = np.maximum(np.diag(hessian), flat)
        for _ in range(MOST_TRIED):
            step = group_set.minimum(hessian + np.diag(damping * unit), slopes, norms, c)
            if _falls(objective, norms, c, step, slopes):
                c, damping = c + step, damping / 10.0 if damping > 1e-8 else 0.0
                break
            damping = max(10.0 * damping, 1e-9)
        predicted = objective.prediction(c)
        slopes = objective.gradient(c, predicted)
        worst = norms.violation(slopes, c)
        idle = 0 if worst < 0.5 * best[0] else idle + 1
        best = (worst, c) if worst < best[0] else best
    worst, c = best
    certificate = certify.relative(worst, at_start)
    if certificate > MOST_LEFT:
        return Exact(None, float("nan"), "", float("nan"), NOT_ARRIVED.format(certificate))
    method = "block active set" if problem.loss.quadratic else "proximal Newton (block active set)"
    return Exact(objective.theta(c), objective.value(c), method, certificate)


def _falls(objective: Smooth, norms: GroupNorms, c: np.ndarray, step: np.ndarray, slopes: np.ndarray) -> bool:
    """Whether the objective falls along the step by a part of what its slopes promise."""
    here = objective.value(c)
    promised = float(slopes @ step + norms.value(norms.scales * (c + step)) - norms.value(norms.scales * c))
    return objective.value(c + step) <= here + 1e-4 * promised + 8.0 * np.finfo(float).eps * abs(here)
