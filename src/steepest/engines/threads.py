"""Many small jobs of PyTorch's: each in one thread, several at a time."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from operator import call
from threading import Barrier, Lock
from typing import Any

from steepest.lazy import torch
from steepest.model import row_parts


@contextmanager
def in_one_thread() -> Iterator[None]:
    """Within it PyTorch cuts no operation among threads: small ones only wait for one another, and `in_threads` does it."""
    with _lock:
        if not _asked:
            _asked.append(torch.get_num_threads())
        _asked.append(1)
        before = _asked[0]
        torch.set_num_threads(1)
    try:
        yield
    finally:
        with _lock:
            _asked.pop()
            if len(_asked) == 1:
                _asked.clear()
            torch.set_num_threads(before)


@contextmanager
def of_one_order(pytorch: bool) -> Iterator[None]:
    """Within it sums over rows do not depend on the number of cores: NumPy cuts none of its operations among threads, nor does
    PyTorch. pytorch: whether that will be needed, if it is not imported yet."""
    with row_parts.in_one_thread(), in_one_thread() if pytorch or "torch" in sys.modules else nullcontext():
        yield


def in_threads(jobs: Sequence[Callable[[], Any]], threads: int) -> Iterable[Any]:
    """The results of jobs that PyTorch works in, each in one thread."""
    if threads == 1 or len(jobs) == 1:
        return [job() for job in jobs]
    if threads not in _pools:
        before, ready = torch.get_num_threads(), Barrier(threads + 1)

        def start() -> None:
            torch.get_num_threads()  # or its first operation would give it the number that all have by then
            torch.set_num_threads(1)
            ready.wait()

        _pools[threads] = ThreadPoolExecutor(threads, initializer=start)
        for _ in range(threads):
            _pools[threads].submit(int)
        ready.wait()
        torch.set_num_threads(before)  # what the others have set holds for threads that are still to come
    return _pools[threads].map(call, jobs)


_pools: dict[int, ThreadPoolExecutor] = {}

_lock = Lock()
_asked: list[int] = []
"""How many threads PyTorch had before the first that is now in one thread, and an entry for each that is."""
