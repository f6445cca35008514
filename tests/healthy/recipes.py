"""Modules as tutorials and courses build them: other normalizations, starts, losses, rules and outputs, on little data."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.svm import SVC, SVR
from torch import nn

from healthy.case import Given, Well, healthy
from healthy.sources import blobs, digits, squared, wrong
from others.known.sources import built, moons, perceptron, plane, waves

ADAM = {"loss": "mse", "optimizer": "adam", "lr": 0.01, "batch_size": 32, "epochs": 60}
TWICE = (1, 2)


def sequence(seed: int, layers) -> nn.Module:
    return built(seed, lambda: nn.Sequential(*layers()))


def of_waves(seed: int, settings: dict, n: int = 400, within: float = 1.4) -> Well:
    """A smooth function of three columns, held against support vectors on fresh rows without noise."""
    x, y = waves(seed, n, p=3)
    fresh, goal = waves(seed + 100, 1500, p=3, noise=0.0)
    peer = SVR(C=10.0, gamma=0.15).fit(x, y)
    reference = 0.03 + float(np.mean((peer.predict(fresh) - goal) ** 2))
    return Well(Given({"x": x, "y": y}, settings), squared(fresh, goal), reference, within)


def of_plane(seed: int, settings: dict, n: int = 200, within: float = 1.1) -> Well:
    """A plane, held against ridge regression on fresh rows with their noise."""
    x, y = plane(seed, n)
    fresh, goal = plane(seed + 100, 1500)
    reference = float(np.mean((Ridge(1.0).fit(x, y).predict(fresh) - goal) ** 2))
    return Well(Given({"x": x, "y": y}, settings), squared(fresh, goal), reference, within)


class Learned(nn.Module):
    """A network whose last layer starts at zero, as residual branches do."""

    def __init__(self) -> None:
        super().__init__()
        self.line, self.first, self.last = nn.Linear(3, 1), nn.Linear(3, 32), nn.Linear(32, 1)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, x):
        return self.line(x) + self.last(torch.tanh(self.first(x)))


class Waves(nn.Module):
    """Features that are sines of fixed frequencies, and a line on them."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("ways", 0.8 * torch.randn(3, 60))
        self.last = nn.Linear(120, 1)

    def forward(self, x):
        turned = x @ self.ways
        return self.last(torch.cat([turned.sin(), turned.cos()], -1))


class Scaled(nn.Module):
    """A network whose answers are brought to the units of the target by numbers that it was given."""

    def __init__(self, middle: float, size: float) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(3, 32), nn.Tanh(), nn.Linear(32, 1))
        self.register_buffer("middle", torch.tensor(middle))
        self.register_buffer("size", torch.tensor(size))

    def forward(self, x):
        return self.middle + self.size * self.inner(x)


def started(seed: int, start, *widths: int) -> nn.Module:
    """A perceptron whose weights start as `start` makes them."""
    found = perceptron(seed, *widths)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        for each in found:
            if isinstance(each, nn.Linear):
                start(each.weight)
                nn.init.zeros_(each.bias)
    return found


def ending_in_zero(seed: int) -> nn.Module:
    """A perceptron whose output layer starts at zero, so that all answers are the same at first."""
    found = perceptron(seed, 3, 32, 32, 1)
    nn.init.zeros_(found[-1].weight)
    nn.init.zeros_(found[-1].bias)
    return found


WAYS = {
    "leaky ReLU": lambda s: {**ADAM, "model": perceptron(s, 3, 32, 32, 1, between=nn.LeakyReLU), "lr": 0.005},
    "ELU": lambda s: {**ADAM, "model": perceptron(s, 3, 32, 32, 1, between=nn.ELU), "lr": 0.005},
    "PReLU": lambda s: {**ADAM, "model": perceptron(s, 3, 32, 32, 1, between=nn.PReLU), "lr": 0.005},
    "softplus": lambda s: {**ADAM, "model": perceptron(s, 3, 32, 32, 1, between=nn.Softplus)},
    "Mish": lambda s: {**ADAM, "model": perceptron(s, 3, 32, 32, 1, between=nn.Mish), "lr": 0.005},
    "batch normalization before the first layer": lambda s: {
        **ADAM, "model": sequence(s, lambda: [nn.BatchNorm1d(3), nn.Linear(3, 48), nn.ReLU(), nn.Linear(48, 1)]),
        "schedule": "cosine", "epochs": 80,
    },
    "batch normalization after the activation": lambda s: {
        **ADAM, "schedule": "cosine", "epochs": 80, "batch_size": 64,
        "model": sequence(s, lambda: [nn.Linear(3, 64), nn.ReLU(), nn.BatchNorm1d(64), nn.Linear(64, 1)]),
    },
    "layer normalization in two layers": lambda s: {
        **ADAM, "lr": 0.005,
        "model": sequence(s, lambda: [
            nn.Linear(3, 32), nn.LayerNorm(32), nn.GELU(), nn.Linear(32, 32), nn.LayerNorm(32), nn.GELU(), nn.Linear(32, 1),
        ]),
    },
    "weights by Xavier": lambda s: {**ADAM, "model": started(s, nn.init.xavier_uniform_, 3, 32, 32, 1), "lr": 0.005},
    "weights by He": lambda s: {**ADAM, "model": started(s, nn.init.kaiming_normal_, 3, 32, 32, 1), "lr": 0.005},
    "an output layer that starts at zero": lambda s: {**ADAM, "model": ending_in_zero(s), "lr": 0.005},
    "a branch that starts at zero": lambda s: {**ADAM, "model": built(s, Learned)},
    "sines of fixed frequencies": lambda s: {
        **ADAM, "model": built(s, Waves), "penalty": "l2:0.001", "epochs": 100,
    },
    "answers scaled within": lambda s: {**ADAM, "model": built(s, lambda: Scaled(0.2, 1.4)), "epochs": 100},
    "RAdam": lambda s: {**ADAM, "optimizer": torch.optim.RAdam, "model": perceptron(s, 3, 32, 32, 1), "epochs": 80},
    "Adamax": lambda s: {**ADAM, "optimizer": torch.optim.Adamax, "lr": 0.02, "model": perceptron(s, 3, 32, 32, 1)},
    "Adadelta at one": lambda s: {
        **ADAM, "optimizer": torch.optim.Adadelta, "lr": 1.0, "model": perceptron(s, 3, 32, 32, 1), "epochs": 100,
    },
    "SGD with Nesterov and weight decay": lambda s: {
        **ADAM, "optimizer": lambda p: torch.optim.SGD(p, lr=0.02, momentum=0.9, nesterov=True, weight_decay=1e-4),
        "lr": 0.02, "model": perceptron(s, 3, 32, 32, 1), "epochs": 80, "schedule": "cosine",
    },
    "a small l2 penalty": lambda s: {**ADAM, "penalty": "l2:0.0003", "model": perceptron(s, 3, 48, 1), "epochs": 100},
    "weight decay of a hundredth": lambda s: {
        **ADAM, "optimizer": "adamw:0.9,0.999,0.01", "lr": 0.005, "model": perceptron(s, 3, 48, 48, 1),
    },
    "batches of four and a cosine": lambda s: {
        **ADAM, "batch_size": 4, "lr": 0.003, "epochs": 30, "schedule": "cosine", "model": perceptron(s, 3, 32, 32, 1),
    },
    "adam at 0.0005 for long": lambda s: {**ADAM, "lr": 0.0005, "epochs": 250, "model": perceptron(s, 3, 64, 64, 1)},
    "patience of five": lambda s: {
        **ADAM, "validation": 0.2, "patience": 5, "epochs": 200, "lr": 0.005, "model": perceptron(s, 3, 32, 32, 1),
    },
    "patience of twenty": lambda s: {
        **ADAM, "validation": 0.2, "patience": 20, "epochs": 300, "lr": 0.003, "model": perceptron(s, 3, 32, 32, 1),
    },
    "patience of ten, and a rate that falls": lambda s: {
        **ADAM, "validation": 0.15, "patience": 10, "epochs": 100, "schedule": "cosine",
        "model": perceptron(s, 3, 32, 32, 1),
    },
    "Huber's loss": lambda s: {**ADAM, "loss": nn.HuberLoss(), "model": perceptron(s, 3, 32, 32, 1), "lr": 0.005},
    "single precision, a quarter held out": lambda s: {
        **ADAM, "dtype": "float32", "test_fraction": 0.25, "model": perceptron(s, 3, 32, 32, 1), "lr": 0.005,
    },
    "clipped at five": lambda s: {**ADAM, "clip": 5.0, "model": perceptron(s, 3, 32, 32, 1), "lr": 0.005},
}  # fmt: skip

for _name, _settings in WAYS.items():
    globals()[f"way_{_name.replace(' ', '_')}"] = healthy(f"a smooth function: {_name}", seeds=TWICE)(
        lambda seed, settings=_settings: of_waves(seed, settings(seed))
    )

LINES = {
    "a network, although a plane would do": lambda s: {**ADAM, "model": perceptron(s, 4, 16, 1)},
    "a network on sixty rows, stopped by patience": lambda s: {
        **ADAM, "model": perceptron(s, 4, 16, 1), "validation": 0.25, "patience": 15, "epochs": 300, "batch_size": 16,
    },
    "nn.Linear by adam and minibatches": lambda s: {
        **ADAM, "model": built(s, lambda: nn.Linear(4, 1)), "lr": 0.02, "epochs": 80,
    },
    "nn.Linear in single precision, by SGD": lambda s: {
        "loss": "mse", "optimizer": "sgd", "lr": 0.05, "model": built(s, lambda: nn.Linear(4, 1)), "dtype": "float32",
        "batch_size": 20, "epochs": 40,
    },
    "the built-in network on little": lambda s: {"model": "mlp:8", "epochs": 60, "batch_size": 16, "seed": s},
}  # fmt: skip

for _name, _settings in LINES.items():
    globals()[f"line_{_name.replace(' ', '_')}"] = healthy(f"a plane: {_name}", seeds=TWICE)(
        lambda seed, settings=_settings: of_plane(seed, settings(seed), within=1.25)
    )


# ---- classes -----------------------------------------------------------------------------------------


def of_blobs(seed: int, settings: dict, n: int = 500, k: int = 3, within: float = 1.25) -> Well:
    x, y = blobs(seed, n, k)
    fresh, goal = blobs(seed + 100, 2000, k)
    best = 0.01 + float(np.mean(SVC(C=1.0).fit(x, y).predict(fresh) != goal))
    return Well(Given({"x": x, "y": y}, settings), wrong(fresh, goal), best, within)


def of_moons(seed: int, settings: dict, n: int = 400, noise: float = 0.25, within: float = 1.4) -> Well:
    x, y = moons(seed, n, noise)
    fresh, goal = moons(seed + 100, 2000, noise)
    best = 0.01 + float(np.mean(SVC(C=1.0).fit(x, y).predict(fresh) != goal))
    return Well(Given({"x": x, "y": y}, settings), wrong(fresh, goal), best, within)


CLASSES = {"optimizer": "adam", "lr": 0.01, "batch_size": 32, "epochs": 30}


def focal(prediction, target):
    """Of two classes, with certain rows taken less seriously."""
    each = nn.functional.binary_cross_entropy_with_logits(prediction.reshape(-1), target.reshape(-1), reduction="none")
    return ((1 - torch.exp(-each)) ** 2 * each).mean()


@healthy("clouds by a network, dropout of a half and weight decay", seeds=TWICE)
def half_dropped(seed: int) -> Well:
    made = sequence(seed, lambda: [nn.Linear(5, 64), nn.ReLU(), nn.Dropout(0.5), nn.Linear(64, 3)])
    return of_blobs(
        seed, {**CLASSES, "loss": nn.CrossEntropyLoss(), "optimizer": torch.optim.AdamW, "lr": 0.005, "model": made}
    )


@healthy("clouds by a network, stopped by patience of three", seeds=TWICE)
def patience_of_three(seed: int) -> Well:
    settings = {**CLASSES, "loss": "cross_entropy", "model": perceptron(seed, 5, 32, 3), "epochs": 100}
    return of_blobs(seed, {**settings, "validation": 0.2, "patience": 3})


@healthy("clouds by batch normalization and SGD with momentum", seeds=TWICE)
def normalized_clouds(seed: int) -> Well:
    made = sequence(seed, lambda: [nn.Linear(5, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 3)])
    settings = {**CLASSES, "loss": nn.CrossEntropyLoss(), "optimizer": "momentum:0.9", "lr": 0.02, "model": made}
    return of_blobs(seed, {**settings, "schedule": "cosine", "epochs": 25})


@healthy("clouds of unequal sizes by weights in nn.CrossEntropyLoss", seeds=TWICE)
def weighted_clouds(seed: int) -> Well:
    def rows(seed: int, n: int):
        x, y = blobs(seed, 3 * n, 3)
        kept = np.random.default_rng(seed).random(3 * n) < np.array([1.0, 0.5, 0.15])[y]
        return x[kept], y[kept]

    x, y = rows(seed, 400)
    fresh, goal = rows(seed + 100, 1500)
    peer = LogisticRegression(class_weight="balanced").fit(x, y)
    share = np.bincount(y) / len(y)
    loss = nn.CrossEntropyLoss(weight=torch.tensor(1 / (3 * share)))
    settings = {**CLASSES, "loss": loss, "model": perceptron(seed, 5, 24, 3), "epochs": 20, "lr": 0.005}
    reference = 0.02 + float(np.mean(peer.predict(fresh) != goal))
    return Well(Given({"x": x, "y": y}, settings), wrong(fresh, goal), reference, 1.3)


@healthy("moons by BCEWithLogitsLoss and a fifth held out", seeds=TWICE)
def moons_held_out(seed: int) -> Well:
    settings = {**CLASSES, "loss": nn.BCEWithLogitsLoss(), "model": perceptron(seed, 2, 32, 32, 1)}
    return of_moons(seed, {**settings, "test_fraction": 0.2, "epochs": 40})


@healthy("moons by patience of eight and tanh", seeds=TWICE)
def moons_patient(seed: int) -> Well:
    settings = {**CLASSES, "loss": "logistic", "model": perceptron(seed, 2, 24, 24, 1, between=nn.Tanh), "epochs": 200}
    return of_moons(seed, {**settings, "validation": 0.2, "patience": 8})


@healthy("moons by the hinge of a network", seeds=TWICE)
def moons_hinge(seed: int) -> Well:
    return of_moons(seed, {**CLASSES, "loss": "hinge", "model": perceptron(seed, 2, 32, 32, 1), "epochs": 60})


@healthy("digits by dropout twice, and a cosine", seeds=(1,))
def digits_dropped(seed: int) -> Well:
    x, fresh, y, goal = digits(seed)
    best = 0.01 + float(np.mean(SVC().fit(x, y).predict(fresh) != goal))
    made = sequence(seed, lambda: [
        nn.Linear(64, 64), nn.ReLU(), nn.Dropout(0.3), nn.Linear(64, 64), nn.ReLU(), nn.Dropout(0.3), nn.Linear(64, 10),
    ])  # fmt: skip
    settings = {**CLASSES, "loss": nn.CrossEntropyLoss(), "lr": 0.003, "model": made, "schedule": "cosine"}
    return Well(Given({"x": x, "y": y}, settings), wrong(fresh, goal), best, 2.5)


# ---- codes, pictures and series ----------------------------------------------------------------------


class Shops(nn.Module):
    """Numbers beside a table of vectors of shops."""

    def __init__(self, shops: int, width: int) -> None:
        super().__init__()
        self.shop = nn.Embedding(shops, width)
        self.rest = nn.Sequential(nn.Linear(width + 2, 32), nn.ReLU(), nn.Linear(32, 1))

    def forward(self, x):
        return self.rest(torch.cat([self.shop(x[:, 0].long()), x[:, 1:]], 1))


@healthy("sales by an embedding of shops beside numbers", seeds=TWICE)
def shops(seed: int) -> Well:
    worth = np.random.default_rng(11).standard_normal(12)

    def rows(seed: int, n: int, noise: float):
        random = np.random.default_rng(seed)
        shop, z = random.integers(12, size=n), random.standard_normal((n, 2))
        y = worth[shop] + 0.8 * z[:, 0] - 0.5 * z[:, 1] + noise * random.standard_normal(n)
        return np.column_stack([shop, z]), y

    x, y = rows(seed, 800, 0.4)
    fresh, goal = rows(seed + 100, 1500, 0.0)
    dummies = np.column_stack([np.eye(12)[x[:, 0].astype(int)], x[:, 1:]])
    best = Ridge(0.1).fit(dummies, y)
    far = np.column_stack([np.eye(12)[fresh[:, 0].astype(int)], fresh[:, 1:]])
    reference = 0.03 + float(np.mean((best.predict(far) - goal) ** 2))
    settings = {**ADAM, "model": built(seed, lambda: Shops(12, 4)), "epochs": 30, "schedule": "cosine"}
    return Well(Given({"x": x, "y": y}, settings), squared(fresh, goal), reference, 1.3)


class Ahead(nn.Module):
    """The next value of a series by a recurrent layer."""

    def __init__(self) -> None:
        super().__init__()
        self.walk, self.last = nn.LSTM(1, 16, batch_first=True), nn.Linear(16, 1)

    def forward(self, x):
        return self.last(self.walk(x.unsqueeze(-1))[0][:, -1])


@healthy("the next value of a noisy wave by an LSTM", seeds=(1,))
def next_value(seed: int) -> Well:
    random = np.random.default_rng(seed)
    t = np.arange(520)
    series = np.sin(0.4 * t) + 0.1 * random.standard_normal(520)
    rows = np.lib.stride_tricks.sliding_window_view(series, 13)
    x, y = rows[:400, :12], rows[:400, 12]
    fresh, goal = rows[410:, :12], rows[410:, 12]
    reference = float(np.mean((Ridge(0.1).fit(x, y).predict(fresh) - goal) ** 2))
    settings = {**ADAM, "model": built(seed, Ahead), "epochs": 50}
    return Well(Given({"x": x.copy(), "y": y.copy()}, settings), squared(fresh.copy(), goal), reference, 1.5)


@healthy("what a filter of a series makes, by a convolution", seeds=TWICE)
def filtered(seed: int) -> Well:
    def rows(seed: int, n: int, noise: float):
        random = np.random.default_rng(seed)
        x = random.standard_normal((n, 20))
        return x, x[:, 4:16].max(1) + noise * random.standard_normal(n)

    x, y = rows(seed, 600, 0.2)
    fresh, goal = rows(seed + 100, 1500, 0.0)
    made = sequence(seed, lambda: [
        nn.Unflatten(1, (1, 20)), nn.Conv1d(1, 8, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(160, 32), nn.ReLU(),
        nn.Linear(32, 1),
    ])  # fmt: skip
    reference = float(np.mean((Ridge(1.0).fit(x, y).predict(fresh) - goal) ** 2))
    settings = {**ADAM, "model": made, "lr": 0.002, "validation": 0.2, "patience": 5, "epochs": 60}
    return Well(Given({"x": x, "y": y}, settings), squared(fresh, goal), reference, 1.2)


@healthy("noisy digits cleaned by an autoencoder", seeds=(1,))
def cleaned(seed: int) -> Well:
    x, _, _, _ = digits(seed)
    random = np.random.default_rng(seed)
    noisy = x + 0.2 * random.standard_normal(x.shape)
    made = sequence(seed, lambda: [nn.Linear(64, 48), nn.ReLU(), nn.Linear(48, 64)])
    settings = {**ADAM, "model": made, "lr": 0.003, "epochs": 60}
    best = Ridge(1.0).fit(noisy, x)
    reference = float(np.mean((best.predict(noisy) - x) ** 2))
    return Well(Given({"x": noisy, "y": x}, settings), squared(noisy, x), reference, 1.05)


@healthy("the median of a skewed target, by a network and its own loss", seeds=TWICE)
def own_pinball(seed: int) -> Well:
    x, clean = waves(seed, 600, p=3, noise=0.0)
    y = clean + np.random.default_rng(seed).standard_t(3, 600) * 0.3
    fresh, goal = waves(seed + 100, 1500, p=3, noise=0.0)

    def pinball(prediction, target):
        left = target.reshape(-1) - prediction.reshape(-1)
        return torch.maximum(0.5 * left, -0.5 * left).mean()

    settings = {**ADAM, "loss": pinball, "model": perceptron(seed, 3, 32, 32, 1), "lr": 0.005, "epochs": 60}
    reference = 0.05 + float(np.mean((SVR(C=10.0, gamma=0.15).fit(x, y).predict(fresh) - goal) ** 2))
    return Well(Given({"x": x, "y": y}, settings), squared(fresh, goal), reference, 1.4)


@healthy("one in eight, by pos_weight", seeds=TWICE)
def pos_weight(seed: int) -> Well:
    def rows(seed: int, n: int):
        random = np.random.default_rng(seed)
        y = (random.random(n) < 0.125).astype(int)
        return random.standard_normal((n, 4)) + np.outer(y, [1.5, -1.0, 0.8, 0.0]), y

    x, y = rows(seed, 800)
    fresh, goal = rows(seed + 100, 3000)
    peer = LogisticRegression(class_weight="balanced").fit(x, y)
    loss = nn.BCEWithLogitsLoss(pos_weight=torch.tensor(7.0))
    settings = {**CLASSES, "loss": loss, "model": perceptron(seed, 4, 16, 1), "epochs": 20}
    return Well(
        Given({"x": x, "y": y}, settings), wrong(fresh, goal), 0.01 + float(np.mean(peer.predict(fresh) != goal)), 1.3
    )
