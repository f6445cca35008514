"""All trials of a diagnosis spend one budget, causes are asked before what they explain, and what was too dear is told."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import steepest as st
from steepest.analysis import budget
from steepest.analysis.budget import Budget
from steepest.analysis.diagnosis import CONSEQUENCES, SIGNS, checks_of, diagnose, explained
from steepest.analysis.finding import Finding, Kind


def slow(steps: int = 60):
    random = np.random.default_rng(0)
    x = random.normal(size=(60, 2))
    return st.fit(x, x[:, 0], model="mlp:8", optimizer="sgd", lr=1e-6, epochs=steps)


def test_steps_are_as_many_as_are_left():
    given = Budget(left=1.0)
    assert given.steps(50, 0.1) == 10
    assert given.steps(50, 0.1, share=0.5) == 5
    assert given.steps(50, 0.5) == 0
    given.spend(0.75)
    assert given.left == pytest.approx(0.25)


def test_checks_with_trials_come_last_and_causes_first():
    order = checks_of("fit")
    tries = [SIGNS[each].trials for each in order]
    assert tries == sorted(tries)
    singles = [SIGNS[each].finds[0] for each in order if SIGNS[each].trials and len(SIGNS[each].finds) == 1]
    places = [list(CONSEQUENCES).index(kind) for kind in singles if kind in CONSEQUENCES]
    assert places == sorted(places)


def test_what_is_explained_is_not_tried():
    labels = Finding(Kind.LABELS, "", "", {}, "", of_model=True)
    assert {Kind.RATE_TOO_LOW, Kind.TOO_FEW_STEPS} <= explained([labels])
    assert explained([]) == frozenset()


def test_what_was_too_dear_is_told(monkeypatch):
    fit = slow()
    assert [finding.kind for finding in diagnose(fit)] == [Kind.RATE_TOO_LOW]
    monkeypatch.setattr(budget, "LEAST_COST", 1e-6)
    monkeypatch.setattr(budget, "TIMES", 1e-6)
    found = diagnose(fit)
    assert not found
    looked, _, left_out = found.looked_at.partition("Not looked at to the end")
    assert "rate far under the limit" in left_out.partition("Cannot be seen")[0]
    assert "rate far under the limit" not in looked


def test_all_trials_together_make_no_more_steps_than_the_budget_has(monkeypatch):
    torch.manual_seed(0)
    random = np.random.default_rng(0)
    x = random.normal(size=(200, 3))
    module = nn.Sequential(nn.Linear(3, 16), nn.ReLU(), nn.Linear(16, 1))
    fit = st.fit(x, np.sin(x[:, 0]), model=module, optimizer="adam", lr=3.0, epochs=300)
    spent = []
    own = Budget.spend
    monkeypatch.setattr(Budget, "spend", lambda self, cost: (spent.append(cost), own(self, cost))[1])
    diagnose(fit)
    assert 0.0 < sum(spent) <= max(budget.LEAST_COST, budget.TIMES * fit.steps * budget._cost_of_step(fit)) * (1 + 1e-9)
