"""One HTML file that needs nothing else: words, tables, figures and films, from disk, with the network off.

A content security policy forbids the page to load anything from anywhere. Figures (`plots/page.py` adds them) are drawn
as they come into view, in light or dark as the reader's system has it, and all of them, light, before the page is printed.
"""

from __future__ import annotations

import os
from pathlib import Path

from steepest.atomic_file import write_file
from steepest.errors import SpecError
from steepest.text.colours import FONT, PAPER
from steepest.text.document import Block, Table
from steepest.text.html import block_html, escaped, put_in

SHELL = Path(__file__).with_name("page.html")
BUTTON = '<button class="theme" type="button">light / dark</button>'


class Page:
    """Pieces of HTML in order below a title.

    figures: each as JSON, in the order of their places. drawing: what draws them, JSON members beside the figures, and
    the library, packed.
    """

    def __init__(self, title: str):
        self.title = title
        self.pieces = [f"<header><h1>{escaped(title)}</h1>{BUTTON}</header>"]
        self.figures: list[str] = []
        self.drawing = '"templates":{},"config":{}'
        self.library = ""

    def add(self, piece: str) -> None:
        """Add HTML as it is; whatever comes from the user's data must have been through `escaped`."""
        self.pieces.append(piece)

    def heading(self, words: str) -> None:
        """Begin a section."""
        self.add(f"<h2>{escaped(words)}</h2>")

    def sentence(self, words: str, kind: str = "") -> None:
        """Add a paragraph."""
        self.add(f'<p class="{kind}">{escaped(words)}</p>' if kind else f"<p>{escaped(words)}</p>")

    def show(self, *blocks: Block) -> None:
        """Add blocks of a document; a wide table can be scrolled."""
        for block in blocks:
            piece = block_html(block, "p")
            self.add(f'<div class="scroll">{piece}</div>' if isinstance(block, Table) else piece)

    def html(self) -> str:
        """The whole file."""
        filled = {
            "TITLE": escaped(self.title),
            "FONT": FONT,
            "LIGHT": _variables("light"),
            "DARK": _variables("dark"),
            "BODY": "\n".join(self.pieces),
            "FIGURES": f'{{"figures":[{",".join(self.figures)}],{self.drawing}}}'.replace("<", "\\u003c"),
            "PLOTLY": self.library,
        }
        return put_in(SHELL, filled)

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


def _variables(theme: str) -> str:
    return "; ".join(f"--{name}: {colour}" for name, colour in PAPER[theme].items())
