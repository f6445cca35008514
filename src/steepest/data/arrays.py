"""Numbers that are given as they are, past any table: arrays for `st.objective`, a start θ₀, weights.

Whatever is no finite real number is one line that says where.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from steepest.data.in_memory import as_array
from steepest.errors import DataError, SteepestError


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
    if isinstance(given, (bool, int, float)):
        return start_of([float(given)]).reshape(())
    if hasattr(given, "iloc"):
        given = given.to_numpy()
    if isinstance(given, Tensor) and given.ndim == 0:
        return start_of(given.reshape(1)).reshape(())
    if isinstance(given, np.generic) or (isinstance(given, np.ndarray) and given.ndim == 0):
        return start_of(np.reshape(given, 1)).reshape(())
    if isinstance(given, (str, bytes)) or not (hasattr(given, "__array__") or isinstance(given, (list, tuple))):
        raise DataError(f"{what}; it must be numbers, as a list, an array or a tensor.")
    array = array_of(given, "The start")
    if not array.size:
        raise DataError("The start holds no numbers; give one for each entry of θ.")
    kind = given.dtype if isinstance(given, Tensor) and given.is_floating_point() else None
    floats = array if array.dtype in (np.float32, np.float64) else array.astype(np.float64)
    return torch.as_tensor(np.array(floats)).to(kind or torch.as_tensor(floats[:0]).dtype)
