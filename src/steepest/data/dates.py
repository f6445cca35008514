"""Dates and times as people write them, and the numbers that they become.

    2016-01-15 · 2016/01/15 · 15.01.2016 · 01/15/2016 · 15 Jan 2016 · January 15, 2016 · 2016-01 · Jan 2016 · 2016-Q1
    each with a time of the day and a zone, or the time alone: 14:30 · 2:30 PM · 14:30:05.25+01:00

A column is recognised where every present value fits one layout. `03/04/2016` may be March or April: the column says
which, where one of its numbers is above 12, and points put the day first; otherwise the caller must ask.

    days     days since the earliest date of the fit's table, with the time as a fraction: one feature, `when`
    parts    `when.year`, and the sine and cosine of each part that comes round: `when.month.sin`, `when.month.cos`
             (January at the angle 0), `.weekday.` (Monday), `.hour.` (midnight, with minutes); a part that is
             constant in the fit's table is left out. They are of the clock on the wall, days are of the instant (UTC).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

DAY = 86_400.0
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
PARTS = {"month": 12, "weekday": 7, "hour": 24}
"""Parts that come round, and after how many."""

_TIME = (
    r"(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2}(?:[.,]\d+)?))?\s*(?P<half>[AaPp]\.?[Mm]\.?)?"
    r"\s*(?P<zone>Z|UTC|GMT|[+-]\d{2}:?(?:\d{2})?)?"
)
_AFTER = rf"(?:(?:T|,?\s+){_TIME})?$"
_WEEKDAY = r"^(?:(?i:mon|tue|wed|thu|fri|sat|sun)[a-z]*\.?,?\s+)?"
_DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?"
_MONTH = r"(?P<month>(?i:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*)\.?"
LAYOUTS = {
    "year-month-day": r"^(?P<year>\d{4})[-/.](?P<month>\d{1,2})[-/.](?P<day>\d{1,2})" + _AFTER,
    "day.month.year": r"^(?P<day>\d{1,2})\.\s?(?P<month>\d{1,2})\.\s?(?P<year>\d{4}|\d{2})" + _AFTER,
    "slashes": r"^(?P<first>\d{1,2})[-/](?P<other>\d{1,2})[-/](?P<year>\d{4}|\d{2})" + _AFTER,
    "day month year": _WEEKDAY + rf"{_DAY}[-\s/]\s*{_MONTH}[-,\s/]\s*(?P<year>\d{{4}}|\d{{2}})" + _AFTER,
    "month day year": _WEEKDAY + rf"{_MONTH}[-\s]\s*{_DAY}(?:,\s*|[-\s]\s*)(?P<year>\d{{4}})" + _AFTER,
    "year month day": rf"^(?P<year>\d{{4}})[-\s]{_MONTH}[-\s](?P<day>\d{{1,2}})" + _AFTER,
    "year-month": r"^(?P<year>\d{4})[-/](?P<month>\d{1,2})$",
    "month/year": r"^(?P<month>\d{1,2})/(?P<year>\d{4})$",
    "month year": rf"^{_MONTH}[-\s/]\s*(?P<year>\d{{4}})$",
    "year month": rf"^(?P<year>\d{{4}})[-\s]{_MONTH}$",
    "quarters": r"^(?P<year>\d{4})[-\s]?[Qq](?P<quarter>[1-4])$",
    "quarter year": r"^[Qq](?P<quarter>[1-4])[-\s/]?(?P<year>\d{4})$",
    "yearmonthday": r"^(?P<year>(?:1[6-9]|2[0-4])\d{2})(?P<month>0[1-9]|1[0-2])(?P<day>0[1-9]|[12]\d|3[01])" + _AFTER,
    "time": rf"^{_TIME}$",
}  # fmt: skip
DIGITS_ONLY = "yearmonthday"
"""A layout that numbers have too: only read where the setting `date` names the column."""


@dataclass(frozen=True)
class Dates:
    """What the values of a column are as dates.

    Attributes:
        instant: [n] float64, seconds since 1970-01-01 UTC (of a time alone, since midnight), NaN where missing.
        wall: [n] the same as the clock on the wall showed it.
        layout: a name in `LAYOUTS`, or "date", "timestamp", "time" of a column that was typed so.
        day_first: of a layout of slashes, which number is the day, False of points where it was said; None where it does not say,
            and `ambiguous` shows a text.
        strays: texts that are no such date.
    """

    instant: np.ndarray
    wall: np.ndarray
    layout: str
    day_first: bool | None = None
    ambiguous: str = ""
    strays: tuple[str, ...] = ()
    share: float = 1.0


def dates(column: pa.ChunkedArray, *, day_first: bool | None = None, digits: bool = False) -> Dates | None:
    """Read a column of dates, of Arrow's types or of trimmed text; None where it holds none.

    Args:
        column: [n]; of text, of numbers (only with `digits`), or temporal.
        day_first: which number of `03/04/2016` is the day, where somebody has said so.
        digits: `20160115` is a date too.

    Example:
        >>> dates(pa.chunked_array([["2016-01-15", "2016-02-01 12:00"]])).instant / DAY
        array([16815. , 16832.5])
    """
    kind = column.type
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind) or pa.types.is_time(kind):
        return _typed(column)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        if not digits:
            return None
        column = column.cast(pa.int64(), safe=False).cast(pa.large_string())
    encoded = column.cast(pa.large_string()).combine_chunks().dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks() if encoded.num_chunks != 1 else encoded.chunk(0)
    texts = encoded.dictionary
    if len(texts) == 0:
        return None
    rows = np.bincount(encoded.indices.drop_null().to_numpy(), minlength=len(texts))
    found = _best_layout(texts, rows, digits)
    if found is None:
        return None
    layout, fields, fits = found
    chosen, ambiguous = day_first, ""
    if layout == "slashes":
        chosen, ambiguous = _order(fields, fits, day_first, texts)
    if layout == "day.month.year" and day_first is False:
        fields["day"], fields["month"] = fields["month"], fields["day"]
    seconds, offset, fits = _seconds(fields, fits, True if chosen is None else chosen)
    if layout != "slashes" and not (layout == "day.month.year" and day_first is False):
        chosen = None
    if not fits.any() and (day_first is None or chosen is None):
        return None
    strays = tuple(texts.filter(pa.array(~fits)).to_pylist())
    share = float(rows[fits].sum() / rows.sum())
    where = encoded.indices.to_numpy(zero_copy_only=False)
    missing = np.asarray(encoded.indices.is_null())
    where = np.where(missing, 0, where).astype(np.int64)
    seconds = np.where(fits, seconds, np.nan)
    wall, instant = (np.where(missing, np.nan, part[where]) for part in (seconds, seconds - offset))
    return Dates(instant, wall, layout, chosen, ambiguous, strays, share)


def _typed(column: pa.ChunkedArray) -> Dates:
    kind = column.type
    missing = np.asarray(column.is_null())
    if pa.types.is_time(kind):
        unit, layout = kind.unit, "time"
        numbers = column.cast(pa.int64() if kind.bit_width == 64 else pa.int32())
    else:
        layout = "date" if pa.types.is_date(kind) else "timestamp"
        unit = "s" if layout == "date" else kind.unit
        numbers = (column.cast(pa.timestamp("s")) if layout == "date" else column).cast(pa.int64())
    per_second = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    instant = _scaled(numbers, per_second, missing)
    wall = instant
    if layout == "timestamp" and kind.tz is not None:
        wall = _scaled(pc.local_timestamp(column).cast(pa.int64()), per_second, missing)
    return Dates(instant, wall, layout)


def _scaled(numbers: pa.ChunkedArray, per_second: int, missing: np.ndarray) -> np.ndarray:
    whole = numbers.fill_null(0).to_numpy().astype(np.int64)
    return np.where(missing, np.nan, whole // per_second + (whole % per_second) / per_second)


def _best_layout(
    texts: pa.Array, rows: np.ndarray, digits: bool
) -> tuple[str, dict[str, np.ndarray], np.ndarray] | None:
    """The layout that most rows fit, its fields, and which texts fit."""
    first = texts.slice(0, 200)
    best, most = None, 0
    for layout, pattern in LAYOUTS.items():
        if layout == DIGITS_ONLY and not digits:
            continue
        if not pc.any(pc.match_substring_regex(first, pattern)).as_py():
            continue
        fits = np.asarray(pc.match_substring_regex(texts, pattern))
        count = int(rows[fits].sum())
        if count > most:
            best, most = (layout, pattern, fits), count
    if best is None:
        return None
    layout, pattern, fits = best
    parts = pc.extract_regex(texts, pattern)
    names = [parts.type.field(i).name for i in range(parts.type.num_fields)]
    return layout, {name: np.asarray(parts.field(name).fill_null("").to_pylist(), object) for name in names}, fits


def _order(
    fields: dict[str, np.ndarray], fits: np.ndarray, day_first: bool | None, texts: pa.Array
) -> tuple[bool | None, str]:
    """Whether the first number is the day: as was said, else as the column shows; else None and a text that may be both."""
    if day_first is not None:
        return day_first, ""
    first, other = (_whole(fields[name])[fits] for name in ("first", "other"))
    if (first > 12).any() != (other > 12).any():
        return bool((first > 12).any()), ""
    if (first > 12).any() or (first == other).all():
        return None, ""
    return None, texts[int(np.flatnonzero(fits)[0])].as_py()


def _whole(parts: np.ndarray) -> np.ndarray:
    return np.array([int(part) if part else 0 for part in parts], np.int64)


def _seconds(
    fields: dict[str, np.ndarray], fits: np.ndarray, day_first: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Seconds on the wall since 1970 and the zone's offset, for each text, and which texts are real dates."""
    size = len(fits)
    zero = np.zeros(size, np.int64)
    seconds, fits = np.zeros(size), fits.copy()
    if "year" in fields:
        year = _whole(fields["year"])
        short = np.array([len(part) == 2 for part in fields["year"]], bool)
        year = np.where(short, year + np.where(year < 69, 2000, 1900), year)
        if "first" in fields:
            first, other = _whole(fields["first"]), _whole(fields["other"])
            day, month = (first, other) if day_first else (other, first)
        else:
            day = _whole(fields["day"]) if "day" in fields else zero + 1
            month = _months(fields)
        fits &= (month >= 1) & (month <= 12) & (day >= 1) & (day <= 31)
        start = (np.clip(year, 1, 9999) - 1970) * 12 + np.clip(month, 1, 12) - 1
        days = start.astype("M8[M]").astype("M8[D]").astype(np.int64) + day - 1
        fits &= days.astype("M8[D]").astype("M8[M]").astype(np.int64) == start  # no 31 April
        seconds += days * DAY
    offset = np.zeros(size)
    if "hour" in fields:
        hour, minute = _whole(fields["hour"]), _whole(fields["minute"])
        second = np.array([float(part.replace(",", ".")) if part else 0.0 for part in fields["second"]])
        half = np.array([part[:1].lower() for part in fields["half"]], object)
        fits &= (hour <= 24) & (minute < 60) & (second < 61) & ((half == "") | ((hour >= 1) & (hour <= 12)))
        hour = np.where(half == "", hour, hour % 12 + 12 * (half == "p"))
        seconds += hour * 3600.0 + minute * 60.0 + second
        offset = np.array([_offset(zone) for zone in fields["zone"]])
    return seconds, offset, fits


def _months(fields: dict[str, np.ndarray]) -> np.ndarray:
    if "quarter" in fields:
        return 3 * _whole(fields["quarter"]) - 2
    parts = fields["month"]
    if any(part[:1].isalpha() for part in parts):
        return np.array([MONTHS.index(part[:3].lower()) + 1 if part else 0 for part in parts], np.int64)
    return _whole(parts)


def _offset(zone: str) -> float:
    if zone[:1] not in ("+", "-") or not zone:
        return 0.0
    digits = zone[1:].replace(":", "").ljust(4, "0")
    return (1.0 if zone[0] == "+" else -1.0) * (int(digits[:2]) * 3600 + int(digits[2:]) * 60)


# ---- the numbers they become ---------------------------------------------------------------------


def first_day(found: Dates) -> float:
    """Days from 1970-01-01 UTC to the midnight before the earliest date, on the clock that the dates were told by."""
    first = int(np.nanargmin(found.instant))
    return float(found.instant[first] - found.wall[first] % DAY) / DAY


def parts_of(found: Dates) -> dict[str, np.ndarray]:
    """Every part of the dates: `year`, `month.sin`, …, each [n] float64 with NaN where missing."""
    wall, missing = np.where(np.isnan(found.wall), 0.0, found.wall), np.isnan(found.wall)
    days = np.floor(wall / DAY).astype(np.int64)
    months = days.astype("M8[D]").astype("M8[M]").astype(np.int64)
    numbers = {"year": 1970.0 + months // 12}
    clock = {"month": months % 12, "weekday": (days + 3) % 7, "hour": (wall - days * DAY) / 3600.0}
    for name, turn in clock.items():
        angle = 2.0 * np.pi * turn / PARTS[name]
        numbers |= {f"{name}.sin": np.sin(angle), f"{name}.cos": np.cos(angle)}
    if found.layout == "time":
        numbers = {name: values for name, values in numbers.items() if name.startswith("hour")}
    elif found.layout in ("year-month", "month/year", "month year", "year month", "quarters", "quarter year"):
        numbers = {name: values for name, values in numbers.items() if name.startswith(("year", "month"))}
    return {name: np.where(missing, np.nan, values) for name, values in numbers.items()}


def varying(parts: dict[str, np.ndarray]) -> tuple[str, ...]:
    """The parts that differ between rows; of a sine and cosine both or none."""
    moves = {name: bool(np.nanmax(values) > np.nanmin(values)) for name, values in parts.items()}
    turns = {name.split(".")[0] for name, moving in moves.items() if moving}
    return tuple(name for name in parts if name.split(".")[0] in turns)
