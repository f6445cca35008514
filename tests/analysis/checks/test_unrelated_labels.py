"""Targets that do not follow the columns of their own row."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from sklearn.datasets import load_diabetes, load_wine
from torch import nn

import steepest as st
from steepest.analysis.checks.rows import components
from steepest.analysis.checks.unrelated_labels import Relations, linear, unrelated
from steepest.analysis.finding import Kind


class Long(nn.Module):
    def forward(self, x):
        return x.long()


def advice(*data, **settings):
    return [found.advice for found in unrelated(st.fit(*data, **settings))]


def test_the_linear_test_is_that_of_statsmodels():
    x, y = load_diabetes(return_X_y=True)
    known = sm.OLS(y, sm.add_constant(x)).fit()
    found = linear(components(x, 30), y[:, None])
    assert found.explained == pytest.approx(known.rsquared_adj, rel=1e-9)
    assert found.p == pytest.approx(known.f_pvalue, rel=1e-6)


@pytest.mark.parametrize("shift", [1, -1, 2])
@pytest.mark.parametrize("held", [0.0, 0.2])
def test_a_shift_is_proven_by_moving_the_target_back(shift, held):
    x, y = load_diabetes(return_X_y=True)
    (said,) = advice(x, np.roll(y, shift), test_fraction=held)
    count = abs(shift)
    assert (f"x[:-{count}], y[{count}:]" if shift > 0 else f"x[{count}:], y[:-{count}]") in said
    x, y = load_wine(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(y))
    (said,) = advice(x[order], np.roll(y[order], shift), loss="cross_entropy", test_fraction=held, penalty="l2:0.01")
    assert said.startswith("Shift it back")


def test_shuffled_labels_of_columns_that_are_related():
    x, y = load_diabetes(return_X_y=True)
    (found,) = st.fit(x, np.random.default_rng(1).permutation(y)).diagnose()
    assert (found.kind, found.remedy, "related" in found.evidence) == (Kind.LABELS, {}, True)
    assert st.diagnose(x, np.random.default_rng(1).permutation(y)).findings[0].kind is Kind.LABELS


def test_relations_that_no_line_sees_are_seen():
    for seed in range(5):
        random = np.random.default_rng(seed)
        x = random.normal(size=(300, 4))
        bends = np.sin(4 * x[:, 0]), x[:, 0] * x[:, 1], np.abs(x[:, 2]), np.sign(x[:, 0] * x[:, 3])
        for y in bends:
            assert Relations(x).of((y + 0.2 * random.normal(size=300))[:, None]).p < 0.01


def test_chance_is_chance():
    """Of targets that have nothing to do with the columns the least of four p-values is below 0.03 in at most 12%."""
    found = []
    for seed in range(200):
        random = np.random.default_rng(seed)
        found.append(Relations(random.normal(size=(200, 3))).of(random.normal(size=(200, 1))).p)
    assert np.mean(np.array(found) < 0.03) < 0.12 + 2 * np.sqrt(0.12 * 0.88 / 200)


def test_numbers_that_a_module_looks_up_are_names():
    random = np.random.default_rng(2)
    x, y = random.integers(0, 50, size=(300, 4)), random.normal(size=300)
    taken = nn.Sequential(Long(), nn.Embedding(50, 2), nn.Flatten(), nn.Linear(8, 1))
    assert advice(x, y, model=taken, precondition="none", epochs=1) == []
    assert len(advice(x, y)) == 1


def test_a_time_series_is_not_shifted():
    for seed in range(5):
        random = np.random.default_rng(seed)
        x = np.cumsum(random.normal(size=(300, 2)), 0)
        assert advice(x, x[:, 0] - x[:, 1] + random.normal(size=300)) == []
