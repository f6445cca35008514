"""An average that takes in the steps of the way down, when the descent was still far from where it ended."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from steepest.analysis.checks.measured_descent import MeasuredDescent
from steepest.analysis.finding import Finding, Fitted, Kind
from steepest.analysis.needs import AVERAGES, OPTIMUM, check
from steepest.descent.averaging import begins
from steepest.descent.stopping import Status
from steepest.text.numbers import number

LATER = ("tail:0.5", "tail:0.1", "none")
EARLY = 0.5  # share of the steps before which an average begins early
NEARLY = 3.0  # times the least gap of these that the first of them may leave


@check("descent", finds=(Kind.AVERAGED,), needs=(AVERAGES, OPTIMUM))
def early_average(descent: MeasuredDescent, fit: Fitted, need: float) -> Iterator[Finding]:
    """AVERAGED: the mean of the later steps alone, or the last of them, lies far nearer to the optimum."""
    averaging, steps = str(fit.spec.averaging), descent.steps
    if fit.status not in (Status.EPOCHS, Status.STEPS) or begins(averaging, steps) >= EARLY * steps:
        return
    later = [each for each in LATER if begins(each, steps) > begins(averaging, steps)]
    gaps = descent.averaged(later)
    if gaps is None or not np.isfinite(gaps).any():
        return
    place = int(np.argmax(gaps <= max(NEARLY * np.nanmin(gaps), descent.enough)))
    gap = float(gaps[place])
    if not descent.share(gap) >= need:
        return
    first, last = begins(averaging, steps), float(gaps[-1])
    yield descent.finding(
        Kind.AVERAGED,
        f"averaging={averaging!r} keeps the way down in the answer: the mean begins after "
        f"{first:,} of {steps:,} {'steps' if steps != 1 else 'step'}.",
        f"The gap is {number(descent.first)} at the start, {number(descent.gap)} at the mean and {number(last)} at the last "
        "step.",
        {"averaging": later[place]}, gap,
    )  # fmt: skip
