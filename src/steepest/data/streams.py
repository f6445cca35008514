"""More rows than memory holds: a table in files that is gone through a piece at a time, again and again.

    files ──row groups, decoded ahead──▶ Part ──select, as any table──▶ Schema ──▶ Block(x, y, weights)

A first pass learns what must be known of all rows (what each column is, levels, means, classes, what is missing), and with it
the sums of squares and products of plain numbers. Then `Stream.blocks()` gives the rows as a fit takes them, in any order of
the row groups. Which rows are held out is a function of the seed and a row's number, as every order is.
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from steepest.data.addresses import ADDRESS, Listing
from steepest.data.arrow_columns import is_number
from steepest.data.csv_conversion import UNPACKED, converted, text_tables
from steepest.data.files import Origin, Part
from steepest.data.formats import UNPACKED_ENDINGS
from steepest.data.missing import complete_rows
from steepest.data.reading import AS_IT_IS, Reading
from steepest.data.row_groups import RowGroups, first_other, free_memory, random_of
from steepest.data.schema import Schema
from steepest.data.selection import Selection, select
from steepest.data.targets import target_numbers
from steepest.data.wording import listed, quoted_path
from steepest.errors import DataError
from steepest.ranks.group import ALONE, current

SHARE = 1 / 3
"""A table that would take a larger part of the free memory than this is not read at once."""

SAMPLE = 50_000
"""Rows that are kept to be drawn, and to try settings on."""

NARROW = 200
"""Columns up to which the first pass adds up their squares and products."""

CACHED = 2**17
"""Entries whose squares are added up at a time: they stay in the cache meanwhile."""

SPLIT, SAMPLED, ORDER = range(3)
"""What random numbers of a row group are for."""


@dataclass(frozen=True)
class Asked:
    """What a fit asks of a table, as `tables.prepare` takes it."""

    target: str | Sequence[str] | None
    columns: Sequence[str] | None = None
    drop: Sequence[str] = ()
    missing: str | Mapping[str, str] = "error"
    reading: Reading = field(default_factory=Reading)
    weights: str | None = None
    class_weight: Any = None
    classify: bool | None = None
    test_fraction: float = 0.0
    seed: int = 0
    intercept: bool = True


@dataclass(frozen=True)
class Block:
    """Some rows ready for a fit: x `[m, d]`, y `[m]`, `[m, k]` or codes, weights `[m]` or None (factors of classes in them).

    columns: x, or each of its columns where it lies. row_weights: without those factors. group: the row group that they are of.
    places: their numbers among all rows.
    """

    columns: np.ndarray | tuple[np.ndarray, ...]
    y: np.ndarray
    weights: np.ndarray | None
    row_weights: np.ndarray | None
    group: int
    places: np.ndarray

    @cached_property
    def x(self) -> np.ndarray:
        """The features `[m, d]`, each in one piece of memory."""
        return self.columns if isinstance(self.columns, np.ndarray) else np.stack(self.columns).T

    def take(self, rows: np.ndarray | slice) -> Block:
        """Some of them, by a mask, by number or as a slice."""
        columns = self.columns
        columns = columns[rows] if isinstance(columns, np.ndarray) else tuple(part[rows] for part in columns)
        weights, given = (None if part is None else part[rows] for part in (self.weights, self.row_weights))
        return Block(columns, self.y[rows], weights, given, self.group, self.places[rows])


@dataclass(frozen=True)
class Sums:
    """Σ zzᵀ and Σ z of z = (x, y) − origin, over `rows` training rows."""

    rows: int
    origin: np.ndarray
    total: np.ndarray
    squares: np.ndarray


@dataclass(frozen=True)
class Stream:
    """A table in files, what was learned of it, and its rows again and again.

    rows, test_rows: how many are fitted, and held out. factors: of the classes. mean_weight: of the training rows.
    weighted: how many of these weigh more than 0.
    sums: of plain numbers; None for all else. counts: training rows of each row group.
    """

    files: RowGroups
    asked: Asked
    schema: Schema
    sources: tuple[str, ...]
    rows: int
    test_rows: int
    factors: np.ndarray | None
    mean_weight: float
    weighted: int
    sums: Sums | None
    notes: tuple[str, ...]
    counts: np.ndarray

    @property
    def names(self) -> tuple[str, ...]:
        """Of the features."""
        return self.schema.names

    def blocks(self, order: Iterable[int] | None = None, whole: bool = False) -> Generator[tuple[Block, Block | None]]:
        """The training rows and the rows held out, a piece after another. order, whole: as of `RowGroups.pieces`."""
        for number, first, table in self.files.pieces(order, whole):
            yield self.parted(number, first, table)

    def training(self, order: Iterable[int] | None = None, whole: bool = False) -> Iterator[Block]:
        """The training rows alone."""
        for block, _ in self.blocks(order, whole):
            yield block

    def parted(self, number: int, first: int, table: pa.Table) -> tuple[Block, Block | None]:
        """The rows of a piece, those to fit and those held out."""
        parts = selected(self.asked, self.files, range(first, first + table.num_rows), table, self._text)
        only_complete(parts, self.asked)
        held = held_rows(self.asked, self.files, number, first, table.num_rows, parts)
        block = self._block(parts, number, first, table.num_rows)
        return (block, None) if held is None else (block.take(~held), block.take(held))

    @property
    def _text(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.schema.columns if column.as_text)

    def _block(self, parts: Selection, number: int, first: int, rows: int) -> Block:
        goals, schema = parts.goals, self.schema
        columns = [column.name for column in schema.columns]
        x = schema.in_columns([parts.column(name) for name in columns], goals.num_rows)
        origin = parts.goal_origin
        y = target_numbers(goals, origin) if schema.classes is None else _codes(goals, schema, origin)
        weights = parts.weights
        if self.factors is not None:
            weights = self.factors[y] if weights is None else weights * self.factors[y]
        places = np.arange(first, first + rows)
        return Block(x, y, weights, parts.weights, number, places if parts.places is None else places[parts.places])


def wanted(
    source: object,
    said: bool | None,
    reading: Reading = AS_IT_IS,
    text_columns: Collection[str] = (),
    requested: Collection[str] = (),
    parquet: bool = False,
) -> RowGroups | None:
    """The row groups of a table that is to be streamed: as said, or because it would not fit into memory, or because ranks
    share its rows; else None. parquet: files of Parquet are, however small.

    Text (CSV) is written as Parquet first, once: reading, text_columns and requested are as of `files.open_table`.

    Raises:
        DataError: it is to be streamed, and is neither Parquet nor text; or the text cannot be read.
    """
    from os import PathLike

    if said is False:
        return None
    path = str(source) if isinstance(source, str | PathLike) else None
    if path is None and not said:
        return None
    listing = None if path is None or not ADDRESS.match(path) else Listing.of(path)
    if listing is not None:
        listing.check()
    files = None if path is None else RowGroups.of(path, listing)
    large = SHARE * free_memory()
    if files is None and path is not None and (texts := text_tables(path, listing)):
        size = sum(one.size * (UNPACKED if one.path.lower().endswith(UNPACKED_ENDINGS) else 1) for one in texts)
        if not said and not current().any(size > large):
            return None
        return RowGroups.of_copy(converted(texts, reading, text_columns, requested))
    if files is None and said:
        what = "this table" if path is None else quoted_path(first_other(path))
        raise DataError(
            f"stream=True reads Parquet or CSV files pass by pass, and {what} is neither, or another kind than the others. Write "
            "all of them as Parquet, or leave stream=True out"
        )
    if files is None or (said is None and not parquet and current() is ALONE and files.nbytes <= large):
        return None
    files = files.without_index(requested)
    if nameless := [place for place, name in enumerate(files.schema.names, 1) if not name.strip()]:
        raise DataError(
            f"column {nameless[0]} of {origin_of(files).table} has no name, which files that are read pass by pass must have. "
            "Name it in the files, or read them at once: stream=False"
        )
    if files.rows == 0:
        raise DataError(f"{origin_of(files).table} has a header ({listed(files.schema.names)}) but no rows")
    return files


# ---- a piece ---------------------------------------------------------------------------------------


def origin_of(files: RowGroups, places: Any = None) -> Origin:
    """Where rows come from. places: their numbers among all, where they are not all."""
    return Origin(files.files, places=places)


def selected(
    asked: Asked, files: RowGroups, places: Sequence[int] | np.ndarray, table: pa.Table, text: Sequence[str]
) -> Selection:
    """Features, targets and weights of a piece. places: the numbers of its rows."""
    found = {} if files.copy is None else files.copy.found
    part = Part(table, origin_of(files, places), text, found)
    given = asked.columns, asked.drop, asked.weights, asked.missing, asked.reading
    return select(part, None, asked.target, *given, False)


def only_complete(parts: Selection, asked: Asked) -> None:
    """Leave out rows that lack a value, where that was asked for."""
    complete = complete_rows(parts, asked.weights or "weights", asked.missing, [])
    if not complete.all():
        parts.keep(complete)


def held_rows(
    asked: Asked, files: RowGroups, number: int, first: int, rows: int, parts: Selection
) -> np.ndarray | None:
    """Which of the rows left of a piece are held out, `[m]`; None for none."""
    if not asked.test_fraction:
        return None
    group = files.groups[number]
    begin = first - group.first
    drawn = random_of(asked.seed, group.first, SPLIT).random(group.rows)[begin : begin + rows] < asked.test_fraction
    return drawn if parts.places is None else drawn[parts.places]


def _codes(goals: pa.Table, schema: Schema, origin: Origin) -> np.ndarray:
    """The place of each row's class, `[n]` int64."""
    import pyarrow.compute as pc

    column = origin.column(goals.column_names[0], goals.column(0))
    labels = pa.array(schema.classes or (), pa.large_string())
    if is_number(column.kind) or pa.types.is_boolean(column.kind):
        numbers = np.asarray(column.values.cast(pa.float64()))
        known = schema.labels.astype(np.float64)
        codes = np.searchsorted(known, numbers)
        return codes.astype(np.int64)
    return np.asarray(pc.index_in(column.text, value_set=labels)).astype(np.int64)
