"""Rows that a descent is stopped by: a share, a table, a file, or arrays, read as the rows of the fit were."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest

import steepest as st

RANDOM = np.random.default_rng(0)
ALL = pd.DataFrame(
    {"a": RANDOM.normal(size=150), "b": RANDOM.uniform(1, 2, 150), "city": RANDOM.choice(["Oslo", "Rome", "Bern"], 150)}
)
ALL["y"] = ALL.a + ALL.b + RANDOM.normal(size=150)
ALL["c"] = np.where(ALL.y > 1.5, "high", "low")
ALL["w"] = RANDOM.uniform(1, 2, 150)
TABLE, OTHER = ALL[:100], ALL[100:]
SETTINGS = {"optimizer": "sgd", "lr": 0.05, "epochs": 400, "patience": 3}
COLUMNS = {"target": "y", "columns": ["a", "b", "city"]}


def ways(folder):
    OTHER.to_csv(folder / "other.csv", index=False)
    return {
        "pandas": OTHER, "polars": pl.DataFrame(OTHER), "dict": dict(OTHER), "path": folder / "other.csv",
        "text": str(folder / "other.csv"), "pair": (OTHER[["a", "b", "city"]], OTHER.y),
    }  # fmt: skip


def test_it_is_a_table_a_file_or_a_pair(tmp_path):
    fits = {name: st.fit(TABLE, **COLUMNS, validation=given, **SETTINGS) for name, given in ways(tmp_path).items()}
    first = fits["pandas"]
    assert first.status is st.Status.PATIENCE
    assert all(fit.theta.tolist() == first.theta.tolist() for fit in fits.values())
    x = np.column_stack([np.ones(50), OTHER.a, OTHER.b, OTHER.city == "Oslo", OTHER.city == "Rome"])
    losses = ((x @ first.trace.theta.T - OTHER.y.to_numpy()[:, None]) ** 2).mean(0)
    best = int(losses[: first.steps + 1].argmin())
    assert first.steps == best + 3  # three epochs without a better loss on those rows


def test_columns_of_a_formula_and_classes(tmp_path):
    path = ways(tmp_path)["text"]
    for formula in ("y ~ a*city + poly(b, 2)", "c ~ scale(a) + city", "log(b) ~ a"):
        one = st.fit(formula, TABLE, validation=OTHER, **SETTINGS)
        assert one.theta.tolist() == st.fit(formula, TABLE, validation=path, **SETTINGS).theta.tolist()
        assert one.validation is not None
        assert one.validation.rows == 50
    coded = st.fit("c ~ a", TABLE, validation=OTHER, **SETTINGS).validation
    assert coded is not None
    assert coded.y.tolist() == (OTHER.c == "low").astype(int).tolist()
    weighed = st.fit(TABLE, target="y", columns="a", weights="w", validation=OTHER, **SETTINGS).validation
    assert weighed is not None
    assert weighed.weights == pytest.approx(OTHER.w.to_numpy())


def test_modules_and_sweeps():
    fit = st.fit(TABLE, **COLUMNS, model="mlp:4", epochs=30, patience=2, validation=OTHER)
    again = st.fit(
        TABLE, **COLUMNS, model="mlp:4", epochs=30, patience=2, validation=(OTHER[["a", "b", "city"]], OTHER.y)
    )
    assert fit.theta.tolist() == again.theta.tolist()
    runs = st.sweep("y ~ a + city", TABLE, validation=OTHER, **(SETTINGS | {"lr": [0.02, 0.05]}))
    assert runs.fit(1).steps == st.fit("y ~ a + city", TABLE, validation=OTHER, **SETTINGS).steps
    assert len(st.sweep(TABLE, **COLUMNS, validation=[0.2, None], **SETTINGS)) == 2


def test_a_file_is_kept_with_the_settings(tmp_path):
    fit = st.fit(TABLE, **COLUMNS, validation=ways(tmp_path)["path"], **SETTINGS)
    fit.save(tmp_path / "run")
    assert st.load(tmp_path / "run").spec.validation == str(tmp_path / "other.csv")


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        (OTHER.drop(columns="y"), st.DataError, "validation: the table lacks the column 'y'"),
        (OTHER.assign(city="Pisa"), st.DataError, "validation: column 'city' has the level 'Pisa' in row 1"),
        (OTHER.assign(a=np.nan), st.DataError, "validation: column 'a' has 50 missing values"),
        (OTHER.assign(y=np.nan), st.DataError, "validation: column 'y' has 50 missing values"),
        ((OTHER[["a", "b", "city"]], OTHER.y[:9]), st.DataError, "validation: its rows are 50, and their targets 9"),
        ("nowhere.csv", st.DataError, "validation: there is no file 'nowhere.csv'"),
        (1.5, st.SpecError, "a fraction between 0 and 1"),
        ((1, 2, 3), st.SpecError, "rows: a file, a table, or"),
    ],
)  # fmt: skip
def test_rows_that_do_not_suit_are_an_error_that_says_so(given, error, said):
    with pytest.raises(error, match=said):
        st.fit(TABLE, **COLUMNS, validation=given, **SETTINGS)


def test_a_class_that_no_row_to_fit_has():
    with pytest.raises(st.DataError, match="validation: its rows have the class 'medium'"):
        st.fit("c ~ a", TABLE, validation=OTHER.assign(c="medium"), **SETTINGS)


@pytest.mark.parametrize("settings", [{"batch_size": 10}, {"model": "mlp:3"}, {"model": "linear", "optimizer": "sgd"}])
def test_the_trace_and_its_picture_have_the_loss_of_the_rows_for_validation(settings):
    generator = np.random.default_rng(4)
    x, new = generator.normal(size=(60, 2)), generator.normal(size=(20, 2))
    y, goal = x[:, 0] + 0.1, new[:, 0] + 0.2
    fit = st.fit(x, y, **{"optimizer": "adam", "lr": 0.1, "epochs": 6} | settings, validation=(new, goal))
    seen = np.flatnonzero(np.isfinite(fit.trace.test_loss))
    assert len(seen) >= 5
    for row in seen:
        wanted = np.mean((fit.predict(new, theta=fit.trace.theta[row]) - goal) ** 2)
        np.testing.assert_allclose(fit.trace.test_loss[row], wanted, rtol=1e-9)
    assert fit.test_loss is None
    assert "validation" in [line.name for line in fit.loss_curve().data]


def test_the_runs_of_a_sweep_keep_it_each_for_itself():
    generator = np.random.default_rng(4)
    x, new = generator.normal(size=(60, 2)), generator.normal(size=(20, 2))
    runs = st.sweep(x, x[:, 0] + 0.1, optimizer="sgd", lr=[0.1, 0.2], epochs=6, validation=(new, new[:, 0]))
    for run in range(2):
        fit = runs.fit(run)
        for row in range(1, 7):
            wanted = np.mean((fit.predict(new, theta=fit.trace.theta[row]) - new[:, 0]) ** 2)
            np.testing.assert_allclose(fit.trace.test_loss[row], wanted, rtol=1e-9)
