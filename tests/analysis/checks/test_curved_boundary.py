"""Classes that no straight line tells apart are found, and the remedy tells them apart as well as it says."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from torch import nn

import steepest as st
from steepest.analysis.finding import Kind

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(300, 2))
SHAPES = {
    "exclusive or": X[:, 0] * X[:, 1] > 0,
    "noisy exclusive or": X[:, 0] * X[:, 1] + 0.5 * RANDOM.normal(size=300) > 0,
    "ring": np.hypot(*X.T) > 1.1,
    "three rings": np.digitize(np.hypot(*X.T) + 0.2 * RANDOM.normal(size=300), [0.8, 1.5]).astype(str),
}


@pytest.mark.parametrize("name", SHAPES)
def test_a_bent_boundary_is_found_and_straightened(name):
    y = SHAPES[name]
    fit = st.fit(X, y)
    (finding,) = fit.diagnose()
    assert (finding.kind, finding.remedy["model"]) == (Kind.CURVATURE, "poly:2")
    mended = st.fit(X, y, **finding.remedy)
    before, after = (float(share) for share in re.findall(r"([\d.]+)%", finding.predicted))
    assert before == pytest.approx(100 * fit.metrics["train"]["accuracy"], abs=0.1)
    # a penalty is tried in standardised columns
    assert after == pytest.approx(
        100 * mended.metrics["train"]["accuracy"], abs=0.1 if len(finding.remedy) == 1 else 1.0
    )
    assert after > before + 20
    assert Kind.CURVATURE not in {other.kind for other in mended.diagnose()}
    assert [one.kind for one in st.diagnose(X, y).findings] == [Kind.CURVATURE]


def test_a_single_linear_layer_is_judged_like_a_line():
    torch.manual_seed(0)
    fit = st.fit(X, SHAPES["exclusive or"], model=nn.Linear(2, 1), loss="logistic", epochs=200)
    assert Kind.CURVATURE in {finding.kind for finding in fit.diagnose()}


# Measured over 200 seeds: none.
def test_straight_boundaries_are_let_be():
    loud = 0
    for seed in range(40):
        random = np.random.default_rng(seed)
        x = random.normal(size=(int(random.integers(40, 200)), 3))
        y = x @ random.normal(size=3) + random.logistic(size=len(x)) > 0
        loud += Kind.CURVATURE in {finding.kind for finding in st.fit(x, y).diagnose()}
    assert loud == 0
