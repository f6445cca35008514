"""What is drawn of a fit: not more points than can be seen, and always said how many of how many.

A million dots are one grey stain and a slow page. Rows are left out evenly, never at random, so that the same fit
gives the same picture; of a path more points are kept where it moves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from steepest.data.thinning import evenly
from steepest.errors import FitError
from steepest.model.of_fit import linear_problem

if TYPE_CHECKING:
    from steepest.data.dataset import Dataset
    from steepest.model.linear import LinearProblem
    from steepest.result import Fit

MOST_POINTS = 4_000
"""Rows drawn at most."""

MOST_STEPS = 400
"""Steps of a path or curve drawn at most."""


@dataclass(frozen=True)
class Drawn:
    """Rows to draw: `x` `[n, …]`, `y`, and their numbers among those that the fit has; `total` is how many there are."""

    x: np.ndarray
    y: np.ndarray
    index: np.ndarray
    total: int

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
    return Drawn(data.x[index], data.y[index], index, total)


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


def all_rows(fit: Fit) -> bool:
    """Whether all training rows are at hand: a run keeps only some of a large table."""
    return training(fit).rows == fit.rows


def linear(fit: Fit) -> LinearProblem | None:
    """The problem of the linear family on the training rows at hand; None for a module."""
    if fit.problem is not None or fit.terms is None:
        return fit.problem
    return linear_problem(fit.spec, training(fit), fit.terms, fit.loss_function)


def recorded(fit: Fit) -> np.ndarray:
    """The path `[T, p]` of a fit. Raises FitError where the trace does not hold all of θ."""
    if fit.trace.theta.shape[1] != len(fit.names):
        raise FitError(
            f"The trace of this fit does not hold all its {len(fit.names):,} parameters (record=, or a model too large "
            "for it), so it has no path to draw."
        )
    return fit.trace.theta


def at_step(fit: Fit, step: int | None) -> tuple[int | None, np.ndarray]:
    """(step, θ) before an update, or the nearest that was recorded; None is the end, which is fit.theta."""
    if step is None:
        return None, fit.theta
    path = recorded(fit)
    row = int(np.argmin(np.abs(fit.trace.step - step)))
    return int(fit.trace.step[row]), path[row]


def labels(fits: list[Fit]) -> list[str]:
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
    return [
        word if word and found.count(word) == 1 else f"{word} (fit {i + 1})".strip() for i, word in enumerate(found)
    ]
