"""The graph of operations behind a tensor, walked backwards from its `grad_fn`.

    leaves (parameters, data)  →  operations  →  z

On each node stands its value and ∂z/∂node, and where everything is a single number, on each edge the factor that the chain
rule multiplies by there. `graph_data` walks and folds, `layout` places, `graph` draws; `.dot` of the figure is
the same graph as text for Graphviz.

PyTorch keeps only the values that a derivative needs. A value that nothing keeps is computed again from those that
are kept where the operation is known, and otherwise left out.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import networkx as nx
import numpy as np
import torch
from torch import Tensor, nn

from steepest.errors import SpecError
from steepest.views import theme as looks

if TYPE_CHECKING:
    from steepest.result import Fit

MOST_BOXES = 60
"""Nodes up to which each is a box with its numbers; more are folded, and what is still more become dots."""

ROWS = 32
"""Rows on which the graph of a fit is made."""

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
            words = json.dumps("\n".join(_lines(node)), ensure_ascii=False)
            lines.append(f"  n{node.id} [label={words}, shape={shapes.get(node.kind, 'box')}];")
        for edge in self.edges:
            factor = "" if edge.factor is None else f' [label="{looks.number(edge.factor)}"]'
            lines.append(f"  n{edge.source} -> n{edge.target}{factor};")
        return "\n".join([*lines, "}"])


class Drawing(looks.Figure):
    """A graph's figure; `dot` is the same graph as text."""

    @property
    def dot(self) -> str:
        """The graph in Graphviz' language."""
        return self.__dict__["_dot"]


# ---- walking ---------------------------------------------------------------------------------------


def graph_data(z: Any, names: Any = None, most: int = MOST_BOXES) -> Graph:
    """The graph behind a tensor or a fit, folded to about `most` nodes; see `graph`."""
    from steepest.result import Fit

    if isinstance(z, Fit):
        z, names = _of_fit(z)
    if not isinstance(z, Tensor) or z.grad_fn is None:
        raise SpecError(
            f"graph() needs a tensor made from one that requires a gradient, or a Fit; this is "
            f"{'a tensor without a history' if isinstance(z, Tensor) else 'a ' + type(z).__name__}."
        )
    named = _named(names)
    whole = _walked(z, named)
    return folded(whole, most)


def _named(names: Any) -> dict[int, str]:
    """id of a tensor → its name."""
    if names is None:
        return {}
    pairs = names.named_parameters() if isinstance(names, nn.Module) else dict(names).items()
    return {id(tensor): str(name) for name, tensor in pairs}


def _walked(z: Tensor, named: Mapping[int, str]) -> Graph:
    order: list[Any] = []
    number: dict[Any, int] = {}
    waiting: list[Any] = [z.grad_fn]
    while waiting:
        node = waiting.pop()
        if node in number:
            continue
        number[node] = len(order)
        order.append(node)
        waiting.extend(child for child, _ in node.next_functions if child is not None)
    slopes, factors, freed = _gradients(z, order, number)
    values, data = ({}, {}) if freed else _values(z, order, number)
    nodes: dict[int, Node] = {}
    leaves = 0
    for node in order:
        i = number[node]
        if hasattr(node, "variable"):
            leaves += 1
            value = node.variable.detach()
            name = named.get(id(node.variable), "θ" if value.numel() == 1 and leaves == 1 else f"θ{leaves}")
            nodes[i] = _node(i, "parameter", name, value, slopes.get(i), name.rpartition(".")[0])
        else:
            kind = "output" if i == 0 else "operation"
            nodes[i] = _node(i, kind, _operation(node), values.get(i), slopes.get(i), "")
    edges = [
        Edge(number[child], number[node], factors.get((number[node], place)))
        for node in order
        for place, (child, _) in enumerate(node.next_functions)
        if child is not None
    ]
    place = len(order)
    for (_, name), (tensor, users) in data.items():
        nodes[place] = _node(place, "data", named.get(id(tensor), name), tensor, None, "")
        edges += [Edge(place, user) for user in users]
        place += 1
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
    single = value is not None and value.numel() == 1
    return Node(
        i, kind, name, _told(value), _told(slope), None if value is None else tuple(value.shape), group, 1,
        float(value) if value is not None and single and not value.is_complex() else None,
        float(slope) if slope is not None and slope.numel() == 1 and not slope.is_complex() else None,
    )  # fmt: skip


def _told(value: Tensor | None) -> str:
    """A single number as it is; of more their shape and length."""
    if value is None:
        return ""
    if value.numel() == 1:
        return looks.number(float(value.real if value.is_complex() else value))
    length = float(
        torch.linalg.vector_norm(value.detach().to(torch.complex128 if value.is_complex() else torch.float64))
    )
    return f"[{', '.join(map(str, value.shape))}] length {looks.number(length)}"


def _gradients(
    z: Tensor, order: list[Any], number: Mapping[Any, int]
) -> tuple[dict[int, Tensor], dict[tuple[int, int], float], bool]:
    """∂z/∂node by id, the chain rule's factors by (node, place of its input), and whether the graph was freed."""
    slopes: dict[int, Tensor] = {}
    factors: dict[tuple[int, int], float] = {}
    handles = []

    def before(i: int) -> Callable[[Any], None]:
        def hook(incoming: Any) -> None:
            if incoming and incoming[0] is not None:
                slopes[i] = incoming[0].detach()

        return hook

    def after(i: int) -> Callable[[Any, Any], None]:
        def hook(outgoing: Any, incoming: Any) -> None:
            above = incoming[0] if incoming else None
            for place, below in enumerate(outgoing):
                if (
                    above is not None
                    and below is not None
                    and above.numel() == below.numel() == 1
                    and float(above) != 0
                ):
                    factors[i, place] = float(below) / float(above)

        return hook

    inner = [node for node in order if not hasattr(node, "variable")]
    leaves = [node for node in order if hasattr(node, "variable")]
    try:
        for node in inner:
            handles += [node.register_prehook(before(number[node])), node.register_hook(after(number[node]))]
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
    z: Tensor, order: list[Any], number: Mapping[Any, int]
) -> tuple[dict[int, Tensor], dict[tuple[int, str], tuple[Tensor, list[int]]]]:
    """The values of nodes as far as they are kept, and the data that go into operations, with their users."""
    values: dict[int, Tensor] = {0: z.detach()}
    data: dict[tuple[int, str], tuple[Tensor, list[int]]] = {}
    for node in order:
        for name in dir(node):
            if not name.startswith("_saved_"):
                continue
            try:
                kept = getattr(node, name)
            except RuntimeError:
                continue
            if not isinstance(kept, Tensor):
                continue
            word = name.removeprefix("_saved_")
            if kept.grad_fn is not None and kept.grad_fn in number and kept.output_nr == 0:
                values[number[kept.grad_fn]] = kept.detach()
            elif word in ("result", "output", "result0"):
                values[number[node]] = kept.detach()
            elif word in INPUTS and kept.grad_fn is None and not kept.requires_grad and kept.numel() > 1:
                users = data.setdefault((kept.data_ptr(), f"data [{', '.join(map(str, kept.shape))}]"), (kept, []))[1]
                if number[node] not in users:
                    users.append(number[node])
        again = AGAIN.get(_operation(node).split(" ")[0])
        if again is not None and number[node] not in values:
            try:
                values[number[node]] = again(node).detach()
            except (RuntimeError, AttributeError, TypeError):
                continue
    return values, data


def _of_fit(fit: Fit) -> tuple[Tensor, dict[str, Tensor]]:
    """The mean loss of a few rows, made from tensors with names."""
    from steepest.planning import targets
    from steepest.views.landscape import module_objective
    from steepest.views.rows import evenly, training

    data = training(fit)
    rows = data.take(evenly(data.rows, ROWS))
    target = torch.as_tensor(targets(rows, fit.loss_function)[0])
    if fit.terms is None:
        objective = module_objective(fit, rows, fit.loss_function)
        objective.theta.copy_(torch.as_tensor(fit.theta))
        from steepest.descent.objective import matched

        module = objective.module.eval()
        prediction = matched(module(torch.as_tensor(rows.x)), target, fit.loss_function)
        loss = fit.loss_function.rows(prediction, target).mean()
        return loss, dict(module.named_parameters())
    theta = torch.tensor(fit.theta, requires_grad=True)
    design = torch.as_tensor(fit.terms.design(rows.x))
    blocks = theta.reshape(-1, design.shape[1])
    prediction = design @ theta if len(blocks) == 1 else design @ blocks.T
    return fit.loss_function.rows(prediction, target).mean(), {"θ": theta, "design": design, "target": target}


# ---- folding ---------------------------------------------------------------------------------------


def folded(whole: Graph, most: int = MOST_BOXES) -> Graph:
    """The graph with at most about `most` nodes: by submodule as far as parameters have names, then straight chains."""
    if len(whole.nodes) <= most:
        return whole
    groups = _groups(whole)
    deepest = max((group.count(".") + 1 for group in groups.values() if group), default=0)
    best = whole
    for depth in range(deepest, 0, -1):
        best = _merged(whole, {i: ".".join(group.split(".")[:depth]) for i, group in groups.items() if group})
        if len(best.nodes) <= most:
            return best
    chained = _merged(best, _chains(best))
    return chained if len(chained.nodes) < len(best.nodes) else best


def _groups(whole: Graph) -> dict[int, str]:
    """The module of each node: a parameter's name says it; an operation takes it from what goes into it."""
    net = nx.DiGraph((edge.source, edge.target) for edge in whole.edges)
    groups: dict[int, str] = {}
    for i in nx.topological_sort(net):
        node = whole.nodes[i]
        if node.kind == "parameter":
            groups[i] = node.group
        elif node.kind == "operation":
            before = {groups.get(j, "") for j in net.predecessors(i) if whole.nodes[j].kind != "data"}
            own = {groups.get(j, "") for j in net.predecessors(i) if _near_parameter(whole, net, j)} - {""}
            chosen = own or before
            groups[i] = chosen.pop() if len(chosen) == 1 else ""
    return groups


def _near_parameter(whole: Graph, net: nx.DiGraph, i: int) -> bool:
    """Whether a node is a parameter, or one turned round or reshaped."""
    while (
        whole.nodes[i].kind == "operation"
        and net.in_degree(i) == 1
        and whole.nodes[i].name in ("t", "view", "transpose")
    ):
        (i,) = net.predecessors(i)
    return whole.nodes[i].kind == "parameter"


def _chains(whole: Graph) -> dict[int, str]:
    """Straight runs of operations and modules, each under a name of its own."""
    net = nx.DiGraph((edge.source, edge.target) for edge in whole.edges)
    # leaves may come in anywhere along a run
    inside = net.subgraph([i for i in net if whole.nodes[i].kind not in ("parameter", "data")])
    straight = [i for i in inside if inside.in_degree(i) <= 1 and inside.out_degree(i) <= 1 and i != 0]
    runs = nx.weakly_connected_components(inside.subgraph(straight))
    return {i: f"chain {k}" for k, run in enumerate(runs) if len(run) > 1 for i in run}


def _merged(whole: Graph, group: Mapping[int, str]) -> Graph:
    """Nodes of one group as a single one, but for groups that would then stand before and after something else."""
    net = nx.DiGraph((edge.source, edge.target) for edge in whole.edges)
    home = {i: i for i in whole.nodes}
    members: dict[int, list[int]] = {}
    by_name: dict[str, list[int]] = {}
    for i, name in group.items():
        by_name.setdefault(name, []).append(i)
    for ids in by_name.values():
        for piece in nx.weakly_connected_components(net.subgraph(ids)):
            first = min(piece)
            if len(piece) > 1:
                members[first] = sorted(piece)
                home.update(dict.fromkeys(piece, first))
    nodes: dict[int, Node] = {}
    for i, node in whole.nodes.items():
        if home[i] == i and i not in members:
            nodes[i] = node
    for first, ids in members.items():
        parts = [whole.nodes[i] for i in ids]
        operations = [part for part in parts if part.kind != "parameter"]
        count = sum(int(np.prod(part.shape or (0,))) for part in parts if part.kind == "parameter")
        name = group[first]
        words = f"{sum(part.size for part in operations):,} operations"
        value = words if not count else f"{count:,} parameters, {words}"
        title = operations[0].name + " … " + operations[-1].name if name.startswith("chain ") and operations else name
        nodes[first] = Node(first, "module", title, value, size=sum(part.size for part in parts), group=name)
    seen: dict[tuple[int, int], Edge] = {}
    for edge in whole.edges:
        a, b = home[edge.source], home[edge.target]
        if a != b:
            seen.setdefault((a, b), replace(edge, source=a, target=b))
    rings = {i for ring in nx.strongly_connected_components(nx.DiGraph(list(seen))) if len(ring) > 1 for i in ring}
    if rings:
        return _merged(whole, {i: name for i, name in group.items() if home[i] not in rings})
    return Graph(nodes, list(seen.values()), whole.notes)


# ---- placing and drawing ---------------------------------------------------------------------------


def layout(graph: Graph) -> dict[int, tuple[float, float]]:
    """A place (across, layer) for each node: layers by the longest way from z, crossings lessened by barycentres."""
    net = nx.DiGraph()
    net.add_nodes_from(graph.nodes)
    net.add_edges_from((edge.target, edge.source) for edge in graph.edges)  # from z back to the leaves
    layer = {i: depth for depth, ids in enumerate(nx.topological_generations(net)) for i in ids}
    for i in graph.nodes:  # a leaf stands right above its first user
        users = [layer[j] for j in net.predecessors(i)]
        if users and not net.out_degree(i):
            layer[i] = max(users) + 1
    rows: dict[int, list[int]] = {}
    for i in sorted(graph.nodes):
        rows.setdefault(layer[i], []).append(i)
    place = {i: float(k) for ids in rows.values() for k, i in enumerate(ids)}
    for sweep in range(8):
        for depth in sorted(rows, reverse=bool(sweep % 2)):
            near = net.predecessors if sweep % 2 == 0 else net.successors

            def centre(i: int, near: Any = near) -> float:
                others = [place[j] for j in near(i)]
                return float(np.mean(others)) if others else place[i]

            rows[depth].sort(key=centre)
            width = len(rows[depth])
            for k, i in enumerate(rows[depth]):
                place[i] = k - (width - 1) / 2
    return {i: (place[i], float(layer[i])) for i in graph.nodes}


def _lines(node: Node) -> list[str]:
    lines = [looks.plain(node.name, 34)]
    if node.value:
        lines.append(node.value)
    if node.gradient:
        lines.append(f"∂ {node.gradient}")
    return lines


COLOURS = {
    "parameter": looks.DESCENT,
    "data": looks.DATA,
    "output": looks.EXACT,
    "operation": "#7F8A96",
    "module": "#7A68D8",
}


def graph(z: Any, names: Any = None, theme: str = "light") -> Drawing:
    """Draw the backward graph of a tensor or a fit: z at the top, the leaves that it is made of below.

    Args:
        z: a tensor with a `grad_fn`, or a Fit (its mean loss on a few rows).
        names: a module, whose parameters name the leaves and by whose submodules a large graph is folded; or a dict
            name → tensor.
        theme: `light` or `dark`.

    Returns:
        A figure; `.dot` is the graph as text.

    Raises:
        SpecError: no tensor with a history.

    Example:
        >>> import torch
        >>> theta = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
        >>> drawing = graph((1 - torch.log(1 + torch.exp(theta))) ** 2, {"θ": theta})
        >>> [line for line in drawing.dot.splitlines() if "->" in line][0]
        '  n1 -> n0 [label="-0.62652"];'
    """
    data = graph_data(z, names)
    places = layout(data)
    boxes = len(data.nodes) <= 2 * MOST_BOXES
    across = np.array([places[i] for i in data.nodes])
    depth, wide = across[:, 1].max() + 1, np.ptp(across[:, 0]) + 1
    operations = sum(node.size for node in data.nodes.values() if node.kind in ("operation", "output", "module"))
    notes = (
        [f"{operations:,} operations, folded into {len(data.nodes):,} nodes."] if len(data.nodes) < operations else []
    )
    shown = Drawing(
        layout={"template": looks.template(theme), "height": int(min(170 + depth * (92 if boxes else 34), 2_400))}
    )
    shown.__dict__["_dot"] = data.dot
    looks.titled(
        shown, "The backward graph", [*notes, *data.notes, "∂ is the derivative of the output by what stands there."]
    )
    _edges(shown, data, places, boxes)
    for kind, colour in COLOURS.items():
        ids = [i for i, node in data.nodes.items() if node.kind == kind]
        if not ids:
            continue
        shown.add_scatter(
            x=[places[i][0] for i in ids],
            y=[-places[i][1] for i in ids],
            mode="markers",
            marker={"size": 12 if boxes else 7, "color": colour, "symbol": "square"},
            hovertext=["<br>".join(looks.text(line, 80) for line in _lines(data.nodes[i])) for i in ids],
            hoverinfo="text",
            name=kind,
        )
    if boxes:
        for i, node in data.nodes.items():
            colour = COLOURS[node.kind]
            first, *rest = (looks.text(line, 60) for line in _lines(node))
            shown.add_annotation(
                x=places[i][0],
                y=-places[i][1],
                text="<br>".join([f"<b>{first}</b>", *rest]),
                showarrow=False,
                bgcolor=_mixed(colour, looks.PAPER[theme]["paper"]),
                bordercolor=colour,
                borderpad=5,
                borderwidth=1.4,
                font={"size": 11 if len(data.nodes) <= 30 else 9, "color": looks.PAPER[theme]["ink"]},
            )
    hidden = {"visible": False, "fixedrange": False}
    shown.update_xaxes(range=[across[:, 0].min() - 0.7, across[:, 0].max() + 0.7], **hidden)
    shown.update_yaxes(range=[-depth + 0.4, 0.6], **hidden)
    if boxes and wide > 8:
        shown.update_layout(width=int(min(130 * wide, 4_000)))
    return shown


def _edges(shown: looks.Figure, data: Graph, places: Mapping[int, tuple[float, float]], boxes: bool) -> None:
    x: list[float | None] = []
    y: list[float | None] = []
    taken = set(places.values())
    for edge in data.edges:
        (a, b), (c, d) = places[edge.source], places[edge.target]
        # an edge over several layers goes round what stands between
        bend = 0.62 if any((a, layer) in taken for layer in np.arange(d + 1, b)) else 0.0
        x += [a, *([0.5 * (a + c) + bend] * 2 if bend else []), c, None]
        y += [-b, *([-b + 0.5, -d - 0.5] if bend else []), -d, None]
        if boxes and not bend:
            shown.add_annotation(
                x=0.42 * a + 0.58 * c, y=-(0.42 * b + 0.58 * d), ax=a, ay=-b, xref="x", yref="y", axref="x", ayref="y",
                text="", showarrow=True, arrowhead=2, arrowwidth=1.2,
            )  # fmt: skip
        if edge.factor is not None and boxes:
            shown.add_annotation(
                x=0.5 * (a + c), y=-0.5 * (b + d), text=f"× {looks.number(edge.factor)}", showarrow=False, xshift=8,
                xanchor="left", font={"size": 11, "color": looks.RESIDUAL},
            )  # fmt: skip
    shown.add_scatter(
        x=x,
        y=y,
        mode="lines",
        line={"color": "rgba(127,138,150,0.6)", "width": 1.3, "shape": "spline", "smoothing": 0.9},
        hoverinfo="skip",
        showlegend=False,
    )


def _mixed(colour: str, paper: str) -> str:
    """A colour thinned with paper, so that lines behind it do not show through."""
    parts = [round(0.14 * int(colour[i : i + 2], 16) + 0.86 * int(paper[i : i + 2], 16)) for i in (1, 3, 5)]
    return "#" + "".join(f"{part:02x}" for part in parts)
