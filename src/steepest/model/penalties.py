"""A penalty over all parameters but the intercepts, and bounds on θ: what it is in θ, and in other coordinates.

    l1·Σ|θ| + l2·Σθ² + group·Σ √|g|·‖θ_g‖₂

`Penalty(l1, l2, group)` is the setting. `penalty.at(free, matrix, offset)` is the same as a function of c, with θ = offset + M·c
for each output: its value, gradient, Hessian and proximal step. Whoever needs one of these asks there.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from steepest.choices import parse
from steepest.formulas.penalties import PENALTIES
from steepest.lazy import Tensor, torch
from steepest.model.group_norms import GroupNorms


@dataclass(frozen=True)
class Penalty:
    """l1·Σ|θ| + l2·Σθ² + group·Σ √|g|·‖θ_g‖₂ over all parameters but the intercepts, θ in user units; infinite beyond the bounds.

    groups: the number of the group of each parameter `[k·p]`, those of intercepts not looked at; None: each by itself, which
        is l1. bounds: (low, high) of each parameter `[k·p]`, or None.
    """

    l1: float = 0.0
    l2: float = 0.0
    group: float = 0.0
    groups: tuple[int, ...] | None = None
    bounds: tuple[tuple[float, float], ...] | None = None

    def __bool__(self) -> bool:
        return bool(self.l1 or self.l2 or self.group or self.bounds)

    @property
    def soft(self) -> bool:
        """Whether it has kinks, where it sets parameters to 0."""
        return bool(self.l1 or self.group)

    @property
    def article(self) -> str:
        """What a penalty with kinks is called: "an l1", "a group"."""
        return "a group" if self.group else "an l1"

    @property
    def kinked(self) -> bool:
        """Whether it has kinks or walls, that a rule answers by a proximal step."""
        return self.soft or self.bounds is not None

    def of_output(self, output: int, outputs: int) -> Penalty:
        """That of one of several targets apart, times their number."""

        def own(each: Any) -> Any:
            size = 0 if each is None else len(each) // outputs
            return None if each is None else each[output * size : (output + 1) * size]

        return Penalty(self.l1 * outputs, self.l2 * outputs, self.group * outputs, own(self.groups), own(self.bounds))

    def within(self, theta: np.ndarray) -> np.ndarray:
        """The nearest θ `[..., k·p]` within the bounds."""
        return theta if self.bounds is None else np.clip(theta, *np.array(self.bounds).T)

    @property
    def curvature(self) -> float:
        """2·l2, its curvature in each parameter that it holds for."""
        return 2.0 * self.l2

    def at(self, free: Any, matrix: Any = None, offset: Any = None, outputs: int = 1) -> PenaltyTerm:
        """The penalty as a function of c, with θ = offset + M·c for each output; see `PenaltyTerm`."""
        return PenaltyTerm(self, free, matrix, offset, outputs)


class PenaltyTerm:
    """A penalty as a function of c `[..., k·r]`. Arrays are NumPy's or PyTorch's, as the ones that it is given.

    free: `[k·p]` of 1.0 where a parameter is penalised, else 0.0; or without M of 1/s where it is c/s. matrix: M `[p, r]`; None
    is the identity. offset: `[k·p]`; None is 0.

    >>> term = Penalty(l2=0.5).at(np.array([0.0, 1.0]), np.array([[1.0, -3.0], [0.0, 2.0]]))
    >>> float(term.value(np.array([7.0, 1.0]))), term.gradient(np.array([7.0, 1.0])), term.hessian(), term.largest()
    (2.0, array([0., 4.]), array([[0., 0.],
           [0., 4.]]), 4.0)
    """

    def __init__(self, penalty: Penalty, free: Any, matrix: Any = None, offset: Any = None, outputs: int = 1):
        self.l1, self.l2, self.curvature = penalty.l1, penalty.l2, penalty.curvature
        self.free, self.matrix, self.offset, self.outputs = free, matrix, offset, outputs
        self.thresholds, self.bend, self.shift = self.l1 * free, self.curvature * free, offset
        self.box = None if penalty.bounds is None else _box(penalty.bounds, free, matrix, offset, outputs)
        scales = None
        if penalty.soft and matrix is not None and matrix.shape[0] == matrix.shape[1]:
            # diagonal but for the intercept's row: no other coordinates have a proximal step
            scales = (free.reshape(outputs, -1) * matrix.diagonal()).reshape(-1)
            self.thresholds = self.l1 * scales
            if offset is not None:
                self.shift = torch.where(scales > 0, offset / torch.where(scales > 0, scales, 1.0), 0.0)
        self.norms = GroupNorms(penalty.group, penalty.groups, free, scales) if penalty.group else None

    def value(self, c: Any) -> Any:
        """l1·Σ|θ| + l2·Σθ² + group·Σ √|g|·‖θ_g‖₂, `[...]`."""
        free = self._free(c)
        found = self.l1 * abs(free).sum(-1) + self.l2 * (free * free).sum(-1)
        return found if self.norms is None else found + self.norms.value(free)

    def gradient(self, c: Any) -> Any:
        """The gradient of the l2 part, `[..., k·r]`; without an offset also its Hessian times c."""
        return self._turned(self.bend * self._free(c), self.matrix)

    def subgradient(self, c: Tensor) -> torch.Tensor:
        """A subgradient of the parts with kinks, `[..., k·r]`, 0 at the kink itself."""
        free = self._free(c)
        found = self.l1 * self.free * free.sign()
        return self._turned(found if self.norms is None else found + self.norms.subgradient(free), self.matrix)

    def hessian(self) -> Any:
        """2·l2·MᵀDM of one output, `[r, r]`, with D the penalised parameters."""
        if not self.l2:
            size = len(self.free) // self.outputs if self.matrix is None else self.matrix.shape[1]
            return self.free.new_zeros(size, size) if isinstance(self.free, Tensor) else np.zeros((size, size))
        rows = self._rows()
        return self.curvature * (rows.T @ rows)

    def root(self, per: float = 1.0) -> Any:
        """√(2·l2/per)·D·M of one output, `[p, r]`: stacked under a design it stands for the l2 part."""
        return (self.curvature / per) ** 0.5 * self._rows()

    def largest(self) -> float:
        """The largest eigenvalue of the Hessian, of NumPy's arrays."""
        if not self.l2:
            return 0.0
        if self.matrix is None:
            return self.curvature * float(self.free.max()) ** 2
        return self.curvature * float(np.linalg.norm(self._rows(), 2)) ** 2

    def proximal(self, c: torch.Tensor, lr: Any) -> None:
        """Soft threshold: θ moves towards 0 by lr·thresholds, and stops there, or groups of them do; then the nearest point
        within the bounds."""
        if self.l1:
            self._shrink(c, lr)
        if self.norms is not None:
            c.copy_(
                self.norms.shrunk(c, lr) if self.shift is None else self.norms.shrunk(c + self.shift, lr) - self.shift
            )
        if self.box is not None:
            c.copy_(torch.minimum(torch.maximum(c, self.box[0]), self.box[1]))

    def _shrink(self, c: torch.Tensor, lr: Any) -> None:
        free = c if self.shift is None else c + self.shift
        shrunk = torch.nn.functional.relu(free.abs() - lr * self.thresholds) * free.sign()
        c.copy_(shrunk if self.shift is None else shrunk - self.shift)

    def _free(self, c: Any) -> Any:
        """The penalised parameters at c `[..., k·p]`, 0.0 in the place of the others."""
        theta = self._turned(c, None if self.matrix is None else self.matrix.T)
        return self.free * (theta if self.offset is None else theta + self.offset)

    def _turned(self, vector: Any, matrix: Any) -> Any:
        if matrix is None:
            return vector
        lead = vector.shape[:-1]
        return (vector.reshape(*lead, -1, matrix.shape[0]) @ matrix).reshape(*lead, -1)

    def _rows(self) -> Any:
        """D·M of one output, `[p, r]`."""
        one = self.free[: len(self.free) // self.outputs]
        if self.matrix is None:
            return torch.diag(one) if isinstance(one, Tensor) else np.diag(one)
        return one[:, None] * self.matrix


def _box(bounds: tuple[tuple[float, float], ...], free: Any, matrix: Any, offset: Any, outputs: int) -> Any:
    """The bounds on c (low, high), `[k·r]` both; None where a coordinate is a mixture of parameters."""
    limits = np.array(bounds)
    if isinstance(free, Tensor):
        limits = torch.as_tensor(limits).to(free)
    low, high = limits[:, 0], limits[:, 1]
    if offset is not None:
        low, high = low - offset, high - offset
    if matrix is None:
        return low, high
    if matrix.shape[0] != matrix.shape[1]:
        return None
    scales = (free.reshape(outputs, -1) * matrix.diagonal()).reshape(-1)
    where: Any = torch.where if isinstance(free, Tensor) else np.where
    safe = where(scales > 0, scales, 1.0)
    return where(scales > 0, low / safe, -np.inf), where(scales > 0, high / safe, np.inf)


@lru_cache(256)
def penalty(name: str | None) -> Penalty:
    """The penalty that `none`, `l1:A`, `l2:A`, `elastic:A,B` or `group:A` stands for, without groups."""
    kind, numbers = parse(name or "none", PENALTIES, "penalty")
    return Penalty(*PENALTIES[kind].weights(*numbers))
