"""Rates per group of parameters: a rule whose learning rate is another one for some columns, or for some parts of a module.

    {"backbone": 1e-4, "*": 1e-2}      a module's parameters backbone.…, and all others
    {"age": 1e-4, "*": 1e-2}           the coefficients of a column, its powers and levels among them, and all others

The largest of them is the fit's learning rate, which the schedule lowers; the others keep their ratio to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from typing import Any, final

from steepest.data.wording import quoted
from steepest.descent.rule import Again, Memory
from steepest.descent.torch_rules import Around, Rule
from steepest.errors import SpecError
from steepest.lazy import Tensor, torch
from steepest.model.linear_objective import LinearObjective

OTHERS = "*"
"""Stands for all parameters that no other name stands for."""


@final
@dataclass(frozen=True)
class Grouped(Around):
    """A rule at rates of their own. ratios: (how many entries of θ, their rate over the largest), one after another."""

    ratios: tuple[tuple[int, float], ...]

    @classmethod
    def of(cls, rule: Rule, rates: Mapping[str, float], objective: Any) -> Grouped:
        """A rule at these rates. SpecError for names that are unknown, parameters without a rate, and a rule with its own."""
        inner = rule.innermost
        if inner.is_torch or (inner.kind is not None and inner.kind.rate_free):
            what = (
                "groups of its own: optimizer=lambda parameters: …"
                if inner.is_torch
                else "one rate for all, and finds it"
            )
            raise SpecError(f"lr={dict(rates)!r} gives rates to groups of parameters, and this rule has {what}.")
        linear = isinstance(objective, LinearObjective)
        if linear and objective.coordinates is not None:
            raise SpecError(
                f"lr={dict(rates)!r} are rates of coefficients in the table's own units: use precondition='none'."
            )
        most = max(rates.values())
        return cls(rule, tuple((count, rate / most) for count, rate in in_runs(rates, objective.names, linear)))

    def update(self, theta: Tensor, grad: Tensor, memory: Memory, lr: Any, again: Again) -> None:
        self.rule.update(theta, grad, memory, lr * _spread(self.ratios, theta.dtype, theta.device), again)


@lru_cache(maxsize=8)
def _spread(ratios: tuple[tuple[int, float], ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """The ratio of each entry, `[p]`."""
    return torch.cat([torch.full((count,), ratio, dtype=dtype, device=device) for count, ratio in ratios])


def in_runs(rates: Mapping[str, float], names: Sequence[str], linear: bool) -> list[tuple[int, float]]:
    """How many parameters follow one another with one rate, and that rate.

    A parameter's is that of the longest name that it is, or that stands before one of the marks in it.

    >>> in_runs({"0": 0.1, "0.bias": 0.2, "*": 1.0}, ("0.weight[0,0]", "0.weight[0,1]", "0.bias", "1.bias"), linear=False)
    [(2, 0.1), (1, 0.2), (1, 1.0)]
    """
    found, used, marks = [], set(), "[=^" if linear else "[."

    def named(key: str, one: str) -> bool:
        return one == key or (one.startswith(key) and one[len(key)] in marks)

    for name in names:
        term = name.rpartition(": ")[2]
        fits = [key for key in rates if named(key, name) or named(key, term)]
        key = max(fits, key=len, default=OTHERS)
        if key not in rates:
            raise SpecError(f"lr= has no rate for {quoted(name)}: give one for all others, as '*'.")
        used.add(key)
        found.append(rates[key])
    unknown = [key for key in rates if key not in used and key != OTHERS]
    if unknown:
        raise SpecError(f"lr= names {quoted(unknown[0])}, which is no parameter here: {', '.join(names[:8])}.")
    return [(len(list(same)), rate) for rate, same in groupby(found)]
