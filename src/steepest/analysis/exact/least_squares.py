"""Least squares and ridge: solved once in an orthonormal basis, then corrected by exact residuals.

In the basis Q = A·M (QR or SVD of the equilibrated design, penalty rows stacked below) the problem is as well
conditioned as can be. What is left of rounding is removed by iterative refinement: where the problem is small
enough the gradient is accumulated in double-double, so each correction θ ← θ − M·(MᵀHM)⁻¹·Mᵀ∇F fixes the digits that
the one before it lost. A tall design far from collinear takes standardised columns and their Gram matrix instead, which
need no second copy of the rows; the corrections are the same.
"""

from __future__ import annotations

import numpy as np

from steepest.analysis.exact import certificate as certify
from steepest.analysis.exact.answer import Exact, one_of_many
from steepest.analysis.exact.certificate import relative
from steepest.model import double_double
from steepest.model.linear import LinearProblem
from steepest.model.preconditioners import by_squares, orthonormal

MOST_CORRECTIONS = 10


def solve(problem: LinearProblem) -> Exact:
    """The best answer of `mse` without penalty or with l2."""
    outputs, tall = problem.outputs, by_squares(problem)
    if tall is not None:  # far from collinear: no copy of the rows is needed
        matrix, squares = tall
    else:
        coordinates = orthonormal(problem)
        matrix, squares = coordinates.matrix, _squares(problem, coordinates.basis)
    # MᵀHM, where H is the Hessian for one target: near a multiple of the identity
    inner = 2.0 / outputs * squares + problem.penalty_in(matrix).hessian()
    gradient = double_double.gradient if double_double.pays(problem) else certify.gradient
    value = double_double.value if double_double.pays(problem) else certify.objective

    theta = np.zeros(problem.parameters)
    slopes = gradient(problem, theta).reshape(outputs, -1) @ matrix
    at_start, last = float(np.linalg.norm(slopes)), np.inf
    certificate = relative(at_start, at_start)
    for count in range(MOST_CORRECTIONS):
        move = -np.linalg.solve(inner, slopes.T).T
        # in the basis: of θ itself large parts may cancel, as where a column lies far from zero
        length = float(np.linalg.norm(move))
        if not 0.0 < length < last:
            break
        corrected, last = theta + (move @ matrix.T).ravel(), length
        slopes = gradient(problem, corrected).reshape(outputs, -1) @ matrix
        left = relative(float(np.linalg.norm(slopes)), at_start)
        if count > 0 and left >= certificate:
            break
        theta, certificate = corrected, left
    note = "" if problem.penalty.l2 else one_of_many(*matrix.shape)
    method = "QR" if tall is None else "Cholesky, refined"
    return Exact(theta, float(value(problem, theta)), method, certificate, note)


def _squares(problem: LinearProblem, basis: np.ndarray) -> np.ndarray:
    """BᵀWB/n, `[r, r]`."""
    weighted = basis if problem.weights is None else basis * problem.weights[:, None]
    return weighted.T @ basis / len(basis)
