"""STILL: parameters of a module that are the same at the end as at the start, though the answers depend on them.

    frozen      requires_grad=False
    left out    their gradient is not 0, and the optimiser does not have them (or has them at a rate of 0)
    cut off     autograd's graph does not lead to them, though the answers change with them: detach(), no_grad(), argmax …

Each may be meant: a layer that was fitted before, random features. So the first two are tried (`rerun.py`): free, they must
bring the loss on rows that were not used for it to half of the fit's or less. What is cut off cannot be tried from
outside; it is said where the fit leaves a good part of what the constant model leaves.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from steepest.analysis.budget import MOST_ROWS
from steepest.analysis.checks.rerun import as_asked, inner_of, placed, rerun, wrapped
from steepest.analysis.constant_model import constant_loss
from steepest.analysis.finding import Finding, FittedModule, Kind
from steepest.analysis.needs import NETWORK, WHOLE_TRACE, check
from steepest.data.thinning import sampled
from steepest.data.wording import called
from steepest.descent import torch_rules
from steepest.errors import SpecError
from steepest.lazy import nn, torch
from steepest.model.calling import evaluating
from steepest.model.of_fit import module_objective
from steepest.text.numbers import listed, number

BETTER = 0.5
LEFT = 0.1  # share of the constant model's loss that a fit leaves which lacks something
PARTS = 5  # one of so many rows judges what the others were used for
LEAST_ROWS = 50
NAMED = 3


@check("fit", finds=(Kind.STILL,), needs=(NETWORK, WHOLE_TRACE), trials=True)
def still(fit: FittedModule) -> Iterator[Finding]:
    """Parameters that did not move, why, and what they would have been worth."""
    if fit.steps < 1 or not np.isfinite(fit.theta).all():
        return
    frozen, unmoved = unmoved_of(fit)
    if not frozen and not unmoved:
        return
    end = placed(fit, fit.theta)
    value, constant = float(end.value(end.theta)), constant_loss(end)
    if not value > LEFT * constant:
        return
    cut = [name for name in unmoved if _cut_off(fit, name)]
    left_out = [name for name in unmoved if name not in cut and _gradient(fit, name) > 0.0]
    said = f"The loss is {number(value)}; a constant answer for every row has {number(constant)}."
    if left_out and (predicted := _freed(fit, (), "adam" if "adam" in _name(fit).lower() else "sgd")):
        yield _finding(
            left_out, "the optimiser does not have them", f"Their gradient is not 0. {said}", predicted,
            f"Give the optimiser all parameters: lambda parameters: {_name(fit)}(parameters, …).",
        )  # fmt: skip
    elif cut:
        yield _finding(
            cut, "no gradient reaches them", f"The answers change with them, and yet autograd knows no way to them. {said}", "",
            "Leave out what cuts the graph between them and the output: detach(), torch.no_grad(), .data, .item(), a new tensor "
            "made of values, or argmax.",
        )  # fmt: skip
    elif frozen and (predicted := _freed(fit, frozen, None)):
        yield _finding(
            frozen, "they are frozen", f"They have requires_grad=False. {said}", predicted,
            f"Let them be fitted, if that is not meant: module.get_parameter({frozen[0]!r}).requires_grad_(True).",
        )  # fmt: skip


def _finding(names: list[str], why: str, evidence: str, predicted: str, advice: str) -> Finding:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return Finding(
        Kind.STILL, f"The parameters {listed(names[:NAMED])}{more} ended where they started: {why}.",
        evidence, {}, predicted, 1.0, of_model=True, advice=advice,
    )  # fmt: skip


def unmoved_of(fit: FittedModule) -> tuple[list[str], list[str]]:
    """The names of parameters that are frozen, and of those that are not and have not moved in any number."""
    frozen, unmoved, place, seen = [], [], 0, set()
    same = fit.trace.theta[0] == fit.theta
    for name, parameter in fit.network.named_parameters():
        if id(parameter) in seen:
            continue
        seen.add(id(parameter))
        name = name.removeprefix("module.")
        if not parameter.requires_grad:
            frozen += [name] if parameter.is_floating_point() and parameter.numel() else []
            continue
        if same[place : place + parameter.numel()].all():
            unmoved.append(name)
        place += parameter.numel()
    return frozen, unmoved


def _gradient(fit: FittedModule, name: str) -> float:
    """The largest number in the gradient of the loss at the start in a parameter."""
    objective = wrapped(fit, module := inner_of(fit, fit.trace.theta[0]))
    parameter = module.get_parameter(name)
    own = [one for one in objective.module.parameters() if one.requires_grad]
    views = objective.views(objective.value_and_grad(objective.theta)[1])
    return next(float(part.abs().max()) for one, part in zip(own, views, strict=True) if one is parameter)


def _cut_off(fit: FittedModule, name: str) -> bool:
    """Whether answers depend on a parameter that autograd does not know them to depend on."""
    objective = wrapped(fit, module := inner_of(fit, fit.trace.theta[0]))
    x, _ = objective.data
    parameter = module.get_parameter(name)
    with evaluating(objective.module), torch.enable_grad():
        before = objective.module(x)
        if torch.autograd.grad(before.sum(), parameter, allow_unused=True)[0] is not None:
            return False  # a gradient that is 0 is that of a dead unit
    with evaluating(objective.module), torch.no_grad():
        random = torch.Generator().manual_seed(0)
        parameter += torch.randn(parameter.shape, generator=random).to(parameter)
        after = objective.module(x)
    return bool((before != after).any())


def _name(fit: FittedModule) -> str:
    """What the fit's optimiser is called: `torch.optim.Adam`."""
    try:
        made: Any = torch_rules.rule(fit.spec.optimizer)
        made = getattr(made, "optimizer", made)
        if callable(made) and not isinstance(made, type):
            made = type(made([nn.Parameter(parameter.detach().clone()) for parameter in fit.network.parameters()]))
    except (SpecError, TypeError, ValueError, IndexError):
        return "torch.optim.Adam"
    return f"torch.optim.{called(made)}"


def _freed(fit: FittedModule, names: list[str] | tuple[str, ...], rule: str | None) -> str:
    """What the same steps come to with these parameters free as well, if that is half of the loss or less; else ""."""
    rows = sampled(fit.train, MOST_ROWS)
    if rows.rows < LEAST_ROWS:
        return ""
    judge = np.arange(rows.rows) % PARTS == 0
    unseen, used = rows.take(np.flatnonzero(judge)), replace(as_asked(fit), train=rows.take(np.flatnonzero(~judge)))
    module = inner_of(fit, fit.trace.theta[0])
    for name in names:
        module.get_parameter(name).requires_grad_(True)
    lr = fit.lr if np.isfinite(fit.lr) and fit.lr > 0 else 0.01
    run = rerun(used, wrapped(used, module), lr=lr, rule=rule)
    if run is None:
        return ""
    losses = []
    for ended in (run.objective, placed(fit, fit.theta)):
        found = module_objective(fit, unseen, module=ended.module)
        losses.append(float(found.value(found.theta)))
    if not losses[0] <= BETTER * losses[1]:
        return ""
    return (
        f"After {run.steps:,} steps in which they move as well the loss is {number(losses[0])} on rows that were not used for "
        f"that; of this fit it is {number(losses[1])} there."
    )
