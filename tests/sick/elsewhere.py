"""Sick fits whose answer is elsewhere: in an average, another valley, on a bound, at a decayed intercept, pulled by counts."""

from __future__ import annotations

import numpy as np

from sick.case import Given, Pair, case
from sick.data import rows
from steepest.analysis.finding import Kind


@case("an average from the first step on", Kind.AVERAGED, [
    {"seed": 320, "size": 10, "rate": 0.02},
    {"seed": 321, "size": 25, "rate": 0.05},
])  # fmt: skip
def averaged_from_the_start(seed, size, rate):
    x, y = rows(seed, 200)
    settings = {"optimizer": "sgd", "lr": rate, "batch_size": size, "epochs": 50}
    twin = Given({"x": x, "y": y + 50}, {**settings, "averaging": "tail:0.5"})
    return Pair(twin.but(averaging="polyak"), twin)


@case("a weight decay of the intercept", Kind.DECAYED, [
    {"seed": 322, "decay": 0.01, "rule": "adamw"},
    {"seed": 323, "decay": 0.1, "rule": "adamw"},
    {"seed": 324, "decay": 0.05, "rule": "nadamw"},
])  # fmt: skip
def decayed(seed, decay, rule):
    x, y = rows(seed, 200)
    settings = {"lr": 0.5, "epochs": 2000, "schedule": "cosine"}
    twin = Given({"x": x, "y": y + 50}, {**settings, "optimizer": f"{rule}:0.9,0.999,0"})
    return Pair(twin.but(optimizer=f"{rule}:0.9,0.999,{decay}"), twin)


@case("a start in the valley of the outliers", Kind.BASIN, [
    {"seed": 325, "loss": "tukey:4.685", "far": 30.0},
    {"seed": 326, "loss": "tukey:3", "far": 60.0},
    {"seed": 327, "loss": "tukey:6", "far": 40.0},
])  # fmt: skip
def another_valley(seed, loss, far):
    x, y = rows(seed, 200, 2)
    y[:40] += far
    twin = Given({"x": x, "y": y}, {"loss": loss})
    return Pair(twin.but(init=(float(np.median(y)) + far, 0.0, 0.0), optimizer="sgd", lr=0.05, epochs=1500), twin)


@case("a bound with the wrong sign", Kind.BOUND, [
    {"seed": 328, "model": "linear"},
    {"seed": 329, "model": "logistic"},
])  # fmt: skip
def wrong_bound(seed, model):
    x = rows(seed, 300, 2)[0]
    random = np.random.default_rng(seed)
    y = 1.0 + 2.0 * x[:, 0] - x[:, 1] + random.standard_normal(300)
    if model == "logistic":
        y = (random.uniform(size=300) < 1.0 / (1.0 + np.exp(-2.0 * x[:, 0] + x[:, 1]))).astype(int)
    twin = Given({"x": x, "y": y}, {"model": model, "bounds": {"x1": (0.0, None)}})
    return Pair(twin.but(bounds={"x1": (None, 0.0)}), twin)


@case("counts with a slip of the keyboard", Kind.OUTLIERS, [
    {"seed": 330, "count": 4000},
    {"seed": 331, "count": 300},
])  # fmt: skip
def slipped(seed, count):
    x = rows(seed, 200, 2)[0]
    random = np.random.default_rng(seed)
    fine = random.poisson(np.exp(1.0 + 0.5 * x[:, 0])).astype(float)
    sick = fine.copy()
    sick[random.integers(200)] = count
    return Pair(*(Given({"x": x, "y": y}, {"loss": "poisson"}) for y in (sick, fine)))
