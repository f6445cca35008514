"""Many descents at once: every run is the fit that its settings describe, whatever runs beside it."""

from __future__ import annotations

import warnings
from threading import Barrier

import numpy as np
import pytest
import torch
from torch import nn

import steepest as st
from steepest.data.batching import Batch, Batching
from steepest.descent import torch_rules
from steepest.engines import batched as sweep
from steepest.engines import choice
from steepest.engines import threads as engine_threads
from steepest.engines.batched import Together, deal, stacked
from steepest.engines.descents import Descents
from steepest.engines.threads import in_one_thread, in_threads
from steepest.errors import SteepestWarning
from steepest.model.objective_factory import objective

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
    "stopping": {"lr": [0.01, 0.06], "tol": [None, 0.2], "patience": [None, 2], "epochs": 6},
    "divergence": {"lr": [1e-3, 1e3], "epochs": 12},
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
    settings = {"batch_size": case["batch"], "shuffle": case["shuffle"], "dtype": case["dtype"], "epochs": 3}
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


COMPILED = tuple(model for model in MODELS if model not in ("own loss", "mlp", "module"))
FACTORS_OF = {"batched": {}, "fused": {"model": COMPILED}}


EACH = [(engine, case) for engine, has in FACTORS_OF.items() for case in cases.pairwise(FACTORS | has)]


@pytest.mark.parametrize(("engine", "case"), EACH, ids=lambda part: "-".join(map(str, getattr(part, "values", str)())))
def test_every_run_is_the_fit_alone(engine, case, monkeypatch):
    if engine == "fused":
        monkeypatch.setattr(choice, "WORTH", -np.inf)
    x, y, settings = _data(case)
    settings |= _settings(case)
    if case["weights"]:
        settings["weights"] = np.random.default_rng(3).uniform(0.2, 3.0, ROWS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SteepestWarning)
        alone = "seed" in SWEPT[case["swept"]] and case["held out"] != "nothing"  # each seed has rows of its own
        check(x, y, None if alone else engine, 1e-10 if case["dtype"] == "float64" else 2e-3, **settings)


# ---- how descents end, one beside the other ----------------------------------------------------------

ENDINGS = {
    "tolerance": {"epochs": 400, "lr": [0.02, 0.05, 0.1], "tol": 1e-4, "patience": 2},
    "tolerance in minibatches": {"epochs": 100, "lr": [0.003, 0.01], "batch_size": 32, "tol": [1e-3, 1e-2]},
    "diverged": {"epochs": 100, "lr": [0.1, 1.3, 2.0, 1e6]},
    "diverged in minibatches": {"epochs": 100, "lr": [0.01, 3.0, 30.0], "batch_size": 8},
    "limits in minibatches": {"epochs": [None, 3], "max_steps": [4, 17, 32, 39], "lr": 0.05, "batch_size": 32},
    "limits in full batches": {"max_steps": [33, 300], "epochs": [20, 500], "lr": 0.01},
    "validation": {"epochs": 150, "lr": [0.02, 0.3], "validation": 0.2, "patience": [None, 3]},
    "validation in minibatches": {"epochs": 60, "lr": [0.02, 0.1], "batch_size": 16, "validation": 0.2, "patience": 3},
    "test loss": {"epochs": [300, 500], "lr": [0.01, 0.004], "test_fraction": 0.25, "max_steps": 431},
    "test loss in minibatches": {"epochs": [9, 4], "lr": 0.01, "batch_size": 64, "test_fraction": 0.25},
    "thinned": {"epochs": [40, 60], "lr": 0.01, "batch_size": 16, "record": 100, "loss": "huber:1"},
    "thinned marks": {"epochs": 300, "lr": [0.01, 0.02], "batch_size": 200, "record": 64, "tol": [None, 1e-5]},
    "thinned full batches": {"max_steps": [3000, 1500], "lr": 1e-4, "record": 100, "penalty": "elastic:0.01,0.01"},
    "chosen parameters": {"epochs": 50, "lr": [0.1, 0.2], "record": ("x1", "intercept")},
    "chosen parameters in other coordinates": {"epochs": 9, "lr": [0.1, 0.2], "record": ("x1",), "precondition": "orthonormal"},
    "starts in other coordinates": {"epochs": 9, "lr": [0.1, 0.2], "precondition": "standardize", "init": ["zeros", "normal"]},
    "shuffled blocks": {"epochs": 3, "lr": [0.05, 0.02], "batch_size": 32, "shuffle": "blocks", "seed": range(3)},
    "even blocks": {"epochs": 3, "lr": 0.05, "batch_size": 50, "shuffle": "blocks", "seed": range(3)},
    "draws": {"epochs": 3, "lr": 0.05, "batch_size": 32, "shuffle": "draws", "seed": range(3)},
}  # fmt: skip


def _table(rows: int = 400):
    random = np.random.default_rng(5)
    x = random.normal(size=(rows, 3))
    return x, x @ [1.0, -2.0, 3.0] + 0.5 + random.normal(size=rows)


@pytest.mark.parametrize("name", ENDINGS)
def test_every_run_ends_as_it_would_alone(name):
    check(*_table(), **{"optimizer": "sgd", **ENDINGS[name]})


@pytest.mark.parametrize("room", [1, 40, 2**21])
def test_chunks_may_end_anywhere(room, monkeypatch):
    monkeypatch.setattr(sweep, "ROOM", room)
    x, y = _table(60)
    check(x, y, optimizer="sgd", lr=[0.02, 0.5, 2.0], batch_size=8, epochs=7, tol=[None, 0.05], record=16)
    check(x, y, optimizer="adam", lr=[0.02, 0.5], max_steps=[37, 60], tol=1e-3)


def test_diverging_runs_leave_the_others_alone():
    x, y = _table()
    rates = [0.1, 1e9, 0.2, 1e200, 0.3]
    runs = st.sweep(x, y, optimizer="sgd", lr=rates, epochs=200)
    assert runs.columns["status"] == ["converged", "diverged", "converged", "diverged", "converged"]
    ols = np.linalg.lstsq(np.column_stack([np.ones(len(x)), x]), y, rcond=None)[0]
    for run in (0, 2, 4):
        np.testing.assert_allclose(runs.fit(run).theta, ols, rtol=1e-9)
    assert "is stable." in runs.fit(1).ending.advice
    assert np.isfinite(runs.fit(3).theta).all()


# ---- the parts --------------------------------------------------------------------------------------


def test_a_stacked_rule_is_each_of_its_rules():
    random = torch.Generator().manual_seed(0)
    grads = torch.randn(5, 3, 4, generator=random, dtype=torch.float64)
    each = [
        torch_rules.rule("adamw:0.9,0.99,0.1"),
        torch_rules.rule("adam:0.5,0.999"),
        torch_rules.rule("adamw:0.0,0.9,0.01"),
    ]
    many = stacked(each, grads)
    theta = torch.ones(3, 4, dtype=torch.float64)
    alone = [torch.ones(4, dtype=torch.float64) for _ in each]
    memory, memories = many.start(theta), [rule.start(one) for rule, one in zip(each, alone, strict=True)]
    for grad in grads:
        many.update(theta, grad, memory, torch.full((3, 1), 0.1, dtype=torch.float64), None)
        for rule, one, own, slope in zip(each, alone, memories, grad, strict=True):
            rule.update(one, slope, own, 0.1, None)
    torch.testing.assert_close(theta, torch.stack(alone), rtol=1e-13, atol=0)
    with pytest.raises(ValueError, match="several kinds"):
        stacked([torch_rules.rule("sgd"), torch_rules.rule("momentum")], theta)


def test_gradients_of_many_runs_are_autograds():
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1)).double()
    x, y = torch.randn(9, 2, dtype=torch.float64), torch.randn(9, dtype=torch.float64)
    together = Together(objective(module, "huber:0.5", x, y))
    theta = torch.randn(4, 13, dtype=torch.float64)
    rows = torch.tensor([[0, 1, 2], [5, 5, 8], [3, 4, 6], [7, 2, 0]])
    values, grads = together.value_and_grad(theta, Batch(0, 0, rows))
    for run in range(4):
        torch.nn.utils.vector_to_parameters(theta[run], module.parameters())
        module.zero_grad()
        loss = nn.functional.huber_loss(module(x[rows[run]])[:, 0], y[rows[run]], delta=0.5)
        loss.backward()
        expected = torch.cat([p.grad.reshape(-1) for p in module.parameters()])
        torch.testing.assert_close(values[run], loss.detach(), rtol=1e-13, atol=1e-15)
        torch.testing.assert_close(grads[run], expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("threads", [1, 2])
def test_operations_written_down_give_the_same(threads, monkeypatch):
    monkeypatch.setattr(sweep, "CACHED", 46 * 4 * 2)  # two runs at a time
    x, y = _table(46)
    torch.set_num_threads(threads)
    try:
        for settings in (
            {"model": "mlp:4", "batch_size": 16, "seed": range(5)},
            {"model": "mlp:4", "lr": [0.02, 0.03, 0.05], "penalty": "l2:0.1", "weights": np.linspace(1, 2, 46)},
            {"loss": fourth, "lr": [0.01, 0.02, 0.03], "batch_size": 16},
        ):
            monkeypatch.setattr(sweep, "OFTEN", 0)
            settings = {"loss": "mse", "optimizer": "adam", "epochs": 4, "lr": 0.02} | settings
            check(x, y, **settings)
    finally:
        torch.set_num_threads(1)


def test_other_threads_leave_the_number_of_threads_as_it_was(monkeypatch):
    monkeypatch.setattr(engine_threads, "_pools", {})
    meet = Barrier(2)  # a job for each of the threads, none of which has worked before

    def number() -> int:
        meet.wait(timeout=60)
        return torch.get_num_threads()

    torch.set_num_threads(2)
    try:
        assert list(in_threads([number] * 4, 2)) == [1, 1, 1, 1]
        assert torch.get_num_threads() == 2
        with in_one_thread():
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)


def test_each_run_is_dealt_its_own_batches():
    dealt = list(deal(Batching(7, 3, epochs=2), [5, 2, 5]))
    assert [batch.rows.shape for batch in dealt] == [(3, 3), (3, 3), (3, 1)] * 2
    for run, seed in enumerate([5, 2, 5]):
        for ours, alone in zip(dealt, Batching(7, 3, "rows", seed, 2), strict=True):
            assert ours.rows[run].tolist() == alone.rows.tolist()
            assert ours[:2] == alone[:2]
    assert next(iter(deal(Batching(7, 3, epochs=1), [4, 4]))).rows.ndim == 1
    assert not sweep.alike(Batching(7, 3, "blocks"))
    assert sweep.alike(Batching(6, 3, "blocks"))


def test_a_chunk_shows_the_steps_of_each_run():
    f = objective("linear", "mse", [0.0, 1.0, 2.0], [1.0, 3.0, 5.0])
    work = Descents(
        f,
        torch.zeros(2, 2, dtype=torch.float64),
        [torch_rules.rule("sgd")] * 2,
        np.array([0.1, 0.2]),
        [lambda t, e: 0.5**t] * 2,
        Batching(3, epochs=4),
        [0, 0],
        together=Together(f),
    )
    (chunk,) = sweep.chunks(work)
    assert chunk.steps == 4
    assert chunk.lr[1].tolist() == [0.2, 0.1, 0.05, 0.025]
    np.testing.assert_allclose(
        chunk.theta[0, 1], 0.1 * np.array([6.0, 26.0 / 3.0])
    )  # −lr·∇ at 0, with ∇ = −2Σy/3, −2Σxy/3
    step = chunk.step(1, 2)
    assert (step.t, step.epoch, step.lr) == (2, 2, 0.05)


@pytest.mark.parametrize(
    "module",
    [
        nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.5), nn.Linear(4, 1)),
        nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1)),
    ],
)
def test_modules_with_chance_or_memory_go_alone(module):
    x, y = _table(40)
    check(x, y, "loop", model=module, loss="mse", optimizer="sgd", lr=[0.01, 0.02], epochs=2, batch_size=16)


class Features(nn.Module):
    """Random features that belong to the model and are not fitted: another model for each seed."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("directions", torch.randn(3, 4))
        self.last = nn.Linear(4, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(torch.tanh(x @ self.directions))


def test_modules_that_differ_in_more_than_their_start_go_alone():
    settings = {"loss": "mse", "optimizer": "sgd", "lr": 0.02, "seed": [0, 1], "epochs": 3}
    check(*_table(40), "loop", model=lambda: Features(), **settings)
    check(*_table(40), "batched", model=lambda: nn.Linear(3, 1), **settings)


@pytest.mark.parametrize("held", [1, 100])
def test_few_runs_are_valued_at_a_time(held, monkeypatch):
    from steepest import monitor

    for module in (sweep, monitor):
        monkeypatch.setattr(module, "HELD", held)
    for model in ("linear", "mlp:3"):
        settings = {"loss": "mse", "optimizer": "sgd", "lr": [0.01, 0.02, 0.03], "batch_size": 16, "epochs": 3}
        check(*_table(40), model=model, max_steps=[2, 5, 9], test_fraction=0.3, **settings)


def test_what_cannot_go_together_goes_alone():
    x, y = _table(40)
    check(x, y, "loop", optimizer=[torch.optim.Adagrad, torch.optim.NAdam], lr=[0.1, 0.2], epochs=5)
    check(x, y, "loop", seed=[0, 1], penalty=["l2:0.1", "l1:0.1"])  # curvature steps
    check(x, y, "loop", loss=["huber:1"], precondition="standardize", seed=[0, 1], epochs=50)  # accelerated


def test_an_accelerated_rule_of_the_users_goes_together():
    check(*_table(40), optimizer=torch_rules.Accelerated(), lr=[0.05, 0.1], epochs=30)


def test_memory_is_shared_among_runs(monkeypatch):
    from steepest import sweeping

    monkeypatch.setattr(sweeping, "BUDGET", 4 * 50 * (4 * 8 + 48))
    x, y = _table(40)
    runs = st.sweep(x, y, optimizer="sgd", lr=[0.001, 0.002, 0.003, 0.004], epochs=1000)
    assert [25 <= len(runs.fit(run).trace) <= 50 for run in range(4)] == [True] * 4
    alone = st.fit(x, y, optimizer="sgd", lr=0.002, epochs=1000, record=50)
    np.testing.assert_array_equal(runs.fit(1).trace.step, alone.trace.step)
    np.testing.assert_allclose(runs.fit(1).trace.theta, alone.trace.theta, rtol=1e-12)


def test_many_runs_are_cut_into_slices(monkeypatch):
    from steepest.sweeps import batched_runs as packs

    monkeypatch.setattr(packs, "ENTRIES", 40 * 3)  # three at a time
    check(*_table(40), optimizer="sgd", lr=[0.01, 0.02, 0.03, 0.04, 0.05], seed=[0, 1], batch_size=16, epochs=3)


@pytest.mark.gpu
def test_a_sweep_on_a_gpu_walks_the_same_path():
    x, y = _table(60)
    for settings in ({"model": "mlp:4", "loss": "mse"}, {"model": "poly:2", "loss": "huber:1"}):
        settings |= {"optimizer": "momentum:0.5", "lr": [0.01, 0.02], "seed": [0, 1], "batch_size": 16, "epochs": 3}
        here, there = (st.sweep(x, y, **settings, device=device) for device in ("cpu", "cuda"))
        for run in range(len(here)):
            np.testing.assert_allclose(there.fit(run).trace.theta, here.fit(run).trace.theta, rtol=1e-9, atol=1e-9)
