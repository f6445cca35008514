"""The loss curve that theory predicts for a descent, from its start and its rates alone.

For `mse`, with or without an `l2` penalty, the objective is a quadratic, and full-batch gradient descent, momentum and
Nesterov's method on it are known in closed form whatever the schedule and the coordinates. Where a measured curve leaves the
predicted one, rounding has begun.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from steepest.analysis import convergence, stable_rate
from steepest.analysis.adam_stability import full_batch
from steepest.analysis.finding import Fitted
from steepest.analysis.fit_settings import PRECONDITIONERS, frame_of, innermost_rule, start_of
from steepest.data.thinning import evenly
from steepest.descent import schedule_factors
from steepest.formulas.schedules import needs_steps

MOST_STEPS = 200_000  # steps up to which a schedule is gone through step by step; a constant rate has no limit


@dataclass(frozen=True)
class Directions:
    """Eigenvectors of the Hessian in the descent's coordinates, the steepest first: values: `[r]`, their eigenvalues.

    left: `[r]`, the share of the distance that a step leaves along each in the end, at the last rate. gaps: `[T, r]`, how much
    of F(θₜ) − F* lies along each at the recorded steps.
    """

    values: np.ndarray
    left: np.ndarray
    gaps: np.ndarray


def predicted_curve(fit: Fitted) -> np.ndarray | None:
    """F(θₜ) − F* at the recorded steps `[T]` as theory predicts it; None where it does not apply.

    It applies to `mse` without an `l1` penalty, a full batch, and sgd, momentum or nesterov without clipping.
    """
    known = _theory(fit)
    return None if known is None else _gaps(fit, *known)


def predicted_directions(fit: Fitted, most: int = 6) -> Directions | None:
    """The same along each eigenvector by itself, of the steepest and the flattest `most` of them; None likewise."""
    known = _theory(fit)
    if known is None:
        return None
    quadratic, rule, rates = known
    used = np.flatnonzero((quadratic.values > 0.0) & (quadratic.gaps > 0.0))
    chosen = used[evenly(len(used), most)]
    alone = [convergence.Quadratic(quadratic.values[[i]], quadratic.gaps[[i]]) for i in chosen]
    left = [stable_rate.contraction(each.values, rule, float(rates[-1])) for each in alone]
    gaps = np.array([_gaps(fit, each, rule, rates) for each in alone]).reshape(len(alone), len(fit.trace))
    return Directions(quadratic.values[chosen], np.array(left), gaps.T)


def _theory(fit: Fitted) -> tuple[convergence.Quadratic, Any, np.ndarray] | None:
    """The quadratic, the rule and the rates of a descent that theory knows."""
    problem = None if fit.train is None else fit.problem
    if problem is None or not problem.loss.quadratic or problem.penalty.kinked or not full_batch(fit):
        return None
    rule = None if fit.spec.clip is not None or fit.precondition not in PRECONDITIONERS else innermost_rule(fit)
    best = None if fit.exact is None else fit.exact.theta
    if best is None or rule is None or np.isnan(stable_rate.largest_rate(np.ones(1), rule)):
        return None
    rates = _rates(fit)
    if rates is None:
        return None
    return convergence.quadratic_at(problem, frame_of(fit, problem), start_of(fit), best), rule, rates


def _gaps(fit: Fitted, quadratic: convergence.Quadratic, rule: Any, rates: np.ndarray) -> np.ndarray:
    if rates.size == 1:
        return convergence.gaps_after(quadratic, rule, float(rates[0]), fit.trace.step)
    return convergence.predicted_gaps(quadratic, rule, rates)[fit.trace.step]


def _rates(fit: Fitted) -> np.ndarray | None:
    """The rate of each step `[steps]`, or `[1]` where it never changes; None where it is not known.

    They stand in the trace where every step is recorded. Where not, the schedule is gone through again.
    """
    trace = fit.trace
    if not fit.steps or ((trace.lr == trace.lr[0]).all() and fit.schedule == "constant"):
        return trace.lr[:1]
    if fit.steps > MOST_STEPS:
        return None
    if len(trace) == fit.steps + 1:
        return trace.lr[:-1]
    planned = min((count for count in (fit.spec.max_steps, fit.spec.epochs) if count is not None), default=None)
    chosen = schedule_factors.of_fit(fit)
    if planned is None and needs_steps(str(chosen)):
        return None
    rates = fit.lr * schedule_factors.factors(schedule_factors.schedule(chosen, planned), 0, 0, fit.steps, whole=True)
    known = trace.step < fit.steps
    return rates if np.allclose(rates[trace.step[known]], trace.lr[known], rtol=1e-12) else None
