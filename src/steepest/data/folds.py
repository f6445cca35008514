"""Rows parted into folds: those that each fold is judged on, those that it learns of, and what is learned of these alone.

random        a random part each                                       scikit-learn's KFold, shuffled
time:COLUMN   in the order of a column: each is judged on the rows that follow those that it learns of    TimeSeriesSplit
group:COLUMN  rows with one value of a column stay together                                                GroupKFold
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from steepest.data.arrow_columns import is_number, to_numbers
from steepest.data.columns import SourceColumn
from steepest.data.dataset import Dataset
from steepest.data.dates import dates
from steepest.data.formula import formula_of
from steepest.data.missing import fill_of
from steepest.data.targets import class_factors
from steepest.data.wording import counted, listed, quoted
from steepest.errors import DataError, SpecError, check_whole
from steepest.lazy import unnoticed


@dataclass(frozen=True)
class Fold:
    """The numbers of the rows that a fold learns of, and of those that it is judged on."""

    train: np.ndarray
    test: np.ndarray


def column_named(split: str) -> str | None:
    """The column that a split names; None for a random one.

    >>> column_named("time:when"), column_named("random")
    ('when', None)
    """
    kind, colon, name = split.partition(":")
    if split == "random":
        return None
    if kind not in ("time", "group") or not colon or not name:
        raise SpecError(f"split={split!r}: it must be random, time:COLUMN or group:COLUMN.")
    return name


def parted(rows: int, count: int, split: str | Sequence[int], seed: int, column: SourceColumn | None) -> list[Fold]:
    """The folds of so many rows. split: or the number of each row's fold, from 0. column: the one that `split` names."""
    if not isinstance(split, str):
        numbers = np.asarray(split)
        if numbers.shape != (rows,) or numbers.dtype.kind not in "iu":
            what = f"split holds {numbers.size:,} values" if numbers.ndim else f"split={split!r}"
            raise SpecError(
                f"{what}; it must be random, time:COLUMN, group:COLUMN or the number of a fold for each of "
                f"{counted(rows, 'row')}."
            )
        every = np.arange(rows)
        if len(np.unique(numbers)) < 2:
            raise SpecError("split puts all rows into one fold: there must be two or more.")
        return [Fold(every[numbers != one], every[numbers == one]) for one in np.unique(numbers[numbers >= 0])]
    count = check_whole("folds", count, 2, rows, "the number of rows, ")
    with unnoticed():
        from sklearn.model_selection import GroupKFold, KFold, TimeSeriesSplit
    order, parts = np.arange(rows), None
    if column is None:
        random = np.random.RandomState(seed if seed < 2**32 else np.random.MT19937(seed))
        made = KFold(count, shuffle=True, random_state=random)
    elif split.startswith("time:"):
        order, made = np.argsort(_times(column), kind="stable"), TimeSeriesSplit(count)
    else:
        parts, made = groups(column), GroupKFold(count)
        if parts.max() + 1 < count:
            raise SpecError(
                f"folds={count}: column {quoted(column.name)} has {counted(int(parts.max()) + 1, 'group')} only."
            )
    try:
        return [Fold(order[train], order[test]) for train, test in made.split(order, groups=parts)]
    except ValueError as error:
        raise SpecError(f"folds={count}: {' '.join(str(error).split())}") from None


def _times(column: SourceColumn) -> np.ndarray:
    """The values of a column by which rows are ordered."""
    if is_number(column.kind):
        return to_numbers(column.values.cast(pa.float64(), safe=False))
    found = dates(column.values)
    if found is None or found.strays or found.ambiguous:
        raise column.fault(f" is to give the order of time, and holds {column.shown}: numbers and dates have one")
    return found.instant


def groups(column: SourceColumn) -> np.ndarray:
    """The number of the group of each row `[n]`: rows with one value of the column are a group."""
    values = to_numbers(column.values) if is_number(column.kind) else np.array(column.text.to_pylist(), dtype=object)
    return np.unique(values, return_inverse=True)[1]


# ---- what is learned of a fold's own rows --------------------------------------------------------


def learned_of(whole: Dataset, rows: np.ndarray, class_weight: object = None) -> Dataset:
    """All rows, with means, scales, polynomials and the weights of classes learned of some of them alone.

    Levels stay those of all rows; see `unseen`.
    """
    schema, values = whole.schema, whole.sources
    if values is not None:
        columns = []
        for column in schema.columns:
            known = values[rows, schema.value_places[column.name]]
            known = known[~np.isnan(known[:, 0])]
            columns.append(column if column.fill is None else replace(column, fill=fill_of(column, known)))
        schema = replace(schema, columns=tuple(columns))
        if schema.design is not None:
            terms = formula_of(schema.design.formula, tuple(column.name for column in columns))
            schema = schema.designed(terms, values, row_to_fit, rows)
        whole = replace(whole, x=schema.of_values(values, row_to_fit), schema=schema)
    if class_weight is None or whole.classes is None:
        return whole
    factors = class_factors(class_weight, whole.classes, whole.y[rows])[whole.y]
    return replace(whole, weights=factors if whole.row_weights is None else factors * whole.row_weights)


def row_to_fit(rows: np.ndarray) -> str:
    """How the first of the rows to fit is called that a mask `[n]` holds of."""
    return f"row {int(np.argmax(rows)) + 1:,} of the rows to fit"


def unseen(whole: Dataset, fold: Fold) -> Iterator[tuple[str, str, np.ndarray]]:
    """Columns that have a level in rows of `fold.test` and in none of `fold.train`: the level, and these rows as a mask `[m]`."""
    for name, levels, codes in _levels(whole):
        gone = ~np.isin(codes[fold.test], codes[fold.train])
        if gone.any():
            yield name, levels[int(codes[fold.test][gone][0])], gone


def _levels(whole: Dataset) -> Iterator[tuple[str, tuple[str, ...], np.ndarray]]:
    """Name, levels and codes `[n]` of everything that has levels."""
    schema = whole.schema
    if schema.design is not None and whole.sources is not None:
        codes = schema.design.codes(schema.by_name(whole.sources), row_to_fit)
        for name, factor in schema.design.categories.items():
            yield name, factor.levels, codes[name]
        return
    for column in schema.columns:
        if column.kind == "category":
            part = whole.x[:, schema.feature_places[column.name]]
            # without a column for the first level its rows have 0 in all others
            codes = np.where(part.any(1), part.argmax(1) + schema.intercept, 0) if part.size else np.zeros(whole.rows)
            yield column.name, (*column.levels, "missing"), codes.astype(int)


def check_classes(whole: Dataset, fold: Fold, number: int) -> None:
    """Raise DataError where a fold learns of no row of a class."""
    if whole.classes is None:
        return
    lost = [label for code, label in enumerate(whole.classes) if not (whole.y[fold.train] == code).any()]
    if lost:
        raise DataError(
            f"fold {number} has no row of the class {listed(lost)} to learn of. Take more folds or another seed"
        )
