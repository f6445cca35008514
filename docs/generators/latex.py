"""A formula of the package, a short Python function of plain arithmetic, as LaTeX: one line for each of its own.

    inner = minimum(size, width)            \\mathit{inner} = \\min(\\mathit{size}, D)
    return inner * (size - 0.5 * inner)     \\ell = \\mathit{inner}\\,(\\mathit{size} - \\tfrac{1}{2}\\,\\mathit{inner})

So what is printed is what is computed: there is no second copy that could be wrong.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Mapping
from typing import Any

GREEK = {"alpha", "beta", "rho"}
FRACTIONS = {0.5: r"\tfrac{1}{2}", 0.6931471805599453: r"\log 2", 1e-6: "10^{-6}", 1e-8: "10^{-8}", 1e-10: "10^{-10}"}
FUNCTIONS = {
    "sign": r"\operatorname{sign}", "tanh": r"\tanh", "cos": r"\cos", "exp": r"\exp", "log": r"\log", "sigmoid": r"\sigma",
    "logsigmoid": r"\log\sigma", "minimum": r"\min", "maximum": r"\max", "clip": r"\operatorname{clip}",
    "total": r"\textstyle\sum",
}  # fmt: skip
SUM, PRODUCT, SIGN, POWER, ATOM = range(5)
"""How tightly a part holds together; a looser one inside a tighter one stands in brackets."""

BECOMES = r"\leftarrow"
"""Between a name and its new value, where that is made of its old one."""

COMPARED = {ast.Lt: "<", ast.LtE: r"\le", ast.Gt: ">", ast.GtE: r"\ge"}


def lines(function: Callable[..., Any], names: Mapping[str, str], result: str) -> list[str]:
    """The lines of a formula.

    Args:
        names: name in the code → its sign; others are Greek letters or words.
        result: what stands before the first value that it returns, as `\\ell = `.
    """
    writer = _Writer(names, function.__globals__)
    body = _definition(function).body
    return [line for statement in body if (line := writer.statement(statement, result))]


def displayed(function: Callable[..., Any], names: Mapping[str, str], result: str) -> str:
    """The same as the body of a displayed formula."""
    found = lines(function, names, result)
    if len(found) == 1:
        return found[0]
    aligned = [line.replace(" = ", " &= ", 1).replace(r" \leftarrow ", r" &\leftarrow ", 1) for line in found]
    return "\\begin{split}\n" + " \\\\\n".join(aligned) + "\n\\end{split}"


def _definition(function: Callable[..., Any]) -> ast.FunctionDef:
    (found,) = ast.parse(textwrap.dedent(inspect.getsource(function))).body
    if not isinstance(found, ast.FunctionDef):
        raise TypeError(f"{function} is no function with a name, whose lines could be read.")
    return found


class _Writer:
    """The parts of one function; `known` are the names of its module."""

    def __init__(self, names: Mapping[str, str], known: Mapping[str, Any]):
        self.names, self.known = names, known

    def statement(self, node: ast.stmt, result: str) -> str:
        if isinstance(node, ast.Return) and node.value is not None:
            value = node.value.elts[0] if isinstance(node.value, ast.Tuple) else node.value
            written, holds = self.part(value)
            return result + (f"({written})" if result.rstrip().endswith("-") and holds == SUM else written)
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            name = node.targets[0].id
            again = any(isinstance(one, ast.Name) and one.id == name for one in ast.walk(node.value))
            return f"{self.name(name)} {BECOMES if again else '='} {self.part(node.value)[0]}"
        if isinstance(node, ast.Expr):  # a docstring
            return ""
        raise NotImplementedError(ast.unparse(node))

    def name(self, name: str) -> str:
        if name in self.names:
            return self.names[name]
        letter, digits = name.rstrip("0123456789"), name[len(name.rstrip("0123456789")) :]
        sign = f"\\{letter}" if letter in GREEK or letter == "pi" else rf"\mathit{{{letter}}}"
        return sign + (f"_{digits}" if digits else "")

    def part(self, node: ast.expr) -> tuple[str, int]:
        """A part as it is written, and how tightly it holds together."""
        match node:
            case ast.Constant():
                return self.number(node.value), ATOM
            case ast.Name() if isinstance(self.known.get(node.id), float) and node.id not in self.names:
                return (r"\pi" if node.id == "pi" else self.number(self.known[node.id])), ATOM
            case ast.Name():
                return self.name(node.id), ATOM
            case ast.UnaryOp(op=ast.USub()):
                return "-" + self.within(node.operand, PRODUCT), SUM
            case ast.Compare():
                left, right = self.part(node.left)[0], self.part(node.comparators[0])[0]
                return f"[{left} {COMPARED[type(node.ops[0])]} {right}]", ATOM
            case ast.BinOp():
                return self.operation(node)
            case ast.Call(func=ast.Name(id="power"), args=[base, exponent]):
                return self.operation(ast.BinOp(base, ast.Pow(), exponent))
            case ast.Call(func=ast.Name()):
                return self.call(node.func.id, node.args)
        raise NotImplementedError(ast.unparse(node))

    def number(self, value: float) -> str:
        digits, _, power = f"{value:g}".partition("e")
        return FRACTIONS.get(value) or (rf"{digits} \cdot 10^{{{int(power)}}}" if power else digits)

    def within(self, node: ast.expr, tight: int) -> str:
        written, holds = self.part(node)
        return f"({written})" if holds < tight else written

    def operation(self, node: ast.BinOp) -> tuple[str, int]:
        left, right = node.left, node.right
        match node.op:
            case ast.Add():
                return f"{self.part(left)[0]} + {self.within(right, SUM)}", SUM
            case ast.Sub():
                return f"{self.part(left)[0]} - {self.within(right, PRODUCT)}", SUM
            case ast.Mult():
                return self.product(left, right), PRODUCT
            case ast.Div():
                return rf"\frac{{{self.part(left)[0]}}}{{{self.part(right)[0]}}}", PRODUCT
            case ast.FloorDiv():
                return rf"\left\lfloor \frac{{{self.part(left)[0]}}}{{{self.part(right)[0]}}} \right\rfloor", ATOM
            case ast.Mod():
                return rf"{self.within(left, PRODUCT)} \bmod {self.within(right, PRODUCT)}", SUM
            case ast.Pow() if isinstance(right, ast.Constant) and right.value == 0.5:
                return rf"\sqrt{{{self.part(left)[0]}}}", ATOM
            case ast.Pow():
                return f"{self.within(left, ATOM)}^{{{self.part(right)[0]}}}", POWER
        raise NotImplementedError(ast.unparse(node))

    def product(self, left: ast.expr, right: ast.expr) -> str:
        if isinstance(left, ast.Call) and getattr(left.func, "id", "") == "full_like":
            left, right = left.args[1], right
            if isinstance(left, ast.Constant) and left.value == 1.0:
                return self.within(right, PRODUCT)
        if isinstance(right, ast.Compare):
            return rf"{self.within(left, PRODUCT)} \cdot {self.part(right)[0]}"
        first, second = self.within(left, PRODUCT), self.within(right, PRODUCT)
        return f"{first} {second}" if second[0] != "(" else rf"{first}\,{second}"

    def call(self, name: str, arguments: list[ast.expr]) -> tuple[str, int]:
        written = [self.part(argument)[0] for argument in arguments]
        if name == "abs":
            return f"\\left|{written[0]}\\right|", ATOM
        if name == "full_like":
            return written[1], ATOM
        if name == "expm1":
            return f"{self.call('exp', arguments)[0]} - 1", SUM
        if name == "log1p":
            return rf"\log(1 + {written[0]})", ATOM
        if name == "where":
            rows = rf"{written[1]} & \text{{if }} {written[0].strip('[]')} \\ {written[2]} & \text{{otherwise}}"
            return rf"\begin{{cases}} {rows} \end{{cases}}", ATOM
        if name not in FUNCTIONS:
            raise NotImplementedError(f"{name}: say in {__name__}.FUNCTIONS how it is written.")
        inside = ", ".join(written)
        tall = any(word in inside for word in (r"\frac", r"\begin"))
        return FUNCTIONS[name] + (rf"\left({inside}\right)" if tall else f"({inside})"), ATOM
