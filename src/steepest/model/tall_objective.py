"""The linear family on a tall table: the rows are gone through where they lie, block by block, and never copied.

    f = c₀ + (x − s)·θ        s near the mean of a column that lies far from zero beside its spread, else 0

One pass gives the loss, its gradient and the predictions at θ; one more the curvature, which for `mse` is the same at
every θ, so that the pass which makes it gives the first loss and gradient too. What a step leaves over is measured on the
rows themselves, not on sums of squares: so the digits do not suffer, and the last gradient proves how far the minimum is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np

from steepest.model import row_parts
from steepest.model.loss import Loss
from steepest.model.numpy_losses import Formula, SoftmaxFormula
from steepest.model.objective import WholeObjective
from steepest.model.penalties import Penalty
from steepest.model.tall_curvature import Curvature, IllConditioned, Proof, add_squares

FAR = 10.0
"""A column is shifted where its mean is more than so many times its standard deviation."""

FARTHEST = 1e5
"""Where it is more than so many times that, coefficients in user units predict otherwise than shifted ones do."""

LOOKED_AT = 4_096
"""Rows of which the shift is learned."""

SINGLE = 1e20
"""Mean square of a column up to which, and down to one over which, float32 has room for products of it."""

NEAR = 4e-26
"""Part of the loss by which a step may change it, to second order, and need no further pass: the predictions stay as they
are to 13 digits of the residuals."""


@dataclass(frozen=True)
class Pass:
    """What one pass over the rows gives at θ: the mean loss, its gradient `[k, p]`, and the predictions `[n]` or `[n, k]`."""

    theta: np.ndarray
    loss: float
    grad: np.ndarray
    prediction: np.ndarray


@final
class TallObjective(WholeObjective):
    """F(θ) = (1/n) Σ wᵢ·ℓ(fᵢ, yᵢ) + l2·Σθ², of a loss with a curvature.

    x: `[n, d]` float64 or float32, in rows or in columns, only read. y: `[n]`, or `[n, k]` for `mse`, or codes of k classes.
    weights: `[n]` with mean 1, or None. start: θ₀ `[k·p]` in user units. outputs: k, where y does not say it. near: no column
    lies far from zero.

    Raises:
        IllConditioned: for `mse` at once, else when the curvature is first asked for.
    """

    extended = False

    def __init__(
        self,
        x: np.ndarray,
        y: np.ndarray,
        loss: Loss,
        penalty: Penalty,
        intercept: bool,
        weights: np.ndarray | None,
        names: tuple[str, ...],
        start: np.ndarray | None = None,
        outputs: int = 0,
        near: bool = False,
    ):
        self.x, self.y, self.weights, self.penalty_given = x, y, weights, penalty
        self.loss, self.names, self.first, self.rows = loss, names, int(intercept), len(x)
        self.formula = SoftmaxFormula(loss) if loss.coupled else Formula(loss)
        self.outputs = outputs or (y.shape[1] if y.ndim == 2 else 1)
        self.shape = (len(x), self.outputs) if self.outputs > 1 else (len(x),)
        self.entries = y.size  # by which sums become means
        self.size = x.shape[1] + self.first
        self.shift = self._far() if intercept and not near else None
        free = np.ones((self.outputs, self.size))
        free[:, : self.first] = 0.0
        if penalty:
            self.penalty_term = penalty.at(free.ravel(), outputs=self.outputs)
        self.curvature_of_penalty = penalty.curvature * free[0]
        self.theta = self.from_user(np.zeros(free.size) if start is None else start)
        self.seen: Pass | None = None
        self.lowest = np.inf  # of the losses seen: a step too far meets a huge one
        self.model: Curvature | None = None
        self.proof: Proof | None = None
        if loss.quadratic and not penalty.l1:  # which few columns may take part in
            self._squares()

    def _far(self) -> np.ndarray | None:
        """s `[d]`, from some rows; None where no column lies far from zero."""
        some = self.x[:: max(1, self.rows // LOOKED_AT)].astype(np.float64)
        mean, spread = some.mean(0), some.std(0)
        if (np.abs(mean) > FARTHEST * spread).any():
            raise IllConditioned
        far = np.abs(mean) > (1.0 if self.loss.coupled else FAR) * spread
        return np.where(far, mean, 0.0) if far.any() else None

    def from_user(self, theta: np.ndarray) -> np.ndarray:
        """θ `[k·p]` in user units → c."""
        return self._moved(theta, 1.0)

    def to_user(self, c: np.ndarray) -> np.ndarray:
        """c `[..., k·p]` → θ in user units."""
        return self._moved(c, -1.0)

    def _moved(self, theta: np.ndarray, sign: float) -> np.ndarray:
        moved = np.array(theta, dtype=np.float64)
        if self.shift is not None:
            parts = moved.reshape(*moved.shape[:-1], self.outputs, self.size)
            parts[..., 0] += sign * (parts[..., 1:] @ self.shift)
        return moved

    def block(self, rows: slice, kind: type[np.floating] = np.float64) -> np.ndarray:
        """Some rows, shifted."""
        block = self.x[rows] if self.shift is None else self.x[rows] - self.shift
        return block.astype(kind, copy=False)

    def summed(self, work: Callable[..., None], *shapes: tuple[int, ...]) -> list[np.ndarray]:
        """What `work(rows, *sums)` adds up over all blocks of rows."""
        return row_parts.summed(self.rows, self.x.shape[1], shapes, work)

    def of_rows(self, rows: np.ndarray) -> TallObjective:
        """The same of some rows, by their numbers."""
        weights = None if self.weights is None else self.weights[rows] / max(self.weights[rows].mean(), 1e-300)
        x = self.x[rows].astype(np.float64, copy=False) if self.shift is None else self.x[rows] - self.shift
        first, of, k = bool(self.first), self.penalty_given, self.outputs
        return TallObjective(x, self.y[rows], self.loss, of, first, weights, self.names, outputs=k, near=True)

    # ---- passes ------------------------------------------------------------------------------------

    def at(self, theta: np.ndarray) -> Pass:
        """The loss and its gradient at θ: from the last pass where θ has hardly moved since, else from a new one."""
        seen = self.seen
        if seen is not None and (not (moved := theta - seen.theta).any() or self._near(moved, seen)):
            return seen
        self.seen = self._measured(theta)
        self.lowest = min(self.lowest, self.seen.loss)
        return self.seen

    def _near(self, moved: np.ndarray, seen: Pass) -> bool:
        return self.model is not None and self.model.moved(moved) <= NEAR * min(seen.loss, self.lowest)

    def _measured(self, theta: np.ndarray) -> Pass:
        parts = theta.reshape(self.outputs, -1)
        coefficients, intercept = parts[:, self.first :].T, parts[:, : self.first].sum(1)
        if self.outputs == 1:
            coefficients, intercept = coefficients[:, 0], intercept[0]
        prediction, moved, first = np.empty(self.shape, order="F"), bool(theta.any()), self.first

        def add(rows: slice, loss: np.ndarray, grad: np.ndarray) -> None:
            block = self.block(rows)
            # outputs lie one after another, so that what is done to each row is done to many at once
            f = (
                (coefficients.T @ block.T).T + intercept
                if moved
                else np.zeros((len(block), *self.shape[1:]), order="F")
            )
            each, slope = self.formula.value_and_slope(f, self.y[rows])
            if self.weights is not None:
                share = self.weights[rows]
                each, slope = (each.T * share).T, (slope.T * share).T
            prediction[rows] = f
            loss += each.sum()
            grad[:, first:] += slope.T @ block
            grad[:, :first] += slope.sum(0).reshape(-1, 1)

        loss, grad = self.summed(add, (), (self.outputs, self.size))
        return Pass(theta.copy(), float(loss) / self.entries, grad / self.entries, prediction)

    def _squares(self) -> None:
        """For `mse`: the Hessian, and the loss and gradient where all predictions are 0, in one pass.

        In float32 where the columns are given so: the first step is off by some digits then, and the second is not.
        """
        squares, cross, total = self._sums(self.x.dtype.type)
        if self.x.dtype == np.float32 and not _has_room(squares[self.first :, self.first :], self.rows):
            squares, cross, total = self._sums(np.float64)
        self.model = self._curvature(squares, 2.0 / self.entries)
        self.proof = Proof(self.model)
        if not self.theta.any():
            zero = np.zeros(self.shape)
            self.seen = Pass(self.theta.copy(), float(total) / self.entries, -2.0 / self.entries * cross, zero)

    def _sums(self, kind: type[np.floating]) -> list[np.ndarray]:
        """Σ w·aaᵀ, Σ w·y·aᵀ and Σ w·y², the first two with products in a precision."""
        first, level = self.first, float(np.abs(self.y).max()) or 1.0

        def add(rows: slice, squares: np.ndarray, cross: np.ndarray, total: np.ndarray) -> None:
            block, y = self.block(rows, kind), self.y[rows]
            weighted = y if self.weights is None else (y.T * self.weights[rows]).T
            total += np.vdot(weighted, y)
            weighted = weighted if kind is np.float64 else (weighted / level).astype(kind)
            cross[:, first:] += weighted.T @ block
            cross[:, :first] += weighted.sum(0).reshape(-1, 1)
            shares = np.ones(len(y), kind) if self.weights is None else self.weights[rows].astype(kind, copy=False)
            add_squares(squares, first, block, shares, self.weights is not None)

        squares, cross, total = self.summed(add, (self.size, self.size), (self.outputs, self.size), ())
        return [squares, cross if kind is np.float64 else level * cross, total]

    def squares_of(self, index: np.ndarray) -> Curvature:
        """For `mse`: the Hessian in some coefficients alone, by their numbers, that of the intercept first."""
        columns, size = index[self.first :] - self.first, len(index)

        def add(rows: slice, squares: np.ndarray, trace: np.ndarray) -> None:
            block = self.block(rows)
            shares = np.ones(len(block)) if self.weights is None else self.weights[rows]
            trace += np.einsum("ij,ij,i->", block, block, shares)
            add_squares(squares, self.first, block.take(columns, 1), shares, self.weights is not None)

        squares, trace = self.summed(add, (size, size), ())
        curvature = self._curvature(squares, 2.0 / self.entries)
        largest = 2.0 / self.entries * float(trace) + self.penalty_given.curvature
        self.proof = Proof(curvature, index=index, largest=largest)
        return curvature

    def curve(self, prediction: np.ndarray, rows: np.ndarray | None = None) -> None:
        """Measure the Hessian where the predictions are these, on all rows or on some, by their numbers."""
        of_all = rows is None
        some = self if of_all else self.of_rows(rows)
        prediction = prediction if of_all else prediction[rows]
        bend = self.formula.curvature(prediction, some.y)
        weights = None if self.weights is None else self.weights if of_all else self.weights[rows]
        whole = float(len(bend) if weights is None else weights.sum())
        if self.loss.coupled:
            self.model = self._of_softmax(some, bend, weights, whole)
        else:
            self.model = self._of_one(some, bend if weights is None else bend * weights, whole)
        least = self.formula.least(bend)
        least = least if weights is None else (least * weights)[weights > 0.0]
        leverage = self.rows / max(float(least.min()), 1e-300)
        self.proof = Proof(self.model, rows, whole / self.rows, leverage, prediction)

    def _of_one(self, some: TallObjective, shares: np.ndarray, whole: float) -> Curvature:
        """Σ share·aaᵀ over some rows, with the penalty's, in float32 where that has room for it."""

        def squares_in(kind: type[np.floating]) -> np.ndarray:
            each = shares.astype(kind)

            def add(part: slice, squares: np.ndarray) -> None:
                add_squares(squares, self.first, some.block(part, kind), each[part])

            return some.summed(add, (self.size, self.size))[0]

        squares = squares_in(np.float32)
        return self._curvature(squares if _has_room(squares, whole) else squares_in(np.float64), 1.0 / whole)

    def _leverage(self, proof: Proof) -> float:
        """A bound on ‖aᵢ‖²_H⁻¹ of every row; of several classes on ‖(e − e')⊗aᵢ‖²_H⁻¹ of two of them."""
        if not self.loss.coupled:
            return proof.leverage
        some = self if proof.rows is None else self.of_rows(proof.rows)
        return min(proof.leverage, some._of_classes(proof.curvature) / proof.share)

    def _of_classes(self, curvature: Curvature) -> float:
        """At most the same of several classes: a row's length once columns have one size, times the trace of H⁻¹."""
        scale = curvature.sizes.reshape(self.outputs, -1).min(0)

        def add(rows: slice, longest: np.ndarray) -> None:
            np.maximum(longest, ((self.block(rows) / scale[self.first :]) ** 2).sum(1).max(), out=longest)

        length = float(self.summed(add, ())[0]) + float((1.0 / scale[: self.first] ** 2).sum())
        return 2.0 * length * curvature.inverse_trace()

    def _of_softmax(
        self, some: TallObjective, share: np.ndarray, weights: np.ndarray | None, whole: float
    ) -> Curvature:
        """Σ w·(diag(p) − ppᵀ) ⊗ aaᵀ over some rows, `[k·p, k·p]`, with the penalty's.

        To add one vector to all classes changes no probability. Curvature there, in intercepts and without a penalty, fixes it
        at no cost elsewhere.
        """
        k, p, first = self.outputs, self.size, self.first
        hessian = self._products(some, share, weights, np.float32)
        if not _has_room(hessian.reshape(k * p, k * p), len(share)):
            hessian = self._products(some, share, weights, np.float64)
        hessian /= whole
        level = np.einsum("aiai->i", hessian) / k**2
        level[first:] *= self.curvature_of_penalty[first:] == 0.0
        hessian += np.eye(p)[None, :, None] * level[None, :, None, None]
        flat = hessian.reshape(k * p, k * p)
        return Curvature(flat + np.diag(np.tile(self.curvature_of_penalty, k)), 0)

    def _products(
        self, some: TallObjective, share: np.ndarray, weights: np.ndarray | None, kind: type[np.floating]
    ) -> np.ndarray:
        """The sum of `_of_softmax`, `[k, p, k, p]`, with products in a precision."""
        k, p, first = self.outputs, self.size, self.first
        roots = (share if weights is None else share * np.sqrt(weights)[:, None]).astype(kind)

        def add(part: slice, mixed: np.ndarray) -> None:
            block = some.block(part, kind)
            design = np.ones((len(block), p), kind)
            design[:, first:] = block
            wide = (roots[part][:, :, None] * design[:, None, :]).reshape(len(block), -1)
            mixed -= (wide.T @ wide).reshape(k, p, k, p)

        (hessian,) = some.summed(add, (k, p, k, p))
        hessian = 0.5 * (hessian + hessian.transpose(0, 3, 2, 1))  # rounding must not favour any class
        for a in range(k):  # p_a − p_a² is the sum of p_a·p_b over all others
            hessian[a, :, a] = 0.0
            hessian[a, :, a] = -hessian[a].sum(1)
        return hessian

    def _curvature(self, squares: np.ndarray, factor: float) -> Curvature:
        """Of a mean loss, from its sums of squares of which the intercept's column is not filled in yet."""
        if self.first:
            squares[1:, 0] = squares[0, 1:]
        penalty = np.full(len(squares), self.penalty_given.curvature)
        penalty[: self.first] = 0.0
        return Curvature(factor * squares + np.diag(penalty), self.first)

    def learn(self, step: np.ndarray, change: np.ndarray) -> None:
        """Correct the model's Hessian by how a step has changed the gradient."""
        assert self.model is not None
        if change @ step > 0.0:
            self.model = self.model.corrected(step, change)

    def gap_bound(self, theta: np.ndarray) -> float | None:
        """An upper bound on F(θ) − min F, from the gradient and a measured Hessian; None where they prove nothing.

        ½gᵀH⁻¹g for `mse`, where it is the gap itself. A loss whose curvature ℓ'' changes by no more than a factor exp(R·t)
        along t (R = 1 for `logistic` and `cross_entropy`, 2 for `logcosh`) has the Hessian H/(1.2·E) at least wherever
        ‖d‖_H ≤ ρ = 2.4·E·ν, with ν² = gᵀH⁻¹g and E = exp(R·max|fᵢ − fᵢ'|), f' the predictions where H was measured, as long as
        R·ρ·max‖aᵢ‖_H⁻¹ ≤ log 1.2; and ‖aᵢ‖²_H⁻¹ ≤ n/(wᵢℓᵢ''), since no leverage is larger than 1. Then the minimum lies within
        ρ, and the gap is at most 0.6·E·ν². Some rows' Hessian will do, with their share of all weights: the others add to it.
        Source: Bach, Self-concordant analysis for logistic regression (2010), with the Hessian of another θ.
        """
        if self.proof is None:
            return None
        seen, proof = self.at(theta), self.proof
        grad = self.with_penalty(seen.grad.ravel(), seen.theta)
        if proof.index is not None:
            return self._bound_in(proof, proof.index, seen.theta, grad)
        decrement = proof.curvature.newton(grad)[1] / proof.share
        if proof.prediction is None:
            return 0.5 * decrement
        there = seen.prediction if proof.rows is None else seen.prediction[proof.rows]
        away = self.formula.away(there - proof.prediction)
        factor = self.formula.choice.concordance
        rate = float(np.exp(min(factor * away, 50.0)))
        reach = 2.4 * rate * np.sqrt(decrement * self._leverage(proof))
        return 0.6 * rate * decrement if factor * reach <= np.log(1.2) else None

    def _bound_in(self, proof: Proof, index: np.ndarray, theta: np.ndarray, grad: np.ndarray) -> float | None:
        """With an l1 penalty, d the Newton step in the coefficients that are not 0, their signs held: θ + d is the minimum, and
        the gap ½dᵀHd, where no sign changes and all others stay at 0. Their slopes change by √(Hⱼⱼ·dᵀHd) at most."""
        thresholds = self.penalty_given.l1 * (np.arange(len(theta)) >= self.first)
        active = index[(theta[index] != 0.0) | (thresholds[index] == 0.0)]
        left = grad[active] + thresholds[active] * np.sign(theta[active])
        hessian = proof.curvature.hessian[np.ix_(*[np.searchsorted(index, active)] * 2)]
        step = np.linalg.solve(hessian, -left)
        decrement = -float(left @ step)
        held = (thresholds[active] == 0.0) | (np.abs(step) < np.abs(theta[active]))
        others = np.delete(np.abs(grad), active).max(initial=0.0)
        sure = held.all() and others + np.sqrt(proof.largest * max(decrement, 0.0)) <= self.penalty_given.l1
        return 0.5 * max(decrement, 0.0) if sure else None

    def of_nothing(self) -> float:
        """The mean loss of predicting 0."""
        if self.loss.quadratic:
            return (
                float(np.vdot(self.y if self.weights is None else (self.y.T * self.weights).T, self.y)) / self.entries
            )
        each = self.formula.value_and_slope(np.zeros(self.shape), self.y)[0]
        return float(np.mean(each if self.weights is None else (each.T * self.weights).T))

    def slope(self, seen: Pass) -> np.ndarray:
        return seen.grad.ravel()


def _has_room(squares: np.ndarray, count: float) -> bool:
    """Whether sums of so many squares, made in float32, have neither overflowed nor lost digits to numbers near zero."""
    sizes = np.diag(squares) / count
    return bool(((sizes > 1.0 / SINGLE) & (sizes < SINGLE)).all())
