"""Ridge answers for a whole path of penalties from one decomposition, each scored on every row left out.

    K = Z·Zᵀ = V·Λ·Vᵀ (Z the penalised columns),  M = K + n·A·I,  α = M⁻¹(y − b·1)
    left out:  yᵢ − ŷ₋ᵢ = αᵢ / [M⁻¹ − M⁻¹11ᵀM⁻¹/(1ᵀM⁻¹1)]ᵢᵢ        the intercept b is free
    θ = Zᵀα

for the objective mean (y − ŷ)² + A·Σθ², in user units. It holds for more parameters than rows (Cawley 2006). Several
targets share A; their squares are averaged, so that each sees m·A.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from steepest.problem.linear import LinearProblem
from steepest.truth.signs.regression import evenly

MOST_ROWS = 1_000
STEPS = 61


@dataclass(frozen=True)
class Path:
    """amounts: A `[s]`, rising from next to nothing; errors: mean squared error of rows left out `[s]`; theta: `[s, m·p]`."""

    amounts: np.ndarray
    errors: np.ndarray
    theta: np.ndarray

    @property
    def best(self) -> int:
        """Where the error is least."""
        return int(np.argmin(self.errors))

    def penalty(self, place: int) -> str:
        """The penalty there, with two digits: `l2:0.12`."""
        return f"l2:{float(f'{self.amounts[place]:.2g}'):g}"


def path_of(problem: LinearProblem) -> Path:
    """The path of a problem whose targets are numbers, on an even sample of at most 1,000 rows.

    The first amount is 1e-10 of the largest eigenvalue: least squares (of least norm).

    >>> from steepest.problem.losses import loss
    >>> path = path_of(LinearProblem(np.array([[1.0, 0.0], [1.0, 1.0], [1.0, 2.0]]), np.array([1.0, 3.0, 5.0]), loss("mse")))
    >>> path.theta[0].round(6)
    array([1., 2.])
    """
    live = np.arange(len(problem.design)) if problem.weights is None else np.flatnonzero(problem.weights)
    rows = live[evenly(len(live), MOST_ROWS)]
    weights = np.ones(len(rows)) if problem.weights is None else problem.weights[rows] / problem.weights[rows].mean()
    root, first = np.sqrt(weights), int(problem.intercept)
    columns = problem.design[rows, first:]
    centre = np.average(columns, axis=0, weights=weights) if first else np.zeros(columns.shape[1])
    z = (columns - centre) * root[:, None]
    y, ones = problem.target[rows].reshape(len(rows), -1) * root[:, None], root if first else np.zeros(len(rows))
    count = len(rows)
    values, vectors = np.linalg.eigh(z @ z.T)
    values = np.maximum(values, 0.0)
    largest = float(values[-1]) or 1.0
    along_y, along_ones = vectors.T @ y, vectors.T @ ones
    targets = y.shape[1]
    amounts = np.concatenate([[1e-10], np.geomspace(1e-6, 1e1, STEPS - 1)]) * largest / (count * targets)
    errors, theta = [], []
    for amount in amounts:
        inverse = 1.0 / (values + count * targets * amount)
        solved = vectors @ (inverse * along_ones)
        whole = float(along_ones @ (inverse * along_ones))
        shift = (inverse * along_ones) @ along_y / whole if first else np.zeros(targets)
        alpha = vectors @ (inverse[:, None] * (along_y - np.outer(along_ones, shift)))
        left = (vectors**2) @ inverse - (solved**2 / whole if first else 0.0)
        errors.append(float(np.mean((alpha / np.maximum(left, 1e-300)[:, None]) ** 2)))
        slopes = z.T @ alpha
        block = np.vstack([shift - centre @ slopes, slopes]) if first else slopes
        theta.append(block.T.ravel())
    return Path(amounts, np.array(errors), np.array(theta))
