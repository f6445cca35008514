"""How a descent went, step by step: loss and gap on log axes, training and held-out rows, the learning rate beneath.

It is drawn from the trace. Minibatch losses are noisy: the noise stays, faint, with a running mean. Where theory knows the
whole curve beforehand (`analysis/predicted_curve.py`), a thin dashed line says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isclose
from typing import Any

import numpy as np

from steepest.analysis.predicted_curve import predicted_curve
from steepest.data.thinning import along, evenly
from steepest.data.wording import counted, number, plain
from steepest.plots import style
from steepest.plots.drawn import MOST_STEPS, fits_of, labels
from steepest.plots.figure import Figure, panels
from steepest.result import Fit
from steepest.text import colours

MOST_NOISE = 3_000  # minibatch losses drawn at most
SMOOTHED_OVER = 12  # the running mean looks at one in so many of the recorded steps, at least 3
FEW = 12  # points up to which each is marked on its line


@dataclass(frozen=True)
class Curve:
    """A descent's columns over its recorded steps `[T]`; NaN where a value was not taken.

    loss: of the batch at hand. smoothed: its running mean. objective: F. gap: F − F*, nan where it is not above 0.
    exact: F*, or None. predicted: the gap that theory predicts, down to the rounding of F. per_epoch: steps an epoch.
    apart: which rows `test_loss` is of.
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
    apart: str = "held out"


def curve_data(fit: Fit, label: str = "fit") -> Curve:
    """What `loss_curve` draws of a fit."""
    trace, best = fit.trace, fit.scores.exact_objective
    gap = np.full(len(trace), np.nan) if best is None else trace.objective - best
    return Curve(
        label, trace.step, trace.epoch, trace.lr, trace.loss, running_mean(trace.loss), trace.objective,
        np.where(gap > 0, gap, np.nan), trace.test_loss, _predicted(fit, gap), best,
        fit.steps / fit.epochs if fit.epochs else 1.0, bool(np.isnan(trace.objective).any()), fit.outcome,
        "held out" if fit.test_rows else "validation",
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
    from scipy.ndimage import uniform_filter1d

    size, known = 2 * max(1, len(values) // SMOOTHED_OVER // 2) + 1, np.isfinite(values)
    mean = uniform_filter1d(np.where(known, values, 0.0), size, mode="constant")
    share = uniform_filter1d(known.astype(float), size, mode="constant")  # of the window's places that have a number
    return np.where(share > 0, mean / np.where(share > 0, share, 1.0), np.nan)


def loss_curve(fit: Fit, also: Sequence[Fit] = (), theme: str = "light") -> Figure:
    """Loss and gap over the steps, on log axes: training and held-out rows, the learning rate beneath.

    Args:
        also: other fits to draw beside it.
        theme: `light` or `dark`.

    Example:
        >>> from steepest.fitting import fit
        >>> descent = fit([0.0, 1.0, 2.0], [1.0, 3.0, 6.0], optimizer="sgd", lr=0.1, epochs=2)
        >>> (curve,) = loss_curve(descent).source_data
        >>> curve.step.tolist(), curve.loss.round(2).tolist()
        ([0, 1, 2], [15.33, 4.33, 1.32])
    """
    fits = fits_of(fit, also)
    fit = fits[0]
    curves = [curve_data(each, label) for each, label in zip(fits, labels(fits), strict=True)]
    with_gap = any(np.isfinite(curve.gap).any() for curve in curves)
    heights = [0.46, 0.34, 0.2] if with_gap else [0.72, 0.28]
    grid = {"shared_xaxes": True, "row_heights": heights, "vertical_spacing": 0.07}
    height = 600 if with_gap else 480
    shown = panels(_title(fits), _notes(fits, curves), theme, height, curves, len(heights), **grid)
    drawing = _Curves(shown, alone=len(fits) == 1)
    for i, curve in enumerate(curves):
        drawing.losses(curve, i)
        if with_gap:
            drawing.column(curve, curve.gap, i, "gap to the exact answer", row=2)
        if drawing.alone:
            drawing.predicted(curve, with_gap)
        drawing.column(curve, curve.lr, i, "learning rate", row=len(heights))
    best, start = curves[0].exact, float(np.nanmax(np.abs(curves[0].loss), initial=0.0))
    shared = best is not None and all(c.exact is not None and isclose(c.exact, best, rel_tol=1e-9) for c in curves)
    if best is not None and shared and best > 1e-14 * start:  # below that it is rounding
        shown.add_hline(y=best, line={"color": colours.EXACT, "dash": "dash", "width": 1.5}, row=1, col=1)
        shown.line([None], [None], colours.EXACT, dash="dash", name="exact", row=1, col=1)
    everything = np.concatenate([np.concatenate([c.loss, c.objective, c.test_loss]) for c in curves])
    positive = everything[np.isfinite(everything)]
    log = style.log_axis(everything) if positive.size and positive.min() > 0 else {"type": "linear"}
    shown.update_yaxes(title_text=style.text(fit.loss_function), **log, row=1)
    if with_gap:
        shown.update_yaxes(title_text="gap", **style.log_axis(np.concatenate([c.gap for c in curves])), row=2)
    rates = np.concatenate([c.lr for c in curves])
    axis = style.log_axis(rates) if style.is_wide(rates) else {"rangemode": "tozero"}
    shown.update_yaxes(title_text="lr", **axis, row=len(heights))
    per_epoch = curves[0].per_epoch
    words = "step" if per_epoch == 1 else f"step ({number(per_epoch)} an epoch)"
    shown.update_xaxes(title_text=words, row=len(heights))
    return shown


def _title(fits: Sequence[Fit]) -> str:
    fit = fits[0]
    if len(fits) > 1:
        return f"{len(fits)} descents"
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


@dataclass(frozen=True)
class _Curves:
    """Draws columns of descents over their steps. alone: of one fit, whose columns are named; else the fits are."""

    shown: Figure
    alone: bool

    def losses(self, curve: Curve, i: int) -> None:
        """The loss of batches, of all rows and of those held out, and where the descent stopped."""
        colour, alone = style.series(i), self.alone
        if curve.noisy:
            kept = evenly(len(curve.step), MOST_NOISE)
            self.shown.add_scatter(
                x=curve.step[kept],
                y=curve.loss[kept],
                mode="markers",
                marker={"size": 3, "color": style.faded(colour, 0.28)},
                customdata=curve.epoch[kept],
                hovertemplate="step %{x:,}, epoch %{customdata:,}<br>loss %{y:.6g}<extra></extra>",
                name="loss of a batch" if alone else f"{style.text(curve.label)}, a batch",
                showlegend=alone,
                row=1,
                col=1,
            )
            self.column(curve, curve.smoothed, i, "running mean", named=alone, colour=style.faded(colour, 0.5))
        self.column(curve, curve.objective, i, "all rows" if curve.noisy else "train", named=True)
        if np.isfinite(curve.test_loss).any():
            self.column(curve, curve.test_loss, i, curve.apart, named=alone, colour=colours.TEST if alone else "")
        if np.isfinite(curve.loss[-1]):
            last = (curve.objective if np.isfinite(curve.objective[-1]) else curve.loss)[-1:]
            edge, words = {"color": "white", "width": 1.2}, [style.text(curve.ending, 300)]
            more: dict[str, Any] = {"hover": None, "hoverinfo": "text", "hovertext": words, "name": "stopped"}
            self.shown.points(curve.step[-1:], last, colour, 9, edge=edge, showlegend=alone, row=1, col=1, **more)

    def column(
        self, curve: Curve, values: np.ndarray, i: int, what: str, row: int = 1, named: bool = False, colour: str = ""
    ) -> None:
        """One column over the steps, thinned where there are too many of them."""
        kept, lone = _kept(curve, values), self.alone
        self.shown.line(
            curve.step[kept],
            values[kept],
            colour or style.series(i),
            dash="dot" if what == curve.apart and not lone else "solid" if lone else style.dash(i),
            hover=f"step %{{x:,}}, epoch %{{customdata:,}}<br>{what} %{{y:.6g}}",
            # few points are shown as such, since a line would claim to know what lies between
            mode="lines" if len(kept) > FEW else "lines+markers" if len(kept) > 1 else "markers",
            customdata=curve.epoch[kept],
            name=what if lone else style.text(curve.label, 60),
            legendgroup=None if lone else curve.label,
            showlegend=named,
            row=row,
            col=1,
        )

    def predicted(self, curve: Curve, with_gap: bool) -> None:
        """The curve that theory predicts, beside the loss and beside the gap."""
        if curve.exact is None or not np.isfinite(curve.predicted).any():
            return
        for row, values in enumerate([curve.predicted + curve.exact, *([curve.predicted] if with_gap else [])], 1):
            kept, hover = _kept(curve, values), "step %{x:,}<br>predicted %{y:.6g}"
            more = {"hover": hover, "name": "predicted", "showlegend": row == 1, "row": row, "col": 1}
            self.shown.line(curve.step[kept], values[kept], colours.PREDICTED, 1.8, "7px,7px", **more)


def _kept(curve: Curve, values: np.ndarray) -> np.ndarray:
    """The rows to draw, chosen as they lie on the axis, so that what is left out is what is not seen."""
    fine = np.flatnonzero(np.isfinite(values))
    seen = np.log(values[fine]) if np.all(values[fine] > 0) else values[fine]
    return fine[along(seen[:, None], curve.step[fine], MOST_STEPS)] if fine.size else fine
