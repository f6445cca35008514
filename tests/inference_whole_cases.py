"""Every number that `fit.summary()` has, of each loss and each covariance, beside statsmodels or a formula evaluated here.

A number that nobody compares is an error: `everything` goes through all that a summary has.

    for one in compared_whole(seed): one.what, one.of, one.ours, one.theirs, one.source
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import statsmodels.api as sm
from scipy import linalg, optimize, stats
from statsmodels.stats.stattools import durbin_watson, jarque_bera

import steepest as st
from steepest.inference.regression import Figures

from family_cases import EXACT, FAMILIES, numbers
from inference_cases import FIGURES, Compared, Table, table

COVS = ("nonrobust", "HC0", "HC1", "HC2", "HC3", "cluster:g")
COLUMNS = ("value", "exact", "digits", "std_error", "statistic", "p_value", "low", "high")
NAMES = tuple(one.name for one in fields(Figures))
DIRECT = "the formula, evaluated row by row"


@dataclass(frozen=True)
class Oracle:
    """What a fit is to have. design `[n, p]`; theta `[p]`; slope, bend: ℓ' and ℓ'' of each row; alike: the covariance by theory.

    figures: of the fit, by name. source: what theta and the figures are. t: whether tests are Student's. reached: θ of the
    descent, where it ends with fewer digits than are asked for here: as many as the summary says.
    """

    design: np.ndarray
    theta: np.ndarray
    slope: np.ndarray
    bend: np.ndarray
    alike: np.ndarray
    figures: dict[str, Any]
    source: str
    groups: np.ndarray
    weights: np.ndarray
    t: bool = False
    constant: bool = True
    reached: np.ndarray | None = None

    def covariance(self, cov: str) -> np.ndarray:
        """B⁻¹·J·B⁻¹ in the coefficients themselves."""
        if cov == "nonrobust":
            return self.alike
        n, p = self.design.shape
        bread = np.linalg.inv((self.design.T * (self.weights * self.bend)) @ self.design)
        scores = self.design * (self.weights * self.slope)[:, None]
        if cov.startswith("cluster"):
            sums = np.array([scores[self.groups == one].sum(0) for one in np.unique(self.groups)])
            scores = sums * np.sqrt(len(sums) / (len(sums) - 1) * (n - 1) / (n - p))
        leverage = np.array(
            [w * b * row @ bread @ row for w, b, row in zip(self.weights, self.bend, self.design, strict=True)]
        )
        factor = {"HC1": n / (n - p), "HC2": 1 / (1 - leverage), "HC3": (1 - leverage) ** -2}.get(cov, 1.0)
        meat = scores.T @ (scores * np.reshape(factor, (-1, 1)))
        return bread @ meat @ bread

    def numbers(self, cov: str) -> dict[str, Any]:
        """All of them."""
        matrix, (n, p) = self.covariance(cov), self.design.shape
        error = np.sqrt(np.diag(matrix))
        df = len(np.unique(self.groups)) - 1 if cov.startswith("cluster") else n - p
        law = stats.t(df) if self.t else stats.norm
        reach, value = law.ppf(0.975) * error, self.theta if self.reached is None else self.reached
        return self.figures | {
            "value": self.theta if self.reached is None else None, "exact": self.theta, "std_error": error,
            "statistic": value / error,
            "p_value": 2 * law.sf(np.abs(value / error)), "low": value - reach, "high": value + reach,
            "condition": np.linalg.cond(self.design * np.sqrt(self.weights)[:, None]), "nobs": n,
            "df_residual": n - p, "df_model": p - self.constant, "covariance": matrix,
        } | self.f_test(cov, matrix, df)  # fmt: skip

    def f_test(self, cov: str, matrix: np.ndarray, df: float) -> dict[str, float]:
        """Of least squares the test of all coefficients but the constant."""
        if "f" not in self.figures or cov == "nonrobust":
            return {}
        theta = self.theta[1:]
        value = theta @ np.linalg.solve(matrix[1:, 1:], theta) / len(theta)
        return {"f": value, "f_p_value": stats.f.sf(value, len(theta), df)}


def everything(summary: Any, of: str, theirs: dict[str, Any], source: str) -> Iterator[Compared]:
    """Each number that a summary has beside theirs. KeyError where they have none."""
    for name in COLUMNS:
        ours = summary.coefficients.column(name).to_pylist()
        if name == "digits":
            value, exact = (np.array(summary.coefficients.column(each).to_pylist()) for each in ("value", "exact"))
            off = np.maximum(np.abs(value - exact) / np.abs(exact), 1e-16)
            yield Compared(name, of, ours, np.clip(-np.log10(off), 0, 16), "the formula, of value and exact")
        elif theirs[name] is not None:
            yield Compared(name, of, ours, theirs[name], source if name in ("value", "exact") else DIRECT)
    yield Compared("covariance", of, summary.covariance, theirs["covariance"], DIRECT)
    for name in NAMES:
        ours = getattr(summary, name)
        if ours is not None:
            given = name in ("condition", "nobs", "df_residual", "df_model", "f", "f_p_value")
            yield Compared(name, of, ours, theirs[name], DIRECT if given else source)


def compared_whole(seed: int) -> Iterator[Compared]:
    """Every number of every loss and covariance on one table."""
    rows = table(seed)
    made = numbers(rows, seed)
    for of, (fit, oracle) in cases(rows, made).items():
        piecewise = of in ("l1", "quantile:0.3")
        for cov in COVS:
            if piecewise and cov in ("HC1", "HC2", "HC3"):  # no leverage
                continue
            known = oracle(cov) if callable(oracle) else oracle
            label = of if cov == "nonrobust" else f"{of}, {cov.partition(':')[0]}"
            yield from everything(fit.summary(cov=cov), label, known.numbers(cov), known.source)
    yield from _softmax(rows)


def cases(rows: Table, made: dict[str, np.ndarray]) -> dict[str, tuple[st.Fit, Oracle | Callable[[str], Oracle]]]:
    """Fits with what they are to have."""
    x, ones = rows.names, np.ones(len(rows.y))
    found: dict[str, Any] = {}

    def fitted(target: np.ndarray, **settings: Any) -> st.Fit:
        frame = rows.frame(y=target, g=rows.groups, w=rows.weights, f=rows.counts, m=made["trials"], e=made["exposure"])
        return st.fit(frame, target="y", columns=x, **settings)

    again = np.repeat(np.arange(len(rows.y)), rows.counts)
    often = {"weights": "f", "weights_kind": "frequency"}
    found["mse"] = fitted(rows.y), _squares(rows, slice(None), ones)
    found["mse, weights"] = fitted(rows.y, weights="w"), _squares(rows, slice(None), rows.weights)
    found["mse, frequencies"] = fitted(rows.y, **often), _squares(rows, again, ones[again])
    logit, probit = sm.families.Binomial(), sm.families.Binomial(sm.families.links.Probit())
    two = rows.two.astype(float)
    found["logistic"] = fitted(rows.two, model="logistic"), _classes(rows, two, logit, slice(None), ones)
    found["logistic, weights"] = (
        fitted(rows.two, model="logistic", weights="w"),
        _classes(rows, two, logit, slice(None), rows.weights),
    )
    found["logistic, frequencies"] = (
        fitted(rows.two, model="logistic", **often),
        _classes(rows, two, logit, again, ones[again]),
    )
    found["logistic, link probit"] = (
        fitted(rows.two, model="logistic", link="probit"),
        _classes(rows, two, probit, slice(None), ones),
    )
    for loss, family in FAMILIES.items():
        more = {"trials": "m"} if loss == "binomial" else {}
        trials = made["trials"] if more else ones
        found[loss] = (
            fitted(made[loss], loss=loss, **more),
            _family(rows, made[loss] / trials, family, slice(None), trials),
        )
        if not more:
            found[f"{loss}, frequencies"] = (
                fitted(made[loss], loss=loss, **often),
                _family(rows, made[loss], family, again, ones[again]),
            )
    found["gamma, weights"] = (
        fitted(made["gamma"], loss="gamma", weights="w"),
        _family(rows, made["gamma"], FAMILIES["gamma"], slice(None), rows.weights),
    )
    for loss, level in (("l1", 0.5), ("quantile:0.3", 0.3)):
        fit = fitted(rows.y, loss=loss)
        found[loss] = fit, _quantile(rows, level, fit.theta)
    found["huber:1.5"] = (
        fitted(rows.y, loss="huber:1.5"),
        _m_estimate(rows, lambda r: np.clip(r, -1.5, 1.5), lambda r: 1.0 * (np.abs(r) <= 1.5)),
    )
    found["logcosh"] = fitted(rows.y, loss="logcosh"), _m_estimate(rows, np.tanh, lambda r: np.cosh(r) ** -2.0)
    found["expectile:0.8"] = (
        fitted(rows.y, loss="expectile:0.8"),
        _m_estimate(rows, lambda r: 2 * np.where(r > 0, 0.8, 0.2) * r, lambda r: 2 * np.where(r > 0, 0.8, 0.2)),
    )
    return found


def _squares(rows: Table, take: Any, weights: np.ndarray) -> Oracle:
    design, y = rows.design[take], rows.y[take]
    model = sm.OLS(y, design) if (weights == 1).all() else sm.WLS(y, design, weights=weights)
    found = model.fit()
    figures = {ours: getattr(found, theirs) for ours, theirs in FIGURES.items()}
    bera = jarque_bera(found.wresid)
    figures |= dict(zip(("jarque_bera", "jarque_bera_p_value", "skewness", "kurtosis"), bera, strict=True))
    figures["durbin_watson"] = durbin_watson(found.wresid)
    return Oracle(
        design, found.params, -2 * found.resid, np.full(len(y), 2.0), found.cov_params(), figures,
        "OLS of statsmodels" if model.__class__ is sm.OLS else "WLS of statsmodels", rows.groups[take], weights, t=True,
    )  # fmt: skip


def _classes(rows: Table, y: np.ndarray, family: Any, take: Any, weights: np.ndarray) -> Callable[[str], Oracle]:
    """Of two classes, by GLM of statsmodels; its covariance by theory is of the expected curvature where the link is another."""
    design, y = rows.design[take], y[take]
    found = sm.GLM(y, design, family, var_weights=weights).fit(**EXACT)
    share = found.mu
    counts = np.array([weights @ (1 - y), weights @ y])
    null = counts @ np.log(counts / counts.sum())
    value = float(weights @ np.where(y > 0, np.log(share), np.log1p(-share)))
    ratio, (n, p) = 2 * (value - null), design.shape
    figures = {
        "log_likelihood": value, "log_likelihood_null": null, "aic": 2 * p - 2 * value, "bic": np.log(n) * p - 2 * value,
        "deviance": -2 * value, "pseudo_r2": 1 - value / null, "likelihood_ratio": ratio,
        "likelihood_ratio_p_value": stats.chi2.sf(ratio, p - 1),
    }  # fmt: skip
    slope, bend = _bends(design @ found.params, y, family)
    observed = np.linalg.inv((design.T * (weights * bend)) @ design)
    one = Oracle(
        design, found.params, slope, bend, observed, figures, "GLM of statsmodels", rows.groups[take], weights
    )  # fmt: skip
    return lambda cov: one


def _bends(f: np.ndarray, y: np.ndarray, family: Any) -> tuple[np.ndarray, np.ndarray]:
    """ℓ' and ℓ'' of half the unit deviance in f, from V, its derivative and those of the link."""
    link, mean = family.link, family.link.inverse(f)
    first, second = link.inverse_deriv(f), link.inverse_deriv2(f)
    variance, bent = family.variance(mean), family.variance.deriv(mean)
    off = y - mean
    return -off * first / variance, first**2 / variance - off * (second / variance - first**2 * bent / variance**2)


def _family(rows: Table, y: np.ndarray, family: Any, take: Any, weights: np.ndarray) -> Oracle:
    design, y, good = rows.design[take], y[take], np.asarray(weights)
    trials = isinstance(family, sm.families.Binomial)
    model = sm.GLM(np.column_stack([y * good, good - y * good]), design, family) if trials else sm.GLM(
        y, design, family, var_weights=good
    )  # fmt: skip
    found = model.fit(**EXACT)
    null = found.null_deviance if (good == 1).all() or trials else _null(y, good, family)
    ratio = (null - found.deviance) / found.scale
    p, n = design.shape[1], len(y)
    figures = {
        "log_likelihood": found.llf, "aic": found.aic, "bic": found.bic_llf, "deviance": found.deviance,
        "null_deviance": null, "pearson_chi2": found.pearson_chi2, "dispersion": found.scale,
        "log_likelihood_null": found.llnull if trials else _of_alone(model.family, y, good, found.scale),
        "likelihood_ratio": ratio, "likelihood_ratio_p_value": stats.chi2.sf(ratio, p - 1),
        "pseudo_r2": -np.expm1(-ratio / n),
    }  # fmt: skip
    slope, bend = _bends(design @ found.params, y, family)
    return Oracle(
        design, found.params, slope, bend, found.cov_params(), figures, "GLM of statsmodels", rows.groups[take], good
    )  # fmt: skip


def _alone(y: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return np.full(len(y), np.average(y, weights=weights))


def _of_alone(family: Any, y: np.ndarray, weights: np.ndarray, scale: float) -> float:
    return float(family.loglike(y, _alone(y, weights), var_weights=weights, scale=scale))


def _null(y: np.ndarray, weights: np.ndarray, family: Any) -> float:
    return float(family.deviance(y, _alone(y, weights), var_weights=weights))


def _quantile(rows: Table, level: float, reached: np.ndarray) -> Callable[[str], Oracle]:
    """θ by HiGHS: the vertex of its linear programme, from the rows that it passes through."""
    design, y, (n, p) = rows.design, rows.y, rows.design.shape
    cost = np.r_[np.zeros(2 * p), np.full(n, level), np.full(n, 1 - level)]
    whole = np.hstack([design, -design, np.eye(n), -np.eye(n)])
    at = optimize.linprog(cost, A_eq=whole, b_eq=y, method="highs-ds").x
    through = np.argsort(np.abs(y - design @ (at[:p] - at[p : 2 * p])))[:p]
    theta = np.linalg.solve(design[through], y[through])
    residuals = y - design @ theta
    residuals[through] = 0.0
    width = sm.regression.quantile_regression.hall_sheather(n, level)
    spread = min(np.std(y), stats.iqr(residuals) / 1.34)
    width = spread * (stats.norm.ppf(level + width) - stats.norm.ppf(level - width))
    kernel = sm.regression.quantile_regression.kernels["epa"](residuals / width) / width
    squares = design.T @ design
    back = np.linalg.inv(squares)
    off, whole = (np.where(r > 0, level, level - 1) * r for r in (residuals, y - np.quantile(y, level)))
    figures = {"pseudo_r2": 1 - off.sum() / whole.sum()}
    slope = np.where(residuals > 0, -level, np.where(residuals < 0, 1 - level, 0.5 - level))

    def oracle(cov: str) -> Oracle:
        alike = level * (1 - level) * back / kernel.mean() ** 2
        if cov == "HC0":  # Powell's: `ker` of R's quantreg
            bread = np.linalg.inv((design.T * kernel) @ design)
            alike = level * (1 - level) * bread @ squares @ bread
        kind = _Powell if cov == "HC0" else Oracle
        return kind(
            design, theta, slope, kernel, alike, figures, "the vertex that HiGHS finds", rows.groups, np.ones(n), t=True,
            reached=reached,
        )  # fmt: skip

    return oracle


class _Powell(Oracle):
    def covariance(self, cov: str) -> np.ndarray:
        return self.alike


def _m_estimate(rows: Table, slope: Callable[[Any], Any], bend: Callable[[Any], Any]) -> Oracle:
    """θ by reweighted least squares, and Newton's steps at the end."""
    design, y, (n, p) = rows.design, rows.y, rows.design.shape
    theta = np.linalg.lstsq(design, y, rcond=None)[0]
    for step in range(400):
        r = y - design @ theta
        each = bend(r) if step > 390 else np.where(r == 0, 1.0, slope(r) / np.where(r == 0, 1.0, r))
        theta = theta + np.linalg.solve((design.T * each) @ design, design.T @ slope(r))
    r = y - design @ theta
    bent, back = bend(r), np.linalg.inv(design.T @ design)
    correction = 1 + p / n * np.var(bent) / bent.mean() ** 2
    alike = correction**2 * (slope(r) @ slope(r)) / (n - p) / bent.mean() ** 2 * back
    return Oracle(design, theta, -slope(r), bent, alike, {}, "reweighted least squares", rows.groups, np.ones(n))


def _softmax(rows: Table) -> Iterator[Compared]:
    """Against a class, and summing to 0, of rows as they are and of rows that stand for several."""
    frame = rows.frame(y=np.array(list("abc"))[rows.three], g=rows.groups, f=rows.counts)
    again = np.repeat(np.arange(len(rows.y)), rows.counts)
    for of, take, more in (
        ("softmax", np.arange(len(rows.y)), {}),
        ("softmax, frequencies", again, {"weights": "f", "weights_kind": "frequency"}),
    ):
        fit = st.fit(frame, target="y", columns=rows.names, **more)
        design, codes, groups = rows.design[take], rows.three[take], rows.groups[take]
        plain = sm.MNLogit(codes, design).fit(disp=0, tol=1e-14, method="newton", maxiter=100)
        theta, (n, p) = np.asarray(plain.params).T.ravel(), design.shape
        share = plain.predict()
        wanted = np.eye(3)[codes, 1:] - share[:, 1:]
        scores = np.array([np.kron(off, row) for off, row in zip(wanted, design, strict=True)])
        inner = [np.diag(chance) - np.outer(chance, chance) for chance in share[:, 1:]]
        bread = np.linalg.inv(sum(np.kron(bend, np.outer(row, row)) for bend, row in zip(inner, design, strict=True)))
        counts = np.bincount(codes)
        null = counts @ np.log(counts / counts.sum())
        ratio = 2 * (plain.llf - null)
        figures = {
            "log_likelihood": plain.llf, "log_likelihood_null": null, "aic": 4 * p - 2 * plain.llf,
            "bic": 2 * p * np.log(n) - 2 * plain.llf, "deviance": -2 * plain.llf, "pseudo_r2": 1 - plain.llf / null,
            "likelihood_ratio": ratio, "likelihood_ratio_p_value": stats.chi2.sf(ratio, 2 * p - 2),
            "condition": np.linalg.cond(design), "nobs": n, "df_residual": n - 2 * p, "df_model": 2 * p - 2,
        }  # fmt: skip
        turn = np.kron(np.array([[-1, -1], [2, -1], [-1, 2]]) / 3, np.eye(p))
        for cov in COVS:
            matrix = _of_scores(cov, scores, bread, inner, design, groups)
            for form, change, asked in (
                ("against a reference", np.eye(2 * p), {"reference": "a"}),
                ("summing to 0", turn, {}),
            ):
                value, covariance = change @ theta, change @ matrix @ change.T
                error = np.sqrt(np.diag(covariance))
                theirs = figures | {
                    "value": value, "exact": value, "std_error": error, "statistic": value / error,
                    "p_value": 2 * stats.norm.sf(np.abs(value / error)), "covariance": covariance,
                    "low": value + stats.norm.ppf(0.025) * error, "high": value + stats.norm.ppf(0.975) * error,
                }  # fmt: skip
                label = ", ".join([of, form] if cov == "nonrobust" else [of, form, cov.partition(":")[0]])
                yield from everything(fit.summary(cov=cov, **asked), label, theirs, "MNLogit of statsmodels")


def _of_scores(
    cov: str, scores: np.ndarray, bread: np.ndarray, inner: list[np.ndarray], design: np.ndarray, groups: np.ndarray
) -> np.ndarray:
    n, q = scores.shape
    if cov == "nonrobust":
        return bread
    if cov.startswith("cluster"):
        scores = np.array([scores[groups == one].sum(0) for one in np.unique(groups)])
        scores *= np.sqrt(len(scores) / (len(scores) - 1) * (n - 1) / (n - q))
    elif cov in ("HC2", "HC3"):  # √S·(1 − H)^(−½ or −1)·√S⁻¹, H = √S·AᵀB⁻¹A·√S
        made, power = [], -0.5 if cov == "HC2" else -1.0
        for score, bend, row in zip(scores, inner, design, strict=True):
            root, wide = linalg.sqrtm(bend), np.kron(np.eye(2), row[:, None])
            rest = np.eye(2) - root @ wide.T @ bread @ wide @ root
            off = score.reshape(2, -1) @ row / (row @ row)
            made.append(wide @ (root @ linalg.fractional_matrix_power(rest, power) @ np.linalg.solve(root, off)))
        scores = np.array(made)
    meat = scores.T @ scores * (n / (n - q) if cov == "HC1" else 1.0)
    return bread @ meat @ bread
