"""How well predictions match: R², MAE and RMSE of numbers; accuracy, precision, recall, AUC and the confusion of classes.

All are as scikit-learn defines them. Rows count by the weights that the user gave them; the factors of `class_weight`
guide a descent and are no weights here, so that accuracy is the share of rows classified correctly.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from steepest.data.tables import Dataset
from steepest.lazy import unnoticed


def metrics(decision: np.ndarray, rows: Dataset) -> dict[str, Any]:
    """What `Fit.metrics` holds of some rows; of several targets also the R² of each, as `r2 NAME`.

    decision: predictions `[n]` or `[n, m]`; of classes log-odds `[n]` (of the second of two) or scores `[n, k]`.
    """
    if rows.classes is None:
        found = of_numbers(rows.y, decision, rows.row_weights)
        if rows.y.ndim == 2:
            for i, name in enumerate(rows.targets):
                found[f"r2 {name}"] = of_numbers(rows.y[:, i], decision[:, i], rows.row_weights)["r2"]
        return found
    return of_classes(rows.y, decision, len(rows.classes), rows.row_weights)


def of_numbers(y: np.ndarray, prediction: np.ndarray, weights: np.ndarray | None) -> dict[str, float]:
    """R², MAE and RMSE, averaged over targets; R² over those that vary, nan where none does."""
    residual = y - prediction
    centre = np.average(y, axis=0, weights=weights)
    spread = np.average((y - centre) ** 2, axis=0, weights=weights)
    square = np.average(residual**2, axis=0, weights=weights)
    # a target that varies by rounding only has nothing to explain
    varies = np.atleast_1d(np.ptp(y, axis=0) > 4.0 * np.finfo(float).eps * np.abs(y).max(0))
    square, spread = np.atleast_1d(square, spread)
    return {
        "r2": float(np.mean((1.0 - square / np.where(varies, spread, 1.0))[varies])) if varies.any() else float("nan"),
        "mae": float(np.mean(np.average(np.abs(residual), axis=0, weights=weights))),
        "rmse": float(np.sqrt(np.mean(square))),
    }


def of_classes(y: np.ndarray, decision: np.ndarray, count: int, weights: np.ndarray | None) -> dict[str, Any]:
    """The scores of `count` classes; y: codes `[n]`.

    Of two classes, base_rate is the share of the second one, which the log-odds are for, and precision and recall are
    of it. Of more, base_rate is the share of the most frequent one, and precision and recall are means over classes.
    confusion: row i, column j: how many rows of class i are predicted to be j. auc: of more classes each against the
    rest; left out where one of them has no row.
    """
    codes = decision.argmax(-1) if decision.ndim == 2 else (decision > 0).astype(int)
    confusion = np.bincount(y.astype(int) * count + codes, weights, minlength=count * count).reshape(count, count)
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
    if (actual > 0).all():
        with unnoticed():
            from sklearn.metrics import roc_auc_score

        shares = probabilities(decision)
        score = shares[:, 1] if count == 2 else shares
        if np.isfinite(score).all():
            found["auc"] = float(roc_auc_score(y, score, multi_class="ovr", sample_weight=weights))
    return found | {"confusion": confusion.tolist()}


def probabilities(decision: np.ndarray) -> np.ndarray:
    """`[n, k]` from log-odds `[n]` (of the second of two classes) or `[n, k]`."""
    scores = torch.as_tensor(decision)
    if scores.ndim == 1:
        second = torch.sigmoid(scores)
        return torch.stack([torch.sigmoid(-scores), second], -1).numpy()
    return torch.softmax(scores, -1).numpy()
