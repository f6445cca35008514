"""A run gone through again: the same bits, or where the first difference lies."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import steepest as st
from steepest.cli.commands import main

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(60, 2))
Y = X @ [1.0, -2.0] + RANDOM.normal(size=60)


@pytest.mark.parametrize(
    ("engine", "settings"),
    [
        ("loop", {"optimizer": "adam", "lr": 0.05, "epochs": 6, "batch_size": 20, "validation": 0.2}),
        ("loop", {}),
        ("loop", {"model": "mlp:4", "epochs": 5, "test_fraction": 0.2}),
        ("fused", {"optimizer": "adam", "lr": 0.05, "epochs": 6, "batch_size": 20}),
        ("fused", {"optimizer": "sgd", "lr": 1e-9, "epochs": 10**7, "batch_size": 20, "max_seconds": 0.05}),
    ],
)
def test_the_same_data_and_settings_give_the_same_bits(engine, settings, tmp_path, monkeypatch):
    monkeypatch.setattr("steepest.engines.choice.WORTH", -np.inf if engine == "fused" else np.inf)
    fit = st.fit(X, Y, **settings)
    assert fit.engine == engine
    fit.save(tmp_path / "run")
    monkeypatch.undo()  # the engine is the run's, whatever would be chosen now
    again = st.replay(tmp_path / "run", X, Y)
    assert (again.same, again.steps) == (True, len(fit.trace))


def test_the_first_difference_is_named(tmp_path, monkeypatch):
    fit = st.fit(X, Y, optimizer="sgd", lr=0.05, epochs=6)
    fit.trace.loss[3] = np.nextafter(fit.trace.loss[3], np.inf)
    fit.trace.theta[2, 1] = np.nextafter(fit.trace.theta[2, 1], np.inf)
    fit.save(tmp_path / "run")
    found = st.replay(tmp_path / "run", X, Y)
    assert (found.same, found.step, found.quantity) == (False, 2, "θ of 'x1'")
    assert found.stored == np.nextafter(found.found, np.inf)
    assert str(found).startswith("The first difference lies at step 2: θ of 'x1' is ")


def test_other_rows_and_rows_from_memory_are_told(tmp_path):
    st.fit(X, Y, epochs=3, lr=0.01).save(tmp_path / "run")
    with pytest.raises(st.RunError, match="came from memory: give them"):
        st.replay(tmp_path / "run")
    with pytest.raises(st.RunError, match="These are not the rows of"):
        st.replay(tmp_path / "run", X, Y + 1.0)


def test_the_command_says_it_and_ends_with_0_or_1(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    np.savetxt("s.csv", np.column_stack([X, Y]), delimiter=",", header="a,b,y", comments="")
    fit = st.fit("s.csv", target="y", lr=0.05, epochs=6)
    fit.save("run")
    assert main(["replay", "run"]) == 0
    assert capsys.readouterr().out == "All 7 recorded steps are the same, bit for bit.\n"
    fit.trace.lr[4] = 0.06
    fit.save("run", overwrite=True)
    assert main(["replay", "run"]) == 1
    assert capsys.readouterr().out == "The first difference lies at step 4: lr is 0.06 in the run, and 0.05 now.\n"


def test_of_a_stream_whose_files_were_written_again_the_difference_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr("steepest.data.first_pass.SAMPLE", 10)
    place = tmp_path / "s.parquet"

    def write(x: np.ndarray) -> None:
        pq.write_table(pa.table({"a": x[:, 0], "b": x[:, 1], "y": Y}), place, row_group_size=7)

    write(X)
    fit = st.fit(place, target="y", stream=True)
    fit.save(tmp_path / "run")
    assert str(st.replay(tmp_path / "run")) == f"All {fit.steps + 1} recorded steps are the same, bit for bit."
    assert len(fit.train.places) < len(X)
    row = min(set(range(len(X))) - set(fit.train.places.tolist()))
    other = X.copy()
    other[row, 0] += 1.0
    write(other)
    found = st.replay(tmp_path / "run")
    assert (found.same, found.step) == (False, 0)
    assert str(found).endswith(" now. The files are others than those of the run, or were written again since.")
