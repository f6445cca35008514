"""Sick descents: rates, steps, coordinates, schedules and stops that keep a fit from an optimum it could have reached."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from sick.case import Given, Pair, case
from sick.data import best, bundled, design, labels, limit, logistic, rows, squares, standardised
from steepest.analysis.finding import Kind
from steepest.data import synthetic

# ---- the rate is over the limit --------------------------------------------------------------------


@case("rate over 2/λ", Kind.RATE_TOO_HIGH, [
    {"seed": 1, "n": 120, "p": 3, "factor": 1.02},
    {"seed": 2, "n": 60, "p": 5, "factor": 1.3},
    {"seed": 3, "n": 200, "p": 2, "factor": 4.0},
    {"seed": 4, "n": 90, "p": 8, "factor": 1e4},
])  # fmt: skip
def rate_over_the_limit(seed, n, p, factor):
    x, y = rows(seed, n, p)
    values = squares(design(x))
    twin = Given({"x": x, "y": y}, {"optimizer": "sgd", "lr": best(values), "epochs": 250})
    return Pair(twin.but(lr=factor * limit(values)), twin)


@case("oscillating just below 2/λ", Kind.RATE_TOO_HIGH, [
    {"seed": 5, "n": 150, "p": 3, "share": 0.9995},
    {"seed": 6, "n": 80, "p": 4, "share": 0.998},
    {"seed": 7, "n": 200, "p": 2, "share": 0.99},
])  # fmt: skip
def oscillating(seed, n, p, share):
    x, y = rows(seed, n, p)
    values = squares(design(x))
    twin = Given({"x": x, "y": y}, {"optimizer": "sgd", "lr": best(values), "epochs": 100})
    return Pair(twin.but(lr=share * limit(values)), twin)


@case("momentum over its limit", Kind.RATE_TOO_HIGH, [
    {"seed": 8, "beta": 0.9, "factor": 1.1},
    {"seed": 9, "beta": 0.5, "factor": 2.0},
    {"seed": 10, "beta": 0.8, "factor": 30.0},
])  # fmt: skip
def momentum_over_the_limit(seed, beta, factor):
    x, y = rows(seed)
    values = squares(design(x))
    twin = Given({"x": x, "y": y}, {"optimizer": f"momentum:{beta}", "lr": 1 / values[-1], "epochs": 400})
    return Pair(twin.but(lr=factor * limit(values, beta)), twin)


@case("nesterov over its limit", Kind.RATE_TOO_HIGH, [
    {"seed": 11, "beta": 0.9, "factor": 1.15},
    {"seed": 12, "beta": 0.6, "factor": 3.0},
])  # fmt: skip
def nesterov_over_the_limit(seed, beta, factor):
    x, y = rows(seed)
    values = squares(design(x))
    twin = Given({"x": x, "y": y}, {"optimizer": f"nesterov:{beta}", "lr": 0.9 / values[-1], "epochs": 400})
    return Pair(twin.but(lr=factor * limit(values, beta, nesterov=True)), twin)


@case("logistic bouncing over 2/λ", Kind.RATE_TOO_HIGH, [
    {"seed": 13, "n": 160, "factor": 1.5},
    {"seed": 14, "n": 100, "factor": 4.0},
    {"seed": 15, "n": 240, "factor": 30.0},
])  # fmt: skip
def logistic_over_the_limit(seed, n, factor):
    x, y = labels(seed, n)
    values = logistic(design(x), y)
    twin = Given({"x": x, "y": y}, {"model": "logistic", "optimizer": "sgd", "lr": best(values), "epochs": 300})
    return Pair(twin.but(lr=factor * limit(values)), twin)


@case("parabola in user units over 2/λ", Kind.RATE_TOO_HIGH, [
    {"seed": 16, "width": 1.0, "factor": 1.1},
    {"seed": 17, "width": 1.5, "factor": 2.5},
])  # fmt: skip
def parabola_over_the_limit(seed, width, factor):
    random = np.random.default_rng(seed)
    x = random.uniform(-width, width, 100)
    y = 1 + 3 * x - 4 * x**2 + 0.7 * random.standard_normal(100)
    values = squares(design(x[:, None], 2))
    settings = {"model": "poly:2", "optimizer": "sgd", "lr": best(values), "epochs": 600}
    twin = Given({"x": x, "y": y}, settings)
    return Pair(twin.but(lr=factor * limit(values)), twin)


@case("momentum that swings past the optimum", Kind.MOMENTUM, [
    {"seed": 24, "beta": 0.99, "share": 0.3},
    {"seed": 25, "beta": 0.99, "share": 0.8},
    {"seed": 26, "beta": 0.999, "share": 0.5},
])  # fmt: skip
def swinging(seed, beta, share):
    x, y = rows(seed)
    settings = {"lr": share / squares(design(x))[-1], "epochs": 400}
    twin = Given({"x": x, "y": y}, {**settings, "optimizer": "momentum:0.9"})
    return Pair(twin.but(optimizer=f"momentum:{beta}"), twin)


@case("minibatches over the limit", Kind.RATE_TOO_HIGH, [
    {"seed": 18, "size": 10, "factor": 2.0},
    {"seed": 19, "size": 32, "factor": 6.0},
])  # fmt: skip
def minibatches_over_the_limit(seed, size, factor):
    x, y = rows(seed, 200)
    values = squares(design(x))
    settings = {"optimizer": "sgd", "batch_size": size, "epochs": 60, "schedule": "cosine"}
    twin = Given({"x": x, "y": y}, {**settings, "lr": 0.2 / values[-1]})
    return Pair(twin.but(lr=factor * limit(values)), twin)


@case("mlp at far too high a rate", Kind.RATE_TOO_HIGH, [
    {"seed": 20, "optimizer": "sgd", "rate": 1.5, "fine": 0.05},
    {"seed": 21, "optimizer": "momentum:0.9", "rate": 0.5, "fine": 0.01},
])  # fmt: skip
def mlp_over_the_limit(seed, optimizer, rate, fine):
    x, y = rows(seed, 150, 2)
    settings = {"model": "mlp:6", "optimizer": optimizer, "lr": fine, "epochs": 400, "seed": seed}
    twin = Given({"x": x, "y": y}, settings)
    return Pair(twin.but(lr=rate), twin)


@case("adam at far too high a rate", Kind.RATE_TOO_HIGH, [
    {"seed": 22, "rate": 1e3},
    {"seed": 23, "rate": 1e4},
])  # fmt: skip
def adam_over_the_limit(seed, rate):
    x, y = rows(seed)
    twin = Given({"x": x, "y": y}, {"optimizer": "adam", "lr": 1.0, "epochs": 250, "schedule": "cosine"})
    return Pair(twin.but(lr=rate), twin)


@case("a rate from another table on the diabetes table", Kind.RATE_TOO_HIGH, [
    {"columns": ("bmi", "bp", "s6"), "rate": 1.5},
    {"columns": ("age", "bmi", "s5"), "rate": 10.0},
])  # fmt: skip
def diabetes_over_the_limit(columns, rate):
    settings = {"columns": columns, "precondition": "standardize", "optimizer": "sgd", "lr": 0.4, "epochs": 300}
    twin = Given({"x": "sample:diabetes"}, settings)
    return Pair(twin.but(lr=rate), twin)


# ---- the rate is far under it ----------------------------------------------------------------------


@case("rate far under the best", Kind.RATE_TOO_LOW, [
    {"seed": 30, "n": 120, "p": 3, "share": 1e-2},
    {"seed": 31, "n": 60, "p": 5, "share": 1e-3},
    {"seed": 32, "n": 200, "p": 2, "share": 1e-5},
])  # fmt: skip
def rate_under_the_best(seed, n, p, share):
    x, y = rows(seed, n, p)
    values = squares(design(x))
    twin = Given({"x": x, "y": y}, {"optimizer": "sgd", "lr": best(values), "epochs": 150})
    return Pair(twin.but(lr=share * best(values)), twin)


@case("momentum at a tiny rate", Kind.RATE_TOO_LOW, [
    {"seed": 33, "beta": 0.9, "share": 1e-4},
    {"seed": 34, "beta": 0.5, "share": 1e-3},
])  # fmt: skip
def momentum_under_the_best(seed, beta, share):
    x, y = rows(seed)
    values = squares(design(x))
    twin = Given({"x": x, "y": y}, {"optimizer": f"momentum:{beta}", "lr": 1 / values[-1], "epochs": 400})
    return Pair(twin.but(lr=share / values[-1]), twin)


@case("logistic at a tiny rate", Kind.RATE_TOO_LOW, [
    {"seed": 35, "share": 1e-2},
    {"seed": 36, "share": 1e-4},
])  # fmt: skip
def logistic_under_the_best(seed, share):
    x, y = labels(seed)
    values = logistic(design(x), y)
    twin = Given({"x": x, "y": y}, {"model": "logistic", "optimizer": "sgd", "lr": best(values), "epochs": 300})
    return Pair(twin.but(lr=share * best(values)), twin)


@case("adam at a tiny rate", Kind.RATE_TOO_LOW, [
    {"seed": 37, "rate": 1e-5},
    {"seed": 38, "rate": 1e-4},
])  # fmt: skip
def adam_under_the_best(seed, rate):
    x, y = rows(seed)
    twin = Given({"x": x, "y": y}, {"optimizer": "adam", "lr": 0.1, "epochs": 400, "schedule": "cosine"})
    return Pair(twin.but(lr=rate), twin)


@case("diabetes at a tiny rate", Kind.RATE_TOO_LOW, [
    {"precondition": "orthonormal", "rate": 1e-4},
    {"precondition": "orthonormal", "rate": 1e-3},
])  # fmt: skip
def diabetes_under_the_best(precondition, rate):
    settings = {"precondition": precondition, "optimizer": "sgd", "lr": 0.4, "epochs": 300}
    twin = Given({"x": "sample:diabetes"}, settings)
    return Pair(twin.but(lr=rate), twin)


@case("minibatches at a tiny rate", Kind.RATE_TOO_LOW, [
    {"seed": 39, "size": 20, "rate": 1e-5},
    {"seed": 40, "size": 50, "rate": 1e-4},
])  # fmt: skip
def minibatches_under_the_best(seed, size, rate):
    x, y = rows(seed, 200)
    settings = {"optimizer": "sgd", "batch_size": size, "epochs": 60, "lr": 0.05, "schedule": "cosine"}
    twin = Given({"x": x, "y": y}, settings)
    return Pair(twin.but(lr=rate), twin)


@case("mlp at a tiny rate", Kind.RATE_TOO_LOW, [
    {"seed": 41, "rate": 1e-5},
    {"seed": 42, "rate": 1e-4},
])  # fmt: skip
def mlp_under_the_best(seed, rate):
    x, y = rows(seed, 150, 2)
    settings = {"model": "mlp:6", "optimizer": "sgd", "lr": 0.05, "epochs": 400, "seed": seed}
    twin = Given({"x": x, "y": y}, settings)
    return Pair(twin.but(lr=rate), twin)


# ---- the steps are too few -------------------------------------------------------------------------


@case("the best rate, too few steps", Kind.TOO_FEW_STEPS, [
    {"seed": 50, "correlation": 0.6, "steps": 8},
    {"seed": 51, "correlation": 0.3, "steps": 4},
    {"seed": 52, "correlation": 0.8, "steps": 40},
])  # fmt: skip
def too_few_steps(seed, correlation, steps):
    x, y = rows(seed, correlation=correlation)
    values = squares(design(x))
    twin = Given({"x": x, "y": y}, {"optimizer": "sgd", "lr": best(values), "epochs": 500})
    return Pair(twin.but(epochs=steps), twin)


@case("momentum with too few steps", Kind.TOO_FEW_STEPS, [
    {"seed": 53, "beta": 0.9, "steps": 25},
    {"seed": 54, "beta": 0.6, "steps": 10},
])  # fmt: skip
def momentum_with_too_few_steps(seed, beta, steps):
    x, y = rows(seed, correlation=0.4)
    values = squares(design(x))
    twin = Given({"x": x, "y": y}, {"optimizer": f"momentum:{beta}", "lr": 1 / values[-1], "epochs": 500})
    return Pair(twin.but(epochs=steps), twin)


@case("max_steps too small", Kind.TOO_FEW_STEPS, [
    {"seed": 55, "steps": 6},
    {"seed": 56, "steps": 3},
])  # fmt: skip
def max_steps_too_small(seed, steps):
    x, y = rows(seed, correlation=0.5)
    values = squares(design(x))
    twin = Given({"x": x, "y": y}, {"optimizer": "sgd", "lr": best(values), "max_steps": 400})
    return Pair(twin.but(max_steps=steps), twin)


@case("logistic with too few steps", Kind.TOO_FEW_STEPS, [
    {"seed": 57, "steps": 4},
    {"seed": 58, "steps": 3},
])  # fmt: skip
def logistic_with_too_few_steps(seed, steps):
    x, y = labels(seed)
    values = logistic(design(x), y)
    twin = Given({"x": x, "y": y}, {"model": "logistic", "optimizer": "sgd", "lr": best(values), "epochs": 300})
    return Pair(twin.but(epochs=steps), twin)


@case("diabetes with too few steps", Kind.TOO_FEW_STEPS, [
    {"columns": ("bmi", "bp", "s5"), "steps": 6},
    {"columns": ("age", "bmi", "bp", "s6"), "steps": 10},
])  # fmt: skip
def diabetes_with_too_few_steps(columns, steps):
    settings = {"columns": columns, "precondition": "standardize", "optimizer": "sgd", "lr": "auto", "epochs": 400}
    twin = Given({"x": "sample:diabetes"}, settings)
    return Pair(twin.but(epochs=steps), twin)


# ---- the coordinates are at fault ------------------------------------------------------------------


@case("one column a thousand times larger", Kind.SCALES, [
    {"seed": 60, "scale": 1e3, "lr": "best"},
    {"seed": 61, "scale": 1e-2, "lr": "best"},
    {"seed": 62, "scale": 1e5, "lr": "auto"},
])  # fmt: skip
def one_large_column(seed, scale, lr):
    x, y = rows(seed, correlation=0.1)
    wide = x * [scale, 1.0, 1.0]
    settings = {"optimizer": "sgd", "precondition": "none", "epochs": 300}

    def rate(columns):
        return best(squares(design(columns))) if lr == "best" else "auto"

    twin = Given({"x": x, "y": y}, {**settings, "lr": rate(x)})
    return Pair(Given({"x": wide, "y": y}, {**settings, "lr": rate(wide)}), twin)


@case("a column far from zero", Kind.SCALES, [
    {"seed": 63, "offset": 2000.0},
    {"seed": 64, "offset": 300.0},
])  # fmt: skip
def far_from_zero(seed, offset):
    x, y = rows(seed)
    moved = x + np.array([offset, 0.0, 0.0])
    settings = {"optimizer": "sgd", "precondition": "none", "epochs": 300}
    twin = Given({"x": x, "y": y}, {**settings, "lr": best(squares(design(x)))})
    return Pair(Given({"x": moved, "y": y}, {**settings, "lr": best(squares(design(moved)))}), twin)


@case("a rate for scaled columns on raw ones", Kind.SCALES, [
    {"seed": 65, "scale": 1e3},
    {"seed": 66, "scale": 50.0},
])  # fmt: skip
def diverged_by_scales(seed, scale):
    x, y = rows(seed)
    settings = {"optimizer": "sgd", "lr": 0.1, "epochs": 300}
    return Pair(Given({"x": x * [1.0, scale, 1.0], "y": y}, settings), Given({"x": x, "y": y}, settings))


@case("raw diabetes table", Kind.SCALES, [
    {"columns": ("age", "bmi", "s6"), "lr": "auto"},
    {"columns": ("bmi", "bp", "s5"), "lr": "best"},
    {"columns": ("age", "sex", "bmi", "bp"), "lr": "momentum"},
])  # fmt: skip
def raw_diabetes(columns, lr):
    x, _ = bundled("diabetes", columns)
    rate = "auto" if lr == "auto" else best(squares(design(x)))
    optimizer = "momentum:0.9" if lr == "momentum" else "sgd"
    settings = {"columns": columns, "optimizer": optimizer, "precondition": "none", "lr": rate, "epochs": 400}
    sick = Given({"x": "sample:diabetes"}, settings)
    return Pair(sick, sick.but(precondition="standardize", lr="auto"))


@case("raw exercises, three targets at once", Kind.SCALES, [{"optimizer": "sgd"}, {"optimizer": "nesterov:0.9"}])
def raw_linnerud(optimizer):
    sick = Given({"x": "sample:linnerud"}, {"optimizer": optimizer, "precondition": "none", "epochs": 400})
    return Pair(sick, sick.but(precondition="standardize"))


@case("logistic on columns of other units", Kind.SCALES, [
    {"seed": 67, "scale": 100.0},
    {"seed": 68, "scale": 1e4},
])  # fmt: skip
def logistic_on_other_units(seed, scale):
    x, y = labels(seed)
    settings = {"model": "logistic", "optimizer": "sgd", "precondition": "none", "lr": "auto", "epochs": 600}
    return Pair(Given({"x": x * [scale, 1.0, 1.0], "y": y}, settings), Given({"x": x, "y": y}, settings))


@case("a column that is nearly the sum of others", Kind.COLLINEAR, [
    {"seed": 70, "off": 1e-2, "lr": "best"},
    {"seed": 71, "off": 1e-3, "lr": "auto"},
])  # fmt: skip
def nearly_a_sum(seed, off, lr):
    x, y = rows(seed, p=4)
    x = standardised(x)
    near = x.copy()
    near[:, 3] = (x[:, 0] + x[:, 1]) / 2**0.5 + off * x[:, 3]

    def given(columns):
        rate = best(squares(design(columns))) if lr == "best" else "auto"
        settings = {"optimizer": "sgd", "precondition": "standardize", "lr": rate, "epochs": 300}
        return Given({"x": columns, "y": y}, settings)

    return Pair(given(near), given(x))


@case("high powers on one interval", Kind.COLLINEAR, [
    {"seed": 72, "degree": 5},
    {"seed": 73, "degree": 7},
])  # fmt: skip
def high_powers(seed, degree):
    random = np.random.default_rng(seed)
    x = random.uniform(0.0, 1.0, 100)
    y = np.sin(7 * x) + 0.1 * random.standard_normal(100)
    settings = {"model": f"poly:{degree}", "optimizer": "sgd", "precondition": "standardize", "lr": "auto"}
    sick = Given({"x": x, "y": y}, {**settings, "epochs": 500})
    return Pair(sick, sick.but(precondition="orthonormal"))


@case("the same column twice", Kind.COLLINEAR, [
    {"seed": 74, "copy": "same"},
    {"seed": 75, "copy": "other unit"},
])  # fmt: skip
def the_same_column_twice(seed, copy):
    x, y = rows(seed)
    again = x[:, 0] if copy == "same" else 32 + 1.8 * x[:, 0]
    table = {"celsius": x[:, 0], "wind": x[:, 1], "rain": x[:, 2], "y": y}
    twin = Given({"x": pa.table(table)}, {"target": "y"})
    return Pair(Given({"x": pa.table({"again": again, **table})}, {"target": "y"}), twin)


@case("a total beside its parts", Kind.COLLINEAR, [{"seed": 76}, {"seed": 77}])
def a_total_beside_its_parts(seed):
    x, y = rows(seed)
    table = {"north": x[:, 0], "south": x[:, 1], "west": x[:, 2], "y": y}
    twin = Given({"x": pa.table(table)}, {"target": "y"})
    return Pair(Given({"x": pa.table({**table, "total": x.sum(1)})}, {"target": "y"}), twin)


@case("a column with one value", Kind.CONSTANT, [
    {"seed": 78, "value": 7.0, "settings": {}},
    {"seed": 79, "value": -1e4, "settings": {"optimizer": "sgd", "precondition": "standardize", "epochs": 400}},
    {"seed": 80, "value": 0.0, "settings": {}},
])  # fmt: skip
def one_value(seed, value, settings):
    x, y = rows(seed)
    table = {"a": x[:, 0], "b": x[:, 1], "c": x[:, 2], "y": y}
    constant = pa.table({**table, "version": np.full(len(y), value)})
    return Pair(
        Given({"x": constant}, {"target": "y", **settings}),
        Given({"x": pa.table(table)}, {"target": "y", **settings}),
    )


@case("pixels that are never inked", Kind.CONSTANT, [{"row": 3}, {"row": 4}])
def blank_pixels(row):
    table = synthetic.sample("digits").to_pandas().iloc[:300]
    inked = [name for name in table.columns if name.startswith(f"pixel_{row}_")]
    keep = [name for name in inked if np.ptp(table[name]) > 0]
    settings = {"target": "digit", "penalty": "l2:0.01"}
    return Pair(Given({"x": table[[*inked, "digit"]]}, settings), Given({"x": table[[*keep, "digit"]]}, settings))


# ---- the schedule, the noise and the kink ----------------------------------------------------------


@case("inverse decay with a full batch", Kind.DECAY, [
    {"seed": 90, "share": 0.5, "steps": 300},
    {"seed": 91, "share": 0.3, "steps": 500},
])  # fmt: skip
def inverse_decay(seed, share, steps):
    x, y = rows(seed, correlation=0.3)
    values = squares(design(x))
    settings = {"optimizer": "sgd", "lr": share * best(values), "epochs": steps, "schedule": "constant"}
    twin = Given({"x": x, "y": y}, settings)
    return Pair(twin.but(schedule="inverse"), twin)


@case("steps that decay too soon", Kind.DECAY, [
    {"seed": 92, "schedule": "step:10,0.1", "later": "step:150,0.5"},
    {"seed": 93, "schedule": "step:5,0.3", "later": "constant"},
])  # fmt: skip
def step_decay(seed, schedule, later):
    x, y = rows(seed, correlation=0.5)
    values = squares(design(x))
    settings = {"optimizer": "sgd", "lr": best(values), "epochs": 400, "schedule": later}
    twin = Given({"x": x, "y": y}, settings)
    return Pair(twin.but(schedule=schedule), twin)


@case("logistic under inverse decay", Kind.DECAY, [{"seed": 94}, {"seed": 95}])
def logistic_decay(seed):
    x, y = labels(seed)
    values = logistic(design(x), y)
    settings = {"model": "logistic", "optimizer": "sgd", "lr": best(values), "epochs": 300, "schedule": "constant"}
    twin = Given({"x": x, "y": y}, settings)
    return Pair(twin.but(schedule="inverse", lr=0.5 * best(values)), twin)


@case("minibatches at a constant rate", Kind.NOISE, [
    {"seed": 100, "size": 10, "optimizer": "sgd", "rate": 0.05, "epochs": 60},
    {"seed": 101, "size": 1, "optimizer": "sgd", "rate": 0.02, "epochs": 20},
    {"seed": 102, "size": 20, "optimizer": "momentum:0.9", "rate": 0.02, "epochs": 60},
])  # fmt: skip
def noise_floor(seed, size, optimizer, rate, epochs):
    x, y = rows(seed, 200, noise=1.0)
    settings = {"optimizer": optimizer, "batch_size": size, "lr": rate, "epochs": epochs, "schedule": "cosine"}
    twin = Given({"x": x, "y": y}, settings)
    return Pair(twin.but(schedule="constant"), twin)


@case("logistic minibatches at a constant rate", Kind.NOISE, [
    {"seed": 103, "size": 8, "rate": 0.3, "epochs": 60},
    {"seed": 104, "size": 1, "rate": 0.2, "epochs": 20},
])  # fmt: skip
def logistic_noise_floor(seed, size, rate, epochs):
    x, y = labels(seed, 200)
    settings = {"model": "logistic", "optimizer": "sgd", "batch_size": size, "lr": rate, "epochs": epochs}
    twin = Given({"x": x, "y": y}, {**settings, "schedule": "cosine"})
    return Pair(twin.but(schedule="constant"), twin)


@case("diabetes in minibatches at a constant rate", Kind.NOISE, [{"size": 16}, {"size": 44}])
def diabetes_noise_floor(size):
    columns = ("bmi", "bp", "s5")
    settings = {"columns": columns, "precondition": "standardize", "optimizer": "sgd", "lr": 0.1, "epochs": 60}
    twin = Given({"x": "sample:diabetes"}, {**settings, "batch_size": size, "schedule": "cosine"})
    return Pair(twin.but(schedule="constant"), twin)


@case("l1 at a constant rate", Kind.KINK, [
    {"seed": 110, "loss": "l1", "rate": 0.1},
    {"seed": 114, "loss": "quantile:0.75", "rate": 0.5},
    {"seed": 112, "loss": "quantile:0.5", "rate": 0.5},
])  # fmt: skip
def bouncing(seed, loss, rate):
    x, y = rows(seed, 100, 2)
    sick = Given({"x": x, "y": y}, {"loss": loss, "optimizer": "sgd", "lr": rate, "epochs": 800})
    return Pair(sick, sick.but(schedule="cosine"))


@case("the lesson's parabola with l1", Kind.KINK, [{"rate": 0.5}, {"rate": 1.0}])
def bouncing_parabola(rate):
    settings = {"model": "poly:2", "loss": "l1", "optimizer": "sgd", "lr": rate, "epochs": 1000}
    sick = Given({"x": "sample:quadratic_with_outlier"}, settings)
    return Pair(sick, sick.but(schedule="cosine"))


# ---- the stops -------------------------------------------------------------------------------------


@case("a loose tolerance", Kind.TOLERANCE, [
    {"seed": 120, "tol": 1e-2, "optimizer": "sgd"},
    {"seed": 121, "tol": 1e-4, "optimizer": "sgd"},
    {"seed": 122, "tol": 1e-3, "optimizer": "nesterov:0.5"},
])  # fmt: skip
def loose_tolerance(seed, tol, optimizer):
    x, y = rows(seed, correlation=0.8)
    values = squares(design(x))
    twin = Given({"x": x, "y": y}, {"optimizer": optimizer, "lr": 1 / values[-1], "epochs": 1000, "tol": 1e-13})
    return Pair(twin.but(tol=tol), twin)


@case("logistic with a loose tolerance", Kind.TOLERANCE, [{"seed": 123, "tol": 1e-3}, {"seed": 124, "tol": 1e-5}])
def logistic_with_a_loose_tolerance(seed, tol):
    x, y = labels(seed)
    values = logistic(design(x), y)
    settings = {"model": "logistic", "optimizer": "sgd", "lr": 1 / values[-1], "epochs": 600, "tol": 1e-14}
    twin = Given({"x": x, "y": y}, settings)
    return Pair(twin.but(tol=tol), twin)


@case("patience of one epoch", Kind.PATIENCE, [
    {"seed": 125, "size": 10},
    {"seed": 126, "size": 20},
])  # fmt: skip
def impatient(seed, size):
    x, y = rows(seed, 250, noise=1.0)
    settings = {"optimizer": "sgd", "batch_size": size, "lr": 0.1, "epochs": 60, "schedule": "cosine"}
    twin = Given({"x": x, "y": y}, {**settings, "validation": 0.2, "patience": 60})
    return Pair(twin.but(patience=1), twin)


@case("gradients clipped at every step", Kind.CLIPPED, [
    {"seed": 130, "clip": 1e-3, "optimizer": "sgd"},
    {"seed": 131, "clip": 1e-2, "optimizer": "sgd"},
    {"seed": 132, "clip": 1e-3, "optimizer": "momentum:0.5"},
])  # fmt: skip
def clipped(seed, clip, optimizer):
    x, y = rows(seed)
    values = squares(design(x))
    settings = {"optimizer": optimizer, "lr": 1 / values[-1], "epochs": 300, "clip": 100.0}
    twin = Given({"x": x, "y": y}, settings)
    return Pair(twin.but(clip=clip), twin)


@case("sorted rows, not shuffled", Kind.SORTED, [
    {"seed": 135, "size": 10, "rate": 0.2, "epochs": 3},
    {"seed": 136, "size": 5, "rate": 0.1, "epochs": 5},
])  # fmt: skip
def sorted_rows(seed, size, rate, epochs):
    x, y = rows(seed, 240, noise=1.0)
    order = np.argsort(y, kind="stable")
    settings = {"optimizer": "sgd", "batch_size": size, "lr": rate, "epochs": epochs, "schedule": "cosine"}
    twin = Given({"x": x[order], "y": y[order]}, {**settings, "shuffle": "rows"})
    return Pair(twin.but(shuffle="none"), twin)


@case("one class after the other, not shuffled", Kind.SORTED, [
    {"seed": 137, "rate": 1.0},
    {"seed": 137, "rate": 0.5},
])  # fmt: skip
def sorted_classes(seed, rate):
    x, y = labels(seed, 600)
    order = np.argsort(y, kind="stable")
    settings = {"model": "logistic", "optimizer": "sgd", "batch_size": 5, "lr": rate, "epochs": 3}
    twin = Given({"x": x[order], "y": y[order]}, {**settings, "schedule": "cosine", "shuffle": "rows"})
    return Pair(twin.but(shuffle="none"), twin)


@case("float32 far from zero", Kind.FLOAT32, [
    {"seed": 140, "offset": 1e5},
    {"seed": 141, "offset": 3e4},
])  # fmt: skip
def float32_far_from_zero(seed, offset):
    x, y = rows(seed)
    settings = {"optimizer": "sgd", "precondition": "standardize", "lr": "auto", "epochs": 400}
    twin = Given({"x": x, "y": y + offset}, {**settings, "dtype": "float64"})
    return Pair(twin.but(dtype="float32"), twin)


@case("float32 with a target in the millions", Kind.FLOAT32, [{"seed": 142}, {"seed": 143}])
def float32_with_the_defaults(seed):
    x, y = rows(seed, 150, 2)
    twin = Given({"x": x, "y": 1e6 + 10 * y}, {"dtype": "float64"})
    return Pair(twin.but(dtype="float32"), twin)
