"""What is to be predicted: numbers [n] or [n, m], or classes as codes [n] with their labels.

A target may be the natural logarithm of a column: `log(price)`, where no column is itself called so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from steepest.data.arrow_columns import first, is_number, is_text, is_words, to_numbers
from steepest.data.column_types import check_doubt, learn_date, levels_of, one_spelling
from steepest.data.columns import SourceColumn
from steepest.data.dates import dates
from steepest.data.features import column_values, finite_numbers, not_numbers, unusable
from steepest.data.files import Origin, open_table
from steepest.data.in_memory import as_array
from steepest.data.parquet_columns import view_of
from steepest.data.reading import AS_IT_IS, Reading
from steepest.data.wording import counted, listed, option, quoted, suggestion
from steepest.errors import DataError, SpecError

DAYS = "A target is numbers or classes; as a number of days: {}"
CLASSES = 30  # more classes than this need at least two rows each on average
LOOKED_AT = 1_000
"""Rows whose labels may be all that there are."""


def target_of(y: object, reading: Reading = AS_IT_IS) -> tuple[pa.Table, Origin]:
    """y as a table of targets, and how it was read; a series or dataframe keeps its names, else `y`, or `y1`, `y2`, …

    Text is read as in any source with types of its own (see columns.py): `["101", "205"]` are classes.

    Raises:
        DataError: y has the shape [n, 1], which would be broadcast against [n], or more than two dimensions.
    """
    if isinstance(y, (Mapping, pa.Array)) or hasattr(y, "iloc") or hasattr(y, "__arrow_c_stream__"):
        table, origin = open_table(y, reading=reading)
        return (table, origin) if origin.named else _named(table, origin, ["y"])
    array = as_array(y)
    if array.ndim == 2 and array.shape[1] == 1:
        raise DataError(
            f"y has the shape {len(array):,} × 1, a table; one target is one-dimensional: give y.ravel() or y[:, 0]"
        )
    if array.ndim > 2:
        raise DataError(f"y has {array.ndim} dimensions; give one value in each row, or rows × targets")
    table, origin = open_table(array, reading=reading)
    if origin.named:  # an array of records
        return table, origin
    return _named(table, origin, ["y"] if array.ndim == 1 else [f"y{i + 1}" for i in range(array.shape[1])])


def _named(table: pa.Table, origin: Origin, names: list[str]) -> tuple[pa.Table, Origin]:
    return table.rename_columns(names), replace(origin, found=dict(zip(names, origin.found.values(), strict=True)))


def source_of(name: str, available: Sequence[str]) -> str:
    """The column that a target is made from: the one called so, or `price` for `log(price)`.

    >>> source_of("log(price)", ["size", "price"]), source_of("log(price)", ["price", "log(price)"])
    ('price', 'log(price)')
    """
    inner = name[4:-1].strip() if name.startswith("log(") and name.endswith(")") else name
    return inner if name not in available and inner in available else name


def picked(table: pa.Table, names: Sequence[str], origin: Origin, reading: Reading = AS_IT_IS) -> pa.Table:
    """The targets with these names: columns of the table, or logarithms of them; labels and dates as the settings say.

    Raises:
        DataError: a logarithm is asked for of text, of 0 or of a negative number; what was said to be dates is none.
    """
    columns = []
    for name in names:
        source = source_of(name, table.column_names)
        column = origin.column(source, table[source])
        columns.append(_logarithm(column) if source != name else _as_said(column, reading))
    return pa.table(columns, names=list(names))


def _as_said(column: SourceColumn, reading: Reading) -> pa.Array | pa.ChunkedArray:
    """A target as `categories`, `date` and `labels` have it."""
    name, kind = column.name, column.kind
    if name in (reading.date or {}):
        made = learn_date(column, (reading.date or {})[name])
        if made.way != "days":
            raise DataError(f"the target {quoted(name)} is one number: {option('date', 'days', name)}")
        days = column_values(made, column)[:, 0]
        return pa.array(days, mask=np.isnan(days))
    labels = name in reading.categories and not (is_text(kind) or pa.types.is_nested(kind))
    if reading.labels == "casefold" and (labels or is_words(kind)):
        return one_spelling(column.text)
    return column.text if labels else column.values


def _logarithm(column: SourceColumn) -> pa.Array:
    """The natural logarithm of a column; missing values stay missing."""
    _check_target(column)
    if not is_number(column.kind):
        raise not_numbers(column, remedy=f"Predict the column itself: {option('target', column.name)}")
    values = finite_numbers(column)
    if (values <= 0).any():
        raise DataError(
            f"the target {quoted(column.name)} is {values[first(values <= 0)]:g} in {column.row(values <= 0)}, which has no "
            f"logarithm. Correct the value, leave the row out, or predict the column itself: {option('target', column.name)}"
        )
    return pa.array(np.log(values))


def _check_target(column: SourceColumn) -> None:
    """Raise DataError where a target of text may be numbers."""
    if is_text(column.kind):
        check_doubt(column, leave="or name another target=")
        when = dates(column.values)
        if when is not None and not when.strays:
            raise unusable(column, remedy=DAYS.format(option("date", "days", column.name)), what="dates")


def is_classes(targets: pa.Table, classify: bool | None, origin: Origin, reading: Reading = AS_IT_IS) -> bool:
    """Whether the target is classes: as `classify` says, else text, booleans and categories are.

    Raises:
        DataError: it is empty, neither numbers nor classes, or text where numbers are needed.
    """
    several = targets.num_columns > 1
    for name in targets.column_names:
        column = origin.column(name, targets[name])
        kind = column.kind
        if column.missing.all():
            raise DataError(f"the target {quoted(name)} of {origin.table} is empty")
        if not (is_words(kind) or is_number(kind) or pa.types.is_boolean(kind)):
            dated = pa.types.is_temporal(kind)
            days = DAYS.format(option("date", "days", name))
            raise unusable(column, remedy=days if dated else "A target is numbers or classes")
        if name not in reading.categories:
            _check_target(column)
        if is_words(kind) and (classify is False or several):
            present = ~column.missing
            raise DataError(
                f"the target {quoted(name)} holds text, {quoted(column.text[first(present)])} in {column.row(present)}, and "
                f"{'several targets at once are' if several else 'this loss needs'} numbers. Use loss='logistic' or "
                "loss='cross_entropy' for classes, or another target="
            )
    if targets.num_columns > 1:
        if classify:
            raise DataError(f"classes are one target, not {targets.num_columns}: {listed(targets.column_names)}")
        return False
    return classify if classify is not None else not is_number(targets.column(0).type)


def target_numbers(targets: pa.Table, origin: Origin) -> np.ndarray:
    """[n] or [n, m] float64, a copy but of a column that lies in a block of our own."""
    found = [finite_numbers(origin.column(name, targets[name])) for name in targets.column_names]
    if len(found) > 1:
        return np.column_stack(found)
    return np.array(found[0]) if view_of(targets.columns) is None else found[0]


def class_codes(targets: pa.Table, origin: Origin) -> tuple[tuple[str, ...], np.ndarray]:
    """The sorted labels and each row's place among them, [n] int64."""
    name = targets.column_names[0]
    column = origin.column(name, targets[name])
    if is_words(column.kind):
        labels = levels_of(column.values)
        codes = pc.index_in(column.text, value_set=pa.array(labels, pa.large_string())).to_numpy()
    else:
        finite_numbers(column)
        numbers, codes = _different(to_numbers(column.values))
        whole = bool if pa.types.is_boolean(column.kind) else int
        labels = tuple(str(whole(number)) if float(number).is_integer() else repr(float(number)) for number in numbers)
    if len(labels) == 1:
        raise DataError(
            f"the target {quoted(name)} has a single class, {quoted(labels[0])}: there is nothing to tell apart"
        )
    if column.found.digits and 2 * len(labels) > len(codes):
        raise DataError(
            f"the target {quoted(name)} is text that holds numbers, {len(labels):,} different ones in "
            f"{counted(len(codes), 'row')}. Text stays text, and is classes: for numbers give numbers, as in "
            f"table[{name!r}].astype(float)"
        )
    if len(labels) > CLASSES and 2 * len(labels) > len(codes):
        raise DataError(
            f"the target {quoted(name)} has {len(labels):,} different values in {counted(len(codes), 'row')}: too many to be "
            "classes. Use a loss for numbers (loss='mse'), or another target="
        )
    return labels, codes.astype(np.int64)


def _different(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The different values `[k]`, sorted, and each one's place among them `[n]`: where some rows have all of them, no sort of
    all is needed."""
    numbers = np.unique(values[:: max(1, len(values) // LOOKED_AT)])
    codes = numbers.searchsorted(values)
    known = np.array_equal(numbers.take(codes, mode="clip"), values)
    return (numbers, codes) if known else np.unique(values, return_inverse=True)


def label_kind(kind: pa.DataType) -> str:
    """What the labels of a column are: "boolean", "integer", "number" or "text"."""
    if pa.types.is_boolean(kind):
        return "boolean"
    if pa.types.is_integer(kind):
        return "integer"
    return "number" if is_number(kind) else "text"


def class_factors(class_weight: object, classes: tuple[str, ...] | None, codes: np.ndarray) -> np.ndarray:
    """The factor of each class, [k]; counts are of the training rows."""
    if classes is None:
        raise SpecError("class_weight is for classes, and the target is numbers")
    if class_weight == "balanced":
        counts = np.bincount(codes, minlength=len(classes))
        return len(codes) / (len(classes) * np.maximum(counts, 1))
    if not isinstance(class_weight, Mapping):
        raise SpecError(f"class_weight is {quoted(class_weight)}; it is 'balanced' or a weight for each class")
    factors = np.ones(len(classes))
    for label, factor in class_weight.items():
        name = class_named(label, classes)
        if name is None:
            raise SpecError(
                f"class_weight names the class {quoted(label)}: {suggestion(label, classes)}The classes "
                f"are {listed(classes)}"
            )
        if not (isinstance(factor, (int, float)) and np.isfinite(factor) and factor >= 0):
            raise SpecError(f"class_weight of {quoted(label)} is {factor!r}; a weight is a number ≥ 0")
        factors[classes.index(name)] = factor
    return factors


def class_named(label: object, classes: tuple[str, ...]) -> str | None:
    """The class that a label names: itself, or a number or truth value equal to it; `True` is the class 1.

    >>> class_named(1.0, ("0", "1")), class_named("True", ("0", "1")), class_named(0, ("False", "True"))
    ('1', '1', 'False')
    """
    text = str(label)
    if text in classes:
        return text
    same = next((group for group in (("True", "1", "1.0"), ("False", "0", "0.0")) if text in group), ())
    with suppress(ValueError):
        same = (*same, f"{float(text):.17g}")
    return next((name for name in same if name in classes), None)
