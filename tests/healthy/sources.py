"""What healthy cases are made of: rows by formula, rows of bundled tables, scores, and references by other people's code."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
from sklearn import datasets
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, SVR

# ---- rows by formula ---------------------------------------------------------------------------------


def design(seed: int, n: int, p: int, correlation: float = 0.3) -> tuple[np.ndarray, np.ndarray]:
    """x `[n, p]` with means and sizes of their own, any two columns so correlated, and slopes `[p]`."""
    random = np.random.default_rng(seed)
    z = (1 - correlation) ** 0.5 * random.standard_normal((n, p)) + correlation**0.5 * random.standard_normal((n, 1))
    size, middle = np.exp(random.normal(0, 0.5, p)), random.normal(0, 2, p)
    return middle + size * z, random.uniform(0.4, 1.5, p) * random.choice([-1, 1], p) / size


def friedman(seed: int, n: int, noise: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Friedman's first problem: x `[n, 7]` uniform, of which five count; y of standard deviation near 5."""
    return datasets.make_friedman1(n, n_features=7, noise=noise, random_state=seed)


def rings(seed: int, n: int, noise: float = 0.12) -> tuple[np.ndarray, np.ndarray]:
    """A ring within a ring, `[n, 2]`, and which of them."""
    return datasets.make_circles(n, noise=noise, factor=0.55, random_state=seed)


def spirals(seed: int, n: int, k: int = 3, noise: float = 0.12) -> tuple[np.ndarray, np.ndarray]:
    """k arms of a spiral, `[n, 2]`, and which of them."""
    random = np.random.default_rng(seed)
    code, r = random.integers(k, size=n), 0.2 + 1.8 * random.random(n)
    angle = 2.2 * r + 2 * np.pi * code / k
    return np.column_stack([r * np.cos(angle), r * np.sin(angle)]) + noise * random.standard_normal((n, 2)), code


def blobs(seed: int, n: int, k: int = 4, p: int = 5, apart: float = 1.3) -> tuple[np.ndarray, np.ndarray]:
    """Round clouds that overlap, `[n, p]`, and which of them."""
    centres = apart * np.random.default_rng(77 + k + p).standard_normal((k, p))
    random = np.random.default_rng(seed)
    code = random.integers(k, size=n)
    return centres[code] + random.standard_normal((n, p)), code


def digits(seed: int, share: float = 0.25) -> tuple[Any, ...]:
    """The digits of scikit-learn from 0 to 1, `[n, 64]`, parted: x and y to fit, and to score by."""
    from sklearn.model_selection import train_test_split

    x, y = datasets.load_digits(return_X_y=True)
    return tuple(train_test_split(x / 16.0, y, test_size=share, random_state=seed))


def parted(x: Any, y: Any, seed: int, share: float = 0.25) -> tuple[Any, ...]:
    """x and y to fit, and to score by."""
    from sklearn.model_selection import train_test_split

    return tuple(train_test_split(x, y, test_size=share, random_state=seed))


def named(x: np.ndarray, *names: str, **columns: Any) -> pa.Table:
    """A table of the columns of x under these names, and of others."""
    return pa.table({**{name: x[:, j] for j, name in enumerate(names)}, **columns})


# ---- scores ------------------------------------------------------------------------------------------


def squared(x: Any, y: np.ndarray) -> Callable[[Any], float]:
    """The mean squared error of predictions."""
    return lambda fit: float(np.mean((np.asarray(fit.predict(x)).reshape(np.shape(y)) - y) ** 2))


def absolute(x: Any, y: np.ndarray) -> Callable[[Any], float]:
    """The mean absolute error of predictions."""
    return lambda fit: float(np.mean(np.abs(np.asarray(fit.predict(x)).reshape(np.shape(y)) - y)))


def wrong(x: Any, labels: Any, floor: float = 0.01) -> Callable[[Any], float]:
    """The share of labels that a fit has wrong, and a little."""
    return lambda fit: floor + float(np.mean(np.asarray(fit.predict(x)) != np.asarray(labels)))


def log_loss(x: Any, codes: np.ndarray) -> Callable[[Any], float]:
    """The mean of −log p of the true class."""

    def score(fit: Any) -> float:
        p = np.asarray(fit.predict_proba(x))[np.arange(len(codes)), codes]
        return float(-np.log(np.clip(p, 1e-9, 1.0)).mean())

    return score


def objective(fit: Any) -> float:
    """F at the end."""
    return float(fit.objective_value)


# ---- references --------------------------------------------------------------------------------------


def support_vectors(x: np.ndarray, y: np.ndarray, fresh: np.ndarray, goal: np.ndarray) -> float:
    """The mean squared error on fresh rows of support vector regression, its two numbers by cross-validation."""
    grid = {"svr__C": [1.0, 10.0, 100.0], "svr__gamma": [0.03, 0.1, 0.3, 1.0]}
    found = GridSearchCV(make_pipeline(StandardScaler(), SVR()), grid, cv=3).fit(x, y)
    return float(np.mean((found.predict(fresh) - goal) ** 2))


def support_vector_classes(x: np.ndarray, y: np.ndarray, fresh: np.ndarray, goal: np.ndarray) -> float:
    """The share of wrong answers on fresh rows of a support vector classifier, its two numbers by cross-validation."""
    grid = {"svc__C": [1.0, 10.0], "svc__gamma": [0.03, 0.1, 0.3, 1.0]}
    found = GridSearchCV(make_pipeline(StandardScaler(), SVC()), grid, cv=3).fit(x, y)
    return 0.01 + float(np.mean(found.predict(fresh) != goal))


def quietly(work: Callable[[], Any]) -> Any:
    """What comes of it, without its warnings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return work()
