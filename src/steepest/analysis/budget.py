"""What all trials of a diagnosis may cost together: one budget, spent by the checks in the order in which they are asked.

    with shared() as budget:                     in `diagnosis.py`, around all checks
        budget = budget_for(fit)                 in whatever makes a trial
        steps = budget.steps(planned, cost)      as many as may be made at that cost each; 0 where that is too few
        budget.spend(steps * cost)

It is about what the fit cost, and a little where that was little. Costs are counted (`step_cost.py`) and not timed, so that
the same fit is always told the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

import numpy as np

from steepest.analysis.finding import Fitted, Kind
from steepest.analysis.fit_settings import rule_of
from steepest.analysis.step_cost import cost_of_step
from steepest.data.batching import Batching
from steepest.data.thinning import sampled
from steepest.model.of_fit import module_objective

LEAST_COST, TIMES, MOST_COST = 0.25, 1.2, 20.0
"""What all trials may cost whatever the fit did; how many times as much as the fit; and never more."""

MOST_ROWS = 1_000  # of a full batch in a trial
LEAST_STEPS = 5


@dataclass
class Budget:
    """left: the cost that may still be spent; nan before the first trial.

    asked: the kinds that the check that is asked now may find. missed: those whose trials were too dear.
    """

    left: float = float("nan")
    asked: frozenset[Kind] = frozenset(Kind)
    missed: set[Kind] = field(default_factory=set)

    def steps(self, planned: int, cost: float, share: float = 1.0) -> int:
        """How many of the steps planned may be made at that cost each for a share of what is left; 0 if hardly any."""
        made = int(min(planned, share * self.left / cost))
        return made if made >= min(planned, LEAST_STEPS) else 0

    def spend(self, cost: float) -> None:
        """Take a cost away."""
        self.left = max(0.0, self.left - cost)


_now: ContextVar[Budget | None] = ContextVar("budget", default=None)


@contextmanager
def shared() -> Iterator[Budget]:
    """Let all checks within spend one budget."""
    token = _now.set(budget := Budget())
    try:
        yield budget
    finally:
        _now.reset(token)


def budget_for(fit: Fitted) -> Budget:
    """The budget that is shared now; one of its own for a check of a module's fit that is asked by itself."""
    budget = _now.get() or Budget()
    if np.isnan(budget.left):
        budget.left = float(np.clip(TIMES * fit.steps * _cost_of_step(fit), LEAST_COST, MOST_COST))
    return budget


def _cost_of_step(fit: Fitted) -> float:
    """What a step of a module's fit cost, on the rows of a trial."""
    assert fit.train is not None
    rows = sampled(fit.train, MOST_ROWS)
    return cost_of_step(module_objective(fit, rows), Batching.of(fit.spec, rows.rows).size, rule_of(fit))
