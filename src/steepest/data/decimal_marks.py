"""Which decimal mark a text file shows, inferred from all of its values.

`10,5` and `1.234,5` can have none but a comma, `0.25` and `1,234.5` none but a point; `1,234` and `1.234` may be either.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from steepest.data.arrow_columns import to_numbers

FEW = 1_000
"""Rows that are looked at first."""

UNDECIDED = "?"
"""The mark of a file parted by semicolons, as where the comma is decimal, that shows no decimal mark for certain."""

_BEFORE, _AFTER = r"^[^\d.,]{0,5}", r"(?:[eE][+\-−]?\d+)?[^\d.,]{0,8}$"
_NUMBER = rf"{_BEFORE}[\d.,][\d.,'’ \x{{a0}}\x{{202f}}]*{_AFTER}"


def _certain(mark: str, other: str) -> str:
    """Numbers whose `mark` cannot part thousands; `other` may part theirs."""
    groups = rf"(?:[1-9]\d{{0,2}}(?:[{other}'’ \x{{a0}}\x{{202f}}]\d{{3}})+)"
    short = rf"(?:{groups}|\d*){mark}(?:\d{{1,2}}|\d{{4,}})"
    rest = rf"(?:(?:{groups}|0|\d{{4,}}|){mark}\d+)"
    return rf"{_BEFORE}(?:{short}|{rest}){_AFTER}"


CERTAIN = {",": _certain(",", "."), ".": _certain(r"\.", ",")}
SEVERAL = {
    ",": rf"{_BEFORE}\d{{1,3}}(?:\.\d{{3}}){{2,}}{_AFTER}",
    ".": rf"{_BEFORE}\d{{1,3}}(?:,\d{{3}}){{2,}}{_AFTER}",
}
"""Two groups or more of thousands: their mark is not the decimal one."""


def shows(text: pa.ChunkedArray) -> set[str]:
    """The decimal marks that text shows for certain; `UNDECIDED` where a mark was seen that may be either."""
    text = pc.utf8_trim_whitespace(text.drop_null())
    text = text.filter(pc.binary_length(text).cast(pa.bool_()))  # a scalar of Arrow would import pandas
    some = text.slice(0, FEW)
    if not len(text) or pc.sum(pc.match_substring_regex(some, _NUMBER)).as_py() * 2 < len(some):
        return set()
    marked = text.filter(pc.match_substring_regex(text, "[.,]"))
    found: set[str] = {
        mark for mark in ",."
        if pc.any(pc.or_(*(pc.match_substring_regex(marked, pattern[mark]) for pattern in (CERTAIN, SEVERAL)))).as_py()
    }  # fmt: skip
    return found or ({UNDECIDED} if len(marked) else set())


def shown_by(table: pa.Table) -> set[str]:
    """The same of all columns of text."""
    texts = [column for column in table.columns if pa.types.is_string(column.type)]
    return set[str]().union(*map(shows, texts))


def decimal_for_certain(column: pa.ChunkedArray) -> bool:
    """Whether numbers read with a decimal point are none that a point between thousands could have given."""
    return _certainly(column.slice(0, FEW)) or _certainly(column.slice(FEW))


def _certainly(column: pa.ChunkedArray) -> bool:
    values = np.abs(to_numbers(column.drop_null()))
    values = values[np.isfinite(values) & (values != np.floor(values))]
    thousands = values * 1000
    return bool(((values < 1) | (values > 999.9995) | (np.abs(thousands - np.round(thousands)) > 1e-6)).any())
