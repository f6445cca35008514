"""Descents that do not arrive, or go too far: steps too long, too short, too few, noisy, clipped, stopped or swinging."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from others.case import Given, Pair, case
from others.known.sources import built, clusters, drawings, log_loss, moons, perceptron, plane, squared, waves

KIND = "descent"


# ---- a rate too high ---------------------------------------------------------------------------------


@case(
    "a line through large numbers by SGD, whose loss grows at every step",
    codes=("ST001", "ST004"),
    kind=KIND,
    source="https://web-offline.shuffle-on.com/content/stats.stackexchange.com_en_all_2024-10/questions/594738/"
    "loss-is-growing-between-epochs-in-simple-model",
)
def loss_grows(seed: int) -> Pair:
    def readings(seed: int, n: int):
        random = np.random.default_rng(seed)
        x = random.uniform(-10, 10, (n, 2)) * [1.0, 2.0]
        return x, 3 * x[:, 0] - 2 * x[:, 1] + 5 + random.standard_normal(n)

    x, y = readings(seed, 100)
    settings = {"model": built(seed, lambda: nn.Linear(2, 1)), "loss": nn.MSELoss(), "optimizer": "sgd", "epochs": 400}
    sick = Given({"x": x, "y": y}, {**settings, "lr": 0.02})
    return Pair(sick, sick.but(lr=0.003), squared(*readings(seed + 100, 1000)))


@case(
    "Adam at a rate of 1",
    codes=("ST001",),
    kind=KIND,
    source="https://github.com/rajveermalviya/language-modeling/issues/3",
    also=("ST016", "ST033"),
)
def adam_at_one(seed: int) -> Pair:
    x, y = clusters(seed, 500)
    settings = {
        "model": perceptron(seed, 6, 32, 32, 4, between=nn.Tanh),
        "loss": nn.CrossEntropyLoss(),
        "batch_size": 50,
    }
    sick = Given({"x": x, "y": y}, {**settings, "optimizer": torch.optim.Adam, "lr": 1.0, "epochs": 30})
    return Pair(sick, sick.but(lr=0.005), log_loss(*clusters(seed + 100, 2000)))


@case(
    "the rate of Adadelta left to Adam, for a convolutional network",
    codes=("ST001", "ST016"),
    kind=KIND,
    source="https://github.com/skorch-dev/skorch/issues/468",
)
def rate_of_another_rule(seed: int) -> Pair:
    def network():
        first = (nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten())
        return nn.Sequential(*first, nn.Linear(128, 32), nn.ReLU(), nn.Linear(32, 3))

    x, y = drawings(seed, 500)
    settings = {
        "model": built(seed, network),
        "loss": F.cross_entropy,
        "optimizer": "adam",
        "batch_size": 50,
        "epochs": 25,
    }
    sick = Given({"x": x, "y": y}, {**settings, "lr": 0.3})
    return Pair(sick, sick.but(lr=0.005), log_loss(*drawings(seed + 100, 1000)))


# ---- a rate too low, too few steps -------------------------------------------------------------------


@case(
    "a rate of 1e-3 where SGD wants 0.1",
    codes=("ST002",),
    kind=KIND,
    source="https://github.com/danieltan07/learning-to-reweight-examples/issues/10",
    also=("ST003",),
)
def rate_of_a_thousandth(seed: int) -> Pair:
    x, y = moons(seed, 400)
    settings = {"model": perceptron(seed, 2, 24, 24, 1), "loss": nn.BCEWithLogitsLoss(), "optimizer": "momentum:0.9"}
    sick = Given({"x": x, "y": y}, {**settings, "lr": 0.0005, "batch_size": 40, "epochs": 40})
    return Pair(sick, sick.but(lr=0.1), log_loss(*moons(seed + 100, 2000)))


@case(
    "Adam at 1e-5 for a line",
    codes=("ST002",),
    kind=KIND,
    source="https://github.com/tegg89/SRCNN-Tensorflow/issues/24",
    also=("ST003",),
)
def adam_at_a_hundred_thousandth(seed: int) -> Pair:
    x, y = plane(seed, 300)
    sick = Given({"x": x, "y": y}, {"model": built(seed, lambda: nn.Linear(4, 1)), "optimizer": "adam", "epochs": 500})
    return Pair(sick.but(lr=1e-5), sick.but(lr=0.05), squared(*plane(seed + 100, 2000)))


@case(
    "ten epochs of RMSprop for coefficients in hundreds",
    codes=("ST002", "ST003"),
    kind=KIND,
    source="https://github.com/keras-team/keras/issues/2576",
    also=("ST039",),
)
def ten_epochs_of_rmsprop(seed: int) -> Pair:
    def scores(seed: int, n: int):
        x, y = plane(seed, n, p=8, noise=0.4)
        return x, 100 * y

    x, y = scores(seed, 500)
    settings = {"model": built(seed, lambda: nn.Linear(8, 1)), "optimizer": torch.optim.RMSprop, "batch_size": 16}
    sick = Given({"x": x, "y": y}, {**settings, "lr": 0.01, "epochs": 10})
    return Pair(sick, sick.but(lr=3.0, epochs=30), squared(*scores(seed + 100, 2000)))


@case(
    "a deeper network for the exclusive or that was given too few passes",
    codes=("ST003",),
    kind=KIND,
    source="https://github.com/cazala/synaptic/issues/224",
    also=("ST002", "ST017"),
)
def too_few_for_the_exclusive_or(seed: int) -> Pair:
    def exclusive(seed: int, n: int):
        random = np.random.default_rng(seed)
        sides = random.integers(2, size=(n, 2))
        return 2.0 * sides - 1 + 0.3 * random.standard_normal((n, 2)), sides[:, 0] ^ sides[:, 1]

    x, y = exclusive(seed, 200)
    settings = {
        "model": perceptron(seed, 2, 10, 10, 1, between=nn.Tanh),
        "loss": "logistic",
        "optimizer": "sgd",
        "lr": 0.1,
    }
    sick = Given({"x": x, "y": y}, {**settings, "epochs": 60})
    return Pair(sick, sick.but(epochs=1200), log_loss(*exclusive(seed + 100, 2000)))


@case(
    "five epochs of a student's network by Adam at 1e-3",
    codes=("ST003", "ST002"),
    kind=KIND,
    source="https://github.com/udacity/sdc-issue-reports/issues/164",
)
def five_epochs(seed: int) -> Pair:
    x, y = waves(seed, 600)
    settings = {"model": perceptron(seed, 5, 64, 64, 1), "loss": nn.MSELoss(), "optimizer": "adam", "lr": 0.001}
    sick = Given({"x": x, "y": y}, {**settings, "batch_size": 64, "epochs": 5})
    return Pair(sick, sick.but(epochs=100), squared(*waves(seed + 100, 2000)))


# ---- decay, noise, momentum, clipping ----------------------------------------------------------------


@case(
    "a scheduler stepped at every batch instead of every epoch",
    codes=("ST007",),
    kind=KIND,
    source="https://github.com/leftthomas/SRGAN/issues/94",
)
def scheduler_at_every_batch(seed: int) -> Pair:
    x, y = waves(seed, 600)
    settings = {"model": perceptron(seed, 5, 32, 1), "loss": nn.MSELoss(), "optimizer": "adam", "lr": 0.01}
    sick = Given({"x": x, "y": y}, {**settings, "batch_size": 50, "epochs": 60})
    return Pair(sick.but(schedule="step:10,0.1"), sick.but(schedule="step:240,0.3"), squared(*waves(seed + 100, 2000)))


@case(
    "a StepLR that takes nine tenths of the rate every other epoch",
    codes=("ST007",),
    kind=KIND,
    source="https://github.com/ivadomed/ivadomed/pull/55",
)
def step_lr_too_often(seed: int) -> Pair:
    x, y = clusters(seed, 500)
    settings = {"model": perceptron(seed, 6, 24, 4), "loss": "cross_entropy", "optimizer": "momentum:0.9", "lr": 0.02}
    sick = Given({"x": x, "y": y}, {**settings, "batch_size": 50, "epochs": 40})
    often, seldom = (partial(torch.optim.lr_scheduler.StepLR, step_size=size, gamma=0.1) for size in (1, 30))
    return Pair(sick.but(schedule=often), sick.but(schedule=seldom), log_loss(*clusters(seed + 100, 2000)))


@case(
    "batches of one, and a loss that leaps about",
    codes=("ST008",),
    kind=KIND,
    source="https://github.com/leeyeehoo/CSRNet-pytorch/issues/83",
    also=("ST001",),
)
def batches_of_one(seed: int) -> Pair:
    x, y = plane(seed, 200, p=6, noise=2.0)
    settings = {"model": built(seed, lambda: nn.Linear(6, 1)), "loss": nn.MSELoss(), "optimizer": "sgd", "lr": 0.06}
    sick = Given({"x": x, "y": y}, {**settings, "batch_size": 1, "epochs": 5})
    fresh, goal = plane(seed + 100, 2000, p=6, noise=0.0)
    return Pair(sick, sick.but(batch_size=50, epochs=100), squared(fresh, goal))


@case(
    "a network on noisy targets one row at a time",
    codes=("ST008",),
    kind=KIND,
    source="https://github.com/BVLC/caffe/issues/3801",
    also=("ST001",),
)
def network_one_row_at_a_time(seed: int) -> Pair:
    x, y = waves(seed, 400, p=3, noise=1.0)
    settings = {"model": perceptron(seed, 3, 16, 1, between=nn.Tanh), "loss": "mse", "optimizer": "sgd", "lr": 0.04}
    sick = Given({"x": x, "y": y}, {**settings, "batch_size": 1, "epochs": 10})
    fresh, goal = waves(seed + 100, 2000, p=3, noise=0.0)
    return Pair(sick, sick.but(batch_size=40, epochs=150), squared(fresh, goal))


@case(
    "a momentum of 0.9995",
    codes=("ST048",),
    kind=KIND,
    source="https://madanswer.com/75218/what-might-happen-you-set-momentum-hyperparameter-close-9999-when-using-optimizer",
    also=("ST001",),
)
def momentum_near_one(seed: int) -> Pair:
    x, y = plane(seed, 300)
    settings = {"model": built(seed, lambda: nn.Linear(4, 1)), "loss": nn.MSELoss(), "lr": 0.01, "epochs": 300}
    sick = Given({"x": x, "y": y}, {**settings, "optimizer": "momentum:0.9995"})
    return Pair(sick, sick.but(optimizer="momentum:0.9"), squared(*plane(seed + 100, 2000)))


@case(
    "a network that swings with a momentum of 0.997",
    codes=("ST048",),
    kind=KIND,
    source="https://app.studyraid.com/en/read/14376/489664/tuning-momentum-parameters",
    also=("ST001",),
)
def network_with_momentum(seed: int) -> Pair:
    x, y = waves(seed, 400, p=3)
    settings = {"model": perceptron(seed, 3, 24, 24, 1, between=nn.Tanh), "lr": 0.02, "batch_size": 40, "epochs": 60}
    sick = Given({"x": x, "y": y}, {**settings, "optimizer": partial(torch.optim.SGD, lr=0.02, momentum=0.997)})
    sick = Given(sick.data, {key: value for key, value in sick.settings.items() if key != "lr"})
    twin = sick.but(optimizer=partial(torch.optim.SGD, lr=0.02, momentum=0.9))
    return Pair(sick, twin, squared(*waves(seed + 100, 2000, p=3)))


@case(
    "gradients clipped to a hundredth of their length",
    codes=("ST012",),
    kind=KIND,
    source="https://github.com/wandb/senpai/pull/978",
    also=("ST003",),
)
def clipped_gradients(seed: int) -> Pair:
    x, y = plane(seed, 300)
    settings = {
        "model": perceptron(seed, 4, 16, 1),
        "loss": nn.MSELoss(),
        "optimizer": "sgd",
        "lr": 0.05,
        "epochs": 300,
    }
    sick = Given({"x": x, "y": y}, {**settings, "clip": 0.02})
    return Pair(sick, sick.but(clip=5.0), squared(*plane(seed + 100, 2000)))


# ---- stopped, or gone too far ------------------------------------------------------------------------


@case(
    "a patience of one epoch",
    codes=("ST011",),
    kind=KIND,
    source="https://github.com/NLeSC/mcfly/issues/321",
    also=("ST003",),
)
def patience_of_one(seed: int) -> Pair:
    x, y = moons(seed, 400)
    settings = {"model": perceptron(seed, 2, 24, 24, 1), "loss": nn.BCEWithLogitsLoss(), "optimizer": "sgd", "lr": 0.1}
    sick = Given({"x": x, "y": y}, {**settings, "batch_size": 8, "epochs": 60, "validation": 0.1, "patience": 1})
    return Pair(sick, sick.but(patience=15), log_loss(*moons(seed + 100, 2000)))


@case(
    "a large network, sixty rows and a thousand passes",
    codes=("ST027", "ST028"),
    kind=KIND,
    source="https://github.com/karpathy/nanoGPT/issues/493",
)
def large_network_few_rows(seed: int) -> Pair:
    x, y = moons(seed, 90, noise=0.4)
    settings = {"loss": nn.BCEWithLogitsLoss(), "optimizer": "adam", "lr": 0.01, "test_fraction": 0.33}
    sick = Given({"x": x, "y": y}, {**settings, "model": perceptron(seed, 2, 100, 100, 1), "epochs": 600})
    more, codes = moons(seed + 50, 600, noise=0.4)
    twin = Given({"x": more, "y": codes}, {**settings, "model": perceptron(seed, 2, 12, 1), "epochs": 300})
    return Pair(sick, twin, log_loss(*moons(seed + 100, 2000, noise=0.4)))


@case(
    "validation loss that rises from the seventh look on, a regression of many columns",
    codes=("ST027", "ST028"),
    kind=KIND,
    source="https://github.com/dreamquark-ai/tabnet/issues/525",
)
def many_columns_of_noise(seed: int) -> Pair:
    x, y = waves(seed, 160, p=20, noise=0.8)
    settings = {"loss": nn.MSELoss(), "optimizer": "adam", "lr": 0.005, "batch_size": 32, "test_fraction": 0.25}
    sick = Given({"x": x, "y": y}, {**settings, "model": perceptron(seed, 20, 128, 64, 1), "epochs": 150})
    more, goal = waves(seed + 50, 1500, p=3, noise=0.8)
    twin = Given({"x": more, "y": goal}, {**settings, "model": perceptron(seed, 3, 16, 1), "epochs": 50})
    wide, truth = waves(seed + 100, 2000, p=20, noise=0.8)

    def score(fit) -> float:
        return squared(wide[:, : fit.train.x.shape[1]], truth)(fit)

    return Pair(sick, twin, score)
