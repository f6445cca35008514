"""The command sweeps as `st.sweep` does, prints the best runs, and keeps all of them."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

import steepest as st
from steepest import atomic_folder, sweeping
from steepest.checkpoints.folder import reserved
from steepest.cli.commands import main

QUICK = ["--optimizer", "sgd", "--precondition", "standardize", "--epochs", "20"]


@pytest.fixture
def table(tmp_path: Path) -> str:
    random = np.random.default_rng(0)
    x = random.normal(size=(80, 2))
    y = 3.0 - 2.0 * x[:, 0] + 0.5 * x[:, 1] + random.normal(size=80)
    with open(tmp_path / "houses.csv", "w", newline="") as file:
        csv.writer(file).writerows([["age", "area", "price"], *np.column_stack([x, y]).tolist()])
    return str(tmp_path / "houses.csv")


def _run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = main(["sweep", *words])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_the_command_sweeps_as_python_does(capsys, table, tmp_path):
    words = [table, "--target", "price", *QUICK, "--lr", "1e-3:0.1:log:3", "--penalty", "none,l2:0.1", "--seed", "0:1"]
    code, out, err = _run(capsys, *words, "--batch-size", "16", "--table", str(tmp_path / "runs.csv"), "--json")
    assert (code, err) == (0, "")
    runs = st.sweep(
        table, target="price", optimizer="sgd", precondition="standardize", epochs=20, batch_size=16,
        lr=[1e-3, 1e-2, 1e-1], penalty=["none", "l2:0.1"], seed=[0, 1],
    )  # fmt: skip
    found = json.loads(out)
    assert [row["objective"] for row in found["runs"]] == pytest.approx(runs.columns["objective"], rel=1e-12)
    assert found["best"] == runs.ranked()[0]
    with open(tmp_path / "runs.csv") as file:
        rows = list(csv.DictReader(file))
    assert [row["penalty"] for row in rows] == runs.settings["penalty"]
    assert [float(row["lr"]) for row in rows] == pytest.approx(runs.settings["lr"], rel=1e-12)


def test_the_best_runs_are_printed_and_all_are_kept(capsys, table, tmp_path):
    rates = ["--lr", "1e-4:0.5:log:15"]
    folder, parquet = str(tmp_path / "sweep"), str(tmp_path / "deep" / "runs.parquet")
    words = [table, "--target", "price", *QUICK, *rates, "--test-fraction", "0.25", "--out", folder, "--table", parquet]
    code, out, err = _run(capsys, *words)
    assert (code, err) == (0, "")
    runs = st.load(folder)
    lines = [line.split() for line in out.splitlines()]
    shown = [int(line[0]) for line in lines if line and line[0].isdigit() and len(line) == 7]
    assert shown == runs.ranked()[:10]
    assert f"{runs.best.objective_value:.8g}" in out
    assert str(runs.working_lr()).split(";")[0] in out
    assert out.endswith(f"The sweep is in {folder}\n")
    assert runs.table().equals(pq.read_table(parquet))
    assert len(runs) == 15


def test_a_sample_has_a_target_of_its_own(capsys):
    code, out, _ = _run(capsys, "sample:diabetes", *QUICK, "--lr", "0.01,0.1")
    assert code == 0
    assert "2 runs (all stopped at the epoch limit); sorted by objective, lowest first." in out
    assert "Rates from" in out


def test_failed_runs_are_told_and_the_others_shown(capsys, table):
    words = [table, "--target", "price", *QUICK, "--lr", "0.01", "--loss", "auto,mse", "--model", "linear,logistic"]
    code, out, _ = _run(capsys, *words)
    assert code == 0
    assert "2 stopped at the epoch limit, 2 failed" in out
    assert "A run failed: " in out
    assert "cannot be compared" in out  # auto and mse have two names


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--lr", "1:2"], 2, "--lr 1:2: a range is written FIRST:LAST:log:COUNT"),
        (["--lr", "0.1,-1"], 2, "--lr -1.0: it must be a number greater than 0"),
        (["--optimizer", "sgd,amad"], 2, "--optimizer amad is not known"),
        (["--rate", "1"], 2, "Unknown option: --rate"),
        (["--table", "runs.txt"], 2, "--table runs.txt: the name must end in .csv or .parquet."),
        (["--drop", "weight", "--lr", "0.1,0.2"], 1, "'weight'"),
        (["--lr", "1e9,1e10", "--optimizer", "sgd", "--epochs", "50"], 3, "no run ended well"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(capsys, table, words, code, message):
    found, out, err = _run(capsys, table, "--target", "price", *words)
    assert found == code
    assert err.startswith("error: ")
    assert message in err
    assert len(err.splitlines()) <= 2
    assert "Traceback" not in out + err


@pytest.fixture
def sweep(table, tmp_path) -> str:
    folder = str(tmp_path / "s")
    assert main(["sweep", table, "--target", "price", *QUICK, "--lr", "1e-3,0.1", "--out", folder, "--quiet"]) == 0
    return folder


def test_a_sweep_predicts_by_its_best_run_or_by_the_one_that_is_named(capsys, table, sweep):
    rows = np.loadtxt(table, delimiter=",", skiprows=1)
    for words, run in (([], 1), (["--run", "0"], 0), (["--run", "1"], 1)):
        assert main(["predict", sweep, table, *words]) == 0
        out, err = capsys.readouterr()
        theta = st.load(sweep).fit(run).theta
        np.testing.assert_allclose([float(line) for line in out.split()[1:]], theta[0] + rows[:, :2] @ theta[1:])
        said = "Run 1 is taken, which has the lowest objective of 2; --run N takes another.\n"
        assert err == ("" if words else said)


def test_a_run_of_a_sweep_is_diagnosed_reported_filmed_and_ejected(capsys, sweep, tmp_path):
    assert main(["diagnose", sweep, "--run", "0", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["findings"]
    assert found == json.loads(json.dumps(st.load(sweep).fit(0).diagnose().to_dicts()))
    assert found
    assert main(["eject", sweep, "--run", "0"]) == 0
    assert "lr = 0.001" in capsys.readouterr().out
    assert main(["report", sweep, "--run", "0"]) == 0
    assert capsys.readouterr().out == f"{sweep}/report-0.html\n"
    assert main(["animate", sweep, "--run", "0", "-o", str(tmp_path / "a.gif"), "--frames", "2"]) == 0
    assert (tmp_path / "a.gif").read_bytes().startswith(b"GIF")
    st.load(sweep).save(sweep, overwrite=True)
    assert sorted(path.name for path in Path(sweep).iterdir()) == ["fits.parquet", "sweep.json", "table.parquet"]


def test_a_run_of_a_large_table_is_diagnosed_from_the_file_that_it_came_from(capsys, tmp_path):
    x = np.random.default_rng(1).normal(size=2_500)
    lines = [f"{a},{2 * a + 1}" for a in x.tolist()]
    (tmp_path / "large.csv").write_text("\n".join(["x,y", *lines]) + "\n")
    words = ["--target", "y", "--optimizer", "sgd", "--lr", "1e-5,1e-3", "--epochs", "3", "--quiet"]
    folder = str(tmp_path / "s")
    assert main(["sweep", str(tmp_path / "large.csv"), *words, "--out", folder]) == 0
    assert main(["diagnose", folder, "--run", "1"]) == 0
    assert "lr" in capsys.readouterr().out
    (tmp_path / "large.csv").write_text("\n".join(["x,y", *lines[:-1]]) + "\n")
    assert main(["diagnose", folder, "--run", "1"]) == 1
    assert "no longer holds the rows of this fit" in capsys.readouterr().err


@pytest.mark.parametrize(("words", "message"), [(["--run", "2"], "from 0 to 1"), (["--run", "-1"], "from 0 to 1")])
def test_a_run_that_there_is_none_of_is_told(capsys, table, sweep, words, message):
    assert main(["predict", sweep, table, *words]) == 2
    assert message in capsys.readouterr().err


def test_a_single_run_has_no_number(capsys, table, tmp_path):
    assert main(["fit", table, "--target", "price", "--out", str(tmp_path / "r"), "--quiet", "--no-report"]) == 0
    assert main(["predict", str(tmp_path / "r"), table, "--run", "0"]) == 2
    assert "is for a sweep" in capsys.readouterr().err


def test_ctrl_c_keeps_what_is_done_and_ends_with_130(table, tmp_path):
    folder = tmp_path / "sweep"
    words = ["sweep", table, "--target", "price", "--optimizer", "sgd", "--lr", "1e-9,2e-9", "--max-steps", "100000000"]
    began = tmp_path / "began"
    code = (
        "import sys, pathlib; from steepest import sweeping; from steepest.cli.commands import main; real = sweeping.sweep\n"
        "def sweep(data, *, progress, **settings):\n"
        f"    return real(data, progress=lambda done, runs: pathlib.Path({str(began)!r}).touch(), **settings)\n"
        "sweeping.sweep = sweep; sys.exit(main())"
    )
    arguments = [sys.executable, "-c", code, *words, "--out", str(folder), "--json"]
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not began.exists() and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "error: interrupted: 0 of 2 runs are done" in err
    assert "Traceback" not in err
    runs = st.load(folder)
    assert runs.columns["status"] == ["interrupted"] * 2
    assert runs.columns["steps"][0] > 0
    assert [row["steps"] for row in json.loads(out)["runs"]] == runs.columns["steps"]
    fit = runs.fit(1)
    assert fit.trace.objective[-1] < fit.trace.objective[0]


def test_help_lists_the_settings_of_fit(capsys):
    code, out, _ = _run(capsys, "--help")
    assert code == 0
    for option in ("--lr", "--optimizer", "--class-weight", "--table", "--out", "--json"):
        assert option in out
    assert "1e-4:1:log:50" in out


def test_an_interrupted_sweep_that_is_kept_nowhere_does_not_say_that_it_is_kept(table, capsys, monkeypatch):
    def pressed(*given: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(sweeping.Work, "_group", pressed)
    code, _, err = _run(capsys, table, "--target", "price", *QUICK, "--lr", "0.1,0.2")
    assert (code, err) == (130, "error: interrupted: 0 of 2 runs are done.\n")


def test_a_signal_while_a_sweep_is_written_is_told_and_it_is_kept(table, tmp_path, capsys, monkeypatch):
    real = atomic_folder.write_folder

    def pressed(*given: object) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        real(*given)

    monkeypatch.setattr(atomic_folder, "write_folder", pressed)
    words = [table, "--target", "price", *QUICK, "--lr", "0.1,0.2", "--out", str(tmp_path / "runs"), "--quiet"]
    assert _run(capsys, *words) == (143, "", "error: interrupted\n")
    assert st.load(tmp_path / "runs").columns["status"] == ["epochs"] * 2


def test_a_folder_that_another_process_fits_into_is_refused_before_any_run(table, tmp_path, capsys):
    words = [table, "--target", "price", *QUICK, "--lr", "0.1,0.2", "--out", str(tmp_path / "runs")]
    with reserved(tmp_path / "runs", False, []):
        code, out, err = _run(capsys, *words)
    assert (code, out) == (1, "")
    assert err.startswith("error: Another process is fitting into ")
    assert not (tmp_path / "runs").exists()
