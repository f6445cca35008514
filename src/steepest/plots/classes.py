"""What a classifier says about its rows.

    one feature          the probability of each class along it, the rows at 0 and 1
    two features         the regions of the plane that go to each class, and the rows
    more                 the confusion matrix: how often each class was taken for which

`probability_data`, `region_data` and `confusion_data` are the numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from steepest.model.prediction import log_odds, probabilities
from steepest.plots import style
from steepest.plots.drawn_rows import Drawn, at_step, drawn, held_out, labels, training
from steepest.plots.plotly_parts import make_subplots
from steepest.text import colours

if TYPE_CHECKING:
    from steepest.data.dataset import Dataset
    from steepest.result import Fit

FINE = 400
SIDE = 160
"""Points a side of the regions' grid."""


@dataclass(frozen=True)
class Probabilities:
    """x: `[400]`. shares: for each fit `[400, k]`. exact: `[400, k]` or None. rows: x and class codes."""

    x: np.ndarray
    shares: list[np.ndarray]
    exact: np.ndarray | None
    rows: Drawn
    step: int | None


def probability_data(fit: Fit, also: Sequence[Fit] = (), step: int | None = None) -> Probabilities:
    """The probability of each class along the one feature."""
    data = training(fit)
    shown_step, theta = at_step(fit, step)
    x = np.linspace(data.x.min(), data.x.max(), FINE)
    shares = [_shares(each, x[:, None], theta if each is fit else each.theta) for each in (fit, *also)]
    best = None if fit.exact is None else fit.exact.theta
    return Probabilities(x, shares, None if best is None else _shares(fit, x[:, None], best), drawn(fit), shown_step)


def _shares(fit: Fit, x: np.ndarray, theta: np.ndarray) -> np.ndarray:
    return probabilities(log_odds(fit, x, theta))


@dataclass(frozen=True)
class Regions:
    """x, y: `[160]`. codes: `[160, 160]`, the class of each point (row j is y[j]). share: how sure, in (0, 1]."""

    x: np.ndarray
    y: np.ndarray
    codes: np.ndarray
    share: np.ndarray
    rows: Drawn
    step: int | None


def region_data(fit: Fit, step: int | None = None) -> Regions:
    """Which class each point of the plane of the two features goes to."""
    data = training(fit)
    shown_step, theta = at_step(fit, step)
    axes = []
    for values in data.x.T:
        reach = 0.05 * (np.ptp(values) or 1.0)
        axes.append(np.linspace(values.min() - reach, values.max() + reach, SIDE))
    grid = np.stack(np.meshgrid(*axes), -1).reshape(-1, 2)
    shares = _shares(fit, grid, theta)
    shape = (SIDE, SIDE)
    return Regions(
        axes[0], axes[1], shares.argmax(1).reshape(shape), shares.max(1).reshape(shape), drawn(fit), shown_step
    )


def confusion_data(fit: Fit, rows: Dataset, theta: np.ndarray | None = None) -> np.ndarray:
    """`[k, k]` counts: row i, column j is how often class i was taken for j."""
    count = len(fit.schema.classes or ())
    guess = log_odds(fit, rows.x, theta)
    codes = guess.argmax(-1) if guess.ndim == 2 else (guess > 0).astype(int)
    return np.bincount(rows.y.astype(int) * count + codes, minlength=count * count).reshape(count, count)


def plot(fit: Fit, also: Sequence[Fit] = (), step: int | None = None, theme: str = "light") -> style.Figure:
    """The picture that suits the number of features; see the module's text. `step` as in `predictions.plot`."""
    data = training(fit)
    if data.x.ndim == 2 and data.x.shape[1] == 1:
        return _curves(fit, also, step, theme)
    if data.x.ndim == 2 and data.x.shape[1] == 2:
        return _regions(fit, step, theme)
    return _confusion(fit, step, theme)


def _title(fit: Fit, step: int | None) -> str:
    if step is not None:
        return f"Before update {step:,}"
    accuracy = {part: values["accuracy"] for part, values in fit.metrics.items()}
    held = f", {accuracy['test']:.1%} of held-out rows" if "test" in accuracy else ""
    return f"{accuracy['train']:.1%} of the rows are classified correctly{held}"


def _names(fit: Fit) -> list[str]:
    return [style.text(name, 30) for name in fit.schema.classes or ()]


def _curves(fit: Fit, also: Sequence[Fit], step: int | None, theme: str) -> style.Figure:
    data, names = probability_data(fit, also, step), _names(fit)
    shown = style.figure(_title(fit, data.step), [data.rows.note], theme, 440)
    # of two classes one curve says it all
    wanted = [1] if len(names) == 2 else range(len(names))
    for k, (share, label) in enumerate(zip(data.shares, labels([fit, *also]), strict=True)):
        for i in wanted:
            shown.add_scatter(
                x=data.x,
                y=share[:, i],
                mode="lines",
                line={
                    "color": (style.SERIES[k % 8] if len(names) == 2 else style.CLASSES[i % 10]),
                    "width": 3,
                    "dash": style.DASHES[k % 4],
                },
                name=f"probability of {names[i]}" + ("" if not also else f", {style.text(label, 60)}"),
                hovertemplate="%{x:.5g}: %{y:.3f}<extra></extra>",
            )
    if data.exact is not None:
        for i in wanted:
            shown.add_scatter(
                x=data.x,
                y=data.exact[:, i],
                mode="lines",
                line={"color": colours.EXACT, "dash": "dash", "width": 1.6},
                name="exact",
                legendgroup="exact",
                showlegend=i == wanted[0],
                hoverinfo="skip",
            )
    codes = data.rows.y.astype(int)
    # rows lie in a band of their own beside the curves; the spread within it only keeps them apart
    spread = 0.04 * np.modf(np.arange(len(codes)) * 0.618034)[0]
    for i, name in enumerate(names):
        mine = codes == i
        base = (1.03 if i == 1 else -0.07) if len(names) == 2 else -0.07 - 0.06 * i
        shown.add_scatter(
            x=data.rows.x[mine, 0],
            y=base + spread[mine],
            mode="markers",
            marker={"size": 5, "color": style.CLASSES[i % 10], "opacity": 0.7},
            name=name,
            hovertemplate="%{x:.6g}<extra>" + name + "</extra>",
        )
    low = -0.1 if len(names) == 2 else -0.1 - 0.06 * len(names)
    shown.update_yaxes(title_text="probability", range=[low, 1.1], tickvals=[0, 0.25, 0.5, 0.75, 1])
    shown.update_xaxes(title_text=style.text(fit.schema.names[0]))
    return shown


def _regions(fit: Fit, step: int | None, theme: str) -> style.Figure:
    data, names = region_data(fit, step), _names(fit)
    shown = style.figure(_title(fit, data.step), [data.rows.note], theme, 520)
    count = len(names)
    # one colour a class, paler where the model is less sure
    sure = (data.share - 1 / count) / (1 - 1 / count)
    for i in range(count):
        colour = style.CLASSES[i % 10]
        shown.add_heatmap(
            x=data.x,
            y=data.y,
            z=np.where(data.codes == i, sure, np.nan),
            zmin=0,
            zmax=1,
            colorscale=[[0, style.faded(colour, 0.05)], [1, style.faded(colour, 0.5)]],
            showscale=False,
            hovertemplate=f"{names[i]}<extra></extra>",
        )
    codes = data.rows.y.astype(int)
    for i, name in enumerate(names):
        mine = codes == i
        shown.add_scatter(
            x=data.rows.x[mine, 0],
            y=data.rows.x[mine, 1],
            mode="markers",
            marker={
                "size": 7,
                "color": style.CLASSES[i % 10],
                "symbol": style.SYMBOLS[i % 8],
                "line": {"color": "white", "width": 0.8},
            },
            name=name,
            hovertemplate="%{x:.6g}, %{y:.6g}<extra>" + name + "</extra>",
        )
    shown.update_xaxes(title_text=style.text(fit.schema.names[0]), showgrid=False, zeroline=False)
    shown.update_yaxes(title_text=style.text(fit.schema.names[1]), showgrid=False, zeroline=False)
    return shown


def _confusion(fit: Fit, step: int | None, theme: str) -> style.Figure:
    shown_step, theta = at_step(fit, step)
    parts = [("training rows", training(fit))]
    test = held_out(fit)
    parts += [] if test is None else [("held-out rows", test)]
    names = _names(fit)
    few = len(names) <= 12
    shown = style.Figure(
        make_subplots(rows=1, cols=len(parts), subplot_titles=[name for name, _ in parts], horizontal_spacing=0.14)
    )
    shown.update_layout(template=style.template(theme), height=480)
    style.titled(
        shown, _title(fit, shown_step), ["Shades are shares of each class; counts are written where they fit."], 32
    )
    for column, (_, rows) in enumerate(parts, 1):
        counts = confusion_data(fit, rows, theta)
        share = counts / np.maximum(counts.sum(1, keepdims=True), 1)
        shown.add_heatmap(
            x=names,
            y=names,
            z=share,
            zmin=0,
            zmax=1,
            colorscale=[[0, style.faded(colours.DATA, 0.03)], [1, style.faded(colours.DATA, 0.95)]],
            text=counts,
            texttemplate="%{text:,}" if few else None,
            customdata=counts,
            hovertemplate="%{y} taken for %{x}: %{customdata:,} (%{z:.1%})<extra></extra>",
            showscale=False,
            xgap=2,
            ygap=2,
            row=1,
            col=column,
        )
        shown.update_xaxes(title_text="predicted", type="category", showgrid=False, row=1, col=column)
        shown.update_yaxes(
            title_text="actual" if column == 1 else None,
            type="category",
            autorange="reversed",
            showgrid=False,
            row=1,
            col=column,
        )
    return shown
