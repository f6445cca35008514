"""The command fits and predicts as NumPy does, ends with the right code, and explains itself."""

from __future__ import annotations

import io
import json
import os
import platform
import re
import signal
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.linear_model import LogisticRegression

import steepest as st
from steepest import fitting, resuming
from steepest.cli.commands import app, main
from steepest.descent.loop import Step
from steepest.settings import Spec
from steepest.storage import run_folder
from steepest.sweeps import own_rows

from nist import NIST

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(80, 2)) * [1.0, 100.0] + [0.0, 500.0]
Y = 3.0 - 2.0 * X[:, 0] + 0.5 * X[:, 1] + RANDOM.normal(size=80)
LABELS = np.where(X[:, 0] + RANDOM.logistic(size=80) > 0, "yes", "no")
OLS = np.linalg.lstsq(np.column_stack([np.ones(80), X]), Y, rcond=None)[0]


@pytest.fixture
def table(tmp_path: Path) -> str:
    path = tmp_path / "houses.csv"
    _write(path, ["age", "area", "price", "sold"], [*zip(*X.T, Y, LABELS, strict=True)])
    return str(path)


def _write(path: Path, header: list[str], rows: list) -> None:
    path.write_text("\n".join(",".join(str(value) for value in row) for row in [header, *rows]) + "\n")


def _run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = main(words)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


# ---- fit -------------------------------------------------------------------------------------------


def test_fit_prints_the_least_squares_answer(capsys, table):
    code, out, err = _run(capsys, "fit", table, "--target", "price", "--drop", "sold", "--json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert list(found["params"]) == ["intercept", "age", "area"]
    np.testing.assert_allclose(list(found["params"].values()), OLS, rtol=1e-11)
    np.testing.assert_allclose(list(found["exact_params"].values()), OLS, rtol=1e-11)
    assert found["rows"] == 80
    assert found["relative_gap"] < 1e-12
    assert found["status"].startswith("converged")


def test_the_json_object_has_the_promised_keys(capsys, table):
    _, out, _ = _run(capsys, "fit", table, "--target", "price", "--drop", "sold", "--json", "--test-fraction", "0.25")
    found = json.loads(out, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))
    promised = "params loss test_loss metrics exact_loss exact_params gap relative_gap status steps epochs seconds rows"
    assert set(promised.split()) <= set(found)
    assert set(found["metrics"]) == {"train", "test"}
    assert (found["rows"], found["test_rows"]) == (60, 20)


def test_nan_is_null(capsys, tmp_path):
    _write(tmp_path / "a.csv", ["x", "y"], [(i**3, 7) for i in range(5)])
    code, out, err = _run(capsys, "fit", str(tmp_path / "a.csv"), "--target", "y", "--json")
    assert code == 0
    assert json.loads(out)["metrics"]["train"]["r2"] is None  # nothing varies, so there is nothing to explain
    assert err == "warning: the target 'y' has the same value in every training row\n"


def test_the_result_shows_each_parameter_beside_its_exact_value(capsys, table, tmp_path):
    run = str(tmp_path / "run")
    words = ["fit", table, "--target", "price", "--drop", "sold", "--test-fraction", "0.25", "--out", run]
    code, out, err = _run(capsys, *words)
    assert (code, err) == (0, "")
    fit = st.load(run)
    for name, value in fit.params.items():
        assert f"{name} " in out
        assert f"{value:,.10g}" in out
    for words in (
        "train (60 rows)",
        "held out (20 rows)",
        "R²",
        "MAE",
        "the exact answer",
        fit.message[1:],
        "Left out: 'sold'",
    ):
        assert words in out
    assert "The exact optimum is" in out or "above the exact optimum" in out
    assert out.endswith(f"The run is in {run}\n")


def test_a_long_list_is_shortened_and_says_so(capsys, tmp_path):
    x = RANDOM.normal(size=(200, 60))
    _write(
        tmp_path / "wide.csv",
        [*(f"c{i}" for i in range(60)), "y"],
        np.column_stack([x, x @ np.arange(60)]).tolist(),
    )
    run = str(tmp_path / "run")
    words = ["--target", "y", "--lr", "0.01", "--epochs", "3", "--out", run, "--no-report"]
    code, out, _ = _run(capsys, "fit", str(tmp_path / "wide.csv"), *words)
    assert code == 0
    theta = st.load(run).theta  # least squares are 0, 1, 2, …
    furthest = max(range(19, 60), key=lambda i: abs(theta[i + 1] - i))
    assert (
        f"Of 61 parameters the first 20 are shown and 'c{furthest}', furthest from its exact value; "
        f"{run}/summary.json has them all."
    ) in out
    rows = [line.split()[0] for line in out.split("parameter")[1].splitlines() if line.strip()]
    assert rows[2:24] == ["intercept", *(f"c{i}" for i in range(19)), "…", f"c{furthest}"]


def test_a_sample_has_a_target_of_its_own(capsys):
    code, out, _ = _run(capsys, "fit", "sample:linnerud", "--json")
    assert code == 0
    assert [name for name in json.loads(out)["params"] if "intercept" in name] == [
        "Weight: intercept", "Waist: intercept", "Pulse: intercept",
    ]  # fmt: skip


def test_standard_input_is_a_table(capsys, monkeypatch, table):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(Path(table).read_bytes())))
    code, out, _ = _run(capsys, "fit", "-", "--target", "price", "--drop", "sold", "--json")
    assert code == 0
    np.testing.assert_allclose(list(json.loads(out)["params"].values()), OLS, rtol=1e-11)


@pytest.mark.parametrize(
    ("words", "left"),
    [
        (["--drop", "sold,age"], ["intercept", "area"]),
        (["--drop", "sold", "--drop", "age"], ["intercept", "area"]),
        (["--columns", "area, age"], ["intercept", "area", "age"]),
        (["--columns", "area", "--no-intercept"], ["area"]),
    ],
)
def test_columns_are_named_by_commas_or_again(capsys, table, words, left):
    code, out, _ = _run(capsys, "fit", table, "--target", "price", "--json", *words)
    assert code == 0
    assert list(json.loads(out)["params"]) == left


@pytest.mark.parametrize("words", [["--drop", "b,c", "--drop", "d"], ["--drop", '"b,c",d']])
def test_a_name_with_a_comma_can_be_said(capsys, tmp_path, words):
    _write(tmp_path / "a.csv", ["x", '"b,c"', "d", "y"], [(i, i**2, i**3, 2 * i) for i in range(9)])
    code, out, _ = _run(capsys, "fit", str(tmp_path / "a.csv"), "--target", "y", "--json", *words)
    assert code == 0
    assert list(json.loads(out)["params"]) == ["intercept", "x"]


def test_every_setting_of_a_fit_is_an_option(monkeypatch, table):
    fit_options = {name for argument in app["fit"].assemble_argument_collection() for name in argument.names}
    assert {f"--{name.replace('_', '-')}" for name in Spec.model_fields} <= fit_options


def test_options_reach_the_fit_as_they_were_meant(monkeypatch, table):
    seen = {}

    def remember(data: str, **settings: object) -> None:
        seen.update(settings)
        raise st.FitError("that is enough")

    monkeypatch.setattr(fitting, "fit", remember)
    words = (
        "--target price --columns age,area --drop sold --model poly:2 --loss huber:2 --penalty l2:1 --optimizer adam "
        "--lr 0.5 --schedule step:10,0.5 --clip 3 --batch-size 16 --shuffle draws --epochs 4 --max-steps 9 --tol 0 "
        "--patience 2 --validation 0.1 --init -1,2.5 --seed 7 --precondition standardize --no-intercept --weights w "
        "--class-weight yes=2,no=0.5 --missing mean --test-fraction 0.2 --record 50 --dtype float32 --device cpu"
    )
    assert main(["fit", table, *words.split()]) == 1
    seen.pop("progress")
    assert seen == {
        "target": ["price"], "columns": ["age", "area"], "drop": ["sold"], "model": "poly:2", "loss": "huber:2",
        "penalty": "l2:1", "optimizer": "adam", "lr": 0.5, "schedule": "step:10,0.5", "clip": 3.0, "batch_size": 16,
        "shuffle": "draws", "epochs": 4, "max_steps": 9, "tol": 0.0, "patience": 2, "validation": 0.1,
        "init": [-1.0, 2.5], "seed": 7, "precondition": "standardize", "intercept": False, "weights": "w",
        "class_weight": {"yes": 2.0, "no": 0.5}, "missing": "mean", "test_fraction": 0.2, "record": 50,
        "dtype": "float32", "device": "cpu",
    }  # fmt: skip


@pytest.mark.parametrize("name", ["Wampler1", "Wampler2", "Wampler3", "Wampler4", "Wampler5"])
def test_wampler_through_the_command_has_eight_and_a_half_digits(capsys, tmp_path, name):
    problem = NIST[name]
    rows = [(*x, y) for x, y in zip(problem.x, problem.y, strict=True)]
    _write(tmp_path / "wampler.csv", [*problem.names, "y"], rows)
    code, out, _ = _run(capsys, "fit", str(tmp_path / "wampler.csv"), "--target", "y", "--model", "poly:5", "--json")
    assert code == 0
    theta = np.array(list(json.loads(out)["params"].values()))
    assert np.all(np.abs(theta - problem.theta) <= 10**-8.5 * np.abs(problem.theta))


# ---- predict ---------------------------------------------------------------------------------------


@pytest.fixture
def run(table, tmp_path) -> str:
    folder = str(tmp_path / "runs" / "line")
    assert main(["fit", table, "--target", "price", "--drop", "sold", "--out", folder, "--quiet", "--no-report"]) == 0
    return folder


NEW = [(1.0, 20.0), (-3.0, 0.0), (0.0, 7.5)]
EXPECTED = np.column_stack([np.ones(3), NEW]) @ OLS


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_predict_writes_a_row_for_each_row(capsys, tmp_path, run, ending):
    _write(tmp_path / "new.csv", ["area", "age"], [(area, age) for age, area in NEW])  # found by name
    target = tmp_path / "made" / f"out.{ending}"
    code, out, err = _run(capsys, "predict", run, str(tmp_path / "new.csv"), "-o", str(target))
    assert (code, out, err) == (0, "", f"3 predictions are in {target}\n")
    if ending == "csv":
        header, *lines = target.read_text().splitlines()
        values = [float(line) for line in lines]
    else:
        [header] = pq.read_table(target).column_names
        values = pq.read_table(target)[header].to_pylist()
    assert header == "prediction"
    np.testing.assert_allclose(values, EXPECTED, rtol=1e-10)
    assert [entry.name for entry in target.parent.iterdir()] == [target.name]


def test_predict_writes_probabilities_for_classes(capsys, table, tmp_path):
    folder, target = str(tmp_path / "run"), tmp_path / "out.csv"
    words = ["fit", table, "--target", "sold", "--columns", "age", "--out", folder, "--quiet", "--no-report"]
    assert main(words) == 0
    assert main(["predict", folder, table, "--out", str(target)]) == 0
    header, *lines = target.read_text().splitlines()
    assert header == "prediction,probability: no,probability: yes"
    reference = LogisticRegression(C=np.inf, tol=1e-12, max_iter=10_000).fit(X[:, :1], LABELS)
    cells = [line.replace('"', "").split(",") for line in lines]
    assert [row[0] for row in cells] == reference.predict(X[:, :1]).tolist()
    np.testing.assert_allclose(
        [[float(value) for value in row[1:]] for row in cells], reference.predict_proba(X[:, :1]), atol=1e-6
    )


def test_predict_names_several_targets(tmp_path, capsysbinary):
    assert main(["fit", "sample:linnerud", "--out", str(tmp_path / "run"), "--quiet", "--no-report"]) == 0
    assert main(["predict", str(tmp_path / "run"), "sample:linnerud", "-o", "-"]) == 0
    header = capsysbinary.readouterr().out.splitlines()[0]
    assert header == b"prediction: Weight,prediction: Waist,prediction: Pulse"


def test_predictions_survive_the_text(tmp_path, capsysbinary, run):
    rows = pa.table({"age": X[:, 0], "area": X[:, 1]})
    pq.write_table(rows, tmp_path / "new.parquet")
    assert main(["predict", run, str(tmp_path / "new.parquet")]) == 0
    lines = capsysbinary.readouterr().out.decode().splitlines()[1:]
    assert [float(line) for line in lines] == st.load(run).predict(rows).tolist()


# ---- how it ends -----------------------------------------------------------------------------------


def test_a_diverged_fit_is_kept_and_ends_with_3(capsys, table, tmp_path):
    folder = str(tmp_path / "run")
    words = ["--target", "price", "--columns", "area", "--optimizer", "sgd", "--lr", "1", "--epochs", "100"]
    code, out, err = _run(capsys, "fit", table, *words, "--json", "--out", folder)
    assert code == 3
    assert json.loads(out)["status"].startswith("diverged")
    assert err.splitlines()[0] == f"The run is in {folder}"
    assert "error: diverged" in err
    assert "--lr" in err  # a rate that holds
    assert st.load(folder).status is st.Status.DIVERGED


def test_a_wrong_command_line_ends_with_2(capsys):
    assert _run(capsys, "fit", "sample:diabetes", "--lr", "fast")[0] == 2
    assert _run(capsys, "fti")[0] == 2
    assert _run(capsys, "fit", "sample:diabetes", "--model", "linaer")[0] == 2


def test_memory_that_runs_out_is_said(capsys, monkeypatch, table):
    def hungry(*given: object, **settings: object) -> None:
        raise MemoryError

    monkeypatch.setattr(fitting, "fit", hungry)
    code, out, err = _run(capsys, "fit", table, "--target", "price")
    assert (code, out) == (1, "")
    assert err.startswith("error: there is not enough memory")


def test_an_interruption_before_the_first_step_is_said(capsys, monkeypatch, table):
    def interrupted(*given: object, **settings: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(fitting, "fit", interrupted)
    code, out, err = _run(capsys, "fit", table, "--target", "price")
    assert (code, out, err) == (130, "", "error: interrupted before there was anything to keep\n")


def test_a_fit_whose_folds_are_interrupted_is_kept_and_printed(capsys, monkeypatch, table, tmp_path):
    def pressed(*given: object, **named: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(own_rows, "run", pressed)
    words = ["fit", table, "--target", "price", "--drop", "sold", "--out", str(tmp_path / "run"), "--no-report"]
    code, out, err = _run(capsys, *words, "--folds", "3", "--json", "--quiet")
    said = "error: interrupted. The fit itself is done; its folds are to be fitted again.\n"
    assert (code, err) == (130, said)
    np.testing.assert_allclose(list(json.loads(out)["params"].values()), OLS, rtol=1e-11)
    assert st.load(tmp_path / "run").status is st.Status.CONVERGED


def test_no_folds_are_fitted_once_the_fit_was_interrupted(capsys, monkeypatch, table):
    def pressed(monitor: object, step: Step, why: object) -> None:
        if step.t == 0:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(resuming, "checkpoint", pressed)
    code, out, err = _run(capsys, "fit", table, "--target", "price", "--drop", "sold", "--folds", "3", "--json")
    assert code == 130
    assert json.loads(out)["steps"] == 1
    assert "cross_validation" not in out
    assert "stopped by Ctrl-C" in err


def test_a_result_is_printed_even_where_it_cannot_be_kept(capsys, monkeypatch, table, tmp_path):
    def full(fit: st.Fit, folder: str, overwrite: bool) -> None:
        raise st.RunError("no space left on device")

    monkeypatch.setattr(run_folder, "save", full)
    words = ["fit", table, "--target", "price", "--drop", "sold", "--json", "--out", str(tmp_path / "run")]
    code, out, err = _run(capsys, *words)
    assert (code, err) == (1, "error: no space left on device\n")
    np.testing.assert_allclose(list(json.loads(out)["params"].values()), OLS, rtol=1e-11)


# ---- as a process ----------------------------------------------------------------------------------

STEEPEST = [sys.executable, "-c", "import sys; from steepest.cli.commands import main; sys.exit(main())"]


def test_ctrl_c_keeps_what_was_done_and_ends_with_130(table, tmp_path):
    folder = tmp_path / "run"
    words = [
        "--target",
        "price",
        "--drop",
        "sold",
        "--optimizer",
        "sgd",
        "--lr",
        "1e-9",
        "--epochs",
        "100000000",
    ]
    began = tmp_path / "began"
    code = (
        "import sys, pathlib; from steepest import fitting\n"
        "from steepest.cli import options; from steepest.cli.commands import main; real = fitting.fit\n"
        "def fit(data, *, progress, **settings):\n"
        f"    return real(data, progress=lambda step, f: step.t >= 50 and pathlib.Path({str(began)!r}).touch(), **settings)\n"
        "fitting.fit = fit; sys.exit(main())"
    )
    arguments = [sys.executable, "-c", code, "fit", table, *words, "--out", str(folder), "--json", "--no-report"]
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not began.exists() and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "error: interrupted" in err
    assert "Traceback" not in err
    fit = st.load(folder)
    assert fit.status is st.Status.INTERRUPTED
    assert fit.steps >= 50
    assert json.loads(out)["steps"] == fit.steps
    assert fit.trace.objective[-1] < fit.trace.objective[0]


def test_help_imports_nothing_heavy():
    heavy = ["torch", "numpy", "scipy", "sklearn", "pandas", "polars", "llvmlite", "pyarrow", "pydantic"]
    code = (
        "import sys; from steepest.cli.commands import main; main(['--help'])\n"
        f"print([name for name in {heavy!r} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "[]\n"
    assert "fit" in done.stdout
    assert "predict" in done.stdout


def test_a_reader_that_goes_away_is_no_error():
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([*STEEPEST, "fit", "--help"], stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("command", ["fit", "sweep", "predict"])
def test_each_command_explains_its_options(capsys, command):
    code, out, _ = _run(capsys, command, "--help")
    assert code == 0
    assert "DATA" in out
    assert "--out" in out


def test_quiet_prints_nothing(capsys, table, tmp_path):
    words = ["fit", table, "--target", "price", "--drop", "sold", "--out", str(tmp_path / "run"), "--quiet"]
    assert _run(capsys, *words) == (0, "", "")
    assert (tmp_path / "run" / "summary.json").exists()


def test_the_versions_that_decide_the_digits_are_printed(capsys):
    numbers = f"Python {platform.python_version()}, torch {version('torch')}, numpy {np.__version__}"
    assert _run(capsys, "--version") == (0, f"steepest {st.__version__} ({numbers})\n", "")


def test_help_puts_the_options_in_groups(capsys):
    _, out, _ = _run(capsys, "fit", "--help")
    heads = re.findall(r"^╭─ (\w+) ─", out, re.MULTILINE)
    assert heads == ["Arguments", "Data", "Model", "Descent", "Stopping", "Output"]
    groups = dict(zip(heads, out.split("╭─ ")[1:], strict=True))
    for group, option in [
        ("Data", "--target"),
        ("Model", "--loss"),
        ("Descent", "--lr"),
        ("Stopping", "--tol"),
        ("Output", "--out"),
    ]:
        assert f"│ {option} " in groups[group]
    shown = {name for name in re.findall(r"^│ --([\w-]+)", out, re.MULTILINE)}
    assert {name.replace("_", "-") for name in Spec.model_fields} <= shown


@pytest.mark.parametrize("command", ["fit", "sweep", "describe", "diagnose", "predict", "report", "animate", "eject"])
def test_each_command_shows_an_example_of_its_own(capsys, command):
    _, out, _ = _run(capsys, command, "--help")
    assert re.search(rf"Examples?: steepest {command} ", out)


def test_the_shell_learns_the_options(tmp_path):
    done = subprocess.run(
        [*STEEPEST, "--install-completion"],
        env=os.environ | {"HOME": str(tmp_path), "SHELL": "/bin/bash", "XDG_DATA_HOME": str(tmp_path / "share")},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    written = "".join(path.read_text() for path in tmp_path.rglob("*") if path.is_file())
    assert "--precondition" in written


def test_the_package_runs_as_a_module():
    done = subprocess.run([sys.executable, "-m", "steepest", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"steepest {st.__version__} ")


def test_the_target_may_be_a_logarithm(capsys, tmp_path):
    _write(tmp_path / "prices.csv", ["area", "price"], [(float(a), float(np.exp(a / 7))) for a in range(1, 6)])
    code, out, err = _run(capsys, "fit", str(tmp_path / "prices.csv"), "--target", "log(price)", "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)["params"] == pytest.approx({"intercept": 0.0, "area": 1 / 7}, abs=1e-12)
    _write(tmp_path / "sold.csv", ["area", "price"], [(1.0, 2.0), (2.0, -3.0), (4.0, 4.0)])
    code, _, err = _run(capsys, "fit", str(tmp_path / "sold.csv"), "--target", "log(price)")
    assert (code, err.count("\n")) == (1, 1)
    assert "the target 'price' is -3 in row 2 of " in err


def test_the_film_stands_in_the_folder_of_its_run(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    st.fit(X, Y, optimizer="sgd", lr=1e-6, epochs=3).save("run")
    assert _run(capsys, "animate", "run", "--frames", "2") == (0, "run/fit.gif\n", "")
    assert (tmp_path / "run" / "fit.gif").read_bytes().startswith(b"GIF8")
    assert not (tmp_path / "fit.gif").exists()
    # another run in its place has not this film
    st.fit(X, Y).save("run", overwrite=True)
    assert not (tmp_path / "run" / "fit.gif").exists()
