"""The Hessian of several classes on a tall table: Σ w·(diag(p) − ppᵀ) ⊗ aaᵀ, p the probabilities of a row's classes."""

from __future__ import annotations

import numpy as np

from steepest.model.tall_curvature import Curvature, add_squares, has_room
from steepest.model.tall_rows import TallRows


def curvature_of_classes(
    table: TallRows, first: int, share: np.ndarray, weights: np.ndarray | None, whole: float, penalty: np.ndarray
) -> Curvature:
    """`[k·p, k·p]`, with the penalty's `[p]`. first: 1 with an intercept. share: p `[n, k]`. whole: the sum of all weights.

    To add one vector to all classes changes no probability. Curvature there, in intercepts and without a penalty, fixes it at no
    cost elsewhere.
    """
    k, p = share.shape[1], len(penalty)
    products = _of_one_share if (share == share[0]).all() else _products
    hessian = products(table, first, share, weights, np.float32)
    if not has_room(hessian.reshape(k * p, k * p), len(share)):
        hessian = products(table, first, share, weights, np.float64)
    return of_products(hessian / whole, np.diag(penalty), first)


def of_products(hessian: np.ndarray, penalty: np.ndarray, first: int) -> Curvature:
    """From the Hessian `[k, p, k, p]` of the mean loss and the penalty's `[p, p]` of one class. Adding one vector to all classes
    changes no probability: curvature fixes it at no cost elsewhere."""
    k, p = hessian.shape[:2]
    level = np.einsum("aiai->i", hessian) / k**2
    level[first:] *= np.diag(penalty)[first:] == 0.0
    hessian += np.eye(p)[None, :, None] * level[None, :, None, None]
    return Curvature(hessian.reshape(k * p, k * p) + np.kron(np.eye(k), penalty), 0)


def subtract_products(total: np.ndarray, first: int, block: np.ndarray, roots: np.ndarray) -> None:
    """Subtract Σ ppᵀ ⊗ aaᵀ of a block of rows from a total `[k, p, k, p]`; roots: √w·p of each row `[m, k]`."""
    design = np.ones((len(block), total.shape[1]), block.dtype)
    design[:, first:] = block
    wide = (roots[:, :, None] * design[:, None, :]).reshape(len(block), -1)
    total -= (wide.T @ wide).reshape(total.shape)


def with_own(products: np.ndarray) -> np.ndarray:
    """The Hessian `[k, p, k, p]` from its products −Σ w·p_a·p_b·aaᵀ."""
    hessian = 0.5 * (products + products.transpose(0, 3, 2, 1))  # rounding must not favour any class
    for a in range(len(hessian)):  # p_a − p_a² is the sum of p_a·p_b over all others
        hessian[a, :, a] = 0.0
        hessian[a, :, a] = -hessian[a].sum(1)
    return hessian


def _products(
    table: TallRows, first: int, share: np.ndarray, weights: np.ndarray | None, kind: type[np.floating]
) -> np.ndarray:
    """The sum `[k, p, k, p]`, with products in a precision."""
    k, p = share.shape[1], table.x.shape[1] + first
    roots = (share if weights is None else share * np.sqrt(weights)[:, None]).astype(kind)

    def add(part: slice, mixed: np.ndarray) -> None:
        subtract_products(mixed, first, table.block(part, kind), roots[part])

    return with_own(table.summed(add, (k, p, k, p))[0])


def _of_one_share(
    table: TallRows, first: int, share: np.ndarray, weights: np.ndarray | None, kind: type[np.floating]
) -> np.ndarray:
    """The same where all rows have the same probabilities, as at the start: (diag(p) − ppᵀ) ⊗ Σ w·aaᵀ."""
    p, weighted = table.x.shape[1] + first, weights is not None
    each = np.ones(len(share), kind) if weights is None else weights.astype(kind)

    def add(part: slice, squares: np.ndarray) -> None:
        add_squares(squares, first, table.block(part, kind), each[part], weighted)

    squares = table.summed(add, (p, p))[0]
    if first:
        squares[1:, 0] = squares[0, 1:]
    one = share[0].astype(np.float64)
    return np.multiply.outer(np.diag(one) - np.outer(one, one), squares).transpose(0, 2, 1, 3)


def leverage_of_classes(table: TallRows, first: int, outputs: int, curvature: Curvature) -> float:
    """A bound on ‖(e − e')⊗aᵢ‖²_H⁻¹: a row's length once columns have one size, times twice the trace of H⁻¹."""
    scale = curvature.sizes.reshape(outputs, -1).min(0)

    def add(rows: slice, longest: np.ndarray) -> None:
        np.maximum(longest, ((table.block(rows) / scale[first:]) ** 2).sum(1).max(), out=longest)

    length = float(table.summed(add, ())[0]) + float((1.0 / scale[:first] ** 2).sum())
    return 2.0 * length * curvature.inverse_trace()
