"""A random order of very many rows, compiled: Fisher and Yates (Durstenfeld 1964), with one draw of 53 bits a row."""

from __future__ import annotations

import numpy as np

from steepest.machine_code.compiler import Compiled, compiled, once
from steepest.machine_code.instructions import INTEGER, Code, Number, Pointer, to


def shuffle(order: np.ndarray, draws: np.ndarray) -> None:
    """Shuffle `order` in place: entry i changes places with entry ⌊draw·(i + 1)⌋, from the last one down.

    draws: `[n]`, uniform on [0, 1); times i + 1 the largest of them, 1 − 2⁻⁵³, is still rounded to less than i + 1.
    """
    _shuffle()(order, draws, len(order))


@once
def _shuffle() -> Compiled:
    def write(code: Code, order: Pointer, draws: Pointer, count: Number) -> None:
        with code.each(count - 1) as done:
            i = count - 1 - done
            place = (draws[i] * (i + 1)).cast(INTEGER)
            order[i], order[place] = order[place], order[i]

    return compiled(write, to("int64"), to("float64"), INTEGER)
