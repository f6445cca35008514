"""What a loss is: of one row its value ℓ, its slope ∂ℓ/∂prediction and its curvature ∂²ℓ/∂prediction².

The linear family needs no more: with design rows aᵢ the gradient of the mean loss is Aᵀ·slope/n.
Everything is elementwise, so predictions may carry leading axes (`[runs, n]`) that targets do not have. Arrays are PyTorch's;
of losses of our own NumPy's as well.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

from steepest.errors import SpecError
from steepest.formulas.families import Family
from steepest.formulas.links import LINKS, LinkChoice
from steepest.formulas.losses import LossChoice, Problem, sigmoid

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
    """The largest curvature in the prediction; None: the slope jumps or bends without limit, or nobody knows."""
    numbers: tuple[float, ...] = ()
    """The numbers behind its name."""
    number = 0.0
    """The number behind its name, as Huber's width; 0 where there is none."""
    steepest: float | None = None
    """The largest slope of a row; None where there is none, or nobody knows."""
    problem: Problem = ""
    convex = True
    """Whether it is, or nobody knows."""
    quadratic = of_residual = classes = coupled = several = False
    pieces: tuple[float, float] | None = None
    """Of a loss max(high·r, low·r) of r = y − prediction its slopes (low, high); None for all others."""
    reach: float | None = None
    takes: Literal["codes", "binary", "numbers", ""] = ""
    """The target that a function is known to take: class codes, 0 or 1, other numbers; "" where nobody knows."""
    share: Callable[[Any], Any] | None = staticmethod(sigmoid)
    """The probability of the second of two classes, of the model's output; None where the loss has none."""
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
    def kinked(self) -> bool:
        """Whether it is known that the slope jumps."""
        return self.choice is not None and self.choice.kinked

    @property
    def smooth(self) -> bool:
        """Whether it is known that there is a curvature everywhere."""
        return self.choice is not None and not self.choice.kinked

    @property
    def family(self) -> Family | None:
        """The distribution of the target, where the prediction is a function of its mean; else None."""
        return None if self.choice is None else self.choice.family

    def mean_of(self, prediction: Any) -> Any:
        """The mean of the target at these predictions; the predictions themselves where they are in its units, or of classes."""
        return prediction if self.family is None else self.family.mean(prediction)

    def share_of(self, prediction: Any) -> Any:
        """The probability of the second of two classes; sigmoid where the loss has none of its own."""
        return (self.share or sigmoid)(prediction)

    def share_slope(self, prediction: Any) -> Any:
        """Its slope in the prediction, of a likelihood."""
        link = LINKS[(self.choice.link if self.choice is not None else "") or "logit"]
        assert isinstance(link, LinkChoice)
        return link.mean_slope(prediction)

    @property
    def binary(self) -> bool:
        """Whether the target is two classes, and the prediction one number."""
        return self.classes and not self.coupled

    @property
    def margin(self) -> bool:
        """Whether it is of the margin by which two classes are told apart, and no likelihood of them."""
        return self.classes and self.choice is not None and self.problem != "classes"

    def kinks(self, target: Any) -> tuple[tuple[Any, Any, Any], ...]:
        """The kinks of a piecewise linear loss, of the target; none where it has another form."""
        return ()

    @abstractmethod
    def rows(self, prediction: Any, target: Any) -> Any:
        """ℓ of each row: `[..., n]`."""

    @abstractmethod
    def slope(self, prediction: Any, target: Any) -> Any:
        """∂ℓ/∂prediction of each row, of the prediction's shape; at a kink the middle, as autograd has it."""

    def curvature(self, prediction: Any, target: Any) -> Any:
        """∂²ℓ/∂prediction² of each row, `[..., n]` (for several outputs see the class)."""
        raise SpecError(f"{self.name} has no second derivative.")

    def mean(self, prediction: Any, target: Any, weights: Any = None) -> Any:
        """(1/n) Σ wᵢ·ℓᵢ: `[...]`, of weights `[n]` whose mean is 1."""
        each = self.rows(prediction, target)
        return (each if weights is None else each * weights).mean(-1)

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
