"""The penalties: name → what it is. They hold in user units; intercepts are free."""

from __future__ import annotations

from steepest.choices import Choice, Number


def _weight(name: str) -> Number:
    return Number(name, None, 0.0, 1e100)


PENALTIES = {
    penalty.name: penalty
    for penalty in (
        Choice("none", "No penalty."),
        Choice("l1", "A·Σ|θ|.", (_weight("weight"),)),
        Choice("l2", "A·Σθ².", (_weight("weight"),)),
        Choice("elastic", "A·Σ|θ| + B·Σθ².", (_weight("weight of Σ|θ|"), _weight("weight of Σθ²"))),
    )
}
