"""How names and values from a user's table are written in messages.

A column may be called anything, in any script, with spaces and control characters. A message quotes it so
that it can be read (``'na\\x07me'``), shortens it, and prints the exact setting that would help as in Python,
``drop="id"``; the command makes its option of that, ``--drop id`` (`spec.in_options`).
"""

from __future__ import annotations

import difflib
import functools
import json
from collections.abc import Callable, Iterable, Sequence
from math import isfinite
from typing import Any, TypeVar

T = TypeVar("T")

SHOWN = 60  # characters of a name or value
LISTED = 8  # names of a list


def quoted(value: object) -> str:
    """`value` in quotes, control characters escaped, at most 60 characters: ``'price'``."""
    full = str(value)
    text = repr(full[: 2 * SHOWN])
    if len(full) <= 2 * SHOWN and len(text) <= SHOWN:
        return text
    return text[: SHOWN - 2] + "…" + text[0]


def quoted_path(path: object) -> str:
    """A path in quotes; of a long one the end, which holds the file's name."""
    text = repr(str(path))
    return text if len(text) <= SHOWN else text[0] + "…" + text[2 - SHOWN :]


def listed(names: Iterable[object]) -> str:
    """The names quoted and joined by commas; the ninth and later ones only counted."""
    names = list(names)
    text = ", ".join(quoted(name) for name in names[:LISTED])
    return text if len(names) <= LISTED else f"{text} and {len(names) - LISTED} more"


def unseen_levels(levels: Sequence[T], where: Callable[[T], str], named: Callable[[T], str] = str) -> tuple[str, str]:
    """That a column has levels which are none of a fit's, and the remedy. where: the first row that has one.

    >>> unseen_levels(["Rome"], {"Rome": "row 2"}.get)
    ("has the level 'Rome' in row 2, which no row had when the fit was made", 'correct the row or leave it out')
    >>> unseen_levels(["Rome", "Oslo"], {"Rome": "row 2", "Oslo": "row 7"}.get)[0]
    "has levels that no row had when the fit was made, 'Rome' in row 2 and 'Oslo' in row 7"
    """
    told = [f"{quoted(named(level))} in {where(level)}" for level in levels[:LISTED]]
    if len(levels) == 1:
        return f"has the level {told[0]}, which no row had when the fit was made", "correct the row or leave it out"
    told += [f"{len(levels) - LISTED:,} more"] if len(levels) > LISTED else []
    said = f"has levels that no row had when the fit was made, {', '.join(told[:-1])} and {told[-1]}"
    return said, "correct the rows or leave them out"


LISTS = ("missing_values", "categories")  # settings that are a list


def option(flag: str, value: str, column: str | None = None) -> str:
    """A setting as typed in Python: ``drop="id"``; `spec.in_options` makes the command's option of it.

    column: the one that the value is for: ``date={"when": "days"}``.
    """
    value = value if len(value) <= SHOWN else value[: SHOWN - 1] + "…"
    python = json.dumps(value, ensure_ascii=False)
    if column is not None:
        python = f"{{{json.dumps(column, ensure_ascii=False)}: {python}}}"
    elif flag in LISTS:
        python = f"[{python}]"
    return f"{flag}={python}"


def counted(number: int, noun: str) -> str:
    """``1 row``, ``3 rows``, ``1,000 rows``."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def were(number: int) -> str:
    """`was`, or `were` of several."""
    return "was" if number == 1 else "were"


def suggestion(name: object, available: Sequence[object]) -> str:
    """``did you mean 'price'? `` for a name close to an available one, else the empty string."""
    spellings = {str(candidate).casefold(): str(candidate) for candidate in available}
    close = difflib.get_close_matches(str(name).casefold(), list(spellings), n=3, cutoff=0.6)
    if not close:
        return ""
    return "did you mean " + " or ".join(quoted(spellings[key]) for key in close) + "? "


def plain(name: object, most: int = 42) -> str:
    """A name from the user's data without quotes, control characters and what is too long.

    >>> plain("price\\n"), plain("a" * 60, 10)
    ('price ', 'aaaaaaaaa…')
    """
    shown = "".join(letter if letter.isprintable() else " " for letter in str(name)[: 4 * most])
    return shown if len(shown) <= most else shown[: most - 1] + "…"


def number(value: float | None, digits: int = 5, most: float = 1e12) -> str:
    """A number as a person reads it: rounded to so many digits, written out below `most`, thousands apart.

    >>> number(1025859812.3, 8), number(0.0123456789), number(2.0), number(1e-7), number(None)
    ('1,025,859,800', '0.012346', '2', '1e-07', '–')
    """
    if value is None or value != value:
        return "–"
    if abs(value) >= most:
        return f"{value:.{digits}g}"
    return f"{float(f'{value:.{digits}g}') + 0.0:,.15g}"


def step_count(steps: float) -> str:
    """A number of steps: `1,234`, `4.2e+12`, `never`.

    >>> step_count(1234.0), step_count(4.2e12), step_count(float("inf"))
    ('1,234', '4.2e+12', 'never')
    """
    return "never" if not isfinite(steps) else number(round(steps), 7 if steps < 1e7 else 2, 1e7)


def seconds(taken: float) -> str:
    """How long something took: `68 ms`, `1.25 s`."""
    return f"{taken * 1e3:.2g} ms" if taken < 0.1 else f"{taken:.2f} s"


def capitalized(sentence: str) -> str:
    """A sentence as it begins: its first letter large, the others as they are."""
    return sentence[:1].upper() + sentence[1:]


def called(given: Any) -> str:
    """What a class, a partial or a function is called: `SGD`, `SGD(momentum=0.9)`."""
    if isinstance(given, functools.partial):
        settings = ", ".join(f"{name}={value!r}" for name, value in given.keywords.items())
        return f"{called(given.func)}({settings})" if settings else called(given.func)
    return getattr(given, "__name__", type(given).__name__)


def in_short(value: Any) -> str:
    """A setting as a short text.

    >>> in_short([0.1, 2]), in_short({"price": "days"}), in_short("sgd")
    ('0.1,2', 'price=days', 'sgd')
    """
    if hasattr(value, "named_parameters"):  # a module, which can be called too
        return type(value).__name__
    if isinstance(value, list | tuple):
        return ",".join(map(in_short, value))
    if isinstance(value, dict):
        return ",".join(f"{key}={in_short(entry)}" for key, entry in value.items())
    if hasattr(value, "tolist"):
        return in_short(value.tolist())
    if callable(value):
        return called(value)
    if isinstance(value, float):
        return f"{value:.15g}"
    return repr(value) if hasattr(value, "_document") else str(value)  # a fit as a start is named, not shown whole
