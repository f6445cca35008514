"""A table as a file of CSV or Parquet, all at once or a piece after another."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable
from pathlib import Path
from typing import IO

import pyarrow as pa
import pyarrow.compute as pc

from steepest.atomic_file import whole_file

Pieces = pa.Table | Iterable[pa.Table]


def write_file(table: Pieces, path: str | os.PathLike[str], suffix: str) -> Path:
    """The table as a file that is whole or not there at all; in CSV a number that is NaN is left empty. Gives the path."""
    if suffix == ".csv":
        table = map(_without_nan, _pieces(table))
    with whole_file(path) as place, open(place, "wb") as file:
        write(table, file, suffix)
    return Path(path)


def write(table: Pieces, file: IO[bytes], suffix: str) -> None:
    """The table as `.parquet`, else as CSV: names quoted where they need it, numbers to the last digit, nothing for null."""
    (_write_parquet if suffix == ".parquet" else _write_csv)(_pieces(table), file)


def _pieces(table: Pieces) -> Iterable[pa.Table]:
    return [table] if isinstance(table, pa.Table) else table


def _without_nan(table: pa.Table) -> pa.Table:
    known = [
        pc.if_else(pc.is_null(column, nan_is_null=True), pa.scalar(None, column.type), column)
        for column in table.columns
    ]
    return pa.table(known, names=table.column_names)


def _write_parquet(pieces: Iterable[pa.Table], file: IO[bytes]) -> None:
    import pyarrow.parquet as pq

    writer = None
    try:
        for piece in pieces:
            writer = writer or pq.ParquetWriter(file, piece.schema)
            writer.write_table(piece.cast(writer.schema))
    finally:
        if writer is not None:
            writer.close()


def _write_csv(pieces: Iterable[pa.Table], file: IO[bytes]) -> None:
    from pyarrow import csv as pacsv

    below = pacsv.WriteOptions(include_header=False, quoting_style="needed")
    for number, piece in enumerate(pieces):
        if number == 0:
            header = io.StringIO()
            csv.writer(header, lineterminator="\n").writerow(piece.column_names)
            file.write(header.getvalue().encode())
        pacsv.write_csv(piece, file, below)
