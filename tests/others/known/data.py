"""Rows that are not what they seem: answers of other rows, rows seen before, columns that tell the answer, and their order."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from torch import nn

from others.case import Given, Pair, case
from others.known.sources import (
    built,
    clouds,
    clusters,
    drawings,
    log_loss,
    moons,
    named,
    perceptron,
    plane,
    squared,
    waves,
    wrong,
)

KIND = "data"


# ---- answers that belong to other rows ---------------------------------------------------------------


@case(
    "the inputs were shuffled, the targets were not",
    codes=("ST041",),
    kind=KIND,
    source="https://github.com/DrexelChatbotGroup/DrexelChatbot/issues/15",
    advice=r"(?i)shuffl|order|row|match|belong",
)
def shuffled_without_targets(seed: int) -> Pair:
    x, y = plane(seed, 400)
    mixed = np.random.default_rng(seed).permutation(400)
    names = ("a", "b", "c", "d")
    sick = Given({"x": named(x[mixed], *names, y=y)}, {"target": "y"})
    fresh, goal = plane(seed + 100, 2000)
    return Pair(sick, Given({"x": named(x, *names, y=y)}, sick.settings), squared(named(fresh, *names), goal))


@case(
    "labels of pictures taken before the shuffle",
    codes=("ST041",),
    kind=KIND,
    source="https://github.com/Borda/kaggle_image-classify/pull/12",
    advice=r"(?i)shuffl|order|row|match|belong",
)
def labels_before_the_shuffle(seed: int) -> Pair:
    def network():
        hidden = (nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten())
        return nn.Sequential(*hidden, nn.Linear(128, 3))

    x, y = drawings(seed, 500)
    mixed = np.random.default_rng(seed).permutation(500)
    settings = {
        "model": built(seed, network),
        "loss": nn.CrossEntropyLoss(),
        "optimizer": "adam",
        "lr": 0.01,
        "batch_size": 50,
    }
    twin = Given({"x": x, "y": y}, {**settings, "epochs": 25, "test_fraction": 0.2})
    return Pair(Given({"x": x[mixed], "y": y}, twin.settings), twin, log_loss(*drawings(seed + 100, 1000)))


@case(
    "one file read from its first line, the other from its second",
    codes=("ST041",),
    kind=KIND,
    source="https://github.com/epfml/ML_course/pull/47",
    advice=r"(?i)shift|order|row|match|belong",
)
def shifted_by_a_row(seed: int) -> Pair:
    x, y = waves(seed, 501, p=3)
    settings = {"model": perceptron(seed, 3, 32, 1), "optimizer": "adam", "lr": 0.01, "batch_size": 50, "epochs": 50}
    sick = Given({"x": x[:-1], "y": y[1:]}, {**settings, "test_fraction": 0.2})
    return Pair(sick, Given({"x": x[1:], "y": y[1:]}, sick.settings), squared(*waves(seed + 100, 2000, p=3)))


@case(
    "rows dropped from the inputs only, so that all labels behind them slipped",
    codes=("ST041",),
    kind=KIND,
    source="https://github.com/IBM/AutoXAI4Omics/pull/58",
    advice=r"(?i)shift|order|row|match|belong",
)
def slipped_labels(seed: int) -> Pair:
    x, y = clouds(seed, 420)
    words = np.array(["north", "south", "west"])
    kept = np.arange(420) >= 20
    sick = Given({"x": x[kept], "y": words[y[:400]]}, {"test_fraction": 0.25})
    return Pair(sick, Given({"x": x[kept], "y": words[y[kept]]}, sick.settings), _of_words(words))


def _of_words(words: np.ndarray):
    fresh, code = clouds(1234, 2000)
    return wrong(fresh, words[code])


# ---- rows seen before --------------------------------------------------------------------------------


def honest(x, codes: np.ndarray):
    """How far the held-out loss is from the loss on rows that are new indeed: what one is told, against what is true."""
    of_new = log_loss(x, codes)
    return lambda fit: abs(float(fit.test_loss) - of_new(fit))


@case(
    "oversampled first, split afterwards",
    codes=("ST043",),
    kind=KIND,
    source="https://github.com/georgymh/ml-fraud-detection/issues/1",
    advice=r"(?i)split|duplicate|before",
    also=("ST027",),
)
def oversampled_before_the_split(seed: int) -> Pair:
    x, y = moons(seed, 240, noise=0.35)
    few = np.flatnonzero((y == 0) | (np.arange(240) < 60))
    x, y = x[few], y[few]
    again = np.concatenate([np.flatnonzero(y == 0), np.repeat(np.flatnonzero(y == 1), 5)])
    settings = {
        "model": perceptron(seed, 2, 64, 64, 1),
        "loss": nn.BCEWithLogitsLoss(),
        "optimizer": "adam",
        "lr": 0.01,
    }
    sick = Given({"x": x[again], "y": y[again]}, {**settings, "batch_size": 32, "epochs": 60, "test_fraction": 0.3})
    whole, codes = moons(seed + 50, 400, noise=0.35)
    twin = Given({"x": whole, "y": codes}, {**sick.settings, "model": perceptron(seed, 2, 16, 1), "epochs": 30})
    return Pair(sick, twin, honest(*moons(seed + 100, 4000, noise=0.35)), constant=1.0)


@case(
    "every row of a table three times, and a quarter held out",
    codes=("ST043",),
    kind=KIND,
    source="https://github.com/8080labs/ppscore/issues/15",
    advice=r"(?i)split|duplicate|before",
    also=("ST027", "ST028"),
)
def every_row_thrice(seed: int) -> Pair:
    def wide(seed: int, n: int):
        return plane(seed, n, p=30, noise=8.0)

    names = [f"x{j}" for j in range(30)]
    x, y = wide(seed, 70)
    more, goal = wide(seed + 50, 600)
    fresh, truth = wide(seed + 100, 4000)
    sick = Given({"x": named(np.repeat(x, 3, 0), *names, y=np.repeat(y, 3))}, {"target": "y", "test_fraction": 0.25})
    twin = Given({"x": named(more, *names, y=goal)}, sick.settings)

    def score(fit) -> float:
        return abs(float(fit.test_loss) / squared(named(fresh, *names), truth)(fit) - 1)

    return Pair(sick, twin, score, constant=1.0)


# ---- columns that tell the answer --------------------------------------------------------------------


def passengers(seed: int, n: int):
    z, _ = plane(seed, n, p=3)
    random = np.random.default_rng(seed + 19)
    survived = random.random(n) < 1 / (1 + np.exp(-(0.3 + 1.2 * z[:, 0] - 0.9 * z[:, 1])))
    return named(z * [14, 30, 1] + [30, 60, 2], "age", "fare", "relatives"), survived.astype(int)


def without(column: str, value: np.ndarray, table: pa.Table, codes: np.ndarray):
    """The log loss on new rows, of which nobody has filled in that column: it holds what it holds before the event."""
    return log_loss(table.append_column(column, [value]), codes)


@case(
    "a column that says the target in other words",
    codes=("ST044",),
    kind=KIND,
    source="https://github.com/mwaskom/seaborn-data/issues/37",
    also=("ST015",),
)
def alive_beside_survived(seed: int) -> Pair:
    table, survived = passengers(seed, 500)
    answer = [np.array(["no", "yes"])[survived]]
    alive = [np.where(survived == 1, "alive", "dead")]
    sick = Given({"x": table.append_column("alive", alive).append_column("survived", answer)}, {"target": "survived"})
    twin = Given({"x": table.append_column("survived", answer)}, sick.settings)
    new, truth = passengers(seed + 100, 2000)
    return Pair(sick, twin, without("alive", np.full(2000, "alive"), new, truth))


@case(
    "calls to the cancellation line, counted up to the end of the month that is to be foretold",
    codes=("ST044",),
    kind=KIND,
    source="https://bpp-sot.github.io/l6ds-m9-machine-learning/topic-2-feature-engineering/explanation/feature-leakage",
    also=("ST015",),
    advice=r"(?i)drop|leave out|delete",
)
def cancellation_calls(seed: int) -> Pair:
    table, left = passengers(seed, 600)
    random = np.random.default_rng(seed + 23)
    calls = np.where(left == 1, 1 + random.poisson(1.5, 600), random.random(600) < 0.01).astype(int)
    answer = [np.array(["stays", "zleaves"])[left]]
    network = perceptron(seed, 4, 16, 1)
    settings = {"target": "churn", "optimizer": "adam", "lr": 0.01, "batch_size": 60, "epochs": 40}
    sick = Given(
        {"x": table.append_column("calls", [calls]).append_column("churn", answer)}, {**settings, "model": network}
    )
    sick = sick.but(precondition="standardize", test_fraction=0.2)
    twin = Given({"x": table.append_column("churn", answer)}, {**sick.settings, "model": perceptron(seed, 3, 8, 1)})
    new, truth = passengers(seed + 100, 2000)
    return Pair(sick, twin, without("calls", np.zeros(2000, dtype=int), new, truth))


@case(
    "the days that a delivery took in the end among the columns that foretell them",
    codes=("ST044",),
    kind=KIND,
    source="https://github.com/DataTalksClub/machine-learning-zoomcamp/pull/712",
)
def derived_from_the_target(seed: int) -> Pair:
    def orders(seed: int, n: int):
        z, y = plane(seed, n, p=3, noise=1.5)
        return named(z, "distance", "weight", "load"), 12 + 2 * y

    table, days = orders(seed, 400)
    random = np.random.default_rng(seed + 29)
    shipped = days + 0.05 * random.standard_normal(400)
    sick = Given({"x": table.append_column("real_days", [shipped]).append_column("days", [days])}, {"target": "days"})
    twin = Given({"x": table.append_column("days", [days])}, sick.settings)
    new, truth = orders(seed + 100, 2000)
    empty = new.append_column("real_days", [np.full(2000, float(np.median(days)))])
    return Pair(sick, twin, squared(empty, truth))


@case(
    "numbers of specimens, given class by class",
    codes=("ST044",),
    kind=KIND,
    source="https://zeupark.github.io/2025/05/26/overfitting-debug-log.html",
    also=("ST015",),
)
def numbers_given_by_class(seed: int) -> Pair:
    x, y = clouds(seed, 450, apart=0.7)
    order = np.argsort(y, kind="stable")
    names, words = ("a", "b", "c", "d"), np.array(["ash", "birch", "cedar"])
    number = 1000 + 3 * np.arange(450)
    mixed = np.random.default_rng(seed).permutation(450)
    table = named(x[order][mixed], *names, tree=words[y[order][mixed]])
    sick = Given({"x": table.add_column(0, "specimen", [number[mixed]])}, {"target": "tree"})
    fresh, truth = clouds(seed + 100, 2000, apart=0.7)
    new = named(fresh, *names).add_column(0, "specimen", [1000 + 3 * np.arange(450, 2450)])
    return Pair(sick, Given({"x": table}, sick.settings), log_loss(new, truth))


# ---- the order of the rows ---------------------------------------------------------------------------


@case(
    "all lines of one label, then all of the next, and no shuffle",
    codes=("ST013",),
    kind=KIND,
    source="https://github.com/facebookresearch/fastText/issues/74",
)
def labels_in_clusters(seed: int) -> Pair:
    x, y = clusters(seed, 600)
    order = np.argsort(y, kind="stable")
    settings = {
        "model": perceptron(seed, 6, 24, 4),
        "loss": "cross_entropy",
        "optimizer": "sgd",
        "lr": 0.1,
        "batch_size": 20,
    }
    sick = Given({"x": x[order], "y": y[order]}, {**settings, "epochs": 30, "shuffle": "none"})
    return Pair(sick, sick.but(shuffle="rows"), log_loss(*clusters(seed + 100, 2000)))


@case(
    "a regression on rows sorted by their target, in the order of the file",
    codes=("ST013",),
    kind=KIND,
    source="https://github.com/levithomason/anny/issues/95",
)
def sorted_by_the_target(seed: int) -> Pair:
    x, y = plane(seed, 500)
    order = np.argsort(y)
    settings = {"model": "linear", "optimizer": "sgd", "lr": 0.02, "batch_size": 10, "epochs": 10}
    sick = Given({"x": x[order], "y": y[order]}, {**settings, "shuffle": "none"})
    return Pair(sick, sick.but(shuffle="rows"), squared(*plane(seed + 100, 2000, noise=0.0)))
