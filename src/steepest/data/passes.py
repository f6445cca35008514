"""A pass over all rows of a stream, added up in eight parts: each a span of the row groups, in their order, by one rank.

A part is what `begin()` gives and `add(part, block, held)` adds rows to; `arrays(part)` are its sums, which are merged in the
fixed tree (`ranks/tree.py`), over the ranks too. So a rank reads only its own row groups, and the sums are the same over any
number of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import numpy as np

from steepest.data.streams import Block, Stream
from steepest.ranks.group import current
from steepest.ranks.tree import parts_of, tree

Part = TypeVar("Part")
Arrays = list[np.ndarray]
Merge = Callable[[Arrays, Arrays], Arrays]


def over_parts(
    stream: Stream,
    begin: Callable[[], Part],
    add: Callable[[Part, Block, Block | None], None],
    arrays: Callable[[Part], Sequence[np.ndarray]],
    merge: Merge,
) -> Arrays:
    """The arrays of all rows, which have the same shapes for each part.

    add: is given the training rows of a piece, and those held out, in turn.
    """
    group = current()
    part_of = parts_of([one.rows for one in stream.files.groups])
    mine = [number for number, part in enumerate(part_of.tolist()) if part in group.own]

    def parts() -> Iterator[Arrays]:
        blocks = iter(stream.blocks(mine))
        coming = next(blocks, None)
        for number in group.own:
            part = begin()
            while coming is not None and part_of[coming[0].group] == number:
                add(part, *coming)
                coming = next(blocks, None)
            yield [np.asarray(one) for one in arrays(part)]

    return group.merged(tree(parts(), merge), merge)


def each_by(kinds: Sequence[np.ufunc]) -> Merge:
    """Merges arrays each by its own function: np.add for sums, np.minimum for what is the least of all."""
    return lambda one, two: [kind(mine, theirs) for kind, mine, theirs in zip(kinds, one, two, strict=True)]
