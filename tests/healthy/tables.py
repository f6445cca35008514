"""Tables: those of scikit-learn and statsmodels, and others with text, dates, weights, missing values and rows much alike."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import statsmodels.api as sm
from sklearn import datasets
from sklearn.linear_model import LinearRegression, LogisticRegression

from healthy.case import Given, Well, healthy
from healthy.sources import design, log_loss, named, objective, parted, squared, wrong

ONCE = (1,)


def as_table(name: str) -> pa.Table:
    """A bundled table of statsmodels."""
    return pa.Table.from_pandas(getattr(sm.datasets, name).load_pandas().data, preserve_index=False)


def by_formula(table: pa.Table, formula: str, settings: dict, reference: float, within: float = 1.0001) -> Well:
    return Well(Given({"x": table}, {"formula": formula, **settings}), objective, reference, within)


def least_squares(table: pa.Table, formula: str, settings: dict | None = None) -> Well:
    """A formula by least squares, held against statsmodels."""
    import statsmodels.formula.api as smf

    found = smf.ols(formula, table.to_pandas()).fit()
    return by_formula(table, formula, settings or {}, float(np.mean(found.resid**2)))


# ---- tables of statsmodels ---------------------------------------------------------------------------


@healthy("food and income of Belgian households, the median", seeds=ONCE)
def engel_median(seed: int) -> Well:
    table = as_table("engel")
    frame = table.to_pandas()
    found = sm.QuantReg(frame["foodexp"], sm.add_constant(frame["income"])).fit(q=0.5, p_tol=1e-10)
    reference = float(np.mean(np.abs(found.resid)))
    return by_formula(table, "foodexp ~ income", {"loss": "quantile:0.5"}, reference / 2)


@healthy("stack losses by Huber's loss", seeds=ONCE)
def stackloss(seed: int) -> Well:
    frame = as_table("stackloss").to_pandas()
    x, y = frame.drop(columns="STACKLOSS").to_numpy(float), frame["STACKLOSS"].to_numpy(float)
    found = sm.RLM(y, sm.add_constant(x), M=sm.robust.norms.HuberT()).fit()
    given = Given({"x": as_table("stackloss")}, {"target": "STACKLOSS", "loss": "huber:3.3"})
    far = lambda fit: float(np.mean(np.abs(np.asarray(fit.predict(x)) - found.fittedvalues)))  # noqa: E731
    return Well(given, far, 0.7)


@healthy("growth of consumption and income of the United States", seeds=ONCE)
def growth(seed: int) -> Well:
    frame = sm.datasets.macrodata.load_pandas().data
    change = {name: np.diff(np.log(frame[name])) * 100 for name in ("realcons", "realdpi", "realinv", "realgovt")}
    return least_squares(pa.table(change), "realcons ~ realdpi + realinv + realgovt")


@healthy("success in a course, with l2", seeds=ONCE)
def spector(seed: int) -> Well:
    frame = as_table("spector").to_pandas()
    x, y = frame.drop(columns="GRADE").to_numpy(float), frame["GRADE"].to_numpy().astype(int)
    found = sm.Logit(y, sm.add_constant(x)).fit(disp=0)
    given = Given({"x": as_table("spector")}, {"target": "GRADE", "model": "logistic"})
    return Well(given, objective, float(-found.llf / len(y)), 1.0001)


@healthy("counties of California: passes out of pupils", true=("ST049",), seeds=ONCE)
def star98(seed: int) -> Well:
    frame = sm.datasets.star98.load_pandas().data
    few = ["LOWINC", "PERASIAN", "PERBLACK", "PERHISP", "AVYRSEXP"]
    of = (frame["NABOVE"] + frame["NBELOW"]).to_numpy()
    table = pa.table({**{name: frame[name].to_numpy() for name in few}, "of": of, "above": frame["NABOVE"].to_numpy()})
    found = sm.GLM(
        frame[["NABOVE", "NBELOW"]], sm.add_constant(frame[few].to_numpy()), family=sm.families.Binomial()
    ).fit()
    given = Given({"x": table}, {"target": "above", "loss": "binomial", "trials": "of"})
    return Well(given, lambda fit: float(np.abs(fit.theta - found.params.to_numpy()).max()), 1e-4)


@healthy("votes in Scotland by the gamma likelihood", seeds=ONCE)
def scotland(seed: int) -> Well:
    frame = as_table("scotland").to_pandas()
    x = frame.drop(columns="YES").to_numpy(float)
    found = sm.GLM(frame["YES"], sm.add_constant(x), family=sm.families.Gamma(sm.families.links.Log())).fit()
    given = Given({"x": as_table("scotland")}, {"target": "YES", "loss": "gamma"})
    mean = lambda fit: float(np.abs(np.asarray(fit.predict(x)) - found.mu).max())  # noqa: E731
    return Well(given, mean, 1e-3)


@healthy("who voted for whom in 1996", seeds=ONCE)
def anes(seed: int) -> Well:
    frame = as_table("anes96").to_pandas()[["selfLR", "PID", "age", "educ", "income", "vote"]]
    x, y = frame.drop(columns="vote").to_numpy(float), frame["vote"].to_numpy().astype(int)
    found = sm.Logit(y, sm.add_constant(x)).fit(disp=0)
    table = pa.Table.from_pandas(frame.assign(vote=np.array(["Clinton", "Dole"])[y]), preserve_index=False)
    return Well(Given({"x": table}, {"target": "vote"}), objective, float(-found.llf / len(y)), 1.0001)


@healthy("wives and affairs, a class by five columns, a fifth held out", seeds=(1, 2))
def affairs(seed: int) -> Well:
    frame = as_table("fair").to_pandas()
    x = frame[["rate_marriage", "age", "yrs_married", "children", "religious"]].to_numpy(float)
    y = (frame["affairs"] > 0).to_numpy().astype(int)
    found = sm.Logit(y, sm.add_constant(x)).fit(disp=0)
    words = np.array(["faithful", "not"])[y]
    table = named(x, "marriage", "age", "married", "children", "religious", affair=words)
    given = Given({"x": table}, {"target": "affair", "test_fraction": 0.2, "seed": seed})
    return Well(given, log_loss(x, y), float(-found.llf / len(y)), 1.01)


@healthy("murders of the states, by rates of poverty and of single parents", seeds=ONCE)
def states(seed: int) -> Well:
    frame = as_table("statecrime").to_pandas().iloc[:-1]
    return least_squares(pa.Table.from_pandas(frame, preserve_index=False), "murder ~ poverty + single + urban")


@healthy("visits to doctors, of negative binomial spread", true=("ST049",), seeds=ONCE)
def randhie(seed: int) -> Well:
    table = as_table("randhie").select(["mdvis", "lncoins", "idp", "physlm", "disea"])
    frame = table.to_pandas()
    x = sm.add_constant(frame.drop(columns="mdvis"))
    found = sm.GLM(frame["mdvis"], x, family=sm.families.Poisson()).fit()
    given = Given({"x": table}, {"target": "mdvis", "loss": "poisson"})
    return Well(given, lambda fit: float(np.abs(fit.theta - found.params.to_numpy()).max()), 1e-4)


# ---- tables of scikit-learn --------------------------------------------------------------------------


@healthy("diabetes, held out")
def diabetes(seed: int) -> Well:
    data = datasets.load_diabetes()
    best = LinearRegression().fit(data.data, data.target)
    reference = float(np.mean((best.predict(data.data) - data.target) ** 2))
    given = Given({"x": data.data, "y": data.target}, {"test_fraction": 0.25, "seed": seed})
    return Well(given, squared(data.data, data.target), reference, 1.05)


@healthy("cells of breasts, with l2")
def cells(seed: int) -> Well:
    x, y = datasets.load_breast_cancer(return_X_y=True)
    z = (x - x.mean(0)) / x.std(0)
    own, fresh, codes, goal = parted(z, y, seed)
    best = LogisticRegression(C=1 / (2 * 0.005 * len(own))).fit(own, codes)
    given = Given(
        {"x": own, "y": codes}, {"model": "logistic", "penalty": "l2:0.005", "test_fraction": 0.2, "seed": seed}
    )
    return Well(given, wrong(fresh, goal), 0.02 + float(np.mean(best.predict(fresh) != goal)), 1.2)


@healthy("irises with l2")
def irises(seed: int) -> Well:
    x, y = datasets.load_iris(return_X_y=True)
    words = np.array(["setosa", "versicolor", "virginica"])[y]
    best = LogisticRegression(C=1 / (2 * 0.01 * 150), max_iter=1000).fit(x, words)
    given = Given({"x": x, "y": words}, {"penalty": "l2:0.01", "test_fraction": 0.2, "seed": seed})
    return Well(given, wrong(x, words), 0.01 + float(np.mean(best.predict(x) != words)), 1.5)


@healthy("wines by the table, with l2")
def wines(seed: int) -> Well:
    x, y = datasets.load_wine(return_X_y=True)
    words = np.array(["barolo", "grignolino", "barbera"])[y]
    given = Given({"x": x, "y": words}, {"penalty": "l2:0.001", "test_fraction": 0.25, "seed": seed})
    return Well(given, wrong(x, words), 0.05)


@healthy("three measures of fitness by three exercises", seeds=ONCE)
def fitness(seed: int) -> Well:
    x, y = datasets.load_linnerud(return_X_y=True)
    z = (y - y.mean(0)) / y.std(0)
    best = LinearRegression().fit(x, z)
    return Well(Given({"x": x, "y": z}), objective, float(np.mean((best.predict(x) - z) ** 2)), 1.0001)


# ---- columns that are not plain numbers --------------------------------------------------------------


def houses(seed: int, n: int = 600):
    """Prices by area, age, district and whether there is a garden."""
    random = np.random.default_rng(seed)
    district = random.integers(6, size=n)
    worth = np.array([0.0, 30.0, -20.0, 15.0, 50.0, -35.0])[district]
    area, age = random.gamma(8, 12, n).round(1), random.integers(0, 90, n)
    garden = random.random(n) < 0.4
    price = 60 + 2.2 * area - 0.5 * age + worth + 12 * garden + 20 * random.standard_normal(n)
    names = np.array(["north", "south", "east", "west", "centre", "harbour"])[district]
    return pa.table({
        "area": area, "age": age, "district": names, "garden": np.where(garden, "yes", "no"), "price": price,
    })  # fmt: skip


@healthy("houses by area, age, district and garden")
def houses_by_all(seed: int) -> Well:
    return least_squares(houses(seed), "price ~ area + age + C(district) + C(garden)")


@healthy("houses by the whole table, a fifth held out")
def houses_held_out(seed: int) -> Well:
    table, fresh = houses(seed), houses(seed + 100, 3000)
    given = Given({"x": table}, {"target": "price", "test_fraction": 0.2})
    return Well(given, squared(fresh.drop_columns(["price"]), fresh["price"].to_numpy()), 400.0, 1.15)


@healthy("questionnaires: all columns of five levels, and rows that are alike, held out")
def questionnaires(seed: int) -> Well:
    random = np.random.default_rng(seed)
    x = random.integers(1, 6, (800, 3))
    y = np.rint(4 + x @ [0.8, -0.5, 0.3] + random.standard_normal(800))
    best = LinearRegression().fit(x, y)
    table = named(x, "service", "price", "place", satisfaction=y)
    given = Given({"x": table}, {"target": "satisfaction", "test_fraction": 0.25})
    return Well(
        given, squared(table.drop_columns(["satisfaction"]), y), float(np.mean((best.predict(x) - y) ** 2)), 1.03
    )


@healthy("a class by four yes-or-no questions, held out")
def yes_no_questions(seed: int) -> Well:
    random = np.random.default_rng(seed)
    x = (random.random((700, 4)) < [0.5, 0.3, 0.6, 0.2]).astype(int)
    y = (random.random(700) < 1 / (1 + np.exp(0.5 - x @ [1.5, -1.0, 0.7, 0.0]))).astype(int)
    words = np.array(["stays", "leaves"])[y]
    best = LogisticRegression(C=np.inf).fit(x, y)
    reference = float(-np.log(best.predict_proba(x)[np.arange(700), y]).mean())
    table = named(x, "young", "urban", "insured", "complained", client=words)
    given = Given({"x": table}, {"target": "client", "test_fraction": 0.2})
    # classes are in the order of the alphabet: leaves, stays
    return Well(given, log_loss(table.drop_columns(["client"]), 1 - y), reference, 1.03)


@healthy("a year of days, warmth by season and trend")
def days(seed: int) -> Well:
    random = np.random.default_rng(seed)
    t = np.arange(730)
    season = 2 * np.pi * t / 365.25
    noise = np.zeros(730)
    for i in range(1, 730):
        noise[i] = 0.6 * noise[i - 1] + 1.2 * random.standard_normal()
    y = 9 + 8 * np.sin(season) - 3 * np.cos(season) + 0.002 * t + noise
    table = pa.table({"sin": np.sin(season), "cos": np.cos(season), "day": t, "warmth": y})
    return least_squares(table, "warmth ~ sin + cos + day")


@healthy("sales by the sales of the day before and by advertisements")
def autoregressive(seed: int) -> Well:
    random = np.random.default_rng(seed)
    spent = random.gamma(3, 2, 400)
    sold = np.zeros(400)
    for i in range(1, 400):
        sold[i] = 10 + 0.7 * sold[i - 1] + 1.5 * spent[i] + 3 * random.standard_normal()
    table = pa.table({"before": sold[50:-1], "spent": spent[51:], "sold": sold[51:]})
    return least_squares(table, "sold ~ before + spent")


@healthy("a sensor against its standard")
def calibration(seed: int) -> Well:
    random = np.random.default_rng(seed)
    truth = random.uniform(0, 100, 200)
    table = pa.table({
        "volts": 0.2 + 0.031 * truth + 0.012 * random.standard_normal(200), "warmth": 20 + 3 * random.standard_normal(200),
        "pressure": truth,
    })  # fmt: skip
    return least_squares(table, "pressure ~ volts + warmth")


@healthy("a law of physics in logarithms")
def power_law(seed: int) -> Well:
    random = np.random.default_rng(seed)
    length, mass = np.exp(random.normal(0, 0.8, 150)), np.exp(random.normal(1, 0.5, 150))
    period = 2 * np.pi * np.sqrt(length / 9.81) * mass**0.02 * np.exp(0.02 * random.standard_normal(150))
    return least_squares(pa.table({"x": np.log(length), "m": np.log(mass), "t": np.log(period)}), "t ~ x + m")


@healthy("a line without any noise")
def noiseless(seed: int) -> Well:
    x, slopes = design(seed, 120, 3)
    given = Given({"x": x, "y": 3 + x @ slopes})
    return Well(given, lambda fit: float(np.abs(fit.theta[1:] - slopes).max()), 1e-9)


@healthy("amounts whose logarithm is fitted")
def log_amounts(seed: int) -> Well:
    x, slopes = design(seed, 400, 3)
    random = np.random.default_rng(seed)
    y = np.exp(1 + (x - x.mean(0)) @ slopes * 0.5 + 0.4 * random.standard_normal(400))
    best = LinearRegression().fit(x, np.log(y))
    table = named(x, "a", "b", "c", amount=y)
    given = Given({"x": table}, {"target": "log(amount)"})
    return Well(given, objective, float(np.mean((best.predict(x) - np.log(y)) ** 2)), 1.0001)


@healthy("skewed columns with many zeros, and a target that is linear in them")
def skewed_columns(seed: int) -> Well:
    random = np.random.default_rng(seed)
    n = 500
    income = np.exp(random.normal(10, 0.7, n))
    children, debts = random.poisson(1.2, n), np.where(random.random(n) < 0.6, 0, random.gamma(2, 3000, n))
    y = 400 + 0.01 * income + 60 * children - 0.02 * debts + 90 * random.standard_normal(n)
    return least_squares(
        pa.table({"income": income, "children": children, "debts": debts, "spent": y}),
        "spent ~ income + children + debts",
    )


@healthy("ages cut off at ninety")
def cut_off(seed: int) -> Well:
    random = np.random.default_rng(seed)
    age = np.minimum(random.normal(62, 18, 500).round(), 90)
    y = 100 + 0.5 * age + 8 * random.standard_normal(500)
    return least_squares(
        pa.table({"age": age, "weight": random.normal(75, 12, 500), "pressure": y}), "pressure ~ age + weight"
    )


@healthy("a parabola by its powers")
def parabola(seed: int) -> Well:
    random = np.random.default_rng(seed)
    x = random.uniform(-3, 3, 150)
    y = 1 + x - 0.7 * x**2 + 0.6 * random.standard_normal(150)
    found = np.polynomial.Polynomial.fit(x, y, 2)
    return Well(Given({"x": x, "y": y}, {"model": "poly:2"}), objective, float(np.mean((found(x) - y) ** 2)), 1.0001)


@healthy("an interaction that the formula names")
def interaction(seed: int) -> Well:
    random = np.random.default_rng(seed)
    dose, old = random.uniform(0, 4, 300), random.random(300) < 0.5
    y = 2 + dose + 1.0 * old - 0.8 * dose * old + 0.5 * random.standard_normal(300)
    table = pa.table({"dose": dose, "group": np.where(old, "old", "young"), "effect": y})
    return least_squares(table, "effect ~ dose * C(group)")


@healthy("rows with weights, by the number that each stands for")
def weighted(seed: int) -> Well:
    x, slopes = design(seed, 200, 2)
    random = np.random.default_rng(seed)
    w = random.integers(1, 60, 200).astype(float)
    y = 1 + x @ slopes + 2 * random.standard_normal(200) / np.sqrt(w)
    found = sm.WLS(y, sm.add_constant(x), w).fit()
    table = named(x, "a", "b", of=w, y=y)
    given = Given({"x": table}, {"target": "y", "weights": "of"})
    return Well(given, lambda fit: float(np.abs(fit.theta - found.params).max()), 1e-8)


@healthy("values missing here and there, replaced by means")
def missing(seed: int) -> Well:
    x, slopes = design(seed, 400, 4, 0.0)
    random = np.random.default_rng(seed)
    y = 1 + x @ slopes + 0.5 * random.standard_normal(400)
    holes = np.where(random.random(x.shape) < 0.04, np.nan, x)
    filled = np.where(np.isnan(holes), np.nanmean(holes, 0), holes)
    best = LinearRegression().fit(filled, y)
    given = Given({"x": named(holes, "a", "b", "c", "d", y=y)}, {"target": "y", "missing": "mean"})
    return Well(given, objective, float(np.mean((best.predict(filled) - y) ** 2)), 1.0001)


@healthy("noise that is Student's, with five degrees of freedom")
def student(seed: int) -> Well:
    x, slopes = design(seed, 400, 3)
    table = named(x, "a", "b", "c", y=x @ slopes + np.random.default_rng(seed).standard_t(5, 400))
    return least_squares(table, "y ~ a + b + c")


@healthy("noise that little is known through: R² of a twentieth")
def weak(seed: int) -> Well:
    x, _ = design(seed, 600, 3)
    z = (x - x.mean(0)) / x.std(0)
    y = z @ [1.0, 0.5, 0.0] + 5 * np.random.default_rng(seed).standard_normal(600)
    return least_squares(named(x, "a", "b", "c", y=y), "y ~ a + b + c")


@healthy("stars from one to five, by least squares")
def stars(seed: int) -> Well:
    random = np.random.default_rng(seed)
    x = random.standard_normal((500, 3))
    y = np.clip(np.rint(3.2 + x @ [0.7, 0.4, -0.2] + 0.8 * random.standard_normal(500)), 1, 5)
    return least_squares(named(x, "plot", "acting", "length", stars=y), "stars ~ plot + acting + length")


@healthy("two hundred expected counts, by least squares")
def large_counts(seed: int) -> Well:
    random = np.random.default_rng(seed)
    x = random.standard_normal((300, 2))
    y = random.poisson(200 + x @ [8.0, -5.0])
    return least_squares(named(x, "a", "b", calls=y), "calls ~ a + b")


@healthy("ids that say nothing beside columns that do")
def ids(seed: int) -> Well:
    x, slopes = design(seed, 300, 3)
    y = 2 + x @ slopes + 0.7 * np.random.default_rng(seed).standard_normal(300)
    return least_squares(named(x, "a", "b", "c", id=np.arange(1, 301), y=y), "y ~ a + b + c + id")
