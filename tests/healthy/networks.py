"""Modules on numbers: widths, depths, activations, rules, losses and outputs that suit their targets."""

from __future__ import annotations

import numpy as np
import torch
from sklearn import datasets
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression
from torch import nn

from healthy.case import Given, Well, healthy
from healthy.sources import absolute, friedman, squared, support_vectors
from others.known.sources import built, perceptron, waves

ADAM = {"loss": "mse", "optimizer": "adam", "lr": 0.01, "batch_size": 50, "epochs": 60}


def standard(x: np.ndarray, like: np.ndarray) -> np.ndarray:
    return (x - like.mean(0)) / like.std(0)


def of_friedman(seed: int, settings: dict, n: int = 700, within: float = 1.25) -> Well:
    """Friedman's problem in standardised columns and target, held against support vectors."""
    x, y = friedman(seed, n)
    fresh, goal = friedman(seed + 100, 2000, 0.0)
    z, far = standard(x, x), standard(fresh, x)
    own, truth = standard(y, y), (goal - y.mean()) / y.std()
    reference = support_vectors(z, own, far, truth) + 0.01
    return Well(Given({"x": z, "y": own}, settings), squared(far, truth), reference, within)


def network(seed: int, layers) -> nn.Module:
    return built(seed, lambda: nn.Sequential(*layers()))


def _case(name: str, settings, **options) -> object:
    return healthy(name)(lambda seed: of_friedman(seed, settings(seed), **options))


WAYS = {
    "one hidden layer by adam": lambda s: {**ADAM, "model": perceptron(s, 7, 32, 1), "epochs": 40},
    "two hidden layers, a fifth held out": lambda s: {
        **ADAM, "model": perceptron(s, 7, 32, 32, 1), "test_fraction": 0.2, "epochs": 25, "lr": 0.005,
    },
    "momentum and a cosine": lambda s: {
        "model": perceptron(s, 7, 32, 1), "loss": nn.MSELoss(), "optimizer": "momentum:0.9", "lr": 0.02,
        "schedule": "cosine", "batch_size": 50, "epochs": 60,
    },
    "AdamW of PyTorch with weight decay": lambda s: {
        "model": perceptron(s, 7, 32, 32, 1), "loss": nn.MSELoss(), "optimizer": torch.optim.AdamW, "lr": 0.005,
        "batch_size": 50, "epochs": 30,
    },
    "a little dropout": lambda s: {
        **ADAM, "epochs": 80,
        "model": network(s, lambda: [nn.Linear(7, 64), nn.ReLU(), nn.Dropout(0.1), nn.Linear(64, 1)]),
    },
    "batch normalization": lambda s: {
        **ADAM, "epochs": 60, "schedule": "cosine",
        "model": network(s, lambda: [
            nn.Linear(7, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 1),
        ]),
    },
    "layer normalization": lambda s: {
        **ADAM, "epochs": 60, "lr": 0.005,
        "model": network(s, lambda: [nn.Linear(7, 32), nn.LayerNorm(32), nn.ReLU(), nn.Linear(32, 1)]),
    },
    "tanh": lambda s: {**ADAM, "model": perceptron(s, 7, 24, 1, between=nn.Tanh)},
    "GELU and SiLU": lambda s: {
        **ADAM, "epochs": 30, "lr": 0.005,
        "model": network(s, lambda: [nn.Linear(7, 32), nn.GELU(), nn.Linear(32, 16), nn.SiLU(), nn.Linear(16, 1)]),
    },
    "sigmoids inside": lambda s: {**ADAM, "lr": 0.03, "epochs": 80, "model": perceptron(s, 7, 24, 1, between=nn.Sigmoid)},
    "four layers": lambda s: {
        **ADAM, "lr": 0.003, "epochs": 25, "model": perceptron(s, 7, 32, 32, 32, 32, 1),
    },
    "wide": lambda s: {**ADAM, "lr": 0.003, "epochs": 25, "model": perceptron(s, 7, 256, 1)},
    "single precision": lambda s: {**ADAM, "epochs": 40, "model": perceptron(s, 7, 32, 1), "dtype": "float32"},
    "batches of sixteen": lambda s: {
        **ADAM, "epochs": 60, "lr": 0.005, "batch_size": 16, "schedule": "cosine", "model": perceptron(s, 7, 32, 1),
    },
    "batches of eight and a cosine": lambda s: {
        **ADAM, "epochs": 25, "lr": 0.005, "batch_size": 8, "schedule": "cosine", "model": perceptron(s, 7, 32, 1),
    },
    "full batches": lambda s: {
        "loss": "mse", "optimizer": "adam", "lr": 0.01, "epochs": 500, "model": perceptron(s, 7, 32, 1),
    },
    "one cycle": lambda s: {**ADAM, "schedule": "onecycle", "lr": 0.02, "epochs": 30, "model": perceptron(s, 7, 32, 1)},
    "a warm-up": lambda s: {**ADAM, "schedule": "warmup:50", "epochs": 40, "model": perceptron(s, 7, 32, 1)},
    "gradients clipped at one": lambda s: {**ADAM, "clip": 1.0, "epochs": 40, "model": perceptron(s, 7, 32, 1)},
    "stopped by patience": lambda s: {
        **ADAM, "lr": 0.005, "validation": 0.2, "patience": 10, "epochs": 300, "model": perceptron(s, 7, 32, 32, 1),
    },
    "the built-in network": lambda s: {"model": "mlp:32", "batch_size": 50, "epochs": 60, "seed": s},
    "the built-in network, a quarter held out": lambda s: {
        "model": "mlp:16,16", "batch_size": 32, "epochs": 40, "seed": s, "test_fraction": 0.2,
    },
    "the mean of the last steps": lambda s: {
        **ADAM, "averaging": "tail:0.3", "epochs": 40, "model": perceptron(s, 7, 32, 1),
    },
    "two batches a step": lambda s: {**ADAM, "accumulate": 2, "batch_size": 25, "epochs": 40, "model": perceptron(s, 7, 32, 1)},
}  # fmt: skip

for _name, _settings in WAYS.items():
    globals()[f"way_{_name.replace(' ', '_')}"] = _case(f"Friedman's problem: {_name}", _settings, within=1.6)


class Residual(nn.Module):
    def __init__(self, p: int, width: int):
        super().__init__()
        self.first, self.inner, self.outer = nn.Linear(p, width), nn.Linear(width, width), nn.Linear(width, width)
        self.last = nn.Linear(width, 1)

    def forward(self, x):
        h = torch.relu(self.first(x))
        h = h + self.outer(torch.relu(self.inner(h)))
        return self.last(torch.relu(h)).squeeze(-1)


class Beside(nn.Module):
    """A line, and a network beside it."""

    def __init__(self, p: int):
        super().__init__()
        self.line = nn.Linear(p, 1)
        self.bend = nn.Sequential(nn.Linear(p, 24), nn.Tanh(), nn.Linear(24, 1, bias=False))

    def forward(self, x):
        return self.line(x) + self.bend(x)


@healthy("a residual block")
def residual(seed: int) -> Well:
    return of_friedman(
        seed, {**ADAM, "lr": 0.003, "epochs": 25, "model": built(seed, lambda: Residual(7, 32))}, within=1.6
    )


@healthy("a line with a network beside it")
def line_beside(seed: int) -> Well:
    return of_friedman(seed, {**ADAM, "epochs": 40, "model": built(seed, lambda: Beside(7))}, within=1.6)


@healthy("random features whose layer is frozen")
def frozen(seed: int) -> Well:
    def made() -> nn.Module:
        found = nn.Sequential(nn.Linear(3, 200), nn.Tanh(), nn.Linear(200, 1))
        found[0].requires_grad_(False)
        return found

    x, y = waves(seed, 800, p=3)
    fresh, goal = waves(seed + 100, 2000, p=3, noise=0.0)
    settings = {**ADAM, "model": built(seed, made), "epochs": 150}
    return Well(Given({"x": x, "y": y}, settings), squared(fresh, goal), 0.2, 1.0)


@healthy("a line by nn.Linear")
def line(seed: int) -> Well:
    random = np.random.default_rng(seed)
    x = random.standard_normal((300, 4))
    y = 1 + x @ [1.0, -2.0, 0.5, 0.0] + 0.5 * random.standard_normal(300)
    best = LinearRegression().fit(x, y)
    settings = {"model": built(seed, lambda: nn.Linear(4, 1)), "loss": "mse", "optimizer": torch.optim.SGD, "lr": 0.1}
    reference = float(np.mean((best.predict(x) - y) ** 2))
    return Well(Given({"x": x, "y": y}, {**settings, "epochs": 100}), squared(x, y), reference, 1.001)


@healthy("a target of mean fifty and deviation ten, by the built-in network")
def far_target(seed: int) -> Well:
    x, y = friedman(seed, 700)
    fresh, goal = friedman(seed + 100, 2000, 0.0)
    reference = support_vectors(x, y, fresh, goal)
    given = Given({"x": x, "y": 50 + 2 * y}, {"model": "mlp:32", "batch_size": 50, "epochs": 60, "seed": seed})
    return Well(given, squared(fresh, 50 + 2 * goal), 4 * reference, 1.6)


@healthy("a target of mean twenty and deviation five, not scaled")
def unscaled_target(seed: int) -> Well:
    x, y = friedman(seed, 700)
    fresh, goal = friedman(seed + 100, 2000, 0.0)
    reference = support_vectors(x, y, fresh, goal)
    settings = {**ADAM, "model": perceptron(seed, 7, 64, 1), "epochs": 150, "lr": 0.01}
    z, far = standard(x, x), standard(fresh, x)
    return Well(Given({"x": z, "y": y + 6}, settings), squared(far, goal + 6), reference, 1.8)


@healthy("three targets at once")
def three_targets(seed: int) -> Well:
    def targets(seed: int, n: int, noise: float):
        x, _ = friedman(seed, n)
        z = (x - 0.5) / 0.29
        clean = np.column_stack([np.sin(z[:, 0] * 1.5), z[:, 1] * z[:, 2], z[:, 3] - 0.5 * z[:, 0] ** 2])
        return z, clean + noise * np.random.default_rng(seed).standard_normal(clean.shape)

    x, y = targets(seed, 800, 0.3)
    fresh, goal = targets(seed + 100, 2000, 0.0)
    reference = float(np.mean([support_vectors(x, y[:, j], fresh, goal[:, j]) for j in range(3)]))
    settings = {**ADAM, "model": perceptron(seed, 7, 48, 3), "epochs": 40}
    return Well(Given({"x": x, "y": y}, settings), squared(fresh, goal), reference + 0.01, 1.6)


@healthy("absolute errors of a network under symmetric noise")
def absolute_errors(seed: int) -> Well:
    x, y = waves(seed, 800, p=3, noise=0.0)
    y = y + np.random.default_rng(seed).laplace(0, 0.3, 800)
    fresh, goal = waves(seed + 100, 2000, p=3, noise=0.0)
    settings = {**ADAM, "loss": nn.L1Loss(), "model": perceptron(seed, 3, 48, 1), "schedule": "cosine"}
    return Well(
        Given({"x": x, "y": y}, settings), absolute(fresh, goal), support_vectors(x, y, fresh, goal) ** 0.5, 1.2
    )


@healthy("nn.SmoothL1Loss with one row in twenty far out")
def smooth(seed: int) -> Well:
    x, y = waves(seed, 800, p=3)
    random = np.random.default_rng(seed)
    y = y + (random.random(800) < 0.05) * 15 * random.standard_normal(800)
    fresh, goal = waves(seed + 100, 2000, p=3, noise=0.0)
    settings = {**ADAM, "loss": nn.SmoothL1Loss(), "model": perceptron(seed, 3, 48, 1), "schedule": "cosine"}
    return Well(Given({"x": x, "y": y}, settings), squared(fresh, goal), support_vectors(x, y, fresh, goal) + 0.05, 1.5)


@healthy("the upper fifth by a network")
def upper_fifth(seed: int) -> Well:
    random = np.random.default_rng(seed)
    x = random.uniform(-2, 2, (1200, 2))
    spread = 0.3 + 0.3 * (x[:, 0] + 2)
    y = np.sin(2 * x[:, 0]) + x[:, 1] + spread * random.standard_normal(1200)
    fresh = random.uniform(-1.9, 1.9, (2000, 2))
    goal = np.sin(2 * fresh[:, 0]) + fresh[:, 1] + (0.3 + 0.3 * (fresh[:, 0] + 2)) * 0.8416
    settings = {**ADAM, "loss": "quantile:0.8", "model": perceptron(seed, 2, 32, 1), "schedule": "cosine"}
    return Well(Given({"x": x, "y": y}, settings), squared(fresh, goal), 0.03, 1.5)


@healthy("counts by a network and nn.PoissonNLLLoss")
def counts(seed: int) -> Well:
    x, y = waves(seed, 1500, p=3, noise=0.0)
    fresh, goal = waves(seed + 100, 2000, p=3, noise=0.0)
    y = np.random.default_rng(seed).poisson(np.exp(0.5 + 0.5 * y)).astype(float)
    settings = {**ADAM, "loss": nn.PoissonNLLLoss(), "model": perceptron(seed, 3, 32, 1), "schedule": "cosine"}

    def score(fit) -> float:
        found = np.log(np.asarray(fit.predict(fresh)).clip(1e-9)) if np.asarray(fit.predict(fresh)).min() > 0 else None
        found = np.asarray(fit.decision(fresh)) if found is None else found
        return float(np.mean((found - 0.5 - 0.5 * goal) ** 2))

    return Well(Given({"x": x, "y": y}, settings), score, 0.06, 1.5)


@healthy("shares between 0 and 1 behind a sigmoid")
def shares(seed: int) -> Well:
    def rows(seed: int, n: int, noise: float):
        x, y = waves(seed, n, p=3, noise=noise)
        return x, 1 / (1 + np.exp(-y))

    x, y = rows(seed, 800, 0.3)
    fresh, goal = rows(seed + 100, 2000, 0.0)
    settings = {**ADAM, "model": network(seed, lambda: [nn.Linear(3, 48), nn.ReLU(), nn.Linear(48, 1), nn.Sigmoid()])}
    return Well(
        Given({"x": x, "y": y}, settings), squared(fresh, goal), support_vectors(x, y, fresh, goal) + 0.001, 1.8
    )


@healthy("amounts above 0 behind a softplus")
def amounts(seed: int) -> Well:
    def rows(seed: int, n: int, noise: float):
        x, y = waves(seed, n, p=3, noise=0.0)
        clean = np.log1p(np.exp(1 + y))
        return x, np.abs(clean + noise * np.random.default_rng(seed).standard_normal(n))

    x, y = rows(seed, 800, 0.2)
    fresh, goal = rows(seed + 100, 2000, 0.0)
    settings = {**ADAM, "model": network(seed, lambda: [nn.Linear(3, 48), nn.ReLU(), nn.Linear(48, 1), nn.Softplus()])}
    return Well(
        Given({"x": x, "y": y}, settings), squared(fresh, goal), support_vectors(x, y, fresh, goal) + 0.005, 1.8
    )


@healthy("a third of amounts that are 0, behind a ReLU")
def rectified(seed: int) -> Well:
    def rows(seed: int, n: int, noise: float):
        x, y = waves(seed, n, p=3, noise=noise)
        return x, np.maximum(y + 0.8, 0.0)

    x, y = rows(seed, 1000, 0.2)
    fresh, goal = rows(seed + 100, 2000, 0.0)
    settings = {**ADAM, "model": network(seed, lambda: [nn.Linear(3, 48), nn.ReLU(), nn.Linear(48, 1), nn.ReLU()])}
    return Well(Given({"x": x, "y": y}, settings), squared(fresh, goal), support_vectors(x, y, fresh, goal) + 0.02, 1.8)


@healthy("an autoencoder of digits, linear, as narrow as the principal components that it finds", seeds=(1, 2))
def autoencoder(seed: int) -> Well:
    x = datasets.load_digits().data[:900] / 16.0
    x = x - x.mean(0)
    kept = PCA(8).fit(x)
    reference = float(np.mean((kept.inverse_transform(kept.transform(x)) - x) ** 2))
    made = network(seed, lambda: [nn.Linear(64, 8, bias=False), nn.Linear(8, 64)])
    settings = {**ADAM, "model": made, "schedule": "cosine", "epochs": 60}
    return Well(Given({"x": x, "y": x.copy()}, settings), squared(x, x), reference, 1.05)


@healthy("an autoencoder of digits with activations", seeds=(1, 2))
def bent_autoencoder(seed: int) -> Well:
    x = datasets.load_digits().data[:900] / 16.0
    kept = PCA(12).fit(x)
    reference = float(np.mean((kept.inverse_transform(kept.transform(x)) - x) ** 2))
    made = network(seed, lambda: [
        nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 12), nn.Linear(12, 64), nn.ReLU(), nn.Linear(64, 64), nn.Sigmoid(),
    ])  # fmt: skip
    settings = {**ADAM, "model": made, "lr": 0.003, "epochs": 100}
    return Well(Given({"x": x, "y": x.copy()}, settings), squared(x, x), reference, 1.1)


class Tastes(nn.Module):
    """A rating as the product of what a person likes and what a film is."""

    def __init__(self, people: int, films: int, width: int):
        super().__init__()
        self.people, self.films = nn.Embedding(people, width), nn.Embedding(films, width)
        nn.init.normal_(self.people.weight, std=0.3)
        nn.init.normal_(self.films.weight, std=0.3)
        self.middle = nn.Parameter(torch.zeros(1))

    def forward(self, x):
        i = x.long()
        return (self.people(i[:, 0]) * self.films(i[:, 1])).sum(1) + self.middle


@healthy("tastes of people and films by embeddings")
def tastes(seed: int) -> Well:
    random = np.random.default_rng(seed)
    a, b = random.standard_normal((60, 2)), random.standard_normal((40, 2))
    pairs = np.array([(i, j) for i in range(60) for j in range(40)])
    random.shuffle(pairs)
    clean = 0.5 + (a[pairs[:, 0]] * b[pairs[:, 1]]).sum(1)
    y = clean + 0.3 * random.standard_normal(len(pairs))
    made = built(seed, lambda: Tastes(60, 40, 3))
    settings = {**ADAM, "model": made, "batch_size": 100, "epochs": 40, "lr": 0.02}
    return Well(Given({"x": pairs[:1800], "y": y[:1800]}, settings), squared(pairs[1800:], clean[1800:]), 0.04, 1.5)


@healthy("little to be known: a network stopped by patience where R² is a tenth")
def noisy(seed: int) -> Well:
    x, y = waves(seed, 1500, p=3, noise=3.5)
    fresh, goal = waves(seed + 100, 3000, p=3, noise=0.0)
    settings = {**ADAM, "lr": 0.003, "validation": 0.25, "patience": 8, "model": perceptron(seed, 3, 16, 1)}
    constant = float(np.var(goal))
    return Well(Given({"x": x, "y": y}, settings), squared(fresh, goal), constant, 0.9)
