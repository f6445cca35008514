"""Counts and amounts: poisson, gamma and tweedie beside statsmodels' GLM and scikit-learn's regressors."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
import statsmodels.api as sm
from sklearn import linear_model, metrics

import steepest as st
import zoo
from steepest.cli.prediction_table import prediction_table
from steepest.model.torch_losses import loss

LINK = sm.families.links.Log
KINDS = {
    "poisson": (sm.families.Poisson(), 1.0),
    "gamma": (sm.families.Gamma(LINK()), 2.0),
    "tweedie:1.6": (sm.families.Tweedie(LINK(), 1.6), 1.6),
}
RANDOM = np.random.default_rng(3)
X = RANDOM.normal(size=(160, 3))
MEAN = np.exp(1.0 + X @ [0.5, -0.3, 0.0])
COUNT = RANDOM.poisson(MEAN).astype(float)
TARGETS = {"poisson": COUNT, "gamma": RANDOM.gamma(2.0, MEAN / 2), "tweedie:1.6": COUNT * RANDOM.gamma(1.0, 1.0, 160)}
WEIGHTS, GROUPS = RANDOM.integers(1, 5, 160), np.arange(160) % 12
FIGURES = {
    "deviance": "deviance", "null_deviance": "null_deviance", "pearson_chi2": "pearson_chi2", "dispersion": "scale",
    "log_likelihood": "llf", "log_likelihood_null": "llnull", "aic": "aic", "bic": "bic_llf", "df_residual": "df_resid",
}  # fmt: skip


def column(summary, name):
    return np.array(summary.coefficients.column(name).to_pylist())


def theirs(kind, weights=None, **settings):
    given = {} if weights is None else {weights: WEIGHTS.astype(float)}
    model = sm.GLM(TARGETS[kind], sm.add_constant(X), family=KINDS[kind][0], **given)
    return model.fit(tol=1e-13, tol_criterion="params", maxiter=200, **settings)


@pytest.mark.parametrize("weights", [None, "var_weights", "freq_weights"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_summary_has_the_numbers_of_statsmodels(kind, weights):
    more = {} if weights is None else {"weights": WEIGHTS}
    if weights == "freq_weights":
        more["weights_kind"] = "frequency"
    fit, other = st.fit(X, TARGETS[kind], loss=kind, **more), theirs(kind, weights)
    found = fit.summary()
    assert fit.exact.certificate < 1e-12
    np.testing.assert_allclose(fit.theta, other.params, rtol=1e-8)
    for name, its in (("std_error", "bse"), ("statistic", "tvalues"), ("p_value", "pvalues")):
        np.testing.assert_allclose(column(found, name), getattr(other, its), rtol=1e-8)
    for name, its in FIGURES.items():
        assert getattr(found, name) == pytest.approx(getattr(other, its), rel=1e-8), name
    if weights != "freq_weights":  # there statsmodels counts rows, and not what they stand for
        assert found.pseudo_r2 == pytest.approx(other.pseudo_rsquared(), rel=1e-8)
    scores = fit.metrics["train"]
    if weights != "freq_weights":
        assert scores["pseudo_r2"] == pytest.approx(other.pseudo_rsquared(), rel=1e-8)
    for name in ("deviance", "null_deviance", "pearson_chi2"):
        assert scores[name] == pytest.approx(getattr(other, name), rel=1e-8)


def test_frequencies_are_rows_as_often():
    often = np.repeat(np.arange(160), WEIGHTS)
    whole = st.fit(X[often], TARGETS["gamma"][often], loss="gamma").summary()
    found = st.fit(X, TARGETS["gamma"], loss="gamma", weights=WEIGHTS, weights_kind="frequency").summary()
    np.testing.assert_allclose(column(found, "std_error"), column(whole, "std_error"), rtol=1e-10)
    assert (found.pseudo_r2, found.bic) == pytest.approx((whole.pseudo_r2, whole.bic), rel=1e-10)


@pytest.mark.parametrize("kind", KINDS)
def test_robust_errors_are_those_of_statsmodels(kind):
    table = {**{f"x{i}": one for i, one in enumerate(X.T)}, "group": GROUPS.astype(float), "y": TARGETS[kind]}
    fit = st.fit(table, target="y", columns=["x0", "x1", "x2"], loss=kind)
    for cov, more in (("HC0", {}), ("cluster:group", {"cov_kwds": {"groups": GROUPS}})):
        other = theirs(kind, cov_type=cov.partition(":")[0], **more)
        np.testing.assert_allclose(column(fit.summary(cov=cov), "std_error"), other.bse, rtol=1e-8)


@pytest.mark.parametrize("kind", KINDS)
def test_with_a_penalty_it_is_the_optimum_of_scikit_learn(kind):
    power = KINDS[kind][1]
    model = linear_model.TweedieRegressor(power=power, link="log", alpha=0.2, solver="newton-cholesky", tol=1e-12)
    model.fit(X, TARGETS[kind], sample_weight=WEIGHTS)
    fit = st.fit(X, TARGETS[kind], loss=kind, weights=WEIGHTS, penalty="l2:0.1")
    np.testing.assert_allclose(fit.theta, np.append(model.intercept_, model.coef_), atol=1e-9)
    named = {"poisson": metrics.mean_poisson_deviance, "gamma": metrics.mean_gamma_deviance}
    deviance = named.get(kind, lambda y, mean, **more: metrics.mean_tweedie_deviance(y, mean, power=power, **more))
    assert 2 * fit.loss == pytest.approx(deviance(TARGETS[kind], fit.predict(X), sample_weight=WEIGHTS), rel=1e-10)


@pytest.mark.parametrize("kind", KINDS)
def test_held_out_rows_are_scored_by_their_means(kind):
    fit = st.fit(X, TARGETS[kind], loss=kind, test_fraction=0.3)
    y, mean, scores = fit.test.y, fit.predict(fit.test.x), fit.metrics["test"]
    assert scores["d2"] == pytest.approx(metrics.d2_tweedie_score(y, mean, power=KINDS[kind][1]), rel=1e-9)
    assert scores["rmse"] == pytest.approx(metrics.root_mean_squared_error(y, mean), rel=1e-12)
    again = st.fit(X, TARGETS[kind], loss=kind).cross_validate(folds=4)
    held = np.full(4, np.nan)
    for fold in range(4):
        rows = again.fold == fold
        held[fold] = metrics.d2_tweedie_score(TARGETS[kind][rows], again.predictions[rows], power=KINDS[kind][1])
    np.testing.assert_allclose(again.scores["d2"], held, rtol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_predictions_are_means_and_so_are_the_ends_of_intervals(kind, tmp_path):
    fit, other = st.fit(X, TARGETS[kind], loss=kind), theirs(kind)
    frame = other.get_prediction(sm.add_constant(X)).summary_frame()
    wanted = frame[["mean", "mean_ci_lower", "mean_ci_upper"]].to_numpy()
    np.testing.assert_allclose(fit.predict(X, interval=0.95), wanted, rtol=1e-8)
    np.testing.assert_allclose(fit.decision(X), np.log(wanted[:, 0]), atol=1e-8)
    fit.save(tmp_path / "run")
    np.testing.assert_array_equal(st.load(tmp_path / "run").predict(X), fit.predict(X))
    (tmp_path / "new.csv").write_text("x1,x2,x3\n" + ",".join(map(repr, X[0].tolist())) + "\n")
    (table,) = prediction_table(st.load(tmp_path / "run"), str(tmp_path / "new.csv"), interval=(0.95, "mean"))[0]
    np.testing.assert_allclose([one[0].as_py() for one in table.columns], wanted[0], rtol=1e-8)
    np.testing.assert_allclose(fit.residuals().source_data[0].fitted, wanted[:, 0], rtol=1e-8)
    with pytest.raises(st.SpecError, match="take kind='mean', for the mean of the target"):
        fit.predict(X, interval=0.95, kind="observation")


@pytest.mark.parametrize("kind", KINDS)
def test_the_influence_of_rows_is_that_of_statsmodels(kind):
    found, other = (
        st.fit(X, TARGETS[kind], loss=kind).influence().source_data,
        theirs(kind).get_influence(observed=False),
    )
    np.testing.assert_allclose(found.leverage, other.hat_matrix_diag, rtol=1e-8)
    np.testing.assert_allclose(found.internal, other.resid_studentized, rtol=1e-8)
    np.testing.assert_allclose(found.cooks, other.cooks_distance[0], rtol=1e-8)


@pytest.mark.parametrize("off", [1e-9, 1e-4, -0.3, 5.0])
@pytest.mark.parametrize(("kind", "power"), [("poisson", 1), ("gamma", 2), ("tweedie:1.25", 1.25)])
def test_a_loss_near_its_least_value_has_all_its_digits(kind, power, off):
    y, here = np.array([3e8]), np.log(3e8) + off
    with mpmath.workdps(60):
        target, mean = mpmath.mpf(3e8), mpmath.exp(mpmath.mpf(here))
        if power == 1:
            wanted = target * mpmath.log(target / mean) - target + mean
        elif power == 2:
            wanted = target / mean - 1 - mpmath.log(target / mean)
        else:
            p = mpmath.mpf(power)
            wanted = (
                target ** (2 - p) / ((1 - p) * (2 - p)) - target * mean ** (1 - p) / (1 - p) + mean ** (2 - p) / (2 - p)
            )
        lost = 4e-15 * 20 / abs(off)  # f itself is rounded
    assert loss(kind).rows(np.array([here]), y)[0] == pytest.approx(float(wanted), rel=max(lost, 1e-14))


def test_unscaled_columns_that_stop_lbfgs_do_no_harm_here_and_are_named():
    """A default PoissonRegressor leaves all coefficients at 0 on this table, with a RuntimeWarning (scikit-learn 27016)."""
    x, y, _ = zoo.insurance()
    with pytest.warns(RuntimeWarning, match="invalid value"):
        assert not linear_model.PoissonRegressor(alpha=0).fit(x, y).coef_.any()
    wanted = sm.GLM(y, sm.add_constant(x), family=sm.families.Poisson()).fit(tol=1e-14).params
    np.testing.assert_allclose(st.fit(x, y, loss="poisson").theta, wanted, rtol=1e-8)

    by_hand = st.fit(x, y, loss="poisson", optimizer="sgd", lr=1e-3, epochs=2_000)
    assert by_hand.status is st.Status.DIVERGED
    finding = by_hand.diagnose()[0]
    assert finding.code == "ST004"
    assert "'x10'" in finding.what
    mended = st.fit(x, y, loss="poisson", optimizer="sgd", epochs=2_000, **finding.remedy)
    assert mended.status is st.Status.CONVERGED
    np.testing.assert_allclose(mended.theta, wanted, rtol=1e-4)


@pytest.mark.parametrize(("kind", "mean"), [("poisson", 1.0), ("poisson", 1e5), ("gamma", 1e-4), ("tweedie:1.6", 1e3)])
def test_an_automatic_rate_holds_where_the_curvature_has_no_limit(kind, mean):
    for more in ({"epochs": 400}, {"epochs": 30, "batch_size": 16}, {"epochs": 400, "optimizer": "momentum:0.9"}):
        fit = st.fit(X, mean * TARGETS[kind], loss=kind, **{"optimizer": "sgd", "lr": "auto"} | more)
        assert fit.status is not st.Status.DIVERGED
        assert fit.gap < (0.1 if "batch_size" in more else 1e-3) * (fit.trace.objective[0] - fit.exact.objective)


@pytest.mark.parametrize("kind", KINDS)
def test_a_healthy_fit_has_no_findings_and_its_rates_are_told(kind):
    fit = st.fit(X, TARGETS[kind], loss=kind)
    assert fit.diagnose().found == ()
    assert "are judged by the deviance" in fit.diagnose().looked_at
    prospects = st.diagnose(X, TARGETS[kind], loss=kind).prospects
    assert len(prospects) > 0
    for one in prospects:
        again = st.fit(
            X,
            TARGETS[kind],
            loss=kind,
            optimizer=one.optimizer,
            lr=one.lr,
            precondition=one.precondition,
            epochs=3 * int(one.steps),
        )
        assert again.relative_gap < 1e-5


def test_a_network_begins_at_the_mean_of_the_target():
    for kind in KINDS:
        fit = st.fit(X, 1e3 * TARGETS[kind], loss=kind, model="mlp:4", epochs=200)
        assert fit.trace.objective[0] < 3 * fit.metrics["train"]["null_deviance"] / 320
        assert fit.metrics["train"]["d2"] > 0.2
        assert fit.metrics["train"]["deviance"] == pytest.approx(2 * 160 * fit.loss, rel=1e-9)


def test_many_rows_are_gone_through_where_they_lie():
    random = np.random.default_rng(4)
    x = random.normal(size=(70_000, 8))
    y = random.poisson(1e5 * np.exp(0.3 * x[:, 0]))
    fit = st.fit(x, y, loss="poisson")
    assert fit.precondition == "local curvature"
    slope = np.exp(fit.decision(x)) - y
    np.testing.assert_allclose(np.column_stack([np.ones(len(x)), x]).T @ slope / len(x), 0.0, atol=1e-5)
    assert fit.exact.certificate < 1e-12
    assert fit.status is st.Status.CONVERGED


def test_groups_of_zeros_leave_no_minimum_and_the_infimum_is_that_without_them():
    group = np.repeat([0, 1, 2], 40)
    x, y = np.eye(3)[group][:, 1:], np.where(group == 1, 0, 1 + np.arange(120) % 4)
    fit = st.fit(x, y, loss="poisson")
    assert fit.status is st.Status.SEPARABLE
    rest = st.fit(x[group != 1], y[group != 1], loss="poisson", columns=["x2"])
    assert fit.exact.loss == pytest.approx(rest.loss * 80 / 120, rel=1e-12)
    assert "40 rows with the target 0" in fit.exact_note
    assert "penalty='l2:0.001'" in fit.message
    with pytest.warns(st.SteepestWarning, match="the same value"):
        nothing = st.fit(x, 0 * y, loss="tweedie:1.5")
    assert (nothing.status, nothing.exact.loss) == (st.Status.SEPARABLE, 0.0)
    assert st.fit(x, y, loss="poisson", penalty="l2:0.001").status is st.Status.CONVERGED


@pytest.mark.parametrize(
    ("kind", "value", "said"),
    [
        ("poisson", -1.0, "-1 in row 3 .* loss poisson is for counts, whole numbers of at least 0"),
        ("gamma", 0.0, "0 in row 3 .* loss gamma is for numbers above 0"),
        ("tweedie:1.5", -0.5, r"-0\.5 in row 3 .* loss tweedie:1\.5 is for numbers of at least 0"),
    ],
)
def test_targets_that_cannot_be_are_named_with_their_row(kind, value, said):
    y = [1.0, 2.0, value, 4.0]
    with pytest.raises(st.DataError, match=said):
        st.fit({"a": [1.0, 2.0, 3.0, 5.0], "y": y}, target="y", loss=kind)
    with pytest.raises(st.DataError, match="holds text"):
        st.fit([1.0, 2.0, 3.0], ["a", "b", "a"], loss=kind)


def test_counts_that_are_not_whole_are_fitted_with_a_note():
    assert any("0.5 is not whole" in note for note in st.fit([1.0, 2.0, 3.0], [1.0, 0.5, 2.0], loss="poisson").notes)
    assert not any("whole" in note for note in st.fit([1.0, 2.0, 3.0], [1.0, 0.5, 2.0], loss="gamma").notes)


def test_successes_of_trials_are_those_of_statsmodels_and_r():
    """Its two columns of successes and failures; R's cbind(successes, failures)."""
    trials = RANDOM.integers(1, 25, 160)
    good = RANDOM.binomial(trials, 1 / (1 + np.exp(-X @ [0.8, -0.5, 0.2])))
    model = sm.GLM(np.column_stack([good, trials - good]), sm.add_constant(X), family=sm.families.Binomial())
    other = model.fit(tol=1e-13, tol_criterion="params")
    fit = st.fit(X, good, loss="binomial", trials=trials)
    found = fit.summary()
    np.testing.assert_allclose(fit.theta, other.params, rtol=1e-8)
    np.testing.assert_allclose(column(found, "std_error"), other.bse, rtol=1e-8)
    np.testing.assert_allclose(fit.predict(X), other.fittedvalues, rtol=1e-8)
    for name, its in FIGURES.items():
        assert getattr(found, name) == pytest.approx(getattr(other, its), rel=1e-8), name
    assert found.pseudo_r2 == pytest.approx(other.pseudo_rsquared(), rel=1e-8)
    robust = model.fit(tol=1e-13, tol_criterion="params", cov_type="HC0")
    np.testing.assert_allclose(column(fit.summary(cov="HC0"), "std_error"), robust.bse, rtol=1e-8)
    shares = st.fit(X, good / trials, loss="binomial", weights=trials)
    np.testing.assert_allclose(shares.theta, fit.theta, rtol=1e-10)
    assert shares.summary().aic == pytest.approx(other.aic, rel=1e-10)


def test_trials_of_one_are_two_classes():
    two = (X[:, 0] + RANDOM.logistic(size=160) > 0).astype(int)
    shares, classes = st.fit(X, two.astype(float), loss="binomial"), st.fit(X, two, loss="logistic")
    np.testing.assert_allclose(shares.theta, classes.theta, rtol=1e-9)
    assert shares.loss == pytest.approx(classes.loss, rel=1e-12)
    np.testing.assert_allclose(shares.predict(X), classes.predict_proba(X)[:, 1], rtol=1e-9)


def test_trials_are_a_column_and_are_held_out_kept_and_validated_with_their_rows(tmp_path):
    trials = RANDOM.integers(1, 25, 160)
    table = {"a": X[:, 0], "shots": trials, "goals": RANDOM.binomial(trials, 0.4)}
    early = {name: values[:40] for name, values in table.items()}
    fit = st.fit(table, target="goals", loss="binomial", trials="shots", validation=early, test_fraction=0.25)
    assert fit.names == ["intercept", "a"]
    for part in (fit.validation, fit.train, fit.test):
        assert ((part.y >= 0) & (part.y <= 1)).all()
        np.testing.assert_allclose(part.y * part.weights, np.round(part.y * part.weights), atol=1e-12)
    fit.save(tmp_path / "run")
    np.testing.assert_array_equal(st.load(tmp_path / "run").predict({"a": [0.5]}), fit.predict({"a": [0.5]}))


def test_a_group_without_failures_leaves_no_minimum():
    group, trials = np.repeat([0.0, 1.0], 30), np.full(60, 7.0)
    good = np.where(group == 1, trials, np.arange(60) % 6)
    fit = st.fit(group, good, loss="binomial", trials=trials)
    assert fit.status is st.Status.SEPARABLE
    assert fit.exact.loss == pytest.approx(
        st.fit(0 * group[:30], good[:30], loss="binomial", trials=trials[:30]).loss / 2
    )
    assert "30 rows with the target 1" in fit.exact_note


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"trials": [5, 5, 2, 5]}, "is 3 of 2 trials in row 3"),
        ({"trials": [5, 0, 3, 5]}, "the trials 0 in row 2 .* is not above 0"),
        ({"trials": [5, 5, 3, 5], "loss": "poisson"}, "trials= is for loss='binomial'"),
        ({}, "2 in row 2 .* loss binomial is for shares from 0 to 1, or counts of successes with trials="),
    ],
)
def test_trials_that_cannot_be_are_said(given, said):
    with pytest.raises(st.SteepestError, match=said):
        st.fit([1.0, 2.0, 3.0, 5.0], [1, 2, 3, 4], **{"loss": "binomial", **given})


def test_resamples_spread_as_theory_says():
    found = st.fit(X, COUNT, loss="poisson").summary(bootstrap=400)
    np.testing.assert_allclose(column(found, "std_error"), theirs("poisson", cov_type="HC0").bse, rtol=0.2)


def test_a_group_of_zeros_is_not_said_to_be_a_class():
    fit = st.fit([[0.0], [0.0], [1.0], [1.0]], [1.0, 2.0, 0.0, 0.0], loss="poisson")
    assert fit.status is st.Status.SEPARABLE
    assert "no finite minimum" in str(fit.status)
    assert "classes" not in fit.message
