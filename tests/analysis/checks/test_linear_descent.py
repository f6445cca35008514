"""Signs of schedules, noise, kinks and stops: each planted by itself, named first, and gone under its remedy."""

from __future__ import annotations

import numpy as np
import pytest

import steepest as st
from steepest.analysis.diagnosis import diagnose
from steepest.analysis.finding import Kind


def rows(seed=0, n=120, p=3, noise=0.5):
    random = np.random.default_rng(seed)
    x = random.normal(size=(n, p))
    return x, 1.0 + x @ np.arange(1.0, p + 1.0) + noise * random.normal(size=n)


def steepest(x):
    design = np.column_stack([np.ones(len(x)), x])
    return float(np.linalg.eigvalsh(2.0 * design.T @ design / len(x))[-1])


X, Y = rows()
L = steepest(X)
NOISY = rows(1, 200, noise=1.0)
ORDER = np.argsort(NOISY[1])
FAR = (X, Y + 1e5)

SICK = [
    (Kind.DECAY, (X, Y), {"optimizer": "sgd", "lr": 0.2 / L, "epochs": 500, "schedule": "inverse"}, "schedule"),
    (Kind.DECAY, (X, Y), {"optimizer": "sgd", "lr": 1.0 / L, "epochs": 300, "schedule": "step:5,0.3"}, "schedule"),
    (Kind.NOISE, NOISY, {"optimizer": "sgd", "lr": 0.05, "batch_size": 10, "epochs": 40}, "schedule"),
    (Kind.NOISE, NOISY, {"optimizer": "momentum:0.9", "lr": 0.01, "batch_size": 20, "epochs": 40}, "schedule"),
    (Kind.KINK, (X, Y), {"loss": "l1", "optimizer": "sgd", "lr": 0.3, "epochs": 400}, "schedule"),
    (Kind.KINK, (X, Y), {"loss": "quantile:0.8", "optimizer": "sgd", "lr": 0.3, "epochs": 400}, "schedule"),
    (Kind.TOLERANCE, (X, Y), {"optimizer": "sgd", "lr": 0.5 / L, "epochs": 600, "tol": 1e-3}, "tol"),
    (Kind.CLIPPED, (X, Y), {"optimizer": "sgd", "lr": 1.0 / L, "epochs": 300, "clip": 1e-2}, "clip"),
    (Kind.SORTED, (NOISY[0][ORDER], NOISY[1][ORDER]),
     {"optimizer": "sgd", "lr": 0.15, "batch_size": 10, "epochs": 15, "shuffle": "none", "schedule": "cosine"}, "shuffle"),
    (Kind.FLOAT32, FAR,
     {"optimizer": "sgd", "precondition": "standardize", "lr": "auto", "epochs": 300, "dtype": "float32"}, "dtype"),
    (Kind.FLOAT32, (X, Y + 1e6), {"dtype": "float32"}, "dtype"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "data", "settings", "changed"), SICK, ids=[f"{s[0].name}-{i}" for i, s in enumerate(SICK)]
)
def test_what_was_planted_is_found_first_and_its_remedy_cures(kind, data, settings, changed):
    fit = st.fit(*data, **settings)
    finding = diagnose(fit)[0]
    assert finding.kind is kind
    assert set(finding.remedy) == {changed}
    mended = st.fit(*data, **(settings | finding.remedy))
    assert mended.gap <= 0.2 * fit.gap
    assert list(diagnose(mended)) == []


@pytest.mark.parametrize("entry", [3, 4, 7, 8])
def test_the_share_is_what_the_remedy_really_wins(entry):
    _, data, settings, _ = SICK[entry]
    fit = st.fit(*data, **settings)
    finding = diagnose(fit)[0]
    mended = st.fit(*data, **(settings | finding.remedy))
    assert finding.share == pytest.approx(1.0 - mended.gap / fit.gap, abs=1e-6)


@pytest.mark.parametrize(("seed", "rate"), [(5, 0.02), (6, 0.1), (7, 0.1)])
def test_patience_of_one_epoch_under_noise(seed, rate):
    x, y = rows(seed, 250, noise=2.0)
    settings = {
        "optimizer": "sgd", "batch_size": 10, "lr": rate, "epochs": 80, "schedule": "cosine", "validation": 0.2, "patience": 1,
    }  # fmt: skip
    fit = st.fit(x, y, **settings)
    assert fit.status is st.Status.PATIENCE
    (finding,) = diagnose(fit)
    assert finding.kind is Kind.PATIENCE
    mended = st.fit(x, y, **(settings | finding.remedy))
    assert mended.epochs == 80
    assert finding.share == pytest.approx(1.0 - mended.gap / fit.gap, abs=1e-6)


def test_early_stopping_with_full_batches_is_no_fault():
    x, y = rows(3, 60, 30, noise=10.0)
    fit = st.fit(x, y, optimizer="sgd", lr=0.5 / steepest(x), epochs=2000, validation=0.3, patience=5)
    assert fit.status is st.Status.PATIENCE
    assert [f for f in diagnose(fit) if not f.of_model] == []


def test_too_few_curvature_steps():
    y = np.where(np.arange(len(Y)) % 7 == 0, Y <= 1.0, Y > 1.0).astype(int)
    (finding,) = [f for f in diagnose(st.fit(X, y, model="logistic", epochs=1)) if not f.of_model]
    assert finding.kind is Kind.TOO_FEW_STEPS
    assert dict(finding.remedy) == {"epochs": 100}


HEALTHY = [
    {},
    {"loss": "l1"},
    {"loss": "huber:1", "penalty": "l1:0.01"},
    {"optimizer": "sgd"},
    {"optimizer": "sgd", "lr": 1.0 / L},
    {"optimizer": "momentum:0.9", "lr": 0.5 / L},
    {"optimizer": "nesterov:0.9", "lr": 0.5 / L},
    {"optimizer": "adam"},
    {"optimizer": "adam", "lr": 0.1, "schedule": "cosine"},
    {"optimizer": "sgd", "batch_size": 16},
    {"optimizer": "sgd", "batch_size": 16, "lr": 0.05, "schedule": "cosine"},
    {"optimizer": "momentum:0.9", "batch_size": 16, "lr": 0.02, "schedule": "cosine"},
    {"loss": "l1", "optimizer": "sgd", "lr": 1.0, "schedule": "cosine"},
    {"optimizer": "sgd", "lr": 1.0 / L, "clip": 1e3, "tol": 0.0},
    {"model": "mlp:8"},
    {"model": "mlp:8", "optimizer": "sgd", "lr": 0.05, "epochs": 400},
]


@pytest.mark.parametrize("settings", HEALTHY, ids=str)
def test_a_healthy_fit_has_no_finding(settings):
    assert list(diagnose(st.fit(X, Y, **settings))) == []


@pytest.mark.parametrize(("rate", "kind"), [(1e-5, Kind.RATE_TOO_LOW), (1.5, Kind.RATE_TOO_HIGH)])
def test_rates_of_a_module(rate, kind):
    settings = {"model": "mlp:6", "optimizer": "sgd", "lr": rate, "epochs": 200}
    finding = diagnose(st.fit(X, Y, **settings))[0]
    assert finding.kind is kind
    mended = st.fit(X, Y, **(settings | finding.remedy))
    assert mended.loss < 0.2 * np.var(Y)
    assert kind not in [f.kind for f in diagnose(mended)]


def test_a_module_with_too_few_steps():
    finding = diagnose(st.fit(X, Y, model="mlp:6", optimizer="sgd", lr=0.05, epochs=4))[0]
    assert finding.kind is Kind.TOO_FEW_STEPS
