"""The trace holds N + 1 rows of N updates, thins them evenly within its room, and goes to Arrow and back."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
import torch

import steepest as st
from steepest.data import table_files
from steepest.data.batching import Batch, Batching
from steepest.descent import trace as module
from steepest.descent.loop import Step, descend
from steepest.descent.trace import Recorder, Trace
from steepest.model.objective_factory import objective


def _fitted(updates: int, rows: int = 10_000) -> Trace:
    ours = objective("linear", "mse", np.linspace(-1, 1, 20), np.linspace(-3, 2, 20), penalty="l2:0.1")
    recorder = Recorder(2, ours.theta, rows)
    for step in descend(ours, "sgd", epochs=updates, lr=0.1, schedule="inverse"):
        recorder.add(step, step.loss + ours.penalty(step.theta), last=step.batch is None)
    return recorder.trace(ours.names)


def _step(t: int, epoch: int = 0, minibatch: bool = False) -> Step:
    number = torch.tensor(float(t), dtype=torch.float64)
    batch = Batch(epoch, 0, torch.tensor([0])) if minibatch else Batch(epoch, 0)
    return Step(t, epoch, 0.1, number.repeat(2), number, number.repeat(1), batch)


def test_n_updates_give_n_plus_one_rows_of_the_numbers_seen():
    trace = _fitted(30)
    assert len(trace) == 31
    assert trace.step.tolist() == trace.epoch.tolist() == list(range(31))
    assert trace.lr.tolist() == pytest.approx([0.1 / (t + 1) for t in range(30)] + [0.1 / 30], rel=1e-15)
    ours = objective("linear", "mse", np.linspace(-1, 1, 20), np.linspace(-3, 2, 20), penalty="l2:0.1")
    for row, step in enumerate(descend(ours, "sgd", epochs=30, lr=0.1, schedule="inverse")):
        assert trace.theta[row].tolist() == step.theta.tolist()
        assert trace.loss[row] == step.loss.item()
        assert trace.objective[row] == pytest.approx(step.loss.item() + 0.1 * step.theta[1].item() ** 2, rel=1e-14)
        assert trace.grad_norm[row] == pytest.approx(float(np.linalg.norm(step.grad.numpy())), rel=1e-14)
    assert np.isnan(trace.test_loss).all()


@pytest.mark.parametrize("rows", [2, 3, 4, 5, 16, 100])
@pytest.mark.parametrize("updates", [0, 1, 2, 3, 15, 16, 99, 1000])
def test_thinning_is_even_within_the_room_and_keeps_both_ends(rows, updates):
    recorder = Recorder(2, torch.zeros(2, dtype=torch.float64), rows)
    for t in range(updates + 1):
        recorder.add(_step(t), last=t == updates)
        assert len(recorder) <= rows
    trace = recorder.trace(("a", "b"))
    assert trace.step[0] == 0
    assert trace.step[-1] == updates
    assert len(trace) >= min(updates + 1, rows // 2)
    gaps = np.diff(trace.step)
    assert len(set(gaps[:-1].tolist())) <= 1  # the last row is there out of turn
    assert (gaps[-1:] <= gaps[:-1].max(initial=updates)).all()
    # each row still holds its own numbers
    assert trace.loss.tolist() == trace.theta[:, 0].tolist() == trace.theta[:, 1].tolist() == trace.step.tolist()


def test_rows_with_the_full_objective_stay_while_there_is_room():
    recorder = Recorder(2, torch.zeros(2, dtype=torch.float64), 64)
    for t in range(1000):
        due = t % 50 == 0
        recorder.add(_step(t, t // 50, minibatch=True), objective=torch.tensor(0.5 * t) if due else None)
    trace = recorder.trace(("a", "b"))
    known = ~np.isnan(trace.objective)
    assert trace.step[known].tolist() == list(range(0, 1000, 50))
    assert trace.objective[known].tolist() == [0.5 * t for t in range(0, 1000, 50)]
    assert len(trace) <= 64


def test_too_many_of_them_are_thinned_evenly_too():
    recorder = Recorder(2, torch.zeros(2, dtype=torch.float64), 64)
    for t in range(5001):
        recorder.add(_step(t, t // 5, minibatch=True), objective=1.0 if t % 5 == 0 else None, last=t == 5000)
        assert len(recorder) <= 64
    steps = recorder.trace(("a", "b")).step
    assert steps[0] == 0
    assert steps[-1] == 5000
    # no part of the descent is favoured: each tenth of it holds its share
    shares = np.histogram(steps, bins=10, range=(0, 5000))[0]
    assert shares.min() >= 2
    assert shares.max() <= 10


def test_batches_from_outside_are_marked_as_well():
    recorder = Recorder(1, torch.zeros(1, dtype=torch.float64), 8)
    pair = (torch.zeros(1), torch.zeros(1))
    for t in range(100):
        step = _step(t)
        step.theta = step.theta[:1]
        step.batch = Batch(0, t, data=pair)
        recorder.add(step, objective=2.0 if t == 3 else None)
    trace = recorder.trace(("a",))
    assert trace.step[~np.isnan(trace.objective)].tolist() == [3]


def test_minibatches_end_with_the_loss_of_all_rows():
    ours = objective("linear", "mse", np.arange(10.0), np.arange(10.0))
    recorder = Recorder(2, ours.theta)
    for step in descend(ours, "sgd", Batching(10, 3, epochs=2), lr=0.001):
        recorder.add(step, last=step.batch is None)
    trace = recorder.trace(ours.names)
    assert trace.epoch.tolist() == [0] * 4 + [1] * 4 + [2]
    assert trace.loss[-1] == pytest.approx(ours.value(ours.theta).item(), rel=1e-15)


def test_arrow_and_pandas_hold_the_same_table():
    trace = _fitted(10)
    table = trace.to_arrow()
    assert table.column_names == [*Trace.COLUMNS, "theta.intercept", "theta.x"]
    back = Trace.from_arrow(table)
    assert back.names == trace.names == ("intercept", "x")
    for column in (*Trace.COLUMNS, "theta"):
        np.testing.assert_array_equal(getattr(back, column), getattr(trace, column))
        assert getattr(back, column).dtype == getattr(trace, column).dtype
    frame = trace.to_pandas()
    assert frame.shape == (11, 9)
    np.testing.assert_array_equal(frame["theta.x"], trace.theta[:, 1])


def test_theta_is_turned_into_user_units():
    ours = objective("linear", "mse", np.arange(10.0), np.arange(10.0))
    recorder = Recorder(2, ours.theta)
    for step in islice(descend(ours, "sgd", lr=0.001), 5):
        recorder.add(step)
    plain, turned = recorder.trace(ours.names), recorder.trace(ours.names, lambda theta: 2 * theta + 1)
    np.testing.assert_array_equal(turned.theta, 2 * plain.theta + 1)


def test_memory_stays_within_the_budget(monkeypatch):
    monkeypatch.setattr(module, "BUDGET", 64 * 1024)
    wide = Recorder(100, torch.zeros(100, dtype=torch.float64))  # 800 bytes a row
    assert wide.capacity == 64 * 1024 // 800
    large = Recorder(1000, torch.zeros(1000, dtype=torch.float64))  # fewer than 64 rows would fit: no θ at all
    assert large.capacity > 1000
    theta = torch.ones(1000, dtype=torch.float64)
    for t in range(200):
        large.add(Step(t, t, 0.1, theta, theta[0], theta, Batch(t, 0)))
    trace = large.trace([f"w[{i}]" for i in range(1000)])
    assert len(trace) == 200
    assert trace.theta.shape == (200, 0)
    assert trace.names == ()
    assert trace.grad_norm[0] == pytest.approx(np.sqrt(1000))
    back = Trace.from_arrow(trace.to_arrow())
    assert back.theta.shape == (200, 0)
    assert back.names == ()


def test_a_float32_descent_is_recorded_as_float64():
    ours = objective(lambda theta: (theta**2).sum(), torch.ones(2))
    recorder = Recorder(2, ours.theta)
    for step in islice(descend(ours, lr=0.1), 3):
        recorder.add(step)
    trace = recorder.trace(ours.names)
    assert trace.theta.dtype == trace.loss.dtype == np.float64
    assert trace.loss.tolist() == pytest.approx([2.0, 1.28, 0.8192], rel=1e-6)


def test_a_trace_in_files_is_what_pandas_and_polars_read(tmp_path):
    import pandas
    import polars

    loader = st.fit(np.arange(8.0), np.arange(8.0) ** 2, optimizer="sgd", lr=0.01, epochs=4, batch_size=3)
    trace = replace(loader.trace, names=('a "quoted", name', "b"))
    read = pandas.read_csv(trace.to_csv(tmp_path / "deep" / "trace.csv"))
    kept = polars.read_parquet(trace.to_parquet(str(tmp_path / "trace.parquet")))
    assert list(read.columns) == kept.columns == [*trace.COLUMNS, 'theta.a "quoted", name', "theta.b"]
    for name in trace.COLUMNS:
        np.testing.assert_array_equal(read[name], getattr(trace, name))
        np.testing.assert_array_equal(kept[name], getattr(trace, name))
    np.testing.assert_array_equal(read.iloc[:, 7:], trace.theta)
    assert np.isnan(read["test_loss"]).all()
    assert read["objective"].isna().sum() == len(trace) - 5  # four epochs and the end


def test_a_trace_that_cannot_be_written_leaves_the_file_that_is_there(tmp_path, monkeypatch):
    trace = st.fit([0.0, 1.0, 2.0], [1.0, 3.0, 5.5]).trace
    with pytest.raises(st.RunError, match="is a folder"):
        trace.to_csv(tmp_path)
    place = tmp_path / "trace.csv"
    before = trace.to_csv(place).read_bytes()
    monkeypatch.setattr(table_files, "write", _fails)
    with pytest.raises(st.RunError, match="cannot be written: No space left"):
        trace.to_csv(place)
    assert place.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["trace.csv"]


def _fails(table, file, suffix) -> None:
    file.write(b"half")
    raise OSError(28, "No space left on device")
