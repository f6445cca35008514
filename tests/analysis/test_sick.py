"""The diagnosis names what was planted in a fit, its remedy cures as printed, and healthy fits are left alone."""

from __future__ import annotations

import numpy as np
import pytest

from others.case import cases
from sick import CASES, variants
from sick.command import SAMPLE, commanded
from sick.examine import examination, fitted, printed, treated
from steepest.analysis.finding import Kind

FIRST_OF_KIND = {case.kind: case for case in reversed(CASES)}
IN_EVERY_RUN = [(case, 0) for case in CASES if not case.of_module or case is FIRST_OF_KIND[case.kind]]
"""One variant of each case is examined in every run of the tests, and of modules, which take far longer, one case of a
kind that the linear family does not have; the rest by `make sick` and `make soak`."""


@pytest.fixture(scope="module")
def outcomes():
    return list(examination(IN_EVERY_RUN))


def _listed(outcomes, say):
    return "".join(f"\n  {outcome.name} ({outcome.case.kind}): {say(outcome)}" for outcome in outcomes)


def _kinds(found):
    return ", ".join(str(finding.kind) for finding in found) or "nothing"


def test_every_kind_of_finding_is_planted_or_was_told_by_others():
    told = {code for half in ("known", "held") for case in cases(half) for code in case.codes}
    assert [kind.name for kind in Kind if kind not in {case.kind for case in CASES} and kind.code not in told] == []
    assert len(CASES) >= 45
    assert len({case.name for case in CASES}) == len(CASES)
    assert all(2 <= len(case.variants) <= 5 for case in CASES)


def test_sick_descents_are_open_and_their_twins_closed(outcomes):
    """By the exact answers alone, without a diagnosis."""
    assert [outcome.name for outcome in outcomes if not outcome.as_claimed] == []


def test_the_planted_cause_comes_first(outcomes):
    missed = [outcome for outcome in outcomes if not outcome.first]
    print(_listed(missed, lambda outcome: f"found {_kinds(outcome.found)}"))
    assert len(missed) <= 0.05 * len(outcomes), _listed(missed, lambda outcome: f"found {_kinds(outcome.found)}")


def test_remedies_cure_as_printed(outcomes):
    ill = [outcome for outcome in outcomes if not outcome.cured]
    print(_listed(ill, lambda outcome: outcome.why))
    assert len(ill) <= 0.10 * len(outcomes), _listed(ill, lambda outcome: outcome.why)


def test_no_kind_loses_half_of_its_cases(outcomes):
    """A share of all cases would hide a check that no longer says anything."""
    for kind in {case.kind: None for case in CASES}:
        mine = [outcome for outcome in outcomes if outcome.case.kind is kind]
        lost = [outcome for outcome in mine if not (outcome.first and outcome.cured)]
        assert mine, kind
        assert len(lost) < 0.5 * len(mine), _listed(
            lost, lambda outcome: f"found {_kinds(outcome.found)}; {outcome.why}"
        )


def test_what_is_found_was_looked_at(outcomes):
    blind = [outcome for outcome in outcomes if any(one.kind not in outcome.found.looked_at for one in outcome.found)]
    assert not blind, _listed(blind, lambda outcome: outcome.found.looked_at)


def test_healthy_twins_have_no_finding(outcomes):
    loud = [outcome for outcome in outcomes if not outcome.quiet]
    assert not loud, _listed(loud, lambda outcome: f"found {_kinds(outcome.twin)}")


@pytest.mark.soak
def test_the_other_variants_too():
    others = list(examination(chosen for chosen in variants(CASES) if chosen not in IN_EVERY_RUN))
    first, cured = (sum(getattr(outcome, name) for outcome in others) for name in ("first", "cured"))
    assert first >= 0.95 * len(others)
    assert cured >= 0.90 * len(others)
    assert all(outcome.quiet for outcome in others)


@pytest.mark.parametrize("name", SAMPLE)
def test_the_remedy_on_the_command_line_is_the_one_in_python(name, outcomes, tmp_path):
    outcome = next(outcome for outcome in outcomes if outcome.case.name == name)
    given, finding = outcome.case.pair(0).sick, outcome.planted
    assert finding is not None
    theirs = commanded(given, finding, tmp_path)["params"]
    ours = fitted(treated(given, finding)).params
    assert theirs.keys() == ours.keys()
    np.testing.assert_allclose(list(theirs.values()), list(ours.values()), rtol=1e-9)


def test_a_remedy_is_read_as_it_is_written():
    assert printed("lr=0.168, drop=('a', \"b'\")") == {"lr": 0.168, "drop": ("a", "b'")}
    with pytest.raises(ValueError, match="no list of keywords"):
        printed("'lr'")
