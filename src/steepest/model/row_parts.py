"""Rows of a tall table in parts, on all cores: each part with one thread of BLAS, and what they give summed in their order.

The parts are the same on every machine, so that the sums are too. BLAS by itself shares out products of few columns badly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from functools import cache
from threading import RLock
from typing import Any

import numpy as np
from threadpoolctl import ThreadpoolController

PARTS = 8

BLOCK = 2**18
"""Entries of a block of rows: 2 MB, which stay in the cache while they are worked on."""

ALONE = 2**20
"""Entries of a table up to which threads are not worth their start."""

ALONE_ONCE = 2**25
"""The same where each entry is multiplied once or twice, as for a gradient: threads wait for memory and for one another there."""

FEW = 2**26
"""Products of a matrix's decomposition, or of a step, up to which threads mostly wait for one another."""


def blocks(rows: int, columns: int, part: int = 0, parts: int = 1, most: int = BLOCK) -> Iterator[slice]:
    """The rows of a part, a block at a time. most: rows of a block."""
    step = max(1, min(BLOCK // max(columns, 1), most))
    count = -(-rows // step)
    for number in range(part * count // parts, (part + 1) * count // parts):
        yield slice(number * step, min((number + 1) * step, rows))


def summed(
    rows: int,
    columns: int,
    shapes: Sequence[tuple[int, ...]],
    work: Callable[..., None],
    most: int = BLOCK,
    alone: int = ALONE,
) -> list[np.ndarray]:
    """What `work(rows of a block, *sums)` adds up, over all blocks; sums of these shapes, zeros at first.

    most: rows of a block. alone: entries up to which one thread does it.
    """

    def one(part: int) -> list[np.ndarray]:
        sums = [np.zeros(shape) for shape in shapes]
        with np.errstate(all="ignore"):  # what diverges overflows
            for block in blocks(rows, columns, part, PARTS, most):
                work(block, *sums)
        return sums

    return [np.sum(np.stack(parts), axis=0) for parts in zip(*_of_all_parts(one, rows * columns > alone), strict=True)]


def _of_all_parts(one: Callable[[int], list[np.ndarray]], shared: bool) -> list[list[np.ndarray]]:
    with in_one_thread() as threads:
        if threads == 1 or not shared:
            return [one(part) for part in range(PARTS)]
        with ThreadPoolExecutor(threads) as pool:
            return list(pool.map(one, range(PARTS)))


@contextmanager
def in_one_thread(products: float = 0.0) -> Iterator[int]:
    """Within it BLAS has one thread; how many it had. Of more than `FEW` products it is left as it is."""
    if products > FEW or not _limiting.acquire(blocking=False):  # one at a time limits BLAS, and restores what it found
        yield 1
        return
    libraries = _libraries()
    threads = max((library.num_threads for library in libraries.lib_controllers), default=1)
    _had.append(_had[-1] if _had else threads)
    try:
        with libraries.limit(limits=1) if threads > 1 else nullcontext():
            yield _had[-1]
    finally:
        _had.pop()
        _limiting.release()


_limiting = RLock()
_had: list[int] = []
"""How many threads BLAS had before the thread that limits it did, once for each time that it does."""


@cache
def _libraries() -> Any:
    """The libraries for linear algebra that are loaded: NumPy's and SciPy's."""
    return ThreadpoolController().select(user_api="blas")
