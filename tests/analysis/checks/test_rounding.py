"""No check reads anything in what rounding leaves over of a perfect fit."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import steepest as st
from steepest.analysis.checks.rounding import loss_level
from steepest.analysis.finding import Kind
from steepest.model.torch_losses import loss


def table(seed):
    """Columns of different sizes and places, and coefficients that no float64 holds exactly."""
    random = np.random.default_rng(seed)
    n, p = int(random.integers(10, 120)), int(random.integers(1, 5))
    x = random.normal(size=(n, p)) * 10.0 ** random.integers(-3, 4, p) + 10.0 ** random.integers(-2, 4, p)
    return random, x, random.normal(size=p)


def constant(random, x, slopes):
    return np.full(len(x), random.normal() * 10.0 ** random.integers(-3, 5))


def constant_to_rounding(random, x, slopes):
    return np.where(random.random(len(x)) < 0.3, 0.1 + 0.2, 0.3)


def plane(random, x, slopes):
    return x @ slopes + 0.7


def far_from_zero(random, x, slopes):
    return 1e12 + 1e-6 * (x @ slopes)


def in_single_precision(random, x, slopes):
    return x.astype(np.float32) @ slopes.astype(np.float32) + np.float32(0.7)


TARGETS = (constant, constant_to_rounding, plane, far_from_zero, in_single_precision)
SETTINGS = ({}, {"loss": "huber:1"}, {"intercept": False}, {"test_fraction": 0.3})


@pytest.mark.filterwarnings("ignore:the target:steepest.SteepestWarning")
@pytest.mark.parametrize("make", TARGETS)
@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_a_perfect_fit_has_no_finding_of_its_residuals(make, settings):
    if make is not plane and settings == {"intercept": False}:
        settings = {}
    for seed in range(3):
        random, x, slopes = table(seed)
        y = make(random, x, slopes)
        if make is plane and "intercept" in settings:
            y = x @ slopes
        if make is in_single_precision:
            x = x.astype(np.float32)
        kinds = {finding.kind for finding in st.fit(x, y, **settings).diagnose()}
        assert not kinds - {Kind.FEW_ROWS}, seed


def test_an_outlier_of_an_exact_line_is_still_one():
    x = np.arange(40.0)
    y = 0.1 * x + 0.3
    y[7] += 1e-3
    (finding,) = st.fit(x, y).diagnose()
    assert (finding.kind, finding.rows) == (Kind.OUTLIERS, (7,))


def test_a_small_bend_of_large_numbers_is_still_one():
    x = np.linspace(-1.0, 1.0, 50)
    (finding,) = st.fit(x, 1e6 + x + 1e-6 * x**2).diagnose()
    assert (finding.kind, finding.remedy) == (Kind.CURVATURE, {"model": "poly:2"})


@pytest.mark.parametrize("batch_size", ["full", 10])
def test_a_module_that_met_its_rows_has_none(batch_size):
    torch.manual_seed(0)
    x = np.random.default_rng(0).normal(size=(60, 3))
    y = x @ [0.1, 0.2, 0.3] + 0.7
    fit = st.fit(x, y, model=nn.Linear(3, 1), optimizer="sgd", lr=0.1, epochs=600, batch_size=batch_size)
    assert fit.loss < 1e-28
    assert list(fit.diagnose()) == []


def test_the_loss_of_rounding_is_that_of_predictions_a_few_units_off():
    y = np.array([1.0, -3.0, 2.5, 0.1])
    off = 16 * np.finfo(float).eps * 3.0
    assert loss_level(loss("mse"), y) == pytest.approx(off**2, rel=0.1)
    assert loss_level(loss("l1"), y) == pytest.approx(off, rel=0.1)
    assert loss_level(loss(lambda p, t: (p - t) ** 2), y) == 0.0


@pytest.mark.filterwarnings("ignore:the target:steepest.SteepestWarning")
def test_a_constant_target_has_no_r2():
    x = np.random.default_rng(0).normal(size=(60, 3))
    for y in (np.full(60, 0.1), np.full(60, 7.0), np.where(x[:, 0] > 0, 0.3, 0.1 + 0.2)):
        assert np.isnan(st.fit(x, y).metrics["train"]["r2"])
    assert st.fit(x, 1e6 + 1e-7 * x[:, 0]).metrics["train"]["r2"] > 0.9


@pytest.mark.parametrize("value", [0.3, 3e5])
def test_a_column_that_varies_by_rounding_counts_as_constant(value):
    random = np.random.default_rng(1)
    x = random.normal(size=50)
    noisy = np.where(random.random(50) < 0.5, value, value * (1 + 2.3e-16))
    assert len(np.unique(noisy)) == 2
    y = 2 * x + random.normal(size=50)
    fit = st.fit({"x": x, "same": noisy, "y": y}, target="y")
    (finding,) = fit.diagnose()
    assert (finding.kind, finding.columns) == (Kind.CONSTANT, ("same",))
    assert "up to rounding" in finding.evidence
    # it takes no part in the fit: the line is that of x alone
    slope, intercept = np.polyfit(x, y, 1)
    assert fit.params["x"] == pytest.approx(slope, rel=1e-9)
    assert fit.predict({"x": [0.0], "same": [value]})[0] == pytest.approx(intercept, rel=1e-9)
    assert fit.status is st.Status.CONVERGED
    ahead = st.diagnose({"x": x, "same": noisy, "y": y}, target="y")
    assert [one.kind for one in ahead.findings] == [Kind.CONSTANT]
