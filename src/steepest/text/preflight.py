"""What is known before any fit: findings, the table of learning rates that work, and calls to copy."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from steepest.command_words import in_options
from steepest.data.wording import step_count
from steepest.text import findings
from steepest.text.document import Block, Code, Document, Table, Words

if TYPE_CHECKING:
    from steepest.preflight import Preflight, Prospect

SHOWN_AIM = "1e-6"
"""The relative gap to which steps are counted."""

HEADS = ("coordinates", "rule", "condition", "largest lr", "best lr", f"steps to {SHOWN_AIM}")


def document(ahead: Preflight) -> Document:
    """What is shown of a preflight in Python."""
    return _document(ahead, ahead.python, str)


def command_document(ahead: Preflight) -> Document:
    """What the command shows of it: the same in options."""
    return _document(ahead, ahead.command, in_options)


def _document(ahead: Preflight, call: Callable[[Prospect | None], str], said: Callable[[str], str]) -> Document:
    blocks: list[Block] = [*findings.blocks(ahead.findings)]
    rows = []
    for one in ahead.prospects:
        numbers = [f"{one.condition:.3g}", f"{one.largest:.4g}", f"{one.lr:.4g}", step_count(one.steps)]
        rows.append([one.precondition, one.optimizer, *numbers])
    if rows:
        blocks.append(Table(HEADS, rows, words=(0, 1)))
    if ahead.recommended:
        lines = []
        for one in ahead.recommended:
            steps = f"{step_count(one.steps)} step{'' if one.steps == 1 else 's'}"
            lines.append(f"{call(one)}  # {'' if one.exact else 'about '}{steps}")
        blocks.append(Code("These arrive:", lines))
    blocks += [Words(said(sentence)) for sentence in ahead.sentences]
    return Document([*blocks, Code(said(ahead.defaults), [call(None)])], spaced=True)
