"""A surface drawn: as a map with contours and as a bowl, side by side, and below them how far the plane can be trusted.

`on_map`, `on_bowl` and `on_plane_error` draw one part each into a figure; the report uses them one by one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from steepest.data.wording import plain
from steepest.plots import style
from steepest.plots.drawn import fits_of
from steepest.plots.figure import Figure, panels
from steepest.plots.surface.data import Mark, Path, Surface, surface_data
from steepest.result import Fit
from steepest.text import colours

HOVERED = 6  # parameters that a hover names
LIFT = 0.008  # paths float this share of the bowl's height above it, or they would flicker through it
FEW = 60  # steps of a path up to which each is marked
LINES = "rgba(128,140,155,0.55)"  # the colour of contours

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
) -> Figure:
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
    plane = fit.inner_names(plane)
    fit, *also = fits_of(fit, also)
    return draw(surface_data(fit, loss, also, plane, window, grid, coordinates, others, seed), theme)


def draw(data: Surface, theme: str = "light") -> Figure:
    """A surface's map and bowl side by side; the loss along the path below, where the plane does not show it exactly."""
    exact = data.plane.exact
    below = [] if exact else [[{"type": "xy", "colspan": 2}, None]]
    shown = panels(
        title(data), data.notes, theme, 480 if exact else 660, data, 1 + len(below), 2,
        column_widths=[0.46, 0.54], row_heights=[1.0] if exact else [0.74, 0.26], vertical_spacing=0.16,
        horizontal_spacing=0.08, specs=[[{"type": "xy"}, {"type": "scene"}], *below],
    )  # fmt: skip
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


def on_map(shown: Figure, data: Surface, bar: dict[str, Any] | None = None, **place: Any) -> None:
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
        line={"width": 0.6, "color": LINES},
        colorbar={"thickness": 8, "len": 0.9, "y": 0.5} | (bar or {}),
        hovertemplate=f"{a} %{{x:.5g}}<br>{b} %{{y:.5g}}<br>loss %{{z:.6g}}<extra></extra>",
        showlegend=False,
        **place,
    )
    for i, path in enumerate(data.paths):
        x, y = np.where(data.within(path.place)[:, None], path.place, np.nan).T
        shown.line(x, y, style.series(i), dash=style.dash(i), marker={"size": 5}, **_path(path, i, data), **place)
    for mark in _marks(data):
        named = "markers+text" if mark.role == "exact" and len(data.paths) > 1 else "markers"
        colour = _colour(mark)
        edge = {"color": "white", "width": 1.2} if mark.role != "start" else {"color": colour, "width": 2.4}
        shown.points(
            mark.place[:1], mark.place[1:], colour, **MARKS[mark.role], edge=edge, hover=None, hoverinfo="text",
            hovertext=[_told(mark, data.names)], mode=named, text=[style.text(mark.label)], textposition="top center",
            textfont={"color": "white", "shadow": "0 0 4px black, 0 0 2px black"}, name=mark.role,
            legendgroup=mark.role, showlegend=_first(mark, data), **place,
        )  # fmt: skip
    bare = {"showgrid": False, "zeroline": False}
    shown.update_xaxes(title_text=a, range=[data.x[0], data.x[-1]], **bare, **place)
    shown.update_yaxes(title_text=b, range=[data.y[0], data.y[-1]], **bare, **place)


def on_bowl(shown: Figure, data: Surface, **place: Any) -> None:
    """The bowl: the same in three dimensions, the path on it."""
    # in three dimensions there is less room for words
    a, b = (style.text(label.split(" (")[0], 24) for label in data.plane.labels)
    shown.add_surface(
        x=data.x,
        y=data.y,
        z=data.cut.astype(np.float32),
        showscale=False,
        lighting={"ambient": 0.75, "diffuse": 0.5, "specular": 0.06, "roughness": 0.9},
        contours={"z": {"show": True, "usecolormap": False, "color": LINES, "width": 1}},
        customdata=data.values.astype(np.float32),
        hovertemplate=f"{a} %{{x:.5g}}<br>{b} %{{y:.5g}}<br>loss %{{customdata:.6g}}<extra></extra>",
        showlegend=False,
        **place,
    )
    low, high, alone = float(data.cut.min()), data.ceiling, "col" not in place
    lift = LIFT * (high - low)
    for i, path in enumerate(data.paths):
        seen = data.within(path.place) & (path.shown <= high)
        x, y, z = np.where(seen, [*path.place.T, path.shown + lift], np.nan)
        line, marker = {"color": style.series(i), "width": 5}, {"size": 2.5, "color": style.series(i)}
        hover = _path(path, i, data)
        hover["hovertemplate"] = hover.pop("hover") + "<extra></extra>"
        shown.add_scatter3d(x=x, y=y, z=z, line=line, marker=marker, showlegend=alone, **hover, **place)
    for mark in _marks(data):
        if mark.shown <= high:
            symbol = {"start": "circle-open", "end": "circle", "exact": "diamond"}[mark.role]
            shown.add_scatter3d(
                x=mark.place[:1],
                y=mark.place[1:],
                z=[mark.shown + 2 * lift],
                mode="markers",
                marker={"symbol": symbol, "size": 6, "color": _colour(mark), "line": {"color": "white", "width": 1}},
                text=[_told(mark, data.names)],
                hovertemplate="%{text}<extra></extra>",
                name=mark.role,
                legendgroup=mark.role,
                showlegend=alone and _first(mark, data),
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


def on_plane_error(shown: Figure, data: Surface, **place: Any) -> None:
    """For each step the loss on the plane beside the true one: where the lines part, the plane misleads."""
    lone = len(data.paths) == 1
    for i, path in enumerate(data.paths):
        colour = style.series(i)
        other, more = colours.RESIDUAL if lone else colour, place | {"showlegend": i == 0}
        true, on_plane = (np.where(values > 0, values, np.nan) for values in (path.true, path.shown))
        hover = "step %{x:,}<br>true loss %{y:.6g}"
        shown.line(path.step, true, colour, hover=hover, name="true loss", **more)
        hover = "step %{x:,}<br>loss on the plane %{y:.6g}"
        shown.line(path.step, on_plane, other, dash="dot", hover=hover, name="loss on the plane", **more)
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


def _path(path: Path, i: int, data: Surface) -> dict[str, Any]:
    """How the i-th path is shown in both parts: step, the first parameters and the loss of each point beside the pointer."""
    names, count = data.names, min(len(data.names), HOVERED)
    words = [f"{style.text(name)} %{{customdata[{place}]:.5g}}" for place, name in enumerate(names[:count], 1)]
    words += _more(names)
    return {
        "mode": "lines" if len(path.step) > FEW else "lines+markers",
        "customdata": np.column_stack([path.step, path.theta[:, :count], path.true]).astype(np.float32),
        "hover": "<br>".join(["step %{customdata[0]:,d}", *words, f"loss %{{customdata[{count + 1}]:.6g}}"]),
        "name": "descent" if len(data.paths) == 1 else style.text(path.label, 60),
        "legendgroup": f"path{i}",
    }


def _marks(data: Surface) -> Iterator[Mark]:
    """The marks in the window."""
    return (mark for mark in data.marks if data.within(mark.place[None])[0])


def _first(mark: Mark, data: Surface) -> bool:
    """Whether it is the first of its role: one entry in the legend is enough, the colour says whose it is."""
    return mark is next(other for other in data.marks if other.role == mark.role)


def _told(mark: Mark, names: Sequence[str]) -> str:
    """Its name, the first parameters and the loss."""
    shown = [
        f"{style.text(name)} {value:.5g}" for name, value in zip(names[:HOVERED], mark.theta.tolist(), strict=False)
    ]
    return "<br>".join([style.text(mark.label, 60), *shown, *_more(names), f"loss {mark.true:.6g}"])


def _more(names: Sequence[str]) -> list[str]:
    return [f"… {len(names) - HOVERED:,} more"] if len(names) > HOVERED else []


def _colour(mark: Mark) -> str:
    return colours.EXACT if mark.role == "exact" else style.series(mark.series)
