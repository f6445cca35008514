"""Small networks as people fit them to tables: the usual rules, rates, batches and schedules."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.linear_model import Ridge
from sklearn.neural_network import MLPRegressor
from torch import nn

from healthy.case import Given, Well, healthy
from healthy.sources import quietly, squared
from others.known.sources import built, perceptron, waves

USUAL = {"loss": "mse", "optimizer": "adam", "lr": 0.001, "batch_size": 32, "epochs": 100}
"""Adam at its own rate, batches of 32: what most examples begin with."""


def standard(x: np.ndarray, like: np.ndarray) -> np.ndarray:
    return (x - like.mean(0)) / like.std(0)


def network(seed: int, layers) -> nn.Module:
    return built(seed, lambda: nn.Sequential(*layers()))


def held_to(x, y, fresh, goal, widths=(32,), alpha: float = 0.01) -> float:
    """The mean squared error on fresh rows of scikit-learn's network, or of its ridge where that is less."""
    scale = y.std()
    peer = MLPRegressor(
        hidden_layer_sizes=widths,
        alpha=alpha,
        max_iter=150,
        learning_rate_init=0.005,
        batch_size=min(64, len(x)),
        random_state=0,
    )
    found = quietly(lambda: peer.fit(x, (y - y.mean()) / scale).predict(fresh)) * scale + y.mean()
    line = Ridge(1.0).fit(x, y).predict(fresh)
    return float(min(np.mean((found - goal) ** 2), np.mean((line - goal) ** 2)))


def of_rows(rows, seed: int, settings: dict, n: int, within: float = 1.1, widths=(32,), alpha: float = 0.01) -> Well:
    """A network for rows of a law, held against scikit-learn's on fresh rows, with their noise."""
    x, y = rows(seed, n)
    fresh, goal = rows(seed + 100, 2000)
    fresh = standard(fresh, x)
    x = standard(x, x)
    return Well(
        Given({"x": x, "y": y}, settings), squared(fresh, goal), held_to(x, y, fresh, goal, widths, alpha), within
    )


# ---- rules, rates and batches ------------------------------------------------------------------------


def smooth(seed: int, n: int):
    return waves(seed, n, p=4, noise=0.6)


WAYS = {
    "adam at 0.001 in batches of 32": lambda s: {**USUAL, "epochs": 120, "model": perceptron(s, 4, 32, 32, 1)},
    "adam at 0.001 in batches of 64, two hundred epochs": lambda s: {
        **USUAL, "batch_size": 64, "epochs": 200, "model": perceptron(s, 4, 64, 32, 1),
    },
    "adam at 0.003 in batches of 128": lambda s: {
        **USUAL, "lr": 0.003, "batch_size": 128, "epochs": 200, "model": perceptron(s, 4, 48, 48, 1),
    },
    "adam at 0.01 in batches of 256": lambda s: {
        **USUAL, "lr": 0.01, "batch_size": 256, "epochs": 200, "model": perceptron(s, 4, 32, 32, 1),
    },
    "adam at 0.002 in batches of 16": lambda s: {
        **USUAL, "lr": 0.002, "batch_size": 16, "epochs": 60, "model": perceptron(s, 4, 32, 32, 1),
    },
    "plain SGD at 0.05": lambda s: {
        **USUAL, "optimizer": "sgd", "lr": 0.05, "epochs": 200, "model": perceptron(s, 4, 32, 1),
    },
    "SGD of PyTorch with momentum and weight decay": lambda s: {
        **USUAL, "optimizer": lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.9, weight_decay=1e-4), "lr": 0.01,
        "epochs": 100, "model": perceptron(s, 4, 32, 32, 1),
    },
    "momentum and a rate that falls tenfold twice": lambda s: {
        **USUAL, "optimizer": "momentum:0.9", "lr": 0.01, "schedule": "step:50,0.1", "epochs": 120,
        "model": perceptron(s, 4, 32, 32, 1),
    },
    "momentum, GELU and a rate that falls by 3% an epoch": lambda s: {
        **USUAL, "optimizer": "momentum:0.9", "lr": 0.02, "schedule": "exponential:0.97", "epochs": 100,
        "model": perceptron(s, 4, 32, 32, 1, between=nn.GELU),
    },
    "adam and a rate that falls by 3% an epoch": lambda s: {
        **USUAL, "lr": 0.005, "schedule": "exponential:0.97", "epochs": 100, "model": perceptron(s, 4, 32, 32, 1),
    },
    "a plateau schedule": lambda s: {
        **USUAL, "lr": 0.005, "schedule": "plateau:0.5,5", "epochs": 100, "model": perceptron(s, 4, 32, 32, 1),
    },
    "warm restarts": lambda s: {
        **USUAL, "lr": 0.005, "schedule": "restarts:600", "epochs": 96, "model": perceptron(s, 4, 32, 32, 1),
    },
    "a rate that falls in a line": lambda s: {
        **USUAL, "lr": 0.005, "schedule": "polynomial:1", "epochs": 60, "model": perceptron(s, 4, 32, 32, 1),
    },
    "RMSprop": lambda s: {
        **USUAL, "optimizer": "rmsprop", "lr": 0.002, "epochs": 60, "model": perceptron(s, 4, 32, 32, 1),
    },
    "Adagrad": lambda s: {**USUAL, "optimizer": "adagrad", "lr": 0.05, "epochs": 100, "model": perceptron(s, 4, 32, 32, 1)},
    "NAdam of PyTorch": lambda s: {
        **USUAL, "optimizer": torch.optim.NAdam, "lr": 0.003, "epochs": 50, "model": perceptron(s, 4, 32, 32, 1),
    },
    "Nesterov and one cycle": lambda s: {
        **USUAL, "optimizer": "nesterov:0.9", "lr": 0.02, "schedule": "onecycle", "epochs": 60,
        "model": perceptron(s, 4, 32, 32, 1),
    },
    "AdamW, dropout of 0.2 and GELU": lambda s: {
        **USUAL, "optimizer": "adamw:0.9,0.999,0.01", "lr": 0.003, "epochs": 150,
        "model": network(s, lambda: [nn.Linear(4, 64), nn.GELU(), nn.Dropout(0.2), nn.Linear(64, 1)]),
    },
}  # fmt: skip


def _way(name: str, settings) -> object:
    return healthy(f"waves: {name}", seeds=(1,))(lambda seed: of_rows(smooth, seed, settings(seed), 500, 1.25))


for _name, _settings in WAYS.items():
    globals()[f"way_{_name.replace(' ', '_')}"] = _way(_name, _settings)
