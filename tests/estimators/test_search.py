"""`search()` beside `GridSearchCV` with the same estimator."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

import steepest as st

RANDOM = np.random.default_rng(1)
SIZES = np.logspace(-1, 3, 6)
X = RANDOM.normal(size=(90, 6)) * SIZES + SIZES
Y = X @ (RANDOM.normal(size=6) / SIZES) + RANDOM.normal(size=90)
TWO = np.array(["no", "yes"])[(Y + RANDOM.normal(size=90) > np.median(Y)).astype(int)]
THREE = np.digitize(Y + 2 * RANDOM.normal(size=90), np.quantile(Y, [1 / 3, 2 / 3]))
PENALTIES = ["l2:0.001", "l2:1", "l1:0.01", "l1:0.3", "elastic:0.01,0.01", "none"]


def compared(estimator, grid, y, cv=5, x=X, scoring=None):
    found = st.search(estimator, grid, x, y, cv=cv, scoring=scoring)
    wanted = GridSearchCV(estimator, grid, cv=cv, scoring=scoring).fit(x, y)
    assert set(found.cv_results_) <= set(wanted.cv_results_)
    for name in found.cv_results_:
        if name.endswith("_score"):
            np.testing.assert_allclose(
                found.cv_results_[name], wanted.cv_results_[name], rtol=1e-7, atol=1e-9, err_msg=name
            )
    assert found.cv_results_["params"] == wanted.cv_results_["params"]
    assert found.best_params_ == wanted.best_params_
    assert found.best_score_ == pytest.approx(wanted.best_score_, abs=1e-9)
    np.testing.assert_allclose(found.best_estimator_.score(x, y), wanted.best_estimator_.score(x, y))
    return found


@pytest.mark.parametrize(
    ("estimator", "y"),
    [
        (st.DescentRegressor(), Y),
        (st.DescentRegressor(fit_intercept=False), Y),
        (st.DescentRegressor(loss="huber:0.5"), Y),
        (st.DescentRegressor(loss="logcosh"), Y),
        (st.DescentClassifier(), TWO),
        (st.DescentClassifier(class_weight="balanced"), TWO),
        (st.DescentClassifier(class_weight="balanced"), THREE),
    ],
    ids=["mse", "no intercept", "huber", "logcosh", "two", "weighted", "three"],
)
def test_scores_are_those_of_grid_search(estimator, y):
    found = compared(estimator, {"penalty": PENALTIES[:-1]}, y)
    assert found.side_by_side == 25


def test_ridge_of_scikit_learn_has_the_same_scores():
    cv = KFold(5, shuffle=True, random_state=0)
    alphas = np.logspace(-3, 3, 7)
    found = st.search(st.DescentRegressor(), {"penalty": [f"l2:{a / 72}" for a in alphas]}, X, Y, cv=cv)
    wanted = GridSearchCV(Ridge(), {"alpha": alphas}, cv=cv).fit(X, Y)
    np.testing.assert_allclose(
        found.cv_results_["mean_test_score"], wanted.cv_results_["mean_test_score"], rtol=1e-9, atol=1e-9
    )


SCALED = StandardScaler().fit_transform(X)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(
    ("estimator", "grid", "y", "scoring"),
    [
        (st.DescentRegressor(max_iter=30), {"lr": [0.01, 0.03, 0.1, 5.0]}, Y, None),
        (
            st.DescentRegressor(max_iter=10),
            {"lr": [0.1], "optimizer": ["adam", "momentum:0.9", "sgd"]},
            Y,
            "neg_max_error",
        ),
        (st.DescentRegressor(max_iter=3, lr=0.02), {"batch_size": [8, 32], "fit_intercept": [True, False]}, Y, None),
        (st.DescentRegressor(model="mlp:3", max_iter=5, lr=0.01), {"optimizer": ["sgd", "adam"]}, Y, None),
        (st.DescentClassifier(max_iter=20), {"lr": [0.1, 1.0], "class_weight": [None, "balanced"]}, TWO, "roc_auc"),
        (st.DescentClassifier(max_iter=20, lr=0.5), {"penalty": ["none", "l2:0.1"], "clip": [0.1, 1.0]}, THREE, None),
        (st.DescentRegressor(max_iter=20, early_stopping=True), {"lr": [0.01, 0.1]}, Y, None),
    ],
    ids=["rates", "rules", "batches", "layers", "weights of classes", "three", "held out"],
)
def test_a_swept_grid_has_the_scores_of_grid_search(estimator, grid, y, scoring):
    found = compared(estimator.set_params(random_state=3), grid, y, cv=3, x=SCALED, scoring=scoring)
    assert found.side_by_side == 3 * len(found.cv_results_["params"])


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_what_cannot_go_together_goes_alone():
    grid = [
        {"penalty": ["l2:0.1", "none"], "loss": ["mse", "l1"]},
        {"optimizer": ["adam"], "lr": [0.1, 0.01], "max_iter": [5], "penalty": ["none"]},
    ]
    found = compared(st.DescentRegressor(random_state=0), grid, Y, cv=3)
    assert found.side_by_side == 12
    assert (
        compared(st.DescentRegressor(), {"penalty": PENALTIES}, Y, scoring="neg_mean_absolute_error").side_by_side == 0
    )


def test_columns_that_settle_nothing_are_left_to_the_estimator():
    double = np.column_stack([X, X[:, 0]])
    assert compared(st.DescentRegressor(), {"penalty": ["none", "l2:0.1"]}, Y, cv=3, x=double).side_by_side == 3


def test_classes_of_columns_that_are_much_alike_are_left_to_the_estimator():
    alike = np.column_stack([X[:, 0], X[:, 0] + 1e-4 * X[:, 0].std() * np.random.default_rng(0).normal(size=90)])
    assert compared(st.DescentClassifier(), {"penalty": ["none", "l2:1e-9"]}, TWO, cv=3, x=alike).side_by_side == 0


@pytest.mark.parametrize("classes", [TWO, THREE], ids=["two", "three"])
def test_rows_between_two_classes_are_left_to_the_estimator(classes):
    found = compared(st.DescentClassifier(class_weight="balanced"), {"penalty": ["l1:1e5", "l2:0.1"]}, classes, cv=3)
    assert found.side_by_side == 3  # l1:1e5 leaves nothing but even odds


def test_many_classes_under_an_l1_penalty_go_side_by_side():
    five = np.digitize(Y + 2 * RANDOM.normal(size=90), np.quantile(Y, [0.2, 0.4, 0.6, 0.8]))
    found = compared(st.DescentClassifier(), {"penalty": ["l1:0.003", "l1:0.03", "elastic:0.01,0.001"]}, five, cv=3)
    assert found.side_by_side == 9


def test_steps_before_it_are_learned_of_a_folds_own_rows():
    pipeline = make_pipeline(StandardScaler(), PolynomialFeatures(2, include_bias=False), st.DescentRegressor())
    found = compared(pipeline, {"descentregressor__penalty": ["l2:0.01", "l2:1"]}, Y)
    assert found.side_by_side == 10


def test_folds_that_lack_a_class_have_the_scores_of_grid_search():
    order = np.argsort(THREE, kind="stable")
    found = compared(st.DescentClassifier(), {"penalty": PENALTIES[:3]}, THREE[order], cv=KFold(4), x=X[order])
    assert found.side_by_side == 12


def test_what_is_none_of_ours_is_refused():
    with pytest.raises(st.SpecError, match="not a Ridge"):
        st.search(Ridge(), {"alpha": [1.0]}, X, Y)
    with pytest.raises(ValueError, match="penalty='l3:1'"):
        st.search(st.DescentRegressor(), {"penalty": ["l3:1"]}, X, Y)
