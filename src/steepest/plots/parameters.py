"""The path of the parameters: each over the steps, its exact value dashed; or three of them in space, coloured by time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from steepest.data.wording import counted, plain
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
from steepest.plots.figure import Figure, cell, figure, panels
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

    Example:
        >>> from steepest.fitting import fit
        >>> parameters(fit([0.0, 1.0, 2.0, 3.0], [1.0, 3.1, 4.9, 7.0])).source_data.names
        ['intercept', 'x']
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


# ---- three in space --------------------------------------------------------------------------------


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

    Example:
        >>> from steepest.fitting import fit
        >>> parabola = fit([0.0, 1.0, 2.0, 3.0], [1.0, 2.0, 5.0, 10.5], model="poly:2")
        >>> path3d(parabola).source_data.names
        ['intercept', 'x', 'x^2']
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
