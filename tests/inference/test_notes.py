"""What a summary says beside its numbers: reference levels, resamples, columns that others make up, and overdispersion."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm

import steepest as st
from steepest.inference.shown import digits

RANDOM = np.random.default_rng(16)
X = RANDOM.normal(size=(200, 2))
MEAN = np.exp(1.0 + 0.5 * X[:, 0])
DESIGN = sm.add_constant(X)
TABLE = {
    "x": X[:60, 0], "city": RANDOM.choice(["Bern", "Oslo", "Rome"], 60), "size": RANDOM.choice([1, 2, 5], 60),
    "y": RANDOM.normal(size=60),
}  # fmt: skip


@pytest.mark.parametrize(("formula", "levels"), [
    ("y ~ x + city", {"city": "Bern"}),
    ("y ~ x * C(city, Treatment('Rome'))", {"C(city, Treatment('Rome'))": "Rome"}),
    ("y ~ C(city, levels=['Oslo', 'Rome', 'Bern'])", {"C(city, levels=['Oslo', 'Rome', 'Bern'])": "Oslo"}),
    ("y ~ C(size) + city", {"C(size)": "1", "city": "Bern"}),
    ("y ~ 0 + city", {}),
    ("y ~ C(city, contr.sum)", {}),
])  # fmt: skip
def test_the_level_that_others_are_compared_with_is_that_of_the_formula(formula, levels):
    found = st.fit(formula, TABLE).summary()
    assert dict(found.levels) == levels
    for name, level in levels.items():  # it has no coefficient of its own
        assert not any(one.startswith(name) and one.endswith(f"{level}]") for one in found.labels)
    said = "sum contrasts" if "contr.sum" in formula else "Levels are compared with" if levels else "linear, mse"
    assert said in str(found)


def test_a_coefficient_that_is_0_but_for_rounding_has_its_digits():
    assert digits(np.array([3e-17]), np.array([-5e-18]), 1e-15).tolist() == [16.0]
    assert digits(np.array([3e-17]), np.array([-5e-18])).tolist() == [0.0]
    assert not np.signbit(digits(np.array([0.0]), np.array([1e-170]))).any()
    with pytest.warns(st.SteepestWarning, match="the same value"):
        found = st.fit(X, np.full(200, 5.0), loss="poisson").summary()
    assert min(found.coefficients.column("digits").to_pylist()) > 15


def test_few_resamples_are_said_to_be_few():
    fit = st.fit(X, X @ [1.0, 2.0] + RANDOM.normal(size=200))
    assert (
        "20 resamples are few for the ends of intervals at 95%: bootstrap=1000 is enough."
        in fit.summary(bootstrap=20).notes
    )
    assert any("bootstrap=5000" in note for note in fit.summary(bootstrap=500, level=0.99).notes)
    assert fit.summary(bootstrap=400).notes == ()


def test_columns_that_others_make_up_have_no_errors_of_resamples_either():
    found = st.fit(np.column_stack([X, X[:, 0] + X[:, 1]]), MEAN).summary(bootstrap=50)
    error, low = (found.coefficients.column(name).to_pylist() for name in ("std_error", "low"))
    assert error[0] > 0
    assert error[1:] == low[1:] == [None, None, None]


def test_counts_that_spread_more_are_said_to_and_by_how_much():
    counts = RANDOM.poisson(MEAN * RANDOM.gamma(1.0, 1.0, 200)).astype(float)
    theirs = sm.GLM(counts, DESIGN, sm.families.Poisson()).fit()
    ratio = theirs.pearson_chi2 / theirs.df_resid
    assert ratio > 2
    fit = st.fit(X, counts, loss="poisson")
    (note,) = fit.summary().notes
    assert note.startswith(f"Pearson's χ² is {ratio:.3g} times the degrees of freedom left")
    assert f"about {ratio**0.5:.3g} times too small" in note
    assert fit.summary(cov="HC1").notes == ()
    assert st.fit(X, RANDOM.poisson(MEAN).astype(float), loss="poisson").summary().notes == ()


def test_shares_that_spread_more_are_said_to_and_single_trials_never():
    trials, share = RANDOM.integers(5, 30, 200), 1 / (1 + np.exp(-X[:, 0]))
    good = RANDOM.binomial(trials, RANDOM.beta(3 * share, 3 * (1 - share))).astype(float)
    theirs = sm.GLM(np.column_stack([good, trials - good]), DESIGN, sm.families.Binomial()).fit()
    fit = st.fit({"a": X[:, 0], "b": X[:, 1], "y": good, "m": trials}, target="y", loss="binomial", trials="m")
    assert f"{theirs.pearson_chi2 / theirs.df_resid:.3g} times the degrees of freedom" in fit.summary().notes[0]
    usual = RANDOM.binomial(trials, share).astype(float)
    fit = st.fit({"a": X[:, 0], "b": X[:, 1], "y": usual, "m": trials}, target="y", loss="binomial", trials="m")
    assert fit.summary().notes == ()
    rare = (RANDOM.random(200) < 0.02).astype(float)
    assert st.fit(X, rare, loss="binomial").summary().notes == ()


@pytest.mark.parametrize(("settings", "said"), [
    ({"model": "mlp:2", "epochs": 2}, r"There are no intervals of predictions. A module has no standard errors by theory.$"),
    ({"loss": "tukey:4"}, r"Loss tukey:4 is not convex, and has no standard errors by theory.$"),
    ({"penalty": "l1:0.1"}, r"With an l1 penalty there are no standard errors by theory.$"),
])  # fmt: skip
def test_predictions_without_intervals_are_not_sent_to_resamples(settings, said):
    with pytest.raises(st.FitError, match=said):
        st.fit(X, MEAN, **settings).predict(X[:2], interval=0.9)


def test_an_observation_of_counts_has_no_interval():
    fit = st.fit(X, RANDOM.poisson(MEAN).astype(float), loss="poisson")
    with pytest.raises(st.SpecError, match="under poisson take kind='mean', for the mean of the target"):
        fit.predict(X[:2], interval=0.9, kind="observation")


@pytest.mark.parametrize(("formula", "said"), [
    ("y ~ 0", "has no term: 1 stands for an intercept alone"),
    ("y ~ x + offset(size)", r"an offset is no term but a setting: offset='COLUMN' in place of 'offset\(size\)'"),
])  # fmt: skip
def test_formulas_that_fit_nothing_say_why(formula, said):
    with pytest.raises(st.SpecError, match=said):
        st.fit(formula, TABLE)


@pytest.mark.parametrize("name", ["y", "w"])
def test_text_among_the_numbers_of_a_validation_set_is_named_with_its_row(name):
    table = {"x": X[:60, 0], "w": np.ones(60), "y": TABLE["y"]}
    held = {key: column[:9] for key, column in table.items()} | {name: ["1", "2", "three"] * 3}
    with pytest.raises(st.DataError, match=f"validation: column '{name}' must hold numbers and row 3 .* has 'three'"):
        st.fit(table, target="y", weights="w", lr=0.1, epochs=3, validation=held)


@pytest.mark.parametrize("split", [None, 3])
def test_a_split_that_is_none_is_shown_as_given(split):
    with pytest.raises(
        st.SpecError, match=f"split={split}; it must be random, time:COLUMN, group:COLUMN or the number"
    ):
        st.fit("y ~ x", TABLE).cross_validate(folds=3, split=split)
