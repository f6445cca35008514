"""A save that is killed anywhere leaves the old run or the new one, many may save at once, and nobody else's file is touched."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

import steepest as st
from steepest import atomic_folder
from steepest.cli.commands import main
from steepest.errors import RunError
from steepest.storage import run_folder
from steepest.storage.run_folder import FILES, SWEEP_FILES

X = np.random.default_rng(0).normal(size=(40, 1))
Y = 3.0 - 2.0 * X[:, 0]


@pytest.fixture(scope="module")
def two_fits() -> tuple[st.Fit, st.Fit]:
    return st.fit(X, Y), st.fit(X, -Y)


@pytest.fixture(scope="module")
def rates() -> st.Sweep:
    return st.sweep(X, Y, optimizer="sgd", lr=[0.1, 0.2], epochs=3)


@pytest.fixture
def without_waiting(monkeypatch):
    # whether bytes have reached the disk cannot be seen here, and waiting for them takes most of the time
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


def _digests(folder: Path) -> dict[str, str]:
    """Every file below a folder, with its digest."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


# ---- what is somebody else's -----------------------------------------------------------------------


@pytest.mark.parametrize("name", [".run.new", ".run.old", ".steepest-thesis", "run.lock", ".run.lock"])
@pytest.mark.parametrize("times", [1, 2])
def test_folders_of_somebody_else_beside_the_run_stay(tmp_path, two_fits, name, times):
    (tmp_path / name).mkdir()
    for file in ("thesis.txt", *FILES):
        (tmp_path / name / file).write_text("mine")
    before = _digests(tmp_path / name)
    for fit in two_fits[:times]:
        fit.save(tmp_path / "run", overwrite=True)
        assert st.load(tmp_path / "run").params == fit.params
    assert _digests(tmp_path / name) == before


def test_files_of_somebody_else_in_a_run_stay(tmp_path, two_fits):
    old, new = two_fits
    run = tmp_path / "run"
    old.save(run)
    mine = ("notes.txt", "table.parquet", "fits.parquet", "sweep.json", "report.html", ".hidden", ".steepest-own/x.txt")
    (run / ".steepest-own").mkdir()
    for name in mine:
        (run / name).write_text("mine")
    assert st.load(run).params == old.params
    new.save(run, overwrite=True)
    assert st.load(run).params == new.params
    assert all((run / name).read_text() == "mine" for name in mine)


@pytest.mark.parametrize("name", ["table.parquet", "sweep.json"])
def test_a_file_in_the_way_is_named_and_nothing_is_written(tmp_path, two_fits, rates, name):
    run = tmp_path / "run"
    two_fits[0].save(run)
    (run / name).write_text("mine")
    before = _digests(run)
    with pytest.raises(RunError, match=rf"'{name}' in .*run' is not what was written there.*Move it away"):
        rates.save(run, overwrite=True)
    assert _digests(run) == before


def test_a_file_of_the_run_that_was_changed_is_not_overwritten(tmp_path, two_fits):
    run = tmp_path / "run"
    two_fits[0].save(run)
    (run / "spec.toml").write_text("# my notes on these settings\n")
    before = _digests(run)
    with pytest.raises(RunError, match=r"'spec.toml' in .* was changed"):
        two_fits[1].save(run, overwrite=True)
    assert _digests(run) == before


def test_a_list_of_files_that_leads_out_of_the_folder_is_no_record(tmp_path, two_fits):
    (tmp_path / "thesis.txt").write_text("mine")
    run = tmp_path / "run"
    two_fits[0].save(run)
    digest = hashlib.sha256(b"mine").hexdigest()
    text = (run / "fit.json").read_text().replace('"sha256": {', f'"sha256": {{"../thesis.txt": "{digest}",')
    (run / "fit.json").write_text(text)
    with pytest.raises(RunError, match="not a run"):
        two_fits[1].save(run, overwrite=True)
    assert (tmp_path / "thesis.txt").read_text() == "mine"


def test_somebody_elses_fit_json_is_no_run(tmp_path, two_fits):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "fit.json").write_text('{"format": 1, "my": "own"}')
    for overwrite in (False, True):
        with pytest.raises(RunError, match="not a run"):
            two_fits[0].save(tmp_path / "run", overwrite=overwrite)
    assert _digests(tmp_path / "run").keys() == {"fit.json"}


# ---- a run that is there ---------------------------------------------------------------------------


def test_a_run_is_replaced_only_where_that_is_asked_for(tmp_path, two_fits, rates):
    old, new = two_fits
    run = tmp_path / "run"
    old.save(run)
    before = _digests(run)
    for other in (old, new, rates):
        with pytest.raises(RunError, match=r"holds a run already.*overwrite=True"):
            other.save(run)
    assert _digests(run) == before
    rates.save(run, overwrite=True)
    assert sorted(_digests(run)) == sorted(SWEEP_FILES)
    with pytest.raises(RunError, match="holds a sweep already"):
        new.save(run)
    new.save(run, overwrite=True)
    assert sorted(_digests(run)) == sorted(FILES)
    assert st.load(run).params == new.params


def test_a_second_out_is_refused_before_the_fit_and_overwrite_replaces_the_page_too(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("s.csv").write_text("x,y\n" + "".join(f"{i},{i * i % 7}\n" for i in range(12)))
    words = ["fit", "s.csv", "--target", "y", "--quiet", "--out", "run"]
    assert main(words) == 0
    first = _digests(Path("run"))
    assert "report.html" in first
    assert main([*words, "--epochs", "9"]) == 1
    assert "'run' holds a run already" in (said := capsys.readouterr().err)
    assert "--overwrite" in said
    assert _digests(Path("run")) == first
    assert main([*words, "--lr", "1e-9", "--epochs", "3", "--overwrite", "--no-report"]) == 0
    assert sorted(_digests(Path("run"))) == sorted(FILES)  # the page of the first run is gone with it
    run_folder.write_page("run", b"<p>a page</p>")
    page = Path("run/report.html")
    page.write_text("<p>a page</p><!-- my remark -->", encoding="utf-8")
    before = _digests(Path("run"))
    capsys.readouterr()
    for again in ([*words, "--overwrite"], ["report", "run"]):
        assert main(again) == 1
        assert "report.html" in capsys.readouterr().err
        assert _digests(Path("run")) == before
    assert main([*words, "--overwrite", "--no-report"]) == 0  # a page changed by hand is the user's
    assert "my remark" in page.read_text(encoding="utf-8")


def test_a_page_written_by_report_belongs_to_the_run(tmp_path, two_fits):
    run = tmp_path / "run"
    two_fits[0].save(run)
    two_fits[0].report(run / "report.html", film=False)
    two_fits[0].report(run / "report.html", film=False)
    assert st.load(run).params == two_fits[0].params
    two_fits[1].save(run, overwrite=True)
    assert not (run / "report.html").exists()


# ---- a kill at any moment --------------------------------------------------------------------------


class Killed(BaseException):
    """Stands for SIGKILL: no handler for errors may see it."""


OPERATIONS = ("mkdir", "replace", "unlink", "rmdir", "open")


def _dying(monkeypatch: pytest.MonkeyPatch, at: int, after: bool) -> list[int]:
    """Make the process die before or after its `at`-th operation on files below a folder; counts them."""
    count = [0]

    def watched(real):
        def operation(*given, **named):
            flags = given[1] if len(given) > 1 else None
            if real is real_open and not (isinstance(flags, int) and flags & os.O_CREAT):
                return real(*given, **named)
            count[0] += 1
            if count[0] == at and not after:
                raise Killed
            done = real(*given, **named)
            if count[0] == at:
                raise Killed
            return done

        return operation

    real_open = os.open
    for name in OPERATIONS:
        monkeypatch.setattr(os, name, watched(getattr(os, name)))
    real_write = atomic_folder._write

    def half_written(path: Path, content: bytes) -> None:
        count[0] += 1
        if count[0] == at:
            with open(path, "wb") as file:
                file.write(content[: len(content) // 2])
            raise Killed
        real_write(path, content)

    monkeypatch.setattr(atomic_folder, "_write", half_written)
    return count


CHANGES = {"a fit by a fit": (0, 1), "a fit by a sweep": (0, 2), "a sweep by a fit": (2, 0)}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("after", [False, True])
def test_a_kill_at_any_operation_leaves_one_of_them(tmp_path, two_fits, rates, without_waiting, change, after):
    old, new = ((*two_fits, rates)[place] for place in CHANGES[change])
    run, seen, at, count = tmp_path / "run", set(), 0, [1]
    while count[0] >= at:
        at += 1
        old.save(run, overwrite=True)
        (run / "notes.txt").write_text("mine")
        with pytest.MonkeyPatch.context() as patch:
            count = _dying(patch, at, after)
            with suppress(Killed):
                new.save(run, overwrite=True)
        found = _told(st.load(run))
        assert found in (_told(old), _told(new))
        seen.add(found == _told(new))
        if at % 2:  # after any kill the next save works, and tidies up
            new.save(run, overwrite=True)
            assert _told(st.load(run)) == _told(new)
            assert sorted(entry.name for entry in run.iterdir()) == sorted(
                [*(FILES if isinstance(new, st.Fit) else SWEEP_FILES), "notes.txt"]
            )
        assert (run / "notes.txt").read_text() == "mine"
        assert [entry.name for entry in tmp_path.iterdir()] == ["run"]
    assert seen == {False, True}
    assert at > 15


def _told(kept: st.Fit | st.Sweep) -> list[float]:
    return kept.theta.tolist() if isinstance(kept, st.Fit) else kept.columns["objective"]


def test_a_first_save_that_is_killed_leaves_no_run_and_is_no_obstacle(tmp_path, two_fits, monkeypatch, without_waiting):
    unfinished = 0
    for at in range(1, 20):
        run = tmp_path / f"run{at}"
        with pytest.MonkeyPatch.context() as patch:
            _dying(patch, at, False)
            with pytest.raises(Killed):
                two_fits[0].save(run)
        if (run / "fit.json").exists():  # from here on the run is there
            assert st.load(run).params == two_fits[0].params
            continue
        unfinished += 1
        with pytest.raises(RunError, match=r"There is no run|is no run"):
            st.load(run)
        two_fits[1].save(run)
        assert st.load(run).params == two_fits[1].params
        assert sorted(entry.name for entry in run.iterdir()) == sorted(FILES)
    assert unfinished > 8


def test_a_page_whose_writing_is_killed_leaves_the_run(tmp_path, two_fits, without_waiting):
    run = tmp_path / "run"
    two_fits[0].save(run)
    at, count = 0, [1]
    while count[0] >= at:
        at += 1
        with pytest.MonkeyPatch.context() as patch:
            count = _dying(patch, at, False)
            with suppress(Killed):
                run_folder.write_page(run, b"page %d" % at)
        assert st.load(run).params == two_fits[0].params
    assert (run / "report.html").read_bytes() == b"page %d" % at


def test_a_full_disk_keeps_the_old_run_and_leaves_nothing_behind(tmp_path, two_fits, monkeypatch):
    old, new = two_fits
    old.save(tmp_path / "run")
    before = _digests(tmp_path)
    real = atomic_folder._write
    for full_at in range(1, 8):
        left = [full_at]

        def full(path: Path, content: bytes, left: list[int] = left) -> None:
            left[0] -= 1
            real(path, content if left[0] else content[:3])
            if not left[0]:
                raise OSError(28, "No space left on device")

        monkeypatch.setattr(atomic_folder, "_write", full)
        with pytest.raises(RunError, match=r"cannot be written to .*No space left on device"):
            new.save(tmp_path / "run", overwrite=True)
        assert _digests(tmp_path) == before
        left[0] = full_at
        with pytest.raises(RunError, match="No space left"):
            new.save(tmp_path / "first")
        assert not (tmp_path / "first").exists()


# ---- many at once ----------------------------------------------------------------------------------

SAVING = """
import os, sys, numpy as np, steepest as st
os.fsync = lambda descriptor: None
place, number, rounds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
x = np.linspace(0, 1, 12)
fits = [st.fit(x, number * 1000.0 + x * (part + 1), epochs=2 + part) for part in range(2)]
print("ready", flush=True)
sys.stdin.readline()
for turn in range(rounds):
    fits[turn % 2].save(place, overwrite=True)
"""


def _savers(place: Path, count: int, rounds: int) -> Iterator[subprocess.Popen[str]]:
    for number in range(count):
        words = [sys.executable, "-c", SAVING, str(place), str(number), str(rounds)]
        yield subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _save_at_once(place: Path, count: int, rounds: int) -> int:
    """Let several processes save into one folder, and read it all the while; how often it was read."""
    savers = list(_savers(place, count, rounds))
    st.fit(np.linspace(0, 1, 12), np.linspace(0, 1, 12)).save(place)
    for saver in savers:
        assert saver.stdout.readline() == "ready\n"
    for saver in savers:
        saver.stdin.write("go\n")
        saver.stdin.flush()
    reads = 0
    while any(saver.poll() is None for saver in savers):
        assert len(st.load(place).theta) == 2
        reads += 1
    told = [(*saver.communicate(timeout=60), saver.returncode) for saver in savers]
    assert told == [("", "", 0)] * count
    assert sorted(entry.name for entry in place.iterdir()) == sorted(FILES)
    return reads


def test_two_processes_save_into_one_folder_and_readers_see_a_whole_run(tmp_path):
    assert _save_at_once(tmp_path / "run", 2, 20) >= 5


@pytest.mark.soak
def test_six_processes_save_into_one_folder(tmp_path):
    assert _save_at_once(tmp_path / "run", 6, 300) >= 100


def test_a_folder_that_is_written_to_for_long_is_told(tmp_path, two_fits, monkeypatch):
    two_fits[0].save(tmp_path / "run")
    monkeypatch.setattr(atomic_folder, "WAIT", 0.05)
    with atomic_folder.locked(tmp_path / "run"), pytest.raises(RunError, match="Another process is writing to"):
        two_fits[1].save(tmp_path / "run", overwrite=True)
    assert st.load(tmp_path / "run").params == two_fits[0].params


def _killed_at_random(place: Path, kills: int) -> None:
    """Kill a process that saves again and again; each time a whole run must be left."""
    st.fit(np.linspace(0, 1, 12), np.linspace(0, 1, 12)).save(place)
    chance = random.Random(0)
    for _ in range(kills):
        (saver,) = _savers(place, 1, 10**6)
        assert saver.stdout.readline() == "ready\n"
        saver.stdin.write("go\n")
        saver.stdin.flush()
        time.sleep(chance.uniform(0.01, 0.2))
        saver.send_signal(signal.SIGKILL)
        saver.communicate()
        assert len(st.load(place).theta) == 2
    st.fit(np.linspace(0, 1, 12), np.linspace(0, 1, 12)).save(place, overwrite=True)
    assert sorted(entry.name for entry in place.iterdir()) == sorted(FILES)


def test_kills_at_random_moments_leave_a_whole_run(tmp_path):
    _killed_at_random(tmp_path / "run", 2)


@pytest.mark.soak
def test_sixty_kills_at_random_moments_leave_a_whole_run(tmp_path):
    _killed_at_random(tmp_path / "run", 60)


# ---- what cannot be read or written ----------------------------------------------------------------


@pytest.mark.parametrize("folder", ["~nosuchuser/run", "a\0b", "x" * 300, "/"])
def test_places_that_cannot_be_are_told(two_fits, folder):
    with pytest.raises(RunError):
        two_fits[0].save(folder)
    with pytest.raises(RunError):
        st.load(folder)


def test_a_place_below_a_file_is_told_before_the_fit(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(RunError, match=r"file' is a file, so .* cannot be a folder"):
        run_folder.check_free(tmp_path / "file" / "run")


@pytest.mark.parametrize("name", FILES)
def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(tmp_path, two_fits, name):
    two_fits[0].save(tmp_path / "run")
    (tmp_path / "run" / name).unlink()
    os.mkfifo(tmp_path / "run" / name)
    with pytest.raises(RunError, match="it is no regular file"):
        st.load(tmp_path / "run")


def test_an_endless_file_is_not_read(tmp_path, two_fits):
    two_fits[0].save(tmp_path / "run")
    (tmp_path / "run" / "trace.parquet").unlink()
    (tmp_path / "run" / "trace.parquet").symlink_to("/dev/zero")
    with pytest.raises(RunError, match="it is no regular file"):
        st.load(tmp_path / "run")
    (tmp_path / "run" / "fit.json").unlink()
    with open(tmp_path / "run" / "fit.json", "wb") as file:
        file.truncate(2**40)  # takes no place on the disk
    with pytest.raises(RunError, match="at most 1,073,741,824 are read"):
        st.load(tmp_path / "run")


def test_the_lock_of_a_killed_process_is_no_obstacle(tmp_path, two_fits):
    two_fits[0].save(tmp_path / "run")
    (tmp_path / "run" / atomic_folder.LOCK).touch()
    two_fits[1].save(tmp_path / "run", overwrite=True)
    assert sorted(entry.name for entry in (tmp_path / "run").iterdir()) == sorted(FILES)
