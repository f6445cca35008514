"""What is waited for in a thread of its own: Ctrl-C and a time-out are heard meanwhile, which code of libraries does not hear."""

from __future__ import annotations

from collections.abc import Callable
from threading import Thread
from typing import TypeVar

T = TypeVar("T")


class NoAnswer(RuntimeError):
    """It has not come in time."""


def waited_for(question: Callable[[], T], seconds: float | None = None) -> T:
    """What the question gives, or the RuntimeError that it raises.

    >>> waited_for(lambda: 2 + 2, 10.0)
    4
    """
    found: list[T | RuntimeError] = []

    def ask() -> None:
        try:
            found.append(question())
        except RuntimeError as error:
            found.append(error)

    asking = Thread(target=ask, name="ranks", daemon=True)
    asking.start()
    asking.join(seconds)
    answer = found[0] if found else NoAnswer("no answer")
    if isinstance(answer, RuntimeError):
        raise answer
    return answer
