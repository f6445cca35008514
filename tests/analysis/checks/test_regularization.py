"""A penalty that is too strong for the rows, beside scikit-learn's scores of rows left out."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.model_selection import PredefinedSplit, cross_val_score

import steepest as st
from steepest.analysis.finding import Kind
from steepest.text.numbers import number

GENERATOR = np.random.default_rng(2)
X = GENERATOR.normal(size=(100, 3))
Y = X @ [1.0, 2.0, 0.0] + GENERATOR.normal(size=100)


def found(**settings):
    return [one for one in st.fit(X, Y, **settings).diagnose() if one.kind is Kind.REGULARIZED]


@pytest.mark.parametrize(
    ("amount", "less", "told"),
    [(100.0, "none", "near their mean"), (0.8, "l2:0.008", "stronger than the rows ask for")],
)
def test_a_penalty_that_is_too_strong_is_told_with_the_loss_on_rows_left_out(amount, less, told):
    (one,) = found(penalty=f"l2:{amount}")
    assert told in one.what
    assert one.remedy == {"penalty": less}
    folds = PredefinedSplit(np.arange(100) % 5)
    before, after = (
        -cross_val_score(Ridge(alpha=80 * weight), X, Y, cv=folds, scoring="neg_mean_squared_error").mean()
        for weight in (amount, 1e-12 if less == "none" else amount / 100)
    )
    assert f"is {number(before)}; with penalty={less!r} it is {number(after)}." in one.evidence


def test_a_penalty_that_suits_the_rows_is_not():
    assert not found(penalty="l2:0.01")
    assert not found(penalty="l1:0.05")
    few = GENERATOR.normal(size=(30, 25))
    kinds = {one.kind for one in st.fit(few, few[:, 0] + GENERATOR.normal(size=30), penalty="l2:1").diagnose()}
    assert Kind.REGULARIZED not in kinds


def test_so_is_the_penalty_of_other_losses():
    (one,) = found(penalty="l1:100", loss="l1")
    assert "near their mean" in one.what
    two = (X[:, 0] + 0.3 * GENERATOR.logistic(size=100) > 0).astype(int)
    kinds = [one.kind for one in st.fit(X, two, model="logistic", penalty="l2:100").diagnose()]
    assert kinds == [Kind.REGULARIZED]


def test_without_a_penalty_it_is_not_looked_for():
    assert Kind.REGULARIZED.value not in st.fit(X, Y).diagnose().looked_at
    assert Kind.REGULARIZED.value in st.fit(X, Y, penalty="l2:0.01").diagnose().looked_at


def test_a_penalty_on_columns_of_unlike_sizes_names_the_one_that_it_weighs_on():
    random = np.random.default_rng(8)
    x = random.standard_normal((200, 2)) * [1.0, 0.01]
    y = x @ [1.0, 100.0] + 0.1 * random.standard_normal(200)
    found = st.fit({"a": x[:, 0], "b": x[:, 1], "y": y}, target="y", penalty="l2:0.01").diagnose()[0]
    assert found.code == "ST032"
    ratio = x[:, 0].std() / x[:, 1].std()
    assert f"weighs hardest on 'b', which spreads {number(ratio)} times less than 'a'" in found.evidence
    assert "standard deviations" in found.advice
    alike = st.fit(x * [1.0, 100.0], y, penalty="l2:10").diagnose()[0]
    assert (alike.code, "weighs" in alike.evidence, alike.advice) == ("ST032", False, "")
