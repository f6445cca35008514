"""The path of three parameters, coloured by time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from steepest.data.wording import plain
from steepest.errors import SpecError
from steepest.plots import style
from steepest.plots.drawn import (
    check_one_model,
    drawable,
    exact_theta,
    fits_of,
    labels,
    most_moved,
    places_of,
    recorded,
    steps_along,
)
from steepest.plots.figure import Figure, figure
from steepest.result import Fit
from steepest.text import colours


@dataclass(frozen=True)
class Paths3d:
    """names: three parameters. paths: of each fit `[T, 4]`, the step and the three values. exact: `[3]`, or None."""

    names: list[str]
    labels: list[str]
    paths: list[np.ndarray]
    exact: np.ndarray | None


def path3d_data(fit: Fit, parameters: Sequence[str] | None = None, also: Sequence[Fit] = ()) -> Paths3d:
    """The paths of the parameters named, or of those that moved most."""
    path, fits, best = recorded(fit), [fit, *also], exact_theta(fit)
    check_one_model(fits)
    if len(fit.names) < 3:
        raise SpecError(f"path3d() needs three parameters, and this fit has {len(fit.names)}. Use surface().")
    named = None if parameters is None else places_of(parameters, fit.names, "path3d()", 3)
    chosen, paths = most_moved(path[drawable(path)], 3) if named is None else named, []
    for whole, step in ((recorded(each), each.trace.step) for each in fits):
        kept = steps_along(whole[:, chosen], step)
        paths.append(np.column_stack([step[kept], whole[kept][:, chosen]]))
    return Paths3d([fit.names[i] for i in chosen], labels(fits), paths, None if best is None else best[chosen])


def path3d(fit: Fit, parameters: Sequence[str] | None = None, also: Sequence[Fit] = (), theme: str = "light") -> Figure:
    """The path of three parameters, coloured by time.

    Args:
        parameters: three names; None is the first three that moved most.
        also: other fits of the same parameters.
        theme: `light` or `dark`.

    Raises:
        SpecError: fewer than three parameters, or a name of none.
    """
    parameters = fit.inner_names(parameters)
    fit, *also = fits_of(fit, also)
    data = path3d_data(fit, parameters, also)
    notes = [f"{len(fit.names):,} parameters in all."] if len(fit.names) > 3 else []
    shown = figure(f"The path of {', '.join(map(plain, data.names))}", notes, theme, 500, data)
    named = [f"{style.text(name)} %{{{axis}:.5g}}" for name, axis in zip(data.names, "xyz", strict=True)]
    bar = {"title": {"text": "step"}, "thickness": 8, "len": 0.7, "outlinewidth": 0, "tickfont": {"size": 10}}
    for i, (path, label) in enumerate(zip(data.paths, data.labels, strict=True)):
        shown.add_scatter3d(
            **_xyz(path[:, 1:].T), mode="lines+markers", customdata=path[:, 0],
            line={"width": 3, "color": style.faded(style.series(i), 0.6)},
            marker={
                "size": 2.5, "color": path[:, 0], "colorscale": "Cividis", "showscale": i == 0, "colorbar": bar,
            },
            hovertemplate="<br>".join(["step %{customdata:,}", *named]) + "<extra></extra>",
            name="path" if not also else style.text(label),
        )  # fmt: skip
    if data.exact is not None:
        marker = {"symbol": "diamond", "size": 6, "color": colours.EXACT}
        shown.add_scatter3d(**_xyz(data.exact[:, None]), mode="markers", marker=marker, name="exact")
    shown.update_layout(scene_aspectmode="cube", scene_camera_eye={"x": 1.6, "y": -1.7, "z": 1.2})
    shown.update_scenes(**{f"{a}axis_title_text": style.text(n) for a, n in zip("xyz", data.names, strict=True)})
    return shown


def _xyz(points: Any) -> dict[str, Any]:
    return dict(zip("xyz", points, strict=True))
