"""A column of any source → one of a few types, with a record of how its values were read.

    numbers              int64 and its kin, or float64; a number that means missing (`missing_values=["-999"]`) is null
    booleans             as they are
    text                 trimmed, the words that mean missing are nulls; numbers where it is unmistakable (see numbers.py)
    categories           a dictionary of text, in its own order where it has one (`pd.cut`)
    dates, times         as they are; those that mean missing are nulls
    lists, …             as they are

**Text that says it is text stays text.** In a source with types of its own (a dataframe, a dict of columns, Parquet,
Arrow, y) somebody chose text for `101` and `205`, since any reader would have made numbers of them: they are labels. What
no label looks like (`1.5`) and what no reader makes numbers of (`$1,234`, `12%`) is read there as it
is in a CSV file, where everything is text and `101` is a number. `categories=` makes labels of numbers, and
`astype(float)` numbers of labels.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from steepest.data.arrow_columns import (
    counts_of,
    first,
    from_texts,
    is_date,
    is_number,
    is_text,
    null_or_nan,
    text_of,
    to_numbers,
    views,
)
from steepest.data.dates import dates
from steepest.data.in_memory import LARGEST
from steepest.data.numbers import AS_PYTHON, PADDED, PLAIN, WHOLE, Notation, Numerals, numerals
from steepest.data.reading import MISSING, Reading
from steepest.data.wording import option, quoted
from steepest.errors import DataError

if TYPE_CHECKING:
    from steepest.data.files import Origin

COMMA = Notation(",")


@dataclass(frozen=True)
class Found:
    """How the values of a column were read.

    Attributes:
        notation: of its numbers. example: a text that was read as a number, and that number.
        words: each word that was read as missing, and in how many rows.
        numerals: what its text would be as numbers, where it is not numbers without a doubt; None for words.
        digits: it is text that holds whole numbers only, and stays text since its source says so.
        missing_values: of text, what was said to mean missing: a number among it may be written in more ways than one.
    """

    notation: Notation = AS_PYTHON
    example: tuple[str, float] | None = None
    words: Mapping[str, int] = field(default_factory=dict)
    numerals: Numerals | None = None
    digits: bool = False
    missing_values: tuple[str, ...] = ()


@dataclass(frozen=True)
class SourceColumn:
    """A column of a source: its values [n], how they were read, and where its rows come from, as messages name them."""

    name: str
    values: pa.ChunkedArray
    found: Found
    origin: Origin

    @property
    def kind(self) -> pa.DataType:
        """Arrow's type."""
        return self.values.type

    @cached_property
    def text(self) -> pa.ChunkedArray:
        """The values as text."""
        return text_of(self.values)

    @cached_property
    def sound(self) -> bool:
        """Whether it is float64, and surely no value is missing, infinite, or so large that its square is no finite number."""
        if self.kind != pa.float64() or self.values.null_count:
            return False
        with np.errstate(over="ignore", invalid="ignore"):
            # in one pass by one thread: a dot product would wake all threads for each part
            return bool(sum(np.einsum("i,i->", part, part) for part in views(self.values)) <= LARGEST**2)

    @cached_property
    def figures(self) -> tuple[float, float, float]:
        """Of a sound column the sum of its values, the least and the largest."""
        numbers = to_numbers(self.values)
        return float(numbers.sum()), float(numbers.min()), float(numbers.max())

    @cached_property
    def missing(self) -> np.ndarray:
        """Where a value is missing, `[n]` bool."""
        return np.zeros(len(self.values), bool) if self.sound else null_or_nan(self.values)

    @property
    def shown(self) -> str:
        """The first value, in quotes."""
        return quoted(self.text[first(self.values.is_valid())].as_py())

    @property
    def drop(self) -> str:
        """The option that leaves the column out."""
        return option("drop", self.name)

    def row(self, rows: np.ndarray | pa.ChunkedArray) -> str:
        """``row 7 of 'a.csv'``, the first that a mask [n] holds of."""
        return self.origin.row(first(rows))

    def has(self, text: str) -> str:
        """``row 7 of 'a.csv' has '12a'``, the first such row."""
        return f"{self.row(pc.equal(self.text, text))} has {quoted(text)}"

    def fault(self, said: str) -> DataError:
        """The error that says it of this column."""
        return DataError(f"column {quoted(self.name)}{said}")


def cleaned(
    column: pa.ChunkedArray, reading: Reading, file_decimal: str | None, *, text: bool = False
) -> tuple[pa.ChunkedArray, Found]:
    """A column in the state that the module's docstring promises, and how it was read.

    Args:
        file_decimal: the decimal mark that a text file shows in other columns, "" where it shows none, "?" where it may
            have either, None where the source has types of its own.
        text: stays text, whatever it looks like.
    """
    kind = column.type
    if isinstance(kind, pa.BaseExtensionType) and kind.extension_name.startswith("pandas."):  # periods, intervals
        words = [None if value is None or str(value) in ("NaT", "nan") else str(value) for value in column.to_pandas()]
        column = pa.chunked_array([pa.array(words, pa.large_string())])
        kind = column.type
    elif isinstance(kind, pa.BaseExtensionType):
        column = pa.chunked_array([chunk.storage for chunk in column.chunks], kind.storage_type)
        kind = column.type
    if pa.types.is_run_end_encoded(kind):
        column = pa.chunked_array([pc.run_end_decode(chunk) for chunk in column.chunks], kind.value_type)
        kind = column.type
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        column = column.cast(pa.float64(), safe=False)
    if is_number(column.type):
        column, words = without(column, reading.missing_values)
        return column, Found(COMMA if file_decimal == "," else AS_PYTHON, words=words)
    if is_date(kind):
        column, words = _without_dates(column, reading.missing_values)
        return column, Found(words=words)
    if pa.types.is_dictionary(kind):
        return _category(column, reading)
    if is_text(kind):
        cleaned, words = _clean(column.cast(pa.large_string()), reading)
        cleaned, more = _without_dates(cleaned, reading.missing_values)
        words += more
        if text:
            return cleaned, Found(words=words, missing_values=reading.missing_values)
        column, found = _numbers(cleaned, words, reading, file_decimal)
        if is_text(column.type):
            return column, replace(found, missing_values=reading.missing_values)
        # what means missing may be written in more ways than one: -999, -999.0, -999,00
        column, more = without(column, reading.missing_values)
        return column, replace(found, words=words + more)
    return column, Found()


def _clean(text: pa.ChunkedArray, reading: Reading) -> tuple[pa.ChunkedArray, Counter[str]]:
    """Text trimmed, with nulls for the words that mean missing; and how many rows had each of them."""
    text = pc.utf8_trim_whitespace(text)
    gone = pc.is_in(text, value_set=from_texts(sorted(reading.words)))
    words = {word: rows for word, rows in counts_of(text.filter(gone)).items() if word}
    return pc.if_else(gone, pa.scalar(None, pa.large_string()), text), Counter(words)


def without(column: pa.ChunkedArray, missing_values: tuple[str, ...]) -> tuple[pa.ChunkedArray, Counter[str]]:
    """Numbers, with nulls for those that were said to mean missing, and in how many rows each of these was."""
    words: Counter[str] = Counter()
    if not is_number(column.type):
        return column, words
    for word in missing_values:
        try:
            number = float(word)
        except ValueError:
            continue
        gone = pc.equal(column, pa.scalar(number, pa.float64())).fill_null(False)
        count = pc.sum(gone).as_py() or 0
        if count:
            column, words[word] = pc.if_else(gone, pa.scalar(None, column.type), column), count
    return column, words


def _without_dates(column: pa.ChunkedArray, missing_values: tuple[str, ...]) -> tuple[pa.ChunkedArray, Counter[str]]:
    """Dates or text, with nulls for the dates that were said to mean missing, however they are written: `1900-01-01 00:00`."""
    words: Counter[str] = Counter()
    said = {word: dates(pa.chunked_array([[word]], pa.large_string())) for word in missing_values}
    known = {word: date for word, date in said.items() if date and not (date.strays or date.ambiguous)}
    found = dates(column) if known else None
    if found is None:
        return column, words
    for word, date in known.items():
        gone = (found.wall == date.wall[0]) & ((found.layout == "time") == (date.layout == "time"))
        if gone.any():
            words[word] = int(gone.sum())
            column = pc.if_else(pa.array(gone), pa.scalar(None, column.type), column)
    return column, words


def _category(column: pa.ChunkedArray, reading: Reading) -> tuple[pa.ChunkedArray, Found]:
    """A dictionary of text, cleaned; of an ordered one the order of the levels is kept."""
    column = column.unify_dictionaries()
    kind = column.type
    levels = column.chunk(0).dictionary if column.num_chunks else pa.array([], kind.value_type)
    names, _ = _clean(text_of(pa.chunked_array([levels])), reading)
    order = list(dict.fromkeys(name for name in names.to_pylist() if name is not None))
    text, words = _clean(text_of(column), reading)
    codes = pc.index_in(text, value_set=pa.array(order, pa.large_string())).combine_chunks()
    made = pa.DictionaryArray.from_arrays(codes, pa.array(order, pa.large_string()), ordered=kind.ordered)
    return pa.chunked_array([made]), Found(words=words, missing_values=reading.missing_values)


def _numbers(
    text: pa.ChunkedArray, words: Counter[str], reading: Reading, file_decimal: str | None
) -> tuple[pa.ChunkedArray, Found]:
    """Text as numbers where it is unmistakable, else as it is."""
    present = text.drop_null()
    if len(present) == 0:
        return pa.chunked_array([pa.nulls(len(text))]), Found(words=words)
    word = present[0].as_py()
    plain = bool(pc.all(pc.match_substring_regex(present, PLAIN)).as_py())
    # a word such as `unknown` left it in doubt between numbers and labels, and calling it missing says numbers
    answered = any(word not in MISSING and not re.match(WHOLE, word) for word in words)
    if file_decimal is None and not answered and pc.all(pc.match_substring_regex(present, WHOLE)).as_py():
        return text, Found(words=words, digits=True)
    if word.lower().lstrip("+-") in ("inf", "infinity"):
        try:
            return text.cast(pa.float64()), Found(words=words)
        except pa.ArrowInvalid:
            return text, Found(words=words)
    certain = file_decimal == "." or not pc.any(pc.match_substring(present, ".")).as_py()
    if plain and certain and reading.decimal is None and reading.thousands is None:
        codes = present.filter(pc.match_substring_regex(present, PADDED))
        example = (codes[0].as_py(), float(codes[0].as_py())) if len(codes) else None
        return _cast(text), Found(COMMA if file_decimal == "," else AS_PYTHON, example, words)
    found = numerals(text, decimal=reading.decimal, thousands=reading.thousands, file_decimal=file_decimal or None)
    if found is None or found.numbers is None:
        return text, Found(words=words, numerals=found)
    example = found.example or ((word, float(word)) if file_decimal is None else None)
    return found.numbers, Found(found.notation, example, words)


def _cast(text: pa.ChunkedArray) -> pa.ChunkedArray:
    try:
        return text.cast(pa.int64())
    except pa.ArrowInvalid:
        return text.cast(pa.float64())
