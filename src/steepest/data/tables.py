"""A table → named numeric columns, a target, weights, and a split into training and held-out rows.

    source ──read──▶ pyarrow.Table ──Schema──▶ x [n, d] float64, y, weights ──▶ (training rows, held-out rows)

    train, test = prepare("houses.csv", target="price", drop="id", missing="mean", test_fraction=0.25)
    train, _ = prepare(x, y)

Nothing is dropped, filled or guessed in silence: what was done stands in `Dataset.notes`, what cannot be done
is an error that prints the option that would help.
"""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from steepest.data.column_names import array_names
from steepest.data.column_types import learn
from steepest.data.faults import Faults
from steepest.data.features import Column
from steepest.data.files import Origin, check_known, open_table, read
from steepest.data.in_memory import LARGEST, whole_numbers
from steepest.data.missing import (
    check_named,
    check_policies,
    complete_rows,
    policy_of,
    present_levels,
    remedy_of,
    settled,
)
from steepest.data.reading import AS_IT_IS, Reading
from steepest.data.records import ColumnRecord, notes_of, record_of, target_record
from steepest.data.schema import Schema
from steepest.data.split import split_rows, weights_of
from steepest.data.targets import (
    class_codes,
    class_factors,
    is_classes,
    label_kind,
    picked,
    source_of,
    target_numbers,
    target_of,
)
from steepest.data.wording import counted, listed, option, quoted
from steepest.errors import DataError, SpecError, SteepestWarning

__all__ = ["Column", "Dataset", "Schema", "prepare", "read"]


@dataclass(frozen=True)
class Dataset:
    """Rows ready for a fit.

    Attributes:
        x: [n, d] float64, contiguous; a column of ones is not among them.
        y: [n] or [n, m] float64; [n] int64 codes into `classes` where the target is classes.
        names: of x's columns.
        targets: names of the target columns.
        classes: labels of the codes: numbers numerically, text alphabetically, False before True.
        weights: [n] float64, nonnegative; None where all rows weigh the same.
        schema: how source columns became features.
        ones: a column of ones was found and taken out: it is the intercept.
        notes: full sentences on what was dropped, filled and encoded.
        row_weights: [n], the weights without the factors of `class_weight`; None where all rows weigh the same.
        records: how each column was read, those of the targets last; none of an array of numbers.
    """

    x: np.ndarray
    y: np.ndarray
    names: tuple[str, ...]
    targets: tuple[str, ...]
    classes: tuple[str, ...] | None
    weights: np.ndarray | None
    schema: Schema
    ones: bool
    notes: tuple[str, ...]
    row_weights: np.ndarray | None = None
    records: tuple[ColumnRecord, ...] = ()

    @property
    def rows(self) -> int:
        """n."""
        return len(self.x)

    def take(self, index: np.ndarray | Sequence[int]) -> Dataset:
        """The rows with these numbers (from 0), in that order."""
        weights, given = (None if part is None else part[index] for part in (self.weights, self.row_weights))
        return replace(self, x=np.ascontiguousarray(self.x[index]), y=self.y[index], weights=weights, row_weights=given)


def prepare(
    source: object,
    y: object = None,
    *,
    target: str | Sequence[str] | None = None,
    columns: str | Sequence[str] | None = None,
    drop: str | Sequence[str] = (),
    missing: str | Mapping[str, str] = "error",
    reading: Reading = AS_IT_IS,
    weights: object = None,
    class_weight: str | Mapping | None = None,
    classify: bool | None = None,
    test_fraction: float = 0.0,
    seed: int = 0,
    intercept: bool = True,
    keep_ones: bool = False,
) -> tuple[Dataset, Dataset | None]:
    """Turn a table, or arrays x and y, into training rows and held-out rows.

    Args:
        source: anything `read` takes; with `y`, the features x: [n, d] or [n].
        y: the target, [n] or [n, m] with m ≥ 2 targets; instead of `target`.
        target: name of the target column in `source`, or several names; `log(price)` is the natural logarithm of the
            column `price`, and beside y `log(y)` that of y.
        columns: the features wanted; by default every column that is neither target nor weights.
        drop: columns left out.
        missing: "error", "drop", "mean" or "level", or one of them for each column (see missing.py).
        reading: how the columns of the source are read.
        weights: name of a column, or [n] numbers ≥ 0.
        class_weight: "balanced" multiplies the weight of a row of class k by n / (classes · n_k), counted on
            the training rows; a dict label → factor by that factor. Held-out rows get the same factors.
        classify: True: the target is classes whatever its type. False: it must be numbers. None: text,
            booleans and categories are classes, numbers are not.
        test_fraction: share of rows held out, in [0, 1); stratified for classes.
        seed: of the split.
        intercept: the model has one, so that each category leaves its first level out.
        keep_ones: a column of ones stays a column, as for a module that counts on it.

    Returns:
        (training rows, held-out rows or None).

    Raises:
        DataError: the table is at fault. SpecError: the options contradict each other.

    Example:
        >>> train, test = prepare({"size": [1.0, 2.0, 3.0], "price": [2.0, 3.0, 5.0]}, target="price")
        >>> train.names, train.y
        (('size',), array([2., 3., 5.]))
    """
    _check_options(source, y, missing, test_fraction)
    chosen, dropped = _names(columns), _names(drop) or []
    weight_name = weights if isinstance(weights, str) else None
    # an array of numbers with nothing to find, name or fill in it goes past Arrow
    plain = y is not None and chosen is None and not dropped and weight_name is None and missing in ("error", "drop")
    plain = plain and not (reading.missing_values or reading.categories or reading.date)
    numbers = whole_numbers(source) if plain else None
    asked_for = [*(chosen or []), *dropped, *map(_bare, _names(target) or []), *([weight_name] if weight_name else [])]
    table, origin = pa.table({}), Origin(named=False)
    if numbers is None:
        table, origin = open_table(source, reading=reading, mentioned=asked_for)
    if y is not None:
        (holding, target_origin), feature_table = target_of(y, reading), table
        _check_lengths(table.shape if numbers is None else numbers.shape, holding.num_rows)
        targets, sources = _targets_beside(holding, target), []
    else:
        targets = tuple(_target_names(source, target, table, origin))
        sources = [source_of(name, table.column_names) for name in targets]
        holding, target_origin = table, origin
        feature_table = table.drop_columns(list(dict.fromkeys(sources)))
    for name in (*reading.categories, *(reading.date or {})):
        check_known(name, list(dict.fromkeys([*table.column_names, *holding.column_names])), origin)
    check_named(missing, list(dict.fromkeys([*table.column_names, *holding.column_names])), origin)
    target_table = picked(holding, targets, target_origin, reading)

    row_weights = weights_of(weights, table if numbers is None else target_table, origin, reading)
    feature_table = _feature_table(feature_table, table, chosen, dropped, sources, weight_name, origin)
    notes = [*origin.said, *([f"Left out: {listed(dropped)}."] if dropped else [])]

    faults, named = Faults(), chosen is not None
    found = {
        name: faults.of(learn, name, feature_table[name], origin, reading, chosen=named)
        for name in feature_table.column_names
    }
    learned = [column for column in found.values() if column is not None]
    with_classes = faults.of(is_classes, target_table, classify, target_origin, reading)
    sound = feature_table.select([column.name for column in learned])
    goal = target_table if with_classes is not None else target_table.slice(0, 0).select([])
    keep = complete_rows(sound, goal, row_weights, weight_name or "weights", missing, origin, target_origin, faults)
    faults.tell()
    if not keep.all():
        gone = int((~keep).sum())
        if gone == len(keep):
            raise DataError(f"no row of {origin.table} is complete: missing values in every row. {remedy_of('mean')}")
        notes.append(f"Left out {counted(gone, 'row')} of {len(keep):,} with a missing value.")
        mask = pa.array(keep)
        target_table = target_table.filter(mask)
        if numbers is None:
            feature_table = feature_table.filter(mask)
        else:
            numbers = numbers[keep]
        row_weights = None if row_weights is None else row_weights[keep]
        learned = [present_levels(column, feature_table, origin) for column in learned]

    classes, values = (
        class_codes(target_table, target_origin)
        if with_classes
        else (None, target_numbers(target_table, target_origin))
    )
    train_rows, test_rows = split_rows(values, classes, test_fraction, seed, notes)

    if numbers is not None:
        learned = [Column(name, "number") for name in array_names(numbers.shape[1])]
        alike = [at for at, column in enumerate(numbers.T) if column[0] == 1 and (column == 1).all()]
        ones = [] if keep_ones else alike
        numbers = np.delete(numbers, ones, axis=1) if ones else numbers
    else:
        ones = [] if keep_ones else _ones(learned, feature_table)
    notes += [f"Column {quoted(learned[at].name)} is 1 in every row: it is the intercept." for at in ones]
    learned, positions = [column for at, column in enumerate(learned) if at not in ones], tuple(ones)
    if not learned and not ones:
        raise DataError(f"{origin.table} has no column left to predict {listed(targets)} from")
    if not origin.named and y is not None and chosen is None and not dropped:
        names = array_names(len(learned))
        if numbers is None:
            feature_table = feature_table.select([column.name for column in learned]).rename_columns(names)
            found = {name: origin.found[column.name] for column, name in zip(learned, names, strict=True)}
            origin = replace(origin, found=found)
        learned = [replace(column, name=name) for column, name in zip(learned, names, strict=True)]

    if numbers is None:
        learned = [
            settled(column, feature_table, train_rows, policy_of(missing, column.name), origin, notes)
            for column in learned
        ]
    kind = label_kind(target_table.column(0).type) if classes is not None else "text"
    logs = tuple(name for name in targets if source_of(name, holding.column_names) != name)
    schema = Schema(tuple(learned), targets, classes, intercept, positions, kind, logs)
    records = [
        record_of(column, feature_table[column.name], origin, reading, intercept=intercept)
        for column in (learned if numbers is None else ())
    ]
    goals = [
        target_record(name, target_table[name], target_origin, classes, source_of(name, holding.column_names))
        for name in targets
    ]
    notes += notes_of([*records, *goals], learned if numbers is None else (), intercept)
    _check_names(schema, targets)
    factored = row_weights
    _check_size(schema, len(values))
    if class_weight is not None:
        factors = class_factors(class_weight, classes, values[train_rows])
        factored = factors[values] if row_weights is None else row_weights * factors[values]

    x = schema.matrix(feature_table, origin) if numbers is None else numbers
    _check_small(x, schema.names, "column")
    if classes is None:
        _check_small(values, targets, "the target")
    whole = Dataset(
        x, values, schema.names, targets, classes, factored, schema,
        bool(ones), tuple(notes), row_weights, (*records, *goals),
    )  # fmt: skip
    train = whole if test_rows is None else whole.take(train_rows)
    test = None if test_rows is None else whole.take(test_rows)
    for part, what in ((train, "training"), (test, "held-out")):
        if part is not None and part.weights is not None and not (part.weights > 0).any():
            raise DataError(f"all weights of the {what} rows are zero")
    _warn(train, intercept or bool(ones))
    return train, test


# ---- what was asked for --------------------------------------------------------------------------


def _check_options(source: object, y: object, missing: str | Mapping[str, str], test_fraction: float) -> None:
    if isinstance(y, str):
        raise SpecError(f"y is the text {quoted(y)}; a column of the table is named by target={quoted(y)}")
    check_policies(missing)
    if not 0 <= test_fraction < 1:
        raise SpecError(f"test_fraction is {test_fraction!r}; it is a share of the rows, at least 0 and below 1")


def _names(given: str | Sequence[str] | None) -> list[str] | None:
    return None if given is None else [given] if isinstance(given, str) else [str(name) for name in given]


def _bare(target: str) -> str:
    """The name inside of `log(…)`."""
    return source_of(target, [target.removeprefix("log(").removesuffix(")").strip()])


def _target_names(source: object, target: str | Sequence[str] | None, table: pa.Table, origin: Origin) -> list[str]:
    names = _names(target)
    if names is None and isinstance(source, str) and source.startswith("sample:"):
        from steepest.data.synthetic import sample_target

        names = sample_target(source.removeprefix("sample:"))
    if not names:
        raise SpecError(
            f"which column is to be predicted? Name it by target=. The columns are {listed(table.column_names)}"
        )
    for name in names:
        check_known(source_of(name, table.column_names), table.column_names, origin)
    if len(set(names)) < len(names):
        raise SpecError(f"a target is named twice: {listed(names)}")
    return names


def _targets_beside(y: pa.Table, target: str | Sequence[str] | None) -> tuple[str, ...]:
    """The targets where y is given: its columns, or their logarithms."""
    names = _names(target) or y.column_names
    for name in names:
        if source_of(name, y.column_names) not in y.column_names:
            raise SpecError(
                f"give y (values) or target (the name of a column), not both: of y itself target takes no more than the "
                f"logarithm, as in target={quoted(f'log({y.column_names[0]})')}"
            )
    return tuple(names)


def _check_lengths(x: tuple[int, int], rows: int) -> None:
    """x `[n, d]` and y have the same number of rows; a transposed x is recognised. Nothing is ever broadcast."""
    if x[0] == rows:
        return
    remedy = "give x as rows × columns, here x.T" if x[1] == rows else "they must have the same number of rows"
    raise DataError(f"x is {x[0]:,} × {x[1]:,} and y has {counted(rows, 'value')}: {remedy}")


def _feature_table(
    features: pa.Table, table: pa.Table, chosen: list[str] | None, dropped: list[str],
    targets: Sequence[str], weight_name: str | None, origin: Origin,
) -> pa.Table:  # fmt: skip
    """The feature columns, in the order of `columns` where given, else of the source."""
    for name in [*(chosen or []), *dropped]:
        check_known(name, table.column_names, origin)
    for name in dropped:
        if name in targets and name not in features.column_names:
            raise DataError(f"{quoted(name)} is the target and cannot be dropped too")
        if chosen is not None and name in chosen:
            raise DataError(f"{quoted(name)} stands both in columns and in drop; take it out of one of them")
    for name in chosen or []:
        if name not in features.column_names:
            raise DataError(f"{quoted(name)} is the target and cannot be among columns too")
        if name == weight_name:
            raise DataError(f"{quoted(name)} is the weights and cannot be among columns too")
    names = features.column_names if chosen is None else list(dict.fromkeys(chosen))
    return features.select([name for name in names if name not in dropped and name != weight_name])


# ---- features ------------------------------------------------------------------------------------


def _ones(learned: Sequence[Column], table: pa.Table) -> list[int]:
    """Positions of the numeric columns that are 1 in every row."""
    return [
        position for position, column in enumerate(learned) if column.kind == "number" and _all_one(table[column.name])
    ]


def _all_one(column: pa.ChunkedArray) -> bool:
    return bool(pc.all(pc.equal(column, pa.scalar(1, column.type)), skip_nulls=False).as_py())


def _check_size(schema: Schema, rows: int) -> None:
    """Raise DataError where the features would take more than half of the machine's memory."""
    size = 8 * rows * len(schema.names)
    if size > _memory() / 2:
        widest = max(schema.columns, key=lambda column: len(column.levels))
        raise DataError(
            f"the {len(schema.names):,} features of {counted(rows, 'row')} take {size / 1e9:,.1f} GB, more than half of "
            f"the memory here. Column {quoted(widest.name)} has {counted(len(widest.levels), 'level')}; leave it out: "
            f"{option('drop', widest.name)}"
        )


def _memory() -> float:
    """Bytes of memory of this machine; infinite where it does not say."""
    try:
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, OSError, ValueError):
        return float("inf")


def _check_small(x: np.ndarray, names: Sequence[str], what: str) -> None:
    """Raise DataError for a column of numbers whose squares float64 cannot tell from 0: no fit of it is right."""
    if not x.size:
        return
    size = np.maximum(x.max(0), -x.min(0)).reshape(-1)  # no copy of all of x, as its absolute values would be
    small = (size > 0) & (size < 1 / LARGEST)
    if small.any():
        at = int(np.argmax(small))
        raise DataError(
            f"{what} {quoted(names[at])} holds no number larger than {size[at]:.3g}, whose squares are 0 in float64. "
            "Give it in a smaller unit, such as 1e-200 of this one"
        )


def _check_names(schema: Schema, targets: Sequence[str]) -> None:
    twice = [name for name, times in Counter(schema.names).items() if times > 1]
    if twice:
        raise DataError(f"two features would be called {quoted(twice[0])}. Rename one of the columns")
    if schema.intercept and "intercept" in schema.names:
        raise DataError("a column is called 'intercept' and is not 1 in every row. Rename it")


def _warn(train: Dataset, intercept: bool) -> None:
    """Say what should be known about the training rows before they are fitted."""
    found = []
    if train.classes is not None:
        counts = np.bincount(train.y, minlength=len(train.classes))
        rare = [label for label, count in zip(train.classes, counts, strict=True) if count == 1]
        if rare:
            found.append(f"the class {quoted(rare[0])} has a single training row")
    else:
        columns = train.y.reshape(train.rows, -1)
        constant = [name for name, column in zip(train.targets, columns.T, strict=True) if np.ptp(column) == 0]
        if constant:
            found.append(f"the target {quoted(constant[0])} has the same value in every training row")
    parameters = train.x.shape[1] + int(intercept)
    if train.rows < parameters:
        found.append(
            f"{counted(train.rows, 'training row')} cannot settle {counted(parameters, 'parameter')}: "
            "the minimum-norm solution is used"
        )
    for text in found:
        warnings.warn(text, SteepestWarning, stacklevel=5)  # the line that called fit()
