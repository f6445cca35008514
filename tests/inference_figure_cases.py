"""Resamples, influence, inflation, tests and intervals beside statsmodels or a formula evaluated here, on the same tables.

for one in compared_figures(seed): one.what, one.of, one.ours, one.theirs, one.source
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import statsmodels.api as sm
from scipy import stats
from statsmodels.stats.outliers_influence import variance_inflation_factor

import steepest as st

from family_cases import EXACT, FAMILIES, numbers
from inference_cases import Compared, Table, table

RUNS = 60


def compared_figures(seed: int) -> Iterator[Compared]:
    """Every number on one table."""
    rows = table(seed)
    made = numbers(rows, seed)
    yield from _resamples(rows)
    yield from _rows_and_columns(rows, made)
    yield from _tests(rows, made)
    yield from _intervals(rows)


def _resamples(rows: Table) -> Iterator[Compared]:
    """Each resample refitted by NumPy; BCa by the formula of Efron 1987, with the jackknife's acceleration."""
    n = len(rows.y)
    found = st.fit(rows.x, rows.y).summary(bootstrap=RUNS, level=0.8)
    drawn = np.random.default_rng([0, 1]).integers(0, n, size=(RUNS, n))
    made = np.array([np.linalg.lstsq(rows.design[one], rows.y[one], rcond=None)[0] for one in drawn])
    theta = np.linalg.lstsq(rows.design, rows.y, rcond=None)[0]
    left = [np.delete(np.arange(n), row) for row in range(n)]
    each = np.array([np.linalg.lstsq(rows.design[one], rows.y[one], rcond=None)[0] for one in left])
    off = each.mean(0) - each
    bend = (off**3).sum(0) / (6 * (off**2).sum(0) ** 1.5)
    bias = stats.norm.ppf((made < theta).mean(0))
    percentiles = np.quantile(made, [0.1, 0.9], axis=0)
    ends = []
    for tail in (0.1, 0.9):
        moved = bias + stats.norm.ppf(tail)
        share = stats.norm.cdf(bias + moved / (1 - bend * moved))
        ends.append([np.quantile(one, part) for one, part in zip(made.T, share, strict=True)])
    error = made.std(0, ddof=1)
    theirs = {
        "std_error": error, "bias": made.mean(0) - theta, "percentile_low": percentiles[0],
        "percentile_high": percentiles[1], "bca_low": ends[0], "bca_high": ends[1],
    }  # fmt: skip
    source = "each resample by NumPy's lstsq; BCa by the formula"
    for name, value in theirs.items():
        ours = np.array(found.bootstrap.column(name).to_pylist())
        if name == "bias":  # digits of the mean that it is the rest of
            ours, value = ours + theta, value + theta
        yield Compared(f"bootstrap, {name}", "mse, bootstrap", ours, value, source)


def _rows_and_columns(rows: Table, made: dict[str, np.ndarray]) -> Iterator[Compared]:
    """Leverage, studentised residuals and Cook's distance of each row; the inflation of each column."""
    plain = sm.OLS(rows.y, rows.design).fit().get_influence()
    theirs = {
        "leverage": plain.hat_matrix_diag, "internal": plain.resid_studentized_internal,
        "external": plain.resid_studentized_external, "cooks": plain.cooks_distance[0],
    }  # fmt: skip
    fit = st.fit(rows.x, rows.y)
    for name, value in theirs.items():
        yield Compared(
            f"influence, {name}",
            "mse",
            getattr(fit.influence().source_data, name),
            value,
            "OLSInfluence of statsmodels",
        )
    inflation = [variance_inflation_factor(rows.design, place) for place in range(1, rows.design.shape[1])]
    source = "variance_inflation_factor of statsmodels"
    yield Compared("variance inflation", "mse", fit.variance_inflation().source_data.vif, inflation, source)
    families: dict[str, tuple[Any, Any]] = {"logistic": (rows.two, sm.families.Binomial())}
    families |= {loss: (made[loss], FAMILIES[loss]) for loss in ("poisson", "gamma", "tweedie:1.5")}
    for loss, (target, family) in families.items():
        influence = sm.GLM(target, rows.design, family).fit(**EXACT).get_influence(observed=False)
        ours = st.fit(rows.frame(y=target), target="y", loss=loss).influence().source_data
        theirs = {
            "leverage": influence.hat_matrix_diag, "internal": influence.resid_studentized,
            "cooks": influence.cooks_distance[0],
        }  # fmt: skip
        for name, value in theirs.items():
            yield Compared(f"influence, {name}", loss, getattr(ours, name), value, "GLMInfluence of statsmodels")


def _tests(rows: Table, made: dict[str, np.ndarray]) -> Iterator[Compared]:
    """Wald's tests and likelihood ratios of families; F by robust errors, of coefficients and of nested fits."""
    zero = "x1 = x2 = 0"
    for loss in ("poisson", "gamma", "tweedie:1.5"):
        frame = rows.frame(y=made[loss])
        model = sm.GLM(made[loss], rows.design, FAMILIES[loss])
        plain = model.fit(**EXACT)
        found = st.fit(frame, target="y", loss=loss).summary()
        tested, wanted = found.wald_test(["x1", "x2"]), plain.wald_test(zero, scalar=True)
        ours, theirs = [tested.statistic, tested.p_value], [wanted.statistic, wanted.pvalue]
        yield Compared("wald_test", loss, ours, theirs, "GLM of statsmodels")
        less = sm.GLM(made[loss], rows.design[:, :2], FAMILIES[loss]).fit(**EXACT)
        tested = found.compare_lr_test(st.fit(frame, target="y", columns=["x1"], loss=loss).summary())
        ratio = (less.deviance - plain.deviance) / plain.scale
        theirs = [ratio, stats.chi2.sf(ratio, plain.df_model - less.df_model)]
        source = "scaled deviances of GLM of statsmodels, as anova of R has them"
        yield Compared("compare_lr_test", loss, [tested.statistic, tested.p_value], theirs, source)
    frame = rows.frame(y=rows.y, g=rows.groups)
    fit, small = st.fit(frame, target="y", columns=rows.names), st.fit(f"y ~ {' + '.join(rows.names[2:]) or 1}", frame)
    for cov, more in (("HC3", {}), ("cluster:g", {"cov_kwds": {"groups": rows.groups}})):
        kind = cov.partition(":")[0]
        plain = sm.OLS(rows.y, rows.design).fit(cov_type=kind, use_t=True, **more).f_test(zero)
        found = fit.summary(cov=cov)
        for what, tested in (("f_test", found.f_test(["x1", "x2"])), ("compare_f_test", found.compare_f_test(small))):
            ours, theirs = [tested.statistic, tested.p_value], [plain.fvalue, plain.pvalue]
            yield Compared(what, f"mse, {kind}", ours, theirs, "OLS of statsmodels")


def _intervals(rows: Table) -> Iterator[Compared]:
    """Of predictions: f ± z·√(aᵀCa), of a class of several its log-odds against all others, of C as the summary has it."""
    new = rows.x[:7] + 0.5
    at = sm.add_constant(new, has_constant="add")
    for loss, law in (
        ("l1", stats.t(len(rows.y) - rows.design.shape[1])), ("quantile:0.3", stats.t(len(rows.y) - rows.design.shape[1])),
        ("huber:1.5", stats.norm), ("logcosh", stats.norm),
    ):  # fmt: skip
        fit = st.fit(rows.x, rows.y, loss=loss)
        middle, matrix = at @ fit.theta, fit.summary().covariance
        reach = law.ppf(0.95) * np.sqrt([row @ matrix @ row for row in at])
        ends = np.stack([middle, middle - reach, middle + reach], 1)
        yield Compared("predict, mean", loss, fit.predict(new, interval=0.9), ends, "f ± q·√(aᵀCa)")
    fit = st.fit(rows.x, np.array(list("abc"))[rows.three])
    plain = sm.MNLogit(rows.three, rows.design).fit(disp=0, tol=1e-14, method="newton", maxiter=100)
    share, matrix, made = plain.predict(at), np.asarray(plain.cov_params()), []
    for row, chance in zip(at, share, strict=True):
        for k in range(3):
            odds = np.log(chance[k] / (1 - chance[k]))
            slope = np.concatenate([chance[k] * ((k == j) - chance[j]) * row for j in (1, 2)]) / (
                chance[k] * (1 - chance[k])
            )
            reach = stats.norm.ppf(0.95) * np.sqrt(slope @ matrix @ slope)
            made.append([chance[k], *(1 / (1 + np.exp(-odds + sign * reach)) for sign in (1, -1))])
    source = "MNLogit of statsmodels, by the delta method on log(p/(1 − p))"
    yield Compared("predict, mean", "softmax", fit.predict(new, interval=0.9), np.reshape(made, (7, 3, 3)), source)
