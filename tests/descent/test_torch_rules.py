"""Every rule walks the path of its `torch.optim` namesake, alone and as one of many runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import islice

import numpy as np
import pytest
import torch
from sklearn.linear_model import ElasticNet, Lasso
from torch import Tensor

from steepest.descent.loop import descend
from steepest.descent.torch_rules import (
    Accelerated,
    Clipped,
    Elementwise,
    TorchRule,
    WithProximal,
    WithSubgradient,
    rule,
)
from steepest.errors import SpecError
from steepest.formulas.rules import FORMULAS
from steepest.model.linear_objective import LinearObjective
from steepest.model.objective_factory import objective

STEPS = 200
ROWS = 30


@dataclass(frozen=True)
class Namesake:
    """A rule, its `torch.optim` counterpart, a learning rate, and the gradient norm both are clipped to."""

    ours: object
    theirs: Callable[..., torch.optim.Optimizer]
    lr: float
    clip: float | None = None


# Rates too small to arrive: at the minimum g/√s is rounding over rounding, where no two codes agree.
RULES = {
    "sgd": Namesake("sgd", torch.optim.SGD, 0.05),
    "momentum:0.9": Namesake("momentum:0.9", partial(torch.optim.SGD, momentum=0.9), 0.02),
    "momentum:0.5": Namesake("momentum:0.5", partial(torch.optim.SGD, momentum=0.5), 0.05),
    "nesterov": Namesake("nesterov", partial(torch.optim.SGD, momentum=0.9, nesterov=True), 0.02),
    "adagrad": Namesake("adagrad", torch.optim.Adagrad, 0.3),
    "rmsprop": Namesake("rmsprop", torch.optim.RMSprop, 0.01),
    "rmsprop:0.9": Namesake("rmsprop:0.9", partial(torch.optim.RMSprop, alpha=0.9), 0.003),
    "adadelta": Namesake("adadelta", torch.optim.Adadelta, 1.0),
    "adadelta:0.8": Namesake("adadelta:0.8", partial(torch.optim.Adadelta, rho=0.8), 1.0),
    "adam": Namesake("adam", torch.optim.Adam, 0.05),
    "adam:0.8,0.95": Namesake("adam:0.8,0.95", partial(torch.optim.Adam, betas=(0.8, 0.95)), 0.01),
    "adamw": Namesake("adamw", torch.optim.AdamW, 0.05),
    "adamw:0.9,0.99,0.1": Namesake(
        "adamw:0.9,0.99,0.1", partial(torch.optim.AdamW, betas=(0.9, 0.99), weight_decay=0.1), 0.05
    ),
    "clipped sgd": Namesake(Clipped(rule("sgd"), 0.3), torch.optim.SGD, 0.1, clip=0.3),
    "clipped adam": Namesake(Clipped(rule("adam"), 0.3), torch.optim.Adam, 0.1, clip=0.3),
}


def _problem(kind: str) -> LinearObjective:
    """A small regression whose columns differ in scale; no residual is ever exactly 0."""
    random = np.random.default_rng(7)
    x = random.normal(size=(ROWS, 3)) * [1.0, 0.3, 2.0]
    line = x @ [1.5, -2.0, 0.5] + 0.7 + random.normal(size=ROWS)
    if kind == "least squares":
        return objective("linear", "mse", x, line)
    return objective("linear", "logistic", x, (line > 0.5).astype(float))


def _path(
    problem: LinearObjective, rule: object, lr: object, steps: int = STEPS, theta: Tensor | None = None
) -> Tensor:
    """θ_0 … θ_N, `[N + 1, ..., p]`."""
    return torch.stack([step.theta.clone() for step in islice(descend(problem, rule, lr=lr, theta=theta), steps + 1)])


def _torch_path(problem: LinearObjective, namesake: Namesake) -> Tensor:
    """The same by autograd and `torch.optim`, written out."""
    theta = problem.theta.clone().requires_grad_()
    optimizer = namesake.theirs([theta], lr=namesake.lr)
    path = [theta.detach().clone()]
    for _ in range(STEPS):
        optimizer.zero_grad()
        prediction = problem.basis @ theta
        if problem.loss.classes:
            loss = torch.nn.functional.binary_cross_entropy_with_logits(prediction, problem.target)
        else:
            loss = torch.nn.functional.mse_loss(prediction, problem.target)
        loss.backward()
        if namesake.clip is not None:
            torch.nn.utils.clip_grad_norm_([theta], namesake.clip)
        optimizer.step()
        path.append(theta.detach().clone())
    return torch.stack(path)


@pytest.mark.parametrize("kind", ["least squares", "logistic"])
@pytest.mark.parametrize("name", RULES)
def test_every_step_is_that_of_torch_optim(name, kind):
    namesake = RULES[name]
    expected = _torch_path(_problem(kind), namesake)
    assert (expected[-1] - expected[0]).abs().max() > 0.1  # it does go somewhere
    torch.testing.assert_close(_path(_problem(kind), namesake.ours, namesake.lr), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("theirs", "lr"), [(torch.optim.SGD, 0.3), (torch.optim.Adam, 0.05), (torch.optim.Rprop, 0.01)]
)
def test_a_torch_optim_class_is_given_the_clipped_gradient(theirs, lr):
    problem = _problem("logistic")
    expected = _torch_path(problem, Namesake(None, theirs, lr, clip=0.02))
    whole = _torch_path(problem, Namesake(None, theirs, lr))
    assert theirs is torch.optim.Rprop or (expected - whole).abs().max() > 1e-3  # Rprop looks at signs only
    found = _path(_problem("logistic"), rule(theirs, _problem("logistic"), clip=0.02), lr)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


def test_a_closure_that_is_asked_many_times_clips_each_time():
    theta = torch.tensor([4.0, -3.0], dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([theta], lr=0.3, max_iter=5)

    def closure():
        optimizer.zero_grad()
        value = (theta**4).sum()
        value.backward()
        torch.nn.utils.clip_grad_norm_([theta], 0.5)
        return value

    for _ in range(3):
        optimizer.step(closure)
    mine = objective(lambda t: (t**4).sum(), [4.0, -3.0])
    ours = rule(TorchRule(partial(torch.optim.LBFGS, max_iter=5), mine.views), mine, clip=0.5)
    found = _path(mine, ours, 0.3, 3)[-1]
    torch.testing.assert_close(found, theta.detach(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", [*RULES, "accelerated"])
def test_many_runs_at_once_are_the_runs_alone(name):
    ours, lr = (Accelerated(), 0.05) if name == "accelerated" else (RULES[name].ours, RULES[name].lr)
    starts = torch.from_numpy(np.random.default_rng(3).normal(size=(4, 4)))
    rates = lr * torch.tensor([[0.02], [0.2], [0.6], [1.0]], dtype=torch.float64)
    together = _path(_problem("least squares"), ours, rates, theta=starts.clone())
    for run in range(4):
        alone = _path(_problem("least squares"), ours, float(rates[run]), theta=starts[run].clone())
        torch.testing.assert_close(together[:, run], alone, rtol=1e-12, atol=1e-12)


def test_accelerated_is_fista_with_restart():
    problem = objective("linear", "mse", *_sparse_problem(), penalty="l1:0.3")
    a, y = problem.basis, problem.target
    lr = 1.0 / (2.0 * torch.linalg.eigvalsh(a.T @ a / len(y)).max().item())

    point, before, k = (
        torch.zeros(a.shape[1], dtype=torch.float64),
        torch.zeros(a.shape[1], dtype=torch.float64),
        0,
    )
    expected = [point]
    for _ in range(STEPS):
        moved = point - lr * 2.0 * a.T @ (a @ point - y) / len(y)
        moved[1:] = torch.sign(moved[1:]) * torch.clamp(moved[1:].abs() - lr * 0.3, min=0.0)
        k += 1
        if (point - moved) @ (moved - before) > 0:
            k = 1
        point, before = moved + (k - 1) / (k + 2) * (moved - before), moved
        expected.append(point)
    path = _path(problem, Accelerated(problem.proximal), lr)
    torch.testing.assert_close(path, torch.stack(expected), rtol=1e-12, atol=1e-12)


def _sparse_problem() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(11)
    x = random.normal(size=(60, 6))
    return x, x @ [2.0, 0.0, -1.0, 0.0, 0.05, 0.0] + 3.0 + 0.3 * random.normal(size=60)


@pytest.mark.parametrize(
    ("name", "lr"),
    [
        ("sgd", 0.2),
        ("momentum:0.8", 0.05),
        ("nesterov:0.8", 0.05),
        (Accelerated(), 0.2),
        (Clipped(rule("sgd"), 5.0), 0.2),
    ],
)
@pytest.mark.parametrize("penalty", ["l1:0.3", "elastic:0.3,0.2"])
def test_proximal_steps_end_where_sklearn_does(name, lr, penalty):
    x, y = _sparse_problem()
    # scikit-learn minimises ½·mean r² + alpha·(ratio·Σ|θ| + ½(1 − ratio)·Σθ²): half of ours
    l1, l2 = (0.3, 0.0) if penalty == "l1:0.3" else (0.3, 0.2)
    theirs = Lasso(alpha=l1 / 2) if not l2 else ElasticNet(alpha=l1 / 2 + l2, l1_ratio=(l1 / 2) / (l1 / 2 + l2))
    theirs.set_params(tol=1e-14, max_iter=100_000).fit(x, y)
    end = _path(objective("linear", "mse", x, y, penalty=penalty), name, lr, steps=2000)[-1].numpy()
    np.testing.assert_allclose(end, [theirs.intercept_, *theirs.coef_], rtol=0, atol=1e-9)
    assert (end[1:] == 0.0).tolist() == (theirs.coef_ == 0.0).tolist()  # exact zeros, not small numbers


def test_standardised_coordinates_and_a_start_of_ones_end_at_the_same_lasso():
    from steepest.model.preconditioners import standardised

    x, y = _sparse_problem()
    plain = objective("linear", "mse", x, y, penalty="l1:0.3")
    theirs = Lasso(alpha=0.15, tol=1e-14, max_iter=100_000).fit(x, y)
    moved = LinearObjective(plain.problem, coordinates=standardised(plain.problem), start=np.ones(7))
    end = moved.to_user(_path(moved, "sgd", 0.2, steps=2000)[-1].numpy())
    np.testing.assert_allclose(end, [theirs.intercept_, *theirs.coef_], rtol=0, atol=1e-9)


def test_rules_that_scale_each_parameter_see_a_subgradient():
    x, y = _sparse_problem()
    problem = objective("linear", "mse", x, y, penalty="l1:0.3")
    chosen = rule("adam", problem)
    assert isinstance(chosen, WithSubgradient)
    path = _path(problem, chosen, 0.05)

    theta = torch.zeros(7, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([theta], lr=0.05)
    for step in range(STEPS):
        torch.testing.assert_close(path[step], theta.detach(), rtol=1e-12, atol=1e-12)
        optimizer.zero_grad()
        loss = torch.nn.functional.mse_loss(problem.basis @ theta, problem.target) + 0.3 * theta[1:].abs().sum()
        loss.backward()
        optimizer.step()


def test_a_penalty_is_handled_once():
    problem = objective("linear", "mse", *_sparse_problem(), penalty="l1:0.3")
    for name, kind in [("sgd", WithProximal), ("momentum", WithProximal), ("adam", WithSubgradient)]:
        chosen = rule(name, problem)
        assert isinstance(chosen, kind)
        assert rule(chosen, problem) is chosen
    assert rule("momentum:0.75", problem).gain == 4.0
    smooth = objective("linear", "mse", *_sparse_problem(), penalty="l2:0.3")
    assert rule("sgd", smooth) == rule("sgd")


def _module() -> torch.nn.Module:
    torch.manual_seed(5)
    return torch.nn.Sequential(torch.nn.Linear(6, 4), torch.nn.Tanh(), torch.nn.Linear(4, 1)).double()


@pytest.mark.parametrize(
    ("optimizer", "lr", "steps"),
    [
        (torch.optim.SGD, 0.05, 100),
        (torch.optim.Adam, 0.02, 100),
        (torch.optim.LBFGS, 0.5, 15),
        (partial(torch.optim.LBFGS, line_search_fn="strong_wolfe"), 1.0, 8),
    ],
)
@pytest.mark.parametrize("penalty", [None, "l2:0.05"])
def test_any_torch_optimizer_moves_a_module_as_it_does_alone(optimizer, lr, steps, penalty):
    x, y = _sparse_problem()
    ours = objective(_module(), "mse", x, y, penalty=penalty)
    path = _path(ours, TorchRule(optimizer, ours.views), lr, steps)

    module, inputs, targets = _module(), torch.from_numpy(x), torch.from_numpy(y)
    theirs = optimizer(module.parameters(), lr=lr)

    def closure() -> Tensor:
        theirs.zero_grad()
        loss = torch.nn.functional.mse_loss(module(inputs)[:, 0], targets)
        if penalty:
            loss = loss + 0.05 * sum((p**2).sum() for name, p in module.named_parameters() if "weight" in name)
        loss.backward()
        return loss

    for step in range(steps + 1):
        expected = torch.nn.utils.parameters_to_vector(module.parameters()).detach()
        torch.testing.assert_close(path[step], expected, rtol=1e-10, atol=1e-10)
        theirs.step(closure)


def test_a_torch_optimizer_moves_one_theta_at_a_time():
    with pytest.raises(SpecError, match="moves one θ at a time"):
        _path(_problem("logistic"), torch.optim.SGD, 0.1, theta=torch.zeros(3, 4, dtype=torch.float64))


def test_names_that_are_no_rule():
    with pytest.raises(SpecError, match="optimizer='adan' is not known; did you mean 'adam'"):
        rule("adan")
    with pytest.raises(SpecError, match="chosen by fit\\(\\)"):
        rule("auto")
    with pytest.raises(SpecError, match="optimizer=3 is no name of a rule"):
        rule(3)
    assert rule("nesterov:0.8") == Elementwise(FORMULAS["nesterov"], (0.8,))
    assert rule("adamw") == Elementwise(FORMULAS["adamw"], (0.9, 0.999, 0.01))
    assert rule("adamw:0.8") == Elementwise(FORMULAS["adamw"], (0.8, 0.999, 0.01))
