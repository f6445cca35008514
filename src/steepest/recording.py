"""The trace of a fit: what `record` asks for, and how it is shown in user units."""

from __future__ import annotations

from dataclasses import replace
from math import inf

from steepest.defaults import Plan
from steepest.descent.trace import Recorder, Trace
from steepest.errors import SpecError
from steepest.settings import Spec

RECORD = 10_000  # rows that a trace keeps where `record` names parameters instead


def recorder_of(
    spec: Spec, made: Plan, budget: int | None = None, runs: int | None = None, steps: float = inf
) -> Recorder:
    """A recorder of what `record` asks for, of so many updates. SpecError if it names parameters that there are none of."""
    chosen = _chosen(spec, made)
    rows = spec.record if isinstance(spec.record, int) else RECORD
    # in other coordinates every entry of c is in every parameter, so that they are chosen afterwards
    keep = chosen if made.to_user is None else []
    return Recorder(len(made.objective.theta), made.objective.theta, rows, keep, runs, budget, steps)


def trace_of(spec: Spec, made: Plan, recorder: Recorder) -> Trace:
    """What was recorded, θ in user units; of the parameters only those chosen, if any were."""
    chosen = _chosen(spec, made)
    names = [made.names[i] for i in chosen] if chosen else made.names
    if made.to_user is None or not chosen:
        return recorder.trace(names, made.to_user)
    whole = recorder.trace(made.names, made.to_user)
    return replace(whole, names=tuple(names), theta=whole.theta[:, chosen])


def _chosen(spec: Spec, made: Plan) -> list[int]:
    names = spec.record if isinstance(spec.record, tuple) else ()
    known = made.user_names or made.names
    if unknown := [name for name in names if name not in known]:
        raise SpecError(f"record= names {unknown[0]!r}, which is no parameter here: {', '.join(known[:8])}.")
    if known != made.names:
        return []  # each of them is made of all that are recorded
    return [made.names.index(name) for name in names]
