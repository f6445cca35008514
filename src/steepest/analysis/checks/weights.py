"""INVERTED: weights that are large where residuals are, as variances are, and not small, as their inverses would be.

A row with the weight w has a variance of σ²/w. So the logarithms of squared residuals fall by 1 with that of w where
weights are right, and not at all where they have nothing to do with the spread, as the numbers that rows stand for. The
slope is that of least squares, of the residuals of Huber's fit without weights.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from steepest.analysis.checks.regression import Regression
from steepest.analysis.finding import Finding, Kind, Prepared
from steepest.analysis.needs import LINEAR, NUMBERS, WEIGHTS, check

LEAST_ROWS, LEAST_SPREAD = 60, 0.3
SLOPE, ERRORS = 0.4, 5.0


class Along(NamedTuple):
    """The slope of log r² along log w, and its standard error; nan where it is not known."""

    slope: float
    error: float

    @property
    def fits(self) -> bool:
        """Whether residuals are surely smaller where weights are larger."""
        return self.slope <= -SLOPE and self.slope < -ERRORS * self.error

    @property
    def inverted(self) -> bool:
        """Whether they are surely larger there."""
        return self.slope >= SLOPE and self.slope > ERRORS * self.error


def spread_along(given: Prepared) -> Along:
    """How the spread of a regression's residuals goes along its weights."""
    regression = Regression.of(given)
    nothing = Along(float("nan"), float("nan"))
    if regression is None or regression.weights is None or regression.rows < LEAST_ROWS:
        return nothing
    size = np.log(regression.weights)
    if size.std() < LEAST_SPREAD:
        return nothing
    some = replace(regression, weights=None).thinned
    residual, size = some.robust.residual, size[some.rows]
    scale = some.robust.scale
    if some.robust.exact or len(size) < max(LEAST_ROWS, 2 * some.design.shape[1]):
        return nothing
    found = np.log(residual**2 + (1e-3 * scale) ** 2)
    along = size - size.mean()
    whole = float(along @ along)
    slope = float(along @ found) / whole
    left = found - found.mean() - slope * along
    return Along(slope, float(np.sqrt(left @ left / (len(left) - 2) / whole)))


@check("table", "fit", finds=(Kind.INVERTED,), needs=(LINEAR, WEIGHTS, NUMBERS))
def inverted(given: Prepared) -> Iterator[Finding]:
    """Whether weights are upside down."""
    if given.loss_function.family is not None:
        return
    found = spread_along(given)
    if not found.inverted:
        return
    name = given.spec.weights
    whose = "The weights" if name is None else f"The weights {name!r}"
    yield Finding(
        Kind.INVERTED, f"{whose} are largest where the residuals are: rows count the more, the less they say.",
        f"The logarithm of squared residuals rises by {found.slope:.2f} (standard error {found.error:.2f}) with that of the "
        "weight; it would fall by 1, were the variance of a row in inverse proportion to its weight.",
        {}, "Rows then count by how much they say.", of_model=True,
        advice="Give the inverse, as weights=1/w, if they are variances; weights=1/w**2, if they are standard errors.",
    )  # fmt: skip
