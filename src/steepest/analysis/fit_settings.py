"""What a fit really used where its settings say "auto" or a name: coordinates, start and rule."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from steepest.analysis.finding import Fitted, Prepared
from steepest.choices import is_path, locate
from steepest.descent import torch_rules
from steepest.errors import SpecError
from steepest.formulas.rules import RULES, Automatic
from steepest.model import modules, preconditioners
from steepest.model.linear import LinearProblem
from steepest.model.preconditioners import Coordinates
from steepest.settings_table import SETTINGS, those

OF_A_LOSS = those(lambda setting: setting.role == "descent" and setting.steers)
"""Settings of a descent, which suit the loss that they were chosen for."""

PRECONDITIONERS = ("none", "standardize", "orthonormal")  # the coordinates of the linear family by their names

USUAL_MOMENTUM = 0.9


def coordinates_of(name: str, problem: LinearProblem) -> Coordinates | None:
    """The coordinates of that name; None for user units."""
    if name == "none":
        return None
    return preconditioners.standardised(problem) if name == "standardize" else preconditioners.orthonormal(problem)


def frame_of(fit: Fitted, problem: LinearProblem) -> Coordinates | None:
    """The coordinates that a fit descended in."""
    return coordinates_of(fit.precondition if fit.precondition in PRECONDITIONERS else "none", problem)


def start_of(fit: Fitted) -> np.ndarray:
    """θ₀ `[k·p]` of the linear family, in user units."""
    if list(fit.trace.names) == list(fit.names) and len(fit.trace):
        return np.asarray(fit.trace.theta[0], dtype=np.float64)
    start = modules.start(fit.spec.init, tuple(fit.names), fit.spec.seed)
    return np.zeros(len(fit.names)) if start is None else start


def rule_of(fit: Fitted) -> Any:
    """The rule as it was, a Rule or a class of `torch.optim`; None where it has no rate, or nobody can tell."""
    given = fit.spec.optimizer
    if isinstance(fit.spec.lr, dict):  # it has several
        return None
    if fit.optimizer == Automatic.ACCELERATED:
        return torch_rules.Accelerated()
    if isinstance(given, torch_rules.Rule | type):
        return given
    try:
        if not isinstance(given, str):  # a partial of a class of torch.optim, a function of the parameters
            return torch_rules.rule(given)
        return torch_rules.rule(locate(given) if is_path(given, RULES) else fit.optimizer)
    except SpecError:
        return None


def innermost_rule(fit: Fitted) -> Any:
    """The rule of a fit without clipping; None for the ones that only `auto` takes."""
    rule = rule_of(fit)
    return None if rule is None or isinstance(rule, torch_rules.Accelerated) else torch_rules.rule(rule).innermost


def less_momentum_than(rule: Any) -> tuple[float, str]:
    """A rule's momentum, and the name of the rule with the usual one in its place; 0 and "" where it is no higher.

    >>> less_momentum_than(torch_rules.rule("adam:0.99,0.999"))
    (0.99, 'adam:0.9,0.999')
    """
    rule = torch_rules.rule(rule).innermost
    if isinstance(rule, torch_rules.Elementwise):
        first = (*rule.kind.constants, "")[0]
        beta = float(rule.numbers[0]) if first.startswith("beta") else 0.0
        name = f"{rule.kind.name}:" + ",".join(f"{each:g}" for each in (USUAL_MOMENTUM, *rule.numbers[1:]))
    else:
        given = getattr(getattr(rule, "optimizer", None), "keywords", {})
        beta = float(given.get("momentum", 0.0))
        name = f"{'nesterov' if given.get('nesterov') else 'momentum'}:{USUAL_MOMENTUM:g}"
    return (beta, name) if beta > USUAL_MOMENTUM else (0.0, "")


def decay_of(fit: Fitted) -> float:
    """The weight decay of a fit's rule, where it is one of ours; else 0."""
    rule = innermost_rule(fit)
    return float(rule.kind.split(rule.numbers)[1]) if isinstance(rule, torch_rules.Elementwise) else 0.0


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


def another_loss(remedy: Mapping[str, Any], given: Prepared) -> dict[str, Any]:
    """A remedy that takes another loss, with the defaults of a descent that the linear family was given for the one it had.

    A rate, or the number of steps that it needs, is that of a loss.
    """
    if given.terms is None:
        return dict(remedy)
    usual = {name: SETTINGS[name].default for name in OF_A_LOSS}
    return {**remedy, **{name: value for name, value in usual.items() if getattr(given.spec, name) != value}}
