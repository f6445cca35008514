"""One source column and the features that it becomes: decided once, applied to the fit's rows and to new ones alike.

    number      itself                                          size
    boolean     0 and 1                                         sold
    category    an indicator of each level but the first        city=Oslo, city=Rome
    date        days since a date, or its parts (dates.py)      when · when.year, when.month.sin, when.month.cos, …

With `own_missing` a missing value is something of its own: for a category one more level (`city=missing`); for the others
one more feature, `size is missing`, which is 1 where the value is missing, beside the mean in its place.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from steepest.data.arrow_columns import distinct, first, is_number, is_words, text_of
from steepest.data.columns import Found, without
from steepest.data.dates import DAY, Dates, dates, parts_of
from steepest.data.files import Origin
from steepest.data.in_memory import LARGEST
from steepest.data.numbers import AS_PYTHON, NUMBER, PLAIN, Notation, numerals
from steepest.data.wording import listed, option, quoted
from steepest.errors import DataError

WAS_CATEGORY = "It was a category when the fit was made"
TRUE, FALSE = ("true", "1", "1.0"), ("false", "0", "0.0")


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
        casefold: levels are told apart without regard to case.
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
        return self.kind in ("category", "date") or not self.notation.plain


def encode(spec: Column, column: pa.ChunkedArray, found: Found, origin: Origin, x: np.ndarray, intercept: bool) -> int:
    """Write the features of a column into x: [n, k], k of them, in their order.

    Returns:
        In how many rows the value is missing.

    Raises:
        DataError: a value that the fit's column cannot have, or a missing one where nothing stands in for it.
    """
    values = column_values(spec, column, found, origin)
    missing = np.isnan(values[:, 0])
    if missing.any() and spec.fill is None and not (spec.own_missing and spec.kind == "category"):
        raise missing_error(spec.name, missing, origin, found, remedy="Fill the value, or leave the row out")
    if spec.kind == "category":
        code = (
            len(spec.levels) if spec.own_missing else spec.levels.index(spec.fill) if isinstance(spec.fill, str) else 0
        )
        codes = np.where(missing, code, values[:, 0])
        for position in range(x.shape[1]):
            x[:, position] = codes == position + (1 if intercept else 0)
        return int(missing.sum())
    if missing.any():
        values = np.where(missing[:, None], np.asarray(spec.fill, float), values)
    x[:, : values.shape[1]] = values
    if spec.own_missing:
        x[:, -1] = missing
    return int(missing.sum())


def column_values(spec: Column, column: pa.ChunkedArray, found: Found, origin: Origin) -> np.ndarray:
    """Numbers, 0/1, codes of the levels, days or parts: [n, k] float64, NaN where missing."""
    if pa.types.is_null(column.type):
        return np.full((len(column), len(spec.parts) if spec.way == "parts" else 1), np.nan)
    if spec.kind == "category":
        return _codes(spec, column, found, origin)[:, None]
    if spec.kind == "date":
        return _date_values(spec, column, origin)
    if spec.kind == "boolean":
        return _booleans(spec, column, origin)[:, None]
    return _numbers(spec, column, found, origin)[:, None]


# ---- numbers -------------------------------------------------------------------------------------


EXACT = 2.0**53
"""Up to here every whole number is a float64."""


def _check_distinct(name: str, column: pa.ChunkedArray, values: np.ndarray) -> None:
    """Raise DataError where different whole numbers are the same float64."""
    before, after = pc.count_distinct(column).as_py(), len(np.unique(values[~np.isnan(values)]))
    if after < before:
        raise DataError(
            f"column {quoted(name)} has {before:,} different whole numbers, such as {column.drop_null()[0]}, of which float64 "
            f"can tell only {after:,} apart. Subtract their least first, or leave the column out: {option('drop', name)}"
        )


def finite_numbers(name: str, column: pa.ChunkedArray, origin: Origin) -> np.ndarray:
    """The numbers of a column, [n] float64 with NaN where missing; infinite and huge ones are a DataError."""
    values = column.cast(pa.float64(), safe=False).to_numpy().astype(np.float64, copy=False)
    if pa.types.is_integer(column.type) and np.nanmax(np.abs(values), initial=0.0) > EXACT:
        _check_distinct(name, column, values)
    beyond = np.abs(values) > LARGEST
    if beyond.any():
        index = first(beyond)
        what = "an infinite value" if np.isinf(values[index]) else "a value whose square is no finite number"
        raise DataError(
            f"column {quoted(name)} has {what}, {values[index]:g}, in {origin.row(index)}. "
            f"Correct it, make it missing (an empty field), or leave the column out: {option('drop', name)}"
        )
    return values


def _numbers(spec: Column, column: pa.ChunkedArray, found: Found, origin: Origin) -> np.ndarray:
    remedy = f"It was a {spec.kind} when the fit was made"
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.uint8())
    unit = found.notation.unit
    if is_words(column.type):
        text = text_of(column)
        read = numerals(text, known=spec.notation)
        if read is not None and read.doubt == "mark":
            raise DataError(
                f"column {quoted(spec.name)} has {quoted(read.pair[0])} in {origin.table}, whose mark may be that of decimals or "
                "of thousands. Write it without the mark, or as the rows of the fit were"
            )
        if read is None or read.numbers is None:
            raise not_numbers(spec.name, column, origin, remedy=remedy)
        column, unit = without(read.numbers, found.missing_values)[0], read.notation.unit
    if unit and unit != spec.notation.unit:
        was = f"in {quoted(spec.notation.unit)}" if spec.notation.unit else "without a unit"
        raise DataError(
            f"column {quoted(spec.name)} is in {quoted(unit)} in {origin.table}, and was {was} when the fit was made. "
            "Give it as it was then"
        )
    if not is_number(column.type):
        raise not_numbers(spec.name, column, origin, remedy=remedy)
    values = finite_numbers(spec.name, column, origin)
    if not unit and spec.notation.unit in ("%", "‰"):
        _check_not_fractions(spec, values, origin)
    return values


def _check_not_fractions(spec: Column, values: np.ndarray, origin: Origin) -> None:
    """Raise DataError where numbers without a unit, for a column in per cent, may be fractions: 0.12 for 12%."""
    if np.nanmax(np.abs(values), initial=0.0) > 1 or not np.nansum(np.abs(values)) > 0:
        return
    index, unit = first(np.abs(np.nan_to_num(values)) > 0), spec.notation.unit
    many = 100 if unit == "%" else 1000
    raise DataError(
        f"column {quoted(spec.name)} was in {quoted(unit)} when the fit was made, and {origin.row(index)} has "
        f"{values[index]:g}, which may be {values[index]:g}{unit} or the fraction of {values[index] * many:g}{unit}. Write it "
        f"with its unit, {quoted(f'{values[index] * many:g}{unit}')} for the fraction"
    )


def _booleans(spec: Column, column: pa.ChunkedArray, origin: Origin) -> np.ndarray:
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.uint8())
    if is_number(column.type):
        values = finite_numbers(spec.name, column, origin)
        other = ~(np.isnan(values) | (values == 0) | (values == 1))
        shown = f"{values[first(other)]:g}"
    elif is_words(column.type):
        text = pc.utf8_lower(text_of(column))
        true, false = (
            np.asarray(pc.is_in(text, value_set=pa.array(words, pa.large_string()))) for words in (TRUE, FALSE)
        )
        missing = np.asarray(text.is_null())
        values = np.where(missing, np.nan, true.astype(float))
        other = ~(missing | true | false)
        shown = quoted(text_of(column)[first(other)])
    else:
        raise unusable(spec.name, column, origin, remedy="It was true or false when the fit was made")
    if other.any():
        raise DataError(
            f"column {quoted(spec.name)} was true or false when the fit was made and is {shown} "
            f"in {origin.row(first(other))}"
        )
    return values


# ---- categories ----------------------------------------------------------------------------------


def _codes(spec: Column, column: pa.ChunkedArray, found: Found, origin: Origin) -> np.ndarray:
    """The place of each value among the levels; one that is none of them is a DataError."""
    if pa.types.is_nested(column.type):
        raise unusable(spec.name, column, origin, remedy=WAS_CATEGORY)
    text = text_of(column)
    levels, asked = spec.levels, text
    if spec.casefold or pa.types.is_boolean(column.type):
        levels, asked = tuple(level.casefold() for level in levels), folded(text)
    codes = pc.index_in(asked, value_set=pa.array(levels, pa.large_string()), skip_nulls=True)
    if is_number(column.type):
        codes = pc.coalesce(codes, _equal_levels(column, spec.levels))
    unseen = np.asarray(pc.and_(codes.is_null(), text.is_valid()))
    if unseen.any() and (is_words(column.type)):  # 1.0 for the level 1, or -999.0 where -999 means missing
        numbers = _plain_numbers(text, unseen)
        present, _ = without(numbers, found.missing_values)
        codes = pc.coalesce(codes, _equal_levels(present, spec.levels))
        gone = np.asarray(numbers.is_valid()) & np.asarray(present.is_null())
        unseen &= np.asarray(codes.is_null()) & ~gone
    if unseen.any() and pa.types.is_temporal(column.type):
        raise unusable(spec.name, column, origin, remedy=WAS_CATEGORY)
    if unseen.any():
        index = first(unseen)
        raise DataError(
            f"column {quoted(spec.name)} has the level {quoted(text[index])} in {origin.row(index)}, "
            f"which no row had when the fit was made. {_near(text[index].as_py(), spec.levels)}"
            f"Its levels are {listed(spec.levels)}; correct the row or leave it out"
        )
    return codes.cast(pa.float64()).to_numpy().astype(np.float64, copy=False)


def _plain_numbers(text: pa.ChunkedArray, rows: np.ndarray) -> pa.ChunkedArray:
    """The numbers in these rows of text, as Python writes them; null elsewhere."""
    plain = pc.and_(pa.array(rows), pc.match_substring_regex(text, PLAIN))
    return pc.if_else(plain, text, pa.scalar(None, text.type)).cast(pa.float64())


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


def _date_values(spec: Column, column: pa.ChunkedArray, origin: Origin) -> np.ndarray:
    found = None if pa.types.is_boolean(column.type) or pa.types.is_nested(column.type) else read_dates(spec, column)
    if found is None or found.strays or found.ambiguous:
        raise not_dates(spec.name, column, found, origin)
    if spec.way == "days":
        if spec.clock is not None and spec.clock != (found.layout == "time"):
            is_, was = ("dates", "times of the day") if spec.clock else ("times of the day", "dates")
            index = first(column.is_valid())
            raise DataError(
                f"column {quoted(spec.name)} holds {is_}, such as {quoted(text_of(column)[index].as_py())} in "
                f"{origin.row(index)}, and held {was} when the fit was made. Give it as it was then"
            )
        return (found.instant / DAY - spec.start)[:, None]
    every = parts_of(found)
    if not set(spec.parts) <= set(every):
        raise DataError(
            f"column {quoted(spec.name)} has no {' or '.join(sorted(set(spec.parts) - set(every)))} in {origin.table}, and "
            "had when the fit was made"
        )
    return np.column_stack([every[part] for part in spec.parts])


def read_dates(spec: Column, column: pa.ChunkedArray) -> Dates | None:
    """The dates of a column, the day first where the fit had it so."""
    if pa.types.is_dictionary(column.type):
        column = text_of(column)
    return dates(column, day_first=spec.day_first, digits=True)


def not_dates(name: str, column: pa.ChunkedArray, found: Dates | None, origin: Origin) -> DataError:
    """The error for a column that was said to hold dates, with the value that is none."""
    text = text_of(column)
    if found is not None and found.ambiguous:
        index = first(pc.equal(text, found.ambiguous))
        return DataError(
            f"column {quoted(name)}: {quoted(found.ambiguous)} in {origin.row(index)} may have the day or the month first. "
            f"Say which: {option('date', 'days:dayfirst', name)}, or monthfirst; parts:dayfirst likewise"
        )
    stray = None if found is None else found.strays[0]
    index = first(text.is_valid() if stray is None else pc.equal(text, stray))
    order = {True: ", the day before the month", False: ", the month before the day", None: ""}
    said = order[None if found is None else found.day_first]
    return DataError(
        f"column {quoted(name)} is to hold dates{said}, and {origin.row(index)} has {quoted(text[index].as_py())}. Correct it, "
        f"or leave the column out: {option('drop', name)}"
    )


# ---- errors --------------------------------------------------------------------------------------


def not_numbers(name: str, column: pa.ChunkedArray, origin: Origin, *, remedy: str) -> DataError:
    """The error for a column that must be numbers and is not, with the first value that is none."""
    if is_words(column.type):
        for index, text in enumerate(text_of(column).to_pylist()):
            if text is not None and not NUMBER.fullmatch(text):
                place = f"{origin.row(index)} has {quoted(text)}"
                return DataError(f"column {quoted(name)} must hold numbers and {place}. {remedy}")
        return DataError(
            f"column {quoted(name)} must hold numbers and is text that holds numbers; give it as numbers, as in "
            f"table[{name!r}].astype(float). {remedy}"
        )
    return unusable(name, column, origin, remedy=remedy)


def unusable(name: str, column: pa.ChunkedArray, origin: Origin, *, remedy: str, what: str = "") -> DataError:
    """The error for a column of dates, lists, bytes and the like; what: it holds, where its type does not say."""
    kind = column.type
    if what:
        pass
    elif pa.types.is_temporal(kind):
        what = "durations" if pa.types.is_duration(kind) else "times" if pa.types.is_time(kind) else "dates"
    elif pa.types.is_nested(kind):
        what = "lists or records"
    elif pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
        what = "bytes"
    else:
        what = f"values of type {kind}"
    index = next((position for position, value in enumerate(column) if value.is_valid), 0)
    return DataError(
        f"column {quoted(name)} holds {what}, such as {quoted(column[index])} in {origin.row(index)}; "
        f"a feature is a number, a boolean or a category. {remedy}"
    )


def missing_error(name: str, missing: np.ndarray, origin: Origin, found: Found, *, remedy: str) -> DataError:
    """The error for missing values, with their number and the first row; `missing` is a mask [n]."""
    count = int(missing.sum())
    row = origin.row(first(missing))
    words = listed(sorted(found.words, key=lambda word: -found.words[word])[:3])
    read_so = f" ({words} {'is' if len(found.words) == 1 else 'are'} read so)" if words else ""
    where = f"a missing value, in {row}" if count == 1 else f"{count:,} missing values, the first in {row}"
    back = [word for word in found.words if word.casefold() == "none"]
    level = (
        f"; if {quoted(back[0])} is a level of its own: {option('missing_values', f'not:{back[0]}')}" if back else ""
    )
    return DataError(f"column {quoted(name)} has {where}{read_so}. {remedy}{level}")
