"""Quadratic models with an l1 penalty, many at once, against scikit-learn's lasso and the optimality conditions."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Lasso

from steepest.numerics import many_active_sets
from steepest.numerics.many_active_sets import _by_active_sets, _by_coordinates, minima

RANDOM = np.random.default_rng(0)
ALPHAS = np.array([0.003, 0.03, 0.1, 0.3, 3.0])


def classes(k: int, runs: int = 4, n: int = 60, p: int = 6, alike: float = 0.0) -> tuple[np.ndarray, ...]:
    """A softmax loss's model in coefficients of k classes: c, g, Hessians, thresholds (the first column has none), and `flat`."""
    x = np.column_stack([np.ones(n), RANDOM.normal(size=(n, p - 1)) + alike * RANDOM.normal(size=(n, 1))])
    share = RANDOM.dirichlet(np.ones(k), size=(runs, n))
    bend = share[..., :, None] * np.eye(k) - share[..., :, None] * share[..., None, :]
    hessian = np.einsum("rnkl,ni,nj->rkilj", bend, x, x) / n
    level = np.einsum("raiai->ri", hessian) / k**2 * np.r_[1.0, np.full(p - 1, 1e-9)]
    view = np.einsum("raibi->rabi", hessian)
    view += level[:, None, None, :]
    slope = RANDOM.normal(size=(runs, k, p))
    slope -= slope.mean(1, keepdims=True)
    thresholds = np.tile(np.r_[0.0, np.ones(p - 1)], k) * np.geomspace(0.01, 1.0, runs)[:, None]
    c = RANDOM.normal(size=(runs, k * p)) * (RANDOM.random((runs, k * p)) < 0.5)
    flat = np.einsum("rajbj->jr", hessian)
    return c, slope.reshape(runs, -1), hessian.reshape(runs, k * p, k * p), thresholds, flat


def off(c: np.ndarray, g: np.ndarray, hessian: np.ndarray, thresholds: np.ndarray, d: np.ndarray) -> float:
    """How far d is from 0 ∈ g + Hd + thresholds·∂|c + d|."""
    z, slope = c + d, g + (hessian @ d[..., None])[..., 0]
    there = np.abs(slope + thresholds * np.sign(z))
    return float(np.where(z != 0.0, there, np.maximum(np.abs(slope) - thresholds, 0.0)).max())


def test_each_run_is_a_lasso():
    x, y = RANDOM.normal(size=(50, 8)), RANDOM.normal(size=50)
    first = RANDOM.normal(size=(len(ALPHAS), 8))
    slopes, hessian = (first @ x.T - y) @ x / 50, np.tile(x.T @ x / 50, (len(ALPHAS), 1, 1))
    d, sweeps = minima(first, slopes, hessian, np.tile(ALPHAS[:, None], 8), 1, 0)
    assert sweeps == 0
    best = [Lasso(a, fit_intercept=False, tol=1e-14, max_iter=100_000).fit(x, y).coef_ for a in ALPHAS]
    np.testing.assert_allclose(first + d, best, atol=1e-9)


@pytest.mark.parametrize("k", [3, 4, 5])
@pytest.mark.parametrize("alike", [0.0, 1.0])
def test_classes_end_at_the_optimality_conditions(k, alike):
    c, g, hessian, thresholds, flat = classes(k, alike=alike)
    d = _by_active_sets(c, g, hessian, thresholds, flat, k)
    found = ~np.isnan(d[:, 0])
    assert found.sum() >= 3
    given = c[found], g[found], hessian[found], thresholds[found]
    assert off(*given, d[found]) < 1e-8
    swept, sweeps = _by_coordinates(*given, flat[:, found], k, 1_000)
    assert sweeps <= 100  # thousands, where the classes' coefficients are moved one by one alone
    assert off(*given, swept) < 1e-3


def test_what_has_no_active_set_in_time_is_swept(monkeypatch):
    c, g, hessian, thresholds, _ = classes(3)
    wanted, none = minima(c, g, hessian, thresholds, 3, 1_000)
    monkeypatch.setattr(many_active_sets, "GUESSES", 0)
    d, sweeps = minima(c, g, hessian, thresholds, 3, 1_000)
    assert none == 0 < sweeps
    np.testing.assert_allclose(d, wanted, atol=1e-3)
    assert np.isnan(minima(c, g, hessian, thresholds, 3, 1)[0]).all()
