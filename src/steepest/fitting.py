"""`fit()`: a problem in, a `Fit` out.

    spec, data, test = described(…)         settings, any table → numbers        fit_data.py, data/tables.py
    plan = defaults.plan(spec, data)        every "auto" decided                 defaults.py
    watched(…)                              the descent, recorded and stopped    engines/, monitor.py
    Fit                                     θ in user units, the trace, and the exact answer beside it     result.py

The exact answer is never looked at before the descent has ended.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from dataclasses import replace
from math import inf
from os import PathLike
from typing import Any, Protocol, Unpack

import numpy as np

from steepest import streamed_scores, user_units
from steepest.checkpoints.folder import Checkpoints, claimed_by_first
from steepest.checkpoints.run_settings import begun_with
from steepest.checkpoints.tree import Unlike
from steepest.data.dataset import Dataset
from steepest.data.loaders import is_source, unpacked
from steepest.defaults import needs_torch, plan
from steepest.descent import local_steps
from steepest.descent.chunk import Chunk
from steepest.descent.loop import Step
from steepest.descent.schedule_factors import at_rate
from steepest.descent.stopping import Ending, Limits, Status
from steepest.descent.trace import Trace
from steepest.engines.choice import Engine
from steepest.engines.descents import Descents
from steepest.engines.threads import of_one_order
from steepest.errors import RunError, SpecError
from steepest.fit_data import described, formula_first, source_of
from steepest.held_out import parted, rows_apart
from steepest.model.extended_squares import ExtendedSquares
from steepest.model.tall_curvature import IllConditioned
from steepest.model.tall_objective import TallObjective
from steepest.monitor import Ended, Monitor, Progress, watched
from steepest.planned import Plan
from steepest.ranks.alike import begun_alike
from steepest.ranks.group import ALONE, current, shared
from steepest.recording import last_finite, trace_of, why_diverged
from steepest.result import Fit
from steepest.run_record import FILES
from steepest.scoring import Measured
from steepest.settings import Spec
from steepest.settings_table import EACH_ROW, Settings, takes_settings

__all__ = ["Fit", "fit", "run"]


class Follower(Protocol):
    """Who goes along with a descent."""

    def begin(self, made: Plan) -> Plan:
        """The plan to follow, before its first step."""
        ...

    def ask(self, step: Step) -> bool:
        """Whether to end before this update."""
        ...


@takes_settings()
def fit(
    x: Any = None,
    y: Any = None,
    *,
    batches: Iterable[Any] | None = None,
    progress: Progress | None = None,
    out: str | PathLike[str] | Checkpoints | None = None,
    overwrite: bool = False,
    checkpoint_every: float | None = None,
    **settings: Unpack[Settings],
) -> Fit:
    """Fit a model by gradient descent, and keep every step.

    With nothing but the data it is right to the last digits, whatever the units of the columns.

    Args:
        x, y: `[n, d]` or `[n]`, and `[n]` (or `[n, m]` targets); or x any table, and `target` a column of it; or x a
            `DataLoader` or dataset of pairs (x, y), read once: a loader's batches, shuffling and `drop_last` are the fit's;
            or x a formula, `"price ~ area + C(city)"`, and y the table.
        {settings}
        batches: a re-iterable of (x, y), one iteration an epoch, in the place of ours (for modules).
        progress: called with every step and the objective last known.
        out: the run's folder: the fit is saved there when it has ended, and on its way too; the same call again goes on
            with a run that was interrupted.
        overwrite: replace a run that is there, unless it is this one, not finished yet.
        checkpoint_every: seconds between two checkpoints of the run on its way; 30 by default.

    Returns:
        A `Fit`. A module given stays as it was; `fit.module` is the fitted one, in its own precision and in evaluation mode.

    Raises:
        DataError: the data are at fault. SpecError: the settings are. RunError: the folder cannot be written, holds a finished
            run, or one of other settings or data; another process fits into it.

    Example:
        >>> result = fit([0.0, 1.0, 2.0], [1.0, 3.0, 5.0])
        >>> result.params
        {'intercept': 1.0, 'x': 2.0}
    """
    if isinstance(out, Checkpoints):  # whose folder is claimed already, and saved to by whoever did
        return kept_fit(x, y, settings, batches, progress, out)
    if out is not None:
        with claimed_by_first(out, overwrite, FILES, checkpoint_every) as kept:
            done = kept_fit(x, y, settings, batches, progress, kept)
            if kept.writes:
                done.save(out, overwrite=True)  # whatever is there was refused before
        return done
    if checkpoint_every is not None:
        raise SpecError("checkpoint_every= says how often a run is kept on its way: give its folder, out='runs/first'.")
    return kept_fit(x, y, settings, batches, progress, None)


def kept_fit(
    x: Any,
    y: Any,
    settings: Mapping[str, Any],
    batches: Iterable[Any] | None,
    progress: Progress | None,
    kept: Checkpoints | None,
) -> Fit:
    """What `fit` does, its run kept on its way; not saved when it has ended."""
    x, y, asked = formula_first(x, y, settings)
    apart, given = rows_apart(asked)
    rows, goals, given, batches, said = unpacked(x, y, given, batches)
    with shared() as group:
        begun_alike(group, settings)
        spec, train, test, notes = described(rows, goals, given)
        if spec.sync_every is not None:
            local_steps.check(spec.sync_every, group)
        done = run(spec, train, test, (*notes, *said), batches, progress, validation=apart, kept=kept)
        if group.size > 1 and train.stream is not None:
            _ = done.exact  # its passes are shared too
    if y is None and batches is None and all(isinstance(settings.get(name), str | None) for name in EACH_ROW):
        done.source = source_of(x)
    done.table = x if done.source is None and not is_source(x) else None
    return done


def run(
    spec: Spec,
    train: Dataset,
    test: Dataset | None = None,
    notes: tuple[str, ...] = (),
    batches: Iterable[Any] | None = None,
    progress: Progress | None = None,
    budget: int | None = None,
    validation: Any = None,
    follower: Follower | None = None,
    kept: Checkpoints | None = None,
    again: tuple[Engine, float] | None = None,
) -> Fit:
    """Descend as `spec` says, on rows that are ready.

    budget: bytes for the trace, where that is less than usual. validation: rows to stop by, where the settings do not name them.
    follower: may change the plan, and is asked at every step. kept: the run's folder. again: of a replay engine and last step.
    """
    if train.stream is not None:
        spec = spec.model_copy(update={"stream": True})  # so that the run says how its rows were read
    ranked = current() is not ALONE
    together = train.stream is not None or ranked
    with of_one_order(ranked or needs_torch(spec, train)) if together else nullcontext():
        train, stopping, notes = parted(spec, train, notes, validation)
        began = time.perf_counter()
        if kept is not None:
            kept.begin(begun_with(spec, train, test, stopping))
            notes = (*notes, *kept.notes)

        def descended(in_place: bool) -> Fit:
            made = plan(spec, train, batches, in_place)
            if spec.sync_every is not None and current() is not ALONE:
                rule = local_steps.local(made.rule, spec.sync_every, made.objective, made.batching, spec.averaging)
                made = replace(made, rule=rule, notes=(*made.notes, local_steps.said_of(rule)))
            made = made if follower is None else follower.begin(made)
            ask = None if follower is None else follower.ask
            if kept is not None:
                made = kept_to(made, kept, in_place)
            work = Descents.one(
                made.objective, made.rule, made.batching, made.lr, made.schedule, made.given, made.averages
            )
            limits = Limits.of([(spec.tol, spec.patience, made.batching, made.rule)], made.full_batch)
            watching = budget, after if progress else None, ask, kept
            (came,), engine = watched(spec, made, work, limits, test, stopping, *watching, *(again or (None, inf)))
            seconds = time.perf_counter() - began if kept is None else kept.seconds
            done = finished(spec, made, *came, engine, seconds, train, test, notes)
            done.validation = stopping
            if (
                isinstance(made.objective, (TallObjective, ExtendedSquares))
                and done.ending.status is not Status.DIVERGED
            ):
                done.measured = Measured.of(made.objective, train.offset if made.loss.of_residual else None)
            if train.stream is not None and done.ending.status is not Status.DIVERGED:
                done.measured = streamed_scores.measured(done, made.objective)
            return done

        def after(monitor: Monitor, shown: Step | Chunk) -> None:
            step = shown.step(0, shown.steps - 1) if isinstance(shown, Chunk) else shown
            if progress is not None:
                progress(step, float(np.ravel(monitor.known)[0]))

        try:
            return descended(in_place=kept is None or kept.found is None or kept.found["in_place"])
        except IllConditioned:  # known once the curvature is: the columns need other coordinates
            if kept is not None:
                kept.found = None
            return descended(in_place=False)
        except Unlike as error:
            raise (RunError(str(error)) if kept is None else kept.damaged(str(error))) from error


def kept_to(made: Plan, kept: Checkpoints, in_place: bool) -> Plan:
    """The plan of a run, with the rate that it was begun with: a library may have chosen another one by its last digits."""
    lr = made.lr if kept.found is None else kept.found["lr"]
    kept.made = {"in_place": in_place, "lr": float(lr)}
    return made if lr == made.lr else replace(made, lr=lr, schedule=at_rate(made.schedule, lr))


def end_of(spec: Spec, made: Plan, group: Ended, place: int) -> tuple[np.ndarray, Trace, Ending]:
    """θ and the trace of a run in user units, and how it ended: of one that diverged the last θ that is finite, and why.

    group, place: the runs that it ended with, and which of them it is.
    """
    recorder, ending = group.recorder.only(place), group.endings[place]
    trace = trace_of(spec, made, recorder)
    theta = group.theta[place] if made.to_user is None else made.to_user(group.theta[place])
    if ending.status is Status.DIVERGED:
        theta = last_finite(trace, theta)
        ending = Ending(ending.status, *why_diverged(spec, made, recorder))
    return theta, trace, ending


def finished(
    spec: Spec,
    made: Plan,
    group: Ended,
    place: int,
    engine: str,
    seconds: float,
    train: Dataset,
    test: Dataset | None,
    notes: tuple[str, ...],
) -> Fit:
    """A descent that has ended, in user units."""
    theta, trace, ending = end_of(spec, made, group, place)
    done_fit = Fit(
        spec=spec,
        schema=train.schema,
        names=list(made.names),
        theta=theta,
        trace=trace,
        ending=ending,
        steps=group.steps,
        epochs=group.epochs,
        seconds=seconds,
        rows=train.of_rows,
        test_rows=0 if test is None else test.rows if train.stream is None else train.stream.test_rows,
        loss_function=made.loss,
        optimizer=made.optimizer,
        precondition=made.precondition,
        schedule=made.schedule_name,
        lr=made.lr,
        engine=engine,
        notes=(*notes, *made.notes),
        terms=made.terms,
        network=made.module,
        kind=made.kind,
        train=train,
        test=test,
    )
    if made.problem is not None:
        done_fit.problem = made.problem
    if made.terms is None or not made.terms.centre:
        return done_fit
    names = list(made.user_names)
    done_fit.notes = (*done_fit.notes, user_units.note(done_fit, names))
    return user_units.in_user_units(done_fit, names, spec)
