"""MEDIAN: the loss asks for medians, and these are far from the means.

The absolute error (`l1`) is least at the median; who fits `quantile:0.5` asks for it by name.
Where most targets are one value that median is this value,
whatever the columns say; where residuals are skewed it lies to one side, so that predictions do not sum to what
the targets sum to. It is found where

    one value   more than half of the targets have the least (or largest) value, and a fit predicts nearly that for four fifths
                of the rows
    skewed      in tenths of the rows by their prediction the mean residual and the median one differ, by 0.35 of the
                residuals' standard deviation (root mean square) and more than five standard errors; or by 0.2 where
                the mean of all residuals is off by 0.15

A few rows far out, for which such a loss is chosen, are another matter: of residuals beyond 3.5 scales those beyond 10 are
then the most, and a tenth of the rows at most.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from steepest.analysis.checks.classes import are_codes
from steepest.analysis.checks.rows import predicted
from steepest.analysis.checks.tails import tail
from steepest.analysis.finding import Finding, Kind, Prepared
from steepest.analysis.fit_settings import another_loss
from steepest.analysis.needs import NUMBERS, PIECES, VALUES, check
from steepest.data.thinning import sampled
from steepest.text.numbers import number

MOST_ROWS = 10_000
LEAST_ROWS = 30
LEAST_OFF, OFF, LARGE_OFF = 0.15, 0.2, 0.35
ERRORS, PARTS, FEW = 5.0, 10, 0.1
STUCK, NEAR = 0.8, 0.05


@check("table", "fit", finds=(Kind.MEDIAN,), needs=(NUMBERS, VALUES, PIECES))
def medians(given: Prepared) -> Iterator[Finding]:
    """Whether the mean is asked for and the median given."""
    rows, loss = given.train, given.loss_function
    if rows.rows < LEAST_ROWS or are_codes(rows):
        return
    pieces = (0.5, 0.5) if loss.pieces is None else loss.pieces
    asked = bool(loss.numbers)  # for the median by its number
    if loss.pieces is None or asked or abs(pieces[0] + pieces[1]) > 1e-9:
        return
    some = sampled(rows, MOST_ROWS)
    best = getattr(getattr(given, "exact", None), "theta", None)  # whatever the descent left to do
    found = predicted(given, some, best)
    told = _one_value(some.y, found) or (None if found is None else _skewed(some.y, found))
    if told is None:
        return
    remedy = another_loss({"loss": "mse"}, given)
    what, evidence = told
    yield Finding(
        Kind.MEDIAN, what.format(repr(rows.targets[0]), loss), evidence, remedy,
        f"Predictions are then means, and sum to what the targets sum to: {number(float(rows.y.mean()))} on average.",
        of_model=True,
    )  # fmt: skip


def _one_value(y: np.ndarray, found: np.ndarray | None) -> tuple[str, str] | None:
    """That most targets are one value, and so are the predictions."""
    values, counts = np.unique(y, return_counts=True)
    most = float(values[counts.argmax()])
    share = counts.max() / len(y)
    if share <= 0.5 or most not in (values[0], values[-1]):
        return None
    if len(values) < 3 or len(y) - counts.max() < LEAST_ROWS // 3:
        return None
    away = float(np.abs(y[y != most] - most).mean())
    if found is not None and np.mean(np.abs(found - most) <= NEAR * away) < STUCK:
        return None
    median = ", and so is its median, which the {} loss asks for whatever the columns say."
    what = "Most of {} is " + number(most) + median
    evidence = f"{share:.0%} of the rows are {number(most)}; their mean is {number(float(y.mean()))}"
    return what, evidence + ("." if found is None else f", and that of the predictions {number(float(found.mean()))}.")


def _skewed(y: np.ndarray, found: np.ndarray) -> tuple[str, str] | None:
    """That residuals are skewed, so that their median is far from their mean: in tenths of the rows by their prediction."""
    residual = y - found
    tails = tail(residual - np.median(residual))
    if tails.between < tails.beyond <= FEW * len(y):
        return None
    parts = np.array_split(residual[np.argsort(found, kind="stable")], max(1, min(PARTS, len(y) // LEAST_ROWS)))
    off = np.array([part.mean() - np.median(part) for part in parts])
    count, spread = np.array([len(part) for part in parts]), np.array([part.std() for part in parts])
    if not (spread > 0).all():
        return None
    # the mean of n rows less their median has the standard error 0.756·σ/√n where they are normal
    sure = float((count * (off / spread / 0.756) ** 2).sum())
    size = float(np.sqrt((count * off**2).sum() / (residual @ residual)))
    whole = float(abs(residual.mean())) / float(residual.std())
    least = len(parts) + ERRORS**2 + 5.0 * np.sqrt(2.0 * len(parts))
    if size < (OFF if whole >= LEAST_OFF else LARGE_OFF) or sure < least:
        return None
    what = "{} is skewed around its predictions: the {} loss asks for the median, which is far from the mean."
    return what, (
        f"The predictions are {number(float(found.mean()))} on average and the targets {number(float(y.mean()))}. Of rows with "
        f"like predictions the mean residual and the median one differ by {size:.2f} of the residuals' standard deviation."
    )
