"""What an answer is worth, computed from the data alone: objective, gradient, and how far from optimal.

A solver may be trusted, but never on its own word. For a smooth objective the certificate is the length of
the gradient in orthonormal coordinates, relative to that at θ = 0; with an l1 penalty the worst violation of
the optimality conditions in standardised columns, relative to the largest gradient at θ = 0. Both are 0 at
the optimum. (The duality gap of the linear programmes stands in `linear_program.py`, beside the dual itself.)
"""

from __future__ import annotations

import numpy as np

from steepest.model.linear import LinearProblem


def several(problem: LinearProblem) -> bool:
    """Whether predictions are `[n, k]` (several targets, or classes) and not `[n]`."""
    return problem.outputs > 1 or problem.target.ndim == 2


def prediction(problem: LinearProblem, theta: np.ndarray) -> np.ndarray:
    """A·θ + offset, `[n]`, or A·Θᵀ + offset, `[n, k]`."""
    rows = theta.reshape(problem.outputs, -1).T
    found = problem.design @ rows
    if problem.low is not None:
        found = found + problem.low @ rows
    return with_offset(problem, found if several(problem) else found[:, 0])


def with_offset(problem: LinearProblem, linear: np.ndarray) -> np.ndarray:
    """Predictions, from what the coefficients alone make of them."""
    return linear if problem.offset is None else (linear.T + problem.offset).T


def mean_loss(problem: LinearProblem, predicted: np.ndarray) -> float:
    """(1/n) Σᵢ wᵢ·ℓᵢ, without the penalty."""
    return float(problem.loss.mean(predicted, problem.target, problem.weights))


def slope(problem: LinearProblem, predicted: np.ndarray) -> np.ndarray:
    """wᵢ·∂ℓᵢ/∂prediction of each row, `[n]` or `[n, k]`."""
    found = problem.loss.slope(predicted, problem.target)
    return found if problem.weights is None else (found.T * problem.weights).T


def curvature(problem: LinearProblem, predicted: np.ndarray) -> np.ndarray:
    """wᵢ·∂²ℓᵢ/∂prediction² of each row: `[n]`, `[n, m]` for several targets, `[n, k, k]` for classes."""
    found = problem.loss.curvature(predicted, problem.target)
    return found if problem.weights is None else (found.T * problem.weights).T


def objective(problem: LinearProblem, theta: np.ndarray) -> float:
    """F(θ), in plain float64."""
    return mean_loss(problem, prediction(problem, theta)) + float(problem.penalty_in().value(theta))


def gradient(problem: LinearProblem, theta: np.ndarray) -> np.ndarray:
    """∇F(θ) without the l1 penalty, `[k·p]`, in plain float64."""
    slopes = slope(problem, prediction(problem, theta))
    plain = slopes.reshape(len(slopes), -1).T @ problem.design / len(slopes)
    return plain.ravel() + problem.penalty_in().gradient(theta)


def violation(slopes: np.ndarray, coefficients: np.ndarray, weights: np.ndarray) -> float:
    """The worst violation of the optimality conditions of f(c) + Σ weightsⱼ·|cⱼ|, given ∇f = slopes.

    A coefficient that is not 0 needs slope = −weight·sign; one that is 0 needs |slope| ≤ weight.
    """
    nonzero = np.abs(slopes + weights * np.sign(coefficients))
    zero = np.maximum(np.abs(slopes) - weights, 0.0)
    return float(np.max(np.where(coefficients != 0.0, nonzero, zero)))


def relative(part: float, whole: float) -> float:
    """part / whole, and 0 where there is nothing of either."""
    return part / whole if whole > 0.0 else part
