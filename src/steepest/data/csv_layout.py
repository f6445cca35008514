"""Where the parts of a text table are, told from its beginning: what stands above the header, the delimiter, the names.

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
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace

import pyarrow as pa

from steepest.data.column_names import array_names
from steepest.data.decimal_marks import shows
from steepest.data.headers import (
    COMMA_CUT,
    First,
    cut_in_two,
    first_line,
    is_number,
    is_second_header,
    names_above,
    one_number_each,
)
from steepest.data.numbers import measure
from steepest.data.reading import Reading
from steepest.data.wording import counted, listed, quoted
from steepest.errors import DataError

DELIMITERS = (",", ";", "\t", "|")
BLANKS = " "
"""Stands for columns aligned by any number of blanks."""
NONE = "\x1f"
"""Stands for a single column in whose values every delimiter stands."""
SAMPLE = 2_000
"""Records that are looked at."""
SHOWING = 100
"""Rows that are looked at for their decimal mark first."""
FARTHEST = 50
"""Records above a header that are looked at."""
SIGNS = ("#", "%", "//")
"""What comment lines above a header begin with."""
DIRECTIVE = re.compile(r'"?sep=(\\t|[^"])"?[,;\t]*', re.IGNORECASE)
TOKEN = re.compile(r'"(?:[^"\\]|\\.|"")*"|\S+')
PLAIN_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")


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


@dataclass(frozen=True)
class _Record:
    """The fields of a row, the line it begins in and the one after it, counted from 0; whether it begins with a quote."""

    line: int
    after: int
    fields: list[str]
    quoted: bool = False


@dataclass(frozen=True)
class _Cut:
    """The records under one delimiter: `width` fields in most, from the place `at` on, `agreeing` of those."""

    delimiter: str
    records: list[_Record] = field(repr=False)
    width: int
    at: int
    agreeing: float
    shape: str = ""  # "rows end in a delimiter", "header ends in a delimiter" or "row names"

    @property
    def rank(self) -> tuple[bool, bool, float, bool, int, int]:
        """The higher, the better it fits."""
        first = self.at - bool(self.shape)
        return self.width > 1, first == 0, self.agreeing, not self.shape, -first, self.width

    @property
    def quoted(self) -> bool:
        """Whether every line begins with a quotation mark, as R writes names of columns and of rows."""
        return all(record.quoted for record in self.records)


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
    cut = _best(lines, begin, sign, reading.comment is not None, forced, single)
    if cut is None:
        raise DataError(f"{label} holds nothing but comment lines, which begin with {quoted(sign or '#')}")
    made = _headed(cut, lines, comments, sign, reading, label, mentioned)
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


def fields_of(line: str) -> list[str]:
    """The fields of a line aligned by blanks; quotation marks hold one together."""
    return [
        word[1:-1].replace('\\"', '"').replace('""', '"') if len(word) > 1 and word[0] == word[-1] == '"' else word
        for word in TOKEN.findall(line)
    ]


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


# ---- the delimiter -------------------------------------------------------------------------------


def _best(
    lines: Sequence[str], begin: int, sign: str | None, said: bool, forced: str | None, single: bool | None
) -> _Cut | None:
    """The delimiter under which most records are as wide as the header; of equals, that of most columns.

    single: the first line is the name of one column that somebody asks for; None where nobody asks for one.
    """
    cuts = [_cut(lines, begin, delimiter, sign, said) for delimiter in ((forced,) if forced else DELIMITERS)]
    cuts = [cut for cut in cuts if cut is not None]
    if not cuts:
        return None
    if not forced:
        whole = [cut for cut in cuts if not _of_one_column(cut, single)]
        cuts = whole or [one for one in [_cut(lines, begin, NONE, sign, said)] if one is not None]
    best = max(cuts, key=lambda cut: cut.rank)
    if best.delimiter == "," and not forced:
        # in `1,5;2,5` the comma is a decimal mark
        marks = [cut for cut in cuts if cut is not best and cut.rank[:3] >= best.rank[:3] and _decimals(cut)]
        best = max([best, *marks], key=lambda cut: (cut is not best, cut.rank)) if marks else best
    if best.width == 1 and not forced:
        blanks = _cut(lines, begin, BLANKS, sign, said)
        if blanks is not None and _aligned(blanks) and not _of_one_column(blanks, single):
            return blanks
    return best


def _of_one_column(cut: _Cut, single: bool | None) -> bool:
    """Whether the delimiter stands within the values of a single column."""
    if cut.width < 2 or cut.quoted or cut.shape == "rows end in a delimiter":
        return False
    rows = [record.fields for record in cut.records[1:]]
    titled = any(cut.records[0].fields[0].strip() in map(str.strip, row) for row in rows[:FARTHEST])  # a title above
    if single:
        return not titled
    return single is None and len(cut.records[0].fields) == 1 and one_number_each(rows, cut.delimiter)


def _decimals(cut: _Cut) -> bool:
    """Whether every comma stands in a number, as its decimal mark."""
    commas = [cell for record in cut.records[cut.at :] for cell in record.fields if "," in cell]
    return bool(commas) and all(COMMA_CUT.fullmatch(cell) for cell in commas)


def _aligned(cut: _Cut) -> bool:
    """Whether blanks part columns here, and not the words of a single one."""
    header = cut.records[max(cut.at - bool(cut.shape), 0)].fields
    if cut.width < 2 or cut.agreeing < 1 or len(cut.records) < 2:
        return False
    if cut.shape == "row names":
        return len(header) > 1 or all(is_number(record.fields[-1]) for record in cut.records[cut.at :])
    return not cut.shape


def _cut(lines: Sequence[str], begin: int, delimiter: str, sign: str | None, said: bool) -> _Cut | None:
    records = list(_records(lines, begin, delimiter, sign if said else None))
    if not records:
        return None
    half = records[len(records) // 2 :] if len(records) > 2 else records[-1:]
    width = max(Counter(len(record.fields) for record in half).items(), key=lambda item: (item[1], item[0]))[0]
    sign = sign or "#"
    others = [record for record in records if len(record.fields) != width and record.fields[0].startswith(sign)]
    if others and not any(record.fields[0].startswith(sign) for record in records if len(record.fields) == width):
        records = [record for record in records if record not in others]
    at = next(place for place, record in enumerate(records) if len(record.fields) == width)
    agreeing = sum(len(record.fields) == width for record in records[at:]) / len(records[at:])
    cut = _Cut(delimiter, records, width, at, agreeing)
    return replace(cut, shape=_shape(cut)) if at else cut


def _records(lines: Sequence[str], begin: int, delimiter: str, sign: str | None) -> Iterator[_Record]:
    """The records from a line on, blank ones left out; lines that begin with `sign` are, where one is given."""
    places: list[int] = []

    def fed() -> Iterator[str]:
        inside = False
        for number in range(begin, len(lines)):
            line = lines[number]
            if sign and not inside and line.lstrip().startswith(sign):
                continue
            inside ^= line.count('"') % 2 == 1
            places.append(number)
            yield line + "\n"

    if delimiter == BLANKS:
        for line in fed():
            fields = fields_of(line)
            if fields:
                yield _Record(places[-1], places[-1] + 1, fields, lines[places[-1]].lstrip().startswith('"'))
            if len(places) > SAMPLE:
                return
        return
    reader, before = csv.reader(fed(), delimiter=delimiter), 0
    count = 0
    try:
        for fields in reader:
            if any(cell.strip() for cell in fields):
                begins = lines[places[before]].lstrip().startswith('"')
                yield _Record(places[before], places[reader.line_num - 1] + 1, fields, begins)
                count += 1
            before = reader.line_num
            if count > SAMPLE:
                return
    except csv.Error:  # an endless field; the parser will say where
        if not count:
            yield _Record(begin, begin + 1, lines[begin].split(delimiter))


def _shape(cut: _Cut) -> str:
    """How a header may have a field more or less than the rows below it."""
    header, rows = cut.records[cut.at - 1].fields, [record.fields for record in cut.records[cut.at :]]
    rows = [row for row in rows if len(row) == cut.width]
    if len(header) == cut.width + 1 and not header[-1].strip():
        return "header ends in a delimiter"
    if len(header) != cut.width - 1:
        return ""
    if not any(row[-1].strip() for row in rows):
        return "rows end in a delimiter"
    named = [row[0].strip() for row in rows]
    written = all(record.quoted for record in cut.records[cut.at - 1 :])  # as R writes them
    words = not any(map(is_number, named))
    if len(rows) < 2 or any(map(is_number, header)):
        return ""
    if len(set(named)) < len(named):  # parts of dates or words that blanks cut
        return "row names" if cut.delimiter == BLANKS and words and not written else ""
    in_order = named == [str(number) for number in range(1, len(named) + 1)]
    return "row names" if in_order or written or words else ""


# ---- the header ----------------------------------------------------------------------------------


def _headed(
    cut: _Cut, lines: Sequence[str], comments: Sequence[int], sign: str | None, reading: Reading, label: str,
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


def _not_first(cut: _Cut, below: int, label: str) -> str:
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


def _as_wide(first: list[str], cut: _Cut) -> list[str]:
    """The first line as wide as the rows."""
    if cut.shape == "row names":
        return ["", *first]
    if cut.shape == "header ends in a delimiter":
        return first[:-1]
    return [*first, ""] if cut.shape else first


def _stripped(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(name.strip() for name in names)


def _headerless(made: Layout, cut: _Cut, line: int, notes: tuple[str, ...]) -> Layout:
    """The layout of a table without a header; a delimiter behind every row begins no column."""
    width = len(made.names)
    ends = [record.fields[-1].strip() for record in cut.records if record.line >= line and len(record.fields) == width]
    trailing = made.trailing or (width > 1 and cut.delimiter != BLANKS and not any(ends))
    names = (*array_names(width - trailing), *([""] if trailing else []))
    return replace(
        made, names=names, header=False, start=line, row_names=False, trailing=trailing, notes=(*made.notes, *notes)
    )


def _check_above(cut: _Cut, at: int, kind: First, label: str) -> None:
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


def _check_row_names(cut: _Cut, at: int, label: str) -> None:
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


def _second_line(made: Layout, cut: _Cut, at: int, label: str, said: bool) -> Layout:
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


def _named_in_comment(line: str, sign: str, cut: _Cut, kind: First) -> tuple[str, ...] | None:
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
