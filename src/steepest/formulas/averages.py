"""What the answer of a descent is made of: the last θ, or a mean of those along the way.

    none          the last θ
    polyak        the mean of all θ but the start
    tail:SHARE    the mean of the last share of all steps that are planned; until then the last θ

The mean of k vectors is built up as they come, m += (θ − m)/k; it begins anew at nothing, so that the first θ is its own mean.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil

from steepest.choices import Choice, Number


@dataclass(frozen=True)
class Average(Choice):
    """A mean along the way. begins: (steps planned, *numbers) → after how many updates the first θ is one of the mean's."""

    begins: Callable[..., int] = lambda steps: 1


def _last_share(steps: int, share: float) -> int:
    """After how many updates the last ⌈share·steps⌉ of them begin: the θ of the first of these counts."""
    return steps - ceil(share * steps - 1e-9) + 1


AVERAGES: dict[str, Choice] = {
    average.name: average
    for average in (
        Choice("none", "The answer is the last θ."),
        Average(
            "polyak", "The answer is the mean of all θ but the start.",
            source="Polyak and Juditsky, Acceleration of stochastic approximation by averaging (1992)",
        ),
        Average(
            "tail", "The answer is the mean of θ over the last share of all steps.",
            (Number("share of the steps", 0.5, 0.0, 1.0, open_low=True, symbol="SHARE"),),
            source="Rakhlin, Shamir and Sridharan, Making gradient descent optimal for strongly convex stochastic "
            "optimization (2012)",
            begins=_last_share,
        ),
    )
}  # fmt: skip
