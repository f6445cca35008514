"""Two measures of residuals: how heavy their tails are, and whether they grow with the prediction.

Tails are heavy where squares are a poor measure: Huber's loss (1964) estimates as well from fewer than 0.4 of the rows,

    (s²·mean ψ²/(share of |r| ≤ 1.345·s)²)/mean r²,    ψ = min(|r|, 1.345·s), s the scale that outliers do not move

and the far rows are no exceptions: as many lie between 3.5 and 10 scales as beyond, at least six and 1% of all.

Residuals grow with the prediction by Koenker's (1981) form of the test of Breusch and Pagan (1979), n·R² of squared
residuals on the predictions, and by the same of their sizes (Glejser 1969), both of which chance does once in 10,000;
and the median size in the fifth of the largest predictions is at least 2.5 times that of the smallest.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from steepest.analysis.checks.regression import LEAST_FAR, RAMP, WIDTH

EFFICIENCY, LEAST_TAIL, TAIL = 0.4, 6, 0.01
LEAST_ROWS, SURE, FOLD = 60, 1e-4, 2.5


class Tail(NamedTuple):
    """scale: of the residuals, from their median. efficiency: of squares beside Huber's loss.

    between, beyond: how many lie from 3.5 to 10 scales out, and further.
    """

    scale: float
    efficiency: float
    between: int
    beyond: int
    heavy: bool


def tail(residual: np.ndarray) -> Tail:
    """How heavy the tails of residuals `[n]` are.

    >>> tail(np.linspace(-1.0, 1.0, 100)).heavy, tail(np.tan(np.linspace(-1.5, 1.5, 100))).heavy
    (False, True)
    """
    size = np.abs(residual)
    scale = 1.4826 * float(np.median(size))
    square = float(np.mean(residual**2))
    if not scale > 0 or not square > 0:
        return Tail(scale, 1.0, 0, 0, False)
    inside = float(np.mean(size <= WIDTH * scale))
    huber = float(np.mean(np.minimum(size, WIDTH * scale) ** 2)) / inside**2
    between = int(np.count_nonzero((size > RAMP * scale) & (size <= LEAST_FAR * scale)))
    beyond = int(np.count_nonzero(size > LEAST_FAR * scale))
    enough = between + beyond >= max(LEAST_TAIL, TAIL * len(size)) and between >= beyond
    efficiency = min(huber / square, 1.0)
    return Tail(scale, efficiency, between, beyond, enough and efficiency <= EFFICIENCY)


class Growth(NamedTuple):
    """lm: Koenker's statistic, its p-value p; low, high: the median sizes of residuals in the outer fifths of predictions."""

    lm: float
    p: float
    low: float
    high: float
    grows: bool


def growth(residual: np.ndarray, prediction: np.ndarray) -> Growth:
    """Whether residuals `[n]` grow with the size of predictions `[n]`."""
    lm, p = breusch_pagan(residual**2, prediction)
    order = np.argsort(np.abs(prediction), kind="stable")
    fifth = max(len(order) // 5, 1)
    low, high = (float(np.median(np.abs(residual[part]))) for part in (order[:fifth], order[-fifth:]))
    grows = len(order) >= LEAST_ROWS and p < SURE and breusch_pagan(np.abs(residual), prediction)[1] < SURE
    return Growth(lm, p, low, high, grows and high >= FOLD * low)


def breusch_pagan(sizes: np.ndarray, prediction: np.ndarray) -> tuple[float, float]:
    """n·R² of sizes `[n]` on the size of predictions `[n]`, and its p-value (χ² of one degree of freedom)."""
    from scipy import special

    a, b = sizes - sizes.mean(), np.abs(prediction) - np.abs(prediction).mean()
    whole = float(a @ a) * float(b @ b)
    lm = len(sizes) * float(a @ b) ** 2 / whole if whole > 0 else 0.0
    return lm, float(special.chdtrc(1, lm))
