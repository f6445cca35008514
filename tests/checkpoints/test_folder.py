"""The folder of a run under way: one writer, the last two checkpoints, other settings and data refused, full disks survived."""

from __future__ import annotations

import errno
import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from filelock import FileLock
from safetensors.numpy import save_file

import steepest as st
from steepest.atomic_folder import RUNNING
from steepest.checkpoints import folder
from steepest.checkpoints.folder import NAMES, claimed
from steepest.cli.commands import main
from steepest.run_record import FILES

from stopping_at import assert_same, cut_off, gone_on

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(60, 2))
Y = X @ [1.0, -2.0] + RANDOM.normal(size=60)
WORDS = ["fit", "s.csv", "--target=y", "--optimizer=adam", "--lr=0.05", "--epochs=6", "--batch-size=20", "--no-report"]
SETTINGS = {"optimizer": "adam", "lr": 0.05, "epochs": 6, "batch_size": 20}


@pytest.fixture
def run(tmp_path) -> Path:
    cut_off(5, X, Y, out=tmp_path / "run", **SETTINGS)
    return tmp_path / "run"


def test_the_second_of_two_writers_is_refused(run):
    with claimed(run, False, FILES), pytest.raises(st.RunError, match="Another process is fitting into"):
        st.fit(X, Y, out=run, **SETTINGS)
    assert_same(st.fit(X, Y, **SETTINGS), gone_on(X, Y, out=run, **SETTINGS))


def test_a_fit_is_not_saved_into_a_folder_that_another_process_is_fitting_into(run, tmp_path):
    fit = st.fit(X, Y, **SETTINGS)
    for place in (run, tmp_path / "new"):
        place.mkdir(exist_ok=True)
        with FileLock(place / RUNNING), pytest.raises(st.RunError) as refused:
            fit.save(place, overwrite=True)
        said = f"Another process is fitting into '{place}'. Wait until it has ended, or choose another folder."
        assert str(refused.value) == said
        assert not (place / "fit.json").exists()
        fit.save(place, overwrite=True)
        assert st.load(place).theta.tobytes() == fit.theta.tobytes()


def test_other_settings_are_refused_and_named(run):
    with pytest.raises(st.RunError) as caught:
        st.fit(X, Y, out=run, **SETTINGS | {"lr": 0.1, "epochs": 7})
    assert "of other settings: lr=0.05 is lr=0.1 now; epochs=6 is epochs=7 now.\n" in str(caught.value)
    assert "begin anew: overwrite=True" in str(caught.value)
    assert sorted(os.listdir(run)) == list(NAMES)
    with pytest.raises(st.RunError, match=r"optimizer='adam' is optimizer='torch\.optim\.adam:Adam' now"):
        st.fit(X, Y, out=run, **SETTINGS | {"optimizer": torch.optim.Adam, "model": "mlp:4"})


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ((X[:50], Y[:50]), "60 rows are 50 now"),
        ((X[:, :1], Y), r"columns are others now \(without 'x1', 'x2', with 'x'\)"),
        ((X, Y + 1e-9), r"as many rows and the same columns hold other values \(SHA-256 \w{12}… is \w{12}… now\)"),
    ],
)
def test_other_data_are_refused_and_described(data, said, run):
    with pytest.raises(st.RunError, match=f"of other data: {said}"):
        st.fit(*data, out=run, **SETTINGS)


def test_other_rows_for_validation_are_other_data(tmp_path):
    cut_off(5, X, Y, out=tmp_path / "run", validation=(X[:9], Y[:9]), **SETTINGS)
    with pytest.raises(st.RunError, match="of other data"):
        st.fit(X, Y, out=tmp_path / "run", validation=(X[:9], Y[:9] + 1.0), **SETTINGS)
    assert gone_on(X, Y, out=tmp_path / "run", validation=(X[:9], Y[:9]), **SETTINGS).steps == 18


def test_overwrite_goes_on_with_the_same_and_replaces_another(run):
    with claimed(run, True, FILES) as kept:
        assert "The run goes on from step 4." in st.fit(X, Y, out=kept, **SETTINGS).notes
    other = st.fit(X, Y, out=run, overwrite=True, **SETTINGS | {"lr": 0.1})
    assert not [note for note in other.notes if "goes on" in note]
    assert sorted(os.listdir(run)) == sorted(FILES)


def test_how_often_may_be_changed(run):
    assert gone_on(X, Y, out=run, every=5.0, **SETTINGS).steps == 18


@pytest.mark.parametrize("damage", ["cut short", "empty", "changed"])
def test_of_a_damaged_checkpoint_the_one_before_is_used_and_that_is_said(damage, run):
    newest = run / NAMES[0]  # the fifth: 0 1 0 1 0
    content = newest.read_bytes()
    newest.write_bytes(
        {"cut short": content[:-7], "empty": b"", "changed": content[:-1] + bytes([content[-1] ^ 1])}[damage]
    )
    again = gone_on(X, Y, out=run, **SETTINGS)
    (said,) = [note for note in again.notes if "damaged" in note]
    assert said.startswith(f"{NAMES[0]} is damaged (")
    assert said.endswith("the one before, of step 3, is used.")
    assert_same(st.fit(X, Y, **SETTINGS), again)


def test_two_damaged_checkpoints_are_an_error_with_its_remedy(run):
    for name in NAMES:
        (run / name).write_bytes((run / name).read_bytes()[:300])
    with pytest.raises(
        st.RunError, match=r"is damaged \(.*\), and no other checkpoint is there\. Begin anew: overwrite=True"
    ):
        st.fit(X, Y, out=run, **SETTINGS)
    with claimed(run, True, FILES) as kept:
        assert st.fit(X, Y, out=kept, **SETTINGS).steps == 18


def test_a_checkpoint_that_does_not_fit_is_refused(run, monkeypatch):
    from steepest.checkpoints import tree

    real = tree.unpacked

    def other(content):
        state = real(content)
        state["state"]["engine"]["theta"] = state["state"]["engine"]["theta"].float()
        return state

    monkeypatch.setattr(tree, "unpacked", other)
    with pytest.raises(st.RunError, match=r"The checkpoint in .* is damaged: theta is not \(3,\) of torch.float64"):
        st.fit(X, Y, out=run, **SETTINGS)


def test_what_differs_where_it_goes_on_is_said(run, monkeypatch):
    real = folder.differences
    monkeypatch.setattr(folder, "differences", lambda before: real(before | {"numpy": "1.0"}))
    notes = gone_on(X, Y, out=run, **SETTINGS).notes
    assert [note for note in notes if note.startswith("Its last digits may differ") and "numpy 1.0 is " in note]


def test_a_file_of_somebody_elses_is_not_taken_for_a_checkpoint(tmp_path):
    (tmp_path / "run").mkdir()
    save_file({"weights": np.zeros(2)}, tmp_path / "run" / NAMES[0])
    with pytest.raises(st.RunError, match="is a folder with other things in it"):
        st.fit(X, Y, out=tmp_path / "run", **SETTINGS)


def test_nothing_is_left_of_a_fit_that_could_not_begin(tmp_path):
    with pytest.raises(st.DataError):
        st.fit({"x": [1.0, None], "y": [1.0, 2.0]}, target="y", out=tmp_path / "runs" / "first")
    assert os.listdir(tmp_path) == []


def test_how_often_needs_a_folder():
    with pytest.raises(st.SpecError, match="give its folder, out='runs/first'"):
        st.fit(X, Y, checkpoint_every=3.0)
    with pytest.raises(st.SpecError, match="a number of seconds greater than 0"):
        st.fit(X, Y, out="run", checkpoint_every=0.0)


def test_a_disk_that_is_full_ends_nothing(tmp_path, monkeypatch):
    """The fourth write and all after it fail, as on a full disk; with room again the run goes on from the third."""
    real, counted = folder.flush, []

    def flush(path):
        counted.append(path)
        if len(counted) > 6:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(path)

    monkeypatch.setattr(folder, "flush", flush)
    with (
        pytest.warns(
            st.SteepestWarning, match=r"checkpoint of step 3 cannot be written to .*: No space left on device\."
        ) as said,
        claimed(tmp_path / "run", False, FILES, 1e-9) as kept,
    ):
        done = st.fit(X, Y, out=kept, **SETTINGS)
    assert len(said) == 1
    monkeypatch.undo()
    assert sorted(os.listdir(tmp_path / "run")) == list(NAMES)
    again = gone_on(X, Y, out=tmp_path / "run", **SETTINGS)
    assert "The run goes on from step 2." in again.notes
    assert_same(done, again)


def test_of_files_that_may_not_grow_nothing_is_half_written(tmp_path):
    """RLIMIT_FSIZE stands for the full disk: each checkpoint is larger than a file may be, and so is the run."""
    np.savetxt(tmp_path / "s.csv", np.column_stack([X, Y]), delimiter=",", header="a,b,y", comments="")
    command = [sys.executable, "-m", "steepest", *WORDS, "--out", "run", "--quiet", "--checkpoint-every", "1e-9"]
    limited = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (900, 900)),
    )  # fmt: skip
    assert limited.returncode == 1
    warned, failed = limited.stderr.splitlines()
    assert warned.startswith("warning: The checkpoint of step 0 cannot be written to 'run': File too large.")
    assert failed.startswith("error: The run cannot be written to ")
    assert not (tmp_path / "run").exists()


def test_the_command_goes_on_and_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    np.savetxt("s.csv", np.column_stack([X, Y]), delimiter=",", header="a,b,y", comments="")
    words = WORDS
    assert main([*words, "--out", "plain", "--quiet"]) == 0
    cut_off(5, "s.csv", target="y", out=tmp_path / "run", **SETTINGS)
    assert main([*words, "--out", "run", "--quiet", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["params"] == st.load("plain").params
    cut_off(5, "s.csv", target="y", out=tmp_path / "other", **SETTINGS)
    assert main([*words, "--out", "other"]) == 0
    assert capsys.readouterr().err == "The run goes on from step 4.\n"
    cut_off(5, "s.csv", target="y", out=tmp_path / "third", **SETTINGS | {"lr": 0.1})
    assert main([*words, "--out", "third"]) == 1
    assert "of other settings: --lr 0.1 is --lr 0.05 now." in capsys.readouterr().err
    assert main([*words, "--out", "plain"]) == 1
    assert "holds a run already" in capsys.readouterr().err
    Path("s.csv").unlink()
    assert main([*words, "--out", "third", "--overwrite"]) == 1
    assert sorted(os.listdir("third")) == list(NAMES)
    assert "there is no file 's.csv'" in capsys.readouterr().err
    assert main([*words, "--checkpoint-every", "3"]) == 2
    assert "give its folder, --out runs/first" in capsys.readouterr().err
