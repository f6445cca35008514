"""What a fit leaves over: residual = actual − predicted.

    one feature          sticks from each point to the curve, the residuals below them with a zero line, x shared
    several features     residuals against fitted values

and beside it the quantiles of the residuals against those of a normal distribution: on a straight line if they are
normal, bent where the tails are heavier. Several fits go into one picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from steepest.data.thinning import evenly
from steepest.errors import SpecError
from steepest.model.prediction import log_odds
from steepest.plots import features, predictions, style
from steepest.plots.drawn_rows import Drawn, drawn, labels, training
from steepest.plots.plotly_parts import make_subplots
from steepest.result import inner_of
from steepest.text import colours

if TYPE_CHECKING:
    from steepest.result import Fit

MOST_STICKS = 300
"""Sticks drawn at most: more would be a grey block."""


@dataclass(frozen=True)
class Residuals:
    """Of the rows drawn: their feature or fitted value `at` `[n]`, `fitted` and `residual` `[n]`.

    normal, sorted_residual: the Q–Q points of all rows (Filliben's medians, as `scipy.stats.probplot`), thinned.
    line: (slope, intercept) of the straight line through the quartiles.
    """

    label: str
    rows: Drawn
    fitted: np.ndarray
    residual: np.ndarray
    normal: np.ndarray
    sorted_residual: np.ndarray
    line: tuple[float, float]


def residual_data(fit: Fit, label: str = "fit") -> Residuals:
    """Residuals and their normal quantiles. Raises SpecError for classes and for several targets."""
    if fit.schema.classes is not None:
        raise SpecError("Classes have no residuals. fit.plot() shows which rows are classed wrongly.")
    data = training(fit)
    if data.y.ndim > 1:
        raise SpecError(
            f"residuals() is for one target, and this fit has {data.y.shape[1]}. fit.plot() shows them all."
        )
    if not fit.metrics["train"]:
        raise SpecError(
            "residuals() is for predictions in the units of the target, and only the loss knows how these are meant."
        )
    rows = drawn(fit)
    with np.errstate(over="ignore", invalid="ignore"):
        fitted = log_odds(fit, rows.x)
        everything = data.y - log_odds(fit, data.x)
    ordered = np.sort(everything[np.isfinite(everything)])
    kept = evenly(len(ordered), 1_000) if len(ordered) else np.arange(0)
    quantiles = normal_quantiles(len(ordered))
    low, high = np.quantile(ordered, [0.25, 0.75]) if len(ordered) else (0.0, 0.0)
    # the quartiles of the standard normal lie at ±0.6745
    slope = (high - low) / (2 * 0.6744897501960817)
    return Residuals(
        label, rows, fitted, rows.y - fitted, quantiles[kept], ordered[kept], (float(slope), float((low + high) / 2))
    )


def normal_quantiles(count: int) -> np.ndarray:
    """The medians of the order statistics of `count` standard normal numbers (Filliben 1975)."""
    from scipy.special import ndtri

    if not count:
        return np.zeros(0)
    share = (np.arange(1, count + 1) - 0.3175) / (count + 0.365)
    share[-1] = 0.5 ** (1 / count)
    share[0] = 1 - share[-1]
    return ndtri(share)


def residuals(fit: Fit, also: Sequence[Fit] = (), theme: str = "light") -> style.Figure:
    """Residuals, and their quantiles against a normal distribution.

    Args:
        also: other fits of the same rows.
        theme: `light` or `dark`.

    Raises:
        SpecError: the target is classes, or several. FitError: a loaded fit, which has no rows.
    """
    fit, also = fit.inner, inner_of(also)
    fits = [fit, *also]
    parts = [residual_data(each, label) for each, label in zip(fits, labels(fits), strict=True)]
    one = parts[0].rows.x.ndim == 2 and parts[0].rows.x.shape[1] == 1
    if one:
        specs = [[{}, {"rowspan": 2}], [{}, None]]
        shown = style.Figure(
            make_subplots(
                rows=2, cols=2, specs=specs, column_widths=[0.64, 0.36], row_heights=[0.62, 0.38], vertical_spacing=0.05,
                horizontal_spacing=0.1,
            )
        )  # fmt: skip
    else:
        shown = style.Figure(make_subplots(rows=1, cols=2, column_widths=[0.6, 0.4], horizontal_spacing=0.15))
    shown.update_layout(template=style.template(theme), height=560 if one else 440)
    notes = [parts[0].rows.note]
    lost = int((~np.isfinite(parts[0].residual)).sum())
    if lost:
        notes.append(f"{lost:,} residuals are no numbers.")
    if one:
        _sticks(shown, fit, also, parts[0], notes)
    for i, part in enumerate(parts):
        _points(shown, part, i, one, alone=not also)
        _quantiles(shown, part, i, alone=not also)
    low = 2 if one else 1
    shown.add_hline(y=0, line={"color": colours.EXACT, "dash": "dash", "width": 1.5}, row=low, col=1)
    name = style.text(fit.schema.names[0]) if one else f"fitted {style.text(fit.schema.targets[0])}"
    shown.update_xaxes(title_text=name, row=low, col=1)
    shown.update_yaxes(title_text="residual", row=low, col=1)
    shown.update_xaxes(title_text="normal quantile", row=1, col=2)
    if one:
        shown.update_xaxes(matches="x3", showticklabels=False, row=1, col=1)
    style.titled(shown, f"Residuals of {features.scores_title(fit, None)}" if not also else "Residuals", notes)
    return shown


def _sticks(shown: style.Figure, fit: Fit, also: Sequence[Fit], part: Residuals, notes: list[str]) -> None:
    curves = predictions.curve_data(fit, also)
    kept = evenly(len(part.residual), MOST_STICKS)
    x, y, fitted = part.rows.x[kept, 0], part.rows.y[kept], part.fitted[kept]
    if len(kept) < len(part.residual):
        notes.append(f"Sticks at {len(kept):,} of the rows.")
    gone = np.full(len(kept), np.nan)
    shown.add_scatter(
        x=np.stack([x, x, gone], 1).ravel(),
        y=np.stack([y, fitted, gone], 1).ravel(),
        mode="lines",
        line={"color": style.faded(colours.RESIDUAL, 0.8), "width": 1.2},
        name="residual",
        hoverinfo="skip",
        row=1,
        col=1,
    )
    predictions.add_rows(shown, part.rows, None, row=1, col=1)
    predictions.add_curves(shown, curves, row=1, col=1)
    shown.update_yaxes(title_text=style.text(fit.schema.targets[0]), range=[curves.low, curves.high], row=1, col=1)


def _points(shown: style.Figure, part: Residuals, i: int, one: bool, alone: bool) -> None:
    many = len(part.residual)
    draw = shown.add_scattergl if many > 1_000 else shown.add_scatter
    draw(
        x=part.rows.x[:, 0] if one else part.fitted,
        y=part.residual,
        mode="markers",
        marker={
            "size": 6 if many < 1_000 else 4,
            "color": colours.RESIDUAL if alone else style.SERIES[i % 8],
            "symbol": style.SYMBOLS[i % 8],
            "opacity": 0.75 if many < 1_000 else 0.4,
        },
        name="residual" if alone else style.text(part.label, 60),
        showlegend=not one,
        hovertemplate="%{x:.6g}<br>residual %{y:.6g}<extra></extra>",
        row=2 if one else 1,
        col=1,
    )


def _quantiles(shown: style.Figure, part: Residuals, i: int, alone: bool) -> None:
    colour = colours.RESIDUAL if alone else style.SERIES[i % 8]
    shown.add_scatter(
        x=part.normal,
        y=part.sorted_residual,
        mode="markers",
        marker={"size": 5, "color": colour, "symbol": style.SYMBOLS[i % 8], "opacity": 0.8},
        hovertemplate="normal %{x:.3f}<br>residual %{y:.6g}<extra></extra>",
        showlegend=False,
        row=1,
        col=2,
    )
    if len(part.normal) > 1:
        slope, middle = part.line
        ends = part.normal[[0, -1]]
        line = {"color": colours.EXACT if alone else colour, "dash": "dash", "width": 1.5}
        shown.add_scatter(
            x=ends, y=middle + slope * ends, mode="lines", line=line, name="normal", showlegend=alone, hoverinfo="skip",
            row=1, col=2,
        )  # fmt: skip
