"""A table that is already in memory → Arrow: dataframes, dicts of columns, arrays and tensors.

Names are kept as text; an index is ignored; a tensor may lie on any device and require a gradient.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from numbers import Number
from typing import Any

import numpy as np
import pyarrow as pa

from steepest.data.arrow_columns import from_numbers
from steepest.data.column_names import array_names
from steepest.data.wording import counted, quoted
from steepest.errors import DataError, SteepestError
from steepest.lazy import Tensor, torch

COMPLEX = "{} holds complex numbers ({}); give real and imaginary parts apart"
COPIED = 500_000
"""Entries of an array up to which it is copied, so that a fit stays as it is whatever its caller does with the array."""

LARGEST = 1e150
"""The square of a value must be a finite float64."""


def from_memory(source: Any) -> tuple[pa.Table, bool]:
    """The table in an object, and whether its columns have names of their own."""
    if isinstance(source, pa.Table):
        return source, True
    if _is_a("pandas", "DataFrame", source):
        columns = [source.iloc[:, position] for position in range(source.shape[1])]
        return _from_columns([str(name) for name in source.columns], columns), True
    if _is_a("pandas", "Series", source):
        named = source.name is not None
        return _from_columns([str(source.name) if named else "x"], [source]), named
    if isinstance(source, Mapping):
        return _from_columns([str(name) for name in source], _rows(source)), True
    if isinstance(source, np.ndarray) and source.dtype.names:  # a structured array: a field is a column
        return _from_columns(list(source.dtype.names), [source[name] for name in source.dtype.names]), True
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


def _rows(source: Mapping) -> list[Any]:
    """The columns of a dict; one of single values is one row."""
    single = {name: _is_single(value) for name, value in source.items()}
    if all(single.values()):
        return [[value.item() if hasattr(value, "item") else value] for value in source.values()]
    alone = next((name for name, is_single in single.items() if is_single), None)
    if alone is not None:
        raise DataError(
            f"column {quoted(alone)} is a single value, {quoted(source[alone])}, and others have a value in each row: "
            "give it one for each row too"
        )
    return list(source.values())


def _is_single(value: Any) -> bool:
    """Whether this is one value and no column of them."""
    if isinstance(value, str | bytes) or getattr(value, "ndim", None) == 0:
        return True
    return not (hasattr(value, "__len__") or hasattr(value, "__iter__") or hasattr(value, "__arrow_c_stream__"))


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
        return _of_tensor(source)
    if isinstance(source, (str, bytes)) or not (hasattr(source, "__array__") or isinstance(source, Sequence)):
        raise DataError(
            f"a {type(source).__name__} is no table: give a path, a dataframe, a dict of columns or an array"
        )
    try:
        array = _filled(source) if _is_a("numpy", "MaskedArray", source) else np.asarray(source)
    except (ValueError, TypeError) as error:
        raise DataError(f"the rows given are not all of the same length: {error}") from None
    if array.ndim == 0:
        raise DataError(f"{quoted(array)} is a single value, not a column of them")
    if array.dtype.kind == "c":
        raise DataError(COMPLEX.format("x", array.flat[0] if array.size else "complex"))
    return array


def _of_tensor(tensor: Any, single: bool = False) -> np.ndarray:
    """A tensor on any device, in any layout of its memory; what holds no numbers is a DataError.

    single: float32 stays what it is; else all floats are float64.
    """
    if str(getattr(tensor, "layout", "torch.strided")) != "torch.strided" or getattr(tensor, "is_nested", False):
        raise DataError("a sparse or nested tensor is no table here: give it as x.to_dense()")
    if tensor.is_meta:
        raise DataError("the tensor is on the meta device and holds no numbers: give one that does")
    tensor = tensor.detach()
    if tensor.is_quantized:
        tensor = tensor.dequantize()
    if tensor.is_complex():
        raise DataError(COMPLEX.format("x", tensor.flatten()[0].item() if tensor.numel() else "complex"))
    tensor = tensor.cpu().resolve_neg()
    stays = not tensor.is_floating_point() or (single and str(tensor.dtype) == "torch.float32")
    return (tensor if stays else tensor.double()).numpy()


def _filled(array: Any) -> np.ndarray:
    """A masked array with NaN, or None among text, where it is masked."""
    if array.dtype.kind in "biuf":
        return np.ma.filled(array.astype(np.float64), np.nan)
    if array.dtype.kind in "OUS":
        return np.ma.filled(array.astype(object), None)
    return np.asarray(np.ma.getdata(array))


def whole_numbers(source: object, share: bool = False) -> np.ndarray | None:
    """`[n, d]`, float64, of an array or tensor of numbers none of which is missing or larger than `LARGEST`.

    None for anything else: its columns must be read one by one. share: whether a large array of float64 or float32, whose rows
    or columns lie next to one another, may be given as it is, to be read only; else it is a copy, in rows.
    """
    tensor = _is_a("torch", "Tensor", source)
    if not (type(source) is np.ndarray or tensor) or getattr(source, "ndim", 0) != 2:
        return None
    array = _of_tensor(source, single=share) if tensor else as_array(source)
    if array.dtype.kind not in "fiu" or array.dtype.itemsize > 8 or not array.size:
        return None
    plain = array.dtype in (np.float64, np.float32) and array.flags.aligned and array.flags.forc
    numbers = array if share and plain and array.size > COPIED else np.array(array, dtype=np.float64, order="C")
    flat = numbers.ravel(order="K")
    with np.errstate(over="ignore", invalid="ignore"):
        square = flat @ flat
        sound = square <= LARGEST**2 if numbers.dtype == np.float64 else np.isfinite(square) or np.isfinite(flat).all()
    return numbers if sound else None


def _from_columns(names: list[str], columns: list[object]) -> pa.Table:
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
    if isinstance(column, set | frozenset):
        raise DataError(f"column {quoted(name)} is a set, which has no order: give a list")
    if _is_a("pandas", "Series", column) or _is_a("pandas", "Index", column):
        column = _pandas_column(column)
    if hasattr(column, "detach") or isinstance(column, np.ndarray):
        if getattr(column.dtype, "kind", "") == "c" or str(column.dtype).startswith("torch.complex"):
            raise DataError(COMPLEX.format(f"column {quoted(name)}", column[0]))
        column = as_array(column)
        if column.ndim != 1:
            raise DataError(f"column {quoted(name)} has the shape {_shape(column)}; a column has one value in each row")
        column = column.tolist() if column.dtype.kind in "OUS" else np.ascontiguousarray(column)
    try:
        if hasattr(column, "to_arrow"):
            return column.to_arrow()
        return from_numbers(column) if isinstance(column, np.ndarray) else pa.array(column, from_pandas=True)
    except (pa.ArrowException, TypeError, ValueError, OverflowError, NotImplementedError):
        pass
    except Exception as error:  # polars panics in an exception of its own for columns of Python objects
        if "polars" not in type(error).__module__:
            raise
    values = list(column)
    if any(isinstance(value, complex | np.complexfloating) for value in values):
        raise DataError(COMPLEX.format(f"column {quoted(name)}", values[0]))
    values = [None if _is_missing(value) else value for value in values]
    if any(isinstance(value, Number) for value in values):
        with suppress(TypeError, ValueError, OverflowError):  # numbers, some of them as text
            return pa.array([None if value is None else float(value) for value in values], pa.float64())
    return pa.array([None if value is None else str(value) for value in values], pa.string())


def _is_missing(value: Any) -> bool:
    """None, NaN, NaT and pandas.NA."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, float | np.floating) and bool(np.isnan(value))


def _pandas_column(column: Any) -> Any:
    """Intervals, periods and the like as text, categories of them as categories in their order."""
    kind = column.dtype
    name = type(kind).__name__
    if name == "CategoricalDtype" and type(kind.categories.dtype).__name__ in ("IntervalDtype", "PeriodDtype"):
        codes = np.asarray(column.cat.codes if hasattr(column, "cat") else column.codes)
        levels = pa.array([str(level) for level in kind.categories], pa.large_string())
        return pa.DictionaryArray.from_arrays(pa.array(codes, mask=codes < 0), levels, ordered=bool(kind.ordered))
    if name in ("IntervalDtype", "PeriodDtype"):
        return [None if _is_missing(value) else str(value) for value in column]
    return np.asarray(column) if name == "SparseDtype" else column


def _shape(array: np.ndarray) -> str:
    return " × ".join(f"{length:,}" for length in array.shape) if array.ndim != 1 else f"[{len(array):,}]"


# ---- numbers past any table: data of an objective, a start -----------------------------------------


def array_of(given: Any, name: str) -> np.ndarray:
    """An array, tensor, series, frame or nested list as numbers `[n, …]`. DataError for anything else."""
    if isinstance(given, dict):
        raise DataError(f"{name} is a dict; it must be numbers, as an array, a tensor or a list.")
    try:
        array = as_array(given)
    except SteepestError as error:
        raise DataError(f"{name}: {str(error).removeprefix('x ')}") from None
    if array.dtype.kind not in "fiub":
        try:
            array = array.astype(np.float64)
        except (TypeError, ValueError):
            raise DataError(f"{name} holds {str(array.flat[0])[:40]!r}, and must be numbers.") from None
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        place = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        raise DataError(
            f"{name} holds {array[place]:g} in row {place[0] + 1} (counted from 1), and must be finite numbers."
        )
    return array if array.flags.writeable else array.copy()


def start_of(given: Any) -> Tensor:
    """A start θ₀ of any shape, in its own precision where it is a tensor or array of floats. DataError for anything else."""
    what = f"The start is a {type(given).__name__}"
    if isinstance(given, dict):
        raise DataError(
            f"{what}: give its numbers as a list, list(theta0.values()), and take them by place in the function."
        )
    if isinstance(given, (bool, int, float, np.generic)) or getattr(given, "ndim", None) == 0:
        return start_of(given.reshape(1) if isinstance(given, Tensor) else np.reshape(given, 1)).reshape(())
    given = given.to_numpy() if hasattr(given, "iloc") else given
    if isinstance(given, (str, bytes)) or not (hasattr(given, "__array__") or isinstance(given, (list, tuple))):
        raise DataError(f"{what}; it must be numbers, as a list, an array or a tensor.")
    array = array_of(given, "The start")
    if not array.size:
        raise DataError("The start holds no numbers; give one for each entry of θ.")
    kind = given.dtype if isinstance(given, Tensor) and given.is_floating_point() else None
    floats = array if array.dtype in (np.float32, np.float64) else array.astype(np.float64)
    return torch.as_tensor(np.array(floats)).to(kind or torch.as_tensor(floats[:0]).dtype)
