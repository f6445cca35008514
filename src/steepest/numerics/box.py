"""The minimum of a quadratic within bounds: argmin over d of g·d + ½·dᵀHd, low ≤ d ≤ high.

A primal-dual active set: coordinates that the last answer put beyond a bound are held there, those whose gradient leads inside
are let go, and a linear system answers for the others (Hintermüller, Ito and Kunisch 2002). It ends in a few rounds; where one
comes again, `scipy.optimize.lsq_linear` answers (bounded-variable least squares: Stark and Parker 1995).
"""

from __future__ import annotations

import numpy as np

MOST_ROUNDS = 60
RIDGE = 1e-14  # of the diagonal, where H is singular


def minimum(hessian: np.ndarray, slopes: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """d `[q]`. hessian: H `[q, q]`, symmetric and not negative. slopes: g `[q]`. low, high: `[q]`, low ≤ high.

    >>> minimum(np.eye(2), np.array([-3.0, 1.0]), np.zeros(2), np.full(2, 2.0)).tolist()
    [2.0, 0.0]
    """
    size = np.where(np.diag(hessian) > 0.0, np.diag(hessian), 1.0)
    hessian = hessian + np.diag(RIDGE * size)
    side = np.zeros(len(slopes), int)  # −1 at the lower bound, 1 at the upper one
    seen: set[bytes] = set()
    while side.tobytes() not in seen and len(seen) < MOST_ROUNDS:
        seen.add(side.tobytes())
        held, free = side != 0, side == 0
        d = np.where(side < 0, low, np.where(side > 0, high, 0.0))
        if free.any():
            right = -slopes[free] - hessian[np.ix_(free, held)] @ d[held]
            d[free] = np.linalg.solve(hessian[np.ix_(free, free)], right)
        gradient = hessian @ d + slopes
        new = np.where(free & (d < low), -1, np.where(free & (d > high), 1, 0))
        new = np.where((side < 0) & (gradient >= 0.0), -1, np.where((side > 0) & (gradient <= 0.0), 1, new))
        if np.array_equal(new, side):
            return np.clip(d, low, high)
        side = new
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


def violation(slopes: np.ndarray, c: np.ndarray, low: np.ndarray, high: np.ndarray) -> float:
    """The worst violation of the conditions of optimality: no slope inside, none that leads inside at a bound."""
    inward = np.where(c <= low, np.maximum(-slopes, 0.0), np.where(c >= high, np.maximum(slopes, 0.0), np.abs(slopes)))
    return float(np.max(np.where(low == high, 0.0, inward), initial=0.0))
