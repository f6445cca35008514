"""The objective at many θ in one pass: what surfaces and paths are drawn from.

    F(θ) for θ [m, p]   →   [m]

The linear family is one matrix product for all points; a module is run once for all of them (`torch.func.vmap`). Where
there are too many rows for that, evenly spread ones stand for all, and `Landscape.note` says so.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from steepest.descent.objective import LinearObjective, ModuleObjective
from steepest.errors import FitError
from steepest.planning import linear_problem, targets
from steepest.problem import losses
from steepest.views.rows import evenly, training

if TYPE_CHECKING:
    from steepest.problem.tables import Dataset
    from steepest.result import Fit

MOST_VALUES = 40_000_000
"""Points times rows for which the linear family is evaluated."""

MOST_PRODUCTS = 10_000_000_000
"""Points times rows times parameters for a module."""

AT_ONCE = 2_000_000
"""Points times rows in memory at a time."""


@dataclass(frozen=True)
class Landscape:
    """F as a function of many θ, on `rows` of `total` rows; `loss` is its name."""

    values: Callable[[np.ndarray], np.ndarray]
    rows: int
    total: int
    loss: str

    @property
    def note(self) -> str:
        """Which rows it is computed from; "" if from all."""
        return "" if self.rows == self.total else f"The loss is computed from {self.rows:,} of {self.total:,} rows."


def landscape(fit: Fit, loss: Any = None, points: int = 2_500) -> Landscape:
    """The objective of a fit, or of the same model under another loss, penalty included.

    Args:
        loss: any loss that the target allows; None is the fit's own.
        points: how many θ are to be evaluated; it decides whether rows are left out.

    Raises:
        FitError: the fit has no rows. SpecError, DataError: the loss does not suit them.
    """
    kind = fit.loss_function if loss is None else losses.loss(loss)
    data = training(fit)
    budget = MOST_VALUES // points if fit.terms is not None else MOST_PRODUCTS // (points * len(fit.names))
    index = evenly(data.rows, max(budget, 50))
    rows = data if len(index) == data.rows else data.take(index)
    values = _linear(fit, rows, kind) if fit.terms is not None else _module(fit, rows, kind)
    return Landscape(values, rows.rows, fit.rows, str(kind))


def _linear(fit: Fit, rows: Dataset, loss: losses.Loss) -> Callable[[np.ndarray], np.ndarray]:
    if fit.terms is None:
        raise FitError("This fit is not of the linear family.")
    objective = LinearObjective(linear_problem(fit.spec, rows, fit.terms, loss))

    def values(theta: np.ndarray) -> np.ndarray:
        parts = torch.as_tensor(theta).split(max(1, AT_ONCE // (rows.rows * objective.outputs)))
        return torch.cat([objective.value(part) + objective.penalty(part) for part in parts]).numpy()

    return values


def _module(fit: Fit, rows: Dataset, loss: losses.Loss) -> Callable[[np.ndarray], np.ndarray]:
    objective = module_objective(fit, rows, loss)
    size = max(1, AT_ONCE // (rows.rows * max(1, round(len(fit.names) ** 0.5))))
    together = torch.func.vmap(objective.value, chunk_size=size)

    def values(theta: np.ndarray) -> np.ndarray:
        points = torch.as_tensor(theta)
        try:
            value = together(points)
        except (RuntimeError, ValueError):  # a module that cannot be run for many θ at once
            value = torch.stack([objective.value(point) for point in points])
        return (value + objective.penalty(points)).numpy()

    return values


def module_objective(fit: Fit, rows: Dataset, loss: losses.Loss) -> ModuleObjective:
    """A module's objective on some rows, in float64, on a copy of the module."""
    if fit.network is None:
        raise FitError("This fit has lost its model; load it with its module.")
    target, _ = targets(rows, loss)
    weights = None if rows.weights is None else torch.as_tensor(rows.weights / rows.weights.mean())
    x = torch.as_tensor(rows.x, dtype=torch.float64)
    module = copy.deepcopy(fit.network).cpu().double()
    return ModuleObjective(module, loss, x, torch.as_tensor(target), weights, losses.penalty(fit.spec.penalty))
