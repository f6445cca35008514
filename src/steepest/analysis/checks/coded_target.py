"""CODED: a target of numbers that looks like classes, and is fitted as an amount.

Two values in ten rows or more, each in three at least, are two classes: 0 and 1, 1 and 2, −1 and 1, any two numbers. Three to
ten whole numbers in a row are classes only where the target is called so (`class`, `species`, …), since counts and ratings
look alike. Nothing is said where the loss was chosen, or where the fit meets every row.

What the remedy gives is tried: the exact answer of the logistic loss on the same design, with a small penalty where the
classes are separable.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from steepest.analysis.checks.classes import REMEDY, accuracy, with_penalty
from steepest.analysis.checks.regression import Regression
from steepest.analysis.diagnosis import check
from steepest.analysis.exact.solve import solve
from steepest.analysis.finding import Finding, Kind, Prepared
from steepest.data.dataset import Dataset
from steepest.data.thinning import evenly
from steepest.model.losses import loss
from steepest.text.numbers import number

LEAST_ROWS, LEAST_EACH = 10, 3
MOST_CLASSES = 10
NAMES = frozenset(
    ("class", "classes", "label", "labels", "species", "category", "variety", "genus", "cluster", "digit")
)
"""What a target of several classes is called."""

MOST_ENTRIES = 1_000_000


def two_values(y: np.ndarray) -> tuple[float, float] | None:
    """The two values of a target, if it has no more and none of them is an exception.

    >>> two_values(np.array([1.0, 2.0] * 5)), two_values(np.array([1.0, 2.0, 3.0] * 5))
    ((1.0, 2.0), None)
    """
    if y.ndim != 1 or len(y) < LEAST_ROWS or len(np.unique(y[:1_000])) > 2:
        return None
    values, counts = np.unique(y, return_counts=True)
    if len(values) != 2 or counts.min() < LEAST_EACH:
        return None
    low, high = values.tolist()
    return (low, high) if high - low > 1e-9 * max(abs(low), abs(high)) else None


def several_codes(y: np.ndarray, name: str) -> int:
    """How many classes a target that is called so has; 0 for any other.

    >>> several_codes(np.repeat([1.0, 2.0, 3.0], 5), "Species"), several_codes(np.repeat([1.0, 2.0, 3.0], 5), "stars")
    (3, 0)
    """
    words = name.lower().replace("-", "_").replace(" ", "_").split("_")
    if y.ndim != 1 or not NAMES & {words[0], words[-1]} or len(np.unique(y[:1_000])) > MOST_CLASSES:
        return 0
    values, counts = np.unique(y, return_counts=True)
    whole = 3 <= len(values) <= MOST_CLASSES and values[0] in (0, 1) and (np.diff(values) == 1).all()
    return len(values) if whole and counts.min() >= LEAST_EACH else 0


def are_codes(rows: Dataset) -> bool:
    """Whether the target looks like classes, so that neither its bends nor its outliers say anything."""
    return two_values(rows.y) is not None or several_codes(rows.y, rows.targets[0]) > 0


@check("table", "fit")
def coded(given: Prepared) -> Iterator[Finding]:
    """Whether the target is classes that are written as numbers."""
    rows = given.train
    if rows is None or rows.classes is not None or rows.y.ndim != 1 or given.spec.loss != "auto":
        return
    name = rows.targets[0]
    if name.startswith("log("):
        return
    pair = two_values(rows.y)
    many = 0 if pair is not None else several_codes(rows.y, name)
    if not (pair or many) or _met(given):
        return
    if pair is not None:
        low, high = (int(np.count_nonzero(rows.y == value)) for value in pair)
        evidence = f"It has two values only: {number(pair[0])} in {low:,} rows and {number(pair[1])} in {high:,}."
        remedy, predicted = tried(given, pair)
    else:
        values = f"{number(rows.y.min())} to {number(rows.y.max())}"
        evidence = f"It has the values {values} only, and its name says that they are classes."
        remedy, predicted = {"loss": "cross_entropy"}, "Each prediction is then a class, with its probability."
    what = f"{name!r} looks like {many or 'two'} classes, which the {given.loss_function} loss fits as amounts."
    yield Finding(Kind.CODED, what, evidence, remedy, predicted, of_model=True)


def _met(given: Prepared) -> bool:
    """Whether a model of the linear family meets every row up to rounding, so that it is right about the amounts."""
    regression = Regression.of(given)
    if regression is None:
        return False
    some = regression.thinned
    found, x = some.least_squares, regression.x[some.rows]
    return bool((np.abs(found.residual) <= some.rounding(x, some.y, found.theta) * some.root).all())


def tried(given: Prepared, pair: tuple[float, float]) -> tuple[dict[str, Any], str]:
    """The settings that make it a classification, and how good that is."""
    remedy: dict[str, Any] = {"loss": "logistic"}
    words = "Predictions are then classes with probabilities between 0 and 1"
    problem = given.problem
    if problem is None:
        return remedy, words + "."
    some = evenly(len(problem.design), max(100, MOST_ENTRIES // problem.parameters))
    few = problem.take(some)
    classes = replace(few, target=(few.target == pair[1]).astype(np.float64), loss=loss("logistic"))
    exact = solve(classes)
    if exact.separable and not problem.penalty:
        remedy["penalty"] = REMEDY
        exact = with_penalty(classes)
        words = f"The classes are linearly separable, so that a penalty is needed. {words}"
    if exact.theta is None:
        return remedy, words + "."
    return remedy, f"{words}: the accuracy is {accuracy(classes, exact.theta):.1%}."
