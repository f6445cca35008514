"""Every error a user can meet, each saying what was given and what to do.

    SteepestError
    ├── DataError    the table is at fault: a column, a row, a value
    ├── SpecError    the description of the fit is at fault: an unknown name, an impossible setting
    ├── FitError     the fit could not be done although both were well formed
    └── RunError     a run's folder cannot be read or written

    SteepestWarning  the fit was done, but something about the data should be known

The command ends with code 2 on a SpecError and with code 1 on the others.
"""

from __future__ import annotations

from numbers import Integral
from typing import Any


class SteepestError(Exception):
    """Any error of this package; its text is one or two lines fit to be shown as they are, or a line for each fault."""


class DataError(SteepestError, ValueError):
    """The table is at fault. The text names the file, the row or column, the value and the remedy."""


class SpecError(SteepestError, ValueError):
    """The description of the fit is at fault. The text names the setting, its value and what is allowed."""


class FitError(SteepestError, RuntimeError):
    """The fit could not be carried out."""


class RunError(SteepestError, OSError):
    """A run's folder is missing, incomplete, damaged or in the way."""


class SteepestWarning(UserWarning):
    """Something about the data that changes how the result should be read."""


def check_whole(name: str, value: Any, least: int, most: int | None = None, of_most: str = "") -> int:
    """A whole number, NumPy's too, as Python's; SpecError for anything else. of_most: what the most is, in words.

    >>> check_whole("folds", 1, 2)
    Traceback (most recent call last):
    steepest.errors.SpecError: folds=1: it must be a whole number of at least 2.
    """
    whole = int(value) if isinstance(value, Integral) and not isinstance(value, bool) else None
    if whole is None or whole < least or (most is not None and whole > most):
        range_of = f"of at least {least}" if most is None else f"from {least} to {of_most}{most:,}"
        raise SpecError(f"{name}={value!r}: it must be a whole number {range_of}.")
    return whole
