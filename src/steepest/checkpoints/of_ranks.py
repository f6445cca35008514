"""The folder of a run that several ranks share: the first one claims it and writes; the others are told what it found there."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager

from steepest.checkpoints import tree
from steepest.checkpoints.folder import EVERY, Checkpoints, claimed, place_of
from steepest.errors import RunError, SteepestError
from steepest.ranks.group import launched


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
    with ExitStack() as held:
        if group.first:
            try:
                kept = held.enter_context(claimed(folder, overwrite, names, every))
            except SteepestError:
                group.all_of(b"")
                raise
            group.all_of(tree.packed({"found": kept.found}))
        else:
            told, *_ = group.all_of(b"")
            if not told:
                raise RunError(f"The first rank cannot keep the run in {str(folder)!r}.")
            found = tree.unpacked(told)["found"]
            kept = Checkpoints(place_of(folder), str(folder), overwrite, every or EVERY, writes=False, found=found)
        yield kept
