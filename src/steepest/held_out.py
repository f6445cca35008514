"""Rows held out of a descent: parted from the others, and their loss on the way, by which it may be stopped."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from steepest.analysis.exact import certificate as certify
from steepest.data.dataset import Dataset
from steepest.defaults import Plan
from steepest.engines.batched import Together
from steepest.errors import DataError, FitError
from steepest.model.extended_squares import ExtendedSquares
from steepest.model.linear_objective import LinearObjective
from steepest.model.module_objective import ModuleObjective
from steepest.model.objective import Objective
from steepest.model.of_fit import linear_problem, tensors
from steepest.model.tall_objective import TallObjective
from steepest.settings import Spec


def held_out(data: Dataset, fraction: float, seed: int) -> tuple[Dataset, Dataset]:
    """The rows to fit, and a share of them held out to stop by; each in its own order."""
    order = np.random.default_rng([seed, 1]).permutation(data.rows)
    count = max(1, round(fraction * data.rows))
    if count >= data.rows:
        raise DataError(f"validation={fraction} leaves no row of {data.rows} to fit.")
    return data.take(np.sort(order[count:])), data.take(np.sort(order[:count]))


def parted(spec: Spec, data: Dataset, notes: tuple[str, ...]) -> tuple[Dataset, Dataset | None, tuple[str, ...]]:
    """The rows to fit, those held out to stop by where `validation` is a share, and what is to be said."""
    if spec.validation is None:
        return data, None, notes
    rest, held = held_out(data, spec.validation, spec.seed)
    return rest, held, (*notes, f"{held.rows:,} rows were held out to stop by.")


def scorer(spec: Spec, made: Plan, rows: Dataset, objective: Objective) -> Callable[[Any], Any]:
    """The mean loss on other rows, as a function of θ in the coordinates of the descent.

    objective: the plan's, or for many runs of a module the one of all of them.
    """
    like = made.objective.theta
    if made.terms is not None:
        unpenalised = spec.model_copy(update={"penalty": "none"})
        problem = linear_problem(unpenalised, rows, made.terms, made.loss)
        if isinstance(made.objective, (TallObjective, ExtendedSquares)):
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
