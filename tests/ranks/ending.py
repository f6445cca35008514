"""Ranks that are killed, or hang, in the middle of a fit, and the run gone on with by other numbers of them (run as a script).

ending.py FOLDER        prints what the ranks said and how they ended, as JSON; FOLDER/rows are the rows
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import time
from typing import Any

from ranked import ROWS, import_what_is_needed, in_ranks

SETTINGS: dict[str, Any] = {**ROWS, "stream": True, "optimizer": "adam", "lr": 0.01, "batch_size": 60, "epochs": 3}


def run(
    name: str,
    size: int,
    at: int | None = None,
    how: str = "",
    seconds: float = 60.0,
    rows: str = "rows",
    more: dict[str, Any] | None = None,
    **last: Any,
) -> dict[str, Any]:
    """A fit by so many ranks; the last one ends at a step, or hangs, or has other settings. The codes that they ended with, and
    what they said."""
    from steepest.errors import SteepestError
    from steepest.fitting import fit
    from steepest.ranks import group

    group.GRACE = 1.0

    def work(rank: int) -> None:
        def end(step: Any, objective: float) -> None:
            if at is not None and step.t >= at and rank == size - 1:
                if how == "kill":
                    os.kill(os.getpid(), signal.SIGKILL)
                signal.alarm(8)
                time.sleep(60)

        said = ""
        with group.begun(seconds):
            try:
                given = SETTINGS | (more or {}) | (last if rank == size - 1 else {})
                fit(rows, out=name, checkpoint_every=1e-4, progress=end, **given)
            except SteepestError as error:
                said = str(error)
        with open(f"{name}-{rank}.txt", "w", encoding="utf-8") as file:
            file.write(said)

    codes = in_ranks(size, work)
    said = []
    for rank in range(max(size, 1)):
        if os.path.exists(f"{name}-{rank}.txt"):
            with open(f"{name}-{rank}.txt", encoding="utf-8") as file:
                said.append(file.read())
            os.remove(f"{name}-{rank}.txt")
    return {"codes": codes, "said": said}


if __name__ == "__main__":
    os.chdir(sys.argv[1])
    import_what_is_needed()
    if sys.argv[2:] == ["local"]:
        local: dict[str, Any] = {"more": {"sync_every": 5}}
        told = {"whole": run("whole", 2, **local), "killed": run("killed", 2, at=43, how="kill", **local)}
        told |= {"four": run("killed", 4, **local), "again": run("killed", 2, **local), "one": run("one", 0, **local)}
        told["passes"] = run(
            "passes", 2, more={"sync_every": 5, "optimizer": "auto", "lr": "auto", "batch_size": "full"}
        )
        print(json.dumps(told))
        sys.exit()
    told = {"whole": run("whole", 0), "killed": run("killed", 2, at=40, how="kill")}
    shutil.copytree("killed", "four")
    told |= {"fault": run("fault", 2, rows="bad"), "unlike": run("unlike", 2, lr=0.02)}
    told["killed, then one"] = run("killed", 0)
    if len(sys.argv) > 2:
        told |= {"four": run("four", 4), "again": run("four", 2), "hung": run("hung", 2, at=20, seconds=2.0)}
    print(json.dumps(told))
