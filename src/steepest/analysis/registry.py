"""The registry of checks: a check is a function in a file of `checks/` that says when it is asked.

    @check("table", "fit")
    def missing_code(given: Prepared) -> Iterator[Finding]: ...

table      before any fit, of a `Prepared`
fit        of a finished fit, a `Fitted`
descent    of a descent that did not reach its known optimum: (course, fit, need), need being the share of the gap that a
           remedy must win
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, Literal, TypeVar

from steepest.analysis import checks
from steepest.analysis.finding import Finding

When = Literal["table", "fit", "descent"]
Check = Callable[..., Iterator[Finding]]
Function = TypeVar("Function", bound=Callable[..., Any])

CHECKS: dict[When, list[Check]] = {"table": [], "fit": [], "descent": []}


def check(*when: When) -> Callable[[Function], Function]:
    """Add a check to the registry."""

    def add(function: Function) -> Function:
        for each in when:
            CHECKS[each].append(function)
        return function

    return add


@cache
def checks_of(when: When) -> tuple[Check, ...]:
    """All checks that are asked then, those of every file of `checks/`."""
    for module in iter_modules(checks.__path__):
        import_module(f"{checks.__name__}.{module.name}")
    return tuple(CHECKS[when])
