"""The minimum of a quadratic within bounds, with or without an l1 penalty.

A primal-dual active set: coordinates that the last answer put beyond a bound are held there, those whose gradient leads inside
are let go, and a linear system answers for the others (Hintermüller, Ito and Kunisch 2002). It ends in a few rounds; where one
comes again, `scipy.optimize.lsq_linear` answers (bounded-variable least squares: Stark and Parker 1995), and with a penalty
coordinate descent (Friedman, Hastie and Tibshirani 2010).
"""

from __future__ import annotations

from typing import Any

import numpy as np

MOST_ROUNDS = 60
MOST_SWEEPS = 2_000
RIDGE = 1e-14  # of the diagonal, where H is singular


LOW, ZERO, HIGH = -2, 0, 2
"""Where a coordinate is held; −1 and 1 are free ones below and above 0."""


def minimum(
    hessian: np.ndarray, slopes: np.ndarray, low: np.ndarray, high: np.ndarray, thresholds: Any = 0.0, at: Any = 0.0
) -> np.ndarray:
    """argmin over d of g·d + ½·dᵀHd + Σ t·|c + d|, low ≤ d ≤ high: d `[q]`; with t a coordinate may also be held at c + d = 0.

    hessian: H `[q, q]`, symmetric and not negative. slopes: g `[q]`. low, high: `[q]`, low ≤ high. thresholds: t, at: c, `[q]`.

    >>> minimum(np.eye(2), np.array([-3.0, 1.0]), np.zeros(2), np.full(2, 2.0)).tolist()
    [2.0, 0.0]
    >>> minimum(np.eye(2), np.array([-3.0, -1.0]), np.zeros(2), np.full(2, 1.5), np.full(2, 1.2)).tolist()
    [1.5, 0.0]
    """
    thresholds, at = np.broadcast_to(thresholds, slopes.shape), np.broadcast_to(at, slopes.shape)
    size = np.where(np.diag(hessian) > 0.0, np.diag(hessian), 1.0)
    hessian = hessian + np.diag(RIDGE * size)
    state = np.where(at > 0.0, 1, np.where((at < 0.0) | (thresholds == 0.0), -1, ZERO))
    state = np.where((state == ZERO) & (low == 0.0), LOW, np.where((state == ZERO) & (high == 0.0), HIGH, state))
    seen: set[bytes] = set()
    while state.tobytes() not in seen and len(seen) < MOST_ROUNDS:
        seen.add(state.tobytes())
        free, sign = np.abs(state) == 1, np.sign(state)
        d = np.where(state == LOW, low, np.where(state == HIGH, high, -at))
        if free.any():
            right = -(slopes + thresholds * sign)[free] - hessian[np.ix_(free, ~free)] @ d[~free]
            d[free] = np.linalg.solve(hessian[np.ix_(free, free)], right)
        gradient, z = hessian @ d + slopes, at + d
        crossed = free & (thresholds > 0.0) & (z * sign < 0.0)
        new = np.where(free & (d < low), LOW, np.where(free & (d > high), HIGH, np.where(crossed, ZERO, state)))
        up, down = np.where(z >= 0.0, 1, -1), np.where(z > 0.0, 1, -1)
        new = np.where((state == ZERO) & (np.abs(gradient) > thresholds), -np.sign(gradient).astype(int), new)
        new = np.where((state == LOW) & (gradient + thresholds * up < 0.0), up, new)
        new = np.where((state == HIGH) & (gradient + thresholds * down > 0.0), down, new)
        new = np.where(low == high, LOW, new)
        if np.array_equal(new, state):
            return np.clip(d, low, high)
        state = new
    if thresholds.any():
        return _by_coordinates(hessian, slopes, low, high, thresholds, at)
    return _by_least_squares(hessian, slopes, low, high)


def _by_least_squares(hessian: np.ndarray, slopes: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """The same by scipy: ½·‖R·d + R⁻ᵀg‖² with RᵀR = H."""
    from scipy.optimize import lsq_linear

    values, vectors = np.linalg.eigh(hessian)
    root = np.sqrt(np.maximum(values, np.finfo(float).tiny))
    wide = high > low
    held = np.where(wide, 0.0, low)
    matrix = root[:, None] * vectors.T
    right = -(vectors.T @ slopes) / root - matrix @ held
    found = lsq_linear(matrix[:, wide], right, (low[wide], high[wide]), method="bvls", tol=1e-14)
    held[wide] = found.x
    return np.clip(held, low, high)


def _by_coordinates(
    hessian: np.ndarray, slopes: np.ndarray, low: np.ndarray, high: np.ndarray, thresholds: np.ndarray, at: np.ndarray
) -> np.ndarray:
    """The same, one coordinate after the other."""
    d = np.clip(np.zeros(len(at)), low, high)
    gradient = slopes + hessian @ d
    for _ in range(MOST_SWEEPS):
        largest = 0.0
        for j in range(len(d)):
            bend = hessian[j, j]
            z = at[j] + d[j] - gradient[j] / bend
            new = np.sign(z) * max(abs(z) - thresholds[j] / bend, 0.0) - at[j]
            new = min(max(new, low[j]), high[j])
            gradient += hessian[:, j] * (new - d[j])
            largest, d[j] = max(largest, abs(new - d[j])), new
        if largest <= 1e-15 * (np.abs(at).max() + np.abs(d).max()):
            break
    return d


def violation(
    slopes: np.ndarray, c: np.ndarray, low: np.ndarray, high: np.ndarray, thresholds: np.ndarray | float = 0.0
) -> float:
    """The worst violation of the conditions of optimality of f(c) + Σ t·|c| within bounds: nowhere does it fall to a side."""
    up = np.where(c < high, slopes + np.where(c >= 0.0, thresholds, -np.asarray(thresholds)), 0.0)
    down = np.where(c > low, -slopes - np.where(c > 0.0, thresholds, -np.asarray(thresholds)), 0.0)
    return float(np.max(np.maximum(-up, -down), initial=0.0))
