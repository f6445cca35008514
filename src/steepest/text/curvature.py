"""The curvature of a fit as a table: for each coordinates and rule the largest and the best learning rate, and the steps."""

from __future__ import annotations

from math import inf, isfinite, isnan
from typing import TYPE_CHECKING

from steepest.data.wording import counted, number, plain, step_count
from steepest.text.document import Document, Table, Title, Words

if TYPE_CHECKING:
    from steepest.analysis.rate_table import Curvature

HEADS = ("coordinates", "condition", "rule", "largest lr", "fastest lr", "left by a step", "best lr", "steps to 1e-6")


def document(found: Curvature) -> Document:
    """What is shown of a curvature."""
    eigenvalues = (
        f"Eigenvalues from {_number(found.smallest)} to {_number(found.largest)}, steepest along {plain(found.along)!r}; "
        f"condition number {_number(found.condition)} in user units."
    )
    title = f"Curvature of {found.loss} {found.where}, {counted(len(found.theta), 'parameter')}"
    return Document([Title(title), Words(eigenvalues), Table(HEADS, _rows(found)), *map(Words, _ending(found))])


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
    return "∞" if value == inf else number(value, 4, 1e7)


def _left(value: float) -> str:
    """A contraction; near 1 as what is missing to it."""
    if value < 1e-7:
        return "0"
    return f"1 − {1.0 - value:.2g}" if 0.999 < value < 1.0 else number(value, 4)


def _steps(value: float) -> str:
    return "–" if isnan(value) else step_count(value)
