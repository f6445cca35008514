"""A formula of `formulas/` as lines of a script: its own source, with other names for what it is given."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Callable, Mapping
from typing import Any


def formula_text(formula: Callable[..., Any], names: Mapping[str, str]) -> tuple[list[str], str]:
    """The lines ahead of its `return`, and what it returns: the first of several.

    >>> from steepest.formulas.rules import FORMULAS
    >>> formula_text(FORMULAS["momentum"].formula, {"g": "gradient"})
    (['velocity = beta * velocity + gradient'], 'lr * velocity')
    """
    text = textwrap.dedent(inspect.getsource(formula))
    function = ast.parse(text).body[0]
    assert isinstance(function, ast.FunctionDef)
    *body, last = function.body
    assert isinstance(last, ast.Return)
    assert last.value is not None
    result = last.value.elts[0] if isinstance(last.value, ast.Tuple) else last.value

    def written(node: ast.AST) -> str:
        return renamed(ast.get_source_segment(text, node) or "", names)

    docstring = isinstance(body[0], ast.Expr) if body else False
    return [written(node) for node in body[docstring:]], written(result)


def renamed(text: str, names: Mapping[str, str]) -> str:
    """The text with other names; a power is spaced where its exponent becomes more than a name."""
    for name, other in names.items():
        power = f"** {other}" if not re.fullmatch(r"[\w.]+", other) else f"**{other}"
        text = re.sub(rf" ?\*\* ?{name}\b", f" {power}" if power[2] == " " else power, text)
        text = re.sub(rf"(?<![\w.]){name}\b", other, text)
    return text
