"""Dead units are counted as they are, the blame is tried, and what is printed keeps them alive."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import steepest as st
from steepest.analysis.checks.dead_units import dead_units, silent
from steepest.analysis.finding import Kind


def rows(seed, n=150, shift=0.0):
    random = np.random.default_rng(seed)
    x = random.normal(size=(n, 2)) + shift
    return x, 3 + (x - shift) @ [1.0, -2.0] + 0.3 * random.normal(size=n)


def by_hand():
    """Six units over x in 0…1: the first, third and fourth are never above 0, the last two layers mix them."""
    first, second = nn.Linear(1, 4), nn.Linear(4, 2)
    with torch.no_grad():
        first.weight.copy_(torch.tensor([[1.0], [1.0], [-1.0], [0.0]]))
        first.bias.copy_(torch.tensor([-2.0, 0.0, -0.5, -1.0]))
        second.weight.copy_(torch.tensor([[1.0, 1.0, 1.0, 1.0], [-1.0, -1.0, -1.0, -1.0]]))
        second.bias.zero_()
    return nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), nn.Linear(2, 1)).double()


def test_units_made_dead_by_hand_are_counted():
    found = silent(by_hand(), torch.linspace(0, 1, 50, dtype=torch.float64)[:, None])
    assert {name: units.tolist() for name, units in found.items()} == {
        "1": [True, False, True, True],
        "3": [False, True],
    }


def test_a_channel_is_dead_where_it_is_0_in_every_place():
    layer = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU())
    with torch.no_grad():
        layer[0].weight.zero_()
        layer[0].bias.copy_(torch.tensor([1.0, -1.0]))
    assert silent(layer, torch.zeros(5, 1, 8, 8))["1"].tolist() == [False, True]


@pytest.mark.parametrize(("optimizer", "lr"), [("adam", 3.0), ("rmsprop", 1.0)])
def test_units_that_too_long_a_step_killed_live_at_a_smaller_rate(optimizer, lr):
    x, y = rows(0)
    settings = {"model": "mlp:16", "optimizer": optimizer, "lr": lr, "epochs": 200, "precondition": "none"}
    fit = st.fit(x, y + 5, **settings)
    (finding,) = dead_units(fit)
    assert list(finding.remedy) == ["lr"]
    assert finding.remedy["lr"] < lr
    mended = st.fit(x, y + 5, **(settings | finding.remedy))
    assert [*dead_units(mended)] == []
    assert float(finding.predicted.split("objective is ")[1].split()[0]) == pytest.approx(
        mended.objective_value, rel=5e-3
    )
    assert mended.objective_value < 0.1 * fit.objective_value


def test_units_that_start_dead_get_another_start():
    x, y = rows(1)
    module = nn.Sequential(nn.Linear(2, 12), nn.ReLU(), nn.Linear(12, 1))
    nn.init.constant_(module[0].bias, -10.0)
    settings = {"model": module, "optimizer": "adam", "lr": 0.02, "epochs": 200}
    (finding,) = dead_units(st.fit(x, y, **settings))
    assert (finding.kind, list(finding.remedy)) == (Kind.DEAD_UNITS, ["init"])
    assert finding.what.startswith("12 of the 12 units of layer '1' give 0 for every row")
    assert [*dead_units(st.fit(x, y, **(settings | finding.remedy)))] == []


def test_units_that_inputs_far_from_zero_kill_get_standardised_columns():
    x, y = rows(2, shift=-40.0)
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 1))
    with torch.no_grad():
        module[0].weight.abs_()
    settings = {"model": module, "optimizer": "adam", "lr": 0.02, "epochs": 200, "precondition": "none"}
    (finding,) = dead_units(st.fit(x, y, **settings))
    assert finding.remedy == {"precondition": "standardize"}
    assert [*dead_units(st.fit(x, y, **(settings | finding.remedy)))] == []


@pytest.mark.parametrize("model", ["mlp:8", "mlp:16,16"])
def test_healthy_nets_have_a_few_and_are_let_be(model):
    for seed in range(6):
        random = np.random.default_rng(seed)
        x = random.uniform(-3, 3, 150)
        y = np.sin(x) + 0.3 * random.normal(size=150)
        assert [*dead_units(st.fit(x, y, model=model, seed=seed, epochs=100))] == []
    x, y = rows(3)
    assert [*dead_units(st.fit(x, y))] == []
