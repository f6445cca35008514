"""The theory of descents against descents, eigenvalues of the iteration matrix, and published formulas."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steepest.analysis import spectrum
from steepest.analysis.convergence import Quadratic, gaps_after, predicted_gaps, quadratic_at, steps_to
from steepest.analysis.curvature import hessian
from steepest.analysis.exact import solve
from steepest.analysis.stable_rate import best_rate, contraction, largest_rate
from steepest.descent.loop import descend
from steepest.descent.torch_rules import rule
from steepest.errors import SpecError
from steepest.model import preconditioners as coordinates
from steepest.model.linear import LinearProblem
from steepest.model.linear_objective import LinearObjective
from steepest.model.penalties import penalty
from steepest.model.torch_losses import loss

RULES = [rule("sgd"), rule("momentum:0.9"), rule("momentum:0.5"), rule("nesterov:0.9"), rule("nesterov:0.3")]
FRAMES = {"none": lambda _: None, "standardize": coordinates.standardised, "orthonormal": coordinates.orthonormal}
VALUES = np.array([7.0, 2.0, 0.31])


def make(loss_name="mse", penalty_name="none", outputs=1, n=60, weighted=False, scales=(1.0, 3.0, 0.2)):
    random = np.random.default_rng(8)
    design = np.column_stack([np.ones(n), random.standard_normal((n, len(scales))) * scales + 0.3])
    target = design @ random.standard_normal((len(scales) + 1, outputs)) + 0.5 * random.standard_normal((n, outputs))
    if loss_name == "logistic":
        target = (target + random.logistic(size=(n, 1)) > 0).astype(float)
    if loss_name == "cross_entropy":
        target = (target + 2 * random.gumbel(size=target.shape)).argmax(1)
    elif outputs == 1:
        target = target[:, 0]
    weights = random.uniform(0.2, 3.0, n)
    return LinearProblem(
        design, target, loss(loss_name), penalty(penalty_name), True, weights / weights.mean() if weighted else None, outputs
    )  # fmt: skip


def iteration(lam, chosen, lr):
    """One step of a rule, written out by hand, on ½λz²: a matrix on (place, velocity)."""
    columns = []
    for place, velocity in ([1.0, 0.0], [0.0, 1.0]):
        slope, beta = lam * place, chosen.momentum
        moved = beta * velocity + slope
        ahead = chosen.kind.name == "nesterov"
        columns.append([place - lr * (slope + beta * moved if ahead else moved), moved])
    return np.array(columns).T


def radius(values, chosen, lr):
    return max(np.abs(np.linalg.eigvals(iteration(lam, chosen, lr))).max() for lam in values)


def measured(problem, frame, chosen, lr, steps, schedule=None, start=None):
    """F − F* along a real descent, with F* the exact answer's."""
    objective = LinearObjective(problem, coordinates=frame, start=start)
    best = solve.solve(problem)
    found = []
    for step in islice(descend(objective, chosen, lr=lr, schedule=schedule), steps + 1):
        found.append(float(objective.value(step.theta) + objective.penalty(step.theta)) - best.objective)
    return np.array(found), best.theta


@pytest.mark.parametrize("chosen", RULES, ids=str)
@pytest.mark.parametrize("frame_name", FRAMES)
@pytest.mark.parametrize(
    ("penalty_name", "outputs", "weighted"), [("none", 1, False), ("l2:0.1", 1, True), ("none", 2, True)]
)
def test_the_predicted_gaps_are_the_measured_ones(chosen, frame_name, penalty_name, outputs, weighted):
    problem = make("mse", penalty_name, outputs, weighted=weighted)
    frame = FRAMES[frame_name](problem)
    start = 3.0 * np.random.default_rng(1).standard_normal(problem.parameters)
    best = solve.solve(problem).theta
    hill = quadratic_at(problem, frame, start, best)
    lr = 0.6 * largest_rate(hill.values, chosen)
    gaps, _ = measured(problem, frame, chosen, lr, 30, start=start)
    predicted = predicted_gaps(hill, chosen, np.full(30, lr))
    # the measured gap is a difference of losses, good to the rounding of the loss itself
    np.testing.assert_allclose(predicted, gaps, rtol=1e-8, atol=1e-13 * abs(gaps[0]))


@pytest.mark.parametrize("schedule", ["inverse", "step:5,0.5", "warmup:7", lambda step, epoch: 1.0 / (1 + step) ** 0.5])
@pytest.mark.parametrize("chosen", RULES[:4], ids=str)
def test_any_schedule_is_predicted(schedule, chosen):
    from steepest.descent.schedule_factors import factors
    from steepest.descent.schedule_factors import schedule as named

    problem = make()
    hill = quadratic_at(problem, None, np.zeros(4), solve.solve(problem).theta)
    lr = 0.5 * largest_rate(hill.values, chosen)
    gaps, _ = measured(problem, None, chosen, lr, 40, schedule)
    rates = lr * factors(named(schedule), 0, 0, 40, whole=True)
    np.testing.assert_allclose(predicted_gaps(hill, chosen, rates), gaps, rtol=1e-8, atol=1e-13)


@pytest.mark.parametrize("chosen", RULES, ids=str)
@pytest.mark.parametrize("share", [1e-6, 0.01, 0.3, 0.5, 0.97, 1.0, 1.01])
def test_the_closed_form_is_the_recurrence(chosen, share):
    hill = Quadratic(VALUES, np.array([1.0, 2.0, 0.5]))
    lr = share * largest_rate(VALUES, chosen)
    walked = predicted_gaps(hill, chosen, np.full(500, lr))
    np.testing.assert_allclose(gaps_after(hill, chosen, lr, np.arange(501)), walked, rtol=1e-9, atol=1e-200)


def test_the_closed_form_holds_where_both_roots_are_one():
    # Polyak's momentum at the optimum: both ends of the spectrum have a double root
    kappa = VALUES[0] / VALUES[-1]
    chosen = rule(f"momentum:{((kappa**0.5 - 1) / (kappa**0.5 + 1)) ** 2}")
    lr = best_rate(VALUES, chosen)
    hill = Quadratic(VALUES, np.ones(3))
    walked = predicted_gaps(hill, chosen, np.full(200, lr))
    np.testing.assert_allclose(gaps_after(hill, chosen, lr, np.arange(201)), walked, rtol=1e-9)


@given(
    st.floats(1e-3, 1e3), st.floats(1.0, 1e6), st.floats(0.0, 0.999), st.booleans(), st.floats(1e-6, 1.5)
)  # fmt: skip
def test_contraction_is_the_spectral_radius_of_a_step(largest, kappa, beta, nesterov, share):
    values, name = np.array([largest, largest / kappa**0.5, largest / kappa]), "nesterov" if nesterov else "momentum"
    chosen = rule(f"{name}:{beta}")
    lr = share * largest_rate(values, chosen)
    # eigenvalues of a matrix near a double root are known to the root of the rounding only
    assert contraction(values, chosen, lr) == pytest.approx(radius(values, chosen, lr), rel=3e-7)


@pytest.mark.parametrize("chosen", RULES, ids=str)
def test_a_step_contracts_below_the_largest_rate_and_grows_above(chosen):
    limit = largest_rate(VALUES, chosen)
    assert radius(VALUES, chosen, limit) == pytest.approx(1.0, rel=1e-12)
    assert radius(VALUES, chosen, 0.999 * limit) < 1.0 < radius(VALUES, chosen, 1.001 * limit)


@pytest.mark.parametrize("chosen", RULES, ids=str)
@pytest.mark.parametrize("values", [VALUES, np.array([3.0, 1e-4]), np.array([2.0])], ids=len)
def test_no_rate_contracts_faster_than_the_best(chosen, values):
    best = best_rate(values, chosen)
    least = radius(values, chosen, best)
    assert contraction(values, chosen, best) == pytest.approx(least, abs=1e-7)
    for rate in np.geomspace(1e-3, 1.0, 400) * largest_rate(values, chosen):
        assert radius(values, chosen, rate) >= least - 1e-7


def test_the_published_optima():
    L, m = 10.0, 0.1
    kappa, values = L / m, np.array([L, m])
    assert best_rate(values, rule("sgd")) == pytest.approx(2 / (L + m), rel=1e-14)
    assert contraction(values, rule("sgd"), 2 / (L + m)) == pytest.approx((kappa - 1) / (kappa + 1), rel=1e-13)
    # Polyak 1964: the heavy ball
    beta = ((kappa**0.5 - 1) / (kappa**0.5 + 1)) ** 2
    assert best_rate(values, rule(f"momentum:{beta}")) == pytest.approx(4 / (L**0.5 + m**0.5) ** 2, rel=1e-14)
    assert contraction(values, rule(f"momentum:{beta}"), 4 / (L**0.5 + m**0.5) ** 2) == pytest.approx(
        beta**0.5, rel=1e-7
    )
    # Lessard, Recht and Packard 2016, table 1: Nesterov's method at its best on quadratics
    beta = ((3 * kappa + 1) ** 0.5 - 2) / ((3 * kappa + 1) ** 0.5 + 2)
    nesterov = rule(f"nesterov:{beta}")
    assert best_rate(values, nesterov) == pytest.approx(4 / (3 * L + m), rel=1e-6)
    assert contraction(values, nesterov, 4 / (3 * L + m)) == pytest.approx(1 - 2 / (3 * kappa + 1) ** 0.5, rel=1e-6)


@pytest.mark.parametrize("chosen", RULES, ids=str)
def test_the_number_of_steps_is_counted_by_walking(chosen):
    hill = Quadratic(np.array([5.0, 0.02]), np.array([3.0, 1.0]))
    lr = 0.1 * largest_rate(hill.values, chosen)
    gaps = predicted_gaps(hill, chosen, np.full(20_000, lr))
    for gap in (3.9, 0.5, 1e-3, 1e-9):
        assert steps_to(hill, chosen, lr, gap) == np.flatnonzero(gaps <= gap)[0]


def test_a_thousand_million_steps_are_counted_without_walking():
    hill = Quadratic(np.array([1.0, 1e-9]), np.array([1.0, 1.0]))
    # (1 − 1e-9)^2t = 1e-6
    expected = np.ceil(np.log(1e-6) / (2 * np.log1p(-1e-9)))
    assert steps_to(hill, rule("sgd"), 1.0, 1e-6) == pytest.approx(expected, abs=1)
    # at β = 0.9 a small rate is worth ten times as much
    assert steps_to(hill, rule("momentum:0.9"), 0.1, 1e-6) == pytest.approx(expected, rel=1e-6)
    assert steps_to(Quadratic(np.array([1e-15]), np.array([1.0])), rule("sgd"), 1.0, 0.5) == pytest.approx(
        np.log(2) / 2e-15
    )


def test_what_is_never_reached_is_infinitely_far():
    hill = Quadratic(VALUES, np.ones(3))
    assert steps_to(hill, rule("sgd"), 2.1 / 7.0, 1e-3) == np.inf
    assert steps_to(hill, rule("sgd"), 0.1, 0.0) == np.inf
    assert steps_to(hill, rule("sgd"), 0.1, 4.0) == 0.0
    # a direction that is not curved has no gap to lose, and a steep one with no gap does not matter
    flat = Quadratic(np.array([9.0, 1.0, 0.0]), np.array([0.0, 1.0, 0.0]))
    assert steps_to(flat, rule("sgd"), 0.5, 1e-6) == 10.0
    assert contraction(flat.values, rule("sgd"), 0.1) == pytest.approx(0.9)
    assert best_rate(flat.values, rule("sgd")) == pytest.approx(0.2)
    assert flat.condition == 9.0


def test_nothing_is_said_about_other_rules():
    hill = Quadratic(VALUES, np.ones(3))
    for found in (
        largest_rate(VALUES, rule("adam")),
        best_rate(VALUES, rule("adam")),
        contraction(VALUES, rule("adam"), 0.1),
    ):
        assert np.isnan(found)
    assert np.isnan(steps_to(hill, rule("adam"), 0.1, 1e-3))
    assert np.isnan(predicted_gaps(hill, rule("adam"), np.ones(3))).all()
    assert np.isnan(gaps_after(hill, rule("adam"), 0.1, [0, 5])).all()


def test_what_is_not_curved_holds_at_any_rate():
    assert largest_rate(np.zeros(2), rule("sgd")) == best_rate(np.zeros(2), rule("sgd")) == np.inf
    assert contraction(np.zeros(2), rule("sgd"), 1.0) == 0.0


@pytest.mark.parametrize("frame_name", FRAMES)
@pytest.mark.parametrize(
    ("loss_name", "outputs"), [("mse", 1), ("mse", 2), ("huber:0.4", 1), ("logistic", 1), ("cross_entropy", 3)]
)
@pytest.mark.parametrize("penalty_name", ["none", "l2:0.2"])
def test_the_eigenvalues_are_those_of_the_hessian_in_its_coordinates(frame_name, loss_name, outputs, penalty_name):
    problem = make(loss_name, penalty_name, outputs, weighted=True)
    frame = FRAMES[frame_name](problem)
    theta, start = (np.random.default_rng(s).standard_normal(problem.parameters) for s in (1, 2))
    matrix = np.kron(np.eye(outputs), np.eye(4) if frame is None else frame.matrix)
    curved = matrix.T @ hessian(problem, theta) @ matrix
    values, vectors = np.linalg.eigh(curved)
    moved = np.linalg.solve(matrix, start - theta)
    hill = quadratic_at(problem, frame, start, theta)
    np.testing.assert_allclose(hill.values, values[::-1], rtol=1e-9, atol=1e-13)
    np.testing.assert_allclose(hill.gaps.sum(), 0.5 * moved @ curved @ moved, rtol=1e-10)
    if outputs == 1 and np.ptp(values) > 1e-6:  # equal eigenvalues have no vectors of their own
        np.testing.assert_allclose(hill.gaps, (0.5 * values * (vectors.T @ moved) ** 2)[::-1], rtol=1e-7)


def test_the_valley_of_degree_twelve_is_round_in_orthonormal_coordinates():
    x = np.linspace(0.0, 3.0, 50)
    problem = replace(make(n=50), design=x[:, None] ** np.arange(13), target=np.sin(x), degree=12)
    best = solve.solve(problem).theta
    hill = quadratic_at(problem, coordinates.orthonormal(problem), np.zeros(13), best)
    np.testing.assert_allclose(hill.values, 2.0, rtol=1e-12)
    np.testing.assert_allclose(
        hill.gaps.sum() + np.mean((problem.design @ best - np.sin(x)) ** 2), np.mean(np.sin(x) ** 2)
    )
    # in user units: the singular values of the design in higher precision than its Gram matrix could have
    sizes = np.linalg.svd(problem.design / 50**0.5, compute_uv=False)
    np.testing.assert_allclose(quadratic_at(problem, None, np.zeros(13), best).values, 2.0 * sizes**2, rtol=1e-3)


def test_dependent_columns_have_an_eigenvalue_of_zero():
    plain = make()
    problem = replace(plain, design=np.column_stack([plain.design, plain.design[:, 1] * 2.0]))
    hill = quadratic_at(problem, None, np.zeros(5), solve.solve(problem).theta)
    assert hill.values[-1] == 0.0
    assert (hill.values[:-1] > 0.0).all()
    lr = 0.9 * largest_rate(hill.values, rule("sgd"))
    gaps, _ = measured(problem, None, rule("sgd"), lr, 20)
    np.testing.assert_allclose(predicted_gaps(hill, rule("sgd"), np.full(20, lr)), gaps, rtol=1e-8)


def test_more_columns_than_rows():
    random = np.random.default_rng(0)
    problem = LinearProblem(random.standard_normal((8, 20)), random.standard_normal(8), loss("mse"), intercept=False)
    best = np.linalg.lstsq(problem.design, problem.target)[0]
    hill = quadratic_at(problem, None, np.zeros(20), best)
    assert (hill.values > 0).sum() == 8
    lr = 0.9 * largest_rate(hill.values, rule("sgd"))
    theta, gaps = np.zeros(20), []
    for _ in range(21):
        residual = problem.design @ theta - problem.target
        gaps.append(np.mean(residual**2))
        theta = theta - lr * problem.design.T @ residual / 4
    np.testing.assert_allclose(predicted_gaps(hill, rule("sgd"), np.full(20, lr)), gaps, rtol=1e-8)


def test_tall_designs_are_taken_in_blocks(monkeypatch):
    from steepest.model import linear

    problem = make("cross_entropy", "l2:0.1", 3)
    theta, start = np.full(12, 0.1), np.ones(12)
    whole = quadratic_at(problem, None, start, theta)
    monkeypatch.setattr(linear, "TALL", 0)
    monkeypatch.setattr(linear, "BLOCK", 100)
    apart = quadratic_at(problem, None, start, theta)
    np.testing.assert_allclose(apart.values, whole.values, rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(apart.gaps.sum(), whole.gaps.sum(), rtol=1e-12)


@pytest.mark.parametrize("frame_name", ["none", "standardize"])
def test_wide_problems_are_predicted_by_quadrature(frame_name, monkeypatch):
    random = np.random.default_rng(4)
    design = random.standard_normal((80, 60)) * np.geomspace(1.0, 0.1, 60)
    problem = LinearProblem(design, random.standard_normal(80), loss("mse"), penalty("l2:0.001"), intercept=False)
    frame = FRAMES[frame_name](problem)
    best = solve.solve(problem).theta
    every = quadratic_at(problem, frame, np.zeros(60), best)
    monkeypatch.setattr(spectrum, "MOST_EXACT", 10)
    monkeypatch.setattr(spectrum, "LANCZOS", 25)
    some = quadratic_at(problem, frame, np.zeros(60), best)
    assert len(some.values) == 25
    assert some.values[0] == pytest.approx(every.values[0], rel=1e-6)
    assert some.gaps.sum() == pytest.approx(every.gaps.sum(), rel=1e-10)
    rates = np.full(25, 0.9 * largest_rate(every.values, rule("sgd")))
    # with N nodes the gaps of the first N − 1 steps, polynomials of degree 2t of H, are exact
    np.testing.assert_allclose(
        predicted_gaps(some, rule("sgd"), rates[:23]), predicted_gaps(every, rule("sgd"), rates[:23]), rtol=1e-8
    )


@pytest.mark.parametrize(("loss_name", "penalty_name"), [("l1", "none"), ("quantile:0.3", "none"), ("mse", "l1:0.1")])
def test_where_there_is_a_kink_there_is_no_valley(loss_name, penalty_name):
    with pytest.raises(SpecError, match="no second derivative"):
        quadratic_at(make(loss_name, penalty_name), None, np.zeros(4), np.zeros(4))


def test_near_the_optimum_of_other_losses_the_valley_is_the_objective():
    problem = make("logistic", "l2:0.05")
    best = solve.solve(problem).theta
    start = best + 1e-4
    hill = quadratic_at(problem, None, start, best)
    chosen = rule("momentum:0.8")
    lr = 0.5 * largest_rate(hill.values, chosen)
    gaps, _ = measured(problem, None, chosen, lr, 20, start=start)
    np.testing.assert_allclose(predicted_gaps(hill, chosen, np.full(20, lr)), gaps, rtol=2e-3, atol=1e-15)
