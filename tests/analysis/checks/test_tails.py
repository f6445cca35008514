"""Heavy tails, spreads that grow, medians where means are asked for, and numbers too large for float32."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.stats import norm, t
from statsmodels.stats.diagnostic import het_breuschpagan

import steepest as st
from steepest.analysis.checks.medians import medians
from steepest.analysis.checks.overflow import overflow
from steepest.analysis.checks.residual_spread import centred
from steepest.analysis.checks.tails import breusch_pagan, tail
from steepest.analysis.finding import Kind


def kinds(*data, **settings):
    return [found.kind for found in st.fit(*data, **settings).diagnose()]


def test_the_test_of_breusch_and_pagan_is_that_of_statsmodels():
    random = np.random.default_rng(0)
    prediction = random.uniform(1.0, 5.0, 200)
    residual = prediction * random.normal(size=200)
    known = het_breuschpagan(residual, np.column_stack([np.ones(200), prediction]))
    assert breusch_pagan(residual**2, prediction) == pytest.approx(known[:2], rel=1e-9)


def test_the_efficiency_of_squares_is_the_asymptotic_one():
    """Of the variances of Huber's estimator and of the mean (Huber 1964), for Student's t of 3 degrees of freedom."""
    law = t(3)
    scale = 1.4826 * law.ppf(0.75)
    width = 1.345 * scale
    inside = 2 * law.cdf(width) - 1
    grid = np.linspace(-width, width, 200_001)
    squares = np.trapezoid(grid**2 * law.pdf(grid), grid) + width**2 * (1 - inside)
    sample = law.ppf((np.arange(200_000) + 0.5) / 200_000)
    assert tail(sample).efficiency == pytest.approx(squares / inside**2 / 3.0, rel=0.02)
    assert tail(norm.ppf((np.arange(10_000) + 0.5) / 10_000)).efficiency == 1.0
    assert brentq(lambda a: norm.cdf(a) - 0.75, 0, 1) * 1.4826 == pytest.approx(1.0, abs=1e-4)


def straight(seed, n=300):
    random = np.random.default_rng(seed)
    x = random.normal(size=(n, 3))
    return random, x, 1 + x @ [1.0, 2.0, -1.0]


def test_heavy_tails_are_told_from_outliers():
    for seed in range(5):
        random, x, line = straight(seed)
        found = list(st.fit(x, line + random.standard_t(1.2, 300)).diagnose())
        assert [(one.kind, list(one.remedy)) for one in found] == [(Kind.HEAVY_TAIL, ["loss"])]
        far = np.where(np.arange(300) < 6, 40.0, 0.0)
        assert kinds(x, line + random.normal(size=300) + far) == [Kind.OUTLIERS]
        assert kinds(x, line + random.laplace(size=300)) == []


def test_a_spread_that_grows_with_the_prediction():
    for seed in range(5):
        random, x, _ = straight(seed)
        mean = 1 + 9 * random.uniform(size=300)
        assert kinds(mean, mean * (1 + 0.3 * random.normal(size=300))) == [Kind.SPREAD]
        assert kinds(mean, mean + random.normal(size=300)) == []
        assert kinds(x, np.exp(0.5 * x[:, 0] + 0.5 * random.normal(size=300))) == [Kind.LOG_TARGET]


def test_residuals_of_a_module_that_is_not_yet_right_on_average_say_nothing():
    random = np.random.default_rng(0)
    prediction = random.uniform(1.0, 5.0, 300)
    assert centred(random.normal(size=300) * prediction, prediction)
    assert not centred(random.normal(size=300) + (prediction - 3.0) ** 2, prediction)


def found_medians(*data, **settings):
    return [found.remedy for found in medians(st.fit(*data, **settings))]


def test_medians_far_from_means():
    for seed in range(2):
        random, x, line = straight(seed, 600)
        seldom = np.where(random.random(600) < 0.7, 0.0, np.exp(0.3 * line))
        skewed = line + 3 * random.exponential(size=600)
        for y in (seldom, skewed):
            assert found_medians(x, y, loss="l1") == [{"loss": "mse"}]
            assert found_medians(x, y, loss="mse") == found_medians(x, y, loss="quantile:0.9") == []
        far = np.where(random.random(600) < 0.05, 30.0, 0.0)
        for noise in (random.normal(size=600), random.laplace(size=600), random.normal(size=600) + far):
            assert found_medians(x, line + noise, loss="l1") == []


def test_numbers_that_float32_does_not_hold():
    _, x, y = straight(0, 100)
    settings = {"dtype": "float32"}
    (found,) = overflow(st.fit(x, 1e20 * y, **settings))
    assert (found.kind, found.remedy, "3.4e+38" in found.evidence) == (Kind.OVERFLOW, {"dtype": "float64"}, True)
    assert [one.kind for one in st.diagnose(x, 1e20 * y, **settings).findings] == [Kind.OVERFLOW]
    since = np.column_stack([1.7e9 + x[:, 0], x[:, 1]])
    (found,) = overflow(st.fit(since, y, model="mlp:4", epochs=5, **settings))
    assert "too few digits" in found.what
    assert list(overflow(st.fit(1e6 * x, 1e6 * y, **settings))) == []
    assert list(overflow(st.fit(x, 1e20 * y))) == []
