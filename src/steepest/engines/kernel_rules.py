"""What one compiled step does with a gradient: record it, add the penalty's, move θ by a rule.

The formulas of `formulas/rules.py` and the penalties of `model/penalties.py`, entry by entry. Entries of θ `[k, r]` lie one
output after the other, e = o·r + j; those of θ in user units `[k, p]` likewise.
"""

from __future__ import annotations

from math import inf
from typing import Any, NamedTuple

import numpy as np

from steepest.engines import kernel_groups
from steepest.formulas.rules import FORMULAS
from steepest.machine_code.compiler import Compiled, compiled, once
from steepest.machine_code.instructions import INTEGER, REAL, WORDS, Code, Number, Pointer, grouped, to, where

SMOOTH_ONLY, PROXIMAL, SUBGRADIENT = range(3)

KINDS = tuple(FORMULAS)
"""Rules that can be compiled, in the order of their numbers."""


class PenaltyCode(NamedTuple):
    """l1·Σ|θ| + l2·Σθ² + Σ weights·‖θ_g‖ with θ = origin + matrix·c: mask and origin `[k, p]`, matrix `[p, r]` (empty in user
    units).

    thresholds, shift and scales `[k, r]` are those of the proximal step. Of `count` groups the entries of g are
    members[starts[g]:starts[g + 1]]; uneven: whether scales differ within one.
    """

    l1: Any
    l2: Any
    mask: Any
    matrix: Any
    origin: Any
    thresholds: Any
    shift: Any
    weights: Any
    scales: Any
    members: Any
    starts: Any
    count: Any
    uneven: Any

    @classmethod
    def types(cls, entry: str) -> tuple[Any, ...]:
        """What compiled code takes for it."""
        return REAL, REAL, *[to(entry)] * 7, to("int64"), to("int64"), INTEGER, INTEGER


class RuleCode(NamedTuple):
    """Which rule, and the numbers of its formula (0 where it has fewer); clip is the longest gradient let through
    (infinity: any).

    kind: its place in `KINDS`. kink: what becomes of the penalty's kink; gain: that of the proximal step.
    """

    kind: Any
    kink: Any
    number1: Any
    number2: Any
    number3: Any
    decay: Any
    clip: Any
    gain: Any

    @classmethod
    def types(cls) -> tuple[Any, ...]:
        """What compiled code takes for it."""
        return INTEGER, INTEGER, *[REAL] * 6


class State(NamedTuple):
    """What moves: θ `[k, r]` and as many memories `[k, r]` as the rule has; and room for a gradient and a penalty's `[k, p]`."""

    MEMORIES = 5

    theta: Any
    first: Any
    second: Any
    third: Any
    fourth: Any
    fifth: Any
    grad: Any
    free: Any

    def kept(self, kind: int) -> dict[str, Any]:
        """What rules of this number keep for a gradient of less variance, by name."""
        return dict(zip(FORMULAS[KINDS[kind]].keeps, self[1:], strict=False))


class Record(NamedTuple):
    """What is kept of T steps: θ `[T, k, r]` before each update, the batch's loss, its gradient's length, penalty."""

    theta: Any
    loss: Any
    grad_norm: Any
    penalty: Any


class StepKind(NamedTuple):
    """What is known of steps before code for them is compiled: the penalty's kind and the rules that there are.

    free: parameters `p` of an output. turned: whether the penalty is in other coordinates than θ. reduced: whether rules that
    keep other gradients have those.
    """

    free: int
    penalised: bool
    squares: bool
    turned: bool
    kinds: tuple[int, ...]
    kinks: tuple[int, ...]
    clipped: bool
    decays: bool
    reduced: bool = False
    grouped: bool = False
    uneven: bool = False

    @classmethod
    def of(cls, penalty: PenaltyCode, kinds: np.ndarray, numbers: np.ndarray, reduced: bool = False) -> StepKind:
        """That of rules `[runs, 2]` and `[runs, 6]`, as `RuleCode` has them."""
        each, kinks = (tuple(sorted(set(column.tolist()))) for column in kinds.T)
        grouped, turned = penalty.count > 0, penalty.matrix.size > 0
        penalised = penalty.l1 != 0.0 or penalty.l2 != 0.0 or grouped
        clipped, decays = bool(np.isfinite(numbers[:, 4]).any()), bool(numbers[:, 3].any())
        own = reduced, grouped, penalty.uneven > 0
        return cls(penalty.mask.shape[1], penalised, penalty.l2 != 0.0, turned, each, kinks, clipped, decays, *own)


def advance(
    state: State, total: float, length: int, rate: float, count: int, penalty: PenaltyCode, rule: RuleCode,
    record: Record, at: int,
) -> None:  # fmt: skip
    """One step, from the sums over a batch of `length` rows; `count` is 1 at the first, `at` its place in the record."""
    outputs, width = state.theta.shape
    step = StepKind.of(penalty, np.array([rule[:2]]), np.array([rule[2:]]))
    run = _advance(state.theta.dtype.name, outputs, width, step)
    run(*state, total, length, rate, count, *penalty, *rule, *record, at)


@once
def _advance(entry: str, outputs: int, width: int, step: StepKind) -> Compiled:
    def write(code: Code, *given: Any) -> None:
        state, total, length, rate, count, *others = grouped(
            given, State, *[None] * 4, PenaltyCode, RuleCode, Record, None
        )
        write_step(code, (outputs, width), step, state, total, length, rate, count, *others)

    numbers = REAL, INTEGER, REAL, INTEGER
    types = *PenaltyCode.types(entry), *RuleCode.types(), *[to(entry)] * 4
    return compiled(write, *[to(entry)] * len(State._fields), *numbers, *types, INTEGER)


def write_step(
    code: Code, shape: tuple[int, int], step: StepKind, state: State, total: Number, length: Number, rate: Number,
    count: Number, penalty: PenaltyCode, rule: RuleCode, record: Record, at: Number,
) -> None:  # fmt: skip
    """What `advance` does."""
    theta, grad, size = state.theta, state.grad, shape[0] * shape[1]
    rows = length.cast(REAL)
    share, square = (1.0 / rows).cast(theta.kind), code.zero(theta.kind)
    before = record.theta + at * size
    _answer(code, step, state, rule, before, size)
    with code.each(size) as e:
        slope = grad[e] * share
        grad[e] = slope
        square[0] += slope * slope
    record.loss[at] = total / rows
    record.penalty[at] = _penalty(code, shape, step, theta, penalty, state.free) if step.penalised else 0.0
    if step.squares:
        _pull_back(code, shape, step, grad, 2.0 * penalty.l2, False, penalty, state.free)
        _square(code, grad, size, square)
    record.grad_norm[at] = square[0] ** 0.5
    if SUBGRADIENT in step.kinks and step.penalised:
        with code.only(rule.kink, SUBGRADIENT, step.kinks):
            if step.grouped:
                kernel_groups.to_subgradient(code, penalty, state.free)
            scale = penalty.l1.like(1.0) if step.grouped else penalty.l1
            _pull_back(code, shape, step, grad, scale, not step.grouped, penalty, state.free)
            _square(code, grad, size, square)
    if step.clipped:
        factor = rule.clip / (square[0].cast(REAL) ** 0.5 + 1e-6)
        factor = where(factor > 1.0, 1.0, factor).cast(theta.kind)
        with code.when(rule.clip < inf), code.each(size) as e:
            grad[e] *= factor
    _update(code, step, state, rate, count, rule, size)
    if PROXIMAL in step.kinks and step.grouped:
        with code.only(rule.kink, PROXIMAL, step.kinks):
            kernel_groups.shrink(code, penalty, theta, rule.gain * rate, step.uneven)
    elif PROXIMAL in step.kinks:
        with code.only(rule.kink, PROXIMAL, step.kinks), code.each(size) as e:
            shifted, bound = theta[e] + penalty.shift[e], (rule.gain * rate).cast(theta.kind) * penalty.thresholds[e]
            left = abs(shifted) - bound
            left = where(left < 0.0, 0.0, left)
            theta[e] = where(shifted > 0.0, left, where(shifted < 0.0, -left, 0.0)) - penalty.shift[e]


def _answer(code: Code, step: StepKind, state: State, rule: RuleCode, before: Pointer, size: int) -> None:
    """Record θ, or the memory that is a rule's answer."""
    for kind in step.kinds:
        formula = FORMULAS[KINDS[kind]]
        place = 1 + formula.memories.index(formula.answer) if formula.answer else 0
        with code.only(rule.kind, kind, step.kinds), code.each(size) as e:
            before[e] = state[place][e]


def _update(code: Code, step: StepKind, state: State, rate: Number, count: Number, rule: RuleCode, size: int) -> None:
    """Move θ by a rule."""
    theta, grad = state.theta, state.grad
    if step.decays:
        keep = (1.0 - rate * rule.decay).cast(theta.kind)
        with code.each(size) as e:
            theta[e] *= keep
    for kind in step.kinds:
        formula = FORMULAS[KINDS[kind]]
        memory = state[1 : 1 + len(formula.memories)]
        numbers = (rule.number1, rule.number2, rule.number3)[: len(formula.constants)]
        with code.only(rule.kind, kind, step.kinds), code.each(size) as e:
            before = [part[e] for part in memory]
            move, *moved = formula.moved(theta[e], grad[e], before, rate, count.cast(REAL), numbers)
            for part, value in zip(memory, moved, strict=True):
                part[e] = value
            theta[e] -= move


def _square(code: Code, grad: Pointer, size: int, square: Pointer) -> None:
    square[0] = 0.0
    with code.each(size) as e:
        square[0] += grad[e] * grad[e]


def _penalty(
    code: Code, shape: tuple[int, int], step: StepKind, theta: Pointer, penalty: PenaltyCode, free: Pointer
) -> Number:
    """Fill free `[k, p]` with the penalised part of θ in user units; the penalty at it."""
    outputs, width = shape
    absolute, square, value = (code.zero(free.kind) for _ in range(3))
    with code.each(outputs) as o, code.each(step.free) as q:
        own, place = theta + o * width, o * step.free + q
        if step.turned:
            value[0] = 0.0
            with code.each(width) as j:
                value[0] += penalty.matrix[q * width + j] * own[j]
        else:
            value[0] = own[q]
        found = penalty.mask[place] * (value[0] + penalty.origin[place])
        free[place] = found
        absolute[0] += abs(found)
        square[0] += found * found
    found = penalty.l1 * absolute[0] + penalty.l2 * square[0]
    return found + kernel_groups.norms(code, penalty, free) if step.grouped else found


def _pull_back(
    code: Code, shape: tuple[int, int], step: StepKind, grad: Pointer, scale: Number, signs: bool, penalty: PenaltyCode,
    free: Pointer,
) -> None:  # fmt: skip
    """grad += scale·free·M, or with `signs` scale·sign(free)·M."""
    outputs, width = shape
    with code.each(outputs) as o, code.each(step.free) as q:
        own, value = grad + o * width, free[o * step.free + q]
        value = (WORDS["sign"](value) if signs else value) * scale.cast(grad.kind)
        if step.turned:
            with code.each(width) as j:
                own[j] += value * penalty.matrix[q * width + j]
        else:
            own[q] += value
