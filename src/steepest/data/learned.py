"""The first pass over a stream, gone through: by one process or divided over ranks, or taken up from where one was kept.

Each part of the row groups is gathered by itself (`first_pass.py`), and what was gathered is merged in the fixed tree: what
comes of it is the same, to the last bit, over any number of ranks.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from steepest.data import kept_passes
from steepest.data.dataset import Dataset
from steepest.data.first_pass import FirstPass
from steepest.data.packing import packed, unpacked
from steepest.data.passes import own_groups, own_parts
from steepest.data.progress import tell
from steepest.data.row_groups import RowGroups
from steepest.data.streams import Asked, Stream
from steepest.errors import DataError
from steepest.ranks.alike import alike
from steepest.ranks.group import Group, current
from steepest.ranks.tree import tree


def learned(files: RowGroups, asked: Asked) -> tuple[Stream, Dataset, Dataset | None]:
    """The first pass: the stream, some of its training rows, and some of those held out.

    Ranks that share it look at their own row groups, and all of them know the whole.

    Raises:
        DataError: the rows are at fault, whichever rank has found it. RunError: ranks have not the same files before them.
    """
    group = current()
    alike(group, files.told)
    found, key, began = FirstPass(files, asked), kept_passes.key_of(files, asked), time.monotonic()
    taken = kept_passes.take_up(key, found)
    if b"" in group.all_of(b"kept" if taken else b""):
        found = _gone_through(files, asked)
        if group.first and found.rows and time.monotonic() - began >= kept_passes.WORTH:
            kept_passes.keep(key, found)
    return found.result()


def _gone_through(files: RowGroups, asked: Asked) -> FirstPass:
    """What is gathered of all rows: of each part of them by one rank, and merged in the fixed tree."""
    group, first = current(), FirstPass(files, asked)
    if own_groups(files.groups)[:1] != [0]:  # which columns there are is told by the same rows everywhere
        pieces = files.pieces([0])
        _, place, table = next(pieces)
        pieces.close()
        first.begin(table, range(place, place + table.num_rows))

    def parts() -> Iterator[FirstPass]:
        for pieces in own_parts(files.groups, files.pieces, lambda piece: piece[0]):
            part = FirstPass(files, asked, first.parts)
            for one in pieces:
                tell("First pass", one[1] / files.rows)
                part.add(*one)
            first.parts = part.parts
            yield part

    done = tree(parts(), FirstPass.merged) if group.size == 1 else _of_ranks(group, parts(), first)
    for name, seen in (*done.seen.items(), *done.goals.items()):
        words = files.words(name)
        words.update(seen.words)
        seen.words = words
    return done


def _of_ranks(group: Group, parts: Iterator[FirstPass], first: FirstPass) -> FirstPass:
    """What all ranks have gathered; a fault that one has found is raised on each, the first of several."""
    try:
        own = tree(parts, FirstPass.merged)
        told = b"+" + packed(kept_passes.files_of(own))
    except DataError as error:
        told = b"!" + str(error).encode()
    each = group.all_of(told)
    for fault in each:
        if fault.startswith(b"!"):
            raise DataError(fault[1:].decode())

    def passes() -> Iterator[FirstPass]:
        for one in each:
            done = FirstPass(first.files, first.asked, first.parts)
            kept_passes.fill(done, unpacked(one[1:]))
            yield done

    return tree(passes(), FirstPass.merged)
