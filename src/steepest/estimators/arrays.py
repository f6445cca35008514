"""Arrays of other libraries at the boundary: NumPy's or SciPy's inside, the caller's own outside.

With scikit-learn's `array_api_dispatch` a tensor of PyTorch's comes back as one, on its device; without it arrays are NumPy's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.utils._array_api import (
    check_same_namespace,
    get_namespace,
    get_namespace_and_device,
    supported_float_dtypes,
)
from sklearn.utils.validation import _check_sample_weight

from steepest.data.in_memory import as_array


def floats(x: Any) -> tuple[Any, ...]:
    """The types that numbers may have, of the library that an array comes from; the first is that of all others."""
    return tuple(supported_float_dtypes(get_namespace(x)[0]))


def check_library(x: Any, estimator: Any, method: str) -> None:
    """ValueError where rows are of another library, or on another device, than those of the fit."""
    if hasattr(estimator, "coef_"):
        check_same_namespace(x, estimator, attribute="coef_", method=method)


@dataclass(frozen=True)
class Like:
    """What the caller's arrays are: their namespace, type and device; None of NumPy's."""

    namespace: Any = None
    dtype: Any = None
    device: Any = None

    @classmethod
    def of(cls, x: Any) -> Like:
        """Of an array that scikit-learn has checked."""
        if isinstance(x, np.ndarray) or sparse.issparse(x):
            return cls()
        namespace, dispatched, device = get_namespace_and_device(x)
        return cls(namespace, floats(x)[0], device) if dispatched else cls()

    def array(self, values: Any, exact: bool = False) -> Any:
        """Values as such an array. exact: in their own type, as labels are."""
        if self.namespace is None or getattr(values, "dtype", None) is None or values.dtype.kind not in "fiub":
            return values
        given = {} if exact or values.dtype.kind != "f" else {"dtype": self.dtype}
        return self.namespace.asarray(values, device=self.device, **given)


def plain(values: Any) -> Any:
    """An array of NumPy's with floats in float64, or a sparse matrix as it is."""
    if sparse.issparse(values):
        return values.astype(np.float64)
    array = values if isinstance(values, np.ndarray) else as_array(values)
    return array.astype(np.float64) if array.dtype.kind == "f" and array.dtype != np.float64 else array


def weights_of(sample_weight: Any, x: Any) -> np.ndarray | None:
    """The weights of the rows `[n]`, none below 0; None where none were given."""
    if sample_weight is None:
        return None
    given = sample_weight if np.isscalar(sample_weight) else as_array(sample_weight)
    return np.asarray(_check_sample_weight(given, x, dtype=np.float64, ensure_non_negative=True))
