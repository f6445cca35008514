"""At which constant rate a descent is near the optimum soonest, and after how many steps it stays there.

The rate with the fastest contraction is best in the end; where steps are few another one may be sooner, so that several
are tried by the theory (`convergence.py`). For `mse` (also with `l2`) the eigenvalues are the same everywhere and all of it is
exact. Other smooth losses curve less at the optimum than elsewhere: their rates are held to what holds everywhere, and their
steps are an estimate.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np

from steepest.analysis import convergence, curvature
from steepest.analysis.convergence import Valley
from steepest.model.linear import LinearProblem
from steepest.model.preconditioners import Coordinates
from steepest.text.numbers import rounded_down

SHARES = (1.0, 0.99, 0.97, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5, 0.35, 0.25)
"""Rates that are tried, as shares of the one with the fastest contraction: steps are few in number, not for ever."""

FEW = 200  # directions up to which all of them are tried: each takes a tenth of a second where there are 600
SWINGS = 600
"""Steps in which the swings of momentum 0.9 die away: a gap falls at least as 0.9 to the power of the steps."""


@dataclass(frozen=True)
class Arrival:
    """largest: the rate from which on it diverges. lr: the rate to take. steps: after which the gap stays closed; inf if
    never. condition: λ_max/λ_min at the optimum, inf where the way there is too flat for float64."""

    largest: float
    lr: float
    steps: float
    condition: float


def arrival(
    problem: LinearProblem, frame: Coordinates | None, valley: Valley, rule: Any, whole: float, gap: float
) -> Arrival | None:
    """The soonest arrival of sgd or momentum on a smooth problem; None where nothing is curved.

    Args:
        valley: from the start to the optimum, in the coordinates of `frame`.
        whole, gap: F − F* at the start, and the gap to which steps are counted.
    """
    largest, fastest = convergence.largest_rate(valley.values, rule), convergence.best_rate(valley.values, rule)
    if not isfinite(fastest):
        return None
    exact = problem.loss.quadratic
    if not exact:
        largest = convergence.largest_rate(np.array([curvature.smoothness(problem, frame=frame)]), rule)
        # beyond the optimum it may be as steep as the bound, where only half of the limit is safe for momentum
        fastest = min(fastest, largest * (0.5 if rule.momentum else 0.95))
    shares = SHARES if len(valley.values) <= FEW else SHARES[::3]
    rates = [rounded_down(share * fastest, 4) for share in shares]
    place, fewest = _soonest(valley, rule, rates, gap)
    condition = valley.condition
    if exact and whole - valley.gaps.sum() > max(gap, 1e-9 * whole):
        fewest = condition = float("inf")  # the rest lies along directions too flat for float64
    return Arrival(largest, rates[place], fewest, condition)


def _soonest(valley: Valley, rule: Any, rates: list[float], gap: float) -> tuple[int, float]:
    """Which of the rates has the gap stay below `gap` first, and the steps it takes."""
    firsts = [convergence.steps_to(valley, rule, rate, gap) for rate in rates]
    fewest, place = float("inf"), 0
    for i in np.argsort(firsts, kind="stable").tolist():
        if firsts[i] > fewest:  # it stays there no sooner than it comes there
            break
        fewest, place = min((fewest, place), (_settled(valley, rule, rates[i], gap, firsts[i]), i))
    return place, fewest


def _settled(valley: Valley, rule: Any, rate: float, gap: float, first: float) -> float:
    """Steps after which the gap stays below `gap`, where it first is: momentum swings through the optimum, and back."""
    if not rule.momentum or not isfinite(first):
        return first
    above = np.flatnonzero(convergence.gaps_after(valley, rule, rate, first + np.arange(SWINGS)) > gap)
    return first if not above.size else float("inf") if above[-1] == SWINGS - 1 else first + float(above[-1]) + 1.0
