"""A target of two values is told to be classes, and what the remedy promises is what scikit-learn finds."""

from __future__ import annotations

import re

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

import steepest as st
from steepest.analysis.finding import Kind


def classes(seed=0, n=200):
    random = np.random.default_rng(seed)
    x = random.normal(size=(n, 2))
    return x, x @ [1.0, 2.0] + random.logistic(size=n) > 0.5


@pytest.mark.parametrize("values", [(0, 1), (1, 2), (-1, 1), (0.0, 1.0), (2.5, 100.0), (-3.0, -1.0)])
@pytest.mark.parametrize("model", ["linear", "poly:2"])
def test_two_values_are_two_classes_first_of_all(values, model):
    x, codes = classes()
    y = np.where(codes, *values[::-1])
    fit = st.fit(x, y, model=model)
    finding = fit.diagnose()[0]
    assert (finding.kind, finding.remedy, finding.command) == (Kind.CODED, {"loss": "logistic"}, "--loss logistic")
    mended = st.fit(x, y, model=model, **finding.remedy)
    assert list(mended.diagnose()) == []
    if model == "linear":
        theirs = LogisticRegression(C=np.inf, tol=1e-10).fit(x, codes).score(x, codes)
        assert mended.metrics["train"]["accuracy"] == theirs
        assert float(re.search(r"accuracy is ([\d.]+)%", finding.predicted)[1]) == pytest.approx(100 * theirs, abs=0.06)
    assert st.diagnose(x, y, model=model).findings[0].kind is Kind.CODED


def test_degree_and_outliers_of_classes_are_not_spoken_of():
    random = np.random.default_rng(3)
    x = random.normal(size=400)
    y = (x**2 + 0.3 * random.normal(size=400) > 3.0).astype(int)  # rare, and no line tells them apart
    assert 0.02 < y.mean() < 0.15
    for loss in ("auto", "mse", "huber:0.1"):
        found = {finding.kind for finding in st.fit(x, y, loss=loss).diagnose()}
        assert found == {Kind.CODED if loss == "auto" else Kind.NUMBERS}


def test_separable_classes_are_given_a_penalty_as_well():
    x, _ = classes()
    y = (x[:, 0] > 0).astype(int)
    finding = st.fit(x, y).diagnose()[0]
    assert finding.remedy == {"loss": "logistic", "penalty": "l2:0.001"}
    mended = st.fit(x, y, **finding.remedy)
    assert mended.status is st.Status.CONVERGED
    assert float(re.search(r"accuracy is ([\d.]+)%", finding.predicted)[1]) == pytest.approx(
        100 * mended.metrics["train"]["accuracy"], abs=0.06
    )


def test_a_module_and_an_mlp_are_told_too():
    x, codes = classes()
    finding = st.fit(x, codes.astype(float), model="mlp:4", epochs=20).diagnose()[0]
    assert (finding.kind, finding.remedy) == (Kind.CODED, {"loss": "logistic"})


@pytest.mark.parametrize("name", ["Species", "wine_class", "label", "class id"])
def test_whole_numbers_under_the_name_of_classes_are_classes(name):
    random = np.random.default_rng(0)
    codes = random.integers(1, 4, size=120)
    table = {"a": random.normal(size=120) + codes, "b": random.normal(size=120), name: codes}
    finding = st.fit(table, target=name).diagnose()[0]
    assert (finding.kind, finding.remedy) == (Kind.CODED, {"loss": "cross_entropy"})
    mended = st.fit(table, target=name, **finding.remedy)
    assert mended.schema.classes == ("1", "2", "3")
    assert Kind.CODED not in {other.kind for other in mended.diagnose()}


def test_what_may_be_an_amount_is_let_be():
    random = np.random.default_rng(0)
    x = random.normal(size=(120, 2))
    stars, counts = random.integers(1, 6, size=120), random.poisson(0.4, size=120)
    doses = np.where(x[:, 0] > 0, 10.0, 5.0)
    exceptions = np.zeros(120)
    exceptions[:2] = 1.0
    pairs = [
        ({"stars": stars, "x": x[:, 0]}, {"target": "stars"}),
        ({"class size": random.integers(18, 24, size=120), "x": x[:, 0]}, {"target": "class size"}),
        ({"y": counts, "x": x[:, 0]}, {"target": "y"}),
        ({"dose": doses, "arm": doses / 5.0}, {"target": "dose"}),  # a line through both of its values
        ({"y": np.where(x[:, 0] > 0, 0.3, 0.1 + 0.2), "x": x[:, 0]}, {"target": "y"}),  # one value, up to rounding
        ({"y": np.r_[0, 0, 1, 1], "x": np.arange(4.0)}, {"target": "y"}),
        ({"y": exceptions, "x": x[:, 0]}, {"target": "y"}),
    ]
    for table, settings in pairs:
        assert Kind.CODED not in {finding.kind for finding in st.fit(table, **settings).diagnose()}, settings
    # where somebody chose the loss it is another finding
    chosen = st.fit(x, (x[:, 0] + random.logistic(size=120) > 0).astype(int), loss="mse").diagnose()
    assert [(one.kind, one.python) for one in chosen] == [(Kind.NUMBERS, "loss='logistic'")]
