"""Rows as the compiled code reads them, and their copies in panels.

    gather    rows laid out as they will be used

A batch's rows lie in panels of up to `tile` rows, each panel in one piece of memory: column after column (`across`), or
row after row where rows are longer than the panel.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from steepest.machine_code.compiler import Compiled, compiled, once
from steepest.machine_code.instructions import (
    INTEGER,
    Code,
    Number,
    Pointer,
    entries_a_line,
    grouped,
    least,
    to,
    transpose,
)

ROWS_AHEAD = 48
"""How many rows ahead are fetched where they lie scattered: about as many as can be under way at once."""


class Rows(NamedTuple):
    """Rows in the order in which they are used.

    panels: the design's entries `[n·r]`, laid out as the module's text says. target and offset `[k, n]`, codes and
    weights `[n]`; what a problem does not have is empty.
    """

    panels: np.ndarray
    target: np.ndarray
    codes: np.ndarray
    weights: np.ndarray
    offset: np.ndarray
    tile: int
    across: bool

    @property
    def arguments(self) -> tuple[Any, ...]:
        """What compiled code is given: see `RowsAt`."""
        return *self[:5], max(self.target.shape[1], self.offset.shape[1])


class RowsAt(NamedTuple):
    """Rows in compiled code; stride: how many there are."""

    panels: Pointer
    target: Pointer
    codes: Pointer
    weights: Pointer
    offset: Pointer
    stride: Number

    @classmethod
    def types(cls, entry: str) -> tuple[Any, ...]:
        """What compiled code takes for them."""
        return to(entry), to(entry), to("int64"), to(entry), to(entry), INTEGER


class Layout(NamedTuple):
    """What is known of rows before code for them is compiled.

    targets and offsets say for how many of the k outputs there are any; width: columns.
    """

    entry: str
    outputs: int
    width: int
    tile: int
    across: bool
    targets: int
    offsets: int
    coded: bool
    weighted: bool

    @classmethod
    def of(cls, rows: Rows, outputs: int, width: int) -> Layout:
        """That of rows which lie in panels."""
        return cls(
            rows.panels.dtype.name, outputs, width, rows.tile, rows.across, len(rows.target), len(rows.offset),
            rows.codes.size > 0, rows.weights.size > 0,
        )  # fmt: skip


def gather(rows: Rows, width: int, order: np.ndarray, start: int, stop: int, size: int, room: Rows) -> None:
    """Copy the rows `order[start:stop]` into the same places of `room`, whose batches have `size` rows each.

    width: columns. rows lie row after row; start must be where a batch or, of a single one, a panel begins.
    """
    run = _gather(Layout.of(room, 1, width))
    run(*rows.arguments, order, start, stop, size, *room.arguments)


@once
def _gather(layout: Layout) -> Compiled:
    def write(code: Code, *given: Any) -> None:
        rows, order, start, stop, size, room = grouped(given, RowsAt, *[None] * 4, RowsAt)
        write_gather(code, layout, rows, order, start, stop, size, room)

    types = RowsAt.types(layout.entry)
    return compiled(write, *types, to("int64"), *[INTEGER] * 3, *types)


def write_gather(
    code: Code, layout: Layout, rows: RowsAt, order: Pointer, start: Any, stop: Any, size: Any, room: RowsAt
) -> None:
    """What `gather` does."""
    parts = [(rows.weights, room.weights)] * layout.weighted + [(rows.codes, room.codes)] * layout.coded
    for many, source, copy in ((layout.targets, rows.target, room.target), (layout.offsets, rows.offset, room.offset)):
        parts += [(source + o * rows.stride, copy + o * room.stride) for o in range(many)]
    with code.each(start, stop, size) as batch:
        end = least(batch + size, stop)
        with code.each(batch, end, layout.tile) as first:
            many = least(end - first, layout.tile)
            _gather_panel(code, layout, rows, order, first, many, stop, room.panels)
            for source, copy in parts:
                with code.each(first, first + many) as i:
                    copy[i] = source[order[i]]


def _gather_panel(
    code: Code, layout: Layout, rows: RowsAt, order: Pointer, first: Number, many: Any, stop: Number, panels: Pointer
) -> None:
    """The design's entries of a panel, four rows at a time, since what is written then lies side by side."""
    width, to_row, to_column = layout.width, *((1, many) if layout.across else (layout.width, 1))
    panel, fours = panels + first * width, many // 4 * 4
    for start, end, together in ((0, fours, 4), (fours, many, 1)):
        with code.each(start, end, together) as i:
            if together > 1:
                with (
                    code.when(first + i + (together + ROWS_AHEAD) <= stop),
                    code.each(first + i + ROWS_AHEAD, first + i + (together + ROWS_AHEAD)) as q,
                ):
                    _fetch_row(code, layout, rows, order[q])
            sources = [rows.panels + order[first + i + k] * width for k in range(together)]
            across = width // 4 * 4 if layout.across and together == 4 else 0
            if across:
                with code.each(0, across, 4) as j:
                    copy = panel + (i + j * many)
                    transpose([source + j for source in sources], [copy + k * many for k in range(4)])
            with code.each(across, width) as j:
                copy = panel + (i * to_row + j * to_column)
                for k, source in enumerate(sources):
                    copy[k * to_row] = source[j]


def _fetch_row(code: Code, layout: Layout, rows: RowsAt, row: Number) -> None:
    """Ask for a row."""
    design, width = rows.panels + row * layout.width, layout.width
    for place in range(0, width + entries_a_line(design) - 1, entries_a_line(design)):
        code.fetch(design, min(place, width - 1))
    if layout.targets:
        code.fetch(rows.target, row)
    if layout.coded:
        code.fetch(rows.codes, row)
    if layout.weighted:
        code.fetch(rows.weights, row)
