"""What one compiled step does with a gradient: record it, add the penalty's, move θ by a rule.

The formulas of `formulas/rules.py` and the penalties of `model/penalties.py`, entry by entry. Entries of θ `[k, r]` lie one
output after the other, e = o·r + j; those of θ in user units `[k, p]` likewise.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from steepest.engines.numba_intrinsics import address, as_entry, compiled, within
from steepest.formulas.rules import FORMULAS, RuleFormula

SMOOTH_ONLY, PROXIMAL, SUBGRADIENT = range(3)


class PenaltyCode(NamedTuple):
    """l1·Σ|θ| + l2·Σθ² with θ = origin + matrix·c: mask and origin `[k, p]`, matrix `[p, r]` (empty in user units).

    thresholds and shift `[k, r]` are those of the proximal step.
    """

    l1: float
    l2: float
    mask: np.ndarray
    matrix: np.ndarray
    origin: np.ndarray
    thresholds: np.ndarray
    shift: np.ndarray


class RuleCode(NamedTuple):
    """Which rule, and the numbers of its formula (0 where it has fewer); clip is the longest gradient let through
    (infinity: any).

    kind: its place in `KINDS`. kink: what becomes of the penalty's kink; gain: that of the proximal step.
    """

    kind: int
    kink: int
    number1: float
    number2: float
    decay: float
    clip: float
    gain: float


class State(NamedTuple):
    """What moves: θ `[k, r]`, the rule's memory `[k, r]` or empty, and room for a gradient and a penalty's `[k, p]`."""

    theta: np.ndarray
    first: np.ndarray
    second: np.ndarray
    grad: np.ndarray
    free: np.ndarray


class Record(NamedTuple):
    """What is kept of T steps: θ `[T, k, r]` before each update, the batch's loss, its gradient's length, penalty."""

    theta: np.ndarray
    loss: np.ndarray
    grad_norm: np.ndarray
    penalty: np.ndarray


class _PenaltyAt(NamedTuple):
    l1: float
    l2: float
    mask: Any
    matrix: Any
    origin: Any
    thresholds: Any
    shift: Any
    parameters: int
    turned: bool


@within
def state_at(state):
    """A state's arrays as pointers."""
    first, second = address(state.first), address(state.second)
    return State(address(state.theta), first, second, address(state.grad), address(state.free))


@within
def record_at(record):
    """A record's arrays as pointers."""
    return Record(address(record.theta), address(record.loss), address(record.grad_norm), address(record.penalty))


@within
def penalty_at(penalty):
    """A penalty's arrays as pointers, and how many parameters an output has."""
    return _PenaltyAt(
        penalty.l1,
        penalty.l2,
        address(penalty.mask),
        address(penalty.matrix),
        address(penalty.origin),
        address(penalty.thresholds),
        address(penalty.shift),
        penalty.mask.shape[1],
        penalty.matrix.size > 0,
    )


KINDS = tuple(FORMULAS)
"""Rules that can be compiled, in the order of their numbers."""


def _loop_of(rule: RuleFormula) -> Any:
    """The loop over the entries that moves θ by a rule's formula."""
    formula, count = within(rule.formula), len(rule.numbers) - rule.decays

    def without_memory(theta, grad, first, second, lr, t, numbers, size):
        for e in range(size):
            theta[e] -= formula(grad[e], lr, t, *numbers[:count])[0]

    def with_one(theta, grad, first, second, lr, t, numbers, size):
        for e in range(size):
            step, first[e] = formula(grad[e], first[e], lr, t, *numbers[:count])
            theta[e] -= step

    def with_two(theta, grad, first, second, lr, t, numbers, size):
        for e in range(size):
            step, first[e], second[e] = formula(grad[e], first[e], second[e], lr, t, *numbers[:count])
            theta[e] -= step

    return within((without_memory, with_one, with_two)[len(rule.memories)])


def _either(kind: int, loop: Any, others: Any) -> Any:
    """The loop of this kind, or what the others do."""

    @within
    def update(kind_now, *rest):
        if kind_now == kind:
            loop(*rest)
        else:
            others(kind_now, *rest)

    return update


@within
def _none(kind_now, *rest):
    pass


_by_kind: Callable[..., None] = _none
for _kind, _name in enumerate(KINDS):
    _by_kind = _either(_kind, _loop_of(FORMULAS[_name]), _by_kind)


@within
def _update(state, rate, count, rule, size):
    """Move θ by a rule."""
    theta = state.theta
    if rule.decay != 0.0:
        keep = as_entry(theta, 1.0 - rate * rule.decay)
        for e in range(size):
            theta[e] *= keep
    numbers = (rule.number1, rule.number2)
    _by_kind(rule.kind, theta, state.grad, state.first, state.second, rate, float(count), numbers, size)


@compiled
def advance(state, total, length, rate, count, penalty, rule, record, at):
    """One step, from the sums over a batch of `length` rows; `count` is 1 at the first, `at` its place in the record."""
    outputs, width = state.theta.shape
    step, place = state_at(state), record_at(record)
    advanced(step, total, length, rate, count, penalty_at(penalty), rule, place, at, outputs, width)


@within
def advanced(state, total, length, rate, count, penalty, rule, record, at, outputs, width):
    """What `advance` does."""
    theta, grad, size = state.theta, state.grad, outputs * width
    share, square = as_entry(theta, 1.0 / length), as_entry(theta, 0)
    for e in range(size):
        record.theta[at * size + e] = theta[e]
        grad[e] *= share
        square += grad[e] * grad[e]
    record.loss[at] = total / length
    record.penalty[at] = 0.0
    if penalty.l1 != 0.0 or penalty.l2 != 0.0:
        record.penalty[at] = _free(theta, penalty, state.free, outputs, width)
    if penalty.l2 != 0.0:
        _pull_back(grad, as_entry(grad, 2.0 * penalty.l2), False, penalty, state.free, outputs, width)
        square = _square(grad, size)
    record.grad_norm[at] = np.sqrt(square)
    if rule.kink == SUBGRADIENT:
        _pull_back(grad, as_entry(grad, penalty.l1), True, penalty, state.free, outputs, width)
        square = _square(grad, size)
    if rule.clip < np.inf:
        factor = rule.clip / (np.sqrt(square) + 1e-6)
        if not factor > 1.0:
            for e in range(size):
                grad[e] *= as_entry(grad, factor)
    _update(state, rate, count, rule, size)
    if rule.kink == PROXIMAL:
        by, zero = as_entry(theta, rule.gain * rate), as_entry(theta, 0)
        for e in range(size):
            c = theta[e] + penalty.shift[e]
            left = abs(c) - by * penalty.thresholds[e]
            left = zero if left < zero else left
            theta[e] = (left if c > zero else (-left if c < zero else zero)) - penalty.shift[e]


@within
def _square(grad, size):
    square = as_entry(grad, 0)
    for e in range(size):
        square += grad[e] * grad[e]
    return square


@within
def _free(theta, penalty, free, outputs, width):
    """Fill free `[k, p]` with the penalised part of θ in user units; the penalty at it."""
    absolute, square = as_entry(free, 0), as_entry(free, 0)
    many = penalty.parameters
    for o in range(outputs):
        for q in range(many):
            if penalty.turned:
                value = as_entry(free, 0)
                for j in range(width):
                    value += penalty.matrix[q * width + j] * theta[o * width + j]
            else:
                value = theta[o * width + q]
            value = penalty.mask[o * many + q] * (value + penalty.origin[o * many + q])
            free[o * many + q] = value
            absolute += abs(value)
            square += value * value
    return penalty.l1 * absolute + penalty.l2 * square


@within
def _pull_back(grad, scale, signs, penalty, free, outputs, width):
    """grad += scale·free·M, or with `signs` scale·sign(free)·M."""
    zero, one = as_entry(free, 0), as_entry(free, 1)
    many = penalty.parameters
    for o in range(outputs):
        for q in range(many):
            value = free[o * many + q]
            if signs:
                value = one if value > zero else (-one if value < zero else zero)
            value *= scale
            if penalty.turned:
                for j in range(width):
                    grad[o * width + j] += value * penalty.matrix[q * width + j]
            else:
                grad[o * width + q] += value
