"""A target and a loss that do not suit each other: classes fitted as numbers, and numbers fitted as classes.

NUMBERS   classes under a loss of numbers: two values where that loss was asked for (by default they are CODED,
          `classes.py`), or 3 to 10 whole numbers in a row that have no order among the columns. Two ways to see that:
          - linear discriminant analysis in all columns tells more classes right than the same on the one prediction of
            the number, by 0.1 and a quarter of its errors: the classes do not lie in a row;
          - the nearest row is mostly of the same class (Cohen's κ of 0.6 at least), and where it is not, of any other one:
            numbers that a noise moved would be next to each other.
ONE_HOT   several targets of 0 and 1 that sum to 1 in every row, under a loss of numbers
CLASSES   whole numbers of seven values or more, or fractions, under a loss of classes, where the means of the columns
          follow their order: the share of the classes' scatter along it is at least ½, and larger than along 1,000 other
          orders; or where rows near one another have values near one another, more than in 1,000 other orders. Nothing is
          said of digits and species, whose numbers are names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from steepest.analysis.checks.classes import met, of_pair, several_codes, two_values, whole_codes
from steepest.analysis.checks.module_end import last_function, of_own_module
from steepest.analysis.checks.rows import components, flat, nearest
from steepest.analysis.finding import Finding, Kind, Prepared
from steepest.analysis.fit_settings import another_loss
from steepest.analysis.needs import CLASSES, NUMBERS, OF_RESIDUALS, SEVERAL, VALUES, check
from steepest.data.dataset import Dataset
from steepest.data.thinning import sampled
from steepest.text.numbers import number

MOST_ROWS = 1_000
LEAST_ROWS = 30
BETTER, FEWER_ERRORS = 0.1, 0.25
AGREED, SCATTERED = 0.6, 0.5
LEAST_ORDERED, ORDERS, ALONG, BESIDE = 7, 1_000, 0.5, 0.2
LEAST_FRACTIONS = 5


@check("table", "fit", finds=(Kind.NUMBERS,), needs=(NUMBERS, VALUES, OF_RESIDUALS))
def numbers(given: Prepared) -> Iterator[Finding]:
    """Whether a loss of numbers is given classes."""
    rows = given.train
    name, auto = rows.targets[0], given.spec.loss == "auto"
    pair, codes = two_values(rows.y), whole_codes(rows.y) if rows.rows >= LEAST_ROWS // 2 else None
    if name.startswith("log(") or (auto and (pair is not None or several_codes(rows.y, name))):
        return
    if (pair is None and codes is None) or met(given):
        return
    if pair is not None:
        yield _said(given, 2, *of_pair(given, pair))
        return
    assert codes is not None
    some = sampled(rows, MOST_ROWS)
    evidence = without_order(flat(some.x), some.y)
    if not evidence and several_codes(rows.y, name):
        evidence = "Its name says that they are classes."
    if evidence:
        evidence = f"It has the values {number(codes[0])} to {number(codes[-1])} only. {evidence}"
        predicted = "Each prediction is then a class, with its probability."
        remedy, advice = {"loss": "cross_entropy"}, ""
        if of_own_module(given):  # it has one output
            remedy = {}
            advice = f"End the module in {len(codes)} outputs, nn.Linear(…, {len(codes)}), with loss='cross_entropy'."
        yield _said(given, len(codes), evidence, remedy, predicted, advice)


def _said(given: Prepared, count: int, evidence: str, remedy: dict[str, Any], predicted: str, advice: str) -> Finding:
    """The finding, in words."""
    name = given.schema.targets[0]
    what = f"{name!r} is {count if count > 2 else 'two'} classes, which the {given.loss_function} loss fits as numbers."
    remedy = another_loss(remedy, given) if remedy else remedy
    return Finding(Kind.NUMBERS, what, evidence, remedy, predicted, of_model=True, advice=advice)


def without_order(x: np.ndarray, y: np.ndarray) -> str:
    """What shows that whole numbers y `[n]` are names of classes among columns x `[n, d]`; "" if nothing does."""
    if len(y) < LEAST_ROWS:
        return ""
    z = components(x, len(y) // 10)
    codes = np.unique(y, return_inverse=True)[1]
    if not z.shape[1]:
        return ""
    score = z @ np.linalg.lstsq(z, y - y.mean(), rcond=None)[0]
    free, ordered = discriminated(z, codes), discriminated(score[:, None], codes)
    if free - ordered >= BETTER and 1.0 - free <= (1.0 - FEWER_ERRORS) * (1.0 - ordered):
        return (
            f"Their order says little: linear discriminants tell {free:.0%} of the rows right as classes, and {ordered:.0%} "
            "along the prediction of the number."
        )
    beside = codes[nearest(z, 1)[:, 0]]
    shares = np.bincount(codes) / len(codes)
    agreed, chance = float(np.mean(beside == codes)), float(shares @ shares)
    apart = np.abs(np.subtract.outer(np.arange(len(shares)), np.arange(len(shares))))
    mixed = np.outer(shares, shares)
    expected = mixed[apart > 1].sum() / mixed[apart > 0].sum()
    other = np.abs(beside - codes)[beside != codes]
    if (agreed - chance) / (1.0 - chance) < AGREED or len(other) < 10 or np.mean(other > 1) < SCATTERED * expected:
        return ""
    return (
        f"Their order says little: {agreed:.0%} of the rows have the value of the row nearest to them, and "
        f"{np.mean(other > 1):.0%} of the others one that is further than the next."
    )


def discriminated(z: np.ndarray, codes: np.ndarray) -> float:
    """The share of rows that linear discriminant analysis of z `[n, d]` gives their own class."""
    means, within, shares = _classes(z, codes)
    white = np.linalg.cholesky(np.linalg.inv(within))
    far = ((z[:, None, :] - means[None]) @ white) ** 2
    return float(np.mean((far.sum(-1) / 2.0 - np.log(shares)).argmin(1) == codes))


def _classes(z: np.ndarray, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The means `[k, d]` of the classes, the covariance within them `[d, d]`, and their shares `[k]`."""
    counts = np.bincount(codes)
    means = np.stack([np.bincount(codes, column) for column in z.T], 1) / counts[:, None]
    left = z - means[codes]
    within = left.T @ left / max(len(z) - len(counts), 1)
    return means, within + np.eye(z.shape[1]) * 1e-9 * max(float(np.trace(within)), 1e-300), counts / len(z)


# ---- one-hot targets -------------------------------------------------------------------------------


@check("table", "fit", finds=(Kind.ONE_HOT,), needs=(SEVERAL, OF_RESIDUALS))
def one_hot(given: Prepared) -> Iterator[Finding]:
    """Whether several targets are the indicators of classes."""
    y, loss = given.train.y, given.loss_function
    if given.train.classes is not None or len(y) < 2:
        return
    if not (((y == 0) | (y == 1)).all() and (y.sum(1) == 1).all() and (y.any(0).sum() > 1)):
        return
    count = y.shape[1]
    arrays = given.spec.target is None  # of a table the columns are targets of their own
    remedy: dict[str, Any] = another_loss({"loss": "cross_entropy"}, given) if arrays else {}
    advice = "" if arrays else "Make one column of them, as table[names].idxmax(axis=1), and name it as the target."
    if last_function(given) == "Softmax":
        remedy = {}
        advice = "End the module in its linear layer, without the softmax, and fit it with loss='cross_entropy'."
    yield Finding(
        Kind.ONE_HOT, f"The {count} targets are one class in one-hot rows, which the {loss} loss fits as {count} numbers.",
        f"Each of the {len(y):,} rows has a single 1 and {count - 1} zeros.",
        remedy, "The scores of the classes are then fitted together, and are probabilities.", of_model=True, advice=advice,
    )  # fmt: skip


# ---- numbers as classes ----------------------------------------------------------------------------


class Along(NamedTuple):
    """How far something follows the numbers of the classes, 1 at most, and the furthest that it follows other orders."""

    share: float
    others: float


@check("table", "fit", finds=(Kind.CLASSES,), needs=(CLASSES,))
def classes(given: Prepared) -> Iterator[Finding]:
    """Whether a loss of classes is given numbers."""
    rows, schema = given.train, given.schema
    if rows.classes is None or schema.label_kind not in ("integer", "number"):
        return
    if not (given.loss_function.classes or given.loss_function.takes == "codes"):
        return
    values = np.asarray(schema.labels, dtype=np.float64)
    fractions = len(values) >= LEAST_FRACTIONS and int(np.count_nonzero(values % 1)) >= LEAST_FRACTIONS - 1
    told = in_order(sampled(rows, MOST_ROWS), values)
    if not (told or fractions):
        return
    evidence = f"It has {len(values):,} values from {number(values.min())} to {number(values.max())}"
    evidence += f", fractions among them. {told}" if fractions else f". {told}"
    remedy = another_loss({"loss": "mse"}, given)
    if given.spec.model in ("logistic", "softmax"):
        remedy["model"] = "linear"
    advice = ""
    if of_own_module(given):
        remedy, advice = {}, "End the module in one output, nn.Linear(…, 1), and fit it with loss='mse'."
    name = schema.targets[0]
    yield Finding(
        Kind.CLASSES, f"{name!r} is a number, and the {given.loss_function} loss fits its {len(values):,} values as classes.",
        evidence.strip(), remedy, "Predictions are then numbers, and what is close to a value is nearly right.",
        of_model=True, advice=advice,
    )  # fmt: skip


def in_order(rows: Dataset, values: np.ndarray) -> str:
    """What shows that the columns follow the numbers of the classes; "" if nothing does."""
    present, codes = np.unique(rows.y, return_inverse=True)
    if len(present) < LEAST_ORDERED or len(codes) < 4 * len(present):
        return ""
    x, own = flat(rows.x), values[present]
    along = ordered(x, codes, own)
    if along is not None and along.share >= ALONG and along.share > along.others:
        share = f"{along.share:.0%} of the differences between the means of the columns lie along their order"
        return f"{share}; along {ORDERS:,} other orders at most {along.others:.0%}."
    near = nearby(x, codes, own)
    if near.share >= BESIDE and near.share > near.others:
        share = f"Rows that are near one another have values that correlate by {near.share:.2f}"
        return f"{share}; in {ORDERS:,} other orders of them at most by {near.others:.2f}."
    return ""


def ordered(x: np.ndarray, codes: np.ndarray, values: np.ndarray) -> Along | None:
    """Which share of the scatter of the means of columns x `[n, d]` lies along the values of classes; None without scatter."""
    z = components(x, len(codes) // 10)
    if not z.shape[1]:
        return None
    means, within, shares = _classes(z, codes)
    far = (means - shares @ means) @ np.linalg.cholesky(np.linalg.inv(within))
    weighted = far * (shares * len(codes))[:, None]
    # each mean is off by chance: k − 1 differences in d columns, one of them along the order
    noise = z.shape[1]
    whole = float((weighted * far).sum()) - (len(values) - 1) * noise
    if not whole > 10.0 * noise:
        return None

    def share(orders: np.ndarray) -> np.ndarray:
        steps = orders - (orders @ shares)[:, None]
        sizes = (steps**2) @ (shares * len(codes))
        return np.minimum((((steps @ weighted) ** 2).sum(1) / sizes - noise) / whole, 1.0)

    return _beside_other_orders(share, values)


def nearby(x: np.ndarray, codes: np.ndarray, values: np.ndarray) -> Along:
    """How the values of rows correlate with those of the five rows nearest to them among columns x `[n, d]`."""
    z = components(x, len(codes) // 10)
    if not z.shape[1]:
        return Along(0.0, 0.0)
    beside = codes[nearest(z, 5)]
    pairs = np.zeros((len(values), len(values)))
    np.add.at(pairs, (np.repeat(codes, 5), beside.ravel()), 1.0 / beside.size)
    shares = np.bincount(codes) / len(codes)

    def correlation(orders: np.ndarray) -> np.ndarray:
        steps = orders - (orders @ shares)[:, None]
        return np.einsum("ij,jk,ik->i", steps, pairs, steps) / ((steps**2) @ shares)

    return _beside_other_orders(correlation, values)


def _beside_other_orders(follows: Callable[[np.ndarray], np.ndarray], values: np.ndarray) -> Along:
    """What holds of values `[k]`, and the most that does of the same values in other orders."""
    others = np.random.default_rng(0).permuted(np.tile(values, (ORDERS, 1)), axis=1)
    return Along(float(follows(values[None])[0]), float(follows(others).max()))
