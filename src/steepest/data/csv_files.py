"""Delimited text → a table: the layout is inferred from its start, the decimal mark from all of it.

    bytes ──encoding, line ends──▶ UTF-8 ──csv_layout.py──▶ names, delimiter, first row ──pyarrow──▶ table

pyarrow reads the rows; this module decides how, and turns everything that can be wrong with such a file into one line
that names the file, the row and what was found there. A row is counted from 1 below the header.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from steepest.data.column_names import is_empty
from steepest.data.csv_layout import Layout, layout_of
from steepest.data.csv_records import BLANKS, fields_of, without_comments
from steepest.data.decimal_marks import UNDECIDED, decimal_for_certain, shown_by
from steepest.data.encodings import Opener, all_bytes, as_utf8, from_offset, head_of, not_utf8, opener_of, text_of
from steepest.data.reading import Reading
from steepest.data.wording import counted, quoted, were
from steepest.errors import DataError


def read_delimited(
    opener: Opener, label: str, reading: Reading, text_columns: Collection[str] = (), requested: Collection[str] = ()
) -> tuple[pa.Table, Layout]:
    """Read delimited text.

    Args:
        opener: returns the (decompressed) bytes from their beginning, each time it is called.
        label: the file's name as messages show it, already quoted.
        reading: what was said about how it is read.
        text_columns: columns that stay text, whatever they look like.
        requested: names that somebody asks for.

    Returns:
        The table, its types inferred, with names as they are in the file ("" where a column has none); and its layout,
        with the decimal mark and notes of the whole.

    Raises:
        DataError: empty, not text, a header that is in doubt, ragged rows.
    """
    opener, encoding = as_utf8(opener, label, reading.encoding)
    text, layout = laid_out(opener, label, reading, requested)
    below = from_offset(opener, above_rows(text, layout))
    table, layout = Rows(below, opener, label, layout, reading, text).table(text_columns)
    return table, replace(layout, notes=(*layout.notes, *said_of_encoding(encoding)))


def laid_out(opener: Opener, label: str, reading: Reading, requested: Collection[str]) -> tuple[str, Layout]:
    """The beginning of a text table, and the layout that it shows. opener: of UTF-8."""
    head, complete = head_of(opener, label)
    text = text_of(head, complete, opener, label)
    if not text.strip():
        raise DataError(f"{label} is empty: a table starts with a line of column names")
    return text, layout_of(text.replace("\r\n", "\n"), reading, label, requested)


def above_rows(head: str, layout: Layout) -> int:
    """How many bytes stand above the first row."""
    above = "\n".join([*head.split("\n")[: layout.start], ""]) if layout.start else ""
    return len(above[: len(head)].encode())


def said_of_encoding(encoding: str) -> tuple[str, ...]:
    """What is said of an encoding that was recognised."""
    return (f"The file is read as {encoding.upper()}.",) if encoding in ("utf-16", "utf-32") else ()


class Otherwise(Exception):
    """A column has a value that is not of the type that it was said to be of. place: which one."""

    def __init__(self, place: int) -> None:
        self.place = place


class Decimals:
    """Which decimal mark a text table has, from what all of its rows show, a look at some of them after another.

    mark: the one that pyarrow is to read numbers by. as_text: columns that it is to leave as text, since their mark may be the
    other one.
    """

    def __init__(self, layout: Layout, reading: Reading, delimiter: str) -> None:
        self.said = reading.decimal or {".": ",", ",": "."}.get(reading.thousands or "")
        self.comma, self.delimiter = layout.comma, delimiter
        self.mark = self.said or ("," if self.comma else ".")
        self.as_text: tuple[int, ...] = ()
        self.seen, self.numbers = set[str](), set[int]()

    def look(self, table: pa.Table) -> None:
        """Some rows, as they were read."""
        if self.said:
            return
        self.seen |= shown_by(table)
        numbers = {at for at, column in enumerate(table.columns) if pa.types.is_floating(column.type)}
        self.numbers |= numbers
        if not self.comma and "." not in self.seen and any(decimal_for_certain(table.column(at)) for at in numbers):
            self.seen.add(".")

    def decided(self) -> str | None:
        """The mark that all rows show; None where they are to be looked at once more."""
        if self.said:
            return self.said
        if not self.as_text:
            if self.comma and "." not in self.seen:
                return ","
            if not self.comma and "," not in self.seen:
                certain = self.numbers or "." in self.seen or self.delimiter == ","
                if self.delimiter == "," or "." in self.seen or not (self.numbers or self.seen):
                    return "." if certain else ""
            if self.numbers:
                self.mark, self.as_text = ".", tuple(sorted(self.numbers))
                self.seen, self.numbers = set(), set()
                return None
        if "," in self.seen and "." in self.seen:
            return UNDECIDED  # each column by itself
        return next((mark for mark in ",." if mark in self.seen), UNDECIDED)


def read_as(layout: Layout, decimal: str, comments: int, empty: int) -> Layout:
    """The layout with what all rows showed. comments: such lines between the rows; empty: rows without a value at the end."""
    notes = list(layout.notes)
    if comments:
        said = f"{counted(comments, 'comment line')} between the rows, beginning with {quoted(layout.sign)},"
        notes.append(f"{said} {were(comments)} left out.")
    if empty:
        notes.append(f"{counted(empty, 'row')} without any value at the end {were(empty)} left out.")
    if decimal == ",":
        notes.append("Numbers are read with a decimal comma.")
    return replace(layout, decimal=decimal, notes=tuple(notes))


class Rows:
    """The rows of a text table, below its header, as pyarrow reads them; all, or those of a block.

    below: opens them. whole: opens the file. head: its beginning. before: how many rows stand above them.
    """

    def __init__(
        self, below: Opener, whole: Opener, label: str, layout: Layout, reading: Reading, head: str, before: int = 0
    ) -> None:
        self.whole, self.label, self.layout, self.reading = whole, label, layout, reading
        self.width, self.delimiter = len(layout.names), layout.delimiter
        self.names = [str(at) for at in range(self.width)]  # those of the file may be empty, or the same
        self.comments = self.skipped = 0  # comment lines left out: at first, and since pyarrow could not read them
        lines = head.split("\n")
        longest = max(map(len, lines))
        # a block holds, of wide tables too, enough rows to infer types from
        self.block = max(1 << 20, min(128 * longest, 1 << 28), 8 * longest)
        self.below, self.before = below, before
        if layout.delimiter == BLANKS or layout.inside:
            self.below = opener_of(self._rewritten())
            self.delimiter = "\t" if layout.delimiter == BLANKS else self.delimiter
        first = above_rows(head, layout)
        self.quotes = '"' in head[first:] or ('"' in head[:first] and _holds(self.below, b'"'))
        self.opener = self.below  # or the same without the lines that pyarrow could not read

    def _lines(self, opener: Opener) -> list[str]:
        try:
            return all_bytes(opener).decode().split("\n")
        except UnicodeDecodeError:
            raise not_utf8(self.whole, self.label) from None

    def _rewritten(self) -> bytes:
        """The rows without comment lines; where blanks align the columns, with tabs between them."""
        lines, sign = self._lines(self.below), self.layout.comment if self.layout.inside else None
        rows = [line for _, line, _ in without_comments(lines, sign)]
        self.comments = len(lines) - len(rows)
        if self.layout.delimiter != BLANKS:
            return "\n".join(rows).encode()
        made = io.StringIO()
        csv.writer(made, delimiter="\t", lineterminator="\n").writerows(filter(None, map(fields_of, rows)))
        return made.getvalue().encode()

    def table(self, text_columns: Collection[str]) -> tuple[pa.Table, Layout]:
        """The table under the names of the file, and its layout with the decimal mark and notes of all its rows."""
        named = [at for at, name in enumerate(self.layout.names) if name in text_columns]
        table, decimal = self._with_decimals([*named, *(at for at in self.layout.as_text if at not in named)])
        self.check(table)
        empty = empty_rows(table)
        table = table.slice(0, table.num_rows - empty).rename_columns(list(self.layout.names))
        return table, read_as(self.layout, decimal, self.comments + self.skipped, empty)

    def check(self, table: pa.Table) -> None:
        """Raise DataError where a row that was left out as a comment is none, or the last field of a row has no name."""
        first, last = table.column(0), table.column(self.width - 1)
        text = pa.types.is_string(first.type)
        if self.skipped and text and pc.any(pc.starts_with(first, self.layout.sign)).as_py():
            self.opener = self.below
            raise self._unreadable(pa.ArrowInvalid(""))
        if self.layout.trailing and not is_empty(last):
            present = pc.is_valid(last)
            if pa.types.is_string(last.type):
                present = pc.and_(present, pc.not_equal(pc.utf8_trim_whitespace(last), ""))
            row = pc.index(present, True).as_py()
            raise DataError(
                f"row {self.before + row + 1:,} of {self.label} has {counted(self.width, 'field')} where the header has "
                f"{self.width - 1:,}. Correct the row, or quote a value that holds {self.delimiter!r}"
            )

    def _with_decimals(self, as_text: list[int]) -> tuple[pa.Table, str]:
        """The table and its decimal mark; columns that pyarrow would read by the wrong one are left as text."""
        decimals = Decimals(self.layout, self.reading, self.delimiter)
        fractions = dict.fromkeys(self.layout.fractions, pa.float64())  # sooner read than inferred
        while True:
            try:
                table = self.parsed(decimals.mark, [*as_text, *decimals.as_text], fractions)
            except Otherwise:
                fractions = {}
                continue
            decimals.look(table)
            if (decided := decimals.decided()) is not None:
                return table, decided

    def parsed(self, decimal: str, as_text: Iterable[int], types: Mapping[int, pa.DataType] | None = None) -> pa.Table:
        """The table with names 0, 1, 2, …; types: of columns where they are known, else inferred."""
        read = pacsv.ReadOptions(block_size=self.block, column_names=self.names)
        parse = pacsv.ParseOptions(delimiter=self.delimiter, newlines_in_values=self.quotes)
        text = {self.names[at]: kind for at, kind in (types or {}).items()}
        text |= {self.names[at]: pa.string() for at in as_text}
        words = sorted(self.reading.words)
        inferred = pacsv.ConvertOptions(null_values=words, decimal_point=decimal, column_types=text)
        try:
            table = self._read(read, parse, inferred)
        except pa.ArrowInvalid as error:
            if "Empty CSV" in str(error):
                return pa.table({name: pa.nulls(0) for name in self.names})
            if "Expected" in str(error) and self.opener is self.below and self._without_odd_lines():
                return self.parsed(decimal, as_text, types)
            if "conversion error" not in str(error):
                raise self._unreadable(error) from None
            if (place := re.search(r"CSV column #(\d+)", str(error))) and int(place[1]) in (types or {}):
                raise Otherwise(int(place[1])) from None
            try:  # a later value contradicts the first ones: all is text
                text = dict.fromkeys(self.names, pa.string())
                table = self._read(read, parse, pacsv.ConvertOptions(column_types=text))
            except pa.ArrowInvalid as second:
                if "UTF8" in str(second):
                    raise not_utf8(self.whole, self.label) from None
                raise self._unreadable(second) from None
        for name, column in zip(self.layout.names, table.columns, strict=True):
            if pa.types.is_binary(column.type):
                raise not_utf8(self.whole, self.label)
            last = column[-1].as_py() if pa.types.is_string(column.type) and len(column) else None
            # a quote that never closes swallows the rest of the file without a word from the parser
            if "\n" in (last or "") and all_bytes(self.opener).count(b'"') % 2:
                raise DataError(
                    f"{self.label}: a quotation mark opened in column {quoted(name)} is never closed, and swallows rows"
                )
        return table

    def _read(self, read: pacsv.ReadOptions, parse: pacsv.ParseOptions, convert: pacsv.ConvertOptions) -> pa.Table:
        with self.opener() as stream:
            return pacsv.read_csv(stream, read_options=read, parse_options=parse, convert_options=convert)

    def _without_odd_lines(self) -> bool:
        """Leave out blank lines, and comment lines of another width than the rows; False where there are none."""
        lines = self._lines(self.opener)
        rows = list(without_comments(lines, self.layout.sign, self._odd))
        self.skipped = len(lines) - len(rows)
        rows = [line for _, line, quotes in rows if line.strip() or quotes]
        if len(rows) == len(lines):
            return False
        self.opener = opener_of("\n".join(rows).encode())
        return True

    def _odd(self, line: str) -> bool:
        return len(next(csv.reader([line], delimiter=self.delimiter))) != self.width

    def _unreadable(self, error: pa.ArrowInvalid) -> DataError:
        """Read once more, in order, to say which row is the first with too few or too many fields."""
        bad: list[pacsv.InvalidRow] = []

        def remember(row: pacsv.InvalidRow) -> str:
            if not row.text.strip():
                return "skip"
            bad.append(row)
            return "error"

        parse = pacsv.ParseOptions(delimiter=self.delimiter, newlines_in_values=True, invalid_row_handler=remember)
        read = pacsv.ReadOptions(use_threads=False, block_size=self.block, column_names=self.names)
        try:
            self._read(read, parse, pacsv.ConvertOptions())
        except pa.ArrowInvalid as again:
            error = again
        if bad:
            where = "the header has" if self.layout.header else "the first row has"
            return DataError(
                f"row {self.before + (bad[0].number or 0):,} of {self.label} has {counted(bad[0].actual_columns, 'field')} where "
                f"{where} {self.width:,}: {quoted(bad[0].text)}. Correct the row, or quote a value that holds {self.delimiter!r}"
            )
        return DataError(f"{self.label} cannot be read as a table: {' '.join(str(error).split())[:200]}")


def _holds(opener: Opener, byte: bytes) -> bool:
    """Whether a byte occurs in a file."""
    with opener() as stream:
        while block := stream.read(1 << 20):
            if byte in block:
                return True
    return False


def empty_rows(table: pa.Table, least: int = 1) -> int:
    """Rows at the end that hold no value at all, as spreadsheets write them; of a single column none. least: rows that stay."""
    if table.num_columns < 2:
        return 0
    for empty in range(table.num_rows - least):
        row = table.slice(table.num_rows - 1 - empty, 1)
        if any(column[0].as_py() not in (None, "") for column in row.columns):
            return empty
    return max(table.num_rows - least, 0)
