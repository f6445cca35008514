"""The compiled engine walks the loop's own path: the same batches, the same updates, the same endings."""

from __future__ import annotations

import subprocess
import sys
import warnings
from itertools import product

import numpy as np
import pytest
import torch

import steepest as st
from steepest.data.batching import Batching
from steepest.descent import torch_rules
from steepest.descent.chunk import Chunk
from steepest.descent.loop import descend
from steepest.descent.stopping import Status
from steepest.engines import choice
from steepest.engines import compiled as fused
from steepest.engines.compilable import can_run
from steepest.engines.compiled import Compiled
from steepest.engines.descents import Descents
from steepest.errors import SteepestWarning
from steepest.model import torch_losses
from steepest.model.linear import LinearProblem
from steepest.model.linear_objective import LinearObjective

import cases


def check_updates(case: dict) -> None:
    """From the loop's own θ and memory each single update is the same; every one on the first batch of another seed."""
    objective, compiled = cases.objective(case), cases.objective(case)
    rule = cases.rule(case, objective)
    theta, memory, lr = objective.theta, rule.start(objective.theta), cases.lr(case)
    close = 1e-12 if case["dtype"] == "float64" else 2e-4
    for seed in range(5):
        compiled.theta.copy_(theta)
        dealt = Batching(cases.ROWS, case["batch"], case["shuffle"], seed, max_steps=1)
        (batch,) = dealt
        engine = Compiled(Descents.one(compiled, cases.rule(case, compiled), dealt, lr))
        engine.counts[:] = memory[-1] if rule.innermost.kind.counts else 0
        remembered = [part for part in memory if isinstance(part, torch.Tensor)]
        for ours, theirs in zip(engine.state[1:3], remembered, strict=False):
            ours[...] = theirs.numpy().reshape(ours.shape)
        (chunk,) = engine.chunks()
        loss, grad = objective.value_and_grad(theta, batch)
        np.testing.assert_allclose(chunk.loss[0], [float(loss)], rtol=close, atol=close)
        np.testing.assert_allclose(chunk.grad_norm[0], [float(grad.norm())], rtol=100 * close, atol=close)
        np.testing.assert_allclose(chunk.penalty[0], [float(objective.penalty(theta))], rtol=close, atol=close)
        rule.update(theta, grad, memory, lr, None)
        scale = max(1.0, float(theta.abs().max()))
        assert float((compiled.theta - theta).abs().max()) <= close * scale, f"{case} from seed {seed}"
        for ours, theirs in zip(engine.state[1:3], remembered, strict=False):
            np.testing.assert_allclose(ours.ravel(), theirs, rtol=1e3 * close, atol=close * scale)
        assert not rule.innermost.kind.counts or engine.counts.tolist() == [memory[-1]]


def check_path(case: dict, steps: int = cases.STEPS) -> None:
    """A whole path, with everything that is shown on the way."""
    objective, compiled = cases.objective(case), cases.objective(case)
    lr, schedule = cases.lr(case), cases.schedule(case)
    dealt = Batching(cases.ROWS, case["batch"], case["shuffle"], 3, max_steps=steps)
    shown = [step.copy() for step in descend(objective, cases.rule(case, objective), dealt, lr=lr, schedule=schedule)]
    work = Descents.one(compiled, cases.rule(case, compiled), dealt, lr, schedule)
    close = 1e-10 if case["dtype"] == "float64" else 1e-2
    at = 0
    for chunk in fused.chunks(work):
        for i in range(chunk.steps):
            step, at = shown[at], at + 1
            assert (step.t, step.epoch, step.lr) == (chunk.t + i, chunk.epoch(i), chunk.lr[0, i])
            scale = max(1.0, float(step.theta.abs().max()))
            np.testing.assert_allclose(chunk.theta[0, i], step.theta, rtol=0, atol=close * scale, err_msg=str(case))
            np.testing.assert_allclose(chunk.loss[0, i], step.loss, rtol=close, atol=close, err_msg=str(case))
    assert at == steps == shown[-1].t
    np.testing.assert_allclose(compiled.theta, shown[-1].theta, rtol=close, atol=close)


@pytest.mark.parametrize("case", cases.pairwise(cases.FACTORS), ids=lambda case: "-".join(map(str, case.values())))
def test_fused_engine_walks_the_same_path(case):
    check_updates(case)
    check_path(case)


@pytest.mark.soak
@pytest.mark.parametrize("problem", cases.FACTORS["problem"])
@pytest.mark.parametrize("rule", cases.FACTORS["rule"])
def test_fused_engine_walks_the_same_path_in_every_case(problem, rule):
    """The product of model and loss, rule, schedule, batch size, weights and penalty; the other settings take turns."""
    main = ("schedule", "batch", "weights", "penalty")
    minor = ("shuffle", "frame", "clip", "start", "dtype")
    others = list(product(*(cases.FACTORS[name] for name in minor)))
    turn = cases.FACTORS["problem"].index(problem) * 7 + cases.FACTORS["rule"].index(rule)
    for number, values in enumerate(product(*(cases.FACTORS[name] for name in main))):
        rest = dict(zip(minor, others[(5 * number + turn) % len(others)], strict=True))
        case = {"problem": problem, "rule": rule, **dict(zip(main, values, strict=True)), **rest}
        check_updates(case)
        check_path(case, 12)


def test_large_batches_are_cut_among_threads(monkeypatch):
    monkeypatch.setattr(fused, "WIDE", 1)
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        for case in cases.pairwise(cases.FACTORS)[:12]:
            check_updates(case)
            check_path(case)
    finally:
        torch.set_num_threads(before)


def test_chunks_may_end_anywhere(monkeypatch):
    monkeypatch.setattr(fused, "GATHERED", 5 * 7 * 2)
    monkeypatch.setattr(fused, "ROOM", 20)
    for case in cases.pairwise(cases.FACTORS)[:12]:
        check_path(case)


def _table(rows: int = 400):
    random = np.random.default_rng(5)
    x = random.normal(size=(rows, 3))
    return x, x @ [1.0, -2.0, 3.0] + 0.5 + random.normal(size=rows)


ENDINGS = {
    "converged": {"epochs": 400, "lr": 0.2, "tol": 1e-13},
    "tolerance": {"epochs": 400, "lr": 0.05, "tol": 1e-4, "patience": 2},
    "tolerance in minibatches": {"epochs": 100, "lr": 0.01, "batch_size": 32, "tol": 1e-3},
    "diverged": {"epochs": 100, "lr": 1.3},
    "diverged in minibatches": {"epochs": 100, "lr": 3.0, "batch_size": 8},
    "epochs": {"epochs": 7, "lr": 0.01, "batch_size": 32, "optimizer": "adam", "schedule": "cosine"},
    "max_steps": {"max_steps": 100, "lr": 0.05, "batch_size": 32, "shuffle": "draws"},
    "max_steps in full batches": {"max_steps": 33, "lr": 0.05},
    "validation": {"epochs": 200, "lr": 0.1, "validation": 0.2, "patience": 3},
    "validation in minibatches": {"epochs": 200, "lr": 0.02, "batch_size": 16, "validation": 0.2, "patience": 3},
    "test loss": {"epochs": 500, "lr": 0.01, "test_fraction": 0.25, "tol": 0.0, "max_steps": 431},
    "test loss in minibatches": {"epochs": 9, "lr": 0.01, "batch_size": 64, "test_fraction": 0.25, "shuffle": "blocks"},
    "thinned": {"epochs": 60, "lr": 0.01, "batch_size": 16, "record": 100, "loss": "huber:1"},
    "thinned marks": {"epochs": 300, "lr": 0.01, "batch_size": 200, "record": 64},
    "thinned full batches": {"max_steps": 3000, "lr": 1e-4, "record": 100, "penalty": "elastic:0.01,0.01"},
    "clipped": {"epochs": 20, "lr": 0.1, "batch_size": 50, "clip": 0.3, "penalty": "l1:0.1"},
    "auto": {"epochs": 20, "batch_size": 50, "loss": "l1"},
}


@pytest.mark.parametrize("name", ENDINGS)
def test_fit_ends_the_same_whichever_engine_runs(name, monkeypatch):
    x, y = _table()
    settings = {"optimizer": "sgd", **ENDINGS[name]}
    fits = []
    for worth in (np.inf, -np.inf):
        monkeypatch.setattr(choice, "WORTH", worth)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SteepestWarning)
            fits.append(st.fit(x, y, **settings))
    loop, compiled = fits
    assert (loop.engine, compiled.engine) == ("loop", "fused")
    assert (loop.steps, loop.epochs, loop.status) == (compiled.steps, compiled.epochs, compiled.status)
    assert loop.ending == compiled.ending
    if name.split()[0].upper() in Status.__members__:
        assert loop.status.name == name.split()[0].upper()
    close = {"rtol": 1e-10, "atol": 1e-10}
    np.testing.assert_allclose(loop.theta, compiled.theta, **close)
    for column in ("step", "epoch", "lr"):
        np.testing.assert_array_equal(getattr(loop.trace, column), getattr(compiled.trace, column))
    for column in ("loss", "objective", "grad_norm", "test_loss", "theta"):
        np.testing.assert_allclose(getattr(loop.trace, column), getattr(compiled.trace, column), **close)


def test_an_interrupted_descent_keeps_what_is_done(monkeypatch):
    import signal

    monkeypatch.setattr(choice, "WORTH", -np.inf)
    monkeypatch.setattr(fused, "ROOM", 40)
    x, y = _table()

    pressed = []

    def press(step, known):
        if step.t >= 50 and not pressed:
            pressed.append(step.t)
            signal.raise_signal(signal.SIGINT)

    done = st.fit(x, y, optimizer="sgd", lr=0.01, epochs=10_000, tol=None, max_steps=5_000, progress=press)
    assert done.status.name == "INTERRUPTED"
    assert 50 <= done.steps < 100
    assert len(done.trace) == done.steps + 1
    np.testing.assert_array_equal(done.theta, done.trace.theta[-1])


def test_what_has_no_compiled_code_keeps_the_loop():
    case = {name: values[0] for name, values in cases.FACTORS.items()}
    objective = cases.objective(case)
    assert can_run(objective, torch_rules.rule("sgd"))
    assert not can_run(objective, torch_rules.Accelerated())
    assert not can_run(objective, torch_rules.rule(torch.optim.SGD, objective))
    assert not can_run(
        objective, torch_rules.Clipped(torch_rules.WithProximal(torch_rules.rule("sgd"), lambda c, lr: None), 1.0)
    )
    assert not can_run(st.objective(lambda theta: (theta**2).sum(), [1.0]), torch_rules.rule("sgd"))
    own = LinearProblem(np.ones((3, 1)), np.zeros(3), torch_losses.loss(lambda f, y: (f - y) ** 4))
    assert not can_run(LinearObjective(own), torch_rules.rule("sgd"))


def test_a_small_job_does_not_wait_for_compiled_code():
    case = {name: values[0] for name, values in cases.FACTORS.items()}
    objective = cases.objective(case)

    def chosen(size: int | None = None, **limits: int) -> choice.Engine:
        return choice.choose(Descents.one(objective, torch_rules.rule("sgd"), Batching(objective.rows, size, **limits)))

    assert chosen(epochs=1000) is choice.LOOP
    assert chosen(epochs=10**9, max_steps=50) is choice.LOOP
    assert chosen(7, epochs=10_000) is choice.FUSED
    assert chosen() is choice.FUSED


def test_a_small_fit_does_not_import_the_compiler():
    code = (
        "import sys, steepest as st; st.fit([0.0, 1.0, 2.0], [1.0, 3.0, 5.5], lr=0.1); print('llvmlite' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_chunk_shows_its_steps():
    case = {**{name: values[0] for name, values in cases.FACTORS.items()}, "batch": 32}
    work = Descents.one(cases.objective(case), torch_rules.rule("sgd"), Batching(cases.ROWS, 32), lr=0.5)
    chunk = next(fused.chunks(work))
    assert isinstance(chunk, Chunk)
    step = chunk.step(0, 2)
    assert (step.t, step.epoch, step.lr, step.batch.index) == (2, 0, 0.5, 2)
    assert step.theta.tolist() == chunk.theta[0, 2].tolist()
