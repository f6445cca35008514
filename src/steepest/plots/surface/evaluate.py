"""The objective at many θ in one pass: what surfaces and paths are drawn from.

    F(θ) for θ [m, p]   →   [m]

The linear family is one matrix product for all points; a module is run for each (`module_values.py`). Where there are too
many rows for that, evenly spread ones stand for all, and `SurfaceObjective.note` says so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from steepest.data.thinning import evenly
from steepest.errors import FitError
from steepest.model import losses
from steepest.model.linear_objective import LinearObjective
from steepest.model.loss import Loss
from steepest.model.of_fit import linear_problem
from steepest.plots.drawn import training
from steepest.plots.surface.module_values import MOST_WORK, values_of, work_of

if TYPE_CHECKING:
    from steepest.data.dataset import Dataset
    from steepest.result import Fit

MOST_VALUES = 40_000_000
"""Points times rows for which the linear family is evaluated."""

LEAST_ROWS = 50
"""Rows from which F is computed at least."""

AT_ONCE = 2_000_000
"""Points times rows in memory at a time."""


@dataclass(frozen=True)
class SurfaceObjective:
    """F as a function of many θ, on `rows` of `total` rows; `loss` is its name."""

    values: Callable[[np.ndarray], np.ndarray]
    rows: int
    total: int
    loss: str

    @property
    def note(self) -> str:
        """Which rows it is computed from; "" if from all."""
        return "" if self.rows == self.total else f"The loss is computed from {self.rows:,} of {self.total:,} rows."


def surface_objective(fit: Fit, loss: Any = None, points: int = 2_500) -> SurfaceObjective:
    """The objective of a fit, or of the same model under another loss, penalty included.

    Args:
        loss: any loss that the target allows; None is the fit's own.
        points: how many θ are to be evaluated; it decides whether rows are left out.

    Raises:
        FitError: the fit has no rows. SpecError, DataError: the loss does not suit them.
    """
    kind = fit.loss_function if loss is None else losses.loss(loss)
    data = training(fit)
    work = 0.0 if fit.terms is not None else work_of(fit)
    budget = MOST_VALUES // points if fit.terms is not None else int(MOST_WORK / (points * work))
    index = evenly(data.rows, max(budget, LEAST_ROWS))
    rows = data if len(index) == data.rows else data.take(index)
    values = _linear(fit, rows, kind) if fit.terms is not None else values_of(fit, rows, kind, work)
    return SurfaceObjective(values, rows.rows, fit.rows, str(kind))


def _linear(fit: Fit, rows: Dataset, loss: Loss) -> Callable[[np.ndarray], np.ndarray]:
    if fit.terms is None:
        raise FitError("This fit is not of the linear family.")
    objective = LinearObjective(linear_problem(fit.spec, rows, fit.terms, loss))

    def values(theta: np.ndarray) -> np.ndarray:
        parts = torch.as_tensor(theta).split(max(1, AT_ONCE // (rows.rows * objective.outputs)))
        return torch.cat([objective.value(part) + objective.penalty(part) for part in parts]).numpy()

    return values
