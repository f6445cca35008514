"""Bounds on the gap from θ alone, against the optima of scikit-learn and HiGHS: never below the gap, and 0 where it is."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import ElasticNet, Lasso, LogisticRegression, QuantileRegressor, Ridge

from steepest.analysis.duality import bound
from steepest.analysis.exact.certificate import objective
from steepest.model.linear import LinearProblem
from steepest.model.penalties import Penalty
from steepest.model.torch_losses import loss

N = 150


def table(seed=0, columns=4):
    random = np.random.default_rng(seed)
    x = random.standard_normal((N, columns)) * np.geomspace(1.0, 3.0, columns) + 0.5
    y = 2.0 + x @ random.standard_normal(columns) + random.standard_t(3, N)
    return x, y, random.uniform(0.3, 2.0, N)


def problem(x, y, name, weights=None, outputs=1, intercept=True, **penalty):
    design = np.column_stack([np.ones(len(x)), x]) if intercept else x
    weights = None if weights is None else weights / weights.mean()
    return LinearProblem(design, y, loss(name), Penalty(**penalty), intercept, weights, outputs)


def of_estimator(found):
    return np.column_stack([np.ravel(found.intercept_), np.atleast_2d(found.coef_)]).ravel()


def by_ridge(x, y, weights):
    found = Ridge(alpha=0.2 * N, tol=1e-14).fit(x, y, weights / weights.mean())
    return problem(x, y, "mse", weights, l2=0.2), of_estimator(found)


def by_ridge_of_two_targets(x, y, _):
    both = np.column_stack([y, 3.0 - 2.0 * y + x[:, 0] ** 2])
    found = Ridge(alpha=0.2 * 2 * N, tol=1e-14).fit(x, both)
    return problem(x, both, "mse", outputs=2, l2=0.2), of_estimator(found)


def by_lasso(x, y, _):
    return problem(x, y, "mse", l1=0.6), of_estimator(Lasso(alpha=0.3, tol=1e-15, max_iter=100_000).fit(x, y))


def by_elastic_net(x, y, _):
    # ½·mean r² + a·(ρ·|θ| + ½(1−ρ)·θ²), twice
    found = ElasticNet(alpha=0.5, l1_ratio=0.4, tol=1e-15, max_iter=100_000).fit(x, y)
    return problem(x, y, "mse", l1=0.4, l2=0.3), of_estimator(found)


def by_logistic(x, y, weights):
    above = (y > 2.5).astype(float)
    weights = weights / weights.mean()
    found = LogisticRegression(C=1.0 / (2.0 * 0.05 * N), tol=1e-12, max_iter=10_000).fit(x, above, weights)
    return problem(x, above, "logistic", weights, l2=0.05), of_estimator(found)


def by_sparse_logistic(x, y, _):
    above = (y > 2.5).astype(float)
    model = LogisticRegression(
        l1_ratio=1.0, solver="saga", C=1.0 / (0.01 * N), tol=1e-13, max_iter=200_000, random_state=0
    )
    return problem(x, above, "logistic", l1=0.01), of_estimator(model.fit(x, above))


def by_classes(x, y, _):
    codes = np.digitize(y, [1.0, 4.0])
    found = LogisticRegression(C=1.0 / (2.0 * 0.05 * N), tol=1e-12, max_iter=10_000).fit(x, codes)
    return problem(x, codes, "cross_entropy", outputs=3, l2=0.05), of_estimator(found)


def by_median(x, y, weights):
    found = QuantileRegressor(quantile=0.5, alpha=0.0, solver="highs").fit(x, y, weights)
    return problem(x, y, "l1", weights), of_estimator(found)


def by_quantile(x, y, _):
    found = QuantileRegressor(quantile=0.9, alpha=0.0, solver="highs").fit(x, y)
    return problem(x, y, "quantile:0.9"), of_estimator(found)


def by_sparse_quantile(x, y, _):
    found = QuantileRegressor(quantile=0.3, alpha=0.1, solver="highs").fit(x, y)
    return problem(x, y, "quantile:0.3", l1=0.1), of_estimator(found)


SMOOTH = [by_ridge, by_ridge_of_two_targets, by_lasso, by_elastic_net, by_logistic, by_sparse_logistic, by_classes]
KINKED = [by_median, by_quantile, by_sparse_quantile]


@pytest.mark.parametrize("solver", SMOOTH + KINKED)
@pytest.mark.parametrize("columns", [1, 4])
def test_no_gap_is_larger_than_its_bound(solver, columns):
    given, best = solver(*table(columns=columns))
    least = objective(given, best)
    random = np.random.default_rng(1)
    for size in (1e-6, 1e-4, 1e-2, 1.0, 100.0):
        for start in (best, 0.0 * best):
            theta = start + size * random.standard_normal(len(best))
            value = objective(given, theta)
            assert bound(given, theta) >= value - least - 1e-12 * value


@pytest.mark.parametrize("solver", SMOOTH + KINKED)
@pytest.mark.parametrize("columns", [1, 4])
def test_the_bound_closes_at_the_optimum(solver, columns):
    given, best = solver(*table(columns=columns))
    least = objective(given, best)
    accuracy = 1e-6 if solver is by_sparse_logistic else 1e-9  # saga's own
    assert 0.0 <= bound(given, best) <= accuracy * least


@pytest.mark.parametrize("solver", KINKED)
def test_the_bound_closes_beside_a_kink(solver):
    """Where the rows that a sample of the nearest leaves out are all on their side the linear programme is the whole one."""
    given, best = solver(*table())
    theta = best * (1.0 + 1e-6)
    gap = objective(given, theta) - objective(given, best)
    assert bound(given, theta) == pytest.approx(gap, rel=1e-4)


def test_more_columns_than_rows():
    random = np.random.default_rng(2)
    x, y = random.standard_normal((30, 80)), random.standard_normal(30)
    given, best = problem(x, y, "mse", l2=0.01), of_estimator(Ridge(alpha=0.3, tol=1e-15).fit(x, y))
    assert bound(given, best) <= 1e-12 * objective(given, best)
    assert bound(given, best + 0.01) >= objective(given, best + 0.01) - objective(given, best)
    # the best interpolation has a loss of 0, which no absolute deviation can fall below
    given = problem(x, y, "l1")
    assert bound(given, best) == objective(given, best)


def test_where_nothing_is_proven():
    x, y, _ = table()
    assert bound(problem(x, y, "mse"), np.zeros(5)) == np.inf
    assert bound(problem(x, y, "l1", l2=0.1), np.zeros(5)) == np.inf
    assert bound(problem(x, y, "mse", l2=0.1), np.full(5, np.inf)) == np.inf
