"""How a module's descent went wrong is told, its remedy mends it, and a net that learned its rows is left alone."""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

import steepest as st
from steepest.analysis.checks import module_descent
from steepest.analysis.checks.overfitting import overfitting
from steepest.analysis.diagnosis import diagnose
from steepest.analysis.finding import Kind
from steepest.analysis.trials import trials_of


def net(*widths):
    torch.manual_seed(0)
    parts = []
    for before, after in pairwise(widths[:-1]):
        parts += [nn.Linear(before, after), nn.Tanh()]
    return nn.Sequential(*parts, nn.Linear(*widths[-2:]))


@cache
def bent(rows, noise=0.1, seed=0):
    """A smooth function of three columns."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(rows, 3))
    return x, np.sin(1.5 * x[:, 0]) + 0.5 * x[:, 1] ** 2 + x[:, 2] + noise * random.normal(size=rows)


@cache
def rings(rows, seed=0, order=False):
    """Three rings around 0."""
    random = np.random.default_rng(seed)
    y = random.integers(3, size=rows)
    y = np.sort(y) if order else y
    angle, radius = random.uniform(0, 2 * np.pi, size=rows), 0.5 + y + 0.15 * random.normal(size=rows)
    return np.column_stack([radius * np.cos(angle), radius * np.sin(angle)]), y


SMALL = {"batch_size": 20, "precondition": "none", "loss": "mse"}
WELL = {"optimizer": "adam", "lr": 0.01, "epochs": 60, **SMALL}
SICK = {
    "a rate of 3": (Kind.RATE_TOO_HIGH, {**WELL, "lr": 3.0}),
    "sgd that diverges": (Kind.RATE_TOO_HIGH, {**WELL, "optimizer": "sgd", "lr": 3.0}),
    "a rate of 1e-6": (Kind.RATE_TOO_LOW, {**WELL, "lr": 1e-6}),
    "a class at 1e-5": (Kind.RATE_TOO_LOW, {**WELL, "optimizer": torch.optim.SGD, "lr": 1e-5}),
    "three epochs": (Kind.TOO_FEW_STEPS, {**WELL, "epochs": 3, "lr": 0.003}),
    "twenty full batches": (Kind.TOO_FEW_STEPS, {**WELL, "epochs": 20, "batch_size": "full"}),
    "steps that decay": (Kind.DECAY, {**WELL, "schedule": "step:1,0.1"}),
    "momentum of 0.999": (Kind.MOMENTUM, {**WELL, "optimizer": "momentum:0.999", "lr": 0.02}),
    "one row at a time": (Kind.NOISE, {**WELL, "optimizer": "sgd", "lr": 0.15, "batch_size": 1, "epochs": 15}),
    "short gradients": (Kind.CLIPPED, {**WELL, "optimizer": "sgd", "lr": 0.03, "clip": 1e-3}),
    "a loose tolerance": (Kind.TOLERANCE, {**WELL, "batch_size": "full", "epochs": 300, "tol": 0.02}),
}


@pytest.mark.parametrize("name", SICK)
def test_what_was_wrong_is_told_and_the_remedy_learns(name):
    kind, settings = SICK[name]
    x, y = bent(200)
    given = {**settings, "model": net(3, 16, 1)}
    fit = st.fit(x, y, **given)
    found = diagnose(fit)
    assert found[0].kind is kind
    fresh, answers = bent(500, seed=1)
    sick, mended = (
        np.mean((each.predict(fresh) - answers) ** 2) for each in (fit, st.fit(x, y, **given | dict(found[0].remedy)))
    )
    assert mended < 0.25 * np.var(answers)
    assert mended < 0.5 * sick


@pytest.mark.parametrize("name", ["adam", "sgd", "momentum:0.9", "rmsprop"])
@pytest.mark.parametrize("size", [10, "full"])
def test_a_net_that_learned_its_rows_is_left_alone(name, size):
    x, y = bent(200)
    rate = {"adam": 0.01, "sgd": 0.1, "momentum:0.9": 0.03, "rmsprop": 0.003}[name]
    settings = {**WELL, "optimizer": name, "lr": rate, "batch_size": size, "epochs": 1000 if size == "full" else 80}
    assert list(module_descent.module_descent(st.fit(x, y, model=net(3, 16, 1), **settings))) == []


@pytest.mark.parametrize("noise", [pytest.param(1.0, marks=pytest.mark.soak), 3.0])
def test_noise_that_more_steps_would_fit_is_none_that_is_missed(noise):
    x, y = bent(150, noise)
    fit = st.fit(x, y, model=net(3, 16, 1), **{**WELL, "epochs": 40})
    longer = st.fit(x, y, model=net(3, 16, 1), **{**WELL, "epochs": 600})
    assert longer.loss < 0.7 * fit.loss
    assert list(module_descent.module_descent(fit)) == []


def test_classes_in_order_are_shuffled():
    x, y = rings(300, order=True)
    settings = {"loss": "cross_entropy", "optimizer": "adam", "lr": 0.01, "epochs": 30, "batch_size": 20}
    fit = st.fit(x, y, model=net(2, 16, 3), precondition="none", shuffle="none", **settings)
    assert [(finding.kind, dict(finding.remedy)) for finding in diagnose(fit)] == [(Kind.SORTED, {"shuffle": "rows"})]


def test_a_trial_is_the_descent_itself():
    given = {**WELL, "model": net(3, 8, 1), "epochs": 6}
    trials = trials_of(st.fit(*bent(150), **given))
    (x, y), (fresh, answers) = ((rows.x, rows.y) for rows in (trials.kept, trials.unseen))
    assert (len(x), len(fresh)) == (120, 30)

    def direct(**other):
        return np.mean((np.ravel(st.fit(x, y, **given | other).predict(fresh)) - answers) ** 2)

    assert trials.run({}, lr=0.1).loss == pytest.approx(direct(lr=0.1), rel=1e-5)
    assert dict(trials.ahead((3,)))[3].loss == pytest.approx(direct(epochs=18), rel=1e-5)


@pytest.mark.parametrize("steps", [1, 20, 3_000])
def test_trials_cost_no_more_than_the_fit_or_a_little(steps):
    x, y = bent(200)
    trials = trials_of(st.fit(x, y, model=net(3, 16, 1), **{**WELL, "lr": 1e-6, "epochs": None, "max_steps": steps}))
    whole, before = steps * trials.step_cost, trials.budget.left
    assert before == pytest.approx(max(1.2 * whole, 0.25), rel=0.1)
    module_descent.other_rates(tried := module_descent.Tried(trials))
    module_descent.further(tried)
    assert 0.0 <= trials.budget.left < before
    rates = [trial.steps for kind, trial in tried.found if kind is not Kind.TOO_FEW_STEPS]
    ahead = [trial.steps for kind, trial in tried.found if kind is Kind.TOO_FEW_STEPS]
    assert (sum(rates) + max(ahead, default=0)) * trials.step_cost == pytest.approx(before - trials.budget.left)


def test_a_constant_fit_does_not_overfit():
    random = np.random.default_rng(0)
    x, y = random.normal(size=(120, 3)), random.normal(size=120)
    drowned = nn.Sequential(nn.Linear(3, 32), nn.ReLU(), nn.Dropout(0.98), nn.Linear(32, 1))
    fit = st.fit(x, y, model=drowned, test_fraction=0.4, **{**WELL, "epochs": 20})
    assert fit.loss > 0.9 * np.var(fit.train.y)
    assert list(overfitting(fit)) == []


def moons(seed, rows, noise=0.18):
    """Two half circles that hook into each other, and which of them."""
    random = np.random.default_rng(seed)
    which, angle = random.integers(2, size=rows), np.pi * random.random(rows)
    x = np.column_stack([(1 - 2 * which) * np.cos(angle) + which, (1 - 2 * which) * np.sin(angle) + 0.5 * which])
    return x - [0.5, 0.25] + noise * random.standard_normal((rows, 2)), which


def test_patience_of_one_epoch_is_told_where_going_on_learns_more():
    torch.manual_seed(3)
    module = nn.Sequential(nn.Linear(2, 48), nn.ReLU(), nn.Linear(48, 48), nn.ReLU(), nn.Linear(48, 1))
    given = {
        "loss": "logistic",
        "optimizer": "sgd",
        "lr": 0.1,
        "batch_size": 8,
        "epochs": 25,
        "validation": 0.1,
        "seed": 3,
    }
    fit = st.fit(*moons(3, 1200), model=module, **given, patience=1)
    found = [finding for finding in diagnose(fit) if finding.kind is Kind.PATIENCE]
    assert [dict(finding.remedy) for finding in found] == [{"patience": 25}]
