"""Codes for missing values and levels in two spellings are told, with the option that reads them as they were meant."""

from __future__ import annotations

import numpy as np
import pytest

import steepest as st
from steepest.analysis.checks.misread_values import twins
from steepest.analysis.finding import Kind

RANDOM = np.random.default_rng(0)
AGE = RANDOM.integers(18, 80, size=100).astype(float)
Y = 2.0 + 0.5 * AGE + RANDOM.normal(size=100)


def kinds(found):
    return [finding.kind for finding in found]


@pytest.mark.parametrize("code", [-999.0, -99.0, 999.0, 9999.0, 888.0, -1000.0, 99999.0])
@pytest.mark.parametrize("way", ["table", "array", "file"])
def test_a_code_is_told_and_its_remedy_leaves_it_out(code, way, tmp_path):
    age = AGE.copy()
    age[::17] = code
    data, settings = ({"age": age, "y": Y},), {"target": "y"}
    if way == "array":
        data, settings = (age, Y), {}
    if way == "file":
        lines = [f"{a:.0f},{b!r}" for a, b in zip(age.tolist(), Y.tolist(), strict=True)]
        (tmp_path / "rows.csv").write_text("\n".join(["age,y", *lines]))
        data = (tmp_path / "rows.csv",)
    finding = st.fit(*data, **settings).diagnose()[0]
    assert finding.kind is Kind.MISSING_CODE
    assert finding.remedy == {"missing_values": (f"{code:.0f}",), "missing": "drop"}
    assert kinds(st.diagnose(*data, **settings).findings)[0] is Kind.MISSING_CODE
    mended = st.fit(*data, **settings, **finding.remedy)
    slope, intercept = np.polyfit(AGE[age != code], Y[age != code], 1)
    np.testing.assert_allclose(mended.theta, [intercept, slope], rtol=1e-9)
    assert list(mended.diagnose()) == []


def test_a_code_in_the_target_is_one_and_no_outlier():
    y = Y.copy()
    y[:5] = -999.0
    (finding,) = st.fit(AGE, y).diagnose()
    assert (finding.kind, finding.columns) == (Kind.MISSING_CODE, ("y",))


def test_zero_and_minus_one_far_below_positive_numbers_are_codes():
    weight = RANDOM.uniform(60.0, 90.0, size=100)
    for code in (0.0, -1.0):
        sick = np.where(np.arange(100) % 20 == 3, code, weight)
        assert kinds(st.fit(sick, weight + RANDOM.normal(size=100)).diagnose())[0] is Kind.MISSING_CODE


def test_what_may_be_a_value_is_let_be():
    ends = {
        "counts": RANDOM.poisson(2.0, size=100),
        "percent": np.minimum(RANDOM.uniform(0.0, 130.0, size=100), 99.0).round(),  # many at the end, none far
        "score": RANDOM.integers(-1, 3, size=100),
        "income": np.where(RANDOM.random(100) < 0.2, 0.0, RANDOM.lognormal(10.0, 1.0, size=100)),
        "once": np.append(AGE[:-1], 999.0),
        "two": np.where(AGE > 40, 999.0, 1.0),
    }
    for name, column in ends.items():
        assert Kind.MISSING_CODE not in kinds(st.fit({name: column, "y": Y}, target="y").diagnose()), name


@pytest.mark.parametrize("target", [True, False])
def test_spellings_are_told_in_pairs_and_casefold_makes_them_one(target):
    answers = np.where(AGE + 10 * RANDOM.normal(size=100) > 50, "yes", "no")
    said = np.where(np.arange(100) % 7 == 0, np.char.capitalize(answers), answers)
    table = {"said": said, "age": AGE, "y": Y}
    settings = {"target": "said", "drop": ("y",)} if target else {"target": "y"}
    finding = st.fit(table, **settings, penalty="l2:0.1").diagnose()[0]
    assert (finding.kind, finding.remedy, finding.columns) == (Kind.SPELLINGS, {"labels": "casefold"}, ("said",))
    assert finding.command == "--labels casefold"
    assert "'No' and 'no'; 'Yes' and 'yes'" in finding.what
    mended = st.fit(table, **settings, penalty="l2:0.1", **finding.remedy)
    plain = st.fit({**table, "said": answers}, **settings, penalty="l2:0.1")
    np.testing.assert_allclose(mended.theta, plain.theta, rtol=1e-9)
    assert Kind.SPELLINGS not in kinds(mended.diagnose())
    assert Kind.SPELLINGS in kinds(st.diagnose(table, **settings).findings)


def test_levels_that_may_differ_are_let_be():
    assert twins(("A", "a", "B", "b")) == []
    assert twins(("AA", "Aa", "aa")) == []
    assert twins(("A+", "A-", "O+")) == []
    assert twins(("C", "C++", "C#")) == []
    assert twins(("1.5", "15")) == []
    assert twins(("M", "m", "f")) == [("M", "m")]
    assert twins(("New York", "new-york", "Boston")) == [("New York", "new-york")]
