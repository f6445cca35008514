"""Numbers of large Parquet files, decoded into one block of memory, a column behind the other: x is a view of it, and no copy.

Each column is decoded a piece at a time, which stays in the cache until it is where it belongs. So this takes no longer than
pyarrow's `read`, which would fill memory of its own first.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from steepest.data.arrow_columns import on_all_cores, views
from steepest.data.encodings import Opener

TALL = 2**16
"""Rows from which this pays."""

FEW = 2**4
"""By how much several files may each have fewer."""

PIECE = 2**16
"""Numbers that are decoded at a time."""

BUFFER = 2**20
"""Bytes that are read at a time."""

Open = Any
"""A `pyarrow.parquet.ParquetFile`."""


class Room:
    """Memory `[k, n]` for k columns of floats of one or several files, a column behind the other, and how many rows it has."""

    def __init__(self, names: Sequence[str], rows: int):
        self.names, self.block, self.filled = list(names), np.empty((len(names), rows)), 0
        self.buffer = pa.py_buffer(self.block)

    def column(self, at: int, rows: int) -> pa.Array:
        """The next rows of a column, as they lie there."""
        start = 8 * (self.block.shape[1] * at + self.filled)
        return pa.Array.from_buffers(pa.float64(), rows, [None, self.buffer.slice(start, 8 * rows)])


def _floats(schema: pa.Schema, names: Sequence[str], last: Collection[str]) -> list[str]:
    """The columns of floats among some, those of `last` behind all others; none where two have one name."""
    if len(set(schema.names)) < len(schema.names):
        return []
    floats = [name for name in names if schema.field(name).type in (pa.float64(), pa.float32())]
    return sorted(floats, key=lambda name: name in last)


def room_of_several(paths: Sequence[Path], columns: Sequence[str] | None, last: Collection[str]) -> Room | None:
    """Memory for all floats of several files, whose rows are one table; None where they are not all Parquet, of the same floats.

    columns, last: as of `in_one_block`.
    """
    import pyarrow.parquet as pq

    if not all(path.suffix.lower() == ".parquet" and path.is_file() for path in paths):
        return None
    try:
        known = [pq.read_metadata(path) for path in paths]
        schemas = [one.schema.to_arrow_schema() for one in known]
    except (pa.ArrowException, OSError, ValueError):  # which reading tells of
        return None
    names = schemas[0].names if columns is None else columns
    if any(not set(names) <= set(schema.names) for schema in schemas):
        return None
    first, *others = (_floats(schema, names, last) for schema in schemas)
    rows = sum(one.num_rows for one in known)
    return (
        Room(first, rows) if first and rows >= TALL * len(paths) / FEW and all(one == first for one in others) else None
    )


def in_one_block(
    file: Open, opener: Opener, names: Sequence[str], last: Collection[str], room: Room | None = None
) -> pa.Table | None:
    """These columns of a file, the floats without missing values among them in one block; None of one that has few rows.

    opener: gives the bytes of the file from their beginning. last: names of columns that come behind all others in the block.
    room: that of several files, which fill it one after another.

    Raises:
        ValueError: a column has other rows than the file says. What pyarrow raises for damaged files.
    """
    import pyarrow.parquet as pq

    rows = file.metadata.num_rows
    floats = _floats(file.schema_arrow, names, last)
    if room is not None and (floats != room.names or room.filled + rows > room.block.shape[1]):
        room = None
    if not floats or (room is None and rows < TALL):
        return None
    room = Room(floats, rows) if room is None else room
    lines = room.block[:, room.filled : room.filled + rows]

    def decode(numbers: range) -> list[int]:
        """Decode some of the floats, by number; those that are whole."""
        with opener() as stream:
            reader = pq.ParquetFile(stream, metadata=file.metadata, pre_buffer=False, buffer_size=BUFFER)
            return [at for at in numbers if _decoded(reader, floats[at], lines[at])]

    workers = min(pa.cpu_count(), len(floats))
    shares = on_all_cores(decode, [range(worker, len(floats), workers) for worker in range(workers)])
    found = {floats[at]: room.column(at, rows) for share in shares for at in share}
    room.filled += rows
    others = [name for name in names if name not in found]
    rest = file.read(columns=others) if others else pa.table({})
    return pa.table({name: found[name] if name in found else rest.column(name) for name in names})


def _decoded(reader: Open, name: str, line: np.ndarray) -> bool:
    """Decode a column into a line `[n]` of the block; False where a value is missing."""
    start = 0
    for batch in reader.iter_batches(PIECE, columns=[name], use_threads=False):
        column = batch.column(name)
        if column.null_count:
            return False
        for part in views(column):
            line[start : start + len(part)] = part
        start += len(column)
    if start != len(line):
        raise ValueError(f"column {name!r} has {start:,} rows of {len(line):,}")
    return True


def view_of(columns: Sequence[pa.ChunkedArray]) -> np.ndarray | None:
    """Columns of float64 as `[n, k]`, a view, where they lie one behind the other in one block; None where they do not."""
    lines = [line for column in columns if (line := _line(column)) is not None]
    if not lines or len(lines) < len(columns):
        return None
    (block, first), rows = lines[0], len(columns[0])
    for at, (of, address) in enumerate(lines):
        if (of.address, of.size) != (block.address, block.size) or address != first + 8 * rows * at:
            return None
    numbers = np.frombuffer(block, np.float64, rows * len(columns), first - block.address)
    return numbers.reshape(len(columns), rows).T


def _line(column: pa.ChunkedArray) -> tuple[pa.Buffer, int] | None:
    """The block that a column lies in, one piece behind the other, and where; None where it does not."""
    found, rows = None, 0
    for chunk in column.chunks:
        buffer = chunk.buffers()[1]
        block = None if chunk.offset or chunk.type != pa.float64() or buffer is None else buffer.parent
        if block is None or not block.is_mutable:
            return None
        if found is None:
            found = block, buffer.address
        elif (block.address, block.size) != (found[0].address, found[0].size) or buffer.address != found[1] + 8 * rows:
            return None
        rows += len(chunk)
    return found
