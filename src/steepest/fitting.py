"""`fit()`: a problem in, a `Fit` out.

    data, test = prepare(…)                 any table → numeric columns          data/tables.py
    plan = defaults.plan(spec, data)        every "auto" decided                 defaults.py
    watched(…)                              the descent, recorded and stopped    engines/, monitor.py
    Fit                                     θ in user units, the trace, and the exact answer beside it     result.py

The exact answer is never looked at before the descent has ended.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from math import inf
from os import PathLike
from typing import Any, Protocol, Unpack

import numpy as np

from steepest import streamed_scores, user_units
from steepest.checkpoints.folder import Checkpoints, claimed
from steepest.checkpoints.run_settings import begun_with
from steepest.checkpoints.tree import Unlike
from steepest.data import streams
from steepest.data.dataset import Dataset
from steepest.data.first_pass import learned
from steepest.data.loaders import is_source, unpacked
from steepest.data.offsets import Added
from steepest.data.reading import Reading
from steepest.data.row_groups import RowGroups
from steepest.data.tables import prepare
from steepest.data.wording import counted
from steepest.defaults import plan
from steepest.descent.chunk import Chunk
from steepest.descent.loop import Step
from steepest.descent.schedule_factors import at_rate
from steepest.descent.stopping import Ending, Limits, Status
from steepest.descent.trace import Trace
from steepest.engines.choice import Engine
from steepest.engines.descents import Descents
from steepest.errors import DataError, RunError, SpecError
from steepest.held_out import parted, rows_apart
from steepest.lazy import Tensor
from steepest.model.automatic_loss import wants_classes
from steepest.model.extended_squares import ExtendedSquares
from steepest.model.labels import check_ignored, check_trials, is_own, numbered, shaped
from steepest.model.modules import LINEAR
from steepest.model.tall_curvature import IllConditioned
from steepest.model.tall_objective import TallObjective
from steepest.monitor import Ended, Monitor, Progress, watched
from steepest.planned import Plan
from steepest.recording import last_finite, trace_of, why_diverged
from steepest.result import Fit
from steepest.run_record import FILES
from steepest.scoring import Measured
from steepest.settings import Spec, formula_sides, is_label
from steepest.settings_table import EACH_ROW, SETTINGS, Settings, takes_settings

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
        with claimed(out, overwrite, FILES, checkpoint_every) as kept:
            done = kept_fit(x, y, settings, batches, progress, kept)
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
    spec, train, test, notes = described(rows, goals, given)
    done = run(spec, train, test, (*notes, *said), batches, progress, validation=apart, kept=kept)
    if y is None and batches is None and all(isinstance(settings.get(name), str | None) for name in EACH_ROW):
        done.source = source_of(x)
    done.table = x if done.source is None and not is_source(x) else None
    return done


def formula_first(x: Any, y: Any, settings: Mapping[str, Any]) -> tuple[Any, Any, Mapping[str, Any]]:
    """x, y and settings where x is a formula and y the table behind it: a text with ~ that is the path of no file.

    >>> formula_first("price ~ area", {"price": [1.0]}, {})
    ({'price': [1.0]}, None, {'formula': 'price ~ area'})
    """
    if not isinstance(x, str) or "~" not in x or y is None or os.path.exists(os.path.expanduser(x)):
        return x, y, settings
    if settings.get("formula") is not None:
        raise SpecError(f"There are two formulas: {x!r} and formula={settings['formula']!r}. Give one of them.")
    return y, None, {**settings, "formula": x}


def described(x: Any, y: Any, settings: Mapping[str, Any]) -> tuple[Spec, Dataset, Dataset | None, tuple[str, ...]]:
    """A fit's description, the rows to fit, those held out, and what is to be said about them."""
    beside = [settings.get(name) for name in EACH_ROW]
    beside = [str(one) if is_label(one) else one for one in beside]
    given = {name: tuple(value) if is_names(name, value) else value for name, value in settings.items()}
    given |= {name: one if isinstance(one, str) else None for name, one in zip(EACH_ROW, beside, strict=True)}
    spec = Spec.read(given)
    return spec, *data_of(spec, x, y, *beside)


def source_of(x: Any) -> str | None:
    """The path or `sample:NAME` that rows come from, if they can be read from there again."""
    return str(x) if isinstance(x, str | PathLike) and str(x) != "-" else None


def is_names(name: str, value: Any) -> bool:
    """Whether a setting is given as several names, or could be."""
    names = name in SETTINGS and tuple in SETTINGS[name].types
    return names and value is not None and not (isinstance(value, str | int) or is_label(value))


def data_of(
    spec: Spec, x: Any, y: Any, weights: Any, offset: Any = None, exposure: Any = None, trials: Any = None
) -> tuple[Dataset, Dataset | None, tuple[str, ...]]:
    """The rows to fit, those held out, and what is to be said about them."""
    if x is None:
        raise SpecError("fit() needs data: fit(x, y), or fit(table, target='column').")
    check_trials(spec, trials)
    y, classify, said = shaped(y, spec, wants_classes(spec))
    options = {
        "target": list(spec.target) if isinstance(spec.target, tuple) else spec.target,
        "weights": weights,
        "class_weight": spec.class_weight,
        "classify": classify,
        "test_fraction": spec.test_fraction,
        "seed": spec.seed,
        "penalised": spec.penalty != "none",
        "formula": spec.formula,
        "added": Added(offset, exposure, trials),
    }
    if getattr(x, "ndim", 0) > 2 and not isinstance(spec.model, str):
        # images and the like go to the module as they are; only their row numbers go through the table
        images = x.detach().cpu().numpy() if isinstance(x, Tensor) else np.asarray(x)
        numbers = np.arange(len(images), dtype=np.float64) + 0.5
        parts = prepare(numbers, y, **options)
        train, test = (
            None if p is None else replace(p, x=images[p.x[:, 0].astype(int)].astype(np.float64)) for p in parts
        )
    else:
        if (files := streams.wanted(x if y is None else (x, y), spec.stream)) is not None:
            if options["added"]:
                raise SpecError(
                    "offset=, exposure= and trials= are for rows in memory, and these are streamed: stream=False."
                )
            train, test = _from_stream(files, spec, weights, classify)
            train, test = numbered(spec, train, test)
            check_ignored(spec, train, test)
            return train, test, (*train.notes, *said)
        named = spec.target is not None or (spec.formula is not None and formula_sides(spec.formula)[0] is not None)
        if y is None and not named and not (isinstance(x, str) and x.startswith("sample:")):
            raise SpecError("Which column is to be predicted? Name it: target='NAME'.")
        train, test = prepare(
            x,
            y,
            columns=None if spec.columns is None else list(spec.columns),
            drop=list(spec.drop),
            missing=spec.missing,
            reading=Reading.of(spec),
            intercept=spec.intercept,
            keep_ones=is_own(spec),
            share=isinstance(spec.model, str) and spec.model.partition(":")[0] in LINEAR,
            **options,
        )
    if train is None:
        raise DataError("There are no rows to fit.")
    train, test = numbered(spec, train, test)
    check_ignored(spec, train, test)
    return train, test, (*train.notes, *said)


def _from_stream(files: RowGroups, spec: Spec, weights: Any, classify: bool | None) -> tuple[Dataset, Dataset | None]:
    """Some rows of a table that is larger than memory, with the stream that they are of."""
    if spec.target is None:
        raise SpecError("Which column is to be predicted? Name it: target='NAME'.")
    if spec.formula is not None:
        raise SpecError(
            "formula= learns its terms of rows in memory, and these are streamed: name the columns instead, columns=[…], or "
            "model='poly:2'."
        )
    asked = streams.Asked(
        target=spec.target if isinstance(spec.target, str) else list(spec.target),
        columns=None if spec.columns is None else list(spec.columns),
        drop=list(spec.drop),
        missing=spec.missing,
        reading=Reading.of(spec),
        weights=weights,
        class_weight=spec.class_weight,
        classify=classify,
        test_fraction=spec.test_fraction,
        seed=spec.seed,
        intercept=spec.intercept,
    )
    _, train, test = learned(files, asked)
    size = (
        f"{files.nbytes / 1e9:,.1f} GB in memory" if files.nbytes > 1e8 else f"{files.nbytes / 1e6:,.1f} MB in memory"
    )
    note = (
        f"The rows are read from {counted(len(files.paths), 'file')} pass by pass ({size}): pictures and the diagnosis are of "
        f"{train.rows:,} of them."
    )
    return replace(train, notes=(*train.notes, note)), test


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
    train, stopping, notes = parted(spec, train, notes, validation)
    began = time.perf_counter()
    if kept is not None:
        kept.begin(begun_with(spec, train, test, stopping))
        notes = (*notes, *kept.notes)

    def descended(in_place: bool) -> Fit:
        made = plan(spec, train, batches, in_place)
        made = made if follower is None else follower.begin(made)
        ask = None if follower is None else follower.ask
        if kept is not None:
            made = kept_to(made, kept, in_place)
        work = Descents.one(made.objective, made.rule, made.batching, made.lr, made.schedule, made.given, made.averages)
        limits = Limits.of([(spec.tol, spec.patience, made.batching, made.rule)], made.full_batch)
        watching = budget, after if progress else None, ask, kept
        (came,), engine = watched(spec, made, work, limits, test, stopping, *watching, *(again or (None, inf)))
        seconds = time.perf_counter() - began if kept is None else kept.seconds
        done = finished(spec, made, *came, engine, seconds, train, test, notes)
        done.validation = stopping
        if isinstance(made.objective, (TallObjective, ExtendedSquares)) and done.ending.status is not Status.DIVERGED:
            done.measured = Measured.of(made.objective)
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
