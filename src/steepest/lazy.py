"""Libraries imported when they are first needed leave the program around them as it was.

Some draw a number at their import, some add warning filters or variables of the environment. What they set for
themselves they have read by then.
"""

from __future__ import annotations

import os
import random
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module


@contextmanager
def unnoticed() -> Iterator[None]:
    """Within it imports may set what they like; afterwards generator, filters and environment are as they were."""
    state, filters, environment = random.getstate(), list(warnings.filters), dict(os.environ)
    try:
        yield
    finally:
        if random.getstate() != state:
            random.setstate(state)
        if warnings.filters != filters:
            warnings.filters[:] = filters  # pyrefly: ignore[unsupported-operation] (it is a list)
            warnings._filters_mutated()  # pyrefly: ignore[missing-attribute] (as warnings.catch_warnings does it)
        for name in os.environ.keys() - environment.keys():
            del os.environ[name]


def imported(name: str) -> None:
    """Import a library's module, which a call to come would import, so that it goes unnoticed."""
    if name not in sys.modules:
        with unnoticed():
            import_module(name)
