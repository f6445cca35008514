"""The rows that sick fits are made of, and what can be known about them with NumPy alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from steepest.data import synthetic


def rows(
    seed: int, n: int = 120, p: int = 3, noise: float = 0.5, intercept: float = 1.0, correlation: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """x `[n, p]` standard normal, any two columns so correlated, and y = intercept + x·θ + noise, |θⱼ| from 1 to 2."""
    random = np.random.default_rng(seed)
    shared = random.standard_normal((n, 1))
    x = (1 - correlation) ** 0.5 * random.standard_normal((n, p)) + correlation**0.5 * shared
    theta = random.uniform(1, 2, p) * random.choice([-1.0, 1.0], p)
    return x, intercept + x @ theta + noise * random.standard_normal(n)


def labels(seed: int, n: int = 160, p: int = 3, intercept: float = 0.3) -> tuple[np.ndarray, np.ndarray]:
    """x as in `rows`, and classes 0 and 1 drawn with log-odds intercept + x·θ: about a quarter on the wrong side."""
    random = np.random.default_rng(seed)
    x = random.standard_normal((n, p))
    odds = intercept + x @ (random.uniform(0.5, 1.0, p) * random.choice([-1.0, 1.0], p))
    return x, (random.random(n) < 1 / (1 + np.exp(-odds))).astype(int)


def design(x: np.ndarray, degree: int = 1) -> np.ndarray:
    """A column of ones beside x; with a degree, beside the powers of its one column."""
    powers = x if degree == 1 else x[:, :1] ** np.arange(1, degree + 1)
    return np.column_stack([np.ones(len(x)), powers])


def squares(a: np.ndarray) -> np.ndarray:
    """Eigenvalues of the mse's Hessian 2·AᵀA/n, rising."""
    return np.linalg.eigvalsh(2 * a.T @ a / len(a))


def logistic(a: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Eigenvalues, rising, of the logistic loss's Hessian AᵀSA/n at its optimum, which Newton's method finds."""
    theta = np.zeros(a.shape[1])
    for _ in range(30):
        share = 1 / (1 + np.exp(-a @ theta))
        hessian = (a * (share * (1 - share))[:, None]).T @ a / len(a)
        theta -= np.linalg.solve(hessian, a.T @ (share - y) / len(a))
    return np.linalg.eigvalsh(hessian)


def limit(values: np.ndarray, momentum: float = 0.0, nesterov: bool = False) -> float:
    """The largest rate that is stable on a quadratic: 2/λ, 2(1 + β)/λ, 2(1 + β)/(1 + 2β)/λ."""
    return 2 * (1 + momentum) / (1 + 2 * momentum * nesterov) / values[-1]


def best(values: np.ndarray) -> float:
    """The rate at which gradient descent shrinks all errors fastest: 2/(λ_max + λ_min)."""
    return 2 / (values[-1] + values[0])


def bundled(name: str, columns: Sequence[str] | None = None, target: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of a bundled table: its columns `[n, d]` and one of its targets."""
    table, targets = synthetic.sample(name), synthetic.sample_target(name)
    chosen = columns or [column for column in table.column_names if column not in targets]
    return np.column_stack([table[c].to_numpy() for c in chosen]).astype(float), table[targets[target]].to_numpy()


def standardised(x: np.ndarray) -> np.ndarray:
    """Columns of mean 0 and variance 1."""
    return (x - x.mean(0)) / x.std(0)
