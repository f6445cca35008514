"""Resamples beside fits of each of them alone, and their intervals beside scipy.stats.bootstrap."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from scipy.stats._resampling import BootstrapResult

import steepest as st
from steepest.inference import bootstrap
from steepest.inference.sample import sample_of

GENERATOR = np.random.default_rng(8)
X = GENERATOR.normal(size=(90, 2)) * [1.0, 20.0] + [0.0, 50.0]
Y = X @ [1.0, 0.1] + GENERATOR.standard_t(4, size=90)
TWO = (X[:, 0] + GENERATOR.logistic(size=90) > 0).astype(int)
THREE = np.array(list("abc"))[GENERATOR.integers(0, 3, 90)]


@pytest.mark.parametrize(
    ("target", "settings", "close"),
    [
        (Y, {}, 1e-8),
        (Y, {"penalty": "l2:0.1"}, 1e-8),
        (np.stack([Y, Y**2], 1), {}, 1e-8),
        (Y, {"loss": "huber:1"}, 1e-4),
        (Y, {"loss": "logcosh"}, 1e-4),
        (Y, {"loss": "l1"}, 2e-2),
        (Y, {"loss": "quantile:0.7"}, 2e-2),
        (TWO, {"model": "logistic"}, 1e-6),
        (TWO, {"model": "logistic", "penalty": "l2:0.01"}, 1e-6),
        (THREE, {}, 1e-6),
    ],
    ids=[
        "mse",
        "ridge",
        "two targets",
        "huber",
        "logcosh",
        "l1",
        "quantile",
        "logistic",
        "ridge of classes",
        "softmax",
    ],
)
def test_each_resample_is_the_fit_of_its_rows(target, settings, close):
    """In parts of the spread between them; `l1` and quantiles by a linear programme."""
    fit = st.fit(X, target, **settings)
    found = fit.summary(bootstrap=12)
    made = bootstrap.resampled(sample_of(fit, fit.theta), 12, 0).theta
    times = bootstrap._weights(sample_of(fit, fit.theta), np.random.default_rng([0, 1]), 12).astype(int)
    spread = np.array(found.coefficients.column("std_error"))
    for theta, count in zip(made[:3], times[:3], strict=True):
        rows = np.repeat(np.arange(90), count)
        alone = st.fit(X[rows], target[rows], **settings).exact.theta
        np.testing.assert_array_less(np.abs(theta - alone), close * spread + 1e-12)


def test_both_intervals_are_those_of_scipy():
    """Of a mean: scipy.stats.bootstrap is given the same resamples, and makes its own of what is left out."""
    values = GENERATOR.exponential(size=60)
    means = np.array([GENERATOR.choice(values, 60).mean() for _ in range(999)])
    influence = np.array([np.delete(values, i).mean() - values.mean() for i in range(60)])
    ours = bootstrap.Resampled(means[:, None], 0, influence[:, None])
    for method, (low, high) in {
        "percentile": ours.percentiles(0.9),
        "BCa": ours.bca(0.9, np.array([values.mean()])),
    }.items():
        given = BootstrapResult(None, means, 0.0)
        theirs = stats.bootstrap(
            (values,), np.mean, confidence_level=0.9, n_resamples=0, method=method, bootstrap_result=given
        ).confidence_interval
        np.testing.assert_allclose([low[0], high[0]], theirs, rtol=1e-10)


@pytest.mark.parametrize("settings", [{}, {"loss": "huber:1"}, {"loss": "logcosh"}])
def test_the_acceleration_comes_of_what_each_row_changes(settings):
    """θ without a row, exactly for least squares and to first order for others."""
    fit = st.fit(X, Y, **settings)
    sample = sample_of(fit, fit.exact.theta)
    moves = bootstrap.resampled(sample, 2, 0).influence
    for i in (0, 17):
        left = np.delete(np.arange(90), i)
        alone = st.fit(X[left], Y[left], **settings).exact.theta
        size = np.abs(moves).max(0)
        off = np.abs(moves[i] - (alone - fit.exact.theta)) / size
        assert off.max() < (1e-8 if not settings else 0.6)


def test_groups_are_drawn_whole():
    generator = np.random.default_rng(3)
    x, shop = generator.normal(size=(60, 2)), generator.integers(0, 8, 60)
    y = x @ [1.0, 2.0] + generator.normal(size=8)[shop] + generator.normal(size=60)
    table = {"a": x[:, 0], "b": x[:, 1], "shop": np.array(list("abcdefgh"))[shop], "y": y}
    fit = st.fit(table, target="y", columns=["a", "b"])
    found = fit.summary(cov="cluster:shop", bootstrap=40)
    made = []
    for drawn in np.random.default_rng([0, 1]).integers(0, 8, size=(40, 8)):
        rows = np.concatenate([np.flatnonzero(shop == one) for one in drawn])
        made.append(np.linalg.lstsq(np.column_stack([np.ones(len(rows)), x[rows]]), y[rows], rcond=None)[0])
    errors = found.coefficients.column("std_error").to_pylist()
    np.testing.assert_allclose(errors, np.std(made, axis=0, ddof=1), rtol=1e-6)
    assert "of resamples of whole groups of 'shop'" in str(found)
    lasso = st.fit(table, target="y", columns=["a", "b"], penalty="l1:0.001")
    assert bootstrap.fitted_again(lasso, 3, shop).theta.shape == (3, 3)


def test_what_no_formula_helps_is_fitted_again():
    fit = st.fit(X, Y, penalty="l1:0.1")
    found = fit.summary(bootstrap=6)
    assert found.valid
    assert found.distribution == "z"
    assert np.isfinite(np.array(found.coefficients.column("std_error"))).all()
    module = st.fit(X, Y, model="mlp:2", epochs=2).summary(bootstrap=3)
    assert module.valid
    assert module.bootstrap.column_names[-4:] == ["percentile_low", "percentile_high", "bca_low", "bca_high"]


def test_the_same_seed_gives_the_same_resamples():
    first, again = (st.fit(X, Y, seed=4).summary(bootstrap=50).bootstrap for _ in range(2))
    assert first.equals(again)
    assert not first.equals(st.fit(X, Y, seed=5).summary(bootstrap=50).bootstrap)
