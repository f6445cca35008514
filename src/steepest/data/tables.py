"""A table → named numeric columns, a target, weights, and a split into training and held-out rows.

    source ──read──▶ pyarrow.Table ──Schema──▶ x [n, d] float64, y, weights ──▶ (training rows, held-out rows)

    train, test = prepare("houses.csv", target="price", drop="id", missing="mean", test_fraction=0.25)
    train, _ = prepare(x, y)

Nothing is dropped, filled or guessed in silence: what was done stands in `Dataset.notes`, what cannot be done
is an error that prints the option that would help.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from steepest.data.column_names import array_names
from steepest.data.column_types import learn
from steepest.data.dataset import Dataset
from steepest.data.faults import Faults
from steepest.data.features import Column
from steepest.data.missing import complete_rows, policy_of, present_levels, remedy_of, settled
from steepest.data.reading import AS_IT_IS, Reading
from steepest.data.records import notes_of, record_of, target_record
from steepest.data.schema import Schema
from steepest.data.selection import Selection, check_options, select
from steepest.data.split import split_rows
from steepest.data.table_checks import check_names, check_size, check_small, warn
from steepest.data.targets import class_codes, class_factors, is_classes, label_kind, target_numbers
from steepest.data.wording import counted, listed, quoted
from steepest.errors import DataError


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
    check_options(source, y, missing, test_fraction)
    parts = select(source, y, target, columns, drop, weights, missing, reading)
    learned, with_classes = _learned(parts, reading, classify, missing, weights)
    origin, goals, notes = parts.origin, parts.goals, parts.notes
    classes, values = (
        class_codes(goals, parts.goal_origin) if with_classes else (None, target_numbers(goals, parts.goal_origin))
    )
    train_rows, test_rows = split_rows(values, classes, test_fraction, seed, notes)
    learned, ones = _without_ones(parts, learned, keep_ones)
    if parts.renamed:
        learned = _renamed(parts, learned)
        origin = parts.origin
    if parts.numbers is None:
        learned = [
            settled(column, parts.features, train_rows, policy_of(missing, column.name), origin, notes)
            for column in learned
        ]
    schema = _schema(parts, learned, classes, intercept, ones)
    read_as = [] if parts.numbers is not None else learned
    records = [
        record_of(column, parts.features[column.name], origin, reading, intercept=intercept) for column in read_as
    ]
    of_targets = [
        target_record(name, goals[name], parts.goal_origin, classes, column)
        for name, column in zip(parts.targets, parts.sources, strict=True)
    ]
    notes += notes_of([*records, *of_targets], read_as, intercept)
    check_names(schema, parts.targets)
    check_size(schema, len(values))
    factored = parts.weights
    if class_weight is not None:
        factors = class_factors(class_weight, classes, values[train_rows])[values]
        factored = factors if factored is None else factored * factors
    x = schema.matrix(parts.features, origin) if parts.numbers is None else parts.numbers
    check_small(x, schema.names, "column")
    if classes is None:
        check_small(values, parts.targets, "the target")
    whole = Dataset(
        x, values, schema.names, parts.targets, classes, factored, schema,
        bool(ones), tuple(notes), parts.weights, (*records, *of_targets),
    )  # fmt: skip
    train = whole if test_rows is None else whole.take(train_rows)
    test = None if test_rows is None else whole.take(test_rows)
    for part, what in ((train, "training"), (test, "held-out")):
        if part is not None and part.weights is not None and not (part.weights > 0).any():
            raise DataError(f"all weights of the {what} rows are zero")
    warn(train, intercept or bool(ones))
    return train, test


def _learned(
    parts: Selection, reading: Reading, classify: bool | None, missing: str | Mapping[str, str], weights: object
) -> tuple[list[Column], bool | None]:
    """What each column is, all faults told at once; whether the target is classes. Incomplete rows are left out of `parts`."""
    faults, features, origin = Faults(), parts.features, parts.origin
    each = (
        faults.of(learn, name, features[name], origin, reading, chosen=parts.chosen) for name in features.column_names
    )
    learned = [column for column in each if column is not None]
    with_classes = faults.of(is_classes, parts.goals, classify, parts.goal_origin, reading)
    sound = features.select([column.name for column in learned])
    goal = parts.goals if with_classes is not None else parts.goals.slice(0, 0).select([])
    name = weights if isinstance(weights, str) else "weights"
    keep = complete_rows(sound, goal, parts.weights, name, missing, origin, parts.goal_origin, faults)
    faults.tell()
    if not keep.all():
        gone = int((~keep).sum())
        if gone == len(keep):
            raise DataError(f"no row of {origin.table} is complete: missing values in every row. {remedy_of('mean')}")
        parts.notes.append(f"Left out {counted(gone, 'row')} of {len(keep):,} with a missing value.")
        parts.keep(keep)
        learned = [present_levels(column, parts.features, origin) for column in learned]
    return learned, with_classes


def _without_ones(parts: Selection, learned: list[Column], keep_ones: bool) -> tuple[list[Column], tuple[int, ...]]:
    """The columns without those that are 1 in every row, and the positions of these."""
    if parts.numbers is not None:
        numbers = parts.numbers
        learned = [Column(name, "number") for name in array_names(numbers.shape[1])]
        alike = [at for at, column in enumerate(numbers.T) if column[0] == 1 and (column == 1).all()]
        ones = [] if keep_ones else alike
        parts.numbers = np.delete(numbers, ones, axis=1) if ones else numbers
    else:
        ones = [] if keep_ones else _ones(learned, parts.features)
    parts.notes += [f"Column {quoted(learned[at].name)} is 1 in every row: it is the intercept." for at in ones]
    rest = [column for at, column in enumerate(learned) if at not in ones]
    if not rest and not ones:
        raise DataError(f"{parts.origin.table} has no column left to predict {listed(parts.targets)} from")
    return rest, tuple(ones)


def _renamed(parts: Selection, learned: list[Column]) -> list[Column]:
    """The columns of an array, numbered anew without those of ones."""
    names = array_names(len(learned))
    if parts.numbers is None:
        parts.features = parts.features.select([column.name for column in learned]).rename_columns(names)
        kept = {name: parts.origin.found[column.name] for column, name in zip(learned, names, strict=True)}
        parts.origin = replace(parts.origin, found=kept)
    return [replace(column, name=name) for column, name in zip(learned, names, strict=True)]


def _schema(
    parts: Selection, learned: list[Column], classes: tuple[str, ...] | None, intercept: bool, ones: tuple[int, ...]
) -> Schema:
    kind = label_kind(parts.goals.column(0).type) if classes is not None else "text"
    logs = tuple(name for name, column in zip(parts.targets, parts.sources, strict=True) if column != name)
    return Schema(tuple(learned), parts.targets, classes, intercept, ones, kind, logs)


def _ones(learned: Sequence[Column], table: pa.Table) -> list[int]:
    """Positions of the numeric columns that are 1 in every row."""
    return [
        position for position, column in enumerate(learned) if column.kind == "number" and _all_one(table[column.name])
    ]


def _all_one(column: pa.ChunkedArray) -> bool:
    return bool(pc.all(pc.equal(column, pa.scalar(1, column.type)), skip_nulls=False).as_py())
