"""A result as blocks of words, tables and code, which a terminal, a notebook and a page show each in its own way.

What is said about a result is written once, as its `Document`; `terminal.py` and `html.py` show one. Strings are plain
text: names from a user's table may be in them as they are, and it is the renderers that let no control character reach
a terminal and no markup a page.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

WIDE = 160
"""Characters of a line of a table at most, where nothing narrower is asked for."""


@dataclass(frozen=True)
class Title:
    """A line that stands out."""

    words: str


@dataclass(frozen=True)
class Words:
    """A sentence or a few; lines apart are lines."""

    words: str


@dataclass(frozen=True)
class Outcome:
    """How it ended: a sentence, and whether that is good, wrong, or open."""

    words: str
    state: Literal["good", "wrong", "open"]


@dataclass(frozen=True)
class Numbers:
    """Numbers with their labels, in one line."""

    pairs: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Bars:
    """A small picture in a cell, of counts `[bins]`; apart: with gaps between the bars. label: what it shows, in words."""

    counts: Sequence[int]
    apart: bool
    label: str


@dataclass(frozen=True)
class Table:
    """Heads and rows of cells. words: the columns of words, which stand to the left; numbers stand to the right."""

    heads: Sequence[str]
    rows: Sequence[Sequence[str | Bars]]
    words: Collection[int] = (0,)


@dataclass(frozen=True)
class Items:
    """A list of sentences below a line of words (or none)."""

    intro: str
    items: Sequence[str]


@dataclass(frozen=True)
class Code:
    """Lines to be copied, never broken, below a line of words (or none)."""

    intro: str
    lines: Sequence[str]


@dataclass(frozen=True)
class Entry:
    """A numbered thing: a small heading, a sentence that stands out, and parts by their labels; a `Code` is never broken."""

    place: int
    heading: str
    what: str
    parts: Sequence[tuple[str, Sequence[str | Code]]]


Block = Title | Words | Outcome | Numbers | Table | Items | Code | Entry


@dataclass(frozen=True)
class Document:
    """Blocks in order.

    spaced: prose of some length, with a blank line between the blocks.
    """

    blocks: Sequence[Block]
    spaced: bool = False
