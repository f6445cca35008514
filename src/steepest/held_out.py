"""Rows held out of a descent: a share of the others or rows of their own, and their loss on the way, which may stop it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from os import PathLike
from types import NoneType
from typing import Any

import numpy as np
import pyarrow as pa

from steepest.analysis.exact import certificate as certify
from steepest.data.arrow_columns import first, is_words, null_or_nan
from steepest.data.columns import SourceColumn
from steepest.data.dataset import Dataset
from steepest.data.features import finite_numbers, missing_error, not_numbers
from steepest.data.files import open_table
from steepest.data.in_memory import as_array
from steepest.data.loaders import Sampled, is_source, read
from steepest.data.offsets import NOTHING, Added, numbers_of, of_new_rows, shares
from steepest.data.reading import Reading
from steepest.data.targets import class_factors, class_named, picked, source_of, target_of
from steepest.data.wording import counted, listed, quoted
from steepest.engines.batched import Together
from steepest.errors import DataError, FitError, SpecError
from steepest.model.automatic_loss import wants_classes
from steepest.model.extended_squares import ExtendedSquares
from steepest.model.labels import shaped
from steepest.model.linear_objective import LinearObjective
from steepest.model.module_objective import ModuleObjective
from steepest.model.objective import Objective
from steepest.model.of_fit import linear_problem, targets, tensors
from steepest.model.small_objective import SmallObjective
from steepest.model.sparse_objective import SparseObjective
from steepest.model.stream_objective import StreamObjective
from steepest.model.tall_objective import TallObjective
from steepest.planned import Plan
from steepest.settings import Spec


def held_out(data: Dataset, fraction: float, seed: int) -> tuple[Dataset, Dataset]:
    """The rows to fit, and a share of them held out to stop by; each in its own order."""
    order = np.random.default_rng([seed, 1]).permutation(data.rows)
    count = max(1, round(fraction * data.rows))
    if count >= data.rows:
        raise DataError(f"validation={fraction} leaves no row of {data.rows} to fit.")
    return data.take(np.sort(order[count:])), data.take(np.sort(order[:count]))


def parted(
    spec: Spec, data: Dataset, notes: tuple[str, ...], apart: Any = None
) -> tuple[Dataset, Dataset | None, tuple[str, ...]]:
    """The rows to fit, those to stop by, and what is to be said.

    apart: rows to stop by (see `beside`), where `validation` is neither a share of the rows nor a file of them.
    """
    given = spec.validation if apart is None else apart
    if given is None:
        return data, None, notes
    if isinstance(given, float):
        rest, held = held_out(data, given, spec.seed)
        return rest, held, (*notes, f"{held.rows:,} rows were held out to stop by.")
    try:
        return data, beside(spec, data, given), notes
    except DataError as error:
        raise DataError(f"validation: {error}") from None


def rows_apart(settings: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """The rows that `validation` gives, None where it is a share, a path or nothing, and the settings without them."""
    given, settings = settings.get("validation"), dict(settings)
    if isinstance(given, PathLike):
        return None, settings | {"validation": os.fspath(given)}
    plain = (int, float, str, NoneType)
    if isinstance(given, plain) or (isinstance(given, list | tuple) and all(isinstance(one, plain) for one in given)):
        return None, settings
    return given, settings | {"validation": None}


def beside(spec: Spec, train: Dataset, given: Any) -> Dataset:
    """Other rows for the model of `train`, read as its columns were: of a table with the target, a loader, a dataset, or (x, y).

    Raises:
        DataError: a level or a class that no row to fit has, a missing value or target. SpecError: it holds no rows.
    """
    if isinstance(given, Dataset):
        return given
    weights = None
    if isinstance(given, (tuple, list)) and len(given) == 2:
        x, y = given
    elif is_source(given):
        x, y = _loaded(given)
    elif isinstance(given, (tuple, list)):
        raise SpecError(
            "validation is a share of the rows, a table, a loader or dataset of PyTorch's, or a pair (x, y)."
        )
    else:
        x, y, weights = _of_table(spec, train, given)
    if y is None:
        raise DataError("its rows are x alone, and a fit needs (x, y).")
    goals, numbers = _goals(spec, train, y), None
    if getattr(x, "ndim", 0) > 2:
        columns = as_array(x).astype(np.float64)
    else:
        columns, numbers = train.schema.encoded(x, Reading.of(spec))
    if len(columns) != len(goals):
        raise DataError(f"its rows are {len(columns):,}, and their targets {len(goals):,}.")
    if spec.trials is not None:
        goals, trials = _shares(spec, train, x, goals)
        weights = trials if weights is None else trials * weights
    given_weights = weights
    if spec.class_weight is not None:
        factors = class_factors(spec.class_weight, train.classes, train.y)[goals]
        weights = factors if weights is None else factors * weights
    sources = None if train.sources is None else numbers
    added = of_new_rows(
        train.schema.added, Added(spec.offset, spec.exposure), NOTHING, x, len(columns), Reading.of(spec)
    )
    parts = {"x": columns, "y": goals, "weights": weights, "row_weights": given_weights, "offset": added}
    return replace(train, **parts, places=None, sources=sources)


def _shares(spec: Spec, train: Dataset, x: Any, goals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Successes over the trials of their column, and these."""
    table, origin = open_table(x, reading=Reading.of(spec), requested=[spec.trials])
    trials = numbers_of("trials", spec.trials, table, origin, len(goals), Reading.of(spec))
    return shares(goals, trials, train.targets[0], lambda rows: origin.row(first(rows))), trials


def _loaded(given: Any) -> tuple[Any, Any]:
    """x and y of a loader or a dataset."""
    loaded = read(given)
    if isinstance(loaded.batches, Sampled):
        raise SpecError(
            "The sampler of the loader for validation names rows of a whole dataset. Give the rows to validate by: "
            "validation=DataLoader(Subset(dataset, rows), …)."
        )
    return loaded.x, loaded.y


def _of_table(spec: Spec, train: Dataset, given: Any) -> tuple[Any, pa.Table, np.ndarray | None]:
    """A table with columns, target and weights: the table, its targets and its weights."""
    reading, weight = Reading.of(spec), spec.weights
    text = [column.name for column in train.schema.columns if column.as_text]
    names = [column.name for column in train.schema.columns]
    table, origin = open_table(given, reading=reading, text_columns=text, requested=names)
    sources = [source_of(name, table.column_names) for name in train.targets]
    for name in [*sources, *([] if weight is None else [weight])]:
        if name not in table.column_names:
            raise DataError(
                f"{origin.table} lacks the column {quoted(name)}. Its columns are {listed(table.column_names)}"
            )
    weights = None if weight is None else _numbers(origin.column(weight, table[weight]))
    return given, picked(table, train.targets, origin, reading), weights


def _numbers(column: SourceColumn) -> np.ndarray:
    """The numbers of a target or of weights `[n]`."""
    if is_words(column.kind):
        raise not_numbers(column, remedy="It was numbers in the rows to fit")
    return finite_numbers(column)


def _goals(spec: Spec, train: Dataset, y: Any) -> np.ndarray:
    """The targets of other rows, as those of `train` are: numbers, or codes of its classes."""
    goals = shaped(y, spec, wants_classes(spec))[0]
    table, origin = target_of(goals, Reading.of(spec))
    columns = [origin.column(name, table[name]) for name in table.column_names]
    for column in columns:
        missing = null_or_nan(column.values)
        if missing.any():
            raise missing_error(column, missing, remedy="A target is never filled: leave such rows of validation out")
    if train.classes is None:
        found = [_numbers(column) for column in columns]
        goals = np.column_stack(found) if train.y.ndim == 2 else found[0]
        if goals.shape[1:] != train.y.shape[1:]:
            raise DataError(f"its rows have {counted(len(found), 'target')}, and those to fit {len(train.targets)}.")
        return goals
    labels, codes = np.unique(columns[0].text.to_numpy(zero_copy_only=False).astype(str), return_inverse=True)
    names = [class_named(label, train.classes) for label in labels.tolist()]
    if None in names:
        raise DataError(f"its rows have the class {quoted(labels[names.index(None)])}, which no row to fit has.")
    return np.array([train.classes.index(str(name)) for name in names])[codes]


def scorer(spec: Spec, made: Plan, rows: Dataset, objective: Objective) -> Callable[[Any], Any]:
    """The mean loss on other rows, as a function of θ in the coordinates of the descent.

    objective: the plan's, or for many runs of a module the one of all of them.
    """
    like = made.objective.theta
    if isinstance(made.objective, SparseObjective):
        return made.objective.on(rows.x, targets(rows, made.loss)[0], rows.relative_weights).value
    if made.terms is not None:
        unpenalised = spec.model_copy(update={"penalty": "none"})
        problem = linear_problem(unpenalised, rows, made.terms, made.loss)
        if isinstance(made.objective, (TallObjective, StreamObjective, ExtendedSquares, SmallObjective)):
            user = made.to_user or np.asarray
            return lambda theta: certify.mean_loss(problem, certify.prediction(problem, user(theta)))
        frame = origin = None
        if isinstance(made.objective, LinearObjective) and made.objective.coordinates is not None:
            frame = replace(made.objective.coordinates, basis=problem.design @ made.objective.coordinates.matrix)
            origin = made.objective.origin
        held = LinearObjective(problem, made.names, frame, origin, like.dtype, str(like.device))
        return held.value
    if not isinstance(objective, (ModuleObjective, Together)):
        raise FitError("There is no model to score.")
    return objective.on(*tensors(rows, made.loss, like.dtype, like.device)).value
