"""How time and memory of a whole fit() grow: rows from 100 to 1e7 at 20 columns, columns from 1 to 5,000 at 10,000 rows.

    python benchmarks/growth.py [--quick]

Every point is a process of its own (the compiled code is loaded before the clock starts), its memory the highest mark
during fit() less what the process held before, the data among that. On log axes a power of the size is a straight
line; its slope is fitted to the upper half of the points, where fixed costs no longer count.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from pathlib import Path

import numpy as np

from side_by_side import Goal, Table, load_kernels, options, python, save, short
from steepest.model.double_double import SMALL_ENOUGH

ROWS = (100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000)
COLUMNS = (1, 2, 6, 20, 60, 200, 600, 2_000, 5_000)
AT_COLUMNS, AT_ROWS = 20, 10_000
TURNS = 3
ONCE = 50_000_000
"""Entries of x from which a point has one turn only: it takes long, and what else the machine does matters less."""

WAYS = {
    "fit(x, y)": {},
    "one epoch of sgd, batch_size=256": {
        "optimizer": "sgd", "batch_size": 256, "epochs": 1, "precondition": "none", "lr": 1e-4,
    },
}  # fmt: skip


# ---- in the process of one point -----------------------------------------------------------------


def point(rows: int, columns: int, way: str) -> dict[str, float]:
    """Seconds and extra bytes of one fit, and the bytes of its data."""
    import steepest as st

    random = np.random.default_rng(0)
    small = random.standard_normal((100, 2))
    st.fit(small, small.sum(1))
    if WAYS[way]:  # which takes steps of minibatches
        load_kernels()
    x = np.empty((rows, columns))
    for first in range(0, rows, 10_000):  # in parts, so that the highest mark stays that of the data
        random.standard_normal(out=x[first : first + 10_000])
    y = x @ np.ones(columns) + random.standard_normal(rows)
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the highest mark begins anew
    before, began = _memory("VmRSS"), time.perf_counter()
    fit = st.fit(x, y, **WAYS[way])
    seconds = time.perf_counter() - began
    extra = _memory("VmHWM") - before
    size = {"data": x.nbytes + y.nbytes, "entries": rows * (columns + 1)}
    return {"seconds": seconds, "bytes": extra, "engine": fit.engine, "steps": fit.steps, **size}


def _memory(name: str) -> int:
    """Bytes, as the system counts them: VmRSS is what is held now, VmHWM the most that was."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(name))


# ---- all points ----------------------------------------------------------------------------------


def measured(sizes: list[tuple[int, int]], turns: int) -> dict[str, list[dict]]:
    """For each way its points in the order of `sizes`, each the median of its turns; the points take turns."""
    runs: dict[tuple[str, int], list[dict]] = {}
    for turn in range(turns):
        for way in WAYS:
            for i, (rows, columns) in enumerate(sizes):
                if turn and rows * columns >= ONCE:
                    continue
                printed = python(__file__, "--point", str(rows), str(columns), way)[1]
                runs.setdefault((way, i), []).append(json.loads(printed))
        print(".", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    middle = ("seconds", "bytes")
    return {
        way: [
            runs[way, i][0] | {name: statistics.median(run[name] for run in runs[way, i]) for name in middle}
            for i in range(len(sizes))
        ]
        for way in WAYS
    }


def slope(sizes: list[int], values: list[float]) -> float:
    """Of the straight line through the points on log axes, by least squares."""
    return float(np.polyfit(np.log(sizes), np.log(np.maximum(values, 1e-12)), 1)[0])


def floor(sizes: list[int], values: list[float], power: float) -> float:
    """The size at which a line of this slope through the last point has come down to the first point's value."""
    return float(sizes[-1] * (values[0] / values[-1]) ** (1 / power))


def bends(way: str, axis: list[int], seconds: list[float], power: float, engines: list[str]) -> list[str]:
    """Where the line is not straight, and why."""
    low = floor(axis, seconds, power)
    found = [f"{way}: the line of time is straight down to {axis[0]:,}."]
    if low > axis[0]:
        found = [
            f"{way}: towards {low:,.0f} the line of time bends into a floor of {1e3 * seconds[0]:.0f} ms, what a fit costs "
            "whatever its size (the table read, the plan, the trace)."
        ]
    for before, size, engine in zip(engines, axis[1:], engines[1:], strict=False):
        if engine != before:
            found.append(f"{way}: from {size:,} on the engine is `{engine}`, not `{before}`: the line steps there.")
    return found


def described(title: str, axis: list[int], found: dict[str, list[dict]]) -> tuple[Table, list[Goal]]:
    upper = len(axis) // 2
    lines, goals, notes = [], [], []
    for way, points in found.items():
        for size, at in zip(axis, points, strict=True):
            numbers = (at["seconds"], at["seconds"] / size * 1e9, at["bytes"] / 2**20, at["bytes"] / at["data"])
            lines.append((way, f"{size:,}", *map(short, numbers), at["engine"], f"{at['steps']:,}"))
        seconds, bytes_ = ([at[name] for at in points] for name in ("seconds", "bytes"))
        power = slope(axis[upper:], seconds[upper:])
        goals += [
            Goal(f"{title}, {way}: time grows with the power", power, unit=""),
            Goal(f"{title}, {way}: memory grows with the power", slope(axis[upper:], bytes_[upper:]), unit=""),
        ]
        notes += bends(way, axis, seconds, power, [at["engine"] for at in points])
    small = max((n for n, at in zip(axis, found["fit(x, y)"], strict=True) if at["entries"] <= SMALL_ENOUGH), default=0)
    notes.append(
        f"fit(x, y): up to {small:,} (designs of at most {SMALL_ENOUGH:,} entries) the gradient is accumulated in "
        "double-double arithmetic, for the last digits; beyond, in float64: the line steps down there."
    )
    head = ("", title.split()[0], "s", "ns each", "MiB more", "× the data", "engine", "steps")
    return Table(f"Growth: {title}", head, lines, tuple(notes)), goals


def main() -> None:
    quick = options(__doc__).quick
    rows, columns, turns = (ROWS[:3], COLUMNS[:4], 1) if quick else (ROWS, COLUMNS, TURNS)
    tables, promised, figures = [], [], {}
    for title, axis, sizes in (
        (f"rows at {AT_COLUMNS} columns", rows, [(n, AT_COLUMNS) for n in rows]),
        (f"columns at {AT_ROWS:,} rows", columns, [(AT_ROWS, d) for d in columns]),
    ):
        found = measured(sizes, turns)
        table, goals = described(title, list(axis), found)
        tables.append(table)
        promised += goals
        figures[title] = {"sizes": list(axis), "points": found}
    save("growth", quick, tables, promised, growth=figures)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--point"]:
        print(json.dumps(point(int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])))
    else:
        main()
