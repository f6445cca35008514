"""What checks of the data ask of rows: the directions in which they differ, and which of them are near one another."""

from __future__ import annotations

from typing import Any

import numpy as np

from steepest.analysis.finding import Prepared
from steepest.data.dataset import Dataset
from steepest.model.prediction import outputs

MOST_COMPONENTS = 30


def flat(x: np.ndarray) -> np.ndarray:
    """Rows of any shape as `[n, d]`."""
    return x.reshape(len(x), -1)


def standardised(x: np.ndarray) -> np.ndarray:
    """The columns of x `[n, d]` that vary, with mean 0 and standard deviation 1."""
    centred = x - x.mean(0)
    spread = np.sqrt((centred**2).mean(0))
    live = spread > 1e-12 * np.abs(x).max(0, initial=0.0)
    return centred[:, live] / spread[live]


def components(x: np.ndarray, most: int) -> np.ndarray:
    """The principal components `[n, c]` of standardised columns x `[n, d]`, at most so many and 30, each of variance 1."""
    from scipy.linalg import eigh

    z = standardised(x)
    if not z.shape[1] or most < 1:
        return z[:, :0]
    tall = len(z) >= z.shape[1]
    products = z.T @ z if tall else z @ z.T
    first = max(len(products) - min(most, MOST_COMPONENTS), 0)
    found = eigh(products, subset_by_index=[first, len(products) - 1])
    values, vectors = np.asarray(found[0]), np.asarray(found[1])
    kept = values > 1e-12 * values[-1]
    values, vectors = values[kept][::-1], vectors[:, kept][:, ::-1]
    return (z @ vectors / np.sqrt(values) if tall else vectors) * np.sqrt(len(z))


def nearest(z: np.ndarray, count: int) -> np.ndarray:
    """The numbers `[n, count]` of the rows nearest to each of z `[n, d]`, the nearest first, itself left out."""
    far = (z**2).sum(1)
    distance = far[:, None] + far - 2.0 * z @ z.T
    np.fill_diagonal(distance, np.inf)
    found = np.argpartition(distance, count - 1, axis=1)[:, :count]
    return np.take_along_axis(found, np.argsort(np.take_along_axis(distance, found, 1), axis=1, kind="stable"), 1)


def predicted(given: Prepared, rows: Dataset, theta: np.ndarray | None = None) -> np.ndarray | None:
    """What a finished fit predicts for rows, `[n]`, at its θ or another one.

    None before a fit, and where that is not finite or several numbers.
    """
    fit: Any = given
    theta = getattr(given, "theta", None) if theta is None else theta
    if theta is None or not np.isfinite(theta).all():
        return None
    with np.errstate(over="ignore"):
        found = fit.loss_function.mean_of(outputs(fit, rows.x, theta, rows.offset))
    return found if found.ndim == 1 and np.isfinite(found).all() else None
