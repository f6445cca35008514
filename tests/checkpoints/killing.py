"""A command that is killed again and again, at random moments and at chosen ones, and begun again each time (run as a script).

    killing.py FOLDER KILLS SEED        prints the runs' folders that came to their end, and how often each moment was hit

Each try is a fork of this process, which has imported everything and started nothing: what is killed is the command as it is.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from collections import Counter
from importlib import import_module

MOMENTS = {  # what is killed when it is called, and up to which call of it
    "read": ("steepest.fit_data", "prepare", 1),
    "plan": ("steepest.fitting", "plan", 1),
    "step": ("steepest.resuming", "checkpoint", 60),
    "checkpoint packed": ("steepest.checkpoints.tree", "packed", 5),
    "checkpoint written": ("steepest.checkpoints.folder", "flush", 9),
    "file replaced": ("os", "replace", 9),
    "final write": ("steepest.atomic_folder", "_write", 7),
    "final record": ("steepest.atomic_folder", "_finish", 1),
    "checkpoints removed": ("steepest.checkpoints.folder", "remove", 1),
    "any": ("", "", 0),
    "none": ("", "", 0),
}


def run(words: list[str], moment: str, chance: random.Random, fused: bool) -> int:
    """The command in a process of its own; the code that it ends with, −9 where it was killed."""
    module, name, most = MOMENTS[moment]
    call, after = chance.randint(1, max(most, 1)), chance.uniform(0.0, 1.0)
    child = os.fork()
    if child:
        if moment == "any":
            time.sleep(after)
            os.kill(child, signal.SIGKILL)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    try:
        from steepest.cli.commands import main
        from steepest.engines import choice

        choice.WORTH = float("-inf" if fused else "inf")
        if name:
            at = sys.modules[module]
            real, calls = getattr(at, name), []

            def killed(*given: object, **named: object) -> object:
                calls.append(1)
                if len(calls) == call:
                    os.kill(os.getpid(), signal.SIGKILL)
                return real(*given, **named)

            setattr(at, name, killed)
        code = main(words)
    except BaseException as error:
        print(repr(error), file=sys.stderr)
        code = 99
    os._exit(code)


def all_kills(kills: int, seed: int, words: list[str]) -> tuple[list[str], Counter[str]]:
    """Kill and begin again until there were so many kills, a new folder each time that a run has come to its end."""
    chance, ended, hits = random.Random(seed), [], Counter[str]()
    order = [moment for moment in MOMENTS if moment != "none"]
    while sum(hits.values()) < kills:
        fused = len(ended) % 3 == 2
        folder = f"{'fused' if fused else 'loop'}-{len(ended)}"
        while True:
            moment = order[sum(hits.values()) % len(order)] if sum(hits.values()) < kills else "none"
            code = run([*words, "--out", folder], moment, chance, fused)
            if code == -signal.SIGKILL:
                hits[moment] += 1
            elif code in (0, 1):  # 1: it had come to its end before it was killed
                break
            else:
                raise SystemExit(f"{folder}: {moment} ended with {code}")
        ended.append(folder)
    return ended, hits


if __name__ == "__main__":
    os.chdir(sys.argv[1])
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for needed in (
        "torch",
        "steepest.cli.commands",
        "steepest.storage",
        *{module for module, _, _ in MOMENTS.values()} - {""},
    ):
        import_module(needed)

    told = ["fit", "s.csv", "--target=y", "--optimizer=adam", "--lr=0.01", "--batch-size=20", "--epochs=60"]
    told += ["--test-fraction=0.2", "--no-report", "--quiet"]
    for name, fused in (("plain-loop", False), ("plain-fused", True)):
        assert run([*told, "--out", name], "none", random.Random(0), fused) == 0
    done, found = all_kills(int(sys.argv[2]), int(sys.argv[3]), [*told, "--checkpoint-every=0.1"])
    print(json.dumps({"ended": done, "hits": dict(found)}))
