"""What is asked of any of Arrow's columns: whether it holds numbers or words, its values as text, each different one once."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


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
    plain = column.null_count == 0 and not pa.types.is_null(column.type)
    if plain and (not pa.types.is_floating(column.type) or (column.type == pa.float64() and _all_finite(column))):
        return np.zeros(len(column), bool)
    return np.asarray(pc.is_null(column, nan_is_null=True))


def _all_finite(column: pa.ChunkedArray | pa.Array) -> bool:
    """Whether float64 values are surely finite, in one pass over them."""
    chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    with np.errstate(over="ignore", invalid="ignore"):
        return all(np.isfinite(np.vdot(chunk.to_numpy(), chunk.to_numpy())) for chunk in chunks)
