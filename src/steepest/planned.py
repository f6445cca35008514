"""A descent that can begin: what `defaults.py` decides, in one object."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from steepest.data.batching import Batching
from steepest.descent import averaging
from steepest.descent.schedule_factors import Schedule, schedule
from steepest.formulas.rules import Automatic
from steepest.lazy import nn, torch
from steepest.model import centring, modules
from steepest.model.linear import LinearProblem, Terms
from steepest.model.linear_objective import LinearObjective
from steepest.model.loss import Loss
from steepest.model.objective import Objective
from steepest.settings import Spec
from steepest.settings_table import DEFAULT_EPOCHS


@dataclass(frozen=True)
class Plan:
    """Everything that a descent needs.

    given: batches of the user's, in the place of ours. problem and terms: of the linear family; module: of the others.
    to_user turns c `[T, r]` into θ `[T, p]`. notes: what should be said of the fit. user_names: of θ, where it is
    computed with powers of centred columns. averages: after how many updates the first θ is one of the answer's mean.
    first: θ₀ in the place of zeros, where a descent cannot begin at these.
    """

    objective: Objective
    rule: Any
    lr: float
    schedule: Schedule
    batching: Batching
    names: tuple[str, ...]
    loss: Loss
    optimizer: str
    precondition: str
    schedule_name: str
    problem: LinearProblem | None = None
    terms: Terms | None = None
    module: nn.Module | None = None
    to_user: Callable[[np.ndarray], np.ndarray] | None = None
    given: Iterable[Any] | None = None
    notes: tuple[str, ...] = ()
    kind: tuple[torch.dtype, torch.device] | None = None
    user_names: tuple[str, ...] = ()
    averages: int = averaging.NEVER
    first: np.ndarray | None = None

    @property
    def full_batch(self) -> bool:
        """Whether every step sees all rows."""
        return self.given is None and self.batching.size is None

    @property
    def scale(self) -> float | None:
        """The mean loss of predicting nothing: what a loss is large or small against. None for a module."""
        scale = self.objective.of_nothing()
        if scale is None and self.problem is not None:
            plain = LinearObjective(self.problem)
            scale = float(plain.value(plain.theta))
        return scale if scale is not None and 0.0 < scale < np.inf else None

    def start(self, init: Any, seed: int) -> np.ndarray | None:
        """θ₀ as `models.start` has it, in the plan's own coefficients."""
        found = start_of(init, seed, self.terms, self.user_names or self.names)
        return self.first if found is None else found


def start_of(init: Any, seed: int, terms: Terms | None, names: tuple[str, ...]) -> np.ndarray | None:
    """Where a descent starts, with powers of centred columns where `terms` has them; None for zeros. names: of θ."""
    if terms is None or not terms.centre:
        return modules.start(init, names, seed)
    inner = getattr(init, "centred", None)
    if inner is not None and inner.terms == terms and tuple(init.names) == names:
        return np.array(inner.theta)
    given = modules.start(init, names, seed)
    return None if given is None else centring.from_user(terms, given)


def by_newton(spec: Spec, objective: Objective, rule: Any, precondition: str = "local curvature", **known: Any) -> Plan:
    """The plan of full batches until Newton's method says that it has arrived, or for so many epochs."""
    batching = replace(Batching.of(spec, objective.rows), epochs=spec.epochs or DEFAULT_EPOCHS["curvature"])
    return Plan(
        objective=objective, rule=rule, lr=1.0, schedule=schedule("constant"), schedule_name="constant", batching=batching,
        optimizer=Automatic.CURVATURE.value, precondition=precondition, **known,
    )  # fmt: skip
