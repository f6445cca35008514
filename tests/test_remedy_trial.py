"""A remedy is tried before it is shown, by the fit that it gives, where that costs no more than the fit did."""

from __future__ import annotations

import numpy as np
import pytest

import steepest as st
from steepest import remedy_trial
from steepest.analysis import diagnosis
from steepest.analysis.finding import Finding, Kind
from steepest.errors import SpecError
from steepest.text.findings import two_lines
from steepest.text.numbers import number

DRAW = np.random.default_rng(5)
X = DRAW.normal(size=(80, 2))
Y = np.sin(2.0 * X[:, 0]) + X[:, 1] + 0.1 * DRAW.normal(size=80)
SLOW = {"model": "mlp:8", "optimizer": "sgd", "lr": 1e-4, "epochs": 60}


def test_what_came_of_it_is_that_of_the_fit_as_printed():
    fit = st.fit(X, Y, **SLOW)
    found = fit.diagnose()[0]
    again = st.fit(X, Y, **(SLOW | found.remedy))
    assert found.kind is Kind.RATE_TOO_LOW
    assert found.tried == f"on 80 rows: objective {number(fit.objective_value)} → {number(again.objective_value)}"
    assert again.objective_value < 0.5 * fit.objective_value
    assert f"Tried:     On 80 rows: objective {number(fit.objective_value)}" in str(fit.diagnose())
    assert two_lines(found, found.python)[1].endswith(f"Tried {found.tried}.")
    assert fit.diagnose().to_dicts()[0]["tried"] == found.tried


def said(monkeypatch, remedy: dict, of_model: bool = False, **settings: object) -> str:
    """What is said of the trial of a remedy."""
    finding = Finding(Kind.NOISE, "", "", remedy, "", of_model=of_model)
    monkeypatch.setattr(diagnosis, "checks_of", lambda when: (lambda fit: iter([finding]),) if when == "fit" else ())
    return st.fit(X, Y, **(SLOW | settings)).diagnose()[0].tried


def test_it_may_cost_what_the_fit_did_and_no_more(monkeypatch):
    assert said(monkeypatch, {"epochs": 60}).startswith("on 80 rows: objective ")
    assert said(monkeypatch, {"epochs": 61}) == ""
    assert said(monkeypatch, {"batch_size": 20}).startswith(
        "on 80 rows: "
    )  # four times the steps, of a quarter of the rows
    assert said(monkeypatch, {"epochs": 60}, lr=1e9) == ""  # it diverged at once, and cost next to nothing


def test_what_does_not_help_is_said_to(monkeypatch):
    assert said(monkeypatch, {"epochs": 30}).endswith(", no better")
    assert "→ diverged, no better" in said(monkeypatch, {"lr": 1e9})


def test_another_objective_is_compared_by_held_out_rows_alone(monkeypatch):
    assert said(monkeypatch, {"penalty": "l2:0.1"}, of_model=True) == ""
    words = said(monkeypatch, {"penalty": "l2:0.1"}, of_model=True, test_fraction=0.25)
    before, after = (st.fit(X, Y, **SLOW, test_fraction=0.25, penalty=p).test_loss for p in ("none", "l2:0.1"))
    assert words.startswith(f"on 60 rows: held-out loss {number(before)} → {number(after)}")
    assert said(monkeypatch, {"loss": "l1"}, of_model=True, test_fraction=0.25) == ""


def test_of_many_rows_some_are_taken_and_both_are_fitted_to_them(monkeypatch):
    monkeypatch.setattr(remedy_trial, "MOST_ROWS", 40)
    few = remedy_trial.sampled(st.fit(X, Y, **SLOW).train, 40)
    before, after = (st.fit(few.x, few.y, **(SLOW | {"lr": lr})) for lr in (1e-4, 0.01))
    words = f"on 40 rows: objective {number(before.objective_value)} → {number(after.objective_value)}"
    assert said(monkeypatch, {"lr": 0.01}) == words


def test_what_a_theory_tells_is_not_tried():
    fit = st.fit(X, X @ [1.0, 2.0], optimizer="sgd", lr=1e-3, epochs=50)
    assert fit.diagnose()[0].predicted
    assert fit.diagnose()[0].tried == ""


def test_a_remedy_that_is_refused_is_not_spoken_of(monkeypatch):
    def refuse(*given: object, **more: object) -> None:
        raise SpecError("no")

    monkeypatch.setattr(remedy_trial, "run", refuse)
    assert said(monkeypatch, {"lr": 0.01}) == ""


@pytest.mark.parametrize(("settings", "cost"), [({"epochs": 7}, 7 * 80), ({"epochs": 7, "batch_size": 16}, 7 * 80)])
def test_a_cost_is_the_rows_that_the_steps_go_over(settings, cost):
    fit = st.fit(X, Y, model="mlp:2", **settings)
    assert remedy_trial.cost_of(fit.spec, 80) == remedy_trial.cost_of(fit.spec, 80, fit.steps) == cost
