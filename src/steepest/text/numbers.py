"""How sentences put numbers: rounded to a few digits, to the safe side, as plain Python numbers; and lists of names."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from steepest.data import wording


def rounded_down(value: float, digits: int = 3) -> float:
    """The nearest number of so many digits that is not larger: a rate below its limit stays below it.

    >>> rounded_down(0.16876)
    0.168
    """
    return _rounded(value, digits, np.floor)


def rounded_up(value: float, digits: int = 2) -> float:
    """The nearest number of so many digits that is not smaller.

    >>> rounded_up(1234.0)
    1300.0
    """
    return _rounded(value, digits, np.ceil)


def _rounded(value: float, digits: int, towards: np.ufunc) -> float:
    if value == 0.0 or not np.isfinite(value):
        return float(value)
    exponent = digits - 1 - int(np.floor(np.log10(abs(value))))
    scaled = value * 10.0**exponent
    near = round(scaled)
    whole = near if abs(scaled - near) < 1e-9 * abs(scaled) else towards(scaled)
    return float(f"{whole:.0f}e{-exponent}")


def number(value: float) -> str:
    """A number as a sentence has it: three digits, thousands apart.

    >>> number(0.0123456), number(123456.0), number(3e9)
    ('0.0123', '123,000', '3e+09')
    """
    return "without bound" if value == np.inf else wording.number(value, 3, 1e7)


def apart(first: float, second: float) -> tuple[str, str]:
    """Two numbers in as many digits as it takes to tell them apart, at least three.

    >>> apart(0.5, 0.75), apart(0.99812, 0.99841)
    (('0.5', '0.75'), ('0.9981', '0.9984'))
    """
    for digits in range(3, 17):
        words = f"{first:.{digits}g}", f"{second:.{digits}g}"
        if words[0] != words[1]:
            break
    return words


def count(value: float) -> str:
    """A number of steps: whole, of three digits.

    >>> count(1234.5), count(12.0)
    ('1,230', '12')
    """
    return number(float(round(value))) if np.isfinite(value) else "endlessly many"


def listed(names: Sequence[str], most: int = 5) -> str:
    """Names in quotation marks, the first few.

    >>> listed(["a", "b", "c"])
    "'a', 'b' and 'c'"
    """
    shown = [repr(name) for name in names[:most]]
    if len(names) > most:
        return ", ".join(shown) + f" and {len(names) - most:,} more"
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)
