"""The trace of a fit: what `record` asks for, θ in user units, and what it says of a descent that diverged."""

from __future__ import annotations

from dataclasses import replace
from math import inf
from typing import Any

import numpy as np

from steepest.analysis.batch_gradients import check, quantities
from steepest.analysis.learning_rate import steady_lr
from steepest.descent.trace import Recorder, Trace
from steepest.errors import SpecError
from steepest.formulas.quantities import QUANTITIES
from steepest.lazy import Tensor, torch
from steepest.model.linear_objective import LinearObjective
from steepest.planned import Plan
from steepest.settings import Spec

RECORD = 10_000  # rows that a trace keeps where `record` names parameters instead


def recorder_of(
    spec: Spec, made: Plan, budget: int | None = None, runs: int | None = None, steps: float = inf
) -> Recorder:
    """A recorder of what `record` asks for, of so many updates. SpecError if it names parameters that there are none of."""
    chosen = _chosen(spec, made)
    for name in _asked(spec):
        check(name, made.objective)
    rows = spec.record if isinstance(spec.record, int) else RECORD
    # in other coordinates every entry of c is in every parameter, so that they are chosen afterwards
    keep = chosen if made.to_user is None and not _asked(spec) else []
    return Recorder(len(made.objective.theta), made.objective.theta, rows, keep, runs, budget, steps)


def trace_of(spec: Spec, made: Plan, recorder: Recorder) -> Trace:
    """What was recorded, θ in user units; of the parameters only those chosen, if any were."""
    chosen, asked = _chosen(spec, made), _asked(spec)
    names = [made.names[i] for i in chosen] if chosen else made.names
    if made.to_user is None and not asked:
        return recorder.trace(names)
    whole = recorder.trace(made.names, made.to_user)
    if asked:
        whole = _with_quantities(whole, spec, made, recorder, asked)
    return replace(whole, names=tuple(names), theta=whole.theta[:, chosen]) if chosen else whole


def _asked(spec: Spec) -> tuple[str, ...]:
    """The quantities that `record` names."""
    return tuple(name for name in QUANTITIES if isinstance(spec.record, tuple) and name in spec.record)


def _with_quantities(whole: Trace, spec: Spec, made: Plan, recorder: Recorder, asked: tuple[str, ...]) -> Trace:
    """The trace with those quantities of each recorded step. SpecError where the batches are of another kind."""
    if made.given is not None:
        raise SpecError(
            f"record={asked[0]!r} is of batches that can be dealt again, and these came from batches= of yours."
        )
    plain = recorder.trace(made.names)
    if not plain.theta.shape[1]:
        raise SpecError(
            f"record={asked[0]!r} is found from the trace's θ, and there are too many parameters to keep it."
        )
    found: Any = quantities(asked, made.objective, replace(made.batching, seed=spec.seed), plain.step, plain.theta)
    return replace(whole, **found)


def _chosen(spec: Spec, made: Plan) -> list[int]:
    names = [name for name in spec.record if name not in QUANTITIES] if isinstance(spec.record, tuple) else []
    known = made.user_names or made.names
    if unknown := [name for name in names if name not in known]:
        raise SpecError(f"record= names {unknown[0]!r}, which is no parameter here: {', '.join(known[:8])}.")
    if known != made.names:
        return []  # each of them is made of all that are recorded
    return [made.names.index(name) for name in names]


# ---- of a descent that diverged --------------------------------------------------------------------


def last_finite(trace: Trace, theta: np.ndarray) -> np.ndarray:
    """θ, or if it is not finite the last recorded one that is."""
    if np.isfinite(theta).all() or not trace.theta.shape[1]:
        return theta
    fine = np.isfinite(trace.theta).all(1)
    return trace.theta[fine][-1] if fine.any() else trace.theta[0]


def why_diverged(spec: Spec, made: Plan, recorder: Recorder) -> tuple[str, str]:
    """When it began; and what is at fault, with a rate that would hold."""
    trace = recorder.trace(made.names)
    bad = ~np.isfinite(trace.loss) | (trace.loss > 10 * max(trace.objective[0], trace.loss[0]))
    began = int(trace.step[np.argmax(bad)]) if bad.any() else int(trace.step[-1])
    safe = _rate_that_holds(spec, made, trace)
    advice = f"Lower the learning rate: lr={safe:.2g} is stable." if safe > 0.0 else "Lower the learning rate."
    if made.problem is not None and made.precondition == "none":
        squares = (made.problem.design**2).mean(0)
        worst = int(np.argmax(squares))
        if squares[worst] > 10 * np.median(squares):
            name = made.terms.names[worst] if made.terms is not None else str(worst)
            advice = f"Try precondition='standardize', lr='auto': the column {name!r} has by far the largest values."
    return f"It began to grow at step {began}.", advice


def _rate_that_holds(spec: Spec, made: Plan, trace: Trace) -> float:
    """Where the curvature is known the rate of lr="auto"; else one whose first step would at most win all of F."""
    if not trace.theta.shape[1]:
        return made.lr / 100.0
    inner, objective, theta = made.rule.innermost, made.objective, made.objective.theta
    start = torch.as_tensor(trace.theta[0]).to(theta) if isinstance(theta, Tensor) else trace.theta[0]
    if isinstance(objective, LinearObjective) and inner.linear:
        safe = steady_lr(objective, start, made.batching.size)
        return 0.9 * safe * (1.0 - inner.momentum)
    theta[...] = start
    gradient = objective.value_and_grad(theta)[1]
    length = float((gradient**2).sum() if inner.linear else abs(gradient).sum())
    return min(float(trace.objective[0]) / length, made.lr / 100.0) if length > 0.0 else made.lr / 100.0
