"""Each parameter over the steps, its exact value dashed: the path, one coordinate at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from steepest.data.wording import counted
from steepest.plots import style
from steepest.plots.drawn import exact_theta, most_moved, places_of, recorded, steps_along
from steepest.plots.figure import Figure, cell, panels
from steepest.result import Fit
from steepest.text import colours

MOST_PARAMETERS = 12  # parameters that get a panel of their own


@dataclass(frozen=True)
class ParameterPaths:
    """The values of some parameters over the steps. names: q of them. step: `[T]`. theta: `[T, q]`. exact: `[q]` or None."""

    names: list[str]
    step: np.ndarray
    theta: np.ndarray
    exact: np.ndarray | None
    total: int


def parameter_data(fit: Fit, names: Sequence[str] | None = None) -> ParameterPaths:
    """The path of the parameters named, or of those that moved most (by default 12, in their own order)."""
    path, best = recorded(fit), exact_theta(fit)
    if names is None:
        # by what they moved against their own size, so that units do not decide
        fine, size = np.where(np.isfinite(path), path, 0.0), np.nan_to_num(np.abs(fit.theta))
        chosen = most_moved(fine, MOST_PARAMETERS, size)
    else:
        chosen = places_of(names, fit.names)
    kept = steps_along(path[:, chosen], fit.trace.step)
    exact = None if best is None else best[chosen]
    return ParameterPaths(
        [fit.names[i] for i in chosen], fit.trace.step[kept], path[kept][:, chosen], exact, len(fit.names)
    )


def parameters(fit: Fit, names: Sequence[str] | None = None, theme: str = "light") -> Figure:
    """Each parameter over the steps, with its exact value as a dashed line.

    Args:
        names: which parameters; None is the twelve that moved most.
        theme: `light` or `dark`.

    Raises:
        SpecError: a name of no parameter. FitError: the trace does not hold θ.
    """
    fit, names = fit.inner, fit.inner_names(names)
    data = parameter_data(fit, names)
    wide = min(len(data.names), 3)
    tall = -(-len(data.names) // wide)
    notes = []
    if len(data.names) < data.total:
        which = "those that moved most" if names is None else "those named"
        notes.append(f"{len(data.names)} of {data.total:,} parameters: {which}.")
    if left := int((~np.isfinite(fit.trace.theta).all(1)).sum()):
        notes.append(f"{counted(left, 'step')} left out: θ is no number there.")
    shown = panels(
        f"Parameters over {counted(fit.steps, 'step')}", notes, theme, 150 + 170 * tall, data, tall, wide, room=24,
        shared_xaxes=True, vertical_spacing=min(0.2, 0.42 / tall), horizontal_spacing=0.09,
        subplot_titles=[style.text(name, 66 // wide) for name in data.names],
    )  # fmt: skip
    for i, name in enumerate(map(style.text, data.names)):
        more: dict[str, Any] = {"showlegend": i == 0, **cell(i, wide)}
        mode, hover = "lines" if len(data.step) > 1 else "markers", f"step %{{x:,}}<br>{name} %{{y:.6g}}"
        shown.line(data.step, data.theta[:, i], colours.DESCENT, hover=hover, name="descent", mode=mode, **more)
        if data.exact is not None and data.step.size:
            ends, level = data.step[[0, -1]], data.exact[i]
            hover = f"exact {name} {level:.6g}"
            shown.line(ends, [level] * 2, colours.EXACT, 1.6, "dash", hover=hover, name="exact", **more)
    shown.update_xaxes(nticks=5)
    shown.update_yaxes(nticks=5)
    for column in range(1, wide + 1):
        shown.update_xaxes(title_text="step", row=tall, col=column)
    shown.update_annotations(font_size=13)
    return shown
