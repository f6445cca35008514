"""Code that is there already: formulas of `formulas/` by their own source; code of the user's by its source too, where that
needs nothing but PyTorch and NumPy, else by the import that brings it.
"""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Callable, Mapping
from typing import Any

from steepest.errors import FitError
from steepest.export.python_text import KNOWN, undefined
from steepest.lazy import nn, torch

OFTEN = KNOWN.keys() - {"Path", "combinations_with_replacement"}
"""Names that mean the same in most people's code."""


def formula_text(formula: Callable[..., Any], names: Mapping[str, str]) -> tuple[list[str], str]:
    """The lines ahead of its `return`, and what it returns: the first of several.

    >>> from steepest.formulas.rules import FORMULAS
    >>> formula_text(FORMULAS["momentum"].formula, {"g": "gradient"})
    (['velocity = beta * velocity + gradient'], 'lr * velocity')
    """
    body, results = formula_texts(formula, names)
    return body, results[0]


def formula_texts(formula: Callable[..., Any], names: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """The lines ahead of its `return`, and all that it returns.

    >>> from steepest.formulas.losses import LOSSES
    >>> formula_texts(LOSSES["hinge"].kinks, {"target": "y"})
    ([], ['(2.0 * y - 1.0, y - 1.0, y)'])
    """
    text = textwrap.dedent(inspect.getsource(formula))
    function = ast.parse(text).body[0]
    assert isinstance(function, ast.FunctionDef)
    *body, last = function.body
    assert isinstance(last, ast.Return)
    assert last.value is not None
    results = last.value.elts if isinstance(last.value, ast.Tuple) else [last.value]

    def written(node: ast.AST) -> str:
        return renamed(ast.get_source_segment(text, node) or "", names)

    docstring = isinstance(body[0], ast.Expr) if body else False
    return [written(node) for node in body[docstring:]], [written(each) for each in results]


def renamed(text: str, names: Mapping[str, str]) -> str:
    """The text with other names; a power is spaced where its exponent becomes more than a name."""
    for name, other in names.items():
        power = f"** {other}" if not re.fullmatch(r"[\w.]+", other) else f"**{other}"
        text = re.sub(rf" ?\*\* ?{name}\b", f" {power}" if power[2] == " " else power, text)
        text = re.sub(rf"(?<![\w.]){name}\b", other, text)
    return text


def source(thing: Any, what: str) -> tuple[str, list[str], frozenset[str]]:
    """A function or class of the user's: its name, the lines that define it, or else the import that brings it.

    A function of PyTorch's needs neither. FitError for what has no source and cannot be imported.
    """
    name, module = getattr(thing, "__name__", ""), getattr(thing, "__module__", "") or ""
    if module.partition(".")[0] == "torch":
        for prefix, place in (("F", torch.nn.functional), ("torch", torch)):
            if getattr(place, name, None) is thing:
                return f"{prefix}.{name}", [], frozenset()
    if not name.isidentifier():
        raise _nameless(thing, what)
    try:
        text = textwrap.dedent(inspect.getsource(thing)).rstrip()
        tree = ast.parse(text)
    except (OSError, TypeError, SyntaxError, IndentationError):
        text, tree = "", ast.Module([], [])
    first = tree.body[0] if tree.body else None
    if isinstance(first, ast.FunctionDef | ast.ClassDef) and first.name == name and undefined(tree) <= OFTEN:
        return name, text.splitlines(), frozenset()
    if module in ("", "__main__") or "<locals>" in getattr(thing, "__qualname__", "<locals>"):
        raise _nameless(thing, what)
    return name, [], frozenset({f"from {module} import {name}"})


def _nameless(thing: Any, what: str) -> FitError:
    called = getattr(thing, "__name__", type(thing).__name__)
    return FitError(
        f"{what}={called} cannot be written out: it has no source of its own, or needs more than torch. "
        f"Put it into a file as a function by itself, and give that one."
    )


def layers(module: nn.Module) -> list[str] | None:
    """PyTorch's own layers in a row, as the call that makes them: what opens it, and its arguments. None for others.

    >>> layers(nn.Sequential(nn.Linear(2, 3), nn.Tanh()))
    ['nn.Sequential(', 'nn.Linear(in_features=2, out_features=3, bias=True)', 'nn.Tanh()']
    """
    if type(module) is nn.Sequential and all(name.isdigit() for name, _ in module.named_children()):
        inner = [layers(part) for part in module]
        parts = [f"{part[0]}{', '.join(part[1:])})" for part in inner if part is not None]
        return ["nn.Sequential(", *parts] if len(parts) == len(inner) else None
    kind = type(module)
    if not kind.__module__.startswith("torch.nn.modules") or getattr(nn, kind.__name__, None) is not kind:
        return None
    try:
        call: Any = ast.parse(f"f({module.extra_repr()})", mode="eval").body
        positional = [ast.literal_eval(value) for value in call.args]
        named = {word.arg: ast.literal_eval(word.value) for word in call.keywords}
        made = kind(*positional, **named)
    except (SyntaxError, ValueError, TypeError):
        return None
    same = [tuple(p.shape) for p in made.parameters()] == [tuple(p.shape) for p in module.parameters()]
    arguments = [*map(repr, positional), *(f"{name}={value!r}" for name, value in named.items())]
    return [f"nn.{kind.__name__}(", *arguments] if same and repr(made) == repr(module) else None
