"""Sweeps on disk: every run comes back as the fit that it was, and only what differs between runs is kept of each."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

import steepest as st
from steepest.errors import RunError
from steepest.run_record import figures
from steepest.storage import run_files, run_folder

random = np.random.default_rng(3)
X = random.normal(size=(60, 2)) * [1, 4]
Y = X @ [1.5, -0.5] + 2 + 0.3 * random.normal(size=60)
LABELS = np.where(Y > 2, "high", "low")

SWEPT = {
    "rules, schedules and tolerances": {
        "optimizer": ["sgd", "adam", "momentum:0.8"],
        "schedule": ["constant", "inverse"],
        "tol": [None, 1e-3],
        "lr": [0.01, 0.05],
        "epochs": 40,
    },
    "starts and seeds": {"lr": [0.01, 1e5], "init": [[0, 0, 0], [1, 2, 3]], "seed": [1, 2], "batch_size": 7, "epochs": 4},
    "coordinates": {"lr": [0.1, 0.2, 0.5], "precondition": ["standardize", "orthonormal"], "epochs": 20, "test_fraction": 0.25},
    "penalties and models": {"penalty": ["none", "l2:0.1"], "model": ["linear", "poly:2"], "lr": [1e-3, 2e-3], "epochs": 9},
    "one by one": {"optimizer": ["auto", "sgd"], "lr": "auto", "epochs": 5},
    "networks": {"model": "mlp:3", "lr": [0.01, 0.02], "seed": [4, 5], "epochs": 6, "batch_size": 10},
}  # fmt: skip


def same(ours: st.Fit, theirs: st.Fit) -> None:
    np.testing.assert_equal(figures(ours), figures(theirs))
    assert (ours.message, ours.ending, ours.names) == (theirs.message, theirs.ending, theirs.names)
    for name in (*st.Trace.COLUMNS, "theta"):
        np.testing.assert_array_equal(getattr(ours.trace, name), getattr(theirs.trace, name))
    np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))
    for name in ("lr", "optimizer", "schedule", "epochs", "tol", "seed", "penalty", "precondition"):
        assert getattr(ours.spec, name) == getattr(theirs.spec, name)


@pytest.mark.parametrize("kept", ["all rows", "some rows"])
@pytest.mark.parametrize("name", SWEPT)
def test_every_run_is_the_fit_that_it_was(tmp_path, monkeypatch, name, kept):
    if kept == "some rows":
        monkeypatch.setattr(run_files, "MOST_ROWS", 10)
    runs = st.sweep(X, Y, **SWEPT[name])
    runs.save(tmp_path / "sweep")
    back = st.load(tmp_path / "sweep")
    assert back.table().equals(runs.table())
    for run in range(len(runs)):
        same(back.fit(run), runs.fit(run))
    np.testing.assert_array_equal(np.asarray(back.best.spec.init == runs.best.spec.init), True)
    assert str(back) == str(runs)
    back.save(tmp_path / "again")
    again = st.load(tmp_path / "again")
    same(again.fit(len(runs) - 1), runs.fit(len(runs) - 1))


def test_classes_come_back_with_their_scores(tmp_path):
    runs = st.sweep(X, LABELS, lr=[0.1, 0.3], seed=[0, 1], batch_size=10, optimizer="sgd", epochs=5, penalty="l2:0.01")
    runs.save(tmp_path / "sweep")
    back = st.load(tmp_path / "sweep")
    assert back.fit(3).metrics == runs.fit(3).metrics
    assert back.fit(3).predict(X).tolist() == runs.fit(3).predict(X).tolist()


def test_what_runs_share_is_written_once(tmp_path, monkeypatch):
    written = []
    whole = run_folder.contents_of
    monkeypatch.setattr(run_folder, "contents_of", lambda *given: written.append(1) or whole(*given))
    runs = st.sweep(X, Y, lr=np.geomspace(1e-3, 1e-1, 50), optimizer="sgd", epochs=3, seed=range(4))
    runs.save(tmp_path / "sweep")
    assert (len(runs), len(written)) == (200, 1)


def test_a_run_of_a_small_table_has_its_rows(tmp_path):
    runs = st.sweep(X, Y, lr=[1e-3, 1e-2], optimizer="sgd", epochs=3)
    runs.save(tmp_path / "sweep")
    back = st.load(tmp_path / "sweep")
    assert back.fit(1).residuals().to_json() == runs.fit(1).residuals().to_json()
    assert str(back.fit(1).diagnose()) == str(runs.fit(1).diagnose())


def test_a_row_that_is_not_what_was_written_is_told(tmp_path):
    st.sweep(X, Y, lr=[1e-3, 1e-2], optimizer="sgd", epochs=3).save(tmp_path / "sweep")
    (lot,) = st.load(tmp_path / "sweep")._lots
    place = lot.fits.column_names.index("theta")
    damaged = replace(lot, fits=lot.fits.set_column(place, "theta", pa.array([[1.0, 2.0, 3.0], [1.0]])))
    assert damaged.fit(0).theta.tolist() == [1.0, 2.0, 3.0]
    with pytest.raises(RunError, match=r"fits\.parquet in the run .* is damaged"):
        damaged.fit(1)
