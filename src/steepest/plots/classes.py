"""What a classifier says about its rows.

    one feature          the probability of each class along it (or its score), the rows at 0 and 1
    two features         the regions of the plane that go to each class, and the rows
    more                 the confusion matrix: how often each class was taken for which

`probability_data`, `region_data` and `confusion_data` are the numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from steepest.model.prediction import confusion_of, has_probabilities, log_odds, share_name, shares
from steepest.plots import style
from steepest.plots.bands import band_name, band_of
from steepest.plots.drawn import (
    Axis,
    Drawn,
    at_step,
    axis,
    columns,
    drawn,
    exact_theta,
    held_out,
    labels,
    training,
    usual_offset,
)  # fmt: skip
from steepest.plots.figure import HOVER, Figure, figure, panels
from steepest.result import Fit
from steepest.text import colours

SIDE = 160  # points a side of the regions' grid
MOST_WRITTEN = 12  # classes up to which counts are written into a confusion matrix


@dataclass(frozen=True)
class Probabilities:
    """x: `[400]`. shares: for each fit `[400, k]`. exact: `[400, k]` or None. rows: x and class codes. band: `[400, 2]`
    of the second of two classes, or None."""

    x: np.ndarray
    shares: list[np.ndarray]
    exact: np.ndarray | None
    rows: Drawn
    step: int | None
    band: np.ndarray | None = None


def probability_data(
    fit: Fit,
    also: Sequence[Fit] = (),
    step: int | None = None,
    interval: float | None = None,
    along: Axis | None = None,
) -> Probabilities:
    """The probability of each class along the one column; interval: the level of a band, of two classes."""
    data, best = training(fit), exact_theta(fit)
    shown_step, theta = at_step(fit, step)
    along = along or axis(fit)
    assert along is not None
    x = along.grid(data)
    found = [shares_at(each, along.features(x, each), theta if each is fit else each.theta) for each in (fit, *also)]
    exact = None if best is None else shares_at(fit, along.features(x), best)
    band = None if also or step is not None else band_of(fit, along.features(x), interval)
    return Probabilities(x, found, exact, along.rows(drawn(fit), data), shown_step, band)


def shares_at(fit: Fit, x: np.ndarray, theta: np.ndarray) -> np.ndarray:
    """The probabilities (or scores) of rows x `[n, d]` at θ, `[n, k]`."""
    return shares(log_odds(fit, x, theta, usual_offset(fit, len(x))), fit.loss_function)


def row_heights(codes: np.ndarray, count: int) -> np.ndarray:
    """Where rows are drawn beside the probabilities of `count` classes: in a band of their own, spread to be told apart."""
    spread = 0.04 * np.modf(np.arange(len(codes)) * 0.618034)[0]
    return spread + (np.where(codes == 1, 1.03, -0.07) if count == 2 else -0.07 - 0.06 * codes)


@dataclass(frozen=True)
class Regions:
    """x, y: `[n]` and `[n]`. codes: `[n, n]`, the class of each point (row j is y[j]). share: how sure, in (0, 1]."""

    x: np.ndarray
    y: np.ndarray
    codes: np.ndarray
    share: np.ndarray
    rows: Drawn
    step: int | None


def region_data(fit: Fit, step: int | None = None) -> Regions:
    """Which class each point of the plane of the two features goes to."""
    shown_step, theta = at_step(fit, step)
    x, y = region_axes(fit, SIDE)
    grid = np.stack(np.meshgrid(x, y), -1).reshape(-1, 2)
    each = shares_at(fit, grid, theta)
    codes, share = each.argmax(1).reshape(SIDE, SIDE), each.max(1).reshape(SIDE, SIDE)
    return Regions(x, y, codes, share, drawn(fit), shown_step)


def region_axes(fit: Fit, side: int) -> list[np.ndarray]:
    """The grid's places along both features, a little beyond the rows."""
    low, high = training(fit).x.min(0), training(fit).x.max(0)
    reach = 0.05 * np.where(high > low, high - low, 1.0)
    return [np.linspace(a - r, b + r, side) for a, b, r in zip(low, high, reach, strict=True)]


@dataclass(frozen=True)
class Confusion:
    """parts: name of some rows → counts `[k, k]`: row i, column j is how often class i was taken for j."""

    parts: dict[str, np.ndarray]
    step: int | None


def confusion_data(fit: Fit, step: int | None = None) -> Confusion:
    """The confusion matrices of the training rows and of those held out."""
    shown_step, theta = at_step(fit, step)
    parts = {"training rows": training(fit), "held-out rows": held_out(fit)}
    count = len(fit.schema.classes or ())
    found = {
        name: confusion_of(rows.y, log_odds(fit, rows.x, theta, rows.offset), count)
        for name, rows in parts.items()
        if rows is not None
    }
    return Confusion(found, shown_step)


def plot(fit: Fit, also: Sequence[Fit], step: int | None, theme: str, interval: float | None = None) -> Figure:
    """The picture that suits the number of features; see the module's text. Arguments as of `predictions.plot`."""
    names = [style.text(name, 30) for name in fit.schema.classes or ()]
    if (along := axis(fit)) is not None:
        return _curves(fit, along, names, also, step, theme, interval)
    return (_regions if columns(fit) == 2 else _matrices)(fit, names, step, theme)


def _title(fit: Fit, step: int | None) -> str:
    if step is not None:
        return f"Before update {step:,}"
    accuracy = {part: values["accuracy"] for part, values in fit.metrics.items()}
    held = f", {accuracy['test']:.1%} of held-out rows" if "test" in accuracy else ""
    return f"{accuracy['train']:.1%} of the rows are classified correctly{held}"


def _curves(
    fit: Fit,
    along: Axis,
    names: list[str],
    also: Sequence[Fit],
    step: int | None,
    theme: str,
    interval: float | None,
) -> Figure:
    data, two = probability_data(fit, also, step, interval, along), len(names) == 2
    shown = figure(_title(fit, data.step), [data.rows.note], theme, 440, data)
    if data.band is not None and two:
        low, high = data.band.T
        shown.band(data.x, low, high, style.series(0), name=band_name(interval))
    wanted = [1] if two else range(len(names))  # of two classes one curve says it all
    for k, (share, label) in enumerate(zip(data.shares, labels([fit, *also]), strict=True)):
        for i in wanted:
            colour = style.series(k) if two else style.class_colour(i)
            name = f"{share_name(fit.loss_function)} of {names[i]}" + ("" if not also else f", {style.text(label, 60)}")
            shown.line(data.x, share[:, i], colour, 3, style.dash(k), hover="%{x:.5g}: %{y:.3f}", name=name)
    if data.exact is not None:
        for i in wanted:
            more = {"name": "exact", "legendgroup": "exact", "showlegend": i == wanted[0]}
            shown.line(data.x, data.exact[:, i], colours.EXACT, 1.6, "dash", hover=None, **more)
    codes = data.rows.y.astype(int)
    heights = row_heights(codes, len(names))
    for i, name in enumerate(names):
        mine, hover = codes == i, f"%{{x:.6g}}<extra>{name}</extra>"
        shown.points(data.rows.x[mine, 0], heights[mine], style.class_colour(i), 5, 0.7, hover=hover, name=name)
    low = -0.1 if two else -0.1 - 0.06 * len(names)
    marks: dict[str, Any] = {"tickvals": [0, 0.25, 0.5, 0.75, 1]}
    if not has_probabilities(fit.loss_function):
        marks["ticktext"] = ["≤ −1", "−½", "0", "½", "≥ 1"]
    shown.update_yaxes(title_text=share_name(fit.loss_function), range=[low, 1.1], **marks)
    shown.update_xaxes(title_text=style.text(along.name))
    return shown


def _regions(fit: Fit, names: list[str], step: int | None, theme: str) -> Figure:
    data = region_data(fit, step)
    shown = figure(_title(fit, data.step), [data.rows.note], theme, 520, data)
    codes = data.rows.y.astype(int)
    sure = certainty(data.share, len(names))
    for i, name in enumerate(names):  # one colour a class, paler where the model is less sure
        z, hover = np.where(data.codes == i, sure, np.nan), f"{name}<extra></extra>"
        shown.shares(data.x, data.y, z, style.class_colour(i), (0.05, 0.5), hovertemplate=hover)
    for i, name in enumerate(names):
        x, y = data.rows.x[codes == i].T
        more = {"edge": {"color": "white", "width": 0.8}, "hover": f"{HOVER}<extra>{name}</extra>", "name": name}
        shown.points(x, y, style.class_colour(i), 7, symbol=style.symbol(i), **more)
    shown.update_xaxes(title_text=style.text(fit.schema.names[0]), showgrid=False, zeroline=False)
    shown.update_yaxes(title_text=style.text(fit.schema.names[1]), showgrid=False, zeroline=False)
    return shown


def certainty(share: np.ndarray, count: int) -> np.ndarray:
    """The likeliest class's probability as a number from 0 (all are as likely) to 1."""
    return (share - 1 / count) / (1 - 1 / count)


def _matrices(fit: Fit, names: list[str], step: int | None, theme: str) -> Figure:
    data = confusion_data(fit, step)
    shown = panels(
        _title(fit, data.step), ["Shades are shares of each class; counts are written where they fit."], theme, 480, data,
        1, len(data.parts), 32, subplot_titles=[*data.parts], horizontal_spacing=0.14,
    )  # fmt: skip
    written = "%{text:,}" if len(names) <= MOST_WRITTEN else None
    hover = "%{y} taken for %{x}: %{customdata:,} (%{z:.1%})<extra></extra>"
    for column, counts in enumerate(data.parts.values(), 1):
        place, share = {"row": 1, "col": column}, counts / np.maximum(counts.sum(1, keepdims=True), 1)
        more = {"text": counts, "texttemplate": written, "customdata": counts, "hovertemplate": hover}
        shown.shares(names, names, share, colours.DATA, (0.03, 0.95), xgap=2, ygap=2, **more, **place)
        shown.update_xaxes(title_text="predicted", type="category", showgrid=False, **place)
        title = "actual" if column == 1 else None
        shown.update_yaxes(title_text=title, type="category", autorange="reversed", showgrid=False, **place)
    return shown
