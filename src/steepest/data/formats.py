"""The bytes of a file → a table, whatever the file is: its first bytes say so, not its name.

gzip, bzip2, zstd, xz, lz4, zip     unpacked while they are read
Parquet, Arrow, Feather             pyarrow; what others wrote is validated in full
Excel                               openpyxl, where it is installed
JSON lines, JSON                    objects, one a row; or lists by column
anything else                       delimited text
"""

from __future__ import annotations

import io
import json
import lzma
import math
import zipfile
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from steepest.data.column_names import check_names, named
from steepest.data.csv_files import read_delimited
from steepest.data.csv_layout import Layout
from steepest.data.encodings import Opener, all_bytes
from steepest.data.parquet_columns import Room, in_one_block
from steepest.data.reading import Reading
from steepest.data.wording import counted, listed, quoted
from steepest.errors import DataError

NOT_TABLES = {
    b"SQLite": "an SQLite file",
    b"%PDF": "a PDF file",
    b"\xd0\xcf\x11\xe0": "an old Excel file (.xls)",
    b"\x89HDF": "an HDF5 file",
    b"\x93NUMPY": "a NumPy file: give numpy.load(…) to st.fit",
    b"\x80\x04": "a pickle, which could run code and is not opened",
    b"\x80\x05": "a pickle, which could run code and is not opened",
    b"7z\xbc\xaf": "a 7z archive",
    b"Rar!": "a RAR archive",
}
PACKED = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bz2",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"\x04\x22\x4d\x18": "lz4",
    b"\xfd7zXZ\x00": "xz",
}
UNPACKED_ENDINGS = (".gz", ".bz2", ".zst", ".zstd", ".lz4", ".xz")
JSON_ENDINGS = (".json", ".jsonl", ".ndjson")

FREELY, RATIO = 1 << 27, 200
"""Bytes that may be unpacked whatever they came from; beyond them no more than this many times the packed ones."""
DEPTH = 3  # how often something packed may hold something packed


@dataclass(frozen=True)
class File:
    """How a file was read.

    Attributes:
        label: its name, quoted.
        rows: how many it gave.
        layout: of delimited text.
        left_out: columns that only number the rows.
        notes: full sentences on what was decided.
    """

    label: str
    rows: int
    layout: Layout | None = None
    left_out: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def decimal(self) -> str | None:
        """The decimal mark that a text file shows, as `columns.cleaned` takes it; None where the file has types of its own."""
        return None if self.layout is None else self.layout.decimal


@dataclass(frozen=True)
class Request:
    """What is asked of a file.

    Attributes:
        reading: what was said about how it is read.
        columns: the only ones needed; None for all.
        text_columns: those of a text file that stay text.
        requested: names that somebody asked for, which are not left out as numbers of rows.
        room: memory for the floats of several files of Parquet.
    """

    reading: Reading
    columns: Sequence[str] | None = None
    text_columns: Collection[str] = ()
    requested: Collection[str] = ()
    room: Room | None = None


def read_file(opener: Opener, label: str, name: str, request: Request) -> tuple[pa.Table, File]:
    """The table in a file, its columns named, and how it was read.

    Args:
        opener: returns its bytes from their beginning, each time it is called.
        label: its name as messages show it, already quoted.
        name: its name in lower case; it decides only what the bytes leave open.
    """
    table, layout, notes = _read(opener, label, name, request, 0)
    check_names(table.column_names, label)
    table, left, decided = named(table, request.requested, layout is not None and layout.row_names)
    notes = (*notes, *(layout.notes if layout else ()), *decided)
    return table, File(label, table.num_rows, layout, tuple(left), notes)


Read = tuple[pa.Table, Layout | None, tuple[str, ...]]  # a table, the layout of its text, and notes


def _read(opener: Opener, label: str, name: str, request: Request, depth: int) -> Read:
    with opener() as stream:
        magic = stream.read(8)
    packed = next((way for start, way in PACKED.items() if magic.startswith(start)), None)
    if packed or magic.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        if depth == DEPTH:
            raise DataError(f"{label} is packed more than {DEPTH} times. Unpack it first")
        if packed is None:
            return _from_zip(opener, label, request, depth)
        inner = next((name.removesuffix(end) for end in UNPACKED_ENDINGS if name.endswith(end)), name)
        with opener() as source:
            stream: Any = lzma.LZMAFile(source) if packed == "xz" else pa.CompressedInputStream(source, packed)  # noqa: SIM115
            unpacked = _unpacked(stream, source.tell, label)
        return _read(unpacked, label, inner, request, depth + 1)
    for start, kind in NOT_TABLES.items():
        if magic.startswith(start):
            raise DataError(f"{label} is {kind}, not a table this reads. Save the table as CSV or Parquet")
    if magic.startswith(b"PAR1"):
        return _sound(label, _from_parquet, opener, request), None, ()
    if magic.startswith((b"ARROW1", b"\xff\xff\xff\xff", b"FEA1")):
        return _sound(label, _from_arrow, opener, magic), None, ()
    if name.endswith((".parquet", ".arrow", ".feather", ".ipc")):
        kind = "Parquet" if name.endswith(".parquet") else "Arrow"
        raise DataError(f"{label} is not a {kind} file: it starts with {quoted(magic)}. Was it copied whole?")
    start = magic.removeprefix(b"\xef\xbb\xbf").lstrip()
    if name.endswith(JSON_ENDINGS) or start.startswith((b'{"', b"{\n", b"[{", b"[\n")):
        return _from_json(opener, label), None, ()
    return *read_delimited(opener, label, request.reading, request.text_columns, request.requested), ()


# ---- packed --------------------------------------------------------------------------------------


def _unpacked(stream: Any, packed: Callable[[], int], label: str) -> Opener:
    """All that a stream unpacks to, held in memory; what would be terabytes is refused, not read.

    packed: bytes read so far of what is packed.
    """
    sink, given = pa.BufferOutputStream(), 0
    while block := stream.read(1 << 22):
        given += sink.write(block)
        if given > FREELY and given > RATIO * max(packed(), 1):
            raise DataError(
                f"{label} unpacks to more than {RATIO} times its own size, {given >> 20:,} MB so far. "
                "If that is right, unpack it first"
            )
    buffer = sink.getvalue()
    return lambda: pa.BufferReader(buffer)


def _from_zip(opener: Opener, label: str, request: Request, depth: int) -> Read:
    """The one table in a zip archive, or the first sheet of a spreadsheet, which is such an archive."""
    held = all_bytes(opener)
    try:
        archive = zipfile.ZipFile(io.BytesIO(held))
    except (zipfile.BadZipFile, ValueError, OSError):
        raise DataError(f"{label} is a damaged or cut Excel or zip file. Was it copied whole?") from None
    names = [entry for entry in archive.namelist() if not entry.endswith("/")]
    if "xl/workbook.xml" in names or "[Content_Types].xml" in names:
        table, note = _from_excel(archive, held, label)
        return table, None, note
    if "mimetype" in names and "content.xml" in names:
        raise DataError(f"{label} is an OpenDocument spreadsheet, which is not read here. Save the sheet as CSV")
    tables = [
        entry for entry in names if not entry.startswith("__MACOSX/") and not entry.rsplit("/", 1)[-1].startswith(".")
    ]
    if len(tables) != 1:
        raise DataError(
            f"{label} is a zip archive of {counted(len(tables), 'file')}{f', {listed(tables)}' if tables else ''}. "
            "Unpack it, and name the table or the folder"
        )
    entry = archive.getinfo(tables[0])
    if entry.flag_bits & 1:
        raise DataError(f"{label} is a zip archive with a password. Unpack it first")
    with archive.open(entry) as stream:
        unpacked = _unpacked(stream, lambda: entry.compress_size, label)
    table, layout, notes = _read(unpacked, label, entry.filename.lower(), request, depth + 1)
    return table, layout, (f"{quoted(entry.filename)} was read from the archive.", *notes)


# ---- tables with types of their own --------------------------------------------------------------


def _sound(label: str, read: Callable[..., pa.Table], *given: object) -> pa.Table:
    """What `read` returns; whatever a damaged file makes it raise is one DataError."""
    try:
        return read(*given)
    except (pa.ArrowException, OSError, ValueError, LookupError, ArithmeticError, MemoryError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:160]
        raise DataError(f"{label} is damaged or cut short and cannot be read: {reason}") from None


def _from_parquet(opener: Opener, request: Request) -> pa.Table:
    import pyarrow.parquet as pq

    with opener() as stream:
        file = pq.ParquetFile(stream)
        available = file.schema_arrow.names
        # Where a name is unknown the caller must see all names to say which are close.
        known = request.columns is not None and set(request.columns) <= set(available)
        names = list(request.columns or ()) if known else available
        table = in_one_block(file, opener, names, request.requested, request.room)
        return file.read(columns=names if known else None) if table is None else table


def _from_arrow(opener: Opener, magic: bytes) -> pa.Table:
    """An Arrow or Feather file; offsets and lengths that point out of its buffers would end the process."""
    with opener() as stream:
        buffer = stream.read_buffer()
    if magic.startswith(b"FEA1"):
        import pyarrow.feather

        table = pyarrow.feather.read_table(pa.BufferReader(buffer))
    elif magic.startswith(b"ARROW1"):
        table = pa.ipc.open_file(buffer).read_all()
    else:
        table = pa.ipc.open_stream(buffer).read_all()
    table.validate(full=True)
    return table


def _from_excel(archive: zipfile.ZipFile, held: bytes, label: str) -> tuple[pa.Table, tuple[str, ...]]:
    """The first sheet, read by openpyxl: its first row that holds anything has the names."""
    try:
        import openpyxl  # pyrefly: ignore
    except ImportError:
        raise DataError(
            f"{label} is an Excel file, which takes the package openpyxl to read (pip install openpyxl). "
            "Or save the sheet as CSV"
        ) from None
    size = sum(entry.file_size for entry in archive.infolist())
    if size > FREELY and size > RATIO * len(held):
        raise DataError(
            f"{label} unpacks to {size >> 20:,} MB, more than {RATIO} times its own size. Save the sheet as CSV"
        )
    try:
        book = openpyxl.load_workbook(io.BytesIO(held), read_only=True, data_only=True)
        sheets = book.sheetnames
        rows = [list(row) for row in book[sheets[0]].iter_rows(values_only=True)]
    except Exception as error:  # whatever its XML makes the package raise
        raise DataError(f"{label} cannot be read as an Excel file: {' '.join(str(error).split())[:160]}") from None
    rows = [row for row in rows if any(cell is not None for cell in row)]
    if not rows:
        raise DataError(f"the first sheet of {label}, {quoted(sheets[0])}, is empty")
    wide = max(at + 1 for row in rows for at, cell in enumerate(row) if cell is not None)
    names = ["" if cell is None else str(cell).strip() for cell in (*rows[0], *[None] * wide)][:wide]
    columns = [_column([row[at] if at < len(row) else None for row in rows[1:]]) for at in range(wide)]
    note = (f"The first of {len(sheets)} sheets, {quoted(sheets[0])}, was read.",) if len(sheets) > 1 else ()
    return pa.table(columns, names=names), note


# ---- JSON ----------------------------------------------------------------------------------------


def _from_json(opener: Opener, label: str) -> pa.Table:
    """Objects, one a row (a list of them, or one a line), or one object with a list for each column."""
    raw = all_bytes(opener)
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{label} is no JSON: byte {error.start + 1:,} is not UTF-8") from None
    try:
        held = json.loads(text)
    except RecursionError:
        raise DataError(f"{label} is JSON of too many levels to be a table") from None
    except ValueError as error:
        held = _lines(text, label, error)
    if isinstance(held, Mapping):
        columns = list(held.values())
        if all(isinstance(column, list) for column in columns) and len(set(map(len, columns))) == 1:
            return pa.table({name: _column(column) for name, column in held.items()})
        if columns and all(isinstance(column, Mapping) for column in columns):  # as pandas' to_json writes them
            keys = list(dict.fromkeys(key for column in columns for key in column))
            return pa.table({name: _column([column.get(key) for key in keys]) for name, column in held.items()})
        held = [held]
    if not isinstance(held, list) or not held or not all(isinstance(row, Mapping) for row in held):
        raise DataError(
            f"{label} is JSON but no table: it must be objects, one a row, or one object with a list for each column"
        )
    names = list(dict.fromkeys(name for row in held for name in row))
    return pa.table({name: _column([row.get(name) for row in held]) for name in names})


def _lines(text: str, label: str, first: ValueError) -> list[Any]:
    """JSON lines: an object in each."""
    rows = []
    for number, line in enumerate(text.split("\n"), start=1):
        try:
            rows += [json.loads(line)] if line.strip() else []
        except (ValueError, RecursionError) as error:
            reason = first if number == 1 else error
            raise DataError(f"{label} is no JSON: line {number:,} cannot be read ({reason})") from None
    return rows


def _column(values: list[Any]) -> pa.Array:
    """A column of JSON or of a sheet; values of mixed kinds become text, so that the one at fault can be named."""
    values = [None if isinstance(value, float) and math.isnan(value) else value for value in values]
    kinds = {type(value) for value in values if value is not None}
    if bool not in kinds or len(kinds) == 1:
        with suppress(pa.ArrowException, OverflowError, TypeError, ValueError):
            return pa.array(values)
    return pa.array([None if value is None else str(value) for value in values], pa.string())
