"""What a fit of several features says: predicted against actual values, and how the prediction depends on each feature.

`actual_data` and `dependence_data` are the numbers, `plot` draws them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from steepest.data.thinning import evenly
from steepest.data.wording import number, plain
from steepest.errors import SpecError
from steepest.model.prediction import log_odds
from steepest.plots import style
from steepest.plots.drawn_rows import at_step, drawn, drawn_held_out, labels, training
from steepest.plots.plotly_parts import make_subplots
from steepest.text import colours

if TYPE_CHECKING:
    from steepest.result import Fit

MOST_FEATURES = 6
"""Features whose partial dependence is drawn: those on which the prediction depends most."""

AVERAGED = 200
"""Rows over which a partial dependence is averaged."""

LEVELS = 30
"""Places of a feature at which it is taken."""

MANY, FEW_LEVELS, FEW_AVERAGED = 24, 6, 20
"""Of more features than this so many are looked at closely: those that matter most at fewer places, over fewer rows."""


def scores_title(fit: Fit, step: int | None) -> str:
    """What is drawn, with the losses of the end."""
    if step is not None:
        row = int(np.argmin(np.abs(fit.trace.step - step)))
        return f"{_model(fit)} before update {step:,}: {fit.loss_function} {number(float(fit.trace.loss[row]))}"
    held = "" if fit.test_loss is None else f" train, {number(fit.test_loss)} held out"
    return f"{_model(fit)}: {fit.loss_function} {number(fit.loss)}{held}"


def _model(fit: Fit) -> str:
    return plain(fit.model_name)


@dataclass(frozen=True)
class Actual:
    """Predicted beside actual values of a target, training rows and held-out rows `[n]`."""

    target: str
    actual: np.ndarray
    predicted: np.ndarray
    held_out_actual: np.ndarray
    held_out_predicted: np.ndarray
    note: str


def actual_data(fit: Fit, step: int | None = None) -> list[Actual]:
    """Predicted against actual values, one entry a target."""
    _, theta = at_step(fit, step)
    rows, apart = drawn(fit), drawn_held_out(fit)
    found = []
    with np.errstate(over="ignore", invalid="ignore"):
        guess = _columns(log_odds(fit, rows.x, theta))
        other = np.zeros((0, guess.shape[1])) if apart is None else _columns(log_odds(fit, apart.x, theta))
    actual, other_actual = _columns(rows.y), other if apart is None else _columns(apart.y)
    for i, target in enumerate(fit.schema.targets):
        found.append(Actual(target, actual[:, i], guess[:, i], other_actual[:, i], other[:, i], rows.note))
    return found


def _columns(values: np.ndarray) -> np.ndarray:
    return values[:, None] if values.ndim == 1 else values


@dataclass(frozen=True)
class Dependence:
    """Partial dependence of the prediction on one feature: the mean prediction with the feature set to each `place`.

    (Friedman 2001, over `AVERAGED` rows.) rows_x and rows_y: the rows behind it.
    """

    feature: str
    place: np.ndarray
    mean: np.ndarray
    rows_x: np.ndarray
    rows_y: np.ndarray


def dependence_data(fit: Fit, features: Sequence[str] | None = None, step: int | None = None) -> list[Dependence]:
    """The features on which the prediction depends most, largest swing first, or those named; of the first target."""
    data = training(fit)
    if data.x.ndim != 2:
        return []
    _, theta = at_step(fit, step)
    rows = drawn(fit)
    sample = data.x[evenly(data.rows, AVERAGED)]
    names = list(fit.schema.names)
    if unknown := [name for name in features or () if name not in names]:
        raise SpecError(f"{unknown[0]!r} is no feature here: {', '.join(names[:8])}.")
    chosen = range(len(names)) if features is None else [names.index(name) for name in features]
    if len(chosen) > MANY and features is None:
        few = sample[evenly(len(sample), FEW_AVERAGED)]
        swings = [np.ptp(_means(fit, few, i, _places(data.x[:, i], FEW_LEVELS), theta)) for i in chosen]
        chosen = np.argsort(-np.nan_to_num(swings), kind="stable")[:MANY].tolist()
    found = []
    for i in chosen:
        place = _places(data.x[:, i], LEVELS)
        mean = _means(fit, sample, i, place, theta)
        found.append(Dependence(names[i], place, mean, rows.x[:, i], _columns(rows.y)[:, 0]))
    if features is None:
        found.sort(key=lambda each: -np.nan_to_num(np.ptp(each.mean)))
    return found[: MOST_FEATURES if features is None else None]


def _places(column: np.ndarray, most: int) -> np.ndarray:
    """Where a feature is taken: at each of its values, or evenly between the least and the largest."""
    values = np.unique(column)
    return values if len(values) <= most else np.linspace(values[0], values[-1], most)


def _means(fit: Fit, sample: np.ndarray, i: int, place: np.ndarray, theta: np.ndarray) -> np.ndarray:
    """The mean prediction of the first target over the rows of a sample `[n, d]`, its column i set to each place."""
    many = np.repeat(sample[None], len(place), axis=0)
    many[:, :, i] = place[:, None]
    with np.errstate(over="ignore", invalid="ignore"):
        guess = _columns(log_odds(fit, many.reshape(-1, sample.shape[1]), theta))[:, 0]
    return guess.reshape(len(place), -1).mean(1)


def plot(fit: Fit, also: Sequence[Fit], step: int | None, theme: str) -> style.Figure:
    """Predicted against actual values, and below them the features that matter most; as `predictions.plot`."""
    fits = [fit, *also]
    parts = dependence_data(fit, step=step)
    others = [dependence_data(each, [part.feature for part in parts]) for each in also]
    wide = min(3, max(len(parts), 1))
    tall = -(-len(parts) // wide)
    shown = style.Figure(
        make_subplots(
            rows=1 + tall,
            cols=wide,
            row_heights=[0.5] + [0.5 / tall] * tall if tall else [1.0],
            specs=[[{"colspan": wide}, *[None] * (wide - 1)]] + [[{}] * wide] * tall,
            vertical_spacing=0.11,
            horizontal_spacing=0.07,
        )
    )
    shown.update_layout(template=style.template(theme), height=430 + 190 * tall)
    data = actual_data(fit, step)
    notes = [data[0].note]
    if parts:
        total = len(fit.schema.names)
        which = f"the {len(parts)} of {total:,} features that matter most" if len(parts) < total else "each feature"
        whose = "" if len(data) == 1 else f" (of {plain(data[0].target)})"
        notes.append(f"Below: the mean prediction{whose} as {which} changes, the rows behind it.")
    style.titled(shown, scores_title(fit, at_step(fit, step)[0]), notes)
    for k, each in enumerate(fits):
        for i, target in enumerate(data if each is fit else actual_data(each)):
            _add_actual(shown, target, k, i, alone=not also, lone=len(data) == 1, label=labels(fits)[k])
    ends = np.concatenate([[d.actual.min(), d.actual.max()] for d in data])
    shown.add_scatter(
        x=[ends.min(), ends.max()],
        y=[ends.min(), ends.max()],
        mode="lines",
        line={"color": colours.EXACT, "dash": "dash", "width": 1.5},
        name="predicted = actual",
        hoverinfo="skip",
        row=1,
        col=1,
    )
    target = style.text(data[0].target) if len(data) == 1 else "value"
    shown.update_xaxes(title_text=f"actual {target}", row=1, col=1)
    shown.update_yaxes(title_text="predicted", row=1, col=1)
    for i, part in enumerate(parts):
        place = {"row": 2 + i // wide, "col": 1 + i % wide}
        shown.add_scatter(
            x=part.rows_x[evenly(len(part.rows_x), 600)],
            y=part.rows_y[evenly(len(part.rows_x), 600)],
            mode="markers",
            marker={"size": 3.5, "color": style.faded(colours.DATA, 0.35)},
            hoverinfo="skip",
            showlegend=False,
            **place,
        )
        for k, one in enumerate([part, *(other[i] for other in others)]):
            shown.add_scatter(
                x=one.place,
                y=one.mean,
                mode="lines+markers" if len(one.place) < 8 else "lines",
                line={"color": style.SERIES[k % len(style.SERIES)], "width": 2.5, "dash": style.DASHES[k % 4]},
                hovertemplate="%{x:.5g}: %{y:.5g}<extra></extra>",
                showlegend=False,
                **place,
            )
        shown.update_xaxes(title_text=style.text(part.feature, 22), nticks=4, **place)
        shown.update_yaxes(nticks=4, **place)
    return shown


def _add_actual(shown: style.Figure, data: Actual, k: int, i: int, alone: bool, lone: bool, label: str) -> None:
    colour = style.SERIES[k % len(style.SERIES)] if not alone else colours.DATA if lone else style.CLASSES[i % 10]
    many = len(data.actual)
    name = style.text(data.target) if not lone else "training rows" if alone else style.text(label, 60)
    size = 6 if many < 1_000 else 4
    draw = shown.add_scattergl if many > 1_000 else shown.add_scatter
    draw(
        x=data.actual,
        y=data.predicted,
        mode="markers",
        marker={"size": size, "color": colour, "opacity": 0.65 if many < 1_000 else 0.35},
        name=name,
        hovertemplate="actual %{x:.6g}<br>predicted %{y:.6g}<extra></extra>",
        row=1,
        col=1,
    )
    if len(data.held_out_actual) and alone:
        shown.add_scatter(
            x=data.held_out_actual,
            y=data.held_out_predicted,
            mode="markers",
            marker={"size": size, "color": colours.TEST, "symbol": "diamond", "opacity": 0.8},
            name="held out" if lone else f"{style.text(data.target)}, held out",
            hovertemplate="actual %{x:.6g}<br>predicted %{y:.6g}<extra></extra>",
            row=1,
            col=1,
        )
