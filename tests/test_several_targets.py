"""Several targets at once, of whatever units: each is fitted, and F stays the mean of all squared residuals."""

import re
import subprocess
import sys

import numpy as np
import pytest
import torch
from sklearn.metrics import r2_score

import steepest as st

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
    done = subprocess.run([sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert float(re.search(r"^loss (\S+)", done.stdout, re.MULTILINE)[1]) == pytest.approx(fit.loss, rel=1e-10)


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
