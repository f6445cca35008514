"""Tables as bytes, to be kept or sent to another process: Arrow's file format, nothing that could be run."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa


def bytes_of(table: pa.Table) -> bytes:
    """A table as a file of Arrow."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table.unify_dictionaries())
    return sink.getvalue().to_pybytes()


def table_of(content: bytes) -> pa.Table:
    """And back; an ArrowException for a file that is none, or damaged."""
    table = pa.ipc.open_file(content).read_all()
    table.validate(full=True)
    return table


def packed(files: Mapping[str, bytes]) -> bytes:
    """Files by their names as one.

    >>> unpacked(packed({"a": b"1", "b": b""}))
    {'a': b'1', 'b': b''}
    """
    return bytes_of(pa.table({"name": list(files), "content": pa.array(list(files.values()), pa.large_binary())}))


def unpacked(content: bytes) -> dict[str, bytes]:
    """And back."""
    table = table_of(content)
    return dict(zip(table["name"].to_pylist(), table["content"].to_pylist(), strict=True))
