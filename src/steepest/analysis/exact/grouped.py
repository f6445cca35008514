"""The group lasso: Newton's method whose quadratic model is minimised with the penalty in it, in standardised columns.

Each step is exact (`numerics/group_set.py`); of `mse` the first one is there but for rounding, and the next ones take that away.
Where a step does not lower the objective as it should, as where huber is flat, the model is bent more (Levenberg and Marquardt).
The certificate is the worst violation of the conditions of optimality, relative to the largest slope at the start; a value of
Fenchel's dual problem bounds the gap beside it (`analysis/duality.py`).
"""

from __future__ import annotations

import numpy as np

from steepest.analysis.exact.answer import Exact
from steepest.analysis.exact.smooth import Smooth, begin, fallen, penalised
from steepest.model.linear import LinearProblem
from steepest.model.preconditioners import standardised
from steepest.numerics import group_set

MOST_TRIED = 40
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
    damping = 0.0

    def moved(c: np.ndarray, predicted: np.ndarray, slopes: np.ndarray) -> np.ndarray:
        nonlocal damping
        hessian = objective.hessian(predicted) + np.outer(common, common)
        flat = float(np.abs(objective.curvature(predicted)).mean()) or problem.loss.bound or 1.0
        unit = np.maximum(np.diag(hessian), flat)
        for _ in range(MOST_TRIED):
            step = group_set.minimum(hessian + np.diag(damping * unit), slopes, norms, c)
            promised = float(slopes @ step + norms.value(norms.scales * (c + step)) - norms.value(norms.scales * c))
            if fallen(objective, c, [(1.0, c + step)], promised) is not c:
                damping = damping / 10.0 if damping > 1e-8 else 0.0
                return c + step
            damping = max(10.0 * damping, 1e-9)
        return c

    c, certificate = penalised(objective, begin(objective), norms.violation, moved)
    if certificate > MOST_LEFT:
        return Exact(None, float("nan"), "", float("nan"), NOT_ARRIVED.format(certificate))
    method = "block active set" if problem.loss.quadratic else "proximal Newton (block active set)"
    return Exact(objective.theta(c), objective.value(c), method, certificate)
