"""Numbers of a large Parquet file, decoded into one block of memory, a column behind the other: x is a view of it, and no copy.

Each column is decoded a piece at a time, which stays in the cache until it is where it belongs. So this takes no longer than
pyarrow's `read`, which would fill memory of its own first.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from steepest.data.arrow_columns import on_all_cores, views
from steepest.data.encodings import Opener

TALL = 2**16
"""Rows from which this pays."""

PIECE = 2**16
"""Numbers that are decoded at a time."""

BUFFER = 2**20
"""Bytes that are read at a time."""

Open = Any
"""A `pyarrow.parquet.ParquetFile`."""


def in_one_block(file: Open, opener: Opener, names: Sequence[str], last: Collection[str]) -> pa.Table | None:
    """These columns of a file, the floats without missing values among them in one block; None of one that has few rows.

    opener: gives the bytes of the file from their beginning. last: names of columns that come behind all others in the block.

    Raises:
        ValueError: a column has other rows than the file says. What pyarrow raises for damaged files.
    """
    import pyarrow.parquet as pq

    rows, schema = file.metadata.num_rows, file.schema_arrow
    if rows < TALL or len(set(schema.names)) < len(schema.names):
        return None
    floats = [name for name in names if schema.field(name).type in (pa.float64(), pa.float32())]
    if not floats:
        return None
    floats.sort(key=lambda name: name in last)
    block = np.empty((len(floats), rows))

    def decode(numbers: range) -> list[int]:
        """Decode some of the floats, by number; those that are whole."""
        with opener() as stream:
            reader = pq.ParquetFile(stream, metadata=file.metadata, pre_buffer=False, buffer_size=BUFFER)
            return [at for at in numbers if _decoded(reader, floats[at], block[at])]

    workers = min(pa.cpu_count(), len(floats))
    shares = on_all_cores(decode, [range(worker, len(floats), workers) for worker in range(workers)])
    buffer = pa.py_buffer(block)
    found = {
        floats[at]: pa.Array.from_buffers(pa.float64(), rows, [None, buffer.slice(8 * rows * at, 8 * rows)])
        for share in shares
        for at in share
    }
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
    chunks = [column.chunk(0) for column in columns if column.num_chunks == 1]
    buffers = [chunk.buffers()[1] for chunk in chunks if not chunk.offset and chunk.type == pa.float64()]
    block = buffers[0].parent if buffers and len(buffers) == len(columns) else None
    if block is None or not block.is_mutable:
        return None
    first, rows = buffers[0].address, len(chunks[0])
    for at, buffer in enumerate(buffers):
        of = buffer.parent
        if (
            of is None
            or (of.address, of.size) != (block.address, block.size)
            or buffer.address != first + 8 * rows * at
        ):
            return None
    numbers = np.frombuffer(block, np.float64, rows * len(columns), first - block.address)
    return numbers.reshape(len(columns), rows).T
