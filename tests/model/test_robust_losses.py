"""Losses that are not convex: the minima that other libraries find, the least of several, and what is said of them."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.optimize import least_squares, minimize
from statsmodels.robust.norms import TukeyBiweight

import steepest as st
from steepest.analysis.exact.several_starts import best_of_starts
from steepest.errors import FitError


@pytest.fixture(scope="module")
def table():
    random = np.random.default_rng(0)
    x = random.normal(size=(90, 2)) * [1.0, 100.0]
    y = x @ [1.0, -0.02] + 50.0 + random.standard_t(2, size=90)
    y[:15] += 40.0
    return x, y, np.column_stack([np.ones(90), x])


def test_cauchy_is_that_of_scipy(table):
    """Its cost is the sum of ½C²·log(1 + (r/C)²)."""
    x, y, design = table
    close = {"xtol": 1e-15, "ftol": 1e-15, "gtol": 1e-15}
    for width in (0.5, 2.0):
        fit = st.fit(x, y, loss=f"cauchy:{width}")
        found = least_squares(lambda theta: design @ theta - y, fit.theta + 0.01, loss="cauchy", f_scale=width, **close)
        assert fit.loss == pytest.approx(found.cost / 90, rel=1e-8)
        np.testing.assert_allclose(fit.theta, found.x, rtol=1e-6)


def test_tukey_is_that_of_statsmodels(table):
    """RLM with the scale held at 1, from the same least squares start."""
    x, y, design = table
    fit = st.fit(x, y, loss="tukey:4.685", init=[50.0, 1.0, -0.02])
    model = sm.RLM(y, design, M=TukeyBiweight(4.685))
    found = model.fit(start_scale=1.0, update_scale=False, maxiter=300, tol=1e-13, start_params=[50.0, 1.0, -0.02])
    np.testing.assert_allclose(fit.theta, found.params, rtol=1e-6)
    assert fit.loss == pytest.approx(TukeyBiweight(4.685).rho(y - design @ found.params).mean(), rel=1e-8)


@pytest.mark.parametrize("penalty", [None, "l2:0.01", "l1:0.01"])
def test_no_start_of_many_leads_lower_than_the_best_of_ours(table, penalty):
    x, y, _ = table
    problem = st.fit(x, y, loss="tukey:2", penalty=penalty).problem
    best = best_of_starts(problem)
    fit = st.fit(x, y, loss="tukey:2", penalty=penalty, init=best)
    weight = 0.0 if penalty is None else 0.01

    def objective(c):
        theta = c / [1.0, 1.0, 100.0]
        size = np.abs(theta[1:]).sum() if penalty == "l1:0.01" else theta[1:] @ theta[1:]
        return TukeyBiweight(2.0).rho(y - problem.design @ theta).mean() + weight * size

    random = np.random.default_rng(1)
    others = [minimize(objective, random.normal([50, 0, 0], [30, 3, 3]), method="Nelder-Mead").fun for _ in range(15)]
    assert fit.objective_value <= min(others) + 1e-9


def test_it_says_that_it_is_not_convex_and_where_the_best_of_several_starts_leads(table):
    x, y, _ = table
    fit = st.fit(x, y, loss="tukey:1")
    assert fit.exact is None
    assert fit.gap is None
    assert "not convex" in fit.message
    assert "Of 30 starts the best leads to" in fit.exact_note
    again = st.fit(x, y, loss="tukey:1", init=best_of_starts(fit.problem))
    assert f"{again.loss:.8g}" in fit.exact_note
    assert "may not be the least" in str(st.diagnose(x, y, loss="tukey:1")).replace("\n", " ")
    assert "not convex, and has no standard errors by theory" in fit.summary().reason
    with pytest.raises(FitError, match="not convex, and the default descent"):
        fit.to_python()


def test_it_is_stretched_at_first_and_so_finds_the_bulk_of_the_rows(table):
    """From zeros all residuals lie beyond C, where there is no slope."""
    x, y, _ = table
    fit = st.fit(x, y, loss="tukey:3")
    assert np.abs(fit.theta - [50.0, 1.0, -0.02]).max() < 0.5
    stuck = st.fit(x, y, loss="tukey:3", optimizer="sgd", lr=0.1, epochs=5)
    np.testing.assert_array_equal(stuck.theta, np.zeros(3))
