"""The predicted loss curve against the measured one."""

from __future__ import annotations

import numpy as np
import pytest

import steepest as st
from steepest.analysis import predicted_curve as prediction
from steepest.analysis.predicted_curve import predicted_curve

RANDOM = np.random.default_rng(2)
X = RANDOM.standard_normal((80, 2)) * [1.0, 3.0] + 0.5
Y = X @ [1.0, 0.5] + RANDOM.standard_normal(80)

APPLIES = [
    {"optimizer": "sgd", "lr": 0.02, "epochs": 200},
    {"optimizer": "momentum:0.9", "lr": 0.01, "epochs": 100, "schedule": "cosine"},
    {"optimizer": "nesterov:0.5", "lr": 0.02, "epochs": 100, "schedule": "step:10,0.7", "penalty": "l2:0.3"},
    {"optimizer": "sgd", "lr": 0.5, "epochs": 12, "precondition": "orthonormal", "init": [3.0, -2.0, 1.0]},
    {"optimizer": "sgd", "lr": 0.02, "epochs": 5_000, "record": 100, "tol": 0},
    {"optimizer": "sgd", "lr": 0.05, "epochs": 3_000, "record": 100, "tol": 0, "schedule": "inverse"},
    {"optimizer": "momentum:0.5", "lr": 0.02, "epochs": 2_000, "record": 50, "tol": 0, "schedule": "cosine"},
    {"optimizer": "sgd", "lr": 0.15, "epochs": 30},
]


@pytest.mark.parametrize(
    "settings", APPLIES, ids=lambda settings: f"{settings['optimizer']}-{settings.get('schedule')}"
)
def test_the_measured_curve_is_the_predicted_one(settings):
    fit = st.fit(X, Y, **settings)
    gaps = fit.trace.objective - fit.answer.objective
    predicted = predicted_curve(fit)
    # down to the rounding of the losses themselves
    np.testing.assert_allclose(predicted, gaps, rtol=1e-8, atol=1e-13 * gaps[0])
    assert predicted[0] == pytest.approx(gaps[0], rel=1e-12)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"loss": "huber:1", "optimizer": "sgd"},
        {"optimizer": "adam", "lr": 0.1},
        {"optimizer": "sgd", "lr": 0.02, "batch_size": 10},
        {"optimizer": "sgd", "lr": 0.02, "clip": 1.0},
        {"optimizer": "sgd", "lr": 0.02, "penalty": "l1:0.1"},
        {"model": "mlp:2", "optimizer": "sgd", "lr": 0.02},
    ],
    ids=str,
)
def test_where_theory_does_not_apply_nothing_is_predicted(settings):
    fit = st.fit(X, Y, epochs=5, **settings)
    assert predicted_curve(fit) is None
    assert "predicted" not in [trace.name for trace in fit.loss_curve().data]


def test_too_many_steps_of_a_schedule_are_not_gone_through(monkeypatch):
    settings = {"optimizer": "sgd", "lr": 0.02, "epochs": 60, "tol": 0}
    monkeypatch.setattr(prediction, "MOST_STEPS", 50)
    assert predicted_curve(st.fit(X, Y, schedule="inverse", **settings)) is None
    assert predicted_curve(st.fit(X, Y, **settings)) is not None


def test_the_prediction_is_drawn_thin_and_dashed_on_both_panels():
    fit = st.fit(X, Y, optimizer="sgd", lr=0.02, epochs=40)
    shown = [trace for trace in fit.loss_curve().data if trace.name == "predicted"]
    assert [(trace.yaxis, trace.showlegend) for trace in shown] == [("y", True), ("y2", False)]
    gaps = fit.trace.objective - fit.answer.objective
    np.testing.assert_allclose(shown[1].y, gaps, rtol=1e-8)
    np.testing.assert_allclose(shown[0].y, fit.trace.objective, rtol=1e-8)
    assert all(trace.line.width < 2 and trace.line.dash for trace in shown)
    # two descents in one picture are enough lines
    assert "predicted" not in [trace.name for trace in fit.loss_curve(also=[fit]).data]


def test_the_prediction_ends_where_rounding_begins():
    fit = st.fit(X, Y, optimizer="sgd", lr=0.02, epochs=5_000, tol=0)
    (_, shown) = [trace for trace in fit.loss_curve().data if trace.name == "predicted"]
    assert len(shown.y) < 5_001
    assert min(shown.y) > 2e-16 * fit.loss
