"""What a source column is: decided from the rows of a fit where it is unmistakable, asked where it is not.

Text is a category where its levels are repeated: up to 30 levels with two rows each on average, or any number of them
with five. Numbers with words between them are asked about (`unknown` may mean missing), unless they are labels:
`1`, `2`, `3+`; `02134`, `A2136`. `categories=` makes levels of any column, `date=` numbers of dates.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from steepest.data.arrow_columns import first, is_date, is_number, is_text, is_words, text_of, to_numbers
from steepest.data.columns import SourceColumn
from steepest.data.dates import Dates, dates, first_day, parts_of, varying
from steepest.data.features import Column, finite_numbers, folded, read_dates, unusable
from steepest.data.numbers import NUMBER, Numerals
from steepest.data.reading import Reading
from steepest.data.wording import counted, option
from steepest.errors import DataError

FEW_LEVELS = 30  # up to these two rows a level are enough, on average; beyond them `ROWS_A_LEVEL`

ROWS_A_LEVEL = 5
LABELS = 10
"""At most so many different whole numbers can be labels among words that hold digits themselves (`3+`, `A2136`)."""

IDENTIFIER = re.compile(
    r"(?i:id|idx|index|row|row_?(id|no|num|number|index)|uuid|guid|unnamed: 0|.*[_ .-]id)|.*[a-z]I[dD]"
)
RANGE = re.compile(
    r"\d+\s*(\+|[-–]\s*\d+|(or|and)\s+(more|less|over|under|above|below|up|fewer|older|younger))", re.IGNORECASE
)
CENSORED = re.compile(r"[<>≤≥~≈]")


def learn(column: SourceColumn, reading: Reading, *, chosen: bool) -> Column:
    """Decide what a source column is.

    Args:
        reading: what was said of the columns.
        chosen: it was named in `columns`, so that an identifier is kept as the number it is.

    Raises:
        DataError: empty; in doubt; neither number, category nor date; an identifier, free text, an infinite value.
    """
    name, kind, table = column.name, column.kind, column.origin.table
    if not column.sound and column.missing.all():
        raise column.fault(f" of {table} is empty. Leave it out: {column.drop}")
    if name in reading.categories:
        return _category(column, reading)
    if name in (reading.date or {}):
        return learn_date(column, (reading.date or {})[name])
    if pa.types.is_boolean(kind):
        return Column(name, "boolean")
    if is_number(kind):
        finite_numbers(column)
        if not chosen and pa.types.is_integer(kind) and IDENTIFIER.fullmatch(name) and _counts_rows(column.values):
            raise column.fault(
                f" of {table} looks like an identifier: a different number in every row, in order. Leave it out: {column.drop}; "
                "or name it in columns to keep it"
            )
        return Column(name, "number", notation=column.found.notation)
    if is_text(kind):
        check_doubt(column, leave=f"or leave the column out: {column.drop}")
    when = dates(column.values) if is_text(kind) or is_date(kind) else None
    if when is not None and (not when.strays or when.share >= 0.5):
        raise _date_error(column, when)
    if is_words(kind):
        return _category(column, reading)
    raise unusable(column, remedy=f"Leave it out: {column.drop}")


def _counts_rows(column: pa.ChunkedArray) -> bool:
    values = to_numbers(column.drop_null())
    return len(values) > 2 and bool(np.all(values[1:] > values[:-1]) or np.all(values[1:] < values[:-1]))


# ---- numbers in text, in doubt -------------------------------------------------------------------


def check_doubt(column: SourceColumn, *, leave: str) -> None:
    """Raise DataError where text may be numbers, with the values that show the doubt and the options that settle it.

    leave: what else can be done, the end of the sentence.
    """
    numerals, labels = column.found.numerals, f"if the values are labels: {option('categories', column.name)}; {leave}"
    if numerals is None or numerals.doubt == "":
        return
    if numerals.doubt == "mark":
        mark, sign = ("comma", ",") if "," in numerals.pair[0] else ("point", ".")
        raise column.fault(
            f": {column.has(numerals.pair[0])}, a {mark} that may mark decimals or thousands. Say which: "
            f"{option('thousands', sign)}, or {option('decimal', sign)}"
        )
    if numerals.doubt == "units":
        one, other = map(column.has, numerals.pair)
        raise column.fault(f" holds numbers in more than one unit: {one} and {other}. Give it in one unit; {labels}")
    if numerals.doubt == "given":
        text, setting, sign = numerals.pair
        raise column.fault(
            f": {column.has(text)}, which is no number with {option(setting, sign)} as given. Leave that setting out, or write "
            f"the number with its marks; {labels}"
        )
    if labels_of(numerals, column.values):
        return
    text, rows = _strays(column, numerals.strays)
    it = "it means" if len(numerals.strays) == 1 else "such words mean"
    raise column.fault(
        f" holds numbers but for {counted(rows, 'row')}: {column.has(text)}, not a number. Correct "
        f"{'it' if rows == 1 else 'them'}; if {it} missing: {option('missing_values', text)}; {labels}"
    )


def _strays(column: SourceColumn, strays: tuple[str, ...]) -> tuple[str, int]:
    """Of texts that do not fit a column the one that comes first, and in how many rows there is one."""
    rows = pc.is_in(column.values, value_set=pa.array(strays, pa.large_string()))
    return column.values[first(rows)].as_py(), pc.sum(rows).as_py()


def labels_of(numerals: Numerals, column: pa.ChunkedArray) -> bool:
    """Whether text that holds numbers here and there is a category all the same."""
    words, rows = numerals.strays, len(column) - column.null_count
    share = numerals.rows / max(1, rows)
    if numerals.padded and any(character.isalpha() for word in words for character in word):
        return True  # codes: 02134, A2136
    digits = all(any(character.isdigit() for character in word) for word in words)
    if digits and not any(CENSORED.match(word) for word in words) and numerals.whole and numerals.different <= LABELS:
        repeated = numerals.rows >= 2 * numerals.different
        return repeated and (share <= 0.9 or all(RANGE.fullmatch(word) for word in words))
    if share >= 0.9:
        return False
    few = numerals.different < 3 and numerals.whole and not numerals.notation.unit
    return few or not (share >= 0.5 or numerals.different > len(words))


# ---- dates ---------------------------------------------------------------------------------------


def learn_date(column: SourceColumn, said: str) -> Column:
    """A column of dates as `date=` says: "days" or "parts", with `:dayfirst` or `:monthfirst` where it must be said."""
    way, _, order = said.partition(":")
    found = read_dates(column, {"dayfirst": True, "monthfirst": False}.get(order))
    clock = found.layout == "time"
    start = 0.0 if clock else first_day(found)
    made = Column(column.name, "date", way=way, start=start, day_first=found.day_first, clock=clock)
    if way == "days":
        return made
    parts = varying(parts_of(found))
    if not parts:
        raise column.fault(f" holds one date only, {column.shown}. Leave it out: {column.drop}")
    return replace(made, parts=parts)


def _date_error(column: SourceColumn, found: Dates) -> DataError:
    """The error for a column of dates that nobody has said anything of."""
    name, what = column.name, "times" if found.layout == "time" else "dates"
    if found.strays:
        text, rows = _strays(column, found.strays)
        return column.fault(
            f" holds {what} but for {counted(rows, 'row')}: {column.has(text)}. Correct it; if it means missing: "
            f"{option('missing_values', text)}; if the values are labels: {option('categories', name)}; or leave the column "
            f"out: {column.drop}"
        )
    holds = f" holds {what}, such as {column.shown} in {column.row(column.values.is_valid())}"
    if found.ambiguous:
        return column.fault(
            f"{holds}, where the day or the month may stand first. Say which and how they become numbers: "
            f"{option('date', 'days:dayfirst', name)}, days:monthfirst, parts:dayfirst or parts:monthfirst; or leave the column "
            f"out: {column.drop}"
        )
    days, parts = ("days since the first of them", "year, month, weekday and hour")
    if what == "times":
        days, parts = "a fraction of the day", "the hour as sine and cosine"
    return column.fault(
        f"{holds}. Use {option('date', 'days', name)} for {days}, {option('date', 'parts', name)} for {parts}, or leave it out: "
        f"{column.drop}"
    )


# ---- categories ----------------------------------------------------------------------------------


def _category(column: SourceColumn, reading: Reading) -> Column:
    casefold = reading.labels == "casefold"
    values = one_spelling(column.text) if casefold else column.values
    levels, rows = levels_of(values), len(values) - values.null_count
    enough = column.name in reading.categories or _ordered(values)
    if not (enough or few_enough(len(levels), rows, given=pa.types.is_dictionary(values.type))):
        raise _too_many(column, len(levels), rows)
    return Column(column.name, "category", levels, casefold=casefold)


def few_enough(levels: int, rows: int, *, given: bool) -> bool:
    """Whether levels are repeated enough for a category; given: the source calls it one."""
    if levels > FEW_LEVELS:
        return ROWS_A_LEVEL * levels <= rows or (given and 2 * levels <= rows)
    # In a table of a few rows a handful of levels, one of them repeated, is a category too.
    return given or 2 * levels <= rows or levels <= min(5, rows - 1)


def _too_many(column: SourceColumn, levels: int, rows: int) -> DataError:
    table, different = column.origin.table, f"{levels:,} different"
    if column.found.digits:
        return column.fault(
            f" of {table} is text that holds numbers, {different} ones in {counted(rows, 'row')}, the first {column.shown}. Text "
            f"stays text: for numbers give it as numbers, as in table[{column.name!r}].astype(float); or leave it out: "
            f"{column.drop}"
        )
    insist = f"; if they are levels: {option('categories', column.name)}" if 3 * levels <= 2 * rows else ""
    return column.fault(
        f" of {table} looks like free text or an id: {different} values in {counted(rows, 'row')}, the first {column.shown}. "
        f"Leave it out: {column.drop}{insist}"
    )


def _ordered(column: pa.ChunkedArray) -> bool:
    return pa.types.is_dictionary(column.type) and column.type.ordered


def levels_of(column: pa.ChunkedArray) -> tuple[str, ...]:
    """The levels that some row has: in the order of the source where it has one, else sorted."""
    present = text_of(column).unique().drop_null().to_pylist()
    if _ordered(column):
        seen = set(present)
        return tuple(level for level in column.chunk(0).dictionary.to_pylist() if level in seen)
    return sorted_labels(present)


def one_spelling(text: pa.ChunkedArray) -> pa.ChunkedArray:
    """Text in which levels that differ in case only have one spelling, the most frequent (of equals the first)."""
    bare = folded(text)
    best: dict[str, str] = {}
    for spelling, _ in Counter(text.drop_null().to_pylist()).most_common():
        best.setdefault(spelling.casefold(), spelling)
    keys = pa.array(list(best), pa.large_string())
    shown = pa.array(list(best.values()), pa.large_string())
    return pa.chunked_array([shown.take(pc.index_in(bare, value_set=keys).combine_chunks())])


def sorted_labels(labels: Iterable[str]) -> tuple[str, ...]:
    """Labels in order: numerically where all are numbers, else alphabetically."""
    labels = list(labels)
    if all(NUMBER.fullmatch(label) for label in labels):
        return tuple(sorted(labels, key=lambda label: (float(label), label)))
    return tuple(sorted(labels))
