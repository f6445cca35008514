"""Answers that are elsewhere: in an average, on a bound, at a decayed intercept, in another valley, pulled by a count."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import optimize

import steepest as st

RANDOM = np.random.default_rng(50)
X = RANDOM.standard_normal((200, 2))
Y = 2 + 3 * X[:, 0] - X[:, 1] + 0.5 * RANDOM.standard_normal(200)
A = sm.add_constant(X)


def codes(fit):
    return [finding.code for finding in fit.diagnose()]


def test_the_gap_predicted_without_the_way_down_is_that_of_numpys_own_steps():
    settings = {"optimizer": "sgd", "lr": 0.05, "epochs": 100}
    (finding,) = st.fit(X, Y + 50, averaging="polyak", **settings).diagnose()
    theta, path = np.zeros(3), []
    for _ in range(100):
        theta = theta - 0.05 * 2 / 200 * A.T @ (A @ theta - Y - 50)
        path.append(theta)
    best = np.linalg.lstsq(A, Y + 50, rcond=None)[0]
    least = np.mean((A @ best - Y - 50) ** 2)
    share = {"tail:0.5": 50, "tail:0.1": 10}[finding.remedy["averaging"]]
    there = np.mean((A @ np.mean(path[-share:], axis=0) - Y - 50) ** 2)
    assert finding.code == "ST050"
    assert f"about {(there - least) / least:.3g} after" in finding.predicted
    assert "ST050" not in codes(st.fit(X, Y + 50, **settings))


def test_a_decayed_intercept_is_found_beside_that_of_least_squares_and_none_where_it_is_near_zero():
    settings = {"lr": 0.5, "epochs": 800, "schedule": "cosine"}
    (finding,) = st.fit(X, Y + 50, optimizer="adamw:0.9,0.999,0.05", **settings).diagnose()
    intercept = np.linalg.lstsq(A, Y + 50, rcond=None)[0][0]
    assert finding.code == "ST051"
    assert f"and {intercept:.3g} at the optimum" in finding.what
    assert st.fit(X, Y + 50, **settings, **finding.remedy).params["intercept"] == pytest.approx(intercept, abs=1e-3)
    middle = Y - A @ np.array([2.0, 0.0, 0.0]) - np.mean(Y - 2.0)
    assert "ST051" not in codes(st.fit(X, middle, optimizer="adamw:0.9,0.999,0.05", **settings))


def test_another_valley_is_found_and_its_objective_is_that_of_scipys_minimum():
    away = Y.copy()
    away[:30] += 20
    (finding,) = st.fit(X, away, loss="tukey:4.685", init=(20.0, 0.0, 0.0)).diagnose()
    assert finding.code == "ST052"

    def objective(theta):
        near = np.clip(((A @ theta - away) / 4.685) ** 2, 0, 1)
        return 4.685**2 / 6 * np.mean(1 - (1 - near) ** 3)

    best = optimize.minimize(objective, [2.0, 3.0, -1.0], tol=1e-12)
    assert finding.remedy["init"] == pytest.approx(best.x, abs=1e-3)
    assert f"about {best.fun:.3g}" in finding.predicted
    assert not codes(st.fit(X, away, loss="tukey:4.685"))


def test_a_bound_is_found_where_the_rows_speak_against_it_and_not_where_nothing_is_lost():
    fit = st.fit(X, Y, bounds={"x1": (0.0, 1.0), "x2": (None, 5.0)})
    (finding,) = fit.diagnose()
    free = np.linalg.lstsq(A, Y, rcond=None)[0]
    assert (finding.code, finding.columns) == ("ST053", ("x1",))
    assert f"'x1' {free[1]:.3g}" in finding.evidence
    assert finding.remedy == {"bounds": {"x1": (0.0, None), "x2": (None, 5.0)}}
    assert finding.command == "--bounds x1=0.0:,x2=:5.0"
    noise = RANDOM.standard_normal(200)
    for seed in range(5):
        y = 3 * X[:, 0] + np.random.default_rng(seed).standard_normal(200)
        assert "ST053" not in codes(st.fit(np.column_stack([X, noise]), y, bounds={"x2": (0, None), "x3": (0, None)}))


def test_a_count_far_out_is_an_outlier_and_no_overdispersion():
    counts = RANDOM.poisson(np.exp(1 + 0.5 * X[:, 0])).astype(float)
    slip = counts.copy()
    slip[17] = 900.0
    (finding,) = st.fit(X, slip, loss="poisson").diagnose()
    others = np.arange(200) != 17
    theirs = sm.GLM(counts[others], A[others], sm.families.Poisson()).fit(tol=1e-12)
    assert (finding.code, finding.rows) == ("ST023", (17,))
    predicted = float(theirs.predict(A[17][None])[0])
    assert f"predicts {predicted:.5g}" in finding.evidence
    assert not codes(st.fit(X, counts, loss="poisson"))
    mixed = RANDOM.poisson(np.exp(1 + 0.5 * X[:, 0]) * RANDOM.gamma(1.0, 1.0, 200)).astype(float)
    assert codes(st.fit(X, mixed, loss="poisson")) == ["ST049"]
