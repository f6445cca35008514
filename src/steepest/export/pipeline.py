"""`fit.to_sklearn()`: a fitted pipeline of scikit-learn's own classes, which predicts what the fit does and needs no steepest.

    columns     ColumnTransformer: SimpleImputer, OneHotEncoder, OrdinalEncoder, StandardScaler of dates
    centre      StandardScaler, where powers are taken of centred columns
    terms       PolynomialFeatures, of poly:D
    model       LinearRegression, LogisticRegression, SGDClassifier, LinearSVC, TweedieRegressor, MLPRegressor, MLPClassifier

Each is fitted by scikit-learn to a few rows made up for it, so that it holds all that its version wants, and is then given the
numbers of the fit in its public attributes. In the end both are asked about these rows, and must agree.
"""

from __future__ import annotations

import re
import warnings
from importlib import import_module
from typing import Any

import numpy as np

from steepest.data.arrow_columns import is_number
from steepest.data.features import Column
from steepest.data.files import open_table
from steepest.data.numbers import AS_PYTHON, NUMBER
from steepest.data.wording import quoted
from steepest.errors import FitError
from steepest.export import estimators
from steepest.lazy import unnoticed
from steepest.result import Fit

NUMBERED = re.compile(r"x\d+")

AGREES = 1e-9
"""How far a prediction may be from the fit's, as a part of the largest; rounding leaves about 1e-14."""

MICROSECONDS = 86_400e6
"""In a day."""


def to_sklearn(fit: Fit) -> Any:
    """The fit as a fitted `sklearn.pipeline.Pipeline` of scikit-learn's own classes, which needs no steepest to be used.

    `predict` gives what `fit.predict` does, to rounding, and of classes `predict_proba` and `decision_function` what
    `predict_proba` and `decision` do. A fit of a table takes a pandas or polars frame with its columns, one of arrays arrays.

    Returns:
        A `Pipeline`: a `ColumnTransformer` for text, booleans, dates and missing values, `PolynomialFeatures` of `poly:D`, and
        a linear model or a multilayer perceptron with the fit's coefficients.

    Raises:
        FitError: the fit has something that no class of scikit-learn does, as a formula or a module of one's own.

    Example:
        >>> import pandas
        >>> from steepest.fitting import fit
        >>> table = pandas.DataFrame({"city": ["Oslo", "Rome", "Oslo", "Rome"], "size": [1.0, 2, 3, 4], "price": [2.0, 5, 4, 7]})
        >>> pipeline = to_sklearn(fit(table, target="price"))
        >>> [name for name, _ in pipeline.steps], pipeline.predict(table).round(6).tolist()
        (['columns', 'model'], [2.0, 5.0, 4.0, 7.0])
    """
    inner = fit.inner
    if inner.schema.added:
        raise FitError("scikit-learn's classes have no offset or exposure to add. Use fit.to_onnx(path).")
    if inner.schema.design is not None:
        raise FitError("A formula has no words in scikit-learn's classes. Use fit.to_onnx(path), or fit.to_python().")
    with unnoticed(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of fits to made-up rows that end early
        from sklearn.pipeline import Pipeline

        rows = Rows(inner)
        steps = rows.steps()
        made = Pipeline(estimators.with_model(inner, steps, rows.table))
        _check(fit, made, rows.table)
    return made


def _check(fit: Fit, made: Any, table: Any) -> None:
    """FitError where the pipeline predicts something else than the fit."""
    theirs, ours = np.asarray(made.predict(table)), np.asarray(fit.predict(table))
    if fit.schema.classes is not None:
        near = bool((theirs == ours).all())
    else:
        near = bool(np.allclose(theirs, ours, rtol=0.0, atol=AGREES * (np.abs(ours).max() + 1e-300)))
    if not near:
        raise FitError(
            "The fit does something that no class of scikit-learn does: a pipeline of its columns and coefficients predicts "
            "other values. Use fit.to_onnx(path), or fit.save(folder)."
        )


class Rows:
    """The columns of a fit's table, and a few rows made up for them."""

    def __init__(self, fit: Fit):
        self.schema, self.fit = fit.schema, fit
        self.by_position = is_array(fit)
        self.numeric = numeric_categories(fit)
        most = max((len(column.levels) + 1 for column in self.schema.columns), default=1)
        self.count = max(most, len(self.schema.classes or ()), 4)
        columns = {column.name: self._values(column) for column in self.schema.columns}
        if self.by_position:
            every = [np.ones(self.count)] * (len(columns) + len(self.schema.ones))
            for place, values in zip(self._places(), columns.values(), strict=True):
                every[place] = values
            self.table: Any = np.column_stack(every)
        else:
            self.table = _frame(columns)

    def _places(self) -> list[int]:
        """Where the columns are in an array, those of ones taken out."""
        wide = len(self.schema.columns) + len(self.schema.ones)
        return [place for place in range(wide) if place not in self.schema.ones]

    def _values(self, column: Column) -> Any:
        """Values that the column can have, one a row."""
        if column.kind == "category":
            levels = self.levels(column)
            return np.array([levels[i % len(levels)] for i in range(self.count)])
        if column.kind == "boolean":
            return np.arange(self.count) % 2 == 0
        if column.kind == "date":
            days = np.arange(self.count) + int(column.start)
            return days.astype("datetime64[D]").astype("datetime64[us]")
        return np.random.default_rng(len(column.name)).normal(size=self.count)

    def levels(self, column: Column) -> list[Any]:
        """The levels of a category as they stand in the table: numbers where its column holds numbers."""
        return [float(level) for level in column.levels] if column.name in self.numeric else list(column.levels)

    def steps(self) -> list[tuple[str, Any]]:
        """The first steps of a pipeline."""
        from sklearn.compose import ColumnTransformer

        if self.by_position and not self.schema.ones:
            return []
        places = self._places() if self.by_position else [column.name for column in self.schema.columns]
        each = [
            (column.name, self._encoder(column), [at]) for column, at in zip(self.schema.columns, places, strict=True)
        ]
        plain = [name for name, encoder, _ in each if encoder == "passthrough"]
        if len(plain) == len(each):
            each = [("numbers", "passthrough", list(places))]
        return [("columns", ColumnTransformer(each, remainder="drop", verbose_feature_names_out=False))]

    def _encoder(self, column: Column) -> Any:
        """What makes the features of a column. FitError where scikit-learn has none."""
        from sklearn.frozen import FrozenEstimator
        from sklearn.impute import MissingIndicator, SimpleImputer
        from sklearn.pipeline import FeatureUnion, make_pipeline
        from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, OrdinalEncoder
        from sklearn.utils import check_array

        _check_column(column)
        if column.kind == "category":
            levels = [*self.levels(column), "missing"] if column.own_missing else self.levels(column)
            first = "first" if self.schema.intercept else None
            encoder = OneHotEncoder(categories=[levels], drop=first, sparse_output=False, dtype=np.float64)
            stands_in: Any = "missing" if column.own_missing else column.fill
            if stands_in is None and all(map(NUMBER.fullmatch, column.levels)) and column.name not in self.numeric:
                return make_pipeline(FunctionTransformer(np.asarray, kw_args={"dtype": str}), encoder)  # 3 or "3"
            if stands_in is None:
                return encoder
            return make_pipeline(SimpleImputer(strategy="constant", fill_value=stands_in), encoder)
        if column.kind == "boolean" and column.fill is None:
            return OrdinalEncoder(categories=[[False, True]], dtype=np.float64)
        floats = FunctionTransformer(check_array, kw_args={"dtype": np.float64, "ensure_all_finite": "allow-nan"})
        if column.kind == "date":
            numbers = FunctionTransformer(np.asarray, kw_args={"dtype": "datetime64[us]"})
            days = FrozenEstimator(estimators.scaler(np.zeros(1), np.full(1, MICROSECONDS)))
            start = FrozenEstimator(estimators.scaler(np.full(1, column.start), np.ones(1)))
            return make_pipeline(numbers, floats, days, start)
        if column.fill is None:
            return "passthrough"
        fill: Any = column.fill
        mean = SimpleImputer(strategy="constant", fill_value=fill)
        if not column.own_missing:
            return make_pipeline(floats, mean)  # whole numbers have no room for a mean
        return make_pipeline(floats, FeatureUnion([("value", mean), ("is missing", MissingIndicator(features="all"))]))


def _check_column(column: Column) -> None:
    """FitError for a column that no class of scikit-learn reads as the fit does."""
    why = ""
    if column.kind == "date":
        if column.way != "days" or column.clock:
            why = "is a date of which parts are taken, as the month"
        elif column.fill is not None:
            why = "is a date of which values may be missing"
    elif column.casefold:
        why = "has levels that differ in case"
    elif column.notation != AS_PYTHON:
        why = f"holds numbers written in another notation ({column.notation})"
    if why:
        raise FitError(
            f"The column {quoted(column.name)} {why}, for which scikit-learn has no class. Prepare it before the fit, or use "
            "fit.to_onnx(path)."
        )


def is_array(fit: Fit) -> bool:
    """Whether the fit's rows were arrays, whose columns have places and no names."""
    if fit.table is not None:
        return not open_table(fit.table)[1].named
    names = [column.name for column in fit.schema.columns]
    made_up = ["x"] if len(names) == 1 and not fit.schema.ones else None
    return fit.source is None and names == (made_up or [name for name in names if NUMBERED.fullmatch(name)])


def numeric_categories(fit: Fit) -> frozenset[str]:
    """The categories whose levels are numbers in the table: as it is in memory, else as the levels look."""
    categories = [column for column in fit.schema.columns if column.kind == "category"]
    if fit.table is None or not categories:
        return frozenset(one.name for one in categories if all(map(NUMBER.fullmatch, one.levels)))
    table, _ = open_table(fit.table)
    return frozenset(one.name for one in categories if is_number(table[one.name].type))


def _frame(columns: dict[str, Any]) -> Any:
    """A frame of pandas, else of polars."""
    for library in ("pandas", "polars"):
        try:
            return import_module(library).DataFrame(columns)
        except ModuleNotFoundError:
            continue
    raise FitError("A pipeline over named columns needs pandas or polars: pip install pandas.")
