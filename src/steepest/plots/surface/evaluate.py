"""The objective at many θ in one pass: what surfaces and paths are drawn from.

    F(θ) for θ [m, p]   →   [m]

The linear family is one matrix product for all points; a module is run for each (`module_values.py`). Where there are too
many rows for that, evenly spread ones stand for all, and `SurfaceObjective.note` says so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from steepest.data.thinning import sampled
from steepest.model import losses
from steepest.model.linear import LinearProblem
from steepest.model.linear_objective import LinearObjective
from steepest.model.of_fit import linear_problem
from steepest.plots.drawn import training
from steepest.plots.surface.module_values import MOST_WORK, values_of, work_of
from steepest.result import Fit

MOST_VALUES = 40_000_000  # points times rows for which the linear family is evaluated
LEAST_ROWS = 50  # rows from which F is computed at least
AT_ONCE = 2_000_000  # points times rows in memory at a time


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
    kind, data = fit.loss_function if loss is None else losses.loss(loss), training(fit)
    if fit.terms is None:
        work = work_of(fit)
        rows = sampled(data, max(int(MOST_WORK / (points * work)), LEAST_ROWS))
        values = values_of(fit, rows, kind, work)
    else:
        rows = sampled(data, max(MOST_VALUES // points, LEAST_ROWS))
        values = _linear(linear_problem(fit.spec, rows, fit.terms, kind))
    return SurfaceObjective(values, rows.rows, fit.rows, str(kind))


def _linear(problem: LinearProblem) -> Callable[[np.ndarray], np.ndarray]:
    objective = LinearObjective(problem)

    def values(theta: np.ndarray) -> np.ndarray:
        parts = torch.as_tensor(theta).split(max(1, AT_ONCE // (len(problem.design) * objective.outputs)))
        return torch.cat([objective.value(part) + objective.penalty(part) for part in parts]).numpy()

    return values
