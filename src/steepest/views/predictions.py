"""What a fit says about its rows, beside what they are.

    one feature          the rows, the curve on a fine grid, the exact curve dashed; held-out rows apart
    several features     predicted against actual, and how the prediction depends on each feature (partial dependence)
    classes              see `classes.py`

`plot` is `fit.plot()`: it chooses. `curve_data`, `actual_data` and `dependence_data` are the numbers that it draws.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from plotly.subplots import make_subplots

from steepest.errors import SpecError
from steepest.views import classes
from steepest.views import theme as looks
from steepest.views.rows import Drawn, at_step, drawn, drawn_held_out, evenly, held_out, labels, model_of, training

if TYPE_CHECKING:
    from steepest.result import Fit

FINE = 400
"""Points of a curve."""

REACH = 0.75
"""How far beyond the rows, in heights of them, a curve is followed before it is clipped."""

MOST_FEATURES = 6
"""Features whose partial dependence is drawn: those on which the prediction depends most."""

AVERAGED = 200
"""Rows over which a partial dependence is averaged."""

LEVELS = 30
"""Places of a feature at which it is taken."""


def plot(fit: Fit, also: Sequence[Fit] = (), step: int | None = None, theme: str = "light") -> looks.Figure:
    """The rows and what the fit makes of them.

    Args:
        also: other fits of the same columns, drawn beside it (one feature: their curves).
        step: draw the prediction before this update (0: the start) in the place of the end.
        theme: `light` or `dark`.

    Raises:
        FitError: a loaded fit, which has no rows. SpecError: `also` holds fits of other columns.
    """
    data = training(fit)
    for each in also:
        if each.schema.names != fit.schema.names:
            raise SpecError(
                f"also= holds a fit of other columns ({', '.join(each.schema.names[:4])}) than this one "
                f"({', '.join(fit.schema.names[:4])})."
            )
    if fit.schema.classes is not None:
        return classes.plot(fit, also, step, theme)
    if data.x.ndim == 2 and data.x.shape[1] == 1 and data.y.ndim == 1:
        return _one_feature(fit, also, step, theme)
    return _several_features(fit, also, step, theme)


# ---- one feature -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class CurveOnData:
    """x: `[400]`, from the least to the largest row. curves: for each fit `[400]`. exact: `[400]` or None.

    low and high: the range of y worth showing; what is beyond is clipped. step: the recorded step shown, None for the end.
    """

    rows: Drawn
    held_out: Drawn | None
    x: np.ndarray
    curves: list[np.ndarray]
    labels: list[str]
    exact: np.ndarray | None
    low: float
    high: float
    step: int | None


def curve_data(fit: Fit, also: Sequence[Fit] = (), step: int | None = None) -> CurveOnData:
    """The rows of one feature, and the curve of each fit on a fine grid."""
    data = training(fit)
    test = held_out(fit)
    everything = data.x[:, 0] if test is None else np.concatenate([data.x[:, 0], test.x[:, 0]])
    x = np.linspace(everything.min(), everything.max(), FINE)
    shown_step, theta = at_step(fit, step)
    fits = [fit, *also]
    with np.errstate(over="ignore", invalid="ignore"):
        curves = [predicted(each, x[:, None], theta if each is fit else None) for each in fits]
        best = None if fit.exact is None else fit.exact.theta
        exact = None if best is None else predicted(fit, x[:, None], best)
    y = data.y if test is None else np.concatenate([data.y, test.y])
    low, high = view(y, curves)
    return CurveOnData(drawn(fit), drawn_held_out(fit), x, curves, labels(fits), exact, low, high, shown_step)


def predicted(fit: Fit, x: np.ndarray, theta: np.ndarray | None = None) -> np.ndarray:
    """What the model gives for encoded columns x `[n, d]`."""
    return fit._predict_columns(x, fit.theta if theta is None else theta)


def view(y: np.ndarray, curves: Sequence[np.ndarray]) -> tuple[float, float]:
    """The range that shows the rows, and the curves as far as they do not fly away from them."""
    low, high = float(y.min()), float(y.max())
    height = high - low if high > low else max(abs(high), 1.0)
    fine = np.concatenate([curve[np.isfinite(curve)] for curve in curves]) if curves else y
    fine = fine if fine.size else y
    bottom = max(min(low, float(fine.min())), low - REACH * height)
    top = min(max(high, float(fine.max())), high + REACH * height)
    return bottom - 0.05 * (top - bottom or 1.0), top + 0.05 * (top - bottom or 1.0)


def clipped(name: str, values: np.ndarray, low: float, high: float) -> str:
    """A note where a curve leaves the picture; "" if it does not."""
    fine = values[np.isfinite(values)]
    if not fine.size:
        return f"{name} is no number here."
    if fine.min() >= low and fine.max() <= high:
        return ""
    return f"{name} runs from {looks.number(fine.min())} to {looks.number(fine.max())}; it is clipped."


def scores_title(fit: Fit, step: int | None) -> str:
    """What is drawn, with the losses of the end."""
    if step is not None:
        row = int(np.argmin(np.abs(fit.trace.step - step)))
        return f"{_model(fit)} before update {step:,}: {fit.loss_function} {looks.number(float(fit.trace.loss[row]))}"
    held = "" if fit.test_loss is None else f" train, {looks.number(fit.test_loss)} held out"
    return f"{_model(fit)}: {fit.loss_function} {looks.number(fit.loss)}{held}"


def _model(fit: Fit) -> str:
    return looks.plain(model_of(fit))


def _one_feature(fit: Fit, also: Sequence[Fit], step: int | None, theme: str) -> looks.Figure:
    data = curve_data(fit, also, step)
    notes = [data.rows.note]
    for curve, label in zip(data.curves, data.labels, strict=True):
        notes.append(clipped("The curve" if not also else f"The curve of {label}", curve, data.low, data.high))
    if data.exact is not None:
        notes.append(clipped("The exact curve", data.exact, data.low, data.high))
    shown = looks.figure(scores_title(fit, data.step), notes, theme, 460)
    add_rows(shown, data.rows, data.held_out)
    add_curves(shown, data)
    shown.update_xaxes(title_text=looks.text(fit.schema.names[0]))
    shown.update_yaxes(title_text=looks.text(fit.schema.targets[0]), range=[data.low, data.high])
    return shown


def add_rows(shown: looks.Figure, rows: Drawn, apart: Drawn | None, **place: Any) -> None:
    """The rows of one feature as points, held-out ones apart."""
    for part, name, colour, symbol in (
        (rows, "data", looks.DATA, "circle"),
        (apart, "held out", looks.TEST, "diamond"),
    ):
        if part is None:
            continue
        many = len(part.x)
        draw = shown.add_scattergl if many > 1_000 else shown.add_scatter
        draw(
            x=part.x[:, 0],
            y=part.y,
            mode="markers",
            marker={
                "size": 7 if many < 400 else 5,
                "color": colour,
                "symbol": symbol,
                "opacity": 0.8 if many < 400 else 0.4,
            },
            name=name,
            hovertemplate="%{x:.6g}, %{y:.6g}<extra></extra>",
            **place,
        )


def add_curves(shown: looks.Figure, data: CurveOnData, **place: Any) -> None:
    """The curves of the fits, and the exact one dashed."""
    for i, (curve, label) in enumerate(zip(data.curves, data.labels, strict=True)):
        shown.add_scatter(
            x=data.x,
            y=_nearby(curve, data),
            mode="lines",
            line={"color": looks.SERIES[i % len(looks.SERIES)], "width": 3, "dash": looks.DASHES[i % 4]},
            name="fit" if len(data.labels) == 1 else looks.text(label, 60),
            hovertemplate="%{x:.6g}, %{y:.6g}<extra></extra>",
            **place,
        )
    if data.exact is not None:
        shown.add_scatter(
            x=data.x,
            y=_nearby(data.exact, data),
            mode="lines",
            line={"color": looks.EXACT, "width": 2, "dash": "dash"},
            name="exact",
            hovertemplate="%{x:.6g}, %{y:.6g}<extra></extra>",
            **place,
        )


def _nearby(curve: np.ndarray, data: CurveOnData) -> np.ndarray:
    """A curve without what lies so far out that a browser would draw it wrongly."""
    height = data.high - data.low
    return np.where(np.isfinite(curve), np.clip(curve, data.low - 50 * height, data.high + 50 * height), np.nan)


# ---- several features ------------------------------------------------------------------------------


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
        guess = _columns(predicted(fit, rows.x, theta))
        other = np.zeros((0, guess.shape[1])) if apart is None else _columns(predicted(fit, apart.x, theta))
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
    found = []
    for i in range(len(names)) if features is None else [names.index(name) for name in features]:
        values = np.unique(data.x[:, i])
        place = values if len(values) <= LEVELS else np.linspace(values[0], values[-1], LEVELS)
        many = np.repeat(sample[None], len(place), axis=0)
        many[:, :, i] = place[:, None]
        with np.errstate(over="ignore", invalid="ignore"):
            guess = _columns(predicted(fit, many.reshape(-1, len(names)), theta))[:, 0]
        mean = guess.reshape(len(place), -1).mean(1)
        found.append(Dependence(names[i], place, mean, rows.x[:, i], _columns(rows.y)[:, 0]))
    if features is None:
        found.sort(key=lambda each: -np.nan_to_num(np.ptp(each.mean)))
    return found[: MOST_FEATURES if features is None else None]


def _several_features(fit: Fit, also: Sequence[Fit], step: int | None, theme: str) -> looks.Figure:
    fits = [fit, *also]
    parts = dependence_data(fit, step=step)
    others = [dependence_data(each, [part.feature for part in parts]) for each in also]
    tall = -(-len(parts) // 3) if parts else 0
    shown = looks.Figure(
        make_subplots(
            rows=1 + tall,
            cols=3,
            row_heights=[0.5] + [0.5 / tall] * tall if tall else [1.0],
            specs=[[{"colspan": 3}, None, None]] + [[{}] * 3] * tall,
            vertical_spacing=0.11,
            horizontal_spacing=0.07,
        )
    )
    shown.update_layout(template=looks.template(theme), height=430 + 190 * tall)
    data = actual_data(fit, step)
    notes = [data[0].note]
    if parts:
        total = len(fit.schema.names)
        which = f"the {len(parts)} of {total:,} features that matter most" if len(parts) < total else "each feature"
        whose = "" if len(data) == 1 else f" (of {looks.plain(data[0].target)})"
        notes.append(f"Below: the mean prediction{whose} as {which} changes, the rows behind it.")
    looks.titled(shown, scores_title(fit, at_step(fit, step)[0]), notes)
    for k, each in enumerate(fits):
        for i, target in enumerate(data if each is fit else actual_data(each)):
            _add_actual(shown, target, k, i, alone=not also, lone=len(data) == 1, label=labels(fits)[k])
    ends = np.concatenate([[d.actual.min(), d.actual.max()] for d in data])
    shown.add_scatter(
        x=[ends.min(), ends.max()],
        y=[ends.min(), ends.max()],
        mode="lines",
        line={"color": looks.EXACT, "dash": "dash", "width": 1.5},
        name="predicted = actual",
        hoverinfo="skip",
        row=1,
        col=1,
    )
    target = looks.text(data[0].target) if len(data) == 1 else "value"
    shown.update_xaxes(title_text=f"actual {target}", row=1, col=1)
    shown.update_yaxes(title_text="predicted", row=1, col=1)
    for i, part in enumerate(parts):
        place = {"row": 2 + i // 3, "col": 1 + i % 3}
        shown.add_scatter(
            x=part.rows_x[evenly(len(part.rows_x), 600)],
            y=part.rows_y[evenly(len(part.rows_x), 600)],
            mode="markers",
            marker={"size": 3.5, "color": looks.faded(looks.DATA, 0.35)},
            hoverinfo="skip",
            showlegend=False,
            **place,
        )
        for k, one in enumerate([part, *(other[i] for other in others)]):
            shown.add_scatter(
                x=one.place,
                y=one.mean,
                mode="lines+markers" if len(one.place) < 8 else "lines",
                line={"color": looks.SERIES[k % len(looks.SERIES)], "width": 2.5, "dash": looks.DASHES[k % 4]},
                hovertemplate="%{x:.5g}: %{y:.5g}<extra></extra>",
                showlegend=False,
                **place,
            )
        shown.update_xaxes(title_text=looks.text(part.feature, 30), nticks=4, **place)
        shown.update_yaxes(nticks=4, **place)
    return shown


def _add_actual(shown: looks.Figure, data: Actual, k: int, i: int, alone: bool, lone: bool, label: str) -> None:
    colour = looks.SERIES[k % len(looks.SERIES)] if not alone else looks.DATA if lone else looks.CLASSES[i % 10]
    many = len(data.actual)
    name = looks.text(data.target) if not lone else "training rows" if alone else looks.text(label, 60)
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
            marker={"size": size, "color": looks.TEST, "symbol": "diamond", "opacity": 0.8},
            name="held out" if lone else f"{looks.text(data.target)}, held out",
            hovertemplate="actual %{x:.6g}<br>predicted %{y:.6g}<extra></extra>",
            row=1,
            col=1,
        )
