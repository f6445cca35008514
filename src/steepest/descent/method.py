"""How a fit goes down, whatever its learning rate: the rule and the schedule that its settings ask for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from steepest.choices import is_path, locate
from steepest.data.batching import Batching
from steepest.data.wording import called
from steepest.descent import averaging, torch_optim, torch_rules
from steepest.descent.rate_groups import Grouped
from steepest.descent.rule import Rule
from steepest.descent.schedule_factors import Schedule, schedule
from steepest.errors import SpecError
from steepest.formulas.rules import RULES, Automatic
from steepest.lazy import torch
from steepest.model.linear_objective import LinearObjective
from steepest.model.objective import Objective
from steepest.settings import Spec


@dataclass(frozen=True)
class Method:
    """The rule and the schedule of a descent, and its batches. averages: after how many updates the first θ is one of the
    answer's mean.
    """

    rule: Rule
    optimizer: str
    schedule: Schedule
    schedule_name: str
    batching: Batching
    averages: int = averaging.NEVER


def method_of(spec: Spec, objective: Objective, rule_name: Any, batching: Batching) -> Method:
    """The rule and the schedule of a descent over these batches. `rule_name`: the optimizer, "auto" decided."""
    if is_path(rule_name, RULES):
        rule_name = locate(rule_name)
    if isinstance(rule_name, torch.optim.Optimizer):
        rule_name = torch_optim.rebuilt(rule_name, spec.model)
    rule = torch_rules.rule(rule_name, objective, spec.clip)
    if isinstance(spec.lr, dict):
        rule = Grouped.of(rule, spec.lr, objective)
    schedule_name = spec.schedule
    if schedule_name == "auto":
        inner = rule.innermost
        kinked = isinstance(objective, LinearObjective) and not objective.loss.smooth
        wanders = kinked or batching.size is not None or not inner.plain
        settles = inner.is_torch or spec.averaging != "none" or (inner.kind is not None and inner.kind.settles)
        decays = spec.lr == "auto" and wanders and not settles
        schedule_name = "cosine" if decays else "constant"
    name = _name(rule_name)
    if name == "<lambda>" and isinstance(inner := rule.innermost, torch_rules.TorchRule):
        name = type(inner.start(objective.theta)[1]).__name__
    averages = averaging.begins(spec.averaging, batching.steps)
    return Method(rule, name, schedule(schedule_name, batching.steps), _name(schedule_name), batching, averages)


def _name(thing: Any) -> str:
    if isinstance(thing, torch_rules.Accelerated):
        return Automatic.ACCELERATED.value
    if isinstance(thing, torch_rules.TorchRule):
        return Automatic.QUASI_NEWTON.value
    return thing if isinstance(thing, str) else called(thing)


def check_optimizer(spec: Spec, rule: torch_rules.TorchRule, objective: Objective) -> tuple[str, ...]:
    """What is to be said about a class of `torch.optim`. SpecError where it cannot do what the settings ask."""
    optimizer, name = rule.start(objective.theta)[1], called(rule.optimizer)
    own = torch_optim.given_rate(rule.optimizer)
    if spec.lr != "auto" and own is not None and own != spec.lr:
        raise SpecError(
            f"The learning rate is given twice: lr={spec.lr:g}, and {own:g} in optimizer={name}. Leave one out."
        )
    if (spec.lr != "auto" or spec.schedule not in ("auto", "constant")) and None in torch_optim.ratios(optimizer):
        raise SpecError(
            f"optimizer={name} keeps no 'lr' in its param_groups, so that lr= and schedule= would change nothing. Leave them out."
        )
    if spec.lr == "auto" and torch_optim.asks_for_rate(rule.optimizer):
        raise SpecError(f"optimizer={name} has no learning rate of its own: give one, lr=0.01 say.")
    decay = torch_optim.decay(optimizer)
    if not decay:
        return ()
    return (f"The weight decay {decay:g} of {name} is no part of the objective that is shown; that of penalty= is.",)
