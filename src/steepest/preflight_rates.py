"""Which rates will work: for each coordinates and rule a rate, and how many steps it takes.

The eigenvalues of the valley at the optimum say it (`analysis/best_rate.py`), exactly for `mse`, also with `l2`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from math import ceil, isfinite
from typing import Any

from steepest.analysis.best_rate import arrival
from steepest.analysis.convergence import Valley
from steepest.analysis.rate_table import FRAMES, RULES
from steepest.model.linear import LinearProblem


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


def prospects_of(problem: LinearProblem, valleys: Mapping[str, Valley], whole: float, gap: float) -> Iterator[Prospect]:
    """The table of a smooth problem without an `l1` penalty, a line for each coordinates and rule.

    Args:
        valleys: coordinates → the valley from the start to the optimum.
        whole, gap: F − F* at the start, and the gap to which steps are counted.
    """
    for (frame, valley), (name, rule) in product(valleys.items(), RULES.items()):
        found = arrival(problem, FRAMES[frame](problem), valley, rule, whole, gap)
        if found is not None:
            exact = problem.loss.quadratic
            yield Prospect(frame, name, found.condition, found.largest, found.lr, found.steps, exact)
