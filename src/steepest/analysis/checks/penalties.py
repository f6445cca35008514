"""A penalty that suits the data, rather too small than too large: too large a one does more harm than none.

Squares (and Huber's loss, which is nearly that) take the smallest amount of the ridge path that the rows do not rule out
(`ridge_path.py`). Other losses are fitted to four fifths of the rows and scored on the last one, in turn, for nine amounts: the
smallest whose loss is within a standard error of the least (Breiman et al. 1984, the other way round).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from steepest.analysis.checks.ridge_path import path_of
from steepest.analysis.checks.rounding import loss_level
from steepest.analysis.exact import certificate as certify
from steepest.analysis.exact.solve import solve
from steepest.data.thinning import evenly
from steepest.model.linear import LinearProblem, gram
from steepest.model.losses import loss
from steepest.model.penalties import Penalty

MOST_ROWS = 1_000
MOST_PARAMETERS = 300
MOST_TRIED, MOST_SOLVED = 100_000, 10_000
"""Entries of a design up to which amounts are tried: each takes five Newton's methods, or five linear programmes."""

SURE_PIVOT = 1e-5
"""Smallest of Cholesky's pivots of a matrix of correlations from which its columns are independent beyond doubt."""

MOST_RANKED = 500
"""Columns up to which the rank is told from singular values where pivots do not tell it."""

AMOUNTS = 9
FOLDS = 5

LEAST_SHARE = 0.1
"""A gain on unseen rows that is worth a promise."""


@dataclass(frozen=True)
class Choice:
    """penalty: as a setting. before, after: the loss on unseen rows without and with it, nan where it was too large to try.

    unique: whether without it there is one best answer.
    """

    penalty: str
    before: float
    after: float
    measure: str
    unique: bool

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
        if self.share >= LEAST_SHARE:
            return f"{self.measure} is {self.after:.3g} instead of {self.before:.3g}."
        if self.unique:
            return "No penalty is sure to do better on new rows; so small a one is sure to do little harm."
        return (
            "There is one best answer, which the start does not decide. No penalty is sure to do better on new rows: "
            f"{self.measure[:1].lower()}{self.measure[1:]} stays near {self.before:.3g}."
        )


def chosen(problem: LinearProblem) -> Choice:
    """A penalty for a problem that has none."""
    unique = _independent(problem)
    if problem.loss.quadratic or problem.loss.reach is not None:
        path = path_of(problem)
        place = path.least
        measure = "The squared error on a row left out"
        before, after = np.maximum(path.errors[[0, place]], loss_level(loss("mse"), problem.target))
        return Choice(path.penalty(place), float(before), float(after), measure, unique)
    first = int(problem.intercept)
    columns = problem.design[:, first:]
    size = float(np.mean(columns.std(0))) if columns.size else 1.0
    kind = "l1" if problem.loss.pieces else "l2"
    unit = size if kind == "l1" else size**2 * (problem.loss.bound or 1.0)
    amounts = np.geomspace(1e-4, 1.0, AMOUNTS) * (unit or 1.0)
    tries = MOST_SOLVED if problem.loss.pieces else MOST_TRIED
    if problem.parameters > MOST_PARAMETERS or min(len(problem.design), MOST_ROWS) * problem.parameters > tries:
        return Choice(f"{kind}:{float(f'{amounts[AMOUNTS // 2]:.1g}'):g}", np.nan, np.nan, "", unique)
    before, *tried = (_folded(problem, Penalty(**{kind: float(amount)})) for amount in (0.0, *amounts))
    best = tried[int(np.argmin([each.mean() for each in tried]))]
    place = next(place for place, each in enumerate(tried) if _as_good(each, best))
    measure = "The loss on fifths of the rows that are not fitted"
    penalty = f"{kind}:{float(f'{amounts[place]:.2g}'):g}"
    return Choice(penalty, float(before.mean()), float(tried[place].mean()), measure, unique)


def _independent(problem: LinearProblem) -> bool:
    """Whether no column is a combination of others, so that one answer is best: by Cholesky's pivots where these tell.

    >>> from steepest.model.losses import loss
    >>> a = np.column_stack([np.ones(4), [1e6, 2e6, 4e6, 5e6], [2.0, 4.0, 8.0, 10.0]])
    >>> [_independent(LinearProblem(a[:, :columns], np.zeros(4), loss("mse"))) for columns in (2, 3)]
    [True, False]
    """
    design, first = problem.design, int(problem.intercept)
    rows, columns = design.shape
    if rows < columns:
        return False
    centre = design[:, first:].mean(0) if first else 0.0
    squares = gram(design[:, first:], None, centre)
    size = np.sqrt(np.diag(squares))
    if not size.all():
        return False
    try:
        pivots = np.diag(np.linalg.cholesky(squares / np.outer(size, size)))
    except np.linalg.LinAlgError:
        pivots = np.zeros(1)
    if pivots.min(initial=1.0) > SURE_PIVOT or columns > MOST_RANKED:
        return bool(pivots.min(initial=1.0) > 0.0)
    return bool(np.linalg.matrix_rank((design[:, first:] - centre) / size) == columns - first)


def _as_good(each: np.ndarray, best: np.ndarray) -> bool:
    """Whether the losses of rows are larger than the best ones by no more than the standard error of that."""
    if not np.isfinite(best).all():
        return True
    more = each - best
    return bool(more.mean() <= more.std() / np.sqrt(max(len(more) - 1, 1)))


def _folded(problem: LinearProblem, penalty: Penalty) -> np.ndarray:
    """The loss of each row `[n]` at the exact answer for the other four fifths of the rows; inf where that has none."""
    rows = evenly(len(problem.design), MOST_ROWS)
    fold = np.arange(len(rows)) % FOLDS
    each = np.full(len(rows), np.inf)
    for held in range(min(FOLDS, len(rows))):
        theta = solve(replace(problem.take(rows[fold != held]), penalty=penalty)).theta
        if theta is None:
            break
        other = problem.take(rows[fold == held])
        predicted = torch.from_numpy(certify.prediction(other, theta))
        losses = problem.loss.rows(predicted, torch.from_numpy(other.target)).numpy()
        each[fold == held] = losses if other.weights is None else losses * other.weights
    return each
