"""Modules on classes, pictures and sequences."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.linear_model import LogisticRegression
from torch import nn

from healthy.case import Given, Well, healthy
from healthy.sources import blobs, digits, log_loss, parted, rings, spirals, support_vector_classes, wrong
from others.known.sources import built, drawings, moons, perceptron, sentences

ADAM = {"loss": "cross_entropy", "optimizer": "adam", "lr": 0.01, "batch_size": 50, "epochs": 40}


def network(seed: int, layers) -> nn.Module:
    return built(seed, lambda: nn.Sequential(*layers()))


def of_rows(rows, seed: int, settings: dict, n: int = 700, within: float = 1.3) -> Well:
    """Classes of a law, held against support vectors on fresh rows."""
    x, y = rows(seed, n)
    fresh, goal = rows(seed + 100, 2000)
    return Well(
        Given({"x": x, "y": y}, settings), wrong(fresh, goal), support_vector_classes(x, y, fresh, goal), within
    )


@healthy("two rings by BCEWithLogitsLoss")
def two_rings(seed: int) -> Well:
    settings = {**ADAM, "loss": nn.BCEWithLogitsLoss(), "model": perceptron(seed, 2, 16, 1)}
    return of_rows(rings, seed, settings)


@healthy("two rings by a sigmoid and BCELoss")
def two_rings_by_sigmoid(seed: int) -> Well:
    made = network(seed, lambda: [nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 1), nn.Sigmoid()])
    return of_rows(rings, seed, {**ADAM, "loss": nn.BCELoss(), "model": made})


@healthy("moons by tanh, full batches")
def two_moons(seed: int) -> Well:
    settings = {"loss": "cross_entropy", "optimizer": "adam", "lr": 0.02, "epochs": 400}
    return of_rows(moons, seed, {**settings, "model": perceptron(seed, 2, 16, 2, between=nn.Tanh)})


@healthy("moons by the built-in network, held out")
def moons_built_in(seed: int) -> Well:
    settings = {"model": "mlp:32", "loss": "logistic", "batch_size": 32, "epochs": 60, "schedule": "cosine"}
    settings |= {"test_fraction": 0.2, "seed": seed}
    return of_rows(moons, seed, settings)


@healthy("spirals by two layers")
def three_spirals(seed: int) -> Well:
    return of_rows(spirals, seed, {**ADAM, "model": perceptron(seed, 2, 32, 32, 3), "epochs": 60})


@healthy("spirals by log_softmax and NLLLoss")
def spirals_by_nll(seed: int) -> Well:
    made = network(seed, lambda: [
        nn.Linear(2, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 3), nn.LogSoftmax(1),
    ])  # fmt: skip
    return of_rows(spirals, seed, {**ADAM, "loss": nn.NLLLoss(), "model": made, "epochs": 60})


@healthy("spirals by momentum and StepLR")
def spirals_by_momentum(seed: int) -> Well:
    settings = {**ADAM, "optimizer": "momentum:0.9", "lr": 0.05, "schedule": "step:30,0.3", "epochs": 90}
    return of_rows(spirals, seed, {**settings, "model": perceptron(seed, 2, 32, 32, 3)})


@healthy("clouds that overlap, by a network with early stopping")
def clouds_stopped(seed: int) -> Well:
    settings = {**ADAM, "lr": 0.003, "validation": 0.2, "patience": 10, "epochs": 200}
    return of_rows(blobs, seed, {**settings, "model": perceptron(seed, 5, 24, 4)}, within=1.15)


@healthy("clouds that overlap, with label smoothing")
def clouds_smoothed(seed: int) -> Well:
    settings = {**ADAM, "lr": 0.003, "loss": nn.CrossEntropyLoss(label_smoothing=0.1), "epochs": 25}
    return of_rows(blobs, seed, {**settings, "model": perceptron(seed, 5, 24, 4)}, within=1.15)


@healthy("clouds that overlap, by dropout and weight decay")
def clouds_regularised(seed: int) -> Well:
    made = network(seed, lambda: [nn.Linear(5, 48), nn.ReLU(), nn.Dropout(0.2), nn.Linear(48, 4)])
    settings = {**ADAM, "optimizer": "adamw:0.9,0.999,0.01", "lr": 0.005, "epochs": 40, "test_fraction": 0.2}
    return of_rows(blobs, seed, {**settings, "model": made}, within=1.15)


@healthy("a fifth of the labels wrong")
def noisy_labels(seed: int) -> Well:
    def rows(seed: int, n: int):
        x, y = rings(seed, n)
        return x, np.where(np.random.default_rng(seed).random(n) < 0.2, 1 - y, y)

    settings = {**ADAM, "lr": 0.005, "epochs": 40, "test_fraction": 0.2, "model": perceptron(seed, 2, 12, 2)}
    return of_rows(rows, seed, settings, within=1.15)


@healthy("one in ten, which the network finds")
def one_in_ten(seed: int) -> Well:
    def rows(seed: int, n: int):
        x, y = rings(seed, 6 * n)
        kept = np.flatnonzero((y == 0) | (np.random.default_rng(seed).random(6 * n) < 0.11))[:n]
        return x[kept], y[kept]

    return of_rows(rows, seed, {**ADAM, "model": perceptron(seed, 2, 16, 2), "epochs": 60}, n=900)


@healthy("one in ten, by weights of the classes")
def one_in_ten_weighted(seed: int) -> Well:
    def rows(seed: int, n: int):
        x, y = blobs(seed, 8 * n, k=2, apart=0.7)
        kept = np.flatnonzero((y == 0) | (np.random.default_rng(seed).random(8 * n) < 0.11))[:n]
        return x[kept], y[kept]

    x, y = rows(seed, 900)
    fresh, goal = blobs(seed + 100, 3000, k=2, apart=0.7)
    best = LogisticRegression(class_weight="balanced").fit(x, y)
    settings = {**ADAM, "lr": 0.003, "epochs": 20, "class_weight": "balanced", "model": perceptron(seed, 5, 12, 2)}
    reference = 0.01 + float(np.mean(best.predict(fresh) != goal))
    return Well(Given({"x": x, "y": y}, settings), wrong(fresh, goal), reference, 1.2)


@healthy("the exclusive or")
def exclusive_or(seed: int) -> Well:
    def rows(seed: int, n: int):
        x = np.random.default_rng(seed).uniform(-1, 1, (n, 2))
        return x, (x[:, 0] * x[:, 1] > 0).astype(int)

    return of_rows(
        rows, seed, {**ADAM, "lr": 0.02, "epochs": 80, "model": perceptron(seed, 2, 16, 2)}, n=500, within=1.5
    )


@healthy("classes in a line that softmax has by nn.Linear")
def softmax_by_module(seed: int) -> Well:
    x, y = blobs(seed, 600)
    best = LogisticRegression(C=np.inf).fit(x, y)
    settings = {**ADAM, "lr": 0.1, "schedule": "cosine", "model": built(seed, lambda: nn.Linear(5, 4))}
    reference = float(-np.log(best.predict_proba(x)[np.arange(600), y]).mean())
    return Well(Given({"x": x, "y": y}, settings), log_loss(x, y), reference, 1.01)


@healthy("several answers at once: three labels that may all be true", seeds=(1, 2))
def several_labels(seed: int) -> Well:
    random = np.random.default_rng(seed)
    x = random.standard_normal((900, 4))
    scores = np.column_stack([x[:, 0] * x[:, 1], x[:, 2] + x[:, 0], np.sin(2 * x[:, 3])])
    y = (random.random((900, 3)) < 1 / (1 + np.exp(-2.5 * scores))).astype(float)
    settings = {**ADAM, "loss": nn.BCEWithLogitsLoss(), "epochs": 30, "lr": 0.005, "model": perceptron(seed, 4, 32, 3)}
    bayes = float(np.mean((scores > 0) != y))
    right = lambda fit: float(np.mean((np.asarray(fit.decision(x)) > 0) != y))  # noqa: E731
    return Well(Given({"x": x, "y": y}, settings), right, bayes, 1.1)


# ---- pictures ----------------------------------------------------------------------------------------


def of_digits(seed: int, settings: dict, shape=None, within: float = 1.5) -> Well:
    x, fresh, y, goal = digits(seed)
    best = LogisticRegression(C=1.0, max_iter=3000).fit(x, y)
    reference = 0.01 + float(np.mean(best.predict(fresh) != goal))
    if shape is not None:
        x, fresh = x.reshape(-1, *shape).astype(np.float32), fresh.reshape(-1, *shape).astype(np.float32)
    return Well(Given({"x": x, "y": y}, settings), wrong(fresh, goal), reference, within)


@healthy("digits by a perceptron")
def digits_by_perceptron(seed: int) -> Well:
    return of_digits(seed, {**ADAM, "model": perceptron(seed, 64, 32, 10), "lr": 0.005, "epochs": 20})


@healthy("digits by softmax with l2, a fifth held out", true=("ST006",))
def digits_by_softmax(seed: int) -> Well:
    return of_digits(seed, {"model": "softmax", "penalty": "l2:0.001", "test_fraction": 0.2})


@healthy("digits by a perceptron on words for digits, dropout, held out")
def digits_in_words(seed: int) -> Well:
    well = of_digits(seed, {})
    words = np.array(["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"])
    x, fresh, y, goal = digits(seed)
    made = network(seed, lambda: [nn.Linear(64, 64), nn.ReLU(), nn.Dropout(0.2), nn.Linear(64, 10)])
    settings = {**ADAM, "model": made, "lr": 0.003, "epochs": 30, "test_fraction": 0.2}
    return Well(Given({"x": x, "y": words[y]}, settings), wrong(fresh, words[goal]), well.reference, 1.5)


def convolutions(*more):
    return lambda: [
        nn.Conv2d(1, 8, 3, padding=1), *more, nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(),
        nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(64, 10),
    ]  # fmt: skip


@healthy("digits by convolutions", seeds=(1, 2))
def digits_by_convolutions(seed: int) -> Well:
    settings = {**ADAM, "model": network(seed, convolutions()), "epochs": 15, "dtype": "float32"}
    return of_digits(seed, settings, (1, 8, 8), 1.6)


@healthy("digits by convolutions and batch normalization", seeds=(1, 2))
def digits_normalized(seed: int) -> Well:
    made = network(seed, convolutions(nn.BatchNorm2d(8)))
    settings = {**ADAM, "model": made, "epochs": 12, "dtype": "float32", "lr": 0.005}
    return of_digits(seed, settings, (1, 8, 8), 1.6)


@healthy("bars and crosses by one convolution")
def bars(seed: int) -> Well:
    made = network(
        seed, lambda: [nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(128, 3)]
    )
    x, y = drawings(seed, 700)
    fresh, goal = drawings(seed + 100, 1500)
    settings = {**ADAM, "loss": F.cross_entropy, "model": made, "epochs": 20, "lr": 0.005}
    return Well(Given({"x": x, "y": y}, settings), wrong(fresh, goal), 0.06, 1.5)


# ---- sequences ---------------------------------------------------------------------------------------


class Words(nn.Module):
    def __init__(self, words: int, width: int):
        super().__init__()
        self.embed, self.end = nn.Embedding(words, width), nn.Linear(width, 2)

    def forward(self, x):
        return self.end(self.embed(x.long()).mean(1))


class Recurrent(nn.Module):
    def __init__(self, kind, width: int):
        super().__init__()
        self.cell, self.end = kind(1, width, batch_first=True), nn.Linear(width, 2)

    def forward(self, x):
        found = self.cell(x.unsqueeze(-1))[0]
        return self.end(found[:, -1])


@healthy("sentences by the mean of their words")
def bags(seed: int) -> Well:
    x, y = sentences(seed, 900)
    fresh, goal = sentences(seed + 100, 2000)
    value = np.random.default_rng(30).choice([-1.0, 0.0, 1.0], 30)
    bayes = 0.01 + float(np.mean((value[fresh].sum(1) > 0) != goal))
    settings = {**ADAM, "model": built(seed, lambda: Words(30, 8)), "epochs": 40, "lr": 0.02}
    return Well(Given({"x": x, "y": y}, settings), wrong(fresh, goal), bayes, 1.3)


@healthy("rising or falling series by a GRU and an LSTM, gradients clipped at one")
def series(seed: int) -> Well:
    def rows(seed: int, n: int):
        random = np.random.default_rng(seed)
        slope = random.choice([-1.0, 1.0], n)
        steps = 0.25 * slope[:, None] + 0.6 * random.standard_normal((n, 10))
        return np.cumsum(steps, 1), (slope > 0).astype(int)

    x, y = rows(seed, 600)
    fresh, goal = rows(seed + 100, 2000)
    bayes = 0.01 + float(np.mean((fresh[:, -1] > 0) != goal))
    made = built(seed, lambda: Recurrent(nn.LSTM if seed == 2 else nn.GRU, 12))
    settings = {**ADAM, "model": made, "clip": 1.0, "epochs": 20, "dtype": "float32"}
    return Well(Given({"x": x.astype(np.float32), "y": y}, settings), wrong(fresh.astype(np.float32), goal), bayes, 1.3)


class Attention(nn.Module):
    """One layer of attention over a sequence of numbers of words."""

    def __init__(self, words: int, width: int):
        super().__init__()
        self.embed = nn.Embedding(words, width)
        self.layer = nn.TransformerEncoderLayer(width, 2, 2 * width, dropout=0.1, batch_first=True)
        self.end = nn.Linear(width, 2)

    def forward(self, x):
        return self.end(self.layer(self.embed(x.long())).mean(1))


@healthy("sentences by attention, warmed up", seeds=(1, 2))
def attention(seed: int) -> Well:
    x, y = sentences(seed, 900)
    fresh, goal = sentences(seed + 100, 2000)
    value = np.random.default_rng(30).choice([-1.0, 0.0, 1.0], 30)
    bayes = 0.01 + float(np.mean((value[fresh].sum(1) > 0) != goal))
    made = built(seed, lambda: Attention(30, 16))
    settings = {
        **ADAM,
        "model": made,
        "epochs": 15,
        "lr": 0.003,
        "schedule": "warmup:30",
        "clip": 1.0,
        "dtype": "float32",
    }
    return Well(Given({"x": x, "y": y}, settings), wrong(fresh, goal), bayes, 1.4)


@healthy("wines by a small network with early stopping")
def wines(seed: int) -> Well:
    from sklearn import datasets

    x, y = datasets.load_wine(return_X_y=True)
    z = (x - x.mean(0)) / x.std(0)
    own, fresh, codes, goal = parted(z, y, seed)
    settings = {
        **ADAM,
        "batch_size": 16,
        "validation": 0.2,
        "patience": 10,
        "epochs": 100,
        "model": perceptron(seed, 13, 16, 3),
    }
    return Well(Given({"x": own, "y": codes}, settings), wrong(fresh, goal), 0.07, 1.0)


@healthy("cells of breasts by a network, weight decay, held out")
def cells(seed: int) -> Well:
    from sklearn import datasets

    x, y = datasets.load_breast_cancer(return_X_y=True)
    z = (x - x.mean(0)) / x.std(0)
    own, fresh, codes, goal = parted(z, y, seed)
    best = LogisticRegression(C=0.3).fit(own, codes)
    settings = {
        **ADAM, "loss": nn.BCEWithLogitsLoss(), "optimizer": torch.optim.AdamW, "lr": 0.001, "epochs": 20,
        "test_fraction": 0.2, "model": perceptron(seed, 30, 16, 1),
    }  # fmt: skip
    reference = 0.02 + float(np.mean(best.predict(fresh) != goal))
    return Well(Given({"x": own, "y": codes}, settings), wrong(fresh, goal), reference, 1.5)
