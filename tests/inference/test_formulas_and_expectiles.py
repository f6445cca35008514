"""Standard errors of a formula's terms beside statsmodels', and of expectiles beside the sandwich formula."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf

import steepest as st


@pytest.fixture(scope="module")
def houses() -> pd.DataFrame:
    random = np.random.default_rng(0)
    area, age = random.uniform(40, 200, 150), random.uniform(0, 80, 150)
    city = random.choice(["Lyon", "Nice", "Paris"], 150)
    price = 3 * area + 80 * (city == "Paris") + 0.02 * (age - 40) ** 2 + random.normal(0, 10, 150)
    return pd.DataFrame({"price": price, "area": area, "age": age, "city": city})


@pytest.mark.parametrize("cov", ["nonrobust", "HC3"])
def test_terms_of_a_formula_have_the_errors_of_statsmodels(houses, cov):
    formula = "price ~ area + C(city) + area:C(city) + I(age**2)"
    ours = st.fit(formula, houses).summary(cov=cov)
    theirs = smf.ols(formula, houses).fit(cov_type=cov, use_t=True)
    names = ours.coefficients["name"].to_pylist()
    errors = dict(zip(names, ours.coefficients["std_error"].to_pylist(), strict=True))
    expected = {name.replace("Intercept", "intercept"): error for name, error in theirs.bse.items()}
    assert errors.keys() == expected.keys()
    np.testing.assert_allclose([errors[name] for name in names], [expected[name] for name in names], rtol=1e-8)
    assert ours.r2 == pytest.approx(theirs.rsquared, rel=1e-10)


def test_expectiles_have_the_errors_of_the_sandwich(houses):
    """Newey and Powell 1987, theorem 3: (XᵀWX)⁻¹ (Σ w²r² xxᵀ) (XᵀWX)⁻¹ with w = |Q − 1(r < 0)|."""
    fit = st.fit(houses[["area", "age", "price"]], target="price", loss="expectile:0.8")
    x = np.column_stack([np.ones(150), houses["area"], houses["age"]])
    residual = houses["price"].to_numpy() - x @ fit.theta
    weight = np.where(residual > 0, 0.8, 0.2)
    bread = np.linalg.inv((x * weight[:, None]).T @ x)
    score = x * (weight * residual)[:, None]
    errors = np.sqrt(np.diag(bread @ (score.T @ score) @ bread))
    np.testing.assert_allclose(fit.summary(cov="HC0").coefficients["std_error"].to_numpy(), errors, rtol=1e-8)
    with pytest.raises(st.SteepestError, match=r"there is no column 'shop' in .*\. The columns are"):
        fit.summary(cov="cluster:shop")
