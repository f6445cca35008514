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
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from steepest.errors import DataError
from steepest.problem.delimited import COMMA_NUMBER, MISSING, check_names, read_delimited
from steepest.problem.memory import from_memory
from steepest.problem.reading import AS_IT_IS, Reading
from steepest.problem.wording import listed, quoted, quoted_path, suggestion

ENDINGS = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz", ".txt.gz", ".parquet", ".arrow", ".feather", ".ipc")
MARKERS = pa.array(MISSING, pa.large_string())
NOT_TABLES = {b"PK\x03\x04": "an Excel or zip file", b"SQLite": "an SQLite file", b"%PDF": "a PDF file"}


@dataclass(frozen=True)
class Origin:
    """Where the rows of a table came from: the files in order and how many rows each gave; none in memory."""

    files: tuple[str, ...] = ()
    rows: tuple[int, ...] = ()
    named: bool = True  # False for an array, whose column names were made up here

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
        table, origin, decimal_comma = _from_paths(str(source), columns)
    elif isinstance(source, str) and source.startswith("sample:"):
        from steepest.problem.synthetic import sample

        name = source.removeprefix("sample:")
        table, origin, decimal_comma = sample(name), Origin(), False
    elif isinstance(source, str):
        table, origin, decimal_comma = _from_paths(source, columns)
    else:
        table, named = from_memory(source)
        origin, decimal_comma = Origin(named=named), False
    check_names(table.column_names, origin.table)
    if columns is not None:
        for name in columns:
            check_known(name, table.column_names, origin)
        table = table.select(list(columns))
    if table.num_columns == 0:
        raise DataError(f"{origin.table} has no columns")
    if table.num_rows == 0:
        raise DataError(f"{origin.table} has a header ({listed(table.column_names)}) but no rows")
    tidied = [_tidied(column, decimal_comma) for column in table.columns]
    return pa.table(tidied, names=table.column_names), origin


def check_known(name: object, available: Sequence[str], origin: Origin) -> None:
    """Raise DataError, with the closest names, where no column is called `name`."""
    if name not in available:
        raise DataError(
            f"there is no column {quoted(name)} in {origin.table}: {suggestion(name, available)}"
            f"The columns are {listed(available)}"
        )


# ---- files ---------------------------------------------------------------------------------------


def _from_paths(pattern: str, columns: Sequence[str] | None) -> tuple[pa.Table, Origin, bool]:
    """Read one file or all files of a glob or folder, one below the other."""
    if pattern == "-":
        data = sys.stdin.buffer.read()
        table, decimal_comma = _from_bytes(lambda: pa.BufferReader(data), "standard input", "", columns)
        return table, Origin(("standard input",), (table.num_rows,)), decimal_comma
    paths = _paths(pattern)
    labels = tuple(quoted_path(path) for path in paths)
    parts = [_from_file(path, label, columns) for path, label in zip(paths, labels, strict=True)]
    tables = [table for table, _ in parts]
    origin = Origin(labels, tuple(table.num_rows for table in tables))
    return _stacked(tables, labels), origin, any(comma for _, comma in parts)


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


def _from_file(path: Path, label: str, columns: Sequence[str] | None) -> tuple[pa.Table, bool]:
    try:
        return _from_bytes(lambda: pa.OSFile(str(path)), label, path.name.lower(), columns)
    except (OSError, EOFError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{label} cannot be read: {' '.join(str(error).split())[:200]}") from None


def _from_bytes(
    opener: Callable[[], pa.NativeFile], label: str, name: str, columns: Sequence[str] | None
) -> tuple[pa.Table, bool]:
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
            return _from_parquet(opener, columns), False
        if magic.startswith(b"ARROW1"):
            with opener() as stream:
                return pa.ipc.open_file(stream.read_buffer()).read_all(), False
        if magic.startswith(b"\xff\xff\xff\xff"):
            with opener() as stream:
                return pa.ipc.open_stream(stream.read_buffer()).read_all(), False
    except (pa.ArrowException, OSError) as error:
        reason = " ".join(str(error).split())[:160]
        raise DataError(f"{label} is damaged or cut short and cannot be read: {reason}") from None
    if name.endswith((".parquet", ".arrow", ".feather", ".ipc")):
        kind = "Parquet" if name.endswith(".parquet") else "Arrow"
        raise DataError(f"{label} is not a {kind} file: it starts with {quoted(magic)}. Was it copied whole?")
    return read_delimited(opener, label)


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


# ---- the same few types, whatever the source -----------------------------------------------------


def _tidied(column: pa.ChunkedArray, decimal_comma: bool) -> pa.ChunkedArray:
    """A column in the state that the module's docstring promises."""
    kind = column.type
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return column.cast(pa.float64(), safe=False)
    if pa.types.is_dictionary(kind):
        levels = kind.value_type
        text = _clean(column.cast(levels).cast(pa.large_string()))
        return text.dictionary_encode()
    if is_text(kind):
        text = _clean(column.cast(pa.large_string()))
        numbers = _numbers_in_text(text, decimal_comma)
        return text if numbers is None else numbers
    return column


def is_text(kind: pa.DataType) -> bool:
    """Text of any of Arrow's layouts."""
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


def _clean(text: pa.ChunkedArray) -> pa.ChunkedArray:
    """Text trimmed, with nulls for the marks of a missing value."""
    text = pc.utf8_trim_whitespace(text)
    return pc.if_else(pc.is_in(text, value_set=MARKERS), pa.scalar(None, pa.large_string()), text)


def _numbers_in_text(text: pa.ChunkedArray, decimal_comma: bool) -> pa.ChunkedArray | None:
    """The numbers that a column of text holds; null-typed where it is empty, None where it holds other text.

    A comma is decimal where the file says so or where it cannot part thousands (``1,5``); ``1,234`` alone
    could be either and stays text.
    """
    present = text.drop_null()
    if len(present) == 0:
        return pa.chunked_array([pa.nulls(len(text))])
    first = present[0].as_py()
    if not any(character.isdigit() for character in first) and first.lower().lstrip("+-") not in (
        "inf",
        "infinity",
    ):
        return None
    if COMMA_NUMBER.fullmatch(first) or pc.any(pc.match_substring(present.slice(0, 1000), ",")).as_py():
        certain = decimal_comma or pc.any(pc.match_substring_regex(present, r",(\d{0,2}|\d{4,})$")).as_py()
        if not certain or pc.any(pc.match_substring_regex(present, r",.*,|,.*\.|\..*,")).as_py():
            return None
        text = pc.replace_substring(text, ",", ".")
    for kind in (pa.int64(), pa.float64()):
        try:
            return text.cast(kind)
        except pa.ArrowInvalid:
            continue
    return None
