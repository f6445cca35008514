"""One HTML file that needs nothing else: figures, films and tables, from disk, with the network off.

plotly.js is in it once, gzipped, and unpacked by the browser (`DecompressionStream`), 1.9 MB in all. A content security
policy forbids the page to load anything from anywhere. Figures are drawn as they come into view, in light or dark
as the reader's system has it, and all of them, light, before the page is printed.
"""

from __future__ import annotations

import base64
import gzip
import json
import os
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from steepest.atomic_file import write_file
from steepest.errors import SpecError
from steepest.plots import theme as looks
from steepest.text.html import escaped, table

SHELL = Path(__file__).with_name("page.html")


class Page:
    """Pieces of HTML in order, and the figures in them."""

    def __init__(self, title: str):
        self.title = title
        self.pieces: list[str] = []
        self.figures: list[str] = []

    def add(self, piece: str) -> None:
        """Add HTML as it is; whatever comes from the user's data must have been through `escaped`."""
        self.pieces.append(piece)

    def heading(self, words: str) -> None:
        """Begin a section."""
        self.add(f"<h2>{escaped(words)}</h2>")

    def sentence(self, words: str, kind: str = "") -> None:
        """Add a paragraph."""
        self.add(f'<p class="{kind}">{escaped(words)}</p>' if kind else f"<p>{escaped(words)}</p>")

    def figure(self, *shown: looks.Figure) -> None:
        """Add figures side by side (below one another where the page is narrow), title and notes as text above them."""
        first = shown[0]
        notes = " ".join(looks.notes_of(first))
        caption = f"<figcaption><b>{escaped(looks.title_of(first))}</b>{escaped(notes)}</figcaption>"
        places = []
        for one in shown:
            layout = one.to_dict()["layout"]
            height, width = layout.get("height", 460), layout.get("width")
            style = f"height:{height}px" + (f";width:{width}px" if width else "")
            places.append(
                f'<div class="wide"><div class="plot" data-figure="{len(self.figures)}" style="{style}"></div></div>'
            )
            self.figures.append(_plain(one))
        inner = places[0] if len(places) == 1 else f'<div class="pair">{"".join(places)}</div>'
        self.add(f"<figure>{caption}{inner}</figure>")

    def table(self, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Add a table; the first column is text."""
        self.add(f'<div class="scroll">{table(heads, rows)}</div>')

    def html(self) -> str:
        """The whole file."""
        figures = ",".join(self.figures)
        templates = ",".join(f'"{tone}":{_template(tone)}' for tone in looks.PAPER)
        known = f'{{"figures":[{figures}],"templates":{{{templates}}},"config":{json.dumps(looks.CONFIG)}}}'
        filled = {
            "TITLE": escaped(self.title),
            "FONT": looks.FONT,
            "LIGHT": _variables("light"),
            "DARK": _variables("dark"),
            "BODY": "\n".join(self.pieces),
            "FIGURES": known.replace("<", "\\u003c"),
            "PLOTLY": plotly_packed() if self.figures else "",
        }
        return "".join(
            filled.get(part, part) if i % 2 else part for i, part in enumerate(_parts(SHELL.read_text("utf-8"), filled))
        )

    def write(self, path: str | os.PathLike[str]) -> Path:
        """Write the file; one that is there is replaced.

        Raises:
            RunError: it cannot be written. SpecError: its name is no page's.
        """
        place = Path(path)
        if place.suffix.lower() not in (".html", ".htm"):
            raise SpecError(f"{str(path)!r} is to be a page; name it .html.")
        write_file(place, self.html().encode())
        return place


def _parts(shell: str, names: dict[str, str]) -> list[str]:
    """The shell cut at its places: text, name, text, name, …; what is put in is never searched for places itself."""
    return re.split("%(" + "|".join(names) + ")%", shell)


def _plain(shown: looks.Figure) -> str:
    """A figure as JSON without title and template, which the page has itself."""
    copy = looks.Figure(shown)
    top = 20 if not copy.to_dict()["layout"].get("annotations") else 40
    copy.update_layout(title=None, margin_t=top, meta=None, template=None, height=None, width=None)
    return str(copy.to_json())


def _template(tone: str) -> str:
    return json.dumps(
        json.loads(str(looks.Figure(layout={"template": looks.template(tone)}).to_json()))["layout"]["template"]
    )


def _variables(tone: str) -> str:
    return "; ".join(f"--{name}: {colour}" for name, colour in looks.PAPER[tone].items())


@cache
def plotly_packed() -> str:
    """plotly.js, gzipped, as base64."""
    from plotly.offline import get_plotlyjs

    return base64.b64encode(gzip.compress(get_plotlyjs().encode(), 9, mtime=0)).decode()
