"""The reference: a public name with its signature, its docstring and a link to its source.

A page says which names it shows, in a line of its own: `<!-- reference: fit Fit Fit.params -->`.
"""

from __future__ import annotations

import inspect
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any

from sklearn.utils._available_if import _AvailableIfDescriptor

import steepest
from generators import docstrings
from steepest.lazy import delegated
from steepest.settings_table import SETTINGS

SOURCE = Path(steepest.__file__).parents[1]
RESULTS = {
    "Findings": "steepest.analysis.finding", "Finding": "steepest.analysis.finding", "Exact": "steepest.analysis.exact.answer",
    "Prospect": "steepest.preflight", "RunTable": "steepest.sweep_result", "WorkingLr": "steepest.sweep_result",
    "Sharpness": "steepest.analysis.sharpness", "Along": "steepest.analysis.sharpness",
    "Curvature": "steepest.analysis.rate_table", "Pace": "steepest.analysis.rate_table",
    "CrossValidation": "steepest.cross_validation",
    "Summary": "steepest.inference.summary_table", "HypothesisTest": "steepest.inference.hypotheses",
    "Description": "steepest.description", "ColumnDescription": "steepest.description", "Figure": "steepest.plots.figure",
}  # fmt: skip
"""What public functions give, and the module of each: no names of `steepest` itself."""


def found(path: str) -> Any:
    """What a name such as `Fit.loss` stands for: a function, a class or a property."""
    first, *rest = path.split(".")
    thing = getattr(import_module(RESULTS[first]) if first in RESULTS else steepest, first)
    for name in rest:
        value = inspect.getattr_static(thing, name)
        thing = getattr(thing, name) if isinstance(value, delegated) else value
    return _bare(thing)


def _bare(thing: Any) -> Any:
    """What a class method, or a method that is not always there, wraps."""
    return thing.fn if isinstance(thing, _AvailableIfDescriptor) else getattr(thing, "__func__", thing)


def function_of(thing: Any) -> Any:
    """The function behind a property; anything else as it is."""
    if isinstance(thing, property):
        return thing.fget
    return thing.func if isinstance(thing, cached_property) else thing


def members(name: str) -> list[str]:
    """The public members of a class or module that say something: `Fit` → `Fit.loss`, …, inherited ones too."""
    thing = found(name)
    if inspect.ismodule(thing):
        own = [one for one, value in vars(thing).items() if getattr(value, "__module__", "") == thing.__name__]
        return [f"{name}.{one}" for one in own if not one.startswith("_")]
    if not inspect.isclass(thing) or issubclass(thing, BaseException):
        return []
    own = [one for one in dir(thing) if not one.startswith("_") and _is_of_package(thing, one)]
    return [f"{name}.{one}" for one in own]


def _is_of_package(owner: type, name: str) -> bool:
    try:
        value = inspect.getattr_static(owner, name)
    except AttributeError:
        return False
    value = function_of(getattr(owner, name) if isinstance(value, delegated) else _bare(value))
    return callable(value) and getattr(value, "__module__", "").startswith("steepest")


def entry(path: str) -> str:
    """A name's part of the page."""
    thing = found(path)
    if inspect.ismodule(thing):
        return f"`st.{path}`\n: {docstrings.markdown(thing)}"
    function = function_of(thing)
    kind = (
        "class"
        if inspect.isclass(thing)
        else "method"
        if "." in path and not path.startswith("synthetic.")
        else "function"
    )
    if thing is not function:
        kind = "attribute"
    signature = "" if kind in ("attribute", "class") else _signature(function, of_an_object=kind == "method")
    body = docstrings.markdown(function, left_out=SETTINGS if _takes_settings(function) else ())
    if _takes_settings(function):
        body = body.replace("**Arguments**\n", "**Arguments**, beside the [settings](settings.md)\n")
    name = path if path.split(".")[0] in RESULTS else f"steepest.{path}"
    return f"::::{{py:{kind}}} {name}{signature}\n\n{body}\n\n{source_of(function)}\n::::\n"


def _takes_settings(function: Any) -> bool:
    return "tol" in getattr(function, "__signature__", inspect.Signature()).parameters


def _signature(function: Any, of_an_object: bool = False) -> str:
    """(x, y=None, …): names and defaults, without types; of a method without the object itself."""
    parameters = list(inspect.signature(function).parameters.values())[of_an_object:]
    if _takes_settings(function):
        own = [p for p in parameters if p.name not in SETTINGS]
        parameters = [*own, inspect.Parameter("settings", inspect.Parameter.VAR_KEYWORD)]
    return str(inspect.Signature([p.replace(annotation=p.empty) for p in parameters]))


def source_of(thing: Any) -> str:
    """A link to the lines of source."""
    try:
        path = Path(inspect.getsourcefile(inspect.unwrap(thing)) or "").relative_to(SOURCE)
        line = inspect.getsourcelines(thing)[1]
    except (TypeError, OSError, ValueError):
        return ""
    return f'<a class="source" href="../source/{path.with_suffix(".html")}#L{line}">Source: <code>{path}</code>, line {line}</a>'


def shown(names: str) -> str:
    """The parts of several names."""
    return "\n".join(entry(name) for name in names.split())
