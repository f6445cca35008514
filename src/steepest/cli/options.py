"""The options of the command that are settings of a fit: their groups and help, and from the words typed to the settings."""

from __future__ import annotations

import csv
import inspect
from collections.abc import Callable, Iterable
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

from cyclopts import Group, Parameter

from steepest.errors import SpecError
from steepest.settings_table import NAMES, SETTINGS, Setting

Command = TypeVar("Command", bound=Callable[..., int])

TYPES = {"names": list[str], "pairs": list[str], "whole": int, "real": float, "switch": bool}
"""What an option's words are read as, by the kind of its setting; texts otherwise."""

ROLES = ("data", "model", "descent", "stopping", "output")
GROUPS = {role: Group.create_ordered(role.capitalize()) for role in ROLES}
GROUPS["reading"] = GROUPS["data"]
"""A setting's role → its group in `--help`, which shows them in this order."""

OUTPUT = GROUPS["output"]

DASH = "(standard input or output)"
"""Stands for a lone `-` while the command line is read, where it would pass for an option."""


def with_options(names: Iterable[str] = SETTINGS, swept: bool = False) -> Callable[[Command], Command]:
    """A command whose `settings` are options, all or those named; swept: each of them takes any number of values."""

    def of(command: Command) -> Command:
        own = inspect.signature(command)
        others = [p for p in own.parameters.values() if p.kind is not p.VAR_KEYWORD]
        data = [p for p in others if p.kind is p.POSITIONAL_ONLY]
        options = [_option(SETTINGS[name], swept) for name in names]
        # cyclopts reads a command's options from its signature
        command.__signature__ = own.replace(parameters=[*data, *options, *others[len(data) :]])  # pyrefly: ignore
        return command

    return of


def _option(setting: Setting, swept: bool) -> inspect.Parameter:
    """How the option of a setting is read and explained. `--header` may be `--no-header`; in a sweep `--header true,false`."""
    kind: Any = list[str] if swept else TYPES.get(setting.kind, str)
    parts = get_args(setting.kept) if kind in (int, float) else ()
    for part in parts:
        kind = kind | part if get_origin(part) is Literal or part is str else kind
    kind = str if any(get_origin(part) is dict for part in parts) else kind
    told = Parameter(
        help=f"{setting.sentence} {setting.command}".rstrip(),
        negative=f"--no-{setting.name}" if setting.kind == "switch" else "",
        allow_leading_hyphen=setting.hyphen,
        group=GROUPS[setting.role],
    )
    return inspect.Parameter(
        setting.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind | None, told]
    )


def output(line: str, short: str | None = None) -> Parameter:
    """An option that says what becomes of the result; short: another name of it, beside `--out`."""
    names = () if short is None else ("--out", short)
    return Parameter(name=names or None, help=line, negative="", group=OUTPUT, show_default=False)


Patience = Annotated[float | None, output("Under torchrun: seconds that a rank waits for the others (default 300).")]


def dash(word: str) -> str:
    """A word as it was typed."""
    return "-" if word == DASH else word


def settings_of(given: dict[str, Any]) -> dict[str, Any]:
    """The settings of a fit from what was typed."""
    return {name: value_of(name, words) for name, words in given.items() if words is not None}


def value_of(setting: str, words: Any) -> Any:
    """The value of one setting."""
    if setting in NAMES:
        return names(words)
    if setting == "date":
        return _pairs("date", words, "COLUMN=days or COLUMN=parts")
    if setting == "bounds":
        return {name: _limits(name, text) for name, text in _pairs("bounds", words, "COLUMN=LOW:HIGH").items()}
    ways = {
        "class_weight": _class_weight,
        "missing": _missing,
        "init": _numbers,
        "lr": _rates,
        "penalty_groups": _groups,
    }
    return ways[setting](words) if setting in ways else words


def names(words: list[str]) -> list[str]:
    """Names of columns: given once, parted by commas (quotes protect one, as in CSV); repeated, as they are.

    >>> names(["a,b"]), names(["a,b", "c"]), names(['"a,b",c'])
    (['a', 'b'], ['a,b', 'c'], ['a,b', 'c'])
    """
    words = [dash(word) for word in words]
    found = next(csv.reader(words, skipinitialspace=True), []) if len(words) == 1 else words
    return list(dict.fromkeys(name for name in found if name))


def wrong(setting: str, words: str, why: str) -> SpecError:
    """The error that says what is wrong with the words of an option."""
    return SpecError(f"--{setting.replace('_', '-')} {words}: {why}")


def _class_weight(words: list[str]) -> str | dict[str, float]:
    if words == ["balanced"]:
        return "balanced"
    shape = "balanced, or label=weight,label=weight"
    factors = {}
    for label, factor in _pairs("class_weight", words, shape).items():
        try:
            factors[label] = float(factor)
        except ValueError:
            raise wrong("class_weight", f"{label}={factor}", f"it is written {shape}.") from None
    return factors


def _rates(words: Any) -> Any:
    """One rate, or one for each group of parameters.

    >>> _rates("0.1"), _rates("auto"), _rates("age=1e-3,*=0.1")
    (0.1, 'auto', {'age': 0.001, '*': 0.1})
    """
    if not isinstance(words, str) or words == "auto":
        return words
    try:
        if "=" not in words:
            return float(words)
        shape = "a number, or NAME=RATE,*=RATE"
        return {name: float(rate) for name, rate in _pairs("lr", [words], shape).items()}
    except ValueError:
        raise wrong("lr", words, "it is written as a number, auto, or NAME=RATE,*=RATE.") from None


def _missing(words: list[str]) -> str | dict[str, str]:
    """One word for all columns, or one for each; a word without a column is for all others.

    >>> _missing(["drop"]), _missing(["mean,Alley=level"])
    ('drop', {'*': 'mean', 'Alley': 'level'})
    """
    words = names(words)
    if len(words) == 1 and "=" not in words[0]:
        return words[0]
    return _pairs("missing", [word if "=" in word else f"*={word}" for word in words], "a word, or COLUMN=word,…")


def _pairs(setting: str, words: list[str], shape: str) -> dict[str, str]:
    """Words `name=value` as a dict.

    >>> _pairs("date", ["when=days,until=parts"], "COLUMN=days")
    {'when': 'days', 'until': 'parts'}
    """
    found = {}
    for word in names(words):
        name, equals, value = word.rpartition("=")
        if not equals or not name:
            raise wrong(setting, word, f"it is written {shape}.")
        found[name] = value
    return found


def _limits(name: str, text: str) -> tuple[float | None, float | None]:
    """`0:` as a low and a high bound.

    >>> _limits("x", "0:"), _limits("x", "-1:2.5")
    ((0.0, None), (-1.0, 2.5))
    """
    low, colon, high = text.partition(":")
    try:
        if not colon:
            raise ValueError
        return (float(low) if low else None), (float(high) if high else None)
    except ValueError:
        raise wrong("bounds", f"{name}={text}", "it is written COLUMN=LOW:HIGH, as in x=0: or x=-1:1.") from None


def _groups(words: list[str]) -> dict[str, list[str]]:
    """`size=width,height;place=x,y` as a dict, or each group in a word of its own.

    >>> _groups(["size=width,height;place=x"]), _groups(["size=width", 'place="a, b",c'])
    ({'size': ['width', 'height'], 'place': ['x']}, {'size': ['width'], 'place': ['a, b', 'c']})
    """
    found = {}
    for word in (part.strip() for text in words for part in text.split(";") if part.strip()):
        name, equals, members = word.partition("=")
        if not equals or not name.strip() or name.strip() in found:
            raise wrong("penalty_groups", word, "it is written GROUP=COLUMN,COLUMN, each group once.")
        found[name.strip()] = names([members])
    return found


def _numbers(text: str) -> str | list[float]:
    """`1,2,3` as numbers; anything else as it is.

    >>> _numbers("-1, 2"), _numbers("zeros")
    ([-1.0, 2.0], 'zeros')
    """
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        return text
