"""Losses of a prediction and a target, one value per row, and penalties on θ.

A loss knows three things about a row: its value ℓ, its slope ∂ℓ/∂prediction and its curvature ∂²ℓ/∂prediction².
The linear family needs no more: with design rows aᵢ the gradient of the mean loss is Aᵀ·slope/n.
Everything is elementwise, so predictions may carry leading axes (`[runs, n]`) that targets do not have.

| loss          | ℓ(prediction f, target y), r = y − f                    | curvature at most |
| ------------- | ------------------------------------------------------- | ----------------- |
| mse           | r² (no ½)                                               | 2                 |
| l1            | abs(r)                                                  | none: it has a kink |
| huber:D       | ½r² for abs(r) ≤ D, D(abs(r) − ½D) beyond               | 1                 |
| quantile:Q    | Q·max(r, 0) + (1−Q)·max(−r, 0)                          | none: it has a kink |
| logistic      | log(1 + exp f) − y·f, y in {0, 1}, f the log-odds       | ¼                 |
| cross_entropy | log Σⱼ exp fⱼ − f_y, y a class code, f `[n, k]`         | ½                 |

Several targets (`mse` only: f and y `[n, m]`) are averaged as well as the rows.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import torch

from steepest.errors import SpecError
from steepest.spec import LOSSES, PENALTIES, call

if TYPE_CHECKING:
    from torch import Tensor


class Loss(ABC):
    """A loss per row. `bound` is the largest curvature in the prediction (None: the slope jumps, or nobody knows)."""

    name: str
    bound: float | None
    classes: bool = False

    @abstractmethod
    def rows(self, prediction: Tensor, target: Tensor) -> Tensor:
        """ℓ of each row: `[..., n]`."""

    @abstractmethod
    def slope(self, prediction: Tensor, target: Tensor) -> Tensor:
        """∂ℓ/∂prediction of each row, of the prediction's shape; at a kink the middle, as autograd has it."""

    def curvature(self, prediction: Tensor, target: Tensor) -> Tensor:
        """∂²ℓ/∂prediction² of each row, `[..., n]` (for several outputs see the class)."""
        raise SpecError(f"{self.name} has no second derivative.")

    def __str__(self) -> str:
        return self.name


@final
@dataclass(frozen=True)
class MSE(Loss):
    """Mean squared error, no ½: ℓ = mean over targets of (y − f)²."""

    name: str = "mse"
    bound: float | None = 2.0

    def rows(self, prediction: Tensor, target: Tensor) -> Tensor:
        squares = (prediction - target) ** 2
        return squares.mean(-1) if target.ndim == 2 else squares

    def slope(self, prediction: Tensor, target: Tensor) -> Tensor:
        return (prediction - target) * (2.0 / (target.shape[1] if target.ndim == 2 else 1))

    def curvature(self, prediction: Tensor, target: Tensor) -> Tensor:
        return torch.full_like(prediction, 2.0 / (target.shape[1] if target.ndim == 2 else 1))


@final
@dataclass(frozen=True)
class L1(Loss):
    """Absolute error: ℓ = |y − f|."""

    name: str = "l1"
    bound: float | None = None

    def rows(self, prediction: Tensor, target: Tensor) -> Tensor:
        return (prediction - target).abs()

    def slope(self, prediction: Tensor, target: Tensor) -> Tensor:
        return torch.sign(prediction - target)


@final
@dataclass(frozen=True)
class Huber(Loss):
    """Huber's loss of a given width D (Huber 1964), with its ½: no scale is fitted."""

    width: float = 1.0
    bound: float | None = 1.0

    @property
    def name(self) -> str:  # pyrefly: ignore
        return f"huber:{self.width:g}"

    def rows(self, prediction: Tensor, target: Tensor) -> Tensor:
        size = (prediction - target).abs()
        inner = size.clamp(max=self.width)
        return inner * (size - 0.5 * inner)

    def slope(self, prediction: Tensor, target: Tensor) -> Tensor:
        return (prediction - target).clamp(-self.width, self.width)

    def curvature(self, prediction: Tensor, target: Tensor) -> Tensor:
        return ((prediction - target).abs() <= self.width).to(prediction.dtype)


@final
@dataclass(frozen=True)
class Quantile(Loss):
    """The pinball loss, whose minimiser over a constant is the Q-quantile (Koenker and Bassett 1978)."""

    level: float = 0.5
    bound: float | None = None

    @property
    def name(self) -> str:  # pyrefly: ignore
        return f"quantile:{self.level:g}"

    def rows(self, prediction: Tensor, target: Tensor) -> Tensor:
        residual = target - prediction
        return torch.maximum(self.level * residual, (self.level - 1.0) * residual)

    def slope(self, prediction: Tensor, target: Tensor) -> Tensor:
        residual = target - prediction
        return (0.5 - self.level) - 0.5 * torch.sign(residual)


@final
@dataclass(frozen=True)
class Logistic(Loss):
    """Negative log-likelihood of two classes, the prediction being the log-odds of class 1."""

    name: str = "logistic"
    bound: float | None = 0.25
    classes: bool = True

    def rows(self, prediction: Tensor, target: Tensor) -> Tensor:
        # softplus would do the same, but PyTorch's is off by 2e-9 from 20 on
        return -torch.nn.functional.logsigmoid(torch.where(target > 0.5, prediction, -prediction))

    def slope(self, prediction: Tensor, target: Tensor) -> Tensor:
        sign = 1.0 - 2.0 * target
        return sign * torch.sigmoid(sign * prediction)

    def curvature(self, prediction: Tensor, target: Tensor) -> Tensor:
        return torch.sigmoid(prediction) * torch.sigmoid(-prediction)


@final
@dataclass(frozen=True)
class CrossEntropy(Loss):
    """Negative log-likelihood of k classes; predictions `[..., n, k]` are log-odds up to a constant per row."""

    name: str = "cross_entropy"
    bound: float | None = 0.5
    classes: bool = True

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

    def _index(self, prediction: Tensor, target: Tensor) -> Tensor:
        return target.expand(prediction.shape[:-1]).unsqueeze(-1)

    def _own(self, prediction: Tensor, target: Tensor) -> Tensor:
        return prediction.gather(-1, self._index(prediction, target))


@final
@dataclass(frozen=True)
class Custom(Loss):
    """Any function of (prediction, target) that gives one value per row, or their mean; its slope is autograd's."""

    function: Callable[[Tensor, Tensor], Tensor]
    bound: float | None = None

    @property
    def name(self) -> str:  # pyrefly: ignore
        return getattr(self.function, "__name__", type(self.function).__name__)

    def rows(self, prediction: Tensor, target: Tensor) -> Tensor:
        value = self.function(prediction, target)
        return value.expand(target.shape[0]) if value.ndim == 0 else value

    def check_weights(self, prediction: Tensor, target: Tensor) -> None:
        """Raise SpecError if rows are weighted but the function hides them in one mean."""
        if self.function(prediction, target).ndim == 0:
            raise SpecError(
                f"loss {self} returns one number for all rows, so weights cannot act on it. Return one a row."
            )

    def slope(self, prediction: Tensor, target: Tensor) -> Tensor:
        with torch.enable_grad():
            free = prediction.detach().requires_grad_()
            return torch.autograd.grad(self.rows(free, target).sum(), free)[0]


def loss(name: Any) -> Loss:
    """The loss that a name such as `huber:1.35` stands for; a callable on (prediction, target) becomes a `Custom`."""
    if isinstance(name, Loss):
        return name
    if callable(name):
        return Custom(name)
    kind, numbers = call(name, LOSSES, "loss")
    kinds: dict[str, Callable[..., Loss]] = {
        "mse": MSE,
        "l1": L1,
        "huber": lambda width=1.0: Huber(width),
        "quantile": lambda level: Quantile(level),
        "logistic": Logistic,
        "cross_entropy": CrossEntropy,
    }
    if kind not in kinds:
        raise SpecError(f"loss={name!r} depends on the target: name one of {', '.join(kinds)}.")
    return kinds[kind](*numbers)


@dataclass(frozen=True)
class Penalty:
    """l1·Σ|θ| + l2·Σθ² over all parameters but the intercepts, θ in user units."""

    l1: float = 0.0
    l2: float = 0.0

    def __bool__(self) -> bool:
        return bool(self.l1 or self.l2)


def penalty(name: str | None) -> Penalty:
    """The penalty that `none`, `l1:A`, `l2:A` or `elastic:A,B` stands for."""
    kind, numbers = call(name or "none", PENALTIES, "penalty")
    if kind == "elastic":
        return Penalty(*numbers)
    return Penalty(**{kind: numbers[0]}) if numbers else Penalty()
