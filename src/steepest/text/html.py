"""Pieces of HTML: tables and text, everything in them escaped."""

from __future__ import annotations

import html
from collections.abc import Sequence


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table as HTML, everything in it escaped."""
    head = "".join(f"<th>{escaped(word)}</th>" for word in heads)
    body = "".join("<tr>" + "".join(f"<td>{escaped(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def escaped(words: object) -> str:
    """Text for HTML."""
    return html.escape(str(words))
