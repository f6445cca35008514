"""The command where output is full or closed, and where signals come: a line is said, and what was done is kept."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import steepest as st
from steepest.cli import commands as cli
from steepest.cli import process as terminal
from steepest.cli.commands import main

FULL = pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
COMMAND = [sys.executable, "-m", "steepest"]


@pytest.fixture
def place(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("s.csv").write_text("x,y\n" + "".join(f"{i},{i * i % 7}\n" for i in range(12)))
    return tmp_path


@pytest.fixture
def run(place) -> Path:
    assert main(["fit", "s.csv", "--target", "y", "--epochs", "3", "--out", "run", "--quiet", "--no-report"]) == 0
    return place / "run"


COMMANDS = {  # what is printed where, and what is kept then
    "fit": (["fit", "s.csv", "--target", "y", "--out", "new", "--no-report"], "What was done is kept in new."),
    "fit --json": (["fit", "s.csv", "--target", "y", "--json"], ""),
    "sweep": (
        ["sweep", "s.csv", "--target", "y", "--lr", "1e-3,1e-2", "--out", "new"],
        "What was done is kept in new.",
    ),
    "describe": (["describe", "s.csv"], ""),
    "diagnose a run": (["diagnose", "run"], ""),
    "diagnose data": (["diagnose", "s.csv", "--target", "y", "--json"], ""),
    "predict": (["predict", "run", "s.csv"], ""),
    "report": (["report", "run"], ""),
    "animate": (["animate", "run", "--frames", "2"], ""),
    "eject": (["eject", "run"], ""),
    "help": (["--help"], ""),
    "version": (["--version"], ""),
}


@FULL
@pytest.mark.parametrize("name", COMMANDS)
def test_full_output_is_told_in_a_line(name, run, capfd, monkeypatch):
    words, kept = COMMANDS[name]
    with open("/dev/full", "w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        assert main(words) == 1
    err = capfd.readouterr().err
    assert [line for line in err.splitlines() if line.startswith("error: ")] == [
        f"error: standard output cannot be written: No space left on device.{' ' * bool(kept)}{kept}"
    ]
    assert "Traceback" not in err
    if kept:
        assert len(st.load("new")) if "sweep" in name else st.load("new").steps


@pytest.mark.parametrize("name", ["fit", "predict", "version"])
def test_closed_output_is_told_in_a_line(name, run, capfd, monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    assert main(COMMANDS[name][0]) == 1
    assert "error: standard output cannot be written: Bad file descriptor." in capfd.readouterr().err


def test_nothing_to_print_needs_no_output(run, capfd, monkeypatch):
    for name in ("stdin", "stdout", "stderr"):
        monkeypatch.setattr(sys, name, None)
    assert main(["fit", "s.csv", "--target", "y", "--out", "new", "--quiet", "--no-report"]) == 0
    assert (sys.stdin, sys.stdout, sys.stderr) == (None, None, None)
    assert st.load("new").names == ["intercept", "x"]


ALONE = [pytest.param(where, marks=pytest.mark.soak) for where in (">&-", "2>&-")]


@pytest.mark.parametrize("where", [">/dev/full", ">&- 2>&- <&-", "2>/dev/full", *ALONE])
def test_a_process_with_such_streams_ends_well(run, where):
    words = f'exec "$0" -m steepest predict run s.csv {where}'
    done = subprocess.run(["sh", "-c", words, sys.executable], capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr
    assert done.returncode == (0 if where.startswith("2") else 1)  # not 120, which Python gives where it cannot flush


def test_a_page_that_cannot_be_written_leaves_a_run_that_is_told(place, capsys, monkeypatch):
    from steepest import report
    from steepest.storage import run_folder

    def full(*given: object) -> None:
        raise st.RunError("report.html cannot be written to the run 'run': No space left on device.")

    monkeypatch.setattr(report, "write_page", full)
    assert main(["fit", "s.csv", "--target", "y", "--epochs", "3", "--out", "run"]) == 1
    out, err = capsys.readouterr()
    assert out.endswith("The run is in run\n")
    assert err == "error: report.html cannot be written to the run 'run': No space left on device.\n"
    assert run_folder.kept_at("run") == "run"


# ---- signals ---------------------------------------------------------------------------------------

WHILE_IMPORTING = """
import importlib.abc, os, signal, sys

module = sys.argv.pop(1)

class Pressed(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == module:
            sys.meta_path.remove(self)
            os.kill(os.getpid(), signal.SIGINT)

signal.signal(signal.SIGINT, signal.default_int_handler)  # whatever the tests were started from
sys.meta_path.insert(0, Pressed())
from steepest.__main__ import main
main()
"""


@pytest.mark.parametrize("module", ["steepest.cli.commands", "numpy", "pydantic_core", "pyarrow.csv"])
def test_ctrl_c_while_modules_are_imported_is_told_in_a_line(place, module):
    words = [sys.executable, "-c", WHILE_IMPORTING, module, "fit", "s.csv", "--target", "y", "--out", "run"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr == f"error: {terminal.INTERRUPTED}\n"


LONG = ["--target", "y", "--optimizer", "sgd", "--lr", "1e-9", "--epochs", "100000000", "--no-report", "--quiet"]
SLOW = """
import pathlib, sys
from steepest import fitting
from steepest.__main__ import main
real = fitting.fit

def fit(data, *, progress, **settings):
    return real(data, progress=lambda step, f: step.t >= 50 and pathlib.Path("began").touch(), **settings)

fitting.fit = fit
main()
"""


def test_sigterm_keeps_what_was_done(place):
    words = [sys.executable, "-c", SLOW, "fit", "s.csv", *LONG, "--out", "run"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not Path("began").exists() and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGTERM)  # as `timeout` does
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (143, "")
    assert "Traceback" not in err
    assert st.load("run").status is st.Status.INTERRUPTED
    assert st.load("run").steps >= 50


def test_the_handlers_of_a_program_are_its_own(place):
    numbers = [
        number
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        if signal.getsignal(number) is not signal.SIG_IGN  # as `nohup` has it, and it stays so
    ]
    before = [signal.getsignal(number) for number in numbers]
    seen = []
    st.fit([0.0, 1.0, 2.0], [1.0, 2.0, 4.0], epochs=3)
    real = cli.app

    def watched(*given: object, **named: object) -> object:
        seen.extend(signal.getsignal(number) for number in numbers)
        return real(*given, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cli, "app", watched)
        assert main(["describe", "s.csv", "--json"]) == 0
    assert [signal.getsignal(number) for number in numbers] == before
    assert all(one is not other for one, other in zip(seen, before, strict=True))


def test_a_signal_while_a_run_is_saved_keeps_it(place, capsys, monkeypatch):
    from steepest import atomic_folder

    real = atomic_folder.write_folder

    def pressed(*given: object) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        real(*given)

    monkeypatch.setattr(atomic_folder, "write_folder", pressed)
    assert main(["fit", "s.csv", "--target", "y", "--out", "run", "--json"]) == 143
    out, err = capsys.readouterr()
    assert err == "The run is in run\nerror: interrupted\n"
    assert st.load("run").params == json.loads(out)["params"]


def test_a_signal_that_is_ignored_stays_so(place):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with terminal.stopped_by_signals() as received:
            os.kill(os.getpid(), signal.SIGHUP)
            assert received == []
    finally:
        signal.signal(signal.SIGHUP, before)
