"""Many descents at once: every run is the fit that its settings describe, whatever runs beside it."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from torch import nn

import steepest as st
from steepest.descent import fused_runs
from steepest.errors import SteepestWarning

import cases

ROWS = 46

MODELS = (
    "linear",
    "poly:3",
    "several",
    "l1",
    "huber:1",
    "quantile:0.3",
    "logistic",
    "softmax",
    "own loss",
    "mlp",
    "module",
)
SWEPT = {
    "lr": {"lr": [0.02, 0.05]},
    "numbers of the rule": {"lr": 0.03},
    "schedule": {"lr": 0.05, "schedule": ["constant", "inverse", "step:2,0.5", "cosine", "warmup:5"]},
    "seed and start": {"lr": 0.03, "seed": [3, 8], "init": ["zeros", "normal:0.3"]},
    "ends": {"lr": 0.05, "max_steps": [None, 5, 9], "epochs": [2, 4]},
    "clip": {"lr": 0.05, "clip": [0.2, 1.0]},
    "stopping": {"lr": [0.01, 0.06], "tol": [None, 1e-2, 0.2], "patience": [None, 2]},
    "divergence": {"lr": [1e-3, 1e3], "epochs": 30},
    "auto": {"lr": "auto", "seed": [0, 1], "epochs": 4},
}
RULES = {
    "sgd": ["sgd"],
    "momentum": ["momentum:0.5", "momentum:0.9"],
    "nesterov": ["nesterov:0.8", "nesterov:0.3"],
    "adagrad": ["adagrad"],
    "rmsprop": ["rmsprop:0.9", "rmsprop"],
    "adam": ["adam", "adam:0.8,0.95"],
    "adamw": ["adamw", "adamw:0.9,0.99,0.1"],
}
FACTORS = {
    "model": MODELS,
    "rule": tuple(RULES),
    "swept": tuple(SWEPT),
    "batch": ("full", 1, 7, 16),
    "penalty": (None, "l2:0.1", "l1:0.05", "elastic:0.02,0.1"),
    "shuffle": ("rows", "draws", "blocks", "none"),
    "precondition": ("auto", "none", "standardize"),
    "held out": ("nothing", "test", "validation"),
    "weights": (False, True),
    "record": (None, 8),
    "dtype": ("float64", "float64", "float32"),
}
"""46 rows leave a shorter last batch of 4 (of 7) and of 14 (of 16)."""


def fourth(prediction: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return (prediction - target) ** 4 / 4


class Gate(nn.Module):
    """A module of the user's, with a buffer, and a part that stands in two places."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(11)
            self.first, self.last = nn.Linear(2, 2), nn.Linear(2, 1)
        self.second = self.first
        self.register_buffer("scale", torch.tensor(0.7))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(torch.tanh(self.second(torch.tanh(self.first(x)))) * self.scale)[:, 0]


def _data(case: dict) -> tuple[np.ndarray, np.ndarray, dict]:
    random = np.random.default_rng(7)
    model = case["model"]
    x = random.normal(size=(ROWS, 1 if model == "poly:3" else 2)) * 0.8 + 0.3
    signal = x @ random.normal(size=(x.shape[1], 3)) + random.normal(size=(ROWS, 3))
    signal += [0.3, 0.2, 0.1]  # classes of different sizes, or gradients would vanish exactly
    y = signal[:, 0]
    settings = {"model": "linear", "loss": "mse"}
    if model == "several":
        y = signal
    elif model in ("logistic", "softmax"):
        settings, y = {"model": model}, y > 0 if model == "logistic" else signal.argmax(1)
    elif model == "own loss":
        settings["loss"] = fourth
    elif model in ("mlp", "module", "poly:3"):
        settings["model"] = {"mlp": "mlp:4", "module": Gate(), "poly:3": model}[model]
    elif model != "linear":
        settings["loss"] = model
    return x, y, settings


def _settings(case: dict) -> dict:
    settings = {"batch_size": case["batch"], "shuffle": case["shuffle"], "dtype": case["dtype"], "epochs": 6}
    settings |= {"precondition": case["precondition"], "penalty": case["penalty"], "optimizer": RULES[case["rule"]]}
    settings |= SWEPT[case["swept"]]
    settings |= {"nothing": {}, "test": {"test_fraction": 0.2}, "validation": {"validation": 0.2}}[case["held out"]]
    if case["record"] is not None:
        settings["record"] = case["record"]
    return settings


def check(x, y, engine: str | None = "batched", close: float = 1e-10, **settings) -> None:
    """Every run of a sweep is the fit alone: its whole path, everything shown on the way, and its end."""
    runs = st.sweep(x, y, **settings)
    if engine is not None and len(runs) > 1:
        assert set(runs.columns["engine"]) == {engine}
    columns = runs.columns
    for run in range(len(runs)):
        alone = st.fit(x, y, **settings | {name: values[run] for name, values in runs.settings.items()})
        ours = runs.fit(run)
        about = f"run {run}: { {name: values[run] for name, values in runs.settings.items()} }"
        same = ("names", "steps", "epochs", "notes", "rows", "test_rows", "optimizer", "schedule", "precondition")
        assert [getattr(ours, name) for name in same] == [getattr(alone, name) for name in same], about
        assert ours.ending.status == alone.ending.status, about
        if close < 1e-6:
            assert (ours.ending, ours.status) == (alone.ending, alone.status), about
            assert columns["status"][run] == alone.status.name.lower(), about
        assert ours.lr == pytest.approx(alone.lr, rel=1e-12)
        for column in ("step", "epoch"):
            np.testing.assert_array_equal(getattr(ours.trace, column), getattr(alone.trace, column), err_msg=about)
        np.testing.assert_allclose(ours.trace.lr, alone.trace.lr, rtol=1e-12, err_msg=about)
        # a path that has left for good multiplies its rounding errors at every step as it does itself
        fine = np.maximum.accumulate(np.nan_to_num(alone.trace.loss, nan=np.inf)) < 100.0 * alone.trace.loss[0] + 1.0
        for column in ("loss", "objective", "grad_norm", "test_loss", "theta"):
            a, b = getattr(ours.trace, column)[fine], getattr(alone.trace, column)[fine]
            scale = max(1.0, np.abs(np.nan_to_num(b)).max(initial=0.0))
            np.testing.assert_allclose(a, b, rtol=close, atol=close * scale, err_msg=f"{column} of {about}")
        if fine.all():
            np.testing.assert_allclose(ours.theta, alone.theta, rtol=close, atol=close, err_msg=about)
            for name, value in (("loss", alone.loss), ("objective", alone.objective_value)):
                assert columns[name][run] == pytest.approx(value, rel=close, abs=close), about
                assert getattr(ours, {"objective": "objective_value"}.get(name, name)) == pytest.approx(
                    value, rel=close, abs=close
                )
            for name in ("gap", "relative_gap", "test_loss"):
                value = getattr(alone, name)
                expected = None if value is None else pytest.approx(value, rel=close, abs=10 * close)
                assert columns[name][run] == expected, f"{name} of {about}"
                assert getattr(ours, name) == expected, f"{name} of {about}"


COMPILED = [model for model in MODELS if model not in ("own loss", "mlp", "module")]


@pytest.mark.parametrize("case", cases.pairwise(FACTORS), ids=lambda case: "-".join(map(str, case.values())))
@pytest.mark.parametrize("engine", ["batched", "fused"])
def test_every_run_is_the_fit_alone(case, engine, monkeypatch):
    if engine == "fused":
        if case["model"] not in COMPILED:  # others have no compiled code: another model takes their place
            case = case | {"model": COMPILED[len(str(case)) % len(COMPILED)]}
        monkeypatch.setattr(fused_runs, "WORTH", 0.0)
    x, y, settings = _data(case)
    settings |= _settings(case)
    if case["weights"]:
        settings["weights"] = np.random.default_rng(3).uniform(0.2, 3.0, ROWS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SteepestWarning)
        alone = "seed" in SWEPT[case["swept"]] and case["held out"] != "nothing"  # each seed has rows of its own
        check(x, y, None if alone else engine, 1e-10 if case["dtype"] == "float64" else 2e-3, **settings)
