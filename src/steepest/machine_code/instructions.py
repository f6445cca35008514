"""What machine code is written with: numbers, pointers, loops, and the words of formulas."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import islice
from typing import Any

import numpy as np
from llvmlite import ir

INTEGER: Any = ir.IntType(64)
REAL: Any = ir.DoubleType()
_BYTE, _CHOICE, _TRUTH = ir.IntType(8), ir.IntType(32), ir.IntType(1)
_TYPES: dict[str, Any] = {"float32": ir.FloatType(), "float64": REAL, "int64": INTEGER}
_INTRINSIC = ("fabs", "sqrt", "exp", "log", "pow")
_BYTES = {_TYPES[name]: np.dtype(name).itemsize for name in _TYPES}
_SUMS = ("reassoc", "contract", "nsz")

LINE = 64
"""Bytes that come from memory together."""


def to(name: str) -> Any:
    """The type of a pointer to numbers of this NumPy type."""
    return _TYPES[name].as_pointer()


def numpy_type(kind: Any) -> np.dtype:
    """NumPy's for a type of numbers."""
    return np.dtype(next(name for name, each in _TYPES.items() if each == kind))


def _operator(integer: str, real: str, swapped: bool = False) -> Callable[[Number, Any], Number]:
    """An operator of a Number, by LLVM's words for it between integers and between other numbers."""

    def write(self: Number, other: Any) -> Number:
        left, right = reversed(self._pair(other)) if swapped else self._pair(other)
        whole = left.type == INTEGER
        flags = _SUMS if not whole else () if integer == "udiv" else ("nsw",)
        return Number(self.code, getattr(self.code.builder, integer if whole else real)(left, right, flags=flags))

    return write


def _comparison(sign: str) -> Callable[[Number, Any], Number]:
    return lambda self, other: self._compare(sign, other)


class Number:
    """An integer, a floating-point number or a truth value that is known when the code runs."""

    __slots__ = ("code", "value")

    def __init__(self, code: Code, value: Any):
        self.code, self.value = code, value

    def _pair(self, other: Any) -> tuple[Any, Any]:
        """Both in one type: a constant takes the other's, the wider of two is taken, and a truth value counts 1 or 0."""
        mine, theirs = self, other if isinstance(other, Number) else self.like(other)
        if mine.value.type == _TRUTH != theirs.value.type:
            mine = mine.cast(theirs.value.type)
        elif theirs.value.type == _TRUTH != mine.value.type:
            theirs = theirs.cast(mine.value.type)
        if mine.value.type != theirs.value.type:
            wider = max(mine.value.type, theirs.value.type, key=_width)
            mine, theirs = mine.cast(wider), theirs.cast(wider)
        return mine.value, theirs.value

    __add__ = __radd__ = _operator("add", "fadd")
    __sub__, __rsub__ = _operator("sub", "fsub"), _operator("sub", "fsub", swapped=True)
    __mul__ = __rmul__ = _operator("mul", "fmul")
    __truediv__, __rtruediv__ = _operator("", "fdiv"), _operator("", "fdiv", swapped=True)
    __floordiv__ = _operator("udiv", "")

    def __xor__(self, other: Any) -> Number:
        return Number(self.code, self.code.builder.xor(*self._pair(other)))

    def __neg__(self) -> Number:
        return Number(self.code, self.code.builder.fneg(self.value))

    def __abs__(self) -> Number:
        return self.code.call("fabs", self)

    def __pow__(self, exponent: Any) -> Number:
        if exponent == 2:
            return self * self
        if exponent == 0.5:
            return self.code.call("sqrt", self)
        mine, theirs = self._pair(exponent)
        return self.code.call("pow", Number(self.code, mine), Number(self.code, theirs))

    def __rpow__(self, base: Any) -> Number:
        return self.like(base) ** self

    def _compare(self, sign: str, other: Any) -> Number:
        left, right = self._pair(other)
        builder = self.code.builder
        unlike = builder.fcmp_unordered if sign == "!=" else builder.fcmp_ordered
        return Number(self.code, (builder.icmp_signed if left.type == INTEGER else unlike)(sign, left, right))

    __lt__, __le__, __gt__, __ge__ = _comparison("<"), _comparison("<="), _comparison(">"), _comparison(">=")

    def is_(self, other: Any) -> Number:
        """Whether both are equal."""
        return self._compare("==", other)

    def is_not(self, other: Any) -> Number:
        """Whether they are not equal."""
        return self._compare("!=", other)

    def __bool__(self) -> bool:
        raise TypeError("This number is known only when the code runs: where() and when() choose by it.")

    def like(self, value: Any) -> Number:
        """A constant in this number's type."""
        return Number(self.code, ir.Constant(self.value.type, value))

    def cast(self, kind: Any) -> Number:
        """This number in another type; an integer is what is left of the point, a truth value 1 or 0."""
        mine, builder = self.value.type, self.code.builder
        if mine == kind:
            return self
        if mine == _TRUTH:
            change = builder.zext if kind == INTEGER else builder.uitofp
        elif INTEGER in (mine, kind):
            change = builder.sitofp if mine == INTEGER else builder.fptosi
        else:
            change = builder.fpext if _width(kind) > _width(mine) else builder.fptrunc
        return Number(self.code, change(self.value, kind))


def product(integer: Number, constant: int) -> tuple[Number, Number]:
    """The lower and the upper 64 bits of a product of integers without signs."""
    code, builder, twice = integer.code, integer.code.builder, ir.IntType(128)
    whole = builder.mul(builder.zext(integer.value, twice), ir.Constant(twice, constant))
    upper = builder.lshr(whole, ir.Constant(twice, 64))
    return Number(code, builder.trunc(whole, INTEGER)), Number(code, builder.trunc(upper, INTEGER))


def _width(kind: Any) -> tuple[bool, int]:
    return kind != INTEGER, _BYTES[kind]


class Pointer:
    """Where numbers of one type lie one after another."""

    __slots__ = ("code", "value")

    def __init__(self, code: Code, value: Any):
        self.code, self.value = code, value

    @property
    def kind(self) -> Any:
        """The type of the numbers."""
        return self.value.type.pointee

    def __add__(self, entries: Any) -> Pointer:
        place = self.code.integer(entries).value
        return Pointer(self.code, self.code.builder.gep(self.value, [place], inbounds=True))

    def __getitem__(self, place: Any) -> Number:
        return Number(self.code, self.code.builder.load((self + place).value))

    def __setitem__(self, place: Any, number: Any) -> None:
        given = number if isinstance(number, Number) else Number(self.code, ir.Constant(self.kind, number))
        self.code.builder.store(given.cast(self.kind).value, (self + place).value)


class Code:
    """The code of one function, while it is being written."""

    def __init__(self, function: Any):
        self.function = function
        self.start = function.append_basic_block("start")
        self.builder = ir.IRBuilder(self.start)

    def integer(self, value: Any) -> Number:
        """An integer as a Number, which it may be already."""
        return value if isinstance(value, Number) else Number(self, ir.Constant(INTEGER, value))

    def room(self, kind: Any, entries: int = 1) -> Pointer:
        """Room for a few numbers: a sum that grows, say. It is taken once, wherever this stands."""
        with self.builder.goto_entry_block():
            return Pointer(self, self.builder.alloca(kind, size=entries))

    def zero(self, kind: Any) -> Pointer:
        """Room for a number that begins at 0."""
        place = self.room(kind)
        place[0] = 0
        return place

    @contextmanager
    def each(self, *bounds: Any) -> Iterator[Number]:
        """A loop over `range(*bounds)`, whose step is positive."""
        start, stop, step = {1: (0, *bounds, 1), 2: (*bounds, 1), 3: bounds}[len(bounds)]
        builder, before = self.builder, self.builder.block
        first, end = self.integer(start).value, self.integer(stop).value
        head, body, after = (self.function.append_basic_block(name) for name in ("head", "body", "after"))
        builder.branch(head)
        builder.position_at_end(head)
        place = builder.phi(INTEGER)
        place.add_incoming(first, before)
        builder.cbranch(builder.icmp_signed("<", place, end), body, after)
        builder.position_at_end(body)
        yield Number(self, place)
        place.add_incoming((Number(self, place) + step).value, builder.block)
        builder.branch(head)
        builder.position_at_end(after)

    @contextmanager
    def when(self, condition: Number) -> Iterator[None]:
        """What is done only where the condition holds."""
        with self.builder.if_then(condition.value):
            yield

    def only(self, number: Number, value: int, known: Sequence[int]) -> AbstractContextManager[None]:
        """What is done only where a number is this one of those that it can be."""
        return nullcontext() if len(known) == 1 else self.when(number.is_(value))

    def call(self, name: str, *arguments: Number) -> Number:
        """A function of the C library, in the arguments' precision."""
        kind = arguments[0].value.type
        if name in _INTRINSIC:
            function = self.builder.module.declare_intrinsic(f"llvm.{name}", [kind], _signature(kind, arguments))
        else:
            function = self._declared(name if kind == REAL else f"{name}f", _signature(kind, arguments))
        return Number(self, self.builder.call(function, [argument.value for argument in arguments], fastmath=_SUMS))

    def call_at(self, address: Number, result: Any, *arguments: Any) -> Number:
        """The function at an address, which gives a number of the type `result` (None: nothing)."""
        kinds = [argument.value.type for argument in arguments]
        kind = ir.FunctionType(ir.VoidType() if result is None else result, kinds)
        function = self.builder.inttoptr(address.value, kind.as_pointer())
        return Number(self, self.builder.call(function, [argument.value for argument in arguments]))

    def _declared(self, name: str, signature: Any) -> Any:
        known = self.builder.module.globals.get(name)
        if known is None:
            known = ir.Function(self.builder.module, signature, name)
            for attribute in ("nounwind", "readnone"):
                known.attributes.add(attribute)
        return known

    def fetch(self, pointer: Pointer, place: Any) -> None:
        """Ask for the line of memory that holds an entry, and go on without waiting for it."""
        at = self.builder.bitcast((pointer + place).value, _BYTE.as_pointer())
        function = self.builder.module.declare_intrinsic(
            "llvm.prefetch", [_BYTE.as_pointer()], ir.FunctionType(ir.VoidType(), [at.type, *[_CHOICE] * 3])
        )
        read, nearest, data = (ir.Constant(_CHOICE, value) for value in (0, 3, 1))
        self.builder.call(function, [at, read, nearest, data])

    def fetch_all(self, pointer: Pointer, start: Any, stop: Any) -> None:
        """Ask for the entries start … stop."""
        with self.each(start, stop, entries_a_line(pointer)) as place:
            self.fetch(pointer, place)


def entries_a_line(pointer: Pointer) -> int:
    """How many entries come from memory together."""
    return LINE // _BYTES[pointer.kind]


def _signature(kind: Any, arguments: tuple[Number, ...]) -> Any:
    return ir.FunctionType(kind, [kind] * len(arguments))


def transpose(sources: Sequence[Pointer], copies: Sequence[Pointer]) -> None:
    """Four numbers from each of four places, written across: the first of each to the first of four others, and so on."""
    builder, kind = sources[0].code.builder, sources[0].kind
    together, bytes_each = ir.VectorType(kind, 4).as_pointer(), _BYTES[kind]

    def mixed(pairs: Sequence[tuple[Any, Any]], *lanes: int) -> list[Any]:
        chosen = ir.Constant(ir.VectorType(_CHOICE, 4), lanes)
        return [builder.shuffle_vector(a, b, chosen) for a, b in pairs]

    a, b, c, d = (builder.load(builder.bitcast(each.value, together), align=bytes_each) for each in sources)
    even, odd = mixed([(a, b), (c, d)], 0, 4, 2, 6), mixed([(a, b), (c, d)], 1, 5, 3, 7)
    pairs = [(even[0], even[1]), (odd[0], odd[1])]
    for copy, column in zip(copies, mixed(pairs, 0, 1, 4, 5) + mixed(pairs, 2, 3, 6, 7), strict=True):
        builder.store(column, builder.bitcast(copy.value, together), align=bytes_each)


def grouped(given: Iterable[Any], *groups: Any) -> list[Any]:
    """Arguments in their groups: as many as a NamedTuple has fields for each class of one, and a single one for None."""
    rest = iter(given)
    return [next(rest) if group is None else group(*islice(rest, len(group._fields))) for group in groups]


# ---- words of formulas --------------------------------------------------------------------------


def where(condition: Number, a: Any, b: Any) -> Number:
    """a where the condition holds, else b; at least one of them is a Number."""
    first, second = a._pair(b) if isinstance(a, Number) else reversed(b._pair(a))
    return Number(condition.code, condition.code.builder.select(condition.value, first, second))


def least(a: Any, b: Any) -> Any:
    """The lesser of two; a where they cannot be compared."""
    if not isinstance(a, Number) and not isinstance(b, Number):
        return min(a, b)
    return where(b < a, b, a)


def log_ndtr(x: Number) -> Number:
    """The logarithm of a normal distribution function, to the last digits at both ends, by the C library's erfc.

    Far below 0 it is −x²/2 − log(−x·√2π) + log(1 − 1/x² + 3/x⁴ − 15/x⁶ + …) (Abramowitz and Stegun 1964, 26.2.12).
    """
    code, wide = x.code, x.cast(REAL)
    middle = where(wide < -30.0, wide.like(-30.0), wide)
    near = code.call("log", 0.5 * code.call("erfc", -0.7071067811865476 * middle))
    above = code.call("log1p", -0.5 * code.call("erfc", 0.7071067811865476 * wide))
    far = where(wide < -30.0, wide, wide.like(-30.0))
    u = 1.0 / (far * far)
    series = 1.0 - u * (1.0 - 3.0 * u * (1.0 - 5.0 * u * (1.0 - 7.0 * u)))
    tail = -0.5 * far * far - code.call("log", -2.5066282746310002 * far) + code.call("log", series)
    return where(wide < -30.0, tail, where(wide < 0.0, near, above)).cast(x.value.type)


WORDS: dict[str, Any] = {
    "abs": abs,
    "clip": lambda x, low, high: where(x > high, high, where(x < low, low, x)),
    "exp": lambda x: x.code.call("exp", x),
    "expm1": lambda x: x.code.call("expm1", x),
    "log": lambda x: x.code.call("log", x),
    "inf": float("inf"),
    "log1p": lambda x: x.code.call("log1p", x),
    "log_ndtr": log_ndtr,
    "maximum": lambda a, b: where(a > b, a, b),
    "minimum": least,
    "sign": lambda x: where(x > 0.0, x.like(1.0), where(x < 0.0, x.like(-1.0), x.like(0.0))),
    "tanh": lambda x: x.code.call("tanh", x),
    "where": where,
}
"""NumPy's words for Numbers."""
