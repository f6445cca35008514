"""`mse` with 32 digits: the objective of the default descent on tables that are small enough (`double_double.py`)."""

from __future__ import annotations

from typing import final

import numpy as np

from steepest.model import double_double
from steepest.model.linear import LinearProblem
from steepest.model.objective import WholeObjective
from steepest.model.preconditioners import orthonormal
from steepest.model.tall_objective import Pass


class Orthonormal:
    """The Hessian MᵀHM of one output in an orthonormal basis of the design, where it is near a multiple of the identity."""

    def __init__(self, problem: LinearProblem):
        found = orthonormal(problem)
        self.matrix, basis = found.matrix, found.basis
        weighted = basis if problem.weights is None else basis * problem.weights[:, None]
        inner = (2.0 / problem.outputs / len(basis)) * (weighted.T @ basis) + problem.penalty_in(self.matrix).hessian()
        self.inverse = np.linalg.inv(inner)

    def newton(self, grad: np.ndarray) -> tuple[np.ndarray, float]:
        """The Newton step −H⁻¹g `[k·p]` from a gradient `[k·p]`, and g·H⁻¹g."""
        slopes = grad.reshape(-1, len(self.matrix)) @ self.matrix
        step = slopes @ self.inverse
        return -(step @ self.matrix.T).ravel(), float(np.vdot(step, slopes))


@final
class ExtendedSquares(WholeObjective):
    """F(θ) of `mse` without a penalty or with `l2`, in user units: residuals, loss and gradient carry 32 digits."""

    extended = True

    def __init__(self, problem: LinearProblem, names: tuple[str, ...], start: np.ndarray | None):
        self.problem, self.loss, self.names = problem, problem.loss, names
        self.rows, self.outputs = len(problem.design), problem.outputs
        self.theta = np.zeros(problem.parameters) if start is None else np.array(start, np.float64)
        if problem.penalty:
            self.penalty_term = problem.penalty.at(problem.penalised, outputs=problem.outputs)
        self.model = Orthonormal(problem)
        self.seen: Pass | None = None

    def at(self, theta: np.ndarray) -> Pass:
        """The loss, the gradient of F and the predictions at θ."""
        if self.seen is None or not np.array_equal(self.seen.theta, theta):
            high, low = double_double.residuals(self.problem, theta)
            loss = double_double.mean_square(self.problem, high, low)
            grad = double_double.slope(self.problem, theta, high, low)
            residual = high[0] if self.problem.target.ndim == 1 else high.T
            self.seen = Pass(theta.copy(), loss, grad, self.problem.target - residual)
        return self.seen

    def from_user(self, theta: np.ndarray) -> np.ndarray:
        """θ is in user units."""
        return theta

    def gap_bound(self, theta: np.ndarray) -> float:
        """F(θ) − min F, which is ½gᵀH⁻¹g."""
        return 0.5 * self.model.newton(self.at(theta).grad)[1]

    def slope(self, seen: Pass) -> np.ndarray:
        return seen.grad.copy()

    def with_penalty(self, grad: np.ndarray, theta: np.ndarray) -> np.ndarray:
        return grad  # of which the penalty is a part

    def of_nothing(self) -> float:
        return float(np.average(self.problem.target**2, axis=0, weights=self.problem.weights).mean())
