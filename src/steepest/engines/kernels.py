"""The compiled arithmetic of `compiled.py`: gradients of the linear family over batch after batch, by Numba.

    gather         rows laid out as they will be used
    walk           many steps in one call: gradient, record, update (`kernel_rules.py`), and again
    walk_runs      the same for many descents, one after the other
    gradient       Σ of the rows' losses and of their gradients over a range of rows (many threads may share a batch)
    gradient_runs  the same over all rows for many θ

Compiled once for each dtype: losses (`kernel_losses.py`) and rules are numbers that are looked up inside. θ and gradients
are `[k, r]`, one row an output; targets and offsets are `[k, n]`.

A batch's rows lie in panels of up to `tile` rows, each panel in one piece of memory: column after column (`across`), or
row after row where rows are longer than the panel. So every inner loop runs along memory, and along the longer side:

    prediction  f = Θ·panel        the sum of its columns, each times its coefficient      `_combine`
    gradient    g = panel·slopes   the product of each column with the slopes              `_products`

(row after row the two change places). Panels of steps to come are fetched into the cache while this one is worked on.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from steepest.engines.kernel_losses import slopes
from steepest.engines.kernel_rules import Record, RuleCode, State, advanced, penalty_at, record_at, state_at
from steepest.engines.numba_intrinsics import address, as_entry, compiled, entries_a_line, fetch, fetch_line, within

STEPS_AHEAD = 4
"""How many steps ahead a batch is fetched into the cache."""

LINES_AHEAD = 1024
"""Lines of the largest batch that is fetched ahead: a larger one is read long enough for the machine to see it coming."""

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


class LossCode(NamedTuple):
    """Which loss (its place in `kernel_losses.py`), and its number (Huber's width, the quantile's level)."""

    kind: int
    number: float


class _At(NamedTuple):
    """Rows as pointers and sizes: `targets` and `offsets` say for how many outputs there are any."""

    panels: Any
    target: Any
    codes: Any
    weights: Any
    offset: Any
    tile: int
    across: bool
    stride: int
    targets: int
    offsets: int
    coded: bool
    weighted: bool


@within
def _at(rows):
    target, codes, weights, offset = rows.target, rows.codes, rows.weights, rows.offset
    return _At(
        address(rows.panels),
        address(target),
        address(codes),
        address(weights),
        address(offset),
        rows.tile,
        rows.across,
        max(target.shape[1], offset.shape[1]),
        target.shape[0],
        offset.shape[0],
        codes.size > 0,
        weights.size > 0,
    )


@compiled
def gather(design, rows, order, start, stop, size, room):
    """Copy the rows `order[start:stop]` into the same places of `room`, whose batches have `size` rows each.

    design `[n, r]` is what `rows.panels` would be cut from; start must be where a panel begins.
    """
    _gather(address(design), _at(rows), address(order), len(order), start, stop, size, _at(room), design.shape[1])


@within
def _gather(design, rows, order, count, start, stop, size, room, width):
    first = start
    while first < stop:
        many = min(room.tile, min(first // size * size + size, count) - first)
        if room.across:
            _gather_design(design, rows, order, first, many, stop, room.panels, width, 1, many)
        else:
            _gather_design(design, rows, order, first, many, stop, room.panels, width, width, 1)
        for o in range(room.targets):
            _gather_entries(rows.target, o * rows.stride, order, first, many, room.target, o * room.stride)
        for o in range(room.offsets):
            _gather_entries(rows.offset, o * rows.stride, order, first, many, room.offset, o * room.stride)
        if room.coded:
            _gather_entries(rows.codes, 0, order, first, many, room.codes, 0)
        if room.weighted:
            _gather_entries(rows.weights, 0, order, first, many, room.weights, 0)
        first += many


@within
def _gather_design(design, rows, order, first, many, stop, panels, width, row_step, column_step):
    """One panel: its entries of a row are `column_step` apart, and its rows `row_step`.

    Four rows at a time, since what is written then lies side by side.
    """
    fours = many // 4 * 4
    for i in range(first, first + fours, 4):
        if i + 3 + ROWS_AHEAD < stop:
            for q in range(i + ROWS_AHEAD, i + 4 + ROWS_AHEAD):
                _fetch_row(design, rows, order[q], width)
        h0, h1, h2, h3 = order[i] * width, order[i + 1] * width, order[i + 2] * width, order[i + 3] * width
        to = first * width + (i - first) * row_step
        for j in range(width):
            at = to + j * column_step
            panels[at] = design[h0 + j]
            panels[at + row_step] = design[h1 + j]
            panels[at + 2 * row_step] = design[h2 + j]
            panels[at + 3 * row_step] = design[h3 + j]
    for i in range(first + fours, first + many):
        to = first * width + (i - first) * row_step
        for j in range(width):
            panels[to + j * column_step] = design[order[i] * width + j]


@within
def _fetch_row(design, rows, row, width):
    """Ask for a row. (Written out: a loop over few lines costs more than the lines.)"""
    line = entries_a_line(design)
    fetch_line(design, row * width)
    fetch_line(design, row * width + width - 1)
    if width > line:
        fetch_line(design, row * width + line)
        if width > 2 * line:
            fetch(design, row * width + 2 * line, row * width + width)
    if rows.targets:
        fetch_line(rows.target, row)
    if rows.coded:
        fetch_line(rows.codes, row)
    if rows.weighted:
        fetch_line(rows.weights, row)


@within
def _gather_entries(source, s, order, first, many, room, r):
    for i in range(first, first + many):
        room[r + i] = source[s + order[i]]


@compiled
def walk(state, rows, starts, lengths, rates, count, loss, penalty, rule, record):
    """Take the steps of a block, one for each of `starts`; `count` updates were made before them."""
    outputs, width = state.theta.shape
    scores = np.empty(outputs * rows.tile, state.theta.dtype)
    _walk(
        state_at(state), _at(rows), address(starts), address(lengths), address(rates), len(starts), count, loss,
        penalty_at(penalty), rule, record_at(record), address(scores), outputs, width,
    )  # fmt: skip
    return scores[0]  # in use until here


@within
def _walk(state, rows, starts, lengths, rates, steps, count, loss, penalty, rule, record, scores, outputs, width):
    near = LINES_AHEAD * entries_a_line(rows.panels)
    for s in range(steps):
        coming, many = 0, 0
        if s + STEPS_AHEAD < steps and lengths[s + STEPS_AHEAD] * width <= near:
            coming, many = starts[s + STEPS_AHEAD], lengths[s + STEPS_AHEAD]
        total = _sum(
            state.theta, rows, starts[s], lengths[s], loss, state.grad, scores, outputs, width, coming, many
        )  # fmt: skip
        advanced(state, total, lengths[s], rates[s], count + s + 1, penalty, rule, record, s, outputs, width)


@compiled
def walk_runs(
    states,
    rows,
    orders,
    size,
    room,
    starts,
    lengths,
    rates,
    counts,
    loss,
    penalty,
    kinds,
    numbers,
    seeds,
    turns,
    records,
):
    """`walk` for the runs `turns`; states and records have a leading axis of runs, rates are `[runs, T]`.

    orders, starts and lengths have a row for each seed, and seeds `[runs]` says which is whose: its rows are gathered
    into room, once for all runs of `turns` that follow one another with it. Without orders room holds the rows already.
    kinds `[runs, 2]` and numbers `[runs, 5]` are the runs' `RuleCode`s.
    """
    outputs, width = states.theta.shape[1:]
    grad, free = np.empty_like(states.theta[0]), np.empty_like(states.free)
    scores = np.empty(outputs * room.tile, states.theta.dtype)
    gathered = -1
    for run in turns:
        seed = seeds[run]
        if orders.shape[1] and seed != gathered:
            order = orders[seed]
            _gather(
                address(rows.panels), _at(rows), address(order), len(order), 0, len(order), size, _at(room), width
            )  # fmt: skip
            gathered = seed
        kind, number = kinds[run], numbers[run]
        rule = RuleCode(kind[0], kind[1], number[0], number[1], number[2], number[3], number[4])
        state = State(states.theta[run], states.first[run], states.second[run], grad, free)
        record = Record(records.theta[run], records.loss[run], records.grad_norm[run], records.penalty[run])
        _walk(
            state_at(state), _at(room), address(starts[seed]), address(lengths[seed]), address(rates[run]),
            starts.shape[1], counts[run], loss, penalty_at(penalty), rule, record_at(record), address(scores), outputs,
            width,
        )  # fmt: skip
    return scores[0], grad[0, 0], free.size  # in use until here


@compiled
def gradient(theta, rows, start, length, loss, grad):
    """Fill grad `[k, r]` with the sum of the gradients of rows start … start + length; the sum of their losses."""
    outputs, width = theta.shape
    scores = np.empty(outputs * rows.tile, theta.dtype)
    total = _sum(
        address(theta), _at(rows), start, length, loss, address(grad), address(scores), outputs, width, 0, 0
    )  # fmt: skip
    scores[0] = total  # in use until here
    return total


@compiled
def gradient_runs(thetas, rows, count, loss, turns, losses, grads):
    """The sums over all `count` rows of the losses `[runs]` and of their gradients `[runs, k, r]`, for the runs `turns`."""
    for run in turns:
        losses[run] = gradient(thetas[run], rows, 0, count, loss, grads[run])


@within
def _sum(theta, rows, start, length, loss, grad, scores, outputs, width, coming, coming_length):
    """What `gradient` does, panel by panel; meanwhile the rows from `coming` on are asked for, little by little.

    (All at once they would fill the queue to the memory, and this panel would have to wait.)
    """
    zero = as_entry(theta, 0)
    # asked for while the first output of the first panel is predicted, and while its gradient is summed
    ask, half, end = coming * width, (2 * coming + coming_length) * width // 2, (coming + coming_length) * width
    for e in range(outputs * width):
        grad[e] = zero
    total = 0.0
    for first in range(start, start + length, rows.tile):
        many = min(rows.tile, start + length - first)
        panel = first * width
        for o in range(outputs):
            f = o * rows.tile
            if o < rows.offsets:
                for i in range(many):
                    scores[f + i] = rows.offset[o * rows.stride + first + i]
            else:
                for i in range(many):
                    scores[f + i] = zero
            if rows.across:
                _combine(rows.panels, panel, width, many, theta, o * width, scores, f, ask, half)
            else:
                _products(rows.panels, panel, many, width, theta, o * width, scores, f, ask, half)
            ask = half
        total += slopes(loss.kind, loss.number, rows, first, many, scores, outputs)
        for o in range(outputs):
            if rows.across:
                _products(rows.panels, panel, width, many, scores, o * rows.tile, grad, o * width, half, end)
            else:
                _combine(rows.panels, panel, many, width, scores, o * rows.tile, grad, o * width, half, end)
            half = end
        ask = end
    _fetch_targets(rows, coming, coming + coming_length)
    return total


@within
def _fetch_targets(rows, start, stop):
    """Ask for what belongs to the rows start … stop beside the design."""
    for o in range(rows.targets):
        fetch(rows.target, o * rows.stride + start, o * rows.stride + stop)
    for o in range(rows.offsets):
        fetch(rows.offset, o * rows.stride + start, o * rows.stride + stop)
    if rows.coded:
        fetch(rows.codes, start, stop)
    if rows.weighted:
        fetch(rows.weights, start, stop)


@within
def _combine(matrix, m, many, long, factors, v, out, to, ask, ask_end):
    """out[to + c] += Σ_a factors[v + a]·matrix[a, c], the matrix `[many, long]` from m on; ask … ask_end are fetched."""
    fours = many // 4 * 4
    share = 4 * (ask_end - ask) // max(fours, 4)
    for a in range(0, fours, 4):
        fetch(matrix, ask, ask + share)
        ask += share
        f0, f1, f2, f3 = factors[v + a], factors[v + a + 1], factors[v + a + 2], factors[v + a + 3]
        at = m + a * long
        for c in range(long):
            out[to + c] += (
                f0 * matrix[at + c]
                + f1 * matrix[at + long + c]
                + f2 * matrix[at + 2 * long + c]
                + f3 * matrix[at + 3 * long + c]
            )
    for a in range(fours, many):
        f0 = factors[v + a]
        at = m + a * long
        for c in range(long):
            out[to + c] += f0 * matrix[at + c]


@within
def _products(matrix, m, many, long, vector, v, out, to, ask, ask_end):
    """out[to + a] += Σ_c matrix[a, c]·vector[v + c], the matrix `[many, long]` from m on; ask … ask_end are fetched."""
    zero = as_entry(out, 0)
    fours = many // 4 * 4
    share = 4 * (ask_end - ask) // max(fours, 4)
    for a in range(0, fours, 4):
        fetch(matrix, ask, ask + share)
        ask += share
        s0, s1, s2, s3 = zero, zero, zero, zero
        at = m + a * long
        for c in range(long):
            s0 += matrix[at + c] * vector[v + c]
            s1 += matrix[at + long + c] * vector[v + c]
            s2 += matrix[at + 2 * long + c] * vector[v + c]
            s3 += matrix[at + 3 * long + c] * vector[v + c]
        out[to + a] += s0
        out[to + a + 1] += s1
        out[to + a + 2] += s2
        out[to + a + 3] += s3
    for a in range(fours, many):
        s0 = zero
        at = m + a * long
        for c in range(long):
            s0 += matrix[at + c] * vector[v + c]
        out[to + a] += s0
