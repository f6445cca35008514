"""How steep the objective can be: the curvature of the objective, and the learning rates that it allows.

For the linear family the Hessian is AᵀSA/n with S the losses' curvatures, each at most c (mse 2, several
targets 2/m, huber 1, logistic ¼, softmax ½). So L = c·λ_max(AᵀWA/n) + 2·l2 bounds the curvature
*everywhere*, whatever θ, and gradient descent never diverges below a rate of 2/L. The Hessian at the start
would promise too much.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from steepest.analysis.exact import certificate as certify
from steepest.model.feasible_start import feasible_start
from steepest.model.linear import TALL, LinearProblem, gram
from steepest.model.preconditioners import Coordinates
from steepest.numerics.hessians import blocks
from steepest.numerics.lanczos import leading

MOST_DENSE = 500  # parameters up to which eigenvalues are computed from the whole Hessian
MOST_GRAM = 2000  # columns (or rows) up to which the bound is computed from the whole Gram matrix


def bound_per_prediction(problem: LinearProblem) -> float:
    """c, the largest curvature of the loss in the prediction; inf where the slope jumps, there is none, or nobody knows."""
    if problem.loss.bound is None:
        return float("inf")
    targets = problem.target.shape[1] if problem.target.ndim == 2 else 1
    return problem.loss.bound / targets


def smoothness(problem: LinearProblem, batch_size: int | None = None, frame: Coordinates | None = None) -> float:
    """L, a bound on the curvature of the objective at every θ (without the l1 penalty, which has none).

        L   = c·λ_max(AᵀWA/n) + 2·l2
        L_b = n(b−1)/(b(n−1))·L + (n−b)/(b(n−1))·max_i L_i,    L_i = c·wᵢ·‖aᵢ‖² + 2·l2

    Args:
        frame: other coordinates than user units: A is their basis, and the curvature of l2 what it is there.
        batch_size: b rows drawn without replacement give L_b, the expected smoothness (Gower, Loizou, Qian,
            Sailanbayev, Shulgin and Richtárik 2019, "SGD: general analysis and improved rates"); None gives
            L.

    Returns:
        A curvature in loss per squared unit of θ; inf for losses with a kink (`l1`, `quantile`), for those whose curvature
        has no limit (`poisson`; see `local_smoothness`), and one's own.
    """
    bound = bound_per_prediction(problem)
    return bound if not np.isfinite(bound) else _smoothness(problem, batch_size, frame, bound, problem.weights)


def local_smoothness(
    problem: LinearProblem, theta: np.ndarray, batch_size: int | None = None, frame: Coordinates | None = None
) -> float:
    """The same where a loss's curvature has no limit, as that of counts: with the larger of each row's curvatures at θ and
    where its own loss is least, in the place of c.

    It is no bound: between the two, and beyond, a row may bend more.
    """
    first = feasible_start(problem) if not np.any(theta) else None  # 0 may be where no mean is
    theta = np.asarray(theta if first is None else first, dtype=np.float64)
    here = certify.curvature(problem, certify.prediction(problem, theta))
    if problem.loss.family is not None:
        with np.errstate(divide="ignore"):
            best = problem.loss.family.link(problem.target)
        there = certify.curvature(problem, best)
        here = np.maximum(here, np.where(np.isfinite(there), there, 0.0))
    here = here if here.ndim == 1 else here.max(axis=1)
    return _smoothness(problem, batch_size, frame, 1.0, here)


def _smoothness(
    problem: LinearProblem, batch_size: int | None, frame: Coordinates | None, most: float, each: np.ndarray | None
) -> float:
    """L or L_b of rows whose curvatures are at most `most` times `each` `[n]`."""
    ridge = problem.penalty_in(None if frame is None else frame.matrix).largest()
    design = problem.design if frame is None else frame.basis
    whole = most * largest_eigenvalue(design, each) + ridge
    n = len(design)
    b = n if batch_size is None else min(batch_size, n)
    if b == n:
        return whole
    squares = np.einsum("ij,ij->i", design, design)
    row = most * float(np.max(squares if each is None else squares * each)) + ridge
    return n * (b - 1) / (b * (n - 1)) * whole + (n - b) / (b * (n - 1)) * row


def hessian(problem: LinearProblem, theta: np.ndarray) -> np.ndarray:
    """∇²F(θ) `[k·p, k·p]`, without the l1 penalty.

    Raises:
        SpecError: the loss has no second derivative (`l1`, `quantile`).
    """
    rows = certify.curvature(problem, certify.prediction(problem, np.asarray(theta, dtype=np.float64)))
    ridge = np.kron(np.eye(problem.outputs), problem.penalty_in().hessian())
    return blocks(rows / len(rows), problem.design) + ridge


def hessian_times(problem: LinearProblem, theta: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """v ↦ ∇²F(θ)·v `[k·p]`, without forming the Hessian."""
    rows = certify.curvature(problem, certify.prediction(problem, np.asarray(theta, dtype=np.float64)))
    penalty = problem.penalty_in()

    def product(vector: np.ndarray) -> np.ndarray:
        vector = np.asarray(vector, dtype=np.float64).ravel()
        moved = problem.design @ vector.reshape(problem.outputs, -1).T
        bent = np.einsum("nij,nj->ni", rows, moved) if rows.ndim == 3 else rows.reshape(len(rows), -1) * moved
        return (bent.T @ problem.design / len(rows)).ravel() + penalty.gradient(vector)

    return product


def leading_eigenvalues(problem: LinearProblem, theta: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The largest eigenvalues of the Hessian at θ, falling, and their vectors.

    Args:
        theta: `[k·p]`, in user units.
        count: how many, at most k·p.

    Returns:
        values `[count]` and vectors `[k·p, count]`: exact for up to 500 parameters, by Lanczos beyond.

    Raises:
        SpecError: the loss has no second derivative (`l1`, `quantile`).
    """
    size = problem.parameters
    count = min(count, size)
    if size <= MOST_DENSE or count >= size - 1:
        values, vectors = np.linalg.eigh(hessian(problem, theta))
    else:
        values, vectors = leading(hessian_times(problem, theta), size, count)
    return values[::-1][:count], vectors[:, ::-1][:, :count]


def largest_eigenvalue(design: np.ndarray, weights: np.ndarray | None) -> float:
    """λ_max(AᵀWA/n), from the smaller Gram matrix."""
    rows, columns = design.shape
    gram_size = min(rows, columns)
    if design.size > TALL and columns == gram_size <= MOST_GRAM:
        return float(np.linalg.eigvalsh(gram(design, weights) / rows)[-1])
    design = design / np.sqrt(rows) if weights is None else design * np.sqrt(weights / rows)[:, None]
    if gram_size <= MOST_GRAM:
        whole = design.T @ design if columns == gram_size else design @ design.T
        return float(np.linalg.eigvalsh(whole)[-1])
    from scipy.sparse.linalg import svds

    start = np.random.default_rng(0).standard_normal(gram_size)
    # Lanczos comes from below: a little more keeps it a bound
    return float(svds(design, k=1, return_singular_vectors=False, v0=start)[0]) ** 2 * (1.0 + 1e-6)
