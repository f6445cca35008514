"""One process that has imported everything, of which each script is a fork: importing takes longer than most of them.

forking.py        reads calls as lines of JSON: script, words, and where its input and output are; answers each by its exit code
"""

from __future__ import annotations

import json
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

SECONDS = 900
"""That a script may take."""


class Forked(Protocol):
    """Does a script, of a given name in this folder, and gives what it printed; it must end with 0."""

    def __call__(self, script: str, *words: str, given: str = "") -> str: ...


@contextmanager
def forking() -> Iterator[Forked]:
    """The process, for as long as it is needed."""
    command = [sys.executable, __file__]
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process,
    ):
        paths = {name: Path(folder, name) for name in ("stdin", "stdout", "stderr")}

        def forked(script: str, *words: str, given: str = "") -> str:
            assert process.stdin is not None
            assert process.stdout is not None
            paths["stdin"].write_text(given)
            call = {"script": str(Path(__file__).with_name(script)), "words": words}
            print(json.dumps(call | {name: str(path) for name, path in paths.items()}), file=process.stdin, flush=True)
            code = process.stdout.readline()
            assert code == "0\n", f"{script} ended with {code}{paths['stderr'].read_text()}"
            return paths["stdout"].read_text()

        yield forked
        assert process.stdin is not None
        process.stdin.close()


def done(call: dict[str, Any]) -> int:
    """The exit code of a script, in a fork of its own."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    code = 1
    try:
        signal.alarm(SECONDS)
        for number, (name, flags) in enumerate(FLAGS.items()):
            os.dup2(os.open(call[name], flags, 0o600), number)
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 (it is read to the end of the process)
        sys.argv = [call["script"], *call["words"]]
        runpy.run_path(call["script"], run_name="__main__")
        code = 0
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
        print(error.code if isinstance(error.code, str) else "", file=sys.stderr)
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


FLAGS = {
    "stdin": os.O_RDONLY,
    "stdout": os.O_WRONLY | os.O_CREAT | os.O_TRUNC,
    "stderr": os.O_WRONLY | os.O_CREAT | os.O_TRUNC,
}
"""How the streams of a script are opened, in the order of their numbers."""


if __name__ == "__main__":
    from ranked import import_what_is_needed

    import_what_is_needed()
    for line in sys.stdin:
        print(done(json.loads(line)), flush=True)
