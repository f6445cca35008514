"""Ridge with more columns than rows, solved in the rows, against scikit-learn and against NumPy's solution of p equations."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression, Ridge

import steepest as st
from steepest.analysis.exact.solve import solve
from steepest.model.linear import LinearProblem
from steepest.model.penalties import Penalty
from steepest.model.torch_losses import loss
from steepest.numerics.dual import RowSystem, suits

pytestmark = pytest.mark.filterwarnings("ignore:.*cannot settle")


def table(n=40, p=130, seed=0):
    random = np.random.default_rng(seed)
    x = random.standard_normal((n, p)) + random.standard_normal(p)
    return x, 3.0 + x[:, :5] @ [1.0, -2.0, 0.5, 0.0, 1.0] + random.standard_normal(n), random.uniform(0.3, 2.0, n)


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("damping", [0.0, 0.3])
def test_a_system_of_rows_gives_the_solution_of_the_whole_one(intercept, damping):
    x, _, shares = table()
    design = np.column_stack([np.ones(len(x)), x]) if intercept else x
    free = np.ones(design.shape[1])
    free[0] = 0.0 if intercept else 1.0
    hessian = (design.T * shares) @ design + np.diag(0.2 * free + damping)
    right = np.random.default_rng(1).standard_normal(design.shape[1])
    system = RowSystem(torch.from_numpy(design), intercept, torch.from_numpy(x @ x.T))
    found = system.solve(torch.from_numpy(shares), 0.2, torch.from_numpy(right), damping)
    np.testing.assert_allclose(found, np.linalg.solve(hessian, right), rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("weighted", [False, True])
def test_a_wide_ridge_is_that_of_scikit_learn(weighted):
    x, y, weights = table()
    given = weights / weights.mean() if weighted else None
    other = Ridge(alpha=0.01 * len(y), solver="svd").fit(x, y, given)
    fit = st.fit(x, y, penalty="l2:0.01", weights=weights if weighted else None)
    assert fit.status.arrived
    np.testing.assert_allclose(fit.theta, [other.intercept_, *other.coef_], rtol=1e-9, atol=1e-11)
    assert fit.exact.certificate < 1e-10
    np.testing.assert_allclose(fit.exact.theta, [other.intercept_, *other.coef_], rtol=1e-9, atol=1e-11)


def test_a_wide_ridge_begins_anywhere():
    x, y, _ = table()
    start = np.random.default_rng(2).standard_normal(131)
    fit = st.fit(x, y, penalty="l2:0.01", init=start)
    other = Ridge(alpha=0.01 * len(y), solver="svd").fit(x, y)
    np.testing.assert_allclose(fit.theta, [other.intercept_, *other.coef_], rtol=1e-8, atol=1e-10)


def test_wide_classes_with_a_penalty_are_those_of_scikit_learn():
    x, y, _ = table()
    above = y > np.median(y)
    fit = st.fit(x, above, penalty="l2:0.01")
    other = LogisticRegression(C=1.0 / (0.02 * len(y)), tol=1e-12, max_iter=10_000).fit(x, above)
    assert fit.status.arrived
    np.testing.assert_allclose(fit.theta, [*other.intercept_, *other.coef_[0]], rtol=1e-5, atol=1e-7)


def test_where_the_rows_lose_too_many_digits_the_columns_are_solved():
    x, y, _ = table()
    x[:, 0] *= 1e8
    design = np.column_stack([np.ones(len(x)), x])
    given = LinearProblem(design, y, loss("mse"), Penalty(l2=1e-3))
    assert not suits(given)
    other = Ridge(alpha=1e-3 * len(y), solver="svd").fit(x, y)
    np.testing.assert_allclose(solve(given).theta[2:], other.coef_[1:], rtol=1e-7, atol=1e-10)


def test_thousands_of_columns_are_interpolated_at_the_smallest_norm():
    x, y, _ = table(30, 3000)
    fit = st.fit(x, y, loss="l1")
    standard = (x - x.mean(0)) / x.std(0)
    least = np.linalg.pinv(standard) @ (y - y.mean())
    np.testing.assert_allclose(fit.theta[1:] * x.std(0), least, rtol=1e-6, atol=1e-9)
    assert fit.loss < 1e-12
    assert fit.gap < 1e-12


def test_several_targets_and_classes_take_what_the_rows_span():
    x, y, weights = table()
    both = np.column_stack([y, -y + x[:, 1] ** 2])
    other = Ridge(alpha=0.02 * len(y), solver="svd").fit(x, both, weights / weights.mean())
    fit = st.fit(x, both, penalty="l2:0.01", weights=weights)
    assert fit.status.arrived
    best = np.column_stack([other.intercept_, other.coef_]).ravel()
    np.testing.assert_allclose(fit.theta, best, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(fit.exact.theta, best, rtol=1e-8, atol=1e-10)
    codes = np.digitize(y, [1.0, 4.0])
    softmax = LogisticRegression(C=1.0 / (0.02 * len(y)), tol=1e-13, max_iter=10_000).fit(x, codes)
    fit = st.fit(x, codes, penalty="l2:0.01", model="softmax")
    best = np.column_stack([softmax.intercept_, softmax.coef_])
    assert fit.status.arrived
    np.testing.assert_allclose(fit.theta.reshape(3, -1)[:, 1:], best[:, 1:], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("start", ["zeros", "far"])
def test_two_targets_from_anywhere(start):
    x, y, _ = table()
    both = np.column_stack([y, 1.0 - y])
    other = Ridge(alpha=0.02 * len(y), solver="svd").fit(x, both)
    begun = np.random.default_rng(2).standard_normal(262) if start == "far" else start
    fit = st.fit(x, both, penalty="l2:0.01", init=begun)
    best = np.column_stack([other.intercept_, other.coef_]).ravel()
    np.testing.assert_allclose(fit.theta, best, rtol=1e-7, atol=1e-9)
