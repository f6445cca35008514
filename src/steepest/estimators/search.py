"""`search()`: `GridSearchCV` for our estimators, its folds and its grid worked together.

    candidates   the grid, in GridSearchCV's order
    side by side those that differ in their penalty alone, under the default descent    together.py
    swept        others that say what they are in numbers and names: a sweep of each fold        sweeping.py
    one by one   what is left: each is a clone of the estimator, fitted and scored

Scores, their ranks and the best candidate are those of `GridSearchCV` with the same estimator.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import sparse
from scipy.stats import rankdata
from sklearn.base import clone, is_classifier
from sklearn.metrics import check_scoring
from sklearn.model_selection import ParameterGrid, check_cv
from sklearn.pipeline import Pipeline
from sklearn.utils import _safe_indexing

from steepest.errors import FitError, SpecError, SteepestError
from steepest.estimators import parameters, rows, together
from steepest.estimators.base import Descent, Given
from steepest.estimators.many_losses import Columns
from steepest.estimators.together import Minima
from steepest.model.automatic_loss import loss_of
from steepest.model.modules import is_linear
from steepest.model.of_fit import targets
from steepest.model.penalties import penalty
from steepest.model.row_parts import in_one_thread
from steepest.settings import Spec
from steepest.settings_table import SETTINGS
from steepest.sweeping import swept

SETTLES_NOTHING = frozenset(
    {"schedule", "shuffle", "seed", "record", "patience", "validation", "penalty", "loss", "intercept"}
)
"""Settings that a default descent does not look at, or that say what is fitted and not how."""

OF_ROWS = ("class_weight", "fit_intercept")
"""Parameters that the rows depend on."""

TIED = 1e-6
"""How far a row is on a class's side at least, in log-odds, or as a part of the largest where that is more."""

WIDEST = 200
"""Parameters up to which Hessians of all candidates are written out."""


@dataclass(repr=False)
class Search:
    """What came of a search: as `GridSearchCV` has it.

    Attributes:
        cv_results_: parameters and scores of each candidate, `mean_test_score`, `rank_test_score` and the others.
        best_index_, best_params_, best_score_: the candidate with the best mean score.
        best_estimator_: that candidate, fitted to all rows.
        side_by_side: how many of the fits were made together.

    Example:
        >>> from steepest.estimators.regressor import DescentRegressor
        >>> x = [[0.0], [1.0], [2.0], [3.0], [4.0], [5.0]]
        >>> found = search(DescentRegressor(), {"penalty": ["none", "l2:10"]}, x, [1.0, 3.1, 4.9, 7.0, 9.2, 11.0], cv=3)
        >>> found.best_params_, found.side_by_side
        ({'penalty': 'none'}, 6)
    """

    cv_results_: dict[str, Any]
    best_index_: int
    best_estimator_: Any = field(default=None)
    side_by_side: int = 0

    @property
    def best_params_(self) -> dict[str, Any]:
        """The parameters of the best candidate."""
        return self.cv_results_["params"][self.best_index_]

    @property
    def best_score_(self) -> float:
        """Its mean score."""
        return float(self.cv_results_["mean_test_score"][self.best_index_])

    def predict(self, X: Any) -> Any:
        """What the best estimator predicts.

        Args:
            X: `[n, d]`.

        Example:
            >>> from steepest.estimators.regressor import DescentRegressor
            >>> x = [[0.0], [1.0], [2.0], [3.0], [4.0], [5.0]]
            >>> found = search(DescentRegressor(), {"penalty": ["none", "l2:10"]}, x, [1.0, 3.0, 5.0, 7.0, 9.0, 11.0], cv=3)
            >>> found.predict([[6.0]]).round(6).tolist()
            [13.0]
        """
        return self.best_estimator_.predict(X)

    def __repr__(self) -> str:
        return f"Search({len(self.cv_results_['params'])} candidates; best {self.best_params_}: {self.best_score_:.4g})"


def search(
    estimator: Any,
    grid: Mapping[str, Sequence[Any]] | Sequence[Mapping[str, Sequence[Any]]],
    X: Any,
    y: Any,
    cv: Any = 5,
    scoring: Any = None,
) -> Search:
    """Cross-validate each candidate of a grid, and fit the best one to all rows: `GridSearchCV` with folds and grid together.

    Candidates that differ in their penalty alone are one batched descent a fold, for least squares, smooth losses and classes,
    with `l1`, `l2` and elastic penalties; rates, rules, batch sizes and the like are a sweep a fold, in which what can goes side
    by side. Either way the scores are `GridSearchCV`'s.

    Args:
        estimator: a `DescentRegressor` or `DescentClassifier`, or a `Pipeline` that ends with one.
        grid: parameter → values, or several such, as of `GridSearchCV`.
        X, y: the rows.
        cv: folds, or a splitter, as of `GridSearchCV`.
        scoring: as of `GridSearchCV`; by default R² or accuracy.

    Returns:
        A `Search`: `.cv_results_`, `.best_params_`, `.best_score_`, `.best_estimator_`.

    Raises:
        SpecError: an estimator that is none of ours, or an impossible setting.

    Example:
        >>> from steepest.estimators.regressor import DescentRegressor
        >>> x = [[0.0], [1.0], [2.0], [3.0], [4.0], [5.0]]
        >>> search(DescentRegressor(), {"penalty": ["none", "l2:10"]}, x, [1.0, 3.1, 4.9, 7.0, 9.2, 11.0], cv=3).best_params_
        {'penalty': 'none'}
    """
    last = _end(estimator)
    if not isinstance(last, Descent):
        raise SpecError(
            f"search() takes a DescentRegressor, a DescentClassifier or a pipeline that ends with one, not a "
            f"{type(last).__name__}. GridSearchCV takes any estimator."
        )
    candidates = list(ParameterGrid(grid))
    rows, *columns = np.shape(X)
    with in_one_thread(len(candidates) * rows * float(np.prod(columns)) ** 2):  # of a step's Hessians
        scores, made = _scored(estimator, candidates, X, y, cv, scoring)
        results = _results(candidates, scores)
        best = int(results["rank_test_score"].argmin())
        fitted = clone(estimator).set_params(**clone(candidates[best], safe=False)).fit(X, y)
    return Search(results, best, fitted, made)


def _scored(
    estimator: Any, candidates: list[dict[str, Any]], X: Any, y: Any, cv: Any, scoring: Any
) -> tuple[np.ndarray, int]:
    """The score of each candidate on each fold, `[m, folds]`, and how many of them were made together."""
    splits = list(check_cv(cv, y, classifier=is_classifier(estimator)).split(X, y))
    scores = np.full((len(candidates), len(splits)), np.nan)
    for group in _groups(estimator, candidates) if scoring is None else []:
        for fold, judged in enumerate(_together(estimator, [candidates[i] for i in group], X, y, splits)):
            scores[group, fold] = judged
    scorer = check_scoring(estimator, scoring=scoring)
    for group in _swept_groups(estimator, candidates, np.isnan(scores)):
        for fold, (train, test) in enumerate(splits):
            scores[group, fold] = _swept(estimator, [candidates[i] for i in group], X, y, train, test, scorer)
    made = int(np.isfinite(scores).sum())
    for i, fold in np.argwhere(np.isnan(scores)):
        train, test = splits[fold]
        one = clone(estimator).set_params(**clone(candidates[i], safe=False))
        one.fit(_safe_indexing(X, train), _safe_indexing(y, train))
        scores[i, fold] = scorer(one, _safe_indexing(X, test), _safe_indexing(y, test))
    return scores, made


def _results(candidates: list[dict[str, Any]], scores: np.ndarray) -> dict[str, Any]:
    """What `GridSearchCV.cv_results_` has of scores and parameters."""
    results: dict[str, Any] = {}
    for name in sorted({name for one in candidates for name in one}):
        values = np.ma.MaskedArray(np.empty(len(candidates), dtype=object), mask=True)
        for i, one in enumerate(candidates):
            if name in one:
                values[i] = one[name]
        results[f"param_{name}"] = values
    results["params"] = candidates
    for fold, column in enumerate(scores.T):
        results[f"split{fold}_test_score"] = column
    results["mean_test_score"], results["std_test_score"] = scores.mean(1), scores.std(1)
    known = np.nan_to_num(results["mean_test_score"], nan=np.nanmin(results["mean_test_score"]) - 1.0)
    results["rank_test_score"] = rankdata(-known, method="min").astype(np.int32)
    return results


def _prefix(estimator: Any) -> str:
    return f"{estimator.steps[-1][0]}__" if isinstance(estimator, Pipeline) else ""


def _end(estimator: Any) -> Any:
    return estimator[-1] if isinstance(estimator, Pipeline) else estimator


def _groups(estimator: Any, candidates: list[dict[str, Any]]) -> list[list[int]]:
    """The places of candidates that differ in their penalty alone, none of groups, and have the default descent."""
    groups: dict[str, list[int]] = {}
    for place, candidate in enumerate(candidates):
        whole = _own_parameters(estimator, candidate)
        if whole is None or str(whole["penalty"]).strip().startswith("group"):
            continue
        key = repr(sorted((name, repr(value)) for name, value in whole.items() if name != "penalty"))
        if key in groups or _is_default(whole, _end(estimator)._of_classes):
            groups.setdefault(key, []).append(place)
    return list(groups.values())


def _own_parameters(estimator: Any, candidate: dict[str, Any]) -> dict[str, Any] | None:
    """All parameters of the last step; None where a candidate changes others than those."""
    prefix, given = _prefix(estimator), _end(estimator).get_params(deep=False)
    own = {name.removeprefix(prefix): value for name, value in candidate.items() if name.startswith(prefix)}
    return given | own if len(own) == len(candidate) and own.keys() <= given.keys() else None


def _is_default(given: dict[str, Any], of_classes: bool) -> bool:
    """Whether the descent of an estimator with these parameters is the default one of the linear model, to the minimum."""
    named = parameters.keywords(of_classes)
    told = {setting: given[name] for name, setting in named.items() if setting not in SETTLES_NOTHING}
    told.pop("class_weight", None)
    if not is_linear(told.pop("model")) or given["early_stopping"] or given["warm_start"]:
        return False
    plain = all(isinstance(value, str | int | float | None) for value in told.values())
    return plain and isinstance(given["loss"], str) and all(told[name] == SETTINGS[name].default for name in told)


def _swept_groups(estimator: Any, candidates: list[dict[str, Any]], left: np.ndarray) -> list[list[int]]:
    """The places of candidates whose settings are names and numbers, those with the same rows together. left: `[m, folds]`."""
    last, groups = _end(estimator), dict[str, list[int]]()
    for place in np.flatnonzero(left.any(1)).tolist():
        whole = _own_parameters(estimator, candidates[place])
        if whole is None or whole["warm_start"] or getattr(last, "_skl_callbacks", None):
            continue
        plain = all(isinstance(whole[name], str | int | float | None) for name in whole if name not in OF_ROWS)
        if plain and not _is_default(whole, last._of_classes):  # which is by itself as soon as in a sweep
            groups.setdefault(repr([whole.get(name) for name in OF_ROWS]), []).append(place)
    return [group for group in groups.values() if len(group) > 1]


def _parts(estimator: Any, X: Any, y: Any, train: np.ndarray, test: np.ndarray) -> tuple[Any, Any, Any, Any]:
    """Rows and targets to fit, and others to judge by, as the last step of a pipeline sees them: those before it are fitted."""
    inside, outside = _safe_indexing(X, train), _safe_indexing(X, test)
    goals, judged = _safe_indexing(y, train), _safe_indexing(y, test)
    if isinstance(estimator, Pipeline):
        steps = estimator[:-1]
        inside, outside = steps.fit_transform(inside, goals), steps.transform(outside)
    return inside, goals, outside, judged


def _swept(
    estimator: Any, candidates: list[dict[str, Any]], X: Any, y: Any, train: np.ndarray, test: np.ndarray, scorer: Any
) -> np.ndarray:
    """The scores of some candidates on a fold, by a sweep; NaN where there is none."""
    each = [clone(estimator).set_params(**clone(one, safe=False)) for one in candidates]
    piped = isinstance(estimator, Pipeline)
    inside, goals, outside, judged = _parts(each[0], X, y, train, test)
    scores = np.full(len(each), np.nan)
    first = each[0][-1] if piped else each[0]
    given = first._given(inside, goals, None, learn=True)
    learned, data = dict(vars(first)), first._rows(given)
    if sparse.issparse(given.x):
        return scores
    lasts = [one[-1] if piped else one for one in each]
    try:
        found = swept([parameters.spec_of(one, one._of_classes, own_rows=False) for one in lasts], data)
    except SteepestError:  # each by itself says what is wrong with it
        return scores
    for place, one in enumerate(lasts):
        try:
            done = found.fit(place)
        except FitError:
            continue
        vars(one).update(learned | one.get_params(deep=False))
        one._settle(done, given, None, None)
        scores[place] = scorer(one, outside, judged)
    return scores


def _penalties(estimator: Any, candidates: list[dict[str, Any]]) -> tuple[np.ndarray, np.ndarray]:
    """The weights of the l1 and of the l2 penalty of each candidate."""
    last = _end(estimator)
    asked = [one.get(f"{_prefix(estimator)}penalty", last.penalty) for one in candidates]
    kinds = [penalty(one if isinstance(one, str) else Spec.read({"penalty": one}).penalty) for one in asked]
    return np.array([one.l1 for one in kinds]), np.array([one.l2 for one in kinds])


def _together(
    estimator: Any, candidates: list[dict[str, Any]], X: Any, y: Any, splits: list[tuple[np.ndarray, np.ndarray]]
) -> Iterator[np.ndarray]:
    """The scores of candidates that differ in their penalty alone, fold by fold, NaN where one has not arrived; none where they
    cannot go together."""
    own = {name.removeprefix(_prefix(estimator)): value for name, value in candidates[0].items()}
    first = clone(_end(estimator)).set_params(**own)
    kinds = _penalties(estimator, candidates)
    spec = parameters.spec_of(first, first._of_classes, own_rows=True)
    alone = not isinstance(estimator, Pipeline) and getattr(first, "class_weight", None) is None
    whole = first._given(X, y, None, learn=True) if alone else None
    columns = None if whole is None or sparse.issparse(whole.x) else Columns.of(whole.x, None, spec.intercept)
    found: Minima | None = None
    for train, test in splits:
        fold = None if whole is None else _cut(first, whole, train, test)
        if fold is None:
            fold, whole, columns = _prepared(estimator, first, X, y, train, test), None, None
        given, outside, judged = fold
        if sparse.issparse(given.x) or given.y.ndim > 1:
            return
        labels = None if not first._of_classes else rows.labelled(np.asarray(first.classes_))
        loss = loss_of(spec, labels)
        if loss.custom or loss.bound is None or loss.choice is None or getattr(loss, "family", None) is not None:
            return
        data = first._rows(given)
        target, outputs = targets(data, loss)
        if (data.x.shape[1] + 1) * outputs > WIDEST:
            return
        weights = data.relative_weights
        inside = Columns.of(data.x, weights, spec.intercept) if columns is None else columns.only(train)
        asked = inside.placed(outside) if first._of_classes else None
        found = together.minima(together.Problem(inside, target, weights, loss, outputs, asked), *kinds, found)
        decision = outside @ found.coefficients.swapaxes(1, 2) + found.intercepts[:, None, :]
        sure = found.arrived & _sure(decision) if first._of_classes else found.arrived
        yield np.where(sure, _scores(first, decision, judged), np.nan)


def _cut(first: Descent, whole: Given, train: np.ndarray, test: np.ndarray) -> tuple[Given, Any, np.ndarray] | None:
    """A fold of rows that were checked together; None where not all classes are in it, which is another task then."""
    inside = Given(whole.x[train], whole.y[train], None, None)
    if first._of_classes and len(np.unique(inside.y)) < len(first.classes_):
        return None
    return inside, whole.x[test], whole.y[test]


def _prepared(
    estimator: Any, first: Descent, X: Any, y: Any, train: np.ndarray, test: np.ndarray
) -> tuple[Given, Any, np.ndarray]:
    """A fold whose rows to fit are all that is learned of: those to fit, and columns and targets or codes of the others."""
    inside, goals, outside, judged = _parts(clone(estimator), X, y, train, test)
    given = first._given(inside, goals, None, learn=True)
    known = np.asarray(judged)
    if first._of_classes:
        classes = np.asarray(first.classes_)
        places = np.minimum(np.searchsorted(classes, known), len(classes) - 1)
        known = np.where(classes[places] == known, places, -1)  # a class that no row to fit has is never right
    return given, first._checked_rows(outside), known


def _sure(decision: np.ndarray) -> np.ndarray:
    """Whether each row of runs `[runs, n, k]` lies on one class's side: between two the last digit of a fit decides."""
    if decision.shape[2] == 1:
        lead = np.abs(decision[..., 0])
    else:
        second, first = np.moveaxis(np.partition(decision, -2, axis=2)[..., -2:], 2, 0)
        lead = first - second
    return lead.min(1) > TIED * np.maximum(np.abs(decision).max((1, 2)), 1.0)


def _scores(estimator: Descent, decision: np.ndarray, y: np.ndarray) -> np.ndarray:
    """R² or accuracy of predictions `[runs, n, k]`. y: targets or codes."""
    if not estimator._of_classes:
        goals = y.astype(np.float64).reshape(-1)
        left = ((decision[..., 0] - goals) ** 2).sum(1)
        return 1.0 - left / ((goals - goals.mean()) ** 2).sum()
    codes = (decision[..., 0] > 0).astype(int) if decision.shape[2] == 1 else decision.argmax(2)
    return (codes == y).mean(1)
