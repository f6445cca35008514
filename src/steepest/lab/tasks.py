"""What a worker of the lab does: a task on an experiment, and what it answers.

    perform({"task": "descend", "experiment": {…}}, uploads)

Descents are made again from their experiment where they are not at hand; the same experiment always gives the same one.
"""

from __future__ import annotations

import tempfile
import warnings
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from steepest.data.files import KeptPath
from steepest.description import describe
from steepest.errors import SpecError, SteepestError, SteepestWarning
from steepest.fitting import fit
from steepest.lab import messages
from steepest.lab.experiment import Experiment
from steepest.plots.film.frames import frames_data
from steepest.plots.graph.draw import graph_data
from steepest.result import Fit
from steepest.sweeping import sweep

KEPT = 16  # finished fits that a worker keeps
MOST_RATES = 300
MOST_BOXES = 24  # of a graph of gradients

Answer = dict[str, Any]
FITS: OrderedDict[str, Fit] = OrderedDict()


class Uploads:
    """Where the files are that were uploaded: by their identifier alone. given: the table that the lab was opened with."""

    def __init__(self, folder: Path, given: str | None = None):
        self.folder, self.given, self.last = folder, given, KeptPath("")

    def path(self, identifier: str) -> str:
        """The file of an upload. Raises SpecError where it is gone."""
        found = next(iter(sorted(self.folder.glob(f"{identifier}.*"))), None)
        if found is None:
            raise SpecError("That file is no longer here. Choose it again.")
        return self.kept(str(found))

    def kept(self, path: str) -> str:
        """The same path: what was read of the last one is kept, since most questions are of one file."""
        self.last = self.last if self.last == path else KeptPath(path)
        return self.last


def perform(job: Mapping[str, Any], uploads: Uploads) -> Answer:
    """The answer to a job; `{"error": …}` where its data or its settings are at fault."""
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", SteepestWarning)
            answer = TASKS[job["task"]](job, uploads)
        said = [str(one.message) for one in caught if issubclass(one.category, SteepestWarning)]
        return answer | ({"warnings": list(dict.fromkeys(said))} if said else {})
    except SteepestError as error:
        return {"error": str(error)}
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "memory" not in str(error):
            raise
        return {"error": "This takes more memory than a descent may have here. Take fewer rows or a smaller model."}


def fitted(job: Mapping[str, Any], uploads: Uploads) -> Fit:
    """The fit of an experiment, kept for the next question about it."""
    experiment = Experiment.read(job["experiment"])
    if experiment.key in FITS:
        FITS.move_to_end(experiment.key)
        return FITS[experiment.key]
    rows, settings = source(experiment, uploads)
    made = fit(**rows, **settings)
    FITS[experiment.key] = made
    while len(FITS) > KEPT:
        FITS.popitem(last=False)
    return made


def source(experiment: Experiment, uploads: Uploads) -> tuple[dict[str, Any], dict[str, Any]]:
    """The rows as `fit` takes them, and the settings."""
    settings = dict(experiment.settings)
    if experiment.data == "drawing":
        if len(experiment.points) < 2:
            raise SpecError("Draw at least two points.")
        points = np.array(experiment.points)
        return {"x": {"x": points[:, 0], "y": points[:, 1]}}, {**settings, "target": "y"}
    if experiment.upload is not None:
        return {"x": uploads.path(experiment.upload)}, settings
    if experiment.data == "given":
        if uploads.given is None:
            raise SpecError("This lab was opened without a table of its own. Choose a sample or a file.")
        return {"x": uploads.kept(uploads.given)}, settings
    return {"x": experiment.data}, settings


def columns(job: Mapping[str, Any], uploads: Uploads) -> Answer:
    """The columns of a table."""
    experiment = Experiment.read({"data": job["data"]})
    rows, _ = source(experiment, uploads)
    return messages.columns(describe(rows["x"]))


def graph(job: Mapping[str, Any], uploads: Uploads) -> Answer:
    """The graph that the gradients of a frame come from, with their values."""
    made = fitted(job, uploads).inner
    rows = frames_data(made, messages.MOST_FRAMES).row
    theta = made.trace.theta[rows[min(int(job.get("frame", len(rows))), len(rows) - 1)]]
    return messages.graph(graph_data(replace(made, theta=theta), most=MOST_BOXES))


def report(job: Mapping[str, Any], uploads: Uploads) -> Answer:
    """Its page of pictures and words."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "report.html"
        fitted(job, uploads).report(place, film=False)
        return {"text": place.read_text()}


def film(job: Mapping[str, Any], uploads: Uploads) -> Answer:
    """Its film, a GIF, as base64."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "descent.gif"
        fitted(job, uploads).animate(place)
        return messages.packed(np.frombuffer(place.read_bytes(), dtype=np.uint8), "u1") or {}


def swept(job: Mapping[str, Any], uploads: Uploads) -> Answer:
    """The same descent at many learning rates at once."""
    experiment = Experiment.read(job["experiment"])
    rows, settings = source(experiment, uploads)
    asked = [float(rate) for rate in job["lr"]][:MOST_RATES]
    settings["lr"] = asked
    found = sweep(**rows, **settings)
    return messages.sweep(found, fitted(job, uploads))


TASKS: dict[str, Callable[[Mapping[str, Any], Uploads], Answer]] = {
    # a descent and all that is played of it; what is wrong with it; the largest stable learning rate, and that of `auto`
    "descend": lambda job, uploads: messages.descent(fitted(job, uploads), job.get("plane")),
    "diagnose": lambda job, uploads: messages.findings(fitted(job, uploads).diagnose()),
    "rates": lambda job, uploads: messages.rates(fitted(job, uploads)),
    # the same descent as a script and as a notebook of plain PyTorch
    "script": lambda job, uploads: {"text": fitted(job, uploads).to_python()},
    "notebook": lambda job, uploads: {"text": fitted(job, uploads).to_python(notebook=True)},
    "describe": columns,
    "graph": graph,
    "report": report,
    "film": film,
    "sweep": swept,
}
"""The tasks of `experiment.TASKS`."""
