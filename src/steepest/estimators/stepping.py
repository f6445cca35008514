"""`partial_fit`: one update on the rows at hand, a minibatch from whoever deals them.

The step is the loop's: the gradient of these rows' mean loss and of the penalty, the rule with what it remembers, the learning
rate of the schedule. What is learned of all rows elsewhere (coordinates, the mean weight) nobody knows here: steps are taken in
the units of the columns, and weights count as they are given, around 1.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from scipy import sparse

from steepest import defaults
from steepest.data.dataset import Dataset
from steepest.descent.torch_rules import Resumed
from steepest.descent.trace import float64_of
from steepest.errors import SpecError
from steepest.estimators import sparse as sparse_rows
from steepest.formulas.schedules import needs_steps
from steepest.planned import Plan
from steepest.settings import Spec


@dataclass
class Stepper:
    """Where single steps have come to: θ in user units (None at first), what the rule remembers, and how many there were."""

    theta: np.ndarray | None = None
    memory: list[Any] = field(default_factory=list)
    count: int = 0
    lr: float = np.inf

    def step(self, spec: Spec, rows: Dataset) -> tuple[Plan, float]:
        """One update. Returns what was descended, and the objective of these rows before it.

        Raises:
            SpecError: settings that only a descent of so many steps has.
        """
        if spec.averaging != "none":
            raise SpecError(f"partial_fit ends with its last step: averaging={spec.averaging!r} is for fit.")
        if isinstance(spec.schedule, str) and needs_steps(spec.schedule):
            raise SpecError(
                f"schedule={spec.schedule!r} is shaped by how many steps there will be, which partial_fit does not know: "
                "take 'constant' or 'inverse'."
            )
        made = _plan(spec, rows, self.theta)
        objective: Any = made.objective
        scale = 1.0 if rows.weights is None else float(rows.weights.mean())
        if getattr(objective, "weights", None) is not None:
            objective.weights = objective.weights * scale
        if spec.lr != "auto":
            self.lr = made.lr
        elif made.rule.innermost.plain:  # no step may be longer than the steepest rows so far allow
            self.lr = min(self.lr, made.lr / max(scale, 1.0))
        elif not self.count:
            self.lr = made.lr
        theta = objective.theta
        rule = Resumed(made.rule, self.memory)
        memory = rule.start(theta)
        loss, grad = objective.value_and_grad(theta)
        value = float(loss + objective.penalty(theta))

        def again() -> tuple[Any, Any]:
            here, slope = objective.value_and_grad(theta)
            return here + objective.penalty(theta), slope

        rule.update(theta, grad, memory, self.lr * made.schedule(self.count, self.count), again)
        self.theta, self.count = float64_of(theta).copy(), self.count + 1
        return made, value


def _plan(spec: Spec, rows: Dataset, theta: np.ndarray | None) -> Plan:
    """The plan of a descent on these rows alone, in the units of the columns, from θ on."""
    said = {
        "optimizer": "sgd" if spec.optimizer == "auto" else spec.optimizer,
        "schedule": "constant" if spec.schedule == "auto" else spec.schedule,
        "precondition": "none", "batch_size": "full", "validation": None, "averaging": "none",
    }  # fmt: skip
    alone = spec.model_copy(update=said if theta is None else said | {"init": theta})
    made = sparse_rows.plan(alone, rows) if sparse.issparse(rows.x) else defaults.plan(alone, rows)
    return replace(made, to_user=None)
