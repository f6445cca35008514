"""A fit as a pipeline of scikit-learn's own classes predicts what the fit does, to rounding, in a process without steepest."""

from __future__ import annotations

import pickle
import subprocess
import sys

import numpy as np
import pandas as pd
import polars
import pytest
from torch import nn

import steepest as st

from export_tables import CLASS, NUMBER, RANDOM, TABLE, TARGETS, N

MADE = {"categories": "zip", "date": {"when": "days"}, "missing": {"age": "mean", "kind": "level"}}


def _compared(fit: st.Fit, x) -> None:
    made = fit.to_sklearn()
    for frame in (x, x[:3], x[5:6]):
        ours, theirs = fit.predict(frame), made.predict(frame)
        if fit.schema.classes is None:
            np.testing.assert_allclose(theirs, ours, rtol=1e-12, atol=1e-12 * np.abs(ours).max())
            continue
        assert theirs.tolist() == ours.tolist()
        order = np.argsort(fit.schema.labels.astype(made.classes_.dtype))
        if hasattr(made, "predict_proba"):
            np.testing.assert_allclose(
                made.predict_proba(frame), fit.predict_proba(frame)[:, order], rtol=1e-10, atol=1e-12
            )
        elif hasattr(made, "decision_function"):
            np.testing.assert_allclose(made.decision_function(frame), fit.decision(frame), rtol=1e-10)
    assert all(type(step).__module__.startswith("sklearn.") for _, step in made.steps)


@pytest.mark.parametrize(
    ("target", "settings"),
    [
        ("number", {}),
        ("number", {"model": "poly:2", "columns": ["size", "age", "new"]}),
        ("number", {"loss": "l1"}),
        ("number", {"intercept": False}),
        ("count", {"loss": "poisson", "penalty": "l2:0.1"}),
        ("class", {"penalty": "l2:0.01"}),
        ("flag", {"penalty": "l2:0.01"}),
        ("class", {"loss": "squared_hinge", "penalty": "l2:0.01"}),
        ("class", {"loss": "modified_huber", "penalty": "l2:0.01"}),
        ("class", {"loss": "cross_entropy", "penalty": "l2:0.01"}),
        ("three", {"penalty": "l2:0.01"}),
        ("number", {"model": "mlp:8,4", "epochs": 5}),
        ("class", {"model": "mlp:8", "epochs": 5}),
        ("three", {"model": "mlp:8", "epochs": 5}),
    ],
)
def test_a_pipeline_predicts_what_the_fit_does(target, settings):
    table = TABLE.assign(y=TARGETS[target])
    columns = settings.get("columns", list(TABLE.columns))
    made = {"categories": "zip"} if "zip" in columns else {}
    made |= {"date": MADE["date"]} if "when" in columns else {}
    missing = {name: how for name, how in MADE["missing"].items() if name in columns}
    _compared(st.fit(table, target="y", missing=missing, **made, **settings), TABLE)


def test_columns_are_found_by_name_and_levels_that_were_not_there_are_refused():
    fit = st.fit(TABLE[["city", "size"]].assign(y=NUMBER), target="y")
    made = fit.to_sklearn()
    shuffled = TABLE[["size", "new", "city"]]
    assert made.predict(shuffled) == pytest.approx(fit.predict(TABLE))
    assert made.predict(polars.DataFrame({"size": [90.0], "city": ["Rome"]})) == pytest.approx(
        fit.predict({"city": ["Rome"], "size": [90.0]})
    )
    with pytest.raises(ValueError, match="unknown categories"):
        made.predict(TABLE.assign(city="Paris"))
    assert list(made.feature_names_in_) == ["city", "size"]


@pytest.mark.parametrize("how", ["mean", "level"])
@pytest.mark.parametrize("kind", ["Int64", "boolean", "object"])
def test_whole_numbers_and_booleans_may_be_missing(kind, how):
    values = pd.Series(RANDOM.integers(0, 2, N)).astype(kind if kind == "Int64" else "bool").astype(kind)
    there = RANDOM.random(N) > 0.2
    table = pd.DataFrame({"size": TABLE["size"], "of": values.where(there, None if kind == "object" else pd.NA)})
    fit = st.fit(table.assign(y=NUMBER), target="y", missing=how)
    _compared(fit, table)
    _compared(fit, table.dropna().astype({"of": "int64" if kind == "Int64" else "bool"}))


def test_levels_that_are_numbers_are_found_in_a_category_of_pandas():
    table = pd.DataFrame({"size": TABLE["size"], "of": pd.Categorical(RANDOM.integers(0, 4, N))})
    _compared(st.fit(table.assign(y=NUMBER), target="y"), table)


@pytest.mark.parametrize(
    "x", [TABLE["size"].to_numpy(), RANDOM.normal(size=(N, 3)), RANDOM.normal([0, 1e6, 5], size=(N, 3))]
)
@pytest.mark.parametrize("model", ["linear", "poly:3"])
def test_a_fit_of_arrays_takes_arrays(x, model):
    fit = st.fit(x, NUMBER, model=model)
    made = fit.to_sklearn()
    rows = x.reshape(N, -1)
    ours = fit.predict(rows)
    np.testing.assert_allclose(made.predict(rows), ours, rtol=0, atol=1e-12 * np.abs(ours).max())


def test_columns_of_ones_and_several_targets():
    x, y = np.column_stack([np.ones(N), RANDOM.normal(size=(N, 2))]), RANDOM.normal(size=(N, 2))
    fit = st.fit(x, y)
    assert fit.to_sklearn().predict(x) == pytest.approx(fit.predict(x), rel=1e-12)


@pytest.mark.parametrize("between", [nn.Tanh, nn.Sigmoid])
def test_a_module_of_layers_is_a_perceptron(between):
    x = RANDOM.normal(size=(N, 3))
    net = nn.Sequential(nn.Linear(3, 5), between(), nn.Dropout(0.1), nn.Linear(5, 1, bias=False)).double()
    fit = st.fit(x, NUMBER, model=net, lr=1e-4, epochs=3)
    assert fit.to_sklearn().predict(x) == pytest.approx(fit.predict(x), rel=1e-10)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: st.fit("y ~ size", TABLE.assign(y=NUMBER)), "A formula has no words"),
        (lambda: st.fit(TABLE[["when"]].assign(y=NUMBER), target="y", date={"when": "parts"}), "parts are taken"),
        (lambda: st.fit({"x": ["1,5", "2,5", "4,0"], "y": [1.0, 2, 3]}, target="y", decimal=","), "another notation"),
        (lambda: st.fit(TABLE["size"], NUMBER, model=nn.Sequential(nn.Linear(1, 2), nn.GELU(), nn.Linear(2, 1)), epochs=1),
         "multilayer perceptrons"),
    ],
)  # fmt: skip
def test_what_scikit_learn_has_no_class_for_is_told(make, words):
    with pytest.raises(st.FitError, match=words):
        make().to_sklearn()


def test_a_loaded_fit_and_a_process_without_steepest(tmp_path):
    table = TABLE.assign(y=CLASS)
    fit = st.fit(table, target="y", penalty="l2:0.01", **MADE)
    fit.save(tmp_path / "run")
    assert st.load(tmp_path / "run").to_sklearn().predict(TABLE).tolist() == fit.predict(TABLE).tolist()
    (tmp_path / "pipeline.pickle").write_bytes(pickle.dumps(fit.to_sklearn()))
    TABLE.to_pickle(tmp_path / "table.pickle")
    code = (
        f"import pickle, sys, pandas; folder = {str(tmp_path)!r}; "
        "made = pickle.load(open(folder + '/pipeline.pickle', 'rb')); "
        "print(*made.predict(pandas.read_pickle(folder + '/table.pickle')), 'steepest' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [*fit.predict(TABLE), "False"]
