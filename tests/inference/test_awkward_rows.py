"""Rows of weight 0, columns that depend on one another, columns without a constant: the numbers that R and statsmodels have."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf

import steepest as st

GENERATOR = np.random.default_rng(5)
TABLE = pd.DataFrame(GENERATOR.normal(size=(90, 3)), columns=["a", "b", "c"])
TABLE["y"] = TABLE.a - TABLE.b + GENERATOR.normal(size=90) * (0.5 + TABLE.c.abs())
TABLE["count"] = GENERATOR.poisson(np.exp(0.5 * TABLE.a + 0.5)).astype(float)
TABLE["yes"] = np.where(TABLE.a + GENERATOR.logistic(size=90) > 0, "yes", "no")
TABLE["city"] = GENERATOR.choice(["Oslo", "Rome", "Bern"], 90)
TABLE["w"] = GENERATOR.uniform(0.5, 2.0, 90)
TABLE.loc[[0, 7, 8, 50], "w"] = 0.0
LEFT = TABLE[TABLE.w > 0]
COVS = ("nonrobust", "HC0", "HC1", "HC3", "cluster:city")
FIGURES = ("nobs", "df_residual", "log_likelihood", "aic", "bic", "deviance", "dispersion", "pseudo_r2", "scale", "f")
FIGURES += ("durbin_watson", "jarque_bera", "condition", "r2_adjusted", "likelihood_ratio_p_value", "pearson_chi2")


def column(found, name="std_error"):
    return np.array(found.coefficients.column(name).to_pylist(), dtype=float)


def same(ours, theirs):
    """Two summaries."""
    for name in ("value", "std_error", "p_value", "low"):
        np.testing.assert_allclose(column(ours, name), column(theirs, name), rtol=1e-9)
    for name in FIGURES:
        one, two = getattr(ours, name), getattr(theirs, name)
        assert (one, two) == (None, None) or one == pytest.approx(two, rel=1e-9), name


@pytest.mark.parametrize("target", ["y", "count", "yes"])
@pytest.mark.parametrize("cov", COVS)
def test_rows_of_weight_0_are_not_there(target, cov):
    """As in lm and glm of R, which count them in no degrees of freedom."""
    loss = {"y": "mse", "count": "poisson", "yes": "logistic"}[target]
    whole, left = (
        st.fit(rows, target=target, columns=["a", "b"], weights="w", loss=loss).summary(cov=cov)
        for rows in (TABLE, LEFT)
    )
    same(whole, left)
    assert "4 rows of weight 0 take no part." in whole.notes
    assert left.notes == ()


def test_the_numbers_of_weighted_squares_are_those_of_statsmodels_without_these_rows():
    found = st.fit(TABLE, target="y", columns=["a", "b"], weights="w").summary(cov="HC3")
    wanted = sm.WLS(LEFT.y, sm.add_constant(LEFT[["a", "b"]]), weights=LEFT.w).fit(cov_type="HC3", use_t=True)
    np.testing.assert_allclose(column(found), wanted.bse, rtol=1e-9)
    assert found.log_likelihood == pytest.approx(wanted.llf, rel=1e-10)
    assert (found.nobs, found.df_residual) == (86, wanted.df_resid)


def test_resamples_influence_and_intervals_are_of_the_rows_that_weigh_something():
    whole, left = (st.fit(rows, target="y", columns=["a", "b"], weights="w") for rows in (TABLE, LEFT))
    influence = whole.influence().source_data
    np.testing.assert_array_equal(influence.row, np.flatnonzero(TABLE.w > 0))
    np.testing.assert_allclose(influence.external, left.influence().source_data.external, rtol=1e-8)
    for asked in ({"bootstrap": 20}, {"bootstrap": 20, "cov": "cluster:city"}):
        same(whole.summary(**asked), left.summary(**asked))
    new, kind = TABLE[:5], "observation"
    np.testing.assert_allclose(
        whole.predict(new, interval=0.9, kind=kind), left.predict(new, interval=0.9, kind=kind), rtol=1e-9
    )


@pytest.mark.parametrize("loss", ["mse", "poisson"])
def test_a_stream_does_not_count_them_either(loss, tmp_path):
    target = "y" if loss == "mse" else "count"
    pq.write_table(pa.Table.from_pandas(TABLE), tmp_path / "rows.parquet")
    whole, left = (
        st.fit(rows, target=target, columns=["a", "b"], weights="w", loss=loss, stream=stream).summary(cov="HC1")
        for rows, stream in ((str(tmp_path / "rows.parquet"), True), (LEFT, False))
    )
    np.testing.assert_allclose(column(whole), column(left), rtol=1e-8)
    assert (whole.nobs, whole.df_residual) == (86, left.df_residual)
    if loss == "poisson":
        assert whole.log_likelihood == pytest.approx(left.log_likelihood, rel=1e-9)


def test_a_row_that_the_columns_depend_otherwise_in_has_no_interval():
    """As R says of it: `prediction from rank-deficient fit`."""
    rows = TABLE.assign(d=TABLE.a + TABLE.b)
    fit = st.fit(rows, target="y", columns=["a", "b", "d"])
    wanted = smf.ols("y ~ a + b", TABLE).fit().get_prediction(TABLE[:4]).summary_frame(alpha=0.05)
    wanted = wanted[["mean", "mean_ci_lower", "mean_ci_upper"]]
    np.testing.assert_allclose(fit.predict(rows[:4], interval=0.95), wanted, rtol=1e-9)
    new = rows[:4].assign(d=[rows.d[0], 5.0, rows.d[2], rows.d[3]])
    with pytest.warns(
        st.SteepestWarning, match="Row 2 of those to predict, and 1 in all, departs from how 'a', 'b', 'd'"
    ):
        found = fit.predict(new, interval=0.95)
    np.testing.assert_array_equal(np.isnan(found).any(1), [False, True, False, False])


@pytest.mark.parametrize("cov", ["nonrobust", "HC1", "cluster:city"])
@pytest.mark.parametrize(
    ("formula", "same_as"), [("y ~ 0 + a + b", "y ~ 0 + a + b"), ("y ~ 0 + city + a", "y ~ city + a")]
)
def test_the_f_test_of_all_columns_needs_no_intercept(cov, formula, same_as):
    """Where levels hold a constant it is the one beside an intercept, of which statsmodels knows only with one."""
    kind, _, name = cov.partition(":")
    more = {"cov_kwds": {"groups": TABLE[name].astype("category").cat.codes}} if name else {}
    theirs = smf.ols(same_as, TABLE).fit(cov_type=kind, use_t=True, **more)
    found = st.fit(formula, TABLE).summary(cov=cov)
    if name and "city" in formula:  # three groups tell nothing of three coefficients
        assert found.f is None
        return
    np.testing.assert_allclose([found.f, found.f_p_value], [theirs.fvalue, theirs.f_pvalue], rtol=1e-8)


def test_the_f_test_of_columns_that_depend_on_one_another_is_that_of_those_that_do_not():
    found = st.fit(TABLE.assign(d=TABLE.a + TABLE.b), target="y", columns=["a", "b", "d"]).summary(cov="HC3")
    theirs = smf.ols("y ~ a + b", TABLE).fit(cov_type="HC3", use_t=True)
    np.testing.assert_allclose([found.f, found.f_p_value], [theirs.fvalue, theirs.f_pvalue], rtol=1e-8)


@pytest.mark.parametrize("cov", ["HC0", "HC3", "cluster:group"])
def test_a_nested_fit_is_tested_by_the_covariance_that_was_asked_for(cov):
    rows = TABLE.assign(group=np.arange(90) % 12)
    kind, _, name = cov.partition(":")
    more = {"cov_kwds": {"groups": rows[name]}} if name else {}
    theirs = smf.ols("y ~ a + b + city", rows).fit(cov_type=kind, use_t=True, **more)
    wanted = theirs.f_test("b = 0, city[T.Oslo] = 0, city[T.Rome] = 0")
    found = st.fit("y ~ a + b + city", rows).summary(cov=cov)
    tested = found.compare_f_test(st.fit("y ~ a", rows))
    ours, theirs = [tested.statistic, tested.p_value, tested.df_denominator], [wanted.fvalue, wanted.pvalue]
    np.testing.assert_allclose(ours, [*theirs, wanted.df_denom], rtol=1e-8)
    with pytest.raises(st.SpecError, match=f"A likelihood ratio is that of cov='nonrobust': where errors are {cov}"):
        found.compare_lr_test(st.fit("y ~ a", rows))


def test_fits_with_other_offsets_or_kinds_of_weights_are_not_nested():
    rows = TABLE.assign(often=2)
    for small, large, told in (
        ({"loss": "poisson"}, {"loss": "poisson", "offset": "c"}, "different offsets"),
        ({"weights": "often"}, {"weights": "often", "weights_kind": "frequency"}, "different weights"),
    ):
        target = "count" if "loss" in small else "y"
        one, two = (
            st.fit(rows, target=target, columns=columns, **more)
            for columns, more in ((["a"], small), (["a", "b"], large))
        )
        with pytest.raises(st.SpecError, match=told):
            two.summary().compare_lr_test(one)
    one, two = (st.fit(rows, target="yes", columns=c, class_weight="balanced") for c in (["a"], ["a", "b"]))
    with pytest.raises(st.SpecError, match="With class_weight the loss is not the likelihood"):
        two.summary().compare_lr_test(one)


def test_terms_of_a_formula_are_tested_whole():
    found = st.fit("y ~ a*C(city) + poly(b, 2)", TABLE).summary()
    theirs = smf.ols("y ~ a*C(city) + b + I(b**2)", TABLE).fit()
    for term, hypothesis in {
        "C(city)": "C(city)[T.Oslo] = 0, C(city)[T.Rome] = 0",
        "poly(b,2)": "b = 0, I(b ** 2) = 0",
        "a:C(city)": "a:C(city)[T.Oslo] = 0, a:C(city)[T.Rome] = 0",
    }.items():
        tested, wanted = found.f_test(term), theirs.f_test(hypothesis)
        np.testing.assert_allclose([tested.statistic, tested.p_value], [wanted.fvalue, wanted.pvalue], rtol=1e-8)
    with pytest.raises(
        st.SpecError, match=r"no coefficient 'city'.* Together: 'C\(city\)', 'poly\(b, 2\)', 'a:C\(city\)'\."
    ):
        found.wald_test("city")


def test_what_a_note_says_is_so():
    within = st.fit(TABLE, target="y", columns=["a", "b"], bounds={"a": [0, 0.1]}).summary(bootstrap=20)
    assert any(note.startswith("The bounds hold the coefficients") for note in within.notes)
    assert not any("penalty" in note for note in within.notes)
    weighed = st.fit(TABLE, target="yes", columns=["a"], class_weight="balanced")
    assert any("the errors are HC0" in note for note in weighed.summary().notes)
    assert not any("HC0" in note for note in weighed.summary(bootstrap=20).notes)
    one = st.fit(TABLE[:4], target="y", columns=["a", "b"]).summary()
    assert "Student's t, 1 degree of freedom." in str(one)
    moved = st.fit(TABLE, target="y", columns=["a"], offset="c").summary()
    theirs = sm.OLS(TABLE.y - TABLE.c, sm.add_constant(TABLE[["a"]])).fit()
    np.testing.assert_allclose([moved.r2, moved.f], [theirs.rsquared, theirs.fvalue], rtol=1e-9)
    assert "R² and F are of what the target has beyond its offset." in moved.notes
    nothing = st.fit("yes ~ 1", TABLE, model="logistic").summary()
    assert (nothing.pseudo_r2, nothing.likelihood_ratio) == (0.0, None)


def test_resamples_of_groups_have_the_t_of_groups():
    fit = st.fit(TABLE.assign(group=np.arange(90) % 12), target="y", columns=["a"])
    found = fit.summary(cov="cluster:group", bootstrap=20, distribution="t")
    assert found.df == 11
    assert fit.summary(bootstrap=20, distribution="t").df == 88
