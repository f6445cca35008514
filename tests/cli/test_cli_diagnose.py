"""`steepest diagnose` of a run and of data, what `steepest fit` shows of it, and how it refuses what is neither."""

from __future__ import annotations

import io
import json
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import steepest as st
from steepest.analysis import diagnosis
from steepest.analysis.finding import Finding, Kind
from steepest.cli.commands import app, main
from steepest.settings import Spec

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(60, 2)) * [1.0, 100.0]
Y = 3.0 + X @ [1.0, 0.02] + RANDOM.normal(size=60)
LATE = Finding(Kind.TOO_FEW_STEPS, "5 steps are too few.", "The gap halves in 70.", {"epochs": 2000}, "Then 1e-9.", 0.9)
BENT = Finding(
    Kind.CURVATURE, "The residuals bend.", "F = 40.", {"model": "poly:2"}, "It straightens.", 0.2, of_model=True
)


@pytest.fixture(autouse=True)
def two_signs(monkeypatch):
    """A fit that took only five steps is found to be late, and every fit to be bent."""
    ask(monkeypatch, lambda fit: iter([LATE] if fit.steps == 5 else []), lambda fit: iter([BENT]))


def ask(monkeypatch, *checks):
    """Let the diagnosis of a fit ask these checks alone."""
    monkeypatch.setattr(diagnosis, "checks_of", lambda when: checks if when == "fit" else ())


@pytest.fixture
def table(tmp_path: Path) -> str:
    path = tmp_path / "houses.csv"
    rows = [f"{a!r},{b!r},{y!r}" for a, b, y in zip(*X.T.tolist(), Y.tolist(), strict=True)]
    path.write_text("\n".join(["age,area,price", *rows]) + "\n")
    return str(path)


def _run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = main(words)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


SHORT = ["--target", "price", "--optimizer", "sgd", "--lr", "1e-5", "--epochs", "5"]


# ---- under a fit -----------------------------------------------------------------------------------


def test_an_open_fit_shows_what_and_the_option_that_mends_it(capsys, table):
    code, out, err = _run(capsys, "fit", table, *SHORT)
    assert (code, err) == (0, "")
    assert "1. 5 steps are too few. (ST003, 90 % of the gap)\n   Try --epochs 2000. Then 1e-9.\n" in out
    assert "2. The residuals bend. (ST024, 20 % of the loss)\n   Try --model poly:2. It straightens.\n" in out
    assert "Give more epochs" not in out


def test_a_closed_fit_shows_one_thing_about_the_model(capsys, table, tmp_path):
    code, out, _ = _run(capsys, "fit", table, "--target", "price")
    assert code == 0
    assert "1. The residuals bend. (ST024, 20 % of the loss)\n   Try --model poly:2. It straightens.\n" in out
    assert "\n2. " not in out


def test_a_healthy_fit_shows_nothing(capsys, table, monkeypatch):
    ask(monkeypatch)
    code, out, _ = _run(capsys, "fit", table, "--target", "price")
    assert code == 0
    assert "1. " not in out
    assert "Try" not in out


def test_json_has_the_findings(capsys, table, tmp_path):
    run = tmp_path / "run"
    _, out, _ = _run(capsys, "fit", table, *SHORT, "--json", "--no-report", "--out", str(run))
    assert json.loads(out)["findings"] == [LATE.to_dict(), BENT.to_dict()]
    assert json.loads((run / "summary.json").read_text())["findings"] == [LATE.to_dict(), BENT.to_dict()]


def test_a_divergence_is_told_once(capsys, table):
    words = ["fit", table, "--target", "price", "--optimizer", "sgd", "--lr", "1", "--epochs", "100"]
    code, out, err = _run(capsys, *words)
    assert code == 3
    assert out.count("the loss grew without bound") == 1
    assert err == "error: the descent diverged\n"
    code, out, err = _run(capsys, *words, "--quiet")
    assert (code, out) == (3, "")
    assert err.count("--lr") == 1


# ---- a run -----------------------------------------------------------------------------------------


@pytest.fixture
def run(table, tmp_path) -> str:
    folder = str(tmp_path / "runs" / "short")
    assert main(["fit", table, *SHORT, "--out", folder, "--quiet", "--no-report"]) == 0
    return folder


def test_a_run_keeps_its_findings(capsys, run, monkeypatch):
    ask(monkeypatch)  # nobody looks again
    assert st.load(run).diagnose().found == (LATE, BENT)
    code, out, err = _run(capsys, "diagnose", run)
    assert (code, err) == (0, "")
    assert out.split() == str(st.load(run).diagnose()).split()
    assert "Remedy:    epochs=2000\n" in out
    code, out, _ = _run(capsys, "diagnose", run, "--json")
    assert (code, json.loads(out)) == (0, st.load(run).diagnose().to_dict())
    assert json.loads(out)["findings"] == [LATE.to_dict(), BENT.to_dict()]


def test_muted_findings_are_not_shown_and_a_run_keeps_them(capsys, run):
    code, out, err = _run(capsys, "diagnose", run, "--mute", "ST003")
    assert (code, err) == (0, "")
    assert out.startswith("1. Curvature in the residuals (ST024)")
    assert "\n\nFound and not shown: ST003.\n" in out
    code, out, _ = _run(capsys, "diagnose", run, "--mute", "ST024,ST003", "--json")
    assert (code, json.loads(out)["findings"], json.loads(out)["muted"]) == (0, [], ["ST003", "ST024"])
    assert st.load(run).diagnose(mute="ST003").found == (BENT,)
    assert st.load(run).diagnose().found == (LATE, BENT)


def test_an_unknown_code_is_one_line_that_names_the_nearest(capsys, run, table):
    for words in ([run], [table, "--target", "price"]):
        code, out, err = _run(capsys, "diagnose", *words, "--mute", "ST0003")
        assert (code, out) == (2, "")
        assert err == "error: --mute ST0003: no finding has this code. The nearest is ST003 (too few steps).\n"
    assert "The nearest is ST027 (overfitting)." in _run(capsys, "diagnose", run, "--mute", "overfiting")[2]


def without_findings(run: str) -> None:
    """Make a run as it was kept before there were findings."""
    path = Path(run) / "fit.json"
    rest = json.loads(path.read_text())
    del rest["findings"]
    rest["judged"], rest["ending"] = rest["judged"][:2], rest["ending"][:2]
    path.write_text(json.dumps(rest))


def test_an_older_run_is_diagnosed_from_its_rows(capsys, run, monkeypatch):
    without_findings(run)
    seen = []
    ask(monkeypatch, lambda fit: seen.append(fit) or iter([LATE]))
    code, out, _ = _run(capsys, "diagnose", run)
    assert (code, out.partition("\n")[0]) == (0, "1. Too few steps (ST003): explains 90 % of the gap")
    np.testing.assert_array_equal(seen[0].train.x, X)
    np.testing.assert_array_equal(seen[0].train.y, Y)
    assert seen[0].relative_gap == st.load(run).relative_gap
    assert seen[0].problem.design.shape == (60, 3)


def test_an_older_run_without_all_its_rows_says_so(capsys, run, monkeypatch):
    from steepest.storage import run_files

    monkeypatch.setattr(run_files, "MOST_ROWS", 10)
    assert main(["fit", "sample:diabetes", *SHORT[2:], "--out", run, "--overwrite", "--quiet", "--no-report"]) == 0
    without_findings(run)
    path = Path(run) / "fit.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"source": None}))  # its rows came from memory
    code, out, err = _run(capsys, "diagnose", run)
    assert (code, out) == (1, "")
    assert "kept without its findings" in err
    assert "Fit again" in err
    assert st.load(run).to_dict()["findings"] is None
    assert "Give more epochs" not in str(st.load(run)).replace(st.load(run).message, "")


def test_a_run_of_a_module_needs_no_module_for_its_findings(capsys, tmp_path, monkeypatch):
    (tmp_path / "mine_of_test_diagnose.py").write_text(
        "import torch\n\ndef net(inputs, outputs):\n    return torch.nn.Linear(inputs, outputs)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    run = str(tmp_path / "run")
    net = ["--model", "mine_of_test_diagnose:net"]
    assert main(["fit", "sample:lesson_a", *net, "--epochs", "5", "--out", run, "--quiet", "--no-report"]) == 0
    code, out, _ = _run(capsys, "diagnose", run)
    assert (code, out.partition(":")[0]) == (0, "1. Too few steps (ST003)")
    without_findings(run)
    code, _, err = _run(capsys, "diagnose", run)
    assert code == 1
    assert "--model package.module:factory" in err
    code, out, _ = _run(capsys, "diagnose", run, *net)
    assert (code, out.partition(":")[0]) == (0, "1. Too few steps (ST003)")


# ---- data ------------------------------------------------------------------------------------------


def test_data_are_told_from_a_run(capsys, table):
    code, out, err = _run(capsys, "diagnose", table, "--target", "price")
    assert (code, err) == (0, "")
    assert "steps to 1e-6" in out
    assert f"steepest fit {table} --target price --optimizer sgd --lr" in out
    assert out.endswith(f"steepest fit {table} --target price\n")


def test_the_commands_shown_do_what_they_promise(capsys, table):
    _, out, _ = _run(capsys, "diagnose", table, "--target", "price", "--json")
    ahead = json.loads(out)
    assert len(ahead["recommended"]) >= 2
    for one in [*ahead["recommended"], ahead["defaults"]]:
        words = shlex.split(one["command"])
        assert words[0] == "steepest"
        code, out, _ = _run(capsys, *words[1:], "--json")
        assert code == 0
        assert json.loads(out)["relative_gap"] <= 1e-6
        exec(f"import steepest as st\nfit = {one['python']}", scope := {})
        assert scope["fit"].relative_gap == json.loads(out)["relative_gap"]


def test_standard_input_is_data(capsys, monkeypatch, table):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(Path(table).read_bytes())))
    code, out, _ = _run(capsys, "diagnose", "-", "--target", "price")
    assert code == 0
    assert out.endswith("steepest fit - --target price\n")


def test_every_setting_of_a_fit_is_an_option():
    known = {name for argument in app["diagnose"].assemble_argument_collection() for name in argument.names}
    assert {f"--{name.replace('_', '-')}" for name in Spec.model_fields} <= known


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["TABLE"], 2, "Which column is to be predicted? Name it: --target NAME"),
        (["TABLE", "--target", "prize"], 1, "there is no column 'prize'"),
        (["TABLE", "--target", "price", "--lr", "-1"], 2, "--lr -1.0: it must be a number greater than 0"),
        (["TABLE", "--target", "price", "--optimizer", "amad"], 2, "--optimizer amad is not known"),
        (["RUN", "--lr", "3"], 2, "is a run, which has its settings already. Leave out --lr."),
        (["empty"], 2, "holds no run: it has no fit.json. If it holds tables, name the column to predict: --target"),
        (["empty", "--target", "y"], 1, "holds no tables"),
        (["sweep", "--run", "2"], 2, "the runs of 'sweep' are numbered from 0 to 1"),
        (["nowhere", "--target", "y"], 1, "there is no file 'nowhere'"),
        (["junk.parquet", "--target", "y"], 1, "is not a Parquet file"),
        (["/", "--target", "y"], 1, "holds no tables"),
        (["sample:nope"], 2, "There is no sample 'nope'"),
        ([], 2, "RUN|DATA"),
    ],
)
def test_what_is_neither_run_nor_data_is_said(capsys, tmp_path, monkeypatch, table, run, words, code, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "junk.parquet").write_bytes(b"\x16\xbf junk")
    st.sweep(X, Y, optimizer="sgd", lr=[1e-5, 1e-6], epochs=3).save("sweep")
    words = [{"TABLE": table, "RUN": run}.get(word, word) for word in words]
    found, out, err = _run(capsys, "diagnose", *words)
    assert (found, out) == (code, "")
    assert err.startswith("error: ")
    assert message in err
    assert len(err.splitlines()) <= 2


@pytest.mark.parametrize("times", [1, pytest.param(20, marks=pytest.mark.soak)])
def test_a_command_that_ends_at_once_ends_well(run, times):
    # a run's Parquet files used to be read by threads that were still starting when the process ended
    code = f"from steepest.cli.commands import main; import sys; sys.exit(main(['diagnose', {run!r}]))"
    for _ in range(times):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
