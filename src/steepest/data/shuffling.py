"""A random order of very many rows, compiled: Fisher and Yates (Durstenfeld 1964), with one draw of 53 bits a row.

The draws are those of `numpy.random.Generator(Philox(key=key)).random(count)`: Philox 4×64 of ten rounds (Salmon et al. 2011,
"Parallel random numbers: as easy as 1, 2, 3").
"""

from __future__ import annotations

import numpy as np

from steepest.machine_code.compiler import Compiled, compiled, once
from steepest.machine_code.instructions import INTEGER, REAL, Code, Number, Pointer, least, product, to

MULTIPLIERS = 0xD2E7470EE14C6C93, 0xCA5A826395121157
WEYL = 0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B
ROUNDS = 10

TOGETHER = 256
"""Entries whose draws are made, and what they change places with asked for, before they are moved."""


def shuffled(count: int, key: tuple[int, int]) -> np.ndarray:
    """0, …, count − 1 shuffled: entry i changes places with entry ⌊draw·(i + 1)⌋, from the last one down.

    The draws are uniform on [0, 1): times i + 1 the largest of them, 1 − 2⁻⁵³, is still rounded to less than i + 1.
    """
    order = np.arange(count)
    keys = [(part + turn * step) % 2**64 for turn in range(ROUNDS) for part, step in zip(key, WEYL, strict=True)]
    _shuffle()(order, np.array(keys, dtype=np.uint64).view(np.int64), count)
    return order


@once
def _shuffle() -> Compiled:
    def write(code: Code, order: Pointer, keys: Pointer, count: Number) -> None:
        places, parts = code.room(INTEGER, TOGETHER), (count + (TOGETHER - 1)) // TOGETHER
        with code.each(parts) as done:
            first = (parts - 1 - done) * TOGETHER
            with code.each(0, TOGETHER, 4) as at:
                for lane, draw in enumerate(_draws(code, keys, (first + at) // 4)):
                    place = (draw * (first + at + (lane + 1))).cast(INTEGER)
                    places[at + lane] = place
                    code.fetch(order, place)
            many = least(count - first, TOGETHER)
            with code.each(many) as done:
                i = many - 1 - done
                mine, other = order + (first + i), order + places[i]
                before, after = mine[0], other[0]  # in this order: the other takes four times as long
                other[0], mine[0] = before, after

    return compiled(write, to("int64"), to("int64"), INTEGER)


def _draws(code: Code, keys: Pointer, block: Number) -> list[Number]:
    """The draws 4·block … 4·block + 3."""
    a, b, c, d = block + 1, code.integer(0), code.integer(0), code.integer(0)
    for turn in range(ROUNDS):
        (low, high), (low2, high2) = product(a, MULTIPLIERS[0]), product(c, MULTIPLIERS[1])
        a, b, c, d = high2 ^ b ^ keys[2 * turn], low2, high ^ d ^ keys[2 * turn + 1], low
    return [(part // 2**11).cast(REAL) * 2.0**-53 for part in (a, b, c, d)]
