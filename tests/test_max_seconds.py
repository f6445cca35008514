"""A descent ends after the seconds that it was given, whichever engine takes its steps, and is kept as any other."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch

import steepest as st

X = np.random.default_rng(0).normal(size=(200, 3))
Y = X @ [1.0, -2.0, 0.5] + np.random.default_rng(1).normal(size=200)
ENDLESS = {"optimizer": "sgd", "lr": 1e-12, "epochs": 10**9, "max_seconds": 0.05, "batch_size": 20}


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"batch_size": "full", "tol": 1e-300},
        {"model": torch.nn.Linear(3, 1)},
        {"model": torch.nn.Linear(3, 1), "optimizer": torch.optim.SGD},
    ],
    ids=["compiled", "full batch", "module", "torch.optim"],
)
def test_a_descent_ends_after_its_seconds(settings):
    fit = st.fit(X, Y, **ENDLESS | settings)
    assert fit.status is st.Status.SECONDS
    assert 0 < fit.steps < 10**9
    assert fit.trace.step[-1] == fit.steps
    assert re.match(r"seconds: stopped after the requested seconds; .* steps are done\.", fit.message)


def test_one_that_is_done_before_ends_as_without():
    short = {"optimizer": "sgd", "lr": 0.01, "epochs": 3}
    fit, plain = st.fit(X, Y, **short, max_seconds=1e6), st.fit(X, Y, **short)
    assert fit.status is st.Status.EPOCHS
    assert fit.theta.tolist() == plain.theta.tolist()


def test_it_is_kept_and_swept(tmp_path):
    fit = st.fit(X, Y, **ENDLESS)
    fit.save(tmp_path / "run")
    again = st.load(tmp_path / "run")
    assert (again.status, again.message, again.spec.max_seconds) == (fit.status, fit.message, 0.05)
    runs = st.sweep(X, Y, **ENDLESS | {"lr": [1e-12, 1e-11]})
    assert runs.columns["status"] == ["seconds", "seconds"]
    assert "stopped at the time limit" in repr(runs)
