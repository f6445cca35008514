"""Counts or shares that spread more than their family says: OVERDISPERSED, at the optimum of a model without a penalty.

A few rows that lie far from all others are OUTLIERS, and pull the fit: they are told by a fit to the others (those left over
once the hundredth with the largest residuals is taken away, and again by what that fit says of all rows), and what spread the
rest has is asked without them.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from steepest.analysis.checks.outliers import NAMED
from steepest.analysis.checks.pearson import LEAST_ROWS, overdispersion
from steepest.analysis.checks.rows import predicted
from steepest.analysis.exact import certificate as certify
from steepest.analysis.exact.solve import solve
from steepest.analysis.finding import Finding, FittedRows, Kind
from steepest.analysis.needs import LINEAR, OPTIMUM, PLAIN, UNDISPERSED, VALUES, check
from steepest.data.wording import number
from steepest.model.linear import LinearProblem

FAR = 10.0  # standard deviations of a row, as the others spread, from which it is an outlier
FEW = 0.01  # share of the rows (or one) beyond which they are no outliers
LEAST_MOVED = 0.05  # share of the mean of the other rows, on average, by which outliers move their predictions


@check("fit", finds=(Kind.OVERDISPERSED, Kind.OUTLIERS), needs=(LINEAR, VALUES, UNDISPERSED, PLAIN, OPTIMUM))
def spread_of_a_family(fit: FittedRows) -> Iterator[Finding]:
    """That Pearson's χ² is far above its degrees of freedom."""
    rows, loss, exact = fit.train, fit.loss_function, fit.exact
    if fit.problem is None or loss.family is None or exact is None or exact.theta is None:
        return
    if fit.spec.weights_kind == "frequency":
        return
    mean = predicted(fit, rows, np.asarray(exact.theta))
    if mean is None:
        return
    weights, free = rows.weights, rows.rows - np.linalg.matrix_rank(fit.problem.design)
    apart = far_rows(fit.problem, np.asarray(rows.y, dtype=np.float64), weights)
    if apart is not None and apart.any():
        y, near = rows.y, ~apart
        there = solve(fit.problem.take(np.flatnonzero(near))).theta
        after = None if there is None else predicted(fit, rows, there)
        if after is not None and np.mean(np.abs(after - mean)[near]) >= LEAST_MOVED * np.mean(after[near]):
            yield _outliers(rows.targets[0], np.flatnonzero(apart), y, mean, after)
        if after is None:
            return
        rows, mean, free = rows.take(np.flatnonzero(near)), after[near], free - int(apart.sum())
    found = overdispersion(loss, rows.y, mean, rows.weights, free)
    if found is None or not found.found:
        return
    times = number(found.ratio**0.5, 3)
    yield Finding(
        Kind.OVERDISPERSED,
        f"{rows.targets[0]!r} spreads {number(found.ratio, 3)} times as much as {loss} says: standard errors by the likelihood "
        f"are {times} times too small.",
        f"Pearson's χ² is {number(found.chi2, 4)} with {number(found.left)} degrees of freedom left, {number(found.z, 3)} "
        f"standard deviations above ({rows.rows:,} rows). A column, an exposure or a bend that the model lacks does the same.",
        {}, "The coefficients stay as they are.", of_model=True,
        advice="Take standard errors that allow for it: cov='HC1' of summary().",
    )  # fmt: skip


def far_rows(problem: LinearProblem, y: np.ndarray, weights: np.ndarray | None) -> np.ndarray | None:
    """Which rows are outliers, `[n]` bool; None where that cannot be seen."""
    rows = np.arange(len(y))
    few, family = max(1, int(FEW * len(y))), problem.loss.family
    if len(y) < LEAST_ROWS or family is None:
        return None
    exact = solve(problem)
    for turn in range(3):  # without the worst of all rows, then without the worst of those that this fit sees
        if exact.theta is None:
            return None
        mean = problem.loss.mean_of(certify.prediction(problem, exact.theta))
        with np.errstate(all="ignore"):
            each = (y - mean) ** 2 / family.variance(mean, *problem.loss.numbers)
        each = np.where(y == mean, 0.0, each if weights is None else weights * each)
        if not np.isfinite(each).all():
            return None
        if turn == 2:
            break
        exact = solve(problem.take(np.setdiff1d(rows, np.argsort(each)[-few:])))
    rest = max(1.0, float(np.sort(each)[:-few].mean()))
    far = each > FAR**2 * rest
    return far if far.sum() <= few else np.zeros(len(y), bool)


def _outliers(target: str, places: np.ndarray, y: np.ndarray, before: np.ndarray, after: np.ndarray) -> Finding:
    places = places[np.argsort(-np.abs(y - after)[places])]
    many, others = len(places), len(y) - len(places)
    named = ", ".join(f"{place:,}" for place in places[:NAMED]) + (f" and {many - NAMED} more" if many > NAMED else "")
    near = np.setdiff1d(np.arange(len(y)), places)
    moved = float(np.mean(np.abs(after - before)[near]) / np.mean(after[near]))
    return Finding(
        Kind.OUTLIERS,
        f"{'Row' if many == 1 else 'Rows'} {named} {'lies' if many == 1 else 'lie'} far from what the {others:,} others say "
        f"about {target!r}, and {'pulls' if many == 1 else 'pull'} the fit.",
        f"In row {places[0]:,} {target!r} is {number(float(y[places[0]]))}; a fit to the others predicts "
        f"{number(float(after[places[0]]))}. The predictions for the others are {moved:.0%} off on average.",
        {}, "The fit follows the other rows.", min(1.0, moved), of_model=True, rows=tuple(int(place) for place in places),
        advice="Look at these rows: correct them, or leave them out. Where they are right, the model lacks what they have.",
    )  # fmt: skip
