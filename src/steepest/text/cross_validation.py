"""A cross-validation in a table: each score with its spread."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from steepest.data.wording import counted, number, plain
from steepest.text.document import Document, Table, Title, Words
from steepest.text.scores import LABELS

if TYPE_CHECKING:
    from steepest.cross_validation import CrossValidation


def document(found: CrossValidation) -> Document:
    """What is shown of a cross-validation."""
    judged = int((found.fold >= 0).sum())
    head = f"Cross-validation: {len(found.fits)} folds, {plain(found.split)}, {counted(judged, 'row')}"
    return Document([Title(head), table(found), *(Words(f"Note: {plain(note, 1_000)}") for note in found.notes)])


def table(found: CrossValidation) -> Table:
    """Mean, standard deviation, standard error, least and largest of each score over the folds."""
    rows = []
    for name, values in found.scores.items():
        spread = (
            found.mean[name],
            found.standard_deviation[name],
            found.standard_error[name],
            np.min(values),
            np.max(values),
        )
        rows.append(
            [LABELS.get(name, name.replace("r2 ", "R² of ", 1)), *(number(float(value), 6) for value in spread)]
        )
    return Table(["held-out score", "mean", "std. deviation", "std. error", "lowest", "highest"], rows)
