"""Which of many rows or steps are used where not all can be: evenly spread ones, or more where a path moves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from steepest.data.dataset import Dataset


def evenly(count: int, most: int) -> np.ndarray:
    """At most `most` of the numbers 0 … count − 1, evenly spread, with the first and the last.

    >>> evenly(10, 4)
    array([0, 3, 6, 9])
    """
    return np.arange(count) if count <= most else np.unique(np.linspace(0, count - 1, most).round().astype(int))


def sampled(rows: Dataset, most: int) -> Dataset:
    """At most so many rows of a table, evenly spread."""
    return rows if rows.rows <= most else rows.take(evenly(rows.rows, most))


def along(path: np.ndarray, step: np.ndarray, most: int) -> np.ndarray:
    """At most `most` rows of a path, evenly in the way gone and in the steps taken, half of each.

    A descent moves far in its first steps and then hardly at all: evenly in steps alone the fast moves would be
    lost, evenly in distance alone the slow end. Each parameter counts by the range it crosses.

    Args:
        path: `[T, p]`. step: `[T]`, rising.

    Returns:
        Rising row numbers, the first and the last among them.

    >>> along(np.array([[0.0], [8.0], [12.0], [14.0], [15.0], [15.0]]), np.arange(6), 4)
    array([0, 1, 2, 5])
    """
    count = len(step)
    if count <= most:
        return np.arange(count)
    span = np.ptp(path, axis=0) if path.shape[1] else np.zeros(0)
    moved = np.diff(path[:, span > 0], axis=0) / span[span > 0]
    gone = np.concatenate([[0.0], np.cumsum(np.linalg.norm(moved, axis=1))])
    taken = (step - step[0]) / max(step[-1] - step[0], 1)
    clock = taken if not gone[-1] > 0 else 0.5 * gone / gone[-1] + 0.5 * taken
    # several wanted places may fall onto one row: ask for as many as give `most` different ones
    low, high = most, 16 * most
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if len(_nearest(clock, middle)) <= most else (low, middle)
    return _nearest(clock, low)


def _nearest(clock: np.ndarray, places: int) -> np.ndarray:
    """The rows nearest to evenly spaced places on a rising clock."""
    wanted = np.linspace(0.0, clock[-1], places)
    after = np.searchsorted(clock, wanted).clip(1, len(clock) - 1)
    nearer = wanted - clock[after - 1] < clock[after] - wanted
    return np.unique(np.concatenate([[0], after - nearer, [len(clock) - 1]]))
