"""The schedules: name → what it is."""

from __future__ import annotations

from steepest.choices import Choice, Number

SCHEDULES = {
    schedule.name: schedule
    for schedule in (
        Choice("auto", "Constant where that arrives, cosine where it does not."),
        Choice("constant", "The same rate at every step."),
        Choice("inverse", "lr / (epoch + 1), epoch counted from 0."),
        Choice(
            "step",
            "Times F every N epochs.",
            (
                Number("number of epochs", None, 1, whole=True, symbol="N"),
                Number("factor", None, 0.0, open_low=True, symbol="F"),
            ),
        ),
        Choice("cosine", "From lr to 0 along half a cosine over all steps."),
        Choice(
            "warmup", "Rising over the first N steps.", (Number("number of steps", None, 1, whole=True, symbol="N"),)
        ),
    )
}
