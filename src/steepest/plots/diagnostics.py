"""What statisticians look at after a fit: coefficients with their intervals, the influence of each row, spread, collinearity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from steepest.data.thinning import evenly
from steepest.data.wording import counted, number
from steepest.errors import FitError, SpecError
from steepest.inference.influence import influence_data, variance_inflation_data
from steepest.plots import style
from steepest.plots.figure import MOST_POINTS, Figure, figure
from steepest.result import Fit
from steepest.text import colours

MOST_COEFFICIENTS = 40
MOST_NAMED = 5  # rows whose numbers are written beside them
ROWS_OF_PIXELS = 24  # a coefficient's height


@dataclass(frozen=True)
class CoefficientIntervals:
    """names: q of them. value, low, high: `[q]`. scaled: times the standard deviation of their columns, where asked for."""

    names: list[str]
    value: np.ndarray
    low: np.ndarray
    high: np.ndarray
    level: float


def coefficient_data(
    fit: Fit, level: float = 0.95, cov: str = "nonrobust", scaled: bool = True
) -> CoefficientIntervals:
    """The coefficients but the intercepts, with intervals.

    scaled: times the standard deviation of their columns, so that they can be compared.

    Raises:
        FitError: the errors are not valid.
    """
    found = fit.summary(cov=cov, level=level)
    sample = found.sample
    if not found.valid or sample is None:
        raise FitError(f"There are no intervals to draw. {found.reason}")
    numbers = [np.array(found.coefficients.column(name).to_pylist(), float) for name in ("value", "low", "high")]
    terms = found.coefficients.column("name").to_pylist()
    size = dict.fromkeys(terms, 1.0)
    if scaled:
        design = fit.terms.design(sample.data.x) if fit.terms is not None else sample.problem.design
        size = dict(zip(terms, design.std(0), strict=False))
    chosen = [i for i, name in enumerate(terms) if name != "intercept" and np.isfinite(numbers[1][i])]
    value, low, high = (one[chosen] * np.array([size[terms[i]] for i in chosen]) for one in numbers)
    return CoefficientIntervals([found.labels[i] for i in chosen], value, low, high, level)


def coefficients(
    fit: Fit, level: float = 0.95, cov: str = "nonrobust", scaled: bool = True, theme: str = "light"
) -> Figure:
    """The coefficients with their intervals, the largest above.

    Args:
        level, cov: as in `summary()`.
        scaled: each times the standard deviation of its column (the default), or in the units of the table.
        theme: `light` or `dark`.

    Raises:
        FitError: the fit has not arrived, or has no standard errors by theory.

    Example:
        >>> from steepest.fitting import fit
        >>> coefficients(fit([0.0, 1.0, 2.0, 3.0], [1.0, 3.1, 4.9, 7.0]), scaled=False).source_data.value.round(2).tolist()
        [1.98]
    """
    data = coefficient_data(fit, level, cov, scaled)
    order = np.argsort(np.abs(data.value))[::-1][:MOST_COEFFICIENTS][::-1]
    times = ", each coefficient times the standard deviation of its column" if scaled else ""
    notes = [f"Intervals at {number(100 * level)}% ({cov}){times}."]
    if len(order) < len(data.names):
        notes.append(f"The largest {len(order)} of {len(data.names):,}.")
    shown = figure("Coefficients", notes, theme, 150 + ROWS_OF_PIXELS * max(len(order), 4), data)
    names = [style.text(data.names[i]) for i in order]
    reach = {"array": (data.high - data.value)[order], "arrayminus": (data.value - data.low)[order], "width": 5}
    sure = (data.low * data.high > 0)[order]
    colour = [colours.DESCENT if one else style.faded(colours.DESCENT, 0.45) for one in sure]
    hover = "%{y} %{x:.6g} (%{customdata[0]:.6g} to %{customdata[1]:.6g})"
    shown.points(
        data.value[order], names, colour, 8, hover=hover, customdata=np.stack([data.low, data.high], 1)[order],
        error_x={**reach, "symmetric": False, "color": colours.DESCENT, "thickness": 1.6}, showlegend=False,
    )  # fmt: skip
    shown.add_vline(x=0, line={"color": colours.EXACT, "dash": "dash", "width": 1.5})
    shown.update_yaxes(type="category", categoryorder="array", categoryarray=names, showgrid=False)
    shown.update_xaxes(title_text="coefficient" + (" × standard deviation" if scaled else ""))
    return shown


def influence(fit: Fit, theme: str = "light") -> Figure:
    """Studentised residuals over leverage, with lines of Cook's distance; the rows that decide most are named.

    Args:
        theme: `light` or `dark`.

    `.source_data` has leverage, studentised residuals and Cook's distance of each row, as OLSInfluence of statsmodels.

    Raises:
        SpecError: the loss is neither `mse` of one target nor logistic. FitError: the fit has not arrived.

    Example:
        >>> from steepest.fitting import fit
        >>> influence(fit([0.0, 1.0, 2.0, 3.0], [1.0, 3.1, 4.9, 7.0])).source_data.leverage.round(2).tolist()
        [0.7, 0.3, 0.3, 0.7]
    """
    data = influence_data(fit)
    fine = np.flatnonzero(np.isfinite(data.cooks) & np.isfinite(data.external))
    worst = fine[np.argsort(data.cooks[fine])[::-1][:MOST_NAMED]]
    kept = np.union1d(fine[evenly(len(fine), MOST_POINTS)], worst)
    alone = len(data.row) - len(fine)
    far = float(data.cooks[worst].max(initial=0.0)) if len(worst) else 0.0
    notes = ["Dashed: Cook's distance 0.5 and 1." if far > 0.25 else f"Cook's distance is {number(far, 2)} at most."]
    notes[0] += " Rows are numbered from 0, as in the table."
    notes += [f"{counted(alone, 'row')} left out: the fit passes through them whatever they are."] if alone else []
    shown = figure("Influence of the rows", notes, theme, 460, data)
    hover = "row %{customdata[0]:,}<br>leverage %{x:.4g}<br>residual %{y:.4g}<br>Cook's distance %{customdata[1]:.4g}"
    more: dict[str, Any] = {"customdata": np.stack([data.row, data.cooks], 1)[kept], "hover": hover}
    shown.rows(data.leverage[kept], data.external[kept], colours.DATA, 7, name="rows", showlegend=False, **more)
    low, high = (np.array([-1.0, 1.0]) * 1.15 * max(float(np.abs(data.external[kept]).max()), 2.5)).tolist()
    h = np.linspace(1e-6, max(float(data.leverage[kept].max()) * 1.08, 1e-3), 300)
    for distance in (0.5, 1.0):
        edge = np.sqrt(distance * data.coefficients * (1.0 - h) / h)
        edge = np.where(edge <= high, edge, np.nan)
        for sign in (1.0, -1.0):
            shown.line(h, sign * edge, colours.EXACT, 1.4, "dash", hover=None, showlegend=False)
    for i in worst:
        place = {"x": data.leverage[i], "y": data.external[i], "yshift": 11}
        shown.add_annotation(text=f"{data.row[i]:,}", showarrow=False, font_size=11, **place)
    shown.add_hline(y=0, line={"color": colours.EXACT, "width": 1})
    shown.update_xaxes(title_text="leverage", range=[0, float(h[-1])])
    shown.update_yaxes(title_text="studentised residual", range=[low, high])
    return shown


def scale_location(fit: Fit, theme: str = "light") -> Figure:
    """The root of the studentised residuals' size over the fitted values, and its running median: level where the spread is even.

    Args:
        theme: `light` or `dark`.

    Raises:
        SpecError: the loss is neither `mse` of one target nor logistic. FitError: the fit has not arrived.

    Example:
        >>> from steepest.fitting import fit
        >>> scale_location(fit([0.0, 1.0, 2.0, 3.0], [1.0, 3.1, 4.9, 7.0])).source_data.internal.round(2).tolist()
        [-0.58, 1.13, -1.13, 0.58]
    """
    data = influence_data(fit)
    fine = np.flatnonzero(np.isfinite(data.internal))
    size = np.sqrt(np.abs(data.internal[fine]))
    kept = evenly(len(fine), MOST_POINTS)
    shown = figure("Scale and location", ["A level line: the residuals spread evenly."], theme, 420, data)
    shown.rows(data.fitted[fine][kept], size[kept], colours.RESIDUAL, 6, name="rows", showlegend=False)
    shown.line(*_running(data.fitted[fine], size), colours.DESCENT, 3, hover=None, name="running median")
    named = "fitted" if fit.schema.classes is None else "log-odds of"
    shown.update_xaxes(title_text=f"{named} {style.text(fit.schema.targets[0])}")
    shown.update_yaxes(title_text="√|studentised residual|", rangemode="tozero")
    return shown


def _running(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The medians of x and y in up to twenty parts of the rows, in the order of x."""
    parts = np.array_split(np.argsort(x), max(1, min(20, len(x) // 8)))
    return np.array([np.median(x[part]) for part in parts]), np.array([np.median(y[part]) for part in parts])


def variance_inflation(fit: Fit, theme: str = "light") -> Figure:
    """The variance inflation factor of each column, the largest above: how often over the variance of its coefficient is what it
    would be if the column had nothing in common with the others.

    Args:
        theme: `light` or `dark`.

    Raises:
        SpecError: a module.

    Example:
        >>> from steepest.fitting import fit
        >>> variance_inflation(fit([[0.0, 1.0], [1.0, 3.0], [2.0, 4.0]], [1.0, 2.0, 4.0])).source_data.vif.round(1).tolist()
        [28.0, 28.0]
    """
    data = variance_inflation_data(fit)
    if not len(data.names):
        raise SpecError("There are no columns but the intercept.")
    fine = np.where(np.isfinite(data.vif), data.vif, np.nan)
    order = np.argsort(data.vif)[::-1][:MOST_COEFFICIENTS][::-1]
    notes = ["From 10 on (dashed) a column is nearly made up of others."]
    lost = [name for name, value in zip(data.names, data.vif, strict=True) if not np.isfinite(value)]
    notes += [f"Made up of others entirely: {', '.join(lost[:6])}."] if lost else []
    shown = figure("Variance inflation", notes, theme, 150 + ROWS_OF_PIXELS * max(len(order), 4), data)
    names = [style.text(data.names[i]) for i in order]
    shown.bars(fine[order], names)
    shown.add_vline(x=10, line={"color": colours.EXACT, "dash": "dash", "width": 1.5})
    ticks = [step * 10**power for power in range(12) for step in (1, 2, 5)]
    shown.update_xaxes(title_text="variance inflation factor", type="log", tickvals=ticks)
    shown.update_yaxes(type="category", categoryorder="array", categoryarray=names, showgrid=False)
    return shown
