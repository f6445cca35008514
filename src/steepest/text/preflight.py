"""What is known before any fit, as text for a terminal and as HTML for a notebook: findings, the table, calls to copy."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from typing import TYPE_CHECKING

from steepest.data.wording import step_count
from steepest.settings import in_options
from steepest.text import findings
from steepest.text.findings import escaped, folded, printable

if TYPE_CHECKING:
    from collections.abc import Callable

    from steepest.preflight import Outlook
    from steepest.preflight_rates import Prospect

SHOWN_AIM = "1e-6"
"""The relative gap to which steps are counted."""

HEADS = ("coordinates", "rule", "condition", "largest lr", "best lr", f"steps to {SHOWN_AIM}")


def text_of(ahead: Outlook, width: int | None = None) -> str:
    """An outlook as Python prints it."""
    return _text(ahead, ahead.python, str, width)


def command_text(ahead: Outlook, width: int | None = None) -> str:
    """An outlook as the command prints it."""
    return _text(ahead, ahead.command, in_options, width)


def _text(ahead: Outlook, call: Callable[[Prospect | None], str], said: Callable[[str], str], width: int | None) -> str:
    room = min(width or shutil.get_terminal_size().columns, findings.WIDEST)
    blocks = [findings.text_of(ahead.findings, room)]
    if ahead.prospects:
        blocks.append(_columns(HEADS, rows_of(ahead)))
    if ahead.recommended:
        # a call is never broken, so that it can be copied
        calls = "\n".join(f"  {printable(call(one))}  # {steps_of(one)}" for one in ahead.recommended)
        blocks.append(f"These arrive:\n{calls}")
    blocks += [folded(said(sentence), room) for sentence in ahead.sentences]
    blocks.append(f"{folded(said(ahead.defaults), room)}\n  {printable(call(None))}")
    return "\n\n".join(blocks)


def steps_of(one: Prospect) -> str:
    """How many steps a line of the table takes."""
    return f"{'' if one.exact else 'about '}{step_count(one.steps)} step{'' if one.steps == 1 else 's'}"


def rows_of(ahead: Outlook) -> list[list[str]]:
    """The rows of the table, as they are shown."""
    return [
        [
            one.precondition,
            one.optimizer,
            f"{one.condition:.3g}",
            f"{one.largest:.4g}",
            f"{one.lr:.4g}",
            step_count(one.steps),
        ]
        for one in ahead.prospects
    ]


def _columns(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table as text: words to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    lines = [
        "  ".join(
            f"{cell:{'<' if place < 2 else '>'}{width}}"
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in (heads, ["─" * width for width in widths], *rows)
    ]
    return "\n".join(lines)


def html_of(ahead: Outlook) -> str:
    """An outlook as a notebook shows it."""
    parts = [findings.html_of(ahead.findings)]
    if ahead.prospects:
        head = "".join(f"<th>{escaped(word)}</th>" for word in HEADS)
        body = "".join(
            "<tr>" + "".join(f"<td>{escaped(cell)}</td>" for cell in row) + "</tr>" for row in rows_of(ahead)
        )
        parts.append(f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>")
    if ahead.recommended:
        calls = "\n".join(escaped(f"{ahead.python(one)}  # {steps_of(one)}") for one in ahead.recommended)
        parts.append(f"<p>These arrive:</p><pre>{calls}</pre>")
    parts += [f"<p>{escaped(sentence)}</p>" for sentence in ahead.sentences]
    parts.append(f"<p>{escaped(ahead.defaults)}</p><pre>{escaped(ahead.python())}</pre>")
    return f'<div style="font-variant-numeric:tabular-nums">{"".join(parts)}</div>'
