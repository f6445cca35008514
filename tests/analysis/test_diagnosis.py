"""Findings are ranked: the descent's before the model's, larger shares first, ties as in `Kind`, no consequences."""

from __future__ import annotations

from itertools import product

from steepest.analysis.diagnosis import CONSEQUENCES, checks_of, ranked
from steepest.analysis.finding import Finding, Kind


def found(kind, share, of_model=False):
    return Finding(kind, "", "", {}, "", share, of_model)


def kinds(*findings):
    return [finding.kind for finding in ranked(list(findings))]


def test_the_descent_comes_before_the_model_whatever_the_shares():
    assert kinds(found(Kind.OUTLIERS, 0.9, True), found(Kind.NOISE, 0.5)) == [Kind.NOISE, Kind.OUTLIERS]


def test_larger_shares_come_first_and_ties_go_by_kind():
    assert kinds(found(Kind.NOISE, 0.6), found(Kind.FLOAT32, 0.8)) == [Kind.FLOAT32, Kind.NOISE]
    assert kinds(found(Kind.FLOAT32, 0.999), found(Kind.NOISE, 0.998)) == [Kind.NOISE, Kind.FLOAT32]


def test_a_consequence_goes_and_its_cause_stays():
    assert kinds(found(Kind.RATE_TOO_LOW, 0.99), found(Kind.SCALES, 0.95)) == [Kind.SCALES]
    assert kinds(found(Kind.SORTED, 0.7), found(Kind.NOISE, 0.9)) == [Kind.SORTED]


def test_what_is_itself_a_consequence_takes_nothing_away():
    assert Kind.NOISE in CONSEQUENCES[Kind.SCALES]
    chain = [found(Kind.TOLERANCE, 0.9), found(Kind.SCALES, 0.9), found(Kind.NOISE, 0.9)]
    assert kinds(*chain) == [Kind.NOISE, Kind.TOLERANCE]


def test_a_finding_of_the_model_is_no_consequence():
    same = found(Kind.COLLINEAR, 0.0, True)
    assert kinds(found(Kind.CLIPPED, 0.9), same) == [Kind.CLIPPED, Kind.COLLINEAR]


def test_of_two_findings_one_at_least_stays():
    for first, second in product(Kind, Kind):
        stay = kinds(found(first, 0.9), found(second, 0.8))
        related = second in CONSEQUENCES.get(first, ()) or first in CONSEQUENCES.get(second, ())
        if related and first is not second:
            assert len(stay) == 1, (first, second)
            assert ({first, second} - {*stay}) <= CONSEQUENCES[stay[0]], (first, second)
        else:
            assert sorted(stay) == sorted([first, second])


def test_causes_stand_before_what_they_explain():
    order = list(CONSEQUENCES)
    for cause, gone in CONSEQUENCES.items():
        assert all(order.index(kind) > order.index(cause) for kind in gone if kind in CONSEQUENCES)


def test_every_check_says_when_it_is_asked_in_its_own_file():
    found = {when: {check.__name__ for check in checks_of(when)} for when in ("table", "fit", "descent")}
    assert found["table"] - found["fit"] == {"hard_scales", "hard_collinear", "separable"}
    assert {"too_high", "too_low", "scales", "collinear", "decay", "bouncing"} <= found["descent"]
    assert not found["descent"] & (found["table"] | found["fit"])
    assert all(check.__module__.startswith("steepest.analysis.checks.") for when in found for check in checks_of(when))


def test_every_kind_has_a_code_of_its_own():
    codes = [kind.code for kind in Kind]
    assert len(set(codes)) == len(codes)
    assert all(code.startswith("ST") and code[2:].isdigit() and len(code) == 5 for code in codes)
    assert Kind.RATE_TOO_HIGH.code == "ST001"  # codes are for good
    assert Kind("dead units") is Kind.DEAD_UNITS
