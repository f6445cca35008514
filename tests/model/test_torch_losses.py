"""Every loss against autograd, its slope and curvature, and against other libraries, its value."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.special
import sklearn.metrics
import torch
from statsmodels.robust.norms import TukeyBiweight

from steepest.errors import SpecError
from steepest.model.custom_loss import Custom
from steepest.model.penalties import Penalty, penalty
from steepest.model.torch_losses import loss

ROWS = 40
CURVED = ["mse", "huber:0.7", "huber:1.35", "expectile:0.8", "logcosh", "logistic", "cross_entropy"]
CURVED += ["squared_hinge", "modified_huber", "cauchy:0.7", "tukey:2.5"]
NAMES = [*CURVED, "l1", "hinge", "epsilon_insensitive:0.5", "quantile:0.5", "quantile:0.99", "quantile:0.03"]


def _sample(name: str, seed: int = 0, scale: float = 2.0) -> tuple[torch.Tensor, torch.Tensor]:
    """Predictions and targets that suit a loss, float64; four classes for `cross_entropy`."""
    random = torch.Generator().manual_seed(seed)
    if loss(name).coupled:
        prediction = scale * torch.randn(ROWS, 4, generator=random, dtype=torch.float64)
        return prediction, torch.randint(4, (ROWS,), generator=random)
    prediction = scale * torch.randn(ROWS, generator=random, dtype=torch.float64)
    if loss(name).classes:
        return prediction, torch.randint(2, (ROWS,), generator=random).to(torch.float64)
    return prediction, scale * torch.randn(ROWS, generator=random, dtype=torch.float64)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("scale", [2.0, 30.0, 1e-6])
def test_slope_is_the_gradient_that_autograd_finds(name, scale):
    prediction, target = _sample(name, scale=scale)
    prediction.requires_grad_()
    (slope,) = torch.autograd.grad(loss(name).rows(prediction, target).sum(), prediction)
    torch.testing.assert_close(loss(name).slope(prediction.detach(), target), slope, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", CURVED)
def test_curvature_is_the_gradient_of_the_slope(name):
    prediction, target = _sample(name)

    def one_row(row: int) -> torch.Tensor:
        def slope(f: torch.Tensor) -> torch.Tensor:
            return loss(name).slope(f[None], target[row : row + 1])[0]

        return torch.func.jacrev(slope)(prediction[row])

    expected = torch.stack([one_row(row) for row in range(ROWS)])
    torch.testing.assert_close(loss(name).curvature(prediction, target), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_a_leading_axis_of_runs_changes_nothing(name):
    prediction, target = _sample(name)
    runs = torch.stack([prediction, 0.5 * prediction, -prediction])
    for method in ("rows", "slope"):
        together = getattr(loss(name), method)(runs, target)
        alone = torch.stack([getattr(loss(name), method)(run, target) for run in runs])
        torch.testing.assert_close(together, alone, rtol=1e-14, atol=0)  # vectorised tails round differently


@pytest.mark.parametrize("name", [*CURVED, "expectile:0.1"])
def test_no_curvature_is_above_the_bound(name):
    prediction, target = _sample(name, scale=1e-3)  # flat logits, where the curvature of classes is largest
    curvature = loss(name).curvature(prediction, target)
    largest = torch.linalg.eigvalsh(curvature).max() if curvature.ndim == 3 else curvature.max()
    assert 0.45 * loss(name).bound <= float(largest) <= loss(name).bound * (1 + 1e-12)


def test_several_targets_are_averaged():
    random = np.random.default_rng(1)
    y, f = random.normal(size=(ROWS, 3)), random.normal(size=(ROWS, 3))
    target, prediction = torch.from_numpy(y), torch.from_numpy(f).requires_grad_()
    mean = loss("mse").rows(prediction, target).mean()
    assert mean.item() == pytest.approx(sklearn.metrics.mean_squared_error(y, f), rel=1e-14)
    (slope,) = torch.autograd.grad(mean, prediction)
    torch.testing.assert_close(loss("mse").slope(prediction.detach(), target) / ROWS, slope, rtol=1e-14, atol=0)


def test_values_are_those_of_scipy_and_sklearn():
    for name in NAMES:
        prediction, target = _sample(name)
        f, y = prediction.numpy(), target.numpy()
        kind, _, number = name.partition(":")
        expected = {
            "mse": lambda y, f, _: sklearn.metrics.mean_squared_error(y, f),
            "l1": lambda y, f, _: sklearn.metrics.mean_absolute_error(y, f),
            "huber": lambda y, f, width: scipy.special.huber(width, y - f).mean(),
            "expectile": lambda y, f, level: np.mean(np.abs(level - (y < f)) * (y - f) ** 2),  # Newey and Powell 1987
            "logcosh": lambda y, f, _: np.log(np.cosh(y - f)).mean(),
            "quantile": lambda y, f, level: sklearn.metrics.mean_pinball_loss(y, f, alpha=level),
            "logistic": lambda y, f, _: sklearn.metrics.log_loss(y, scipy.special.expit(f)),
            # sklearn.linear_model.SGDClassifier's user guide
            "squared_hinge": lambda y, f, _: np.mean(np.maximum(0, 1 - (2 * y - 1) * f) ** 2),
            "cauchy": lambda y, f, width: (
                0.5 * width**2 * np.mean(np.log1p(((y - f) / width) ** 2))
            ),  # scipy's least_squares
            "tukey": lambda y, f, width: TukeyBiweight(width).rho(y - f).mean(),
            "hinge": lambda y, f, _: sklearn.metrics.hinge_loss(y, f),
            "epsilon_insensitive": lambda y, f, width: np.mean(np.maximum(0, np.abs(y - f) - width)),
            "modified_huber": lambda y, f, _: np.mean(
                np.where((2 * y - 1) * f >= -1, np.maximum(0, 1 - (2 * y - 1) * f) ** 2, -4 * (2 * y - 1) * f)
            ),
            "cross_entropy": lambda y, f, _: sklearn.metrics.log_loss(y, scipy.special.softmax(f, axis=1)),
        }[kind](y, f, float(number or 0))
        assert loss(name).rows(prediction, target).mean().item() == pytest.approx(expected, rel=1e-12)


def test_a_residual_of_exactly_zero_takes_the_middle_slope():
    zero = torch.zeros(1, dtype=torch.float64)
    for name, middle in [("l1", 0.0), ("quantile:0.5", 0.0), ("quantile:0.9", -0.4), ("quantile:0.2", 0.3)]:
        assert loss(name).slope(zero, zero).item() == pytest.approx(middle, abs=1e-15)
        free = zero.clone().requires_grad_()
        (slope,) = torch.autograd.grad(loss(name).rows(free, zero).sum(), free)
        assert slope.item() == pytest.approx(middle, abs=1e-15)


def test_logits_of_800_neither_overflow_nor_lose_the_loss():
    far = torch.tensor([-800.0, 800.0, -800.0, 800.0, 25.0], dtype=torch.float64)
    target = torch.tensor([0.0, 0.0, 1.0, 1.0, 0.0], dtype=torch.float64)
    logistic = loss("logistic")
    torch.testing.assert_close(
        logistic.rows(far, target),
        torch.tensor([0.0, 800.0, 800.0, 0.0, np.logaddexp(0.0, 25.0)], dtype=torch.float64),
        rtol=1e-15,
        atol=1e-300,
    )
    slopes = torch.tensor([0.0, 1.0, -1.0, 0.0, scipy.special.expit(25.0)], dtype=torch.float64)
    torch.testing.assert_close(logistic.slope(far, target), slopes, rtol=1e-15, atol=1e-300)
    assert torch.isfinite(logistic.curvature(far, target)).all()

    wide = torch.tensor([[800.0, -800.0, 0.0], [-800.0, 800.0, 0.0]], dtype=torch.float64)
    codes = torch.tensor([0, 0])
    entropy = loss("cross_entropy")
    assert entropy.rows(wide, codes).tolist() == [0.0, 1600.0]
    assert entropy.slope(wide, codes).tolist() == [[0.0, 0.0, 0.0], [-1.0, 1.0, 0.0]]
    assert torch.isfinite(entropy.curvature(wide, codes)).all()


def test_slopes_keep_their_digits_where_the_classes_are_certain():
    # sigmoid(−40) = 4.2e-18 is lost in 1 − sigmoid(40)
    tail = scipy.special.expit(-40.0)
    sure = torch.tensor([40.0], dtype=torch.float64)
    one = torch.ones(1, dtype=torch.float64)
    assert loss("logistic").slope(sure, one).item() == pytest.approx(-tail, rel=1e-14)
    assert loss("logistic").rows(sure, one).item() == pytest.approx(tail, rel=1e-14)
    two = torch.tensor([[0.0, 40.0]], dtype=torch.float64)
    assert loss("cross_entropy").slope(two, torch.tensor([1]))[0].tolist() == pytest.approx([tail, -tail], rel=1e-14)


def test_a_callable_is_a_loss_whose_slope_is_autograds():
    def fourth_power(prediction, target):
        return (prediction - target) ** 4

    def their_mean(prediction, target):
        return fourth_power(prediction, target).mean()

    prediction, target = _sample("mse")
    for function in (fourth_power, their_mean):
        found = loss(function)
        assert isinstance(found, Custom)
        assert str(found) == function.__name__
        with torch.no_grad():
            slope = found.slope(prediction, target)
        torch.testing.assert_close(slope, 4 * (prediction - target) ** 3, rtol=1e-13, atol=0)


def test_names_are_read_and_written_alike():
    for name in NAMES:
        assert str(loss(name)) == name
        assert loss(loss(name)) is not None
    with pytest.raises(SpecError, match="depends on the target"):
        loss("auto")
    with pytest.raises(SpecError, match="l1 has no second derivative"):
        loss("l1").curvature(*_sample("l1"))


def test_penalties_are_read():
    assert penalty(None) == penalty("none") == Penalty()
    assert not penalty("none")
    assert penalty("l1:0.5") == Penalty(l1=0.5)
    assert penalty("l2:0.5") == Penalty(l2=0.5)
    assert penalty("elastic:0.1,0.5") == Penalty(l1=0.1, l2=0.5)
