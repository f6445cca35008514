"""Files of Parquet as row groups, read one after another in any order, the next ones decoded ahead in a thread of their own.

    a path, a glob, a folder          files on this machine
    s3://bucket/folder, gs://…        a file or folder in an object store, where pyarrow has a filesystem for it

What is in memory at a time is a few row groups, however many there are. The files stay what they were when they were opened:
one that changes, disappears or has other columns is an error that names it.
"""

from __future__ import annotations

import hashlib
from collections import Counter, OrderedDict
from collections.abc import Collection, Generator, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from queue import Full, Queue
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from steepest.data.addresses import ADDRESS, Listing, reason
from steepest.data.arrow_columns import is_number, is_text
from steepest.data.column_names import INDEX, check_names, index_left_out, told_by_folders
from steepest.data.files import differing, paths_of
from steepest.data.formats import File
from steepest.data.wording import quoted, quoted_path
from steepest.errors import DataError

if TYPE_CHECKING:
    import pyarrow.parquet as pq

    from steepest.data.csv_conversion import Converted

AHEAD = 2
"""Pieces decoded ahead."""

OPEN = 64
"""Files that are open at a time."""

PIECE = 2**21
"""Entries of a piece: a row group that has more is read in several ones."""


@dataclass(frozen=True)
class Group:
    """A row group: its file, its number there, its rows, and the number of the first of these among the rows of all files."""

    file: int
    number: int
    rows: int
    first: int


@dataclass
class RowGroups:
    """All row groups of some files of Parquet that have the same columns.

    labels: of the files, quoted. schema: of all. columns: those that are read; None for all. copy: what they are the Parquet copy
    of, where they are one. left_out: columns that only number the rows.
    """

    paths: Sequence[str]
    labels: Sequence[str]
    filesystem: Any
    columns: tuple[str, ...] | None = None
    copy: Converted | None = None
    left_out: tuple[str, ...] = ()
    groups: tuple[Group, ...] = field(init=False)
    schema: pa.Schema = field(init=False)
    rows_of_files: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        self._opened: OrderedDict[int, pq.ParquetFile] = OrderedDict()
        self._stamps = [self._stamp(file) for file in range(len(self.paths))]
        groups, first, digest, held = [], 0, hashlib.sha256(), []
        for file in range(len(self.paths)):
            opened = self._file(file)
            metadata, schema = opened.metadata, opened.schema_arrow
            check_names(schema.names, self.labels[file])
            schema = pa.schema([one for one in schema if one.name not in self.left_out])
            self.schema = schema if file == 0 else self._joined(file, schema)
            digest.update(repr((self.labels[file], self._stamps[file], schema.to_string(), metadata.num_rows)).encode())
            for number in range(metadata.num_row_groups):
                rows = metadata.row_group(number).num_rows
                if rows:
                    groups.append(Group(file, number, rows, first))
                    first += rows
            held.append(metadata.num_rows)
        self.groups, self.rows_of_files, self.fingerprint = tuple(groups), tuple(held), digest.hexdigest()
        if self.copy is not None:  # the same whenever it was made
            self.fingerprint = self.copy.key
        if self.left_out:
            self.columns = tuple(self.schema.names)

    @classmethod
    def of(cls, source: str, listing: Listing | None = None) -> RowGroups | None:
        """The row groups that a path, folder, glob or address names; None where it is no Parquet. listing: of an address.

        Raises:
            DataError: there is no such file; a file is damaged, or has other columns than the first one.
        """
        if source == "-" or source.startswith("sample:"):
            return None
        if ADDRESS.match(source):
            return _at_address(listing or Listing.of(source))
        paths = paths_of(source)
        if not paths or not all(path.is_file() and _is_parquet(path) for path in paths):
            return None
        return cls([str(path) for path in paths], [quoted_path(path) for path in paths], None)

    @classmethod
    def of_copy(cls, copy: Converted) -> RowGroups:
        """The row groups of the Parquet copy of files of text, which are called by the names of these."""
        return cls(copy.paths, [file.label for file in copy.files], None, copy=copy, left_out=copy.left_out)

    def without_index(self, requested: Collection[str]) -> RowGroups:
        """The same without the columns that are the index of a pandas table, but for those that somebody asks for."""
        index = [name for name in self.schema.names if name.startswith("__") and INDEX.fullmatch(name)]
        left = tuple(name for name in index if name not in requested)
        return replace(self, left_out=left) if left and self.copy is None else self

    @property
    def files(self) -> tuple[File, ...]:
        """The files, as an `Origin` has them."""
        if self.copy is not None:
            return self.copy.files
        notes, names = tuple(index_left_out(name) for name in self.left_out), self.schema.names
        each = zip(self.labels, self.rows_of_files, self.paths, strict=True)
        return tuple(File(label, rows, notes=(*notes, *told_by_folders(path, names))) for label, rows, path in each)

    def words(self, name: str) -> Counter[str]:
        """How many values of a column, by the words for them, were missing where a copy was made of text."""
        found = None if self.copy is None else self.copy.found.get(name)
        return Counter() if found is None else Counter(found.words)

    @property
    def rows(self) -> int:
        """Of all files."""
        return self.groups[-1].first + self.groups[-1].rows if self.groups else 0

    @property
    def told(self) -> dict[str, str]:
        """What must be the same on all ranks: of each file how many bytes and rows."""
        sizes = ["" if self.copy is not None else f"{stamp[0]:,} bytes and " for stamp in self._stamps]
        of_files = zip(self.labels, sizes, self.rows_of_files, strict=True)
        return {f"in {label}": f"{size}{rows:,} rows" for label, size, rows in of_files}

    @cached_property
    def nbytes(self) -> int:
        """About how many bytes the table would take in memory: eight an entry, and of text what the files say it unpacks to."""
        plain = sum(
            is_number(kind.type) or pa.types.is_boolean(kind.type) or pa.types.is_temporal(kind.type)
            for kind in self.schema
        )
        text = 0
        if plain < len(self.schema):
            for file in range(len(self.paths)):
                metadata = self._file(file).metadata
                text += sum(metadata.row_group(number).total_byte_size for number in range(metadata.num_row_groups))
        return 8 * plain * self.rows + text

    def chosen(self, columns: Iterable[str]) -> RowGroups:
        """The same of some columns alone."""
        self.columns = tuple(columns)
        return self

    # ---- reading -----------------------------------------------------------------------------------

    def pieces(self, order: Iterable[int] | None = None, whole: bool = False) -> Generator[tuple[int, int, pa.Table]]:
        """(number of the row group, number of its first row among all, rows), a piece after another, decoded ahead.

        order: numbers of row groups; all in the order of the files by default. whole: a piece is a row group, however large.
        """
        given: Queue[Any] = Queue(AHEAD)
        gone = Event()

        def put(one: Any) -> bool:
            while not gone.is_set():
                with suppress(Full):
                    given.put(one, timeout=0.1)
                    return True
            return False

        def decode() -> None:
            try:
                for number in range(len(self.groups)) if order is None else order:
                    for first, table in self._read(number, whole):
                        if not put((number, first, table)):
                            return
                put(None)
            except BaseException as error:  # raised again where the pieces are taken
                put(error)

        reader = Thread(target=decode, name="row groups", daemon=True)
        reader.start()
        try:
            while (one := given.get()) is not None:
                if isinstance(one, BaseException):
                    raise one
                yield one
        finally:
            gone.set()
            reader.join()

    def _read(self, number: int, whole: bool) -> Iterator[tuple[int, pa.Table]]:
        group = self.groups[number]
        label = self.labels[group.file]
        if self._stamp(group.file) != self._stamps[group.file]:
            raise DataError(f"{label} was changed while it was read. Leave it as it is until the fit has ended")
        columns = None if self.columns is None else list(self.columns)
        wide = len(self.schema) if columns is None else max(1, len(columns))
        most = max(1024, PIECE // wide)
        try:
            file = self._file(group.file)
            if whole or group.rows <= most:
                yield group.first, self._alike(file.read_row_group(group.number, columns=columns))
                return
            first = group.first
            for batch in file.iter_batches(most, row_groups=[group.number], columns=columns):
                yield first, self._alike(pa.Table.from_batches([batch]))
                first += batch.num_rows
        except (pa.ArrowException, OSError, ValueError) as error:
            if isinstance(error, DataError):
                raise
            raise self._unread(label, error) from None

    def _file(self, number: int) -> pq.ParquetFile:
        import pyarrow.parquet as pq  # not before a file of it is read

        if number in self._opened:
            self._opened.move_to_end(number)
            return self._opened[number]
        path, label = self.paths[number], self.labels[number]
        try:
            file = pq.ParquetFile(path, filesystem=self.filesystem, buffer_size=2**20, pre_buffer=False)
        except (pa.ArrowException, OSError, ValueError) as error:
            raise self._unread(label, error) from None
        self._opened[number] = file
        if len(self._opened) > OPEN:
            self._opened.popitem(last=False)[1].close()
        return file

    def _unread(self, label: str, error: BaseException) -> DataError:
        """What is said of a file that cannot be read."""
        damaged = "is damaged or cut short and " if self.filesystem is None else ""
        return DataError(f"{label} {damaged}cannot be read: {reason(error)}")

    def _stamp(self, number: int) -> tuple[Any, ...]:
        """What changes when a file does: its size and when it was written."""
        from pyarrow import fs

        try:
            found = (self.filesystem or fs.LocalFileSystem()).get_file_info(self.paths[number])
        except (pa.ArrowException, OSError) as error:
            raise self._unread(self.labels[number], error) from None
        if found.type == fs.FileType.NotFound:
            what = (
                "Put it back, and fit again"
                if self.copy is None
                else "It was a Parquet copy: fit again, and it is made anew"
            )
            raise DataError(f"{self.labels[number]} disappeared while it was read. {what}")
        return found.size, found.mtime_ns

    def _joined(self, number: int, schema: pa.Schema) -> pa.Schema:
        """The columns of a file and of those before it, in types that hold both.

        Raises:
            DataError: a file has other columns than the first one, or text where that has numbers.
        """
        differing(self.schema.names, self.labels[0], schema.names, self.labels[number])
        fields = []
        for name in self.schema.names:
            first, other = self.schema.field(name).type, schema.field(name).type
            if first != other and (kind := _holding(first, other)) is None:
                raise DataError(
                    f"column {quoted(name)} is {other} in {self.labels[number]} and {first} in {self.labels[0]}. "
                    "Write both in one type"
                )
            fields.append((name, first if first == other else kind))
        return pa.schema(fields)

    def _alike(self, table: pa.Table) -> pa.Table:
        """Rows of a file, text and missing values in the types of all files; numbers stay as they are."""
        for at, name in enumerate(table.column_names):
            have, want = table.schema.field(at).type, self.schema.field(name).type
            if have != want and not (is_number(have) and is_number(want)):
                table = table.set_column(at, name, table.column(at).cast(want, safe=not pa.types.is_decimal(have)))
        return table


def _holding(first: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    """The type that holds the values of both; None where there is none."""
    if pa.types.is_null(first) or pa.types.is_null(other):
        return other if pa.types.is_null(first) else first
    if _measures(first) and _measures(other):
        whole = pa.types.is_integer(first) and pa.types.is_integer(other)
        return pa.int64() if whole else pa.float64()
    if all(is_text(one) or (pa.types.is_dictionary(one) and is_text(one.value_type)) for one in (first, other)):
        return pa.large_string()
    dates = all(pa.types.is_date(one) or pa.types.is_timestamp(one) for one in (first, other))
    zones = {getattr(one, "tz", None) for one in (first, other) if pa.types.is_timestamp(one)}
    return pa.timestamp("us", zones.pop() if zones else None) if dates and len(zones) < 2 else None


def _measures(kind: pa.DataType) -> bool:
    return is_number(kind) or pa.types.is_decimal(kind)


def first_other(source: str) -> str:
    """The first file of a source that is no Parquet; the source itself where its files cannot be listed."""
    if source == "-" or source.startswith("sample:") or ADDRESS.match(source):
        return source
    return next((str(path) for path in paths_of(source) if not _is_parquet(path)), source)


def _is_parquet(path: Any) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"PAR1"


def _at_address(listing: Listing) -> RowGroups | None:
    """Files of Parquet at an address that pyarrow has a filesystem for; None for all other addresses."""
    paths = [one.path for one in listing.files if one.path.endswith(".parquet")]
    return RowGroups(paths, [listing.label(path) for path in paths], listing.filesystem) if paths else None


def free_memory() -> float:
    """Bytes of memory that are free for use on this machine; infinite where it does not say."""
    with suppress(OSError, ValueError, StopIteration), open("/proc/meminfo", encoding="ascii") as lines:
        line = next(line for line in lines if line.startswith("MemAvailable"))
        return 1024.0 * int(line.split()[1])
    with suppress(AttributeError, OSError, ValueError):
        import os

        return 0.5 * os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return float("inf")


def random_of(seed: int, first: int, purpose: int) -> np.random.Generator:
    """Random numbers of a row group, by the number of its first row: always the same of one seed and purpose."""
    key = np.array([seed, first], np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=np.array([0, 0, 0, purpose], np.uint64)))
