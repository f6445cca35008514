"""Many penalties at once: the minima of one loss on the same rows, each under a penalty of its own.

    c_r = argmin  (1/n) Σ wᵢ·ℓ(aᵢ·c, yᵢ) + Σⱼ l1_rj·|cⱼ| + l2_rj·cⱼ²            for runs r side by side

in columns of one size around their means. Each step is Newton's for all runs: their predictions are one product of matrices,
and so are their Hessians (`many_losses.py`). Under an l1 penalty the quadratic model's minimum is found by its active set
(`numerics/many_active_sets.py`). It ends where no run has anything to gain, or, where only the classes of some rows are asked
for, where no further step can change one of them; a run that does not get there says so, and is left to the estimator itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.linalg import lapack

from steepest.analysis.exact.smooth import sum_to_zero
from steepest.estimators.many_losses import ROUGH, Columns, ManyLosses, State
from steepest.model.loss import Loss
from steepest.model.torch_losses import CrossEntropy
from steepest.numerics import many_active_sets

MOST_STEPS, MOST_SWEEPS, HALVINGS = 60, 1_000, 30
NEAR = 1e-8
"""Part of F that a step may promise to be the last one, of classes, whose accuracy is asked for."""

NEAR_NUMBERS = 1e-10
"""The same of numbers."""

LEAST = 1e-16
"""Part of F that may be left where an older Hessian takes the last step."""

LEAST_ROUGH = 1e-12
"""The same of runs in float32, which are left to float64 there."""

FAST = 1e-2
"""Part of what the last step promised up to which an older Hessian does."""

SHRINKING, NEVER_LESS = 0.2, 0.01
"""Length of a step, of the one before it, from which on the steps after it are short; and what it counts as at least."""

LEAD = 10.0
"""How far a row is on its class's side, in lengths of all steps to come, where none of them leads to the other one."""

ROUGHLY = 1e-3
"""Part of F that a step may promise where it is asked whether the rows are on their class's side."""

ALIKE, ALIKE_ROUGH = 1e-9, 1e-5
"""The smallest eigenvalue of the columns' correlations, without a penalty, from which their coefficients are settled: of least
squares, and where Hessians are made of products in float32."""

ROOM = 25_000_000
"""Numbers that the predictions and slopes of runs side by side may take: 200 MB."""


@dataclass(frozen=True)
class Minima:
    """Coefficients `[runs, k, d]` and intercepts `[runs, k]` in user units, and whether each run has arrived.

    factors: of each run without an l1 penalty the Hessian's, as `_Work` has them, at or near the minimum; else None.
    """

    coefficients: np.ndarray
    intercepts: np.ndarray
    arrived: np.ndarray
    factors: list[Any]

    @classmethod
    def of_nothing(cls, runs: int, problem: Problem) -> Minima:
        """0.0 everywhere, where nothing has arrived."""
        shape = runs, problem.outputs
        return cls(
            np.zeros((*shape, len(problem.columns.mean))), np.zeros(shape), np.zeros(runs, dtype=bool), [None] * runs
        )

    def only(self, runs: np.ndarray) -> Minima:
        factors = [self.factors[run] for run in runs]
        return Minima(self.coefficients[runs], self.intercepts[runs], self.arrived[runs], factors)

    def put(self, runs: np.ndarray, other: Minima) -> None:
        self.coefficients[runs], self.intercepts[runs] = other.coefficients, other.intercepts
        self.arrived[runs] = other.arrived
        for run, factor in zip(runs, other.factors, strict=True):
            self.factors[run] = factor


@dataclass(frozen=True)
class Problem:
    """Rows as `columns`, their targets as the loss takes them, weights of mean 1 or None, and k outputs.

    asked: the rows `[m, p]` whose classes are asked for, where nothing else is.
    """

    columns: Columns
    target: np.ndarray
    weights: np.ndarray | None
    loss: Loss
    outputs: int
    asked: np.ndarray | None = field(default=None)


def minima(problem: Problem, l1: np.ndarray, l2: np.ndarray, start: Minima | None = None) -> Minima:
    """The minima under penalties l1 and l2 `[runs]`, in user units. start: minima on other rows, to begin at."""
    found = Minima.of_nothing(len(l1), problem)
    kinked = l1 > 0.0
    several = max(1, ROOM // (6 * problem.outputs * len(problem.columns.basis)))
    fits = start is not None and start.coefficients.shape == found.coefficients.shape
    for kind in (np.flatnonzero(kinked), np.flatnonzero(~kinked)):
        for runs in (kind[i : i + several] for i in range(0, len(kind), several)):
            begun = start.only(runs) if start is not None and fits else None
            good = None if begun is None else begun.arrived
            rough = problem.asked is not None
            if rough:  # most of them need no more digits
                begun = _run(problem, l1[runs], l2[runs], begun, good, np.float32)
                found.put(runs, begun)
                runs, begun = runs[~begun.arrived], begun.only(np.flatnonzero(~begun.arrived))
                good = np.ones(len(runs), dtype=bool)
            if runs.size:
                found.put(runs, _run(problem, l1[runs], l2[runs], begun, good, np.float64))
    return found


def _run(
    problem: Problem, l1: np.ndarray, l2: np.ndarray, start: Minima | None, good: np.ndarray | None, dtype: Any
) -> Minima:
    """Runs from where they begin, those that are good there; the others and without it at 0."""
    work = _Work(problem, l1, l2, dtype)
    if start is not None and good is not None:
        work.begin(start, good)
    work.run()
    return work.minima()


class _Work:
    """The descent of some runs, all with an l1 penalty or all without.

    c `[runs, m·p]`: the coefficients of m outputs. An l2 penalty holds the sum of all classes' coefficients at 0: so without an
    l1 penalty c are coordinates of what adds up to 0, in the orthonormal basis `turn` `[k, k − 1]`.
    """

    def __init__(self, problem: Problem, l1: np.ndarray, l2: np.ndarray, dtype: Any):
        self.loss, self.columns = problem.loss, problem.columns
        self.asked = None if problem.asked is None else problem.asked.astype(dtype, copy=False)
        coupled, self.kinked = isinstance(problem.loss, CrossEntropy), bool(l1.any())
        self.turn = sum_to_zero(problem.outputs) if coupled and not self.kinked else np.eye(problem.outputs)
        self.m, self.runs, self.first = self.turn.shape[1], len(l1), self.columns.first
        losses = ManyLosses(self.columns, problem.target, problem.weights, problem.loss, self.turn, self.runs, dtype)
        self.losses, self.p = losses, losses.p
        self.rough, self.tiny = dtype is np.float32, 4.0 * float(np.finfo(dtype).eps)
        free = np.ones(self.p)
        free[: self.first] = 0.0
        scale = np.ones(self.p)
        scale[self.first :] = self.columns.size
        self.thresholds = np.tile(l1[:, None] * free / scale, (1, self.m))
        self.ridge = np.tile(l2[:, None] * free / scale**2, (1, self.m))
        self.c = np.zeros((self.runs, self.m * self.p))
        self.factors: list[Any] = [None] * self.runs
        self.sweeps = MOST_SWEEPS
        self.arrived = np.zeros(self.runs, dtype=bool)
        least = ALIKE if self.loss.quadratic else ALIKE_ROUGH
        settled = np.linalg.eigvalsh(losses.square)[0] > least
        self.sure = settled | ((l2 > 0.0) & (self.ridge[:, self.first : self.p].min(1, initial=np.inf) > least))

    def begin(self, start: Minima, good: np.ndarray) -> None:
        """At minima that other rows have, those that are good."""
        there = np.zeros((self.runs, len(self.turn), self.p))
        there[..., self.first :] = start.coefficients * self.columns.size
        if self.first:
            there[..., 0] = start.intercepts + start.coefficients @ self.columns.mean
        there[~good] = 0.0
        self.c[:] = (self.turn.T @ there).reshape(self.runs, -1)
        self.factors = [one if kept else None for one, kept in zip(start.factors, good, strict=True)]

    def minima(self) -> Minima:
        """Where the runs are, in user units."""
        user = self.turn @ self.c.reshape(self.runs, self.m, -1)
        coefficients = user[..., self.first :] / self.columns.size
        shift = coefficients @ self.columns.mean
        intercepts = user[..., 0] - shift if self.first else np.zeros(user.shape[:2])
        return Minima(coefficients, intercepts, self.arrived, self.factors)

    def run(self) -> None:
        """Newton's steps until each run has arrived, or for so many."""
        going = np.flatnonzero(self.sure)
        state, room = self._at(self.c[going], going, 0), 0
        before = np.full(self.runs, np.inf)
        for _ in range(MOST_STEPS):
            if not going.size:
                return
            c = self.c[going]
            g = self.losses.gradient(state) + 2.0 * self.ridge[going] * c
            d, promised, fresh = self._directions(c, g, state, going, before[going])
            floor = self.tiny * np.maximum(np.abs(state.value), 1e-300)
            last = self._is_last(-promised, before[going], fresh, state, going)
            last |= self._decided(c, d, -promised, before[going], state.value)
            self.c[going[last]] = c[last] + d[last]
            self.arrived[going[last]] = True
            slow = ~(-promised <= SHRINKING**2 * before[going]) & (-promised <= ROUGHLY * np.abs(state.value))
            before[going] = -promised
            left = ~last & np.isfinite(promised) & ~(slow & self.rough)  # float32 has no more digits there
            if not left.any():
                return
            going, state, promised, floor = going[left], state.only(left), promised[left], floor[left]
            room = 2 - room
            self.c[going], state = self._searched(c[left], d[left], promised, floor, state, going, room)
            left = -promised > (LEAST_ROUGH * np.abs(state.value) if self.rough else floor)
            self.arrived[going[~left]] = not self.rough
            going, state = going[left], state.only(left)

    def _directions(
        self, c: np.ndarray, g: np.ndarray, state: State, going: np.ndarray, before: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The minimum of each run's quadratic model, what it promises (NaN where there is none), and whether its Hessian is that
        of the place.

        before: what the last step promised. An older Hessian does as long as each step promises a small part of that.
        """
        if self.kinked:
            hessian, thresholds = self._hessian(state, going), self.thresholds[going]
            d, sweeps = many_active_sets.minima(c, g, hessian, thresholds, self.m, self.sweeps)
            self.sweeps -= sweeps
            promised = (g * d).sum(1) + (thresholds * (np.abs(c + d) - np.abs(c))).sum(1)
            return d, promised, np.ones(len(going), dtype=bool)
        d, downhill = np.full_like(c, np.nan), -g
        if self.loss.classes:
            for place, run in enumerate(going.tolist()):
                if (factor := self.factors[run]) is not None and not self.losses.rough[run]:
                    d[place] = lapack.dpotrs(factor, downhill[place])[0]  # pyrefly: ignore (it is there)
        fresh = ~((downhill * d).sum(1) <= FAST * before)
        if fresh.any():
            made = self._hessian(state.only(fresh), going[fresh])
            for place, hessian in zip(np.flatnonzero(fresh), made, strict=True):
                symmetric = hessian.T  # in the order that LAPACK works in without a copy
                factor, found, failed = lapack.dposv(symmetric, downhill[place], overwrite_a=1)  # pyrefly: ignore (it is there)
                d[place] = np.nan if failed else found
                self.factors[going[place]] = None if failed else factor
        return d, (g * d).sum(1), fresh

    def _is_last(
        self, fall: np.ndarray, before: np.ndarray, fresh: np.ndarray, state: State, going: np.ndarray
    ) -> np.ndarray:
        """Whether nothing is left after a step that promises to lower F by `fall`, `before` of the last one.

        A step of Newton's own leaves the square of what it took, where steps have become shorter fast (the Hessian of columns
        that are much alike has few digits); one by an older Hessian the same part as the last one did.
        """
        value = np.abs(state.value)
        leaves = fall * np.where(np.isfinite(before), fall / before, 1.0)
        near = NEAR if self.loss.classes else NEAR_NUMBERS
        done = (fresh & (fall <= near * value) & (fall <= FAST * before)) | (leaves <= LEAST * value)
        return done & (self.losses.rough[going] == 0) & (not self.kinked and not self.rough)

    def _decided(
        self, c: np.ndarray, d: np.ndarray, fall: np.ndarray, before: np.ndarray, value: np.ndarray
    ) -> np.ndarray:
        """Whether no step after this one changes the class of a row that is asked for.

        F falls by the square of a step's length. Where steps become shorter by a factor ρ each, all that are to come are
        ρ/(1 − ρ) of this one together; and each row is further from another class than they lead.
        """
        decided = np.zeros(len(c), dtype=bool)
        runs = np.flatnonzero((fall <= SHRINKING**2 * before) & np.isfinite(before) & (fall <= ROUGHLY * np.abs(value)))
        if self.asked is None or not runs.size:
            return decided
        outputs = (self.turn @ np.stack([c[runs] + d[runs], d[runs]]).reshape(-1, self.m, self.p)).reshape(-1, self.p)
        there, change = (outputs.astype(self.asked.dtype, copy=False) @ self.asked.T).reshape(
            2, len(runs), len(self.turn), -1
        )
        if len(self.turn) == 1:
            lead, moved = np.abs(there[:, 0]), np.abs(change[:, 0])
        else:
            lead, moved = there.max(1), change.max(1) - change.min(1)
            np.put_along_axis(there, there.argmax(1)[:, None], -np.inf, 1)
            lead -= there.max(1)
        shorter = np.maximum(np.sqrt(np.maximum(fall[runs], 0.0) / before[runs]), NEVER_LESS)
        to_come = shorter / (1.0 - shorter) * moved.max(1, initial=0.0)
        decided[runs] = lead.min(1, initial=np.inf) > LEAD * to_come
        return decided

    def _searched(
        self, c: np.ndarray, d: np.ndarray, promised: np.ndarray, floor: np.ndarray, state: State, going: np.ndarray,
        room: int,
    ) -> tuple[np.ndarray, State]:  # fmt: skip
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
            self.losses.rough[going[late]] = 0 if self.loss.reach is None else ROUGH
        late = ~(after.value <= state.value + floor)
        moved[late] = c[late]
        after.put(late, state.only(late))
        return moved, after

    def _at(self, c: np.ndarray, going: np.ndarray, room: int) -> State:
        """Some runs at c, in that room and the next."""
        penalties = (self.ridge[going] * c * c + self.thresholds[going] * np.abs(c)).sum(1)
        return self.losses.at(c, penalties, room)

    def _hessian(self, state: State, going: np.ndarray) -> np.ndarray:
        """`[runs, m·p, m·p]`, the penalty's within it."""
        whole = self.losses.hessian(state, going, self.kinked)
        each = np.arange(whole.shape[1])
        whole[:, each, each] += 2.0 * self.ridge[going]
        return whole
