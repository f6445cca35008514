"""Other coordinates for the same descent: θ = offset + M·c.

A badly scaled or nearly collinear design makes the valley of the loss long and narrow, and gradient descent
zigzags in it. In other coordinates c the valley is round:

- `standardised`: columns of mean 0 and variance 1. M is diagonal but for the intercept.
- `orthonormal`: an orthonormal basis Q = A·M of the design, so that MᵀHM is the identity at the largest curvature
  (QᵀWQ/n = I; with an `l2` penalty the design is stacked with √(n·2λ/bound)·D, so that the penalty is in it).
  Directions that the data do not determine (rank-deficient designs) are left out: c = 0 there, which from a
  zero start is the least-norm answer in standardised columns.

For powers of one column the way to Q goes through Legendre polynomials on the column's range, since the powers
themselves lose all their digits from about degree 8 on.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from steepest.model.linear import BLOCK, TALL, LinearProblem, gram, is_constant, row_blocks
from steepest.model.row_parts import in_one_thread

WELL_CONDITIONED = 1e-6
"""Smallest over largest pivot from which QR alone decides that all columns are independent."""

SAFE_SQUARES = 0.03
"""Smallest over largest pivot from which the Gram matrix does instead: of 16 digits its squares lose three."""

NOTHING = 1e-9
"""Length of a combination of rows beside the longest one up to which it is rounding."""

VARIES = 1e-3
"""Spread of a column beside its mean from which products with it may be taken before the mean is."""


@dataclass(frozen=True)
class Coordinates:
    """θ = offset + matrix·c for each output; basis = design·matrix.

    basis: `[n, r]`. matrix: `[p, r]`. scales: `[r]`, set where the matrix is diagonal on the penalised parameters.
    rank: r; smaller than p where the data leave directions undetermined.
    """

    basis: np.ndarray
    matrix: np.ndarray
    name: str

    @property
    def rank(self) -> int:
        """How many directions of θ the data determine."""
        return self.matrix.shape[1]

    def to_user(self, c: np.ndarray) -> np.ndarray:
        """c `[..., k·r]` → θ `[..., k·p]`."""
        blocks = c.reshape(*c.shape[:-1], -1, self.rank)
        return (blocks @ self.matrix.T).reshape(*c.shape[:-1], -1)


def standardised(problem: LinearProblem) -> Coordinates:
    """Columns of mean 0 and variance 1 (without an intercept: of mean square 1); a constant column keeps c = 0."""
    basis, matrix = _standardise(problem)
    return Coordinates(basis, matrix, "standardize")


def standard_columns(problem: LinearProblem) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Means `[p]` and scales `[p]` of a tall design's columns, and the matrix of standardised ones, without a copy of A.

    None for designs that are not tall, and where a column varies by less than a thousandth of what it is.
    """
    design, first = problem.design, int(problem.intercept)
    n, p = design.shape
    if design.size <= TALL:
        return None
    origin = design[: max(1, BLOCK // p)].mean(axis=0) * first
    total, squares = np.zeros(p), np.zeros(p)
    for rows in row_blocks(design.shape):
        block = design[rows] - origin
        weighted = block if problem.weights is None else block * problem.weights[rows][:, None]
        total += weighted.sum(axis=0)
        squares += np.einsum("ij,ij->j", weighted, block)
    shift = total / n * first
    mean, scale = origin + shift, np.sqrt(np.maximum(squares / n - shift**2, 0.0))
    mean[:first], scale[:first] = 0.0, 1.0
    if not (np.isfinite(scale).all() and (scale > VARIES * np.abs(mean)).all()):
        return None
    return mean, scale, _matrix(mean, scale, first)


def by_squares(problem: LinearProblem) -> tuple[np.ndarray, np.ndarray] | None:
    """The matrix of standardised columns B = A·M and their Gram matrix BᵀWB/n, `[p, p]` both, without a copy of A.

    For tall designs whose columns are far from depending on one another, so that squares keep enough digits; None
    for all others.
    """
    design, first = problem.design, int(problem.intercept)
    n, p = design.shape
    if design.size <= TALL or n < p:
        return None
    weights = problem.weights
    mean = np.zeros(p)
    with np.errstate(all="ignore"):  # columns near the ends of float64 are told by their pivots
        if problem.intercept:
            mean[1:] = ((np.ones(n) if weights is None else weights) @ design)[1:] / n
        squares = gram(design, weights, mean) / n
        scale = np.sqrt(np.diag(squares))
        scale[:first] = 1.0
        squares /= np.outer(scale, scale)
    if _root(squares) is None:
        return None
    return _matrix(mean, scale, first), squares


def _matrix(mean: np.ndarray, scale: np.ndarray, first: int) -> np.ndarray:
    """M of standardised columns; first: 1 with an intercept."""
    matrix = np.diag(1.0 / scale)
    matrix[0, first:] -= first * mean[first:] / scale[first:]
    return matrix


def _root(squares: np.ndarray) -> np.ndarray | None:
    """R with RᵀR = a Gram matrix, or None where its pivots lie too far apart to trust its digits."""
    if not np.isfinite(squares).all():
        return None
    try:
        root = np.linalg.cholesky(squares).T
    except np.linalg.LinAlgError:
        return None
    pivots = np.diag(root)
    return root if pivots.min() > SAFE_SQUARES * pivots.max() else None


def orthonormal(problem: LinearProblem) -> Coordinates:
    """An orthonormal basis of the (weighted, penalised) design; see the module's text."""
    basis, matrix = _well_scaled(problem)
    rows, first = len(basis), int(problem.intercept)
    share = np.full(rows, 1.0 / rows) if problem.weights is None else problem.weights / rows
    if problem.intercept:
        # the intercept stays by itself: mixed with the others, a target far from zero would cost them their digits
        centre = share @ basis[:, 1:]
        basis[:, 1:] -= centre
        matrix[0, 1:] -= centre
    stack = basis[:, first:] * np.sqrt(share)[:, None]
    if problem.penalty.l2:
        stack = np.vstack([stack, problem.penalty_in(matrix).root(problem.loss.bound or 1.0)[:, first:]])
    inner = _whitening(stack)
    turn = np.zeros((basis.shape[1], first + inner.shape[1]))
    turn[:first, :first] = 1.0
    turn[first:, first:] = inner
    return Coordinates(basis @ turn, matrix @ turn, "orthonormal")


def _whitening(stack: np.ndarray) -> np.ndarray:
    """T `[p, r]` with (stack·T)ᵀ(stack·T) = I: by QR, or by SVD where columns depend on one another (r < p).

    Tall stacks far from that need no more than their Gram matrix.
    """
    if not stack.size:
        return np.zeros((stack.shape[1], 0))
    # columns of one size, or a penalty's on a column in tiny units would pass for all there is
    sizes = np.sqrt(np.einsum("ij,ij->j", stack, stack))
    sizes = np.where(sizes > 0, sizes, 1.0)
    with in_one_thread(float(stack.size) * min(stack.shape)):
        return _whitened(stack / sizes) / sizes[:, None]


def _whitened(stack: np.ndarray) -> np.ndarray:
    tallest = max(stack.shape)
    if stack.size > TALL and stack.shape[0] >= stack.shape[1]:
        root = _root(gram(stack))
        if root is not None:
            return np.linalg.inv(root)
    if stack.shape[0] < stack.shape[1] and (found := _of_rows(stack)) is not None:
        return stack.T @ (found[1] / found[0])
    if stack.shape[0] >= stack.shape[1] > 0:
        stack = np.asarray(np.linalg.qr(stack, mode="r"))
        pivots = np.abs(np.diag(stack))
        if pivots.min() > WELL_CONDITIONED * pivots.max():
            return np.linalg.inv(stack)
    _, sizes, right = np.linalg.svd(stack, full_matrices=False)
    kept = sizes > tallest * np.finfo(float).eps * max(sizes, default=0.0)
    return right[kept].T / sizes[kept]


def _of_rows(wide: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """The nonzero eigenvalues of the rows' Gram matrix, and their vectors; None where some are neither 0 nor well above."""
    squares, vectors = np.linalg.eigh(wide @ wide.T)
    kept = squares > SAFE_SQUARES**2 * squares[-1]
    left = wide.T @ vectors[:, ~kept]  # of rows themselves, as squares have lost what is small
    if np.any(np.einsum("ij,ij->j", left, left) > NOTHING**2 * squares[-1]):
        return None
    return squares[kept], vectors[:, kept]


def row_space(problem: LinearProblem) -> Coordinates | None:
    """Orthonormal coordinates of what the rows of a wide design span, where an l2 penalty leaves nothing beside it but 0.

    With Y = √(W/n)·(A − mean)/√(2·l2/bound) and YYᵀ = UΛUᵀ they are θ = YᵀU(Λ(Λ + 1))^(−½)·c/√(2·l2/bound). None for other
    problems, and where the rows nearly depend on one another.
    """
    (n, p), first, l2 = problem.design.shape, int(problem.intercept), problem.penalty.l2
    if not (n < p and l2) or problem.penalty.kinked:
        return None
    share = np.full(n, 1.0 / n) if problem.weights is None else problem.weights / n
    columns, per = problem.design[:, first:], np.sqrt(2.0 * l2 / (problem.loss.bound or 1.0))
    centre = share @ columns * first
    wide = (columns - centre) * (np.sqrt(share)[:, None] / per)
    found = _of_rows(wide)
    if found is None or not found[0].size:
        return None
    squares, vectors = found
    if squares[-1] * NOTHING > 1.0:  # what is nothing beside the largest is not beside the penalty
        return None
    turn = wide.T @ (vectors / np.sqrt(squares * (squares + 1.0))) / per
    matrix, basis = np.zeros((p, first + len(squares))), np.ones((n, first + len(squares)))
    matrix[first:, first:], basis[:, first:] = turn, (columns - centre) @ turn
    if first:
        matrix[0, 0], matrix[0, 1:] = 1.0, -centre @ turn
    return Coordinates(basis, matrix, "orthonormal")


def _well_scaled(problem: LinearProblem) -> tuple[np.ndarray, np.ndarray]:
    """A basis that is neither badly scaled nor made of raw powers, and its matrix."""
    if problem.degree > 1 and problem.design.shape[1] == problem.degree + problem.intercept:
        x = problem.design[:, 1 if problem.intercept else 0]
        if x.min() < x.max():
            with suppress(OverflowError):  # powers beyond the range of float64
                return _legendre(x, problem.degree, problem.intercept)
    return _standardise(problem)


def _standardise(problem: LinearProblem) -> tuple[np.ndarray, np.ndarray]:
    design, weights = problem.design, problem.weights
    first = int(problem.intercept)
    if design.shape[1] == first:
        return design.copy(), np.eye(first)
    columns = design[:, first:]
    mean = np.zeros(columns.shape[1])
    if problem.intercept and weights is not None and design.size > TALL:
        mean = weights @ columns / weights.sum()
    elif problem.intercept:
        mean = np.average(columns, axis=0, weights=weights)
    constant = _constant(columns)
    if not problem.intercept:
        constant &= columns[0] == 0.0
    basis = np.empty_like(design)
    np.subtract(columns, mean, out=basis[:, first:])
    basis[:, first:][:, constant] = 0.0
    scale = np.sqrt(_mean_squares(basis[:, first:], weights))
    scale[scale == 0] = 1.0
    basis[:, first:] /= scale
    matrix = np.zeros((design.shape[1], design.shape[1]))
    matrix[range(first, design.shape[1]), range(first, design.shape[1])] = np.where(constant, 0.0, 1.0 / scale)
    if problem.intercept:
        basis[:, 0] = 1.0
        matrix[0, 0] = 1.0
        matrix[0, 1:] = np.where(constant, 0.0, -mean / scale)
    return basis, matrix


def _constant(columns: np.ndarray) -> np.ndarray:
    """Which columns `[n, d]` take one value only, up to rounding, `[d]`: most show in their ends that they do not."""
    constant = np.abs(columns[0] - columns[-1]) <= 1e-14 * np.abs(columns[-1])
    constant[constant] = [is_constant(column) for column in columns.T[constant]]
    return constant


def _mean_squares(columns: np.ndarray, weights: np.ndarray | None) -> np.ndarray:
    """The weighted mean square of each column, a block of rows at a time."""
    parts = row_blocks(columns.shape)
    if len(parts) == 1:
        return np.average(columns**2, axis=0, weights=weights)
    total = np.zeros(columns.shape[1])
    for rows in parts:
        squares = columns[rows] ** 2
        total += squares.sum(axis=0) if weights is None else weights[rows] @ squares
    return total / (len(columns) if weights is None else weights.sum())


def _legendre(x: np.ndarray, degree: int, intercept: bool) -> tuple[np.ndarray, np.ndarray]:
    """Legendre polynomials of u = (x − middle)/half (times x where there is no intercept) and their powers of x.

    The matrix holds the coefficients of 1, x, x², …, found exactly in rational arithmetic and rounded once.
    """
    middle, half = (x.max() + x.min()) / 2, (x.max() - x.min()) / 2
    last = degree if intercept else degree - 1
    basis = np.polynomial.legendre.legvander((x - middle) / half, last)
    slope = 1 / Fraction(float(half))
    shift = -Fraction(float(middle)) * slope
    polynomials = [[Fraction(1)], [shift, slope]]
    for n in range(1, last):
        times_u = _add([shift * a for a in polynomials[n]], [Fraction(0)] + [slope * a for a in polynomials[n]])
        step = [Fraction(2 * n + 1, n + 1) * a for a in times_u]
        polynomials.append(_add(step, [Fraction(-n, n + 1) * a for a in polynomials[n - 1]]))
    matrix = np.zeros((last + 1, last + 1))
    for column, polynomial in enumerate(polynomials[: last + 1]):
        matrix[: len(polynomial), column] = [float(a) for a in polynomial]
    if not intercept:  # every basis function is x·P(u): the same coefficients, one power higher
        size = np.abs(x).max()
        return basis * (x / size)[:, None], matrix / size
    return basis, matrix


def _add(a: list[Fraction], b: list[Fraction]) -> list[Fraction]:
    longer, shorter = (a, b) if len(a) >= len(b) else (b, a)
    return [value + (shorter[i] if i < len(shorter) else 0) for i, value in enumerate(longer)]
