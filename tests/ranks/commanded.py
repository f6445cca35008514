"""Commands that 1, 2 and 4 ranks share, and one process without any (run as a script).

commanded.py FOLDER SIZES < COMMANDS     does each command, a list of words in JSON, with FOLDER/SIZE as the working folder;
                                         what it prints is in FOLDER/SIZE/printed-NUMBER-RANK.txt, and its exit code
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import ExitStack, redirect_stderr, redirect_stdout
from pathlib import Path

from ranked import import_what_is_needed, in_ranks


def main() -> None:
    """All commands, by these numbers of ranks."""
    from steepest.cli.commands import main as steepest

    folder, sizes, commands = Path(sys.argv[1]), sys.argv[2], json.load(sys.stdin)
    for size in map(int, sizes.split(",")):
        (folder / str(size)).mkdir()
        os.chdir(folder / str(size))
        for number, words in enumerate(commands):

            def work(rank: int, number: int = number, words: list[str] = words) -> None:
                with ExitStack() as held:
                    for what, redirected in (("printed", redirect_stdout), ("said", redirect_stderr)):
                        file = held.enter_context(open(f"{what}-{number}-{rank}.txt", "w", encoding="utf-8"))
                        held.enter_context(redirected(file))
                    code = steepest(words)
                Path(f"code-{number}-{rank}.txt").write_text(str(code))

            codes = in_ranks(size, work)
            if any(codes):
                raise SystemExit(f"{size} ranks ended with {codes} in {words}")


if __name__ == "__main__":
    import_what_is_needed()
    main()
