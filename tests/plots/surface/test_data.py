"""Surfaces: every value is the loss at its θ, and what a plane hides is said."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from sklearn.decomposition import PCA

import steepest as st
from steepest.data import synthetic
from steepest.data.thinning import along, evenly
from steepest.errors import SpecError
from steepest.model.linear_objective import LinearObjective
from steepest.model.module_objective import ModuleObjective
from steepest.plots.parameters import path3d_data
from steepest.plots.surface import draw, evaluate
from steepest.plots.surface.data import surface_data
from steepest.plots.surface.evaluate import LONGER, MOST_WORK, surface_objective, work_of

DATA = synthetic.quadratic_with_outlier()


def descent(**settings):
    return st.fit(DATA.x, DATA.y, **settings)


@pytest.fixture(scope="module")
def line():
    return descent(loss="l1", optimizer="sgd", lr=6, schedule="inverse", epochs=50)


@pytest.fixture(scope="module")
def quartic():
    return descent(model="poly:4", optimizer="adam", lr=0.05, epochs=120)


@pytest.fixture(scope="module")
def network():
    return descent(model="mlp:5", epochs=60, penalty="l2:0.01", precondition="none")


def test_a_surface_is_the_loss_at_every_point(line):
    data = surface_data(line, grid=7)
    for i, a in enumerate(data.x):
        for j, b in enumerate(data.y):
            by_hand = np.mean(np.abs(DATA.y - a - b * DATA.x[:, 0]))
            assert data.values[j, i] == pytest.approx(by_hand, rel=1e-13)


def test_axes_are_named_from_the_fit_and_in_its_order(line):
    shown = draw.surface(line, grid=5)
    assert (shown.layout.xaxis.title.text, shown.layout.yaxis.title.text) == ("intercept", "x")
    scene = shown.layout.scene
    assert [scene.xaxis.title.text, scene.yaxis.title.text, scene.zaxis.title.text] == ["intercept", "x", "l1"]
    names = {trace.name for trace in shown.data if trace.name}
    assert names == {"descent", "start", "end", "exact"}


def test_marks_and_path_stand_at_theta(line):
    data = surface_data(line, grid=5)
    marks = {mark.role: mark for mark in data.marks}
    assert marks["start"].place == pytest.approx([0.0, 0.0])
    assert marks["end"].place == pytest.approx(line.theta)
    assert marks["exact"].place == pytest.approx(line.exact.theta)
    assert marks["exact"].true == pytest.approx(line.exact.loss, rel=1e-12)
    assert np.array_equal(data.paths[0].place, line.trace.theta)
    assert data.paths[0].true == pytest.approx(line.trace.objective, rel=1e-12)
    assert data.paths[0].explained == 1.0


def test_the_bowl_of_another_loss_with_other_ends_on_it(line):
    other = descent()
    data = surface_data(line, loss="mse", also=[other], grid=5)
    a, b = data.x[1], data.y[3]
    assert data.values[3, 1] == pytest.approx(np.mean((DATA.y - a - b * DATA.x[:, 0]) ** 2))
    exact = {mark.label: mark.theta for mark in data.marks if mark.role == "exact"}
    assert exact["exact l1"] == pytest.approx(line.exact.theta)
    assert exact["exact mse"] == pytest.approx([-0.26649881, 2.64187294], abs=1e-8)


def test_a_window_is_kept(line):
    data = surface_data(line, window=((-1, 1), (-0.5, 5)), grid=11)
    assert (data.x[0], data.x[-1], data.y[0], data.y[-1]) == (-1, 1, -0.5, 5)
    around = surface_data(line, window=1, grid=3)
    assert [around.x[1], around.y[1]] == pytest.approx(line.exact.theta)
    assert around.x[2] - around.x[0] == pytest.approx(2.0)


def test_a_penalty_is_part_of_the_surface():
    fit = descent(penalty="elastic:0.3,0.2")
    data = surface_data(fit, grid=4)
    a, b = data.x[2], data.y[1]
    by_hand = np.mean((DATA.y - a - b * DATA.x[:, 0]) ** 2) + 0.3 * abs(b) + 0.2 * b * b
    assert data.values[1, 2] == pytest.approx(by_hand, rel=1e-13)


def test_a_grid_of_2500_points_is_three_products(line, monkeypatch):
    objective, asked = surface_objective(line), []
    value = LinearObjective.value
    monkeypatch.setattr(LinearObjective, "value", lambda self, theta: asked.append(len(theta)) or value(self, theta))
    theta = np.random.default_rng(0).normal(size=(2_500, 2))
    found = objective.values(theta)
    assert asked == [1_000, 1_000, 500]  # 100,000 numbers at a time, which stay in the cache
    by_hand = np.abs(DATA.y - theta[[0, 999, 2_499]] @ np.stack([np.ones(100), DATA.x[:, 0]])).mean(1)
    assert found[[0, 999, 2_499]] == pytest.approx(by_hand, rel=1e-12)


def test_a_network_is_run_for_all_points_at_once(network):
    theta = network.theta + 0.1 * np.random.default_rng(0).normal(size=(6, len(network.theta)))
    expected = [network.objective(point)[0] for point in theta]
    assert surface_objective(network).values(theta) == pytest.approx(expected, rel=1e-13)


class Images(torch.nn.Module):
    """A small network on images; `seen` counts the rows times points that it was run for."""

    def __init__(self, side):
        super().__init__()
        self.features = torch.nn.Conv2d(1, 8, 3)
        self.head = torch.nn.Linear(8, 3)
        self.side, self.seen = side, 0

    def forward(self, x):
        return self.head(self.features(x).relu().mean((2, 3)))


@pytest.fixture(scope="module")
def images():
    random = np.random.default_rng(0)
    x = random.normal(size=(300, 1, 20, 20))
    return st.fit(x, random.integers(0, 3, 300), model=Images(20), loss="cross_entropy", lr=0.05, epochs=8)


def test_the_work_of_a_layer_is_what_its_shapes_say(images):
    convolution, head = 2 * (9 + 1) * 8 * 18 * 18 * LONGER, 2 * (8 + 1) * 3
    assert work_of(images) == pytest.approx(convolution + head)


def test_a_surface_of_a_network_on_images_is_bounded(images, monkeypatch):
    seen = []
    value = ModuleObjective.value
    monkeypatch.setattr(ModuleObjective, "value", lambda self, theta: seen.append(self.rows) or value(self, theta))
    data = surface_data(images)
    assert 25 <= len(data.x) < 50
    assert sum(seen) * work_of(images) <= MOST_WORK * 1.02
    end = next(mark for mark in data.marks if mark.role == "end")
    rows = evenly(300, max(seen))
    predicted = images.decision(images.train.x[rows])
    by_hand = np.log(np.exp(predicted).sum(1)) - predicted[np.arange(len(rows)), images.train.y[rows]]
    assert end.true == pytest.approx(by_hand.mean(), rel=1e-9)
    if len(rows) < 300:
        assert f"The loss is computed from {len(rows)} of 300 rows." in data.notes
    assert len(surface_data(images, grid=10).x) == 10


def test_a_terminal_is_shown_how_far_a_long_surface_is(images, monkeypatch, capsys):
    monkeypatch.setattr(evaluate, "LONG", 0)
    surface_data(images, grid=3)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    surface_data(images, grid=3)
    assert "Surface" in capsys.readouterr().err


class Stubborn(torch.nn.Module):
    """A module that asks for a value in Python, so that it cannot be run for many θ at once."""

    def __init__(self):
        super().__init__()
        self.slope = torch.nn.Parameter(torch.ones(2, dtype=torch.float64))

    def forward(self, x):
        return x[:, 0] * self.slope[0] if self.slope[1].item() > 0 else x[:, 0] * self.slope.sum()


def test_a_module_that_refuses_is_run_point_by_point():
    fit = st.fit(DATA.x, DATA.y, model=Stubborn(), lr=0.1, epochs=3)
    data = surface_data(fit, grid=3)
    place = np.array([data.x[2], data.y[1]])
    assert data.values[1, 2] == pytest.approx(fit.objective(place)[0])


# ---- planes --------------------------------------------------------------------------------------


def test_the_path_plane_is_the_principal_plane(quartic):
    data = surface_data(quartic, plane="path", grid=4)
    pca = PCA(2).fit(quartic.trace.theta)
    assert data.paths[0].explained == pytest.approx(pca.explained_variance_ratio_.sum(), rel=1e-10)
    scores = pca.transform(quartic.trace.theta)
    signs = np.sign(np.sum(scores * data.paths[0].place, axis=0))
    assert data.paths[0].place == pytest.approx(scores * signs, abs=1e-9)


def test_a_plane_through_a_flat_path_hides_nothing():
    x = np.random.default_rng(0).normal(size=(50, 3))
    fit = st.fit(x, x[:, 0], optimizer="sgd", lr=0.05, epochs=2, intercept=False)
    data = surface_data(fit, plane="path", grid=3)
    assert data.paths[0].explained == pytest.approx(1.0, rel=1e-12)
    assert data.plane.theta(data.paths[0].place) == pytest.approx(fit.trace.theta, abs=1e-12)
    assert data.paths[0].shown == pytest.approx(data.paths[0].true, rel=1e-10)


def test_a_projected_path_shows_the_plane_s_loss_beside_the_true_one(quartic):
    data = surface_data(quartic, plane=("x", "x^2"), grid=4)
    path, row = data.paths[0], 40
    theta = quartic.theta.copy()
    theta[[1, 2]] = path.theta[row, [1, 2]]
    assert path.shown[row] == pytest.approx(quartic.objective(theta)[0], rel=1e-12)
    assert path.true[row] == pytest.approx(quartic.objective(path.theta[row])[0], rel=1e-12)
    assert path.explained < 1
    assert any("% of the variance" in note for note in data.notes)


def test_other_parameters_are_minimised_over(quartic):
    huber = descent(model="poly:4", loss="huber:0.5", penalty="l2:0.02", epochs=40)
    for fit in (quartic, huber):
        data = surface_data(fit, plane=("x", "x^2"), others="minimised", grid=4)
        for i, j in ((0, 3), (2, 1)):

            def rest(free, a=data.x[i], b=data.y[j], fit=fit):
                value, grad = fit.objective([free[0], a, b, free[1], free[2]])
                return value, grad[[0, 3, 4]]

            best = minimize(rest, np.zeros(3), jac=True, method="BFGS", options={"gtol": 1e-9})
            assert data.values[j, i] == pytest.approx(best.fun, rel=1e-8)


def test_kinks_cannot_be_minimised_over():
    with pytest.raises(SpecError, match="others='held'"):
        surface_data(descent(model="poly:2", loss="l1", epochs=3), plane=("x", "x^2"), others="minimised")


def test_the_hessian_plane_is_steepest():
    fit = descent(model="poly:3", epochs=30)
    data = surface_data(fit, plane="hessian", grid=4)
    design = np.vander(DATA.x[:, 0], 4, increasing=True)
    values, vectors = np.linalg.eigh(2 * design.T @ design / 100)
    assert abs(data.plane.u @ vectors[:, -1]) == pytest.approx(1.0)
    assert abs(data.plane.v @ vectors[:, -2]) == pytest.approx(1.0)
    assert data.plane.labels == (f"curvature {values[-1]:.3g}", f"curvature {values[-2]:.3g}")


def test_a_network_s_steepest_directions(network):
    u = surface_data(network, plane="hessian", grid=2).plane.u
    u = u / np.linalg.norm(u)
    step = 1e-4 * u
    rise = (network.objective(network.theta + step)[1] - network.objective(network.theta - step)[1]) / 2e-4
    assert rise == pytest.approx((u @ rise) * u, abs=1e-3 * abs(u @ rise))


def test_random_directions_have_each_filter_s_length(network):
    plane = surface_data(network, plane="random", grid=2).plane
    weights = slice(0, 5)  # the first layer's weights [5, 1]: a row is a filter
    assert network.names[0] == "0.weight[0,0]"
    for direction in (plane.u, plane.v):
        assert np.abs(direction[weights]) == pytest.approx(np.abs(network.theta[weights]), rel=1e-12)
        assert np.linalg.norm(direction[10:15]) == pytest.approx(np.linalg.norm(network.theta[10:15]))
        assert not direction[5:10].any()  # biases stay
    assert np.array_equal(plane.u, surface_data(network, plane="random", grid=2).plane.u)


def test_fits_share_one_plane(quartic):
    other = descent(model="poly:4", optimizer="momentum:0.9", lr=0.05, epochs=80)
    data = surface_data(quartic, also=[other], grid=3)
    stacked = np.concatenate([quartic.trace.theta, other.trace.theta])
    pca = PCA(2).fit(stacked)
    assert abs(data.plane.u @ pca.components_[0]) == pytest.approx(1.0)
    assert [path.label for path in data.paths] == ["adam, 120 steps", "momentum:0.9, 80 steps"]


def test_the_valley_before_and_after_preconditioning():
    fit = st.fit(1e3 + 5 * DATA.x, DATA.y, optimizer="sgd", precondition="standardize", epochs=30)
    round_one = surface_data(fit, coordinates="descent", grid=5)
    x = 1e3 + 5 * DATA.x[:, 0]
    a, b = round_one.x[1], round_one.y[3]
    by_hand = np.mean((DATA.y - a - b * (x - x.mean()) / x.std()) ** 2)
    assert round_one.values[3, 1] == pytest.approx(by_hand, rel=1e-9)
    assert round_one.plane.labels[1] == "x (standardised)"
    assert surface_data(fit, grid=3).plane.labels == ("intercept", "x")


# ---- odd ones ------------------------------------------------------------------------------------


def test_a_diverged_fit_is_shown_where_it_began():
    fit = descent(optimizer="sgd", lr=3.0, epochs=4000)
    assert fit.status is st.Status.DIVERGED
    data = surface_data(fit, grid=10)
    assert np.isfinite(data.values).all()
    assert any("lie outside the window" in note for note in data.notes)
    assert data.y[-1] - data.y[0] < 100
    draw.draw(data)


def test_one_step_of_one_hundred(line):
    fit = descent(optimizer="sgd", lr=0.1, epochs=1)
    assert len(surface_data(fit, grid=3).paths[0].step) == 2


def test_a_start_at_the_optimum_has_a_window(line):
    fit = descent(init=[-0.26649881, 2.64187294], epochs=1)
    data = surface_data(fit, grid=3)
    assert data.x[-1] - data.x[0] > 0.01


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"plane": "pca"}, "plane='pca' is not known"),
        ({"plane": ("x", "z")}, "names 'z', which is no parameter here: intercept, x"),
        ({"plane": ("x", "x")}, "two different parameters"),
        ({"window": "wide"}, "window='wide' is neither a number"),
        ({"window": ((1, 0), (0, 1))}, "must be below"),
        ({"window": -1}, "must be above 0"),
        ({"grid": 1}, "grid=1"),
        ({"coordinates": "polar"}, "Known: user, descent"),
        ({"others": "free"}, "Known: held, minimised"),
    ],
)
def test_what_does_not_fit_is_named(line, settings, said):
    with pytest.raises(SpecError, match=said.replace("(", r"\(")):
        surface_data(line, **settings)


def test_one_parameter_has_no_surface():
    with pytest.raises(SpecError, match="needs two parameters"):
        surface_data(st.fit(DATA.x, DATA.y, intercept=False))


def test_path3d_carries_the_trace(quartic):
    data = path3d_data(quartic, ["x", "x^2", "x^3"])
    assert data.names == ["x", "x^2", "x^3"]
    (path,) = data.paths
    rows = np.searchsorted(quartic.trace.step, path[:, 0])
    assert np.array_equal(path[:, 1:], quartic.trace.theta[rows][:, 1:4])
    shown = quartic.path3d()
    assert shown.data[0].marker.color[-1] == quartic.steps
    assert np.array_equal(shown.source_data.paths[0], path3d_data(quartic).paths[0])
    with pytest.raises(SpecError, match="three different parameters, and got 'x', 'x', 'x"):
        quartic.path3d(["x", "x", "x^2"])


def test_points_are_left_out_evenly():
    assert evenly(1_000_000, 5).tolist() == [0, 250_000, 500_000, 749_999, 999_999]
    path = np.concatenate([np.linspace(0, 90, 10), np.linspace(90, 91, 991)])[:, None]
    chosen = along(path, np.arange(1001), 21)
    assert chosen[0] == 0
    assert chosen[-1] == 1000
    assert (chosen < 10).sum() >= 8  # the fast moves
    assert (chosen > 500).sum() >= 4  # and the slow end
