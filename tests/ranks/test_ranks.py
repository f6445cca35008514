"""One process, and 1, 2 or 4 ranks, walk one path bit for bit, in float64 and in float32."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ranked import CASES

import steepest as st
from steepest.cli import commands
from steepest.ranks import group
from steepest.ranks.alike import alike
from steepest.ranks.group import Group
from steepest.ranks.lost import RankLost

from stopping_at import assert_same_trace

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked here")

DAILY = (0, 2), ("fused float32", "gaps")
ALL = (0, 1, 2, 4, 8), tuple(name for name in CASES if not name.startswith("local"))

FIRST = {1: 1, 2: 14, 4: 19, 8: 21}
"""Of so many ranks the first row group, of 24, that is the last one's."""


def write(folder: Path, rows: int = 1_200, gaps: bool = False) -> None:
    """Two files with row groups of different sizes."""
    random = np.random.default_rng(0)
    a, b = random.normal(size=(2, rows))
    city = random.choice(["Oslo", "Rome", "Lima"], rows)
    line = 1.0 + a - 2.0 * b + (city == "Rome")
    table = pa.table(
        {
            "a": a, "b": b, "city": city, "near": a + 1e-7 * b, "y": line + random.normal(size=rows),
            "z": np.where(line + random.logistic(size=rows) > 0, "yes", "no"), "w": random.integers(1, 4, rows) / 3.0,
        }
    )  # fmt: skip
    if gaps:
        gone = pa.array(random.choice(["s", "m", "l"], rows), mask=random.random(rows) < 0.1).dictionary_encode()
        table = table.append_column("size", gone)
        table = table.append_column("day", pa.array(np.datetime64("2020-03-01") + random.integers(0, 300, rows)))
        table = table.append_column("v", pa.array(b + line, mask=random.random(rows) < 0.1))
    folder.mkdir()
    pq.write_table(table.slice(0, rows // 3), folder / "1.parquet", row_group_size=37)
    pq.write_table(table.slice(rows // 3), folder / "2.parquet", row_group_size=64)


@pytest.mark.parametrize(("sizes", "cases"), [DAILY, pytest.param(*ALL, marks=pytest.mark.soak)], ids=["daily", "all"])
def test_any_number_of_ranks_walks_one_path_bit_for_bit(sizes, cases, tmp_path, forked):
    write(tmp_path / "rows")
    write(tmp_path / "gaps", gaps=True)
    forked("ranked.py", str(tmp_path), ",".join(map(str, sizes)), *cases)
    for case in cases:
        alone, *others = (np.load(tmp_path / f"{case}-{size}.npz") for size in sizes)
        assert np.isfinite(alone["theta"]).all()
        for size, other in zip(sizes[1:], others, strict=True):
            for name in set(alone.files) - {"read"}:
                assert alone[name].tobytes() == other[name].tobytes(), f"{case}: {name} of {size} ranks"
            if case == "gaps":  # the last rank reads its own row groups, and which columns there are in the first one
                assert other["read"].tolist() == [0, *range(FIRST[size], 24)]


@pytest.mark.parametrize("more", [[], pytest.param(["all"], marks=pytest.mark.soak)], ids=["daily", "all"])
def test_a_run_killed_on_two_ranks_goes_on_with_one_or_four_and_a_rank_that_hangs_is_named(more, tmp_path, forked):
    write(tmp_path / "rows")
    write(tmp_path / "bad")
    table = pq.read_table(tmp_path / "bad/2.parquet")
    bad = np.where(np.arange(table.num_rows) == 790, np.inf, np.asarray(table["b"]))
    pq.write_table(table.set_column(1, "b", pa.array(bad)), tmp_path / "bad/2.parquet", row_group_size=64)
    told = json.loads(forked("ending.py", str(tmp_path), *more))
    assert told["killed"]["codes"] == [0, -9]
    assert told["killed"]["said"][0].startswith("Rank 1 ended in the middle of the work.")
    whole = st.load(tmp_path / "whole")
    for name in ("killed", "four")[: 1 + len(more)]:
        again = st.load(tmp_path / name)
        assert any(
            note.startswith(("The run goes on from step 4", "The run goes on from step 3")) for note in again.notes
        )
        assert whole.theta.tobytes() == again.theta.tobytes()
        assert_same_trace(whole.trace, again.trace)
        assert whole.loss == again.loss
    for said in told["fault"]["said"]:  # the last rank alone has read it
        assert "column 'b'" in said
        assert "row 791 of" in said
    assert told["unlike"]["said"] == ["Rank 1 has lr 0.02, and the first rank 0.01: begin all of them alike."] * 2
    if more:
        first, second = told["again"]["said"]  # a finished run is refused on every rank
        assert "holds a run already" in first
        assert second
        assert told["hung"]["said"][0].startswith("Rank 1 did not answer within 2 seconds (rank_timeout)")


@pytest.mark.parametrize(("rank", "said"), [("0", "100 rows, 2 columns"), ("1", "")])
def test_commands_that_are_not_shared_are_done_by_the_first_rank_alone(rank, said, monkeypatch, capsys):
    for name, value in {"RANK": rank, "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29400"}.items():
        monkeypatch.setenv(name, value)
    assert commands.main(["describe", "sample:line"]) == 0
    shown = capsys.readouterr().out
    assert said in shown if said else not shown


class Pair(Group):
    """The first of two ranks, of which the other has sent this already."""

    def __init__(self, other: dict[str, str]):
        super().__init__(0, 2)
        self.other = other

    def all_of(self, content: bytes) -> list[bytes]:
        return [content, json.dumps(self.other).encode()]


def test_ranks_that_are_begun_with_other_packages_settings_or_files_are_told():
    mine = {"numpy": "2.1.0", "lr": "0.1", "in 'a.parquet'": "80 bytes and 3 rows"}
    alike(Pair(mine), mine)
    with pytest.raises(st.RunError, match=r"^Rank 1 has numpy 2\.2\.0, and the first rank 2\.1\.0: begin all of them"):
        alike(Pair(mine | {"numpy": "2.2.0"}), mine)
    with pytest.raises(st.RunError, match=r"^Rank 1 has lr none, and the first rank 0\.1"):
        alike(Pair({name: value for name, value in mine.items() if name != "lr"}), mine)
    with pytest.raises(st.RunError, match=r"^Rank 1 has in 'b\.parquet' 90 bytes and 4 rows, and the first rank none"):
        alike(Pair(mine | {"in 'b.parquet'": "90 bytes and 4 rows"}), mine)


class Store:
    """What ranks are asked by: the names that were noted, and what comes instead of an answer, once each."""

    def __init__(self, names: set[str], instead: list[type[BaseException]]):
        self.names, self.instead = names, instead

    def set(self, name: str, value: str) -> None:
        self.check([name])

    def check(self, names: list[str]) -> bool:
        if self.instead:
            raise self.instead.pop()
        return set(names) <= self.names


GONE = [RuntimeError]


@pytest.mark.parametrize(
    ("rank", "names", "instead", "said"),
    [
        (0, set(), [], "Ranks 1, 2, 3 ended in the middle of the work."),
        (0, {"waited 1", "waited 3"}, [], "Rank 2 ended in the middle of the work."),
        (
            0,
            {"waited 1", "waited 2", "waited 3"},
            [],
            "The connection between the ranks, which are all there, ended in",
        ),
        (0, set(), GONE, "torchrun, through which the ranks find one another, ended in the middle of the work."),
        (2, set(), GONE, "Rank 0 ended in the middle of the work."),
    ],
)
@pytest.mark.parametrize("ended", [False, True])
def test_it_is_said_who_is_missed_also_where_torchrun_ends_the_others(rank, names, instead, said, ended, monkeypatch):
    monkeypatch.setattr(group, "GRACE", 0.3)
    one = Group(rank, 4, Store(names, [*instead]), seconds=60.0)
    real, calls = Group._there, []

    def there(self, name, seconds=None):
        calls.append(name)
        if ended and len(calls) == 1:
            raise KeyboardInterrupt
        return real(self, name, seconds)

    monkeypatch.setattr(Group, "_there", there)
    if ended and said.startswith("The connection"):  # all of them were told to end: nobody is missed
        with pytest.raises(KeyboardInterrupt):
            one._lost(0.0)
        return
    assert str(one._lost(0.0)).startswith(said)
    assert bool(calls) is (instead != GONE)


def test_a_rank_that_was_told_to_end_waits_not_long_for_one_that_is_silent(monkeypatch):
    """torchrun, which has seen the other one end, kills it after 30 seconds: it has to say who it was before."""
    monkeypatch.setattr(group, "GRACE", 0.1)
    monkeypatch.setattr(group, "SIGNALLED", 0.3)
    monkeypatch.setattr(Store, "add", lambda self, name, count: 7, raising=False)
    began = time.monotonic()
    one = Group(0, 2, Store({"met 1 by 0", "waited 0"}, []), seconds=60.0)
    one.remedy = "Try again."
    with pytest.raises(RankLost, match=r"^Rank 1 ended in the middle of the work\. Try again\.$"):
        one.meet(signalled=True)
    assert 0.3 < time.monotonic() - began < 30.0


@pytest.mark.parametrize("there", ["waited 1", "left 1", ""])
def test_a_signal_after_which_a_rank_is_missed_came_because_that_one_ended(there, monkeypatch):
    monkeypatch.setattr(group, "GRACE", 0.3)
    one = Group(0, 2, Store({there}, []), seconds=60.0)
    with pytest.raises(KeyboardInterrupt if there else RankLost) as error, one.remedied("Try again."):
        raise KeyboardInterrupt
    assert there or str(error.value) == "Rank 1 ended in the middle of the work. Try again."
