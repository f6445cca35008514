"""What a recorder has kept so far, as numbers and arrays, and back: for a descent that is interrupted."""

from __future__ import annotations

from typing import Any

import numpy as np

from steepest.checkpoints.tree import Unlike, like
from steepest.descent.trace import Recorder


def state_of(recorder: Recorder) -> dict[str, Any]:
    """All that was kept so far; nothing is copied."""
    used, strides = len(recorder), (recorder.stride, recorder.marked_stride, recorder._marked)
    numbers, theta = recorder._numbers[..., :used, :], recorder._theta[..., :used, :]
    columns = {"numbers": numbers, "theta": theta, "lr": recorder._lr[..., :used], "steps": recorder._steps[:used]}
    return columns | {"strides": strides}


def take_up(recorder: Recorder, state: Any) -> None:
    """Go on from what another one of the same kind has kept. Unlike where that is something else."""
    used = len(state["steps"]) if isinstance(state, dict) and isinstance(state.get("steps"), np.ndarray) else -1
    if not 0 <= used <= recorder.capacity:
        raise Unlike("trace has no steps")
    recorder._grow(used)
    recorder._rows = used
    kept = like(state_of(recorder), state, "trace")
    if min(kept["strides"][:2]) < 1:
        raise Unlike("trace.strides must be 1 or more")
    recorder.stride, recorder.marked_stride, recorder._marked = kept["strides"]
    recorder._steps[:used], recorder._lr[..., :used] = kept["steps"], kept["lr"]
    recorder._numbers[..., :used, :], recorder._theta[..., :used, :] = kept["numbers"], kept["theta"]
