"""The curvature of a fit as a table, in a terminal and in a notebook."""

from __future__ import annotations

from math import isfinite, isnan
from typing import TYPE_CHECKING

from steepest.data.wording import counted, plain, step_count
from steepest.text.html import escaped, table
from steepest.text.summary import text_table

if TYPE_CHECKING:
    from steepest.analysis.rate_table import Curvature

HEADS = ["coordinates", "condition", "rule", "largest lr", "fastest lr", "left by a step", "best lr", "steps to 1e-6"]


def text_of(found: Curvature) -> str:
    """A curvature as a terminal shows it."""
    return "\n".join([*_sentences(found), text_table(HEADS, _rows(found)), *_ending(found)])


def html_of(found: Curvature) -> str:
    """A curvature as a notebook shows it."""
    first, *more = _sentences(found)
    paragraphs = "".join(f"<br>{escaped(words)}" for words in more)
    ending = "".join(f"<div>{escaped(words)}</div>" for words in _ending(found))
    return (
        f'<div style="font-variant-numeric:tabular-nums"><b>{escaped(first)}</b>{paragraphs}'
        f"{table(HEADS, _rows(found))}{ending}</div>"
    )


def _sentences(found: Curvature) -> list[str]:
    steepest = plain(found.along)
    return [
        f"Curvature of {found.loss} {found.where}, {counted(len(found.theta), 'parameter')}",
        f"Eigenvalues from {_number(found.smallest)} to {_number(found.largest)}, steepest along {steepest!r}; "
        f"condition number {_number(found.condition)} in user units.",
    ]


def _rows(found: Curvature) -> list[list[str]]:
    rows, before = [], ""
    for pace in found.paces:
        head = [pace.coordinates, _number(pace.condition)] if pace.coordinates != before else ["", ""]
        numbers = [_number(pace.largest), _number(pace.fastest), _left(pace.contraction)]
        numbers += [_number(pace.best), _steps(pace.steps)]
        rows.append([*head, pace.rule, *numbers])
        before = pace.coordinates
    return rows


def _ending(found: Curvature) -> list[str]:
    lines = [
        "The fastest lr leaves least of the distance in the end; at the best lr the relative gap is below 1e-6 soonest, "
        "counted from this fit's start."
    ]
    if found.own is not None:
        own = found.own
        parts = [f"This fit: {plain(own.rule)} at lr {_number(own.lr)}, coordinates {own.coordinates}"]
        if isfinite(own.largest):
            times = "of" if own.ratio <= 1.0 else "times"
            parts.append(f"{_number(own.ratio)} {times} the largest rate {_number(own.largest)}")
        if not isnan(own.contraction):
            parts.append(f"a step leaves {_left(own.contraction)}")
        if not isnan(own.steps):
            parts.append("never arrives" if not isfinite(own.steps) else f"{_steps(own.steps)} steps to 1e-6")
        lines.append("; ".join(parts) + ".")
        if own.floor is not None:
            lines.append(
                f"Its batches come to rest at an expected gap of {_number(own.floor.gap)}; at lr "
                f"{_number(own.floor.half_lr)}, or with batches of {own.floor.half_batch_size:,} rows, at half of it."
            )
    if found.local:
        lines.append(f"The curvature of {found.loss} changes with θ: all of this holds near there.")
    return lines + list(found.notes)


def _number(value: float) -> str:
    return (
        "∞"
        if value == float("inf")
        else "–"
        if isnan(value)
        else f"{value:,.0f}"
        if 1e4 <= value < 1e7
        else f"{value:.4g}"
    )


def _left(value: float) -> str:
    """A contraction; near 1 as what is missing to it."""
    if isnan(value):
        return "–"
    if value < 1e-7:
        return "0"
    return f"1 − {1.0 - value:.2g}" if 0.999 < value < 1.0 else f"{value:.4g}"


def _steps(value: float) -> str:
    return "–" if isnan(value) else step_count(value)
