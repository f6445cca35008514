"""The model that says the same of every row: what any fit is held against that is to have learned something.

Its answer is the one number (or the one number for each output) with the least loss, found by L-BFGS from the mean of the
target: for `mse` the mean, for `cross_entropy` the logarithms of the classes' shares.
"""

from __future__ import annotations

from steepest.lazy import torch
from steepest.model.calling import evaluating
from steepest.model.loss import Loss
from steepest.model.module_objective import ModuleObjective
from steepest.model.objective import matched

ITERATIONS = 60


def constant_loss(objective: ModuleObjective) -> float:
    """The mean loss of the constant model on an objective's rows, without its penalty."""
    assert objective.y is not None
    answer = constant_answer(objective).to(objective.theta)
    said = _said_of_all(answer, objective.y, objective.loss)
    return float(objective.loss.mean(said, objective.y, objective.weights))


def constant_answer(objective: ModuleObjective) -> torch.Tensor:
    """The answer `[…]`, of the shape that the module gives for one row, with the least mean loss on an objective's rows.

    >>> from steepest.model.torch_losses import loss
    >>> x, y = torch.zeros(3, 1).double(), torch.tensor([0.0, 1.0, 5.0]).double()
    >>> objective = ModuleObjective(torch.nn.Linear(1, 1).double(), loss("mse"), x, y)
    >>> round(float(constant_answer(objective)), 6)
    2.0
    """
    assert objective.x is not None
    assert objective.y is not None
    target, loss = objective.y, objective.loss
    with evaluating(objective.module), torch.no_grad():
        like = objective.predict(objective.theta, objective.x[:1])[0]
    answer = torch.zeros_like(like, dtype=torch.float64).requires_grad_()
    if not (loss.classes or loss.takes in ("codes", "binary")) and target.is_floating_point():
        middle = target.double().mean(0)
        with torch.no_grad():
            answer.copy_(middle.expand_as(answer) if middle.numel() == 1 else middle.reshape(answer.shape))
    weights = objective.weights
    optimizer = torch.optim.LBFGS([answer], max_iter=ITERATIONS, line_search_fn="strong_wolfe")
    goal = target.double() if target.is_floating_point() else target

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        value = loss.mean(_said_of_all(answer, goal, loss), goal, weights)
        value.backward()
        return value.detach()

    with torch.enable_grad():
        optimizer.step(closure)  # pyrefly: ignore[bad-argument-type]
    return answer.detach()


def _said_of_all(answer: torch.Tensor, target: torch.Tensor, loss: Loss) -> torch.Tensor:
    """One answer as the prediction of every row."""
    return matched(answer.expand(len(target), *answer.shape), target, loss)
