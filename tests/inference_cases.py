"""Numbers of `fit.summary()` beside those of statsmodels, or of a formula evaluated here, on tables made by chance.

    for one in compared(seed): one.what, one.ours, one.theirs, one.source

The tests look whether eight digits agree; `benchmarks/inference.py` writes how many do to docs/inference.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import statsmodels.api as sm
from scipy import stats
from statsmodels.stats.stattools import durbin_watson, jarque_bera

import steepest as st

TABLES = 20
COEFFICIENTS = {"value": "params", "std_error": "bse", "statistic": "tvalues", "p_value": "pvalues"}
FIGURES = {
    "r2": "rsquared", "r2_adjusted": "rsquared_adj", "f": "fvalue", "f_p_value": "f_pvalue", "log_likelihood": "llf",
    "aic": "aic", "bic": "bic", "condition": "condition_number", "df_residual": "df_resid", "df_model": "df_model",
    "nobs": "nobs", "scale": "mse_resid",
}  # fmt: skip
LIKELIHOODS = {
    "log_likelihood": "llf", "aic": "aic", "bic": "bic", "df_residual": "df_resid", "df_model": "df_model",
}  # fmt: skip


@dataclass(frozen=True)
class Compared:
    """A number of ours beside theirs. what: its name in a summary. of: of which fit. source: what theirs is."""

    what: str
    of: str
    ours: Any
    theirs: Any
    source: str

    @property
    def digits(self) -> float:
        """How many digits agree at least."""
        ours, theirs = np.asarray(self.ours, np.float64), np.asarray(self.theirs, np.float64)
        assert ours.shape == theirs.shape, (self.what, self.of)
        off = np.abs(ours - theirs) / np.where(theirs == 0, 1.0, np.abs(theirs))
        worst = float(off.max())
        assert worst == worst, (self.what, self.of)
        return 16.0 if worst == 0 else min(16.0, float(-np.log10(worst)))


@dataclass(frozen=True)
class Table:
    """x `[n, d]`, targets of several kinds, weights, whole-number weights and groups `[n]`."""

    x: np.ndarray
    y: np.ndarray
    two: np.ndarray
    three: np.ndarray
    weights: np.ndarray
    counts: np.ndarray
    groups: np.ndarray

    def frame(self, **columns: Any) -> dict[str, Any]:
        """x and other columns by name."""
        return {f"x{i}": column for i, column in enumerate(self.x.T, 1)} | columns

    @property
    def names(self) -> list[str]:
        return [f"x{i}" for i in range(1, self.x.shape[1] + 1)]

    @property
    def design(self) -> np.ndarray:
        return sm.add_constant(self.x)


def table(seed: int) -> Table:
    generator = np.random.default_rng(seed)
    n, d = int(generator.integers(60, 200)), int(generator.integers(2, 6))
    x = generator.normal(size=(n, d)) * generator.uniform(0.5, 5.0, d) + generator.normal(size=d)
    line = x @ generator.normal(size=d) / np.sqrt(d)
    y = 1.0 + line + generator.normal(size=n) * (0.5 + np.abs(x[:, 0]))
    scores = np.stack([0.0 * line, 0.3 * line, -0.2 * x[:, 0]], 1) + generator.gumbel(size=(n, 3))
    return Table(
        x, y, (0.4 * line + generator.logistic(size=n) > 0).astype(int), scores.argmax(1),
        generator.uniform(0.5, 3.0, n), generator.integers(1, 4, n), generator.integers(0, 12, n),
    )  # fmt: skip


def compared(seed: int) -> Iterator[Compared]:
    """Every number on one table."""
    rows = table(seed)
    yield from _least_squares(rows)
    yield from _weighted(rows)
    yield from _two_classes(rows)
    yield from _three_classes(rows)
    yield from _quantiles(rows)
    yield from _m_estimates(rows)


def of_result(summary: Any, theirs: Any, of: str, source: str, figures: dict[str, str]) -> Iterator[Compared]:
    """Coefficients and figures beside those of a result of statsmodels."""
    for ours, name in COEFFICIENTS.items():
        yield Compared(ours, of, summary.coefficients.column(ours).to_pylist(), getattr(theirs, name), source)
    low, high = np.asarray(theirs.conf_int()).T
    yield Compared("low", of, summary.coefficients.column("low").to_pylist(), low, source)
    yield Compared("high", of, summary.coefficients.column("high").to_pylist(), high, source)
    for ours, name in figures.items():
        yield Compared(ours, of, getattr(summary, ours), getattr(theirs, name), source)


def _least_squares(rows: Table) -> Iterator[Compared]:
    fit = st.fit(rows.frame(y=rows.y, g=rows.groups), target="y", columns=rows.names)
    source = "OLS of statsmodels"
    plain = sm.OLS(rows.y, rows.design).fit()
    summary = fit.summary()
    yield from of_result(summary, plain, "mse", source, FIGURES)
    watson = "durbin_watson of statsmodels"
    yield Compared("durbin_watson", "mse", summary.durbin_watson, durbin_watson(plain.resid), watson)
    names = ("jarque_bera", "jarque_bera_p_value", "skewness", "kurtosis")
    for name, value in zip(names, jarque_bera(plain.resid), strict=True):
        yield Compared(name, "mse", getattr(summary, name), value, "jarque_bera of statsmodels")
    tested, theirs = summary.f_test(["x1", "x2"]), plain.f_test("x1 = x2 = 0")
    yield Compared("f_test", "mse", [tested.statistic, tested.p_value], [theirs.fvalue, theirs.pvalue], source)
    tested, theirs = summary.wald_test(["x1", "x2"]), plain.wald_test("x1 = x2 = 0", use_f=False, scalar=True)
    yield Compared("wald_test", "mse", [tested.statistic, tested.p_value], [theirs.statistic, theirs.pvalue], source)
    smaller = st.fit(rows.x[:, :1], rows.y)
    tested, theirs = summary.compare_f_test(smaller), plain.compare_f_test(sm.OLS(rows.y, rows.design[:, :2]).fit())
    ours = [tested.statistic, tested.p_value, tested.df]
    yield Compared("compare_f_test", "mse", ours, theirs, source)
    for cov in ("HC0", "HC1", "HC2", "HC3"):
        robust = sm.OLS(rows.y, rows.design).fit(cov_type=cov, use_t=True)
        yield from of_result(fit.summary(cov=cov), robust, f"mse, {cov}", source, FIGURES)
    grouped = sm.OLS(rows.y, rows.design).fit(cov_type="cluster", cov_kwds={"groups": rows.groups}, use_t=True)
    yield from of_result(fit.summary(cov="cluster:g"), grouped, "mse, cluster", source, FIGURES)
    around = rows.x[:7] + 0.5
    frame = plain.get_prediction(sm.add_constant(around)).summary_frame(alpha=0.05)
    source = "get_prediction of statsmodels"
    ends = frame[["mean", "mean_ci_lower", "mean_ci_upper"]].to_numpy()
    new = dict(zip(rows.names, around.T, strict=True))
    yield Compared("predict, mean", "mse", fit.predict(new, interval=0.95), ends, source)
    ends = frame[["mean", "obs_ci_lower", "obs_ci_upper"]].to_numpy()
    yield Compared("predict, observation", "mse", fit.predict(new, interval=0.95, kind="observation"), ends, source)
    low, high = fit.summary(level=0.9, distribution="z").coefficients.select(["low", "high"]).to_pandas().to_numpy().T
    error = np.asarray(plain.bse) * stats.norm.ppf(0.95)
    ends = [plain.params - error, plain.params + error]
    yield Compared("low, high", "mse, level=0.9, distribution='z'", [low, high], ends, "scipy.stats.norm")


def _weighted(rows: Table) -> Iterator[Compared]:
    fit = st.fit(rows.frame(y=rows.y, w=rows.weights), target="y", weights="w")
    plain = sm.WLS(rows.y, rows.design, weights=rows.weights)
    figures = {name: theirs for name, theirs in FIGURES.items() if name != "condition"}
    yield from of_result(fit.summary(), plain.fit(), "mse, weights", "WLS of statsmodels", FIGURES)
    for cov in ("HC0", "HC3"):
        robust = plain.fit(cov_type=cov, use_t=True)
        yield from of_result(fit.summary(cov=cov), robust, f"mse, weights, {cov}", "WLS of statsmodels", figures)
    counted = rows.frame(y=rows.y, w=rows.counts)
    fit = st.fit(counted, target="y", weights="w", weights_kind="frequency")
    again = np.repeat(np.arange(len(rows.y)), rows.counts)
    plain = sm.OLS(rows.y[again], rows.design[again])
    yield from of_result(fit.summary(), plain.fit(), "mse, frequencies", "OLS of statsmodels on repeated rows", FIGURES)
    robust = plain.fit(cov_type="HC2", use_t=True)
    what = "mse, frequencies, HC2"
    yield from of_result(fit.summary(cov="HC2"), robust, what, "OLS of statsmodels on repeated rows", figures)


def _two_classes(rows: Table) -> Iterator[Compared]:
    exact = {"disp": 0, "tol": 1e-14, "method": "newton"}
    fit = st.fit(rows.frame(y=rows.two, g=rows.groups), target="y", model="logistic", columns=rows.names)
    plain = sm.Logit(rows.two, rows.design).fit(**exact)
    source = "Logit of statsmodels"
    yield from of_result(fit.summary(), plain, "logistic", source, LIKELIHOODS)
    yield from _against_the_null(fit.summary(), plain.llf, rows.two, "logistic")
    yield Compared("deviance", "logistic", fit.summary().deviance, -2 * plain.llf, source)
    tested, theirs = fit.summary().wald_test(["x1", "x2"]), plain.wald_test("x1 = x2 = 0", scalar=True)
    yield Compared(
        "wald_test", "logistic", [tested.statistic, tested.p_value], [theirs.statistic, theirs.pvalue], source
    )
    smaller = st.fit(rows.x[:, :1], rows.two, model="logistic")
    less = sm.Logit(rows.two, rows.design[:, :2]).fit(**exact)
    tested = fit.summary().compare_lr_test(smaller)
    ratio = 2 * (plain.llf - less.llf)
    wanted = [ratio, stats.chi2.sf(ratio, plain.df_model - less.df_model)]
    yield Compared("compare_lr_test", "logistic", [tested.statistic, tested.p_value], wanted, source)
    robust = sm.Logit(rows.two, rows.design).fit(**exact, cov_type="HC0")
    yield from of_result(fit.summary(cov="HC0"), robust, "logistic, HC0", source, {})
    grouped = sm.Logit(rows.two, rows.design).fit(**exact, cov_type="cluster", cov_kwds={"groups": rows.groups})
    yield from of_result(fit.summary(cov="cluster:g"), grouped, "logistic, cluster", source, {})
    fit = st.fit(rows.frame(y=rows.two, w=rows.weights), target="y", model="logistic", weights="w")
    weighted = sm.GLM(rows.two, rows.design, sm.families.Binomial(), var_weights=rows.weights)
    source = "GLM of statsmodels"
    exact = {"tol": 1e-14, "tol_criterion": "params"}
    result = weighted.fit(**exact)
    figures = {"log_likelihood": "llf", "aic": "aic", "deviance": "deviance", "df_residual": "df_resid"}
    yield from of_result(fit.summary(), result, "logistic, weights", source, figures)
    frame = result.get_prediction(rows.design[:7]).summary_frame(alpha=0.1)
    ends = frame[["mean", "mean_ci_lower", "mean_ci_upper"]].to_numpy()
    new = dict(zip(rows.names, rows.x[:7].T, strict=True))
    source = "get_prediction of GLM of statsmodels"
    yield Compared("predict, mean", "logistic, weights", fit.predict(new, interval=0.9), ends, source)
    source = "GLM of statsmodels"
    robust = weighted.fit(**exact, cov_type="HC0")
    yield from of_result(fit.summary(cov="HC0"), robust, "logistic, weights, HC0", source, {})
    # GLM itself takes the names HC1 to HC3 and answers HC0
    left = 1 - result.get_hat_matrix_diag()
    n, p = rows.design.shape
    scores = rows.design * (rows.weights * (rows.two - result.mu))[:, None]
    for cov, factor in (("HC1", np.full(n, n / (n - p))), ("HC2", 1 / left), ("HC3", left**-2)):
        bread = result.cov_params() / result.scale
        error = np.sqrt(np.diag(bread @ (scores.T * factor) @ scores @ bread))
        ours = fit.summary(cov=cov).coefficients.column("std_error").to_pylist()
        source = "the formula of R's sandwich::vcovHC, with the leverages of GLM of statsmodels"
        yield Compared("std_error", f"logistic, weights, {cov}", ours, error, source)


def _against_the_null(summary: Any, log_likelihood: float, codes: np.ndarray, of: str) -> Iterator[Compared]:
    """What statsmodels finds by iterations, to seven digits, and a formula to all."""
    counts = np.bincount(codes)
    null = float(counts @ np.log(counts / counts.sum()))
    ratio = 2 * (log_likelihood - null)
    theirs = {
        "log_likelihood_null": null,
        "pseudo_r2": 1 - log_likelihood / null,
        "likelihood_ratio": ratio,
        "likelihood_ratio_p_value": stats.chi2.sf(ratio, summary.df_model),
    }
    for name, value in theirs.items():
        yield Compared(name, of, getattr(summary, name), value, "the formula, and scipy.stats.chi2")


def _three_classes(rows: Table) -> Iterator[Compared]:
    fit = st.fit(rows.frame(y=np.array(list("abc"))[rows.three]), target="y")
    source = "MNLogit of statsmodels"
    model = sm.MNLogit(rows.three, rows.design)
    plain = model.fit(disp=0, tol=1e-14, method="newton")
    summary = fit.summary(reference="a")
    of = "softmax, against a reference"
    for ours, name in COEFFICIENTS.items():
        theirs = np.asarray(getattr(plain, name)).T.ravel()
        yield Compared(ours, of, summary.coefficients.column(ours).to_pylist(), theirs, source)
    for ours, name in LIKELIHOODS.items():
        if ours != "df_model":
            yield Compared(ours, of, getattr(summary, ours), getattr(plain, name), source)
    yield from _against_the_null(summary, plain.llf, rows.three, of)
    robust = model.fit(disp=0, tol=1e-14, method="newton", cov_type="HC0")
    errors = fit.summary(cov="HC0", reference="a").coefficients.column("std_error").to_pylist()
    yield Compared("std_error", f"{of}, HC0", errors, robust.bse.T.ravel(), source)
    yield from _one_step_classes(fit, rows, model.predict(plain.params), of)
    # the coefficients of the classes sum to 0: a linear map of those against the reference
    turn = np.kron(np.array([[-1, -1], [2, -1], [-1, 2]]) / 3, np.eye(rows.design.shape[1]))
    summary = fit.summary()
    made = turn @ plain.params.T.ravel()
    errors = np.sqrt(np.diag(turn @ plain.cov_params() @ turn.T))
    source = f"{source}, turned"
    yield Compared("value", "softmax, summing to 0", summary.coefficients.column("value").to_pylist(), made, source)
    ours = summary.coefficients.column("std_error").to_pylist()
    yield Compared("std_error", "softmax, summing to 0", ours, errors, source)


def _one_step_classes(fit: st.Fit, rows: Table, share: np.ndarray, of: str) -> Iterator[Compared]:
    """HC1, and HC3: θ after one Newton step without each row, row by row."""
    size, scores, bends = 2 * rows.design.shape[1], [], []
    for row, chance, code in zip(rows.design, share[:, 1:], rows.three, strict=True):
        scores.append(np.kron(np.eye(3)[code, 1:] - chance, row))
        bends.append(np.kron(np.diag(chance) - np.outer(chance, chance), np.outer(row, row)))
    whole = np.sum(bends, 0)
    moved = np.array([np.linalg.solve(whole - bend, score) for bend, score in zip(bends, scores, strict=True)])
    errors = fit.summary(cov="HC3", reference="a").coefficients.column("std_error").to_pylist()
    source = "the jackknife with one Newton step, row by row"
    yield Compared("std_error", f"{of}, HC3", errors, np.sqrt((moved**2).sum(0)), source)
    plain, n = np.linalg.solve(whole, np.array(scores).T), len(rows.three)
    errors = fit.summary(cov="HC1", reference="a").coefficients.column("std_error").to_pylist()
    wanted = np.sqrt(n / (n - size) * (plain**2).sum(1))
    yield Compared("std_error", f"{of}, HC1", errors, wanted, "n/(n − q) times the sandwich, as R's sandwich has it")


def _quantiles(rows: Table) -> Iterator[Compared]:
    for loss, level in (("l1", 0.5), ("quantile:0.3", 0.3)):
        fit = st.fit(rows.x, rows.y, loss=loss)
        found = fit.summary()
        n, p = rows.design.shape
        residuals = rows.y - rows.design @ fit.exact.theta
        width = sm.regression.quantile_regression.hall_sheather(n, level)
        spread = min(np.std(rows.y), stats.iqr(residuals) / 1.34)
        width = spread * (stats.norm.ppf(level + width) - stats.norm.ppf(level - width))
        kernel = sm.regression.quantile_regression.kernels["epa"](residuals / width) / width
        squares = np.linalg.inv(rows.design.T @ rows.design)
        error = np.sqrt(level * (1 - level) * np.diag(squares)) / kernel.mean()
        source = "the formula of QuantReg of statsmodels, at the exact θ"
        ours = found.coefficients.column("std_error").to_pylist()
        yield Compared("std_error", loss, ours, error, source)
        chance = 2 * stats.t.sf(np.abs(fit.theta / error), n - p)
        yield Compared("p_value", loss, found.coefficients.column("p_value").to_pylist(), chance, source)
        off = np.where(residuals > 0, level, level - 1) * residuals
        whole = rows.y - np.quantile(rows.y, level)
        share = 1 - off.sum() / (np.where(whole > 0, level, level - 1) * whole).sum()
        yield Compared("pseudo_r2", loss, found.pseudo_r2, share, source)
        bread = np.linalg.inv((rows.design.T * kernel) @ rows.design)
        error = np.sqrt(level * (1 - level) * np.diag(bread @ rows.design.T @ rows.design @ bread))
        ours = fit.summary(cov="HC0").coefficients.column("std_error").to_pylist()
        yield Compared(
            "std_error", f"{loss}, HC0", ours, error, "Powell's kernel sandwich (`ker` of R's quantreg), at the exact θ"
        )


def _m_estimates(rows: Table) -> Iterator[Compared]:
    n, p = rows.design.shape
    for loss, slope, bend in (
        ("huber:1.5", lambda r: np.clip(r, -1.5, 1.5), lambda r: 1.0 * (np.abs(r) <= 1.5)),
        ("logcosh", np.tanh, lambda r: np.cosh(r) ** -2.0),
    ):
        fit = st.fit(rows.x, rows.y, loss=loss)
        residuals = rows.y - rows.design @ fit.exact.theta
        psi, bent = slope(residuals), bend(residuals)
        squares = np.linalg.inv(rows.design.T @ rows.design)
        correction = 1 + p / n * np.var(bent) / bent.mean() ** 2
        error = np.sqrt(correction**2 * (psi @ psi) / (n - p) / bent.mean() ** 2 * np.diag(squares))
        source = "H1 of RLM of statsmodels with the scale 1, at the exact θ"
        yield Compared("std_error", loss, fit.summary().coefficients.column("std_error").to_pylist(), error, source)
        bread = np.linalg.inv((rows.design.T * bent) @ rows.design)
        error = np.sqrt(np.diag(bread @ (rows.design.T * psi**2) @ rows.design @ bread))
        ours = fit.summary(cov="HC0").coefficients.column("std_error").to_pylist()
        yield Compared("std_error", f"{loss}, HC0", ours, error, "Huber's sandwich, at the exact θ")
        whole = (rows.design.T * bent) @ rows.design
        moved = np.array(
            [
                np.linalg.solve(whole - curve * np.outer(row, row), row * score)
                for row, curve, score in zip(rows.design, bent, psi, strict=True)
            ]
        )
        ours = fit.summary(cov="HC3").coefficients.column("std_error").to_pylist()
        source = "the jackknife with one Newton step, row by row"
        yield Compared("std_error", f"{loss}, HC3", ours, np.sqrt((moved**2).sum(0)), source)
        ours = fit.summary(cov="HC1").coefficients.column("std_error").to_pylist()
        source = "n/(n − p) times Huber's sandwich, at the exact θ"
        yield Compared("std_error", f"{loss}, HC1", ours, error * np.sqrt(n / (n - p)), source)
