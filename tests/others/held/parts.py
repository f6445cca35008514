"""What the cases are made of: rows from a seed, networks from a seed, and scores on fresh rows.

Every maker of rows draws them from one truth, whatever the seed, so that fresh rows are the same maker with `fresh(seed)`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

Rows = tuple[np.ndarray, np.ndarray]
Score = Callable[[Any], float]

WORST = 1e30  # the score of predictions that are no numbers
FRESH = 1500  # fresh rows that a score is taken on


def fresh(seed: int) -> int:
    """The seed of rows that no fit has seen."""
    return seed + 100_003


@contextmanager
def weights(seed: int) -> Iterator[None]:
    """The initial weights of networks made here come from this seed; PyTorch's own random numbers stay as they were."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield


# ---- numbers to predict ----------------------------------------------------------------------------


def waves(seed: int, n: int = 300, noise: float = 0.1) -> Rows:
    """x `[n, 2]` between −2 and 2, y a wave along one column and a bowl along the other: about −1.5 to 3."""
    random = np.random.default_rng(seed)
    x = random.uniform(-2, 2, (n, 2))
    return x, np.sin(2 * x[:, 0]) + 0.5 * x[:, 1] ** 2 - 0.5 + noise * random.standard_normal(n)


def bends(seed: int, n: int = 300, p: int = 5, noise: float = 0.2) -> Rows:
    """x `[n, p]` standard normal, y of variance about 1: a kink, a product and a line in its first columns."""
    random = np.random.default_rng(seed)
    x = random.standard_normal((n, p))
    y = np.abs(x[:, 0]) - 0.8 + 0.6 * x[:, 1] * x[:, 2] + 0.4 * x[:, 3]
    return x, y + noise * random.standard_normal(n)


def plane(seed: int, n: int = 200, p: int = 4, noise: float = 0.5) -> Rows:
    """x `[n, p]` standard normal, y = 2 + x·θ + noise with θ = 1.5, −1, 0.75, −0.5, …"""
    random = np.random.default_rng(seed)
    x = random.standard_normal((n, p))
    theta = np.resize([1.5, -1.0, 0.75, -0.5], p)
    return x, 2.0 + x @ theta + noise * random.standard_normal(n)


# ---- classes to tell apart -------------------------------------------------------------------------


def rings(seed: int, n: int = 300, classes: int = 2, noise: float = 0.1) -> Rows:
    """x `[n, 2]` on rings of radius 1, 2, … and the number of the ring."""
    random = np.random.default_rng(seed)
    codes = random.integers(0, classes, n)
    radius = 1.0 + codes + noise * random.standard_normal(n)
    angle = random.uniform(0, 2 * np.pi, n)
    return np.column_stack([radius * np.cos(angle), radius * np.sin(angle)]), codes


def clouds(seed: int, n: int = 300, classes: int = 4, spread: float = 0.35) -> Rows:
    """x `[n, 2]` in clouds around a circle, their codes in no order along it."""
    random = np.random.default_rng(seed)
    codes = random.integers(0, classes, n)
    place = np.random.default_rng(99 + classes).permutation(classes)[codes] * 2 * np.pi / classes
    x = 1.5 * np.column_stack([np.cos(place), np.sin(place)]) + spread * random.standard_normal((n, 2))
    return x, codes


def mixed(seed: int, n: int = 400, p: int = 3) -> Rows:
    """x `[n, p]` standard normal and classes 0 and 1 by the sign of a product and a line; few are drawn wrong."""
    random = np.random.default_rng(seed)
    x = random.standard_normal((n, p))
    odds = 12.0 * x[:, 0] * x[:, 1] + 6.0 * x[:, 2]
    return x, (random.random(n) < 1 / (1 + np.exp(-odds))).astype(int)


def stripes(seed: int, n: int = 300, noise: float = 0.4) -> Rows:
    """Images `[n, 1, 8, 8]` from 0 to 1 with stripes across, down or along the diagonal, and which: 0, 1, 2."""
    random = np.random.default_rng(seed)
    codes = random.integers(0, 3, n)
    down, across = np.mgrid[:8, :8]
    along = np.stack([down, across, down + across])[codes]
    images = 0.5 + 0.3 * np.sin(np.pi / 2 * along + random.uniform(0, 2 * np.pi, (n, 1, 1)))
    return np.clip(images + noise * random.uniform(-0.5, 0.5, images.shape), 0, 1)[:, None], codes


def sentences(seed: int, n: int = 300, length: int = 8, words: int = 30) -> Rows:
    """Numbers of words `[n, length]`; the first third of the words speak for class 1, the second third against it."""
    random = np.random.default_rng(seed)
    said = random.integers(0, words, (n, length))
    mood = (said < words // 3).sum(1) - ((said >= words // 3) & (said < 2 * words // 3)).sum(1)
    return said, np.digitize(mood, [-0.5, 0.5])


# ---- scores ----------------------------------------------------------------------------------------


def _number(value: float) -> float:
    return float(value) if np.isfinite(value) else WORST


def squared(x: Any, y: np.ndarray) -> Score:
    """Mean squared error of the predictions for rows x against y."""

    def score(fit: Any) -> float:
        with np.errstate(all="ignore"):
            return _number(np.mean((np.asarray(fit.predict(x), dtype=float).ravel() - y) ** 2))

    return score


def wrong(x: Any, labels: np.ndarray) -> Score:
    """Share of rows x whose predicted label is another: the nearest of the labels where numbers are predicted, and the
    largest of the columns where there is one for each class."""

    def score(fit: Any) -> float:
        said = np.asarray(fit.predict(x))
        if fit.schema.classes is None and said.ndim == 2:
            said = said.argmax(1)
        elif fit.schema.classes is None:
            known = np.unique(labels).astype(float)
            said = known[np.abs(np.nan_to_num(said)[:, None] - known).argmin(1)]
        return float(np.mean(said != labels))

    return score


def surprise(x: Any, labels: np.ndarray) -> Score:
    """Mean of −log of the probability given to the true label of rows x."""

    def score(fit: Any) -> float:
        given = fit.predict_proba(x)
        column = {str(label): place for place, label in enumerate(fit.schema.classes)}
        places = np.array([column[str(label)] for label in labels])
        return _number(-np.mean(np.log(np.maximum(given[np.arange(len(places)), places], 1e-12))))

    return score
