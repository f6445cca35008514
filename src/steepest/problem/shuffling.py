"""A random order of very many rows, compiled: Fisher and Yates (Durstenfeld 1964), with one draw of 64 bits a row."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(nogil=True, cache=True)
def shuffle(order: np.ndarray, draws: np.ndarray) -> None:
    """Shuffle `order` in place: entry i changes places with entry ⌊draw·(i + 1)/2⁶⁴⌋, from the last one down."""
    half, low = np.uint64(32), np.uint64(2**32 - 1)
    for i in range(len(order) - 1, 0, -1):
        many = np.uint64(i + 1)
        place = ((draws[i] >> half) * many + (((draws[i] & low) * many) >> half)) >> half
        order[i], order[place] = order[place], order[i]
