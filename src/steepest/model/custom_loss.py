"""A loss of the user's own: any function of (prediction, target), a criterion of PyTorch's, or a module that gives a loss."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal, final

from steepest import torch_criteria
from steepest.errors import SpecError, SteepestError
from steepest.lazy import Tensor, torch
from steepest.model.loss import Loss


@final
@dataclass(frozen=True)
class Custom(Loss):
    """Any function of (prediction, target) that gives one value per row, or their mean; its slope is autograd's.

    It sees one fit's predictions at a time, `[n]`, or `[n, m]` for several targets or class codes.
    """

    function: Callable[[Tensor, Tensor], Tensor]
    takes: Literal["codes", "binary", "numbers", ""] = ""
    probabilities: bool = False
    units: bool = True
    free: bool = False

    @property
    def name(self) -> str:  # pyrefly: ignore
        return getattr(self.function, "__name__", type(self.function).__name__)

    def rows(self, prediction: Tensor, target: Tensor) -> Tensor:
        value = self._values(prediction, target)
        lead = prediction.shape[: prediction.ndim - self._axes(prediction, target)]
        return value.unsqueeze(-1).expand(*lead, target.shape[0]) if value.ndim == len(lead) else value

    def of_any_shape(self) -> Loss:
        return replace(self, free=True)

    def _way_out(self, prediction: Tensor, target: Tensor) -> str:
        """What helps where a loss of classes was given numbers."""
        if prediction.ndim == target.ndim + 1 and target.is_floating_point() and bool((target == target.round()).all()):
            return " Where the target is classes, use loss='cross_entropy', or give them as whole numbers."
        return ""

    def _axes(self, prediction: Tensor, target: Tensor) -> int:
        """How many axes of a prediction are its own: 2 for several targets, and for class codes where there are scores."""
        if self.free:
            return prediction.ndim
        return 2 if prediction.ndim > 1 and not target.is_floating_point() else target.ndim

    def mean(self, prediction: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
        value = self._values(prediction, target)
        hidden = value.ndim == prediction.ndim - self._axes(prediction, target)
        if weights is None:
            return value if hidden else value.mean(-1)
        if hidden:
            raise SpecError(
                f"loss {self} returns one number for all rows, so weights cannot act on it. Return one value per row "
                '(the losses of torch.nn do with reduction="none"), or leave the weights (also class weights) out.'
            )
        return (value * weights).mean(-1)

    def check(self, prediction: Tensor, target: Tensor, weights: Tensor | None = None) -> None:
        """Raise SpecError unless autograd can follow the function, and weights can act on it."""
        free = prediction.detach().requires_grad_()
        try:
            with torch.enable_grad():
                value = self.mean(free, target, weights)
        except (SteepestError, MemoryError):
            raise
        except Exception as error:  # the user's own code: whatever it raises is told, not thrown
            why = (str(error).splitlines() or [""])[0]
            given = f"prediction {_kind(prediction)} and target {_kind(target)}"
            way_out = self._way_out(prediction, target)
            raise SpecError(f"loss {self} failed on {given}: {type(error).__name__}: {why}{way_out}") from error
        if not value.requires_grad:
            raise SpecError(
                f"loss {self} has no gradient: autograd sees no dependence on the prediction. Compute it by torch from the "
                "prediction, without .item(), .detach(), .numpy() or a comparison."
            )

    def check_start(self, prediction: Tensor, target: Tensor, weights: Tensor | None = None) -> None:
        """The same, and that it is finite there: SpecError names the first row where it is not."""
        self.check(prediction, target, weights)
        with torch.no_grad():
            value, each = self.mean(prediction, target, weights), self.rows(prediction, target)
        if torch.isfinite(value):
            return
        row = int((~torch.isfinite(each)).int().argmax())
        raise SpecError(
            f"loss {self} is {float(value):g} at the start (row {row + 1}: prediction {_shown(prediction[row])}, target "
            f"{_shown(target[row])}). Write it so that it is finite there, or start elsewhere with init."
        )

    def least_at(self, target: Tensor) -> bool | None:
        """Whether the mean loss is least where the predictions are the targets; None where the function fails there.

        It is not where the function has a link of its own: exp(f) − y·f is least at f = log y.
        """
        step = 1e-3 * (target.abs().mean() + target.std(correction=0))
        try:
            with torch.no_grad():
                here, below, above = (float(self.mean(target + shift, target)) for shift in (0.0, -step, step))
        except Exception:  # the user's own code, which need not hold outside a descent
            return None
        if not all(map(math.isfinite, (here, below, above))):
            return None
        return here <= min(below, above) + 1e-12 * abs(here)

    def _values(self, prediction: Tensor, target: Tensor) -> Tensor:
        """The function's values `[..., n]`, or `[...]` where it returns a mean: one call for each leading index."""
        lead = prediction.shape[: prediction.ndim - self._axes(prediction, target)]
        if not lead:
            return self._of_one(prediction, target)
        each = [self._of_one(one, target) for one in prediction.flatten(0, len(lead) - 1)]
        return torch.stack(each).unflatten(0, lead)

    def _of_one(self, prediction: Tensor, target: Tensor) -> Tensor:
        value = self.function(prediction, target)
        if not isinstance(value, torch.Tensor):
            raise SpecError(
                f"loss {self} returns a {type(value).__name__}, which autograd cannot follow. Return a tensor computed by "
                "torch from the prediction: one value per row, or their mean."
            )
        if value.ndim == 2 and value.shape[0] == target.shape[0] and (value.shape[1] == 1 or target.ndim == 2):
            value = value.mean(-1)
        if value.ndim and value.shape != target.shape[:1]:
            raise SpecError(
                f"loss {self} returns values of shape {list(value.shape)} for predictions of shape "
                f"{list(prediction.shape)} and targets of shape {list(target.shape)}. Return one value per row, "
                f"{list(target.shape[:1])}, or their mean."
            )
        return value

    def slope(self, prediction: Tensor, target: Tensor) -> Tensor:
        with torch.enable_grad():
            free = prediction.detach().requires_grad_()
            found = torch.autograd.grad(self.rows(free, target).sum(), free, allow_unused=True)[0]
        if found is None:
            raise SpecError(
                f"loss {self} does not depend on the prediction by operations that autograd knows: look for detach(), "
                "numpy(), item() or a new tensor in it."
            )
        return found


class _OfModule:
    """A criterion, or another module that gives a loss, in the precision of the predictions."""

    def __init__(self, module: torch.nn.Module):
        if any(parameter.requires_grad for parameter in module.parameters()):
            raise SpecError(
                f"loss={type(module).__name__} has parameters of its own, which a fit does not move. Make them part of the "
                "model, or freeze them by requires_grad_(False)."
            )
        self.module = copy.deepcopy(module)
        self.__name__ = type(module).__name__
        # class weights are shared among all rows of a batch, so that its mean is no mean of rows
        rowwise = torch_criteria.is_criterion(module) and getattr(module, "weight", None) is None
        if rowwise and self.module.reduction == "mean" and not hasattr(module, "log_target"):
            self.module.reduction = "none"

    def __call__(self, prediction: Tensor, target: Tensor) -> Tensor:
        buffer = next(self.module.buffers(), None)
        if buffer is not None and (buffer.dtype, buffer.device) != (prediction.dtype, prediction.device):
            self.module.to(prediction.device, prediction.dtype)
        return self.module(prediction, target)


def _kind(tensor: Tensor) -> str:
    return f"{list(tensor.shape)} ({str(tensor.dtype).removeprefix('torch.')})"


def _shown(value: Tensor) -> str:
    return ", ".join(f"{number:g}" for number in value.detach().reshape(-1)[:4].tolist())


def custom(function: Any) -> Custom:
    """A function, criterion or module as it is, with what is known of its target."""
    kinds = {"codes": torch_criteria.CODES, "binary": torch_criteria.BINARY}
    takes: Any = next((kind for kind, names in kinds.items() if torch_criteria.has(function, names)), "")
    if not takes and torch_criteria.is_criterion(function):
        takes = "numbers"
    made = _OfModule(function) if isinstance(function, torch.nn.Module) else function
    units = not torch_criteria.is_criterion(function) or torch_criteria.has(function, torch_criteria.IN_UNITS)
    return Custom(
        made, takes=takes, probabilities=torch_criteria.has(function, torch_criteria.PROBABILITIES), units=units
    )
