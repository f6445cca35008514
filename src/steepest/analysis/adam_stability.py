"""The largest rate of Adam where a descent ended.

Near where it stands Adam is momentum (with its factor 1 − β₁) in coordinates stretched by P = √v̂ + ε, so that it holds while

    lr < 2(1 + β₁)/((1 − β₁)·λ_max(P^−½HP^−½))

P is made of the gradients it has seen, and shrinks with them: at a constant rate Adam comes to where the limit is lr itself,
and bounces there.

Source: Cohen et al., Adaptive gradient methods at the edge of stability (2022).
"""

from __future__ import annotations

import numpy as np

from steepest.analysis import curvature
from steepest.analysis.exact import certificate as certify
from steepest.analysis.finding import Fitted
from steepest.descent.torch_rules import Elementwise
from steepest.formulas.updates import EPSILON
from steepest.model.linear import LinearProblem
from steepest.model.preconditioners import Coordinates
from steepest.numerics import lanczos

MOST_GRADIENTS = 500  # recorded steps, the last ones, from which P is made


def full_batch(fit: Fitted) -> bool:
    """Whether every step of a fit looked at all rows."""
    size = fit.spec.rows_of_step
    return size is None or (fit.train is not None and size >= fit.train.rows)


def adam_limit(fit: Fitted, problem: LinearProblem, frame: Coordinates | None, rule: Elementwise) -> float:
    """2(1 + β₁)/((1 − β₁)·λ_max(P^−½HP^−½)) where the descent ended, with P = √v̂ + ε from the recorded steps.

    v̂ is the mean of the squared gradients at the last recorded steps, weighed as Adam weighs them (steps that were
    not recorded lie on a line between those that were); minibatches add the variance of their gradients.
    """
    beta1, _ = rule.numbers
    root = second_moment(fit, problem, frame, rule) ** 0.5 + EPSILON
    stretched = 1.0 / np.sqrt(root)
    matrix = np.eye(problem.design.shape[1]) if frame is None else frame.matrix

    times = curvature.hessian_times(problem, fit.theta)

    def product(own: np.ndarray) -> np.ndarray:
        user = ((own.ravel() * stretched).reshape(problem.outputs, -1) @ matrix.T).ravel()
        return (times(user).reshape(problem.outputs, -1) @ matrix).ravel() * stretched

    largest = lanczos.largest(product, len(root))
    return 2.0 * (1.0 + beta1) / ((1.0 - beta1) * largest) if largest > 0.0 else float("inf")


def second_moment(fit: Fitted, problem: LinearProblem, frame: Coordinates | None, rule: Elementwise) -> np.ndarray:
    """v̂ `[k·r]`, Adam's mean of the squared gradients where the descent ended, in its coordinates."""
    matrix, (_, beta2) = np.eye(problem.design.shape[1]) if frame is None else frame.matrix, rule.numbers

    def gradient(theta: np.ndarray) -> np.ndarray:
        return (certify.gradient(problem, theta).reshape(problem.outputs, -1) @ matrix).ravel()

    steps = np.asarray(fit.trace.step, dtype=np.float64)
    if fit.trace.theta.shape[1] != problem.parameters or len(steps) < 2:
        found = gradient(fit.theta) ** 2
    else:
        last = max(0, len(steps) - 1 - MOST_GRADIENTS)
        ages = steps[-1] - steps[last:]  # step t has been multiplied by β₂ T − 1 − t times
        weights = beta2 ** ages[1:] - beta2 ** ages[:-1]
        squares = np.array([gradient(np.asarray(theta)) ** 2 for theta in fit.trace.theta[last:]])
        between = 0.5 * (1.0 + 1.0 / np.diff(ages))[:, None]  # the mean over the steps from one recorded to the next
        squares = (1.0 - between) * squares[:-1] + between * squares[1:]
        found = weights @ squares / (1.0 - beta2 ** ages[0])
    if not full_batch(fit):
        basis = problem.design if frame is None else frame.basis
        slope = certify.slope(problem, certify.prediction(problem, fit.theta)).reshape(len(basis), -1)
        spread = (slope**2).T @ basis**2 / len(basis) - (slope.T @ basis / len(basis)) ** 2
        found = found + spread.ravel() / float(fit.spec.rows_of_step or 1)
    return found
