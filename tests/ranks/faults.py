"""Divided commands of which one rank is killed or stopped in the middle (run as a script).

    faults.py FOLDER < FAULTS     does each command in FOLDER, a rank of some ending in it; prints as JSON how all ranks
                                  ended, what they said, and how long the others were at it after that

A fault: name, words of the command, ranks, and of the one that ends rank, signal and at which step or row group of its own.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import time
from contextlib import ExitStack, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

from ranked import import_what_is_needed


def ending(at: int, number: int) -> None:
    """This process is sent a signal once it has begun so many steps, or read so many row groups."""
    from steepest.data.row_groups import RowGroups
    from steepest.ranks.group import Group

    seen = 0

    def after(work: Any) -> Any:
        def counted(*given: Any) -> Any:
            nonlocal seen
            seen += 1
            if seen == at:
                Path("ended").write_text(str(time.monotonic()))
                os.kill(os.getpid(), number)
            return work(*given)

        return counted

    Group.beat, RowGroups._read = after(Group.beat), after(RowGroups._read)


def done(fault: dict[str, Any]) -> dict[str, Any]:
    """What came of one command."""
    from steepest.cli.commands import main as steepest
    from steepest.ranks import group

    group.GRACE = 1.0
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    children = []
    for rank in range(max(fault["ranks"], 1)):
        if (child := os.fork()) == 0:
            names = {"RANK": rank, "WORLD_SIZE": fault["ranks"], "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
            if fault["ranks"]:
                os.environ.update({name: str(value) for name, value in names.items()})
            if rank == fault.get("rank"):
                ending(fault["at"], fault["signal"])
            try:
                with ExitStack() as held:
                    for what, redirected in (("printed", redirect_stdout), ("said", redirect_stderr)):
                        file = held.enter_context(open(f"{what}-{rank}.txt", "w", encoding="utf-8"))
                        held.enter_context(redirected(file))
                    code = steepest(fault["words"])
                os._exit(code)
            except BaseException as error:
                print(f"rank {rank}: {error!r}", file=sys.stderr, flush=True)
                os._exit(99)
        children.append(child)
    codes = [ended(child) for child in children]
    began = float(Path("ended").read_text()) if os.path.exists("ended") else None
    seconds = None if began is None else time.monotonic() - began
    for child, code in zip(children, codes, strict=True):
        if code == -signal.SIGSTOP:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
    said = [Path(f"said-{rank}.txt").read_text() for rank in range(len(children))]
    printed = [Path(f"printed-{rank}.txt").read_text() for rank in range(len(children))]
    for path in [*Path.cwd().glob("said-*"), *Path.cwd().glob("printed-*"), *Path.cwd().glob("ended")]:
        path.unlink()
    return {"codes": codes, "said": said, "printed": printed, "seconds": seconds}


def ended(child: int) -> int:
    """The code of a process that has ended, or the negative number of the signal that ended or stopped it."""
    status = os.waitpid(child, os.WUNTRACED)[1]
    return -os.WSTOPSIG(status) if os.WIFSTOPPED(status) else os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    os.chdir(sys.argv[1])
    import_what_is_needed()
    faults = json.load(sys.stdin)
    print(json.dumps({fault["name"]: done(fault) for fault in faults}))
