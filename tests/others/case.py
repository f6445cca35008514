"""What a case is: a fault as somebody told it in public, rebuilt with other numbers, and beside it the same without it.

    @case("a sigmoid before BCEWithLogitsLoss", codes=("ST021",), kind="network and loss",
          source="https://discuss.pytorch.org/t/…", advice=r"Sigmoid")
    def sigmoid_twice(seed: int) -> Pair:
        …
        return Pair(sick=Given(data, settings), twin=Given(data, settings), score=lambda fit: …)

A case is a function of a seed that makes everything anew, its modules as well: it is called for each fit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, Literal

from sick.case import Given

__all__ = ["KINDS", "SEEDS", "Case", "Given", "Pair", "case", "cases"]

KINDS = ("network and loss", "task", "data", "descent")

SEEDS = (1, 2)
"""Every case is run with each."""


@dataclass(frozen=True)
class Pair:
    """A sick fit and its healthy twin.

    score: a number of a fit that is not negative, smaller where it is better, such as the mean squared error or the share
    of wrong answers on fresh rows that come from the same source and are without the fault. It reads a fit by `predict`,
    `predict_proba` or `decision`. constant: the score of the best constant answer; None where it is the score of the
    twin's answers, each replaced by their mean (of labels: by the most frequent one).
    """

    sick: Given
    twin: Given
    score: Callable[[Any], float]
    constant: float | None = None

    def scored(self, fit: Any) -> float:
        """The score of a fit; infinite where it is not a number."""
        score = float(self.score(fit))
        return math.inf if math.isnan(score) else score


@dataclass(frozen=True)
class Case:
    """One fault.

    codes: those of the findings that name its cause. also: of others that are true of it too. kind: one of `KINDS`.
    source: the public address where it is told. advice: a regular expression, found in the advice where no setting mends
    the fault.
    """

    name: str
    codes: tuple[str, ...]
    kind: str
    source: str
    make: Callable[[int], Pair]
    advice: str = ""
    also: tuple[str, ...] = ()


def case(
    name: str, *, codes: Sequence[str], kind: str, source: str, advice: str = "", also: Sequence[str] = ()
) -> Callable[[Callable[[int], Pair]], Case]:
    """Make a function of a seed a case."""
    if kind not in KINDS or not codes or not source.startswith("https://"):
        raise ValueError(f"{name}: kind is one of {KINDS}, there is a code at least, and source is an address")

    def keep(make: Callable[[int], Pair]) -> Case:
        return Case(name, tuple(codes), kind, source, make, advice, tuple(also))

    return keep


def cases(half: Literal["known", "held"]) -> list[Case]:
    """The cases of a half, in the order of its files and as they stand in each."""
    package = import_module(f"others.{half}")
    modules = sorted(module.name for module in iter_modules(package.__path__))
    found: list[Case] = []
    for module in (import_module(f"{package.__name__}.{name}") for name in modules):
        found += [
            one for one in vars(module).values() if isinstance(one, Case) and one.make.__module__ == module.__name__
        ]
    return found
