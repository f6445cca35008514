"""What a module ends in, and linear layers upon one another, are told however the module is written."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import steepest as st
from steepest.analysis.finding import Kind

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(200, 2))
Y = X[:, 0] ** 2 + X[:, 1] - 1 + 0.1 * RANDOM.normal(size=200)
CLASSES = (X[:, 0] + RANDOM.logistic(size=200) > 0).astype(int)
THREE = np.digitize(X[:, 0] + 0.2 * RANDOM.logistic(size=200), [-1.0, 1.0])


class Functional(nn.Module):
    """Two layers; the activations are functions of `forward`."""

    def __init__(self, end, outputs=1):
        super().__init__()
        self.first, self.second, self.end = nn.Linear(2, 8), nn.Linear(8, outputs), end

    def forward(self, x):
        found = self.end(self.second(torch.tanh(self.first(x))))
        return found.squeeze(-1) if found.shape[1] == 1 else found


class Nested(nn.Module):
    """The same in modules within modules."""

    def __init__(self, end, outputs=1):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(2, 8), nn.Sequential(nn.Tanh(), nn.Linear(8, outputs)))
        self.end = end

    def forward(self, x):
        return self.end(self.body(x))


def sequential(end, outputs=1):
    return nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, outputs), end)


def found(make, y, **settings):
    torch.manual_seed(0)
    fit = st.fit(X, y, model=make(), **({"epochs": 80, "lr": 0.05, "optimizer": "adam"} | settings))
    return fit, {finding.kind: finding for finding in fit.diagnose()}


@pytest.mark.parametrize(
    "make",
    [
        lambda: sequential(nn.Sigmoid()),
        lambda: Nested(nn.Sigmoid()),
        lambda: Functional(torch.sigmoid),
        lambda: Functional(lambda z: z.sigmoid()),
        lambda: Functional(F.hardsigmoid),
        lambda: sequential(nn.Softmax(dim=1)),
        lambda: sequential(nn.Tanh()),
        lambda: sequential(nn.ReLU()),
    ],
)
def test_no_activation_stands_before_the_logistic_loss(make):
    fit, kinds = found(make, CLASSES, loss="logistic")
    finding = next(iter(fit.diagnose()))
    assert finding.kind is Kind.OUTPUT
    assert "logistic loss" in finding.what
    assert "log-odds" in finding.what
    assert finding.advice.startswith("End the module in its linear layer")
    assert finding.remedy == {}
    assert Kind.RATE_TOO_LOW not in kinds


def test_what_the_module_would_reach_without_its_last_layer_is_tried():
    _, kinds = found(lambda: Nested(nn.Softmax(dim=1), 3), THREE, loss="cross_entropy")
    promised = float(re.search(r"objective is ([\d.]+) instead", kinds[Kind.OUTPUT].predicted)[1])
    fit, kinds = found(lambda: Nested(nn.Identity(), 3), THREE, loss="cross_entropy")
    assert fit.loss == pytest.approx(promised, rel=0.01)
    assert Kind.OUTPUT not in kinds


@pytest.mark.parametrize(
    ("loss", "end", "outputs", "y"),
    [(nn.CrossEntropyLoss(), nn.Softmax(dim=1), 3, THREE), (F.cross_entropy, nn.Softmax(dim=1), 3, THREE),
     (nn.BCEWithLogitsLoss(), nn.Sigmoid(), 1, CLASSES)],
)  # fmt: skip
def test_the_losses_of_pytorch_are_known_too(loss, end, outputs, y):
    _, kinds = found(lambda: Nested(end, outputs), y, loss=loss)
    assert Kind.OUTPUT in kinds


def test_a_sigmoid_before_a_loss_of_probabilities_is_right():
    _, kinds = found(lambda: sequential(nn.Sigmoid()), CLASSES, loss=nn.BCELoss())
    assert Kind.OUTPUT not in kinds


def test_scores_may_be_logarithms_of_probabilities():
    fit, kinds = found(lambda: sequential(nn.LogSoftmax(dim=1), 3), THREE, loss="cross_entropy")
    assert fit.loss < np.log(3)
    assert Kind.OUTPUT not in kinds


@pytest.mark.parametrize(
    ("make", "least", "most"),
    [
        (lambda: sequential(nn.ReLU()), 0.0, np.inf),
        (lambda: Functional(F.relu), 0.0, np.inf),
        (lambda: sequential(nn.Sigmoid()), 0.0, 1.0),
        (lambda: Nested(nn.Tanh()), -1.0, 1.0),
        (lambda: sequential(nn.ReLU6()), 0.0, 6.0),
        (lambda: sequential(nn.Hardtanh(-2.0, 2.0)), -2.0, 2.0),
    ],
)
def test_targets_beyond_the_range_of_the_output_are_counted(make, least, most):
    _, kinds = found(make, Y)
    outside = np.mean((least > Y) | (most < Y))
    assert kinds[Kind.OUTPUT].evidence.startswith(f"{outside:.0%} of the rows have a target outside")
    # targets within it are none
    within = np.clip(Y, least, most)
    _, kinds = found(make, within)
    assert Kind.OUTPUT not in kinds


def test_a_softmax_of_one_number_never_changes():
    _, kinds = found(lambda: sequential(nn.Softmax(dim=1)), 0.5 + 0.1 * np.tanh(Y))
    assert "always 1" in kinds[Kind.OUTPUT].what


@pytest.mark.parametrize("between", [nn.Identity, nn.Dropout, lambda: nn.BatchNorm1d(16)])
def test_linear_layers_upon_one_another_are_one(between):
    def make():
        return nn.Sequential(nn.Linear(2, 16), between(), nn.Linear(16, 1))

    fit, kinds = found(make, Y)
    assert Kind.UNACTIVATED in kinds
    weights = [layer.weight.detach().double() for layer in fit.module.modules() if isinstance(layer, nn.Linear)]
    assert kinds[Kind.UNACTIVATED].evidence.startswith("2 → 16 → 1 units")
    assert tuple((weights[1] @ weights[0]).shape) == (1, 2)
    promised = float(re.search(r"objective is ([\d.]+) instead", kinds[Kind.UNACTIVATED].predicted)[1])
    assert promised < 0.5 * fit.loss


class Thin(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second, self.last = nn.Linear(2, 1), nn.Linear(1, 4), nn.Linear(4, 1)

    def forward(self, x):
        return self.last(torch.tanh(self.second(self.first(x))))


@pytest.mark.parametrize("make", [Thin, lambda: nn.Linear(2, 1), lambda: sequential(nn.Identity())])
def test_a_layer_narrower_than_its_neighbours_is_no_waste_and_one_layer_is_none_too_many(make):
    _, kinds = found(make, Y)
    assert Kind.UNACTIVATED not in kinds


class TwoUnits(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(2, 2), nn.Linear(2, 1)

    def forward(self, x):
        return self.second(F.relu(self.first(x)))


def test_a_layer_of_which_no_unit_is_left_is_told_though_relu_is_a_function():
    fit, kinds = found(TwoUnits, Y + 8, lr=5.0)
    assert np.ptp(fit.predict(X)) == 0.0
    finding = kinds[Kind.DEAD_UNITS]
    assert "2 of the 2 units" in finding.what
    mended, kinds = found(TwoUnits, Y + 8, **finding.remedy)
    assert mended.loss < 0.9 * fit.loss
    assert Kind.DEAD_UNITS not in kinds


def test_where_nothing_tried_helps_nothing_is_promised():
    class Dead(TwoUnits):
        def forward(self, x):
            return self.second(F.relu(self.first(x) - 1e6))

    fit, kinds = found(Dead, Y)
    assert np.ptp(fit.predict(X)) == 0.0
    assert (kinds[Kind.DEAD_UNITS].remedy, kinds[Kind.DEAD_UNITS].predicted) == ({}, "")
    assert "LeakyReLU" in kinds[Kind.DEAD_UNITS].advice
    assert "LeakyReLU" in str(fit.diagnose())
    assert "LeakyReLU" in fit.diagnose()._repr_html_()
