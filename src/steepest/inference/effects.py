"""What each column does to the predictions: partial dependence, and how much worse they get without it.

Partial dependence (Friedman 2001): the mean prediction of all rows with one column at a value; its interval is that of the mean,
by the covariance of the coefficients. Permutation importance (Breiman 2001): the score lost where a column is shuffled, over
several shuffles.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from steepest.data.dataset import Dataset
from steepest.data.folds import row_to_fit
from steepest.data.wording import listed, quoted
from steepest.errors import FitError, SpecError, check_whole
from steepest.inference import distributions
from steepest.inference.summary_table import Summary
from steepest.metrics import of_classes, of_numbers
from steepest.model.prediction import decision as linear_predictor
from steepest.model.prediction import log_odds, shares
from steepest.result import Fit
from steepest.storage.run_loading import rows_of

GRID = 50
"""Values of a column of numbers, between its quantiles of 5 % and 95 %."""

MOST_ROWS = 2_000
"""Rows that are averaged over, evenly spread."""


@dataclass(frozen=True)
class Dependence:
    """Of a column: values `[g]` (numbers, or levels), mean `[g]`, and low and high `[g]`, None where there is no interval.

    Of several targets, or more than two classes, `[g, k]`; of: what these are.
    """

    name: str
    values: np.ndarray
    mean: np.ndarray
    low: np.ndarray | None
    high: np.ndarray | None
    of: tuple[str, ...] = ()


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


@dataclass(frozen=True)
class Values:
    """Rows whose columns can be set: their values `[n, w]`, which are each column's, and what makes features of them."""

    held: np.ndarray
    places: dict[str, slice]
    features: Callable[[np.ndarray], np.ndarray]
    coded: bool


def _values(rows: Dataset) -> Values:
    """The features themselves, or for a formula the values that its terms are computed from."""
    schema = rows.schema
    if schema.design is None:
        return Values(rows.x, schema.feature_places, lambda x: x, False)
    if rows.sources is None:
        raise FitError("The run keeps the features of its rows and not the columns that they are made of. Fit again.")
    return Values(rows.sources, schema.value_places, lambda held: schema.of_values(held, row_to_fit), True)


def dependence_data(fit: Fit, name: str, level: float = 0.95) -> Dependence:
    """The partial dependence on one column; of two classes that of the probability of the second.

    Raises:
        SpecError: no such column.
    """
    distributions.check_level("level", level)
    column = next((one for one in fit.schema.columns if one.name == name), None)
    if column is None:
        raise SpecError(f"There is no column {quoted(name)}. There are {listed(fit.schema.feature_places)}.")
    rows = rows_of(fit)[0]
    few = rows.take(np.unique(np.linspace(0, rows.rows - 1, min(rows.rows, MOST_ROWS)).astype(int)))
    known = _values(few)
    place = known.places[name]
    if column.kind == "category" and known.coded:
        settings, values = np.arange(len(column.levels))[:, None], np.array(column.levels, dtype=object)
    else:
        settings, values = _settings(known.held[:, place], column.kind, fit.schema.intercept, column.levels)
    summary = fit.summary(level=level) if fit.terms is not None else None
    middles, errors = [], []
    for setting in settings:
        changed = known.held.copy()
        changed[:, place] = setting
        valid = summary if summary is not None and summary.valid else None
        middle, error = _mean(fit, known.features(changed), valid, few.offset)
        middles.append(middle)
        errors.append(error)
    classes = fit.schema.classes or ()
    of = classes if len(classes) > 2 else fit.schema.targets if len(fit.schema.targets) > 1 else ()
    middle, error = (np.array(each) if of else np.array(each)[:, 0] for each in (middles, errors))
    if not np.isfinite(error).all() or summary is None:
        return Dependence(name, values, middle, None, None, of)
    reach = distributions.quantile(level, summary.df) * error
    return Dependence(name, values, middle, middle - reach, middle + reach, of)


def _settings(features: np.ndarray, kind: str, intercept: bool, levels: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """The features `[g, w]` of each value of a column, and the values `[g]`."""
    if kind == "category":
        whole = np.eye(len(levels) if not intercept else max(len(levels), 1))
        whole = whole[:, 1:] if intercept else whole
        wide = features.shape[1]
        return np.pad(whole, ((0, 0), (0, max(wide - whole.shape[1], 0))))[:, :wide], np.array(levels, dtype=object)
    features = features[~np.isnan(features).any(1)]
    if features.shape[1] == 1 and len(np.unique(features)) > 2:
        low, high = np.quantile(features, [0.05, 0.95])
        return np.linspace(low, high, GRID)[:, None], np.linspace(low, high, GRID)
    each = np.unique(features, axis=0)
    return each, each[:, 0] if each.shape[1] == 1 else np.arange(len(each))


def _mean(fit: Fit, x: np.ndarray, known: Summary | None, offset: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """The mean prediction of rows `[k]`, and its standard error; nan without a covariance."""
    inner, classes = fit.inner, fit.schema.classes
    decision = log_odds(inner, x, offset=offset)
    share = decision.reshape(len(x), -1) if classes is None else shares(decision, fit.loss_function)
    two = slice(1, None) if classes is not None and len(classes) == 2 else slice(None)
    if known is None or known.sample is None or not known.errors:
        return share.mean(0)[two], np.full(share.shape[1], np.nan)[two]
    basis, directions = known.sample.terms.design(x) @ known.sample.matrix, known.sample.classes
    if directions is not None:  # ∂pⱼ/∂fₖ = pⱼ·(1 if j = k else 0) − pⱼ·pₖ
        each = share[:, :, None] * (np.eye(share.shape[1]) - share[:, None, :]) @ directions
        slope = np.einsum("njc,nr->jcr", each, basis, optimize=True).reshape(share.shape[1], -1) / len(x)
        square = np.einsum("js,st,jt->j", slope, known.errors[0].inner, slope, optimize=True)
        return share.mean(0)[two], np.sqrt(square)[two]
    family = fit.loss_function.family
    slope = basis
    if classes is not None:
        slope = basis * fit.loss_function.share_slope(decision)[:, None]
    elif family is not None:
        slope = basis * family.mean_slope(linear_predictor(inner, x, offset=offset))[:, None]
    direction = slope.mean(0)
    return share.mean(0)[two], np.sqrt([direction @ one.inner @ direction for one in known.errors])


def importance_data(fit: Fit, repeats: int = 30, level: float = 0.95, seed: int = 0) -> Importance:
    """The permutation importance of each source column, on the held-out rows where there are any.

    The score is R², of classes the accuracy, as in `sklearn.inspection.permutation_importance`; the levels of a text column are
    shuffled together. The interval holds that share of the shuffles.
    """
    repeats, seed = check_whole("repeats", repeats, 2), check_whole("seed", seed, 0)
    distributions.check_level("level", level)
    train, test = rows_of(fit)
    rows = train if test is None else test
    if rows.x.ndim != 2:
        raise SpecError("Importance is of columns, and these rows are images.")
    generator, known = np.random.default_rng(seed), _values(rows)
    held = known.held.copy()

    def score() -> float:
        decision = log_odds(fit.inner, known.features(held), offset=rows.offset)
        if rows.classes is None:
            return of_numbers(rows.y, decision.reshape(rows.y.shape), rows.row_weights)["r2"]
        return of_classes(rows.y, decision, len(rows.classes), rows.row_weights)["accuracy"]

    whole, places = score(), known.places
    lost = np.empty((len(places), repeats))
    for i, place in enumerate(places.values()):
        kept = held[:, place].copy()
        for repeat in range(repeats):
            held[:, place] = kept[generator.permutation(len(held))]
            lost[i, repeat] = whole - score()
        held[:, place] = kept
    low, high = np.quantile(lost, [0.5 * (1.0 - level), 0.5 * (1.0 + level)], axis=1)
    measure = "R²" if rows.classes is None else "accuracy"
    return Importance(tuple(places), lost.mean(1), low, high, lost, whole, measure)
