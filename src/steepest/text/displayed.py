"""What a result inherits to be shown: by `print` as text, by a notebook as HTML, both of its one document."""

from __future__ import annotations

from math import inf

from steepest.text import html, terminal
from steepest.text.document import Document


class Displayed:
    """A result that says by `_document` what there is to say about it."""

    def _document(self, width: float) -> Document:
        """What is shown; width: characters of a line of a terminal, inf where it is a page."""
        raise NotImplementedError

    def __str__(self) -> str:
        width = terminal.columns()
        return terminal.text(self._document(width), width)

    def _repr_html_(self) -> str:
        return html.html_of(self._document(inf))
