"""What the columns of a table are called, and which of them only number its rows.

pandas' to_csv, R's write.csv     a first column without a name: row numbers are left out, and said
to_csv read and written again     `Unnamed: 0`, `__index_level_0__`
any other column without a name   is called `column 3`, so that options can name it; an empty one is left out
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from steepest.data.arrow_columns import to_numbers
from steepest.data.headers import is_word
from steepest.data.wording import option, quoted
from steepest.errors import DataError

NUMBERING = "The first column has no name and holds the numbers or names of the rows: it was left out."
INDEX = re.compile(r"Unnamed: 0(\.\d+)?|__index_level_\d+__")  # what pandas calls the numbers of rows that have no name


def array_names(columns: int) -> list[str]:
    """What the columns of an array are called: `x`, or `x1`, `x2`, …"""
    return ["x"] if columns == 1 else [f"x{number}" for number in range(1, columns + 1)]


def check_names(names: Sequence[str], label: str) -> None:
    """Raise DataError where two columns have the same name; positions are counted from 1."""
    seen: dict[str, int] = {}
    for position, name in enumerate(names, start=1):
        if name.strip() and name in seen:
            raise DataError(
                f"the column name {quoted(name)} stands twice in {label}, at positions {seen[name]} and {position}. "
                "Rename one of them"
            )
        seen[name] = position


def index_left_out(name: str) -> str:
    """What is said of such a column."""
    return f"Column {quoted(name)} is the index of a pandas table: it was left out."


def told_by_folders(path: str, names: Collection[str]) -> tuple[str, ...]:
    """What is said of columns that only the names of a file's folders tell, as `year=2024/part-0.parquet` does.

    >>> told_by_folders("trips/year=2024/part-0.parquet", ["fare"])[0][:68]
    "The names of folders tell a column 'year', which is not read there: "
    """
    keys = [one.partition("=")[0] for one in path.replace("\\", "/").split("/")[:-1] if "=" in one.strip("=")]
    return tuple(
        f"The names of folders tell a column {quoted(key)}, which is not read there: write it into the files to use it."
        for key in keys
        if key not in names
    )


def named(
    table: pa.Table, requested: Collection[str] = (), row_names: bool = False
) -> tuple[pa.Table, list[str], list[str]]:
    """A name for every column, and the table without those that only number its rows.

    Args:
        table: names as its source has them, "" where a column has none.
        requested: names that somebody asked for: such a column stays.
        row_names: the first column holds the names of rows.

    Returns:
        The table, the names of the columns left out, and full sentences on what was decided.
    """
    names, left, notes = list(table.column_names), [], []
    taken = {name for name in names if name.strip()}
    keep, bare_and_empty = [], []
    for at, name in enumerate(names):
        column = table.column(at)
        bare = not name.strip()
        if bare:
            name = _free(f"column {at + 1}", taken)
        names[at] = name
        out = name not in requested
        if out and bare and at == 0 and (row_names or numbers_rows(column)):
            notes.append(NUMBERING)
        elif out and bare and is_empty(column):
            bare_and_empty.append(str(at + 1))
        elif out and INDEX.fullmatch(name) and (name.startswith("__") or numbers_rows(column)):
            notes.append(index_left_out(name))
        else:
            if bare:
                notes.append(
                    f"Column {at + 1} has no name and is called {quoted(name)}. To leave it out: {option('drop', name)}."
                )
            keep.append(at)
            continue
        left.append(name)
    if len(bare_and_empty) == 1:
        notes.append(f"Column {bare_and_empty[0]} has neither a name nor a value: it was left out.")
    elif bare_and_empty:
        notes.append(f"Columns {', '.join(bare_and_empty[:8])} have neither a name nor a value: they were left out.")
    table = pa.table([table.column(at) for at in keep], names=[names[at] for at in keep]) if keep else table.select([])
    return table, left, notes


def _free(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "_"
    taken.add(name)
    return name


def numbers_rows(column: pa.ChunkedArray) -> bool:
    """Whether a column holds 0 … n − 1 or 1 … n in any order, or a different text in each row."""
    rows = len(column)
    if column.null_count or not rows:
        return False
    if pa.types.is_integer(column.type):
        low, high = pc.min_max(column).as_py().values()
        return low in (0, 1) and high == low + rows - 1 and len(np.unique(to_numbers(column))) == rows
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        words = column.slice(0, 100).to_pylist()
        return rows > 1 and all(map(is_word, words)) and pc.count_distinct(column).as_py() == rows
    return False


def is_empty(column: pa.ChunkedArray) -> bool:
    """Whether a column has no value in any row."""
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        return bool(pc.all(pc.equal(pc.utf8_trim_whitespace(column), "")).as_py() in (True, None))
    return column.null_count == len(column)
