"""Overdispersion: found where Pearson's χ² of statsmodels is far above its degrees of freedom, and of nothing else."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats

import steepest as st
from steepest.analysis.checks.pearson import overdispersion
from steepest.analysis.finding import Kind
from steepest.model.torch_losses import loss

RANDOM = np.random.default_rng(49)
X = RANDOM.normal(size=(250, 2))
MEAN = np.exp(0.5 + 0.6 * X[:, 0])
MIXED = RANDOM.poisson(MEAN * RANDOM.gamma(1.0, 1.0, 250)).astype(float)


def found(fit):
    return [finding for finding in fit.diagnose() if finding.kind is Kind.OVERDISPERSED]


def test_its_numbers_are_those_of_statsmodels_and_of_the_moments_of_scipy():
    theirs = sm.GLM(MIXED, sm.add_constant(X), sm.families.Poisson()).fit(tol=1e-12)
    seen = overdispersion(loss("poisson"), MIXED, theirs.fittedvalues, None, theirs.df_resid)
    assert seen.chi2 == pytest.approx(theirs.pearson_chi2, rel=1e-9)
    # the variance of (y − μ)²/μ is kurtosis − 1
    spread = np.sqrt(np.sum(stats.poisson.stats(theirs.fittedvalues, moments="k") + 3 - 1))
    assert seen.z == pytest.approx((theirs.pearson_chi2 - theirs.df_resid) / spread, rel=1e-9)
    trials, share = np.full(250, 9.0), 1 / (1 + np.exp(-X[:, 0]))
    good = RANDOM.binomial(9, share)
    seen = overdispersion(loss("binomial"), good / 9.0, share, trials, 247.0)
    spread = np.sqrt(np.sum(stats.binom.stats(9, share, moments="k") + 3 - 1))
    chi2 = np.sum((good - 9 * share) ** 2 / (9 * share * (1 - share)))
    assert (seen.chi2, seen.z) == pytest.approx((chi2, (chi2 - 247.0) / spread), rel=1e-9)
    (finding,) = found(st.fit(X, MIXED, loss="poisson"))
    assert f"{theirs.pearson_chi2 / theirs.df_resid:.3g} times as much as poisson says" in finding.what
    assert finding.of_model


def test_the_errors_that_it_names_are_as_wide_as_estimates_spread():
    random, estimates, errors = np.random.default_rng(7), [], []
    for _ in range(150):
        fit = st.fit(X, random.poisson(MEAN * random.gamma(2.0, 0.5, 250)).astype(float), loss="poisson")
        estimates.append(fit.theta)
        errors.append(
            [fit.summary(cov=cov).coefficients.column("std_error").to_pylist() for cov in ("nonrobust", "HC1")]
        )
    plain, robust = np.mean(errors, 0) / np.std(estimates, 0, ddof=1)
    assert (plain < 0.85).all()
    np.testing.assert_allclose(robust, 1.0, atol=0.2)  # of 150 estimates: 1 ± 0.06, and what HC1 is short of


@pytest.mark.parametrize("mean", [0.05, 0.5, 5.0, 500.0])
def test_counts_of_a_poisson_are_left_in_peace(mean):
    random = np.random.default_rng(11)
    alarms = 0
    for _ in range(200):
        y = random.poisson(mean, 60).astype(float)
        seen = overdispersion(loss("poisson"), y, np.full(60, max(y.mean(), 1e-9)), None, 59.0)
        alarms += seen is not None and seen.found
    assert alarms <= 1


def test_one_count_far_out_is_no_overdispersion():
    y = RANDOM.poisson(MEAN).astype(float)
    y[7] = 60.0
    assert sm.GLM(y, sm.add_constant(X), sm.families.Poisson()).fit().pearson_chi2 > 1.5 * 247
    assert found(st.fit(X, y, loss="poisson")) == []


def test_it_is_not_looked_for_where_it_cannot_be_seen():
    for settings in ({"penalty": "l2:0.1"}, {"weights": RANDOM.uniform(5, 9, 250)}, {"weights": np.full(250, 8.0)}):
        assert found(st.fit(X, MIXED, loss="poisson", **settings)) == []
    assert found(st.fit(X, MIXED + 1.0, loss="gamma")) == []
    assert found(st.fit(X, (RANDOM.random(250) < 0.01).astype(float), loss="binomial")) == []
    assert found(st.fit(X[:20], MIXED[:20], loss="poisson")) == []


def test_a_group_of_zeros_is_told_as_counts_and_not_as_classes():
    city = np.arange(250) % 3
    y = np.where(city == 2, 0.0, RANDOM.poisson(MEAN))
    (finding,) = st.fit({"city": list("abc"[i] for i in city), "y": y}, target="y", loss="poisson").diagnose()
    assert finding.kind is Kind.SEPARABLE
    assert "a group of zeros" in finding.what
    assert "classes" not in finding.what


def test_counts_over_an_exposure_are_judged_beside_it():
    exposure = RANDOM.uniform(0.2, 20.0, 250)
    y = RANDOM.poisson(MEAN * exposure).astype(float)
    table = {"a": X[:, 0], "b": X[:, 1], "y": y, "hours": exposure}
    assert found(st.fit(table, target="y", columns=["a", "b"], loss="poisson", exposure="hours")) == []
    (finding,) = found(st.fit(table, target="y", columns=["a", "b"], loss="poisson"))
    assert "an exposure or a bend that the model lacks" in finding.evidence
