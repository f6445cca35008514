"""A linear objective and a rule as the numbers and arrays that `kernels.py` takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from steepest.descent import torch_rules
from steepest.descent.variance_reduction import gradient_of, rows_at
from steepest.engines import kernel_rows, kernel_rules, kernels
from steepest.engines.compilable import unwrapped
from steepest.engines.descents import Descents
from steepest.formulas.rule_formula import RuleFormula
from steepest.lazy import Tensor
from steepest.model.group_norms import GroupNorms
from steepest.model.linear_objective import LinearObjective

PANEL = 2**15
"""Entries of the design that are looked at together: they stay in a near cache between prediction and gradient."""

TILES = 8, 256
"""Fewest and most rows of a panel."""


def loss_code(loss: Any) -> kernels.LossCode:
    """The loss's number, and its own (width or level)."""
    return kernels.LossCode(loss.choice.key, float(loss.number))


def rule_code(objective: LinearObjective, rule: Any) -> kernel_rules.RuleCode:
    """A rule of ours, and what is wrapped around it."""
    found = unwrapped(objective, rule)
    if found is None:
        raise ValueError("There is no compiled code for this objective and rule; can_run() tells.")
    clip, inner = found
    kink, gain = kernel_rules.SMOOTH_ONLY, 1.0
    if isinstance(rule, torch_rules.WithSubgradient):
        kink = kernel_rules.SUBGRADIENT
    elif isinstance(rule, torch_rules.WithProximal):
        kink, gain = kernel_rules.PROXIMAL, float(rule.gain)
    numbers, decay = inner.kind.split(inner.numbers)
    first, second, third = (*numbers, 0.0, 0.0, 0.0)[:3]
    return kernel_rules.RuleCode(
        kernel_rules.KINDS.index(inner.kind.name), kink, first, second, third, decay, float(clip), gain
    )


def penalty_code(objective: LinearObjective) -> kernel_rules.PenaltyCode:
    """The objective's penalty in its coordinates."""
    outputs, width = objective.outputs, objective.basis.shape[1]
    dtype = objective.basis.numpy().dtype
    term, none = objective.penalty_term, np.zeros((0, 0), dtype)
    if term is None:
        nothing = np.zeros((outputs, 0), dtype)
        return kernel_rules.PenaltyCode(0.0, 0.0, nothing, none, none, none, none, *_groups_of(None, dtype))
    mask = term.free.numpy().reshape(outputs, -1)
    matrix = none if term.matrix is None else np.ascontiguousarray(term.matrix.numpy())
    origin = np.zeros_like(mask) if term.offset is None else term.offset.numpy().reshape(mask.shape)
    thresholds = shift = np.zeros((outputs, width), dtype)
    if objective.proximal is not None:
        thresholds = np.ascontiguousarray(term.thresholds.numpy().reshape(shift.shape))
        shift = shift if term.shift is None else np.ascontiguousarray(term.shift.numpy().reshape(shift.shape))
    own = mask, matrix, origin, thresholds, shift, *_groups_of(term.norms, dtype)
    return kernel_rules.PenaltyCode(float(term.l1), float(term.l2), *own)


def _groups_of(norms: GroupNorms | None, dtype: Any) -> tuple[Any, ...]:
    """What `PenaltyCode` has of groups: weights, scales, members and starts, how many, and whether scales differ within one."""
    if norms is None:
        return np.zeros(0, dtype), np.zeros(0, dtype), np.zeros(0, np.int64), np.zeros(1, np.int64), 0, 0
    starts = np.cumsum([0, *map(len, norms.members)], dtype=np.int64)
    weights, scales = (np.ascontiguousarray(each.numpy()) for each in (norms.weights, norms.scales))
    return weights, scales, np.concatenate(norms.members), starts, len(weights), int(not norms.even)


def rows_as_they_lie(objective: LinearObjective) -> kernel_rows.Rows:
    """The objective's rows in their own order, as a source to gather from."""
    nothing = np.empty(0)
    weights, offset = (nothing if part is None else part.numpy() for part in (objective.weights, objective.offset))
    return rows_of((objective.basis.numpy(), objective.target.numpy(), weights, offset), objective)


def rows_of(arrays: Sequence[np.ndarray], objective: LinearObjective) -> kernel_rows.Rows:
    """Rows as a source to gather from, of what batches have of them: columns, target, weights and offset."""
    design, target, weights, offset = arrays
    codes, kind = objective.loss.coupled, design.dtype

    def across(array: np.ndarray, there: bool) -> np.ndarray:
        return np.ascontiguousarray(array.reshape(len(design), -1).T) if there else np.empty((0, 0), kind)

    return kernel_rows.Rows(
        np.ascontiguousarray(design).reshape(-1),
        across(target, not codes),
        target if codes else np.empty(0, np.int64),
        np.empty(0, kind) if objective.weights is None else weights,
        across(offset, objective.offset is not None),
        1,
        False,
    )


def room_for(rows: kernel_rows.Rows, width: int, count: int, size: int) -> kernel_rows.Rows:
    """Room for `count` rows of the same kind, in batches of `size` rows."""
    tile, across = tiling(width, size)

    def like(part: np.ndarray) -> np.ndarray:
        return np.empty((*part.shape[:-1], count if part.size else 0), part.dtype)

    target, codes, weights, offset = map(like, (rows.target, rows.codes, rows.weights, rows.offset))
    return type(rows)(np.empty(count * width, rows.panels.dtype), target, codes, weights, offset, tile, across)


def tiling(width: int, size: int) -> tuple[int, bool]:
    """How many rows of `width` entries a panel has in batches of `size` rows, and whether it lies column after column."""
    least, most = TILES
    tile = min(size, max(least, min(most, PANEL // max(width, 1))))
    return tile, tile >= width


def state_of(
    theta: np.ndarray, shape: tuple[int, ...], free: np.ndarray, kinds: Sequence[RuleFormula]
) -> kernel_rules.State:
    """θ as the kernels move it, in place, with memories that begin as the rules `kinds` of the runs say."""
    theta = theta.reshape(shape)
    memories = [np.zeros(shape, theta.dtype) for _ in range(kernel_rules.State.MEMORIES)]
    for run, kind in enumerate(kinds):
        for memory, first in zip(memories, kind.first, strict=False):
            memory[run] = theta[run] if first is None else first
    return kernel_rules.State._make([theta, *memories, np.empty(shape[-2:], theta.dtype), free])


def table_of(
    theta: Tensor, objective: LinearObjective, state: kernel_rules.State, kinds: Sequence[RuleFormula]
) -> np.ndarray:
    """The slopes `[runs, k, n]` of all rows at θ `[runs, p]`, of runs that keep them; their mean gradients are put into state."""
    each = [run for run, kind in enumerate(kinds) if kind.keeps_rows]
    tables = np.zeros((len(theta), objective.outputs, objective.rows if each else 0), state.theta.dtype)
    for run in each:
        _, slope, basis = rows_at(objective, theta[run])
        tables[run] = slope.numpy().T
        _put(state, run, kinds[run], gradient_of(slope, basis))
    return tables


def take_snapshots(work: Descents, state: kernel_rules.State, kinds: Sequence[RuleFormula]) -> None:
    """Into state θ `[runs, p]` and the mean gradient there, of runs that keep them."""
    for run, kind in enumerate(kinds):
        if work.alive[run] and kind.keeps and not kind.keeps_rows:
            _, slope, basis = rows_at(work.objective, work.theta[run])
            _put(state, run, kind, work.theta[run], gradient_of(slope, basis))


def record_of(lead: tuple[int, ...], shape: tuple[int, int], dtype: Any) -> kernel_rules.Record:
    """Room for the record of a chunk: `lead` is (runs, T)."""
    return kernel_rules.Record(np.empty((*lead, *shape), dtype), *(np.empty(lead, dtype) for _ in range(3)))


def _put(state: kernel_rules.State, run: int, kind: RuleFormula, *values: Tensor) -> None:
    """What a run's rule keeps."""
    for part, value in zip(state[1 : 1 + len(kind.keeps)], values, strict=True):
        part[run] = value.numpy().reshape(part[run].shape)
