"""The sharpness along a descent as a picture: λ, and dashed the curvature up to which the rule holds at its rate."""

from __future__ import annotations

import numpy as np

from steepest.analysis.sharpness import Sharpness
from steepest.data.thinning import evenly
from steepest.errors import SpecError
from steepest.plots import style
from steepest.plots.drawn import MOST_STEPS
from steepest.plots.figure import Figure, figure
from steepest.text import colours
from steepest.text.sharpness import sentences, title


def plot(found: Sharpness, theme: str = "light") -> Figure:
    """Sharpness over the steps, and the curvature up to which the rule holds.

    Args:
        theme: `light` or `dark`.

    Raises:
        SpecError: the sharpness was only measured where the descent ended.

    Example:
        >>> from steepest.analysis.sharpness import sharpness
        >>> from steepest.fitting import fit
        >>> found = sharpness(fit([0.0, 1.0, 2.0], [1.0, 3.0, 6.0], lr=0.1, epochs=50), along=5)
        >>> plot(found).source_data.sharpness.round(6).tolist()
        [4.774852, 4.774852, 4.774852, 4.774852, 4.774852]
    """
    along = found.along
    if along is None:
        raise SpecError("There is nothing to draw: the sharpness along the descent was not asked for (along=40).")
    shown = figure(title(found), sentences(found), theme, 460, along)
    shown.update_layout(xaxis_title="step", yaxis_title="largest curvature λ")
    kept = evenly(len(along.step), MOST_STEPS)
    more = {"mode": "lines+markers" if len(kept) <= 60 else "lines", "marker": {"size": 5}, "name": "sharpness"}
    hover = "step %{x:,}<br>λ %{y:.6g}"
    shown.line(along.step[kept], along.sharpness[kept], colours.DESCENT, hover=hover, **more)
    limit = np.where(np.isfinite(along.limit), along.limit, np.nan)
    if np.isfinite(limit).any():
        hover, name = "step %{x:,}<br>limit %{y:.6g}", f"{style.text(found.rule)} holds below"
        shown.line(along.step, limit, colours.PREDICTED, dash="dash", hover=hover, name=name)
    # where a schedule lets the rate fall to 0 the limit leaves the picture
    values = np.append(along.sharpness, np.min(limit[np.isfinite(limit)], initial=np.inf))
    values = values[np.isfinite(values)]
    if style.is_wide(values):
        ends = [float(np.log10(values.min())) - 0.2, float(np.log10(values.max())) + 0.3]
        shown.update_yaxes(**(style.log_axis(values) | {"range": ends}))
    elif values.size:
        shown.update_yaxes(range=[min(0.0, 1.1 * float(values.min())), 1.25 * float(values.max())])
    return shown
