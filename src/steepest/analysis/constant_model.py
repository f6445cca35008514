"""The model that says the same of every row: what any fit is held against that is to have learned something."""

from __future__ import annotations

from steepest.errors import SteepestError
from steepest.lazy import Tensor, torch
from steepest.model.calling import evaluating
from steepest.model.loss import Loss
from steepest.model.module_objective import ModuleObjective
from steepest.model.objective import matched

STEPS = 60


def best_constant(
    loss: Loss, prediction: Tensor, target: Tensor, weights: Tensor | None = None
) -> tuple[Tensor, float]:
    """One output for all rows `[]` or `[k]`, and its mean loss, found by L-BFGS from the mean prediction and, for targets of
    numbers, from the mean target.

    prediction: what the model gives, of the shape that the loss takes beside the target.

    >>> from steepest.model.torch_losses import loss
    >>> y = torch.tensor([1.0, 2.0, 6.0], dtype=torch.float64)
    >>> output, value = best_constant(loss("mse"), torch.zeros(3, dtype=torch.float64), y)
    >>> round(float(output), 6), round(value, 6)
    (3.0, 4.666667)
    """
    starts = [prediction.detach().mean(0)]
    if target.is_floating_point() and target.shape == prediction.shape:
        starts += [target.mean(0), target.quantile(0.5, dim=0)]
    found = [
        _from(start.clone(), loss, prediction, target, weights) for start in starts if bool(start.isfinite().all())
    ]
    return min(found, key=lambda one: one[1], default=(starts[0], float("inf")))


def _from(start: Tensor, loss: Loss, like: Tensor, target: Tensor, weights: Tensor | None) -> tuple[Tensor, float]:
    output = start.double().requires_grad_()
    rule = torch.optim.LBFGS([output], lr=0.5, max_iter=STEPS, line_search_fn="strong_wolfe")

    def value() -> Tensor:
        return loss.mean(output.to(like).expand(like.shape), target, weights)

    def closure() -> Tensor:
        rule.zero_grad()
        found = value()
        found.backward()
        return found

    with torch.enable_grad():
        rule.step(closure)
    with torch.no_grad():
        found = float(value())
    return output.detach(), found if found == found else float("inf")


def constant_loss(objective: ModuleObjective) -> float:
    """The mean loss, without penalty, of the best constant on an objective's rows; inf where it cannot be told."""
    x, y = objective.data
    with evaluating(objective.module), torch.no_grad():
        prediction = objective.predict(objective.theta, x)
    try:
        return best_constant(objective.loss, matched(prediction, y, objective.loss), y, objective.weights)[1]
    except (SteepestError, RuntimeError, IndexError):
        return float("inf")
