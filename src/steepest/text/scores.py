"""Parameters, losses, metrics and confusion counts of a fit as tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from steepest.data.wording import number, plain
from steepest.text.document import Table, Words

if TYPE_CHECKING:
    from steepest.result import Fit

DIGITS = 8
MOST_CLASSES = 10
"""More classes than this have their confusion counts in `fit.metrics` and in `--json` only."""

LABELS = {
    "r2": "R²",
    "mae": "MAE",
    "rmse": "RMSE",
    "error_rate": "error rate",
    "balanced_accuracy": "balanced accuracy",
    "base_rate": "base rate",
    "auc": "AUC",
    "null_deviance": "null deviance",
    "pearson_chi2": "Pearson χ²",
    "d2": "D²",
    "pseudo_r2": "pseudo-R²",
}


def coefficients(fit: Fit, most: int) -> Table:
    """The table of parameters: value, exact value, difference.

    Of a long list the first `most` and, below a line of dots, the one of the others that is furthest from its exact value.
    """
    best = None if fit.exact is None else fit.exact.theta
    heads = ["parameter", "value"] + ([] if best is None else ["exact", "difference"])
    rows = []
    for i in shown_parameters(fit, most):
        if i > len(rows):
            rows.append(["…"] + [""] * (len(heads) - 1))
        row = [plain(fit.names[i], 80), number(fit.theta[i], 10)]
        if best is not None:
            off = fit.theta[i] - best[i]
            row += [number(best[i], 10), f"{off:+.1e}" if off else "0"]
        rows.append(row)
    return Table(heads, rows)


def shown_parameters(fit: Fit, most: int) -> list[int]:
    """The places of the parameters in that table."""
    count = len(fit.names)
    if count <= most + 1:
        return list(range(count))
    best = None if fit.exact is None else fit.exact.theta
    size = np.abs(fit.theta if best is None else fit.theta - best)
    furthest = most + int(np.argmax(size[most:]))
    return [*range(most), *([furthest] if size[furthest] > 0 else [])]


def not_shown(fit: Fit, most: int, where: str) -> list[str]:
    """One sentence on which parameters the table shows and where all of them are; none if it has them all."""
    shown = shown_parameters(fit, most)
    if len(shown) == len(fit.names):
        return []
    exact = fit.exact is not None and fit.exact.theta is not None
    furthest = "furthest from its exact value" if exact else "the largest of the others"
    last = f" and {plain(fit.names[shown[-1]])!r}, {furthest}" if len(shown) > most else ""
    return [f"Of {len(fit.names):,} parameters the first {most} are shown{last}; {where} has them all."]


def scores(fit: Fit) -> Table:
    """Loss and metrics on the training rows and, where there are any, on those held out."""
    parts = list(fit.metrics.values())
    heads = ["", f"train ({fit.rows:,} rows)"] + ([f"held out ({fit.test_rows:,} rows)"] if fit.test_rows else [])
    losses = [fit.loss, fit.test_loss] if fit.test_rows else [fit.loss]
    rows = [[f"loss ({fit.loss_function})", *(number(value, DIGITS) for value in losses)]]
    if fit.objective_value != fit.loss:
        rows.append(["loss + penalty", number(fit.objective_value, DIGITS), ""][: len(heads)])
    for name in parts[0]:
        if name != "confusion":
            values = [number(part.get(name), DIGITS) for part in parts]
            rows.append([LABELS.get(name, name.replace("r2 ", "R² of ", 1)) + _of_what(fit, name), *values])
    return Table(heads, rows)


def _of_what(fit: Fit, name: str) -> str:
    """Which class a metric is about."""
    classes = fit.schema.classes or ()
    if name not in ("base_rate", "precision", "recall") or not classes:
        return ""
    if len(classes) == 2:
        return f" of {_label(classes[1])}"
    return " (most frequent class)" if name == "base_rate" else " (mean over classes)"


def confusion(fit: Fit) -> list[Words | Table]:
    """The confusion counts below their title, of the rows held out, else of the training rows; nothing for other fits."""
    classes = fit.schema.classes
    part = "test" if "confusion" in fit.metrics.get("test", {}) else "train"
    counts = fit.metrics.get(part, {}).get("confusion")
    if classes is None or counts is None or len(classes) > MOST_CLASSES:
        return []
    title = f"{'Held-out rows' if part == 'test' else 'Rows'} by their true and predicted class:"
    rows = [
        [f"true {_label(label)}", *(number(count, DIGITS) for count in row)]
        for label, row in zip(classes, counts, strict=True)
    ]
    return [Words(title), Table(["", *(f"predicted {_label(label)}" for label in classes)], rows)]


def about_classes(fit: Fit) -> list[str]:
    """What has to be known to read the parameters of two classes, or of a family; nothing for other fits."""
    classes = fit.schema.classes
    loss, family = fit.loss_function, getattr(fit.loss_function, "family", None)
    if family is not None:
        what = "The coefficients are for" if fit.terms is not None else "The model gives"
        return [f"{what} {family.text} of {_label(fit.schema.targets[0])}."]
    if classes is None or len(classes) != 2 or not loss.binary:
        return []
    what = "The coefficients are for" if fit.terms is not None else "The model gives"
    if loss.margin:
        return [
            f"{what} the score of {_label(classes[1])}: above 0 is {_label(classes[1])}, below {_label(classes[0])}."
        ]
    if loss.choice is not None and loss.choice.link:
        return [f"{what} the {loss.choice.link} of {_label(classes[1])} against {_label(classes[0])}."]
    return [f"{what} the log-odds of {_label(classes[1])} against {_label(classes[0])}."]


def _label(label: str) -> str:
    return repr(plain(label, 30))
