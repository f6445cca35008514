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
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from steepest.data.arrow_columns import distinct, is_date, is_number

DAY = 86_400.0
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
PARTS = {"month": 12, "weekday": 7, "hour": 24}  # parts that come round, and after how many

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
    "day.month.year": r"^(?P<first>\d{1,2})\.\s?(?P<other>\d{1,2})\.\s?(?P<year>\d{4}|\d{2})" + _AFTER,
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
DIGITS_ONLY = "yearmonthday"  # a layout that numbers have too: only read where the setting `date` names the column


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
    if is_date(kind):
        return _typed(column)
    if is_number(kind):
        if not digits:
            return None
        column = column.cast(pa.int64(), safe=False).cast(pa.large_string())
    texts, codes = distinct(column.cast(pa.large_string()))
    rows = np.bincount(codes.drop_null().to_numpy(), minlength=len(texts))
    layout = _best_layout(texts, rows, digits)
    if layout is None:
        return None
    fields = pc.extract_regex(texts, LAYOUTS[layout]).to_pylist()
    order, ambiguous = None, ""
    if layout == "slashes":
        order, ambiguous = (day_first, "") if day_first is not None else _order(fields, texts)
    elif layout == "day.month.year" and day_first is False:
        order = False
    found = [_seconds(one, order is not False) if one else (np.nan, np.nan) for one in fields]
    wall, instant = np.array([*found, (np.nan, np.nan)]).T
    fits = ~np.isnan(wall[:-1])
    if not fits.any() and (day_first is None or order is None):
        return None
    place = codes.fill_null(len(texts)).to_numpy()
    strays = tuple(texts.filter(pa.array(~fits)).to_pylist())
    return Dates(instant[place], wall[place], layout, order, ambiguous, strays, float(rows[fits].sum() / rows.sum()))


def _typed(column: pa.ChunkedArray) -> Dates:
    kind = column.type
    layout = "date" if pa.types.is_date(kind) else "time" if pa.types.is_time(kind) else "timestamp"
    stamps = column.cast(pa.timestamp("s")) if layout == "date" else column
    instant = _seconds_of(stamps)
    return Dates(instant, _seconds_of(pc.local_timestamp(stamps)) if getattr(kind, "tz", None) else instant, layout)


def _seconds_of(column: pa.ChunkedArray) -> np.ndarray:
    """Timestamps or times as seconds, `[n]` float64, NaN where missing."""
    per_second = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[column.type.unit]
    units = column.cast(pa.int64() if column.type.bit_width == 64 else pa.int32()).fill_null(0)
    whole = units.to_numpy().astype(np.int64)
    return np.where(column.is_null(), np.nan, whole // per_second + (whole % per_second) / per_second)


def _best_layout(texts: pa.Array, rows: np.ndarray, digits: bool) -> str | None:
    """The layout that most rows fit."""
    some, best, most = texts.slice(0, 200), None, 0
    for layout, pattern in LAYOUTS.items():
        if (layout == DIGITS_ONLY and not digits) or not pc.any(pc.match_substring_regex(some, pattern)).as_py():
            continue
        fitting = int(rows[np.asarray(pc.match_substring_regex(texts, pattern))].sum())
        if fitting > most:
            best, most = layout, fitting
    return best


def _order(fields: list[dict[str, str] | None], texts: pa.Array) -> tuple[bool | None, str]:
    """Whether the first number is the day, as the column shows; else None, and a text that may be both."""
    first, other = (np.array([int(one[name]) for one in fields if one]) for name in ("first", "other"))
    if (first > 12).any() != (other > 12).any():
        return bool((first > 12).any()), ""
    if (first > 12).any() or (first == other).all():
        return None, ""
    return None, texts[next(at for at, one in enumerate(fields) if one)].as_py()


def _seconds(fields: dict[str, str], day_first: bool) -> tuple[float, float]:
    """Seconds on the wall since 1970, and since 1970 UTC; NaN where it is no real date, such as 31 April."""
    wall = 0.0
    if "year" in fields:
        year = int(fields["year"])
        if "first" in fields:
            day, month = (int(fields[name]) for name in (("first", "other") if day_first else ("other", "first")))
        else:
            day, month = int(fields.get("day", 1)), _month(fields)
        if len(fields["year"]) == 2:
            year += 2000 if year < 69 else 1900
        try:
            wall = (date(year, month, day) - date(1970, 1, 1)).days * DAY
        except ValueError:
            return np.nan, np.nan
    if not fields.get("hour"):
        return wall, wall
    hour, minute, half = int(fields["hour"]), int(fields["minute"]), fields["half"][:1].lower()
    second = float(fields["second"].replace(",", ".") or 0)
    if hour > 24 or minute > 59 or second >= 61 or (half and not 1 <= hour <= 12):
        return np.nan, np.nan
    hour = hour % 12 + 12 * (half == "p") if half else hour
    wall += hour * 3600.0 + minute * 60.0 + second
    return wall, wall - _offset(fields["zone"])


def _month(fields: dict[str, str]) -> int:
    if "quarter" in fields:
        return 3 * int(fields["quarter"]) - 2
    month = fields["month"]
    return int(month) if month.isdigit() else MONTHS.index(month[:3].lower()) + 1


def _offset(zone: str) -> float:
    """Seconds that a zone is before UTC."""
    if zone[:1] not in ("+", "-") or not zone:
        return 0.0
    digits = zone[1:].replace(":", "").ljust(4, "0")
    return (1.0 if zone[0] == "+" else -1.0) * (int(digits[:2]) * 3600 + int(digits[2:]) * 60)


# ---- the numbers they become ---------------------------------------------------------------------


def first_day(found: Dates) -> float:
    """Days from 1970-01-01 UTC to the midnight before the earliest date, on the clock of the dates."""
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
