"""Overdispersion: found where Pearson's χ² of statsmodels is far above its degrees of freedom, and of nothing else."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats

import steepest as st
from steepest.analysis.finding import Kind
from steepest.analysis.overdispersion import overdispersion
from steepest.model.torch_losses import loss

RANDOM = np.random.default_rng(49)
X = RANDOM.normal(size=(250, 2))
MEAN = np.exp(0.5 + 0.6 * X[:, 0])
MIXED = RANDOM.poisson(MEAN * RANDOM.gamma(1.0, 1.0, 250)).astype(float)


def found(fit):
    return [finding for finding in fit.diagnose() if finding.kind is Kind.OVERDISPERSED]


def test_its_numbers_are_those_of_statsmodels_and_of_a_t_test():
    theirs = sm.GLM(MIXED, sm.add_constant(X), sm.families.Poisson()).fit(tol=1e-12)
    seen = overdispersion(loss("poisson"), MIXED, theirs.fittedvalues, None, theirs.df_resid)
    assert seen.chi2 == pytest.approx(theirs.pearson_chi2, rel=1e-9)
    assert seen.t == pytest.approx(stats.ttest_1samp(theirs.resid_pearson**2, 1.0).statistic, rel=1e-9)
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


def test_it_is_not_looked_for_where_it_cannot_be_seen():
    for settings in ({"penalty": "l2:0.1"}, {"weights": RANDOM.uniform(5, 9, 250)}, {"weights": np.full(250, 8.0)}):
        assert found(st.fit(X, MIXED, loss="poisson", **settings)) == []
    assert found(st.fit(X, MIXED + 1.0, loss="gamma")) == []
    assert found(st.fit(X, (RANDOM.random(250) < 0.01).astype(float), loss="binomial")) == []
    assert found(st.fit(X[:20], MIXED[:20], loss="poisson")) == []


def test_counts_over_an_exposure_are_judged_beside_it():
    exposure = RANDOM.uniform(0.2, 20.0, 250)
    y = RANDOM.poisson(MEAN * exposure).astype(float)
    table = {"a": X[:, 0], "b": X[:, 1], "y": y, "hours": exposure}
    assert found(st.fit(table, target="y", columns=["a", "b"], loss="poisson", exposure="hours")) == []
    (finding,) = found(st.fit(table, target="y", columns=["a", "b"], loss="poisson"))
    assert "exposure that the model lacks" in finding.evidence
