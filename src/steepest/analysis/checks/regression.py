"""The regression behind a fit, apart from any descent: what the checks of the residuals ask of the data.

    rows  ──standardise──▶  columns z  ──terms──▶  design  ──least squares──▶  residuals, leverages, RSS, PRESS
                                                     └──────Huber's loss────▶  a scale that outliers do not move, and
                                                                               the rows that lie far beyond it

Whatever happened to a descent, these numbers are the same: the model's troubles are about the model. Tables of more than
10,000 rows are judged by an even sample of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from math import comb

import numpy as np

from steepest.analysis.checks import rounding
from steepest.analysis.finding import Finding, Prepared
from steepest.data.thinning import evenly
from steepest.model.linear import Terms

MOST_ROWS = 10_000
MOST_ENTRIES = 1_000_000  # entries of a design beyond which fewer rows are looked at
EFFICIENCY = 0.37
"""The median absolute residual of n normal rows is as sure a scale as the standard deviation of 0.37·n."""

WIDTH = 1.345  # Huber's width in units of the scale: 95% as efficient as least squares on normal residuals (Huber 1964)
ENOUGH, MOST_TURNS = 1e-3, 60
"""A robust fit stands once its scale and its predictions move by less than this share of the scale, or after so many turns."""

PLAIN = 1e3  # condition number up to which AᵀA is taken in place of A: it loses no more than 10 of 16 digits
STRONG = 0.99  # a leverage of which 1 − leverage is still told from AᵀA
RAMP, LEAST_FAR = 3.5, 10.0
LEVEL = 1e-3


@dataclass(frozen=True)
class Regression:
    """One target and the columns that it is predicted from, whatever the loss.

    x: `[n, d]`, y: `[n]`, weights: `[n]` or None; target: y's name. robust: outliers are dealt with by the loss.
    numbers: of the rows in the training rows, `[n]`; None: as they stand. slope: of the loss in a residual, by which a row
    pulls at the fit; None: in proportion to the residual, as under squares.
    """

    x: np.ndarray
    y: np.ndarray
    weights: np.ndarray | None
    columns: tuple[str, ...]
    target: str
    degree: int = 1
    intercept: bool = True
    robust: bool = False
    numbers: np.ndarray | None = None
    slope: Callable[[np.ndarray], np.ndarray] | None = None

    @classmethod
    def of(cls, given: Prepared) -> Regression | None:
        """The regression of a fit of the linear family to one target of numbers; None for any other."""
        rows, terms = given.train, given.terms
        loss = given.loss_function
        if terms is None or rows.classes is not None or rows.y.ndim != 1 or loss.custom:
            return None
        x, y, weights, numbers = rows.x.astype(np.float64, copy=False), rows.y.astype(np.float64), rows.weights, None
        if weights is not None:
            numbers = np.flatnonzero(weights > 0)
            x, y, weights = x[numbers], y[numbers], weights[numbers] / weights[numbers].mean()
        robust, choice, slope = not loss.quadratic, loss.choice, None
        if robust and loss.of_residual and choice is not None and choice.slope is not None:
            formula, own = choice.slope, loss.numbers
            slope = lambda residual: formula(np.zeros_like(residual), residual, *own)  # noqa: E731
        return cls(x, y, weights, rows.names, rows.targets[0], terms.degree, terms.intercept, robust, numbers, slope)

    @property
    def rows(self) -> int:
        """n."""
        return len(self.y)

    @property
    def parameters(self) -> int:
        """p."""
        return comb(self.x.shape[1] + self.degree, self.degree) - (not self.intercept)

    def pull(self, residual: np.ndarray) -> np.ndarray:
        """How hard rows of these residuals `[n]` pull at the fit."""
        return residual if self.slope is None else self.slope(residual)

    @property
    def one_sided(self) -> bool:
        """Whether the loss asks for another place of the target than its middle, as a quantile does."""
        return self.slope is not None and bool(abs(self.slope(np.array([1e-3, -1e-3])).sum()) > 1e-9)

    @cached_property
    def thinned(self) -> Sampled:
        """An even sample of the rows with their design, in standardised columns."""
        rows = evenly(self.rows, min(MOST_ROWS, max(50, MOST_ENTRIES // max(self.parameters, 1))))
        x = self.x[rows]
        shift = x.mean(0) if self.intercept else np.zeros(x.shape[1])
        scale = np.sqrt(np.mean((x - shift) ** 2, axis=0))
        scale = np.where(scale > 0, scale, 1.0)
        weights = None if self.weights is None else self.weights[rows]
        terms = Terms(self.columns, self.degree, self.intercept)
        return Sampled(terms, shift, scale, terms.design((x - shift) / scale), self.y[rows], weights, rows)


@dataclass(frozen=True)
class Cause:
    """What a test of the residuals finds, and the regression as its remedy leaves it."""

    finding: Finding
    mended: Regression


@dataclass(frozen=True)
class Sampled:
    """Rows with their design `[m, p]` in standardised columns (x − shift)/scale; rows: their numbers in the regression."""

    terms: Terms
    shift: np.ndarray
    scale: np.ndarray
    design: np.ndarray
    y: np.ndarray
    weights: np.ndarray | None
    rows: np.ndarray

    def only(self, mine: np.ndarray) -> Sampled:
        """Some of the rows, `[m]` bool or numbers."""
        if mine.dtype == bool and mine.all():
            return self
        weights = None if self.weights is None else self.weights[mine]
        return replace(self, design=self.design[mine], y=self.y[mine], weights=weights, rows=self.rows[mine])

    def at(self, regression: Regression, rows: np.ndarray) -> Sampled:
        """The same columns of other rows, by their numbers."""
        design = self.terms.design((regression.x[rows] - self.shift) / self.scale)
        weights = None if regression.weights is None else regression.weights[rows]
        return replace(self, design=design, y=regression.y[rows], weights=weights, rows=rows)

    def predict(self, x: np.ndarray, theta: np.ndarray) -> np.ndarray:
        """The predictions `[n]` for any rows x `[n, d]`, a block of rows at a time."""
        if self.terms.degree == 1:
            slopes = theta[-x.shape[1] :] / self.scale
            return x @ slopes + ((theta[0] if self.terms.intercept else 0.0) - self.shift @ slopes)
        step = max(1, MOST_ENTRIES // len(theta))
        parts = [self.terms.design((x[i : i + step] - self.shift) / self.scale) @ theta for i in range(0, len(x), step)]
        return np.concatenate(parts) if parts else np.empty(0)

    def rounding(self, x: np.ndarray, y: np.ndarray, theta: np.ndarray) -> np.ndarray:
        """The size `[n]` up to which residuals of rows x `[n, d]`, y `[n]` are rounding."""
        sizes = replace(self, shift=-np.abs(self.shift), scale=self.scale)
        return rounding.level(y, sizes.predict(np.abs(x), np.abs(theta)), rounding.precision(y, x))

    @cached_property
    def root(self) -> np.ndarray:
        """√w `[m]`."""
        return np.ones(len(self.y)) if self.weights is None else np.sqrt(self.weights)

    @cached_property
    def orthonormal(self) -> tuple[np.ndarray, np.ndarray]:
        """M `[p, rank]` and √w·design·M `[m, rank]`, whose columns are orthonormal."""
        return _orthonormal(self.design * self.root[:, None])

    @cached_property
    def least_squares(self) -> LeastSquares:
        """Weighted least squares on the rows."""
        (matrix, basis), target = self.orthonormal, self.y * self.root
        along = basis.T @ target
        leverage = np.minimum(np.einsum("ij,ij->i", basis, basis), 1.0 - 1e-9)
        return LeastSquares(matrix @ along, target - basis @ along, leverage, matrix.shape[1])

    @cached_property
    def robust(self) -> Robust:
        """Huber's fit with a width of 1.345 scales, the scale being the median absolute residual's.

        By weighted least squares, again and again (Holland and Welsch 1977): a row counts 1 up to the width and width/|r|
        beyond it. Few rows are beyond, and in an orthonormal basis Q only those have to be counted anew: QᵀWQ = I − Qᵀ(I − W)Q.
        """
        (matrix, basis), root = self.orthonormal, self.root
        free = max(len(self.y) - basis.shape[1], 1)
        least = 1e-6 * float(np.std(self.y)) or 1e-300
        moved, residual = np.zeros(basis.shape[1]), self.least_squares.residual
        scale = max(_scale(residual, free), least)
        for _ in range(MOST_TURNS):
            size, width = np.abs(residual) / root, WIDTH * scale
            beyond = np.flatnonzero(size > width)
            missing = 1.0 - width / size[beyond]
            light = basis[beyond] * np.sqrt(missing)[:, None]
            counted = np.eye(len(moved)) * (1.0 + 1e-12) - light.T @ light
            pull = basis.T @ residual - basis[beyond].T @ (missing * residual[beyond])
            step = np.linalg.solve(counted, pull)
            moved, residual = moved + step, residual - basis @ step
            last, scale = scale, max(_scale(residual, free), least)
            far = float(np.linalg.norm(step)) / np.sqrt(len(residual))
            if max(abs(scale - last), far) <= ENOUGH * scale:
                break
        return Robust(self.least_squares.theta + matrix @ moved, residual, scale, scale == least, len(moved))


@dataclass(frozen=True)
class LeastSquares:
    """theta `[p]` of least norm; residuals √w·r `[m]`, leverages `[m]`, and the rank of the design."""

    theta: np.ndarray
    residual: np.ndarray
    leverage: np.ndarray
    rank: int

    @property
    def rss(self) -> float:
        """Σ w·r²."""
        return float(self.residual @ self.residual)

    @property
    def press(self) -> float:
        """Σ w·r² of each row by a fit to the others (Allen 1974): residuals over 1 − leverage."""
        return float(np.sum((self.residual / (1.0 - self.leverage)) ** 2))


@dataclass(frozen=True)
class Robust:
    """Huber's fit: residuals √w·r `[m]`, their scale (1.4826 times the median absolute one), and the design's rank.

    exact: more than half of the rows are met exactly, so that the scale is a mere floor.
    """

    theta: np.ndarray
    residual: np.ndarray
    scale: float
    exact: bool
    rank: int

    def beyond(self, residual: np.ndarray) -> np.ndarray:
        """Which rows of these residuals are outliers, `[n]` bool.

        A row is one if it lies further out than a normal sample of n rows does once in 1,000 (Student's t, its degrees
        of freedom as sure as the scale is), and 10 scales at least. That is not enough where tails are heavy: rows
        between 3.5 scales and that limit, as far as there are more than is normal, show such tails. Unless the rows beyond
        are three times as many, only those are outliers that a tail like 1/r³ shows once in a hundred samples.
        """
        from scipy import special

        size = np.abs(residual) / self.scale
        n = len(size)
        sure = max(EFFICIENCY * (n - self.rank), 0.5)
        limit = max(LEAST_FAR, -float(special.stdtrit(sure, LEVEL / (2 * n))))
        normal = 2 * special.ndtr(-RAMP) * n
        heavy = max(0.0, np.count_nonzero((size > RAMP) & (size <= limit)) - normal - 2 * np.sqrt(normal))
        far = size > limit
        if np.count_nonzero(far) <= 3 * heavy:
            far = size > max(limit, RAMP * (100.0 * heavy) ** (1 / 3))
        return far

    @property
    def outlying(self) -> np.ndarray:
        """The outliers among its own rows."""
        return self.beyond(self.residual)


def _orthonormal(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """M `[p, rank]` and matrix·M, whose columns are orthonormal: from AᵀA, or where that is not sure from A.

    It is not where a row's leverage is close to 1: then 1 − leverage is left with too few digits.
    """
    rows, columns = matrix.shape
    size = np.sqrt(np.einsum("ij,ij->j", matrix, matrix))
    if rows >= columns and (size > 0).all() and np.isfinite(size).all():
        scaled = matrix / size
        try:
            inverse = np.linalg.inv(np.linalg.cholesky(scaled.T @ scaled))
        except np.linalg.LinAlgError:
            inverse = np.full((1, 1), np.inf)
        if np.linalg.norm(inverse) * np.sqrt(columns) <= PLAIN:
            basis = scaled @ inverse.T
            if np.einsum("ij,ij->i", basis, basis).max() < STRONG:
                return inverse.T / size[:, None], basis
    _, values, right = np.linalg.svd(np.linalg.qr(matrix, mode="r") if rows > columns else matrix, full_matrices=False)
    kept = values > 1e-10 * values.max(initial=0.0)
    turn = right[kept].T / values[kept]
    return turn, matrix @ turn


def _scale(residual: np.ndarray, free: int) -> float:
    """1.4826 · median |r|, with the degrees of freedom that the parameters took."""
    return 1.4826 * float(np.median(np.abs(residual))) * np.sqrt(len(residual) / free)
