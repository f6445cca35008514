"""The command under torchrun: every rank works, the first one prints and writes, and what goes wrong is said once."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext

from steepest.errors import SpecError
from steepest.ranks import group as ranks
from steepest.ranks.group import Group
from steepest.ranks.lost import GO_ON


def follows() -> bool:
    """Whether torchrun has begun this process as another than the first."""
    return all(name in os.environ for name in ranks.NAMED) and int(os.environ["RANK"]) > 0


_met: list[Group] = []


def interrupted(otherwise: str) -> str:
    """What is said of a signal. Before the ranks have met nobody knows whether it came because one of them ended."""
    if _met or "RANK" not in os.environ:
        return otherwise
    return "interrupted before the ranks had met, by a signal or because one of them ended: give the same command again"


SHARED = ("fit", "predict", "sweep")
"""The commands whose work ranks divide; everything else is done by the first rank."""


def idle(arguments: Sequence[str]) -> bool:
    """Whether this rank has nothing to do."""
    return follows() and (not arguments or arguments[0] not in SHARED or "--help" in arguments)


def checked_timeout(seconds: float | None) -> float | None:
    """What `--rank-timeout` says. SpecError for what is no time."""
    if seconds is not None and not 0 < seconds < float("inf"):
        raise SpecError(f"--rank-timeout {seconds:g}: it must be a number of seconds greater than 0.")
    return seconds


@contextmanager
def sharing(seconds: float | None, remedy: str = GO_ON) -> Iterator[Group | None]:
    """The ranks that share what this command does; None for a process that torchrun has not begun.

    seconds: that a rank waits for the others, `ranks.TIMEOUT` by default. remedy: what to do where one of them is lost.
    """
    loud = sys.stdout, sys.stderr
    nowhere = open(os.devnull, "w") if follows() else None  # noqa: SIM115 (it is written to until the process ends)
    if nowhere is not None:
        sys.stdout = sys.stderr = nowhere
    with ExitStack() as until_the_end:
        try:
            group = until_the_end.enter_context(ranks.begun(checked_timeout(seconds) or ranks.TIMEOUT))
        except KeyboardInterrupt:
            sys.stdout, sys.stderr = loud
            raise
        _met.extend([] if group is None else [group])
        try:
            with nullcontext() if group is None else group.remedied(remedy):
                yield group
        except Exception:
            if group is not None and group.says():
                sys.stdout, sys.stderr = loud
            elif group is not None:
                sys.stderr = open(os.devnull, "w")  # noqa: SIM115 (as above)
            raise
