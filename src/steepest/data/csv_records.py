"""The lines of a text table cut into fields: by each delimiter in turn, and which of them fits best.

A delimiter fits where most records are as wide as the header. Columns may also be aligned by blanks, and in a file of
one column the delimiters stand within the values.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

from steepest.data.headers import COMMA_CUT, is_number, one_number_each

DELIMITERS = (",", ";", "\t", "|")
BLANKS = " "  # stands for columns aligned by any number of blanks
NONE = "\x1f"  # stands for a single column in whose values every delimiter stands
SAMPLE = 2_000  # records that the layout is inferred from
FARTHEST = 50  # records above a header, at most
TOKEN = re.compile(r'"(?:[^"\\]|\\.|"")*"|\S+')


@dataclass(frozen=True)
class Record:
    """The fields of a row, the line it begins in and the one after it, counted from 0; whether it begins with a quote."""

    line: int
    after: int
    fields: list[str]
    quoted: bool = False


@dataclass(frozen=True)
class Dialect:
    """The records under one delimiter: `width` fields in most, from the place `at` on, `agreeing` of those."""

    delimiter: str
    records: list[Record] = field(repr=False)
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

    def rows(self, start: int = 0) -> list[list[str]]:
        """The fields of the records from a place on."""
        return [record.fields for record in self.records[start:]]


def fields_of(line: str) -> list[str]:
    """The fields of a line aligned by blanks; quotation marks hold one together."""
    return [
        word[1:-1].replace('\\"', '"').replace('""', '"') if len(word) > 1 and word[0] == word[-1] == '"' else word
        for word in TOKEN.findall(line)
    ]


def best_dialect(
    lines: Sequence[str], begin: int, sign: str | None, said: bool, forced: str | None, single: bool | None
) -> Dialect | None:
    """The delimiter under which most records are as wide as the header; of equals, that of most columns.

    single: the first line is the name of one column that somebody asks for; None where nobody asks for one.
    """

    def under(delimiters: Iterable[str]) -> list[Dialect]:
        found = [_dialect(lines, begin, delimiter, sign, said) for delimiter in delimiters]
        return [dialect for dialect in found if dialect is not None]

    if forced:
        return next(iter(under([forced])), None)
    dialects = under(DELIMITERS)
    if not dialects:
        return None
    dialects = [dialect for dialect in dialects if not _of_one_column(dialect, single)] or under([NONE])
    best = max(dialects, key=lambda dialect: dialect.rank)
    if best.delimiter == ",":
        # in `1,5;2,5` the comma is a decimal mark
        others = [one for one in dialects if one is not best and one.rank[:3] >= best.rank[:3] and _decimals(one)]
        best = max(others, key=lambda one: one.rank, default=best)
    blanks = under([BLANKS]) if best.width == 1 else []
    return next((one for one in blanks if _aligned(one) and not _of_one_column(one, single)), best)


def _of_one_column(dialect: Dialect, single: bool | None) -> bool:
    """Whether the delimiter stands within the values of a single column."""
    if dialect.width < 2 or dialect.quoted or dialect.shape == "rows end in a delimiter":
        return False
    first, *rows = dialect.rows()
    if single:
        return not any(first[0].strip() in map(str.strip, row) for row in rows[:FARTHEST])  # a title above
    return single is None and len(first) == 1 and one_number_each(rows, dialect.delimiter)


def _decimals(dialect: Dialect) -> bool:
    """Whether every comma stands in a number, as its decimal mark."""
    commas = [cell for row in dialect.rows(dialect.at) for cell in row if "," in cell]
    return bool(commas) and all(COMMA_CUT.fullmatch(cell) for cell in commas)


def _aligned(dialect: Dialect) -> bool:
    """Whether blanks part columns here, and not the words of a single one."""
    header = dialect.records[max(dialect.at - bool(dialect.shape), 0)].fields
    if dialect.width < 2 or dialect.agreeing < 1 or len(dialect.records) < 2:
        return False
    if dialect.shape == "row names":
        return len(header) > 1 or all(is_number(row[-1]) for row in dialect.rows(dialect.at))
    return not dialect.shape


def _dialect(lines: Sequence[str], begin: int, delimiter: str, sign: str | None, said: bool) -> Dialect | None:
    records = list(islice(_records(lines, begin, delimiter, sign if said else None), SAMPLE + 1))
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
    dialect = Dialect(delimiter, records, width, at, agreeing)
    return replace(dialect, shape=_shape(dialect)) if at else dialect


def _records(lines: Sequence[str], begin: int, delimiter: str, sign: str | None) -> Iterator[Record]:
    """The records from a line on, blank ones left out; lines that begin with `sign` are, where one is given."""
    places: list[int] = []

    def remembered() -> Iterator[str]:
        for number, line, _ in without_comments(lines[begin:], sign):
            places.append(begin + number)
            yield line + "\n"

    if delimiter == BLANKS:
        for line in remembered():
            if fields := fields_of(line):
                yield Record(places[-1], places[-1] + 1, fields, line.lstrip().startswith('"'))
        return
    reader, before = csv.reader(remembered(), delimiter=delimiter), 0
    try:
        for fields in reader:
            if any(cell.strip() for cell in fields):
                begins = lines[places[before]].lstrip().startswith('"')
                yield Record(places[before], places[reader.line_num - 1] + 1, fields, begins)
            before = reader.line_num
    except csv.Error:  # an endless field; the parser will say where
        if not before:
            yield Record(begin, begin + 1, lines[begin].split(delimiter))


def without_comments(
    lines: Iterable[str], sign: str | None, where: Callable[[str], bool] = bool
) -> Iterator[tuple[int, str, bool]]:
    """The number (from 0) and the text of each line, and whether it begins within quotation marks.

    Lines outside of quotation marks that begin with the sign, where there is one, are left out, if `where` says so too.
    """
    quotes = False
    for number, line in enumerate(lines):
        if sign and not quotes and line.lstrip().startswith(sign) and where(line):
            continue
        yield number, line, quotes
        quotes ^= line.count('"') % 2 == 1


def _shape(dialect: Dialect) -> str:
    """How a header may have a field more or less than the rows below it."""
    header, *rows = dialect.rows(dialect.at - 1)
    rows = [row for row in rows if len(row) == dialect.width]
    if len(header) == dialect.width + 1 and not header[-1].strip():
        return "header ends in a delimiter"
    if len(header) != dialect.width - 1:
        return ""
    if not any(row[-1].strip() for row in rows):
        return "rows end in a delimiter"
    named = [row[0].strip() for row in rows]
    written = all(record.quoted for record in dialect.records[dialect.at - 1 :])  # as R writes them
    words = not any(map(is_number, named))
    if len(rows) < 2 or any(map(is_number, header)):
        return ""
    if len(set(named)) < len(named):  # parts of dates or words that blanks cut
        return "row names" if dialect.delimiter == BLANKS and words and not written else ""
    in_order = named == [str(number) for number in range(1, len(named) + 1)]
    return "row names" if in_order or written or words else ""
