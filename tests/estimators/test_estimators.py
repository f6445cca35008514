"""Estimators beside those of scikit-learn with the same optimum, and the conventions that its own checks leave out."""

from __future__ import annotations

import copy
import pickle
import warnings
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from scipy import sparse
from sklearn import config_context
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.ensemble import StackingClassifier
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.linear_model import ElasticNet, Lasso, LinearRegression, LogisticRegression, Ridge, SGDRegressor
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import steepest as st
from steepest.estimators.parameters import keywords
from steepest.settings_table import SETTINGS

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(120, 4)) * [1.0, 10.0, 0.1, 1.0] + [0.0, 5.0, 0.0, 100.0]
Y = X @ [1.0, -0.2, 3.0, 0.5] + 2.0 + RANDOM.normal(size=120)
TWO = (np.median(Y) < Y).astype(int)
THREE = np.array(["low", "mid", "top"])[np.digitize(Y + 2 * RANDOM.normal(size=120), np.quantile(Y, [1 / 3, 2 / 3]))]
WEIGHTS = RANDOM.integers(0, 4, 120).astype(float)


def test_parameters_are_the_settings_of_a_fit():
    assert set(keywords(False).values()) == {
        name for name, one in SETTINGS.items() if one.role not in ("data", "reading")
    }
    assert set(st.DescentClassifier().get_params()) - set(st.DescentRegressor().get_params()) == {"class_weight"}
    with pytest.raises(TypeError, match="no parameter 'epochs'"):
        st.DescentRegressor(epochs=3)
    with pytest.raises(ValueError, match="max_iter=0: it must be"):
        st.DescentRegressor(max_iter=0).fit(X, Y)


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["plain", "weighted"])
@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        (LinearRegression(), {}),
        (LinearRegression(fit_intercept=False), {"fit_intercept": False}),
        (Ridge(alpha=12.0, tol=1e-12), {"penalty": "l2:{12/n}"}),
        (Lasso(alpha=0.05, tol=1e-12, max_iter=100_000), {"penalty": "l1:0.1"}),
        (ElasticNet(alpha=0.05, l1_ratio=0.5, tol=1e-12, max_iter=100_000), {"penalty": "elastic:0.05,0.025"}),
    ],
    ids=["ols", "no intercept", "ridge", "lasso", "elastic"],
)
def test_numbers_are_those_of_scikit_learn(theirs, ours, weights):
    total = len(Y) if weights is None else weights.sum()
    given = {
        name: value.replace("{12/n}", str(12 / total)) if name == "penalty" else value for name, value in ours.items()
    }
    wanted = clone(theirs).fit(X, Y, sample_weight=weights)
    found = st.DescentRegressor(**given).fit(X, Y, sample_weight=weights)
    np.testing.assert_allclose(found.coef_, wanted.coef_, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(found.intercept_, wanted.intercept_, rtol=1e-6)
    assert found.score(X, Y) == pytest.approx(wanted.score(X, Y), abs=1e-9)
    assert found.status_ is st.Status.CONVERGED


@pytest.mark.parametrize("y", [TWO, THREE], ids=["two", "three"])
@pytest.mark.parametrize("class_weight", [None, "balanced", "dict"])
def test_classes_are_those_of_scikit_learn(y, class_weight):
    if class_weight == "dict":
        class_weight = {label: 1.0 + i for i, label in enumerate(np.unique(y))}
    scaled = StandardScaler().fit_transform(X)
    weights = WEIGHTS + 1.0
    labels, codes = np.unique(y, return_inverse=True)
    factor = {label: 1.0 for label in labels}
    if class_weight == "balanced":
        factor = {label: weights.sum() / (len(labels) * weights[codes == i].sum()) for i, label in enumerate(labels)}
    elif class_weight is not None:
        factor = class_weight
    total = float(sum(weights * np.array([factor[label] for label in y])))
    wanted = LogisticRegression(C=10.0, class_weight=class_weight, tol=1e-12, max_iter=10_000, solver="newton-cholesky")
    wanted.fit(scaled, y, sample_weight=weights)
    found = st.DescentClassifier(penalty=f"l2:{1 / (2 * 10.0 * total)}", class_weight=class_weight)
    found.fit(scaled, y, sample_weight=weights)
    np.testing.assert_allclose(found.predict_proba(scaled), wanted.predict_proba(scaled), atol=1e-7)
    np.testing.assert_allclose(found.decision_function(scaled).shape, wanted.decision_function(scaled).shape)
    assert found.coef_.shape == wanted.coef_.shape
    assert found.intercept_.shape == wanted.intercept_.shape
    assert (found.predict(scaled) == wanted.predict(scaled)).all()
    assert found.predict(scaled).dtype == wanted.predict(scaled).dtype


def test_several_targets_are_fitted_at_once():
    both = np.column_stack([Y, -2.0 * Y + X[:, 0] ** 2])
    wanted, found = LinearRegression().fit(X, both), st.DescentRegressor().fit(X, both)
    np.testing.assert_allclose(found.coef_, wanted.coef_, rtol=1e-7)
    np.testing.assert_allclose(found.intercept_, wanted.intercept_, rtol=1e-7)
    np.testing.assert_allclose(found.predict(X), wanted.predict(X), rtol=1e-9)


def test_a_column_of_targets_stays_one():
    found = st.DescentRegressor().fit(X, Y[:, None])
    assert (found.coef_.shape, found.predict(X).shape) == ((1, 4), (120, 1))


# ---- going on ------------------------------------------------------------------------------------------

HALVES: list[dict[str, Any]] = [
    {"optimizer": "sgd", "lr": 1e-5},
    {"optimizer": "adam", "lr": 0.01, "batch_size": 16},
    {"optimizer": "momentum:0.9", "lr": "auto", "batch_size": 16, "schedule": "inverse"},
    {"optimizer": "nadam", "lr": 0.01, "schedule": "step:7,0.5", "precondition": "standardize"},
    {"optimizer": torch.optim.Adam, "lr": 0.01, "batch_size": 32},
    {"model": "mlp:4", "optimizer": "adam", "lr": 0.01, "batch_size": 32, "schedule": "constant"},
]


@pytest.mark.parametrize("settings", HALVES, ids=lambda one: str(one["optimizer"]))
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_two_halves_equal_the_whole(settings):
    whole = st.DescentRegressor(**settings, max_iter=10, random_state=3).fit(X, Y)
    half = st.DescentRegressor(**settings, max_iter=5, random_state=3, warm_start=True).fit(X, Y)
    between = half.predict(X)
    half.fit(X, Y)
    np.testing.assert_allclose(half.predict(X), whole.predict(X), rtol=1e-12, atol=1e-12)
    assert np.abs(half.predict(X) - between).max() > 1e-9
    assert half.n_iter_ == whole.n_iter_ == 10
    np.testing.assert_allclose(half.loss_curve_, whole.loss_curve_, rtol=1e-12)


@pytest.mark.parametrize("settings", [{"lr": "auto"}, {"lr": 1e-5, "schedule": "onecycle"}], ids=str)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_schedule_that_knows_its_end_begins_anew(settings):
    once = st.DescentRegressor(**settings, batch_size=16, max_iter=5, random_state=3, warm_start=True).fit(X, Y)
    rates, between = once.trace_.lr, once.coef_.copy()
    once.fit(X, Y)
    np.testing.assert_allclose(once.trace_.lr, rates, rtol=1e-12)
    assert np.abs(once.coef_ - between).max() > 1e-6


@pytest.mark.parametrize("settings", [{"schedule": "cosine"}, {"averaging": "polyak"}], ids=str)
def test_single_steps_have_no_end_to_know(settings):
    with pytest.raises(st.SpecError, match="partial_fit"):
        st.DescentRegressor(**settings).partial_fit(X, Y)


def test_rows_of_other_columns_or_classes_are_no_warm_start():
    line = st.DescentRegressor(warm_start=True).fit(X, Y)
    with pytest.raises(ValueError, match="other columns or classes"):
        line.fit(X[:, :2], Y)
    assert line.predict(X).shape == Y.shape  # it is what it was
    classes = st.DescentClassifier(warm_start=True, penalty="l2:0.1").fit(X, TWO)
    with pytest.raises(ValueError, match="other columns or classes"):
        classes.fit(X, TWO + 1)


@pytest.mark.parametrize("given", [{"X_val": X}, {"y_val": Y}, {"sample_weight_val": np.ones(len(Y))}])
def test_rows_to_stop_by_are_given_whole(given):
    with pytest.raises(ValueError, match="X_val and y_val are given together"):
        st.DescentRegressor(early_stopping=True).fit(X, Y, **given)


def test_logarithms_of_probabilities_are_theirs():
    found = st.DescentClassifier(penalty="l2:0.01").fit(X, TWO)
    np.testing.assert_allclose(found.predict_log_proba(X), np.log(found.predict_proba(X)), rtol=1e-14)
    assert not hasattr(st.DescentClassifier(loss="hinge"), "predict_log_proba")


def test_a_descent_that_has_arrived_stays_there():
    found = st.DescentRegressor(warm_start=True).fit(X, Y)
    first = found.coef_.copy()
    np.testing.assert_allclose(found.fit(X, Y).coef_, first, rtol=1e-14)


def test_a_partial_fit_is_a_step_of_sgd():
    scaled = StandardScaler().fit_transform(X)
    ours = st.DescentRegressor(optimizer="sgd", lr=0.005)
    theirs = SGDRegressor(penalty="l2", alpha=0.0, learning_rate="constant", eta0=0.01)
    for row, goal, weight in zip(scaled, Y, WEIGHTS + 1.0, strict=True):
        ours.partial_fit(row[None], [goal], sample_weight=[weight])
        theirs.partial_fit(row[None], [goal], sample_weight=[weight])
    np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=1e-12)
    assert ours.intercept_ == pytest.approx(theirs.intercept_[0], rel=1e-12)
    assert (ours.n_iter_, ours.status_, ours.gap_) == (120, st.Status.STEPS, None)
    assert len(ours.loss_curve_) == 120


@pytest.mark.parametrize("optimizer", ["adam", torch.optim.Adam, "nesterov:0.9"], ids=str)
def test_partial_fits_in_order_are_an_epoch(optimizer):
    """The rule remembers from call to call, as torch.optim's does."""
    scaled = StandardScaler().fit_transform(X)
    whole = st.DescentRegressor(optimizer=optimizer, lr=0.01, batch_size=30, shuffle="none", max_iter=3).fit(scaled, Y)
    part, thin = (st.DescentRegressor(optimizer=optimizer, lr=0.01) for _ in range(2))
    for rows in 3 * [slice(start, start + 30) for start in range(0, 120, 30)]:
        part.partial_fit(scaled[rows], Y[rows])
        thin.partial_fit(sparse.csr_array(scaled[rows]), Y[rows])
    np.testing.assert_allclose(part.coef_, whole.coef_, rtol=1e-10)
    np.testing.assert_allclose(thin.coef_, whole.coef_, rtol=1e-10)


def test_classes_in_parts():
    scaled = StandardScaler().fit_transform(X)
    found = st.DescentClassifier()
    with pytest.raises(ValueError, match="classes must be passed"):
        found.partial_fit(scaled, THREE)
    for _ in range(50):
        for rows in np.array_split(np.arange(120), 4):
            found.partial_fit(scaled[rows], THREE[rows], classes=["low", "mid", "top"])
    wanted = LogisticRegression(C=1e6, max_iter=1_000).fit(scaled, THREE)
    assert found.score(scaled, THREE) > wanted.score(scaled, THREE) - 0.1
    again = st.DescentClassifier(warm_start=True).fit(scaled, THREE)
    before = again.coef_.copy()
    again.partial_fit(scaled, THREE)
    np.testing.assert_allclose(again.coef_, before, atol=1e-6)  # at the optimum the gradient is 0


# ---- stopping ------------------------------------------------------------------------------------------


def test_early_stopping_on_a_share_and_on_rows_of_their_own():
    settings = {"optimizer": "adam", "lr": 0.3, "precondition": "standardize", "max_iter": 4_000, "n_iter_no_change": 5}
    share = st.DescentRegressor(**settings, early_stopping=True, validation_fraction=0.25, random_state=0).fit(X, Y)
    assert share.status_ is st.Status.PATIENCE
    assert share.fit_.rows == 90
    own = st.DescentRegressor(**settings).fit(X[:90], Y[:90], X_val=X[90:], y_val=Y[90:])
    assert own.status_ is st.Status.PATIENCE
    beside = st.fit(
        X[:90], Y[:90], optimizer="adam", lr=0.3, precondition="standardize", epochs=4_000, patience=5,
        validation=(X[90:], Y[90:]),
    )  # fmt: skip
    np.testing.assert_allclose(own.coef_, beside.theta[1:], rtol=1e-12)
    with pytest.raises(ValueError, match="class 'other'"):
        st.DescentClassifier().fit(X, THREE, X_val=X[:1], y_val=["other"])


def test_a_descent_that_does_not_arrive_says_so_once():
    with pytest.warns(ConvergenceWarning, match="Raise max_iter") as caught:
        st.DescentRegressor(optimizer="sgd", lr=1e-6, max_iter=3).fit(X, Y)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    with pytest.warns(ConvergenceWarning, match="grew without bound"):
        found = st.DescentRegressor(optimizer="sgd", lr=10.0).fit(X, Y)
    assert found.status_ is st.Status.DIVERGED


class Watching:
    """A callback that counts, and ends the fit after so many epochs."""

    def __init__(self, last=None):
        self.last, self.told, self.scores = last, [], []

    def setup(self, estimator, context):
        self.told.append("setup")

    def teardown(self, estimator, context):
        self.told.append("teardown")

    def on_fit_task_begin(self, estimator, context):
        self.told.append(f"begin {context.task_name}")

    def on_fit_task_end(self, estimator, context, *, X, y, fitted_estimator):
        self.told.append(f"end {context.task_name}")
        self.scores.append(fitted_estimator.score(X, y))
        return context.task_name == "epoch" and context.task_id + 1 == self.last


@pytest.mark.parametrize("batch_size", ["full", 30])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_callbacks_are_told_of_every_epoch_and_may_end_a_fit(batch_size):
    settings = {"optimizer": "adam", "lr": 0.01, "batch_size": batch_size, "schedule": "constant", "random_state": 0}
    watching = Watching()
    estimator = st.DescentRegressor(**settings, max_iter=4).set_callbacks(watching).fit(X, Y)
    epoch = ["begin epoch", "end epoch"]
    assert watching.told == ["setup", "begin fit", *4 * epoch, "end fit", "teardown"]
    path = [st.DescentRegressor(**settings, max_iter=n).fit(X, Y).score(X, Y) for n in (1, 2, 3, 4)]
    np.testing.assert_allclose(watching.scores, [*path, path[-1]], rtol=1e-10)
    stopped = st.DescentRegressor(**settings, max_iter=4).set_callbacks(Watching(last=2)).fit(X, Y)
    assert (stopped.status_, stopped.n_iter_) == (st.Status.CALLBACK, 2)
    assert stopped.score(X, Y) == pytest.approx(path[1], rel=1e-12)
    assert estimator.score(X, Y) == pytest.approx(path[3], rel=1e-12)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_scikit_learns_own_callbacks_go_along():
    from sklearn.callback import ProgressBar, ScoringMonitor

    monitor = ScoringMonitor(scoring="r2")
    estimator = st.DescentRegressor(optimizer="adam", lr=0.1, max_iter=3).set_callbacks(monitor, ProgressBar())
    estimator.fit(X, Y)
    logged = [row["r2"] for row in monitor.get_logs().data if row["task_name"] == "epoch"]
    assert len(logged) == 3
    assert logged[-1] == pytest.approx(estimator.score(X, Y))


# ---- arrays and frames ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [pd.DataFrame, lambda data: pl.DataFrame(data)], ids=["pandas", "polars"])
def test_frames_give_their_names(kind):
    frame = kind({name: X[:, i] for i, name in enumerate("abcd")})
    found = make_pipeline(StandardScaler().set_output(transform="pandas"), st.DescentRegressor()).fit(frame, Y)
    assert found[-1].feature_names_in_.tolist() == list("abcd")
    assert found[-1].fit_.names == ["intercept", *"abcd"]
    np.testing.assert_allclose(found.predict(frame), LinearRegression().fit(X, Y).predict(X), rtol=1e-9)
    alone = st.DescentRegressor().fit(frame, Y)
    with pytest.raises(ValueError, match="feature names should match"):
        alone.predict(kind({name: X[:, i] for i, name in enumerate("abce")}))


def test_a_tensor_is_an_array_where_nothing_else_was_asked_for():
    x, y = torch.tensor(X), torch.tensor(Y)
    found = st.DescentRegressor().fit(x, y)
    assert isinstance(found.predict(x), np.ndarray)
    np.testing.assert_allclose(found.coef_, LinearRegression().fit(X, Y).coef_, rtol=1e-9)


DENSE = np.where(RANDOM.random((200, 12)) < 0.15, RANDOM.normal(size=(200, 12)) * np.logspace(-2, 4, 12), 0.0)
GOAL = DENSE @ (RANDOM.normal(size=12) / np.logspace(-2, 4, 12)) + 3.0 + 0.3 * RANDOM.normal(size=200)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"penalty": "l2:0.01"},
        {"penalty": "l1:0.01"},
        {"loss": "huber:0.2"},
        {"fit_intercept": False},
        {"optimizer": "adam", "lr": 0.1, "batch_size": 20, "max_iter": 10},
    ],
    ids=str,
)
def test_a_sparse_matrix_is_fitted_as_the_dense_one(settings):
    weights = RANDOM.integers(0, 3, 200).astype(float)
    whole, thin = (
        st.DescentRegressor(random_state=0, **settings).fit(x, GOAL, sample_weight=weights)
        for x in (DENSE, sparse.csr_array(DENSE))
    )
    np.testing.assert_allclose(thin.predict(sparse.csc_array(DENSE)), whole.predict(DENSE), rtol=1e-6, atol=1e-6)
    if "optimizer" not in settings and "loss" not in settings:
        assert thin.status_ is st.Status.CONVERGED
        assert thin.gap_ <= 1e-8


@pytest.mark.parametrize("y", [GOAL > 3, np.digitize(GOAL, [2.5, 3.5])], ids=["two", "three"])
def test_classes_of_a_sparse_matrix(y):
    scaled = DENSE / np.logspace(-2, 4, 12)
    wanted = LogisticRegression(C=1.0, tol=1e-12, max_iter=10_000, solver="newton-cholesky").fit(scaled, y)
    found = st.DescentClassifier(penalty=f"l2:{1 / (2 * 200)}").fit(sparse.csr_array(scaled), y)
    np.testing.assert_allclose(found.predict_proba(scaled), wanted.predict_proba(scaled), atol=1e-8)


def test_a_sparse_matrix_is_never_written_out(monkeypatch):
    entries = RANDOM.integers(0, 3_000, 40_000), RANDOM.integers(0, 20_000, 40_000)
    x = sparse.csr_array((RANDOM.normal(size=40_000), entries), shape=(3_000, 20_000))
    y = x @ RANDOM.normal(size=20_000)
    for name in ("toarray", "todense"):
        monkeypatch.setattr(sparse.csr_array, name, lambda *_: pytest.fail("the matrix is written out"))
    found = st.DescentRegressor(penalty="l2:1e-4").fit(x, y)
    assert found.status_ is st.Status.CONVERGED
    with pytest.raises(ValueError, match="would fill a sparse matrix"):
        st.DescentRegressor(model="poly:2").fit(x, y)


# ---- the rest of scikit-learn --------------------------------------------------------------------------


def test_searches_pipelines_and_clones():
    frame = pd.DataFrame(X, columns=list("abcd")).assign(
        city=np.array(["Oslo", "Rome", "Bern"])[RANDOM.integers(0, 3, 120)]
    )
    columns = make_column_transformer((OneHotEncoder(drop="first"), ["city"]), remainder=StandardScaler())
    pipeline = make_pipeline(columns, st.DescentRegressor())
    theirs = make_pipeline(columns, LinearRegression())
    np.testing.assert_allclose(cross_val_score(pipeline, frame, Y), cross_val_score(theirs, frame, Y), rtol=1e-8)
    grid = {"descentregressor__penalty": ["none", "l2:0.01", "l2:1"]}
    search = GridSearchCV(pipeline, grid).fit(frame, Y)
    assert search.best_params_["descentregressor__penalty"] in grid["descentregressor__penalty"]
    again = clone(search.best_estimator_[-1])
    assert again.get_params() == search.best_estimator_[-1].get_params()
    with pytest.raises(NotFittedError):
        again.predict(X)


def test_weights_are_routed():
    with config_context(enable_metadata_routing=True):
        estimator = st.DescentRegressor().set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        search = GridSearchCV(estimator, {"penalty": ["none"]}).fit(X, Y, sample_weight=WEIGHTS)
    np.testing.assert_allclose(
        search.best_estimator_.coef_, LinearRegression().fit(X, Y, sample_weight=WEIGHTS).coef_, rtol=1e-7
    )


def test_a_page_on_an_estimator_solves_nothing(monkeypatch):
    found = st.DescentRegressor().fit(X, Y)
    monkeypatch.setattr("steepest.scored.answer_in", lambda *_: pytest.fail("the exact answer was asked for"))
    page = found._repr_html_()
    assert "coef_" in page
    assert "gap_" not in page
    assert "gap_" not in dir(found)
    monkeypatch.undo()
    assert found.gap_ == 0.0
    assert "gap_" in dir(found)


def test_what_is_pickled_and_copied_keeps_no_rows():
    found = st.DescentRegressor().fit(np.tile(X, (50, 1)), np.tile(Y, 50))
    kept = pickle.dumps(found)
    assert len(kept) < 6_000 * 5 * 8 / 4
    again = pickle.loads(kept)
    assert (again.gap_, again.status_) == (found.gap_, found.status_)
    np.testing.assert_array_equal(again.predict(X), found.predict(X))
    assert copy.copy(found).fit_ is found.fit_


def test_what_is_wrong_is_said_in_its_own_names():
    with pytest.raises(ValueError, match="one class only"):
        st.DescentClassifier().fit(X, np.zeros(120))
    with pytest.raises(ValueError, match="random_state=-1"):
        st.DescentRegressor(random_state=-1).fit(X, Y)
    with pytest.raises(AttributeError, match="not fitted yet"):
        _ = st.DescentRegressor().gap_


def test_nothing_warns_where_sgd_does():
    wine = st.synthetic.sample("wine").to_pandas()
    x, y = wine[["malic_acid", "proline", "hue"]].to_numpy(), wine["alcohol"].to_numpy()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = SGDRegressor(random_state=0).fit(x, y).score(x, y)
    ours = st.DescentRegressor().fit(x, y).score(x, y)
    assert ours == pytest.approx(LinearRegression().fit(x, y).score(x, y), rel=1e-9)
    assert ours > theirs


@pytest.mark.parametrize(
    ("loss", "has"), [("hinge", False), ("squared_hinge", False), ("modified_huber", True), ("auto", True)]
)
def test_probabilities_are_there_where_the_loss_has_some(loss, has):
    scores = st.DescentClassifier(loss=loss, penalty="l2:0.01")
    assert hasattr(scores, "predict_proba") == has
    # stacked estimators are asked for probabilities where they have the method, and for scores where they have not
    stacked = StackingClassifier([("one", scores)], final_estimator=st.DescentClassifier(penalty="l2:0.01"), cv=2)
    assert stacked.fit(X, TWO).stack_method_ == ["predict_proba" if has else "decision_function"]


@pytest.mark.parametrize("given", [{"loss": "logistic"}, {"model": "softmax"}, {"loss": "hinge"}])
def test_a_loss_of_classes_is_not_a_regressors(given):
    (name, value), *_ = given.items()
    with pytest.raises(ValueError, match=f"{name}='{value}' tells classes apart, .* take a DescentClassifier"):
        st.DescentRegressor(**given).fit(X, Y)


@pytest.mark.parametrize("name", ["early_stopping", "warm_start"])
def test_a_switch_is_true_or_false(name):
    with pytest.raises(ValueError, match=f"{name}='no': it must be True or False"):
        st.DescentRegressor(**{name: "no"}).fit(X, Y)
