"""Where the header of a text table stands, what its names are, and where the rows begin."""

from __future__ import annotations

import csv
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from steepest.data.column_names import array_names
from steepest.data.csv_records import BLANKS, FARTHEST, Cut, fields_of
from steepest.data.headers import (
    First,
    cut_in_two,
    first_line,
    is_number,
    is_second_header,
    names_above,
)
from steepest.data.numbers import measure
from steepest.data.reading import Reading
from steepest.data.wording import counted, listed, quoted
from steepest.errors import DataError


@dataclass(frozen=True)
class Layout:
    """How a text table is laid out.

    Attributes:
        delimiter: one character, or `BLANKS`.
        names: [fields of a row], "" where a column has none.
        header: whether they were read from the file.
        start: lines above the first row.
        comment: the sign of comment lines, where they were seen or named.
        inside: lines that begin with it are comments wherever they stand.
        row_names: the first field of each row is its name, as R writes it, and has no name itself.
        trailing: rows end in a delimiter, the header does not.
        skipped: lines above the header that are no comments.
        comments: comment lines above the first row.
        comma: the first rows show a decimal comma and no decimal point.
        worded: columns of numbers in which a word that means missing was seen.
        padded: columns in which a number with leading zeros was seen.
        notes: full sentences on what was decided.
    """

    delimiter: str
    names: tuple[str, ...]
    header: bool
    start: int
    comment: str | None = None
    inside: bool = False
    row_names: bool = False
    trailing: bool = False
    skipped: int = 0
    comments: int = 0
    comma: bool = False
    worded: tuple[int, ...] = ()
    padded: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()


def with_header(
    cut: Cut, lines: Sequence[str], comments: Sequence[int], sign: str | None, reading: Reading, label: str,
    mentioned: Collection[str],
) -> Layout:  # fmt: skip
    """The names, where the rows begin, and what was decided on the way."""
    at = cut.at - bool(cut.shape)
    said = reading.header is not None or reading.skip_rows > 0
    below = None if said else names_above([record.fields for record in cut.records], cut.width)
    if below is not None and at + 1 < below <= FARTHEST:
        raise DataError(_not_first(cut, below, label))
    rows = [record.fields for record in cut.records[at + 1 :]]
    first = cut.records[at].fields
    if cut.shape == "row names":
        _check_row_names(cut, at, label)
    names = _as_wide(first, cut)
    kind = First.NAMES if reading.header else first_line(names, rows)
    if at and (kind is not First.NAMES or cut.agreeing < 1 or reading.header is False):
        _check_above(cut, at, kind, label)
        at, rows, names = 0, [record.fields for record in cut.records[1:]], cut.records[0].fields
        kind = First.NAMES
        cut = replace(cut, shape="")
    record = cut.records[at]
    made = Layout(cut.delimiter, _stripped(names), True, record.after, comments=len(comments))
    made = replace(made, row_names=cut.shape == "row names", trailing=cut.shape == "rows end in a delimiter")
    if at:
        above, words = record.line, lines[cut.records[0].line].strip()
        left = f"{counted(above, 'line')} above the header, beginning with {quoted(words)},"
        note = f"{left} {'was' if above == 1 else 'were'} left out (skip_rows={above})."
        made = replace(made, skipped=above, notes=(note,))
    if reading.header is not None:
        return made if reading.header else _headerless(made, cut, record.line, ())
    if kind is First.NAMES:
        return _second_line(made, cut, at, label, said)
    if comments and (named := _named_in_comment(lines[comments[-1]], sign or "", cut, kind)):
        note = f"The names of the columns stand in a comment line, {quoted(lines[comments[-1]].strip())}."
        return replace(made, names=named, start=record.line, comments=len(comments) - 1, notes=(note,))
    if kind in (First.OPEN, First.NUMBERS) and mentioned:
        asked, made_up = set(mentioned), set(array_names(len(made.names)))
        kind = First.LIKELY if asked & set(made.names) else First.VALUES if asked <= made_up else kind
    if kind is First.LIKELY:
        return made
    if kind is First.VALUES:
        made = _headerless(made, cut, record.line, ())
        names = [name for name in made.names if name]
        called = (
            f"the columns are called {names[0]} to {names[-1]}"
            if len(names) > 1
            else f"the column is called {names[0]}"
        )
        note = f"The first line holds values, as the rows below it do, and no names (header=False): {called}."
        return replace(made, notes=(*made.notes, note))
    shown = listed(cell.strip() for cell in first)
    if kind is First.NUMBERS:
        raise DataError(
            f"{label} has no header: its first line holds numbers only ({shown}). Use header=False "
            "to read it as the first row, or header=True where these are names"
        )
    raise DataError(
        f"the first line of {label} may hold names or values: {shown}. Say which: header=True or header=False"
    )


def _not_first(cut: Cut, below: int, label: str) -> str:
    """The message for a header that stands further down: in the last line of words above the numbers, or in the first."""
    last, words = cut.records[below], below
    while (
        words > 1
        and len(cut.records[words - 1].fields) == cut.width
        and not any(map(is_number, cut.records[words - 1].fields))
    ):
        words -= 1
    first = cut.records[words]
    shown = listed(map(str.strip, last.fields))
    text = (
        f"{label} does not begin with its header: line {last.line + 1:,}, {shown}, is the first above numbers only. "
        f"If the names stand there, use skip_rows={last.line}; "
    )
    if words < below:
        text += f"if in line {first.line + 1:,}, {listed(map(str.strip, first.fields))}, skip_rows={first.line}; "
    return text + "if they stand in the first line, header=True"


def _as_wide(first: list[str], cut: Cut) -> list[str]:
    """The first line as wide as the rows."""
    if cut.shape == "row names":
        return ["", *first]
    if cut.shape == "header ends in a delimiter":
        return first[:-1]
    return [*first, ""] if cut.shape else first


def _stripped(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(name.strip() for name in names)


def _headerless(made: Layout, cut: Cut, line: int, notes: tuple[str, ...]) -> Layout:
    """The layout of a table without a header; a delimiter behind every row begins no column."""
    width = len(made.names)
    ends = [record.fields[-1].strip() for record in cut.records if record.line >= line and len(record.fields) == width]
    trailing = made.trailing or (width > 1 and cut.delimiter != BLANKS and not any(ends))
    names = (*array_names(width - trailing), *([""] if trailing else []))
    return replace(
        made, names=names, header=False, start=line, row_names=False, trailing=trailing, notes=(*made.notes, *notes)
    )


def _check_above(cut: Cut, at: int, kind: First, label: str) -> None:
    """Raise DataError where the first lines are narrower than the table below them and no header for it."""
    above, record = cut.records[0], cut.records[at]
    if len(above.fields) > 1 and kind is not First.NAMES:
        return  # a header that is too short or too long: the parser names the row
    if len(above.fields) == cut.width:
        return
    skip = f"skip_rows={record.line}"
    if kind in (First.VALUES, First.NUMBERS):
        skip += ", header=False"
    raise DataError(
        f"{label} begins with {quoted(' '.join(above.fields).strip())}, which is no line of its table: the first with "
        f"{counted(cut.width, 'field')} is line {record.line + 1:,}, {listed(cell.strip() for cell in record.fields)}. "
        f"If the table begins there, use {skip}"
    )


def _check_row_names(cut: Cut, at: int, label: str) -> None:
    """Raise DataError where what would be the names of rows may be the beginning of a value that the delimiter cut."""
    below = cut.records[at + 1 :]
    rows = [record.fields for record in below if len(record.fields) == cut.width]
    if all(record.quoted for record in cut.records[at:]) or not cut_in_two(rows, cut.delimiter):
        return
    mark = "blanks" if cut.delimiter == BLANKS else quoted(cut.delimiter)
    what = "dates, words or thousands" if cut.delimiter == BLANKS else "decimals or words"
    raise DataError(
        f"the rows of {label} have {counted(cut.width, 'field')}, {listed(map(str.strip, rows[0]))}, where the header has "
        f"{cut.width - 1:,}: the first may be names of the rows, or {mark} may stand within values ({what}). Quote such values "
        f"or part the columns by another delimiter; if each field is a column, name the first one too, or use "
        f"skip_rows={cut.records[at].after}, header=False"
    )


def _second_line(made: Layout, cut: Cut, at: int, label: str, said: bool) -> Layout:
    """The layout, where the first line below the header is no second header; units there are left out.

    said: the place of the header was, so that a second line of text is a row.
    """
    if len(cut.records) < at + 4 or cut.shape:
        return made
    second = cut.records[at + 1]
    if not is_second_header(cut.records[at].fields, second.fields, [record.fields for record in cut.records[at + 2 :]]):
        return made
    cells = [cell.strip() for cell in second.fields if cell.strip()]
    if all(re.fullmatch(r"[\[(].*[\])]", cell) or measure(cell) for cell in cells):
        note = f"The line of units below the header, {listed(cells)}, was left out."
        return replace(made, start=second.after, notes=(*made.notes, note))
    if said:
        return made
    raise DataError(
        f"two lines of text stand above the numbers of {label}. If the names are in the second, "
        f"{listed(cells)}, use skip_rows={second.line}; if not, delete that line"
    )


def _named_in_comment(line: str, sign: str, cut: Cut, kind: First) -> tuple[str, ...] | None:
    """The names in the last comment line above the table, if it has as many as the rows have fields."""
    bare = line.strip()[len(sign) :]
    fields = fields_of(bare) if cut.delimiter == BLANKS else next(csv.reader([bare], delimiter=cut.delimiter), [])
    names = [name.strip() for name in fields]
    if len(names) != cut.width or cut.width < 2 or any(map(is_number, names)):
        return None
    if kind is First.LIKELY and (sign != "#" or bare[:1] == " "):
        return None  # a comment above names
    if not names[0]:
        names[0] = sign  # a column that is itself called #
    elif sign != "#" and bare[:1] != " ":
        names[0] = sign + names[0]
    return tuple(names)
