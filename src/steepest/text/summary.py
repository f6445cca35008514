"""A fit and a trace in a few lines: what a notebook and a terminal show of them, and how a report begins."""

from __future__ import annotations

from collections.abc import Sequence
from io import StringIO
from typing import TYPE_CHECKING

import numpy as np

from steepest.data.thinning import evenly
from steepest.data.wording import number, plain
from steepest.text import colours, findings
from steepest.text.html import escaped, table
from steepest.text.scores import about_classes, coefficients, confusion, not_shown, rich_table, scores

if TYPE_CHECKING:
    from steepest.descent.trace import Trace
    from steepest.result import Fit

IN_A_NOTEBOOK = 20
WIDE = 160


def ending_colour(fit: Fit) -> str:
    """Green where the descent arrived, red where it went wrong, orange between."""
    wrong = fit.status.name in ("DIVERGED", "SEPARABLE")
    return colours.EXACT if fit.status.arrived else colours.DESCENT if wrong else colours.RESIDUAL


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


def fit_html(fit: Fit) -> str:
    """A fit as a notebook shows it."""
    numbers = " · ".join(f"{escaped(label)} <b>{escaped(value)}</b>" for label, value in figures_of(fit))
    title = f"{plain(fit.model_name)}, {fit.optimizer}"
    below = findings.under(fit)
    found = "".join(f"<div>{'<br>'.join(map(escaped, lines))}</div>" for lines in _found(below))
    counts = confusion(fit)
    said = [*about_classes(fit), *not_shown(fit, IN_A_NOTEBOOK, "fit.params"), *map(_note, fit.notes)]
    return (
        f'<div style="font-variant-numeric:tabular-nums"><b>{escaped(title)}</b><br>{numbers}<br>'
        f'<span style="border-left:4px solid {ending_colour(fit)};padding-left:6px">{escaped(below.message)}</span>'
        f"{found}{table(*coefficients(fit, IN_A_NOTEBOOK))}{table(*scores(fit))}"
        + (f"<div>{escaped(counts[0])}</div>{table(*counts[1:])}" if counts else "")
        + f"{''.join(f'<div>{escaped(sentence)}</div>' for sentence in said)}</div>"
    )


def fit_text(fit: Fit) -> str:
    """A fit as a terminal shows it."""
    numbers = " · ".join(f"{label} {value}" for label, value in figures_of(fit))
    title = f"{plain(fit.model_name)}, {fit.optimizer}"
    below = findings.under(fit)
    found = [f"{lines[0]}\n{''.join(f'   {line}' for line in lines[1:])}".rstrip() for lines in _found(below)]
    counts = confusion(fit)
    blocks = [text_table(*coefficients(fit, IN_A_NOTEBOOK)), text_table(*scores(fit))]
    blocks += [f"{counts[0]}:\n{text_table(*counts[1:])}"] if counts else []
    said = [*about_classes(fit), *not_shown(fit, IN_A_NOTEBOOK, "fit.params"), *map(_note, fit.notes)]
    return "\n".join([title, numbers, below.message, *found, *blocks, *said])


def _note(note: str) -> str:
    return f"Note: {plain(note, 1_000)}"


def _found(below: findings.Under) -> list[tuple[str, ...]]:
    """What stands under a fit about its findings, each in a line or two, and where the others are."""
    lines: list[tuple[str, ...]] = []
    for place, finding in enumerate(below.shown, 1):
        what, change = findings.brief(finding, finding.python)
        lines.append((f"{place}. {what}", change))
    return [*lines, (f"{below.more:,} more: fit.diagnose()",)] if below.more else lines


def text_table(heads: Sequence[str], rows: Sequence[Sequence[str]], width: int = WIDE) -> str:
    """A table as text: the first column to the left, numbers to the right."""
    from rich.console import Console

    console = Console(file=StringIO(), width=width)
    console.print(rich_table(heads, rows))
    lines = console.file.getvalue().splitlines()  # pyrefly: ignore
    return "\n".join(line.rstrip() for line in lines if line.strip())


def trace_html(trace: Trace) -> str:
    """A trace as a notebook shows it: a few rows from its first to its last step."""
    return f"<div>{len(trace):,} recorded steps{table(*_steps(trace))}</div>"


def trace_text(trace: Trace) -> str:
    """A trace as a terminal shows it."""
    return f"{len(trace):,} recorded steps\n{text_table(*_steps(trace))}"


def _steps(trace: Trace) -> tuple[list[str], list[list[str]]]:
    """Heads and rows of a few steps, from the first to the last."""
    names = list(trace.COLUMNS) + [plain(name) for name in trace.names[:8]]
    rows = []
    for i in evenly(len(trace), 12).tolist():
        cells = [f"{getattr(trace, name)[i]:,}" if name in ("step", "epoch") else "" for name in trace.COLUMNS]
        for k, name in enumerate(trace.COLUMNS):
            if not cells[k]:
                cells[k] = number(float(getattr(trace, name)[i]))
        rows.append(cells + [number(float(value)) for value in np.atleast_1d(trace.theta[i])[:8]])
    return names, rows
