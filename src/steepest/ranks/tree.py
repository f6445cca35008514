"""Sums in a fixed order: eight parts, whoever computes which of them.

    ((0 1) (2 3)) ((4 5) (6 7))        each part added up by one thread, in the order of its rows

Floating-point sums depend on their order, so the order is fixed: 1, 2, 4 or 8 ranks have neighbouring parts, which are whole
branches, and what they bring together is the same to the last bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import numpy as np

PARTS = 8
"""Parts of every batch and of every pass over a stream."""

T = TypeVar("T")


def tree(parts: Iterable[T], merge: Callable[[T, T], T]) -> T:
    """What is merged of 1, 2, 4 or 8 parts, neighbours first; a part is let go of as soon as it is merged.

    >>> tree("abcdefgh", lambda one, two: f"({one}{two})")
    '(((ab)(cd))((ef)(gh)))'
    """
    waiting: list[tuple[int, T]] = []
    for part in parts:
        level = 0
        while waiting and waiting[-1][0] == level:
            part, level = merge(waiting.pop()[1], part), level + 1
        waiting.append((level, part))
    (whole,) = waiting
    return whole[1]


def added(one: Sequence[Any], two: Sequence[Any]) -> list[Any]:
    """Sums, each with its own."""
    return [mine + theirs for mine, theirs in zip(one, two, strict=True)]


def sizes_of(rows: int) -> tuple[int, ...]:
    """How many of so many rows each part has.

    >>> sizes_of(19)
    (3, 3, 3, 2, 2, 2, 2, 2)
    """
    return tuple(rows // PARTS + (part < rows % PARTS) for part in range(PARTS))


def parts_of(counts: Sequence[int] | np.ndarray) -> np.ndarray:
    """To which part each of some groups of rows belongs: neighbours, as many rows a part as whole groups allow.

    >>> parts_of([10] * 10).tolist(), parts_of([5, 90, 5]).tolist()
    ([0, 1, 2, 2, 3, 4, 5, 6, 6, 7], [0, 4, 7])
    """
    ends = np.cumsum(np.asarray(counts, dtype=np.int64))
    middles = ends - np.asarray(counts) / 2
    return np.minimum((middles * PARTS / max(int(ends[-1]) if len(ends) else 0, 1)).astype(int), PARTS - 1)
