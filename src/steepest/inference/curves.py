"""How well probabilities tell classes apart, and whether they are what they say: curves by scikit-learn's functions.

Of two classes the curves are of the second one; of more each class against all others. The rows are those held out where
there are any, else the training rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from steepest.errors import SpecError, check_whole
from steepest.lazy import imported
from steepest.model.prediction import has_probabilities, log_odds, probabilities
from steepest.result import Fit
from steepest.storage.run_loading import rows_of

BINS = 10


@dataclass(frozen=True)
class Scored:
    """Of one class: whether each row is of it `[n]`, its probability or score `[n]`, and weights or None."""

    name: str
    positive: np.ndarray
    share: np.ndarray
    weights: np.ndarray | None
    held_out: bool


@dataclass(frozen=True)
class Curve:
    """x and y `[m]` of a class, and one number of it: the area under ROC, the mean precision, or Brier's score."""

    name: str
    x: np.ndarray
    y: np.ndarray
    number: float
    base_rate: float
    count: np.ndarray | None = None


def scored(fit: Fit, ranked: bool = False) -> list[Scored]:
    """The probabilities that curves are made of; `ranked`: scores will do, where the loss has no probabilities.

    Raises:
        SpecError: the target is no classes, or the loss has no probabilities.
    """
    classes = fit.schema.classes
    if classes is None:
        raise SpecError("This is for classes; fit.residuals() is for numbers.")
    train, test = rows_of(fit)
    rows = train if test is None else test
    decision, loss = log_odds(fit.inner, rows.x, offset=rows.offset), fit.loss_function
    share = decision[:, None] * [-1, 1] if ranked and not has_probabilities(loss) else probabilities(decision, loss)
    places = [1] if len(classes) == 2 else range(len(classes))
    return [Scored(classes[i], rows.y == i, share[:, i], rows.row_weights, test is not None) for i in places]


def _metrics() -> Any:
    imported("sklearn.metrics")
    from sklearn import metrics

    return metrics


def roc_data(fit: Fit) -> list[Curve]:
    """The share of other rows (x) and of rows of the class (y) above each threshold, and the area under the curve."""
    metrics, made = _metrics(), []
    for one in scored(fit, ranked=True):
        x, y, _ = metrics.roc_curve(one.positive, one.share, sample_weight=one.weights)
        made.append(Curve(one.name, x, y, float(metrics.auc(x, y)), _rate(one)))
    return made


def precision_recall_data(fit: Fit) -> list[Curve]:
    """Recall (x) and precision (y) above each threshold, and the mean precision."""
    metrics, made = _metrics(), []
    for one in scored(fit, ranked=True):
        y, x, _ = metrics.precision_recall_curve(one.positive, one.share, sample_weight=one.weights)
        mean = metrics.average_precision_score(one.positive, one.share, sample_weight=one.weights)
        made.append(Curve(one.name, x, y, float(mean), _rate(one)))
    return made


def calibration_data(fit: Fit, bins: int = BINS) -> list[Curve]:
    """The mean probability (x) and the share of the class (y) of the rows in each tenth of them, by weight, and Brier's score.

    Without weights those of scikit-learn's `calibration_curve` by quantiles, which knows no weights.
    """
    bins, metrics, made = check_whole("bins", bins, 1), _metrics(), []
    for one in scored(fit):
        edges = np.percentile(one.share, np.linspace(0, 1, bins + 1) * 100)
        place = np.searchsorted(edges[1:-1], one.share)
        weights = np.ones(len(place)) if one.weights is None else one.weights
        count = np.bincount(place, minlength=bins)
        weight, sure, right = (
            np.bincount(place, weights * each, minlength=bins) for each in (1.0, one.share, one.positive)
        )
        some = weight > 0
        score = metrics.brier_score_loss(one.positive, one.share, sample_weight=one.weights)
        x, y = sure[some] / weight[some], right[some] / weight[some]
        made.append(Curve(one.name, x, y, float(score), _rate(one), count[some]))
    return made


def _rate(one: Scored) -> float:
    return float(np.average(one.positive, weights=one.weights))


def thresholds(fit: Fit, steps: int = 19) -> pa.Table:
    """What comes of each threshold of the second class's probability: counts of the rows, and the usual scores.

    Args:
        steps: how many thresholds, evenly spread.

    Columns: threshold, true_positive, false_positive, true_negative, false_negative, precision, recall, specificity, f1,
    accuracy, youden (recall + specificity − 1). A score without any row to be of is null.

    Raises:
        SpecError: the target is not two classes, or the loss has no probabilities.

    Example:
        >>> from steepest.fitting import fit
        >>> thresholds(fit([0.0, 1.0, 2.0, 3.0, 4.0, 5.0], list("nynyny")), steps=3).column("recall").to_pylist()
        [1.0, 0.6666666666666666, 0.0]
    """
    import pyarrow as pa

    found = scored(fit)
    if len(found) != 1:
        raise SpecError("A threshold is for two classes.")
    (one,) = found
    cuts = np.linspace(0.0, 1.0, check_whole("steps", steps, 1) + 2)[1:-1]
    weights = np.ones(len(one.share)) if one.weights is None else one.weights
    above = one.share[None] >= cuts[:, None]
    right, wrong = above @ (weights * one.positive), above @ (weights * ~one.positive)
    missed, true = weights @ one.positive - right, weights @ ~one.positive - wrong
    with np.errstate(divide="ignore", invalid="ignore"):
        precision, recall, specificity = right / (right + wrong), right / (right + missed), true / (true + wrong)
        columns = {
            "threshold": cuts,
            "true_positive": right,
            "false_positive": wrong,
            "true_negative": true,
            "false_negative": missed,
            "precision": precision,
            "recall": recall,
            "specificity": specificity,
            "f1": 2.0 * right / (2.0 * right + wrong + missed),
            "accuracy": (right + true) / weights.sum(),
            "youden": recall + specificity - 1.0,
        }
    return pa.table({name: pa.array(values, pa.float64(), from_pandas=True) for name, values in columns.items()})
