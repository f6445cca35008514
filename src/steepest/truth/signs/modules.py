"""A module's descent: no optimum is known, so that it is measured by what other ways down from the same start reach.

    walks = walks_of(fit)               None where nothing can be walked again
    walks.end(lr=0.1)                   F at the end, had the rate been that
    walks.end(schedule="cosine")        … had the schedule been that

Progress is F(start) − F(end). A rate is far too low or too high only where another, ten times away, makes at least
twice the progress; a module that merely could be a little lower has nothing wrong with it. Long descents are walked for as
many of their first steps as take a fifth of a second each.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch import nn

from steepest.descent import rules, schedules
from steepest.descent.loop import descend
from steepest.descent.objective import ModuleObjective
from steepest.descent.stopping import Status
from steepest.errors import SteepestError
from steepest.problem import batches, losses, models
from steepest.spec import Spec
from steepest.truth.finding import Finding, Fitted, Kind
from steepest.truth.signs.course import asked, pinned
from steepest.truth.signs.wording import number, rounded_down

SECONDS = 0.2
"""What a walk may take."""

OTHERS = (1e-3, 1e-2, 1e-1, 1e1, 1e2, 1e3)
"""Other rates that are walked, in units of the descent's own."""


@dataclass
class Walks:
    """A module at its start, and how it went down. whole: whether all of its steps can be walked again."""

    spec: Spec
    module: nn.Module
    loss: losses.Loss
    x: torch.Tensor
    y: torch.Tensor
    weights: torch.Tensor | None
    start: np.ndarray
    rule: Any
    lr: float
    schedule: Any
    size: int | None
    asked: int
    steps: int = 0
    known: dict[Any, float] = field(default_factory=dict)

    @property
    def whole(self) -> bool:
        """Whether the walks are as long as the descent."""
        return self.steps == self.asked

    def end(self, lr: float | None = None, schedule: Any = None, times: int = 1) -> float:
        """F after the steps; inf if it diverges. times: as many steps."""
        key = lr, schedule, times
        if key not in self.known:
            self.known[key] = self._walk(lr or self.lr, schedule or self.schedule, times)
        return self.known[key]

    def first(self) -> float:
        """F at the start."""
        objective = self._objective()
        return float(objective.value(objective.theta) + objective.penalty(objective.theta))

    def _objective(self) -> ModuleObjective:
        module = copy.deepcopy(self.module)
        objective = ModuleObjective(
            module, self.loss, self.x, self.y, self.weights, losses.penalty(self.spec.penalty), self.spec.seed
        )
        objective.theta.copy_(torch.as_tensor(self.start).to(objective.theta))
        return objective

    def _walk(self, lr: float, schedule: Any, times: int) -> float:
        objective = self._objective()
        rule = rules.rule(self.rule, objective, self.spec.clip)
        dealt = (
            batches.full()
            if self.size is None
            else batches.minibatches(objective.rows, self.size, self.spec.shuffle, self.spec.seed)
        )
        pace = schedules.schedule(schedule, times * self.asked)
        for step in descend(objective, rule, islice(dealt, times * self.steps), lr=lr, schedule=pace):
            if step.t % 16 == 0 and not bool(torch.isfinite(step.loss)):
                return float("inf")
        value = float(objective.value(objective.theta) + objective.penalty(objective.theta))
        return value if np.isfinite(value) else float("inf")

    def measure(self) -> None:
        """Find out how many steps can be walked in the time."""
        self.steps = min(20, self.asked)
        self.end()
        began = time.perf_counter()
        self.known.clear()
        self.end()
        each = (time.perf_counter() - began) / self.steps
        self.steps = int(min(self.asked, max(SECONDS / each, 10)))
        self.known.clear()


def walks_of(fit: Fitted) -> Walks | None:
    """A module's descent, ready to be walked again; None for other fits, and where start, rule or rows are not known."""
    spec, data = fit.spec, fit.train
    if fit.module is None or data is None or fit.terms is not None or fit.trace.theta.shape[1] != len(fit.theta):
        return None
    optimizer = spec.optimizer if isinstance(spec.optimizer, rules.Rule) else fit.optimizer
    try:
        rule = rules.rule(optimizer)
    except SteepestError:
        return None
    size = None if spec.batch_size == "full" or spec.batch_size >= data.rows else int(spec.batch_size)
    steps = asked(spec, data.rows, size)
    per_epoch = 1 if size is None else -(-data.rows // size)
    if spec.device != "cpu" or abs(fit.steps - fit.epochs * per_epoch) > per_epoch:  # batches of the user's own
        return None
    dtype = getattr(torch, spec.dtype)
    codes = data.classes is not None and not isinstance(fit.loss_function, losses.Logistic)
    target = torch.as_tensor(data.y.astype(np.int64)) if codes else torch.as_tensor(data.y).to(dtype)
    weights = None if data.weights is None else torch.as_tensor(data.weights / data.weights.mean()).to(dtype)
    schedule = spec.schedule if callable(spec.schedule) else fit.schedule
    walks = Walks(
        spec, fit.module.to(dtype), fit.loss_function, torch.as_tensor(data.x).to(dtype), target, weights,
        fit.trace.theta[0], rule, fit.lr, schedule, size, steps,
    )  # fmt: skip
    walks.measure()
    return walks


def module(fit: Fitted) -> Iterator[Finding]:
    """RATE_TOO_HIGH, RATE_TOO_LOW, SCALES, NOISE, KINK or TOO_FEW_STEPS of a module: at most one, the likeliest."""
    walks = walks_of(fit)
    if walks is None or fit.status is Status.INTERRUPTED:
        return
    first = walks.first()
    now = ended(fit) if walks.whole else walks.end()
    if np.isinf(now) and fit.status is not Status.DIVERGED:
        return
    for sign in (off_rate, unscaled, restless, unfinished):
        found = sign(fit, walks, first, now)
        if found is not None:
            yield replace(found, remedy=pinned(found.remedy, fit))
            return


def ended(fit: Fitted) -> float:
    """F at the end; inf where it diverged."""
    value = float(fit.objective_value)
    return float("inf") if fit.status is Status.DIVERGED or not np.isfinite(value) else value


def off_rate(fit: Fitted, walks: Walks, first: float, now: float) -> Finding | None:
    """The rate is ten times too high or too low."""
    ends = {times: walks.end(lr=times * walks.lr) for times in OTHERS}
    best = min([*ends.values(), first])
    times = min(ends, key=lambda each: (ends[each], abs(np.log(each))))
    # of rates that do about as well the nearest one
    fine = [each for each, end in ends.items() if end <= best + 0.1 * (first - best) and (each < 1.0) == (times < 1.0)]
    times = min(fine, key=lambda each: abs(np.log(each)), default=times)
    progress, possible = first - now, first - ends[times]
    if not possible > 0.0 or progress > 0.5 * possible:
        return None
    rate = rounded_down(times * walks.lr)
    share = 1.0 if np.isinf(now) else float(np.clip((now - ends[times]) / max(now - best, 1e-300), 0.0, 1.0))
    kind = Kind.RATE_TOO_HIGH if times < 1.0 else Kind.RATE_TOO_LOW
    what = "far too high" if times < 1.0 else "far too low"
    steps = f"{walks.steps:,} steps" if walks.whole else f"the first {walks.steps:,} steps"
    after = "diverged" if np.isinf(now) else f"went from {number(first)} to {number(now)}"
    return Finding(
        kind, f"lr={walks.lr:g} is {what}.",
        f"In {steps} the objective {after}; at lr={rate:g} it goes to {number(ends[times])}.",
        {"lr": rate}, f"An objective of about {number(ends[times])} after {steps}.", share,
    )  # fmt: skip


def unscaled(fit: Fitted, walks: Walks, first: float, now: float) -> Finding | None:
    """The columns that a module sees are of very different sizes, and standardised ones would do."""
    data = fit.train
    if fit.precondition != "none" or data is None or data.x.ndim != 2 or len(data.x) < 2:
        return None
    sizes = np.sqrt((data.x**2).mean(0))
    place = int(np.argmax(np.abs(np.log(np.where(sizes > 0, sizes, 1.0)))))
    if not (sizes[place] > 30.0 or 0.0 < sizes[place] < 1.0 / 30.0):
        return None
    own = isinstance(walks.spec.model, str) and walks.spec.model.startswith("mlp")
    numbers = own and not walks.loss.classes and walks.y.ndim == 1
    scaled = models.scaled(copy.deepcopy(walks.module), walks.x, walks.y if numbers else None)
    rule = rules.rule("adam") if walks.spec.optimizer == "auto" else walks.rule
    there = replace(walks, module=scaled, rule=rule, lr=0.01, known={})
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


def restless(fit: Fitted, walks: Walks, first: float, now: float) -> Finding | None:
    """A constant rate keeps the objective going up and down, and one that falls would end below all of it."""
    if walks.schedule != "constant" or not walks.whole:
        return None
    known = fit.trace.objective[np.isfinite(fit.trace.objective)]
    late = known[len(known) // 2 :]
    if len(late) < 8 or np.mean(np.diff(late) > 0) < 0.2 or late.max() < 1.5 * late.min():
        return None
    end = walks.end(schedule="cosine")
    if not end <= min(float(late.min()), 0.7 * float(np.median(late))):
        return None
    what = (
        "Batches at a constant rate keep the objective up." if walks.size else "At a constant rate the descent bounces."
    )
    return Finding(
        Kind.NOISE if walks.size else Kind.KINK, what,
        f"Over the last half of the descent the objective lay between {number(late.min())} and {number(late.max())}.",
        {"schedule": "cosine"}, f"An objective of about {number(end)} after as many steps.",
        float(np.clip((now - end) / max(now, 1e-300), 0.0, 1.0)),
    )  # fmt: skip


def unfinished(fit: Fitted, walks: Walks, first: float, now: float) -> Finding | None:
    """Three times as many steps make far more progress."""
    if not walks.whole or fit.status not in (Status.EPOCHS, Status.STEPS):
        return None
    end = walks.end(times=3)
    if not 0.0 < first - now <= 0.7 * (first - end):
        return None
    many = 10 * walks.asked
    setting, value = "epochs", many // (1 if walks.size is None else -(-len(walks.x) // walks.size))
    if fit.status is Status.STEPS:
        setting, value = "max_steps", many
    return Finding(
        Kind.TOO_FEW_STEPS, f"{fit.steps:,} steps are too few: the objective is still falling fast.",
        f"It went from {number(first)} to {number(now)}, and in three times as many steps goes to {number(end)}.",
        {setting: max(1, value)}, f"An objective below {number(end)}.", float(np.clip((now - end) / now, 0.0, 1.0)),
    )  # fmt: skip
