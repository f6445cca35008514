"""The graph of operations behind a tensor, walked backwards from its `grad_fn`.

    leaves (parameters, data)  →  operations  →  z

Each node has its value and ∂z/∂node, and where everything is a single number each edge the factor that the chain rule
multiplies by there.

PyTorch keeps only the values that a derivative needs. A value that nothing keeps is computed again from those that
are kept where the operation is known, and otherwise left out.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from steepest.data.thinning import evenly
from steepest.data.wording import number, plain
from steepest.lazy import Tensor, imported, nn, torch
from steepest.model.objective import matched
from steepest.model.of_fit import module_objective, tensors
from steepest.plots.drawn import training
from steepest.result import Fit

ROWS = 32  # rows on which the graph of a fit is made

AGAIN: dict[str, Callable[[Any], Tensor]] = {
    "log": lambda node: torch.log(node._saved_self),
    "sin": lambda node: torch.sin(node._saved_self),
    "cos": lambda node: torch.cos(node._saved_self),
    "abs": lambda node: torch.abs(node._saved_self),
    "pow": lambda node: node._saved_self**node._saved_exponent,
    "mul": lambda node: node._saved_self * node._saved_other,
    "div": lambda node: node._saved_self / node._saved_other,
    "mm": lambda node: node._saved_self @ node._saved_mat2,
    "mv": lambda node: node._saved_self @ node._saved_vec,
    "dot": lambda node: node._saved_self @ node._saved_tensor,
    "softplus": lambda node: nn.functional.softplus(node._saved_self),
    "logsigmoid": lambda node: nn.functional.logsigmoid(node._saved_self),
}
"""Operations whose value follows from what they keep."""

INPUTS = ("self", "other", "mat1", "mat2", "vec", "tensor", "input", "weight", "target")
"""What operations call the tensors that go into them."""


@dataclass(frozen=True)
class Node:
    """kind: `parameter`, `data`, `operation`, `output` or `module`. value, gradient: numbers, or words on a tensor.

    group: the module that it belongs to, "" if none is known. size: how many operations it stands for.
    """

    id: int
    kind: str
    name: str
    value: str = ""
    gradient: str = ""
    shape: tuple[int, ...] | None = None
    group: str = ""
    size: int = 1
    number: float | None = None
    slope: float | None = None


@dataclass(frozen=True)
class Edge:
    """From a node to the one that is made of it; factor: ∂target/∂source where both are single numbers."""

    source: int
    target: int
    factor: float | None = None


@dataclass(frozen=True)
class Graph:
    """nodes by id, and edges; note: what is to be known about them."""

    nodes: dict[int, Node]
    edges: list[Edge]
    notes: list[str] = field(default_factory=list)

    @property
    def dot(self) -> str:
        """The graph in Graphviz' language."""
        shapes = {"parameter": "ellipse", "data": "ellipse", "output": "doubleoctagon", "module": "box3d"}
        lines = ["digraph {", "  rankdir=BT;"]
        for node in self.nodes.values():
            words = json.dumps("\n".join(words_of(node)), ensure_ascii=False)
            lines.append(f"  n{node.id} [label={words}, shape={shapes.get(node.kind, 'box')}];")
        for edge in self.edges:
            factor = "" if edge.factor is None else f' [label="{number(edge.factor)}"]'
            lines.append(f"  n{edge.source} -> n{edge.target}{factor};")
        return "\n".join([*lines, "}"])


def words_of(node: Node) -> list[str]:
    """What stands on a node: its name, its value, its gradient."""
    slope = f"∂ {node.gradient}" if node.gradient else ""
    return [line for line in (plain(node.name, 34), node.value, slope) if line]


def named(names: Any) -> dict[int, str]:
    """id of a tensor → its name."""
    if names is None:
        return {}
    pairs = names.named_parameters() if isinstance(names, nn.Module) else dict(names).items()
    return {id(tensor): str(name) for name, tensor in pairs}


def walked(z: Tensor, known: Mapping[int, str]) -> Graph:
    """The whole graph behind a tensor; `known` are names by id of a tensor. Node 0 is z."""
    number: dict[Any, int] = {}
    waiting: list[Any] = [z.grad_fn]
    while waiting:
        node = waiting.pop()
        if node not in number:
            number[node] = len(number)
            waiting.extend(child for child, _ in node.next_functions if child is not None)
    slopes, factors, freed = _gradients(z, number)
    values, data = ({}, {}) if freed else _values(z, number)
    nodes: dict[int, Node] = {}
    leaves = 0
    for node, i in number.items():
        if hasattr(node, "variable"):
            leaves += 1
            value = node.variable.detach()
            name = known.get(id(node.variable), "θ" if value.numel() == 1 and leaves == 1 else f"θ{leaves}")
            nodes[i] = _node(i, "parameter", name, value, slopes.get(i), name.rpartition(".")[0])
        else:
            kind = "output" if i == 0 else "operation"
            nodes[i] = _node(i, kind, _operation(node), values.get(i), slopes.get(i), "")
    edges = [
        Edge(number[child], i, factors.get((i, place)))
        for node, i in number.items()
        for place, (child, _) in enumerate(node.next_functions)
        if child is not None
    ]
    for i, ((_, name), (tensor, users)) in enumerate(data.items(), len(number)):
        nodes[i] = _node(i, "data", known.get(id(tensor), name), tensor, None, "")
        edges += [Edge(i, user) for user in users]
    notes = ["The graph was freed by backward(): it has no values. Use backward(retain_graph=True)."] if freed else []
    if z.numel() > 1:
        notes.append(f"The output has {z.numel():,} numbers; gradients are those of their sum.")
    return Graph(nodes, edges, notes)


def _operation(node: Any) -> str:
    name = type(node).__name__.rstrip("0123456789").removesuffix("Backward")
    words = "".join(f"_{letter.lower()}" if letter.isupper() and i else letter.lower() for i, letter in enumerate(name))
    exponent = getattr(node, "_saved_exponent", None) if words == "pow" else None
    return words if not isinstance(exponent, (int, float)) else f"pow {exponent:g}"


def _node(i: int, kind: str, name: str, value: Tensor | None, slope: Tensor | None, group: str) -> Node:
    shape = None if value is None else tuple(value.shape)
    return Node(i, kind, name, _told(value), _told(slope), shape, group, 1, _single(value), _single(slope))


def _single(value: Tensor | None) -> float | None:
    return float(value) if value is not None and value.numel() == 1 and not value.is_complex() else None


def _told(value: Tensor | None) -> str:
    """Up to three numbers as they are; of more their shape and length."""
    if value is None:
        return ""
    if value.numel() == 1:
        return number(float(value.real if value.is_complex() else value))
    if value.ndim == 1 and value.numel() <= 3 and not value.is_complex():
        return f"({', '.join(number(float(one)) for one in value)})"
    wide = torch.complex128 if value.is_complex() else torch.float64
    length = float(torch.linalg.vector_norm(value.detach().to(wide)))
    return f"[{', '.join(map(str, value.shape))}] length {number(length)}"


def _gradients(z: Tensor, number: Mapping[Any, int]) -> tuple[dict[int, Tensor], dict[tuple[int, int], float], bool]:
    """∂z/∂node by id, the chain rule's factors by (node, place of its input), and whether the graph was freed."""
    imported("torch.fx.experimental.symbolic_shapes")
    slopes: dict[int, Tensor] = {}
    factors: dict[tuple[int, int], float] = {}
    handles = []

    def before(i: int, incoming: Any) -> None:
        if incoming and incoming[0] is not None:
            slopes[i] = incoming[0].detach()

    def after(i: int, outgoing: Any, incoming: Any) -> None:
        above = incoming[0] if incoming else None
        if above is None or above.numel() != 1 or float(above) == 0:
            return
        for place, below in enumerate(outgoing):
            if below is not None and below.numel() == 1:
                factors[i, place] = float(below) / float(above)

    leaves = [node for node in number if hasattr(node, "variable")]
    try:
        for node, i in number.items():
            if not hasattr(node, "variable"):
                handles += [node.register_prehook(partial(before, i)), node.register_hook(partial(after, i))]
        found = torch.autograd.grad(
            z, [node.variable for node in leaves], torch.ones_like(z), retain_graph=True, allow_unused=True
        )
    except RuntimeError:
        return {}, {}, True
    finally:
        for handle in handles:
            handle.remove()
    for node, slope in zip(leaves, found, strict=True):
        if slope is not None:
            slopes[number[node]] = slope.detach()
    return slopes, factors, False


def _values(
    z: Tensor, number: Mapping[Any, int]
) -> tuple[dict[int, Tensor], dict[tuple[int, str], tuple[Tensor, list[int]]]]:
    """The values of nodes as far as they are kept, and the data that go into operations, with their users."""
    values: dict[int, Tensor] = {0: z.detach()}
    data: dict[tuple[int, str], tuple[Tensor, list[int]]] = {}
    for node, i in number.items():
        for word, kept in _kept(node):
            if kept.grad_fn is not None and kept.grad_fn in number and kept.output_nr == 0:
                values[number[kept.grad_fn]] = kept.detach()
            elif word in ("result", "output", "result0"):
                values[i] = kept.detach()
            elif word in INPUTS and kept.grad_fn is None and not kept.requires_grad and kept.numel() > 1:
                users = data.setdefault((kept.data_ptr(), f"data [{', '.join(map(str, kept.shape))}]"), (kept, []))[1]
                if i not in users:
                    users.append(i)
        again = AGAIN.get(_operation(node).split(" ")[0])
        if again is not None and i not in values:
            with suppress(RuntimeError, AttributeError, TypeError):
                values[i] = again(node).detach()
    return values, data


def _kept(node: Any) -> Iterator[tuple[str, Tensor]]:
    """The tensors that an operation keeps, as it calls them; none of a graph that was freed."""
    for name in dir(node):
        if name.startswith("_saved_"):
            with suppress(RuntimeError):
                if isinstance(kept := getattr(node, name), Tensor):
                    yield name.removeprefix("_saved_"), kept


def of_fit(fit: Fit) -> tuple[Tensor, dict[str, Tensor]]:
    """The mean loss of a few rows, made from tensors with names."""
    data = training(fit)
    rows = data.take(evenly(data.rows, ROWS))
    x, target, _ = tensors(rows, fit.loss_function)
    if fit.terms is None:
        objective = module_objective(fit, rows)
        objective.theta.copy_(torch.as_tensor(fit.theta))
        module = objective.module.eval()
        prediction = matched(module(x), target, fit.loss_function)
        loss = fit.loss_function.mean(prediction, target)
        return loss, dict(module.named_parameters())
    theta = torch.tensor(fit.theta, requires_grad=True)
    design = torch.as_tensor(fit.terms.design(rows.x))
    blocks = theta.reshape(-1, design.shape[1])
    prediction = design @ theta if len(blocks) == 1 else design @ blocks.T
    return fit.loss_function.mean(prediction, target), {"θ": theta, "design": design, "target": target}
