"""Losses of a residual that are not convex (`cauchy`, `tukey`): no exact answer, but the least that several starts lead to.

Starts: least squares of all rows, and of small parts of them drawn at random, some of which hold no outlier (Rousseeuw and Leroy,
Robust regression and outlier detection, 1987). From each a few steps of iteratively reweighted least squares, from the best ones
until they end: a row of residual r weighs ℓ'(r)/r, so that no step goes up. What an l1 or a group penalty adds is majorised
in the same way, by θ²/(2·|θ₀|).
"""

from __future__ import annotations

import numpy as np

from steepest.analysis.exact import certificate as certify
from steepest.analysis.exact.answer import Exact
from steepest.analysis.exact.smooth import majoriser
from steepest.model.linear import LinearProblem
from steepest.model.preconditioners import standardised

STARTS, FIRST_STEPS, BEST, MOST_STEPS = 30, 3, 5, 300
MOST_ENTRIES = 2_000_000
"""Rows times the square of the columns, of which this takes some hundred passes."""

REASON = "There is no exact answer for loss {loss}: it is not convex, and may have several minima."


def solve(problem: LinearProblem) -> Exact:
    """No answer, and what is known of the least minimum in the note."""
    note, (n, p) = REASON.format(loss=problem.loss), problem.design.shape
    if n * p * p <= MOST_ENTRIES:
        theta = best_of_starts(problem)
        least = certify.objective(problem, theta)
        place = ", ".join(f"{value:.6g}" for value in theta[:8]) + (", …" if p > 8 else "")
        note += f" Of {STARTS} starts the best leads to {least:.8g}, at init=[{place}]."
    else:
        note += " Compare several starts, as st.sweep(…, init='normal', seed=range(20)).best."
    return Exact(None, float("nan"), "", float("nan"), note)


def best_of_starts(problem: LinearProblem) -> np.ndarray:
    """θ `[p]` of the least minimum that the starts lead to."""
    frame = standardised(problem)
    basis, matrix, random = frame.basis, frame.matrix, np.random.default_rng(0)
    n, p = basis.shape
    parts = [np.arange(n), *(random.permutation(n)[: p + 1] for _ in range(STARTS - 1))]
    starts = [np.linalg.lstsq(basis[rows], problem.target[rows], rcond=None)[0] for rows in parts]
    ends = [_descended(problem, basis, matrix, c, FIRST_STEPS) for c in starts]
    ends.sort(key=lambda c: certify.objective(problem, matrix @ c))
    ends = [_descended(problem, basis, matrix, c, MOST_STEPS) for c in ends[:BEST]]
    return min((matrix @ c for c in ends), key=lambda theta: certify.objective(problem, theta))


def bottom_from(problem: LinearProblem, theta: np.ndarray) -> np.ndarray:
    """θ `[p]` at the bottom of the valley that θ lies in: the same steps from there, none of which goes up."""
    frame = standardised(problem)
    c = np.linalg.lstsq(frame.matrix, theta, rcond=None)[0]
    return frame.matrix @ _descended(problem, frame.basis, frame.matrix, c, MOST_STEPS)


def _descended(problem: LinearProblem, basis: np.ndarray, matrix: np.ndarray, c: np.ndarray, steps: int) -> np.ndarray:
    """c after so many steps, or when they no longer move it."""
    term = problem.penalty_in(matrix)
    ridge, thresholds, norms = term.hessian(), np.abs(term.thresholds), term.norms
    for _ in range(steps):
        weights = majoriser(problem, basis @ c) / len(basis)
        system = (basis.T * weights) @ basis + ridge
        if thresholds.any():
            size = np.maximum(np.abs(c), 1e-10 * (np.abs(c).max() or 1.0))
            system = system + np.diag(thresholds / size)
        if norms is not None:
            sizes = norms.norms(norms.scales * c)
            sizes = np.maximum(sizes, 1e-10 * (sizes.max(initial=0.0) or 1.0))
            system = system + np.diag(norms.scales**2 * norms.each(norms.weights / sizes, 0.0))
        size = np.sqrt(np.maximum(np.diag(system), np.finfo(float).tiny))  # or what is held at 0 would hide the others
        right = basis.T @ (weights * problem.target) / size
        moved = np.linalg.lstsq(system / np.outer(size, size), right, rcond=1e-13)[0] / size
        far = np.abs(moved - c).max()
        c = moved
        if far <= 1e-12 * np.abs(c).max():
            break
    return c
