"""The losses of `formulas/losses.py`, of PyTorch's tensors and of NumPy's arrays. Several targets (f and y `[n, m]`)
are averaged as well as the rows."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, final

import numpy as np

from steepest import torch_criteria
from steepest.choices import parse
from steepest.errors import SpecError
from steepest.formulas import linked
from steepest.formulas.losses import LOSSES, LossChoice, in_words
from steepest.lazy import Tensor, torch
from steepest.model.custom_loss import custom
from steepest.model.loss import Loss
from steepest.model.numpy_losses import SoftmaxFormula


@cache
def words() -> dict[str, Any]:
    """What the words of formulas are in PyTorch."""
    return {
        "abs": torch.abs,
        "clip": torch.clamp,
        "exp": torch.exp,
        "expm1": torch.expm1,
        "log1p": torch.log1p,
        "full_like": torch.full_like,
        "inf": torch.inf,
        "log": torch.log,
        "log_ndtr": torch.special.log_ndtr,
        "logsigmoid": torch.nn.functional.logsigmoid,  # softplus would do the same, but PyTorch's is off by 2e-9 from 20 on
        "maximum": torch.maximum,
        "minimum": lambda a, b: torch.minimum(a, b) if isinstance(b, Tensor) else a.clamp(max=b),
        "sigmoid": torch.sigmoid,
        "sign": torch.sign,
        "tanh": torch.tanh,
        "where": torch.where,
    }


@cache
def _in_torch(formula: Callable[..., Any]) -> Callable[..., Any]:
    return in_words(formula, words())


class _OfChoice(Loss):
    """A loss of `formulas/losses.py` with its number; it is what its entry says. Equal if name and number are."""

    def __init__(self, choice: LossChoice, numbers: tuple[float, ...] = ()):
        self.choice, self.numbers = choice, numbers
        self.name = ":".join([choice.name, *(f"{number:g}" for number in numbers)])
        self.number = numbers[0] if numbers else 0.0
        self.bound = None if choice.bound is None else choice.bound(*numbers)
        self.problem, self.of_residual = choice.problem, choice.of_residual
        self.classes, self.coupled, self.several = choice.classes, choice.coupled, choice.several
        self.quadratic = choice.problem == "least squares"
        self.steepest = None if choice.steepest is None else choice.steepest(*numbers)
        (place, *slopes), *more = self.kinks(0.0) or ((None,),)
        self.pieces = None if more or place != 0.0 else (float(slopes[0]), float(slopes[1]))
        self.share, self.convex = choice.share, choice.convex
        self.reach = None if choice.reach is None else choice.reach(*numbers)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _OfChoice) and (self.choice, self.numbers) == (other.choice, other.numbers)

    def __hash__(self) -> int:
        return hash(str(self))

    def __repr__(self) -> str:
        link = "" if self.choice is None or not self.choice.link else f", {self.choice.link!r}"
        return f"loss({self.name!r}{link})"

    def kinks(self, target: Any) -> tuple[tuple[Any, Any, Any], ...]:
        """Of a piecewise linear loss (place, low, high) of each kink: ℓ = Σ max(high·r, low·r), r = place − prediction."""
        return () if self.choice is None or self.choice.kinks is None else self.choice.kinks(target, *self.numbers)

    def __reduce__(self) -> Any:
        assert self.choice is not None
        return _made, (self.choice.name, self.numbers, self.choice.link or "auto")


@final
class Elementwise(_OfChoice):
    """A loss whose outputs do not act on one another: its formula. Several targets are averaged."""

    def rows(self, prediction: Any, target: Any) -> Any:
        each = self._each("value", prediction, target)
        return each.mean(-1) if target.ndim == 2 else each

    def slope(self, prediction: Any, target: Any) -> Any:
        each = self._each("slope", prediction, target)
        return each * (1.0 / target.shape[1]) if target.ndim == 2 else each

    def curvature(self, prediction: Any, target: Any) -> Any:
        if self.choice is None or self.choice.curvature is None:
            return super().curvature(prediction, target)
        each = self._each("curvature", prediction, target)
        return each * (1.0 / target.shape[1]) if target.ndim == 2 else each

    def _each(self, what: str, prediction: Any, target: Any) -> Any:
        """What a formula gives for each row and target: in NumPy's words for arrays, in PyTorch's for tensors."""
        formula = getattr(self.choice, what)
        if not isinstance(prediction, np.ndarray):
            return _in_torch(formula)(prediction, target, *self.numbers)
        with np.errstate(all="ignore"):  # far out it overflows
            return formula(prediction, target, *self.numbers)


@final
class CrossEntropy(_OfChoice):
    """Negative log-likelihood of k classes; predictions `[..., n, k]` are log-odds up to a constant per row."""

    def rows(self, prediction: Any, target: Any) -> Any:
        if isinstance(prediction, np.ndarray):
            return SoftmaxFormula(self).value_and_slope(prediction, target)[0]
        return torch.logsumexp(prediction - prediction.gather(-1, self._index(prediction, target)), -1)

    def slope(self, prediction: Any, target: Any) -> Any:
        if isinstance(prediction, np.ndarray):
            return SoftmaxFormula(self).value_and_slope(prediction, target)[1]
        # p − 1 of the own class is computed as −Σ of the others, or it would lose its digits where p is near 1
        share = torch.softmax(prediction, -1)
        index = self._index(prediction, target)
        others = share.scatter(-1, index, 0.0)
        return others.scatter(-1, index, -others.sum(-1, keepdim=True))

    def curvature(self, prediction: Any, target: Any) -> Any:
        """The k × k matrix diag(p) − ppᵀ of each row: `[..., n, k, k]`."""
        if isinstance(prediction, np.ndarray):
            share = SoftmaxFormula(self).curvature(prediction, target)[..., None]
            return share * np.eye(share.shape[-2]) - share * share.swapaxes(-1, -2)
        share = torch.softmax(prediction, -1)
        return torch.diag_embed(share) - share.unsqueeze(-1) * share.unsqueeze(-2)

    def _index(self, prediction: Tensor, target: Tensor) -> Tensor:
        return target.expand(prediction.shape[:-1]).unsqueeze(-1)


def loss(name: Any, link: str = "auto") -> Loss:
    """The loss that a name such as `huber:1.35` stands for, under a link of its family's.

    PyTorch's criteria are known by `torch_criteria.py`. Any other callable on (prediction, target) becomes a `Custom`.
    """
    if isinstance(name, Loss):
        return name
    if callable(name):
        name = torch_criteria.known(name)
        if not torch_criteria.name_of(name):
            if link != "auto":
                raise SpecError(f"link={link!r} is for losses of families, by their names, and not for a function.")
            return custom(name)
        name = torch_criteria.name_of(name)
    kind, numbers = parse(name, LOSSES, "loss")
    return _made(kind, numbers, link)


def _made(kind: str, numbers: tuple[float, ...], link: str = "auto") -> Loss:
    choice = LOSSES[kind]
    if not isinstance(choice, LossChoice):
        known = ", ".join(kind for kind, each in LOSSES.items() if isinstance(each, LossChoice))
        raise SpecError(f"loss={kind!r} depends on the target: name one of {known}.")
    choice = linked.of(choice, link)
    return CrossEntropy(choice, numbers) if choice.coupled else Elementwise(choice, numbers)
