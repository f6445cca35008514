"""A cross-validation in a table: each score with its spread."""

from __future__ import annotations

from functools import partial
from itertools import starmap
from math import inf
from typing import TYPE_CHECKING

import numpy as np

from steepest.data.wording import counted, number, plain
from steepest.text.document import Document, Table, Title, Words
from steepest.text.scores import LABELS
from steepest.text.terminal import width_of

if TYPE_CHECKING:
    from steepest.cross_validation import CrossValidation

DIGITS = ((6, 1e12), (6, 1e7), (5, 1e7), (4, 1e7), (3, 1e7))
"""Digits of a score, and from which size on it has a power of ten, tried in this order where the table is too wide."""


def document(found: CrossValidation, width: float = inf) -> Document:
    """What is shown of a cross-validation, with as many digits as the width has room for."""
    judged = int((found.fold >= 0).sum())
    head = f"Cross-validation: {len(found.fits)} folds, {plain(found.split)}, {counted(judged, 'row')}"
    tables = list(starmap(partial(table, found), DIGITS))
    shown = next((one for one in tables if width_of(one) <= width), tables[-1])
    return Document([Title(head), shown, *(Words(f"Note: {plain(note, 1_000)}") for note in found.notes)])


def table(found: CrossValidation, digits: int = 6, most: float = 1e12) -> Table:
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
            [
                LABELS.get(name, name.replace("r2 ", "R² of ", 1)),
                *(number(float(value), digits, most) for value in spread),
            ]
        )
    return Table(["held-out score", "mean", "std. deviation", "std. error", "lowest", "highest"], rows)
