"""A description of a table as text for a terminal, as HTML for a notebook, and as a page: a small picture in each row."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import TYPE_CHECKING

from steepest.data.wording import capitalized, counted
from steepest.text.document import Bars, Block, Document, Items, Table, Words
from steepest.text.page import Page
from steepest.text.terminal import printable

if TYPE_CHECKING:
    from steepest.description import ColumnDescription, Description

HEADS = ("column", "type", "missing", "values", "")
PAGE_HEADS = ("column", "distribution", "type", "missing", "values", "decided by", "otherwise")
OBVIOUS = ("numbers", "true and false")
"""Decisions that nobody needs to be told in a terminal."""
WIDEST_NAME, WIDEST_KIND, WIDEST_VALUES = 24, 16, 52


def document(described: Description, width: float) -> Document:
    """What is shown of a description: the columns, then what was decided and what a fit would refuse."""
    blocks: list[Block] = [Words(heading(described))]
    if isfinite(width):
        blocks += [_narrow(described, int(width)), *_listed("", sentences(described))]
        told = [column for column in described.columns if not column.fault and column.decided not in OBVIOUS]
        blocks += _listed("To read a column otherwise:", [decision(column) for column in told])
    else:
        blocks += [_wide(described), *_listed("", sentences(described))]
    return Document([*blocks, *_listed(_refused(described), described.faults)], spaced=True)


def _listed(intro: str, items: Sequence[str]) -> list[Items]:
    return [Items(intro, items)] if items else []


def _narrow(described: Description, width: int) -> Table:
    """A line a column: names and values are cut before a line is broken."""
    cells = list(map(_cells, described.columns))
    rows = [[_cut(name, WIDEST_NAME), _cut(kind, WIDEST_KIND), missing] for name, kind, missing, *_ in cells]
    spans = [max(map(len, cells)) for cells in zip(HEADS[:3], *rows, strict=True)]
    left = width - sum(spans) - 8 - max((len(column.counts) for column in described.columns), default=0)
    left = max(12, min(WIDEST_VALUES, left))
    shown = [words if len(words) <= left else _cut(words.partition(", median")[0], left) for *_, words, _ in cells]
    pictures = [picture for *_, picture in cells]
    whole = [[*row, words, picture] for row, words, picture in zip(rows, shown, pictures, strict=True)]
    return Table(HEADS, whole, words=(0, 1, 3, 4))


def _wide(described: Description) -> Table:
    """Everything known; the picture stands beside the name, so that a narrow screen shows both."""
    rows = []
    for column in described.columns:
        name, kind, missing, values, picture = _cells(column)
        how = ("refused", "") if column.fault else (column.decided, column.otherwise)
        rows.append([name, picture, kind, missing, values, *how])
    return Table(PAGE_HEADS, rows, words=range(len(PAGE_HEADS)))


def heading(described: Description) -> str:
    """Where the table comes from, and its size."""
    size = f"{counted(described.rows, 'row')}, {counted(len(described.columns), 'column')}"
    return f"{capitalized(printable(described.table))}: {size}."


def sentences(described: Description) -> list[str]:
    """What was decided while the table was read: of the whole table first, then of each column."""
    return list(dict.fromkeys([*described.notes, *(said for column in described.columns for said in column.read)]))


def decision(column: ColumnDescription) -> str:
    """How the type of a column was decided, and how to have it read otherwise."""
    otherwise = f". Otherwise: {column.otherwise}" if column.otherwise else ""
    return f"{printable(column.name)}: {column.decided or column.kind}{otherwise}"


def _refused(described: Description) -> str:
    several = len(described.faults) > 1
    return f"A fit on all columns needs {'an answer to each of these' if several else 'an answer to this'}:"


def _cells(column: ColumnDescription) -> tuple[str, str, str, str, Bars]:
    kind = f"{column.kind} ({column.unit})" if column.unit else column.kind
    values = printable(values_of(column))
    picture = Bars(column.counts, column.quantiles is None, values)
    return printable(column.name), printable(kind), f"{column.missing:,}" if column.missing else "", values, picture


def values_of(column: ColumnDescription) -> str:
    """The range and the median of numbers; the most frequent levels of words."""
    if column.quantiles is not None:
        found = column.quantiles
        if found.minimum == found.maximum:
            return f"{found.minimum:.6g} in every row"
        return f"{found.minimum:.6g} to {found.maximum:.6g}, median {found.median:.6g}"
    if not column.levels:
        return ""
    more = column.distinct - len(column.levels)
    shown = ", ".join(f"{level} ({rows:,})" for level, rows in column.levels)
    return f"{shown}, {more:,} more" if more > 0 else shown


def _cut(text: str, room: int) -> str:
    return text if len(text) <= room else text[: room - 1] + "…"


def page(described: Description) -> Page:
    """A description as one page that needs nothing else."""
    made = Page(heading(described))
    made.show(_wide(described))
    for words, said in (("How it was read", sentences(described)), (_refused(described), described.faults)):
        if said:
            made.heading(words)
            made.show(Items("", said))
    return made
