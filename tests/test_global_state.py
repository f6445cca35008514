"""Nothing of the program around it is changed by a fit, a sweep, a picture, a report, a film or a loaded run."""

from __future__ import annotations

import locale
import os
import random
import signal
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

import matplotlib
import numpy as np
import plotly.io as pio
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import steepest as st

X = np.random.default_rng(17).normal(size=(40, 2))
Y = np.sin(X[:, 0]) + X[:, 1]

STATES = {
    "torch's generator": lambda: torch.get_rng_state().tolist(),
    "torch's seed": torch.initial_seed,
    "numpy's generator": lambda: [np.asarray(part).tolist() for part in np.random.get_state()],
    "random's generator": random.getstate,
    "default dtype": torch.get_default_dtype,
    "default device": torch.get_default_device,
    "threads": torch.get_num_threads,
    "gradients": lambda: (torch.is_grad_enabled(), torch.is_inference_mode_enabled(), torch.is_anomaly_enabled()),
    "deterministic algorithms": lambda: (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
        torch.backends.cudnn.benchmark,
    ),
    "precision of products": torch.get_float32_matmul_precision,
    "warning filters": lambda: list(warnings.filters),
    "numpy's errors": np.geterr,
    "numpy's printing": lambda: str(np.get_printoptions()),
    "torch's printing": lambda: repr(torch.tensor([1.23456789, 1e-9])),
    "rcParams": lambda: dict.copy(matplotlib.rcParams),
    "plotly's templates": lambda: (pio.templates.default, sorted(pio.templates)),
    "plotly's renderer": lambda: pio.renderers.default,
    "environment": lambda: dict(os.environ),
    "signal handlers": lambda: [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)],
    "locale": lambda: locale.setlocale(locale.LC_ALL),
    "folder": os.getcwd,
    "threads' hook": lambda: threading.excepthook,
}


def dropping() -> nn.Module:
    return nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 1))


class Made(nn.Module):
    """A class that draws its start from PyTorch's generator."""

    def __init__(self):
        super().__init__()
        self.net = dropping()

    def forward(self, x):
        return self.net(x)


@pytest.fixture(scope="module")
def states(tmp_path_factory):
    """Each state before and after everything."""
    folder = tmp_path_factory.mktemp("runs")
    str(torch.tensor(1.0)), pio.renderers.default, sorted(pio.templates)
    matplotlib.rcParams.copy()
    before = {name: state() for name, state in STATES.items()}
    fit = st.fit(X, Y, test_fraction=0.25)
    net = st.fit(X, Y, model="mlp:8", epochs=5, batch_size=10, validation=0.2)
    st.fit(X, Y, model=Made, epochs=3, batch_size=10)
    st.fit(
        DataLoader(TensorDataset(torch.as_tensor(X), torch.as_tensor(Y)), batch_size=9, shuffle=True),
        model=Made,
        epochs=2,
    )
    st.fit(X, Y, model="mlp:4", optimizer=torch.optim.LBFGS, epochs=2)
    runs = st.sweep(X, Y, model="mlp:4", lr=[0.01, 0.02], seed=[0, 1], epochs=3)
    st.sweep(X, Y, lr=[0.01, 0.02], optimizer=["sgd", "adam"], epochs=3, batch_size=10)
    for each in (fit, net):
        str(each), each.diagnose(), each.to_dict(), each.summary()
        each.plot(), each.loss_curve(), each.residuals(), each.surface(grid=5)
    fit.animate(folder / "fit.gif", frames=2)
    fit.report(folder / "fit.html", film=False)
    fit.save(folder / "run")
    st.load(folder / "run").predict(X)
    st.plot(X, Y)
    runs.table(), runs.plot(), str(runs)
    st.diagnose(X, Y)
    return before, {name: state() for name, state in STATES.items()}


@pytest.mark.parametrize("name", STATES)
def test_the_programs_own_state_is_left_alone(states, name):
    before, after = states
    assert after[name] == before[name]


def test_fits_in_threads_are_the_fits_alone():
    def work(seed):
        found = [st.fit(X, Y, model="mlp:8", seed=seed, epochs=5, batch_size=10).theta]
        found += [st.fit(X, Y, model=Made, seed=seed, epochs=5, batch_size=10).theta]
        found += [st.sweep(X, Y, model="mlp:3", seed=[seed, seed + 1], lr=[0.01, 0.02], epochs=3).fit(3).theta]
        return np.concatenate(found)

    seeds = list(range(4)) * 4
    alone = [work(seed) for seed in range(4)]
    before = torch.get_rng_state(), torch.initial_seed(), torch.get_num_threads()
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(work, seeds))
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (torch.initial_seed(), torch.get_num_threads()) == before[1:]
    for seed, found in zip(seeds, together, strict=True):
        np.testing.assert_array_equal(found, alone[seed])


def test_an_mlp_starts_as_pytorch_starts_its_layers():
    torch.manual_seed(7)
    theirs = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 3), nn.ReLU(), nn.Linear(3, 1))
    fit = st.fit(X, Y, model="mlp:8,3", seed=7, lr=0.1, max_steps=1)
    np.testing.assert_array_equal(
        fit.trace.theta[0], nn.utils.parameters_to_vector(theirs.parameters()).detach().numpy()
    )
