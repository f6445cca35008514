"""SHARED_ROWS: held-out rows that stand in training with a little noise, as where rows were copied and shaken before the split.

The distances from a row to its nearest neighbours, d₁ ≤ … ≤ d_k, follow from the number m of dimensions that rows fill
(Levina and Bickel 2004):

    P(d₁/d_k ≤ r) = 1 − (1 − rᵐ)^(k−1),     m = log 2 / log(d_k/d_{k/2})

m is the median over rows: a copy or two change d₁ and not d_{k/2}. Distances are of standardised columns of many values, the
target among them; in those of few, as codes and switches, a copy has nearly the same. It is found where a twentieth of the
held-out rows, 20 times as many as chance makes, have a neighbour in training so much nearer than the k-th.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from steepest.analysis.checks.rows import flat
from steepest.analysis.checks.shared_rows import LEAST_SHARE
from steepest.analysis.finding import Finding, Kind, Prepared
from steepest.analysis.needs import PARTED, check
from steepest.data.dataset import Dataset
from steepest.data.thinning import evenly
from steepest.model.of_fit import row_losses

NEIGHBOURS = 20
NEARER = (0.03, 0.1, 0.2)  # d₁/d_k at which copies are looked for
LEAST_ROWS, TIMES_CHANCE = 8, 20.0
MANY, HEAPED = 20, 0.1  # values from which a column has many, and the share of rows that one of them may have
SAME = 0.2  # standard deviations
LEAST_TRAIN, MOST_TRAIN = 60, 50_000
ADVICE = "Split first, and augment rows of the training part only; or keep the copies of a row on one side."
LOOKED_AT, PAIRS = 300, 4_000_000  # held-out rows, and pairs of rows, at most


@check("table", "fit", finds=(Kind.SHARED_ROWS,), needs=(PARTED,))
def near_copies(given: Prepared) -> Iterator[Finding]:
    """Whether many held-out rows are those of training with a little noise."""
    fit: Any = given
    train, test = given.train, getattr(given, "test", None)
    if not LEAST_TRAIN <= train.rows <= MOST_TRAIN:
        return
    if test is None and not (given.spec.test_fraction or given.spec.validation):
        return
    some = train if test is None else test
    some = some.take(evenly(some.rows, min(LOOKED_AT, PAIRS // train.rows)))
    near = copied(train, some, own=test is None)
    if near is None:
        return
    where = "rows of the table" if test is None else "held-out rows"
    evidence = f"Of {some.rows:,} {where} {int(near.sum()):,} have a neighbour in "
    evidence += f"{'it' if test is None else 'training'} that is many times nearer than rows lie by themselves."
    theta = getattr(fit, "theta", None)
    if test is not None and theta is not None and np.isfinite(theta).all() and not fit.loss_function.custom:
        each = row_losses(fit, some, theta)
        evidence += f" Their mean loss is {each[near].mean():.3g}, that of the others {each[~near].mean():.3g}."
    yield Finding(
        Kind.SHARED_ROWS,
        f"{near.mean():.0%} of the {where} are copies with a little noise of rows that are fitted: the held-out "
        "loss is too optimistic.",
        evidence, {}, "The held-out loss is then that of rows which the fit has not seen.", of_model=True, advice=ADVICE,
    )  # fmt: skip


def copied(train: Dataset, some: Dataset, own: bool = False) -> np.ndarray | None:
    """Which of some rows `[m]` are copies with noise of training rows; None where they are no more than chance makes.

    own: whether they are training rows themselves.
    """
    known, asked = (np.column_stack([flat(each.x), each.y.reshape(each.rows, -1)]) for each in (train, some))
    apart = np.array([_varied(column) for column in known.T])
    if not apart.any():
        return None
    size = known[:, apart].std(0)
    middle = known[:, apart].mean(0)
    z, from_there = ((each[:, apart] - middle) / size for each in (known, asked))
    squares = (from_there**2).sum(1)[:, None] + (z**2).sum(1) - 2.0 * from_there @ z.T
    places = np.argpartition(squares, [0, 1], 1)
    nearest = places[np.arange(len(asked)), int(own)]
    first = np.sqrt(((from_there - z[nearest]) ** 2).sum(1))
    ranks = np.partition(squares, [NEIGHBOURS // 2 + own - 1, NEIGHBOURS + own - 1], 1)
    half, last = (np.sqrt(np.maximum(ranks[:, k + own - 1], 0.0)) for k in (NEIGHBOURS // 2, NEIGHBOURS))
    usable = (first > 0.0) & (last > half)
    if usable.sum() < LEAST_ROWS:
        return None
    dimensions = float(np.median(np.log(2.0) / np.log(last[usable] / half[usable])))
    rest = known[:, ~apart]
    same = (np.abs(rest[nearest] - asked[:, ~apart]) <= SAME * rest.std(0)).all(1)
    for nearer in reversed(NEARER):
        near = usable & same & (first <= nearer * last)
        chance = 1.0 - (1.0 - nearer**dimensions) ** (NEIGHBOURS - 1)
        if near.sum() >= LEAST_ROWS and near.mean() >= max(LEAST_SHARE, TIMES_CHANCE * chance):
            return near
    return None


def _varied(column: np.ndarray) -> bool:
    """Whether a column has many values, and none of them in many rows."""
    counts = np.unique(column, return_counts=True)[1]
    return len(counts) >= MANY and counts.max() <= HEAPED * len(column)
