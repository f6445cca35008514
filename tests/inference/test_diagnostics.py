"""Influence, collinearity, curves of classes, dependence and importance beside statsmodels and scikit-learn; their figures."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from sklearn import metrics
from sklearn.calibration import calibration_curve
from sklearn.inspection import partial_dependence, permutation_importance
from sklearn.linear_model import LinearRegression, LogisticRegression
from statsmodels.stats.outliers_influence import variance_inflation_factor
from statsmodels.stats.proportion import proportion_confint

import steepest as st
from steepest.inference import effects
from steepest.inference.influence import variance_inflation_data

GENERATOR = np.random.default_rng(9)
X = GENERATOR.normal(size=(150, 3)) @ [[1.0, 0.8, 0.0], [0.0, 0.6, 0.0], [0.0, 0.0, 1.0]]
Y = X @ [1.0, 2.0, 0.0] + GENERATOR.standard_t(4, size=150)
TWO = np.array(["no", "yes"])[(X[:, 0] + GENERATOR.logistic(size=150) > 0).astype(int)]
DESIGN = sm.add_constant(X)
WEIGHTS = GENERATOR.uniform(0.5, 2.0, 150)


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["plain", "weighted"])
def test_the_influence_of_rows_is_that_of_statsmodels(weights):
    found = st.fit(X, Y, weights=weights).influence().source_data
    root = np.ones(150) if weights is None else np.sqrt(weights)
    theirs = sm.OLS(root * Y, root[:, None] * DESIGN).fit().get_influence()
    np.testing.assert_allclose(found.leverage, theirs.hat_matrix_diag, rtol=1e-9)
    np.testing.assert_allclose(found.internal, theirs.resid_studentized_internal, rtol=1e-9)
    np.testing.assert_allclose(found.external, theirs.resid_studentized_external, rtol=1e-9)
    np.testing.assert_allclose(found.cooks, theirs.cooks_distance[0], rtol=1e-9)


def test_the_influence_of_rows_of_two_classes_too():
    found = st.fit(X, TWO).influence().source_data
    theirs = sm.GLM(TWO == "yes", DESIGN, sm.families.Binomial()).fit(tol=1e-14, tol_criterion="params").get_influence()
    np.testing.assert_allclose(found.leverage, theirs.hat_matrix_diag, rtol=1e-8)
    np.testing.assert_allclose(found.internal, theirs.resid_studentized, rtol=1e-8)
    np.testing.assert_allclose(found.cooks, theirs.cooks_distance[0], rtol=1e-8)


def test_rows_are_numbered_as_in_the_table():
    fit = st.fit(X, Y, test_fraction=0.3)
    np.testing.assert_array_equal(fit.influence().source_data.row, fit.train.places)


def test_variance_inflation_is_that_of_statsmodels():
    found = st.fit(X, Y).variance_inflation().source_data
    theirs = [variance_inflation_factor(DESIGN, i) for i in (1, 2, 3)]
    np.testing.assert_allclose(found.vif, theirs, rtol=1e-9)
    twice = st.fit(np.column_stack([X, X[:, 0]]), Y).variance_inflation().source_data
    np.testing.assert_array_equal(np.isinf(twice.vif), [True, False, False, True])


def test_coefficients_are_drawn_with_their_intervals():
    found = st.fit(X, Y).coefficients(level=0.9, scaled=False).source_data
    plain = sm.OLS(Y, DESIGN).fit()
    np.testing.assert_allclose(np.stack([found.low, found.high], 1), plain.conf_int(0.1)[1:], rtol=1e-9)
    scaled = st.fit(X, Y).coefficients().source_data
    np.testing.assert_allclose(scaled.value, plain.params[1:] * X.std(0), rtol=1e-9)


def test_the_band_of_a_curve_is_the_interval_of_its_mean():
    fit = st.fit(X[:, 0], Y)
    data = fit.plot().source_data
    frame = sm.OLS(Y, DESIGN[:, :2]).fit().get_prediction(sm.add_constant(data.x)).summary_frame(0.05)
    np.testing.assert_allclose(data.band, frame[["mean_ci_lower", "mean_ci_upper"]], rtol=1e-8, atol=1e-10)
    assert fit.plot().data[0].name == "95% of the mean"
    assert fit.plot(interval=None).source_data.band is None
    assert st.fit(X[:, 0], Y, optimizer="sgd", lr=0.01, epochs=3).plot().source_data.band is None
    shares = st.fit(X[:, 0], TWO).plot().source_data
    assert shares.band.shape == (400, 2)
    assert ((shares.band[:, 0] < shares.shares[0][:, 1]) & (shares.shares[0][:, 1] < shares.band[:, 1])).all()


def test_curves_of_classes_are_those_of_scikit_learn():
    fit = st.fit(X, TWO, test_fraction=0.4)
    actual, share = fit.test.y == 1, fit.predict_proba(fit.test.x)[:, 1]
    (roc,), (recall,), (calibration,) = (one().source_data for one in (fit.roc, fit.precision_recall, fit.calibration))
    np.testing.assert_allclose(roc.number, metrics.roc_auc_score(actual, share), rtol=1e-12)
    np.testing.assert_allclose(recall.number, metrics.average_precision_score(actual, share), rtol=1e-12)
    np.testing.assert_allclose(calibration.number, metrics.brier_score_loss(actual, share), rtol=1e-12)
    y, x = calibration_curve(actual, share, n_bins=10, strategy="quantile")
    np.testing.assert_allclose([calibration.x, calibration.y], [x, y])
    assert calibration.count.sum() == len(actual)
    error = fit.calibration().data[0].error_y
    counts = np.round(calibration.count * calibration.y)
    low, high = proportion_confint(counts, calibration.count, method="wilson")
    np.testing.assert_allclose([calibration.y - error.arrayminus, calibration.y + error.array], [low, high], atol=1e-9)


def test_weights_count_in_the_curves():
    """Of whole numbers, as if their rows were there as often; calibration in the parts of the rows as they are."""
    often = GENERATOR.integers(1, 5, 150)
    fit = st.fit({"a": X[:, 0], "y": TWO, "w": often}, target="y", weights="w")
    actual, share = np.repeat(TWO == "yes", often), np.repeat(fit.predict_proba({"a": X[:, 0]})[:, 1], often)
    (roc,), (calibration,) = fit.roc().source_data, fit.calibration(bins=1).source_data
    np.testing.assert_allclose(roc.number, metrics.roc_auc_score(actual, share), rtol=1e-12)
    np.testing.assert_allclose([calibration.x, calibration.y], [[share.mean()], [actual.mean()]], rtol=1e-12)
    np.testing.assert_allclose(calibration.number, metrics.brier_score_loss(actual, share), rtol=1e-12)


def test_equal_probabilities_are_one_point_of_a_curve():
    few = X[:, 0].round()
    fit = st.fit(few, TWO)
    (roc,) = fit.roc().source_data
    x, y, _ = metrics.roc_curve(TWO == "yes", fit.predict_proba(few)[:, 1])
    np.testing.assert_allclose([roc.x, roc.y], [x, y], rtol=1e-12)
    assert len(roc.x) <= len(np.unique(few)) + 1
    (alone,) = st.fit("y ~ 1", {"y": TWO}).roc().source_data
    assert (alone.x.tolist(), alone.y.tolist(), alone.number) == ([0, 1], [0, 1], 0.5)


@pytest.mark.parametrize(
    ("figure", "asked", "told"),
    [
        ("thresholds", {"steps": 0}, "steps=0: it must be a whole number of at least 1"),
        ("thresholds", {"steps": 2.5}, "steps=2.5"),
        ("calibration", {"bins": "x"}, "bins='x'"),
        ("permutation_importance", {"repeats": 1.5}, "repeats=1.5: it must be a whole number of at least 2"),
        ("permutation_importance", {"seed": -1}, "seed=-1: it must be a whole number of at least 0"),
        ("permutation_importance", {"level": 95}, "level=95: it must be between 0 and 1"),
        ("partial_dependence", {"columns": 7}, "no column '7'"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_a_line(figure, asked, told):
    with pytest.raises(st.SpecError, match=told):
        getattr(st.fit(X, TWO), figure)(**asked)


def test_each_threshold_has_the_counts_and_scores_of_scikit_learn():
    fit = st.fit(X, TWO)
    found, share = fit.thresholds().to_pylist(), fit.predict_proba(X)[:, 1]
    assert len(found) == 19
    for row in found[3:16:4]:
        guess = share >= row["threshold"]
        (tn, fp), (fn, tp) = metrics.confusion_matrix(TWO == "yes", guess)
        assert [row[name] for name in list(row)[1:5]] == [tp, fp, tn, fn]
        assert row["f1"] == pytest.approx(metrics.f1_score(TWO == "yes", guess))
        assert row["accuracy"] == pytest.approx(metrics.accuracy_score(TWO == "yes", guess))
    with pytest.raises(st.SpecError, match="two classes"):
        st.fit(X, np.array(list("abc"))[GENERATOR.integers(0, 3, 150)]).thresholds()
    with pytest.raises(st.SpecError, match="for classes"):
        st.fit(X, Y).roc()


def test_partial_dependence_is_that_of_scikit_learn():
    for target, model, kind in ((Y, LinearRegression(), {}), (TWO, LogisticRegression(C=np.inf, tol=1e-12), {})):
        found = st.fit(X, target).partial_dependence(["x2"]).source_data[0]
        model.fit(X, target)
        grid = {"custom_values": {1: found.values}, "method": "brute", **kind}
        theirs = partial_dependence(model, X, [1], **grid)["average"][0]
        np.testing.assert_allclose(found.mean, theirs, rtol=1e-5, atol=1e-6)


def test_its_interval_is_that_of_the_mean_prediction():
    """statsmodels' t_test of the mean row."""
    found = st.fit(X, Y).partial_dependence("x1", level=0.9).source_data[0]
    rows = DESIGN.copy()
    rows[:, 1] = found.values[7]
    tested = sm.OLS(Y, DESIGN).fit().t_test(rows.mean(0))
    np.testing.assert_allclose([found.low[7], found.high[7]], tested.conf_int(0.1)[0], rtol=1e-9)


def test_levels_of_a_text_column_have_a_mean_each():
    city = np.array(["Oslo", "Rome", "Bergen"])[GENERATOR.integers(0, 3, 150)]
    fit = st.fit({"city": city, "x": X[:, 0], "y": Y}, target="y")
    found = fit.partial_dependence("city").source_data[0]
    wanted = [fit.predict({"city": [name] * 150, "x": X[:, 0]}).mean() for name in ("Bergen", "Oslo", "Rome")]
    assert found.values.tolist() == ["Bergen", "Oslo", "Rome"]
    np.testing.assert_allclose(found.mean, wanted)
    with pytest.raises(st.SpecError, match="no column 'town'"):
        fit.partial_dependence("town")


def test_importance_is_that_of_scikit_learn():
    """Within what shuffles differ by: the same expectation."""
    fit = st.fit(X, Y)
    found = effects.importance_data(fit, repeats=200)
    theirs = permutation_importance(LinearRegression().fit(X, Y), X, Y, n_repeats=200, random_state=0)
    error = np.hypot(found.lost.std(1), theirs.importances.std(1)) / 200**0.5
    np.testing.assert_array_less(np.abs(found.mean - theirs.importances_mean), 4 * error + 1e-12)
    shown = fit.permutation_importance(repeats=10).source_data
    assert (shown.low <= shown.mean).all()
    assert (shown.mean <= shown.high).all()


def test_what_has_no_such_figure_says_why():
    with pytest.raises(st.SpecError, match="mse of one target"):
        st.fit(X, Y, loss="l1").influence()
    with pytest.raises(st.SpecError, match="without a penalty"):
        st.fit(X, Y, penalty="l2:0.1").influence()
    with pytest.raises(st.FitError, match="not arrived"):
        st.fit(X, Y, optimizer="sgd", lr=0.01, epochs=3).coefficients()
    with pytest.raises(st.SpecError, match="linear in their coefficients"):
        st.fit(X, Y, model="mlp:2", epochs=2).variance_inflation()


def test_inflation_is_of_columns_whatever_the_loss():
    own = st.fit(X, Y, loss=lambda prediction, target: (prediction - target) ** 2)
    wanted = variance_inflation_data(st.fit(X, Y)).vif
    np.testing.assert_allclose(variance_inflation_data(own).vif, wanted, rtol=1e-10)
    with pytest.raises(st.SpecError, match="a constant only"):
        variance_inflation_data(st.fit("y ~ 1", {"x": X[:, 0], "y": Y}))


FORMULA = {
    "a": X[:, 0],
    "b": X[:, 1],
    "city": np.array(["Oslo", "Rome", "Bergen"])[GENERATOR.integers(0, 3, 150)],
    "y": Y,
}


@pytest.mark.parametrize("column", ["a", "b", "city"])
def test_dependence_on_a_column_of_a_formula_is_the_mean_of_its_predictions(column):
    fit = st.fit("y ~ bs(a, df=4) * C(city) + poly(b, 2)", FORMULA)
    found = effects.dependence_data(fit, column)
    for place in (0, len(found.values) // 2):
        at = FORMULA | {column: np.full(150, found.values[place])}
        np.testing.assert_allclose(found.mean[place], fit.predict(at).mean(), rtol=1e-9)


def test_importance_of_columns_of_a_formula_is_that_of_its_columns():
    fit = st.fit("y ~ np.exp(a / 3) + C(city)", FORMULA)
    found = effects.importance_data(fit, repeats=3)
    assert found.names == ("a", "city")
    generator, x = np.random.default_rng(0), FORMULA["a"]
    lost = [
        found.score - metrics.r2_score(Y, fit.predict(FORMULA | {"a": x[generator.permutation(150)]})) for _ in "abc"
    ]
    np.testing.assert_allclose(found.lost[0], lost, rtol=1e-9)


def test_dependence_of_each_of_several_classes_with_its_interval():
    three = GENERATOR.integers(0, 3, 150)
    fit = st.fit(X, np.array(["no", "so", "yes"])[three])
    plain = sm.MNLogit(three, DESIGN).fit(disp=0, tol=1e-14, method="newton")
    found = effects.dependence_data(fit, "x2")
    assert found.of == ("no", "so", "yes")
    at = DESIGN.copy()
    at[:, 2] = found.values[10]
    np.testing.assert_allclose(found.mean[10], plain.predict(at).mean(0), rtol=1e-9)

    def mean(params):
        return plain.model.cdf(at @ params.reshape(2, -1).T).mean(0)

    start, slope = plain.params.T.ravel(), []
    for i in range(len(start)):
        step = np.eye(len(start))[i] * 1e-5
        slope.append((mean(start + step) - mean(start - step)) / 2e-5)
    error = np.sqrt(np.diag(np.array(slope).T @ plain.cov_params() @ np.array(slope)))
    np.testing.assert_allclose(found.high[10] - found.mean[10], 1.959963984540054 * error, rtol=1e-6)
    assert [one.name for one in fit.partial_dependence().data if one.showlegend] == ["no", "so", "yes"]


def test_dependence_of_each_of_several_targets():
    fit, alone = st.fit(X, np.stack([Y, Y**2], 1)), st.fit(X, Y**2)
    found, wanted = (effects.dependence_data(one, "x1") for one in (fit, alone))
    np.testing.assert_allclose(found.mean[:, 1], wanted.mean, rtol=1e-9)
    np.testing.assert_allclose(found.low[:, 1], wanted.low, rtol=1e-9)
