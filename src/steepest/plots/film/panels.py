"""The panels of a film, drawn with Matplotlib: what stays is drawn once, what moves is drawn on top for each frame.

    moving, move = on_data(axes, fit, frames, palette)     draws what stays; `moving` are the artists on top of it
    move(i)                                             brings them to frame i

`on_data` shows what the model says (by what the target and the number of columns ask for), `on_surface` the path on its
plane, `on_loss` the loss so far.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.colors import LinearSegmentedColormap, to_rgb

from steepest.data.thinning import evenly
from steepest.data.wording import plain
from steepest.model.prediction import log_odds, probabilities
from steepest.plots import style
from steepest.plots.drawn import drawn, training
from steepest.plots.film.frames import Frames, arrows, batch_rows
from steepest.plots.predictions import value_range
from steepest.plots.surface.data import Surface
from steepest.text import colours

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from steepest.result import Fit

SIDE = 70
"""Points a side of the regions of classes."""

MOST_POINTS = 1_500
ARROW = 0.17
"""Length of a frame's longest arrow, as a share of the window."""
ARROWS = {"gradient": colours.RESIDUAL, "velocity": "#D6409F", "step": colours.DESCENT}

Panel = tuple[list[Any], Callable[[int], None]]
"""The artists that move, and what brings them to a frame."""


def style_axes(axes: Axes, palette: dict[str, str], across: str, up: str) -> None:
    """Axes as the theme has them."""
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


def on_data(axes: Axes, fit: Fit, frames: Frames, palette: dict[str, str]) -> Panel:
    """The panel that suits the data."""
    data = training(fit)
    flat = data.x.ndim == 2
    if fit.schema.classes is None:
        if flat and data.x.shape[1] == 1 and data.y.ndim == 1:
            return _line(axes, fit, frames, palette)
        return _actual(axes, fit, frames, palette)
    if flat and data.x.shape[1] == 1:
        return _probability(axes, fit, frames, palette)
    if flat and data.x.shape[1] == 2:
        return _regions(axes, fit, frames, palette)
    return _true_class(axes, fit, frames, palette)


def _line(axes: Axes, fit: Fit, frames: Frames, palette: dict[str, str]) -> Panel:
    """The line settling into the points; the rows of the batch stand out."""
    data = training(fit)
    rows = drawn(fit, MOST_POINTS)
    style_axes(axes, palette, fit.schema.names[0], fit.schema.targets[0])
    axes.scatter(rows.x[:, 0], rows.y, s=18, color=colours.DATA, alpha=0.75 if len(rows.x) < 400 else 0.3, linewidths=0)
    x = np.linspace(data.x.min(), data.x.max(), 200)
    with np.errstate(over="ignore", invalid="ignore"):
        curves = np.stack([log_odds(fit, x[:, None], theta) for theta in frames.theta])
    best = None if fit.exact is None else fit.exact.theta
    low, high = value_range(rows.y, [curves[0], curves[-1]])
    if best is not None:
        axes.plot(x, _cut(log_odds(fit, x[:, None], best), low, high), color=colours.EXACT, lw=1.5, ls="--")
    axes.set_ylim(low, high)
    (line,) = axes.plot(x, _cut(curves[0], low, high), color=colours.DESCENT, lw=2.6, animated=True)
    (batch,) = axes.plot([], [], "o", ms=6.5, mfc="none", mec=palette["ink"], mew=1.4, animated=True)

    def move(i: int) -> None:
        line.set_ydata(_cut(curves[i], low, high))
        chosen = batch_rows(fit, int(frames.step[i]))
        if chosen is not None:
            batch.set_data(data.x[chosen, 0], data.y[chosen])

    return [line, batch], move


def _cut(curve: np.ndarray, low: float, high: float) -> np.ndarray:
    far = 20 * (high - low)
    return np.clip(np.nan_to_num(curve, nan=high + far, posinf=high + far, neginf=low - far), low - far, high + far)


def _actual(axes: Axes, fit: Fit, frames: Frames, palette: dict[str, str]) -> Panel:
    """Predicted against actual values, which settle on the diagonal as far as they can."""
    rows = drawn(fit, MOST_POINTS)
    target = rows.y if rows.y.ndim == 1 else rows.y[:, 0]
    style_axes(axes, palette, f"actual {fit.schema.targets[0]}", "predicted")
    with np.errstate(over="ignore", invalid="ignore"):
        guesses = [log_odds(fit, rows.x, theta).reshape(len(rows.x), -1)[:, 0] for theta in frames.theta]
    low, high = value_range(target, [guesses[0], guesses[-1]])
    axes.plot([target.min(), target.max()], [target.min(), target.max()], color=colours.EXACT, lw=1.5, ls="--")
    axes.set_xlim(*value_range(target, []))
    axes.set_ylim(low, high)
    (points,) = axes.plot(
        target, _cut(guesses[0], low, high), "o", ms=3.6, mew=0, color=colours.DATA, alpha=0.6, animated=True
    )
    (batch,) = axes.plot([], [], "o", ms=6, mfc="none", mec=palette["ink"], mew=1.2, animated=True)
    place = {number: i for i, number in enumerate(rows.index.tolist())}

    def move(i: int) -> None:
        points.set_ydata(_cut(guesses[i], low, high))
        chosen = batch_rows(fit, int(frames.step[i]))
        if chosen is not None:
            seen = [place[number] for number in chosen.tolist() if number in place]
            batch.set_data(target[seen], _cut(guesses[i], low, high)[seen])

    return [points, batch], move


def _probability(axes: Axes, fit: Fit, frames: Frames, palette: dict[str, str]) -> Panel:
    """The probability of each class along the one column."""
    data = training(fit)
    rows = drawn(fit, MOST_POINTS)
    names = fit.schema.classes or ()
    style_axes(axes, palette, fit.schema.names[0], "probability")
    axes.set_ylim(-0.12, 1.12)
    codes = rows.y.astype(int)
    spread = 0.05 * np.modf(np.arange(len(codes)) * 0.618034)[0]
    for i in range(len(names)):
        base = 1.03 if len(names) == 2 and i == 1 else -0.08
        mine = codes == i
        axes.scatter(rows.x[mine, 0], base + spread[mine], s=9, color=style.CLASSES[i % 10], linewidths=0, alpha=0.7)
    x = np.linspace(data.x.min(), data.x.max(), 200)
    shares = [probabilities(log_odds(fit, x[:, None], theta)) for theta in frames.theta]
    wanted = [1] if len(names) == 2 else list(range(len(names)))
    lines = [
        axes.plot(
            x,
            shares[0][:, k],
            color=colours.DESCENT if len(names) == 2 else style.CLASSES[k % 10],
            lw=2.4,
            animated=True,
        )[0]
        for k in wanted
    ]

    def move(i: int) -> None:
        for line, k in zip(lines, wanted, strict=True):
            line.set_ydata(shares[i][:, k])

    return lines, move


def _regions(axes: Axes, fit: Fit, frames: Frames, palette: dict[str, str]) -> Panel:
    """The regions of the plane that go to each class."""
    data = training(fit)
    rows = drawn(fit, MOST_POINTS)
    names = fit.schema.classes or ()
    style_axes(axes, palette, fit.schema.names[0], fit.schema.names[1])
    axes.grid(False)
    low, high = data.x.min(0), data.x.max(0)
    reach = 0.05 * np.where(high > low, high - low, 1.0)
    sides = [np.linspace(a - r, b + r, SIDE) for a, b, r in zip(low, high, reach, strict=True)]
    grid = np.stack(np.meshgrid(*sides), -1).reshape(-1, 2)
    colours = np.array([to_rgb(style.CLASSES[i % 10]) for i in range(len(names))])
    paper = np.array(to_rgb(palette["paper"]))

    def painted(theta: np.ndarray) -> np.ndarray:
        shares = probabilities(log_odds(fit, grid, theta))
        sure = (shares.max(1) * len(names) - 1) / (len(names) - 1)
        blend = 0.08 + 0.5 * sure[:, None]
        return (paper + blend * (colours[shares.argmax(1)] - paper)).reshape(SIDE, SIDE, 3)

    extent = (sides[0][0], sides[0][-1], sides[1][0], sides[1][-1])
    image = axes.imshow(
        painted(frames.theta[0]), extent=extent, origin="lower", aspect="auto", interpolation="nearest", animated=True
    )
    codes = rows.y.astype(int)
    dots = [
        axes.plot(*rows.x[codes == i].T, "o", ms=4, mec="white", mew=0.4, color=style.CLASSES[i % 10], animated=True)[0]
        for i in range(len(names))
    ]

    def move(i: int) -> None:
        image.set_data(painted(frames.theta[i]))

    return [image, *dots], move


def _true_class(axes: Axes, fit: Fit, frames: Frames, palette: dict[str, str]) -> Panel:
    """How much probability the rows of each class give to their own class: all bars grow towards 1."""
    rows = drawn(fit, MOST_POINTS)
    names = fit.schema.classes or ()
    codes = rows.y.astype(int)
    style_axes(axes, palette, "class", "probability of the true class")
    axes.set_xlim(-0.6, len(names) - 0.4)
    axes.set_ylim(0, 1)
    axes.set_xticks(range(len(names)), [plain(name, 10) for name in names])
    heights = []
    for theta in frames.theta:
        own = probabilities(log_odds(fit, rows.x, theta))[np.arange(len(codes)), codes]
        heights.append([own[codes == k].mean() if (codes == k).any() else 0.0 for k in range(len(names))])
    bars = list(
        axes.bar(range(len(names)), heights[0], color=[style.CLASSES[k % 10] for k in range(len(names))], animated=True)
    )

    def move(i: int) -> None:
        for bar, height in zip(bars, heights[i], strict=True):
            bar.set_height(height)

    return bars, move


# ---- where it stands -------------------------------------------------------------------------------


def on_surface(
    axes: Axes, fit: Fit, frames: Frames, palette: dict[str, str], surface: Surface, theme: str, with_arrows: bool
) -> Panel:
    """The path on its plane, up to the frame; arrows where they are wanted."""
    a, b = surface.plane.labels
    style_axes(axes, palette, a, b)
    axes.grid(False)
    shades = LinearSegmentedColormap.from_list("loss", style.SHADES[theme])
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
    shafts: dict[str, Any] = {}
    ends: dict[str, np.ndarray] = {}
    if with_arrows:
        ends = _readable(
            {name: surface.plane.project(frames.theta + way) - place for name, way in arrows(fit, frames.row).items()},
            np.array([surface.x[-1] - surface.x[0], surface.y[-1] - surface.y[0]]),
        )
        for name in ends:
            shafts[name] = axes.annotate(
                "", xy=place[0], xytext=place[0], animated=True,
                arrowprops={"arrowstyle": "-|>", "color": ARROWS[name], "lw": 1.8, "shrinkA": 0, "shrinkB": 0},
            )  # fmt: skip
            axes.plot([], [], color=ARROWS[name], lw=2, label=name)
        axes.legend(
            loc="upper left", fontsize=7.5, framealpha=0.8, facecolor=palette["paper"], labelcolor=palette["ink"]
        )

    def move(i: int) -> None:
        path.set_data(*place[: i + 1].T)
        here.set_data(*place[i : i + 1].T)
        for name, shaft in shafts.items():
            there = place[i] + ends[name][i]
            shaft.set_visible(bool(np.isfinite(there).all()) and i < len(place) - 1)
            if shaft.get_visible():
                shaft.xy, (shaft.xyann) = there, place[i]

    return [path, *shafts.values(), here], move


def _readable(ways: dict[str, np.ndarray], window: np.ndarray) -> dict[str, np.ndarray]:
    """Arrows of a frame made longer or shorter together, so that the longest can be seen and stays in the picture."""
    lengths = np.stack([np.linalg.norm(way / window, axis=1) for way in ways.values()])
    longest = np.nan_to_num(lengths).max(0)
    factor = ARROW / np.where(longest > 0, longest, 1.0)
    return {name: way * factor[:, None] for name, way in ways.items()}


def on_loss(axes: Axes, fit: Fit, frames: Frames, palette: dict[str, str]) -> Panel:
    """The loss over the steps, the part already gone in colour."""
    known = np.isfinite(fit.trace.objective)
    values = np.where(known, fit.trace.objective, fit.trace.loss)
    fine = np.flatnonzero(np.isfinite(values) & (np.abs(values) < 1e250))
    fine = fine[evenly(len(fine), 2_000)]
    step, values = fit.trace.step[fine], values[fine]
    style_axes(axes, palette, "step", str(fit.loss_function))
    if len(values) and values.min() > 0 and values.max() > 3 * values.min():
        axes.set_yscale("log")
        axes.tick_params(which="minor", length=0, labelsize=7, colors=palette["faint"])
        axes.yaxis.set_major_formatter("{x:g}")
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
