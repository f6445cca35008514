"""Any source of rows → a pyarrow.Table whose columns are numbers, booleans, text or categories.

    a path, a glob, a folder, "-", "sample:NAME"   any file that formats.py knows by its first bytes
    an address such as s3://… or https://…         the same, where pyarrow or fsspec can open it
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

from steepest.data.addresses import ADDRESS, Listing, quoted_address, reason
from steepest.data.arrow_columns import is_number
from steepest.data.column_names import INDEX, NUMBERING, check_names, named, told_by_folders
from steepest.data.columns import Found, SourceColumn, cleaned
from steepest.data.encodings import opener_of
from steepest.data.formats import UNPACKED_ENDINGS, File, Request, read_file
from steepest.data.in_memory import from_memory
from steepest.data.parquet_columns import room_of_several
from steepest.data.reading import AS_IT_IS, Reading
from steepest.data.wording import listed, quoted, quoted_path, suggestion
from steepest.errors import DataError

PLAIN_ENDINGS = (".csv", ".tsv", ".txt", ".jsonl", ".ndjson")
PACKED_ENDINGS = tuple(plain + packed for packed in UNPACKED_ENDINGS for plain in PLAIN_ENDINGS)
ENDINGS = (*PLAIN_ENDINGS, *PACKED_ENDINGS, ".parquet", ".arrow", ".feather", ".ipc")


@dataclass(frozen=True)
class Origin:
    """Where the rows of a table came from, and how they were read.

    Attributes:
        files: those that they were read from, in order; none in memory.
        named: False for an array, whose column names were made up here.
        found: how each column was read.
        notes: what was decided about a table in memory.
        places: the numbers of the rows (from 0) among all rows of the files, where the table has some of them only.
    """

    files: tuple[File, ...] = ()
    named: bool = True
    found: Mapping[str, Found] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    places: Sequence[int] | None = None

    @property
    def all_notes(self) -> list[str]:
        """Full sentences on what was decided while the source was read, each once."""
        return list(dict.fromkeys([*self.notes, *(note for file in self.files for note in file.notes)]))

    def row(self, index: int) -> str:
        """``row 57 of 'a.csv'`` for the row with this index, counted from 1 within its file."""
        index = index if self.places is None else int(self.places[index])
        for file in self.files:
            if index < file.rows:
                return f"row {index + 1:,} of {file.label}"
            index -= file.rows
        return f"row {index + 1:,} (counted from 1)"

    def column(self, name: str, values: pa.ChunkedArray) -> SourceColumn:
        """A column of the table, with how it was read."""
        return SourceColumn(name, values, self.found.get(name, Found()), self)

    @property
    def nameless(self) -> str:
        """How to say that a first line holds names, where it was read as values."""
        made_up = any(file.layout is not None and not file.layout.header for file in self.files)
        return "; the first line was read as values (if it holds names: --header, in Python header=True)" * made_up

    @property
    def table(self) -> str:
        """``'a.csv'``, ``the 3 files``, or ``the table``."""
        if len(self.files) == 1:
            return self.files[0].label
        return f"the {len(self.files)} files" if self.files else "the table"


@dataclass(frozen=True)
class Part:
    """Some rows of a table in files, which are cleaned as all of them would be and called by their numbers among all.

    origin: where the rows came from. text_columns: those that stay text, whatever they look like. found: how columns of them were
    read before.
    """

    table: pa.Table
    origin: Origin
    text_columns: Collection[str] = ()
    found: Mapping[str, Found] = field(default_factory=dict)


def open_table(
    source: object,
    columns: Sequence[str] | None = None,
    reading: Reading = AS_IT_IS,
    text_columns: Collection[str] = (),
    requested: Collection[str] = (),
) -> tuple[pa.Table, Origin]:
    """Read a table from anything that holds one.

    Args:
        source: path, glob, folder, "-" (standard input), "sample:NAME", dataframe, Arrow table, dict of
            columns, array or tensor [n, d] or [n].
        columns: names of the columns request; all by default.
        reading: how text is read.
        text_columns: those of a text file that are read as text, whatever they look like.
        requested: columns that are not left out although they only number the rows.

    Returns:
        pyarrow.Table with integer, float64, boolean, large_string and dictionary columns; what is none of
        these (dates, lists, …) is left as it is. And where its rows came from.

    Raises:
        DataError: naming the file, the row or column and the remedy.

    Example:
        >>> open_table({"size": [1, 2], "city": ["Oslo", "Rome"]})[0].column_names
        ['size', 'city']
    """
    request = Request(reading, columns, {*text_columns, *reading.categories}, {*(columns or ()), *requested})
    return source.opened(request) if isinstance(source, KeptPath) else _opened(source, request)


class KeptPath(str):
    """The path of one file, of which what was read last is kept as long as the file stays as it is: for many fits of it."""

    kept: tuple[object, tuple[pa.Table, Origin]] | None = None

    def opened(self, request: Request) -> tuple[pa.Table, Origin]:
        """What `open_table` gives."""
        path = Path(self)
        if not path.is_file():
            return _opened(str(self), request)
        now = path.stat()
        known = request, now.st_size, now.st_mtime_ns, now.st_ino
        if self.kept is None or self.kept[0] != known:
            self.kept = known, _opened(str(self), request)
        return self.kept[1]


def _opened(source: object, request: Request) -> tuple[pa.Table, Origin]:
    reading, columns = request.reading, request.columns
    if isinstance(source, str) and source.startswith("sample:"):
        from steepest.data.synthetic import sample

        table, origin = sample(source.removeprefix("sample:")), Origin()
    elif isinstance(source, str | Path):
        table, origin = _from_paths(str(source), request)
    elif isinstance(source, Part):
        table, origin = source.table, source.origin
        request = replace(request, text_columns={*request.text_columns, *source.text_columns})
    else:
        table, has_names = from_memory(source)
        check_names(table.column_names, "the table")
        table, _, notes = named(table, request.requested)
        origin = Origin(named=has_names, notes=tuple(notes))
    if columns is not None:
        for name in columns:
            check_known(name, table.column_names, origin)
        table = table.select(list(columns))
    if table.num_columns == 0:
        raise DataError(f"{origin.table} has no columns")
    if table.num_rows == 0:
        raise DataError(f"{origin.table} has a header ({listed(table.column_names)}) but no rows")
    decimal = _decimal(origin.files)
    read, found = {}, {}
    for name in table.column_names:
        read[name], found[name] = cleaned(table[name], reading, decimal, text=name in request.text_columns)
        if isinstance(source, Part) and (before := source.found.get(name)) is not None and is_number(read[name].type):
            found[name] = replace(before, words=found[name].words)
    return pa.table(read), replace(origin, found=found)


def check_known(name: object, available: Sequence[str], origin: Origin) -> None:
    """Raise DataError, with the closest names, where no column is called `name`."""
    if name not in available:
        close = suggestion(name, available)
        parted = next((one for one in available if one.startswith(f"{name},")), None)
        if parted is not None:  # as `--columns` reads a name without quotes
            close = f"did you mean {quoted(parted)}? On the command line a name with a comma stands in double quotes. "
        raise DataError(
            f"there is no column {quoted(name)} in {origin.table}{': ' + close if close else '. '}"
            f"The columns are {listed(available)}{origin.nameless}"
        )


# ---- files ---------------------------------------------------------------------------------------


def _from_paths(pattern: str, request: Request) -> tuple[pa.Table, Origin]:
    """Read one file or all files of a glob or folder, one below the other."""
    if pattern == "-":
        parts = [read_file(opener_of(sys.stdin.buffer.read()), "standard input", "", request)]
    elif ADDRESS.match(pattern):
        parts = _from_address(pattern, request)
    else:
        paths = paths_of(pattern)
        if len(paths) > 1:
            request = replace(request, room=room_of_several(paths, request.columns, request.requested))
        parts = [_with_folders(path, *_from_file(path, quoted_path(path), request)) for path in paths]
    parts = _without_row_numbers(parts)
    return _stacked(parts), Origin(tuple(file for _, file in parts))


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
    """The decimal mark of several files, as `cleaned` takes it."""
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
        raise DataError(f"{quoted_path(pattern)} cannot be read: {reason(error)}") from None


def _existing(pattern: str, path: Path) -> list[Path]:
    if path.is_dir():
        inside = sorted(entry for entry in path.iterdir() if entry.is_file() and not entry.name.startswith((".", "_")))
        tables = [entry for entry in inside if entry.name.lower().endswith(ENDINGS)]
        tables = [entry for entry in tables if ".txt" not in entry.name.lower()] or tables
        if not tables:
            raise DataError(
                f"the folder {quoted_path(path)} holds no tables ({', '.join(ENDINGS[:3])}, .parquet, .arrow, .feather, …). "
                f"Tables in folders below it are found by a pattern such as {quoted_path(path / '**' / '*.parquet')}"
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


def _with_folders(path: Path, table: pa.Table, file: File) -> tuple[pa.Table, File]:
    """The same, with what the names of its folders tell."""
    return table, replace(file, notes=(*file.notes, *told_by_folders(str(path), table.column_names)))


def _from_file(path: Path, label: str, request: Request) -> tuple[pa.Table, File]:
    try:
        mode = path.stat().st_mode
        if stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
            raise DataError(f"{label} is a device, not a file. Give - to read from standard input")
        if not stat.S_ISREG(mode):  # a pipe gives its bytes once
            return read_file(opener_of(path.read_bytes()), label, path.name.lower(), request)
        return read_file(lambda: pa.OSFile(str(path)), label, path.name.lower(), request)
    except (OSError, EOFError, lzma.LZMAError, zipfile.BadZipFile, zlib.error, NotImplementedError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{label} cannot be read: {reason(error)}") from None


def _from_address(address: str, request: Request) -> list[tuple[pa.Table, File]]:
    """What stands at `s3://…` or `https://…`: files of pyarrow's filesystems, or a file that fsspec can open."""
    listing = Listing.of(address)
    listing.check()
    tables = [one for one in listing.files if one.path.lower().endswith(ENDINGS)] or listing.files
    if listing.filesystem is not None and tables:
        with listing.said(address):
            return [
                read_file(
                    opener_of(_bytes(listing.filesystem, one.path)), listing.label(one.path), one.path.lower(), request
                )
                for one in tables
            ]
    try:
        import fsspec

        file: Any = fsspec.open(address, "rb")
        with file as stream:
            data = stream.read()
    except Exception as error:  # each protocol has a package and errors of its own
        raise DataError(
            f"{quoted_address(address)} cannot be opened from here ({reason(error)}). Download the file and give its path"
        ) from None
    name = address.split("?")[0].rsplit("/", 1)[-1].lower()
    return [read_file(opener_of(data), quoted_address(address), name, request)]


def _bytes(filesystem: Any, path: str) -> bytes:
    with filesystem.open_input_file(path) as file:
        return file.read()


def _stacked(parts: list[tuple[pa.Table, File]]) -> pa.Table:
    """The tables of the files one below the other, columns matched by name; of two types the wider."""
    first, file = parts[0]
    if len(parts) == 1:
        return first
    for table, other in parts[1:]:
        differing(first.column_names, file.label, table.column_names, other.label)
    tables = [table.select(first.column_names) for table, _ in parts]
    try:
        return pa.concat_tables(tables, promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError):  # text in one file, numbers in another
        commas = [file.decimal == "," for _, file in parts]
        columns = [_joined([table[name] for table in tables], commas) for name in first.column_names]
        return pa.table(columns, names=first.column_names)


def differing(names: Sequence[str], label: str, others: Sequence[str], other: str) -> None:
    """Raise DataError where one of several files has other columns than the first one."""
    missing, extra = ([name for name in some if name not in all] for some, all in ((names, others), (others, names)))
    if missing or extra:
        lacks, has = f"lacks {listed(missing)}" * bool(missing), f"has {listed(extra)}" * bool(extra)
        difference = " and ".join(filter(None, (lacks, has)))
        raise DataError(f"the files differ in their columns: {other} {difference}, unlike {label}")


def _joined(parts: list[pa.ChunkedArray], commas: Sequence[bool]) -> pa.ChunkedArray:
    """A column of several files, as text where its types differ; commas: which of them have a decimal comma."""
    if len({part.type for part in parts}) > 1:
        commas = [comma and pa.types.is_floating(part.type) for part, comma in zip(parts, commas, strict=True)]
        parts = [part.cast(pa.large_string()) for part in parts]
        parts = [
            pc.replace_substring(part, ".", ",") if comma else part for part, comma in zip(parts, commas, strict=True)
        ]
    return pa.chunked_array([chunk for part in parts for chunk in part.chunks], parts[0].type)
