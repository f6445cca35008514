"""Steps handed to a GPU as a graph are the loop's own. Without one the same operations are done in turn."""

from __future__ import annotations

import numpy as np
import pytest

import steepest as st
from steepest.data.batching import Batching
from steepest.descent import torch_rules
from steepest.descent.chunk import Chunk
from steepest.descent.loop import descend
from steepest.engines import cuda_graph
from steepest.engines.descents import Descents
from steepest.model.linear_objective import LinearObjective

import cases


def _on(device: str, objective: LinearObjective) -> LinearObjective:
    dtype, start = objective.theta.dtype, objective.origin
    return LinearObjective(objective.problem, objective.names, objective.coordinates, start, dtype, device)


def check(case: dict, device: str, steps: int = cases.STEPS) -> None:
    """A whole path, with everything that is shown on the way."""
    one = _on(device, cases.objective(case))
    two = _on(device, cases.objective(case))
    lr, schedule = cases.lr(case), cases.schedule(case)
    dealt = Batching(one.rows, case["batch"], case["shuffle"], 3, max_steps=steps)
    shown = [step.copy() for step in descend(one, cases.rule(case, one), dealt, lr=lr, schedule=schedule)]
    chunks = list(cuda_graph.chunks(Descents.one(two, cases.rule(case, two), dealt, lr, schedule)))
    close = 1e-10 if case["dtype"] == "float64" else 1e-3
    at = [(chunk, i) for chunk in chunks for i in range(chunk.steps)]
    assert len(at) == steps == shown[-1].t
    for step, (chunk, i) in zip(shown, at, strict=False):
        assert (step.t, step.epoch, step.lr) == (chunk.t + i, chunk.epoch(i), chunk.lr[0, i])
        np.testing.assert_allclose(chunk.theta[0, i], step.theta.cpu(), rtol=close, atol=close, err_msg=str(case))
        np.testing.assert_allclose(chunk.loss[0, i], step.loss.cpu(), rtol=close, atol=close)
        np.testing.assert_allclose(chunk.grad_norm[0, i], step.grad.norm().cpu(), rtol=close, atol=close)
        np.testing.assert_allclose(chunk.penalty[0, i], float(one.penalty(step.theta)), rtol=close, atol=close)
    np.testing.assert_allclose(two.theta.cpu(), shown[-1].theta.cpu(), rtol=close, atol=close)


@pytest.mark.parametrize("case", cases.pairwise(cases.FACTORS), ids=lambda case: "-".join(map(str, case.values())))
def test_the_operations_to_be_captured_walk_the_loops_path(case):
    check(case, "cpu")


@pytest.mark.gpu
@pytest.mark.parametrize("case", cases.pairwise(cases.FACTORS), ids=lambda case: "-".join(map(str, case.values())))
def test_a_graph_walks_the_loops_path(case):
    check(case, "cuda")


@pytest.mark.gpu
def test_fit_on_a_gpu_is_the_fit_on_the_cpu():
    random = np.random.default_rng(5)
    x = random.normal(size=(400, 3))
    y = x @ [1.0, -2.0, 3.0] + 0.5 + random.normal(size=400)
    settings = {"optimizer": "adam", "lr": 0.01, "batch_size": 64, "epochs": 20, "test_fraction": 0.25}
    here, there = st.fit(x, y, **settings), st.fit(x, y, device="cuda", **settings)
    assert (here.engine, there.engine) == ("loop", "graphed")
    np.testing.assert_allclose(there.trace.theta, here.trace.theta, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(there.trace.test_loss, here.trace.test_loss, rtol=1e-10)


def test_what_cannot_be_captured_keeps_the_loop():
    objective = cases.objective({name: values[0] for name, values in cases.FACTORS.items()})
    assert not cuda_graph.can_run(
        objective, torch_rules.rule("sgd")
    )  # it lies on the CPU, where there is compiled code for it
    work = Descents.one(objective, torch_rules.rule("sgd"), Batching(cases.ROWS, 7))
    assert isinstance(next(cuda_graph.chunks(work)), Chunk)
