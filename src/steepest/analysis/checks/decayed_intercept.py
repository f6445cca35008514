"""A weight decay that pulls the intercept towards 0, as that of adamw does: what a penalty leaves free."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from steepest.analysis.checks.measured_descent import NEAR_NOISY, MeasuredDescent
from steepest.analysis.exact import certificate as certify
from steepest.analysis.finding import Finding, Fitted, Kind
from steepest.analysis.fit_settings import decay_of, innermost_rule
from steepest.analysis.needs import DECAYS, LINEAR, VALUES, check
from steepest.analysis.what_if import to_optimum
from steepest.descent import torch_rules
from steepest.descent.stopping import Status
from steepest.model.linear import LinearProblem
from steepest.text.numbers import number

CLEAR = 0.9  # share of the gap that is gone without the decay
OF_THE_INTERCEPT = 0.5  # share of the gap that is gone where the intercept alone is free
NEWTON = 20


@check("fit", finds=(Kind.DECAYED,), needs=(LINEAR, VALUES, DECAYS))
def decayed_intercept(fit: Fitted) -> Iterator[Finding]:
    """DECAYED: without the decay the same steps arrive, and a free intercept alone makes up for most of the gap."""
    if not decay_of(fit) > 0.0:
        return
    problem, exact, gap = fit.problem, fit.exact, fit.gap
    if problem is None or not problem.intercept or problem.outputs > 1 or not problem.loss.smooth or exact is None:
        return
    if fit.status in (Status.DIVERGED, Status.INTERRUPTED) or exact.theta is None or gap is None:
        return
    if fit.relative_gap is None or fit.relative_gap <= NEAR_NOISY:
        return
    freed = gap - (fit.objective_value - _with_free_intercept(problem, np.asarray(fit.theta, dtype=np.float64)))
    if not freed <= (1.0 - OF_THE_INTERCEPT) * gap or abs(fit.theta[0]) >= abs(exact.theta[0]):
        return
    rule = innermost_rule(fit)
    name = f"{rule.kind.name}:" + ",".join(f"{each:g}" for each in (*rule.numbers[:-1], 0.0))
    descent = to_optimum(fit, MeasuredDescent, torch_rules.rule(name))
    left = float("nan") if descent is None else descent.gap_at()
    if descent is None or not left <= (1.0 - CLEAR) * gap:
        return
    yield descent.finding(
        Kind.DECAYED,
        f"The weight decay {decay_of(fit):g} of {rule.kind.name} pulls the intercept towards 0, too: it is "
        f"{number(float(fit.theta[0]))}, and {number(float(exact.theta[0]))} at the optimum.",
        f"With the same coefficients and a free intercept the gap is {number(max(freed, 0.0))} instead of {number(gap)}. "
        "A penalty, as penalty='l2:0.001', leaves the intercept free.",
        {"optimizer": name}, left,
    )  # fmt: skip


def _with_free_intercept(problem: LinearProblem, theta: np.ndarray) -> float:
    """The least objective over the intercept alone, by Newton's method."""
    theta, best = theta.copy(), certify.objective(problem, theta)
    for _ in range(NEWTON):
        predicted = certify.prediction(problem, theta)
        slope = float(np.mean(certify.slope(problem, predicted)))
        curvature = float(np.mean(certify.curvature(problem, predicted)))
        if not curvature > 0.0:
            break
        theta[0] -= slope / curvature
        value = certify.objective(problem, theta)
        if not value < best:
            break
        best = value
    return best
