"""The schedule that waits is PyTorch's ReduceLROnPlateau, in the loop, in sweeps and in scripts."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.optim.lr_scheduler import ReduceLROnPlateau

import steepest as st
from ejecting import printed, ran


def data() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(8)
    x = random.normal(size=(60, 3))
    return x, x @ [2.0, -1.0, 0.5] + 1.0 + random.normal(size=60)


SETTINGS = {"optimizer": "sgd", "lr": 0.15, "batch_size": 10, "epochs": 30, "penalty": "l2:0.01", "tol": 0.0}


def by_pytorch(fit: st.Fit, factor: float, patience: int) -> list[float]:
    """The rate of each step, by PyTorch's scheduler given F after each epoch."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=fit.lr)
    scheduler = ReduceLROnPlateau(optimizer, factor=factor, patience=patience)
    rates = []
    for epoch in range(fit.epochs):
        rates += [optimizer.param_groups[0]["lr"]] * int((fit.trace.epoch[:-1] == epoch).sum())
        ended = fit.trace.theta[np.flatnonzero(fit.trace.epoch == epoch)[-1] + 1]
        scheduler.step(float(fit.objective(ended)[0]))
    return rates


@pytest.mark.parametrize(
    ("name", "factor", "patience"), [("plateau:0.5,1", 0.5, 1), ("plateau:0.3,0", 0.3, 0), ("plateau", 0.1, 10)]
)
@pytest.mark.parametrize("size", ["full", 10])
def test_every_rate_is_pytorchs(name, factor, patience, size):
    fit = st.fit(*data(), schedule=name, **SETTINGS | {"batch_size": size})
    expected = by_pytorch(fit, factor, patience)
    np.testing.assert_allclose(fit.trace.lr[:-1], expected, rtol=1e-14)
    if size == 10 and patience < 2:
        assert len(set(expected)) > 2  # it was lowered more than once
    assert fit.engine == "loop"


def test_in_a_sweep_and_around_a_module_it_is_the_same():
    swept = st.sweep(*data(), schedule=["constant", "plateau:0.5,1"], **SETTINGS)
    np.testing.assert_allclose(
        swept.fit(1).theta, st.fit(*data(), schedule="plateau:0.5,1", **SETTINGS).theta, rtol=1e-13
    )
    assert swept.fit(1).trace.lr[-1] < swept.fit(0).trace.lr[-1]
    fit = st.fit(*data(), model="mlp:3", **SETTINGS | {"schedule": "plateau:0.5,0", "optimizer": "adam", "lr": 0.1})
    np.testing.assert_allclose(fit.trace.lr[:-1], by_pytorch(fit, 0.5, 0), rtol=1e-14)


@pytest.mark.parametrize("style", ["loop", "torch.optim"])
@pytest.mark.parametrize("model", ["linear", "mlp:3"])
def test_a_script_lowers_the_rate_too(style, model, tmp_path):
    fit = st.fit(*data(), schedule="plateau:0.5,1", model=model, **SETTINGS)
    script = tmp_path / "script.py"
    script.write_text(fit.to_python(style=style))
    ends = printed(ran([script])[0])
    np.testing.assert_allclose([ends[name] for name in fit.names], fit.theta, rtol=1e-9)
