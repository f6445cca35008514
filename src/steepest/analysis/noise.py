"""Where minibatch descent at a constant rate comes to rest: the noise floor.

The gradient of a batch is the full one plus noise ξ. At the optimum its covariance is

    C = f·(1/n) Σᵢ (gᵢ − ḡ)(gᵢ − ḡ)ᵀ        f = (n − b)/(b(n − 1)) for a shuffled batch of b rows, 1/b for `draws`

and along each eigenvector of the Hessian a step is a 2 × 2 matrix M on (place, velocity), into which the noise enters
through a vector q. At rest the covariance P no longer changes, P = MPMᵀ + qqᵀC (Lyapunov), and the expected gap is
½·Σᵢ λᵢ·Var(zᵢ); for sgd ½·Σᵢ lr·Cᵢᵢ/(2 − lr·λᵢ).

The batches of one shuffled epoch (`shuffle="rows"`) sum to the full gradient, so that most of the noise has gone at the
epoch's end; that is where the objective is recorded, and where this floor is meant. There P = MᵐPMᵐᵀ + C·V with
V = m/(m−1)·Σₖ MᵏqqᵀMᵏᵀ − (Σₖ Mᵏq)(Σₖ Mᵏq)ᵀ/(m−1) over the m batches of an epoch. A last batch that is shorter than the
others is noisier, and nothing comes after it: batches that do not divide the rows can have a far higher floor.

Rows also differ in their curvature, so that noise grows away from the optimum: E[(Sᵢxᵢxᵢᵀ − H)Σ(Sᵢxᵢxᵢᵀ − H)] is added to C
with the covariance Σ that it leads to.

Sources: Mandt, Hoffman and Blei, Stochastic gradient descent as approximate Bayesian inference (2017); Ziyin, Liu, Mori
and Ueda, Strength of minibatch noise in SGD (2022); Mishchenko, Khaled and Richtárik, Random reshuffling (2020).
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np

from steepest.analysis.exact import certificate as certify
from steepest.analysis.stable_rate import linear_step
from steepest.data.batching import Batching
from steepest.errors import SpecError
from steepest.model.linear import LinearProblem
from steepest.model.preconditioners import Coordinates
from steepest.numerics.hessians import blocks

MOST_PAIRS = 30
"""Directions up to which covariances between them are solved for, and with them the noise of the curvature."""

MOST_STEPS = 3_000_000  # batches in an epoch times directions up to which the same holds
MOST_ROWS = 2_000  # rows, evenly spread, from which the noise of the curvature is taken
PLACES = 24  # places within an epoch at which the covariance is looked at
ROUNDS = 500  # rounds in which the noise of the curvature and the covariance that it leads to must agree


@dataclass(frozen=True)
class Floor:
    """The noise floor of a descent, and what halves it: another rate, or another batch size (each by itself)."""

    gap: float
    half_lr: float
    half_batch_size: int


class RowNoise:
    """The rows' gradients and curvatures at θ*, along the eigenvectors of the Hessian, and where minibatches rest by them.

    values: `[r]` eigenvalues. slopes: `[n, r]` gradients gᵢ − ḡ. roots: `[n, k, r]` with Σ over k of rootᵀ·root the
    Hessian of a row. loss: `[r, r]`, the Hessian without the penalty.

    Args:
        frame: the descent's coordinates; None is user units.
        theta: θ*, `[k·p]` in user units.

    Raises:
        SpecError: the loss or the penalty has a kink.

    Two rows that pull apart, one drawn at a time, ½·lr·C/(2 − lr·λ) with C = 4, λ = 2:

    >>> from steepest.descent.torch_rules import rule
    >>> from steepest.model.torch_losses import loss
    >>> problem = LinearProblem(np.ones((2, 1)), np.array([1.0, -1.0]), loss("mse"), intercept=False)
    >>> round(RowNoise(problem, None, np.zeros(1)).floor(rule("sgd"), 0.1, 1, "draws"), 12)
    0.111111111111
    """

    def __init__(self, problem: LinearProblem, frame: Coordinates | None, theta: np.ndarray):
        if problem.penalty.kinked:
            raise SpecError(
                "An l1 or a group penalty has a kink at 0, and bounds have walls; no noise floor is known for it."
            )
        theta = np.asarray(theta, dtype=np.float64).ravel()
        self.count = len(problem.design)
        basis = problem.design if frame is None else frame.basis
        n, k = len(basis), problem.outputs
        predicted = certify.prediction(problem, theta)
        bent = certify.curvature(problem, predicted).reshape(n, k, -1)
        if bent.shape[2] == 1:
            bent = bent * np.eye(k) if k > 1 else bent
        loss = blocks(bent / n, basis)
        ridge = problem.penalty_in(None if frame is None else frame.matrix).hessian()
        values, vectors = np.linalg.eigh(loss + np.kron(np.eye(k), ridge))
        kept = values > len(values) * np.finfo(float).eps * values[-1]
        self.values, turn = values[kept], vectors[:, kept]
        slope = certify.slope(problem, predicted).reshape(n, k)
        gradients = np.einsum("nk,kpr,np->nr", slope, turn.reshape(k, -1, turn.shape[1]), basis, optimize=True)
        self.slopes = gradients - gradients.mean(0)
        self.loss = turn.T @ loss @ turn
        self.pairs = len(self.values) <= MOST_PAIRS
        if self.pairs:
            some = np.unique(np.linspace(0, n - 1, min(n, MOST_ROWS)).round().astype(int))
            self.some = self.slopes[some]
            sizes, own_vectors = np.linalg.eigh(bent[some])
            roots = np.sqrt(np.maximum(sizes, 0.0))[:, :, None] * own_vectors.transpose(0, 2, 1)
            turned = np.einsum("np,kpr->nkr", basis[some], turn.reshape(k, -1, turn.shape[1]), optimize=True)
            self.roots = np.einsum("nak,nkr->nar", roots, turned, optimize=True)

    def floor(self, rule: Any, lr: float, batch_size: int, shuffle: str = "rows") -> float:
        """The expected gap F − F* at which minibatch descent at a constant rate stays, at the end of an epoch.

        For `mse` and up to 30 parameters it is exact with `draws` at any rate, and with `rows` where lr·λ·(batches in an
        epoch) is small or large against 1, a tenth too low between (momentum with a few batches in an epoch: up to half). For
        more parameters the noise of the curvature is left out, and for other smooth losses F is taken for its quadratic at
        θ*: both hold where lr is small against the largest rate.

        Args:
            shuffle: `rows` (a fresh permutation each epoch) or `draws` (independent rows).

        Returns:
            In units of the loss; 0 for a full batch, inf where the rate is too large to come to rest, nan for rules other
            than sgd, momentum and nesterov, and for other ways of dealing batches.
        """
        n, b = self.count, min(batch_size, self.count)
        if not rule.linear or shuffle not in ("rows", "draws"):
            return float("nan")
        if b == n and shuffle == "rows":
            return 0.0
        moves = _Moves(self.values, rule, lr)
        if not moves.holds:
            return float("inf")
        if shuffle == "draws":
            return self._at_rest(moves, 1.0 / b, None)
        return self._at_rest(moves, (n - b) / (b * (n - 1)), b)

    def _at_rest(self, moves: _Moves, factor: float, size: int | None) -> float:
        """The expected gap at rest; size: rows of a shuffled batch, None where each is drawn by itself."""
        noise = factor * self.covariance()
        if not self.pairs or (size and self.count / size * len(self.values) > MOST_STEPS):  # one direction at a time
            spread = 0.0
            for i in range(len(self.values)):
                one = _one(moves, i)
                each = one.independent()[..., 0, 0] if size is None else one.shuffled(self.count, size)[0]
                spread += 0.5 * self.values[i] * noise[i, i] * float(each[0, 0])
            return spread
        fresh = moves.independent()[..., 0, 0]
        end, average = (fresh, fresh) if size is None else moves.shuffled(self.count, size)
        extra, before = np.zeros_like(noise), 0.0
        for _ in range(ROUNDS):
            spread = average * noise + fresh * extra
            extra = factor * self.of_curvature(spread)
            whole = float(np.trace(spread))
            if not abs(whole - before) > 1e-7 * whole:
                break
            before = whole
        else:
            return float("inf")
        found = 0.5 * float(self.values @ np.diag(end * noise + fresh * extra))
        if size is not None:
            beta = float(moves.step[0, 1, 1])
            offset = 0.5 * moves.lr / (1.0 - beta) * factor * self.drift() / self.values
            found += 0.5 * float(self.values @ offset**2)
        return found

    def floor_and_halves(self, rule: Any, lr: float, batch_size: int, shuffle: str = "rows") -> Floor | None:
        """The floor with the rate and the batch size that halve it; None where none is known."""
        gap = self.floor(rule, lr, batch_size, shuffle)
        if not 0.0 < gap < np.inf:
            return None
        rate = self.rate_for(rule, lr, batch_size, 0.5 * gap, shuffle)
        return Floor(gap, rate, self.batch_size_for(rule, lr, 0.5 * gap, shuffle, batch_size))

    def batch_size_for(self, rule: Any, lr: float, gap: float, shuffle: str = "rows", known: int = 0) -> int:
        """A batch size whose floor at this rate is at most `gap`: of those that leave no short last batch the smallest.

        known: a batch size that is too small.
        """
        sizes = [size for size in range(max(known, 0) + 1, self.count + 1) if shuffle == "draws" or self.even(size)]
        low, high = -1, len(sizes) - 1
        while high - low > 1:
            middle = (low + high) // 2
            fine = self.floor(rule, lr, sizes[middle], shuffle) <= gap
            low, high = (low, middle) if fine else (middle, high)
        return sizes[high]

    def even(self, size: int) -> bool:
        """Whether the last of shuffled batches is at least nine tenths as large as the others."""
        last = self.count % size
        return last == 0 or last >= 0.9 * size

    def rate_for(self, rule: Any, lr: float, batch_size: int, gap: float, shuffle: str = "rows") -> float:
        """The largest rate up to `lr`, to one part in a hundred, whose floor is at most `gap`.

        0 where none down to a billionth of `lr` is.
        """

        def fine(rate: float) -> bool:
            return self.floor(rule, rate, batch_size, shuffle) <= gap

        low, high = 1e-9 * lr, lr
        if fine(high):
            return high
        if not fine(low):
            return 0.0
        while high > 1.01 * low:
            middle = float(np.sqrt(low * high))
            low, high = (middle, high) if fine(middle) else (low, middle)
        return low

    def covariance(self) -> np.ndarray:
        """Of the rows' gradients at θ*, `[r, r]`."""
        return self.slopes.T @ self.slopes / len(self.slopes)

    def of_curvature(self, spread: np.ndarray) -> np.ndarray:
        """(1/n) Σᵢ SᵢΣSᵢ − HΣH: what the differences between the rows' Hessians add where θ has the covariance Σ."""
        inner = np.einsum("nar,rs,nbs->nab", self.roots, spread, self.roots, optimize=True)
        outer = np.einsum("nar,nab,nbs->rs", self.roots, inner, self.roots, optimize=True)
        return outer / len(self.roots) - self.loss @ spread @ self.loss

    def drift(self) -> np.ndarray:
        """(1/n) Σᵢ Sᵢgᵢ `[r]`: rows that are steep where they pull."""
        along = np.einsum("nar,nr->na", self.roots, self.some, optimize=True)
        return np.einsum("nar,na->r", self.roots, along, optimize=True) / len(self.roots)


class _Moves:
    """One step along each eigenvector: M `[r, 2, 2]` on (place, velocity), and q `[2]`, how noise enters."""

    def __init__(self, values: np.ndarray, rule: Any, lr: float):
        by_slope, by_velocity, gathers, keeps = linear_step(rule)
        self.values, self.lr = values, lr
        self.step = np.empty((len(values), 2, 2))
        self.step[:, 0, 0] = 1.0 - lr * by_slope * values
        self.step[:, 0, 1] = -lr * by_velocity
        self.step[:, 1, 0] = gathers * values
        self.step[:, 1, 1] = keeps
        self.enters = np.array([-lr * by_slope, gathers])
        self.holds = bool(np.abs(np.linalg.eigvals(self.step)).max(initial=0.0) < 1.0)

    def independent(self) -> np.ndarray:
        """P `[r, r, 2, 2]` for noise of variance 1 that is fresh at every step."""
        return _lyapunov(self.step, np.outer(self.enters, self.enters))

    def after(self, steps: int) -> np.ndarray:
        """Mᵗ `[r, 2, 2]`."""
        return np.linalg.matrix_power(self.step, steps)

    def trail(self, steps: int) -> np.ndarray:
        """Mᵏq for k from 0 to `steps` − 1: `[steps, r, 2]`, each half from the one before it."""
        found = np.broadcast_to(self.enters, (1, *self.step.shape[:2]))
        power = self.step
        while len(found) < steps:
            found = np.concatenate([found, np.einsum("rab,trb->tra", power, found)])
            power = power @ power
        return found[:steps]

    def shuffled(self, rows: int, size: int) -> tuple[np.ndarray, np.ndarray]:
        """Var of the place `[r, r]` for batches of noise of variance 1: at the end of an epoch, and on average within it."""
        batches = Batching(rows, size).steps_per_epoch
        trail = self.trail(batches)
        sizes = np.full((batches, 1, 1), float(size))
        sizes[0] = rows - size * (batches - 1)  # the trail begins with the last batch, which may be shorter
        ends = (trail - sizes * trail.sum(0) / rows) * np.sqrt(size / sizes)
        end = _lyapunov(self.after(batches), rows / (rows - size) * _products(ends))
        spreads = []
        for steps in np.unique(np.linspace(0, batches - 1, min(batches, PLACES)).round().astype(int)):
            power, some = self.after(int(steps)), trail[:steps]
            added = (rows * _products(some) - size * _products(some.sum(0, keepdims=True))) / (rows - size)
            spreads.append((np.einsum("iab,ijbc,jdc->ijad", power, end, power) + added)[..., 0, 0])
        return end[..., 0, 0], np.mean(spreads, axis=0)


def _products(trail: np.ndarray) -> np.ndarray:
    """Σₖ xₖxₖᵀ of `[t, r, 2]`: `[r, r, 2, 2]`."""
    r = trail.shape[1]
    flat = trail.reshape(len(trail), 2 * r)
    return (flat.T @ flat).reshape(r, 2, r, 2).transpose(0, 2, 1, 3)


def _lyapunov(step: np.ndarray, added: np.ndarray) -> np.ndarray:
    """P with Pᵢⱼ = MᵢPᵢⱼMⱼᵀ + addedᵢⱼ, `[r, r, 2, 2]`."""
    r = len(step)
    both = np.einsum("iab,jcd->ijacbd", step, step).reshape(r, r, 4, 4)
    right = np.broadcast_to(added, (r, r, 2, 2)).reshape(r, r, 4, 1)
    return np.linalg.solve(np.eye(4) - both, right).reshape(r, r, 2, 2)


def _one(moves: _Moves, place: int) -> _Moves:
    found = copy.copy(moves)
    found.values, found.step = moves.values[place : place + 1], moves.step[place : place + 1]
    return found
