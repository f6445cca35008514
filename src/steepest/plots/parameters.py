"""Each parameter over the steps, its exact value dashed: the path, one coordinate at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from steepest.data.thinning import along
from steepest.data.wording import counted
from steepest.errors import SpecError
from steepest.plots import style
from steepest.plots.drawn_rows import MOST_STEPS, recorded
from steepest.plots.plotly_parts import make_subplots
from steepest.text import colours

if TYPE_CHECKING:
    from steepest.result import Fit

MOST_PARAMETERS = 12
"""Parameters that get a panel of their own."""


@dataclass(frozen=True)
class ParameterPaths:
    """The values of some parameters over the steps. names: q of them. step: `[T]`. theta: `[T, q]`. exact: `[q]` or None."""

    names: list[str]
    step: np.ndarray
    theta: np.ndarray
    exact: np.ndarray | None
    total: int


def parameter_data(fit: Fit, names: Sequence[str] | None = None) -> ParameterPaths:
    """The path of the parameters named, or of those that moved most (by default 12, in their own order)."""
    path = recorded(fit)
    if names is None:
        with np.errstate(over="ignore", invalid="ignore"):
            moved = np.nan_to_num(np.ptp(np.where(np.isfinite(path), path, 0.0), axis=0))
            size = np.nan_to_num(np.abs(fit.theta)) + 1e-300
        # by what they moved against their own size, so that units do not decide; among equals the first
        order = np.argsort(-np.minimum(moved / size, 1e6), kind="stable")[:MOST_PARAMETERS]
        chosen = sorted(order.tolist())
    else:
        chosen = [_place(fit, name) for name in names]
    kept = _kept(path[:, chosen], fit.trace.step)
    exact = None if fit.exact is None or fit.exact.theta is None else fit.exact.theta[chosen]
    return ParameterPaths(
        [fit.names[i] for i in chosen], fit.trace.step[kept], path[kept][:, chosen], exact, len(fit.names)
    )


def _place(fit: Fit, name: str) -> int:
    if name not in fit.names:
        raise SpecError(f"{name!r} is no parameter here: {', '.join(fit.names[:8])}.")
    return fit.names.index(name)


def _kept(path: np.ndarray, step: np.ndarray) -> np.ndarray:
    fine = np.isfinite(path).all(1) & (np.abs(path) < 1e150).all(1)
    return np.flatnonzero(fine)[along(path[fine], step[fine], MOST_STEPS)] if fine.any() else np.arange(0)


def parameters(fit: Fit, names: Sequence[str] | None = None, theme: str = "light") -> style.Figure:
    """Each parameter over the steps, with its exact value as a dashed line.

    Args:
        names: which parameters; None is the twelve that moved most.
        theme: `light` or `dark`.

    Raises:
        SpecError: a name of no parameter. FitError: the trace does not hold θ.
    """
    fit, names = fit.inner, fit.inner_names(names)
    data = parameter_data(fit, names)
    wide = min(len(data.names), 3)
    tall = -(-len(data.names) // wide)
    shown = style.Figure(
        make_subplots(
            rows=tall,
            cols=wide,
            shared_xaxes=True,
            vertical_spacing=min(0.2, 0.42 / tall),
            horizontal_spacing=0.09,
            subplot_titles=[style.text(name, 66 // wide) for name in data.names],
        )
    )
    shown.update_layout(template=style.template(theme), height=150 + 170 * tall)
    notes = []
    if len(data.names) < data.total:
        notes.append(
            f"{len(data.names)} of {data.total:,} parameters: "
            + ("those that moved most." if names is None else "those named.")
        )
    left = len(fit.trace) - len(fit.trace.step[np.isfinite(fit.trace.theta).all(1)])
    if left:
        notes.append(f"{counted(left, 'step')} left out: θ is no number there.")
    style.titled(shown, f"Parameters over {counted(fit.steps, 'step')}", notes, 24)
    for i, name in enumerate(data.names):
        place: dict[str, Any] = {"row": i // wide + 1, "col": i % wide + 1}
        shown.add_scatter(
            x=data.step,
            y=data.theta[:, i],
            mode="lines" if len(data.step) > 1 else "markers",
            line={"color": colours.DESCENT, "width": 2},
            name="descent",
            showlegend=i == 0,
            hovertemplate=f"step %{{x:,}}<br>{style.text(name)} %{{y:.6g}}<extra></extra>",
            **place,
        )
        if data.exact is not None and data.step.size:
            shown.add_scatter(
                x=data.step[[0, -1]],
                y=[data.exact[i]] * 2,
                mode="lines",
                line={"color": colours.EXACT, "dash": "dash", "width": 1.6},
                name="exact",
                showlegend=i == 0,
                hovertemplate=f"exact {style.text(name)} {data.exact[i]:.6g}<extra></extra>",
                **place,
            )
    shown.update_xaxes(nticks=5)
    shown.update_yaxes(nticks=5)
    for column in range(1, wide + 1):
        shown.update_xaxes(title_text="step", row=tall, col=column)
    shown.update_annotations(font_size=13)
    return shown
