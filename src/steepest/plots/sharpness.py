"""How sharp the objective is: in words and numbers where a descent ended, and as a picture along the descent.

In the picture the sharpness λ runs under, along or over a dashed line, the curvature up to which the rule holds at its rate.
"""

from __future__ import annotations

from math import isfinite, isnan
from typing import TYPE_CHECKING

import numpy as np

from steepest.data.wording import counted
from steepest.errors import SpecError
from steepest.plots import theme as looks
from steepest.plots.drawn_rows import MOST_STEPS, evenly
from steepest.plots.page import escaped, table
from steepest.text.summary import text_table

if TYPE_CHECKING:
    from steepest.analysis.sharpness import Sharpness

HEADS = ["", "largest", "smallest"]
MEANING = {
    "minimum": "F is curved upwards in every direction, as at a minimum.",
    "saddle": "F is curved downwards along {down}, by {least} at most, as at a saddle.",
    "flat": "F is flat: in at least one direction it is not curved.",
}


def plot(found: Sharpness, theme: str = "light") -> looks.Figure:
    """Sharpness over the steps, and the curvature up to which the rule holds.

    Args:
        theme: `light` or `dark`.

    Raises:
        SpecError: the sharpness was only measured where the descent ended.
    """
    along = found.along
    if along is None:
        raise SpecError("There is nothing to draw: the sharpness along the descent was not asked for (along=40).")
    shown = looks.figure(_title(found), sentences(found), theme=theme)
    shown.update_layout(height=460, xaxis_title="step", yaxis_title="largest curvature λ")
    kept = evenly(len(along.step), MOST_STEPS)
    shown.add_scatter(
        x=along.step[kept], y=along.sharpness[kept], mode="lines+markers" if len(kept) <= 60 else "lines",
        line={"color": looks.DESCENT, "width": 2}, marker={"size": 5}, name="sharpness",
        hovertemplate="step %{x:,}<br>λ %{y:.6g}<extra></extra>",
    )  # fmt: skip
    limit = np.where(np.isfinite(along.limit), along.limit, np.nan)
    if np.isfinite(limit).any():
        shown.add_scatter(
            x=along.step, y=limit, mode="lines", line={"color": looks.PREDICTED, "width": 2, "dash": "dash"},
            name=f"{looks.text(found.rule)} holds below", hovertemplate="step %{x:,}<br>limit %{y:.6g}<extra></extra>",
        )  # fmt: skip
    # where a schedule lets the rate fall to 0 the limit leaves the picture
    values = np.append(along.sharpness, np.min(limit[np.isfinite(limit)], initial=np.inf))
    values = values[np.isfinite(values)]
    if values.min(initial=np.inf) > 0 and values.max() > 20 * values.min():
        ends = [float(np.log10(values.min())) - 0.2, float(np.log10(values.max())) + 0.3]
        shown.update_yaxes(**(looks.log_axis(values) | {"range": ends}))
    elif values.size:
        shown.update_yaxes(range=[min(0.0, 1.1 * float(values.min())), 1.25 * float(values.max())])
    return shown


def text_of(found: Sharpness) -> str:
    """A sharpness as a terminal shows it."""
    return "\n".join([_title(found), *sentences(found), text_table(HEADS, _rows(found))])


def html_of(found: Sharpness) -> str:
    """A sharpness as a notebook shows it."""
    words = "".join(f"<br>{escaped(sentence)}" for sentence in sentences(found))
    return (
        f'<div style="font-variant-numeric:tabular-nums"><b>{escaped(_title(found))}</b>{words}'
        f"{table(HEADS, _rows(found))}</div>"
    )


def sentences(found: Sharpness) -> list[str]:
    """What the numbers mean."""
    down = int((found.smallest < 0).sum())
    ways = counted(down, "direction") if down < len(found.smallest) else f"at least {counted(down, 'direction')}"
    words = [MEANING[found.verdict].format(down=ways, least=looks.number(abs(float(found.smallest[0]))))]
    rest = "and the descent is at rest" if found.at_rest else "and the descent is not yet at rest"
    words[0] += f" The gradient's norm is {looks.number(found.gradient_norm)}, {rest}."
    if isfinite(found.limit):
        times = "of" if found.ratio <= 1.0 else "times"
        words.append(
            f"The sharpness is {looks.number(found.ratio)} {times} the {looks.number(found.limit)} up to which "
            f"{looks.plain(found.rule)} holds at lr {looks.number(found.lr)}."
        )
    elif isnan(found.limit):
        words.append(f"For {looks.plain(found.rule)} no largest curvature is known.")
    if found.rows < found.all_rows:
        words.append(f"Measured on {found.rows:,} of {found.all_rows:,} rows.")
    return words


def _title(found: Sharpness) -> str:
    return f"Sharpness {looks.number(float(found.largest[0]))}, {counted(found.parameters, 'parameter')}"


def _rows(found: Sharpness) -> list[list[str]]:
    pairs = zip(found.largest.tolist(), found.smallest.tolist(), strict=True)
    return [[str(i), looks.number(high), looks.number(low)] for i, (high, low) in enumerate(pairs, 1)]
