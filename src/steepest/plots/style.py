"""How every picture looks: a light and a dark template, colours, axes, names.

Whatever is paper or ink (backgrounds, grids, text, the shades of a surface) stands in the templates alone, so that a
picture goes from light to dark by its template; the colours are those of `text/colours.py`:

    figure.update_layout(template=template("dark"))
"""

from __future__ import annotations

import html
from functools import cache
from typing import Any

import numpy as np

from steepest.data.wording import plain
from steepest.errors import SpecError
from steepest.plots.plotly_parts import go
from steepest.text.colours import DATA, DESCENT, EXACT, FONT, PAPER, RESIDUAL, TEST


class Cycle(tuple[str, ...]):
    """Words that begin anew after the last: `cycle(i)` is the i-th."""

    def __call__(self, i: int) -> str:
        return self[i % len(self)]


# for several fits or parameters in one picture, each fit with a dash of its own
series = Cycle((DESCENT, "#D6409F", "#C99700", "#7A68D8", "#00A3A3", "#8C6239", "#7F8A96", "#3F8FCB"))
dash = Cycle(("solid", "longdash", "dashdot", "dot"))
# for classes, each with a symbol of its own
class_colour = Cycle((DATA, RESIDUAL, TEST, EXACT, "#8C6239", "#7A68D8", "#00A3A3", "#7F8A96", DESCENT, "#AFA200"))
symbol = Cycle(("circle", "diamond", "square", "triangle-up", "cross", "x", "star", "pentagon"))

CONFIG: dict[str, Any] = {
    "showSendToCloud": False,
    "plotlyServerURL": "",
    "displaylogo": False,
    "responsive": True,
    "scrollZoom": False,
    "toImageButtonOptions": {"format": "png", "scale": 2, "filename": "steepest"},
}
"""Of every figure, whoever shows it: nothing is sent anywhere, and the wheel moves the page, not the view of a surface."""

SHADES = {
    "light": ["#0b3763", "#1d5c94", "#4a8abf", "#86b5da", "#bdd8ec", "#e2eef7", "#f6fafd"],
    "dark": ["#a9d4f5", "#72aede", "#4485bb", "#2a6294", "#1d466d", "#172f48", "#141d28"],
}
"""Of a surface, from its lowest loss to its highest: the heights fade into the paper."""

FEW_DECADES = 2.2  # tenfolds of a log axis up to which numbers between the powers are named
MOST_DECADES = 24  # tenfolds of a log axis at most
SHOWN = 42  # characters of a name in a picture


@cache
def template(theme: str) -> go.layout.Template:
    """The `light` or the `dark` template. Raises SpecError for another name."""
    if theme not in PAPER:
        raise SpecError(f"theme={theme!r} is not known. Known: light, dark.")
    palette, shades = PAPER[theme], SHADES[theme]
    scale = [[i / (len(shades) - 1), colour] for i, colour in enumerate(shades)]  # from the lowest loss to the highest
    both = {"gridcolor": palette["grid"], "linecolor": palette["axis"], "exponentformat": "power"}
    axis = both | {
        "zerolinecolor": palette["axis"],
        "zerolinewidth": 1,
        "tickcolor": palette["axis"],
        "ticks": "outside",
        "ticklen": 4,
        "title": {"standoff": 8, "font": {"size": 13}},
        "tickfont": {"size": 11, "color": palette["faint"]},
        "automargin": True,
    }
    scene = both | {
        "backgroundcolor": palette["paper"],
        "zerolinecolor": palette["grid"],
        "showbackground": True,
        "title": {"font": {"size": 12}},
        "tickfont": {"size": 10, "color": palette["faint"]},
    }
    title = {"x": 0, "xref": "paper", "xanchor": "left", "y": 1, "yref": "container", "yanchor": "top"}
    subtitle = {"font": {"size": 12, "color": palette["faint"]}}
    legend = {"x": 0, "xanchor": "left", "y": 0, "yref": "container", "yanchor": "bottom", "orientation": "h"}
    bar = {"outlinewidth": 0, "ticks": "", "thickness": 10, "tickfont": {"size": 10, "color": palette["faint"]}}
    shaded = {"colorscale": scale, "colorbar": bar}
    layout = {
        "font": {"family": FONT, "size": 13, "color": palette["ink"]},
        "paper_bgcolor": palette["paper"],
        "plot_bgcolor": palette["paper"],
        "title": title | {"pad": {"t": 14, "l": 0}, "font": {"size": 17}, "subtitle": subtitle},
        "margin": {"l": 56, "r": 24, "t": 64, "b": 48},
        "xaxis": axis,
        "yaxis": axis,
        "scene": {f"{name}axis": scene for name in "xyz"} | {"camera": {"eye": {"x": 1.15, "y": -1.5, "z": 1.15}}},
        "legend": legend | {"font": {"size": 12}, "bgcolor": "rgba(0,0,0,0)"},
        "hoverlabel": {"font": {"family": FONT, "size": 12}, "align": "left"},
        "hovermode": "closest",
        "colorway": list(series),
        "annotationdefaults": {"font": {"size": 12, "color": palette["faint"]}, "arrowcolor": palette["faint"]},
        "shapedefaults": {"line": {"color": palette["axis"], "width": 1}},
        "colorscale": {"sequential": scale, "sequentialminus": scale},
    }
    return go.layout.Template(layout=layout, data={key: [shaded] for key in ("contour", "surface", "heatmap")})


def log_axis(values: Any) -> dict[str, Any]:
    """An axis on which each tenfold is as long as the next.

    Where there are few of them, numbers between the powers are written out in full (0.5, 0.02), else powers alone are named;
    where there are very many (a perfect fit, whose loss is rounding) it ends below the highest `MOST_DECADES`.
    """
    fine = np.asarray(values, dtype=float)
    fine = fine[np.isfinite(fine) & (fine > 0)]
    if not fine.size:
        return {"type": "log", "tickformat": ".6~g"}
    top = float(np.log10(fine.max()))
    decades = top - float(np.log10(fine.min()))
    if decades < FEW_DECADES:
        # 1, 2 and 5; where there are hardly so many, evenly spaced numbers
        return {"type": "log", "tickformat": ".6~g"} | ({"dtick": "D2"} if decades > 0.6 else {})
    axis: dict[str, Any] = {"type": "log", "exponentformat": "power", "dtick": max(1, round(decades / 6))}
    if decades > MOST_DECADES:
        axis |= {"range": [top - MOST_DECADES, top + 1], "dtick": MOST_DECADES // 6}
    return axis


def is_wide(values: np.ndarray) -> bool:
    """Whether values are better read on a log axis: all above 0, and of more than one order of magnitude."""
    return bool(values.size) and values.min() > 0 and values.max() > 20 * values.min()


def log_axis_if_wide(values: np.ndarray) -> dict[str, Any]:
    """A log axis where values are better read on one; else nothing."""
    return log_axis(values) if is_wide(values) else {}


def text(name: object, most: int = SHOWN) -> str:
    """A name from the user's data as it may stand in a figure: no markup, no control characters, not too long.

    >>> text("<b>price</b>"), text("a" * 60, 10)
    ('&lt;b&gt;price&lt;/b&gt;', 'aaaaaaaaa…')
    """
    return html.escape(plain(name, most), quote=False)


def faded(colour: str, share: float) -> str:
    """A colour with an opacity.

    >>> faded("#D55E00", 0.5)
    'rgba(213,94,0,0.5)'
    """
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{share:g})"


def title_of(shown: go.Figure) -> str:
    """The title of a figure as plain text."""
    return _meta(shown).get("title", "")


def notes_of(shown: go.Figure) -> list[str]:
    """The notes below the title, as plain text."""
    return list(_meta(shown).get("notes", ()))


def _meta(shown: go.Figure) -> dict[str, Any]:
    return shown.to_dict()["layout"].get("meta", {})
