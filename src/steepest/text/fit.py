"""A fit in a few lines: what a notebook and a terminal show of it, and how a report begins."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from steepest.data.wording import number, plain
from steepest.text import findings
from steepest.text.document import Document, Numbers, Outcome, Title, Words
from steepest.text.scores import about_classes, confusion, scores
from steepest.text.summary import in_short

if TYPE_CHECKING:
    from steepest.result import Fit

IN_A_NOTEBOOK = 20
"""Parameters that are shown of a long list."""


def document(fit: Fit, width: float = inf) -> Document:
    """What is shown of a fit."""
    below = findings.in_brief(fit)
    table, about_errors = in_short(fit, None, IN_A_NOTEBOOK, "fit.params", width)
    said = [*about_classes(fit), *about_errors]
    said += [f"Note: {plain(note, 1_000)}" for note in fit.notes]
    return Document([
        Title(f"{plain(fit.model_name)}, {fit.optimizer}"),
        Numbers(figures_of(fit)),
        Outcome(below.message, fit.status.state),
        *map(Words, below.lines(lambda finding: finding.python, "fit.diagnose()")),
        table,
        scores(fit),
        *confusion(fit),
        *map(Words, said),
    ])  # fmt: skip


def figures_of(fit: Fit) -> list[tuple[str, str]]:
    """What a fit comes to, as (label, number)."""
    tiles = [(f"{fit.loss_function}, {fit.rows:,} rows", number(fit.loss))]
    if fit.test_loss is not None:
        tiles.append((f"held out, {fit.test_rows:,} rows", number(fit.test_loss)))
    if fit.gap is not None:
        tiles.append(("exact optimum", number(fit.scores.exact_objective)))
        tiles.append(("gap to it", f"{fit.gap:.2g}"))
        tiles.append(("relative gap", f"{fit.relative_gap:.1e}"))
    tiles.append(("steps", f"{fit.steps:,}"))
    tiles.append(("seconds", number(fit.seconds)))
    return tiles
