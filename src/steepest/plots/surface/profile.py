"""The objective over two parameters with all others minimised over, not held.

    P(a, b) = min over the other parameters of F(θ)

A slice with the others held cuts through the valley at one place; its bottom need not lie where the valley's does. The
profile is the valley seen from the end of those two axes. For smooth losses of the linear family it is found for the
whole grid at once by Newton's method, in an orthonormal basis of the other columns; for `mse` one step does.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from steepest.errors import SpecError
from steepest.lazy import Tensor, torch
from steepest.model.linear import LinearProblem
from steepest.model.linear_objective import LinearObjective

NEWTON_STEPS = 60
HALVINGS = 31
AT_ONCE = 4_000_000  # points times rows times parameters in memory at a time


def minimised(problem: LinearProblem, theta: np.ndarray, held: list[int]) -> np.ndarray:
    """θ `[m, p]` with all entries but `held` moved to where F is least.

    Raises SpecError for losses and penalties with a kink, and for several outputs.
    """
    smooth = problem.loss.smooth and not problem.penalty.kinked
    if not smooth or problem.outputs > 1:
        raise SpecError(
            f"others='minimised' is for smooth losses of one output, and this is {problem.loss}"
            f"{f' with {problem.penalty.article} penalty' if problem.penalty.soft else ''}. Use others='held'."
        )
    free = [i for i in range(problem.parameters) if i not in held]
    if not free:
        return theta
    size = max(1, AT_ONCE // (len(problem.design) * len(free)))
    return np.concatenate([_newton(problem, theta[i : i + size], free) for i in range(0, len(theta), size)])


def _newton(problem: LinearProblem, theta: np.ndarray, free: list[int]) -> np.ndarray:
    objective = LinearObjective(replace(problem, low=None))
    n = len(problem.design)
    share = np.full(n, 1 / n) if problem.weights is None else problem.weights / n
    weighted = problem.design[:, free] * np.sqrt(share)[:, None]
    basis = torch.as_tensor(np.linalg.pinv(np.linalg.qr(weighted, mode="r")))
    columns = torch.as_tensor(weighted) @ basis
    ridge = problem.penalty.at(torch.as_tensor(problem.penalised[free]), basis).hessian()
    point = torch.as_tensor(theta).clone()
    value = _value(objective, point)
    for _ in range(NEWTON_STEPS):
        prediction = objective.predict(point)
        bends = problem.loss.curvature(prediction, objective.target)
        _, grad = objective.value_and_grad(point)
        hessian = columns.T @ (bends[..., None] * columns) + ridge
        # where no row bends (huber far out) the loss's bound stands in, which never steps too far
        bound = float(problem.loss.bound or 1.0) * 1e-9
        hessian = hessian + bound * torch.eye(len(free), dtype=hessian.dtype)
        step = torch.zeros_like(point)
        step[:, free] = torch.linalg.solve(hessian, grad[:, free] @ basis) @ basis.T
        before = value
        point, value = _halved(objective, point, value, step)
        if not (before - value > 1e-15 * value.abs()).any():
            break
    return point.numpy()


def _halved(objective: LinearObjective, point: Tensor, value: Tensor, step: Tensor) -> tuple[Tensor, Tensor]:
    """Each point moved by the longest of step, step/2, step/4, … that does not raise F."""
    factor = torch.ones_like(value)
    for _ in range(HALVINGS):
        moved = point - factor[:, None] * step
        found = _value(objective, moved)
        worse = ~(found <= value)
        if not worse.any():
            break
        factor = torch.where(worse, factor / 2, factor)
    return torch.where(worse[:, None], point, moved), torch.where(worse, value, found)


def _value(objective: LinearObjective, theta: Tensor) -> Tensor:
    return objective.value(theta) + objective.penalty(theta)
