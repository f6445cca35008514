"""Rows of a tall table, a block at a time: shifted, in a precision, in memory that a thread has once.

c = TallRows(x, of_squares=True)
c.block(slice(0, 5000))             (x − s) of these rows, valid until this thread's next block of that precision
"""

from __future__ import annotations

from collections.abc import Callable
from threading import local

import numpy as np

from steepest.model.row_parts import ALONE, BLOCK, summed
from steepest.model.tall_curvature import IllConditioned

FAR, FAR_SINGLE = 10.0, 1.0
"""A column is shifted where its mean is more than so many times its standard deviation: sums of squares in float32 have few
digits to lose, and probabilities of classes tell by differences."""

FARTHEST = 1e5
"""Where it is more than so many times that, coefficients in user units predict otherwise than shifted ones do."""

LOOKED_AT = 4_096
"""Rows of which the shift is learned."""

_own = local()
"""Memory of each thread, by precision."""


class TallRows:
    """x `[n, d]`, only read, and its shift s `[d]`, near the mean of a column that lies far from zero beside its spread; None
    where no column does.

    mild: none lies so far that a pass in float64 must subtract s before it multiplies.
    """

    def __init__(self, x: np.ndarray, shifted: bool, single: bool = False):
        """shifted: whether columns may be. single: digits are few, as in float32."""
        self.x = x
        self.shift, self.mild = self._far(FAR_SINGLE if single else FAR) if shifted else (None, True)

    def _far(self, far: float) -> tuple[np.ndarray | None, bool]:
        some = self.x[:: max(1, len(self.x) // LOOKED_AT)].astype(np.float64)
        mean, spread = some.mean(0), some.std(0)
        size = np.abs(mean)
        if (size > FARTHEST * spread).any():
            raise IllConditioned
        shift = np.where(size > far * spread, mean, 0.0).astype(self.x.dtype).astype(np.float64)
        return shift if shift.any() else None, not (size > FAR * spread).any()

    def summed(
        self, work: Callable[..., None], *shapes: tuple[int, ...], most: int = BLOCK, alone: int = ALONE
    ) -> list[np.ndarray]:
        """What `work(rows, *sums)` adds up over all blocks of rows, of at most so many each.

        alone: entries up to which one thread does it.
        """
        return summed(len(self.x), self.x.shape[1], shapes, work, most, alone)

    def block(self, rows: slice, kind: type[np.floating] = np.float64, shifted: bool = True) -> np.ndarray:
        """Some rows, shifted unless told otherwise."""
        given = self.x[rows]
        shift = self.shift if shifted else None
        if shift is None and given.dtype == kind:
            return given
        return _shifted(given, shift, _memory(given, kind))

    def in_single(self) -> TallRows:
        """The same, copied in float32: worth its while where many passes follow."""
        copied = np.empty_like(self.x, np.float32)

        def write(rows: slice) -> None:
            _shifted(self.x[rows], self.shift, copied[rows])

        self.summed(write)
        return TallRows(copied, shifted=False)


def _shifted(given: np.ndarray, shift: np.ndarray | None, out: np.ndarray) -> np.ndarray:
    """x − s in the precision of `out`."""
    if shift is None:
        np.copyto(out, given, casting="same_kind")
    elif given.dtype == out.dtype:
        np.subtract(given, shift.astype(out.dtype), out=out)
    else:
        np.subtract(given, shift, out=out, casting="same_kind")
    return out


def _memory(like: np.ndarray, kind: type[np.floating]) -> np.ndarray:
    """Memory of this thread for as many numbers, in the same order."""
    kept = getattr(_own, kind.__name__, None)
    if kept is None or kept.size < like.size:
        kept = np.empty(max(like.size, BLOCK), kind)
        setattr(_own, kind.__name__, kept)
    rows, columns = like.shape
    across = like.strides[0] < like.strides[1]
    return kept[: like.size].reshape(columns, rows).T if across else kept[: like.size].reshape(rows, columns)
