"""How far an objective is from its minimum at most, from θ alone: F(θ) minus a value of Fenchel's dual problem.

Any slopes v of the rows prove a lower bound on F* (Fenchel; Rockafellar, Convex Analysis, 31.1). With g = Aᵀ(w·v)/n,

    F* ≥ −(1/n) Σ wᵢ·ℓ*(vᵢ) − Σⱼ max(|gⱼ| − l1, 0)²/(4·l2)        where gⱼ = 0 at the intercepts; |gⱼ| ≤ l1 if l2 = 0

For the loss's own slopes at θ, ℓ(f) + ℓ*(v) = v·f, and what is left is a sum of terms none of which is below 0:

- `l2` and elastic: Σⱼ gⱼθⱼ + l1·|θⱼ| + l2·θⱼ² + max(|gⱼ| − l1, 0)²/(4·l2), which for l1 = 0 is ‖∇F‖²/(2·μ) with μ = 2·l2;
- `l1`: the slopes are scaled by s, so that every |gⱼ| ≤ l1 (as for gap-safe screening: Ndiaye, Fercoq, Gramfort and
  Salmon 2017);
- `group`: the same, so that every ‖g‖ of a group is at most its weight (Ndiaye, Fercoq, Gramfort and Salmon 2016);
- losses with a kink: rows far from it have the slope of their side, and a linear programme balances those near it.
"""

from __future__ import annotations

import numpy as np

from steepest.analysis.exact import certificate as certify
from steepest.analysis.exact import linear_program
from steepest.model.linear import LinearProblem

NEAR = 10
"""Rows for each parameter that are near a kink at first."""

MOST_STEPS = 50


def bound(problem: LinearProblem, theta: np.ndarray) -> float:
    """A number that F(θ) − F* does not exceed, but for rounding; inf where θ proves nothing.

    Args:
        theta: `[k·p]`, in user units.

    It is finite for convex losses of ours with a penalty, for piecewise linear ones unless that is l2 or group. It is as near
    to 0 as θ is to the optimum.

    >>> from steepest.model.torch_losses import loss
    >>> from steepest.model.penalties import Penalty
    >>> problem = LinearProblem(np.eye(2), np.ones(2), loss("mse"), Penalty(l2=0.5), intercept=False)
    >>> bound(problem, np.array([0.5, 0.5])), bound(problem, np.array([0.5, 1.5]))
    (0.0, 2.0)
    """
    theta = np.asarray(theta, dtype=np.float64).ravel()
    if problem.loss.custom or not problem.loss.convex or problem.penalty.bounds or not np.isfinite(theta).all():
        return float("inf")
    if problem.apart and not problem.loss.quadratic:
        blocks = theta.reshape(problem.outputs, -1)
        return float(np.mean([bound(problem.of_output(output), one) for output, one in enumerate(blocks)]))
    if problem.loss.kinked:
        return float("inf") if problem.penalty.l2 or problem.penalty.group else kinked(problem, theta)
    return smooth(problem, theta) if problem.penalty else float("inf")


def smooth(problem: LinearProblem, theta: np.ndarray) -> float:
    """The bound for a loss with slopes, and a penalty."""
    l1, l2, free = problem.penalty.l1, problem.penalty.l2, problem.penalised > 0.0
    norms = problem.penalty_in().norms
    predicted = certify.prediction(problem, theta)
    settled = _settled(problem, predicted) if problem.intercept else predicted
    if settled is None:
        return float("inf")
    slopes = certify.slope(problem, settled).reshape(len(settled), -1)
    g = (slopes.T @ problem.design / len(slopes)).ravel() * free
    theta = theta * free
    loss = certify.mean_loss(problem, settled)
    by_intercept = 0.0 if settled is predicted else max(certify.mean_loss(problem, predicted) - loss, 0.0)
    if l2:
        return by_intercept + float(np.sum(_of_each(g[free], theta[free], l1, l2)))
    # how many times as steep as it may be the slope is where it is most so
    steepest = np.abs(g) / l1 if norms is None else norms.norms(g) / norms.weights
    scale = 1.0 / max(float(steepest.max(initial=0.0)), 1.0)
    # ℓ(f) + ℓ*(s·v) ≤ (1 − s)·ℓ(f) + s·v·f, since ℓ* is convex and ℓ*(0) = 0; of squares it is (1 − s)²·ℓ(f) + s·v·f
    left = (1.0 - scale) ** (2 if problem.loss.quadratic else 1)
    if norms is None:
        return by_intercept + left * loss + float(np.sum(scale * g * theta + l1 * np.abs(theta)))
    return (
        by_intercept + left * loss + float(np.sum(scale * norms.sums(g * theta) + norms.weights * norms.norms(theta)))
    )


def _of_each(g: np.ndarray, theta: np.ndarray, l1: float, l2: float) -> np.ndarray:
    """g·θ + l1·|θ| + l2·θ² + max(|g| − l1, 0)²/(4·l2), without the cancellation of its parts."""
    sign = np.where(theta != 0.0, np.sign(theta), -np.sign(g))
    pull = g + l1 * sign  # that of the side on which θ lies
    past = np.abs(g) > l1
    near = (pull + 2.0 * l2 * theta) ** 2 / (4.0 * l2)  # where the dual lies on that side too
    across = theta * (pull + l2 * theta) + np.maximum(np.abs(g) - l1, 0.0) ** 2 / (4.0 * l2)
    return np.where(past & (g * sign < 0.0), near, across)


def _settled(problem: LinearProblem, predicted: np.ndarray) -> np.ndarray | None:
    """The predictions with the best intercepts for them; None where Newton's method does not find these."""
    shape = predicted.shape
    if problem.loss.quadratic:
        residual = problem.target - predicted
        return predicted + np.average(residual, axis=0, weights=problem.weights)
    loss, left = certify.mean_loss(problem, predicted), np.inf
    for _ in range(MOST_STEPS):
        slopes = certify.slope(problem, predicted)
        slope = np.atleast_1d(slopes.mean(axis=0))
        left = np.abs(slope).max() / (np.abs(slopes).mean() or 1.0)
        if left <= 1e-14:
            return predicted
        curvature = np.atleast_2d(certify.curvature(problem, predicted).mean(axis=0))
        step = np.linalg.lstsq(curvature, slope, rcond=1e-12)[0]
        if not step.any():  # all rows lie where the loss is linear
            step = slope / (problem.loss.bound or 1.0)
        for _ in range(MOST_STEPS):
            moved = predicted - step.reshape(shape[1:])
            lower = certify.mean_loss(problem, moved)
            if lower <= loss * (1.0 + 4.0 * np.finfo(float).eps):
                break
            step = 0.5 * step
        else:
            return None
        predicted, loss = moved, lower
    return predicted if left <= 1e-12 else None


def kinked(problem: LinearProblem, theta: np.ndarray) -> float:
    """The bound for a piecewise linear loss, without penalty or with l1."""
    value = certify.objective(problem, theta)
    programme, matrix = linear_program.programme(problem)
    count, rank = programme.rows.shape
    if count == rank:  # nothing bounds such a loss from below but 0
        return value
    predicted = certify.prediction(problem, theta)
    predicted = predicted if problem.offset is None else predicted - problem.offset
    predicted = np.tile(predicted, len(problem.loss.kinks(0.0)))
    if problem.penalty.l1:
        predicted = np.concatenate([predicted, theta[problem.penalised > 0.0]])
    residual = programme.target - predicted
    dual = linear_program.balanced(programme, residual, min(NEAR * rank + 100, count))
    c = np.linalg.lstsq(matrix, theta, rcond=None)[0]
    return linear_program.duality_gap(programme, c, dual, value)
