"""A figure: Plotly's, shown and written without any network, with the lines and points that pictures are drawn of.

shown = figure("Title", notes, theme, height=460, data=data)        `panels(…)` for several side by side
shown.line(x, y, colour)
shown.points(x, y, colour)
shown.source_data                                                   data, the numbers behind the picture
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from typing import Any, Self

import numpy as np

from steepest.plots import notebook
from steepest.plots.plotly_parts import go, io, make_subplots
from steepest.plots.style import CONFIG, faded, template, text
from steepest.text.colours import DESCENT

NOTEBOOKS = ("", None, "plotly_mimetype", "jupyterlab", "nteract", "vscode")
"""Plotly's renderers that leave the drawing to the notebook."""

WHEEL = """document.getElementById("{plot_id}").addEventListener("wheel", turned => turned.stopPropagation(), {capture: true});"""
"""plotly.js would keep the wheel over a surface to itself."""

HOVER = "%{x:.6g}, %{y:.6g}"  # what stands beside the pointer where nothing else is said
MOST_POINTS = 4_000  # rows drawn at most
MOST_SHAPES = 1_000  # rows up to which each is a shape of its own; more are left to the graphics card


class Figure(go.Figure):
    """A Plotly figure that is shown and written without any network: plotly.js is inside, no service is offered.

    source_data: what was drawn, as a dataclass of names and arrays (of several fits a list of them); its docstring says what
    each is. None of a figure that was made by hand or read from JSON.
    """

    source_data: Any = None

    def begun(
        self, title: str, notes: Iterable[str], theme: str, height: float, data: Any, room: int = 0, **layout: Any
    ) -> Self:
        """Itself, with a title and what must be known to read the picture; see `figure` and `titled`."""
        self.update_layout(template=template(theme), height=height, **layout)
        self.source_data = data
        titled(self, title, notes, room)
        return self

    def line(
        self, x: Any, y: Any, colour: str, width: float = 2.0, dash: str = "solid", hover: str | None = HOVER, **more: Any
    ) -> None:  # fmt: skip
        """Add a line. hover: what stands beside the pointer, None for nothing. more: of `add_scatter`, `row` and `col` too."""
        shape = {"color": colour, "width": width, "dash": dash}
        self.add_scatter(x=x, y=y, line=shape, **{"mode": "lines"} | _hovered(hover) | more)

    def points(
        self, x: Any, y: Any, colour: Any, size: float = 6, opacity: float = 1.0, symbol: str = "circle",
        hover: str | None = HOVER, edge: dict[str, Any] | None = None, **more: Any,
    ) -> None:  # fmt: skip
        """Add points; see `line`. edge: of each point, as Plotly has it."""
        marker = {"size": size, "color": colour, "opacity": opacity, "symbol": symbol, "line": edge}
        draw = self.add_scattergl if len(x) > MOST_SHAPES else self.add_scatter
        draw(x=x, y=y, marker=marker, **{"mode": "markers"} | _hovered(hover) | more)

    def rows(self, x: Any, y: Any, colour: str, size: float = 6, few: int = 400, **more: Any) -> None:
        """Add rows of a table as points: from `few` of them on smaller and paler."""
        many = len(x) >= few
        self.points(x, y, colour, size - 2 if many else size, 0.4 if many else 0.75, **more)

    def band(self, x: Any, low: Any, high: Any, colour: str, opacity: float = 0.18, **more: Any) -> None:
        """Fill what lies between two curves. more: of `add_scatter`, `row` and `col` too."""
        fill = {"fill": "toself", "fillcolor": faded(colour, opacity)}
        x, y = np.concatenate([x, x[::-1]]), np.concatenate([high, low[::-1]])
        self.line(x, y, faded(colour, 0.0), 0, hover=None, **fill, **more)

    def shares(self, x: Any, y: Any, z: Any, colour: str, ends: tuple[float, float], **more: Any) -> None:
        """Add a map of shares, 0 to 1, in a colour of the opacities `ends`. more: of `add_heatmap`."""
        scale = [[share, faded(colour, opacity)] for share, opacity in enumerate(ends)]
        self.add_heatmap(x=x, y=y, z=z, zmin=0, zmax=1, colorscale=scale, showscale=False, **more)

    def bars(self, x: Any, names: list[str], **more: Any) -> None:
        """Add horizontal bars with a name each. more: of `add_bar`."""
        look = {"orientation": "h", "marker_color": DESCENT, "hovertemplate": "%{y} %{x:.4g}<extra></extra>"}
        self.add_bar(x=x, y=names, **look, **more)

    def show(self, *args: Any, config: dict[str, Any] | None = None, **options: Any) -> Any:
        """Show it with Plotly's renderer, and in a notebook so that pages made of it have the picture, too."""
        if self._is_for_a_notebook() and not (args or config or options):
            return self._ipython_display_()
        return super().show(*args, config=CONFIG | (config or {}), **options)

    def to_html(self, *args: Any, config: dict[str, Any] | None = None, post_script: Any = None, **options: Any) -> str:
        """HTML that holds all it needs."""
        return super().to_html(*args, config=CONFIG | (config or {}), post_script=_after(post_script), **options)

    def write_html(
        self, *args: Any, config: dict[str, Any] | None = None, post_script: Any = None, **options: Any
    ) -> Any:
        """A file that works from disk, with all it needs in it.

        Args:
            args, options: as of Plotly's; the first is the path.
            config: settings of Plotly's page.
            post_script: a script that runs once it is drawn.

        Example:
            >>> import tempfile
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     Figure().write_html(f"{folder}/empty.html")
        """
        return super().write_html(*args, config=CONFIG | (config or {}), post_script=_after(post_script), **options)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None, validate: bool = True, **options: Any) -> Any:
        theirs = super()._repr_mimebundle_(include, exclude, validate, config=CONFIG, **options)
        # somebody who has chosen a renderer gets what it makes
        return theirs if set(theirs) - {notebook.MIME} else notebook.bundle(self)

    def _ipython_display_(self) -> None:
        return notebook.publish(self) if self._is_for_a_notebook() else super()._ipython_display_()

    def _is_for_a_notebook(self) -> bool:
        chosen = io.renderers
        return notebook.kernel() is not None and chosen.render_on_display and chosen.default in NOTEBOOKS

    def _repr_html_(self) -> str:
        return self.to_html(full_html=False)


def _hovered(template: str | None) -> dict[str, Any]:
    if template is None:
        return {"hoverinfo": "skip"}
    return {"hovertemplate": template if "<extra>" in template else f"{template}<extra></extra>"}


def _after(scripts: Any) -> list[str]:
    """What runs once the figure is drawn."""
    return [WHEEL, *([scripts] if isinstance(scripts, str) else scripts or [])]


def figure(
    title: str, notes: Iterable[str] = (), theme: str = "light", height: float = 460, data: Any = None, **layout: Any
) -> Figure:
    """An empty figure with its title, and below it what must be known to read the picture.

    title and notes are plain text; `style.title_of` and `style.notes_of` give them back. data: its `source_data`.
    """
    return Figure().begun(title, notes, theme, height, data, **layout)


def panels(
    title: str, notes: Iterable[str], theme: str, height: float, data: Any, rows: int = 1, cols: int = 1, room: int = 0,
    **grid: Any,
) -> Figure:  # fmt: skip
    """The same with several panels. room: for titles of panels. grid: as `plotly.subplots.make_subplots` has it."""
    return Figure(make_subplots(rows=rows, cols=cols, **grid)).begun(title, notes, theme, height, data, room)


def titled(shown: Figure, title: str, notes: Iterable[str] = (), room: int = 0) -> Figure:
    """The figure under a title, with notes; room is made for them, and `room` more for titles of panels."""
    notes = [note for note in notes if note]
    lines = [line for note in notes for line in textwrap.wrap(note, 112)]
    heading: dict[str, Any] = {"text": text(title, 110)}
    if lines:
        heading["subtitle"] = {"text": "<br>".join(text(line, 200) for line in lines)}
    shown.update_layout(
        title=heading, margin_t=64 + 17 * len(lines) + room, meta={"title": title, "notes": notes}, overwrite=False
    )
    return shown


def cell(i: int, wide: int, first: int = 1) -> dict[str, Any]:
    """Where the i-th of several panels stands, `wide` in a row, from the row `first` on."""
    return {"row": first + i // wide, "col": 1 + i % wide}
