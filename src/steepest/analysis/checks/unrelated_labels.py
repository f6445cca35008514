"""LABELS: a target that does not follow the columns, or follows those of another row.

Four tests of a relation, on an even sample of at most 2,000 rows (of a shift: on as many rows in a row):

    linear      F of the target (of each class) on the columns
    steps       F on each column in ten parts of as many rows
    squares     F on the columns, their squares and their products, as many as there are rows for
    neighbours  Moran's (1950) statistic: a row's target with the mean of those of the 5 rows nearest to it

A shift is proven by fitting again: with the target moved by 1, 2 or 3 rows a test finds what chance does once in a
million, and four times as much of the target is explained as without. That there is no relation is said where all tests
find what chance does three times in a hundred or more often, of enough rows to see a tenth of the target explained (a fifth,
if the columns are related), and where a fitted model finds none either. Why there is none is another question: shuffled
labels, and columns that have nothing to do with the target, look the same. Where the columns are related among one
another, it is likelier that the labels are not theirs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from steepest.analysis.checks.module_end import takes_codes
from steepest.analysis.checks.rows import components, flat, nearest, standardised
from steepest.analysis.finding import Finding, Kind, Prepared
from steepest.analysis.needs import ENOUGH_ROWS, check
from steepest.data.dataset import Dataset
from steepest.data.thinning import sampled
from steepest.model.prediction import outputs

MOST_ROWS = 2_000
NEAR_ROWS = 800
ROWS_A_COLUMN, LEAST_ROWS = 10, 100
MOST_HELD = 0.7  # share of the columns' variance that the tests must see for what they do not find to say anything
RELATED, LITTLE, SOME = 0.3, 0.1, 0.2
"""How much of a column the others explain where they count as related, and the share of a target that would be seen."""
NEIGHBOURS = 5
PARTS, MOST_IN_PARTS = 10, 100
CHANCE, SURE = 0.03, 1e-6
TIMES, LEAST_EXPLAINED = 4.0, 0.1
MOST_SHIFTED = 200  # columns up to which a shift is looked for
SHIFTS = (1, -1, 2, -2, 3, -3)


class Relation(NamedTuple):
    """The smallest p-value of the tests, and the share of the target that the best of them explains."""

    p: float
    explained: float


class Relations:
    """The tests of columns x `[n, d]`, ready for any target of these rows."""

    def __init__(self, x: np.ndarray):
        z = components(x, len(x) // ROWS_A_COLUMN)
        self.linear = z
        room = max(len(x) // ROWS_A_COLUMN - z.shape[1], 0)
        few = z[:, : int(np.sqrt(2.0 * room + 0.25) - 0.5)]  # so many have room·products among them
        left, right = np.triu_indices(few.shape[1])
        squares = np.column_stack([z, few[:, left] * few[:, right]])
        self.squares = components(squares, squares.shape[1]) if len(left) else z[:, :0]
        ranks = standardised(x).argsort(0, kind="stable").argsort(0, kind="stable")
        self.parts = ranks[:, :MOST_IN_PARTS] * PARTS // len(x)
        some = np.arange(min(len(z), NEAR_ROWS))
        self.beside = nearest(z[some], NEIGHBOURS) if z.shape[1] and len(some) > 2 * NEIGHBOURS else None

    def of(self, y: np.ndarray) -> Relation:
        """How far a target y `[n, m]` follows the columns."""
        found = [Relation(1.0, 0.0)]
        centred = y - y.mean(0)
        sizes = (centred**2).sum(0)
        for z in (self.linear, self.squares):
            if z.shape[1]:
                found.append(linear(z, y))
        if self.parts.shape[1] and len(y) >= 5 * PARTS:
            found.append(_steps(self.parts, centred, sizes))
        if self.beside is not None:
            found.append(_moran(self.beside, y[: len(self.beside)]))
        return Relation(min(1.0, min(one.p for one in found)), max(one.explained for one in found))


def linear(z: np.ndarray, y: np.ndarray) -> Relation:
    """F of targets y `[n, m]` on orthogonal columns z `[n, c]` of mean 0 and variance 1: of the best of them."""
    from scipy import special

    n, c = z.shape
    centred = y - y.mean(0)
    shares = ((z.T @ centred) ** 2).sum(0) / n / (centred**2).sum(0)
    free = n - c - 1
    f = shares / c / (np.maximum(1.0 - shares, 1e-300) / free)
    p = len(shares) * float(special.fdtrc(c, free, f).min())
    return Relation(p, max(0.0, float((1.0 - (1.0 - shares) * (n - 1) / free).max())))


def _steps(parts: np.ndarray, y: np.ndarray, sizes: np.ndarray) -> Relation:
    """F of centred targets y `[n, m]` on the parts `[n, d]` that each column falls into: of the best pair."""
    from scipy import special

    shares = np.zeros((parts.shape[1], y.shape[1]))
    for k in range(PARTS):
        inside = (parts == k).astype(np.float64)
        shares += (inside.T @ y) ** 2 / inside.sum(0)[:, None]
    shares /= sizes
    free = len(y) - PARTS
    p = special.fdtrc(PARTS - 1, free, shares / (PARTS - 1) / (np.maximum(1.0 - shares, 1e-300) / free))
    return Relation(shares.size * float(p.min()), max(0.0, float((1.0 - (1.0 - shares) * (len(y) - 1) / free).max())))


def _moran(beside: np.ndarray, y: np.ndarray) -> Relation:
    """Moran's statistic of targets y `[n, m]` with those of the rows beside each, `[n, k]`: of the best of them."""
    from scipy import special

    n, k = beside.shape
    centred = y - y.mean(0)
    sizes = (centred**2).sum(0)
    if not (sizes > 0).all():
        return Relation(1.0, 0.0)
    moran = (centred * centred[beside].mean(1)).sum(0) / sizes
    # Σ (w + wᵀ)²/2 of weights 1/k: what both rows of a pair say counts twice
    mutual = np.count_nonzero((beside[beside] == np.arange(n)[:, None, None]).any(-1))
    spread = np.sqrt((n * k + mutual) / k**2) / n
    score = float(((moran + 1.0 / (n - 1)) / spread).max())
    return Relation(y.shape[1] * float(special.ndtr(-score)), max(0.0, float((moran**2).max())))


@check("table", "fit", finds=(Kind.LABELS,), needs=(ENOUGH_ROWS,))
def unrelated(given: Prepared) -> Iterator[Finding]:
    """Whether the target has anything to do with the columns of its row."""
    rows = given.train
    if rows.x[0].size == 0 or takes_codes(given):
        return
    some = sampled(rows, MOST_ROWS)
    x, y = flat(some.x), target_columns(some)
    if y is None:
        return
    most = np.unique(some.y, return_counts=True, axis=0)[1].max() / some.rows
    if 4.0 * most * (1.0 - most) * some.rows < LEAST_ROWS and most > 0.5:  # too few rows differ from all others
        return
    seen = components(x, len(x) // ROWS_A_COLUMN)
    if not seen.shape[1]:
        return
    plain = linear(seen, y)  # which acquits nearly all
    if plain.p < SURE and plain.explained >= LEAST_EXPLAINED:
        return
    now = Relations(x).of(y)
    if now.p < SURE and now.explained >= LEAST_EXPLAINED:
        return
    found = shifted(in_table_order(rows, getattr(given, "test", None)))
    if found is not None:
        yield _moved(given, *found)
    elif now.p >= CHANCE and held(x, seen) >= MOST_HELD and not _fits(given):
        related = among(x)
        share = LITTLE if related < RELATED else SOME
        # by its noncentrality F would all but surely be less than chance, were so much of the target explained
        if len(seen) * share / (1.0 - share) >= 10.0 + 4.0 * np.sqrt(2.0 * seen.shape[1]):
            yield _unrelated(given, x, now, related)


def held(x: np.ndarray, z: np.ndarray) -> float:
    """The share of the variance of standardised columns x `[n, d]` that their components z `[n, c]` hold."""
    columns = standardised(x)
    return float(((z.T @ columns) ** 2).sum() / len(z) / (columns**2).sum())


def target_columns(rows: Dataset) -> np.ndarray | None:
    """The target as numbers `[n, m]`, classes as an indicator each; None where nothing varies, or too much does."""
    if rows.classes is not None:
        if len(rows.classes) > 50:
            return None
        y = (rows.y[:, None] == np.arange(len(rows.classes))).astype(np.float64)
        y = y[:, (y.sum(0) >= 5)]
    else:
        y = standardised(rows.y.reshape(len(rows.y), -1).astype(np.float64))
        scale = 1.4826 * np.median(np.abs(y - np.median(y, 0)), 0)
        y = np.arcsinh(
            (y - np.median(y, 0)) / np.where(scale > 0, scale, 1.0)
        )  # which a few large values do not decide
    return y if y.shape[1] else None


def in_table_order(train: Dataset, test: Dataset | None) -> Dataset:
    """The first rows as they stand in the table, those held out among them."""
    if test is None or train.places is None or test.places is None:
        return train.take(
            np.arange(min(train.rows, MOST_ROWS)) if train.places is None else np.argsort(train.places)[:MOST_ROWS]
        )
    x, y, places = (np.concatenate(parts) for parts in zip(*((r.x, r.y, r.places) for r in (train, test)), strict=True))
    order = np.argsort(places)[:MOST_ROWS]
    return replace(train, x=x[order], y=y[order], places=places[order], weights=None, row_weights=None)


def shifted(rows: Dataset) -> tuple[int, Relation, Relation] | None:
    """By how many rows the target is too late, with its relation to the columns as they are, and moved back; or None."""
    x, y = flat(rows.x), target_columns(rows)
    if y is None or rows.places is None or x.shape[1] > MOST_SHIFTED:
        return None
    found = []
    for shift in SHIFTS:
        at = np.searchsorted(rows.places, rows.places + shift).clip(0, len(x) - 1)
        mine = np.flatnonzero(rows.places[at] == rows.places + shift)
        if len(mine) >= LEAST_ROWS // 2:
            found.append((Relations(x[mine]).of(y[at[mine]]), shift))
    best, shift = max(found, key=lambda one: one[0].explained, default=(Relation(1.0, 0.0), 0))
    now = Relations(x).of(y)
    if best.p < SURE and best.explained >= max(LEAST_EXPLAINED, TIMES * now.explained):
        return shift, now, best
    return None


def _moved(given: Prepared, shift: int, now: Relation, then: Relation) -> Finding:
    """The finding of a shift; positive: a row's target stands further down."""
    name, count = given.schema.targets[0], abs(shift)
    far = "one row" if count == 1 else f"{count} rows"
    where = "down" if shift > 0 else "up"
    if given.spec.target is None:
        parts = (f"x[:-{count}], y[{count}:]", f"x[{count}:], y[:-{count}]")
        advice = f"Shift it back by {far}: fit {parts[shift < 0]}."
    else:
        advice = f"Shift it back by {far}: table[{name!r}].shift({-shift}), without the rows that then have no target."
    return Finding(
        Kind.LABELS, f"{name!r} does not follow the columns of its own row: it stands {far} too far {where}.",
        f"The columns explain {now.explained:.0%} of it as it stands, and {then.explained:.0%} once it is moved by {far} "
        f"(p = {max(then.p, 1e-300):.0e}).",
        {}, f"The columns then explain {then.explained:.0%} of {name!r}.", then.explained, of_model=True, advice=advice,
    )  # fmt: skip


def _unrelated(given: Prepared, x: np.ndarray, now: Relation, related: float) -> Finding:
    """The finding of no relation, with what speaks for labels that are not of these rows."""
    name = given.schema.targets[0]
    evidence = (
        f"Neither the {x.shape[1]:,} columns nor their parts, squares, products and nearest rows say anything about it on "
        f"{len(x):,} rows: the smallest p-value of four tests is {now.p:.2g}."
    )
    why = "It may be shuffled, or the columns have nothing to do with it, which the rows cannot tell apart."
    if related >= RELATED:
        evidence += f" Among one another the columns are related: {related:.0%} of a column is explained by the others."
        why = "That speaks for labels that are not of these rows: shuffled, sorted by themselves, or joined to others."
    advice = (
        "Check that each row's target is its own: compare some rows with their source, and where x and y are shuffled, "
    )
    return Finding(
        Kind.LABELS, f"{name!r} does not follow the columns.", f"{evidence} {why}", {}, "", of_model=True,
        advice=advice + "use the same order for both, as x[order], y[order].",
    )  # fmt: skip


def among(x: np.ndarray) -> float:
    """How much of a column of x `[n, d]` the others explain, on average: 1 − 1/VIF."""
    z = standardised(x)
    if z.shape[1] < 2:
        return 0.0
    correlations = z.T @ z / len(z) + 1e-9 * np.eye(z.shape[1])
    free = (len(z) - 1) / max(len(z) - z.shape[1], 1)
    return float(np.clip(1.0 - free / np.diag(np.linalg.inv(correlations)), 0.0, 1.0).mean())


def _fits(given: Prepared) -> bool:
    """Whether a fitted model predicts more of the target than its number of parameters could of chance."""
    fit: Any = given
    theta = getattr(given, "theta", None)
    if theta is None or not np.isfinite(theta).all():
        return False
    for rows, parameters in ((fit.test, 0), (fit.train, len(theta))):
        if rows is None or rows.rows < 20:
            continue
        some = sampled(rows, MOST_ROWS)
        y = target_columns(some)
        found = outputs(fit, some.x, theta, some.offset).reshape(some.rows, -1)
        if y is None or not np.isfinite(found).all():
            continue
        z = standardised(found)
        if not z.shape[1]:
            continue
        shares = ((z.T @ standardised(y)) / some.rows) ** 2
        if shares.max() > 2.0 * parameters / rows.rows + 12.0 / some.rows:
            return True
    return False
