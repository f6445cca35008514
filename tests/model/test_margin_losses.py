"""Losses of the margin of two classes: the same minimum as other libraries find, probabilities where there are any."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.linear_model import SGDClassifier
from sklearn.svm import LinearSVC

import steepest as st
from steepest.errors import SpecError

PENALTY = 0.02
FORMULAS = {
    "squared_hinge": lambda m: np.maximum(0.0, 1.0 - m) ** 2,
    "modified_huber": lambda m: np.where(m >= -1.0, np.maximum(0.0, 1.0 - m) ** 2, -4.0 * m),
}
SLOPES = {
    "squared_hinge": lambda m: -2.0 * np.maximum(0.0, 1.0 - m),
    "modified_huber": lambda m: -2.0 * np.clip(1.0 - m, 0.0, 2.0),
}


@pytest.fixture(scope="module")
def table():
    random = np.random.default_rng(3)
    x = random.normal(size=(200, 3))
    return x, np.where(x @ [1.0, -2.0, 0.5] + random.standard_t(2, size=200) > 0.3, "yes", "no")


@pytest.mark.parametrize("loss", FORMULAS)
@pytest.mark.parametrize("penalty", [0.0, PENALTY])
def test_scipy_finds_no_lower_objective(table, loss, penalty):
    x, labels = table
    design, sign = np.column_stack([np.ones(len(x)), x]), np.where(labels == "yes", 1.0, -1.0)

    def objective(theta):
        margin = sign * (design @ theta)
        slope = design.T @ (sign * SLOPES[loss](margin)) / len(sign)
        free = np.append(0.0, theta[1:])
        return FORMULAS[loss](margin).mean() + penalty * (free @ free), slope + 2 * penalty * free

    found = minimize(objective, np.zeros(4), jac=True, method="BFGS", options={"gtol": 1e-10})
    fit = st.fit(x, labels, loss=loss, penalty=f"l2:{penalty}" if penalty else None)
    assert fit.objective_value == pytest.approx(found.fun, rel=1e-8)
    assert fit.objective_value <= found.fun * (1 + 1e-13)
    np.testing.assert_allclose(fit.theta, found.x, atol=1e-6)
    assert fit.exact.certificate < 1e-12


def test_the_squared_hinge_is_that_of_linear_svc(table):
    """½‖w‖² + C·Σ max(1 − m, 0)², divided by n·C: A = 1/(2·n·C), the intercept left out, which LinearSVC penalises too."""
    x, labels = table
    c = 1.0 / (2.0 * len(x) * PENALTY)
    theirs = LinearSVC(C=c, loss="squared_hinge", dual=False, fit_intercept=False, tol=1e-12, max_iter=100_000)
    theirs.fit(x, labels)
    fit = st.fit(x, labels, loss="squared_hinge", penalty=f"l2:{PENALTY}", intercept=False)
    np.testing.assert_allclose(fit.theta, theirs.coef_[0], rtol=1e-7)
    np.testing.assert_array_equal(fit.predict(x), theirs.predict(x))


def test_probabilities_of_modified_huber_are_those_of_scikit_learn(table):
    x, labels = table
    fit = st.fit(x, labels, loss="modified_huber")
    theirs = SGDClassifier(loss="modified_huber", max_iter=1).partial_fit(x, labels, classes=["no", "yes"])
    theirs.coef_, theirs.intercept_ = fit.theta[None, 1:], fit.theta[:1]
    np.testing.assert_allclose(fit.predict_proba(x), theirs.predict_proba(x), atol=1e-15)
    np.testing.assert_allclose(fit.decision(x), theirs.decision_function(x), rtol=1e-12)


@pytest.mark.parametrize("loss", ["hinge", "squared_hinge"])
def test_a_loss_without_probabilities_says_so_and_keeps_its_scores(table, loss):
    x, labels = table
    fit = st.fit(x, labels, loss=loss)
    with pytest.raises(SpecError, match=rf"{loss} gives classes and scores, fit.decision\(\), but no probabilities"):
        fit.predict_proba(x)
    with pytest.raises(SpecError, match="no probabilities"):
        fit.calibration()
    np.testing.assert_array_equal(fit.predict(x), np.where(fit.decision(x) > 0, "yes", "no"))
    assert fit.roc().data is not None
    assert fit.plot() is not None
    assert "above 0 is 'yes'" in str(fit)
    assert "no likelihood" in str(fit.summary())
    assert fit.cross_validate(folds=3).probabilities is None


def test_separable_classes_have_an_answer_without_loss():
    fit = st.fit([0.0, 1.0, 2.0, 3.0], ["no", "no", "yes", "yes"], loss="squared_hinge")
    assert fit.loss == fit.exact.loss == 0.0
    assert "many answers have no loss" in fit.exact.note
    # the widest margin is that of the rows at 1 and 2, and l2 leads to it: f = 2·(x − 1.5)
    wide = st.fit([0.0, 1.0, 2.0, 3.0], ["no", "no", "yes", "yes"], loss="squared_hinge", penalty="l2:1e-9")
    np.testing.assert_allclose(wide.theta, [-3.0, 2.0], rtol=1e-6)


def test_one_target_of_two_classes_is_asked_for():
    with pytest.raises(SpecError, match="loss='squared_hinge' tells two classes apart, and the target has 3"):
        st.fit([0.0, 1.0, 2.0, 3.0, 4.0, 5.0], list("abcabc"), loss="squared_hinge")
