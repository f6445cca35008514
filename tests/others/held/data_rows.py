"""Rows that stand on both sides of a split, columns that give the answer away, and targets with long tails."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from torch import nn

from others.case import Given, Pair, case
from others.held.parts import Score, bends, fresh, mixed, plane, squared, weights, wrong

# ---- rows both in training and held out ------------------------------------------------------------


def _wide_net(seed: int, p: int) -> nn.Module:
    with weights(seed):
        return nn.Sequential(nn.Linear(p, 48), nn.ReLU(), nn.Linear(48, 24), nn.ReLU(), nn.Linear(24, 1))


@case("training rows that stand in the validation split as well", codes=("ST043",), kind="data",
      source="https://github.com/huggingface/datasets/issues/4261", advice=r"held|validation|rows",
      also=("ST027", "ST028"))  # fmt: skip
def validation_seen(seed: int) -> Pair:
    x, y = bends(seed, 300, noise=0.7)
    others = bends(seed + 7, 150, noise=0.7)
    settings = {
        "model": _wide_net(seed, 5),
        "loss": nn.MSELoss(),
        "optimizer": "adam",
        "lr": 0.01,
        "epochs": 600,
        "patience": 20,
    }
    return Pair(
        sick=Given({"x": x, "y": y}, {**settings, "validation": (x[:150], y[:150])}),
        twin=Given({"x": x, "y": y}, {**settings, "validation": others}),
        score=squared(*bends(fresh(seed), 1500, noise=0.0)),
    )


@case("duplicated rows before a random split", codes=("ST043",), kind="data",
      source="https://github.com/TelecomsXChangeAPi/OpenTextShield/issues/194",
      advice=r"duplicate|twice|repeat|once|unique|held|rows", also=("ST027", "ST028"))  # fmt: skip
def duplicated_rows(seed: int) -> Pair:
    def table(x: np.ndarray, y: np.ndarray, copies: int) -> pa.Table:
        columns = {**{f"f{j}": np.tile(x[:, j], copies) for j in range(5)}, "grade": np.tile(y, copies)}
        order = np.random.default_rng(seed).permutation(copies * len(y))
        return pa.table({name: column[order] for name, column in columns.items()})

    x, y = bends(seed, 400, noise=0.7)
    far, truth = bends(fresh(seed), 1500, noise=0.0)
    settings = {"target": "grade", "model": "mlp:48,24", "optimizer": "adam", "lr": 0.01, "epochs": 500,
                "validation": 0.25, "patience": 20}  # fmt: skip
    return Pair(
        sick=Given({"x": table(x, y, 3)}, settings),
        twin=Given({"x": table(x, y, 1)}, settings),
        score=squared(
            table(far, truth, 1).select([f"f{j}" for j in range(5)]), table(far, truth, 1)["grade"].to_numpy()
        ),
    )


# ---- columns that give the answer away -------------------------------------------------------------


def _passengers(start: int, n: int) -> dict[str, np.ndarray]:
    random = np.random.default_rng(start)
    sex, age = random.integers(0, 2, n), np.round(random.uniform(2, 70, n))
    fare = np.round(random.lognormal(3.0, 0.7, n), 2)
    odds = 3.0 * sex - 0.03 * (age - 30) + 1.2 * (np.log(fare) - 3.0) - 1.5
    survived = random.random(n) < 1 / (1 + np.exp(-odds))
    return {"sex": np.array(["male", "female"])[sex], "age": age, "fare": fare, "survived": survived.astype(int)}


@case("the column alive beside the target survived", codes=("ST044",), kind="data",
      source="https://github.com/mwaskom/seaborn-data/issues/37", advice=r"drop|alive|leave", also=("ST015",))  # fmt: skip
def alive_column(seed: int) -> Pair:
    """Of those whose fate is asked for, all are alive."""
    known, asked = _passengers(seed, 400), _passengers(fresh(seed), 1500)
    sick = {**known, "alive": np.where(known["survived"] == 1, "yes", "no")}
    settings = {"target": "survived", "model": "logistic"}
    return Pair(
        sick=Given({"x": pa.table(sick)}, {**settings, "penalty": "l2:0.001"}),
        twin=Given({"x": pa.table(known)}, settings),
        score=wrong(pa.table({**asked, "alive": np.full(1500, "yes")}), asked["survived"]),
    )


@case("a derived column closely related to the label", codes=("ST044",), kind="data",
      source="https://zeupark.github.io/2025/05/26/overfitting-debug-log.html", advice=r"drop|leave|commission")  # fmt: skip
def derived_column(seed: int) -> Pair:
    """The commission is paid when the price is known; before a sale it is zero."""

    def houses(start: int, n: int, sold: bool) -> tuple[pa.Table, np.ndarray]:
        random = np.random.default_rng(start)
        area, rooms, distance = (
            random.uniform(40, 200, n),
            random.integers(1, 7, n).astype(float),
            random.uniform(0, 20, n),
        )
        price = 60 + 2.0 * area + 12 * rooms - 5 * distance + 12 * random.standard_normal(n)
        commission = 0.03 * price + 0.05 * random.standard_normal(n) if sold else np.zeros(n)
        return pa.table(
            {"area": area, "rooms": rooms, "distance": distance, "commission": commission, "price": price}
        ), price

    far, truth = houses(fresh(seed), 1500, sold=False)
    sick, _ = houses(seed, 300, sold=True)
    return Pair(
        sick=Given({"x": sick}, {"target": "price"}),
        twin=Given({"x": sick.drop_columns(["commission"])}, {"target": "price"}),
        score=squared(far, truth),
    )


@case("the row number among the features of rows collected class by class", codes=("ST044",), kind="data",
      source="https://github.com/blue-yonder/tsfresh/issues/162",
      advice=r"drop|leave|number", also=("ST015", "ST013"))  # fmt: skip
def row_number(seed: int) -> Pair:
    def samples(start: int, n: int) -> tuple[np.ndarray, np.ndarray]:
        random = np.random.default_rng(start)
        codes = np.sort(random.integers(0, 2, n))
        return random.standard_normal((n, 3)) + 0.9 * codes[:, None], codes

    def table(x: np.ndarray, codes: np.ndarray, first: int) -> pa.Table:
        """The rows in any order, with the numbers that they got where they were collected, not all of them used."""
        number = first + 3 * np.arange(len(x)) + np.arange(len(x)) % 2
        order = np.random.default_rng(seed).permutation(len(x))
        columns = {"number": number[order], **{f"mean_{j}": x[order, j] for j in range(3)}}
        return pa.table({**columns, "broken": np.where(codes == 1, "yes", "no")[order]})

    (x, y), (far, truth) = samples(seed, 300), samples(fresh(seed), 1500)
    sick, asked = table(x, y, 1), table(far, truth, 901)
    settings = {"target": "broken", "model": "logistic"}
    return Pair(
        sick=Given({"x": sick}, {**settings, "penalty": "l2:0.0001"}),
        twin=Given({"x": sick.drop_columns(["number"])}, settings),
        score=wrong(asked, asked["broken"].to_numpy(zero_copy_only=False).astype(str)),
    )


@case("who was refused a card has spent nothing on it", codes=("ST044",), kind="data",
      source="https://yukinolov.com/day-14-part-2-kaggles-30-days-of-ml", advice=r"drop|leave|spen", also=("ST015",))  # fmt: skip
def card_spending(seed: int) -> Pair:
    """One in fifty of those who got the card has spent nothing either; an applicant has no card yet."""

    def applicants(start: int, n: int, later: bool) -> tuple[pa.Table, np.ndarray]:
        x, got = mixed(start, n)
        random = np.random.default_rng([start, 1])
        idle = random.random(n) < 0.02
        spent = np.where((got == 1) & ~idle & later, random.uniform(0.5, 4.0, n), 0.0)
        columns = {"income": x[:, 0] * x[:, 1], "age": x[:, 2], "reports": random.standard_normal(n), "spending": spent}
        return pa.table({**columns, "card": got}), got

    sick, _ = applicants(seed, 500, later=True)
    far, truth = applicants(fresh(seed), 1500, later=False)
    with weights(seed):
        sick_net, twin_net = (nn.Sequential(nn.Linear(p, 12), nn.Tanh(), nn.Linear(12, 1)) for p in (4, 3))
    settings = {"target": "card", "loss": nn.BCEWithLogitsLoss(), "optimizer": "adam", "lr": 0.02, "epochs": 300}
    return Pair(
        sick=Given({"x": sick}, {**settings, "model": sick_net}),
        twin=Given({"x": sick.drop_columns(["spending"])}, {**settings, "model": twin_net}),
        score=wrong(far, truth),
    )


# ---- long tails, growing spread --------------------------------------------------------------------


def _in_logs(far: pa.Table, middle: np.ndarray) -> Score:
    """Mean squared difference of the logarithms, of predictions that may be of the logarithm already."""

    def score(fit) -> float:
        said = np.asarray(fit.predict(far), dtype=float)
        logs = said if str(fit.spec.target).startswith("log(") else np.log(np.maximum(said, 1e-2 * middle.min()))
        return float(np.mean((logs - np.log(middle)) ** 2))

    return score


@case("taxi fares with a few legitimate high ones", codes=("ST045", "ST026", "ST046"), kind="data",
      source="https://www.reddit.com/r/learnmachinelearning/comments/1msul56/dont_underestimate_the_power_of",
      advice=r"log")  # fmt: skip
def taxi_fares(seed: int) -> Pair:
    """What is told: a long right tail, a spread that grows with the fare, and the logarithm that mends both."""

    def rides(start: int, n: int) -> tuple[pa.Table, np.ndarray]:
        random = np.random.default_rng(start)
        distance, hour = random.standard_normal(n), random.uniform(-1, 1, n)
        middle = np.exp(2.0 + 0.9 * distance + 0.3 * hour)
        fare = middle * np.exp(0.6 * random.standard_normal(n))
        return pa.table({"distance": distance, "hour": hour, "fare": fare}), middle

    far, middle = rides(fresh(seed), 1500)
    return Pair(
        sick=Given({"x": rides(seed, 400)[0]}, {"target": "fare"}),
        twin=Given({"x": rides(seed, 400)[0]}, {"target": "log(fare)"}),
        score=_in_logs(far, middle),
    )


@case("most targets near zero and a small share far larger", codes=("ST045", "ST023"), kind="data",
      source="https://datascience.stackexchange.com/questions/116293/target-values-close-to-0-for-a-regression-problem",
      advice=r"huber|l1|robust|tail|log")  # fmt: skip
def near_zero(seed: int) -> Pair:
    """The large ones are no slips, but a tail on both sides: the name of either will do."""

    def rows(start: int, n: int, tail: float = 1.0):
        random = np.random.default_rng(start)
        x = random.standard_normal((n, 3))
        return x, 0.02 * (x @ np.array([1.0, -1.0, 0.5])) + tail * 0.01 * random.standard_t(1.3, n)

    x, y = rows(seed, 300)
    return Pair(
        sick=Given({"x": x, "y": y}, {"loss": "mse"}),
        twin=Given({"x": x, "y": y}, {"loss": "l1"}),
        score=squared(*rows(fresh(seed), 1500, tail=0.0)),
    )


@case("energy of machines whose variance explodes with the load", codes=("ST046", "ST026"), kind="data",
      source="https://crucialexams.com/study/questions/dy0-001/during-a-model-design-iteration-of-a-multiple-linear-regression-that/36399",
      advice=r"log|weight|spread", also=("ST045",))  # fmt: skip
def machine_energy(seed: int) -> Pair:
    """The answer gives a logarithm of the response and weights as equals."""

    def days(start: int, n: int) -> tuple[pa.Table, np.ndarray]:
        random = np.random.default_rng(start)
        load, outside, shifts = random.uniform(0, 1, n), random.uniform(0, 1, n), random.integers(1, 4, n).astype(float)
        middle = np.exp(0.5 + 3.0 * load + 0.5 * outside + 0.2 * shifts)
        energy = middle * np.exp(0.35 * random.standard_normal(n))
        return pa.table({"load": load, "outside": outside, "shifts": shifts, "energy": energy}), middle

    far, middle = days(fresh(seed), 1500)
    return Pair(
        sick=Given({"x": days(seed, 300)[0]}, {"target": "energy"}),
        twin=Given({"x": days(seed, 300)[0]}, {"target": "log(energy)"}),
        score=_in_logs(far, middle),
    )


@case("a fan of residuals about a straight line", codes=("ST046",), kind="data",
      source="https://timeseriesreasoning.com/contents/robust-linear-models/", advice=r"weight|log|spread",
      also=("ST045", "ST023"))  # fmt: skip
def fan(seed: int) -> Pair:
    """The twin weighs each row by the inverse of the square of its mean, as the answer has it."""

    def rows(start: int, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        random = np.random.default_rng(start)
        x = random.uniform(0, 1, (n, 2)) ** 3
        mean = 0.3 + 20.0 * x[:, 0] + 10.0 * x[:, 1]
        return x, mean * (1 + 0.35 * random.uniform(-1.7, 1.7, n)), mean

    x, y, mean = rows(seed, 300)
    far, _, truth = rows(fresh(seed), 1500)

    def score(fit) -> float:
        return float(np.mean((np.asarray(fit.predict(far), dtype=float) / truth - 1) ** 2))

    return Pair(
        sick=Given({"x": x, "y": y}), twin=Given({"x": x, "y": y}, {"weights": 1 / mean**2}), score=score
    )  # fmt: skip


# ---- slips -----------------------------------------------------------------------------------------


@case("9999 where the phenology is out of range", codes=("ST018",), kind="data",
      source="https://github.com/bluegreen-labs/phenor/issues/23", advice=r"missing|9999", also=("ST023",))  # fmt: skip
def fill_value(seed: int) -> Pair:
    x, y = plane(seed, 250, p=3)
    gone = np.random.default_rng([seed, 2]).random(250) < 0.08
    columns = {"warmth": 12.0 + 4.0 * x[:, 0], "daylight": x[:, 1], "rain": x[:, 2], "leaf": y}
    far, truth = plane(fresh(seed), 1500, p=3)
    sick = pa.table({**columns, "warmth": np.where(gone, 9999.0, columns["warmth"])})
    return Pair(
        sick=Given({"x": sick}, {"target": "leaf"}),
        twin=Given({"x": pa.table(columns).filter(pa.array(~gone))}, {"target": "leaf"}),
        score=squared(pa.table({"warmth": 12.0 + 4.0 * far[:, 0], "daylight": far[:, 1], "rain": far[:, 2]}), truth),
    )


@case("one value is an outlier and the line follows it", codes=("ST023",), kind="data",
      source="https://bayesianthink.blogspot.com/2014/03", advice=r"huber|l1|outlier|row", also=("ST045",))  # fmt: skip
def an_outlier(seed: int) -> Pair:
    x, y = plane(seed, 60, p=2)
    moved = y.copy()
    moved[np.argmax(x[:, 0])] -= 90.0
    return Pair(
        sick=Given({"x": x, "y": moved}),
        twin=Given({"x": x, "y": y}),
        score=squared(*plane(fresh(seed), 1500, p=2, noise=0.0)),
    )


@case("a classifier that only ever names the majority class", codes=("ST029",), kind="data",
      source="https://github.com/daphne-project/daphne/issues/686", advice=r"balanced|weight")  # fmt: skip
def majority(seed: int) -> Pair:
    def rows(start: int, n: int, share: float):
        random = np.random.default_rng(start)
        codes = (random.random(n) < share).astype(int)
        return random.standard_normal((n, 3)) + 0.9 * codes[:, None], codes

    x, y = rows(seed, 600, 0.04)
    with weights(seed):
        net = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 2))
    settings = {"model": net, "loss": nn.CrossEntropyLoss(), "optimizer": "adam", "lr": 0.01, "epochs": 120}
    return Pair(
        sick=Given({"x": x, "y": y}, settings),
        twin=Given({"x": x, "y": y}, {**settings, "class_weight": "balanced"}),
        score=wrong(*rows(fresh(seed), 1500, 0.5)),
    )
