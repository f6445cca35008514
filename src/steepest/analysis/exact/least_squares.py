"""Least squares and ridge: solved once in an orthonormal basis, then corrected by exact residuals.

In the basis Q = A·M (QR or SVD of the equilibrated design, penalty rows stacked below) the problem is as well
conditioned as can be. What is left of rounding is removed by iterative refinement: where the problem is small
enough the gradient is accumulated in double-double, so each correction θ ← θ − M·(MᵀHM)⁻¹·Mᵀ∇F fixes the digits that
the one before it lost. A tall design far from collinear takes standardised columns and their Gram matrix instead, which
need no second copy of the rows; the corrections are the same.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from steepest.analysis.exact import certificate as certify
from steepest.analysis.exact.answer import Exact, one_of_many
from steepest.analysis.exact.certificate import relative
from steepest.lazy import torch
from steepest.model import double_double
from steepest.model.linear import LinearProblem, row_blocks
from steepest.model.preconditioners import by_squares, orthonormal, row_space
from steepest.numerics.dual import row_system, suits

MOST_CORRECTIONS = 10
REFINED = "Cholesky, refined"

FEW = 500
"""Equations up to which their inverse takes less time than the import of SciPy."""


def solve(problem: LinearProblem) -> Exact:
    """The best answer of `mse` without penalty or with l2."""
    outputs = problem.outputs
    matrix, solved, method = _system(problem)
    extended = double_double.pays(problem)
    gradient = double_double.gradient if extended else certify.gradient
    value = double_double.value if extended else certify.objective

    def slopes_at(theta: np.ndarray) -> np.ndarray:
        if method == REFINED and not extended and matrix is not None:
            return _in_columns(problem, theta, matrix)
        found = gradient(problem, theta).reshape(outputs, -1)
        return found if matrix is None else found @ matrix

    theta = np.zeros(problem.parameters)
    slopes = slopes_at(theta)
    at_start, last = float(np.linalg.norm(slopes)), np.inf
    certificate = relative(at_start, at_start)
    for count in range(MOST_CORRECTIONS):
        move = -solved(slopes)
        # in the basis: of θ itself large parts may cancel, as where a column lies far from zero
        length = float(np.linalg.norm(move))
        if not 0.0 < length < last:
            break
        corrected, last = theta + (move if matrix is None else move @ matrix.T).ravel(), length
        slopes = slopes_at(corrected)
        left = relative(float(np.linalg.norm(slopes)), at_start)
        if count > 0 and left >= certificate:
            break
        theta, certificate = corrected, left
    note = "" if problem.penalty.l2 or matrix is None else one_of_many(*matrix.shape)
    return Exact(theta, float(value(problem, theta)), method, certificate, note)


def _system(problem: LinearProblem) -> tuple[np.ndarray | None, Callable[[np.ndarray], np.ndarray], str]:
    """The matrix M to a basis (None: of θ itself), slopes `[k, r]` there ↦ the solution of MᵀHM for each, and the method's name.

    H is the Hessian for one output.
    """
    if suits(problem):
        rows = row_system(problem, torch.from_numpy(problem.design))
        assert rows is not None
        shares = torch.full((len(problem.design),), 2.0 / len(problem.design), dtype=torch.float64)
        shares = shares if problem.weights is None else shares * torch.from_numpy(problem.weights)
        ridge = problem.penalty.curvature

        def solved(slopes: np.ndarray) -> np.ndarray:
            return rows.solve(shares, ridge, torch.from_numpy(slopes[0])).numpy()[None]

        return None, solved, "Cholesky of the rows"
    tall = by_squares(problem)
    if tall is not None:  # far from collinear: no copy of the rows is needed
        matrix, squares = tall
    else:
        coordinates = row_space(problem) or orthonormal(problem)
        matrix, basis = coordinates.matrix, coordinates.basis
        weighted = basis if problem.weights is None else basis * problem.weights[:, None]
        squares = weighted.T @ basis / len(basis)
    # near a multiple of the identity
    inner = 2.0 / problem.outputs * squares + problem.penalty_in(matrix).hessian()
    method = "QR" if tall is None else REFINED
    if len(inner) <= FEW:
        inverse = np.linalg.inv(inner)
        return matrix, lambda slopes: slopes @ inverse, method
    from scipy import linalg

    factor = linalg.cho_factor(inner, lower=True, check_finite=False)
    return matrix, lambda slopes: np.asarray(linalg.cho_solve(factor, slopes.T, check_finite=False)).T, method


def _in_columns(problem: LinearProblem, theta: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """∇F in standardised columns, `[k, p]`, whose means are taken off beforehand: afterwards they would take digits along."""
    scale = 1.0 / matrix.diagonal()
    mean = -matrix[0] * scale * int(problem.intercept)
    mean[: int(problem.intercept)] = 0.0
    slopes = certify.slope(problem, certify.prediction(problem, theta)).reshape(len(problem.design), -1)
    found = np.zeros((problem.outputs, len(scale)))
    for rows in row_blocks(problem.design.shape):
        found += slopes[rows].T @ ((problem.design[rows] - mean) / scale)
    return found / len(slopes) + problem.penalty_in().gradient(theta).reshape(found.shape) @ matrix
