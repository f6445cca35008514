"""What one pass over a column keeps of it, so that what it is can be decided as if all its rows were here.

    numbers             how many, the least and the largest, the sum, whether they only rise or only fall
    text, categories    each different value, in how many rows it stands and the first of these
    dates               the same of the first ones, and the earliest and latest beyond

`witness()` gives a short column of which the same is true as of the whole: it has every value, values are repeated up to five
times, and its rows are called by their numbers in the files.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from steepest.data.arrow_columns import first, is_date, is_number, is_words, text_of
from steepest.data.column_types import FEW_LEVELS, ROWS_A_LEVEL
from steepest.data.columns import Found, SourceColumn, cleaned
from steepest.data.features import finite_numbers
from steepest.data.files import Origin
from steepest.data.reading import Reading
from steepest.data.wording import option, quoted
from steepest.errors import DataError

MOST = 2**17
"""Different values of a column of text that are counted at most."""


@dataclass
class Seen:
    """What was seen of a column so far.

    kept: numbers keep their different values too, as those of a target that is classes. rows, total: of the numbers that the
    mean is of. missing: in how many rows there is none. values: each different one → [training rows, first row].
    """

    name: str
    origin: Origin
    kept: bool = False
    kind: pa.DataType | None = None
    rows: int = 0
    missing: int = 0
    first_missing: int = 0
    total: float = 0.0
    low: float = np.inf
    high: float = -np.inf
    rises: bool = True
    falls: bool = True
    first: float | None = None
    last: float | None = None
    values: dict[Any, list[int]] = field(default_factory=dict)
    words: Counter[str] = field(default_factory=Counter)
    levels: dict[Any, None] = field(default_factory=dict)
    example: tuple[Any, int] | None = None
    found: Found = field(default_factory=Found)

    def look(self, column: SourceColumn) -> None:
        """What kind of values there are, and where they are missing, of all rows of a piece."""
        kind = column.kind
        self._widen(kind)
        if column.sound:
            _ = column.figures if len(column.values) else None  # while its values are in a near cache
        elif column.missing.any():
            if not self.missing:
                self.first_missing = _place(column, first(column.missing))
            self.missing += int(column.missing.sum())
        self.words.update(column.found.words)
        if is_number(kind):
            self.found = column.found

    def add(self, column: SourceColumn, train: np.ndarray) -> np.ndarray | None:
        """Count the values of rows that stay; of numbers `[m]` float64, NaN where missing, else None.

        train: `[m]`, the rows that means and counts are of.
        """
        kind = column.kind
        if pa.types.is_null(kind):
            return None
        if not (is_number(kind) or pa.types.is_boolean(kind)):
            self._count(column, train)
            return None
        numbers = finite_numbers(column)
        there = np.ones(len(numbers), bool) if column.sound else ~np.isnan(numbers)
        known = numbers if column.sound else numbers[there]
        if self.kept:
            self._count(column, train)
        if len(known):
            total, low, high = column.figures if column.sound else (known.sum(), known.min(), known.max())
            counted = known if train.all() else known[train[there]]
            total = total if counted is known else counted.sum()
            self.total, self.rows = self.total + float(total), self.rows + len(counted)
            self.low, self.high = min(self.low, float(low)), max(self.high, float(high))
            if (self.rises or self.falls) and pa.types.is_integer(kind):
                way = np.diff(known, prepend=known[0] - 1 if self.last is None else self.last)
                self.rises &= bool((way > 0).all())
                self.falls &= bool((way[self.last is None :] < 0).all())
            self.first = float(known[0]) if self.first is None else self.first
            self.last = float(known[-1])
        return numbers

    def _count(self, column: SourceColumn, train: np.ndarray) -> None:
        values = column.values
        if pa.types.is_dictionary(column.kind):
            values = values.unify_dictionaries()
            self.levels.update(dict.fromkeys(values.chunk(0).dictionary.to_pylist() if values.num_chunks else []))
            values = text_of(values)
        elif not (is_words(column.kind) or is_date(column.kind) or self.kept):
            if self.example is None and column.values.null_count < len(column.values):
                at = first(column.values.is_valid())
                self.example = column.values.slice(at, 1).combine_chunks(), _place(column, at)
            return
        whole = values.combine_chunks()
        encoded = (whole if isinstance(whole, pa.Array) else whole.chunk(0)).dictionary_encode()
        codes = np.asarray(encoded.indices.drop_null())
        places = np.flatnonzero(np.asarray(values.is_valid()))
        different, at = np.unique(codes, return_index=True)
        times = np.bincount(codes, train[places], minlength=len(encoded.dictionary))[different]
        found = zip(encoded.dictionary.take(pa.array(different)).to_pylist(), at, times, strict=True)
        full, dates = len(self.values) >= MOST, is_date(column.kind)
        ends = set(pc.min_max(encoded.dictionary).as_py().values()) if full and dates else set()
        for value, where, count in found:
            if value in self.values:
                self.values[value][0] += int(count)
            elif not full or not dates or value in ends:
                self.values[value] = [int(count), _place(column, int(places[where]))]
        self._check_number(dates)

    def _check_number(self, dates: bool) -> None:
        """Raise DataError for more different values than there may be."""
        if len(self.values) > MOST and not (dates or self.kept):
            raise DataError(
                f"column {quoted(self.name)} of {self.origin.table} looks like free text or an id: more than {MOST:,} different "
                f"values, the first {quoted(str(next(iter(self.values))))}. Leave it out: {option('drop', self.name)}"
            )
        if len(self.values) > MOST and self.kept:
            raise DataError(
                f"the target {quoted(self.name)} has more than {MOST:,} different values: too many to be classes. Use a loss for "
                "numbers (loss='mse'), or another target="
            )

    def _widen(self, kind: pa.DataType) -> None:
        if self.kind is None or pa.types.is_null(self.kind) or (is_number(self.kind) and pa.types.is_floating(kind)):
            self.kind = kind

    def merge(self, later: Seen) -> None:
        """Take up what was seen of rows that come after these."""
        if later.kind is not None:
            self.found = later.found if is_number(later.kind) else self.found
            self._widen(later.kind)
        self.first_missing = self.first_missing if self.missing else later.first_missing
        self.missing += later.missing
        self.words.update(later.words)
        self.rows, self.total = self.rows + later.rows, self.total + later.total
        self.low, self.high = min(self.low, later.low), max(self.high, later.high)
        self.rises, self.falls = self.rises and later.rises, self.falls and later.falls
        whole = self.kind is not None and pa.types.is_integer(self.kind)
        if whole and self.last is not None and later.first is not None:
            self.rises, self.falls = self.rises and later.first > self.last, self.falls and later.first < self.last
        self.first = later.first if self.first is None else self.first
        self.last = self.last if later.last is None else later.last
        self.levels.update(later.levels)
        self.example = later.example if self.example is None else self.example
        dates = self.kind is not None and is_date(self.kind)
        ends = {min(later.values), max(later.values)} if dates and later.values else set()
        for value, (count, place) in later.values.items():
            if value in self.values:
                self.values[value][0] += count
            elif not dates or len(self.values) < MOST or value in ends:
                self.values[value] = [count, place]
        self._check_number(dates)

    # ---- as a short column ---------------------------------------------------------------------------

    @property
    def mean(self) -> float:
        """Of numbers."""
        return self.total / max(self.rows, 1)

    def constant(self, value: float) -> bool:
        """Whether it is this number in every row."""
        return self.low == self.high == value and not self.missing

    def witness(self, reading: Reading) -> SourceColumn:
        """A short column that stands for the whole."""
        kind = self.kind or pa.null()
        if self.values:
            return self._of_values(kind, reading)
        if is_number(kind) or pa.types.is_boolean(kind):
            shown = [self.low, self.high, self.low]
            if (self.rises or self.falls) and self.low < self.high and pa.types.is_integer(kind):
                shown = [self.low, 0.5 * (self.low + self.high), self.high]
                kind = kind if self.high - self.low > 1 else pa.float64()
            whole = [] if self.low > self.high else [round(one) if pa.types.is_integer(kind) else one for one in shown]
            array = pa.array([bool(one) for one in whole] if pa.types.is_boolean(kind) else whole, kind)
            return self._column(array, range(len(array)), replace(self.found, words=self.words))
        if self.example is not None:
            return self._column(self.example[0], [self.example[1]], Found())
        return self._column(pa.nulls(1, kind), [self.first_missing], Found(words=self.words))

    def _of_values(self, kind: pa.DataType, reading: Reading) -> SourceColumn:
        values, times = list(self.values), np.array([max(count, 1) for count, _ in self.values.values()])
        shown = np.minimum(times, ROWS_A_LEVEL)
        shown[times.argmax()] += max(
            0, min(int(times.sum()), ROWS_A_LEVEL * max(len(values), FEW_LEVELS)) - int(shown.sum())
        )
        places = np.array([place for _, place in self.values.values()])
        order = np.argsort(places, kind="stable")
        order = np.repeat(order, shown[order])
        if pa.types.is_dictionary(kind):
            names = [name for name in self.levels if name is not None]
            at = {name: code for code, name in enumerate(names)}
            codes = pa.array([at[values[one]] for one in order.tolist()], pa.int32())
            array: Any = pa.DictionaryArray.from_arrays(codes, pa.array(names, kind.value_type), ordered=kind.ordered)
            return self._column(array, places[order], Found(words=self.words))
        array = pa.array(values, kind).take(pa.array(order))
        if not is_words(kind):
            return self._column(array, places[order], Found(words=self.words))
        gone = list(self.words)
        text = pa.chunked_array([pa.array([*gone, *array.to_pylist()], pa.large_string())])
        column, found = cleaned(text, reading, None)
        found = replace(found, words=self.words)
        return SourceColumn(
            self.name,
            column.slice(len(gone)),
            found,
            replace(self.origin, places=places[order].tolist()),
        )

    def _column(self, array: Any, places: Any, found: Found) -> SourceColumn:
        return SourceColumn(self.name, pa.chunked_array([array]), found, replace(self.origin, places=places))


def _place(column: SourceColumn, row: int) -> int:
    places = column.origin.places
    return row if places is None else int(places[row])
