"""The table that `steepest predict` writes: chosen columns of the input, and a prediction for each of its rows.

keep …  prediction                                     numbers
keep …  prediction  probability: LABEL …               classes
keep …  prediction  score: LABEL                       two classes by a loss without probabilities, as `hinge`
keep …  prediction: TARGET …                           several targets
keep …  prediction: log(price)  prediction: price      a logarithm, and the column that it was taken of

With an interval its ends follow, as `low` and `high`, `low: TARGET`, and of each class `low: LABEL` beside its probability.
"""

from __future__ import annotations

import io
import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from steepest.data.files import open_table
from steepest.data.new_rows import pieces_of
from steepest.data.offsets import NOTHING, Added, of_new_rows
from steepest.data.packing import bytes_of, packed, table_of, unpacked
from steepest.data.reading import MISSING, Reading
from steepest.data.wording import quoted
from steepest.errors import DataError, FitError
from steepest.model.prediction import has_probabilities, log_odds, outputs, shares
from steepest.ranks.group import shared
from steepest.ranks.turns import in_turns

if TYPE_CHECKING:
    from steepest.result import Fit

DIGITS = 6
"""Significant digits on a terminal; files and pipes get the shortest digits that give the number back."""


def prediction_table(
    fit: Fit,
    data: str,
    keep: Sequence[str] = (),
    interval: tuple[float, Any] | None = None,
    reading: Reading | None = None,
) -> tuple[Iterator[pa.Table], Counter[str]]:
    """The table, of files that memory does not hold a piece after another, and what was filled in so far to make it.

    Args:
        data: a path, or "-" for standard input, which is read once only. keep: columns of it, as they stand there.
        interval: its level and kind, beside each prediction. reading: how it is read; by default as the fit's table.

    Raises:
        DataError: the table does not suit the fit, or has no such column.
    """
    gaps, reading = Counter[str](), reading or Reading.of(fit.spec)
    named = [name for name in (fit.spec.offset, fit.spec.exposure) if isinstance(name, str)]
    with shared() as group:
        # the last digits of a prediction may depend on the rows beside it: they are the same, whoever predicts them
        found = pieces_of(data, fit.schema, reading, named, keep, parquet=True)
    if found is None:
        return (_piece(fit, part, keep, interval, reading, gaps) for part in ([data] if group.first else [])), gaps
    count, parts = found
    if group.size == 1:
        return (_piece(fit, part, keep, interval, reading, gaps) for _, part in parts), gaps
    each = groupby(parts, lambda pair: pair[0])

    def work(number: int) -> bytes:
        own = Counter[str]()
        made = [bytes_of(_piece(fit, part, keep, interval, reading, own)) for _, part in next(each)[1]]
        return packed({str(i): one for i, one in enumerate(made)} | {"gaps": json.dumps(own).encode()})

    def tables() -> Iterator[pa.Table]:
        for content in in_turns(group, count, work):
            files = unpacked(content)
            gaps.update(json.loads(files.pop("gaps")))
            yield from map(table_of, files.values())

    return tables(), gaps


def _piece(
    fit: Fit, data: Any, keep: Sequence[str], interval: tuple[float, Any] | None, reading: Reading, gaps: Counter[str]
) -> pa.Table:
    """Predictions of some rows, or of all."""
    with _standard_input(data, bool(keep or fit.schema.added)) as again:
        x = fit.schema.encode(data, reading, gaps)
        again()
        named = Added(fit.spec.offset, fit.spec.exposure)
        offset = of_new_rows(fit.schema.added, named, NOTHING, data, len(x), reading)
        again()
        kept = _kept(data, keep, reading) if keep else {}
    found = (
        log_odds(fit.inner, x, offset=offset)
        if fit.schema.classes is None
        else outputs(fit.inner, x, fit.inner.theta, offset)
    )
    made = _predictions(fit, found)
    if interval is not None:
        made |= _ends(fit, fit._intervals(x, *interval, offset=offset))
    for name in kept.keys() & made.keys():
        raise DataError(
            f"the column {quoted(name)} cannot be kept: the predictions are called so. Rename it in the table"
        )
    return pa.table(kept | made)


@contextmanager
def _standard_input(data: Any, twice: bool) -> Iterator[Any]:
    """Gives a function that makes standard input readable from its start again; nothing is held where it is read once."""
    if data != "-" or not twice:
        yield lambda: None
        return
    content, original = sys.stdin.buffer.read(), sys.stdin

    def again() -> None:
        sys.stdin = io.TextIOWrapper(io.BytesIO(content))

    again()
    try:
        yield again
    finally:
        sys.stdin = original


def _kept(data: Any, keep: Sequence[str], reading: Reading) -> dict[str, pa.ChunkedArray]:
    """Columns as they stand in the source: of a text file as text, so that 007 stays 007 and NA stays NA."""
    plain = Reading(
        encoding=reading.encoding,
        skip_rows=reading.skip_rows,
        comment=reading.comment,
        header=reading.header,
        missing_values=tuple(f"not:{word}" for word in MISSING if word),
    )
    table, _ = open_table(data, list(keep), plain, text_columns=keep)
    for name, column in zip(table.column_names, table.columns, strict=True):
        if pa.types.is_nested(column.type):
            raise DataError(f"the column {quoted(name)} cannot be kept: it holds a list or a structure in each row")
    return dict(zip(table.column_names, table.columns, strict=True))


def _predictions(fit: Fit, found: np.ndarray) -> dict[str, Any]:
    """Name → column."""
    schema = fit.schema
    if schema.classes is not None:
        each = shares(found, fit.loss_function)
        labels = [schema.classes[code] for code in each.argmax(1)]
        if not has_probabilities(fit.loss_function):
            return {"prediction": labels, f"score: {schema.classes[1]}": found}
        return {"prediction": labels} | {f"probability: {label}": each[:, i] for i, label in enumerate(schema.classes)}
    columns = found.reshape(len(found), -1)
    if columns.shape[1] != len(schema.targets):
        raise FitError(f"The model gives {columns.shape[1]} numbers a row and there are {len(schema.targets)} targets.")
    made = {}
    for name, column in zip(schema.targets, columns.T, strict=True):
        inner = name[4:-1].strip() if name in schema.logarithms else None  # log(price)
        made["prediction" if len(schema.targets) == 1 and inner is None else f"prediction: {name}"] = column
        if inner is not None:
            with np.errstate(over="ignore"):
                made[f"prediction: {inner}"] = np.exp(column)
    return made


def _ends(fit: Fit, found: np.ndarray) -> dict[str, Any]:
    """Name → column of the ends of intervals `[n, 3]` or `[n, m, 3]`."""
    classes, logarithms = fit.schema.classes, fit.schema.logarithms
    if classes is not None and len(classes) == 2:
        second = found
        found = np.stack([1.0 - second[:, [0, 2, 1]], second], 1)
    ends = found.reshape(len(found), -1, 3)
    made = {}
    for i, name in enumerate(classes or fit.schema.targets):
        low, high = ends[:, i, 1], ends[:, i, 2]
        behind = "" if ends.shape[1] == 1 and name not in logarithms else f": {name}"
        made |= {f"low{behind}": low, f"high{behind}": high}
        if classes is None and name in logarithms:
            inner = name[4:-1].strip()
            with np.errstate(over="ignore"):
                made |= {f"low: {inner}": np.exp(low), f"high: {inner}": np.exp(high)}
    return made


def for_a_terminal(table: pa.Table) -> pa.Table:
    """Numbers of at most six digits.

    >>> for_a_terminal(pa.table({"prediction": [0.1 + 0.2, 1234567.8]}))["prediction"].to_pylist()
    [0.3, 1234570.0]
    """
    columns = [
        pa.array([None if v is None else float(f"{v:.{DIGITS}g}") for v in column.to_pylist()], pa.float64())
        if pa.types.is_floating(column.type)
        else column
        for column in table.columns
    ]
    return pa.table(columns, names=table.column_names)
