"""A pass over all rows of a stream, added up in eight parts: each a span of the row groups, in their order, by one rank.

A part is what `begin()` gives and `add(part, block, held)` adds rows to; `arrays(part)` are its sums, which are merged in the
fixed tree (`ranks/tree.py`), over the ranks too. So a rank reads only its own row groups, and the sums are the same over any
number of them.

Whoever waits for a pass may leave it (`left_where`): that is looked at between two pieces, on all ranks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import TypeVar

import numpy as np

from steepest.data.row_groups import Group
from steepest.data.streams import Block, Stream
from steepest.ranks.group import current
from steepest.ranks.tree import parts_of, tree

Part = TypeVar("Part")
Piece = TypeVar("Piece")
Arrays = list[np.ndarray]
Merge = Callable[[Arrays, Arrays], Arrays]

_left: list[Callable[[], bool]] = []


class PassLeft(Exception):
    """A pass was left before its end, as `left_where` asked for."""


@contextmanager
def left_where(asked: Callable[[], bool]) -> Iterator[None]:
    """Within it a pass ends with PassLeft, on all ranks that share it, once `asked()` is true on one of them."""
    _left.append(asked)
    try:
        yield
    finally:
        _left.pop()


def over_parts(
    stream: Stream,
    begin: Callable[[], Part],
    add: Callable[[Part, Block, Block | None], None],
    arrays: Callable[[Part], Sequence[np.ndarray]],
    merge: Merge,
) -> Arrays:
    """The arrays of all rows, which have the same shapes for each part.

    add: is given the training rows of a piece, and those held out, in turn.

    Raises:
        PassLeft: it was asked for.
    """
    asked, left = _left[-1] if _left else None, False

    def parts() -> Iterator[Arrays]:
        nonlocal left
        with closing(stream.blocks(own_groups(stream.files.groups))) as blocks:
            for pieces in parts_among(stream.files.groups, blocks, lambda piece: piece[0].group):
                part = begin()
                for block, held in () if left else pieces:
                    if asked is not None and asked():
                        left = True
                        break
                    add(part, block, held)
                yield [np.asarray(one) for one in arrays(part)]

    group = current()
    found = tree(parts(), merge)
    if asked is not None and group.any(left):  # before the sums, which are not whole then
        raise PassLeft
    return group.merged(found, merge)


def own_groups(groups: Sequence[Group]) -> list[int]:
    """The numbers of the row groups that this rank reads."""
    own = current().own
    return [number for number, part in enumerate(parts_of([one.rows for one in groups]).tolist()) if part in own]


def own_parts(
    groups: Sequence[Group], read: Callable[[list[int]], Iterator[Piece]], group_of: Callable[[Piece], int]
) -> Iterator[Iterator[Piece]]:
    """For each part of this rank its pieces, which are to be taken before the next part is.

    read: gives the pieces of some row groups; group_of: of which row group one is.
    """
    return parts_among(groups, iter(read(own_groups(groups))), group_of)


def parts_among(
    groups: Sequence[Group], pieces: Iterator[Piece], group_of: Callable[[Piece], int]
) -> Iterator[Iterator[Piece]]:
    """The same of pieces that are read already: those of this rank's row groups, in their order."""
    part_of = parts_of([one.rows for one in groups])
    coming = [next(pieces, None)]

    def of_part(part: int) -> Iterator[Piece]:
        while (piece := coming[0]) is not None and part_of[group_of(piece)] == part:
            yield piece
            coming[0] = next(pieces, None)

    for part in current().own:
        yield of_part(part)


def each_by(kinds: Sequence[np.ufunc]) -> Merge:
    """Merges arrays each by its own function: np.add for sums, np.minimum for what is the least of all."""
    return lambda one, two: [kind(mine, theirs) for kind, mine, theirs in zip(kinds, one, two, strict=True)]
