"""Many descents of one linear objective from one start, each at its own rate: where they all end.

    seconds(objective, rule, batching, ways)     what it will take
    ends(objective, rule, rates, …)              F at the end of each

Short ones go through the loop side by side; long ones through compiled code, one after the other. Both walk what `fit()` walks:
the same rule, the same batches.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from steepest.data.batching import Batching
from steepest.descent.loop import Step, descend
from steepest.descent.schedules import Schedule
from steepest.engines.compiled_runs import FusedRuns
from steepest.engines.kernel_args import can_run
from steepest.model.linear_objective import LinearObjective

LOOP_STEP, LOOP_RUN, RUN_STEP, EPOCH, ENTRY = 120e-6, 2e-6, 0.8e-6, 250e-6, 1.2e-9
"""Seconds that a step of the loop takes, and each run in it; that compiled code takes for a run's step and for an epoch of
minibatches; and that either takes for an entry of the design."""

LOAD = 0.3
"""Seconds in the loop from which compiled code, which takes half a second to load, is worth it."""


def seconds(objective: LinearObjective, rule: Any, batching: Batching, ways: int) -> float:
    """About how long so many ways over these batches take."""
    rows, steps = batching.size or batching.rows, batching.steps or 0
    entries = ENTRY * float(steps) * ways * rows * len(objective.theta)
    looped = steps * (LOOP_STEP + ways * LOOP_RUN)
    if looped + entries > LOAD and can_run(objective, rule):
        epochs = 0.0 if batching.size is None else steps * rows / batching.rows
        return RUN_STEP * steps * ways + EPOCH * epochs + entries
    return looped + entries


def ends(objective: LinearObjective, rule: Any, rates: np.ndarray, pace: Schedule, batching: Batching) -> np.ndarray:
    """F `[k]` at the end of these batches at rates `[k]`, each times the schedule's factor; inf where it diverged."""
    theta, ways = objective.theta.clone().repeat(len(rates), 1), len(rates)
    steps = batching.steps or 0
    entries = ENTRY * float(steps) * ways * (batching.size or batching.rows) * len(objective.theta)
    compiled = steps * (LOOP_STEP + ways * LOOP_RUN) + entries > LOAD and can_run(objective, rule)
    with np.errstate(all="ignore"):
        if compiled:
            runs = FusedRuns(objective, [rule] * ways, theta)
            walk: Any = runs.descend(batching, [batching.seed] * ways, lr=rates, schedules=[pace] * ways)
        else:
            walk = descend(objective, rule, batching, lr=torch.from_numpy(rates)[:, None], schedule=pace, theta=theta)
        for step in walk:
            if isinstance(step, Step) and step.batch is None:
                break
        found = (objective.value(theta) + objective.penalty(theta)).numpy()
    return np.where(np.isfinite(found), found, np.inf)
