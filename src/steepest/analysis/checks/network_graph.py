"""What autograd's graph says of how a module is built: its last function, its activations, linear layers that follow each other.

A graph shows what ran, whether as a layer or as a function (`nn.ReLU()`, `F.relu(x)`, `x.relu()`), in nested modules and in
any `forward`. It is that of a pass in evaluation mode, where dropout does nothing and batch normalisation is linear.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from steepest.lazy import Tensor, nn, torch
from steepest.model.calling import evaluating

SHAPES = (
    "View", "UnsafeView", "Reshape", "Squeeze", "Unsqueeze", "Select", "Slice", "Permute", "Transpose", "T", "Expand", "Clone",
    "Copy", "ToCopy", "Alias", "Flatten", "Unflatten", "Index", "Mul", "Div", "Add", "NativeBatchNorm", "CudnnBatchNorm",
)  # fmt: skip
"""Functions that only move numbers, or change their units."""

RANGES = {
    "Sigmoid": (0.0, 1.0), "Softmax": (0.0, 1.0), "Hardsigmoid": (0.0, 1.0), "Tanh": (-1.0, 1.0), "Relu": (0.0, np.inf),
    "LogSigmoid": (-np.inf, 0.0), "LogSoftmax": (-np.inf, 0.0),
}  # fmt: skip
"""Functions whose values have bounds."""

WORDS = {"Relu": "ReLU", "Hardtanh": "clamp", "LogSoftmax": "log-softmax", "LogSigmoid": "log-sigmoid"}


@dataclass(frozen=True)
class Last:
    """The function that a module ends in: its name, its bounds, and the submodule that calls it (None: `forward` itself).

    only: how many numbers a softmax is over; 0 for other functions.
    """

    name: str
    low: float
    high: float
    layer: str | None
    only: int = 0

    @property
    def words(self) -> str:
        """`a sigmoid`, `a ReLU`."""
        return f"a {WORDS.get(self.name, self.name.lower())}"


@dataclass(frozen=True)
class Graph:
    """One pass of a module: its output, and which submodule made which tensor (by its grad_fn)."""

    output: Tensor
    made: dict[Any, str]
    calls: dict[str, int]
    parameters: dict[int, str]


def graph_of(module: nn.Module, x: Tensor) -> Graph:
    """A pass over rows x in evaluation mode, its graph kept."""
    made: dict[Any, str] = {}
    calls: dict[str, int] = {}

    def look(name: str) -> Any:
        def after(layer: nn.Module, inputs: Any, output: Any) -> None:
            calls[name] = calls.get(name, 0) + 1
            if isinstance(output, Tensor) and output.grad_fn is not None:
                made.setdefault(output.grad_fn, name)

        return after

    leaves = [(_own(name), layer) for name, layer in module.named_modules() if not list(layer.children())]
    hooks = [layer.register_forward_hook(look(name)) for name, layer in leaves]
    try:
        with evaluating(module), torch.enable_grad():
            output = module(x)
    finally:
        for hook in hooks:
            hook.remove()
    named = {id(parameter): _own(name) for name, parameter in module.named_parameters()}
    return Graph(output, made, calls, named)


def _own(name: str) -> str:
    """A name as the user's module has it, without the change of units around that."""
    return name.removeprefix("module.")


def kind_of(node: Any) -> str:
    """`Sigmoid` for SigmoidBackward0."""
    return node.name().rpartition("::")[2].partition("Backward")[0]


def past_shapes(node: Any) -> Any:
    """The first function on the way back that does more than move numbers or change their units."""
    while node is not None and kind_of(node) in SHAPES:
        ways = [way for way, _ in node.next_functions if way is not None and "AccumulateGrad" not in way.name()]
        if len(ways) != 1:  # a sum or product of two parts of the network is no change of units
            return node
        node = ways[0]
    return node


def nodes_of(output: Tensor) -> Iterator[Any]:
    """Every function of the graph, the last first."""
    waiting, seen = [output.grad_fn], set()
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        yield node
        waiting += [way for way, _ in node.next_functions]


def last_of(graph: Graph) -> Last | None:
    """The function with bounds that a module ends in; None where it ends in any other."""
    node = past_shapes(graph.output.grad_fn)
    if node is None:
        return None
    name = kind_of(node)
    layer = graph.made.get(node)
    if name == "Hardtanh":
        return Last(name, float(node._saved_min_val), float(node._saved_max_val), layer)
    if name not in RANGES:
        return None
    only = 0
    if name == "Softmax":
        only = node._saved_result.shape[node._saved_dim if node._saved_dim < 2**31 else -1]
    return Last(name, *RANGES[name], layer, only)


def without(module: nn.Module, graph: Graph, layer: str | None) -> nn.Module | None:
    """A copy of a module without that layer; None where `forward` calls the function, or the layer more than once."""
    if not layer or graph.calls.get(layer) != 1:
        return None
    own = copy.deepcopy(module)
    where, _, last = layer.rpartition(".")
    setattr(own.get_submodule(where), last, nn.Identity())
    return own


@dataclass(frozen=True)
class Stacked:
    """Two linear layers, one upon the other: names of the layers, and the three widths."""

    first: str
    second: str
    widths: tuple[int, int, int]


def stacked(graph: Graph) -> list[Stacked]:
    """Linear layers that follow each other without an activation and could be one, the last first.

    A layer in between that is narrower than both its neighbours is no waste: it bounds the rank of their product.
    """
    found = []
    for node in nodes_of(graph.output):
        outer = _weight(node, graph)
        if outer is None:
            continue
        before = past_shapes(_input(node))
        inner = None if before is None else _weight(before, graph)
        if inner is not None and inner[1].shape[0] == outer[1].shape[1]:
            widths = inner[1].shape[1], inner[1].shape[0], outer[1].shape[0]
            if widths[1] >= min(widths[0], widths[2]):
                found.append(Stacked(inner[0], outer[0], widths))
    return found


def _input(node: Any) -> Any:
    return node.next_functions[1 if kind_of(node) == "Addmm" else 0][0]


def _weight(node: Any, graph: Graph) -> tuple[str, Tensor] | None:
    """The layer and the weight `[outputs, inputs]` of a linear layer's function; None for any other function."""
    if kind_of(node) not in ("Addmm", "Mm"):
        return None
    turned = node.next_functions[-1][0]
    if turned is None or kind_of(turned) != "T":
        return None
    variable = getattr(turned.next_functions[0][0], "variable", None)
    name = graph.parameters.get(id(variable)) if variable is not None else None
    return None if name is None or variable is None else (name.rpartition(".")[0], variable)


def functional_relus(graph: Graph) -> dict[str, np.ndarray]:
    """For every ReLU that `forward` calls as a function, which units `[units]` give 0 for all rows."""
    found = {}
    for node in nodes_of(graph.output):
        if kind_of(node) == "Relu" and node not in graph.made and node._saved_result.ndim > 1:
            units = (node._saved_result == 0).transpose(0, 1).flatten(1).all(1)
            found[f"relu {len(found) + 1}, counted from the output"] = units.cpu().numpy()
    return found
