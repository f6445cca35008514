"""The loss of the same rows at many coefficients: values, slopes and Hessians of runs side by side.

The Hessians are Σᵢ h_ri·aᵢaᵢᵀ for each run r: one product of matrices, of curvatures `[runs, n]` and the products of each two
columns `[n, p·(p + 1)/2]`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from steepest.model.loss import Loss
from steepest.model.torch_losses import CrossEntropy

KEPT = 25_000_000
"""Products of two columns that are kept, 100 MB; of more rows they are made anew for each step, a block at a time."""

ROUGH = 3
"""Steps with a parabola above a loss that is linear far out, before its own curvature is tried."""


@dataclass(frozen=True)
class Columns:
    """Columns of one size around their means, a first one of ones before them where there is an intercept: basis `[n, p]`.

    whole, rows: the columns that these are some rows of.
    """

    mean: np.ndarray
    size: np.ndarray
    basis: np.ndarray
    whole: Columns | None = None
    rows: Any = field(default=None)

    @classmethod
    def of(cls, x: np.ndarray, weights: np.ndarray | None, intercept: bool) -> Columns:
        """Of columns x `[n, d]` in user units."""
        mean = np.average(x, axis=0, weights=weights) if intercept else np.zeros(x.shape[1])
        size = np.sqrt(np.average((x - mean) ** 2, axis=0, weights=weights))
        size = np.where(size > 1e-10 * (np.abs(mean) + size), size, 1.0)
        empty = cls(mean, size, np.empty((0, x.shape[1] + intercept)))
        return cls(mean, size, empty.placed(x))

    @property
    def first(self) -> int:
        """How many columns of ones there are: 1 with an intercept, else 0."""
        return self.basis.shape[1] - len(self.mean)

    def placed(self, x: np.ndarray) -> np.ndarray:
        """The basis `[n, p]` of other rows."""
        basis = np.ones((len(x), self.basis.shape[1]))
        np.divide(x - self.mean, self.size, out=basis[:, self.first :])
        return basis

    def only(self, rows: np.ndarray) -> Columns:
        """Some of the rows, in the same units."""
        return Columns(self.mean, self.size, self.basis[rows], self, rows)

    @cached_property
    def products(self) -> np.ndarray:
        """The products of each two columns `[n, p·(p + 1)/2]`, in float32, which a step can do with."""
        return self._products(slice(None)) if self.whole is None else self.whole.products[self.rows]

    @cached_property
    def places(self) -> np.ndarray:
        """Where the product of two columns stands among them, `[p, p]`."""
        p = self.basis.shape[1]
        upper, places = np.triu_indices(p), np.empty((p, p), dtype=np.intp)
        places[upper] = places[upper[1], upper[0]] = np.arange(len(upper[0]))
        return places

    def squares(self, shares: np.ndarray) -> np.ndarray:
        """Σᵢ share_ri·aᵢaᵢᵀ, `[runs, p, p]`, of shares `[runs, n]` in float32."""
        n, p = self.basis.shape
        most = KEPT // (p * (p + 1) // 2)
        if n <= most:
            return (shares @ self.products)[:, self.places]
        flat = np.zeros((len(shares), p * (p + 1) // 2), dtype=np.float32)
        for block in (slice(start, start + most) for start in range(0, n, most)):
            flat += shares[:, block] @ self._products(block)
        return flat[:, self.places]

    def _products(self, rows: slice) -> np.ndarray:
        columns = self.basis[rows].astype(np.float32)
        p, place = columns.shape[1], 0
        products = np.empty((len(columns), p * (p + 1) // 2), dtype=np.float32)
        for j in range(p):
            np.multiply(columns[:, j:], columns[:, j, None], out=products[:, place : place + p - j])
            place += p - j
        return products


@dataclass
class State:
    """Runs where they stand: F `[runs]`, predictions and slopes of the rows' losses `[runs, k, n]`."""

    value: np.ndarray
    prediction: np.ndarray
    slope: np.ndarray

    def only(self, runs: np.ndarray) -> State:
        if runs.dtype == bool and runs.all():
            return self
        return State(self.value[runs], self.prediction[runs], self.slope[runs])

    def put(self, runs: np.ndarray, other: State) -> None:
        self.value[runs], self.prediction[runs], self.slope[runs] = other.value, other.prediction, other.slope


class ManyLosses:
    """The mean loss of n rows at coefficients of k outputs, for many runs.

    Adding one vector to all k classes changes no probability. turn `[k, m]`: of m coordinates the k outputs. dtype: what the
    rows are computed in.
    """

    def __init__(
        self, columns: Columns, target: np.ndarray, weights: np.ndarray | None, loss: Loss, turn: np.ndarray, runs: int,
        dtype: Any,
    ):  # fmt: skip
        self.columns, self.target, self.weights, self.loss, self.turn = columns, target, weights, loss, turn
        self.basis, (self.k, self.m) = columns.basis.astype(dtype, copy=False), turn.shape
        self.n, self.p = self.basis.shape
        self.coupled = isinstance(loss, CrossEntropy)
        self.own = (np.arange(self.k)[:, None] == target).astype(dtype) if self.coupled else np.empty(0)
        # in memory that stays: new pages for each step would take longer than its arithmetic
        self.rooms = np.empty((6, runs, self.k, self.n), dtype)
        self.rough = np.full(runs, 0 if loss.reach is None else ROUGH)
        weighted = columns.basis if weights is None else columns.basis * weights[:, None]
        self.square = weighted.T @ columns.basis / self.n

    def at(self, c: np.ndarray, penalties: np.ndarray, room: int) -> State:
        """Some runs at c `[runs, m·p]`, whose penalties have these values, in that room and the next."""
        prediction, slope = self.rooms[room : room + 2, : len(c)]
        turned = (self.turn @ c.reshape(len(c), self.m, self.p)).astype(prediction.dtype, copy=False)
        np.matmul(turned.reshape(-1, self.p), self.basis.T, out=prediction.reshape(-1, self.n))
        if self.coupled:
            each = self._softmax(prediction, slope)
        else:
            one = prediction[:, 0]
            each, slope[:, 0] = self.loss.rows(one, self.target), self.loss.slope(one, self.target)
        if self.weights is not None:
            each = each * self.weights
            slope *= self.weights
        return State(each.mean(1) + penalties, prediction, slope)

    def gradient(self, state: State) -> np.ndarray:
        """Of the mean loss, `[runs, m·p]`."""
        flat = (state.slope.reshape(-1, self.n) @ self.basis).reshape(-1, self.k, self.p)
        return (self.turn.T @ flat).reshape(len(flat), -1) / self.n

    def _softmax(self, prediction: np.ndarray, share: np.ndarray) -> np.ndarray:
        """The cross-entropy of each row `[runs, n]`; its slopes are written to `share`."""
        np.subtract(prediction, prediction.max(1, keepdims=True), out=share)
        mine = np.einsum("rkn,kn->rn", share, self.own)
        np.exp(share, out=share)
        whole = share.sum(1)
        share /= whole[:, None]
        # p − 1 of the own class is −Σ of the others, or it would lose its digits where p is near 1
        share *= 1.0 - self.own
        others = share.sum(1)
        for a in range(self.k):
            share[:, a] -= self.own[a] * others
        return np.log(whole) - mine

    def hessian(self, state: State, going: np.ndarray, kinked: bool) -> np.ndarray:
        """Of the mean loss of the runs `going`, `[runs, m·p, m·p]`. kinked: whether an l1 penalty holds what no loss does."""
        m, p, runs = self.m, self.p, len(going)
        if not self.coupled:
            square = (
                2.0 * self.square if self.loss.quadratic else self._squares(self._bend(state, going)[:, None])[:, 0]
            )
            return np.broadcast_to(square, (runs, p, p)).copy()
        a, b = np.tril_indices(self.k, -1)
        slope = state.slope if self.weights is None else state.slope / self.weights
        shares = [slope[:, i] + self.own[i] for i in range(self.k)]
        pairs = np.empty((runs, len(a), self.n), dtype=np.float32)
        for place, (i, j) in enumerate(zip(a, b, strict=True)):
            np.multiply(shares[i], shares[j], out=pairs[:, place], casting="same_kind")
        # tᵀ(diag(p) − ppᵀ)t is the sum of p_a·p_b·(t_a − t_b)² over all pairs
        apart = self.turn[a] - self.turn[b]
        outer = (apart[:, :, None] * apart[:, None, :]).reshape(len(a), -1)
        blocks = outer.T @ self._squares(pairs).reshape(runs, len(a), -1)
        hessian = np.ascontiguousarray(blocks.reshape(runs, m, m, p, p).swapaxes(2, 3))
        if kinked:
            # adding one vector to all classes changes no probability: held at no cost elsewhere
            level = np.einsum("raiai->ri", hessian) / m**2
            level[:, self.columns.first :] *= 1e-9  # but under an l1 penalty it has a cost
            between = np.einsum("raibi->rabi", hessian)  # a view
            between += level[:, None, None, :]
        return hessian.reshape(runs, m * p, m * p)

    def _squares(self, shares: np.ndarray) -> np.ndarray:
        """Σᵢ wᵢ·share_ri·aᵢaᵢᵀ/n, `[runs, s, p, p]`, of shares `[runs, s, n]`."""
        weighted = shares if self.weights is None else shares * self.weights
        flat = self.columns.squares(weighted.reshape(-1, self.n).astype(np.float32, copy=False))
        return flat.astype(np.float64).reshape(*shares.shape[:2], self.p, self.p) / self.n

    def _bend(self, state: State, going: np.ndarray) -> np.ndarray:
        """ℓ'' of each row `[runs, n]`, of one output; where it may vanish at first that of a parabola above ℓ."""
        prediction = state.prediction[:, 0]
        bend = np.asarray(self.loss.curvature(prediction, self.target))
        above = self.rough[going] > 0
        self.rough[going] -= above
        if above.any():
            residual = prediction[above] - self.target
            slope = np.asarray(self.loss.slope(prediction[above], self.target))
            there = residual != 0.0
            bend[above] = np.where(there, slope / np.where(there, residual, 1.0), bend[above])
        return bend
