"""Work that is dealt to ranks in turns, a piece to each, and comes together on the first one in its order."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from steepest.errors import DataError, SteepestError
from steepest.ranks.group import Group

DONE, FAULT = b"+", b"!"


def in_turns(group: Group, count: int, work: Callable[[int], bytes]) -> Iterator[bytes]:
    """What came of `count` pieces of work, in their order, on the first rank; nothing on the others, which must go to the end.

    work: does one of them. A rank does every size-th, and has one ready at a time.

    Raises:
        SteepestError: that of the first piece that failed, on the first rank. RunError: a rank has ended, or hangs.
    """
    for begin in range(0, count, group.size):
        number, fault, told = begin + group.rank, None, b""
        if number < count:
            try:
                told = DONE + work(number)
            except SteepestError as error:
                fault, told = error, FAULT + str(error).encode()
        for rank, one in enumerate(group.to_first(told)):
            if one.startswith(FAULT):
                raise fault if fault is not None and rank == group.rank else DataError(one[1:].decode())
            if one:
                yield one[1:]
