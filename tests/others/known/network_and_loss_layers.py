"""Layers that cannot learn: none activated, all alike at the start, held back too much, dead or saturated."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from others.case import Given, Pair, case
from others.known.sources import built, clusters, drawings, log_loss, moons, perceptron, scans, squared, waves

KIND = "network and loss"


# ---- no activation between ---------------------------------------------------------------------------


@case(
    "a hidden layer without activation",
    codes=("ST022",),
    kind=KIND,
    source="https://stats.stackexchange.com/questions/384199/effect-on-a-hidden-layer-without-activation",
    advice=r"(?i)relu|activation",
)
def no_activation(seed: int) -> Pair:
    x, y = clusters(seed, 600, k=5, p=4)
    settings = {"loss": nn.CrossEntropyLoss(), "optimizer": "adam", "lr": 0.01, "batch_size": 60, "epochs": 20}
    sick, twin = (
        Given({"x": x, "y": y}, {**settings, "model": perceptron(seed, 4, 40, 5, between=between)})
        for between in (nn.Identity, nn.ReLU)
    )
    return Pair(sick, twin, log_loss(*clusters(seed + 100, 2000, k=5, p=4)))


class Stacked(nn.Module):
    """Three linear layers one after the other; F.relu between them was forgotten, or not."""

    def __init__(self, activated: bool):
        super().__init__()
        self.fc1, self.fc2, self.fc3 = nn.Linear(5, 32), nn.Linear(32, 32), nn.Linear(32, 1)
        self.activated = activated

    def forward(self, x):
        between = F.relu if self.activated else lambda h: h
        return self.fc3(between(self.fc2(between(self.fc1(x)))))


@case(
    "three linear layers in forward(), and no F.relu",
    codes=("ST022",),
    kind=KIND,
    source="https://stats.stackexchange.com/questions/96357/does-a-neural-network-actually-need-an-activation-function-or-is-that-just-for-b",
    advice=r"(?i)relu|activation",
)
def no_activation_in_forward(seed: int) -> Pair:
    x, y = waves(seed, 500)
    settings = {"optimizer": torch.optim.Adam, "lr": 0.003, "batch_size": 50, "epochs": 60}
    sick, twin = (
        Given({"x": x, "y": y}, {**settings, "model": built(seed, lambda activated=activated: Stacked(activated))})
        for activated in (False, True)
    )
    return Pair(sick, twin, squared(*waves(seed + 100, 2000)))


def convolutions(seed: int, between) -> nn.Module:
    return built(
        seed,
        lambda: nn.Sequential(
            *(nn.Conv2d(1, 8, 3, padding=1), between(), nn.AvgPool2d(2)),
            *(nn.Conv2d(8, 8, 3, padding=1), between(), nn.Flatten(), nn.Linear(128, 3)),
        ),
    )


@case(
    "convolutions without an activation",
    codes=("ST022",),
    kind=KIND,
    source="https://github.com/facebookresearch/RTFM/pull/2",
    advice=r"(?i)relu|activation",
)
def convolutions_unactivated(seed: int) -> Pair:
    x, y = drawings(seed, 500)
    settings = {"loss": F.cross_entropy, "optimizer": "adam", "lr": 0.01, "batch_size": 50, "epochs": 10}
    sick, twin = (
        Given({"x": x, "y": y}, {**settings, "model": convolutions(seed, between)})
        for between in (nn.Identity, nn.ReLU)
    )
    return Pair(sick, twin, log_loss(*drawings(seed + 100, 1000)))


# ---- starts that are alike ---------------------------------------------------------------------------


def filled(module: nn.Module, weight: float, bias: float = 0.0) -> nn.Module:
    """The module with every weight and every bias at one number."""
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            parameter.fill_(bias if name.endswith("bias") else weight)
    return module


@case(
    "all weights start at zero",
    codes=("ST031",),
    kind=KIND,
    source="https://github.com/wagonhelm/NaNmnist/issues/2",
    advice=r"(?i)random|init",
)
def start_at_zero(seed: int) -> Pair:
    x, y = waves(seed, 400)
    settings = {"loss": nn.MSELoss(), "optimizer": "adam", "lr": 0.01, "batch_size": 50, "epochs": 60}
    fine = perceptron(seed, 5, 32, 1, between=nn.Tanh)
    twin = Given({"x": x, "y": y}, {**settings, "model": fine})
    sick = filled(perceptron(seed, 5, 32, 1, between=nn.Tanh), 0.0)
    return Pair(twin.but(model=sick), twin, squared(*waves(seed + 100, 2000)))


@case(
    "all weights start at one constant",
    codes=("ST031",),
    kind=KIND,
    source="https://community.deeplearning.ai/t/why-dont-weights-get-adjusted-when-initialized-to-0/431799",
    advice=r"(?i)random|init",
)
def start_at_one_constant(seed: int) -> Pair:
    x, y = moons(seed, 300)
    settings = {"loss": "logistic", "optimizer": "adam", "lr": 0.01, "epochs": 300}
    twin = Given({"x": x, "y": y}, {**settings, "model": perceptron(seed, 2, 16, 16, 1)})
    sick = filled(perceptron(seed, 2, 16, 16, 1), 0.1)
    return Pair(twin.but(model=sick), twin, log_loss(*moons(seed + 100, 2000)))


class Repeated(nn.Module):
    """An embedding and a layer whose own initialisation sets each matrix to the same small number, or to random ones."""

    def __init__(self, constant: bool):
        super().__init__()
        self.hidden, self.out = nn.Linear(6, 30), nn.Linear(30, 4)
        for layer in (self.hidden, self.out):
            nn.init.zeros_(layer.bias)
            (nn.init.constant_(layer.weight, 0.05) if constant else nn.init.xavier_uniform_(layer.weight))

    def forward(self, x):
        return self.out(torch.sigmoid(self.hidden(x)))


@case(
    "nn.init.constant_ in a classifier of four classes",
    codes=("ST031",),
    kind=KIND,
    source="https://github.com/junxnone/tio/issues/959",
    advice=r"(?i)random|init",
)
def start_in_init(seed: int) -> Pair:
    x, y = clusters(seed, 500)
    settings = {"loss": nn.CrossEntropyLoss(), "optimizer": "momentum:0.9", "lr": 0.1, "batch_size": 50, "epochs": 30}
    sick, twin = (
        Given({"x": x, "y": y}, {**settings, "model": built(seed, lambda constant=constant: Repeated(constant))})
        for constant in (True, False)
    )
    return Pair(sick, twin, log_loss(*clusters(seed + 100, 2000)))


# ---- too much held back ------------------------------------------------------------------------------


def dropped(seed: int, rate: float, *widths: int, between=nn.ReLU) -> nn.Module:
    """A perceptron with dropout after each activation."""
    return perceptron(seed, *widths, between=lambda: nn.Sequential(between(), nn.Dropout(rate)))


@case(
    "dropout of a half in a small network for a sine",
    codes=("ST032",),
    kind=KIND,
    source="https://imathworks.com/cv/solved-dropout-effectiveness-on-small-neural-networks",
    advice=r"(?i)dropout",
)
def dropout_in_a_small_network(seed: int) -> Pair:
    def sine(seed: int, n: int):
        random = np.random.default_rng(seed)
        x = random.uniform(-3, 3, (n, 1))
        return x, np.sin(2 * x[:, 0]) + 0.05 * random.standard_normal(n)

    x, y = sine(seed, 300)
    settings = {"loss": nn.MSELoss(), "optimizer": "adam", "lr": 0.01, "epochs": 800}
    sick, twin = (
        Given({"x": x, "y": y}, {**settings, "model": dropped(seed, rate, 1, 12, 12, 1, between=nn.Tanh)})
        for rate in (0.5, 0.0)
    )
    return Pair(sick, twin, squared(*sine(seed + 100, 1000)))


@case(
    "dropout of nine in ten",
    codes=("ST032",),
    kind=KIND,
    source="https://errorhandle.ai/keep-prob-value-in-dropout-and-getting-worst-resultypescript-with-dropout",
    advice=r"(?i)dropout",
)
def dropout_of_nine_in_ten(seed: int) -> Pair:
    x, y = clusters(seed, 500)
    settings = {"loss": nn.CrossEntropyLoss(), "optimizer": "adam", "lr": 0.003, "batch_size": 50, "epochs": 30}
    sick, twin = (
        Given({"x": x, "y": y}, {**settings, "model": dropped(seed, rate, 6, 32, 32, 4)}) for rate in (0.9, 0.1)
    )
    return Pair(sick, twin, log_loss(*clusters(seed + 100, 2000)))


@case(
    "a weight decay of a half",
    codes=("ST032",),
    kind=KIND,
    source="https://github.com/BVLC/caffe/issues/1396",
    advice=r"(?i)decay|penalty",
)
def weight_decay_of_a_half(seed: int) -> Pair:
    x, y = waves(seed, 400)
    settings = {
        "loss": nn.MSELoss(),
        "model": perceptron(seed, 5, 32, 32, 1),
        "lr": 0.01,
        "batch_size": 50,
        "epochs": 50,
    }
    sick = partial(torch.optim.Adam, lr=0.01, weight_decay=0.5)
    twin = partial(torch.optim.Adam, lr=0.01, weight_decay=1e-5)
    given = Given({"x": x, "y": y}, {key: value for key, value in settings.items() if key != "lr"})
    return Pair(given.but(optimizer=sick), given.but(optimizer=twin), squared(*waves(seed + 100, 2000)))


@case(
    "an l2 penalty that keeps a classifier at even odds",
    codes=("ST032",),
    kind=KIND,
    source="https://github.com/deeplearning4j/deeplearning4j/issues/1453",
)
def penalty_of_a_classifier(seed: int) -> Pair:
    x, y = moons(seed, 300)
    model = perceptron(seed, 2, 24, 24, 1, between=nn.Tanh)
    settings = {"model": model, "loss": "logistic", "optimizer": "adam", "lr": 0.01, "epochs": 300}
    twin = Given({"x": x, "y": y}, {**settings, "penalty": "l2:0.0001"})
    return Pair(twin.but(penalty="l2:0.3"), twin, log_loss(*moons(seed + 100, 2000)))


# ---- saturated, dead, vanishing ----------------------------------------------------------------------


@case(
    "pixels from 0 to 255 into sigmoid units",
    codes=("ST033", "ST004"),
    kind=KIND,
    source="https://makeyourownneuralnetwork.blogspot.com/2015/05/saturation-and-normalising-inputs.html",
)
def pixels_into_sigmoids(seed: int) -> Pair:
    x, y = scans(seed, 500)
    model = perceptron(seed, 64, 16, 10, between=nn.Sigmoid)
    settings = {"model": model, "loss": nn.CrossEntropyLoss(), "optimizer": "momentum:0.9", "lr": 0.1, "batch_size": 50}
    twin = Given({"x": x / 128 - 1, "y": y}, {**settings, "epochs": 25})
    fresh, codes = scans(seed + 100, 1000)

    def score(fit):
        raw = np.abs(fit.train.x).max() > 2
        return log_loss(fresh if raw else fresh / 128 - 1, codes)(fit)

    return Pair(Given({"x": x, "y": y}, twin.settings), twin, score)


@case(
    "a tanh network whose data lie far from zero",
    codes=("ST033", "ST004"),
    kind=KIND,
    source="https://datascience.stackexchange.com/questions/31499/neural-network-only-converges-when-data-cloud-is-close-to-0",
)
def cloud_far_from_zero(seed: int) -> Pair:
    def cloud(seed: int, n: int):
        random = np.random.default_rng(seed)
        x = random.uniform(-2.0, 2.0, (n, 1))
        return 60 + 5 * x, np.sin(2 * x[:, 0]) + 0.1 * random.standard_normal(n)

    x, y = cloud(seed, 200)
    model = perceptron(seed, 1, 16, 16, 1, between=nn.Tanh)
    settings = {"model": model, "loss": nn.MSELoss(), "optimizer": "adam", "lr": 0.01, "epochs": 600}
    sick = Given({"x": x, "y": y}, {**settings, "precondition": "none"})
    return Pair(sick, sick.but(precondition="standardize"), squared(*cloud(seed + 100, 1000)))


@case(
    "ReLU units that died of one long step",
    codes=("ST016", "ST001"),
    kind=KIND,
    source="https://www.queryfor.com/what-is-the-dying-relu-problem-in-neural-networks/",
)
def died_on_the_way(seed: int) -> Pair:
    x, y = waves(seed, 400)
    settings = {"model": perceptron(seed, 5, 32, 32, 1), "loss": nn.MSELoss(), "batch_size": 50, "epochs": 50}
    twin = Given({"x": x, "y": y}, {**settings, "optimizer": "adam", "lr": 0.005})
    return Pair(twin.but(lr=1.5), twin, squared(*waves(seed + 100, 2000)))


@case(
    "ReLU units that start below every row",
    codes=("ST016",),
    kind=KIND,
    source="https://datarekha.com/interview/deep-learning/dead-relu-problem/",
    advice=r"(?i)bias|leaky|start|init",
)
def dead_from_the_start(seed: int) -> Pair:
    x, y = moons(seed, 300)
    settings = {"loss": nn.BCEWithLogitsLoss(), "optimizer": "adam", "lr": 0.01, "epochs": 300}
    twin = Given({"x": x, "y": y}, {**settings, "model": perceptron(seed, 2, 16, 16, 1)})
    sick = perceptron(seed, 2, 16, 16, 1)
    with torch.no_grad():
        sick[0].bias.fill_(-4.0)
    return Pair(twin.but(model=sick), twin, log_loss(*moons(seed + 100, 2000)))


@case(
    "four layers of sigmoids by SGD",
    codes=("ST017",),
    kind=KIND,
    source="https://ai.stackexchange.com/questions/16557/what-could-be-the-problem-when-a-neural-network-with-four-hidden-layers-with-the",
    advice=r"(?i)relu|residual|activation|layer",
)
def four_layers_of_sigmoids(seed: int) -> Pair:
    x, y = waves(seed, 400)
    settings = {"loss": nn.MSELoss(), "optimizer": "momentum:0.9", "lr": 0.01, "batch_size": 50, "epochs": 60}
    sick, twin = (
        Given({"x": x, "y": y}, {**settings, "model": perceptron(seed, 5, 30, 30, 30, 30, 1, between=between)})
        for between in (nn.Sigmoid, nn.ReLU)
    )
    return Pair(sick, twin, squared(*waves(seed + 100, 2000)))


@case(
    "twelve narrow layers of tanh",
    codes=("ST017",),
    kind=KIND,
    source="https://github.com/cazala/synaptic/issues/23",
    advice=r"(?i)relu|residual|activation|layer|init",
)
def twelve_narrow_layers(seed: int) -> Pair:
    x, y = moons(seed, 300)
    settings = {"loss": nn.BCEWithLogitsLoss(), "optimizer": "momentum:0.9", "lr": 0.05, "batch_size": 50, "epochs": 60}
    sick = perceptron(seed, 2, *[5] * 12, 1, between=nn.Tanh)
    twin = Given({"x": x, "y": y}, {**settings, "model": perceptron(seed, 2, 16, 16, 1, between=nn.Tanh)})
    return Pair(twin.but(model=sick), twin, log_loss(*moons(seed + 100, 2000)))


# ---- batch normalization in tiny batches -------------------------------------------------------------


def normalized(seed: int, *widths: int) -> nn.Module:
    """A perceptron with batch normalization before each activation."""

    def make():
        hidden = [
            layer
            for i in range(len(widths) - 2)
            for layer in (nn.Linear(widths[i], widths[i + 1]), nn.BatchNorm1d(widths[i + 1]), nn.ReLU())
        ]
        return nn.Sequential(*hidden, nn.Linear(widths[-2], widths[-1]))

    return built(seed, make)


@case(
    "batch normalization of a regression in batches of two",
    codes=("ST034",),
    kind=KIND,
    source="https://github.com/pytorch/pytorch/issues/19916",
    advice=r"(?i)batch",
)
def batches_of_two(seed: int) -> Pair:
    x, y = waves(seed, 300)
    settings = {"model": normalized(seed, 5, 32, 32, 1), "loss": nn.MSELoss(), "optimizer": "adam", "lr": 0.003}
    sick = Given({"x": x, "y": y}, {**settings, "batch_size": 2, "epochs": 6})
    return Pair(sick, sick.but(batch_size=50, epochs=80), squared(*waves(seed + 100, 2000)))


@case(
    "a convolutional network with BatchNorm2d in batches of two",
    codes=("ST034",),
    kind=KIND,
    source="https://github.com/dbolya/yolact/issues/325",
    advice=r"(?i)batch",
)
def pictures_in_batches_of_two(seed: int) -> Pair:
    def make():
        pool = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.BatchNorm1d(16), nn.Linear(16, 3))
        return nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), *pool)

    x, y = drawings(seed, 400, noise=0.2)
    settings = {"model": built(seed, make), "loss": nn.CrossEntropyLoss(), "optimizer": "adam", "lr": 0.02}
    sick = Given({"x": x, "y": y}, {**settings, "batch_size": 2, "epochs": 4})
    return Pair(sick, sick.but(batch_size=40, epochs=20), log_loss(*drawings(seed + 100, 1000, noise=0.2)))
