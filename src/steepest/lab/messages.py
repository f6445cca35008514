"""What the page is sent: a finished descent, its findings, a table's columns, as JSON.

Arrays go as the bytes of their numbers (base64), little-endian: `{"f4": "…", "shape": [501, 120]}`. θ and whatever is shown as
a number goes as float64, what is only drawn as float32.
"""

from __future__ import annotations

import base64
from typing import Any

import numpy as np

from steepest.analysis.finding import Findings
from steepest.analysis.predicted_curve import Directions
from steepest.data.thinning import evenly
from steepest.defaults import largest_lr, plan
from steepest.description import Description
from steepest.plots.drawn import drawable
from steepest.plots.film.playback import Playback, playback_data
from steepest.plots.graph.draw import layout
from steepest.plots.graph.walk import Graph, words_of
from steepest.plots.surface.data import Surface
from steepest.plots.surface.plane import plane as surface_plane
from steepest.result import Fit
from steepest.run_record import as_json, figures
from steepest.sweep_result import Sweep
from steepest.text.findings import explained

MOST_FRAMES = 501
MOST_SWEPT_STEPS = 120  # steps of each path of a sweep


def packed(values: Any, kind: str = "f4") -> dict[str, Any] | None:
    """An array as its bytes; None for none. kind: `f4`, `f8`, `i4` or `u1`.

    >>> packed(np.array([1, 2]), "u1")
    {'u1': 'AQI=', 'shape': [2]}
    """
    if values is None:
        return None
    with np.errstate(over="ignore", invalid="ignore"):
        array = np.ascontiguousarray(values, dtype=f"<{kind}")
    return {kind: base64.b64encode(array.tobytes()).decode(), "shape": list(array.shape)}


def descent(fit: Fit, plane: Any = None) -> dict[str, Any]:
    """A finished fit with all that is played of it."""
    played = playback_data(fit, MOST_FRAMES, plane)
    shown = played.frames
    return {
        "summary": as_json(figures(fit), lambda _: None),
        "words": _words(fit),
        "names": list(fit.names),
        "frames": {
            "step": packed(shown.step, "i4"), "epoch": packed(shown.epoch, "i4"), "lr": packed(played.lr, "f8"),
            "objective": packed(played.objective, "f8"), "gap": packed(played.gap, "f8"),
            "theta": packed(shown.theta, "f8"), "change": packed(played.change, "f8"),
            "gradient": packed(played.gradient, "f8"), "digits": packed(played.digits),
        },
        "exact": packed(played.exact, "f8"),
        "picture": _picture(played, fit.schema.labels),
        "predicted": packed(played.predicted), "actual": packed(played.actual),
        "surface": None if played.surface is None else _surface(played.surface, played.place),
        "directions": None if played.directions is None else _directions(played.directions),
    }  # fmt: skip


def _words(fit: Fit) -> dict[str, str]:
    """What was chosen, in words."""
    return {
        "optimizer": fit.optimizer, "schedule": fit.schedule, "precondition": fit.precondition, "engine": fit.engine,
        "loss": str(fit.loss_function), "model": fit.model_name, "target": ", ".join(fit.schema.targets),
        "status": fit.status.name.lower(), "message": fit.message,
    }  # fmt: skip


def _picture(played: Playback, labels: Any) -> dict[str, Any]:
    shown = played.picture
    names = None if shown.codes is None else [str(one) for one in labels]
    return {
        "kind": shown.kind, "labels": names, "across": shown.across, "up": shown.up, "x": packed(shown.x), "y": packed(shown.y),
        "codes": packed(shown.codes, "i4"), "grid": packed(shown.grid),
        "curves": packed(shown.curves, "u1" if shown.kind == "regions" else "f4"), "exact": packed(shown.exact),
        "low": shown.low, "high": shown.high, "index": packed(shown.rows.index, "i4"), "total": shown.rows.total,
    }  # fmt: skip


def _surface(surface: Surface, place: np.ndarray | None) -> dict[str, Any]:
    return {
        "x": packed(surface.x, "f8"), "y": packed(surface.y, "f8"), "values": packed(surface.cut, "f8"),
        "ceiling": surface.ceiling, "labels": list(surface.plane.labels), "kind": surface.plane.kind,
        "place": packed(place, "f8"), "notes": surface.notes,
        "marks": [{"role": mark.role, "label": mark.label, "place": mark.place.tolist()} for mark in surface.marks],
    }  # fmt: skip


def _directions(along: Directions) -> dict[str, Any]:
    left = as_json(along.left.tolist(), lambda _: None)
    return {"values": along.values.tolist(), "left": left, "gaps": packed(along.gaps, "f8")}


def findings(found: Findings) -> dict[str, Any]:
    """Findings with their remedies, each of which the page can apply."""
    each = [
        {
            "code": one.code, "kind": str(one.kind), "what": one.what, "evidence": one.evidence, "advice": one.advice,
            "remedy": dict(one.remedy), "python": one.python, "predicted": one.predicted, "explains": explained(one),
        }
        for one in found
    ]  # fmt: skip
    return {"findings": each, "looked_at": found.looked_at}


def columns(described: Description) -> dict[str, Any]:
    """The columns of a table: what each was read as."""
    return {"table": as_json(described.to_dict(), lambda _: None)}


def rates(fit: Fit) -> dict[str, Any]:
    """For the slider: the largest stable learning rate and the automatic one, in the coordinates of a rate given as a number."""
    given = fit.inner.spec
    own = {"lr": 1.0, "precondition": "none" if given.precondition == "auto" else given.precondition}
    largest = None if fit.inner.problem is None else largest_lr(given.model_copy(update=own), fit.inner.problem)
    automatic = given.model_copy(update={**own, "lr": "auto"})
    if given.optimizer == "auto":
        automatic = automatic.model_copy(update={"optimizer": "sgd"})
    found = None if fit.inner.train is None else plan(automatic, fit.inner.train).lr
    return as_json({"largest": largest, "automatic": found, "used": fit.lr}, lambda _: None)


def sweep(found: Sweep, fit: Fit) -> dict[str, Any]:
    """Where each run of a sweep ended, and the paths of those that did not diverge on the plane of a fit's surface."""
    rows = found.table().to_pylist()
    paths = []
    if len(fit.names) > 1:
        flat = surface_plane(fit.inner)
        for run, row in enumerate(rows):
            if row["status"] in ("failed", "diverged"):
                continue
            path = found.fit(run).inner.trace.theta
            if path.shape[1] == len(fit.names):
                fine = path[drawable(path)]
                paths.append(packed(flat.project(fine[evenly(len(fine), MOST_SWEPT_STEPS)])))
    return {"runs": as_json(rows, lambda _: None), "paths": paths}


def graph(found: Graph) -> dict[str, Any]:
    """A graph of gradients with a place for each node."""
    places = layout(found)
    nodes = [
        {"id": i, "kind": node.kind, "words": words_of(node), "x": places[i][0], "y": places[i][1]}
        for i, node in found.nodes.items()
    ]
    edges = [{"from": edge.source, "to": edge.target, "factor": edge.factor} for edge in found.edges]
    return {"nodes": nodes, "edges": as_json(edges, lambda _: None), "notes": found.notes}
