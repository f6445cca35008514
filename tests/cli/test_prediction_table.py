"""`steepest predict`: ids beside predictions, a logarithm beside its column, and what was filled in is said."""

from __future__ import annotations

import csv
import io
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import steepest as st
from steepest.cli.commands import main

X = np.arange(1.0, 13.0)
NOISE = np.array([0.1, -0.2, 0.3, 0.0, -0.1, 0.2, 0.1, -0.3, 0.2, -0.1, 0.0, 0.1])
Y = 2.0 + 0.3 * X + NOISE
SLOPE, INTERCEPT = np.polyfit(X, Y, 1)
NEW = 'id,name,x,note\n007,"Ng, A.",1.5,NA\n010,None,2,\n011,é,2.5,x\n'


@pytest.fixture
def run(tmp_path: Path) -> str:
    st.fit({"x": X, "y": Y}, target="y").save(tmp_path / "run")
    return str(tmp_path / "run")


@pytest.fixture
def new(tmp_path: Path) -> str:
    (tmp_path / "new.csv").write_text(NEW, encoding="utf-8")
    return str(tmp_path / "new.csv")


def _cells(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text)))


def test_kept_columns_stand_beside_the_predictions_as_they_are_in_the_file(run, new, tmp_path):
    out = tmp_path / "out.csv"
    assert main(["predict", run, new, "--keep", "id,name,note,x", "-o", str(out)]) == 0
    header, *rows = _cells(out.read_text(encoding="utf-8"))
    assert header == ["id", "name", "note", "x", "prediction"]
    kept = [["007", "Ng, A.", "NA", "1.5"], ["010", "None", "", "2"], ["011", "é", "x", "2.5"]]
    assert [row[:4] for row in rows] == kept
    np.testing.assert_allclose([float(row[4]) for row in rows], INTERCEPT + SLOPE * np.array([1.5, 2, 2.5]), rtol=1e-12)


def test_standard_input_is_kept_too(run, capsysbinary, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(NEW.encode())))
    assert main(["predict", run, "-", "--keep", "id"]) == 0
    header, *rows = _cells(capsysbinary.readouterr().out.decode())
    assert header == ["id", "prediction"]
    assert [row[0] for row in rows] == ["007", "010", "011"]


def test_kept_columns_of_parquet_keep_their_types(run, tmp_path):
    table = pa.table({"id": pa.array([2**60 + 1, 2]), "day": pa.array([0, 1], pa.date32()), "x": [1.0, 2.0]})
    pq.write_table(table, tmp_path / "new.parquet")
    out = tmp_path / "out.parquet"
    assert main(["predict", run, str(tmp_path / "new.parquet"), "--keep", "id", "--keep", "day", "-o", str(out)]) == 0
    found = pq.read_table(out)
    assert found.select(["id", "day"]).equals(table.select(["id", "day"]))
    np.testing.assert_allclose(found["prediction"], INTERCEPT + SLOPE * np.array([1.0, 2.0]), rtol=1e-12)


@pytest.mark.parametrize(
    ("header", "keep", "words"),
    [
        ("id,name,x,note", "nmae", "did you mean 'name'?"),
        ("id,prediction,x,note", "prediction", "cannot be kept: the predictions are called so"),
    ],
)
def test_what_cannot_be_kept_is_explained(run, tmp_path, capsys, header, keep, words):
    (tmp_path / "new.csv").write_text(NEW.replace("id,name,x,note", header), encoding="utf-8")
    assert main(["predict", run, str(tmp_path / "new.csv"), "--keep", keep]) == 1
    captured = capsys.readouterr()
    assert words in captured.err
    assert captured.out == ""


def test_a_logarithm_is_given_with_its_column(tmp_path, capsys):
    st.fit({"x": X, "price": np.exp(Y)}, target="log(price)").save(tmp_path / "run")
    st.fit({"x": X, "log(price)": Y}, target="log(price)").save(tmp_path / "column")
    (tmp_path / "new.csv").write_text("x\n1.5\n4\n", encoding="utf-8")
    out = tmp_path / "out.csv"
    assert main(["predict", str(tmp_path / "run"), str(tmp_path / "new.csv"), "-o", str(out)]) == 0
    header, *rows = _cells(out.read_text(encoding="utf-8"))
    assert header == ["prediction: log(price)", "prediction: price"]
    log = INTERCEPT + SLOPE * np.array([1.5, 4.0])
    np.testing.assert_allclose(np.array(rows, float), np.column_stack([log, np.exp(log)]), rtol=1e-12)
    # a column that is itself called so is no logarithm that was taken here
    assert main(["predict", str(tmp_path / "column"), str(tmp_path / "new.csv"), "-o", str(out)]) == 0
    assert _cells(out.read_text(encoding="utf-8"))[0] == ["prediction"]


def test_what_was_filled_in_is_said(tmp_path, capsys):
    kind = np.array(["a", "b", "b"] * 4)
    missing = np.where(X == 3, np.nan, X)
    st.fit({"x": missing, "kind": kind, "y": Y}, target="y", missing="mean").save(tmp_path / "run")
    (tmp_path / "new.csv").write_text("x,kind\n,a\n2,\n,b\n", encoding="utf-8")
    out = tmp_path / "out.csv"
    assert main(["predict", str(tmp_path / "run"), str(tmp_path / "new.csv"), "-o", str(out)]) == 0
    err = capsys.readouterr().err
    mean = (78 - 3) / 11
    assert f"Filled 2 missing values of column 'x' with {mean:.5g}, the mean of the training rows." in err
    assert "Filled 1 missing value of column 'kind' with 'b', the most frequent level of the training rows." in err
    design = np.column_stack([np.ones(12), np.where(X == 3, mean, X), kind == "b"])
    theta = np.linalg.lstsq(design, Y, rcond=None)[0]
    right = np.array([[1, mean, 0], [1, 2, 1], [1, mean, 1]]) @ theta
    found = [float(row[0]) for row in _cells(out.read_text(encoding="utf-8"))[1:]]
    np.testing.assert_allclose(found, right, rtol=1e-10)


def test_a_terminal_gets_fewer_digits(run, new, capsysbinary, monkeypatch):
    assert main(["predict", run, new]) == 0
    whole = [float(line) for line in capsysbinary.readouterr().out.split()[1:]]
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert main(["predict", run, new]) == 0
    assert capsysbinary.readouterr().out.decode().split()[1:] == [f"{value:.6g}" for value in whole]


def test_predictions_of_a_run_that_diverged_are_warned_of(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("s.csv").write_text("x,y\n" + "".join(f"{at},{at * 2}\n" for at in range(9)))
    words = [
        "fit",
        "s.csv",
        "--target",
        "y",
        "--optimizer",
        "sgd",
        "--lr",
        "1e9",
        "--epochs",
        "50",
        "--out",
        "run",
        "--quiet",
        "--no-report",
    ]
    assert main(words) == 3
    capsys.readouterr()
    assert main(["predict", "run", "s.csv"]) == 0
    assert "warning: the fit in run diverged" in capsys.readouterr().err
