"""How cases from others are judged: the interval of a share, the constant answer, how far a cure came, and one case whole."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from statsmodels.stats.proportion import proportion_confint

import steepest as st
from others.case import KINDS, SEEDS, Case, Given, Pair, case, cases
from others.judge import Averaged, examined, far_enough
from others.wilson import interval


@pytest.mark.parametrize(("met", "of"), [(0, 7), (1, 1), (3, 10), (13, 41), (219, 220), (55, 55)])
def test_the_interval_is_wilsons(met, of):
    assert interval(met, of) == pytest.approx(proportion_confint(met, of, method="wilson"), abs=1e-12)


def test_nothing_to_go_by_speaks_for_every_share():
    assert interval(0, 0) == (0.0, 1.0)


def test_a_constant_answer_is_the_mean_or_the_most_frequent_label():
    numbers = st.fit([0.0, 1.0, 2.0, 3.0], [1.0, 3.0, 5.0, 7.0])
    assert Averaged(numbers).predict([0.0, 3.0]) == pytest.approx([4.0, 4.0])
    labels = st.fit([0.0, 1.0, 2.0, 3.0, 4.0, 5.0], ["a", "a", "b", "a", "b", "b"])
    assert list(Averaged(labels).predict([0.0, 1.0, 5.0])) == ["a", "a", "a"]
    assert np.ptp(Averaged(labels).predict_proba([0.0, 1.0, 5.0]), axis=0) == pytest.approx([0.0, 0.0])


@pytest.mark.parametrize(
    ("again", "scores", "cured"),
    [
        (0.28, (1.0, 0.1, 2.0), True),  # exactly four fifths of the way
        (0.29, (1.0, 0.1, 2.0), False),
        (0.28, (1e9, 0.1, 1.0), True),  # worse than a constant: the way starts at the constant
        (0.29, (math.inf, 0.1, 1.0), False),
        (0.05, (1.0, 0.1, 2.0), True),
    ],
)
def test_a_cure_comes_four_fifths_of_the_way(again, scores, cured):
    assert far_enough(again - 1e-12, scores)[0] is cured


def _line(seed: int, **settings: object) -> Pair:
    draw = np.random.default_rng(seed)
    x = draw.normal(size=(60, 2))
    data = {"x": x, "y": x @ [1.0, -2.0] + 0.5 + 0.1 * draw.normal(size=60)}
    fresh = draw.normal(size=(200, 2))
    return Pair(
        Given(data, {"optimizer": "sgd", "lr": 0.1, "epochs": 3, **settings}),
        Given(data),
        lambda fit: float(np.mean((fit.predict(fresh) - fresh @ [1.0, -2.0] - 0.5) ** 2)),
    )


def test_a_fit_of_too_few_steps_is_examined():
    stopped = case("three steps", codes=["ST003"], kind="descent", source="https://example.org", also=["ST002"])(_line)
    outcome = examined(stopped, 1)
    assert isinstance(stopped, Case)
    assert (outcome.first, outcome.named, outcome.cured, outcome.quiet, outcome.trains) == (True,) * 5, outcome
    assert outcome.true == len(outcome.found)
    assert outcome.error == ""


def test_a_fit_that_is_refused_is_an_error_of_its_case():
    refused = case("no such rule", codes=["ST003"], kind="descent", source="https://example.org")(
        lambda seed: _line(seed, optimizer="slowest")
    )
    assert "slowest" in examined(refused, 1).error
    assert not examined(refused, 1).quiet


def test_a_case_says_where_it_is_told():
    with pytest.raises(ValueError, match="source is an address"):
        case("nowhere", codes=["ST003"], kind="descent", source="somebody told me")


# ---- the cases -------------------------------------------------------------------------------------

HALVES = {"known": cases("known"), "held": cases("held")}


def test_there_are_cases_enough_each_told_somewhere():
    every = [one for half in HALVES.values() for one in half]
    assert len(every) >= 100
    assert min(map(len, HALVES.values())) >= 50
    assert len({one.name for one in every}) == len(every)
    for half in HALVES.values():
        assert {one.kind for one in half} == set(KINDS)
    codes = {code for one in every for code in (*one.codes, *one.also)}
    assert all(re.fullmatch(r"ST\d{3}", code) for code in codes)


@pytest.mark.parametrize("kind", KINDS)
def test_a_case_of_each_kind_is_what_it_says(kind):
    """The first of its kind, with one seed: its twin trains, and no part of the diagnosis fails."""
    outcome = examined(next(one for one in HALVES["known"] if one.kind == kind), SEEDS[0])
    assert (outcome.error, outcome.failed, outcome.trains) == ("", (), True)


@pytest.mark.soak
@pytest.mark.parametrize("half", HALVES)
def test_mistakes_of_others_are_found_and_cured(half):
    """The goals: cause first 80 %, cured 80 % of those found, findings true 90 %, twins quiet 95 %."""
    outcomes = [examined(one, seed) for one in HALVES[half] for seed in SEEDS]
    named = [outcome for outcome in outcomes if outcome.named]
    assert [outcome.name for outcome in outcomes if outcome.error] == []
    assert sum(outcome.first for outcome in outcomes) >= 0.80 * len(outcomes)
    assert sum(outcome.cured for outcome in named) >= 0.80 * len(named)
    assert sum(outcome.true for outcome in outcomes) >= 0.90 * sum(len(outcome.found) for outcome in outcomes)
    assert sum(outcome.quiet for outcome in outcomes) >= 0.95 * len(outcomes)
