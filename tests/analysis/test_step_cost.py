"""What a diagnosis costs is bounded by sizes, and what it says does not depend on the clock."""

from __future__ import annotations

import time

import numpy as np
import pytest
import torch
from torch import nn

import steepest as st
from steepest.analysis.diagnosis import diagnose
from steepest.analysis.finding import Kind
from steepest.analysis.step_cost import seconds_a_step
from steepest.analysis.what_if import module_descent
from steepest.model.linear_objective import LinearObjective
from steepest.model.module_objective import ModuleObjective
from steepest.model.torch_losses import loss


def test_many_columns_are_never_decomposed_into_singular_values(monkeypatch):
    random = np.random.default_rng(0)
    x = random.normal(size=(1_200, 1_100))
    fit = st.fit(x, x @ random.normal(size=1_100) + random.normal(size=1_200))
    assert fit.exact is not None
    sizes = []
    for name in ("svd", "matrix_rank", "eigh", "pinv", "lstsq"):
        own = getattr(np.linalg, name)

        def counted(matrix, *args, own=own, **named):
            sizes.append(np.shape(matrix))
            return own(matrix, *args, **named)

        monkeypatch.setattr(np.linalg, name, counted)
    assert [finding.kind for finding in diagnose(fit)] == [Kind.FEW_ROWS]
    # the products of 1,000 rows, once
    assert sizes == [(1_000, 1_000)]


@pytest.mark.parametrize("model", ["linear", "mlp:8"])
def test_how_far_a_descent_is_walked_again_does_not_depend_on_the_clock(model, monkeypatch):
    random = np.random.default_rng(0)
    x = random.normal(size=(60, 2))
    own = (lambda p, t: ((p - t) ** 2).mean()) if model == "linear" else "mse"
    fit = st.fit(x, x[:, 0], model=model, loss=own, optimizer="sgd", lr=1e-6, epochs=400)
    monkeypatch.setattr(time, "perf_counter", lambda: pytest.fail("a verdict looked at the clock"))
    assert [finding.kind for finding in diagnose(fit)] == [Kind.RATE_TOO_LOW]


def test_a_step_costs_more_where_there_is_more_to_do():
    def module(width):
        torch.manual_seed(0)
        net = nn.Sequential(nn.Linear(3, width), nn.ReLU(), nn.Linear(width, 1)).double()
        return ModuleObjective(net, loss("mse"), torch.zeros(500, 3).double(), torch.zeros(500).double())

    # 3·2·500·(3·w + w) floating-point operations, less the gradient of the rows themselves
    wide, narrow = seconds_a_step(module(4_000), None), seconds_a_step(module(4), None)
    assert wide > 20 * narrow
    assert seconds_a_step(module(4_000), 5) < 0.1 * wide


def test_the_linear_family_is_counted_too():
    fit = st.fit(np.arange(10.0), np.arange(10.0) ** 2)
    assert 5e-5 < seconds_a_step(LinearObjective(fit.problem), None) < 5e-4
    assert module_descent(fit) is None
