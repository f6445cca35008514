"""A penalty that suits the data, rather too small than too large: too large a one does more harm than none.

Squares (and Huber's loss, which is nearly that) take the smallest amount of the ridge path that the rows do not rule out.
Other losses are fitted to four fifths of the rows and scored on the last one, in turn, for nine amounts: the smallest whose
loss is within a standard error of the least (Breiman et al. 1984, the other way round).

The ridge path: answers for many amounts A from one decomposition, each scored on every row left out.

    K = Z·Zᵀ = V·Λ·Vᵀ (Z the penalised columns),  M = K + n·A·I,  α = M⁻¹(y − b·1)
    left out:  yᵢ − ŷ₋ᵢ = αᵢ / [M⁻¹ − M⁻¹11ᵀM⁻¹/(1ᵀM⁻¹1)]ᵢᵢ        the intercept b is free
    θ = Zᵀα

for the objective mean (y − ŷ)² + A·Σθ², in user units. It holds for more parameters than rows (Cawley 2006). Several
targets share A; their squares are averaged, so that each sees m·A.

Which A? The one of least error on rows left out is a gamble where rows are few. Ridge is also the best guess where the
coefficients are normal draws, and then the rows have a likelihood, free of b and of the noise (restricted maximum
likelihood; Reiss and Ogden 2009 on why it beats scores of rows left out): with n₋ contrasts, uᵢ = (Vᵀy)ᵢ,

    −2 log L(A) = n₋·log(Σ uᵢ²/(λᵢ + n·A)) + Σ log(λᵢ + n·A)        over the contrasts

`least` is the smallest A that it does not rule out: with every log A of the path as likely beforehand, it is 95% sure that
the best one is no smaller. Over 1,560 tables (sparse and dense coefficients, n < p and n ≈ p, polynomials, noise ½ and 2)
that made the squared error on new rows more than 5% worse than that of the first A in 1.3% of them and better in 89%; the
A of the least error left out did in 9.2% and 64%.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from steepest.analysis.checks.rounding import loss_level
from steepest.analysis.exact import certificate as certify
from steepest.analysis.exact.solve import solve
from steepest.data.thinning import evenly
from steepest.model.linear import LinearProblem, gram
from steepest.model.penalties import Penalty
from steepest.model.torch_losses import loss

MOST_ROWS = 1_000
STEPS = 61  # amounts of a ridge path
LEVEL = 0.05  # probability that the best amount is smaller than the one that is taken
MOST_PARAMETERS = 300
MOST_TRIED, MOST_SOLVED = 100_000, 10_000
"""Entries of a design up to which amounts are tried: each takes five Newton's methods, or five linear programmes."""

SURE_PIVOT = 1e-5
"""Smallest of Cholesky's pivots of a matrix of correlations from which its columns are independent beyond doubt."""

MOST_RANKED = 500  # columns up to which the rank is told from singular values where pivots do not tell it
AMOUNTS = 9
FOLDS = 5

LEAST_SHARE = 0.1  # a gain on unseen rows that is worth a promise


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
    kind = "l1" if problem.loss.kinked else "l2"
    unit = size if kind == "l1" else size**2 * (problem.loss.bound or 1.0)
    amounts = np.geomspace(1e-4, 1.0, AMOUNTS) * (unit or 1.0)
    if not tried(problem):
        return Choice(f"{kind}:{float(f'{amounts[AMOUNTS // 2]:.1g}'):g}", np.nan, np.nan, "", unique)
    tried_out = [(amount, 0.0) if kind == "l1" else (0.0, amount) for amount in (0.0, *amounts.tolist())]
    before, *scored = (left_out(problem, Penalty(*weights)) for weights in tried_out)
    best = scored[int(np.argmin([each.mean() for each in scored]))]
    place = next(place for place, each in enumerate(scored) if _as_good(each, best))
    measure = "The loss on fifths of the rows that are not fitted"
    penalty = f"{kind}:{float(f'{amounts[place]:.2g}'):g}"
    return Choice(penalty, float(before.mean()), float(scored[place].mean()), measure, unique)


def tried(problem: LinearProblem) -> bool:
    """Whether answers for parts of the rows take little enough time to be tried."""
    most = MOST_SOLVED if problem.loss.kinked else MOST_TRIED
    return problem.parameters <= MOST_PARAMETERS and min(len(problem.design), MOST_ROWS) * problem.parameters <= most


def _independent(problem: LinearProblem) -> bool:
    """Whether no column is a combination of others, so that one answer is best: by Cholesky's pivots where these tell.

    >>> from steepest.model.torch_losses import loss
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


def left_out(problem: LinearProblem, penalty: Penalty) -> np.ndarray:
    """The loss of each row `[n]` at the exact answer for the other four fifths of the rows; inf where that has none."""
    rows = evenly(len(problem.design), MOST_ROWS)
    fold = np.arange(len(rows)) % FOLDS
    each = np.full(len(rows), np.inf)
    for held in range(min(FOLDS, len(rows))):
        theta = solve(replace(problem.take(rows[fold != held]), penalty=penalty)).theta
        if theta is None:
            break
        other = problem.take(rows[fold == held])
        losses = problem.loss.rows(certify.prediction(other, theta), other.target)
        each[fold == held] = losses if other.weights is None else losses * other.weights
    return each


# ---- the ridge path --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Path:
    """amounts: A `[s]`, rising from next to nothing; errors: mean squared error of rows left out `[s]`; theta: `[s, m·p]`.

    deviances: −2 log L `[s]`.
    """

    amounts: np.ndarray
    errors: np.ndarray
    theta: np.ndarray
    deviances: np.ndarray

    @property
    def least(self) -> int:
        """The smallest amount that the rows do not rule out."""
        likelihood = np.exp((self.deviances.min() - self.deviances) / 2)
        return int(np.searchsorted(np.cumsum(likelihood), LEVEL * likelihood.sum()))

    def penalty(self, place: int) -> str:
        """The penalty there, with two digits: `l2:0.12`."""
        return f"l2:{float(f'{self.amounts[place]:.2g}'):g}"


def path_of(problem: LinearProblem) -> Path:
    """The path of a problem whose targets are numbers, on an even sample of at most 1,000 rows.

    The first amount is 1e-10 of the largest eigenvalue: least squares (of least norm).

    >>> from steepest.model.torch_losses import loss
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
    contrasts = count - first
    centred = along_y - np.outer(along_ones, along_ones @ along_y / count) if first else along_y
    errors, theta, deviances = [], [], []
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
        # the intercept's direction is an eigenvector of eigenvalue 0 that is no contrast
        spread = float(np.sum(np.log(values + count * targets * amount)) - first * np.log(count * targets * amount))
        squares = np.maximum(inverse @ centred**2, 1e-300)
        deviances.append(float(np.sum(contrasts * np.log(squares) + spread)))
    return Path(amounts, np.array(errors), np.array(theta), np.array(deviances))
