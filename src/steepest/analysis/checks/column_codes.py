"""LEVELS: a column of whole numbers that are names of groups, as of districts, fitted as an amount.

A column of 4 to 30 whole numbers in a row, each in 5 rows at least, is given a level for each value. That must be better than the
line by the tests of `missing_terms.py` (F, F with rows of unlike variance, and a tenth of the error on unseen rows), and better
than a curve of third degree by the same: where the numbers mean something, a curve says what there is to say, and the
model wants a degree.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from steepest.analysis.checks.missing_terms import CHANCE, Larger, better
from steepest.analysis.checks.regression import Cause, Regression
from steepest.analysis.finding import Finding, Kind

LEAST_VALUES, MOST_VALUES, LEAST_EACH = 4, 30, 5
GLANCE = 1_000
CURVE = 3


def levels(regression: Regression) -> Cause | None:
    """The column whose numbers are codes, of several the one that says most."""
    if regression.degree > 1 or not regression.intercept:
        return None
    found = [(j, one) for j in range(regression.x.shape[1]) if (one := _as_levels(regression, j)) is not None]
    if not found:
        return None
    j, best = max(found, key=lambda pair: pair[1].share)
    test, share, falls = best.told
    name, count = regression.columns[j], len(np.unique(regression.x[:, j]))
    said = Finding(
        Kind.LEVELS,
        f"The model takes the {count} numbers in {name!r} for an amount, and {regression.target!r} follows them along no line or "
        "curve: they look like codes of groups.",
        f"A level for each, {best.added} more terms: {test}. On rows that a fit has not seen they explain {share}. A curve of "
        "third degree does not say it.",
        {"categories": (name,)}, falls, best.share, of_model=True, columns=(name,),
    )  # fmt: skip
    return Cause(said, best.larger)


def _as_levels(regression: Regression, j: int) -> Larger | None:
    """The regression with a level for each value of a column, where that is better than its curve."""
    column = regression.x[:, j]
    if len(np.unique(column[:GLANCE])) > MOST_VALUES:
        return None
    values, counts = np.unique(column, return_counts=True)
    whole = LEAST_VALUES <= len(values) <= MOST_VALUES and (values % 1 == 0).all() and (np.diff(values) == 1).all()
    if not whole or counts.min() < LEAST_EACH or abs(values[0]) > MOST_VALUES:
        return None
    if not _differ(regression, column, values):
        return None
    kept = values[2:]  # beside the intercept and the column itself
    found = better(regression, _beside(regression, (column[:, None] == kept).astype(float)))
    if found is None or len(values) <= CURVE + 1:
        return found
    place = (column - column.mean()) / column.std()
    curve = _beside(regression, np.column_stack([place**power for power in range(2, CURVE + 1)]))
    rest = values[CURVE + 1 :]
    return found if better(curve, _beside(curve, (column[:, None] == rest).astype(float))) is not None else None


def _differ(regression: Regression, column: np.ndarray, values: np.ndarray) -> bool:
    """Whether what the line leaves differs between the values at all, by one look, which acquits nearly all columns."""
    from scipy import special

    some = regression.thinned
    left, codes = some.least_squares.residual, np.searchsorted(values, column[some.rows])
    counts = np.bincount(codes, minlength=len(values))
    means = np.bincount(codes, left, minlength=len(values)) / np.maximum(counts, 1)
    between, free = float(counts @ means**2), len(left) - len(values)
    within = float(left @ left) - between
    if free < 1 or not within > 0.0:
        return False
    return bool(special.fdtrc(len(values) - 1, free, between / (len(values) - 1) / (within / free)) < CHANCE)


def _beside(regression: Regression, more: np.ndarray) -> Regression:
    """The regression with more columns."""
    names = tuple(f"level {k}" for k in range(more.shape[1]))
    return replace(regression, x=np.column_stack([regression.x, more]), columns=(*regression.columns, *names))
