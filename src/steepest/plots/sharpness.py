"""The sharpness along a descent as a picture: λ, and dashed the curvature up to which the rule holds at its rate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from steepest.data.thinning import evenly
from steepest.errors import SpecError
from steepest.plots import style
from steepest.plots.drawn_rows import MOST_STEPS
from steepest.text import colours
from steepest.text.sharpness import sentences, title

if TYPE_CHECKING:
    from steepest.analysis.sharpness import Sharpness


def plot(found: Sharpness, theme: str = "light") -> style.Figure:
    """Sharpness over the steps, and the curvature up to which the rule holds.

    Args:
        theme: `light` or `dark`.

    Raises:
        SpecError: the sharpness was only measured where the descent ended.
    """
    along = found.along
    if along is None:
        raise SpecError("There is nothing to draw: the sharpness along the descent was not asked for (along=40).")
    shown = style.figure(title(found), sentences(found), theme=theme)
    shown.update_layout(height=460, xaxis_title="step", yaxis_title="largest curvature λ")
    kept = evenly(len(along.step), MOST_STEPS)
    shown.add_scatter(
        x=along.step[kept], y=along.sharpness[kept], mode="lines+markers" if len(kept) <= 60 else "lines",
        line={"color": colours.DESCENT, "width": 2}, marker={"size": 5}, name="sharpness",
        hovertemplate="step %{x:,}<br>λ %{y:.6g}<extra></extra>",
    )  # fmt: skip
    limit = np.where(np.isfinite(along.limit), along.limit, np.nan)
    if np.isfinite(limit).any():
        shown.add_scatter(
            x=along.step, y=limit, mode="lines", line={"color": colours.PREDICTED, "width": 2, "dash": "dash"},
            name=f"{style.text(found.rule)} holds below", hovertemplate="step %{x:,}<br>limit %{y:.6g}<extra></extra>",
        )  # fmt: skip
    # where a schedule lets the rate fall to 0 the limit leaves the picture
    values = np.append(along.sharpness, np.min(limit[np.isfinite(limit)], initial=np.inf))
    values = values[np.isfinite(values)]
    if values.min(initial=np.inf) > 0 and values.max() > 20 * values.min():
        ends = [float(np.log10(values.min())) - 0.2, float(np.log10(values.max())) + 0.3]
        shown.update_yaxes(**(style.log_axis(values) | {"range": ends}))
    elif values.size:
        shown.update_yaxes(range=[min(0.0, 1.1 * float(values.min())), 1.25 * float(values.max())])
    return shown
