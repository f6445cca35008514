"""Which descents have compiled code: the linear family, losses and rules of our own, on a CPU."""

from __future__ import annotations

from math import inf
from typing import Any, TypeGuard

from steepest.descent import torch_rules
from steepest.descent.variance_reduction import Reduced
from steepest.model.linear_objective import LinearObjective


def can_run(objective: Any, rule: Any) -> TypeGuard[LinearObjective]:
    """Whether there is compiled code for this objective and rule: the linear family, losses and rules of our own."""
    return (
        isinstance(objective, LinearObjective)
        and objective.basis.device.type == "cpu"
        and objective.theta.ndim == 1
        and not objective.loss.custom
        and (objective.penalty_term is None or objective.penalty_term.box is None)
        and unwrapped(objective, rule) is not None
    )


def unwrapped(objective: LinearObjective, rule: Any) -> tuple[float, torch_rules.Elementwise | Reduced] | None:
    """The longest gradient let through, and the rule itself; None where it is none of ours, or wrapped otherwise."""
    if (isinstance(rule, torch_rules.WithProximal) and rule.proximal == objective.proximal) or (
        isinstance(rule, torch_rules.WithSubgradient) and rule.subgradient == objective.subgradient
    ):
        rule = rule.rule
    clip = inf
    if isinstance(rule, torch_rules.Clipped):
        clip, rule = rule.norm, rule.rule
    ours = isinstance(rule, torch_rules.Elementwise | Reduced)
    return (clip, rule) if ours and not (rule.kind.whole or rule.kind.looks_again) else None
