"""Metrics of predictions: R², MAE and RMSE of numbers; accuracy, precision, recall, AUC and the confusion of classes.

All are as scikit-learn defines them. Rows count by the weights that the user gave them; the factors of `class_weight` guide a
descent and are no weights here, so that accuracy is the share of rows classified correctly.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from steepest.analysis.deviance import deviances
from steepest.data.dataset import Dataset
from steepest.model.loss import Loss
from steepest.model.prediction import confusion_of, softmax

ROWS = 2**15
"""Rows whose residuals are looked at together: they stay in the cache meanwhile."""


def metrics(decision: np.ndarray, rows: Dataset, loss: Loss, parameters: int | None = None) -> dict[str, Any]:
    """What `Fit.metrics` holds of some rows; of several targets also the R² of each, as `r2 NAME`; of a family its deviance,
    that of a constant, D² and Pearson's χ² (`analysis/deviance.py`).

    decision: predictions `[n]` or `[n, m]`; of classes log-odds `[n]` (of the second of two) or scores `[n, k]`.
    parameters: of a family's model that was fitted to these rows, how many it has: its pseudo-R² is told then.
    """
    if rows.classes is None:
        means = means_of(rows.y, decision, rows.row_weights)
        found = of_means(*means)
        if rows.y.ndim == 2:
            for name, *each in zip(rows.targets, *means, strict=True):
                found[f"r2 {name}"] = of_means(*each)["r2"]
        if getattr(loss, "family", None) is not None:
            found |= deviances(loss, rows.y, decision, rows.row_weights, offset=rows.offset).figures(loss, parameters)
        return found
    return of_classes(rows.y, decision, len(rows.classes), rows.row_weights)


def of_numbers(y: np.ndarray, prediction: np.ndarray, weights: np.ndarray | None) -> dict[str, float]:
    """R², MAE and RMSE, averaged over targets; R² over those that vary, nan where none does."""
    return of_means(*means_of(y, prediction, weights))


def means_of(y: np.ndarray, prediction: np.ndarray, weights: np.ndarray | None) -> list[np.ndarray]:
    """What `of_means` takes, of each target."""
    if y.ndim == 1:
        return _means_of_one(y, prediction, weights)
    each = [_means_of_one(*one, weights) for one in zip(y.T, prediction.T, strict=True)]
    return [np.concatenate(parts) for parts in zip(*each, strict=True)]


def _means_of_one(y: np.ndarray, prediction: np.ndarray, weights: np.ndarray | None) -> list[np.ndarray]:
    whole = float(len(y) if weights is None else weights.sum())
    centre = (y.sum() if weights is None else weights @ y) / whole
    sums = np.zeros(3)
    for begin in range(0, len(y), ROWS):
        rows = slice(begin, begin + ROWS)
        residual = y[rows] - prediction[rows]
        for at, each in enumerate(((y[rows] - centre) ** 2, residual**2, np.abs(residual))):
            sums[at] += each.sum() if weights is None else weights[rows] @ each
    spread, square, absolute = sums / whole
    # a target that varies by rounding only has nothing to explain; most vary far more than that
    varies = spread > (1e-8 * centre) ** 2 or np.ptp(y) > 4.0 * np.finfo(float).eps * np.abs(y).max()
    return [np.array([one]) for one in (square, spread, absolute, varies)]


def of_means(square: Any, spread: Any, absolute: Any, varies: np.ndarray) -> dict[str, float]:
    """The scores of numbers from means over rows: of squared residuals, of squares about the mean, of absolute residuals.

    varies: which targets do.
    """
    square, spread = np.atleast_1d(square, spread)
    return {
        "r2": float(np.mean((1.0 - square / np.where(varies, spread, 1.0))[varies])) if varies.any() else float("nan"),
        "mae": float(np.mean(absolute)),
        "rmse": float(np.sqrt(np.mean(square))),
    }


def of_classes(y: np.ndarray, decision: np.ndarray, count: int, weights: np.ndarray | None) -> dict[str, Any]:
    """The scores of `count` classes; y: codes `[n]`.

    Of two classes, base_rate is the share of the second one, which the log-odds are for, and precision and recall are
    of it. Of more, base_rate is the share of the most frequent one, and precision and recall are means over classes.
    confusion: row i, column j: how many rows of class i are predicted to be j. auc: of more classes each against the
    rest; left out where one of them has no row.
    """
    confusion, aucs = confusion_of(y, decision, count, weights), []
    if (confusion.sum(1) > 0).all() and np.isfinite(decision).all():
        shares = decision[:, None] if count == 2 and decision.ndim == 1 else softmax(decision)
        positive = [1] if count == 2 else range(count)
        aucs = [_auc(y == one, shares[:, min(one, shares.shape[1] - 1)], weights) for one in positive]
    return of_confusion(confusion, aucs)


def of_confusion(confusion: np.ndarray, aucs: Sequence[float]) -> dict[str, Any]:
    """The scores of classes from their confusion `[k, k]`, and the AUC of each, if any."""
    count = len(confusion)
    right, actual, predicted, whole = confusion.diagonal(), confusion.sum(1), confusion.sum(0), confusion.sum()
    seen = (actual > 0) | (predicted > 0)
    recall = right / np.where(actual > 0, actual, 1)
    precision = right / np.where(predicted > 0, predicted, 1)
    accuracy = float(right.sum() / whole)
    found: dict[str, Any] = {
        "accuracy": accuracy,
        "error_rate": 1.0 - accuracy,
        "balanced_accuracy": float(recall[actual > 0].mean()),
        "base_rate": float((actual[1] if count == 2 else actual.max()) / whole),
        "precision": float(precision[1] if count == 2 else precision[seen].mean()),
        "recall": float(recall[1] if count == 2 else recall[seen].mean()),
    }
    if len(aucs):
        found["auc"] = float(np.mean(aucs))
    return found | {"confusion": confusion.tolist()}


def _auc(positive: np.ndarray, score: np.ndarray, weights: np.ndarray | None) -> float:
    """The share of pairs of a positive and another row in which the positive one has the larger score, equal ones half.

    Source: Hanley and McNeil, The meaning and use of the area under a ROC curve (1982).
    """
    if weights is None:
        right, wrong = np.sort(score[positive]), np.sort(score[~positive])
        pairs = sum(int(wrong.searchsorted(right, side).sum()) for side in ("left", "right"))
        return pairs / (2 * len(right) * len(wrong))
    order = np.argsort(score)
    score, positive, shares = score[order], positive[order], weights[order]
    ends = np.append(np.flatnonzero(np.diff(score)), len(score) - 1)  # the last row of each score
    right = np.diff(np.cumsum(shares * positive)[ends], prepend=0.0)
    wrong = np.cumsum(shares * ~positive)[ends]
    below = wrong - 0.5 * np.diff(wrong, prepend=0.0)
    return float(right @ below / (right.sum() * wrong[-1]))
