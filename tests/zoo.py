"""The zoo: problems whose optimum is finite, on which the defaults must arrive, whatever the units.

Each entry is (x, y) and the losses that make sense for its target. `REGRESSION` has numbers for a target, `CLASSES` labels.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from steepest.data import synthetic

Problem = tuple[np.ndarray, np.ndarray, str]  # x, y, model


def _bundled(name: str, target: int = 0) -> Callable[[], Problem]:
    def make() -> Problem:
        table = synthetic.sample(name)
        wanted = synthetic.sample_target(name)
        x = np.column_stack([table[c].to_numpy() for c in table.column_names if c not in wanted]).astype(float)
        return x, table[wanted[target]].to_numpy(), "linear"

    return make


def _lesson(name: str, model: str = "linear") -> Callable[[], Problem]:
    def make() -> Problem:
        data = getattr(synthetic, name)()
        return data.x, data.y, model

    return make


def _wild_scales() -> Problem:
    random = np.random.default_rng(1)
    scales = 10.0 ** np.array([-9, -6, -3, 0, 3, 6, 9])
    x = random.normal(size=(200, 7)) * scales + 5 * scales
    return x, x @ (1 / scales) + random.normal(size=200), "linear"


def _powers() -> Problem:
    random = np.random.default_rng(2)
    x = random.uniform(0, 20, size=80)
    return x[:, None], np.sin(x / 3) + 0.1 * random.normal(size=80), "poly:10"


def _collinear() -> Problem:
    random = np.random.default_rng(3)
    x = random.normal(size=(120, 4))
    x = np.column_stack([x, x[:, 0] + x[:, 1], 2 * x[:, 2]])
    return x, x[:, 0] - x[:, 3] + random.normal(size=120), "linear"


def _nearly_collinear() -> Problem:
    random = np.random.default_rng(4)
    x = random.normal(size=(150, 3))
    x = np.column_stack([x, x[:, 0] + 1e-5 * random.normal(size=150)])
    return x, x.sum(1) + random.normal(size=150), "linear"


def _heavy_tails() -> Problem:
    random = np.random.default_rng(5)
    x = random.standard_t(1.2, size=(250, 4))
    return x, x @ [1.0, -2.0, 0.5, 0.0] + random.standard_t(1.5, size=250), "linear"


def _wide() -> Problem:
    random = np.random.default_rng(6)
    x = random.normal(size=(300, 61))
    return x, x[:, :5].sum(1) + random.normal(size=300), "linear"


def _one_hot() -> Problem:
    random = np.random.default_rng(7)
    group = np.minimum(random.geometric(0.3, size=400), 12) - 1
    x = np.eye(12)[group][:, 1:]
    return x, group + random.normal(size=400), "linear"


def _far_from_zero() -> Problem:
    random = np.random.default_rng(8)
    x = 1e6 + random.normal(size=(100, 2))
    return x, 1e8 + 3 * x[:, 0] - x[:, 1] + random.normal(size=100), "linear"


REGRESSION: dict[str, Callable[[], Problem]] = {
    "lesson A": _lesson("line"),
    "lesson B": _lesson("noisy_line"),
    "lesson C line": _lesson("quadratic_with_outlier"),
    "lesson C quadratic": _lesson("quadratic_with_outlier", "poly:2"),
    "lesson C degree 12": _lesson("quadratic_with_outlier", "poly:12"),
    "diabetes": _bundled("diabetes"),
    "linnerud weight": _bundled("linnerud", 0),
    "linnerud waist": _bundled("linnerud", 1),
    "linnerud pulse": _bundled("linnerud", 2),
    "scales 1e-9 to 1e9": _wild_scales,
    "powers to degree 10": _powers,
    "collinear": _collinear,
    "nearly collinear": _nearly_collinear,
    "heavy tails": _heavy_tails,
    "300 × 61": _wide,
    "one-hot": _one_hot,
    "far from zero": _far_from_zero,
}


def _flipped() -> Problem:
    random = np.random.default_rng(11)
    x = random.normal(size=(200, 3))
    y = (x @ [2.0, -1.0, 0.5] > 0).astype(int)
    y[np.argmax(np.abs(x @ [2.0, -1.0, 0.5]))] ^= 1
    return x, y.astype(str), "linear"


def _noisy_labels(classes: int, scale: float) -> Callable[[], Problem]:
    def make() -> Problem:
        random = np.random.default_rng(12)
        x = random.normal(size=(400, 4))
        scores = x @ random.normal(size=(4, classes)) + random.gumbel(size=(400, classes))
        return x * scale ** np.arange(4) + scale, scores.argmax(1).astype(str), "linear"

    return make


def _labels_from_powers() -> Problem:
    random = np.random.default_rng(13)
    x = random.uniform(-3, 3, size=300)
    return x[:, None], (np.sin(2 * x) + random.normal(size=300) > 0).astype(str), "poly:6"


def _heavy_labels() -> Problem:
    random = np.random.default_rng(14)
    x = random.standard_t(1.5, size=(300, 3))
    return x, (x @ [1.0, -1.0, 0.3] + random.logistic(size=300) > 0).astype(str), "linear"


def _wide_labels() -> Problem:
    random = np.random.default_rng(15)
    x = random.normal(size=(300, 31))
    return x, (x[:, 0] + 3 * random.logistic(size=300) > 0).astype(str), "linear"


CLASSES: dict[str, Callable[[], Problem]] = {
    "one flipped label": _flipped,
    "two classes": _noisy_labels(2, 1.0),
    "two classes, wild units": _noisy_labels(2, 1e4),
    "three classes": _noisy_labels(3, 1.0),
    "five classes, wild units": _noisy_labels(5, 1e-3),
    "classes from powers": _labels_from_powers,
    "heavy tails": _heavy_labels,
    "300 × 31": _wide_labels,
}

TWO_CLASSES = [name for name in CLASSES if name not in ("three classes", "five classes, wild units")]

BUNDLED_CLASSES = ("breast_cancer", "iris", "wine", "digits")
"""All of these are separable or nearly so: without a penalty they have no finite optimum."""


def insurance() -> Problem:
    """Claims of groups of policyholders, whose number is a column beside indicators: MASS::Insurance (Venables and Ripley)."""
    holders = """197 264 246 1680 284 536 696 3582 133 286 355 1640 24 71 99 452 85 139 151 931 149 313 419 2443 66 175 221
    1110 9 48 72 322 35 73 89 648 53 155 240 1635 24 78 121 692 7 29 43 245 20 33 40 316 31 81 122 724 18 39 68 344 3 16
    25 114"""
    claims = """38 35 20 156 63 84 89 400 19 52 74 233 4 18 19 77 22 19 22 87 25 51 49 290 14 46 39 143 4 15 12 53 5 11 10 67
    10 24 37 187 8 19 24 101 3 2 8 37 2 5 4 36 7 10 22 102 5 7 16 63 0 6 8 33"""
    district, group, age = (
        np.repeat(np.arange(4), 16),
        np.tile(np.repeat(np.arange(4), 4), 4),
        np.tile(np.arange(4), 16),
    )
    indicators = [np.eye(4)[levels][:, 1:] for levels in (district, group, age)]
    return np.column_stack([*indicators, np.array(holders.split(), float)]), np.array(claims.split(), float), "linear"


def _counts(scale: float, mean: float) -> Callable[[], Problem]:
    def make() -> Problem:
        random = np.random.default_rng(16)
        x = random.normal(size=(250, 4))
        y = random.poisson(mean * np.exp(x @ [0.4, -0.3, 0.2, 0.0]))
        return x * scale ** np.arange(4) + scale, y.astype(float), "linear"

    return make


def _counts_of_groups() -> Problem:
    random = np.random.default_rng(17)
    group = np.minimum(random.geometric(0.35, size=400), 8) - 1
    return np.eye(8)[group][:, 1:], random.poisson(0.2 + 0.4 * group).astype(float), "linear"


def _amounts() -> Problem:
    random = np.random.default_rng(18)
    x = random.uniform(-2, 2, size=(200, 1))
    return x, 1e4 * random.gamma(3.0, np.exp(np.sin(x[:, 0])) / 3.0), "poly:4"


FAMILIES: dict[str, Callable[[], Problem]] = {
    "insurance": insurance,
    "counts": _counts(1.0, 2.0),
    "counts, wild units": _counts(1e4, 2.0),
    "large counts": _counts(1.0, 1e7),
    "counts of groups": _counts_of_groups,
    "amounts": _amounts,
}
"""Targets that are counts or amounts, none of them negative."""
