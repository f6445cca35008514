"""Where the parts of a text table are, inferred from its beginning: what stands above the header, the delimiter, the names.

    sep=;                      what a spreadsheet says of the delimiter
    # device: A7               comment lines
    Readings of May            a title
    time;temperature           the header, where there is one
    12:00;20,5                 the first row

What is not plain is asked for by a DataError that names the setting: skip_rows=, header=, comment=.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa

from steepest.data.arrow_columns import from_texts
from steepest.data.column_names import array_names
from steepest.data.csv_records import BLANKS, FARTHEST, Dialect, best_dialect, fields_of
from steepest.data.decimal_marks import shows
from steepest.data.headers import First, cut_in_two, first_line, is_number, is_second_header, names_above
from steepest.data.numbers import PADDED, PLAIN, is_measure
from steepest.data.reading import Reading
from steepest.data.wording import counted, listed, quoted, were
from steepest.errors import DataError

DECIMALS_FROM = 100  # rows whose decimal mark is looked for before pyarrow reads the table
SIGNS = ("#", "%", "//")  # what comment lines above a header begin with
DIRECTIVE = re.compile(r'"?sep=(\\t|[^"])"?[,;\t]*', re.IGNORECASE)


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
        comments: comment lines above the first row.
        comma: the first rows show a decimal comma and no decimal point.
        as_text: columns that pyarrow must read as text: numbers with leading zeros, which would lose them, and numbers with
            words that mean missing between them, which could not be counted.
        decimal: the decimal mark that the whole table shows: ".", ",", "" (none, or both), or `UNDECIDED`.
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
    comments: int = 0
    comma: bool = False
    as_text: tuple[int, ...] = ()
    fractions: tuple[int, ...] = ()
    decimal: str = ""
    notes: tuple[str, ...] = ()

    @property
    def sign(self) -> str:
        """The sign that comment lines begin with, or would."""
        return self.comment or "#"


def layout_of(text: str, reading: Reading, label: str, requested: Collection[str] = ()) -> Layout:
    """Infer the layout from the beginning of a file.

    Args:
        text: whole lines, ended by "\\n".
        reading: what was said; it is obeyed.
        label: the file's name as messages show it, already quoted.
        requested: names that somebody asks for: they stand in the first line, or are those of a table without a header.

    Raises:
        DataError: what is in doubt, with the option that says it.
    """
    lines = text.split("\n")
    if reading.skip_rows and not any(line.strip() for line in lines[reading.skip_rows :]):
        raise DataError(f"{label} has no rows below the {counted(reading.skip_rows, 'line')} that skip_rows leaves out")
    forced, begin = _directive(lines, reading.skip_rows)
    sign, comments, begin = _comments(lines, begin, reading.comment)
    named = reading.header is not False and begin < len(lines) and lines[begin].strip().strip('"') in requested
    single = named if requested else None
    dialect = best_dialect(lines, begin, sign, reading.comment is not None, forced, single)
    if dialect is None:
        raise DataError(f"{label} holds nothing but comment lines, which begin with {quoted(sign or '#')}")
    made = _with_header(dialect, lines, comments, sign, reading, label, requested)
    rows = [record.fields for record in dialect.records if record.line >= made.start]
    columns = [[row[at].strip() for row in rows if at < len(row)] for at in range(len(made.names))]
    marks = {mark for cells in columns for mark in shows(pa.chunked_array([from_texts(cells[:DECIMALS_FROM])]))}
    comma, sign = "," in marks and "." not in marks, reading.comment or (sign if comments else None)
    signed = sum(row[0].strip().startswith(sign) for row in rows) if sign else 0
    among_rows = made.comments and (len(made.names) == 1 or 0 < 2 * signed < len(rows))
    notes = made.notes
    if made.comments:
        said = f"{counted(made.comments, 'comment line')} above the table, beginning with {quoted(sign)},"
        notes = (f"{said} {were(made.comments)} left out.", *notes)
    return replace(
        made,
        comment=sign,
        inside=bool(reading.comment or among_rows),
        comma=comma,
        as_text=tuple(at for at, cells in enumerate(columns) if _stays_text(set(cells), reading, comma)),
        fractions=tuple(at for at, cells in enumerate(columns) if _has_fractions(cells, reading, comma)),
        notes=notes,
    )


def _stays_text(cells: set[str], reading: Reading, comma: bool) -> bool:
    """Whether a column holds codes with leading zeros, or plain numbers and words that mean missing."""
    words = cells & reading.words
    numbers = cells - words
    mixed = not comma and numbers and words - {""} and all(re.match(PLAIN, cell) for cell in numbers)
    return bool(mixed) or any(re.match(PADDED, cell) for cell in cells)


def _has_fractions(cells: Sequence[str], reading: Reading, comma: bool) -> bool:
    """Whether a column holds nothing but numbers, at least one of them with a fraction, and words that mean missing."""
    mark = "," if comma else r"\."
    fraction, number = (
        re.compile(rf"-?\d+{part}(?:[eE][-+]?\d+)?").fullmatch for part in (rf"{mark}\d+", rf"(?:{mark}\d+)?")
    )
    return any(map(fraction, cells)) and all(number(cell) or cell in reading.words for cell in cells)


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


# ---- the header -----------------------------------------------------------------------------------


def _with_header(
    dialect: Dialect, lines: Sequence[str], comments: Sequence[int], sign: str | None, reading: Reading, label: str,
    requested: Collection[str],
) -> Layout:  # fmt: skip
    """The names, where the rows begin, and what was decided on the way."""
    at = dialect.at - bool(dialect.shape)
    said = reading.header is not None or reading.skip_rows > 0
    below = None if said else names_above(dialect.rows(), dialect.width)
    if below is not None and at + 1 < below <= FARTHEST:
        raise DataError(_not_first(dialect, below, label))
    first, *rows = dialect.rows(at)
    if dialect.shape == "row names":
        _check_row_names(dialect, at, label)
    names = {"row names": ["", *first], "header ends in a delimiter": first[:-1], "": first}.get(
        dialect.shape, [*first, ""]
    )
    kind = First.NAMES if reading.header else first_line(names, rows)
    if at and (kind is not First.NAMES or dialect.agreeing < 1 or reading.header is False):
        _check_above(dialect, at, kind, label)
        at, kind, dialect = 0, First.NAMES, replace(dialect, shape="")
        names, *rows = dialect.rows()
    record = dialect.records[at]
    notes = ()
    if at:
        words = quoted(lines[dialect.records[0].line].strip())
        left = f"{counted(record.line, 'line')} above the header, beginning with {words},"
        notes = (f"{left} {were(record.line)} left out (skip_rows={record.line}).",)
    made = Layout(
        dialect.delimiter,
        tuple(name.strip() for name in names),
        header=True,
        start=record.after,
        row_names=dialect.shape == "row names",
        trailing=dialect.shape == "rows end in a delimiter",
        comments=len(comments),
        notes=notes,
    )
    if reading.header is not None:
        return made if reading.header else _headerless(made, dialect, record.line)
    if kind is First.NAMES:
        return _second_line(made, dialect, at, label, said)
    if comments and (named := _named_in_comment(lines[comments[-1]], sign or "", dialect, kind)):
        note = f"The names of the columns stand in a comment line, {quoted(lines[comments[-1]].strip())}."
        return replace(made, names=named, start=record.line, comments=len(comments) - 1, notes=(note,))
    if kind in (First.OPEN, First.NUMBERS) and requested:
        asked, made_up = set(requested), set(array_names(len(made.names)))
        kind = First.LIKELY if asked & set(made.names) else First.VALUES if asked <= made_up else kind
    if kind is First.LIKELY:
        return made
    if kind is First.VALUES:
        made = _headerless(made, dialect, record.line)
        names = [name for name in made.names if name]
        several = len(names) > 1
        called = f"the columns are called {names[0]} to {names[-1]}" if several else f"the column is called {names[0]}"
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


def _not_first(dialect: Dialect, below: int, label: str) -> str:
    """The message for a header that stands further down: in the last line of words above the numbers, or in the first."""
    last, words, rows = dialect.records[below], below, dialect.rows()
    while words > 1 and len(rows[words - 1]) == dialect.width and not any(map(is_number, rows[words - 1])):
        words -= 1
    first = dialect.records[words]
    shown = listed(map(str.strip, last.fields))
    text = (
        f"{label} does not begin with its header: line {last.line + 1:,}, {shown}, is the first above numbers only. "
        f"If the names stand there, use skip_rows={last.line}; "
    )
    if words < below:
        text += f"if in line {first.line + 1:,}, {listed(map(str.strip, first.fields))}, skip_rows={first.line}; "
    return text + "if they stand in the first line, header=True"


def _headerless(made: Layout, dialect: Dialect, line: int) -> Layout:
    """The layout of a table without a header; a delimiter behind every row begins no column."""
    width = len(made.names)
    rows = [record.fields for record in dialect.records if record.line >= line]
    ends = [row[-1].strip() for row in rows if len(row) == width]
    trailing = made.trailing or (width > 1 and dialect.delimiter != BLANKS and not any(ends))
    names = (*array_names(width - trailing), *([""] if trailing else []))
    return replace(made, names=names, header=False, start=line, row_names=False, trailing=trailing)


def _check_above(dialect: Dialect, at: int, kind: First, label: str) -> None:
    """Raise DataError where the first lines are narrower than the table below them and no header for it."""
    above, record = dialect.records[0], dialect.records[at]
    if len(above.fields) > 1 and kind is not First.NAMES:
        return  # a header that is too short or too long: the parser names the row
    if len(above.fields) == dialect.width:
        return
    skip = f"skip_rows={record.line}"
    if kind in (First.VALUES, First.NUMBERS):
        skip += ", header=False"
    raise DataError(
        f"{label} begins with {quoted(' '.join(above.fields).strip())}, which is no line of its table: the first with "
        f"{counted(dialect.width, 'field')} is line {record.line + 1:,}, {listed(cell.strip() for cell in record.fields)}. "
        f"If the table begins there, use {skip}"
    )


def _check_row_names(dialect: Dialect, at: int, label: str) -> None:
    """Raise DataError where what would be the names of rows may be the beginning of a value that the delimiter cut."""
    rows = [row for row in dialect.rows(at + 1) if len(row) == dialect.width]
    if all(record.quoted for record in dialect.records[at:]) or not cut_in_two(rows, dialect.delimiter):
        return
    mark = "blanks" if dialect.delimiter == BLANKS else quoted(dialect.delimiter)
    what = "dates, words or thousands" if dialect.delimiter == BLANKS else "decimals or words"
    raise DataError(
        f"the rows of {label} have {counted(dialect.width, 'field')}, {listed(map(str.strip, rows[0]))}, where the header has "
        f"{dialect.width - 1:,}: the first may be names of the rows, or {mark} may stand within values ({what}). Quote such "
        f"values or part the columns by another delimiter; if each field is a column, name the first one too, or use "
        f"skip_rows={dialect.records[at].after}, header=False"
    )


def _second_line(made: Layout, dialect: Dialect, at: int, label: str, said: bool) -> Layout:
    """The layout, where the first line below the header is no second header; units there are left out.

    said: the place of the header was, so that a second line of text is a row.
    """
    if len(dialect.records) < at + 4 or dialect.shape:
        return made
    second, (first, _, *rows) = dialect.records[at + 1], dialect.rows(at)
    if not is_second_header(first, second.fields, rows):
        return made
    cells = [cell.strip() for cell in second.fields if cell.strip()]
    if all(re.fullmatch(r"[\[(].*[\])]", cell) or is_measure(cell) for cell in cells):
        note = f"The line of units below the header, {listed(cells)}, was left out."
        return replace(made, start=second.after, notes=(*made.notes, note))
    if said:
        return made
    raise DataError(
        f"two lines of text stand above the numbers of {label}. If the names are in the second, "
        f"{listed(cells)}, use skip_rows={second.line}; if not, delete that line"
    )


def _named_in_comment(line: str, sign: str, dialect: Dialect, kind: First) -> tuple[str, ...] | None:
    """The names in the last comment line above the table, if it has as many as the rows have fields."""
    bare = line.strip()[len(sign) :]
    fields = (
        fields_of(bare) if dialect.delimiter == BLANKS else next(csv.reader([bare], delimiter=dialect.delimiter), [])
    )
    names = [name.strip() for name in fields]
    if len(names) != dialect.width or dialect.width < 2 or any(map(is_number, names)):
        return None
    if kind is First.LIKELY and (sign != "#" or bare[:1] == " "):
        return None  # a comment above names
    if not names[0]:
        names[0] = sign  # a column that is itself called #
    elif sign != "#" and bare[:1] != " ":
        names[0] = sign + names[0]
    return tuple(names)
