"""A table before any fit: every column against the target, or against one another.

    a target of numbers      a panel for each column: points, or boxes where the column is text
    a target of classes      a box of each column for each class
    no target                two columns: one against the other; more: a matrix of the first numbers

Missing values are left out of the panel they would stand in, and counted in the notes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from steepest.data.arrow_columns import is_number
from steepest.data.files import check_known, open_table
from steepest.data.synthetic import sample_target
from steepest.data.targets import picked, source_of, target_of
from steepest.data.thinning import evenly
from steepest.data.wording import counted, plain
from steepest.errors import DataError
from steepest.plots import style
from steepest.plots.figure import MOST_POINTS, Figure, cell, figure, panels
from steepest.text import colours

MOST_PANELS = 9  # columns that get a panel of their own
MOST_CROSSED = 5  # columns of a matrix
MOST_LEVELS = 12  # different words of a column that is drawn


@dataclass(frozen=True)
class Columns:
    """The columns worth drawing: name → `[n]` float64 (NaN: missing) or text (None: missing). target: a name, or None."""

    values: dict[str, np.ndarray]
    target: str | None
    total_rows: int
    left_out: list[str]
    missing: int

    def is_number(self, name: str) -> bool:
        """Whether a column holds numbers."""
        return self.values[name].dtype.kind == "f"


def table_data(source: Any, y: Any = None, target: str | None = None) -> Columns:
    """The columns of anything that `fit` takes as a table, rows thinned evenly; the target is the last."""
    table, origin = open_table(source)
    if y is not None:
        other, _ = target_of(y)
        if other.num_rows != table.num_rows:
            raise DataError(f"x has {table.num_rows:,} rows and y has {other.num_rows:,}; they must be as many.")
        for name in other.column_names:
            table = table.append_column(name, other[name])
        target = target or other.column_names[0]
    elif target is None and isinstance(source, str) and source.startswith("sample:"):
        target = sample_target(source.removeprefix("sample:"))[0]
    if target is not None:
        source = source_of(target, table.column_names)
        check_known(source, table.column_names, origin)
        if source != target:  # its logarithm
            table = table.drop_columns(source).append_column(target, picked(table, [target], origin)[target])
    kept = evenly(table.num_rows, MOST_POINTS)
    drawn = table if len(kept) == table.num_rows else table.take(pa.array(kept))
    values, left_out, missing = {}, [], 0
    for name in sorted(table.column_names, key=lambda name: name == target):
        column = _values(drawn[name])
        if column is None:
            left_out.append(name)
            continue
        missing += int(np.isnan(column).sum()) if column.dtype.kind == "f" else int(drawn[name].null_count)
        values[name] = column
    if not values:
        raise DataError(f"{origin.table} has no column of numbers or of a few words to draw.")
    return Columns(values, target if target in values else None, table.num_rows, left_out, missing)


def _values(column: pa.ChunkedArray) -> np.ndarray | None:
    """Numbers, or words where there are few different ones; None for anything else."""
    if is_number(column.type) or pa.types.is_boolean(column.type):
        return np.asarray(column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False), dtype=np.float64)
    try:
        words = column.cast(pa.string())
    except pa.ArrowException:
        return None
    if len(pc.unique(words)) > MOST_LEVELS:
        return None
    return np.array(words.to_pylist(), dtype=object)


def plot(source: Any, y: Any = None, *, target: str | None = None, theme: str = "light") -> Figure:
    """Draw a table before any fit.

    Args:
        source: anything that `fit` takes: a path, a dataframe, arrays, `sample:NAME`. y: the target, beside arrays.
        target: a column of the table, or its logarithm, `log(price)`.
        theme: `light` or `dark`.

    Raises:
        DataError: no table, no such column, or nothing in it that can be drawn.

    Example:
        >>> shown = plot({"size": [1.0, 2.0, 3.0], "price": [2.0, 3.0, 5.0]}, target="price")
        >>> shown.layout.xaxis.title.text, shown.layout.yaxis.title.text
        ('size', 'price')
    """
    data = table_data(source, y, target)
    names = [name for name in data.values if name != data.target]
    drawn = len(next(iter(data.values.values())))
    notes = [
        f"{drawn:,} of {data.total_rows:,} rows are drawn." if drawn < data.total_rows else "",
        f"Not drawn: {', '.join(plain(name) for name in data.left_out[:6])}." if data.left_out else "",
        f"{counted(data.missing, 'missing value')} left out." if data.missing else "",
    ]
    pairs: list[tuple[str, str | None]] = [(name, data.target) for name in names]
    if not names:
        pairs = [(str(data.target), None)]
    elif data.target is None and len(names) > 2:
        return _matrix(data, names, notes, theme)
    elif data.target is None:
        pairs = [(names[0], names[1] if len(names) == 2 else None)]
    if len(pairs) > MOST_PANELS:
        notes.append(f"The first {MOST_PANELS} of {len(pairs):,} columns.")
        pairs = pairs[:MOST_PANELS]
    wide = 2 if len(pairs) == 4 else min(len(pairs), 3)
    tall = -(-len(pairs) // wide)
    rows = counted(data.total_rows, "row")
    title, height = f"{plain(data.target)} in {rows}" if data.target else rows, 440 if tall == 1 else 100 + 230 * tall
    grid = {"vertical_spacing": 0.32 / tall, "horizontal_spacing": 0.09}
    shown = panels(title, notes, theme, height, data, tall, wide, **grid)
    for i, (across, up) in enumerate(pairs):
        _panel(shown, data, across, up, cell(i, wide))
    shown.update_layout(showlegend=False)
    return shown


def _panel(shown: Figure, data: Columns, across: str, up: str | None, place: dict[str, int]) -> None:
    x = data.values[across]
    if up is None:
        shown.add_histogram(x=_shown(x), marker={"color": colours.DATA}, **place)
        shown.update_yaxes(title_text="rows", **place)
    elif data.is_number(across) and data.is_number(up):
        shown.rows(x, data.values[up], colours.DATA, name="data", **place)
    elif data.is_number(up):
        shown.add_box(x=_shown(x), y=data.values[up], marker={"color": colours.DATA, "size": 3}, **place)
    else:  # classes up: a box of numbers, or a histogram of words, for each
        for i, level in enumerate(sorted({word for word in data.values[up] if word is not None})):
            mine, marker = _shown(x[data.values[up] == level]), {"color": style.class_colour(i)}
            name = style.text(level, 20)
            if data.is_number(across):
                shown.add_box(x=mine, name=name, marker=marker | {"size": 3}, **place)
            else:
                shown.add_histogram(x=mine, name=name, marker=marker, **place)
    shown.update_xaxes(title_text=style.text(across, 30), nticks=6, **place)
    if up is not None and place["col"] == 1 and (data.is_number(up) or data.is_number(across)):
        shown.update_yaxes(title_text=style.text(up, 30), **place)


def _shown(values: np.ndarray) -> Any:
    return values if values.dtype.kind == "f" else [None if word is None else style.text(word, 20) for word in values]


def _matrix(data: Columns, names: list[str], notes: list[str], theme: str) -> Figure:
    numbers = [name for name in names if data.is_number(name)]
    if not numbers:
        raise DataError("The table has no column of numbers; name a target= to draw the words by.")
    chosen = numbers[:MOST_CROSSED]
    if len(chosen) < len(names):
        notes.append(f"{len(chosen)} of {len(names):,} columns.")
    shown = figure(counted(data.total_rows, "row"), notes, theme, 200 + 120 * len(chosen), data)
    shown.add_splom(
        dimensions=[{"label": style.text(name, 20), "values": data.values[name]} for name in chosen],
        marker={"size": 4, "color": colours.DATA, "opacity": 0.5},
        diagonal={"visible": False},
        showupperhalf=False,
    )
    return shown
