"""Why a fit is not where it should be: every sign is asked, and what they say is ranked.

    diagnose(fit)     signs of the data, of the descent and of the model
    foresee(problem)  signs of the data alone, before any fit

What keeps the descent from its optimum comes first, by how much of the gap it explains; then what is wrong with the
model, by how much of the loss. Where two findings are one and the same trouble (a rate is too low *because* the columns
are on different scales), the cause stays and its consequence goes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from steepest.truth.finding import Finding, Findings, Fitted, Prepared
from steepest.truth.signs.classes import imbalanced, separable, separable_fit
from steepest.truth.signs.few_rows import few_rows, heavy_rows
from steepest.truth.signs.held_out import overfitting
from steepest.truth.signs.residuals import residuals
from steepest.truth.signs.units import dead_units
from steepest.truth.signs.vanishing import vanishing

DATA_SIGNS: tuple[Callable[[Prepared], Iterator[Finding]], ...] = (*(separable, residuals, few_rows, heavy_rows),)
FIT_SIGNS: tuple[Callable[[Fitted], Iterator[Finding]], ...] = (
    *(separable_fit, dead_units, vanishing),
    *(residuals, overfitting, few_rows, heavy_rows, imbalanced),
)


def diagnose(fit: Fitted) -> Findings:
    """What is wrong with a finished fit, the most important first; nothing where it is healthy."""
    return ranked([finding for sign in FIT_SIGNS for finding in sign(fit)])


def foresee(given: Prepared) -> Findings:
    """What will be hard about a table, before any fit."""
    return ranked([finding for sign in DATA_SIGNS for finding in sign(given)])


def ranked(found: list[Finding]) -> Findings:
    """Findings in order: the descent's before the model's, each by its share."""
    return Findings(tuple(sorted(found, key=lambda finding: (finding.of_model, -finding.share))))
