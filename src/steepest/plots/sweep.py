"""Many descents in one picture: where they end, how they go down, and where they walk.

    plot(sweep)          final gap over the learning rate (or another number), a line or a row of a heat map for each other
                         setting; seeds are one point with its spread; where descents diverge is marked.
                         Without a number that was swept: the fits themselves, side by side on the data
    loss_curve(sweep)    the curves as a fan: median, quartiles and extremes, the single curves faint
    surface(sweep)       paths of several runs on one surface
    residuals(sweep)     residuals of several fits

`end_data` and `fan_data` are the numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np

from steepest.data.thinning import evenly
from steepest.data.wording import in_short, number
from steepest.errors import FitError, SpecError
from steepest.plots import loss_curve as one_by_one
from steepest.plots import predictions, style
from steepest.plots.figure import Figure, figure, titled
from steepest.plots.residuals import residuals
from steepest.plots.surface import draw
from steepest.result import Fit
from steepest.sweep_result import Sweep
from steepest.sweeps.run_results import FAILED, NUMBERS
from steepest.text import colours

MOST_FITS = 6  # fits drawn side by side, or paths on one surface
MOST_CURVES = 60  # descents that make a fan
MOST_LINES = 6  # settings up to which each is a line; more are rows of a heat map

FAN_STEPS = 200
QUANTILES = (0.0, 0.25, 0.5, 0.75, 1.0)


# ---- where they end --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Ends:
    """Final values of a sweep over two of its settings.

    across: a setting's name and its numbers `[a]`. by: another one's name and its values `[b]`, or ("", [""]).
    median, low, high: `[b, a]` over all other settings (seeds), of the runs that ended well; nan where none did.
    diverged: `[b, a]`, the share of runs that diverged. measure: the column. others: settings that are in the spread.
    """

    across: tuple[str, np.ndarray]
    by: tuple[str, list[Any]]
    median: np.ndarray
    low: np.ndarray
    high: np.ndarray
    diverged: np.ndarray
    measure: str
    others: list[str]


def swept_numbers(sweep: Sweep) -> list[str]:
    """The settings that take several values, all of them numbers; `lr` first, `seed` never."""
    names = [
        name
        for name, values in sweep.settings.items()
        if name != "seed" and all(isinstance(value, Real) for value in values) and len({*values}) > 1
    ]
    return sorted(names, key=lambda name: name != "lr")


def end_data(sweep: Sweep, across: str | None = None, by: str | None = None, measure: str | None = None) -> Ends:
    """Final values over the numbers of `across` and the values of `by`; see `plot`."""
    numbers = swept_numbers(sweep)
    across = across or (numbers[0] if numbers else None)
    if across not in numbers:
        raise SpecError(
            f"across={across!r} is no number that was swept. Swept: {', '.join(sweep.settings) or 'nothing'}."
        )
    if by is None:
        rest = [name for name in sweep.settings if name not in (across, "seed")]
        by = max(rest, key=lambda name: len({in_short(value) for value in sweep.settings[name]}), default="")
    _check_swept(sweep, by)
    measure = measure or ("gap" if any(value is not None for value in sweep.columns["gap"]) else sweep.judged_by)
    if measure not in (*NUMBERS, "steps", "epochs"):
        raise SpecError(f"measure={measure!r} is not known. Known: {', '.join(NUMBERS)}, steps, epochs.")
    places, column = np.unique(np.array(sweep.settings[across], dtype=float), return_inverse=True)
    groups, row = ([""], np.zeros(len(sweep), dtype=int)) if not by else _distinct(sweep.settings[by])
    values = np.array([np.nan if value is None else value for value in sweep.columns[measure]], dtype=float)
    status = np.array(sweep.columns["status"])
    bad = (status == "diverged") | ~np.isfinite(values)
    cell, known = row * len(places) + column, status != FAILED
    median, low, high, diverged = np.full((4, len(groups), len(places)), np.nan)
    for each, found in _by_cell(cell[known & ~bad], values[known & ~bad]):
        median.flat[each], low.flat[each], high.flat[each] = np.median(found), found.min(), found.max()
    for each, found in _by_cell(cell[known], bad[known]):
        diverged.flat[each] = found.mean()
    others = [name for name in sweep.settings if name not in (across, by)]
    return Ends((across, places), (by, groups), median, low, high, diverged, measure, others)


def _check_swept(sweep: Sweep, by: str) -> None:
    if by and by not in sweep.settings:
        raise SpecError(f"by={by!r} was not swept. Swept: {', '.join(sweep.settings)}.")


def _word(value: Any) -> str:
    return number(float(value)) if isinstance(value, float) else in_short(value)


def _by_cell(cell: np.ndarray, values: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """The values of each cell that has any."""
    order = np.argsort(cell, kind="stable")
    found, first = np.unique(cell[order], return_index=True)
    return zip(found.tolist(), np.split(values[order], first[1:]), strict=False)


def _distinct(values: Sequence[Any]) -> tuple[list[Any], np.ndarray]:
    """The different values of a setting, numbers rising, and which of them each run has."""
    words = [in_short(value) for value in values]
    known = dict(zip(words, values, strict=True))
    numbers = all(isinstance(value, Real) for value in known.values())
    order = sorted(known, key=known.__getitem__) if numbers else list(known)
    place = {word: i for i, word in enumerate(order)}
    return [known[word] for word in order], np.array([place[word] for word in words])


def plot(
    sweep: Sweep, across: str | None = None, by: str | None = None, measure: str | None = None, theme: str = "light"
) -> Figure:
    """Where the descents of a sweep end; of fits without a swept number, the fits on the data.

    Args:
        across: the swept number along the axis; by default `lr`.
        by: a line (or a row of the heat map) for each of its values; by default what takes the most values.
        measure: `gap` (the default where it is known), `relative_gap`, `loss`, `objective`, `test_loss`, `steps`.
        theme: `light` or `dark`.

    Raises:
        SpecError: a name of nothing that was swept.

    Example:
        >>> from steepest.sweeping import sweep
        >>> runs = sweep([0.0, 1.0, 2.0], [1.0, 3.0, 6.0], optimizer="sgd", lr=[0.01, 0.1, 0.3], epochs=50)
        >>> plot(runs).source_data.across[0]
        'lr'
    """
    if across is None and not swept_numbers(sweep):
        return _side_by_side(sweep, lambda first, rest: predictions.plot(first, rest, None, theme))
    data = end_data(sweep, across, by, measure)
    many = len(data.by[1]) > MOST_LINES and all(isinstance(value, Real) for value in data.by[1])
    notes = []
    if ranked := sweep.ranked():
        words = ", ".join(f"{name} {_word(values[ranked[0]])}" for name, values in sweep.settings.items())
        notes.append(f"Best: {words}.")
    if data.others:
        notes.append(f"Median over {', '.join(data.others)}; the band reaches from the least to the largest.")
    title = f"{data.measure.replace('_', ' ')} at the end of {len(sweep):,} descents"
    shown = figure(title, notes, theme, 480, data)
    (_heat if many else _lines)(shown, data)
    shown.update_xaxes(title_text=style.text(data.across[0]), **style.log_axis_if_wide(data.across[1]))
    return shown


def _floor(values: np.ndarray) -> float | None:
    """Where values of 0 (at the optimum within rounding) are drawn on a log axis; None where the axis is linear."""
    fine = values[np.isfinite(values)]
    above = fine[fine > 0]
    return float(above.min()) / 10 if above.size and fine.min() >= 0 and style.is_wide(above) else None


def _lines(shown: Figure, data: Ends) -> None:
    name, places = data.across
    floor = _floor(np.concatenate([data.median.ravel(), data.low.ravel(), data.high.ravel()]))
    known = data.median[np.isfinite(data.median)]
    top = float(known.max()) if known.size else 1.0

    def drawn(values: np.ndarray) -> np.ndarray:
        return values if floor is None else np.where(values <= 0, floor, values)

    for i, group in enumerate(data.by[1]):
        colour = style.series(i)
        label = "descents" if not data.by[0] else style.text(f"{data.by[0]} {_word(group)}", 60)
        fine = np.isfinite(data.median[i])
        if data.others:
            ends = drawn(data.low[i][fine]), drawn(data.high[i][fine])
            shown.band(places[fine], *ends, colour, 0.16, showlegend=False, legendgroup=label)
        hover = f"{style.text(name)} %{{x:.4g}}<br>{data.measure} %{{y:.4g}}<br>diverged %{{customdata:.0%}}"
        more = {"mode": "lines+markers", "marker": {"size": 5}, "legendgroup": label, "customdata": data.diverged[i]}
        shown.line(places, drawn(data.median[i]), colour, 2.4, style.dash(i), hover, name=label, **more)
        gone = data.diverged[i] > 0
        if gone.any():
            share = data.diverged[i][gone]
            y = np.full(gone.sum(), top * (3 if floor is not None else 1.05) * (1 + 0.25 * i))
            hover = f"{style.text(name)} %{{x:.4g}}: %{{customdata:.0%}} diverged"
            more = {"name": "diverged", "showlegend": not (data.diverged[:i] > 0).any(), "customdata": share}
            shown.points(places[gone], y, colour, 7, 0.35 + 0.65 * share, "x", hover, **more)
    everywhere = (data.diverged == 1).all(0)
    if everywhere.any() and not everywhere.all():
        # the region in which nothing holds
        shown.add_vrect(
            x0=float(places[everywhere].min()), x1=float(places.max()), line_width=0,
            fillcolor=style.faded(colours.RESIDUAL, 0.16),
            annotation_text="all diverge", annotation_position="top left",
        )  # fmt: skip
    shown.update_yaxes(title_text=style.text(data.measure), **({} if floor is None else style.log_axis(known)))


def _heat(shown: Figure, data: Ends) -> None:
    x, rows, floor = data.across[1], np.array(data.by[1], dtype=float), _floor(data.median)
    words = data.measure if floor is None else f"log₁₀ {data.measure}"
    where = f"{style.text(data.across[0])} %{{x:.4g}}<br>{style.text(data.by[0])} %{{y:.4g}}"
    heights = data.median if floor is None else np.log10(np.maximum(data.median, floor))
    bar = {"title": {"text": words, "side": "right"}}
    hover = f"{where}<br>{data.measure} %{{customdata:.4g}}<extra></extra>"
    shown.add_heatmap(x=x, y=rows, z=heights, customdata=data.median, colorbar=bar, hovertemplate=hover)
    share, hover = np.where(data.diverged > 0, data.diverged, np.nan), "%{z:.0%} diverged<extra></extra>"
    shown.shares(x, rows, share, colours.RESIDUAL, (0.1, 0.75), hovertemplate=hover)
    shown.points([None], [None], colours.RESIDUAL, 12, symbol="square", name="diverged")
    shown.update_yaxes(title_text=style.text(data.by[0]), **style.log_axis_if_wide(rows))


# ---- how they go down ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Fan:
    """Loss curves of a group of runs. step: `[S]`. bands: `[5, S]`, the quantiles 0, ¼, ½, ¾, 1. curves: `[runs, S]`."""

    label: str
    step: np.ndarray
    bands: np.ndarray
    curves: np.ndarray


def fan_data(sweep: Sweep, by: str | None = None) -> list[Fan]:
    """The objective of each run over the steps, in groups by a setting (by default by one of words, as the optimizer is).

    Between recorded steps it is interpolated; after its end a run stays where it is. Diverged runs are left out.
    """
    if by is None:
        words = [name for name, values in sweep.settings.items() if any(isinstance(value, str) for value in values)]
        by = next((name for name in words if len({*map(in_short, sweep.settings[name])}) <= MOST_LINES), "")
    _check_swept(sweep, by)
    well = _ended_well(sweep)
    chosen = [sorted(well)[i] for i in evenly(len(well), MOST_CURVES)]
    fits = {run: sweep.fit(run) for run in chosen}
    last = max(fit.steps for fit in fits.values())
    step = np.unique(
        np.concatenate([np.geomspace(1, max(last, 1), FAN_STEPS // 2), np.linspace(0, last, FAN_STEPS // 2)]).round()
    )
    groups: dict[str, list[np.ndarray]] = {}
    for run, fit in fits.items():
        label = "" if not by else f"{by} {_word(sweep.settings[by][run])}"
        groups.setdefault(label, []).append(_on(fit, step))
    return [
        Fan(label or "descents", step, np.nanquantile(np.stack(found), QUANTILES, axis=0), np.stack(found))
        for label, found in groups.items()
    ]


def _on(fit: Fit, step: np.ndarray) -> np.ndarray:
    values = np.where(np.isfinite(fit.trace.objective), fit.trace.objective, np.nan)
    known = np.isfinite(values)
    if not known.any():
        values, known = fit.trace.loss, np.isfinite(fit.trace.loss)
    return np.interp(step, fit.trace.step[known], values[known])


def loss_curve(sweep: Sweep, by: str | None = None, theme: str = "light") -> Figure:
    """The loss curves of a sweep as a fan; of up to six runs each by itself.

    Args:
        by: a fan for each value of this setting.
        theme: `light` or `dark`.

    Example:
        >>> from steepest.sweeping import sweep
        >>> runs = sweep([0.0, 1.0, 2.0], [1.0, 3.0, 6.0], optimizer="sgd", lr=[0.01, 0.1, 0.3], epochs=50)
        >>> [curve.label for curve in loss_curve(runs).source_data]
        ['lr 0.01', 'lr 0.1', 'lr 0.3']
    """
    if len(sweep) <= MOST_FITS and by is None:
        return _side_by_side(sweep, lambda first, rest: one_by_one.loss_curve(first, rest, theme))
    fans = fan_data(sweep, by)
    counted = sum(len(fan.curves) for fan in fans)
    gone = len(sweep) - len(sweep.ranked())
    notes = [
        f"{counted:,} of {len(sweep):,} descents." if counted < len(sweep) else "",
        f"{gone:,} that diverged, failed or were interrupted are left out." if gone else "",
        "Median, quartiles and extremes; faint: the descents.",
    ]
    shown = figure(f"{len(sweep):,} descents", notes, theme, 480, fans)
    for i, fan in enumerate(fans):
        colour = style.series(i)
        x = np.tile(np.append(fan.step, np.nan), len(fan.curves))
        y = np.hstack([fan.curves, np.full((len(fan.curves), 1), np.nan)]).ravel()
        shown.line(x, y, style.faded(colour, 0.3), 0.7, hover=None, showlegend=False)
        for a, b, share in ((0, 4, 0.1), (1, 3, 0.22)):
            shown.band(fan.step, fan.bands[a], fan.bands[b], colour, share, showlegend=False)
        name, hover = style.text(fan.label, 60), "step %{x:,}<br>median %{y:.5g}"
        shown.line(fan.step, fan.bands[2], colour, 2.6, style.dash(i), hover, name=name)
    best = sweep.fit(sweep.ranked()[0]).scores.exact_objective
    if best is not None and best > 0:
        shown.add_hline(y=best, line={"color": colours.EXACT, "dash": "dash", "width": 1.5})
    everything = np.concatenate([fan.bands.ravel() for fan in fans])
    positive = everything[np.isfinite(everything)].min() > 0
    shown.update_yaxes(title_text="objective", **(style.log_axis(everything) if positive else {}))
    shown.update_xaxes(title_text="step")
    return shown


# ---- side by side ----------------------------------------------------------------------------------


def surface(
    sweep: Sweep,
    loss: Any = None,
    plane: Any = None,
    window: Any = None,
    grid: int | None = None,
    coordinates: str = "user",
    others: str = "held",
    seed: int = 0,
    theme: str = "light",
) -> Figure:
    """Paths of several runs on one surface, the best run's.

    Args:
        loss, plane, window, grid, coordinates, others, seed, theme: as of `fit.surface`.

    Example:
        >>> from steepest.sweeping import sweep
        >>> runs = sweep([0.0, 1.0, 2.0], [1.0, 3.0, 6.0], optimizer="sgd", lr=[0.01, 0.1, 0.3], epochs=50)
        >>> surface(runs, grid=5).source_data.values.shape
        (5, 5)
    """
    given = plane, window, grid, coordinates, others, seed, theme
    return _side_by_side(sweep, lambda first, rest: draw.surface(first, loss, rest, *given))


def compare_residuals(sweep: Sweep, theme: str = "light") -> Figure:
    """Residuals of several fits in one picture.

    Args:
        theme: `light` or `dark`.

    Example:
        >>> from steepest.sweeping import sweep
        >>> runs = sweep([0.0, 1.0, 2.0], [1.0, 3.0, 6.0], optimizer="sgd", lr=[0.01, 0.1, 0.3], epochs=50)
        >>> len(compare_residuals(runs).source_data)
        3
    """
    return _side_by_side(sweep, lambda first, rest: residuals(first, rest, theme))


def _side_by_side(sweep: Sweep, draw: Callable[[Fit, list[Fit]], Figure]) -> Figure:
    """A picture of all runs that have a fit; of many of evenly spread ones that ended well, the best first, and a note."""
    if len(sweep) <= MOST_FITS:
        chosen = [run for run, status in enumerate(sweep.columns["status"]) if status != FAILED]
    else:
        ranked = _ended_well(sweep)
        chosen = [ranked[i] for i in evenly(len(ranked), MOST_FITS)]
    first, *rest = [sweep.fit(run).inner for run in chosen]
    shown = draw(first, rest)
    if len(sweep) <= MOST_FITS:
        return shown
    note = f"{len(chosen):,} of {len(sweep):,} descents, from the best to the worst that ended well."
    return titled(shown, style.title_of(shown), [note, *style.notes_of(shown)])


def _ended_well(sweep: Sweep) -> list[int]:
    """The runs that ended well, the best first. Raises FitError where there is none."""
    if ranked := sweep.ranked():
        return ranked
    raise FitError("No run ended well: all of them failed, diverged or were interrupted. See sweep.table().")
