"""Signs of the learning rate beside NumPy's eigenvalues and descents that are really walked."""

from __future__ import annotations

import numpy as np
import pytest

import steepest as st
from steepest.analysis.diagnosis import diagnose
from steepest.analysis.finding import Kind


def rows(seed=0, n=120, p=3, correlation=0.0):
    random = np.random.default_rng(seed)
    shared = random.normal(size=(n, 1))
    x = (1 - correlation) ** 0.5 * random.normal(size=(n, p)) + correlation**0.5 * shared
    return x, 1.0 + x @ np.arange(1.0, p + 1.0) + 0.5 * random.normal(size=n)


def eigenvalues(x):
    design = np.column_stack([np.ones(len(x)), x])
    return np.linalg.eigvalsh(2.0 * design.T @ design / len(x))


def kinds(fit):
    return [finding.kind for finding in diagnose(fit)]


LIMITS = {"sgd": 2.0, "momentum:0.8": 2.0 * 1.8, "nesterov:0.8": 2.0 * 1.8 / 2.6}


@pytest.mark.parametrize("optimizer", LIMITS)
def test_a_rate_over_the_limit_is_told_with_the_limit_and_the_remedy_arrives(optimizer):
    x, y = rows()
    limit = LIMITS[optimizer] / eigenvalues(x)[-1]
    settings = {"optimizer": optimizer, "epochs": 400}
    (finding,) = diagnose(st.fit(x, y, lr=1.2 * limit, **settings))
    assert finding.kind is Kind.RATE_TOO_HIGH
    assert f"{float(f'{limit:.3g}'):g}" in finding.what
    assert 0.0 < finding.remedy["lr"] < limit
    mended = st.fit(x, y, **(settings | finding.remedy))
    assert mended.status is st.Status.CONVERGED
    assert list(diagnose(mended)) == []


def test_the_column_of_the_largest_curvature_is_named():
    x, y = rows()
    x = x * [1.0, 3.0, 1.0]
    (finding,) = diagnose(st.fit(x, y, optimizer="sgd", lr=1.5 * 2.0 / eigenvalues(x)[-1], epochs=3000))
    assert finding.kind is Kind.RATE_TOO_HIGH
    assert "along 'x2'" in finding.evidence


def test_the_step_from_which_the_loss_grew_is_that_of_the_trace():
    x, y = rows()
    fit = st.fit(x, y, optimizer="sgd", lr=1.01 * 2.0 / eigenvalues(x)[-1], epochs=200)
    (finding,) = diagnose(fit)
    least = int(fit.trace.step[np.nanargmin(fit.trace.objective)])
    assert least > 0
    assert f"lowest at step {least:,}" in finding.evidence


def test_swinging_just_below_the_limit_is_a_rate_too_high():
    x, y = rows()
    values = eigenvalues(x)
    (finding,) = diagnose(st.fit(x, y, optimizer="sgd", epochs=100, lr=0.999 * 2.0 / values[-1]))
    assert finding.kind is Kind.RATE_TOO_HIGH
    assert finding.remedy["lr"] == pytest.approx(2.0 / (values[-1] + values[0]), rel=5e-3)


def test_a_tiny_rate_is_told_with_the_steps_that_it_needs():
    x, y = rows()
    best = 2.0 / (eigenvalues(x)[-1] + eigenvalues(x)[0])
    settings = {"optimizer": "sgd", "epochs": 100}
    (finding,) = diagnose(st.fit(x, y, lr=0.01 * best, **settings))
    assert finding.kind is Kind.RATE_TOO_LOW
    assert finding.remedy["lr"] == pytest.approx(best, rel=5e-3)
    told = float(finding.evidence.split("takes about ")[1].split(" steps")[0].replace(",", ""))
    long = st.fit(x, y, lr=0.01 * best, optimizer="sgd", epochs=8_000)
    gaps = long.trace.objective - long.exact.objective
    taken = int(long.trace.step[np.argmax(gaps <= 1e-9 * long.exact.objective)])
    assert told == pytest.approx(taken, rel=0.02)
    assert st.fit(x, y, **(settings | finding.remedy)).status is st.Status.CONVERGED


@pytest.mark.parametrize("model", ["linear", "logistic"])
def test_too_few_steps_are_told_and_the_remedy_is_hardly_more_than_it_takes(model):
    x, y = rows(correlation=0.6)
    lr = 1.0 / eigenvalues(x)[-1]
    if model == "logistic":
        y = (y + 3.0 * np.random.default_rng(1).logistic(size=len(y)) > 1.0).astype(int)
        lr *= 8.0  # its curvature is an eighth of the squares' at most
    settings = {"model": model, "optimizer": "sgd", "lr": lr, "epochs": 10}
    (finding,) = diagnose(st.fit(x, y, **settings))
    assert finding.kind is Kind.TOO_FEW_STEPS
    epochs = finding.remedy["epochs"]
    assert st.fit(x, y, **(settings | {"epochs": epochs})).status is st.Status.CONVERGED
    assert st.fit(x, y, **(settings | {"epochs": int(0.8 * epochs)})).status is not st.Status.CONVERGED


def test_where_max_steps_was_the_limit_it_is_what_grows():
    x, y = rows()
    (finding,) = diagnose(st.fit(x, y, optimizer="sgd", lr=1.0 / eigenvalues(x)[-1], max_steps=5))
    assert finding.kind is Kind.TOO_FEW_STEPS
    assert set(finding.remedy) == {"max_steps"}


@pytest.mark.parametrize(("lr", "kind"), [(1e-4, Kind.RATE_TOO_LOW), (1e5, Kind.RATE_TOO_HIGH)])
@pytest.mark.parametrize("optimizer", ["adam", "rmsprop"])
def test_rates_of_rules_that_scale_each_parameter(optimizer, lr, kind):
    x, y = rows()
    settings = {"optimizer": optimizer, "lr": lr, "epochs": 400}
    finding = diagnose(st.fit(x, y, **settings))[0]
    assert finding.kind is kind
    assert kind not in kinds(st.fit(x, y, **(settings | finding.remedy)))


def test_minibatches_at_a_tiny_rate():
    x, y = rows(n=200)
    settings = {"optimizer": "sgd", "lr": 1e-5, "batch_size": 20, "epochs": 30}
    finding = diagnose(st.fit(x, y, **settings))[0]
    assert finding.kind is Kind.RATE_TOO_LOW
    assert st.fit(x, y, **(settings | finding.remedy)).relative_gap < 0.05


def test_remedies_are_plain_numbers_of_few_digits():
    x, y = rows()
    rate = diagnose(st.fit(x, y, optimizer="sgd", lr=4.0 / eigenvalues(x)[-1], epochs=400))[0].remedy["lr"]
    assert type(rate) is float
    assert rate == float(f"{rate:.3g}")
