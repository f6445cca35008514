"""Families of distributions: Newton's method, and what there is where the zeros among the targets leave no minimum.

A target of 0 is best met by a prediction of −∞. If some θ lowers the predictions of some rows of target 0, and changes those of
no other row, the loss falls for ever along it and has no minimum: as where a group of rows has only zeros (Santos Silva and
Tenreyro 2010, for counts). A linear programme finds all rows that any such θ lowers; what they lose vanishes, and the infimum
is the minimum over the others.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from steepest.analysis.exact.answer import Exact
from steepest.analysis.exact.separation import MOST_COMPARISONS, REMEDY, is_minimum, won
from steepest.analysis.exact.smooth import Smooth, answer, minimise, smooth
from steepest.model.linear import LinearProblem


def solve(problem: LinearProblem) -> Exact:
    """The best answer without a penalty, or the infimum."""
    objective = smooth(problem)
    z, residual, reach = minimise(objective)
    zeros = _zeros(problem)
    if not zeros.any() or is_minimum(objective, z, reach):
        return answer(objective, z, residual)
    if zeros.sum() * 2 * objective.basis.shape[1] > MOST_COMPARISONS:
        found = answer(objective, z, residual)
        unsure = "The problem is too large to decide whether its zeros leave a minimum."
        return replace(found, note=f"{found.note} {unsure}".strip())
    vanishing = _vanishing(objective, zeros)
    return _infimum(problem, vanishing) if vanishing.any() else answer(objective, z, residual)


def _weighed(problem: LinearProblem) -> np.ndarray:
    return np.ones(len(problem.target), bool) if problem.weights is None else problem.weights > 0.0


def _zeros(problem: LinearProblem) -> np.ndarray:
    """The rows `[n]` whose loss vanishes as their prediction falls."""
    return (problem.target == 0.0) & _weighed(problem)


def _vanishing(objective: Smooth, zeros: np.ndarray) -> np.ndarray:
    """Which rows `[n]` some θ lowers that raises no row of target 0, and moves no other."""
    from scipy.sparse import csr_array

    held = objective.basis[~zeros & _weighed(objective.problem)]
    free = np.eye(objective.basis.shape[1])
    if len(held):
        values, vectors = np.linalg.eigh(held.T @ held / len(objective.basis))
        free = vectors[:, values <= 1e-13 * max(values[-1], 1e-300)]
    found = np.zeros(len(zeros), bool)
    if free.shape[1]:
        margins = -objective.basis[zeros] @ free
        size = np.linalg.norm(margins, axis=1, keepdims=True)
        # a row that no such θ moves but by rounding
        margins = np.where(size > 1e-7, margins / np.where(size > 0.0, size, 1.0), 0.0)
        found[zeros] = won(csr_array(margins))
    return found


def _infimum(problem: LinearProblem, vanishing: np.ndarray) -> Exact:
    method = "HiGHS (linear programme), then Newton on the rows whose loss does not vanish"
    rest, lost = np.flatnonzero(~vanishing), int(vanishing.sum())
    note = (
        f"The loss of {lost:,} rows with the target 0 falls for ever as the coefficients grow, at no cost to the others, so "
        f"the loss has no minimum: this is the infimum. {REMEDY}"
    )
    value, certificate = 0.0, 0.0
    if len(rest):
        part = smooth(problem.take(rest))
        z, certificate, _ = minimise(part)
        share = len(rest) / len(vanishing)
        share *= 1.0 if problem.weights is None else float(problem.weights[rest].mean())
        value = part.value(z) * share
    return Exact(None, value, method, certificate, note, separable=True)
