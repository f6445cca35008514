"""A linear objective and a rule as the numbers and arrays that `kernels.py` takes."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np

from steepest.descent import torch_rules
from steepest.descent.variance_reduction import Reduced, gradient_of, rows_at
from steepest.formulas.rule_formula import RuleFormula
from steepest.lazy import Tensor
from steepest.model.linear_objective import LinearObjective

if TYPE_CHECKING:
    from steepest.engines import kernel_rows, kernels
    from steepest.engines import kernel_rules as kernel_steps
    from steepest.engines.descents import Descents
    from steepest.model.group_norms import GroupNorms

PANEL = 2**15
"""Entries of the design that are looked at together: they stay in a near cache between prediction and gradient."""

TILES = 8, 256
"""Fewest and most rows of a panel."""


def can_run(objective: Any, rule: Any) -> TypeGuard[LinearObjective]:
    """Whether there is compiled code for this objective and rule: the linear family, losses and rules of our own."""
    return (
        isinstance(objective, LinearObjective)
        and objective.basis.device.type == "cpu"
        and objective.theta.ndim == 1
        and not objective.loss.custom
        and (objective.penalty_term is None or objective.penalty_term.box is None)
        and _unwrapped(objective, rule) is not None
    )


def loss_code(loss: Any) -> kernels.LossCode:
    """The loss's number, and its own (width or level)."""
    from steepest.engines import kernels

    return kernels.LossCode(loss.choice.key, float(loss.number))


def rule_code(objective: LinearObjective, rule: Any) -> kernel_steps.RuleCode:
    """A rule of ours, and what is wrapped around it."""
    from steepest.engines import kernel_rules as kernel_steps

    unwrapped = _unwrapped(objective, rule)
    if unwrapped is None:
        raise ValueError("There is no compiled code for this objective and rule; can_run() tells.")
    clip, inner = unwrapped
    kink, gain = kernel_steps.SMOOTH_ONLY, 1.0
    if isinstance(rule, torch_rules.WithSubgradient):
        kink = kernel_steps.SUBGRADIENT
    elif isinstance(rule, torch_rules.WithProximal):
        kink, gain = kernel_steps.PROXIMAL, float(rule.gain)
    numbers, decay = inner.kind.split(inner.numbers)
    first, second, third = (*numbers, 0.0, 0.0, 0.0)[:3]
    return kernel_steps.RuleCode(
        kernel_steps.KINDS.index(inner.kind.name), kink, first, second, third, decay, float(clip), gain
    )


def penalty_code(objective: LinearObjective) -> kernel_steps.PenaltyCode:
    """The objective's penalty in its coordinates."""
    from steepest.engines import kernel_rules as kernel_steps

    outputs, width = objective.outputs, objective.basis.shape[1]
    dtype = objective.basis.numpy().dtype
    term, none = objective.penalty_term, np.zeros((0, 0), dtype)
    if term is None:
        nothing = np.zeros((outputs, 0), dtype)
        return kernel_steps.PenaltyCode(0.0, 0.0, nothing, none, none, none, none, *_groups_of(None, dtype))
    mask = term.free.numpy().reshape(outputs, -1)
    matrix = none if term.matrix is None else np.ascontiguousarray(term.matrix.numpy())
    origin = np.zeros_like(mask) if term.offset is None else term.offset.numpy().reshape(mask.shape)
    thresholds = shift = np.zeros((outputs, width), dtype)
    if objective.proximal is not None:
        thresholds = np.ascontiguousarray(term.thresholds.numpy().reshape(shift.shape))
        shift = shift if term.shift is None else np.ascontiguousarray(term.shift.numpy().reshape(shift.shape))
    own = mask, matrix, origin, thresholds, shift, *_groups_of(term.norms, dtype)
    return kernel_steps.PenaltyCode(float(term.l1), float(term.l2), *own)


def _groups_of(norms: GroupNorms | None, dtype: Any) -> tuple[Any, ...]:
    """What `PenaltyCode` has of groups: weights, scales, members and starts, how many, and whether scales differ within one."""
    if norms is None:
        return np.zeros(0, dtype), np.zeros(0, dtype), np.zeros(0, np.int64), np.zeros(1, np.int64), 0, 0
    starts = np.cumsum([0, *map(len, norms.members)], dtype=np.int64)
    weights, scales = (np.ascontiguousarray(each.numpy()) for each in (norms.weights, norms.scales))
    return weights, scales, np.concatenate(norms.members), starts, len(weights), int(not norms.even)


def rows_as_they_lie(objective: LinearObjective) -> kernel_rows.Rows:
    """The objective's rows in their own order, as a source to gather from."""
    from steepest.engines import kernel_rows

    design = np.ascontiguousarray(objective.basis.numpy())
    codes = objective.loss.coupled

    def across(tensor: Tensor | None) -> np.ndarray:
        if tensor is None:
            return np.empty((0, 0), design.dtype)
        return np.ascontiguousarray(tensor.numpy().reshape(len(design), -1).T)

    return kernel_rows.Rows(
        design.reshape(-1),
        across(None if codes else objective.target),
        objective.target.numpy() if codes else np.empty(0, np.int64),
        np.empty(0, design.dtype) if objective.weights is None else objective.weights.numpy(),
        across(objective.offset),
        1,
        False,
    )


def rows_of(arrays: Sequence[np.ndarray], objective: LinearObjective) -> kernel_rows.Rows:
    """Rows that come from outside, as a source to gather from: columns, target, weights and offset, as batches have them."""
    from steepest.engines import kernel_rows

    design, target, weights, offset = arrays
    codes, nothing = objective.loss.coupled, np.empty((0, 0), design.dtype)
    across = np.ascontiguousarray(target.reshape(len(design), -1).T)
    shifted = nothing if objective.offset is None else np.ascontiguousarray(offset.reshape(len(design), -1).T)
    return kernel_rows.Rows(
        np.ascontiguousarray(design).reshape(-1),
        nothing if codes else across,
        target if codes else np.empty(0, np.int64),
        np.empty(0, design.dtype) if objective.weights is None else weights,
        shifted,
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
) -> kernel_steps.State:
    """θ as the kernels move it, in place, with memories that begin as the rules `kinds` of the runs say."""
    from steepest.engines import kernel_rules as kernel_steps

    theta = theta.reshape(shape)
    memories = [np.zeros(shape, theta.dtype) for _ in range(kernel_steps.State.MEMORIES)]
    for run, kind in enumerate(kinds):
        for memory, first in zip(memories, kind.first, strict=False):
            memory[run] = theta[run] if first is None else first
    return kernel_steps.State._make([theta, *memories, np.empty(shape[-2:], theta.dtype), free])


def table_of(
    theta: Tensor, objective: LinearObjective, state: kernel_steps.State, kinds: Sequence[RuleFormula]
) -> np.ndarray:
    """The slopes `[runs, k, n]` of all rows at θ `[runs, p]`, of runs that keep them; their mean gradients are put into state."""
    each = [run for run, kind in enumerate(kinds) if kind.keeps_rows]
    tables = np.zeros((len(theta), objective.outputs, objective.rows if each else 0), state.theta.dtype)
    for run in each:
        _, slope, basis = rows_at(objective, theta[run])
        tables[run] = slope.numpy().T
        _put(state, run, kinds[run], gradient_of(slope, basis))
    return tables


def take_snapshots(work: Descents, state: kernel_steps.State, kinds: Sequence[RuleFormula]) -> None:
    """Into state θ `[runs, p]` and the mean gradient there, of runs that keep them."""
    for run, kind in enumerate(kinds):
        if work.alive[run] and kind.keeps and not kind.keeps_rows:
            _, slope, basis = rows_at(work.objective, work.theta[run])
            _put(state, run, kind, work.theta[run], gradient_of(slope, basis))


def record_of(lead: tuple[int, ...], shape: tuple[int, int], dtype: Any) -> Any:
    """Room for the record of a chunk: `lead` is (runs, T)."""
    from steepest.engines.kernel_rules import Record

    return Record(np.empty((*lead, *shape), dtype), *(np.empty(lead, dtype) for _ in range(3)))


def _put(state: kernel_steps.State, run: int, kind: RuleFormula, *values: Tensor) -> None:
    """What a run's rule keeps."""
    for part, value in zip(state[1 : 1 + len(kind.keeps)], values, strict=True):
        part[run] = value.numpy().reshape(part[run].shape)


def _unwrapped(objective: LinearObjective, rule: Any) -> tuple[float, torch_rules.Elementwise | Reduced] | None:
    """The longest gradient let through, and the rule itself; None where it is none of ours, or wrapped otherwise."""
    if (isinstance(rule, torch_rules.WithProximal) and rule.proximal == objective.proximal) or (
        isinstance(rule, torch_rules.WithSubgradient) and rule.subgradient == objective.subgradient
    ):
        rule = rule.rule
    clip = inf
    if isinstance(rule, torch_rules.Clipped):
        clip, rule = rule.norm, rule.rule
    ours = isinstance(rule, torch_rules.Elementwise | Reduced)
    return (clip, rule) if ours and not (rule.kind.whole or rule.kind.looks_again) else None
