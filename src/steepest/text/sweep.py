"""The runs of a sweep as tables, as wide as the terminal: columns are left out before a number is broken."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from math import inf, isfinite
from typing import TYPE_CHECKING, Any

from steepest.data.wording import in_short, number, plain
from steepest.text.document import Document, Table, Title, Words
from steepest.text.terminal import width_of

if TYPE_CHECKING:
    import pyarrow as pa

    from steepest.sweep_result import Sweep

NAMES = {"relative_gap": "relative gap", "test_loss": "held out"}
MOST, MOST_IN_A_TERMINAL = 30, 10
"""Runs of a sweep that are shown."""

PRECISIONS = ((8, 40), (5, 24), (4, 12), (3, 8))
"""Digits of a number and letters of a setting, tried in this order where the table is too wide."""


def document(sweep: Sweep, width: float = inf) -> Document:
    """What is shown of a sweep: its best runs first, those that did not end well behind them."""
    ranked = sweep.ranked()
    well = set(ranked)
    runs = [*ranked, *(run for run in range(len(sweep)) if run not in well)][
        : MOST_IN_A_TERMINAL if isfinite(width) else MOST
    ]
    more = "" if len(runs) == len(sweep) else f", the best {len(runs)}"
    table, left_out = best_runs(sweep, runs, width)
    said = [Words(f"Not shown for want of room: {', '.join(left_out)}; see .table().")] if left_out else []
    said += [Words(str(test)) for test in (sweep.nested_tests() if sweep.compared else [])]
    return Document([Title(f"{len(sweep):,} descents{more}"), table, *said])


def best_runs(sweep: Sweep, runs: Sequence[int], width: float = inf) -> tuple[Table, list[str]]:
    """Number, settings, objective, held-out loss, relative gap, steps and status of some runs, in at most `width` letters.

    The column that ranks the runs, their settings and the status stay; the others go from the right.

    Returns:
        The table, and the names of the columns left out.
    """
    known = sweep.columns
    some = [
        name for name in ("objective", "test_loss", "relative_gap") if any(known[name][run] is not None for run in runs)
    ]
    names = [*some, "steps"]
    spare = [
        name
        for name in ("steps", "relative_gap", "test_loss", "objective")
        if name in names and name != sweep.judged_by
    ]
    for gone, precision in product(range(len(spare) + 1), PRECISIONS):
        table = _best(sweep, runs, [name for name in names if name not in spare[:gone]], *precision)
        if width_of(table) <= width:
            break
    return table, [NAMES.get(name, name) for name in spare[:gone]]


def _best(sweep: Sweep, runs: Sequence[int], names: Sequence[str], digits: int, letters: int) -> Table:
    known = sweep.columns
    heads = ["run", *sweep.settings, *(NAMES.get(name, name) for name in names), "status"]
    rows = []
    for run in runs:
        settings = [_setting(values[run], digits, letters) for values in sweep.settings.values()]
        numbers = [_number(name, known[name][run], digits) for name in names]
        rows.append([str(run), *settings, *numbers, str(known["status"][run])])
    return Table(heads, rows)


def _setting(value: Any, digits: int, letters: int) -> str:
    return number(value, min(digits, 6)) if isinstance(value, float) else plain(in_short(value), letters)


def _number(name: str, value: float | None, digits: int) -> str:
    if value is None:
        return ""
    return f"{value:.1e}" if name == "relative_gap" else f"{value:,}" if name == "steps" else number(value, digits)


def table_document(table: pa.Table, most: int, width: float = inf) -> Document:
    """The first rows of `Sweep.table()`: settings come first; columns are left out from the right, all but the status."""
    names, letters = list(table.column_names), 24 if isfinite(width) else 60
    rows = [[_cell(value, letters) for value in row.values()] for row in table.slice(0, most).to_pylist()]
    if table.num_rows > most:
        rows.append(["…"] * table.num_columns)
    while width_of(Table(names, rows)) > width and len(names) > 2:
        gone = len(names) - (1 if names[-1] != "status" else 2)
        names, rows = names[:gone] + names[gone + 1 :], [row[:gone] + row[gone + 1 :] for row in rows]
    left_out = [name for name in table.column_names if name not in names]
    more = f"; not shown: {', '.join(left_out)}" if left_out else ""
    return Document([Table(names, rows), Words(f"{table.num_rows:,} runs × {table.num_columns} columns{more}")])


def _cell(value: Any, letters: int) -> str:
    return "" if value is None else number(value, 6) if isinstance(value, float) else plain(value, letters)
