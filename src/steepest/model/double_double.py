"""The last digits: sums whose rounding errors are carried along (double-double arithmetic).

Near the optimum of a badly conditioned problem the gradient is a small difference of large numbers, and float64
leaves few digits of it. Here the predictions, the residuals and Xᵀr are accumulated as pairs hi + lo with
about 32 digits, and rounded once. A descent that takes its gradient from here corrects at each step what the step
before left over, so that θ ends right to nearly its last digit where a direct solver has lost half of them.

Source: T. J. Dekker, A floating-point technique for extending the available precision (1971);
D. E. Knuth, The Art of Computer Programming, vol. 2 (two-sum).
"""

from __future__ import annotations

from dataclasses import replace
from math import fsum
from typing import Any

import numpy as np

from steepest.model.linear import LinearProblem, Terms

_SPLIT = 134217729.0  # 2^27 + 1

FEW = 64
"""Numbers that Python's exact sum adds as soon as arrays do."""

SMALL_ENOUGH, SMALL_ENOUGH_FOR_MANY = 500_000, 50_000
"""Entries of a design (times outputs) up to which this arithmetic costs next to nothing: for few steps, and for many."""


def pays(problem: LinearProblem) -> bool:
    """Whether a problem is small enough to be treated here: `mse` needs few steps, other losses many."""
    return problem.offset is None and problem.design.size * problem.outputs <= (
        SMALL_ENOUGH if problem.loss.quadratic else SMALL_ENOUGH_FOR_MANY
    )


def two_sum(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """a + b as a rounded sum and its exact rounding error."""
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


def two_product(a: Any, b: Any) -> tuple[Any, Any]:
    """a · b as a rounded product and its exact rounding error."""
    product = a * b
    a_high, b_high = _high(a), _high(b)
    a_low, b_low = a - a_high, b - b_high
    return product, ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low


def _high(a: Any) -> Any:
    scaled = _SPLIT * a
    return scaled - (scaled - a)


def residuals(problem: LinearProblem, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """y − A·θ as hi and lo, each `[k, n]`."""
    blocks = theta.reshape(problem.outputs, -1)
    target = problem.target.T if problem.target.ndim == 2 else problem.target[None]
    shape = (problem.outputs, problem.design.shape[0])
    high, low = np.broadcast_to(target, shape).astype(np.float64), np.zeros(shape)
    for output, block in enumerate(blocks):
        _add_product(problem, -block, high[output], low[output])
    return two_sum(high, low)


def _add_product(problem: LinearProblem, block: np.ndarray, high: np.ndarray, low: np.ndarray) -> None:
    """Add A·block to hi and lo `[n]`."""
    if not block.any():  # as at the start of most descents
        return
    products, errors = two_product(problem.design, block)
    if problem.low is not None:
        errors = errors + problem.low * block
    for column, error in zip(products.T, errors.T, strict=True):
        high[:], lost = two_sum(high, column)
        low += lost + error


def product(problem: LinearProblem, matrix: np.ndarray) -> np.ndarray:
    """A·M `[n, r]` of M `[p, r]`, each entry rounded once."""
    high, low = np.zeros((2, matrix.shape[1], len(problem.design)))
    for output, block in enumerate(matrix.T):
        _add_product(problem, block, high[output], low[output])
    return (high + low).T


def prediction(problem: LinearProblem, theta: np.ndarray) -> np.ndarray:
    """f, `[n]`, or `[n, k]` for k outputs. Of losses of a residual it is −r, for targets of 0: y − f would lose digits."""
    centre = problem if problem.loss.of_residual else replace(problem, target=np.zeros_like(problem.target))
    residual = -residuals(centre, theta)[0]
    return residual[0] if problem.outputs == 1 else residual.T


def value(problem: LinearProblem, theta: np.ndarray) -> float:
    """F(θ) of a `mse` problem: (1/(n·m)) Σ w·r² + l1·Σ|θ| + l2·Σθ²."""
    return mean_loss(problem, theta) + float(problem.penalty_in().value(theta))


def mean_loss(problem: LinearProblem, theta: np.ndarray) -> float:
    """The mean loss; of `mse` (1/(n·m)) Σ w·r², summed up with as many digits."""
    if problem.loss.quadratic:
        return mean_square(problem, *residuals(problem, theta))
    target = np.zeros_like(problem.target) if problem.loss.of_residual else problem.target
    return float(problem.loss.mean(prediction(problem, theta), target, problem.weights))


def gradient(problem: LinearProblem, theta: np.ndarray) -> np.ndarray:
    """∇F(θ) `[k·p]` of a `mse` problem (the `l1` penalty left out): −(2/(n·m)) Aᵀ(w·r) + 2·l2·θ."""
    return slope(problem, theta, *residuals(problem, theta))


def mean_square(problem: LinearProblem, high: np.ndarray, low: np.ndarray) -> float:
    """(1/(n·m)) Σ w·r² of residuals."""
    square, error = two_product(high, high)
    error = error + 2.0 * high * low
    if problem.weights is not None:
        square, lost = two_product(square, problem.weights)
        error = error * problem.weights + lost
    return summed(square.reshape(-1, 1), error.reshape(-1, 1), np.zeros(1))[0] / high.size


def slope(problem: LinearProblem, theta: np.ndarray, high: np.ndarray, low: np.ndarray) -> np.ndarray:
    """∇F(θ) from the residuals at θ."""
    if problem.weights is not None:
        high, lost = two_product(high, problem.weights)
        low = low * problem.weights + lost
    shrink = -0.5 * high.size * problem.penalty_in().gradient(theta)
    sums = []
    for residual, rest in zip(high, low, strict=True):
        product, error = two_product(problem.design, residual[:, None])
        error = error + problem.design * rest[:, None]
        if problem.low is not None:
            error = error + problem.low * residual[:, None]
        sums += summed(product, error, shrink[len(sums) :])
    return -2.0 * np.array(sums) / high.size


def summed(high: np.ndarray, low: np.ndarray, extra: np.ndarray) -> list[float]:
    """The sums of the columns of hi + lo `[n, p]`, and of one number more for each: halves are added to halves, and fsum adds
    the last few.

    >>> summed(np.array([[1e30], [1.0], [-1e30]]), np.zeros((3, 1)), np.array([0.5]))
    [1.5]
    """
    while len(high) > FEW:
        half, odd = divmod(len(high), 2)
        total, lost = two_sum(high[:half], high[half : 2 * half])
        rest = low[:half] + low[half : 2 * half] + lost
        if odd:
            total[0], lost = two_sum(total[0], high[-1])
            rest[0] += low[-1] + lost
        high, low = total, rest
    columns = zip(high.T.tolist(), low.T.tolist(), extra.tolist(), strict=False)
    return [fsum([*one, *errors, more]) for one, errors, more in columns]


def rounding_of_design(terms: Terms, x: np.ndarray, design: np.ndarray) -> np.ndarray | None:
    """What rounding took from each product of columns in a design `[n, p]`; None where all terms are exact."""
    if terms.degree == 1:
        return None
    low = np.zeros_like(design)
    place = {term: column for column, term in enumerate(terms.powers)}
    for term, column in place.items():
        if len(term) > 1:
            before, factor = place[term[:-1]], x[:, term[-1]]
            product, error = two_product(design[:, before], factor)
            error = error + low[:, before] * factor
            low[:, column] = error + (product - design[:, column])
    return low
