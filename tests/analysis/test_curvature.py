"""Curvature against torch's Hessian, NumPy's eigenvalues and descents that hold or blow up."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from steepest.analysis import curvature
from steepest.analysis.curvature import (
    hessian,
    hessian_times,
    leading_eigenvalues,
    smoothness,
)
from steepest.errors import SpecError
from steepest.model.linear import LinearProblem
from steepest.model.penalties import penalty
from steepest.model.torch_losses import loss

LOSSES = {"mse": 1, "huber:1": 1, "logistic": 1, "cross_entropy": 3}


def make(loss_name="mse", penalty_name="none", *, outputs=1, n=40, p=5, weighted=True, scale=1.0):
    random = np.random.default_rng(3)
    design = np.column_stack([np.ones(n), scale * random.standard_normal((n, p - 1))])
    target = random.standard_normal((n, outputs)) if outputs > 1 else random.standard_normal(n)
    if loss_name == "logistic":
        target = (target > 0).astype(float)
    if loss_name == "cross_entropy":
        target = random.integers(0, outputs, n)
    weights = random.uniform(0.2, 3.0, n)
    return LinearProblem(
        design, target, loss(loss_name), penalty(penalty_name), True,
        weights / weights.mean() if weighted else None, outputs,
    )  # fmt: skip


def by_torch(problem):
    """The objective as a function of θ that torch can differentiate."""
    design, target = torch.from_numpy(problem.design), torch.from_numpy(problem.target)
    weights = torch.from_numpy(problem.weights)

    def objective(theta):
        prediction = design @ theta.reshape(problem.outputs, -1).T
        prediction = prediction if problem.outputs > 1 else prediction[:, 0]
        mean = (weights * problem.loss.rows(prediction, target)).mean()
        return mean + problem.penalty.l2 * (torch.from_numpy(problem.penalised) * theta**2).sum()

    return objective


@pytest.mark.parametrize(("loss_name", "outputs"), [("mse", 1), ("mse", 2), ("logistic", 1), ("cross_entropy", 3)])
@pytest.mark.parametrize("penalty_name", ["none", "l2:0.3"])
def test_the_hessian_is_that_of_autograd(loss_name, outputs, penalty_name):
    problem = make(loss_name, penalty_name, outputs=outputs)
    theta = np.random.default_rng(0).standard_normal(problem.parameters)
    expected = torch.autograd.functional.hessian(by_torch(problem), torch.from_numpy(theta)).numpy()
    np.testing.assert_allclose(hessian(problem, theta), expected, rtol=1e-10, atol=1e-13)


def test_the_hessian_of_huber_counts_the_rows_within_its_zone():
    problem = make("huber:1")
    theta = np.full(5, 0.2)
    inside = np.abs(problem.design @ theta - problem.target) <= 1.0
    assert 0 < inside.sum() < 40
    rows = problem.design[inside]
    expected = (rows * problem.weights[inside, None]).T @ rows / 40
    np.testing.assert_allclose(hessian(problem, theta), expected, rtol=1e-12)


@pytest.mark.parametrize(("loss_name", "outputs"), [*LOSSES.items(), ("mse", 2)])
def test_the_bound_holds_at_every_theta(loss_name, outputs):
    problem = make(loss_name, "l2:0.3", outputs=outputs)
    random = np.random.default_rng(0)
    for size in (0.0, 0.1, 1.0, 10.0):
        theta = size * random.standard_normal(problem.parameters)
        assert np.linalg.eigvalsh(hessian(problem, theta))[-1] <= smoothness(problem) * (1 + 1e-12)


@pytest.mark.parametrize("outputs", [1, 2])
def test_the_bound_of_squares_is_sharp(outputs):
    problem = make("mse", outputs=outputs)
    at_zero = np.linalg.eigvalsh(hessian(problem, np.zeros(problem.parameters)))[-1]
    assert smoothness(problem) == pytest.approx(at_zero, rel=1e-12)


def test_the_constants_on_a_column_of_ones():
    # AᵀA/n = 1, so L is the constant itself
    ones = np.ones((4, 1))

    def bound(name, target, outputs=1):
        return smoothness(LinearProblem(ones, target, loss(name), outputs=outputs))

    assert bound("mse", np.zeros(4)) == pytest.approx(2.0)
    assert bound("mse", np.zeros((4, 5)), 5) == pytest.approx(2.0 / 5.0)
    assert bound("huber:3", np.zeros(4)) == pytest.approx(1.0)
    assert bound("logistic", np.zeros(4)) == pytest.approx(0.25)
    assert bound("cross_entropy", np.zeros(4, np.int64), 2) == pytest.approx(0.5)
    assert bound("l1", np.zeros(4)) == np.inf
    assert bound("quantile:0.9", np.zeros(4)) == np.inf


def test_expected_smoothness_worked_by_hand():
    # A = diag(1, 2, 3): λ_max(AᵀA/3) = 9/3, L = 6, max L_i = 18, n = 3, b = 2: L_b = 3/4·6 + 1/4·18 = 9
    problem = LinearProblem(np.diag([1.0, 2.0, 3.0]), np.zeros(3), loss("mse"), intercept=False)
    assert smoothness(problem) == pytest.approx(6.0)
    assert smoothness(problem, 2) == pytest.approx(9.0)
    assert smoothness(problem, 1) == pytest.approx(18.0)
    assert smoothness(problem, 3) == smoothness(problem, 99) == pytest.approx(6.0)


def test_a_ridge_is_counted_once():
    plain, ridge = make(), make("mse", "l2:0.3")
    for size in (None, 1, 7):
        assert smoothness(ridge, size) == pytest.approx(smoothness(plain, size) + 0.6)


def test_a_weight_makes_its_row_steeper():
    design, weights = np.array([[1.0], [1.0]]), np.array([0.5, 1.5])
    problem = LinearProblem(design, np.zeros(2), loss("mse"), intercept=False, weights=weights)
    assert smoothness(problem) == pytest.approx(2.0)
    assert smoothness(problem, 1) == pytest.approx(3.0)


@pytest.mark.parametrize(("loss_name", "outputs"), [*LOSSES.items(), ("mse", 2)])
def test_lanczos_finds_the_same_leading_eigenvalues(loss_name, outputs, monkeypatch):
    problem = make(loss_name, "l2:0.01", outputs=outputs, p=12)
    theta = np.full(problem.parameters, 0.1)
    exact, _ = leading_eigenvalues(problem, theta, 3)
    np.testing.assert_allclose(exact, np.linalg.eigvalsh(hessian(problem, theta))[::-1][:3], rtol=1e-12)
    monkeypatch.setattr(curvature, "MOST_DENSE", 3)
    values, vectors = leading_eigenvalues(problem, theta, 3)
    np.testing.assert_allclose(values, exact, rtol=1e-9)
    assert vectors.shape == (problem.parameters, 3)
    for value, vector in zip(values, vectors.T, strict=True):
        np.testing.assert_allclose(hessian_times(problem, theta)(vector), value * vector, atol=1e-8)


def test_many_columns_take_lanczos_and_stay_a_bound(monkeypatch):
    problem = make("mse", p=30)
    sharp = smoothness(problem)
    monkeypatch.setattr(curvature, "MOST_GRAM", 10)
    assert sharp <= smoothness(problem) <= sharp * (1 + 1e-5)


def test_more_columns_than_rows():
    problem = make("mse", n=10, p=30)
    sharp = np.linalg.eigvalsh(hessian(problem, np.zeros(30)))[-1]
    assert smoothness(problem) == pytest.approx(sharp, rel=1e-12)


@pytest.mark.parametrize("loss_name", ["l1", "quantile:0.9"])
def test_a_loss_with_a_kink_has_no_hessian(loss_name):
    with pytest.raises(SpecError, match="has no second derivative"):
        hessian(make(loss_name), np.zeros(5))


@pytest.mark.parametrize("weighted", [False, True])
def test_a_tall_design_in_blocks_has_the_bound_of_its_largest_singular_value(weighted):
    random = np.random.default_rng(3)
    design = random.standard_normal((60_000, 10)) + 0.5
    weights = random.uniform(0.1, 2.0, 60_000) if weighted else np.ones(60_000)
    weights /= weights.mean()
    found = curvature.smoothness(
        LinearProblem(design, design[:, 0], loss("mse"), intercept=False, weights=weights if weighted else None)
    )
    largest = np.linalg.norm(design * np.sqrt(weights)[:, None], 2) ** 2
    np.testing.assert_allclose(found, 2.0 * largest / 60_000, rtol=1e-12)
