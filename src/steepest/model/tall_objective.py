"""The linear family on a tall table: the rows are gone through where they lie, block by block, and never copied.

    f = c₀ + (x − s)·θ        s near the mean of a column that lies far from zero beside its spread, else 0

One pass gives the loss, its gradient and the predictions at θ; one more the curvature, which for `mse` is the same at
every θ, so that the pass which makes it gives the first loss and gradient too. What a step leaves over is measured on the
rows themselves, not on sums of squares: so the digits do not suffer, and the last gradient proves how far the minimum is.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from steepest.checkpoints.tree import like
from steepest.model import row_parts, tall_bounds
from steepest.model.loss import Loss
from steepest.model.numpy_losses import numpy_formula
from steepest.model.objective import WholeObjective
from steepest.model.penalties import Penalty
from steepest.model.tall_classes import curvature_of_classes
from steepest.model.tall_curvature import Curvature, Proof, add_squares, has_room
from steepest.model.tall_rows import TallRows

NEAR = 4e-26
"""Part of the loss by which a step may change it, to second order, and need no further pass: the predictions stay as they
are to 13 digits of the residuals."""

CLOSE = 1e-12
"""Part of the loss by which a step may change it, and its predictions be multiplied in float32: they have these digits too."""

COPIED = 2**24
"""Entries of a table in float64 up to which it is copied for passes in float32: 64 MB."""

SINGLE_ROWS = 2_048
"""Rows whose products are added up in float32, before float64 goes on."""


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
    lies far from zero. kind: the precision of a pass; y, weights and offset have it too. offset: `[n]`, added to fᵢ, for a loss
    that does not look at yᵢ − fᵢ, or None.

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
        kind: type[np.floating] = np.float64,
        offset: np.ndarray | None = None,
    ):
        self.x, self.y, self.weights, self.penalty_given, self.kind, self.offset = x, y, weights, penalty, kind, offset
        self.loss, self.names, self.first, self.rows = loss, names, int(intercept), len(x)
        self.formula = numpy_formula(loss)
        self.outputs = outputs or (y.shape[1] if y.ndim == 2 else 1)
        self.shape = (len(x), self.outputs) if self.outputs > 1 else (len(x),)
        self.entries = y.size  # by which sums become means
        self.size = x.shape[1] + self.first
        few = loss.coupled or (x.dtype == np.float32 and loss.quadratic and not penalty.l1)
        self.table = TallRows(x, intercept and not near, few)
        self.block, self.summed, self.shift = self.table.block, self.table.summed, self.table.shift
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
        self.single = False  # whether the Hessian is of sums in float32
        self.copied: TallRows | None = None  # in float32, while the descent goes on
        if loss.quadratic and not penalty.l1:  # which few columns may take part in
            self._squares()

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

    def of_rows(self, rows: np.ndarray) -> TallObjective:
        """The same of some rows, by their numbers."""
        weights, offset = (None if one is None else one[rows] for one in (self.weights, self.offset))
        weights = None if weights is None else weights / max(weights.mean(), 1e-30)
        x = (self.x[rows] if self.shift is None else self.x[rows] - self.shift).astype(self.kind, copy=False)
        given = self.loss, self.penalty_given, bool(self.first), weights, self.names
        return TallObjective(x, self.y[rows], *given, outputs=self.outputs, near=True, kind=self.kind, offset=offset)

    def in_single(self) -> TallObjective:
        """The same with passes in float32, of which nothing is known yet."""
        single = copy(self)
        single.kind, single.seen, single.model, single.proof, single.lowest = np.float32, None, None, None, np.inf
        single.y = self.y if self.loss.coupled else self.y.astype(np.float32)
        single.weights, single.offset = (
            None if one is None else one.astype(np.float32) for one in (self.weights, self.offset)
        )
        if self.x.dtype == np.float64 and self.x.size <= COPIED:
            self.copied = single.table = self.table.in_single()
            single.x, single.shift = single.table.x, None
            single.block, single.summed = single.table.block, single.table.summed
        return single

    # ---- passes ------------------------------------------------------------------------------------

    def at(self, theta: np.ndarray) -> Pass:
        """The loss and its gradient at θ: from the last pass where θ has hardly moved since, else from a new one."""
        seen = self.seen
        if seen is not None:
            moved = theta - seen.theta
            if not moved.any():
                return seen
            change = np.inf if self.model is None else self.model.moved(moved)
            least = min(seen.loss, self.lowest)
            if change <= NEAR * least:
                return seen
            if change <= CLOSE * least and self._sure(change, least):
                self.seen = self._carried(seen, theta, moved)
                return self.seen
        self.seen = self._measured(theta)
        self.lowest = min(self.lowest, self.seen.loss)
        return self.seen

    def _parts(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Coefficients `[d]` and intercept; of several outputs `[d, k]` and `[k]`."""
        parts = theta.reshape(self.outputs, -1)
        coefficients, intercept = parts[:, self.first :].T, parts[:, : self.first].sum(1)
        return (coefficients[:, 0], intercept[0]) if self.outputs == 1 else (coefficients, intercept)

    def _sure(self, change: float, least: float) -> bool:
        """Whether a gradient carried on by the Hessian Ĥ, which is off by a part ε, still proves the gap to rounding: after a
        step d that is ε²·½dᵀHd.

        For `mse` a sum of m products in float32 is off by (m + 8)·2⁻²⁴ of the columns' sizes at most, so Ĥ, of p columns of
        one size, by ε = p·(m + 8)·2⁻²⁴·‖Ĥ⁻¹‖. m are the rows of a block. The Hessian of a loss with a concordance is within a
        factor E of Ĥ (`tall_bounds.py`), where Ĥ is of all rows: ε = E² − 1. So is θ, which only the last step may be.
        """
        if self.model is None:
            return False
        eps = float(np.finfo(np.float64).eps)
        if self.loss.quadratic:
            off = self.size * (min(SINGLE_ROWS, row_parts.BLOCK // self.size) + 8) * 2.0**-24
            return self.single and change * (off * self.model.inverse_norm()) ** 2 <= eps * least
        seen, proof = self.seen, self.proof
        factor = 0.0 if self.loss.coupled else self.formula.choice.concordance
        if not factor or change > 4.0 * eps * least or seen is None or proof is None or proof.rows is not None:
            return False
        away = self.formula.away(seen.prediction - proof.prediction) + np.sqrt(2.0 * change * proof.leverage)
        off = np.expm1(min(2.0 * factor * away, 50.0))
        return change * off**2 <= eps * least

    def _carried(self, seen: Pass, theta: np.ndarray, moved: np.ndarray) -> Pass:
        """The pass at a θ near that of the last one, by its change, whose products float32 has the digits for."""
        assert self.model is not None
        level = float(np.abs(moved).max())
        coefficients, intercept = self._parts(moved / level)
        prediction, table = np.empty(self.shape, order="F"), self.copied or self.table
        left = self.shift if self.x.dtype == np.float32 and self.table.mild else None
        coefficients = coefficients.astype(np.float32)
        intercept = intercept if left is None else intercept - left @ coefficients

        def add(rows: slice) -> None:
            change = (coefficients.T @ table.block(rows, np.float32, shifted=left is None).T).T + intercept
            prediction[rows] = seen.prediction[rows] + level * change

        self.summed(add, alone=row_parts.ALONE_ONCE // self.outputs)
        parts = moved.reshape(self.outputs, -1)
        bent = parts @ self.model.hessian - parts * self.curvature_of_penalty
        loss = seen.loss + float(np.vdot(seen.grad + 0.5 * bent, parts))
        return Pass(theta.copy(), loss, seen.grad + bent, prediction)

    def _measured(self, theta: np.ndarray) -> Pass:
        coefficients, intercept = self._parts(theta.astype(self.kind))
        prediction, moved, first = np.empty(self.shape, self.kind, order="F"), bool(theta.any()), self.first
        left = self.shift if self.loss.quadratic and self.table.mild else None  # of all rows at once
        if left is not None:
            intercept = intercept - left @ coefficients

        def add(rows: slice, loss: np.ndarray, grad: np.ndarray) -> None:
            block = self.block(rows, self.kind, shifted=left is None)
            # outputs lie one after another, so that what is done to each row is done to many at once
            f = (
                (coefficients.T @ block.T).T + intercept
                if moved
                else np.zeros((len(block), *self.shape[1:]), self.kind, order="F")
            )
            f = f if self.offset is None else f + self.offset[rows]
            each, slope = self.formula.value_and_slope(f, self.y[rows])
            if self.weights is not None:
                share = self.weights[rows]
                each, slope = (each.T * share).T, (slope.T * share).T
            prediction[rows] = f
            loss += each.sum()
            grad[:, first:] += slope.T @ block
            grad[:, :first] += slope.sum(0).reshape(-1, 1)

        loss, grad = self.summed(add, (), (self.outputs, self.size), alone=row_parts.ALONE_ONCE // self.outputs)
        if left is not None:
            grad[:, first:] -= grad[:, :first] * left
        return Pass(theta.copy(), float(loss) / self.entries, grad / self.entries, prediction)

    def _squares(self) -> None:
        """For `mse`: the Hessian, and the loss and gradient where all predictions are 0, in one pass.

        In float32 where the columns are given so: the first step is off by some digits then, and the second is not.
        """
        squares, cross, total = self._sums(self.x.dtype.type)
        self.single = self.x.dtype == np.float32 and has_room(squares[self.first :, self.first :], self.rows)
        if self.x.dtype == np.float32 and not self.single:
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
            lines = np.ones((1 + self.outputs, len(y)), kind)  # the shares of the rows, and their targets
            lines[1:] = weighted.T if kind is np.float64 else weighted.T / level
            if self.weights is not None:
                lines[0] = self.weights[rows]
            sums = lines @ block
            cross[:, first:] += sums[1:]
            cross[:, :first] += lines[1:].sum(1).reshape(-1, 1)
            add_squares(squares, first, block, lines[0], self.weights is not None, sums[0])

        most = row_parts.BLOCK if kind is np.float64 else SINGLE_ROWS
        squares, cross, total = self.summed(add, (self.size, self.size), (self.outputs, self.size), (), most=most)
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
            self.model = curvature_of_classes(some.table, self.first, bend, weights, whole, self.curvature_of_penalty)
        else:
            self.model = self._of_one(some, bend if weights is None else bend * weights, whole)
        least = self.formula.least(bend)
        least = least if weights is None else (least * weights)[weights > 0.0]
        least = least[least > 0.0] if self.formula.choice.pieces else least
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
        return self._curvature(squares if has_room(squares, whole) else squares_in(np.float64), 1.0 / whole)

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
        """An upper bound on F(θ) − min F; None where nothing proves one (`tall_bounds.py`)."""
        return None if self.proof is None else tall_bounds.gap_bound(self, self.at(theta), self.proof)

    def of_nothing(self) -> float:
        if not self.theta.any():  # as the descent does at its start
            return self.at(self.theta).loss
        if self.loss.quadratic:
            return (
                float(np.vdot(self.y if self.weights is None else (self.y.T * self.weights).T, self.y)) / self.entries
            )
        zero = np.zeros(self.shape) if self.offset is None else self.offset
        each = self.formula.value_and_slope(zero, self.y)[0]
        return float(np.mean(each if self.weights is None else (each.T * self.weights).T))

    def slope(self, seen: Pass) -> np.ndarray:
        return seen.grad.ravel()

    def state(self) -> dict[str, Any]:
        """The last pass, the Hessian in use, and that which proves the gap; what is found again at any θ is not among them."""
        return {
            "seen": None if self.seen is None else vars(self.seen),
            "model": None if self.model is None else self.model.state(),
            "proof": None if self.proof is None else self.proof.state(),
        }

    def take_up(self, state: Any) -> None:
        given = like({"seen": None, "model": None, "proof": None}, state, "objective")
        size, width = self.size * (self.outputs if self.loss.coupled else 1), len(self.theta)
        grad = np.zeros((self.outputs, self.size))
        seen = {"theta": self.theta, "loss": 0.0, "grad": grad, "prediction": np.zeros(self.shape)}
        self.seen = None if given["seen"] is None else Pass(**like(seen, given["seen"], "objective.seen"))
        self.model = None if given["model"] is None else Curvature.of_state(given["model"], size, width)
        self.proof = None if given["proof"] is None else Proof.of_state(given["proof"], size, width, self.rows)
