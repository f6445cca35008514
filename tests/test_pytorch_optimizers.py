"""Optimisers and schedulers as PyTorch's users give them, beside plain loops with `torch.optim`."""

from __future__ import annotations

import copy
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim import SGD, Adam, AdamW, lr_scheduler

import steepest as st
from steepest.descent.torch_rules import Elementwise
from steepest.formulas.rules import FORMULAS

random = np.random.default_rng(5)
X = random.normal(size=(30, 2))
Y = np.sin(X[:, 0]) + 0.5 * X[:, 1]


def net() -> nn.Sequential:
    torch.manual_seed(2)
    return nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 1)).double()


def by_hand(make, scheduler=None, each_step=False, steps=12, batch=30, model=None):
    """θ after so many steps of a plain loop, and the rates on the way; batches are neighbouring rows."""
    module = net() if model is None else model
    optimizer = make(module.parameters()) if callable(make) else make
    pace = None if scheduler is None else scheduler(optimizer)
    x, y, rates = torch.as_tensor(X), torch.as_tensor(Y), []
    for step in range(steps):
        rows = slice(step * batch % 30, step * batch % 30 + batch)
        rates.append(optimizer.param_groups[0].get("lr"))
        optimizer.zero_grad()
        nn.functional.mse_loss(module(x[rows])[:, 0], y[rows]).backward()
        optimizer.step()
        if pace is not None and (each_step or (step + 1) * batch % 30 == 0):
            pace.step()
    return nn.utils.parameters_to_vector(module.parameters()).detach().numpy(), rates


class Signs(torch.optim.Optimizer):
    """θ −= lr·sign(g): a class of one's own, which asks for a rate."""

    def __init__(self, params, lr):
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                p.add_(p.grad.sign(), alpha=-group["lr"])


class Stubborn(torch.optim.Optimizer):
    """A class whose rate stands nowhere that a schedule could change it."""

    def __init__(self, params):
        super().__init__(params, {})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                p.sub_(0.05 * p.grad)


def groups(parameters):
    parameters = list(parameters)
    return SGD([{"params": parameters[:2], "lr": 0.2}, {"params": parameters[2:]}], lr=0.05)


WAYS = {
    "class": (SGD, {"lr": 0.1}, partial(SGD, lr=0.1)),
    "its own rate": (Adam, {"precondition": "none"}, Adam),
    "partial": (
        partial(SGD, momentum=0.9, nesterov=True),
        {"lr": 0.1},
        partial(SGD, lr=0.1, momentum=0.9, nesterov=True),
    ),
    "partial with a rate": (partial(SGD, lr=0.07, momentum=0.9), {}, partial(SGD, lr=0.07, momentum=0.9)),
    "function of the parameters": (lambda parameters: Adam(parameters, lr=0.03, betas=(0.8, 0.9)), {}, None),
    "groups with rates of their own": (groups, {}, None),
    "class of one's own": (Signs, {"lr": 0.02}, partial(Signs, lr=0.02)),
    "a step without a closure": (Stubborn, {"precondition": "none"}, None),
    "fused": (partial(Adam, fused=True), {"lr": 0.02}, partial(Adam, fused=True, lr=0.02)),
    "for each": (partial(Adam, foreach=True, amsgrad=True), {"lr": 0.02}, partial(Adam, amsgrad=True, lr=0.02)),
    "weight decay": (partial(SGD, weight_decay=0.1), {"lr": 0.1}, partial(SGD, weight_decay=0.1, lr=0.1)),
    "rate as a tensor": (partial(SGD, lr=torch.tensor(0.1)), {}, partial(SGD, lr=0.1)),
}


@pytest.mark.parametrize("name", WAYS)
def test_an_optimizer_is_taken_as_it_is_given(name):
    given, more, theirs = WAYS[name]
    theta, _ = by_hand(theirs or given)
    fit = st.fit(X, Y, model=net(), optimizer=given, epochs=12, **more)
    np.testing.assert_allclose(fit.theta, theta, rtol=1e-6 if "tensor" in name else 1e-10)


@pytest.mark.parametrize("make", [partial(SGD, lr=0.1, momentum=0.9), partial(AdamW, lr=0.02, amsgrad=True), groups])
def test_an_object_made_for_the_models_parameters_is_made_anew_for_the_fit(make):
    theta, _ = by_hand(make)
    module = net()
    before = copy.deepcopy(module.state_dict())
    fit = st.fit(X, Y, model=module, optimizer=make(module.parameters()), epochs=12)
    np.testing.assert_allclose(fit.theta, theta, rtol=1e-10)
    assert all(torch.equal(before[name], value) for name, value in module.state_dict().items())
    both = st.sweep(X, Y, model=module, optimizer=make(module.parameters()), epochs=12, seed=[0, 1])
    np.testing.assert_allclose(both.fit(1).theta, theta, rtol=1e-10)


def test_weight_decay_beside_the_objective_is_said():
    assert "weight decay 0.1 of SGD" in st.fit(X, Y, optimizer=partial(SGD, weight_decay=0.1), epochs=3).notes[-1]


SCHEDULES = {
    "StepLR": (partial(lr_scheduler.StepLR, step_size=2, gamma=0.5), False),
    "MultiStepLR": (partial(lr_scheduler.MultiStepLR, milestones=[1, 3]), False),
    "cosine with a floor": (partial(lr_scheduler.CosineAnnealingLR, T_max=4, eta_min=0.02), False),
    "function of the optimizer": (lambda optimizer: lr_scheduler.ExponentialLR(optimizer, 0.7), False),
    "LambdaLR": (partial(lr_scheduler.LambdaLR, lr_lambda=lambda epoch: 1 / (1 + epoch)), False),
    "one after the other": (
        lambda o: lr_scheduler.SequentialLR(
            o, [lr_scheduler.ConstantLR(o, 0.1, 2), lr_scheduler.ExponentialLR(o, 0.9)], [2]
        ),
        False,
    ),
    "OneCycleLR": (partial(lr_scheduler.OneCycleLR, max_lr=0.3, total_steps=20, cycle_momentum=False), True),
    "CyclicLR": (
        partial(lr_scheduler.CyclicLR, base_lr=0.01, max_lr=0.2, step_size_up=3, cycle_momentum=False),
        True,
    ),
}


@pytest.mark.filterwarnings("ignore:Detected call of")  # by SequentialLR itself, in the plain loop too
@pytest.mark.parametrize("batch", [30, 10])
@pytest.mark.parametrize("name", SCHEDULES)
def test_a_scheduler_of_pytorchs_gives_its_rates(name, batch):
    make, each_step = SCHEDULES[name]
    theta, rates = by_hand(partial(SGD, lr=0.1), make, each_step, batch=batch)
    settings = {"lr": 0.1, "max_steps": 12, "batch_size": batch, "shuffle": "none", "schedule": make}
    for optimizer in (SGD, "sgd"):
        fit = st.fit(X, Y, model=net(), optimizer=optimizer, **settings)
        np.testing.assert_allclose(fit.trace.lr[:12], rates, rtol=1e-10)
        np.testing.assert_allclose(fit.theta, theta, rtol=1e-9)
    runs = st.sweep(X, Y, model=net(), optimizer="sgd", **(settings | {"lr": [0.05, 0.1]}))
    np.testing.assert_allclose(runs.fit(1).theta, theta, rtol=1e-9)


def test_a_function_of_one_argument_is_taken_where_its_name_says_of_what():
    of_epoch = st.fit(X, Y, lr=0.1, optimizer="sgd", batch_size=10, epochs=3, schedule=lambda epoch: 0.5**epoch)
    assert of_epoch.trace.lr[:-1] == pytest.approx(0.1 * 0.5 ** (np.arange(9) // 3))
    of_step = st.fit(X, Y, lr=0.1, optimizer="sgd", batch_size=10, epochs=3, schedule=lambda step: 0.5**step)
    assert of_step.trace.lr[:-1] == pytest.approx(0.1 * 0.5 ** np.arange(9))


@pytest.mark.parametrize(("batch_size", "steps"), [("full", 10), (15, 20)])
@pytest.mark.parametrize("optimizer", [SGD, Adam, partial(SGD, momentum=0.9), Signs, "sgd"])
def test_the_model_is_run_once_a_step(optimizer, batch_size, steps):
    module = nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 1))
    fit = st.fit(X, Y, model=module, optimizer=optimizer, lr=0.01, epochs=10, batch_size=batch_size)
    assert fit.module[1].num_batches_tracked == steps
    assert module[1].num_batches_tracked == 0


def test_only_an_optimizer_that_asks_for_a_closure_looks_again():
    module = nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 1))
    fit = st.fit(X, Y, model=module, optimizer=torch.optim.LBFGS, lr=0.01, epochs=2)
    assert fit.module[1].num_batches_tracked > 2


def stepped():
    module = net()
    optimizer = Adam(module.parameters())
    by_hand(optimizer, steps=1, model=module)
    return {"model": module, "optimizer": optimizer}


def cosine_of_an_object():
    return lr_scheduler.StepLR(SGD(net().parameters(), lr=0.1), 3)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"optimizer": torch.optim.Muon}, "Muon moves matrices only"),
        ({"optimizer": torch.optim.SparseAdam}, "sparse gradients only"),
        ({"optimizer": partial(Adam, maximize=True)}, "maximize=True climbs"),
        ({"optimizer": partial(Adam, capturable=True)}, "fails in its step: AssertionError: If capturable=True"),
        ({"optimizer": partial(SGD, momentum=-1)}, "Invalid momentum value"),
        ({"optimizer": partial(SGD, momentum=0.9, lr=0.1), "lr": 0.2}, "given twice: lr=0.2, and 0.1"),
        ({"optimizer": Signs}, "no learning rate of its own"),
        ({"optimizer": Stubborn, "lr": 0.1}, "keeps no 'lr'"),
        ({"optimizer": lambda parameters: SGD(net().parameters(), lr=0.1)}, "other parameters than it is given"),
        ({"optimizer": lambda parameters: 3}, "gives a int"),
        ({"optimizer": SGD(net().parameters(), lr=0.1)}, "other parameters than those of the model"),
        (stepped(), "has already stepped"),
        ({"model": "linear", "optimizer": SGD(net().parameters(), lr=0.1)}, "made for other parameters"),
        ({"optimizer": Elementwise(FORMULAS["momentum"], (2.0,)).start}, "cannot be made"),
        ({"optimizer": 3}, "optimizer=3 is no name"),
        ({"optimizer": "adamm"}, "did you mean 'adamw'|did you mean 'adam'"),
        ({"schedule": lr_scheduler.ReduceLROnPlateau}, "waits for a loss"),
        ({"schedule": partial(lr_scheduler.ReduceLROnPlateau, patience=3)}, "waits for a loss"),
        ({"schedule": lr_scheduler.StepLR}, "missing 1 required positional argument: 'step_size'"),
        ({"schedule": cosine_of_an_object()}, r"functools.partial\(StepLR, …\)"),
        ({"schedule": partial(lr_scheduler.OneCycleLR, max_lr=0.1, total_steps=9)}, "cycle_momentum=False"),
        (
            {"schedule": partial(lr_scheduler.OneCycleLR, max_lr=0.1, total_steps=3, cycle_momentum=False)},
            "ends before the fit",
        ),
        ({"schedule": lambda value: 0.9**value}, "may be the step or the epoch"),
        ({"schedule": lambda: 1.0}, "takes 0 arguments"),
        ({"schedule": lambda step, epoch: None}, "gives no number at step 0"),
        ({"schedule": lambda step, epoch: 1 / (3 - step)}, "gives no number at step 3 .*division by zero"),
    ],
)
def test_what_cannot_be_done_is_one_line(settings, words):
    settings = {"model": net(), "optimizer": SGD, "epochs": 8} | settings
    with pytest.raises(st.SpecError, match=words) as caught:
        st.fit(X, Y, **settings)
    assert "\n" not in str(caught.value)


def test_descend_takes_the_rate_that_an_optimiser_brings() -> None:
    x = torch.tensor([[1.0], [2.0], [4.0]], dtype=torch.float64)
    y = torch.tensor([1.0, 3.0, 2.0], dtype=torch.float64)
    net = nn.Linear(1, 1, dtype=torch.float64)
    theirs = copy.deepcopy(net)
    optimizer = torch.optim.SGD(theirs.parameters(), lr=0.03)
    for _ in range(5):
        optimizer.zero_grad()
        ((theirs(x)[:, 0] - y) ** 2).mean().backward()
        optimizer.step()
    made = partial(torch.optim.SGD, lr=0.03)
    *_, last = st.descend(st.objective(net, "mse", x, y), made, epochs=5)
    expected = torch.nn.utils.parameters_to_vector(theirs.parameters())
    torch.testing.assert_close(last.theta, expected.detach(), rtol=1e-12, atol=1e-12)


def test_a_partial_is_diagnosed_as_its_class_is() -> None:
    x, y = np.linspace(0.0, 1.0, 30), np.linspace(0.0, 1.0, 30) ** 2
    given = {"epochs": 5, "lr": 0.001}
    ours = st.fit(x, y, optimizer=partial(torch.optim.SGD), **given).diagnose()
    theirs = st.fit(x, y, optimizer=torch.optim.SGD, **given).diagnose()
    assert [finding.kind for finding in ours] == [finding.kind for finding in theirs] != []


def test_swept_partials_can_be_told_apart() -> None:
    x = np.linspace(0.0, 1.0, 20)
    runs = st.sweep(x, 2 * x, optimizer=[partial(SGD, lr=0.01), partial(SGD, lr=0.1)], epochs=3)
    assert set(runs.table().to_pandas()["optimizer"]) == {"SGD(lr=0.01)", "SGD(lr=0.1)"}


def test_no_kink_is_said_of_a_smooth_criterion() -> None:
    x = np.linspace(-1.0, 1.0, 30)
    loss = nn.BCEWithLogitsLoss(pos_weight=torch.tensor([3.0]))
    ahead = str(st.diagnose(x, (np.sin(9 * x) > 0).astype(int), loss=loss))
    assert "kink" not in ahead
    assert "not known beforehand" in ahead
