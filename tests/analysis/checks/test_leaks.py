"""Columns that give the target away, and rows that stand both in training and among those held out."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import rankdata
from sklearn.datasets import load_diabetes, load_iris, load_wine

import steepest as st
from steepest.analysis.checks.leaks import leaks, ranks
from steepest.analysis.checks.near_copies import near_copies
from steepest.analysis.checks.shared_rows import shared_rows
from steepest.analysis.finding import Kind

DIABETES = load_diabetes(return_X_y=True)


def dropped(*data, **settings):
    return [found.remedy["drop"] for found in leaks(st.fit(*data, **settings))]


def test_ranks_are_those_of_scipy():
    values = np.random.default_rng(0).integers(0, 9, 50).astype(float)
    np.testing.assert_array_equal(ranks(values), rankdata(values) - 1)


def test_a_copy_of_the_target_in_other_units_is_dropped():
    x, y = DIABETES
    copy = np.log(y + 0.5 * np.random.default_rng(0).normal(size=len(y)))
    assert dropped(np.column_stack([x, copy]), y) == [("x11",)]
    assert [found.python for found in st.fit(np.column_stack([x, copy]), y).diagnose()] == ["drop=('x11',)"]
    assert dropped(x, y) == []


@pytest.mark.parametrize("load", [load_iris, load_wine])
def test_an_id_in_the_order_of_the_classes(load):
    x, y = load(return_X_y=True)
    settings = {"loss": "cross_entropy", "penalty": "l2:0.01", "test_fraction": 0.2}
    assert dropped(np.column_stack([np.arange(len(y)), x]), y, **settings) == [("x1",)]
    shuffled = np.random.default_rng(0).permutation(len(y))
    assert dropped(np.column_stack([shuffled, x]), y, **settings) == []


def test_a_category_that_is_the_class_in_other_words():
    x, y = load_iris(return_X_y=True)
    table = {"a": x[:, 0], "b": x[:, 1], "ward": [f"w{code}" for code in y], "kind": [f"k{code}" for code in y]}
    assert dropped(pa.table(table), target="kind", penalty="l2:0.01") == [("ward",)]


def test_a_column_that_explains_nearly_all_is_let_be():
    for seed in range(5):
        random = np.random.default_rng(seed)
        x = random.normal(size=(200, 3))
        assert dropped(x, 3.0 * x[:, 0] + 0.05 * random.normal(size=200)) == []
        assert dropped(x, (x[:, 0] > 0).astype(int), model="logistic", penalty="l2:0.01") == []
        time = np.arange(200.0)
        assert dropped(np.column_stack([time, x]), 0.1 * time + x[:, 0] + random.normal(size=200)) == []


def test_copies_that_a_split_parts():
    x, y = DIABETES
    (found,) = shared_rows(st.fit(np.r_[x, x[::2]], np.r_[y, y[::2]], test_fraction=0.25))
    assert (found.kind, found.remedy, "before the rows are split" in found.advice) == (Kind.SHARED_ROWS, {}, True)
    fit = st.fit(np.r_[x, x[::2]], np.r_[y, y[::2]], test_fraction=0.25)
    rows = {(*row, goal) for row, goal in zip(fit.train.x.tolist(), fit.train.y.tolist(), strict=True)}
    twins = sum((*row, goal) in rows for row, goal in zip(fit.test.x.tolist(), fit.test.y.tolist(), strict=True))
    assert f"{twins:,} of {fit.test_rows:,} held-out rows" in found.evidence
    ahead = st.diagnose(np.r_[x, x[::2]], np.r_[y, y[::2]], test_fraction=0.25).findings
    assert Kind.SHARED_ROWS in [one.kind for one in ahead]


def test_rows_of_few_values_are_twins_by_chance():
    random = np.random.default_rng(0)
    x = random.integers(0, 3, size=(500, 3)).astype(float)
    y = np.round(x[:, 0] + random.normal(size=500))
    assert list(shared_rows(st.fit(x, y, test_fraction=0.3))) == []
    assert list(shared_rows(st.fit(*DIABETES, test_fraction=0.3))) == []


@pytest.mark.parametrize("noise", [0.003, 0.03])
def test_copies_with_a_little_noise_that_a_split_parts(noise):
    x, y = DIABETES
    random = np.random.default_rng(0)
    shaken = x[::2] + noise * x.std(0) * random.standard_normal(x[::2].shape)
    fit = st.fit(np.r_[x, shaken], np.r_[y, y[::2]], test_fraction=0.25)
    (found,) = near_copies(fit)
    assert (found.kind, found.remedy, "of the training part only" in found.advice) == (Kind.SHARED_ROWS, {}, True)
    # a third of the rows is a copy, another third has one: half of the held-out rows, of which three in four lie apart
    share = float(found.what.partition("%")[0]) / 100
    assert share == pytest.approx(2 / 3 * 0.75, abs=0.12)
    assert Kind.SHARED_ROWS in [
        one.kind for one in st.diagnose(np.r_[x, shaken], np.r_[y, y[::2]], validation=0.2).findings
    ]
    assert list(shared_rows(fit)) == []
    assert list(near_copies(st.fit(x, y, test_fraction=0.25))) == []


def _free(random):
    yield random.standard_normal((300, 6)), random.standard_normal(300)
    yield np.exp(2 * random.standard_normal((300, 3))), random.standard_normal(300)
    yield random.standard_t(1.5, (300, 4)), random.standard_t(1.5, 300)
    yield (
        np.column_stack([np.eye(5)[random.integers(5, size=300)], random.standard_normal(300)]),
        random.standard_normal(300),
    )
    way = np.cumsum(random.standard_normal(304))
    yield np.column_stack([way[k : k + 300] for k in range(4)]), way[4:]
    middle = 3 * random.standard_normal((6, 4))
    group = random.integers(6, size=300)
    yield middle[group] + 0.02 * random.standard_normal((300, 4)), group.astype(float)
    line = random.standard_normal(300)
    yield np.column_stack([line, line**2, np.sin(line)]), line + 0.01 * random.standard_normal(300)


def test_rows_that_lie_close_are_no_copies():
    for seed in range(4):
        for x, y in _free(np.random.default_rng(seed)):
            assert list(near_copies(st.fit(x, y, penalty="l2:1e-6", test_fraction=0.25, seed=seed))) == []
