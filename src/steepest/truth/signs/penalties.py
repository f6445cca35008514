"""A penalty that suits the data: the one with the least loss on rows that its fit has not seen.

Squares (and Huber's loss, which is nearly that) take the ridge path, every row left out once. Other losses are fitted to
four fifths of the rows and scored on the last one, in turn, for nine amounts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from steepest.problem.linear import LinearProblem
from steepest.problem.losses import L1 as Absolute
from steepest.problem.losses import MSE, Huber, Penalty, Quantile
from steepest.truth import certificate as certify
from steepest.truth.exact import solve
from steepest.truth.signs.regression import evenly
from steepest.truth.signs.ridge import path_of

MOST_ROWS = 1_000
MOST_PARAMETERS = 300
AMOUNTS = 9
FOLDS = 5


@dataclass(frozen=True)
class Choice:
    """penalty: as a setting. before, after: the loss on unseen rows without and with it, nan where it was too large to try."""

    penalty: str
    before: float
    after: float
    measure: str

    @property
    def share(self) -> float:
        """How much of the loss on unseen rows it takes away."""
        share = 1.0 - self.after / self.before if self.before > 0 else 0.0
        return max(share, 0.0) if np.isfinite(share) else 0.0

    @property
    def predicted(self) -> str:
        """In words."""
        if not np.isfinite(self.before):
            return "The coefficients stay small instead of answering to the noise."
        return f"{self.measure} is {self.after:.3g} instead of {self.before:.3g}."


def chosen(problem: LinearProblem) -> Choice:
    """The best penalty for a problem that has none."""
    if isinstance(problem.loss, MSE | Huber):
        path = path_of(problem)
        return Choice(
            path.penalty(path.best), path.errors[0], path.errors[path.best], "The squared error on a row left out"
        )
    first = int(problem.intercept)
    columns = problem.design[:, first:]
    size = float(np.mean(columns.std(0))) if columns.size else 1.0
    kind = "l1" if isinstance(problem.loss, Absolute | Quantile) else "l2"
    unit = size if kind == "l1" else size**2 * (problem.loss.bound or 1.0)
    amounts = np.geomspace(1e-4, 1.0, AMOUNTS) * (unit or 1.0)
    if problem.parameters > MOST_PARAMETERS:
        return Choice(f"{kind}:{float(f'{amounts[AMOUNTS // 2]:.1g}'):g}", np.nan, np.nan, "")
    errors = [_folded(problem, Penalty(**{kind: float(amount)})) for amount in (0.0, *amounts)]
    best = int(np.argmin(errors[1:]))
    return Choice(
        f"{kind}:{float(f'{amounts[best]:.2g}'):g}",
        errors[0],
        errors[1 + best],
        "The loss on fifths of the rows that are not fitted",
    )


def _folded(problem: LinearProblem, penalty: Penalty) -> float:
    """The mean loss on each fifth of the rows, at the exact answer for the other four; inf where that has none."""
    rows = evenly(len(problem.design), MOST_ROWS)
    fold = np.arange(len(rows)) % FOLDS
    total = 0.0
    for held in range(min(FOLDS, len(rows))):
        mine, other = _only(problem, rows[fold != held], penalty), _only(problem, rows[fold == held], penalty)
        theta = solve(mine).theta
        if theta is None:
            return float("inf")
        total += certify.mean_loss(other, certify.prediction(other, theta)) * len(other.design) / len(rows)
    return total


def _only(problem: LinearProblem, rows: np.ndarray, penalty: Penalty) -> LinearProblem:
    weights = None if problem.weights is None else problem.weights[rows] / max(problem.weights[rows].mean(), 1e-300)
    return replace(
        problem, design=problem.design[rows], target=problem.target[rows], weights=weights, low=None, penalty=penalty
    )
