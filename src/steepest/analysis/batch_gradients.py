"""What the gradients of a batch's rows say of each step (`formulas/quantities.py`), found afterwards from the θ that a trace has.

Which rows a step saw is a function of the seed, the epoch and the step, so nothing needs to be kept on the way, and the steps of
every engine are looked at alike.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from steepest.data.batching import Batch, Batching
from steepest.errors import SpecError
from steepest.lazy import Tensor, torch
from steepest.model.linear_objective import LinearObjective
from steepest.model.module_objective import ModuleObjective


def check(name: str, objective: Any) -> None:
    """SpecError for steps that are not by the gradients of rows."""
    if not isinstance(objective, LinearObjective | ModuleObjective):
        what = f"record={name!r} is of steps by the gradients of rows, and those of this fit are others"
        raise SpecError(f"{what}: name an optimizer, as 'sgd'.")
    if isinstance(objective, ModuleObjective) and objective.x is None:
        raise SpecError(
            f"record={name!r} is of rows that can be looked at again, and those of this fit come with its batches."
        )


def quantities(
    names: tuple[str, ...], objective: Any, batching: Batching, step: np.ndarray, theta: np.ndarray
) -> dict[str, np.ndarray]:
    """Some of `QUANTITIES` at recorded steps `[T]`, NaN where one cannot be told: each `[T]`.

    theta: `[T, p]` in the coordinates of the descent. The last row has no batch.

    Raises:
        SpecError: a module whose rows have no gradient of their own.
    """
    found = {name: np.full(len(step), np.nan) for name in names}
    if "update_ratio" in found:
        moved, next_to = np.linalg.norm(np.diff(theta, axis=0), axis=1), np.diff(step) == 1
        length = np.linalg.norm(theta[:-1], axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            found["update_ratio"][:-1] = np.where(next_to & (length > 0), moved / length, np.nan)
    others = [name for name in names if name != "update_ratio"]
    rows: dict[int, list[Batch]] = {}
    for place in range(len(step) - 1) if others else ():
        epoch, index = divmod(int(step[place]), batching.steps_per_epoch)
        if batching.size is not None and epoch not in rows:
            rows = {epoch: list(batching.epoch(epoch))}
        batch = None if batching.size is None else rows[epoch][index].rows
        at = torch.as_tensor(theta[place]).to(objective.theta)
        values = _of_batch(*_moments(objective, at, batch))
        for name in others:
            found[name][place] = values[name]
    return found


def _of_batch(mean: Tensor, squares: Tensor, count: int) -> dict[str, float]:
    """Of the mean gradient ḡ `[p]` and the mean of the rows' squared ones `[p]`."""
    nan = {"gradient_noise": np.nan, "snr": np.nan, "norm_test": np.nan}
    length, spread = float((mean**2).sum()), (squares - mean**2).clamp(min=0.0)
    trace = float(spread.sum()) * count / (count - 1) if count > 1 else np.nan
    if count < 2 or length <= 0.0:
        return nan
    signal = length - trace / count
    told = spread > 0
    snr = float((mean[told] ** 2 / spread[told]).mean()) if bool(told.any()) else np.inf
    return {"gradient_noise": trace / signal if signal > 0 else np.inf, "snr": snr, "norm_test": trace / count / length}


def _moments(objective: Any, theta: Tensor, rows: Any) -> tuple[Tensor, Tensor, int]:
    """The mean of the rows' gradients, the mean of their squares, both `[p]`, and how many rows there are."""
    if isinstance(objective, LinearObjective):
        mean, squares, count = _of_line(objective, theta, rows)
    else:
        mean, squares, count = _of_module(objective, theta, rows)
    penalty = objective.with_penalty(torch.zeros_like(mean), theta) + objective.subgradient(theta)
    return mean + penalty, squares + 2.0 * mean * penalty + penalty**2, count


def _of_line(objective: LinearObjective, theta: Tensor, rows: Any) -> tuple[Tensor, Tensor, int]:
    pick = slice(None) if rows is None else rows
    basis, target = objective.basis[pick], objective.target[pick]
    slope = objective.loss.slope(objective.predict(theta, rows), target)
    if objective.weights is not None:
        weights = objective.weights[pick]
        slope = slope * (weights if objective.outputs == 1 else weights[:, None])
    slope = slope.reshape(len(basis), -1)
    mean, squares = slope.T @ basis / len(basis), slope.T**2 @ basis**2 / len(basis)
    return mean.flatten(), squares.flatten(), len(basis)


def _of_module(objective: ModuleObjective, theta: Tensor, rows: Any) -> tuple[Tensor, Tensor, int]:
    pick = slice(None) if rows is None else rows
    x, y = (part[pick] for part in objective.data)
    weights = torch.ones(len(x)).to(theta) if objective.weights is None else objective.weights[pick]

    def of_row(at: Tensor, one: Tensor, goal: Tensor, weight: Tensor) -> Tensor:
        return weight * objective.on(one[None], goal[None]).mean_at(at)

    try:
        each = torch.func.vmap(torch.func.grad(of_row), in_dims=(None, 0, 0, 0))(theta, x, y, weights)
    except (RuntimeError, ValueError) as error:
        why = (str(error).splitlines() or [""])[0]
        raise SpecError(
            f"record= asks for gradients of rows, which this module does not have one by one: {why}"
        ) from error
    return each.mean(0), (each**2).mean(0), len(x)
