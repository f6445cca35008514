"""The minimum of a quadratic with the group lasso's penalty: argmin over d of g·d + ½·dᵀHd + Σ t·‖D·(c + d)_g‖₂.

In turn: each group that is not 0, or would not stay so, is minimised by itself, which tells those that are 0 (block coordinate
descent; Qin, Scheinberg and Goldfarb 2013); then Newton's method in all that are not, where the norms have curvatures, brings
the last digits in a few steps. Each lowers the objective, and the conditions of optimality say when it is the minimum.
"""

from __future__ import annotations

import numpy as np

from steepest.model.group_norms import GroupNorms

MOST_ROUNDS, MOST_NEWTON, MOST_HALVINGS, MOST_ROOT = 100, 20, 40, 60
LOST = 1e-6  # of the largest slope: what is left of the conditions where rounding is not the reason
RIDGE = 1e-14  # of the diagonal, where H is singular
EPS = float(np.finfo(float).eps)


def minimum(hessian: np.ndarray, slopes: np.ndarray, norms: GroupNorms, at: np.ndarray) -> np.ndarray:
    """d `[q]`; not a number where there is no minimum, since H is flat along a slope. at: c `[q]`.

    hessian: H `[q, q]`, symmetric and not negative. slopes: g `[q]`.

    >>> pair = GroupNorms(1.0, (0, 0), np.ones(2))
    >>> minimum(np.eye(2), np.array([-3.0, -4.0]), pair, np.zeros(2)).round(4).tolist()
    [2.1515, 2.8686]
    """
    work = _Work(hessian, slopes, norms, at)
    first = work.violation()
    best, idle = (first, work.z.copy()), 0
    with np.errstate(all="ignore"):
        for _ in range(MOST_ROUNDS):
            if best[0] == 0.0 or idle == 3:
                break
            work.sweep()
            work.newton()
            worst = work.violation()
            idle = 0 if worst < 0.5 * best[0] else idle + 1
            best = (worst, work.z.copy()) if worst < best[0] else best
    if best[0] >= first > LOST * np.abs(slopes).max():
        return np.full_like(at, np.nan)
    return best[1] - at


class _Work:
    """z = c + d on its way, and the gradient of the quadratic there."""

    def __init__(self, hessian: np.ndarray, slopes: np.ndarray, norms: GroupNorms, at: np.ndarray):
        size = np.where(np.diag(hessian) > 0.0, np.diag(hessian), 1.0)
        self.hessian = hessian + np.diag(RIDGE * size)
        self.norms, self.at, self.slopes = norms, at, slopes
        self.z, self.gradient = at.copy(), slopes.copy()
        self.free = np.flatnonzero(~norms.penalised)
        self.blocks: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    def violation(self) -> float:
        self.gradient = self.slopes + self.hessian @ (self.z - self.at)
        return self.norms.violation(self.gradient, self.z)

    def _move(self, entries: np.ndarray, step: np.ndarray) -> None:
        self.z[entries] += step
        self.gradient += self.hessian[:, entries] @ step

    def sweep(self) -> None:
        """Each group that is not 0 or would not stay so, one after the other."""
        if len(self.free):
            step = np.linalg.solve(self.hessian[np.ix_(self.free, self.free)], self.gradient[self.free])
            self._move(self.free, -step)
        norms = self.norms
        live = norms.norms(self.z) > 0.0
        live |= norms.norms(self.gradient / norms.scales) > norms.weights
        for group in np.flatnonzero(live):
            entries = norms.members[group]
            self._move(entries, self._alone(int(group), entries) - self.z[entries])

    def _alone(self, group: int, entries: np.ndarray) -> np.ndarray:
        """What is best for one group, the others held: u = D·z has (H' + t/‖u‖)·u = −b, by H' = V·Λ·Vᵀ."""
        scales, weight = self.norms.scales[entries], float(self.norms.weights[group])
        if group not in self.blocks:
            inner = self.hessian[np.ix_(entries, entries)] / np.outer(scales, scales)
            self.blocks[group] = np.linalg.eigh(inner)
        values, vectors = self.blocks[group]
        values = np.maximum(values, 0.0)
        u = self.z[entries] * scales
        b = vectors.T @ (self.gradient[entries] / scales) - values * (vectors.T @ u)
        if np.linalg.norm(b) <= weight:
            return np.zeros(len(entries))
        size = max((np.linalg.norm(b) - weight) / max(values[-1], np.finfo(float).tiny), 0.0)
        for _ in range(MOST_ROOT):  # ‖(size·Λ + t)⁻¹·b‖ = 1, from below
            whole = size * values + weight
            length = np.linalg.norm(b / whole)
            bend = float(np.sum(values * b**2 / whole**3))
            more = (length - 1.0) * length**2 / bend if bend > 0.0 else 0.0
            size += more
            if not more > 4.0 * EPS * size:
                break
        return -(vectors @ (b * (size / (size * values + weight)))) / scales

    def newton(self) -> None:
        """Newton's method in the groups that are not 0, as long as it goes down."""
        norms = self.norms
        for _ in range(MOST_NEWTON):
            theta = norms.scales * self.z
            sizes = norms.norms(theta)
            entries = np.flatnonzero(norms.each(sizes > 0.0, True))
            if not len(entries):
                return
            pull = np.where(sizes > 0.0, norms.weights / np.where(sizes > 0.0, sizes, 1.0), 0.0)
            slope = (self.gradient + norms.scales * theta * norms.each(pull, 0.0))[entries]
            bent = self.hessian[np.ix_(entries, entries)] + self._bend(theta, sizes, pull, entries)
            step = _solved(bent, -slope)
            promised = float(slope @ step)
            if not promised < 0.0:
                return
            length = self._length(entries, step, promised)
            if length == 0.0:
                return
            self._move(entries, length * step)
            if -promised <= 1e-8 * EPS * abs(float(self.z @ self.gradient)):
                return

    def _bend(self, theta: np.ndarray, sizes: np.ndarray, pull: np.ndarray, entries: np.ndarray) -> np.ndarray:
        """The curvature of the norms: t·(D²/s − D²z(D²z)ᵀ/s³) in each group."""
        norms = self.norms
        pulls, unit = norms.each(pull, 0.0)[entries], np.where(sizes > 0.0, sizes, 1.0)
        along = (norms.scales * theta / norms.each(unit, 1.0))[entries]
        same = norms.of[entries][:, None] == norms.of[entries][None, :]
        return np.diag(pulls * norms.scales[entries] ** 2) - same * np.outer(pulls * along, along)

    def _length(self, entries: np.ndarray, step: np.ndarray, promised: float) -> float:
        """How much of a step lowers the objective as it should; 0 if nothing does."""
        norms, whole = self.norms, np.zeros_like(self.z)
        whole[entries] = step
        theta, along = norms.scales * self.z, norms.scales * whole
        linear, square = float(self.gradient @ whole), float(whole @ (self.hessian @ whole))
        before, across, squares = norms.norms(theta), norms.sums(theta * along), norms.sums(along * along)
        length = 1.0
        for _ in range(MOST_HALVINGS):
            after = norms.norms(theta + length * along)
            both = np.where(before + after > 0.0, before + after, 1.0)
            grown = float(norms.weights @ ((2.0 * length * across + length**2 * squares) / both))
            if length * linear + 0.5 * length**2 * square + grown <= 1e-4 * length * promised:
                return length
            length *= 0.5
        return 0.0


def _solved(matrix: np.ndarray, right: np.ndarray) -> np.ndarray:
    try:
        return np.linalg.solve(matrix, right)
    except np.linalg.LinAlgError:
        return np.linalg.lstsq(matrix, right, rcond=1e-14)[0]
