"""`steepest eject RUN`: a run as a script, from what the run keeps or from where its rows came from."""

from __future__ import annotations

import json

import numpy as np
import pytest

import steepest as st
from ejecting import printed, ran
from steepest.cli.commands import main


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


QUIET = ("--quiet", "--no-report")


def done(capsys, *words: str) -> tuple[int, str, str]:
    code = main(words)
    out, err = capsys.readouterr()
    return code, out, err


def numbers(path) -> list[float]:
    """What a script prints, but for held-out losses and objectives."""
    found = printed(ran([path])[0])
    return [found.pop("loss"), *(value for name, value in found.items() if name not in ("held-out loss", "objective"))]


def test_a_run_becomes_a_script_on_standard_output(place, capsys):
    assert main(["fit", "sample:line", "--lr", "0.1", "--epochs", "50", "--out", "runs/line", *QUIET]) == 0
    code, out, err = done(capsys, "eject", "runs/line")
    assert (code, err) == (0, "")
    (place / "line.py").write_text(out, encoding="utf-8")
    fit = st.load("runs/line")
    assert numbers(place / "line.py") == pytest.approx([fit.loss, *fit.theta], rel=1e-10)
    assert "np.random.default_rng(0)" in out  # by its recipe, since the run knows its source


@pytest.mark.parametrize("style", ["loop", "torch.optim", "module", "scikit-learn"])
def test_a_run_becomes_a_file_in_any_style(place, capsys, style):
    words = ["fit", "sample:iris", "--penalty", "l2:0.01", "--test-fraction", "0.25", "--out", "runs/iris", *QUIET]
    assert main(words) == 0
    code, out, err = done(capsys, "eject", "runs/iris", "-o", "scripts/iris.py", "--style", style)
    assert (code, out, err) == (0, "scripts/iris.py\n", "")
    fit, found = st.load("runs/iris"), printed(ran([place / "scripts/iris.py"])[0])
    assert found["loss"] == pytest.approx(fit.loss, rel=1e-8)
    assert found["held-out loss"] == pytest.approx(fit.test_loss, rel=1e-8)
    assert [found[name] for name in fit.names] == pytest.approx(fit.theta.tolist(), rel=1e-6, abs=1e-9)


def test_a_notebook(place, capsys):
    assert main(["fit", "sample:line", "--lr", "0.1", "--epochs", "50", "--out", "run", *QUIET]) == 0
    code, out, _ = done(capsys, "eject", "run", "--notebook")
    assert code == 0
    assert json.loads(out)["nbformat"] == 4
    assert main(["eject", "run", "--notebook", "-o", "line.ipynb"]) == 0
    assert numbers(place / "line.ipynb")[0] == pytest.approx(st.load("run").loss, rel=1e-10)


def large(path) -> None:
    random = np.random.default_rng(0)
    rows = random.normal(size=(2_500, 2)).round(6)
    target = (rows @ [1.0, -2.0] + random.normal(size=2_500)).round(6)
    lines = [f"{a},{b},{c}" for (a, b), c in zip(rows.tolist(), target.tolist(), strict=True)]
    path.write_text("a,b,y\n" + "\n".join(lines) + "\n", encoding="utf-8")


def test_rows_that_a_run_does_not_keep_are_read_again(place, capsys):
    large(place / "rows.csv")
    assert main(["fit", "rows.csv", "--target", "y", "--lr", "0.1", "--epochs", "9", "--out", "run", *QUIET]) == 0
    assert main(["eject", "run", "-o", "fit.py"]) == 0
    fit = st.load("run")
    assert numbers(place / "fit.py") == pytest.approx([fit.loss, *fit.theta], rel=1e-10)
    assert "np.loadtxt" in (place / "fit.py").read_text(encoding="utf-8")
    assert not (place / "fit.npz").exists()


def test_rows_held_out_of_a_file_stand_beside_the_script(place, capsys):
    large(place / "rows.csv")
    words = ["--target", "y", "--lr", "0.1", "--epochs", "9", "--validation", "0.1", "--batch-size", "500"]
    assert main(["fit", "rows.csv", *words, "--missing", "mean", "--out", "run", *QUIET]) == 0
    (place / "rows.csv").write_text((place / "rows.csv").read_text().replace(",", ";"), encoding="utf-8")
    assert main(["eject", "run", "-o", "fit.py"]) == 0  # the same numbers, written in another way
    fit = st.load("run")
    assert numbers(place / "fit.py") == pytest.approx([fit.loss, *fit.theta], rel=1e-10)


def test_a_file_that_changed_or_went_is_one_line(place, capsys):
    large(place / "rows.csv")
    assert main(["fit", "rows.csv", "--target", "y", "--lr", "0.1", "--epochs", "9", "--out", "run", *QUIET]) == 0
    text = (place / "rows.csv").read_text(encoding="utf-8")
    (place / "rows.csv").write_text(text + "1,2,3\n", encoding="utf-8")
    assert done(capsys, "eject", "run") == (
        1, "", "error: 'rows.csv' no longer holds the rows of this fit. Fit again, or put the old file back.\n",
    )  # fmt: skip
    (place / "rows.csv").unlink()
    code, out, err = done(capsys, "eject", "run")
    assert (code, out) == (1, "")
    assert err.startswith(
        "error: The rows of this fit came from 'rows.csv', and cannot be read again: there is no file"
    )
    assert err.count("\n") == 1


def test_a_small_run_needs_its_file_no_more(place, capsys):
    (place / "rows.csv").write_text("a,y\n1,2\n2,2.5\n3,5\n4,5.5\n", encoding="utf-8")
    assert main(["fit", "rows.csv", "--target", "y", "--lr", "0.05", "--epochs", "9", "--out", "run", *QUIET]) == 0
    (place / "rows.csv").unlink()
    assert main(["eject", "run", "-o", "fit.py"]) == 0
    fit = st.load("run")
    assert numbers(place / "fit.py") == pytest.approx([fit.loss, *fit.theta], rel=1e-10)
    fit.save("again")
    assert st.load("again").source == "rows.csv"


def test_rows_from_memory_that_a_run_does_not_keep_are_gone(place, capsys):
    random = np.random.default_rng(0)
    st.fit(random.normal(size=2_100), random.normal(size=2_100), lr=0.1, epochs=3).save("run")
    code, _, err = done(capsys, "eject", "run")
    assert code == 1
    assert err.startswith("error: The run keeps 2,000 of its 2,100 rows, and the others came from memory.")


def test_an_older_run_without_a_source_is_still_read(place):
    st.fit([0.0, 1.0, 2.0], [1.0, 3.0, 5.5], lr=0.1, epochs=9).save("run")
    rest = json.loads((place / "run/fit.json").read_text(encoding="utf-8"))
    del rest["source"], rest["rows_sha256"]
    (place / "run/fit.json").write_text(json.dumps(rest), encoding="utf-8")
    assert st.load("run").source is None
    assert "print(name, value)" in st.load("run").to_python()


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (
            ["run", "--style", "jax"],
            2,
            "style='jax' is not known. Known: loop, torch.optim, module, closed, scikit-learn.",
        ),
        (["nowhere"], 1, "There is no run at 'nowhere'."),
        (["run", "-o", "run/fit.json/x.py"], 1, "cannot be written"),
        (["run", "--colour", "red"], 2, "--colour"),
    ],
)
def test_what_is_wrong_is_said_in_a_line_or_two(place, capsys, words, code, message):
    st.fit([0.0, 1.0, 2.0], [1.0, 3.0, 5.5], lr=0.1, epochs=9).save("run")
    found, out, err = done(capsys, "eject", *words)
    assert (found, out) == (code, "")
    assert message in err
    assert err.count("\n") <= 2
