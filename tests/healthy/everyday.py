"""The linear family at everyday work: small tables, wide ones, categories, groups, series, rare classes, counts and amounts."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import statsmodels.api as sm
import statsmodels.formula.api as smf
from sklearn.linear_model import (
    LinearRegression,
    LogisticRegression,
    QuantileRegressor,
    Ridge,
    RidgeCV,
)

from healthy.case import Given, Well, healthy
from healthy.sources import absolute, log_loss, named, objective, quietly, squared
from healthy.tables import least_squares

SQUARES, CLOSE = {"optimizer": "sgd", "precondition": "standardize"}, 1.02


def near(found: np.ndarray):
    """How far the parameters are from somebody else's."""
    return lambda fit: float(np.abs(np.asarray(fit.theta).ravel() - np.asarray(found).ravel()).max())


def probability(score: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-score))


# ---- few rows ----------------------------------------------------------------------------------------


@healthy("thirty-five rows of three columns")
def thirty_five(seed: int) -> Well:
    random = np.random.default_rng(seed)
    x = random.standard_normal((35, 3)) * [1.0, 5.0, 0.2] + [0.0, 20.0, 1.0]
    y = 4 + x @ [1.0, 0.1, -3.0] + 0.8 * random.standard_normal(35)
    return least_squares(named(x, "a", "b", "c", y=y), "y ~ a + b + c")


@healthy("fifty rows, a fifth of them held out")
def fifty(seed: int) -> Well:
    random = np.random.default_rng(seed)
    x = random.standard_normal((50, 4))
    y = 1 + x @ [1.0, 0.5, -0.5, 0.0] + random.standard_normal(50)
    fresh = random.standard_normal((1000, 4))
    goal = 1 + fresh @ [1.0, 0.5, -0.5, 0.0]
    given = Given({"x": named(x, "a", "b", "c", "d", y=y)}, {"target": "y", "test_fraction": 0.2})
    best = LinearRegression().fit(x, y)
    return Well(given, squared(fresh, goal), 0.05 + float(np.mean((best.predict(fresh) - goal) ** 2)), 2.0)


@healthy("forty-five yes or no of two columns")
def forty_five(seed: int) -> Well:
    random = np.random.default_rng(seed)
    x = random.standard_normal((45, 2))
    y = (random.random(45) < probability(x @ [1.0, -0.6])).astype(int)
    found = sm.Logit(y, sm.add_constant(x)).fit(disp=0)
    return Well(Given({"x": x, "y": y}, {"model": "logistic"}), near(found.params), 1e-5)


@healthy("sixty counts")
def sixty_counts(seed: int) -> Well:
    random = np.random.default_rng(seed)
    x = random.standard_normal((60, 2))
    y = random.poisson(np.exp(0.5 + x @ [0.4, -0.3])).astype(float)
    found = sm.GLM(y, sm.add_constant(x), family=sm.families.Poisson()).fit()
    return Well(Given({"x": x, "y": y}, {"loss": "poisson"}), near(found.params), 1e-5)


@healthy("two groups of twenty, one column of 0 and 1")
def two_groups(seed: int) -> Well:
    random = np.random.default_rng(seed)
    y = np.repeat([10.0, 12.0], 20) + 2 * random.standard_normal(40)
    return least_squares(pa.table({"group": np.repeat(["old", "new"], 20), "y": y}), "y ~ C(group)")


@healthy("three treatments of twelve, and the weight before")
def treatments(seed: int) -> Well:
    random = np.random.default_rng(seed)
    before = random.normal(70, 8, 36)
    y = 5 + 0.9 * before + np.repeat([0.0, -2.0, -4.0], 12) + 2.5 * random.standard_normal(36)
    table = pa.table({"treatment": np.repeat(["tea", "diet", "sport"], 12), "before": before, "after": y})
    return least_squares(table, "after ~ before + C(treatment)")


@healthy("least squares by gradient descent on forty rows")
def forty_by_descent(seed: int) -> Well:
    random = np.random.default_rng(seed)
    x = random.standard_normal((40, 3)) * [1.0, 30.0, 0.01]
    y = x @ [1.0, 0.03, 50.0] + 0.7 * random.standard_normal(40)
    best = LinearRegression().fit(x, y)
    return Well(Given({"x": x, "y": y}, SQUARES), objective, float(np.mean((best.predict(x) - y) ** 2)), 1.0001)


# ---- many columns ------------------------------------------------------------------------------------


def of_many(seed: int, n: int, p: int, noise: float = 1.0):
    """Small slopes on each of many columns."""
    slopes = np.random.default_rng(p).standard_normal(p) / p**0.5
    random = np.random.default_rng(seed)
    x = random.standard_normal((n, p))
    return x, 1 + 2 * x @ slopes + noise * random.standard_normal(n)


@healthy("sixty rows of a hundred columns with l2")
def wide(seed: int) -> Well:
    x, y = of_many(seed, 60, 100)
    fresh, goal = of_many(seed + 100, 1000, 100)
    best = RidgeCV(np.logspace(-1, 3, 20)).fit(x, y)
    given = Given({"x": x, "y": y}, {"penalty": f"l2:{best.alpha_ / 60:.6g}"})
    return Well(given, squared(fresh, goal), float(np.mean((best.predict(fresh) - goal) ** 2)), CLOSE)


@healthy("two hundred rows of fifty columns with l2, a quarter held out")
def many_columns(seed: int) -> Well:
    x, y = of_many(seed, 200, 50)
    fresh, goal = of_many(seed + 100, 1000, 50)
    best = RidgeCV(np.logspace(-1, 3, 20)).fit(x[:150], y[:150])
    given = Given({"x": x, "y": y}, {"penalty": f"l2:{best.alpha_ / 150:.6g}", "test_fraction": 0.25})
    return Well(given, squared(fresh, goal), float(np.mean((best.predict(fresh) - goal) ** 2)), 1.2)


@healthy("words of short texts: a hundred and fifty columns of counts, yes or no with l2")
def words(seed: int) -> Well:
    pull = np.random.default_rng(3).standard_normal(150) * (np.random.default_rng(4).random(150) < 0.2)

    def rows(seed: int, n: int):
        random = np.random.default_rng(seed)
        x = random.poisson(np.random.default_rng(5).gamma(0.5, 0.4, 150), (n, 150)).astype(float)
        return x, (random.random(n) < probability(2 * (x @ pull))).astype(int)

    x, y = rows(seed, 300)
    fresh, goal = rows(seed + 100, 1500)
    kept = x.std(0) > 0
    x, fresh = x[:, kept], fresh[:, kept]
    best = LogisticRegression(C=1.0, max_iter=5000).fit(x, y)
    given = Given({"x": x, "y": y}, {"model": "logistic", "penalty": f"l2:{1 / 600:.6g}"})
    reference = float(-np.log(best.predict_proba(fresh)[np.arange(1500), goal]).mean())
    return Well(given, log_loss(fresh, goal), reference, CLOSE)


@healthy("genes: eighty rows of two hundred columns, yes or no with l2")
def genes(seed: int) -> Well:
    def rows(seed: int, n: int):
        random = np.random.default_rng(seed)
        y = random.integers(2, size=n)
        x = random.standard_normal((n, 200))
        x[:, :20] += 0.6 * (2 * y[:, None] - 1)
        return x, y

    x, y = rows(seed, 80)
    fresh, goal = rows(seed + 100, 1000)
    best = LogisticRegression(C=0.1, max_iter=5000).fit(x, y)
    given = Given({"x": x, "y": y}, {"model": "logistic", "penalty": f"l2:{1 / (2 * 0.1 * 80):.6g}"})
    reference = float(-np.log(best.predict_proba(fresh)[np.arange(1000), goal]).mean())
    return Well(given, log_loss(fresh, goal), reference, CLOSE)


@healthy("two columns that say nearly the same, and five others")
def nearly_same(seed: int) -> Well:
    random = np.random.default_rng(seed)
    x = random.standard_normal((400, 6))
    x = np.column_stack([x, x[:, 0] + 0.2 * random.standard_normal(400)])
    y = x @ [1.0, 0.5, 0.0, -0.5, 0.2, 0.0, 1.0] + random.standard_normal(400)
    return least_squares(named(x, *"abcdefg", y=y), "y ~ a + b + c + d + e + f + g")


@healthy("a line by minibatches in correlated columns, a rate that falls")
def correlated(seed: int) -> Well:
    random = np.random.default_rng(seed)
    x = 0.8**0.5 * random.standard_normal((500, 1)) + 0.2**0.5 * random.standard_normal((500, 5))
    y = x @ [1.0, -0.5, 0.3, 0.0, 0.4] + random.standard_normal(500)
    settings = {"optimizer": "momentum:0.9", "lr": 0.02, "batch_size": 64, "schedule": "cosine", "epochs": 100}
    best = LinearRegression().fit(x, y)
    return Well(Given({"x": x, "y": y}, settings), objective, float(np.mean((best.predict(x) - y) ** 2)), 1.005)


# ---- categories and groups ---------------------------------------------------------------------------


@healthy("twenty shops by a level each, and two prices")
def twenty_shops(seed: int) -> Well:
    random = np.random.default_rng(seed)
    shop = random.integers(20, size=600)
    price, other = random.uniform(1, 5, 600), random.uniform(1, 5, 600)
    y = (
        50
        + 6 * np.random.default_rng(1).standard_normal(20)[shop]
        - 4 * price
        + 1.5 * other
        + 5 * random.standard_normal(600)
    )
    table = pa.table({"shop": [f"shop {k}" for k in shop], "price": price, "other": other, "sold": y})
    return least_squares(table, "sold ~ C(shop) + price + other")


@healthy("a level that only one row in fifty has")
def rare_level(seed: int) -> Well:
    random = np.random.default_rng(seed)
    kind = random.choice(["car", "bus", "boat"], 400, p=[0.6, 0.38, 0.02])
    kind[:3] = ["car", "bus", "boat"]
    age = random.gamma(4, 10, 400)
    y = 20 + 0.3 * age + np.where(kind == "bus", 4, np.where(kind == "boat", 10, 0)) + 4 * random.standard_normal(400)
    return least_squares(pa.table({"kind": kind, "age": age, "cost": y}), "cost ~ C(kind) + age")


@healthy("months as levels: four years of sales")
def months(seed: int) -> Well:
    random = np.random.default_rng(seed)
    t = np.arange(48)
    y = 100 + 0.8 * t + 15 * np.sin(2 * np.pi * t / 12) + 10 * (t % 12 == 11) + 5 * random.standard_normal(48)
    table = pa.table({"month": [f"m{k % 12:02}" for k in t], "t": t, "sold": y})
    return least_squares(table, "sold ~ t + C(month)")


@healthy("pupils in thirty classes, rows of a class beside one another")
def pupils(seed: int) -> Well:
    random = np.random.default_rng(seed)
    group = np.repeat(np.arange(30), 20)
    hours = random.gamma(3, 1.5, 600)
    y = 50 + 2 * hours + 3 * random.standard_normal(30)[group] + 8 * random.standard_normal(600)
    return least_squares(pa.table({"hours": hours, "mark": y}), "mark ~ hours")


@healthy("one-hot columns made by hand beside a number, yes or no")
def one_hot(seed: int) -> Well:
    random = np.random.default_rng(seed)
    level = random.integers(5, size=700)
    x = np.column_stack([np.eye(5)[level][:, 1:], random.standard_normal(700)])
    y = (random.random(700) < probability(-0.5 + x @ [0.5, -0.5, 1.0, 0.0, 0.8])).astype(int)
    found = sm.Logit(y, sm.add_constant(x)).fit(disp=0)
    return Well(Given({"x": x, "y": y}, {"model": "logistic"}), near(found.params), 1e-5)


@healthy("a switch that is on in one row of forty")
def rare_switch(seed: int) -> Well:
    random = np.random.default_rng(seed)
    on, x = (random.random(800) < 0.025).astype(float), random.standard_normal((800, 2))
    y = 3 + x @ [1.0, -1.0] + 2 * on + random.standard_normal(800)
    return least_squares(named(x, "a", "b", on=on, y=y), "y ~ a + b + on")


# ---- series ------------------------------------------------------------------------------------------


@healthy("a trend of ten years by months, its noise correlated")
def trend(seed: int) -> Well:
    random = np.random.default_rng(seed)
    noise = np.zeros(120)
    for i in range(1, 120):
        noise[i] = 0.5 * noise[i - 1] + random.standard_normal()
    return least_squares(pa.table({"t": np.arange(120), "y": 20 + 0.1 * np.arange(120) + noise}), "y ~ t")


@healthy("hours of a fortnight by harmonics of the day, the last rows held out in mind")
def hours(seed: int) -> Well:
    random = np.random.default_rng(seed)
    t = np.arange(24 * 14)
    table = {
        name: f(2 * np.pi * k * t / 24) for k in (1, 2) for name, f in ((f"s{k}", np.sin), (f"c{k}", np.cos))
    }  # fmt: skip
    y = 30 + 8 * table["s1"] - 3 * table["c1"] + 2 * table["s2"] + 2 * random.standard_normal(len(t))
    return least_squares(pa.table({**table, "y": y}), "y ~ s1 + c1 + s2 + c2")


@healthy("returns of a share by those of the market, heavy tails, little to be known")
def returns(seed: int) -> Well:
    random = np.random.default_rng(seed)
    market = 0.01 * random.standard_t(5, 750)
    y = 0.0002 + 0.4 * market + 0.02 * random.standard_t(5, 750)
    return least_squares(pa.table({"market": market, "share": y}), "share ~ market")


@healthy("a series by its own three last values and a rule by minibatches, rows as they came")
def lagged(seed: int) -> Well:
    random = np.random.default_rng(seed)
    y = np.zeros(700)
    for i in range(3, 700):
        y[i] = 0.5 * y[i - 1] - 0.2 * y[i - 2] + 0.1 * y[i - 3] + random.standard_normal()
    x, goal = np.column_stack([y[102:-1], y[101:-2], y[100:-3]]), y[103:]
    best = LinearRegression().fit(x, goal)
    settings = {"optimizer": "adam", "lr": 0.01, "batch_size": 32, "schedule": "cosine", "epochs": 60}
    return Well(Given({"x": x, "y": goal}, settings), objective, float(np.mean((best.predict(x) - goal) ** 2)), 1.005)


# ---- classes -----------------------------------------------------------------------------------------


def rare(seed: int, n: int, share: float):
    random = np.random.default_rng(seed)
    x = random.standard_normal((n, 4))
    middle = np.log(share / (1 - share)) - 0.4
    return x, (random.random(n) < probability(middle + x @ [0.8, -0.6, 0.3, 0.0])).astype(int)


@healthy("one in fourteen, for the probabilities", true=("ST029",))
def one_in_fourteen(seed: int) -> Well:
    x, y = rare(seed, 1500, 0.07)
    found = sm.Logit(y, sm.add_constant(x)).fit(disp=0)
    return Well(Given({"x": x, "y": y}, {"model": "logistic"}), near(found.params), 1e-5)


@healthy("one in sixteen, weights of classes, minibatches of adam")
def one_in_sixteen(seed: int) -> Well:
    x, y = rare(seed, 1200, 0.06)
    fresh, goal = rare(seed + 100, 4000, 0.06)
    best = LogisticRegression(C=np.inf, class_weight="balanced").fit(x, y)
    settings = {"model": "logistic", "class_weight": "balanced", "optimizer": "adam", "lr": 0.02, "batch_size": 64}
    reference = float(-np.log(best.predict_proba(fresh)[np.arange(4000), goal]).mean())
    return Well(
        Given({"x": x, "y": y}, {**settings, "epochs": 60, "schedule": "cosine"}),
        log_loss(fresh, goal),
        reference,
        1.03,
    )


@healthy("yes or no, hardly better than a coin")
def coin(seed: int) -> Well:
    random = np.random.default_rng(seed)
    x = random.standard_normal((900, 5))
    y = (random.random(900) < probability(0.25 * x[:, 0] - 0.2 * x[:, 1])).astype(int)
    found = sm.Logit(y, sm.add_constant(x)).fit(disp=0)
    return Well(Given({"x": x, "y": y}, {"model": "logistic"}), near(found.params), 1e-5)


@healthy("five classes of unequal sizes by softmax with l2")
def unequal(seed: int) -> Well:
    def rows(seed: int, n: int):
        random = np.random.default_rng(seed)
        y = random.choice(5, n, p=[0.4, 0.25, 0.15, 0.12, 0.08])
        return 1.3 * np.random.default_rng(9).standard_normal((5, 4))[y] + random.standard_normal((n, 4)), y

    x, y = rows(seed, 800)
    fresh, goal = rows(seed + 100, 2000)
    best = LogisticRegression(C=1.0, max_iter=3000).fit(x, y)
    given = Given({"x": x, "y": y}, {"model": "softmax", "penalty": f"l2:{1 / 1600:.6g}"})
    reference = float(-np.log(best.predict_proba(fresh)[np.arange(2000), goal]).mean())
    return Well(given, log_loss(fresh, goal), reference, CLOSE)


@healthy("yes or no by SGD with momentum, a fifth held out for early stopping")
def stopped(seed: int) -> Well:
    x, y = rare(seed, 900, 0.35)
    fresh, goal = rare(seed + 100, 3000, 0.35)
    best = LogisticRegression(C=np.inf).fit(x, y)
    settings = {"model": "logistic", "optimizer": "momentum:0.9", "lr": 0.05, "batch_size": 32, "epochs": 200}
    settings |= {"validation": 0.2, "patience": 10, "schedule": "inverse"}
    reference = float(-np.log(best.predict_proba(fresh)[np.arange(3000), goal]).mean())
    return Well(Given({"x": x, "y": y}, settings), log_loss(fresh, goal), reference, 1.05)


@healthy("a rating in words of three grades by softmax")
def grades(seed: int) -> Well:
    random = np.random.default_rng(seed)
    x = random.standard_normal((600, 3))
    score = x @ [1.0, 0.5, -0.5] + random.logistic(size=600)
    words = np.array(["bad", "fair", "good"])[np.digitize(score, [-0.7, 0.9])]
    found = quietly(lambda: LogisticRegression(C=np.inf, tol=1e-9, max_iter=5000).fit(x, words))
    p = found.predict_proba(x)[np.arange(600), np.searchsorted(["bad", "fair", "good"], words)]
    given = Given({"x": named(x, "a", "b", "c", grade=words)}, {"target": "grade", "model": "softmax"})
    return Well(given, objective, float(-np.log(p).mean()), 1.0001)


# ---- counts and amounts ------------------------------------------------------------------------------


@healthy("claims by cars of an age and a region, out of years insured")
def claims(seed: int) -> Well:
    random = np.random.default_rng(seed)
    region, age = random.choice(["north", "south", "west"], 1500), random.integers(0, 20, 1500)
    years = random.uniform(0.1, 1.0, 1500)
    mean = years * np.exp(-1.8 + 0.03 * age + 0.3 * (region == "south"))
    table = pa.table({"region": region, "age": age, "years": years, "claims": random.poisson(mean)})
    found = smf.glm("claims ~ C(region) + age", table.to_pandas(), family=sm.families.Poisson(), exposure=years).fit()
    given = Given({"x": table}, {"formula": "claims ~ C(region) + age", "loss": "poisson", "exposure": "years"})
    return Well(given, near(found.params), 1e-5)


@healthy("many small counts, two thirds of them 0")
def zeros(seed: int) -> Well:
    random = np.random.default_rng(seed)
    x = random.standard_normal((900, 3))
    y = random.poisson(np.exp(-1.0 + x @ [0.4, -0.2, 0.0])).astype(float)
    found = sm.GLM(y, sm.add_constant(x), family=sm.families.Poisson()).fit()
    return Well(Given({"x": x, "y": y}, {"loss": "poisson"}), near(found.params), 1e-5)


@healthy("counts by minibatches of adam")
def counts_by_adam(seed: int) -> Well:
    random = np.random.default_rng(seed)
    x = random.standard_normal((700, 3))
    mean = np.exp(1.0 + x @ [0.4, -0.3, 0.1])
    y = random.poisson(mean).astype(float)
    found = sm.GLM(y, sm.add_constant(x), family=sm.families.Poisson()).fit()
    settings = {
        "loss": "poisson",
        "optimizer": "adam",
        "lr": 0.02,
        "batch_size": 64,
        "schedule": "cosine",
        "epochs": 80,
    }
    return Well(Given({"x": x, "y": y}, settings), near(found.params), 0.02)


@healthy("costs by the gamma likelihood, with a level")
def costs(seed: int) -> Well:
    random = np.random.default_rng(seed)
    kind, age = random.choice(["a", "b", "c"], 600), random.uniform(20, 80, 600)
    mean = np.exp(3 + 0.02 * age + 0.5 * (kind == "b"))
    table = pa.table({"kind": kind, "age": age, "cost": random.gamma(1.5, mean / 1.5)})
    found = smf.glm("cost ~ C(kind) + age", table.to_pandas(), family=sm.families.Gamma(sm.families.links.Log())).fit()
    given = Given({"x": table}, {"formula": "cost ~ C(kind) + age", "loss": "gamma"})
    return Well(given, near(found.params), 1e-4)


@healthy("three in four by the quartiles of waiting times")
def waiting(seed: int) -> Well:
    random = np.random.default_rng(seed)
    x = random.uniform(0, 3, (500, 2))
    y = 2 + x @ [1.0, 0.3] + random.exponential(1.5, 500)
    best = QuantileRegressor(quantile=0.75, alpha=0.0).fit(x, y)
    off = y - best.predict(x)
    reference = float(np.mean(np.maximum(0.75 * off, -0.25 * off)))
    return Well(Given({"x": x, "y": y}, {"loss": "quantile:0.75"}), objective, reference, 1.0001)


# ---- targets of many kinds ---------------------------------------------------------------------------


@healthy("a target that hardly varies: lengths of 250 to a tenth")
def lengths(seed: int) -> Well:
    random = np.random.default_rng(seed)
    warm, speed = random.normal(20, 2, 200), random.normal(300, 20, 200)
    y = 250 + 0.02 * (warm - 20) - 0.001 * (speed - 300) + 0.03 * random.standard_normal(200)
    return least_squares(pa.table({"warm": warm, "speed": speed, "length": y}), "length ~ warm + speed")


@healthy("shares in per cent between 20 and 80")
def per_cent(seed: int) -> Well:
    random = np.random.default_rng(seed)
    x = random.standard_normal((300, 3))
    y = np.clip(50 + x @ [6.0, -4.0, 2.0] + 5 * random.standard_normal(300), 0, 100).round(1)
    return least_squares(named(x, "a", "b", "c", share=y), "share ~ a + b + c")


@healthy("marks from 1 to 10 by hours and sleep")
def marks(seed: int) -> Well:
    random = np.random.default_rng(seed)
    hours, sleep = random.gamma(4, 1.5, 250), random.normal(7, 1, 250)
    y = np.clip(np.rint(1 + 0.5 * hours + 0.3 * sleep + 1.2 * random.standard_normal(250)), 1, 10)
    return least_squares(pa.table({"hours": hours, "sleep": sleep, "mark": y}), "mark ~ hours + sleep")


@healthy("R² of 0.05 by minibatches, a fifth held out")
def noisy(seed: int) -> Well:
    random = np.random.default_rng(seed)
    x = random.standard_normal((1000, 4))
    y = 10 + x @ [0.8, 0.4, 0.0, 0.0] + 4 * random.standard_normal(1000)
    fresh = random.standard_normal((2000, 4))
    goal = 10 + fresh @ [0.8, 0.4, 0.0, 0.0]
    settings = {
        "optimizer": "sgd",
        "lr": 0.02,
        "batch_size": 32,
        "schedule": "cosine",
        "epochs": 60,
        "test_fraction": 0.2,
    }
    return Well(Given({"x": x, "y": y}, settings), squared(fresh, goal), 0.2, 1.0)


@healthy("nothing to be found: a target that knows nothing of its columns", true=("ST041",))
def nothing(seed: int) -> Well:
    random = np.random.default_rng(seed)
    x = random.standard_normal((300, 3))
    return least_squares(named(x, "a", "b", "c", y=5 + random.standard_normal(300)), "y ~ a + b + c")


@healthy("weights in kilograms by heights in millimetres, ages and sexes")
def heights(seed: int) -> Well:
    random = np.random.default_rng(seed)
    man = random.random(350) < 0.5
    height = np.where(man, 1780, 1660) + 70 * random.standard_normal(350)
    age = random.integers(18, 80, 350)
    y = -70 + 0.082 * height + 0.08 * age + 3 * man + 8 * random.standard_normal(350)
    table = pa.table({"height": height.round(), "age": age, "sex": np.where(man, "m", "f"), "weight": y.round(1)})
    return least_squares(table, "weight ~ height + age + C(sex)")


@healthy("a cubic by its powers, gradient descent in an orthonormal basis")
def cubic(seed: int) -> Well:
    random = np.random.default_rng(seed)
    x = random.uniform(-2, 2, 150)
    y = 1 - x + 0.5 * x**3 + 0.7 * random.standard_normal(150)
    found = np.polynomial.Polynomial.fit(x, y, 3)
    settings = {"model": "poly:3", "optimizer": "sgd", "precondition": "orthonormal"}
    return Well(Given({"x": x, "y": y}, settings), objective, float(np.mean((found(x) - y) ** 2)), 1.0001)


@healthy("ridge on forty columns of one hundred rows by adam")
def ridge_by_adam(seed: int) -> Well:
    x, y = of_many(seed, 100, 40)
    best = Ridge(20.0).fit(x, y)
    value = float(np.mean((best.predict(x) - y) ** 2) + 0.2 * np.sum(best.coef_**2))
    settings = {"penalty": "l2:0.2", "optimizer": "adam", "lr": 0.02, "epochs": 1500}
    return Well(Given({"x": x, "y": y}, settings), objective, value, 1.001)


@healthy("absolute errors of noise that is skewed a little")
def skewed(seed: int) -> Well:
    random = np.random.default_rng(seed)
    x = random.standard_normal((400, 3))
    y = 2 + x @ [1.0, -1.0, 0.5] + random.gamma(4, 0.5, 400)
    best = QuantileRegressor(alpha=0.0).fit(x, y)
    return Well(
        Given({"x": x, "y": y}, {"loss": "l1"}), absolute(x, y), float(np.mean(np.abs(best.predict(x) - y))), 1.001
    )
