"""A short descent of a module as it would have been: another rate, another start, other coordinates, another module.

What a remedy of a module gives has no formula, so it is tried: the same loss, batches, schedule and number of steps (at
most 3,000, and fewer where they cost much), on an even sample of at most 1,000 rows. All trials of a diagnosis share one
budget (`budget.py`); where it is spent, nothing is tried.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from steepest.analysis.budget import MOST_ROWS, budget_for
from steepest.analysis.checks.network_graph import Graph, graph_of
from steepest.analysis.checks.rounding import loss_level
from steepest.analysis.finding import FittedModule
from steepest.analysis.step_cost import cost_of_step
from steepest.analysis.trials import row_losses
from steepest.analysis.what_if import after_steps, whole_objective
from steepest.choices import parse
from steepest.data.batching import Batching
from steepest.data.dataset import Dataset
from steepest.data.thinning import sampled
from steepest.descent.schedule_factors import schedule
from steepest.descent.stopping import Status
from steepest.errors import SteepestError
from steepest.formulas.models import MODELS
from steepest.lazy import nn, torch
from steepest.model import modules
from steepest.model.module_objective import ModuleObjective
from steepest.model.of_fit import module_objective, tensors
from steepest.text.numbers import number

MOST_STEPS = 3_000
SHARE = 0.7  # of what is left of the budget, for one rerun
BETTER = 0.9  # share of the objective at most to which another module brings it for that to be said


@dataclass(frozen=True)
class Rerun:
    """value: F at the end; objective: the module's, its θ at the end; steps: how many were made."""

    value: float
    objective: ModuleObjective
    steps: int

    def gain(self, value: float) -> float:
        """Which share of another F it takes away."""
        return float(np.clip(1.0 - self.value / value, 0.0, 1.0)) if np.isfinite(value) and value > 0 else 1.0


def inner_of(fit: FittedModule, theta: np.ndarray | None = None) -> nn.Module:
    """A copy of the fit's module, without the change of units around it, at θ (None: as it is)."""
    from steepest.model.wrapped_modules import Scaled  # which imports PyTorch

    module = copy.deepcopy(fit.network.module if isinstance(fit.network, Scaled) else fit.network)
    if theta is not None:
        _put(module, theta)
    return module


def _put(module: nn.Module, theta: np.ndarray) -> None:
    """Give a module these trainable parameters `[p]`."""
    own = [parameter for parameter in module.parameters() if parameter.requires_grad]
    with torch.no_grad():
        torch.nn.utils.vector_to_parameters(torch.as_tensor(theta).to(own[0]), own)


def wrapped(
    fit: FittedModule, inner: nn.Module, theta: np.ndarray | None = None, standardize: bool | None = None
) -> ModuleObjective:
    """The objective of any module in the place of the fit's, on a sample of its rows, at θ (None: as it is).

    standardize: whether it sees standardised columns; None: as in the fit.
    """
    from steepest.model.wrapped_modules import scaled  # which imports PyTorch

    rows = sampled(fit.train, MOST_ROWS)
    like = next(parameter for parameter in fit.network.parameters() if parameter.requires_grad)
    inner = inner.to(like)
    if theta is not None:
        _put(inner, theta)
    if fit.precondition == "standardize" if standardize is None else standardize:
        x, y, _ = tensors(rows, fit.loss_function, like.dtype, like.device)
        numbers = isinstance(fit.spec.model, str) and fit.spec.model.startswith("mlp") and not fit.loss_function.classes
        inner = scaled(inner, x, y if numbers and y.is_floating_point() else None)
    return module_objective(fit, rows, module=inner)


def placed(fit: FittedModule, theta: np.ndarray | None = None, standardize: bool | None = None) -> ModuleObjective:
    """The objective of the fit's module on a sample of its rows, at θ (None: at its start)."""
    return wrapped(fit, inner_of(fit), fit.trace.theta[0] if theta is None else theta, standardize)


def graph_at_end(fit: FittedModule) -> tuple[ModuleObjective, Graph]:
    """The objective of the fit's module where it ended (where that is no number, as it is), and its graph."""
    objective = wrapped(fit, inner_of(fit), fit.theta if np.isfinite(fit.theta).all() else None)
    return objective, graph_of(objective.module, objective.data[0])


def left_at_end(fit: FittedModule) -> tuple[ModuleObjective, float] | None:
    """The objective of a module where its fit ended, and F there.

    None for one that did not end in numbers, and one that left nothing but rounding.
    """
    if not np.isfinite(fit.theta).all():
        return None
    objective = placed(fit, fit.theta)
    value = whole_objective(objective)
    return None if value <= loss_level(fit.loss_function, fit.train.y) else (objective, value)


def rerun(fit: FittedModule, objective: ModuleObjective, *, lr: float | None = None, rule: Any = None) -> Rerun | None:
    """A descent of the objective, by the fit's own rule and rate where none is given; None where it fails or costs too much."""
    spec, batching = fit.spec, Batching.of(fit.spec, objective.rows)
    own = spec.optimizer if spec.optimizer != "auto" else fit.optimizer
    name = spec.schedule if spec.schedule != "auto" else fit.schedule
    budget, cost = budget_for(fit), cost_of_step(objective, batching.size, rule or own)
    steps = budget.steps(max(1, min(fit.steps, MOST_STEPS)), cost, SHARE)
    if not steps:
        budget.missed |= budget.asked
        return None
    budget.spend(steps * cost)
    batching = replace(batching, epochs=None, max_steps=steps)
    try:
        value = after_steps(objective, rule or own, batching, fit.lr if lr is None else lr, schedule(name, steps))
    except SteepestError:
        return None
    return Rerun(value, objective, steps) if np.isfinite(value) else None


def losses_after(
    fit: FittedModule, objective: ModuleObjective, other: Dataset, *, rule: Any = None
) -> tuple[np.ndarray, int] | None:
    """The loss of each of some other rows after such a descent, and its steps; None where it fails."""
    run = rerun(fit, objective, rule=rule)
    if run is None:
        return None
    like = run.objective.theta
    x, y, weights = tensors(other, fit.loss_function, like.dtype, like.device)
    there = run.objective.on(x, y, weights)
    return row_losses(there, there).numpy(), run.steps


def widths_of(fit: FittedModule) -> tuple[int, ...]:
    """The hidden widths of an mlp that is given by its name; () for any other module."""
    model = fit.spec.model
    if not (isinstance(model, str) and model.startswith("mlp:")):
        return ()
    return tuple(int(width) for width in parse(model, MODELS, "model")[1])


def mlp(fit: FittedModule, widths: tuple[int, ...], seed: int) -> nn.Module:
    """Another mlp for the fit's rows, as the fit would start it."""
    inputs, own = fit.train.x.shape[1], widths_of(fit)
    hidden = sum((before + 1) * after for before, after in pairwise((inputs, *own)))
    outputs = (len(fit.theta) - hidden) // (own[-1] + 1)
    return modules.mlp(inputs, widths, outputs, seed)


# ---- another module --------------------------------------------------------------------------------


def as_asked(fit: FittedModule) -> FittedModule:
    """The fit with the steps that it was to take, where it diverged before."""
    if fit.status is not Status.DIVERGED:
        return fit
    return replace(fit, steps=Batching.of(fit.spec, fit.train.rows).steps or fit.steps)


def tried(fit: FittedModule, module: nn.Module | None, comparable: bool = True) -> str:
    """What the same steps lead to with another module in the place of the fit's, if that is better; else nothing.

    comparable: whether its objective is one with the fit's.
    """
    if module is None or fit.trace.theta.shape[1] != len(fit.theta):
        return ""
    run = rerun(as_asked(fit), wrapped(fit, module, fit.trace.theta[0]))
    if run is None:
        return ""
    rows = sampled(fit.train, MOST_ROWS).rows
    some = f" on {rows:,} rows" if rows < fit.train.rows else ""
    reached = f"After {run.steps:,} steps{some} the objective is {number(run.value)}"
    if not comparable:
        return f"{reached}."
    now = _now(fit, run.steps)
    if not run.value <= BETTER * now:
        return ""
    return f"{reached} {'where it diverges now' if np.isinf(now) else f'instead of {number(now)}'}."


def _now(fit: FittedModule, steps: int) -> float:
    """F of the fit's own module after so many steps; inf where it diverges."""
    if fit.status is not Status.DIVERGED and steps >= fit.steps:
        return whole_objective(placed(fit, fit.theta))
    now = rerun(as_asked(fit), placed(fit))
    return float("inf") if now is None else now.value
