"""Where a descent can begin under a link whose predictions must be above 0, as `inverse`: at 0 no mean belongs to them.

With an intercept it is the best constant. Without one a linear programme finds coefficients that keep the smallest prediction
as far above 0 as that constant is, or as far as there are any.
"""

from __future__ import annotations

import numpy as np

from steepest.errors import DataError
from steepest.model.linear import LinearProblem


def feasible_start(problem: LinearProblem) -> np.ndarray | None:
    """θ₀ `[k·p]`; None where 0 does.

    Raises:
        DataError: no coefficients make all predictions positive.
    """
    family = problem.loss.family
    if family is None or not family.positive:
        return None
    rows, each = len(problem.target), problem.target.reshape(len(problem.target), -1)
    mean = np.average(each, axis=0, weights=problem.weights)
    ahead = np.zeros(rows) if problem.offset is None else problem.offset
    wanted = family.link(np.where(mean > 0.0, mean, 1.0))
    start = np.zeros((problem.outputs, problem.design.shape[1]))
    if problem.intercept:
        start[:, 0] = wanted + max(-float(ahead.min()), 0.0)
        return start.ravel()
    for output in range(problem.outputs):
        start[output] = _inside(problem, ahead, float(wanted[output]))
    return start.ravel()


def check_start(problem: LinearProblem, theta: np.ndarray | None, asked: object) -> None:
    """DataError where a start of one's own predicts what no mean belongs to."""
    family = problem.loss.family
    if theta is None or family is None or not family.positive:
        return
    found = (problem.design @ theta.reshape(problem.outputs, -1).T).min(1)
    found = found if problem.offset is None else found + problem.offset
    if not (found > 0.0).all():
        row = int(np.argmin(found))
        raise DataError(
            f"init={asked!r} predicts {found[row]:g} in row {row + 1:,} (counted from 1), and under this link predictions are "
            f"{family.text}, above 0. Leave init= out."
        )


def _inside(problem: LinearProblem, ahead: np.ndarray, most: float) -> np.ndarray:
    """θ `[p]` whose smallest prediction is largest, up to `most`: by HiGHS."""
    from scipy.optimize import linprog

    rows, size = problem.design, np.abs(problem.design).max(0)
    scale = np.where(size > 0.0, size, 1.0)
    found = linprog(
        np.append(np.zeros(rows.shape[1]), -1.0),
        A_ub=np.column_stack([-rows / scale, np.ones(len(rows))]),
        b_ub=ahead,
        bounds=[(None, None)] * rows.shape[1] + [(None, most)],
        method="highs",
    )
    if found.x is None or not found.x[-1] > 1e-9 * most:
        text = "" if problem.loss.family is None else problem.loss.family.text
        raise DataError(
            f"No coefficients make all predictions positive, as {text} must be. Give the model an intercept, or take link='log'."
        )
    return found.x[:-1] / scale
