"""Any source of rows → a pyarrow.Table whose columns are numbers, booleans, text or categories.

    a path, a glob, a folder, "-", "sample:NAME"   any file that formats.py knows by its first bytes
    an address such as https://…                   the same, where fsspec can open it
    pandas, polars, pyarrow, a dict of columns     names kept, the index ignored
    a NumPy array or a torch tensor [n, d]         columns x1 … xd (a single one: x)

Every source leaves here in the same state: floats are float64, text is trimmed and its usual marks of a
missing value are nulls, text that holds numbers only (decimal commas too) has become numbers, and a
dictionary column is a category whose levels are text. An `Origin` remembers the file of each row, for
messages.
"""

from __future__ import annotations

import glob
import lzma
import re
import stat
import sys
import zipfile
import zlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from steepest.data.column_names import INDEX, NUMBERING, check_names, named
from steepest.data.columns import Found, tidied
from steepest.data.encodings import held
from steepest.data.formats import UNPACKED_ENDINGS, File, Wanted, read_file
from steepest.data.in_memory import from_memory
from steepest.data.reading import AS_IT_IS, Reading
from steepest.data.wording import listed, quoted, quoted_path, suggestion
from steepest.errors import DataError

PLAIN_ENDINGS = (".csv", ".tsv", ".txt", ".jsonl", ".ndjson")
PACKED_ENDINGS = tuple(plain + packed for packed in UNPACKED_ENDINGS for plain in PLAIN_ENDINGS)
ENDINGS = (*PLAIN_ENDINGS, *PACKED_ENDINGS, ".parquet", ".arrow", ".feather", ".ipc")
ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")


@dataclass(frozen=True)
class Origin:
    """Where the rows of a table came from: the files in order and how many rows each gave; none in memory."""

    files: tuple[str, ...] = ()
    rows: tuple[int, ...] = ()
    named: bool = True  # False for an array, whose column names were made up here
    found: Mapping[str, Found] = field(default_factory=dict)  # how each column was read
    details: tuple[File, ...] = ()  # how each file was read
    notes: tuple[str, ...] = ()  # what was decided about a table in memory

    @property
    def said(self) -> list[str]:
        """Full sentences on what was decided while the source was read, each once."""
        return list(dict.fromkeys([*self.notes, *(note for file in self.details for note in file.notes)]))

    def row(self, index: int) -> str:
        """``row 57 of 'a.csv'`` for the row with this index, counted from 1 within its file."""
        for file, rows in zip(self.files, self.rows, strict=True):
            if index < rows:
                return f"row {index + 1:,} of {file}"
            index -= rows
        return f"row {index + 1:,} (counted from 1)"

    @property
    def nameless(self) -> str:
        """How to say that a first line holds names, where it was read as values."""
        made_up = any(file.layout is not None and not file.layout.header for file in self.details)
        return "; the first line was read as values (if it holds names: --header, in Python header=True)" * made_up

    @property
    def table(self) -> str:
        """``'a.csv'``, ``the 3 files``, or ``the table``."""
        return self.files[0] if len(self.files) == 1 else f"the {len(self.files)} files" if self.files else "the table"


def read(source: object, *, columns: Sequence[str] | None = None) -> pa.Table:
    """Read a table from anything that holds one.

    Args:
        source: path, glob, folder, "-" (standard input), "sample:NAME", dataframe, Arrow table, dict of
            columns, array or tensor [n, d] or [n].
        columns: names of the columns wanted; all by default.

    Returns:
        pyarrow.Table with integer, float64, boolean, large_string and dictionary columns; what is none of
        these (dates, lists, …) is left as it is.

    Raises:
        DataError: naming the file, the row or column and the remedy.

    Example:
        >>> read({"size": [1, 2], "city": ["Oslo", "Rome"]}).column_names
        ['size', 'city']
    """
    return open_table(source, columns)[0]


def open_table(
    source: object,
    columns: Sequence[str] | None = None,
    reading: Reading = AS_IT_IS,
    text_columns: Collection[str] = (),
    mentioned: Collection[str] = (),
) -> tuple[pa.Table, Origin]:
    """`read`, together with where its rows came from.

    reading: how text is read. text_columns: those of a text file that are read as text, whatever they look like.
    mentioned: columns that are not left out although they only number the rows.
    """
    wanted = Wanted(reading, columns, {*text_columns, *reading.categories}, {*(columns or ()), *mentioned})
    if isinstance(source, str) and source.startswith("sample:"):
        from steepest.data.synthetic import sample

        table, origin = sample(source.removeprefix("sample:")), Origin()
    elif isinstance(source, str | Path):
        table, origin = _from_paths(str(source), wanted)
    else:
        table, has_names = from_memory(source)
        check_names(table.column_names, "the table")
        table, _, notes = named(table, wanted.mentioned)
        origin = Origin(named=has_names, notes=tuple(notes))
    if columns is not None:
        for name in columns:
            check_known(name, table.column_names, origin)
        table = table.select(list(columns))
    if table.num_columns == 0:
        raise DataError(f"{origin.table} has no columns")
    if table.num_rows == 0:
        raise DataError(f"{origin.table} has a header ({listed(table.column_names)}) but no rows")
    decimal = _decimal(origin.details)
    read_as = [
        tidied(column, reading, decimal, text=name in wanted.text_columns)
        for name, column in zip(table.column_names, table.columns, strict=True)
    ]
    origin = replace(origin, found={name: found for name, (_, found) in zip(table.column_names, read_as, strict=True)})
    return pa.table([column for column, _ in read_as], names=table.column_names), origin


def check_known(name: object, available: Sequence[str], origin: Origin) -> None:
    """Raise DataError, with the closest names, where no column is called `name`."""
    if name not in available:
        raise DataError(
            f"there is no column {quoted(name)} in {origin.table}: {suggestion(name, available)}"
            f"The columns are {listed(available)}{origin.nameless}"
        )


# ---- files ---------------------------------------------------------------------------------------


def _from_paths(pattern: str, wanted: Wanted) -> tuple[pa.Table, Origin]:
    """Read one file or all files of a glob or folder, one below the other."""
    if pattern == "-":
        parts = [_from_stream(sys.stdin.buffer.read(), "standard input", "", wanted)]
    elif ADDRESS.match(pattern):
        parts = [_from_address(pattern, wanted)]
    else:
        parts = [_from_file(path, quoted_path(path), wanted) for path in paths_of(pattern)]
    parts = _without_row_numbers(parts)
    labels = tuple(file.label for _, file in parts)
    tables = [table for table, _ in parts]
    origin = Origin(labels, tuple(table.num_rows for table in tables), details=tuple(file for _, file in parts))
    return _stacked(tables, labels, [file.decimal == "," for file in origin.details]), origin


def _without_row_numbers(parts: list[tuple[pa.Table, File]]) -> list[tuple[pa.Table, File]]:
    """The tables of several files; the numbers of rows that one leaves out, the others leave out too: parts of a table."""
    out = {
        name
        for _, file in parts
        for name in file.left_out
        if INDEX.fullmatch(name) or (name == "column 1" and NUMBERING in file.notes)
    }
    made = []
    for table, file in parts:
        first = table.column_names[0] if table.num_columns else ""
        bare = file.layout is not None and file.layout.names[:1] == ("",)
        if first in out and (bare or first != "column 1") and _all_different(table.column(0)):
            notes = tuple(note for note in file.notes if not note.startswith("Column 1 has no name"))
            table, file = table.drop_columns([first]), replace(file, left_out=(first, *file.left_out), notes=notes)
        made.append((table, file))
    return made


def _all_different(column: pa.ChunkedArray) -> bool:
    """Whether a column holds whole numbers or text, another in each row."""
    whole = pa.types.is_integer(column.type) or pa.types.is_string(column.type)
    return whole and not column.null_count and pc.count_distinct(column).as_py() == len(column)


def _decimal(files: Sequence[File]) -> str | None:
    """The decimal mark of several files, as `tidied` takes it."""
    marks = {file.decimal for file in files}
    if None in marks or not marks:
        return None if len(marks) < 2 else ""
    known = marks & {".", ","}
    return known.pop() if len(known) == 1 else "" if known else max(map(str, marks))


def paths_of(pattern: str) -> list[Path]:
    """The files that a path, a folder or a pattern names; whatever is wrong with its name is a DataError."""
    try:
        return _existing(pattern, Path(pattern).expanduser())
    except DataError:
        raise
    except (OSError, ValueError, RuntimeError, RecursionError) as error:
        raise DataError(f"{quoted_path(pattern)} cannot be read: {_reason(error)}") from None


def _existing(pattern: str, path: Path) -> list[Path]:
    if path.is_dir():
        inside = sorted(entry for entry in path.iterdir() if entry.is_file() and not entry.name.startswith((".", "_")))
        tables = [entry for entry in inside if entry.name.lower().endswith(ENDINGS)]
        tables = [entry for entry in tables if ".txt" not in entry.name.lower()] or tables
        if not tables:
            raise DataError(
                f"the folder {quoted_path(path)} holds no tables ({', '.join(ENDINGS[:3])}, .parquet, "
                ".arrow, .feather, …). "
                "Tables in folders below it are found by a pattern such as "
                f"{quoted_path(path / '**' / '*.parquet')}"
            )
        return tables
    if path.exists():
        return [path]
    if glob.has_magic(pattern):
        found = sorted(Path(name) for name in glob.glob(str(path), recursive=True) if Path(name).is_file())
        if not found:
            raise DataError(f"no file matches {quoted_path(pattern)}")
        return found
    near = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
    raise DataError(
        f"there is no file {quoted_path(pattern)}{': ' if near else ''}{suggestion(path.name, near)}".rstrip(": ")
    )


def _from_file(path: Path, label: str, wanted: Wanted) -> tuple[pa.Table, File]:
    try:
        mode = path.stat().st_mode
        if stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
            raise DataError(f"{label} is a device, not a file. Give - to read from standard input")
        if not stat.S_ISREG(mode):  # a pipe gives its bytes once
            return _from_stream(path.read_bytes(), label, path.name.lower(), wanted)
        return read_file(lambda: pa.OSFile(str(path)), label, path.name.lower(), wanted)
    except (OSError, EOFError, lzma.LZMAError, zipfile.BadZipFile, zlib.error, NotImplementedError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{label} cannot be read: {_reason(error)}") from None


def _from_stream(data: bytes, label: str, name: str, wanted: Wanted) -> tuple[pa.Table, File]:
    return read_file(held(data), label, name, wanted)


def _from_address(address: str, wanted: Wanted) -> tuple[pa.Table, File]:
    """What stands at `https://…` or `s3://…`, where fsspec can open it."""
    label = quoted_path(address)
    try:
        import fsspec

        file: Any = fsspec.open(address, "rb")
        with file as stream:
            data = stream.read()
    except Exception as error:  # each protocol has a package and errors of its own
        raise DataError(
            f"{label} cannot be opened from here ({_reason(error)}). Download the file and give its path"
        ) from None
    return _from_stream(data, label, address.split("?")[0].rsplit("/", 1)[-1].lower(), wanted)


def _reason(error: BaseException) -> str:
    text = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
    return " ".join(text.split())[:160]


def _stacked(tables: list[pa.Table], labels: Sequence[str], commas: Sequence[bool]) -> pa.Table:
    """The tables one below the other, columns matched by name; of two types the wider.

    commas: whether a file writes its numbers with a decimal comma.
    """
    first = tables[0]
    if len(tables) == 1:
        return first
    for table, label in zip(tables[1:], labels[1:], strict=True):
        check_names(table.column_names, label)
        missing = [name for name in first.column_names if name not in table.column_names]
        extra = [name for name in table.column_names if name not in first.column_names]
        if missing or extra:
            lacks = f"lacks {listed(missing)}" if missing else ""
            has = f"has {listed(extra)}" if extra else ""
            difference = " and ".join(filter(None, (lacks, has)))
            raise DataError(f"the files differ in their columns: {label} {difference}, unlike {labels[0]}")
    tables = [table.select(first.column_names) for table in tables]
    try:
        return pa.concat_tables(tables, promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError):  # text in one file, numbers in another
        columns = [_joined([table[name] for table in tables], commas) for name in first.column_names]
        return pa.table(columns, names=first.column_names)


def _joined(parts: list[pa.ChunkedArray], commas: Sequence[bool]) -> pa.ChunkedArray:
    if len({part.type for part in parts}) > 1:
        parts = [
            pc.replace_substring(part.cast(pa.large_string()), ".", ",")
            if comma and pa.types.is_floating(part.type)
            else part.cast(pa.large_string())
            for part, comma in zip(parts, commas, strict=True)
        ]
    return pa.chunked_array([chunk for part in parts for chunk in part.chunks], parts[0].type)
