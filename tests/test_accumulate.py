"""Minibatches whose gradients are averaged: the step is that of a batch so many times as large."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import steepest as st
from ejecting import printed, ran
from steepest.data.batching import Batching


def data() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(4)
    x = random.normal(size=(100, 3))
    return x, x @ [1.0, -2.0, 0.5] + 0.3 * random.normal(size=100)


def network(*between: torch.nn.Module) -> torch.nn.Module:
    torch.manual_seed(3)
    return torch.nn.Sequential(torch.nn.Linear(3, 5), *between, torch.nn.Tanh(), torch.nn.Linear(5, 1)).double()


@pytest.mark.parametrize("model", ["linear", network()])
def test_it_is_a_batch_so_many_times_as_large(model):
    """100 rows in batches of 28 leave a last one of 16, in minibatches of 7 and 2."""
    settings = {
        "model": model,
        "optimizer": "adam",
        "lr": 0.02,
        "epochs": 4,
        "precondition": "none",
        "penalty": "l2:0.01",
    }
    whole = st.fit(*data(), batch_size=28, **settings)
    parts = st.fit(*data(), batch_size=7, accumulate=4, **settings)
    assert parts.steps == whole.steps == 16
    np.testing.assert_allclose(parts.trace.theta, whole.trace.theta, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(parts.trace.loss, whole.trace.loss, rtol=1e-10)
    swept = st.sweep(*data(), batch_size=7, accumulate=[1, 4], **settings | {"lr": [0.02, 0.1]})
    place = list(zip(swept.settings["lr"], swept.settings["accumulate"], strict=True)).index((0.02, 4))
    np.testing.assert_allclose(swept.fit(place).trace.theta, whole.trace.theta, atol=1e-10)


def test_a_module_sees_one_minibatch_at_once_as_in_a_loop_of_pytorch():
    """Batch normalisation tells them apart."""
    fit = st.fit(
        *data(), model=network(torch.nn.BatchNorm1d(5)), optimizer="sgd", lr=0.05, batch_size=10, accumulate=5, epochs=3,
        precondition="none", schedule="constant",
    )  # fmt: skip
    x, y = (torch.from_numpy(part) for part in data())
    net = network(torch.nn.BatchNorm1d(5))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05)
    for batch in Batching(100, 50, "rows", 0, epochs=3):
        optimizer.zero_grad()
        for rows in batch.rows.split(10):
            (((net(x[rows])[:, 0] - y[rows]) ** 2).mean() / 5).backward()
        optimizer.step()
    expected = torch.cat([p.detach().flatten() for p in net.parameters()]).numpy()
    np.testing.assert_allclose(fit.theta, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("sampler", [False, True])
def test_batches_of_a_loader_are_averaged_too(sampler):
    x, y = data()
    rows = torch.utils.data.TensorDataset(torch.from_numpy(x), torch.from_numpy(y))
    parts = [list(range(i, min(i + 15, 100))) for i in range(0, 100, 15)]  # seven batches: four, and three
    loader = torch.utils.data.DataLoader(rows, batch_sampler=parts)
    settings = {
        "model": network(),
        "optimizer": "sgd",
        "lr": 0.05,
        "epochs": 2,
        "precondition": "none",
        "schedule": "constant",
    }
    given = {"x": loader} if sampler else {"x": x, "y": y, "batches": [(x[part], y[part]) for part in parts]}
    fit = st.fit(accumulate=4, **given, **settings)
    whole = st.fit(x, y, batches=[(x[:60], y[:60]), (x[60:], y[60:])], **settings)
    assert fit.steps == 4
    np.testing.assert_allclose(fit.theta, whole.theta, rtol=1e-10, atol=1e-12)


def test_a_script_ends_where_the_fit_does(tmp_path):
    fit = st.fit(*data(), optimizer="sgd", lr=0.05, batch_size=7, accumulate=4, epochs=3)
    (tmp_path / "script.py").write_text(fit.to_python())
    ends = printed(ran([tmp_path / "script.py"])[0])
    np.testing.assert_allclose([ends[name] for name in fit.names], fit.theta, rtol=1e-10)


def test_what_cannot_be_is_refused_with_a_remedy():
    with pytest.raises(
        st.SpecError, match="accumulate=4 averages the gradients of minibatches: say how many rows one has"
    ):
        st.fit(*data(), accumulate=4)
    with pytest.raises(st.SpecError, match="accumulate=0: it must be a whole number of at least 1"):
        st.fit(*data(), accumulate=0, batch_size=10)
