"""The band around a curve of one column: the interval of the mean, where the fit has one."""

from __future__ import annotations

import numpy as np

from steepest.data.wording import number
from steepest.errors import SteepestError
from steepest.inference.intervals import intervals
from steepest.plots.drawn import all_rows
from steepest.result import Fit


def band_of(fit: Fit, x: np.ndarray, level: float | None) -> np.ndarray | None:
    """Low and high `[n, 2]` at features x `[n, d]`; None where the fit has none, or a table would have to be read again."""
    if level is None or fit.terms is None or not all_rows(fit):
        return None
    try:
        found = intervals(fit, x, level)
    except SteepestError:  # why there is none is said by fit.summary()
        return None
    return found[:, 1:] if found.ndim == 2 and np.isfinite(found).all() else None


def band_name(level: float | None) -> str:
    """What a legend calls it."""
    return f"{number(100 * (level or 0.0))}% of the mean"
