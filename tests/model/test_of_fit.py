"""The objective, predictions and losses of a fit on rows: against the fit's own numbers and against formulas written out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from steepest.errors import FitError
from steepest.fitting import fit
from steepest.model.of_fit import mean_loss, module_objective, objective_of, row_losses, tensors

RANDOM = np.random.default_rng(3)
X = RANDOM.normal(size=(40, 2))
Y = X @ [2.0, -1.0] + 0.5 + 0.1 * RANDOM.normal(size=40)
CLASSES = np.where(X[:, 0] + 0.5 * RANDOM.normal(size=40) > 0, "yes", "no")


def _net(outputs: int) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, outputs)).double()


def _of_my_own(scores: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
    return nn.functional.nll_loss(torch.log_softmax(scores, -1), codes, reduction="none")


@pytest.mark.parametrize("model", ["linear", _net(1)])
def test_the_objective_is_the_mean_loss_with_the_penalty(model):
    found = fit(X, Y, model=model, penalty="l2:0.01", weights=np.arange(1.0, 41.0), epochs=20)
    objective = objective_of(found)
    theta = torch.as_tensor(found.theta)
    weights = np.arange(1.0, 41.0) / 20.5
    free = ["bias" not in name and name != "intercept" for name in found.names]
    expected = np.mean(weights * (found.predict(X) - Y) ** 2) + 0.01 * np.sum(found.theta[free] ** 2)
    assert float(objective.value(theta) + objective.penalty(theta)) == pytest.approx(expected, rel=1e-12)


def test_other_rows_and_another_loss():
    found = fit(X, Y, model=_net(1), epochs=5)
    assert found.train is not None
    few = found.train.take(np.arange(7))
    objective = module_objective(found, few, loss=fit(X, Y, loss="l1").loss_function)
    expected = np.mean(np.abs(found.predict(X[:7]) - Y[:7]))
    assert float(objective.value(torch.as_tensor(found.theta))) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("loss", "kind"), [("logistic", torch.float64), ("cross_entropy", torch.int64), (_of_my_own, torch.int64)]
)
def test_class_codes_are_whole_numbers_for_losses_that_take_them(loss, kind):
    found = fit(X, CLASSES, model=_net(1 if loss == "logistic" else 2), loss=loss, epochs=5)
    assert found.train is not None
    _, y, _ = tensors(found.train, found.loss_function, torch.float32)
    assert y.dtype == (torch.int64 if kind is torch.int64 else torch.float32)
    assert objective_of(found).y.dtype == kind  # pyrefly: ignore


def test_a_loss_of_ones_own_on_classes_is_drawn_and_examined_as_it_was_fitted():
    found = fit(X, CLASSES, model=_net(2), loss=_of_my_own, epochs=30)
    same = fit(X, CLASSES, model=_net(2), loss="cross_entropy", epochs=30)
    assert found.theta == pytest.approx(same.theta, rel=1e-9)
    assert found.objective(found.theta)[0] == pytest.approx(same.objective(same.theta)[0], rel=1e-9)
    assert found.sharpness().largest == pytest.approx(same.sharpness().largest, rel=1e-6)


def test_losses_of_rows_have_the_fits_mean():
    found = fit(X, Y, weights=np.arange(1.0, 41.0), test_fraction=0.25)
    assert found.test is not None
    each = row_losses(found, found.test, found.theta)
    assert each.mean() == pytest.approx(found.test_loss, rel=1e-12)
    assert mean_loss(found, found.test, found.theta) == found.test_loss


def test_a_fit_without_rows_has_no_objective(tmp_path):
    found = fit(X, Y, model=_net(1), epochs=2)
    found.train = None
    with pytest.raises(FitError, match="not its data"):
        objective_of(found)
