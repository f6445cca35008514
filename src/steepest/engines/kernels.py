"""The compiled arithmetic of `compiled.py`: gradients of the linear family over batch after batch.

    walk_runs      the steps of many descents, one after the other: gradient, record, update (`kernel_rules.py`), and again
    gradient       Σ of the rows' losses and of their gradients over a range of rows (many threads may share a batch)

Compiled for the sizes, the loss (`kernel_losses.py`) and the rules that are asked for. θ and gradients are `[k, r]`, one
row an output; targets and offsets are `[k, n]`. Rows lie in panels (`kernel_rows.py`), so that every inner loop runs along
memory, and along a panel's longer side:

    prediction  f = Θ·panel        the sum of its columns, each times its coefficient      `_combine`
    gradient    g = panel·slopes   the product of each column with the slopes              `_products`

(row after row the two change places). Panels of steps to come are fetched into the cache while this one is worked on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from steepest.engines.kernel_losses import slopes
from steepest.engines.kernel_reduction import Reducing, Slopes
from steepest.engines.kernel_rows import Layout, Rows, RowsAt, write_gather
from steepest.engines.kernel_rules import PenaltyCode, Record, RuleCode, State, StepKind, write_step
from steepest.machine_code.compiler import Compiled, compiled, once
from steepest.machine_code.instructions import INTEGER, REAL, Code, Number, Pointer, entries_a_line, grouped, least, to

STEPS_AHEAD = 4
"""How many steps ahead a batch is fetched into the cache."""

LINES_AHEAD = 1024
"""Lines of the largest batch that is fetched ahead: a larger one is read long enough for the machine to see it coming."""


class LossCode(NamedTuple):
    """Which loss, and its number (Huber's width, the quantile's level)."""

    name: str
    number: float


def gradient(theta: np.ndarray, rows: Rows, start: int, length: int, loss: LossCode, grad: np.ndarray) -> float:
    """Fill grad `[k, r]` with the sum of the gradients of rows start … start + length; the sum of their losses."""
    run = _gradient(Layout.of(rows, *theta.shape), loss.name)
    return run(theta, *rows.arguments, start, length, loss.number, grad, np.empty(len(theta) * rows.tile, theta.dtype))


@once
def _gradient(layout: Layout, loss: str) -> Compiled:
    def write(code: Code, *given: Any) -> Number:
        theta, rows, start, length, number, grad, scores = grouped(given, None, RowsAt, *[None] * 5)
        return _sum(code, layout, loss, theta, rows, start, length, number, grad, scores)

    entries = to(layout.entry)
    numbers = INTEGER, INTEGER, REAL
    return compiled(write, entries, *RowsAt.types(layout.entry), *numbers, entries, entries, result=REAL)


def walk_runs(
    states: State, rows: Rows, orders: np.ndarray, size: int, room: Rows, starts: np.ndarray, lengths: np.ndarray,
    rates: np.ndarray, counts: np.ndarray, loss: LossCode, penalty: PenaltyCode, kinds: np.ndarray, numbers: np.ndarray,
    seeds: np.ndarray, turns: np.ndarray, records: Record, reduced: bool = False, tables: np.ndarray | None = None,
) -> None:  # fmt: skip
    """Take the steps of a chunk for the runs `turns`; states and records have a leading axis of runs, rates are `[runs, T]`.

    orders, starts and lengths have a row for each seed, and seeds `[runs]` says which is whose: its rows are gathered
    into room, once for all runs of `turns` that follow one another with it. Without orders room holds the rows already.
    counts `[runs]`: updates before. kinds `[runs, 2]` and numbers `[runs, 6]` are the runs' `RuleCode`s.
    reduced: whether svrg and saga are to go by their gradients of less variance. tables `[runs, k, n]`: the slopes of saga's.
    """
    outputs, width = states.theta.shape[1:]
    entry = states.theta.dtype
    layout = Layout.of(room, outputs, width)
    run = _walk_runs(layout, loss.name, StepKind.of(penalty, kinds, numbers, reduced), size, orders.shape[1] > 0)
    tables = np.empty((len(kinds), outputs, 0), entry) if tables is None else tables
    grad, free = states.grad.shape, states.free.shape
    scratch = (np.empty(part, entry) for part in (grad, free, outputs * room.tile, grad))
    run(
        *states[:-2], *scratch, tables, tables.shape[2], *rows.arguments, *room.arguments, orders, orders.shape[1], starts,
        lengths, rates, starts.shape[1], counts, loss.number, *penalty, kinds, numbers, seeds, turns, len(turns), *records,
    )  # fmt: skip


@once
def _walk_runs(layout: Layout, loss: str, step: StepKind, size: int, gathers: bool) -> Compiled:
    entries, integers, reals = to(layout.entry), to("int64"), to("float64")
    shape = layout.outputs, layout.width
    entries_of_theta = layout.outputs * layout.width

    def write(code: Code, *given: Any) -> None:
        states, scores, held, tables, length_of_table, rows, room, *others = grouped(
            given, State, *[None] * 4, RowsAt, RowsAt, *[None] * 8, PenaltyCode, *[None] * 5, Record
        )
        orders, order_length, starts, lengths, rates, steps, counts, number, penalty = others[:9]
        kinds, numbers, seeds, turns, many, records = others[9:]
        gathered = code.room(INTEGER)
        gathered[0] = -1
        with code.each(many) as turn:
            run = turns[turn]
            seed = seeds[run]
            order = orders + seed * order_length if gathers else None
            if order is not None:
                with code.when(gathered[0].is_not(seed)):
                    gathered[0] = seed
                    write_gather(code, layout, rows, order, code.integer(0), order_length, size, room)
            at = run * entries_of_theta
            rule = RuleCode(*(kinds[run * 2 + i] for i in range(2)), *(numbers[run * 6 + i] for i in range(6)))
            state = State._make([*(part + at for part in states[:-2]), states.grad, states.free])
            first = run * steps
            record = Record(records.theta + first * entries_of_theta, *(part + first for part in records[1:]))
            ahead = size * layout.width <= LINES_AHEAD * entries_a_line(scores)
            table = tables + run * length_of_table * layout.outputs
            reducing = Reducing(code, layout, step, rule.kind, state, held, table, length_of_table, order)
            with code.each(steps) as s:
                start, length = starts[seed * steps + s], lengths[seed * steps + s]
                coming = starts[seed * steps + least(s + STEPS_AHEAD, steps - 1)] if ahead else None
                batch = room, start, length, number
                total = _sum(code, layout, loss, state.theta, *batch, state.grad, scores, coming, reducing.by_table)
                reducing.finish(
                    length, lambda theta, grad, batch=batch: _sum(code, layout, loss, theta, *batch, grad, scores)
                )
                write_step(
                    code, shape, step, state, total, length, rates[first + s], counts[run] + s + 1, penalty, rule,
                    record, s,
                )  # fmt: skip

    rows_types = RowsAt.types(layout.entry)
    return compiled(
        write, *[entries] * (len(State._fields) + 3), INTEGER, *rows_types, *rows_types, integers, INTEGER, integers, integers,
        reals, INTEGER, integers, REAL, *PenaltyCode.types(layout.entry), integers, reals, integers, integers, INTEGER,
        *[entries] * 4,
    )  # fmt: skip


def _sum(
    code: Code, layout: Layout, loss: str, theta: Pointer, rows: RowsAt, start: Number, length: Number, number: Number,
    grad: Pointer, scores: Pointer, coming: Number | None = None, after: Slopes | None = None,
) -> Number:  # fmt: skip
    """What `gradient` does, panel by panel; meanwhile the rows from `coming` on are asked for, little by little.

    after: what becomes of a panel's slopes before they are multiplied.

    (All at once they would fill the queue to the memory, and this panel would have to wait.)
    """
    total = code.zero(REAL)
    with code.each(layout.outputs * layout.width) as e:
        grad[e] = 0.0
    end = start + length
    with code.each(start, end, layout.tile) as first:
        ask = None if coming is None else coming + (first - start)
        many = least(end - first, layout.tile)
        total[0] += _panel(code, layout, loss, theta, rows, first, many, number, grad, scores, ask, after)
    return total[0]


def _panel(
    code: Code, layout: Layout, loss: str, theta: Pointer, rows: RowsAt, first: Number, many: Any, number: Number,
    grad: Pointer, scores: Pointer, ask: Number | None, after: Slopes | None,
) -> Number:  # fmt: skip
    """Add the gradients of a panel to grad; the sum of its losses."""
    width, tile = layout.width, layout.tile
    panel = rows.panels + first * width
    early, late = _asking(code, layout, rows.panels, ask)
    with code.each(layout.outputs) as o:
        f, own = scores + o * tile, theta + o * width
        with code.each(many) as i:
            f[i] = rows.offset[o * rows.stride + first + i] if layout.offsets else 0.0
        if layout.across:
            _combine(code, panel, width, many, own, f, early(o))
        else:
            _products(code, panel, many, width, own, f, early(o))
    total = slopes(code, layout, loss, number, rows, first, many, scores)
    if after is not None:
        after(first, many, scores)
    with code.each(layout.outputs) as o:
        f, own = scores + o * tile, grad + o * width
        if layout.across:
            _products(code, panel, width, many, f, own, late(o))
        else:
            _combine(code, panel, many, width, f, own, late(o))
    if ask is not None:
        _fetch_targets(code, layout, rows, ask)
    return total


def _asking(code: Code, layout: Layout, panels: Pointer, ask: Number | None) -> tuple[Any, Any]:
    """For either half of the work on a panel what asks for the rows from `ask` on: of an output, of a four of its loop."""
    fours = (layout.width if layout.across else layout.tile) // 4
    line, pieces = entries_a_line(panels), 2 * layout.outputs * max(fours, 1)
    share = -(-layout.tile * layout.width // (line * pieces))

    def half(number: int) -> Callable[[Number], Callable[[Number], None]]:
        def of_output(o: Number) -> Callable[[Number], None]:
            def fetch(a: Number) -> None:
                if ask is not None:
                    piece = (o + number * layout.outputs) * fours + a // 4
                    place = ask * layout.width + piece * (share * line)
                    code.fetch_all(panels, place, place + share * line)

            return fetch

        return of_output

    return half(0), half(1)


def _fetch_targets(code: Code, layout: Layout, rows: RowsAt, start: Number) -> None:
    """Ask for what belongs to a panel's rows beside the design."""
    for many, source in ((layout.targets, rows.target), (layout.offsets, rows.offset)):
        for o in range(many):
            code.fetch_all(source, o * rows.stride + start, o * rows.stride + start + layout.tile)
    for there, source in ((layout.coded, rows.codes), (layout.weighted, rows.weights)):
        if there:
            code.fetch_all(source, start, start + layout.tile)


def _in_fours(code: Code, many: Any, fetch: Callable[[Number], None]) -> Iterator[tuple[Number, int]]:
    """Loops over many entries: the first of four at a time, for which fetch is called, then each that is left; and how many."""
    fours = many // 4 * 4
    for start, stop, together in ((0, fours, 4), (fours, many, 1)):
        with code.each(start, stop, together) as a:
            if together == 4:
                fetch(a)
            yield a, together


def _combine(
    code: Code, matrix: Pointer, many: Any, long: Any, factors: Pointer, out: Pointer, fetch: Callable[[Number], None]
) -> None:
    """out[c] += Σ_a factors[a]·matrix[a, c], the matrix `[many, long]`; fetch is called with every fourth a."""
    for a, together in _in_fours(code, many, fetch):
        rows = [(factors[a + k], matrix + (a + k) * long) for k in range(together)]
        with code.each(long) as c:
            out[c] += sum(factor * row[c] for factor, row in rows)


def _products(
    code: Code, matrix: Pointer, many: Any, long: Any, vector: Pointer, out: Pointer, fetch: Callable[[Number], None]
) -> None:
    """out[a] += Σ_c matrix[a, c]·vector[c], the matrix `[many, long]`; fetch is called with every fourth a."""
    for a, together in _in_fours(code, many, fetch):
        rows = [matrix + (a + k) * long for k in range(together)]
        sums = [code.zero(out.kind) for _ in rows]
        with code.each(long) as c:
            for total, row in zip(sums, rows, strict=True):
                total[0] += row[c] * vector[c]
        for k, total in enumerate(sums):
            out[a + k] += total[0]
