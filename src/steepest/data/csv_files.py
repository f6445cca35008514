"""Delimited text → a table: the layout is told from its start, the decimal mark from all of it.

    bytes ──encoding, line ends──▶ UTF-8 ──csv_layout.py──▶ names, delimiter, first row ──pyarrow──▶ table

pyarrow reads the rows; this module decides how, and turns everything that can be wrong with such a file into one line
that names the file, the row and what was found there. A row is counted from 1 below the header.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Collection
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from steepest.data.column_names import is_empty
from steepest.data.csv_header import Layout
from steepest.data.csv_layout import layout_of
from steepest.data.csv_records import BLANKS, fields_of
from steepest.data.decimal_marks import UNDECIDED, decimal_for_certain, shown_by
from steepest.data.encodings import HEAD, Opener, as_utf8, from_offset, head_of, held, not_utf8, text_of, whole
from steepest.data.reading import Reading
from steepest.data.wording import counted, quoted
from steepest.errors import DataError


@dataclass(frozen=True)
class Text:
    """How a text table was read, beside its layout.

    Attributes:
        layout: the delimiter, the names and what stood above them.
        encoding: of its bytes.
        decimal: the decimal mark that it shows: ".", ",", "" (none, or both), or `UNDECIDED`.
        comments: comment lines that were left out, above the table and in it.
        empty: rows without any value at its end, which were left out.
    """

    layout: Layout
    encoding: str
    decimal: str
    comments: int = 0
    empty: int = 0


def read_delimited(
    opener: Opener, label: str, reading: Reading, text_columns: Collection[str] = (), mentioned: Collection[str] = ()
) -> tuple[pa.Table, Text]:
    """Read delimited text.

    Args:
        opener: returns the (decompressed) bytes from their beginning, each time it is called.
        label: the file's name as messages show it, already quoted.
        reading: what was said about how it is read.
        text_columns: columns that stay text, whatever they look like.
        mentioned: names that somebody asks for.

    Returns:
        The table, its types inferred, with names as they are in the file ("" where a column has none); and how it was
        read.

    Raises:
        DataError: empty, not text, a header that cannot be told, ragged rows.
    """
    opener, encoding = as_utf8(opener, label, reading.encoding)
    head, complete = head_of(opener, label)
    text = text_of(head, complete, opener, label).replace("\r\n", "\n")
    if not text.strip():
        raise DataError(f"{label} is empty: a table starts with a line of column names")
    layout = layout_of(text, reading, label, mentioned)
    rows = _Rows(opener, label, layout, reading, text)
    return rows.table(encoding, text_columns)


class _Rows:
    """The rows of a text table, below its header, as pyarrow reads them."""

    def __init__(self, opener: Opener, label: str, layout: Layout, reading: Reading, head: str) -> None:
        self.whole, self.label, self.layout, self.reading = opener, label, layout, reading
        self.width, self.delimiter = len(layout.names), layout.delimiter
        self.quotes = '"' in head
        self.comments = 0  # lines left out before pyarrow reads the rest
        self.skipped, self.lenient = (
            0,
            True,
        )  # those left out since it could not read them, and whether that may be tried
        lines = head.split("\n")
        longest = max(map(len, lines), default=0)
        # a block holds, of wide tables too, enough rows for types to be told from them
        self.block = max(1 << 22, min(128 * longest, 1 << 28), 8 * longest)
        offset = self._offset(opener, layout.start)
        below = from_offset(opener, offset)
        sign = layout.comment if layout.inside else None
        if layout.delimiter == BLANKS or sign:
            data = self._rewritten(below, sign)
            self.opener = held(data)
            self.delimiter = "\t" if layout.delimiter == BLANKS else self.delimiter
        else:
            self.opener = below
        self.below = self.opener

    @staticmethod
    def _offset(opener: Opener, lines: int) -> int:
        """Bytes of the first lines."""
        if not lines:
            return 0
        offset = found = 0
        with opener() as stream:
            while found < lines:
                block = stream.read(HEAD)
                if not block:
                    return offset
                for end in re.finditer(rb"\n", block):
                    found += 1
                    if found == lines:
                        return offset + end.end()
                offset += len(block)
        return offset

    def _rewritten(self, below: Opener, sign: str | None) -> bytes:
        """The rows without comment lines; where blanks align the columns, with tabs between them."""
        raw = whole(below)
        try:
            lines = raw.decode().split("\n")
        except UnicodeDecodeError:
            raise not_utf8(self.whole, self.label) from None
        kept, inside = [], False
        for line in lines:
            if sign and not inside and line.lstrip().startswith(sign):
                self.comments += 1
                continue
            inside ^= line.count('"') % 2 == 1
            kept.append(line)
        if self.layout.delimiter != BLANKS:
            return "\n".join(kept).encode()
        made = io.StringIO()
        csv.writer(made, delimiter="\t", lineterminator="\n").writerows(filter(None, map(fields_of, kept)))
        return made.getvalue().encode()

    def table(self, encoding: str, text_columns: Collection[str]) -> tuple[pa.Table, Text]:
        """The table under the names of the file, and how it was read."""
        as_text = [at for at, name in enumerate(self.layout.names) if name in text_columns]
        # padded numbers keep their zeros, and words that mean missing can be counted, as long as they are text
        as_text += [at for at in {*self.layout.padded, *self.layout.worded} if at not in as_text]
        table, decimal = self._with_decimals(as_text)
        self._check(table)
        empty = _empty_rows(table)
        table = table.slice(0, table.num_rows - empty) if empty else table
        names = list(self.layout.names)
        found = Text(self.layout, encoding, decimal, self.layout.comments + self.comments + self.skipped, empty)
        return pa.table(table.columns, names=names), found

    def _check(self, table: pa.Table) -> None:
        """Raise DataError where a row that was left out as a comment is none, or the last field of a row has no name."""
        first, last = table.column(0), table.column(self.width - 1)
        sign = self.layout.comment or "#"
        if self.skipped and pa.types.is_string(first.type) and pc.any(pc.starts_with(first, sign)).as_py():
            self.opener = self.below
            raise self._unreadable(pa.ArrowInvalid(""))
        if self.layout.trailing and not is_empty(last):
            present = pc.is_valid(last)
            if pa.types.is_string(last.type):
                present = pc.and_(present, pc.not_equal(pc.utf8_trim_whitespace(last), ""))
            row = pc.index(present, True).as_py()
            raise DataError(
                f"row {row + 1:,} of {self.label} has {counted(self.width, 'field')} where the header has {self.width - 1:,}. "
                f"Correct the row, or quote a value that holds {self.delimiter!r}"
            )

    def _with_decimals(self, as_text: list[int]) -> tuple[pa.Table, str]:
        """The table and its decimal mark; columns that pyarrow would read by the wrong one are left as text."""
        said = self.reading.decimal or {".": ",", ",": "."}.get(self.reading.thousands or "")
        if said:
            return self._parsed(said, as_text), said
        table = self._parsed("," if self.layout.comma else ".", as_text)
        seen = shown_by(table)
        numbers = [at for at, column in enumerate(table.columns) if pa.types.is_floating(column.type)]
        if self.layout.comma:
            if "." not in seen:
                return table, ","
        elif any(decimal_for_certain(table.column(at)) for at in numbers):
            seen.add(".")
        plain = not self.layout.comma and "," not in seen
        if plain and (self.delimiter == "," or "." in seen or not (numbers or seen)):
            return table, "." if numbers or "." in seen or self.delimiter == "," else ""
        if numbers:  # their mark may be the other one
            table = self._parsed(".", [*as_text, *numbers])
            seen = shown_by(table)
        if "," in seen and "." in seen:
            return table, UNDECIDED  # each column by itself
        if "," in seen or "." in seen:
            return table, "," if "," in seen else "."
        return table, UNDECIDED

    def _parsed(self, decimal: str, as_text: list[int]) -> pa.Table:
        """The table with names 0, 1, 2, …"""
        names = [str(at) for at in range(self.width)]
        read = pacsv.ReadOptions(block_size=self.block, column_names=names)
        parse = pacsv.ParseOptions(delimiter=self.delimiter, newlines_in_values=self.quotes)
        text = {names[at]: pa.string() for at in as_text}
        inferred = pacsv.ConvertOptions(
            null_values=sorted(self.reading.words), decimal_point=decimal, column_types=text
        )  # fmt: skip
        try:
            table = self._read(read, parse, inferred)
        except pa.ArrowInvalid as error:
            if "Empty CSV" in str(error):
                return pa.table({name: pa.nulls(0) for name in names})
            if "Expected" in str(error) and self.lenient and self._without_odd_lines():
                self.lenient = False
                return self._parsed(decimal, as_text)
            if "conversion error" not in str(error):
                raise self._unreadable(error) from None
            try:  # a later value contradicts the first ones: all is text
                table = self._read(read, parse, pacsv.ConvertOptions(column_types=dict.fromkeys(names, pa.string())))
            except pa.ArrowInvalid as second:
                if "UTF8" in str(second):
                    raise not_utf8(self.whole, self.label) from None
                raise self._unreadable(second) from None
        for name, column in zip(self.layout.names, table.columns, strict=True):
            if pa.types.is_binary(column.type):
                raise not_utf8(self.whole, self.label)
            if pa.types.is_string(column.type) and len(column) and "\n" in (column[-1].as_py() or ""):
                self._check_last_quote(name)
        return table

    def _read(self, read: pacsv.ReadOptions, parse: pacsv.ParseOptions, convert: pacsv.ConvertOptions) -> pa.Table:
        with self.opener() as stream:
            return pacsv.read_csv(stream, read_options=read, parse_options=parse, convert_options=convert)

    def _without_odd_lines(self) -> bool:
        """Leave out blank lines, and comment lines of another width than the rows; False where there are none."""
        try:
            lines = whole(self.opener).decode().split("\n")
        except UnicodeDecodeError:
            raise not_utf8(self.whole, self.label) from None
        sign, kept, inside = self.layout.comment or "#", [], False
        for line in lines:
            text = line.strip()
            if (
                not inside
                and text.startswith(sign)
                and len(next(csv.reader([line], delimiter=self.delimiter))) != self.width
            ):
                self.skipped += 1
                continue
            inside ^= line.count('"') % 2 == 1
            if text or inside:
                kept.append(line)
        if len(kept) == len(lines):
            return False
        data = "\n".join(kept).encode()
        self.opener = held(data)
        return True

    def _check_last_quote(self, name: str) -> None:
        """A quote that never closes swallows the rest of the file without a word from the parser."""
        raw = whole(self.opener)
        if raw.count(b'"') % 2:
            raise DataError(
                f"{self.label}: a quotation mark opened in column {quoted(name)} is never closed, and swallows rows"
            )

    def _unreadable(self, error: pa.ArrowInvalid) -> DataError:
        """Read once more, in order, to say which row is the first with too few or too many fields."""
        bad: list[pacsv.InvalidRow] = []

        def remember(row: pacsv.InvalidRow) -> str:
            if not row.text.strip():
                return "skip"
            bad.append(row)
            return "error"

        parse = pacsv.ParseOptions(delimiter=self.delimiter, newlines_in_values=True, invalid_row_handler=remember)
        names = [str(at) for at in range(self.width)]
        read = pacsv.ReadOptions(use_threads=False, block_size=self.block, column_names=names)
        try:
            self._read(read, parse, pacsv.ConvertOptions())
        except pa.ArrowInvalid as again:
            error = again
        if bad:
            where = "the header has" if self.layout.header else "the first row has"
            return DataError(
                f"row {bad[0].number:,} of {self.label} has {counted(bad[0].actual_columns, 'field')} where {where} "
                f"{self.width:,}: {quoted(bad[0].text)}. Correct the row, or quote a value that holds {self.delimiter!r}"
            )
        return DataError(f"{self.label} cannot be read as a table: {' '.join(str(error).split())[:200]}")


def _empty_rows(table: pa.Table) -> int:
    """Rows at the end that hold no value at all, as spreadsheets write them; of a single column none."""
    if table.num_columns < 2 or table.num_rows < 2:
        return 0
    empty = 0
    while empty < table.num_rows - 1:
        row = table.slice(table.num_rows - 1 - empty, 1)
        if any((column[0].as_py() or "") != "" for column in row.columns):
            break
        empty += 1
    return empty
