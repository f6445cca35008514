"""Piecewise linear losses (`l1`, `quantile`, `hinge`, `epsilon_insensitive`): a linear programme, solved through its dual.

They are Σᵢ max(highᵢ·rᵢ, lowᵢ·rᵢ) of residuals r = y − A·θ from their kinks y (of `epsilon_insensitive` two a row), and an l1
penalty is more of the same: one row for each parameter, whose target is 0. The dual has one bounded variable a row and one
equation a parameter,

    max Σᵢ yᵢuᵢ   where Aᵀu = 0, low ≤ u ≤ high,

which is far faster than the primal for many rows. An optimum passes through as many rows as there are
parameters: solving for those rows gives θ to the last digit. Any such u proves a lower bound on the loss,
and the gap between the two is the certificate (Koenker and Bassett 1978).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from steepest.analysis.exact.answer import WITHOUT_LOSS, Exact, one_of_many
from steepest.errors import FitError
from steepest.model.linear import LinearProblem
from steepest.model.preconditioners import orthonormal

MANY_ROWS = 4_000
"""Rows up to which they are all given to the solver at once."""

INSIDE = (
    "All rows lie within the width of the loss, so many answers have no loss: penalty='l2:0.001' takes the flattest."
)

ROUNDED = 1e-12
"""Share of the loss at 0 that is none but for rounding."""

SHARE = 4
"""One row of so many is in the sample that says where the optimum is."""


@dataclass(frozen=True)
class Programme:
    """min over c of Σᵢ max(highᵢ·rᵢ, lowᵢ·rᵢ), r = target − rows·c: rows `[N, r]`, the others `[N]`."""

    rows: np.ndarray
    target: np.ndarray
    low: np.ndarray
    high: np.ndarray

    def value(self, c: np.ndarray) -> float:
        """The objective at c."""
        residual = self.target - self.rows @ c
        return float(np.maximum(self.high * residual, self.low * residual).sum())

    def beside(self, columns: np.ndarray, target: np.ndarray, low: np.ndarray | float, high: np.ndarray) -> Programme:
        """With a row for each of these entries of c, `[m]` as the others."""
        parts = np.eye(self.rows.shape[1])[columns], target, np.broadcast_to(low, columns.shape), high
        return Programme(*(np.concatenate(pair) for pair in zip(vars(self).values(), parts, strict=True)))


def solve(problem: LinearProblem) -> Exact:
    """The best answer of a piecewise linear loss, without penalty or with l1."""
    terms, matrix = programme(problem)
    c, dual = _solve_dual(terms)
    c = _through_rows(terms, c)
    value = terms.value(c)
    certificate = duality_gap(terms, c, dual, value) / (value or 1.0)
    note = one_of_many(*matrix.shape, which="lies in the row space of the")
    if value <= ROUNDED * terms.value(np.zeros_like(c)) and problem.loss.pieces is None and not problem.penalty:
        note = WITHOUT_LOSS if problem.loss.classes else INSIDE
    return Exact(matrix @ c, value, "HiGHS (linear programme)", certificate, note)


def programme(problem: LinearProblem) -> tuple[Programme, np.ndarray]:
    """The programme in a well conditioned basis, and the matrix M `[p, r]` from there to θ."""
    if not problem.penalty.kinked:
        coordinates = orthonormal(problem)
        return of_loss(problem, coordinates.basis), coordinates.matrix
    scale = np.sqrt(np.mean(problem.design**2, axis=0))
    scale = np.where(scale > 0.0, scale, 1.0)
    plain = with_penalty(problem, problem.design / scale, 1.0 / scale)
    root = np.asarray(np.linalg.qr(plain.rows / np.sqrt(len(problem.target)), mode="r"))
    pivots = np.abs(np.diag(root))
    # where columns depend on one another, no l1 penalty tells them apart
    matrix = np.linalg.inv(root) if pivots.min() > 1e-13 * pivots.max() else np.eye(len(root))
    return replace(plain, rows=plain.rows @ matrix), matrix / scale[:, None]


def of_loss(problem: LinearProblem, basis: np.ndarray) -> Programme:
    """The mean loss as a function of coordinates in a basis `[n, r]`: a row for each kink."""
    n = len(problem.target)
    weights = (np.ones(n) if problem.weights is None else problem.weights) / n
    kinks = problem.loss.kinks(problem.target)
    places, low, high = (np.concatenate([np.broadcast_to(one, n) for one in part]) for part in zip(*kinks, strict=True))
    every = np.tile(weights, len(kinks))
    if problem.offset is not None:
        places = places - np.tile(problem.offset, len(kinks))
    return Programme(basis if len(kinks) == 1 else np.tile(basis, (len(kinks), 1)), places, low * every, high * every)


def with_penalty(problem: LinearProblem, basis: np.ndarray, scales: np.ndarray) -> Programme:
    """The same with a row for each parameter under an l1 penalty, and one for each bound.

    scales `[p]`: the penalised parts of θ are scales·c.
    """
    loss = _with_bounds(problem, of_loss(problem, basis), scales)
    if not problem.penalty.l1:
        return loss
    penalised = np.flatnonzero(problem.penalised)
    share = problem.penalty.l1 * scales[penalised]
    return loss.beside(penalised, np.zeros(len(penalised)), -share, share)


def _with_bounds(problem: LinearProblem, loss: Programme, scales: np.ndarray) -> Programme:
    """The same with a row for each bound, on whose wrong side it rises more than the objective can fall (an exact penalty:
    Zangwill 1967): by twice all slopes of the rows in that column, and the penalty's."""
    if problem.penalty.bounds is None:
        return loss
    low, high = np.array(problem.penalty.bounds).T
    n, l2 = len(problem.target), problem.penalty.l2
    heaviest = np.maximum(loss.high, -loss.low)
    slopes = heaviest.reshape(-1, n).sum(0) @ np.abs(problem.design)
    inside = np.clip(np.zeros(len(low)), low, high)
    predicted = problem.design @ inside + (0.0 if problem.offset is None else problem.offset)
    begun = float(problem.loss.mean(predicted, problem.target, problem.weights)) + l2 * float(inside @ inside)
    steep = 2.0 * (slopes + problem.penalty.l1 + 2.0 * (l2 * begun) ** 0.5)
    held = problem.penalised > 0.0
    below = np.flatnonzero(np.isfinite(low) & held & (scales > 0.0))
    above = np.flatnonzero(np.isfinite(high) & held & (scales > 0.0))
    loss = loss.beside(below, low[below] / scales[below], 0.0, (steep * scales)[below])
    return loss.beside(above, high[above] / scales[above], -(steep * scales)[above], np.zeros(len(above)))


def _solve_dual(programme: Programme) -> tuple[np.ndarray, np.ndarray]:
    """c `[r]` and u `[N]`. Many rows are not all asked: those far from the optimum only have a side.

    A sample of rows says roughly where the optimum is. Rows far from it keep the u of their side, the
    programme is solved for the near ones, and rows that turn out to be on the other side join them (Portnoy
    and Koenker 1997). The sample is answered in the same way.
    """
    count, rank = programme.rows.shape
    if count == rank:  # one passes through all rows
        return np.linalg.solve(programme.rows, programme.target), np.zeros(count)
    residual, chosen = _first_guess(programme)
    while True:
        side = residual > 0.0
        c, dual = _with_sides(programme, residual, chosen)
        residual = programme.target - programme.rows @ c
        wrong = ~chosen & ((residual > 0.0) != side)
        if not wrong.any():
            return c, dual
        chosen |= wrong


def _first_guess(programme: Programme) -> tuple[np.ndarray, np.ndarray]:
    """The residuals `[N]` at about the optimum, from a sample of the rows, and which of them are too near to have a sure side."""
    count, rank = programme.rows.shape
    few = count // SHARE
    # predictions from a sample of m rows are off by about √(rank/m) of the spread of the residuals
    near = int(2.0 * np.sqrt(rank / max(few, 1)) * count) + 10 * rank
    if count <= MANY_ROWS or near >= count // 2:
        return np.zeros(count), np.ones(count, bool)
    sampled = np.random.default_rng(0).permutation(count)[:few]
    sample = Programme(*(part[sampled] for part in vars(programme).values()))
    c, _ = _with_sides(sample, *_first_guess(sample))
    residual = programme.target - programme.rows @ c
    return residual, _nearest(residual, near)


def balanced(programme: Programme, residual: np.ndarray, count: int) -> np.ndarray:
    """u `[N]` with Aᵀu = 0 for the residuals of any point: that of their side for all rows but those near a kink."""
    return _with_sides(programme, residual, _nearest(residual, count))[1]


def _nearest(residual: np.ndarray, count: int) -> np.ndarray:
    """True for the rows nearest to their kink."""
    near = np.zeros(len(residual), bool)
    near[np.argsort(np.abs(residual), kind="stable")[:count]] = True
    return near


def _with_sides(programme: Programme, residual: np.ndarray, near: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """c and u with the u of their side for all rows but the near ones, and of more rows where these cannot balance them.

    The rows that are near in the end are marked as such.
    """
    side = np.where(residual > 0.0, programme.high, programme.low)
    while (found := _highs(programme, near, side)) is None:
        near |= _nearest(residual, 2 * int(np.count_nonzero(near)))
    return found


def _highs(programme: Programme, near: np.ndarray, side: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """c and u by HiGHS, u of the rows that are not near being given; None where it finds no answer."""
    from scipy.optimize import linprog

    size = float(np.abs(programme.target).max()) or 1.0
    bound = float(max(programme.high.max(), -programme.low.min()))
    given = np.where(near, 0.0, side)
    found = linprog(
        -programme.target[near] / size,
        A_eq=programme.rows[near].T,
        b_eq=-(programme.rows.T @ given) / bound,
        bounds=np.column_stack([programme.low[near], programme.high[near]]) / bound,
        method="highs",
        options={"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10},
    )
    if found.x is None:
        if near.all():
            raise FitError(f"HiGHS found no answer to the linear programme: {found.message}")
        return None
    given[near] = np.asarray(found.x) * bound
    return -np.asarray(found.eqlin.marginals) * size, given


def _through_rows(programme: Programme, c: np.ndarray) -> np.ndarray:
    """The point through the r nearest independent rows, if it is no worse than c."""
    from scipy.linalg import qr

    rank = programme.rows.shape[1]
    distance = np.abs(programme.target - programme.rows @ c)
    near = np.flatnonzero(distance <= 1e-6 * (np.abs(programme.target).max() or 1.0))
    near = near[np.argsort(distance[near], kind="stable")][: 4 * rank]
    if len(near) < rank:
        return c
    order = qr(programme.rows[near].T, mode="r", pivoting=True)[1]
    chosen = near[order[:rank]]
    try:
        through = np.linalg.solve(programme.rows[chosen], programme.target[chosen])
    except np.linalg.LinAlgError:
        return c
    return through if programme.value(through) <= programme.value(c) else c


def duality_gap(programme: Programme, c: np.ndarray, dual: np.ndarray, value: float) -> float:
    """value − Σyu, the rounding of the residuals set aside, for a u that is feasible by construction. value: F near c.

    The solver's u is only a proposal: clipped to its bounds, then moved the least that makes Aᵀu = 0,
    on the rows where it is free to move.
    """
    dual = np.clip(dual, programme.low, programme.high)
    room = np.minimum(dual - programme.low, programme.high - dual)
    free = room > 1e-9 * np.abs(programme.high - programme.low)
    for _ in range(2):
        missing = programme.rows.T @ dual
        if free.any():
            dual[free] -= np.linalg.lstsq(programme.rows[free].T, missing, rcond=None)[0]
    outside = np.maximum(programme.low - dual, dual - programme.high).max(initial=0.0)
    width = np.abs(programme.high - programme.low).max()
    unbalanced = float(np.abs((programme.rows.T @ dual) * c).sum())
    gap = abs(value - float(programme.target @ dual)) + unbalanced
    heaviest = np.maximum(programme.high, -programme.low)
    size = np.abs(programme.target) + np.abs(programme.rows) @ np.abs(c)
    rounding = 4.0 * np.finfo(float).eps * float(heaviest @ size)
    return max(gap - rounding, 0.0) + (value or 1.0) * max(float(outside / width) - 1e-15, 0.0)
