"""Losses of the user's own: what is printed is the loss itself, at the optimum that other solvers find."""

import re

import numpy as np
import pytest
import statsmodels.api as sm
import torch
from scipy.optimize import minimize

import steepest as st
from ejecting import ran
from steepest.plots.surface.data import surface_data

RANDOM = np.random.default_rng(7)
X = RANDOM.normal(size=(80, 2))
A = np.column_stack([np.ones(80), X])
COUNTS = RANDOM.poisson(np.exp(0.4 + X @ [0.3, -0.5])).astype(float)
PRICES = np.exp(1 + X @ [0.2, 0.1] + 0.1 * RANDOM.normal(size=80))
LABELS = np.where(COUNTS > 1, "many", "few")
WEIGHTS = RANDOM.uniform(0.5, 2.0, 80)


def poisson(p, t):
    return torch.exp(p) - t * p


def poisson_mean(p, t):
    return poisson(p, t).mean()


def mape(p, t):
    return ((p - t) / t).abs()


def log_cosh_of_ratio(p, t):
    return torch.log(torch.cosh(p / t - 1))


def lopsided(p, t):
    return torch.where(t > p, 3 * (t - p) ** 2, (t - p) ** 2)


def linex(p, t):
    return torch.exp(t - p) - (t - p) - 1


def hinge(p, t):
    return torch.relu(1 - (2 * t - 1) * p)


def by_hand(loss, theta, target, weights=None):
    """The mean loss of the linear model at θ, written out again."""
    each = loss(torch.tensor(A @ theta), torch.tensor(target)).numpy()
    return float(np.average(each, weights=weights))


CASES = {
    "poisson": (poisson, COUNTS),
    "mape": (mape, PRICES),
    "log-cosh": (log_cosh_of_ratio, PRICES),
    "lopsided": (lopsided, PRICES),
    "linex": (linex, PRICES),
    "hinge": (hinge, (COUNTS > 1).astype(float)),
}


@pytest.mark.parametrize("settings", [{}, {"optimizer": "adam", "lr": 0.05, "epochs": 40, "batch_size": 16}])
@pytest.mark.parametrize("case", CASES)
def test_the_printed_loss_is_the_loss_at_theta(case, settings):
    loss, target = CASES[case]
    fit = st.fit(X, target, loss=loss, **settings)
    want = by_hand(loss, fit.theta, target)
    assert fit.loss == pytest.approx(want, rel=1e-13)
    assert fit.objective_value == fit.loss
    assert fit.trace.objective[-1] == pytest.approx(want, rel=1e-12)
    assert fit.objective(fit.theta)[0] == pytest.approx(want, rel=1e-13)
    assert fit.exact is None
    assert fit.gap is None


@pytest.mark.parametrize("case", ["log-cosh", "lopsided", "linex"])
def test_the_optimum_is_that_of_scipy(case):
    loss, target = CASES[case]
    best = minimize(lambda theta: by_hand(loss, theta, target), np.zeros(3), method="BFGS", options={"gtol": 1e-9})
    assert st.fit(X, target, loss=loss).loss == pytest.approx(best.fun, rel=1e-9)


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["plain", "weighted"])
def test_a_poisson_likelihood_ends_where_statsmodels_does(weights):
    known = sm.GLM(COUNTS, A, family=sm.families.Poisson(), freq_weights=weights).fit()
    fit = st.fit(X, COUNTS, loss=poisson, weights=weights)
    np.testing.assert_allclose(fit.theta, known.params, rtol=1e-6)
    assert fit.loss == pytest.approx(by_hand(poisson, known.params, COUNTS, weights), rel=1e-10)


def test_a_module_has_the_same_loss_as_the_linear_model():
    theta = [0.1, 0.2, 0.3]  # a module's order: weights, then the bias
    module = torch.nn.Linear(2, 1).double()
    fit = st.fit(X, COUNTS, model=module, loss=poisson, init=theta, lr=1e-3, epochs=1)
    assert fit.trace.loss[0] == pytest.approx(by_hand(poisson, [0.3, 0.1, 0.2], COUNTS), rel=1e-12)
    assert fit.loss == pytest.approx(by_hand(poisson, fit.theta[[2, 0, 1]], COUNTS), rel=1e-12)


def test_held_out_rows_and_validation_are_scored_by_it_too():
    fit = st.fit(X, COUNTS, loss=poisson, test_fraction=0.25, optimizer="sgd", lr=0.05, epochs=30)
    predicted = torch.tensor(fit.test.x @ fit.theta[1:] + fit.theta[0])
    want = float(poisson(predicted, torch.tensor(fit.test.y)).mean())
    assert fit.test_loss == pytest.approx(want, rel=1e-12)
    assert fit.trace.test_loss[-1] == pytest.approx(want, rel=1e-12)


@pytest.mark.parametrize("loss", [poisson, poisson_mean])
def test_runs_side_by_side_are_each_scored_alone(loss):
    runs = st.sweep(X, COUNTS, loss=loss, optimizer="sgd", lr=[0.01, 0.1, 0.3], epochs=5)
    for i, shown in enumerate(runs.table()["loss"].to_pylist()):
        assert shown == pytest.approx(by_hand(poisson, runs.fit(i).theta, COUNTS), rel=1e-12)
        assert runs.fit(i).loss == pytest.approx(shown, rel=1e-12)
    pair = st.compare([runs.fit(0), runs.fit(2)]).table()["loss"].to_pylist()
    np.testing.assert_allclose(pair, np.array(runs.table()["loss"])[[0, 2]], rtol=1e-12)


def test_a_loss_that_looks_at_its_numbers_can_be_swept():
    def branching(p, t):
        return (p - t) ** 2 if float(p.detach().abs().max()) < 100 else (p - t).abs()

    runs = st.sweep(X, PRICES, loss=branching, optimizer="sgd", lr=[0.1, 0.2], epochs=3)
    np.testing.assert_allclose(
        runs.table()["loss"].to_pylist(),
        [st.fit(X, PRICES, loss="mse", optimizer="sgd", lr=lr, epochs=3).loss for lr in (0.1, 0.2)],
        rtol=1e-12,
    )


@pytest.mark.parametrize("loss", [poisson, poisson_mean])
def test_a_surface_shows_the_loss_at_each_place(loss):
    data = surface_data(st.fit(X, COUNTS, loss=loss, epochs=5), plane=("x1", "x2"), grid=4)
    for i, j in ((0, 0), (3, 1), (2, 3)):
        theta = data.plane.theta(np.array([data.x[i], data.y[j]]))
        assert data.values[j, i] == pytest.approx(by_hand(poisson, theta, COUNTS), rel=1e-12)


def test_a_script_prints_the_same_loss(tmp_path):
    fit = st.fit(X, COUNTS, loss=poisson, optimizer="sgd", lr=0.05, epochs=20, test_fraction=0.25)
    fit.to_python(tmp_path / "script.py")
    printed = [float(number) for number in re.findall(r"loss (\S+)$", *ran([tmp_path / "script.py"]), re.MULTILINE)]
    assert printed == pytest.approx([fit.loss, fit.test_loss], rel=1e-10)


WEIGHTED = {
    "weights": lambda model: st.fit(X, COUNTS, model=model(1), loss=poisson_mean, weights=WEIGHTS),
    "class_weight": lambda model: st.fit(
        X, LABELS, model=model(2), loss=lambda p, y: torch.nn.functional.cross_entropy(p, y), class_weight="balanced"
    ),
    "objective": lambda model: st.objective(model(1), poisson_mean, X, COUNTS, weights=WEIGHTS),
    "sweep": lambda model: st.sweep(X, COUNTS, model=model(1), loss=poisson_mean, weights=WEIGHTS, lr=[0.1, 0.2]),
}


@pytest.mark.parametrize(
    "model", [lambda _: "linear", lambda outputs: torch.nn.Linear(2, outputs)], ids=["name", "module"]
)
@pytest.mark.parametrize("way", WEIGHTED)
def test_weights_need_a_loss_of_each_row(way, model):
    with pytest.raises(st.SpecError, match=r"weights cannot act on it.*one value per row.*reduction=.none"):
        WEIGHTED[way](model)


def test_a_surface_under_another_loss_needs_its_rows_too():
    fit = st.fit(X, COUNTS, weights=WEIGHTS)
    with pytest.raises(st.SpecError, match="weights cannot act on it"):
        surface_data(fit, loss=poisson_mean, plane=("x1", "x2"), grid=3)


def fails(p, t):
    raise KeyError("oops")


FAULTS = {
    "text": (lambda p, t: "three", "returns a str"),
    "a number": (lambda p, t: ((p - t) ** 2).mean().item(), "returns a float"),
    "a constant": (lambda p, t: torch.tensor(1.0), "no gradient"),
    "a comparison": (lambda p, t: (p > t).double(), "no gradient"),
    "every pair": (lambda p, t: (p[:, None] - t) ** 2, r"shape \[80, 80\].*one value per row, \[80\]"),
    "a nan": (lambda p, t: p * torch.nan, "nan at the start.*row 1"),
    "an infinity": (lambda p, t: (p - t) / t, "at the start.*target 0"),
    "an error": (fails, r"failed on prediction \[80\].*KeyError.*oops"),
}


@pytest.mark.parametrize("model", ["linear", torch.nn.Linear(2, 1).double()], ids=["linear", "module"])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_loss_that_cannot_be_fitted_is_told_in_one_line(fault, model):
    loss, told = FAULTS[fault]
    with pytest.raises(st.SpecError, match=told) as caught:
        st.fit(X, COUNTS, model=model, loss=loss, epochs=2)
    assert "\n" not in str(caught.value)


def test_a_constant_has_no_gradient_in_the_loop_either():
    objective = st.objective(torch.nn.Linear(2, 1).double(), lambda p, t: torch.tensor(1.0))
    with pytest.raises(st.SpecError, match="no gradient"):
        next(iter(st.descend(objective, "sgd", [(torch.tensor(X), torch.tensor(COUNTS))], lr=0.1)))
    with pytest.raises(st.SpecError, match="constant"):
        next(iter(st.descend(st.objective(lambda theta: torch.tensor(3.0), [1.0]), "sgd", lr=0.1)))


def test_one_value_per_row_and_target_is_averaged_over_the_targets():
    both = np.column_stack([COUNTS, PRICES])
    module = torch.nn.Linear(2, 2).double()
    own, known = (
        st.fit(X, both, model=module, loss=loss, weights=WEIGHTS, lr=0.01, epochs=3)
        for loss in (lambda p, t: (p - t) ** 2, "mse")
    )
    assert own.loss == pytest.approx(known.loss, rel=1e-12)


def test_scores_of_a_likelihood_with_a_link_are_said_to_be_none_of_it():
    assert "is not least where the two are equal" in " ".join(st.fit(X, COUNTS, loss=poisson, epochs=2).notes)
    assert not st.fit(X, PRICES, loss=lopsided, epochs=2).notes
