"""Families under other links than their usual one, beside statsmodels' GLM and Probit, and mpmath's derivatives."""

from __future__ import annotations

import json

import mpmath
import numpy as np
import pytest
import statsmodels.api as sm
import torch

import steepest as st
from ejecting import ran
from steepest.cli.commands import main
from steepest.engines import kernel_args, kernel_rows, kernels
from steepest.formulas.linked import LINKED
from steepest.model.linear import LinearProblem
from steepest.model.linear_objective import LinearObjective
from steepest.model.torch_losses import loss

pytestmark = [  # statsmodels' own
    pytest.mark.filterwarnings("ignore:.*does not respect the domain of the"),
    pytest.mark.filterwarnings("ignore:divide by zero encountered in power:RuntimeWarning"),
]
LINKS, FAMILIES = sm.families.links, sm.families
RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(150, 3))
PLUS = np.abs(X)
PROBIT = (RANDOM.normal(size=150) < 0.3 + X @ [0.5, -0.3, 0.1]).astype(float)
AMOUNT = RANDOM.gamma(30.0, 1.0 / (2.0 + PLUS @ [1.0, 0.2, 0.5]))
COUNT = RANDOM.poisson(1.0 + PLUS @ [1.0, 2.0, 0.5]).astype(float)
CASES = {
    "binomial probit": (FAMILIES.Binomial(LINKS.Probit()), X, PROBIT),
    "binomial cloglog": (FAMILIES.Binomial(LINKS.CLogLog()), X, PROBIT),
    "poisson identity": (FAMILIES.Poisson(LINKS.Identity()), PLUS, COUNT),
    "poisson sqrt": (FAMILIES.Poisson(LINKS.Sqrt()), PLUS, COUNT),
    "gamma inverse": (FAMILIES.Gamma(LINKS.InversePower()), PLUS, AMOUNT),
}
FIGURES = {
    "deviance": "deviance", "null_deviance": "null_deviance", "pearson_chi2": "pearson_chi2", "dispersion": "scale",
    "log_likelihood": "llf", "aic": "aic", "bic": "bic_llf",
}  # fmt: skip


@pytest.fixture(params=CASES, scope="module")
def case(request):
    family, x, y = CASES[request.param]
    name, link = request.param.split()
    model = sm.GLM(y, sm.add_constant(x), family=family)
    return st.fit(x, y, loss=name, link=link), model, {"loss": name, "link": link}


def column(summary, name):
    return np.array(summary.coefficients.column(name).to_pylist())


def test_a_summary_has_the_numbers_of_statsmodels(case):
    fit, model, _ = case
    other, found = model.fit(tol=1e-13, tol_criterion="params", maxiter=200), fit.summary()
    assert fit.exact.certificate < 1e-12
    assert fit.status is st.Status.CONVERGED
    np.testing.assert_allclose(fit.theta, other.params, rtol=1e-8)
    np.testing.assert_allclose(column(found, "std_error"), other.bse, rtol=1e-8)
    for name, its in FIGURES.items():
        assert getattr(found, name) == pytest.approx(getattr(other, its), rel=1e-8), name
    robust = model.fit(tol=1e-13, tol_criterion="params", maxiter=200, cov_type="HC0")
    np.testing.assert_allclose(column(fit.summary(cov="HC0"), "std_error"), robust.bse, rtol=1e-8)
    mean = other.get_prediction(model.exog).summary_frame()["mean"].to_numpy()
    np.testing.assert_allclose(fit.predict(model.exog[:, 1:]), mean, rtol=1e-8)
    assert fit.metrics["train"]["pearson_chi2"] == pytest.approx(other.pearson_chi2, rel=1e-8)


def test_penalties_and_bounds_arrive_where_the_exact_answer_is(case):
    _, model, words = case
    for more in ({"penalty": "l1:0.01"}, {"penalty": "elastic:0.01,0.01"}, {"bounds": {"x1": (0.1, 0.4)}}):
        fit = st.fit(model.exog[:, 1:], model.endog, **words, **more)
        assert fit.exact.certificate < 1e-10
        assert fit.relative_gap < 1e-12


def test_compiled_steps_are_those_of_the_loop(case):
    _, model, words = case
    rows, kind = len(model.endog), loss(words["loss"], words["link"])
    problem = LinearProblem(model.exog, model.endog, kind, weights=np.arange(1.0, rows + 1.0) / (rows + 1.0) * 2.0)
    objective = LinearObjective(problem)
    lie = kernel_args.rows_as_they_lie(objective)
    room = kernel_args.room_for(lie, 4, rows, 16)
    kernel_rows.gather(lie, 4, np.arange(rows), 0, rows, 16, room)
    theta, grad = np.array([[0.7, 0.2, 0.1, 0.3]]), np.empty((1, 4))
    total = kernels.gradient(theta, room, 0, rows, kernel_args.loss_code(kind), grad)
    value, expected = objective.value_and_grad(torch.from_numpy(theta.ravel()))
    assert total / rows == pytest.approx(float(value), rel=1e-12)
    np.testing.assert_allclose(grad.ravel() / rows, expected.numpy(), rtol=1e-10)


def test_scripts_begin_where_the_fit_did_and_print_its_numbers(tmp_path):
    paths, fits = [], []
    for i, (case, (_, x, y)) in enumerate(CASES.items()):
        name, link = case.split()
        for more in ({"optimizer": "sgd", "lr": 0.01, "epochs": 30}, {}):
            fit = st.fit(x, y, loss=name, link=link, **more)
            paths.append(tmp_path / f"{i}_{len(more)}.py")
            paths[-1].write_text(fit.to_python())
            fits.append(fit)
    for fit, said in zip(fits, ran(paths), strict=True):
        printed = [float(line.split()[-1]) for line in said.splitlines()[-4:]]
        np.testing.assert_allclose(printed, fit.theta, rtol=1e-8)


def _exact(kind, f, y):
    f, y = mpmath.mpf(f), mpmath.mpf(y)

    def half_deviance(at):
        if kind.startswith("poisson"):
            mean = at if kind.endswith("identity") else at**2
            return (y * mpmath.log(y / mean) if y else 0) - y + mean
        if kind == "gamma inverse":
            return y * at - 1 - mpmath.log(y * at)
        below, above = mpmath.ncdf(at), mpmath.ncdf(-at)
        if kind.endswith("cloglog"):
            below, above = -mpmath.expm1(-mpmath.exp(at)), mpmath.exp(-mpmath.exp(at))
        best = (y * mpmath.log(y) if y else 0) + ((1 - y) * mpmath.log(1 - y) if y != 1 else 0)
        return best - (y * mpmath.log(below) if y else 0) - ((1 - y) * mpmath.log(above) if y != 1 else 0)

    return half_deviance(f), mpmath.diff(half_deviance, f), mpmath.diff(half_deviance, f, 2)


POINTS = {
    "binomial probit": [(-40.0, 0.3), (-8.0, 1.0), (-0.2, 0.0), (0.4, 0.5), (6.0, 0.0), (35.0, 0.9)],
    "logistic probit": [(-40.0, 1.0), (-8.0, 1.0), (-0.2, 0.0), (6.0, 0.0)],
    "binomial cloglog": [(-50.0, 0.3), (-12.0, 1.0), (-8.0, 1.0), (0.3, 0.5), (2.5, 0.8)],
    "poisson identity": [(1e-4, 0.0), (1e-4, 3.0), (2.5, 2.0), (1e5, 7.0)],
    "poisson sqrt": [(1e-3, 0.0), (1e-3, 3.0), (1.5, 2.0), (300.0, 7.0)],
    "gamma inverse": [(1e-4, 3.0), (0.4, 2.0), (1e4, 7.0)],
}


def test_every_formula_under_a_link_is_that_of_many_digits():
    assert set(POINTS) == {choice.key for choice in LINKED.values()}
    for kind, points in POINTS.items():
        mine = loss(*kind.split())
        for f, y in points:
            with mpmath.workdps(60):
                wanted = [float(each) for each in _exact(kind, f, y)]
            for array in (np.array, torch.tensor):
                given = array(np.array([f])), array(np.array([y]))
                found = [float(getattr(mine, what)(*given)[0]) for what in ("rows", "slope", "curvature")]
                np.testing.assert_allclose(found, wanted, rtol=1e-9, err_msg=f"{kind} {f} {y}")


def test_two_classes_with_probits_are_those_of_statsmodels():
    labels = np.where(PROBIT > 0, "yes", "no")
    fit = st.fit(X, labels, loss="logistic", link="probit")
    other = sm.Probit(PROBIT, sm.add_constant(X)).fit(disp=0, tol=1e-12)
    np.testing.assert_allclose(fit.theta, other.params, rtol=1e-8)
    np.testing.assert_allclose(column(fit.summary(), "std_error"), other.bse, rtol=1e-8)  # of the observed information
    assert fit.summary().log_likelihood == pytest.approx(other.llf, rel=1e-10)
    np.testing.assert_allclose(fit.predict_proba(X)[:, 1], other.predict(), rtol=1e-8)
    assert "the probit of 'yes' against 'no'" in str(fit)

    with pytest.raises(st.FitError, match="no estimator for loss logistic with link probit"):
        fit.to_sklearn()


@pytest.mark.parametrize("link", ["logit", "probit", "cloglog"])
def test_perfectly_separated_shares_have_no_minimum_under_any_link(link):
    x = np.arange(20.0)
    fit = st.fit(x, (x > 9).astype(float), loss="binomial", link=link)
    assert fit.status is st.Status.SEPARABLE
    assert fit.exact.loss == pytest.approx(0.0, abs=1e-12)
    assert "penalty='l2:0.001'" in fit.message
    assert st.fit(x, (x > 9).astype(float), loss="binomial", link=link, penalty="l2:0.01").relative_gap < 1e-10


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"loss": "poisson", "link": "probit"}, "none of loss poisson's: log, identity, sqrt"),
        ({"loss": "binomial", "link": "log"}, "would have to stay below 0"),
        ({"loss": "gamma", "link": "identity"}, "not convex"),
        ({"loss": "tweedie:1.5", "link": "sqrt"}, "has the link log only"),
        ({"loss": "mse", "link": "log"}, "loss mse has no link"),
        ({"loss": "poisson", "link": "cauchit"}, "is not known"),
        ({"loss": "poisson", "link": "identity", "model": "mlp:3"}, "linear in their coefficients"),
    ],
)
def test_a_link_that_cannot_be_is_refused_in_a_sentence(words, said):
    with pytest.raises(st.SpecError, match=said):
        st.fit(PLUS, COUNT, **words)


def test_the_usual_link_may_be_named():
    np.testing.assert_array_equal(
        st.fit(PLUS, COUNT, loss="poisson", link="log").theta, st.fit(PLUS, COUNT, loss="poisson").theta
    )


def test_without_an_intercept_a_start_is_found_or_said_not_to_be():
    fit = st.fit(PLUS, AMOUNT, loss="gamma", link="inverse", intercept=False)
    model = sm.GLM(AMOUNT, PLUS, family=FAMILIES.Gamma(LINKS.InversePower()))
    np.testing.assert_allclose(fit.theta, model.fit(tol=1e-13, tol_criterion="params", maxiter=200).params, rtol=1e-8)
    with pytest.raises(st.DataError, match="No coefficients make all predictions positive"):
        st.fit(np.array([-1.0, 1.0, 2.0]), [1.0, 2.0, 3.0], loss="gamma", link="inverse", intercept=False)
    with pytest.raises(st.DataError, match=r"init=\[1.0, -9.0, 0.0, 0.0\] predicts -.* in row"):
        st.fit(PLUS, AMOUNT, loss="gamma", link="inverse", init=[1.0, -9.0, 0.0, 0.0])


def test_a_mean_of_zero_at_the_edge_is_said():
    group = np.repeat([0.0, 1.0], 20)
    fit = st.fit(group, np.where(group > 0, 0.0, 3.0), loss="poisson", link="identity")
    assert fit.exact is None or fit.exact.theta is None
    assert "falls towards a row whose prediction is 0" in fit.exact_note


@pytest.mark.parametrize("case", ["poisson identity", "gamma inverse"])
def test_what_is_known_before_the_fit_is_of_where_it_begins(case):
    name, link = case.split()
    _, x, y = CASES[case]
    prospects = st.diagnose(x, y, loss=name, link=link).prospects
    assert len(prospects) > 0
    for one in prospects:
        words = {"optimizer": one.optimizer, "lr": one.lr, "precondition": one.precondition}
        fit = st.fit(x, y, loss=name, link=link, epochs=3 * int(one.steps), **words)
        assert fit.relative_gap < 1e-5


def test_a_step_too_far_diverges_and_says_so():
    fit = st.fit(PLUS, AMOUNT, loss="gamma", link="inverse", optimizer="sgd", lr=50.0, epochs=20)
    assert fit.status is st.Status.DIVERGED


def test_the_command_takes_a_link_and_its_run_predicts_with_it(tmp_path, capsys):
    rows = "\n".join(",".join(map(repr, row)) for row in np.column_stack([PLUS, COUNT]).tolist())
    (tmp_path / "a.csv").write_text(f"a,b,c,y\n{rows}\n")
    words = ["--target", "y", "--loss", "poisson", "--link", "sqrt", "--json", "--out", str(tmp_path / "run")]
    assert main(["fit", str(tmp_path / "a.csv"), *words]) == 0
    said = json.loads(capsys.readouterr().out)
    other = sm.GLM(COUNT, sm.add_constant(PLUS), family=CASES["poisson sqrt"][0]).fit(tol=1e-13, tol_criterion="params")
    np.testing.assert_allclose(list(said["params"].values()), other.params, rtol=1e-8)
    np.testing.assert_allclose(st.load(tmp_path / "run").predict(PLUS), other.fittedvalues, rtol=1e-8)
