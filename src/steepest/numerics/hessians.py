"""The Hessian of a mean loss over rows, from the curvature of each row in its predictions."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch


def blocks(curvature: Any, design: Any) -> Any:
    """Σᵢ Sᵢ ⊗ aᵢaᵢᵀ, `[k·p, k·p]`, of design rows aᵢ `[n, p]`; arrays are NumPy's or PyTorch's.

    curvature: S, `[n]` for one output, `[n, k]` for outputs apart from one another, `[n, k, k]` for coupled ones.

    >>> blocks(np.array([1.0, 2.0]), np.array([[1.0, 0.0], [1.0, 3.0]]))
    array([[ 3.,  6.],
           [ 6., 18.]])
    """
    k, p = 1 if curvature.ndim == 1 else curvature.shape[1], design.shape[1]
    whole: Any = design.new_zeros(k, p, k, p) if isinstance(design, torch.Tensor) else np.zeros((k, p, k, p))
    for a in range(k):
        for b in range(a + 1) if curvature.ndim == 3 else (a,):
            each = curvature[:, a, b] if curvature.ndim == 3 else curvature.reshape(-1, k)[:, a]
            whole[a, :, b] = (design * each[:, None]).T @ design
            whole[b, :, a] = whole[a, :, b].T if a != b else whole[a, :, b]
    return whole.reshape(k * p, k * p)
