"""Several values of a setting, as they are written on the command line.

    1e-4:1:log:50        50 numbers from 1e-4 to 1, each the same multiple of the one before
    0:1:lin:5            5 numbers from 0 to 1, evenly
    0:9                  the whole numbers from 0 to 9 (seeds, epochs, batch sizes, …)
    sgd,adam             a list; and every list may hold ranges: 0.1,1:10:log:3
    momentum:0.5:0.9:lin:5   the same with a name before it

A number behind a comma belongs to the name before it, so that `elastic:0.1,0.2,l2:1` are two penalties and
`mlp:64,32,linear` two models. Where one value is itself a list (columns, a start, class weights), it is written as for
`steepest fit`, and the option is repeated for each further one. Any option may be repeated.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from steepest.cli.options import value_of, wrong
from steepest.settings_table import SETTINGS

MOST = 1_000_000
"""Values that a range may have."""


def values(setting: str, words: list[str]) -> Any:
    """What an option's words stand for: a single value, or a list of several.

    >>> values("lr", ["1e-2:1:log:3,auto"]), values("seed", ["0:2", "7"])
    ([0.01, 0.1, 1.0, 'auto'], [0, 1, 2, 7])
    >>> values("penalty", ["elastic:0.1,0.2,l2:1"]), values("optimizer", ["momentum:0.5:0.9:lin:2"])
    (['elastic:0.1,0.2', 'l2:1'], ['momentum:0.5', 'momentum:0.9'])
    """
    told = SETTINGS[setting]
    if told.kind == "switch" and not words:  # --no-intercept
        return False
    found: list[Any] = []
    for word in words:
        pieces = [piece.strip() for piece in word.split(",") if piece.strip()]
        if told.kind in ("real", "whole") and "=" in word:
            found.append(value_of(setting, word))
        elif told.kind in ("real", "whole"):
            for piece in pieces:
                found += _numbers(setting, piece)
        elif setting == "init" and all(_number(piece) is not None for piece in pieces):
            found.append([float(piece) for piece in pieces])
        elif told.kind == "choice":
            for piece in _joined(pieces):
                found += _with_range(setting, piece)
        elif told.kind == "switch":
            found += [_truth(setting, piece) for piece in pieces]
        elif told.listed and "=" not in word:
            found += pieces
        else:
            found.append(value_of(setting, [word] if told.kind in ("names", "pairs") else word))
    found = list({repr(value): value for value in found}.values())
    return found[0] if len(found) == 1 else found


def _joined(pieces: list[str]) -> list[str]:
    """Numbers put back to the name before them."""
    found: list[str] = []
    for piece in pieces:
        if found and _number(piece) is not None:
            found[-1] += "," + piece
        else:
            found.append(piece)
    return found


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _numbers(setting: str, piece: str) -> list[Any]:
    """One number or word, or all numbers of a range."""
    parts, whole = piece.split(":"), SETTINGS[setting].kind == "whole"
    if len(parts) == 2 and whole:
        first, last = (_whole(setting, piece, part) for part in parts)
        if last < first:
            raise wrong(setting, piece, "the first number must not be larger than the last.")
        if last - first >= MOST:
            raise wrong(setting, piece, f"that are more than {MOST:,} values.")
        return list(range(first, last + 1))
    if len(parts) > 1:
        numbers = _range(setting, piece, parts)
        return sorted({round(number) for number in numbers}) if whole else numbers
    value = _number(piece)
    if value is None:
        return [piece]
    return [_whole(setting, piece, piece) if whole else value]


def _whole(setting: str, piece: str, text: str) -> int:
    value = _number(text)
    if value is None or not value.is_integer():
        raise wrong(setting, piece, f"{text!r} is no whole number.")
    try:
        return int(text)
    except ValueError:
        return int(value)


def _with_range(setting: str, piece: str) -> list[str]:
    name, _, rest = piece.partition(":")
    parts = rest.split(":")
    if len(parts) != 4 or parts[2] not in ("log", "lin"):
        return [piece]
    return [f"{name}:{number:.12g}" for number in _range(setting, piece, parts)]


def _range(setting: str, piece: str, parts: list[str]) -> list[float]:
    shape = "a range is written FIRST:LAST:log:COUNT or FIRST:LAST:lin:COUNT, as in 1e-4:1:log:50"
    if len(parts) != 4 or parts[2] not in ("log", "lin"):
        raise wrong(setting, piece, f"{shape}.")
    first, last, count = _number(parts[0]), _number(parts[1]), _number(parts[3])
    if first is None or last is None or count is None or not all(map(np.isfinite, (first, last, count))):
        raise wrong(setting, piece, f"{shape}.")
    if not count.is_integer() or not 2 <= count <= MOST:
        raise wrong(setting, piece, f"the count must be a whole number from 2 to {MOST:,}.")
    if parts[2] == "log" and not (first > 0 and last > 0):
        raise wrong(setting, piece, "the ends of a log range must be greater than 0; lin takes any.")
    space = np.geomspace if parts[2] == "log" else np.linspace
    return space(first, last, int(count)).tolist()


def _truth(setting: str, piece: str) -> bool:
    known = {"true": True, "yes": True, "false": False, "no": False}
    if piece.lower() not in known:
        raise wrong(setting, piece, "it must be true or false, or both: true,false.")
    return known[piece.lower()]
