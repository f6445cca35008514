"""A fit as a model of ONNX gives in onnxruntime what `predict` gives, columns as they are in the table."""

from __future__ import annotations

import sys

import numpy as np
import onnx
import onnxruntime
import pandas
import pytest
from torch import nn

import steepest as st
from steepest.data.dates import dates, parts_of
from steepest.data.features import Column
from steepest.export.onnx_columns import MISSING_DATE, date_features

from export_tables import CLASS, NUMBER, RANDOM, TABLE, TARGETS, N


def _run(fit: st.Fit, path, table) -> dict[str, np.ndarray]:
    """What onnxruntime makes of a frame, or an array."""
    onnx.checker.check_model(str(path), full_check=True)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    given = {}
    for one in session.get_inputs():
        column = table if one.name == "x" and isinstance(table, np.ndarray) else table[one.name]
        if one.type == "tensor(string)":
            column = column.astype(object).where(column.notna(), "").astype(str)
        if one.type == "tensor(int64)":
            column = column.astype("datetime64[us]").to_numpy().astype(np.int64)
        kind = {"tensor(double)": np.float64, "tensor(bool)": bool, "tensor(int64)": np.int64, "tensor(string)": object}
        given[one.name] = np.asarray(column, dtype=kind[one.type]).reshape(len(table), -1)
    return dict(zip((one.name for one in session.get_outputs()), session.run(None, given), strict=True))


def _compared(fit: st.Fit, path, table) -> None:
    found = _run(fit, fit.to_onnx(path), table)
    if fit.schema.classes is None:
        ours = fit.predict(table)
        np.testing.assert_allclose(found["prediction"], ours, rtol=1e-11, atol=1e-12 * np.abs(ours).max())
        return
    assert found["label"].tolist() == fit.predict(table).tolist()
    if "probabilities" in found:
        np.testing.assert_allclose(found["probabilities"], fit.predict_proba(table), rtol=1e-9, atol=1e-12)
    else:
        np.testing.assert_allclose(found["decision"][:, 0], fit.decision(table), rtol=1e-10)


@pytest.mark.parametrize(
    ("target", "settings"),
    [
        ("number", {}),
        ("number", {"date": {"when": "parts"}}),
        ("number", {"model": "poly:3", "columns": ["size", "age", "new"]}),
        ("number", {"intercept": False, "missing": {"age": "level", "kind": "mean"}}),
        ("count", {"loss": "poisson", "penalty": "l2:0.1"}),
        ("class", {"penalty": "l2:0.01"}),
        ("flag", {"penalty": "l2:0.01"}),
        ("class", {"loss": "squared_hinge", "penalty": "l2:0.01"}),
        ("class", {"loss": "modified_huber", "penalty": "l2:0.01"}),
        ("class", {"loss": "cross_entropy", "penalty": "l2:0.01"}),
        ("three", {"penalty": "l2:0.01"}),
        ("number", {"model": "mlp:8,4", "epochs": 5}),
        ("class", {"model": "mlp:8", "epochs": 5}),
    ],
)
def test_a_table_with_text_dates_and_missing_values(target, settings, tmp_path):
    table = TABLE.assign(y=TARGETS[target])
    columns = settings.get("columns", list(TABLE.columns))
    made = {"categories": "zip"} if "zip" in columns else {}
    made |= {"date": {"when": "days"}} if "when" in columns else {}
    missing = {name: how for name, how in {"age": "mean", "kind": "level"}.items() if name in columns}
    _compared(st.fit(table, target="y", **{"missing": missing, **made, **settings}), tmp_path / "fit.onnx", TABLE)


@pytest.mark.parametrize(
    "formula",
    [
        "y ~ size + city",
        "y ~ log(size) * city + I(size > 100)",
        "y ~ C(zip, contr.sum) + city:new + I(city == 'Rome')",
        "y ~ 0 + C(city, contr.helmert) + np.sqrt(size)**2 + tanh(size / 100)",
    ],
)
def test_a_formula(formula, tmp_path):
    fit = st.fit(formula, TABLE.assign(y=NUMBER), categories="zip" if "zip" in formula else ())
    _compared(fit, tmp_path / "fit.onnx", TABLE)


def test_an_exposure_is_an_input_too(tmp_path):
    table = TABLE[["city", "size"]].assign(years=RANDOM.uniform(1, 5, N), y=TARGETS["count"])
    fit = st.fit(table, target="y", loss="poisson", exposure="years", penalty="l2:0.1")
    _compared(fit, tmp_path / "fit.onnx", table)
    with pytest.raises(st.FitError, match="no offset or exposure"):
        fit.to_sklearn()


@pytest.mark.parametrize("model", ["linear", "poly:3"])
def test_arrays_far_from_zero_with_a_column_of_ones(model, tmp_path):
    x = RANDOM.normal([0, 1e6, 5], size=(N, 3))
    _compared(st.fit(x, NUMBER, model=model), tmp_path / "fit.onnx", x)
    x = np.column_stack([x[:, :1], np.ones(N), x[:, 2:]])
    _compared(st.fit(x, RANDOM.normal(size=(N, 2))), tmp_path / "fit.onnx", x)


def test_a_level_that_was_not_there_and_a_missing_value_are_nan(tmp_path):
    table = TABLE[["city", "size"]]
    fit = st.fit(table.assign(y=CLASS), target="y", penalty="l2:0.01")
    new = pandas.DataFrame({"city": ["Oslo", "Paris", None, "Rome"], "size": [90.0, 90.0, 90.0, np.nan]})
    found = _run(fit, fit.to_onnx(tmp_path / "fit.onnx"), new)
    assert np.isnan(found["probabilities"]).any(1).tolist() == [False, True, True, True]
    assert [bool(label) for label in found["label"]] == [True, False, False, False]


def test_a_module_of_layers(tmp_path):
    x = RANDOM.normal(size=(N, 3))
    layers = [nn.Linear(3, 6), nn.BatchNorm1d(6), nn.ELU(), nn.Linear(6, 6, bias=False), nn.LeakyReLU(), nn.SiLU()]
    net = nn.Sequential(*layers, nn.Softplus(), nn.Dropout(0.2), nn.Linear(6, 1)).double()
    _compared(st.fit(x, NUMBER, model=net, lr=1e-3, epochs=3), tmp_path / "fit.onnx", x)


def test_parts_of_dates_are_those_of_the_calendar():
    days = np.arange("1890-01-01", "2110-01-01", dtype="datetime64[D]")
    stamps = days.astype("datetime64[us]") + (np.arange(len(days)) * 7919 % 86_400_000_000).astype("timedelta64[us]")
    import pyarrow

    known = parts_of(dates(pyarrow.chunked_array([pyarrow.array(stamps)])))
    column = Column("when", "date", way="parts", parts=tuple(known))
    found = date_features(column, stamps.astype(np.int64).astype(np.float64))
    for values, name in zip(found, known, strict=True):
        np.testing.assert_allclose(values, known[name], rtol=0, atol=1e-11)
    assert np.array("NaT", dtype="datetime64[us]").astype(np.int64) == MISSING_DATE


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: st.fit("y ~ poly(size, 2)", TABLE.assign(y=NUMBER)), r"'poly\(size, 2\)' has learned"),
        (lambda: st.fit("y ~ arctan(size)", TABLE.assign(y=NUMBER)), "no arctan"),
        (lambda: st.fit(TABLE["size"], NUMBER, model=nn.Sequential(nn.Linear(1, 2), nn.GELU(), nn.Linear(2, 1)), epochs=1),
         "has a GELU, and to_onnx knows BatchNorm1d, Dropout"),
        (lambda: st.fit({"x": ["a", "A ", "b", "a"], "y": [1.0, 2, 3, 4]}, target="y", labels="casefold"), "differ in case"),
    ],
)  # fmt: skip
def test_what_onnx_cannot_express_is_told_and_nothing_is_written(make, words, tmp_path):
    with pytest.raises(st.FitError, match=words):
        make().to_onnx(tmp_path / "fit.onnx")
    assert not list(tmp_path.iterdir())


def test_without_the_package_it_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(st.SpecError, match=r"The package onnx is not installed: pip install 'steepest\[onnx\]'"):
        st.fit([0.0, 1.0], [1.0, 2.0]).to_onnx(tmp_path / "fit.onnx")
