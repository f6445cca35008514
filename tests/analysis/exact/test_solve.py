"""Every exact answer against another solver (statsmodels, scikit-learn, scipy) or a published value."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy.optimize import linprog, minimize
from scipy.stats import linregress
from sklearn import datasets
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import ElasticNet, Lasso, LogisticRegression, QuantileRegressor, Ridge

import steepest as st
from steepest.analysis.exact import separation
from steepest.analysis.exact.certificate import objective
from steepest.analysis.exact.smooth import smooth
from steepest.analysis.exact.solve import SOLVERS, solve
from steepest.formulas.penalties import PENALTIES
from steepest.model.linear import LinearProblem, Terms
from steepest.model.penalties import penalty
from steepest.model.torch_losses import loss


def problem(x, y, loss_name="mse", penalty_name="none", *, degree=1, intercept=True, weights=None, outputs=1):
    x = np.asarray(x, dtype=np.float64)
    x = x if x.ndim == 2 else x[:, None]
    terms = Terms(tuple(f"x{i}" for i in range(x.shape[1])), degree, intercept)
    return LinearProblem(
        terms.design(x),
        np.asarray(y),
        loss(loss_name),
        penalty(penalty_name),
        intercept,
        None if weights is None else weights / weights.mean(),
        outputs,
        degree=degree,
    )


def lesson_c():
    random = np.random.RandomState(42)
    x = np.sort(random.rand(100) * 2 - 1)
    y = 1 + 3 * x - 4 * x**2 + 0.7 * random.randn(100)
    x[0], y[0] = -1.5, 10
    return x, y


def regression(n=120, seed=0):
    random = np.random.default_rng(seed)
    x = random.standard_normal((n, 4)) * [1.0, 100.0, 0.01, 3.0] + [0.0, 50.0, 0.0, 1.0]
    y = 2.0 + x @ [1.0, -0.02, 50.0, 0.0] + random.standard_t(2, n)
    return x, y, random.uniform(0.2, 3.0, n)


def classes(k, n=150, seed=1):
    random = np.random.default_rng(seed)
    x = random.standard_normal((n, 3)) * [1.0, 10.0, 0.1]
    score = x @ (random.standard_normal((3, k)) * [[1.0], [0.1], [10.0]]) + random.gumbel(size=(n, k))
    return x, score.argmax(1), random.uniform(0.2, 3.0, n)


STACK_LOSS_X = np.array(
    [
        [80, 27, 89], [80, 27, 88], [75, 25, 90], [62, 24, 87], [62, 22, 87], [62, 23, 87], [62, 24, 93],
        [62, 24, 93], [58, 23, 87], [58, 18, 80], [58, 18, 89], [58, 17, 88], [58, 18, 82], [58, 19, 93],
        [50, 18, 89], [50, 18, 86], [50, 19, 72], [50, 19, 79], [50, 20, 80], [56, 20, 82], [70, 20, 91],
    ]
)  # fmt: skip
STACK_LOSS_Y = np.array(
    [42, 37, 37, 28, 18, 18, 19, 20, 15, 14, 14, 13, 11, 12, 8, 7, 8, 8, 9, 15, 15], dtype=np.float64
)


class TestPublished:
    def test_lesson_c_line_by_formula_and_by_least_squares(self):
        line = linregress(*lesson_c())
        assert (line.intercept, line.slope) == pytest.approx((-0.26649881, 2.64187294), abs=5e-9)
        np.testing.assert_allclose(solve(problem(*lesson_c())).theta, (line.intercept, line.slope), rtol=1e-12)

    def test_lesson_c_quadratic_by_l1(self):
        assert solve(problem(*lesson_c(), "l1", degree=2)).loss == pytest.approx(0.716, abs=5e-4)

    def test_lesson_c_degree_12_is_15_percent_below_adam(self):
        assert solve(problem(*lesson_c(), "l1", degree=12)).loss == pytest.approx(0.54 * 0.85, abs=0.01)

    def test_lesson_c_line_by_l1_against_scikit_learn(self):
        x, y = lesson_c()
        other = QuantileRegressor(quantile=0.5, alpha=0.0).fit(x[:, None], y)
        exact = solve(problem(x, y, "l1"))
        np.testing.assert_allclose(exact.theta, [other.intercept_, *other.coef_], rtol=1e-7)
        assert exact.loss == pytest.approx(np.abs(y - other.predict(x[:, None])).mean(), rel=1e-10)

    def test_stack_loss_by_least_absolute_deviations(self):
        exact = solve(problem(STACK_LOSS_X, STACK_LOSS_Y, "l1"))
        np.testing.assert_allclose(exact.theta, [-39.68986, 0.8318841, 0.5739130, -0.0608696], atol=5e-6)
        assert exact.loss * 21 == pytest.approx(42.08116, abs=5e-6)
        assert exact.certificate <= 1e-14

    def test_longley_has_the_certified_coefficients(self):
        from statsmodels.datasets import longley

        data = longley.load()
        x = data.exog[["GNPDEFL", "GNP", "UNEMP", "ARMED", "POP", "YEAR"]].to_numpy()
        certified = [
            -3482258.63459582,
            15.0618722713733,
            -0.358191792925910e-01,
            -2.02022980381683,
            -1.03322686717359,
            -0.511041056535807e-01,
            1829.15146461355,
        ]
        np.testing.assert_allclose(solve(problem(x, data.endog.to_numpy())).theta, certified, rtol=1e-13)

    def test_powers_of_one_column_come_out_exactly(self):
        x = np.arange(21.0)
        exact = solve(problem(x, sum(x**power for power in range(6)), degree=5))
        np.testing.assert_allclose(exact.theta, np.ones(6), rtol=1e-11)


class TestSquares:
    @pytest.mark.parametrize("weighted", [False, True])
    def test_least_squares_against_statsmodels(self, weighted):
        import statsmodels.api as sm

        x, y, weights = regression()
        other = sm.WLS(y, sm.add_constant(x), weights=weights if weighted else 1.0).fit()
        exact = solve(problem(x, y, weights=weights if weighted else None))
        np.testing.assert_allclose(exact.theta, other.params, rtol=1e-9)
        assert exact.certificate < 1e-15

    @pytest.mark.parametrize("intercept", [False, True])
    def test_ridge_against_scikit_learn(self, intercept):
        x, y, weights = regression()
        # scikit-learn: Σ w·r² + alpha·Σθ², so alpha = l2·Σw
        other = Ridge(alpha=0.3 * weights.sum(), fit_intercept=intercept, tol=1e-14, solver="cholesky")
        other.fit(x, y, sample_weight=weights)
        exact = solve(problem(x, y, penalty_name="l2:0.3", weights=weights, intercept=intercept))
        expected = [other.intercept_, *other.coef_] if intercept else other.coef_
        np.testing.assert_allclose(exact.theta, expected, rtol=1e-8)

    @pytest.mark.parametrize("penalty_name", ["none", "l2:0.7"])
    def test_several_targets_at_once(self, penalty_name):
        x, y = datasets.load_linnerud(return_X_y=True)
        exact = solve(problem(x, y, penalty_name=penalty_name, outputs=3))
        # F averages over 20 rows and 3 targets: alpha = l2·n·m
        other = Ridge(alpha=0.0 if penalty_name == "none" else 0.7 * 60, solver="svd").fit(x, y)
        np.testing.assert_allclose(
            exact.theta.reshape(3, 4), np.column_stack([other.intercept_, other.coef_]), rtol=1e-9
        )

    def test_rank_deficient_columns_give_the_least_norm_in_standardised_columns_and_say_so(self):
        x, y, _ = regression()
        x = np.column_stack([x, x[:, 0] + x[:, 1]])
        exact = solve(problem(x, y))
        standard = (x - x.mean(0)) / x.std(0)
        least = np.linalg.lstsq(standard, y - y.mean(), rcond=1e-10)[0] / x.std(0)
        np.testing.assert_allclose(exact.theta[1:], least, rtol=1e-9)
        assert "rank 5" in exact.note
        assert "smallest norm" in exact.note

    def test_a_perfect_fit_has_no_loss(self):
        x, _, _ = regression()
        exact = solve(problem(x, 1.0 + x @ [1.0, 2.0, 3.0, 4.0]))
        np.testing.assert_allclose(exact.theta, [1.0, 1.0, 2.0, 3.0, 4.0], rtol=1e-10)
        assert exact.loss < 1e-24


class TestPenalised:
    @pytest.mark.parametrize("penalty_name", ["l1:0.2", "elastic:0.2,0.05"])
    @pytest.mark.parametrize("weighted", [False, True])
    def test_squares_against_scikit_learn(self, penalty_name, weighted):
        x, y = datasets.load_diabetes(return_X_y=True)
        weights = np.random.default_rng(0).uniform(0.2, 3.0, len(y)) if weighted else None
        # scikit-learn: r²/(2n) + alpha·(ratio·|θ| + (1−ratio)·θ²/2), half of ours
        l1, l2 = penalty(penalty_name).l1, penalty(penalty_name).l2
        alpha = l1 / 2 + l2
        other = ElasticNet(alpha=alpha, l1_ratio=l1 / 2 / alpha, tol=1e-14, max_iter=100_000)
        other.fit(x, y, sample_weight=weights)
        exact = solve(problem(x, y, penalty_name=penalty_name, weights=weights))
        np.testing.assert_allclose(exact.theta, [other.intercept_, *other.coef_], rtol=1e-6, atol=1e-6)
        assert np.array_equal(exact.theta[1:] == 0.0, other.coef_ == 0.0)
        assert exact.certificate < 1e-14

    def test_columns_in_wild_units(self):
        x, y, _ = regression()
        exact = solve(problem(x * 10.0 ** np.array([-9, 0, 3, 9]), y, penalty_name="l1:1e-6"))
        assert exact.certificate < 1e-13

    def test_l1_on_degree_10_powers_is_at_the_bottom(self):
        x, y = lesson_c()
        mine = problem(x - 5.0, y, penalty_name="l1:0.001", degree=10)
        exact = solve(mine)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            other = Lasso(alpha=0.0005, tol=1e-12, max_iter=20_000).fit(mine.design[:, 1:], y)
        assert exact.objective <= objective(mine, np.array([other.intercept_, *other.coef_[:]])) + 1e-12
        assert exact.certificate < 1e-9

    @pytest.mark.parametrize("loss_name", ["huber:0.7", "logistic"])
    @pytest.mark.parametrize("penalty_name", ["l1:0.02", "elastic:0.02,0.01"])
    def test_smooth_losses_against_scipy(self, loss_name, penalty_name):
        x, y, weights = regression()
        mine = problem(x, (y > 2) * 1.0 if loss_name == "logistic" else y, loss_name, penalty_name, weights=weights)
        exact = solve(mine)
        assert exact.certificate < 1e-13
        split = _by_scipy(mine)
        assert exact.objective <= split + 1e-12
        assert exact.objective == pytest.approx(split, rel=1e-5)

    def test_logistic_against_scikit_learn(self):
        x, y, _ = classes(2)
        other = LogisticRegression(C=1 / (0.02 * len(y)), l1_ratio=1.0, solver="saga", tol=1e-10, max_iter=100_000).fit(
            x, y
        )
        exact = solve(problem(x, y.astype(float), "logistic", "l1:0.02"))
        np.testing.assert_allclose(exact.theta, [*other.intercept_, *other.coef_.ravel()], rtol=1e-4, atol=1e-5)

    @pytest.mark.parametrize("penalty_name", ["l1:0.01", "elastic:0.01,0.02"])
    def test_softmax_obeys_the_conditions_of_an_optimum(self, penalty_name):
        x, y, _ = classes(3)
        mine = problem(x, y, "cross_entropy", penalty_name, outputs=3)
        exact = solve(mine)
        assert exact.certificate < 1e-14
        random = np.random.default_rng(0)
        for size in (1e-6, 1e-3, 1.0):
            for _ in range(20):
                assert objective(mine, exact.theta + size * random.standard_normal(12)) >= exact.objective - 1e-15


def _by_scipy(mine):
    """The least objective that L-BFGS-B finds with θ = positive − negative part, in standardised columns."""
    scale = np.where(mine.penalised > 0, mine.design.std(0), 1.0)
    size = mine.parameters

    def value(parts):
        return objective(mine, (parts[:size] - parts[size:]) / scale)

    bounds = [(0.0, None)] * (2 * size)
    found = minimize(value, np.full(2 * size, 0.1), method="L-BFGS-B", bounds=bounds, options={"maxfun": 100_000})
    return found.fun


class TestProgramme:
    @pytest.mark.parametrize("level", [0.5, 0.1, 0.99])
    @pytest.mark.parametrize("weighted", [False, True])
    def test_quantiles_against_scikit_learn(self, level, weighted):
        x, y, weights = regression()
        weights = weights if weighted else None
        other = QuantileRegressor(quantile=level, alpha=0.0).fit(x, y, sample_weight=weights)
        mine = problem(x, y, f"quantile:{level}", weights=weights)
        exact = solve(mine)
        assert exact.objective == pytest.approx(objective(mine, np.array([other.intercept_, *other.coef_])), rel=1e-8)
        assert exact.certificate < 1e-13

    def test_median_regression_against_statsmodels(self):
        import statsmodels.api as sm

        x, y, _ = regression()
        other = sm.QuantReg(y, sm.add_constant(x)).fit(q=0.5, p_tol=1e-12, max_iter=5000)
        exact = solve(problem(x, y, "l1"))
        np.testing.assert_allclose(exact.theta, other.params, rtol=1e-4)
        assert exact.loss <= np.abs(other.resid).mean() + 1e-14

    @pytest.mark.parametrize("loss_name", ["l1", "quantile:0.3"])
    def test_l1_penalty_against_scikit_learn(self, loss_name):
        x, y, _ = regression()
        level, factor = (0.5, 2.0) if loss_name == "l1" else (0.3, 1.0)
        other = QuantileRegressor(quantile=level, alpha=0.05 / factor).fit(x, y)
        mine = problem(x, y, loss_name, "l1:0.05")
        exact = solve(mine)
        assert exact.objective == pytest.approx(objective(mine, np.array([other.intercept_, *other.coef_])), rel=1e-8)
        assert exact.certificate < 1e-13

    def test_many_rows_take_seconds(self):
        random = np.random.default_rng(0)
        x = random.standard_normal((25_000, 5))
        y = x.sum(1) + random.standard_t(2, 25_000)
        exact = solve(problem(x, y, "l1"))
        assert exact.certificate < 1e-12
        assert exact.seconds < 20

    def test_ties_and_a_perfect_fit(self):
        random = np.random.default_rng(0)
        x = random.integers(0, 3, (100, 2)).astype(float)
        assert solve(problem(x, random.integers(0, 3, 100).astype(float), "l1")).certificate < 1e-14
        assert solve(problem(x, x @ [1.0, 2.0] + 3.0, "l1")).loss < 1e-14


class TestSmooth:
    @pytest.mark.parametrize("loss_name", ["huber:0.5", "huber:1", "huber:20"])
    @pytest.mark.parametrize("penalty_name", ["none", "l2:0.1"])
    def test_huber_against_scipy(self, loss_name, penalty_name):
        x, y, weights = regression()
        mine = problem(x, y, loss_name, penalty_name, weights=weights)
        exact = solve(mine)
        start = np.zeros(mine.parameters)
        scale = np.array([1.0, *x.std(0)])
        found = minimize(lambda c: objective(mine, c / scale), start, method="BFGS", options={"gtol": 1e-9})
        assert exact.objective <= found.fun + 1e-14
        assert exact.objective == pytest.approx(found.fun, rel=1e-8)
        assert exact.certificate < 1e-15

    def test_huber_against_least_squares_of_scipy(self):
        from scipy.optimize import least_squares

        x, y, _ = regression()
        mine = problem(x, y, "huber:0.5")
        other = least_squares(
            lambda theta: y - mine.design @ theta, solve(problem(x, y)).theta, loss="huber", f_scale=0.5,
            x_scale="jac", xtol=1e-14, ftol=1e-14, gtol=1e-14,
        )  # fmt: skip
        np.testing.assert_allclose(solve(mine).theta, other.x, rtol=1e-4, atol=1e-5)

    def test_huber_far_outside_its_zone(self):
        x, y, _ = regression()
        exact = solve(problem(x, 1e6 * y, "huber:1"))
        assert exact.certificate < 1e-10
        # with so narrow a zone it is the l1 loss
        assert exact.loss == pytest.approx(solve(problem(x, 1e6 * y, "l1")).loss, rel=1e-5)

    def test_logistic_against_statsmodels(self):
        import statsmodels.api as sm

        x, y, _ = classes(2)
        other = sm.Logit(y, sm.add_constant(x)).fit(disp=0, tol=1e-14, maxiter=60, warn_convergence=False)
        exact = solve(problem(x, y.astype(float), "logistic"))
        np.testing.assert_allclose(exact.theta, other.params, rtol=1e-8)
        assert exact.loss == pytest.approx(-other.llf / len(y), rel=1e-13)
        assert exact.certificate < 1e-15

    def test_weighted_logistic_with_l2_against_scikit_learn(self):
        x, y, weights = classes(2)
        # scikit-learn: C·Σ w·ℓ + θ²/2
        other = LogisticRegression(C=1 / (2 * 0.01 * weights.sum()), tol=1e-12, solver="newton-cholesky")
        other.fit(x, y, sample_weight=weights)
        exact = solve(problem(x, y.astype(float), "logistic", "l2:0.01", weights=weights))
        np.testing.assert_allclose(exact.theta, [*other.intercept_, *other.coef_.ravel()], rtol=1e-6)

    def test_softmax_against_statsmodels(self):
        import statsmodels.api as sm

        x, y, _ = classes(3)
        other = sm.MNLogit(y, sm.add_constant(x)).fit(
            disp=0, method="newton", tol=1e-14, maxiter=60, warn_convergence=False
        )
        exact = solve(problem(x, y, "cross_entropy", outputs=3))
        theta = exact.theta.reshape(3, 4)
        np.testing.assert_allclose(theta[1:] - theta[0], other.params.T, rtol=1e-8)
        np.testing.assert_allclose(theta.sum(0), 0.0, atol=1e-12)
        assert exact.loss == pytest.approx(-other.llf / len(y), rel=1e-13)

    def test_softmax_with_l2_against_scikit_learn(self):
        x, y = datasets.load_iris(return_X_y=True)
        other = LogisticRegression(C=1 / (2 * 0.001 * 150), tol=1e-12, solver="newton-cholesky").fit(x, y)
        exact = solve(problem(x, y, "cross_entropy", "l2:0.001", outputs=3))
        theta = exact.theta.reshape(3, 5)
        np.testing.assert_allclose(theta[:, 1:], other.coef_, atol=1e-6)
        np.testing.assert_allclose(theta[:, 0], other.intercept_ - other.intercept_.mean(), atol=1e-5)

    def test_too_many_parameters_for_a_dense_newton(self, monkeypatch):
        from steepest.analysis.exact import smooth as newton

        x, y, _ = classes(3)
        mine = problem(x, y, "cross_entropy", "l2:0.01", outputs=3)
        dense = solve(mine)
        monkeypatch.setattr(newton, "MOST_DENSE", 2)
        np.testing.assert_allclose(solve(mine).theta, dense.theta, rtol=1e-9, atol=1e-12)


class TestSeparable:
    @pytest.mark.parametrize("name", ["breast_cancer", "wine"])
    def test_bundled_tables_that_a_plane_divides(self, name):
        x, y = getattr(datasets, f"load_{name}")(return_X_y=True)
        k = y.max() + 1
        one = k == 2
        mine = problem(
            x, y.astype(float) if one else y, "logistic" if one else "cross_entropy", outputs=1 if one else k
        )
        exact = solve(mine)
        assert exact.theta is None
        assert exact.loss == 0.0
        assert exact.separable
        assert "penalty='l2:0.001'" in exact.note
        assert _margin_by_scipy(x, y) > 0

    def test_iris_is_quasi_separable(self):
        import statsmodels.api as sm

        x, y = datasets.load_iris(return_X_y=True)
        exact = solve(problem(x, y, "cross_entropy", outputs=3))
        # setosa is told apart for ever better; what stays is the two others by themselves
        two = sm.Logit(y[50:] == 2, sm.add_constant(x[50:])).fit(disp=0, tol=1e-14, maxiter=60, warn_convergence=False)
        assert exact.separable
        assert exact.theta is None
        assert exact.loss == pytest.approx(-two.llf / 150, rel=1e-12)
        assert "quasi-separable (100 of 300" in exact.note
        assert exact.certificate < 1e-14

    def test_two_classes_that_touch(self):
        # both classes have a row at 0: only those two stay undecided, each with probability ½
        x = np.concatenate([np.linspace(-1, 0, 50), np.linspace(0, 1, 50)])
        exact = solve(problem(x, np.repeat([0.0, 1.0], 50), "logistic"))
        assert exact.separable
        assert exact.loss == pytest.approx(2 * np.log(2) / 100, rel=1e-12)

    def test_one_flipped_label_makes_the_optimum_finite(self):
        import statsmodels.api as sm

        x, y, _ = classes(2)
        y = (x[:, 0] + 10 * x[:, 2] > 0).astype(float)
        assert solve(problem(x, y, "logistic")).separable
        y[np.argmax(x[:, 0] + 10 * x[:, 2])] = 0.0
        exact = solve(problem(x, y, "logistic"))
        other = sm.Logit(y, sm.add_constant(x)).fit(disp=0, tol=1e-14, maxiter=60, warn_convergence=False)
        assert not exact.separable
        np.testing.assert_allclose(exact.theta, other.params, rtol=1e-7)

    def test_classes_that_overlap_by_a_hair(self):
        x = np.concatenate([np.linspace(-1, 1e-6, 50), np.linspace(0, 1, 50)])
        exact = solve(problem(x, np.repeat([0.0, 1.0], 50), "logistic"))
        assert not exact.separable
        assert exact.certificate < 1e-13

    def test_rows_without_weight_do_not_count(self):
        x, _, _ = classes(2)
        y = (x[:, 0] > 0).astype(float)
        y[:3] = 1.0 - y[:3]
        weights = np.ones(len(y))
        weights[:3] = 0.0
        assert solve(problem(x, y, "logistic", weights=weights)).separable

    def test_a_penalty_mends_it(self):
        x, y = datasets.load_wine(return_X_y=True)
        exact = solve(problem(x, y, "cross_entropy", "l2:0.001", outputs=3))
        assert exact.theta is not None
        assert exact.certificate < 1e-14


def _margin_by_scipy(x, y):
    """How far one-against-one planes can be found for every pair of classes: the least of their margins."""
    from scipy.optimize import linprog

    x = (x - x.mean(0)) / x.std(0)
    margins = []
    for a in range(y.max()):
        for b in range(a + 1, y.max() + 1):
            rows = np.column_stack([np.ones(len(x)), x])[(y == a) | (y == b)]
            signed = rows * np.where(y[(y == a) | (y == b)] == b, 1.0, -1.0)[:, None]
            columns = signed.shape[1]
            found = linprog(
                [*np.zeros(columns), -1.0],
                A_ub=np.column_stack([-signed, np.ones(len(signed))]),
                b_ub=np.zeros(len(signed)),
                bounds=[(-100, 100)] * columns + [(None, 1.0)],
            )
            margins.append(found.x[-1])
    return min(margins)


class TestNoAnswer:
    def test_a_loss_of_ones_own(self):
        exact = solve(problem(*lesson_c(), lambda prediction, target: (prediction - target) ** 4))
        assert exact.theta is None
        assert "loss of your own" in exact.note

    def test_the_table_is_full(self):
        assert all(set(row) == PENALTIES.keys() for row in SOLVERS.values())


def test_least_squares_far_from_zero_is_that_of_centred_columns():
    random = np.random.default_rng(0)
    near = random.normal(size=(1000, 3))
    y = near.sum(1) + 1e8 + random.normal(size=1000)
    far = near + np.array([1e8, 0.0, 0.0])
    found = solve(LinearProblem(Terms(("a", "b", "c")).design(far), y, loss("mse")))
    centred, target = far - far.mean(0), y - y.mean()
    best = np.linalg.lstsq(centred, target, rcond=None)[0]
    assert found.objective == pytest.approx(np.mean((target - centred @ best) ** 2), rel=1e-8)
    np.testing.assert_allclose(found.theta[1:], best, rtol=1e-6)


@pytest.mark.parametrize("rows", [1000, 10_000, 260_000])
def test_a_penalty_on_a_column_in_tiny_units_leaves_the_others_alone(rows):
    random = np.random.default_rng(0)
    z = random.normal(size=(rows, 2))
    x, y = z * [1e3, 1e-12], 3e3 * z[:, 0] + random.normal(size=rows)
    found = solve(LinearProblem(Terms(("a", "b")).design(x), y, loss("mse"), penalty("l2:1")))
    # whatever the tiny column has costs its square, which is nothing beside what it could win: ridge on the other alone
    column, target = x[:, 0] - x[:, 0].mean(), y - y.mean()
    alone = column @ target / (column @ column + rows)
    assert found.theta[1] == pytest.approx(alone, rel=1e-9)
    assert found.objective == pytest.approx(np.mean((target - alone * column) ** 2) + alone**2, rel=1e-9)


@pytest.mark.parametrize(
    "settings", [{}, {"penalty": "l2:0.3"}, {"weights": True}, {"intercept": False}, {"targets": 2}]
)
def test_a_tall_table_is_solved_without_a_copy_of_its_rows(settings):
    import tracemalloc

    import steepest as st

    random = np.random.default_rng(5)
    x = random.normal(size=(60_000, 20)) * np.geomspace(1e-3, 1e3, 20) + 5 * settings.get("intercept", True)
    settings = dict(settings)
    y = x @ random.normal(size=(20, settings.pop("targets", 1))) + random.normal(size=(60_000, 1))
    y = y[:, 0] if y.shape[1] == 1 else y
    weights = random.uniform(0.5, 2, 60_000) if settings.pop("weights", False) else None
    fit = st.fit(x, y, weights=weights, **settings)
    assert fit.problem is not None
    tracemalloc.start()
    exact = solve(fit.problem)
    _ = fit.loss
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 0.7 * x.nbytes
    # the normal equations in columns of one size, corrected in long double
    scale = np.concatenate([np.ones(exact.theta.size // len(np.atleast_2d(y.T)) - 20), x.std(0)])
    design = (np.column_stack([np.ones((60_000, len(scale) - 20)), x]) / scale).astype(np.longdouble)
    share = np.ones(60_000) if weights is None else weights / weights.mean()
    ridge = float(settings.get("penalty", "l2:0").removeprefix("l2:")) * len(np.atleast_2d(y.T)) * 60_000
    pull = ridge * np.where(np.arange(len(scale)) < len(scale) - 20, 0.0, scale**-2.0)
    squares = (design.T @ (design * share[:, None]) + np.diag(pull)).astype(float)
    best = np.zeros((len(scale), *y.shape[1:]), dtype=np.longdouble)
    for _ in range(4):
        slopes = design.T @ ((y - design @ best).T * share).T - (pull * best.T).T
        best += np.linalg.solve(squares, slopes.astype(float))
    np.testing.assert_allclose(exact.theta, (best.T / scale).ravel().astype(float), rtol=1e-9)
    predicted = (design @ best).astype(float)
    want = np.average(((y - predicted) ** 2).reshape(60_000, -1).mean(1), weights=weights)
    assert fit.loss == pytest.approx(want, rel=1e-11)
    np.testing.assert_allclose(fit.predict(x), predicted, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("seed", range(12))
def test_what_separable_classes_decide_is_what_the_programme_itself_finds(seed):
    """max Σ s over θ and 0 ≤ s ≤ 1 with each margin ≥ s, as Albert and Anderson 1984 have it, written out row by row."""
    random = np.random.default_rng(seed)
    x = np.column_stack([random.normal(size=(30, 2)), random.random(30) < 0.3])
    y = np.clip(np.rint(x[:, 0] + 1.5 + 0.4 * random.normal(size=30)), 0, 3).astype(int)
    y = np.unique(np.where(x[:, 2] > 0.5, y.max(), y), return_inverse=True)[1]
    design, classes = np.column_stack([np.ones(30), x]), y.max() + 1
    rows, place = [], []
    for i in range(30):
        for j in set(range(classes)) - {y[i]}:
            margin = np.zeros((classes, 4))
            margin[y[i]], margin[j] = design[i], -design[i]
            rows.append(margin.ravel())
            place.append((i, j))
    count, size = len(rows), 4 * classes
    found = linprog(
        np.r_[np.zeros(size), -np.ones(count)], A_ub=np.hstack([-np.array(rows), np.eye(count)]), b_ub=np.zeros(count),
        bounds=[(-1e4, 1e4)] * size + [(0, 1)] * count,
    )  # fmt: skip
    expected = np.zeros((30, classes), bool)
    for (i, j), won in zip(place, found.x[size:], strict=True):
        expected[i, j] = won > 0.5
    problem = st.objective("linear", "cross_entropy", x, y).problem
    np.testing.assert_array_equal(separation._decided(smooth(problem)), expected)
