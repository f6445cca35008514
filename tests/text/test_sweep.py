"""Sweeps as tables: no line is longer than the terminal and no number or word is broken."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import steepest as st
from steepest.sweep_result import RunTable
from steepest.text.sweep import best_runs
from steepest.text.terminal import table

SWEEP = st.sweep(
    "sample:diabetes",
    lr=[0.001, 0.01, 0.1],
    optimizer=["sgd", "momentum:0.9", "adamw:0.9,0.999,0.01"],
    batch_size=[32, "full"],
    precondition="standardize",
    test_fraction=0.2,
    epochs=2,
)


@pytest.mark.parametrize("width", [60, 80, 100, 140])
def test_a_sweep_keeps_its_lines_whole(width):
    found, left_out = best_runs(SWEEP, SWEEP.ranked()[:10], width)
    lines = table(found, width).splitlines()
    assert len(lines) == 2 + 10  # a head, a rule, and a line a run
    assert max(map(len, lines)) <= width
    for row, line in zip(found.rows, lines[2:], strict=True):
        assert line.split() == " ".join(row).split()
    assert {"run", "lr", "optimizer", "batch_size", "objective", "status"} <= set(found.heads)
    assert not set(left_out) & set(found.heads)
    assert {"steps", "relative gap", "held out"} == set(left_out) | (
        {"steps", "relative gap", "held out"} & set(found.heads)
    )


def test_a_wide_terminal_shows_every_column():
    assert best_runs(SWEEP, SWEEP.ranked()[:10], 140)[1] == []


def test_a_narrow_terminal_is_told_what_it_lacks(monkeypatch):
    monkeypatch.setenv("COLUMNS", "62")
    text = str(SWEEP)
    assert "Not shown for want of room: steps" in text
    assert max(map(len, text.splitlines()[:-1])) <= 62


def test_the_table_of_runs_prints_as_a_table(monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    text = repr(SWEEP.table())
    head, _, *rows, last = text.splitlines()
    assert head.split()[:3] == ["optimizer", "lr", "batch_size"]
    assert len(rows) == len(SWEEP) == 18
    assert last.startswith("18 runs × ")
    assert max(map(len, [head, *rows])) <= 100
    assert "<td>adamw:0.9,0.999,0.01</td>" in SWEEP.table()._repr_html_()


def test_the_table_of_runs_is_arrows_and_pandas(tmp_path):
    table = SWEEP.table()
    assert isinstance(table, RunTable)
    arrow = table.to_arrow()
    assert isinstance(arrow, pa.Table)
    assert pa.table(table).equals(arrow)
    assert table["lr"].to_pylist()[:3] == arrow["lr"].to_pylist()[:3]
    assert (len(table), table.column_names) == (18, arrow.column_names)
    frame = table.to_pandas()
    pd.testing.assert_frame_equal(frame, arrow.to_pandas())
    pq.write_table(arrow, tmp_path / "runs.parquet")
    assert table.equals(pq.read_table(tmp_path / "runs.parquet"))
    assert table == SWEEP.table()


def test_working_rates_are_a_sentence():
    rates = st.sweep([1.0, 2.0, 3.0], [1.0, 2.0, 2.5], lr=[0.01, 0.05, 0.1], optimizer="sgd").working_lr()
    assert repr(rates) == str(rates)
    assert repr(rates).startswith("Rates from ")
