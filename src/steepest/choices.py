"""Settings that are a choice: a name, or a name with numbers behind a colon, as in `huber:1.35` and `step:10,0.5`.

A `Choice` says what one name means and which numbers follow it, with their defaults and ranges; a registry is a dict of
them by name (`formulas/` holds all of them). `parse()` reads the text, once. A text may also name something to import,
`package.module:name`: `is_path()` tells it from a choice, `locate()` finds it, and `required()` says what arguments it takes.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from math import inf
from typing import Any, NamedTuple

from steepest.errors import SpecError


def _shown(number: float) -> str:
    return f"{number:g}".replace("e+", "e")


@dataclass(frozen=True)
class Number:
    """A number of a choice. default None: it has to be given. Bounds are inclusive, unless `open_*` says otherwise.

    symbol: the letter or word that stands for it where the choice is shown, as D in `huber:D`.
    """

    name: str
    default: float | None = None
    low: float = -inf
    high: float = inf
    open_low: bool = False
    open_high: bool = False
    whole: bool = False
    symbol: str = ""

    def allows(self, value: float) -> bool:
        """Whether the value lies within the bounds, and is whole where it must be."""
        above = value > self.low if self.open_low else value >= self.low
        below = value < self.high if self.open_high else value <= self.high
        return above and below and (not self.whole or value == int(value))

    @property
    def rule(self) -> str:
        """What the number must be, in words: "greater than 0", "at least 0 and less than 1"."""
        bounds = []
        if self.low > -inf:
            bounds.append(f"{'greater than' if self.open_low else 'at least'} {_shown(self.low)}")
        if self.high < inf:
            bounds.append(f"{'less than' if self.open_high else 'at most'} {_shown(self.high)}")
        kind = "a whole number of " if self.whole else ""
        return kind + " and ".join(bounds)


@dataclass(frozen=True)
class Choice:
    """One of the names that a setting may have.

    text: one sentence on it. many: any number of the last number may follow. rising: each number is above the one before.
    source: where it was published, for what has one.
    """

    name: str
    text: str
    numbers: tuple[Number, ...] = ()
    many: bool = False
    rising: bool = False
    source: str = ""

    @property
    def fewest(self) -> int:
        """How many numbers have to be given."""
        return sum(number.default is None for number in self.numbers)

    @property
    def shape(self) -> str:
        """How it is written: `mse`, `huber:D`, `step:N,F`, `mlp:WIDTH,…`."""
        symbols = [number.symbol or "ABCDEF"[place] for place, number in enumerate(self.numbers)]
        return self.name + (":" + ",".join([*symbols, *["…"] * self.many]) if symbols else "")


class Named(NamedTuple):
    """A choice that was made: its name, and its numbers with the defaults filled in."""

    name: str
    numbers: tuple[float, ...] = ()


def parse(text: str, choices: Mapping[str, Choice], setting: str) -> Named:
    """Read `name` or `name:number[,number…]` (`:` also separates numbers), and check it against a registry.

    Raises:
        SpecError: an unknown name (with the nearest known one), a wrong count, something that is no number, or one that
            is out of its range.

    >>> parse("huber:1.35", {"huber": Choice("huber", "", (Number("width", 1.0, 0.0, open_low=True),))}, "loss")
    Named(name='huber', numbers=(1.35,))
    """
    name, _, rest = text.strip().partition(":")
    if name not in choices:
        near = difflib.get_close_matches(name, choices, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else "."
        raise SpecError(f"{setting}={text!r} is not known{hint} Known: {', '.join(choices)}.")
    choice = choices[name]
    try:
        given = tuple(float(part) for part in rest.replace(":", ",").split(",")) if rest else ()
    except ValueError:
        raise SpecError(f"{setting}={text!r}: what follows the colon must be numbers, as in {choice.shape}.") from None
    if not all(abs(number) < inf for number in given):
        raise SpecError(f"{setting}={text!r}: its numbers must be finite.")
    most = inf if choice.many else len(choice.numbers)
    if not choice.fewest <= len(given) <= most:
        raise SpecError(f"{setting}={text!r} has {len(given)} numbers; it is written {choice.shape}.")
    pairs = [(choice.numbers[min(place, len(choice.numbers) - 1)], value) for place, value in enumerate(given)]
    for number, value in pairs:
        if not number.allows(value):
            raise SpecError(f"{setting}={text!r}: the {number.name} of {name} must be {number.rule}.")
    if choice.rising and any(b <= a for a, b in pairwise(given)):
        raise SpecError(f"{setting}={text!r}: the first number must be the smaller one, as in {name}:-1:1.")
    whole = (int(value) if number.whole else value for number, value in pairs)
    rest_of = (number.default for number in choice.numbers[len(given) :] if number.default is not None)
    return Named(name, (*whole, *rest_of))


def is_choice(given: Any, choices: Mapping[str, Choice]) -> bool:
    """Whether a setting names one of a registry, whatever numbers follow."""
    return isinstance(given, str) and given.strip().partition(":")[0] in choices


def is_path(given: Any, choices: Mapping[str, Choice]) -> bool:
    """Whether a setting names something to import, `package.module:name`, and not one of a registry."""
    if not isinstance(given, str) or is_choice(given, choices):
        return False
    module, colon, name = given.partition(":")
    return bool(colon) and all(part.isidentifier() for part in (*module.split("."), *name.split(".")))


def listed(choices: Mapping[str, Choice], default: str) -> str:
    """How all of a registry are written, in a row, the default marked: `auto (default), mse, l1, huber:D`."""
    return ", ".join(choice.shape + " (default)" * (name == default) for name, choice in choices.items())


def locate(path: str) -> Any:
    """The object that `package.module:name` names. Raises SpecError if there is none."""
    module, _, name = path.partition(":")
    try:
        found: Any = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise SpecError(f"{path!r} cannot be imported: {error}. It is written package.module:name.") from None
    return found


def required(function: Callable[..., Any]) -> list[str] | None:
    """The positional arguments that a function cannot do without; None where that cannot be told.

    >>> required(lambda step, epoch=0: step), required(max)
    (['step'], None)
    """
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return None
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return None
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [p.name for p in parameters if p.default is p.empty and p.kind in kinds]
