"""A table as a file of CSV or Parquet."""

from __future__ import annotations

import csv
import io
import os
from pathlib import Path
from typing import IO

import pyarrow as pa
import pyarrow.compute as pc

from steepest.atomic_file import whole_file


def write_file(table: pa.Table, path: str | os.PathLike[str], suffix: str) -> Path:
    """The table as a file that is whole or not there at all; in CSV a number that is NaN is left empty. Gives the path."""
    if suffix == ".csv":
        known = [
            pc.if_else(pc.is_null(column, nan_is_null=True), pa.scalar(None, column.type), column)
            for column in table.columns
        ]
        table = pa.table(known, names=table.column_names)
    with whole_file(path) as place, open(place, "wb") as file:
        write(table, file, suffix)
    return Path(path)


def write(table: pa.Table, file: IO[bytes], suffix: str) -> None:
    """The table as `.parquet`, else as CSV: names quoted where they need it, numbers to the last digit, nothing for null."""
    if suffix == ".parquet":
        import pyarrow.parquet as pq

        pq.write_table(table, file)
        return
    from pyarrow import csv as pacsv

    header = io.StringIO()
    csv.writer(header, lineterminator="\n").writerow(table.column_names)
    file.write(header.getvalue().encode())
    pacsv.write_csv(table, file, pacsv.WriteOptions(include_header=False, quoting_style="needed"))
