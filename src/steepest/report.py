"""One page for a fit: what was fitted, how well, every picture that applies, and how to do it again.

    fit.report("fit.html")

The file works from disk with the network off and can be mailed; see `text/page.py`.
"""

from __future__ import annotations

import os
import shlex
import tomllib
from collections.abc import Callable, Iterator
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from steepest.command_words import options
from steepest.data.wording import capitalized, counted, plain
from steepest.errors import FitError, SpecError
from steepest.plots import loss_curve, parameters, predictions, residuals
from steepest.plots.figure import figure
from steepest.plots.film.frames import frames_data
from steepest.plots.graph import draw as graph_drawing
from steepest.plots.page import add_figures
from steepest.plots.surface import draw as surface_drawing
from steepest.plots.surface.data import Surface, surface_data
from steepest.result import Fit
from steepest.storage.run_folder import check_page, is_page, kept_at, settings_text, write_page
from steepest.text import colours, findings
from steepest.text.document import Code, Table
from steepest.text.fit import figures_of
from steepest.text.html import escaped, html_of
from steepest.text.page import Page
from steepest.text.scores import about_classes, confusion, scores
from steepest.text.summary import in_short

FILM = 40
"""Frames of the film in a report."""

MOST_COEFFICIENTS = 500


def report(fit: Fit, path: str | os.PathLike[str], *, film: bool = True) -> Path:
    """Write the page of a fit; a file that is there is replaced.

    `report.html` in a run's folder, and `report-25.html` in a sweep's, belong to the run and are replaced and removed with it.

    Args:
        path: the file, `.html`.
        film: put the film of the descent in it, too (it takes a second).

    Returns:
        The file.

    Raises:
        RunError: it cannot be written. SpecError: its name is no page's.

    Example:
        >>> from steepest.fitting import fit
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     report(fit([0.0, 1.0, 2.0, 3.0], [1.0, 3.1, 4.9, 7.0]), f"{folder}/line.html", film=False).name
        'line.html'
    """
    place = Path(path)
    if not is_page(place.name) or kept_at(place.parent) is None:
        return page(fit, film).write(path)
    check_page(place.parent, place.name)
    write_page(place.parent, page(fit, film).html().encode(), place.name)
    return place


def page(fit: Fit, film: bool = True) -> Page:
    """The page of a fit, in pieces."""
    targets = ", ".join(plain(name) for name in fit.schema.targets)
    made = Page(f"{plain(fit.model_name)} fit of {targets}")
    made.sentence(_what(fit), "faint")
    ending, colour = capitalized(findings.in_brief(fit).message), colours.STATES[fit.status.state]
    made.add(f'<div class="ending" style="--ending:{colour}">{escaped(ending)}</div>')
    tiles = (f"<div><small>{escaped(label)}</small><b>{escaped(value)}</b></div>" for label, value in figures_of(fit))
    made.add(f'<div class="tiles">{"".join(tiles)}</div>')
    if fit.gap is None:
        made.sentence(fit.exact_note, "faint")
    made.show(scores(fit), *confusion(fit))
    made.heading("Parameters")
    for sentence in ("In the units of the table.", *about_classes(fit)):
        made.sentence(sentence, "faint")
    table, about_errors = in_short(fit, None, MOST_COEFFICIENTS, "fit.params")
    made.show(table)
    for sentence in about_errors:
        made.sentence(sentence, "faint")
    left_out = []
    for heading, draw in _pictures(fit.inner, film):
        before = len(made.pieces)
        made.heading(heading)
        try:
            draw(made)
        except (FitError, SpecError) as error:
            del made.pieces[before:]
            left_out.append(f"{heading}: {error}")
    made.heading("Diagnosis")
    try:
        made.add(html_of(findings.document(fit.diagnose())))
    except FitError as error:  # why nothing is said about it
        made.sentence(str(error))
    made.heading("Settings, and how to do it again")
    made.show(Table(("setting", "value"), _settings(fit)))
    for note in (*fit.notes, *left_out):
        made.sentence(note, "faint")
    made.show(*(Code("", call.split("\n")) for call in (python_of(fit), command_of(fit)) if call))
    made.sentence(f"Made with steepest {version('steepest')}. DATA, table, x and y stand for your data.", "faint")
    return made


def _what(fit: Fit) -> str:
    held = f", {fit.test_rows:,} held out" if fit.test_rows else ""
    return (
        f"{fit.rows:,} rows{held}, {counted(len(fit.schema.names), 'column')}, {counted(len(fit.names), 'parameter')}; "
        f"{fit.loss_function} by {fit.optimizer}, lr {fit.lr:.4g} ({fit.schedule}), coordinates {fit.precondition}."
    )


def _pictures(fit: Fit, film: bool) -> Iterator[tuple[str, Callable[[Page], None]]]:
    """Every picture that applies: a heading, and what adds it to a page."""
    yield "The rows and the fit", lambda made: add_figures(made, predictions.plot(fit))
    if fit.schema.classes is None and len(fit.schema.targets) == 1 and fit.metrics["train"]:
        yield "Residuals", lambda made: add_figures(made, residuals.residuals(fit))
    yield "The descent", lambda made: add_figures(made, loss_curve.loss_curve(fit))
    yield "The parameters on the way", lambda made: add_figures(made, parameters.parameters(fit))
    surface = cache(lambda: surface_data(fit))
    if len(fit.names) > 1:
        yield "The surface of the loss", lambda made: _surface(made, surface())
    if len(fit.names) > 2 and len(fit.names) <= 500:
        yield "The path", lambda made: add_figures(made, parameters.path3d(fit))
    if film:
        yield "The film", lambda made: made.add(_film(fit, surface() if len(fit.names) > 1 else None))
    yield "The graph of the gradient", lambda made: add_figures(made, graph_drawing.graph(fit))


def _film(fit: Fit, surface: Surface | None) -> str:
    from steepest.plots.film import encode  # Matplotlib takes a third of a second to come

    return encode.film(fit, frames_data(fit, FILM), surface).to_html()


def _surface(made: Page, data: Surface) -> None:
    flat, bowl = (figure(surface_drawing.title(data), data.notes) for _ in range(2))
    surface_drawing.on_map(flat, data)
    surface_drawing.on_bowl(bowl, data)
    add_figures(made, flat, bowl)
    if not data.plane.exact:
        trust = figure(
            "How far the plane can be trusted", ["The loss on the plane beside the true loss, step by step."]
        )
        trust.update_layout(height=260)
        surface_drawing.on_plane_error(trust, data)
        add_figures(made, trust)


def _given(fit: Fit) -> dict[str, Any]:
    """The settings that differ from the defaults and can be written down."""
    return tomllib.loads(settings_text(fit.spec)[0])


def _settings(fit: Fit) -> list[list[str]]:
    taken = {
        "model": fit.model_name,
        "loss": str(fit.loss_function),
        "optimizer": fit.optimizer,
        "lr": f"{fit.lr:.6g}",
        "schedule": fit.schedule,
        "precondition": fit.precondition,
        "engine": fit.engine,
    }
    return [[name, plain(value, 200)] for name, value in (_given(fit) | taken).items()]


def python_of(fit: Fit) -> str:
    """The call of `st.fit` that makes this fit."""
    given = _given(fit)
    data = "table" if "target" in given else "x, y"
    words = [data, *(f"{name}={value!r}" for name, value in given.items())]
    return f"import steepest as st\n\nfit = st.fit({', '.join(words)})"


def command_of(fit: Fit) -> str:
    """The command that makes this fit; "" where a setting can only be given in Python."""
    given, nameless = _given(fit), settings_text(fit.spec)[1]
    if nameless:
        return ""
    words = ["steepest", "fit", "DATA"]
    if "target" not in given:
        words += ["--target", ",".join(fit.schema.targets)]
    return shlex.join([*words, *options(given)])
