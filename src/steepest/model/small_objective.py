"""A smooth loss on a table that fits into the processor's cache: NumPy's arrays, where PyTorch's calls would cost more than the
arithmetic.

Predictions are float64's until little is left to gain. From there on those of small tables carry 32 digits
(`double_double.py`), so that θ has its last digits whatever the units of the columns.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np

from steepest.checkpoints.tree import like
from steepest.model import double_double
from steepest.model.linear import LinearProblem
from steepest.model.numpy_losses import numpy_formula
from steepest.model.objective import WholeObjective
from steepest.model.preconditioners import orthonormal

MOST = 2_000_000
"""Entries of a design, times outputs, up to which it is small."""


def suits(problem: LinearProblem) -> bool:
    """Whether a problem has a smooth convex loss, few entries, and no more than an l2 penalty."""
    loss = problem.loss
    smooth = loss.smooth and loss.convex and loss.reach is None and not loss.quadratic
    free = problem.offset is None and not problem.penalty.kinked and (problem.outputs == 1 or loss.coupled)
    return smooth and free and problem.design.size * problem.outputs <= MOST


@dataclass(frozen=True)
class Seen:
    """The rows at θ: predictions and weighted slopes `[n]` or `[n, k]`, and the mean loss."""

    theta: np.ndarray
    prediction: np.ndarray
    slope: np.ndarray
    loss: float


@final
class SmallObjective(WholeObjective):
    """F(θ) of a smooth loss without a penalty or with `l2`, in user units.

    basis, matrix: an orthonormal basis B = A·M of the design, in which the curvature is known (`curvature`, `slopes`).
    fine: whether predictions carry 32 digits; of_digits: whether they may.
    """

    def __init__(self, problem: LinearProblem, names: tuple[str, ...], start: np.ndarray | None):
        self.problem, self.loss, self.names = problem, problem.loss, names
        self.rows, self.outputs, self.weights = len(problem.design), problem.outputs, problem.weights
        self.theta = np.zeros(problem.parameters) if start is None else np.array(start, np.float64)
        if problem.penalty:
            self.penalty_term = problem.penalty.at(problem.penalised, outputs=problem.outputs)
        self.formula = numpy_formula(problem.loss)
        self.target = np.zeros(self.rows) if problem.loss.of_residual else problem.target
        found = orthonormal(problem)
        self.basis, self.matrix = found.basis, found.matrix
        self.ridge = problem.penalty_in(self.matrix).hessian()
        self.fine, self.of_digits = False, double_double.pays(problem)
        self.seen: Seen | None = None

    def at(self, theta: np.ndarray) -> Seen:
        """The rows at θ, kept until another θ is asked for."""
        if self.seen is None or not np.array_equal(self.seen.theta, theta):
            prediction = self._predict(theta)
            each, slope = self.formula.value_and_slope(prediction, self.target)
            if self.weights is not None:
                each, slope = each * self.weights, (slope.T * self.weights).T
            self.seen = Seen(theta.copy(), prediction, slope, float(each.sum()) / self.rows)
        return self.seen

    def refine(self) -> None:
        """Have predictions carry 32 digits from here on."""
        self.fine, self.seen = True, None

    def slopes(self, theta: np.ndarray) -> np.ndarray:
        """MᵀF'(θ), `[k·r]`: the gradient in the basis."""
        found = self.at(theta).slope.T @ self.basis / self.rows
        if self.penalty_term is not None:
            found = found + self.penalty_term.gradient(theta).reshape(self.outputs, -1) @ self.matrix
        return found.ravel()

    def curvature(self, theta: np.ndarray) -> tuple[np.ndarray, float]:
        """MᵀF''(θ)M, `[k·r, k·r]`, and the mean curvature of a row's loss."""
        bend = self.formula.curvature(self.at(theta).prediction, self.target)
        weights = self.weights
        if not self.loss.coupled:
            share = bend if weights is None else bend * weights
            half = np.sqrt(share / self.rows)[:, None] * self.basis
            return half.T @ half + self.ridge, float(np.abs(share).mean())
        k, r = self.outputs, self.basis.shape[1]
        root = np.ascontiguousarray(bend if weights is None else bend * np.sqrt(weights)[:, None])
        wide = (root[:, :, None] * self.basis[:, None, :]).reshape(self.rows, -1)
        hessian = (wide.T @ wide).reshape(k, r, k, r)
        hessian *= -1.0 / self.rows
        each = np.arange(k)
        hessian[each, :, each] = 0.0  # p_a − p_a² is the sum of p_a·p_b over all others
        own = -hessian.sum(2)
        # adding one vector to all classes changes no probability: curvature there fixes it at no cost elsewhere
        hessian += (np.eye(r) / k**2)[None, :, None, :]
        hessian[each, :, each] += own + self.ridge
        return hessian.reshape(k * r, k * r), float(np.einsum("aii->", own)) / (k * k * r)

    def moved(self, theta: np.ndarray, step: np.ndarray) -> np.ndarray:
        """θ after a step `[k·r]` in the basis."""
        return theta + (step.reshape(self.outputs, -1) @ self.matrix.T).ravel()

    def told_apart(self, theta: np.ndarray) -> bool:
        """Whether all rows of classes are on their class's side at θ, and nothing keeps the predictions from growing."""
        if not self.loss.classes or self.penalty_term is not None:
            return False
        return self.formula.told_apart(self.at(theta).prediction, self.problem.target)

    def of_nothing(self) -> float:
        shape = (self.rows, self.outputs) if self.outputs > 1 else self.rows
        each = self.formula.value_and_slope(np.zeros(shape), self.problem.target)[0]
        return float(np.average(each, weights=self.weights))

    def state(self) -> dict[str, Any]:
        return {"fine": self.fine}

    def take_up(self, state: Any) -> None:
        self.fine, self.seen = like(self.state(), state, "objective")["fine"], None

    def slope(self, seen: Seen) -> np.ndarray:
        return (seen.slope.T @ self.problem.design / self.rows).ravel()

    def _predict(self, theta: np.ndarray) -> np.ndarray:
        if self.fine:
            return double_double.prediction(self.problem, theta)
        found = (theta.reshape(self.outputs, -1) @ self.problem.design.T).T  # a column of predictions lies side by side
        found = found[:, 0] if self.outputs == 1 else found
        return found - self.problem.target if self.loss.of_residual else found
