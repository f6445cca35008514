"""The backward graph of a tensor or a fit as a picture: z at the top, what it is made of below.

`walk.py` walks, `fold.py` makes large ones small, `layout` places the nodes in layers, `graph` draws. `.dot` of
the figure is the same graph as text for Graphviz.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import networkx as nx
import numpy as np

from steepest.data.wording import number
from steepest.errors import SpecError
from steepest.lazy import Tensor
from steepest.plots import style
from steepest.plots.figure import Figure
from steepest.plots.graph.fold import MOST_BOXES, folded
from steepest.plots.graph.walk import ROWS, Graph, named, of_fit, walked, words_of
from steepest.result import Fit
from steepest.text import colours


class Drawing(Figure):
    """A graph's figure; `dot` is the same graph as text."""

    @property
    def dot(self) -> str:
        """The graph in Graphviz' language."""
        return self.source_data.dot


def graph_data(z: Any, names: Any = None, most: int = MOST_BOXES) -> Graph:
    """The graph behind a tensor or a fit, folded to about `most` nodes; see `graph`."""
    notes = []
    if isinstance(z, Fit):
        if z.rows > ROWS:
            notes.append(f"Of {ROWS} of the {z.rows:,} rows.")
        z, names = of_fit(z)
    if isinstance(z, Tensor) and z.is_meta:
        raise SpecError("graph() shows numbers, and this tensor is on the device 'meta', which holds none.")
    if not isinstance(z, Tensor) or z.grad_fn is None:
        raise SpecError(
            f"graph() needs a tensor made from one that requires a gradient, or a Fit; this is "
            f"{'a tensor without a history' if isinstance(z, Tensor) else 'a ' + type(z).__name__}."
        )
    graph = folded(walked(z, named(names)), most)
    return replace(graph, notes=[*notes, *graph.notes])


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
            centres = {i: np.mean([place[j] for j in near(i)] or [place[i]]) for i in rows[depth]}
            rows[depth].sort(key=centres.__getitem__)
            width = len(rows[depth])
            for k, i in enumerate(rows[depth]):
                place[i] = k - (width - 1) / 2
    return {i: (place[i], float(layer[i])) for i in graph.nodes}


COLOURS = {
    "parameter": colours.DESCENT,
    "data": colours.DATA,
    "output": colours.EXACT,
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
    folds = f"{operations:,} operations, folded into {len(data.nodes):,} nodes." if len(data.nodes) < operations else ""
    notes = [folds, *data.notes, "∂ is the derivative of the output by what stands there."]
    height = int(min(170 + depth * (92 if boxes else 34), 2_400))
    width = int(min(130 * wide, 4_000)) if boxes and wide > 8 else None
    shown = Drawing().begun("The backward graph", notes, theme, height, data, width=width)
    _edges(shown, data, places, boxes)
    for kind, colour in COLOURS.items():
        ids = [i for i, node in data.nodes.items() if node.kind == kind]
        if ids:
            words = ["<br>".join(style.text(line, 80) for line in words_of(data.nodes[i])) for i in ids]
            x, y = [places[i][0] for i in ids], [-places[i][1] for i in ids]
            more = {"hover": None, "hoverinfo": "text", "hovertext": words, "name": kind}
            shown.points(x, y, colour, 12 if boxes else 7, symbol="square", **more)
    for i, node in data.nodes.items() if boxes else ():
        colour = COLOURS[node.kind]
        first, *rest = (style.text(line, 60) for line in words_of(node))
        shown.add_annotation(
            x=places[i][0],
            y=-places[i][1],
            text="<br>".join([f"<b>{first}</b>", *rest]),
            showarrow=False,
            bgcolor=_mixed(colour, colours.PAPER[theme]["paper"]),
            bordercolor=colour,
            borderpad=5,
            borderwidth=1.4,
            font={"size": 11 if len(data.nodes) <= 30 else 9, "color": colours.PAPER[theme]["ink"]},
        )
    hidden = {"visible": False, "fixedrange": False}
    shown.update_xaxes(range=[across[:, 0].min() - 0.7, across[:, 0].max() + 0.7], **hidden)
    shown.update_yaxes(range=[-depth + 0.4, 0.6], **hidden)
    return shown


def _edges(shown: Figure, data: Graph, places: Mapping[int, tuple[float, float]], boxes: bool) -> None:
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
                x=0.5 * (a + c), y=-0.5 * (b + d), text=f"× {number(edge.factor)}", showarrow=False, xshift=8,
                xanchor="left", font={"size": 11, "color": colours.RESIDUAL},
            )  # fmt: skip
    line = {"color": "rgba(127,138,150,0.6)", "width": 1.3, "shape": "spline", "smoothing": 0.9}
    shown.add_scatter(x=x, y=y, mode="lines", line=line, hoverinfo="skip", showlegend=False)


def _mixed(colour: str, paper: str) -> str:
    """A colour thinned with paper, so that lines behind it do not show through."""
    parts = [round(0.14 * int(colour[i : i + 2], 16) + 0.86 * int(paper[i : i + 2], 16)) for i in (1, 3, 5)]
    return "#" + "".join(f"{part:02x}" for part in parts)
