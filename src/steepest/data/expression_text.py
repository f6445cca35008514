"""What the expressions in a formula's terms say, without a value: the columns, functions, contrasts and levels in their text."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from steepest.data.wording import quoted
from steepest.errors import SpecError

LONGEST = 10_000
"""Characters of a formula at most."""

STATEFUL = {
    "center": (),
    "scale": ("center", "scale", "ddof"),
    "standardize": ("center", "rescale", "ddof"),
    "poly": ("degree", "raw"),
    "bs": ("df", "knots", "degree", "lower_bound", "upper_bound", "extrapolation"),
    **dict.fromkeys(("cr", "cs", "cc"), ("df", "knots", "lower_bound", "upper_bound", "constraints", "extrapolation")),
}
"""Functions that learn of the rows of the fit, by formulaic; and their arguments behind the first."""

CONTRASTS = {
    **{f"contr.{name}": name for name in ("treatment", "SAS", "sum", "helmert", "poly", "diff")},
    **{"Treatment": "treatment", "Sum": "sum", "Helmert": "helmert", "Poly": "poly", "Diff": "diff"},
}
"""How `C` may code levels, in R's words and patsy's."""

REFERENCED = ("treatment", "SAS")
"""Contrasts that have a reference level."""


@dataclass(frozen=True)
class Category:
    """What `C(…)` says: what is coded, the contrasts, the reference level, and the levels in order, if they are given."""

    node: ast.expr
    contrast: str = "treatment"
    reference: str | None = None
    levels: tuple[str, ...] = ()


@lru_cache(maxsize=1_000)
def parsed(text: str) -> tuple[ast.expr, Mapping[str, str]]:
    """The tree of an expression, and the columns that stand in backticks by the names that stand for them in it.

    Raises:
        SpecError: it is none.
    """
    quoted_columns: dict[str, str] = {}

    def placed(match: re.Match[str]) -> str:
        name = f"column_in_backticks_{len(quoted_columns)}"
        quoted_columns[name] = match[1]
        return name

    try:
        tree = ast.parse(re.sub(r"`([^`]*)`", placed, text[:LONGEST]).strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise SpecError(f"formula: the term {quoted(text)} is no expression.") from None
    return tree, quoted_columns


def columns_of(text: str) -> list[str]:
    """The columns that an expression is made of.

    >>> columns_of("log(`Lot Area`) + Sepal.Width"), columns_of("C(city, contr.treatment('Oslo'))")
    (['Lot Area', 'Sepal.Width'], ['city'])
    """
    tree, in_backticks = parsed(text)
    found: list[str] = []

    def walk(node: ast.AST) -> None:
        if isinstance(node, ast.Call):
            if dotted(node.func) == "Q":
                found.append(constant(node.args[0], text) if node.args else "")
                return
            first = node.args[:1] if dotted(node.func) == "C" else node.args
            for child in (*first, *(keyword.value for keyword in node.keywords if dotted(node.func) != "C")):
                walk(child)
        elif (name := dotted(node)) is not None:
            found.append(in_backticks.get(name, name))
        else:
            for child in ast.iter_child_nodes(node):
                walk(child)

    try:
        walk(tree)
    except RecursionError:
        raise SpecError(f"formula: the term {quoted(text)} is too deep.") from None
    return list(dict.fromkeys(found))


def learning(text: str) -> int:
    """How many functions in an expression learn of the rows."""
    calls = [node for node in ast.walk(parsed(text)[0]) if isinstance(node, ast.Call)]
    return sum((dotted(node.func) or "").removeprefix("np.") in STATEFUL for node in calls)


def category_of(text: str) -> Category | None:
    """What a term `C(…)` says; None for any other."""
    tree, _ = parsed(text)
    if not (isinstance(tree, ast.Call) and dotted(tree.func) == "C"):
        return None
    given = dict(zip(("data", "contrasts"), tree.args, strict=False))
    for keyword in tree.keywords:
        given[str(keyword.arg)] = keyword.value
    if len(tree.args) not in (1, 2) or not set(given) <= {"data", "contrasts", "levels"}:
        raise SpecError(
            f"formula: {quoted(text)} is written C(COLUMN, contrasts, levels=[…]); leave out what is not needed."
        )
    levels = constant(given["levels"], text) if "levels" in given else ()
    if isinstance(levels, str | int | float | None) or len(set(map(str, levels))) < len(levels):
        raise SpecError(f"formula: the levels in {quoted(text)} are a list of different ones.")
    contrast, reference = _contrast(given.get("contrasts"), text)
    return Category(given["data"], contrast, reference, tuple(map(_level, levels)))


def _contrast(node: ast.expr | None, text: str) -> tuple[str, str | None]:
    if node is None or (isinstance(node, ast.Constant) and node.value is None):
        return "treatment", None
    called, given = (node.func, [*node.args, *node.keywords]) if isinstance(node, ast.Call) else (node, [])
    contrast = CONTRASTS.get(dotted(called) or "")
    keywords = [entry.arg for entry in given if isinstance(entry, ast.keyword)]
    if contrast is None or not set(keywords) <= {"base", "reference"}:
        raise SpecError(
            f"formula: the contrasts in {quoted(text)} are not known. Known: {', '.join(CONTRASTS)}; of treatment with the "
            'reference level, as in contr.treatment("Oslo").'
        )
    if given and (contrast not in REFERENCED or len(given) > 1):
        raise SpecError(
            f"formula: the contrasts in {quoted(text)} have a reference level: only treatment and SAS take one."
        )
    if not given:
        return contrast, None
    value = constant(given[0].value if isinstance(given[0], ast.keyword) else given[0], text)
    return contrast, _level(value)


def _level(value: Any) -> str:
    """A level as it is written: 2001.0 is 2001."""
    return f"{value:.15g}" if isinstance(value, float) else str(value)


def name_of(node: ast.expr, text: str) -> str:
    """The column that a node is; "" where it is more than one."""
    if isinstance(node, ast.Call) and dotted(node.func) == "Q" and node.args:
        return str(constant(node.args[0], text))
    name = dotted(node) or ""
    return parsed(text)[1].get(name, name)


def dotted(node: ast.AST) -> str | None:
    """The name in a node, `Sepal.Width` too; None for what is no name."""
    if isinstance(node, ast.Name):
        return node.id
    inner = dotted(node.value) if isinstance(node, ast.Attribute) else None
    return None if inner is None else f"{inner}.{node.attr}"  # pyrefly: ignore


def constant(node: ast.expr, text: str) -> Any:
    """A number, a text, a truth value, None, or a list of such."""
    try:
        value = ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        value = node
    entries: Collection[Any] = value if isinstance(value, list | tuple) else [value]
    if not all(entry is None or isinstance(entry, str | int | float) for entry in entries):
        raise SpecError(
            f"formula: {quoted(ast.unparse(node))} in the term {quoted(text)} is to be a number, a text or a list."
        )
    return value
