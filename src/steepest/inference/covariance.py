"""The covariance of the coefficients: C = B⁻¹·J·B⁻¹, with B the sum of the rows' curvatures and J that of their squared slopes.

    cov          B (a row's share)         J (a row's share)
    nonrobust    w·E ℓ''                   the variance of w·ℓ' by theory (mse: σ²; likelihoods: J = B; families: φ·B)
    HC0…HC3      w·ℓ''                     (w·ℓ')², times n/(n − p) (HC1), 1/(1 − h) (HC2) or 1/(1 − h)² (HC3)
    cluster      w·ℓ''                     (Σ w·ℓ' over a group)², times G/(G − 1) · (n − 1)/(n − p)

Where the slope of a loss jumps (`l1`, `quantile`) ℓ'' is the jump times the density of the residuals at 0, by a kernel:
of all rows alike (nonrobust), or near each row (HC0, Powell's); a squared slope is the product of its two values.
An l2 penalty adds its curvature to B; its bias is in none of this.

h, the leverage, is w·ℓ''·qᵀB⁻¹q: of mse that of the hat matrix, of other losses that of their last Newton step, so that HC3 is
the jackknife with one Newton step (Pregibon 1981). Of classes of a softmax h is a matrix, and 1 − h its inverse or its root's.

Sources: White 1980; MacKinnon and White 1985 (HC1 to HC3); Bell and McCaffrey 2002 (where h is a matrix);
Huber 1981, section 7.6 (M-estimates, with his correction for the number of coefficients);
Koenker 2005, section 3.4, and Hall and Sheather 1988 (quantiles).
The numbers are those of statsmodels.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from steepest.analysis.deviance import deviances
from steepest.errors import FitError, SpecError
from steepest.formulas.words import ndtri
from steepest.inference.sample import Sample
from steepest.numerics.hessians import blocks

HC = ("HC0", "HC1", "HC2", "HC3")

ALONE = 1e-10
"""1 − h of a row that alone decides a coefficient, up to rounding."""


@dataclass(frozen=True)
class Covariance:
    """Of one output's coefficients, or of all of a softmax: in coordinates z, θ = T·z.

    bread: B `[s, s]`, with the penalty. inner: the covariance of z `[s, s]`. turn: T `[q, s]`. degrees: the degrees of freedom
    that the coefficients take (with a penalty the trace of what is left of them). scale: σ² of mse, φ of a family, else 1.
    groups: how many there are, 0 without.
    """

    bread: np.ndarray
    inner: np.ndarray
    turn: np.ndarray
    degrees: float
    scale: float = 1.0
    groups: int = 0

    @cached_property
    def matrix(self) -> np.ndarray:
        """Of the coefficients `[q, q]`."""
        return self.turn @ self.inner @ self.turn.T


def covariances(sample: Sample, cov: str, groups: np.ndarray | None = None) -> list[Covariance]:
    """One for each target, in order; of classes one for all. groups: `[n]` codes, for "cluster"."""
    if sample.classes is not None:
        return [_of_classes(sample, cov, groups)]
    count = sample.problem.outputs
    if count > 1 and not sample.problem.loss.quadratic:
        return [_of_output(sample.of_output(output), None, cov, groups) for output in range(count)]
    return [_of_output(sample, output if count > 1 else None, cov, groups) for output in range(count)]


def _of_output(sample: Sample, output: int | None, cov: str, groups: np.ndarray | None) -> Covariance:
    """The covariance of one output; output: its number among several, else None."""
    kind = sample.problem.loss.problem
    slopes = sample.slopes if output is None else sample.slopes[:, output]
    curvatures = _curvatures(sample, output, cov)
    if kind == "least squares":
        slopes, curvatures = slopes / sample.problem.outputs, curvatures / sample.problem.outputs
    data = sample.squares(sample.each * curvatures)
    bread = data + sample.total * sample.problem.penalty_in(sample.matrix).hessian()
    back = np.linalg.inv(bread)
    degrees = float(np.trace(back @ data)) if sample.problem.penalty.l2 else float(sample.rank)
    left = sample.nobs - degrees
    scale = _dispersion(sample, output, left) if kind == "family" else 1.0
    if kind == "least squares":
        residuals = sample.residuals if output is None else sample.residuals[:, output]
        scale = float(sample.each @ residuals**2) / left if left > 0 else float("nan")
    if cov == "nonrobust" or (cov == "HC0" and kind == "linear programme"):
        meat = _by_theory(sample, slopes, curvatures, data, scale, degrees)
    elif cov in HC:
        meat = sample.squares(sample.squared(_corrected(sample, cov, slopes, curvatures, back, left) ** 2))
    else:
        meat = _grouped(sample, slopes, groups, degrees)
    return Covariance(bread, _sandwich(back, meat), sample.user, degrees, scale, _count(groups))


def _sandwich(back: np.ndarray, meat: np.ndarray) -> np.ndarray:
    found = back @ meat @ back
    return 0.5 * (found + found.T)


def _dispersion(sample: Sample, output: int | None, left: float) -> float:
    """φ of a family."""
    y, mean = sample.problem.target, sample.means
    if output is not None:
        y, mean = y[:, output], mean[:, output]
    return deviances(sample.problem.loss, y, mean, sample.weights).dispersion(sample.problem.loss, left)


def _curvatures(sample: Sample, output: int | None, cov: str) -> np.ndarray:
    """ℓ'' of each row, `[n]`; one number for all of them where the errors are taken to be alike (nonrobust M-estimates)."""
    kind = sample.problem.loss.problem
    if kind == "linear programme":
        return jump(sample) * (np.full(sample.rows, density(sample)[0]) if cov == "nonrobust" else density(sample)[1])
    each = sample.expected_curvatures if kind == "family" and cov == "nonrobust" else sample.curvatures
    found = each if output is None else each[:, output]
    return np.full(sample.rows, _mean(sample, found)) if kind == "smooth" and cov == "nonrobust" else found


def _mean(sample: Sample, each: np.ndarray) -> float:
    return float(np.average(each, weights=sample.weights if sample.frequency else None))


def _by_theory(
    sample: Sample, slopes: np.ndarray, curvatures: np.ndarray, data: np.ndarray, scale: float, degrees: float
) -> np.ndarray:
    """J where the model holds: errors alike, or the likelihood right."""
    kind, n = sample.problem.loss.problem, sample.nobs
    if kind == "least squares":  # the variance of w·ℓ' is w²·ℓ''²·σ²/w
        return scale * curvatures[0] * data
    if kind in ("classes", "family"):
        return scale * data
    alike = sample.squares(sample.squared(np.ones(sample.rows)))
    if kind == "linear programme":
        level = quantile_level(sample)
        return jump(sample) ** 2 * level * (1.0 - level) * alike
    bends = sample.curvatures
    mean = _mean(sample, bends)
    correction = 1.0 + degrees / n * _mean(sample, (bends - mean) ** 2) / mean**2
    return correction**2 * _mean(sample, slopes**2) * n / (n - degrees) * alike


def _corrected(
    sample: Sample, cov: str, slopes: np.ndarray, curvatures: np.ndarray, back: np.ndarray, left: float
) -> np.ndarray:
    """The rows' slopes, larger for how close each row has pulled the fit to itself.

    slopes: `[n]`, of classes `[n, c]`; curvatures: `[n]` or `[n, c, c]`.
    """
    if cov == "HC0":
        return slopes
    if sample.problem.loss.problem == "linear programme":
        raise SpecError(
            f"cov={cov!r} needs the leverage of the rows, and the loss {sample.problem.loss} has no curvature to tell it by. "
            "Take cov='HC0', or bootstrap=1000."
        )
    if cov == "HC1":
        return slopes * np.sqrt(np.divide(sample.nobs, left))
    power = -0.5 if cov == "HC2" else -1.0
    if slopes.ndim == 1:
        rest = 1.0 - leverages(sample, curvatures, back)
        _check_rest(sample, cov, rest)
        return slopes * rest**power
    return _corrected_classes(sample, cov, slopes, curvatures, back, power)


def _corrected_classes(
    sample: Sample, cov: str, slopes: np.ndarray, curvatures: np.ndarray, back: np.ndarray, power: float
) -> np.ndarray:
    """The same of classes: √S·(1 − H)^power·√S⁻¹·slope, with S a row's curvature and H = √S·QᵀB⁻¹Q·√S, both `[c, c]`."""
    count = slopes.shape[1]
    inverse = back.reshape(count, sample.rank, count, sample.rank)
    squares = np.concatenate(
        [np.einsum("nr,arbs,ns->nab", basis, inverse, basis, optimize=True) for _, basis in sample.blocks()]
    )
    if not sample.frequency:
        squares *= sample.each[:, None, None]
    sizes, axes = np.linalg.eigh(curvatures)
    sizes = np.sqrt(np.maximum(sizes, np.finfo(float).tiny))[:, None, :]
    root, across = axes * sizes @ axes.mT, axes / sizes @ axes.mT
    rest, turned = np.linalg.eigh(np.eye(count) - root @ squares @ root)
    _check_rest(sample, cov, rest.min(1))
    changed = root @ (turned * rest[:, None, :] ** power) @ turned.mT @ across
    return (changed @ slopes[:, :, None])[:, :, 0]


def _check_rest(sample: Sample, cov: str, rest: np.ndarray) -> None:
    """Raise FitError where a row alone decides a coefficient: it has no residual to tell its error by."""
    lowest = int(np.argmin(rest))
    if rest[lowest] < ALONE:
        place = lowest if sample.data.places is None else int(sample.data.places[lowest])
        raise FitError(
            f"cov={cov!r} cannot be computed: row {place + 1:,} alone decides a coefficient (its leverage is 1), as the only "
            "one of a level does. Take cov='HC1', or leave the row out."
        )


def leverages(sample: Sample, curvatures: np.ndarray, back: np.ndarray) -> np.ndarray:
    """h of each row `[n]`: w·ℓ''·qᵀB⁻¹q, of frequencies of one of the rows that it stands for."""
    each = curvatures if sample.frequency else sample.each * curvatures
    found = [np.einsum("nr,rs,ns->n", basis, back, basis, optimize=True) for _, basis in sample.blocks()]
    return np.concatenate(found) * each


def _count(groups: np.ndarray | None) -> int:
    return 0 if groups is None else int(groups.max()) + 1


def _grouped(sample: Sample, slopes: np.ndarray, groups: np.ndarray | None, degrees: float) -> np.ndarray:
    """J from the sums of the rows' slopes over each group. slopes: `[n]` or `[n, k]`."""
    assert groups is not None
    count = _count(groups)
    if count < 2:
        raise SpecError("cov='cluster:…' needs two groups or more.")
    slopes = (slopes.T * sample.each).T.reshape(sample.rows, -1)
    sums = np.zeros((count, slopes.shape[1], sample.rank))
    for rows, basis in sample.blocks():
        np.add.at(sums, groups[rows], slopes[rows, :, None] * basis[:, None, :])
    sums = sums.reshape(count, -1)
    return count / (count - 1.0) * (sample.nobs - 1.0) / (sample.nobs - degrees) * (sums.T @ sums)


def _of_classes(sample: Sample, cov: str, groups: np.ndarray | None) -> Covariance:
    """The covariance of all coefficients of a softmax."""
    directions = sample.classes
    assert directions is not None
    slopes = sample.slopes @ directions
    curvatures = np.einsum("ac,nab,bd->ncd", directions, sample.curvatures, directions, optimize=True)
    weighted, size = curvatures * sample.each[:, None, None], directions.shape[1] * sample.rank
    data = np.sum([blocks(weighted[rows], basis) for rows, basis in sample.blocks()], axis=0)
    bread = data + sample.total * np.kron(
        np.eye(directions.shape[1]), sample.problem.penalty_in(sample.matrix).hessian()
    )
    back = np.linalg.inv(bread)
    degrees = float(np.trace(back @ data)) if sample.problem.penalty.l2 else float(size)
    if cov in HC:
        slopes = _corrected(sample, cov, slopes, curvatures, back, sample.nobs - degrees)
        each = sample.squared(slopes[:, :, None] * slopes[:, None, :])
        meat = np.sum([blocks(each[rows], basis) for rows, basis in sample.blocks()], axis=0)
    else:
        meat = data if cov == "nonrobust" else _grouped(sample, slopes, groups, degrees)
    return Covariance(bread, _sandwich(back, meat), np.kron(directions, sample.user), degrees, groups=_count(groups))


# ---- losses whose slope jumps ----------------------------------------------------------------------


def jump(sample: Sample) -> float:
    """How far the slope of a piecewise linear loss jumps at 0: 1 for a quantile, 2 for `l1`."""
    low, high = sample.problem.loss.pieces or (-1.0, 1.0)
    return high - low


def quantile_level(sample: Sample) -> float:
    """The quantile that the loss is least at."""
    return (sample.problem.loss.pieces or (-1.0, 1.0))[1] / jump(sample)


def counted(sample: Sample, each: np.ndarray) -> np.ndarray:
    """A number of each row, as often as the row counts."""
    if sample.weights is None or not sample.frequency:
        return each
    times = np.round(sample.weights).astype(int)
    if not np.array_equal(times, sample.weights):
        raise SpecError(
            "Frequencies of this loss must be whole numbers: its errors come of the quantiles of the residuals."
        )
    return np.repeat(each, times)


def density(sample: Sample) -> tuple[float, np.ndarray]:
    """The density of the residuals at 0, and each row's part of it `[n]`, K(r/h)/h with Epanechnikov's kernel K.

    The bandwidth h is Hall's and Sheather's for a level of 0.95, as in Stata and statsmodels.
    """
    level, residuals = quantile_level(sample), counted(sample, sample.residuals)
    n, z = len(residuals), float(ndtri(level))
    at_z = np.exp(-0.5 * z * z) / np.sqrt(2.0 * np.pi)
    share = n ** (-1 / 3) * float(ndtri(0.975)) ** (2 / 3) * (1.5 * at_z**2 / (2.0 * z * z + 1.0)) ** (1 / 3)
    low, high = np.quantile(residuals, [0.25, 0.75])
    spread = min(float(np.std(counted(sample, sample.problem.target))), float(high - low) / 1.34)
    ends = ndtri(np.clip([level - share, level + share], 1e-12, 1.0 - 1e-12))
    bandwidth = spread * float(ends[1] - ends[0])
    if not bandwidth > 0.0:
        raise FitError("Half of the residuals are 0: their density there, which the errors come of, is not known.")
    part = sample.residuals / bandwidth
    each = np.where(np.abs(part) <= 1.0, 0.75 * (1.0 - part**2), 0.0) / bandwidth
    return _mean(sample, each), each
