"""Newton's method on tall tables, against scipy, scikit-learn and closed forms."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from scipy import optimize, special

import steepest as st
from steepest.descent.tall_newton import TallNewton
from steepest.model import tall_objective
from steepest.model.numpy_losses import numpy_formula
from steepest.model.penalties import Penalty
from steepest.model.tall_classes import curvature_of_classes
from steepest.model.tall_curvature import IllConditioned
from steepest.model.tall_objective import TallObjective
from steepest.model.tall_rows import TallRows
from steepest.model.torch_losses import loss

ROWS, COLUMNS = 60_000, 9


def table(far: float = 0.0, columns: int = COLUMNS) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(3)
    x = random.standard_normal((ROWS, columns)) * np.logspace(-2, 2, columns) + far
    return x, (x - far) @ (np.linspace(-1, 1, columns) / np.logspace(-2, 2, columns)) + random.standard_normal(ROWS)


def classes() -> tuple[np.ndarray, np.ndarray]:
    x, signal = table()
    return x, (np.random.default_rng(4).random(ROWS) < 1 / (1 + np.exp(-signal))).astype(np.float64)


def with_ones(x: np.ndarray) -> np.ndarray:
    return np.column_stack([np.ones(len(x)), x])


def of(x, y, name="mse", weights=None, l2=0.0, intercept=True) -> TallObjective:
    return TallObjective(x, y, loss(name), Penalty(l2=l2), intercept, weights, tuple(map(str, range(x.shape[1] + 1))))


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("far", [0.0, 500.0])
def test_least_squares_are_those_of_lapack(order, far):
    x, y = table(far)
    x = np.array(x, order=order)
    before = x.copy()
    fit = st.fit(x, y)
    # centred columns: LAPACK on the raw ones would lose the digits that are to be compared
    slopes = np.linalg.lstsq(x - x.mean(0), y - y.mean(), rcond=None)[0]
    np.testing.assert_allclose(fit.theta[1:], slopes, rtol=1e-9)
    residual = y - y.mean() - (x - x.mean(0)) @ slopes
    assert fit.loss == pytest.approx(np.mean(residual**2), rel=1e-12)
    assert (fit.gap_kind, fit.gap, fit.status.name) == ("bound", 0.0, "CONVERGED")
    assert fit.steps <= 3
    assert fit.scores.exact_objective == pytest.approx(fit.objective_value, rel=1e-13)
    assert fit.gap_kind == "exact"
    assert np.array_equal(x, before)


@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy])
@pytest.mark.parametrize(("far", "unit"), [(0.0, 1.0), (500.0, 1.0), (0.0, 1e-25), (0.0, 1e25)])
def test_float32_is_fitted_where_it_lies_to_the_digits_of_float64(kind, far, unit):
    x, y = table(far)
    x = (x * unit).astype(np.float32)
    fit = st.fit(kind(x), y)
    double = x.astype(np.float64)
    slopes = np.linalg.lstsq((double - double.mean(0)) / unit, y - y.mean(), rcond=None)[0] / unit
    np.testing.assert_allclose(fit.theta[1:], slopes, rtol=1e-9)
    residual = y - y.mean() - (double - double.mean(0)) @ slopes
    assert fit.loss == pytest.approx(np.mean(residual**2), rel=1e-12)
    assert fit.trace.loss[0] == pytest.approx(np.mean(y**2), rel=1e-12)
    assert np.shares_memory(fit.train.x, x)
    assert fit.gap <= 1e-13 * fit.loss
    assert fit.scores.exact_objective == pytest.approx(fit.objective_value, rel=1e-12)


@pytest.mark.parametrize("far", [0.0, 3.0, 500.0])
def test_float32_takes_one_pass_in_float64_and_predicts_to_its_digits(far, monkeypatch):
    """The last step's change is added in float32; what is told of it is right beyond that."""
    x, y = table()
    x = (x / np.logspace(-2, 2, COLUMNS) + far).astype(np.float32)
    passes, measured = [], TallObjective._measured
    monkeypatch.setattr(TallObjective, "_measured", lambda self, theta: (passes.append(1), measured(self, theta))[1])
    fit = st.fit(x, y)
    assert len(passes) == 1
    centred = x.astype(np.float64) - x.mean(0, dtype=np.float64)
    slopes = np.linalg.lstsq(centred, y - y.mean(), rcond=None)[0]
    residual = y - y.mean() - centred @ slopes
    np.testing.assert_allclose(fit.theta[1:], slopes, rtol=1e-10)
    np.testing.assert_allclose(y - fit.measured.prediction, residual, rtol=0, atol=1e-11)
    assert fit.metrics["train"]["mae"] == pytest.approx(np.abs(residual).mean(), rel=1e-12)
    assert fit.loss == pytest.approx(np.mean(residual**2), rel=1e-13)
    assert (fit.gap_kind, fit.gap) == ("bound", 0.0)
    assert fit.exact.objective == pytest.approx(fit.loss, rel=1e-13)


def test_weights_a_penalty_and_several_targets_of_float32_solve_the_normal_equations():
    x, y = table()
    x = (x / np.logspace(-2, 2, COLUMNS) + 2.0).astype(np.float32)
    both, weights = np.column_stack([y, 2.0 - x[:, 0] * y]), np.random.default_rng(5).random(ROWS) + 0.1
    fit = st.fit(x, both, weights=weights, penalty="l2:0.3")
    design, share = with_ones(x.astype(np.float64)), weights / weights.mean()
    ridge = np.diag([0.0] + [0.3 * 2] * COLUMNS)  # of the mean over both targets
    theta = np.linalg.solve((design.T * share) @ design / ROWS + ridge, (design.T * share) @ both / ROWS)
    np.testing.assert_allclose(fit.theta.reshape(2, -1), theta.T, rtol=1e-9, atol=1e-12)
    assert fit.gap == 0.0


def test_the_loss_of_columns_however_far_from_zero_is_that_of_the_predictions():
    x, y = table()
    for far, digits in ((1e4, 1e-11), (1e9, 1e-7)):  # of the second float64 predicts no better
        moved = x / x.std(0) + far
        fit = st.fit(moved, y)
        assert fit.loss == pytest.approx(np.mean((y - fit.predict(moved)) ** 2), rel=digits)


def test_ridge_weights_and_no_intercept_solve_the_normal_equations():
    x, y = table()
    weights = np.random.default_rng(5).random(ROWS) + 0.1
    fit = st.fit(x, y, weights=weights, penalty="l2:0.3", intercept=False)
    share = weights / weights.mean()
    theta = np.linalg.solve((x.T * share) @ x / ROWS + 0.3 * np.eye(COLUMNS), x.T @ (share * y) / ROWS)
    np.testing.assert_allclose(fit.theta, theta, rtol=1e-11)
    assert fit.metrics["train"]["rmse"] == pytest.approx(
        np.sqrt(np.average((y - x @ theta) ** 2, weights=weights)), rel=1e-12
    )


def test_several_targets_are_fitted_together():
    x, y = table()
    both = np.column_stack([y, 2.0 - x[:, 0]])
    fit = st.fit(x, both)
    theta = np.linalg.lstsq(with_ones(x), both, rcond=None)[0].T.ravel()
    np.testing.assert_allclose(fit.theta, theta, rtol=1e-8, atol=1e-12)
    assert fit.gap == 0.0


@pytest.mark.parametrize("penalty", ["none", "l2:0.01"])
def test_logistic_regression_has_the_gradient_zero(penalty):
    x, y = classes()
    fit = st.fit(x, y, loss="logistic", penalty=penalty)
    design = with_ones(x)
    shares = 1 / (1 + np.exp(-design @ fit.theta))
    slope = design.T @ (shares - y) / ROWS
    slope[1:] += 2 * (0.01 if penalty != "none" else 0.0) * fit.theta[1:]
    assert np.abs(slope / np.append(1.0, x.std(0))).max() < 1e-9
    assert fit.relative_gap <= 1e-12
    assert fit.gap_kind == "bound"
    assert fit.exact.objective == pytest.approx(fit.objective_value, rel=1e-13)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_logistic_loss_and_its_slope_are_those_of_scipy_at_both_ends(dtype):
    f = np.array([-800.0, -40.0, -1.0, -1e-9, 0.0, 1e-9, 1.0, 40.0, 800.0, np.inf], dtype)
    eps = float(np.finfo(dtype).eps)
    for target in (0.0, 1.0):
        value, slope = numpy_formula(loss("logistic")).value_and_slope(f, np.full(len(f), target, dtype))
        assert (value.dtype, slope.dtype) == (dtype, dtype)
        sign, f64 = 2.0 * target - 1.0, f.astype(np.float64)
        np.testing.assert_allclose(
            value, -special.log_expit(sign * f64), rtol=4 * eps, atol=eps * (dtype != np.float64)
        )
        np.testing.assert_allclose(slope, -sign * special.expit(-sign * f64), rtol=8 * eps, atol=1e-44)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("kind", [np.float64, np.float32])
@pytest.mark.parametrize("far", [0.0, 500.0])
def test_three_passes_in_float64_do_and_predictions_have_its_digits(order, kind, far, monkeypatch):
    """At the start, where passes in float32 have come to, and after a step; the last change is added in float32."""
    x, y = classes()
    x = np.array(x / x.std(0) + far, kind, order=order)
    passes, measured = [], TallObjective._measured

    def counted(self, theta):
        passes.append(self.kind is np.float64 and self.rows == ROWS)
        return measured(self, theta)

    monkeypatch.setattr(TallObjective, "_measured", counted)
    fit = st.fit(x, y, loss="logistic")
    assert sum(passes) <= 3
    centred = x.astype(np.float64) - x.mean(0, dtype=np.float64)
    design = with_ones(centred)
    theta = np.append(fit.theta[0] + x.mean(0, dtype=np.float64) @ fit.theta[1:], fit.theta[1:])
    np.testing.assert_allclose(fit.measured.prediction, design @ theta, rtol=0, atol=1e-10 if far else 1e-11)
    assert np.abs(design.T @ (special.expit(design @ theta) - y)).max() / ROWS < 1e-10
    assert fit.loss == pytest.approx(-special.log_expit(np.where(y > 0.5, 1, -1) * (design @ theta)).mean(), rel=1e-13)
    assert (fit.gap_kind, fit.gap) == ("bound", 0.0)
    assert fit.exact.objective == pytest.approx(fit.loss, rel=1e-13)


def test_a_table_that_is_not_small_is_copied_for_passes_in_float32_and_only_while_they_go_on(monkeypatch):
    x, y = classes()
    copied = []
    monkeypatch.setattr(TallRows, "in_single", lambda self, own=TallRows.in_single: (copied.append(1), own(self))[1])
    fit = st.fit(x, y, loss="logistic")
    assert (len(copied), fit.measured.rows.copied) == (1, None)
    monkeypatch.setattr(tall_objective, "COPIED", x.size - 1)
    without = st.fit(x, y, loss="logistic")
    assert len(copied) == 1
    np.testing.assert_allclose(without.theta, fit.theta, rtol=1e-9)
    st.fit(x.astype(np.float32), y, loss="logistic")
    assert len(copied) == 1


@pytest.mark.parametrize("name", ["mse", "logistic"])
def test_float32_that_is_asked_for_has_the_same_answer(name, tmp_path):
    x, y = table() if name == "mse" else classes()
    assert np.array_equal(st.fit(x, y, loss=name, dtype="float32").theta, st.fit(x, y, loss=name).theta)
    path = str(tmp_path / "rows.parquet")
    pq.write_table(pa.table({**{f"x{i}": column for i, column in enumerate(x[:5_000].T)}, "y": y[:5_000]}), path)
    given = {"target": "y", "loss": name, "stream": True}
    assert np.array_equal(st.fit(path, **given, dtype="float32").theta, st.fit(path, **given).theta)


@pytest.mark.parametrize("far", [0.0, 500.0])
@pytest.mark.parametrize("name", ["huber:1", "huber:0.05", "expectile:0.8", "squared_hinge", "modified_huber"])
def test_losses_of_parabolas_and_lines_have_the_gradient_zero_and_a_proven_gap(name, far):
    x, y = classes() if loss(name).classes else table()
    x, weights = x + far, np.random.default_rng(5).random(ROWS) + 0.1
    fit = st.fit(x, y, loss=name, weights=weights, penalty="l2:0.001")
    centred = with_ones((x - x.mean(0)) / x.std(0))
    f, sign = fit.measured.prediction, np.where(y > 0.5, 1.0, -1.0)
    slope = {
        "huber:1": np.clip(f - y, -1.0, 1.0),
        "huber:0.05": np.clip(f - y, -0.05, 0.05),
        "expectile:0.8": 2.0 * np.where(f < y, 0.8, 0.2) * (f - y),
        "squared_hinge": -2.0 * sign * np.maximum(1.0 - sign * f, 0.0),
        "modified_huber": -2.0 * sign * np.clip(1.0 - sign * f, 0.0, 2.0),
    }[name]
    slope = centred.T @ (slope * weights / weights.mean()) / ROWS
    slope[1:] += 2 * 0.001 * fit.theta[1:] / x.std(0)
    assert np.abs(slope).max() < 1e-9
    assert (fit.gap_kind, fit.relative_gap <= 1e-12) == ("bound", True)
    assert fit.exact.objective == pytest.approx(fit.objective_value, rel=1e-11)


@pytest.mark.parametrize("name", ["poisson", "logistic", "mse", "logcosh"])
def test_an_offset_is_added_to_each_prediction(name):
    x, signal = table()
    random, offset = np.random.default_rng(7), np.linspace(-1, 1, ROWS)
    f = signal / 3 + offset
    y = {"poisson": random.poisson(np.exp(f)), "logistic": random.random(ROWS) < special.expit(f)}.get(name, f)
    y = y.astype(np.float64) + (random.standard_normal(ROWS) if name in ("mse", "logcosh") else 0.0)
    fit = st.fit(x, y, loss=name, offset=offset)
    there, design = with_ones(x) @ fit.theta + offset, with_ones(x) / np.append(1.0, x.std(0))
    slope = {
        "poisson": np.exp(there) - y,
        "logistic": special.expit(there) - y,
        "mse": there - y,
        "logcosh": np.tanh(there - y),
    }[name]
    assert np.abs(design.T @ slope).max() / ROWS < 1e-9
    assert (fit.gap_kind, fit.relative_gap <= 1e-12) == ("bound", True)
    assert fit.exact.objective == pytest.approx(fit.objective_value, rel=1e-12)
    if name != "logistic":
        left = y - (np.exp(there) if name == "poisson" else there)
        assert fit.metrics["train"]["rmse"] == pytest.approx(np.sqrt(np.mean(left**2)), rel=1e-10)


@pytest.mark.parametrize(("name", "data"), [("mse", table), ("logistic", classes), ("logcosh", table)])
def test_value_and_gradient_are_those_of_the_formula(name, data):
    x, y = data()
    objective = of(x[:500], y[:500], name, l2=0.1)
    theta = np.linspace(-0.3, 0.4, COLUMNS + 1) / np.append(1.0, x.std(0))
    design, kind = with_ones(x[:500]), loss(name)

    def value(at):
        return float(kind.mean(torch.from_numpy(design @ at), torch.from_numpy(y[:500]))) + 0.1 * float(at[1:] @ at[1:])

    found, grad = objective.value_and_grad(theta)
    assert float(found + objective.penalty(theta)) == pytest.approx(value(theta), rel=1e-12)
    np.testing.assert_allclose(grad, optimize.approx_fprime(theta, value, 1e-7), rtol=2e-4, atol=1e-5)


@pytest.mark.parametrize(
    "name", ["logistic", "logcosh", "huber:0.5", "expectile:0.8", "squared_hinge", "modified_huber"]
)
@pytest.mark.parametrize("some", [False, True])
def test_the_bound_is_above_the_gap_at_every_step(name, some):
    x, y = classes() if loss(name).classes else table()
    objective = of(x, y, name)
    best = st.fit(x, y, loss=name).objective_value
    theta, proven = st.fit(x[:600], y[:600], loss=name).theta, 0
    objective.curve(objective.at(theta).prediction, np.arange(0, ROWS, 3) if some else None)
    for _ in range(8):
        theta += objective.model.newton(objective.value_and_grad(theta)[1])[0]
        bound = objective.gap_bound(theta)
        if bound is not None:
            proven += 1
            assert bound >= (objective.at(theta).loss - best) - 4e-16
    assert proven >= 2


def test_the_bound_of_squares_is_the_gap():
    x, y = table()
    objective = of(x, y)
    theta = np.linspace(0, 1e-3, COLUMNS + 1)
    best = np.mean((y - with_ones(x) @ np.linalg.lstsq(with_ones(x), y, rcond=None)[0]) ** 2)
    assert objective.gap_bound(theta) == pytest.approx(objective.at(theta).loss - best, rel=1e-10)


def test_columns_that_depend_on_one_another_take_other_coordinates():
    x, y = table()
    double = np.column_stack([x, x[:, 0]])
    with pytest.raises(IllConditioned):
        of(double, y)
    fit = st.fit(double, y)
    best = np.mean((y - with_ones(x) @ np.linalg.lstsq(with_ones(x), y, rcond=None)[0]) ** 2)
    assert fit.loss == pytest.approx(best, rel=1e-12)
    assert (fit.measured, fit.gap_kind) == (None, "exact")
    double_classes = st.fit(double, classes()[1], loss="logistic")
    assert double_classes.loss == pytest.approx(st.fit(*classes(), loss="logistic").loss, rel=1e-9)


def test_a_limit_of_steps_ends_it_before_the_minimum_and_the_gap_is_exact():
    x, y = classes()
    x = np.column_stack([x, np.random.default_rng(5).standard_normal((ROWS, 11))])[: ROWS // 2]  # some rows are as many
    y = y[: ROWS // 2]
    fit = st.fit(x, y, loss="logistic", max_steps=1)
    assert (fit.steps, fit.gap_kind) == (1, "exact")
    assert fit.gap == pytest.approx(fit.objective_value - st.fit(x, y, loss="logistic").objective_value, rel=1e-6)


def test_held_out_rows_are_scored_in_user_units_on_the_way():
    x, y = table(1e3)
    fit = st.fit(x, y, test_fraction=0.2)
    assert fit.trace.test_loss[-1] == pytest.approx(fit.test_loss, rel=1e-9)
    assert np.isfinite(fit.trace.theta).all()
    np.testing.assert_allclose(fit.trace.theta[-1], fit.theta)


def test_a_start_of_ones_own_is_where_it_begins():
    x, y = table(1e3)
    start = list(np.linspace(-1, 1, COLUMNS + 1))
    fit = st.fit(x, y, init=start)
    np.testing.assert_allclose(fit.trace.theta[0], start, rtol=1e-9)
    residual = y - with_ones(x) @ np.array(start)
    assert fit.trace.loss[0] == pytest.approx(np.mean(residual**2), rel=1e-12)


def test_the_first_step_goes_to_the_minimum_on_some_rows_and_no_step_goes_up():
    x, y = classes()
    fit = st.fit(x, y, loss="logistic")
    left = fit.trace.objective - fit.trace.objective[-1]
    assert left[1] < 0.02 * left[0]
    assert (np.diff(fit.trace.objective) <= 4e-16).all()


def test_a_gradient_given_away_for_a_worse_model_still_falls():
    """A Hessian far too small makes steps that are halved until the objective falls."""
    x, y = classes()
    objective = of(x, y, "logistic")
    rule = TallNewton(objective)
    theta = objective.theta.copy()
    memory = rule.start(theta)
    objective.curve(objective.at(theta).prediction)
    small = objective.model
    small.hessian, small.sizes = small.hessian * 1e-3, small.sizes * 1e-3**0.5
    values = [float(objective.value(theta))]
    for _ in range(12):
        rule.update(theta, objective.value_and_grad(theta)[1], memory, 1.0, None)
        values.append(float(objective.value(theta)))
    assert (np.diff(values) <= 4e-16).all()
    assert values[-1] == pytest.approx(st.fit(x, y, loss="logistic").loss, rel=1e-9)


def test_large_arrays_are_not_copied_and_small_ones_are():
    x, y = table()
    fit = st.fit(x, y)
    assert np.shares_memory(fit.train.x, x)
    small = st.fit(x[:100], y[:100])
    assert not np.shares_memory(small.train.x, x)
    module = st.fit(x, y, model=torch.nn.Linear(COLUMNS, 1), epochs=1)
    assert not np.shares_memory(module.train.x, x)


def test_what_was_measured_is_no_other_fits():
    x, y = table()
    fit = st.fit(x, y)
    assert fit.measured is not None
    assert replace(fit, theta=0 * fit.theta).measured is None


@pytest.mark.parametrize("penalty", ["none", "l2:0.01"])
@pytest.mark.parametrize("far", [0.0, 5.0])
def test_softmax_regression_has_the_gradient_zero_and_a_proven_gap(penalty, far):
    random = np.random.default_rng(6)
    x = random.standard_normal((ROWS, COLUMNS)) + far
    scores = (x - far) @ random.standard_normal((COLUMNS, 3))
    y = (scores + random.gumbel(size=scores.shape)).argmax(1)
    weights = random.random(ROWS) + 0.5
    fit = st.fit(x, y, loss="cross_entropy", penalty=penalty, weights=weights)
    theta, design = fit.theta.reshape(3, -1), with_ones(x)
    share = np.exp(design @ theta.T)
    share /= share.sum(1, keepdims=True)
    slope = (design.T @ ((share - np.eye(3)[y]) * (weights / weights.mean())[:, None]) / ROWS).T
    slope[:, 1:] += 2 * (0.01 if penalty != "none" else 0.0) * theta[:, 1:]
    assert np.abs(slope).max() < 1e-9
    np.testing.assert_allclose(theta.sum(0), 0.0, atol=1e-9)
    loss_there = -np.average(np.log(share[np.arange(ROWS), y]), weights=weights)
    assert fit.loss == pytest.approx(loss_there, rel=1e-12)
    assert (fit.gap_kind, fit.relative_gap <= 1e-12) == ("bound", True)
    assert fit.exact.objective == pytest.approx(fit.objective_value, rel=1e-12)


def test_softmax_regression_takes_columns_of_any_unit():
    random = np.random.default_rng(6)
    x = random.standard_normal((ROWS, COLUMNS))
    y = (x @ random.standard_normal((COLUMNS, 3)) + random.gumbel(size=(ROWS, 3))).argmax(1)
    plain = st.fit(x, y, loss="cross_entropy")
    for unit in (1e-25, 1e25):
        fit = st.fit(x * unit, y, loss="cross_entropy")
        assert fit.loss == pytest.approx(plain.loss, rel=1e-14)
        np.testing.assert_allclose(fit.theta.reshape(3, -1)[:, 1:] * unit, plain.theta.reshape(3, -1)[:, 1:], atol=1e-6)
        assert fit.gap_kind == "bound"


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("alike", [False, True])
def test_the_hessian_of_several_classes_is_its_formula_also_where_all_rows_have_the_same_probabilities(weighted, alike):
    random = np.random.default_rng(6)
    x, share = random.standard_normal((400, 4)), random.random((1 if alike else 400, 3))
    share = np.repeat(share / share.sum(1, keepdims=True), 400 if alike else 1, axis=0)
    weights, design = (random.random(400) if weighted else None), with_ones(x)
    each, penalty = np.ones(400) if weights is None else weights, np.array([0.0, 0.2, 0.2, 0.2, 0.2])
    found = curvature_of_classes(TallRows(x, shifted=False), 1, share, weights, each.sum(), penalty).hessian
    spread = share[:, :, None] * np.eye(3) - share[:, :, None] * share[:, None, :]
    formula = np.einsum("n,nab,ni,nj->aibj", each / each.sum(), spread, design, design).reshape(15, 15)
    formula += np.kron(np.eye(3), np.diag(penalty))
    apart = np.kron(np.eye(3) - 1 / 3, np.eye(5))  # what all classes have in common changes no probability
    np.testing.assert_allclose(apart @ found @ apart, apart @ formula @ apart, atol=1e-6)


def test_the_bound_for_several_classes_is_above_the_gap():
    random = np.random.default_rng(6)
    x = random.standard_normal((ROWS, 4))
    y = (x @ random.standard_normal((4, 3)) + random.gumbel(size=(ROWS, 3))).argmax(1)
    objective = TallObjective(x, y, loss("cross_entropy"), Penalty(), True, None, (), outputs=3)
    best = st.fit(x, y, loss="cross_entropy").objective_value
    theta, proven = objective.theta.copy(), 0
    for _ in range(7):
        objective.curve(objective.at(theta).prediction)
        theta += objective.model.newton(objective.value_and_grad(theta)[1])[0]
        if (bound := objective.gap_bound(theta)) is not None:
            proven += 1
            assert bound >= (objective.at(theta).loss - best) - 4e-16
    assert proven >= 2
