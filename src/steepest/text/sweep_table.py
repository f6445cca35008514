"""The runs of a sweep as tables of text, as wide as the terminal: columns are left out before a number is broken."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from steepest.data.wording import number, plain
from steepest.text.html import table as drawn
from steepest.text.summary import text_table

if TYPE_CHECKING:
    import pyarrow as pa

    from steepest.sweep_result import Sweep

NAMES = {"relative_gap": "relative gap", "test_loss": "held out"}
WAYS = ((8, 40), (5, 24), (4, 12), (3, 8))
"""Digits of a number and letters of a setting, tried in this order where the table is too wide."""


@dataclass(frozen=True)
class Runs:
    """Heads and rows of a table, and the names of the columns left out for want of room."""

    heads: list[str]
    rows: list[list[str]]
    left_out: list[str]


def best_runs(sweep: Sweep, runs: Sequence[int], width: float = float("inf")) -> Runs:
    """Number, settings, objective, held-out loss, relative gap, steps and status of some runs, in at most `width` letters.

    The column that ranks the runs, their settings and the status stay; the others go from the right.
    """
    known = sweep.columns
    some = [
        name for name in ("objective", "test_loss", "relative_gap") if any(known[name][run] is not None for run in runs)
    ]
    order = ["steps", "relative_gap", "test_loss", "objective"]
    spare = [name for name in order if name in (*some, "steps") and name != sweep.judged_by]
    heads: list[str] = []
    rows: list[list[str]] = []
    for gone in range(len(spare) + 1):
        names = [name for name in (*some, "steps") if name not in spare[:gone]]
        for digits, letters in WAYS:
            heads, rows = _cells(sweep, runs, names, digits, letters)
            if wide(heads, rows) <= width:
                return Runs(heads, rows, [NAMES.get(name, name) for name in spare[:gone]])
    return Runs(heads, rows, [NAMES.get(name, name) for name in spare])


def _cells(
    sweep: Sweep, runs: Sequence[int], names: Sequence[str], digits: int, letters: int
) -> tuple[list[str], list[list[str]]]:
    known = sweep.columns
    heads = ["run", *sweep.settings, *(NAMES.get(name, name) for name in names), "status"]
    rows = []
    for run in runs:
        settings = [_setting(sweep, values[run], digits, letters) for values in sweep.settings.values()]
        numbers = [_number(name, known[name][run], digits) for name in names]
        rows.append([str(run), *settings, *numbers, str(known["status"][run])])
    return heads, rows


def _setting(sweep: Sweep, value: Any, digits: int, letters: int) -> str:
    return number(value, min(digits, 6)) if isinstance(value, float) else plain(sweep.shown(value), letters)


def _number(name: str, value: float | None, digits: int) -> str:
    if value is None:
        return ""
    return f"{value:.1e}" if name == "relative_gap" else f"{value:,}" if name == "steps" else number(value, digits)


def wide(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> int:
    """Letters of a line of the table as `scores.rich_table` draws it."""
    return sum(max(map(len, column)) + 3 for column in zip(heads, *rows, strict=True))


# ---- a sweep -------------------------------------------------------------------------------------


def sweep_html(sweep: Sweep) -> str:
    """A sweep as a notebook shows it: its best runs first."""
    title, runs = _best_first(sweep, 30)
    best = best_runs(sweep, runs)
    return f"<div><b>{title}</b>{drawn(best.heads, best.rows)}</div>"


def sweep_text(sweep: Sweep) -> str:
    """A sweep as a terminal shows it."""
    room = shutil.get_terminal_size().columns
    title, runs = _best_first(sweep, 10)
    best = best_runs(sweep, runs, room)
    more = [f"Not shown for want of room: {', '.join(best.left_out)}; see .table()."] if best.left_out else []
    return "\n".join([title, text_table(best.heads, best.rows, room), *more])


def _best_first(sweep: Sweep, most: int) -> tuple[str, list[int]]:
    """A title, and the numbers of the best runs, those that did not end well behind them."""
    ranked = sweep.ranked()
    runs = [*ranked, *np.setdiff1d(np.arange(len(sweep)), ranked).tolist()][:most]
    more = "" if len(runs) == len(sweep) else f", the best {len(runs)}"
    return f"{len(sweep):,} descents{more}", runs


# ---- all columns ---------------------------------------------------------------------------------


def text_of(table: pa.Table, most: int) -> str:
    """The first rows of `Sweep.table()` for a terminal."""
    room = shutil.get_terminal_size().columns
    heads, rows = _all(table, most, 6, 24)
    names = list(heads)
    # settings come first; what is left out goes from the right, all but the status
    while wide(heads, rows) > room and len(names) > 2:
        place = len(names) - 1 if names[-1] != "status" else len(names) - 2
        names.pop(place)
        heads, rows = (
            [heads[i] for i in range(len(heads)) if i != place],
            [row[:place] + row[place + 1 :] for row in rows],
        )
    shape = f"{table.num_rows:,} runs × {table.num_columns} columns"
    gone = [name for name in table.column_names if name not in names]
    more = f"; not shown: {', '.join(gone)}" if gone else ""
    return f"{text_table(heads, rows, room)}\n{shape}{more}"


def html_of(table: pa.Table, most: int) -> str:
    """The same for a notebook, with all columns."""
    return f"<div>{drawn(*_all(table, most, 6, 60))}{table.num_rows:,} runs</div>"


def _all(table: pa.Table, most: int, digits: int, letters: int) -> tuple[list[str], list[list[str]]]:
    write: Callable[[Any], str] = lambda value: (  # noqa: E731
        "" if value is None else number(value, digits) if isinstance(value, float) else plain(value, letters)
    )
    rows = [[write(value) for value in row.values()] for row in table.slice(0, most).to_pylist()]
    if table.num_rows > most:
        rows.append(["…"] * table.num_columns)
    return list(table.column_names), rows
