"""What each column does: partial dependence with its interval, and permutation importance with the spread of the shuffles."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from steepest.data.wording import number
from steepest.errors import SpecError
from steepest.inference import effects
from steepest.model.prediction import share_name
from steepest.plots import style
from steepest.plots.figure import Figure, cell, figure, panels
from steepest.result import Fit
from steepest.text import colours

MOST_PANELS = 9
ROWS_OF_PIXELS = 26


def partial_dependence(
    fit: Fit, columns: Sequence[str] | None = None, level: float = 0.95, theme: str = "light"
) -> Figure:
    """The mean prediction of the rows with one column at each of its values, and its interval.

    Args:
        columns: which; None is the first nine.
        level: of the interval; a module, and a fit that has not arrived, has none.
        theme: `light` or `dark`.

    Raises:
        SpecError: no such column. FitError: a loaded fit of a formula whose table is gone.

    Example:
        >>> from steepest.fitting import fit
        >>> partial_dependence(fit([0.0, 1.0, 2.0, 3.0], [1.0, 3.1, 4.9, 7.0])).source_data[0].mean.shape
        (50,)
    """
    every = list(fit.schema.feature_places)
    several = isinstance(columns, Iterable) and not isinstance(columns, str)
    chosen = every[:MOST_PANELS] if columns is None else list(columns) if several else [columns]
    if not chosen:
        raise SpecError("partial_dependence() needs a column.")
    data = [effects.dependence_data(fit, name, level) for name in chosen]
    wide = min(len(data), 3)
    tall = -(-len(data) // wide)
    notes = [f"{len(chosen)} of {len(every)} columns."] if len(chosen) < len(every) else []
    band = data[0].low is not None
    notes += [f"The band is the interval of the mean prediction at {number(100 * level)}%."] if band else []
    shown = panels(
        "Partial dependence", notes, theme, 150 + 220 * tall, data, tall, wide, shared_yaxes="all",
        vertical_spacing=min(0.2, 0.42 / tall), horizontal_spacing=0.06,
    )  # fmt: skip
    for i, one in enumerate(data):
        _dependence(shown, one, cell(i, wide))
    classes = fit.schema.classes
    if classes is None:
        what = "mean prediction" if data[0].of else style.text(fit.schema.targets[0])
    else:
        what = share_name(fit.loss_function) + ("" if data[0].of else f" of {style.text(classes[1])}")
    for row in range(1, tall + 1):
        shown.update_yaxes(title_text=what, row=row, col=1)
    return shown


def _dependence(shown: Figure, one: effects.Dependence, place: dict[str, Any]) -> None:
    """The line of one column in its panel; of several targets or classes a line each, named in the first panel."""
    shown.update_xaxes(title_text=style.text(one.name), row=place["row"], col=place["col"])
    if not one.of:
        _curve(shown, one, colours.DESCENT, place)
        return
    first = place["row"] == place["col"] == 1
    for i, name in enumerate(one.of):
        low, high = (None, None) if one.low is None or one.high is None else (one.low[:, i], one.high[:, i])
        part = effects.Dependence(one.name, one.values, one.mean[:, i], low, high)
        named: dict[str, Any] = {"name": style.text(name), "legendgroup": str(i), "showlegend": first}
        _curve(shown, part, style.class_colour(i), place, **named)


def _curve(shown: Figure, one: effects.Dependence, colour: str, place: dict[str, Any], **more: Any) -> None:
    words = one.values.dtype == object
    at = [style.text(value) for value in one.values] if words else one.values
    given: dict[str, Any] = {"showlegend": False} | more
    if one.low is not None and one.high is not None and not words:
        shown.band(one.values, one.low, one.high, colour, showlegend=False, **place)
    if words:
        given |= {"mode": "markers", "marker_size": 8}
    if words and one.low is not None and one.high is not None:
        given["error_y"] = {
            "array": one.high - one.mean, "arrayminus": one.mean - one.low, "symmetric": False, "width": 5
        }  # fmt: skip
    shown.line(at, one.mean, colour, 2.5, hover="%{x}<br>%{y:.6g}", **given, **place)


def permutation_importance(
    fit: Fit, repeats: int = 30, level: float = 0.95, seed: int = 0, theme: str = "light"
) -> Figure:
    """The score lost where a column is shuffled, the largest above; bars hold that share of the shuffles.

    Args:
        repeats: shuffles of each column. level: the share of them in the bars. seed: of the shuffles.
        theme: `light` or `dark`.

    Example:
        >>> from steepest.fitting import fit
        >>> permutation_importance(fit([0.0, 1.0, 2.0, 3.0], [1.0, 3.1, 4.9, 7.0]), repeats=5).source_data.names
        ('x',)
    """
    data = effects.importance_data(fit, repeats, level, seed)
    order = np.argsort(data.mean)
    held = "held out" if fit.kept_rows[1] is not None else "trained on"
    notes = [f"{data.measure} of the rows {held}: {number(data.score, 4)}. {repeats} shuffles of each column."]
    shown = figure("Permutation importance", notes, theme, 150 + ROWS_OF_PIXELS * max(len(order), 4), data)
    reach = {"array": (data.high - data.mean)[order], "arrayminus": (data.mean - data.low)[order], "symmetric": False}
    names = [style.text(data.names[i]) for i in order]
    shown.bars(data.mean[order], names, error_x={**reach, "color": colours.EXACT, "width": 5})
    shown.update_xaxes(title_text=f"{data.measure} lost")
    shown.update_yaxes(type="category", showgrid=False)
    return shown
