"""The group lasso: closed forms, scikit-learn and proximal gradient descent beside the exact answer and the descents."""

from __future__ import annotations

import json

import numpy as np
import pytest
import scipy.sparse
from scipy.optimize import minimize
from sklearn.linear_model import Lasso, MultiTaskLasso

import steepest as st
from ejecting import printed, ran
from steepest.analysis.duality import bound
from steepest.analysis.exact.solve import solve
from steepest.cli.commands import main
from steepest.cli.options import value_of
from steepest.command_words import options
from steepest.errors import DataError, SpecError
from steepest.model.coefficient_groups import numbers
from steepest.model.linear import LinearProblem
from steepest.model.penalties import Penalty
from steepest.model.torch_losses import loss
from steepest.settings import Spec

WEIGHT = 0.1
GROUPS = {"first": ["x1", "x2", "x3"], "second": ["x4", "x5"], "third": ["x6"]}
OF = np.array([0, 0, 0, 1, 1, 2])
COUNTS = np.sqrt([3.0, 2.0, 1.0])


@pytest.fixture(scope="module")
def table():
    random = np.random.default_rng(0)
    x = random.normal(size=(120, 6)) @ (np.eye(6) + 0.3)
    return x, x @ [1.0, -0.5, 0.2, 0.0, 0.0, 0.3] + random.normal(size=120)


SLOPES = {
    "mse": lambda f, y: 2.0 * (f - y),
    "huber:1": lambda f, y: np.clip(f - y, -1, 1),
    "logistic": lambda f, y: 1 / (1 + np.exp(-f)) - y,
    "poisson": lambda f, y: np.exp(f) - y,
    "expectile:0.8": lambda f, y: 2.0 * np.where(f < y, 0.8, 0.2) * (f - y),
}


def descended(kind, x, y, weight, steps=2500, rate=0.05):
    """Proximal gradient descent with momentum and restarts, written out (Beck and Teboulle 2009; O'Donoghue and Candès 2015)."""
    design = np.column_stack([np.ones(len(x)), x])
    theta = before = np.zeros(7)
    count = 0
    for _ in range(steps):
        ahead = theta + count / (count + 3) * (theta - before)
        moved = ahead - rate * design.T @ SLOPES[kind](design @ ahead, y) / len(y)
        for group in range(3):
            part = moved[1:][group == OF]
            moved[1:][group == OF] = part * max(1 - rate * weight * COUNTS[group] / np.linalg.norm(part), 0)
        count = 0 if (ahead - moved) @ (moved - theta) > 0 else count + 1
        theta, before = moved, theta
    return theta


@pytest.mark.parametrize("kind", SLOPES)
@pytest.mark.parametrize("weight", [0.03, 0.2])
def test_smooth_losses_are_those_of_proximal_gradient_descent(table, kind, weight):
    x, y = table
    y = {"logistic": (y > 0).astype(int), "poisson": np.round(np.exp(y / 3))}.get(kind, y)
    found = descended(kind, x, y, weight)
    fit = st.fit(x, y, loss=kind, penalty=f"group:{weight}", penalty_groups=GROUPS)
    np.testing.assert_allclose(fit.theta, found, rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(fit.exact.theta, found, rtol=1e-8, atol=1e-9)
    assert ((fit.theta == 0) == (found == 0)).all()
    assert (fit.theta == 0).any() or weight < 0.1
    assert fit.status is st.Status.CONVERGED
    assert abs(fit.relative_gap) < 1e-14
    assert fit.exact.certificate < 1e-14
    assert abs(bound(fit.problem, fit.exact.theta)) < 1e-13 * fit.objective_value


def test_orthonormal_columns_are_thresholded_in_blocks():
    """θ_g = (1 − A·√|g|/(2·‖z_g‖))₊·z_g with z = Xᵀy/n (Yuan and Lin 2006)."""
    random = np.random.default_rng(1)
    x = np.linalg.qr(random.normal(size=(60, 6)))[0] * np.sqrt(60)
    y = x @ [2.0, -1.0, 0.5, 0.1, -0.1, 0.0] + random.normal(size=60)
    z = x.T @ y / 60
    shares = np.array([1 - 0.4 * COUNTS[g] / (2 * np.linalg.norm(z[g == OF])) for g in range(3)])
    expected = z * np.maximum(shares, 0)[OF]
    fit = st.fit(x, y, penalty="group:0.4", penalty_groups=GROUPS, intercept=False)
    np.testing.assert_allclose(fit.theta, expected, rtol=1e-12, atol=1e-15)
    assert 0 < (expected == 0).sum() < 6


def test_groups_of_one_are_the_lasso_and_targets_side_by_side_the_multi_task_lasso(table):
    x, y = table
    model = Lasso(alpha=0.05, tol=1e-15, max_iter=100_000).fit(x, y)
    fit = st.fit(x, y, penalty="group:0.1")
    np.testing.assert_allclose(fit.theta, [model.intercept_, *model.coef_], rtol=1e-8, atol=1e-10)
    both = np.column_stack([y, np.roll(y, 1) + x[:, 0]])
    model = MultiTaskLasso(alpha=0.2, tol=1e-15, max_iter=100_000, fit_intercept=False).fit(x, both)
    # ‖Y − XW‖²/(2n) + α·Σ‖w‖ is the mean square of 2n rows with blocks of X, and α·Σ √2·‖w‖/√2
    wide = np.kron(np.eye(2), x)
    names = {f"g{j}": [f"x{j + 1}", f"x{j + 7}"] for j in range(6)}
    fit = st.fit(wide, both.T.ravel(), penalty=f"group:{0.2 / np.sqrt(2)}", penalty_groups=names, intercept=False)
    np.testing.assert_allclose(fit.theta, model.coef_.ravel(), rtol=1e-7, atol=1e-9)
    assert (fit.theta == 0).any()


def test_classes_share_the_groups_of_their_columns(table):
    """Beside scipy's L-BFGS-B, where ‖θ_g‖ is the least of ½(‖θ_g‖²/s + s) over s > 0."""
    x, y = table
    classes = np.digitize(y, [-0.8, 0.8])
    fit = st.fit(x, classes, loss="cross_entropy", penalty="group:0.02", penalty_groups=GROUPS)
    assert fit.exact.certificate < 1e-14
    assert abs(fit.relative_gap) < 1e-13
    coefficients = fit.theta.reshape(3, 7)[:, 1:]
    assert all((coefficients[:, g == OF] == 0).all() or (coefficients[:, g == OF] != 0).all() for g in range(3))
    design = np.column_stack([np.ones(120), x])
    sizes = np.sqrt([9.0, 6.0, 3.0])

    def whole(z):
        theta, s = z[:21].reshape(3, 7), np.exp(z[21:])
        scores = design @ theta.T
        scores -= scores.max(1, keepdims=True)
        log = scores - np.log(np.exp(scores).sum(1, keepdims=True))
        slope = design.T @ (np.exp(log) - np.eye(3)[classes]) / 120
        squares = np.array([(theta[:, 1:][:, g == OF] ** 2).sum() for g in range(3)])
        value = -log[np.arange(120), classes].mean() + 0.01 * (sizes * (squares / s + s)).sum()
        grad = slope.T.copy()
        grad[:, 1:] += (0.02 * sizes / s)[OF] * theta[:, 1:]
        return value, np.concatenate([grad.ravel(), 0.01 * sizes * (s - squares / s)])

    close = {"ftol": 1e-16, "gtol": 1e-10, "maxiter": 20_000, "maxfun": 50_000}
    found = minimize(whole, np.zeros(24), jac=True, method="L-BFGS-B", bounds=[(-30, 30)] * 24, options=close)
    assert fit.objective_value == pytest.approx(found.fun, rel=1e-8)
    assert fit.objective_value <= found.fun * (1 + 1e-12)


def test_columns_of_any_units_have_the_conditions_of_optimality(table):
    """∇f = −A·√|g|·θ_g/‖θ_g‖ where a group is not 0, ‖∇f_g‖ ≤ A·√|g| where it is."""
    x, y = table
    x = x * [1e4, 1e-3, 1.0, 1e-5, 1e3, 1.0] + [0, 0, 1e3, 0, 0, 5]
    fit = st.fit(x, y, penalty="group:0.001", penalty_groups=GROUPS)
    slope = np.column_stack([np.ones(120), x]).T @ (2 * (x @ fit.theta[1:] + fit.theta[0] - y)) / 120
    theta = fit.theta[1:]
    assert abs(slope[0]) < 1e-10
    for group in range(3):
        mine, most = slope[1:][group == OF], 0.001 * COUNTS[group]
        size = np.linalg.norm(theta[group == OF])
        if size:
            np.testing.assert_allclose(mine, -most * theta[group == OF] / size, rtol=1e-6, atol=1e-9 * np.abs(x).max())
        else:
            assert np.linalg.norm(mine) <= most
    assert abs(fit.relative_gap) < 1e-12


def test_the_bound_on_the_gap_holds_anywhere(table):
    x, y = table
    design = np.column_stack([np.ones(120), x])
    random = np.random.default_rng(3)
    for kind in ("mse", "logistic"):
        target = (y > 0).astype(float) if kind == "logistic" else y
        problem = LinearProblem(design, target, loss(kind), Penalty(group=WEIGHT, groups=(9, *OF)))
        least = solve(problem)
        for far in (1e-6, 1e-2, 1.0):
            theta = least.theta + far * random.normal(size=7)
            value = float(problem.loss.mean(design @ theta, target))
            value += WEIGHT * sum(COUNTS[g] * np.linalg.norm(theta[1:][g == OF]) for g in range(3))
            assert value - least.objective <= bound(problem, theta) * (1 + 1e-9)


def test_proximal_gradient_descent_step_for_step(table):
    x, y = table
    design, theta = np.column_stack([np.ones(120), x]), np.zeros(7)
    for engine in ({"precondition": "none"}, {"precondition": "none", "shuffle": "none", "batch_size": 120}):
        fit = st.fit(x, y, penalty="group:0.5", penalty_groups=GROUPS, optimizer="sgd", lr=0.02, epochs=30, **engine)
        theta = np.zeros(7)
        for row in fit.trace.theta:
            np.testing.assert_allclose(row, theta, rtol=1e-11, atol=1e-13)
            theta = theta - 0.02 * 2.0 * design.T @ (design @ theta - y) / 120
            for group in range(3):
                part = theta[1:][group == OF]
                theta[1:][group == OF] = part * max(1 - 0.01 * COUNTS[group] / np.linalg.norm(part), 0)


@pytest.mark.parametrize("optimizer", ["sgd", "momentum:0.9", "nesterov:0.9", "adam", "rmsprop", "svrg"])
def test_every_rule_comes_near_the_exact_answer(table, optimizer):
    x, y = table
    more = {"batch_size": 40} if optimizer == "svrg" else {}
    fit = st.fit(x, y, penalty="group:0.3", penalty_groups=GROUPS, optimizer=optimizer, epochs=400, **more)
    assert fit.relative_gap < 1e-4


def test_losses_with_a_kink_are_fitted_and_have_no_exact_answer(table):
    x, y = table
    fit = st.fit(x, y, loss="l1", penalty="group:0.1", penalty_groups=GROUPS)
    found = solve(fit.problem)
    assert found.theta is None
    assert found.note.startswith("There is no exact answer for loss l1 under a group penalty")
    assert bound(fit.problem, fit.theta) == np.inf
    # √(r² + δ²) in the place of |r|, so small that it raises the objective by at most δ
    design = np.column_stack([np.ones(120), x])

    def rounded(theta):
        residual = np.sqrt((design @ theta - y) ** 2 + 1e-12)
        sizes = np.array([np.sqrt((theta[1:][g == OF] ** 2).sum() + 1e-16) for g in range(3)])
        return residual.mean() + 0.1 * COUNTS @ sizes

    better = minimize(rounded, fit.theta, method="Nelder-Mead", options={"maxfev": 3000, "xatol": 1e-9, "fatol": 1e-13})
    assert fit.objective_value <= better.fun + 1e-8


def test_without_groups_each_column_and_each_term_is_one():
    random = np.random.default_rng(5)
    rows = {"size": random.normal(size=80), "city": np.tile(["Bern", "Oslo", "Rome", "Riga"], 20)}
    rows["y"] = rows["size"] + (rows["city"] == "Rome") + random.normal(size=80)
    fit = st.fit(rows, target="y", penalty="group:0.05")
    assert numbers(None, fit.terms, fit.schema) == (0, 1, 2, 2, 2)
    named = st.fit(rows, target="y", penalty="group:0.05", penalty_groups={"place": "city", "s": ["size"]})
    np.testing.assert_allclose(named.theta, fit.theta, rtol=1e-12)
    singles = {"a": ["city=Oslo"], "b": ["city=Riga", "city=Rome"]}
    assert numbers(singles, fit.terms, fit.schema) == (0, 1, 3, 4, 4)
    powers = st.fit(rows, target="y", columns="size", model="poly:3", penalty="group:0.05")
    assert numbers(None, powers.terms, powers.schema) == (0, 1, 1, 1)
    assert numbers({"cube": ["size^3"]}, powers.terms, powers.schema) == (0, 1, 1, 2)
    formula = st.fit("y ~ C(city) + poly(size, 2) + size:city", rows, penalty="group:0.2")
    assert numbers(None, formula.terms, formula.schema) == (0, 1, 1, 1, 2, 2, 3, 3, 3, 3)
    assert numbers({"a": ["city", "poly(size, 2)"]}, formula.terms, formula.schema)[1:6] == (4,) * 5
    assert all(len(set((formula.theta[list(place)] == 0).tolist())) == 1 for place in ((1, 2, 3), (4, 5), (6, 7, 8, 9)))


def test_settings_the_command_sweeps_and_saved_runs_keep_them(table, tmp_path, capsys):
    x, y = table
    fit = st.fit(x, y, penalty="group:0.2", penalty_groups=GROUPS)
    fit.save(tmp_path / "run")
    assert st.load(tmp_path / "run").spec.penalty_groups == Spec.from_toml(fit.spec.to_toml()).penalty_groups
    assert st.load(tmp_path / "run").spec.penalty_groups == {name: tuple(each) for name, each in GROUPS.items()}
    data = np.column_stack([x, y])
    np.savetxt(tmp_path / "t.csv", data, delimiter=",", header="x1,x2,x3,x4,x5,x6,y", comments="")
    asked = options({"penalty": "group:0.2", "penalty_groups": GROUPS})
    assert asked[3] == "first=x1,x2,x3;second=x4,x5;third=x6"
    repeated = [word for group in asked[3].split(";") for word in ("--penalty-groups", group)]
    for words in (asked[2:], repeated):
        assert main(["fit", str(tmp_path / "t.csv"), "--target", "y", *asked[:2], *words, "--json"]) == 0
        found = json.loads(capsys.readouterr().out)["params"]
        np.testing.assert_allclose(list(found.values()), fit.theta, rtol=1e-9, atol=1e-12)
    with pytest.raises(SpecError, match=r"--penalty-groups x1: it is written GROUP=COLUMN,COLUMN, each group once"):
        value_of("penalty_groups", ["x1"])
    swept = st.sweep(
        x, y, penalty=["group:0.2", "group:1"], penalty_groups=GROUPS, lr=[0.05, 0.1], optimizer="sgd", epochs=500
    )
    np.testing.assert_allclose(swept.fit(1).theta, fit.theta, rtol=1e-5, atol=1e-6)
    assert "With a group penalty there are no standard errors" in fit.summary().reason
    strong = st.fit(x, y, penalty="group:20", penalty_groups=GROUPS).diagnose()
    (finding,) = [one for one in strong if one.code == "ST032"]
    assert finding.remedy["penalty"] in ("group:0.2", "none")


def test_estimators_take_them(table):
    x, y = table
    given = {"penalty": "group:0.2", "penalty_groups": GROUPS}
    model = st.DescentRegressor(**given).fit(x, y)
    np.testing.assert_allclose(model.coef_, st.fit(x, y, **given).theta[1:], rtol=1e-12, atol=1e-15)
    found = st.search(st.DescentRegressor(), {"penalty": ["group:0.2", "group:50", "none"]}, x, y, cv=3)
    assert found.best_params_ != {"penalty": "group:50"}
    assert found.cv_results_["mean_test_score"][1] < 0.05  # the mean alone
    with pytest.raises(SpecError, match="is for rows that are dense"):
        st.DescentRegressor(penalty="group:0.2").fit(scipy.sparse.csr_array(x), y)
    with pytest.raises(SpecError, match="are for rows that are dense"):
        st.DescentRegressor(bounds={"x1": (0, 1)}).fit(scipy.sparse.csr_array(x), y)


def test_scripts_print_the_numbers_of_the_fit(table, tmp_path):
    x, y = table
    asked = {
        "sgd": {"optimizer": "sgd", "lr": 5e-4, "epochs": 40},
        "scaled": {"optimizer": "momentum:0.5", "precondition": "standardize", "epochs": 40},
        "from elsewhere": {"optimizer": "sgd", "precondition": "standardize", "init": "normal", "epochs": 40},
        "adam": {"optimizer": "adam", "epochs": 40},
        "batches": {"optimizer": "sgd", "lr": 2e-4, "batch_size": 30, "epochs": 4},
    }
    paths, fits = [], []
    for name, more in asked.items():
        fit = st.fit(x * [1, 20, 1, 3, 1, 1], y, penalty="group:0.3", penalty_groups=GROUPS, **more)
        for style in ("loop", "module"):
            paths.append(tmp_path / f"{len(paths)}.py")
            fit.to_python(paths[-1], style=style)
            fits.append((f"{name} {style}", fit))
    for (name, fit), said in zip(fits, ran(paths), strict=True):
        found = printed(said)
        np.testing.assert_allclose([found[one] for one in fit.names], fit.theta, rtol=1e-7, atol=1e-9, err_msg=name)
        assert found["objective"] == pytest.approx(fit.objective_value, rel=1e-9), name
    fit = st.fit(x, y, penalty="group:0.3", penalty_groups=GROUPS)
    with pytest.raises(st.FitError, match="With a group penalty the default descent is too long to be written out"):
        fit.to_python()
    with pytest.raises(SpecError, match="knows no groups of coefficients"):
        fit.to_python(style="scikit-learn")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (
            {"penalty_groups": {"a": ["zz"]}},
            "penalty_groups= has 'zz', which is no column or coefficient. There are 'x1', 'x2'",
        ),
        ({"penalty_groups": {"a": ["x1"], "b": ["x2", "x1"]}}, "penalty_groups= has 'x1' in two groups, 'a' and 'b'"),
        ({"penalty_groups": {"a": []}}, "penalty_groups= has nothing in the group 'a'"),
        ({"penalty_groups": {"a": ["intercept"]}}, "penalty_groups= has the intercept, which is free"),
        ({"penalty_groups": {"a": 3.5}}, "penalty_groups= of 'a': 3.5 must be names"),
        ({"penalty_groups": ["x1"]}, r"penalty_groups=\['x1'\]: it must be a dict of names of columns"),
        ({"penalty_groups": GROUPS, "penalty": "l1:1"}, "is for penalty='group:A', and this fit has penalty='l1:1'"),
        ({"penalty_groups": GROUPS, "penalty": None}, "is for penalty='group:A', and this fit has penalty='none'"),
        ({"bounds": {"x1": (0, 1)}}, "goes with no bounds="),
        ({"model": "mlp:4"}, "this is a module"),
        ({"precondition": "orthonormal", "optimizer": "sgd"}, "mixes the columns"),
        ({"penalty": "group:-1"}, "must be at least 0"),
        ({"penalty": "group"}, "it is written group:A"),
    ],
)
def test_bad_groups_are_told(table, settings, words):
    with pytest.raises((SpecError, DataError), match=words) as caught:
        st.fit(*table, **({"penalty": "group:0.1"} | settings))
    assert len(str(caught.value)) < 300


def test_one_target_at_a_time_and_no_plain_objective(table):
    x, y = table
    with pytest.raises(SpecError, match="is for one target, and there are 2"):
        st.fit(x, np.column_stack([y, y]), penalty="group:0.1")
    with pytest.raises(SpecError, match="which fit\\(\\) knows"):
        st.objective("linear", "mse", x, y, penalty="group:0.1")
