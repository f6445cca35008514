"""The command under torchrun: every rank works, the first one prints and writes, and what goes wrong is said once."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from steepest.ranks import group as ranks
from steepest.ranks.group import Group


@contextmanager
def sharing(seconds: float | None) -> Iterator[Group | None]:
    """The ranks that share what this command does; None for a process that torchrun has not begun.

    seconds: that a rank waits for the others, `ranks.TIMEOUT` by default.
    """
    loud = sys.stdout, sys.stderr
    quiet = int(os.environ["RANK"]) > 0 if all(name in os.environ for name in ranks.NAMED) else False
    nowhere = open(os.devnull, "w") if quiet else None  # noqa: SIM115 (it is written to until the process ends)
    if nowhere is not None:
        sys.stdout = sys.stderr = nowhere
    with ranks.begun(ranks.TIMEOUT if seconds is None else seconds) as group:
        try:
            yield group
        except Exception:
            if group is not None and group.says():
                sys.stdout, sys.stderr = loud
            elif group is not None:
                sys.stderr = open(os.devnull, "w")  # noqa: SIM115 (as above)
            raise
