"""The group penalty in compiled code: its value, subgradient and proximal step, as `model/group_norms.py` has them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from steepest.machine_code.instructions import INTEGER, WORDS, Code, Number, Pointer, where
from steepest.model.group_norms import MOST_ROUNDS

if TYPE_CHECKING:
    from steepest.engines.kernel_rules import PenaltyCode


def norms(code: Code, penalty: PenaltyCode, free: Pointer) -> Number:
    """Σ t_g·‖θ_g‖ of the penalised θ `[k, p]`."""
    total, square = code.zero(free.kind), code.zero(free.kind)
    with code.each(penalty.count) as g:
        square[0] = 0.0
        with _members(code, penalty, g) as e:
            square[0] += free[e] * free[e]
        total[0] += penalty.weights[g] * square[0] ** 0.5
    return total[0]


def to_subgradient(code: Code, penalty: PenaltyCode, free: Pointer) -> None:
    """Put t_g·θ/‖θ_g‖ in the place of the penalised θ `[k, p]`, 0 where a group is 0."""
    square = code.zero(free.kind)
    with code.each(penalty.count) as g:
        square[0] = 0.0
        with _members(code, penalty, g) as e:
            square[0] += free[e] * free[e]
        size = square[0] ** 0.5
        share = where(size > 0.0, penalty.weights[g] / where(size > 0.0, size, 1.0), 0.0)
        with _members(code, penalty, g) as e:
            free[e] *= share


def shrink(code: Code, penalty: PenaltyCode, theta: Pointer, rate: Number, uneven: bool) -> None:
    """The proximal step of length `rate` from θ `[k, r]`. uneven: whether the scales differ within a group."""
    pulled, length, steepest, most, size, more = (code.zero(theta.kind) for _ in range(6))
    with code.each(penalty.count) as g:
        bound = rate.cast(theta.kind) * penalty.weights[g]
        for part in (pulled, length, steepest, most):
            part[0] = 0.0
        with _members(code, penalty, g) as e:
            scale = penalty.scales[e]
            value, square = theta[e] + penalty.shift[e], scale * scale
            pulled[0] += (value / scale) ** 2
            length[0] += (scale * value) ** 2
            steepest[0] = WORDS["maximum"](steepest[0], square)
            most[0] = WORDS["maximum"](most[0], abs(scale * value) - bound * square)
        gone = (pulled[0] ** 0.5) <= bound
        size[0] = WORDS["maximum"](length[0] ** 0.5 - bound * steepest[0], bound.like(0.0))
        if uneven:
            size[0] = WORDS["maximum"](size[0], most[0])
            _root(code, penalty, theta, g, bound, gone, size, more)
        with _members(code, penalty, g) as e:
            pull = bound * penalty.scales[e] ** 2
            left = (theta[e] + penalty.shift[e]) * size[0] / (size[0] + pull)
            theta[e] = where(gone, 0.0, left) - penalty.shift[e]


def _root(
    code: Code, penalty: PenaltyCode, theta: Pointer, g: Number, bound: Number, gone: Number, size: Pointer, more: Pointer
) -> None:  # fmt: skip
    """Move `size` to the root of Σ (d·v)²/(size + bound·d²)² = 1, by Newton's method from below."""
    closest = 4.0 * (2.0**-52 if "double" in str(theta.kind) else 2.0**-23)
    square, bend, going = code.zero(theta.kind), code.zero(theta.kind), code.zero(INTEGER)
    going[0] = where(gone, code.integer(0), code.integer(1))
    with code.each(MOST_ROUNDS), code.when(going[0] > 0):
        square[0], bend[0] = 0.0, 0.0
        with _members(code, penalty, g) as e:
            scale = penalty.scales[e]
            along, whole = scale * (theta[e] + penalty.shift[e]), size[0] + bound * scale * scale
            square[0] += (along / whole) ** 2
            bend[0] += along * along / (whole * whole * whole)
        more[0] = (square[0] ** 0.5 - 1.0) * square[0] / bend[0]
        size[0] += more[0]
        going[0] = where(more[0] > closest * size[0], code.integer(1), code.integer(0))


@contextmanager
def _members(code: Code, penalty: PenaltyCode, g: Number) -> Iterator[Number]:
    """A loop over the entries of a group."""
    with code.each(penalty.starts[g], penalty.starts[g + 1]) as place:
        yield penalty.members[place]
