"""Units that are dropped, decayed, saturated, dead, out of the gradient's reach or normalised by two rows."""

from __future__ import annotations

from functools import partial
from itertools import pairwise

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from others.case import Given, Pair, case
from others.held.parts import bends, clouds, fresh, rings, squared, stripes, surprise, waves, weights, wrong

# ---- dropout and decay -----------------------------------------------------------------------------


def _narrow(seed: int, *after: nn.Module) -> nn.Module:
    with weights(seed):
        return nn.Sequential(
            nn.Linear(2, 16), nn.ReLU(), *after, nn.Linear(16, 7), nn.ReLU(), *after, nn.Linear(7, 1)
        )  # fmt: skip


@case("half of a layer of seven units dropped", codes=("ST032",), kind="network and loss",
      source="https://forums.fast.ai/t/dropout-hides-the-actual-overfit/57574", advice=r"[Dd]ropout")  # fmt: skip
def narrow_dropout(seed: int) -> Pair:
    x, y = waves(seed, 400)
    settings = {"loss": nn.MSELoss(), "optimizer": "adam", "lr": 0.01, "epochs": 900}
    return Pair(
        sick=Given({"x": x, "y": y}, {**settings, "model": _narrow(seed, nn.Dropout(0.5))}),
        twin=Given({"x": x, "y": y}, {**settings, "model": _narrow(seed)}),
        score=squared(*waves(fresh(seed), 1500)),
    )


class Dropped(nn.Module):
    """Two hidden layers, each with functional dropout."""

    def __init__(self, share: float):
        super().__init__()
        self.first, self.second, self.out = nn.Linear(2, 40), nn.Linear(40, 40), nn.Linear(40, 4)
        self.share = share

    def forward(self, x):
        x = F.dropout(F.relu(self.first(x)), self.share, self.training)
        x = F.dropout(F.relu(self.second(x)), self.share, self.training)
        return self.out(x)


@case("nine of ten units dropped in both layers", codes=("ST032",), kind="network and loss",
      source="https://stackoverflow.com/questions/48393438/validation-loss-when-using-dropout", advice=r"[Dd]ropout")  # fmt: skip
def heavy_dropout(seed: int) -> Pair:
    x, y = clouds(seed, 300, classes=4)
    settings = {"loss": nn.CrossEntropyLoss(), "optimizer": "momentum:0.9", "lr": 0.05, "batch_size": 50, "epochs": 40}
    with weights(seed):
        sick = Dropped(0.9)
    with weights(seed):
        twin = Dropped(0.1)
    return Pair(
        sick=Given({"x": x, "y": y}, {**settings, "model": sick}),
        twin=Given({"x": x, "y": y}, {**settings, "model": twin}),
        score=surprise(*clouds(fresh(seed), 1500, classes=4)),
    )


@case("more layers and the same weight decay", codes=("ST032",), kind="network and loss",
      source="https://datascience.stackexchange.com/questions/319/debugging-neural-networks",
      advice=r"decay|penalty")  # fmt: skip
def heavy_decay(seed: int) -> Pair:
    with weights(seed):
        net = nn.Sequential(nn.Linear(5, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 1))
    x, y = bends(seed, 1200)
    settings = {"model": net, "loss": nn.MSELoss(), "epochs": 250}
    return Pair(
        sick=Given({"x": x, "y": y}, {**settings, "optimizer": partial(torch.optim.Adam, lr=0.01, weight_decay=1.0)}),
        twin=Given({"x": x, "y": y}, {**settings, "optimizer": partial(torch.optim.Adam, lr=0.01, weight_decay=1e-3)}),
        score=squared(*bends(fresh(seed), 1500)),
    )


@case("an l2 penalty against overfitting, a hundred times too large", codes=("ST032",), kind="network and loss",
      source="https://r-tensorflow.netlify.app/tutorials/beginners/basic-ml/tutorial_overfit_underfit",
      advice=r"penalty|decay")  # fmt: skip
def heavy_penalty(seed: int) -> Pair:
    x, y = rings(seed, 300)
    settings = {"model": "mlp:16", "loss": "logistic", "optimizer": "adam", "lr": 0.02, "epochs": 600}
    return Pair(
        sick=Given({"x": x, "y": y}, {**settings, "penalty": "l2:0.3"}),
        twin=Given({"x": x, "y": y}, {**settings, "penalty": "l2:0.0003"}),
        score=surprise(*rings(fresh(seed), 1500)),
    )


# ---- saturated units -------------------------------------------------------------------------------


@case("a sigmoid net on inputs between −100 and 100", codes=("ST033",), kind="network and loss",
      source="https://stackoverflow.com/questions/52800582/why-do-i-fail-to-predict-y-x4-with-keras-y-x3-works",
      advice=r"scale|standard|divide|saturat")  # fmt: skip
def wide_inputs(seed: int) -> Pair:
    def rows(start: int, n: int):
        random = np.random.default_rng(start)
        x = random.uniform(-1, 1, (n, 1))
        return x, np.sin(4 * x[:, 0]) + 0.05 * random.standard_normal(n)

    def net() -> nn.Module:
        with weights(seed):
            return nn.Sequential(nn.Linear(1, 40), nn.Sigmoid(), nn.Linear(40, 1))

    x, y = rows(seed, 250)
    far, truth = rows(fresh(seed), 1500)
    settings = {"model": net(), "loss": nn.MSELoss(), "optimizer": "momentum:0.95", "lr": 0.1, "epochs": 2000}

    def score(fit) -> float:
        widest = np.abs(fit.train.x).max()  # the unit that this fit's inputs are in
        return squared(far * (100.0 if widest > 2 else 1.0), truth)(fit)

    return Pair(
        sick=Given({"x": 100.0 * x, "y": y}, settings), twin=Given({"x": x, "y": y}, settings), score=score
    )  # fmt: skip


@case("images from 0 to 255 into sigmoid units", codes=("ST033",), kind="network and loss",
      source="https://datascience.stackexchange.com/questions/39929/why-normalize-when-all-features-are-on-the-same-scale",
      advice=r"scale|standard|divide|saturat|255")  # fmt: skip
def raw_pixels(seed: int) -> Pair:
    def net() -> nn.Module:
        with weights(seed):
            return nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.Sigmoid(), nn.Linear(32, 3))

    x, y = stripes(seed, 400, noise=0.2)
    far, truth = stripes(fresh(seed), 800, noise=0.2)
    settings = {
        "model": net(),
        "loss": nn.CrossEntropyLoss(),
        "optimizer": "adam",
        "lr": 0.01,
        "batch_size": 80,
        "epochs": 60,
    }

    def score(fit) -> float:
        return surprise(far * (255.0 if np.max(fit.train.x) > 2 else 1.0), truth)(fit)

    return Pair(
        sick=Given({"x": np.round(255.0 * x), "y": y}, settings), twin=Given({"x": x, "y": y}, settings), score=score
    )  # fmt: skip


@case("a cloud of data far from zero", codes=("ST033",), kind="network and loss",
      source="https://datascience.stackexchange.com/questions/31499/neural-network-only-converges-when-data-cloud-is-close-to-0",
      advice=r"centre|center|standard|scale|mean|saturat")  # fmt: skip
def far_cloud(seed: int) -> Pair:
    def rows(start: int, n: int):
        random = np.random.default_rng(start)
        x = random.uniform(-2, 2, (n, 1))
        return x, np.cos(1.5 * x[:, 0]) + 0.05 * random.standard_normal(n)

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second, self.out = nn.Linear(1, 16), nn.Linear(16, 16), nn.Linear(16, 1)

        def forward(self, x):
            return self.out(torch.tanh(self.second(torch.tanh(self.first(x)))))

    with weights(seed):
        net = Net()
    x, y = rows(seed, 150)
    far, truth = rows(fresh(seed), 1000)
    settings = {"model": net, "loss": nn.MSELoss(), "optimizer": "momentum:0.9", "lr": 0.05, "epochs": 1200}

    def score(fit) -> float:
        return squared(far + (40.0 if np.mean(fit.train.x) > 10 else 0.0), truth)(fit)

    return Pair(sick=Given({"x": x + 40.0, "y": y}, settings), twin=Given({"x": x, "y": y}, settings), score=score)


# ---- dead units ------------------------------------------------------------------------------------


@case("relu units that a too large rate kills on the way", codes=("ST016", "ST001"), kind="network and loss",
      source="https://github.com/keras-team/keras/issues/7057", advice=r"LeakyReLU|learning rate|rate")  # fmt: skip
def killed_units(seed: int) -> Pair:
    """The report names both: a too high learning rate pushes the units to where they never fire again."""
    with weights(seed):
        net = nn.Sequential(nn.Linear(5, 24), nn.ReLU(), nn.Linear(24, 24), nn.ReLU(), nn.Linear(24, 1))
    x, y = bends(seed, 500)
    settings = {"model": net, "loss": nn.MSELoss(), "batch_size": 50, "epochs": 60}
    data = {"x": x, "y": y + 3.0}
    far, truth = bends(fresh(seed), 1500)
    return Pair(
        sick=Given(data, {**settings, "optimizer": "sgd", "lr": 0.7}),
        twin=Given(data, {**settings, "optimizer": "sgd", "lr": 0.03}),
        score=squared(far, truth + 3.0),
    )


@case("parameters almost all negative behind relu", codes=("ST016",), kind="network and loss",
      source="https://discuss.pytorch.org/t/cross-entropy-loss-is-not-decreasing/43814",
      advice=r"LeakyReLU|bias|init|start")  # fmt: skip
def negative_start(seed: int) -> Pair:
    def net(mean: float) -> nn.Module:
        with weights(seed):
            made = nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 3))
            nn.init.normal_(made[1].weight, mean, 0.1)
        return made

    x, y = stripes(seed, 400, noise=0.2)
    settings = {"loss": nn.CrossEntropyLoss(), "optimizer": "sgd", "lr": 0.1, "batch_size": 50, "epochs": 60}
    return Pair(
        sick=Given({"x": x, "y": y}, {**settings, "model": net(-0.15)}),
        twin=Given({"x": x, "y": y}, {**settings, "model": net(0.0)}),
        score=surprise(*stripes(fresh(seed), 800, noise=0.2)),
    )


# ---- gradients that vanish -------------------------------------------------------------------------


@case("four sigmoid layers from binary vectors to a number", codes=("ST017",), kind="network and loss",
      source="https://ai.stackexchange.com/questions/16557/what-could-be-the-problem-when-a-neural-network-with-four-hidden-layers-with-the",
      advice=r"ReLU|fewer|BatchNorm|residual|sigmoid|Sigmoid")  # fmt: skip
def deep_sigmoid(seed: int) -> Pair:
    def rows(start: int, n: int):
        random = np.random.default_rng(start)
        x = random.integers(0, 2, (n, 10)).astype(float)
        y = x[:, 0] + x[:, 1] - 2.0 * x[:, 2] * x[:, 3] + x[:, 4] * x[:, 5] - 0.75
        return x, y + 0.1 * random.standard_normal(n)

    def net(activation: type[nn.Module]) -> nn.Module:
        with weights(seed):
            return nn.Sequential(
                nn.Linear(10, 30), activation(), nn.Linear(30, 30), activation(), nn.Linear(30, 30), activation(),
                nn.Linear(30, 30), activation(), nn.Linear(30, 1),
            )  # fmt: skip

    x, y = rows(seed, 500)
    settings = {"loss": "mse", "optimizer": "sgd", "lr": 0.05, "batch_size": 50, "epochs": 80}
    return Pair(
        sick=Given({"x": x, "y": y}, {**settings, "model": net(nn.Sigmoid)}),
        twin=Given({"x": x, "y": y}, {**settings, "model": net(nn.ReLU)}),
        score=squared(*rows(fresh(seed), 1500)),
    )


class Deep(nn.Module):
    """So many tanh layers of one width."""

    def __init__(self, width: int, depth: int):
        super().__init__()
        sizes = [2, *[width] * depth]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))
        self.out = nn.Linear(width, 1)

    def forward(self, x):
        for layer in self.layers:
            x = torch.tanh(layer(x))
        return self.out(x)


@case("ever more narrow tanh layers", codes=("ST017",), kind="network and loss",
      source="https://stackoverflow.com/questions/20009078/neural-network-architecture-design",
      advice=r"ReLU|fewer|wider|BatchNorm|residual|tanh|Tanh")  # fmt: skip
def deep_narrow_tanh(seed: int) -> Pair:
    x, y = waves(seed, 300)
    settings = {"loss": nn.MSELoss(), "optimizer": "momentum:0.9", "lr": 0.03, "epochs": 900}
    with weights(seed):
        sick = Deep(width=3, depth=10)
    with weights(seed):
        twin = Deep(width=20, depth=2)
    return Pair(
        sick=Given({"x": x, "y": y}, {**settings, "model": sick}),
        twin=Given({"x": x, "y": y}, {**settings, "model": twin}),
        score=squared(*waves(fresh(seed), 1500)),
    )


# ---- batch normalization in tiny batches -----------------------------------------------------------


@case("BatchNorm1d in batches of two rows", codes=("ST034",), kind="network and loss",
      source="https://github.com/pytorch/pytorch/issues/19916", advice=r"LayerNorm|GroupNorm|batch", also=("ST008",))  # fmt: skip
def two_rows(seed: int) -> Pair:
    with weights(seed):
        net = nn.Sequential(nn.Linear(2, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 1))
    x, y = waves(seed, 300)
    settings = {"model": net, "loss": nn.MSELoss(), "optimizer": "adam", "lr": 0.01}
    return Pair(
        sick=Given({"x": x, "y": y}, {**settings, "batch_size": 2, "epochs": 10}),
        twin=Given({"x": x, "y": y}, {**settings, "batch_size": 50, "epochs": 200}),
        score=squared(*waves(fresh(seed), 1500)),
    )


@case("BatchNorm2d and one image at a time", codes=("ST034",), kind="network and loss",
      source="https://github.com/microsoft/CNTK/issues/905", advice=r"LayerNorm|GroupNorm|InstanceNorm|batch",
      also=("ST008",))  # fmt: skip
def one_image(seed: int) -> Pair:
    def images(start: int, n: int):
        """Bright spots of four sizes, of one shape: what tells them apart is what an image's own mean takes away."""
        random = np.random.default_rng(start)
        codes = random.integers(0, 4, n)
        level = 0.15 + 0.25 * codes
        pictures = level[:, None, None] + 0.15 * random.standard_normal((n, 8, 8))
        return pictures[:, None], codes

    with weights(seed):
        net = nn.Sequential(
            nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.AvgPool2d(6), nn.Flatten(), nn.Linear(8, 4)
        )  # fmt: skip
    x, y = images(seed, 240)
    settings = {"model": net, "loss": nn.CrossEntropyLoss(), "optimizer": "adam", "lr": 0.01}
    return Pair(
        sick=Given({"x": x, "y": y}, {**settings, "batch_size": 1, "epochs": 4}),
        twin=Given({"x": x, "y": y}, {**settings, "batch_size": 40, "epochs": 80}),
        score=wrong(*images(fresh(seed), 800)),
    )
