"""What a finished fit says of its descent: the rule, the steps asked for, and with an optimum known its whole course.

course_of(fit)         everything it takes to walk the descent again; None where nothing is to be said
rule_of(fit)           the rule as it was
pinned(remedy, fit)    the way back: a remedy that leaves alone what it does not name
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from steepest.analysis.checks.course import Course
from steepest.analysis.finding import Fitted
from steepest.choices import is_path, locate
from steepest.data.batching import Batching
from steepest.descent import rules, schedules
from steepest.descent.stopping import Status
from steepest.errors import SpecError
from steepest.formulas.rules import RULES, Automatic
from steepest.model import modules

MOST_PARAMETERS = 2_000
"""Parameters up to which a descent is walked again, or foretold."""


def course_of(fit: Fitted) -> Course | None:
    """What a fit's descent was; None for a module, a rule that is not ours, and where no optimum is known."""
    problem, exact = fit.problem, fit.exact
    if problem is None or problem.parameters > MOST_PARAMETERS or exact is None or exact.separable:
        return None
    rule = foreseen(fit)
    known = ("none", "standardize", "orthonormal")
    if rule is None or fit.precondition not in known or fit.gap is None or fit.status is Status.INTERRUPTED:
        return None
    spec = fit.spec
    batching = Batching.of(spec, len(problem.design))
    start = modules.start(spec.init, tuple(fit.names), spec.seed)
    ended = fit.objective_value
    diverged = fit.status is Status.DIVERGED or not np.isfinite(ended)
    return Course(
        spec=spec, problem=problem, terms=() if fit.terms is None else fit.terms.names, rule=rule, coordinates=fit.precondition,
        start=np.zeros(problem.parameters) if start is None else start, optimum=exact.theta,
        lr=fit.lr, schedule=schedules.of_fit(fit),
        steps=fit.steps if fit.status is Status.SECONDS else batching.steps or 0, batching=batching, clip=spec.clip,
        best=exact.objective, began=float(fit.trace.objective[0]),
        ended=float("inf") if diverged else exact.objective + fit.gap,
    )  # fmt: skip


def rule_of(fit: Fitted) -> Any:
    """The rule as it was, a name, a Rule or a class of `torch.optim`; None where it has no rate, or nobody can tell."""
    given = fit.spec.optimizer
    if fit.optimizer == Automatic.ACCELERATED:
        return rules.Accelerated()
    if isinstance(given, rules.Rule | type):
        return given
    try:
        if not isinstance(given, str):  # a partial of a class of torch.optim, a function of the parameters
            return rules.rule(given)
        return rules.rule(locate(given) if is_path(given, RULES) else fit.optimizer)
    except SpecError:
        return None


def foreseen(fit: Fitted) -> rules.Rule | None:
    """The rule, where a course knows how it goes: ours, and one that descends the objective."""
    rule = rule_of(fit)
    own = isinstance(rule, rules.Rule) and not rule.is_torch
    return rule if own and not (rule.kind is not None and rule.kind.split(rule.numbers)[1]) else None


def pinned(remedy: Mapping[str, Any], fit: Fitted) -> dict[str, Any]:
    """A remedy that leaves alone what it does not name: a number for lr would also decide what was "auto" beside it."""
    spec, found = fit.spec, dict(remedy)
    if spec.lr == "auto" and found.get("lr", "auto") != "auto":
        now = {"optimizer": fit.optimizer, "precondition": fit.precondition, "schedule": fit.schedule}
        usual = {"optimizer": "sgd", "precondition": "none", "schedule": "constant"}
        for name, value in now.items():
            if getattr(spec, name) == "auto" and name not in found and value != usual[name]:
                found[name] = value
    return found
