"""The linear family's objective in closed form, and the same with 32 digits for the last steps."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, final

import numpy as np

from steepest.data.batching import Batch
from steepest.errors import FitError
from steepest.lazy import Tensor, torch
from steepest.model import double_double
from steepest.model.linear import LinearProblem
from steepest.model.objective import Objective
from steepest.model.preconditioners import Coordinates
from steepest.ranks.group import current
from steepest.ranks.tree import tree


@final
class LinearObjective(Objective):
    """The linear family in closed form, in user units or in other coordinates: f = offset + basis·c."""

    def __init__(
        self,
        problem: LinearProblem,
        names: tuple[str, ...] = (),
        coordinates: Coordinates | None = None,
        start: np.ndarray | None = None,
        dtype: torch.dtype | None = None,
        device: str = "cpu",
    ):
        dtype = torch.float64 if dtype is None else dtype
        numbers = torch.empty(0, dtype=dtype).numpy().dtype

        def tensor(array: np.ndarray) -> Tensor:
            # converted by NumPy, which asks for large pages of memory: rows in random order are read far sooner there
            kind = array.dtype if array.dtype == np.int64 else numbers
            return torch.as_tensor(np.require(array, kind, "W"), device=device)

        basis = problem.design if coordinates is None else coordinates.basis
        first = np.zeros(problem.parameters) if start is None else np.asarray(start, dtype=np.float64)
        self.problem, self.coordinates = problem, coordinates
        self.loss, self.outputs = problem.loss, problem.outputs
        self.basis, self.target = tensor(basis), tensor(problem.target)
        self.weights = None if problem.weights is None else tensor(problem.weights)
        self.rows = basis.shape[0]
        self.names = names or tuple(f"theta{i}" for i in range(problem.parameters))
        shape = (self.rows, self.outputs) if self.outputs > 1 else (self.rows,)
        fixed = (
            None
            if problem.offset is None
            else np.broadcast_to(problem.offset.reshape(self.rows, -1), (self.rows, self.outputs)).reshape(shape)
        )
        self.offset = None if fixed is None else tensor(fixed)
        origin = None
        if coordinates is None:
            self.theta = tensor(first).clone()
        else:
            self.theta = torch.zeros(self.outputs * coordinates.rank, dtype=dtype, device=device)
            if first.any():
                offset = (problem.design @ first.reshape(self.outputs, -1).T).reshape(shape)
                self.offset = tensor(offset if fixed is None else offset + fixed)
                origin = tensor(first)
        self.origin = first
        if problem.penalty:
            matrix = None if coordinates is None else tensor(coordinates.matrix)
            self.penalty_term = problem.penalty.at(tensor(problem.penalised), matrix, origin, self.outputs)
            self.kinked = problem.penalty.kinked
            if self.kinked and (coordinates is None or coordinates.name != "orthonormal"):
                self.proximal = self.penalty_term.proximal
            if problem.penalty.bounds is not None and self.proximal is not None:
                self.proximal(self.theta, 0.0)  # a start within the bounds

    def to_user(self, c: np.ndarray) -> np.ndarray:
        """c `[..., k·r]` → θ `[..., k·p]` in user units."""
        return c if self.coordinates is None else self.origin + self.coordinates.to_user(c)

    def predict(self, theta: Tensor, rows: Tensor | slice | None = None) -> Tensor:
        """f `[..., n]`, or `[..., n, k]` for k outputs."""
        if rows is None:
            return self.predicted(theta, self.basis, self.offset)
        return self.predicted(theta, self.basis[rows], None if self.offset is None else self.offset[rows])

    def predicted(self, theta: Tensor, basis: Tensor, offset: Tensor | None) -> Tensor:
        """f `[..., n]`, or `[..., n, k]`, of rows that are given."""
        one = self.outputs == 1
        found = theta @ basis.T if one else (theta.unflatten(-1, (self.outputs, -1)) @ basis.T).transpose(-1, -2)
        return found if offset is None else found + offset

    def value_and_grad(self, theta: Tensor, batch: Batch | None = None) -> tuple[Tensor, Tensor]:
        if batch is not None and batch.data is not None:
            return self._of_parts(theta, batch)
        rows = None if batch is None else batch.rows
        basis, target = (self.basis, self.target) if rows is None else (self.basis[rows], self.target[rows])
        prediction = self.predict(theta, rows)
        weights = self.weights if rows is None or self.weights is None else self.weights[rows]
        value, grad = self.of_rows(basis, target, weights, prediction)
        return value, self.with_penalty(grad, theta)

    def _of_parts(self, theta: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Of rows that come with the batch: columns in the objective's coordinates, target, weights, and what a start gives."""
        if not batch.parts:
            raise FitError(
                "This objective holds its rows; batches for it are numbers of rows, as a Batching gives them."
            )
        nothing = theta.new_zeros(1 + len(theta))
        sums = (self._sums(theta, *part) if part and len(part[0]) else nothing for part in batch.parts)
        whole = current().total(tree(sums, torch.add)) / batch.count
        return whole[0], self.with_penalty(whole[1:], theta)

    def _sums(self, theta: Tensor, basis: Tensor, target: Tensor, weights: Tensor, offset: Tensor) -> Tensor:
        """Σ of the losses of some rows, and behind it that of their gradients."""
        prediction = self.predicted(theta, basis, offset if offset.shape[-1:] != (0,) else None)
        value, grad = self.of_rows(basis, target, weights if weights.shape[-1:] != (0,) else None, prediction)
        return len(basis) * torch.cat([value.reshape(1), grad])

    def of_rows(
        self, basis: Tensor, target: Tensor, weights: Tensor | None, prediction: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The mean loss of some rows, and its gradient."""
        value, slope = self.loss.mean(prediction, target, weights), self.loss.slope(prediction, target)
        if weights is not None:
            slope = slope * (weights if self.outputs == 1 else weights[:, None])
        if self.outputs == 1:
            grad = slope @ basis / basis.shape[0]
        else:
            grad = (slope.transpose(-1, -2) @ basis).flatten(-2) / basis.shape[0]
        return value, grad

    def value(self, theta: Tensor) -> Tensor:
        return self.loss.mean(self.predict(theta), self.target, self.weights)

    def trial(self) -> tuple[Tensor, Tensor, Tensor | None]:
        return self.predict(self.theta), self.target, self.weights


@final
class LinearObjectives(Objective):
    """Objectives of one shape, loss and penalty, each with rows of its own: θ `[runs, p]`, a run for each of them."""

    own = True

    def __init__(self, each: Sequence[LinearObjective]):
        first = each[0]
        self.loss, self.outputs, self.names, self.rows = first.loss, first.outputs, first.names, first.rows
        self.kinked, self.proximal, self.penalty_term = first.kinked, first.proximal, first.penalty_term
        self.theta = first.theta
        self.basis, self.target = torch.stack([one.basis for one in each]), torch.stack([one.target for one in each])
        self.weights, self.offset = (_stacked([getattr(one, name) for one in each]) for name in ("weights", "offset"))

    def only(self, runs: Any) -> LinearObjectives:
        chosen = copy.copy(self)
        for name in ("basis", "target", "weights", "offset"):
            part = getattr(self, name)
            setattr(chosen, name, None if part is None else part[runs])
        return chosen

    def value_and_grad(self, theta: Tensor, batch: Batch | None = None) -> tuple[Tensor, Tensor]:
        value, slope, basis = rows_at(self, theta, None if batch is None else batch.rows)
        return value, self.with_penalty(gradient_of(slope, basis), theta)

    def value(self, theta: Tensor) -> Tensor:
        return rows_at(self, theta)[0]


def rows_at(objective: Any, theta: Tensor, rows: Any = None) -> tuple[Tensor, Tensor, Tensor]:
    """Of some rows (None: all) the mean loss `[...]`, their slopes `[..., b, k]` by weight, and the design's `[..., b, r]`.

    objective: the linear family's, or that of many runs, θ `[runs, p]`.
    """
    whole = getattr(objective, "one", objective)
    own = getattr(whole, "own", False)

    def picked(part: Tensor) -> Tensor:
        return part if rows is None else part[:, rows] if own else part[rows]

    basis, target = picked(whole.basis), picked(whole.target)
    prediction = basis @ theta.unflatten(-1, (whole.outputs, -1)).transpose(-1, -2)
    lead = prediction.shape[:-1]
    if whole.offset is not None:
        offset = picked(whole.offset)
        prediction = prediction + (offset if whole.outputs > 1 else offset[..., None])
    # a loss knows rows, and not runs: it is given the rows of all of them
    flat = prediction.flatten(0, -2) if whole.outputs > 1 else prediction.flatten()
    tail = (whole.outputs,) if whole.outputs > 1 and not whole.loss.coupled else ()
    goal = target.expand(*lead, *tail).reshape(-1, *tail)
    each = whole.loss.rows(flat, goal).view(lead)
    slope = whole.loss.slope(flat, goal).view(prediction.shape)
    if whole.weights is not None:
        weights = picked(whole.weights)
        each, slope = each * weights, slope * weights[..., None]
    return each.mean(-1), slope, basis


def gradient_of(slope: Tensor, basis: Tensor) -> Tensor:
    """Aᵀ·slope/b `[..., k·r]` of slopes `[..., b, k]` and the design's rows `[..., b, r]`."""
    return (slope.transpose(-1, -2) @ basis).flatten(-2) / basis.shape[-2]


def _stacked(parts: Sequence[Tensor | None]) -> Tensor | None:
    """Tensors along a new first axis; None where there are none."""
    there = [part for part in parts if part is not None]
    return torch.stack(there) if there else None


@final
class ExtendedObjective(Objective):
    """A full-batch objective in user units whose predictions carry 32 digits (`double_double.py`); for `mse` the gradient too."""

    def __init__(self, inner: LinearObjective):
        problem = inner.problem
        self.inner, self.problem, self.loss, self.weights = inner, problem, inner.loss, inner.weights
        self.theta, self.names, self.rows, self.penalty_term = inner.theta, inner.names, inner.rows, inner.penalty_term
        self.target = torch.zeros_like(inner.target) if problem.loss.of_residual else inner.target

    def predict(self, theta: Tensor) -> Tensor:
        """f, or −r, as the target is: `[n]`, or `[n, k]` for k outputs."""
        return torch.as_tensor(double_double.prediction(self.problem, theta.numpy())).to(theta)

    def value_and_grad(self, theta: Tensor, batch: Batch | None = None) -> tuple[Tensor, Tensor]:
        if self.loss.quadratic:
            grad = torch.as_tensor(double_double.gradient(self.problem, theta.numpy())).to(theta)
            return self.value(theta), grad
        return self.value(theta), self.inner.value_and_grad(theta)[1]

    def value(self, theta: Tensor) -> Tensor:
        return torch.tensor(double_double.mean_loss(self.problem, theta.numpy()), dtype=theta.dtype)
