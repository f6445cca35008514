"""Quadratics within bounds, beside scipy's bounded-variable least squares."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import lsq_linear, minimize

from steepest.numerics.box import _by_coordinates, _by_least_squares, minimum, violation


@pytest.mark.parametrize("seed", range(12))
def test_it_is_the_answer_of_scipy(seed):
    random = np.random.default_rng(seed)
    size = int(random.integers(1, 12))
    design, target = (
        random.normal(size=(size + 20, size)) * 10.0 ** random.uniform(-3, 3, size),
        random.normal(size=size + 20),
    )
    low = np.where(random.random(size) < 0.3, -np.inf, random.normal(size=size) - 0.5)
    high = np.where(random.random(size) < 0.3, np.inf, np.where(np.isfinite(low), low, 0.0) + random.random(size))
    hessian, slopes = design.T @ design, -design.T @ target
    expected = lsq_linear(design, target, (low, np.maximum(high, low + 1e-12)), method="bvls", tol=1e-15).x
    found = minimum(hessian, slopes, low, high)
    value = np.sum((design @ found - target) ** 2)
    assert value <= np.sum((design @ expected - target) ** 2) * (1 + 1e-10)
    assert violation(hessian @ found + slopes, found, low, high) <= 1e-9 * np.abs(slopes).max()
    np.testing.assert_allclose(_by_least_squares(hessian, slopes, low, high), found, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("seed", range(8))
def test_with_thresholds_it_is_the_answer_of_twice_as_many_variables(seed):
    """|c + d| = p + q with c + d = p − q: a quadratic programme within bounds, by scipy's L-BFGS-B."""
    random = np.random.default_rng(seed)
    size = int(random.integers(2, 8))
    design = random.normal(size=(30, size))
    hessian, slopes = design.T @ design, 20 * random.normal(size=size)
    at, thresholds = random.normal(size=size), 10 * random.random(size)
    low, high = at - 2 * random.random(size), at + 2 * random.random(size)  # of c + d
    found = minimum(hessian, slopes, low - at, high - at, thresholds, at)

    def value(parts):
        d = parts[:size] - parts[size:] - at
        slope = slopes + hessian @ d
        total = slopes @ d + 0.5 * d @ hessian @ d + thresholds @ (parts[:size] + parts[size:])
        return total, np.concatenate([slope + thresholds, thresholds - slope])

    limits = [(max(a, 0), max(b, 0)) for a, b in zip(low, high, strict=True)]
    limits += [(max(-b, 0), max(-a, 0)) for a, b in zip(low, high, strict=True)]
    options = {"ftol": 1e-15, "gtol": 1e-10, "maxiter": 5000}
    expected = minimize(value, np.ones(2 * size), jac=True, method="L-BFGS-B", bounds=limits, options=options)
    mine = slopes @ found + 0.5 * found @ hessian @ found + thresholds @ np.abs(at + found)
    assert mine <= expected.fun + 1e-9 * abs(expected.fun)
    assert violation(hessian @ found + slopes, at + found, low, high, thresholds) <= 1e-9 * np.abs(slopes).max()
    other = _by_coordinates(hessian, slopes, low - at, high - at, thresholds, at)
    np.testing.assert_allclose(other, found, rtol=1e-8, atol=1e-9)


def test_a_direction_without_curvature_and_a_coefficient_that_is_held():
    found = minimum(
        np.diag([0.0, 2.0, 2.0]), np.array([1.0, -2.0, 5.0]), np.array([-3.0, -9.0, 0.5]), np.array([3.0, 9.0, 0.5])
    )
    np.testing.assert_allclose(found, [-3.0, 1.0, 0.5])
