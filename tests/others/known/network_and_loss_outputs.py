"""Ends of a network that its loss does not expect: an activation too many, one too few, or one that cannot reach the target."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from others.case import Given, Pair, case
from others.known.sources import (
    built,
    clusters,
    drawings,
    log_loss,
    moons,
    perceptron,
    plane,
    sentences,
    squared,
    waves,
)

KIND = "network and loss"


@case(
    "a sigmoid before BCEWithLogitsLoss",
    codes=("ST021",),
    kind=KIND,
    source="https://github.com/avBuffer/UNet3plus_pth/issues/23",
    advice=r"(?i)sigmoid",
)
def sigmoid_twice(seed: int) -> Pair:
    x, y = moons(seed, 300)
    settings = {"loss": nn.BCEWithLogitsLoss(), "optimizer": "adam", "lr": 0.01, "epochs": 300}
    sick, twin = (
        Given({"x": x, "y": y}, {**settings, "model": perceptron(seed, 2, 16, 16, 1, end=end)})
        for end in ([nn.Sigmoid()], [])
    )
    return Pair(sick, twin, log_loss(*moons(seed + 100, 2000)))


class Recommender(nn.Module):
    """Are these words to somebody's taste? Embedded, averaged, weighed."""

    def __init__(self, squash: bool):
        super().__init__()
        self.words = nn.Embedding(30, 8)
        self.out = nn.Linear(8, 1)
        self.squash = squash

    def forward(self, x):
        score = self.out(self.words(x).mean(1))
        return torch.sigmoid(score) if self.squash else score


@case(
    "a sigmoid in forward() of an embedding, and BCEWithLogitsLoss",
    codes=("ST021",),
    kind=KIND,
    source="https://github.com/yudi-mars/daisyRec/pull/15",
    advice=r"(?i)sigmoid",
)
def sigmoid_in_forward(seed: int) -> Pair:
    x, y = sentences(seed, 1000)
    settings = {"loss": nn.BCEWithLogitsLoss(), "optimizer": "adam", "lr": 0.01, "batch_size": 50, "epochs": 15}
    sick, twin = (
        Given({"x": x, "y": y}, {**settings, "model": built(seed, lambda squash=squash: Recommender(squash))})
        for squash in (True, False)
    )
    return Pair(sick, twin, log_loss(*sentences(seed + 100, 2000)))


class Picture(nn.Module):
    """A convolution, a pool and a linear layer, for three kinds of pictures."""

    def __init__(self, end):
        super().__init__()
        self.conv = nn.Conv2d(1, 8, 3, padding=1)
        self.out = nn.Linear(8 * 4 * 4, 3)
        self.end = end

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv(x)), 2)
        return self.end(self.out(x.flatten(1)))


@case(
    "softmax at the end of a convolutional network, and CrossEntropyLoss",
    codes=("ST021",),
    kind=KIND,
    source="https://github.com/illiterate/BertClassifier/issues/2",
    advice=r"(?i)softmax",
)
def softmax_twice(seed: int) -> Pair:
    x, y = drawings(seed, 600)
    settings = {"loss": nn.CrossEntropyLoss(), "optimizer": "adam", "lr": 0.005, "batch_size": 50, "epochs": 20}
    sick, twin = (
        Given({"x": x, "y": y}, {**settings, "model": built(seed, lambda end=end: Picture(end))})
        for end in (nn.Softmax(dim=1), nn.Identity())
    )
    return Pair(sick, twin, log_loss(*drawings(seed + 100, 1000)))


class Classifier(nn.Module):
    """Two layers, with F.softmax in forward() or without."""

    def __init__(self, p: int, k: int, soft: bool):
        super().__init__()
        self.hidden = nn.Linear(p, 24)
        self.out = nn.Linear(24, k)
        self.soft = soft

    def forward(self, x):
        scores = self.out(F.relu(self.hidden(x)))
        return F.softmax(scores, dim=-1) if self.soft else scores


@case(
    "F.softmax in forward(), and F.cross_entropy, by SGD with momentum",
    codes=("ST021",),
    kind=KIND,
    source="https://github.com/NaJaeMin92/pytorch-DANN/issues/7",
    advice=r"(?i)softmax",
)
def softmax_in_forward(seed: int) -> Pair:
    x, y = clusters(seed, 500)
    settings = {"loss": F.cross_entropy, "optimizer": "momentum:0.9", "lr": 0.02, "batch_size": 50, "epochs": 30}
    sick, twin = (
        Given({"x": x, "y": y}, {**settings, "model": built(seed, lambda soft=soft: Classifier(6, 4, soft))})
        for soft in (True, False)
    )
    return Pair(sick, twin, log_loss(*clusters(seed + 100, 2000)))


@case(
    "softmax over a single output",
    codes=("ST021",),
    kind=KIND,
    source="https://stats.stackexchange.com/questions/481881/convolutional-neural-network-fails-even-when-given-answer",
    advice=r"(?i)softmax",
)
def softmax_of_one(seed: int) -> Pair:
    x, y = moons(seed, 300)
    settings = {"loss": nn.BCELoss(), "optimizer": torch.optim.Adam, "lr": 0.01, "epochs": 300}
    sick, twin = (
        Given({"x": x, "y": y}, {**settings, "model": perceptron(seed, 2, 16, 16, 1, end=[end])})
        for end in (nn.Softmax(dim=1), nn.Sigmoid())
    )
    return Pair(sick, twin, log_loss(*moons(seed + 100, 2000)))


@case(
    "softmax before NLLLoss, which wants its logarithm",
    codes=("ST021",),
    kind=KIND,
    source="https://github.com/AnubhavGupta3377/Text-Classification-Models-Pytorch/issues/9",
    advice=r"(?i)log",
)
def softmax_without_log(seed: int) -> Pair:
    x, y = clusters(seed, 800, k=3)
    settings = {"loss": nn.NLLLoss(), "optimizer": "adam", "lr": 0.01, "epochs": 120}
    sick, twin = (
        Given({"x": x, "y": y}, {**settings, "model": perceptron(seed, 6, 24, 3, end=[end])})
        for end in (nn.Softmax(dim=1), nn.LogSoftmax(dim=1))
    )
    return Pair(sick, twin, log_loss(*clusters(seed + 100, 2000, k=3)))


@case(
    "a ReLU after the last layer of a classifier",
    codes=("ST021",),
    kind=KIND,
    source="https://github.com/keras-team/keras/issues/6688",
    advice=r"(?i)relu",
    also=("ST016",),
)
def relu_of_logits(seed: int) -> Pair:
    x, y = moons(seed, 300)
    settings = {"loss": "logistic", "optimizer": "adam", "lr": 0.01, "epochs": 300}
    sick, twin = (
        Given({"x": x, "y": y}, {**settings, "model": perceptron(seed, 2, 16, 16, 1, end=end)})
        for end in ([nn.ReLU()], [])
    )
    return Pair(sick, twin, log_loss(*moons(seed + 100, 2000)))


@case(
    "a ReLU at the end of a regression whose target is negative as well",
    codes=("ST021",),
    kind=KIND,
    source="https://community.deeplearning.ai/t/can-relu-activation-be-used-in-the-last-layer-of-a-neural-network/549422",
    advice=r"(?i)relu",
    also=("ST016",),
)
def relu_at_the_end(seed: int) -> Pair:
    x, y = waves(seed, 400)
    settings = {"loss": nn.MSELoss(), "optimizer": "adam", "lr": 0.01, "batch_size": 64, "epochs": 60}
    sick, twin = (
        Given({"x": x, "y": y}, {**settings, "model": perceptron(seed, 5, 32, 32, 1, end=end)})
        for end in ([nn.ReLU()], [])
    )
    return Pair(sick, twin, squared(*waves(seed + 100, 2000)))


@case(
    "a sigmoid at the end, and targets from 3 to 6",
    codes=("ST021",),
    kind=KIND,
    source="https://github.com/BrainJS/brain.js/issues/518",
    advice=r"(?i)sigmoid",
)
def sigmoid_below_the_target(seed: int) -> Pair:
    def counted(seed: int, n: int):
        random = np.random.default_rng(seed)
        x = random.uniform(1, 7, (n, 1)) + np.arange(4) + 0.1 * random.standard_normal((n, 4))
        return x / 5, 3 + 3 * (x[:, 0] - 1) / 6

    x, y = counted(seed, 200)
    settings = {"optimizer": "adam", "lr": 0.03, "epochs": 400}
    sick, twin = (
        Given({"x": x, "y": y}, {**settings, "model": perceptron(seed, 4, 10, 1, between=nn.Tanh, end=end)})
        for end in ([nn.Sigmoid()], [])
    )
    return Pair(sick, twin, squared(*counted(seed + 100, 1000)))


class Bounded(nn.Module):
    """A regression with tanh in its last line, or without."""

    def __init__(self, bounded: bool):
        super().__init__()
        self.one = nn.Linear(4, 20)
        self.two = nn.Linear(20, 1)
        self.bounded = bounded

    def forward(self, x):
        x = torch.tanh(self.one(x))
        x = self.two(x)
        return torch.tanh(x) if self.bounded else x


@case(
    "tanh at the end, and targets beyond ±1",
    codes=("ST021",),
    kind=KIND,
    source="https://ansaurus.com/question/3644795-neural-network-python",
    advice=r"(?i)tanh",
)
def tanh_below_the_target(seed: int) -> Pair:
    x, y = plane(seed, 300)
    settings = {"loss": "mse", "optimizer": "momentum:0.9", "lr": 0.02, "epochs": 400}
    sick, twin = (
        Given({"x": x, "y": y}, {**settings, "model": built(seed, lambda bounded=bounded: Bounded(bounded))})
        for bounded in (True, False)
    )
    return Pair(sick, twin, squared(*plane(seed + 100, 2000)))
