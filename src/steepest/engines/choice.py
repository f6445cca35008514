"""Which engine takes the steps: the one place that knows what they cost.

    loop       one run, step by step: whatever there is (`descent/loop.py`)
    batched    the loop with a leading axis, for many runs (`batched.py`)
    fused      compiled code on a CPU: the linear family, losses and rules of our own (`compiled.py`)
    graphed    the loop's operations on a GPU, many handed over at once: likewise (`cuda_graph.py`)

Code has to be compiled, in each process anew, so it is taken where that is won back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np

from steepest.checkpoints.tree import like
from steepest.descent.averaging import averaged, averaged_chunks
from steepest.descent.chunk import Chunk
from steepest.descent.loop import Step, descend
from steepest.descent.schedule_factors import waits
from steepest.engines import batched, compilable, cuda_graph
from steepest.engines.descents import Descents

LOOP_STEP, LOOP_RUN, LOOP_ENTRY = 80e-6, 2e-6, 2.2e-9
"""Seconds that the loop takes for a step, for each run in it, and for an entry of the design that a run reads, about: `python
benchmarks/engine_choice.py` measures them."""

STEP, ENTRY, EPOCH = 0.8e-6, 1.2e-9, 250e-6
"""Seconds that compiled code takes for a run's step, for an entry of the design, and for an epoch of minibatches."""

WORTH = 0.5
"""Seconds to be saved from which compiled code pays: more than it takes to compile."""


@dataclass(frozen=True)
class Engine:
    """One way to take the steps of some descents: `chunks` of them, or the loop's single ones with a last one at θ_N.

    cost: about how many seconds so many steps of all runs together take, counted from their sizes.
    """

    name: str
    chunks: Callable[[Descents], Iterator[Chunk | Step]]
    cost: Callable[[Descents, float], float]


def _loop(work: Descents) -> Iterator[Step]:
    batches = work.batching if work.given is None else work.given
    lr, schedule, last = float(work.lr[0]), work.schedules[0], work.batching.max_steps
    rule, objective = work.rules[0], work.objective
    return descend(objective, rule, batches, lr=lr, schedule=schedule, max_steps=last, resume=work.resume)


def _fused(work: Descents) -> Iterator[Chunk]:
    from steepest.engines import compiled  # which imports what compiles

    return compiled.chunks(work)


def _looped(work: Descents, updates: float) -> float:
    entries = (work.batching.size or work.batching.rows) * work.theta.shape[1]
    return updates * (LOOP_STEP / len(work) + LOOP_RUN + LOOP_ENTRY * entries)


def _compiled(work: Descents, updates: float) -> float:
    batching = work.batching
    epochs = 0.0 if batching.size is None else updates / len(work) / batching.steps_per_epoch
    entries = (batching.size or batching.rows) * work.theta.shape[1]
    return updates * (STEP + ENTRY * entries) + epochs * EPOCH


LOOP = Engine("loop", _loop, _looped)
BATCHED = Engine("batched", batched.chunks, _looped)
FUSED = Engine("fused", _fused, _compiled)
GRAPHED = Engine("graphed", cuda_graph.chunks, _looped)


ENGINES = {engine.name: engine for engine in (LOOP, BATCHED, FUSED, GRAPHED)}
"""Name → engine."""


def choose(work: Descents, updates: float | None = None, worth: float | None = None) -> Engine:
    """The engine that takes the steps soonest.

    updates: steps of all runs together, where some end before the others. worth: seconds to be saved from which compiled
    code is compiled (WORTH).
    """
    updates = work.updates if updates is None else updates
    own = (work.together is not None and work.together.own) or waits(work.schedules)
    kinds = [one.innermost.kind for one in work.kinds]
    own = own or any(one.together is not None for one in work.kinds)
    own = own or (work.batching.shuffle == "draws" and any(kind and kind.keeps_rows for kind in kinds))
    if work.given is None and not own and all(compilable.can_run(work.objective, rule) for rule in work.kinds):
        saved = _looped(work, updates) - _compiled(work, updates) if isfinite(updates) else updates
        if saved >= (WORTH if worth is None else worth):
            return FUSED
    if work.together is not None:
        return BATCHED
    alone = work.given is not None or waits(work.schedules) or work.batching.windows is not None
    return GRAPHED if not alone and cuda_graph.can_run(work.objective, work.rules[0]) else LOOP


def shown_of(work: Descents, engine: Engine) -> Iterator[Chunk | Step]:
    """What an engine shows of some descents, averaged where they are to be."""
    if work.averages is None:
        return engine.chunks(work)
    begun = None
    if work.resume is not None:
        state = like({"inner": None, "average": None}, work.resume.state)
        work.resume, begun = work.resume._replace(state=state["inner"]), state["average"]
    shown: Any = engine.chunks(work)
    if engine is LOOP:
        mean = None if begun is None else like(work.objective.theta, begun, "average")
        return averaged(shown, work.objective, work.averages[0], mean)
    sums = np.zeros(()) if begun is None or not np.ndim(begun) else np.zeros(tuple(work.theta.shape))
    return averaged_chunks(shown, work.averages, work.theta, sums if begun is None else like(sums, begun, "average"))
