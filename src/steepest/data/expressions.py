"""The expressions in a formula's terms: `log(lot)`, `poly(age, 2)`, `C(city, contr.sum)`, `I(a > 3)`.

An expression is a text. It is read by Python's own parser and evaluated here, node by node: columns, numbers, arithmetic,
comparisons and the functions that are listed below, and nothing else. No text is ever run as code, so that a formula out of
a stranger's run can do nothing but arithmetic. What a function learned of the rows of the fit (the means of `center`, the
polynomials of `poly`, the knots of `bs`) is its state: numbers, which are kept with the run and used on new rows.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from steepest.data.expression_text import STATEFUL, constant, dotted, name_of, parsed
from steepest.data.wording import listed, quoted, suggestion
from steepest.errors import DataError, SpecError
from steepest.lazy import unnoticed

LARGEST_COUNT = 1_000
"""A degree, and a number of knots, at most."""

ELEMENTWISE: dict[str, Callable[..., np.ndarray]] = {
    name: getattr(np, name)
    for name in (
        *("log", "log2", "log10", "log1p", "exp", "exp2", "expm1"),
        *("sqrt", "cbrt", "square", "abs", "sign", "floor", "ceil"),
        *("sin", "cos", "tan", "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh", "minimum", "maximum", "where"),
    )
} | {"exp10": lambda x: np.power(10.0, x)}
"""Functions of each value by itself, as NumPy has them; `np.log` is `log`."""

OPERATORS: dict[type, Callable[..., np.ndarray]] = {
    ast.Add: np.add, ast.Sub: np.subtract, ast.Mult: np.multiply, ast.Div: np.true_divide,
    ast.FloorDiv: np.floor_divide, ast.Mod: np.mod, ast.Pow: np.power,
    ast.Lt: np.less, ast.LtE: np.less_equal, ast.Gt: np.greater, ast.GtE: np.greater_equal,
    ast.Eq: np.equal, ast.NotEq: np.not_equal,
}  # fmt: skip
LOGICAL: dict[type, Callable[..., np.ndarray]] = {ast.BitAnd: np.logical_and, ast.BitOr: np.logical_or}

State = dict[str, tuple[float, ...] | None]
"""What a function has learned: a name and its numbers."""


@dataclass(frozen=True)
class Source:
    """The values of a source column: numbers `[n]` (parts of a date `[n, k]`, with names), truth values, codes of levels."""

    values: np.ndarray
    levels: tuple[str, ...] | None = None
    parts: tuple[str, ...] = ()


@dataclass
class Scope:
    """What an expression is evaluated with: columns by name, and the state of each function that has one.

    states: in the order in which the functions are met; learned now where None is given. row: how the first row that a mask
    `[n]` holds of is called.
    """

    columns: Mapping[str, Source]
    states: tuple[State, ...] | None
    row: Callable[[np.ndarray], str]
    learned: list[State] = field(default_factory=list)
    parts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self._left: Iterator[State] = iter(self.states or ())

    def known(self) -> State | None:
        """The state of the next function; None where it is to be learned."""
        return None if self.states is None else next(self._left)


def evaluate(node: ast.expr, text: str, scope: Scope) -> Any:
    """The value of an expression: `[n]` or `[n, k]`, numbers or truth values.

    Raises:
        SpecError: it holds something else than columns, numbers, operators and the functions of a formula.
    """
    try:
        with np.errstate(all="ignore"):  # whoever asked looks for what is not finite
            return _evaluate(node, text, scope)
    except RecursionError:
        raise SpecError(f"formula: the term {quoted(text)} is too deep.") from None


def _evaluate(node: ast.expr, text: str, scope: Scope) -> Any:
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        try:
            return np.float64(node.value)
        except OverflowError:
            raise SpecError(f"formula: a number in {quoted(text)} is too large.") from None
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd | ast.Invert):
        value = _evaluate(node.operand, text, scope)
        return (
            np.logical_not(value)
            if isinstance(node.op, ast.Invert)
            else -_numbers(value)
            if isinstance(node.op, ast.USub)
            else value
        )
    if isinstance(node, ast.BinOp) and type(node.op) in OPERATORS | LOGICAL:
        left, right = (_evaluate(side, text, scope) for side in (node.left, node.right))
        if type(node.op) in LOGICAL:
            return LOGICAL[type(node.op)](left, right)
        return OPERATORS[type(node.op)](_numbers(left), _numbers(right))
    if isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in OPERATORS:
        return _compared(node, text, scope)
    if isinstance(node, ast.Call):
        return _called(node, text, scope)
    if (name := dotted(node)) is not None:
        return _column(parsed(text)[1].get(name, name), text, scope)
    raise SpecError(
        f"formula: {quoted(ast.unparse(node))} in the term {quoted(text)} is not understood. A term is made of columns, numbers, "
        "+ - * / ** and comparisons within I(…), and functions."
    )


def _compared(node: ast.Compare, text: str, scope: Scope) -> np.ndarray:
    sides = [node.left, node.comparators[0]]
    words = [
        place for place, side in enumerate(sides) if isinstance(side, ast.Constant) and isinstance(side.value, str)
    ]
    compare = OPERATORS[type(node.ops[0])]
    if not words:
        return compare(*(_numbers(_evaluate(side, text, scope)) for side in sides))
    other, word = sides[1 - words[0]], str(constant(sides[words[0]], text))
    source = scope.columns.get(name_of(other, text))
    if source is None or source.levels is None or not isinstance(node.ops[0], ast.Eq | ast.NotEq):
        raise SpecError(
            f"formula: {quoted(ast.unparse(node))} in the term {quoted(text)} compares no column of levels with one."
        )
    if word not in source.levels and scope.states is None:
        raise SpecError(
            f"formula: {quoted(ast.unparse(node))} in the term {quoted(text)}: the column has no level {quoted(word)}: "
            f"{suggestion(word, source.levels)}Its levels are {listed(source.levels)}."
        )
    return compare(source.values, source.levels.index(word) if word in source.levels else -1)


def _column(name: str, text: str, scope: Scope) -> np.ndarray:
    source = scope.columns[name]
    if source.levels is not None:
        raise SpecError(
            f"formula: the column {quoted(name)} holds text, and the term {quoted(text)} makes numbers of it. Give it as a term "
            f'of its own, {name} or C({name}), or compare it with a level: I({name} == "…").'
        )
    scope.parts = source.parts
    return source.values


def _called(node: ast.Call, text: str, scope: Scope) -> Any:
    name = (dotted(node.func) or "").removeprefix("np.")
    if name == "Q":
        return _column(name_of(node, text), text, scope)
    if not node.args or any(isinstance(one, ast.Starred) for one in node.args):
        name = ""
    if name == "I" and len(node.args) == 1 and not node.keywords:
        return _evaluate(node.args[0], text, scope)
    if name in ELEMENTWISE and not node.keywords:
        values = [_evaluate(one, text, scope) for one in node.args]
        try:
            return ELEMENTWISE[name](*(value if name == "where" else _numbers(value) for value in values))
        except (TypeError, ValueError):
            raise SpecError(
                f"formula: {quoted(ast.unparse(node))} has another number of arguments than {name} takes."
            ) from None
    if name in STATEFUL:
        return _stateful(name, node, text, scope)
    called = ast.unparse(node.func)
    if name == "C":
        raise SpecError(f"formula: C(…) within the term {quoted(text)}: it is a term of its own.")
    if called == "offset":
        raise SpecError(f"formula: an offset is no term but a setting: offset='COLUMN' in place of {quoted(text)}.")
    raise SpecError(
        f"formula: the term {quoted(text)} calls {quoted(called)}, which a formula may not. It may call C, I, Q, "
        f"{', '.join([*ELEMENTWISE, *STATEFUL])}."
    )


def _stateful(name: str, node: ast.Call, text: str, scope: Scope) -> np.ndarray:
    """A function that learned of the rows of the fit, by formulaic."""
    given = dict(zip(STATEFUL[name], (constant(one, text) for one in node.args[1:]), strict=False))
    given |= {str(keyword.arg): constant(keyword.value, text) for keyword in node.keywords}
    if len(node.args) - 1 > len(STATEFUL[name]) or not set(given) <= set(STATEFUL[name]):
        raise SpecError(
            f"formula: {name} takes a column and {', '.join(STATEFUL[name]) or 'nothing else'}, in {quoted(text)}."
        )
    for argument, least in (("degree", 1), ("df", 1), ("ddof", 0)):
        value = given.get(argument)
        if value is not None and not (isinstance(value, int) and least <= value <= LARGEST_COUNT):
            raise SpecError(
                f"formula: {argument}={value!r} in {quoted(text)} must be a whole number from {least} to {LARGEST_COUNT:,}."
            )
    x = _numbers(_evaluate(node.args[0], text, scope))
    if np.ndim(x) != 1:
        raise SpecError(f"formula: {name} in {quoted(text)} is of one column.")
    if not np.isfinite(x).all():
        return x
    known = scope.known()
    with unnoticed():
        from formulaic.transforms import TRANSFORMS
    transforms: dict[str, Any] = dict(TRANSFORMS)
    try:
        state = {} if known is None else _unpacked(known)
        _check_range(name, x, given, state, text, scope)
        found = transforms[name](x, **given, _state=state)
    except DataError:
        raise
    except (ValueError, TypeError, ZeroDivisionError, np.linalg.LinAlgError, LookupError, AttributeError) as error:
        raise SpecError(f"formula: {quoted(ast.unparse(node))}: {' '.join(str(error).split())[:160]}") from None
    scope.learned.append(_packed(state))
    plain = getattr(found, "__wrapped__", found)
    columns = np.column_stack(list(plain.values())) if isinstance(plain, dict) else np.asarray(plain, dtype=np.float64)
    scope.parts = tuple(str(place + 1) for place in range(columns.shape[1])) if columns.ndim == 2 else ()
    return columns


def _check_range(
    name: str, x: np.ndarray, given: Mapping[str, Any], state: Mapping[str, Any], text: str, scope: Scope
) -> None:
    """Raise DataError where new rows lie outside of a spline."""
    if given.get("extrapolation", "raise") != "raise" or "lower_bound" not in state:
        return
    low, high = state["lower_bound"], state["upper_bound"]
    outside = (x < low) | (x > high)
    if outside.any():
        value = x[outside][0]
        raise DataError(
            f"the term {quoted(text)} is a spline from {low:g} to {high:g}, and {scope.row(outside)} has {value:g}. To have a "
            f"value there, fit with {name}(…, extrapolation='extend'), or 'clip'"
        )


PAIRS = ("alpha", "norms2")
SINGLE = ("center", "scale", "ddof", "lower_bound", "upper_bound", "cyclic")


def _packed(state: Mapping[str, Any]) -> State:
    """The state of one of formulaic's functions as numbers."""
    found: State = {}
    for name, value in state.items():
        value = [value[key] for key in sorted(value)] if isinstance(value, dict) else value
        found[name] = None if value is None else tuple(np.ravel(np.asarray(value, dtype=np.float64)).tolist())
    return found


def _unpacked(state: State) -> dict[str, Any]:
    """What `_packed` was made of."""
    found: dict[str, Any] = {}
    for name, numbers in state.items():
        if numbers is None:
            found[name] = None
        elif name in PAIRS:
            found[name] = dict(enumerate(numbers))
        elif name in SINGLE:
            found[name] = bool(numbers[0]) if name == "cyclic" else numbers[0]
        else:
            found[name] = np.array([numbers]) if name == "constraints" else list(numbers)
    return found


def _numbers(value: Any) -> Any:
    """Truth values as 0 and 1."""
    return value.astype(np.float64) if is_truth(value) else value


def is_truth(value: Any) -> bool:
    """Whether a value is truth values."""
    return getattr(getattr(value, "dtype", None), "kind", "") == "b"
