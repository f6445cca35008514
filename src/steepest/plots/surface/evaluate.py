"""The objective at many θ in one pass: what surfaces and paths are drawn from.

    F(θ) for θ [m, p]   →   [m]

The linear family is one matrix product for all points. A module is run for one after the other, or for several at once
where the network is so small that this pays. What a surface of it costs is counted beforehand, in floating-point
operations of one row, so that it takes seconds: where there are too many rows for that, evenly spread ones stand for all,
and `SurfaceObjective.note` says so.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from steepest.data.dataset import Dataset
from steepest.data.thinning import sampled
from steepest.lazy import torch
from steepest.model import torch_losses
from steepest.model.linear import LinearProblem
from steepest.model.linear_objective import LinearObjective
from steepest.model.loss import Loss
from steepest.model.module_objective import ModuleObjective
from steepest.model.of_fit import linear_problem, module_objective
from steepest.plots.drawn import training
from steepest.result import Fit

LEAST_ROWS = 50  # rows from which F is computed at least
MOST_VALUES = 40_000_000  # points times rows for which the linear family is evaluated
VALUES_AT_ONCE = 100_000  # points times rows in memory at a time, which stay in the cache
MOST_WORK = 2e10  # operations of a module for a surface
WORK_AT_ONCE = 2e7  # operations, of one or several points, that are worked at a time
LONG = 2e9  # operations from which on a terminal is shown how far it is
CONVOLUTIONS = (torch.nn.Conv1d, torch.nn.Conv2d, torch.nn.Conv3d)
LONGER = 4  # how much longer an operation of a convolution takes than one of a matrix product

Values = Callable[[np.ndarray], np.ndarray]  # F as a function of θ [m, p]


@dataclass(frozen=True)
class SurfaceObjective:
    """F as a function of many θ, on `rows` of `total` rows."""

    values: Values
    rows: int
    total: int
    loss: Loss

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
    kind, data = fit.loss_function if loss is None else torch_losses.loss(loss), training(fit)
    if fit.terms is None:
        work = work_of(fit)
        rows = sampled(data, max(int(MOST_WORK / (points * work)), LEAST_ROWS))
        values = _of_module(fit, rows, kind, work)
    else:
        rows = sampled(data, max(MOST_VALUES // points, LEAST_ROWS))
        values = _linear(linear_problem(fit.spec, rows, fit.terms, kind))
    return SurfaceObjective(values, rows.rows, fit.rows, kind)


def _linear(problem: LinearProblem) -> Values:
    objective = LinearObjective(problem)

    def values(theta: np.ndarray) -> np.ndarray:
        parts = torch.as_tensor(theta).split(max(1, VALUES_AT_ONCE // (len(problem.design) * objective.outputs)))
        return torch.cat([objective.value(part) + objective.penalty(part) for part in parts]).numpy()

    return values


def work_of(fit: Fit) -> float:
    """The operations that one row of a module takes: two for each parameter of a layer at each place of its output."""
    rows = training(fit).take(np.arange(min(2, training(fit).rows)))
    objective, counts = module_objective(fit, rows), [2.0 * len(fit.names) * rows.rows]

    def count(layer: torch.nn.Module, _: Any, output: Any) -> None:
        output = output[0] if isinstance(output, tuple) else output
        convolution = isinstance(layer, CONVOLUTIONS)
        width = output.shape[1] if convolution else output.shape[-1] if output.ndim > 1 else 1
        own = sum(p.numel() for p in layer.parameters(recurse=False))
        counts.append(2.0 * own * output.numel() / max(width, 1) * (LONGER if convolution else 1))

    for layer in objective.module.modules():
        layer.register_forward_hook(count)
    with torch.no_grad():
        objective.value(torch.as_tensor(fit.theta))
    return max(counts[0], sum(counts[1:])) / rows.rows


def _of_module(fit: Fit, rows: Dataset, loss: Loss, work: float) -> Values:
    objective = module_objective(fit, rows, loss)
    size = int(np.clip(WORK_AT_ONCE // (work * rows.rows), 1, 500))
    # many small convolutions, each with its own weights, take longer together than one after the other
    alone = size == 1 or any(isinstance(one, CONVOLUTIONS) for one in objective.module.modules())

    def values(theta: np.ndarray) -> np.ndarray:
        points = torch.as_tensor(theta)
        parts = list(points.split(1 if alone else size))
        with torch.no_grad():
            found = [_at(objective, part) for part in _shown(parts, work * rows.rows * len(points))]
        return (torch.cat(found) + objective.penalty(points)).numpy()

    return values


def _at(objective: ModuleObjective, points: torch.Tensor) -> torch.Tensor:
    if len(points) > 1:
        with suppress(RuntimeError, ValueError):  # a module that cannot be run for many θ at once
            return torch.func.vmap(objective.value)(points)
    return torch.stack([objective.value(point) for point in points])


def _shown(parts: list[torch.Tensor], work: float) -> Iterable[torch.Tensor]:
    """The parts, one by one; a terminal is shown how far it is, where it takes long."""
    if work < LONG or not sys.stderr.isatty():
        return parts
    from rich.console import Console
    from rich.progress import track

    return track(parts, "Surface", console=Console(stderr=True), transient=True)
