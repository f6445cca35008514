"""A table that is already in memory → Arrow: dataframes, dicts of columns, arrays and tensors.

Names are kept as text; an index is ignored; a tensor may lie on any device and require a gradient.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from steepest.errors import DataError
from steepest.problem.names import array_names, check_names
from steepest.problem.wording import counted, quoted

LARGEST = 1e150
"""The square of a value must be a finite float64."""


def from_memory(source: Any) -> tuple[pa.Table, bool]:
    """The table in an object, and whether its columns have names of their own."""
    if isinstance(source, pa.Table):
        return source, True
    if _is_a("pandas", "DataFrame", source):
        check_names([str(name) for name in source.columns], "the table")
        columns = [source.iloc[:, position] for position in range(source.shape[1])]
        return _from_columns([str(name) for name in source.columns], columns), True
    if _is_a("pandas", "Series", source):
        named = source.name is not None
        return _from_columns([str(source.name) if named else "x"], [source]), named
    if isinstance(source, Mapping):
        return _from_columns([str(name) for name in source], list(source.values())), True
    if _is_a("polars", "LazyFrame", source):
        source = source.collect()
    if _is_a("polars", "DataFrame", source):
        return _from_columns(source.columns, source.get_columns()), True
    if _is_a("polars", "Series", source):
        return _from_columns([source.name or "x"], [source]), bool(source.name)
    if isinstance(source, (pa.Array, pa.ChunkedArray)):
        return _from_columns(["x"], [source]), False
    if hasattr(source, "__arrow_c_stream__"):
        return pa.table(source), True
    array = as_array(source)
    if array.ndim == 1:
        return _from_columns(["x"], [array]), False
    if array.ndim != 2:
        raise DataError(f"x has {array.ndim} dimensions, {_shape(array)}; give it as rows × columns")
    return _from_columns(array_names(array.shape[1]), [array[:, position] for position in range(array.shape[1])]), False


def _is_a(library: str, kind: str, source: object) -> bool:
    """Whether the object is of a library's class, or of one derived from it; the library is not imported."""
    bases = type(source).__mro__
    return any(base.__name__ == kind and base.__module__.split(".")[0] == library for base in bases)


def as_array(source: object) -> np.ndarray:
    """A NumPy array of an array, a tensor (on any device, with or without gradient) or nested lists.

    Raises:
        DataError: rows of different lengths, or something that holds no rows at all.
    """
    if hasattr(source, "detach") and hasattr(source, "cpu"):
        if str(getattr(source, "layout", "torch.strided")) != "torch.strided":
            raise DataError("a sparse tensor is no table here: give it as x.to_dense()")
        tensor = source.detach().cpu()
        return (tensor.double() if tensor.is_floating_point() else tensor).numpy()
    if isinstance(source, (str, bytes)) or not (hasattr(source, "__array__") or isinstance(source, Sequence)):
        raise DataError(
            f"a {type(source).__name__} is no table: give a path, a dataframe, a dict of columns or an array"
        )
    try:
        array = np.ma.filled(source, np.nan) if isinstance(source, np.ma.MaskedArray) else np.asarray(source)
    except (ValueError, TypeError) as error:
        raise DataError(f"the rows given are not all of the same length: {error}") from None
    if array.ndim == 0:
        raise DataError(f"{quoted(array)} is a single value, not a column of them")
    return array


def whole_numbers(source: object) -> np.ndarray | None:
    """A copy `[n, d]`, float64, of an array or tensor of numbers none of which is missing or larger than `LARGEST`.

    None for anything else: its columns must be looked at one by one.
    """
    if not (type(source) is np.ndarray or _is_a("torch", "Tensor", source)) or getattr(source, "ndim", 0) != 2:
        return None
    array = as_array(source)
    if array.dtype.kind not in "fiu" or array.dtype.itemsize > 8 or not array.size:
        return None
    numbers = np.array(array, dtype=np.float64, order="C")
    flat = numbers.ravel()
    with np.errstate(over="ignore", invalid="ignore"):
        return numbers if flat @ flat <= LARGEST**2 else None


def _from_columns(names: list[str], columns: list[object]) -> pa.Table:
    check_names(names, "the table")
    arrays = [_arrow_column(name, column) for name, column in zip(names, columns, strict=True)]
    lengths = {len(array) for array in arrays}
    if len(lengths) > 1:
        other = next(position for position, array in enumerate(arrays) if len(array) != len(arrays[0]))
        raise DataError(
            f"the columns differ in length: {quoted(names[0])} has {counted(len(arrays[0]), 'row')} "
            f"and {quoted(names[other])} has {len(arrays[other]):,}"
        )
    return pa.table(arrays, names=names)


def _arrow_column(name: str, column: Any) -> pa.Array | pa.ChunkedArray:
    """One column as Arrow; values of mixed kinds become text, so that the one at fault can be named later."""
    if isinstance(column, (pa.Array, pa.ChunkedArray)):
        return column
    if hasattr(column, "detach") or isinstance(column, np.ndarray):
        column = as_array(column)
        if column.ndim != 1:
            raise DataError(f"column {quoted(name)} has the shape {_shape(column)}; a column has one value in each row")
        column = column.tolist() if column.dtype.kind in "OUS" else np.ascontiguousarray(column)
    try:
        if hasattr(column, "to_arrow"):
            return column.to_arrow()
        return pa.array(column, from_pandas=True)
    except (pa.ArrowException, TypeError, ValueError, OverflowError, NotImplementedError):
        pass
    except Exception as error:  # polars panics in an exception of its own for columns of Python objects
        if "polars" not in type(error).__module__:
            raise
    values = list(column)
    if any(isinstance(value, complex) for value in values):
        raise DataError(
            f"column {quoted(name)} holds complex numbers ({values[0]}); give real and imaginary parts apart"
        )
    missing = [value is None or value != value for value in values]
    return pa.array([None if gone else str(value) for value, gone in zip(values, missing, strict=True)], pa.string())


def _shape(array: np.ndarray) -> str:
    return " × ".join(f"{length:,}" for length in array.shape) if array.ndim != 1 else f"[{len(array):,}]"
