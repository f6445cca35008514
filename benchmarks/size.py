"""Tables larger than memory: how much of it they take, how fast they are read, and how soon there is an answer.

    .venv-bench/bin/python benchmarks/size.py --rows 1e7 --more 1e8 --folder /tmp/size

Each figure beside its goal. Peaks are those of processes of their own. Speeds are measured in turns in one process, in seconds
and in seconds of processor time of all cores together, which can be compared where other programs run beside it; medians of the
turns. A minibatch epoch is what three take longer than one, halved: without the start, the first pass and the scores.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import pyarrow.parquet as pq

import tall_table

NAMES = [f"x{j + 1}" for j in range(tall_table.COLUMNS)]
MINIBATCHES = {"optimizer": "sgd", "lr": 0.001, "batch_size": 256, "dtype": "float32"}
TURNS = 3
FOR_OTHERS = 2**20
"""Rows that Vowpal Wabbit reads as text, once, and duckreg groups."""


def scanned(folder: Path) -> int:
    """The rows of all files, decoded by pyarrow alone."""
    rows = 0
    for path in sorted(folder.glob("*.parquet")):
        file = pq.ParquetFile(path, pre_buffer=False, buffer_size=2**20)
        for group in range(file.num_row_groups):
            rows += file.read_row_group(group, columns=[*NAMES, "y"]).num_rows
    return rows


def answered(folder: Path) -> Any:
    """The exact answer of `mse` from the sums of one pass, which nothing was kept of."""
    import numpy as np

    from steepest.data import kept_passes
    from steepest.data.learned import learned
    from steepest.data.row_groups import RowGroups
    from steepest.data.streams import Asked

    kept_passes.take_up = lambda key, found: False
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


def by_duckreg(folder: Path) -> None:
    """The same of the first rows: duckreg groups rows that are alike, of which there are none here."""
    import duckdb  # pyrefly: ignore
    from duckreg.estimators import DuckRegression  # pyrefly: ignore

    with tempfile.TemporaryDirectory() as place:
        database = f"{place}/rows.db"
        with duckdb.connect(database) as connection:
            connection.execute(f"CREATE VIEW t AS SELECT * FROM '{folder}/*.parquet' LIMIT {FOR_OTHERS}")
        formula = f"y ~ {' + '.join(NAMES)}"
        DuckRegression(database, "t", formula, cluster_col="", seed=0, n_bootstraps=0).fit()


def cached_for_vw(folder: Path) -> str:
    """The first rows in Vowpal Wabbit's own cache."""
    import vowpalwabbit  # pyrefly: ignore

    place, done = folder.parent / f"vw-{folder.name}", 0
    place.mkdir(exist_ok=True)
    given = f"--data {place}/rows.txt --cache_file {place}/rows.cache --sgd -l 0.001 --holdout_off --quiet"
    if not (place / "rows.cache").exists():
        with (place / "rows.txt").open("w") as file:
            for number in range(-(-FOR_OTHERS // tall_table.GROUP)):
                table = tall_table.group(number, min(tall_table.GROUP, FOR_OTHERS - done))
                for row in zip(*(table[name].to_pylist() for name in ("y", *NAMES)), strict=True):
                    file.write(
                        f"{row[0]:.7g} |a {' '.join(f'{a}:{b:.7g}' for a, b in zip(NAMES, row[1:], strict=True))}\n"
                    )
                done += table.num_rows
        vowpalwabbit.Workspace(given).finish()
    return given


def epoch_of_vw(folder: Path, passes: int) -> None:
    """So many passes from its cache."""
    import vowpalwabbit  # pyrefly: ignore

    vowpalwabbit.Workspace(f"{cached_for_vw(folder)} --passes {passes}").finish()


def descended(folder: Path, epochs: int) -> None:
    """So many epochs of minibatches."""
    import steepest as st

    st.fit(folder, stream=True, target="y", drop="z", epochs=epochs, **MINIBATCHES)


def fitted(folder: Path, **settings: Any) -> dict[str, Any]:
    """A streamed fit in this process: its seconds and the most memory that the process ever had."""
    import steepest as st

    began = time.perf_counter()
    done = st.fit(folder, stream=True, target="y", drop="z", **settings)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    seconds, processor = time.perf_counter() - began, time.process_time()
    return {"rows": done.rows, "seconds": seconds, "processor": processor, "gap": done.gap, "gb": peak}


def apart(folder: Path, settings: dict[str, Any]) -> dict[str, Any]:
    """The same in a process of its own."""
    command = [sys.executable, __file__, "--folder", str(folder), "--fit", json.dumps(settings)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def timed(work: Callable[[], Any]) -> tuple[float, float]:
    """Its seconds, and those of processor time."""
    began, processor = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - began, time.process_time() - processor


def in_turns(place: Path) -> dict[str, tuple[float, float]]:
    """Seconds, and those of processor time, of everything that can be done here."""
    peers: dict[str, Callable[[], Any]] = {
        "scan": lambda: scanned(place),
        "answer": lambda: answered(place),
        "DuckDB": lambda: by_duckdb(place),
        "duckreg": lambda: by_duckreg(place),
        "one epoch": lambda: descended(place, 1),
        "three epochs": lambda: descended(place, 3),
        "VW, one pass": lambda: epoch_of_vw(place, 1),
        "VW, three passes": lambda: epoch_of_vw(place, 3),
    }
    each: dict[str, list[tuple[float, float]]] = {}
    for turn in range(-1, TURNS):  # the first one does not count
        for name, work in list(peers.items()):
            try:
                found = timed(work)
            except (
                ImportError,
                AttributeError,
            ) as error:  # not installed, or not of a version that goes with the others
                print(f"{name} cannot be measured: {error}")
                del peers[name]
                continue
            if turn >= 0:
                each.setdefault(name, []).append(found)
    middle = {name: (median(one for one, _ in found), median(two for _, two in found)) for name, found in each.items()}
    for name, one, three in (("epoch", "one epoch", "three epochs"), ("VW", "VW, one pass", "VW, three passes")):
        if three in middle:
            middle[name] = tuple((middle[three][i] - middle[one][i]) / 2 for i in (0, 1))  # type: ignore[assignment]
    return middle


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
    fits = {"default fit": {}, "minibatches": MINIBATCHES | {"epochs": 1}}
    peaks = {name: apart(place, settings) for name, settings in fits.items()}
    for name, found in peaks.items():
        print(
            f"{given.rows:,} rows, {name}: {found['seconds']:.1f} s, gap {found['gap']:g}, peak {found['gb']:.2f} GB   goal 1 GB"
        )
    if given.more:
        more = given.folder / str(given.more)
        if not more.exists():
            tall_table.write(more, given.more)
        for name, settings in fits.items():
            found = apart(more, settings)
            times = found["gb"] / peaks[name]["gb"]
            print(
                f"{given.more:,} rows, {name}: {found['seconds']:.1f} s ({found['processor']:.0f} s of processor time), "
                f"peak {found['gb']:.2f} GB   goal 1 GB"
            )
            print(f"    {times:.2f} times that of {given.rows:,}   goal 1.2", flush=True)
    told(in_turns(place), given.rows)


def told(each: dict[str, tuple[float, float]], rows: int) -> None:
    """Print the speeds."""
    print("seconds (of processor time):", {name: f"{one:.2f} ({two:.2f})" for name, (one, two) in each.items()})
    for at, what in enumerate(("by the clock", "by processor time")):
        found = {name: seconds[at] for name, seconds in each.items()}
        print(what)
        print(f"    pyarrow scans {rows / found['scan'] / 1e6:.2f} million rows a second")
        print(
            f"    minibatch epoch {rows / found['epoch'] / 1e6:.2f}, {found['scan'] / found['epoch']:.0%} of that   goal 70%"
        )
        if "VW" in found:
            theirs = FOR_OTHERS / found["VW"]
            print(
                f"    Vowpal Wabbit from its cache {theirs / 1e6:.2f}, ours {rows / found['epoch'] / theirs:.2f} of it   goal 1"
            )
        if "DuckDB" in found:
            print(f"    exact answer of mse {found['answer'] / found['DuckDB']:.2f} of DuckDB's   goal 1")
        if "duckreg" in found:
            share = found["answer"] / rows / (found["duckreg"] / FOR_OTHERS)
            print(f"    exact answer of mse {share:.2f} of duckreg's, a row   goal 1")


if __name__ == "__main__":
    main()
