"""l1 penalties and the elastic net: an active set that is exact, and a Newton method around it.

Columns are standardised (centred, too, where there is an intercept), so that a penalty in user units becomes
one weight a column. The quadratic min ½‖R·c − z‖² + Σ weightsⱼ·|cⱼ| is then solved by feature-sign search
(Lee, Battle, Raina and Ng 2007): with the signs of the nonzero coefficients known it is a least-squares
problem, solved by QR; a coefficient that would change its sign on the way is dropped, one whose slope
exceeds its weight is taken in. Every round lowers the objective, so it ends. Any smooth loss is its own
quadratic model at each step.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from steepest.analysis.curvature import blocks, bound_per_prediction
from steepest.analysis.exact import certificate as certify
from steepest.analysis.exact.smooth import SAFETY, majoriser
from steepest.model.linear import LinearProblem

MOST_STEPS = 200
MOST_TALL = 2_000_000  # numbers up to which a square root of the Hessian is written out

Answer = tuple[np.ndarray, float, str, float, str]


@dataclass(frozen=True)
class Standard:
    """Standardised columns: design `[n, p]`, θⱼ = cⱼ/scaleⱼ, the intercept is c₀ − Σ centreⱼ·cⱼ/scaleⱼ."""

    design: np.ndarray
    centre: np.ndarray
    scale: np.ndarray
    intercept: bool

    def theta(self, c: np.ndarray) -> np.ndarray:
        """θ `[k·p]` in user units of c `[k, p]`."""
        rows = c / self.scale
        if self.intercept:
            rows[:, 0] -= rows[:, 1:] @ self.centre[1:]
        return rows.ravel()


def standardise(problem: LinearProblem) -> Standard:
    """Columns centred where there is an intercept, and scaled so that each has the same curvature.

    scale² is the weighted mean square of the column, plus what an l2 penalty adds to it, so that a tiny
    column under a ridge does not dwarf the others.
    """
    design = problem.design
    weights = np.ones(len(design)) if problem.weights is None else problem.weights
    centre = np.zeros(design.shape[1])
    if problem.intercept:
        centre[1:] = weights @ design[:, 1:] / weights.sum()
        centre[1:] += weights @ (design[:, 1:] - centre[1:]) / weights.sum()
    moved = design - centre
    scale = np.sqrt(weights @ moved**2 / weights.sum())
    nothing = scale <= 4.0 * np.finfo(float).eps * np.abs(design).max(axis=0)
    moved[:, nothing] = 0.0
    ridge = 2.0 * problem.penalty.l2 / bound_per_prediction(problem) * problem.penalised[: len(scale)]
    scale = np.sqrt(np.where(nothing, 0.0, scale) ** 2 + ridge)
    scale = np.where(scale > 0.0, scale, 1.0)
    return Standard(moved / scale, centre, scale, problem.intercept)


def solve_squares(problem: LinearProblem) -> Answer:
    """θ, F*, method, certificate and note of `mse` with l1 or elastic; several targets one by one."""
    standard, n, outputs = standardise(problem), len(problem.design), problem.outputs
    root = np.sqrt((np.ones(n) if problem.weights is None else problem.weights) / n)
    free = problem.penalised[: problem.design.shape[1]] / standard.scale
    # per target: ‖X·c − y‖² + l2·m·Σ(c/scale)² + l1·m·Σ|c/scale|, all halved
    ridge = np.diag(np.sqrt(problem.penalty.l2 * outputs) * free)
    design = np.vstack([standard.design * root[:, None], ridge])
    targets = problem.target.reshape(n, -1) * root[:, None]
    weights = 0.5 * problem.penalty.l1 * outputs * free
    orthogonal, triangle = np.linalg.qr(design)
    found = [feature_sign(triangle, orthogonal[:n].T @ target, weights, np.zeros(len(free))) for target in targets.T]
    c = np.array(found)
    residual = standard.design @ c.T - problem.target.reshape(n, -1)
    return _answer(problem, standard, c, _squares_slope(problem, standard, residual, c), "active set")


def _squares_slope(problem: LinearProblem, standard: Standard, residual: np.ndarray, c: np.ndarray) -> np.ndarray:
    """The slope of `mse` plus l2 in c, `[m, p]`, of residuals `[n, m]`."""
    weighted = residual if problem.weights is None else residual * problem.weights[:, None]
    slopes = 2.0 / problem.outputs * (weighted.T @ standard.design) / len(residual)
    return slopes + _ridge_slope(problem, standard, c)


def _ridge_slope(problem: LinearProblem, standard: Standard, c: np.ndarray) -> np.ndarray:
    free = problem.penalised.reshape(c.shape) / standard.scale**2
    return 2.0 * problem.penalty.l2 * free * c


def _answer(problem: LinearProblem, standard: Standard, c: np.ndarray, slopes: np.ndarray, method: str) -> Answer:
    """θ, F* and the certificate: the optimality conditions at c, against the slopes at 0."""
    weights = problem.penalty.l1 * problem.penalised.reshape(c.shape) / standard.scale
    predicted = _prediction(problem, standard, c)
    nothing = np.zeros_like(c)
    at_zero = np.abs(_slopes(problem, standard, nothing, _prediction(problem, standard, nothing))).max()
    worst = certify.relative(certify.violation(slopes, c, weights), float(at_zero))
    theta = standard.theta(c)
    value = certify.mean_loss(problem, predicted) + float(problem.penalty_in().value(theta))
    return theta, value, method, worst, ""


def _prediction(problem: LinearProblem, standard: Standard, c: np.ndarray) -> np.ndarray:
    found = standard.design @ c.T
    return found if certify.several(problem) else found[:, 0]


def _slopes(problem: LinearProblem, standard: Standard, c: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """∇ of the smooth part in c, `[k, p]`."""
    slopes = certify.slope(problem, predicted).reshape(len(predicted), -1)
    return slopes.T @ standard.design / len(predicted) + _ridge_slope(problem, standard, c)


def feature_sign(r: np.ndarray, z: np.ndarray, weights: np.ndarray, start: np.ndarray) -> np.ndarray:
    """The c `[p]` that minimises ½‖R·c − z‖² + Σ weightsⱼ·|cⱼ|, weights ≥ 0. R is `[any, p]`.

    `start` is where to begin: the nearer, the fewer rounds.

    >>> feature_sign(np.eye(2), np.array([3.0, 0.5]), np.array([1.0, 1.0]), np.zeros(2))
    array([2., 0.])
    """
    size = len(weights)
    c = start.copy()
    sign = np.sign(c)
    active = (c != 0.0) | (weights == 0.0)
    usable = np.linalg.norm(r, axis=0) > 0.0
    tolerance = 64.0 * np.finfo(float).eps * np.linalg.norm(r, axis=0) * np.linalg.norm(z)
    refused = np.zeros(size, bool)
    lowest = np.inf
    for _ in range(50 * size + 100):
        c, active = _settle(r, z, weights, c, sign, active & usable)
        value = 0.5 * float(np.sum((r @ c - z) ** 2)) + float(weights @ np.abs(c))
        refused = np.zeros(size, bool) if value < lowest else refused
        lowest = min(lowest, value)
        slopes = r.T @ (r @ c - z)
        excess = np.where(active | refused | ~usable, -np.inf, np.abs(slopes) - weights - tolerance)
        newcomer = int(np.argmax(excess))
        if excess[newcomer] <= 0.0:
            break
        active[newcomer], sign[newcomer] = True, -np.sign(slopes[newcomer])
        refused[newcomer] = True
    return c


def _settle(
    r: np.ndarray, z: np.ndarray, weights: np.ndarray, c: np.ndarray, sign: np.ndarray, active: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Go to the optimum for the active coefficients, dropping each that reaches 0 on the way: (c, active)."""
    c, active = c.copy(), active.copy()
    arrived = 0
    while active.any():
        chosen = np.flatnonzero(active)
        step, endless = _face_step(r[:, chosen], z, weights[chosen] * sign[chosen], c[chosen])
        backwards = (weights[chosen] > 0.0) & (step * sign[chosen] < 0.0)
        until = np.full(len(chosen), np.inf)
        until[backwards] = -c[chosen][backwards] / step[backwards]
        length = min(float(until.min()), np.inf if endless else 1.0)
        if not np.isfinite(length):
            break
        c[chosen] += length * step
        dropped = chosen[backwards & (until <= length)]
        c[dropped], active[dropped] = 0.0, False
        # once there, a second step takes away the rounding of the first
        arrived = 0 if len(dropped) else arrived + 1
        if arrived == 2:
            break
    return c, active


def _face_step(r: np.ndarray, z: np.ndarray, pull: np.ndarray, c: np.ndarray) -> tuple[np.ndarray, bool]:
    """The step to the minimum of ½‖R·c − z‖² + pull·c; or a direction in which it ever falls, and True."""
    try:
        factor = np.linalg.cholesky(r.T @ r)
    except np.linalg.LinAlgError:
        factor = np.zeros((1, 1))
    pivots = np.diag(factor)
    if pivots.min() > 1e-4 * pivots.max():
        slopes = r.T @ (z - r @ c) - pull
        return np.linalg.solve(factor.T, np.linalg.solve(factor, slopes)), False
    u, values, v = np.linalg.svd(r, full_matrices=False)
    kept = values > max(r.shape) * np.finfo(float).eps * values[0]
    inside = v[kept]
    across = pull - inside.T @ (inside @ pull)
    if np.linalg.norm(across) > 1e-9 * np.linalg.norm(pull):
        return -across, True
    target = (u[:, kept].T @ (z - r @ c)) / values[kept] - (inside @ pull) / values[kept] ** 2
    return inside.T @ target, False


def solve_smooth(problem: LinearProblem) -> Answer:
    """θ, F*, method, certificate and note of huber, logistic and cross_entropy with l1 or elastic."""
    standard = standardise(problem)
    weights = problem.penalty.l1 * problem.penalised.reshape(problem.outputs, -1) / standard.scale
    c = np.zeros(weights.shape)
    predicted = _prediction(problem, standard, c)
    slopes = _slopes(problem, standard, c, predicted)
    best = (certify.violation(slopes, c, weights), c, slopes)
    settled = 0
    for _ in range(MOST_STEPS):
        if best[0] == 0.0 or settled == 3:
            break
        proposal = _quadratic_step(problem, standard, c, predicted, slopes, weights)
        c, promised = _search(problem, standard, c, proposal, slopes, weights)
        predicted = _prediction(problem, standard, c)
        slopes = _slopes(problem, standard, c, predicted)
        worst = certify.violation(slopes, c, weights)
        # once the objective can fall no further in float64, the best conditions of a few steps are taken
        arrived = promised <= 4.0 * np.finfo(float).eps
        if not settled or worst < best[0]:
            best = (worst, c, slopes)
        settled = settled + 1 if arrived or settled else 0
    return _answer(problem, standard, best[1], best[2], "proximal Newton (active set)")


def _quadratic_step(
    problem: LinearProblem,
    standard: Standard,
    c: np.ndarray,
    predicted: np.ndarray,
    slopes: np.ndarray,
    weights: np.ndarray,
) -> np.ndarray:
    """The minimiser of the quadratic model at c plus the l1 penalty, `[k, p]`."""
    root, vectors = _root_of_hessian(problem, standard, predicted)
    r = root[:, None] * vectors
    z = r @ c.ravel() - (vectors @ slopes.ravel()) / root
    return feature_sign(r, z, weights.ravel(), c.ravel()).reshape(c.shape)


def _root_of_hessian(
    problem: LinearProblem, standard: Standard, predicted: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Singular values s `[m]` and vectors Vᵀ `[m, k·p]` with ∇² of the smooth part = V·s²·Vᵀ, all s > 0.

    Taken from a square root of the Hessian, whose condition is the root of the Hessian's, where it is not
    too tall.
    """
    rows = certify.curvature(problem, predicted)
    if problem.loss.reach is not None:
        rows = rows + SAFETY * majoriser(problem, predicted)
    rows = rows.reshape(len(rows), problem.outputs, -1) / len(rows)
    ridge = 2.0 * problem.penalty.l2 * problem.penalised / np.tile(standard.scale**2, problem.outputs)
    size = len(ridge)
    # adding the same to every class's intercept changes nothing: their sum is held, or R would be singular
    several = problem.outputs > 1 and standard.intercept
    common = np.where(problem.penalised > 0.0, 0.0, 1.0 / problem.outputs) * several
    if rows.shape[0] * rows.shape[1] * size <= MOST_TALL or problem.outputs == 1:
        share, turned = np.linalg.eigh(rows)
        half = np.sqrt(np.maximum(share, 0.0))[:, :, None] * turned.transpose(0, 2, 1)
        tall = np.einsum("nij,np->nijp", half, standard.design).reshape(-1, size)
        triangle = np.linalg.qr(np.vstack([tall, np.diag(np.sqrt(ridge)), common[None]]), mode="r")
        _, values, vectors = np.linalg.svd(triangle, full_matrices=False)
        return np.maximum(values, 1e-10 * values[0]), vectors
    whole = blocks(rows, standard.design) + np.diag(ridge) + np.outer(common, common)
    squares, vectors = np.linalg.eigh(whole)
    return np.sqrt(np.maximum(squares, 1e-12 * squares[-1])), vectors.T


def _search(
    problem: LinearProblem,
    standard: Standard,
    c: np.ndarray,
    proposal: np.ndarray,
    slopes: np.ndarray,
    weights: np.ndarray,
) -> tuple[np.ndarray, float]:
    """The proposal, or the first point on the way back to c whose objective has fallen as it should.

    Also returned is the fall that the quadratic model promised, relative to the objective.
    """
    step = proposal - c
    ridge = problem.penalty.l2 * problem.penalised.reshape(c.shape) / standard.scale**2

    def objective(point: np.ndarray) -> float:
        loss = certify.mean_loss(problem, _prediction(problem, standard, point))
        return loss + float((weights * np.abs(point)).sum() + (ridge * point**2).sum())

    here = objective(c)
    promised = float((slopes * step).sum() + (weights * (np.abs(proposal) - np.abs(c))).sum())
    slack = 8.0 * np.finfo(float).eps * abs(here)
    length = 1.0
    for _ in range(60):
        point = proposal if length == 1.0 else c + length * step
        if objective(point) <= here + 1e-4 * length * promised + slack:
            return point, -promised / abs(here)
        length *= 0.5
    return c, 0.0
