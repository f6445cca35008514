"""Rows that pull a least-squares fit are named, Huber's loss lets go of them, and nothing else is taken for one."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm

import steepest as st
from steepest.analysis.checks.residuals import residuals
from steepest.analysis.finding import Kind


def rows(seed, n=100, p=2):
    random = np.random.default_rng(seed)
    x = random.normal(size=(n, p))
    return x, 1 + x @ np.arange(1.0, p + 1) + random.normal(size=n)


def found(fit):
    return {finding.kind: finding for finding in residuals(fit)}


@pytest.mark.parametrize(("where", "far"), [([17], 50.0), ([3, 40, 99], -25.0), ([0, 5], 1e6)])
def test_the_rows_are_those_that_statsmodels_gives_no_weight_and_huber_lets_go_of_them(where, far):
    x, clean = rows(1)
    y = clean.copy()
    y[where] += far
    fit = st.fit(x, y)
    finding = found(fit)[Kind.OUTLIERS]
    assert sorted(finding.rows) == where
    assert finding.of_model
    known = sm.RLM(y, sm.add_constant(x), M=sm.robust.norms.TukeyBiweight()).fit()
    assert sorted(np.flatnonzero(known.weights < 0.01)) == where
    mended = st.fit(x, y, **finding.remedy)
    assert not found(mended)
    by_statsmodels = sm.RLM(y, sm.add_constant(x), M=sm.robust.norms.HuberT(1.345)).fit()
    np.testing.assert_allclose(mended.theta, by_statsmodels.params, atol=0.02)
    others = np.delete(np.arange(100), where)
    before, after = (np.sqrt(np.mean((y - f.predict(x))[others] ** 2)) for f in (fit, mended))
    assert f"of the other {len(others)} rows falls from {before:.3g} to" in finding.predicted
    said = float(finding.predicted.rstrip(".").split()[-1])
    assert said == pytest.approx(after, rel=0.02)
    assert finding.share == pytest.approx(1 - after**2 / fit.loss, abs=0.02)


def test_a_width_has_two_digits_and_is_1345_scales():
    x, y = rows(2, n=2_000)
    y[7] += 1e4
    assert found(st.fit(x, y))[Kind.OUTLIERS].remedy == {"loss": "huber:1.3"}


def test_where_all_other_rows_are_met_exactly_the_loss_gets_them_back():
    x = np.arange(20.0)
    y = 1 + 2 * x
    y[4] = 90.0
    finding = found(st.fit(x, y))[Kind.OUTLIERS]
    mended = st.fit(x, y, **finding.remedy)
    np.testing.assert_allclose(mended.theta, [1.0, 2.0], atol=2e-3)
    assert not found(mended)


def test_an_outlier_too_small_to_pull_a_large_table_is_let_be():
    x, y = rows(3, n=20_000)
    y[11] += 12.0
    assert Kind.OUTLIERS not in found(st.fit(x, y))


def test_one_row_of_very_many_is_found():
    random = np.random.default_rng(4)
    x = random.normal(size=(200_000, 3))
    y = x.sum(1) + random.normal(size=200_000)
    y[123_457] = 1e5
    finding = found(st.fit(x, y))[Kind.OUTLIERS]
    assert finding.rows == (123_457,)
    assert "an even sample of 10,000 rows" in finding.evidence


def test_rows_without_weight_pull_nothing_and_the_others_keep_their_numbers():
    x, y = rows(5)
    y[[10, 50]] += 60.0
    weights = np.ones(100)
    weights[:20] = 0.0
    assert found(st.fit(x, y, weights=weights))[Kind.OUTLIERS].rows == (50,)


@pytest.mark.parametrize("loss", ["l1", "huber:1", "quantile:0.5"])
def test_a_robust_loss_has_no_outliers(loss):
    x, y = rows(6)
    y[0] += 1000.0
    assert not found(st.fit(x, y, loss=loss))


def test_a_fit_that_diverged_is_judged_by_its_data():
    x, y = rows(7)
    assert not found(st.fit(100 * x, y, optimizer="sgd", lr=1.0, epochs=30))
    y[0] += 80.0
    assert found(st.fit(100 * x, y, optimizer="sgd", lr=1.0, epochs=30))[Kind.OUTLIERS].rows == (0,)
