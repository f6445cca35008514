"""What "auto" decides, and that its learning rate never diverges."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from itertools import product

import numpy as np
import pytest
import torch
from torch import nn

import steepest as st
import zoo
from steepest import SpecError, Status, SteepestWarning


def fitted(x, y, **settings):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SteepestWarning)
        return st.fit(x, y, **settings)


CASES = [
    *((zoo.REGRESSION, name, loss) for name in zoo.REGRESSION for loss in ("mse", "huber:1", "l1", "quantile:0.99")),
    *((zoo.CLASSES, name, "cross_entropy") for name in zoo.CLASSES),
    *((zoo.CLASSES, name, "logistic") for name in zoo.CLASSES if len(set(zoo.CLASSES[name]()[1])) == 2),
]


COORDINATES = ("none", "standardize", "orthonormal")
BATCHES = ("full", 1, 7, 64)
NAMES = [f"{name}, {loss}" for _, name, loss in CASES]


def never_diverges(number: int, chosen: Iterable[tuple[str, str | int]]) -> None:
    group, name, loss = CASES[number]
    x, y, model = group[name]()
    for precondition, batch_size in chosen:
        fit = fitted(
            x, y, model=model, loss=loss, optimizer="sgd", batch_size=batch_size, precondition=precondition,
            max_steps=300 if batch_size == 1 else 40,
        )  # fmt: skip
        case = f"{precondition}, {batch_size}: lr={fit.lr}"
        assert fit.status is not Status.DIVERGED, case
        assert np.isfinite(fit.theta).all(), case
        assert np.isfinite(fit.trace.loss).all(), case
        start, end = fit.trace.objective[[0, -1]]
        assert end <= start * (1.0 if batch_size == "full" else 1.05), case


@pytest.mark.parametrize("number", range(len(CASES)), ids=NAMES)
def test_sgd_at_the_automatic_rate_never_diverges(number):
    """Each batch size, the coordinates taking turns: three problems after one another meet every pair."""
    never_diverges(number, [(COORDINATES[(number + at) % 3], size) for at, size in enumerate(BATCHES)])


@pytest.mark.soak
@pytest.mark.parametrize("number", range(len(CASES)), ids=NAMES)
def test_sgd_at_the_automatic_rate_never_diverges_in_any_coordinates(number):
    never_diverges(number, product(COORDINATES, BATCHES))


@pytest.mark.parametrize("penalty", ["l1:0.1", "l2:10", "elastic:0.1,10"])
@pytest.mark.parametrize("loss", ["mse", "l1", "huber:1"])
def test_penalties_and_momentum_hold_too(loss, penalty):
    x, y, model = zoo.REGRESSION["linnerud waist"]()
    for optimizer in ("sgd", "momentum:0.9", "nesterov:0.9"):
        for batch_size in ("full", 1):
            fit = fitted(
                x, y, model=model, loss=loss, penalty=penalty, optimizer=optimizer, batch_size=batch_size,
                precondition="standardize", max_steps=300,
            )  # fmt: skip
            start, end = fit.trace.objective[[0, -1]]
            assert end <= 1.05 * start, (optimizer, batch_size, fit.lr)


# ---- the rates themselves ------------------------------------------------------------------------

BOUNDS = {"mse": 2.0, "huber:1": 1.0, "logistic": 0.25, "cross_entropy": 0.5}


def small(loss):
    random = np.random.default_rng(5)
    x = random.normal(size=(30, 3)) * [1.0, 10.0, 0.1]
    y = x[:, 0] + random.normal(size=30)
    return x, (y > 0).astype(int) if loss in ("logistic", "cross_entropy") else y


@pytest.mark.parametrize("loss", BOUNDS)
def test_full_batch_rate_is_one_over_the_bound_on_curvature(loss):
    x, y = small(loss)
    design = np.column_stack([np.ones(30), x])
    steepest = BOUNDS[loss] * np.linalg.eigvalsh(design.T @ design / 30)[-1]
    fit = st.fit(x, y, loss=loss, optimizer="sgd", precondition="none", max_steps=1)
    assert fit.lr == pytest.approx(1 / steepest, rel=1e-12)


@pytest.mark.parametrize("batch_size", [1, 4, 29])
@pytest.mark.parametrize("loss", BOUNDS)
def test_minibatch_rate_is_that_of_expected_smoothness(loss, batch_size):
    """Gower et al. 2019, SGD: general analysis and improved rates: L_b for sampling without replacement."""
    x, y = small(loss)
    design = np.column_stack([np.ones(30), x])
    n, b = 30, batch_size
    whole = BOUNDS[loss] * np.linalg.eigvalsh(design.T @ design / n)[-1]
    row = BOUNDS[loss] * max(a @ a for a in design)
    expected = n * (b - 1) / (b * (n - 1)) * whole + (n - b) / (b * (n - 1)) * row
    fit = st.fit(x, y, loss=loss, optimizer="sgd", precondition="none", batch_size=b, max_steps=1)
    assert fit.lr == pytest.approx(1 / (2 * expected), rel=1e-12)


def test_ridge_is_counted_into_the_rate():
    x, y = small("mse")
    design = np.column_stack([np.ones(30), x])
    steepest = 2 * np.linalg.eigvalsh(design.T @ design / 30)[-1] + 2 * 50.0
    fit = st.fit(x, y, optimizer="sgd", penalty="l2:50", precondition="none", max_steps=1)
    assert fit.lr == pytest.approx(1 / steepest, rel=1e-12)


def test_weights_are_counted_into_the_rate():
    x, y = small("mse")
    weights = np.random.default_rng(0).uniform(0, 3, size=30)
    design = np.column_stack([np.ones(30), x])
    share = weights / weights.sum()
    whole = 2 * np.linalg.eigvalsh((design.T * share) @ design)[-1]
    row = 2 * max(30 * s * (a @ a) for s, a in zip(share, design, strict=True))
    settings = {"optimizer": "sgd", "precondition": "none", "max_steps": 1, "weights": weights}
    assert st.fit(x, y, **settings).lr == pytest.approx(1 / whole, rel=1e-12)
    assert st.fit(x, y, batch_size=1, **settings).lr == pytest.approx(1 / (2 * row), rel=1e-12)


def test_kinked_losses_never_take_more_than_the_polyak_step():
    """F(0)/G², with G² = λ_max(AᵀA/n) for the full batch and the mean of ‖a‖² for single rows."""
    x, y = small("mse")
    design = np.column_stack([np.ones(30), x])
    for batch_size, square in (
        ("full", np.linalg.eigvalsh(design.T @ design / 30)[-1]),
        (1, np.mean((design**2).sum(1))),
    ):
        fit = st.fit(x, y, loss="l1", optimizer="sgd", precondition="none", batch_size=batch_size, max_steps=50)
        share = fit.lr * square / np.abs(y).mean()
        assert np.isclose(share, [1e-3, 10**-2.5, 1e-2, 10**-1.5, 1e-1, 10**-0.5, 1.0]).sum() == 1
        assert fit.schedule == "cosine"


# ---- the table, row by row -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def line():
    random = np.random.default_rng(0)
    x = random.normal(size=(40, 2))
    return x, x.sum(1) + random.normal(size=40)


@pytest.mark.parametrize(("labels", "loss"), [(None, "mse"), ("ab", "logistic"), ("abc", "cross_entropy")])
def test_loss_auto_follows_the_target(line, labels, loss):
    x, y = line
    target = y if labels is None else np.array(list(labels))[np.arange(40) % len(labels)]
    assert str(st.fit(x, target, max_steps=1).loss_function) == loss


@pytest.mark.parametrize(("model", "loss"), [("logistic", "logistic"), ("softmax", "cross_entropy")])
def test_loss_auto_follows_the_alias(line, model, loss):
    x, y = line
    assert str(st.fit(x, (y > 0).astype(int), model=model, max_steps=1).loss_function) == loss


MODULE = nn.Linear(2, 1).double()

DECISIONS = [
    # settings, optimizer, precondition, schedule
    ({}, "curvature steps (auto)", "local curvature", "constant"),
    ({"lr": 0.1}, "sgd", "none", "constant"),
    ({"lr": 0.1, "batch_size": 8}, "sgd", "none", "constant"),
    ({"lr": 0.1, "precondition": "standardize"}, "sgd", "standardize", "constant"),
    ({"batch_size": 8}, "sgd", "orthonormal", "cosine"),
    ({"batch_size": 8, "penalty": "l1:0.1"}, "sgd", "standardize", "cosine"),
    ({"optimizer": "sgd"}, "sgd", "orthonormal", "constant"),
    ({"optimizer": "sgd", "loss": "l1"}, "sgd", "orthonormal", "cosine"),
    ({"optimizer": "sgd", "loss": "quantile:0.9"}, "sgd", "orthonormal", "cosine"),
    ({"optimizer": "momentum:0.9"}, "momentum:0.9", "orthonormal", "constant"),
    ({"optimizer": "adam"}, "adam", "orthonormal", "cosine"),
    ({"optimizer": "adam", "lr": 0.1}, "adam", "none", "constant"),
    ({"optimizer": "adam", "lr": 0.1, "loss": "l1"}, "adam", "none", "constant"),
    ({"optimizer": "sgd", "schedule": "inverse"}, "sgd", "orthonormal", "inverse"),
    ({"optimizer": torch.optim.RMSprop, "lr": 0.1}, "RMSprop", "none", "constant"),
    ({"precondition": "standardize"}, "accelerated (auto)", "standardize", "constant"),
    ({"precondition": "none", "penalty": "l1:0.1"}, "accelerated (auto)", "none", "constant"),
    ({"model": MODULE}, "adam", "standardize", "cosine"),
    ({"model": MODULE, "lr": 0.1}, "sgd", "none", "constant"),
    ({"model": "mlp:4"}, "adam", "standardize", "cosine"),
]


@pytest.mark.parametrize(("settings", "optimizer", "precondition", "schedule"), DECISIONS, ids=str)
def test_decisions(line, settings, optimizer, precondition, schedule):
    fit = st.fit(*line, max_steps=3, **settings)
    assert (fit.optimizer, fit.precondition, fit.schedule) == (optimizer, precondition, schedule)


def test_a_loss_of_ones_own_descends_by_a_quasi_newton_method(line):
    fit = st.fit(*line, loss=lambda prediction, target: (prediction - target).abs() ** 1.5)
    assert (fit.optimizer, fit.precondition) == ("L-BFGS (auto)", "orthonormal")


def test_a_number_for_lr_is_a_rate_in_user_units(line):
    """One step from zero is −lr times the gradient there, whatever the columns are."""
    x, y = line
    fit = st.fit(x, y, lr=0.01, max_steps=1)
    design = np.column_stack([np.ones(40), x])
    assert fit.theta == pytest.approx(0.01 * 2 * design.T @ y / 40, rel=1e-12)


def test_orthonormal_coordinates_are_refused_where_they_cannot_serve(line):
    with pytest.raises(SpecError, match="Use precondition='standardize'"):
        st.fit(*line, optimizer="sgd", penalty="l1:0.1", precondition="orthonormal")
    with pytest.raises(SpecError, match="use 'standardize' or 'none'"):
        st.fit(*line, model=MODULE, precondition="orthonormal")


@pytest.mark.parametrize(
    ("settings", "steps", "epochs"),
    [
        ({"lr": 0.01}, 1000, 1000),
        ({"lr": 0.01, "epochs": 7}, 7, 7),
        ({"lr": 0.01, "epochs": 7, "batch_size": 15}, 21, 7),
        ({"lr": 0.01, "epochs": 7, "batch_size": 15, "max_steps": 5}, 5, 2),
        ({"lr": 0.01, "max_steps": 5}, 5, 5),
        ({"lr": 0.01, "batch_size": 10}, 400, 100),
        ({"lr": 0.01, "batch_size": 100, "epochs": 3}, 3, 3),
    ],
)
def test_how_long_a_descent_is(line, settings, steps, epochs):
    fit = st.fit(*line, **settings)
    assert (fit.steps, fit.epochs) == (steps, epochs)
