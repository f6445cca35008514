"""Which rates will work: for each coordinates and rule a rate, and how many steps it takes.

The eigenvalues of the valley at the optimum say it (`truth/theory.py`). For `mse` (also with `l2`) they are the same
everywhere and all of it is exact. Other smooth losses curve less at the optimum than elsewhere: their rates are held to
what holds everywhere, and their steps are an estimate.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from math import ceil, floor, isfinite, log10
from typing import Any

import numpy as np

from steepest.descent import rules
from steepest.planning import largest_rate
from steepest.problem.linear import LinearProblem
from steepest.problem.losses import MSE
from steepest.problem.wording import number
from steepest.spec import Spec
from steepest.truth import theory
from steepest.truth.pace import RULES
from steepest.truth.theory import Valley

SHARES = (1.0, 0.99, 0.97, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5, 0.35, 0.25)
"""Rates that are tried, as shares of the one with the fastest contraction: steps are few in number, not for ever."""

FEW = 200
"""Directions up to which all of them are tried: each takes a tenth of a second where there are 600."""

SWINGS = 600
"""Steps in which the swings of momentum 0.9 die away: a gap falls at least as 0.9 to the power of the steps."""


@dataclass(frozen=True)
class Prospect:
    """One line of the table: coordinates and rule, and what is predicted there.

    condition: λ_max/λ_min of the Hessian at the optimum. largest: the rate from which on it diverges. lr: the rate to take.
    steps: after which the relative gap stays below 1e-6; inf if never. exact: whether that is no estimate.
    """

    precondition: str
    optimizer: str
    condition: float
    largest: float
    lr: float
    steps: float
    exact: bool

    @property
    def settings(self) -> dict[str, Any]:
        """Settings of `fit()` that do it, with some steps more than predicted."""
        room = 1.1 if self.exact else 2.0
        most = {} if not isfinite(self.steps) else {"epochs": ceil(room * self.steps) + (5 if self.exact else 50)}
        return {"optimizer": self.optimizer, "lr": self.lr, "precondition": self.precondition, **most}


def prospects_of(
    spec: Spec, problem: LinearProblem, valleys: Mapping[str, Valley], whole: float, gap: float
) -> Iterator[Prospect]:
    """The table of a smooth problem without an `l1` penalty, a line for each coordinates and rule.

    Args:
        spec: what is fitted. valleys: coordinates → the valley from the start to the optimum.
        whole, gap: F − F* at the start, and the gap to which steps are counted.
    """
    for (frame, valley), (name, rule) in product(valleys.items(), RULES.items()):
        largest = theory.largest_rate(valley.values, rule)
        fastest = theory.best_rate(valley.values, rule)
        if not isfinite(fastest):  # nothing is curved: there is nothing to fit
            continue
        if not isinstance(problem.loss, MSE):
            largest = largest_rate(spec.model_copy(update={"optimizer": name, "precondition": frame}), problem)
            # beyond the optimum it may be as steep as the bound, where only half of the limit is safe for momentum
            fastest = min(fastest, largest * (0.95 if name == "sgd" else 0.5))
        shares = SHARES if len(valley.values) <= FEW else SHARES[::3]
        rates = [_rounded(share * fastest) for share in shares]
        place, fewest = _soonest(valley, rule, rates, gap)
        exact, condition = isinstance(problem.loss, MSE), valley.condition
        if exact and whole - valley.gaps.sum() > max(gap, 1e-9 * whole):
            fewest = condition = float("inf")  # the rest lies along directions too flat for float64
        yield Prospect(frame, name, condition, largest, rates[place], fewest, exact)


def _soonest(valley: Valley, rule: Any, rates: list[float], gap: float) -> tuple[int, float]:
    """Which of the rates has the gap stay below `gap` first, and the steps it takes."""
    firsts = [theory.steps_to(valley, rule, rate, gap) for rate in rates]
    fewest, place = float("inf"), 0
    for i in np.argsort(firsts, kind="stable").tolist():
        if firsts[i] > fewest:  # it stays there no sooner than it comes there
            break
        fewest, place = min((fewest, place), (_settled(valley, rule, rates[i], gap, firsts[i]), i))
    return place, fewest


def _settled(valley: Valley, rule: Any, rate: float, gap: float, first: float) -> float:
    """Steps after which the gap stays below `gap`, where it first is: momentum swings through the optimum, and back."""
    if isinstance(rule, rules.SGD) or not isfinite(first):
        return first
    above = np.flatnonzero(theory.gaps_after(valley, rule, rate, first + np.arange(SWINGS)) > gap)
    return first if not above.size else float("inf") if above[-1] == SWINGS - 1 else first + float(above[-1]) + 1.0


def _rounded(rate: float) -> float:
    """A rate to four digits, downwards.

    >>> _rounded(0.123456), _rounded(0.5)
    (0.1234, 0.5)
    """
    if rate == 0.0:
        return rate
    digits = 3 - floor(log10(rate))
    down = float(f"{floor(rate * 10.0**digits * (1 + 1e-12))}e{-digits}")
    return down if down > 0.0 else rate


def step_count(steps: float) -> str:
    """A number of steps: `1,234`, `4.2e+12`, `never`.

    >>> step_count(1234.0), step_count(4.2e12), step_count(float("inf"))
    ('1,234', '4.2e+12', 'never')
    """
    return "never" if not isfinite(steps) else number(round(steps), 7 if steps < 1e7 else 2, 1e7)
