"""Families of distributions: Newton's method, and what there is where the zeros among the targets leave no minimum.

A target of 0 is best met by a prediction of −∞, a share of 1 by one of ∞. If some θ lowers the predictions of some rows of target
0 (or raises those of target 1), and changes those of no other row, the loss falls for ever along it and has no minimum: as where
a group of rows has only zeros (Santos Silva and Tenreyro 2010, for counts). A linear programme finds all rows that any such θ
moves; what they lose vanishes, and the infimum is the minimum over the others.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from steepest.analysis.exact.answer import Exact
from steepest.analysis.exact.separation import MOST_COMPARISONS, REMEDY, is_minimum, won
from steepest.analysis.exact.smooth import Smooth, answer, at_the_edge, minimise, on_edge, smooth
from steepest.model.linear import LinearProblem


def solve(problem: LinearProblem) -> Exact:
    """The best answer without a penalty, or the infimum."""
    objective = smooth(problem)
    z, residual, reach = minimise(objective)
    if on_edge(problem, residual):
        return at_the_edge(problem)
    way = _ways(problem)
    if not way.any() or is_minimum(objective, z, reach):
        return answer(objective, z, residual)
    if np.count_nonzero(way) * 2 * objective.basis.shape[1] > MOST_COMPARISONS:
        found = answer(objective, z, residual)
        unsure = "The problem is too large to decide whether it has a minimum."
        return replace(found, note=f"{found.note} {unsure}".strip())
    vanishing = _vanishing(objective, way)
    return _infimum(problem, vanishing) if vanishing.any() else answer(objective, z, residual)


def _weighed(problem: LinearProblem) -> np.ndarray:
    return np.ones(len(problem.target), bool) if problem.weights is None else problem.weights > 0.0


def _ways(problem: LinearProblem) -> np.ndarray:
    """Of each row `[n]` 1 or −1 where its loss vanishes as its prediction rises or falls without end, else 0."""
    family = problem.loss.family
    assert family is not None
    if family.positive:
        return np.zeros(len(problem.target))
    lowest = 0.0 if family.open_low else -1.0
    way = np.where(problem.target == family.low, lowest, np.where(problem.target == family.high, 1.0, 0.0))
    return way * _weighed(problem)


def _vanishing(objective: Smooth, way: np.ndarray) -> np.ndarray:
    """Which rows `[n]` some θ moves their way that moves none the other way, and no row that has none."""
    from scipy.sparse import csr_array

    ends = way != 0.0
    held = objective.basis[~ends & _weighed(objective.problem)]
    free = np.eye(objective.basis.shape[1])
    if len(held):
        values, vectors = np.linalg.eigh(held.T @ held / len(objective.basis))
        free = vectors[:, values <= 1e-13 * max(values[-1], 1e-300)]
    found = np.zeros(len(ends), bool)
    if free.shape[1]:
        margins = way[ends, None] * objective.basis[ends] @ free
        size = np.linalg.norm(margins, axis=1, keepdims=True)
        # a row that no such θ moves but by rounding
        margins = np.where(size > 1e-7, margins / np.where(size > 0.0, size, 1.0), 0.0)
        found[ends] = won(csr_array(margins))
    return found


def _infimum(problem: LinearProblem, vanishing: np.ndarray) -> Exact:
    method = "HiGHS (linear programme), then Newton on the rows whose loss does not vanish"
    rest, lost = np.flatnonzero(~vanishing), int(vanishing.sum())
    at = " or ".join(f"{value:g}" for value in np.unique(problem.target[vanishing]))
    note = (
        f"The loss of {lost:,} rows with the target {at} falls for ever as the coefficients grow, at no cost to the others, so "
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
