"""Schedules are factors on the rate, the same as `torch.optim.lr_scheduler` computes step by step."""

from __future__ import annotations

import warnings

import pytest
import torch

from steepest.descent.schedule_factors import schedule
from steepest.errors import SpecError

STEPS = 40


def _torch_rates(make) -> list[float]:
    """The rates that a scheduler of PyTorch gives, one step an epoch, from a rate of 1."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    scheduler = make(optimizer)
    rates = []
    for _ in range(STEPS):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PyTorch's own schedulers warn of each other
            scheduler.step()
    return rates


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("constant", lambda optimizer: torch.optim.lr_scheduler.ConstantLR(optimizer, factor=1.0)),
        (
            "inverse",
            lambda optimizer: torch.optim.lr_scheduler.LambdaLR(optimizer, lambda epoch: 1 / (epoch + 1)),
        ),
        ("step:7,0.5", lambda optimizer: torch.optim.lr_scheduler.StepLR(optimizer, 7, 0.5)),
        ("step:1,0.9", lambda optimizer: torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)),
        ("cosine", lambda optimizer: torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)),
        (
            "warmup:8",
            lambda optimizer: torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=1 / 8, total_iters=7),
        ),
    ],
)
def test_rates_are_those_of_torch(name, make):
    factor = schedule(name, STEPS)
    ours = [factor(step, step) for step in range(STEPS)]
    assert ours == pytest.approx(_torch_rates(make), rel=1e-12, abs=1e-15)


def test_inverse_and_step_count_epochs_and_the_others_steps():
    assert schedule("inverse")(1000, 3) == 0.25
    assert schedule("step:2,0.1")(1000, 5) == pytest.approx(0.01)
    assert schedule("warmup:10")(4, 0) == 0.5
    assert schedule("cosine", 100)(50, 0) == pytest.approx(0.5)
    assert schedule("cosine", 100)(200, 0) == 0.0


def test_none_and_auto_are_constant_and_a_callable_is_itself():
    assert schedule(None)(5, 5) == schedule("auto")(5, 5) == 1.0

    def own(step: int, epoch: int) -> float:
        return 0.3

    assert schedule(own)(0, 0) == 0.3


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("cosine", "needs to know how many steps there will be: give epochs or max_steps"),
        ("step:2.5,0.1", "the number of epochs of step must be a whole number of at least 1"),
        ("step:2", "has 1 numbers; it is written step:N,F"),
        ("warmup:0", "the number of steps of warmup must be a whole number of at least 1"),
        ("cosin", "did you mean 'cosine'"),
    ],
)
def test_what_is_no_schedule_is_explained(name, words):
    with pytest.raises(SpecError, match=words):
        schedule(name)
