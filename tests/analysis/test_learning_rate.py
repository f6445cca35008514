"""Learning rates that hold at every θ, against steps by hand, and the trial where theory says too little."""

from __future__ import annotations

import numpy as np
import pytest

from steepest.analysis.learning_rate import automatic_lr, of_a_trial, steady_lr
from steepest.data.batching import Batching
from steepest.descent.torch_rules import rule
from steepest.model.linear import LinearProblem
from steepest.model.linear_objective import LinearObjective
from steepest.model.penalties import penalty
from steepest.model.torch_losses import loss


def made(design, target, name="mse") -> LinearObjective:
    intercept = False
    return LinearObjective(LinearProblem(design, target, loss(name), penalty(None), intercept))


def lr_of(design, target, name="mse", size=None) -> float:
    objective = made(design, target, name)
    return steady_lr(objective, objective.theta, size)


def test_steady_rates_worked_by_hand():
    # A = diag(1, 2, 3): L = 2·9/3 = 6; of two rows L_b = 3/4·6 + 1/4·18 = 9
    design, target = np.diag([1.0, 2.0, 3.0]), np.zeros(3)
    assert lr_of(design, target) == pytest.approx(1 / 6)
    assert lr_of(design, target, size=2) == pytest.approx(1 / 18)
    assert lr_of(design, target, size=3) == lr_of(design, target)
    # with a kink F/G²: F = mean |1, 2, 3| = 2, G² = λ_max(AᵀA/3) = 3
    assert lr_of(design, np.array([1.0, 2.0, 3.0]), "l1") == pytest.approx(2 / 3)


def test_a_flat_objective_takes_a_rate_of_one():
    assert lr_of(np.zeros((3, 1)), np.zeros(3)) == 1.0


@pytest.mark.parametrize(("factor", "holds"), [(1.98, True), (2.02, False)])
def test_descent_holds_just_below_twice_the_rate_and_blows_up_above(factor, holds):
    random = np.random.default_rng(3)
    design, target = random.standard_normal((40, 5)), random.standard_normal(40)
    theta, lr = np.ones(5), factor * lr_of(design, target)
    for _ in range(3000):
        theta = theta - lr * 2.0 * design.T @ (design @ theta - target) / 40
    assert bool(np.abs(theta).max() < 10.0) is holds


def test_minibatches_hold_where_one_row_is_a_thousand_times_the_others():
    random = np.random.default_rng(0)
    design = random.standard_normal((200, 2))
    design[0] *= 1000.0
    target = design @ [1.0, 2.0]
    theta, lr = np.zeros(2), lr_of(design, target, size=1)
    for row in random.integers(0, 200, 4000):
        theta = theta - lr * 2.0 * design[row] * (design[row] @ theta - target[row])
        assert np.abs(theta).max() < 10.0


@pytest.mark.parametrize(
    ("name", "of_rule", "trial"), [("mse", "momentum", False), ("mse", "adam", True), ("l1", "sgd", True)]
)
def test_a_trial_is_for_kinks_and_for_rules_that_scale_each_coordinate(name, of_rule, trial):
    random = np.random.default_rng(2)
    design = random.standard_normal((40, 3))
    objective, chosen = made(design, design @ [1.0, -2.0, 3.0] + 0.1 * random.standard_normal(40), name), rule(of_rule)
    assert of_a_trial(objective, chosen) is trial
    lr = automatic_lr(objective, chosen, Batching(40))
    steady = steady_lr(objective, objective.theta)
    assert lr == steady if name == "mse" and not trial else lr > 0.0
    if name == "l1":
        assert lr <= steady
