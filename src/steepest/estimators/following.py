"""What goes along with a fit: scikit-learn's callbacks, and the state that `warm_start` goes on with.

A callback is told of each epoch: when it begins, and when it has ended, with an estimator that predicts as if the fit had ended
there. One that answers True ends the fit at that place.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, final

import numpy as np

from steepest.descent.loop import Step
from steepest.descent.torch_rules import Resumed
from steepest.descent.trace import float64_of
from steepest.formulas.schedules import needs_steps
from steepest.planned import Plan


@dataclass(frozen=True)
class Standing:
    """Where a descent ended: θ in user units, what its rule remembers, its learning rate, and how much was done.

    kind: what another descent must have in common with it to go on: the optimiser, the coordinates, the number of parameters.
    """

    theta: np.ndarray
    kind: tuple[Any, ...]
    lr: float
    steps: int
    epochs: int
    memory: list[Any] = field(default_factory=list)


@final
class Course:
    """Goes along with one descent (`fitting.Follower`).

    before: where the last one ended, if this one goes on from there. keep: whether the rule's memory is to be kept.
    told: called with the estimator's attributes at the end of each epoch, and None at its beginning: whether to end; or None.
    """

    def __init__(self, before: Standing | None, keep: bool, told: Callable[[dict[str, Any] | None], bool] | None):
        self.before, self.keep, self.told = before, keep, told
        self.memory: list[Any] = []
        self.attributes: Callable[[Plan, np.ndarray], dict[str, Any]] = lambda made, theta: {}
        self.made: Plan | None = None
        self.begun = False

    def begin(self, made: Plan) -> Plan:
        """The plan, going on with what the last one ended with where that was of the same kind."""
        self.memory = []
        before = self.before
        if self.keep and made.rule.arrived is None:  # a rule that says when it has arrived needs no more than θ
            if before is not None and before.kind == kind_of(made):
                self.memory = list(before.memory)
                made = replace(made, lr=before.lr)
            made = replace(made, rule=Resumed(made.rule, self.memory))
        if before is not None:
            schedule, done = made.schedule, 0 if needs_steps(made.schedule_name) else before.steps
            made = replace(
                made,
                batching=replace(made.batching, first=before.epochs),
                schedule=lambda step, epoch: schedule(step + done, epoch),  # one that knows its end begins anew
            )
        self.made = made
        return made

    def ask(self, step: Step) -> bool:
        """Whether a callback wants to end here; asked before every update."""
        if self.told is None or step.batch is None or step.batch.index:
            return False
        if self.begun and self.told(self._at(step.theta)):
            return True
        self.begun = True
        self.told(None)
        return False

    def standing(self, theta: np.ndarray, steps: int, epochs: int) -> Standing:
        """Where it ended."""
        assert self.made is not None
        done = 0 if self.before is None else self.before.steps
        return Standing(np.array(theta), kind_of(self.made), self.made.lr, done + steps, epochs, self.memory)

    def _at(self, theta: Any) -> dict[str, Any]:
        made = self.made
        assert made is not None
        here = float64_of(theta)
        return self.attributes(made, here if made.to_user is None else made.to_user(here))


def kind_of(made: Plan) -> tuple[Any, ...]:
    """What two descents must have in common for one to go on with the memory of the other."""
    return made.optimizer, made.precondition, len(made.objective.theta)
