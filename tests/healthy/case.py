"""What a healthy case is: a fit as a sensible person makes it, and a score that it must reach.

    @healthy("quantile regression of the upper tenth")
    def upper_tenth(seed: int) -> Well:
        …
        return Well(Given(data, settings), score=lambda fit: …, reference=0.31)

The reference is the same score of somebody else's fit of the same rows (scikit-learn, statsmodels, a closed form), or that of
the law itself which the rows come from.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import steepest as st
from sick.case import Given

__all__ = ["FILES", "SEEDS", "Given", "Outcome", "Well", "cases", "examined", "healthy"]

FILES = ("linear", "everyday", "tables", "networks", "small_nets", "classifying", "recipes")
SEEDS = (1, 2, 3)


@dataclass(frozen=True)
class Well:
    """score: a number of the fit, smaller where it is better. reference: that of an independent fit. within: how many times
    as large the score may be."""

    given: Given
    score: Callable[[Any], float]
    reference: float
    within: float = 1.05


@dataclass(frozen=True)
class Healthy:
    """name, and how it is made of a seed. true: codes of findings that are true of these rows, whatever fits them.

    seeds: with how many seeds it is another case.
    """

    name: str
    make: Callable[[int], Well]
    true: tuple[str, ...] = ()
    seeds: tuple[int, ...] = SEEDS

    @property
    def file(self) -> str:
        """The file that it stands in."""
        return self.make.__module__.rpartition(".")[2]


@dataclass(frozen=True)
class Outcome:
    """What became of a case with one seed. seconds: of the processor, of the fit and of its diagnosis."""

    name: str
    seed: int
    score: float
    reference: float
    within: float
    found: tuple[Any, ...] = ()
    true: tuple[str, ...] = ()
    seconds: tuple[float, float] = (0.0, 0.0)
    failed: tuple[str, ...] = ()

    @property
    def well(self) -> bool:
        """Whether the fit is as good as its reference."""
        return self.score <= self.within * self.reference

    @property
    def false(self) -> tuple[str, ...]:
        """The codes of findings that are not true."""
        return tuple(finding.code for finding in self.found if finding.code not in self.true)

    @property
    def soon(self) -> bool:
        """Whether the diagnosis took at most twice the fit, or a second."""
        fit, diagnosis = self.seconds
        return diagnosis <= max(2 * fit, 1.0)


def healthy(
    name: str, *, true: Sequence[str] = (), seeds: Sequence[int] = SEEDS
) -> Callable[[Callable[[int], Well]], Healthy]:
    """Make a function of a seed a case."""
    return lambda make: Healthy(name, make, tuple(true), tuple(seeds))


def cases(*files: str) -> list[Healthy]:
    """The cases, in the order of the files and as they stand in each."""
    modules = [import_module(f"healthy.{name}") for name in files or FILES]
    return [one for module in modules for one in vars(module).values() if isinstance(one, Healthy)]


def examined(case: Healthy, seed: int) -> Outcome:
    """Fit, score, diagnose."""
    made = case.make(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        began = time.process_time()
        fit = st.fit(**made.given.data, **made.given.settings)
        fitted = time.process_time()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = fit.diagnose()
    seconds = fitted - began, time.process_time() - fitted
    failed = tuple(str(one.message) for one in caught if "part of the diagnosis" in str(one.message))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        score = float(made.score(fit))
    return Outcome(case.name, seed, score, made.reference, made.within, tuple(found), case.true, seconds, failed)
