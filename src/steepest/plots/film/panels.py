"""The panels of a film, drawn with Matplotlib: what stays is drawn once, what moves is drawn on top for each frame.

    moving, move = on_data(axes, scene)     draws what stays; `moving` are the artists on top of it
    move(i)                                 brings them to frame i

`on_data` shows what the model says (by what the target and the number of columns ask for), `on_surface` the path on its
plane, `on_loss` the loss so far.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, to_rgb
from matplotlib.ticker import LogLocator

from steepest.data.thinning import evenly
from steepest.data.wording import plain
from steepest.model.prediction import log_odds, share_name, shares
from steepest.plots import style
from steepest.plots.classes import certainty, region_axes, row_heights, shares_at
from steepest.plots.drawn import Drawn, axis, columns, drawn, exact_theta, training, usual_offset
from steepest.plots.film.frames import Frames, arrows, batch_rows
from steepest.plots.predictions import value_range
from steepest.plots.surface.data import Surface
from steepest.result import Fit
from steepest.text import colours

SIDE = 70  # points a side of the regions of classes
FINE = 200  # points of a curve

MOST_POINTS = 1_500
ARROW = 0.17  # length of a frame's longest arrow, as a share of the window
ARROWS = {"gradient": colours.RESIDUAL, "velocity": "#D6409F", "step": colours.DESCENT}

Panel = tuple[list[Any], Callable[[int], None]]  # the artists that move, and what brings them to a frame


@dataclass(frozen=True)
class Scene:
    """What is filmed: a fit, the frames of its descent, in a theme."""

    fit: Fit
    frames: Frames
    theme: str

    @property
    def palette(self) -> dict[str, str]:
        """The colours of paper and ink."""
        return colours.PAPER[self.theme]

    def predictions(self, x: np.ndarray, offset: np.ndarray | None = None) -> list[np.ndarray]:
        """What the model gives for rows `[n, d]` in each frame. offset: of the rows, by default the usual one."""
        offset = usual_offset(self.fit, len(x)) if offset is None else offset
        with np.errstate(over="ignore", invalid="ignore"):
            return [log_odds(self.fit, x, theta, offset) for theta in self.frames.theta]

    def style_axes(self, axes: Axes, across: str, up: str) -> None:
        """Axes as the theme has them."""
        palette = self.palette
        axes.set_facecolor(palette["paper"])
        axes.set_xlabel(plain(across, 30), color=palette["ink"], fontsize=9.5)
        axes.set_ylabel(plain(up, 30), color=palette["ink"], fontsize=9.5)
        axes.tick_params(colors=palette["faint"], labelsize=8, length=3)
        axes.grid(color=palette["grid"], linewidth=0.8)
        axes.set_axisbelow(True)
        for side, spine in axes.spines.items():
            spine.set_visible(side in ("left", "bottom"))
            spine.set_color(palette["axis"])


# ---- what the model says ---------------------------------------------------------------------------


def on_data(axes: Axes, scene: Scene) -> Panel:
    """The panel that suits the data."""
    fit, rows = scene.fit, drawn(scene.fit, MOST_POINTS)
    if fit.schema.classes is None:
        one = axis(fit) is not None and training(fit).y.ndim == 1
        return (_line if one else _actual)(axes, scene, rows)
    wide = 1 if axis(fit) is not None else columns(fit)
    return {1: _probability, 2: _regions}.get(wide, _true_class)(axes, scene, rows)


def _line(axes: Axes, scene: Scene, rows: Drawn) -> Panel:
    """The line settling into the points; the rows of the batch stand out."""
    fit, data, best, along = scene.fit, training(scene.fit), exact_theta(scene.fit), axis(scene.fit)
    assert along is not None
    scene.style_axes(axes, along.name, fit.schema.targets[0])
    places, alpha = along.places(data)[rows.index], 0.75 if len(rows.x) < 400 else 0.3
    axes.scatter(places, rows.y, s=18, color=colours.DATA, alpha=alpha, linewidths=0)
    x = along.grid(data, count=FINE)
    curves = scene.predictions(along.features(x))
    low, high = value_range(rows.y, [curves[0], curves[-1]])
    if best is not None:
        curve = log_odds(fit, along.features(x), best, usual_offset(fit, len(x)))
        axes.plot(x, _cut(curve, low, high), color=colours.EXACT, lw=1.5, ls="--")
    axes.set_ylim(low, high)
    (line,) = axes.plot(x, _cut(curves[0], low, high), color=colours.DESCENT, lw=2.6, animated=True)
    (batch,) = axes.plot([], [], "o", ms=6.5, mfc="none", mec=scene.palette["ink"], mew=1.4, animated=True)

    def move(i: int) -> None:
        line.set_ydata(_cut(curves[i], low, high))
        chosen = batch_rows(fit, int(scene.frames.step[i]))
        if chosen is not None:
            batch.set_data(along.places(data)[chosen], data.y[chosen])

    return [line, batch], move


def _cut(curve: np.ndarray, low: float, high: float) -> np.ndarray:
    far = 20 * (high - low)
    return np.clip(np.nan_to_num(curve, nan=high + far, posinf=high + far, neginf=low - far), low - far, high + far)


def _actual(axes: Axes, scene: Scene, rows: Drawn) -> Panel:
    """Predicted against actual values, which settle on the diagonal as far as they can."""
    fit, target = scene.fit, rows.y if rows.y.ndim == 1 else rows.y[:, 0]
    scene.style_axes(axes, f"actual {fit.schema.targets[0]}", "predicted")
    guesses = [guess.reshape(len(rows.x), -1)[:, 0] for guess in scene.predictions(rows.x, rows.offset)]
    low, high = value_range(target, [guesses[0], guesses[-1]])
    axes.plot([target.min(), target.max()], [target.min(), target.max()], color=colours.EXACT, lw=1.5, ls="--")
    axes.set_xlim(*value_range(target, []))
    axes.set_ylim(low, high)
    dots = {"ms": 3.6, "mew": 0, "color": colours.DATA, "alpha": 0.6}
    (points,) = axes.plot(target, _cut(guesses[0], low, high), "o", animated=True, **dots)
    (batch,) = axes.plot([], [], "o", ms=6, mfc="none", mec=scene.palette["ink"], mew=1.2, animated=True)

    def move(i: int) -> None:
        points.set_ydata(_cut(guesses[i], low, high))
        chosen = batch_rows(fit, int(scene.frames.step[i]))
        if chosen is not None:
            seen = np.flatnonzero(np.isin(rows.index, chosen))
            batch.set_data(target[seen], _cut(guesses[i], low, high)[seen])

    return [points, batch], move


def _probability(axes: Axes, scene: Scene, rows: Drawn) -> Panel:
    """The probability of each class along the one column."""
    fit, codes, count = scene.fit, rows.y.astype(int), len(scene.fit.schema.classes or ())
    data, along = training(fit), axis(fit)
    assert along is not None
    scene.style_axes(axes, along.name, share_name(fit.loss_function))
    heights = row_heights(codes, count)
    axes.set_ylim(min(-0.12, heights.min() - 0.05), 1.12)
    palette = np.array([style.class_colour(i) for i in range(count)])
    axes.scatter(along.places(data)[rows.index], heights, s=9, c=palette[codes], linewidths=0, alpha=0.7)
    x = along.grid(data, count=FINE)
    curves = [shares(guess, fit.loss_function) for guess in scene.predictions(along.features(x))]
    wanted = {1: colours.DESCENT} if count == 2 else dict(enumerate(palette))
    lines = [axes.plot(x, curves[0][:, k], color=wanted[k], lw=2.4, animated=True)[0] for k in wanted]

    def move(i: int) -> None:
        for line, k in zip(lines, wanted, strict=True):
            line.set_ydata(curves[i][:, k])

    return lines, move


def _regions(axes: Axes, scene: Scene, rows: Drawn) -> Panel:
    """The regions of the plane that go to each class."""
    fit, codes, count = scene.fit, rows.y.astype(int), len(scene.fit.schema.classes or ())
    scene.style_axes(axes, fit.schema.names[0], fit.schema.names[1])
    axes.grid(False)
    x, y = region_axes(fit, SIDE)
    grid = np.stack(np.meshgrid(x, y), -1).reshape(-1, 2)
    palette, paper = [style.class_colour(i) for i in range(count)], np.array(to_rgb(scene.palette["paper"]))
    inks = np.array([to_rgb(colour) for colour in palette])

    def painted(theta: np.ndarray) -> np.ndarray:
        each = shares_at(fit, grid, theta)
        blend = 0.08 + 0.5 * certainty(each.max(1), count)[:, None]
        return (paper + blend * (inks[each.argmax(1)] - paper)).reshape(SIDE, SIDE, 3)

    first, extent = painted(scene.frames.theta[0]), (x[0], x[-1], y[0], y[-1])
    image = axes.imshow(first, extent=extent, origin="lower", aspect="auto", interpolation="nearest", animated=True)
    dots = [
        axes.plot(*rows.x[codes == i].T, "o", ms=4, mec="white", mew=0.4, color=colour, animated=True)[0]
        for i, colour in enumerate(palette)
    ]
    return [image, *dots], lambda i: image.set_data(painted(scene.frames.theta[i]))


def _true_class(axes: Axes, scene: Scene, rows: Drawn) -> Panel:
    """How much probability the rows of each class give to their own class: all bars grow towards 1."""
    names, codes = scene.fit.schema.classes or (), rows.y.astype(int)
    scene.style_axes(axes, "class", f"{share_name(scene.fit.loss_function)} of the true class")
    axes.set_xlim(-0.6, len(names) - 0.4)
    axes.set_ylim(0, 1)
    axes.set_xticks(range(len(names)), [plain(name, 10) for name in names])
    counts, heights = np.maximum(np.bincount(codes, minlength=len(names)), 1), []
    for guess in scene.predictions(rows.x, rows.offset):
        own = shares(guess, scene.fit.loss_function)[np.arange(len(codes)), codes]
        heights.append(np.bincount(codes, own, len(names)) / counts)
    inks = [style.class_colour(k) for k in range(len(names))]
    bars = list(axes.bar(range(len(names)), heights[0], color=inks, animated=True))

    def move(i: int) -> None:
        for bar, height in zip(bars, heights[i], strict=True):
            bar.set_height(height)

    return bars, move


# ---- where it stands -------------------------------------------------------------------------------


def on_surface(axes: Axes, scene: Scene, surface: Surface, with_arrows: bool) -> Panel:
    """The path on its plane, up to the frame; arrows where they are wanted."""
    frames, palette = scene.frames, scene.palette
    scene.style_axes(axes, *surface.plane.labels)
    axes.grid(False)
    shades = LinearSegmentedColormap.from_list("loss", style.SHADES[scene.theme])
    low, high = float(surface.cut.min()), surface.ceiling
    levels = np.linspace(low, high, 18) if high > low else np.array([low - 1, low + 1])
    axes.contourf(surface.x, surface.y, surface.cut, levels=levels, cmap=shades, extend="both")
    axes.contour(surface.x, surface.y, surface.cut, levels=levels, colors="#808c9b", linewidths=0.4, alpha=0.6)
    axes.set_xlim(surface.x[0], surface.x[-1])
    axes.set_ylim(surface.y[0], surface.y[-1])
    for mark in surface.marks:
        if mark.role == "exact":
            axes.plot(*mark.place, "*", ms=13, color=colours.EXACT, mec="white", mew=0.8)
        elif mark.role == "start":
            axes.plot(*mark.place, "o", ms=7, mfc="none", mec=colours.DESCENT, mew=1.8)
    place = surface.plane.project(frames.theta)
    (path,) = axes.plot([], [], color=colours.DESCENT, lw=1.6, animated=True)
    (here,) = axes.plot([], [], "o", ms=7, color=colours.DESCENT, mec="white", mew=1, animated=True)
    ends: dict[str, np.ndarray] = {}
    shafts: dict[str, Any] = {}
    if with_arrows:
        moved = arrows(scene.fit, frames.row)
        window = np.array([surface.x[-1] - surface.x[0], surface.y[-1] - surface.y[0]])
        ends = _readable({name: surface.plane.project(frames.theta + by) - place for name, by in moved.items()}, window)
        for name in ends:
            props = {"arrowstyle": "-|>", "color": ARROWS[name], "lw": 1.8, "shrinkA": 0, "shrinkB": 0}
            shafts[name] = axes.annotate("", xy=place[0], xytext=place[0], animated=True, arrowprops=props)
            axes.plot([], [], color=ARROWS[name], lw=2, label=name)
        theme = {"facecolor": palette["paper"], "labelcolor": palette["ink"]}
        axes.legend(loc="upper left", fontsize=7.5, framealpha=0.8, **theme)

    def move(i: int) -> None:
        path.set_data(*place[: i + 1].T)
        here.set_data(*place[i : i + 1].T)
        for name, shaft in shafts.items():
            there = place[i] + ends[name][i]
            shaft.set_visible(bool(np.isfinite(there).all()) and i < len(place) - 1)
            if shaft.get_visible():
                shaft.xy, (shaft.xyann) = there, place[i]

    return [path, *shafts.values(), here], move


def _readable(moved: dict[str, np.ndarray], window: np.ndarray) -> dict[str, np.ndarray]:
    """Arrows of a frame made longer or shorter together, so that the longest can be seen and stays in the picture."""
    lengths = np.stack([np.linalg.norm(by / window, axis=1) for by in moved.values()])
    longest = np.nan_to_num(lengths).max(0)
    factor = ARROW / np.where(longest > 0, longest, 1.0)
    return {name: by * factor[:, None] for name, by in moved.items()}


def on_loss(axes: Axes, scene: Scene) -> Panel:
    """The loss over the steps, the part already gone in colour."""
    fit, frames, palette = scene.fit, scene.frames, scene.palette
    known = np.isfinite(fit.trace.objective)
    values = np.where(known, fit.trace.objective, fit.trace.loss)
    fine = np.flatnonzero(np.isfinite(values) & (np.abs(values) < 1e250))
    fine = fine[evenly(len(fine), 2_000)]
    step, values = fit.trace.step[fine], values[fine]
    scene.style_axes(axes, "step", str(fit.loss_function))
    if len(values) and values.min() > 0 and values.max() > 3 * values.min():
        axes.set_yscale("log")
        axes.tick_params(which="minor", length=0, labelsize=7, colors=palette["faint"])
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_locator(LogLocator(subs=(2.0, 5.0)))
        axes.yaxis.set_minor_formatter("{x:g}" if values.max() < 30 * values.min() else "")
    whole = known[fine]
    if not whole.all():
        axes.plot(step, values, ".", ms=2.5, color=palette["axis"], alpha=0.5)
    axes.plot(step[whole], values[whole], color=palette["axis"], lw=1.4)
    best = fit.scores.exact_objective
    if best is not None and (best > 0 or axes.get_yscale() == "linear"):
        axes.axhline(best, color=colours.EXACT, lw=1.4, ls="--")
    (line,) = axes.plot([], [], color=colours.DESCENT, lw=2, animated=True)
    (here,) = axes.plot([], [], "o", ms=6.5, color=colours.DESCENT, mec="white", mew=1, animated=True)

    def move(i: int) -> None:
        gone = whole & (step <= frames.step[i])
        line.set_data(step[gone], values[gone])
        if np.isfinite(frames.loss[i]):
            here.set_data([frames.step[i]], [frames.loss[i]])

    return [line, here], move
