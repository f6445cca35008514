"""l1 penalties and the elastic net: Newton's method around an active set.

In standardised columns a penalty in user units is one weight a column. At each step the quadratic model of the smooth part
plus the l1 penalty is minimised by feature-sign search (`numerics/active_set.py`), exactly; of `mse` the first step is there
but for rounding, and the next ones take that away.
"""

from __future__ import annotations

import numpy as np

from steepest.analysis.curvature import bound_per_prediction
from steepest.analysis.exact import certificate as certify
from steepest.analysis.exact.answer import Exact
from steepest.analysis.exact.smooth import Smooth, begin, fallen
from steepest.lazy import torch
from steepest.model.linear import LinearProblem
from steepest.model.preconditioners import standardised
from steepest.numerics.active_set import feature_sign
from steepest.numerics.hessians import blocks
from steepest.numerics.working_set import WorkingSet, working_set

MOST_STEPS = 200
MOST_TALL = 2_000_000  # numbers up to which a square root of the Hessian is written out


def solve(problem: LinearProblem) -> Exact:
    """The best answer of a loss with a curvature, with l1 or elastic."""
    tall = working_set(problem, torch.from_numpy(problem.design))
    if tall is not None:
        return _of_some_columns(problem, *tall)
    frame = standardised(problem)
    # scaled once more, so that a tiny column under an l2 penalty does not dwarf the others
    size = np.hypot(1.0, np.diag(problem.penalty_in(frame.matrix).root(bound_per_prediction(problem))))
    objective = Smooth(problem, frame.basis / size, frame.matrix / size)
    weights = objective.penalty.thresholds
    c = begin(objective)
    predicted = objective.prediction(c)
    slopes = objective.gradient(c, predicted)
    at_zero = float(np.abs(slopes).max())
    best = (certify.violation(slopes, c, weights), c)
    settled, root = 0, None
    for _ in range(MOST_STEPS):
        if best[0] == 0.0 or settled == 3:
            break
        if root is None or not problem.loss.quadratic:
            root = _root_of_hessian(objective, predicted)
        given = (root, slopes, weights, c)
        proposal = feature_sign(*given)
        step, before = proposal - c, c
        promised = float(slopes @ step + weights @ (np.abs(proposal) - np.abs(c)))
        points = ((0.5**k, c + 0.5**k * step if k else proposal) for k in range(60))
        c = fallen(objective, before, points, promised)
        predicted = objective.prediction(c)
        slopes = objective.gradient(c, predicted)
        worst = certify.violation(slopes, c, weights)
        # once the objective can fall no further in float64, the best conditions of a few steps are taken
        arrived = c is before or -promised <= 4.0 * np.finfo(float).eps * abs(objective.value(before))
        if not settled or worst < best[0]:
            best = (worst, c)
        settled = settled + 1 if arrived or settled else 0
    method = "active set" if problem.loss.quadratic else "proximal Newton (active set)"
    worst, c = best
    return Exact(objective.theta(c), objective.value(c), method, certify.relative(worst, at_zero))


def _of_some_columns(problem: LinearProblem, few: WorkingSet, matrix: torch.Tensor) -> Exact:
    """The same for a tall problem of squares: in the columns that can be nonzero, until the conditions hold no better for all."""
    frame = matrix.numpy()
    thresholds = problem.penalty_in(frame).thresholds
    c = np.zeros(len(frame))
    best, settled, at_zero = (np.inf, c), 0, 0.0
    for step in range(MOST_STEPS):
        slopes = certify.gradient(problem, frame @ c) @ frame
        worst = certify.violation(slopes, c, thresholds)
        at_zero = at_zero if step else float(np.abs(slopes).max())
        settled = settled + 1 if worst > 0.5 * best[0] else 0
        best = (worst, c) if worst < best[0] else best
        if worst == 0.0 or (settled == 3 and best[0] <= 1e-6 * at_zero):
            break
        c = few.minimum(*(torch.from_numpy(each) for each in (slopes, thresholds, c))).numpy()
    worst, c = best
    theta = frame @ c
    return Exact(theta, certify.objective(problem, theta), "active set", certify.relative(worst, at_zero))


def _root_of_hessian(objective: Smooth, predicted: np.ndarray) -> np.ndarray:
    """R `[any, k·p]` with RᵀR = ∇² of the smooth part, from a square root of each row's curvature where it is not too tall."""
    problem, size = objective.problem, objective.size
    rows = objective.curvature(predicted) / len(predicted)
    ridge = np.kron(np.eye(problem.outputs), objective.penalty.root())
    # adding the same to every class's intercept changes nothing: their sum is held, or R would be singular
    several = problem.loss.coupled and problem.intercept
    common = np.where(problem.penalised > 0.0, 0.0, 1.0 / problem.outputs) * several
    if problem.outputs == 1:
        tall = objective.basis * np.sqrt(rows.reshape(-1, 1))
    elif len(rows) * problem.outputs * size <= MOST_TALL:
        whole = rows if rows.ndim == 3 else rows[:, :, None] * np.eye(problem.outputs)
        share, turned = np.linalg.eigh(whole)
        half = np.sqrt(np.maximum(share, 0.0))[:, :, None] * turned.transpose(0, 2, 1)
        tall = np.einsum("nij,np->nijp", half, objective.basis).reshape(-1, size)
    else:
        squares, vectors = np.linalg.eigh(blocks(rows, objective.basis))
        tall = np.sqrt(np.maximum(squares, 1e-12 * squares[-1]))[:, None] * vectors.T
    return np.asarray(np.linalg.qr(np.vstack([tall, ridge, common[None]]), mode="r"))
