"""The folder of a run that several ranks share: the first one claims it and writes; the others are told what it found there."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager

from steepest.checkpoints import tree
from steepest.checkpoints.folder import EVERY, Checkpoints, claimed, place_of
from steepest.errors import RunError, SteepestError
from steepest.ranks.group import launched
from steepest.ranks.turns import DONE, FAULT


@contextmanager
def claimed_by_first(
    folder: str | os.PathLike[str], overwrite: bool, names: Iterable[str], every: float | None = None
) -> Iterator[Checkpoints]:
    """What `claimed` does, of all ranks; of a process that is not one of several the same as that.

    Raises:
        SpecError, RunError: as `claimed`, on every rank.
    """
    group = launched()
    if group is None or group.size == 1:
        with claimed(folder, overwrite, names, every) as kept:
            yield kept
        return
    ours = f"claimed {place_of(folder)}"
    with ExitStack() as held:
        if group.first:
            try:  # a run that is finished there, where torchrun begins all ranks anew, is that of those before
                kept = held.enter_context(claimed(folder, overwrite or group.noted(ours), names, every))
            except SteepestError as error:
                group.all_of(FAULT + str(error).encode())
                raise
            group.note(ours)
            group.all_of(DONE + tree.packed({"found": kept.found}))
        else:
            told, *_ = group.all_of(b"")
            if told.startswith(FAULT):
                raise RunError(told[1:].decode())
            found = tree.unpacked(told[1:])["found"]
            kept = Checkpoints(place_of(folder), str(folder), overwrite, every or EVERY, writes=False, found=found)
        yield kept
