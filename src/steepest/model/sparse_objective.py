"""The linear family on a sparse design: its entries are gone through where they lie, and never written out.

Coordinates are columns of one size, with an intercept around their means: c ↦ θⱼ = cⱼ/sⱼ, b = c₀ − Σ mⱼθⱼ. The means are taken
from the prediction and the gradient and not from the columns, which would fill these:

    f = X·θ + b        ∂F/∂cⱼ = (xⱼ·ℓ'/n − mⱼ·mean ℓ')/sⱼ        ∂F/∂c₀ = mean ℓ'
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, final

import numpy as np

from steepest.data.batching import Batch
from steepest.lazy import Tensor, torch
from steepest.model.loss import Loss
from steepest.model.objective import Objective
from steepest.model.penalties import Penalty


@final
class SparseObjective(Objective):
    """F of a sparse X `[n, d]`, a `csr_array`: θ `[k·p]`, p = d + 1 where there is an intercept, as a tensor of PyTorch's.

    target: `[n]` or `[n, m]`, as the loss takes it. weights: `[n]` of mean 1, or None. scaled: whether its coordinates are
    columns of one size, or the user's own. start: θ₀ in user units.
    """

    def __init__(
        self, x: Any, target: np.ndarray, loss: Loss, penalty: Penalty, intercept: bool,
        weights: np.ndarray | None, outputs: int, scaled: bool, start: np.ndarray | None, names: tuple[str, ...],
    ):  # fmt: skip
        self.x, self.loss, self.outputs, self.first = x, loss, outputs, int(intercept)
        self.transposed = x.T.tocsr()
        self.target = torch.as_tensor(target)
        self.weights = None if weights is None else torch.as_tensor(weights)
        self.rows, self.width = x.shape[0], x.shape[1] + self.first
        self.names, self.penalty_given = names, penalty
        self.mean, self.size = self._columns() if scaled else (np.zeros(x.shape[1]), np.ones(x.shape[1]))
        first = np.zeros(outputs * self.width) if start is None else np.asarray(start, dtype=np.float64)
        self.theta = torch.from_numpy(self.from_user(first))
        if penalty:
            free = np.zeros((outputs, self.width))
            free[:, self.first :] = 1.0 / self.size
            self.penalty_term, self.kinked = (
                penalty.at(torch.from_numpy(free.ravel()), outputs=outputs),
                penalty.l1 > 0.0,
            )
            self.proximal = self.penalty_term.proximal if self.kinked else None

    def _columns(self) -> tuple[np.ndarray, np.ndarray]:
        """The mean and the size of each column, the rows weighted; 1 for a column of nothing."""
        share = np.full(self.rows, 1.0 / self.rows) if self.weights is None else self.weights.numpy() / self.rows
        mean = self.transposed @ share if self.first else np.zeros(self.x.shape[1])
        square = self.transposed.power(2) @ share - mean**2
        size = np.sqrt(np.maximum(square, 0.0))
        whole = np.sqrt(np.maximum(square + mean**2, 0.0))
        return mean, np.where(size > 1e-8 * whole, size, np.where(whole > 0.0, whole, 1.0))

    # ---- coordinates -------------------------------------------------------------------------------

    def to_user(self, c: np.ndarray) -> np.ndarray:
        """c `[..., k·p]` → θ `[..., k·p]` in user units."""
        parts = np.array(c, dtype=np.float64).reshape(*np.shape(c)[:-1], self.outputs, self.width)
        parts[..., self.first :] /= self.size
        if self.first:
            parts[..., 0] -= parts[..., 1:] @ self.mean
        return parts.reshape(np.shape(c))

    def from_user(self, theta: np.ndarray) -> np.ndarray:
        """θ `[k·p]` in user units → c."""
        parts = np.array(theta, dtype=np.float64).reshape(self.outputs, self.width)
        if self.first:
            parts[:, 0] += parts[:, 1:] @ self.mean
        parts[:, self.first :] *= self.size
        return parts.ravel()

    def predict(self, c: np.ndarray, rows: Any = None) -> np.ndarray:
        """f `[n, k]` at c `[k·p]`, of which it is linear."""
        parts = self.to_user(c).reshape(self.outputs, self.width)
        x = self.x if rows is None else self.x[rows]
        found = np.asarray(x @ parts[:, self.first :].T)
        return found + parts[:, 0] if self.first else found

    def pulled(self, slopes: np.ndarray, rows: Any = None) -> np.ndarray:
        """The gradient `[k·p]` in c of Σ slopesᵢ·fᵢ/n, of slopes `[n, k]`."""
        columns = self.transposed if rows is None else self.x[rows].T
        grad = np.empty((self.outputs, self.width))
        whole = slopes.sum(0)
        grad[:, self.first :] = (np.asarray(columns @ slopes).T - np.outer(whole, self.mean)) / self.size
        if self.first:
            grad[:, 0] = whole
        return grad.ravel() / len(slopes)

    # ---- the objective of the loop -----------------------------------------------------------------

    def value_and_grad(self, theta: Tensor, batch: Batch | None = None) -> tuple[Tensor, Tensor]:
        given = None if batch is None else batch.rows
        rows = given.numpy() if isinstance(given, Tensor) else given
        value, slopes = self.loss_and_slopes(theta, rows)
        return value, self.with_penalty(torch.from_numpy(self.pulled(slopes, rows)), theta)

    def value(self, theta: Tensor) -> Tensor:
        return self.loss.mean(self.shaped(self.predict(theta.numpy())), self.target, self.weights)

    def loss_and_slopes(self, theta: Tensor, rows: Any = None) -> tuple[Tensor, np.ndarray]:
        """The mean loss of some rows, and its slopes in the predictions `[n, k]`, weighted."""
        target, weights = self.target, self.weights
        if rows is not None:
            target, weights = target[rows], None if weights is None else weights[rows]
        prediction = self.shaped(self.predict(theta.numpy(), rows))
        slopes = self.loss.slope(prediction, target).reshape(len(target), -1)
        slopes = slopes if weights is None else slopes * weights[:, None]
        return self.loss.mean(prediction, target, weights), slopes.numpy()

    def shaped(self, prediction: np.ndarray) -> Tensor:
        """Predictions `[n, k]` as the loss takes them: `[n]` of one output."""
        return torch.from_numpy(prediction[:, 0] if self.outputs == 1 else prediction)

    def _bends(self, prediction: Tensor) -> Tensor:
        """∂²ℓ/∂f² of each row, or where that may vanish the curvature of a parabola above ℓ."""
        bend = self.loss.curvature(prediction, self.target)
        if self.loss.reach is None:
            return bend
        residual = prediction - self.target
        touching = self.loss.slope(prediction, self.target) / torch.where(residual == 0.0, 1.0, residual)
        return torch.where(residual == 0.0, bend, touching)

    # ---- other rows, curvature ---------------------------------------------------------------------

    def on(self, x: Any, target: np.ndarray, weights: np.ndarray | None) -> SparseObjective:
        """The mean loss on other rows, in the same coordinates, without penalty."""
        other = copy.copy(self)
        other.x, other.transposed, other.rows = x, x.T.tocsr(), x.shape[0]
        other.target, other.penalty_given, other.penalty_term = torch.as_tensor(target), Penalty(), None
        other.weights = None if weights is None else torch.as_tensor(weights)
        return other

    def of_one_output(self) -> SparseObjective:
        """Its rows and coordinates for one output alone: what predicts, and what pulls."""
        other = copy.copy(self)
        other.outputs = 1
        return other

    def of_nothing(self) -> float:
        nothing = self.shaped(np.zeros((self.rows, self.outputs)))
        return float(self.loss.mean(nothing, self.target, self.weights))

    def hessian_product(self, theta: Tensor) -> tuple[Callable[[np.ndarray], np.ndarray], np.ndarray]:
        """v ↦ ∇²F(θ)·v, the kink of the penalty left out, and its diagonal `[k·p]`.

        A loss that is linear far out has no curvature there; ℓ'(r)/r in its place is the curvature of a parabola that touches the
        loss at r and lies above it (Huber, Robust Statistics, 1981, 7.8).
        """
        prediction = self.shaped(self.predict(theta.numpy()))
        bend = self._bends(prediction)
        if self.weights is not None:
            bend = bend * self.weights.view(-1, *[1] * (bend.ndim - 1))
        bends = bend.numpy()
        ridge = np.zeros((self.outputs, self.width))
        ridge[:, self.first :] = self.penalty_given.curvature / self.size**2
        coupled = bends.ndim == 3
        each = np.diagonal(bends, axis1=1, axis2=2) if coupled else bends.reshape(len(bends), -1)

        def product(vector: np.ndarray) -> np.ndarray:
            moved = self.predict(vector)
            turned = np.einsum("nij,nj->ni", bends, moved) if coupled else each * moved
            return self.pulled(turned) + ridge.ravel() * vector

        squares = np.asarray(self.transposed.power(2) @ each).T
        crossed = np.asarray(self.transposed @ each).T
        diagonal = np.empty((self.outputs, self.width))
        whole = each.sum(0)[:, None]
        diagonal[:, self.first :] = (squares - 2.0 * self.mean * crossed + self.mean**2 * whole) / self.size**2
        diagonal[:, : self.first] = whole
        return product, (diagonal / self.rows + ridge).ravel()
