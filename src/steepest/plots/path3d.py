"""The path of three parameters, coloured by time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from steepest.data.thinning import along
from steepest.data.wording import plain
from steepest.errors import SpecError
from steepest.plots import style
from steepest.plots.drawn_rows import MOST_STEPS, labels, recorded
from steepest.plots.surface.plane import FAR
from steepest.result import inner_of
from steepest.text import colours

if TYPE_CHECKING:
    from steepest.result import Fit


def path3d(
    fit: Fit, parameters: Sequence[str] | None = None, also: Sequence[Fit] = (), theme: str = "light"
) -> style.Figure:
    """The path of three parameters, coloured by time.

    Args:
        parameters: three names; None is the first three that moved most.
        also: other fits of the same parameters.

    Raises:
        SpecError: fewer than three parameters, or a name of none.
    """
    fit, parameters, also = fit.inner, fit.inner_names(parameters), inner_of(also)
    names, paths = path3d_data(fit, parameters, also)
    shown = style.figure(
        f"The path of {', '.join(plain(name) for name in names)}",
        [f"{len(fit.names):,} parameters in all."] if len(fit.names) > 3 else [],
        theme,
        500,
    )
    for i, (path, label) in enumerate(zip(paths, labels([fit, *also]), strict=True)):
        lone = not also
        shown.add_scatter3d(
            **dict(zip("xyz", path[:, 1:].T, strict=True)),
            mode="lines+markers",
            line={"width": 3, "color": style.faded(style.SERIES[i % len(style.SERIES)], 0.6)},
            marker={
                "size": 2.5,
                "color": path[:, 0],
                "colorscale": "Cividis",
                "showscale": i == 0,
                "colorbar": {
                    "title": {"text": "step"},
                    "thickness": 8,
                    "len": 0.7,
                    "outlinewidth": 0,
                    "tickfont": {"size": 10},
                },
            },
            customdata=path[:, 0],
            hovertemplate="step %{customdata:,}<br>"
            + "<br>".join(f"{style.text(name)} %{{{axis}:.5g}}" for name, axis in zip(names, "xyz", strict=True))
            + "<extra></extra>",
            name="path" if lone else style.text(label),
        )
    if fit.exact is not None and fit.exact.theta is not None:
        best = fit.exact.theta[[fit.names.index(name) for name in names]]
        marker = {"symbol": "diamond", "size": 6, "color": colours.EXACT}
        shown.add_scatter3d(
            **{axis: [value] for axis, value in zip("xyz", best, strict=True)},
            mode="markers",
            marker=marker,
            name="exact",
        )
    axes = {f"{axis}axis_title_text": style.text(name) for name, axis in zip(names, "xyz", strict=True)}
    shown.update_layout(scene_aspectmode="cube", scene_camera_eye={"x": 1.6, "y": -1.7, "z": 1.2})
    shown.update_scenes(**axes)
    return shown


def path3d_data(
    fit: Fit, parameters: Sequence[str] | None = None, also: Sequence[Fit] = ()
) -> tuple[list[str], list[np.ndarray]]:
    """The names of three parameters, and for each fit `[T, 4]`: the step and the three values."""
    path = recorded(fit)
    if len(fit.names) < 3:
        raise SpecError(f"path3d() needs three parameters, and this fit has {len(fit.names)}. Use surface().")
    if parameters is None:
        fine = path[np.isfinite(path).all(1) & (np.abs(path) < FAR).all(1)]
        moved = np.ptp(fine, axis=0) if len(fine) else np.zeros(len(fit.names))
        chosen = sorted(np.argsort(-moved, kind="stable")[:3].tolist()) if len(fit.names) > 3 else [0, 1, 2]
    else:
        if unknown := [name for name in parameters if name not in fit.names]:
            raise SpecError(f"{unknown[0]!r} is no parameter here: {', '.join(fit.names[:8])}.")
        chosen = [fit.names.index(name) for name in parameters]
        if len(set(chosen)) != 3:
            raise SpecError(f"path3d() needs three different parameters, and got {len(set(chosen))}.")
    paths = []
    for each in (fit, *also):
        whole = recorded(each)
        fine = np.isfinite(whole).all(1) & (np.abs(whole) < FAR).all(1)
        part, step = whole[fine][:, chosen], each.trace.step[fine]
        kept = along(part, step, MOST_STEPS) if len(step) else np.arange(0)
        paths.append(np.column_stack([step[kept], part[kept]]))
    return [fit.names[i] for i in chosen], paths
