"""One source column and the features that it becomes: decided once, applied to the fit's rows and to new ones alike.

    number      itself                                          size
    boolean     0 and 1                                         sold
    category    an indicator of each level but the first        city=Oslo, city=Rome
    date        days since a date, or its parts (dates.py)      when · when.year, when.month.sin, when.month.cos, …

With `own_missing` a missing value is something of its own: for a category one more level (`city=missing`); for the others
one more feature, `size is missing`, which is 1 where the value is missing, beside the mean in its place.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from steepest.data.arrow_columns import distinct, first, is_number, is_words, to_numbers, views
from steepest.data.columns import SourceColumn, without
from steepest.data.dates import DAY, Dates, dates, parts_of
from steepest.data.in_memory import LARGEST
from steepest.data.numbers import AS_PYTHON, NUMBER, PLAIN, Notation, numerals
from steepest.data.wording import listed, option, quoted, unseen_levels
from steepest.errors import DataError

WAS_CATEGORY, WAS_NUMBER = "It was a category when the fit was made", "It was a number when the fit was made"
TRUE, FALSE = ("true", "1", "1.0"), ("false", "0", "0.0")
UNUSABLE = {
    pa.types.is_duration: "durations",
    pa.types.is_time: "times",
    pa.types.is_temporal: "dates",
    pa.types.is_nested: "lists or records",
    pa.types.is_binary: "bytes",
    pa.types.is_large_binary: "bytes",
    pa.types.is_fixed_size_binary: "bytes",
}
EXACT = 2.0**53  # up to here every whole number is a float64


@dataclass(frozen=True)
class Column:
    """How a source column becomes features.

    Attributes:
        name, kind: "number", "boolean", "category" or "date".
        levels: of a category, in order.
        fill: what stands in for a missing value: a number, a level, or of the parts of a date one number each.
        notation: how its numbers are written in text, and their unit.
        way: of a date, "days" or "parts". parts: those that it has. start: days from 1970-01-01 to its day 0.
        day_first: of a date in slashes, whether the day stands first. clock: of a date, whether it is a time alone.
        own_missing: a missing value is a level, or a feature, of its own.
        casefold: levels that differ in case only are one.
    """

    name: str
    kind: str
    levels: tuple[str, ...] = ()
    fill: float | str | tuple[float, ...] | None = None
    notation: Notation = AS_PYTHON
    way: str = ""
    parts: tuple[str, ...] = ()
    start: float = 0.0
    day_first: bool | None = None
    own_missing: bool = False
    casefold: bool = False
    clock: bool | None = None

    def features(self, intercept: bool) -> list[str]:
        """Names of the features it becomes; the first level is the baseline where there is an intercept."""
        if self.kind == "category":
            levels = [*self.levels, "missing"] if self.own_missing else self.levels
            return [f"{self.name}={level}" for level in levels[1 if intercept else 0 :]]
        names = [f"{self.name}.{part}" for part in self.parts] if self.way == "parts" else [self.name]
        return [*names, f"{self.name} is missing"] if self.own_missing else names

    @property
    def as_text(self) -> bool:
        """Whether a text file's column must be read as text, so that it is read as the fit's was."""
        return self.kind in ("category", "date") or self.notation != AS_PYTHON


def encode(spec: Column, column: SourceColumn, x: np.ndarray, intercept: bool) -> int:
    """Write the features of a column into x: [n, k], k of them, in their order.

    Returns:
        In how many rows the value is missing.

    Raises:
        DataError: a value that the fit's column cannot have, or a missing one where nothing stands in for it.
    """
    if as_it_is(spec, column):
        start = 0
        for part in views(column.values):
            x[start : start + len(part), 0] = part
            start += len(part)
        return 0
    values, missing = filled(spec, checked_values(spec, column))
    place(spec, values, missing, x, intercept)
    return int(missing.sum())


def as_it_is(spec: Column, column: SourceColumn) -> bool:
    """Whether the one feature of a column is its numbers, none of which is missing."""
    plain = spec.kind == "number" and not spec.own_missing and column.found.notation.unit == spec.notation.unit
    return plain and column.sound


def place(spec: Column, values: np.ndarray, missing: np.ndarray, x: np.ndarray, intercept: bool) -> None:
    """Write the features of what `filled` gave into x: [n, k], k of them."""
    if spec.kind == "category":
        for position in range(x.shape[1]):
            x[:, position] = values[:, 0] == position + intercept
    else:
        x[:, : values.shape[1]] = values
        if spec.own_missing:
            x[:, -1] = missing


def checked_values(spec: Column, column: SourceColumn) -> np.ndarray:
    """`column_values`, of which none is missing unless something stands in for it."""
    values = column_values(spec, column)
    missing = np.isnan(values[:, 0])
    if missing.any() and spec.fill is None and not (spec.own_missing and spec.kind == "category"):
        raise missing_error(column, missing, remedy="Fill the value, or leave the row out")
    return values


def filled(spec: Column, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`column_values` with what stands in for missing ones, a level of their own being the last; and where they were, `[n]`."""
    missing = np.isnan(values[:, 0])
    if not missing.any():
        return values, missing
    if spec.kind == "category":
        code = spec.levels.index(spec.fill) if isinstance(spec.fill, str) else 0
        return np.where(missing, len(spec.levels) if spec.own_missing else code, values[:, 0])[:, None], missing
    return np.where(missing[:, None], np.asarray(spec.fill, float), values), missing


def column_values(spec: Column, column: SourceColumn) -> np.ndarray:
    """Numbers, 0/1, codes of the levels, days or parts: [n, k] float64, NaN where missing."""
    if pa.types.is_null(column.kind):
        return np.full((len(column.values), len(spec.parts) if spec.way == "parts" else 1), np.nan)
    if spec.kind == "date":
        return _date_values(spec, column)
    of_kind = {"category": _codes, "boolean": _booleans, "number": _numbers}[spec.kind]
    return of_kind(spec, column)[:, None]


# ---- numbers -------------------------------------------------------------------------------------


def finite_numbers(column: SourceColumn) -> np.ndarray:
    """The numbers (0 and 1 for booleans) of a column, [n] float64 with NaN where missing.

    Raises:
        DataError: infinite and huge numbers; whole ones of which float64 cannot tell some apart.
    """
    if column.sound:
        return to_numbers(column.values)
    numbers = column.values.cast(pa.uint8()) if pa.types.is_boolean(column.kind) else column.values
    values = to_numbers(numbers.cast(pa.float64(), safe=False))
    sizes = np.abs(values)
    largest = np.fmax.reduce(sizes, initial=0.0)
    if pa.types.is_integer(column.kind) and largest > EXACT:
        before, after = pc.count_distinct(numbers).as_py(), len(np.unique(values[~np.isnan(values)]))
        if after < before:
            raise column.fault(
                f" has {before:,} different whole numbers, such as {numbers.drop_null()[0]}, of which float64 can tell only "
                f"{after:,} apart. Subtract their least first, or leave the column out: {column.drop}"
            )
    if largest > LARGEST:
        beyond = sizes > LARGEST
        value = values[first(beyond)]
        what = "an infinite value" if np.isinf(value) else "a value whose square is no finite number"
        raise column.fault(
            f" has {what}, {value:g}, in {column.row(beyond)}. Correct it, make it missing (an empty field), or leave the "
            f"column out: {column.drop}"
        )
    return values


def _numbers(spec: Column, column: SourceColumn) -> np.ndarray:
    unit, was, table = column.found.notation.unit, spec.notation.unit, column.origin.table
    read = column
    if is_words(column.kind):
        found = numerals(column.text, known=spec.notation)
        if found is not None and found.doubt == "mark":
            raise column.fault(
                f" has {quoted(found.pair[0])} in {table}, whose mark may be that of decimals or of thousands. Write it without "
                "the mark, or as the rows of the fit were"
            )
        if found is None or found.numbers is None:
            raise not_numbers(column, remedy=WAS_NUMBER)
        read = replace(column, values=without(found.numbers, column.found.missing_values)[0])
        unit = found.notation.unit
    if unit and unit != was:
        raise column.fault(
            f" is in {quoted(unit)} in {table}, and was {f'in {quoted(was)}' if was else 'without a unit'} when the fit was "
            "made. Give it as it was then"
        )
    if not (is_number(read.kind) or pa.types.is_boolean(read.kind)):
        raise not_numbers(column, remedy=WAS_NUMBER)
    values = finite_numbers(read)
    if was not in ("%", "‰") or unit:
        return values
    sizes = np.abs(np.nan_to_num(values))
    if 0 < sizes.max(initial=0.0) <= 1:  # 0.12 may be the fraction that is 12%
        value = values[first(sizes > 0)]
        per = f"{value * (100 if was == '%' else 1000):g}{was}"
        raise column.fault(
            f" was in {quoted(was)} when the fit was made, and {column.row(sizes > 0)} has {value:g}, which may be "
            f"{value:g}{was} or the fraction of {per}. Write it with its unit, {quoted(per)} for the fraction"
        )
    return values


def _booleans(spec: Column, column: SourceColumn) -> np.ndarray:
    if is_words(column.kind):
        text = pc.utf8_lower(column.text)
        true, false = (pc.is_in(text, value_set=pa.array(words, pa.large_string())) for words in (TRUE, FALSE))
        known = pc.or_(true, false)
        other = np.asarray(pc.and_(pc.invert(known), text.is_valid()))
        values = np.where(known, np.asarray(true, float), np.nan)
        shown = quoted(column.text[first(other)])
    elif is_number(column.kind) or pa.types.is_boolean(column.kind):
        values = finite_numbers(column)
        other = ~(np.isnan(values) | (values == 0) | (values == 1))
        shown = f"{values[first(other)]:g}"
    else:
        raise unusable(column, remedy="It was true or false when the fit was made")
    if other.any():
        raise column.fault(f" was true or false when the fit was made and is {shown} in {column.row(other)}")
    return values


# ---- categories ----------------------------------------------------------------------------------


def _codes(spec: Column, column: SourceColumn) -> np.ndarray:
    """The place of each value among the levels; one that is none of them is a DataError."""
    if pa.types.is_nested(column.kind):
        raise unusable(column, remedy=WAS_CATEGORY)
    text, levels = column.text, spec.levels
    asked = text
    if spec.casefold or pa.types.is_boolean(column.kind):
        levels, asked = tuple(level.casefold() for level in levels), folded(text)
    codes = pc.index_in(asked, value_set=pa.array(levels, pa.large_string()), skip_nulls=True)
    if is_number(column.kind):
        codes = pc.coalesce(codes, _equal_levels(column.values, spec.levels))
    unseen = np.asarray(pc.and_(codes.is_null(), text.is_valid()))
    if unseen.any() and is_words(column.kind):  # 1.0 for the level 1, or -999.0 where -999 means missing
        plain = pc.and_(pa.array(unseen), pc.match_substring_regex(text, PLAIN))
        numbers = pc.if_else(plain, text, pa.scalar(None, text.type)).cast(pa.float64())
        present, _ = without(numbers, column.found.missing_values)
        codes = pc.coalesce(codes, _equal_levels(present, spec.levels))
        gone = np.asarray(numbers.is_valid()) & np.asarray(present.is_null())
        unseen &= np.asarray(codes.is_null()) & ~gone
    if unseen.any() and pa.types.is_temporal(column.kind):
        raise unusable(column, remedy=WAS_CATEGORY)
    if unseen.any():
        levels = text.filter(pa.array(unseen)).unique().to_pylist()
        said, remedy = unseen_levels(levels, lambda one: column.row(pc.and_(pa.array(unseen), pc.equal(text, one))))
        raise column.fault(f" {said}. {_near(levels[0], spec.levels)}Its levels are {listed(spec.levels)}; {remedy}")
    return codes.cast(pa.float64()).to_numpy().astype(np.float64, copy=False)


def _equal_levels(column: pa.ChunkedArray, levels: tuple[str, ...]) -> pa.Array:
    """The place of the one level that is the number of each row: 7 is `007`, which a column of numbers cannot hold."""
    places: dict[float, list[int]] = {}
    for place, level in enumerate(levels):
        if NUMBER.fullmatch(level):
            places.setdefault(float(level), []).append(place)
    numbers = column.cast(pa.float64(), safe=False).to_pylist()
    return pa.array([found[0] if len(found := places.get(number, ())) == 1 else None for number in numbers], pa.int32())


def folded(text: pa.ChunkedArray) -> pa.ChunkedArray:
    """Text without regard to case."""
    texts, codes = distinct(text)
    words = pa.array([word.casefold() for word in texts.to_pylist()], pa.large_string())
    return pa.chunked_array([words.take(codes)])


def _near(level: str, levels: tuple[str, ...]) -> str:
    """What may have happened to a level that no row had: its leading zeros are gone, or its case is another."""
    padded = [other for other in levels if other != level and other.lstrip("0") == level.lstrip("0") != ""]
    if padded:
        return f"It was {quoted(padded[0])} there: a column of such codes is kept as text. "
    cased = [other for other in levels if other.casefold() == level.casefold()]
    return f'It was {quoted(cased[0])} there; labels="casefold" makes one level of both. ' if cased else ""


# ---- dates ---------------------------------------------------------------------------------------


def _date_values(spec: Column, column: SourceColumn) -> np.ndarray:
    found = read_dates(column, spec.day_first)
    if spec.way == "days":
        if spec.clock is not None and spec.clock != (found.layout == "time"):
            is_, was = ("dates", "times of the day") if spec.clock else ("times of the day", "dates")
            raise column.fault(
                f" holds {is_}, such as {column.shown} in {column.row(column.values.is_valid())}, and held {was} when the fit "
                "was made. Give it as it was then"
            )
        return (found.instant / DAY - spec.start)[:, None]
    every = parts_of(found)
    if lost := sorted(set(spec.parts) - set(every)):
        raise column.fault(f" has no {' or '.join(lost)} in {column.origin.table}, and had when the fit was made")
    return np.column_stack([every[part] for part in spec.parts])


def read_dates(column: SourceColumn, day_first: bool | None) -> Dates:
    """The dates of a column that is to hold them.

    Raises:
        DataError: a value that is none, or that may have the day or the month first.
    """
    found, kind = None, column.kind
    if not (pa.types.is_nested(kind) or pa.types.is_boolean(kind) or pa.types.is_duration(kind)):
        text = column.text if pa.types.is_dictionary(kind) else column.values
        found = dates(text, day_first=day_first, digits=True)
    if found is not None and found.ambiguous:
        raise column.fault(
            f": {quoted(found.ambiguous)} in {column.row(pc.equal(column.text, found.ambiguous))} may have the day or the month "
            f"first. Say which: {option('date', 'days:dayfirst', column.name)}, or monthfirst; parts:dayfirst likewise"
        )
    if found is None or found.strays:
        order = {True: ", the day before the month", False: ", the month before the day", None: ""}
        said = order[None if found is None else found.day_first]
        stray = column.text[first(column.values.is_valid())].as_py() if found is None else found.strays[0]
        raise column.fault(
            f" is to hold dates{said}, and {column.has(stray)}. Correct it, or leave the column out: {column.drop}"
        )
    return found


# ---- errors --------------------------------------------------------------------------------------


def not_numbers(column: SourceColumn, *, remedy: str) -> DataError:
    """The error for a column that must be numbers and is not, with the first value that is none."""
    if not is_words(column.kind):
        return unusable(column, remedy=remedy)
    for text in column.text.to_pylist():
        if text is not None and not NUMBER.fullmatch(text):
            return column.fault(f" must hold numbers and {column.has(text)}. {remedy}")
    return column.fault(
        f" must hold numbers and is text that holds numbers; give it as numbers, as in table[{column.name!r}].astype(float). "
        f"{remedy}"
    )


def unusable(column: SourceColumn, *, remedy: str, what: str = "") -> DataError:
    """The error for a column of dates, lists, bytes and the like; what: it holds, where its type does not say."""
    kind = column.kind
    what = what or next((words for is_of, words in UNUSABLE.items() if is_of(kind)), f"values of type {kind}")
    present = column.values.is_valid()
    return column.fault(
        f" holds {what}, such as {quoted(column.values[first(present)])} in {column.row(present)}; a feature is a number, a "
        f"boolean or a category. {remedy}"
    )


def missing_error(column: SourceColumn, missing: np.ndarray, *, remedy: str) -> DataError:
    """The error for missing values, with their number and the first row; `missing` is a mask [n]."""
    count, row, found = int(missing.sum()), column.row(missing), column.found.words
    words = listed(sorted(found, key=lambda word: -found[word])[:3])
    read_so = f" ({words} {'is' if len(found) == 1 else 'are'} read so)" if words else ""
    where = f"a missing value, in {row}" if count == 1 else f"{count:,} missing values, the first in {row}"
    none = next((word for word in found if word.casefold() == "none"), None)
    level = f"; if {quoted(none)} is a level of its own: {option('missing_values', f'not:{none}')}" if none else ""
    return column.fault(f" has {where}{read_so}. {remedy}{level}")
