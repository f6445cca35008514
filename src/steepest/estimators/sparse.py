"""Fits to a sparse matrix: the plan of the descent, and how good its answer is, without writing the matrix out.

By default Newton's method with products of the Hessian, under an l1 penalty Nesterov's with a proximal step; with `lr` or
minibatches the rule that was asked for. The linear model only: powers and modules would fill the matrix.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import lsqr

from steepest.analysis import duality
from steepest.analysis.exact import certificate as certify
from steepest.analysis.exact.answer import Exact
from steepest.data.batching import Batching
from steepest.data.dataset import Dataset
from steepest.descent import torch_rules
from steepest.descent.method import method_of
from steepest.descent.schedule_factors import at_rate
from steepest.descent.sparse_newton import SparseNewton
from steepest.descent.stopping import CLOSED, Ending, Limits, Status
from steepest.engines.descents import Descents
from steepest.errors import SpecError
from steepest.fitting import Follower, finished
from steepest.held_out import parted
from steepest.model import modules
from steepest.model.automatic_loss import loss_of
from steepest.model.linear import LinearProblem, Terms
from steepest.model.objective import parameter_names
from steepest.model.of_fit import check_groups, targets
from steepest.model.penalties import penalty
from steepest.model.sparse_objective import SparseObjective
from steepest.monitor import watched
from steepest.planned import Plan, by_newton
from steepest.result import Fit
from steepest.settings import Spec

POWER_STEPS = 100
EXACT_STEPS = 100_000
IDLE_STEPS = 30
"""Steps without a change of F after which an accelerated descent has arrived."""


def run(spec: Spec, train: Dataset, validation: Dataset | None, follower: Follower | None) -> Fit:
    """`fitting.run` on sparse rows. The fit keeps none of them."""
    train, stopping, notes = parted(spec, train, (), validation)
    began = time.perf_counter()
    made = plan(spec, train)
    made = made if follower is None else follower.begin(made)
    work = Descents.one(made.objective, made.rule, made.batching, made.lr, made.schedule, None, made.averages)
    # F is flat near a minimum: its last digit stays the same for a while before θ has arrived
    slow = spec.tol is None and spec.patience is None and isinstance(made.rule, torch_rules.Accelerated)
    tol, patience = (0.0, IDLE_STEPS) if slow else (spec.tol, spec.patience)
    limits = Limits.of([(tol, patience, made.batching, made.rule)], made.full_batch)
    ask = None if follower is None else follower.ask
    (came,), engine = watched(spec, made, work, limits, None, stopping, ask=ask)
    done = finished(spec, made, *came, engine, time.perf_counter() - began, train, None, notes)
    done.train = None
    return done


def plan(spec: Spec, data: Dataset) -> Plan:
    """What `defaults.plan` is for dense rows."""
    if not modules.is_linear(spec.model):
        raise SpecError(f"model={spec.model!r} would fill a sparse matrix. Use model='linear', or give X.toarray().")
    loss = loss_of(spec, data.classes, data.y.ndim > 1)
    if loss.custom or (spec.dtype, spec.device) != ("float64", "cpu"):
        raise SpecError("A sparse matrix takes a loss of the table, dtype='float64' and device='cpu'.")
    if loss.family is not None and loss.family.positive:
        raise SpecError(f"link={spec.link!r} is for rows that are dense: give X.toarray(), or link='log'.")
    if spec.bounds:
        raise SpecError("bounds= are for rows that are dense: give X.toarray().")
    check_groups(spec, module=False)
    own_penalty = penalty(spec.penalty)
    if own_penalty.group:
        raise SpecError(f"penalty={spec.penalty!r} is for rows that are dense: give X.toarray(), or penalty='l1:0.01'.")
    if spec.precondition == "orthonormal":
        raise SpecError("precondition='orthonormal' would fill a sparse matrix. Use 'standardize' or 'none'.")
    terms = Terms(data.names, 1, data.schema.intercept)
    target, outputs = targets(data, loss)
    labels = data.classes if loss.coupled else data.targets
    names = parameter_names(terms.names, outputs, labels or ())
    start = modules.start(spec.init, names, spec.seed)
    scaled = spec.precondition == "standardize" or (spec.precondition == "auto" and spec.lr == "auto")
    given = sparse.csr_array(data.x), target, loss, own_penalty, terms.intercept, data.relative_weights, outputs
    objective = SparseObjective(*given, scaled, start, names)
    batching = Batching.of(spec, data.rows)
    alone = spec.optimizer == "auto" and spec.lr == "auto" and batching.size is None and spec.clip is None
    alone = alone and spec.averaging == "none"
    known: dict[str, Any] = {
        "names": names, "user_names": names, "loss": loss, "terms": terms, "to_user": objective.to_user,
        "precondition": "standardize" if scaled else "none",
    }  # fmt: skip
    if loss.bound is None and spec.lr == "auto":
        raise SpecError(f"loss {loss} has no rate of its own on a sparse matrix: give one, lr=0.01 say.")
    if alone and not objective.kinked:
        return by_newton(spec, objective, SparseNewton(objective), **known)
    asked = "sgd" if spec.optimizer == "auto" else spec.optimizer
    method = method_of(spec, objective, torch_rules.Accelerated(objective.proximal) if alone else asked, batching)
    lr = rate(objective, batching) * (1.0 - method.rule.innermost.momentum) if spec.lr == "auto" else spec.rate
    if spec.lr == "auto" and not method.rule.innermost.plain:
        lr = 0.01 if (own := method.rule.innermost.own_rate(objective.theta)) is None else own
    return Plan(
        objective=objective, rule=method.rule, lr=lr, schedule=at_rate(method.schedule, lr), schedule_name=method.schedule_name,
        batching=batching, optimizer=method.optimizer, averages=method.averages, **known,
    )  # fmt: skip


def rate(objective: SparseObjective, batching: Batching) -> float:
    """1/L, or 1/(2·L_b) for minibatches of b rows.

    L_b = n(b−1)/(b(n−1))·L + (n−b)/(b(n−1))·L_max, L the largest curvature of F and L_max that of a row (Gower and others, SGD:
    general analysis and improved rates, 2019).
    """
    n, bound = objective.rows, objective.loss.bound or 1.0
    weights = np.ones(n) if objective.weights is None else objective.weights.numpy()
    vector = np.random.default_rng(0).standard_normal(objective.width)
    one = objective.of_one_output()
    size = 1.0
    for _ in range(POWER_STEPS):
        vector /= np.linalg.norm(vector) or 1.0
        vector = one.pulled(one.predict(vector) * weights[:, None])
        size = float(np.linalg.norm(vector))
    several = objective.outputs if objective.loss.quadratic else 1
    ridge = objective.penalty_given.curvature / float((objective.size**2).min())
    whole = 1.05 * bound * size / several + ridge
    if batching.size is None:
        return 1.0 / whole if whole > 0.0 else 1.0
    b = batching.size
    centred = objective.x.power(2) @ (1.0 / objective.size**2)
    centred = centred - 2.0 * (objective.x @ (objective.mean / objective.size**2))
    rows = centred + float(((objective.mean / objective.size) ** 2).sum()) + objective.first
    largest = bound * float((weights * rows).max()) / several + ridge
    steep = (n * (b - 1) * whole + (n - b) * largest) / (b * max(n - 1, 1))
    return 0.5 / steep if steep > 0.0 else 1.0


def judged(fit: Fit, train: Dataset) -> dict[str, Any]:
    """The gap, the exact answer and the status of a fit to sparse rows.

    Of squares without an l1 penalty the answer is that of Paige and Saunders' LSQR (1982); else the gap is an upper bound from
    Fenchel's dual, and None where that proves nothing.
    """
    target, outputs = targets(train, fit.loss_function)
    ones = [sparse.csr_array(np.ones((train.rows, 1)))] if train.schema.intercept else []
    design: Any = sparse.csr_array(sparse.hstack([*ones, sparse.csr_array(train.x)]))
    given = design, target, fit.loss_function, penalty(fit.spec.penalty), train.schema.intercept
    problem = LinearProblem(*given, train.relative_weights, outputs)
    here = certify.objective(problem, fit.theta)
    exact = _squares(problem) if problem.loss.quadratic and not problem.penalty.l1 else None
    if exact is not None:
        left = here - exact.objective
        gap: float | None = 0.0 if abs(left) <= 1e-13 * abs(here) else left
    else:
        bound = duality.bound(problem, fit.theta)
        gap = float(bound) if np.isfinite(bound) else None
    ended = fit.ending
    arrived = gap is not None and gap <= CLOSED * max(abs(here), 1e-300)
    if arrived and ended.status not in (Status.DIVERGED, Status.INTERRUPTED):
        ended = Ending(Status.CONVERGED)
    return {"gap_": gap, "exact_": exact, "status_": ended.status}


def _squares(problem: LinearProblem) -> Exact:
    """The exact answer of least squares, in columns of one length."""
    n, p = problem.design.shape
    root = np.ones(n) if problem.weights is None else np.sqrt(problem.weights)
    goals = problem.target.reshape(n, -1)
    parts = [sparse.diags_array(root) @ problem.design]
    if problem.penalty.l2:
        ridge = problem.penalty.l2 * n * goals.shape[1]
        parts.append(sparse.diags_array(np.sqrt(ridge) * problem.penalised[:p]))
    tall: Any = sparse.csr_array(sparse.vstack(parts))
    length = np.sqrt(np.asarray(tall.power(2).sum(0)).ravel())
    length = np.where(length > 0.0, length, 1.0)
    even = sparse.csr_array(tall @ sparse.diags_array(1.0 / length))
    rest = np.zeros(tall.shape[0] - n)
    found = [
        lsqr(even, np.concatenate([root * column, rest]), atol=1e-15, btol=1e-15, conlim=0.0, iter_lim=EXACT_STEPS)[0]
        for column in goals.T
    ]
    theta = np.concatenate([each / length for each in found])
    value = certify.objective(problem, theta)
    slopes = (np.abs(certify.gradient(problem, at)).max() for at in (theta, np.zeros_like(theta)))
    return Exact(theta, value, "LSQR", certify.relative(*map(float, slopes)), objective=value)
