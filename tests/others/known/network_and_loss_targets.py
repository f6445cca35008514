"""Losses whose shapes do not meet, and targets or inputs far from what a network starts with."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from others.case import Given, Pair, case
from others.known.sources import built, clusters, log_loss, moons, named, perceptron, plane, squared, waves

KIND = "network and loss"

# ---- a loss that broadcasts --------------------------------------------------------------------------


@case(
    "a squared loss of one's own, [n] against [n, 1]",
    codes=("ST038",),
    kind=KIND,
    source="https://github.com/deepset-ai/FARM/issues/229",
    advice=r"(?i)shape|squeeze|view|reshape",
)
def squares_that_broadcast(seed: int) -> Pair:
    x, y = waves(seed, 400)
    settings = {
        "model": perceptron(seed, 5, 32, 32, 1),
        "optimizer": "adam",
        "lr": 0.01,
        "batch_size": 50,
        "epochs": 50,
    }
    given = Given({"x": x, "y": y}, settings)
    sick = given.but(loss=lambda prediction, target: ((prediction - target.view(-1, 1)) ** 2).mean())
    twin = given.but(loss=lambda prediction, target: ((prediction - target) ** 2).mean())
    return Pair(sick, twin, squared(*waves(seed + 100, 2000)))


class Line(nn.Module):
    """A linear layer whose output is squeezed."""

    def __init__(self):
        super().__init__()
        self.line = nn.Linear(4, 1)

    def forward(self, x):
        return self.line(x).squeeze(-1)


@case(
    "F.mse_loss with an unsqueezed target",
    codes=("ST038",),
    kind=KIND,
    source="https://github.com/andrewgcodes/xlstm/issues/4",
    advice=r"(?i)shape|squeeze|view|reshape",
)
def unsqueezed_target(seed: int) -> Pair:
    x, y = plane(seed, 300)
    given = Given({"x": x, "y": y}, {"model": built(seed, Line), "optimizer": "sgd", "lr": 0.05, "epochs": 300})
    sick = given.but(loss=lambda p, t: F.mse_loss(p, t.unsqueeze(1)))
    return Pair(sick, given.but(loss=lambda p, t: F.mse_loss(p, t)), squared(*plane(seed + 100, 2000)))


@case(
    "a quantile loss of one's own, a column of outputs against a row of targets",
    codes=("ST038",),
    kind=KIND,
    source="https://github.com/Kchu/DeepRL_PyTorch/issues/1",
    advice=r"(?i)shape|squeeze|view|reshape|\[:, 0\]",
)
def quantiles_that_broadcast(seed: int) -> Pair:
    x, y = waves(seed, 400)

    def pinball(off: torch.Tensor) -> torch.Tensor:
        return torch.maximum(0.5 * off, -0.5 * off).mean()

    settings = {
        "model": perceptron(seed, 5, 32, 32, 1, between=nn.Tanh),
        "optimizer": "adam",
        "lr": 0.01,
        "batch_size": 40,
    }
    given = Given({"x": x, "y": y}, {**settings, "epochs": 50})
    sick = given.but(loss=lambda p, t: pinball(t - p.reshape(-1, 1)))
    return Pair(sick, given.but(loss=lambda p, t: pinball(t - p)), squared(*waves(seed + 100, 2000)))


# ---- targets far from a network's outputs ------------------------------------------------------------


def scaled_back(fresh: np.ndarray, goal: np.ndarray, mean: float, spread: float):
    """The squared error in standardised units of a fit to the raw target or to the standardised one."""

    def score(fit) -> float:
        raw = abs(float(np.mean(fit.train.y))) > 50
        predicted = (fit.predict(fresh) - mean) / spread if raw else fit.predict(fresh)
        return float(np.mean((predicted - (goal - mean) / spread) ** 2))

    return score


@case(
    "targets near −2700 for a small tanh network",
    codes=("ST039",),
    kind=KIND,
    source="https://discuss.pytorch.org/t/scaling-target-variables/41046",
    advice=r"(?i)standardi|scale|divide|units",
)
def target_far_below(seed: int) -> Pair:
    def energies(seed: int, n: int):
        x, y = waves(seed, n, p=3, noise=0.2)
        return np.tanh(x), -2700 + 40 * y

    x, y = energies(seed, 400)
    mean, spread = y.mean(), y.std()
    settings = {
        "model": perceptron(seed, 3, 20, 20, 1, between=nn.Tanh),
        "optimizer": "adam",
        "lr": 0.02,
        "batch_size": 50,
    }
    twin = Given({"x": x, "y": (y - mean) / spread}, {**settings, "epochs": 100})
    return Pair(Given({"x": x, "y": y}, twin.settings), twin, scaled_back(*energies(seed + 100, 2000), mean, spread))


@case(
    "house prices in hundred thousands for a student's network",
    codes=("ST039",),
    kind=KIND,
    source="https://github.com/UC-IIC2613/Syllabus/issues/220",
    advice=r"(?i)standardi|scale|divide|units",
)
def house_prices(seed: int) -> Pair:
    def houses(seed: int, n: int):
        z, y = waves(seed, n, p=4)
        return named(z, "area", "age", "rooms", "distance"), 240_000 + 45_000 * y

    table, price = houses(seed, 400)
    mean, spread = price.mean(), price.std()
    settings = {
        "model": perceptron(seed, 4, 64, 32, 1),
        "optimizer": "adam",
        "lr": 0.001,
        "batch_size": 32,
        "epochs": 100,
    }
    sick = Given({"x": table.append_column("price", [price])}, {**settings, "target": "price"})
    twin = Given({"x": table.append_column("price", [(price - mean) / spread])}, sick.settings)
    return Pair(sick, twin, scaled_back(*houses(seed + 100, 2000), mean, spread))


# ---- inputs on different scales ----------------------------------------------------------------------


def flowers(seed: int, n: int):
    """Four measurements on scales that differ a thousandfold, and which of three kinds."""
    x, y = clusters(seed, n, k=3, p=4)
    return named(x * [1.0, 900.0, 0.02, 30.0] + [5, 2000, 0.1, 100], "length", "area", "gap", "angle"), y


@case(
    "four measurements on different scales, a classifier by Adam",
    codes=("ST004",),
    kind=KIND,
    source="https://github.com/keras-team/keras/issues/508",
    also=("ST016",),
)
def measurements_on_scales(seed: int) -> Pair:
    table, kind = flowers(seed, 500)
    words = np.array(["a", "b", "c"])
    settings = {
        "model": perceptron(seed, 4, 24, 24, 3),
        "target": "kind",
        "optimizer": "adam",
        "lr": 0.01,
        "batch_size": 50,
    }
    sick = Given({"x": table.append_column("kind", [words[kind]])}, {**settings, "epochs": 30})
    return Pair(sick, sick.but(precondition="standardize"), log_loss(*flowers(seed + 100, 2000)))


@case(
    "income beside age, a regression by SGD with momentum",
    codes=("ST004",),
    kind=KIND,
    source="https://github.com/jaredleekatzman/DeepSurv/issues/14",
    also=("ST001", "ST016"),
)
def income_beside_age(seed: int) -> Pair:
    def people(seed: int, n: int):
        z, y = waves(seed, n, p=3)
        return named(z * [12, 21_000, 3] + [45, 52_000, 8], "age", "income", "visits"), y

    table, y = people(seed, 400)
    model = perceptron(seed, 3, 32, 32, 1)
    settings = {
        "model": model,
        "target": "risk",
        "optimizer": "momentum:0.9",
        "lr": 0.01,
        "batch_size": 50,
        "epochs": 60,
    }
    sick = Given({"x": table.append_column("risk", [y])}, settings)
    return Pair(sick, sick.but(precondition="standardize"), squared(*people(seed + 100, 2000)))


@case(
    "one large column drowns the rest of a tanh network",
    codes=("ST004", "ST033"),
    kind=KIND,
    source="https://stats.stackexchange.com/questions/367057/bad-performance-with-relu-activation-function-on-mnist-data-set",
)
def one_large_column(seed: int) -> Pair:
    def mixed(seed: int, n: int):
        x, y = moons(seed, n)
        return np.column_stack([x, 4000 * np.random.default_rng(seed + 7).standard_normal(n)]), y

    x, y = mixed(seed, 400)
    settings = {
        "model": perceptron(seed, 3, 24, 24, 1, between=nn.Tanh),
        "loss": nn.BCEWithLogitsLoss(),
        "optimizer": "adam",
    }
    sick = Given({"x": x, "y": y}, {**settings, "lr": 0.01, "batch_size": 50, "epochs": 50})
    return Pair(sick, sick.but(precondition="standardize"), log_loss(*mixed(seed + 100, 2000)))
