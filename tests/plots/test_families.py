"""Pictures and films of counts, shares and amounts: curves are means, and so are bands, residuals and surfaces theirs."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from PIL import Image
from scipy import special

import steepest as st
from steepest.plots.film.panels import Scene
from steepest.plots.film.playback import playback_data
from steepest.plots.residuals import residual_data
from steepest.plots.surface.data import surface_data
from steepest.text.colours import PAPER

RANDOM = np.random.default_rng(5)
X = RANDOM.normal(size=120)
MEAN, TRIALS = np.exp(0.8 + 0.6 * X), RANDOM.integers(3, 30, 120)
LOG = sm.families.links.Log()
COUNT = RANDOM.poisson(MEAN).astype(float)
GOOD = RANDOM.binomial(TRIALS, special.expit(1.2 * X)).astype(float)
# of each: the target, its family, the mean of a prediction, and half the deviance of a row
KINDS = {
    "poisson": (COUNT, sm.families.Poisson(), np.exp),
    "gamma": (RANDOM.gamma(3.0, MEAN / 3.0), sm.families.Gamma(LOG), np.exp),
    "tweedie:1.5": (COUNT * RANDOM.gamma(1.5, 1.0, 120), sm.families.Tweedie(LOG, 1.5), np.exp),
    "binomial": (GOOD, sm.families.Binomial(), special.expit),
}
PICTURES = (
    "plot", "loss_curve", "parameters", "residuals", "surface", "coefficients", "influence", "scale_location",
    "partial_dependence", "permutation_importance",
)  # fmt: skip


def fitted(kind, **settings):
    target, more = KINDS[kind][0], {"trials": "m"} if kind == "binomial" else {}
    return st.fit({"x": X, "y": target, "m": TRIALS}, target="y", columns=["x"], loss=kind, **more, **settings)


def targets(kind):
    return GOOD / TRIALS if kind == "binomial" else KINDS[kind][0]


def theirs(kind):
    target, family, _ = KINDS[kind]
    shares = np.column_stack([target, TRIALS - target]) if kind == "binomial" else target
    return sm.GLM(shares, sm.add_constant(X), family).fit(tol=1e-14, tol_criterion="params", maxiter=100)


@pytest.mark.parametrize("kind", KINDS)
def test_the_curve_and_its_band_are_the_means_of_statsmodels(kind):
    data = fitted(kind).plot().source_data
    frame = theirs(kind).get_prediction(sm.add_constant(data.x)).summary_frame()
    np.testing.assert_allclose(data.curves[0], frame["mean"], rtol=1e-8)
    np.testing.assert_allclose(data.band, frame[["mean_ci_lower", "mean_ci_upper"]], rtol=1e-8)
    np.testing.assert_array_equal(data.rows.y, targets(kind))


@pytest.mark.parametrize("kind", KINDS)
def test_residuals_are_those_of_the_means(kind):
    wanted = targets(kind) - theirs(kind).fittedvalues
    np.testing.assert_allclose(residual_data(fitted(kind)).residual, wanted, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_a_surface_is_half_the_mean_deviance(kind):
    found = surface_data(fitted(kind), grid=5)
    family, mean = KINDS[kind][1:]
    if kind == "binomial":
        family = sm.families.Binomial()  # a GLM writes its trials into the one that it is given
    weights = TRIALS if kind == "binomial" else np.ones(120)
    for i, j in ((0, 0), (2, 3), (4, 1)):
        a, b = found.plane.theta(np.array([[found.x[j], found.y[i]]]))[0]
        deviance = family.deviance(targets(kind), mean(a + b * X), var_weights=weights)
        assert found.values[i, j] == pytest.approx(deviance / 2 / weights.sum(), rel=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_a_film_moves_the_curve_of_the_means(kind, tmp_path):
    fit, mean = fitted(kind, optimizer="sgd", lr=0.02, epochs=6), KINDS[kind][2]
    played = playback_data(fit)
    wanted = mean(fit.trace.theta[:, :1] + fit.trace.theta[:, 1:] * played.picture.grid)
    np.testing.assert_allclose(played.picture.curves, wanted, rtol=1e-12)
    scene = Scene(fit, played.frames, "dark")
    np.testing.assert_allclose(scene.predictions(X[:, None])[3], mean(fit.trace.theta[3] @ [np.ones(120), X]))
    fit.animate(tmp_path / "film.gif", theme="dark")
    with Image.open(tmp_path / "film.gif") as film:
        assert film.n_frames == 7


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_picture_is_drawn_in_both_themes(kind, theme):
    fit = fitted(kind)
    for picture in PICTURES:
        shown = getattr(fit, picture)(theme=theme)
        drawn = [np.asarray(one) for trace in shown.data for one in (trace.x, trace.y) if one is not None]
        assert any(one.dtype.kind in "fi" and np.isfinite(one).any() for one in drawn), picture
        assert shown.layout.template.layout.paper_bgcolor == PAPER[theme]["paper"]
