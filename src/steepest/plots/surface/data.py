"""The loss as a surface over a plane of parameters, and the path of the descent on it.

`surface_data` computes everything: the loss on a grid (one pass, `evaluate.py`), the paths and marks on its plane
(`plane.py`), and for every step the loss on the plane beside the true one. `surface` draws it as a map and as
a bowl side by side; `path3d` draws the path of three parameters.

    data = surface_data(fit)             data.x, data.y, data.values, data.paths[0].place, .shown, .true
    surface(fit, plane=("x", "x^2"))     a figure

A picture of two parameters is exact. Any other says how much of the path it shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from steepest.data.thinning import along
from steepest.data.wording import number
from steepest.errors import SpecError
from steepest.model.of_fit import linear_problem
from steepest.plots.drawn import FAR, MOST_STEPS, check_one_model, drawable, exact_theta, labels, training
from steepest.plots.surface import plane as planes
from steepest.plots.surface.evaluate import MOST_WORK, SurfaceObjective, Values, surface_objective, work_of
from steepest.plots.surface.plane import Plane
from steepest.plots.surface.profile import minimised
from steepest.result import Fit

GRID, LEAST_GRID = 50, 25  # points a side, and what they are at least where each takes long
LEAST_STEPS = 80  # steps of a path that are drawn where each takes long
MARGIN = 0.18  # of the window's width, on each side of what it must show
STILL = 1e-6  # an axis whose numbers differ by less than this share of them shows no movement
HIGHEST = 1.3  # the surface is cut at this many times the height of whatever must be seen on it


@dataclass(frozen=True)
class Path:
    """The steps of one fit, T of them: θ `[T, p]`, places on the plane `[T, 2]`, the true loss and the plane's `[T]`."""

    label: str
    step: np.ndarray
    theta: np.ndarray
    place: np.ndarray
    true: np.ndarray
    shown: np.ndarray
    explained: float


@dataclass(frozen=True)
class Mark:
    """A point with a name; role: `start`, `end` or `exact`. shown and true: the loss on the plane, and at θ itself."""

    label: str
    role: str
    series: int
    theta: np.ndarray
    place: np.ndarray
    true: float
    shown: float


@dataclass(frozen=True)
class Surface:
    """The loss `values[j, i]` at (x[i], y[j]) of a plane; where it is drawn it is cut at `ceiling`."""

    plane: Plane
    x: np.ndarray
    y: np.ndarray
    values: np.ndarray
    ceiling: float
    loss: str
    paths: list[Path]
    marks: list[Mark]
    names: tuple[str, ...]
    notes: list[str] = field(default_factory=list)

    @property
    def cut(self) -> np.ndarray:
        """The values, no higher than the ceiling."""
        return np.minimum(np.nan_to_num(self.values, nan=self.ceiling, posinf=self.ceiling), self.ceiling)

    def within(self, place: np.ndarray) -> np.ndarray:
        """Which places `[T, 2]` lie in the window, `[T]`."""
        return _within(place, self.x, self.y)


def surface_data(
    fit: Fit,
    loss: Any = None,
    also: Sequence[Fit] = (),
    plane: Any = None,
    window: Any = None,
    grid: int | None = None,
    coordinates: str = "user",
    others: str = "held",
    seed: int = 0,
) -> Surface:
    """The loss on a plane of θ, with paths and marks; see `surface` for the arguments."""
    fits = [fit, *also]
    check_one_model(fits)
    if others not in ("held", "minimised"):
        raise SpecError(f"others={others!r} is not known. Known: held, minimised.")
    if grid is not None and not 2 <= grid <= 1_000:
        raise SpecError(f"grid={grid} must be from 2 to 1000 points a side.")
    flat = planes.plane(fit, plane, also, coordinates, seed)
    grid, steps = _fine(fit, grid)
    objective = surface_objective(fit, loss, points=grid * grid + 2 * steps * len(fits))
    true = objective.values
    shown, named = true if others == "held" else _minimised(fit, flat, objective), labels(fits)
    paths = [_path(each, label, flat, true, shown, steps) for each, label in zip(fits, named, strict=True)]
    marks = _marks(fits, named, flat, true, shown)
    x, y = _window(window, paths, marks, grid, flat.kind)
    places = np.stack(np.meshgrid(x, y), -1)
    with np.errstate(over="ignore", invalid="ignore"):
        values = shown(flat.theta(places.reshape(-1, 2))).reshape(grid, grid)
    ceiling = _ceiling(values, [*(path.shown[_within(path.place, x, y)] for path in paths), [m.shown for m in marks]])
    notes = _notes(flat, paths, objective, values, ceiling, others, fit, x, y)
    return Surface(flat, x, y, values, ceiling, str(objective.loss), paths, marks, tuple(fit.names), notes)


def _fine(fit: Fit, grid: int | None) -> tuple[int, int]:
    """Points a side, and steps of a path: as many as look smooth, fewer where a network takes long for each."""
    if fit.terms is not None:
        return grid or GRID, MOST_STEPS
    affordable = MOST_WORK / (work_of(fit) * training(fit).rows)
    side = int(np.clip(affordable**0.5, LEAST_GRID, GRID)) if grid is None else grid
    return side, MOST_STEPS if affordable > side**2 + 2 * MOST_STEPS else LEAST_STEPS


def _minimised(fit: Fit, flat: Plane, objective: SurfaceObjective) -> Values:
    """F of θ on a plane of two parameters, once the other parameters are moved to where it is least."""
    if fit.terms is None or flat.kind != "named" or not flat.coordinates.user:
        raise SpecError("others='minimised' is for two named parameters of the linear family, in user units.")
    problem = linear_problem(fit.spec, training(fit), fit.terms, objective.loss)
    held = [fit.names.index(name) for name in flat.labels]
    return lambda theta: objective.values(minimised(problem, theta, held))


def _path(fit: Fit, label: str, flat: Plane, true: Values, shown: Values, most: int) -> Path:
    theta, step = fit.trace.theta, fit.trace.step
    if theta.shape[1] != len(fit.names):
        theta, step = fit.theta[None], np.array([fit.steps])
    fine = drawable(theta)
    theta, step = theta[fine], step[fine]
    if not len(step):
        theta, step = np.zeros((1, len(fit.names))), np.zeros(1, dtype=int)
    explained = flat.explained(theta)
    chosen = along(theta, step, most)
    theta, step = theta[chosen], step[chosen]
    place = flat.project(theta)
    with np.errstate(over="ignore", invalid="ignore"):
        heights = true(theta)
        on_plane = heights if flat.exact else shown(flat.theta(place))
    return Path(label, step, theta, place, heights, on_plane, explained)


def _marks(fits: Sequence[Fit], named: Sequence[str], flat: Plane, true: Values, shown: Values) -> list[Mark]:
    found: list[tuple[str, str, int, np.ndarray]] = []
    seen: list[np.ndarray] = []
    for i, (fit, label) in enumerate(zip(fits, named, strict=True)):
        suffix = "" if len(fits) == 1 else f" ({label})"
        path = fit.trace.theta
        if path.shape[1] == len(fit.names):
            found.append((f"start{suffix}", "start", i, path[0]))
        found.append((f"end{suffix}", "end", i, fit.theta))
        best = exact_theta(fit)
        if best is not None and not any(np.allclose(best, other, rtol=1e-9, atol=0) for other in seen):
            seen.append(best)
            same = len({str(each.loss_function) for each in fits}) == 1
            found.append((f"exact {fit.loss_function}" if not same else "exact", "exact", i, best))
    usable = [mark for mark in found if np.isfinite(mark[3]).all() and np.abs(mark[3]).max() < FAR]
    if not usable:
        return []
    theta = np.stack([mark[3] for mark in usable])
    place = flat.project(theta)
    with np.errstate(over="ignore", invalid="ignore"):
        heights, on_plane = true(theta), shown(flat.theta(place))
    return [Mark(*mark, place[i], float(heights[i]), float(on_plane[i])) for i, mark in enumerate(usable)]


def _window(
    window: Any, paths: Sequence[Path], marks: Sequence[Mark], grid: int, kind: str
) -> tuple[np.ndarray, np.ndarray]:
    """The grid's places on both axes."""
    if window is not None and not isinstance(window, (int, float)):
        try:
            (left, right), (low, high) = np.asarray(window, dtype=float)
        except (TypeError, ValueError):
            raise SpecError(
                f"window={window!r} is neither a number nor two pairs ((left, right), (low, high))."
            ) from None
        if not (left < right and low < high):
            raise SpecError(f"window={window!r}: the first number of a pair must be below the second.")
        return np.linspace(left, right, grid), np.linspace(low, high, grid)
    if window is not None:
        centre = next((m.place for m in marks if m.role == "exact"), paths[0].place[-1])
        reach = float(window)
        if not 0 < reach < np.inf:
            raise SpecError(f"window={window!r} must be above 0.")
        return _axes(centre - reach, centre + reach, grid)
    wanted = np.concatenate(
        [path.place[_near(path)] for path in paths] + [[m.place] for m in marks if _worth(m, paths)]
    )
    low, high = wanted.min(0), wanted.max(0)
    span = high - low
    size = np.maximum(np.abs(wanted).max(0), 1e-12)
    # an axis along which nothing moved is as wide as the other, or as the numbers on it are large
    other = span[::-1] if kind != "named" else np.where(size > 1e-9, size, 1.0)
    span = np.where(span > STILL * np.maximum(size, other * (kind != "named")), span, np.where(other > 0, other, 1.0))
    middle, reach = (low + high) / 2, span * (0.5 + MARGIN)
    return _axes(middle - reach, middle + reach, grid)


def _axes(low: np.ndarray, high: np.ndarray, grid: int) -> tuple[np.ndarray, np.ndarray]:
    return np.linspace(low[0], high[0], grid), np.linspace(low[1], high[1], grid)


def _near(path: Path) -> np.ndarray:
    """Which steps the window must show: all but those of a descent that went far above where it began."""
    fine = np.isfinite(path.true)
    if not fine.any():
        return np.arange(len(path.true)) == 0
    least = path.true[fine].min()
    return fine & (path.true <= least + 4 * max(path.true[0] - least, 1e-9 * abs(least)))


def _worth(mark: Mark, paths: Sequence[Path]) -> bool:
    """The exact answers are always shown, and so are starts and ends but of a descent that flew away."""
    path = paths[mark.series]
    near = path.true[_near(path)]
    return mark.role == "exact" or (np.isfinite(mark.true) and mark.true <= near.max() * (1 + 1e-9) + 1e-300)


def _within(place: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return (place[:, 0] >= x[0]) & (place[:, 0] <= x[-1]) & (place[:, 1] >= y[0]) & (place[:, 1] <= y[-1])


def _ceiling(values: np.ndarray, heights: Sequence[Any]) -> float:
    """How high the surface is drawn: what lies on it, and the lower two thirds of it, are seen."""
    fine = values[np.isfinite(values)]
    if not fine.size:
        return 1.0
    least = float(fine.min())
    seen = np.concatenate([np.ravel(each) for each in heights])
    seen = seen[np.isfinite(seen)]
    top = max(float(np.quantile(fine, 0.66)), *(seen.tolist() or [least]))
    return min(float(fine.max()), least + HIGHEST * (top - least)) if top > least else float(fine.max())


def _notes(
    flat: Plane, paths: Sequence[Path], objective: SurfaceObjective, values: np.ndarray, ceiling: float, others: str,
    fit: Fit, x: np.ndarray, y: np.ndarray,
) -> list[str]:  # fmt: skip
    notes = []
    if not flat.exact:
        for path in paths:
            whose = "the path" if len(paths) == 1 else f"the path of {path.label}"
            notes.append(f"The plane shows {100 * path.explained:.4g}% of the variance of {whose}.")
        if flat.kind == "named":
            rest = "minimised over" if others == "minimised" else "held at the end of the descent"
            notes.append(f"The other {len(fit.names) - 2:,} parameters are {rest}.")
    if fit.trace.theta.shape[1] != len(fit.names):
        notes.append("The trace does not hold all parameters, so there is no path.")
    outside = sum(int((~_within(path.place, x, y)).sum()) for path in paths)
    if outside:
        notes.append(f"{outside:,} of the steps drawn lie outside the window.")
    if not np.isfinite(values).all() or values.max() > ceiling:
        top = number(float(values[np.isfinite(values)].max())) if np.isfinite(values).any() else "infinity"
        notes.append(f"The surface rises to {top}; it is cut at {number(ceiling)}.")
    return [*notes, *([objective.note] if objective.note else [])]
