"""Any source of rows → a pyarrow.Table whose columns are numbers, booleans, text or categories.

    a path, a glob, a folder, "-", "sample:NAME"   CSV and its kin, Parquet, Arrow; known by their first bytes
    pandas, polars, pyarrow, a dict of columns     names kept, the index ignored
    a NumPy array or a torch tensor [n, d]         columns x1 … xd (a single one: x)

Every source leaves here in the same state: floats are float64, text is trimmed and its usual marks of a
missing value are nulls, text that holds numbers only (decimal commas too) has become numbers, and a
dictionary column is a category whose levels are text. An `Origin` remembers the file of each row, for
messages.
"""

from __future__ import annotations

import functools
import glob
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pyarrow as pa

from steepest.errors import DataError
from steepest.problem.columns import Found, tidied
from steepest.problem.delimited import check_names, read_delimited
from steepest.problem.memory import from_memory
from steepest.problem.reading import AS_IT_IS, Reading
from steepest.problem.wording import listed, quoted, quoted_path, suggestion

ENDINGS = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz", ".txt.gz", ".parquet", ".arrow", ".feather", ".ipc")
NOT_TABLES = {b"PK\x03\x04": "an Excel or zip file", b"SQLite": "an SQLite file", b"%PDF": "a PDF file"}


@dataclass(frozen=True)
class Origin:
    """Where the rows of a table came from: the files in order and how many rows each gave; none in memory."""

    files: tuple[str, ...] = ()
    rows: tuple[int, ...] = ()
    named: bool = True  # False for an array, whose column names were made up here
    found: Mapping[str, Found] = field(default_factory=dict)  # how each column was read

    def row(self, index: int) -> str:
        """``row 57 of 'a.csv'`` for the row with this index, counted from 1 within its file."""
        for file, rows in zip(self.files, self.rows, strict=True):
            if index < rows:
                return f"row {index + 1:,} of {file}"
            index -= rows
        return f"row {index + 1:,} (counted from 1)"

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
) -> tuple[pa.Table, Origin]:
    """`read`, together with where its rows came from.

    reading: how text is read. text_columns: those of a text file that are read as text, whatever they look like.
    """
    if isinstance(source, Path):
        table, origin, decimal = _from_paths(str(source), columns)
    elif isinstance(source, str) and source.startswith("sample:"):
        from steepest.problem.synthetic import sample

        name = source.removeprefix("sample:")
        table, origin, decimal = sample(name), Origin(), None
    elif isinstance(source, str):
        table, origin, decimal = _from_paths(source, columns)
    else:
        table, named = from_memory(source)
        origin, decimal = Origin(named=named), None
    check_names(table.column_names, origin.table)
    if columns is not None:
        for name in columns:
            check_known(name, table.column_names, origin)
        table = table.select(list(columns))
    if table.num_columns == 0:
        raise DataError(f"{origin.table} has no columns")
    if table.num_rows == 0:
        raise DataError(f"{origin.table} has a header ({listed(table.column_names)}) but no rows")
    as_text = {*text_columns, *reading.categories}
    read_as = [
        tidied(column, reading, decimal, text=name in as_text)
        for name, column in zip(table.column_names, table.columns, strict=True)
    ]
    origin = replace(origin, found={name: found for name, (_, found) in zip(table.column_names, read_as, strict=True)})
    return pa.table([column for column, _ in read_as], names=table.column_names), origin


def check_known(name: object, available: Sequence[str], origin: Origin) -> None:
    """Raise DataError, with the closest names, where no column is called `name`."""
    if name not in available:
        raise DataError(
            f"there is no column {quoted(name)} in {origin.table}: {suggestion(name, available)}"
            f"The columns are {listed(available)}"
        )


# ---- files ---------------------------------------------------------------------------------------


def _from_paths(pattern: str, columns: Sequence[str] | None) -> tuple[pa.Table, Origin, str | None]:
    """Read one file or all files of a glob or folder, one below the other; and their decimal mark, as `tidied` takes it."""
    if pattern == "-":
        data = sys.stdin.buffer.read()
        table, decimal = _from_bytes(lambda: pa.BufferReader(data), "standard input", "", columns)
        return table, Origin(("standard input",), (table.num_rows,)), decimal
    paths = _paths(pattern)
    labels = tuple(quoted_path(path) for path in paths)
    parts = [_from_file(path, label, columns) for path, label in zip(paths, labels, strict=True)]
    tables = [table for table, _ in parts]
    origin = Origin(labels, tuple(table.num_rows for table in tables))
    marks = {decimal for _, decimal in parts}
    return _stacked(tables, labels), origin, marks.pop() if len(marks) == 1 else max(filter(None, marks), default="")


def _paths(pattern: str) -> list[Path]:
    path = Path(pattern).expanduser()
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


def _from_file(path: Path, label: str, columns: Sequence[str] | None) -> tuple[pa.Table, str | None]:
    try:
        return _from_bytes(lambda: pa.OSFile(str(path)), label, path.name.lower(), columns)
    except (OSError, EOFError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{label} cannot be read: {' '.join(str(error).split())[:200]}") from None


def _from_bytes(
    opener: Callable[[], pa.NativeFile], label: str, name: str, columns: Sequence[str] | None
) -> tuple[pa.Table, str | None]:
    """Read what the first bytes say it is: Parquet, Arrow, gzip of either, else delimited text."""
    with opener() as stream:
        magic = stream.read(8)
    if magic.startswith(b"\x1f\x8b"):
        return _from_bytes(functools.partial(_unzipped, opener), label, name.removesuffix(".gz"), columns)
    for start, kind in NOT_TABLES.items():
        if magic.startswith(start):
            raise DataError(f"{label} is {kind}, not a table this reads. Save the sheet or table as CSV or Parquet")
    try:
        if magic.startswith(b"PAR1"):
            return _from_parquet(opener, columns), None
        if magic.startswith(b"ARROW1"):
            with opener() as stream:
                return pa.ipc.open_file(stream.read_buffer()).read_all(), None
        if magic.startswith(b"\xff\xff\xff\xff"):
            with opener() as stream:
                return pa.ipc.open_stream(stream.read_buffer()).read_all(), None
    except (pa.ArrowException, OSError) as error:
        reason = " ".join(str(error).split())[:160]
        raise DataError(f"{label} is damaged or cut short and cannot be read: {reason}") from None
    if name.endswith((".parquet", ".arrow", ".feather", ".ipc")):
        kind = "Parquet" if name.endswith(".parquet") else "Arrow"
        raise DataError(f"{label} is not a {kind} file: it starts with {quoted(magic)}. Was it copied whole?")
    table, decimal_comma = read_delimited(opener, label)
    return table, "," if decimal_comma else ""


def _unzipped(opener: Callable[[], pa.NativeFile]) -> pa.NativeFile:
    return pa.CompressedInputStream(opener(), "gzip")


def _from_parquet(opener: Callable[[], pa.NativeFile], columns: Sequence[str] | None) -> pa.Table:
    import pyarrow.parquet as pq

    with opener() as stream:
        file = pq.ParquetFile(stream if stream.seekable() else pa.BufferReader(stream.read()))
        available = file.schema_arrow.names
        # Where a name is unknown the caller must see all names to say which are close.
        known = columns is not None and set(columns) <= set(available)
        return file.read(columns=list(columns) if columns is not None and known else None)


def _stacked(tables: list[pa.Table], labels: Sequence[str]) -> pa.Table:
    """The tables one below the other, columns matched by name; of two types the wider."""
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
        columns = [_joined([table[name] for table in tables]) for name in first.column_names]
        return pa.table(columns, names=first.column_names)


def _joined(parts: list[pa.ChunkedArray]) -> pa.ChunkedArray:
    if len({part.type for part in parts}) > 1:
        parts = [part.cast(pa.large_string()) for part in parts]
    return pa.chunked_array([chunk for part in parts for chunk in part.chunks], parts[0].type)
