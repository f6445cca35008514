"""A descent under way and its checkpoints: where it stands, written down on its way, and gone on from.

A checkpoint holds what the engine needs before a step or a chunk (θ, the rule's memory, …), and what the monitor has seen up to
there: it is written before that step or chunk is looked at. So whoever goes on from it shows the same steps, and sees the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from steepest.checkpoints.folder import Checkpoints
from steepest.checkpoints.tree import Unlike, like
from steepest.data.batching import External
from steepest.data.passes import PassLeft, left_where
from steepest.descent import recorder_state
from steepest.descent.chunk import Chunk
from steepest.descent.loop import Position, Step, held
from steepest.descent.stopping import Status, interruptible
from steepest.engines.choice import ENGINES, Engine
from steepest.engines.descents import Descents
from steepest.model.stream_objective import StreamObjective
from steepest.ranks.group import ALONE, current

if TYPE_CHECKING:
    from steepest.monitor import Monitor

SEEN = ("glanced", "t", "epoch", "lr", "known")
"""What a monitor keeps beside its recorder and its stopper."""


def engine(kept: Checkpoints | None) -> Engine | None:
    """The engine that takes the steps of a run that is gone on with; None where there is none to go on with."""
    return None if kept is None or kept.found is None else ENGINES.get(kept.found["engine"])


def join(monitor: Monitor, kept: Checkpoints, by: Engine) -> None:
    """Have a single run written down on its way; where it was under way, monitor and engine go on from there.

    Raises:
        Unlike: the checkpoint is of another descent.
    """
    monitor.kept, work, found = kept, monitor.work, kept.found
    work.kept, kept.engine = True, by.name
    if found is None:
        return
    if monitor.seconds is not None:
        monitor.seconds = max(monitor.seconds - found["seconds"], 0.0)
    (t, epoch, index), state = found["position"], found["state"]
    ours = work.given is None and (epoch, index) != divmod(t, work.batching.steps_per_epoch)
    if min(t, epoch, index) < 0 or ours:
        raise Unlike(f"position is {found['position']}")
    parts = like({"engine": None, "monitor": None}, state)
    _take_up(monitor, parts["monitor"])
    work.resume = Position(t, epoch, index, parts["engine"])


@contextmanager
def asked_to_end(monitor: Monitor) -> Iterator[Callable[[], Status | None]]:
    """Why to end, from outside: where ranks add up every batch together, what all of them know of.

    Ctrl-C leaves a pass over files, which may take long: the run then ends at the step that it stood at before.
    """
    passes = isinstance(monitor.objective, StreamObjective)
    group = current() if passes or monitor.work.batching.windows is not None else ALONE
    with (
        interruptible(monitor.seconds) as reason,
        group.agreed(reason, (Status.SECONDS, Status.INTERRUPTED)) as told,
        left_where(lambda: reason() is Status.INTERRUPTED) if passes else nullcontext(),
    ):
        try:
            yield told
        except PassLeft:
            if monitor.shown is None:
                raise KeyboardInterrupt from None
            if monitor.kept is not None:
                monitor.kept.put_held()
            monitor.end_at(monitor.shown)


def before(monitor: Monitor, one: Step | Chunk, why: Status | None) -> Status | None:
    """The reason to end at this step or chunk; a checkpoint is written of where the run stood before it, if one is due."""
    if why is None and one.t + (one.steps - 1 if isinstance(one, Chunk) else 0) >= monitor.until:
        why = Status.INTERRUPTED
    checkpoint(monitor, one, why)
    if isinstance(monitor.objective, StreamObjective) and isinstance(one, Step):
        monitor.shown = one.copy()
    return why


def checkpoint(monitor: Monitor, one: Step | Chunk, why: Status | None) -> None:
    """Where the run is kept, write down how far it is before this step or chunk is looked at: if it is time, or the last chance.

    why: the reason to end, if there is one.
    """
    batch, work, kept = one.batch, monitor.work, monitor.kept
    if kept is None:
        return
    if batch is None or (isinstance(work.given, External) and batch.index) or work.rules[0].together is False:
        return  # it is at its end; or inside an epoch that can only be begun again; or each rank has a θ of its own
    whole = one.whole if isinstance(one, Chunk) else batch.rows is None and batch.data is None
    steps = one.steps if isinstance(one, Chunk) else 1
    last = work.batching.windows is not None and one.t + steps == work.batching.steps  # a pass over all rows follows
    now = why is Status.INTERRUPTED or last or kept.due(batch.index == 0 and not whole)
    if now or isinstance(monitor.objective, StreamObjective):
        state = one.state if isinstance(one, Chunk) else _of_step(work, one)
        keep = kept.write if now else kept.hold
        keep((one.t, batch.epoch, batch.index), {"engine": state, "monitor": _state(monitor)})


def _of_step(work: Descents, step: Step) -> dict[str, Any]:
    state = held(step, work.rules[0], work.objective)
    if work.averages is None:
        return state
    return {"inner": state, "average": step.theta if step.t >= work.averages[0] else None}


def _state(monitor: Monitor) -> dict[str, Any]:
    own = {name: getattr(monitor, name) for name in SEEN}
    return own | {"recorder": recorder_state.state_of(monitor.recorder), "stopper": monitor.stopper.state()}


def _take_up(monitor: Monitor, state: Any) -> None:
    seen = like(_state(monitor) | {"recorder": None, "stopper": None}, state, "monitor")
    recorder_state.take_up(monitor.recorder, seen.pop("recorder"))
    monitor.stopper.take_up(seen.pop("stopper"))
    vars(monitor).update(seen)
