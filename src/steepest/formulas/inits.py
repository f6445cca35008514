"""The starts that have a name: name → what it is."""

from __future__ import annotations

from steepest.choices import Choice, Number

INITS = {
    init.name: init
    for init in (
        Choice("zeros", "All zeros; a module's own start."),
        Choice("normal", "Normal numbers around 0.", (Number("standard deviation", 1.0, 0.0, symbol="S"),)),
        Choice(
            "uniform", "Uniform numbers.",
            (Number("least", None, symbol="LO"), Number("largest", None, symbol="HI")),
            rising=True,
        ),
    )
}  # fmt: skip
