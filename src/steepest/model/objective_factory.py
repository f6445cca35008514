"""An objective from what a user has: a model's name on data, a module, or a function of θ."""

from __future__ import annotations

from typing import Any

import numpy as np

from steepest.choices import parse
from steepest.data.in_memory import array_of
from steepest.errors import SpecError
from steepest.formulas.models import MODELS
from steepest.lazy import nn, torch
from steepest.model import modules, penalties, torch_losses
from steepest.model.linear import LinearProblem, Terms
from steepest.model.linear_objective import LinearObjective
from steepest.model.loss import Loss
from steepest.model.module_objective import ModuleObjective
from steepest.model.objective import FunctionObjective, Objective, parameter_names


def objective(
    model: Any,
    loss: Any = None,
    x: Any = None,
    y: Any = None,
    *,
    penalty: str | None = None,
    intercept: bool = True,
    weights: Any = None,
) -> Objective:
    """A model's loss as a function of θ, to be given to `descend()`; or a function of θ as it is.

    `objective("poly:2", "l1", x, y)`, `objective(module, "mse", x, y)`, `objective(module, "mse")` (the data then come
    with the batches), or `objective(f, theta0)` for any function f of θ.

    A descent moves a copy of the module, `objective.module`; the one given stays as it was, until
    `module.load_state_dict(objective.module.state_dict())`.

    Args:
        model: `linear`, `poly:D`, an `nn.Module`, or a function of θ.
        loss: a loss's name or a callable on (prediction, target); for a function of θ the start θ₀.
        x, y: `[n]` or `[n, d]` and `[n]` (class codes for `cross_entropy`).
        penalty: `l1:A`, `l2:A` or `elastic:A,B`.
        intercept: whether a named model has one.
        weights: `[n]`, scaled to mean 1.

    Returns:
        An `Objective`: F(θ) = mean loss + penalty. `objective.theta` is the start `[p]`, `value_and_grad(theta, batch)` gives the
        batch's mean loss and its gradient `[p]`, without the penalty's kink.

    Raises:
        SpecError: a model, loss or start that does not go with the others.

    >>> f = objective(lambda theta: (theta**2).sum(), [3.0, 4.0])
    >>> f.value_and_grad(f.theta)
    (tensor(25., dtype=torch.float64), tensor([6., 8.], dtype=torch.float64))
    """
    share = None if weights is None else _share(weights)
    if penalties.penalty(penalty).group:
        raise SpecError(
            f"penalty={penalty!r} holds together coefficients of columns, which fit() knows. Use fit() for it."
        )
    if isinstance(model, nn.Module):
        from steepest.model.wrapped_modules import embeds  # which imports PyTorch

        model = modules.copied(model)
        kind = torch_losses.loss(loss if loss is not None else "mse")
        sample = next(model.parameters(), torch.empty(0))
        inputs = None if x is None else torch.as_tensor(array_of(x, "x"))
        if inputs is not None and (inputs.is_floating_point() or not embeds(model)):
            inputs = inputs.to(sample)
        targets = None if y is None else torch.as_tensor(array_of(y, "y"))
        if targets is not None:
            codes = (kind.coupled or kind.custom) and not targets.is_floating_point()
            targets = targets.to(sample.device if codes else sample)
            _check_classes(kind, targets)
        scale = None if share is None else torch.from_numpy(share).to(sample)
        made = ModuleObjective(model, kind, inputs, targets, scale, penalties.penalty(penalty))
        check_loss(made)
        return made
    if not isinstance(model, str):
        if loss is None:
            raise SpecError("A function of θ needs a start: objective(function, theta0).")
        return FunctionObjective(model, loss)
    if x is None or y is None:
        raise SpecError(f"objective({model!r}) needs x and y; only a module can take its data from the batches.")
    columns = array_of(x, "x").astype(np.float64)
    columns = columns[:, None] if columns.ndim == 1 else columns
    if columns.ndim != 2:
        raise SpecError(f"x has the shape {list(columns.shape)}; model {model!r} needs rows × columns.")
    target = array_of(y, "y")
    if columns.shape[0] != target.shape[0]:
        raise SpecError(f"x has {columns.shape[0]} rows and y has {target.shape[0]}; they must be as many.")
    name, numbers = parse(model, MODELS, "model")
    if name == "mlp":
        raise SpecError(f"objective({model!r}): give linear, poly:D, an nn.Module or a function of θ.")
    kind = torch_losses.loss(loss or MODELS[name].loss or "mse")
    names = ("x",) if columns.shape[1] == 1 else tuple(f"x{i + 1}" for i in range(columns.shape[1]))
    terms = Terms(names, int(numbers[0]) if numbers else 1, intercept)
    _check_classes(kind, target)
    classes = kind.coupled
    outputs = int(target.max()) + 1 if classes else (target.shape[1] if target.ndim == 2 else 1)
    problem = LinearProblem(
        design=terms.design(columns),
        target=target.astype(np.int64 if classes else np.float64),
        loss=kind,
        penalty=penalties.penalty(penalty),
        intercept=intercept,
        weights=share,
        outputs=outputs,
        degree=terms.degree,
    )
    found = LinearObjective(problem, parameter_names(terms.names, outputs))
    check_loss(found)
    return found


def _share(weights: Any) -> np.ndarray:
    """Weights `[n]`, scaled to mean 1."""
    share = array_of(weights, "weights").astype(np.float64)
    if (share < 0).any() or not share.any():
        raise SpecError("weights must be numbers of at least 0, and not all 0.")
    return share / share.mean()


def check_loss(objective: LinearObjective | ModuleObjective, start: bool = False) -> None:
    """SpecError unless a loss of the user's can be fitted; with `start`, it must be finite at θ₀ too."""
    loss = objective.loss
    if loss.custom and (trial := objective.trial()) is not None:
        (loss.check_start if start else loss.check)(*trial)


def _check_classes(loss: Loss, target: Any) -> None:
    if loss.binary and not ((target == 0) | (target == 1)).all():
        raise SpecError(
            f"loss {loss} needs targets 0 and 1; for other classes number them, as np.unique(y, return_inverse=True)."
        )
    if loss.coupled and ((target < 0) | (target != target.round())).any():
        raise SpecError(
            "loss cross_entropy needs class codes 0, 1, 2, …; np.unique(y, return_inverse=True) gives them."
        )
