"""The penalties l1·Σ|θ| + l2·Σθ² + group·Σ √|g|·‖θ_g‖: name → what it is. They hold in user units; intercepts are free."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from steepest.choices import Choice, Number


@dataclass(frozen=True)
class PenaltyChoice(Choice):
    """A penalty. weights: its numbers → (l1, l2, group)."""

    weights: Callable[..., tuple[float, float, float]] = lambda l1=0.0, l2=0.0: (l1, l2, 0.0)


def _weight(name: str) -> Number:
    return Number(name, None, 0.0, 1e100)


PENALTIES = {
    penalty.name: penalty
    for penalty in (
        PenaltyChoice("none", "No penalty."),
        PenaltyChoice(
            "l1", "A·Σ|θ|.",
            (_weight("weight"),),
            source="Tibshirani, Regression shrinkage and selection via the lasso (1996)",
        ),
        PenaltyChoice(
            "l2", "A·Σθ².",
            (_weight("weight"),),
            source="Hoerl and Kennard, Ridge regression: biased estimation for nonorthogonal problems (1970)",
            weights=lambda weight: (0.0, weight, 0.0),
        ),
        PenaltyChoice(
            "elastic", "A·Σ|θ| + B·Σθ².",
            (_weight("weight of Σ|θ|"), _weight("weight of Σθ²")),
            source="Zou and Hastie, Regularization and variable selection via the elastic net (2005)",
        ),
        PenaltyChoice(
            "group", "A·Σ √|g|·‖θ_g‖₂ over groups g of |g| parameters (the group lasso).",
            (_weight("weight"),),
            source="Yuan and Lin, Model selection and estimation in regression with grouped variables (2006)",
            weights=lambda weight: (0.0, 0.0, weight),
        ),
    )
}  # fmt: skip
