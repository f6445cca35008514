"""Several targets at once, of whatever units: each is fitted, and F stays the mean of all squared residuals."""

import re

import numpy as np
import pytest
import torch
from sklearn.metrics import r2_score

import steepest as st
from ejecting import ran
from steepest.engines import kernel_args, kernel_rows, kernels

RANDOM = np.random.default_rng(3)
X = RANDOM.uniform(-2, 2, (150, 2))
SMALL = X[:, 0] + 0.5 * np.sin(2 * X[:, 1]) + 0.01 * RANDOM.normal(size=150)
BIG = 1e4 * (X[:, 1] - 0.3 * X[:, 0] ** 2) + 100 * RANDOM.normal(size=150)


@pytest.mark.parametrize(
    ("factors", "far"),
    [((1, 1), 0.0), ((1e3, 1e-6), 1e6), ((1, 1e4), 0.0)],
    ids=["1 and 1e4", "1e3 and 0.01", "1 and 1e8"],
)
def test_an_mlp_fits_each_of_two_targets_as_well_as_alone(factors, far):
    y = np.column_stack([SMALL, BIG]) * factors + far
    fit = st.fit(X, y, model="mlp:32")
    each = r2_score(y, fit.predict(X), multioutput="raw_values")
    assert each.min() > 0.995
    assert fit.metrics["train"]["r2 y1"] == pytest.approx(each[0], abs=1e-12)
    assert fit.metrics["train"]["r2 y2"] == pytest.approx(each[1], abs=1e-12)
    assert fit.metrics["train"]["r2"] == pytest.approx(each.mean(), abs=1e-12)
    # F is what it always was: the mean over rows and targets, in user units
    want = np.mean((fit.predict(X) - y) ** 2)
    assert fit.loss == pytest.approx(want, rel=1e-12)
    assert fit.trace.objective[-1] == pytest.approx(want, rel=1e-12)


def test_the_gradient_that_is_given_is_that_of_the_objective():
    y = np.column_stack([SMALL, BIG])
    fit = st.fit(X, y, model="mlp:4", epochs=5)
    value, gradient = fit.objective(fit.theta)
    h = 1e-6
    for i in (0, 9, len(fit.theta) - 1):
        step = h * np.eye(len(fit.theta))[i]
        slope = (fit.objective(fit.theta + step)[0] - fit.objective(fit.theta - step)[0]) / (2 * h)
        assert gradient[i] == pytest.approx(slope, rel=1e-5)
    assert value == pytest.approx(np.mean((fit.predict(X) - y) ** 2), rel=1e-12)


def test_steps_are_those_in_standardised_targets():
    y = np.column_stack([SMALL, BIG])
    units = (y - y.mean(0)) / y.std(0)
    settings = {"model": "mlp:8", "optimizer": "adam", "lr": 0.01, "precondition": "standardize", "epochs": 30}
    fit, plain = st.fit(X, y, **settings), st.fit(X, units, **settings)
    np.testing.assert_allclose((fit.predict(X) - y.mean(0)) / y.std(0), plain.predict(X), atol=1e-6)


def test_runs_of_a_sweep_are_the_fits_alone():
    y = np.column_stack([SMALL, BIG])
    runs = st.sweep(X, y, model="mlp:6", lr=[0.003, 0.01], optimizer="adam", precondition="standardize", epochs=20)
    for i, lr in enumerate((0.003, 0.01)):
        alone = st.fit(X, y, model="mlp:6", lr=lr, optimizer="adam", precondition="standardize", epochs=20)
        np.testing.assert_allclose(runs.fit(i).theta, alone.theta, rtol=1e-9, atol=1e-12)


def test_a_script_does_the_same_steps(tmp_path):
    fit = st.fit(X, np.column_stack([SMALL, BIG]), model="mlp:6", epochs=20)
    fit.to_python(tmp_path / "script.py")
    (said,) = ran([tmp_path / "script.py"])
    assert float(re.search(r"^loss (\S+)", said, re.MULTILINE)[1]) == pytest.approx(fit.loss, rel=1e-10)


def test_a_run_that_is_loaded_predicts_the_same(tmp_path):
    fit = st.fit(X, np.column_stack([SMALL, BIG]), model="mlp:6", epochs=20)
    fit.save(tmp_path / "run")
    np.testing.assert_array_equal(st.load(tmp_path / "run").predict(X), fit.predict(X))


def test_a_module_of_the_users_own_is_told_which_target_decides():
    y = np.column_stack([SMALL, BIG])
    assert "nearly that of 'y2' alone" in " ".join(st.fit(X, y, model=torch.nn.Linear(2, 2), epochs=2).notes)
    assert not st.fit(X, y / y.std(0), model=torch.nn.Linear(2, 2), epochs=2).notes
    assert not st.fit(X, y, model="mlp:4", epochs=2).notes


@pytest.mark.filterwarnings("ignore::steepest.SteepestWarning")
def test_r2_of_a_target_that_does_not_vary_is_not_defined_and_spoils_no_other():
    y = np.column_stack([SMALL, np.full(150, 3.3)])
    found = st.fit(X, y).metrics["train"]
    assert np.isnan(found["r2 y2"])
    assert found["r2"] == found["r2 y1"] == pytest.approx(r2_score(SMALL, st.fit(X, SMALL).predict(X)), rel=1e-12)
    alone = st.fit(X, y[:, 1])
    assert np.isnan(alone.metrics["train"]["r2"])
    assert alone.metrics["train"]["rmse"] < 1e-12


EVERY = ["l1", "huber:0.7", "quantile:0.3", "epsilon_insensitive:0.4", "expectile:0.8", "logcosh", "cauchy", "tukey:3"]
EVERY += ["poisson", "gamma", "tweedie:1.6", "binomial"]


def two_targets(name):
    random = np.random.default_rng(5)
    x = random.normal(size=(90, 2))
    middle = np.column_stack([x @ [1.0, -2.0], 0.5 + x @ [-0.5, 0.3]])
    if name == "binomial":
        return x, random.integers(0, 8, size=(90, 2)) / 7.0
    counts = random.poisson(np.exp(0.5 * middle)) + (1.0 if name == "gamma" else 0.0)
    return x, counts if name in ("poisson", "gamma", "tweedie:1.6") else middle + random.standard_t(3, size=(90, 2))


@pytest.mark.parametrize("name", EVERY)
def test_targets_of_any_loss_have_the_answers_of_each_alone(name):
    x, y = two_targets(name)
    weights = np.arange(1.0, 91.0)
    fit = st.fit(x, y, loss=name, weights=weights)
    alone = [st.fit(x, y[:, k], loss=name, weights=weights) for k in range(2)]
    kinked = fit.loss_function.kinked
    thetas = np.concatenate([one.theta for one in alone])
    np.testing.assert_allclose(fit.theta, thetas, rtol=1e-3 if kinked else 1e-7, atol=1e-3 if kinked else 1e-7)
    assert fit.loss == pytest.approx(np.mean([one.loss for one in alone]), rel=1e-4 if kinked else 1e-10)
    if fit.loss_function.convex:
        exact = np.concatenate([one.exact.theta for one in alone])
        np.testing.assert_allclose(fit.exact.theta, exact, rtol=1e-8, atol=1e-10)
        assert fit.exact.certificate < 1e-9
        assert fit.relative_gap < (1e-4 if kinked else 1e-10)
        errors = np.concatenate([one.summary().coefficients["std_error"].to_numpy() for one in alone])
        mine = fit.summary().coefficients["std_error"].to_numpy()
        np.testing.assert_allclose(mine, errors, rtol=0.05 if kinked else 1e-6)
    decision = np.column_stack([one.decision(x) for one in alone])
    np.testing.assert_allclose(fit.decision(x), decision, atol=1e-2 if kinked else 1e-6)


@pytest.mark.parametrize("name", EVERY)
def test_several_targets_of_any_loss_are_swept_diagnosed_and_descend_in_small_batches(name):
    x, y = two_targets(name)
    st.fit(x, y, loss=name, penalty="l2:0.01").diagnose()
    table = st.sweep(x, y, loss=name, optimizer="sgd", lr=[0.01, 0.02], epochs=20)
    plain = st.fit(x, y, loss=name, optimizer="sgd", lr=0.02, epochs=20)
    np.testing.assert_allclose(table.fit(1).theta, plain.theta, rtol=1e-10, atol=1e-15)
    small = st.fit(x, y, loss=name, optimizer="sgd", batch_size=16, epochs=3, penalty="l1:0.01")
    assert np.isfinite(small.loss)
    assert st.fit(x, y, loss=name, model="mlp:3", epochs=3).predict(x).shape == (90, 2)
    problem = st.objective("linear", name, x, y)
    rows = kernel_args.rows_as_they_lie(problem)
    room = kernel_args.room_for(rows, 3, len(x), 16)
    kernel_rows.gather(rows, 3, np.arange(len(x)), 0, len(x), 16, room)
    theta, grad = np.random.default_rng(1).normal(size=(2, 3)), np.empty((2, 3))
    total = kernels.gradient(theta, room, 0, len(x), kernel_args.loss_code(problem.loss), grad)
    value, expected = problem.value_and_grad(torch.from_numpy(theta.ravel()))
    assert total / len(x) == pytest.approx(float(value), rel=1e-12)
    np.testing.assert_allclose(grad.ravel() / len(x), expected.numpy(), rtol=1e-10, atol=1e-13)


def test_scripts_of_several_counts_and_of_weighted_huber_print_the_numbers(tmp_path):
    paths, fits = [], []
    for name, more in (
        ("poisson", {}),
        ("huber:0.7", {"weights": np.arange(1.0, 91.0)}),
        ("l1", {"lr": 0.1, "epochs": 20}),
    ):
        fit = st.fit(*two_targets(name), loss=name, **more)
        paths.append(tmp_path / f"{len(fits)}.py")
        paths[-1].write_text(fit.to_python())
        fits.append(fit)
    for fit, said in zip(fits, ran(paths), strict=True):
        found = np.array([float(line.split()[-1]) for line in said.splitlines()[-6:]])
        np.testing.assert_allclose(found, fit.theta, rtol=1e-7, atol=1e-9)
