"""Whether the first line of a text table holds names or values: found by comparing it with the rows below it.

    x,y          2.5,3,b        country,2019,2020
    1,2          3.5,4,a        Oslo,5.1,6.2
    names        values         years as names

A word above numbers is a name. A number with decimals above numbers is a value, and so is a word that stands in the same
column further down. Where neither is seen, nobody can know, and the caller asks.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import Enum
from itertools import pairwise

from steepest.data.reading import MISSING

_UNIT = r"(?:[%‰°$€£¥₹]|[A-Za-zµ°/²³]{1,4})"
NUMBER = re.compile(
    rf"[-+−–(]{{0,2}}\s*[$€£¥₹]?\s*[-+]?(?:\d[\d.,'’_\s]*|[.,]\d+)(?:[eE][-+−]?\d+)?\s*{_UNIT}?\)?-?"
    r"|[-+]?(?:inf|infinity|nan)",
    re.IGNORECASE,
)
"""A number to the eye, however it is written."""
DATE = re.compile(
    r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}(?:[ T]\d.*)?|\d{4}[-/]\d{2}|\d{1,2}:\d{2}.*"
    r"|\d{1,2}[- ]?(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?[- ,]*\d{2,4}"
    r"|(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.? \d{1,2},? \d{4}",
    re.IGNORECASE,
)
WHOLE = re.compile(r"\d+")
COMMA_CUT = re.compile(r"[^\d,]*(?:\d{1,3}(?:[.'’\s]\d{3})+|\d*),\d+[^\d,]*")
BLANKS_CUT = re.compile(r"[^\d\s]*\d{1,3}(?: \d{3})+(?:[.,]\d+)?[^\d\s]*")
"""A number with a decimal comma; one with blanks between its thousands."""
YEARS = range(1800, 2201)


class First(Enum):
    """What the first line is; the value says it in words."""

    NAMES = "names"
    LIKELY = "names, as far as can be seen: all is text"
    VALUES = "values"
    NUMBERS = "numbers, above numbers only: values or names"
    OPEN = "values or names"


def first_line(first: Sequence[str], rows: Sequence[Sequence[str]]) -> First:
    """What the first line `first` is, above `rows` of as many fields.

    >>> first_line(["1.5", "2", "a"], [["2.5", "3", "b"], ["3.5", "4", "a"]]).name
    'VALUES'
    >>> first_line(["x", "city"], [["1", "Oslo"], ["2", "Rome"]]).name
    'NAMES'
    """
    if not rows:
        return First.NUMBERS if all(map(is_number, first)) else First.LIKELY
    columns = [[row[at].strip() for row in rows if at < len(row)] for at in range(len(first))]
    cells = [cell.strip() for cell in first]
    filled = [cell for cell in cells if cell]
    kinds = [_kind(column) for column in columns]
    names = sure = whole = again = 0
    for cell, column, kind in zip(cells, columns, kinds, strict=True):
        if not cell or cell in MISSING:
            continue
        if kind == "text":
            again += cell in column
        elif kind == "number" and is_number(cell):
            plain = WHOLE.fullmatch(cell) is not None
            whole, sure = whole + plain, sure + (not plain)
        elif kind == "date" and DATE.fullmatch(cell):
            sure += 1
        else:
            names += 1
    if names:
        return First.OPEN if sure else First.NAMES
    if len(cells) > 1 and cells == ["", *map(str, range(len(cells) - 1))]:
        return First.NAMES  # pandas' own names of columns, beside those of rows
    if all(kind == "number" for kind in kinds):
        return First.VALUES if sure and not _rising(cells) else First.NUMBERS
    if sure or (again and (whole or again == len(filled) > 1)) or len(set(filled)) < len(filled):
        return First.VALUES
    if whole:
        return First.NAMES if _years(cells, columns) else First.OPEN
    return First.LIKELY


def is_number(cell: str) -> bool:
    """Whether a cell is a number to the eye."""
    return NUMBER.fullmatch(cell.strip()) is not None


def is_word(cell: str | None) -> bool:
    """Whether a cell is neither missing nor a number nor a date."""
    text = (cell or "").strip()
    return text not in MISSING and not NUMBER.fullmatch(text) and not DATE.fullmatch(text)


def one_number_each(rows: Sequence[Sequence[str]], delimiter: str) -> bool:
    """Whether each row is a single number that the delimiter cut: at its decimal comma, or between its thousands.

    >>> one_number_each([["1", "5"], ["2", "25"], ["NA"]], ",")
    True
    >>> one_number_each([["1", "500"], ["1", "250", "000"]], " "), one_number_each([["1", "50"]], " ")
    (True, False)
    """
    pattern = {",": COMMA_CUT, " ": BLANKS_CUT}.get(delimiter)
    cells = [delimiter.join(row).strip() for row in rows]
    cut = [cell for row, cell in zip(rows, cells, strict=True) if len(row) > 1]
    if pattern is None or not cut:
        return False
    single = [cell for row, cell in zip(rows, cells, strict=True) if len(row) < 2]
    return all(map(pattern.fullmatch, cut)) and all(cell in MISSING or is_number(cell) for cell in single)


def cut_in_two(rows: Sequence[Sequence[str]], delimiter: str) -> bool:
    """Whether rows of a field more than the header may hold a value that the delimiter cut, and no names of rows.

    >>> cut_in_two([["1", "25", "3"], ["2", "25", "4"]], ","), cut_in_two([["1", "2.5", "3"], ["2", "2.5", "4"]], ",")
    (True, False)
    """
    columns = [[cell.strip() for cell in column] for column in zip(*rows, strict=True)]
    if delimiter == " ":
        units = {*columns[1]}
        unit = len(units) == 1 and not any(map(is_number, units))
        return unit or not any(map(is_number, columns[0])) or _pairs(columns, r"[-+]?\d{1,3}", r"\d{3}(?:[.,]\d+)?")
    if delimiter == ",":
        points = any(re.search(r"\d\.\d|\d\.$|^[-+]?\.\d", cell) for column in columns for cell in column)
        words = not any(is_number(cell) or cell in MISSING for column in columns[:2] for cell in column)
        return (
            words or _pairs(columns, r"[-+]?\d{1,3}", r"\d{3}") or (not points and _pairs(columns, r"[-+]?\d*", r"\d+"))
        )
    return False


def _pairs(columns: Sequence[Sequence[str]], before: str, after: str) -> bool:
    """Whether two columns beside each other hold nothing but the two parts of numbers."""
    return any(
        all(re.fullmatch(before, cell) for cell in left) and all(re.fullmatch(after, cell) for cell in right)
        for left, right in pairwise(columns)
    )


def is_second_header(first: Sequence[str], second: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Whether two lines of text stand above rows of numbers: a title and the names, or names and their units."""
    if len(rows) < 2 or len(second) < 2 or len(first) != len(second):
        return False
    numbers = [at for at in range(len(second)) if _kind([row[at].strip() for row in rows if at < len(row)]) == "number"]
    above = [line[at].strip() for line in (first, second) for at in numbers]
    return len(numbers) > 1 and not any(cell in MISSING or is_number(cell) for cell in above)


def names_above(lines: Sequence[Sequence[str]], width: int) -> int | None:
    """The place of a line of words below which several columns hold numbers only, and above which they hardly do.

    >>> names_above([["Serial", "123"], ["Date", "May"], ["t", "x"], ["0", "1"], ["1", "3"]], 2)
    2
    """
    starts = []
    for at in range(width):
        start = len(lines)
        while start and at < len(lines[start - 1]) and (not (cell := lines[start - 1][at].strip()) or is_number(cell)):
            start -= 1
        if start < len(lines) - 1:
            starts.append(start)
    if not starts or starts.count(min(starts)) < 2:
        return None
    first = min(starts)
    columns = [at for at in range(width) if at < len(lines[first - 1]) and not is_number(lines[first - 1][at])]
    above = [is_number(line[at]) for line in lines[: max(first - 1, 0)] if len(line) == width for at in columns]
    if first < 1 or len(lines[first - 1]) != width or len(columns) < 2 or 2 * sum(above) >= max(len(above), 1):
        return None
    return first - 1


def _kind(column: Sequence[str]) -> str:
    """What most values of a column are: "number", "date" or "text"."""
    present = [cell for cell in column if cell not in MISSING]
    for kind, pattern in (("date", DATE), ("number", NUMBER)):
        if 2 * sum(pattern.fullmatch(cell) is not None for cell in present) > len(present):
            return kind
    return "text"


def _rising(cells: Sequence[str]) -> bool:
    """Three numbers or more in order, as wavelengths or doses are that name columns."""
    try:
        numbers = [float(cell) for cell in cells]
    except ValueError:
        return False
    steps = [after > before for before, after in pairwise(numbers)]
    return len(numbers) > 2 and (all(steps) or not any(steps))


def _years(cells: Sequence[str], columns: Sequence[Sequence[str]]) -> bool:
    """Years in a row that name their columns: what stands below them is hardly ever a year itself."""
    years = [(int(cell), at) for at, cell in enumerate(cells) if WHOLE.fullmatch(cell)]
    numbers = [year for year, _ in years]
    if len(numbers) < 2 or any(year not in YEARS for year in numbers):
        return False
    steps = {after - before for before, after in pairwise(numbers)}
    below = [cell for _, at in years for cell in columns[at] if cell not in MISSING]
    like = sum(WHOLE.fullmatch(cell) is not None and int(cell) in YEARS for cell in below)
    return len(steps) == 1 and 10 * like <= len(below)
