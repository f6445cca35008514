"""Delimited text → a table: its start tells the separator, the encoding and the decimal mark.

pyarrow reads the file; this module decides how, and turns everything that can be wrong with such a file
into one line that names the file, the row and what was found there. A row is counted from 1 below the header.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Callable

import pyarrow as pa
import pyarrow.csv as pacsv

from steepest.errors import DataError
from steepest.problem.reading import MISSING
from steepest.problem.wording import counted, listed, quoted

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?(inf|infinity|nan)", re.IGNORECASE)
COMMA_NUMBER = re.compile(r"[+-]?(\d+,\d*|,\d+)([eE][+-]?\d+)?")
DELIMITERS = (",", ";", "\t", "|")
HEAD = 1 << 18  # bytes looked at first, more where the first line is longer
SAMPLE = 100  # records that decide about delimiter and decimal mark
UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)

Opener = Callable[[], pa.NativeFile]


def read_delimited(opener: Opener, label: str) -> tuple[pa.Table, bool]:
    """Read delimited text that starts with a line of column names.

    Args:
        opener: returns the (decompressed) bytes from their beginning, each time it is called.
        label: the file's name as messages show it, already quoted.

    Returns:
        The table, its types inferred, and whether the file writes decimals with a comma.

    Raises:
        DataError: empty, not text, no header, empty or duplicate names, ragged rows.
    """
    head, complete = _head(opener)
    if head.startswith(UTF16):
        data = _utf16(opener, label)
        opener, head, complete = (
            (lambda: pa.BufferReader(data)),
            data[: max(HEAD, len(head))],
            len(data) <= HEAD,
        )
    text = _text(head, complete, opener, label)
    if not text.strip():
        raise DataError(f"{label} is empty: a table starts with a line of column names")
    delimiter = _delimiter(text)
    if delimiter == " ":
        data = _tabbed(opener, label)
        opener, text, delimiter = (lambda: pa.BufferReader(data)), data.decode(), "\t"
    records = _records(text, delimiter)
    names = [name.strip() for name in records[0]]
    _check_header(names, label)
    decimal_comma = delimiter != "," and _decimal_comma(records[1:])
    header_bytes = len(text.lstrip().split("\n", 1)[0].encode())
    table = _parse(opener, label, names, delimiter, decimal_comma, header_bytes, quotes='"' in text)
    return table.rename_columns(names), decimal_comma


def _head(opener: Opener) -> tuple[bytes, bool]:
    """The beginning of the text, at least its first line, and whether that is all of it."""
    with opener() as stream:
        head = stream.read(HEAD)
        while True:
            more = stream.read(len(head)) if len(head) >= HEAD else b""
            if not more:
                return head, True
            first_line_ended = b"\n" in head or b"\r" in head
            if first_line_ended:
                return head, False
            head += more


def _utf16(opener: Opener, label: str) -> bytes:
    with opener() as stream:
        raw = stream.read()
    try:
        return raw.decode("utf-16").encode()
    except UnicodeDecodeError as error:
        raise DataError(f"{label} starts as UTF-16 text but byte {error.start + 1:,} is not UTF-16") from None


def _text(head: bytes, complete: bool, opener: Opener, label: str) -> str:
    """The head as text, cut after its last whole line; bytes that are no UTF-8 are an error."""
    zero = head.find(0)
    if zero >= 0:
        raise DataError(f"{label} is not a text table: byte {zero + 1:,} is zero. Save it as UTF-8 text or as Parquet")
    if not complete:
        end = max(head.rfind(b"\n"), head.rfind(b"\r"))
        head = head[: end + 1] if end >= 0 else head
    try:
        return head.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _not_utf8(opener, label) from None


def _not_utf8(opener: Opener, label: str) -> DataError:
    """The error for bytes that are no UTF-8, with the place of the first one."""
    with opener() as stream:
        raw = stream.read()
    try:
        raw.decode()
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        return DataError(
            f"{label} is not UTF-8: byte {error.start + 1:,}, in line {line:,}, is 0x{raw[error.start]:02x}. "
            "Convert it, for example: iconv -f LATIN1 -t UTF-8 old.csv > new.csv"
        )
    return DataError(f"{label} holds bytes that cannot be read as text")


def _records(text: str, delimiter: str) -> list[list[str]]:
    """The first records of the text, blank lines left out."""
    records: list[list[str]] = []
    try:
        for record in csv.reader(io.StringIO(text), delimiter=delimiter):
            if record:
                records.append(record)
            if len(records) > SAMPLE:
                break
    except csv.Error:  # an endless quoted field; pyarrow will say where
        pass
    return records or [text.split("\n", 1)[0].split(delimiter)]


def _delimiter(text: str) -> str:
    """The separator under which most records are as wide as the header; of equals, that of most columns."""
    best, best_score = ",", (0.0, 1)
    for delimiter in DELIMITERS:
        records = _records(text, delimiter)
        width = len(records[0])
        if width > 1:
            agreeing = sum(len(record) == width for record in records[1:]) / max(1, len(records) - 1)
            score = (agreeing if len(records) > 1 else 1.0, width)
            best, best_score = (delimiter, score) if score > best_score else (best, best_score)
    if best_score[1] == 1:
        widths = {len(line.split()) for line in text.splitlines()[:SAMPLE] if line.strip()}
        if len(widths) == 1 and widths != {1} and len(text.splitlines()) > 1:
            return " "
    return best


def _tabbed(opener: Opener, label: str) -> bytes:
    """Space-aligned text with every run of spaces made a tab."""
    with opener() as stream:
        raw = stream.read()
    try:
        lines = raw.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise _not_utf8(opener, label) from None
    return "\n".join("\t".join(line.split()) for line in lines).encode()


def _check_header(names: list[str], label: str) -> None:
    if all(NUMBER.fullmatch(name) or COMMA_NUMBER.fullmatch(name) for name in names):
        raise DataError(
            f"{label} has no header: its first line holds numbers only ({listed(names)}). "
            "Add a first line with the names of the columns"
        )
    check_names(names, label)


def check_names(names: list[str], label: str) -> None:
    """Raise DataError where a column has no name or two have the same; positions are counted from 1."""
    seen: dict[str, int] = {}
    for position, name in enumerate(names, start=1):
        if not name.strip():
            raise DataError(
                f"column {position} of {label} has no name. Name it in the first line "
                "(row numbers written by pandas are left out by to_csv(..., index=False), by R with "
                "row.names=FALSE)"
            )
        if name in seen:
            raise DataError(
                f"the column name {quoted(name)} stands twice in {label}, at positions {seen[name]} and "
                f"{position}. "
                "Rename one of them"
            )
        seen[name] = position


def _decimal_comma(records: list[list[str]]) -> bool:
    fields = [field.strip() for record in records for field in record]
    with_point = any("." in field and NUMBER.fullmatch(field) for field in fields)
    return not with_point and any(COMMA_NUMBER.fullmatch(field) for field in fields)


def _parse(
    opener: Opener,
    label: str,
    names: list[str],
    delimiter: str,
    decimal_comma: bool,
    header_bytes: int,
    quotes: bool,
) -> pa.Table:
    """Let pyarrow infer types from the first block; where a later value contradicts them, all is text."""
    inferred = pacsv.ConvertOptions(
        null_values=list(MISSING), strings_can_be_null=False, decimal_point="," if decimal_comma else "."
    )
    # A block holds the header and, of wide tables too, enough rows for types to be told from them.
    read = pacsv.ReadOptions(block_size=max(1 << 22, 128 * header_bytes))
    parse = pacsv.ParseOptions(delimiter=delimiter, newlines_in_values=quotes)
    try:
        table = _read_csv(opener, read, parse, inferred)
    except pa.ArrowInvalid as error:
        if "conversion error" not in str(error):
            raise _unreadable(opener, label, names, delimiter, read.block_size, error) from None
        read.column_names, read.skip_rows_after_names = [f"{i}" for i in range(len(names))], 1
        text = dict.fromkeys(read.column_names, pa.string())
        try:
            table = _read_csv(opener, read, parse, pacsv.ConvertOptions(column_types=text))
        except pa.ArrowInvalid as second:
            if "UTF8" in str(second):
                raise _not_utf8(opener, label) from None
            raise _unreadable(opener, label, names, delimiter, read.block_size, second) from None
    for name, column in zip(names, table.columns, strict=True):
        if pa.types.is_binary(column.type):
            raise _not_utf8(opener, label)
        if pa.types.is_string(column.type) and len(column) and "\n" in (column[-1].as_py() or ""):
            _check_last_quote(opener, label, name)
    return table


def _read_csv(
    opener: Opener, read: pacsv.ReadOptions, parse: pacsv.ParseOptions, convert: pacsv.ConvertOptions
) -> pa.Table:
    with opener() as stream:
        return pacsv.read_csv(stream, read_options=read, parse_options=parse, convert_options=convert)


def _check_last_quote(opener: Opener, label: str, name: str) -> None:
    """A quote that never closes swallows the rest of the file without a word from the parser."""
    with opener() as stream:
        raw = stream.read()
    if raw.count(b'"') % 2:
        raise DataError(f"{label}: a quotation mark opened in column {quoted(name)} is never closed, and swallows rows")


def _unreadable(
    opener: Opener, label: str, names: list[str], delimiter: str, block_size: int, error: pa.ArrowInvalid
) -> DataError:
    """Read once more, in order, to say which row is the first with too few or too many fields."""
    bad: list[pacsv.InvalidRow] = []

    def remember(row: pacsv.InvalidRow) -> str:
        bad.append(row)
        return "error"

    parse = pacsv.ParseOptions(delimiter=delimiter, newlines_in_values=True, invalid_row_handler=remember)
    read = pacsv.ReadOptions(use_threads=False, block_size=block_size)
    try:
        _read_csv(opener, read, parse, pacsv.ConvertOptions())
    except pa.ArrowInvalid as again:
        error = again
    if bad:
        return DataError(
            f"row {bad[0].number - 1:,} of {label} has {counted(bad[0].actual_columns, 'field')} where "
            "the header has "
            f"{len(names):,}: {quoted(bad[0].text)}. Correct the row, or quote a value that holds "
            f"{delimiter!r}"
        )
    return DataError(f"{label} cannot be read as a table: {' '.join(str(error).split())[:200]}")
