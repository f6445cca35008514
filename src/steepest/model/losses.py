"""Losses as PyTorch evaluates them, one value per row. The losses stand in `formulas/losses.py`.

A loss knows three things about a row: its value ℓ, its slope ∂ℓ/∂prediction and its curvature ∂²ℓ/∂prediction².
The linear family needs no more: with design rows aᵢ the gradient of the mean loss is Aᵀ·slope/n.
Everything is elementwise, so predictions may carry leading axes (`[runs, n]`) that targets do not have.
Several targets (`mse` only: f and y `[n, m]`) are averaged as well as the rows.
"""

from __future__ import annotations

import copy
import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, final

import torch

from steepest import torch_criteria
from steepest.choices import parse
from steepest.errors import SpecError, SteepestError
from steepest.formulas.losses import LOSSES, LossChoice, Problem, in_words

if TYPE_CHECKING:
    from torch import Tensor


class Loss(ABC):
    """A loss per row. What is not said of it otherwise is as for a function that nobody knows."""

    name: str
    choice: LossChoice | None = None
    """Its entry in `formulas/losses.py`; None for a function of the user's own."""
    function: Callable[[Tensor, Tensor], Tensor]
    """That function."""
    bound: float | None = None
    """The largest curvature in the prediction; None: the slope jumps, or nobody knows."""
    number = 0.0
    """The number behind its name, as Huber's width; 0 where there is none."""
    steepest: float | None = None
    """The largest slope of a row; None where there is none, or nobody knows."""
    problem: Problem = ""
    quadratic = of_residual = classes = coupled = several = False
    pieces: tuple[float, float] | None = None
    reach: float | None = None
    takes: Literal["codes", "binary", "numbers", ""] = ""
    """The target that a function is known to take: class codes, 0 or 1, other numbers; "" where nobody knows."""
    probabilities = False
    """Whether predictions for classes are probabilities and not log-odds."""
    units = True
    """Whether predictions of numbers are in the units of the target, and no logarithms or log-odds of them."""
    free = False
    """Whether predictions may be of another shape than the target, as for a mean and a variance of one target."""

    @property
    def custom(self) -> bool:
        """Whether it is a function of the user's own."""
        return self.choice is None

    @property
    def binary(self) -> bool:
        """Whether the target is two classes, and the prediction one number."""
        return self.classes and not self.coupled

    @abstractmethod
    def rows(self, prediction: Tensor, target: Tensor) -> Tensor:
        """ℓ of each row: `[..., n]`."""

    @abstractmethod
    def slope(self, prediction: Tensor, target: Tensor) -> Tensor:
        """∂ℓ/∂prediction of each row, of the prediction's shape; at a kink the middle, as autograd has it."""

    def curvature(self, prediction: Tensor, target: Tensor) -> Tensor:
        """∂²ℓ/∂prediction² of each row, `[..., n]` (for several outputs see the class)."""
        raise SpecError(f"{self.name} has no second derivative.")

    def mean(self, prediction: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
        """(1/n) Σ wᵢ·ℓᵢ: `[...]`, of weights `[n]` whose mean is 1."""
        each = self.rows(prediction, target)
        return (each if weights is None else each * weights).mean(-1)

    def takes_codes(self, classes: Any) -> bool:
        """Whether a target of these classes (None: of numbers) reaches it as whole numbers, the places of the classes."""
        return False

    def check(self, prediction: Tensor, target: Tensor, weights: Tensor | None = None) -> None:  # noqa: B027
        """Raise SpecError unless autograd can follow it, and weights can act on it; ours can be sure of that."""

    def check_start(self, prediction: Tensor, target: Tensor, weights: Tensor | None = None) -> None:  # noqa: B027
        """The same, and that it is finite there."""

    def least_at(self, target: Tensor) -> bool | None:
        """Whether the mean loss is least where the predictions are the targets; None where nobody knows."""
        return True

    def of_any_shape(self) -> Loss:
        """This loss, which takes predictions of another shape than the target."""
        return self

    def __str__(self) -> str:
        return self.name


def _minimum(a: Tensor, b: Tensor | float) -> Tensor:
    return torch.minimum(a, b) if isinstance(b, torch.Tensor) else a.clamp(max=b)


WORDS = {
    "abs": torch.abs,
    "clip": torch.clamp,
    "full_like": torch.full_like,
    "logsigmoid": torch.nn.functional.logsigmoid,  # softplus would do the same, but PyTorch's is off by 2e-9 from 20 on
    "maximum": torch.maximum,
    "minimum": _minimum,
    "sigmoid": torch.sigmoid,
    "sign": torch.sign,
    "tanh": torch.tanh,
    "where": torch.where,
}


class _OfChoice(Loss):
    """A loss of `formulas/losses.py` with its number; it is what its entry says. Equal if name and number are."""

    def __init__(self, choice: LossChoice, numbers: tuple[float, ...] = ()):
        self.choice, self.numbers = choice, numbers
        self.name = ":".join([choice.name, *(f"{number:g}" for number in numbers)])
        self.number = numbers[0] if numbers else 0.0
        self.bound, self.problem, self.of_residual = choice.bound, choice.problem, choice.of_residual
        self.classes, self.coupled, self.several = choice.classes, choice.coupled, choice.several
        self.quadratic = choice.problem == "least squares"
        self.steepest = None if choice.steepest is None else choice.steepest(*numbers)
        self.pieces = None if choice.pieces is None else choice.pieces(*numbers)
        self.reach = None if choice.reach is None else choice.reach(*numbers)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _OfChoice) and (self.choice, self.numbers) == (other.choice, other.numbers)

    def __hash__(self) -> int:
        return hash(str(self))

    def __repr__(self) -> str:
        return f"loss({self.name!r})"

    def __reduce__(self) -> Any:
        return _made, (str(self).partition(":")[0], self.numbers)


@final
class Elementwise(_OfChoice):
    """A loss whose outputs do not act on one another: its formula in PyTorch's words. Several targets are averaged."""

    def __init__(self, choice: LossChoice, numbers: tuple[float, ...] = ()):
        super().__init__(choice, numbers)
        assert choice.value is not None
        assert choice.slope is not None
        self._value, self._slope = in_words(choice.value, WORDS), in_words(choice.slope, WORDS)
        self._curvature = None if choice.curvature is None else in_words(choice.curvature, WORDS)

    def rows(self, prediction: Tensor, target: Tensor) -> Tensor:
        each = self._value(prediction, target, *self.numbers)
        return each.mean(-1) if target.ndim == 2 else each

    def slope(self, prediction: Tensor, target: Tensor) -> Tensor:
        each = self._slope(prediction, target, *self.numbers)
        return each * (1.0 / target.shape[1]) if target.ndim == 2 else each

    def curvature(self, prediction: Tensor, target: Tensor) -> Tensor:
        if self._curvature is None:
            return super().curvature(prediction, target)
        each = self._curvature(prediction, target, *self.numbers)
        return each * (1.0 / target.shape[1]) if target.ndim == 2 else each


@final
class CrossEntropy(_OfChoice):
    """Negative log-likelihood of k classes; predictions `[..., n, k]` are log-odds up to a constant per row."""

    def rows(self, prediction: Tensor, target: Tensor) -> Tensor:
        return torch.logsumexp(prediction - self._own(prediction, target), -1)

    def slope(self, prediction: Tensor, target: Tensor) -> Tensor:
        # p − 1 of the own class is computed as −Σ of the others, or it would lose its digits where p is near 1
        share = torch.softmax(prediction, -1)
        index = self._index(prediction, target)
        others = share.scatter(-1, index, 0.0)
        return others.scatter(-1, index, -others.sum(-1, keepdim=True))

    def curvature(self, prediction: Tensor, target: Tensor) -> Tensor:
        """The k × k matrix diag(p) − ppᵀ of each row: `[..., n, k, k]`."""
        share = torch.softmax(prediction, -1)
        return torch.diag_embed(share) - share.unsqueeze(-1) * share.unsqueeze(-2)

    def takes_codes(self, classes: Any) -> bool:
        return True

    def _index(self, prediction: Tensor, target: Tensor) -> Tensor:
        return target.expand(prediction.shape[:-1]).unsqueeze(-1)

    def _own(self, prediction: Tensor, target: Tensor) -> Tensor:
        return prediction.gather(-1, self._index(prediction, target))


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

    def takes_codes(self, classes: Any) -> bool:
        return classes is not None and self.takes != "binary"

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


def _kind(tensor: Tensor) -> str:
    return f"{list(tensor.shape)} ({str(tensor.dtype).removeprefix('torch.')})"


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


def _shown(value: Tensor) -> str:
    return ", ".join(f"{number:g}" for number in value.detach().reshape(-1)[:4].tolist())


def loss(name: Any) -> Loss:
    """The loss that a name such as `huber:1.35` stands for.

    PyTorch's criteria are known by `torch_criteria.py`. Any other callable on (prediction, target) becomes a `Custom`.
    """
    if isinstance(name, Loss):
        return name
    if callable(name):
        name = torch_criteria.known(name)
        if not torch_criteria.name_of(name):
            return custom(name)
        name = torch_criteria.name_of(name)
    kind, numbers = parse(name, LOSSES, "loss")
    return _made(kind, numbers)


def _made(kind: str, numbers: tuple[float, ...]) -> Loss:
    choice = LOSSES[kind]
    if not isinstance(choice, LossChoice):
        known = ", ".join(kind for kind, each in LOSSES.items() if isinstance(each, LossChoice))
        raise SpecError(f"loss={kind!r} depends on the target: name one of {known}.")
    return CrossEntropy(choice, numbers) if choice.coupled else Elementwise(choice, numbers)


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
