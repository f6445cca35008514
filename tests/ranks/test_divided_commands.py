"""Commands that ranks divide write what one process writes."""

from __future__ import annotations

import json
import os

import numpy as np
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest
from test_ranks import write

import steepest as st

from stopping_at import assert_same_trace

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked here")


SIZES = [(0, 2), pytest.param((0, 1, 2, 4, 8), marks=pytest.mark.soak)]


@pytest.mark.parametrize("sizes", SIZES, ids=["daily", "all"])
def test_predictions_of_ranks_are_the_file_of_one_process(sizes, tmp_path, forked):
    write(tmp_path / "rows", gaps=True)
    write(tmp_path / "bad", gaps=True)
    table = pq.read_table(tmp_path / "bad/1.parquet")
    pq.write_table(table.drop_columns("b"), tmp_path / "bad/1.parquet", row_group_size=37)
    (tmp_path / "bad/2.parquet").unlink()
    fit = [
        "fit",
        "../rows",
        "--target",
        "y",
        "--drop",
        "z,w,day",
        "--missing",
        "mean",
        "--out",
        "run",
        "--stream",
        "--no-report",
        "--quiet",
    ]
    predict = ["predict", "run", "../rows", "--keep", "city,w"]
    commands = [fit, [*predict, "-o", "rows.csv"], [*predict, "-o", "rows.parquet", "--interval", "0.9"], predict]
    commands.append(["predict", "run", "../bad", "-o", "bad.csv"])
    forked("commanded.py", str(tmp_path), ",".join(map(str, sizes)), given=json.dumps(commands))
    alone = tmp_path / str(sizes[0])
    whole = pq.read_table(alone / "rows.parquet")
    assert whole.num_rows == 1_200
    assert np.isfinite(np.asarray(whole["low"])).all()
    for size in sizes[1:]:
        place = tmp_path / str(size)
        for name in ("rows.csv", "rows.parquet", *(f"said-{n}-0.txt" for n in range(4)), "code-4-0.txt"):
            assert (place / name).read_bytes() == (alone / name).read_bytes(), (name, size)
        assert (place / "printed-3-0.txt").read_bytes() == (alone / "printed-3-0.txt").read_bytes()
        assert not (place / "bad.csv").exists()
        for rank in range(1, size):
            assert all(
                not (place / f"{what}-{n}-{rank}.txt").read_text() for what in ("printed", "said") for n in range(4)
            )
        assert (place / "said-4-0.txt").read_text() == (alone / "said-4-0.txt").read_text()
    assert "lacks the column 'b'" in (alone / "said-4-0.txt").read_text()


@pytest.mark.parametrize("runs", [("steps",), pytest.param(("passes", "memory"), marks=pytest.mark.soak)])
def test_runs_that_two_ranks_have_made_are_replayed_by_one_process(runs, tmp_path, forked):
    write(tmp_path / "rows")
    pacsv.write_csv(pq.read_table(tmp_path / "rows").slice(0, 300), tmp_path / "rows.csv")
    fit, kept = ["fit", "../rows", "--target", "y", "--columns", "a,b"], ["--no-report", "--quiet", "--out"]
    steps = ["--optimizer", "adam", "--lr", "0.01", "--batch-size", "50", "--epochs", "2"]
    commands = {"passes": [*fit, *kept], "steps": [*fit, *steps, *kept]}
    commands["memory"] = ["fit", "../rows.csv", *fit[2:], *steps, *kept]
    forked("commanded.py", str(tmp_path), "2", given=json.dumps([[*commands[run], run] for run in runs]))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path / "2")
        for run in runs:
            found = st.replay(run)
            assert found.same, (run, str(found))
            assert found.steps == len(st.load(run).trace) > 1


@pytest.mark.parametrize("sizes", SIZES, ids=["daily", "all"])
def test_a_sweep_of_ranks_is_that_of_one_process(sizes, tmp_path, forked):
    write(tmp_path / "rows")
    sweep = ["sweep", "../rows", "--target", "y", "--columns", "a,b", "--test-fraction", "0.2", "--table", "runs.csv"]
    plain = [
        *sweep,
        "--optimizer",
        "auto,sgd,adam",
        "--lr",
        "auto,0.01",
        "--epochs",
        "5",
        "--out",
        "runs",
    ]
    wrong = ["sweep", "../rows", "--target", "y", "--columns", "a,nothing", "--lr", "0.1,0.2", "--optimizer", "sgd"]
    forked("commanded.py", str(tmp_path), ",".join(map(str, sizes)), given=json.dumps([plain, wrong]))
    alone = tmp_path / str(sizes[0])
    for size in sizes[1:]:
        place = tmp_path / str(size)
        for name in ("runs.csv", "printed-0-0.txt", "said-0-0.txt", "code-0-0.txt", "code-1-0.txt"):
            assert (place / name).read_bytes() == (alone / name).read_bytes(), (name, size)
        one, other = st.load(alone / "runs"), st.load(place / "runs")
        assert len(one) == len(other) == 6
        for run, status in enumerate(one.columns["status"]):
            if status != "failed":
                mine, theirs = one.fit(run), other.fit(run)
                assert mine.theta.tobytes() == theirs.theta.tobytes()
                assert_same_trace(mine.trace, theirs.trace)
        said = [(place / f"said-1-{rank}.txt").read_text() for rank in range(size)]
        assert "".join(said) == (alone / "said-1-0.txt").read_text()
    assert "no column 'nothing'" in (alone / "said-1-0.txt").read_text()


@pytest.mark.parametrize("sizes", SIZES, ids=["daily", "all"])
def test_a_cross_validation_of_ranks_is_that_of_one_process(sizes, tmp_path, forked):
    write(tmp_path / "rows")
    pacsv.write_csv(pq.read_table(tmp_path / "rows").slice(0, 300), tmp_path / "rows.csv")
    fit = ["fit", "../rows.csv", "--target", "y", "--columns", "a,b,city", "--json"]
    steps = [*fit, "--folds", "3", "--optimizer", "sgd", "--epochs", "20"]
    module = [*fit, "--folds", "3", "--model", "mlp:3", "--epochs", "5", "--batch-size", "50"]
    commands = [[*fit, "--folds", "5"], steps, module, [*fit, "--folds", "400"]]
    commands = commands if len(sizes) > 2 else commands[:1]
    forked("commanded.py", str(tmp_path), ",".join(map(str, sizes)), given=json.dumps(commands))
    alone = tmp_path / str(sizes[0])
    for size in sizes[1:]:
        for number in range(min(3, len(commands))):
            one, other = (
                json.loads((tmp_path / str(n) / f"printed-{number}-0.txt").read_text()) for n in (sizes[0], size)
            )
            assert one["cross_validation"] == other["cross_validation"]
            assert number or one["cross_validation"]["scores"]["r2"]["mean"] > 0.3
        assert (
            len(sizes) == 2
            or (tmp_path / str(size) / "said-3-0.txt").read_bytes() == (alone / "said-3-0.txt").read_bytes() != b""
        )
