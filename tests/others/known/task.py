"""Another task than the one that was meant: classes as numbers, numbers as classes, the median for the mean, one-hot targets."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from others.case import Given, Pair, case
from others.known.sources import built, clouds, clusters, drawings, named, perceptron, plane, squared, waves

KIND = "task"


def nearest(x, codes: np.ndarray):
    """The share of wrong classes, where a fit of numbers means the class whose number is nearest."""

    def score(fit) -> float:
        answer = np.asarray(fit.predict(x))
        answer = answer.argmax(1) if answer.ndim == 2 else np.rint(answer.astype(float))
        return float(np.mean(answer.clip(codes.min(), codes.max()) != codes))

    return score


# ---- classes fitted as numbers -----------------------------------------------------------------------


@case(
    "a squared loss on the numbers of four classes",
    codes=("ST035", "ST020"),
    kind=KIND,
    source="https://github.com/huggingface/transformers/issues/7571",
    advice=r"(?i)output|cross",
)
def squares_of_class_numbers(seed: int) -> Pair:
    x, y = clusters(seed, 500)
    settings = {"optimizer": "adam", "lr": 0.01, "batch_size": 50, "epochs": 40}
    sick = Given(
        {"x": x, "y": y.astype(float)}, {**settings, "model": perceptron(seed, 6, 24, 1), "loss": nn.MSELoss()}
    )
    twin = Given({"x": x, "y": y}, {**settings, "model": perceptron(seed, 6, 24, 4), "loss": nn.CrossEntropyLoss()})
    return Pair(sick, twin, nearest(*clusters(seed + 100, 2000)))


@case(
    "pictures of three kinds, and the number of the kind as the target of a regression",
    codes=("ST035", "ST020"),
    kind=KIND,
    source="https://github.com/YunYang1994/tensorflow-yolov3/issues/606",
    advice=r"(?i)output|cross",
)
def kinds_of_pictures_as_numbers(seed: int) -> Pair:
    def network(outputs: int) -> nn.Module:
        hidden = (nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten())
        return nn.Sequential(*hidden, nn.Linear(128, outputs))

    x, y = drawings(seed, 500)
    settings = {"optimizer": torch.optim.Adam, "lr": 0.005, "batch_size": 50, "epochs": 20}
    sick = Given(
        {"x": x, "y": y.astype(np.float32)}, {**settings, "model": built(seed, lambda: network(1)), "loss": "mse"}
    )
    twin = Given({"x": x, "y": y}, {**settings, "model": built(seed, lambda: network(3)), "loss": F.cross_entropy})
    return Pair(sick, twin, nearest(*drawings(seed + 100, 1000)))


@case(
    "linear regression of diabetics, coded 0 and 1",
    codes=("ST035", "ST020"),
    kind=KIND,
    source="https://www.mltut.com/why-linear-regression-cannot-be-used-for-classification/",
)
def yes_and_no_as_numbers(seed: int) -> Pair:
    def patients(seed: int, n: int):
        z, _ = plane(seed, n, p=3)
        random = np.random.default_rng(seed + 5)
        dose = np.exp(1.2 * z[:, 0])
        ill = random.random(n) < 1 / (1 + np.exp(-(2.5 * dose - 4 + 0.8 * z[:, 1])))
        return named(np.column_stack([dose, z[:, 1], z[:, 2]]), "glucose", "bmi", "age"), ill.astype(int)

    table, ill = patients(seed, 500)
    sick = Given({"x": table.append_column("diabetic", [ill])}, {"target": "diabetic"})
    twin = Given({"x": table.append_column("diabetic", [np.array(["no", "yes"])[ill]])}, sick.settings)
    fresh, truth = patients(seed + 100, 4000)

    def score(fit) -> float:
        p = fit.predict(fresh) if fit.schema.classes is None else fit.predict_proba(fresh)[:, 1]
        return float(np.mean((p - truth) ** 2))

    return Pair(sick, twin, score)


@case(
    "species numbered 1 to 3, whose order means nothing",
    codes=("ST035", "ST020"),
    kind=KIND,
    source="https://www.sipoch.com/en/question/300630019609559/answer/30019965233000",
)
def species_as_numbers(seed: int) -> Pair:
    centres = np.array([[0.0, 0.0], [3.0, 2.0], [1.0, 3.5]])

    def birds(seed: int, n: int):
        random = np.random.default_rng(seed)
        code = random.integers(3, size=n)
        return named(centres[code] + 0.8 * random.standard_normal((n, 2)), "beak", "wing"), code

    table, code = birds(seed, 400)
    words = np.array(["1", "2", "3"])
    sick = Given({"x": table.append_column("species", [code + 1])}, {"target": "species"})
    twin = Given({"x": table.append_column("species", [np.char.add("kind ", words[code])])}, sick.settings)
    fresh, truth = birds(seed + 100, 2000)

    def score(fit) -> float:
        answer = np.asarray(fit.predict(fresh))
        if answer.dtype.kind == "f":
            answer = np.clip(np.rint(answer), 1, 3).astype(int)
        return float(np.mean(np.char.replace(answer.astype(str), "kind ", "") != words[truth]))

    return Pair(sick, twin, score)


# ---- numbers fitted as classes -----------------------------------------------------------------------


def rentals(seed: int, n: int):
    """Weather, how many bicycles were rented, a whole number near 6, and how many are to be expected."""
    z, y = waves(seed, n, p=3, noise=0.0)
    expected = 6 + 1.7 * y
    noise = 1.6 * np.random.default_rng(seed + 3).standard_normal(n)
    return z, np.rint(expected + noise).clip(0).astype(int), expected


def expected(x, y: np.ndarray):
    """The squared error of what a fit predicts, of classes the number that the predicted class is."""
    return lambda fit: float(np.mean((np.asarray(fit.predict(x)).astype(float) - y) ** 2))


@case(
    "cross-entropy on counts",
    codes=("ST036",),
    kind=KIND,
    source="https://stats.stackexchange.com/questions/223256/does-the-cross-entropy-cost-make-sense-in-the-context-of-regression",
    advice=r"(?i)mse|poisson|squared|one output",
)
def cross_entropy_of_counts(seed: int) -> Pair:
    x, y, _ = rentals(seed, 800)
    settings = {"optimizer": "adam", "lr": 0.01, "batch_size": 50, "epochs": 25}
    network = perceptron(seed, 3, 24, len(np.unique(y)))
    sick = Given({"x": x, "y": y}, {**settings, "model": network, "loss": nn.CrossEntropyLoss()})
    twin = Given({"x": x, "y": y.astype(float)}, {**settings, "model": perceptron(seed, 3, 24, 1), "loss": "mse"})
    fresh, _, mean = rentals(seed + 100, 2000)
    return Pair(sick, twin, expected(fresh, mean))


@case(
    "softmax regression of whole years of age",
    codes=("ST036",),
    kind=KIND,
    source="https://stats.stackexchange.com/questions/215477/cross-entropy-equivalent-loss-suitable-for-real-valued-labels",
)
def ages_as_classes(seed: int) -> Pair:
    def shells(seed: int, n: int):
        z, y = plane(seed, n, p=3, noise=0.6)
        return named(z, "length", "weight", "height"), np.clip(np.rint(12 + 2 * y), 1, 29).astype(int)

    table, rings = shells(seed, 400)
    given = Given({"x": table.append_column("rings", [rings])}, {"target": "rings"})
    sick = given.but(model="softmax", optimizer="adam", lr=0.05, epochs=300)
    return Pair(sick, given.but(model="linear"), expected(*shells(seed + 100, 2000)))


# ---- the median, where the mean is asked for ---------------------------------------------------------


def sales(seed: int, n: int):
    """What customers spend, of which a third buy something large as well. And its expectation."""
    z, _ = plane(seed, n, p=3)
    random = np.random.default_rng(seed + 11)
    usual = 60 + 8 * z[:, 0] - 5 * z[:, 1]
    return z, usual + 4 * random.standard_normal(n) + 30.0 * (random.random(n) < 0.35), usual + 10.5


@case(
    "absolute errors, and a total of sales that comes out too low",
    codes=("ST037",),
    kind=KIND,
    source="https://stats.stackexchange.com/q/355538/1352",
)
def absolute_errors_of_sales(seed: int) -> Pair:
    names = ("visits", "age", "distance")
    x, spent, _ = sales(seed, 800)
    sick = Given({"x": named(x, *names, spent=spent)}, {"target": "spent", "loss": "l1"})
    fresh, _, mean = sales(seed + 100, 3000)
    return Pair(sick, sick.but(loss="mse"), squared(named(fresh, *names), mean))


@case(
    "nn.L1Loss of a demand that is nothing or ten",
    codes=("ST037",),
    kind=KIND,
    source="https://forecasting.svetunkov.ru/en/2019/08/25/are-you-sure-youre-precise-measuring-accuracy-of-point-forecasts/",
)
def absolute_errors_of_rare_demand(seed: int) -> Pair:
    def demand(seed: int, n: int):
        z, y = waves(seed, n, p=3, noise=0.0)
        often = 0.45 + 0.25 * np.tanh(y)
        random = np.random.default_rng(seed + 13)
        return z, 10.0 * (random.random(n) < often) + 0.3 * random.standard_normal(n), 10 * often

    x, y, _ = demand(seed, 2000)
    settings = {"model": perceptron(seed, 3, 16, 1), "optimizer": "adam", "lr": 0.03, "batch_size": 100, "epochs": 30}
    sick = Given({"x": x, "y": y}, {**settings, "loss": nn.L1Loss()})
    fresh, _, mean = demand(seed + 100, 2000)
    return Pair(sick, sick.but(loss=nn.MSELoss()), squared(fresh, mean))


# ---- one-hot targets ---------------------------------------------------------------------------------


def one_hot(codes: np.ndarray, k: int) -> np.ndarray:
    return np.eye(k)[codes]


def in_a_row(seed: int, n: int):
    """Three classes one behind the other along a line: least squares on indicators never sees the middle one."""
    random = np.random.default_rng(seed)
    code = random.integers(3, size=n)
    x = np.column_stack([2.2 * code, 1.1 * code]) + 0.6 * random.standard_normal((n, 2))
    return x, code


@case(
    "least squares on three columns of zeros and ones",
    codes=("ST042",),
    kind=KIND,
    source="https://esl-notes.readthedocs.io/en/latest/chapter4-2.html",
    advice=r"(?i)class|label|code|argmax",
)
def indicators_by_least_squares(seed: int) -> Pair:
    x, code = in_a_row(seed, 400)
    twin = Given({"x": x, "y": np.array(["left", "middle", "right"])[code]})
    fresh, truth = in_a_row(seed + 100, 2000)

    def score(fit) -> float:
        answer = np.asarray(fit.decision(fresh)).argmax(1)
        return float(np.mean(answer != truth))

    return Pair(Given({"x": x, "y": one_hot(code, 3)}), twin, score)


@case(
    "nn.MSELoss on one-hot targets of a network",
    codes=("ST042",),
    kind=KIND,
    source="https://github.com/Graylab/DL4Proteins-notebooks/issues/5",
    advice=r"(?i)class|label|code|argmax|cross",
)
def one_hot_by_squares(seed: int) -> Pair:
    x, code = in_a_row(seed, 400)
    settings = {"model": built(seed, lambda: nn.Linear(2, 3)), "optimizer": "adam", "lr": 0.05, "epochs": 400}
    sick = Given({"x": x, "y": one_hot(code, 3)}, {**settings, "loss": nn.MSELoss()})
    twin = Given({"x": x, "y": code}, {**settings, "loss": nn.CrossEntropyLoss()})
    fresh, truth = in_a_row(seed + 100, 2000)
    return Pair(sick, twin, lambda fit: float(np.mean(np.asarray(fit.decision(fresh)).argmax(1) != truth)))


# ---- classes that are rare ---------------------------------------------------------------------------


def balanced(x, codes: np.ndarray):
    """The mean over the classes of their share of wrong answers."""

    def score(fit) -> float:
        off = np.asarray(fit.predict(x)) != codes
        return float(np.mean([off[codes == code].mean() for code in np.unique(codes)]))

    return score


def frauds(seed: int, n: int, share: float = 0.04):
    x, y = clouds(seed, 30 * n, k=2, p=3)
    random = np.random.default_rng(seed + 17)
    kept = np.flatnonzero((y == 0) | (random.random(len(y)) < share))[:n]
    return x[kept], y[kept]


@case(
    "four in a hundred are frauds, and none is found",
    codes=("ST029",),
    kind=KIND,
    source="https://github.com/keras-team/keras/issues/14141",
)
def frauds_not_found(seed: int) -> Pair:
    x, y = frauds(seed, 500)
    sick = Given({"x": x, "y": y}, {"model": "logistic"})
    return Pair(sick, sick.but(class_weight="balanced"), balanced(*frauds(seed + 100, 4000, share=0.5)))


@case(
    "a network that always answers the commonest of three classes",
    codes=("ST029",),
    kind=KIND,
    source="https://github.com/cgrtml/neural-trees/pull/75",
)
def always_the_commonest(seed: int) -> Pair:
    def rare(seed: int, n: int):
        x, y = clusters(seed, 8 * n, k=3, p=4, apart=1.0)
        kept = np.flatnonzero((y == 0) | (np.random.default_rng(seed).random(8 * n) < 0.05))[:n]
        return x[kept], y[kept]

    x, y = rare(seed, 600)
    settings = {"model": perceptron(seed, 4, 16, 3), "optimizer": "adam", "lr": 0.01}
    sick = Given({"x": x, "y": y}, {**settings, "loss": "cross_entropy", "batch_size": 60, "epochs": 20})
    return Pair(sick, sick.but(class_weight="balanced"), balanced(*clusters(seed + 100, 3000, k=3, p=4, apart=1.0)))
