"""Classes that no parameters are best for, that are never predicted, or that are fitted as amounts.

SEPARABLE    the classes are linearly separable, so that the likelihood has no maximum and the coefficients grow without end
             (Albert and Anderson 1984; `analysis/exact/separation.py` proves it). Before a fit a sample of the rows is looked at
             first: rows that overlap settle it.
IMBALANCED   a class with less than a fifth of its even share (1/k) of the rows, or of their weight, is predicted for
             fewer than a quarter of its rows, though the fit ranks them well: the area under its ROC curve is at least
             0.7, and above ½ by more than 1 + √d of its standard errors (d columns fit that much of pure chance; of
             1,200 tables whose columns say nothing 36 pass).
CODED        a target of numbers that looks like classes. Two values in ten rows or more, each in three at least, are two
             classes: 0 and 1, 1 and 2, −1 and 1, any two numbers. Three to ten whole numbers in a row are classes only where
             the target is called so (`class`, `species`, …), since counts and ratings look alike. Where the loss was
             chosen it is said otherwise (`class_codes.py`), and nothing where the fit meets every row. What the remedy gives
             is tried: the exact answer of the logistic loss on the same design, with a small penalty where the classes
             are separable.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from steepest.analysis.checks.module_end import two_classes
from steepest.analysis.checks.regression import Regression
from steepest.analysis.exact import certificate as certify
from steepest.analysis.exact.answer import Exact
from steepest.analysis.exact.solve import solve
from steepest.analysis.finding import Finding, FittedRows, Kind, Prepared
from steepest.analysis.needs import CLASSES, LINEAR, NUMBERS, check
from steepest.data.dataset import Dataset
from steepest.data.thinning import evenly, sampled
from steepest.lazy import unnoticed
from steepest.model.linear import LinearProblem
from steepest.model.of_fit import row_losses
from steepest.model.penalties import Penalty
from steepest.model.prediction import outputs
from steepest.model.torch_losses import loss
from steepest.text.numbers import number

MOST_ROWS = 20_000
MOST_ENTRIES = 1_000_000
SMALL = 0.001  # the penalty where classes are separable
REMEDY = f"l2:{SMALL:g}"

RARE = 0.2
SELDOM = 0.25
RANKED = 0.7
LEAST_ROWS = 5

LEAST_CODED, LEAST_EACH = 10, 3  # rows of a target of two classes, and of each
MOST_CLASSES = 10
NAMES = frozenset(
    ("class", "classes", "label", "labels", "species", "category", "variety", "genus", "cluster", "digit")
)
"""What a target of several classes is called."""


@check("table", finds=(Kind.SEPARABLE,), needs=(LINEAR, CLASSES))
def separable(given: Prepared) -> Iterator[Finding]:
    """Whether the classes are linearly separable, before a fit."""
    problem = given.problem
    if problem is None or not problem.loss.classes or problem.penalty:
        return
    rows = len(problem.design)
    first = evenly(rows, min(MOST_ROWS, max(100, MOST_ENTRIES // problem.parameters)))
    exact = solve(problem.take(first) if len(first) < rows else problem)
    if exact.separable and len(first) < rows:
        exact = solve(problem)
    if exact.separable:
        yield _without_best(given, problem, exact)


@check("fit", finds=(Kind.SEPARABLE,), needs=(LINEAR, CLASSES))
def separable_fit(fit: FittedRows) -> Iterator[Finding]:
    """The same after a fit, from the exact answer beside it."""
    if fit.problem is not None and fit.exact is not None and fit.exact.separable:
        yield _without_best(fit, fit.problem, fit.exact)


def _without_best(given: Prepared, problem: LinearProblem, exact: Exact) -> Finding:
    whole = exact.loss == 0.0
    name, words = _parting(given, problem)
    best = with_penalty(problem) if problem.design.size <= MOST_ENTRIES else None
    predicted = "The loss then has a finite minimum."
    if best is not None and best.theta is not None:
        size = np.max(np.abs(best.theta * problem.penalised))
        predicted = f"A finite minimum with a loss of {best.loss:.3g}, no coefficient larger than {size:.3g}."
    target = given.schema.targets[0]
    parted = f"{'The' if whole else 'Some'} classes of {target!r} are linearly separable"
    if given.schema.classes is None:
        parted = f"Columns part rows whose {target!r} lies at the end of what it can be, as a group of zeros"
    return Finding(
        Kind.SEPARABLE,
        f"{parted}, so no finite coefficients minimise the loss: they grow with every step.",
        f"The loss approaches {0 if whole else f'{exact.loss:.4g}'} without reaching it ({exact.method}).{words}",
        {"penalty": REMEDY}, predicted, 1.0, columns=() if name is None else (name,),
    )  # fmt: skip


def _parting(given: Prepared, problem: LinearProblem) -> tuple[str | None, str]:
    """A column that parts a class from all others by itself, and what to say about it."""
    classes = given.schema.classes or ()
    design, names = problem.design, () if given.terms is None else given.terms.names
    live = np.ones(len(design), bool) if problem.weights is None else problem.weights > 0
    for code in range(1 if problem.outputs == 1 else 0, len(classes)):
        mine, others = (problem.target == code) & live, (problem.target != code) & live
        if not mine.any() or not others.any():
            continue
        low, high = design[mine].min(0), design[mine].max(0)
        above, below = low > design[others].max(0), high < design[others].min(0)
        for j in np.flatnonzero(above | below):
            edge = f"at least {low[j]:.3g}" if above[j] else f"at most {high[j]:.3g}"
            return names[j], f" {names[j]!r} alone does: it is {edge} for {classes[code]!r} and for no other class."
    return None, ""


@check("fit", finds=(Kind.IMBALANCED,), needs=(CLASSES,))
def imbalanced(fit: FittedRows) -> Iterator[Finding]:
    """The rarest class, where the fit hardly ever predicts it though it could."""
    classes = fit.schema.classes
    if classes is None or not fit.loss_function.classes:
        return
    train = sampled(fit.train, MOST_ROWS)
    weights = np.ones(train.rows) if train.weights is None else train.weights
    counts = np.bincount(train.y, weights=weights, minlength=len(classes))
    seen = np.where(counts > 0, counts, np.inf)
    rare = int(np.argmin(seen))
    part = float(counts[rare] / counts.sum())
    mine = train.y == rare
    if part >= RARE / len(classes) or np.count_nonzero(mine) < LEAST_ROWS:
        return
    theta = fit.theta if fit.exact is None or fit.exact.theta is None else fit.exact.theta
    if not np.isfinite(theta).all():
        return
    scores = outputs(fit, train.x, theta, train.offset)
    odds = np.column_stack([np.zeros(train.rows), scores]) if scores.ndim == 1 else scores
    recall = _recall(odds, mine, rare, weights)
    with unnoticed():
        from sklearn.metrics import roc_auc_score

    lead = odds[:, rare] - np.delete(odds, rare, axis=1).max(1)
    ranked = float(roc_auc_score(mine, lead, sample_weight=weights))
    count = np.count_nonzero(mine)
    error = np.sqrt((train.rows + 1) / (12.0 * count * (train.rows - count)))  # of Mann and Whitney's statistic
    by_chance = 0.5 + (1.0 + np.sqrt(train.x[0].size)) * error
    if recall >= SELDOM or ranked < max(RANKED, by_chance):
        return
    # weights of n/(k·n_k) move the log-odds by about their logarithms
    even = odds - np.log(np.maximum(counts, 1e-9) / counts.sum() * len(classes))
    after = _recall(even, mine, rare, weights)
    if after <= recall + SELDOM:
        return
    each = row_losses(fit, train, theta)
    weighed = "rows" if train.weights is None else "weight"
    right = [float(np.average(scored.argmax(1) == train.y, weights=weights)) for scored in (odds, even)]
    yield Finding(
        Kind.IMBALANCED, f"The class {classes[rare]!r} of {fit.schema.targets[0]!r} is rare and hardly ever predicted.",
        f"It has {part:.2%} of the {weighed}, and the fit predicts it for {recall:.0%} of them, though it ranks them well (area "
        f"under the ROC curve {ranked:.2f}).",
        {"class_weight": "balanced"},
        f"About {after:.0%} of the rows of {classes[rare]!r} are recognised; accuracy goes from {right[0]:.1%} to about "
        f"{right[1]:.1%}.",
        float(each[mine].sum() / each.sum()) if each.sum() > 0 else 0.0, of_model=True,
    )  # fmt: skip


def with_penalty(problem: LinearProblem) -> Exact:
    """The exact answer with a small penalty, which there is where classes are separable, too."""
    return solve(replace(problem, penalty=Penalty(l2=SMALL)))


def accuracy(problem: LinearProblem, theta: np.ndarray) -> float:
    """The share of the rows whose class is predicted."""
    found = certify.prediction(problem, theta)
    codes = (found.ravel() > 0) if problem.outputs == 1 else found.argmax(-1)
    return float(np.average(codes == problem.target, weights=problem.weights))


def _recall(odds: np.ndarray, mine: np.ndarray, code: int, weights: np.ndarray) -> float:
    """The share of the class's rows that are predicted to be of it."""
    return float(np.average(odds[mine].argmax(1) == code, weights=weights[mine]))


# ---- classes written as numbers --------------------------------------------------------------------


def two_values(y: np.ndarray) -> tuple[float, float] | None:
    """The two values of a target, if it has no more and none of them is an exception.

    >>> two_values(np.array([1.0, 2.0] * 5)), two_values(np.array([1.0, 2.0, 3.0] * 5))
    ((1.0, 2.0), None)
    """
    if y.ndim != 1 or len(y) < LEAST_CODED or len(np.unique(y[:1_000])) > 2:
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
    values = whole_codes(y) if y.ndim == 1 and NAMES & {words[0], words[-1]} else None
    return 0 if values is None else len(values)


def whole_codes(y: np.ndarray) -> np.ndarray | None:
    """The values of a target of 3 to 10 whole numbers in a row from 0 or 1, each in three rows at least.

    >>> whole_codes(np.repeat([1.0, 2.0, 3.0], 5)), whole_codes(np.repeat([1.0, 2.0, 4.0], 5))
    (array([1., 2., 3.]), None)
    """
    if len(np.unique(y[:1_000])) > MOST_CLASSES:
        return None
    values, counts = np.unique(y, return_counts=True)
    whole = 3 <= len(values) <= MOST_CLASSES and values[0] in (0, 1) and (np.diff(values) == 1).all()
    return values if whole and counts.min() >= LEAST_EACH else None


def are_codes(rows: Dataset) -> bool:
    """Whether the target looks like classes, so that neither its bends nor its outliers say anything."""
    return two_values(rows.y) is not None or several_codes(rows.y, rows.targets[0]) > 0


@check("table", "fit", finds=(Kind.CODED,), needs=(NUMBERS,))
def coded(given: Prepared) -> Iterator[Finding]:
    """Whether the target is classes that are written as numbers."""
    rows = given.train
    name = rows.targets[0]
    if rows.y.ndim != 1 or given.spec.loss != "auto" or name.startswith("log("):
        return
    pair = two_values(rows.y)
    many = 0 if pair is not None else several_codes(rows.y, name)
    if not (pair or many) or met(given):
        return
    if pair is not None:
        evidence, remedy, predicted, advice = of_pair(given, pair)
    else:
        values = f"{number(rows.y.min())} to {number(rows.y.max())}"
        evidence = f"It has the values {values} only, and its name says that they are classes."
        remedy, predicted = {"loss": "cross_entropy"}, "Each prediction is then a class, with its probability."
        advice = ""
    what = f"{name!r} looks like {many or 'two'} classes, which the {given.loss_function} loss fits as amounts."
    yield Finding(Kind.CODED, what, evidence, remedy, predicted, of_model=True, advice=advice)


def met(given: Prepared) -> bool:
    """Whether a model of the linear family meets every row up to rounding, so that it is right about the amounts."""
    regression = Regression.of(given)
    if regression is None:
        return False
    some = regression.thinned
    found, x = some.least_squares, regression.x[some.rows]
    return bool((np.abs(found.residual) <= some.rounding(x, some.y, found.theta) * some.root).all())


def of_pair(given: Prepared, pair: tuple[float, float]) -> tuple[str, dict[str, Any], str, str]:
    """That a target has two values only, and what `_tried` gives."""
    low, high = (int(np.count_nonzero(given.train.y == value)) for value in pair)
    evidence = f"It has two values only: {number(pair[0])} in {low:,} rows and {number(pair[1])} in {high:,}."
    return evidence, *_tried(given, pair)


def _tried(given: Prepared, pair: tuple[float, float]) -> tuple[dict[str, Any], str, str]:
    """The settings that make it a classification, how good that is, and what else is to be changed."""
    words = "Predictions are then classes with probabilities between 0 and 1"
    problem = given.problem
    remedy, advice = two_classes(given)
    if problem is None:
        return remedy, words + ".", advice
    some = evenly(len(problem.design), max(100, MOST_ENTRIES // problem.parameters))
    few = problem.take(some)
    classes = replace(few, target=(few.target == pair[1]).astype(np.float64), loss=loss("logistic"))
    exact = solve(classes)
    if exact.separable and not problem.penalty:
        remedy["penalty"] = REMEDY
        exact = with_penalty(classes)
        words = f"The classes are linearly separable, so that a penalty is needed. {words}"
    if exact.theta is None:
        return remedy, words + ".", ""
    return remedy, f"{words}: the accuracy is {accuracy(classes, exact.theta):.1%}.", ""
