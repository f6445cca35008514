"""Figures in a page: plotly.js is in it once, gzipped, and unpacked by the browser (`DecompressionStream`), 1.9 MB in all."""

from __future__ import annotations

import base64
import gzip
import json
from functools import cache

from steepest.plots import style
from steepest.plots.plotly_parts import go
from steepest.text import colours
from steepest.text.html import escaped
from steepest.text.page import Page


def add_figures(page: Page, *shown: go.Figure) -> None:
    """Add figures side by side (below one another where the page is narrow), title and notes as text above them."""
    first = shown[0]
    notes = " ".join(style.notes_of(first))
    caption = f"<figcaption><b>{escaped(style.title_of(first))}</b>{escaped(notes)}</figcaption>"
    places = []
    for one in shown:
        layout = one.to_dict()["layout"]
        height, width = layout.get("height", 460), layout.get("width")
        size = f"height:{height}px" + (f";width:{width}px" if width else "")
        places.append(
            f'<div class="wide"><div class="plot" data-figure="{len(page.figures)}" style="{size}"></div></div>'
        )
        page.figures.append(_plain(one))
    inner = places[0] if len(places) == 1 else f'<div class="pair">{"".join(places)}</div>'
    page.add(f"<figure>{caption}{inner}</figure>")
    templates = ",".join(f'"{theme}":{_template(theme)}' for theme in colours.PAPER)
    page.drawing = f'"templates":{{{templates}}},"config":{json.dumps(style.CONFIG)}'
    page.library = plotly_packed()


def _plain(shown: go.Figure) -> str:
    """A figure as JSON without title and template, which the page has itself."""
    copy = go.Figure(shown)
    top = 20 if not copy.to_dict()["layout"].get("annotations") else 40
    copy.update_layout(title=None, margin_t=top, meta=None, template=None, height=None, width=None)
    return str(copy.to_json())


@cache
def _template(theme: str) -> str:
    figure = go.Figure(layout={"template": style.template(theme)})
    return json.dumps(json.loads(str(figure.to_json()))["layout"]["template"])


@cache
def plotly_packed() -> str:
    """plotly.js, gzipped, as base64."""
    from plotly.offline import get_plotlyjs

    return base64.b64encode(gzip.compress(get_plotlyjs().encode(), 9, mtime=0)).decode()
