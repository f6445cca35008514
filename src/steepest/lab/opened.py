"""`fit.lab()`: the lab on the rows of a fit, with its settings, from Python and from a notebook."""

from __future__ import annotations

import atexit
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from steepest.choices import is_path
from steepest.command_words import options
from steepest.errors import FitError
from steepest.lab.experiment import REFUSED
from steepest.result import Fit
from steepest.settings_table import SETTINGS, those
from steepest.text.html import escaped

READ = set(those(lambda setting: setting.role in ("data", "reading"))) - {"class_weight"}
"""Settings that have done their work where the rows of a fit are written down as its features."""


class OpenLab:
    """A lab that runs beside this process: its `link`, until `close()` or the process's end."""

    def __init__(self, process: subprocess.Popen[str], link: str, folder: Path | None):
        self._process, self.link, self._folder = process, link, folder
        atexit.register(self.close)

    def close(self) -> None:
        """End it; its page no longer answers."""
        self._process.terminate()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
        atexit.unregister(self.close)

    def __repr__(self) -> str:
        return f"The lab: {self.link}"

    def _repr_html_(self) -> str:
        return f'The lab: <a href="{escaped(self.link)}" target="_blank">open it</a>'


def lab(fit: Fit, *, port: int = 0, browser: bool = True) -> OpenLab:
    """Open the lab on the rows and settings of a fit: play the descent, change anything, compare, see why.

    Args:
        port: where it listens, on this machine alone; any free one by default. browser: open the page.

    Returns:
        An `OpenLab`: its `link` is the address, `close()` ends it.

    Raises:
        FitError: a fit whose rows are not at hand, or of a model or loss that has no name.

    Example:
        >>> from steepest.fitting import fit
        >>> opened = lab(fit([0.0, 1.0, 2.0, 3.0], [1.0, 3.1, 4.9, 7.0]), browser=False)  # doctest: +SKIP
        >>> opened.link, opened.close()  # doctest: +SKIP
        ('http://127.0.0.1:…', None)
    """
    settings = {name: getattr(fit.spec, name) for name in fit.spec.model_fields_set if name not in REFUSED}
    for name, value in settings.items():
        choices = None if name == "init" else SETTINGS[name].choices
        if choices is not None and (not isinstance(value, str) or is_path(value, choices)):
            raise FitError(f"The lab has no {name} of one's own, and this fit's is {value!r}.")
    source, folder = fit.source, None
    if source is None:
        folder = Path(tempfile.mkdtemp(prefix="steepest-lab-"))
        source = str(folder / "rows.parquet")
        settings = _written(fit, source, settings)
    command = [
        sys.executable,
        "-m",
        "steepest",
        "lab",
        source,
        "--port",
        str(port),
        *([] if browser else ["--no-browser"]),
    ]
    process = subprocess.Popen([*command, *options(settings)], stdout=subprocess.PIPE, text=True)
    link = process.stdout.readline().strip() if process.stdout is not None else ""
    if not link:
        process.wait()
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
        raise FitError("The lab did not start; what it said stands above.")
    return OpenLab(process, link, folder)


def _written(fit: Fit, path: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Write the rows of a fit from memory as a table; returns the settings that fit it."""
    rows = fit.inner.train
    if rows is None or rows.x.ndim != 2:
        raise FitError("The rows of this fit are not at hand, or are no table.")
    labels = rows.y if rows.classes is None else fit.schema.labels[rows.y]
    targets = labels.reshape(len(labels), -1)
    table = {name: rows.x[:, i] for i, name in enumerate(rows.names)}
    table |= {name: targets[:, i] for i, name in enumerate(rows.targets)}
    pq.write_table(pa.table({name: pa.array(values.tolist()) for name, values in table.items()}), path)
    kept = {name: value for name, value in settings.items() if name not in READ}
    return {**kept, "target": rows.targets if len(rows.targets) > 1 else rows.targets[0]}
