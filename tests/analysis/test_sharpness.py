"""Sharpness against dense Hessians of torch, saddles and minima whose curvature is known, and descents at their edge."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import steepest as st
from steepest.errors import FitError, SpecError
from steepest.numerics import lanczos

RANDOM = np.random.default_rng(0)
X = RANDOM.standard_normal((120, 3))
Y = np.sin(2 * X[:, 0]) + X[:, 1] * X[:, 2]


class Chain(nn.Module):
    """y = w₁·w₂·…·x: a deep linear network of one unit a layer."""

    def __init__(self, weights):
        super().__init__()
        self.weights = nn.Parameter(torch.tensor(weights, dtype=torch.float64))

    def forward(self, x):
        return self.weights.prod() * x[:, 0]


def dense(fit, loss=None):
    """All eigenvalues of the Hessian at a fit's end, by torch.autograd.functional on a copy of its own, rising."""
    module, x = fit.module.double().eval(), torch.as_tensor(fit.train.x)
    codes = fit.train.classes is not None
    y = torch.as_tensor(fit.train.y.astype(np.int64 if codes else np.float64))
    names = [name for name, _ in module.named_parameters()]
    shapes = [p.shape for p in module.parameters()]

    def objective(theta):
        parts = [part.view(shape) for part, shape in zip(theta.split([s.numel() for s in shapes]), shapes, strict=True)]
        out = torch.func.functional_call(module, dict(zip(names, parts, strict=True)), (x,))
        return nn.functional.cross_entropy(out, y) if codes else ((out.squeeze(-1) - y) ** 2).mean()

    curved = torch.autograd.functional.hessian(objective, torch.as_tensor(fit.theta))
    slope = torch.autograd.functional.jacobian(objective, torch.as_tensor(fit.theta))
    return np.linalg.eigvalsh(curved.numpy()), float(slope.norm())


@pytest.mark.parametrize("model", ["mlp:4", "mlp:12,8"])
@pytest.mark.parametrize("classes", [False, True])
def test_the_ends_of_the_spectrum_are_those_of_the_dense_hessian(model, classes):
    y = np.digitize(Y, [-0.5, 0.5]).astype(str) if classes else Y
    fit = st.fit(X, y, model=model, optimizer="sgd", lr=0.05, epochs=30)
    found, (values, slope) = fit.sharpness(rows=None), dense(fit)
    np.testing.assert_allclose(found.largest, values[::-1][:3], rtol=1e-6)
    np.testing.assert_allclose(found.smallest, values[:3], rtol=1e-6, atol=1e-8 * values[-1])
    assert found.gradient_norm == pytest.approx(slope, rel=1e-9)
    assert (found.rows, found.all_rows, found.parameters) == (120, 120, len(fit.theta))
    assert found.verdict == "saddle"
    assert not found.at_rest


def test_the_saddle_of_a_product():
    # F = mean (uvx − y)²: at u = v = 0 the gradient is 0 and the Hessian [[0, −2·mean xy], [−2·mean xy, 0]]
    x, y = X[:, 0], 1.5 * X[:, 0]
    fit = st.fit(x, y, model=Chain([0.0, 0.0]), loss="mse", optimizer="sgd", lr=0.1, epochs=5, tol=0)
    found = fit.sharpness(count=2)
    steep = 2 * np.mean(x * y)
    np.testing.assert_allclose(found.largest, [steep, -steep], rtol=1e-12)
    np.testing.assert_allclose(found.smallest, [-steep, steep], rtol=1e-12)
    assert (found.verdict, found.at_rest, found.gradient_norm) == ("saddle", True, 0.0)
    assert "downwards along 1 direction, by" in str(found)


@pytest.mark.parametrize("depth", [2, 3, 5])
def test_the_minimum_of_a_deep_linear_network_is_flat_along_its_valley(depth):
    # where F = 0 the Hessian is 2·mean(x²)·ggᵀ with gᵢ = Π over j ≠ i of wⱼ: one eigenvalue, and flat beside it
    weights = np.linspace(0.8, 1.3, depth)
    x = X[:, 0]
    fit = st.fit(x, weights.prod() * x, model=Chain(weights.tolist()), loss="mse", optimizer="sgd", lr=0.01, epochs=1)
    found = fit.sharpness()
    expected = 2 * np.mean(x**2) * ((weights.prod() / weights) ** 2).sum()
    assert found.largest[0] == pytest.approx(expected, rel=1e-9)
    np.testing.assert_allclose(found.smallest[0], 0.0, atol=1e-12)
    assert (found.verdict, found.at_rest) == ("flat", True)
    assert found.limit == pytest.approx(2 / 0.01)
    assert found.ratio == pytest.approx(expected * 0.005)


@pytest.mark.parametrize(("optimizer", "numerator"), [("sgd", 2.0), ("momentum:0.8", 3.6), ("nesterov:0.8", 3.6 / 2.6)])
@pytest.mark.parametrize("precondition", ["none", "standardize", "orthonormal"])
def test_the_linear_family_in_its_own_coordinates(optimizer, numerator, precondition):
    x = X * [1.0, 5.0, 0.2] + 0.5
    fit = st.fit(x, Y, optimizer=optimizer, lr=0.01, epochs=20, precondition=precondition, penalty="l2:0.1")
    found = fit.sharpness(count=4, rows=None, along=5)
    from steepest.analysis.convergence import quadratic_at
    from steepest.analysis.fit_settings import coordinates_of

    values = quadratic_at(fit.problem, coordinates_of(precondition, fit.problem), fit.theta, fit.theta).values
    np.testing.assert_allclose(found.largest, values, rtol=1e-9)
    np.testing.assert_allclose(found.smallest, values[::-1], rtol=1e-9)
    assert found.limit == pytest.approx(numerator / 0.01)
    assert found.verdict == "minimum"
    np.testing.assert_allclose(found.along.sharpness, values[0], rtol=1e-9)
    assert found.along.step.tolist() == [0, 5, 10, 15, 20]
    # the same limit as a rate, in fit.curvature()
    assert fit.curvature().own.largest * values[0] == pytest.approx(numerator)


def test_weights_and_a_penalty_count():
    weights = np.random.default_rng(1).uniform(0.2, 3.0, len(X))
    table = {"a": X[:, 0], "y": Y, "w": weights}
    fit = st.fit(table, target="y", weights="w", model="mlp:3", penalty="l2:0.3", optimizer="sgd", lr=0.01, epochs=3)
    plain = st.fit(table, target="y", weights="w", model="mlp:3", optimizer="sgd", lr=0.01, epochs=3)
    assert fit.sharpness().gradient_norm == pytest.approx(np.linalg.norm(fit.objective(fit.theta)[1]), rel=1e-9)
    # at the same θ the penalty on every weight adds 0.6 to the curvature of weights, and nothing to that of biases
    plain.theta = fit.theta
    difference = fit.sharpness(count=99).largest.sum() - plain.sharpness(count=99).largest.sum()
    assert difference == pytest.approx(0.6 * 6, rel=1e-6)


def test_a_sample_of_rows_is_drawn_by_the_seed():
    fit = st.fit(X, Y, model="mlp:4", optimizer="sgd", lr=0.05, epochs=10)
    some, again, whole = fit.sharpness(rows=60), fit.sharpness(rows=60), fit.sharpness(rows=None)
    np.testing.assert_array_equal(some.largest, again.largest)
    assert some.rows == 60
    assert 1e-5 < abs(some.largest[0] / whole.largest[0] - 1) < 0.5
    assert "60 of 120 rows" in str(some)


def test_gradient_descent_on_a_network_comes_to_its_edge():
    fit = st.fit(X, Y, model="mlp:10,10", optimizer="sgd", lr=0.15, epochs=1500)
    path = fit.sharpness(along=25).along
    np.testing.assert_allclose(path.limit, 2 / 0.15)
    assert path.sharpness[0] < 0.6 * path.limit[0]
    # Cohen et al. 2021: it rises to 2/lr and hovers there
    assert 0.8 < np.median(path.sharpness[10:]) / path.limit[0] < 1.25


def test_the_fit_is_left_as_it_was():
    class Noisy(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.Sequential(nn.Linear(3, 6), nn.BatchNorm1d(6), nn.Tanh(), nn.Dropout(0.5), nn.Linear(6, 1))

        def forward(self, x):
            return self.layers(x)

    fit = st.fit(X, Y, model=Noisy(), loss="mse", optimizer="sgd", lr=0.01, epochs=3)
    before = {name: value.clone() for name, value in fit.module.state_dict().items()}
    one, two = fit.sharpness(), fit.sharpness()
    np.testing.assert_array_equal(one.largest, two.largest)  # eval mode: no dropout
    for name, value in fit.module.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_a_loss_of_ones_own_is_measured():
    def cubed(prediction, target):
        return (prediction - target).abs() ** 3

    fit = st.fit(X, Y, loss=cubed, optimizer="sgd", lr=0.01, epochs=5)
    design = np.column_stack([np.ones(len(X)), X])
    residual = np.abs(design @ fit.theta - Y)
    values = np.linalg.eigvalsh((design * (6 * residual)[:, None]).T @ design / len(X))
    np.testing.assert_allclose(fit.sharpness(count=4).largest, values[::-1], rtol=1e-9)


def test_wide_models_take_lanczos(monkeypatch):
    fit = st.fit(X, Y, model="mlp:8", optimizer="sgd", lr=0.05, epochs=20)
    whole = fit.sharpness(count=4)
    monkeypatch.setattr(lanczos, "MOST_TRIED", 0)
    some = fit.sharpness(count=4)
    np.testing.assert_allclose(some.largest, whole.largest, rtol=1e-8)
    np.testing.assert_allclose(some.smallest, whole.smallest, atol=1e-8 * whole.largest[0])


def test_what_cannot_be_measured_says_why(tmp_path):
    with pytest.raises(SpecError, match="has a kink and so no curvature"):
        st.fit(X, Y, loss="l1", epochs=3).sharpness()
    fit = st.fit(X, Y, model="mlp:3", optimizer="adam", lr=0.01, epochs=3)
    found = fit.sharpness()
    assert np.isnan(found.limit)
    assert "For adam no largest curvature is known" in str(found)
    with pytest.raises(SpecError, match="was not asked for"):
        found.plot()
    with pytest.raises(SpecError, match="must be at least 1"):
        fit.sharpness(count=0)
    fit.save(tmp_path / "run")
    with pytest.raises(FitError, match="no data"):
        st.load(tmp_path / "run").sharpness()
    named = st.fit(X, Y, model="mlp:3", epochs=3, record=[fit.names[0]])
    with pytest.raises(SpecError, match="does not hold every parameter"):
        named.sharpness(along=True)


def test_a_rate_far_too_low_is_drawn_on_a_log_axis():
    shown = st.fit(X, Y, optimizer="sgd", lr=1e-4, epochs=5).sharpness(along=True).plot()
    assert shown.layout.yaxis.type == "log"
    assert shown.layout.yaxis.range[1] > np.log10(2e4)


def test_it_is_shown_and_written_down():
    found = st.fit(X, Y, model="mlp:4", optimizer="sgd", lr=0.05, epochs=30).sharpness(along=True)
    shown = found.plot(theme="dark")
    assert [trace.name for trace in shown.data] == ["sharpness", "sgd holds below"]
    np.testing.assert_array_equal(shown.data[0].y, found.along.sharpness)
    np.testing.assert_allclose(shown.data[1].y, 40.0)
    assert "<table>" in found._repr_html_()
    assert found.to_dict()["verdict"] == found.verdict
    assert len(found.to_dict()["along"]["step"]) == 31
