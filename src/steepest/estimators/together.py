"""Many penalties at once: the minima of one loss on the same rows, each under a penalty of its own.

    c_r = argmin  (1/n) Σ wᵢ·ℓ(aᵢ·c, yᵢ) + Σⱼ l1_rj·|cⱼ| + l2_rj·cⱼ²            for runs r side by side

in columns of one size around their means. Each step is Newton's for all runs: their predictions are one product of matrices,
and so are their Hessians, Σᵢ h_ri·aᵢaᵢᵀ being [runs, n] times the products of columns [n, p²]. Under an l1 penalty the quadratic
model is minimised by coordinate descent, over all runs at once. (Friedman, Hastie and Tibshirani, Regularization paths for
generalized linear models via coordinate descent, 2010.) It ends where no run has anything to gain; a run that does not get there
says so, and is left to the estimator itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from steepest.model.loss import Loss
from steepest.model.torch_losses import CrossEntropy

MOST_STEPS, MOST_SWEEPS, HALVINGS = 60, 5_000, 30
CLOSE = 1e-5
"""Part of the largest change from which on coordinate descent has the step."""

ROUNDING = 1e-14
"""Part of the coefficients that rounding moves in any case."""

NEAR = 1e-10
"""Part of F that a step may promise to be the last one."""

ROUGH = 3
"""Steps with a parabola above a loss that is linear far out, before its own curvature is tried."""

ALIKE = 1e-9
"""The smallest eigenvalue of the columns' correlations, without a penalty, from which their coefficients are settled."""

TINY = 4.0 * np.finfo(np.float64).eps


@dataclass(frozen=True)
class Minima:
    """Coefficients `[runs, k, d]` and intercepts `[runs, k]` in user units, and whether each run has arrived."""

    coefficients: np.ndarray
    intercepts: np.ndarray
    arrived: np.ndarray


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
    work = _Work(problem, l1, l2)
    if start is not None:
        work.begin(start)
    work.run()
    user = work.c.reshape(len(l1), problem.outputs, -1)
    first = int(problem.intercept)
    coefficients = user[..., first:] / work.size
    shift = coefficients @ work.mean
    intercepts = user[..., 0] - shift if first else np.zeros(user.shape[:2])
    return Minima(coefficients, intercepts, work.arrived)


@dataclass
class _State:
    """Runs where they stand: F `[runs]`, predictions and slopes of the rows' losses `[runs, n, k]`."""

    value: np.ndarray
    prediction: np.ndarray
    slope: np.ndarray

    def only(self, runs: np.ndarray) -> _State:
        return _State(self.value[runs], self.prediction[runs], self.slope[runs])

    def put(self, runs: np.ndarray, other: _State) -> None:
        self.value[runs], self.prediction[runs], self.slope[runs] = other.value, other.prediction, other.slope


class _Work:
    """The descent of all runs."""

    def __init__(self, problem: Problem, l1: np.ndarray, l2: np.ndarray):
        x, self.loss, self.k, self.first = problem.x, problem.loss, problem.outputs, int(problem.intercept)
        first = self.first
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
        self.thresholds = np.tile(l1[:, None] * free / scale, (1, self.k))
        self.ridge = np.tile(l2[:, None] * free / scale**2, (1, self.k))
        self.c = np.zeros((self.runs, self.k * self.p))
        self.arrived = np.zeros(self.runs, dtype=bool)
        self.rough = np.full(self.runs, 0 if self.loss.reach is None else ROUGH)
        weighted = self.basis if self.weights is None else self.basis * self.weights[:, None]
        self.square = weighted.T @ self.basis / self.n
        settled = np.linalg.eigvalsh(self.square)[0] > ALIKE
        self.sure = settled | ((l2 > 0.0) & (self.ridge[:, first : self.p].min(1, initial=np.inf) > ALIKE))

    @cached_property
    def products(self) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
        """The products of two columns each `[p·(p + 1)/2, n]`, in float32, which a step can do with; and which they are."""
        upper, columns = np.triu_indices(self.p), np.ascontiguousarray(self.basis.T, dtype=np.float32)
        return np.concatenate([one * columns[j:] for j, one in enumerate(columns)]), upper

    def begin(self, start: Minima) -> None:
        """At minima that other rows have."""
        there = self.c.reshape(self.runs, self.k, self.p)
        there[..., self.first :] = start.coefficients * self.size
        if self.first:
            there[..., 0] = start.intercepts + start.coefficients @ self.mean
        there[~start.arrived] = 0.0

    def run(self) -> None:
        """Newton's steps until each run has arrived, or for so many."""
        going = np.flatnonzero(self.sure)
        state = self._at(self.c[going], going)
        for _ in range(MOST_STEPS):
            if not going.size:
                return
            c = self.c[going]
            flat = np.moveaxis(state.slope, 2, 1).reshape(-1, self.n) @ self.basis
            g = flat.reshape(len(going), -1) / self.n + 2.0 * self.ridge[going] * c
            try:
                d = self._directions(c, g, self._hessian(state, going), going)
            except np.linalg.LinAlgError:
                return
            promised = (g * d).sum(1) + (self.thresholds[going] * (np.abs(c + d) - np.abs(c))).sum(1)
            floor = TINY * np.maximum(np.abs(state.value), 1e-300)
            moved, after = self._searched(c, d, promised, floor, state, going)
            self.c[going] = moved
            # what a whole step of Newton's leaves is the square of what it took
            near = np.where(self.thresholds[going].any(1) | (self.rough[going] > 0), floor, NEAR * np.abs(state.value))
            left = -promised > np.maximum(floor, near)
            self.arrived[going[~left]] = True
            going, state = going[left], after.only(left)

    def _searched(
        self, c: np.ndarray, d: np.ndarray, promised: np.ndarray, floor: np.ndarray, state: _State, going: np.ndarray
    ) -> tuple[np.ndarray, _State]:
        """Where the steps lead: whole ones, or halved until F falls by 1e-4 of what was promised (Armijo)."""
        length, moved = np.ones(len(going)), c + d
        after = self._at(moved, going)
        for _ in range(HALVINGS):
            late = np.flatnonzero(~(after.value <= state.value + 1e-4 * length * promised + floor))
            if not late.size:
                return moved, after
            length[late] /= 2
            moved[late] = c[late] + length[late, None] * d[late]
            after.put(late, self._at(moved[late], going[late]))
            self.rough[going[late]] = 0 if self.loss.reach is None else ROUGH
        late = ~(after.value <= state.value + floor)
        moved[late] = c[late]
        after.put(late, state.only(late))
        return moved, after

    def _at(self, c: np.ndarray, going: np.ndarray) -> _State:
        """Some runs at c."""
        flat = c.reshape(-1, self.p) @ self.basis.T
        prediction = np.moveaxis(flat.reshape(len(c), self.k, self.n), 1, 2)
        if isinstance(self.loss, CrossEntropy):
            each, slope = self._softmax(prediction)
        else:
            one = prediction[..., 0]
            each, slope = self.loss.rows(one, self.target), self.loss.slope(one, self.target)[..., None]
        if self.weights is not None:
            each, slope = each * self.weights, slope * self.weights[:, None]
        penalty = (self.ridge[going] * c * c + self.thresholds[going] * np.abs(c)).sum(1)
        return _State(each.mean(1) + penalty, prediction, slope)

    def _softmax(self, prediction: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The cross-entropy of each row and its slopes, class by class: reductions over a short axis are slow."""
        shares = [prediction[..., a] for a in range(self.k)]
        top = np.maximum.reduce(shares)
        shares = [np.exp(one - top) for one in shares]
        whole = np.add.reduce(shares)
        slope = np.empty_like(prediction)
        mine = np.add.reduce([prediction[..., a] * (self.target == a) for a in range(self.k)]) - top
        for a, one in enumerate(shares):
            others = np.add.reduce([other for b, other in enumerate(shares) if b != a])
            slope[..., a] = np.where(self.target == a, -others, one) / whole
        return np.log(whole) - mine, slope

    def _squares(self, shares: np.ndarray) -> np.ndarray:
        """Σᵢ wᵢ·share_ri·aᵢaᵢᵀ/n, `[runs, p, p]`."""
        products, upper = self.products
        weighted = shares if self.weights is None else shares * self.weights
        flat = weighted.astype(np.float32) @ products.T / self.n
        square = np.empty((len(shares), self.p, self.p))
        square[:, upper[0], upper[1]] = flat
        square[:, upper[1], upper[0]] = flat
        return square

    def _bend(self, state: _State, going: np.ndarray) -> np.ndarray:
        """ℓ'' of each row `[runs, n]`, of one output; where it may vanish at first that of a parabola above ℓ."""
        prediction = state.prediction[..., 0]
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
        """`[runs, k·p, k·p]`, the penalty's within it."""
        k, p, runs = self.k, self.p, len(going)
        hessian = np.empty((runs, k, p, k, p))
        if self.loss.quadratic:
            hessian[:, 0, :, 0, :] = 2.0 * self.square
        elif isinstance(self.loss, CrossEntropy):
            weights = 1.0 if self.weights is None else self.weights
            share = [state.slope[..., a] / weights + (self.target == a) for a in range(k)]
            pairs = [(a, b) for a in range(k) for b in range(a)]
            squares = self._squares(np.concatenate([share[a] * share[b] for a, b in pairs]))
            own = np.zeros((runs, k, p, p))  # p_a − p_a² is the sum of p_a·p_b over all others
            for (a, b), square in zip(pairs, squares.reshape(len(pairs), runs, p, p), strict=True):
                hessian[:, a, :, b, :] = hessian[:, b, :, a, :] = -square
                own[:, [a, b]] += square[:, None]
            for a in range(k):
                hessian[:, a, :, a, :] = own[:, a]
            # adding one vector to all classes changes no probability: held at no cost elsewhere
            level = np.einsum("raiai->ri", hessian) / k**2
            level[self.thresholds[going].any(1), self.first :] *= 1e-9  # but under an l1 penalty it has a cost
            hessian += level[:, None, :, None, None] * np.eye(p)[None, None, :, None, :]
        else:
            hessian[:, 0, :, 0, :] = self._squares(self._bend(state, going))
        whole = hessian.reshape(runs, k * p, k * p)
        whole[:, np.arange(k * p), np.arange(k * p)] += 2.0 * self.ridge[going]
        return whole

    def _directions(self, c: np.ndarray, g: np.ndarray, hessian: np.ndarray, going: np.ndarray) -> np.ndarray:
        """The minimum of each run's quadratic model."""
        thresholds = self.thresholds[going]
        d = np.zeros_like(c)
        plain = ~thresholds.any(1)
        if plain.any():
            d[plain] = -np.linalg.solve(hessian[plain], g[plain][..., None])[..., 0]
        if not plain.all():
            d[~plain] = _by_coordinates(c[~plain], g[~plain], hessian[~plain], thresholds[~plain])
        return d


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
