"""What a fit says about its rows, beside what they are.

    one column           the rows, the curve on a fine grid, the exact curve dashed; held-out rows apart
    several features     see `features.py`
    classes              see `classes.py`

`plot` is `fit.plot()`: it chooses. `curve_data` are the numbers of one feature.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from steepest.data.wording import number
from steepest.errors import SpecError
from steepest.model.prediction import log_odds
from steepest.plots import classes, features, style
from steepest.plots.bands import band_name, band_of
from steepest.plots.drawn import (
    Axis,
    Drawn,
    at_step,
    axis,
    drawn,
    drawn_held_out,
    exact_theta,
    fits_of,
    held_out,
    labels,
    training,
    usual_offset,
)  # fmt: skip
from steepest.plots.figure import Figure, figure
from steepest.result import Fit
from steepest.text import colours

REACH = 0.75  # how far beyond the rows, in heights of them, a curve is followed before it is clipped


def plot(
    fit: Fit,
    also: Sequence[Fit] = (),
    step: int | None = None,
    theme: str = "light",
    *,
    interval: float | None = 0.95,
) -> Figure:
    """The rows and what the fit makes of them.

    Args:
        also: other fits of the same columns, drawn beside it (one column: their curves).
        step: draw the prediction before this update (0: the start) in the place of the end.
        theme: `light` or `dark`.
        interval: the level of the band around the curve of one column, or of a formula's terms of one, which is that of the mean;
            None for none. A fit that has not arrived, or whose loss has no standard errors by theory, has no band.

    Raises:
        FitError: a loaded fit, which has no rows. SpecError: `also` holds fits of other columns.

    Example:
        >>> from steepest.fitting import fit
        >>> plot(fit([0.0, 1.0, 2.0, 3.0], [1.0, 3.1, 4.9, 7.0])).source_data.rows.y.tolist()
        [1.0, 3.1, 4.9, 7.0]
    """
    fit, *also = fits_of(fit, also)
    for each in also:
        if each.schema.names != fit.schema.names:
            raise SpecError(
                f"also= holds a fit of other columns ({', '.join(each.schema.names[:4])}) than this one "
                f"({', '.join(fit.schema.names[:4])})."
            )
    if fit.schema.classes is not None:
        return classes.plot(fit, also, step, theme, interval)
    if (along := axis(fit)) is not None and training(fit).y.ndim == 1:
        return _one_column(fit, along, also, step, theme, interval)
    return features.plot(fit, also, step, theme)


# ---- one column ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class CurveOnData:
    """x: `[400]`, from the least to the largest row. curves: for each fit `[400]`. exact: `[400]` or None.

    low and high: the range of y worth showing; what is beyond is clipped. step: the recorded step shown, None for the end.
    band: low and high `[400, 2]` of the first curve's interval, None without.
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
    band: np.ndarray | None = None


def curve_data(
    fit: Fit,
    also: Sequence[Fit] = (),
    step: int | None = None,
    interval: float | None = None,
    along: Axis | None = None,
) -> CurveOnData:
    """The rows of one column, and the curve of each fit on a fine grid; interval: the level of the first one's band."""
    along = along or axis(fit)
    assert along is not None
    parts = [rows for rows in (training(fit), held_out(fit)) if rows is not None]
    x, y = along.grid(*parts), np.concatenate([rows.y for rows in parts])
    shown_step, theta = at_step(fit, step)
    fits, best = [fit, *also], exact_theta(fit)
    with np.errstate(over="ignore", invalid="ignore"):
        curves = [
            log_odds(each, along.features(x, each), theta if each is fit else None, usual_offset(each, len(x)))
            for each in fits
        ]
        exact = None if best is None else log_odds(fit, along.features(x), best, usual_offset(fit, len(x)))
    low, high = value_range(y, curves)
    band = None if also or step is not None else band_of(fit, along.features(x), interval)
    apart = drawn_held_out(fit)
    apart = None if apart is None else along.rows(apart, parts[1])
    return CurveOnData(
        along.rows(drawn(fit), parts[0]), apart, x, curves, labels(fits), exact, low, high, shown_step, band
    )


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


def _one_column(
    fit: Fit, along: Axis, also: Sequence[Fit], step: int | None, theme: str, interval: float | None
) -> Figure:
    data = curve_data(fit, also, step, interval, along)
    notes = [data.rows.note]
    for curve, label in zip(data.curves, data.labels, strict=True):
        notes.append(clipped("The curve" if not also else f"The curve of {label}", curve, data.low, data.high))
    if data.exact is not None:
        notes.append(clipped("The exact curve", data.exact, data.low, data.high))
    shown = figure(features.scores_title(fit, data.step), notes, theme, 460, data)
    if data.band is not None:
        low, high = (_nearby(end, data) for end in data.band.T)
        shown.band(data.x, low, high, colours.DESCENT, name=band_name(interval))
    add_rows(shown, data.rows, data.held_out)
    add_curves(shown, data)
    shown.update_xaxes(title_text=style.text(along.name))
    shown.update_yaxes(title_text=style.text(fit.schema.targets[0]), range=[data.low, data.high])
    return shown


def add_rows(shown: Figure, rows: Drawn, apart: Drawn | None, **place: Any) -> None:
    """The rows of one column as points, held-out ones apart."""
    shown.rows(rows.x[:, 0], rows.y, colours.DATA, 7, name="data", **place)
    if apart is not None:
        shown.rows(apart.x[:, 0], apart.y, colours.TEST, 7, symbol="diamond", name="held out", **place)


def add_curves(shown: Figure, data: CurveOnData, **place: Any) -> None:
    """The curves of the fits, and the exact one dashed."""
    lone = len(data.labels) == 1
    for i, (curve, label) in enumerate(zip(data.curves, data.labels, strict=True)):
        name = "fit" if lone else style.text(label, 60)
        shown.line(data.x, _nearby(curve, data), style.series(i), 3, style.dash(i), name=name, **place)
    if data.exact is not None:
        name = "exact" if lone else style.text(f"exact, {data.labels[0]}", 60)
        shown.line(data.x, _nearby(data.exact, data), colours.EXACT, 2, "dash", name=name, **place)


def _nearby(curve: np.ndarray, data: CurveOnData) -> np.ndarray:
    """A curve without what lies so far out that a browser would draw it wrongly."""
    height = data.high - data.low
    return np.where(np.isfinite(curve), np.clip(curve, data.low - 50 * height, data.high + 50 * height), np.nan)
