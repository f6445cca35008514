"""With nothing but the data the defaults arrive, on every problem of the zoo."""

from __future__ import annotations

import warnings
from itertools import product

import numpy as np
import pytest
from scipy.optimize import minimize

import steepest as st
import zoo
from steepest import SteepestWarning
from steepest.analysis.exact import certificate as certify

from cases import pairwise

PENALTIES = [None, "l2:0.01", "l1:0.01", "elastic:0.01,0.02"]
GROUPED = "group:0.01"
SMOOTH = 1e-10
KINKED = 1e-5

TOO_HARD = {("powers to degree 10", "l1:0.01"): 2e-3, ("powers to degree 10", "elastic:0.01,0.02"): 1e-2}
"""Raw powers under an l1 penalty cannot change basis; with a kinked loss as well so much is what is reached."""


def fitted(problem, **settings):
    x, y, model = problem
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SteepestWarning)
        return st.fit(x, y, model=model, **settings)


def covering(**factors):
    """Every case as a parameter: those in which each pair of values meets run every day, the others in soak."""
    daily = [tuple(case.values()) for case in pairwise(factors)]
    return pytest.mark.parametrize(
        tuple(factors),
        [pytest.param(*case, marks=() if case in daily else pytest.mark.soak) for case in product(*factors.values())],
    )


@covering(name=list(zoo.REGRESSION), loss=["mse", "huber:1"], penalty=[*PENALTIES, GROUPED])
def test_smooth_losses_arrive(name, loss, penalty):
    fit = fitted(zoo.REGRESSION[name](), loss=loss, penalty=penalty)
    if (name, penalty) == (
        "powers to degree 10",
        GROUPED,
    ):  # one group of columns whose sizes lie ten powers of ten apart
        assert fit.exact is None
        assert "columns of a group are of too unlike sizes" in fit.message
        return
    assert fit.status is st.Status.CONVERGED
    assert abs(fit.relative_gap) <= SMOOTH
    assert penalty != GROUPED or fit.exact.certificate <= 1e-8


@covering(
    name=list(zoo.REGRESSION),
    loss=["l1", "quantile:0.5", "quantile:0.99", "epsilon_insensitive:0.5"],
    penalty=PENALTIES,
)
def test_kinked_losses_arrive(name, loss, penalty):
    fit = fitted(zoo.REGRESSION[name](), loss=loss, penalty=penalty)
    assert abs(fit.relative_gap) <= TOO_HARD.get((name, penalty), KINKED)
    assert fit.exact.certificate <= (1e-6 if name == "powers to degree 10" else 1e-8)


@pytest.mark.parametrize("penalty", [*PENALTIES, GROUPED])
@pytest.mark.parametrize("name", zoo.CLASSES)
def test_classes_arrive(name, penalty):
    problem = zoo.CLASSES[name]()
    for loss in ("logistic", "cross_entropy") if len(set(problem[1])) == 2 else ("cross_entropy",):
        fit = fitted(problem, loss=loss, penalty=penalty)
        assert fit.status is st.Status.CONVERGED
        assert abs(fit.relative_gap) <= SMOOTH


@covering(name=zoo.TWO_CLASSES, loss=["hinge", "squared_hinge", "modified_huber"], penalty=PENALTIES)
def test_margins_of_two_classes_arrive(name, loss, penalty):
    fit = fitted(zoo.CLASSES[name](), loss=loss, penalty=penalty)
    assert fit.status is st.Status.CONVERGED
    assert abs(fit.relative_gap) <= (KINKED if loss == "hinge" else SMOOTH)


@covering(name=list(zoo.FAMILIES), loss=["poisson", "gamma", "tweedie:1.3", "binomial"], penalty=[*PENALTIES, GROUPED])
def test_families_arrive(name, loss, penalty):
    x, y, model = zoo.FAMILIES[name]()
    y = y / (y.max() + 1) if loss == "binomial" else y + (loss == "gamma")
    fit = fitted((x, y, model), loss=loss, penalty=penalty)
    assert fit.status is st.Status.CONVERGED
    assert abs(fit.relative_gap) <= SMOOTH


@pytest.mark.parametrize("name", zoo.BUNDLED_CLASSES)
def test_bundled_classes_are_separable_and_a_penalty_mends_it(name):
    problem = zoo._bundled(name)()
    plain = fitted(problem)
    assert plain.status is st.Status.SEPARABLE
    assert plain.exact.theta is None
    assert plain.objective_value - plain.exact.loss < 1e-6
    assert "l2:0.001" in plain.message
    mended = fitted(problem, penalty="l2:0.001")
    assert mended.status is st.Status.CONVERGED
    assert abs(mended.relative_gap) <= SMOOTH


@pytest.mark.parametrize("factor", [1e-9, 1.0, 1e9])
@pytest.mark.parametrize("loss", ["mse", "huber:1", "l1"])
def test_units_of_the_columns_do_not_matter(loss, factor):
    x, y, model = zoo.REGRESSION["diabetes"]()
    fit = fitted((x * factor, y, model), loss=loss)
    assert abs(fit.relative_gap) <= (SMOOTH if loss != "l1" else KINKED)


@pytest.mark.parametrize("name", ["lesson C line", "linnerud weight", "heavy tails", "one-hot"])
@pytest.mark.parametrize("loss", ["huber:1", "mse"])
def test_no_general_minimiser_finds_a_lower_objective(name, loss):
    """scipy's BFGS, which shares nothing with us, started at the answer and at zero."""
    fit = fitted(zoo.REGRESSION[name](), loss=loss)
    problem = fit.problem
    scale = np.maximum(np.abs(problem.design).max(axis=0), 1e-300)
    for start in (np.zeros(len(fit.theta)), fit.theta * scale):
        other = minimize(lambda c: certify.objective(problem, c / scale), start, method="BFGS")
        assert fit.objective_value <= other.fun * (1 + 1e-12)
