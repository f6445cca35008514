"""Classes that no parameters are best for, and classes that are never predicted.

SEPARABLE    the classes are linearly separable, so that the likelihood has no maximum and the coefficients grow without end
             (Albert and Anderson 1984; `analysis/exact/separation.py` proves it). Before a fit a sample of the rows is looked at
             first: rows that overlap settle it.
IMBALANCED   a class with less than a fifth of its even share (1/k) is predicted for fewer than a quarter of its rows,
             though the fit ranks them well: the area under its ROC curve is at least 0.7, and above ½ by more than
             1 + √d of its standard errors (d columns fit that much of pure chance; of
             1,200 tables whose columns say nothing 36 pass).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from steepest.analysis.diagnosis import check
from steepest.analysis.exact import certificate as certify
from steepest.analysis.exact.answer import Exact
from steepest.analysis.exact.solve import solve
from steepest.analysis.finding import Finding, Fitted, Kind, Prepared
from steepest.data.thinning import evenly, sampled
from steepest.lazy import unnoticed
from steepest.model.linear import LinearProblem
from steepest.model.of_fit import row_losses
from steepest.model.penalties import Penalty
from steepest.model.prediction import outputs

MOST_ROWS = 20_000
MOST_ENTRIES = 1_000_000
SMALL = 0.001  # the penalty where classes are separable
REMEDY = f"l2:{SMALL:g}"

RARE = 0.2
SELDOM = 0.25
RANKED = 0.7
LEAST_ROWS = 5


@check("table")
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


@check("fit")
def separable_fit(fit: Fitted) -> Iterator[Finding]:
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
    return Finding(
        Kind.SEPARABLE,
        f"{'The' if whole else 'Some'} classes of {given.schema.targets[0]!r} are linearly separable, so no finite "
        "coefficients minimise the loss: they grow with every step.",
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


@check("fit")
def imbalanced(fit: Fitted) -> Iterator[Finding]:
    """The rarest class, where the fit hardly ever predicts it though it could."""
    classes = fit.schema.classes
    if classes is None or fit.train is None or fit.spec.class_weight is not None or not fit.loss_function.classes:
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
    scores = outputs(fit, train.x, theta)
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
    right = [float(np.average(scored.argmax(1) == train.y, weights=weights)) for scored in (odds, even)]
    yield Finding(
        Kind.IMBALANCED, f"The class {classes[rare]!r} of {fit.schema.targets[0]!r} is rare and hardly ever predicted.",
        f"It has {part:.2%} of the rows, and the fit predicts it for {recall:.0%} of them, though it ranks them well (area "
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
