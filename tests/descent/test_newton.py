"""Curvature steps on tall designs, which are gone through in blocks: the same answers as from solvers elsewhere."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import Lasso, LogisticRegression

import steepest as st
from steepest.descent.newton import RegularizedNewton
from steepest.model.linear import TALL, LinearProblem
from steepest.model.linear_objective import LinearObjective
from steepest.model.penalties import penalty
from steepest.model.preconditioners import by_squares
from steepest.model.torch_losses import loss

from inference_cases import table

ROWS = 60_000


@pytest.fixture(scope="module")
def tall():
    """Ten columns of very different units, some far from zero, and weights."""
    random = np.random.default_rng(5)
    x = random.standard_normal((ROWS, 10)) @ (np.eye(10) + 0.3 * random.standard_normal((10, 10)))
    x = x * np.logspace(-3, 3, 10) + np.linspace(0.0, 40.0, 10) * np.logspace(-3, 3, 10)
    y = 2.0 + x @ (np.linspace(-1.0, 1.0, 10) / np.logspace(-3, 3, 10)) + random.standard_t(4, ROWS)
    assert x.size > TALL
    return x, y, random.uniform(0.2, 3.0, ROWS)


def test_the_gram_matrix_of_standardised_columns_is_their_correlation(tall):
    x, y, weights = tall
    found = by_squares(
        LinearProblem(np.column_stack([np.ones(ROWS), x]), y, loss("mse"), weights=weights / weights.mean())
    )
    assert found is not None
    covariance = np.cov(x.T, aweights=weights)
    scale = np.sqrt(np.diag(covariance))
    np.testing.assert_allclose(found[1][1:, 1:], covariance / np.outer(scale, scale), atol=1e-13)
    np.testing.assert_allclose(found[1][0], np.eye(11)[0], atol=1e-12)


def test_columns_that_nearly_depend_on_one_another_are_not_squared(tall):
    x, y, _ = tall
    near = np.column_stack([np.ones(ROWS), x, x[:, 0] + x[:, 1] + 1e-6 * x[:, 0] * np.sign(y)])
    assert by_squares(LinearProblem(near, y, loss("mse"))) is None
    assert by_squares(LinearProblem(np.column_stack([near[:, :11], np.full(ROWS, 0.1)]), y, loss("mse"))) is None


def test_least_squares_with_weights_and_ridge_are_numpys(tall):
    x, y, weights = tall
    fit = st.fit(x, y, weights=weights, penalty="l2:0.001")
    root = np.sqrt(weights / weights.sum())
    free = np.sqrt(0.001) * np.eye(11)[1:]
    stack = np.vstack([np.column_stack([np.ones(ROWS), x]) * root[:, None], free])
    size = np.linalg.norm(stack, axis=0)
    best = np.linalg.lstsq(stack / size, np.concatenate([y * root, np.zeros(10)]), rcond=None)[0] / size
    np.testing.assert_allclose(fit.theta * size, best * size, rtol=1e-10, atol=1e-11)


def test_several_targets_are_numpys(tall):
    x, y, _ = tall
    both = np.column_stack([y, x[:, 0] * 300.0 - y])
    fit = st.fit(x, both)
    design = np.column_stack([np.ones(ROWS), x])
    size = np.linalg.norm(design, axis=0)
    best = np.linalg.lstsq(design / size, both, rcond=None)[0] / size[:, None]
    np.testing.assert_allclose(fit.theta.reshape(2, 11) * size, (best.T * size), rtol=1e-10, atol=1e-8)


def test_lasso_is_scikit_learns(tall):
    x, y, _ = tall
    x = (x - x.mean(0)) / x.std(0)
    fit = st.fit(x, y, penalty="l1:0.8")
    other = Lasso(alpha=0.4, tol=1e-14, max_iter=100_000).fit(x, y)  # its loss has a ½
    np.testing.assert_allclose(fit.theta, [other.intercept_, *other.coef_], atol=1e-9)
    assert 0 < (fit.theta == 0.0).sum() < 10


def test_the_slope_of_huber_is_zero_at_its_end(tall):
    x, y, weights = tall
    x = (x - x.mean(0)) / x.std(0)
    fit = st.fit(x, y, loss="huber:1", weights=weights)
    design = np.column_stack([np.ones(ROWS), x])
    slopes = design.T @ (weights / weights.sum() * np.clip(y - design @ fit.theta, -1.0, 1.0))
    np.testing.assert_allclose(slopes, 0.0, atol=1e-13)


@pytest.mark.parametrize("level", [0.5, 0.9])
def test_a_quantile_passes_through_rows_that_balance_all_others(tall, level):
    """The condition of Koenker and Bassett, Regression quantiles (1978), theorem 3.3."""
    x, y, weights = tall
    x = (x - x.mean(0)) / x.std(0)
    fit = st.fit(x, y, loss=f"quantile:{level}", weights=weights)
    design = np.column_stack([np.ones(ROWS), x])
    residual = y - design @ fit.theta
    near = np.argsort(np.abs(residual))[: design.shape[1]]
    assert np.abs(residual[near]).max() < 1e-5
    share = weights * np.where(residual > 0.0, level, level - 1.0)
    share[near] = 0.0
    balance = np.linalg.solve(design[near].T, -design.T @ share) / weights[near]
    assert (balance > level - 1.0).all()
    assert (balance < level).all()
    assert fit.gap_kind == "bound"
    assert 0.0 <= fit.relative_gap <= 1e-10
    bound = fit.gap
    assert fit.exact.objective <= fit.objective_value
    assert fit.gap_kind == "exact"
    assert bound == pytest.approx(fit.gap, abs=1e-12 * fit.objective_value)


def test_rows_far_from_a_kink_are_left_out_of_the_hessian_of_a_tall_design(tall):
    x, y, weights = tall
    x = (x - x.mean(0)) / x.std(0)
    problem = LinearProblem(
        np.column_stack([np.ones(ROWS), x]), y, loss("l1"), penalty("none"), weights=weights / weights.mean()
    )
    rule, residual = RegularizedNewton(LinearObjective(problem)), y - np.median(y)
    for delta in (1e-2, 1e-4):
        curvature = torch.from_numpy(weights / weights.mean() * delta**2 / (residual**2 + delta**2) ** 1.5)
        rows = rule._bent(curvature)
        assert rows is not None
        assert len(rows) < ROWS * 100 * delta
        scale = np.diag(rule.matrix.numpy())
        standardised = problem.design * scale + np.append(0.0, (rule.matrix[0] * 1.0).numpy()[1:])
        whole = (standardised.T * curvature.numpy()) @ standardised / ROWS
        size = np.sqrt(np.diag(whole))
        assert np.abs((rule._hessian(curvature).numpy() - whole) / np.outer(size, size)).max() < 2e-3


def test_logistic_is_scikit_learns(tall):
    x, y, _ = tall
    x = (x - x.mean(0)) / x.std(0)
    fit = st.fit(x, (y > np.median(y)).astype(int), loss="logistic", penalty="l2:0.01")
    other = LogisticRegression(C=1.0 / (0.02 * ROWS), solver="newton-cholesky", tol=1e-12)
    other.fit(x, y > np.median(y))
    np.testing.assert_allclose(fit.theta, [*other.intercept_, *other.coef_[0]], atol=1e-8)


def test_no_basis_of_its_own_is_made_of_a_tall_design(tall):
    x, y, _ = tall
    objective = LinearObjective(LinearProblem(np.column_stack([np.ones(ROWS), x]), y, loss("mse"), penalty("none")))
    assert RegularizedNewton(objective).basis is objective.basis


def test_the_last_step_brings_the_last_digits_where_the_loss_gains_nothing_more():
    for seed in range(13, 16):
        rows = table(seed)
        fit = st.fit(rows.x, rows.three, model="softmax")
        scores = rows.design @ fit.theta.reshape(3, -1).T
        share = np.exp(scores - scores.max(1, keepdims=True))
        share /= share.sum(1, keepdims=True)
        assert np.abs((share - np.eye(3)[rows.three]).T @ rows.design).max() < 1e-12 * len(rows.x)
