"""What a fit leaves over: residual = actual − predicted.

    one feature          a line from each point to the curve, the residuals below them with a zero line, x shared
    several features     residuals against fitted values

and beside it the quantiles of the residuals against those of a normal distribution: on a straight line if they are
normal, bent where the tails are heavier. Several fits go into one picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from steepest.data.thinning import evenly
from steepest.errors import SpecError
from steepest.model.prediction import log_odds
from steepest.plots import features, predictions, style
from steepest.plots.drawn import Drawn, axis, drawn, fits_of, labels, training
from steepest.plots.figure import Figure, panels
from steepest.result import Fit
from steepest.text import colours

MOST_STEMS = 300  # lines from points to the curve at most: more would be a grey block
QUARTILE = 0.6744897501960817  # the quartiles of the standard normal lie at ± this


@dataclass(frozen=True)
class Residuals:
    """Of the rows drawn: their feature or fitted value `at` `[n]`, `fitted` and `residual` `[n]`.

    normal, sorted_residual: the Q–Q points of all rows (Filliben's medians, as `scipy.stats.probplot`), thinned.
    line: (slope, intercept) of the straight line through the quartiles.
    """

    label: str
    rows: Drawn
    at: np.ndarray
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
        fitted = log_odds(fit, rows.x, offset=rows.offset)
        everything = data.y - log_odds(fit, data.x, offset=data.offset)
    ordered = np.sort(everything[np.isfinite(everything)])
    kept = evenly(len(ordered), 1_000) if len(ordered) else np.arange(0)
    low, high = np.quantile(ordered, [0.25, 0.75]) if len(ordered) else (0.0, 0.0)
    line = float((high - low) / (2 * QUARTILE)), float((low + high) / 2)
    along = axis(fit)
    rows = rows if along is None else along.rows(rows, data)
    at = fitted if along is None else rows.x[:, 0]
    normal = normal_quantiles(len(ordered))[kept]
    return Residuals(label, rows, at, fitted, rows.y - fitted, normal, ordered[kept], line)


def normal_quantiles(count: int) -> np.ndarray:
    """The medians of the order statistics of `count` standard normal numbers (Filliben 1975)."""
    from scipy.special import ndtri

    if not count:
        return np.zeros(0)
    share = (np.arange(1, count + 1) - 0.3175) / (count + 0.365)
    share[-1] = 0.5 ** (1 / count)
    share[0] = 1 - share[-1]
    return ndtri(share)


def residuals(fit: Fit, also: Sequence[Fit] = (), theme: str = "light") -> Figure:
    """Residuals, and their quantiles against a normal distribution.

    Args:
        also: other fits of the same rows.
        theme: `light` or `dark`.

    Raises:
        SpecError: the target is classes, or several. FitError: a loaded fit, which has no rows.

    Example:
        >>> from steepest.fitting import fit
        >>> (data,) = residuals(fit([0.0, 1.0, 2.0, 3.0], [1.0, 3.1, 4.9, 7.0])).source_data
        >>> data.residual.round(2).tolist()
        [-0.03, 0.09, -0.09, 0.03]
    """
    fit, *also = fits_of(fit, also)
    data = [residual_data(each, label) for each, label in zip([fit, *also], labels([fit, *also]), strict=True)]
    rows, along = data[0].rows, axis(fit)
    one = along is not None
    lost = int((~np.isfinite(data[0].residual)).sum())
    notes = [rows.note, f"{lost:,} residuals are no numbers." if lost else ""]
    if one and len(rows.x) > MOST_STEMS:
        notes.append(f"Sticks at {len(evenly(len(rows.x), MOST_STEMS)):,} of the rows.")
    title = f"Residuals of {features.scores_title(fit, None)}" if not also else "Residuals"
    if one:
        grid = {"specs": [[{}, {"rowspan": 2}], [{}, None]], "column_widths": [0.64, 0.36], "row_heights": [0.62, 0.38]}
        shown = panels(title, notes, theme, 560, data, 2, 2, **grid, vertical_spacing=0.05, horizontal_spacing=0.1)
        _stems(shown, fit, also, data[0])
    else:
        shown = panels(title, notes, theme, 440, data, 1, 2, column_widths=[0.6, 0.4], horizontal_spacing=0.15)
    for i, part in enumerate(data):
        _points(shown, part, i, one, alone=not also)
        _quantiles(shown, part, i, alone=not also)
    low = 2 if one else 1
    shown.add_hline(y=0, line={"color": colours.EXACT, "dash": "dash", "width": 1.5}, row=low, col=1)
    name = style.text(along.name) if along is not None else f"fitted {style.text(fit.schema.targets[0])}"
    shown.update_xaxes(title_text=name, row=low, col=1)
    shown.update_yaxes(title_text="residual", row=low, col=1)
    shown.update_xaxes(title_text="normal quantile", row=1, col=2)
    if one:
        shown.update_xaxes(matches="x3", showticklabels=False, row=1, col=1)
    return shown


def _stems(shown: Figure, fit: Fit, also: Sequence[Fit], part: Residuals) -> None:
    """The rows and the curves, with a line from each row to the curve."""
    curves, kept = predictions.curve_data(fit, also), evenly(len(part.residual), MOST_STEMS)
    x, y, gone = part.at[kept], part.rows.y[kept], np.full(len(kept), np.nan)
    stems = np.stack([x, x, gone], 1).ravel(), np.stack([y, part.fitted[kept], gone], 1).ravel()
    shown.line(*stems, style.faded(colours.RESIDUAL, 0.8), 1.2, hover=None, name="residual", row=1, col=1)
    predictions.add_rows(shown, part.rows, None, row=1, col=1)
    predictions.add_curves(shown, curves, row=1, col=1)
    shown.update_yaxes(title_text=style.text(fit.schema.targets[0]), range=[curves.low, curves.high], row=1, col=1)


def _points(shown: Figure, part: Residuals, i: int, one: bool, alone: bool) -> None:
    colour = colours.RESIDUAL if alone else style.series(i)
    shown.rows(
        part.at, part.residual, colour, few=features.FEW_ROWS, symbol=style.symbol(i), hover="%{x:.6g}<br>residual %{y:.6g}",
        name="residual" if alone else style.text(part.label, 60), showlegend=not one, row=2 if one else 1, col=1,
    )  # fmt: skip


def _quantiles(shown: Figure, part: Residuals, i: int, alone: bool) -> None:
    colour, place = colours.RESIDUAL if alone else style.series(i), {"row": 1, "col": 2}
    hover = "normal %{x:.3f}<br>residual %{y:.6g}"
    shown.points(
        part.normal, part.sorted_residual, colour, 5, 0.8, style.symbol(i), hover=hover, showlegend=False, **place
    )
    if len(part.normal) > 1:
        slope, middle = part.line
        ends, colour = part.normal[[0, -1]], colours.EXACT if alone else colour
        more = {"hover": None, "name": "normal", "showlegend": alone}
        shown.line(ends, middle + slope * ends, colour, 1.5, "dash", **more, **place)
