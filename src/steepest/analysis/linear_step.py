"""A step of sgd or momentum as a linear map, found by applying the rule's formula to unit vectors."""

from __future__ import annotations

from typing import Any, NamedTuple


class LinearStep(NamedTuple):
    """velocity = gathers·g + keeps·velocity, and θ −= lr·(by_slope·g + by_velocity·velocity), the velocity before it.

    Along an eigenvalue λ, with μ = lr·λ, (place, lr·velocity) is multiplied by the matrix of

        trace τ = 1 + keeps − by_slope·μ        determinant δ = keeps − (by_slope·keeps − gathers·by_velocity)·μ
    """

    by_slope: float
    by_velocity: float
    gathers: float
    keeps: float

    @property
    def determinant(self) -> float:
        """By how much δ falls with μ: 0 for momentum, β for Nesterov's, which looks ahead."""
        return self.by_slope * self.keeps - self.gathers * self.by_velocity


def linear_step(rule: Any) -> LinearStep:
    """The map of a rule that is `linear`; one without a memory keeps nothing.

    >>> from steepest.descent.rules import rule
    >>> linear_step(rule("momentum:0.5"))
    LinearStep(by_slope=1.0, by_velocity=0.5, gathers=1.0, keeps=0.5)
    """
    formula, numbers = rule.kind.formula, rule.numbers
    if not rule.kind.memories:
        return LinearStep(float(formula(1.0, 1.0, 1, *numbers)[0]), 0.0, 0.0, 0.0)
    by_slope, gathers = formula(1.0, 0.0, 1.0, 1, *numbers)
    by_velocity, keeps = formula(0.0, 1.0, 1.0, 1, *numbers)
    return LinearStep(float(by_slope), float(by_velocity), float(gathers), float(keeps))
