"""A Parquet folder of any number of rows × 10 columns, written a row group at a time, so that it never is in memory.

    python benchmarks/tall_table.py FOLDER --rows 100000000

y = 1 + Σ cⱼ·xⱼ + noise, of standard normal columns x1 … x10 with c = 0.5, −1, 1.5, …; z is 1 where it is more than noise
of the logistic distribution. The same rows come of the same seed, however many there are.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

COLUMNS = 10
GROUP = 131_072
"""Rows of a row group."""

FILE = 64
"""Row groups of a file."""


def group(number: int, rows: int, seed: int = 0, kind: str = "float64") -> pa.Table:
    """One row group."""
    random = np.random.Generator(np.random.Philox(key=np.array([seed, number], np.uint64)))
    x = random.standard_normal((COLUMNS, rows), dtype=np.float32).astype(kind)
    line = 1.0 + (0.5 * np.arange(1, COLUMNS + 1) * (-1.0) ** np.arange(COLUMNS)) @ x
    y = line + random.standard_normal(rows)
    chance = 1.0 / (1.0 + np.exp(-0.3 * line))
    z = (random.random(rows) < chance).astype(np.int8)
    columns = {f"x{j + 1}": x[j] for j in range(COLUMNS)}
    return pa.table({**columns, "y": y.astype(kind), "z": z})


def write(folder: Path, rows: int, seed: int = 0, kind: str = "float64", size: int = GROUP) -> Path:
    """Write a folder of so many rows."""
    folder.mkdir(parents=True, exist_ok=True)
    groups = -(-rows // size)
    for file in range(-(-groups // FILE)):
        writer = None
        for number in range(file * FILE, min((file + 1) * FILE, groups)):
            table = group(number, min(size, rows - number * size), seed, kind)
            writer = writer or pq.ParquetWriter(
                folder / f"part-{file:05d}.parquet", table.schema, compression="zstd", use_dictionary=["z"]
            )
            writer.write_table(table, row_group_size=size)
        if writer is not None:
            writer.close()
    return folder


def main() -> None:
    """Write what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=lambda text: int(float(text)), default=10_000_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kind", default="float64", choices=["float32", "float64"])
    given = parser.parse_args()
    print(write(given.folder, given.rows, given.seed, given.kind))


if __name__ == "__main__":
    main()
