"""Too few rows, or rows that hardly count.

FEW_ROWS     no more than 1.25 rows for each parameter and no penalty: the fit (nearly) passes through its own rows and
             says little about others. On normal data the squared error on new rows is (n − 1)/(n − p − 1) times the noise
             (Stein 1960): with n = 1.25·p about 5 times. Classes in so few rows are separable, nearly always where
             n < 2·p (Cover 1965): that is a check of its own. The penalty is a cautious one (`penalties.py`), and a smaller
             error on new rows is only predicted where rows left out say so clearly. Over 1,040 tables with a target of
             mean 1, and as many of mean 10, that was so in 46%; 3.5% of these came out more than 5% worse. Of the
             others 19% did (mean 10: 6%), as the intercept, free now, is what a fit of fewer rows than parameters
             shrinks along with the rest; 3% more than 25%.
HEAVY_ROWS   the rows weigh so unequally that they are worth less than a tenth of their number: Kish's effective sample
             size (Σw)²/Σw² (Kish 1965). For classes the sum of each class's own, so that weights which only balance
             classes count as even. Nothing is said of weights that the residuals agree with (`weights.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from steepest.analysis.checks.penalties import chosen
from steepest.analysis.checks.weights import spread_along
from steepest.analysis.finding import Finding, Kind, Prepared
from steepest.analysis.needs import KNOWN_LOSS, LINEAR, NUMBERS, WEIGHTS, check

ROWS_A_PARAMETER = 1.25
LEAST_EFFECTIVE = 0.1


@check("table", "fit", finds=(Kind.FEW_ROWS,), needs=(LINEAR, NUMBERS, KNOWN_LOSS))
def few_rows(given: Prepared) -> Iterator[Finding]:
    """Whether there are rows enough for the parameters of a model of the linear family."""
    problem = given.problem
    if problem is None or problem.penalty or problem.loss.classes or problem.loss.custom:
        return
    rows = len(problem.design) if problem.weights is None else int(np.count_nonzero(problem.weights))
    parameters = problem.design.shape[1]
    if rows > ROWS_A_PARAMETER * parameters or parameters == int(problem.intercept):
        return
    choice = chosen(problem)
    through = "passes" if rows <= parameters else "nearly passes"
    yield Finding(
        Kind.FEW_ROWS,
        f"{rows:,} rows are too few for {parameters:,} parameters: the fit {through} through its own rows, whatever they are.",
        f"{rows / parameters:.2f} rows for each parameter, and no penalty.",
        {"penalty": choice.penalty}, choice.predicted, choice.share, of_model=True,
    )  # fmt: skip


@check("table", "fit", finds=(Kind.HEAVY_ROWS,), needs=(WEIGHTS,))
def heavy_rows(given: Prepared) -> Iterator[Finding]:
    """Whether a few rows carry nearly all the weight."""
    train = given.train
    assert train.weights is not None
    weights = train.weights[train.weights > 0]
    labels = np.zeros(len(weights), int) if train.classes is None else train.y[train.weights > 0]
    effective = sum(_effective(weights[labels == label]) for label in np.unique(labels))
    if effective >= LEAST_EFFECTIVE * len(weights) or spread_along(given).fits:  # which know the more for their weight
        return
    heavy = np.sort(weights)[::-1]
    most = int(np.searchsorted(np.cumsum(heavy), 0.9 * heavy.sum())) + 1
    remedy: dict[str, Any] = {"weights": None}
    name = given.spec.weights
    if name is not None and given.spec.columns is None:  # no longer the weights, it would be a feature
        remedy["drop"] = (*given.spec.drop, name)
    yield Finding(
        Kind.HEAVY_ROWS,
        f"A few rows carry nearly all the weight{'' if name is None else f' that {name!r} gives them'}.",
        f"{most:,} of {len(weights):,} rows carry 90% of it: they are worth {effective:.3g} rows of equal weight.",
        remedy,
        f"All {len(weights):,} rows count alike, where they are worth {effective:.3g} now: standard errors fall to about "
        f"{np.sqrt(effective / len(weights)):.0%}.",
        float(1.0 - effective / len(weights)), of_model=True,
        rows=tuple(int(row) for row in np.argsort(-train.weights, kind="stable")[: min(most, 10)]),
    )  # fmt: skip


def _effective(weights: np.ndarray) -> float:
    """(Σw)²/Σw².

    >>> _effective(np.array([1.0, 1.0, 1.0, 1.0])), _effective(np.array([1.0, 0.0, 0.0]))
    (4.0, 1.0)
    """
    scaled = weights / weights.max()
    return float(scaled.sum() ** 2 / (scaled @ scaled))
