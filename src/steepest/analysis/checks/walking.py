"""Many descents of one linear objective from one start, each at its own rate: where they all end.

    seconds(objective, rule, rows, ways, steps)     what it will take; inf where too long to be worth it
    ends(objective, rule, rates, …)                 F at the end of each

Short ones go through the loop side by side; long ones through compiled code, one after the other. Both walk what `fit()` walks:
the same rule, the same batches.
"""

from __future__ import annotations

from itertools import islice
from typing import Any

import numpy as np
import torch

from steepest.data import batching
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


def seconds(objective: LinearObjective, rule: Any, size: int | None, ways: int, steps: int) -> float:
    """About how long so many ways of so many steps take. size: rows a batch, None for all."""
    rows = size or objective.rows
    entries = ENTRY * float(steps) * ways * rows * len(objective.theta)
    looped = steps * (LOOP_STEP + ways * LOOP_RUN)
    if looped + entries > LOAD and can_run(objective, rule):
        epochs = 0.0 if size is None else steps * rows / objective.rows
        return RUN_STEP * steps * ways + EPOCH * epochs + entries
    return looped + entries


def ends(
    objective: LinearObjective, rule: Any, rates: np.ndarray, pace: Schedule, steps: int, size: int | None,
    shuffle: str, seed: int,
) -> np.ndarray:  # fmt: skip
    """F `[k]` after so many steps at rates `[k]`, each times the schedule's factor; inf where it diverged."""
    theta, ways = objective.theta.clone().repeat(len(rates), 1), len(rates)
    entries = ENTRY * float(steps) * ways * (size or objective.rows) * len(objective.theta)
    compiled = steps * (LOOP_STEP + ways * LOOP_RUN) + entries > LOAD and can_run(objective, rule)
    with np.errstate(all="ignore"):
        if compiled:
            epochs = -(-steps // (1 if size is None else -(-objective.rows // size)))
            runs = FusedRuns(objective, [rule] * ways, theta)
            walk: Any = runs.descend(
                size, shuffle, [seed] * ways, epochs, steps, lr=rates, schedules=[pace] * ways
            )  # fmt: skip
        else:
            dealt = batching.full() if size is None else batching.minibatches(objective.rows, size, shuffle, seed)
            lr = torch.from_numpy(rates)[:, None]
            walk = descend(objective, rule, islice(dealt, steps), lr=lr, schedule=pace, theta=theta)
        for step in walk:
            if isinstance(step, Step) and step.batch is None:
                break
        found = (objective.value(theta) + objective.penalty(theta)).numpy()
    return np.where(np.isfinite(found), found, np.inf)
