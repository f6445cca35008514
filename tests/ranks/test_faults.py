"""A rank that is killed, or stopped, in a command that ranks divide: the others say so in time, and nothing is half written."""

from __future__ import annotations

import json
import os
import signal

import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest
from test_ranks import write

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked here")

KILL, STOP = int(signal.SIGKILL), int(getattr(signal, "SIGSTOP", 0))
WAIT = 2.0
OURS = "somebody else's\n"

FIT = "fit rows --target y --columns a,b,city --stream --out run --no-report --quiet"
COMMANDS = {
    "predict": "predict run rows -o predicted.csv",
    "sweep": "sweep rows --target y --columns a,b --optimizer auto --penalty none,l2:1,l2:2,l2:3 --out runs --table table.csv",
    "folds": "fit rows.csv --target y --columns a,b,city --folds 6 --json",
}
NOW = {
    "predict": "No prediction is kept: give the same command again.",
    "sweep": "No run of the sweep is kept: give the same command again.",
    "folds": "The fit itself is done; its folds are to be fitted again.",
}
DAILY = [("predict", STOP, 0, 2), ("sweep", STOP, 1, 2), ("folds", KILL, 0, 2)]
ALL = [(name, how, rank, size) for name in COMMANDS for how in (KILL, STOP) for rank, size in ((0, 2), (1, 2), (2, 4))]


@pytest.mark.parametrize("cases", [DAILY, pytest.param(ALL, marks=pytest.mark.soak)], ids=["daily", "all"])
def test_a_rank_that_is_killed_or_stopped_is_named_in_time_and_nothing_is_half_written(cases, tmp_path, forked):
    write(tmp_path / "rows")
    pacsv.write_csv(pq.read_table(tmp_path / "rows").slice(0, 300), tmp_path / "rows.csv")
    for name in ("predicted.csv", "table.csv"):
        (tmp_path / name).write_text(OURS)
    faults = [{"name": "fit", "words": FIT.split(), "ranks": 0}]
    for number, (name, how, rank, size) in enumerate(cases):
        words = [*COMMANDS[name].split(), "--rank-timeout", f"{WAIT:g}"]
        faults.append({"name": str(number), "words": words, "ranks": size, "rank": rank, "signal": how, "at": 3})
    found = json.loads(forked("faults.py", str(tmp_path), given=json.dumps(faults)))
    assert found["fit"]["codes"] == [0]
    for number, (name, how, rank, size) in enumerate(cases):
        one = found[str(number)]
        assert one["codes"] == [-how if other == rank else 1 for other in range(size)], (name, one)
        said = "".join(line for text in one["said"] for line in text.splitlines(True) if line.startswith("error:"))
        assert said.count("error:") == 1, one["said"]
        assert said.startswith(f"error: Rank {rank} "), said
        assert said.endswith(f"{NOW[name]}\n"), said
        if how == STOP:
            assert f"did not answer within {WAIT:g} seconds (rank_timeout)" in said
            assert one["seconds"] > WAIT
        assert one["seconds"] < WAIT + 20  # of which one for telling who is missed, and the rest for a crowded machine
    for name in ("predicted.csv", "table.csv"):
        assert (tmp_path / name).read_text() == OURS
    assert not (tmp_path / "runs").exists()
    if cases is DAILY:
        return
    files = {}
    for size in (2, 0):  # the same commands again do what they would have done
        again = [{"name": name, "words": words.split(), "ranks": size} for name, words in COMMANDS.items()]
        found = json.loads(forked("faults.py", str(tmp_path), given=json.dumps(again)))
        assert all(set(one["codes"]) == {0} for one in found.values())
        files[size] = [(tmp_path / name).read_bytes() for name in ("predicted.csv", "table.csv")]
        (tmp_path / "runs").rename(tmp_path / f"runs of {size}")
    assert files[2] == files[0]
    assert OURS.encode() not in files[2]
