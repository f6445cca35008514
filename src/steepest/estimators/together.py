"""Many penalties at once: the minima of one loss on the same rows, each under a penalty of its own.

    c_r = argmin  (1/n) Σ wᵢ·ℓ(aᵢ·c, yᵢ) + Σⱼ l1_rj·|cⱼ| + l2_rj·cⱼ²            for runs r side by side

in columns of one size around their means. Each step is Newton's for all runs: their predictions are one product of matrices,
and so are their Hessians, Σᵢ h_ri·aᵢaᵢᵀ being [runs, n] times the products of columns [n, p²]. Under an l1 penalty the quadratic
model is minimised by coordinate descent, over all runs at once. (Friedman, Hastie and Tibshirani, Regularization paths for
generalized linear models via coordinate descent, 2010.) It ends where no run has anything to gain; a run that does not get there
says so, and is left to the estimator itself.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from steepest.analysis.exact.smooth import sum_to_zero
from steepest.model.loss import Loss
from steepest.model.torch_losses import CrossEntropy

MOST_STEPS, MOST_SWEEPS, HALVINGS = 60, 5_000, 30
CLOSE = 1e-5
"""Part of the largest change from which on coordinate descent has the step."""

ROUNDING = 1e-14
"""Part of the coefficients that rounding moves in any case."""

NEAR = 1e-8
"""Part of F that a step may promise to be the last one, of classes, whose accuracy is asked for."""

NEAR_NUMBERS = 1e-10
"""The same of numbers."""

LEAST = 1e-16
"""Part of F that may be left where an older Hessian takes the last step."""

FAST = 1e-3
"""Part of what the last step promised up to which an older Hessian does."""

ROUGH = 3
"""Steps with a parabola above a loss that is linear far out, before its own curvature is tried."""

ALIKE = 1e-9
"""The smallest eigenvalue of the columns' correlations, without a penalty, from which their coefficients are settled."""

TINY = 4.0 * np.finfo(np.float64).eps


@dataclass(frozen=True)
class Minima:
    """Coefficients `[runs, k, d]` and intercepts `[runs, k]` in user units, and whether each run has arrived.

    hessians: of the runs without an l1 penalty, at or near their minima, as `_Work` has them.
    """

    coefficients: np.ndarray
    intercepts: np.ndarray
    arrived: np.ndarray
    hessians: np.ndarray

    @classmethod
    def of_nothing(cls, runs: int, problem: Problem) -> Minima:
        """0.0 everywhere, where nothing has arrived."""
        shape = runs, problem.outputs
        return cls(
            np.zeros((*shape, problem.x.shape[1])), np.zeros(shape), np.zeros(runs, dtype=bool), np.empty((0, 0, 0))
        )

    def only(self, runs: np.ndarray) -> Minima:
        return Minima(self.coefficients[runs], self.intercepts[runs], self.arrived[runs], self.hessians)

    def put(self, runs: np.ndarray, other: Minima) -> None:
        self.coefficients[runs], self.intercepts[runs] = other.coefficients, other.intercepts
        self.arrived[runs] = other.arrived


@dataclass(frozen=True)
class Problem:
    """Rows x `[n, d]`, their targets as the loss takes them, weights of mean 1 or None, and k outputs."""

    x: np.ndarray
    target: np.ndarray
    weights: np.ndarray | None
    loss: Loss
    outputs: int
    intercept: bool


def minima(problem: Problem, l1: np.ndarray, l2: np.ndarray, start: Minima | None = None) -> Minima:
    """The minima under penalties l1 and l2 `[runs]`, in user units. start: minima on other rows, to begin at."""
    found = Minima.of_nothing(len(l1), problem)
    kinked = l1 > 0.0
    for runs in (np.flatnonzero(kinked), np.flatnonzero(~kinked)):
        if runs.size:
            work = _Work(problem, l1[runs], l2[runs])
            if start is not None and start.coefficients.shape == found.coefficients.shape:
                work.begin(start.only(runs))
            work.run()
            ended = work.minima()
            found.put(runs, ended)
            found = replace(found, hessians=ended.hessians)
    return found


@dataclass
class _State:
    """Runs where they stand: F `[runs]`, predictions and slopes of the rows' losses `[runs, k, n]`."""

    value: np.ndarray
    prediction: np.ndarray
    slope: np.ndarray

    def only(self, runs: np.ndarray) -> _State:
        if runs.dtype == bool and runs.all():
            return self
        return _State(self.value[runs], self.prediction[runs], self.slope[runs])

    def put(self, runs: np.ndarray, other: _State) -> None:
        self.value[runs], self.prediction[runs], self.slope[runs] = other.value, other.prediction, other.slope


class _Work:
    """The descent of some runs, all with an l1 penalty or all without.

    c `[runs, m·p]`: the coefficients of m outputs. Adding one vector to all k classes changes no probability, and an l2 penalty
    holds their sum at 0: so without an l1 penalty c are coordinates of what adds up to 0, in the orthonormal basis `turn`
    `[k, k − 1]`.
    """

    def __init__(self, problem: Problem, l1: np.ndarray, l2: np.ndarray):
        x, self.loss, self.first = problem.x, problem.loss, int(problem.intercept)
        first, coupled = self.first, isinstance(problem.loss, CrossEntropy)
        self.kinked = bool(l1.any())
        self.turn = sum_to_zero(problem.outputs) if coupled and not self.kinked else np.eye(problem.outputs)
        self.k, self.m = self.turn.shape
        self.weights, self.target, self.n, self.runs = problem.weights, problem.target, len(x), len(l1)
        self.mean = np.average(x, axis=0, weights=self.weights) if first else np.zeros(x.shape[1])
        centred = x - self.mean
        size = np.sqrt(np.average(centred**2, axis=0, weights=self.weights))
        self.size = np.where(size > 1e-10 * (np.abs(self.mean) + size), size, 1.0)
        self.p = x.shape[1] + first
        self.basis = np.ones((self.n, self.p))
        self.basis[:, first:] = centred / self.size
        free = np.ones(self.p)
        free[:first] = 0.0
        scale = np.ones(self.p)
        scale[first:] = self.size
        self.thresholds = np.tile(l1[:, None] * free / scale, (1, self.m))
        self.ridge = np.tile(l2[:, None] * free / scale**2, (1, self.m))
        self.c = np.zeros((self.runs, self.m * self.p))
        self.hessians = np.empty((0 if self.kinked else self.runs, self.m * self.p, self.m * self.p))
        self.known = np.zeros(self.runs, dtype=bool)
        self.own = (np.arange(self.k)[:, None] == self.target).astype(np.float64) if coupled else np.empty(0)
        # in memory that stays: new pages for each step would take longer than its arithmetic
        self.rooms = np.empty((6, self.runs, self.k, self.n))
        self.arrived = np.zeros(self.runs, dtype=bool)
        self.rough = np.full(self.runs, 0 if self.loss.reach is None else ROUGH)
        weighted = self.basis if self.weights is None else self.basis * self.weights[:, None]
        self.square = weighted.T @ self.basis / self.n
        settled = np.linalg.eigvalsh(self.square)[0] > ALIKE
        self.sure = settled | ((l2 > 0.0) & (self.ridge[:, first : self.p].min(1, initial=np.inf) > ALIKE))

    @cached_property
    def products(self) -> tuple[np.ndarray, np.ndarray]:
        """The products of two columns each `[p·(p + 1)/2, n]`, in float32, which a step can do with; and the place `[p, p]` of
        each two among them."""
        upper, columns = np.triu_indices(self.p), np.ascontiguousarray(self.basis.T, dtype=np.float32)
        places = np.empty((self.p, self.p), dtype=np.intp)
        places[upper] = places[upper[1], upper[0]] = np.arange(len(upper[0]))
        return np.concatenate([one * columns[j:] for j, one in enumerate(columns)]), places

    def begin(self, start: Minima) -> None:
        """At minima that other rows have."""
        there = np.zeros((self.runs, self.k, self.p))
        there[..., self.first :] = start.coefficients * self.size
        if self.first:
            there[..., 0] = start.intercepts + start.coefficients @ self.mean
        there[~start.arrived] = 0.0
        self.c[:] = (self.turn.T @ there).reshape(self.runs, -1)
        if not self.kinked and start.hessians.shape == self.hessians.shape:
            self.hessians, self.known = start.hessians.copy(), start.arrived.copy()

    def minima(self) -> Minima:
        """Where the runs are, in user units."""
        user = self.turn @ self.c.reshape(self.runs, self.m, -1)
        coefficients = user[..., self.first :] / self.size
        shift = coefficients @ self.mean
        intercepts = user[..., 0] - shift if self.first else np.zeros(user.shape[:2])
        return Minima(coefficients, intercepts, self.arrived, self.hessians)

    def run(self) -> None:
        """Newton's steps until each run has arrived, or for so many."""
        going = np.flatnonzero(self.sure)
        state, room = self._at(self.c[going], going, 0), 0
        before = np.full(self.runs, np.inf)
        for _ in range(MOST_STEPS):
            if not going.size:
                return
            c = self.c[going]
            flat = (self.turn.T @ state.slope).reshape(-1, self.n) @ self.basis
            g = flat.reshape(len(going), -1) / self.n + 2.0 * self.ridge[going] * c
            try:
                d, promised, fresh = self._directions(c, g, state, going, before[going])
            except np.linalg.LinAlgError:
                return
            floor = TINY * np.maximum(np.abs(state.value), 1e-300)
            last = self._is_last(-promised, before[going], fresh, state, going)
            self.c[going[last]] = c[last] + d[last]
            self.arrived[going[last]] = True
            left = ~last
            before[going] = -promised
            going, state, promised, floor = going[left], state.only(left), promised[left], floor[left]
            room = 2 - room
            self.c[going], state = self._searched(c[left], d[left], promised, floor, state, going, room)
            left = -promised > floor
            self.arrived[going[~left]] = True
            going, state = going[left], state.only(left)

    def _directions(
        self, c: np.ndarray, g: np.ndarray, state: _State, going: np.ndarray, before: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The minimum of each run's quadratic model, what it promises, and whether its Hessian is that of the place.

        before: what the last step promised. An older Hessian does as long as each step promises a small part of that.
        """
        fresh = ~self.known[going] | (self.rough[going] > 0) | (not self.loss.classes) | self.kinked
        if self.kinked:
            hessian, thresholds = self._hessian(state, going), self.thresholds[going]
            d = _by_coordinates(c, g, hessian, thresholds)
            return d, (g * d).sum(1) + (thresholds * (np.abs(c + d) - np.abs(c))).sum(1), fresh
        d = np.empty_like(c)
        if not fresh.all():
            d[~fresh] = -np.linalg.solve(self.hessians[going[~fresh]], g[~fresh][..., None])[..., 0]
            fresh[~fresh] = -(g[~fresh] * d[~fresh]).sum(1) > FAST * before[~fresh]
        if fresh.any():
            made = self.hessians[going[fresh]] = self._hessian(state.only(fresh), going[fresh])
            self.known[going[fresh]] = True
            d[fresh] = -np.linalg.solve(made, g[fresh][..., None])[..., 0]
        return d, (g * d).sum(1), fresh

    def _is_last(
        self, fall: np.ndarray, before: np.ndarray, fresh: np.ndarray, state: _State, going: np.ndarray
    ) -> np.ndarray:
        """Whether nothing is left after a step that promises to lower F by `fall`, `before` of the last one.

        A step of Newton's own leaves the square of what it took, one by an older Hessian the same part as the last one did.
        """
        value = np.abs(state.value)
        leaves = fall * np.where(np.isfinite(before), fall / before, 1.0)
        near = NEAR if self.loss.classes else NEAR_NUMBERS
        done = (fresh & (fall <= near * value)) | (leaves <= LEAST * value)
        return done & (self.rough[going] == 0) & (not self.kinked)

    def _searched(
        self, c: np.ndarray, d: np.ndarray, promised: np.ndarray, floor: np.ndarray, state: _State, going: np.ndarray,
        room: int,
    ) -> tuple[np.ndarray, _State]:  # fmt: skip
        """Where the steps lead: whole ones, or halved until F falls by 1e-4 of what was promised (Armijo)."""
        length, moved = np.ones(len(going)), c + d
        after = self._at(moved, going, room)
        for _ in range(HALVINGS):
            late = np.flatnonzero(~(after.value <= state.value + 1e-4 * length * promised + floor))
            if not late.size:
                return moved, after
            length[late] /= 2
            moved[late] = c[late] + length[late, None] * d[late]
            after.put(late, self._at(moved[late], going[late], 4))
            self.rough[going[late]] = 0 if self.loss.reach is None else ROUGH
        late = ~(after.value <= state.value + floor)
        moved[late] = c[late]
        after.put(late, state.only(late))
        return moved, after

    def _at(self, c: np.ndarray, going: np.ndarray, room: int) -> _State:
        """Some runs at c, in that room and the next."""
        prediction, slope = self.rooms[room : room + 2, : len(c)]
        turned = self.turn @ c.reshape(len(c), self.m, self.p)
        np.matmul(turned.reshape(-1, self.p), self.basis.T, out=prediction.reshape(-1, self.n))
        if isinstance(self.loss, CrossEntropy):
            each = self._softmax(prediction, slope)
        else:
            one = prediction[:, 0]
            each, slope[:, 0] = self.loss.rows(one, self.target), self.loss.slope(one, self.target)
        if self.weights is not None:
            each = each * self.weights
            slope *= self.weights
        penalty = (self.ridge[going] * c * c + self.thresholds[going] * np.abs(c)).sum(1)
        return _State(each.mean(1) + penalty, prediction, slope)

    def _softmax(self, prediction: np.ndarray, share: np.ndarray) -> np.ndarray:
        """The cross-entropy of each row `[runs, n]`; its slopes are written to `share`."""
        np.subtract(prediction, prediction.max(1, keepdims=True), out=share)
        mine = np.einsum("rkn,kn->rn", share, self.own)
        np.exp(share, out=share)
        share *= (
            1.0 - self.own
        )  # p − 1 of the own class is −Σ of the others, or it would lose its digits where p is near 1
        others = share.sum(1)
        whole = others + np.exp(mine)
        for a in range(self.k):
            share[:, a] -= self.own[a] * others
        share /= whole[:, None]
        return np.log(whole) - mine

    def _squares(self, shares: np.ndarray) -> np.ndarray:
        """Σᵢ wᵢ·share_ri·aᵢaᵢᵀ/n, `[..., p, p]`, of shares `[..., n]`."""
        products, places = self.products
        weighted = shares if self.weights is None else shares * self.weights
        flat = weighted.reshape(-1, self.n).astype(np.float32, copy=False) @ products.T
        return (flat / np.float32(self.n))[:, places].astype(np.float64).reshape(*shares.shape[:-1], self.p, self.p)

    def _bend(self, state: _State, going: np.ndarray) -> np.ndarray:
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

    def _hessian(self, state: _State, going: np.ndarray) -> np.ndarray:
        """`[runs, m·p, m·p]`, the penalty's within it."""
        m, p, runs = self.m, self.p, len(going)
        hessian = np.empty((runs, m, p, m, p))
        if self.loss.quadratic:
            hessian[:, 0, :, 0, :] = 2.0 * self.square
        elif isinstance(self.loss, CrossEntropy):
            a, b = np.tril_indices(self.k, -1)
            weights = 1.0 if self.weights is None else self.weights
            shares = [state.slope[:, i] / weights + self.own[i] for i in range(self.k)]
            pairs = np.empty((runs, len(a), self.n), dtype=np.float32)
            for place, (i, j) in enumerate(zip(a, b, strict=True)):
                np.multiply(shares[i], shares[j], out=pairs[:, place], casting="same_kind")
            squares = self._squares(pairs)
            # tᵀ(diag(p) − ppᵀ)t is the sum of p_a·p_b·(t_a − t_b)² over all pairs
            apart = self.turn[a] - self.turn[b]
            outer = (apart[:, :, None] * apart[:, None, :]).reshape(len(a), -1)
            blocks = outer.T @ squares.reshape(runs, len(a), -1)
            hessian[:] = blocks.reshape(runs, m, m, p, p).swapaxes(2, 3)
            if self.kinked:
                # adding one vector to all classes changes no probability: held at no cost elsewhere
                level = np.einsum("raiai->ri", hessian) / m**2
                level[:, self.first :] *= 1e-9  # but under an l1 penalty it has a cost
                hessian += level[:, None, :, None, None] * np.eye(p)[None, None, :, None, :]
        else:
            hessian[:, 0, :, 0, :] = self._squares(self._bend(state, going))
        whole = hessian.reshape(runs, m * p, m * p)
        whole[:, np.arange(m * p), np.arange(m * p)] += 2.0 * self.ridge[going]
        return whole


def _by_coordinates(c: np.ndarray, g: np.ndarray, hessian: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """argmin g·d + ½dᵀHd + Σ thresholds·|c + d| of each run, one coordinate of all runs after another.

    To five digits of the step: the next one brings as many again.
    """
    z, left = c.T.copy(), g.T.copy()
    diagonal = np.einsum("rjj->jr", hessian).copy()
    columns = np.ascontiguousarray(np.moveaxis(hessian, 0, 2))  # [p, p, runs]
    low, root, begun = thresholds.T / diagonal, np.sqrt(diagonal), None
    for _ in range(MOST_SWEEPS):
        before = z.copy()
        for j in range(len(z)):
            free = z[j] - left[j] / diagonal[j]
            there = free - np.minimum(np.maximum(free, -low[j]), low[j])
            change = there - z[j]
            left += change * columns[j]
            z[j] = there
        largest = (np.abs(z - before) * root).max(0)
        begun = largest if begun is None else np.maximum(begun, largest)
        if (largest <= np.maximum(CLOSE * begun, ROUNDING * (np.abs(z) * root).max(0))).all():
            break
    return z.T - c
