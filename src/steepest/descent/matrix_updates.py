"""How muon and shampoo move a weight matrix: the formula of each, plain arithmetic on matrices `[..., a, b]`.

As in `formulas/updates.py` a formula is a function (g, *memory, lr, t, *numbers) → (step, *memory), here of matrices; and there
is one that says what memory begins as.
"""

# ruff: noqa: D103  what each is stands in its entry in rules.py
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from steepest.lazy import torch

QUINTIC = 3.4445, -4.7750, 2.0315
"""Coefficients of Newton and Schulz's iteration, by Jordan: five times, singular values come to about 1, from 0.5 to 1.5."""

TIMES = 5


def muon_begins(theta: Any, momentum: float, decay: float) -> list[Any]:
    return [torch.zeros_like(theta)]


def muon(g: Any, mean: Any, lr: Any, t: int, momentum: float, decay: float) -> tuple[Any, ...]:
    mean = momentum * mean + (1 - momentum) * g
    ahead = (1 - momentum) * g + momentum * mean
    return 0.2 * max(g.shape[-2:]) ** 0.5 * lr * orthogonal(ahead), mean


def orthogonal(matrix: Any) -> Any:
    """About U·Vᵀ of a matrix U·S·Vᵀ, by Newton and Schulz."""
    a, b, c = QUINTIC
    tall = matrix.shape[-2] > matrix.shape[-1]
    x = matrix.transpose(-1, -2) if tall else matrix
    x = x / torch.linalg.matrix_norm(x, keepdim=True).clamp(min=1e-7)
    for _ in range(TIMES):
        gram = x @ x.transpose(-1, -2)
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.transpose(-1, -2) if tall else x


def shampoo_begins(theta: Any, ridge: Any) -> list[Any]:
    sizes = theta.shape[-2:]
    lead = theta.shape[:-2]
    return [
        ridge * torch.eye(size, dtype=theta.dtype, device=theta.device).expand(*lead, size, size).clone()
        for size in sizes
    ]


def shampoo(g: Any, left: Any, right: Any, lr: Any, t: int, ridge: Any) -> tuple[Any, ...]:
    left = left + g @ g.transpose(-1, -2)
    right = right + g.transpose(-1, -2) @ g
    return lr * (root(left) @ g @ root(right)), left, right


def root(matrix: Any) -> Any:
    """The power −¼ of a symmetric matrix whose eigenvalues are above 0."""
    values, vectors = torch.linalg.eigh(matrix)
    return vectors * values.clamp(min=torch.finfo(matrix.dtype).tiny)[..., None, :] ** -0.25 @ vectors.transpose(-1, -2)


BEGIN: dict[str, Callable[..., list[Any]]] = {"muon": muon_begins, "shampoo": shampoo_begins}
"""Name → (matrix, *numbers) → what memory begins as."""

STEP: dict[str, Callable[..., tuple[Any, ...]]] = {"muon": muon, "shampoo": shampoo}
"""Name → the formula."""
