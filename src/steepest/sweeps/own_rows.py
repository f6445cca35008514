"""The fits that one description makes of several tables, as the folds of a cross-validation are: side by side where they can.

Each has its own rows, coordinates and rate; the descents of those with the same number of rows are one with a leading axis.
What cannot go side by side (the curvature steps of "auto", modules, classes of `torch.optim`) goes alone. Either way each is the
fit that it would be alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from steepest.data.dataset import Dataset
from steepest.defaults import plan
from steepest.descent.schedule_factors import waits
from steepest.descent.stopping import Limits
from steepest.engines import batched
from steepest.engines.descents import Descents
from steepest.fitting import finished, run
from steepest.lazy import torch
from steepest.model import penalties
from steepest.model.linear_objective import LinearObjective, LinearObjectives
from steepest.monitor import Progress, watched
from steepest.planned import Plan
from steepest.result import Fit
from steepest.settings import Spec

ENTRIES = 2**26
"""Entries of all designs together, up to which they are held side by side."""


def fits(
    spec: Spec,
    tables: Sequence[Dataset],
    budget: int,
    validation: Sequence[Any],
    mine: Callable[[int], bool] = lambda place: True,
    shown: Progress | None = None,
) -> list[Fit | None]:
    """A fit of each table. budget: bytes of all traces. validation: for each the rows to stop by, or None.

    mine: whether a fit that goes alone is made here, by its place; None stands for the others. shown: told of their steps.
    """
    found: list[Fit | None] = [None] * len(tables)
    if spec.validation is None and not any(one is not None for one in validation) and may_go_together(spec):
        made = [plan(spec, table) for table in tables]
        for group in _groups(spec, made):
            done = _together(spec, [made[i] for i in group], [tables[i] for i in group], budget)
            for place, fit in zip(group, done, strict=True):
                found[place] = fit
    share = budget // len(tables)
    for place, table in enumerate(tables):
        if found[place] is None and mine(place):
            found[place] = run(spec, table, progress=shown, budget=share, validation=validation[place])
    return found


def may_go_together(spec: Spec) -> bool:
    """Whether a description may be one of plain steps of the linear family."""
    plain = isinstance(spec.optimizer, str) and (
        spec.optimizer != "auto" or spec.lr != "auto" or spec.batch_size != "full"
    )
    return plain and isinstance(spec.model, str) and not spec.model.startswith("mlp")


def _groups(spec: Spec, made: Sequence[Plan]) -> list[list[int]]:
    """The places of plans that can go side by side, those of the same shape together."""
    groups: dict[Any, list[int]] = {}
    for place, one in enumerate(made):
        objective = one.objective
        if (
            not isinstance(objective, LinearObjective)
            or not batched.can_run(objective, one.rule)
            or waits([one.schedule])
        ):
            continue
        if (penalties.penalty(spec.penalty) or spec.bounds) and objective.coordinates is not None:
            continue  # the penalty of each would be another function of its coordinates
        whole = objective.weights is None, objective.offset is None, objective.problem.penalty.groups
        shape = (one.optimizer, tuple(objective.basis.shape), *whole)
        groups.setdefault(shape, []).append(place)
    size = {shape: len(group) * shape[1][0] * shape[1][1] for shape, group in groups.items()}
    return [group for shape, group in groups.items() if len(group) > 1 and size[shape] <= ENTRIES]


def _together(spec: Spec, made: Sequence[Plan], tables: Sequence[Dataset], budget: int) -> list[Fit]:
    """The fits of some plans of one shape, their descents side by side."""
    began, first = time.perf_counter(), made[0]
    work = Descents(
        first.objective,
        torch.stack([one.objective.theta for one in made]),
        rules=[one.rule for one in made],
        lr=np.array([one.lr for one in made]),
        schedules=[one.schedule for one in made],
        batching=first.batching,
        seeds=[spec.seed] * len(made),
        averages=[one.averages for one in made],
        together=LinearObjectives([one.objective for one in made if isinstance(one.objective, LinearObjective)]),
    )
    limits = Limits.of([(spec.tol, spec.patience, one.batching, one.rule) for one in made], first.full_batch)
    came, engine = watched(spec, first, work, limits, None, None, budget)
    seconds = (time.perf_counter() - began) / len(made)
    return [
        finished(spec, one, *end, engine, seconds, table, None, table.notes)
        for one, end, table in zip(made, came, tables, strict=True)
    ]
