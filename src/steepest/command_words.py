"""Settings in the words of the command: as options, and a sentence that names them as in Python turned into one of options."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Mapping
from math import inf
from typing import Any

from steepest.settings_table import NAMES, SETTINGS


def options(settings: Mapping[str, Any]) -> list[str]:
    """Settings as the words of a command line; None is a setting left out.

    Names are parted by commas; one with a comma in it is quoted, as in CSV.

    >>> options({"lr": 0.1, "intercept": False, "drop": ("a", "b, c"), "weights": None})
    ['--lr', '0.1', '--no-intercept', '--drop', 'a,"b, c"']
    >>> options({"bounds": {"x": (0.0, None)}, "penalty_groups": {"size": ("width", "height"), "place": ("x",)}})
    ['--bounds', 'x=0.0:', '--penalty-groups', 'size=width,height;place=x']
    """
    words: list[str] = []
    for name, value in settings.items():
        option = name.replace("_", "-")
        if value is None:
            continue
        if isinstance(value, bool):
            words.append(f"--{'' if value else 'no-'}{option}")
            continue
        if name == "penalty_groups":
            value = ";".join(f"{group}={','.join(map(_cell, members))}" for group, members in value.items())
        elif isinstance(value, Mapping):
            value = [f"{label}={_within(factor)}" for label, factor in value.items()]
        if hasattr(value, "tolist"):
            value = value.tolist()
        if isinstance(value, list | tuple):
            value = ",".join(map(_cell, value))
        # what begins with a hyphen would pass for an option of its own
        words += [f"--{option}={value}"] if str(value).startswith("-") else [f"--{option}", str(value)]
    return words


def _within(value: Any) -> str:
    """A number or a word as it is; a pair of bounds as LOW:HIGH."""
    return ":".join(map(_limit, value)) if isinstance(value, tuple) else str(value)


def in_options(sentence: str) -> str:
    """A sentence that names settings as in Python, for somebody at the command line; names in quotes stay as they are.

    >>> in_options("Use precondition='standardize', intercept=False or another lr=.")
    'Use --precondition standardize --no-intercept or another --lr.'
    >>> print(in_options('Leave it out: drop="my id", as "lr=3" is.'))
    Leave it out: --drop 'my id', as "lr=3" is.
    """
    # options that follow one another have no comma between them
    return _SETTING.sub(_option, sentence).replace("\0, \0", " ").replace("\0", "")


OTHERS = (
    "overwrite",
    "mute",
    "out",
    "checkpoint_every",
    "cov",
    "level",
    "bootstrap",
    "folds",
    "split",
    "interval",
    "kind",
)
"""Keywords of what is asked of a fit, which are options as well."""

_STRING = r"""(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')"""
_LITERAL = (
    rf"{_STRING}|\[(?:{_STRING}|[^\]\"'])*\]|\{{(?:{_STRING}|[^}}\"'])*\}}|\((?:{_STRING}|[^)\"'])*\)"
    r"|True\b|False\b|None\b|nan\b|-?inf\b|-?[\d.]+(?:e[-+]?\d+)?\b|…|\.\.\."
)
_SETTING = re.compile(
    rf"(?<![\w=]){_STRING}|fit\.save\(folder\)"
    rf"|(?<![\w./-])(?P<name>{'|'.join(sorted((*SETTINGS, *OTHERS), key=len, reverse=True))})"
    rf"=(?!=)(?P<value>{_LITERAL})?"
)


def _option(found: re.Match[str]) -> str:
    """What `in_options` puts in the place of one setting, a zero on both sides of it."""
    if found["name"] is None:  # a name in quotes, which stays
        return "--out FOLDER" if found.group() == "fit.save(folder)" else found.group()
    return f"\0{_as_option(found['name'], found['value'])}\0"


def _as_option(name: str, value: str | None) -> str:
    option = f"--{name.replace('_', '-')}"
    if value in (None, "...", "…"):
        return option if name != "model" else f"{option} package.module:factory"
    try:
        given = ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return f"{option} {value}"
    if given is None:
        return f"no {option}"
    if isinstance(given, (int, float)) and not isinstance(given, bool):
        return f"{option} {value}"
    words = options({name: [given] if isinstance(given, str) and name in NAMES else given})
    return " ".join(shlex.quote(word) if word.isprintable() else f"${word!r}" for word in words)


def _limit(bound: float | None) -> str:
    """A bound as `--bounds` has it, "" where there is none."""
    return "" if bound is None or abs(bound) == inf else f"{bound}"


def _cell(entry: Any) -> str:
    """An entry of a list in a row of CSV."""
    text = str(entry)
    doubled = text.replace('"', '""')
    return f'"{doubled}"' if "," in text or '"' in text else text
