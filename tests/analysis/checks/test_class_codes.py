"""Classes under a loss of numbers, numbers under a loss of classes, one-hot targets."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from sklearn.datasets import load_digits, load_iris
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from torch import nn

import steepest as st
from steepest.analysis.checks.class_codes import classes, discriminated, numbers, one_hot
from steepest.analysis.finding import Kind


def nominal(seed, count, n=300):
    """Classes around centres in no order."""
    random = np.random.default_rng(seed)
    codes = random.integers(count, size=n)
    x = 2.0 * random.normal(size=(count, 3))[codes] + random.normal(size=(n, 3))
    return x, codes


def remedies(check, *data, **settings):
    return [(found.kind, found.python) for found in check(st.fit(*data, **settings))]


def test_discriminants_are_those_of_scikit_learn():
    x, y = load_iris(return_X_y=True)
    assert discriminated(x, y) == pytest.approx(LinearDiscriminantAnalysis().fit(x, y).score(x, y), abs=1e-12)


@pytest.mark.parametrize("count", [4, 6, 8])
def test_codes_without_an_order_are_classes(count):
    x, codes = nominal(count, count)
    assert remedies(numbers, x, codes.astype(float)) == [(Kind.NUMBERS, "loss='cross_entropy'")]
    found = st.fit(x, codes + 1, loss="mse", optimizer="adam", lr=0.01, epochs=5).diagnose()[0]
    assert found.python == "loss='cross_entropy', optimizer='auto', lr='auto'"


def test_two_classes_under_a_loss_that_was_asked_for():
    x, codes = nominal(1, 2)
    assert remedies(numbers, x, codes, loss="mse") == [(Kind.NUMBERS, "loss='logistic'")]
    ends = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1), nn.Sigmoid())
    assert remedies(numbers, x, codes, loss=nn.MSELoss(), model=ends, epochs=2) == [
        (Kind.NUMBERS, "loss='torch.nn:BCELoss'")
    ]


def test_stars_counts_and_an_order_are_let_be():
    for seed in range(6):
        random = np.random.default_rng(seed)
        x = random.normal(size=(300, 3))
        stars = np.clip(np.round(3.5 + 0.8 * x[:, 0] + random.normal(size=300)), 1, 5)
        counts = random.poisson(np.exp(0.8 + 0.5 * x[:, 1]))
        kinds = np.digitize(x[:, 0] + 0.1 * random.normal(size=300), [-0.5, 0.5])
        for y in (stars, counts, kinds):
            assert remedies(numbers, x, y.astype(float)) == []
    assert remedies(numbers, *load_iris(return_X_y=True)) == []  # these lie in a row


def test_numbers_under_a_loss_of_classes():
    random = np.random.default_rng(0)
    x = random.normal(size=(400, 3))
    counts = np.minimum(random.poisson(np.exp(1.0 + 0.5 * x[:, 0])), 9)
    assert remedies(classes, x, counts, loss="cross_entropy", penalty="l2:0.01") == [(Kind.CLASSES, "loss='mse'")]
    hours = np.round(12.0 + 6.0 * np.minimum(np.abs(x[:, 0]), 1.5)).astype(int)  # no line follows them
    found = remedies(classes, x, hours, model="softmax", penalty="l2:0.01")
    assert found == [(Kind.CLASSES, "loss='mse', model='linear'")]
    halves = np.round(np.clip(x[:, 0], -2, 2)) / 2 + 0.25
    assert remedies(classes, x, halves, loss="cross_entropy", penalty="l2:0.01")[0][0] is Kind.CLASSES


def test_digits_and_other_names_are_classes():
    x, y = load_digits(return_X_y=True)
    assert remedies(classes, x[:600], y[:600], loss="cross_entropy", penalty="l2:0.01", epochs=20) == []
    for seed in range(5):
        x, codes = nominal(seed, 12, 400)
        assert remedies(classes, x, codes, loss="cross_entropy", penalty="l2:0.01") == []


def test_one_hot_rows():
    x, codes = nominal(3, 3)
    y = np.eye(3)[codes]
    assert remedies(one_hot, x, y) == [(Kind.ONE_HOT, "loss='cross_entropy'")]
    table = pa.table({"a": x[:, 0], "b": x[:, 1], **{f"kind {k}": y[:, k] for k in range(3)}})
    (found,) = one_hot(st.fit(table, target=["kind 0", "kind 1", "kind 2"]))
    assert (found.remedy, "idxmax" in found.advice) == ({}, True)
    y[0] = 1.0, 1.0, 0.0  # several labels at once
    assert remedies(one_hot, x, y) == []
