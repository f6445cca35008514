"""Gradients by layer are autograd's; where they vanish, the remedy that is printed comes down."""

from __future__ import annotations

import re
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

import steepest as st
from steepest.analysis.checks.rerun import placed
from steepest.analysis.checks.vanishing_gradients import layer_gradients, vanishing


def rows(seed, scale=1.0):
    random = np.random.default_rng(seed)
    x = random.normal(size=(100, 2))
    return scale * x, 1 + x @ [1.0, -2.0] + 0.3 * random.normal(size=100)


def layers(between, *widths):
    torch.manual_seed(0)
    parts = [part for before, after in pairwise(widths[:-1]) for part in (nn.Linear(before, after), between())]
    return nn.Sequential(*parts, nn.Linear(*widths[-2:]))


def test_gradients_by_layer_are_those_of_autograd():
    x, y = rows(0)
    module = layers(nn.Tanh, 2, 5, 4, 1).double()
    fit = st.fit(x, y, model=module, lr=0.1, epochs=1)
    loss = nn.functional.mse_loss(module(torch.as_tensor(x))[:, 0], torch.as_tensor(y))
    loss.backward()
    known = {name: float(p.grad.square().mean().sqrt()) for name, p in module.named_parameters() if p.ndim > 1}
    assert layer_gradients(placed(fit)) == pytest.approx(known, rel=1e-9)


@pytest.mark.parametrize("depth", [6, 8])
def test_a_deep_stack_of_sigmoids_gets_adam(depth):
    x, y = rows(1)
    settings = {"model": layers(nn.Sigmoid, 2, *[8] * depth, 1), "lr": 0.05, "epochs": 400}
    fit = st.fit(x, y, **settings)
    (finding,) = vanishing(fit)
    assert finding.remedy["optimizer"] == "adam"
    mended = st.fit(x, y, **(settings | finding.remedy))
    assert [*vanishing(mended)] == []
    after, foretold = re.findall(r"After (\d+) steps the objective is ([\d.]+)", finding.predicted)[0]
    tried = st.fit(x, y, **(settings | finding.remedy | {"epochs": int(after)}))
    assert float(foretold) == pytest.approx(tried.objective_value, rel=5e-3)
    assert mended.objective_value < 0.2 * fit.objective_value


def test_sigmoids_start_where_their_slope_of_a_quarter_is_made_up_for():
    x, y = rows(3)
    fit = st.fit(x, y, model=layers(nn.Sigmoid, 2, *[8] * 8, 1), optimizer="sgd", lr=0.05, epochs=400)
    (finding,) = vanishing(fit)
    assert finding.remedy["init"] == f"normal:{4 / np.sqrt(8):.2g}"
    mended = st.fit(x, y, model=layers(nn.Sigmoid, 2, *[8] * 8, 1), epochs=400, **finding.remedy)
    assert mended.objective_value < 1.5 * st.fit(x, y).objective_value  # the line that made the rows


def test_activations_drowned_by_large_inputs_get_standardised_columns():
    x, y = rows(2, scale=1e5)
    settings = {"model": layers(nn.Tanh, 2, 10, 10, 1), "optimizer": "sgd", "lr": 0.05, "epochs": 400}
    fit = st.fit(x, y, precondition="none", **settings)
    (finding,) = vanishing(fit)
    assert finding.remedy == {"precondition": "standardize"}
    mended = st.fit(x, y, **(settings | finding.remedy))
    assert [*vanishing(mended)] == []
    assert mended.objective_value < 0.5 * fit.objective_value


@pytest.mark.parametrize("model", ["mlp:8", "mlp:16,16", "mlp:32,16,8"])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_ordinary_nets_are_healthy(model, optimizer):
    for seed in range(3):
        x, y = rows(seed)
        assert [*vanishing(st.fit(x, y, model=model, optimizer=optimizer, lr=0.02, epochs=100, seed=seed))] == []
