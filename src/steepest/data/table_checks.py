"""What is refused and what is warned of once a table has become numbers: size, tiny values, doubled names, rare classes."""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Sequence

import numpy as np

from steepest.data.dataset import Dataset
from steepest.data.in_memory import LARGEST
from steepest.data.schema import Schema
from steepest.data.wording import counted, option, quoted
from steepest.errors import DataError, SteepestWarning


def check_size(schema: Schema, rows: int) -> None:
    """Raise DataError where the features would take more than half of the machine's memory."""
    size = 8 * rows * len(schema.names)
    if size > _memory() / 2:
        widest = max(schema.columns, key=lambda column: len(column.levels))
        raise DataError(
            f"the {len(schema.names):,} features of {counted(rows, 'row')} take {size / 1e9:,.1f} GB, more than half of "
            f"the memory here. Column {quoted(widest.name)} has {counted(len(widest.levels), 'level')}; leave it out: "
            f"{option('drop', widest.name)}"
        )


def _memory() -> float:
    """Bytes of memory of this machine; infinite where it does not say."""
    try:
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, OSError, ValueError):
        return float("inf")


def check_small(x: np.ndarray, names: Sequence[str], what: str) -> None:
    """Raise DataError for a column of numbers whose squares float64 cannot tell from 0: no fit of it is right."""
    if not x.size:
        return
    size = np.maximum(x.max(0), -x.min(0)).reshape(-1)  # no copy of all of x, as its absolute values would be
    small = (size > 0) & (size < 1 / LARGEST)
    if small.any():
        at = int(np.argmax(small))
        raise DataError(
            f"{what} {quoted(names[at])} holds no number larger than {size[at]:.3g}, whose squares are 0 in float64. "
            "Give it in a smaller unit, such as 1e-200 of this one"
        )


def check_names(schema: Schema, targets: Sequence[str]) -> None:
    """DataError where two features have one name, or one is called `intercept`."""
    twice = [name for name, times in Counter(schema.names).items() if times > 1]
    if twice:
        raise DataError(f"two features would be called {quoted(twice[0])}. Rename one of the columns")
    if schema.intercept and "intercept" in schema.names:
        raise DataError("a column is called 'intercept' and is not 1 in every row. Rename it")


def warn(train: Dataset, intercept: bool) -> None:
    """Say what should be known about the training rows before they are fitted."""
    found = []
    if train.classes is not None:
        counts = np.bincount(train.y, minlength=len(train.classes))
        rare = [label for label, count in zip(train.classes, counts, strict=True) if count == 1]
        if rare:
            found.append(f"the class {quoted(rare[0])} has a single training row")
    else:
        columns = train.y.reshape(train.rows, -1)
        constant = [name for name, column in zip(train.targets, columns.T, strict=True) if np.ptp(column) == 0]
        if constant:
            found.append(f"the target {quoted(constant[0])} has the same value in every training row")
    parameters = train.x.shape[1] + int(intercept)
    if train.rows < parameters:
        found.append(
            f"{counted(train.rows, 'training row')} cannot settle {counted(parameters, 'parameter')}: "
            "the minimum-norm solution is used"
        )
    for text in found:
        warnings.warn(text, SteepestWarning, stacklevel=5)  # the line that called fit()
