"""What a film of a descent shows, frame by frame; everything comes from the trace, nothing is trained again.

    row(s) of the trace → θ → what the model says, where θ stands on the surface, which rows the batch held, which
                              way gradient, velocity and step point

Frames are chosen evenly in the way gone and in the steps taken (`rows.along`), so that the first fast moves and the slow
end are both seen.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from steepest.choices import parse
from steepest.data.batching import Batch, Batching
from steepest.errors import SpecError
from steepest.formulas.rules import RULES, formula_of
from steepest.lazy import torch
from steepest.model.linear_objective import LinearObjective
from steepest.model.objective import Objective
from steepest.model.of_fit import module_objective
from steepest.plots.drawn import all_rows, linear, recorded, steps_along, training
from steepest.plots.surface.plane import coordinates_of
from steepest.result import Fit

VALUES_AT_ONCE = 200_000  # predictions of which gradients are taken together
MOST_GRADIENTS = 5_000  # recorded steps up to which Adam's velocity is summed up again


@dataclass(frozen=True)
class Frames:
    """The steps of a film: row: `[F]` of the trace; step, epoch, loss: `[F]`; theta: `[F, p]` as the trace has it."""

    row: np.ndarray
    step: np.ndarray
    epoch: np.ndarray
    loss: np.ndarray
    theta: np.ndarray
    total: int

    def __len__(self) -> int:
        return len(self.row)


def frames_data(fit: Fit, frames: int = 100) -> Frames:
    """At most `frames` steps of a descent. Raises SpecError for fewer than 2, FitError where θ was not recorded."""
    if frames < 2:
        raise SpecError(f"frames={frames}: a film needs at least 2.")
    path, trace = recorded(fit), fit.trace
    row = steps_along(path, trace.step, frames)
    row = row if len(row) else np.arange(1)
    # with minibatches F is known once an epoch: between, the batch's own loss
    loss = np.where(np.isfinite(trace.objective), trace.objective, trace.loss)
    return Frames(row, trace.step[row], trace.epoch[row], loss[row], path[row], fit.steps + 1)


def batch_of(fit: Fit, step: int) -> Batch | None:
    """The batch of update `step`, dealt again; None with a full batch, or one from outside."""
    batching = Batching.of(fit.spec, fit.rows)
    return None if batching.size is None or not all_rows(fit) or step >= fit.steps else batching.at(int(step))


def batch_rows(fit: Fit, step: int) -> np.ndarray | None:
    """The numbers of the training rows in it."""
    batch = batch_of(fit, step)
    return None if batch is None else np.asarray(batch.rows)


def gradients(fit: Fit, row: np.ndarray) -> np.ndarray:
    """`[R, p]`: the gradient of the batch at hand at rows of the trace, penalty included, in user units."""
    path = torch.as_tensor(recorded(fit)[row])
    problem = linear(fit)
    objective = module_objective(fit, training(fit)) if problem is None else LinearObjective(problem, tuple(fit.names))
    batches = [batch_of(fit, step) for step in fit.trace.step[row].tolist()]
    if problem is not None and all(batch is None for batch in batches):
        parts = path.split(max(1, VALUES_AT_ONCE // len(problem.design)))
        return torch.cat([_gradient(objective, part, None) for part in parts]).numpy()
    return torch.stack([_gradient(objective, theta, batch) for theta, batch in zip(path, batches, strict=True)]).numpy()


def _gradient(objective: Objective, theta: torch.Tensor, batch: Batch | None) -> torch.Tensor:
    return (objective.value_and_grad(theta, batch)[1] + objective.subgradient(theta)).clone()


def arrows(fit: Fit, row: np.ndarray) -> dict[str, np.ndarray]:
    """Displacements of θ `[R, p]` in user units at rows of the trace, by name.

        step        θ_{t+1} − θ_t, or to the next recorded step
        gradient    −lr·g: where plain descent would go (for adaptive rules scaled to the step's length)
        velocity    what the rule carries on from before: momentum −lr·βv, Adam its mean gradient scaled likewise

    In other coordinates g is taken there and its arrow brought back. Velocity is left out where steps are missing
    from the trace and it cannot be known.
    """
    path, trace = recorded(fit), fit.trace
    after = np.minimum(row + 1, len(path) - 1)
    step = path[after] - path[row]
    next_to = (trace.step[after] - trace.step[row] == 1)[:, None]
    coordinates = coordinates_of(fit, "descent")
    rule = formula_of(fit.optimizer)  # None: a rule of the user's, or a torch.optim class

    def back(gradient: np.ndarray) -> np.ndarray:
        return gradient if coordinates.user else gradient @ coordinates.matrix @ coordinates.matrix.T

    gradient = -trace.lr[row][:, None] * back(gradients(fit, row))
    if rule is not None and rule.momentum:
        return {"step": step, "gradient": gradient, "velocity": np.where(next_to, step - gradient, np.nan)}
    if rule is not None and rule.linear:
        return {"step": step, "gradient": gradient}
    length = np.linalg.norm(step, axis=1, keepdims=True)
    found = {"step": step, "gradient": _scaled(gradient, length)}
    consecutive = len(path) <= MOST_GRADIENTS and bool((np.diff(trace.step) == 1).all())
    if rule is not None and "mean" in rule.memories and consecutive:
        from scipy.signal import lfilter

        beta = parse(fit.optimizer, RULES, "optimizer")[1][0]
        # Adam's first moment m = β·m + (1 − β)·g after each of the steps
        mean = lfilter([1 - beta], [1, -beta], gradients(fit, np.arange(len(path))), axis=0)
        found["velocity"] = _scaled(-back(mean[row]), length)
    return found


def _scaled(arrow: np.ndarray, length: np.ndarray) -> np.ndarray:
    own = np.linalg.norm(arrow, axis=1, keepdims=True)
    return arrow * (length / np.where(own > 0, own, 1.0))
