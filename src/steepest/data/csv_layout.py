"""Where the parts of a text table are, told from its beginning: what stands above the header, the delimiter, the names.

    sep=;                      what a spreadsheet says of the delimiter
    # device: A7               comment lines
    Readings of May            a title
    time;temperature           the header, where there is one
    12:00;20,5                 the first row

What is not plain is asked for by a DataError that names the setting: skip_rows=, header=, comment=.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import replace

import pyarrow as pa

from steepest.data.csv_header import Layout, with_header
from steepest.data.csv_records import best_cut
from steepest.data.decimal_marks import shows
from steepest.data.reading import Reading
from steepest.data.wording import counted, quoted
from steepest.errors import DataError

SHOWING = 100
"""Rows that are looked at for their decimal mark first."""
SIGNS = ("#", "%", "//")
"""What comment lines above a header begin with."""
DIRECTIVE = re.compile(r'"?sep=(\\t|[^"])"?[,;\t]*', re.IGNORECASE)
PLAIN_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")


def layout_of(text: str, reading: Reading, label: str, mentioned: Collection[str] = ()) -> Layout:
    """Tell the layout from the beginning of a file.

    Args:
        text: whole lines, ended by "\\n".
        reading: what was said; it is obeyed.
        label: the file's name as messages show it, already quoted.
        mentioned: names that somebody asks for: they stand in the first line, or are those of a table without a header.

    Raises:
        DataError: what cannot be told, with the option that says it.
    """
    lines = text.split("\n")
    if reading.skip_rows and not any(line.strip() for line in lines[reading.skip_rows :]):
        raise DataError(f"{label} has no rows below the {counted(reading.skip_rows, 'line')} that skip_rows leaves out")
    forced, begin = _directive(lines, reading.skip_rows)
    sign, comments, begin = _comments(lines, begin, reading.comment)
    named = reading.header is not False and begin < len(lines) and lines[begin].strip().strip('"') in mentioned
    single = named if mentioned else None
    cut = best_cut(lines, begin, sign, reading.comment is not None, forced, single)
    if cut is None:
        raise DataError(f"{label} holds nothing but comment lines, which begin with {quoted(sign or '#')}")
    made = with_header(cut, lines, comments, sign, reading, label, mentioned)
    rows = [record.fields for record in cut.records if record.line >= made.start]
    padded = tuple(
        at for at in range(len(made.names))
        if any(at < len(row) and re.fullmatch(r"\s*0\d+\s*", row[at]) for row in rows)
    )  # fmt: skip
    sample = [[row[at] if at < len(row) else "" for row in rows[:SHOWING]] for at in range(len(made.names))]
    marks = {mark for column in sample for mark in shows(pa.chunked_array([column], pa.string()))}
    made = replace(made, comma="," in marks and "." not in marks)
    columns = [{row[at].strip() for row in rows if at < len(row)} for at in range(len(made.names))]
    if not made.comma:
        made = replace(made, worded=tuple(at for at, cells in enumerate(columns) if _worded(cells, reading)))
    made = replace(made, padded=padded, comment=reading.comment or (sign if comments else None))
    if made.comment:
        signed = sum(row[0].strip().startswith(made.comment) for row in rows)
        alone = made.comments and (len(made.names) == 1 or 0 < 2 * signed < len(rows))
        made = replace(made, inside=bool(reading.comment or alone))
    if made.comments:
        said = f"{counted(made.comments, 'comment line')} above the table, beginning with {quoted(sign)},"
        made = replace(made, notes=(f"{said} {'was' if made.comments == 1 else 'were'} left out.", *made.notes))
    return made


def _worded(cells: set[str], reading: Reading) -> bool:
    """Whether the different cells of a column are plain numbers and words that mean missing."""
    words = {cell for cell in cells if cell in reading.words}
    return bool(words - {""}) and words != cells and all(map(PLAIN_NUMBER.fullmatch, cells - words))


# ---- above the header ----------------------------------------------------------------------------


def _directive(lines: Sequence[str], begin: int) -> tuple[str | None, int]:
    """The delimiter that a first line `sep=;` names, and the line after it."""
    found = DIRECTIVE.fullmatch(lines[begin].strip(" \r")) if begin < len(lines) else None
    if found is None:
        return None, begin
    return found[1].replace("\\t", "\t"), begin + 1


def _comments(lines: Sequence[str], begin: int, given: str | None) -> tuple[str | None, list[int], int]:
    """The sign of comments, the comment lines from `begin` on, and the first line after them that is no blank."""
    at, found = begin, list[int]()
    sign = given
    while at < len(lines):
        line = lines[at].strip()
        if sign is None and not found:
            sign = next((one for one in SIGNS if line.startswith(one)), None)
        if line and not (sign and line.startswith(sign)):
            break
        found += [at] if line else []
        at += 1
    return (sign, found, at) if found or given else (None, [], at)
