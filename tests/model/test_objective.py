"""Loss and gradient of every kind of objective, against autograd on the formula written out."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice, product

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from steepest.data.batching import Batch, Batching
from steepest.descent.loop import descend
from steepest.errors import FitError, SpecError
from steepest.model.linear import LinearProblem, Terms
from steepest.model.linear_objective import LinearObjective
from steepest.model.module_objective import ModuleObjective
from steepest.model.objective import parameter_names
from steepest.model.objective_factory import objective
from steepest.model.penalties import penalty
from steepest.model.preconditioners import orthonormal, standardised
from steepest.model.torch_losses import loss

ROWS = 24
LOSSES = ["mse", "mse of 3 targets", "l1", "huber:0.5", "quantile:0.8", "logistic", "cross_entropy"]
PENALTIES = ["none", "l1:0.3", "l2:0.2", "elastic:0.3,0.2"]
FRAMES = {"in user units": None, "standardised": standardised, "orthonormal": orthonormal}


def _problem(name: str, weighted: bool = False, penalised: str = "none") -> LinearProblem:
    random = np.random.default_rng(4)
    x = random.normal(size=(ROWS, 2)) * [1.0, 5.0] + [0.0, 3.0]
    weights = random.uniform(0.2, 3.0, ROWS)
    outputs = {"mse of 3 targets": 3, "cross_entropy": 3}.get(name, 1)
    target = random.normal(size=(ROWS, 3) if name == "mse of 3 targets" else ROWS)
    if name == "logistic":
        target = (target > 0).astype(float)
    if name == "cross_entropy":
        target = random.integers(3, size=ROWS)
    return LinearProblem(
        design=Terms(("a", "b"), 2).design(x),
        target=target,
        loss=loss(name.split(" ")[0]),
        penalty=penalty(penalised),
        weights=weights / weights.mean() if weighted else None,
        outputs=outputs,
    )


def _written_out(problem: LinearProblem, name: str, theta: Tensor, rows: object = slice(None)) -> Tensor:
    """The mean loss at θ `[k·p]` in user units by torch's own functions."""
    design, target = torch.from_numpy(problem.design)[rows], torch.from_numpy(problem.target)[rows]
    prediction = design @ theta.view(problem.outputs, -1).T
    prediction = prediction[:, 0] if problem.outputs == 1 else prediction
    residual = target - prediction if not problem.loss.classes else None
    each = {
        "mse": lambda: functional.mse_loss(prediction, target, reduction="none"),
        "l1": lambda: functional.l1_loss(prediction, target, reduction="none"),
        "huber": lambda: functional.huber_loss(prediction, target, reduction="none", delta=0.5),
        "quantile": lambda: torch.where(residual > 0, 0.8 * residual, -0.2 * residual),
        "logistic": lambda: functional.binary_cross_entropy_with_logits(prediction, target, reduction="none"),
        "cross_entropy": lambda: functional.cross_entropy(prediction, target, reduction="none"),
    }[name.split(" ")[0].split(":")[0]]()
    each = each.mean(-1) if each.ndim == 2 else each
    return (each if problem.weights is None else each * torch.from_numpy(problem.weights)[rows]).mean()


def _user_units(problem: LinearProblem, frame: Callable | None, start: np.ndarray) -> Callable[[Tensor], Tensor]:
    """θ = start + M·c for each output, by autograd-able tensors."""
    if frame is None:
        return lambda c: c
    matrix = torch.from_numpy(frame(problem).matrix)
    return lambda c: torch.from_numpy(start) + (c.view(problem.outputs, -1) @ matrix.T).reshape(-1)


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("penalised", PENALTIES)
@pytest.mark.parametrize("name", LOSSES)
def test_value_gradient_and_penalty_of_the_linear_family_are_autograds(name, penalised, frame):
    amounts, random = penalty(penalised), np.random.default_rng(9)
    rows = torch.tensor([3, 3, 17, 0, 5])
    for weighted, moved in product([False, True], [False, True]):
        problem = _problem(name, weighted, penalised)
        start = random.normal(size=problem.parameters) if moved else np.zeros(problem.parameters)
        make = FRAMES[frame]
        ours = LinearObjective(problem, coordinates=make and make(problem), start=start)
        to_theta, mask = _user_units(problem, make, start), torch.from_numpy(problem.penalised)

        # a descent begins at the start that was asked for
        np.testing.assert_allclose(ours.to_user(ours.theta.numpy()), start, rtol=0, atol=1e-14)

        c = torch.from_numpy(random.normal(size=ours.theta.shape)).requires_grad_()
        theta = to_theta(c)
        np.testing.assert_allclose(ours.to_user(c.detach().numpy()), theta.detach().numpy(), rtol=1e-12, atol=1e-12)
        kink = amounts.l1 * (mask * theta).abs().sum()
        smooth = amounts.l2 * (mask * theta**2).sum()
        for part, batch in [(slice(None), None), (slice(None), Batch(0, 0)), (rows, Batch(0, 1, rows))]:
            mean = _written_out(problem, name, theta, part)
            (expected,) = torch.autograd.grad(mean + smooth, c, retain_graph=True)
            value, grad = ours.value_and_grad(c.detach(), batch)
            torch.testing.assert_close(value, mean.detach(), rtol=1e-12, atol=1e-12)
            torch.testing.assert_close(grad, expected, rtol=1e-10, atol=1e-11)
        torch.testing.assert_close(ours.value(c.detach()), _written_out(problem, name, theta).detach())
        assert float(ours.penalty(c.detach())) == pytest.approx((kink + smooth).item(), rel=1e-12)
        (pull,) = torch.autograd.grad(kink, c, allow_unused=True, materialize_grads=True) if amounts.l1 else (0 * c,)
        torch.testing.assert_close(ours.subgradient(c.detach()), pull.detach(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("name", LOSSES)
def test_a_leading_axis_of_runs_is_the_runs_alone(name, frame):
    problem = _problem(name, True, "elastic:0.3,0.2")
    make = FRAMES[frame]
    ours = LinearObjective(problem, coordinates=make and make(problem), start=np.ones(problem.parameters))
    runs = torch.from_numpy(np.random.default_rng(1).normal(size=(4, *ours.theta.shape)))
    for batch in (None, Batch(0, 0, torch.tensor([1, 2, 2]))):
        value, grad = ours.value_and_grad(runs, batch)
        assert value.shape == (4,)
        for run in range(4):
            alone, own = ours.value_and_grad(runs[run], batch)
            torch.testing.assert_close(value[run], alone, rtol=1e-13, atol=1e-13)
            torch.testing.assert_close(grad[run], own, rtol=1e-12, atol=1e-12)
    assert torch.is_tensor(ours.penalty(runs))
    assert ours.penalty(runs).shape == (4,)


def test_proximal_is_the_minimum_it_stands_for():
    """prox(c) minimises ½(z − c)² + lr·l1·|θ(z)| for each entry, whatever the coordinates and the start."""
    for frame in (None, standardised):
        problem = _problem("mse", penalised="l1:0.3")
        start = np.linspace(-1.0, 1.0, problem.parameters)
        ours = LinearObjective(problem, coordinates=frame and frame(problem), start=start)
        c = torch.from_numpy(np.random.default_rng(2).normal(size=problem.parameters))
        after = c.clone()
        ours.proximal(after, 0.5)
        grid = torch.linspace(-4, 4, 80_001, dtype=torch.float64)
        for entry in range(1, problem.parameters):
            scale = 1.0 if frame is None else frame(problem).matrix[entry, entry]
            origin = 0.0 if frame is None else start[entry]
            cost = 0.5 * (grid - c[entry]) ** 2 + 0.5 * 0.3 * (origin + scale * grid).abs()
            assert after[entry] == pytest.approx(grid[cost.argmin()].item(), abs=1.1e-4)
        assert after[0] == c[0]  # the intercept is free


def test_an_orthonormal_basis_has_no_proximal_step():
    problem = _problem("mse", penalised="l1:0.3")
    ours = LinearObjective(problem, coordinates=orthonormal(problem))
    assert ours.kinked
    assert ours.proximal is None


def test_data_from_outside_are_not_ignored():
    ours = objective("linear", "mse", [1.0, 2.0], [1.0, 2.0])
    with pytest.raises(FitError, match="holds its rows"):
        list(islice(descend(ours, batches=[(torch.zeros(1), torch.zeros(1))]), 1))


def test_read_only_arrays_are_no_trouble():
    x, y = np.arange(4.0)[:, None], np.arange(4.0)
    x.flags.writeable = y.flags.writeable = False
    ours = objective("linear", "mse", x, y, intercept=False)
    assert float(ours.value(torch.ones(1, dtype=torch.float64))) == 0.0


def _mlp(dtype: torch.dtype = torch.float64) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1)).to(dtype)


def _rows(outputs: int | None = None) -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(8)
    shape = (ROWS,) if outputs is None else (ROWS, outputs)
    return (
        torch.randn(ROWS, 2, generator=random, dtype=torch.float64),
        torch.randn(shape, generator=random, dtype=torch.float64),
    )


@pytest.mark.parametrize("penalised", PENALTIES)
@pytest.mark.parametrize("weighted", [False, True])
def test_a_module_has_autograds_loss_and_gradient(penalised, weighted):
    x, y = _rows()
    weights = torch.linspace(0.1, 2.0, ROWS, dtype=torch.float64)
    ours = objective(_mlp(), "huber:0.5", x, y, penalty=penalised, weights=weights if weighted else None)
    amounts = penalty(penalised)
    module = _mlp()
    rows = torch.tensor([1, 1, 4])
    share = weights / weights.mean() if weighted else torch.ones_like(weights)
    for part, batch in [(slice(None), None), (slice(None), Batch(0, 0)), (rows, Batch(0, 1, rows))]:
        module.zero_grad()
        each = functional.huber_loss(module(x[part])[:, 0], y[part], reduction="none", delta=0.5)
        smooth = amounts.l2 * sum((p**2).sum() for name, p in module.named_parameters() if "weight" in name)
        mean = (each * share[part]).mean()
        (mean + smooth).backward()
        expected = torch.cat([p.grad.reshape(-1) for p in module.parameters()])
        value, grad = ours.value_and_grad(ours.theta, batch)
        torch.testing.assert_close(value, mean.detach(), rtol=1e-13, atol=0)
        torch.testing.assert_close(grad, expected, rtol=1e-12, atol=1e-14)
    kink = amounts.l1 * sum(p.abs().sum() for name, p in module.named_parameters() if "weight" in name)
    assert float(ours.penalty(ours.theta)) == pytest.approx((kink + smooth).item(), rel=1e-13)


def test_a_modules_parameters_and_gradients_are_views_into_one_vector():
    module, (x, y) = _mlp(), _rows()
    before = nn.utils.parameters_to_vector(module.parameters()).detach().clone()
    ours = ModuleObjective(module, loss("mse"), x, y)
    assert torch.equal(ours.theta, before)
    assert ours.names[:3] == ("0.weight[0,0]", "0.weight[0,1]", "0.weight[1,0]")
    assert len(ours.names) == len(ours.theta) == 13
    ours.theta += 1.0
    assert torch.equal(nn.utils.parameters_to_vector(module.parameters()), before + 1.0)
    _, grad = ours.value_and_grad(ours.theta)
    assert torch.equal(grad, torch.cat([p.grad.reshape(-1) for p in module.parameters()]))
    # a θ of the caller's own is copied in, and asking twice does not add gradients up
    _, again = ours.value_and_grad(ours.theta.clone())
    assert torch.equal(again, grad)


def test_tied_parameters_are_counted_once():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Linear(2, 2, bias=False).double()
            self.second = nn.Linear(2, 2, bias=False).double()
            self.second.weight = self.first.weight

        def forward(self, x: Tensor) -> Tensor:
            return self.second(self.first(x)).sum(-1)

    x, y = _rows()
    module = Tied()
    ours = ModuleObjective(module, loss("mse"), x, y)
    assert len(ours.theta) == 4
    weight = module.first.weight.detach().clone().requires_grad_()
    mean = functional.mse_loss((x @ weight.T @ weight.T).sum(-1), y)
    (expected,) = torch.autograd.grad(mean, weight)
    value, grad = ours.value_and_grad(ours.theta)
    torch.testing.assert_close(value, mean.detach())
    torch.testing.assert_close(grad, expected.reshape(-1))
    torch.testing.assert_close(ours.value(ours.theta), mean.detach())
    ours.theta += 1.0
    assert module.second.weight.data_ptr() == module.first.weight.data_ptr()


def test_frozen_parameters_stay_out():
    module, (x, y) = _mlp(), _rows()
    module[0].requires_grad_(False)
    assert ModuleObjective(module, loss("mse"), x, y).names == (
        "2.weight[0,0]",
        "2.weight[0,1]",
        "2.weight[0,2]",
        "2.bias",
    )
    module.requires_grad_(False)
    with pytest.raises(SpecError, match="no parameter that requires a gradient"):
        ModuleObjective(module, loss("mse"), x, y)


def test_parameters_of_several_kinds_are_refused():
    module = _mlp()
    module[0].float()
    with pytest.raises(SpecError, match=r"several kinds \(torch.float32 on cpu, torch.float64 on cpu\)"):
        ModuleObjective(module, loss("mse"))


@pytest.mark.parametrize(
    "cut",
    [
        lambda module: module.double().float(),
        lambda module: module.load_state_dict(_mlp(torch.float32).state_dict(), assign=True),
        lambda module: module.zero_grad(),
    ],
    ids=["double", "load_state_dict", "zero_grad"],
)
def test_memory_that_was_replaced_is_noticed_at_the_next_epoch(cut):
    module = _mlp(torch.float32)
    x, y = (part.float() for part in _rows())
    ours = ModuleObjective(module, loss("mse"), x, y)
    steps = descend(ours, "sgd", Batching(ROWS, 10))
    next(steps)
    cut(module)
    with pytest.raises(FitError, match="no longer a view into the descent's vector"):
        list(islice(steps, 4))


class _Noisy(nn.Module):
    """Dropout by the function, that no search for layers would find, and a batch norm kept in eval mode."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(2)
        self.norm, self.frozen, self.last = nn.BatchNorm1d(2), nn.BatchNorm1d(2), nn.Linear(2, 1)
        self.double()

    def forward(self, x: Tensor) -> Tensor:
        return self.last(functional.dropout(self.frozen(self.norm(x)), 0.5, self.training))


def test_the_full_objective_is_evaluated_in_eval_mode():
    x, y = _rows()
    module = _Noisy()
    module.norm.running_mean += 0.3
    module.frozen.eval()
    ours = ModuleObjective(module, loss("mse"), x, y)
    buffers = {name: buffer.clone() for name, buffer in module.named_buffers()}
    values = [ours.value(ours.theta), ours.value(ours.theta), ours.value_and_grad(ours.theta)[0]]
    normed = (x - 0.3) / torch.sqrt(torch.tensor(1 + 1e-5)) / torch.sqrt(torch.tensor(1 + 1e-5))
    expected = functional.mse_loss(module.last(normed)[:, 0], y)
    for value in values:
        torch.testing.assert_close(value, expected.detach(), rtol=1e-6, atol=0)
    assert values[0] == values[1]
    for name, buffer in module.named_buffers():
        assert torch.equal(buffer, buffers[name])  # nothing was learned from looking
    # and every part is back in its own mode
    assert [module.training, module.norm.training, module.frozen.training] == [True, True, False]
    ours.value_and_grad(ours.theta, Batch(0, 0))
    assert not torch.equal(module.norm.running_mean, buffers["norm.running_mean"])


def test_dropout_depends_on_seed_epoch_and_index_alone():
    x, y = _rows()

    def value(seed: int, epoch: int, index: int) -> float:
        ours = ModuleObjective(_Noisy(), loss("mse"), x, y, seed=seed)
        torch.rand(seed + epoch)  # whatever else draws random numbers
        return float(ours.value_and_grad(ours.theta, Batch(epoch, index))[0])

    places = list(product((0, 1), (0, 1, 2), (0, 1, 2)))
    values = [value(*place) for place in places]
    assert values == [value(*place) for place in places]
    assert len(set(values)) == len(places)


def test_the_callers_random_numbers_are_left_alone():
    x, y = _rows()
    ours = ModuleObjective(_Noisy(), loss("mse"), x, y)
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    ours.value_and_grad(ours.theta, Batch(0, 0))
    assert torch.equal(torch.rand(2), expected)


@pytest.mark.parametrize(
    ("outputs", "target", "name", "words"),
    [
        (1, (ROWS, 1, 1), "mse", r"predictions of shape \[24, 1\] for targets of shape \[24, 1, 1\]"),
        (
            2,
            (ROWS,),
            "mse",
            r"predictions of shape \[24, 2\] for targets of shape \[24\]; loss mse needs \[24\]",
        ),
        (3, (ROWS, 2), "mse", r"needs \[24, 2\]. Fix the model's last layer or the target's shape"),
        (1, (ROWS - 1,), "l1", r"predictions of shape \[24\] for targets of shape \[23\]"),
        (3, (ROWS, 1), "cross_entropy", r"needs \[24, classes\] for targets \[24\]"),
    ],
)
def test_shapes_are_explained_and_never_broadcast(outputs, target, name, words):
    y = torch.zeros(target, dtype=torch.int64 if name == "cross_entropy" else torch.float64)
    ours = ModuleObjective(nn.Linear(2, outputs).double(), loss(name), _rows()[0], y)
    with pytest.raises(SpecError, match=words):
        ours.value_and_grad(ours.theta)


def test_a_last_axis_of_one_is_dropped_and_no_more():
    x, y = _rows()
    layer = nn.Linear(2, 1).double()
    for target, prediction in [(y, layer(x)[:, 0]), (y[:, None], layer(x))]:
        expected = functional.mse_loss(prediction, target).item()
        assert ModuleObjective(layer, loss("mse"), x, target).value(layer_vector(layer)).item() == pytest.approx(
            expected
        )


def layer_vector(layer: nn.Module) -> Tensor:
    return nn.utils.parameters_to_vector(layer.parameters()).detach()


def test_class_codes_reach_cross_entropy_by_name_and_by_function():
    x, _ = _rows()
    codes = torch.arange(ROWS) % 3
    layer = nn.Linear(2, 3).double()
    expected = functional.cross_entropy(layer(x), codes).item()
    for given in ("cross_entropy", functional.cross_entropy, nn.CrossEntropyLoss()):
        ours = objective(layer, given, x, codes)
        assert ours.value(ours.theta).item() == pytest.approx(expected, rel=1e-14)


def test_a_module_without_data_asks_for_batches():
    ours = objective(_mlp())
    with pytest.raises(FitError, match="give batches="):
        ours.value_and_grad(ours.theta, Batch(0, 0))
    with pytest.raises(FitError, match="holds no rows of its own"):
        ours.value(ours.theta)


def _rosenbrock(theta: Tensor) -> Tensor:
    return 100.0 * (theta[1] - theta[0] ** 2) ** 2 + (1.0 - theta[0]) ** 2


def test_rosenbrocks_gradient_is_the_formula():
    a, b = -1.2, 1.0
    ours = objective(_rosenbrock, [a, b])
    value, grad = ours.value_and_grad(ours.theta)
    assert value.item() == pytest.approx(24.2, rel=1e-15)
    assert grad.tolist() == pytest.approx([-400 * a * (b - a * a) - 2 * (1 - a), 200 * (b - a * a)], rel=1e-14)
    assert ours.theta.dtype == torch.float64
    assert ours.names == ("theta0", "theta1")
    assert ours.value(ours.theta).item() == value.item()


def test_a_function_of_one_number():
    """z = (1 − log(1 + exp θ))² at θ = 1, by hand 2(1 − log(1 + e))·(−e/(1 + e))."""
    ours = objective(lambda theta: (1 - torch.log(1 + torch.exp(theta))) ** 2, 1.0)
    with torch.no_grad():
        value, grad = ours.value_and_grad(ours.theta)
    e = np.exp(1.0)
    assert value.item() == pytest.approx(0.0981, abs=5e-5)
    assert grad.item() == pytest.approx(0.45802528803261, abs=1e-14)
    assert grad.item() == pytest.approx(2 * (1 - np.log(1 + e)) * -e / (1 + e), rel=1e-14)


def test_a_function_keeps_the_shape_and_precision_of_its_start():
    start = torch.tensor([[1.0, 2.0], [3.0, 4.0]], dtype=torch.float32)
    ours = objective(lambda theta: (theta @ theta).trace(), start)
    value, grad = ours.value_and_grad(ours.theta)
    assert value.dtype == grad.dtype == torch.float32
    assert grad.tolist() == [2.0, 6.0, 4.0, 8.0]  # 2·θᵀ
    assert objective(lambda theta: theta.sum(), [1, 2]).theta.dtype == torch.float64
    ours.theta += 1.0
    assert start[0, 0] == 1.0
    several = objective(lambda theta: theta, [1.0, 2.0])
    with pytest.raises(SpecError, match=r"returns \(2,\) values; a descent needs one number"):
        several.value_and_grad(several.theta)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("linear", "mse"), "needs x and y"),
        (("linear", "mse", [1.0, 2.0, 3.0], [1.0, 2.0]), "x has 3 rows and y has 2"),
        (("linear", "mse", [1.0, 2.0], [[1.0], [2.0]]), r"y\[:, 0\], not \[n, 1\]"),
        (("poly:x", "mse", [1.0], [1.0]), "must be numbers, as in poly:DEGREE"),
        (("poly:2.5", "mse", [1.0], [1.0]), "must be a whole number"),
        (("mlp:3", "mse", [1.0], [1.0]), "give linear, poly:D, an nn.Module or a function of θ"),
        (("linear", "logistic", [1.0, 2.0], [1, 2]), "logistic needs targets 0 and 1"),
        (("linear", "cross_entropy", [1.0, 2.0], [0.5, 1.0]), "needs class codes 0, 1, 2"),
        (
            (nn.Linear(1, 1), "logistic", torch.ones(2, 1), torch.tensor([-1, 1])),
            "logistic needs targets 0 and 1",
        ),
        ((_rosenbrock,), r"objective\(function, theta0\)"),
    ],
)
def test_what_cannot_be_an_objective_is_explained(arguments, words):
    with pytest.raises(SpecError, match=words):
        objective(*arguments)


def test_names_of_the_linear_family():
    assert objective("poly:2", "mse", [1.0, 2.0], [1.0, 2.0]).names == ("intercept", "x", "x^2")
    assert objective("softmax", None, np.ones((2, 2)), [0, 1], intercept=False).names == (
        "y1: x1", "y1: x2", "y2: x1", "y2: x2",
    )  # fmt: skip
    assert parameter_names(("a", "b"), 2, ("cat", "dog")) == ("cat: a", "cat: b", "dog: a", "dog: b")


def test_a_part_that_stands_in_two_places_keeps_its_parameters():
    part = nn.Linear(2, 2)
    module = nn.Sequential(part, nn.Tanh(), part, nn.Linear(2, 1)).double()
    x, y = torch.randn(9, 2, dtype=torch.float64), torch.randn(9, dtype=torch.float64)
    ours = objective(module, "mse", x, y)
    assert len(ours.theta) == 9
    value = ours.value(2.0 * ours.theta)
    assert module[0].weight is module[2].weight is part.weight
    ours.value_and_grad(ours.theta)
    with torch.no_grad():
        torch.nn.utils.vector_to_parameters(2.0 * ours.theta, module.parameters())
        assert float(value) == pytest.approx(float(((module(x)[:, 0] - y) ** 2).mean()), rel=1e-14)
