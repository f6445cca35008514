"""Sick fits whose module or table keeps something from being learned: still parameters, mixed rows, codes, weights."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import torch
from torch import nn

from sick.case import Given, Pair, case
from sick.data import rows
from steepest.analysis.finding import Kind


def waves(seed: int, n: int = 400):
    """Rows that no line fits."""
    random = np.random.default_rng(seed)
    x = random.standard_normal((n, 3))
    return x, 1.4 * np.sin(1.5 * x[:, 0]) + x[:, 1] * x[:, 2] + 0.2 * random.standard_normal(n)


def built(seed: int, make):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return make()


SETTINGS = {"loss": "mse", "optimizer": "adam", "lr": 0.01, "batch_size": 40, "epochs": 60}


def perceptron(seed: int, *frozen: int) -> nn.Module:
    def make():
        found = nn.Sequential(nn.Linear(3, 24), nn.ReLU(), nn.Linear(24, 24), nn.ReLU(), nn.Linear(24, 1))
        for place in frozen:
            found[place].requires_grad_(False)
        return found

    return built(seed, make)


@case("layers that do not move", Kind.STILL, [
    {"seed": 401, "how": "frozen"},
    {"seed": 402, "how": "left out"},
])  # fmt: skip
def still(seed, how):
    x, y = waves(seed)
    twin = Given({"x": x, "y": y}, {**SETTINGS, "model": perceptron(seed)})
    if how == "frozen":
        return Pair(twin.but(model=perceptron(seed, 2, 4)), twin)
    return Pair(twin.but(optimizer=lambda parameters: torch.optim.Adam(list(parameters)[4:], lr=0.01)), twin)


@case("a softmax over rows", Kind.MIXED, [{"seed": 403, "hidden": 16}, {"seed": 404, "hidden": 32}])
def mixed(seed, hidden):
    random = np.random.default_rng(seed)
    code = random.integers(3, size=360)
    x = np.eye(3)[code] * 2.5 + random.standard_normal((360, 3))

    def network(dim: int) -> nn.Module:
        return built(
            seed, lambda: nn.Sequential(nn.Linear(3, hidden), nn.ReLU(), nn.Linear(hidden, 3), nn.LogSoftmax(dim))
        )

    twin = Given({"x": x, "y": code}, {**SETTINGS, "epochs": 15, "loss": nn.NLLLoss(), "model": network(1)})
    return Pair(twin.but(model=network(0)), twin)


@case("running statistics that hardly follow", Kind.LAGGING, [
    {"seed": 405, "momentum": 1e-4},
    {"seed": 406, "momentum": 1e-3},
])  # fmt: skip
def lagging(seed, momentum):
    x, y = waves(seed)

    def network(momentum: float) -> nn.Module:
        layers = [nn.Linear(3, 24), nn.BatchNorm1d(24, momentum=momentum), nn.ReLU(), nn.Linear(24, 1)]
        return built(seed, lambda: nn.Sequential(*layers))

    twin = Given({"x": 2 * x + 2, "y": y}, {**SETTINGS, "schedule": "cosine", "model": network(0.1)})
    return Pair(twin.but(model=network(momentum)), twin)


@case("codes of districts as an amount", Kind.LEVELS, [
    {"seed": 407, "count": 6},
    {"seed": 408, "count": 9},
    {"seed": 409, "count": 20},
])  # fmt: skip
def codes(seed, count):
    x, y = rows(seed, 40 * count, 2)
    random = np.random.default_rng(seed)
    district = random.integers(1, count + 1, len(x))
    y = y + 3.0 * np.random.default_rng(seed + 1).standard_normal(count + 1)[district]
    table = pa.table({"area": x[:, 0], "age": x[:, 1], "district": district, "price": y})
    sick = Given({"x": table}, {"target": "price"})
    return Pair(sick, sick.but(categories=("district",)))


@case("variances as weights", Kind.INVERTED, [{"seed": 410, "spread": 0.8}, {"seed": 411, "spread": 0.5}])
def inverted(seed, spread):
    x, y = rows(seed, 300, 3, noise=0.0)
    random = np.random.default_rng(seed)
    size = np.exp(spread * random.standard_normal(300))
    twin = Given({"x": x, "y": y + size * random.standard_normal(300)}, {"weights": 1.0 / size**2})
    return Pair(twin.but(weights=size**2), twin)


@case("years as a column of counts", Kind.EXPOSED, [{"seed": 412, "most": 8.0}, {"seed": 413, "most": 30.0}])
def exposed(seed, most):
    random = np.random.default_rng(seed)
    x, years = random.standard_normal((400, 2)), random.uniform(0.5, most, 400)
    y = random.poisson(years * np.exp(0.2 + x @ [0.4, -0.3]))
    table = pa.table({"a": x[:, 0], "b": x[:, 1], "years": years, "visits": y})
    sick = Given({"x": table}, {"target": "visits", "loss": "poisson"})
    return Pair(sick, sick.but(exposure="years"))


@case("weights of standard normal size", Kind.LARGE, [{"seed": 414, "size": 1.0}, {"seed": 415, "size": 2.0}])
def large(seed, size):
    x, y = waves(seed)

    def network() -> nn.Module:
        found = perceptron(seed)
        for place in (0, 2, 4):
            nn.init.normal_(found[place].weight, std=size, generator=torch.Generator().manual_seed(seed + place))
        return found

    twin = Given({"x": x, "y": y}, {**SETTINGS, "model": perceptron(seed)})
    return Pair(twin.but(model=network()), twin)
