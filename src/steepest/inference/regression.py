"""The figures of a regression table beside its coefficients: R², F, log-likelihood, AIC, deviance, Durbin–Watson and others."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from steepest.analysis.deviance import Deviances, deviances, null_means
from steepest.errors import SpecError
from steepest.inference import distributions
from steepest.inference.covariance import Covariance, quantile_level
from steepest.inference.hypotheses import of_zero
from steepest.inference.sample import Sample
from steepest.model import centring
from steepest.model.linear import row_blocks

CONSTANT = 1e-8
"""Part of a column of ones that other columns may leave over, for them to hold a constant."""

NOTHING = 1e-14
"""A log-likelihood ratio beside the log-likelihoods, up to which it is rounding."""


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What they are of one output; None where the loss has no such number.

    r2: about the mean where the design holds a constant, about 0 else. log_likelihood: of normal errors, of the classes, or of a
    family. pseudo_r2: McFadden's for classes, Koenker's and Machado's for quantiles, Cox's and Snell's for families. scale: the
    variance of the errors; dispersion: φ of a family. condition: largest over smallest singular value.
    """

    r2: float | None = None
    r2_adjusted: float | None = None
    f: float | None = None
    f_p_value: float | None = None
    log_likelihood: float | None = None
    log_likelihood_null: float | None = None
    aic: float | None = None
    bic: float | None = None
    deviance: float | None = None
    null_deviance: float | None = None
    pearson_chi2: float | None = None
    pseudo_r2: float | None = None
    likelihood_ratio: float | None = None
    likelihood_ratio_p_value: float | None = None
    durbin_watson: float | None = None
    jarque_bera: float | None = None
    jarque_bera_p_value: float | None = None
    skewness: float | None = None
    kurtosis: float | None = None
    scale: float | None = None
    dispersion: float | None = None
    condition: float | None = None
    df_model: float | None = None
    df_residual: float | None = None
    nobs: float | None = None


TESTS = ("f", "f_p_value", "aic", "bic", "likelihood_ratio", "likelihood_ratio_p_value")
"""Figures that hold of the optimum of a likelihood, and of nothing else."""


def untested(found: Figures) -> Figures:
    """The figures of a fit that is not at its optimum, or whose loss is not the likelihood of its rows."""
    return replace(found, **dict.fromkeys(TESTS))


def figures(sample: Sample, output: int | None, found: Covariance, cov: str) -> Figures:
    """The figures of an output (None: of the only one, or of all classes), beside its covariance."""
    if output is not None and not sample.problem.loss.quadratic:
        return figures(sample.of_output(output), None, found, cov)
    constant = has_constant(sample)
    classes = 1 if sample.classes is None else sample.classes.shape[1]
    common = {
        "condition": condition(sample),
        "df_model": found.degrees - classes * constant,
        "df_residual": sample.nobs - found.degrees,
        "nobs": sample.nobs,
    }
    kind = sample.problem.loss.problem
    with np.errstate(divide="ignore", invalid="ignore"):
        if kind == "least squares":
            return Figures(**common, **_least_squares(sample, output, found, constant, cov))
        if kind == "classes":
            return Figures(**common, **_classes(sample, found, constant))
        if kind == "family":
            return Figures(**common, **_family(sample, output, found, constant))
        if sample.problem.loss.pieces is not None:
            return Figures(**common, pseudo_r2=_quantiles(sample))
    return Figures(**common)


def has_constant(sample: Sample) -> bool:
    """Whether the columns hold a constant: an intercept, or as the indicators of all levels do."""
    if sample.problem.intercept:
        return True
    ones = np.ones(sample.rows)
    coefficients = np.linalg.lstsq(sample.squares(ones), sample.sums(ones), rcond=None)[0]
    left = max(float(np.abs(basis @ coefficients - 1.0).max()) for _, basis in sample.blocks())
    return left < CONSTANT


def condition(sample: Sample) -> float:
    """The largest over the smallest singular value of √W·A."""
    if sample.rank < sample.problem.design.shape[1]:
        return float("inf")
    # the smallest one is lost in the rounding of A, but not in (AᵀWA)⁻¹
    design = centring.plain(sample.terms).design(sample.data.x) if sample.terms.centre else sample.problem.design
    size = np.abs(design).max()
    whole = np.zeros((sample.rank, sample.rank))
    for rows in row_blocks(design.shape):
        block = design[rows] / size
        whole += (block * sample.each[rows, None]).T @ block
    largest = np.linalg.eigvalsh(whole)[-1] ** 0.5 * size
    try:
        root = np.linalg.cholesky(np.linalg.inv(sample.squares(sample.each)))
    except np.linalg.LinAlgError:  # more columns than rows, told apart by a penalty alone
        return float("inf")
    return float(largest * np.linalg.norm(sample.user @ root, 2))


def of_squares(
    found: Covariance, square: float, whole: float, n: float, constant: bool, f: tuple[float | None, float | None]
) -> dict[str, float | None]:
    """Figures of least squares. square, whole: the sums that are left, and about the mean. f: the test and its probability."""
    left = n - found.degrees
    r2 = float(np.float64(1.0) - np.divide(square, whole)) if whole > 0 else None
    adjusted = None if r2 is None or left <= 0 else 1.0 - (n - constant) / left * (1.0 - r2)
    return {"r2": r2, "r2_adjusted": adjusted, "f": f[0], "f_p_value": f[1], "scale": found.scale}


def normal_likelihood(square: float, n: float) -> float:
    """The log-likelihood of normal errors whose squares sum to that."""
    return float(-0.5 * n * (np.log(2.0 * np.pi) + np.log(np.divide(square, n)) + 1.0))


def information(log_likelihood: float, degrees: float, n: float) -> dict[str, float | None]:
    """The likelihood with AIC and BIC."""
    return {
        "log_likelihood": log_likelihood,
        "aic": 2.0 * degrees - 2.0 * log_likelihood,
        "bic": float(np.log(n)) * degrees - 2.0 * log_likelihood,
    }


def of_classes(
    found: Covariance, log_likelihood: float, counts: np.ndarray, df: float, n: float, penalised: bool
) -> dict[str, float | None]:
    """Figures of classes. counts: weights of each class. df: degrees of freedom of the model, without the constant."""
    counts = counts[counts > 0]
    null = float(counts @ np.log(counts / counts.sum()))
    ratio = 2.0 * (log_likelihood - null)
    return {
        **information(log_likelihood, found.degrees, n),
        "log_likelihood_null": null,
        "deviance": -2.0 * log_likelihood,
        "pseudo_r2": float(1.0 - np.divide(log_likelihood, null)) if abs(ratio) > NOTHING * abs(null) else 0.0,
        **_ratio(ratio, df, penalised),
    }


def of_family(
    found: Covariance, far: Deviances, log_likelihood: float, null: float, df: float, penalised: bool
) -> dict[str, float | None]:
    """Figures of a family. null: the log-likelihood of the constant alone."""
    return {
        **information(log_likelihood, found.degrees, far.n),
        "log_likelihood_null": null,
        "deviance": far.deviance,
        "null_deviance": far.null_deviance,
        "pearson_chi2": far.pearson_chi2,
        "pseudo_r2": far.pseudo_r2(found.scale),
        "dispersion": found.scale,
        **_ratio((far.null_deviance - far.deviance) / found.scale, df, penalised),
    }


def _ratio(ratio: float, df: float, penalised: bool) -> dict[str, float | None]:
    """The likelihood ratio test against the constant alone, where there is one."""
    if penalised or df < 1:
        return {}
    return {"likelihood_ratio": ratio, "likelihood_ratio_p_value": distributions.of_chi2(ratio, df)}


def _least_squares(
    sample: Sample, output: int | None, found: Covariance, constant: bool, cov: str
) -> dict[str, float | None]:
    residuals = sample.residuals if output is None else sample.residuals[:, output]
    target = sample.problem.target if output is None else sample.problem.target[:, output]
    weights, n = sample.each, sample.nobs
    square = float(weights @ residuals**2)
    # of a constant target nothing is left to explain but rounding
    mean = np.average(target, weights=weights) if constant and np.ptp(target) > 0 else constant * target[0]
    whole = float(weights @ (target - mean) ** 2)
    log_likelihood = normal_likelihood(square, n)
    if not sample.frequency and sample.weights is not None:
        log_likelihood += 0.5 * float(np.log(weights).sum())
    of_f: tuple[float | None, float | None] = (None, None)
    if not sample.problem.penalty and whole > 0:
        of_f = _whole_model(sample, output, found, cov, (whole - square, square))
    return {
        **of_squares(found, square, whole, n, constant, of_f),
        **information(log_likelihood, found.degrees, n),
        **_residuals(sample, residuals),
    }


def _whole_model(
    sample: Sample, output: int | None, found: Covariance, cov: str, squares: tuple[float, float]
) -> tuple[float | None, float | None]:
    """The F test that all coefficients but the constant are 0, and its probability.

    squares: what the model explains, and what it leaves over.
    """
    df, left = found.degrees - has_constant(sample), sample.nobs - found.degrees
    if df < 1 or left <= 0:
        return None, None
    if cov == "nonrobust":
        value = float(np.divide(squares[0] / df, squares[1] / left))
        return value, distributions.of_f(value, df, left)
    if sample.problem.intercept and not sample.undetermined.any():
        theta, matrix, units = sample.coefficients[output or 0][1:], found.matrix[1:, 1:], None
    else:
        theta, matrix = _but_a_constant(sample, output or 0, found)
        units = np.ones(len(theta))
    try:
        tested = of_zero(theta, matrix, ["the coefficients"], found.groups - 1.0 if found.groups else left, units)
    except SpecError:  # fewer groups than coefficients
        return None, None
    return tested.statistic, tested.p_value


def _but_a_constant(sample: Sample, output: int, found: Covariance) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates that are 0 where all predictions are one constant (0, where columns hold no constant), and their covariance."""
    ones = np.ones(sample.rows)
    sums = np.stack([sample.sums(ones), sample.sums(sample.prediction.reshape(sample.rows, -1))[output]], 1)
    constant, z = np.linalg.solve(sample.squares(ones), sums).T
    if not has_constant(sample):
        return z, found.inner
    across = np.linalg.svd(constant[None], full_matrices=True)[2][1:]
    return across @ z, across @ found.inner @ across.T


def _residuals(sample: Sample, residuals: np.ndarray) -> dict[str, float | None]:
    """Whether the residuals follow one another, and whether they are normal."""
    counts = sample.weights if sample.frequency else None
    scaled = residuals if sample.frequency else residuals * np.sqrt(sample.each)
    centred = scaled - np.average(scaled, weights=counts)
    second, third, fourth = (float(np.average(centred**power, weights=counts)) for power in (2, 3, 4))
    skewness, kurtosis = float(np.divide(third, second**1.5)), float(np.divide(fourth, second**2))
    bera = sample.nobs / 6.0 * (skewness**2 + 0.25 * (kurtosis - 3.0) ** 2)
    places = sample.data.places
    ordered = scaled if places is None else scaled[np.argsort(places)]
    watson = None if sample.frequency else float(np.divide((np.diff(ordered) ** 2).sum(), (ordered**2).sum()))
    return {
        "durbin_watson": watson,
        "jarque_bera": bera,
        "jarque_bera_p_value": distributions.of_chi2(bera, 2.0),
        "skewness": skewness,
        "kurtosis": kurtosis,
    }


def _classes(sample: Sample, found: Covariance, constant: bool) -> dict[str, float | None]:
    loss, target = sample.problem.loss, sample.problem.target
    log_likelihood = -float(sample.each @ loss.rows(sample.prediction, target))
    outputs = 1 if sample.classes is None else sample.classes.shape[1]
    counts, df = np.bincount(target.astype(int), sample.each), found.degrees - outputs * constant
    return of_classes(found, log_likelihood, counts, df, sample.nobs, bool(sample.problem.penalty))


def _family(sample: Sample, output: int | None, found: Covariance, constant: bool) -> dict[str, float | None]:
    loss = sample.problem.loss
    family = loss.family
    assert family is not None
    y, mean = sample.problem.target, sample.means
    if output is not None:
        y, mean = y[:, output], mean[:, output]
    offset = sample.data.offset
    far = deviances(loss, y, mean, sample.weights, sample.nobs, offset)
    each = (1.0, sample.each) if sample.frequency else (sample.each, 1.0)  # precisions, and how often a row counts
    log_likelihood, null = (
        float(np.sum(each[1] * family.log_density(y, one, found.scale / each[0], *loss.numbers)))
        for one in (mean, null_means(loss, y, sample.weights, offset))
    )
    return of_family(found, far, log_likelihood, null, found.degrees - constant, bool(sample.problem.penalty))


def _quantiles(sample: Sample) -> float:
    """1 − V/V₀ with V the sum of the rows' losses, and V₀ that of the quantile of the target alone."""
    target, loss = sample.problem.target, sample.problem.loss
    if sample.weights is None:
        best = float(np.quantile(target, quantile_level(sample)))
    else:
        order = np.argsort(target)
        reached = np.cumsum(sample.weights[order]) >= quantile_level(sample) * sample.weights.sum()
        best = float(target[order][np.argmax(reached)])
    alone = loss.rows(np.full_like(target, best), target)
    return float(1.0 - np.divide(sample.each @ loss.rows(-sample.residuals, 0.0 * target), sample.each @ alone))
