"""A target that wants a log: the likelihood is scipy's, the remedy is a setting, and what is additive is let be."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

import steepest as st
from steepest.analysis.checks.regression import Regression
from steepest.analysis.checks.residuals import likelihoods, logarithm, residuals
from steepest.analysis.finding import Kind


def found(fit):
    return {finding.kind: finding for finding in residuals(fit)}


def test_the_likelihood_is_that_of_box_and_cox():
    y = np.exp(1 + stats.norm.ppf((np.arange(200) + 0.5) / 200))
    x = np.resize([-1.0, 1.0], 200)[:, None]  # nothing that y depends on
    x -= x.mean()
    found = likelihoods(Regression(x, np.log(y), None, ("x",), "y").thinned, y)
    known = [stats.boxcox_llf(power, y) for power in (0.0, 0.5, 1.0)]
    gains = found[0] - found[1], found[0] - found[2]
    assert gains == (pytest.approx(known[0] - known[1], rel=1e-2), pytest.approx(known[0] - known[2], rel=1e-2))


@pytest.mark.parametrize("table", [False, True])
def test_a_target_of_factors_is_predicted_on_a_log_scale(table):
    random = np.random.default_rng(0)
    x = random.normal(size=(200, 2))
    logs = 3 + x @ [1.0, -0.5] + 0.4 * random.normal(size=200)
    data = (x, np.exp(logs)) if not table else ({"a": x[:, 0], "b": x[:, 1], "price": np.exp(logs)},)
    settings = {"target": "price"} if table else {}
    finding = found(st.fit(*data, **settings))[Kind.LOG_TARGET]
    assert finding.remedy == {"target": "log(price)" if table else "log(y)"}
    mended = st.fit(*data, **(settings | finding.remedy))
    assert not found(mended)
    known = np.linalg.lstsq(np.column_stack([np.ones(200), x]), logs, rcond=None)[0]
    np.testing.assert_allclose(mended.theta, known, rtol=1e-9)
    r2, factor = (
        float(finding.predicted.split(words)[1].split()[0].rstrip(","))
        for words in ("R² at the optimum is ", "factor of ")
    )
    assert (r2, factor) == (pytest.approx(mended.metrics["train"]["r2"], abs=0.01), pytest.approx(np.exp(0.4), rel=0.1))


def test_a_root_is_no_log():
    random = np.random.default_rng(1)
    x = random.uniform(0, 3, size=(300, 1))
    y = (5 + x[:, 0] + 0.5 * random.normal(size=300)) ** 2
    assert Kind.LOG_TARGET not in found(st.fit(x, y))


@pytest.mark.parametrize("shift", [0.0, -1e-9])
def test_a_target_that_is_not_positive_has_no_log(shift):
    random = np.random.default_rng(2)
    x = random.normal(size=(100, 1))
    y = np.exp(2 * x[:, 0] + 0.3 * random.normal(size=100))
    y[0] = shift
    assert Kind.LOG_TARGET not in found(st.fit(x, y))


# Measured over 900 seeds for each noise: none.
@pytest.mark.parametrize("noise", ["normal", "standard_t", "laplace", "uniform"])
def test_additive_data_want_none(noise):
    for seed in range(60):
        random = np.random.default_rng(seed)
        x = random.normal(size=(100, 2))
        drawn = random.standard_t(3, size=100) if noise == "standard_t" else getattr(random, noise)(size=100)
        y = 20 + x.sum(1) + drawn
        judged = logarithm(Regression(x, y, None, ("a", "b"), "y"))
        assert judged is None
