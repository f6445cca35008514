"""A document as a notebook and a page show it: HTML in which every word is escaped."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from pathlib import Path

from steepest.text.colours import STATES
from steepest.text.document import Bars, Block, Code, Document, Entry, Items, Numbers, Outcome, Table, Title
from steepest.text.terminal import printable

CODE = '<code style="white-space:pre-wrap;overflow-wrap:anywhere">'


def html_of(document: Document) -> str:
    """A document as a piece of HTML."""
    inner = "".join(block_html(block, "p" if document.spaced else "div") for block in document.blocks)
    numbers = any(isinstance(block, Table) for block in document.blocks)
    return f'<div style="font-variant-numeric:tabular-nums">{inner}</div>' if numbers else inner


def block_html(block: Block, tag: str = "div") -> str:
    """One block, sentences in `tag`."""
    match block:
        case Title():
            return f"<b>{escaped(block.words)}</b>"
        case Outcome():
            bar = f"border-left:4px solid {STATES[block.state]};padding-left:6px"
            return f'<div style="{bar}">{escaped(block.words)}</div>'
        case Numbers():
            pairs = (f"{escaped(label)} <b>{escaped(value)}</b>" for label, value in block.pairs)
            return f"<{tag}>{' · '.join(pairs)}</{tag}>"
        case Table():
            return table(block)
        case Items():
            items = "".join(f"<li>{escaped(item)}</li>" for item in block.items)
            return f"{_said(block.intro, tag)}<ul>{items}</ul>"
        case Code():
            return f"{_said(block.intro, tag)}<pre>{chr(10).join(map(escaped, block.lines))}</pre>"
        case Entry():
            return f'<section class="finding" style="margin:1em 0">{_entry(block)}</section>'
        case _:
            return f"<{tag}>{'<br>'.join(map(escaped, block.words.split(chr(10))))}</{tag}>"


def _said(intro: str, tag: str) -> str:
    return f"<{tag}>{escaped(intro)}</{tag}>" if intro else ""


def _entry(block: Entry) -> str:
    lines = [f"<small>{block.place}. {escaped(block.heading)}</small>", f"<b>{escaped(block.what)}</b>"]
    for label, parts in block.parts:
        said = [
            "<br>".join(f"{CODE}{escaped(line)}</code>" for line in part.lines)
            if isinstance(part, Code)
            else escaped(part)
            for part in parts
        ]
        lines.append(f"<small>{escaped(label)}:</small> {'<br>'.join(said)}")
    return "".join(f'<div style="margin:.25em 0;overflow-wrap:anywhere">{line}</div>' for line in lines)


def table(shown: Table) -> str:
    """A table, everything in it escaped; several columns of words stand to the left."""
    left = {at: ' style="text-align:left"' for at in shown.words} if len(shown.words) > 1 else {}
    head = "".join(f"<th{left.get(at, '')}>{escaped(word)}</th>" for at, word in enumerate(shown.heads))
    shown_rows = [[bars(cell) if isinstance(cell, Bars) else escaped(cell) for cell in row] for row in shown.rows]
    rows = ("".join(f"<td{left.get(at, '')}>{cell}</td>" for at, cell in enumerate(row)) for row in shown_rows)
    body = "".join(f"<tr>{cells}</tr>" for cells in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def bars(shown: Bars, width: int = 132, height: int = 28) -> str:
    """A small picture as SVG."""
    if not shown.counts:
        return ""
    top, wide = max(shown.counts), width / len(shown.counts)
    gap = wide * 0.3 if shown.apart else 0.5
    drawn = "".join(
        f'<rect x="{at * wide:.2f}" y="{height - tall:.2f}" width="{max(wide - gap, 0.5):.2f}" height="{tall:.2f}"/>'
        for at, count in enumerate(shown.counts)
        if (tall := (height - 1) * count / top) > 0
    )
    return (
        f'<svg width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{escaped(shown.label)}" fill="currentColor" fill-opacity="0.55">{drawn}</svg>'
    )


def put_in(shell: Path, values: Mapping[str, str]) -> str:
    """A file of HTML with values in the places `%NAME%`; what is put in is never searched for places itself."""
    parts = re.split("%(" + "|".join(values) + ")%", shell.read_text(encoding="utf-8"))  # text, name, text, name, …
    return "".join(values[part] if i % 2 else part for i, part in enumerate(parts))


def escaped(words: object) -> str:
    """Words for HTML, without control characters."""
    return html.escape(printable(words))
