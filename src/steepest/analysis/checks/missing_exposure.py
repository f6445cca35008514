"""EXPOSED: a column that says for how long or of how many was counted, given a slope of its own instead of being the exposure.

Counts of twice the time are twice as many: log μ has log t beside it, with the coefficient 1 and no slope. So three fits are
compared for each positive column t of a count's model with a logarithm, by their deviance D:

    as it is     log μ = … + b·t
    free         log μ = … + b·log t         b must be near 1
    exposed      log μ = … + log t           its D must be far below that of the first, though it has a parameter less

Where counts spread more than Poisson's, differences of D are those over Pearson's φ.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from steepest.analysis.checks.columns import dropped
from steepest.analysis.exact import certificate as certify
from steepest.analysis.exact.solve import solve
from steepest.analysis.finding import Finding, Kind, Prepared
from steepest.analysis.needs import COUNTS, LINEAR, PLAIN, VALUES, check
from steepest.model.linear import LinearProblem
from steepest.text.numbers import number

LEAST_ROWS = 50
FOLD = 3.0  # largest value of a column in its least, from which it may be an exposure
LOWER = 10.0  # by how much the deviance must be lower
NEAR, ERRORS, SURE = 0.15, 3.0, 0.1
"""How far from 1 a free coefficient may be, in standard errors of it too, and how large that may be."""

MOST_COLUMNS, MOST_ENTRIES = 50, 1_000_000


@check("table", "fit", finds=(Kind.EXPOSED,), needs=(LINEAR, VALUES, COUNTS, PLAIN))
def missing_exposure(given: Prepared) -> Iterator[Finding]:
    """The column that is an exposure, of several the one that says most."""
    problem, terms = given.problem, given.terms
    if problem is None or terms is None:
        return
    if given.spec.exposure is not None or problem.offset is not None:
        return
    rows, columns = problem.design.shape
    if rows < LEAST_ROWS or problem.weights is not None or not problem.intercept or problem.degree > 1:
        return
    if columns > MOST_COLUMNS or problem.design.size > MOST_ENTRIES:
        return
    low = problem.design.min(0)
    maybe = [j for j in range(1, columns) if low[j] > 0.0 and problem.design[:, j].max() >= FOLD * low[j]]
    if not maybe:
        return
    now = solve(problem)
    found = [(lower, j) for j in maybe if now.theta is not None and (lower := exposed(problem, now.loss, j)) >= LOWER]
    if not found:
        return
    lower, j = max(found)
    name = terms.names[j]
    plain = dropped(given, [name])
    yield Finding(
        Kind.EXPOSED,
        f"{given.train.targets[0]!r} grows in proportion to {name!r}: that is an exposure, and not a column with a slope.",
        f"With log({name}) beside the prediction, which takes no parameter, the deviance is {number(lower)} lower; a free "
        "coefficient of it would be 1 within its error.",
        {"exposure": name} if plain else {},
        f"The deviance is {number(lower)} lower or more, and the coefficients are those of rates.",
        of_model=True, columns=(name,),
        advice="" if plain else f"Give it as exposure= and take {name!r} out of the columns.",
    )  # fmt: skip


def exposed(problem: LinearProblem, loss: float, j: int) -> float:
    """By how much the deviance is lower with column j as the exposure; −inf where it is none.

    loss: that of the problem as it is, at its optimum.
    """
    rows, columns = problem.design.shape
    time = np.log(problem.design[:, j])
    others = np.delete(problem.design, j, 1)
    rate = solve(replace(problem, design=others, offset=time))
    if rate.theta is None:
        return -np.inf
    mean = problem.loss.mean_of(certify.prediction(replace(problem, design=others, offset=time), rate.theta))
    spread = max(1.0, float(np.sum((problem.target - mean) ** 2 / mean)) / max(rows - columns, 1))
    lower = 2.0 * rows * (loss - rate.loss) / spread
    if not lower >= LOWER:
        return -np.inf
    free = np.column_stack([others, time])
    slope = solve(replace(problem, design=free))
    if slope.theta is None:
        return -np.inf
    error = float(np.sqrt(spread * np.linalg.pinv((free.T * mean) @ free)[-1, -1]))
    away = abs(float(slope.theta[-1]) - 1.0)
    return lower if error <= SURE and away <= max(NEAR, ERRORS * error) else -np.inf
