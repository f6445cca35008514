"""What a sick fit is: data and settings with exactly one cause planted, and beside them the same with the cause taken out.

    @case("a rate over the limit", Kind.RATE_TOO_HIGH, [{"seed": 1, "factor": 1.2}, {"seed": 2, "factor": 3.0}])
    def rate_over_the_limit(seed, factor):
        …
        return Pair(sick=Given(data, settings), twin=Given(data, other_settings))

A case is a function of its variants (seeds, sizes, losses, rules, strengths). What is planted is computed here, by NumPy
and from the data alone: no case asks the diagnosis, nor anything it stands on, where a limit lies.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from steepest.analysis.finding import Kind


@dataclass(frozen=True)
class Given:
    """What is handed to `st.fit(**data, **settings)`. data: x and y, or a table as x."""

    data: Mapping[str, Any]
    settings: Mapping[str, Any] = field(default_factory=dict)

    def but(self, **settings: Any) -> Given:
        """The same data under other settings."""
        return Given(self.data, {**self.settings, **settings})


@dataclass(frozen=True)
class Pair:
    """A sick fit and its healthy twin."""

    sick: Given
    twin: Given


@dataclass(frozen=True)
class Case:
    """One cause, in several variants: `make(**variants[i])` is a Pair."""

    name: str
    kind: Kind
    make: Callable[..., Pair]
    variants: tuple[Mapping[str, Any], ...]

    @property
    def of_descent(self) -> bool:
        """Whether the cause keeps the descent from its optimum, and is not in the model."""
        return list(Kind).index(self.kind) < list(Kind).index(Kind.SEPARABLE)

    @property
    def of_module(self) -> bool:
        """Whether a module is fitted, which takes far longer than the linear family."""
        model = self.pair(0).sick.settings.get("model", "linear")
        return not isinstance(model, str) or model.startswith("mlp")

    def pair(self, variant: int) -> Pair:
        """The sick fit and the twin of one variant."""
        return self.make(**self.variants[variant])


CASES: list[Case] = []
"""Every case, in the order of the files that plant them."""


def variants(cases: Sequence[Case]) -> list[tuple[Case, int]]:
    """Every variant of each case, in order."""
    return [(case, variant) for case in cases for variant in range(len(case.variants))]


def case(name: str, kind: Kind, variants: Sequence[Mapping[str, Any]]) -> Callable[[Callable[..., Pair]], Case]:
    """Make a function of a variant a case, and keep it in `CASES`."""

    def keep(make: Callable[..., Pair]) -> Case:
        CASES.append(Case(name, kind, make, tuple(variants)))
        return CASES[-1]

    return keep
