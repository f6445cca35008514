"""How far a long look at files is, for whoever shows it: a command its bar, a notebook nothing.

with shown(show):            show(what, share) is called now and then, share from 0 to 1
    fit(…)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Show = Callable[[str, float], None]

_SHOWN: ContextVar[Show | None] = ContextVar("shown", default=None)


@contextmanager
def shown(show: Show | None) -> Iterator[None]:
    """Within it, whatever goes through files tells `show` how far it is."""
    token = _SHOWN.set(show)
    try:
        yield
    finally:
        _SHOWN.reset(token)


def tell(what: str, share: float) -> None:
    """Say how far it is, where somebody listens."""
    if (show := _SHOWN.get()) is not None:
        show(what, share)
