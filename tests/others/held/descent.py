"""Modules whose descent does not arrive: its rate, its steps, its decay, its noise, its momentum."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.optim.lr_scheduler import ExponentialLR, StepLR

from others.case import Given, Pair, case
from others.held.parts import (
    bends,
    clouds,
    fresh,
    mixed,
    plane,
    rings,
    sentences,
    squared,
    stripes,
    surprise,
    waves,
    weights,
)

# ---- the learning rate -----------------------------------------------------------------------------


class Reader(nn.Module):
    """Word vectors, their mean, a hidden layer and three classes."""

    def __init__(self):
        super().__init__()
        self.words, self.hidden, self.out = nn.Embedding(30, 12), nn.Linear(12, 24), nn.Linear(24, 3)

    def forward(self, said):
        return self.out(torch.tanh(self.hidden(self.words(said.long()).mean(1))))


@case("Adam with the learning rate of one from the config file", codes=("ST001",), kind="descent",
      source="https://github.com/rajveermalviya/language-modeling/issues/3", also=("ST033",))  # fmt: skip
def adam_of_one(seed: int) -> Pair:
    with weights(seed):
        net = Reader()
    x, y = sentences(seed, 400)
    settings = {"model": net, "loss": nn.CrossEntropyLoss(), "batch_size": 40, "epochs": 30}
    return Pair(
        sick=Given({"x": x, "y": y}, {**settings, "optimizer": partial(torch.optim.Adam, lr=1.0)}),
        twin=Given({"x": x, "y": y}, {**settings, "optimizer": partial(torch.optim.Adam, lr=0.005)}),
        score=surprise(*sentences(fresh(seed), 1500)),
    )


@case("GradientDescentOptimizer(0.01) runs to infinity on a line", codes=("ST001",), kind="descent",
      source="https://stackoverflow.com/questions/48335501/how-to-know-correct-learning-rate-for-gradientdescentoptimizer-in-tensorflow",
      also=("ST004",))  # fmt: skip
def line_to_infinity(seed: int) -> Pair:
    def rows(start: int, n: int):
        random = np.random.default_rng(start)
        x = random.uniform(5, 40, (n, 1))
        return x, 0.4 * x[:, 0] + 0.3 * random.standard_normal(n)

    with weights(seed):
        net = nn.Linear(1, 1)
    x, y = rows(seed, 60)
    settings = {"model": net, "loss": nn.MSELoss(), "epochs": 400}
    return Pair(
        sick=Given({"x": x, "y": y}, {**settings, "optimizer": partial(torch.optim.SGD, lr=0.01)}),
        twin=Given({"x": x, "y": y}, {**settings, "optimizer": partial(torch.optim.SGD, lr=0.001)}),
        score=squared(*rows(fresh(seed), 1000)),
    )


@case("slope and intercept alternate between negative and positive", codes=("ST001", "ST004"), kind="descent",
      source="https://stats.stackexchange.com/questions/432707")  # fmt: skip
def alternating_line(seed: int) -> Pair:
    """The answer centres and scales the column; the one who asks had lowered the rate: both are its cause."""

    def rows(start: int, n: int):
        random = np.random.default_rng(start)
        x = random.uniform(18, 72, n)
        return x, 112 + 0.5 * x + 2.0 * random.standard_normal(n)

    class Line(nn.Module):
        def __init__(self):
            super().__init__()
            self.m, self.b = nn.Parameter(torch.zeros(1)), nn.Parameter(torch.zeros(1))

        def forward(self, x):
            return self.m * x[:, 0] + self.b

    x, y = rows(seed, 40)
    near, truth = rows(fresh(seed), 1000)
    settings = {"model": Line(), "loss": "mse", "optimizer": "sgd"}

    def score(fit) -> float:
        return squared(((near - 45) / 15.6 if abs(fit.train.x.mean()) < 5 else near)[:, None], truth)(fit)

    return Pair(
        sick=Given({"x": x[:, None], "y": y}, {**settings, "lr": 0.0006, "epochs": 1000}),
        twin=Given({"x": (x[:, None] - 45) / 15.6, "y": y}, {**settings, "lr": 0.1, "epochs": 200}),
        score=score,
    )


@case("a base rate as recommended and a loss that goes up and stays", codes=("ST001",), kind="descent",
      source="https://github.com/BVLC/caffe/issues/6047", also=("ST016", "ST033"))  # fmt: skip
def stays_up(seed: int) -> Pair:
    with weights(seed):
        net = nn.Sequential(
            nn.Conv2d(1, 8, 3), nn.LeakyReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(72, 24), nn.Tanh(), nn.Linear(24, 3)
        )  # fmt: skip
    x, y = stripes(seed, 240, noise=0.3)
    settings = {
        "model": net,
        "loss": nn.CrossEntropyLoss(),
        "optimizer": "momentum:0.9",
        "batch_size": 40,
        "epochs": 30,
    }
    return Pair(
        sick=Given({"x": x, "y": y}, {**settings, "lr": 2.0}),
        twin=Given({"x": x, "y": y}, {**settings, "lr": 0.02}),
        score=surprise(*stripes(fresh(seed), 800, noise=0.3)),
    )


@case("the loss drops by three hundredths of a percent", codes=("ST002",), kind="descent",
      source="https://github.com/tegg89/SRCNN-Tensorflow/issues/24", also=("ST003",))  # fmt: skip
def hardly_drops(seed: int) -> Pair:
    with weights(seed):
        net = nn.Sequential(nn.Linear(2, 32), nn.ReLU(), nn.Linear(32, 16), nn.ReLU(), nn.Linear(16, 1))
    x, y = waves(seed, 400)
    settings = {"model": net, "loss": nn.MSELoss(), "batch_size": 50, "epochs": 150}
    return Pair(
        sick=Given({"x": x, "y": y}, {**settings, "optimizer": partial(torch.optim.SGD, lr=1e-5)}),
        twin=Given({"x": x, "y": y}, {**settings, "optimizer": partial(torch.optim.SGD, lr=0.1)}),
        score=squared(*waves(fresh(seed), 1500)),
    )


@case("actor and critic with a learning rate far too small", codes=("ST002",), kind="descent",
      source="https://github.com/isp1tze/MAProj/issues/3", also=("ST003",))  # fmt: skip
def small_adam(seed: int) -> Pair:
    """Corrected: the twin had learnt the noise of 400 rows; there are 800 now, which overlap."""

    class Actor(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second, self.out = nn.Linear(2, 32), nn.Linear(32, 32), nn.Linear(32, 4)

        def forward(self, x):
            return self.out(F.relu(self.second(F.relu(self.first(x)))))

    with weights(seed):
        net = Actor()
    x, y = clouds(seed, 800, classes=4, spread=0.6)
    settings = {"model": net, "loss": nn.CrossEntropyLoss(), "optimizer": "adam", "batch_size": 50, "epochs": 20}
    return Pair(
        sick=Given({"x": x, "y": y}, {**settings, "lr": 1e-5}),
        twin=Given({"x": x, "y": y}, {**settings, "lr": 0.01}),
        score=surprise(*clouds(fresh(seed), 1500, classes=4, spread=0.6)),
    )


@case("weights that remain as they were at 1e-8", codes=("ST002",), kind="descent",
      source="https://taourl.com/read-3025410.html", also=("ST003",))  # fmt: skip
def unchanged_line(seed: int) -> Pair:
    with weights(seed):
        net = nn.Linear(4, 1)
    x, y = plane(seed, 150)
    settings = {"model": net, "loss": nn.MSELoss(), "epochs": 300, "tol": 0.0}
    return Pair(
        sick=Given({"x": x, "y": y}, {**settings, "optimizer": partial(torch.optim.SGD, lr=1e-7)}),
        twin=Given({"x": x, "y": y}, {**settings, "optimizer": partial(torch.optim.SGD, lr=0.1)}),
        score=squared(*plane(fresh(seed), 1500)),
    )


# ---- steps -----------------------------------------------------------------------------------------


@case("five hundred epochs and ten thousand", codes=("ST003",), kind="descent",
      source="https://github.com/ageron/handson-ml/issues/560", also=("ST002",))  # fmt: skip
def many_more_epochs(seed: int) -> Pair:
    with weights(seed):
        net = nn.Sequential(nn.Linear(2, 24), nn.Tanh(), nn.Linear(24, 1))
    x, y = waves(seed, 300)
    settings = {"model": net, "loss": nn.MSELoss(), "optimizer": "momentum:0.9", "lr": 0.05}
    return Pair(
        sick=Given({"x": x, "y": y}, {**settings, "epochs": 40}),
        twin=Given({"x": x, "y": y}, {**settings, "epochs": 1500}),
        score=squared(*waves(fresh(seed), 1500)),
    )


@case("the loss was going down even after the last epoch", codes=("ST003",), kind="descent",
      source="https://github.com/xuannianz/EfficientDet/issues/158", also=("ST002",))  # fmt: skip
def still_going_down(seed: int) -> Pair:
    with weights(seed):
        net = nn.Sequential(
            nn.Conv2d(1, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(72, 24), nn.ReLU(), nn.Linear(24, 3)
        )  # fmt: skip
    x, y = stripes(seed, 240, noise=0.3)
    settings = {"model": net, "loss": nn.CrossEntropyLoss(), "optimizer": "adam", "lr": 0.003, "batch_size": 24}
    return Pair(
        sick=Given({"x": x, "y": y}, {**settings, "epochs": 3}),
        twin=Given({"x": x, "y": y}, {**settings, "epochs": 60}),
        score=surprise(*stripes(fresh(seed), 800, noise=0.3)),
    )


# ---- decay -----------------------------------------------------------------------------------------


@case("the scheduler is stepped with every update", codes=("ST007",), kind="descent",
      source="https://github.com/leftthomas/SRGAN/issues/94", also=("ST003",))  # fmt: skip
def stepped_every_update(seed: int) -> Pair:
    """With full batches an epoch is an update. Corrected: the twin had learnt the noise of 400 rows; there are 700 now."""
    with weights(seed):
        net = nn.Sequential(nn.Linear(2, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 1))
    x, y = waves(seed, 700)
    settings = {"model": net, "loss": nn.MSELoss(), "optimizer": partial(torch.optim.Adam, lr=0.01), "epochs": 400}
    return Pair(
        sick=Given({"x": x, "y": y}, {**settings, "schedule": partial(ExponentialLR, gamma=0.9)}),
        twin=Given({"x": x, "y": y}, {**settings, "schedule": partial(ExponentialLR, gamma=0.995)}),
        score=squared(*waves(fresh(seed), 1500)),
    )


@case("a rate that goes on decreasing with the size of the batch", codes=("ST007",), kind="descent",
      source="https://github.com/amoudgl/pygoturn/issues/16", also=("ST003",))  # fmt: skip
def decreases_too_often(seed: int) -> Pair:
    with weights(seed):
        net = nn.Sequential(nn.Linear(2, 24), nn.ReLU(), nn.Linear(24, 24), nn.ReLU(), nn.Linear(24, 2))
    x, y = rings(seed, 400)
    settings = {
        "model": net,
        "loss": nn.CrossEntropyLoss(),
        "optimizer": "momentum:0.9",
        "lr": 0.05,
        "batch_size": 50,
        "epochs": 60,
    }
    return Pair(
        sick=Given({"x": x, "y": y}, {**settings, "schedule": partial(StepLR, step_size=1, gamma=0.1)}),
        twin=Given({"x": x, "y": y}, {**settings, "schedule": partial(StepLR, step_size=30, gamma=0.1)}),
        score=surprise(*rings(fresh(seed), 1500)),
    )


@case("a decay of two hundredths where the comment says every seven epochs", codes=("ST007",), kind="descent",
      source="https://github.com/miraclewkf/MobileNetV2-PyTorch/issues/7", also=("ST003",))  # fmt: skip
def step_formula(seed: int) -> Pair:
    with weights(seed):
        net = nn.Linear(6, 1)
    x, y = plane(seed, 300, p=6)
    settings = {"model": net, "loss": "mse", "optimizer": "sgd", "lr": 0.02, "batch_size": 100, "epochs": 120}
    return Pair(
        sick=Given({"x": x, "y": y}, {**settings, "schedule": "step:2,0.3"}),
        twin=Given({"x": x, "y": y}, {**settings, "schedule": "step:60,0.3"}),
        score=squared(*plane(fresh(seed), 1500, p=6)),
    )


# ---- noise -----------------------------------------------------------------------------------------


@case("the training loss fluctuates at a batch of one", codes=("ST008",), kind="descent",
      source="https://github.com/BVLC/caffe/issues/3801", also=("ST001",))  # fmt: skip
def batch_of_one(seed: int) -> Pair:
    with weights(seed):
        net = nn.Sequential(nn.Linear(5, 24), nn.Tanh(), nn.Linear(24, 1))
    x, y = bends(seed, 400, noise=0.6)
    settings = {"model": net, "loss": nn.MSELoss(), "optimizer": "sgd", "lr": 0.04}
    return Pair(
        sick=Given({"x": x, "y": y}, {**settings, "batch_size": 1, "epochs": 6}),
        twin=Given({"x": x, "y": y}, {**settings, "batch_size": 40, "epochs": 150}),
        score=squared(*bends(fresh(seed), 1500, noise=0.0)),
    )


@case("very noisy gradients of a small batch", codes=("ST008",), kind="descent",
      source="https://github.com/e-lab/ENet-training/issues/8", also=("ST001",))  # fmt: skip
def noisy_line(seed: int) -> Pair:
    with weights(seed):
        net = nn.Linear(8, 1)
    x, y = plane(seed, 400, p=8, noise=3.0)
    settings = {"model": net, "loss": nn.MSELoss(), "optimizer": "sgd", "lr": 0.05}
    return Pair(
        sick=Given({"x": x, "y": y}, {**settings, "batch_size": 2, "epochs": 10}),
        twin=Given({"x": x, "y": y}, {**settings, "batch_size": 80, "epochs": 60}),
        score=squared(*plane(fresh(seed), 1500, p=8, noise=0.0)),
    )


@case("one wave file at a time", codes=("ST008",), kind="descent",
      source="https://github.com/ibab/tensorflow-wavenet/issues/30", also=("ST001",))  # fmt: skip
def one_at_a_time(seed: int) -> Pair:
    """Corrected: the twin had learnt the noise of 500 rows; there are 1,000 now, and fewer passes."""
    with weights(seed):
        net = nn.Sequential(nn.Linear(3, 16), nn.ReLU(), nn.Linear(16, 2))
    x, y = mixed(seed, 1000)
    settings = {"model": net, "loss": nn.CrossEntropyLoss(), "optimizer": "adam", "lr": 0.05}
    return Pair(
        sick=Given({"x": x, "y": y}, {**settings, "batch_size": 1, "epochs": 2}),
        twin=Given({"x": x, "y": y}, {**settings, "batch_size": 100, "epochs": 25}),
        score=surprise(*mixed(fresh(seed), 1500)),
    )


# ---- momentum --------------------------------------------------------------------------------------


@case("momentum too close to one", codes=("ST048",), kind="descent",
      source="https://madanswer.com/75218/what-might-happen-you-set-momentum-hyperparameter-close-9999-when-using-optimizer",
      also=("ST001",))  # fmt: skip
def swings_past(seed: int) -> Pair:
    with weights(seed):
        net = nn.Linear(4, 1)
    x, y = plane(seed, 200)
    settings = {"model": net, "loss": nn.MSELoss(), "epochs": 300, "tol": 0.0}
    return Pair(
        sick=Given({"x": x, "y": y}, {**settings, "optimizer": partial(torch.optim.SGD, lr=0.05, momentum=0.999)}),
        twin=Given({"x": x, "y": y}, {**settings, "optimizer": partial(torch.optim.SGD, lr=0.05, momentum=0.9)}),
        score=squared(*plane(fresh(seed), 1500)),
    )


@case("a low error rate that goes back up, with a momentum of 1100 samples", codes=("ST048",), kind="descent",
      source="https://github.com/microsoft/CNTK/issues/1000", also=("ST001",))  # fmt: skip
def back_up(seed: int) -> Pair:
    with weights(seed):
        net = nn.Sequential(nn.Linear(2, 24), nn.Tanh(), nn.Linear(24, 1))
    x, y = waves(seed, 320)
    settings = {"model": net, "loss": nn.MSELoss(), "lr": 0.02, "batch_size": 64, "epochs": 200}
    return Pair(
        sick=Given({"x": x, "y": y}, {**settings, "optimizer": "momentum:0.998"}),
        twin=Given({"x": x, "y": y}, {**settings, "optimizer": "momentum:0.9"}),
        score=squared(*waves(fresh(seed), 1500)),
    )


# ---- clipping, overfitting -------------------------------------------------------------------------


@case("every batch is clipped to a twentieth of its gradient", codes=("ST012",), kind="descent",
      source="https://github.com/wandb/senpai/pull/978", also=("ST002", "ST003"))  # fmt: skip
def always_clipped(seed: int) -> Pair:
    with weights(seed):
        net = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 1))
    x, y = bends(seed, 600, p=4)
    data = {"x": x, "y": 5.0 * y}
    far, truth = bends(fresh(seed), 1500, p=4)
    settings = {"model": net, "loss": nn.MSELoss(), "optimizer": "sgd", "lr": 0.02, "batch_size": 60, "epochs": 100}
    return Pair(
        sick=Given(data, {**settings, "clip": 0.05}), twin=Given(data, settings), score=squared(far, 5.0 * truth)
    )  # fmt: skip


@case("nothing makes the overfitting go away", codes=("ST027", "ST028"), kind="descent",
      source="https://stats.stackexchange.com/questions/534022")  # fmt: skip
def overfits(seed: int) -> Pair:
    """So few rows for so many weights: too few rows and overfitting are two names of it."""
    with weights(seed):
        net = nn.Sequential(nn.Linear(5, 48), nn.ReLU(), nn.Linear(48, 48), nn.ReLU(), nn.Linear(48, 1))
    x, y = bends(seed, 400, noise=0.8)
    settings = {"model": net, "loss": nn.MSELoss(), "optimizer": "adam", "lr": 0.01}
    return Pair(
        sick=Given({"x": x, "y": y}, {**settings, "epochs": 600, "test_fraction": 0.25}),
        twin=Given(
            {"x": x, "y": y}, {**settings, "epochs": 600, "test_fraction": 0.25, "validation": 0.25, "patience": 20}
        ),
        score=squared(*bends(fresh(seed), 1500, noise=0.0)),
    )
