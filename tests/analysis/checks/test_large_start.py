"""Weights that start too large, beside the same module as PyTorch starts it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import steepest as st
from steepest.analysis.checks.large_start import scaled_down, sizes_of
from steepest.analysis.finding import Kind

RANDOM = np.random.default_rng(61)
X = RANDOM.standard_normal((300, 4))
Y = np.sin(1.5 * X[:, 0]) + X[:, 1] * X[:, 2] + 0.1 * RANDOM.standard_normal(300)
FRESH = RANDOM.standard_normal((1000, 4))
GOAL = np.sin(1.5 * FRESH[:, 0]) + FRESH[:, 1] * FRESH[:, 2]
SETTINGS = {"loss": "mse", "optimizer": "adam", "lr": 0.01, "batch_size": 50, "epochs": 25}


def network(times: float = 1.0, between=nn.ReLU) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        found = nn.Sequential(nn.Linear(4, 24), between(), nn.Linear(24, 24), between(), nn.Linear(24, 1))
    with torch.no_grad():
        for layer in (found[0], found[2], found[4]):
            layer.weight *= times
    return found


def test_sizes_are_those_of_the_rules_that_start_layers():
    torch.manual_seed(0)
    layer = nn.Linear(64, 4000)
    assert sizes_of(nn.Sequential(layer))["0"] == pytest.approx(3**-0.5, rel=0.02)
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    assert sizes_of(nn.Sequential(layer))["0"] == pytest.approx(2**0.5, rel=0.02)
    nn.init.normal_(layer.weight)
    picture = nn.Conv2d(8, 4000, 3)
    assert sizes_of(nn.Sequential(picture))["0"] == pytest.approx(3**-0.5, rel=0.02)
    again = scaled_down(nn.Sequential(layer), sizes := sizes_of(nn.Sequential(layer)))
    assert sizes["0"] > 2.5
    assert sizes_of(again)["0"] == pytest.approx(3**-0.5, rel=1e-6)


def test_they_are_found_and_layers_of_the_usual_size_do_better():
    fit = st.fit(X, Y, model=network(10.0), **SETTINGS)
    found = fit.diagnose()[0]
    assert (found.kind, found.remedy, "reset_parameters" in found.advice) == (Kind.LARGE, {}, True)
    well = st.fit(X, Y, model=network(), **SETTINGS)
    errors = [np.mean((np.asarray(each.predict(FRESH)).ravel() - GOAL) ** 2) for each in (well, fit)]
    assert errors[0] < errors[1] / 1.5
    assert Kind.LARGE not in [one.kind for one in well.diagnose()]


def test_the_start_of_a_network_by_its_name():
    fit = st.fit(X, Y, model="mlp:24,24", init="normal:3", **{**SETTINGS, "loss": "mse"})
    found = fit.diagnose()[0]
    assert (found.kind, found.remedy) == (Kind.LARGE, {"init": "zeros"})
    again = st.fit(X, Y, model="mlp:24,24", **{**SETTINGS, **found.remedy})
    assert again.loss < fit.loss / 1.5


@pytest.mark.parametrize("how", ["normalised", "kaiming"])
def test_large_weights_that_do_no_harm_are_let_be(how):
    made = network()
    if how == "normalised":
        made = nn.Sequential(made[0], nn.BatchNorm1d(24), nn.ReLU(), made[4])
        with torch.no_grad():
            made[0].weight *= 10.0
    else:
        for place in (0, 2, 4):
            nn.init.kaiming_normal_(made[place].weight, generator=torch.Generator().manual_seed(place))
    assert Kind.LARGE not in [one.kind for one in st.fit(X, Y, model=made, **SETTINGS).diagnose()]
