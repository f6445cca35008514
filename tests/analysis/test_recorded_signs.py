"""What was recorded of each step is told beside what it shows."""

from __future__ import annotations

import re

import numpy as np
import pytest

import steepest as st
from steepest.analysis.checks import recorded_signs
from steepest.analysis.finding import Kind

RECORDED = ("gradient_noise", "snr", "norm_test", "update_ratio")


def data() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(1)
    x = random.normal(size=(200, 2))
    return x, x @ [1.0, -2.0] + 3.0 + random.normal(size=200)


def moments(fit: st.Fit, place: int) -> tuple[float, float]:
    """tr Σ and ‖ḡ‖² of the rows of a recorded step's batch, by their residuals."""
    from steepest.data.batching import Batching

    rows = Batching(200, 8, "rows", 0).at(int(fit.trace.step[place])).rows.numpy()
    x, y = data()
    design = np.column_stack([np.ones(8), x[rows]])
    each = 2 * design * (design @ fit.trace.theta[place] - y[rows])[:, None]
    return float(each.var(0, ddof=1).sum()), float((each.mean(0) ** 2).sum())


def test_a_noise_floor_is_told_by_the_noise_of_the_gradients():
    settings = {
        "optimizer": "sgd",
        "lr": 0.1,
        "schedule": "constant",
        "batch_size": 8,
        "epochs": 40,
        "precondition": "none",
    }
    fit = st.fit(*data(), record=RECORDED, **settings)
    (found,) = [one for one in fit.diagnose() if one.kind is Kind.NOISE]
    late = range(len(fit.trace.step) // 2, len(fit.trace.step) - 1)
    failed = np.mean([trace / 8 / length > 0.81 for trace, length in (moments(fit, place) for place in late)])
    assert f"In {failed:.0%} of the last half's recorded steps the batch fails the norm test" in found.evidence
    assert failed > 0.3
    assert "The signal-to-noise ratio of a row's gradient is" in found.evidence
    plain = next(one for one in st.fit(*data(), **settings).diagnose() if one.kind is Kind.NOISE)
    assert found.evidence.startswith(plain.evidence)
    assert found.remedy == plain.remedy


def test_a_rate_is_told_by_how_far_a_step_moves():
    settings = {"optimizer": "sgd", "lr": 1e-4, "epochs": 40, "precondition": "none", "schedule": "constant"}
    fit = st.fit(*data(), record=("update_ratio",), **settings)
    found = [one for one in fit.diagnose() if one.kind is Kind.RATE_TOO_LOW]
    moved = np.linalg.norm(np.diff(fit.trace.theta, axis=0), axis=1)[1:] / np.linalg.norm(fit.trace.theta[1:-1], axis=1)
    told = re.search(r"A step moved the parameters by ([\d.e-]+) of their length", found[0].evidence)
    assert told is not None
    assert float(told[1]) == pytest.approx(np.median(moved[len(fit.trace.step) // 2 - 1 :]), rel=0.05)
    assert "usual for a network" not in found[0].evidence


def test_a_healthy_descent_stays_without_a_finding():
    fit = st.fit(*data(), optimizer="adam", batch_size=8, epochs=60, record=RECORDED)
    assert [one.kind for one in fit.diagnose()] == []
    assert pytest.approx(0.81) == recorded_signs.NOISY
