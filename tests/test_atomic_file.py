"""Files of output are whole or not there at all; what a name stands for stays: links, permissions, pipes, files of others."""

from __future__ import annotations

import os
import signal
import stat
import threading
from pathlib import Path

import pytest

import steepest as st
from steepest.atomic_file import whole_file, write_file
from steepest.cli.commands import main
from steepest.errors import RunError


@pytest.fixture
def run(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("s.csv").write_text("x,y\n0,1\n1,3\n2,5\n")
    st.fit("s.csv", target="y").save("run")
    return tmp_path / "run"


def _predicted(out: str) -> list[str]:
    assert main(["predict", "run", "s.csv", "-o", out]) == 0
    return Path(out).read_text().split()


PREDICTED = ["prediction", "1", "3", "5"]


def _rounded(words: list[str]) -> list[str]:
    return [words[0], *(f"{float(word):.6g}" for word in words[1:])]


def test_files_beside_it_stay(run):
    for name in (".z.csv.new", "z.csv.new", "z.csv.tmp", "z.csv~"):
        Path(name).write_text("mine")
    assert _rounded(_predicted("z.csv")) == PREDICTED
    assert {Path(name).read_text() for name in (".z.csv.new", "z.csv.new", "z.csv.tmp", "z.csv~")} == {"mine"}


def _left_behind(out: str) -> Path:
    """What a process leaves that is killed while it writes a file."""
    child = os.fork()
    if child == 0:
        with whole_file(out) as place:
            place.write_text("half")
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    (left,) = Path(out).resolve().parent.glob(".steepest-*")
    return left


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a process is forked here")
def test_what_a_killed_process_has_left_goes_and_what_is_another_ones_stays(run):
    left = _left_behind("z.csv")
    assert left.read_text() == "half"
    others = [
        Path(left.name[:-4]),
        Path(left.name + "x"),
        Path(".steepest-mine.csv"),
        Path(".steepest-" + "0" * 29 + ".csv"),
    ]
    for name in others:
        name.write_text("mine")
    folder = left.with_name(left.name[:-5] + ("0" if left.name[-5] != "0" else "1") + ".csv")
    folder.mkdir()
    with whole_file("z.csv") as mine:  # as another process that writes the same file
        assert not left.exists()
        assert _rounded(_predicted("z.csv")) == PREDICTED
        assert mine.exists()
        mine.write_text("last")
    assert Path("z.csv").read_text() == "last"
    assert {name.read_text() for name in others} == {"mine"}
    assert folder.is_dir()
    folder.rmdir()
    for name in others:
        name.unlink()
    left = _left_behind("z.csv")
    _predicted("y.csv")
    assert left.exists()  # that of another file
    _predicted("z.csv")
    assert not list(Path().glob(".steepest-*"))


def test_a_link_goes_on_pointing_and_its_file_keeps_its_permissions(run):
    Path("there").mkdir()
    Path("there/real.csv").write_text("old")
    os.chmod("there/real.csv", 0o640)
    Path("z.csv").symlink_to("there/real.csv")
    assert _rounded(_predicted("z.csv")) == PREDICTED
    assert Path("z.csv").is_symlink()
    assert _rounded(Path("there/real.csv").read_text().split()) == PREDICTED
    assert stat.S_IMODE(os.stat("there/real.csv").st_mode) == 0o640
    Path("to.csv").symlink_to("there/new.csv")  # to where nothing is yet
    _predicted("to.csv")
    assert Path("there/new.csv").is_file()
    assert Path("to.csv").is_symlink()
    assert sorted(path.name for path in Path("there").iterdir()) == ["new.csv", "real.csv"]


def test_a_new_file_has_the_usual_permissions(run):
    before = os.umask(0o027)
    try:
        _predicted("z.csv")
    finally:
        os.umask(before)
    assert stat.S_IMODE(os.stat("z.csv").st_mode) == 0o640


def test_a_file_of_two_names_stays_one(run):
    Path("z.csv").write_text("old")
    os.link("z.csv", "twin.csv")
    _predicted("z.csv")
    assert _rounded(Path("twin.csv").read_text().split()) == PREDICTED


def test_a_pipe_is_written_to_and_not_replaced(run):
    os.mkfifo("z.csv")
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.extend(Path("z.csv").read_text().split()))
    reader.start()
    assert main(["predict", "run", "s.csv", "-o", "z.csv"]) == 0
    reader.join(20)
    assert _rounded(read) == PREDICTED
    assert stat.S_ISFIFO(os.stat("z.csv").st_mode)


@pytest.mark.parametrize("device", ["/dev/null", "/dev/stdout"])
def test_a_device_is_written_to_and_not_replaced(run, capfd, device):
    before = os.lstat(device).st_mode
    assert main(["eject", "run", "-o", device]) == 0
    assert os.lstat(device).st_mode == before


IN_THE_WAY = {  # what stands after -o, and what is said
    "a folder": ("dir.csv", "is a folder. Name a file."),
    "below a file": ("s.csv/z.csv", "cannot be written: "),
    "the table itself": ("s.csv", "is the table itself, which would be lost"),
    "the table by another name": ("link.csv", "is the table itself, which would be lost"),
    "a file of a run": ("run/rows.parquet", "is a file of a run, which would be lost"),
    "a circle": ("circle.csv", "cannot be written"),
}


@pytest.mark.parametrize("name", IN_THE_WAY)
def test_what_is_in_the_way_is_told_and_stays(run, capsys, name):
    Path("dir.csv").mkdir()
    Path("link.csv").symlink_to("s.csv")
    Path("circle.csv").symlink_to("circle.csv")
    out, message = IN_THE_WAY[name]
    table = Path("s.csv").read_bytes()
    assert main(["predict", "run", "s.csv", "-o", out]) == 1
    err = capsys.readouterr().err
    assert err.startswith("error: ")
    assert message in err
    assert len(err.splitlines()) == 1
    assert Path("s.csv").read_bytes() == table
    assert st.load("run").params == pytest.approx({"intercept": 1, "x": 2})


def test_a_missing_folder_is_made(run):
    assert _rounded(_predicted("new/folders/z.csv")) == PREDICTED


@pytest.mark.parametrize("words", [["animate", "run", "--frames", "2", "-o", "out.gif"], ["animate", "run", "-o", "out.html"],
                                   ["report", "run", "-o", "out.html"], ["eject", "run", "-o", "out.py"]])  # fmt: skip
def test_a_full_disk_leaves_the_old_file_and_nothing_beside_it(run, capsys, monkeypatch, words):
    from steepest import atomic_file

    def full(path: Path) -> None:
        assert path.stat().st_size > 0  # all of it was written, but did not reach the disk
        raise OSError(28, "No space left on device")

    out = Path(words[-1])
    out.write_text("old")
    before = sorted(os.listdir())
    monkeypatch.setattr(atomic_file, "flush", full)
    assert main(words) == 1
    assert f"'{out}' cannot be written: No space left on device." in capsys.readouterr().err
    assert out.read_text() == "old"
    assert sorted(os.listdir()) == before
    out.unlink()
    assert main(words) == 1
    assert not out.exists()


@pytest.mark.parametrize("error", [KeyError, st.SpecError, st.DataError, st.FitError])
def test_an_error_on_the_way_stays_what_it_is_and_leaves_nothing(tmp_path, error):
    def halfway() -> None:
        with whole_file(tmp_path / "a.txt") as place:
            place.write_text("half")
            raise error("stopped")

    with pytest.raises(error, match=r"^'?stopped'?$"):
        halfway()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("path", ["a\0b", "x" * 300])
def test_names_that_cannot_be_are_told(tmp_path, monkeypatch, path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RunError):
        write_file(path, b"x")
