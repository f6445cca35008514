"""What curvature says of a fit, against numbers worked out with NumPy and against descents that are then made."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
import torch

import steepest as st
from steepest.analysis.adam_stability import adam_limit, second_moment
from steepest.analysis.fit_settings import coordinates_of, start_of
from steepest.analysis.rate_table import RULES
from steepest.descent.loop import descend
from steepest.descent.torch_rules import rule
from steepest.errors import FitError, SpecError
from steepest.model.linear_objective import LinearObjective

RANDOM = np.random.default_rng(2)
X = RANDOM.standard_normal((150, 3)) * [1.0, 20.0, 0.5] + [0.0, 10.0, 0.3]
Y = X @ [1.0, 0.2, 3.0] + RANDOM.standard_normal(150)
TABLE = {"size": X[:, 0], "income": X[:, 1], "age": X[:, 2], "y": Y}
DESIGN = np.column_stack([np.ones(150), X])


def test_the_eigenvalues_and_conditions_are_numpy_s():
    found = st.fit(TABLE, target="y").curvature()
    values = np.linalg.eigvalsh(2 * DESIGN.T @ DESIGN / 150)
    assert found.largest == pytest.approx(values[-1])
    assert found.smallest == pytest.approx(values[0])
    assert found.condition == pytest.approx(values[-1] / values[0])
    scaled = np.column_stack([np.ones(150), (X - X.mean(0)) / X.std(0)])
    standard = np.linalg.eigvalsh(2 * scaled.T @ scaled / 150)
    assert found.conditions["standardize"] == pytest.approx(standard[-1] / standard[0])
    assert found.conditions["orthonormal"] == pytest.approx(1.0)
    assert (found.along, found.flat, found.local, found.where) == ("income", 0, False, "at the optimum")
    sgd = {pace.coordinates: pace for pace in found.paces if pace.rule == "sgd"}
    assert sgd["none"].largest == pytest.approx(2 / values[-1])
    assert sgd["standardize"].fastest == pytest.approx(2 / (standard[-1] + standard[0]))
    assert sgd["none"].contraction == pytest.approx((values[-1] - values[0]) / (values[-1] + values[0]))
    assert [pace.rule for pace in found.paces] == list(RULES) * 3
    # curvature steps have no rate
    assert found.own is None


@pytest.mark.parametrize("row", range(9))
def test_the_predicted_steps_are_the_steps_it_takes(row):
    pace = st.fit(TABLE, target="y").curvature().paces[row]
    steps = int(pace.steps)
    if steps > 20_000:
        # too many to walk: along the i-th eigenvector each step of sgd leaves 1 − lr·λᵢ of the error
        assert (pace.coordinates, pace.rule) == ("none", "sgd")
        theta, rss = np.linalg.lstsq(DESIGN, Y, rcond=None)[:2]
        values, vectors = np.linalg.eigh(2 * DESIGN.T @ DESIGN / 150)
        first = values * (vectors.T @ theta) ** 2 / 2
        left = [
            np.sum(first * (1 - pace.best * values) ** (2 * count)) / (rss[0] / 150) for count in (steps - 1, steps)
        ]
        assert left[1] <= 1e-6 * (1 + 1e-6)
        assert left[0] > 1e-6 * (1 - 1e-3)
        return
    fit = st.fit(TABLE, target="y")
    objective = LinearObjective(fit.problem, coordinates=coordinates_of(pace.coordinates, fit.problem))
    walk = islice(descend(objective, pace.rule, lr=pace.best), steps + 300)
    gaps = np.array([float(objective.value(step.theta)) for step in walk]) - fit.exact.objective
    close = 1e-6 * fit.exact.objective
    assert (gaps[steps:] <= close * (1 + 1e-6)).all()
    assert gaps[steps - 1] > close * (1 - 1e-6)


@pytest.mark.parametrize("settings", [{}, {"penalty": "l2:0.1"}, {"loss": "huber:1.0"}], ids=["mse", "ridge", "huber"])
def test_before_and_after_a_fit_the_same_steps_are_named(settings):
    ahead = st.diagnose(TABLE, target="y", **settings)
    paces = st.fit(TABLE, target="y", **settings).curvature().paces
    assert [(pace.coordinates, pace.rule) for pace in paces] == [(p.precondition, p.optimizer) for p in ahead.prospects]
    # huber's optimum is found to 1e-10 only by either
    assert [pace.best for pace in paces] == pytest.approx([one.lr for one in ahead.prospects], rel=1e-3)
    assert [pace.steps for pace in paces] == pytest.approx([one.steps for one in ahead.prospects], rel=1e-3)
    heads = [
        line
        for line in (str(ahead) + str(st.fit(TABLE, target="y", **settings).curvature())).splitlines()
        if "steps to" in line
    ]
    assert all("best lr" in line for line in heads[:2])


def test_a_fit_s_own_rate_beside_the_largest():
    values = np.linalg.eigvalsh(2 * DESIGN.T @ DESIGN / 150)
    fit = st.fit(TABLE, target="y", optimizer="momentum:0.9", lr=1e-4, epochs=5)
    own = fit.curvature().own
    assert (own.coordinates, own.rule, own.lr) == ("none", "momentum:0.9", 1e-4)
    assert own.largest == pytest.approx(3.8 / values[-1])
    assert own.ratio == pytest.approx(1e-4 * values[-1] / 3.8)
    longer = st.fit(TABLE, target="y", optimizer="momentum:0.9", lr=1e-4, epochs=int(own.steps), tol=0)
    assert longer.relative_gap == pytest.approx(1e-6, rel=0.01)
    too_high = st.fit(TABLE, target="y", optimizer="sgd", lr=3 / values[-1], epochs=5).curvature().own
    assert too_high.ratio == pytest.approx(1.5)
    assert too_high.steps == np.inf
    assert too_high.contraction == pytest.approx(2.0)
    # with minibatches, another schedule or clipping the number of steps is not that of this theory
    for settings in ({"batch_size": 10}, {"schedule": "inverse"}, {"clip": 1.0}):
        assert np.isnan(st.fit(TABLE, target="y", optimizer="sgd", lr=1e-4, epochs=5, **settings).curvature().own.steps)


def test_other_smooth_losses_are_local():
    classes = (Y + RANDOM.logistic(size=150) > Y.mean()).astype(str)
    fit = st.fit(X, classes, model="logistic", optimizer="sgd", lr=1e-3, epochs=50)
    found = fit.curvature()
    share = 1 / (1 + np.exp(-DESIGN @ fit.exact.theta))
    values = np.linalg.eigvalsh((DESIGN * (share * (1 - share))[:, None]).T @ DESIGN / 150)
    assert found.largest == pytest.approx(values[-1])
    assert found.local
    elsewhere = fit.curvature(theta=np.zeros(4))
    values = np.linalg.eigvalsh(0.25 * DESIGN.T @ DESIGN / 150)
    assert elsewhere.largest == pytest.approx(values[-1])
    assert elsewhere.where == "at the θ given"
    # steps are counted to the optimum all the same, where its curvature counts
    row = next(pace for pace in elsewhere.paces if pace.coordinates == "standardize" and pace.rule == "momentum:0.9")
    assert 0 < row.steps < np.inf
    assert "holds near there" in str(found)


def test_classes_have_flat_directions_that_condition_numbers_leave_out():
    classes = np.digitize(Y + 3 * RANDOM.standard_normal(150), np.quantile(Y, [0.4, 0.7])).astype(str)
    found = st.fit(X, classes, model="softmax").curvature()
    assert found.flat == 4
    assert 1 < found.condition < 1e6
    assert "4 of 12 directions are flat" in str(found)


def test_dependent_columns_are_flat():
    found = st.fit({**TABLE, "again": 2 * X[:, 0]}, target="y", lr=1e-4, epochs=3).curvature()
    assert found.flat == 1
    assert "the data leave them undetermined" in " ".join(str(found).split())


def test_an_l1_penalty_is_left_out():
    found = st.fit(TABLE, target="y", penalty="l1:0.1", lr=1e-4, epochs=5).curvature()
    values = np.linalg.eigvalsh(2 * DESIGN.T @ DESIGN / 150)
    assert found.largest == pytest.approx(values[-1])
    assert set(found.conditions) == {"none", "standardize"}
    assert all(np.isnan(pace.steps) for pace in found.paces)
    assert "proximal" in str(found)


def test_separable_classes_have_no_optimum_to_count_to():
    found = st.fit(X, (X[:, 0] > 0).astype(str), model="logistic", epochs=5).curvature()
    assert found.where == "where the descent ended"
    assert "No finite optimum is known" in str(found)


@pytest.mark.parametrize("precondition", ["none", "standardize"])
def test_adam_s_scale_is_torch_s(precondition):
    fit = st.fit(TABLE, target="y", optimizer="adam", lr=0.01, epochs=200, precondition=precondition)
    frame = coordinates_of(precondition, fit.problem)
    basis = torch.as_tensor(fit.problem.design if frame is None else frame.basis)
    theta = torch.zeros(4, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([theta], lr=0.01)
    for _ in range(200):
        optimizer.zero_grad()
        ((basis @ theta - torch.as_tensor(Y)) ** 2).mean().backward()
        optimizer.step()
    squares = optimizer.state[theta]["exp_avg_sq"].numpy() / (1 - 0.999**200)
    found = second_moment(fit, fit.problem, frame, rule("adam"))
    np.testing.assert_allclose(found, squares, rtol=1e-9)
    # with its scale held, Adam is a linear map that has an eigenvalue of −1 at the limit (Cohen et al. 2022)
    limit = adam_limit(fit, fit.problem, frame, rule("adam"))
    curved = 2 * (basis.T @ basis).numpy() / 150
    scale = np.diag(1 / (np.sqrt(squares) + 1e-8))
    for share, holds in ((0.999, True), (1.001, False)):
        by_mean = -share * limit * scale
        step = np.block([[np.eye(4) + 0.1 * by_mean @ curved, 0.9 * by_mean], [0.1 * curved, 0.9 * np.eye(4)]])
        assert (np.abs(np.linalg.eigvals(step)).max() < 1) is np.bool_(holds)
    own = fit.curvature().own
    assert own.largest == pytest.approx(limit)
    assert np.isnan(own.steps)


def test_a_thinned_trace_gives_nearly_the_same_scale():
    settings = {"target": "y", "optimizer": "adam", "lr": 0.01, "epochs": 400, "precondition": "standardize"}
    whole, some = st.fit(TABLE, **settings), st.fit(TABLE, record=100, **settings)
    assert len(some.trace) < 120
    frame = coordinates_of("standardize", whole.problem)
    full, thin = (second_moment(fit, fit.problem, frame, rule("adam")) for fit in (whole, some))
    np.testing.assert_allclose(thin, full, rtol=0.05)


@pytest.mark.parametrize("optimizer", ["adagrad", "rmsprop", "adamw", torch.optim.RAdam])
def test_for_other_rules_no_rate_is_known(optimizer):
    found = st.fit(TABLE, target="y", optimizer=optimizer, lr=0.01, epochs=5).curvature()
    assert np.isnan(found.own.largest)
    assert "No largest rate is known for" in str(found)


@pytest.mark.parametrize("loss", ["l1", "quantile:0.3"])
def test_a_kink_has_no_curvature_and_the_message_says_what_works(loss):
    with pytest.raises(SpecError, match="has a kink and so no curvature: no constant rate"):
        st.fit(TABLE, target="y", loss=loss, epochs=3).curvature()


def test_what_has_no_closed_form_points_to_sharpness(tmp_path):
    fit = st.fit(TABLE, target="y", model="mlp:2", epochs=2)
    with pytest.raises(SpecError, match=r"fit\.sharpness\(\) measures it"):
        fit.curvature()
    with pytest.raises(SpecError, match=r"fit\.sharpness\(\) measures it"):
        st.fit(TABLE, target="y", loss=lambda p, t: (p - t) ** 4, lr=1e-9, epochs=2).curvature()
    plain = st.fit(TABLE, target="y")
    with pytest.raises(SpecError, match="theta has 2 numbers; the fit has 4"):
        plain.curvature([1.0, 2.0])
    plain.save(tmp_path / "run")
    with pytest.raises(FitError, match="not its data"):
        st.load(tmp_path / "run").curvature()


def test_the_start_is_known_though_the_trace_holds_few_parameters():
    fit = st.fit(TABLE, target="y", lr=1e-4, epochs=3, init=[1.0, 2.0, 3.0, 4.0], record=["age"])
    np.testing.assert_array_equal(start_of(fit), [1.0, 2.0, 3.0, 4.0])
    fit = st.fit(TABLE, target="y", lr=1e-4, epochs=3, init=[1.0, 2.0, 3.0, 4.0], precondition="standardize")
    np.testing.assert_allclose(start_of(fit), [1.0, 2.0, 3.0, 4.0])


def test_it_is_shown_as_a_table_without_markup_from_names():
    name = "<b>[red]income"
    table = {name: X[:, 1], "y": Y}
    found = st.fit(table, target="y", lr=1e-5, optimizer="sgd", epochs=10).curvature()
    assert f"steepest along '{name}'" in str(found)
    assert "standardize" in str(found)
    html = found._repr_html_()
    assert "<b>[red]" not in html
    assert html.count("<tr>") == 10
    assert found.to_dict()["paces"][0]["rule"] == "sgd"
