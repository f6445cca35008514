"""Descents without a theory or an exact answer have their rate and steps told too, and the cure cures."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch

import steepest as st
from steepest.analysis import what_if
from steepest.analysis.diagnosis import diagnose
from steepest.analysis.finding import Kind

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(200, 3))
Y = 1.0 + X @ [1.0, 2.0, 3.0] + RANDOM.normal(size=200)


def own(prediction, target):
    square = (prediction - target) ** 2
    return (square + square / (1 + square)).mean()


SETTINGS = {
    "l1 with l2": {"loss": "l1", "penalty": "l2:0.1", "optimizer": "sgd"},
    "quantile with l2 by adam": {"loss": "quantile:0.3", "penalty": "l2:0.1", "optimizer": "adam"},
    "a loss of one's own": {"loss": own, "optimizer": "sgd"},
    "adamw": {"optimizer": "adamw"},
    "a class": {"optimizer": torch.optim.SGD},
    "a class by its name": {"optimizer": "torch.optim:Adamax", "batch_size": 50},
    "a clipped class": {"optimizer": torch.optim.SGD, "clip": 1e9},
    "standardised": {"loss": own, "optimizer": "momentum:0.5", "precondition": "standardize"},
}


@cache
def reached(name: str, lr: float) -> float:
    """The objective after 100 epochs at a rate."""
    return st.fit(X, Y, **{"epochs": 100} | SETTINGS[name] | {"lr": lr}).objective_value


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize(("rate", "kind"), [(1e5, Kind.RATE_TOO_HIGH), (1e-6, Kind.RATE_TOO_LOW)])
def test_a_rate_that_is_far_off_is_told_and_the_remedy_gets_down(name, rate, kind):
    settings = {"epochs": 100, "lr": rate} | SETTINGS[name]
    fit = st.fit(X, Y, **settings)
    found = [finding for finding in diagnose(fit) if not finding.of_model]
    assert [finding.kind for finding in found] == [kind]
    mended = st.fit(X, Y, **settings | found[0].remedy)
    began = reached(name, 1e-9)
    least = min(reached(name, lr) for lr in (0.03, 0.1, 0.3, 1.0))
    assert mended.status is not st.Status.DIVERGED
    assert mended.objective_value <= least + 0.15 * (began - least)
    assert not {Kind.RATE_TOO_HIGH, Kind.RATE_TOO_LOW} & {finding.kind for finding in diagnose(mended)}


@pytest.mark.parametrize("name", ["l1 with l2", "a loss of one's own", "a class"])
def test_too_few_steps_are_told_and_more_of_them_do(name):
    settings = {"lr": 0.02, "epochs": 12} | SETTINGS[name]
    fit = st.fit(X, Y, **settings)
    (finding,) = [finding for finding in diagnose(fit) if not finding.of_model]
    assert finding.kind in (Kind.TOO_FEW_STEPS, Kind.RATE_TOO_LOW)
    mended = st.fit(X, Y, **settings | finding.remedy)
    least = st.fit(X, Y, **settings | {"lr": 0.1, "epochs": 1000}).objective_value
    assert mended.objective_value - least < 0.3 * (fit.objective_value - least)


def test_more_parameters_than_a_course_is_foretold_for(monkeypatch):
    monkeypatch.setattr(what_if, "MOST_PARAMETERS", 3)
    design = np.column_stack([np.ones(len(X)), X])
    limit = 2.0 / np.linalg.eigvalsh(2.0 * design.T @ design / len(X))[-1]
    settings = {"optimizer": "sgd", "epochs": 60}
    (finding,) = diagnose(st.fit(X, Y, lr=1.5 * limit, **settings))
    assert finding.kind is Kind.RATE_TOO_HIGH
    assert 0.0 < finding.remedy["lr"] < limit
    mended = st.fit(X, Y, **settings | finding.remedy)
    assert mended.gap < 1e-3 * mended.trace.objective[0]


@pytest.mark.parametrize("name", SETTINGS)
def test_what_goes_well_has_nothing_to_say(name):
    fit = st.fit(X, Y, **{"epochs": 400, "lr": 0.1, "schedule": "cosine"} | SETTINGS[name])
    assert [finding for finding in diagnose(fit) if not finding.of_model] == []


@pytest.mark.parametrize("name", ["l1 with l2", "a loss of one's own", "adamw", "a class", "standardised"])
@pytest.mark.parametrize("size", ["full", 20])
def test_a_walk_is_the_descent_itself(name, size):
    fit = st.fit(X, Y, **{"epochs": 9, "lr": 0.05, "schedule": "cosine"} | SETTINGS[name] | {"batch_size": size})
    descent = what_if.linear_descent(fit)
    assert descent.whole
    assert what_if.whole_objective(descent.objective()) == pytest.approx(fit.trace.objective[0], rel=1e-12)
    assert descent.gap_at() == pytest.approx(fit.objective_value, rel=1e-11)
