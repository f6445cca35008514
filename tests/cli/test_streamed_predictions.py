"""Predictions for files that memory does not hold are those of the table read whole, in its order, a piece after another."""

from __future__ import annotations

import os
import signal

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest

import steepest as st
from steepest.cli.commands import main
from steepest.data import csv_blocks, row_groups, streams

ROWS = 1_000


def table(seed: int) -> pa.Table:
    random = np.random.default_rng(seed)
    a, city = random.normal(size=ROWS), random.choice(["Lima", "Oslo", "Rome"], ROWS)
    y = 2.0 * a + (city == "Rome") + 0.1 * random.normal(size=ROWS)
    gone = random.random(ROWS) < 0.05
    return pa.table(
        {
            "code": [f"{row:05}" for row in range(ROWS)],
            "a": pa.array(a, mask=gone),
            "city": city,
            "hours": random.integers(1, 9, ROWS),
            "y": y,
            "late": np.where(y > 0.0, "yes", "no"),
            "calls": random.poisson(np.exp(0.3 * a)),
        }
    )


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A fit of numbers, one of classes, and one of counts with an exposure."""
    place, rows = tmp_path_factory.mktemp("runs"), table(0)
    asked = {"columns": ["a", "city"], "missing": "mean"}
    st.fit(rows, target="y", **asked).save(place / "numbers")
    st.fit(rows, target="late", **asked, penalty="l2:0.01").save(place / "classes")
    st.fit(rows, target="calls", **asked, loss="poisson", exposure="hours").save(place / "counts")
    return place


@pytest.fixture
def small(monkeypatch, tmp_path):
    """Memory that holds next to nothing, and small pieces."""
    monkeypatch.setattr(streams, "free_memory", lambda: 1_000.0)
    monkeypatch.setattr(row_groups, "PIECE", 3_000)
    monkeypatch.setattr(csv_blocks, "BLOCK", 5_000)
    monkeypatch.setenv("STEEPEST_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def new(tmp_path):
    """New rows in two files of Parquet and in one of CSV."""
    rows = table(1)
    (tmp_path / "parts").mkdir()
    pq.write_table(rows.slice(0, 600), tmp_path / "parts" / "1.parquet", row_group_size=250)
    pq.write_table(rows.slice(600), tmp_path / "parts" / "2.parquet", row_group_size=250)
    pacsv.write_csv(rows, tmp_path / "rows.csv")
    return {"parquet": tmp_path / "parts", "csv": tmp_path / "rows.csv"}


@pytest.mark.parametrize("run", ["numbers", "classes", "counts"])
@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_predictions_of_large_files_are_those_of_the_table_in_memory(runs, new, run, kind, small, monkeypatch):
    done = st.load(runs / run)
    monkeypatch.setattr(streams, "SHARE", np.inf)
    whole = done.predict(new[kind])
    ends = done.predict(new[kind], interval=0.9)
    monkeypatch.setattr(streams, "SHARE", 1 / 3)
    np.testing.assert_array_equal(done.predict(new[kind]), whole)
    np.testing.assert_allclose(done.predict(new[kind], interval=0.9), ends, rtol=1e-12)
    if run == "classes":
        np.testing.assert_array_equal(done.predict_proba(new[kind]), done.predict_proba(table(1)))


@pytest.mark.parametrize("kind", ["parquet", "csv"])
@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_the_command_writes_a_piece_after_another_what_it_writes_at_once(
    runs, new, kind, suffix, small, monkeypatch, tmp_path, capsys
):
    words = ["predict", str(runs / "classes"), str(new[kind]), "--keep", "code,a", "--interval", "0.9", "-o"]
    monkeypatch.setattr(streams, "SHARE", np.inf)
    assert main([*words, str(tmp_path / f"whole{suffix}")]) == 0
    said = capsys.readouterr().err
    monkeypatch.setattr(streams, "SHARE", 1 / 3)
    assert main([*words, str(tmp_path / f"pieces{suffix}")]) == 0
    assert capsys.readouterr().err.replace("pieces.", "whole.") == said
    assert "Filled" in said
    if suffix == ".csv":
        assert (tmp_path / "pieces.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()
    else:
        whole, pieces = (pq.read_table(tmp_path / f"{name}.parquet") for name in ("whole", "pieces"))
        assert pieces.schema == whole.schema
        assert pieces.equals(whole)


def test_a_level_that_is_new_is_named_with_its_row_and_nothing_is_written(runs, new, small, tmp_path, capsys):
    rows = table(1).to_pydict()
    rows["city"][900] = "Bonn"
    pq.write_table(pa.table(rows), new["parquet"] / "3.parquet", row_group_size=250)
    assert main(["predict", str(runs / "numbers"), str(new["parquet"]), "-o", str(tmp_path / "out.csv")]) == 1
    assert "'Bonn' in row 901 of" in capsys.readouterr().err
    assert not (tmp_path / "out.csv").exists()
    pq.write_table(pa.table(rows).drop_columns(["city"]), new["parquet"] / "alone.parquet")
    with pytest.raises(st.DataError, match="lacks the column 'city'"):
        st.load(runs / "numbers").predict(new["parquet"] / "alone.parquet")


def test_how_many_predictions_were_printed_is_said_where_they_are_interrupted(runs, small, new, capfd, monkeypatch):
    from steepest.cli import prediction_table

    real, made = prediction_table._piece, []

    def piece(*given: object) -> pa.Table:
        made.append(given)
        if len(made) == 3:
            os.kill(os.getpid(), signal.SIGTERM)
        return real(*given)

    monkeypatch.setattr(prediction_table, "_piece", piece)
    words = ["predict", str(runs / "numbers"), str(new["parquet"])]
    assert main(words) == 143
    printed, said = capfd.readouterr()
    header, *rows = printed.splitlines()
    assert header == "prediction"
    assert said == f"error: interrupted: {len(rows):,} rows were printed\n"
    assert 0 < len(rows) < ROWS
    made[:] = [()] * 2
    assert main(words) == 143
    assert capfd.readouterr() == ("", "error: interrupted before there was anything to keep\n")
