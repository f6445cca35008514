"""What is known of a rule: its formula, what it remembers, and what is to be expected of its steps."""

from __future__ import annotations

import dis
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from steepest.choices import Choice
from steepest.formulas import updates


@dataclass(frozen=True)
class RuleFormula(Choice):
    """A rule by its formula (`updates.py`): ([theta,] g, [value,] *memory, lr, t, *numbers) → (step, *memory).

    torch_name, torch_numbers: its class in `torch.optim`, and how that is given its numbers, as in `momentum={0}`; "" for one
    that PyTorch has no class for.
    linear: whether the step is linear in the gradient and the memory, so that the theory of a quadratic holds; if not, each
    coordinate is scaled by itself. momentum: whether the first number is one.
    decays: whether the last number is a decay of θ, which minimises no objective; where the formula does not take it,
    θ *= 1 − lr·decay before the step. moves_by_lr: whether a steady gradient moves each coordinate by about lr a step.
    first_move: how far, in units of lr, the first step of a rule that is not linear moves a coordinate, about. own_lr: the
    learning rate of a rule whose steps have a length of their own, so that one number does for most objectives; None for all
    others. rate_free: whether that one is meant for every objective. settles: whether its steps grow shorter, or its answer
    quieter, by themselves. begins: what memories begin
    at that do not at 0; None is θ₀. answer: the memory that is the answer, where
    that is not θ. uphill: (g, *numbers) → what is added to θ to take the gradient anew there, for a rule that looks twice.
    keeps: what its gradient of less variance is made of beside the batch's (`descent/variance_reduction.py`), each as θ;
    keeps_rows: whether it keeps something of each row as well.
    """

    formula: Callable[..., tuple[Any, ...]] = updates.sgd
    torch_name: str = "SGD"
    torch_numbers: tuple[str, ...] = ()
    linear: bool = False
    momentum: bool = False
    decays: bool = False
    moves_by_lr: bool = False
    first_move: float = 1.0
    own_lr: float | None = None
    rate_free: bool = False
    settles: bool = False
    begins: tuple[tuple[str, float | None], ...] = ()
    answer: str = ""
    uphill: Callable[..., Any] | None = None
    keeps: tuple[str, ...] = ()
    keeps_rows: bool = False

    @cached_property
    def arguments(self) -> tuple[str, ...]:
        """The names that its formula takes."""
        return tuple(inspect.signature(self.formula).parameters)

    @cached_property
    def memories(self) -> tuple[str, ...]:
        """The names of what it remembers of each coordinate."""
        before = self.arguments[: self.arguments.index("lr")]
        return tuple(name for name in before if name not in ("theta", "g", "value"))

    @cached_property
    def first(self) -> tuple[float | None, ...]:
        """What each memory begins at; None is θ₀."""
        return tuple(dict(self.begins).get(name, 0.0) for name in self.memories)

    @cached_property
    def constants(self) -> tuple[str, ...]:
        """The names of its numbers in the formula."""
        return self.arguments[self.arguments.index("t") + 1 :]

    @cached_property
    def counts(self) -> bool:
        """Whether it uses t."""
        return any(one.argval == "t" for one in dis.get_instructions(self.formula))

    @cached_property
    def whole(self) -> bool:
        """Whether a coordinate's step depends on the others, through a sum over all of them."""
        return "total" in self.formula.__code__.co_names or self.uphill is not None

    @property
    def looks_again(self) -> bool:
        """Whether it asks for F or the gradient once more before its step."""
        return self.uphill is not None or "value" in self.arguments

    def moved(
        self, theta: Any, g: Any, memory: Any, lr: Any, t: Any, numbers: Any, value: Any = None
    ) -> tuple[Any, ...]:
        """(step, *memory) by the formula; numbers: those that it takes. value: F of the batch at θ, for rules that ask for it."""
        known = {"theta": theta, "g": g, "value": value}
        first = (known[name] for name in self.arguments if name in known)
        return self.formula(*first, *memory, lr, t, *numbers)

    def split(self, numbers: tuple[Any, ...]) -> tuple[tuple[Any, ...], Any]:
        """The numbers of the formula, and the decay before the step; 0 for a rule that has none."""
        apart = self.decays and len(self.constants) < len(numbers)
        return (numbers[:-1], numbers[-1]) if apart else (numbers, 0.0)


@dataclass(frozen=True)
class MatrixRule(Choice):
    """A rule for weight matrices, whose formula is in `descent/matrix_updates.py`, as it is made of functions of matrices.

    other: the rule of all other parameters. decays: whether the last number is a decay of θ, which then is theirs too.
    """

    other: str = ""
    decays: bool = False
