"""Cholesky's factor of a Hessian that may be singular, and what it solves."""

from __future__ import annotations

from steepest.lazy import Tensor, torch


def factor(hessian: Tensor) -> Tensor | None:
    """Cholesky's factor of H, with as little added to the diagonal as it takes; None where nothing helps."""
    size = hessian.diagonal()
    size = torch.where(size > 0, size, size.max() if bool((size > 0).any()) else torch.ones_like(size))
    ridge = 0.0
    for _ in range(40):
        found, failed = torch.linalg.cholesky_ex(hessian + torch.diag(ridge * size) if ridge else hessian)
        if not failed and bool(torch.isfinite(found).all()):
            return found
        ridge = max(10 * ridge, torch.finfo(hessian.dtype).eps)
    return None


def solve(found: Tensor | None, right: Tensor) -> Tensor:
    """H⁻¹·right from Cholesky's factor of H; right itself without one."""
    return right if found is None else torch.cholesky_solve(right[:, None], found)[:, 0]
