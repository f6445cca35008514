"""What ranks cost and gain: two over one, the fixed tree beside a plain all-reduce, a synchronisation against θ's size.

    python benchmarks/ranks.py [--quick]

From what is measured it works out where 8, 64 and 1,024 ranks would stand on networks of 10 and 100 Gb: by the formula of
docs/scaling.md, and by a simulation in which every rank's step takes a time drawn from those that were measured. Each rank is a
process of its own with one thread; numbers of ranks take turns.
"""

from __future__ import annotations

import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from side_by_side import Goal, Table, options, save

ENTRIES = (10, 1_000, 10_000, 100_000, 1_000_000)
"""Sizes of θ."""

BATCHES = (256, 4_096, 65_536)
NETWORKS = {"10 Gb": (30e-6, 1.25e9), "100 Gb": (10e-6, 12.5e9)}
"""Seconds that a message takes to arrive, as TCP in one hall does (an assumption), and bytes a second."""

MANY = (8, 64, 1_024)


# ---- what a rank does ------------------------------------------------------------------------------


def synchronised(repeats: int, sizes: Sequence[int] = ENTRIES) -> dict[str, Any]:
    """Seconds of a synchronisation for each size: the fixed tree, and PyTorch's all-reduce."""
    import torch

    from steepest.ranks.group import launched

    group, found = launched(), {}
    assert group is not None
    for entries in sizes:
        theta, count = torch.ones(entries, dtype=torch.float64), max(5, min(repeats, repeats * 2_000 // entries))
        each: dict[str, list[float]] = {"tree": [], "reduce": []}
        for _ in range(count):  # in turns, so that whatever else the machine does falls on both
            for name in each:
                began = time.perf_counter()
                if name == "tree":
                    group.total(theta)
                else:
                    torch.distributed.all_reduce(theta.clone())
                each[name].append(time.perf_counter() - began)
        found[str(entries)] = {name: statistics.median(seconds) for name, seconds in each.items()}
    return found


def fitted(path: str, settings: dict[str, Any]) -> dict[str, Any]:
    """Seconds of a descent, once all is compiled, with what each of its steps took."""
    from steepest.engines import choice
    from steepest.fitting import fit
    from steepest.ranks.group import launched

    group = launched()
    choice.WORTH = np.inf if settings.get("loop") else -np.inf  # compiled code takes the steps of minibatches
    alone = group is None or group.size == 1
    settings = {name: one for name, one in settings.items() if name != "loop" and not (alone and name == "sync_every")}
    times: list[float] = []
    small = settings | ({"max_steps": 3} if "batch_size" in settings else {})
    fit(path, target="y", stream=True, **small)
    done = fit(path, target="y", stream=True, progress=lambda *_: times.append(time.perf_counter()), **settings)
    return {
        "seconds": done.seconds,
        "steps": done.steps,
        "each": [b - a for a, b in pairwise(times)],
        "theta": done.theta.sum(),
    }


def as_rank() -> None:
    """Do what the environment says, and print what came of it."""
    from steepest.ranks.group import begun

    asked = json.loads(os.environ["ASKED"])
    with begun(120.0) as group:
        what = {name: fitted(asked["path"], settings) for name, settings in asked.get("tasks", {}).items()}
        if "repeats" in asked:
            what |= synchronised(asked["repeats"], asked.get("sizes", ENTRIES))
        if group is None or group.first:
            print(json.dumps(what), flush=True)


def in_ranks(size: int, asked: dict[str, Any], before: Sequence[Sequence[str]] = (), address: str = "127.0.0.1") -> Any:
    """What the first of so many ranks printed. before: what stands before the command of each."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    ranks = []
    for rank in range(size):
        names = {"RANK": rank, "WORLD_SIZE": size, "MASTER_ADDR": address, "MASTER_PORT": port, "OMP_NUM_THREADS": 1}
        names["TORCH_CPP_LOG_LEVEL"] = "ERROR"  # that an address has no name, of each connection
        known = os.environ | {name: str(value) for name, value in names.items()} | {"ASKED": json.dumps(asked)}
        words = [*(before[rank] if before else ()), sys.executable, __file__, "--as-rank"]
        ranks.append(subprocess.Popen(words, env=known, stdout=subprocess.PIPE, text=True))
    told = [one.communicate()[0] for one in ranks]
    if any(one.returncode for one in ranks):
        raise SystemExit(f"ranks ended with {[one.returncode for one in ranks]}")
    return json.loads(told[0].splitlines()[-1])


# ---- what would be ---------------------------------------------------------------------------------


def messages(ranks: int) -> int:
    """Rounds of a fixed tree that ranks go up in pairs and come down: 2·log₂ R.

    >>> messages(8), messages(1_024)
    (6, 20)
    """
    return 2 * (ranks - 1).bit_length()


def step_seconds(rows: int, ranks: int, entries: int, row: float, network: str) -> float:
    """The formula: n·c/R of work, and 2·log₂ R messages of m bytes."""
    wait, bandwidth = NETWORKS[network]
    return rows * row / ranks + messages(ranks) * (wait + 8 * entries / bandwidth)


def simulated(rows: int, ranks: int, entries: int, each: Sequence[float], whole: int, network: str) -> float:
    """The mean seconds of a step where every rank takes a time of those measured, and all wait for the last one.

    each: measured seconds of steps of `whole` rows; the spread of a share of them is taken to be the same share of its time.
    """
    random = np.random.default_rng(0)
    drawn = random.choice(np.asarray(each), size=(200, ranks)) * (rows / ranks / whole)
    wait, bandwidth = NETWORKS[network]
    return float(drawn.max(1).mean()) + messages(ranks) * (wait + 8 * entries / bandwidth)


# ---- what is measured ------------------------------------------------------------------------------


def table_of(folder: str, rows: int, columns: int) -> str:
    """Rows of a linear model as Parquet."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    random = np.random.default_rng(0)
    x = random.standard_normal((rows, columns))
    y = x @ np.arange(1.0, columns + 1) + random.standard_normal(rows)
    path = f"{folder}/rows.parquet"
    pq.write_table(pa.table({f"x{i}": x[:, i] for i in range(columns)} | {"y": y}), path, row_group_size=rows // 64)
    return path


def syncs(repeats: int) -> tuple[Table, dict[int, Any]]:
    """A synchronisation of 2 and 4 ranks."""
    found = {size: in_ranks(size, {"repeats": repeats}) for size in (2, 4)}
    pairs = [(size, name) for size in (2, 4) for name in ("tree", "reduce")]
    rows = [
        (f"{entries:,}", *(f"{found[size][str(entries)][name] * 1e6:,.0f}" for size, name in pairs))
        for entries in ENTRIES
    ]
    tree = found[2]
    fixed = tree[str(ENTRIES[0])]["tree"]
    byte = (tree[str(ENTRIES[-1])]["tree"] - fixed) / (8 * ENTRIES[-1])
    note = f"Of two ranks: {fixed * 1e6:,.0f} µs and {byte * 1e9:.2g} ns a byte."
    title = "A synchronisation, µs, against the size of θ (float64)"
    return Table(title, ("entries", "tree, 2", "all-reduce, 2", "tree, 4", "all-reduce, 4"), rows, (note,)), found


def speed(path: str, rows: int, turns: int) -> tuple[Table, dict[int, dict[str, Any]]]:
    """Two ranks over one, for passes and for minibatches."""
    tasks: dict[str, dict[str, Any]] = {"batches of 256, huber:1": {"loss": "huber:1"}}
    tasks["passes (mse)"] = {}
    tasks |= {f"batches of {size:,}": {"batch_size": size, "epochs": 1, "lr": 1e-3} for size in BATCHES}
    plain = {"batch_size": 256, "epochs": 1, "lr": 1e-3, "optimizer": "sgd"}
    tasks["batches of 256 by the loop"] = plain | {"loop": True}
    tasks["batches of 256, sync_every=16 (1 rank: the loop)"] = plain | {"loop": True, "sync_every": 16}
    seconds: dict[tuple[str, int], list[float]] = {(name, size): [] for name in tasks for size in (1, 2)}
    kept = {}
    for _ in range(turns):
        for size in (1, 2):
            done = in_ranks(size, {"path": path, "tasks": tasks})
            for name, one in done.items():
                seconds[name, size].append(one["seconds"])
            if size == 1:
                kept = {
                    settings["batch_size"]: done[name]
                    for name, settings in tasks.items()
                    if "batch_size" in settings and "loop" not in settings
                }
    lines = []
    for name in tasks:
        one, two = (statistics.median(seconds[name, size]) for size in (1, 2))
        lines.append((name, f"{one:.2f}", f"{two:.2f}", f"{one / two:.2f}"))
    return Table(f"Two ranks over one, {rows:,} rows", ("descent", "1 rank, s", "2 ranks, s", "speed-up"), lines), kept


def ahead(rows: int, columns: int, kept: dict[int, dict[str, Any]]) -> Table:
    """Where more ranks would stand."""
    lines = []
    for size in BATCHES:
        done = kept[size]
        row = done["seconds"] / rows
        each = [one for one in done["each"] if one > 0] or [row * size]
        spread = np.asarray(each) / np.mean(each) * row * size
        for network in NETWORKS:
            line = [f"{size:,}", network]
            for ranks in MANY:
                whole = size * row
                told = step_seconds(size, ranks, columns + 1, row, network)
                drawn = simulated(size, ranks, columns + 1, spread, size, network)
                line.append(f"{whole / told:.2g} ({whole / drawn:.2g})")
            lines.append(tuple(line))
    heads = ("rows a batch", "network", *(f"{ranks:,} ranks" for ranks in MANY))
    return Table("Speed-up over one rank by the formula (by simulation)", heads, lines)


def main() -> None:
    if "--as-rank" in sys.argv:
        as_rank()
        return
    quick = options(str(__doc__)).quick
    rows, columns, turns = (20_000, 10, 1) if quick else (500_000, 10, 3)
    table, found = syncs(50 if quick else 300)
    with tempfile.TemporaryDirectory() as folder:
        faster, kept = speed(table_of(folder, rows, columns), rows, turns)
    small = found[2][str(ENTRIES[0])]
    goals = [Goal("the fixed tree over a plain all-reduce, 2 ranks, 10 entries", small["tree"] / small["reduce"])]
    save(Path(__file__).stem, quick, [table, faster, ahead(rows, columns, kept)], goals)


if __name__ == "__main__":
    main()
