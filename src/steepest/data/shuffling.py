"""A random order of very many rows, compiled: Fisher and Yates (Durstenfeld 1964), with one draw of 53 bits a row."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(nogil=True, cache=True)
def shuffle(order: np.ndarray, draws: np.ndarray) -> None:
    """Shuffle `order` in place: entry i changes places with entry ⌊draw·(i + 1)⌋, from the last one down.

    draws: `[n]`, uniform on [0, 1); times i + 1 the largest of them, 1 − 2⁻⁵³, is still rounded to less than i + 1.
    """
    for i in range(len(order) - 1, 0, -1):
        place = int(draws[i] * (i + 1))
        order[i], order[place] = order[place], order[i]
