"""What autograd's graph says of how a module is built: its last function, its activations, linear layers that follow each other.

A graph shows what ran, whether as a layer or as a function (`nn.ReLU()`, `F.relu(x)`, `x.relu()`), in nested modules and in
any `forward`. It is that of a pass in evaluation mode, where dropout does nothing and batch normalisation is linear.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from steepest.lazy import Tensor, nn, torch
from steepest.model.calling import evaluating

SHAPES = (
    "View", "UnsafeView", "Reshape", "Squeeze", "Unsqueeze", "Select", "Slice", "Permute", "Transpose", "T", "Expand", "Clone",
    "Copy", "ToCopy", "Alias", "Flatten", "Unflatten", "Index", "Mul", "Div", "Add", "Sub", "Rsub", "Neg",
    "NativeBatchNorm", "CudnnBatchNorm",
)  # fmt: skip
"""Functions that only move numbers, or change their units."""

POOLS = ("AvgPool1D", "AvgPool2D", "AvgPool3D", "AdaptiveAvgPool1D", "AdaptiveAvgPool2D", "Mean")
"""Means over places."""

RANGES = {
    "Sigmoid": (0.0, 1.0), "Softmax": (0.0, 1.0), "Hardsigmoid": (0.0, 1.0), "Tanh": (-1.0, 1.0), "Relu": (0.0, np.inf),
    "LogSigmoid": (-np.inf, 0.0), "LogSoftmax": (-np.inf, 0.0), "Softplus": (0.0, np.inf), "Exp": (0.0, np.inf),
    "Abs": (0.0, np.inf), "Gelu": (-0.17, np.inf), "Silu": (-0.2785, np.inf), "Mish": (-0.3089, np.inf),
    "Hardswish": (-0.375, np.inf),
}  # fmt: skip
"""Functions whose values have bounds. Those of some others depend on their arguments."""

CLAMPS = {"Hardtanh": ("min_val", "max_val"), "Clamp": ("min", "max"), "ClampMin": ("min", "no")}
"""Functions that cut values off, and where their bounds are kept."""

WORDS = {
    "Relu": "ReLU", "Hardtanh": "clamp", "ClampMin": "clamp", "LogSoftmax": "log-softmax",
    "LogSigmoid": "log-sigmoid", "Gelu": "GELU", "Silu": "SiLU",
    "Elu": "ELU", "Celu": "ELU", "Exp": "exponential", "Abs": "absolute value", "Pow": "square",
}  # fmt: skip


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
        word = WORDS.get(self.name, self.name.lower())
        return f"{'an' if word[0] in 'aeE' else 'a'} {word}"


@dataclass(frozen=True)
class Graph:
    """One pass of a module: its output, and which submodule made which tensor (by its grad_fn)."""

    output: Tensor
    made: dict[Any, str]
    parameters: dict[int, str]


def graph_of(module: nn.Module, x: Tensor) -> Graph:
    """A pass over rows x in evaluation mode, its graph kept."""
    made: dict[Any, str] = {}

    def look(name: str, output: Any) -> None:
        if isinstance(output, Tensor) and output.grad_fn is not None:
            made.setdefault(output.grad_fn, name)

    leaves = [(name, layer) for name, layer in module.named_modules() if not list(layer.children())]
    with watched(leaves, look), evaluating(module), torch.enable_grad():
        output = module(x)
    named = {id(parameter): _own(name) for name, parameter in module.named_parameters()}
    return Graph(output, made, named)


@contextmanager
def watched(layers: Iterable[tuple[str, nn.Module]], look: Callable[[str, Any], None]) -> Iterator[None]:
    """Within it a layer's name, as the user's module has it, and what the layer gave are looked at after each of its calls."""
    hooks = [
        layer.register_forward_hook(lambda _, given, output, name=name: look(_own(name), output))
        for name, layer in layers
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _own(name: str) -> str:
    """A name as the user's module has it, without the change of units around that."""
    return name.removeprefix("module.")


def kind_of(node: Any) -> str:
    """`Sigmoid` for SigmoidBackward0."""
    return node.name().rpartition("::")[2].partition("Backward")[0]


def past_shapes(node: Any) -> Any:
    """The first function on the way back that does more than move numbers or change their units."""
    while (before := _before(node)) is not None:
        node = before
    return node


def _before(node: Any, more: tuple[str, ...] = ()) -> Any:
    """The function before one that only moves numbers or changes their units, or has one of these names; None before others.

    A sum or product of two parts of the network is no change of units.
    """
    if node is None or kind_of(node) not in SHAPES + more:
        return None
    ways = [way for way, _ in node.next_functions if way is not None and "AccumulateGrad" not in way.name()]
    return ways[0] if len(ways) == 1 else None


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
    """The function with bounds that a module ends in; None where it ends in any other.

    A clamp of what has bounds already is no end of its own.
    """
    node = past_shapes(graph.output.grad_fn)
    found = _bounded(node, graph)
    while found is not None and kind_of(node) in CLAMPS:
        node = past_shapes(node.next_functions[0][0])
        before = _bounded(node, graph)
        if before is None or (before.low, before.high) == (-np.inf, np.inf):
            break
        found = before
    return found


def _bounded(node: Any, graph: Graph) -> Last | None:
    """What a node of the graph is, if its values have bounds."""
    if node is None:
        return None
    name = kind_of(node)
    layer = graph.made.get(node)
    if name in CLAMPS:
        low, high = (getattr(node, f"_saved_{end}", None) for end in CLAMPS[name])
        return Last(name, -np.inf if low is None else float(low), np.inf if high is None else float(high), layer)
    if name in ("Elu", "Celu"):
        return Last(name, -float(node._saved_alpha) * float(getattr(node, "_saved_scale", 1.0)), np.inf, layer)
    if name == "Pow" and float(node._saved_exponent) in (2.0, 4.0):
        return Last(name, 0.0, np.inf, layer)
    if name not in RANGES:
        return None
    only = 0
    if name == "Softmax":
        only = node._saved_result.shape[node._saved_dim if node._saved_dim < 2**31 else -1]
    return Last(name, *RANGES[name], layer, only)


@dataclass(frozen=True)
class Stacked:
    """Two linear layers, one upon the other: names of the layers, and the three widths."""

    first: str
    second: str
    widths: tuple[int, int, int]


def stacked(graph: Graph) -> list[Stacked]:
    """Linear layers that follow each other without an activation and could be one, the last first.

    A layer in between that is narrower than both its neighbours is no waste: it bounds the rank of their product. Nor is one
    whose outputs go elsewhere, too, as along a residual connection.
    """
    found = []
    used = Counter(way for node in nodes_of(graph.output) for way, _ in node.next_functions)
    for node in nodes_of(graph.output):
        outer = _weight(node, graph)
        if outer is None:
            continue
        before, alone = node.next_functions[kind_of(node) == "Addmm"][0], True
        while (further := _before(before, POOLS)) is not None:
            alone, before = alone and used[before] == 1, further
        if before is None or not alone or used[before] > 1:
            continue
        inner = _weight(before, graph)
        if inner is not None and inner[1].shape[0] == outer[1].shape[1]:
            widths = inner[1].shape[1], inner[1].shape[0], outer[1].shape[0]
            if widths[1] >= min(widths[0], widths[2]):
                found.append(Stacked(inner[0], outer[0], widths))
    return found


def _weight(node: Any, graph: Graph) -> tuple[str, Tensor] | None:
    """The layer and the weight `[outputs, inputs, …]` of a linear layer's or convolution's function; None for any other.

    Convolutions in groups are left out: one for each channel, and then one over channels, is a layer in two steps.
    """
    if kind_of(node) == "Convolution":
        variable = getattr(node.next_functions[1][0], "variable", None) if node._saved_groups == 1 else None
    elif kind_of(node) in ("Addmm", "Mm"):
        turned = node.next_functions[-1][0]
        turned = turned.next_functions[0][0] if turned is not None and kind_of(turned) == "T" else None
        variable = getattr(turned, "variable", None)
    else:
        return None
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
