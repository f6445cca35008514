"""Standard errors, tests and figures beside NIST's certified values, statsmodels, and formulas evaluated independently."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import steepest as st

from family_cases import compared_families
from inference_cases import TABLES, compared
from inference_figure_cases import compared_figures
from inference_whole_cases import compared_whole
from nist import NIST, NIST_ANALYSIS


@pytest.mark.parametrize("name", NIST)
def test_eight_digits_of_what_nist_certifies(name):
    known, analysis = NIST[name], NIST_ANALYSIS[name]
    model = "linear" if known.degree == 1 else f"poly:{known.degree}"
    found = st.fit(known.columns, known.target, model=model, intercept=known.intercept).summary()
    assert found.valid
    errors = found.coefficients.column("std_error").to_pylist()
    # residual standard deviations of 0: absolutely, of targets up to three million
    np.testing.assert_allclose(
        errors, analysis.deviations, rtol=1e-8, atol=1e-8 if max(analysis.deviations) == 0 else 0
    )
    np.testing.assert_allclose(found.r2, analysis.r2, rtol=1e-8)
    if np.isfinite(analysis.f):
        np.testing.assert_allclose(found.f, analysis.f, rtol=1e-8)
    else:
        assert found.f > 1e20
    left = len(known.target) - len(known.terms)
    deviation = (float(known.residual_sum_of_squares) / left) ** 0.5
    np.testing.assert_allclose(found.scale**0.5, deviation, rtol=1e-8, atol=1e-8)


@pytest.mark.filterwarnings("ignore::statsmodels.tools.sm_exceptions.ConvergenceWarning")
@pytest.mark.parametrize("seed", range(TABLES))
def test_eight_digits_of_statsmodels_and_of_the_formulas(seed):
    short = [(one.what, one.of, one.digits) for one in compared(seed) if one.digits < 8]
    assert short == []


SEEDS = [0, *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(1, TABLES))]


@pytest.mark.parametrize("seed", SEEDS)
def test_eight_digits_of_every_number_of_every_loss_and_covariance(seed):
    """A number of a summary that nobody compares is a KeyError there."""
    short = [(one.what, one.of, one.digits) for one in compared_whole(seed) if one.digits < 8]
    assert short == []


@pytest.mark.parametrize("seed", SEEDS)
def test_eight_digits_of_resamples_influence_tests_and_intervals(seed):
    short = [(one.what, one.of, one.digits) for one in compared_figures(seed) if one.digits < 8]
    assert short == []


@pytest.mark.parametrize("seed", SEEDS)
def test_eight_digits_of_the_families_of_statsmodels(seed):
    short = [(one.what, one.of, one.digits) for one in compared_families(seed) if one.digits < 8]
    assert short == []


@pytest.mark.filterwarnings("ignore::statsmodels.tools.sm_exceptions.ConvergenceWarning")
def test_the_page_lists_each_number_with_what_it_was_compared_with():
    page = (Path(__file__).parents[2] / "docs" / "inference.md").read_text(encoding="utf-8")
    for one in (*compared(0), *compared_families(0), *compared_figures(0)):
        assert f"| `{one.what}` | {one.source} |" in page
    for one in compared_whole(0):
        fit, _, cov = one.of.rpartition(", ")
        fitted = fit if cov in ("HC0", "HC1", "HC2", "HC3", "cluster") else one.of
        listed = f"| `{one.what}` | {fitted} | {one.source} |" in page
        rows = [line for line in page.splitlines() if line.startswith(f"| `{one.what}` | {one.source} |")]
        assert listed or any(f" {fitted}: " in row for row in rows), one.what
