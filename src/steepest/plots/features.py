"""What a fit of several features says: predicted against actual values, and how the prediction depends on each feature.

`actual_data` and `dependence_data` are the numbers, `plot` draws them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from steepest.data.thinning import evenly
from steepest.data.wording import number, plain
from steepest.model.prediction import log_odds
from steepest.plots import style
from steepest.plots.drawn import at_step, drawn, drawn_held_out, labels, places_of, training
from steepest.plots.figure import Figure, cell, panels
from steepest.result import Fit
from steepest.text import colours

MOST_FEATURES = 6  # features whose partial dependence is drawn: those on which the prediction depends most
AVERAGED = 200  # rows over which a partial dependence is averaged
LEVELS = 30  # places of a feature at which it is taken
FEW_ROWS = 1_000  # rows up to which each is drawn large

MANY, FEW_LEVELS, FEW_AVERAGED = 24, 6, 20
"""Of more features than this so many are looked at closely: those that matter most at fewer places, over fewer rows."""


def scores_title(fit: Fit, step: int | None) -> str:
    """What is drawn, with the losses of the end."""
    model = plain(fit.model_name)
    if step is not None:
        row = int(np.argmin(np.abs(fit.trace.step - step)))
        return f"{model} before update {step:,}: {fit.loss_function} {number(float(fit.trace.loss[row]))}"
    held = "" if fit.test_loss is None else f" train, {number(fit.test_loss)} held out"
    return f"{model}: {fit.loss_function} {number(fit.loss)}{held}"


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
    with np.errstate(over="ignore", invalid="ignore"):
        guess = _columns(log_odds(fit, rows.x, theta, rows.offset))
        other = (
            np.zeros((0, guess.shape[1])) if apart is None else _columns(log_odds(fit, apart.x, theta, apart.offset))
        )
    actual, other_actual = _columns(rows.y), other if apart is None else _columns(apart.y)
    columns = zip(fit.schema.targets, actual.T, guess.T, other_actual.T, other.T, strict=False)  # a loss may take more
    return [Actual(*one, rows.note) for one in columns]


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
    few = evenly(data.rows, AVERAGED)
    sample, offset = data.x[few], None if data.offset is None else data.offset[few]
    names = list(fit.schema.names)
    chosen = list(range(len(names))) if features is None else places_of(features, names, what="feature")
    if len(chosen) > MANY and features is None:
        fewer = evenly(len(sample), FEW_AVERAGED)
        part = sample[fewer], None if offset is None else offset[fewer]
        swings = [np.ptp(_means(fit, *part, i, _places(data.x[:, i], FEW_LEVELS), theta)) for i in chosen]
        chosen = np.argsort(-np.nan_to_num(swings), kind="stable")[:MANY].tolist()
    found = []
    for i in chosen:
        place = _places(data.x[:, i], LEVELS)
        mean = _means(fit, sample, offset, i, place, theta)
        found.append(Dependence(names[i], place, mean, rows.x[:, i], _columns(rows.y)[:, 0]))
    if features is None:
        found.sort(key=lambda each: -np.nan_to_num(np.ptp(each.mean)))
    return found[: MOST_FEATURES if features is None else None]


def _places(column: np.ndarray, most: int) -> np.ndarray:
    """Where a feature is taken: at each of its values, or evenly between the least and the largest."""
    values = np.unique(column)
    return values if len(values) <= most else np.linspace(values[0], values[-1], most)


def _means(
    fit: Fit, sample: np.ndarray, offset: np.ndarray | None, i: int, place: np.ndarray, theta: np.ndarray
) -> np.ndarray:
    """The mean prediction of the first target over the rows of a sample `[n, d]`, its column i set to each place."""
    many = np.repeat(sample[None], len(place), axis=0)
    many[:, :, i] = place[:, None]
    with np.errstate(over="ignore", invalid="ignore"):
        each = None if offset is None else np.tile(offset, len(place))
        guess = _columns(log_odds(fit, many.reshape(-1, sample.shape[1]), theta, each))[:, 0]
    return guess.reshape(len(place), -1).mean(1)


@dataclass(frozen=True)
class ActualAndDependence:
    """Of each fit: predicted against actual values, an entry a target, and the dependence on the features that matter most."""

    actual: list[list[Actual]]
    dependence: list[list[Dependence]]


def feature_data(fit: Fit, also: Sequence[Fit] = (), step: int | None = None) -> ActualAndDependence:
    """The numbers of `plot`: of all fits the dependence on the features that matter most to the first."""
    first = dependence_data(fit, step=step)
    names = [part.feature for part in first]
    return ActualAndDependence(
        [actual_data(fit, step), *map(actual_data, also)], [first, *(dependence_data(each, names) for each in also)]
    )


def plot(fit: Fit, also: Sequence[Fit], step: int | None, theme: str) -> Figure:
    """Predicted against actual values, and below them the features that matter most; as `predictions.plot`."""
    data = feature_data(fit, also, step)
    targets, parts = data.actual[0], data.dependence[0]
    lone = len(targets) == 1
    wide = min(3, max(len(parts), 1))
    tall = -(-len(parts) // wide)
    notes = [targets[0].note]
    if parts:
        total = len(fit.schema.names)
        which = f"the {len(parts)} of {total:,} features that matter most" if len(parts) < total else "each feature"
        whose = "" if lone else f" (of {plain(targets[0].target)})"
        notes.append(f"Below: the mean prediction{whose} as {which} changes, the rows behind it.")
    shown = panels(
        scores_title(fit, at_step(fit, step)[0]), notes, theme, 430 + 190 * tall, data, 1 + tall, wide,
        row_heights=[0.5] + [0.5 / tall] * tall if tall else [1.0],
        specs=[[{"colspan": wide}, *[None] * (wide - 1)]] + [[{}] * wide] * tall,
        vertical_spacing=0.11, horizontal_spacing=0.07,
    )  # fmt: skip
    for k, label in enumerate(labels([fit, *also])):
        for i, target in enumerate(data.actual[k]):
            _add_actual(shown, target, k, i, alone=not also, lone=lone, label=label)
    ends = np.concatenate([[d.actual.min(), d.actual.max()] for d in targets])
    ends = [ends.min(), ends.max()]
    shown.line(ends, ends, colours.EXACT, 1.5, "dash", hover=None, name="predicted = actual", row=1, col=1)
    shown.update_xaxes(title_text=f"actual {style.text(targets[0].target) if lone else 'value'}", row=1, col=1)
    shown.update_yaxes(title_text="predicted", row=1, col=1)
    for i, part in enumerate(parts):
        place = cell(i, wide, first=2) | {"showlegend": False}
        kept = evenly(len(part.rows_x), 600)
        shown.points(part.rows_x[kept], part.rows_y[kept], style.faded(colours.DATA, 0.35), 3.5, hover=None, **place)
        for k, found in enumerate(data.dependence):
            mode = "lines+markers" if len(found[i].place) < 8 else "lines"
            more = {"mode": mode, "hover": "%{x:.5g}: %{y:.5g}", **place}
            shown.line(found[i].place, found[i].mean, style.series(k), 2.5, style.dash(k), **more)
        shown.update_xaxes(title_text=style.text(part.feature, 22), nticks=4, **cell(i, wide, first=2))
        shown.update_yaxes(nticks=4, **cell(i, wide, first=2))
    return shown


def _add_actual(shown: Figure, data: Actual, k: int, i: int, alone: bool, lone: bool, label: str) -> None:
    """The rows of a target. alone: there is one fit. lone: there is one target."""
    colour = style.series(k) if not alone else colours.DATA if lone else style.class_colour(i)
    name = style.text(data.target) if not lone else "training rows" if alone else style.text(label, 60)
    more: dict[str, Any] = {"hover": "actual %{x:.6g}<br>predicted %{y:.6g}", "row": 1, "col": 1}
    shown.rows(data.actual, data.predicted, colour, few=FEW_ROWS, name=name, **more)
    if len(data.held_out_actual) and alone:
        name = "held out" if lone else f"{style.text(data.target)}, held out"
        size = 6 if len(data.actual) < FEW_ROWS else 4
        apart = data.held_out_actual, data.held_out_predicted
        shown.points(*apart, colours.TEST, size, 0.8, "diamond", name=name, **more)
