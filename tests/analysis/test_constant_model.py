"""The constant model's loss is that of closed forms."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from steepest.analysis.constant_model import constant_loss
from steepest.model.module_objective import ModuleObjective
from steepest.model.torch_losses import loss

Y = np.array([0.0, 1.0, 1.0, 2.0, 9.0])
CODES = np.array([0, 0, 0, 1, 2, 2])
SHARES = np.array([3, 1, 2]) / 6
ENTROPY = -np.sum(SHARES * np.log(SHARES))


def own(prediction, target):
    return ((prediction - target) ** 2).mean()


@pytest.mark.parametrize(
    ("name", "target", "outputs", "least"),
    [
        ("mse", Y, 1, np.var(Y)),
        (own, Y, 1, np.var(Y)),
        ("l1", Y, 1, np.mean(np.abs(Y - 1.0))),
        ("cross_entropy", CODES, 3, ENTROPY),
        ("logistic", (CODES == 1).astype(float), 1, -(np.log(1 / 6) / 6 + 5 * np.log(5 / 6) / 6)),
        (nn.CrossEntropyLoss(), CODES, 3, ENTROPY),
        (nn.MSELoss(), np.column_stack([Y, 2 * Y]), 2, 2.5 * np.var(Y)),
    ],
)
def test_least_loss(name, target, outputs, least):
    y = torch.as_tensor(target)
    objective = ModuleObjective(nn.Linear(2, outputs).double(), loss(name), torch.randn(len(y), 2).double(), y)
    assert constant_loss(objective) == pytest.approx(least, rel=1e-3)
