"""Eigenvalues at the ends of the spectrum of a symmetric operator, known by its products alone: Lanczos' method."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Product = Callable[[np.ndarray], np.ndarray]

MOST_TRIED = 50
"""Size up to which an operator is tried on every axis."""


def leading(product: Product, size: int, count: int, tolerance: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """The largest eigenvalues `[count]`, rising, and their vectors `[size, count]`."""
    from scipy.sparse.linalg import LinearOperator, eigsh

    operator = LinearOperator((size, size), matvec=product, dtype=np.float64)  # pyrefly: ignore
    # a fixed start, so that the same question has the same answer
    first = np.random.default_rng(0).standard_normal(size)
    values, vectors = eigsh(operator, k=count, which="LA", v0=first, tol=tolerance)
    order = np.argsort(values)
    return values[order], vectors[:, order]


def ends(product: Product, size: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The largest eigenvalues, falling, and the smallest, rising.

    >>> ends(lambda vector: np.array([1.0, 2.0, 5.0]) * vector.ravel(), 3, 2)
    (array([5., 2.]), array([1., 2.]))
    """
    count = min(count, size)
    if size <= MOST_TRIED or 2 * count >= size - 1:
        whole = np.column_stack([product(unit) for unit in np.eye(size)])
        values = np.linalg.eigvalsh(0.5 * (whole + whole.T))
        return values[::-1][:count], values[:count]
    largest = leading(product, size, count)[0][::-1]
    # the smallest lie close together about 0, where Lanczos is never content: they are the largest of (shift − H)
    shift = max(abs(float(largest[0])), np.finfo(float).tiny)
    others = leading(lambda vector: shift * np.ravel(vector) - product(vector), size, count)[0]
    return largest, np.sort(shift - others)


def largest(product: Product, size: int) -> float:
    """The largest eigenvalue."""
    return float(ends(product, size, 1)[0][0] if size <= MOST_TRIED else leading(product, size, 1)[0][-1])
