"""The losses of `formulas/losses.py` as PyTorch evaluates them. Several targets (`mse` only: f and y `[n, m]`) are averaged
as well as the rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, final

import torch

from steepest import torch_criteria
from steepest.choices import parse
from steepest.errors import SpecError
from steepest.formulas.losses import LOSSES, LossChoice, in_words
from steepest.model.custom_loss import custom
from steepest.model.loss import Loss

if TYPE_CHECKING:
    from torch import Tensor


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
