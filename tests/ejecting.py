"""Scripts run where `steepest` cannot be imported, all in one process, and what they print."""

from __future__ import annotations

import atexit
import functools
import json
import math
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

RUNNER = """
import contextlib, io, json, os, runpy, sys, traceback, warnings

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "steepest":
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Blocked())
try:
    import steepest
except ModuleNotFoundError:
    pass
else:
    raise SystemExit("steepest can be imported here")
warnings.simplefilter("error")

def run(path):
    os.chdir(os.path.dirname(path))
    if not path.endswith(".ipynb"):
        return runpy.run_path(path, run_name="__main__")
    names = {}
    with open(path, encoding="utf-8") as file:
        cells = json.load(file)["cells"]
    for cell in cells:
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), path, "exec"), names)

for line in sys.stdin:
    found = []
    for path in json.loads(line):
        said = io.StringIO()
        try:
            with contextlib.redirect_stdout(said):
                run(path)
            found.append(said.getvalue())
        except BaseException:
            found.append("error " + traceback.format_exc())
    print(json.dumps(found), flush=True)
"""


@functools.cache
def _runner() -> subprocess.Popen:
    """A Python of its own, which ignores PYTHONPATH and has no `steepest`; importing torch takes it a while, once."""
    started = subprocess.Popen(
        [sys.executable, "-I", "-c", RUNNER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={"OMP_NUM_THREADS": "1", "PATH": ""},
    )
    atexit.register(started.communicate)
    return started


def ran(paths: Sequence[Path]) -> list[str]:
    """What each script or notebook prints, run in its folder; of one that fails, "error" and its traceback."""
    runner = _runner()
    assert runner.stdin is not None
    assert runner.stdout is not None
    runner.stdin.write(json.dumps([str(path) for path in paths]) + "\n")
    runner.stdin.flush()
    return json.loads(runner.stdout.readline())


def printed(text: str) -> dict[str, float]:
    """Name → number of each line."""
    assert not text.startswith("error"), text
    pairs = [line.rsplit(" ", 1) for line in text.splitlines()]
    return {name: float(value) for name, value in pairs}


def close(a: float, b: float, scale: float = 0.0, rel: float = 1e-10) -> bool:
    """Equal to ten digits; scale: the size of what a number is one entry of."""
    return math.isclose(a, b, rel_tol=rel, abs_tol=rel * 1e-2 * scale)
