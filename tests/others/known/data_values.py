"""Values that are not what they seem: codes for nothing, spellings, wild rows, targets with a heavy tail, numbers too large."""

from __future__ import annotations

import numpy as np
from torch import nn

from others.case import Given, Pair, case
from others.known.sources import clouds, log_loss, moons, named, perceptron, plane, squared, waves, wrong

KIND = "data"

# ---- codes and spellings -----------------------------------------------------------------------------


@case(
    "−999 where the station measured nothing",
    codes=("ST018",),
    kind=KIND,
    source="https://github.com/dankelley/oce/issues/983",
    also=("ST023", "ST030"),
)
def station_measured_nothing(seed: int) -> Pair:
    def stations(seed: int, n: int):
        z, y = plane(seed, n, p=3)
        return np.column_stack([4 + z[:, 0], 20 + 5 * z[:, 1], z[:, 2]]), y

    names = ("silicate", "nitrate", "depth")
    x, y = stations(seed, 300)
    gone = np.random.default_rng(seed + 31).random(300) < 0.08
    coded = x.copy()
    coded[gone, 0] = -999.0
    sick = Given({"x": named(coded, *names, oxygen=y)}, {"target": "oxygen"})
    twin = Given({"x": named(x[~gone], *names, oxygen=y[~gone])}, sick.settings)
    fresh, goal = stations(seed + 100, 2000)
    return Pair(sick, twin, squared(named(fresh, *names), goal))


@case(
    "99 for no answer, in a network's table",
    codes=("ST018",),
    kind=KIND,
    source="https://github.com/jasp-stats/jasp-issues/issues/2716",
    also=("ST023", "ST030"),
)
def no_answer_is_99(seed: int) -> Pair:
    def people(seed: int, n: int):
        x, y = moons(seed, n)
        return np.column_stack([np.rint(20 + 8 * x[:, 0]) / 4, x[:, 1]]), y

    x, y = people(seed, 400)
    words = np.array(["no", "yes"])
    gone = np.random.default_rng(seed + 31).random(400) < 0.1
    coded = x.copy()
    coded[gone, 0] = 99.0
    settings = {"model": perceptron(seed, 2, 16, 16, 1), "target": "bought", "optimizer": "adam", "lr": 0.01}
    settings |= {"precondition": "standardize", "batch_size": 50, "epochs": 60}
    sick = Given({"x": named(coded, "trust", "need", bought=words[y])}, settings)
    twin = Given({"x": named(x[~gone], "trust", "need", bought=words[y[~gone]])}, settings)
    fresh, truth = people(seed + 100, 2000)
    return Pair(sick, twin, log_loss(named(fresh, "trust", "need"), truth))


@case(
    "one label in two capitalisations, by two people",
    codes=("ST019",),
    kind=KIND,
    source="https://github.com/apple/turicreate/issues/1528",
)
def two_capitalisations(seed: int) -> Pair:
    words = np.array(["shoes", "hat", "scarf"])
    x, code = clouds(seed, 400)
    loud = np.random.default_rng(seed + 37).random(400) < 0.45
    names = ("width", "height", "red", "blue")
    sick = Given({"x": named(x, *names, article=np.where(loud, np.char.capitalize(words[code]), words[code]))})
    sick = sick.but(target="article")
    fresh, truth = clouds(seed + 100, 2000)
    return Pair(
        sick,
        Given({"x": named(x, *names, article=words[code])}, sick.settings),
        wrong(named(fresh, *names), words[truth]),
    )


@case(
    "one complaint in two capitalisations among few rows",
    codes=("ST019",),
    kind=KIND,
    source="https://github.com/codeforamerica/comport/issues/91",
)
def complaints_in_capitals(seed: int) -> Pair:
    kinds = np.array(["rudeness", "force", "search", "arrest", "theft", "threat"])

    def complaints(seed: int, n: int, noise: float = 2.5):
        random = np.random.default_rng(seed)
        which, years = random.integers(6, size=n), random.uniform(0, 20, n)
        return (
            years,
            which,
            np.array([2.0, 9.0, 4.0, 6.5, 3.0, 8.0])[which] + 0.1 * years + noise * random.standard_normal(n),
        )

    years, which, days = complaints(seed, 60)
    said = kinds[which]
    loud = np.random.default_rng(seed + 37).random(60)
    loud[np.unique(which, return_index=True)[1]] = 1.0  # each kind is once written as it is
    said = np.where(loud < 0.3, np.char.upper(said), np.where(loud < 0.6, np.char.capitalize(said), said))
    sick = Given({"x": named(np.empty((60, 0)), years=years, days=days, allegation=said)}, {"target": "days"})
    twin = Given({"x": named(np.empty((60, 0)), years=years, days=days, allegation=kinds[which])}, sick.settings)
    fresh, code, goal = complaints(seed + 100, 1000, noise=0.0)
    return Pair(sick, twin, squared(named(np.empty((1000, 0)), years=fresh, allegation=kinds[code]), goal))


# ---- wild rows and heavy tails -----------------------------------------------------------------------


@case(
    "three slipped decimal points among the targets",
    codes=("ST023",),
    kind=KIND,
    source="https://github.com/dmlc/xgboost/issues/829",
)
def slipped_decimal_points(seed: int) -> Pair:
    names = ("a", "b", "c")
    x, y = plane(seed, 150, p=3)
    wild = y.copy()
    wild[np.random.default_rng(seed + 41).choice(150, 3, replace=False)] += 150.0
    sick = Given({"x": named(x, *names, y=wild)}, {"target": "y"})
    fresh, goal = plane(seed + 100, 2000, p=3)
    return Pair(sick, Given({"x": named(x, *names, y=y)}, sick.settings), squared(named(fresh, *names), goal))


def claims(seed: int, n: int, tail: float = 1.1):
    """What z says of a claim, the claim with a heavy tail upon it, and its middle."""
    z, y = plane(seed, n, p=3, noise=0.0)
    return z, y + 0.5 * np.random.default_rng(seed + 43).standard_t(tail, n), y


@case(
    "a target with a tail so heavy that a few rows decide the squared loss",
    codes=("ST045", "ST023"),
    kind=KIND,
    source="https://datascience.stackexchange.com/questions/75903/boosted-tree-regression-loss-function-when-data-has-occasionally-very-large-valu/75908",
    also=("ST030",),
)
def heavy_tailed_target(seed: int) -> Pair:
    x, y, _ = claims(seed, 400)
    sick = Given({"x": named(x, "a", "b", "c", claim=y)}, {"target": "claim"})
    fresh, _, middle = claims(seed + 100, 2000)
    return Pair(sick, sick.but(loss="huber:1.0"), squared(named(fresh, "a", "b", "c"), middle))


@case(
    "a network on a target with a heavy tail, by squares",
    codes=("ST045", "ST023"),
    kind=KIND,
    source="https://crucialexams.com/study/questions/dy0-001/a-data-science-team-is-training-a-deep-neural-network-to-forecast-intraday/37126",
)
def heavy_tail_of_a_network(seed: int) -> Pair:
    def payments(seed: int, n: int):
        x, y = waves(seed, n, noise=0.0)
        return x, y + 0.4 * np.random.default_rng(seed + 43).standard_t(1.1, n), y

    x, y, _ = payments(seed, 500)
    settings = {"model": perceptron(seed, 5, 32, 1), "optimizer": "adam", "lr": 0.01, "batch_size": 50, "epochs": 60}
    sick = Given({"x": x, "y": y}, {**settings, "loss": nn.MSELoss()})
    fresh, _, middle = payments(seed + 100, 2000)
    return Pair(sick, sick.but(loss=nn.HuberLoss()), squared(fresh, middle))


@case(
    "errors that grow with the prediction",
    codes=("ST046",),
    kind=KIND,
    source="https://tutoraspire.com/constant-variance-assumption/",
    also=("ST026",),
    advice=r"(?i)weight|log",
)
def errors_that_grow(seed: int) -> Pair:
    def energy(seed: int, n: int):
        random = np.random.default_rng(seed)
        area = random.uniform(1.0, 40.0, n)
        people = random.uniform(1.0, 6.0, n)
        mean = 2.0 + 3.0 * area + 1.5 * people
        return np.column_stack([area, people]), mean, random.standard_normal(n)

    x, mean, noise = energy(seed, 160)
    y = mean + 0.5 * mean * noise
    weights = 1 / mean**2
    sick = Given({"x": x, "y": y})
    fresh, goal, _ = energy(seed + 100, 2000)

    def score(fit) -> float:
        return float(np.mean(((fit.predict(fresh) - goal) / goal) ** 2))

    return Pair(sick, Given({"x": x, "y": y}, {"weights": weights / weights.mean()}), score)


@case(
    "prices over three orders of magnitude, fitted as they are",
    codes=("ST026", "ST045", "ST046"),
    kind=KIND,
    source="https://imathworks.com/cv/solved-linear-model-heteroscedasticity",
)
def prices_that_want_a_log(seed: int) -> Pair:
    def deals(seed: int, n: int):
        z, y = plane(seed, n, p=3, noise=0.4)
        return z, np.exp(6 + 0.7 * y)

    names = ("size", "age", "distance")
    z, price = deals(seed, 300)
    sick = Given({"x": named(z, *names, price=price)}, {"target": "price"})
    fresh, goal = deals(seed + 100, 2000)

    def score(fit) -> float:
        predicted = np.asarray(fit.predict(named(fresh, *names)), dtype=float)
        in_logs = str(fit.spec.target).startswith("log")
        logs = predicted if in_logs else np.log(np.clip(predicted, 1.0, None))
        return float(np.mean((logs - np.log(goal)) ** 2))

    return Pair(sick, sick.but(target="log(price)"), score)


# ---- numbers too large -------------------------------------------------------------------------------


@case(
    "a column of 10²⁰ in single precision",
    codes=("ST047",),
    kind=KIND,
    source="https://github.com/VowpalWabbit/vowpal_wabbit/issues/537",
    also=("ST004",),
)
def too_large_for_single_precision(seed: int) -> Pair:
    def bars(seed: int, n: int):
        z, y = waves(seed, n, p=3)
        return np.column_stack([z[:, 0] * 5e20, z[:, 1:]]), y

    x, y = bars(seed, 300)
    settings = {"model": perceptron(seed, 3, 24, 1), "optimizer": "adam", "lr": 0.01, "batch_size": 50, "epochs": 60}
    sick = Given({"x": x, "y": y}, {**settings, "dtype": "float32", "precondition": "none"})
    twin = Given({"x": x / [5e20, 1, 1], "y": y}, sick.settings)
    fresh, goal = bars(seed + 100, 2000)

    def score(fit) -> float:
        raw = np.abs(fit.train.x).max() > 1e10
        return squared(fresh if raw else fresh / [5e20, 1, 1], goal)(fit)

    return Pair(sick, twin, score)
