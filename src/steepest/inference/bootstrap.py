"""The spread of the coefficients over resamples of the rows: all of them descend at once, with a leading axis of runs.

A resample is a number of copies of each row, so that its objective is the fit's own with other weights `[runs, n]`. From the
fit's θ all runs take Newton's steps in its orthonormal coordinates together; where the slope of the loss jumps, its corner is
rounded, from step to step less. What has no such steps, a module or an l1 penalty, is fitted again run by run.

Intervals: percentiles, and BCa (Efron 1987): percentiles corrected for bias and for how the spread changes with θ.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from steepest import fitting
from steepest.errors import FitError, SteepestError
from steepest.formulas.words import ndtr, ndtri
from steepest.inference.covariance import covariances, jump, quantile_level
from steepest.inference.sample import Sample
from steepest.result import Fit
from steepest.storage.run_loading import rows_of

HELD = 2**23
"""Numbers that are held at a time."""

MOST_STEPS = 60
CLOSE = 1e-7
"""Change of a prediction, log-odds or beside the spread of the residuals, at which a run has arrived."""

CORNERS = np.geomspace(0.5, 1e-5, 40)
"""Widths of the corner of a rounded loss, step by step, beside the spread of the residuals."""

HALVINGS = 12
"""How often a step towards a rounded loss's minimum is halved at most, until it goes down."""

FARTHEST = 4.0
"""A step changes no log-odds by more."""

MOST_BEND = 1e-3
"""Of 1 − a·z, beyond whose 0 BCa would turn back: the interval then ends at the last resample."""

RIDGE = 1e-12
"""Curvature in directions that no row of a resample determines, beside the mean of the others."""


@dataclass(frozen=True)
class Resampled:
    """theta: `[runs, q]` of those that have an optimum. lost: how many have none. influence: `[n, q]`, θ without a row minus θ,
    None where it is not known."""

    theta: np.ndarray
    lost: int
    influence: np.ndarray | None

    def percentiles(self, level: float) -> tuple[np.ndarray, np.ndarray]:
        """Low and high ends `[q]`."""
        low, high = np.quantile(self.theta, [0.5 * (1.0 - level), 0.5 * (1.0 + level)], axis=0)
        return low, high

    def bca(self, level: float, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The same with both corrections; at: θ of all rows `[q]`."""
        runs = len(self.theta)
        below = ((self.theta < at).sum(0) + (self.theta <= at).sum(0)) / (2.0 * runs)
        bias = ndtri(np.clip(below, 0.5 / runs, 1.0 - 0.5 / runs))
        bend = np.zeros(len(at)) if self.influence is None else _acceleration(self.influence)
        ends = []
        for tail in (0.5 * (1.0 - level), 0.5 * (1.0 + level)):
            moved = bias + ndtri(tail)
            share = ndtr(bias + moved / np.maximum(1.0 - bend * moved, MOST_BEND))
            ends.append(np.array([np.quantile(one, part) for one, part in zip(self.theta.T, share, strict=True)]))
        return ends[0], ends[1]


def _acceleration(influence: np.ndarray) -> np.ndarray:
    """Efron's a: Σu³/(6(Σu²)^1.5) with u the jackknife values' mean minus each."""
    each = influence.mean(0) - influence
    size = np.abs(each).max(0)
    each = np.divide(each, size, out=np.zeros_like(each), where=size > 0)
    squares = (each**2).sum(0)
    return np.divide((each**3).sum(0), 6.0 * squares**1.5, out=np.zeros(len(squares)), where=squares > 0)


def resampled(sample: Sample, runs: int, seed: int, groups: np.ndarray | None = None) -> Resampled:
    """So many resamples of the rows, or of whole groups of them, in user units, the outputs' coefficients one after the other.

    groups: the number of each row's `[n]`.
    """
    generator = np.random.default_rng([seed, 1])
    basis = np.concatenate([part for _, part in sample.blocks()])
    turn = np.kron(np.eye(sample.problem.outputs) if sample.classes is None else sample.classes, sample.user)
    size, at = turn.shape[1], sample.coefficients.ravel()
    apart = sample.problem.apart and not sample.problem.loss.quadratic
    parts = [sample.of_output(output) for output in range(sample.problem.outputs)] if apart else [sample]
    moves, arrived = [], []
    most = max(1, HELD // max(sample.rows * max(size, 1), 1))
    for begun in range(0, runs, most):
        weights = _weights(sample, generator, min(most, runs - begun), groups)
        found = [_descended(part, basis, weights) for part in parts]
        moves.append(np.concatenate([moved for moved, _ in found], axis=1))
        arrived.append(np.all([fine for _, fine in found], axis=0))
    fine = np.concatenate(arrived)
    theta = at + np.concatenate(moves)[fine] @ turn.T
    influence = np.concatenate([_influence(part, basis) for part in parts], axis=1) @ turn.T
    if groups is not None:  # θ without a group, to first order
        influence = np.array([influence[groups == one].sum(0) for one in range(int(groups.max()) + 1)])
    return Resampled(theta, int((~fine).sum()), influence)


def _weights(sample: Sample, generator: np.random.Generator, runs: int, groups: np.ndarray | None = None) -> np.ndarray:
    """The weights of the rows of resamples `[runs, n]`."""
    if groups is not None:
        counts = _drawn(generator, runs, int(groups.max()) + 1)[:, groups]
        return counts if sample.weights is None else counts * sample.weights
    if sample.frequency and sample.weights is not None:
        share = sample.weights / sample.weights.sum()
        return generator.multinomial(round(sample.nobs), share, size=runs).astype(np.float64)
    counts = _drawn(generator, runs, sample.rows)
    return counts if sample.weights is None else counts * sample.weights


def _drawn(generator: np.random.Generator, runs: int, size: int) -> np.ndarray:
    """How often each of so many things is drawn, in as many draws with replacement, `[runs, size]`."""
    counts = np.zeros((runs, size))
    np.add.at(counts, (np.arange(runs)[:, None], generator.integers(0, size, size=(runs, size))), 1.0)
    return counts


def _descended(sample: Sample, basis: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How far z moves in each run `[runs, o·r]`, and whether it arrived `[runs]`."""
    at, outputs, close = _rows(sample)
    kind = sample.problem.loss.problem
    term = sample.problem.penalty_in(sample.matrix)
    bend = np.kron(np.eye(outputs), term.hessian())
    penalty = sample.problem.penalty_in().gradient(sample.theta).reshape(sample.problem.outputs, -1)
    penalty = penalty if sample.classes is None else sample.classes.T @ penalty
    pull = (penalty @ sample.matrix).ravel()[: outputs * sample.rank]
    squares = (basis[:, :, None] * basis[:, None, :]).reshape(len(basis), -1)
    move, left = np.zeros((len(weights), outputs * basis.shape[1])), np.arange(len(weights))
    with np.errstate(all="ignore"):
        for step in range(MOST_STEPS):
            change = move[left].reshape(len(left), outputs, -1) @ basis.T
            slopes, curvatures = at(change, step)
            own, total = weights[left], weights[left].sum(1)[:, None]
            slope = ((slopes * own[:, None]) @ basis).reshape(len(left), -1) + total * (pull + move[left] @ bend)
            hessian = _hessian(curvatures, own, squares) + total[:, :, None] * bend
            moved = -_solved(hessian, slope)
            size = np.abs(moved.reshape(len(left), outputs, -1) @ basis.T).max((1, 2))
            if kind in ("classes", "family"):  # others are parabolas, or bounded by them
                moved *= np.minimum(1.0, FARTHEST / size)[:, None]
            if kind == "linear programme":
                moved *= _downhill(sample, change[:, 0], moved @ basis.T, own, step, (moved * slope).sum(1))[:, None]
            move[left] += moved
            left = left[~(size <= close) | (kind == "linear programme" and step < len(CORNERS))]
            if not len(left):
                break
    fine = np.array([np.isfinite(one).all() for one in move])
    if kind in ("classes", "family"):  # others have their optimum nearby, whatever the last digits are
        fine[left] = False
    return move, fine


def _solved(hessian: np.ndarray, slope: np.ndarray) -> np.ndarray:
    """H⁻¹·slope of each run, `[runs, s]`."""
    places = np.arange(hessian.shape[1])
    hessian[:, places, places] += RIDGE * np.trace(hessian, axis1=1, axis2=2)[:, None] / len(places) + 1e-300
    return np.linalg.solve(hessian, slope[:, :, None])[:, :, 0]


def _hessian(curvatures: np.ndarray, weights: np.ndarray, squares: np.ndarray) -> np.ndarray:
    """Σᵢ wᵢ·Sᵢ ⊗ qᵢqᵢᵀ of each run, `[runs, o·r, o·r]`; S: `[runs, o, o, n]`."""
    runs, outputs, rank = len(weights), curvatures.shape[1], round(squares.shape[1] ** 0.5)
    whole = np.zeros((runs, outputs, rank, outputs, rank))
    for a in range(outputs):
        for b in range(outputs):
            if a == b or curvatures[0, a, b].any():
                whole[:, a, :, b] = ((curvatures[:, a, b] * weights) @ squares).reshape(runs, rank, rank)
    return whole.reshape(runs, outputs * rank, outputs * rank)


At = Callable[[np.ndarray, int], tuple[np.ndarray, np.ndarray]]


def _rows(sample: Sample) -> tuple[At, int, float]:
    """Slopes `[runs, o, n]` and curvatures `[runs, o, o, n]` at a change `[runs, o, n]` of the predictions, o, and which
    change is none."""
    kind, loss = sample.problem.loss.problem, sample.problem.loss
    if sample.classes is not None:
        return _softmax(sample), sample.classes.shape[1], CLOSE
    if kind in ("classes", "family"):
        target = sample.problem.target

        def of_classes(change: np.ndarray, step: int) -> tuple[np.ndarray, np.ndarray]:
            f = sample.prediction + change
            return loss.slope(f, target), loss.curvature(f, target)[:, None]

        return of_classes, 1, CLOSE
    start = -np.atleast_2d(sample.residuals.T)
    outputs, spread = len(start), float(np.std(start)) or 1.0
    if kind == "linear programme":
        return partial(_kinked, sample), 1, CLOSE * spread

    def of_residuals(change: np.ndarray, step: int) -> tuple[np.ndarray, np.ndarray]:
        r = start + change
        slope = loss.slope(r, np.zeros_like(r)) / outputs
        # the parabola that touches the loss from above: its step never goes up
        each = slope / np.where(np.abs(r) > 1e-8 * spread, r, np.inf)
        each = np.where(np.abs(r) > 1e-8 * spread, each, (loss.bound or 1.0) / outputs)
        return slope, each[:, :, None] * np.eye(outputs)[:, :, None]

    return of_residuals, outputs, CLOSE * spread


def _corner(sample: Sample, step: int) -> float:
    return float(np.std(sample.residuals)) * CORNERS[min(step, len(CORNERS) - 1)]


def _kinked(sample: Sample, change: np.ndarray, step: int) -> tuple[np.ndarray, np.ndarray]:
    """Of `l1` and quantiles: jump·(½|r| + (½ − level)·r), |r| rounded to √(r² + width²)."""
    height, r, width = jump(sample), change - sample.residuals, _corner(sample, step)
    root = np.sqrt(r**2 + width**2)
    slope = height * (0.5 * r / root + 0.5 - quantile_level(sample))
    return slope, (0.5 * height * width**2 / root**3)[:, None]


def _downhill(
    sample: Sample, change: np.ndarray, moved: np.ndarray, weights: np.ndarray, step: int, slope: np.ndarray
) -> np.ndarray:
    """How far to go in each run: a step is halved until the rounded loss falls by a part of what its slope promises."""
    height, level, width = jump(sample), quantile_level(sample), _corner(sample, step)

    def value(length: np.ndarray) -> np.ndarray:
        r = change + length[:, None] * moved - sample.residuals
        return height * (weights * (0.5 * np.sqrt(r**2 + width**2) + (0.5 - level) * r)).sum(1)

    length = np.ones(len(change))
    start = value(0.0 * length)
    for _ in range(HALVINGS):
        high = value(length) > start + 1e-4 * length * slope
        if not high.any():
            break
        length[high] *= 0.5
    return length


def _softmax(sample: Sample) -> At:
    directions, target = sample.classes, sample.problem.target
    assert directions is not None
    wanted = np.eye(len(directions))[:, target]

    def at(change: np.ndarray, step: int) -> tuple[np.ndarray, np.ndarray]:
        f = sample.prediction.T + directions @ change
        share = np.exp(f - f.max(1, keepdims=True))
        share /= share.sum(1, keepdims=True)
        inner = directions.T @ share
        squares = np.einsum("ac,ran,ad->rcdn", directions, share, directions, optimize=True)
        return directions.T @ (share - wanted), squares - inner[:, :, None] * inner[:, None]

    return at


def _influence(sample: Sample, basis: np.ndarray) -> np.ndarray:
    """How z moves without each row `[n, o·r]`, to first order; of mse exactly."""
    slopes = np.atleast_2d(sample.slopes.T) if sample.classes is None else (sample.slopes @ sample.classes).T
    slopes = slopes * sample.each
    if sample.classes is not None:
        back = np.linalg.inv(covariances(sample, "nonrobust")[0].bread)
        return (slopes.T[:, :, None] * basis[:, None, :]).reshape(len(basis), -1) @ back
    moves = []
    for slope, found in zip(slopes, covariances(sample, "nonrobust"), strict=True):
        back = np.linalg.inv(found.bread)
        part = slope[:, None] * basis @ back
        if sample.problem.loss.problem == "least squares":
            part = 1.0 / len(slopes) * part
            share = 2.0 / len(slopes) * sample.each * np.einsum("nr,nr->n", basis @ back, basis)
            part /= np.maximum(1.0 - share, 1e-12)[:, None]
        moves.append(part)
    return np.concatenate(moves, 1)


def fitted_again(fit: Fit, runs: int, groups: np.ndarray | None = None) -> Resampled:
    """The same where no formula helps: each resample is fitted as the fit was."""
    data, found = rows_of(fit)[0], []
    data.check_in_memory("The bootstrap")
    generator = np.random.default_rng([fit.spec.seed, 1])
    for _ in range(runs):
        if groups is None:
            drawn = generator.integers(0, data.rows, data.rows)
        else:
            count = int(groups.max()) + 1
            drawn = np.concatenate([np.flatnonzero(groups == one) for one in generator.integers(0, count, count)])
        rows = data.take(drawn)
        try:
            found.append(fitting.run(fit.spec, rows).theta)
        except SteepestError:  # as where a class is missing
            continue
    theta = np.array([one for one in found if one.shape == fit.theta.shape and np.isfinite(one).all()])
    if len(theta) < 2:
        raise FitError("Of the resamples of the rows none could be fitted.")
    return Resampled(theta, runs - len(theta), None)
