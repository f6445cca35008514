"""How every column was read, as data, and as the notes of a fit.

A `ColumnRecord` says what a column is, how that was decided and how to have it read otherwise. The notes say in a sentence
whatever was decided beyond the types of the source: numbers that were read from text, words that mean missing, levels,
dates.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from steepest.data.arrow_columns import counts_of, null_or_nan, text_of
from steepest.data.column_types import FEW_LEVELS, one_spelling
from steepest.data.columns import Found
from steepest.data.features import Column
from steepest.data.files import Origin
from steepest.data.numbers import PADDED
from steepest.data.reading import Reading
from steepest.data.wording import counted, listed, option, quoted

STAYS = "text that holds whole numbers stays text, as its source says"
HANDFUL = 5
"""A level of fewer rows than this is rare."""

MANY_ROWS = 100
"""Rows from which on rare levels are worth a note in a table of few levels too."""


@dataclass(frozen=True)
class ColumnRecord:
    """How a column of a table was read.

    Attributes:
        name, kind: "number", "boolean", "category", "date" or "classes"; "" for one that a fit refuses.
        unit: of its numbers, as written. example: a text of it, and the number that it was read as.
        levels: each level or class, and its rows; the most frequent first.
        missing: rows without a value. words: those that were read as missing, and in how many rows.
        features: the names of the features that it became.
        decided: how its kind was decided. otherwise: the option that has it read otherwise.
    """

    name: str
    kind: str
    unit: str = ""
    example: tuple[str, float] | None = None
    levels: tuple[tuple[str, int], ...] = ()
    missing: int = 0
    words: tuple[tuple[str, int], ...] = ()
    features: tuple[str, ...] = ()
    decided: str = ""
    otherwise: str = ""


def record_of(
    column: Column, values: pa.ChunkedArray, origin: Origin, reading: Reading, *, intercept: bool = True
) -> ColumnRecord:
    """The record of a column that was learned."""
    found = origin.found.get(column.name, Found())
    decided, otherwise = _why(column, found, reading)
    return ColumnRecord(
        column.name,
        column.kind,
        column.notation.unit,
        found.example,
        _levels(values, column.casefold) if column.kind == "category" else (),
        int(null_or_nan(values).sum()),
        tuple(found.words.items()),
        tuple(column.features(intercept)) if column.kind else (),
        decided,
        otherwise,
    )


def target_record(
    name: str, values: pa.ChunkedArray, origin: Origin, classes: tuple[str, ...] | None, source: str
) -> ColumnRecord:
    """The record of a target; source: the column that it was made from."""
    found = origin.found.get(source, Found())
    kind = "number" if classes is None else "classes"
    levels = () if classes is None else _levels(values, False)
    decided = STAYS if found.digits else "" if found.example is None else _read_as(found.example)
    return ColumnRecord(
        name, kind, found.notation.unit, found.example, levels, words=tuple(found.words.items()), decided=decided,
        otherwise=option("categories", name) if classes is None else "",
    )  # fmt: skip


def _levels(values: pa.ChunkedArray, casefold: bool) -> tuple[tuple[str, int], ...]:
    text = one_spelling(text_of(values)) if casefold else text_of(values)
    return tuple(sorted(counts_of(text).items(), key=lambda pair: (-pair[1], pair[0])))


def _why(column: Column, found: Found, reading: Reading) -> tuple[str, str]:
    """How the kind of a column was decided, and the option that has it read otherwise."""
    name = column.name
    if column.kind == "date":
        return f"date: {column.way}", option("categories", name)
    if column.kind == "category":
        if name in reading.categories:
            return "categories names it", "leave it out of categories"
        if found.digits:
            return STAYS, f"table[{name!r}].astype(float)"
        return "text whose levels are repeated", option("drop", name)
    if column.kind == "number":
        return _read_as(found.example) if found.example else "numbers", option("categories", name)
    return ("true and false" if column.kind else ""), option("drop", name)


def _read_as(example: tuple[str, float]) -> str:
    text, number = example
    return f"{quoted(text)} is read as {number:.15g}"


# ---- notes ---------------------------------------------------------------------------------------


def notes_of(records: Sequence[ColumnRecord], columns: Sequence[Column], intercept: bool) -> list[str]:
    """What is to be said about the columns; one sentence for all of a kind where that is shorter."""
    notes = []
    read = [record for record in records if record.example is not None]
    if read:
        shown = "; ".join(
            f"{_read_as(record.example)} in column {quoted(record.name)}" for record in read[:8] if record.example
        )
        more = f"; and so on in {counted(len(read) - 8, 'more column')}" if len(read) > 8 else ""
        codes = [record.name for record in read if record.example and re.match(PADDED, record.example[0])]
        kept = f" To keep the codes with leading zeros as labels: {option('categories', codes[0])}." if codes else ""
        notes.append(f"Numbers in text: {shown}{more}.{kept}")
    worded = [record for record in records if record.words]
    if worded:
        shown = "; ".join(f"{_words(record)} of column {quoted(record.name)}" for record in worded[:8])
        back = next((word for record in worded for word, _ in record.words if word.casefold() == "none"), None)
        kept = f" To keep {quoted(back)} as a level: {option('missing_values', f'not:{back}')}." if back else ""
        notes.append(f"Read as missing: {shown}.{kept}")
    digits = [record for record in records if record.decided == STAYS]
    if digits:
        names = [record.name for record in digits]
        notes.append(
            f"{'Column' if len(names) == 1 else 'Columns'} {listed(names)}: text that holds whole numbers stays text, as the "
            f"source says; for numbers give numbers, as in table[{names[0]!r}].astype(float)."
        )
    by_name = {record.name: record for record in records}
    for column in columns:
        notes += _column_notes(column, by_name[column.name], intercept)
    return notes


def _words(record: ColumnRecord) -> str:
    shown = [f"{quoted(word)} in {counted(rows, 'row')}" for word, rows in record.words[:4]]
    return ", ".join(shown) + (" and others" if len(record.words) > 4 else "")


def _column_notes(column: Column, record: ColumnRecord, intercept: bool) -> list[str]:
    name = quoted(column.name)
    if column.kind == "date":
        if column.way == "days":
            start = np.datetime64(round(column.start), "D")
            alone = "; a time alone is a fraction of a day" if column.start == 0 else ""
            return [f"Column {name} became the days since {start}{alone}."]
        return [f"Column {name} became {listed(column.features(True))}."]
    if column.kind != "category":
        return []
    made = column.features(intercept)
    baseline = f"; {quoted(column.levels[0])} is the baseline" if intercept else ""
    notes = [f"Column {name} became {counted(len(made), 'indicator')}{baseline}."]
    if column.own_missing:
        level = quoted(f"{column.name}=missing")
        notes.append(f"The {record.missing:,} missing values of column {name} are a level of their own, {level}.")
    rows = sum(count for _, count in record.levels)
    rare = [level for level, count in record.levels if count < HANDFUL]
    if rare and (len(record.levels) > FEW_LEVELS or rows >= MANY_ROWS):
        have = "have" if len(rare) > 1 else "has"
        notes.append(
            f"{len(rare):,} of the {len(record.levels):,} levels of column {name} {have} fewer than {HANDFUL} rows, such as "
            f"{quoted(rare[-1])}: what is estimated for so few is uncertain."
        )
    return notes
