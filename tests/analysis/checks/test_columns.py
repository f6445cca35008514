"""Signs of the columns beside NumPy's condition numbers and statsmodels' variance inflation."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from statsmodels.stats.outliers_influence import variance_inflation_factor

import steepest as st
from steepest.analysis.checks.column_scales import shape_of
from steepest.analysis.checks.columns import combinations, together
from steepest.analysis.diagnosis import diagnose, foresee
from steepest.analysis.finding import Kind


def rows(seed=0, n=150, p=3):
    random = np.random.default_rng(seed)
    x = random.normal(size=(n, p))
    return x, 1.0 + x @ np.arange(1.0, p + 1.0) + 0.5 * random.normal(size=n)


def best_rate(x):
    design = np.column_stack([np.ones(len(x)), x])
    values = np.linalg.eigvalsh(2.0 * design.T @ design / len(x))
    return 2.0 / (values[-1] + values[0])


@pytest.mark.parametrize(("scale", "offset"), [(1e3, 0.0), (1e-2, 0.0), (1.0, 500.0)])
@pytest.mark.parametrize("place", [0, 2])
def test_the_column_that_was_scaled_is_the_one_named(scale, offset, place):
    x, y = rows()
    x[:, place] = scale * x[:, place] + offset
    settings = {"optimizer": "sgd", "lr": best_rate(x), "epochs": 300}
    (finding,) = diagnose(st.fit(x, y, **settings))
    assert finding.kind is Kind.SCALES
    assert finding.columns == (f"x{place + 1}",)
    assert dict(finding.remedy) == {"precondition": "standardize", "lr": "auto"}
    assert st.fit(x, y, **(settings | finding.remedy)).status is st.Status.CONVERGED


def test_a_descent_that_diverges_by_its_scales_is_not_blamed_on_the_rate():
    x, y = rows()
    x[:, 1] *= 1e3
    assert [f.kind for f in diagnose(st.fit(x, y, optimizer="sgd", lr=0.1, epochs=300))] == [Kind.SCALES]


def test_condition_numbers_are_those_of_numpy():
    x, y = rows()
    x = x * [100.0, 1.0, 0.1] + [0.0, 5.0, 0.0]
    fit = st.fit(x, y)
    shape = shape_of(fit.problem, fit.terms.names)
    design = np.column_stack([np.ones(len(x)), x])
    standard = np.column_stack([np.ones(len(x)), (x - x.mean(0)) / x.std(0)])
    assert shape.raw == pytest.approx(np.linalg.cond(design) ** 2, rel=1e-9)
    assert shape.standardised == pytest.approx(np.linalg.cond(standard) ** 2, rel=1e-9)


def test_collinear_columns_are_named_with_statsmodels_variance_inflation():
    x, y = rows(p=4)
    x[:, 3] = x[:, 0] + x[:, 1] + 1e-2 * x[:, 3]
    y = y + 300.0 * (x[:, 3] - x[:, 0] - x[:, 1])
    settings = {"optimizer": "sgd", "precondition": "standardize", "lr": "auto", "epochs": 300}
    fit = st.fit(x, y, **settings)
    (finding,) = diagnose(fit)
    assert finding.kind is Kind.COLLINEAR
    assert set(finding.columns) == {"x1", "x2", "x4"}
    names, words = together(fit.problem, fit.terms.names)
    told = float(words.split("variance inflation ")[1].rstrip(").").replace(",", ""))
    design = np.column_stack([np.ones(len(x)), x])
    assert told == pytest.approx(variance_inflation_factor(design, int(names[0][1:])), rel=5e-3)
    assert st.fit(x, y, **(settings | finding.remedy)).status is st.Status.CONVERGED


def test_powers_in_standardised_columns_are_collinear():
    x = np.random.default_rng(0).uniform(size=100)
    y = np.sin(7 * x)
    settings = {"model": "poly:6", "optimizer": "sgd", "precondition": "standardize", "lr": "auto"}
    finding = diagnose(st.fit(x, y, **settings))[0]
    assert finding.kind is Kind.COLLINEAR
    assert st.fit(x, y, **(settings | finding.remedy)).status is st.Status.CONVERGED


@pytest.mark.parametrize("again", [lambda a: a, lambda a: 32 + 1.8 * a, lambda a: -a])
def test_a_column_twice_is_found_in_a_fit_that_arrived(again):
    x, y = rows()
    table = pa.table({"a": x[:, 0], "b": x[:, 1], "again": again(x[:, 0]), "y": y})
    fit = st.fit(table, target="y")
    assert fit.status is st.Status.CONVERGED
    (finding,) = diagnose(fit)
    assert finding.kind is Kind.COLLINEAR
    assert finding.of_model
    assert finding.columns == ("again", "a")
    assert dict(finding.remedy) == {"drop": ("again",)}
    assert list(diagnose(st.fit(table, target="y", drop=("again",)))) == []


def test_a_total_is_told_with_its_parts_and_what_was_left_out_stays_out():
    x, y = rows(p=4)
    table = {f"part{i}": x[:, i] for i in range(3)} | {"total": x[:, :3].sum(1), "other": x[:, 3], "y": y}
    (finding,) = [f for f in diagnose(st.fit(pa.table(table), target="y", drop="other")) if f.kind is Kind.COLLINEAR]
    assert finding.columns == ("total", "part0", "part1", "part2")
    assert dict(finding.remedy) == {"drop": ("other", "total")}


def test_a_penalty_settles_how_columns_share():
    x, y = rows()
    table = pa.table({"a": x[:, 0], "b": x[:, 1], "again": x[:, 0], "y": y})
    assert Kind.COLLINEAR not in [f.kind for f in diagnose(st.fit(table, target="y", penalty="l2:0.1"))]


def test_dependence_of_some_rows_only_is_none():
    random = np.random.default_rng(0)
    x = random.normal(size=(300_000, 3))
    x[:, 2] = x[:, 0]
    assert combinations(x, ("a", "b", "c"), True) == [("c", ("a",))]
    x[7, 2] += 1.0
    assert combinations(x, ("a", "b", "c"), True) == []


def test_columns_far_from_zero_are_not_taken_for_one_another():
    x = 1e9 + np.random.default_rng(0).normal(size=(200, 3))
    assert combinations(x, ("a", "b", "c"), True) == []


def test_a_constant_column_is_dropped():
    x, y = rows()
    table = pa.table({"a": x[:, 0], "b": x[:, 1], "c": x[:, 2], "version": np.full(len(y), 7.0), "y": y})
    (finding,) = diagnose(st.fit(table, target="y"))
    assert finding.kind is Kind.CONSTANT
    assert dict(finding.remedy) == {"drop": ("version",)}
    assert list(diagnose(st.fit(table, target="y", drop="version"))) == []


def test_a_table_is_told_to_be_hard_before_any_fit():
    x, y = rows()
    fit = st.fit(x * [1e4, 1.0, 1.0], y)
    assert list(diagnose(fit)) == []
    (finding,) = foresee(fit)
    assert finding.kind is Kind.SCALES
    assert finding.columns == ("x1",)
    assert list(foresee(st.fit(x, y))) == []
