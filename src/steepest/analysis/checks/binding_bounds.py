"""Estimates that lie on their bounds where the rows speak against it: bounds= keeps the fit from what the data say.

A coefficient on its bound is no fault by itself: that is what bounds are for, and one that is really 0 costs nothing there.
It is one where the free fit is better than by chance: a likelihood ratio, or of squares n·log(RSS/RSS_free), with as many
degrees of freedom as bounds are met.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from steepest.analysis.exact.solve import solve
from steepest.analysis.finding import Finding, Fitted, Kind
from steepest.analysis.needs import BOUNDS, LINEAR, OPTIMUM, check
from steepest.data.wording import listed
from steepest.model.linear import LinearProblem
from steepest.text.numbers import number

CHANCE = 1e-4
LEAST_SHARE = 0.05  # share of the loss that bounds cost
ON = 1e-9  # share of its size within which an estimate is on its bound


@check("fit", finds=(Kind.BOUND,), needs=(LINEAR, BOUNDS, OPTIMUM))
def binding_bounds(fit: Fitted) -> Iterator[Finding]:
    """BOUND: the free fit is clearly better, and beyond the bounds."""
    problem, exact = fit.problem, fit.exact
    if problem is None or problem.penalty.bounds is None or exact is None or exact.theta is None or problem.outputs > 1:
        return
    free = solve(replace(problem, penalty=replace(problem.penalty, bounds=None)))
    if free.theta is None or free.separable:
        return
    low, high = np.array(problem.penalty.bounds).T
    room = ON * np.maximum(1.0, np.abs(exact.theta))
    met = ((exact.theta <= low + room) & (free.theta < low)) | ((exact.theta >= high - room) & (free.theta > high))
    share = 1.0 - free.objective / exact.objective if exact.objective > 0.0 else 0.0
    if not met.any() or not share >= LEAST_SHARE:
        return
    if not _by_more_than_chance(problem, exact.loss, free.loss, int(met.sum())):
        return
    names = [fit.names[place] for place in np.flatnonzero(met)]
    values = ", ".join(f"{name!r} {number(float(value))}" for name, value in zip(names, free.theta[met], strict=True))
    one = len(names) == 1
    yield Finding(
        Kind.BOUND,
        f"{listed(names)} {'lies on its bound' if one else 'lie on their bounds'}, and the rows speak against it.",
        f"Without bounds the best answer gives {values}, and the objective is {number(free.objective)} instead of "
        f"{number(exact.objective)}.",
        _opened(fit, names, free.theta), f"The objective is {number(free.objective)}.", share, of_model=True,
        columns=tuple(name for name in names if name in (fit.spec.bounds or {})),
        advice="Look whether the bound has its sign and its unit right, and whether the model lacks a column.",
    )  # fmt: skip


def _by_more_than_chance(problem: LinearProblem, bound: float, free: float, met: int) -> bool:
    """Whether a loss falls by more than chance would have it."""
    from scipy import special

    rows, loss = len(problem.design), problem.loss
    if loss.family is not None or loss.classes:
        ratio = 2.0 * rows * (bound - free)
    else:  # of a residual: its scale is not known
        ratio = rows * float(np.log(bound / max(free, 1e-300)))
    return float(special.chdtrc(met, max(ratio, 0.0))) < CHANCE


def _opened(fit: Fitted, names: list[str], free: np.ndarray) -> dict[str, Any]:
    """The bounds without those sides that the free fit is beyond."""
    bounds, place = dict(fit.spec.bounds or {}), {name: at for at, name in enumerate(fit.names)}
    if not set(names) <= set(bounds):  # those of a column of levels are of each of them
        return {"bounds": None}
    for name in names:
        low, high = bounds[name]
        beyond = free[place[name]]
        bounds[name] = (-np.inf if beyond < low else low, np.inf if beyond > high else high)
    left = {name: tuple(side if np.isfinite(side) else None for side in sides) for name, sides in bounds.items()}
    return {"bounds": {name: sides for name, sides in left.items() if sides != (None, None)} or None}
