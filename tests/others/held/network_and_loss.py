"""The output layer against its loss, layers without an activation between, and starts that are alike."""

from __future__ import annotations

from functools import partial
from itertools import pairwise

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from others.case import Given, Pair, case
from others.held.parts import bends, fresh, mixed, rings, sentences, squared, stripes, surprise, waves, weights, wrong

# ---- a loss that applies its own sigmoid or softmax ------------------------------------------------


def _scorer(seed: int, *last: nn.Module) -> nn.Module:
    with weights(seed):
        return nn.Sequential(nn.Linear(3, 24), nn.ReLU(), nn.Linear(24, 12), nn.ReLU(), nn.Linear(12, 1), *last)


@case("a recommender that ends in a sigmoid before BCEWithLogitsLoss", codes=("ST021",), kind="network and loss",
      source="https://github.com/yudi-mars/daisyRec/pull/15", advice=r"[Ss]igmoid")  # fmt: skip
def sigmoid_twice(seed: int) -> Pair:
    x, y = mixed(seed, 800)
    data = {"x": x, "y": y.astype(float)}
    settings = {"loss": nn.BCEWithLogitsLoss(), "optimizer": "adam", "lr": 0.01, "batch_size": 100, "epochs": 30}
    return Pair(
        sick=Given(data, {**settings, "model": _scorer(seed, nn.Sigmoid())}),
        twin=Given(data, {**settings, "model": _scorer(seed)}),
        score=surprise(*mixed(fresh(seed), 1500)),
    )


class Detector(nn.Module):
    """A convolutional classifier of two kinds of images, whose forward ends as it is told to."""

    def __init__(self, last=None):
        super().__init__()
        self.conv = nn.Conv2d(1, 6, 3)
        self.head = nn.Linear(6, 1)
        self.last = last

    def forward(self, images):
        features = F.relu(self.conv(images)).amax((2, 3))
        score = self.head(features).squeeze(-1)
        return score if self.last is None else self.last(score)


@case("torch.sigmoid in forward and binary_cross_entropy_with_logits", codes=("ST021",), kind="network and loss",
      source="https://github.com/Lightning-AI/pytorch-lightning/issues/18272", advice=r"[Ss]igmoid")  # fmt: skip
def functional_sigmoid_twice(seed: int) -> Pair:
    def images(start: int, n: int):
        pictures, codes = stripes(start, n)
        return pictures, (codes == 2).astype(int)

    x, y = images(seed, 200)
    settings = {"loss": F.binary_cross_entropy_with_logits, "optimizer": "adam", "lr": 0.03, "epochs": 250}
    with weights(seed):
        sick = Detector(torch.sigmoid)
    with weights(seed):
        twin = Detector()
    return Pair(
        sick=Given({"x": x, "y": y}, {**settings, "model": sick}),
        twin=Given({"x": x, "y": y}, {**settings, "model": twin}),
        score=surprise(*images(fresh(seed), 800)),
    )


@case("nn.Softmax at the end of a convolutional net before CrossEntropyLoss", codes=("ST021",), kind="network and loss",
      source="https://discuss.pytorch.org/t/cross-entropy-loss-is-not-decreasing/43814/16", advice=r"[Ss]oftmax")  # fmt: skip
def softmax_twice(seed: int) -> Pair:
    def net(*last: nn.Module) -> nn.Module:
        with weights(seed):
            return nn.Sequential(
                nn.Conv2d(1, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(72, 24), nn.ReLU(),
                nn.Linear(24, 3), *last,
            )  # fmt: skip

    x, y = stripes(seed, 240)
    settings = {"loss": nn.CrossEntropyLoss(), "optimizer": "momentum:0.9", "lr": 0.05, "batch_size": 40, "epochs": 40}
    return Pair(
        sick=Given({"x": x, "y": y}, {**settings, "model": net(nn.Softmax(dim=1))}),
        twin=Given({"x": x, "y": y}, {**settings, "model": net()}),
        score=surprise(*stripes(fresh(seed), 800)),
    )


class Mood(nn.Module):
    """A bag of word vectors and two layers."""

    def __init__(self, probabilities: bool):
        super().__init__()
        self.words = nn.Embedding(30, 8)
        self.hidden = nn.Linear(8, 16)
        self.out = nn.Linear(16, 3)
        self.probabilities = probabilities

    def forward(self, said):
        hidden = torch.tanh(self.hidden(self.words(said.long()).mean(1)))
        scores = self.out(hidden)
        return F.softmax(scores, dim=-1) if self.probabilities else scores


@case("F.softmax over the similarities and then cross_entropy", codes=("ST021",), kind="network and loss",
      source="https://github.com/gitabcworld/MatchingNetworks/issues/5", advice=r"[Ss]oftmax")  # fmt: skip
def functional_softmax_twice(seed: int) -> Pair:
    x, y = sentences(seed, 300)
    settings = {"loss": F.cross_entropy, "optimizer": "adam", "lr": 0.02, "epochs": 250}
    with weights(seed):
        sick = Mood(probabilities=True)
    with weights(seed):
        twin = Mood(probabilities=False)
    return Pair(
        sick=Given({"x": x, "y": y}, {**settings, "model": sick}),
        twin=Given({"x": x, "y": y}, {**settings, "model": twin}),
        score=surprise(*sentences(fresh(seed), 1500)),
    )


@case("softmax over one output unit", codes=("ST021",), kind="network and loss",
      source="https://geek-questions.imtqy.com/articles/1270335/index.html", advice=r"[Ss]oftmax")  # fmt: skip
def softmax_of_one(seed: int) -> Pair:
    def net(last: nn.Module) -> nn.Module:
        with weights(seed):
            return nn.Sequential(
                nn.Linear(2, 24), nn.LeakyReLU(), nn.Linear(24, 12), nn.LeakyReLU(), nn.Linear(12, 1), last
            )

    x, y = rings(seed, 300)
    settings = {"loss": nn.BCELoss(), "optimizer": "adam", "lr": 0.01, "batch_size": 60, "epochs": 80}
    return Pair(
        sick=Given({"x": x, "y": y}, {**settings, "model": net(nn.Softmax(dim=-1))}),
        twin=Given({"x": x, "y": y}, {**settings, "model": net(nn.Sigmoid())}),
        score=wrong(*rings(fresh(seed), 1500)),
    )


# ---- a bounded or one-sided activation at the output of a regression -------------------------------


@case("every layer has a sigmoid and the targets go up to twelve", codes=("ST021",), kind="network and loss",
      source="https://stackoverflow.com/questions/9048031/neural-network-output-scaling-the-output-range",
      advice=r"[Ss]igmoid", also=("ST033", "ST039"))  # fmt: skip
def sigmoid_output(seed: int) -> Pair:
    def rows(start: int, n: int):
        x, y = waves(start, n)
        return x / 2, 3.0 * y + 4.0

    def net(*last: nn.Module) -> nn.Module:
        with weights(seed):
            return nn.Sequential(nn.Linear(2, 20), nn.Sigmoid(), nn.Linear(20, 1), *last)

    x, y = rows(seed, 250)
    settings = {"loss": "mse", "optimizer": "adam", "lr": 0.1, "epochs": 1000}
    return Pair(
        sick=Given({"x": x, "y": y}, {**settings, "model": net(nn.Sigmoid())}),
        twin=Given({"x": x, "y": y}, {**settings, "model": net()}),
        score=squared(*rows(fresh(seed), 1500)),
    )


class Bounded(nn.Module):
    """Two hidden layers and an output that tanh may bound."""

    def __init__(self, p: int, bounded: bool):
        super().__init__()
        self.first, self.second, self.out = nn.Linear(p, 24), nn.Linear(24, 24), nn.Linear(24, 1)
        self.bounded = bounded

    def forward(self, x):
        value = self.out(torch.tanh(self.second(torch.tanh(self.first(x)))))
        return torch.tanh(value) if self.bounded else value


@case("tanh at the output of a regression without bounds", codes=("ST021",), kind="network and loss",
      source="https://stats.stackexchange.com/questions/266560/activation-function-for-output-layer-for-unbounded-values",
      advice=r"[Tt]anh")  # fmt: skip
def tanh_output(seed: int) -> Pair:
    def rows(start: int, n: int):
        x, y = bends(start, n, p=4)
        return x, 3.0 * y

    x, y = rows(seed, 800)
    settings = {"loss": nn.MSELoss(), "optimizer": partial(torch.optim.Adam, lr=0.01), "batch_size": 100, "epochs": 40}
    with weights(seed):
        sick = Bounded(4, bounded=True)
    with weights(seed):
        twin = Bounded(4, bounded=False)
    return Pair(
        sick=Given({"x": x, "y": y}, {**settings, "model": sick}),
        twin=Given({"x": x, "y": y}, {**settings, "model": twin}),
        score=squared(*rows(fresh(seed), 1500)),
    )


@case("relu on the last layer and targets below zero", codes=("ST021",), kind="network and loss",
      source="https://community.deeplearning.ai/t/loss-values-do-not-change/324182", advice=r"ReLU", also=("ST016",))  # fmt: skip
def relu_output(seed: int) -> Pair:
    def rows(start: int, n: int):
        random = np.random.default_rng(start)
        x = random.uniform(-3, 3, (n, 1))
        return x, 2.0 * x[:, 0] - 1.0 + 0.2 * random.standard_normal(n)

    def net(*last: nn.Module) -> nn.Module:
        with weights(seed):
            return nn.Sequential(nn.Linear(1, 24), nn.ReLU(), nn.Linear(24, 12), nn.ReLU(), nn.Linear(12, 1), *last)

    x, y = rows(seed, 120)
    settings = {"loss": nn.MSELoss(), "optimizer": "adam", "lr": 0.01, "epochs": 500}
    return Pair(
        sick=Given({"x": x, "y": y}, {**settings, "model": net(nn.ReLU())}),
        twin=Given({"x": x, "y": y}, {**settings, "model": net()}),
        score=squared(*rows(fresh(seed), 1000)),
    )


# ---- layers without an activation between ----------------------------------------------------------


@case("three linear layers on rings", codes=("ST022",), kind="network and loss",
      source="https://github.com/aymericdamien/TensorFlow-Examples/issues/270", advice=r"ReLU|Tanh|activation")  # fmt: skip
def only_linear(seed: int) -> Pair:
    def net(between: type[nn.Module]) -> nn.Module:
        with weights(seed):
            return nn.Sequential(
                nn.Linear(2, 32), between(), nn.Linear(32, 32), between(), nn.Linear(32, 3)
            )  # fmt: skip

    def plain() -> nn.Module:
        with weights(seed):
            return nn.Sequential(nn.Linear(2, 32), nn.Linear(32, 32), nn.Linear(32, 3))

    x, y = rings(seed, 300, classes=3)
    settings = {"loss": nn.CrossEntropyLoss(), "optimizer": "adam", "lr": 0.01, "batch_size": 50, "epochs": 60}
    return Pair(
        sick=Given({"x": x, "y": y}, {**settings, "model": plain()}),
        twin=Given({"x": x, "y": y}, {**settings, "model": net(nn.ReLU)}),
        score=wrong(*rings(fresh(seed), 1500, classes=3)),
    )


class Stack(nn.Module):
    """Layers in a list, with or without an activation after each but the last."""

    def __init__(self, p: int, width: int, depth: int, activation=None):
        super().__init__()
        sizes = [p, *[width] * depth, 1]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))
        self.activation = activation

    def forward(self, x):
        for layer in self.layers[:-1]:
            x = layer(x)
            x = x if self.activation is None else self.activation(x)
        return self.layers[-1](x)


@case("a hypernetwork without activation functions", codes=("ST022",), kind="network and loss",
      source="https://github.com/AUTOMATIC1111/stable-diffusion-webui/pull/3199",
      advice=r"ReLU|Tanh|activation")  # fmt: skip
def linear_loop(seed: int) -> Pair:
    x, y = waves(seed, 500)
    settings = {"loss": "mse", "optimizer": partial(torch.optim.Adam, lr=0.01), "epochs": 400}
    with weights(seed):
        sick = Stack(2, 24, 3)
    with weights(seed):
        twin = Stack(2, 24, 3, F.relu)
    return Pair(
        sick=Given({"x": x, "y": y}, {**settings, "model": sick}),
        twin=Given({"x": x, "y": y}, {**settings, "model": twin}),
        score=squared(*waves(fresh(seed), 1500)),
    )


@case("convolutions and linear layers with no nonlinearity", codes=("ST022",), kind="network and loss",
      source="https://github.com/soumith/cvpr2015/issues/6", advice=r"ReLU|Tanh|activation")  # fmt: skip
def linear_convolutions(seed: int) -> Pair:
    def net(*activation: nn.Module) -> nn.Module:
        with weights(seed):
            return nn.Sequential(
                nn.Conv2d(1, 8, 3), *activation, nn.AvgPool2d(2), nn.Flatten(),
                nn.Linear(72, 24), *activation, nn.Linear(24, 3),
            )  # fmt: skip

    x, y = stripes(seed, 240, noise=0.3)
    settings = {"loss": nn.CrossEntropyLoss(), "optimizer": "adam", "lr": 0.01, "batch_size": 60, "epochs": 60}
    return Pair(
        sick=Given({"x": x, "y": y}, {**settings, "model": net()}),
        twin=Given({"x": x, "y": y}, {**settings, "model": net(nn.ReLU())}),
        score=wrong(*stripes(fresh(seed), 800, noise=0.3)),
    )


# ---- weights that start alike ----------------------------------------------------------------------


def _started(network: nn.Module, start) -> nn.Module:
    for parameter in network.parameters():
        start(parameter)
    return network


@case("all weights and biases set to zero before relu layers", codes=("ST031",), kind="network and loss",
      source="https://community.deeplearning.ai/t/week-1-programming-assignment-initialization-exercise-1-initialize-parameters-zeros/121049",
      advice=r"random|init|start", also=("ST016",))  # fmt: skip
def zeros(seed: int) -> Pair:
    def net() -> nn.Module:
        with weights(seed):
            return nn.Sequential(nn.Linear(2, 10), nn.ReLU(), nn.Linear(10, 5), nn.ReLU(), nn.Linear(5, 1))

    x, y = rings(seed, 300)
    settings = {"loss": nn.BCEWithLogitsLoss(), "optimizer": "adam", "lr": 0.02, "epochs": 600}
    return Pair(
        sick=Given({"x": x, "y": y}, {**settings, "model": _started(net(), nn.init.zeros_)}),
        twin=Given({"x": x, "y": y}, {**settings, "model": net()}),
        score=surprise(*rings(fresh(seed), 1500)),
    )


@case("every weight of a sigmoid net starts at the same number", codes=("ST031",), kind="network and loss",
      source="https://github.com/wagonhelm/NaNmnist/issues/2", advice=r"random|init|start")  # fmt: skip
def one_constant(seed: int) -> Pair:
    def net() -> nn.Module:
        with weights(seed):
            return nn.Sequential(nn.Linear(2, 24), nn.Tanh(), nn.Linear(24, 1))

    x, y = waves(seed, 300)
    settings = {"loss": nn.MSELoss(), "optimizer": "momentum:0.9", "lr": 0.05, "epochs": 1500}
    return Pair(
        sick=Given({"x": x, "y": y}, {**settings, "model": _started(net(), partial(nn.init.constant_, val=0.3))}),
        twin=Given({"x": x, "y": y}, {**settings, "model": net()}),
        score=squared(*waves(fresh(seed), 1500)),
    )


@case("hidden layer filled with ones, output layer left random", codes=("ST031",), kind="network and loss",
      source="https://stats.stackexchange.com/questions/294332/backpropagation-with-zero-weight-initialization",
      advice=r"random|init|start")  # fmt: skip
def alike_rows(seed: int) -> Pair:
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.hidden, self.out = nn.Linear(2, 16), nn.Linear(16, 3)

        def forward(self, x):
            return self.out(torch.sigmoid(self.hidden(x)))

    with weights(seed):
        sick = Net()
        nn.init.ones_(sick.hidden.weight)
        nn.init.zeros_(sick.hidden.bias)
        nn.init.constant_(sick.out.weight, 0.1)
    with weights(seed):
        twin = Net()
    x, y = rings(seed, 300, classes=3)
    settings = {"loss": nn.CrossEntropyLoss(), "optimizer": "adam", "lr": 0.05, "epochs": 600}
    return Pair(
        sick=Given({"x": x, "y": y}, {**settings, "model": sick}),
        twin=Given({"x": x, "y": y}, {**settings, "model": twin}),
        score=wrong(*rings(fresh(seed), 1500, classes=3)),
    )
