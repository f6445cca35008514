"""Columns on different scales, labels that do not belong to their rows, rows in order, and numbers too large."""

from __future__ import annotations

from functools import partial

import numpy as np
import pyarrow as pa
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from others.case import Given, Pair, case
from others.held.parts import bends, clouds, fresh, plane, rings, squared, stripes, surprise, waves, weights, wrong

# ---- columns on different scales -------------------------------------------------------------------


def _people(start: int, n: int, standardized: bool) -> tuple[pa.Table, np.ndarray]:
    random = np.random.default_rng(start)
    age, income = random.uniform(-1.7, 1.7, n), random.standard_normal(n)
    children = random.integers(0, 4, n).astype(float)
    score = 1.5 * np.sin(1.5 * age) + 0.8 * np.abs(income) - 0.3 * children
    columns = {"age": age, "income": income, "children": (children - 1.5) / 1.1}
    if not standardized:
        columns = {"age": 45 + 15 * age, "income": 52_000 + 14_000 * income, "children": children}
    return pa.table({**columns, "score": score + 0.1 * random.standard_normal(n)}), score


@case("age and income side by side in a network", codes=("ST004",), kind="data",
      source="https://stackoverflow.com/questions/37371121/sigmoid-back-propagation-neural-network",
      advice=r"standard|scale", also=("ST033", "ST016"))  # fmt: skip
def age_and_income(seed: int) -> Pair:
    with weights(seed):
        net = nn.Sequential(nn.Linear(3, 24), nn.ReLU(), nn.Linear(24, 12), nn.ReLU(), nn.Linear(12, 1))
    settings = {"target": "score", "model": net, "optimizer": "adam", "lr": 0.01, "batch_size": 60, "epochs": 60}
    raw, truth = _people(fresh(seed), 1500, standardized=False)
    small, _ = _people(fresh(seed), 1500, standardized=True)

    def score(fit) -> float:
        return squared(raw if np.abs(fit.train.x).max() > 1e3 else small, truth)(fit)

    return Pair(
        sick=Given({"x": _people(seed, 600, standardized=False)[0]}, settings),
        twin=Given({"x": _people(seed, 600, standardized=True)[0]}, settings),
        score=score,
    )


@case("a timestamp among the features of a click model", codes=("ST004",), kind="data",
      source="https://github.com/RUCAIBox/RecBole/issues/1062", advice=r"standard|scale|date",
      also=("ST033", "ST016", "ST047"))  # fmt: skip
def timestamps(seed: int) -> Pair:
    def clicks(start: int, n: int, raw: bool) -> tuple[np.ndarray, np.ndarray]:
        random = np.random.default_rng(start)
        price, rank, when = random.standard_normal((3, n))
        odds = 6.0 * (np.abs(price) - 0.8) - 4.0 * rank * price
        when = 1.6e9 + 1e7 * when if raw else when
        return np.column_stack([price, rank, when]), (random.random(n) < 1 / (1 + np.exp(-odds))).astype(int)

    class Wide(nn.Module):
        def __init__(self):
            super().__init__()
            self.wide, self.deep, self.out = nn.Linear(3, 1), nn.Linear(3, 24), nn.Linear(24, 1)

        def forward(self, x):
            return (self.wide(x) + self.out(torch.relu(self.deep(x)))).squeeze(-1)

    with weights(seed):
        net = Wide()
    settings = {
        "model": net,
        "loss": nn.BCEWithLogitsLoss(),
        "optimizer": "adam",
        "lr": 0.01,
        "batch_size": 80,
        "epochs": 40,
    }
    (x, y), (small, _) = clicks(seed, 800, raw=True), clicks(seed, 800, raw=False)
    (far, truth), (near, _) = clicks(fresh(seed), 1500, raw=True), clicks(fresh(seed), 1500, raw=False)

    def score(fit) -> float:
        return wrong(far if np.abs(fit.train.x).max() > 1e6 else near, truth)(fit)

    return Pair(sick=Given({"x": x, "y": y}, settings), twin=Given({"x": small, "y": y}, settings), score=score)


@case("nan as soon as the inputs are not standardized", codes=("ST004", "ST001"), kind="data",
      source="https://github.com/zhouhaoyi/Informer2020/issues/251",
      advice=r"standard|scale", also=("ST016", "ST033"))  # fmt: skip
def raw_supply(seed: int) -> Pair:
    """Inputs in ten thousands beside small ones: at this rate the descent grows without bound, and scaled it does not."""

    def rows(start: int, n: int):
        x, y = bends(start, n, p=4)
        return x, y, 10_000.0 + x * np.array([3000.0, 1.0, 1.0, 800.0])

    with weights(seed):
        net = nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 1))
    x, y, raw = rows(seed, 600)
    near, truth, far = rows(fresh(seed), 1500)
    settings = {
        "model": net,
        "loss": nn.MSELoss(),
        "optimizer": "momentum:0.9",
        "lr": 0.02,
        "batch_size": 60,
        "epochs": 60,
    }

    def score(fit) -> float:
        return squared(far if np.abs(fit.train.x).max() > 100 else near, truth)(fit)

    return Pair(sick=Given({"x": raw, "y": y}, settings), twin=Given({"x": x, "y": y}, settings), score=score)


# ---- labels that do not belong to their rows -------------------------------------------------------


@case("the rows are permuted and their labels are not", codes=("ST041",), kind="data",
      source="https://github.com/dennybritz/cnn-text-classification-tf/issues/136",
      advice=r"label|order|shuffl|rows", also=("ST027",))  # fmt: skip
def permuted_rows(seed: int) -> Pair:
    with weights(seed):
        net = nn.Sequential(nn.Linear(2, 24), nn.ReLU(), nn.Linear(24, 3))
    x, y = rings(seed, 400, classes=3)
    moved = x[np.random.default_rng(seed).permutation(len(x))]
    settings = {
        "model": net,
        "loss": nn.CrossEntropyLoss(),
        "optimizer": "adam",
        "lr": 0.01,
        "batch_size": 50,
        "epochs": 40,
    }
    return Pair(
        sick=Given({"x": moved, "y": y}, settings),
        twin=Given({"x": x, "y": y}, settings),
        score=wrong(*rings(fresh(seed), 1500, classes=3)),
    )


@case("features and target are one row apart after a merge", codes=("ST041",), kind="data",
      source="https://github.com/NVIDIA/cuml/issues/2579", advice=r"shift|label|order|rows|target")  # fmt: skip
def one_row_apart(seed: int) -> Pair:
    def table(start: int, n: int, apart: int) -> pa.Table:
        x, y = plane(start, n, noise=0.3)
        return pa.table({**{f"delay_{j}": x[:, j] for j in range(4)}, "arrival": np.roll(y, apart)})

    far = table(fresh(seed), 1500, 0)
    return Pair(
        sick=Given({"x": table(seed, 250, 1)}, {"target": "arrival"}),
        twin=Given({"x": table(seed, 250, 0)}, {"target": "arrival"}),
        score=squared(far, far["arrival"].to_numpy()),
    )


@case("training labels laid beside other data", codes=("ST041",), kind="data",
      source="https://github.com/IBM/AutoXAI4Omics/pull/58",
      advice=r"label|order|rows|target|shuffl", also=("ST027",))  # fmt: skip
def resorted_target(seed: int) -> Pair:
    """A shuffle of the rows, after which the target is joined in its old order."""
    with weights(seed):
        net = nn.Sequential(nn.Linear(5, 16), nn.Tanh(), nn.Linear(16, 1))
    x, y = bends(seed, 1000)
    order = np.random.default_rng(seed + 1).permutation(len(x))
    settings = {
        "model": net,
        "loss": nn.MSELoss(),
        "optimizer": partial(torch.optim.Adam, lr=0.01),
        "batch_size": 100,
        "epochs": 60,
    }
    return Pair(
        sick=Given({"x": x[order], "y": y}, settings),
        twin=Given({"x": x[order], "y": y[order]}, settings),
        score=squared(*bends(fresh(seed), 1500)),
    )


# ---- rows in the order of their classes ------------------------------------------------------------


def _sorted(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    order = np.argsort(y, kind="stable")
    return x[order], y[order]


@case("every class in order and shuffle turned off", codes=("ST013",), kind="data",
      source="https://github.com/keras-team/keras/issues/6955", advice=r"shuffle")  # fmt: skip
def classes_in_order(seed: int) -> Pair:
    with weights(seed):
        net = nn.Sequential(nn.Linear(2, 32), nn.ReLU(), nn.Linear(32, 5))
    x, y = _sorted(*clouds(seed, 500, classes=5, spread=0.45))
    settings = {
        "model": net,
        "loss": nn.CrossEntropyLoss(),
        "optimizer": "momentum:0.9",
        "lr": 0.1,
        "batch_size": 25,
        "epochs": 10,
    }
    return Pair(
        sick=Given({"x": x, "y": y}, {**settings, "shuffle": "none"}),
        twin=Given({"x": x, "y": y}, {**settings, "shuffle": "rows"}),
        score=wrong(*clouds(fresh(seed), 1500, classes=5, spread=0.45)),
    )


@case("a loader without shuffling whose batches hold one label", codes=("ST013",), kind="data",
      source="https://github.com/happynear/NormFace/issues/4", advice=r"shuffle")  # fmt: skip
def loader_in_order(seed: int) -> Pair:
    def loader(shuffle: bool) -> DataLoader:
        images, codes = _sorted(*stripes(seed, 240, noise=0.2))
        pairs = TensorDataset(torch.tensor(images, dtype=torch.float32), torch.tensor(codes))
        return DataLoader(pairs, batch_size=20, shuffle=shuffle, generator=torch.Generator().manual_seed(seed))

    with weights(seed):
        net = nn.Sequential(nn.Conv2d(1, 6, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(54, 3))
    settings = {
        "model": net,
        "loss": nn.CrossEntropyLoss(),
        "optimizer": partial(torch.optim.SGD, lr=0.1),
        "epochs": 25,
    }
    return Pair(
        sick=Given({"x": loader(False)}, settings),
        twin=Given({"x": loader(True)}, settings),
        score=wrong(*stripes(fresh(seed), 800, noise=0.2)),
    )


@case("first all positives and then all negatives", codes=("ST013",), kind="data",
      source="https://github.com/NVIDIA/DIGITS/issues/29", advice=r"shuffle")  # fmt: skip
def positives_first(seed: int) -> Pair:
    def rows(start: int, n: int):
        random = np.random.default_rng(start)
        codes = random.integers(0, 2, n)
        return random.standard_normal((n, 4)) + 1.2 * codes[:, None], codes

    x, y = rows(seed, 600)
    x, y = _sorted(x, 1 - y)
    settings = {"model": "logistic", "optimizer": "sgd", "lr": 0.3, "batch_size": 10, "epochs": 10}
    near, truth = rows(fresh(seed), 1500)
    return Pair(
        sick=Given({"x": x, "y": y}, {**settings, "shuffle": "none"}),
        twin=Given({"x": x, "y": y}, {**settings, "shuffle": "rows"}),
        score=surprise(near, 1 - truth),
    )


# ---- numbers too large -----------------------------------------------------------------------------


@case("inputs of 1e30 in float32", codes=("ST047",), kind="data",
      source="https://github.com/pytorch/pytorch/pull/178123",
      advice=r"float64|scale|divide|unit|standard", also=("ST004",))  # fmt: skip
def inputs_overflow(seed: int) -> Pair:
    with weights(seed):
        net = nn.Sequential(nn.Linear(2, 24), nn.ReLU(), nn.Linear(24, 24), nn.ReLU(), nn.Linear(24, 1))
    x, y = waves(seed, 400)
    far, truth = waves(fresh(seed), 1500)
    settings = {"model": net, "loss": nn.MSELoss(), "dtype": "float32", "optimizer": "adam", "lr": 0.01, "epochs": 400}

    def score(fit) -> float:
        return squared(far * (1e30 if np.abs(fit.train.x).max() > 1e3 else 1.0), truth)(fit)

    return Pair(sick=Given({"x": 1e30 * x, "y": y}, settings), twin=Given({"x": x, "y": y}, settings), score=score)


@case("distances whose squares are beyond float32", codes=("ST047",), kind="data",
      source="https://github.com/facebookarchive/caffe2/issues/2436", advice=r"float64|scale|divide|unit|standard",
      also=("ST039",))  # fmt: skip
def targets_overflow(seed: int) -> Pair:
    unit = 1.8e19
    x, y = plane(seed, 200)
    far, truth = plane(fresh(seed), 1500)
    settings = {"dtype": "float32", "optimizer": "sgd", "lr": 0.1, "epochs": 200, "tol": 0.0}

    def score(fit) -> float:
        said = np.asarray(fit.predict(far), dtype=float)
        large = np.abs(fit.train.y).max() > 1e6
        return float(np.mean((said / (unit if large else 1.0) - truth) ** 2))

    return Pair(sick=Given({"x": x, "y": unit * y}, settings), twin=Given({"x": x, "y": y}, settings), score=score)
