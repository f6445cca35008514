"""muon and shampoo: rules for weight matrices, whose step is of a matrix as a whole; other parameters take a rule of their own.

A module's parameters are one vector θ; a matrix in it is a piece of θ, seen in its shape. Embeddings count as others, since a row
of theirs is moved by itself. Formulas: `matrix_updates.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, final

from steepest.descent import in_place, matrix_updates
from steepest.descent.rule import Again, Memory, Rule
from steepest.errors import SpecError
from steepest.formulas.rule_formula import MatrixRule
from steepest.formulas.rules import FORMULAS
from steepest.lazy import Tensor, nn
from steepest.model.module_objective import ModuleObjective


class Piece(NamedTuple):
    """Where a parameter lies in θ, and its shape where it is a matrix; () for all others."""

    start: int
    end: int
    shape: tuple[int, ...]


@final
@dataclass(frozen=True)
class OfMatrices(Rule):
    """A rule for matrices, and another one for the rest. Numbers may be `[runs, 1]`."""

    named: MatrixRule
    numbers: tuple[Any, ...] = ()
    pieces: tuple[Piece, ...] = ()
    elementwise = True

    @classmethod
    def of(cls, named: MatrixRule, numbers: tuple[Any, ...], objective: Any) -> OfMatrices:
        """The rule for a module's parameters. SpecError where none of them is a matrix."""
        pieces = tuple(_pieces(objective)) if isinstance(objective, ModuleObjective) else ()
        if objective is not None and not any(piece.shape for piece in pieces):
            what = "this model's coefficients are one vector" if not pieces else "this module has none"
            raise SpecError(f"optimizer={named.name!r} is for weight matrices, and {what}: use {named.other!r}.")
        return cls(named, numbers, pieces)

    def __str__(self) -> str:
        return self.named.name + ":" + ",".join(f"{number}" for number in self.numbers)

    def start(self, theta: Tensor) -> Memory:
        return [0, *(self._begun(theta, piece) for piece in self.pieces)]

    def _begun(self, theta: Tensor, piece: Piece) -> Memory:
        part = _seen(theta, piece)
        if piece.shape:
            return matrix_updates.BEGIN[self.named.name](part, *self._numbers())
        return [part.new_zeros(part.shape) for _ in FORMULAS[self.named.other].memories]

    def update(self, theta: Tensor, grad: Tensor, memory: Memory, lr: Any, again: Again) -> None:
        memory[0] += 1
        t, other = memory[0], FORMULAS[self.named.other]
        for piece, own in zip(self.pieces, memory[1:], strict=True):
            part, slope = _seen(theta, piece), _seen(grad, piece)
            if not piece.shape:
                rate = (
                    lr[..., piece.start : piece.end]
                    if isinstance(lr, Tensor) and lr.shape[-1:] == theta.shape[-1:]
                    else lr
                )
                in_place.move(other, part, slope, own, rate, t, self._others())
                continue
            rate = _seen(lr.expand_as(theta), piece) if isinstance(lr, Tensor) else lr
            numbers = self._numbers()
            decay = numbers[-1] if self.named.decays else 0.0
            step, *after = matrix_updates.STEP[self.named.name](slope, *own, rate, t, *numbers)
            part *= 1 - rate * decay
            part -= step
            for kept, new in zip(own, after, strict=True):
                kept.copy_(new)

    def _numbers(self) -> tuple[Any, ...]:
        """The numbers, shaped as a matrix is where runs differ in them."""
        return tuple(one[..., None] if isinstance(one, Tensor) else one for one in self.numbers)

    def _others(self) -> tuple[Any, ...]:
        """The numbers of the rule for all others: its own defaults, with this one's decay where it decays."""
        other = FORMULAS[self.named.other]
        given = tuple(number.default for number in other.numbers)
        return (*given[:-1], self.numbers[-1]) if other.decays else given


def _pieces(objective: ModuleObjective) -> Iterator[Piece]:
    parts = objective.module.named_modules()
    rows = {id(part.weight) for _, part in parts if isinstance(part, nn.Embedding | nn.EmbeddingBag)}
    known = [p for p in objective.module.parameters() if p.requires_grad]
    start = 0
    for parameter in known:
        end = start + parameter.numel()
        matrix = parameter.ndim == 2 and id(parameter) not in rows
        yield Piece(start, end, tuple(parameter.shape) if matrix else ())
        start = end


def _seen(theta: Tensor, piece: Piece) -> Tensor:
    """A piece of θ `[..., p]`, a matrix in its shape: a view."""
    part = theta[..., piece.start : piece.end]
    return part.unflatten(-1, piece.shape) if piece.shape else part
