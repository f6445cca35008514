"""Graphs made smaller until they can be read.

First by submodule, as deep as there is room: a parameter's name says where it belongs, and an operation belongs where
what goes into it does. Then straight runs of operations become one node each. No fold makes a ring.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import networkx as nx
import numpy as np

from steepest.plots.graph.walk import Edge, Graph, Node

MOST_BOXES = 60  # nodes up to which each is a box with its numbers


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
    turns = ("t", "view", "transpose")
    while whole.nodes[i].kind == "operation" and whole.nodes[i].name in turns and net.in_degree(i) == 1:
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
    nodes = {i: node for i, node in whole.nodes.items() if home[i] == i and i not in members}
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
