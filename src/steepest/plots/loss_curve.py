"""How a descent went, step by step: loss and gap on log axes, training and held-out rows, the learning rate beneath.

It is drawn from the trace. Minibatch losses are noisy: the noise stays, faint, with a running mean. Where theory knows the
whole curve beforehand (`analysis/predicted_curve.py`), a thin dashed line says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isclose
from typing import TYPE_CHECKING

import numpy as np

from steepest.analysis.predicted_curve import predicted_curve
from steepest.data.thinning import along, evenly
from steepest.data.wording import counted, number, plain
from steepest.plots import style
from steepest.plots.drawn_rows import MOST_STEPS, labels
from steepest.plots.plotly_parts import make_subplots
from steepest.result import inner_of
from steepest.text import colours

if TYPE_CHECKING:
    from steepest.result import Fit

MOST_NOISE = 3_000
"""Minibatch losses drawn at most."""

SMOOTHED_OVER = 12
"""The running mean looks at one in so many of the recorded steps, at least 3."""

FEW = 12
"""Points up to which each is marked on its line."""


@dataclass(frozen=True)
class Curve:
    """A descent's columns over its recorded steps `[T]`; NaN where a value was not taken.

    loss: of the batch at hand. smoothed: its running mean. objective: F. gap: F − F*, nan where it is not above 0.
    exact: F*, or None. predicted: the gap that theory predicts, down to the rounding of F. per_epoch: steps an epoch.
    """

    label: str
    step: np.ndarray
    epoch: np.ndarray
    lr: np.ndarray
    loss: np.ndarray
    smoothed: np.ndarray
    objective: np.ndarray
    gap: np.ndarray
    test_loss: np.ndarray
    predicted: np.ndarray
    exact: float | None
    per_epoch: float
    noisy: bool
    ending: str


def curve_data(fit: Fit, label: str = "fit") -> Curve:
    """What `loss_curve` draws of a fit."""
    trace, best = fit.trace, fit.scores.exact_objective
    gap = np.full(len(trace), np.nan) if best is None else trace.objective - best
    return Curve(
        label, trace.step, trace.epoch, trace.lr, trace.loss, running_mean(trace.loss), trace.objective,
        np.where(gap > 0, gap, np.nan), trace.test_loss, _predicted(fit, gap), best,
        fit.steps / fit.epochs if fit.epochs else 1.0, bool(np.isnan(trace.objective).any()), fit.outcome,
    )  # fmt: skip


def _predicted(fit: Fit, gap: np.ndarray) -> np.ndarray:
    found = predicted_curve(fit)
    if found is None:
        return np.full(len(gap), np.nan)
    least = np.min(gap[gap > 0], initial=np.inf)
    seen = np.isfinite(found) & (
        found > max(0.5 * least, 4 * np.finfo(float).eps * abs(fit.scores.exact_objective or 0.0))
    )
    return np.where(seen, found, np.nan)


def running_mean(values: np.ndarray) -> np.ndarray:
    """The mean of the values around each, `len/12` of them (an odd number, at least 3), fewer at both ends.

    >>> running_mean(np.array([1.0, 2.0, 6.0]))
    array([1.5, 3. , 4. ])
    """
    reach = max(1, len(values) // SMOOTHED_OVER // 2)
    sums = np.concatenate([[0.0], np.cumsum(np.where(np.isfinite(values), values, 0.0))])
    counts = np.concatenate([[0], np.cumsum(np.isfinite(values))])
    place = np.arange(len(values))
    low, high = np.maximum(place - reach, 0), np.minimum(place + reach + 1, len(values))
    number = counts[high] - counts[low]
    return np.where(number > 0, (sums[high] - sums[low]) / np.maximum(number, 1), np.nan)


def loss_curve(fit: Fit, also: Sequence[Fit] = (), theme: str = "light") -> style.Figure:
    """Loss and gap over the steps, on log axes: training and held-out rows, the learning rate beneath.

    Args:
        also: other fits to draw beside it.
        theme: `light` or `dark`.
    """
    fit, also = fit.inner, inner_of(also)
    fits = [fit, *also]
    curves = [curve_data(each, label) for each, label in zip(fits, labels(fits), strict=True)]
    with_gap = any(np.isfinite(curve.gap).any() for curve in curves)
    heights = [0.46, 0.34, 0.2] if with_gap else [0.72, 0.28]
    shown = style.Figure(
        make_subplots(rows=len(heights), shared_xaxes=True, row_heights=heights, vertical_spacing=0.07)
    )
    shown.update_layout(template=style.template(theme), height=600 if with_gap else 480)
    style.titled(shown, _title(fit, also), _notes(fits, curves))
    for i, curve in enumerate(curves):
        _draw_losses(shown, curve, i, alone=not also)
        if with_gap:
            _line(shown, curve, curve.gap, i, "gap to the exact answer", row=2, lone=not also)
        if not also and curve.exact is not None and np.isfinite(curve.predicted).any():
            _draw_predicted(shown, curve, with_gap)
        _line(shown, curve, curve.lr, i, "learning rate", row=len(heights), lone=not also)
    best, start = curves[0].exact, float(np.nanmax(np.abs(curves[0].loss), initial=0.0))
    shared = best is not None and all(c.exact is not None and isclose(c.exact, best, rel_tol=1e-9) for c in curves)
    if best is not None and shared and best > 1e-14 * start:  # below that it is rounding
        shown.add_hline(y=best, line={"color": colours.EXACT, "dash": "dash", "width": 1.5}, row=1, col=1)
        shown.add_scatter(
            x=[None], y=[None], mode="lines", line={"color": colours.EXACT, "dash": "dash"}, name="exact", row=1, col=1
        )
    everything = np.concatenate([np.concatenate([c.loss, c.objective, c.test_loss]) for c in curves])
    positive = everything[np.isfinite(everything)]
    log = style.log_axis(everything) if positive.size and positive.min() > 0 else {"type": "linear"}
    shown.update_yaxes(title_text=style.text(fit.loss_function), **log, row=1)
    if with_gap:
        shown.update_yaxes(title_text="gap", **style.log_axis(np.concatenate([c.gap for c in curves])), row=2)
    rates = np.concatenate([c.lr for c in curves])
    wide = rates.min() > 0 and rates.max() > 20 * rates.min()
    shown.update_yaxes(
        title_text="lr", **(style.log_axis(rates) if wide else {"rangemode": "tozero"}), row=len(heights)
    )
    per_epoch = curves[0].per_epoch
    words = "step" if per_epoch == 1 else f"step ({number(per_epoch)} an epoch)"
    shown.update_xaxes(title_text=words, row=len(heights))
    return shown


def _title(fit: Fit, also: Sequence[Fit]) -> str:
    if also:
        return f"{len(also) + 1} descents"
    gap = "" if fit.gap is None or not np.isfinite(fit.gap) else f", gap {fit.gap:.2g}"
    held = "" if fit.test_loss is None else f", held out {number(fit.test_loss)}"
    return f"{fit.loss_function} {number(fit.loss)} after {counted(fit.steps, 'step')}{held}{gap}"


def _notes(fits: Sequence[Fit], curves: Sequence[Curve]) -> list[str]:
    notes = [f"{plain(c.label)}: {c.ending}" if len(fits) > 1 else c.ending for c in curves[:4]]
    if len(fits[0].trace) < fits[0].steps + 1:
        notes.append(f"{len(fits[0].trace):,} of {fits[0].steps + 1:,} steps are in the trace.")
    if any(c.noisy for c in curves):
        notes.append(
            "Faint: the loss of each batch and its running mean; the line is the loss of all rows, taken once an epoch."
        )
    broken = int((~np.isfinite(fits[0].trace.loss)).sum())
    if broken:
        notes.append(f"{counted(broken, 'step')} with a loss that is no number.")
    return notes


def _draw_losses(shown: style.Figure, curve: Curve, i: int, alone: bool) -> None:
    colour = style.SERIES[i % len(style.SERIES)]
    if curve.noisy:
        kept = evenly(len(curve.step), MOST_NOISE)
        name = "loss of a batch" if alone else f"{style.text(curve.label)}, a batch"
        shown.add_scatter(
            x=curve.step[kept],
            y=curve.loss[kept],
            mode="markers",
            marker={"size": 3, "color": style.faded(colour, 0.28)},
            customdata=curve.epoch[kept],
            hovertemplate="step %{x:,}, epoch %{customdata:,}<br>loss %{y:.6g}<extra></extra>",
            name=name,
            showlegend=alone,
            row=1,
            col=1,
        )
        _line(
            shown,
            curve,
            curve.smoothed,
            i,
            "running mean",
            row=1,
            lone=alone,
            named=alone,
            colour=style.faded(colour, 0.5),
        )
    _line(shown, curve, curve.objective, i, "all rows" if curve.noisy else "train", row=1, lone=alone, named=True)
    seen = np.isfinite(curve.test_loss)
    if seen.any():
        _line(
            shown,
            curve,
            curve.test_loss,
            i,
            "held out",
            row=1,
            lone=alone,
            named=alone,
            colour=colours.TEST if alone else "",
        )
    if np.isfinite(curve.loss[-1]):
        shown.add_scatter(
            x=curve.step[-1:],
            y=(curve.objective if np.isfinite(curve.objective[-1]) else curve.loss)[-1:],
            mode="markers",
            marker={"size": 9, "color": colour, "line": {"color": "white", "width": 1.2}},
            hovertext=[style.text(curve.ending, 300)],
            hoverinfo="text",
            name="stopped",
            showlegend=alone,
            row=1,
            col=1,
        )


def _draw_predicted(shown: style.Figure, curve: Curve, with_gap: bool) -> None:
    for row, values in [(1, curve.predicted + (curve.exact or 0.0)), *([(2, curve.predicted)] if with_gap else [])]:
        fine = np.flatnonzero(np.isfinite(values))
        kept = fine[along(_logged(values[fine]), curve.step[fine], MOST_STEPS)]
        shown.add_scatter(
            x=curve.step[kept],
            y=values[kept],
            mode="lines",
            line={"color": colours.PREDICTED, "width": 1.8, "dash": "7px,7px"},
            hovertemplate="step %{x:,}<br>predicted %{y:.6g}<extra></extra>",
            name="predicted",
            showlegend=row == 1,
            row=row,
            col=1,
        )


def _line(
    shown: style.Figure, curve: Curve, values: np.ndarray, i: int, what: str, row: int, lone: bool,
    named: bool = False, colour: str = "",
) -> None:  # fmt: skip
    """One column over the steps, thinned where there are too many of them."""
    fine = np.flatnonzero(np.isfinite(values))
    kept = fine[along(_logged(values[fine]), curve.step[fine], MOST_STEPS)] if fine.size else fine
    held_out = what == "held out" and not lone
    shown.add_scatter(
        x=curve.step[kept],
        y=values[kept],
        # few points are shown as such, since a line would claim to know what lies between
        mode="lines" if len(kept) > FEW else "lines+markers" if len(kept) > 1 else "markers",
        line={
            "color": colour or style.SERIES[i % len(style.SERIES)],
            "width": 2,
            "dash": "dot" if held_out else "solid" if lone else style.DASHES[i % 4],
        },
        customdata=curve.epoch[kept],
        hovertemplate=f"step %{{x:,}}, epoch %{{customdata:,}}<br>{what} %{{y:.6g}}<extra></extra>",
        name=what if lone else style.text(curve.label, 60),
        legendgroup=None if lone else curve.label,
        showlegend=named,
        row=row,
        col=1,
    )


def _logged(values: np.ndarray) -> np.ndarray:
    """As they lie on the axis, `[T, 1]`, so that what is left out is what is not seen."""
    positive = np.all(values > 0)
    return (np.log(values) if positive else values)[:, None]
