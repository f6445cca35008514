"""Fits that are well are left alone: a few of `tests/healthy` each day, all of them by `make soak`."""

from __future__ import annotations

import pytest

from healthy.case import cases, examined

EVERY_DAY = (
    "minibatches with a cosine", "Tukey's loss with one row in five far out", "the upper tenth, where the spread grows",
    "counts out of an exposure", "hinge", "lasso with more columns than rows", "questionnaires", "houses by the whole table",
    "food and income", "a year of days", "rows with weights", "a line by nn.Linear", "digits by a perceptron",
    "sentences by the mean of their words",
)  # fmt: skip


def test_there_are_enough_of_them_each_with_a_name_of_its_own():
    assert len(cases()) >= 60
    assert len({case.name for case in cases()}) == len(cases())
    assert all(any(name in case.name for case in cases()) for name in EVERY_DAY)


@pytest.mark.parametrize(
    "case", [next(one for one in cases() if name in one.name) for name in EVERY_DAY], ids=EVERY_DAY
)
def test_a_few_are_well_and_left_alone(case):
    outcome = examined(case, case.seeds[0])
    assert (outcome.well, outcome.false, outcome.failed) == (True, (), ()), outcome


@pytest.mark.soak
def test_nineteen_in_twenty_are_left_alone():
    """A finding is false where the fit is as good as its reference, and the case does not name it as true of its rows."""
    outcomes = [examined(case, seed) for case in cases() for seed in case.seeds]
    well = [outcome for outcome in outcomes if outcome.well]
    assert len(well) >= 0.97 * len(outcomes), [outcome.name for outcome in outcomes if not outcome.well]
    loud = [outcome for outcome in well if outcome.false or outcome.failed]
    assert len(loud) <= 0.05 * len(well), [(outcome.name, outcome.false, outcome.failed) for outcome in loud]
