"""What a recorder does with arrays of NumPy's, and with tensors that stay on their GPU."""

from __future__ import annotations

from math import nan
from typing import Any

import numpy as np

from steepest.lazy import Tensor, torch


def length_of(gradient: Any) -> Any:
    """The norm of a gradient, where it lies; a number is one already."""
    if isinstance(gradient, float):
        return gradient
    return torch.linalg.vector_norm(gradient) if isinstance(gradient, Tensor) else np.linalg.norm(gradient)


def room(like: Any, shape: tuple[int, ...]) -> Any:
    """NaN in an array, or in a tensor on the GPU of another."""
    return like.new_full(shape, nan) if isinstance(like, Tensor) else np.full(shape, nan, like.dtype)


def float64_of(part: Any) -> np.ndarray:
    """A copy of a tensor or array as an array."""
    return np.array(part.detach().cpu().numpy() if isinstance(part, Tensor) else part, dtype=np.float64)


def assign(part: Any, values: np.ndarray) -> None:
    """part[:] = values."""
    part[...] = torch.from_numpy(np.ascontiguousarray(values)) if isinstance(part, Tensor) else values


def chosen_rows(part: Any, rows: np.ndarray) -> Any:
    """A copy of some rows."""
    return part[..., torch.from_numpy(rows).to(part.device) if isinstance(part, Tensor) else rows, :]


def slice_of(due: np.ndarray) -> Any:
    """Step numbers as a slice where they lie evenly, which NumPy copies faster."""
    stride = int(due[1] - due[0]) if len(due) > 1 else 1
    even = int(due[-1]) == int(due[0]) + stride * (len(due) - 1) and (np.diff(due) == stride).all()
    return slice(int(due[0]), int(due[-1]) + 1, stride) if even else due
