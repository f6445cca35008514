"""Lasso and elastic net of tall tables, fitted where they lie, against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import ElasticNet, Lasso

import steepest as st

ROWS, COLUMNS = 8_000, 100


def table(far: float = 5.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    x = (
        random.standard_normal((ROWS, COLUMNS)) * np.geomspace(0.3, 3.0, COLUMNS)
        + random.uniform(-far, far, COLUMNS) / 5.0
    )
    x[:, 7] = x[:, 3] + 0.1 * random.standard_normal(ROWS)
    true = np.where(np.arange(COLUMNS) % 10 == 3, 1.0, 0.0) / np.geomspace(0.3, 3.0, COLUMNS)
    return x, 2.0 + x @ true + random.standard_normal(ROWS), random.uniform(0.3, 2.0, ROWS)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("l1", [0.02, 1.0, 30.0])
def test_the_lasso_is_that_of_scikit_learn_and_its_gap_is_proven(order, intercept, weighted, l1):
    x, y, weights = table()
    x = np.asarray(x, order=order)
    given = weights if weighted else None
    fit = st.fit(x, y, penalty=f"l1:{l1}", intercept=intercept, weights=given)
    other = Lasso(alpha=l1 / 2, fit_intercept=intercept, tol=1e-11, max_iter=3_000).fit(x, y, sample_weight=given)
    best = [other.intercept_, *other.coef_] if intercept else other.coef_
    np.testing.assert_allclose(fit.theta, best, rtol=1e-6, atol=1e-7)
    assert np.count_nonzero(fit.theta) == np.count_nonzero(best)
    assert np.shares_memory(fit.train.x, x)
    assert (fit.gap_kind, fit.status.name) == ("bound", "CONVERGED")
    assert fit.relative_gap == 0.0
    assert fit.exact.objective == pytest.approx(fit.objective_value, rel=1e-13)


def test_an_elastic_net_is_that_of_scikit_learn():
    x, y, _ = table()
    fit = st.fit(x, y, penalty="elastic:0.05,0.02")
    other = ElasticNet(alpha=0.05 / 2 + 0.02, l1_ratio=0.05 / 2 / (0.05 / 2 + 0.02), tol=1e-11, max_iter=3_000).fit(
        x, y
    )
    np.testing.assert_allclose(fit.theta, [other.intercept_, *other.coef_], rtol=1e-6, atol=1e-7)
    assert (fit.gap_kind, fit.relative_gap < 1e-15) == ("bound", True)


@pytest.mark.parametrize("far", [5.0, 5_000.0])
def test_a_start_far_off_and_columns_far_from_zero_lead_there_too(far):
    x, y, _ = table(far)
    fit = st.fit(x, y, penalty="l1:0.05", init=list(np.random.default_rng(1).standard_normal(COLUMNS + 1)))
    other = Lasso(alpha=0.025, tol=1e-11, max_iter=3_000).fit(x - x.mean(0), y)
    np.testing.assert_allclose(fit.theta[1:], other.coef_, rtol=1e-6, atol=1e-7)


def test_a_column_given_twice_takes_other_coordinates():
    x, y, _ = table()
    x[:, 4] = x[:, 3]
    fit = st.fit(x, y, penalty="l1:0.05")
    other = Lasso(alpha=0.025, tol=1e-11, max_iter=3_000).fit(np.delete(x, 4, 1), y)
    np.testing.assert_allclose(fit.theta[4] + fit.theta[5], other.coef_[3], rtol=1e-6)
    assert fit.relative_gap < 1e-15


def test_a_target_of_one_value_leaves_no_coefficient():
    x, _, _ = table()
    with pytest.warns(st.SteepestWarning, match="same value"):
        fit = st.fit(x, np.full(ROWS, 3.0), penalty="l1:0.05")
    np.testing.assert_allclose(fit.theta, [3.0, *np.zeros(COLUMNS)], atol=1e-12)
