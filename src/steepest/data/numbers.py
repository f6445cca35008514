"""Numbers as people write them: `1,234.5`, `1.234,5 €`, `(12.5)`, `10-`, `−10`, `12%`, `3 km`.

    text ──one regular expression──▶ sign, unit, digits and marks ──one notation for the column──▶ float64

A column is read where it is unmistakable: every present value fits one notation (a decimal mark, a mark between
groups of digits, one unit), and no other notation that fits gives other numbers. So `1,5` has a decimal comma and
`1,234,567` and `1,234.5` group by commas, whatever stands elsewhere; `1,234` could be either, and is decided by

1. the setting, `decimal=` or `thousands=`;
2. the column: where `1,000` stands beside `850`, and no whole number of four digits is written without the comma,
   the comma groups (nobody writes 1.000 with three decimals and 850 with none);
3. the file: the decimal mark of its other columns, and in a file delimited by commas the point.

Where none of them decides, the column is in doubt and the caller asks. A unit is kept: `12%` is 12, in `%`. A zero
needs none. A word between numbers, a second unit or a second notation leaves the column in doubt too.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from steepest.data.arrow_columns import distinct, first

SPACES = " \u00a0\u2007\u2008\u2009\u202f"
MINUS = "\\-\u2010\u2011\u2012\u2013\u2212\ufe63\uff0d"
APOSTROPHES = "'\u2019\u02bc"
CODES = (
    "USD EUR GBP JPY CHF CAD AUD NZD CNY RMB INR SEK NOK DKK PLN CZK HUF RUB TRY BRL MXN ZAR KRW SGD HKD THB IDR MYR "
    "PHP ILS AED SAR NGN KES EGP ARS CLP COP PEN UAH RON BGN ISK BTC ETH"
)
WORDS_OF_MONEY = "Rs kr Kr KR zł Fr SFr Fr"
"""What stands before a number as the unit of money, besides the signs of currency themselves."""

MEASURES = (
    "mm cm dm m km in ft yd mi inch inches mile miles feet foot metre metres meter meters nm µm μm um "
    "mg g kg t lb lbs oz µg μg ug ton tons tonne tonnes st ms s sec secs min mins h hr hrs hour hours day days d wk wks "
    "week weeks mo month months y yr yrs year years ml mL cl dl l L litre litres liter liters gal m² m2 km² km2 ft² ft2 "
    "m³ m3 cm³ cm3 ha ac acre acres km/h kmh kph mph m/s kn knots °C °F °c °f ° kB KB MB GB TB kb Mb Gb kW MW W hp HP "
    "kWh MWh kcal cal kJ MJ Hz kHz MHz GHz % ‰ pct percent ppm ppb bar mbar hPa kPa Pa psi V mV mA k K M m bn B mn mio Mio "
    "tsd mrd Mrd thousand million billion c ct cents cent dollar dollars euro euros pound pounds"
)
_CODES, _MEASURES = set(CODES.split()) | set(WORDS_OF_MONEY.split()), set(MEASURES.split())
POINT_MONEY = "$ US$ A$ C$ CA$ AU$ NZ$ HK$ S$ £ ¥ ₹ Rs ₱ ฿ ₩ ₪ ₦ USD GBP JPY CNY INR CAD AUD NZD HKD SGD THB PHP ILS"
"""Money whose amounts are written with a decimal point."""

NO_UNIT = {"st", "nd", "rd", "th", "am", "pm", "e", "E", "or", "and", "to", "of"}

_s, _sign = f"[{SPACES}]*", f"[+{MINUS}]"
_money = "|".join(sorted(_CODES, key=len, reverse=True))
NUMERAL = (
    rf"^{_s}(?P<open>\()?{_s}(?P<sign>{_sign})?{_s}(?P<before>[A-Za-z]{{0,3}}\p{{Sc}}|(?:{_money})\.?)?{_s}(?P<open2>\()?"
    rf"(?P<sign2>{_sign})?{_s}(?P<body>[.,]?\d(?:[\d.,_{APOSTROPHES}{SPACES}]*[\d.,])?)(?P<power>[eE]{_sign}?\d+)?"
    rf"{_s}(?P<after>(?:sq|square|cu|cubic|fl|per)\.? \p{{L}}+\.?|"
    rf"[\p{{L}}\p{{Sc}}%‰°µ][\p{{L}}\p{{Sc}}%°²³µ/.23]*)?{_s}(?P<sign3>[{MINUS}])?{_s}(?P<close>\))?{_s}$"
)
UNIT = re.compile(r"(?:%|‰|°|[^\W\d_]|[$£€¥₹₽₩₪₫₱฿₴₦₿¢])(?:[^\W\d_]|[%°²³µ/.$£€¥₹]|(?<=[mt])[23](?![23]))*")
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?(inf|infinity|nan)", re.IGNORECASE)
PLAIN = r"^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$"  # a number as Python writes it; a regular expression of Arrow's
WHOLE, PADDED = r"^[+-]?\d+$", r"^0\d+$"  # a whole number; one with a leading zero, as codes have

MARKS = {"": "", ",": ",", ".": ".", " ": SPACES, "'": APOSTROPHES, "_": "_"}
"""The marks between groups of digits, and the characters that each stands for."""
_GROUPED = {
    mark: r"\d+" + (rf"|[1-9]\d{{0,2}}(?:[{signs}]\d{{3}})+" if signs else "") for mark, signs in MARKS.items()
} | {",": r"\d+|[1-9]\d{0,2}(?:,\d{3})+|[1-9]\d?(?:,\d{2})+,\d{3}"}
"""Whole numbers by the mark between their groups: of thousands, and after an Indian fashion 1,00,000."""


@dataclass(frozen=True)
class Notation:
    """How the numbers of a column are written: decimal mark, mark between groups of digits, unit."""

    decimal: str = "."
    thousands: str = ""
    unit: str = ""


AS_PYTHON = Notation()  # as Python writes them


@dataclass(frozen=True)
class Numerals:
    """What the texts of a column are as numbers.

    Attributes:
        numbers: [n] int64 or float64, null where missing; None where the column is in doubt.
        notation: of the column; where it is in doubt, of most of its values.
        doubt: "" (read), "mark" (a mark that may part decimals or thousands), "units" (two of them), "given" (numbers that do
            not fit the marks that were given) or "strays".
        pair: in doubt of units, two texts that show it; of a mark, one text; of those given, a text, a setting and its mark.
        strays: the texts that are no such numbers.
        rows, different: how many rows hold such numbers, and how many different ones.
        whole: none of them has decimals. padded: one has a leading zero (`02134`), as codes have.
        example: the first text that Python would not read, and its number.
    """

    numbers: pa.ChunkedArray | None
    notation: Notation = AS_PYTHON
    doubt: str = ""
    pair: tuple[str, ...] = ()
    strays: tuple[str, ...] = ()
    rows: int = 0
    different: int = 0
    whole: bool = False
    padded: bool = False
    example: tuple[str, float] | None = None


@dataclass
class _Parts:
    """The different texts of a column, taken apart: arrays over them, and how many rows have each."""

    texts: pa.Array
    rows: np.ndarray
    matched: np.ndarray
    body: pa.Array
    power: pa.Array
    negative: np.ndarray
    units: list[str | None]
    unit: np.ndarray  # of each text, a place in `units`


def numerals(
    text: pa.ChunkedArray, *, decimal: str | None = None, thousands: str | None = None, file_decimal: str | None = None,
    known: Notation | None = None,
) -> Numerals | None:  # fmt: skip
    """Read a column of trimmed text as numbers.

    Args:
        text: [n] large_string; null where missing.
        decimal, thousands: the settings, where given.
        file_decimal: the decimal mark that the rest of the file shows; "?" where a file that may have either shows none.
        known: the notation of the fit that these rows are new to; only a text that it cannot be is read by another.

    Returns:
        Numerals, in doubt or not; None where the column holds words.

    Example:
        >>> found = numerals(pa.chunked_array([["(1,234.5)", "850"]], pa.large_string()))
        >>> found.numbers.to_pylist(), found.notation
        ([-1234.5, 850.0], Notation(decimal='.', thousands=',', unit=''))
    """
    texts, codes = distinct(text)
    if len(texts) == 0 or not _may_be_numbers(texts):
        return None
    counted = np.bincount(codes.drop_null().to_numpy(), minlength=len(texts))
    parts = _taken_apart(texts, counted)
    if not parts.matched.any():
        return None
    unit, mixed = _one_unit(parts, known.unit if known else None)
    if mixed:
        return Numerals(None, Notation(unit=unit), "units", mixed, rows=int(counted[parts.matched].sum()))
    reading = _one_notation(parts, decimal, thousands, file_decimal, known)
    if decimal is not None or thousands is not None:
        text = _unfitting(parts, None if reading is None else reading[2])
        if text is not None:
            setting, sign = ("decimal", decimal) if decimal is not None else ("thousands", thousands)
            return Numerals(None, Notation(unit=unit), "given", (text, setting, str(sign)))
    if reading is None:
        return None
    mark, separator, fits, sure = reading
    notation = Notation(mark, separator, unit)
    values, whole = _values(parts, fits, mark, separator)
    found = {
        "notation": notation,
        "rows": int(counted[fits].sum()),
        "different": len(np.unique(values[fits])),
        "whole": whole,
        "padded": bool(pc.any(pc.match_substring_regex(texts.filter(pa.array(fits)), PADDED)).as_py()),
    }
    if not fits.all():
        return Numerals(None, doubt="strays", strays=tuple(texts.filter(pa.array(~fits)).to_pylist()), **found)
    if not sure:
        shown = texts[first(_like(parts.body, "[.,]"))].as_py()
        return Numerals(None, doubt="mark", pair=(shown,), **found)
    odd = np.flatnonzero(~_like(texts, PLAIN if separator != "." else WHOLE))
    example = (texts[int(odd[0])].as_py(), float(values[odd[0]])) if len(odd) else None
    column = pa.array(values).take(codes)
    if whole and np.abs(values).max() < 2**53:
        column = column.cast(pa.int64())
    return Numerals(pa.chunked_array([column]), example=example, **found)


def _unfitting(parts: _Parts, fits: np.ndarray | None) -> str | None:
    """A text that is a number in the notation of most rows, and none with the marks that were given."""
    free = _one_notation(parts, None, None, None, None)
    if free is None or 2 * int(parts.rows[free[2]].sum()) < int(parts.rows.sum()):
        return None
    beside = free[2] if fits is None else free[2] & ~fits
    return parts.texts[first(beside)].as_py() if beside.any() else None


def _may_be_numbers(texts: pa.Array) -> bool:
    """A quick no for words: of the first different texts hardly any matches."""
    some = texts.slice(0, 2_000)
    share = pc.mean(pc.match_substring_regex(some, NUMERAL).cast(pa.float64())).as_py()
    return share >= 0.02


def _like(texts: pa.Array, pattern: str) -> np.ndarray:
    """Which texts match a regular expression somewhere, [n] bool."""
    return np.asarray(pc.match_substring_regex(texts, pattern))


def _taken_apart(texts: pa.Array, rows: np.ndarray) -> _Parts:
    fields = pc.extract_regex(texts, NUMERAL)
    names = [fields.type.field(i).name for i in range(fields.type.num_fields)]
    part = {name: fields.field(name).fill_null("") for name in names}
    has = {name: np.asarray(pc.not_equal(part[name], "")) for name in names}
    matched = np.asarray(fields.is_valid()) & (has["open"].astype(int) + has["open2"] == has["close"])
    signs = has["sign"].astype(int) + has["sign2"] + has["sign3"]
    matched &= signs + has["close"] <= 1
    plus = np.asarray(pc.equal(part["sign"], "+")) | np.asarray(pc.equal(part["sign2"], "+"))
    if (plus & _like(part["body"], rf"\d[{SPACES}]+\d")).any():  # telephone numbers
        matched &= ~_like(part["body"], rf"[{SPACES}]")
    pairs = pc.binary_join_element_wise(
        part["before"], part["after"], pa.scalar("\0", pa.large_string())
    ).dictionary_encode()
    units = [_unit(*pair.split("\0")) for pair in pairs.dictionary.to_pylist()]
    unit = pairs.indices.to_numpy()
    matched &= np.array([name is not None for name in units], bool)[unit]
    return _Parts(texts, rows, matched, part["body"], part["power"], has["close"] | ((signs > 0) & ~plus), units, unit)


def _unit(before: str, after: str) -> str | None:
    """The unit, `$`, `km`, `$/kg`; None for letters that are none."""
    after = after.rstrip(".")
    if " " in after:
        return before + after.replace(".", "")
    if after and (after.lower() in NO_UNIT or not UNIT.fullmatch(after) or len(after) > 20):
        return None
    if len(after) == 1 and after.isalpha() and after not in _MEASURES and after not in "CFBAVNJx":
        return None
    return before.rstrip(".") + after


def is_measure(unit: str) -> bool:
    """Whether a unit is one that everybody knows, so that two of them in a column are a mistake and no labels."""
    bare = unit.lstrip("$£€¥₹₽₩₪₫₱฿₴₦₿¢")
    return bare in _MEASURES or bare in _CODES or (bare == "" and unit != "") or "/" in bare


def _one_unit(parts: _Parts, known: str | None) -> tuple[str, tuple[str, ...]]:
    """The unit of the column, and two texts where it has two; other texts stop counting as numbers."""
    bare = np.array([name == "" for name in parts.units], bool)[parts.unit]
    zero = bare & ~_like(parts.body, "[1-9]")
    counts = np.bincount(parts.unit, parts.rows * (parts.matched & ~zero), minlength=len(parts.units))
    names: Counter[str] = Counter()
    for name, rows in zip(parts.units, counts, strict=True):
        if name is not None and rows:
            names[name] += int(rows)
    if not names:
        return "", ()
    singular = {name: name[:-1] if name.endswith("s") and name[:-1] in names else name for name in names}
    kinds: Counter[str] = Counter()
    for name, rows in names.items():
        kinds[singular[name]] += rows
    unit = max(kinds, key=lambda name: (kinds[name], name == known))
    mine = zero | np.array([name is not None and singular.get(name) == unit for name in parts.units], bool)[parts.unit]
    others = parts.matched & ~mine
    if others.any():
        real = [name for name in kinds if name]
        heavy = 2 * sum(kinds[name] for name in real) >= sum(kinds.values())
        same = len({name.casefold() for name in real}) == 1 < len(real)  # km and Km
        if all(is_measure(name) for name in real) or same or (len(real) == 1 and heavy):
            return unit, tuple(parts.texts[first(rows)].as_py() for rows in (parts.matched & mine & ~zero, others))
        parts.matched &= mine
    shown = max((name for name in names if singular[name] == unit), key=lambda name: names[name])
    return shown, ()


# ---- one notation for the column -----------------------------------------------------------------


def _one_notation(
    parts: _Parts, decimal: str | None, thousands: str | None, file_decimal: str | None, known: Notation | None
) -> tuple[str, str, np.ndarray, bool] | None:
    """Decimal mark, mark between groups, which texts fit them, and whether nothing else could be meant."""
    allowed = [
        (mark, separator)
        for mark in ".,"
        for separator in MARKS
        if separator != mark and _agrees(mark, separator, decimal, thousands)
    ]
    fitting = {pair: parts.matched & _fits(parts.body, *pair) for pair in allowed}
    covered = {pair: int(parts.rows[fits].sum()) for pair, fits in fitting.items()}
    most = max(covered.values(), default=0)
    if most == 0:
        return None
    best = [pair for pair in allowed if covered[pair] == most]  # the fewest marks first
    if known is not None and (known.thousands or known.decimal == ","):
        file_decimal = known.decimal
    if known is not None and decimal is None and (before := (known.decimal, known.thousands)) in best:
        return *before, fitting[before], True
    mark, separator = best[0]
    fits = fitting[mark, separator]
    marks = {pair[0] for pair in best}
    bodies = parts.body.filter(pa.array(fits))
    if separator == "." and _addresses(bodies):
        return None
    other = next((pair for pair in best if pair[0] != mark), None)
    comma, point = (bool(_like(bodies, sign).any()) for sign in (",", r"\."))
    if len(marks) == 1 or not (comma or point):
        return mark, separator, fits, True
    # 1,234 or 1.234: both marks fit, with other numbers
    units = {parts.units[place] or "" for place in np.unique(parts.unit[fits])}
    if comma and point:
        chosen = file_decimal
    elif comma:
        grouped = _grouped_beside_plain(bodies, ",") or units & set(POINT_MONEY.split())
        chosen = "." if grouped else file_decimal
    else:
        chosen = file_decimal or (None if _money_or_grouped(bodies, units) else ".")
    if chosen not in (".", ","):
        return mark, separator, fits, False
    mark, separator = (mark, separator) if chosen == mark or other is None else other
    return mark, separator, fitting[mark, separator], True


def _agrees(mark: str, separator: str, decimal: str | None, thousands: str | None) -> bool:
    if decimal is not None and mark != decimal:
        return False
    if thousands is None:
        return True
    thousands = next((sign for sign, signs in MARKS.items() if thousands and thousands in signs), thousands)
    return mark != thousands and separator in ("", thousands)


def _fits(bodies: pa.Array, mark: str, separator: str) -> np.ndarray:
    decimals = re.escape(mark)
    return _like(bodies, rf"^(?:(?:{_GROUPED[separator]})(?:{decimals}\d*)?|{decimals}\d+)$")


def _grouped_beside_plain(bodies: pa.Array, mark: str) -> bool:
    """Whether `1,000` stands beside `850`, and no whole number above 999 is written without the mark."""
    plain = _like(bodies, r"^\d+$")
    longest = pc.max(pc.utf8_length(bodies.filter(pa.array(plain)))).as_py() or 0
    return 2 <= longest <= 3 and bool(_like(bodies, re.escape(mark) + r"\d\d0$").any())


def _money_or_grouped(bodies: pa.Array, units: set[str]) -> bool:
    """`12.500 €` and `1.000` beside `900`: a point that may part thousands, though most points are decimal."""
    three = bool((_like(bodies, r"^[1-9]\d{0,2}\.\d{3}$") | _like(bodies, r"^\d+$")).all())
    money = any(name and (name[0] in "$£€¥₹" or name in _CODES or name[-1] in "$£€¥₹") for name in units)
    return three and (money or _grouped_beside_plain(bodies, "."))


def _addresses(bodies: pa.Array) -> bool:
    """192.168.100.200 and its like: four groups throughout, none above 255."""
    return bool(_like(bodies, r"^(?:1\d\d|2[0-4]\d|25[0-5])(?:\.(?:1\d\d|2[0-4]\d|25[0-5]|0\d\d)){3}$").all())


def _values(parts: _Parts, fits: np.ndarray, mark: str, separator: str) -> tuple[np.ndarray, bool]:
    """The numbers of the texts, 0 where they are none, and whether all are whole."""
    digits = parts.body
    if separator:
        digits = pc.replace_substring_regex(digits, rf"[{MARKS[separator]}]", "")
    if mark == ",":
        digits = pc.replace_substring(digits, ",", ".")
    power = pc.replace_substring_regex(parts.power, f"[{MINUS}]", "-")
    written = pc.binary_join_element_wise(digits, power, pa.scalar("", pa.large_string()))
    written = pc.if_else(pa.array(fits), written, pa.scalar("0", pa.large_string()))
    values = written.cast(pa.float64()).to_numpy()
    whole = not _like(written, "[.eE]").any()
    return np.where(parts.negative & (values != 0), -values, values), whole
