"""The group lasso's penalty Σ_g t_g·‖θ_g‖₂, t_g = A·√|g|, as a function of θ, or of c with θ = D·c, D diagonal.

Its proximal step of length η draws a group as a whole towards 0, and sets it to 0 where ‖D⁻¹v_g‖ ≤ η·t_g:

    c = argmin ½‖c − v‖² + η·t·‖D·c‖ = v / (1 + η·t·d²/s)      with s = ‖D·c‖ the root of Σ (d·v)²/(s + η·t·d²)² = 1

Where D is one number in a group, s = ‖d·v‖ − η·t·d² (block soft-thresholding). Else Newton's method on the reciprocal of the
root of that sum comes to it from below, as for the length of a step in a trust region (Moré and Sorensen 1983).
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from steepest.lazy import Tensor, torch

MOST_ROUNDS = 50


class GroupNorms:
    """Σ_g t_g·‖θ_g‖₂. Arrays are NumPy's or PyTorch's, as `free` is.

    weights: t `[G]`. of: the group of each entry `[q]`, G where it has none. scales: d `[q]`, 1 where there are none.

    >>> norms = GroupNorms(2.0, (0, 0, 0, 1), np.array([0.0, 1.0, 1.0, 1.0]))
    >>> norms.weights.round(3).tolist(), float(norms.value(np.array([9.0, 3.0, 4.0, -1.0])).round(3))
    ([2.828, 2.0], 16.142)
    """

    def __init__(self, weight: float, groups: tuple[int, ...] | None, free: Any, scales: Any = None):
        self.given = weight, groups, _plain(free), None if scales is None else _plain(scales)
        held = self.given[2] > 0.0
        numbers = np.arange(len(held)) if groups is None else np.array(groups)
        there, sizes = np.unique(numbers[held], return_counts=True)
        of = np.full(len(held), len(there))
        of[held] = np.searchsorted(there, numbers[held])
        table = np.full(
            (len(there), sizes.max(initial=1)), len(held)
        )  # the entries of each group, and one beyond them all
        self.members = [np.flatnonzero(of == group) for group in range(len(there))]
        for group, entries in enumerate(self.members):
            table[group, : len(entries)] = entries
        like = free if isinstance(free, Tensor) else None
        self.weights, self.of, self.table = (_as(each, like) for each in (weight * np.sqrt(sizes), of, table))
        found = np.ones(len(held)) if scales is None else _plain(scales)
        safe = np.where(held & (found > 0.0), found, 1.0)
        self.scales = _as(safe, like)
        wide = [safe[entries] for entries in self.members]
        self.steepest = _as(np.array([each.max(initial=0.0) ** 2 for each in wide]), like)
        self.even = all(np.ptp(each) == 0.0 for each in wide)

    @cached_property
    def plain(self) -> GroupNorms:
        """The same in NumPy's arrays of float64."""
        weight, groups, free, scales = self.given
        return GroupNorms(
            weight, groups, free.astype(np.float64), scales if scales is None else scales.astype(np.float64)
        )

    @cached_property
    def penalised(self) -> Any:
        """Which entries `[q]` are in a group."""
        return self.of < len(self.weights)

    def norms(self, theta: Any) -> Any:
        """‖θ_g‖ of each group, `[..., G]`."""
        return self.sums(theta * theta) ** 0.5

    def value(self, theta: Any) -> Any:
        """Σ t_g·‖θ_g‖, `[...]`."""
        return (self.weights * self.norms(theta)).sum(-1)

    def subgradient(self, theta: Any) -> Any:
        """t_g·θ/‖θ_g‖ `[..., q]`, 0 where a group is 0."""
        norms = self.norms(theta)
        where: Any = torch.where if isinstance(theta, Tensor) else np.where
        return theta * self.each(where(norms > 0.0, self.weights / where(norms > 0.0, norms, 1.0), 0.0), 0.0)

    def shrunk(self, v: Tensor, lr: Any) -> Tensor:
        """The proximal step from v `[..., q]`; what is in no group stays."""
        bound, squares, along = lr * self.weights, self.scales**2, self.scales * v
        gone = self.norms(v / self.scales) <= bound
        size = (self.norms(along) - bound * self.steepest).clamp(min=0.0)
        pull = self.each(bound + torch.zeros_like(size), 0.0) * squares
        if not self.even:
            padded = torch.cat([along.abs() - pull, torch.zeros_like(v[..., :1])], -1)
            size = torch.maximum(size, padded[..., self.table].amax(-1))  # no term of the sum is above 1
            for _ in range(MOST_ROUNDS):
                whole = self.each(size, 1.0) + pull
                length = self.sums((along / whole) ** 2) ** 0.5
                more = (length - 1.0) * length**2 / self.sums(along**2 / whole**3)
                size = torch.where(gone, size, size + more)
                if not size.is_cuda and bool((gone | (more <= 4.0 * torch.finfo(v.dtype).eps * size)).all()):
                    break
        left = self.each(size, 1.0)
        return torch.where(self.each(gone, False), 0.0, v * left / (left + pull))

    def violation(self, slopes: np.ndarray, c: np.ndarray) -> float:
        """The worst violation of the conditions of optimality of f(c) + Σ t_g·‖(D·c)_g‖, given ∇f = slopes.

        A group that is not 0 needs slopes = −t·D²c/‖D·c‖, one that is 0 ‖D⁻¹·slopes‖ ≤ t: how far these are from it.
        """
        theta = self.scales * c
        norms, pulls = self.norms(theta), self.norms(slopes / self.scales)
        off = self.norms(slopes + self.scales * self.subgradient(theta))
        beyond = 1.0 - np.minimum(self.weights / np.where(pulls > 0.0, pulls, 1.0), 1.0)
        free = np.abs(slopes[~self.penalised])
        each = np.where(norms > 0.0, off, np.where(pulls > self.weights, beyond, 0.0) * self.norms(slopes))
        return float(max(each.max(initial=0.0), free.max(initial=0.0)))

    def each(self, of_groups: Any, other: Any) -> Any:
        """What is of each group `[..., G]`, of each entry `[..., q]`; other: of one in no group."""
        if isinstance(of_groups, Tensor):
            beyond = torch.full_like(of_groups[..., :1] if of_groups.shape[-1] else of_groups.new_empty(1), other)
            return torch.cat([of_groups, beyond], -1)[..., self.of]
        return np.concatenate([of_groups, np.full((*of_groups.shape[:-1], 1), other)], -1)[..., self.of]

    def sums(self, each: Any) -> Any:
        """Sums over the groups `[..., G]`, always in the same order."""
        if isinstance(each, Tensor):
            return torch.cat([each, torch.zeros_like(each[..., :1])], -1)[..., self.table].sum(-1)
        return np.concatenate([each, np.zeros((*each.shape[:-1], 1))], -1)[..., self.table].sum(-1)


def _plain(array: Any) -> np.ndarray:
    return array.detach().cpu().numpy() if isinstance(array, Tensor) else np.asarray(array)


def _as(array: np.ndarray, like: Any) -> Any:
    """NumPy's array as a tensor of the kind of `like`; indices stay whole numbers."""
    if like is None:
        return array
    kind = torch.int64 if array.dtype.kind == "i" else like.dtype
    return torch.as_tensor(array, dtype=kind, device=like.device)
