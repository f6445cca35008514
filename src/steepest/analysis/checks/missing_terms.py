"""What a regression lacks: tests of a larger one against it.

    F      = ((RSS₀ − RSS₁)/q) / (RSS₁/(m − p₁)),  q added terms T (orthonormal)      is it chance?
    W      = bᵀ(TᵀDT)⁻¹b/q,  b = Tᵀr₀,  D = diag(r₁/(1 − h₁))²                        … where rows differ in variance?
    share  = 1 − PRESS₁/PRESS₀                                                         is it worth anything on new rows?

CURVATURE adds the squares and products of the columns (the terms of the next degree, as Ramsey's RESET does with powers
of the fitted values: Ramsey 1969), INTERCEPT a column of ones. Both need p < 1e-4, by F and by W (HC3 of MacKinnon and
White 1985), and a share of at least 0.1. Rows that are outliers even for the larger regression are left out of both: one
of them far out makes any square significant. PRESS (Allen 1974) predicts each row from the others, so that a bend which
one row alone makes counts for nothing.

Of 900 straight tables (300 seeds for each of 12 × 1, 40 × 3 and 150 × 2) with normal, uniform, Laplace, exponential or t
noise none was found to bend or to lack an intercept, and 1 where the standard deviation triples over a column.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import comb

import numpy as np

from steepest.analysis.checks.regression import Cause, LeastSquares, Regression
from steepest.analysis.finding import Finding, Kind
from steepest.text.numbers import apart

CHANCE = 1e-4
LEAST_SHARE = 0.1
ROWS_A_TERM = 4
MOST_TERMS = 300
ALONE = 1.0 - 1e-6  # leverage from which a row is met whatever its target is
MOST_DEGREE = 6


@dataclass(frozen=True)
class Larger:
    """A larger regression that is better: F and its p-value, how many terms it adds, and the share that they explain.

    r2: of the smaller and of the larger one. left_out: outliers.
    """

    smaller: Regression
    larger: Regression
    f: float
    p: float
    added: int
    share: float
    r2: tuple[float, float]
    deviation: tuple[float, float]
    left_out: int
    looked: int
    along: str

    @property
    def told(self) -> tuple[str, str, str]:
        """The test, the share, and by how much residuals shrink, in words."""
        chance = f"p = {self.p:.1e}" if self.p > 0 else "p < 1e-300"
        left_out = "an outlier" if self.left_out == 1 else f"{self.left_out:,} outliers"
        without = f", {left_out} left out" if self.left_out else ""
        sample = f" on an even sample of {self.looked:,} rows" if self.looked < self.smaller.rows else ""
        share = f"{self.share:.0%} of what is left"
        before, after = self.deviation
        falls = f"The residual standard deviation falls from {before:.3g} to {after:.3g}"
        return f"F = {self.f:.3g}, {chance}{sample}{without}", share, f"{falls}{without}."


def intercept(regression: Regression) -> Cause | None:
    """That an intercept is missing."""
    found = None if regression.intercept else better(regression, replace(regression, intercept=True))
    if found is None:
        return None
    test, share, falls = found.told
    said = Finding(
        Kind.INTERCEPT, f"The residuals of {regression.target!r} are not centred on 0: the model lacks an intercept.",
        f"An intercept: {test}. On rows that a fit has not seen it explains {share}.",
        {"intercept": True}, falls, found.share, of_model=True,
    )  # fmt: skip
    return Cause(said, found.larger)


def curvature(regression: Regression) -> Cause | None:
    """That the residuals bend, with the degree at which they no longer do, at most 6."""
    found = _straightened(regression)
    if found is None:
        return None
    test, share, falls = found.told
    low, high = apart(*found.r2)
    # R² is told only where it is of the rows and the loss of the fit, beside whose own R² it stands
    same = not found.left_out and found.looked == regression.rows and not regression.robust
    said = Finding(
        Kind.CURVATURE, f"The residuals of {regression.target!r} bend, most along {found.along!r}: the model is too straight.",
        f"{found.added} added {'term' if found.added == 1 else 'terms'}: {test}. On rows that a fit has not seen they explain "
        f"{share}.",
        {"model": f"poly:{found.larger.degree}"}, f"R² at the optimum rises from {low} to {high}." if same else falls,
        found.share, of_model=True,
        columns=tuple(name for name in regression.columns if name in (found.along, *found.along.split("*"))),
    )  # fmt: skip
    return Cause(said, found.larger)


def _straightened(regression: Regression) -> Larger | None:
    """The regression of the degree at which its residuals no longer bend; None where they do not bend."""
    found, base = None, regression
    while True:
        degrees = range(base.degree + 1, min(base.degree + 2, MOST_DEGREE) + 1)
        steps = (better(base, replace(base, degree=degree)) for degree in degrees)
        step = next((step for step in steps if step is not None), None)
        if step is None:
            return found if found is None or found.smaller is regression else better(regression, base)
        found, base = step, step.larger


def better(smaller: Regression, larger: Regression) -> Larger | None:
    """The larger regression beside the smaller one, or None where it is no better, or takes too many terms to tell."""
    from scipy import special

    if comb(larger.x.shape[1] + larger.degree, larger.degree) > MOST_TERMS:
        return None
    large = larger.thinned
    if len(large.y) < ROWS_A_TERM * large.design.shape[1]:
        return None
    # a row that the larger one meets whatever its target is says nothing of the others
    keep = ~large.robust.outlying & (large.least_squares.leverage <= ALONE)
    large = large.only(keep)
    small = smaller.thinned.at(smaller, large.rows)
    before, after = small.least_squares, large.least_squares
    rows, added = len(large.y), after.rank - before.rank
    free = rows - after.rank
    if added < 1 or free < 1:
        return None
    spread = float(np.average((large.y - np.average(large.y, weights=large.weights)) ** 2, weights=large.weights))
    level = small.rounding(smaller.x[large.rows], large.y, before.theta) * small.root
    if before.rss <= max(1e-20 * spread * rows, float(level @ level)):
        return None
    noise = max(after.rss / free, 1e-30 * spread)
    f = max(before.rss - after.rss, 0.0) / added / noise
    p = float(special.fdtrc(added, free, f))
    if ((after.leverage > ALONE) & (before.leverage <= ALONE)).any():
        return None  # a row that the larger one meets whatever its target is makes the bend alone
    share = 1.0 - after.press / before.press
    if not (p < CHANCE and share >= LEAST_SHARE):
        return None
    terms = _beside(small.design, large.design, large.weights)
    if not special.fdtrc(added, free, _consistent(terms, before, after)) < CHANCE:
        return None
    r2 = 1.0 - before.rss / (spread * rows), 1.0 - after.rss / (spread * rows)
    deviation = (before.rss / (rows - before.rank)) ** 0.5, (after.rss / free) ** 0.5
    along = _most(terms, large.terms.names, before)
    left_out = int(np.count_nonzero(~keep))
    return Larger(smaller, larger, f, p, added, share, r2, deviation, left_out, len(keep), along)


def _beside(small: np.ndarray, large: np.ndarray, weights: np.ndarray | None) -> np.ndarray:
    """What the larger design's columns `[m, p]` have that the smaller one's have not; nothing where that is rounding."""
    root = np.ones((len(small), 1)) if weights is None else np.sqrt(weights)[:, None]
    known, terms = small * root, large * root
    left = terms - known @ np.linalg.lstsq(known, terms, rcond=None)[0]
    size, whole = (np.sqrt(np.einsum("ij,ij->j", part, part)) for part in (left, terms))
    return np.where(size > 1e-6 * whole, left, 0.0)


def _consistent(terms: np.ndarray, before: LeastSquares, after: LeastSquares) -> float:
    """W, whose rows may differ in variance."""
    left, values, _ = np.linalg.svd(terms, full_matrices=False)
    basis = left[:, values > 1e-7 * values[0]]
    if not basis.size:  # all that was added is rounding
        return 0.0
    b = basis.T @ before.residual
    rows = after.residual / (1.0 - after.leverage)
    spread = basis * rows[:, None]
    inner = spread.T @ spread + np.eye(basis.shape[1]) * 1e-30 * before.rss
    return float(b @ np.linalg.solve(inner, b)) / basis.shape[1]


def _most(terms: np.ndarray, names: tuple[str, ...], before: LeastSquares) -> str:
    """The added term that would explain most by itself, named by its columns: `x` for x², `x*z` for their product."""
    size = np.sqrt(np.einsum("ij,ij->j", terms, terms))
    gain = np.abs(before.residual @ terms) / np.where(size > 0, size, np.inf)
    return names[int(np.argmax(gain))].partition("^")[0]
