"""Python text: literals, names and comments that a user's own words cannot break out of, and parts set one below the other.

A script is a list of `Part`s, each an idea: a sentence or two, then code. In a script the sentences are comments, in a
notebook they are text between the cells. What comes from a user's table goes in as a literal (`literal`, `numbers`) or
as an ASCII name (`identifier`), nowhere else as code; in comments only what can be printed (`shown`).
"""

from __future__ import annotations

import ast
import builtins
import html
import json
import keyword
import re
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from steepest.formulas.rules import FORMULAS

WIDTH = 100
"""Characters of a line at most."""

KNOWN = {
    "torch": "import torch",
    "np": "import numpy as np",
    "numpy": "import numpy",
    "math": "import math",
    "nn": "from torch import nn",
    "F": "import torch.nn.functional as F",
    "Tensor": "from torch import Tensor",
    "Path": "from pathlib import Path",
    "combinations_with_replacement": "from itertools import combinations_with_replacement",
}
"""Names that code may use without a definition of its own, and the import that brings each."""

OWN = (
    "first ridge stretch rounded rounds tries delta damping noise promised fall bias unit smooth polynomial ends A A_test B "
    "F M T added added_test array average averages axis batches best before beta1 beta2 blocks c centre closure codes "
    "column columns costs counts curvature data degree design draws each ends entry epoch factors feature flat found free "
    "gain gradient group groups high i intercept j k kept key loss low lowered lr math mean model move moved n "
    "name names net nn now np objective offset optimizer order other p parameter parameters parts penalty place polynomial "
    "power prediction pull random rate residual right root row rows rows_test scale scheduler scipy share shift shrunk "
    "sizes slope soft squares stack start step t table target term test theta threshold torch total train uphill value "
    "values velocity waited weights weights_test wide width x x_test y y_test z "
)
OF_RULES = {name for rule in FORMULAS.values() for name in rule.formula.__code__.co_varnames} - {"g", "t"}
TAKEN = frozenset(OWN.split()) | OF_RULES
"""Names that a script may use itself."""


@dataclass(frozen=True)
class Part:
    """One idea of a script: what is to be said (sentences), and lines of code. title: a heading in a notebook.

    imports: those of other names than `KNOWN` ones.
    """

    title: str
    prose: str
    code: Sequence[str]
    imports: frozenset[str] = frozenset()


def literal(text: str) -> str:
    r"""A text as a Python literal, in the quotes that need fewer escapes.

    >>> print(literal('price'), literal('5" pipe'), literal("it's\n"))
    "price" '5" pipe' "it's\n"
    """
    # with both kinds of quotes in it repr sets single ones around, and escapes those inside
    inner = repr("'" + text + '"')[3:-2]
    plain = re.sub(r"\\(.)", lambda found: "'" if found[1] == "'" else found[0], inner, flags=re.DOTALL)
    if text.count('"') > text.count("'"):
        return "'" + plain.replace("'", "\\'") + "'"
    return '"' + plain.replace('"', '\\"') + '"'


def shown(name: str) -> str:
    r"""A name in a comment or on a line of its own: as it is if all of it can be printed, else with escapes.

    >>> print(shown("größe"), shown("a\nb"))
    größe a\nb
    """
    return name if name.isprintable() else repr(name)[1:-1]


def identifier(name: str, used: Iterable[str] = ()) -> str:
    """A name for a variable, made of a column's: ASCII, lower case, no word of Python's or of the script's.

    >>> identifier("Total floor area (m²)"), identifier("2nd"), identifier("class"), identifier("λ")
    ('total_floor_area_m', 'column_2nd', 'class_', 'column_')
    """
    word = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")[:30].rstrip("_")
    if not word or not word[0].isalpha():
        word = f"column_{word}".rstrip("_")
    if keyword.iskeyword(word) or keyword.issoftkeyword(word) or hasattr(builtins, word) or word in TAKEN - {"x", "y"}:
        word += "_"
    number, plain, used = 2, word, set(used)
    while word in used:
        word, number = f"{plain}_{number}", number + 1
    return word


def number(value: float) -> str:
    """A number to its last digit; whole ones without a point where they are counts.

    >>> number(0.1), number(1e-5), number(2.0), number(2), number(float("nan"))
    ('0.1', '1e-05', '2.0', '2', 'float("nan")')
    """
    value = int(value) if isinstance(value, int | np.integer) else float(value)
    return repr(value) if np.isfinite(value) else f'float("{value}")'


def numbers(values: np.ndarray) -> str:
    """Numbers `[n]` or `[n, m]` as a list, all on one line."""
    if values.ndim == 2:
        return "[" + ", ".join(numbers(row) for row in values) + "]"
    return "[" + ", ".join(map(number, values)) + "]"


def assigned(name: str, opening: str, items: Sequence[str], closing: str) -> list[str]:
    """`name = opening items closing`, wrapped where it is longer than a line.

    >>> assigned("x", "np.array([", ["1.0", "2.0"], "])")
    ['x = np.array([1.0, 2.0])']
    """
    line = f"{name} = {opening}{', '.join(items)}{closing}"
    if len(line) <= WIDTH:
        return [line]
    lines, row = [f"{name} = {opening}"], ""
    for item in items:
        if row and len(row) + len(item) + 6 > WIDTH:
            lines.append(f"    {row}")
            row = ""
        row += ("" if not row else " ") + item + ","
    return [*lines, f"    {row}", f"{closing}  # fmt: skip"]


def called(opening: str, *arguments: str, closing: str = ")") -> list[str]:
    """A call: `opening`, its arguments, `closing`; on three lines or one a line where it is longer than one.

    >>> called("model = Ridge(", "alpha=2.0", 'solver="svd"')
    ['model = Ridge(alpha=2.0, solver="svd")']
    """
    inside = ", ".join(arguments)
    if len(opening + inside + closing) <= WIDTH:
        return [f"{opening}{inside}{closing}"]
    if len(inside) + 4 <= WIDTH:
        return [opening, f"    {inside}", closing]
    return [opening, *(f"    {argument}," for argument in arguments), closing]


def array(name: str, values: np.ndarray) -> list[str]:
    """An array `[n]` or `[n, m]` as an assignment."""
    items = numbers(values)[1:-1]
    parts = items.split(", ") if values.ndim == 1 else [f"[{row}]" for row in items[1:-1].split("], [")]
    return assigned(name, "np.array([", parts, "])")


def comment(prose: str) -> list[str]:
    """Sentences as lines of a comment."""
    return [f"# {line}" for line in textwrap.wrap(prose, WIDTH - 4, break_long_words=True, break_on_hyphens=False)]


def imports(parts: Iterable[Part]) -> list[str]:
    """The import lines that parts need, in order: Python's own, a blank line, the others."""
    needed = {KNOWN[name] for part in parts for name in undefined(ast.parse("\n".join(part.code))) & KNOWN.keys()}
    lines = sorted(needed.union(*(part.imports for part in parts)), key=lambda line: (line.startswith("from"), line))
    own = [line for line in lines if line.split()[1].split(".")[0] in ("itertools", "math", "pathlib")]
    others = [line for line in lines if line not in own]
    # plain imports first, then `from` imports, each in order, as ruff sorts them
    return [*own, *([""] if own and others else []), *others]


def shown_parts(parts: Iterable[Part]) -> list[Part]:
    """Those that are more than an import."""
    return [part for part in parts if part.prose or part.code]


def undefined(tree: ast.Module) -> set[str]:
    """Names that code uses and does not define, Python's own left out."""
    made = set(dir(builtins))
    used = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            (made if isinstance(node.ctx, ast.Store) else used).add(node.id)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            made.add(node.name)
        elif isinstance(node, ast.arg):
            made.add(node.arg)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            made |= {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
    return used - made


def script(title: str, parts: Sequence[Part]) -> str:
    """The parts as one script; two blank lines stand around functions and classes."""
    lines = [f'"""{title}"""', "", *imports(parts)]
    for part in shown_parts(parts):
        said = comment(part.prose) if part.prose else []
        code = list(part.code)
        last = next((line for line in reversed(lines) if line and not line.startswith((" ", ")", "]", "#"))), "")
        wide = (code and _is_block(code[0])) or _is_block(last)
        lines += ["", ""] if wide else [""]
        lines += said + code
    return "\n".join(lines) + "\n"


def _is_block(line: str) -> bool:
    return line.startswith(("def ", "class ", "@"))


def notebook(title: str, parts: Sequence[Part]) -> str:
    """The same parts as a notebook (nbformat 4.5): what a comment says in a script is text between the cells."""
    cells = [_cell(f"# {title}"), _cell("\n".join(imports(parts)), code=True)]
    for part in shown_parts(parts):
        if part.prose:
            # a column's name is text here too: no markup, no HTML
            prose = html.escape(re.sub(r"([\\`*_\[\]$#|])", r"\\\1", part.prose), quote=False)
            cells.append(_cell(f"## {part.title}\n\n{prose}"))
        cells.append(_cell("\n".join(part.code), code=True))
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    whole = {
        "cells": [cell | {"id": f"cell-{number}"} for number, cell in enumerate(cells)],
        "metadata": {"kernelspec": kernel, "language_info": {"name": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(whole, indent=1, ensure_ascii=False) + "\n"


def _cell(text: str, code: bool = False) -> dict[str, Any]:
    cell = {"cell_type": "code", "execution_count": None, "outputs": []} if code else {"cell_type": "markdown"}
    return cell | {"metadata": {}, "source": text.splitlines(keepends=True)}
