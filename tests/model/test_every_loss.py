"""Every loss of the registry can do all that a loss can, or its entry says why not."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
import scipy.optimize
import torch

import steepest as st
from steepest.engines import kernel_args, kernel_rows, kernels
from steepest.errors import SpecError
from steepest.formulas.losses import LOSSES, LossChoice
from steepest.model.torch_losses import loss
from steepest.settings import Spec

NUMBERS = {"huber": "huber:0.7", "quantile": "quantile:0.3", "expectile": "expectile:0.8", "tweedie": "tweedie:1.7"}
NUMBERS |= {"epsilon_insensitive": "epsilon_insensitive:0.4", "tukey": "tukey:3"}
EVERY = [NUMBERS.get(name, name) for name, choice in LOSSES.items() if isinstance(choice, LossChoice)]


def _table(name: str) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    x = random.normal(size=(80, 2))
    y = x @ [1.0, -2.0] + random.standard_t(3, size=80)
    if loss(name).coupled:
        return x, np.digitize(y, [-1.0, 1.0])
    if loss(name).family is not None:
        if loss(name).family.trials:
            return x, random.integers(0, 10, 80) / 9.0
        return x, random.poisson(np.exp(0.5 * (x @ [1.0, -2.0]))) + 1.0 * loss(name).family.open_low
    return x, (y > 0).astype(int) if loss(name).classes else y


@pytest.fixture(params=EVERY, scope="module")
def case(request):
    x, y = _table(request.param)
    return request.param, x, y, st.fit(x, y, loss=request.param)


def test_it_is_fitted_to_its_exact_answer(case):
    name, _, _, fit = case
    if not loss(name).convex:
        assert fit.exact is None
        assert fit.gap is None
        assert "it is not convex, and may have several minima" in fit.message
        return
    assert fit.exact.certificate < 1e-9
    assert fit.relative_gap < (1e-5 if loss(name).kinked else 1e-10)


def test_its_compiled_steps_are_those_of_the_loop(case):
    name, x, y, _ = case
    problem = st.objective("linear", name, x, y, weights=np.arange(1.0, 81.0))
    rows = kernel_args.rows_as_they_lie(problem)
    room = kernel_args.room_for(rows, problem.basis.shape[1], len(x), 16)
    kernel_rows.gather(rows, problem.basis.shape[1], np.arange(len(x)), 0, len(x), 16, room)
    theta = np.random.default_rng(1).normal(size=(problem.outputs, problem.basis.shape[1]))
    grad = np.empty_like(theta)
    total = kernels.gradient(theta, room, 0, len(x), kernel_args.loss_code(problem.loss), grad)
    value, expected = problem.value_and_grad(torch.from_numpy(theta.ravel()))
    assert total / len(x) == pytest.approx(float(value), rel=1e-13)
    np.testing.assert_allclose(grad.ravel() / len(x), expected.numpy(), rtol=1e-11, atol=1e-13)


def test_it_is_swept_and_diagnosed_and_takes_minibatches(case):
    name, x, y, fit = case
    assert len(st.sweep(x, y, loss=name, optimizer="sgd", lr=[0.01, 0.1], epochs=3).table()) == 2
    fit.diagnose()
    assert np.isfinite(st.fit(x, y, loss=name, optimizer="sgd", lr="auto", batch_size=16, epochs=3).loss)


def test_it_is_written_out(case):
    _, x, y, fit = case
    by_sgd = st.fit(x, y, loss=case[0], optimizer="sgd", lr=0.05, epochs=3)
    for style in ("loop", "torch.optim", "module"):
        assert "def loss(" in by_sgd.to_python(style=style)
    entry = loss(case[0]).choice
    if entry.no_estimator:
        with pytest.raises(SpecError, match=r"scikit-learn"):
            fit.to_python(style="scikit-learn")
    else:
        assert "sklearn.linear_model" in fit.to_python(style="scikit-learn")


def test_it_is_saved_and_loaded(case, tmp_path):
    name, x, _, fit = case
    fit.save(tmp_path / "run")
    again = st.load(tmp_path / "run")
    assert again.loss_function == fit.loss_function == loss(name)
    np.testing.assert_array_equal(again.predict(x), fit.predict(x))
    assert Spec(loss=name).loss == name


def test_it_is_told_of_in_the_docstring_of_fit(case):
    assert case[0].partition(":")[0] in st.fit.__doc__


@pytest.mark.parametrize("residual", [0.0, 1e-3, -0.5, 3.0, -40.0, 800.0])
def test_log_cosh_is_that_of_many_digits(residual):
    kind, f, y = loss("logcosh"), torch.tensor([residual], dtype=torch.float64), torch.zeros(1, dtype=torch.float64)
    with mpmath.workdps(50):
        value, slope = mpmath.log(mpmath.cosh(residual)), mpmath.tanh(residual)
        curvature = mpmath.sech(residual) ** 2
    assert float(kind.rows(f, y)) == pytest.approx(float(value), rel=1e-14, abs=2e-16)
    assert float(kind.slope(f, y)) == pytest.approx(float(slope), rel=1e-14)
    assert float(kind.curvature(f, y)) == pytest.approx(float(curvature), rel=1e-13, abs=1e-300)


def test_log_cosh_is_fitted_where_scipy_ends():
    x, y = _table("logcosh")
    design = np.column_stack([np.ones(len(x)), x])

    def mean(theta):
        r = y - design @ theta
        return np.mean(np.abs(r) + np.log1p(np.exp(-2 * np.abs(r))) - np.log(2))

    found = scipy.optimize.minimize(mean, np.zeros(3), method="BFGS", options={"gtol": 1e-9})
    fit = st.fit(x, y, loss="logcosh")
    np.testing.assert_allclose(fit.theta, found.x, atol=1e-6)
    assert fit.loss <= found.fun + 1e-14


@pytest.mark.parametrize("level", [0.05, 0.5, 0.8])
def test_expectiles_are_those_of_reweighted_least_squares(level):
    """Newey and Powell 1987: least squares in which rows above the plane weigh Q, those below it 1 − Q."""
    x, y = _table("expectile:0.8")
    design, theta = np.column_stack([np.ones(len(x)), x]), np.zeros(3)
    for _ in range(100):
        root = np.sqrt(np.where(y > design @ theta, level, 1 - level))
        theta = np.linalg.lstsq(design * root[:, None], y * root, rcond=None)[0]
    fit = st.fit(x, y, loss=f"expectile:{level}")
    np.testing.assert_allclose(fit.theta, theta, rtol=1e-10)
    residual = y - design @ theta
    assert fit.loss == pytest.approx(np.mean(np.where(residual > 0, level, 1 - level) * residual**2), rel=1e-12)
