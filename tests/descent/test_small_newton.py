"""Newton's method on small tables, against closed forms and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, PoissonRegressor

import steepest as st
from steepest.descent.newton import SEPARATED

RANDOM = np.random.default_rng(5)
X = RANDOM.standard_normal((90, 3)) * [0.01, 1.0, 300.0] + [0.0, 50.0, 0.0]
SIGNAL = X[:, 0] * 80.0 - X[:, 2] / 300.0 + RANDOM.standard_normal(90)
TWO, THREE = (SIGNAL > 0).astype(int), np.digitize(SIGNAL, [-0.5, 0.7])
WEIGHTS = RANDOM.uniform(0.5, 2.0, 90)


@pytest.mark.parametrize("classes", [TWO, THREE], ids=["two", "three"])
@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["even", "weighted"])
def test_classes_are_scikit_learns(classes, weights):
    penalty, columns = 0.02, X / [0.01, 1.0, 300.0] - [0.0, 50.0, 0.0]
    model = "logistic" if classes is TWO else "softmax"
    fit = st.fit(columns, classes, model=model, penalty=f"l2:{penalty}", weights=weights)
    count = len(columns) if weights is None else weights.sum()
    theirs = LogisticRegression(C=1 / (2 * penalty * count), solver="newton-cholesky", tol=1e-13, max_iter=200)
    theirs.fit(columns, classes, sample_weight=weights)
    slopes = fit.theta.reshape(-1, 4)[:, 1:]
    np.testing.assert_allclose(slopes, theirs.coef_, rtol=1e-8, atol=1e-10)
    assert fit.status.name == "CONVERGED"
    assert fit.steps <= 9


def test_counts_are_scikit_learns():
    counts = RANDOM.poisson(np.exp(0.3 * X[:, 2] / 300.0 + 1.0))
    fit = st.fit(X, counts, loss="poisson")
    theirs = PoissonRegressor(alpha=0.0, solver="newton-cholesky", tol=1e-12, max_iter=200).fit(X, counts)
    np.testing.assert_allclose(fit.theta[1:], theirs.coef_, rtol=1e-8)


@pytest.mark.parametrize("far", [0.0, 1e3, 1e7])
def test_log_odds_of_two_groups_have_their_last_digits(far):
    group, answers = np.repeat([0.0, 1.0], [7, 12]), np.array([1] * 2 + [0] * 5 + [1] * 9 + [0] * 3)
    fit = st.fit(far + group, answers, model="logistic")
    slope = np.log(9 / 3) - np.log(2 / 5)
    assert fit.theta[1] == pytest.approx(slope, rel=5e-15)
    assert fit.theta[0] + far * fit.theta[1] == pytest.approx(np.log(2 / 5), abs=4e-16 * max(far, 4.0) * 2.1)


def test_classes_told_apart_take_few_steps():
    table = st.synthetic.sample("breast_cancer").to_pandas()
    fit = st.fit(table, target=st.synthetic.sample_target("breast_cancer")[0])
    assert fit.status.name == "SEPARABLE"
    assert fit.trace.objective[-1] <= SEPARATED * fit.trace.objective[0]
    assert fit.steps <= 20  # Newton's own gain a factor of e each: 28 from ln 2 on, once they are apart
    assert (np.diff(fit.trace.objective) < 0.0).all()


@pytest.mark.parametrize(("sample", "steps"), [("wine", 3), ("digits", 6), ("breast_cancer", 14)])
def test_where_theta_tells_all_rows_apart_the_last_step_is_along_it(sample, steps):
    table, target = st.synthetic.sample(sample).to_pandas(), st.synthetic.sample_target(sample)[0]
    codes = np.unique(table[target], return_inverse=True)[1]
    fit = st.fit(table.drop(columns=target).to_numpy(float), codes.astype(str))
    before, last = fit.trace.theta[-2:]
    factor = last @ before / (before @ before)
    np.testing.assert_allclose(last, factor * before, rtol=1e-12)
    assert factor == 2.0 ** round(np.log2(factor)) > 1.0
    assert fit.metrics["train"]["accuracy"] == 1.0
    assert fit.trace.objective[-1] <= SEPARATED * fit.trace.objective[0]
    assert fit.status.name == "SEPARABLE"
    assert fit.steps <= steps


def test_where_a_penalty_holds_it_no_step_is_along_theta():
    table, target = st.synthetic.sample("wine").to_pandas(), st.synthetic.sample_target("wine")[0]
    columns, codes = table.drop(columns=target).to_numpy(float), np.unique(table[target], return_inverse=True)[1]
    columns = (columns - columns.mean(0)) / columns.std(0)
    theirs = LogisticRegression(C=1 / (2e-3 * len(codes)), solver="newton-cholesky", tol=1e-13, max_iter=200)
    theirs.fit(columns, codes)
    fit = st.fit(columns, codes.astype(str), penalty="l2:0.001")
    np.testing.assert_allclose(fit.theta.reshape(3, -1)[:, 1:], theirs.coef_, rtol=1e-7, atol=1e-9)


def test_classes_of_which_one_is_told_apart_end_where_nothing_is_left():
    fit = st.fit("sample:iris", target=st.synthetic.sample_target("iris")[0])
    assert fit.status.name == "SEPARABLE"
    assert fit.relative_gap <= 1e-12
    assert fit.steps <= 14


@pytest.mark.parametrize("size", [1e9, 1e12, 1e15, 1e18])
def test_a_line_of_dates_ends_where_theta_can_do_no_better(size):
    x = size * (1.5 + 1e-4 * np.arange(5))
    fit = st.fit(x, np.arange(5.0))
    assert fit.theta[1] == pytest.approx(1e4 / size, rel=1e-9)
    assert fit.steps <= 20
