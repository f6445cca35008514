"""What a diagnosis costs is bounded by sizes, and what it says does not depend on the clock."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import steepest as st
from steepest.analysis import diagnosis
from steepest.analysis.diagnosis import diagnose
from steepest.analysis.finding import Kind
from steepest.analysis.step_cost import cost_of_step
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
def test_a_slow_machine_is_told_the_same(model, monkeypatch):
    random = np.random.default_rng(0)
    x = random.normal(size=(60, 2))
    own = (lambda p, t: ((p - t) ** 2).mean()) if model == "linear" else "mse"
    fit = st.fit(x, x[:, 0], model=model, loss=own, optimizer="sgd", lr=1e-6, epochs=400)
    found = diagnose(fit).to_dicts()
    assert [finding["kind"] for finding in found] == [Kind.RATE_TOO_LOW]
    for name in ("perf_counter", "monotonic", "process_time", "time"):
        own_clock = getattr(time, name)
        monkeypatch.setattr(time, name, lambda own_clock=own_clock: 100.0 * own_clock())
    assert diagnose(fit).to_dicts() == found


def test_no_check_asks_what_time_it_is():
    folder = Path(diagnosis.__file__).parent
    clocks = ("import time", "from time", "datetime", "timeit", "perf_counter", ".seconds")
    asking = {path.name for path in folder.rglob("*.py") if any(clock in path.read_text() for clock in clocks)}
    assert asking == {"solve.py"}  # it tells how long an exact answer took


def test_a_step_costs_more_where_there_is_more_to_do():
    def module(width):
        torch.manual_seed(0)
        net = nn.Sequential(nn.Linear(3, width), nn.ReLU(), nn.Linear(width, 1)).double()
        return ModuleObjective(net, loss("mse"), torch.zeros(500, 3).double(), torch.zeros(500).double())

    # 3·2·500·(3·w + w) floating-point operations, less the gradient of the rows themselves
    wide, narrow = cost_of_step(module(4_000), None), cost_of_step(module(4), None)
    assert wide > 20 * narrow
    assert cost_of_step(module(4_000), 5) < 0.1 * wide


def test_the_linear_family_is_counted_too():
    fit = st.fit(np.arange(10.0), np.arange(10.0) ** 2)
    assert 5e-5 < cost_of_step(LinearObjective(fit.problem), None) < 5e-4
    assert module_descent(fit) is None
