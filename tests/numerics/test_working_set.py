"""Lasso and elastic net of tall tables against scikit-learn: the columns that take part are chosen, the answer is that of all."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import ElasticNet, Lasso

import steepest as st
from steepest.analysis.exact.solve import solve
from steepest.model.linear import TALL, LinearProblem
from steepest.model.penalties import Penalty
from steepest.model.torch_losses import loss
from steepest.numerics.working_set import working_set

N, P = 4_000, 150


def table(seed=0):
    random = np.random.default_rng(seed)
    x = random.standard_normal((N, P)) * np.geomspace(0.1, 10.0, P) + random.uniform(-5.0, 5.0, P)
    x[:, 7] = x[:, 3] + 0.1 * random.standard_normal(N)
    true = np.where(np.arange(P) % 10 == 3, 1.0, 0.0) / np.geomspace(0.1, 10.0, P)
    return x, 2.0 + x @ true + random.standard_normal(N), random.uniform(0.3, 2.0, N)


def tall(x, y, intercept=True, weights=None, **penalty):
    design = np.column_stack([np.ones(len(x)), x]) if intercept else np.ascontiguousarray(x)
    assert design.size > TALL
    weights = None if weights is None else weights / weights.mean()
    return LinearProblem(design, y, loss("mse"), Penalty(**penalty), intercept, weights)


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("l1", [0.02, 1.0, 10.0])
def test_the_exact_answer_is_that_of_scikit_learn(intercept, weighted, l1):
    x, y, weights = table()
    given = weights if weighted else None
    other = Lasso(alpha=l1 / 2, precompute=True, fit_intercept=intercept, tol=1e-13, max_iter=100_000)
    other.fit(x, y, sample_weight=given)
    found = solve(tall(x, y, intercept, given, l1=l1))
    best = [other.intercept_, *other.coef_] if intercept else other.coef_
    np.testing.assert_allclose(found.theta, best, rtol=1e-6, atol=1e-7)
    assert np.count_nonzero(found.theta) == np.count_nonzero(best)
    assert found.certificate < 1e-12


def test_an_elastic_net_is_that_of_scikit_learn():
    x, y, _ = table()
    other = ElasticNet(alpha=0.05 / 2 + 0.02, l1_ratio=0.05 / 2 / (0.05 / 2 + 0.02), tol=1e-13, max_iter=100_000).fit(
        x, y
    )
    found = solve(tall(x, y, l1=0.05, l2=0.02))
    np.testing.assert_allclose(found.theta, [other.intercept_, *other.coef_], rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("penalty", ["l1:0.02", "elastic:0.02,0.01"])
def test_the_default_fit_arrives_at_it(penalty):
    x, y, _ = table()
    fit = st.fit(x, y, penalty=penalty)
    assert fit.status.arrived
    assert fit.relative_gap < 1e-14
    assert fit.steps <= 6
    np.testing.assert_array_equal(fit.theta == 0.0, fit.exact.theta == 0.0)


def test_a_start_far_off_leads_there_too():
    x, y, _ = table()
    start = np.random.default_rng(1).standard_normal(P + 1)
    fit = st.fit(x, y, penalty="l1:0.05", init=start)
    other = Lasso(alpha=0.025, tol=1e-13, max_iter=100_000).fit(x, y)
    np.testing.assert_allclose(fit.theta, [other.intercept_, *other.coef_], rtol=1e-6, atol=1e-7)


def test_a_column_given_twice_costs_nothing():
    x, y, _ = table()
    x[:, 4] = x[:, 3]
    found = solve(tall(x, y, l1=0.05))
    other = Lasso(alpha=0.025, tol=1e-13, max_iter=100_000).fit(np.delete(x, 4, 1), y)
    np.testing.assert_allclose(found.theta[4] + found.theta[5], other.coef_[3], rtol=1e-6)
    assert found.certificate < 1e-12


def test_columns_far_from_zero_are_standardised_first():
    x, y, _ = table()
    problem = tall(x + 1e6, y, l1=0.05)
    assert working_set(problem, torch.from_numpy(problem.design)) is None
    other = Lasso(alpha=0.025, tol=1e-13, max_iter=100_000).fit(x, y)
    np.testing.assert_allclose(solve(problem).theta[1:], other.coef_, rtol=1e-5, atol=1e-7)


def test_only_columns_that_would_move_take_part():
    x, y, _ = table()
    problem = tall(x, y, l1=1.0)
    found = working_set(problem, torch.from_numpy(problem.design))
    assert found is not None
    few, matrix = found
    c = torch.zeros(P + 1, dtype=torch.float64)
    slopes = torch.from_numpy(problem.design.T @ (-2.0 * y) / N) @ matrix
    few.minimum(slopes, 1.0 / few.scale * torch.from_numpy(problem.penalised), c)
    assert len(few.index) < 30
