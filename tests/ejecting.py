"""Scripts run where `steepest` cannot be imported, many in one process, and what they print."""

from __future__ import annotations

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
import torch
torch.set_num_threads(1)
found = []
for path in json.load(sys.stdin):
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said):
            if path.endswith(".ipynb"):
                os.chdir(os.path.dirname(path))
                names = {}
                for cell in json.load(open(path))["cells"]:
                    if cell["cell_type"] == "code":
                        exec(compile("".join(cell["source"]), path, "exec"), names)
            else:
                runpy.run_path(path, run_name="__main__")
        found.append(said.getvalue())
    except BaseException:
        found.append("error " + traceback.format_exc())
json.dump(found, sys.stdout)
"""


def ran(paths: Sequence[Path]) -> list[str]:
    """What each script prints."""
    done = subprocess.run(
        [sys.executable, "-I", "-c", RUNNER],
        input=json.dumps([str(path) for path in paths]),
        capture_output=True,
        text=True,
        check=False,
        env={"OMP_NUM_THREADS": "1", "PATH": ""},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def printed(text: str) -> dict[str, float]:
    """Name → number of each line."""
    assert not text.startswith("error"), text
    pairs = [line.rsplit(" ", 1) for line in text.splitlines()]
    return {name: float(value) for name, value in pairs}


def close(a: float, b: float, scale: float = 0.0, rel: float = 1e-10) -> bool:
    """Equal to ten digits; scale: the size of what a number is one entry of."""
    return math.isclose(a, b, rel_tol=rel, abs_tol=rel * 1e-2 * scale)
