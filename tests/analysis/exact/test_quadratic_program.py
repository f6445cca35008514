"""Piecewise linear losses with an l2 penalty beside solvers of others: liblinear, scipy's SLSQP, closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import linprog, minimize
from sklearn.svm import LinearSVC, LinearSVR

from steepest.analysis.duality import bound
from steepest.analysis.exact import certificate as certify
from steepest.analysis.exact.quadratic_program import gap, standard
from steepest.analysis.exact.solve import solve
from steepest.model.linear import LinearProblem
from steepest.model.penalties import penalty
from steepest.model.torch_losses import loss

ROWS = 60


def rows(name, seed=0):
    random = np.random.default_rng(seed)
    x = random.normal(size=(ROWS, 3)) * [1.0, 100.0, 0.01]
    y = x @ [1.0, -0.02, 50.0] + random.standard_t(2, size=ROWS)
    return np.column_stack([np.ones(ROWS), x]), (y > 0).astype(float) if loss(name).classes else y


def by_slsqp(given):
    """The same with a variable for each max: min Σ w·t + penalty, t ≥ high·r, t ≥ low·r, from a start of its own."""
    n, p = given.design.shape
    scale = np.sqrt(np.mean(given.design**2, axis=0))
    design, free = given.design / scale, given.penalised
    l1, l2 = given.penalty.l1 / scale, given.penalty.l2 / scale**2
    weights = np.ones(n) if given.weights is None else given.weights
    kinks = [np.broadcast_arrays(*kink, np.zeros(n))[:3] for kink in given.loss.kinks(given.target)]
    count = len(kinks)

    def objective(v):
        c, t, s = v[:p], v[p : p + n * count], v[p + n * count :]
        value = np.tile(weights, count) @ t / n + (l1 * free) @ s + (l2 * free) @ c**2
        return value, np.concatenate([2 * l2 * free * c, np.tile(weights, count) / n, l1 * free])

    sides = []
    for at, (place, low, high) in enumerate(kinks):
        for slope in (low, high):
            matrix = np.zeros((n, p + n * count + p))
            matrix[:, :p], matrix[:, p + at * n : p + (at + 1) * n] = slope[:, None] * design, np.eye(n)
            sides.append((matrix, -slope * place))
    for sign in (1.0, -1.0):
        matrix = np.zeros((p, p + n * count + p))
        matrix[:, :p], matrix[:, p + n * count :] = sign * np.eye(p), np.eye(p)
        sides.append((matrix, np.zeros(p)))
    matrix, right = np.vstack([each[0] for each in sides]), np.concatenate([each[1] for each in sides])
    limits = {"type": "ineq", "fun": lambda v: matrix @ v + right, "jac": lambda v: matrix}
    start = np.concatenate(
        [np.zeros(p), *(np.maximum(high * place, low * place) for place, low, high in kinks), np.zeros(p)]
    )
    found = minimize(
        objective, start, jac=True, constraints=[limits], method="SLSQP", options={"ftol": 1e-14, "maxiter": 500}
    )
    return found.fun


@pytest.mark.parametrize("name", ["l1", "quantile:0.8", "epsilon_insensitive:0.5", "hinge"])
@pytest.mark.parametrize("penalty_name", ["l2:0.05", "elastic:0.02,0.05"])
def test_another_solver_finds_the_same_objective(name, penalty_name):
    design, target = rows(name)
    weights = np.random.default_rng(1).uniform(0.5, 1.5, ROWS) if name == "quantile:0.8" else None
    weights = None if weights is None else weights / weights.mean()
    given = LinearProblem(design, target, loss(name), penalty(penalty_name), True, weights)
    exact = solve(given)
    assert exact.certificate < 1e-12
    assert exact.objective == pytest.approx(by_slsqp(given), rel=1e-8)


def test_the_hinge_is_that_of_linear_svc():
    """½‖w‖² + C·Σ max(1 − m, 0), divided by n·C: A = 1/(2·n·C)."""
    design, target = rows("hinge")
    design, c = design[:, 1:] / [1.0, 100.0, 0.01], 0.3
    theirs = LinearSVC(C=c, loss="hinge", fit_intercept=False, tol=1e-10, max_iter=1_000_000).fit(design, target)
    exact = solve(LinearProblem(design, target, loss("hinge"), penalty(f"l2:{1 / (2 * ROWS * c)}"), False))
    margin = (2 * target - 1) * (design @ theirs.coef_[0])
    value = (0.5 * theirs.coef_[0] @ theirs.coef_[0] + c * np.maximum(0, 1 - margin).sum()) / (ROWS * c)
    assert exact.objective == pytest.approx(value, rel=1e-8)
    assert exact.objective <= value
    np.testing.assert_allclose(exact.theta, theirs.coef_[0], atol=1e-4)


def test_the_tube_is_that_of_linear_svr():
    design, target = rows("l1")
    design, c = design[:, 1:] / [1.0, 100.0, 0.01], 0.3
    theirs = LinearSVR(C=c, epsilon=0.4, fit_intercept=False, tol=1e-10, max_iter=1_000_000).fit(design, target)
    given = LinearProblem(design, target, loss("epsilon_insensitive:0.4"), penalty(f"l2:{1 / (2 * ROWS * c)}"), False)
    value = 0.5 * theirs.coef_ @ theirs.coef_ + c * np.maximum(0, np.abs(target - design @ theirs.coef_) - 0.4).sum()
    exact = solve(given)
    assert exact.objective == pytest.approx(value / (ROWS * c), rel=1e-8)
    assert exact.objective <= value / (ROWS * c)


@pytest.mark.parametrize("name", ["epsilon_insensitive:0.5", "hinge"])
@pytest.mark.parametrize("l1", [0.0, 0.02])
def test_the_linear_programme_in_its_primal_form(name, l1):
    """min Σ t/n + A·Σ s where t ≥ high·r, t ≥ low·r, s ≥ ±θ: HiGHS by its simplex method, with an offset in each row."""
    design, target = rows(name, 2)
    design, offset = design / [1.0, 1.0, 100.0, 0.01], np.random.default_rng(3).normal(size=ROWS)
    given = LinearProblem(design, target, loss(name), penalty(f"l1:{l1}" if l1 else None), offset=offset)
    n, p = design.shape
    parts, right = [], []
    kinks = [np.broadcast_arrays(*kink, np.zeros(n))[:3] for kink in given.loss.kinks(target)]
    for at, (place, low, high) in enumerate(kinks):
        for slope in (low, high):
            one = np.zeros((n, p + n * len(kinks) + p))
            one[:, :p], one[:, p + at * n : p + (at + 1) * n] = -slope[:, None] * design, -np.eye(n)
            parts.append(one)
            right.append(-slope * (place - offset))
    for sign in (1.0, -1.0):
        one = np.zeros((p, p + n * len(kinks) + p))
        one[:, :p], one[:, p + n * len(kinks) :] = sign * np.eye(p), -np.eye(p)
        parts.append(one)
        right.append(np.zeros(p))
    cost = np.concatenate([np.zeros(p), np.full(n * len(kinks), 1.0 / n), l1 * given.penalised])
    found = linprog(cost, np.vstack(parts), np.concatenate(right), bounds=(None, None), method="highs-ds")
    exact = solve(given)
    assert exact.certificate < 1e-12
    assert exact.objective == pytest.approx(found.fun, rel=1e-8)
    assert bound(given, exact.theta) <= 1e-9 * exact.objective


def test_an_offset_is_part_of_the_margin():
    design, target = rows("hinge", 2)
    given = LinearProblem(design, target, loss("hinge"), penalty("l2:0.05"), offset=np.linspace(-2.0, 2.0, ROWS))
    exact = solve(given)
    random = np.random.default_rng(0)
    value = certify.objective(given, exact.theta)
    assert value == pytest.approx(exact.objective, rel=1e-13)
    for _ in range(50):
        assert certify.objective(given, exact.theta * (1 + 0.1 * random.normal(size=4))) >= value


def test_one_column_by_hand():
    """|3 − θ| + |1 − θ| over 2, and θ²/2: its derivative θ − ½(sign + sign) is 0 at θ = 1."""
    exact = solve(LinearProblem(np.ones((2, 1)), np.array([3.0, 1.0]), loss("l1"), penalty("l2:0.5"), False))
    np.testing.assert_allclose(exact.theta, [1.0], rtol=1e-14)
    assert exact.objective == pytest.approx(1.5, rel=1e-14)


def test_the_widest_margin():
    """Rows at 0, 1 | 2, 3: under ever less l2 the widest margin, f = 2·(x − 1.5), and F = A·4."""
    design, target = np.column_stack([np.ones(4), np.arange(4.0)]), np.array([0.0, 0.0, 1.0, 1.0])
    exact = solve(LinearProblem(design, target, loss("hinge"), penalty("l2:1e-9")))
    np.testing.assert_allclose(exact.theta, [-3.0, 2.0], rtol=1e-7)
    assert exact.objective == pytest.approx(4e-9, rel=1e-6)


@pytest.mark.parametrize("name", ["l1", "hinge"])
def test_no_point_is_nearer_to_the_optimum_than_its_gap_says(name):
    design, target = rows(name, 4)
    given = LinearProblem(design, target, loss(name), penalty("l2:0.05"))
    terms, matrix = standard(given)
    least = solve(given).objective
    random = np.random.default_rng(0)
    low, high = terms.programme.low, terms.programme.high
    for _ in range(20):
        c, u = random.normal(size=len(matrix)), random.uniform(low, high)
        assert gap(terms, c, u) >= terms.value(c) - least - 1e-12
