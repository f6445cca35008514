"""What the cases are made of: rows by formula, modules by seed, and scores on fresh rows.

A source gives as many rows as asked for, always from the same law: those to fit and those to score by.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import nn

SMALLEST = 1e-6  # of a probability in a log loss, so that one wrong certainty is not infinite


def built(seed: int, make: Callable[[], nn.Module]) -> nn.Module:
    """A module whose random start is that of a seed; the state of PyTorch's generator stays."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return make()


def perceptron(
    seed: int, *widths: int, between: Callable[[], nn.Module] = nn.ReLU, end: Sequence[nn.Module] = ()
) -> Any:
    """Linear layers of these widths with an activation between them, and what follows the last."""

    def make() -> nn.Module:
        layers: list[nn.Module] = []
        for i in range(len(widths) - 1):
            layers += [nn.Linear(widths[i], widths[i + 1]), between()]
        return nn.Sequential(*layers[:-1], *end)

    return built(seed, make)


# ---- rows --------------------------------------------------------------------------------------------


def waves(seed: int, n: int, p: int = 5, noise: float = 0.3) -> tuple[np.ndarray, np.ndarray]:
    """x `[n, p]` standard normal; y a smooth function of its first three columns, which no line fits, of variance near 2."""
    random = np.random.default_rng(seed)
    x = random.standard_normal((n, p))
    y = 1.4 * np.sin(1.5 * x[:, 0]) + x[:, 1] * x[:, 2] + 0.5 * x[:, 1]
    return x, y + noise * random.standard_normal(n)


def plane(seed: int, n: int, p: int = 4, noise: float = 0.5) -> tuple[np.ndarray, np.ndarray]:
    """x `[n, p]` standard normal, y = 1 + x·θ + noise, with θⱼ = 1, −1.3, 1.6, …"""
    random = np.random.default_rng(seed)
    x = random.standard_normal((n, p))
    theta = (1 + 0.3 * np.arange(p)) * (-1.0) ** np.arange(p)
    return x, 1 + x @ theta + noise * random.standard_normal(n)


def moons(seed: int, n: int, noise: float = 0.18) -> tuple[np.ndarray, np.ndarray]:
    """Two half circles that hook into each other, `[n, 2]`, and which of them: 0 or 1."""
    random = np.random.default_rng(seed)
    which, angle = random.integers(2, size=n), np.pi * random.random(n)
    side = 1 - 2 * which
    x = np.column_stack([side * np.cos(angle) + which, side * np.sin(angle) + 0.5 * which])
    return x - [0.5, 0.25] + noise * random.standard_normal((n, 2)), which


def clusters(seed: int, n: int, k: int = 4, p: int = 6, apart: float = 1.6) -> tuple[np.ndarray, np.ndarray]:
    """Two clouds for each of k classes, `[n, p]`, so that no plane parts them, and the codes 0 … k−1."""
    centres = apart * np.random.default_rng(1000 + k + p).standard_normal((2, k, p))
    random = np.random.default_rng(seed)
    code, half = random.integers(k, size=n), random.integers(2, size=n)
    return centres[half, code] + random.standard_normal((n, p)), code


def clouds(seed: int, n: int, k: int = 3, p: int = 4, apart: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """One round cloud for each of k classes, `[n, p]`, so that planes part them as well as anything, and the codes 0 … k−1."""
    centres = apart * np.random.default_rng(2000 + k + p).standard_normal((k, p))
    random = np.random.default_rng(seed)
    code = random.integers(k, size=n)
    return centres[code] + random.standard_normal((n, p)), code


def drawings(seed: int, n: int, size: int = 8, noise: float = 0.35) -> tuple[np.ndarray, np.ndarray]:
    """Small noisy pictures `[n, 1, size, size]` of a bar that lies, a bar that stands and a cross, at places of their own."""
    random = np.random.default_rng(seed)
    kind = random.integers(3, size=n)
    rows, columns = np.mgrid[:size, :size]
    i, j = random.integers(1, size - 1, size=(2, n, 1, 1))
    lies, stands = rows == i, columns == j
    near = (abs(rows - i) < 3) & (abs(columns - j) < 3)
    shapes = np.stack([lies, stands, (lies | stands) & near], 1)
    pictures = shapes[np.arange(n), kind][:, None].astype(float)
    return (pictures + noise * random.standard_normal(pictures.shape)).astype(np.float32), kind


def scans(seed: int, n: int, k: int = 10, noise: float = 90.0) -> tuple[np.ndarray, np.ndarray]:
    """Grey values from 0 to 255 of small scans in a row `[n, 64]`, each of one of k blots, and which one."""
    blots = np.random.default_rng(64 + k).choice([60.0, 190.0], (k, 64))
    random = np.random.default_rng(seed)
    which = random.integers(k, size=n)
    return np.clip(blots[which] + noise * random.standard_normal((n, 64)), 0, 255).round(), which


def sentences(seed: int, n: int, length: int = 8, words: int = 30) -> tuple[np.ndarray, np.ndarray]:
    """Sequences of numbers of words `[n, length]`, and whether more of them are good words than bad ones."""
    value = np.random.default_rng(words).choice([-1.0, 0.0, 1.0], words)
    random = np.random.default_rng(seed)
    x = random.integers(words, size=(n, length))
    return x, (value[x].sum(1) + 0.7 * random.standard_normal(n) > 0).astype(int)


def named(x: np.ndarray, *names: str, **columns: Any) -> pa.Table:
    """A table of the columns of x under these names, and of others."""
    return pa.table({**{name: x[:, j] for j, name in enumerate(names)}, **columns})


# ---- scores ------------------------------------------------------------------------------------------


def squared(x: Any, y: np.ndarray) -> Callable[[Any], float]:
    """The mean squared error of a fit's predictions."""
    return lambda fit: float(np.mean((np.asarray(fit.predict(x)).reshape(y.shape) - y) ** 2))


def log_loss(x: Any, codes: np.ndarray) -> Callable[[Any], float]:
    """The mean of −log p of the true class; codes are places in the order of the fit's classes."""

    def score(fit: Any) -> float:
        p = np.asarray(fit.predict_proba(x))[np.arange(len(codes)), codes]
        return float(-np.log(np.clip(p, SMALLEST, 1.0)).mean())

    return score


def wrong(x: Any, labels: np.ndarray) -> Callable[[Any], float]:
    """The share of labels that a fit has wrong."""
    return lambda fit: float(np.mean(np.asarray(fit.predict(x)) != labels))
