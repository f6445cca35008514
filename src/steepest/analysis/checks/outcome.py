"""What a remedy is predicted to give, and along which column the valley is steepest: sentences that several checks say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from steepest.analysis import convergence
from steepest.analysis.checks.course import Course
from steepest.analysis.finding import Fitted
from steepest.analysis.fit_settings import coordinates_of
from steepest.text.numbers import count, number

FEW = 100
"""Columns up to which all eigenvectors are computed where one is wanted."""


def outcome(course: Course, gap: float, rate: float | None = None) -> str:
    """What is left after the remedy, in words."""
    if gap <= course.enough:
        if rate is not None and course.predictable and course.valley is not None and course.schedule == "constant":
            steps = convergence.steps_to(course.valley, course.rule, rate, course.enough)
            if np.isfinite(steps):
                return f"The gap is closed after about {count(steps)} steps."
        return "The gap is closed."
    relative = gap / max(course.best, 1e-12 * course.began)
    now = (
        "it diverged"
        if np.isinf(course.gap)
        else f"it is {number(course.gap / max(course.best, 1e-12 * course.began))}"
    )
    return f"The relative gap is about {number(relative)} after the same number of steps; {now} now."


def steepest_column(course: Course) -> str:
    """` along 'income'`: the column in which the direction of the largest curvature mostly lies; empty if in none."""
    names = course.terms
    if course.precondition == "orthonormal" or len(names) != course.few.design.shape[1]:
        return ""
    frame = coordinates_of(course.precondition, course.few)
    basis = course.few.design if frame is None else frame.basis
    weights = course.few.weights
    rows = basis if weights is None else basis * np.sqrt(weights)[:, None]
    vector = _leading(rows.T @ rows)
    place = int(np.argmax(np.abs(vector)))
    return f" along {names[place]!r}" if vector[place] ** 2 >= 0.5 else ""


def _leading(squares: np.ndarray) -> np.ndarray:
    """The eigenvector of the largest eigenvalue."""
    if len(squares) <= FEW:
        return np.linalg.eigh(squares)[1][:, -1]
    from scipy.linalg import eigh

    last = len(squares) - 1
    return np.asarray(eigh(squares, subset_by_index=[last, last])[1])[:, 0]


def pinned(remedy: Mapping[str, Any], fit: Fitted) -> dict[str, Any]:
    """A remedy that leaves alone what it does not name: a number for lr would also decide what was "auto" beside it."""
    spec, found = fit.spec, dict(remedy)
    if spec.lr == "auto" and found.get("lr", "auto") != "auto":
        now = {"optimizer": fit.optimizer, "precondition": fit.precondition, "schedule": fit.schedule}
        usual = {"optimizer": "sgd", "precondition": "none", "schedule": "constant"}
        for name, value in now.items():
            if getattr(spec, name) == "auto" and name not in found and value != usual[name]:
                found[name] = value
    return found
