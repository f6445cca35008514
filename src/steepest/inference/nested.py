"""Fits that were put side by side by `st.compare`, tested against one another where one is nested in the other."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

from steepest.errors import SteepestError
from steepest.inference.hypotheses import HypothesisTest
from steepest.inference.summary_table import Summary, not_nested
from steepest.sweep_result import Sweep

MOST = 8
"""Fits that are tested against one another at most."""


def nested_tests(sweep: Sweep) -> list[HypothesisTest]:
    """The tests of each run against those with more columns of the same rows: F for `mse`, the likelihood ratio for classes.

    None for more than eight runs, for penalised fits and for those that have not arrived.

    Example:
        >>> from steepest.fitting import fit
        >>> from steepest.sweeping import compare
        >>> x, y = [0.0, 1.0, 2.0, 3.0, 4.0], [1.0, 3.1, 4.9, 7.0, 9.1]
        >>> print(*compare([fit(x, y), fit(x, y, model="poly:2")]).nested_tests())
        run 0 holds beside run 1: F(1, 2) = 0.625, p = 0.512
    """
    if not 1 < len(sweep) <= MOST:
        return []
    known = [_summary(sweep, run) for run in range(len(sweep))]
    made = []
    for small, large in permutations(range(len(sweep)), 2):
        smaller, larger = known[small], known[large]
        if smaller is None or larger is None or smaller.sample is None or larger.sample is None:
            continue
        if not_nested(smaller.sample, larger.sample) or len(larger.figures) > 1:
            continue
        test = None
        if larger.r2 is not None:
            test = larger.compare_f_test(smaller)
        elif larger.log_likelihood is not None:
            test = larger.compare_lr_test(smaller)
        if test is not None:
            made.append(replace(test, hypothesis=f"run {small} holds beside run {large}"))
    return made


def _summary(sweep: Sweep, run: int) -> Summary | None:
    """The summary of a run whose errors are valid; None for others."""
    try:
        found = sweep.fit(run).summary()
    except SteepestError:
        return None
    return found if found.valid else None
