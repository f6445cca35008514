"""The Hessian: of a mean loss from the curvature of each row, and of any function by its products with vectors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from steepest.lazy import Tensor, torch


def blocks(curvature: Any, design: Any) -> Any:
    """Σᵢ Sᵢ ⊗ aᵢaᵢᵀ, `[k·p, k·p]`, of design rows aᵢ `[n, p]`; arrays are NumPy's or PyTorch's.

    curvature: S, `[n]` for one output, `[n, k]` for outputs apart from one another, `[n, k, k]` for coupled ones.

    >>> blocks(np.array([1.0, 2.0]), np.array([[1.0, 0.0], [1.0, 3.0]]))
    array([[ 3.,  6.],
           [ 6., 18.]])
    """
    k, p = 1 if curvature.ndim == 1 else curvature.shape[1], design.shape[1]
    whole: Any = design.new_zeros(k, p, k, p) if isinstance(design, Tensor) else np.zeros((k, p, k, p))
    for a in range(k):
        for b in range(a + 1) if curvature.ndim == 3 else (a,):
            each = curvature[:, a, b] if curvature.ndim == 3 else curvature.reshape(-1, k)[:, a]
            whole[a, :, b] = (design * each[:, None]).T @ design
            whole[b, :, a] = whole[a, :, b].T if a != b else whole[a, :, b]
    return whole.reshape(k * p, k * p)


def products(
    function: Callable[[torch.Tensor], torch.Tensor], theta: torch.Tensor
) -> tuple[float, np.ndarray, Callable[[np.ndarray], np.ndarray]]:
    """F(θ), ∇F(θ) `[p]` and v ↦ ∇²F(θ)·v, the gradient of (gradient · v), by autograd (Pearlmutter 1994).

    >>> value, slope, product = products(lambda theta: (theta**3).sum(), torch.tensor([1.0, 2.0]))
    >>> value, slope.tolist(), product(np.ones(2)).tolist()
    (9.0, [3.0, 12.0], [6.0, 12.0])
    """
    place = theta.detach().clone().requires_grad_()
    with torch.enable_grad():
        value = function(place)
        (slope,) = torch.autograd.grad(value, place, create_graph=True)

    def product(vector: np.ndarray) -> np.ndarray:
        along = torch.as_tensor(np.ravel(vector)).to(slope)
        bent = None  # where F is linear in θ
        if slope.requires_grad:
            (bent,) = torch.autograd.grad(slope, place, along, retain_graph=True, allow_unused=True)
        return np.zeros(len(along)) if bent is None else bent.numpy()

    return float(value.detach()), slope.detach().numpy(), product
