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

from steepest.data.arrow_columns import counts_of, first, is_date, is_number, is_text, is_words, null_or_nan, text_of
from steepest.data.columns import Found
from steepest.data.dates import Dates, dates, first_day, parts_of, varying
from steepest.data.features import Column, finite_numbers, folded, not_dates, unusable
from steepest.data.files import Origin
from steepest.data.numbers import NUMBER, Numerals
from steepest.data.reading import Reading
from steepest.data.wording import counted, option, quoted
from steepest.errors import DataError

FEW_LEVELS = 30
"""Up to these two rows a level are enough, on average; beyond them `ROWS_A_LEVEL`."""

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


def learn(name: str, column: pa.ChunkedArray, origin: Origin, reading: Reading, *, chosen: bool) -> Column:
    """Decide what a source column is.

    Args:
        reading: what was said of the columns.
        chosen: it was named in `columns`, so that an identifier is kept as the number it is.

    Raises:
        DataError: empty; in doubt; neither number, category nor date; an identifier, free text, an infinite value.
    """
    if null_or_nan(column).all():
        raise DataError(f"column {quoted(name)} of {origin.table} is empty. Leave it out: {option('drop', name)}")
    kind, found = column.type, origin.found.get(name, Found())
    if name in reading.categories:
        return _category(name, column, origin, reading, insisted=True)
    if name in (reading.date or {}):
        return learn_date(name, column, origin, (reading.date or {})[name])
    if pa.types.is_boolean(kind):
        return Column(name, "boolean")
    if is_number(kind):
        finite_numbers(name, column, origin)
        if not chosen and pa.types.is_integer(kind) and IDENTIFIER.fullmatch(name) and _counts_rows(column):
            raise DataError(
                f"column {quoted(name)} of {origin.table} looks like an identifier: a different number "
                "in every row, "
                f"in order. Leave it out: {option('drop', name)}; or name it in columns to keep it"
            )
        return Column(name, "number", notation=found.notation)
    if is_text(kind):
        check_doubt(name, column, found.numerals, origin, leave=f"or leave the column out: {option('drop', name)}")
    when = dates(column) if is_text(kind) or is_date(kind) else None
    if when is not None and (not when.strays or when.share >= 0.5):
        raise _date_error(name, column, when, origin)
    if is_words(kind):
        return _category(name, column, origin, reading, insisted=False)
    raise unusable(name, column, origin, remedy=f"Leave it out: {option('drop', name)}")


def _counts_rows(column: pa.ChunkedArray) -> bool:
    values = column.drop_null().to_numpy()
    return len(values) > 2 and bool(np.all(values[1:] > values[:-1]) or np.all(values[1:] < values[:-1]))


# ---- numbers in text, in doubt -------------------------------------------------------------------


def check_doubt(name: str, column: pa.ChunkedArray, numerals: Numerals | None, origin: Origin, *, leave: str) -> None:
    """Raise DataError where text may be numbers, with the values that show the doubt and the options that settle it.

    leave: what else can be done, the end of the sentence.
    """
    if numerals is None or numerals.doubt == "":
        return
    if numerals.doubt == "mark":
        text = numerals.pair[0]
        mark = "comma" if "," in text else "point"
        sign = "," if mark == "comma" else "."
        raise DataError(
            f"column {quoted(name)}: {_place(column, text, origin)}, a {mark} that may mark decimals or thousands. Say which: "
            f"{option('thousands', sign)}, or {option('decimal', sign)}"
        )
    if numerals.doubt == "units":
        first, second = numerals.pair
        raise DataError(
            f"column {quoted(name)} holds numbers in more than one unit: {_place(column, first, origin)} and "
            f"{_place(column, second, origin)}. Give it in one unit; if the values are labels: {option('categories', name)}; "
            f"{leave}"
        )
    if numerals.doubt == "given":
        text, setting, sign = numerals.pair
        raise DataError(
            f"column {quoted(name)}: {_place(column, text, origin)}, which is no number with {option(setting, sign)} as given. "
            f"Leave that setting out, or write the number with its marks; if the values are labels: "
            f"{option('categories', name)}; {leave}"
        )
    if labels_of(numerals, column):
        return
    counts = counts_of(column)
    rows = sum(counts[text] for text in numerals.strays)
    text = _first(column, numerals.strays)
    it = "it means" if len(numerals.strays) == 1 else "such words mean"
    raise DataError(
        f"column {quoted(name)} holds numbers but for {counted(rows, 'row')}: {_place(column, text, origin)}, not a number. "
        f"Correct {'it' if rows == 1 else 'them'}; if {it} missing: {option('missing_values', text)}; if the values are "
        f"labels: {option('categories', name)}; {leave}"
    )


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


def _first(column: pa.ChunkedArray, texts: Iterable[str]) -> str:
    """The one of these texts that comes first."""
    return column[first(pc.is_in(column, value_set=pa.array(list(texts), pa.large_string())))].as_py()


def _place(column: pa.ChunkedArray, text: str, origin: Origin) -> str:
    """``row 7 of 'a.csv' has '12a'``, the first such row."""
    return f"{origin.row(first(pc.equal(column, text)))} has {quoted(text)}"


# ---- dates ---------------------------------------------------------------------------------------


def learn_date(name: str, column: pa.ChunkedArray, origin: Origin, way: str) -> Column:
    """A column of dates as `date=` says: "days" or "parts", with `:dayfirst` or `:monthfirst` where it must be said."""
    way, _, order = way.partition(":")
    found = None
    if not (pa.types.is_nested(column.type) or pa.types.is_boolean(column.type) or pa.types.is_duration(column.type)):
        text = text_of(column) if pa.types.is_dictionary(column.type) else column
        found = dates(text, day_first={"dayfirst": True, "monthfirst": False}.get(order), digits=True)
    if found is None or found.strays or found.ambiguous:
        raise not_dates(name, column, found, origin)
    start = first_day(found) if found.layout != "time" else 0.0
    made = Column(name, "date", way=way, start=start, day_first=found.day_first, clock=found.layout == "time")
    if way == "days":
        return made
    parts = varying(parts_of(found))
    if not parts:
        raise DataError(
            f"column {quoted(name)} holds one date only, {_shown(column)}. Leave it out: {option('drop', name)}"
        )
    return replace(made, parts=parts)


def _shown(column: pa.ChunkedArray) -> str:
    return quoted(text_of(column.drop_null().slice(0, 1))[0].as_py())


def _date_error(name: str, column: pa.ChunkedArray, found: Dates, origin: Origin) -> DataError:
    """The error for a column of dates that nobody has said anything of."""
    what = "times" if found.layout == "time" else "dates"
    if found.strays:
        text = _first(column, found.strays)
        rows = sum(counts_of(column)[stray] for stray in found.strays)
        return DataError(
            f"column {quoted(name)} holds {what} but for {counted(rows, 'row')}: {_place(column, text, origin)}. Correct it; "
            f"if it means missing: {option('missing_values', text)}; if the values are labels: {option('categories', name)}; or "
            f"leave the column out: {option('drop', name)}"
        )
    index = first(column.is_valid())
    holds = (
        f"column {quoted(name)} holds {what}, such as {quoted(text_of(column)[index].as_py())} in {origin.row(index)}"
    )
    if found.ambiguous:
        return DataError(
            f"{holds}, where the day or the month may stand first. Say which and how they become numbers: "
            f"{option('date', 'days:dayfirst', name)}, days:monthfirst, parts:dayfirst or parts:monthfirst; or leave the column "
            f"out: {option('drop', name)}"
        )
    days, parts = ("days since the first of them", "year, month, weekday and hour")
    if what == "times":
        days, parts = "a fraction of the day", "the hour as sine and cosine"
    return DataError(
        f"{holds}. Use {option('date', 'days', name)} for {days}, {option('date', 'parts', name)} for {parts}, or leave it out: "
        f"{option('drop', name)}"
    )


# ---- categories ----------------------------------------------------------------------------------


def _category(name: str, column: pa.ChunkedArray, origin: Origin, reading: Reading, *, insisted: bool) -> Column:
    casefold = reading.labels == "casefold"
    column, ordered = (one_spelling(text_of(column)), False) if casefold else (column, _ordered(column))
    levels = levels_of(column)
    rows = len(column) - column.null_count
    if not (insisted or ordered or few_enough(len(levels), rows, given=pa.types.is_dictionary(column.type))):
        raise _too_many(name, column, len(levels), rows, origin)
    return Column(name, "category", levels, casefold=casefold)


def few_enough(levels: int, rows: int, *, given: bool) -> bool:
    """Whether levels are repeated enough for a category; given: the source calls it one."""
    if levels > FEW_LEVELS:
        return ROWS_A_LEVEL * levels <= rows or (given and 2 * levels <= rows)
    # In a table of a few rows a handful of levels, one of them repeated, is a category too.
    return given or 2 * levels <= rows or levels <= min(5, rows - 1)


def _too_many(name: str, column: pa.ChunkedArray, levels: int, rows: int, origin: Origin) -> DataError:
    text = _shown(column)
    if origin.found.get(name, Found()).digits:
        return DataError(
            f"column {quoted(name)} of {origin.table} is text that holds numbers, {levels:,} different ones in "
            f"{counted(rows, 'row')}, the first {text}. Text stays text: for numbers give it as numbers, as in "
            f"table[{name!r}].astype(float); or leave it out: {option('drop', name)}"
        )
    insist = f"; if they are levels: {option('categories', name)}" if 3 * levels <= 2 * rows else ""
    return DataError(
        f"column {quoted(name)} of {origin.table} looks like free text or an id: {levels:,} different values in "
        f"{counted(rows, 'row')}, the first {text}. Leave it out: {option('drop', name)}{insist}"
    )


def _ordered(column: pa.ChunkedArray) -> bool:
    return pa.types.is_dictionary(column.type) and column.type.ordered


def levels_of(column: pa.ChunkedArray) -> tuple[str, ...]:
    """The levels that some row has: in the order of the source where it has one, else sorted."""
    present = text_of(column).unique().drop_null().to_pylist()
    if _ordered(column):
        kept = set(present)
        return tuple(level for level in column.chunk(0).dictionary.to_pylist() if level in kept)
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
