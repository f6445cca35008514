"""What a descent was like, as its trace and its rows have it: the objective near its end, and the order of its rows."""

from __future__ import annotations

import numpy as np

from steepest.analysis.finding import Fitted
from steepest.text.numbers import number

IN_ORDER = 0.3  # correlation of a row's target with that of the row a batch later, from which rows count as in order


def late_objective(fit: Fitted) -> np.ndarray:
    """The objective as it was recorded over the last half of the descent."""
    known = fit.trace.objective[np.isfinite(fit.trace.objective)]
    return known[len(known) // 2 :]


def lay_between(late: np.ndarray) -> str:
    """Between which numbers that is, in words."""
    return f"Over the last half of the descent the objective lay between {number(late.min())} and {number(late.max())}"


def order_of(target: np.ndarray, lag: int) -> float:
    """How far the target `[n]` of a row tells that of the row `lag` further on: a correlation."""
    before, after = target[:-lag], target[lag:]
    if len(target) <= 2 * lag or not target.std() > 0.0:
        return 0.0
    return float(np.corrcoef(before, after)[0, 1]) if before.std() > 0.0 and after.std() > 0.0 else 1.0


def kept_in_order(shuffle: str, lag: int, order: float) -> tuple[str, str]:
    """That rows lie in order, and the number that shows it, in words."""
    what = f"The rows lie in order and shuffle={shuffle!r} keeps them so: each batch pulls its own way."
    told = f"The target of a row correlates by {order:.2f} with that of the row {lag:,} further on, one batch later."
    return what, told
