"""Cross-validation: scores and predictions are scikit-learn's, and a fold learns nothing of the rows that it is judged on."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import GroupKFold, KFold, TimeSeriesSplit, cross_val_predict, cross_val_score

import steepest as st
from steepest.sweeps import own_rows

RANDOM = np.random.default_rng(0)
N = 150
TABLE = pd.DataFrame(
    {
        "a": RANDOM.normal(size=N), "b": RANDOM.uniform(1, 2, N), "city": RANDOM.choice(["Oslo", "Rome", "Bern"], N),
        "who": RANDOM.choice([f"p{i}" for i in range(20)], N), "number": RANDOM.integers(0, 30, N),
        "when": pd.date_range("2020-01-01", periods=N)[RANDOM.permutation(N)],
    }
)  # fmt: skip
TABLE["y"] = TABLE.a + 2 * TABLE.b + (TABLE.city == "Rome") + RANDOM.normal(size=N)
TABLE["two"] = np.where(TABLE.y > 3.3, "high", "low")
TABLE["three"] = pd.qcut(TABLE.y, 3, labels=["u", "v", "w"]).astype(str)
COLUMNS = ["a", "b", "city"]
X = pd.get_dummies(TABLE[COLUMNS], drop_first=True).to_numpy(float)
SCORES = {
    "r2": "r2",
    "mae": "neg_mean_absolute_error",
    "rmse": "neg_root_mean_squared_error",
    "loss": "neg_mean_squared_error",
}
TEN = KFold(10, shuffle=True, random_state=0)


@pytest.fixture(scope="module")
def numbers() -> st.Fit:
    return st.fit(TABLE, target="y", columns=COLUMNS)


@pytest.mark.parametrize(
    ("split", "made", "groups"),
    [
        ("random", TEN, None),
        ("group:who", GroupKFold(10), TABLE.who),
        ("group:number", GroupKFold(10), TABLE.number),
        ("time:when", TimeSeriesSplit(10), None),
    ],
)
def test_scores_and_predictions_are_those_of_scikit_learn(split, made, groups, numbers):
    order = np.argsort(TABLE.when.to_numpy()) if split == "time:when" else np.arange(N)
    found = numbers.cross_validate(10, split)
    x, y = X[order], TABLE.y.to_numpy()[order]
    for ours, theirs in SCORES.items():
        expected = cross_val_score(LinearRegression(), x, y, cv=made, groups=groups, scoring=theirs)
        assert found.scores[ours] == pytest.approx(np.abs(expected) if ours != "r2" else expected, rel=1e-8)
    assert found.mean["r2"] == pytest.approx(np.mean(found.scores["r2"]))
    assert found.standard_deviation["r2"] == pytest.approx(np.std(found.scores["r2"], ddof=1))
    assert found.standard_error["r2"] == pytest.approx(np.std(found.scores["r2"], ddof=1) / np.sqrt(10))
    if split == "time:when":
        assert np.isnan(found.predictions).sum() == (found.fold < 0).sum() == N - 10 * (N // 11)
    else:
        expected = cross_val_predict(LinearRegression(), x, y, cv=made, groups=groups)
        assert found.predictions == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize(("target", "outputs"), [("two", 1), ("three", 3)])
def test_classes_are_those_of_scikit_learn(target, outputs):
    found = st.fit(TABLE, target=target, columns=COLUMNS, penalty="l2:0.01").cross_validate(10)
    # its penalty is ½|w|²/C beside the sum over 135 rows of a fold
    other = LogisticRegression(C=1 / (2 * 0.01 * 135), tol=1e-12, max_iter=1_000, solver="newton-cg")
    expected = cross_val_score(other, X, TABLE[target], cv=TEN, scoring="neg_log_loss")
    assert found.scores["loss"] == pytest.approx(-expected, rel=1e-8)
    assert found.scores["accuracy"] == pytest.approx(cross_val_score(other, X, TABLE[target], cv=TEN), abs=1e-12)
    assert found.predictions.tolist() == cross_val_predict(other, X, TABLE[target], cv=TEN).tolist()
    shares = cross_val_predict(other, X, TABLE[target], cv=TEN, method="predict_proba")
    assert found.probabilities == pytest.approx(shares, rel=1e-7)


def test_a_fold_learns_of_its_own_rows_alone():
    holes = TABLE.copy()
    holes.loc[::7, "a"] = np.nan
    folds = np.arange(N) % 3
    filled = st.fit(holes, target="y", columns=["a", "b"], missing="mean").cross_validate(split=folds)
    scaled = st.fit("y ~ scale(b) + poly(a, 2)", TABLE, penalty="l2:0.1").cross_validate(split=folds)
    for fold in range(3):
        own = folds != fold
        x = holes[["a", "b"]].fillna({"a": holes.a[own].mean()}).to_numpy()
        expected = LinearRegression().fit(x[own], TABLE.y[own]).predict(x[~own])
        assert filled.predictions[~own] == pytest.approx(expected, rel=1e-8)
        basis = np.linalg.qr(np.vander(TABLE.a[own], 3, increasing=True))  # of this fold's rows, as poly's is
        whole = np.vander(TABLE.a, 3, increasing=True) @ np.linalg.inv(basis.R)
        z = np.column_stack([(TABLE.b - TABLE.b[own].mean()) / TABLE.b[own].std(), whole[:, 1:]])
        ridge = Ridge(alpha=0.1 * own.sum(), tol=1e-14).fit(z[own], TABLE.y[own])
        assert scaled.predictions[~own] == pytest.approx(ridge.predict(z[~own]), rel=1e-8)
    balanced = st.fit(TABLE, target="two", columns=["a"], class_weight="balanced").cross_validate(split=folds)
    other = LogisticRegression(C=np.inf, class_weight="balanced", tol=1e-12, solver="newton-cg")
    for fold in range(3):
        own = folds != fold
        found = other.fit(TABLE[["a"]][own], TABLE.two[own]).predict_proba(TABLE[["a"]][~own])
        assert balanced.probabilities[~own] == pytest.approx(found, rel=1e-6)


def test_a_row_with_a_level_that_its_fold_has_not_learned_has_no_prediction():
    rare = TABLE.copy()
    rare.loc[7, "city"] = "Pisa"
    for fit in (st.fit(rare, target="y", columns=COLUMNS), st.fit("y ~ a + C(city, contr.sum)", rare)):
        with pytest.warns(
            st.SteepestWarning,
            match="learns of no row with the level 'Pisa' of .*city.*: 1 row of it has no prediction",
        ):
            found = fit.cross_validate(5)
        assert np.flatnonzero(np.isnan(found.predictions)).tolist() == [7]
        assert found.fold[7] == -1
        assert np.isfinite(found.scores["r2"]).all()


def test_rows_that_are_left_out_or_held_out_keep_their_places():
    holes = TABLE.copy()
    holes.loc[3:40, "a"] = np.nan
    fit = st.fit("y ~ a + b", holes, missing="drop", validation=0.2, optimizer="sgd", lr=0.1, patience=3)
    found = fit.cross_validate(4, "group:who")
    assert found.places.tolist() == [0, 1, 2, *range(41, N)]
    for who in TABLE.who.unique():
        assert len(set(found.fold[(TABLE.who[found.places] == who).to_numpy()])) <= 1
    tested = st.fit("y ~ a + b", TABLE, test_fraction=0.2).cross_validate(4)
    assert len(tested.places) == 120


@pytest.mark.parametrize(
    "settings",
    [
        {"optimizer": "sgd", "lr": 0.1, "epochs": 60},
        {"optimizer": "adam", "lr": 0.05, "epochs": 4, "batch_size": 16, "schedule": "cosine"},
        {"optimizer": "momentum", "epochs": 50, "penalty": "l2:0.1", "precondition": "none", "lr": 0.05},
        {"optimizer": "sgd", "lr": 0.1, "epochs": 60, "precondition": "standardize", "weights": "b"},
    ],
)  # fmt: skip
@pytest.mark.parametrize("target", ["y", "two", "three"])
def test_folds_that_go_side_by_side_are_the_fits_that_they_are_alone(target, settings, monkeypatch):
    fit = st.fit(TABLE, target=target, columns=["a", "city"], **settings)
    together = fit.cross_validate(4)
    assert {one.engine for one in together.fits} == {"batched"}
    monkeypatch.setattr(own_rows, "may_go_together", lambda spec: False)
    alone = fit.cross_validate(4)
    for one, other in zip(together.fits, alone.fits, strict=True):
        assert other.engine != "batched"
        assert one.theta == pytest.approx(other.theta, rel=1e-9, abs=1e-11)
        assert one.trace.objective[0] == pytest.approx(other.trace.objective[0], rel=1e-12)
        assert one.trace.loss[-1] == pytest.approx(other.trace.loss[-1], rel=1e-9)
    assert together.scores["loss"] == pytest.approx(alone.scores["loss"], rel=1e-9)


def test_modules_and_rows_of_their_own_to_stop_by():
    fit = st.fit("y ~ scale(a) + b", TABLE[:100], model="mlp:3", epochs=5, validation=TABLE[100:], patience=2)
    found = fit.cross_validate(3)
    assert found.predictions.shape == (100,)
    assert np.isfinite(found.predictions).all()
    several = st.fit(TABLE, target=["y", "a"], columns=["b"]).cross_validate(3)
    assert several.predictions.shape == (N, 2)


def test_a_loaded_run_reads_its_rows_again(tmp_path):
    TABLE.to_csv(tmp_path / "table.csv", index=False)
    fit = st.fit("y ~ a + scale(b)", tmp_path / "table.csv")
    fit.save(tmp_path / "run")
    back = st.load(tmp_path / "run").cross_validate(5, "group:who")
    assert back.scores["r2"] == pytest.approx(fit.cross_validate(5, "group:who").scores["r2"], rel=1e-12)
    st.fit("y ~ a + scale(b)", TABLE).save(tmp_path / "other")
    with pytest.raises(st.FitError, match="Fit again to cross-validate"):
        st.load(tmp_path / "other").cross_validate(5)


def test_what_is_shown_of_it(numbers):
    found = numbers.cross_validate(5)
    assert found.to_arrow().column_names == ["fold", "rows", "held_out", "loss", "r2", "mae", "rmse"]
    assert found.to_pandas().held_out.sum() == N
    text = str(found)
    assert "Cross-validation: 5 folds, random, 150 rows" in text
    assert "std. error" in text
    assert found.summary()["scores"]["r2"]["folds"] == found.scores["r2"].tolist()
    assert repr(found).startswith("CrossValidation(5 folds, random: loss ")


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        ({"folds": 1}, st.SpecError, "folds=1: it must be a whole number from 2"),
        ({"folds": 2.5}, st.SpecError, "folds=2.5: it must be a whole number from 2"),
        ({"folds": 151}, st.SpecError, "from 2 to the number of rows, 150"),
        ({"split": "shuffled"}, st.SpecError, "random, time:COLUMN or group:COLUMN"),
        ({"split": "time:city"}, st.DataError, "column 'city' is to give the order of time"),
        ({"split": "group:whom"}, st.DataError, "no column 'whom' .*did you mean 'who'"),
        ({"split": "group:city"}, st.SpecError, "column 'city' has 3 groups only"),
        ({"split": [0, 1]}, st.SpecError, "the number of a fold for each of 150 rows"),
    ],
)
def test_what_cannot_be_is_refused_in_a_line(given, error, said, numbers):
    with pytest.raises(error, match=said):
        numbers.cross_validate(**given)


def test_a_number_of_numpys_is_a_number_of_folds(numbers):
    assert numbers.cross_validate(np.int64(3)).scores["r2"].tolist() == numbers.cross_validate(3).scores["r2"].tolist()


def test_a_fold_without_a_class_is_an_error():
    fit = st.fit(TABLE[:9].assign(c=["x", "x", *"yyyyyyy"]), target="c", columns=["a"], penalty="l2:1")
    with pytest.raises(st.DataError, match="fold 1 has no row of the class 'x' to learn of"):
        fit.cross_validate(split=[0, 0, 0, 1, 1, 1, 2, 2, 2])


def test_the_command_prints_the_scores(tmp_path, capsys):
    from steepest.cli.commands import app

    TABLE.to_csv(tmp_path / "table.csv", index=False)
    words = ["fit", str(tmp_path / "table.csv"), "--formula", "y ~ a + b + city", "--folds", "10"]

    def run(*more: str) -> str:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            app([*words, *more], exit_on_error=False, result_action="return_value")
        return capsys.readouterr().out

    assert "Cross-validation: 10 folds, random, 150 rows" in run()
    found = json.loads(run("--json", "--split", "group:who"))["cross_validation"]
    expected = cross_val_score(LinearRegression(), X, TABLE.y, cv=GroupKFold(10), groups=TABLE.who)
    assert found["scores"]["r2"]["folds"] == pytest.approx(expected, rel=1e-8)
    assert found["split"] == "group:who"
