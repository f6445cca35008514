"""Too few rows, rows that hardly count, and the penalties that are chosen for them."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some
from scipy.linalg import null_space
from scipy.stats import multivariate_normal
from sklearn.linear_model import Ridge
from sklearn.model_selection import LeaveOneOut, cross_val_score

import steepest as st
from steepest.analysis.checks.few_rows import _effective, few_rows, heavy_rows
from steepest.analysis.checks.penalties import path_of
from steepest.analysis.diagnosis import diagnose
from steepest.analysis.finding import Kind
from steepest.errors import SteepestWarning
from steepest.model.linear import LinearProblem
from steepest.model.torch_losses import loss


def fitted(*data, **settings):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SteepestWarning)  # of fewer rows than parameters, which is meant
        return st.fit(*data, **settings)


@pytest.mark.parametrize(("n", "p"), [(30, 4), (12, 20), (15, 15)])
@pytest.mark.parametrize("targets", [1, 3])
def test_the_ridge_path_and_its_errors_are_those_of_scikit_learn(n, p, targets):
    random = np.random.default_rng(0)
    x = random.normal(size=(n, p)) + 3
    y = random.normal(size=(n, targets)) + 5
    y = y[:, 0] if targets == 1 else y
    problem = LinearProblem(np.column_stack([np.ones(n), x]), y, loss("mse"), outputs=targets)
    path = path_of(problem)
    for place in (20, 35, 50):
        ridge = Ridge(alpha=n * targets * path.amounts[place]).fit(x, y)
        theta = np.column_stack([np.atleast_1d(ridge.intercept_), np.atleast_2d(ridge.coef_)]).ravel()
        np.testing.assert_allclose(path.theta[place], theta, rtol=1e-6, atol=1e-9)
        scores = cross_val_score(ridge, x, y, cv=LeaveOneOut(), scoring="neg_mean_squared_error")
        assert path.errors[place] == pytest.approx(-scores.mean(), rel=1e-6)
    exact = fitted(x, y, penalty=f"l2:{path.amounts[35]}").exact.theta
    np.testing.assert_allclose(exact, path.theta[35], rtol=1e-6, atol=1e-9)


def test_weights_count_in_the_path():
    random = np.random.default_rng(1)
    x, y, weights = random.normal(size=(20, 2)), random.normal(size=20), random.integers(0, 3, 20).astype(float)
    path = path_of(LinearProblem(np.column_stack([np.ones(20), x]), y, loss("mse"), weights=weights / weights.mean()))
    live = weights > 0
    known = Ridge(alpha=live.sum() * path.amounts[30]).fit(x[live], y[live], weights[live] / weights[live].mean())
    np.testing.assert_allclose(path.theta[30], [known.intercept_, *known.coef_], rtol=1e-6)


# Of dense coefficients that fewer rows than columns are to find no penalty knows better on average: the truth is sparse.
@pytest.mark.parametrize(("n", "p"), [(20, 30), (13, 12), (31, 27)])
@pytest.mark.parametrize("kind", ["mse", "huber:1", "l1"])
def test_few_rows_are_found_and_a_penalty_does_better_on_new_ones(n, p, kind):
    ratios = []
    for seed in range(1 if kind == "l1" else 4):
        random = np.random.default_rng([seed, n])
        x, truth = random.normal(size=(n + 1000, p)), np.zeros(p)
        truth[:3] = random.normal(size=3)
        y = x @ truth + random.normal(size=n + 1000)
        fit = fitted(x[:n], y[:n], loss=kind, epochs=300)
        (finding,) = few_rows(fit)
        assert (finding.kind, list(finding.remedy)) == (Kind.FEW_ROWS, ["penalty"])
        mended = fitted(x[:n], y[:n], loss=kind, epochs=300, **finding.remedy)
        assert [*few_rows(mended)] == []
        before, after = (np.mean((y[n:] - f.predict(x[n:])) ** 2) for f in (fit, mended))
        ratios.append(after / before)
    assert np.exp(np.mean(np.log(ratios))) < 1.0


@pytest.mark.parametrize("targets", [1, 2])
def test_the_deviances_are_those_of_restricted_maximum_likelihood(targets):
    random = np.random.default_rng(3)
    x, y = random.normal(size=(9, 12)) + 2, random.normal(size=(9, targets)) + 4
    target = y[:, 0] if targets == 1 else y
    path = path_of(LinearProblem(np.column_stack([np.ones(9), x]), target, loss("mse"), outputs=targets))
    contrasts = null_space(np.ones((1, 9)))

    def deviance(amount):  # contrasts of y are normal draws of covariance s²·(K + n·A·I), s² at its likeliest
        shape = contrasts.T @ (x @ x.T + 9 * targets * amount * np.eye(9)) @ contrasts
        seen = contrasts.T @ y
        likeliest = [one @ np.linalg.solve(shape, one) / 8 for one in seen.T]
        return sum(
            -2 * multivariate_normal(cov=s * shape).logpdf(one) for s, one in zip(likeliest, seen.T, strict=True)
        )

    for one, other in ((10, 30), (30, 55)):
        known = deviance(path.amounts[other]) - deviance(path.amounts[one])
        assert path.deviances[other] - path.deviances[one] == pytest.approx(known, rel=1e-6)


def test_where_rows_rule_out_no_small_penalty_the_answer_is_only_made_unique():
    random = np.random.default_rng(4)
    x = random.normal(size=(10, 30))
    (finding,) = few_rows(fitted(x, x.sum(axis=1)))
    assert finding.predicted.startswith("There is one best answer")
    assert float(finding.remedy["penalty"].removeprefix("l2:")) < 1e-2
    assert finding.share < 0.1


def test_rows_enough_are_enough():
    random = np.random.default_rng(2)
    assert [*few_rows(st.fit([0.0, 1.0, 2.0], [1.0, 3.0, 5.0]))] == []
    assert [*few_rows(st.fit(random.normal(size=(40, 20)), random.normal(size=40)))] == []
    assert [*few_rows(fitted(random.normal(size=(10, 20)), random.normal(size=10), penalty="l2:0.1"))] == []


@given(some.lists(some.floats(1e-6, 1e6), min_size=1, max_size=50))
def test_the_effective_sample_size_is_kishs(weights):
    array = np.array(weights)
    found = _effective(array)
    assert found == pytest.approx(len(array) / (1 + (array.std() / array.mean()) ** 2), rel=1e-6)
    assert 1 - 1e-9 <= found <= len(array) * (1 + 1e-9)


def test_a_row_that_carries_all_the_weight_is_named():
    random = np.random.default_rng(3)
    x, y = random.normal(size=(100, 2)), random.normal(size=100)
    weights = random.uniform(1.0, 2.0, 100)
    weights[[3, 70]] = 1e5, 2e5
    (finding,) = heavy_rows(st.fit(x, y, weights=weights))
    assert (finding.rows, finding.remedy) == ((70, 3), {"weights": None})
    kish = weights.sum() ** 2 / (weights @ weights)
    assert f"worth {kish:.3g} rows of equal weight" in finding.evidence
    assert finding.share == pytest.approx(1 - kish / 100)


def test_a_column_of_weights_that_is_no_longer_one_is_no_feature():
    random = np.random.default_rng(4)
    table = {"a": random.normal(size=50), "id": random.normal(size=50), "w": np.ones(50), "y": random.normal(size=50)}
    table["w"][7] = 1e6
    settings = {"target": "y", "weights": "w", "drop": ["id"]}
    (finding,) = heavy_rows(st.fit(table, **settings))
    assert (finding.python, finding.command) == ("weights=None, drop=('id', 'w')", "--drop id,w")
    assert finding.left_out == "leaving out --weights"
    mended = st.fit(table, **(settings | finding.remedy))
    assert (mended.names, mended.train.weights) == (["intercept", "a"], None)
    chosen = {"target": "y", "weights": "w", "columns": ["a"]}
    (finding,) = heavy_rows(st.fit(table, **chosen))
    assert finding.remedy == {"weights": None}
    assert st.fit(table, **(chosen | finding.remedy)).names == ["intercept", "a"]


@pytest.mark.parametrize("draw", ["uniform", "exponential", "lognormal"])
def test_weights_that_merely_differ_are_healthy(draw):
    for seed in range(8):
        random = np.random.default_rng(seed)
        weights = getattr(random, draw)(size=200)
        fit = st.fit(random.normal(size=(200, 2)), random.normal(size=200), weights=weights)
        assert [f for f in diagnose(fit) if f.kind is Kind.HEAVY_ROWS] == []


def test_weights_that_balance_classes_are_even():
    random = np.random.default_rng(5)
    x, y = random.normal(size=(1000, 1)), np.zeros(1000, int)
    y[:8] = 1
    x[:8] += 1
    assert [*heavy_rows(st.fit(x, y, model="logistic", class_weight="balanced"))] == []
