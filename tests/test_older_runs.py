"""Runs that older versions wrote are read as what they were, and saved again; those of a newer one are told from damaged ones."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import steepest as st
from steepest.cli.commands import main
from steepest.errors import RunError

OLDER = Path(__file__).with_name("fixtures") / "0.1.0"

# the rows that the runs were fitted to
COUNT = np.arange(24)
AREA, AGE = COUNT % 7 + 1.0, (COUNT * 5) % 11 + 0.5
CITY = ["Oslo", "Rome", "Turku"] * 8
PRICE = 3.0 - 0.5 * AGE + 2.0 * AREA + np.tile([0.0, 4.0, -1.0], 8) + ((COUNT * 7) % 5 - 2) * 0.1


def _again(fit: st.Fit | st.Sweep, folder: Path) -> st.Fit | st.Sweep:
    fit.save(folder)
    return st.load(folder)


def test_a_table_with_a_category(tmp_path):
    fit = st.load(OLDER / "houses")
    found = [3.0, 2.0, -0.5, 4.0, -1.0]  # what the prices were made from, but for the noise
    np.testing.assert_allclose(fit.theta, found, atol=0.12)
    for back in (fit, _again(fit, tmp_path / "run")):
        new = {"area": [2.0, 3.0], "age": [1.0, 4.0], "city": ["Rome", "Turku"]}
        expected = fit.theta @ np.array([[1, 2, 1, 1, 0], [1, 3, 4, 0, 1]]).T
        np.testing.assert_allclose(back.predict(new), expected, rtol=1e-14)
        assert (back.rows, back.test_rows, back.steps) == (18, 6, 40)
        np.testing.assert_allclose(back.exact.theta, fit.theta, rtol=1e-12)
        np.testing.assert_equal(back.to_dict(), fit.to_dict())
        assert back.trace.names == tuple(fit.names)


def test_classes(tmp_path):
    fit = st.load(OLDER / "labels")
    rows = {"area": AREA, "age": AGE}
    odds = np.column_stack([np.ones(24), AREA, AGE]) @ fit.theta
    for back in (fit, _again(fit, tmp_path / "run")):
        np.testing.assert_allclose(back.predict_proba(rows)[:, 1], 1 / (1 + np.exp(-odds)), rtol=1e-12)
        assert set(back.predict(rows)) == {"cheap", "dear"}
        assert back.diagnose().to_dicts() == fit.diagnose().to_dicts()


def test_a_network(tmp_path):
    fit = st.load(OLDER / "network")
    w1, b1, w2, b2 = np.split(fit.theta, [6, 9, 12])
    for back in (fit, _again(fit, tmp_path / "run")):
        mean, scale, shift, gain = (getattr(back.module, name).numpy() for name in ("mean", "scale", "shift", "gain"))
        np.testing.assert_allclose(mean, [AREA.mean(), AGE.mean()])
        hidden = np.maximum((np.column_stack([AREA, AGE]) - mean) / scale @ w1.reshape(3, 2).T + b1, 0.0)
        expected = (hidden @ w2 + b2) * gain + shift
        np.testing.assert_allclose(back.predict({"area": AREA, "age": AGE}), expected, rtol=1e-12)


def test_a_sweep(tmp_path):
    runs = st.load(OLDER / "rates")
    back = _again(runs, tmp_path / "sweep")
    assert back.settings == {"lr": [0.01, 0.01, 0.1, 0.1], "seed": [0, 1, 0, 1]}
    assert back.table().equals(runs.table())
    for run in range(4):
        fit = back.fit(run)
        residual = PRICE - fit.theta[0] - fit.theta[1] * AREA
        np.testing.assert_allclose(np.mean(residual**2), back.columns["loss"][run], rtol=1e-9)
        np.testing.assert_allclose(fit.predict({"area": AREA}), PRICE - residual, rtol=1e-12)


@pytest.mark.parametrize("name", ["houses", "labels", "network", "rates"])
def test_an_older_run_is_replaced_with_its_page(tmp_path, name):
    run = tmp_path / "run"
    shutil.copytree(OLDER / name, run)
    (run / "report.html").write_text("<p>Made with steepest 0.1.0. DATA, table, x and y stand for your data.</p>")
    st.load(OLDER / "labels").save(run, overwrite=True)
    assert not (run / "report.html").exists()
    assert st.load(run).names == ["intercept", "area", "age"]


def test_the_command_predicts_from_an_older_run(tmp_path):
    (tmp_path / "new.csv").write_text("area,age,city\n2,1,Rome\n")
    assert main(["predict", str(OLDER / "houses"), str(tmp_path / "new.csv"), "-o", str(tmp_path / "out.csv")]) == 0
    expected = st.load(OLDER / "houses").theta @ [1, 2, 1, 1, 0]
    assert float((tmp_path / "out.csv").read_text().split()[1]) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("name", ["houses", "rates"])
def test_a_newer_format_is_told_and_what_it_added_in_this_one_is_passed_over(tmp_path, name):
    run = tmp_path / "run"
    shutil.copytree(OLDER / name, run)
    (path,) = (path for path in run.iterdir() if path.name in ("fit.json", "sweep.json"))
    known = json.loads(path.read_text())
    path.write_text(json.dumps(known | {"added": {"later": 1}}))
    assert st.load(run)
    path.write_text(json.dumps(known | {"format": 3}))
    with pytest.raises(RunError, match=r"has format 3; this version reads 2\. Use a newer steepest"):
        st.load(run)


def test_the_names_of_chosen_parameters_are_kept(tmp_path):
    fit = st.fit(np.column_stack([AREA, AGE]), PRICE, record=["x2"], optimizer="sgd", epochs=5)
    assert _again(fit, tmp_path / "run").trace.names == ("x2",)
