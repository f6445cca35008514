"""A descent of a loss that is not convex (`cauchy`, `tukey`) that ended in a minimum while another one lies lower.

From where it ended steps that never go up lead to the bottom of its own valley (iteratively reweighted least squares); other
starts lead to the least minimum that is known (`exact/several_starts.py`).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from steepest.analysis.exact import certificate as certify
from steepest.analysis.exact import several_starts
from steepest.analysis.finding import Finding, Fitted, Kind
from steepest.analysis.needs import LINEAR, NOT_CONVEX, check
from steepest.descent.stopping import Status
from steepest.text.numbers import number

LEAST_SHARE = 0.05  # share of the objective by which the other minimum lies lower
DIGITS = 6


@check("fit", finds=(Kind.BASIN,), needs=(LINEAR, NOT_CONVEX))
def another_basin(fit: Fitted) -> Iterator[Finding]:
    """BASIN: the bottom of the fit's own valley lies above that of another one."""
    problem = fit.problem
    if problem is None or problem.loss.convex or problem.outputs > 1 or problem.penalty.bounds is not None:
        return
    if fit.status in (Status.DIVERGED, Status.INTERRUPTED) or not np.isfinite(fit.theta).all():
        return
    n, p = problem.design.shape
    if n * p * p > several_starts.MOST_ENTRIES:
        return
    own = several_starts.bottom_from(problem, np.asarray(fit.theta, dtype=np.float64))
    best = several_starts.best_of_starts(problem)
    here, there = certify.objective(problem, own), certify.objective(problem, best)
    share = 1.0 - there / here if here > 0.0 else 0.0
    if not share >= LEAST_SHARE:
        return
    start = [float(f"{value:.{DIGITS}g}") for value in best]
    yield Finding(
        Kind.BASIN,
        f"loss={str(problem.loss)!r} has several minima, and the descent ended in the valley of one that is not the least.",
        f"Its valley goes down to {number(here)}; of {several_starts.STARTS} other starts the best leads to {number(there)}.",
        {"init": start}, f"An objective of about {number(there)}.", share,
    )  # fmt: skip
