"""Least squares, leverages and robust fits are those of statsmodels and scikit-learn; outliers are as rare as promised."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import optimize, special, stats
from sklearn.linear_model import RANSACRegressor

from steepest.analysis.checks.regression import WIDTH, Regression


def regression(x, y, weights=None, **settings):
    return Regression(x, y, weights, tuple(f"x{i}" for i in range(x.shape[1])), "y", **settings)


def drawn(seed, n=60, p=3):
    random = np.random.default_rng(seed)
    x = random.normal(size=(n, p)) * 10.0 ** np.arange(p) + 5
    return x, 2 + (x / 10.0 ** np.arange(p)).sum(1) + random.normal(size=n), random


@pytest.mark.parametrize("weighted", [False, True])
def test_residuals_leverages_and_press_are_those_of_statsmodels(weighted):
    x, y, random = drawn(0)
    weights = random.uniform(0.5, 2.0, 60) if weighted else None
    found = regression(x, y, weights).thinned.least_squares
    root = np.ones(60) if weights is None else np.sqrt(weights)
    known = sm.OLS(y * root, sm.add_constant(x) * root[:, None]).fit().get_influence()
    np.testing.assert_allclose(found.residual, known.results.resid, atol=1e-9)
    np.testing.assert_allclose(found.leverage, known.hat_matrix_diag, rtol=1e-9)
    assert found.press == pytest.approx(float(np.sum(known.resid_press**2)), rel=1e-9)
    assert (found.rank, found.rss) == (4, pytest.approx(known.results.ssr, rel=1e-9))


def test_columns_that_depend_on_others_count_once():
    x, y, _ = drawn(1)
    twice = regression(np.column_stack([x, x[:, 0] - x[:, 1]]), y).thinned.least_squares
    once = regression(x, y).thinned.least_squares
    assert (twice.rank, twice.rss) == (4, pytest.approx(once.rss, rel=1e-9))


def test_the_robust_fit_minimises_hubers_loss_at_its_own_scale():
    x, y, _ = drawn(2)
    y[0] += 100.0
    sampled = regression(x, y).thinned
    found = sampled.robust
    width = WIDTH * found.scale

    def loss(theta):
        return special.huber(width, y - sampled.design @ theta).mean()

    best = optimize.minimize(loss, found.theta, method="BFGS", options={"gtol": 1e-9})
    assert loss(found.theta) == pytest.approx(best.fun, rel=1e-4)
    bulk = stats.median_abs_deviation(np.delete(found.residual, 0), scale="normal")
    assert found.scale == pytest.approx(bulk, rel=0.08)


def test_new_rows_are_predicted_as_the_sampled_ones():
    x, y, _ = drawn(3)
    for settings in ({}, {"degree": 2}, {"intercept": False}, {"degree": 3, "intercept": False}):
        sampled = regression(x, y, **settings).thinned
        theta = sampled.least_squares.theta
        np.testing.assert_allclose(sampled.predict(x, theta), sampled.design @ theta, rtol=1e-9)


@pytest.mark.parametrize("count", [1, 3])
def test_outliers_are_the_rows_that_ransac_leaves_out(count):
    x, y, random = drawn(4)
    rows = random.choice(60, count, replace=False)
    y[rows] += random.choice([-40.0, 40.0], count)
    found = regression(x, y).thinned.robust.outlying
    inliers = RANSACRegressor(residual_threshold=8.0, random_state=0).fit(x, y).inlier_mask_
    np.testing.assert_array_equal(found, ~inliers)
    assert set(np.flatnonzero(found)) == set(rows)


# Measured over 900 seeds each (see `outliers.py`): none of the first three, 26 of the last.
RATES = {
    "normal": (lambda random, n: random.normal(size=n), 0.0),
    "uniform": (lambda random, n: random.uniform(size=n), 0.0),
    "laplace": (lambda random, n: random.laplace(size=n), 0.02),
    "t of 3 degrees": (lambda random, n: random.standard_t(3, size=n), 0.1),
}


@pytest.mark.parametrize("noise", RATES)
@pytest.mark.parametrize(("n", "p"), [(12, 1), (40, 3), (150, 2)])
def test_tails_that_are_heavy_everywhere_are_no_outliers(noise, n, p):
    draw, most = RATES[noise]
    taken = 0
    for seed in range(60):
        random = np.random.default_rng([seed, n])
        x = random.normal(size=(n, p))
        taken += bool(regression(x, x.sum(1) + draw(random, n)).thinned.robust.outlying.any())
    assert taken / 60 <= most


def test_tables_of_many_rows_are_sampled_evenly():
    random = np.random.default_rng(5)
    x = random.normal(size=(100_000, 2))
    sampled = regression(x, x.sum(1)).thinned
    assert (len(sampled.y), sampled.rows[0], sampled.rows[-1]) == (10_000, 0, 99_999)
    assert set(np.diff(sampled.rows)) <= {9, 10, 11}
