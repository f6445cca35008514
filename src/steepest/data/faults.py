"""All faults of a table are told at once, a line each: whoever mends a table wants the whole list, not one fault a run."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from steepest.errors import DataError

TOLD = 10
"""Faults that have a line; the others are counted."""

Found = TypeVar("Found")


class Faults:
    """What is wrong with a table so far.

    Example:
        >>> faults = Faults()
        >>> faults.of(int, "1"), faults.found
        (1, [])
    """

    def __init__(self) -> None:
        self.found: list[str] = []

    def of(self, function: Callable[..., Found], *given: object, **named: object) -> Found | None:
        """What the function returns; None, and its message kept, where it raises a DataError."""
        try:
            return function(*given, **named)
        except DataError as error:
            self.add(error)
            return None

    def add(self, error: DataError) -> None:
        """Keep the message of an error, one fault a line."""
        self.found += str(error).splitlines()

    def tell(self) -> None:
        """Raise one DataError with all that was found, if anything was."""
        if self.found:
            more = len(self.found) - TOLD
            raise DataError("\n".join([*self.found[:TOLD], *([f"and {more:,} more"] if more > 0 else [])]))
