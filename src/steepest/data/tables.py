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
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from steepest.data.arrow_columns import first, on_all_cores
from steepest.data.column_names import array_names
from steepest.data.column_notes import STAYS, how_decided, how_read, what_became
from steepest.data.column_types import learn
from steepest.data.columns import Found
from steepest.data.dataset import Dataset
from steepest.data.features import Column
from steepest.data.files import Origin, check_known
from steepest.data.formula import Formula, formula_of
from steepest.data.in_memory import COPIED, LARGEST
from steepest.data.missing import complete_rows, present_levels, remedy_of, with_fill
from steepest.data.offsets import NOTHING, Added, shares
from steepest.data.reading import AS_IT_IS, Reading
from steepest.data.schema import Schema
from steepest.data.selection import Selection, select
from steepest.data.targets import class_codes, class_factors, is_classes, label_kind, target_numbers
from steepest.data.wording import counted, listed, option, quoted
from steepest.errors import DataError, SteepestWarning
from steepest.lazy import unnoticed

FAULTS_LISTED = 10
"""Faults that have a line; the others are counted. Whoever mends a table wants the whole list, not one fault a run."""


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
    share: bool = False,
    penalised: bool = False,
    formula: str | None = None,
    added: Added = NOTHING,
) -> tuple[Dataset, Dataset | None]:
    """Turn a table, or arrays x and y, into training rows and held-out rows.

    Args:
        source: anything `read` takes; with `y`, the features x: [n, d] or [n].
        y: the target, [n] or [n, m] with m ≥ 2 targets; instead of `target`.
        target: name of the target column in `source`, or several names; `log(price)` is the natural logarithm of the
            column `price`, and beside y `log(y)` that of y.
        columns: the features request; by default every column that is neither target nor weights.
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
        share: a large array of float64 is not copied; nobody may write to it.
        penalised: a penalty settles parameters that the rows do not.
        formula: which features the columns become, and whether there is an intercept; see `design.py`.
        added: an offset, an exposure and the trials of each row.

    Returns:
        (training rows, held-out rows or None).

    Raises:
        DataError: the table is at fault. SpecError: the options contradict each other.

    Example:
        >>> train, test = prepare({"size": [1.0, 2.0, 3.0], "price": [2.0, 3.0, 5.0]}, target="price")
        >>> train.names, train.y
        (('size',), array([2., 3., 5.]))
    """
    parts = select(source, y, target, columns, drop, weights, missing, reading, share, formula, added)
    terms = _terms_of(parts, formula)
    learned, with_classes = _learned(parts, reading, classify, missing, weights)
    goals, notes = parts.goals, parts.notes
    classes, values = (
        class_codes(goals, parts.goal_origin) if with_classes else (None, target_numbers(goals, parts.goal_origin))
    )
    if parts.trials is not None:
        values = shares(values, parts.trials, parts.targets[0], partial(_row, parts.origin))
        parts.weights = parts.trials if parts.weights is None else parts.trials * parts.weights
    train_rows, test_rows = split_rows(values, classes, test_fraction, seed, notes)
    fitted = slice(None) if train_rows is None else train_rows
    learned, ones = (learned, ()) if terms else _without_ones(parts, learned, keep_ones)
    learned = _renamed(parts, learned) if parts.renamed else learned
    if parts.numbers is None:
        learned = [with_fill(column, parts, fitted, missing) for column in learned]
    kind = label_kind(goals.column(0).type) if classes is not None else "text"
    logarithms = tuple(name for name, column in zip(parts.targets, parts.sources, strict=True) if column != name)
    intercept = terms.intercept and intercept if terms else intercept
    schema = Schema(tuple(learned), parts.targets, classes, intercept, ones, kind, logarithms, added=added.kinds)
    notes += _notes(parts, [] if parts.numbers is not None else learned, reading, intercept, terms is not None)
    sources, row = None, partial(_row, parts.origin)
    if terms or any(column.fill is not None for column in learned):
        sources = schema.values(parts.columns(learned), len(values))
    if terms and sources is not None:
        schema = schema.designed(terms, sources, row, train_rows)
        notes += [] if schema.design is None else schema.design.notes()
    check_features(schema, len(values))
    large = share and len(values) * len(schema.names) > COPIED
    if sources is not None:
        x = schema.of_values(sources, row)
        sources = sources if terms or np.isnan(sources).any() else None  # nothing was learned of the rows
    else:
        x = parts.numbers
        if x is None:
            x = schema.matrix(parts.columns(learned), len(values), in_columns=large)
    check_small(x, schema.names, "column")
    if classes is None:
        check_small(values, parts.targets, "the target")
    factored = parts.weights
    if class_weight is not None:
        factors = class_factors(class_weight, classes, values[fitted])[values]
        factored = factors if factored is None else factored * factors
    whole = Dataset(
        x, values, schema.names, parts.targets, classes, factored, schema, bool(ones), tuple(notes), parts.weights,
        places=parts.places, sources=sources, offset=parts.offset,
    )  # fmt: skip
    train = whole if train_rows is None else whole.take(train_rows)
    test = None if test_rows is None else whole.take(test_rows)
    for part, what in ((train, "training"), (test, "held-out")):
        if part is not None and part.weights is not None and not (part.weights > 0).any():
            raise DataError(f"all weights of the {what} rows are zero")
    warn(train, intercept or bool(ones), penalised)
    return train, test


def _terms_of(parts: Selection, formula: str | None) -> Formula | None:
    """The terms of a formula; `parts` keep the columns that these are made of."""
    if formula is None:
        return None
    terms = formula_of(formula, tuple(parts.features.column_names))
    for name in terms.columns:
        check_known(name, parts.features.column_names, parts.origin)
    parts.features = parts.features.select(terms.columns)
    return terms


def _row(origin: Origin, rows: np.ndarray) -> str:
    return origin.row(first(rows))


def _learned(
    parts: Selection, reading: Reading, classify: bool | None, missing: str | Mapping[str, str], weights: object
) -> tuple[list[Column], bool | None]:
    """What each column is, all faults said at once; whether the target is classes. Incomplete rows are left out of `parts`."""
    faults: list[str] = []
    learned, features = [], parts.features
    if features.num_rows * features.num_columns > COPIED:
        on_all_cores(lambda column: column.sound, [parts.column(name) for name in features.column_names])
    for name in features.column_names:
        with collected(faults):
            learned.append(learn(parts.column(name), reading, chosen=parts.chosen))
    with_classes = None
    with collected(faults):
        with_classes = is_classes(parts.goals, classify, parts.goal_origin, reading)
    sound = features.select([column.name for column in learned])
    goals = parts.goals if with_classes is not None else parts.goals.slice(0, 0).select([])
    name = weights if isinstance(weights, str) else "weights"
    complete = complete_rows(replace(parts, features=sound, goals=goals), name, missing, faults)
    if faults:
        more = [f"and {len(faults) - FAULTS_LISTED:,} more"] if len(faults) > FAULTS_LISTED else []
        raise DataError("\n".join([*faults[:FAULTS_LISTED], *more]))
    if not complete.all():
        gone = int((~complete).sum())
        if gone == len(complete):
            raise DataError(
                f"no row of {parts.origin.table} is complete: missing values in every row. {remedy_of('mean')}"
            )
        parts.notes.append(f"Left out {counted(gone, 'row')} of {len(complete):,} with a missing value.")
        parts.keep(complete)
        learned = [present_levels(column, parts) for column in learned]
    return learned, with_classes


@contextmanager
def collected(faults: list[str]) -> Iterator[None]:
    """Within it a DataError ends what is done there and adds its lines to the faults."""
    try:
        yield
    except DataError as error:
        faults += str(error).splitlines()


def _notes(
    parts: Selection, learned: list[Column], reading: Reading, intercept: bool, in_terms: bool = False
) -> list[str]:
    """What is said of how the columns and targets were read; in_terms: a formula says what features they become."""
    found = [(column, parts.origin.found.get(column.name, Found())) for column in learned]
    goals = [
        (name, parts.goal_origin.found.get(source, Found()))
        for name, source in zip(parts.targets, parts.sources, strict=True)
    ]
    stay_text = [column.name for column, one in found if how_decided(column, one, reading)[0] == STAYS]
    stay_text += [name for name, one in goals if one.digits]
    notes = how_read([*((column.name, one) for column, one in found), *goals], stay_text)
    return notes + [
        note for column in learned for note in what_became(column, parts.features[column.name], intercept, in_terms)
    ]


def _without_ones(parts: Selection, learned: list[Column], keep_ones: bool) -> tuple[list[Column], tuple[int, ...]]:
    """The columns without those that are 1 in every row, and the positions of these."""
    if parts.numbers is not None:
        numbers = parts.numbers
        learned = [Column(name, "number") for name in array_names(numbers.shape[1])]
        alike = [at for at, column in enumerate(numbers.T) if column[0] == 1 and (column == 1).all()]
        ones = [] if keep_ones else alike
        parts.numbers = np.delete(numbers, ones, axis=1) if ones else numbers
    else:
        numeric = [(at, parts.features[column.name]) for at, column in enumerate(learned) if column.kind == "number"]
        alike = [
            at
            for at, values in numeric
            if values[0].as_py() == 1 and pc.all(pc.equal(values, pa.scalar(1, values.type)), skip_nulls=False).as_py()
        ]
        ones = [] if keep_ones else alike
    parts.notes += [f"Column {quoted(learned[at].name)} is 1 in every row: it is the intercept." for at in ones]
    rest = [column for at, column in enumerate(learned) if at not in ones]
    if not rest and not ones:
        raise DataError(f"{parts.origin.table} has no column left to predict {listed(parts.targets)} from")
    return rest, tuple(ones)


def _renamed(parts: Selection, learned: list[Column]) -> list[Column]:
    """The columns of an array, numbered anew without those of ones."""
    names = array_names(len(learned))
    if parts.numbers is None:
        parts.rename([column.name for column in learned], names)
    renamed = zip(learned, names, strict=True)
    return [column if column.name == name else replace(column, name=name) for column, name in renamed]


# ---- rows that are held out ----------------------------------------------------------------------


def split_rows(
    y: np.ndarray, classes: tuple[str, ...] | None, test_fraction: float, seed: int, notes: list[str]
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Row numbers for training, None for all, and for the held-out score; every class keeps a row in training."""
    rows = len(y)
    if test_fraction == 0:
        return None, None
    held_out = int(np.ceil(test_fraction * rows))
    if held_out >= rows:
        raise DataError(f"holding out {test_fraction:g} of {counted(rows, 'row')} leaves none to fit on")
    stratify = None
    if classes is not None:
        rarest = int(np.bincount(y, minlength=len(classes)).min())
        if rarest >= 2 and min(held_out, rows - held_out) >= len(classes):
            stratify = y
        else:
            notes.append("The split is not stratified: a class has one row only, or there are fewer rows than classes.")
    random = np.random.RandomState(seed if seed < 2**32 else np.random.MT19937(seed))
    if stratify is None:  # as train_test_split does it, without its import
        order = random.permutation(rows)
        train, test = order[held_out:], order[:held_out]
    else:
        with unnoticed():
            from sklearn.model_selection import train_test_split
        train, test = train_test_split(np.arange(rows), test_size=held_out, random_state=random, stratify=stratify)
    if classes is not None:
        lost = np.isin(y[test], y[train], invert=True)
        if lost.any():
            notes.append(f"Moved {counted(int(lost.sum()), 'row')} of rare classes from the held-out rows to training.")
            train, test = np.concatenate([train, test[lost]]), test[~lost]
    return train, test if len(test) else None


# ---- refused and warned of, once a table has become numbers --------------------------------------


def check_features(schema: Schema, rows: int) -> None:
    """DataError where two features have one name, one is called `intercept`, or they take more than half of the memory."""
    twice = [name for name, times in Counter(schema.names).items() if times > 1]
    if twice:
        raise DataError(f"two features would be called {quoted(twice[0])}. Rename one of the columns")
    if schema.intercept and "intercept" in schema.names:
        raise DataError("a column is called 'intercept' and is not 1 in every row. Rename it")
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


def check_small(x: np.ndarray, names: Sequence[str], what: str) -> None:
    """Raise DataError for a column of numbers whose squares float64 cannot tell from 0: no fit of it is right."""
    if not x.size:
        return
    size = np.abs(x[0]).reshape(-1)
    unknown = size < 1 / LARGEST
    if unknown.any():
        rest = x.reshape(len(x), -1)[:, unknown]
        size[unknown] = np.maximum(rest.max(0), -rest.min(0))
    small = (size > 0) & (size < 1 / LARGEST)
    if small.any():
        at = first(small)
        raise DataError(
            f"{what} {quoted(names[at])} holds no number larger than {size[at]:.3g}, whose squares are 0 in float64. "
            "Give it in a smaller unit, such as 1e-200 of this one"
        )


def warn(train: Dataset, intercept: bool, penalised: bool) -> None:
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
    if train.rows < parameters and not penalised:
        found.append(
            f"{counted(train.rows, 'training row')} cannot settle {counted(parameters, 'parameter')}: "
            "the minimum-norm solution is used"
        )
    for text in found:
        warnings.warn(text, SteepestWarning, stacklevel=5)  # the line that called fit()
