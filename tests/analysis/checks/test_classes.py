"""Separable classes have no best coefficients; a rare class that is never predicted is, with balanced weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import recall_score
from torch import nn

import steepest as st
from steepest.analysis.checks.classes import imbalanced, separable, separable_fit
from steepest.analysis.diagnosis import checks_of, diagnose
from steepest.analysis.finding import Kind
from steepest.descent.stopping import Status


@pytest.mark.parametrize("name", ["iris", "wine", "breast_cancer"])
def test_the_bundled_tables_are_separable_and_a_penalty_mends_them(name):
    fit = st.fit(f"sample:{name}")
    (finding,) = separable_fit(fit)
    assert (finding.kind, finding.share, finding.remedy) == (Kind.SEPARABLE, 1.0, {"penalty": "l2:0.001"})
    assert [other.what for other in separable(fit)] == [finding.what]
    mended = st.fit(f"sample:{name}", **finding.remedy)
    assert mended.status is Status.CONVERGED
    assert [other.kind for other in diagnose(mended) if other.of_model or other.kind is Kind.SEPARABLE] == []
    said = finding.predicted.split("loss of ")[1].split(",")[0], finding.predicted.rstrip(".").split("than ")[1]
    free = np.abs(mended.theta.reshape(-1, len(mended.terms.names))[:, 1:]).max()
    assert [float(part) for part in said] == [pytest.approx(mended.loss, rel=5e-3), pytest.approx(free, rel=5e-3)]


def test_the_column_that_parts_them_alone_is_named():
    random = np.random.default_rng(0)
    ill = random.uniform(size=150) < 0.5
    table = {"age": random.normal(size=150), "discharge": ill + 0.3 * random.uniform(size=150), "ill": ill}
    (finding,) = separable_fit(st.fit(table, target="ill"))
    assert finding.columns == ("discharge",)
    assert "'discharge' alone does: it is at least 1 for 'True'" in finding.evidence
    (setosa,) = separable_fit(st.fit("sample:iris"))
    assert setosa.columns == ("petal length (cm)",)
    assert "at most 1.9 for 'setosa'" in setosa.evidence


def test_classes_that_overlap_in_part_say_so():
    x = np.array([0.0, 1.0, 2.0, 2.0, 3.0, 4.0])
    (finding,) = separable_fit(st.fit(x, ["a", "a", "a", "b", "b", "b"]))  # quasi-separable at 2: Albert and Anderson
    assert finding.what.startswith("Some classes of 'y' are linearly separable")
    assert f"approaches {np.log(2) / 3:.4g}" in finding.evidence


def test_overlapping_classes_are_not():
    random = np.random.default_rng(1)
    x = random.normal(size=(200, 2))
    fit = st.fit(x, (x[:, 0] + random.logistic(size=200) > 0).astype(str))
    assert [*separable_fit(fit), *separable(fit), *imbalanced(fit)] == []


def rare(seed, n=400, count=14):
    random = np.random.default_rng(seed)
    x, y = random.normal(size=(n, 2)), np.zeros(n, int)
    y[:count] = 1
    x[:count] += 1.0
    return x, y


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("model", ["logistic", "softmax"])
def test_balanced_weights_recognise_the_rare_class(seed, model):
    x, y = rare(seed)
    fit = st.fit(x, y, model=model)
    (finding,) = imbalanced(fit)
    assert (finding.kind, finding.remedy) == (Kind.IMBALANCED, {"class_weight": "balanced"})
    known = LogisticRegression(C=np.inf, class_weight="balanced", tol=1e-8, max_iter=1000).fit(x, y)
    mended = st.fit(x, y, model=model, **finding.remedy)
    recall = recall_score(y, known.predict(x))
    assert recall_score(y, mended.predict(x)) == recall
    assert float(finding.predicted.split("%")[0].removeprefix("About ")) / 100 == pytest.approx(recall, abs=0.1)
    assert [other.kind for other in diagnose(mended)] == []


def test_a_module_is_judged_as_well():
    x, y = rare(4)
    torch.manual_seed(0)
    fit = st.fit(x, y, model=nn.Linear(2, 1), loss="logistic", epochs=200)
    assert [finding.kind for finding in imbalanced(fit)] == [Kind.IMBALANCED]


# Measured over 300 seeds for each of four shapes: 36 of 1,200.
def test_a_rare_class_that_nothing_tells_apart_is_let_be():
    found = 0
    for seed in range(60):
        random = np.random.default_rng(seed)
        y = np.zeros(300, int)
        y[:12] = 1
        found += len([*imbalanced(st.fit(random.normal(size=(300, 2)), y, model="logistic"))])
    assert found / 60 < 0.1


def test_a_sample_that_overlaps_settles_a_large_table():
    random = np.random.default_rng(5)
    x = random.normal(size=(60_000, 2))
    overlapping = (x[:, 0] + random.logistic(size=60_000) > 0).astype(str)
    assert [*separable(st.fit(x, overlapping, optimizer="sgd", lr=0.1, epochs=2))] == []
    apart = (x[:, 0] > 0).astype(str)
    x[:, 0] += np.sign(x[:, 0])
    assert [f.columns for f in separable(st.fit(x, apart, optimizer="sgd", lr=0.1, epochs=2))] == [("x1",)]
    assert separable in checks_of("table")
