"""A descent as numbers to be played: for each frame θ, its update, the loss, what the model says, and where it stands.

    data = playback_data(fit)
    data.frames.theta[7], data.change[7]          θ before that update, and how it moved
    data.picture.curves[7]                        the curve through the rows there
    data.place[7]                                 where it stands on data.surface

All of it is computed at once, so that whoever plays it, forward or back, needs nothing more. A film draws the same frames.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from steepest.analysis.predicted_curve import Directions, predicted_directions
from steepest.model.prediction import log_odds, share_name, shares
from steepest.plots.classes import shares_at
from steepest.plots.drawn import Drawn, columns, drawn, exact_theta, training, usual_offset
from steepest.plots.film.frames import Frames, frames_data, gradients
from steepest.plots.predictions import value_range
from steepest.plots.surface.data import Surface, surface_data
from steepest.result import Fit

FINE = 120  # points of a curve
MOST_ROWS = 1_000
MOST_NUMBERS = 600_000  # predictions of all frames together
MOST_GRADIENTS = 200_000_000  # rows × parameters × frames up to which gradients are taken anew
SIDE = 36  # points a side of the regions of classes
DIGITS = 15.95  # what a float64 can have


@dataclass(frozen=True)
class Picture:
    """What the model says of its rows in each of F frames.

    kind: `curve` (one column, a number), `probability` (one column, two classes), `regions` (two columns, classes) or `actual`
    (anything else: predicted beside actual values, or the probability of a row's own class).
    x, y: of the rows drawn, `[n]`; of regions the two columns, and `codes` the classes.
    grid: `[g]` where curves are taken, of regions `[2, s]`. curves: `[F, g]`, of regions `[F, s, s]` the class taken.
    exact: `[g]` or None. low, high: the range of y worth showing.
    """

    kind: str
    across: str
    up: str
    rows: Drawn
    x: np.ndarray
    y: np.ndarray
    codes: np.ndarray | None = None
    grid: np.ndarray | None = None
    curves: np.ndarray | None = None
    exact: np.ndarray | None = None
    low: float = 0.0
    high: float = 1.0


@dataclass(frozen=True)
class Playback:
    """F frames of a descent of p parameters, in user units.

    lr, objective, gap: `[F]`; objective is that of the batch at hand where F was not taken, gap nan there.
    gradient: `[F, p]` of the batch at hand, None where taking it would take long. change: `[F, p]`, θ of the next recorded
    step minus θ. digits: `[F, p]`, the correct digits of each parameter, None where no optimum is known.
    predicted: `[F, n]` for the rows drawn; actual: `[n]` in the same units. place: `[F, 2]` on the surface. directions: what
    theory knows of the descent, its gaps `[F, r]`.
    """

    frames: Frames
    lr: np.ndarray
    objective: np.ndarray
    gap: np.ndarray
    gradient: np.ndarray | None
    change: np.ndarray
    exact: np.ndarray | None
    digits: np.ndarray | None
    picture: Picture
    predicted: np.ndarray
    actual: np.ndarray
    surface: Surface | None
    place: np.ndarray | None
    directions: Directions | None


def playback_data(fit: Fit, frames: int = 501, plane: object = None) -> Playback:
    """All that is needed to play a descent.

    Args:
        frames: how many steps at most. plane: that of the surface, as `surface_data` takes it.

    Raises:
        FitError: a fit whose trace or rows are not at hand.
    """
    shown = frames_data(fit, frames)
    inner, trace = fit.inner, fit.trace
    best, thetas = exact_theta(fit), inner.trace.theta[shown.row]
    after = np.minimum(shown.row + 1, len(trace) - 1)
    with np.errstate(all="ignore"):
        lowest = fit.scores.exact_objective
        gap = np.full(len(shown), np.nan) if lowest is None else trace.objective[shown.row] - lowest
        picture = _picture(inner, thetas)
        rows, actual = picture.rows, _actual(inner, picture.rows)
        predicted = _all_said(inner, rows, thetas)
        work = training(inner).rows * len(fit.names) * len(shown)
        grad = gradients(fit, shown.row) if fit.centred is None and work <= MOST_GRADIENTS else None
        surface = surface_data(inner, plane=plane) if len(fit.names) > 1 else None
        along = predicted_directions(inner)
    return Playback(
        shown, trace.lr[shown.row], shown.loss, gap, grad, trace.theta[after] - trace.theta[shown.row], best,
        None if best is None else correct_digits(shown.theta, best), picture, predicted, actual, surface,
        None if surface is None else surface.plane.project(thetas),
        None if along is None else replace(along, gaps=along.gaps[shown.row]),
    )  # fmt: skip


def correct_digits(theta: np.ndarray, best: np.ndarray) -> np.ndarray:
    """How many significant digits agree: −log10(|θ − θ*|/|θ*|), or −log10|θ| where θ* is 0; from 0 to 15.95.

    Source: the log relative error of McCullough, Assessing the reliability of statistical software (1998).

    >>> correct_digits(np.array([3.0, 2.98, 0.01]), np.array([3.0, 3.0, 0.0])).round(2)
    array([15.95,  2.18,  2.  ])
    """
    size = np.where(best == 0.0, 1.0, np.abs(best))
    with np.errstate(divide="ignore"):
        return np.clip(-np.log10(np.abs(theta - best) / size), 0.0, DIGITS)


def _picture(fit: Fit, thetas: np.ndarray) -> Picture:
    """The picture that suits the target and the number of columns."""
    data, wide, classes = training(fit), columns(fit), fit.schema.classes
    most = int(np.clip(MOST_NUMBERS // len(thetas), 50, MOST_ROWS))
    rows, names, target = drawn(fit, most), fit.schema.names, fit.schema.targets[0]
    if wide == 1 and (classes is None or len(classes) == 2) and data.y.ndim == 1:
        grid = np.linspace(data.x.min(), data.x.max(), FINE)
        best = exact_theta(fit)
        curves = _curves(fit, grid, thetas)
        exact = None if best is None else _curve(fit, grid, best)
        if classes is not None:
            up = f"{share_name(fit.loss_function)} of {target}={fit.schema.labels[1]}"
            return Picture("probability", names[0], up, rows, rows.x[:, 0], rows.y, rows.y, grid, curves, exact)
        low, high = value_range(rows.y, [curves[0], curves[-1]])
        return Picture("curve", names[0], target, rows, rows.x[:, 0], rows.y, None, grid, curves, exact, low, high)
    if wide == 2 and classes is not None:
        sides = np.stack([np.linspace(column.min(), column.max(), SIDE) for column in data.x.T])
        grid = np.stack(np.meshgrid(*sides), -1).reshape(-1, 2)
        taken = [shares_at(fit, grid, theta).argmax(-1).reshape(SIDE, SIDE) for theta in thetas]
        return Picture("regions", names[0], names[1], rows, rows.x[:, 0], rows.x[:, 1], rows.y, sides, np.stack(taken))
    if classes is not None:
        up = f"{share_name(fit.loss_function)} of its class"
        return Picture("actual", target, up, rows, rows.y.astype(float), rows.y, rows.y)
    actual = _actual(fit, rows)
    low, high = value_range(actual, [_said(fit, rows, theta) for theta in (thetas[0], thetas[-1])])
    return Picture("actual", f"actual {target}", "predicted", rows, actual, actual, low=low, high=high)


def _in_one_product(fit: Fit, thetas: np.ndarray) -> bool:
    """Whether the predictions at all θ are those of one linear model with as many outputs."""
    return fit.terms is not None and fit.schema.classes is None and thetas.shape[1] == len(fit.terms.powers)


def _curves(fit: Fit, grid: np.ndarray, thetas: np.ndarray) -> np.ndarray:
    """`_curve` of each θ."""
    if _in_one_product(fit, thetas):
        return _curve(fit, grid, thetas.reshape(-1)).reshape(len(grid), -1).T
    return np.stack([_curve(fit, grid, theta) for theta in thetas])


def _all_said(fit: Fit, rows: Drawn, thetas: np.ndarray) -> np.ndarray:
    """`_said` of each θ."""
    if _in_one_product(fit, thetas):
        return log_odds(fit, rows.x, thetas.reshape(-1), rows.offset).reshape(len(rows.x), -1).T
    return np.stack([_said(fit, rows, theta) for theta in thetas])


def _curve(fit: Fit, grid: np.ndarray, theta: np.ndarray) -> np.ndarray:
    """The prediction, or the probability of the second class, along one column."""
    said = log_odds(fit, grid[:, None], theta, usual_offset(fit, len(grid)))
    return said if fit.schema.classes is None else shares(said, fit.loss_function)[:, 1]


def _said(fit: Fit, rows: Drawn, theta: np.ndarray) -> np.ndarray:
    """Of each row drawn: the prediction of the first target, or the probability of the row's own class."""
    said = log_odds(fit, rows.x, theta, rows.offset)
    if fit.schema.classes is None:
        return said.reshape(len(said), -1)[:, 0]
    return shares(said, fit.loss_function)[np.arange(len(said)), rows.y.astype(int)]


def _actual(fit: Fit, rows: Drawn) -> np.ndarray:
    """What `_said` would be of a perfect model."""
    return np.ones(len(rows.y)) if fit.schema.classes is not None else rows.y.reshape(len(rows.y), -1)[:, 0]
