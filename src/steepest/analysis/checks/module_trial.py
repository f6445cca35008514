"""What another module in the place of a fit's would have come to, by the same steps on a sample of its rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from steepest.analysis.checks.rerun import MOST_ROWS, placed, rerun, wrapped
from steepest.analysis.finding import Fitted
from steepest.analysis.what_if import whole_objective
from steepest.data.batching import Batching
from steepest.data.thinning import sampled
from steepest.descent.stopping import Status
from steepest.lazy import nn
from steepest.text.numbers import number

BETTER = 0.9


def as_asked(fit: Fitted) -> Fitted:
    """The fit with the steps that it was to take, where it diverged before."""
    if fit.status is not Status.DIVERGED or fit.train is None:
        return fit
    return replace(fit, steps=Batching.of(fit.spec, fit.train.rows).steps or fit.steps)


def tried(fit: Fitted, module: nn.Module | None, comparable: bool = True) -> str:
    """What the same steps lead to with another module in the place of the fit's, if that is better; else nothing.

    comparable: whether its objective is one with the fit's.
    """
    if module is None or fit.trace.theta.shape[1] != len(fit.theta) or fit.train is None:
        return ""
    run = rerun(as_asked(fit), wrapped(fit, module, fit.trace.theta[0]))
    if run is None:
        return ""
    rows = sampled(fit.train, MOST_ROWS).rows
    some = f" on {rows:,} rows" if rows < fit.train.rows else ""
    reached = f"After {run.steps:,} steps{some} the objective is {number(run.value)}"
    if not comparable:
        return f"{reached}."
    now = _now(fit, run.steps)
    if not run.value <= BETTER * now:
        return ""
    return f"{reached} {'where it diverges now' if np.isinf(now) else f'instead of {number(now)}'}."


def _now(fit: Fitted, steps: int) -> float:
    """F of the fit's own module after so many steps; inf where it diverges."""
    if fit.status is not Status.DIVERGED and steps >= fit.steps:
        return whole_objective(placed(fit, fit.theta))
    now = rerun(as_asked(fit), placed(fit))
    return float("inf") if now is None else now.value
