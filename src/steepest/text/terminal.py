"""A document as a terminal shows it: plain text, aligned tables, lines no longer than can be read."""

from __future__ import annotations

import re
import shutil
import textwrap
from collections.abc import Collection, Iterator, Sequence

from rich.cells import cell_len, chop_cells

from steepest.text.document import WIDE, Bars, Block, Code, Document, Entry, Items, Numbers, Table

WIDEST = 110
"""Characters of a line of prose at most: longer ones are hard to read."""

NARROWEST = 12
"""Characters that the first column of a table has at least."""

BARS = "▁▂▃▄▅▆▇█"

GLUE = "\N{NO-BREAK SPACE}"
"""A blank at which no line ends."""

LABELLED = 11
"""Characters of a label, with the space after it."""


def columns() -> int:
    """Characters in a line of the terminal."""
    return shutil.get_terminal_size().columns


def text(document: Document, width: int | None = None) -> str:
    """A document as plain text, at most `width` wide: prose as the terminal is by default, tables `WIDE`."""
    prose = min(width or columns(), WIDEST)
    return ("\n\n" if document.spaced else "\n").join(
        block_text(block, prose, width or WIDE) for block in document.blocks
    )


def block_text(block: Block, prose: int | None = None, width: int = WIDE) -> str:
    """One block; prose: characters at which sentences are folded (None: never). width: of a table at most."""
    match block:
        case Table():
            return table(block, width)
        case Numbers():
            return folded(" · ".join(f"{label} {value}" for label, value in block.pairs), prose)
        case Code():
            return "\n".join([*_said(block.intro, prose), *(f"  {printable(line)}" for line in block.lines)])
        case Items():
            return "\n".join([*_said(block.intro, prose), *(folded(item, prose, "- ", "  ") for item in block.items)])
        case Entry():
            return "\n".join(_entry(block, prose))
        case _:
            return "\n".join(folded(line, prose) for line in block.words.split("\n"))


def _said(intro: str, prose: int | None) -> list[str]:
    return [folded(intro, prose)] if intro else []


def _entry(block: Entry, prose: int | None) -> Iterator[str]:
    indent = " " * (len(str(block.place)) + 2)
    yield folded(block.heading, prose, f"{block.place}. ", indent)
    yield folded(block.what, prose, indent, indent)
    under = indent + " " * LABELLED
    for label, parts in block.parts:
        begin = f"{indent}{label + ':':{LABELLED}}"
        for part in parts:
            if isinstance(part, Code):
                for line in part.lines:
                    yield begin + printable(line)
                    begin = under
            else:
                yield folded(part, prose, begin, under)
            begin = under


def table(shown: Table, width: int = WIDE) -> str:
    """A table in aligned columns; one wider than `width` has its first column folded, and no number is ever broken."""
    cells, widths = _measured(shown)
    widths[0] = min(widths[0], max(width - sum(widths[1:]) - 2 * (len(widths) - 1), NARROWEST))
    lines = []
    for row in (cells[0], ["─" * each for each in widths], *cells[1:]):
        first, *more = _broken(row[0], widths[0])
        lines.append(_line([first, *row[1:]], widths, shown.words))
        lines += more
    return "\n".join(lines)


def _broken(words: str, width: int) -> list[str]:
    """A name in lines of so many characters, broken after a blank, `=` or `:` or before `[` where there is one; further lines
    are indented.

    >>> _broken("good: City name=New York", 18)
    ['good: City name=', '  New York']
    >>> _broken("C(city, contr.sum)[S.Oslo]", 18)
    ['C(city, contr.sum)', '  [S.Oslo]']
    """
    if cell_len(words) <= width:
        return [words]
    lines, line = [], ""
    for piece in re.findall(r"\[?[^ =:\[]*[ =:]*", words):
        if line.strip() and cell_len((line + piece).rstrip()) > width:
            lines.append(line.rstrip())
            line = "  "
        line += piece
        while cell_len(line.rstrip()) > width:
            first = chop_cells(line, width)[0]
            lines.append(first)
            line = "  " + line[len(first) :]
    return [*lines, *([line.rstrip()] if line.strip() else [])]


def width_of(shown: Table) -> int:
    """Characters in a line of a table."""
    widths = _measured(shown)[1]
    return sum(widths) + 2 * (len(widths) - 1)


def _measured(shown: Table) -> tuple[list[list[str]], list[int]]:
    """Its cells, heads first, and the width of each column."""
    rows = (shown.heads, *shown.rows)
    cells = [[spark(cell.counts) if isinstance(cell, Bars) else printable(cell) for cell in row] for row in rows]
    return cells, [max(map(cell_len, column)) for column in zip(*cells, strict=True)]


def spark(counts: Sequence[int]) -> str:
    """Counts as a row of bars; a bin without rows is a gap.

    >>> spark([0, 1, 4, 8])
    ' ▁▄█'
    """
    top = max(counts, default=0)
    return "".join(" " if count == 0 else BARS[-(-count * len(BARS) // top) - 1] for count in counts) if top else ""


def _line(row: Sequence[str], widths: Sequence[int], words: Collection[int]) -> str:
    gaps = (" " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=True))
    return "  ".join(
        cell + gap if at in words else gap + cell for at, (cell, gap) in enumerate(zip(row, gaps, strict=True))
    ).rstrip()


def folded(words: str, width: int | None, first: str = "", rest: str = "") -> str:
    """Words in lines of at most `width` characters (None: one line).

    Options are not broken at their hyphens, paths nowhere, and of parts that are set apart by ` · ` none.

    >>> print(folded("F 12.3 · degrees of freedom left 173", 30))
    F 12.3 ·
    degrees of freedom left 173
    """
    words = printable(words)
    if width is None:
        return first + words
    if " · " in words:
        parts = [part.replace(" ", GLUE) if len(part) < width else part for part in words.split(" · ")]
        words = f"{GLUE}· ".join(parts)
    return textwrap.fill(
        words, width, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False, break_long_words=False
    ).replace(GLUE, " ")


def printable(words: object) -> str:
    """Words without control characters, which could move a terminal's cursor or colour it.

    >>> printable("a\\x1b[31mb")
    'a [31mb'
    """
    return "".join(letter if letter.isprintable() else " " for letter in str(words))
