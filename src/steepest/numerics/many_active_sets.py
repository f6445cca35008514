"""Quadratic models with an l1 penalty, of many runs at once: their active sets guessed together, else coordinate descent.

    argmin over d `[p]` of g·d + ½dᵀHd + Σ thresholds·|c + d|            for each run

The coefficients may be those of k classes, one class after another, of a loss that hardly changes, or not at all, where all
classes of a column move by one number.

Sources: Hintermüller, Ito and Kunisch, The primal-dual active set strategy as a semismooth Newton method (2002); Friedman, Hastie
and Tibshirani, Regularization paths for generalized linear models via coordinate descent (2010).
"""

from __future__ import annotations

import numpy as np

GUESSES = 8
"""Active sets that are tried of a run."""

BEYOND = 1e-9
"""Part of a threshold that a slope may be beyond it."""

CLOSE = 1e-5
"""Part of the largest change from which on coordinate descent has the step."""

ROUNDING = 1e-14
"""Part of the coefficients that rounding moves in any case."""


def minima(
    c: np.ndarray, g: np.ndarray, hessian: np.ndarray, thresholds: np.ndarray, k: int, most: int
) -> tuple[np.ndarray, int]:
    """d of each run, NaN where `most` sweeps of coordinate descent do not get there; and the sweeps that there were.

    c, g, thresholds: `[runs, k·p]`. hessian: `[runs, k·p, k·p]`, positive definite.

    >>> c, g, ones = np.zeros((1, 2)), np.array([[-3.0, -0.5]]), np.ones((1, 2))
    >>> minima(c, g, np.eye(2)[None], ones, 1, 100)
    (array([[2., 0.]]), 0)
    """
    flat = np.maximum(np.einsum("rajbj->jr", hessian.reshape(len(c), k, -1, k, hessian.shape[1] // k)), 0.0)
    d = _by_active_sets(c, g, hessian, thresholds, flat, k)
    left, sweeps = np.flatnonzero(np.isnan(d[:, 0])), 0
    if left.size:
        d[left], sweeps = _by_coordinates(c[left], g[left], hessian[left], thresholds[left], flat[:, left], k, most)
    return d, sweeps


def _by_active_sets(
    c: np.ndarray, g: np.ndarray, hessian: np.ndarray, thresholds: np.ndarray, flat: np.ndarray, k: int
) -> np.ndarray:
    """d of each run, NaN where none of the active sets that were tried is the one of its minimum.

    A set and its signs are those that one step of each coefficient by itself would lead to. Where no coefficient of the
    minimum with that set and these signs has another one, and no slope of the others is beyond its threshold, it is the answer;
    else the next guess is made there.
    """
    found, going = np.full_like(c, np.nan), np.arange(len(c))
    size = np.einsum("rjj->rj", hessian)
    d, slope = np.zeros_like(c), g
    for guess in range(GUESSES):
        z = c + d
        if k > 1 and guess:
            z, slope = _levelled(z.T, slope.T, thresholds.T, flat, k)
            z, slope = z.T, slope.T
        moved = z * size - slope
        signs = np.where(np.abs(moved) > thresholds, np.sign(moved), 0.0)
        free = (signs != 0.0) | (thresholds == 0.0)
        rows = np.where(free[..., None], hessian, np.eye(c.shape[1]))
        try:
            d = np.linalg.solve(rows, np.where(free, -g - thresholds * signs, 0.0 - c)[..., None])[..., 0]
        except np.linalg.LinAlgError:
            break
        slope = g + (hessian @ d[..., None])[..., 0]
        kept = np.where(free, (c + d) * signs > 0.0, np.abs(slope) <= (1.0 + BEYOND) * thresholds)
        right = (kept | (thresholds == 0.0)).all(1)
        found[going[right]], left = d[right], ~right
        if right.all():
            break
        going, c, g, d, slope, size = going[left], c[left], g[left], d[left], slope[left], size[left]
        hessian, thresholds, flat = hessian[left], thresholds[left], flat[:, left]
    return found


def _by_coordinates(
    c: np.ndarray, g: np.ndarray, hessian: np.ndarray, thresholds: np.ndarray, flat: np.ndarray, k: int, most: int
) -> tuple[np.ndarray, int]:
    """d of each run, one coordinate of all runs after another; NaN where columns are so alike that `most` sweeps do not get
    there. And the sweeps that there were.

    To five digits of the step: the next one brings as many again.
    """
    z, left = c.T.copy(), g.T.copy()
    diagonal = np.einsum("rjj->jr", hessian).copy()
    columns = np.ascontiguousarray(np.moveaxis(hessian, 0, 2))  # [p, p, runs]
    low, root, begun = thresholds.T / diagonal, np.sqrt(diagonal), np.zeros(len(c))
    there, sweeps = begun > 0.0, 0
    while not there.all() and sweeps < most:
        sweeps += 1
        before = z.copy()
        for j in range(len(z)):
            free = z[j] - left[j] / diagonal[j]
            moved = free - np.minimum(np.maximum(free, -low[j]), low[j])
            left += (moved - z[j]) * columns[j]
            z[j] = moved
        if k > 1:
            z, left = _levelled(z, left, thresholds.T, flat, k)
        largest = (np.abs(z - before) * root).max(0)
        begun = np.maximum(begun, largest)
        there = largest <= np.maximum(CLOSE * begun, ROUNDING * (np.abs(z) * root).max(0))
    return np.where(there, z, np.nan).T - c, sweeps


def _levelled(
    z: np.ndarray, left: np.ndarray, thresholds: np.ndarray, flat: np.ndarray, k: int
) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients and slopes `[k·p, runs]` after all k classes of each column have moved by one number t:
    argmin Σ_a threshold·|z_a + t| + s·t + ½·flat·t², flat `[p, runs]`.

    The loss does not change with it: one coordinate after another would hardly move there.
    """
    each = z.reshape(k, -1, z.shape[1])
    slope, threshold = left.reshape(each.shape).sum(0), thresholds[: len(flat)]
    signs = threshold * np.arange(-k, k + 1, 2)[:, None, None]
    roots = -np.divide(slope + signs, flat, out=np.zeros_like(signs), where=flat > 0.0)
    places = np.concatenate([-each, roots, 0.0 * each[:1]])
    values = threshold * np.abs(each + places[:, None]).sum(1) + (slope + 0.5 * flat * places) * places
    best = np.take_along_axis(places, values.argmin(0)[None], 0)
    return (each + best).reshape(z.shape), (left.reshape(each.shape) + best * flat / k).reshape(z.shape)
