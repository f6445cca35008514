"""What each column does to the predictions: partial dependence, and how much worse they get without it.

Partial dependence (Friedman 2001): the mean prediction of all rows with one column at a value; its interval is that of the mean,
by the covariance of the coefficients. Permutation importance (Breiman 2001): the score lost where a column is shuffled, over
several shuffles.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from steepest.data.wording import listed, quoted
from steepest.errors import SpecError
from steepest.inference import distributions
from steepest.inference.summary_table import Summary
from steepest.metrics import of_classes, of_numbers
from steepest.model.prediction import decision as linear_predictor
from steepest.model.prediction import log_odds, shares
from steepest.storage.run_loading import rows_of

if TYPE_CHECKING:
    from steepest.result import Fit

GRID = 50
"""Values of a column of numbers, between its quantiles of 5 % and 95 %."""

MOST_ROWS = 2_000
"""Rows that are averaged over, evenly spread."""


@dataclass(frozen=True)
class Dependence:
    """Of a column: values `[g]` (numbers, or levels), mean `[g]`, and low and high `[g]`, None where there is no interval."""

    name: str
    values: np.ndarray
    mean: np.ndarray
    low: np.ndarray | None
    high: np.ndarray | None


@dataclass(frozen=True)
class Importance:
    """Of each column: the score lost, its mean over the shuffles, low and high `[d]`. lost: `[d, repeats]`. score: of all."""

    names: tuple[str, ...]
    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    lost: np.ndarray
    score: float
    measure: str


def columns_of(fit: Fit) -> dict[str, slice]:
    """The source columns of a fit, and which features `[d]` each has become."""
    found, at = {}, 0
    for column in fit.schema.columns:
        wide = len(column.features(fit.schema.intercept))
        found[column.name] = slice(at, at + wide)
        at += wide
    return found


def dependence_data(fit: Fit, name: str, level: float = 0.95) -> Dependence:
    """The partial dependence on one column; of two classes that of the probability of the second.

    Raises:
        SpecError: no such column, several targets, or more than two classes.
    """
    column = next((one for one in fit.schema.columns if one.name == name), None)
    if column is None:
        raise SpecError(f"There is no column {quoted(name)}. There are {listed(columns_of(fit))}.")
    several = len(fit.schema.targets) > 1 or len(fit.schema.classes or ()) > 2
    if several:
        raise SpecError("Partial dependence is shown of one target, or of two classes.")
    rows = rows_of(fit)[0]
    few = np.unique(np.linspace(0, rows.rows - 1, min(rows.rows, MOST_ROWS)).astype(int))
    x, offset = rows.x[few], None if rows.offset is None else rows.offset[few]
    place = columns_of(fit)[name]
    settings, values = _settings(x[:, place], column.kind, fit.schema.intercept, column.levels)
    known = fit.summary(level=level) if fit.terms is not None else None
    made = []
    for setting in settings:
        changed = x.copy()
        changed[:, place] = setting
        made.append(_mean(fit, changed, known if known is not None and known.valid else None, offset))
    middle, error = np.array(made).T
    if not np.isfinite(error).all():
        return Dependence(name, values, middle, None, None)
    assert known is not None
    reach = distributions.quantile(level, known.df) * error
    return Dependence(name, values, middle, middle - reach, middle + reach)


def _settings(features: np.ndarray, kind: str, intercept: bool, levels: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """The features `[g, w]` of each value of a column, and the values `[g]`."""
    if kind == "category":
        whole = np.eye(len(levels) if not intercept else max(len(levels), 1))
        whole = whole[:, 1:] if intercept else whole
        wide = features.shape[1]
        return np.pad(whole, ((0, 0), (0, max(wide - whole.shape[1], 0))))[:, :wide], np.array(levels, dtype=object)
    if features.shape[1] == 1 and len(np.unique(features)) > 2:
        low, high = np.quantile(features, [0.05, 0.95])
        return np.linspace(low, high, GRID)[:, None], np.linspace(low, high, GRID)
    each = np.unique(features, axis=0)
    return each, each[:, 0] if each.shape[1] == 1 else np.arange(len(each))


def _mean(fit: Fit, x: np.ndarray, known: Summary | None, offset: np.ndarray | None) -> tuple[float, float]:
    """The mean prediction of rows, and its standard error; nan without a covariance."""
    inner = fit.inner
    decision = log_odds(inner, x, offset=offset)
    classes = fit.schema.classes is not None
    share = shares(decision, fit.loss_function)[:, 1] if classes else decision.reshape(len(x))
    if known is None or known.sample is None or (classes and known.sample.classes is not None):
        return float(share.mean()), float("nan")
    basis = known.sample.terms.design(x) @ known.sample.matrix
    family = fit.loss_function.family
    slope = basis * (share * (1.0 - share))[:, None] if classes else basis
    if family is not None:
        slope = basis * family.mean_slope(linear_predictor(inner, x, offset=offset))[:, None]
    direction = slope.mean(0)
    return float(share.mean()), float(np.sqrt(direction @ known.errors[0].inner @ direction))


def importance_data(fit: Fit, repeats: int = 30, level: float = 0.95, seed: int = 0) -> Importance:
    """The permutation importance of each source column, on the held-out rows where there are any.

    The score is R², of classes the accuracy, as in `sklearn.inspection.permutation_importance`; the levels of a text column are
    shuffled together. The interval holds that share of the shuffles.
    """
    if repeats < 2:
        raise SpecError(f"repeats={repeats!r}: it must be at least 2.")
    train, test = rows_of(fit)
    rows = train if test is None else test
    if rows.x.ndim != 2:
        raise SpecError("Importance is of columns, and these rows are images.")
    generator, x = np.random.default_rng(seed), rows.x.copy()

    def score() -> float:
        decision = log_odds(fit.inner, x, offset=rows.offset)
        if rows.classes is None:
            return of_numbers(rows.y, decision.reshape(rows.y.shape), rows.row_weights)["r2"]
        return of_classes(rows.y, decision, len(rows.classes), rows.row_weights)["accuracy"]

    whole, places = score(), columns_of(fit)
    lost = np.empty((len(places), repeats))
    for i, place in enumerate(places.values()):
        kept = x[:, place].copy()
        for repeat in range(repeats):
            x[:, place] = kept[generator.permutation(len(x))]
            lost[i, repeat] = whole - score()
        x[:, place] = kept
    low, high = np.quantile(lost, [0.5 * (1.0 - level), 0.5 * (1.0 + level)], axis=1)
    measure = "R²" if rows.classes is None else "accuracy"
    return Importance(tuple(places), lost.mean(1), low, high, lost, whole, measure)
