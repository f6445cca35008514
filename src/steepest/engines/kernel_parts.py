"""Compiled steps of batches that are added up in parts, each apart and then in a fixed tree (`ranks/tree.py`).

    for each step:
        each part's gradient        one function of machine code, whoever calls it: `kernels.gradient`
        neighbours added            ((0 1) (2 3)) ((4 5) (6 7)), as far as this process has them
        exchange                    with what other ranks have, where there are others
        record, update              `kernel_rules.write_step`

Functions are called by their addresses: compiled anew in another place, sums of the same numbers may differ in their last bits.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np

from steepest.engines import kernels
from steepest.engines.kernel_rows import Layout, Rows, RowsAt
from steepest.engines.kernel_rules import PenaltyCode, Record, RuleCode, State, StepKind, write_step
from steepest.machine_code.compiler import Compiled, compiled, once
from steepest.machine_code.instructions import INTEGER, REAL, Code, Number, grouped, to
from steepest.ranks.tree import PARTS

Exchange = Callable[[np.ndarray, np.ndarray], None]
"""Puts the sums of all ranks, a gradient `[k, r]` and a loss `[1]`, in the place of this one's."""


def walk_parts(
    state: State, rows: Rows, starts: np.ndarray, lengths: np.ndarray, count: int, rates: np.ndarray, before: int,
    loss: kernels.LossCode, penalty: PenaltyCode, rule: RuleCode, record: Record, exchange: Exchange | None = None,
) -> None:  # fmt: skip
    """Take the steps of a chunk for one run.

    starts, lengths: `[parts, T]`, of the parts of each batch that lie in rows. count: rows of a whole batch. rates: `[T]`.
    before: updates before. exchange: what adds the parts that others have; None where all are here.
    """
    outputs, width = state.theta.shape
    entry, parts = state.theta.dtype, len(starts)
    layout = Layout.of(rows, outputs, width)
    step = StepKind.of(penalty, np.array([rule[:2]]), np.array([rule[2:]]))
    run, gradient = _walk_parts(layout, loss.name, step), kernels._gradient(layout, loss.name)
    adding = _add(entry.name), _add("float64")
    sums, totals = np.empty((parts, outputs, width), entry), np.empty(parts)
    scores, raised = np.empty(outputs * rows.tile, entry), list[BaseException]()

    def between(*_: Any) -> None:
        if not raised and exchange is not None:
            try:
                exchange(sums[0], totals[:1])
            except BaseException as error:  # no exception passes through machine code: it is raised behind it
                raised.append(error)

    back = _CALLED(between)
    address = 0 if exchange is None else ctypes.cast(back, ctypes.c_void_p).value
    run(
        *state[:-2], state.free, sums, totals, scores, *rows.arguments, starts, lengths, parts, count, rates, len(rates), before,
        loss.number, gradient.address, adding[0].address, adding[1].address, address, *penalty, *rule, *record,
    )  # fmt: skip
    if raised:
        raise raised[0]


_CALLED = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)


@once
def _add(entry: str) -> Compiled:
    """one += two, entry by entry."""

    def write(code: Code, one: Any, two: Any, entries: Number) -> None:
        with code.each(entries) as e:
            one[e] = one[e] + two[e]

    return compiled(write, to(entry), to(entry), INTEGER)


@once
def _walk_parts(layout: Layout, loss: str, step: StepKind) -> Compiled:
    entries, integers = to(layout.entry), to("int64")
    shape, size = (layout.outputs, layout.width), layout.outputs * layout.width
    moved = len(State._fields) - 2

    def write(code: Code, *given: Any) -> None:
        *states, free, sums, totals, scores = given[: moved + 4]
        rows, *others = grouped(given[moved + 4 :], RowsAt, *[None] * 12, PenaltyCode, RuleCode, Record)
        starts, lengths, parts, count, rates, steps, before, number, gradient, add, add_totals, exchange = others[:12]
        penalty, rule, record = others[12:]
        state = State._make([*states, sums, free])
        with code.each(steps) as s:
            with code.each(parts) as k:
                place = k * steps + s
                taken = state.theta, *rows, starts[place], lengths[place], number, sums + k * size, scores
                totals[k] = code.call_at(gradient, REAL, *taken)
            for level in (1 << power for power in range(PARTS.bit_length() - 1)):
                with code.when(parts > level), code.each(0, parts, 2 * level) as k:
                    code.call_at(add, None, sums + k * size, sums + (k + level) * size, code.integer(size))
                    code.call_at(add_totals, None, totals + k, totals + (k + level), code.integer(1))
            with code.when(exchange.is_not(0)):
                code.call_at(exchange, None, sums, totals)
            write_step(code, shape, step, state, totals[0], count, rates[s], before + s + 1, penalty, rule, record, s)

    return compiled(
        write, *[entries] * moved, entries, entries, to("float64"), entries, *RowsAt.types(layout.entry), integers, integers,
        INTEGER, INTEGER, to("float64"), INTEGER, INTEGER, REAL, *[INTEGER] * 4, *PenaltyCode.types(layout.entry),
        *RuleCode.types(), *[entries] * 4,
    )  # fmt: skip
