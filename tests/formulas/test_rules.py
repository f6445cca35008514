"""Every rule of the registry is a full citizen: fitted, compiled, swept, written out, described."""

from __future__ import annotations

import inspect
import sys

import numpy as np
import pytest
import torch

import steepest as st
from ejecting import printed, ran
from steepest.data.batching import Batching
from steepest.descent import in_place, torch_rules
from steepest.engines import batched, compiled
from steepest.engines.compilable import can_run
from steepest.engines.descents import Descents
from steepest.engines.kernel_rules import State
from steepest.formulas.rule_formula import MatrixRule
from steepest.formulas.rules import FORMULAS, RULES, Automatic, formula_of

ROWS = 40


def data() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(3)
    x = random.normal(size=(ROWS, 2))
    return x, x @ [1.0, -2.0] + 0.5 + 0.1 * random.normal(size=ROWS)


def test_all_but_auto_have_a_formula():
    of_matrices = {name for name, rule in RULES.items() if isinstance(rule, MatrixRule)}
    assert RULES.keys() - FORMULAS.keys() == {"auto", *of_matrices}


@pytest.mark.parametrize("name", FORMULAS)
def test_an_entry_says_all_there_is_to_know(name):
    rule = FORMULAS[name]
    assert rule.text.endswith(".")
    assert not rule.torch_name or issubclass(getattr(torch.optim, rule.torch_name), torch.optim.Optimizer)
    assert all(number.default is not None for number in rule.numbers)
    assert len(rule.constants) == len(rule.numbers) - (rule.decays and "decay" not in rule.constants)
    assert rule.counts == (
        "t"
        in inspect.getsource(rule.formula)
        .partition(":\n")[2]
        .replace("(", " ")
        .replace(")", " ")
        .replace("**", " ")
        .split()
    )
    assert rule.whole or len(rule.memories) <= State.MEMORIES  # of which the compiled loop has room
    assert {memory for memory, _ in rule.begins} <= set(rule.memories)
    assert rule.answer in ("", *rule.memories)
    assert rule.rate_free <= (rule.own_lr is not None)
    assert formula_of(str(torch_rules.rule(name))) is rule


@pytest.mark.parametrize("name", FORMULAS)
def test_linear_is_what_is_linear_in_gradient_and_memory(name):
    rule = FORMULAS[name]
    numbers, _ = rule.split(tuple(number.default for number in rule.numbers))
    one = np.array(rule.moved(0.7, 1.0, [0.5] * len(rule.memories), 0.1, 1, numbers, value=3.0))
    two = np.array(rule.moved(1.4, 2.0, [1.0] * len(rule.memories), 0.1, 1, numbers, value=6.0))
    linear = np.allclose(two, 2 * one, rtol=1e-12, atol=0) and rule.uphill is None
    assert linear == rule.linear


@pytest.mark.parametrize("shape", [(5,), (3, 5)])
@pytest.mark.parametrize("name", [name for name, rule in FORMULAS.items() if rule.formula in in_place.IN_PLACE])
def test_the_form_in_place_is_the_formula(name, shape):
    rule, random = FORMULAS[name], np.random.default_rng(1)
    numbers, _ = rule.split(tuple(number.default for number in rule.numbers))
    one, other = (torch.zeros(shape, dtype=torch.float64) for _ in range(2))
    memories = [[torch.zeros_like(one) for _ in rule.memories] for _ in range(2)]
    for t in range(1, 50):
        grad = torch.from_numpy(random.normal(size=shape))
        in_place.IN_PLACE[rule.formula](one, grad, *memories[0], 0.1, t, *numbers)
        in_place.by_formula(rule, other, grad, memories[1], 0.1, t, numbers)
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", FORMULAS)
def test_compiled_and_swept_it_goes_as_in_the_loop(name):
    x, y = data()
    objective, lr = st.objective("linear", "mse", x, y), 0.01 * (FORMULAS[name].own_lr or 1.0)
    chosen = torch_rules.rule(name)
    compilable = not (FORMULAS[name].whole or FORMULAS[name].looks_again)
    assert can_run(objective, chosen) == compilable
    assert batched.can_run(objective, chosen)
    plain = [step.theta.clone() for step in st.descend(st.objective("linear", "mse", x, y), name, lr=lr, max_steps=30)]
    if compilable:
        chunks = [
            c.theta[0].copy() for c in compiled.chunks(Descents.one(objective, chosen, Batching(ROWS, epochs=30), lr))
        ]
        path = np.concatenate([*chunks, objective.theta.numpy()[None]])
        np.testing.assert_allclose(path, torch.stack(plain).numpy(), rtol=1e-12, atol=1e-14)
    settings = {"optimizer": name, "precondition": "none", "epochs": 30}
    swept = st.sweep(x, y, lr=[lr, 0.5 * lr], **settings)
    np.testing.assert_allclose(swept.fit(0).theta, plain[-1].numpy(), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("style", ["loop", "torch.optim"])
@pytest.mark.parametrize("name", [name for name, rule in FORMULAS.items() if not rule.keeps_rows])  # which say so
def test_a_script_ends_where_the_fit_does(name, style, tmp_path):
    fit = st.fit(*data(), optimizer=name, lr=0.01 * (FORMULAS[name].own_lr or 1.0), batch_size=16, epochs=5)
    if style == "torch.optim" and not FORMULAS[name].torch_name:
        with pytest.raises(st.SteepestError, match=rf"no class for the rule {name}.*Use style 'loop'"):
            fit.to_python(style=style)
        return
    script = tmp_path / "script.py"
    script.write_text(fit.to_python(style=style))
    ends = printed(ran([script])[0])
    rounded = style == "torch.optim" and "mu_product" in memory_of(name)  # PyTorch keeps that product in float32
    np.testing.assert_allclose([ends[name] for name in fit.names], fit.theta, rtol=1e-6 if rounded else 1e-10)


def memory_of(name: str) -> dict:
    """What PyTorch's optimiser remembers of a parameter."""
    parameter = torch.nn.Parameter(torch.ones(2))
    parameter.grad = torch.ones(2)
    optimizer = getattr(torch.optim, FORMULAS[name].torch_name)([parameter])
    optimizer.step()
    return optimizer.state[parameter]


@pytest.mark.parametrize("name", ["nadam", "nadamw", "radam"])
def test_every_step_is_that_of_pytorch(name, monkeypatch):
    monkeypatch.setattr(sys.modules["torch.optim.nadam"], "_get_scalar_dtype", lambda *given: torch.float64)
    rule, random = torch_rules.rule(name), np.random.default_rng(5)
    theta, other = torch.ones(3, dtype=torch.float64), torch.nn.Parameter(torch.ones(3, dtype=torch.float64))
    more = {"weight_decay": 0.01, "decoupled_weight_decay": True} if name == "nadamw" else {}
    theirs, memory = getattr(torch.optim, FORMULAS[name].torch_name)([other], lr=0.05, **more), rule.start(theta)
    for _ in range(100):
        grad = torch.from_numpy(random.normal(size=3) * [1e4, 1.0, 1e-4])
        rule.update(theta, grad, memory, 0.05, lambda grad=grad: (grad[0], grad))
        other.grad = grad.clone()
        theirs.step()
        torch.testing.assert_close(theta, other.detach(), rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("name", FORMULAS)
def test_a_fit_finds_its_own_rate(name):
    x, y = data()
    least = np.linalg.lstsq(np.column_stack([np.ones(ROWS), x]), y, rcond=None)[1][0] / ROWS
    fit = st.fit(x, y, optimizer=f"polyak:{least}" if name == "polyak" else name)
    assert fit.loss < 1.2 * fit.exact.loss
    if not FORMULAS[name].keeps_rows:
        assert np.isfinite(st.fit(x, y, model="mlp:4", optimizer=name, epochs=5).loss)
    found = list(st.fit(x, y, optimizer=name, lr=1e-6, epochs=5).diagnose())
    assert found or FORMULAS[name].rate_free  # whose first steps are short at any rate


def by_paper(name: str, gradients: np.ndarray, lr: float, beta1: float, beta2: float) -> np.ndarray:
    """Algorithm 1 of Chen et al. 2023 (Lion) and Algorithm 2 of Taniguchi et al. 2024 (ADOPT, with clipping by t^¼)."""
    theta, path = np.zeros(gradients.shape[1]), []
    m, v = np.zeros_like(theta), gradients[0] ** 2
    for t, g in enumerate(gradients):
        if name == "lion":
            theta = theta - lr * np.sign(beta1 * m + (1 - beta1) * g)
            m = beta2 * m + (1 - beta2) * g
        elif t:
            m = beta1 * m + (1 - beta1) * np.clip(g / np.maximum(np.sqrt(v), 1e-6), -(t**0.25), t**0.25)
            theta = theta - lr * m
            v = beta2 * v + (1 - beta2) * g**2
        path.append(theta)
    return np.array(path)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("name", ["lion", "adopt"])
def test_a_rule_without_a_class_in_pytorch_goes_as_its_paper_has_it(name, dtype):
    gradients = np.random.default_rng(2).normal(size=(60, 4)) * [1e6, 1.0, 1e-6, 1e-9]
    gradients[10] = 0.0
    gradients[0, 3] = 0.0
    rule = torch_rules.rule(name)
    theta = torch.zeros(4, dtype=dtype)
    memory, path = rule.start(theta), []
    for g in gradients:
        grad = torch.tensor(g, dtype=dtype)
        rule.update(theta, grad, memory, 0.1, lambda grad=grad: (grad[0], grad))
        path.append(theta.numpy().copy())
    expected = by_paper(name, gradients, 0.1, *rule.numbers[:2])
    rtol = 1e-12 if dtype == torch.float64 else 2e-5
    np.testing.assert_allclose(path, expected, rtol=rtol, atol=0.01 * rtol)  # Lion's steps add up to 0


def test_lion_decays_as_adamw_does():
    theta, grad = torch.tensor([2.0, -4.0], dtype=torch.float64), torch.ones(2, dtype=torch.float64)
    rule = torch_rules.rule("lion:0.9,0.99,0.5")
    rule.update(theta, grad, rule.start(theta), 0.1, lambda: (grad[0], grad))
    np.testing.assert_allclose(theta, [2.0 * 0.95 - 0.1, -4.0 * 0.95 - 0.1], rtol=1e-15)


def test_automatic_methods_are_told_by_their_kind():
    assert st.fit(*data()).optimizer == Automatic.CURVATURE == "curvature steps (auto)"
