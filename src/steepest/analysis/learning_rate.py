"""Learning rates of the linear family, before a descent: what holds at every θ, and the best of a short trial.

steady_lr      1/L, or 1/(2·L_b) with minibatches; with a kink the longest subgradient step that makes sense
automatic_lr   what lr="auto" takes: the steady one, or where that says too little the best of a few after 200 steps
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from steepest.analysis import curvature
from steepest.data.batching import Batching
from steepest.descent.loop import descend
from steepest.descent.rule import Rule
from steepest.lazy import Tensor, torch
from steepest.model.linear_objective import LinearObjective

TRIAL_STEPS = 200
TRIAL_SHARES = tuple(10.0**k for k in (-3.0, -2.5, -2.0, -1.5, -1.0, -0.5, 0.0))


def steady_lr(objective: LinearObjective, theta: Tensor, batch_size: int | None = None) -> float:
    """A learning rate at which sgd holds at every θ, in the descent's coordinates: 1/L, or 1/(2·L_b) for minibatches.

    Where the curvature has no limit (`poisson`) L is `curvature.local_smoothness` at θ, which is no bound: it is tried out.

    With a kink it is F(θ)/G², the longest subgradient step that makes sense at θ (Polyak's, with F* = 0):

        G² = n(b−1)/(b(n−1))·s²·λ_max(AᵀWA/n) + (n−b)/(b(n−1))·mean_i (s·wᵢ·‖aᵢ‖)²

    bounds the mean square of the gradient of b rows everywhere, s being the steepest slope of a row's loss. On average
    a descent at this rate comes nearer to the optimum as long as its gap is more than half of F(θ).
    """
    problem, frame = objective.problem, objective.coordinates
    n = len(problem.design)
    b = n if batch_size is None else min(batch_size, n)
    doubled = 1.0 if b == n else 2.0
    if problem.loss.smooth:
        bounded = problem.loss.bound is not None
        where = objective.to_user(theta.detach().cpu().double().numpy())
        steep = doubled * (
            curvature.smoothness(problem, b, frame) if bounded else curvature.local_smoothness(problem, where, b, frame)
        )
        return 1.0 / steep if steep > 0.0 else 1.0
    basis = problem.design if frame is None else frame.basis
    steep = curvature.largest_eigenvalue(basis, problem.weights)
    if b < n:
        sizes = np.linalg.norm(basis, axis=1) * (1.0 if problem.weights is None else problem.weights)
        steep = n * (b - 1) / (b * (n - 1)) * steep + (n - b) / (b * (n - 1)) * float(np.mean(sizes**2))
    value = abs(float(objective.value(theta) + objective.penalty(theta)))
    if value == 0.0:  # of our own losses the least, where a descent stays
        value = 1.0 if problem.loss.custom else 1e-300
    steep = steep * _steepest_slope(objective, theta) ** 2 + doubled * _ridge(objective) * value
    return value / steep if steep > 0.0 else 1.0


def _ridge(objective: LinearObjective) -> float:
    """The largest curvature of the `l2` penalty, in the coordinates of the descent."""
    frame = objective.coordinates
    return objective.problem.penalty_in(None if frame is None else frame.matrix).largest()


def _steepest_slope(objective: LinearObjective, theta: Tensor) -> float:
    """How steep the loss of a row is at most; for a loss of the user's own, how steep it is at θ."""
    if objective.loss.steepest is not None:
        return objective.loss.steepest
    slopes = objective.loss.slope(objective.predict(theta), objective.target)
    return float(torch.linalg.vector_norm(slopes.reshape(len(slopes), -1), dim=1).max())


def plain_lr(objective: LinearObjective, rule: Rule, batch_size: int | None) -> float:
    """The steady learning rate at the start for a rule whose steps are those of the gradient."""
    lr = steady_lr(objective, objective.theta, batch_size)
    if objective.loss.bound is None or batch_size is not None:
        lr *= 1.0 - rule.momentum  # what it moves in the end is 1/(1 − β) times as far
    return lr


def of_a_trial(objective: LinearObjective, rule: Rule) -> bool:
    """Whether `automatic_lr` tries learning rates: for a kink or a curvature without a limit, and for rules whose steps are not
    those of the gradient."""
    return objective.loss.bound is None or not rule.innermost.plain


def automatic_lr(objective: LinearObjective, rule: Rule, batching: Batching) -> float:
    """The learning rate of lr="auto" at the objective's start; batching: of the descent, of which a trial takes 200 steps."""
    inner = rule.innermost
    units = (plain_lr(objective, inner, batching.size),) if inner.plain else _adaptive_units(objective, inner)
    if not of_a_trial(objective, rule):
        return units[0]
    steps = min(batching.steps or TRIAL_STEPS, TRIAL_STEPS)
    trial = replace(batching, epochs=None, max_steps=steps)
    return _tried(objective, rule, units, trial)


def _adaptive_units(objective: LinearObjective, rule: Rule) -> tuple[float, float]:
    """For rules that scale each coordinate: the learning rate whose first step moves one by 1, where coordinates are of
    size 1, and that by which neither the slopes nor a penalty's curvature can raise F by more than F(start)."""
    size = 1.0 if objective.loss.classes else max(float(objective.target.abs().mean()), 1e-300)
    loss, grad = objective.value_and_grad(objective.theta)
    # the penalty's kink lies at the start, where it shows no slope: it is taken beside it
    slope = float(grad.abs().sum() + objective.subgradient(torch.ones_like(objective.theta)).abs().sum())
    value = float(loss + objective.penalty(objective.theta))
    if not (value > 0.0 and slope > 0.0):
        return size, size
    bend = len(objective.theta) * _ridge(objective)
    lengths = size, min(size, value / slope, (value / bend) ** 0.5 if bend > 0.0 else size)
    move = 1.0 if rule.kind is None else rule.kind.first_move
    return lengths[0] / move, lengths[1] / move


def _tried(objective: LinearObjective, rule: Rule, units: tuple[float, ...], trial: Batching) -> float:
    """The best of a few learning rates up to `units`, all tried at once for a few steps under a cosine schedule."""
    like = objective.theta
    each = sorted({unit * share for unit in units for share in TRIAL_SHARES})
    lr = torch.tensor(each, dtype=like.dtype, device=like.device)[:, None]
    theta = like.repeat(len(each), 1)
    for _ in descend(objective, rule, trial, lr=lr, schedule="cosine", theta=theta):
        pass
    ends = objective.value(theta) + objective.penalty(theta)
    return each[int(torch.where(torch.isfinite(ends), ends, torch.inf).argmin())]
