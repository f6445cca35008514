"""What has to be written: the facts of a fit, taken from its settings and from what became of every "auto"."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch

from steepest.choices import is_choice, locate, parse
from steepest.data.batching import Batching
from steepest.data.dataset import Dataset
from steepest.errors import FitError
from steepest.export.python_text import number
from steepest.formulas.inits import INITS
from steepest.formulas.rules import FORMULAS, RULES, Automatic, RuleFormula
from steepest.formulas.schedules import FORMULAS as FACTORS
from steepest.formulas.schedules import ScheduleFormula
from steepest.model import modules, penalties
from steepest.model.linear import Terms
from steepest.model.loss import Loss
from steepest.model.of_fit import targets
from steepest.result import Fit

WELL_CONDITIONED = 1e3
"""Condition number of a design up to which its own columns do for a least squares answer of ten digits and more."""

CHOSEN: dict[str, str] = {
    Automatic.CURVATURE: "curvature",
    Automatic.ACCELERATED: "accelerated",
    Automatic.QUASI_NEWTON: "lbfgs",
}


@dataclass(frozen=True)
class Case:
    """The facts of a fit.

    rule and numbers: as `momentum`, (0.9,); "torch" for a class of torch.optim, which is `own_rule`.
    schedule: its formula; None for a function, which is `own_schedule`.
    batching: as it was planned, not as far as the descent came.
    start: θ₀ in user units; None for zeros, or for the module's own.
    """

    fit: Fit
    train: Dataset
    test: Dataset | None
    outputs: int
    rule: str
    numbers: tuple[float, ...]
    own_rule: Any
    schedule: ScheduleFormula | None
    schedule_numbers: tuple[float, ...]
    own_schedule: Callable[..., float] | None
    batching: Batching
    start: np.ndarray | None

    @classmethod
    def of(cls, fit: Fit, train: Dataset, test: Dataset | None) -> Case:
        """FitError for what cannot be written out."""
        spec = fit.spec
        if fit.ending.status.name == "DIVERGED":
            raise FitError("This fit diverged, so there is nothing to hand out. Fit with a lower rate (lr=) first.")
        rule, numbers, own_rule = _rule(fit)
        batching = Batching.of(spec, train.rows, "curvature" if rule == "curvature" else None)
        if batching.size is None and fit.steps != fit.epochs:
            raise FitError("This fit took its rows from batches= of yours, which a script cannot make again.")
        if batching.size and not (fit.trace.epoch[:-1] == fit.trace.step[:-1] // batching.steps_per_epoch).all():
            raise FitError(
                "This fit left out the last, shorter batch of each epoch, or took its batches from a sampler, and a script does "
                "not. Fit again with a batch_size that divides the number of rows."
            )
        schedule, more, own_schedule = _schedule(fit)
        return cls(
            fit=fit,
            train=train,
            test=test,
            outputs=targets(train, fit.loss_function)[1],
            rule=rule,
            numbers=numbers,
            own_rule=own_rule,
            schedule=schedule,
            schedule_numbers=more,
            own_schedule=own_schedule,
            batching=batching,
            start=modules.start(spec.init, tuple(fit.names), spec.seed),
        )

    @property
    def linear(self) -> bool:
        """Whether the model is linear in θ."""
        return self.fit.terms is not None

    @property
    def terms(self) -> Terms:
        """The terms of a model that is linear in θ."""
        assert self.fit.terms is not None
        return self.fit.terms

    @property
    def loss(self) -> Loss:
        """The loss."""
        return self.fit.loss_function

    @property
    def penalty(self) -> penalties.Penalty:
        """The penalty."""
        return penalties.penalty(self.fit.spec.penalty)

    @property
    def weighted(self) -> bool:
        """Whether rows have weights."""
        return self.train.weights is not None

    @cached_property
    def frame(self) -> str:
        """The coordinates of the descent. Curvature steps can do with any in which the columns are far from collinear."""
        if self.rule != "curvature":
            return self.fit.precondition
        if self.loss.bound is None:
            return "orthonormal"
        return "none" if not self.penalty.l1 and self.well_conditioned else "standardize"

    @cached_property
    def well_conditioned(self) -> bool:
        """Whether the columns as they are give ten digits and more."""
        return bool(np.linalg.cond(self.terms.design(self.train.x)) < WELL_CONDITIONED)

    @property
    def soft(self) -> bool:
        """Whether an `l1` penalty takes a proximal step; if not its kink is seen as a subgradient."""
        linear = self.formula is not None and self.formula.linear
        return bool(self.penalty.l1) and (linear or self.rule in ("accelerated", "curvature"))

    @property
    def formula(self) -> RuleFormula | None:
        """The rule's formula; None for the ones that have none."""
        return FORMULAS.get(self.rule)

    @property
    def gain(self) -> str:
        """What a proximal step's rate is multiplied by: the rule's step in the end, under a steady gradient."""
        momentum = self.formula is not None and self.formula.momentum
        return f" / (1 - {number(self.numbers[0])})" if momentum else ""

    @property
    def batch(self) -> int | None:
        """Rows a batch; None for all."""
        return self.batching.size

    @property
    def float32(self) -> bool:
        """Whether numbers are of single precision."""
        return self.fit.spec.dtype == "float32"

    @property
    def names(self) -> list[str]:
        """Names of the parameters."""
        return list(self.fit.names)

    @property
    def kind(self) -> str:
        """What torch.tensor is told of numbers."""
        return ", dtype=torch.float32" if self.float32 else ""

    @property
    def target_kind(self) -> str:
        """The same of the target: codes of classes stay whole numbers where the loss takes them so."""
        codes = self.train.y.dtype.kind in "iu"
        if self.loss.coupled or (codes and self.linear and self.loss.custom):
            return ", dtype=torch.int64"
        return self.kind or (", dtype=torch.float64" if codes else "")

    def drawn(self, shape: str) -> str:
        """Code that draws θ₀, where `init` names a distribution; else ""."""
        given = self.fit.spec.init
        if not is_choice(given, INITS) or given == "zeros":
            return ""
        kind, numbers = parse(given, INITS, "init")
        drawn = ", ".join(map(number, numbers if kind == "uniform" else (0.0, *numbers)))
        return f"np.random.default_rng([{self.fit.spec.seed}, 2]).{kind}({drawn}, {shape})"


def _rule(fit: Fit) -> tuple[str, tuple[float, ...], Any]:
    given, shown = fit.spec.optimizer, fit.optimizer
    if shown in CHOSEN:
        return CHOSEN[shown], (), None
    if is_choice(given, RULES):
        rule = parse(shown, RULES, "optimizer")
        return rule.name, rule.numbers, None
    found = locate(given) if isinstance(given, str) and given.startswith("torch.optim") else given
    if (
        isinstance(found, type)
        and issubclass(found, torch.optim.Optimizer)
        and found.__module__.startswith("torch.optim")
    ):
        return "torch", (), found
    raise FitError(f"The rule {shown} is code of yours; a script can have the rules of steepest and of torch.optim.")


def _schedule(fit: Fit) -> tuple[ScheduleFormula | None, tuple[float, ...], Callable[..., float] | None]:
    if callable(fit.spec.schedule):
        return None, (), fit.spec.schedule
    if is_choice(fit.schedule, FACTORS):
        schedule = parse(fit.schedule, FACTORS, "schedule")
        return FACTORS[schedule.name], schedule.numbers, None
    raise FitError(f"The schedule {fit.schedule} is code of yours, and code is not kept in a run.")
