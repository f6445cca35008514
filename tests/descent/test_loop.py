"""The loop walks the same path as a plain PyTorch loop, on the problems it grew from."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from steepest.data.batching import Batching
from steepest.descent.loop import Step, descend
from steepest.descent.schedule_factors import schedule as named
from steepest.errors import DataError
from steepest.model.objective_factory import objective


def _path(steps) -> tuple[Tensor, Tensor]:
    """θ `[T, p]` and the losses `[T]`."""
    kept = [step.copy() for step in steps]
    return torch.stack([step.theta for step in kept]), torch.stack([step.loss for step in kept])


def _line_with_noise() -> tuple[np.ndarray, np.ndarray]:
    """100 points on y = 3x + 2 with noise from 0 to 1, seeded."""
    random = np.random.default_rng(0)
    x = random.uniform(-1, 1, 100)
    return x, 3 * x + 2 + random.uniform(0, 1, 100)


def _quadratic_with_outlier() -> tuple[np.ndarray, np.ndarray]:
    """y = 1 + 3x − 4x² + 0.7·noise by NumPy's legacy generator, the first point moved to (−1.5, 10)."""
    random = np.random.RandomState(42)
    x = np.sort(random.rand(100) * 2 - 1)
    y = 1 + 3 * x - 4 * x**2 + 0.7 * random.randn(100)
    x[0], y[0] = -1.5, 10
    return x, y


@pytest.mark.parametrize("updates", [0, 1, 7])
def test_n_updates_give_n_plus_one_steps_and_the_last_has_theta_n(updates):
    ours = objective(lambda theta: (theta**2).sum(), [1.0])
    steps = [step.copy() for step in descend(ours, lr=0.25, epochs=updates)]
    assert [step.t for step in steps] == list(range(updates + 1))
    assert [step.epoch for step in steps] == list(range(updates + 1))
    assert [step.theta.item() for step in steps] == [0.5**t for t in range(updates + 1)]  # θ −= ¼·2θ
    assert [step.loss.item() for step in steps] == [0.25**t for t in range(updates + 1)]
    assert [step.grad.item() for step in steps] == [2 * 0.5**t for t in range(updates + 1)]
    assert [step.batch is None for step in steps] == [False] * updates + [True]


def test_theta_is_live_and_a_copy_is_kept():
    steps = descend(objective(lambda theta: (theta**2).sum(), [1.0]), lr=0.25)
    first: Step = next(steps)
    kept = first.copy()
    next(steps)
    assert first.theta.item() == 0.5
    assert kept.theta.item() == 1.0


def test_a_line_is_fitted_as_by_a_plain_loop():
    """100 points, slope and intercept from (−1, 1), mse, lr 0.1, 100 steps."""
    x, y = _line_with_noise()
    ours = objective("linear", "mse", x, y)
    start = torch.tensor([1.0, -1.0], dtype=torch.float64)  # ours has the intercept first
    path, losses = _path(descend(ours, "sgd", epochs=100, lr=0.1, theta=start.clone()))

    design, target = torch.tensor(np.column_stack([x, np.ones(100)])), torch.tensor(y)
    a = nn.Parameter(torch.tensor([-1.0, 1.0], dtype=torch.float64))
    for t in range(101):
        loss = ((design @ a - target) ** 2).mean()
        torch.testing.assert_close(path[t].flip(0), a.detach(), rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(losses[t], loss.detach(), rtol=1e-12, atol=1e-12)
        loss.backward()
        with torch.no_grad():
            a.sub_(0.1 * a.grad)
            a.grad.zero_()
    assert losses[0] > 3.0
    assert losses[-1] == pytest.approx(1 / 12, abs=0.03)  # the variance of the noise


def test_l1_at_zero_has_the_published_loss_and_gradient():
    x, y = _quadratic_with_outlier()
    ours = objective("linear", "l1", x, y)
    value, grad = ours.value_and_grad(torch.zeros(2, dtype=torch.float64))
    assert value.item() == pytest.approx(1.93830832356722, abs=1e-14)
    assert grad.tolist() == pytest.approx([-0.1400, -0.4201], abs=5e-5)


@pytest.mark.parametrize(("model", "powers", "lr", "steps"), [("linear", 2, 6.0, 50), ("poly:2", 3, 10.0, 500)])
def test_l1_with_an_inverse_rate_is_a_plain_loops_path(model, powers, lr, steps):
    x, y = _quadratic_with_outlier()
    path, losses = _path(descend(objective(model, "l1", x, y), "sgd", epochs=steps, lr=lr, schedule="inverse"))
    assert len(path) == steps + 1

    design, target = torch.tensor(np.vander(x, powers, increasing=True)), torch.tensor(y)
    theta = torch.zeros(powers, dtype=torch.float64, requires_grad=True)
    for t in range(steps + 1):
        loss = (design @ theta - target).abs().mean()
        torch.testing.assert_close(path[t], theta.detach(), rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(losses[t], loss.detach(), rtol=1e-12, atol=1e-12)
        (grad,) = torch.autograd.grad(loss, theta)
        with torch.no_grad():
            theta -= lr / (t + 1) * grad
    if model == "poly:2":
        assert losses[-1] == pytest.approx(0.717, abs=1e-3)  # the published end; the exact optimum is 0.716


def test_minibatches_are_epochs_and_walk_a_plain_loops_path():
    """SGD on the quadratic with `l1`, lr = 1/(epoch + 1), batches of 10, 20 epochs."""
    x, y = _quadratic_with_outlier()
    ours = objective("poly:2", "l1", x, y)
    steps = [
        step.copy() for step in descend(ours, "sgd", Batching(100, 10, seed=3, epochs=20), lr=1.0, schedule="inverse")
    ]
    assert len(steps) == 201
    assert [step.epoch for step in steps] == [t // 10 for t in range(201)]
    assert [step.lr for step in steps[:-1]] == [1 / (t // 10 + 1) for t in range(200)]

    design, target = torch.tensor(np.vander(x, 3, increasing=True)), torch.tensor(y)
    theta = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    t = 0
    for epoch in range(20):
        order = np.random.Generator(np.random.Philox(key=np.array([3, epoch], dtype=np.uint64))).permutation(100)
        for rows in np.split(order, 10):
            loss = (design[rows] @ theta - target[rows]).abs().mean()
            torch.testing.assert_close(steps[t].theta, theta.detach(), rtol=1e-12, atol=1e-12)
            torch.testing.assert_close(steps[t].loss, loss.detach(), rtol=1e-12, atol=1e-12)
            (grad,) = torch.autograd.grad(loss, theta)
            with torch.no_grad():
                theta -= 1.0 / (epoch + 1) * grad
            t += 1
    last = steps[-1]
    torch.testing.assert_close(last.theta, theta.detach(), rtol=1e-12, atol=1e-12)
    # the last step has no batch: its loss is that of all rows
    torch.testing.assert_close(last.loss, (design @ theta - target).abs().mean().detach(), rtol=1e-12, atol=1e-12)
    assert last.batch is None


def _mlp() -> nn.Sequential:
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 1))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_data_loader_trains_a_module(dtype):
    x, y = _quadratic_with_outlier()
    data = TensorDataset(torch.tensor(x)[:, None], torch.tensor(y))  # float64, whatever the module's precision is

    def loader() -> DataLoader:
        return DataLoader(data, batch_size=25, shuffle=True, generator=torch.Generator().manual_seed(2))

    ours = objective(_mlp().to(dtype), "mse")
    path, _ = _path(islice(descend(ours, "adam", loader(), lr=0.01), 41))

    module, dealt, t = _mlp().to(dtype), loader(), 0
    optimizer = torch.optim.Adam(module.parameters(), lr=0.01)
    tolerance = 1e-12 if dtype is torch.float64 else 1e-4
    for _ in range(10):
        for inputs, target in dealt:
            now = nn.utils.parameters_to_vector(module.parameters()).detach()
            torch.testing.assert_close(path[t], now, rtol=tolerance, atol=tolerance)
            optimizer.zero_grad()
            nn.functional.mse_loss(module(inputs.to(dtype))[:, 0], target.to(dtype)).backward()
            optimizer.step()
            t += 1
    assert t == 40


def test_an_iterator_of_pairs_is_refused_before_it_is_used_up():
    pairs = ((torch.zeros(1, 1), torch.zeros(1)) for _ in range(3))
    with pytest.raises(DataError, match="used up after one epoch: give a list of \\(x, y\\), a DataLoader"):
        next(descend(objective(_mlp(), "mse"), batches=pairs))


def _rosenbrock(theta: Tensor) -> Tensor:
    return 100.0 * (theta[1] - theta[0] ** 2) ** 2 + (1.0 - theta[0]) ** 2


def test_rosenbrocks_valley_by_adam():
    path, losses = _path(islice(descend(objective(_rosenbrock, [-1.2, 1.0]), "adam", lr=0.02), 3001))
    theta = torch.tensor([-1.2, 1.0], dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([theta], lr=0.02)
    for t in range(300):
        torch.testing.assert_close(path[t], theta.detach(), rtol=1e-10, atol=1e-10)
        optimizer.zero_grad()
        _rosenbrock(theta).backward()
        optimizer.step()
    assert losses[-1] < 1e-4
    assert path[-1].tolist() == pytest.approx([1.0, 1.0], abs=0.02)


def test_rosenbrocks_valley_by_lbfgs():
    path, losses = _path(islice(descend(objective(_rosenbrock, [-1.2, 1.0]), torch.optim.LBFGS, lr=1.0), 6))
    theta = torch.tensor([-1.2, 1.0], dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([theta], lr=1.0)

    def closure() -> Tensor:
        optimizer.zero_grad()
        value = _rosenbrock(theta)
        value.backward()
        return value

    for t in range(6):
        torch.testing.assert_close(path[t], theta.detach(), rtol=1e-9, atol=1e-9)
        optimizer.step(closure)
    assert losses[-1] < 1e-10


def test_many_runs_have_their_own_rates():
    x, y = _line_with_noise()
    ours = objective("linear", "mse", x, y)
    rates = torch.tensor([[0.01], [0.1], [0.3]], dtype=torch.float64)
    together, losses = _path(descend(ours, "sgd", epochs=50, lr=rates, theta=torch.zeros(3, 2, dtype=torch.float64)))
    assert together.shape == (51, 3, 2)
    assert losses.shape == (51, 3)
    for run, rate in enumerate(rates[:, 0].tolist()):
        alone, _ = _path(descend(objective("linear", "mse", x, y), "sgd", epochs=50, lr=rate))
        torch.testing.assert_close(together[:, run], alone, rtol=1e-12, atol=1e-12)


def test_a_schedule_may_be_any_function_of_step_and_epoch():
    ours = objective("linear", "mse", *_line_with_noise())
    for schedule in (named("step:2,0.5"), lambda step, epoch: 0.5 ** (epoch // 2), "step:2,0.5"):
        rates = [step.lr for step in descend(ours, "sgd", Batching(100, 50, epochs=4), lr=0.1, schedule=schedule)]
        assert rates == [0.1] * 4 + [0.05] * 5  # the last step repeats the rate that led to it


def test_the_objectives_own_start_is_moved_in_place():
    ours = objective("linear", "mse", *_line_with_noise())
    for step in descend(ours, "sgd", epochs=3):
        assert step.theta is ours.theta
    assert ours.theta.abs().max() > 0


def test_batches_that_others_came_before_begin_with_their_own_epoch():
    ours = objective("linear", "mse", np.arange(4.0), 2.0 * np.arange(4.0) + 1.0)

    def rows(batches):
        return [step.batch.rows.tolist() for step in descend(ours, "sgd", batches, lr=1e-9) if step.batch]

    assert rows(Batching(4, 2, epochs=2, first=2)) == rows(Batching(4, 2, epochs=4))[4:]
