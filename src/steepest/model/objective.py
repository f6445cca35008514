"""Objectives: loss and gradient as a function of θ, one vector.

Three of them, one for each way to write a model down:

- `LinearObjective` (`linear_objective.py`): the linear family by its closed form, gradient = Aᵀ·slope/n. No autograd; θ may
  be `[runs, p]`.
- `ModuleObjective` (`module_objective.py`): any `nn.Module`. θ is one contiguous vector and the module's parameters and their
  gradients are views into it, so that a rule moves the whole module by moving one vector.
- `FunctionObjective`: any function of θ (Rosenbrock's valley, a lesson's formula).

Each answers `value_and_grad(theta, batch)`: the mean loss of a batch (without penalty), and its gradient (with the
smooth part of the penalty). A penalty's kink is left to the rule: `proximal(theta, lr)` or `subgradient(theta)`.
`objective()` in `objective_factory.py` makes any of them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, final

from steepest.checkpoints.tree import like
from steepest.data.batching import Batch
from steepest.data.in_memory import start_of
from steepest.errors import FitError, SpecError, SteepestError
from steepest.lazy import Tensor, torch
from steepest.model.calling import place
from steepest.model.loss import Loss
from steepest.model.penalties import PenaltyTerm


class Objective(ABC):
    """F(θ) = mean loss + penalty. `theta` is where a descent starts; `names` are its entries'.

    θ and its gradient are tensors of PyTorch's, or NumPy's arrays where the objective needs no more.

    `rows` is the number of rows it holds, 0 where the data come with the batches.
    """

    theta: Any
    names: tuple[str, ...]
    rows: int = 0
    kinked: bool = False
    """Whether the penalty has a kink; `proximal` is None where its step has no closed form."""
    own: bool = False
    """Whether it is of many runs, and each has rows of its own."""
    proximal: Callable[[Any, Any], None] | None = None
    penalty_term: PenaltyTerm | None = None

    @abstractmethod
    def value_and_grad(self, theta: Any, batch: Batch | None = None) -> tuple[Any, Any]:
        """Mean loss `[...]` of a batch (None: all rows), and the gradient `[..., p]`, both at θ `[..., p]`."""

    @abstractmethod
    def value(self, theta: Any) -> Any:
        """Mean loss `[...]` over all rows, without penalty."""

    def penalty(self, theta: Any) -> Any:
        """l1·Σ|θ| + l2·Σθ² `[...]`, in user units."""
        return 0.0 if self.penalty_term is None else self.penalty_term.value(theta)

    def subgradient(self, theta: Any) -> Any:
        """A subgradient `[..., p]` of the penalty's kink, 0 at the kink itself."""
        return torch.zeros_like(theta) if self.penalty_term is None else self.penalty_term.subgradient(theta)

    def with_penalty(self, grad: Any, theta: Any) -> Any:
        """The gradient `[..., p]` of the mean loss at θ, that of the penalty's smooth part added."""
        term = self.penalty_term
        return grad if term is None or not term.l2 else grad + term.gradient(theta)

    def of_nothing(self) -> float | None:
        """The mean loss of predicting 0, for an objective that tells it from its rows."""
        return None

    def only(self, runs: Any) -> Objective:
        """The objective of some of the runs side by side, by their numbers: this one, unless each has rows of its own."""
        return self

    def trial(self) -> tuple[Tensor, Tensor, Tensor | None] | None:
        """Predictions, targets and weights of some rows at θ₀, on which a loss is tried; None where there are none."""
        return None

    def state(self) -> dict[str, Any]:
        """What it keeps from one call to the next that its numbers depend on, beside θ."""
        return {}

    def take_up(self, state: Any) -> None:
        """Go on from what another one of the same kind kept. Unlike where that is something else."""
        like(self.state(), state, "objective")

    def views(self, flat: Tensor) -> Sequence[Tensor]:
        """A flat vector cut into the tensors that it stands for."""
        return [flat]


class WholeObjective(Objective):
    """An objective of all its rows, on NumPy's arrays: what a pass over them gives at θ is kept, and there are no batches."""

    @abstractmethod
    def at(self, theta: Any) -> Any:
        """The pass at θ, the last one or a new one: `loss`, the mean loss, and what else it gives."""

    @abstractmethod
    def slope(self, seen: Any) -> Any:
        """The gradient `[k·p]` of the mean loss, of a pass."""

    def value(self, theta: Any) -> float:
        return self.at(theta).loss

    def whole(self, theta: Any) -> float:
        """F(θ), penalty included."""
        return self.at(theta).loss + float(self.penalty(theta))

    def value_and_grad(self, theta: Any, batch: Batch | None = None) -> tuple[float, Any]:
        if batch is not None and (batch.rows is not None or batch.data is not None):
            raise FitError("This objective is of all its rows; it has no batches.")
        seen = self.at(theta)
        return seen.loss, self.with_penalty(self.slope(seen), theta)


@final
class FunctionObjective(Objective):
    """A function of θ alone; its gradient is autograd's. θ may have any shape and reaches the function in it."""

    def __init__(self, function: Callable[[Tensor], Tensor], theta: Any, names: tuple[str, ...] = ()):
        start = start_of(theta)
        self.function, self.shape = function, start.shape
        self.theta = start.reshape(-1).clone()
        self.names = names or tuple(f"theta{i}" for i in range(self.theta.numel()))
        self.rows = 1

    def value_and_grad(self, theta: Tensor, batch: Batch | None = None) -> tuple[Tensor, Tensor]:
        with torch.enable_grad():
            free = theta.detach().view(self.shape).requires_grad_()
            value = self._value(free)
            if not value.requires_grad:
                raise SpecError("The function of θ returns a constant: autograd sees no dependence on θ.")
            grad = torch.autograd.grad(value, free, allow_unused=True)[0]
            if grad is None:
                raise SpecError(
                    "The function of θ returns a value that is not made from θ: autograd sees no dependence on it."
                )
        return value.detach(), grad.reshape(-1)

    def value(self, theta: Tensor) -> Tensor:
        with torch.no_grad():
            return self._value(theta.view(self.shape))

    def _value(self, theta: Tensor) -> Tensor:
        """The function's one real number; SpecError for whatever else it does."""
        try:
            value = self.function(theta)
        except (SteepestError, MemoryError):
            raise
        except Exception as error:  # it is the user's own code: whatever it raises is told, not thrown
            why = (str(error).splitlines() or [""])[0]
            raise SpecError(f"The function of θ raised {type(error).__name__}: {why} ({place(error)}).") from error
        if not isinstance(value, Tensor):
            raise SpecError(f"The function of θ returns a {type(value).__name__}; autograd needs a tensor made from θ.")
        if value.numel() != 1:
            raise SpecError(f"The function of θ returns {tuple(value.shape)} values; a descent needs one number.")
        if value.is_complex():
            raise SpecError("The function of θ returns a complex number; a descent needs a real one, as its abs().")
        return value.reshape(())


def matched(prediction: Tensor, target: Tensor, loss: Loss) -> Tensor:
    """The prediction in the shape that the loss needs beside the target; a last axis of one is dropped, no more.

    Raises SpecError instead of ever broadcasting one against the other.
    """
    rows = target.shape[0]
    if loss.free and prediction.shape[:1] == target.shape[:1]:
        return prediction
    codes = loss.coupled
    scores = prediction.ndim == 2 and prediction.shape[-1] > 1
    if codes or (loss.custom and not target.is_floating_point() and scores):
        fine = prediction.ndim == 2 and target.ndim == 1 and prediction.shape[0] == rows
    else:
        if prediction.ndim == target.ndim + 1 and prediction.shape[-1] == 1:
            prediction = prediction.squeeze(-1)
        fine = prediction.shape == target.shape
    if not fine:
        need = f"[{rows}, classes] for targets [{rows}]" if codes else str(list(target.shape))
        raise SpecError(
            f"The model gives predictions of shape {list(prediction.shape)} for targets of shape {list(target.shape)}; "
            f"loss {loss} needs {need}. Fix the model's last layer or the target's shape."
        )
    return prediction


def parameter_names(terms: Sequence[str], outputs: int, labels: Sequence[str] = ()) -> tuple[str, ...]:
    """Names of θ: the terms', or for several outputs `output: term`."""
    if outputs == 1:
        return tuple(terms)
    return tuple(f"{label}: {term}" for label in (labels or [f"y{i + 1}" for i in range(outputs)]) for term in terms)
