"""The best possible answer of a linear problem, by a trusted solver, with a certificate of our own.

    loss \\ penalty   none · l2                       l1 · elastic                      group
    mse              QR, refined to the last digit   active set (feature-sign search)  block active set
    smooth           Newton                          proximal Newton                   proximal Newton
    classes          Newton; separable: the infimum  proximal Newton                   proximal Newton
    family           Newton; no minimum: the infimum  proximal Newton                  proximal Newton
    with kinks       linear programme · quadratic    linear programme · quadratic      none

Within bounds a loss with a curvature has Newton's method with the bounds in each step (`bounded.py`); programmes have rows more.

The descent never reads what is computed here: it is what the descent is measured by.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from time import perf_counter

import numpy as np

from steepest.analysis.exact import (
    bounded,
    families,
    grouped,
    least_squares,
    linear_program,
    quadratic_program,
    separation,
    several_starts,
    smooth,
    sparse,
)
from steepest.analysis.exact import certificate as certify
from steepest.analysis.exact.answer import Exact
from steepest.model.linear import LinearProblem
from steepest.model.penalties import Penalty

Solver = Callable[[LinearProblem], Exact]

_OWN_LOSS = "There is no exact answer for a loss of your own: no solver knows it."

_CONE = (
    "There is no exact answer for loss {loss} under a group penalty: both have kinks, and no solver here takes a cone. "
    "penalty='l1:0.01' has one."
)

_KINKED: dict[str, Solver | str] = {"l1": sparse.solve, "elastic": sparse.solve, "group": grouped.solve}
"""Penalties with a kink, beside a loss with a curvature."""

# the problem a loss poses → penalty → who answers, or the reason why nobody does
SOLVERS: dict[str, dict[str, Solver | str]] = {
    "least squares": {"none": least_squares.solve, "l2": least_squares.solve, **_KINKED},
    "smooth": {"none": smooth.solve, "l2": smooth.solve, **_KINKED},
    "family": {"none": families.solve, "l2": smooth.solve, **_KINKED},
    "classes": {"none": separation.solve, "l2": smooth.solve, **_KINKED},
    "linear programme": {
        "none": linear_program.solve,
        "l2": quadratic_program.solve,
        "l1": linear_program.solve,
        "elastic": quadratic_program.solve,
        "group": _CONE,
    },
    "not convex": dict.fromkeys(("none", "l2", "l1", "elastic", "group"), several_starts.solve),
    "": dict.fromkeys(("none", "l2", "l1", "elastic", "group"), _OWN_LOSS),
}


def kind(penalty: Penalty) -> str:
    """`none`, `l1`, `l2`, `elastic` or `group`: the column of the table above."""
    if penalty.group:
        return "group"
    if penalty.l1 and penalty.l2:
        return "elastic"
    return "l1" if penalty.l1 else "l2" if penalty.l2 else "none"


def solve(problem: LinearProblem) -> Exact:
    """The best possible answer, or an `Exact` with theta None, loss nan and the reason in its note.

    >>> from steepest.model.torch_losses import loss
    >>> line = np.column_stack([np.ones(3), [0.0, 1.0, 2.0]])
    >>> solve(LinearProblem(line, np.array([1.0, 3.0, 5.0]), loss("mse"))).theta.round(12)
    array([1., 2.])
    """
    solver = SOLVERS[problem.loss.problem][kind(problem.penalty)]
    if problem.penalty.bounds is not None and problem.loss.convex and problem.loss.problem:
        programme = linear_program.solve if not problem.penalty.l2 else quadratic_program.solve
        solver = bounded.solve if problem.loss.smooth else partial(bounded.of_programme, solver=programme)
    if isinstance(solver, str):
        return Exact(None, float("nan"), "", float("nan"), solver.format(loss=problem.loss))
    started = perf_counter()
    several = problem.apart and not (solver is least_squares.solve or problem.loss.quadratic)
    found = _separately(problem, solver) if several else solver(problem)
    best, loss = found.loss, found.loss
    if problem.penalty and found.theta is not None:
        loss = certify.mean_loss(problem, certify.prediction(problem, found.theta))
    return replace(found, loss=loss, objective=best, seconds=perf_counter() - started)


def _separately(problem: LinearProblem, solver: Solver) -> Exact:
    """The answer of several targets, each found by itself: the mean of their objectives."""
    each = [solver(problem.of_output(output)) for output in range(problem.outputs)]
    thetas = [one.theta for one in each]
    known = [theta for theta in thetas if theta is not None]
    return Exact(
        np.concatenate(known) if len(known) == len(each) else None,
        float(np.mean([one.loss for one in each])),
        each[0].method,
        max(one.certificate for one in each),
        " ".join(dict.fromkeys(one.note for one in each if one.note)),
        separable=any(one.separable for one in each),
    )
