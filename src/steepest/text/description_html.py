"""A description of a table as text for a terminal and as HTML for a notebook: a small picture in each row."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from typing import TYPE_CHECKING

from steepest.data.wording import counted
from steepest.text import findings
from steepest.text.findings import escaped, folded, printable

if TYPE_CHECKING:
    from steepest.description import ColumnDescription, Description

HEADS = ("column", "type", "missing", "values", "")
BARS = "▁▂▃▄▅▆▇█"
PLAIN = ("numbers", "true and false")
"""Decisions that nobody needs to be told in a terminal."""
WIDEST_NAME, WIDEST_VALUES = 24, 52


def text_of(described: Description, width: int | None = None) -> str:
    """A description as a terminal shows it: one line a column, then what was decided and what a fit would refuse."""
    room = width or shutil.get_terminal_size().columns
    rows = [HEADS, *(_cells(column) for column in described.columns)]
    shares = [_cut(row[0], WIDEST_NAME) for row in rows], [_cut(row[1], 16) for row in rows], [row[2] for row in rows]
    spans = [max(map(len, cells)) for cells in shares]
    left = max(12, min(WIDEST_VALUES, room - sum(spans) - 8 - max(len(row[4]) for row in rows)))
    lines = []
    for at, row in enumerate(rows):
        name, kind, missing = (cells[at] for cells in shares)
        values = row[3] if len(row[3]) <= left else _cut(row[3].partition(", median")[0], left)
        line = f"{name:{spans[0]}}  {kind:{spans[1]}}  {missing:>{spans[2]}}  {values:{left}}  {row[4]}"
        lines.append(line.rstrip())
    blocks = [heading(described), "\n".join(lines)]
    prose = min(room, findings.WIDEST)
    if said := sentences(described):
        blocks.append("\n".join(folded(sentence, prose, "- ", "  ") for sentence in said))
    if decisions := [
        decision(column) for column in described.columns if not column.fault and column.decided not in PLAIN
    ]:
        blocks.append(
            "\n".join(["To read a column otherwise:", *(folded(one, prose, "- ", "  ") for one in decisions)])
        )
    if described.faults:
        faults = "\n".join(folded(fault, prose, "- ", "  ") for fault in described.faults)
        blocks.append(f"{refused(described)}\n{faults}")
    return "\n\n".join(blocks)


def heading(described: Description) -> str:
    """Where the table comes from, and its size."""
    size = f"{counted(described.rows, 'row')}, {counted(len(described.columns), 'column')}"
    table = printable(described.table)
    return f"{table[:1].upper()}{table[1:]}: {size}."


def sentences(described: Description) -> list[str]:
    """What was decided while the table was read: of the whole table first, then of each column."""
    return list(dict.fromkeys([*described.notes, *(said for column in described.columns for said in column.read)]))


def decision(column: ColumnDescription) -> str:
    """How the type of a column was decided, and how to have it read otherwise."""
    otherwise = f". Otherwise: {column.otherwise}" if column.otherwise else ""
    return f"{printable(column.name)}: {column.decided or column.kind}{otherwise}"


def refused(described: Description) -> str:
    """What stands above the faults."""
    several = len(described.faults) > 1
    return f"A fit on all columns needs {'an answer to each of these' if several else 'an answer to this'}:"


def _cells(column: ColumnDescription) -> tuple[str, str, str, str, str]:
    kind = f"{column.kind} ({column.unit})" if column.unit else column.kind
    missing = f"{column.missing:,}" if column.missing else ""
    return printable(column.name), printable(kind), missing, printable(values_of(column)), spark(column.counts)


def values_of(column: ColumnDescription) -> str:
    """The range and the median of numbers; the most frequent levels of words."""
    if column.quantiles is not None:
        found = column.quantiles
        if found.minimum == found.maximum:
            return f"{found.minimum:.6g} in every row"
        return f"{found.minimum:.6g} to {found.maximum:.6g}, median {found.median:.6g}"
    if not column.levels:
        return ""
    more = column.distinct - len(column.levels)
    shown = ", ".join(f"{level} ({rows:,})" for level, rows in column.levels)
    return f"{shown}, {more:,} more" if more > 0 else shown


def spark(counts: Sequence[int]) -> str:
    """Counts as a row of bars; a bin without rows is a gap.

    >>> spark([0, 1, 4, 8])
    ' ▁▄█'
    """
    top = max(counts, default=0)
    return "".join(" " if count == 0 else BARS[-(-count * len(BARS) // top) - 1] for count in counts) if top else ""


def _cut(text: str, room: int) -> str:
    return text if len(text) <= room else text[: room - 1] + "…"


def html_of(described: Description) -> str:
    """A description as a notebook shows it."""
    said = "".join(f"<li>{escaped(sentence)}</li>" for sentence in sentences(described))
    faults = "".join(f"<li>{escaped(fault)}</li>" for fault in described.faults)
    parts = [f"<p>{escaped(heading(described))}</p>", table_of(described)]
    if said:
        parts.append(f"<ul>{said}</ul>")
    if faults:
        parts.append(f"<p>{escaped(refused(described))}</p><ul>{faults}</ul>")
    return "".join(parts)


def table_of(described: Description) -> str:
    """The columns as HTML; the picture stands beside the name, so that a narrow screen shows both."""
    left = ' style="text-align:left"'
    names = ("column", "distribution", "type", "missing", "values", "decided by", "otherwise")
    heads = "".join(f"<th{left}>{head}</th>" for head in names)
    rows = []
    for column in described.columns:
        name, kind, missing, values, _ = _cells(column)
        how = ("refused", "") if column.fault else (column.decided, column.otherwise)
        cells = "".join(f"<td{left}>{escaped(cell)}</td>" for cell in (kind, missing, values, *how))
        rows.append(f"<tr><td{left}>{escaped(name)}</td><td{left}>{bars(column)}</td>{cells}</tr>")
    body = f"<thead><tr>{heads}</tr></thead><tbody>{''.join(rows)}</tbody>"
    return f'<div style="overflow-x:auto"><table>{body}</table></div>'


def bars(column: ColumnDescription, width: int = 132, height: int = 28) -> str:
    """The picture of a column as SVG: a bar a bin of numbers, with gaps between the bars of levels."""
    if not column.counts:
        return ""
    top, wide = max(column.counts), width / len(column.counts)
    gap = 0.5 if column.quantiles is not None else wide * 0.3
    drawn = "".join(
        f'<rect x="{at * wide:.2f}" y="{height - tall:.2f}" width="{max(wide - gap, 0.5):.2f}" height="{tall:.2f}"/>'
        for at, count in enumerate(column.counts)
        if (tall := (height - 1) * count / top) > 0
    )
    return (
        f'<svg width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{escaped(values_of(column))}" fill="currentColor" fill-opacity="0.55">{drawn}</svg>'
    )
