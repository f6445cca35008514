"""What a fit says about its rows, beside what they are.

    one feature          the rows, the curve on a fine grid, the exact curve dashed; held-out rows apart
    several features     see `features.py`
    classes              see `classes.py`

`plot` is `fit.plot()`: it chooses. `curve_data` are the numbers of one feature.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from steepest.data.wording import number
from steepest.errors import SpecError
from steepest.model.prediction import log_odds
from steepest.plots import classes, features, style
from steepest.plots.drawn_rows import Drawn, at_step, drawn, drawn_held_out, held_out, labels, training
from steepest.result import inner_of
from steepest.text import colours

if TYPE_CHECKING:
    from steepest.result import Fit

FINE = 400
"""Points of a curve."""

REACH = 0.75
"""How far beyond the rows, in heights of them, a curve is followed before it is clipped."""


def plot(fit: Fit, also: Sequence[Fit] = (), step: int | None = None, theme: str = "light") -> style.Figure:
    """The rows and what the fit makes of them.

    Args:
        also: other fits of the same columns, drawn beside it (one feature: their curves).
        step: draw the prediction before this update (0: the start) in the place of the end.
        theme: `light` or `dark`.

    Raises:
        FitError: a loaded fit, which has no rows. SpecError: `also` holds fits of other columns.
    """
    fit, also = fit.inner, inner_of(also)
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
    return features.plot(fit, also, step, theme)


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
        curves = [log_odds(each, x[:, None], theta if each is fit else None) for each in fits]
        best = None if fit.exact is None else fit.exact.theta
        exact = None if best is None else log_odds(fit, x[:, None], best)
    y = data.y if test is None else np.concatenate([data.y, test.y])
    low, high = value_range(y, curves)
    return CurveOnData(drawn(fit), drawn_held_out(fit), x, curves, labels(fits), exact, low, high, shown_step)


def value_range(y: np.ndarray, curves: Sequence[np.ndarray]) -> tuple[float, float]:
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
    return f"{name} runs from {number(fine.min())} to {number(fine.max())}; it is clipped."


def _one_feature(fit: Fit, also: Sequence[Fit], step: int | None, theme: str) -> style.Figure:
    data = curve_data(fit, also, step)
    notes = [data.rows.note]
    for curve, label in zip(data.curves, data.labels, strict=True):
        notes.append(clipped("The curve" if not also else f"The curve of {label}", curve, data.low, data.high))
    if data.exact is not None:
        notes.append(clipped("The exact curve", data.exact, data.low, data.high))
    shown = style.figure(features.scores_title(fit, data.step), notes, theme, 460)
    add_rows(shown, data.rows, data.held_out)
    add_curves(shown, data)
    shown.update_xaxes(title_text=style.text(fit.schema.names[0]))
    shown.update_yaxes(title_text=style.text(fit.schema.targets[0]), range=[data.low, data.high])
    return shown


def add_rows(shown: style.Figure, rows: Drawn, apart: Drawn | None, **place: Any) -> None:
    """The rows of one feature as points, held-out ones apart."""
    for part, name, colour, symbol in (
        (rows, "data", colours.DATA, "circle"),
        (apart, "held out", colours.TEST, "diamond"),
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


def add_curves(shown: style.Figure, data: CurveOnData, **place: Any) -> None:
    """The curves of the fits, and the exact one dashed."""
    for i, (curve, label) in enumerate(zip(data.curves, data.labels, strict=True)):
        shown.add_scatter(
            x=data.x,
            y=_nearby(curve, data),
            mode="lines",
            line={"color": style.SERIES[i % len(style.SERIES)], "width": 3, "dash": style.DASHES[i % 4]},
            name="fit" if len(data.labels) == 1 else style.text(label, 60),
            hovertemplate="%{x:.6g}, %{y:.6g}<extra></extra>",
            **place,
        )
    if data.exact is not None:
        shown.add_scatter(
            x=data.x,
            y=_nearby(data.exact, data),
            mode="lines",
            line={"color": colours.EXACT, "width": 2, "dash": "dash"},
            name="exact" if len(data.labels) == 1 else style.text(f"exact, {data.labels[0]}", 60),
            hovertemplate="%{x:.6g}, %{y:.6g}<extra></extra>",
            **place,
        )


def _nearby(curve: np.ndarray, data: CurveOnData) -> np.ndarray:
    """A curve without what lies so far out that a browser would draw it wrongly."""
    height = data.high - data.low
    return np.where(np.isfinite(curve), np.clip(curve, data.low - 50 * height, data.high + 50 * height), np.nan)
