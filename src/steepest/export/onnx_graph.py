"""Arithmetic of NumPy's written down as a graph of ONNX: the same formulas that compute a fit, given `Value`s in place of arrays.

    graph = Graph()
    x = graph.input("x", np.float64, 1)       a Value: rows × columns
    y = np.exp(0.5 * x) - np.where(x > 0.0, x, 0.0)

Every operation adds a node. What ONNX has no operator for, or onnxruntime no code in float64, is made of others.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from steepest.errors import FitError, SpecError
from steepest.lazy import unnoticed

OPSET, IR = 19, 9
"""The first version that compares texts, and the format that goes with it."""

PLAIN = {
    np.add: "Add", np.subtract: "Sub", np.multiply: "Mul", np.true_divide: "Div", np.power: "Pow", np.negative: "Neg",
    np.exp: "Exp", np.log: "Log", np.sqrt: "Sqrt", np.absolute: "Abs", np.sign: "Sign", np.floor: "Floor", np.ceil: "Ceil",
    np.sin: "Sin", np.cos: "Cos", np.tanh: "Tanh", np.minimum: "Min", np.maximum: "Max", np.isnan: "IsNaN",
    np.less: "Less", np.less_equal: "LessOrEqual", np.greater: "Greater", np.greater_equal: "GreaterOrEqual",
    np.equal: "Equal", np.logical_and: "And", np.logical_or: "Or", np.logical_not: "Not", np.matmul: "MatMul",
}  # fmt: skip
"""Functions that are one operator."""

TRUTHS = frozenset(
    ("IsNaN", "Less", "LessOrEqual", "Greater", "GreaterOrEqual", "Equal", "And", "Or", "Not")
)  # what gives truth values

COMPOSED: dict[Any, Callable[..., Any]] = {
    np.log1p: lambda x: np.log(1.0 + x),
    np.log2: lambda x: np.log(x) / np.log(2.0),
    np.log10: lambda x: np.log(x) / np.log(10.0),
    np.expm1: lambda x: np.exp(x) - 1.0,
    np.exp2: lambda x: np.exp(x * np.log(2.0)),
    np.square: lambda x: x * x,
    np.cbrt: lambda x: np.sign(x) * np.power(np.abs(x), 1.0 / 3.0),
    np.tan: lambda x: np.sin(x) / np.cos(x),
    np.sinh: lambda x: (np.exp(x) - np.exp(-x)) / 2.0,
    np.cosh: lambda x: (np.exp(x) + np.exp(-x)) / 2.0,
    np.not_equal: lambda x, y: np.logical_not(np.equal(x, y)),
    np.floor_divide: lambda x, y: np.floor(x / y),
    np.mod: lambda x, y: x - y * np.floor(x / y),
}
"""Functions made of others."""


def library() -> Any:
    """The package onnx. SpecError where it is not installed."""
    try:
        with unnoticed():
            import onnx
    except ModuleNotFoundError:
        raise SpecError("The package onnx is not installed: pip install 'steepest[onnx]'.") from None
    return onnx


class Graph:
    """Nodes, constants and inputs, in the order in which they are made."""

    def __init__(self) -> None:
        self.helper = library().helper
        self.numpy_helper = library().numpy_helper
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.inputs: list[Any] = []
        self.outputs: list[Any] = []

    def type_of(self, dtype: Any) -> int:
        """ONNX's number of a type of NumPy's; `str` is text."""
        if dtype is str:
            return library().TensorProto.STRING
        return self.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))

    def input(self, name: str, dtype: Any, wide: int, text: str = "") -> Any:
        """An input of so many columns, a row each."""
        self.inputs.append(self.helper.make_tensor_value_info(name, self.type_of(dtype), ["rows", wide], text))
        return Value(self, name, dtype)

    def output(self, value: Value, name: str, shape: list[Any], text: str = "") -> None:
        """Name a value as an output."""
        self.nodes.append(self.helper.make_node("Identity", [value.name], [name]))
        self.outputs.append(self.helper.make_tensor_value_info(name, self.type_of(value.kind), shape, text))

    def constant(self, array: Any) -> Any:
        """Numbers, truth values or texts."""
        name = f"constant {len(self.constants)}"
        array = np.asarray(array)
        if array.dtype.kind in "UO":
            texts = [str(text).encode() for text in array.ravel()]
            self.constants.append(self.helper.make_tensor(name, self.type_of(str), array.shape, texts))
            return Value(self, name, str)
        self.constants.append(self.numpy_helper.from_array(np.ascontiguousarray(array), name))
        return Value(self, name, array.dtype)

    def node(self, operator: str, *inputs: Any, kind: Any = np.float64, **attributes: Any) -> Any:
        """A node with one output. Inputs that are no values become constants."""
        names = [one.name if isinstance(one, Value) else self.constant(one).name for one in inputs]
        name = f"{operator} {len(self.nodes)}"
        self.nodes.append(self.helper.make_node(operator, names, [name], **attributes))
        return Value(self, name, kind)

    def side_by_side(self, values: list[Any]) -> Any:
        """Columns of several values."""
        numbers = [value.astype(np.float64) for value in values]
        return numbers[0] if len(numbers) == 1 else self.node("Concat", *numbers, axis=1)

    def model(self, name: str, text: str) -> Any:
        """The whole, checked."""
        onnx = library()
        graph = self.helper.make_graph(self.nodes, name, self.inputs, self.outputs, self.constants)
        imports = [self.helper.make_opsetid("", OPSET)]
        made = self.helper.make_model(
            graph, producer_name="steepest", doc_string=text, opset_imports=imports, ir_version=IR
        )
        onnx.checker.check_model(made, full_check=True)
        return made


class Value(NDArrayOperatorsMixin):
    """What a node gives: rows × columns of numbers, truth values or texts."""

    def __init__(self, graph: Graph, name: str, kind: Any):
        self.graph, self.name, self.kind = graph, name, kind

    @property
    def dtype(self) -> np.dtype[Any]:
        """As of an array; texts are objects."""
        return np.dtype(object if self.kind is str else self.kind)

    def astype(self, kind: Any) -> Any:
        """The same in another type."""
        if self.kind is not str and self.dtype == np.dtype(kind):
            return self
        return self.graph.node("Cast", self, kind=kind, to=self.graph.type_of(kind))

    def columns(self, places: Any) -> Any:
        """Some of its columns, by their numbers."""
        return self.graph.node("Gather", self, np.asarray(places, dtype=np.int64), kind=self.kind, axis=1)

    def equals(self, texts: Any) -> Any:
        """Whether each text is one of `[1, L]`: truth values."""
        return self.graph.node("Equal", self, texts, kind=bool)

    def sum(self) -> Any:
        """Over the columns, `[n, 1]`."""
        return self.graph.node("ReduceSum", self.astype(np.float64), np.array([1]), keepdims=1)

    def __array_ufunc__(self, function: Any, method: str, *given: Any, **more: Any) -> Any:
        if method != "__call__" or more:
            return NotImplemented
        if function in COMPOSED:
            return COMPOSED[function](*given)
        operator = PLAIN.get(function)
        if operator is None:
            raise FitError(f"ONNX has no {function.__name__} of float64 that onnxruntime computes.")
        taken: Any = bool if operator in ("And", "Or", "Not") else np.float64
        kind = bool if operator in TRUTHS else np.float64
        inputs = [one.astype(taken) if isinstance(one, Value) else np.asarray(one, dtype=taken) for one in given]
        return self.graph.node(operator, *inputs, kind=kind)

    def __array_function__(self, function: Any, types: Any, given: Any, more: Any) -> Any:
        if function is np.clip:
            value, low, high = given
            return np.minimum(np.maximum(value, low), high)
        if function is not np.where or more:
            raise FitError(f"ONNX has no {function.__name__}.")
        condition, *others = given
        condition = condition.astype(bool) if isinstance(condition, Value) else np.asarray(condition, dtype=bool)
        texts = any(isinstance(one, Value) and one.kind is str for one in others)
        inputs = [
            one if texts and isinstance(one, Value) else np.asarray(one, dtype=object) if texts else _numbers(one)
            for one in others
        ]
        return self.graph.node("Where", condition, *inputs, kind=str if texts else np.float64)


def _numbers(given: Any) -> Any:
    """Values and arrays as float64."""
    return given.astype(np.float64) if isinstance(given, Value) else np.asarray(given, dtype=np.float64)
