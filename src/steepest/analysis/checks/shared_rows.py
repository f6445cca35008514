"""SHARED_ROWS: rows that stand both in training and in the held-out rows, so that their loss is too optimistic.

A row is its columns and its target, to the last digit. It is found where at least 3 held-out rows and a twentieth of them
have a twin in training, a hundred times as many as chance makes: columns that were independent would agree by

    n·Πⱼ pⱼ,     pⱼ = the share of pairs of rows that have the same value of column j

Where a column, once each row is counted once, hardly has a value twice, no chance makes twins. Before a fit the rows
themselves are looked at, if some of them are to be held out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from steepest.analysis.checks.rows import flat
from steepest.analysis.finding import Finding, Kind, Prepared
from steepest.analysis.needs import PARTED, check
from steepest.data.dataset import Dataset
from steepest.data.thinning import sampled
from steepest.model.of_fit import row_losses

LEAST_ROWS, LEAST_SHARE = 3, 0.05
TIMES_CHANCE = 100.0
MOST_ROWS, LOOKED_AT = 100_000, 2_000
MIXED = np.uint64(0x9E3779B97F4A7C15)  # odd, of evenly spread bits
OWN = 0.9  # share of the values of a column that are of one row, from which rows are told apart by it
ADVICE = (
    "Drop the duplicates before the rows are split, as by table.drop_duplicates() or np.unique(rows, axis=0); where rows are "
    "copied on purpose, as to balance classes, copy those of the training part only, or give them weights."
)


@check("table", "fit", finds=(Kind.SHARED_ROWS,), needs=(PARTED,))
def shared_rows(given: Prepared) -> Iterator[Finding]:
    """Whether held-out rows stand in training as well."""
    fit: Any = given
    train, test = given.train, getattr(given, "test", None)
    if train.rows < LEAST_ROWS:
        return
    if test is not None:
        yield from _of_split(fit, train, test)
    elif given.spec.test_fraction or given.spec.validation:
        yield from _of_table(given, train)


def _of_split(fit: Any, train: Dataset, test: Dataset) -> Iterator[Finding]:
    train, test = _some(train, train.rows), _some(test, train.rows)
    twins = np.isin(marks(test), marks(train))
    count, share = int(np.count_nonzero(twins)), float(np.mean(twins))
    if count < LEAST_ROWS or share < LEAST_SHARE or share < TIMES_CHANCE * chance(train):
        return
    evidence = (
        f"{count:,} of {test.rows:,} held-out rows have a twin in training, columns and target to the last digit."
    )
    theta = getattr(fit, "theta", None)
    if theta is not None and np.isfinite(theta).all() and count < test.rows and not fit.loss_function.custom:
        each = row_losses(fit, test, theta)
        evidence += (
            f" Their mean loss is {each[twins].mean():.3g}, that of the other held-out rows {each[~twins].mean():.3g}."
        )
    yield Finding(
        Kind.SHARED_ROWS, f"{share:.0%} of the held-out rows stand in training, too: the held-out loss is too optimistic.",
        evidence, {}, "The held-out loss is then that of rows which the fit has not seen.", of_model=True, advice=ADVICE,
    )  # fmt: skip


def _of_table(given: Prepared, train: Dataset) -> Iterator[Finding]:
    train = _some(train, train.rows)
    _, back, counts = np.unique(marks(train), return_inverse=True, return_counts=True)
    twins = counts[back] > 1
    count, share = int(np.count_nonzero(twins)), float(np.mean(twins))
    if count < 2 * LEAST_ROWS or share < LEAST_SHARE or share < TIMES_CHANCE * chance(train):
        return
    yield Finding(
        Kind.SHARED_ROWS, f"{share:.0%} of the rows stand in the table more than once, and are held out and fitted at once.",
        f"{count:,} of {train.rows:,} rows have a twin, columns and target to the last digit.",
        {}, "The held-out loss is then that of rows which the fit has not seen.", of_model=True, advice=ADVICE,
    )  # fmt: skip


def _some(rows: Dataset, count: int) -> Dataset:
    """Of very many rows those with some of the targets: what is a twin of one of them is among them, too."""
    parts = count // MOST_ROWS
    if parts < 2:
        return rows
    bits = np.ascontiguousarray(rows.y.reshape(rows.rows, -1)[:, 0].astype(np.float64) + 0.0).view(np.uint64)
    return rows.take(np.flatnonzero((bits * MIXED >> np.uint64(40)) % np.uint64(parts) == 0))


def marks(rows: Dataset) -> np.ndarray:
    """A number of 64 bits for each row `[n]`, the same for the same columns and target."""
    found = np.zeros(rows.rows, dtype=np.uint64)
    factors = np.random.default_rng(0)
    for part in (flat(rows.x), rows.y.reshape(rows.rows, -1).astype(np.float64)):
        for column in part.T:
            bits = (column + 0.0).view(np.uint64)  # −0 is 0
            mixed = (bits ^ (bits >> np.uint64(29))) * np.uint64(factors.integers(2**62) * 2 + 1)
            found = found * np.uint64(3) + (mixed ^ (mixed >> np.uint64(32)))
    return found


def chance(train: Dataset) -> float:
    """How often a row would have a twin among these by chance, were their columns independent."""
    some = sampled(train, LOOKED_AT)
    once = np.unique(marks(some), return_index=True)[1]
    agree = 1.0
    for column in (*flat(some.x).T, *some.y.reshape(some.rows, -1).T):
        counts = np.unique(column[once], return_counts=True)[1]
        if len(counts) > OWN * len(once):
            return 0.0
        agree *= float((counts * (counts - 1.0)).sum()) / max(len(once) * (len(once) - 1.0), 1.0)
    return train.rows * agree
