"""The Hessian of several classes on a tall table: Σ w·(diag(p) − ppᵀ) ⊗ aaᵀ, p the probabilities of a row's classes."""

from __future__ import annotations

import numpy as np

from steepest.model.tall_curvature import Curvature, has_room
from steepest.model.tall_rows import TallRows


def curvature_of_classes(
    table: TallRows, first: int, share: np.ndarray, weights: np.ndarray | None, whole: float, penalty: np.ndarray
) -> Curvature:
    """`[k·p, k·p]`, with the penalty's `[p]`. first: 1 with an intercept. share: p `[n, k]`. whole: the sum of all weights.

    To add one vector to all classes changes no probability. Curvature there, in intercepts and without a penalty, fixes it at no
    cost elsewhere.
    """
    k, p = share.shape[1], len(penalty)
    hessian = _products(table, first, share, weights, np.float32)
    if not has_room(hessian.reshape(k * p, k * p), len(share)):
        hessian = _products(table, first, share, weights, np.float64)
    hessian /= whole
    level = np.einsum("aiai->i", hessian) / k**2
    level[first:] *= penalty[first:] == 0.0
    hessian += np.eye(p)[None, :, None] * level[None, :, None, None]
    flat = hessian.reshape(k * p, k * p)
    return Curvature(flat + np.diag(np.tile(penalty, k)), 0)


def _products(
    table: TallRows, first: int, share: np.ndarray, weights: np.ndarray | None, kind: type[np.floating]
) -> np.ndarray:
    """The sum `[k, p, k, p]`, with products in a precision."""
    k, p = share.shape[1], table.x.shape[1] + first
    roots = (share if weights is None else share * np.sqrt(weights)[:, None]).astype(kind)

    def add(part: slice, mixed: np.ndarray) -> None:
        block = table.block(part, kind)
        design = np.ones((len(block), p), kind)
        design[:, first:] = block
        wide = (roots[part][:, :, None] * design[:, None, :]).reshape(len(block), -1)
        mixed -= (wide.T @ wide).reshape(k, p, k, p)

    (hessian,) = table.summed(add, (k, p, k, p))
    hessian = 0.5 * (hessian + hessian.transpose(0, 3, 2, 1))  # rounding must not favour any class
    for a in range(k):  # p_a − p_a² is the sum of p_a·p_b over all others
        hessian[a, :, a] = 0.0
        hessian[a, :, a] = -hessian[a].sum(1)
    return hessian


def leverage_of_classes(table: TallRows, first: int, outputs: int, curvature: Curvature) -> float:
    """A bound on ‖(e − e')⊗aᵢ‖²_H⁻¹: a row's length once columns have one size, times twice the trace of H⁻¹."""
    scale = curvature.sizes.reshape(outputs, -1).min(0)

    def add(rows: slice, longest: np.ndarray) -> None:
        np.maximum(longest, ((table.block(rows) / scale[first:]) ** 2).sum(1).max(), out=longest)

    length = float(table.summed(add, ())[0]) + float((1.0 / scale[:first] ** 2).sum())
    return 2.0 * length * curvature.inverse_trace()
