"""The linear family on a stream: a pass over the rows gives the loss, its gradient and its curvature at θ, block by block.

    f = c₀ + (z − s)·T·c        z the columns of the design, s their means over some rows, T the identity

What a step leaves over is measured on the rows themselves, as on a tall table in memory (`tall_objective.py`). Where columns
depend on one another so nearly that squares of them lose too many digits, T is a basis in which they are orthonormal
(`stream_basis.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np

from steepest.checkpoints.tree import like
from steepest.data.dataset import Dataset
from steepest.data.streams import Block, Stream
from steepest.model import row_parts
from steepest.model.linear import Terms
from steepest.model.loss import Loss
from steepest.model.numpy_losses import numpy_formula
from steepest.model.objective import WholeObjective
from steepest.model.penalties import Penalty
from steepest.model.tall_classes import of_products, subtract_products, with_own
from steepest.model.tall_curvature import Curvature, add_squares
from steepest.model.tally import Tally, tallied


@dataclass(frozen=True)
class StreamPass:
    """What a pass gives at θ: the mean loss, its gradient and curvature, the least curvature of a row, and how good it is on the
    training rows and on those held out."""

    theta: np.ndarray
    loss: float
    grad: np.ndarray
    curvature: Curvature
    least: float
    train: Tally | None
    test: Tally | None


@final
class StreamObjective(WholeObjective):
    """F(θ) = (1/n) Σ wᵢ·ℓ(fᵢ, yᵢ) + l2·Σθ² over the rows of a stream, of a loss with a curvature.

    sample: some of its rows. basis: T `[d, r]`, or None.

    Raises:
        IllConditioned: where a curvature loses its digits, when it is measured.
    """

    extended = False

    def __init__(
        self,
        stream: Stream,
        sample: Dataset,
        terms: Terms,
        loss: Loss,
        penalty: Penalty,
        names: tuple[str, ...],
        start: np.ndarray | None = None,
        outputs: int = 1,
        basis: np.ndarray | None = None,
    ):
        self.stream, self.sample, self.terms, self.loss, self.names = stream, sample, terms, loss, names
        self.penalty_given, self.outputs, self.basis = penalty, outputs, basis
        self.formula = numpy_formula(loss)
        self.rows, self.first = stream.rows, int(terms.intercept)
        self.entries = stream.rows * (1 if loss.coupled else outputs)
        design = terms.design(sample.x)[:, self.first :]
        self.shift = design.mean(0) if self.first else np.zeros(design.shape[1])
        self.wide = self.first + len(self.shift)
        self.size = self.wide if basis is None else self.first + basis.shape[1]
        free = np.ones((outputs, self.wide))
        free[:, : self.first] = 0.0
        if penalty:
            self.penalty_term = penalty.at(free.ravel(), self._matrix(), outputs=outputs)
        self.theta = self.from_user(np.zeros(free.size) if start is None else start)
        self.seen: StreamPass | None = None
        self.passes = 0
        plain = terms.degree == 1 and basis is None and not self.theta.any()
        self.summed = loss.quadratic and stream.sums is not None and plain

    # ---- coordinates -------------------------------------------------------------------------------

    def _matrix(self) -> np.ndarray | None:
        """M `[p, r]` with θ = M·c but for the intercept, which no penalty looks at; None is the identity."""
        if self.basis is None:
            return None
        matrix = np.zeros((self.wide, self.size))
        matrix[: self.first, : self.first] = 1.0
        matrix[self.first :, self.first :] = self.basis
        return matrix

    def from_user(self, theta: np.ndarray) -> np.ndarray:
        """θ `[k·p]` in user units → c."""
        parts = np.array(theta, dtype=np.float64).reshape(self.outputs, -1)
        slopes = parts[:, self.first :]
        intercept = parts[:, : self.first] + (slopes @ self.shift)[:, None] * self.first
        inner = slopes if self.basis is None else slopes @ np.linalg.pinv(self.basis).T
        return np.hstack([intercept, inner]).ravel()

    def to_user(self, c: np.ndarray) -> np.ndarray:
        """c `[..., k·r]` → θ in user units."""
        parts = np.asarray(c, dtype=np.float64).reshape(*c.shape[:-1], self.outputs, self.size)
        slopes = parts[..., self.first :]
        slopes = slopes if self.basis is None else slopes @ self.basis.T
        intercept = parts[..., : self.first] - (slopes @ self.shift)[..., None] * self.first
        return np.concatenate([intercept, slopes], axis=-1).reshape(*c.shape[:-1], -1)

    def gradient_to_user(self, grad: np.ndarray) -> np.ndarray:
        """∂F/∂c `[k·p]` → ∂F/∂θ, of the plain columns: c₀ is θ₀ + s·θ."""
        parts = grad.reshape(self.outputs, -1).copy()
        parts[:, self.first :] += parts[:, : self.first].sum(1)[:, None] * self.shift * self.first
        return parts.ravel()

    def columns(self, x: np.ndarray) -> np.ndarray:
        """The columns (z − s)·T of some rows, without that of the intercept."""
        return self.plain(x) if self.basis is None else self.plain(x) @ self.basis

    def plain(self, x: np.ndarray) -> np.ndarray:
        """The columns z − s of some rows."""
        as_they_are = self.terms.degree == 1 and not self.terms.centre
        return (x if as_they_are else self.terms.design(x)[:, self.first :]) - self.shift

    def predicted(self, columns: np.ndarray, c: np.ndarray) -> np.ndarray:
        """f of some rows: `[m]`, or `[m, k]`."""
        parts = c.reshape(self.outputs, -1)
        if self.outputs == 1:
            return columns @ parts[0, self.first :] + parts[0, : self.first].sum()
        return (parts[:, self.first :] @ columns.T).T + parts[:, : self.first].sum(1)

    # ---- passes ------------------------------------------------------------------------------------

    def at(self, theta: np.ndarray) -> StreamPass:
        """The loss, its gradient and its curvature at θ: from the last pass, or from a new one."""
        if self.seen is None and self.summed and not theta.any():
            self.seen = self._of_sums()
        if self.seen is None or not np.array_equal(self.seen.theta, theta):
            self.seen = self._measured(np.array(theta))
        return self.seen

    @property
    def is_scored(self) -> bool:
        """Whether how good it is at the objective's own θ is known without a pass."""
        seen = self.seen
        return seen is not None and seen.train is not None and np.array_equal(seen.theta, self.theta)

    def scored(self) -> StreamPass:
        """What is known at the objective's own θ, with how good it is: a pass more where the last one was of sums alone."""
        if self.at(self.theta).train is None:
            self.seen = self._measured(self.theta.copy())
        return self.at(self.theta)

    def state(self) -> dict[str, Any]:
        """What the last pass gave, but for how good it is, which the last pass of all measures again."""
        seen = self.at(self.theta)
        kept = {"theta": seen.theta, "loss": seen.loss, "grad": seen.grad, "least": float(seen.least)}
        return kept | {"curvature": seen.curvature.state()}

    def take_up(self, state: Any) -> None:
        line = np.zeros(len(self.theta))
        given = like({"theta": line, "loss": 0.0, "grad": line, "least": 0.0, "curvature": None}, state, "pass")
        size = self.size * (self.outputs if self.loss.coupled else 1)
        curvature = Curvature.of_state(given.pop("curvature"), size, len(line))
        self.seen = StreamPass(**given, curvature=curvature, train=None, test=None)

    def _measured(self, theta: np.ndarray) -> StreamPass:
        k, r = self.outputs, self.size
        bend = (k, r, k, r) if self.loss.coupled else (r, r)
        fixed = self.loss.quadratic and self.seen is not None
        shapes: list[tuple[int, ...]] = [(), (k, r), *([] if fixed else [bend])]
        train, test = self._tally(), self._tally()

        def add(sums: list[np.ndarray], train: Tally, test: Tally, block: Block, held: Block | None) -> None:
            found, smallest = self._of_block(theta, block, shapes, train)
            for one, more in zip(sums, [*found, None], strict=True):
                one[...] = np.minimum(one, smallest) if more is None else one + more
            if held is not None:
                self._judge(theta, held, test)

        start = [*map(np.zeros, shapes), np.array(np.inf)]
        with np.errstate(all="ignore"):  # what diverges overflows
            *total, least = tallied(self.stream, train, test, add, start, [*[np.add] * len(shapes), np.minimum])
        self.passes += 1
        grad = total[1] / self.entries
        curvature = self.seen.curvature if fixed and self.seen else self._curvature(total[2])
        tested = test if self.stream.test_rows else None
        return StreamPass(theta, float(total[0]) / self.entries, grad.ravel(), curvature, float(least), train, tested)

    def _tally(self) -> Tally:
        classes = self.stream.schema.classes
        origin = np.zeros(0) if classes else np.atleast_1d(self.sample.y.mean(0))
        return Tally(self.loss, len(classes or ()), origin, self.stream.mean_weight)

    def _of_block(
        self, theta: np.ndarray, block: Block, shapes: list[tuple[int, ...]], tally: Tally
    ) -> tuple[list[np.ndarray], float]:
        """The sums of a block's rows, and the least curvature of one; what it predicts is tallied."""
        rows = len(block.x)
        prediction = np.empty((rows, self.outputs) if self.outputs > 1 else rows, order="F")
        weights = None if block.weights is None else block.weights / self.stream.mean_weight
        y = block.y.astype(np.float64) if self.loss.binary else block.y
        leasts: list[float] = []

        def add(part: slice, loss: np.ndarray, grad: np.ndarray, *bend: np.ndarray) -> None:
            columns = self.columns(block.x[part])
            f = self.predicted(columns, theta)
            prediction[part] = f
            each, slope = self.formula.value_and_slope(f, y[part])
            share = None if weights is None else weights[part]
            if share is not None:
                each, slope = (each.T * share).T, (slope.T * share).T
            loss += each.sum()
            grad[:, self.first :] += slope.T @ columns
            grad[:, : self.first] += slope.sum(0).reshape(-1, 1)
            if bend:
                leasts.append(self._bent(bend[0], columns, f, y[part], share))

        sums = row_parts.summed(rows, max(self.size, 1), shapes, add)
        tally.add(block, prediction)
        return sums, min(leasts, default=np.inf)

    def _bent(
        self, total: np.ndarray, columns: np.ndarray, f: np.ndarray, y: np.ndarray, share: np.ndarray | None
    ) -> float:
        """Add the curvature of some rows to the sums; the least one of a row."""
        if self.loss.quadratic:
            add_squares(
                total, self.first, columns, np.ones(len(columns)) if share is None else share, share is not None
            )
            return 1.0
        bend = self.formula.curvature(f, y)
        least = self.formula.least(bend)
        if self.loss.coupled:
            subtract_products(total, self.first, columns, bend if share is None else bend * np.sqrt(share)[:, None])
        else:
            add_squares(total, self.first, columns, bend if share is None else bend * share)
        least = least if share is None else (least * share)[share > 0.0]
        return float(least.min()) if least.size else np.inf

    def _curvature(self, squares: np.ndarray) -> Curvature:
        """Of the mean loss and the penalty, from sums over all rows."""
        term = self.penalty_term
        penalty = np.zeros((self.size, self.size)) if term is None else np.asarray(term.hessian())
        if self.loss.coupled:
            return of_products(with_own(squares) / self.rows, penalty, self.first)
        if self.first:
            squares[1:, 0] = squares[0, 1:]
        return Curvature((2.0 if self.loss.quadratic else 1.0) / self.entries * squares + penalty, self.first)

    def _of_sums(self) -> StreamPass:
        """`mse` where all predictions are 0, from the sums of the first pass."""
        sums, first, k, n = self.stream.sums, self.first, self.outputs, self.rows
        assert sums is not None
        d = len(self.shift)
        moved = sums.origin - np.concatenate([self.shift, np.zeros(k)])
        total = sums.total + n * moved
        squares = sums.squares + np.outer(moved, sums.total) + np.outer(sums.total, moved) + n * np.outer(moved, moved)
        whole = np.zeros((self.size, self.size))
        whole[first:, first:] = squares[:d, :d]
        cross = np.zeros((k, self.size))
        cross[:, first:] = squares[d:, :d]
        if first:
            whole[0, 0], whole[0, 1:], cross[:, 0] = n, total[:d], total[d:]
        square = float(np.trace(squares[d:, d:]))
        grad = (-2.0 / self.entries * cross).ravel()
        return StreamPass(self.theta.copy(), square / self.entries, grad, self._curvature(whole), 1.0, None, None)

    def _judge(self, theta: np.ndarray, block: Block, tally: Tally) -> None:
        tally.add(block, self.predicted(self.columns(block.x), theta))

    # ---- the objective of the loop -------------------------------------------------------------------

    def gap_bound(self, theta: np.ndarray) -> float | None:
        """An upper bound on F(θ) − min F, as `TallObjective.gap_bound` proves it, with the curvature at θ itself."""
        seen = self.at(theta)
        decrement = seen.curvature.newton(self.with_penalty(seen.grad, theta))[1]
        if self.loss.quadratic:
            return 0.5 * decrement
        factor = self.formula.choice.concordance
        if not factor:
            return None
        reach = factor * 2.4 * np.sqrt(decrement * self.rows / max(seen.least, 1e-300))
        return 0.6 * decrement if reach <= np.log(1.2) else None

    def of_nothing(self) -> float:
        """The mean loss of predicting 0, on some rows."""
        y = self.sample.y.astype(np.float64) if self.loss.binary else self.sample.y
        zero = np.zeros((len(y), self.outputs) if self.outputs > 1 else len(y))
        return float(np.mean(self.formula.value_and_slope(zero, y)[0]))

    def slope(self, seen: StreamPass) -> np.ndarray:
        return seen.grad
