"""Predictions with intervals: of their mean, or of an observation.

    mean             f ± q·√(aᵀ·C·a), C the covariance of the coefficients
    observation      f ± q·√(aᵀ·C·a + σ²), of `mse`
    classes          the interval of the log-odds, as probabilities
    families         the interval of the linear predictor, as means

Of more than two classes each is taken against all others, log(p/(1 − p)) and its slope in θ, so that no interval leaves 0 to 1.
"""

from __future__ import annotations

import warnings
from typing import Literal

import numpy as np

from steepest.data.wording import listed
from steepest.errors import FitError, SpecError, SteepestWarning
from steepest.formulas.losses import sigmoid
from steepest.inference import distributions
from steepest.inference.sample import Sample
from steepest.inference.summary import no_theory
from steepest.inference.summary_table import Summary
from steepest.model.linear import row_blocks
from steepest.model.prediction import decision, log_odds, probabilities
from steepest.result import Fit

Kind = Literal["mean", "observation"]


def intervals(
    fit: Fit,
    x: np.ndarray,
    level: float,
    kind: Kind = "mean",
    cov: str = "nonrobust",
    offset: np.ndarray | None = None,
) -> np.ndarray:
    """Prediction, low and high `[n, 3]` of columns x `[n, d]`; `[n, m, 3]` of several targets and of more than two classes.

    offset: `[n]`, what is added to the predictions.

    Raises:
        SpecError: a level or kind that cannot be, or no interval of this kind for this loss. FitError: the errors are not valid.
    """
    check(level, kind)
    why = no_observations(fit) if kind == "observation" else ""
    if why:
        raise SpecError(why)
    why = no_theory(fit).rpartition(": ")[0]  # without the remedy, which is for coefficients
    if why:
        raise FitError(f"There are no intervals of predictions. {why}.")
    found = fit.summary(cov=cov, level=level)
    sample = found.sample
    if not found.valid or sample is None:
        raise FitError(f"There are no intervals of predictions. {found.reason}")
    of_rows = _of_classes if sample.classes is not None else _of_numbers
    parts = row_blocks((max(len(x), 1), sample.rank))
    made = np.concatenate(
        [of_rows(fit, found, sample, x[rows], kind, None if offset is None else offset[rows]) for rows in parts]
    )
    beyond = sample.beyond(sample.terms.design(x)) if len(sample.free) else np.zeros(len(x), bool)
    if beyond.any():
        made[beyond, :, 1:] = np.nan
        names = [name for name, unknown in zip(sample.terms.names, sample.undetermined, strict=True) if unknown]
        warnings.warn(
            f"Row {int(np.argmax(beyond)) + 1:,} of those to predict, and {int(beyond.sum()):,} in all, departs from how "
            f"{listed(names)} depended on one another in the rows of the fit: its prediction is not determined, and has no "
            "interval.",
            SteepestWarning,
            stacklevel=4,
        )
    two = fit.schema.classes is not None and len(fit.schema.classes) == 2
    return made[:, -1] if two or made.shape[1] == 1 else made


def check(level: float, kind: str) -> None:
    """Raise SpecError for what can be asked of no fit."""
    distributions.check_level("interval", level)
    if kind not in ("mean", "observation"):
        raise SpecError(f"kind={kind!r}: it must be mean or observation.")


def no_observations(fit: Fit) -> str:
    """Why there is no interval for an observation, in a sentence; "" where there is one."""
    loss = fit.loss_function
    if fit.schema.classes is not None:
        return "An observation is a class, and has no interval: kind='mean' is for its probability."
    if loss.family is not None:
        return f"Observations have intervals under mse; under {loss} take kind='mean', for the mean of the target."
    if not loss.quadratic:
        return (
            f"Loss {loss} says nothing of how observations spread. Fit two quantiles, as loss='quantile:0.025' and "
            "loss='quantile:0.975'; or take kind='mean'."
        )
    return ""


def _of_numbers(
    fit: Fit, found: Summary, sample: Sample, x: np.ndarray, kind: Kind, offset: np.ndarray | None
) -> np.ndarray:
    """`[n, m, 3]`; of two classes the probability of the second one."""
    basis = sample.terms.design(x) @ sample.matrix
    middle = decision(fit.inner, x, offset=offset).reshape(len(x), -1)
    spread = [np.einsum("nr,rs,ns->n", basis, one.inner, basis, optimize=True) for one in found.errors]
    square = np.stack(spread, 1)
    if kind == "observation":
        square = square + np.array([one.scale for one in found.errors])
    reach = distributions.quantile(found.level, found.df) * np.sqrt(square)
    made = np.stack([middle, middle - reach, middle + reach], -1)
    return fit.loss_function.mean_of(made) if fit.schema.classes is None else fit.loss_function.share_of(made)


def _of_classes(
    fit: Fit, found: Summary, sample: Sample, x: np.ndarray, kind: Kind, offset: np.ndarray | None
) -> np.ndarray:
    """`[n, k, 3]`: the probability of each class."""
    directions = sample.classes
    assert directions is not None
    basis = sample.terms.design(x) @ sample.matrix
    share = probabilities(log_odds(fit.inner, x), fit.loss_function)
    others = np.maximum(1.0 - share, np.finfo(float).tiny)
    # of log(p/(1 − p)) in the scores: 1 for the own one, −p/(1 − p) of each of the others
    slope = -share[:, None, :] / others[:, :, None]
    own = np.arange(share.shape[1])
    slope[:, own, own] = 1.0
    turned = (slope @ directions)[:, :, :, None] * basis[:, None, None, :]
    turned = turned.reshape(len(x), len(own), -1)
    square = np.einsum("nks,st,nkt->nk", turned, found.errors[0].inner, turned, optimize=True)
    reach = distributions.quantile(found.level, found.df) * np.sqrt(square)
    middle = np.log(np.maximum(share, np.finfo(float).tiny)) - np.log(others)
    return np.stack([share, sigmoid(middle - reach), sigmoid(middle + reach)], -1)
