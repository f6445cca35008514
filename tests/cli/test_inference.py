"""`steepest fit` shows standard errors and takes how they are made; `steepest predict` writes intervals."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

import steepest as st
from steepest.cli.commands import main

GENERATOR = np.random.default_rng(6)
TABLE = pd.DataFrame({
    "area": GENERATOR.uniform(30, 200, 80), "city": np.array(["Oslo", "Rome"])[GENERATOR.integers(0, 2, 80)],
    "shop": GENERATOR.integers(0, 9, 80),
})  # fmt: skip
TABLE["price"] = 1000 * TABLE["area"] + 5e4 * (TABLE["city"] == "Rome") + GENERATOR.normal(0, 2e4, 80)
DESIGN = np.column_stack([np.ones(80), TABLE["area"], TABLE["city"] == "Rome"]).astype(float)
PLAIN = sm.OLS(TABLE["price"].to_numpy(), DESIGN)


@pytest.fixture
def file(tmp_path):
    TABLE.to_csv(tmp_path / "houses.csv", index=False)
    return str(tmp_path / "houses.csv")


def test_the_table_of_a_fit(file, capsys):
    options = ["--target", "price", "--drop", "shop", "--cov", "cluster:shop", "--level", "0.9"]
    assert main(["fit", file, *options]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["parameter", "value", "std", "error", "t", "p", "90%", "low", "high"]
    wanted = PLAIN.fit(cov_type="cluster", cov_kwds={"groups": TABLE["shop"].to_numpy()}, use_t=True)
    name, value, error, statistic, p, low, high = lines[4].split()
    assert name == "city=Rome"
    numbers = [float(word.replace(",", "")) for word in (value, error, statistic, p, low, high)]
    ends = wanted.conf_int(alpha=0.1)[2]
    expected = [wanted.params[2], wanted.bse[2], wanted.tvalues[2], wanted.pvalues[2], *ends]
    np.testing.assert_allclose(numbers, expected, rtol=1e-2)
    assert "Standard errors: cluster:shop; p and intervals: Student's t, 8 degrees of freedom." in lines
    assert "Levels are compared with: city 'Oslo'." in lines


def test_json_has_the_numbers(file, capsys):
    assert main(["fit", file, "--target", "price", "--drop", "shop", "--cov", "HC3", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["inference"]
    wanted = PLAIN.fit(cov_type="HC3", use_t=True)
    np.testing.assert_allclose([row["std_error"] for row in found["coefficients"]], wanted.bse, rtol=1e-9)
    assert (found["cov"], found["valid"]) == ("HC3", True)


def test_resamples(file, capsys):
    assert main(["fit", file, "--target", "price", "--columns", "area", "--bootstrap", "50"]) == 0
    assert "Standard errors and BCa intervals: of resamples of the rows." in capsys.readouterr().out


def test_what_is_wrong_is_said_before_the_fit(file, capsys):
    assert main(["fit", file, "--target", "price", "--cov", "HC9"]) != 0
    assert "must be nonrobust, HC0" in capsys.readouterr().err


@pytest.mark.parametrize(("kind", "ends"), [("mean", "mean_ci"), ("observation", "obs_ci")])
def test_predictions_with_intervals(file, tmp_path, capsysbinary, kind, ends):
    run = str(tmp_path / "run")
    assert main(["fit", file, "--target", "price", "--drop", "shop", "--out", run, "--quiet"]) == 0
    assert main(["predict", run, file, "--interval", "0.95", "--kind", kind]) == 0
    header, *rows = csv.reader(io.StringIO(capsysbinary.readouterr().out.decode()))
    assert header == ["prediction", "low", "high"]
    frame = PLAIN.fit().get_prediction(DESIGN).summary_frame(alpha=0.05)
    wanted = frame[["mean", f"{ends}_lower", f"{ends}_upper"]].to_numpy()
    np.testing.assert_allclose(np.array(rows, dtype=float), wanted, rtol=1e-9)


def test_intervals_of_a_logarithm_and_of_classes(file, tmp_path, capsysbinary):
    run = str(tmp_path / "run")
    st.fit(TABLE, target="log(price)", columns=["area", "city"]).save(run)
    assert main(["predict", run, file, "--interval", "0.9"]) == 0
    header, first, *_ = csv.reader(io.StringIO(capsysbinary.readouterr().out.decode()))
    row = dict(zip(header, map(float, first), strict=True))
    assert row["low: price"] == pytest.approx(np.exp(row["low: log(price)"]))
    st.fit(TABLE, target="city", columns=["area"]).save(run, overwrite=True)
    assert main(["predict", run, file, "--interval", "0.9"]) == 0
    header, first, *_ = csv.reader(io.StringIO(capsysbinary.readouterr().out.decode()))
    assert header[1:] == [
        "probability: Oslo", "probability: Rome", "low: Oslo", "high: Oslo", "low: Rome", "high: Rome"
    ]  # fmt: skip
    row = dict(zip(header[1:], map(float, first[1:]), strict=True))
    assert row["low: Rome"] < row["probability: Rome"] < row["high: Rome"]
    assert row["low: Oslo"] == pytest.approx(1 - row["high: Rome"])
    assert main(["predict", run, file, "--interval", "0.9", "--kind", "observation"]) == 2
    assert main(["predict", run, file, "--interval", "95"]) != 0


def test_what_is_wrong_with_errors_and_folds_is_said_below_the_fit(file, capsys):
    for more, told, code in (
        (["--cov", "cluster:town"], "error: --cov cluster:town: there is no column 'town'", 2),
        (["--folds", "5", "--split", "group:town"], "error: there is no column 'town'", 1),
        (["--folds", "5", "--formula", "price ~ bs(area, 4)"], "error: fold 1 has no value for a row", 1),
    ):
        target = [] if "--formula" in more else ["--target", "price", "--columns", "area"]
        assert main(["fit", file, *target, "--quiet", *more]) == (0 if "--cov" in more else code)
        assert main(["fit", file, *target, *more]) == code
        out, err = capsys.readouterr()
        assert "Standard errors: nonrobust" in out
        assert told in err


def test_a_new_file_may_be_written_in_another_way(file, tmp_path, capsysbinary):
    run, other = str(tmp_path / "run"), tmp_path / "other.csv"
    assert main(["fit", file, "--target", "price", "--drop", "shop", "--out", run, "--quiet", "--no-report"]) == 0
    assert main(["predict", run, file]) == 0
    wanted = capsysbinary.readouterr().out
    frame = pd.read_csv(file)
    frame["größe"] = frame["area"]
    other.write_bytes(("a title" + chr(10) + frame.to_csv(index=False, sep=";", decimal=",")).encode("latin-1"))
    assert main(["predict", run, str(other)]) == 1
    assert b"--encoding latin-1" in capsysbinary.readouterr().err
    assert main(["predict", run, str(other), "--encoding", "latin-1", "--skip-rows", "1"]) == 0
    assert capsysbinary.readouterr().out == wanted
    assert main(["predict", run, file, "--decimal", "x"]) == 2
    assert main(["predict", run, file, "--kind", "observation"]) == 2
    assert b"--interval 0.95" in capsysbinary.readouterr().err
