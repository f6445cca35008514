"""What is asked of any of Arrow's columns: whether it holds numbers or words, its values as text, each different one once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


def from_numbers(values: np.ndarray) -> pa.Array:
    """An array `[n]` as a column, NaN as missing. Of numbers without NaN it is a view: `pa.array` would import pandas."""
    plain = (
        values.dtype.kind in "iuf"
        and values.dtype.isnative
        and values.dtype.itemsize in (4, 8)
        and values.flags.c_contiguous
    )
    if not plain or (values.dtype.kind == "f" and np.isnan(values).any()):
        return pa.array(values, from_pandas=True)
    return pa.Array.from_buffers(pa.from_numpy_dtype(values.dtype), len(values), [None, pa.py_buffer(values)])


def from_texts(values: Sequence[str]) -> pa.Array:
    """Texts `[n]` as large_string, for which `pa.array` would import pandas."""
    encoded = [value.encode() for value in values]
    ends = np.cumsum([0, *map(len, encoded)], dtype=np.int64)
    return pa.LargeStringArray.from_buffers(len(encoded), pa.py_buffer(ends), pa.py_buffer(b"".join(encoded)))


def to_numbers(column: pa.ChunkedArray | pa.Array) -> np.ndarray:
    """`column.to_numpy()`, which of numbers without missing ones is a view: `to_numpy` itself would import pandas."""
    if not is_number(column.type) or column.null_count or pa.types.is_float16(column.type) or not len(column):
        return column.to_numpy() if isinstance(column, pa.ChunkedArray) else column.to_numpy(zero_copy_only=False)
    parts = views(column)
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def views(column: pa.ChunkedArray | pa.Array) -> list[np.ndarray]:
    """Numbers of which none is missing, where they lie: an array for each part of the column."""
    kind = np.dtype(column.type.to_pandas_dtype())
    chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    return [
        np.frombuffer(chunk.buffers()[1], kind, len(chunk), chunk.offset * kind.itemsize)
        for chunk in chunks
        if len(chunk)
    ]


def on_all_cores(work: Callable[[Any], Any], columns: Iterable[Any]) -> list[Any]:
    """What `work` gives for each column, in their order. Where a process is to have one thread, no other is begun."""
    if pa.cpu_count() == 1:
        return list(map(work, columns))
    with ThreadPoolExecutor(pa.cpu_count()) as pool:
        return list(pool.map(work, columns))


def is_number(kind: pa.DataType) -> bool:
    """Integers and floats; `open_table` has made floats of decimals."""
    return pa.types.is_integer(kind) or pa.types.is_floating(kind)


def is_text(kind: pa.DataType) -> bool:
    """Text of any of Arrow's layouts."""
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


def is_words(kind: pa.DataType) -> bool:
    """Text, or a dictionary of it."""
    return is_text(kind) or pa.types.is_dictionary(kind)


def is_date(kind: pa.DataType) -> bool:
    """Dates, times and both, but no durations."""
    return pa.types.is_date(kind) or pa.types.is_time(kind) or pa.types.is_timestamp(kind)


def text_of(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Any column of single values as large_string; a whole number without a point, `True` and `False` so written."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_boolean(column.type):
        return pc.if_else(column, pa.scalar("True", pa.large_string()), pa.scalar("False", pa.large_string()))
    if pa.types.is_floating(column.type):
        values = column.to_numpy()
        if np.all((values == np.floor(values)) & (np.abs(values) < 2**53) | np.isnan(values)):
            whole = pa.array(np.where(np.isnan(values), 0, values).astype(np.int64), mask=np.isnan(values))
            return pa.chunked_array([whole.cast(pa.large_string())])
    return column.cast(pa.large_string())


def distinct(text: pa.ChunkedArray) -> tuple[pa.Array, pa.Array]:
    """The different texts `[k]` in the order in which they come, and the place of each row among them `[n]`, null if missing."""
    encoded = text.combine_chunks().dictionary_encode()
    return encoded.dictionary, encoded.indices


def counts_of(text: pa.ChunkedArray) -> dict[str, int]:
    """Each different value that is not missing, and in how many rows it stands."""
    return {item["values"]: item["counts"] for item in text.drop_null().value_counts().to_pylist()}


def first(rows: np.ndarray | pa.ChunkedArray | pa.Array) -> int:
    """The place of the first row (from 0) that a mask `[n]` holds of."""
    return int(np.argmax(rows if isinstance(rows, np.ndarray) else np.asarray(rows.fill_null(False))))


def null_or_nan(column: pa.ChunkedArray) -> np.ndarray:
    """Where a value is missing, `[n]` bool."""
    if column.null_count == 0 and not pa.types.is_null(column.type):
        return np.isnan(to_numbers(column)) if pa.types.is_floating(column.type) else np.zeros(len(column), bool)
    return np.asarray(pc.is_null(column, nan_is_null=True))
