"""How much each row decides: leverage, studentised residuals, Cook's distance; and how much columns share.

    h          w·aᵀ(AᵀWA)⁻¹a, the part of a fitted value that is the row's own target
    internal   √w·r/(s·√(1 − h)),       external: with s of the other rows
    Cook's D   internal²·h/(p·(1 − h)), how far all fitted values move without the row
    VIF        the variance of a coefficient over what it would be if no other column had anything in common with its own

Of two classes and of families r is Pearson's residual, and s² is 1 or the dispersion. The numbers are those of OLSInfluence and
GLMInfluence of statsmodels.
Sources: Cook 1977; Belsley, Kuh and Welsch 1980.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from steepest.errors import FitError, SpecError
from steepest.inference.covariance import leverages
from steepest.inference.sample import Sample, sample_of
from steepest.inference.summary_table import Summary
from steepest.result import Fit


@dataclass(frozen=True)
class Influence:
    """Of each training row `[n]`. row: its number in the table. fitted: the prediction, of two classes the log-odds.

    internal, external: studentised residuals. cooks: Cook's distance. coefficients: p.
    """

    row: np.ndarray
    fitted: np.ndarray
    leverage: np.ndarray
    internal: np.ndarray
    external: np.ndarray
    cooks: np.ndarray
    coefficients: int


def influence_data(fit: Fit) -> Influence:
    """The influence of each training row.

    Raises:
        SpecError: the loss is neither `mse` of one target nor logistic nor a family's. FitError: the fit has not arrived.
    """
    found, sample = _checked(fit)
    one = found.errors[0]
    curvatures = sample.curvatures if fit.loss_function.family is None else sample.expected_curvatures
    weights, h = np.sqrt(sample.each), leverages(sample, curvatures, np.linalg.inv(one.bread))
    if fit.loss_function.quadratic:
        residual, scale = weights * sample.residuals, one.scale
    elif (family := fit.loss_function.family) is not None:
        spread = np.sqrt(family.variance(sample.means, *fit.loss_function.numbers))
        residual, scale = weights * (sample.problem.target - sample.means) / spread, one.scale
    else:
        share = fit.loss_function.share_of(sample.prediction)
        residual, scale = weights * (sample.problem.target - share) / np.sqrt(share * (1.0 - share)), 1.0
    with np.errstate(divide="ignore", invalid="ignore"):
        internal = residual / np.sqrt(scale * (1.0 - h))
        left = sample.nobs - one.degrees
        others = (left - internal**2) / (left - 1.0) if fit.loss_function.quadratic else 1.0
        external = internal / np.sqrt(others)
        cooks = internal**2 * h / (sample.rank * (1.0 - h))
    places = sample.data.places
    rows = np.arange(sample.rows) if places is None else places
    return Influence(rows, sample.prediction, h, internal, external, cooks, sample.rank)


def _checked(fit: Fit) -> tuple[Summary, Sample]:
    loss = fit.loss_function
    one = len(fit.schema.targets) == 1
    known = loss.quadratic or (loss.binary and not loss.margin) or loss.family is not None
    if fit.terms is None or not (one and known) or loss.custom:
        raise SpecError(
            "The influence of a row is known for mse of one target, for the logistic loss and for families such as poisson."
        )
    if fit.spec.penalty != "none":
        raise SpecError(
            "The influence of a row is known without a penalty: with one a row also moves how much the penalty counts, and "
            "residuals have no variance to be studentised by. Fit without penalty=, or take bootstrap=1000 of summary()."
        )
    found = fit.summary()
    if not found.valid or found.sample is None:
        raise FitError(f"The influence of the rows is not known. {found.reason}")
    return found, found.sample


@dataclass(frozen=True)
class VarianceInflation:
    """names: of the columns but a constant. vif: of each, 1 where it has nothing in common with the others."""

    names: tuple[str, ...]
    vif: np.ndarray


def variance_inflation_data(fit: Fit) -> VarianceInflation:
    """The variance inflation factor of each column: 1/(1 − R²) of its regression on all others.

    Raises:
        SpecError: a module, which has no columns of its own; a model without columns.
    """
    if fit.terms is None:
        raise SpecError("Variance inflation is for models that are linear in their coefficients.")
    sample = sample_of(fit, np.nan_to_num(fit.inner.theta))
    columns = slice(int(sample.problem.intercept), None)
    design, mean = sample.problem.design[:, columns], 0.0
    if not design.shape[1]:
        raise SpecError("Variance inflation is between columns, and this model has a constant only.")
    if sample.problem.intercept:
        mean = np.average(design, axis=0, weights=sample.weights)
    spread = sample.each @ (design - mean) ** 2
    inverse = np.linalg.inv(sample.squares(sample.each))
    variance = np.einsum("pr,rs,ps->p", sample.matrix, inverse, sample.matrix, optimize=True)[columns]
    vif = np.where(sample.undetermined[columns], np.inf, variance * spread)
    return VarianceInflation(tuple(sample.terms.names[columns]), vif)
