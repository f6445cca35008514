"""Graphs: the chain rule on the edges of lesson C's formula, and big ones folded until they can be read."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
import torch
from torch import nn

import steepest as st
from steepest.data import synthetic
from steepest.errors import SpecError
from steepest.plots.graph.draw import MOST_BOXES, graph_data, layout
from steepest.plots.style import notes_of


def formula():
    theta = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
    return theta, (1 - torch.log(1 + torch.exp(theta))) ** 2


def test_each_edge_of_the_lesson_s_formula_has_its_factor():
    theta, z = formula()
    data = graph_data(z, {"θ": theta})
    names = {node.name: node for node in data.nodes.values()}
    assert list(names) == ["pow 2", "rsub", "log", "add", "exp", "θ"]
    factors = {data.nodes[edge.target].name: edge.factor for edge in data.edges}
    e = math.e
    by_hand = {"pow 2": 2 * (1 - math.log(1 + e)), "rsub": -1.0, "log": 1 / (1 + e), "add": 1.0, "exp": e}
    assert factors == pytest.approx(by_hand, rel=1e-14)
    assert math.prod(factors.values()) == pytest.approx(0.45802528803261, rel=1e-13)
    assert names["θ"].slope == pytest.approx(0.45802528803261, rel=1e-13)
    values = {name: node.number for name, node in names.items()}
    assert values == pytest.approx(
        {
            "θ": 1,
            "exp": e,
            "add": 1 + e,
            "log": math.log(1 + e),
            "rsub": 1 - math.log(1 + e),
            "pow 2": (1 - math.log(1 + e)) ** 2,
        },
        rel=1e-13,
    )
    assert theta.grad is None  # looking leaves nothing behind


def test_a_graph_as_text():
    theta, z = formula()
    dot = st.graph(z, {'θ "x"': theta}).dot
    assert dot.startswith("digraph {")
    assert 'n5 [label="θ \\"x\\"\\n1\\n∂ 0.45803", shape=ellipse];' in dot
    assert len(re.findall(r"n\d -> n\d \[label=", dot)) == 5


def test_a_value_used_twice_sums_its_gradients():
    x = torch.tensor(3.0, dtype=torch.float64, requires_grad=True)
    data = graph_data(x * x + torch.sin(x))
    (leaf,) = [node for node in data.nodes.values() if node.kind == "parameter"]
    assert leaf.slope == pytest.approx(6 + math.cos(3))
    assert sorted(edge.factor for edge in data.edges if edge.source == leaf.id) == pytest.approx(
        sorted([3, 3, math.cos(3)])
    )


def test_parameters_and_data_have_their_own_kinds():
    module = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    x = torch.randn(4, 2)
    data = graph_data(module(x).pow(2).mean(), module)
    kinds = {node.name: node.kind for node in data.nodes.values()}
    assert {name for name, kind in kinds.items() if kind == "parameter"} == {"0.weight", "0.bias", "2.weight", "2.bias"}
    assert kinds["data [4, 2]"] == "data"
    assert kinds["mean"] == "output"


def test_a_fit_has_the_graph_of_its_loss():
    line = synthetic.quadratic_with_outlier()
    for model in ("poly:2", "mlp:4"):
        fit = st.fit(line.x, line.y, model=model, epochs=3)
        data = graph_data(fit)
        (output,) = [node for node in data.nodes.values() if node.kind == "output"]
        rows = np.unique(np.linspace(0, 99, 32).round().astype(int))
        assert output.number == pytest.approx(np.mean((fit.predict(line.x[rows]) - line.y[rows]) ** 2), rel=1e-5)
        st.graph(fit)


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.a, self.b = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, x):
        return x + self.b(torch.relu(self.a(x)))


def test_a_big_module_is_folded_by_its_submodules():
    module = nn.Sequential(nn.Linear(4, 16), *[Block(16) for _ in range(12)], nn.Linear(16, 1))
    data = graph_data(module(torch.randn(8, 4)).mean(), module)
    assert len(data.nodes) <= MOST_BOXES
    names = [node.name for node in data.nodes.values()]
    assert {"0", "1.a", "1.b", "12.b", "13"} <= set(names)
    assert names.count("add") == 12
    (first,) = [node for node in data.nodes.values() if node.name == "1.a"]
    assert first.value == f"{16 * 16 + 16} parameters, 3 operations"


def test_three_thousand_operations_can_be_read():
    w, h = torch.randn(3, requires_grad=True), torch.zeros(3)
    for _ in range(1_500):
        h = torch.tanh(h + w)
    shown = st.graph(h.sum(), {"w": w})
    assert notes_of(shown)[0] == "3,001 operations, folded into 3 nodes."


def test_layers_go_down_from_z_and_nothing_lies_on_top_of_another():
    module = nn.Sequential(*[nn.Linear(6, 6) for _ in range(6)])
    data = graph_data(module(torch.randn(2, 6)).sum(), module)
    places = layout(data)
    assert all(places[edge.source][1] > places[edge.target][1] for edge in data.edges)
    assert len(set(places.values())) == len(places)


def test_a_tangle_without_names_is_drawn_in_dots():
    random = np.random.default_rng(0)
    made = [torch.randn((), requires_grad=True) for _ in range(5)]
    for _ in range(400):
        i, j = random.integers(len(made), size=2)
        made.append(torch.tanh(made[i]) * made[j])
    z = sum(made)
    dots = [trace for trace in st.graph(z).data if trace.mode != "lines"]
    # a product and a tanh at each turn, the leaves that any of them took, and the sums
    assert sum(len(trace.x) for trace in dots) == len(graph_data(z).nodes) > 1_000
    assert all(trace.mode == "markers" and trace.text is None for trace in dots)


def test_a_freed_graph_still_shows_its_shape():
    theta, z = formula()
    z.backward()
    shown = st.graph(z, {"θ": theta})
    assert any("freed by backward()" in note for note in notes_of(shown))


def test_names_are_escaped():
    theta, z = formula()
    assert "<img" not in st.graph(z, {"<img src=x>": theta}).to_json().replace("\\u003c", "<")


@pytest.mark.parametrize("given", [torch.ones(2), "z", torch.ones(1, requires_grad=True)])
def test_what_has_no_history_is_refused(given):
    with pytest.raises(SpecError, match="requires a gradient"):
        st.graph(given)
