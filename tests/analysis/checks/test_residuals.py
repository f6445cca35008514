"""Outliers, bends and logarithms are told apart: the cause stays, its consequence goes, and two causes are two findings."""

from __future__ import annotations

import numpy as np
import pytest

import steepest as st
from steepest.analysis.checks.residuals import residuals
from steepest.analysis.diagnosis import diagnose
from steepest.analysis.finding import Kind


def kinds(fit):
    return [finding.kind for finding in residuals(fit)]


def test_a_log_target_bends_and_spreads_and_is_one_finding():
    random = np.random.default_rng(0)
    x = random.normal(size=(300, 2))
    y = np.exp(x @ [1.0, 0.7] + 0.3 * random.normal(size=300))
    assert kinds(st.fit(x, y)) == [Kind.LOG_TARGET]


def test_an_outlier_beside_a_bend_makes_two():
    fit = st.fit("sample:quadratic_with_outlier")
    assert kinds(fit) == [Kind.CURVATURE, Kind.OUTLIERS]
    both = {}
    for finding in residuals(fit):
        both |= finding.remedy
    assert kinds(st.fit("sample:quadratic_with_outlier", **both)) == []
    assert kinds(st.fit("sample:quadratic_with_outlier", model="poly:2")) == [Kind.OUTLIERS]


def test_a_missing_intercept_looks_like_a_bend_and_is_none():
    random = np.random.default_rng(1)
    x = random.uniform(0, 3, size=(200, 1))
    assert kinds(st.fit(x, 8 + 2 * x[:, 0] + random.normal(size=200), intercept=False)) == [Kind.INTERCEPT]


def test_an_outlier_in_a_positive_target_asks_for_no_log():
    random = np.random.default_rng(2)
    x = random.normal(size=(60, 1))
    y = 10 + x[:, 0] + random.normal(size=60)
    y[3] = 500.0
    assert kinds(st.fit(x, y)) == [Kind.OUTLIERS]


def test_a_robust_loss_still_bends():
    random = np.random.default_rng(3)
    x = random.normal(size=(150, 1))
    y = x[:, 0] ** 2 + 0.3 * random.normal(size=150)
    y[0] = 300.0
    assert kinds(st.fit(x, y, loss="huber:0.4")) == [Kind.CURVATURE]
    assert kinds(st.fit(x, y, loss="huber:0.4", model="poly:2")) == []


@pytest.mark.parametrize(
    "settings",
    [{}, {"test_fraction": 0.25}, {"penalty": "l2:0.01"}, {"loss": "l1"}, {"columns": ["bmi", "bp"]}],
)
def test_the_diabetes_table_is_healthy(settings):
    assert [finding.kind for finding in diagnose(st.fit("sample:diabetes", **settings)) if finding.of_model] == []


@pytest.mark.parametrize("name", ["line", "noisy_line"])
def test_the_generated_lines_are_healthy(name):
    assert kinds(st.fit(f"sample:{name}", test_fraction=0.25)) == []


def test_several_targets_and_classes_are_not_asked():
    assert kinds(st.fit("sample:linnerud")) == []
    assert kinds(st.fit("sample:iris", penalty="l2:0.01")) == []
