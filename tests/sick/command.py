"""A remedy given to the real command: the case's table as a CSV file, its settings and the remedy as options, by a shell."""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv

from sick.case import Given
from steepest.analysis.finding import Finding
from steepest.cli.commands import main
from steepest.command_words import options
from steepest.data.column_names import array_names

SAMPLE = (
    "rate far under the best",
    "raw diabetes table",
    "a total beside its parts",
    "a loose tolerance",
    "float32 with a target in the millions",
    "a few rows far away",
    "a parabola fitted by a line",
    "no intercept",
    "a target that grows by factors",
    "a class that is never predicted",
    "bundled classes without a penalty",
    "a column of weights with a slip",
)
"""Cases whose first variant is also treated by the command."""


def as_table(given: Given) -> tuple[pa.Table, dict[str, Any]]:
    """The data of a case as one table with its target named, and the settings that go with it."""
    x = given.data["x"]
    if isinstance(x, pa.Table):
        return x, dict(given.settings)
    columns = x.reshape(len(x), -1)
    named = {name: columns[:, at] for at, name in enumerate(array_names(columns.shape[1]))}
    return pa.table({**named, "y": given.data["y"]}), {"target": "y", **given.settings}


def by_shell(command: str) -> list[str]:
    """The words that a shell makes of a line."""
    shell = subprocess.run(["bash", "-c", f"printf '%s\\0' {command}"], capture_output=True, text=True, check=True)
    return shell.stdout.split("\0")[:-1]


def commanded(given: Given, finding: Finding, folder: Path) -> dict[str, Any]:
    """What `steepest fit FILE OPTIONS REMEDY --json` prints; options that the remedy changes or leaves out are not repeated.

    A case of a bundled table needs no file. Raises RuntimeError if the command fails.
    """
    source = given.data["x"]
    settings = dict(given.settings)
    if not isinstance(source, str):
        table, settings = as_table(given)
        source = str(folder / "rows.csv")
        pyarrow.csv.write_csv(table, source)
    kept = {name: value for name, value in settings.items() if name not in finding.remedy}
    printed, said = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(said):
        code = main(["fit", source, *options(kept), *by_shell(finding.command), "--json"])
    if code:
        raise RuntimeError(f"the command ended with {code}: {said.getvalue().strip()}")
    return json.loads(printed.getvalue())
