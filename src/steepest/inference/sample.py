"""The rows that a fit was made from, the θ that is judged, and the coordinates in which inference is computed.

Coordinates z: θ = T·z, prediction = Q·C with Q = A·M nearly orthonormal. (AᵀWA)⁻¹ = M·(QᵀWQ)⁻¹·Mᵀ then keeps its digits
whatever the units of the columns and however close to collinear they are: Q is computed with twice the digits where the
design is small, and QᵀWQ is near the identity. Classes of a softmax have one coordinate less than outputs: their log-odds
tell nothing but differences, and θ is the one whose sum over the classes is 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from steepest.analysis.exact import certificate as certify
from steepest.analysis.exact.smooth import sum_to_zero
from steepest.data.dataset import Dataset
from steepest.errors import SpecError
from steepest.model import centring, double_double
from steepest.model.linear import LinearProblem, Terms, row_blocks
from steepest.model.of_fit import linear_problem
from steepest.model.penalties import Penalty
from steepest.model.preconditioners import by_squares, orthonormal
from steepest.result import Fit
from steepest.storage.run_loading import rows_of

EXTENDED = 3_000_000
"""Products (rows times the square of the columns) up to which Q is computed with twice the digits."""

MOST_COORDINATES = 4_000
"""Coordinates of which a covariance is computed at most."""

DETERMINED = 1e-6
"""Part of a coefficient in directions that the rows do not determine, up to which it is rounding."""


THROUGH = 1e-9
"""Residual beside their spread that is rounding, at the kink of a loss."""


@dataclass(frozen=True)
class Sample:
    """What inference is about.

    problem: in the coefficients that the fit was computed with, with its penalty. theta: `[k·p]` of those.
    weights: `[n]` as they were given (not scaled to mean 1), times the factors of `class_weight`; None where all are 1.
    frequency: whether a weight is the number of rows that a row stands for. kept: `[m]`, which of the m rows fitted these are;
    None where they are all. Rows of weight 0 take no part, and are not counted.
    """

    problem: LinearProblem
    terms: Terms
    theta: np.ndarray
    data: Dataset
    weights: np.ndarray | None
    frequency: bool
    kept: np.ndarray | None = None

    def of_output(self, output: int) -> Sample:
        """That of one target alone."""
        problem = self.problem.of_output(output)
        y = self.data.y[:, output]
        data = replace(self.data, y=y, targets=self.data.targets[output : output + 1])
        return replace(self, problem=problem, theta=self.theta.reshape(self.problem.outputs, -1)[output], data=data)

    @property
    def rows(self) -> int:
        """How many rows the design has."""
        return len(self.problem.design)

    @property
    def nobs(self) -> float:
        """The number of observations: of rows, or of those that the rows stand for."""
        stream = self.data.stream
        if stream is not None:
            return stream.rows * stream.mean_weight if self.frequency else float(stream.weighted)
        return float(self.weights.sum()) if self.frequency and self.weights is not None else float(self.rows)

    @property
    def each(self) -> np.ndarray:
        """The weights `[n]`, 1 where there are none."""
        return np.ones(self.rows) if self.weights is None else self.weights

    def squared(self, part: np.ndarray) -> np.ndarray:
        """Weights of squares of the rows' slopes: w² of precisions, w of frequencies."""
        each = self.each if self.frequency else self.each**2
        return (part.T * each).T

    @property
    def total(self) -> float:
        """Σ w, by which a mean loss is the sum of the rows'."""
        return float(self.rows) if self.weights is None else float(self.weights.sum())

    @cached_property
    def prediction(self) -> np.ndarray:
        """Predictions, or log-odds, at θ: `[n]` or `[n, k]`."""
        extended = double_double.pays(self.problem) and not self.problem.loss.of_residual
        return (double_double if extended else certify).prediction(self.problem, self.theta)

    @cached_property
    def residuals(self) -> np.ndarray:
        """y − f at θ `[n]` or `[n, m]`, with twice the digits where the design is small."""
        if double_double.pays(self.problem):
            found = double_double.residuals(self.problem, self.theta)[0]
            return found[0] if self.problem.target.ndim == 1 else found.T
        return self.problem.target - self.prediction

    @cached_property
    def slopes(self) -> np.ndarray:
        """∂ℓ/∂f of each row at θ, without weights: `[n]` or `[n, k]`."""
        loss = self.problem.loss
        if loss.of_residual:
            off = self.residuals
            if loss.pieces is not None:  # the rows that the exact answer passes through
                off = np.where(np.abs(off) <= THROUGH * np.std(off), 0.0, off)
            return loss.slope(-off, np.zeros_like(self.problem.target))
        return loss.slope(self.prediction, self.problem.target)

    @cached_property
    def curvatures(self) -> np.ndarray:
        """∂²ℓ/∂f² of each row at θ, without weights: `[n]`, `[n, m]`, of classes `[n, k, k]`."""
        loss = self.problem.loss
        if loss.of_residual:
            return loss.curvature(-self.residuals, np.zeros_like(self.problem.target))
        return loss.curvature(self.prediction, self.problem.target)

    @cached_property
    def means(self) -> np.ndarray:
        """The mean of the target of each row at θ."""
        return self.problem.loss.mean_of(self.prediction)

    @cached_property
    def expected_curvatures(self) -> np.ndarray:
        """E ∂²ℓ/∂f² of each row of a family at θ, without weights: (dμ/df)²/V(μ)."""
        loss = self.problem.loss
        assert loss.family is not None
        share = loss.family.mean_slope(self.prediction) ** 2 / loss.family.variance(self.means, *loss.numbers)
        return share / (self.problem.outputs if share.ndim == 2 else 1)

    # ---- coordinates ---------------------------------------------------------------------------------

    @cached_property
    def _coordinates(self) -> tuple[np.ndarray, np.ndarray | None]:
        """M `[p, r]`, and Q `[n, r]` or None where it is A·M, a block of rows at a time."""
        smooth = replace(self.problem, penalty=Penalty(l2=self.problem.penalty.l2))
        tall = by_squares(smooth)
        if tall is not None:
            return tall[0], None
        found = orthonormal(smooth)
        n, p = smooth.design.shape
        if n * p * found.rank > EXTENDED:
            return found.matrix, found.basis
        return found.matrix, double_double.product(smooth, found.matrix)

    @property
    def matrix(self) -> np.ndarray:
        """M `[p, r]`: the coefficients of one output are M·c."""
        return self._coordinates[0]

    @property
    def rank(self) -> int:
        """r, the directions that the rows (or the penalty) determine."""
        return self.matrix.shape[1]

    def blocks(self) -> Iterator[tuple[slice, np.ndarray]]:
        """Rows, and Q of them, in blocks."""
        matrix, basis = self._coordinates
        for rows in row_blocks(self.problem.design.shape):
            yield rows, self.problem.design[rows] @ matrix if basis is None else basis[rows]

    def squares(self, each: np.ndarray) -> np.ndarray:
        """Σᵢ eachᵢ·qᵢqᵢᵀ, `[r, r]`."""
        total = np.zeros((self.rank, self.rank))
        for rows, basis in self.blocks():
            total += (basis * each[rows, None]).T @ basis
        return total

    def sums(self, each: np.ndarray) -> np.ndarray:
        """Σᵢ eachᵢ·qᵢ: `[r]`, of `[n, k]` `[k, r]`."""
        return np.sum([each[rows].T @ basis for rows, basis in self.blocks()], axis=0)

    @cached_property
    def user(self) -> np.ndarray:
        """M in user units `[p, r]`."""
        if not self.terms.centre:
            return self.matrix
        return centring.path_to_user(self.terms, self.matrix.T).T

    @cached_property
    def coefficients(self) -> np.ndarray:
        """θ in user units `[k, p]`."""
        theta = centring.to_user(self.terms, self.theta) if self.terms.centre else self.theta
        return theta.reshape(self.problem.outputs, -1)

    @cached_property
    def classes(self) -> np.ndarray | None:
        """H `[k, k−1]`, the directions of classes whose sum is 0; None where outputs are apart from one another."""
        return sum_to_zero(self.problem.outputs) if self.problem.loss.coupled else None

    @cached_property
    def free(self) -> np.ndarray:
        """Directions `[q, p]` of an output's coefficients that change no prediction of the rows; a column counts by its size."""
        design = self.problem.design
        if self.rank == design.shape[1]:
            return np.zeros((0, self.rank))
        sizes = self.sizes
        triangle = np.linalg.qr(design / sizes, mode="r")
        return np.linalg.svd(triangle, full_matrices=True)[2][self.rank :]

    @cached_property
    def sizes(self) -> np.ndarray:
        """The norms of the columns `[p]`, 1 of those that are 0."""
        sizes = np.linalg.norm(self.problem.design, axis=0)
        return np.where(sizes > 0, sizes, 1.0)

    def beyond(self, design: np.ndarray) -> np.ndarray:
        """Which of other rows `[n, p]` depart from how the columns of these depend on one another, `[n]`."""
        scaled = design / self.sizes
        return np.abs(scaled @ self.free.T).max(1, initial=0.0) > DETERMINED * np.linalg.norm(scaled, axis=1)

    @cached_property
    def undetermined(self) -> np.ndarray:
        """Which coefficients of an output `[p]` the rows do not determine, as other columns say the same."""
        design = self.problem.design
        found: np.ndarray = np.logical_not(self.matrix.any(1))  # constant columns, which are left out
        if self.rank == (~found).sum():
            return found
        sizes = np.linalg.norm(design[:, ~found], axis=0)
        triangle = np.linalg.qr(design[:, ~found] / np.where(sizes > 0, sizes, 1.0), mode="r")
        right = np.linalg.svd(triangle, full_matrices=True)[2]
        found[~found] = np.linalg.norm(right[self.rank :], axis=0) > DETERMINED
        return found


def sample_of(fit: Fit, theta: np.ndarray) -> Sample:
    """The sample of a fit of the linear family.

    theta: `[k·p]` in the coefficients that it was computed with.

    Raises:
        FitError: a loaded fit whose rows are gone. SpecError: too many coefficients.
    """
    inner, data = fit.inner, rows_of(fit)[0]
    assert inner.terms is not None
    kept, problem = None, inner.problem
    if data.stream is None and data.weights is not None and (data.weights == 0.0).any():
        kept = data.weights > 0.0
        data, problem = data.take(np.flatnonzero(kept)), None
    problem = problem or linear_problem(inner.spec, data, inner.terms, inner.loss_function)
    outputs = problem.outputs if problem.loss.coupled else 1
    if problem.design.shape[1] * outputs > MOST_COORDINATES:
        raise SpecError(
            f"Standard errors are computed of {MOST_COORDINATES:,} coefficients at most, and this fit has "
            f"{problem.design.shape[1] * outputs:,}."
        )
    if problem.loss.coupled:
        blocks = theta.reshape(problem.outputs, -1)
        theta = (blocks - blocks.mean(0)).ravel()
    frequency = fit.spec.weights_kind == "frequency"
    return Sample(problem, inner.terms, theta, data, data.weights, frequency, kept)
