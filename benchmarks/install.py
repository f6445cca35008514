"""Install the peers of pyproject.toml's `bench` extra, each by itself, so that one that cannot be had stops no other.

    .venv-bench/bin/python benchmarks/install.py

Every version is pinned by constraints.txt and, beyond it, benchmarks/constraints.txt. Why a peer could not be installed
is kept beside the environment, where `side_by_side.absent` finds it for the results.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
ABSENT = Path(sys.prefix, "absent")
"""One file for each peer that could not be installed: the line in which pip said why."""

CONSTRAINTS = ["-c", str(ROOT / "constraints.txt"), "-c", str(ROOT / "benchmarks" / "constraints.txt")]


def pip(*what: str) -> str | None:
    """Install; None, or why it failed."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *CONSTRAINTS, *what]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    return None if done.returncode == 0 else next((line for line in lines if line.startswith("ERROR")), lines[-1])


def main() -> None:
    ABSENT.mkdir(exist_ok=True)
    failed = pip("-e", str(ROOT))
    if failed is not None:
        raise SystemExit(failed)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for peer in project["optional-dependencies"]["bench"]:
        note = ABSENT / (re.split(r"[^\w-]", peer)[0] + ".txt")
        note.unlink(missing_ok=True)
        if (failed := pip(peer)) is not None:
            note.write_text(failed, encoding="utf-8")
            print(f"{peer} cannot be installed: {failed}", file=sys.stderr)


if __name__ == "__main__":
    main()
