"""Why a descent of the linear family did not arrive: every check of a descent is asked.

A descent that arrived, or came as near as such a descent can, has nothing to say for itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from steepest.analysis.checks import cut_short, learning_rate
from steepest.analysis.checks.measured_descent import MeasuredDescent, measured
from steepest.analysis.checks.progress import without_theory
from steepest.analysis.diagnosis import checks_of
from steepest.analysis.finding import Finding, Fitted, FittedRows, Kind
from steepest.analysis.fit_settings import pinned
from steepest.analysis.needs import AGAIN, LINEAR, check
from steepest.descent.stopping import Status
from steepest.formulas.rules import Automatic

CLEAR, LIKELY = 0.9, 0.5  # share of the gap that a remedy must win; and where none does, neither more steps


@check(
    "fit",
    finds=(
        Kind.RATE_TOO_HIGH,
        Kind.RATE_TOO_LOW,
        Kind.TOO_FEW_STEPS,
        Kind.NOISE,
        Kind.KINK,
        Kind.PATIENCE,
        Kind.FLOAT32,
    ),
    needs=(LINEAR, AGAIN),
)
def descent(fit: FittedRows) -> Iterator[Finding]:
    """Everything that kept a descent from its optimum; more steps only where nothing else is to blame."""
    if fit.status is Status.CONVERGED:
        return
    made = measured(fit)
    if made is None:
        yield from without_a_rate(fit) if fit.optimizer == Automatic.CURVATURE else without_theory(fit)
        return
    if made.gap <= made.worth_saying:
        return
    also: dict[str, Any] = {}
    if fit.status is Status.PATIENCE:
        impatient = list(cut_short.patience(made, fit))
        if impatient or made.settles:  # early stopping leaves a gap on purpose, unless noise ended it
            yield from impatient or learning_rate.too_high(made, fit, CLEAR)
            return
        also = {"patience": cut_short.longer_patience(made)}
    elif fit.status is Status.TOLERANCE:
        also = {"tol": 0.0}
    found = asked(made, fit, CLEAR) or list(learning_rate.too_few(made, fit)) or asked(made, fit, LIKELY)
    for finding in found:  # what ended the descent would end the mended one as well
        yield replace(finding, remedy=pinned({**finding.remedy, **also}, fit))


def asked(made: MeasuredDescent, fit: Fitted, need: float) -> list[Finding]:
    """What all checks of a descent say, whose remedies win at least that share of the gap."""
    return [finding for each in checks_of("descent") for finding in each(made, fit, need)]


def without_a_rate(fit: Fitted) -> Iterator[Finding]:
    """Curvature steps, which need no rate, did not arrive: single precision, or too few of them."""
    relative = fit.relative_gap
    if relative is None or not np.isfinite(relative):
        return
    bound = 1e-5 if fit.loss_function.kinked else 1e-9
    if relative <= bound or fit.exact is None or fit.exact.separable:
        return
    if fit.spec.dtype == "float32":
        yield cut_short.single_precision(fit, "The gap is closed.", 1.0)
    elif fit.status in (Status.EPOCHS, Status.STEPS):
        setting = "max_steps" if fit.status is Status.STEPS else "epochs"
        yield Finding(
            Kind.TOO_FEW_STEPS, f"{fit.steps:,} steps are too few.",
            f"The relative gap is {relative:.1e}, and each step still makes it smaller.",
            {setting: max(100, 10 * fit.steps)}, "The gap is closed.", 1.0,
        )  # fmt: skip
