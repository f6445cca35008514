"""A module's objective at many θ: one after the other, or several at once where the network is so small that this pays.

What a surface of it costs is counted beforehand, in floating-point operations of one row; from that follow how fine the
surface is and how many rows it is computed from (`data.py`, `evaluate.py`), so that it takes seconds.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import torch

from steepest.data.dataset import Dataset
from steepest.model.loss import Loss
from steepest.model.module_objective import ModuleObjective
from steepest.model.of_fit import module_objective
from steepest.plots.drawn import training
from steepest.result import Fit

MOST_WORK = 2e10  # operations for a surface
LONG = 2e9  # operations from which on a terminal is shown how far it is
AT_ONCE = 2e7  # operations, of one or several points, that are worked at a time

CONVOLUTIONS = (torch.nn.Conv1d, torch.nn.Conv2d, torch.nn.Conv3d)

LONGER = 4  # how much longer an operation of a convolution takes than one of a matrix product


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


def values_of(fit: Fit, rows: Dataset, loss: Loss, work: float) -> Callable[[np.ndarray], np.ndarray]:
    """F as a function of many θ `[m, p]` → `[m]`; `work`: as `work_of` has it."""
    objective = module_objective(fit, rows, loss)
    size = int(np.clip(AT_ONCE // (work * rows.rows), 1, 500))
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
        try:
            return torch.func.vmap(objective.value)(points)
        except (RuntimeError, ValueError):  # a module that cannot be run for many θ at once
            pass
    return torch.stack([objective.value(point) for point in points])


def _shown(parts: list[torch.Tensor], work: float) -> Iterable[torch.Tensor] | Iterator[torch.Tensor]:
    """The parts, one by one; a terminal is shown how far it is, where it takes long."""
    if work < LONG or not sys.stderr.isatty():
        return parts
    from rich.console import Console
    from rich.progress import track

    return track(parts, "Surface", console=Console(stderr=True), transient=True)
