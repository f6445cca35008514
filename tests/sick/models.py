"""Sick models and data: outliers, bends, classes, weights and modules that no better descent would mend."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pyarrow as pa
import torch
from torch import nn

from sick.case import Given, Pair, case
from sick.data import bundled, labels, rows
from steepest.analysis.finding import Kind
from steepest.data import synthetic

# ---- outliers, bends, logarithms -------------------------------------------------------------------


@case("a few rows far away", Kind.OUTLIERS, [
    {"seed": 200, "n": 100, "count": 1, "far": 60.0},
    {"seed": 201, "n": 150, "count": 4, "far": 25.0},
    {"seed": 202, "n": 60, "count": 2, "far": -200.0},
])  # fmt: skip
def far_rows(seed, n, count, far):
    x, y = rows(seed, n, 2)
    random = np.random.default_rng([seed, 1])
    moved = y.copy()
    moved[random.choice(n, count, replace=False)] += far
    return Pair(Given({"x": x, "y": moved}), Given({"x": x, "y": y}))


@case("the lesson's outlier", Kind.OUTLIERS, [{"seed": 42}, {"seed": 7}])
def the_lessons_outlier(seed):
    data = synthetic.quadratic_with_outlier(seed)
    settings = {"model": "poly:2"}
    twin = Given({"x": data.x[1:], "y": data.y[1:]}, settings)
    return Pair(Given({"x": data.x, "y": data.y}, settings), twin)


@case("a slipped decimal point in the diabetes table", Kind.OUTLIERS, [{"row": 17}, {"row": 300}])
def slipped_point(row):
    x, y = bundled("diabetes", ("bmi", "bp", "s5"))
    wrong = y.copy()
    wrong[row] *= 100.0
    return Pair(Given({"x": x, "y": wrong}), Given({"x": x, "y": y}))


@case("a parabola fitted by a line", Kind.CURVATURE, [
    {"seed": 210, "bend": 1.0, "p": 1},
    {"seed": 211, "bend": -0.5, "p": 2},
    {"seed": 212, "bend": 3.0, "p": 3},
])  # fmt: skip
def a_bend(seed, bend, p):
    x, y = rows(seed, 150, p)
    bent = Given({"x": x, "y": y + bend * x[:, 0] ** 2})
    return Pair(bent, bent.but(model="poly:2"))


@case("columns that work together", Kind.CURVATURE, [{"seed": 213, "strength": 1.0}, {"seed": 214, "strength": -2.0}])
def a_product(seed, strength):
    x, y = rows(seed, 200, 2)
    bent = Given({"x": x, "y": y + strength * x[:, 0] * x[:, 1]})
    return Pair(bent, bent.but(model="poly:2"))


@case("the lesson's parabola by a line", Kind.CURVATURE, [{"seed": 42}, {"seed": 5}])
def the_lessons_parabola(seed):
    data = synthetic.quadratic_with_outlier(seed)
    bent = Given({"x": data.x[1:], "y": data.y[1:]})
    return Pair(bent, bent.but(model="poly:2"))


@case("no intercept", Kind.INTERCEPT, [
    {"seed": 220, "intercept": 5.0, "settings": {}},
    {"seed": 221, "intercept": -2.0, "settings": {"optimizer": "sgd", "lr": "auto", "epochs": 300}},
])  # fmt: skip
def no_intercept(seed, intercept, settings):
    x, y = rows(seed, intercept=intercept)
    twin = Given({"x": x, "y": y}, settings)
    return Pair(twin.but(intercept=False), twin)


@case("a line from the sample without its intercept", Kind.INTERCEPT, [{"name": "line"}, {"name": "noisy_line"}])
def sample_without_intercept(name):
    x, y = bundled(name)
    twin = Given({"x": x[:300], "y": y[:300]})
    return Pair(twin.but(intercept=False), twin)


@case("a target that grows by factors", Kind.LOG_TARGET, [
    {"seed": 230, "spread": 1.0, "noise": 0.3, "table": True},
    {"seed": 231, "spread": 0.8, "noise": 0.5, "table": True},
    {"seed": 232, "spread": 1.2, "noise": 0.2, "table": False},
])  # fmt: skip
def grows_by_factors(seed, spread, noise, table):
    x, y = rows(seed, 200, 2, noise=noise / spread)
    price = np.exp(3 + spread * y)
    if not table:
        return Pair(Given({"x": x, "y": price}), Given({"x": x, "y": np.log(price)}))
    sick = pa.table({"area": x[:, 0], "age": x[:, 1], "price": price})
    fine = pa.table({"area": x[:, 0], "age": x[:, 1], "price": np.log(price)})
    return Pair(Given({"x": sick}, {"target": "price"}), Given({"x": fine}, {"target": "price"}))


# ---- values written otherwise ----------------------------------------------------------------------


@case("a number that stands for nothing", Kind.MISSING_CODE, [
    {"seed": 310, "code": -999.0, "column": "age"},
    {"seed": 311, "code": 9999.0, "column": "age"},
    {"seed": 312, "code": -99.0, "column": "y"},
    {"seed": 313, "code": -1e6, "column": "age"},
])  # fmt: skip
def stands_for_nothing(seed, code, column):
    x, y = rows(seed, 150, 2)
    table = {"age": 40.0 + 8.0 * x[:, 0], "dose": x[:, 1], "y": y}
    gone = np.random.default_rng(seed).random(150) < 0.06
    sick = pa.table({**table, column: np.where(gone, code, table[column])})
    return Pair(
        Given({"x": sick}, {"target": "y"}), Given({"x": pa.table(table).filter(pa.array(~gone))}, {"target": "y"})
    )


@case("answers in several spellings", Kind.SPELLINGS, [{"seed": 314, "target": False}, {"seed": 315, "target": True}])
def several_spellings(seed, target):
    x, y = labels(seed, 200, 2)
    random = np.random.default_rng([seed, 1])
    answers = np.array(["no", "yes"])[y]
    loud = np.where(random.random(200) < 0.2, np.char.capitalize(answers), answers)
    table = {"a": x[:, 0], "b": x[:, 1]} if target else {"a": x[:, 0], "y": x[:, 1] + y + random.standard_normal(200)}
    settings = {"target": "said" if target else "y"}
    return Pair(
        Given({"x": pa.table({**table, "said": loud})}, settings),
        Given({"x": pa.table({**table, "said": answers})}, settings),
    )


# ---- classes written as numbers --------------------------------------------------------------------


@case("two classes as amounts", Kind.CODED, [
    {"seed": 235, "values": (0, 1), "table": True},
    {"seed": 236, "values": (-1.0, 1.0), "table": False},
    {"seed": 237, "values": (1, 2), "table": True},
    {"seed": 238, "values": (0.25, 7.5), "table": False},
])  # fmt: skip
def two_classes_as_amounts(seed, values, table):
    x, y = labels(seed, 200, 2)
    numbers, words = np.array(values)[y], np.array(["no", "yes"])[y]
    if not table:
        return Pair(Given({"x": x, "y": numbers}), Given({"x": x, "y": words}))
    sick, twin = (pa.table({"age": x[:, 0], "dose": x[:, 1], "ill": ill}) for ill in (numbers, words))
    return Pair(Given({"x": sick}, {"target": "ill"}), Given({"x": twin}, {"target": "ill"}))


@case("species as amounts", Kind.CODED, [{"seed": 239, "count": 3}, {"seed": 243, "count": 5}])
def species_as_amounts(seed, count):
    random = np.random.default_rng(seed)
    codes = random.integers(count, size=250)
    x = random.normal(size=(250, 2)) + 0.8 * random.normal(size=(count, 2))[codes]
    table = {"length": x[:, 0], "width": x[:, 1]}
    words = pa.array([f"kind {code}" for code in codes])
    return Pair(
        Given({"x": pa.table({**table, "species": codes + 1})}, {"target": "species"}),
        Given({"x": pa.table({**table, "species": words})}, {"target": "species"}),
    )


# ---- overfitting, few rows -------------------------------------------------------------------------


@case("a high polynomial on few rows", Kind.OVERFITTING, [
    {"seed": 240, "degree": 12, "n": 40},
    {"seed": 241, "degree": 15, "n": 50},
])  # fmt: skip
def high_polynomial(seed, degree, n):
    random = np.random.default_rng(seed)
    x = random.uniform(-1.0, 1.0, n)
    y = 1 + 3 * x + random.standard_normal(n)
    twin = Given({"x": x, "y": y}, {"test_fraction": 0.3})
    return Pair(twin.but(model=f"poly:{degree}"), twin)


@case("an mlp that learns the noise", Kind.OVERFITTING, [
    {"seed": 247, "width": 64, "n": 60},
    {"seed": 249, "width": 100, "n": 80},
])  # fmt: skip
def learns_the_noise(seed, width, n):
    x, y = rows(seed, 600, 3, noise=2.0)
    settings = {"optimizer": "adam", "lr": 0.01, "test_fraction": 0.3, "seed": seed}
    sick = Given({"x": x[:n], "y": y[:n]}, {**settings, "model": f"mlp:{width}", "epochs": 600})
    return Pair(sick, Given({"x": x, "y": y}, {**settings, "model": "mlp:4", "epochs": 200}))


@case("many columns of noise", Kind.OVERFITTING, [
    {"seed": 244, "n": 90, "p": 50},
    {"seed": 245, "n": 120, "p": 70},
])  # fmt: skip
def columns_of_noise(seed, n, p):
    random = np.random.default_rng(seed)
    x = random.standard_normal((n, p))
    y = 1 + x[:, 0] - x[:, 1] + random.standard_normal(n)
    sick = Given({"x": x, "y": y}, {"test_fraction": 0.25, "seed": seed})
    return Pair(sick, Given({"x": x[:, :3], "y": y}, sick.settings))


@case("fewer rows than parameters", Kind.FEW_ROWS, [
    {"seed": 250, "n": 20, "p": 30},
    {"seed": 251, "n": 12, "p": 12},
    {"seed": 252, "n": 31, "p": 28},
])  # fmt: skip
def few_rows(seed, n, p):
    x, y = rows(seed, 20 * p, p)
    return Pair(Given({"x": x[:n], "y": y[:n]}), Given({"x": x, "y": y}))


@case(
    "a polynomial through every point", Kind.FEW_ROWS, [{"seed": 253, "p": 4, "n": 14}, {"seed": 254, "p": 3, "n": 9}]
)
def through_every_point(seed, p, n):
    x, y = rows(seed, 100 * p, p)
    return Pair(Given({"x": x[:n], "y": y[:n]}, {"model": "poly:2"}), Given({"x": x, "y": y}, {"model": "poly:2"}))


# ---- classes and weights ---------------------------------------------------------------------------


@case("classes that a line separates", Kind.SEPARABLE, [
    {"seed": 260, "gap": 0.3, "n": 80},
    {"seed": 261, "gap": 1.0, "n": 120},
])  # fmt: skip
def separable(seed, gap, n):
    random = np.random.default_rng(seed)
    x = random.standard_normal((n, 2))
    side = (x[:, 0] + x[:, 1] > 0).astype(int)
    apart = x + gap * (2 * side[:, None] - 1)
    overlapping, mixed = labels(seed, n, 2)
    settings = {"model": "logistic"}
    return Pair(Given({"x": apart, "y": side}, settings), Given({"x": overlapping, "y": mixed}, settings))


@case("bundled classes without a penalty", Kind.SEPARABLE, [
    {"name": "iris", "penalty": "l2:0.01"},
    {"name": "wine", "penalty": "l2:0.01"},
    {"name": "breast_cancer", "penalty": "l2:0.001"},
])  # fmt: skip
def bundled_classes(name, penalty):
    sick = Given({"x": f"sample:{name}"})
    return Pair(sick, sick.but(penalty=penalty))


@case("one column gives the class away", Kind.SEPARABLE, [{"seed": 262}, {"seed": 263}])
def gives_it_away(seed):
    x, y = labels(seed, 150, 2)
    table = {"age": x[:, 0], "dose": x[:, 1], "ill": np.where(y == 1, "yes", "no")}
    leak = pa.table({"discharge": np.where(y == 1, 1.0, 0.0) + 0.1 * np.abs(x[:, 0] % 1), **table})
    return Pair(Given({"x": leak}, {"target": "ill"}), Given({"x": pa.table(table)}, {"target": "ill"}))


@case("a class that is never predicted", Kind.IMBALANCED, [
    {"seed": 270, "n": 300, "rare": 12},
    {"seed": 271, "n": 250, "rare": 6},
])  # fmt: skip
def never_predicted(seed, n, rare):
    random = np.random.default_rng(seed)
    x, y = random.standard_normal((n, 2)), np.zeros(n, dtype=int)
    y[:rare] = 1
    x[:rare] += 1.0
    sick = Given({"x": x, "y": y}, {"model": "logistic"})
    return Pair(sick, sick.but(class_weight="balanced"))


@case("one of three classes is rare", Kind.IMBALANCED, [{"seed": 272, "rare": 8}, {"seed": 273, "rare": 12}])
def one_of_three(seed, rare):
    random = np.random.default_rng(seed)
    codes = np.repeat([0, 1, 2], [140, 140, rare])
    centres = np.array([[-1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    x = centres[codes] + random.standard_normal((len(codes), 2))
    sick = Given({"x": x, "y": np.array(["common", "usual", "rare"])[codes]})
    return Pair(sick, sick.but(class_weight="balanced"))


@case("few rows carry the weight", Kind.HEAVY_ROWS, [
    {"seed": 280, "heavy": 1, "weight": 1e5},
    {"seed": 281, "heavy": 4, "weight": 1e4},
    {"seed": 282, "heavy": 2, "weight": 1e6},
])  # fmt: skip
def heavy_rows(seed, heavy, weight):
    x, y = rows(seed, 150)
    weights = np.random.default_rng(seed).uniform(0.5, 1.5, 150)
    heavier = weights.copy()
    heavier[:heavy] *= weight
    return Pair(Given({"x": x, "y": y}, {"weights": heavier}), Given({"x": x, "y": y}, {"weights": weights}))


@case("a column of weights with a slip", Kind.HEAVY_ROWS, [{"seed": 283}, {"seed": 284}])
def slipped_weight(seed):
    x, y = rows(seed, 100)
    weights = np.random.default_rng(seed).uniform(1.0, 2.0, 100)
    table = {"a": x[:, 0], "b": x[:, 1], "c": x[:, 2], "y": y}
    wrong = weights.copy()
    wrong[3] *= 1e6
    return Pair(
        Given({"x": pa.table({**table, "w": wrong})}, {"target": "y", "weights": "w"}),
        Given({"x": pa.table({**table, "w": weights})}, {"target": "y", "weights": "w"}),
    )


@case("classes that no line tells apart", Kind.CURVATURE, [
    {"seed": 285, "kind": "exclusive or"},
    {"seed": 286, "kind": "ring"},
    {"seed": 287, "kind": "three rings"},
])  # fmt: skip
def bent_classes(seed, kind):
    random = np.random.default_rng(seed)
    x = random.standard_normal((300, 2))
    far = np.hypot(*x.T) + 0.3 * random.standard_normal(300)
    values = x[:, 0] * x[:, 1] + 0.3 * random.standard_normal(300) if kind == "exclusive or" else far
    codes = np.digitize(values, {"exclusive or": [0.0], "ring": [1.2], "three rings": [0.8, 1.6]}[kind])
    bent = Given({"x": x, "y": np.array(["low", "middle", "high"])[codes]})
    return Pair(bent, bent.but(model="poly:2"))


# ---- modules ---------------------------------------------------------------------------------------


@case("biases that start far below zero", Kind.DEAD_UNITS, [
    {"seed": 290, "width": 12, "bias": -6.0},
    {"seed": 291, "width": 20, "bias": -20.0},
])  # fmt: skip
def low_biases(seed, width, bias):
    x, y = rows(seed, 150, 2)
    settings = {"optimizer": "adam", "lr": 0.02, "epochs": 300}
    fine, sick = (layers(seed, nn.ReLU, 2, width, 1) for _ in range(2))
    nn.init.constant_(sick[0].bias, bias)
    return Pair(
        Given({"x": x, "y": y}, {**settings, "model": sick}),
        Given({"x": x, "y": y}, {**settings, "model": fine}),
    )


@case("relus killed by the first steps", Kind.DEAD_UNITS, [
    {"seed": 292, "rate": 3.0},
    {"seed": 293, "rate": 3.0},
])  # fmt: skip
def killed_by_the_first_steps(seed, rate):
    x, y = rows(seed, 150, 2, intercept=8.0)
    settings = {"model": "mlp:16", "optimizer": "adam", "epochs": 300, "seed": seed}
    twin = Given({"x": x, "y": y}, {**settings, "lr": 0.02})
    return Pair(twin.but(lr=rate), twin)


def layers(seed: int, between: type[nn.Module], *widths: int) -> nn.Sequential:
    """Linear layers of these widths, started as PyTorch starts them, with an activation between any two."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        parts: list[nn.Module] = []
        for before, after in pairwise(widths[:-1]):
            parts += [nn.Linear(before, after), between()]
        return nn.Sequential(*parts, nn.Linear(*widths[-2:]))


@case("many layers, each of which shrinks the gradient", Kind.VANISHING, [
    {"seed": 294, "between": nn.Sigmoid, "depth": 8},
    {"seed": 295, "between": nn.Sigmoid, "depth": 6},
    {"seed": 296, "between": nn.Tanh, "depth": 20},
])  # fmt: skip
def many_layers(seed, between, depth):
    x, y = rows(seed, 100, 2)
    settings = {"optimizer": "sgd", "lr": 0.05, "epochs": 400}
    sick = Given({"x": x, "y": y}, {**settings, "model": layers(seed, between, 2, *[8] * depth, 1)})
    return Pair(sick, sick.but(model=layers(seed, nn.Tanh, 2, 8, 1)))


@case("tanh drowned in large inputs", Kind.VANISHING, [{"seed": 296, "scale": 1e4}, {"seed": 297, "scale": 1e5}])
def drowned(seed, scale):
    x, y = rows(seed, 100, 2)
    settings = {"model": layers(seed, nn.Tanh, 2, 10, 10, 1), "optimizer": "sgd", "lr": 0.05, "epochs": 400}
    sick = Given({"x": scale * x, "y": y}, {**settings, "precondition": "none"})
    return Pair(sick, sick.but(precondition="standardize"))


ENDS = {"sigmoid": nn.Sigmoid, "relu": nn.ReLU, "tanh": nn.Tanh, "softmax": lambda: nn.Softmax(dim=1)}


@case("an output that the loss does not expect", Kind.OUTPUT, [
    {"seed": 300, "end": "sigmoid", "loss": "logistic"},
    {"seed": 301, "end": "softmax", "loss": "cross_entropy"},
    {"seed": 302, "end": "relu", "loss": "mse"},
    {"seed": 303, "end": "tanh", "loss": "mse"},
    {"seed": 304, "end": "sigmoid", "loss": "mse"},
])  # fmt: skip
def unexpected_output(seed, end, loss):
    x, y = rows(seed, 200, 2)
    if loss != "mse":
        x, y = labels(seed, 300, 2)
    fine = layers(seed, nn.Tanh, 2, 8, 2 if loss == "cross_entropy" else 1)
    settings = {"loss": loss, "optimizer": "adam", "lr": 0.03, "epochs": 400, "penalty": "l2:0.0001"}
    sick = nn.Sequential(*layers(seed, nn.Tanh, 2, 8, 2 if loss == "cross_entropy" else 1), ENDS[end]())
    return Pair(
        Given({"x": x, "y": y}, {**settings, "model": sick}), Given({"x": x, "y": y}, {**settings, "model": fine})
    )


@case("linear layers upon one another", Kind.UNACTIVATED, [{"seed": 305, "depth": 1}, {"seed": 306, "depth": 2}])
def upon_one_another(seed, depth):
    x, y = rows(seed, 200, 2, noise=0.1)
    bent = y + 2.0 * x[:, 0] ** 2
    settings = {"optimizer": "adam", "lr": 0.03, "epochs": 400}
    sick, fine = (layers(seed, between, 2, *[16] * depth, 1) for between in (nn.Identity, nn.ReLU))
    return Pair(
        Given({"x": x, "y": bent}, {**settings, "model": sick}), Given({"x": x, "y": bent}, {**settings, "model": fine})
    )


@case("counts that spread more than their mean", Kind.OVERDISPERSED, [
    {"seed": 310, "loss": "poisson", "spread": 1.0},
    {"seed": 311, "loss": "poisson", "spread": 0.5},
    {"seed": 312, "loss": "binomial", "spread": 0.3},
])  # fmt: skip
def overdispersed(seed, loss, spread):
    x = rows(seed, 300, 2)[0]
    random, line = np.random.default_rng(seed), 0.5 * x[:, 0] - 0.3 * x[:, 1]
    if loss == "poisson":
        mean, settings = np.exp(1.0 + line), {"loss": loss}
        sick, fine = random.poisson(mean * random.gamma(1 / spread, spread, 300)), random.poisson(mean)
        return Pair(Given({"x": x, "y": sick}, settings), Given({"x": x, "y": fine}, settings))
    share, trials = 1 / (1 + np.exp(-line)), random.integers(5, 40, 300)
    mixed = random.beta(share / spread, (1 - share) / spread)
    settings = {"target": "y", "columns": ["a", "b"], "loss": loss, "trials": "m"}
    sick, fine = (
        {"a": x[:, 0], "b": x[:, 1], "m": trials, "y": random.binomial(trials, one)} for one in (mixed, share)
    )
    return Pair(Given({"x": sick}, settings), Given({"x": fine}, settings))
