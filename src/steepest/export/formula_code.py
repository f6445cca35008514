"""The terms of a formula in code: NumPy's words for its columns, levels and functions, and the numbers that these have learned.

Written where it gives the very numbers of the fit, which is tried first; splines have no such words.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from steepest.data.dataset import Dataset
from steepest.data.design import Factor
from steepest.data.expression_text import REFERENCED, category_of, dotted, name_of, parsed
from steepest.data.expressions import ELEMENTWISE, State
from steepest.data.features import Column, filled
from steepest.export.python_text import Part, identifier, literal, number, shown


class NoWords(Exception):
    """A term that has no words in NumPy."""


def plain_rows(rows: Dataset) -> Dataset:
    """Rows with the columns of the table in the place of a formula's terms: text as the numbers of its levels."""
    columns, values = rows.schema.columns, rows.sources
    if values is None or any(one.way == "parts" or (one.own_missing and one.kind != "category") for one in columns):
        raise NoWords
    parts = [filled(column, values[:, place : place + 1])[0] for place, column in enumerate(columns)]
    x = np.ascontiguousarray(np.column_stack(parts)) if parts else np.empty((rows.rows, 0))
    schema = replace(rows.schema, design=None)
    return replace(rows, x=x, names=tuple(column.name for column in columns), schema=schema, sources=None)


def terms(rows: Dataset, columns: Sequence[str], matrix: bool, target: str, suffixes: Sequence[str]) -> Part:
    """A part that makes x of the columns, once for each suffix. columns: their variables, or with `matrix` the one of all.

    Raises:
        NoWords: it would not give the fit's own numbers.
    """
    design, schema = rows.schema.design, rows.schema
    if design is None or not schema.columns:
        raise NoWords
    used = [target, f"{target}_test", *columns]
    variables: dict[str, str] = {}
    for place, column in enumerate(schema.columns):
        variables[column.name] = identifier(column.name, used) if matrix else columns[place]
        used += [variables[column.name], f"{variables[column.name]}_test"]
    writer, lines = _Writer({column.name: column for column in schema.columns}, variables), list[str]()
    try:
        for one in design.products:
            lines += writer.product([design.factors[at] for at in one.factors], one.reduced)
    except (KeyError, ValueError, TypeError, StopIteration, IndexError):
        raise NoWords from None
    if len(lines) != rows.x.shape[1]:
        raise NoWords
    _check(lines, variables, rows)
    code: list[str] = []
    for suffix in suffixes:
        names = {variable: variable + suffix for variable in variables.values()}
        if matrix:
            code.append(f"{', '.join(names.values())}{',' * (len(names) == 1)} = x{suffix}.T")
        each = zip(lines, rows.names, strict=True)
        code += ["terms = [", *(f"    {_renamed(line, names)},  # {shown(name)}" for line, name in each), "]"]
        code.append(f"x{suffix} = np.column_stack(terms).astype(float)")
    levels = [
        f"{shown(column.name)} holds the number of its level: {_listed(column)}."
        for column in schema.columns
        if column.levels
    ]
    return Part("The terms", " ".join([f"The terms of the formula {shown(design.formula)}.", *levels]), code)


def _listed(column: Column) -> str:
    names = [*column.levels, "missing"] if column.own_missing else [*column.levels]
    told = [f"{code} {shown(level)}" for code, level in enumerate(names[:30])]
    return ", ".join([*told, "…"] if names[30:] else told)


def _check(lines: Sequence[str], variables: Mapping[str, str], rows: Dataset) -> None:
    """Raise NoWords unless the lines give the fit's own numbers."""
    plain = plain_rows(rows)
    names: dict[str, Any] = {variables[name]: plain.x[:, place] for place, name in enumerate(plain.names)}
    try:
        with np.errstate(all="ignore"):
            # our own words, in which a user's names are identifiers and literals
            exec(f"x = np.column_stack([{', '.join(lines)}]).astype(float)", {"np": np}, names)
    except (TypeError, ValueError, IndexError, SyntaxError, NameError):
        raise NoWords from None
    if not np.array_equal(names["x"], rows.x):
        raise NoWords


def _renamed(line: str, names: Mapping[str, str]) -> str:
    """A line with other names for its variables."""

    class Renamed(ast.NodeTransformer):
        def visit_Name(self, node: ast.Name) -> ast.Name:
            return ast.Name(names.get(node.id, node.id), node.ctx)

    same = all(old == new for old, new in names.items())
    return line if same else ast.unparse(Renamed().visit(ast.parse(line, mode="eval")))


class _Writer:
    """Code for factors. columns: of the table, by name. variables: what each is called in the code."""

    def __init__(self, columns: Mapping[str, Column], variables: Mapping[str, str]):
        self.columns, self.variables = columns, variables

    def product(self, factors: Sequence[Factor], reduced: Sequence[bool]) -> Iterator[str]:
        """The columns of a product, the first factor's varying fastest."""
        each = [self._factor(factor, low) for factor, low in zip(factors, reduced, strict=True)]
        lines = [""]
        for part in reversed(each):
            lines = [f"{one} * {line}" if line else one for line in lines for one in part]
        return iter(lines)

    def _factor(self, factor: Factor, reduced: bool) -> list[str]:
        """The columns of a factor."""
        said, states = category_of(factor.text), iter(factor.states)
        node = said.node if said else parsed(factor.text)[0]
        name = name_of(node, factor.text) if said or not factor.text.startswith("`") else factor.name
        column = self.columns.get(name)
        if not factor.contrast:
            return self._numbers(node, factor.text, states)
        if column is not None and column.kind == "category":
            return self._levels(factor, column, reduced)
        if factor.contrast not in REFERENCED and reduced:
            raise NoWords
        (code,) = self._numbers(node, factor.text, states)
        values = zip(factor.levels, factor.numbers or (False, True), strict=True)
        return [f"({code} == {value!r})" for level, value in values if not (reduced and level == factor.reference)]

    def _levels(self, factor: Factor, column: Column, reduced: bool) -> list[str]:
        """The columns of a factor that is the levels of a column of text, which holds their numbers."""
        code, levels = self.variables[column.name], [*column.levels, *(["missing"] if column.own_missing else [])]
        if factor.contrast in REFERENCED or not reduced:
            shown_levels = [level for level in factor.levels if not (reduced and level == factor.reference)]
            return [f"({code} == {levels.index(level)})" for level in shown_levels]
        places = np.array([factor.levels.index(level) for level in levels])
        columns = [", ".join(number(float(value)) for value in one) for one in factor.columns(places, reduced)]
        return [f"np.array([{values}])[{code}.astype(int)]" for values in columns]

    def _numbers(self, node: ast.expr, text: str, states: Iterator[State]) -> list[str]:
        """The columns of an expression."""
        if isinstance(node, ast.Call) and dotted(node.func) == "poly":
            if len(node.args) > 2 or node.keywords:
                raise NoWords
            return _polynomials(self._one(node.args[0], text, states), next(states))
        return [self._one(node, text, states)]

    def _one(self, node: ast.expr, text: str, states: Iterator[State]) -> str:
        """An expression of one column."""
        if isinstance(node, ast.Constant):
            return repr(float(node.value)) if isinstance(node.value, int | float) else literal(str(node.value))
        if isinstance(node, ast.UnaryOp):
            return f"({SIGNS[type(node.op)]}{self._one(node.operand, text, states)})"
        if isinstance(node, ast.BinOp):
            left, right = (self._one(side, text, states) for side in (node.left, node.right))
            return f"({left} {SIGNS[type(node.op)]} {right})"
        if isinstance(node, ast.Compare):
            return self._compared(node, text, states)
        if isinstance(node, ast.Call) and dotted(node.func) != "Q":
            return self._called(node, text, states)
        return self.variables[name_of(node, text)]

    def _compared(self, node: ast.Compare, text: str, states: Iterator[State]) -> str:
        sides, sign = [node.left, node.comparators[0]], SIGNS[type(node.ops[0])]
        words = [
            place for place, side in enumerate(sides) if isinstance(side, ast.Constant) and isinstance(side.value, str)
        ]
        if not words:
            return f"({self._one(sides[0], text, states)} {sign} {self._one(sides[1], text, states)})"
        column = self.columns[name_of(sides[1 - words[0]], text)]
        return f"({self.variables[column.name]} {sign} {column.levels.index(ast.literal_eval(sides[words[0]]))})"

    def _called(self, node: ast.Call, text: str, states: Iterator[State]) -> str:
        name = (dotted(node.func) or "").removeprefix("np.")
        if name == "I":
            return self._one(node.args[0], text, states)
        if name in ELEMENTWISE and hasattr(np, name):
            return f"np.{name}({', '.join(self._one(one, text, states) for one in node.args)})"
        if name not in ("center", "scale", "standardize"):
            raise NoWords
        inner, state = self._one(node.args[0], text, states), next(states)
        centre, size = state.get("center"), state.get("scale")
        inner = inner if centre is None else f"({inner} - {number(centre[0])})"
        return inner if size is None else f"({inner} / {number(size[0])})"


SIGNS: dict[type, str] = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.FloorDiv: "//", ast.Mod: "%", ast.Pow: "**", ast.Lt: "<",
    ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!=", ast.BitAnd: "&", ast.BitOr: "|",
    ast.USub: "-", ast.UAdd: "+", ast.Invert: "~",
}  # fmt: skip


def _polynomials(column: str, state: State) -> list[str]:
    """Orthogonal polynomials by their three-term recurrence, each over its length."""
    alpha, norms = state["alpha"] or (), state["norms2"] or ()
    before, last, found = "", "", []
    for degree, shift in enumerate(alpha):
        new = f"({column} - {number(shift)})"
        if degree:
            ratio = number(norms[degree] / norms[degree - 1])
            new = f"({new} * {last} - {ratio}{f' * {before}' if before else ''})"
        before, last = last, new
        found.append(f"({new} / {number(float(np.sqrt(norms[degree + 1])))})")
    return found
