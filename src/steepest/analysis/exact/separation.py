"""Classes that a plane can tell apart have no best parameters: the loss falls for ever as they grow.

Three cases (Albert and Anderson 1984), told apart here by what the data prove:

- overlap: Newton's method arrives at a minimum, where the loss is strictly convex;
- separable: some θ puts every row on its own side, and Newton meets one; the infimum is 0;
- quasi-separable: some θ puts no row on the wrong side and some on their own. A linear programme finds all
  comparisons (a row, its class against another) that any such θ decides. These vanish as θ grows; the
  infimum is the minimum over what stays undecided.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from steepest.analysis.exact.answer import Exact
from steepest.analysis.exact.smooth import MOST_DENSE, Smooth, answer, minimise, smooth
from steepest.model.linear import LinearProblem

MOST_COMPARISONS = 2_000_000  # entries of the linear programme beyond which it is left out
WELL_ROUNDED = 1e-7  # smallest over largest eigenvalue from which a minimum needs no further proof
REMEDY = "penalty='l2:0.001' gives them one."
SEPARABLE = f"The classes are separable, so the loss has no minimum: it falls to 0 for ever. {REMEDY}"


def solve(problem: LinearProblem) -> Exact:
    """The best answer, or the infimum of separable classes, for `logistic` and `cross_entropy` without penalty."""
    objective = smooth(problem)
    z, residual, reach = minimise(objective, lambda predicted: _separated(problem, predicted))
    if _separated(problem, objective.prediction(z)):
        return Exact(None, 0.0, "Newton until every row is on its own side", 0.0, SEPARABLE, separable=True)
    if is_minimum(objective, z, reach):
        return answer(objective, z, residual)
    if _comparisons(problem).sum() * 2 * objective.basis.shape[1] > MOST_COMPARISONS:
        found = answer(objective, z, residual)
        unsure = "The problem is too large to decide whether its classes are quasi-separable."
        return replace(found, note=f"{found.note} {unsure}".strip())
    decided = _decided(objective)
    return _undecided_part(objective, decided) if decided.any() else answer(objective, z, residual)


def _separated(problem: LinearProblem, predicted: np.ndarray) -> bool:
    """Whether every comparison is won, which proves that the classes are separable."""
    linear = predicted if problem.offset is None else predicted - problem.offset  # an offset grows no further
    return bool(np.all(_margins(problem, linear)[_comparisons(problem)] > 0.0))


def _margins(problem: LinearProblem, predicted: np.ndarray) -> np.ndarray:
    """By how much a row's own class leads: `[n, k]` over each class, `[n]` over the other one."""
    if predicted.ndim == 1:
        return np.where(problem.target > 0.5, predicted, -predicted)
    return predicted[np.arange(len(predicted)), problem.target][:, None] - predicted


def _comparisons(problem: LinearProblem) -> np.ndarray:
    """True where a row's own class is held against another: `[n, k]` or `[n]`; rows of weight 0 have none."""
    rows = np.ones(len(problem.target), bool) if problem.weights is None else problem.weights > 0.0
    if problem.outputs == 1:
        return rows
    return rows[:, None] & (np.arange(problem.outputs) != problem.target[:, None])


def is_minimum(objective: Smooth, z: np.ndarray, reach: float) -> bool:
    """Whether Newton has nowhere to go from z, and the loss is strictly convex there."""
    if reach > 1e-6:
        return False
    if objective.size > MOST_DENSE:
        return True
    values = np.linalg.eigvalsh(objective.hessian(objective.prediction(z)))
    return bool(values[0] > WELL_ROUNDED * values[-1])


def _decided(objective: Smooth) -> np.ndarray:
    """Which comparisons some θ wins that loses none: max Σ s, 0 ≤ s ≤ 1, margins M·θ ≥ s, by HiGHS.

    Of such θ the sum of two wins whatever either wins, so one programme finds all of them. It is solved as its dual, which has
    as few equations as θ has entries: max Σ λ₁, 0 ≤ λ₁ ≤ 1, λ₂ ≥ 0, Mᵀ(λ₁ + λ₂) = 0. By Stiemke's theorem its λ₁ is 1 for
    what no such θ wins; θ are its multipliers, whose margins prove the rest.
    """
    from scipy.sparse import csr_array

    problem, basis = objective.problem, objective.basis
    compared = _comparisons(problem)
    rank, outputs = basis.shape[1], problem.outputs
    place = np.nonzero(compared)
    rows = basis[place[0]] / np.linalg.norm(basis[place[0]], axis=1, keepdims=True)
    count, size = len(rows), outputs * rank
    if outputs == 1:
        sign = np.where(problem.target[place[0]] > 0.5, 1.0, -1.0)
        margins = csr_array(rows * sign[:, None])
    else:
        start = np.arange(rank)
        own = problem.target[place[0]][:, None] * rank + start
        other = place[1][:, None] * rank + start
        entries = np.concatenate([rows, -rows], axis=1).ravel()
        columns = np.concatenate([own, other], axis=1).ravel()
        margins = csr_array((entries, columns, np.arange(count + 1) * 2 * rank), shape=(count, size))
    decided = np.zeros(compared.shape, bool)
    decided[compared] = won(margins)
    return decided


def won(margins: Any) -> np.ndarray:
    """Which rows of M `[count, size]`, sparse, some θ wins that loses none, `[count]`."""
    from scipy.optimize import linprog
    from scipy.sparse import hstack

    count, size = margins.shape
    found = linprog(
        np.repeat([-1.0, 0.0], count),
        A_eq=hstack([margins.T, margins.T]).tocsc(),
        b_eq=np.zeros(size),
        bounds=[(0.0, 1.0)] * count + [(0.0, None)] * count,
        method="highs",
        options={"primal_feasibility_tolerance": 1e-9, "dual_feasibility_tolerance": 1e-9},
    )
    if found.x is None:
        return np.zeros(count, bool)
    won_by = margins @ -found.eqlin.marginals
    return won_by > 0.5 if won_by.min() > -1e-6 else np.zeros(count, bool)


def _undecided_part(objective: Smooth, decided: np.ndarray) -> Exact:
    """The infimum: the minimum over the comparisons that stay undecided, in the directions that move them."""
    problem = objective.problem
    live = ~decided & (_comparisons(problem) if problem.outputs == 1 else True)
    undecided = int(np.count_nonzero(_comparisons(problem) & ~decided))
    if undecided == 0:
        return Exact(None, 0.0, "HiGHS (linear programme)", 0.0, SEPARABLE, separable=True)
    part = replace(objective, live=live)
    values, vectors = np.linalg.eigh(part.hessian(part.prediction(np.zeros(part.size))))
    moving = vectors[:, values > 1e-11 * values[-1]]
    directions = moving if part.directions is None else part.directions @ moving
    part = replace(part, directions=directions)
    z, residual, _ = minimise(part)
    every = int(np.count_nonzero(_comparisons(problem)))
    note = (
        f"The classes are quasi-separable ({undecided} of {every} comparisons of a row's "
        f"class with another stay undecided), so the loss has no minimum: this is the infimum. {REMEDY}"
    )
    method = "HiGHS (linear programme), then Newton on what stays undecided"
    return Exact(None, part.value(z), method, residual, note, separable=True)
