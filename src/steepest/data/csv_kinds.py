"""What a column of a text table is, from one block of its rows after another."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from steepest.data.arrow_columns import is_number, is_text
from steepest.data.columns import Found, cleaned, without
from steepest.data.headers import is_word
from steepest.data.numbers import AS_PYTHON, Notation, numerals
from steepest.data.reading import Reading

TEXT = pa.large_string()
TIMES = (pa.date32(), pa.timestamp("s"), pa.timestamp("ns"), pa.timestamp("s", "UTC"), pa.timestamp("ns", "UTC"))
"""Types of dates, each of which holds those before it."""


class Kind:
    """A column, as far as it was seen.

    type: the one that it is written in, once `forced`, and before as its blocks had it. found: how numbers are written in its
    text; words: how many of which mean missing. other: whether a block was something else than is taken for granted.
    """

    def __init__(self, text: bool = False) -> None:
        self.type: pa.DataType = TEXT if text else pa.null()
        self.said = self.forced = self.as_text = text
        self.notation: Notation | None = None
        self.begin_anew()

    def begin_anew(self) -> None:
        """Forget what was seen."""
        self.types, self.notations, self.words = set[pa.DataType](), set[Notation](), Counter[str]()
        self.found, self.from_text, self.doubt, self.other, self.plain = Found(), False, False, False, False

    def contradicted(self) -> None:
        """A value is not of the type that was taken for granted: the next one that holds all, or text."""
        self.other = True
        at = TIMES.index(self.type) if self.type in TIMES else len(TIMES)
        wider = pa.float64() if pa.types.is_integer(self.type) else TIMES[at + 1] if at + 1 < len(TIMES) else TEXT
        self.type, self.as_text = wider, wider == TEXT

    def read(self, column: pa.ChunkedArray, reading: Reading, file_decimal: str) -> pa.ChunkedArray:
        """Some of its values as they are written, and what they show."""
        if self.notation is not None:
            return self._by_notation(column, reading)
        if self.forced and self.as_text:
            return column.cast(TEXT)
        if not is_text(column.type):
            self.plain |= not pa.types.is_null(column.type)
            self.types.add(column.type)
            return column
        values, found = cleaned(column, reading, file_decimal)
        if is_text(values.type):
            self.doubt |= found.numerals is not None and found.numerals.doubt == "mark"
            self.types.add(TEXT)
            return column.cast(TEXT)
        self.types.add(values.type)
        self.words.update(found.words)
        if is_number(values.type):
            self.from_text = True
            self.notations.add(found.notation)
            self.found = found if self.found.example is None else self.found
        return values

    def _by_notation(self, column: pa.ChunkedArray, reading: Reading) -> pa.ChunkedArray:
        known = self.notation
        assert known is not None
        text, trimmed = cleaned(column, reading, None, text=True)
        self.words.update(trimmed.words)
        if text.null_count == len(text):
            return pa.chunked_array([pa.nulls(len(text), self.type)])
        found = numerals(text, known=known, file_decimal=known.decimal)
        marks = found is not None and (found.notation.decimal, found.notation.thousands) == (
            known.decimal,
            known.thousands,
        )
        if found is None or found.numbers is None or not marks or found.notation.unit not in ("", known.unit):
            self.other, self.as_text, self.notation, self.type = True, True, None, TEXT
            return column.cast(TEXT)
        self.from_text = True
        values, more = without(found.numbers, reading.missing_values)
        self.words.update(more)
        self.found = self.found if self.found.example or not found.example else Found(known, found.example)
        if pa.types.is_floating(values.type) and pa.types.is_integer(self.type):
            self.other, self.type = True, pa.float64()
        return values.cast(self.type)

    def settle(self) -> bool:
        """At the end of all rows: whether they were what was taken for granted; what is, from now on."""
        if self.other or self.forced:
            fine = not self.other
            self.forced = True
            if not fine:
                self.begin_anew()
            return fine
        types = {one for one in self.types if not pa.types.is_null(one)}
        fine = len(types) < 2 and not self.doubt and len(self.notations) < 2 and not (self.from_text and self.plain)
        self._decide(types)
        self.forced = True
        if not fine:
            self.begin_anew()
        return fine

    def _decide(self, types: set[pa.DataType]) -> None:
        numbers = {one for one in types if is_number(one)}
        odd = [one for one in self.notations if one != AS_PYTHON]
        if not types:
            self.type = pa.null()
        elif TEXT in types and not (self.doubt and numbers and len(odd) < 2):
            self.type, self.as_text = TEXT, True
        elif numbers and numbers == types - {TEXT}:
            self.type = pa.int64() if all(map(pa.types.is_integer, numbers)) else pa.float64()
            if len(odd) > 1:
                self.type, self.as_text = TEXT, True
            elif self.from_text or self.doubt:
                self.as_text = True
                self.notation = odd[0] if odd else AS_PYTHON
        elif types <= set(TIMES):
            self.type = max(types, key=TIMES.index)
        elif types <= {pa.bool_(), pa.int64()}:
            self.type = pa.bool_()
        else:
            self.type, self.as_text = (next(iter(types)), False) if len(types) == 1 else (TEXT, True)


class RowNumbers:
    """Whether a column without a name only numbers the rows, or is empty."""

    def __init__(self) -> None:
        self.rows, self.low, self.high, self.total, self.squares = 0, np.inf, -np.inf, 0, 0
        self.whole = self.words = self.empty = True

    def look(self, column: pa.ChunkedArray) -> None:
        """Some of its values."""
        if not len(column):
            return
        present = column
        if pa.types.is_string(column.type):
            present = column.filter(pc.not_equal(pc.utf8_trim_whitespace(column), ""))
        self.empty &= present.null_count == len(present)
        self.rows += len(column)
        self.whole &= pa.types.is_integer(column.type) and not column.null_count
        if self.whole:
            values = np.asarray(column)
            self.low, self.high = min(self.low, int(values.min())), max(self.high, int(values.max()))
            self.total += int(values.sum())
            self.squares += int((values.astype(object) ** 2).sum()) if len(values) < 1_000 else _squares(values)
        words = pa.types.is_string(column.type) and not column.null_count
        self.words &= words and all(map(is_word, column.slice(0, 100).to_pylist()))
        self.words &= self.words and pc.count_distinct(column).as_py() == len(column)

    def witness(self) -> pa.Array:
        """Two values of which the same is true."""
        if self.empty:
            return pa.nulls(2)
        first, last = self.low, self.high
        if self.whole and first in (0, 1) and last == first + self.rows - 1:
            # of so many whole numbers between these, the sums tell that each stands there once
            count = self.rows - 1 + int(first)
            if self.total == count * (count + 1) // 2 and self.squares == count * (count + 1) * (2 * count + 1) // 6:
                return pa.array([0, 1])
        return pa.array(["a", "b"]) if self.words and self.rows > 1 else pa.array([0.5, 0.5])


def _squares(values: np.ndarray) -> int:
    """Σ v² of whole numbers, exactly."""
    high, low = values >> 16, values & 0xFFFF
    if np.abs(high).max() >= 1 << 20:
        return int(sum(int(value) ** 2 for value in values.tolist()))
    return (int((high * high).sum()) << 32) + (int((high * low).sum()) << 17) + int((low * low).sum())
