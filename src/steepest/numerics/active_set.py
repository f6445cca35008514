"""Least squares with an l1 penalty, exactly: an active set of the entries that are not 0, found by feature-sign search.

Source: Lee, Battle, Raina and Ng, Efficient sparse coding algorithms (2007).
"""

from __future__ import annotations

import numpy as np


def feature_sign(root: np.ndarray, g: np.ndarray, thresholds: np.ndarray, start: np.ndarray) -> np.ndarray:
    """argmin over z `[p]` of g·d + ½|R·d|² + Σ thresholds·|z|, with d = z − start and R `[any, p]` the root of the Hessian.

    Signs are guessed, the system on the nonzero entries solved, and the best point on the way to its solution taken,
    crossings of zero included; then the zero entry that wants most to move is let go. Each pass lowers the objective,
    so it ends. The nearer the start, the fewer passes.

    >>> feature_sign(np.eye(2), np.array([-3.0, -0.5]), np.ones(2), np.zeros(2)).tolist()
    [2.0, 0.0]
    """
    z = start.copy()
    free = thresholds == 0
    sign, active = np.sign(z), free | (z != 0)
    pull = g.copy()
    scale = np.abs(g).max() + thresholds.max()
    for _ in range(50 + 10 * len(z)):
        index = np.flatnonzero(active)
        way = np.zeros_like(z)
        if len(index):
            way[index] = -_solve_root(root[:, index], (pull + thresholds * sign)[index])
        share = _best_share(z, way, pull, root.T @ (root @ way), thresholds, free | ~active)
        if share > 0.0:
            before, z = z, z + share * way
            z[active & ~free & (np.abs(z) <= 1e-14 * np.abs(z - before))] = 0.0
            pull = g + root.T @ (root @ (z - start))
            guessed, sign = sign, np.where(z != 0, np.sign(z), sign)
            active = free | (z != 0)
            if share < 1.0 or (sign != guessed)[~free].any():  # the system was that of other signs
                continue
        excess = np.where(active, 0.0, np.abs(pull) - thresholds)
        most = int(excess.argmax())
        if excess[most] <= 1e-15 * scale:
            break
        active[most] = True
        sign[most] = -np.sign(pull[most])
    return z


def _solve_root(root: np.ndarray, right: np.ndarray) -> np.ndarray:
    """(RᵀR)⁻¹·right by QR; what R does not determine is held back by the least that float64 can tell from 0."""
    from scipy import linalg  # not before there is an l1 penalty

    kind = np.finfo(root.dtype)
    size = np.maximum(np.linalg.norm(root, axis=0), kind.tiny)
    factor = np.linalg.qr(np.vstack([root / size, 4 * kind.eps * np.eye(root.shape[1])]), mode="r")
    inner = linalg.solve_triangular(factor, right / size, trans="T", check_finite=False)
    return np.asarray(linalg.solve_triangular(factor, inner, check_finite=False)) / size


def _best_share(
    z: np.ndarray, way: np.ndarray, pull: np.ndarray, bent: np.ndarray, thresholds: np.ndarray, uncrossed: np.ndarray
) -> float:
    """How far to go along a way: all of it, or to the crossing of zero where the objective is lowest; 0 if nothing is gained."""
    with np.errstate(divide="ignore", invalid="ignore"):
        crossing = -z / way
    shares = np.append(crossing[(crossing > 0) & (crossing < 1) & ~uncrossed], 1.0)
    # the slope along the way is taken before it is summed: gains far below the rounding of the objective count too
    sign = np.where(z != 0, np.sign(z), np.sign(way))
    crossed = 2.0 * np.maximum(-sign * (z + shares[:, None] * way), 0.0) @ thresholds
    gain = shares * ((pull + thresholds * sign) @ way) + 0.5 * shares**2 * (bent @ way) + crossed
    best = int(gain.argmin())
    return float(shares[best]) if gain[best] < 0 else 0.0
