"""A table on disk to its answer beside pyarrow's reading alone, and the memory that a table in memory takes until its answer.

Both belong to `answer_others.py`. Memory is the peak resident size of a new process above that just before the call.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

import steepest as st
from side_by_side import Goal, Peer, python, take_turns

SPARE = 100e6
"""Bytes that every fit may take beside its share of the array's."""

KINDS = {
    "NumPy, rows": ("x", 0.3),
    "NumPy, columns": ("np.asfortranarray(x)", 0.3),
    "NumPy, float32": ("x.astype(np.float32)", 1.3),
    "pandas": ("__import__('pandas').DataFrame(x, columns=names)", 1.3),
    "polars": ("__import__('polars').DataFrame(x, schema=names)", 1.3),
    "Arrow": ("__import__('pyarrow').table(list(x.T.copy()), names=names)", 1.3),
}
"""How a table is made of x, and the share of its bytes that the fit may take."""

PROCESS = """
import resource, sys, threading, time
import numpy as np
import steepest as st
random = np.random.default_rng(0)
x = random.standard_normal(({rows}, 50))
y, names = x.sum(1) + random.standard_normal(len(x)), [f"x{{i}}" for i in range(50)]
st.fit(x[:20_000], y[:20_000]).gap
table = {table}
size = table.nbytes if hasattr(table, "nbytes") else x.nbytes
del x

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()

peak, done, before = 0, False, resident()
def watch():
    global peak
    while not done:
        peak = max(peak, resident())
        time.sleep(0.001)
watcher = threading.Thread(target=watch)
watcher.start()
fit = st.fit(table, y)
fit.loss, fit.metrics, fit.gap
done = True
watcher.join()
print((max(peak, resident()) - before), size)
"""


def memory(quick: bool) -> Iterator[Goal]:
    """Bytes taken beyond `SPARE`, over those of the table."""
    rows = 40_000 if quick else 1_000_000
    for kind, (table, bound) in KINDS.items():
        size = f"{rows:,} × 50"
        what = f"{kind}, {size}: memory above the table's, beyond 100 MB"
        if kind in ("pandas", "polars"):
            try:
                __import__(kind)
            except ImportError:
                yield Goal(what, None, "≤", bound, why=f"{kind} is not installed")
                continue
        taken, size = map(float, python("-c", PROCESS.format(rows=rows, table=table))[1].split())
        yield Goal(what, max(taken - SPARE, 0.0) / size, "≤", bound, " × its bytes")


def files(quick: bool) -> Iterator[Goal]:
    """Whole calls, the file in the page cache."""
    with tempfile.TemporaryDirectory() as folder:
        for kind, rows, read, bound in (
            ("csv", 20_000 if quick else 1_000_000, pyarrow.csv.read_csv, 1.3),
            ("parquet", 50_000 if quick else 10_000_000, pyarrow.parquet.read_table, 1.6),
        ):
            random = np.random.default_rng(0)
            x = random.standard_normal((rows, 20))
            columns = {f"x{i}": x[:, i] for i in range(20)} | {"y": x.sum(1) + random.standard_normal(rows)}
            path, table = Path(folder, f"table.{kind}"), pa.table(columns)
            del x, columns
            (pyarrow.csv.write_csv if kind == "csv" else pyarrow.parquet.write_table)(table, path)
            del table

            def ours(path: Path = path) -> None:
                fit = st.fit(str(path), target="y")
                assert fit.metrics
                assert fit.gap is not None

            peers = [Peer("ours", ours), Peer("pyarrow", lambda r=read, p=path: r(p) and None)]
            timed = take_turns(peers, 1 if quick else 5)
            ratio = timed["ours"].median / timed["pyarrow"].median
            yield Goal(f"{kind}, {rows:,} × 20, to the answer: ours over pyarrow's reading alone", ratio, "≤", bound)
            path.unlink()
