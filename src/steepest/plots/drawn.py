"""What is drawn of a fit: which fits, rows, steps and parameters, as they were asked for or as many as can be seen.

A million dots are one grey stain and a slow page. Rows are left out evenly, never at random, so that the same fit gives the
same picture, and it is said how many of how many there are; of a path more points are kept where it moves.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from steepest.data.dataset import Dataset
from steepest.data.features import filled
from steepest.data.schema import Schema, tells_missing
from steepest.data.thinning import along, evenly
from steepest.errors import DataError, FitError, SpecError
from steepest.model.linear import LinearProblem
from steepest.model.of_fit import linear_problem
from steepest.plots.figure import MOST_POINTS
from steepest.result import Fit

FINE = 400  # points of a curve
MOST_STEPS = 400  # steps of a path or curve drawn at most
FAR = 1e100  # parameters beyond it are left out of a path


# ---- which fits ------------------------------------------------------------------------------------


def fits_of(fit: Fit, also: Iterable[Fit] = ()) -> list[Fit]:
    """A fit and others to be drawn beside it, each in the coefficients that it was computed with."""
    return [each.inner for each in (fit, *also)]


def check_one_model(fits: Sequence[Fit]) -> None:
    """Raise SpecError where fits to be drawn over the same parameters have different ones."""
    for each in fits:
        if each.names != fits[0].names:
            raise SpecError(
                f"A fit with the parameters {', '.join(each.names[:4])} has no surface in common with one with "
                f"{', '.join(fits[0].names[:4])}. Draw fits of one model together."
            )


def labels(fits: Sequence[Fit]) -> list[str]:
    """What tells fits apart, in words: `momentum:0.9, lr 0.1`; numbers where nothing does."""
    if len(fits) == 1:
        return ["fit"]
    told = [
        {
            "model": each.model_name,
            "loss": str(each.loss_function),
            "penalty": each.spec.penalty or "no penalty",
            "optimizer": each.optimizer,
            "lr": f"lr {each.lr:.3g}",
            "schedule": each.schedule,
            "batch": f"batch {each.spec.batch_size}",
            "precondition": f"precondition {each.precondition}",
            "steps": f"{each.steps:,} steps",
            "seed": f"seed {each.spec.seed}",
            "dtype": each.spec.dtype,
        }
        for each in fits
    ]
    differ = [key for key in told[0] if len({words[key] for words in told}) > 1]
    found = [", ".join(words[key] for key in differ[:3]) for words in told]
    counts = [f"{len(each.names):,} parameters" for each in fits]
    if len(set(found)) < len(found) and len(set(counts)) > 1:  # as of two modules of one class, or other columns
        found = [f"{word}, {count}".removeprefix(", ") for word, count in zip(found, counts, strict=True)]
    return [word if word and found.count(word) == 1 else f"{word} (fit {i})".strip() for i, word in enumerate(found, 1)]


# ---- which rows ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Drawn:
    """Rows to draw: `x` `[n, …]`, `y`, and their numbers among those that the fit has; `total` is how many there are.

    offset: what is added to their predictions, or None.
    """

    x: np.ndarray
    y: np.ndarray
    index: np.ndarray
    total: int
    offset: np.ndarray | None = None

    @property
    def note(self) -> str:
        """What was left out; "" if nothing."""
        return "" if len(self.x) == self.total else f"{len(self.x):,} of {self.total:,} rows are drawn."


def drawn(fit: Fit, most: int = MOST_POINTS) -> Drawn:
    """At most `most` of the training rows, evenly spread."""
    return _drawn(training(fit), fit.rows, most)


def drawn_held_out(fit: Fit) -> Drawn | None:
    """The same of the held-out rows; None without any."""
    data = held_out(fit)
    return None if data is None else _drawn(data, fit.test_rows, MOST_POINTS)


def _drawn(data: Dataset, total: int, most: int) -> Drawn:
    index = evenly(data.rows, most)
    return Drawn(data.x[index], data.y[index], index, total, None if data.offset is None else data.offset[index])


def usual_offset(fit: Fit, rows: int) -> np.ndarray | None:
    """What is added to predictions along a column, `[rows]`: the mean offset of the training rows; None without one."""
    offset = training(fit).offset
    return None if offset is None else np.full(rows, offset.mean())


def training(fit: Fit) -> Dataset:
    """The training rows of a fit; of a loaded one those that its run has kept. Raises FitError where it kept none."""
    data = fit.kept_rows[0]
    if data is None:
        raise FitError(
            "This fit was loaded from a run that kept no rows (images are not kept). "
            "loss_curve(), parameters() and path3d() need none; fit again to see the data."
        )
    return data


def held_out(fit: Fit) -> Dataset | None:
    """The held-out rows, likewise; None without any."""
    return fit.kept_rows[1]


def columns(fit: Fit) -> int:
    """How many columns the training rows have; 0 for images."""
    x = training(fit).x
    return x.shape[1] if x.ndim == 2 else 0


@dataclass(frozen=True)
class Axis:
    """The one column of numbers that a fit's features are made of: its name, and whether a formula makes them of it."""

    name: str
    schema: Schema

    def places(self, data: Dataset) -> np.ndarray:
        """Where rows lie on it, `[n]`; where a value is missing, at what stands in for it."""
        if self.schema.design is None or data.sources is None:
            return data.x[:, 0]
        return filled(self.schema.columns[0], data.sources)[0][:, 0]

    def rows(self, rows: Drawn, data: Dataset) -> Drawn:
        """The rows drawn, with their places as `x` `[n, 1]`."""
        return replace(rows, x=self.places(data)[rows.index, None])

    def grid(self, *parts: Dataset, count: int = FINE) -> np.ndarray:
        """Places from the least to the largest of the rows, `[count]`."""
        every = np.concatenate([self.places(part) for part in parts])
        return np.linspace(every.min(), every.max(), count)

    def features(self, x: np.ndarray, fit: Fit | None = None) -> np.ndarray:
        """The features `[n, d]` at places `[n]`, as another fit of the same columns has them or this one.

        Raises:
            DataError: a term has no value there.
        """
        schema = self.schema if fit is None else fit.schema
        if schema.design is None:
            return x[:, None]
        return schema.of_values(x[:, None], lambda bad: f"{self.name} = {x[int(np.argmax(bad))]:g}")


def axis(fit: Fit) -> Axis | None:
    """The one column of numbers that all is drawn along; None of several, of categories, and where a run keeps none."""
    data, schema = training(fit), fit.schema
    if schema.design is None:
        return Axis(schema.names[0], schema) if columns(fit) == 1 else None
    if len(schema.columns) > 1 or data.sources is None or any(map(tells_missing, schema.columns)):
        return None
    found = Axis(schema.columns[0].name, schema) if schema.columns[0].kind == "number" else None
    try:
        if found is not None:
            found.features(found.grid(*(rows for rows in (data, held_out(fit)) if rows is not None)))
    except DataError:  # as of 1 / x between rows on both sides of 0
        return None
    return found


def all_rows(fit: Fit) -> bool:
    """Whether all training rows are at hand: a run keeps only some of a large table."""
    return training(fit).rows == fit.rows


def linear(fit: Fit) -> LinearProblem | None:
    """The problem of the linear family on the training rows at hand; None for a module."""
    if fit.problem is not None or fit.terms is None:
        return fit.problem
    return linear_problem(fit.spec, training(fit), fit.terms, fit.loss_function)


# ---- which steps and parameters --------------------------------------------------------------------


def exact_theta(fit: Fit) -> np.ndarray | None:
    """The best possible θ `[p]`, where it is known."""
    with np.errstate(over="ignore", invalid="ignore"):  # the scores of a descent that diverged
        return None if fit.exact is None else fit.exact.theta


def recorded(fit: Fit) -> np.ndarray:
    """The path `[T, p]` of a fit. Raises FitError where the trace does not hold all of θ."""
    if fit.trace.theta.shape[1] != len(fit.names):
        raise FitError(
            f"The trace of this fit does not hold all its {len(fit.names):,} parameters (record=, or a model too large "
            "for it), so it has no path to draw."
        )
    return fit.trace.theta


def drawable(path: np.ndarray) -> np.ndarray:
    """Which rows of a path are numbers whose squares are finite, too."""
    return np.all(np.isfinite(path) & (np.abs(path) < FAR), axis=1)


def steps_along(path: np.ndarray, step: np.ndarray, most: int = MOST_STEPS) -> np.ndarray:
    """The rows to draw of a path `[T, q]`: at most so many of those that can be drawn."""
    fine = np.flatnonzero(drawable(path))
    return fine[along(path[fine], step[fine], most)] if len(fine) else fine


def at_step(fit: Fit, step: int | None) -> tuple[int | None, np.ndarray]:
    """(step, θ) before an update, or the nearest that was recorded; None is the end, which is fit.theta."""
    if step is None:
        return None, fit.theta
    path = recorded(fit)
    row = int(np.argmin(np.abs(fit.trace.step - step)))
    return int(fit.trace.step[row]), path[row]


def places_of(
    names: Iterable[str], known: Sequence[str], asked: str = "", count: int | None = None, what: str = "parameter"
) -> list[int]:
    """The places of names among those known. asked: the argument or function that they are for. count: how many it takes.

    Raises:
        SpecError: a name that is not known, or the same one twice, or too few.
    """
    names = list(names)
    for name in names:
        if name not in known:
            which = f"{asked} names {name!r}, which" if asked else repr(name)
            raise SpecError(f"{which} is no {what} here: {', '.join(known[:8])}.")
    if count is not None and not len({*names}) == len(names) == count:
        number = {2: "two", 3: "three"}[count]
        raise SpecError(f"{asked} needs {number} different {what}s, and got {', '.join(map(repr, names))}.")
    return [known.index(name) for name in names]


def most_moved(path: np.ndarray, most: int, size: np.ndarray | float = 1.0) -> list[int]:
    """The columns of a path that moved most, against their `size`; among equals the first, in their own order."""
    if path.shape[1] <= most:
        return list(range(path.shape[1]))
    with np.errstate(over="ignore", invalid="ignore"):
        moved = np.nan_to_num(np.ptp(path, axis=0)) if len(path) else np.zeros(path.shape[1])
        share = np.minimum(moved / (size + 1e-300), 1e6) if isinstance(size, np.ndarray) else moved
    return sorted(np.argsort(-share, kind="stable")[:most].tolist())
