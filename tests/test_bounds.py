"""Coefficients within bounds: the exact answer and the descents beside scipy and scikit-learn, and what is said of bad bounds."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.optimize import linprog, lsq_linear, minimize, nnls
from sklearn.linear_model import ElasticNet, LinearRegression

import steepest as st
from steepest.cli.commands import main
from steepest.cli.options import value_of
from steepest.errors import FitError, SpecError
from steepest.settings import Spec

BOUNDS = {"x1": (0, None), "x2": (0, None), "x3": (None, 20), "x4": (0.5, 1)}
LOW = np.array([-np.inf, 0.0, 0.0, -np.inf, 0.5])
HIGH = np.array([np.inf, np.inf, np.inf, 20.0, 1.0])


@pytest.fixture(scope="module")
def table():
    random = np.random.default_rng(0)
    x = random.normal(size=(80, 4)) * [1, 100, 0.01, 1] + [0, 500, 0, 2]
    return x, x @ [1.0, -0.02, 50.0, 0.1] + random.normal(size=80)


def test_least_squares_are_those_of_scipy(table):
    x, y = table
    fit = st.fit(x, y, bounds=BOUNDS)
    found = lsq_linear(np.column_stack([np.ones(80), x]), y, (LOW, HIGH), method="bvls", tol=1e-15)
    np.testing.assert_allclose(fit.theta, found.x, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(fit.exact.theta, found.x, rtol=1e-9, atol=1e-12)
    assert fit.loss == pytest.approx(2.0 * found.cost / 80, rel=1e-12)
    assert fit.exact.certificate < 1e-13
    assert fit.status is st.Status.CONVERGED


def test_no_coefficient_below_zero(table):
    x, y = table
    positive = dict.fromkeys(("x1", "x2", "x3", "x4"), (0, None))
    np.testing.assert_allclose(
        st.fit(x, y, bounds=positive, intercept=False).theta, nnls(x, y)[0], rtol=1e-9, atol=1e-12
    )
    theirs = LinearRegression(positive=True).fit(x, y)
    mine = st.fit(x, y, bounds=positive)
    np.testing.assert_allclose(mine.theta, [theirs.intercept_, *theirs.coef_], rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("loss", ["huber:1", "logcosh", "logistic", "poisson"])
@pytest.mark.parametrize("penalty", [None, "l2:0.01"])
def test_other_losses_are_those_of_l_bfgs_b(table, loss, penalty):
    x, y = table
    x = x / [1, 100, 0.01, 1]
    counts, classes = np.round(np.exp((y - y.mean()) / 4)), (y > y.mean()).astype(int)
    target = {"logistic": classes, "poisson": counts}.get(loss, y)
    bounds = {"x1": (0.2, 0.5), "x2": (0, None), "x3": (None, 0.3)}
    fit = st.fit(x, target, loss=loss, penalty=penalty, bounds=bounds)
    limits = [(None, None), (0.2, 0.5), (0, None), (None, 0.3), (None, None)]
    close = {"ftol": 1e-15, "gtol": 1e-11, "maxiter": 5000}
    found = minimize(
        fit.objective, np.array([0, 0.3, 0, 0, 0]), jac=True, method="L-BFGS-B", bounds=limits, options=close
    )
    assert fit.objective_value == pytest.approx(found.fun, rel=1e-8)
    assert fit.objective_value <= found.fun * (1 + 1e-13)
    assert abs(fit.relative_gap) < 1e-12
    assert fit.exact.certificate < 1e-12


@pytest.mark.parametrize("optimizer", ["sgd", "momentum:0.9", "nesterov:0.9", "adam", "adagrad", "lion"])
def test_every_rule_stays_within_the_bounds(table, optimizer):
    x, y = table
    fit = st.fit(x, y, bounds=BOUNDS, optimizer=optimizer, precondition="standardize", epochs=400)
    path = fit.trace.theta
    assert (path >= LOW - 1e-12).all()
    assert (path <= HIGH + 1e-12).all()
    assert fit.relative_gap < 0.05


def test_projected_gradient_descent_step_for_step(table):
    x, y = table
    x = x / [1, 100, 0.01, 1]
    bounds = {"x1": (0, 0.4), "x4": (0.2, None)}
    fit = st.fit(x, y, bounds=bounds, optimizer="sgd", lr=0.01, precondition="none", epochs=30)
    design, low, high = (
        np.column_stack([np.ones(80), x]),
        [-np.inf, 0, -np.inf, -np.inf, 0.2],
        [np.inf, 0.4, *[np.inf] * 3],
    )
    theta = np.clip(np.zeros(5), low, high)
    for row in fit.trace.theta:
        np.testing.assert_allclose(row, theta, rtol=1e-12, atol=1e-13)
        theta = np.clip(theta - 0.01 * 2.0 * design.T @ (design @ theta - y) / 80, low, high)


@pytest.mark.parametrize(("loss", "level"), [("l1", 0.5), ("quantile:0.3", 0.3)])
@pytest.mark.parametrize("l1", [0.0, 0.05])
def test_losses_with_a_kink_are_linear_programmes_within_them(table, loss, level, l1):
    """min Σ level·p + (1 − level)·q over θ, p, q ≥ 0 with A·θ + p − q = y, by scipy's HiGHS; l1 is twice that of ½."""
    x, y = table
    x = x / [1, 100, 0.01, 1]
    design, twice = np.column_stack([np.ones(80), x]), 2.0 if loss == "l1" else 1.0
    bounds = {"x1": (0.2, 0.5), "x2": (0, None), "x3": (None, 0.3)}
    limits = [(None, None), (0.2, 0.5), (0, None), (None, 0.3), (None, None)]
    sizes = [(0, None)] * 4  # |θ| of the four slopes
    cost = np.concatenate(
        [np.zeros(5), np.full(80, twice * level / 80), np.full(80, twice * (1 - level) / 80), np.full(4, l1)]
    )
    equal = np.hstack([design, np.eye(80), -np.eye(80), np.zeros((80, 4))])
    slopes = np.eye(5)[1:]
    above = np.vstack([np.hstack([sign * slopes, np.zeros((4, 160)), -np.eye(4)]) for sign in (1, -1)])
    found = linprog(cost, above, np.zeros(8), equal, y, [*limits, *[(0, None)] * 160, *sizes])
    fit = st.fit(x, y, loss=loss, bounds=bounds, penalty=f"l1:{l1}" if l1 else None)
    assert fit.exact.objective == pytest.approx(found.fun, rel=1e-9)
    np.testing.assert_allclose(fit.exact.theta, found.x[:5], rtol=1e-6, atol=1e-9)
    assert fit.exact.certificate < 1e-12
    assert fit.relative_gap < 1e-9


def test_a_kink_under_an_l2_penalty_is_a_quadratic_programme_within_them(table):
    """The same with λ‖θ‖², by scipy's SLSQP."""
    x, y = table
    x, y = x[:30] / [1, 100, 0.01, 1], y[:30]
    design = np.column_stack([np.ones(30), x])

    def value(z):
        return z[5:].sum() / 30 + 0.05 * np.sum(z[1:5] ** 2), np.concatenate([[0], 0.1 * z[1:5], np.full(60, 1 / 30)])

    equal = {"type": "eq", "fun": lambda z: design @ z[:5] + z[5:35] - z[35:] - y}
    equal["jac"] = lambda z: np.hstack([design, np.eye(30), -np.eye(30)])
    limits = [(None, None), (0.2, 0.5), (0, None), (None, 0.3), (None, None), *[(0, None)] * 60]
    start = np.concatenate([np.zeros(5), np.maximum(y, 0), np.maximum(-y, 0)])
    options = {"ftol": 1e-14, "maxiter": 1000}
    found = minimize(value, start, jac=True, method="SLSQP", bounds=limits, constraints=equal, options=options)
    fit = st.fit(x, y, loss="l1", penalty="l2:0.05", bounds={"x1": (0.2, 0.5), "x2": (0, None), "x3": (None, 0.3)})
    assert fit.exact.objective == pytest.approx(found.fun, rel=1e-8)
    assert fit.exact.objective <= found.fun * (1 + 1e-12)
    np.testing.assert_allclose(fit.exact.theta, found.x[:5], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "loss", ["hinge", "epsilon_insensitive:0.4", "huber:1", "logistic", "poisson", "expectile:0.7"]
)
@pytest.mark.parametrize("penalty", ["l1:0.05", "elastic:0.05,0.02"])
def test_bounds_go_with_an_l1_penalty_under_any_loss(table, loss, penalty):
    x, y = table
    x = x / [1, 100, 0.01, 1]
    classes = (y > y.mean()).astype(int)
    counts = np.round(np.exp((y - y.mean()) / 4))
    target = classes if loss in ("hinge", "logistic") else counts if loss == "poisson" else y
    fit = st.fit(x, target, loss=loss, penalty=penalty, bounds={"x1": (0.2, 0.5), "x2": (-1, 0), "x3": (0, None)})
    assert fit.exact.certificate < 1e-10
    assert fit.relative_gap < (1e-8 if fit.loss_function.kinked else 1e-12)
    plain = st.fit(x, target, loss=loss, penalty=penalty, bounds={"x1": (None, 1e9)})
    free = st.fit(x, target, loss=loss, penalty=penalty)
    np.testing.assert_allclose(plain.exact.theta, free.exact.theta, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("ridge", [0.0, 0.1])
def test_positive_lassos_are_those_of_scikit_learn(table, ridge):
    x, y = table
    x = x / [1, 100, 0.01, 1]
    alpha = 0.1 + ridge
    model = ElasticNet(alpha=alpha, l1_ratio=0.1 / alpha, positive=True, tol=1e-15, max_iter=200_000).fit(x, y)
    positive = dict.fromkeys(("x1", "x2", "x3", "x4"), (0, None))
    penalty = f"elastic:0.2,{ridge}" if ridge else "l1:0.2"
    fit = st.fit(x, y, penalty=penalty, bounds=positive)
    np.testing.assert_allclose(fit.theta, [model.intercept_, *model.coef_], rtol=1e-8, atol=1e-9)
    by_steps = st.fit(x, y, penalty=penalty, bounds=positive, optimizer="sgd", epochs=3000)
    np.testing.assert_allclose(by_steps.theta, fit.theta, rtol=1e-5, atol=1e-6)


def test_a_sweep_and_a_saved_run_keep_them(table, tmp_path):
    x, y = table
    swept = st.sweep(
        x, y, bounds=BOUNDS, optimizer=["sgd", "adam"], lr=[0.01, 0.1], precondition="standardize", epochs=20
    )
    for i in range(4):
        assert (swept.fit(i).theta >= LOW - 1e-12).all()
    fit = st.fit(x, y, bounds=BOUNDS)
    fit.save(tmp_path / "run")
    assert st.load(tmp_path / "run").spec.bounds == fit.spec.bounds == Spec.from_toml(fit.spec.to_toml()).bounds
    assert "within bounds there are no standard errors" in fit.summary().reason.lower()
    with pytest.raises(SpecError, match="knows no bounds"):
        fit.to_python(style="scikit-learn")


def test_the_command_takes_them(table, tmp_path, capsys):
    x, y = table
    np.savetxt(tmp_path / "t.csv", np.column_stack([x, y]), delimiter=",", header="x1,x2,x3,x4,y", comments="")
    words = ["fit", str(tmp_path / "t.csv"), "--target", "y", "--bounds", "x1=0:,x2=0:,x3=:20,x4=0.5:1", "--json"]
    assert main(words) == 0
    found = json.loads(capsys.readouterr().out)["params"]
    np.testing.assert_allclose(list(found.values()), st.fit(x, y, bounds=BOUNDS).theta, rtol=1e-8, atol=1e-9)
    with pytest.raises(SpecError, match="--bounds x1=3: it is written COLUMN=LOW:HIGH"):
        value_of("bounds", ["x1=3"])


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"bounds": {"zz": (0, 1)}}, "there is no coefficient 'zz'. There are 'x1', 'x2'"),
        ({"bounds": {"x1": (2, 1)}}, r"bounds of 'x1': \(2, 1\) must be a low bound and one that is no lower"),
        ({"bounds": {"x1": 3}}, "bounds of 'x1': 3 must be a low and a high bound"),
        ({"bounds": 5}, "bounds=5: it must be a dict"),
        ({"bounds": {"intercept": (0, 1)}}, "the intercept is free"),
        ({"bounds": {"x1": (0, 1)}, "precondition": "orthonormal", "optimizer": "sgd"}, "mixes the columns"),
        ({"bounds": {"x1": (0, 1)}, "model": "mlp:4"}, "this is a module"),
    ],
)
def test_bad_bounds_are_told(table, settings, words):
    with pytest.raises((SpecError, FitError), match=words):
        st.fit(*table, **settings)
