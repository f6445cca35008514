"""The defaults arrive on every problem of the zoo, and are told to be healthy."""

from __future__ import annotations

import warnings

import pytest

import steepest as st
import zoo
from steepest import SteepestWarning
from steepest.analysis.checks.columns import constant, dependent
from steepest.analysis.checks.linear_descent import descent
from steepest.analysis.finding import Kind

DEPENDENT = {"collinear"}
"""Its fifth and sixth columns are a sum and a multiple of others."""


def of_descent_and_columns(fit):
    return [finding.kind for check in (descent, dependent, constant) for finding in check(fit)]


@pytest.mark.parametrize("loss", ["mse", "l1"])
@pytest.mark.parametrize("name", zoo.REGRESSION)
def test_regression(name, loss):
    x, y, model = zoo.REGRESSION[name]()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SteepestWarning)
        fit = st.fit(x, y, model=model, loss=loss)
    assert of_descent_and_columns(fit) == ([Kind.COLLINEAR] if name in DEPENDENT else [])


@pytest.mark.parametrize("name", zoo.CLASSES)
def test_classes(name):
    x, y, model = zoo.CLASSES[name]()
    assert of_descent_and_columns(st.fit(x, y, model=model)) == []
