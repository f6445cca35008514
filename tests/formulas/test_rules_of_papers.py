"""Rules that PyTorch has not: step for step those of their authors' packages, or of their papers written out here."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import torch

import steepest as st
from ejecting import printed, ran
from steepest.descent import torch_rules
from steepest.descent.averaging import averaged

FIXTURES = Path(__file__).parents[1] / "fixtures"
KEPT = json.loads((FIXTURES / "rules.json").read_text())


def kept_problem():
    """The gradient, the start and the number of steps that the kept paths are of."""
    described = importlib.util.spec_from_file_location("make_rules", FIXTURES / "make_rules.py")
    module = importlib.util.module_from_spec(described)
    described.loader.exec_module(module)
    return module.gradient, module.START, module.STEPS


def walked(name, gradient, start, steps, lr):
    """θ, and what the rule shows as its answer, after each step; the value of F is 0 at the gradient's zero."""
    rule, theta = torch_rules.rule(name), torch.tensor(start, dtype=torch.float64)
    memory, path, answers = rule.start(theta), [], []
    for t in range(1, steps + 1):
        rule.update(theta, gradient(theta, t), memory, lr, lambda t=t: (torch.tensor(0.0), gradient(theta, t)))
        path.append(theta.tolist())
        answers.append(rule.answer(theta, memory).tolist())
    return np.array(path), np.array(answers)


@pytest.mark.parametrize("name", KEPT["rules"])
def test_every_step_is_that_of_the_authors_package(name):
    gradient, start, steps = kept_problem()
    kept = KEPT["rules"][name]
    _, found = walked(name, gradient, start, steps, kept["lr"])
    np.testing.assert_allclose(found[np.array(KEPT["after"]) - 1], kept["theta"], rtol=1e-9, atol=1e-11)


def data() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(6)
    x = random.normal(size=(50, 3))
    return x, x @ [2.0, -1.0, 0.5] + 1.0 + random.normal(size=50)


def least_squares(x, y):
    """F and its gradient, of the mean squared residual with an intercept."""
    a = np.column_stack([np.ones(len(x)), x])
    return lambda theta: (np.mean((a @ theta - y) ** 2), 2 * a.T @ (a @ theta - y) / len(y))


def dowg(f, theta, first, steps):
    """Algorithm 1 of Khaled, Mishchenko and Jin 2023."""
    begun, reach, squares, path = theta.copy(), first * (1 + np.linalg.norm(theta)), 0.0, [theta]
    for _ in range(steps):
        g = f(theta)[1]
        reach = max(reach, np.linalg.norm(theta - begun))
        squares += reach**2 * g @ g
        theta = theta - reach**2 / np.sqrt(squares) * g
        path.append(theta)
    return path


def polyak(f, theta, least, steps):
    """Polyak 1969."""
    path = [theta]
    for _ in range(steps):
        value, g = f(theta)
        theta = theta - max(value - least, 0.0) / (g @ g) * g
        path.append(theta)
    return path


def polyak_level(f, theta, shrink, steps):
    """The dynamic stepsize rule (2.13), (2.18) of Nedić and Bertsekas 2001, with ρ = 1 and a first drop of F."""
    best = drop = f(theta)[0]
    path = [theta]
    for k in range(steps):
        value, g = f(theta)
        if k:
            drop = drop if value <= best - drop else shrink * drop
            best = min(best, value)
        theta = theta - (value - best + drop) / (g @ g) * g
        path.append(theta)
    return path


def sam(f, theta, radius, steps):
    """Equations 2 and 3 of Foret et al. 2021, at a rate of 0.1."""
    path = [theta]
    for _ in range(steps):
        g = f(theta)[1]
        theta = theta - 0.1 * f(theta + radius * g / np.linalg.norm(g))[1]
        path.append(theta)
    return path


@pytest.mark.parametrize(
    ("name", "paper", "number", "lr"),
    [
        ("dowg", dowg, 1e-4, 1.0),
        ("dowg:0.01", dowg, 0.01, 1.0),
        ("polyak:0.8", polyak, 0.8, 1.0),
        ("polyak", polyak, 0.0, 1.0),
        ("polyak_level:0.8", polyak_level, 0.8, 1.0),
        ("sam:0.3", sam, 0.3, 0.1),
    ],
)
def test_a_descent_goes_as_the_paper_has_it(name, paper, number, lr):
    x, y = data()
    expected = paper(least_squares(x, y), np.array([0.3, -0.2, 0.0, 1.0]), number, 12)
    settings = {"optimizer": name, "lr": lr, "epochs": 12, "precondition": "none", "tol": 0.0}
    fit = st.fit(x, y, init=[0.3, -0.2, 0.0, 1.0], **settings)
    np.testing.assert_allclose(fit.trace.theta, expected, rtol=1e-9, atol=1e-11)
    runs = st.sweep(x, y, init=[[0.3, -0.2, 0.0, 1.0], [0.0, 0.0, 0.0, 0.0]], **settings)
    np.testing.assert_allclose(runs.fit(0).trace.theta, expected, rtol=1e-9, atol=1e-11)


def test_polyaks_step_by_the_true_least_value_arrives():
    x, y = data()
    least = float(np.linalg.lstsq(np.column_stack([np.ones(50), x]), y, rcond=None)[1][0] / 50)
    assert st.fit(x, y, optimizer=f"polyak:{least!r}", epochs=200).relative_gap < 1e-9
    assert st.fit(x, y, optimizer="polyak_level:0.9", epochs=500).relative_gap < 1e-9


@pytest.mark.parametrize("name", ["schedule_free_sgd", "schedule_free_adamw"])
@pytest.mark.parametrize("size", ["full", 7])
def test_the_trace_of_a_schedule_free_rule_has_its_answer(name, size):
    """θ and F of a row are those of the average, in every engine; the loss is where the gradient is taken."""
    x, y = data()
    settings = {"optimizer": name, "lr": 0.05, "batch_size": size, "epochs": 6, "precondition": "none"}
    fit = st.fit(x, y, **settings)
    f = least_squares(x, y)
    known = ~np.isnan(fit.trace.objective)
    np.testing.assert_allclose(
        fit.trace.objective[known], [f(theta)[0] for theta in fit.trace.theta[known]], rtol=1e-12
    )
    np.testing.assert_allclose(fit.loss, f(fit.theta)[0], rtol=1e-12)
    swept = st.sweep(x, y, seed=[0, 1], **settings).fit(0)
    np.testing.assert_allclose(swept.trace.theta, fit.trace.theta, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(swept.trace.objective, fit.trace.objective, rtol=1e-12)


def test_an_average_may_stand_around_rules_that_have_an_answer_or_look_at_all_of_theta(tmp_path):
    x, y = data()
    for name in ("dog", "schedule_free_sgd"):
        fit = st.fit(x, y, optimizer=name, lr=0.5, batch_size=10, epochs=4, averaging="tail:0.5", precondition="none")
        objective = st.objective("linear", "mse", x, y)
        steps = averaged(st.descend(objective, name, fit_batches(), lr=0.5), objective, first=20 - 10 + 1)
        np.testing.assert_allclose(fit.theta, [step.theta.numpy().copy() for step in steps][-1], rtol=1e-12)
        (tmp_path / f"{name}.py").write_text(fit.to_python())
        ends = printed(ran([tmp_path / f"{name}.py"])[0])
        np.testing.assert_allclose([ends[name] for name in fit.names], fit.theta, rtol=1e-9)


def fit_batches():
    from steepest.data.batching import Batching

    return Batching(50, 10, epochs=4)


@pytest.mark.parametrize("name", ["dog", "polyak:1", "sam", "schedule_free_adamw", "prodigy"])
def test_a_rule_of_a_paper_moves_a_module_alone_and_in_a_sweep(name):
    x, y = data()
    settings = {"model": "mlp:4", "optimizer": name, "lr": 0.1, "batch_size": 25, "epochs": 3, "penalty": "l1:0.01"}
    fit = st.fit(x, y, **settings)
    swept = st.sweep(x, y, **settings | {"lr": [0.1, 0.2]}).fit(0)
    assert swept.engine == "batched"
    np.testing.assert_allclose(swept.theta, fit.theta, rtol=1e-9, atol=1e-12)
