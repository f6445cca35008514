"""What would have been is what `fit()` really does under those settings."""

from __future__ import annotations

import numpy as np
import pytest

import steepest as st
from steepest.analysis.checks.measured_descent import measured
from steepest.analysis.fit_settings import pinned
from steepest.analysis.what_if import what_if

CASES = [
    {"optimizer": "sgd", "lr": 0.01},
    {"optimizer": "momentum:0.9", "lr": 0.01, "schedule": "inverse"},
    {"optimizer": "sgd", "lr": 0.01, "clip": 1.0},
    {"optimizer": "adam", "lr": 0.05, "batch_size": 8, "shuffle": "draws"},
    {"optimizer": "nesterov:0.8", "lr": 0.01, "batch_size": 8, "precondition": "standardize"},
    {"optimizer": "adagrad", "lr": 0.1, "penalty": "l1:0.1"},
    {"optimizer": "sgd", "lr": 0.02, "penalty": "elastic:0.05,0.1", "precondition": "standardize"},
    {"optimizer": "rmsprop", "lr": 0.01, "loss": "l1", "init": "normal"},
    {"optimizer": "sgd", "lr": 0.1, "loss": "huber:0.5", "precondition": "orthonormal", "init": "normal"},
]


@pytest.mark.parametrize("settings", CASES, ids=str)
def test_another_rate_and_schedule_lead_where_fit_goes(settings):
    random = np.random.default_rng(5)
    x = random.normal(size=(60, 3)) * [1.0, 2.0, 0.5] + 1.0
    y = x @ [1.0, -1.0, 2.0] + random.normal(size=60)
    settings = {"epochs": 12, "schedule": "constant"} | settings
    fit = st.fit(x, y, **settings)
    for schedule in ("constant", "cosine"):
        gap = what_if(fit, lr=3.0 * settings["lr"], schedule=schedule)
        there = st.fit(x, y, **(settings | {"lr": 3.0 * settings["lr"], "schedule": schedule}))
        assert gap == pytest.approx(there.gap, rel=1e-8)


def test_other_coordinates_lead_where_fit_goes():
    random = np.random.default_rng(6)
    x = random.normal(size=(60, 3)) * [1.0, 200.0, 0.5] + 1.0
    y = x @ [1.0, -0.01, 2.0] + random.normal(size=60)
    settings = {"optimizer": "sgd", "lr": 1e-6, "epochs": 8}
    descent = measured(st.fit(x, y, **settings))
    for name in ("standardize", "orthonormal"):
        remedy, gap = descent.elsewhere(name)
        assert gap == pytest.approx(st.fit(x, y, **(settings | remedy)).gap, rel=1e-6, abs=1e-12)


def test_other_clips_and_shuffles_lead_where_fit_goes():
    random = np.random.default_rng(7)
    x = random.normal(size=(64, 2))
    y = np.sort(x @ [1.0, 2.0] + random.normal(size=64))
    settings = {"optimizer": "sgd", "lr": 0.05, "epochs": 5, "batch_size": 8, "shuffle": "none", "clip": 0.1}
    fit = st.fit(x, y, **settings)
    wide = what_if(fit, clip=50.0)
    assert wide == pytest.approx(st.fit(x, y, **(settings | {"clip": 50.0})).gap, rel=1e-8)
    other = what_if(fit, shuffle="rows")
    assert other == pytest.approx(st.fit(x, y, **(settings | {"shuffle": "rows"})).gap, rel=1e-8)


def test_what_is_too_long_to_walk_is_not_foretold():
    random = np.random.default_rng(8)
    x, y = random.normal(size=(400, 3)), random.normal(size=400)
    fit = st.fit(x, y, loss="l1", optimizer="sgd", lr=0.1, epochs=3)
    assert np.isnan(what_if(fit, steps=10_000_000))


def test_a_rate_in_place_of_auto_leaves_the_rest_as_it_was():
    random = np.random.default_rng(9)
    x = random.normal(size=(60, 2))
    fit = st.fit(x, x @ [1.0, 2.0] + random.normal(size=60), optimizer="sgd", batch_size=10, epochs=2)
    settings = {"optimizer": "sgd", "batch_size": 10, "epochs": 2} | pinned({"lr": 0.01}, fit)
    again = st.fit(x, x @ [1.0, 2.0], **settings)
    assert (again.precondition, again.schedule, again.lr) == (fit.precondition, fit.schedule, 0.01)
    assert pinned({"epochs": 9}, fit) == {"epochs": 9}
