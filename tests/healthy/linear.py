"""The linear family: each loss, penalty, rule and schedule, on rows of a law that suits it."""

from __future__ import annotations

import numpy as np
import statsmodels.api as sm
from sklearn.linear_model import (
    ElasticNet,
    HuberRegressor,
    Lasso,
    LinearRegression,
    LogisticRegression,
    PoissonRegressor,
    QuantileRegressor,
    Ridge,
)
from sklearn.svm import LinearSVC

from healthy.case import Given, Well, healthy
from healthy.sources import absolute, blobs, design, log_loss, objective, quietly, squared


def of_line(seed: int, n: int = 300, p: int = 4, noise: float = 0.8):
    """Rows of a plane, and fresh ones without noise."""
    x, slopes = design(seed, n + 1000, p)
    y = 2 + x @ slopes
    random = np.random.default_rng(seed + 50)
    return x[:n], y[:n] + noise * random.standard_normal(n), x[n:], y[n:]


def of_squares(seed: int, settings: dict, n: int = 300, p: int = 4, within: float = 1.001) -> Well:
    """A fit of squares held against scikit-learn's objective."""
    x, y, _, _ = of_line(seed, n, p)
    best = LinearRegression().fit(x, y)
    return Well(Given({"x": x, "y": y}, settings), objective, float(np.mean((best.predict(x) - y) ** 2)), within)


@healthy("least squares as it comes")
def squares(seed: int) -> Well:
    return of_squares(seed, {})


@healthy("least squares with a fifth held out")
def squares_held_out(seed: int) -> Well:
    x, y, fresh, goal = of_line(seed)
    best = LinearRegression().fit(x, y)
    return Well(
        Given({"x": x, "y": y}, {"test_fraction": 0.2}), squared(fresh, goal),
        0.05 + float(np.mean((best.predict(fresh) - goal) ** 2)), 1.5,
    )  # fmt: skip


@healthy("a dozen rows")
def dozen(seed: int) -> Well:
    return of_squares(seed, {}, n=14, p=1)


@healthy("thirty columns")
def thirty_columns(seed: int) -> Well:
    return of_squares(seed, {}, n=400, p=30)


RULES = {
    "gradient descent in standardised columns": {"optimizer": "sgd", "precondition": "standardize"},
    "momentum": {"optimizer": "momentum:0.9", "lr": 0.02, "precondition": "standardize", "epochs": 400},
    "Nesterov, stopped by tol": {"optimizer": "nesterov:0.9", "lr": 0.02, "precondition": "standardize", "tol": 1e-12},
    "adam": {"optimizer": "adam", "lr": 0.05, "epochs": 3000, "precondition": "standardize"},
    "minibatches with a cosine": {
        "optimizer": "sgd", "lr": 0.05, "batch_size": 32, "schedule": "cosine", "epochs": 60, "precondition": "standardize",
    },
    "minibatches at a small constant rate": {
        "optimizer": "sgd", "lr": 0.003, "batch_size": 32, "epochs": 300, "precondition": "standardize",
    },
    "minibatches of adam with a cosine": {
        "optimizer": "adam", "lr": 0.05, "batch_size": 32, "schedule": "cosine", "epochs": 150,
        "precondition": "standardize",
    },
    "the mean of the last half": {
        "optimizer": "sgd", "lr": 0.03, "batch_size": 16, "averaging": "tail:0.5", "epochs": 80,
        "precondition": "standardize",
    },
    "saga": {"optimizer": "saga", "batch_size": 10, "epochs": 60, "lr": 0.02, "precondition": "standardize"},
    "svrg": {"optimizer": "svrg", "batch_size": 10, "epochs": 60, "lr": 0.02, "precondition": "standardize"},
    "adamw with a small decay": {
        "optimizer": "adamw:0.9,0.999,1e-4", "lr": 0.05, "epochs": 2000, "precondition": "standardize",
    },
    "one cycle": {
        "optimizer": "momentum:0.9", "lr": 0.02, "schedule": "onecycle", "batch_size": 32, "epochs": 60,
        "precondition": "standardize",
    },
    "schedule-free": {
        "optimizer": "schedule_free_sgd", "lr": 0.2, "batch_size": 32, "epochs": 200, "precondition": "standardize",
    },
    "a rate that halves now and then": {
        "optimizer": "sgd", "lr": 0.1, "schedule": "step:40,0.5", "batch_size": 32, "epochs": 240,
        "precondition": "standardize",
    },
    "a plateau schedule": {
        "optimizer": "sgd", "lr": 0.1, "schedule": "plateau:0.5,5", "batch_size": 32, "epochs": 150,
        "precondition": "standardize",
    },
    "clipped at a length that is seldom reached": {
        "optimizer": "sgd", "lr": 0.1, "clip": 3.0, "epochs": 500, "precondition": "standardize",
    },
}  # fmt: skip


def _rule(name: str, settings: dict) -> object:
    return healthy(name)(lambda seed: of_squares(seed, settings, within=1.01))


for _name, _settings in RULES.items():
    globals()[f"rule_{_name.replace(' ', '_')}"] = _rule(_name, _settings)


# ---- other losses of numbers -------------------------------------------------------------------------


@healthy("absolute errors of Laplace noise")
def laplace(seed: int) -> Well:
    x, slopes = design(seed, 1500, 4)
    y = 2 + x[:500] @ slopes + np.random.default_rng(seed).laplace(0, 0.7, 500)
    best = QuantileRegressor(alpha=0.0).fit(x[:500], y)
    reference = float(np.mean(np.abs(best.predict(x[:500]) - y)))
    return Well(Given({"x": x[:500], "y": y}, {"loss": "l1"}), objective, reference, 1.0001)


def far(seed: int, share: float, n: int = 400, by: float = 12.0):
    """Rows of a plane of which a share is moved up."""
    x, y, fresh, goal = of_line(seed, n)
    random = np.random.default_rng(seed + 9)
    return x, y + (random.random(n) < share) * (by + 3 * random.standard_normal(n)), fresh, goal


@healthy("Huber's loss with one row in twenty far out")
def huber(seed: int) -> Well:
    x, y, fresh, goal = far(seed, 0.05)
    best = HuberRegressor(alpha=0.0, max_iter=1000).fit(x, y)
    given = Given({"x": x, "y": y}, {"loss": "huber:1.0"})
    return Well(given, squared(fresh, goal), 0.02 + float(np.mean((best.predict(fresh) - goal) ** 2)), 1.5)


@healthy("Huber's loss with one row in five far out")
def huber_of_many(seed: int) -> Well:
    x, y, fresh, goal = far(seed, 0.2)
    best = HuberRegressor(alpha=0.0, max_iter=1000).fit(x, y)
    given = Given({"x": x, "y": y}, {"loss": "huber:0.8"})
    return Well(given, squared(fresh, goal), 0.02 + float(np.mean((best.predict(fresh) - goal) ** 2)), 1.5)


@healthy("Tukey's loss with one row in five far out")
def tukey_of_many(seed: int) -> Well:
    x, y, fresh, goal = far(seed, 0.2)
    found = sm.RLM(y, sm.add_constant(x), M=sm.robust.norms.TukeyBiweight()).fit()
    given = Given({"x": x, "y": y}, {"loss": "tukey:4.0"})
    reference = 0.02 + float(np.mean((found.predict(sm.add_constant(fresh)) - goal) ** 2))
    return Well(given, squared(fresh, goal), reference, 1.5)


@healthy("Cauchy's loss with one row in ten far out, in both directions")
def cauchy(seed: int) -> Well:
    x, y, fresh, goal = of_line(seed, 400)
    random = np.random.default_rng(seed + 9)
    y = y + (random.random(400) < 0.1) * 40 * random.standard_normal(400)
    found = sm.RLM(y, sm.add_constant(x), M=sm.robust.norms.TukeyBiweight()).fit()
    given = Given({"x": x, "y": y}, {"loss": "cauchy:1.0"})
    reference = 0.02 + float(np.mean((found.predict(sm.add_constant(fresh)) - goal) ** 2))
    return Well(given, squared(fresh, goal), reference, 1.5)


@healthy("the upper tenth, where the spread grows")
def upper_tenth(seed: int) -> Well:
    random = np.random.default_rng(seed)
    x = random.uniform(0, 5, (600, 2))
    y = 1 + x @ [1.0, 0.5] + (0.3 + 0.4 * x[:, 0]) * random.standard_normal(600)
    best = QuantileRegressor(quantile=0.9, alpha=0.0).fit(x, y)
    off = y - best.predict(x)
    reference = float(np.mean(np.maximum(0.9 * off, -0.1 * off)))
    return Well(Given({"x": x, "y": y}, {"loss": "quantile:0.9"}), objective, reference, 1.0001)


@healthy("expectiles, log-cosh and an insensitive zone", seeds=range(1, 10))
def other_losses(seed: int) -> Well:
    x, y, fresh, goal = of_line(seed)
    loss = ("expectile:0.5", "logcosh", "epsilon_insensitive:0.2")[seed % 3]
    best = LinearRegression().fit(x, y)
    given = Given({"x": x, "y": y}, {"loss": loss})
    return Well(given, squared(fresh, goal), 0.02 + float(np.mean((best.predict(fresh) - goal) ** 2)), 1.5)


# ---- counts and amounts ------------------------------------------------------------------------------


def rates(seed: int, n: int = 500):
    x, _ = design(seed, n, 3)
    z = (x - x.mean(0)) / x.std(0)
    return x, np.exp(0.8 + z @ [0.5, -0.3, 0.2])


@healthy("counts by Poisson's likelihood")
def counts(seed: int) -> Well:
    x, mean = rates(seed)
    y = np.random.default_rng(seed).poisson(mean).astype(float)
    best = PoissonRegressor(alpha=0.0, max_iter=1000, tol=1e-10).fit(x, y)
    score = absolute(x, mean)
    return Well(
        Given({"x": x, "y": y}, {"loss": "poisson"}), score, float(np.mean(np.abs(best.predict(x) - mean))), 1.001
    )


@healthy("counts out of an exposure")
def exposed(seed: int) -> Well:
    x, mean = rates(seed)
    random = np.random.default_rng(seed)
    years = random.uniform(0.5, 8.0, len(x))
    y = random.poisson(mean * years).astype(float)
    found = sm.GLM(y, sm.add_constant(x), family=sm.families.Poisson(), exposure=years).fit()
    table = {"a": x[:, 0], "b": x[:, 1], "c": x[:, 2], "years": years, "y": y}
    given = Given({"x": table}, {"target": "y", "loss": "poisson", "exposure": "years"})
    return Well(given, lambda fit: float(np.abs(fit.theta - found.params).max()), 1e-4)


@healthy("successes out of trials")
def successes(seed: int) -> Well:
    x, _ = design(seed, 400, 3)
    random = np.random.default_rng(seed)
    trials = random.integers(5, 40, len(x))
    p = 1 / (1 + np.exp(-((x - x.mean(0)) / x.std(0)) @ [0.6, -0.4, 0.3]))
    y = random.binomial(trials, p)
    found = sm.GLM(np.column_stack([y, trials - y]), sm.add_constant(x), family=sm.families.Binomial()).fit()
    table = {"a": x[:, 0], "b": x[:, 1], "c": x[:, 2], "of": trials, "y": y}
    given = Given({"x": table}, {"target": "y", "loss": "binomial", "trials": "of"})
    return Well(given, lambda fit: float(np.abs(fit.theta - found.params).max()), 1e-4)


@healthy("amounts by the gamma likelihood")
def amounts(seed: int) -> Well:
    x, mean = rates(seed)
    y = np.random.default_rng(seed).gamma(2.0, mean / 2.0)
    found = sm.GLM(y, sm.add_constant(x), family=sm.families.Gamma(sm.families.links.Log())).fit()
    given = Given({"x": x, "y": y}, {"loss": "gamma"})
    return Well(given, lambda fit: float(np.abs(fit.theta - found.params).max()), 1e-4)


@healthy("claims, most of them none, by Tweedie's likelihood")
def claims(seed: int) -> Well:
    x, mean = rates(seed, 800)
    random = np.random.default_rng(seed)
    number = random.poisson(mean / 2.0)
    y = np.array([random.gamma(2.0, 1.0, k).sum() for k in number])
    found = sm.GLM(y, sm.add_constant(x), family=sm.families.Tweedie(sm.families.links.Log(), var_power=1.5)).fit()
    given = Given({"x": x, "y": y}, {"loss": "tweedie:1.5"})
    return Well(given, lambda fit: float(np.abs(fit.theta - found.params).max()), 1e-3)


# ---- classes -----------------------------------------------------------------------------------------


def sides(seed: int, n: int = 500, middle: float = 0.2):
    x, _ = design(seed, n, 4)
    z = (x - x.mean(0)) / x.std(0)
    random = np.random.default_rng(seed + 3)
    return x, (random.random(n) < 1 / (1 + np.exp(-(middle + z @ [1.0, -0.7, 0.5, 0.0])))).astype(int)


def of_classes(x, y, settings: dict, within: float = 1.001, **others) -> Well:
    best = quietly(lambda: LogisticRegression(C=np.inf, tol=1e-10, max_iter=20_000, **others).fit(x, y))
    p = best.predict_proba(x)[np.arange(len(y)), y]
    return Well(Given({"x": x, "y": y}, settings), log_loss(x, y), float(-np.log(p).mean()), within)


@healthy("yes or no")
def yes_or_no(seed: int) -> Well:
    return of_classes(*sides(seed), {"model": "logistic"})


@healthy("yes or no by minibatches of adam")
def yes_or_no_by_adam(seed: int) -> Well:
    settings = {
        "model": "logistic",
        "optimizer": "adam",
        "lr": 0.02,
        "batch_size": 50,
        "schedule": "cosine",
        "epochs": 80,
    }
    return of_classes(*sides(seed), {**settings, "precondition": "standardize"}, within=1.01)


@healthy("one in twelve, weighted")
def weighted_classes(seed: int) -> Well:
    x, y = sides(seed, 900, -3.0)
    return of_classes(x, y, {"model": "logistic", "class_weight": "balanced"}, class_weight="balanced", within=1.01)


@healthy("one in six, for the probabilities")
def one_in_six(seed: int) -> Well:
    return of_classes(*sides(seed, 900, -2.0), {"model": "logistic"})


@healthy("four clouds by softmax")
def four_clouds(seed: int) -> Well:
    return of_classes(*blobs(seed, 600), {"model": "softmax"})


@healthy("four clouds by softmax, held out, with l2")
def four_clouds_penalised(seed: int) -> Well:
    x, y = blobs(seed, 600)
    fresh, goal = blobs(seed + 100, 2000)
    best = LogisticRegression(C=1 / (2 * 0.01 * 600)).fit(x, y)
    reference = float(-np.log(best.predict_proba(fresh)[np.arange(2000), goal]).mean())
    given = Given({"x": x, "y": y}, {"model": "softmax", "penalty": "l2:0.01", "test_fraction": 0.2})
    return Well(given, log_loss(fresh, goal), reference, 1.1)


@healthy("a hinge with l2")
def hinge(seed: int) -> Well:
    x, y = sides(seed)
    best = quietly(lambda: LinearSVC(C=1 / (2 * 0.01 * len(x)), loss="hinge", max_iter=100_000).fit(x, y))
    given = Given({"x": x, "y": y}, {"loss": "hinge", "penalty": "l2:0.01"})
    return Well(
        given, lambda fit: float(np.mean(fit.predict(x) != y)), 0.005 + float(np.mean(best.predict(x) != y)), 1.1
    )


@healthy("a squared hinge, and a modified Huber loss")
def smooth_hinges(seed: int) -> Well:
    x, y = sides(seed)
    best = LogisticRegression(C=np.inf).fit(x, y)
    given = Given({"x": x, "y": y}, {"loss": ("squared_hinge", "modified_huber", "hinge")[seed - 1]})
    return Well(
        given, lambda fit: float(np.mean(fit.predict(x) != y)), 0.02 + float(np.mean(best.predict(x) != y)), 1.1
    )


# ---- penalties ---------------------------------------------------------------------------------------


def wide(seed: int, n: int = 80, p: int = 120):
    x = np.random.default_rng(seed).standard_normal((n + 500, p))
    slopes = np.zeros(p)
    slopes[:5] = [2.0, -1.5, 1.0, 1.0, -1.0]
    y = x @ slopes
    return x[:n], y[:n] + 0.5 * np.random.default_rng(seed + 7).standard_normal(n), x[n:], y[n:]


@healthy("lasso with more columns than rows")
def lasso(seed: int) -> Well:
    x, y, fresh, goal = wide(seed)
    best = Lasso(alpha=0.1).fit(x, y)
    given = Given({"x": x, "y": y}, {"penalty": "l1:0.2"})
    return Well(given, squared(fresh, goal), float(np.mean((best.predict(fresh) - goal) ** 2)), 1.01)


@healthy("ridge with more columns than rows, a fifth held out")
def ridge(seed: int) -> Well:
    random = np.random.default_rng(seed)
    factors = random.standard_normal((600, 5))
    x = factors @ random.standard_normal((5, 90)) + 0.5 * random.standard_normal((600, 90))
    y = factors @ [2.0, -1.0, 1.0, 0.5, 0.0]
    noisy = y[:70] + 0.3 * random.standard_normal(70)
    best = Ridge(alpha=0.3 * 70).fit(x[:70], noisy)
    given = Given({"x": x[:70], "y": noisy}, {"penalty": "l2:0.3", "test_fraction": 0.2})
    return Well(given, squared(x[70:], y[70:]), 0.02 + float(np.mean((best.predict(x[70:]) - y[70:]) ** 2)), 2.0)


@healthy("an elastic net")
def elastic(seed: int) -> Well:
    x, y, fresh, goal = wide(seed, 150, 60)
    best = ElasticNet(alpha=0.11, l1_ratio=0.1 / 0.11 / 2 * 2, max_iter=10_000).fit(x, y)
    given = Given({"x": x, "y": y}, {"penalty": "elastic:0.1,0.01"})
    return Well(given, squared(fresh, goal), 0.01 + float(np.mean((best.predict(fresh) - goal) ** 2)), 1.5)
