"""A surface drawn: as a map with contours and as a bowl, side by side, and below them how far the plane can be trusted.

`on_map`, `on_bowl` and `on_plane_error` draw one part each into a figure; the report uses them one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from steepest.data.wording import plain
from steepest.plots import style
from steepest.plots.plotly_parts import make_subplots
from steepest.plots.surface.data import Mark, Path, Surface, surface_data
from steepest.result import inner_of
from steepest.text import colours

if TYPE_CHECKING:
    from steepest.result import Fit

HOVERED = 6
"""Parameters that a hover names."""

LIFT = 0.008
"""Paths float this share of the bowl's height above it, or they would flicker through it."""

MARKS = {
    "start": {"symbol": "circle-open", "size": 10},
    "end": {"symbol": "circle", "size": 10},
    "exact": {"symbol": "star", "size": 15},
}


def surface(
    fit: Fit,
    loss: Any = None,
    also: Sequence[Fit] = (),
    plane: Any = None,
    window: Any = None,
    grid: int | None = None,
    coordinates: str = "user",
    others: str = "held",
    seed: int = 0,
    theme: str = "light",
) -> style.Figure:
    """The loss over a plane of θ, as a map and as a bowl, with the path, start, end and exact optimum.

    Args:
        loss: another loss whose surface to draw; None is the fit's own.
        also: other fits of the same parameters, on the same plane.
        plane: two names of parameters, `path` (principal components of the paths), `hessian` (the steepest directions
            about the optimum) or `random`; by default the two parameters, or `path` where there are more.
        window: what to show: ((left, right), (low, high)), or a number: that far around the exact answer.
        grid: points a side; None is 50, and fewer (25 at least) where a network takes long for each.
        coordinates: `user` units, or those of the `descent`: the valley after preconditioning.
        others: of two named parameters: the other ones `held` at the end, or `minimised` over (linear family).
        seed: of random directions.
        theme: `light` or `dark`.

    Raises:
        SpecError: a name, word or window that does not fit. FitError: a loaded fit, which has no rows.

    Example:
        >>> from steepest.fitting import fit
        >>> shown = surface(fit([0.0, 1.0, 2.0], [1.0, 3.0, 5.5]))
        >>> shown.layout.xaxis.title.text, shown.layout.yaxis.title.text
        ('intercept', 'x')
    """
    fit, plane, also = fit.inner, fit.inner_names(plane), inner_of(also)
    return draw(surface_data(fit, loss, also, plane, window, grid, coordinates, others, seed), theme)


def draw(data: Surface, theme: str = "light") -> style.Figure:
    """A surface's map and bowl side by side; the loss along the path below, where the plane does not show it exactly."""
    exact = data.plane.exact
    shown = style.Figure(
        make_subplots(
            rows=1 if exact else 2,
            cols=2,
            column_widths=[0.46, 0.54],
            row_heights=[1.0] if exact else [0.74, 0.26],
            vertical_spacing=0.16,
            horizontal_spacing=0.08,
            specs=[[{"type": "xy"}, {"type": "scene"}]] + ([] if exact else [[{"type": "xy", "colspan": 2}, None]]),
        )
    )
    shown.update_layout(template=style.template(theme), height=480 if exact else 660)
    style.titled(shown, title(data), data.notes)
    on_map(shown, data, {"x": 0.445, "y": 0.5} if exact else {"x": 0.445, "y": 0.69, "len": 0.6}, row=1, col=1)
    on_bowl(shown, data, row=1, col=2)
    if not exact:
        on_plane_error(shown, data, row=2, col=1)
    return shown


def title(data: Surface) -> str:
    """What a surface shows: `mse over intercept and x`."""
    a, b = (plain(label) for label in data.plane.labels)
    whose = "path" if len(data.paths) == 1 else "paths"
    return {
        "path": f"{data.loss} on the principal plane of the {whose}",
        "hessian": f"{data.loss} along its two steepest directions",
        "random": f"{data.loss} along two random directions",
    }.get(data.plane.kind, f"{data.loss} over {a} and {b}")


def on_map(shown: style.Figure, data: Surface, bar: dict[str, Any] | None = None, **place: Any) -> None:
    """The map: contours of the loss, paths and marks; `bar` says where the colour bar stands."""
    a, b = (style.text(label) for label in data.plane.labels)
    low = float(data.cut.min())
    shown.add_contour(
        x=data.x,
        y=data.y,
        z=data.values.astype(np.float32),
        zmin=low,
        zmax=data.ceiling,
        contours={"coloring": "heatmap", "start": low, "end": data.ceiling, "size": (data.ceiling - low) / 20 or 1.0},
        line={"width": 0.6, "color": "rgba(128,140,155,0.55)"},
        colorbar={"thickness": 8, "len": 0.9, "y": 0.5} | (bar or {}),
        hovertemplate=f"{a} %{{x:.5g}}<br>{b} %{{y:.5g}}<br>loss %{{z:.6g}}<extra></extra>",
        showlegend=False,
        **place,
    )
    for i, path in enumerate(data.paths):
        inside = np.where(_within(path.place, data)[:, None], path.place, np.nan)
        many = len(path.step) > 60
        shown.add_scatter(
            x=inside[:, 0],
            y=inside[:, 1],
            mode="lines" if many else "lines+markers",
            line={"color": style.SERIES[i % len(style.SERIES)], "width": 2, "dash": style.DASHES[i % 4]},
            marker={"size": 5},
            **_hovered(path, data.names),
            name=_path_name(path, data),
            legendgroup=f"path{i}",
            **place,
        )
    for mark in data.marks:
        if not _within(mark.place[None], data)[0]:
            continue
        shown.add_scatter(
            x=mark.place[:1],
            y=mark.place[1:],
            mode="markers+text" if mark.role == "exact" and len(data.paths) > 1 else "markers",
            marker=_marker(mark),
            text=[style.text(mark.label)],
            textposition="top center",
            textfont={"color": "white", "shadow": "0 0 4px black, 0 0 2px black"},
            hovertext=[_marked(mark, data.names)],
            hoverinfo="text",
            name=mark.role,
            legendgroup=mark.role,
            showlegend=_first(mark, data),
            **place,
        )
    shown.update_xaxes(title_text=a, range=[data.x[0], data.x[-1]], showgrid=False, zeroline=False, **place)
    shown.update_yaxes(title_text=b, range=[data.y[0], data.y[-1]], showgrid=False, zeroline=False, **place)


def on_bowl(shown: style.Figure, data: Surface, **place: Any) -> None:
    """The bowl: the same in three dimensions, the path on it."""
    # in three dimensions there is less room for words
    a, b = (style.text(label.split(" (")[0], 24) for label in data.plane.labels)
    shown.add_surface(
        x=data.x,
        y=data.y,
        z=data.cut.astype(np.float32),
        showscale=False,
        lighting={"ambient": 0.75, "diffuse": 0.5, "specular": 0.06, "roughness": 0.9},
        contours={"z": {"show": True, "usecolormap": False, "color": "rgba(128,140,155,0.5)", "width": 1}},
        customdata=data.values.astype(np.float32),
        hovertemplate=f"{a} %{{x:.5g}}<br>{b} %{{y:.5g}}<br>loss %{{customdata:.6g}}<extra></extra>",
        showlegend=False,
        **place,
    )
    low, high = float(data.cut.min()), data.ceiling
    lift = LIFT * (high - low)
    for i, path in enumerate(data.paths):
        hidden = ~_within(path.place, data) | ~(path.shown <= high)
        colour = style.SERIES[i % len(style.SERIES)]
        shown.add_scatter3d(
            x=np.where(hidden, np.nan, path.place[:, 0]),
            y=np.where(hidden, np.nan, path.place[:, 1]),
            z=np.where(hidden, np.nan, path.shown + lift),
            mode="lines" if len(path.step) > 60 else "lines+markers",
            line={"color": colour, "width": 5},
            marker={"size": 2.5, "color": colour},
            **_hovered(path, data.names),
            name=_path_name(path, data),
            legendgroup=f"path{i}",
            showlegend="col" not in place,
            **place,
        )
    for mark in data.marks:
        if not _within(mark.place[None], data)[0] or not mark.shown <= high:
            continue
        shown.add_scatter3d(
            x=mark.place[:1],
            y=mark.place[1:],
            z=[mark.shown + 2 * lift],
            mode="markers",
            marker=_marker3d(mark),
            text=[_marked(mark, data.names)],
            hovertemplate="%{text}<extra></extra>",
            name=mark.role,
            legendgroup=mark.role,
            showlegend="col" not in place and _first(mark, data),
            **place,
        )
    shown.update_scenes(
        xaxis={"title": {"text": a}, "range": [data.x[0], data.x[-1]]},
        yaxis={"title": {"text": b}, "range": [data.y[0], data.y[-1]]},
        zaxis={"title": {"text": style.text(data.loss)}, "range": [low, high + 3 * lift]},
        aspectratio={"x": 1, "y": 1, "z": 0.75},
        camera={"eye": _eye(data), "center": {"x": 0, "y": 0, "z": -0.19}},
        **place,
    )


def on_plane_error(shown: style.Figure, data: Surface, **place: Any) -> None:
    """For each step the loss on the plane beside the true one: where the lines part, the plane misleads."""
    for i, path in enumerate(data.paths):
        colour = style.SERIES[i % len(style.SERIES)]
        lone = len(data.paths) == 1
        for values, name, dash in ((path.true, "true loss", "solid"), (path.shown, "loss on the plane", "dot")):
            shown.add_scatter(
                x=path.step,
                y=np.where(values > 0, values, np.nan),
                mode="lines",
                line={"color": colour if dash == "solid" else colours.RESIDUAL if lone else colour, "dash": dash},
                name=name,
                showlegend=i == 0,
                hovertemplate=f"step %{{x:,}}<br>{name} %{{y:.6g}}<extra></extra>",
                **place,
            )
    shown.update_xaxes(title_text="step", **place)
    heights = np.concatenate([np.concatenate([path.true, path.shown]) for path in data.paths])
    shown.update_yaxes(title_text=style.text(data.loss), **style.log_axis(heights), **place)


def _eye(data: Surface) -> dict[str, float]:
    """Where to look from: over the lowest corner, so that no wall stands before the valley."""
    middle = len(data.x) // 2
    corners = {
        (1.0 if right else -1.0, 1.0 if back else -1.0): float(
            data.cut[middle * back : middle * (1 + back), middle * right : middle * (1 + right)].mean()
        )
        for right in (0, 1)
        for back in (0, 1)
    }
    x, y = min(corners, key=lambda corner: corners[corner])
    return {"x": 0.9 * x, "y": 1.37 * y, "z": 1.28}


def _within(place: np.ndarray, data: Surface) -> np.ndarray:
    x, y = data.x, data.y
    return (place[:, 0] >= x[0]) & (place[:, 0] <= x[-1]) & (place[:, 1] >= y[0]) & (place[:, 1] <= y[-1])


def _first(mark: Mark, data: Surface) -> bool:
    """Whether it is the first of its role: one entry in the legend is enough, the colour says whose it is."""
    return mark is next(other for other in data.marks if other.role == mark.role)


def _path_name(path: Path, data: Surface) -> str:
    return "descent" if len(data.paths) == 1 else style.text(path.label, 60)


def _hovered(path: Path, names: Sequence[str]) -> dict[str, Any]:
    """Step, the first parameters and the loss of each point, as numbers and what words to put them in."""
    count = min(len(names), HOVERED)
    words = [f"{style.text(name)} %{{customdata[{i + 1}]:.5g}}" for i, name in enumerate(names[:count])]
    words += [f"… {len(names) - count:,} more"] if len(names) > count else []
    rows = np.column_stack([path.step, path.theta[:, :count], path.true]).astype(np.float32)
    template = "step %{customdata[0]:,d}<br>" + "<br>".join(words) + f"<br>loss %{{customdata[{count + 1}]:.6g}}"
    return {"customdata": rows, "hovertemplate": template + "<extra></extra>"}


def _marked(mark: Mark, names: Sequence[str]) -> str:
    return f"{style.text(mark.label, 60)}<br>{_values(mark.theta, names)}<br>loss {mark.true:.6g}"


def _values(theta: np.ndarray, names: Sequence[str]) -> str:
    shown = [f"{style.text(name)} {value:.5g}" for name, value in zip(names[:HOVERED], theta.tolist(), strict=False)]
    return "<br>".join(shown + ([f"… {len(names) - HOVERED:,} more"] if len(names) > HOVERED else []))


def _colour(mark: Mark) -> str:
    return colours.EXACT if mark.role == "exact" else style.SERIES[mark.series % len(style.SERIES)]


def _marker(mark: Mark) -> dict[str, Any]:
    edge = {"color": "white", "width": 1.2} if mark.role != "start" else {"color": _colour(mark), "width": 2.4}
    return {**MARKS[mark.role], "color": _colour(mark), "line": edge}


def _marker3d(mark: Mark) -> dict[str, Any]:
    symbol = {"start": "circle-open", "end": "circle", "exact": "diamond"}[mark.role]
    return {"symbol": symbol, "size": 6, "color": _colour(mark), "line": {"color": "white", "width": 1}}
