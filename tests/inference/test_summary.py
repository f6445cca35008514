"""What a summary says beside its numbers: when errors are not valid, what they mean, and how it is shown."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

import steepest as st

GENERATOR = np.random.default_rng(5)
X = GENERATOR.normal(size=(120, 3))
Y = X @ [1.0, 2.0, 0.0] + GENERATOR.normal(size=120)
TWO = (X[:, 0] + GENERATOR.logistic(size=120) > 0).astype(int)


def column(summary, name):
    return np.array(summary.coefficients.column(name).to_pylist(), dtype=np.float64)


def test_the_columns_of_the_table():
    plain = st.fit(X, Y).summary().coefficients
    columns = ["value", "exact", "digits", "std_error", "statistic", "p_value", "low", "high"]
    assert plain.column_names == ["name", *columns]
    assert plain.column("name").to_pylist() == ["intercept", "x1", "x2", "x3"]
    several = st.fit(X, np.stack([Y, 2 * Y], 1)).summary()
    assert several.coefficients.column_names == ["name", "target", *columns]
    np.testing.assert_allclose(several.r2, [several.r2[0]] * 2, rtol=1e-12)
    classes = st.fit(X, np.array(list("abc"))[GENERATOR.integers(0, 3, 120)]).summary().coefficients
    assert classes.column_names == ["name", "class", *columns]


def test_each_of_several_targets_has_the_errors_that_it_has_alone():
    both, alone = st.fit(X, np.stack([Y, Y**2], 1)).summary(cov="HC1"), st.fit(X, Y**2).summary(cov="HC1")
    np.testing.assert_allclose(column(both, "std_error")[4:], column(alone, "std_error"), rtol=1e-10)
    np.testing.assert_allclose([both.r2[1], both.f[1], both.aic[1]], [alone.r2, alone.f, alone.aic], rtol=1e-10)


@pytest.mark.parametrize("loss", ["mse", "huber", "logcosh"])
def test_a_row_that_alone_decides_a_coefficient_is_named(loss):
    alone = np.column_stack([X, np.arange(120) == 6])
    for cov in ("HC2", "HC3"):
        found = st.fit(alone, Y, loss=loss).summary(cov=cov)
        assert not found.valid
        assert found.coefficients.column("std_error").null_count == 5
        assert f"cov='{cov}' cannot be computed: row 7 alone decides a coefficient" in found.reason
    assert st.fit(alone, Y, loss=loss).summary(cov="HC1").valid


def test_classes_of_a_softmax_have_the_leverages_of_two_classes():
    two, several = st.fit(X, TWO, model="logistic"), st.fit(X, TWO, model="softmax")
    for cov in ("HC1", "HC2", "HC3"):
        wanted = column(two.summary(cov=cov), "std_error")
        np.testing.assert_allclose(column(several.summary(cov=cov, reference=0), "std_error"), wanted, rtol=1e-8)
    with pytest.raises(st.SpecError, match=r"the loss quantile:0\.3 has no curvature"):
        st.fit(X, Y, loss="quantile:0.3").summary(cov="HC3")


def test_a_fit_that_has_not_arrived_has_no_errors():
    found = st.fit(X, Y, optimizer="sgd", lr=0.01, epochs=5).summary()
    assert not found.valid
    assert found.reason.startswith("The fit has not arrived at its optimum. Epochs: stopped after the requested 5")
    assert found.coefficients.column("std_error").null_count == 4
    digits = column(found, "digits")
    off = np.abs(column(found, "value") - column(found, "exact")) / np.abs(column(found, "exact"))
    np.testing.assert_allclose(digits, np.clip(-np.log10(off), 0, 16), atol=1e-9)
    assert "Standard errors are not valid. The fit has not arrived" in str(found)
    with pytest.raises(st.FitError, match="not arrived"):
        found.f_test(["x1"])


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"penalty": "l1:0.1"}, "With an l1 penalty"),
        ({"model": "mlp:2", "epochs": 3}, "A module has no"),
        ({"loss": lambda f, y: (f - y) ** 4}, "A loss of one's own"),
    ],
)
def test_why_there_are_none_by_theory(settings, reason):
    found = st.fit(X, Y, **settings).summary()
    assert not found.valid
    assert found.reason.startswith(reason) or settings.get("loss")


def test_separable_classes_have_none():
    found = st.fit(X, (X[:, 0] > 0).astype(int), model="logistic").summary()
    assert not found.valid
    assert "separable" in found.reason


def test_errors_of_a_ridge_are_those_of_the_estimate():
    """Var θ = σ²·H⁻¹XᵀXH⁻¹ with H = XᵀX + n·λ·D, and σ² from what the trace of the hat matrix leaves."""
    penalty = 0.05
    found = st.fit(X, Y, penalty=f"l2:{penalty}").summary()
    design = sm.add_constant(X)
    ridge = design.T @ design + len(Y) * penalty * np.diag([0.0, 1.0, 1.0, 1.0])
    theta = np.linalg.solve(ridge, design.T @ Y)
    degrees = np.trace(np.linalg.solve(ridge, design.T @ design))
    variance = ((Y - design @ theta) ** 2).sum() / (len(Y) - degrees)
    inverse = np.linalg.inv(ridge)
    wanted = np.sqrt(variance * np.diag(inverse @ design.T @ design @ inverse))
    np.testing.assert_allclose(column(found, "std_error"), wanted, rtol=1e-10)
    np.testing.assert_allclose(found.df_residual, len(Y) - degrees, rtol=1e-10)
    assert found.coefficients.column("p_value").null_count == 4
    assert found.f is None
    assert any("penalised estimate" in note for note in found.notes)


def test_coefficients_that_the_rows_do_not_determine_have_none():
    found = st.fit(np.column_stack([X, 2 * X[:, 0]]), Y).summary()
    errors = column(found, "std_error")
    np.testing.assert_array_equal(np.isnan(errors), [False, True, False, False, True])
    plain = sm.OLS(Y, sm.add_constant(X)).fit()
    np.testing.assert_allclose(errors[[0, 2, 3]], plain.bse[[0, 2, 3]], rtol=1e-9)
    assert found.df_residual == plain.df_resid
    assert any("'x1', 'x4'" in note for note in found.notes)


def test_as_many_coefficients_as_rows_leave_nothing():
    found = st.fit(X[:4], Y[:4]).summary()
    assert not found.valid
    assert "nothing is left" in found.reason


def test_units_and_coordinates_do_not_matter():
    """A column in other units far from zero, and other coordinates of the descent: the same errors, scaled."""
    moved = X * [1e-6, 1.0, 1e4] + [0.0, 1e5, 3.0]
    plain = column(st.fit(X, Y).summary(), "std_error")
    for settings in ({}, {"precondition": "standardize"}, {"precondition": "orthonormal"}):
        found = column(st.fit(moved, Y, **settings).summary(), "std_error")
        np.testing.assert_allclose(found[1:] * [1e-6, 1.0, 1e4], plain[1:], rtol=1e-9)


def test_powers_of_centred_columns_have_the_errors_of_the_table():
    """Years: the fit is computed with powers of (year − 2010); in decimals of fifty digits from the table's own."""
    from mpmath import matrix, mp, sqrt

    years = np.arange(2001.0, 2021.0)
    target = np.sin(years)
    fit = st.fit(years, target, model="poly:5")
    assert fit.centred is not None
    mp.dps = 80
    design = matrix([[int(year) ** power for power in range(6)] for year in years])
    inverse = (design.T * design) ** -1
    theta = inverse * (design.T * matrix(target.tolist()))
    left = matrix(target.tolist()) - design * theta
    variance = sum(value**2 for value in left) / 14
    wanted = [float(sqrt(variance * inverse[i, i])) for i in range(6)]
    np.testing.assert_allclose(column(fit.summary(), "std_error"), wanted, rtol=1e-8)


def test_a_text_column_is_tested_whole_and_its_reference_level_shown():
    city = np.array(["Oslo", "Rome", "Bergen"])[GENERATOR.integers(0, 3, 120)]
    found = st.fit({"city": city, "size": X[:, 0], "y": Y}, target="y").summary()
    design = np.column_stack([np.ones(120), city == "Oslo", city == "Rome", X[:, 0]]).astype(float)
    wanted = sm.OLS(Y, design).fit().f_test("x1 = x2 = 0")
    tested = found.f_test("city")
    np.testing.assert_allclose([tested.statistic, tested.p_value], [wanted.fvalue, wanted.pvalue], rtol=1e-9)
    assert "Levels are compared with: city 'Bergen'." in str(found)
    with pytest.raises(st.SpecError, match="no coefficient 'town'"):
        found.f_test("town")


def test_rows_held_out_take_no_part_and_groups_are_those_of_the_rows_left():
    table = pd.DataFrame({"a": X[:, 0], "b": X[:, 1], "y": Y, "shop": GENERATOR.integers(0, 9, 120).astype(str)})
    fit = st.fit(table, target="y", columns=["a", "b"], test_fraction=0.25, seed=3)
    rows = fit.train.places
    design = sm.add_constant(table[["a", "b"]].to_numpy()[rows])
    kind = {"cov_type": "cluster", "cov_kwds": {"groups": table["shop"].to_numpy()[rows]}, "use_t": True}
    wanted = sm.OLS(Y[rows], design).fit(**kind)
    np.testing.assert_allclose(column(fit.summary(cov="cluster:shop"), "std_error"), wanted.bse, rtol=1e-9)
    assert fit.summary(cov="cluster:shop").df == len(np.unique(table["shop"][rows])) - 1
    assert copy.deepcopy(fit).table is None
    assert pickle.loads(pickle.dumps(fit)).params == fit.params


def test_figures_of_the_optimum_are_of_the_optimum_alone():
    late = st.fit(X, Y, optimizer="sgd", lr=1e-4, epochs=3).summary()
    separable = st.fit(X, (X[:, 0] > 0).astype(int), model="logistic").summary()
    weighted = st.fit(X, TWO, model="logistic", class_weight={0: 1, 1: 3}).summary()
    for found in (late, separable, weighted):
        numbers = (found.f, found.f_p_value, found.aic, found.bic, found.likelihood_ratio)
        assert numbers == (None,) * 5
    residuals = Y - sm.add_constant(X) @ st.fit(X, Y, optimizer="sgd", lr=1e-4, epochs=3).theta
    np.testing.assert_allclose(late.r2, 1 - residuals @ residuals / np.sum((Y - Y.mean()) ** 2), rtol=1e-10)


@pytest.mark.filterwarnings("ignore:the target 'y' has the same value")
def test_a_constant_target_has_no_r2_and_no_test():
    fit = st.fit(X, np.full(120, 0.1))
    found, again = fit.summary(), fit.summary(bootstrap=20)
    assert (found.r2, found.f, found.f_p_value) == (None, None, None)
    np.testing.assert_allclose(column(again, "low"), [0.1, 0, 0, 0], atol=1e-12)


@pytest.mark.filterwarnings("ignore:the target 'y' has the same value", "ignore:.*cannot settle 4 parameters")
@pytest.mark.parametrize(("rows", "told"), [(1, "1 row and 4 coefficients"), (4, "4 rows and 4 coefficients")])
def test_as_many_coefficients_as_rows_have_no_errors_of_any_kind(rows, told):
    table = {"a": X[:rows, 0], "b": X[:rows, 1], "c": X[:rows, 2], "y": Y[:rows], "shop": list("abcd")[:rows]}
    fit = st.fit(table, target="y", columns=["a", "b", "c"])
    for asked in ({}, {"cov": "HC1"}, {"cov": "HC3"}, {"cov": "cluster:shop"}, {"bootstrap": 10}):
        found = fit.summary(**asked)
        assert found.reason == f"With {told} nothing is left to tell the errors by."
        assert found.coefficients.column("std_error").null_count == 4


def test_fewer_groups_than_coefficients_have_no_test_of_all_of_them():
    table = pd.DataFrame({"a": X[:, 0], "b": X[:, 1], "y": Y, "half": np.arange(120) % 2})
    found = st.fit(table, target="y", columns=["a", "b"]).summary(cov="cluster:half")
    plain = sm.OLS(Y, sm.add_constant(X[:, :2])).fit(cov_type="cluster", cov_kwds={"groups": table["half"]}, use_t=True)
    np.testing.assert_allclose(column(found, "std_error"), plain.bse, rtol=1e-9)
    assert (found.f, found.f_p_value) == (None, None)
    with pytest.raises(st.SpecError, match="2 coefficients cannot be tested together by a covariance of rank 1"):
        found.f_test(["a", "b"])
    wanted = plain.f_test("x1 = 0")
    np.testing.assert_allclose(found.f_test("a").statistic, wanted.fvalue, rtol=1e-8)


def test_a_column_of_all_classes_is_tested_whole():
    three = GENERATOR.integers(0, 3, 120)
    found = st.fit(X, three, model="softmax").summary()
    plain = sm.MNLogit(three, sm.add_constant(X)).fit(disp=0, tol=1e-14, method="newton")
    columns = np.zeros((2, 8))
    columns[0, 2], columns[1, 6] = 1, 1
    wanted = plain.wald_test(columns, scalar=True)
    tested = found.wald_test("x2")
    np.testing.assert_allclose([tested.statistic, tested.p_value, tested.df], [wanted.statistic, wanted.pvalue, 2])
    for asked, message in (([], "Name one at least"), (7, "no coefficient")):
        with pytest.raises(st.SpecError, match=message):
            found.wald_test(asked)
    with pytest.raises(st.SpecError, match="compared with another fit"):
        found.compare_lr_test("small")


def test_a_loaded_run_knows_which_rows_were_held_out(tmp_path):
    path = tmp_path / "shops.csv"
    table = pd.DataFrame({"a": X[:, 0], "y": Y, "shop": GENERATOR.integers(0, 9, 120).astype(str)})
    table.to_csv(path, index=False)
    fit = st.fit(str(path), target="y", columns=["a"], test_fraction=0.25)
    fit.save(tmp_path / "run")
    wanted = column(fit.summary(cov="cluster:shop"), "std_error")
    np.testing.assert_allclose(column(st.load(tmp_path / "run").summary(cov="cluster:shop"), "std_error"), wanted)


def test_groups_that_are_not_there_are_told_by_row_and_remedy(tmp_path):
    table = pd.DataFrame({"a": X[:, 0], "y": Y, "shop": [None, *map(str, range(119))]})
    table.loc[0, "a"] = np.nan
    fit = st.fit(table, target="y", columns=["a"], missing="drop")
    assert fit.summary(cov="cluster:shop").df == 118
    table.loc[4, "shop"] = None
    with pytest.raises(st.SpecError, match=r"'shop' has a missing value, in row 5 .*fill it, or leave the row out"):
        fit.summary(cov="cluster:shop")
    path = tmp_path / "shops.csv"
    table.fillna({"shop": "x", "a": 0.0}).to_csv(path, index=False)
    fit = st.fit(str(path), target="y", columns=["a"])
    fit.save(tmp_path / "run")
    table.fillna({"shop": "x", "a": 0.0}).sort_values("a").to_csv(path, index=False)
    for one in (fit, st.load(tmp_path / "run")):
        found = one.summary(cov="cluster:shop")
        assert (found.valid, "no longer holds the rows of this fit" in found.reason) == (False, True)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"cov": "HC4"}, "must be nonrobust, HC0"),
        ({"cov": "cluster:shop"}, "no column 'shop'"),
        ({"level": 95}, "between 0 and 1"),
        ({"level": "0.95"}, "between 0 and 1"),
        ({"bootstrap": "100"}, "number of resamples"),
        ({"distribution": "normal"}, "t or z"),
        ({"bootstrap": 1}, "number of resamples"),
        ({"reference": "a"}, "classes of a softmax"),
    ],
)
def test_what_cannot_be_asked(asked, message):
    with pytest.raises(st.SpecError, match=message):
        st.fit(X, Y).summary(**asked)


def test_models_that_are_not_nested_are_not_compared():
    larger = st.fit(X, Y).summary()
    with pytest.raises(st.SpecError, match="smaller one"):
        larger.compare_f_test(st.fit(X, Y))
    with pytest.raises(st.SpecError, match="not among those"):
        larger.compare_f_test(st.fit(X[:, 0] ** 2, Y))
    with pytest.raises(st.SpecError, match="same rows"):
        larger.compare_f_test(st.fit(X[:, 0], Y + 1))


def test_class_weights_take_the_sandwich():
    fit = st.fit(X, TWO, model="logistic", class_weight="balanced")
    factors = len(TWO) / (2 * np.bincount(TWO))
    wanted = sm.GLM(TWO, sm.add_constant(X), sm.families.Binomial(), var_weights=factors[TWO])
    wanted = wanted.fit(tol=1e-14, tol_criterion="params", cov_type="HC0")
    np.testing.assert_allclose(column(fit.summary(), "std_error"), wanted.bse, rtol=1e-8)


def test_a_loaded_run_has_the_same_summary(tmp_path):
    fit = st.fit(X, Y, model="poly:2")
    fit.save(tmp_path / "run")
    assert st.load(tmp_path / "run").summary().to_dict() == fit.summary().to_dict()


def test_it_is_given_as_pandas_latex_and_html():
    found = st.fit({"a_b": X[:, 0], "c": X[:, 1], "y": Y}, target="y").summary()
    assert found.to_pandas().loc["c", "value"] == column(found, "value")[2]
    latex = found.to_latex()
    assert r"a\_b & " in latex
    assert latex.count(r"\\") == 4
    sure = st.fit({"a<b": np.arange(200.0), "y": np.arange(200.0) + 1e-3 * GENERATOR.normal(size=200)}, target="y")
    assert r"a\textless{}b & " in sure.summary().to_latex()
    assert r" & \textless{} 1e-99 & " in sure.summary().to_latex()
    assert "<td>a_b</td>" in found._repr_html_()


@pytest.mark.parametrize("width", [80, 140])
def test_the_table_fits_the_terminal(width, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(width))
    shown = str(st.fit(X * 1e5, Y * 1e9).summary()).splitlines()
    assert all(len(line) <= width for line in shown[1:7])
    assert shown[1].split() == ["parameter", "value", "std", "error", "t", "p", "95%", "low", "high"]
