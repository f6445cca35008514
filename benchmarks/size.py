"""Tables larger than memory: how much of it they take, how fast they are read, and how soon there is an answer.

    python benchmarks/size.py --rows 1e7 --more 1e8 --folder /tmp/size

Each figure beside its goal. Peaks are those of processes of their own; speeds are measured in one run, one after another.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

import tall_table

NAMES = [f"x{j + 1}" for j in range(tall_table.COLUMNS)]


def scanned(folder: Path) -> int:
    """The rows of all files, decoded by pyarrow alone."""
    rows = 0
    for path in sorted(folder.glob("*.parquet")):
        file = pq.ParquetFile(path, pre_buffer=False, buffer_size=2**20)
        for group in range(file.num_row_groups):
            rows += file.read_row_group(group, columns=[*NAMES, "y"]).num_rows
    return rows


def answered(folder: Path) -> Any:
    """The exact answer of `mse` from the sums of one pass."""
    import numpy as np

    from steepest.data.learned import learned
    from steepest.data.row_groups import RowGroups
    from steepest.data.streams import Asked

    files = RowGroups.of(str(folder))
    assert files is not None
    sums = learned(files, Asked("y", drop=("z",)))[0].sums
    assert sums is not None
    mean = sums.total / sums.rows
    squares = sums.squares / sums.rows - np.outer(mean, mean)
    return np.linalg.solve(squares[:-1, :-1], squares[:-1, -1])


def by_duckdb(folder: Path) -> Any:
    """The same: sums of squares and products as one query, then solved."""
    import duckdb  # pyrefly: ignore
    import numpy as np

    names = [*NAMES, "y"]
    pairs = [(a, b) for i, a in enumerate(names) for b in names[: i + 1]]
    sums = ", ".join([*(f"sum({a})" for a in names), *(f"sum({a} * {b})" for a, b in pairs), "count(*)"])
    *found, rows = duckdb.sql(f"SELECT {sums} FROM '{folder}/*.parquet'").fetchall()[0]
    mean, squares = np.array(found[: len(names)]) / rows, np.zeros((len(names), len(names)))
    for (a, b), value in zip(pairs, found[len(names) :], strict=True):
        i, j = names.index(a), names.index(b)
        squares[i, j] = squares[j, i] = value / rows - mean[i] * mean[j]
    return np.linalg.solve(squares[:-1, :-1], squares[:-1, -1])


def fitted(folder: Path, **settings: Any) -> dict[str, Any]:
    """A streamed fit in this process: its seconds and the most memory that the process ever had."""
    import steepest as st

    began = time.perf_counter()
    done = st.fit(folder, stream=True, target="y", drop="z", **settings)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    return {
        "rows": done.rows,
        "seconds": time.perf_counter() - began,
        "descent": done.seconds,
        "gap": done.gap,
        "gb": peak,
    }


def apart(folder: Path, settings: dict[str, Any]) -> dict[str, Any]:
    """The same in a process of its own."""
    command = [sys.executable, __file__, "--folder", str(folder), "--fit", json.dumps(settings)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def timed(work: Callable[[Path], Any], folder: Path) -> float:
    began = time.perf_counter()
    work(folder)
    return time.perf_counter() - began


def main() -> None:
    """Print every figure beside its goal."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path("/tmp/size"))
    parser.add_argument("--rows", type=lambda text: int(float(text)), default=10_000_000)
    parser.add_argument("--more", type=lambda text: int(float(text)), default=0)
    parser.add_argument("--fit")
    given = parser.parse_args()
    if given.fit is not None:
        print(json.dumps(fitted(given.folder, **json.loads(given.fit))))
        return
    place = given.folder / str(given.rows)
    if not place.exists():
        tall_table.write(place, given.rows)
    minibatches = {"optimizer": "sgd", "lr": 0.001, "batch_size": 256, "epochs": 1, "dtype": "float32"}
    scan = [timed(scanned, place)]
    epoch, newton = apart(place, minibatches), apart(place, {})
    ours = timed(answered, place)
    scan.append(timed(scanned, place))
    share = min(scan) / epoch["descent"]
    print(f"{given.rows:,} rows: pyarrow scans {given.rows / min(scan) / 1e6:.2f} million rows a second")
    print(
        f"minibatch epoch     {share:6.0%} of that           goal 70%   (scores of all rows and the start of the engine in it)"
    )
    print(f"exact answer of mse {ours:6.1f} s", end="")
    try:
        print(f", {ours / timed(by_duckdb, place):.2f} of DuckDB's       goal 1")
    except ImportError:
        print(", DuckDB is not installed")
    print(
        f"default fit         {newton['seconds']:6.1f} s, gap {newton['gap']:g}, peak {newton['gb']:.2f} GB   goal 1 GB"
    )
    print(f"minibatches         {epoch['seconds']:6.1f} s, peak {epoch['gb']:.2f} GB   goal 1 GB")
    if given.more:
        place = given.folder / str(given.more)
        if not place.exists():
            tall_table.write(place, given.more)
        for name, settings, before in (("default fit", {}, newton), ("minibatches", minibatches, epoch)):
            found = apart(place, settings)
            more = found["gb"] / before["gb"]
            print(f"{given.more:,} rows, {name}: {found['seconds']:.1f} s, peak {found['gb']:.2f} GB   goal 1 GB")
            print(f"    {more:.2f} times that of {given.rows:,}   goal 1.2")


if __name__ == "__main__":
    main()
