"""A module's descent: no optimum is known, so that it is measured by its progress (`progress.py`).

Besides what any descent may have, the columns that it sees may be of very different sizes.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import nn

from steepest.analysis.checks.progress import Walks, likeliest, off_rate, restless, unfinished
from steepest.analysis.checks.wording import number
from steepest.analysis.finding import Finding, Fitted, Kind
from steepest.data.batching import Batching
from steepest.descent import rules, schedules
from steepest.descent.stopping import Status
from steepest.errors import SteepestError
from steepest.model import modules, penalties
from steepest.model.loss import Loss
from steepest.model.module_objective import ModuleObjective
from steepest.settings import Spec


@dataclass(frozen=True)
class Start:
    """A module and its rows, and where its descent began; called, its objective there."""

    spec: Spec
    module: nn.Module
    loss: Loss
    x: torch.Tensor
    y: torch.Tensor
    weights: torch.Tensor | None
    theta: np.ndarray

    def __call__(self) -> ModuleObjective:
        module = copy.deepcopy(self.module)
        penalty = penalties.penalty(self.spec.penalty)
        objective = ModuleObjective(module, self.loss, self.x, self.y, self.weights, penalty, self.spec.seed)
        objective.theta.copy_(torch.as_tensor(self.theta).to(objective.theta))
        return objective


def walks_of(fit: Fitted) -> Walks | None:
    """A module's descent, ready to be walked again; None for other fits, and where start, rule or rows are not known."""
    spec, data = fit.spec, fit.train
    if fit.network is None or data is None or fit.terms is not None or fit.trace.theta.shape[1] != len(fit.theta):
        return None
    optimizer = spec.optimizer if isinstance(spec.optimizer, rules.Rule) else fit.optimizer
    try:
        rule = rules.rule(optimizer)
    except SteepestError:
        return None
    batching = Batching.of(spec, data.rows)
    per_epoch = batching.steps_per_epoch
    if spec.device != "cpu" or abs(fit.steps - fit.epochs * per_epoch) > per_epoch:  # batches of the user's own
        return None
    dtype = getattr(torch, spec.dtype)
    codes = fit.loss_function.takes_codes(data.classes)
    target = torch.as_tensor(data.y.astype(np.int64)) if codes else torch.as_tensor(data.y).to(dtype)
    weights = None if data.weights is None else torch.as_tensor(data.weights / data.weights.mean()).to(dtype)
    schedule = schedules.of_fit(fit)
    x = torch.as_tensor(data.x).to(dtype)
    start = Start(spec, fit.network.to(dtype), fit.loss_function, x, target, weights, fit.trace.theta[0])
    walks = Walks(spec, start, rule, fit.lr, schedule, batching)
    walks.measure()
    return walks


def module(fit: Fitted) -> Iterator[Finding]:
    """RATE_TOO_HIGH, RATE_TOO_LOW, SCALES, NOISE, KINK or TOO_FEW_STEPS of a module: at most one, the likeliest."""
    walks = walks_of(fit)
    if walks is not None and fit.status is not Status.INTERRUPTED:
        yield from likeliest(fit, walks, (off_rate, unscaled, restless, unfinished))


def unscaled(fit: Fitted, walks: Walks, first: float, now: float) -> Finding | None:
    """The columns that a module sees are of very different sizes, and standardised ones would do."""
    data = fit.train
    if fit.precondition != "none" or data is None or data.x.ndim != 2 or len(data.x) < 2:
        return None
    sizes = np.sqrt((data.x**2).mean(0))
    place = int(np.argmax(np.abs(np.log(np.where(sizes > 0, sizes, 1.0)))))
    if not (sizes[place] > 30.0 or 0.0 < sizes[place] < 1.0 / 30.0):
        return None
    start = walks.make
    assert isinstance(start, Start)
    own = isinstance(walks.spec.model, str) and walks.spec.model.startswith("mlp")
    numbers = own and not start.loss.classes and start.y.is_floating_point()
    scaled = modules.scaled(copy.deepcopy(start.module), start.x, start.y if numbers else None)
    rule = rules.rule("adam") if walks.spec.optimizer == "auto" else walks.rule
    there = replace(walks, make=replace(start, module=scaled), rule=rule, lr=0.01, known={})
    end = there.end()
    if not (first - now) <= 0.5 * (first - end):
        return None
    name = data.names[place]
    return Finding(
        Kind.SCALES, f"The columns are on different scales, above all {name!r}.",
        f"{name!r} is of size {number(float(sizes[place]))}; a module's weights start as if all were of size 1.",
        {"precondition": "standardize", "lr": "auto"}, f"An objective of about {number(end)} after as many steps.",
        1.0 if np.isinf(now) else float(np.clip(1.0 - end / now, 0.0, 1.0)), columns=(name,),
    )  # fmt: skip
