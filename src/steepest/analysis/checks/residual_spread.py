"""How residuals are spread: HEAVY_TAIL and SPREAD (`tails.py`), of the regression behind a fit, or of a module.

HEAVY_TAIL  the remedy is the logarithm of a positive target where that takes the tail away, else Huber's loss
SPREAD      the remedy is the logarithm where normal factors are likelier than normal differences, else weights
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from steepest.analysis.checks.classes import are_codes
from steepest.analysis.checks.misread_values import codes_of
from steepest.analysis.checks.regression import RAMP, WIDTH, Cause, Regression
from steepest.analysis.checks.rows import predicted
from steepest.analysis.checks.tails import LEAST_ROWS, Growth, Tail, growth, tail
from steepest.analysis.finding import Finding, Kind, Prepared
from steepest.analysis.needs import NETWORK, NUMBERS, SQUARES, VALUES, check
from steepest.data.thinning import sampled
from steepest.text.numbers import number

MOST_ROWS = 10_000
FITTED = 0.5  # share of the variance that a module may leave over for its residuals to be judged by its predictions
BETWEEN = 0.1  # share of the squared residuals that their means in fifths of the predictions may be
LEAST_GAIN = 7.57
LIGHT = 0.6  # efficiency of the squares of a logarithm from which that takes the tail away

HEAPED = 0.05  # share of the rows at an edge of the target from which they are a heap of their own

ROWS_A_TERM = 2  # rows for each term of the model from which its residuals say anything


# ---- of a regression -------------------------------------------------------------------------------


def heavy_tail(regression: Regression) -> Cause | None:
    """That the residuals of a regression have heavy tails."""
    some = regression.thinned
    if regression.robust or regression.rows < LEAST_ROWS or len(some.y) < ROWS_A_TERM * some.design.shape[1]:
        return None
    robust = some.robust
    found = tail(robust.residual)
    if robust.exact or not found.heavy or mostly_one(regression.thinned.y):
        return None
    return Cause(_heavy(regression.target, found, len(robust.residual), ""), replace(regression, robust=True))


def spread(regression: Regression) -> Cause | None:
    """That the residuals of a regression grow with its predictions, and so does the pull of its rows.

    A loss that is linear far out lets all rows there pull alike; and one that asks for a quantile asks where the spread is.
    """
    if regression.rows < LEAST_ROWS or regression.one_sided:
        return None
    some = regression.thinned
    if mostly_one(some.y) or len(some.y) < ROWS_A_TERM * some.design.shape[1]:
        return None
    theta = some.robust.theta if regression.robust else some.least_squares.theta
    prediction = some.design @ theta
    left = some.y - prediction
    if (np.abs(left) <= some.rounding(regression.x[some.rows], some.y, theta)).mean() > 0.5:
        return None
    free = off_edge(some.y)
    sized, prediction = (left * some.root)[free], prediction[free]
    found = growth(sized, prediction)
    if not found.grows or not growth(regression.pull(left[free]) * some.root[free], prediction).grows:
        return None
    return Cause(_growing(regression.target, found, len(sized), False), regression)


def mostly_one(y: np.ndarray) -> bool:
    """Whether a third of a target is one value, as the zeros of what seldom happens: its spread is another matter."""
    return bool(np.unique(y, return_counts=True)[1].max() > len(y) / 3)


def off_edge(y: np.ndarray) -> np.ndarray:
    """Which rows `[n]` are not heaped on the least or the largest value of the target, as where it is cut off at 0.

    There a model that ends in the same edge meets them exactly, and their residuals say nothing of the others'.

    >>> int(off_edge(np.array([0.0] * 20 + list(range(1, 81)))).sum())
    80
    """
    free = np.ones(len(y), bool)
    for edge in (y.min(), y.max()):
        heap = y == edge
        if np.count_nonzero(heap) > HEAPED * len(y):
            free &= ~heap
    return free


# ---- of a module -----------------------------------------------------------------------------------


@check("table", "fit", finds=(Kind.HEAVY_TAIL, Kind.SPREAD), needs=(NETWORK, NUMBERS, VALUES, SQUARES))
def of_module(given: Prepared) -> Iterator[Finding]:
    """The same of a module, after its fit by what it leaves; before it by the targets themselves."""
    rows = given.train
    if rows.rows < LEAST_ROWS or mostly_one(rows.y) or are_codes(rows) or codes_of(given, rows):
        return
    some = sampled(rows, MOST_ROWS)
    y, prediction = some.y, predicted(given, some)
    if prediction is not None and not centred(y - prediction, prediction):  # not yet right on average
        prediction = None
    residual = y - np.median(y) if prediction is None else y - prediction
    found = tail(residual - np.median(residual))
    logged = _logarithm(rows.targets[0], y) if found.heavy else ""
    grown = None
    if not logged and prediction is not None and np.var(residual) <= FITTED * np.var(y):
        free = off_edge(y)
        grown = growth(residual[free], prediction[free])
    if grown is not None and prediction is not None and grown.grows:
        multiplied = bool((y > 0).all() and (prediction > 0).all()) and _factors(y, prediction)
        yield _growing(rows.targets[0], grown, len(y), multiplied)
    elif found.heavy:
        yield _heavy(rows.targets[0], found, len(y), logged)


def centred(residual: np.ndarray, prediction: np.ndarray) -> bool:
    """Whether residuals are centred on 0 in every fifth of the predictions: else the module is not yet right on average."""
    parts = np.array_split(residual[np.argsort(prediction, kind="stable")], 5)
    between = sum(len(part) * part.mean() ** 2 for part in parts) / len(residual)
    return bool(between <= BETWEEN * np.mean(residual**2))


def _logarithm(name: str, y: np.ndarray) -> str:
    """The logarithm of a target, if that takes the tail away; else ""."""
    if name.startswith("log(") or not (y > 0).all():
        return ""
    logged = np.log(y)
    return f"log({name})" if tail(logged - np.median(logged)).efficiency >= LIGHT else ""


def _factors(y: np.ndarray, prediction: np.ndarray) -> bool:
    """Whether normal factors are likelier than normal differences, by the half of χ² of one degree of freedom at 1e-4."""
    ratios = np.log(y / prediction)
    plain = np.log(np.mean((y - prediction) ** 2))
    factors = np.log(np.var(ratios)) + 2.0 * np.mean(np.log(y))
    return bool(len(y) / 2 * (plain - factors) > LEAST_GAIN)


# ---- in words --------------------------------------------------------------------------------------


def _heavy(name: str, found: Tail, looked: int, logarithm: str) -> Finding:
    """The finding of a heavy tail. logarithm: the target that takes it away, or ""."""
    width = float(f"{WIDTH * found.scale:.2g}")
    remedy = {"target": logarithm} if logarithm else {"loss": f"huber:{width:g}"}
    rest = f"{logarithm} has no such tail." if logarithm else "Rows far out then pull with a force that is limited."
    far, chance = found.between + found.beyond, 4.65e-4 * looked  # 2·Φ(−3.5)
    return Finding(
        Kind.HEAVY_TAIL, f"{name!r} has a heavy tail, and the squares of its far rows decide the fit.",
        f"{far:,} of {looked:,} rows lie more than {RAMP:g} scales ({number(found.scale)}, from their median) out; of normal "
        f"residuals {chance:.2g} would. Huber's loss needs {found.efficiency:.0%} of the rows for what squares say of all.",
        remedy, rest, 1.0 - found.efficiency, of_model=True,
    )  # fmt: skip


def _growing(name: str, found: Growth, looked: int, factors: bool) -> Finding:
    """The finding of a spread that grows. factors: whether the logarithm of the target is the better scale."""
    remedy = {"target": f"log({name})"} if factors and not name.startswith("log(") else {}
    advice = "" if remedy else (
        "Give rows weights that fall as their spread grows, as weights=1/np.maximum(np.abs(fit.predict(x)), least)**2, or fit "
        "the logarithm of the target."
    )  # fmt: skip
    chance = f"p = {found.p:.1e}" if found.p > 0 else "p < 1e-300"
    return Finding(
        Kind.SPREAD, f"The residuals of {name!r} grow with its prediction: rows with large predictions decide the fit.",
        f"Their median size is {number(found.high)} in the fifth of the rows with the largest predictions, and "
        f"{number(found.low)} in that with the least. Breusch and Pagan's n·R² is {found.lm:.3g}, {chance} ({looked:,} rows).",
        remedy, "Rows then count by how much they say." if advice else "The residuals are then factors of one size.",
        of_model=True, advice=advice,
    )  # fmt: skip
