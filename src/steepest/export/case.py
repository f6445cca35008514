"""What has to be written: the facts of a fit, taken from its settings and from what became of every "auto"."""

from __future__ import annotations

from functools import cached_property, partial
from typing import Any

import numpy as np

from steepest.choices import is_choice, locate, parse
from steepest.data.batching import Batching
from steepest.data.dataset import Dataset
from steepest.descent.rate_groups import in_runs
from steepest.errors import FitError
from steepest.export.python_text import number
from steepest.formulas.inits import INITS
from steepest.formulas.rule_formula import MatrixRule
from steepest.formulas.rules import FORMULAS, RULES, Automatic
from steepest.formulas.schedules import FORMULAS as FACTORS
from steepest.formulas.schedules import SCHEDULES, ScheduleFormula
from steepest.lazy import torch
from steepest.loops.recorded_fit import OWN
from steepest.model import coefficient_groups, modules, penalties
from steepest.model.feasible_start import feasible_start
from steepest.model.linear import Terms
from steepest.model.of_fit import linear_problem, targets
from steepest.result import Fit

WELL_CONDITIONED = 1e3
"""Condition number of a design up to which its own columns do for a least squares answer of ten digits and more."""

CHOSEN: dict[str, str] = {
    Automatic.CURVATURE: "curvature",
    Automatic.ACCELERATED: "accelerated",
    Automatic.QUASI_NEWTON: "lbfgs",
}


class Case:
    """The facts of a fit. FitError for what cannot be written out.

    terms: of a model that is linear in θ (`linear`). weighted: whether rows have weights.
    rule, numbers, formula: as `momentum`, (0.9,) and its formula, if it has one; "torch" for a class of torch.optim, which is
        `own_rule`. schedule, schedule_numbers: None and () for a function of the user's. plateau: the numbers of one that waits.
    batching: as it was planned, not as far as the descent came. batch: rows of one; None for all.
    start: θ₀ in user units; None for zeros, or for the module's own.
    added: whether an offset is added to each prediction; of losses of residuals it is taken from the target instead.
    walls: the bounds (low, high) of each coefficient `[k·p]`; None without.
    soft: whether an `l1` or `group` penalty takes a proximal step; if not its kink is seen as a subgradient.
    groups: of a `group` penalty the numbers of the coefficients of each group.
    gain: what the rate of that step is multiplied by: the rule's step in the end, under a steady gradient.
    kind, target_kind: what torch.tensor is told of numbers, and of the target.
    """

    def __init__(self, fit: Fit, train: Dataset, test: Dataset | None):
        if fit.ending.status.name == "DIVERGED":
            raise FitError("This fit diverged, so there is nothing to hand out. Fit with a lower rate (lr=) first.")
        self.fit, self.spec, self.train, self.test = fit, fit.spec, train, test
        self.rule, self.numbers, self.own_rule = _rule(fit)
        self.formula = FORMULAS.get(self.rule)
        self.batching = Batching.of(self.spec, train.rows, "curvature" if self.rule == "curvature" else None)
        self.batch = self.batching.size
        self._check_batches()
        self.schedule, self.schedule_numbers, self.plateau = _schedule(fit)
        self.names, self.linear = list(fit.names), fit.terms is not None
        self.terms: Terms = fit.terms  # pyrefly: ignore[bad-assignment] (asked for where the model is linear)
        self.loss, self.penalty = fit.loss_function, penalties.penalty(self.spec.penalty)
        self.outputs, self.weighted = targets(train, self.loss)[1], train.weights is not None
        self.added = train.offset is not None and not self.loss.of_residual
        self.start = modules.start(self.spec.init, tuple(fit.names), self.spec.seed)
        if self.start is None and self.loss.family is not None and self.loss.family.positive:
            self.start = feasible_start(fit.problem or linear_problem(self.spec, train, self.terms, self.loss))
        names = fit.terms.names if fit.terms is not None else ()
        given = self.spec.bounds or {}
        limits = [given.get(name, (-np.inf, np.inf)) for name in names] * self.outputs
        self.walls = np.array(limits).T if given else None
        linear = self.formula is not None and self.formula.linear
        self.groups = self._groups() if self.penalty.group else []
        self.soft = self.penalty.soft and (linear or bool(given) or self.rule in ("accelerated", "curvature"))
        momentum = self.formula is not None and self.formula.momentum
        self.gain = f" / (1 - {number(self.numbers[0])})" if momentum else ""
        self.float32 = self.spec.dtype == "float32"
        self.kind = ", dtype=torch.float32" if self.float32 else ""

    def _groups(self) -> list[list[int]]:
        """FitError for several outputs."""
        if self.outputs > 1:
            raise FitError(
                "A script cannot write a group penalty of several classes out. Fit with an l1 or l2 penalty."
            )
        found: dict[int, list[int]] = {}
        for at, group in enumerate(coefficient_groups.numbers(self.spec.penalty_groups, self.terms, self.train.schema)):
            if self.terms.names[at] != "intercept":
                found.setdefault(group, []).append(at)
        return list(found.values())

    def _check_batches(self) -> None:
        """FitError unless the batches were those of the settings."""
        fit = self.fit
        if self.batch is None and fit.steps != fit.epochs:
            raise FitError("This fit took its rows from batches= of yours, which a script cannot make again.")
        if self.batch and not (fit.trace.epoch[:-1] == fit.trace.step[:-1] // self.batching.steps_per_epoch).all():
            raise FitError(
                "This fit left out the last, shorter batch of each epoch, or took its batches from a sampler, and a script does "
                "not. Fit again with a batch_size that divides the number of rows."
            )

    def rate(self, variable: str) -> str:
        """The learning rate; of groups of parameters one for each entry of `variable`."""
        if not isinstance(self.spec.lr, dict):
            return number(self.fit.lr)
        if self.soft:
            raise FitError(
                f"A script cannot write rates of groups out beside {self.penalty.article} penalty. Fit with an l2 penalty, "
                "or one rate."
            )
        runs = in_runs(self.spec.lr, self.names, self.linear)
        each = ", ".join(f"({count}, {number(rate)})" for count, rate in runs)
        return f"torch.cat([{variable}.new_full((count,), rate) for count, rate in [{each}]]).detach()"

    @property
    def one_rate(self) -> str:
        """The learning rate where there is one. FitError for rates of groups."""
        if isinstance(self.spec.lr, dict):
            raise FitError("This fit has rates of their own for groups of parameters. Use style 'loop'.")
        return number(self.fit.lr)

    @cached_property
    def frame(self) -> str:
        """The coordinates of the descent. Curvature steps can do with any in which the columns are far from collinear."""
        if self.rule != "curvature":
            return self.fit.precondition
        if self.loss.kinked:
            return "orthonormal"
        plain = not self.penalty.soft and self.walls is None and self.well_conditioned
        return "none" if plain else "standardize"

    @cached_property
    def well_conditioned(self) -> bool:
        """Whether the columns as they are give ten digits and more."""
        return bool(np.linalg.cond(self.terms.design(self.train.x)) < WELL_CONDITIONED)

    @property
    def target_kind(self) -> str:
        """Codes of classes stay whole numbers where the loss takes them so."""
        codes = self.train.y.dtype.kind in "iu"
        if self.loss.coupled or (codes and self.linear and self.loss.custom):
            return ", dtype=torch.int64"
        return self.kind or (", dtype=torch.float64" if codes else "")

    def drawn(self, shape: str) -> str:
        """Code that draws θ₀, where `init` names a distribution; else ""."""
        given = self.spec.init
        if not is_choice(given, INITS) or given == "zeros":
            return ""
        kind, numbers = parse(given, INITS, "init")
        drawn = ", ".join(map(number, numbers if kind == "uniform" else (0.0, *numbers)))
        return f"np.random.default_rng([{self.spec.seed}, 2]).{kind}({drawn}, {shape})"


def _rule(fit: Fit) -> tuple[str, tuple[float, ...], Any]:
    given, shown = fit.spec.optimizer, fit.optimizer
    if fit.engine == OWN and given == "auto":
        raise FitError(
            "What moved the parameters of this loop is not known as one rule, so that no script can say it: show the recorder "
            "the one optimizer of all of them, st.Recorder(model, loss, optimizer)."
        )
    if shown in CHOSEN:
        return CHOSEN[shown], (), None
    if is_choice(given, RULES):
        name, numbers = parse(shown, RULES, "optimizer")
        if isinstance(RULES[name], MatrixRule):
            raise FitError(f"A script cannot write optimizer={name!r} out, whose steps are of matrices.")
        return name, numbers, None
    found = locate(given) if isinstance(given, str) and given.startswith("torch.optim") else given
    kind: Any = found
    if isinstance(found, partial) and not found.args:  # of what can be written as it is
        literals = all(isinstance(value, str | int | float | bool | tuple | None) for value in found.keywords.values())
        kind = found.func if literals else found
    if isinstance(kind, type) and issubclass(kind, torch.optim.Optimizer) and kind.__module__.startswith("torch.optim"):
        return "torch", (), found
    raise FitError(f"The rule {shown} is code of yours; a script can have the rules of steepest and of torch.optim.")


def _schedule(fit: Fit) -> tuple[ScheduleFormula | None, tuple[float, ...], tuple[float, ...]]:
    if callable(fit.spec.schedule) and fit.engine == OWN:
        raise FitError(
            "The learning rate of this loop changed on its way: it is known as numbers of its steps, fit.trace.lr, and not by a "
            "formula that a script could have."
        )
    if callable(fit.spec.schedule):
        return None, (), ()
    if is_choice(fit.schedule, SCHEDULES):
        name, numbers = parse(fit.schedule, SCHEDULES, "schedule")
        return (FACTORS[name], numbers, ()) if name in FACTORS else (None, (), numbers)
    raise FitError(f"The schedule {fit.schedule} is code of yours, and code is not kept in a run.")
